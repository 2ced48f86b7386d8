"""The telnet COM port control option (RFC 2217), what both ends have in common: codes, values, settings.

The *client* has the application, the *access server* has the port; their codecs are
:mod:`vmodem.wire.comport_server` and :mod:`vmodem.wire.comport_client`.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

from .events import Data, Ignored, ProtocolError, Send
from .telnet import Command

#: What the server adds to a command's code in its answer.
SERVER: Final = 100

# Commands, RFC 2217 clause 3.
SIGNATURE: Final = 0
SET_BAUDRATE: Final = 1
SET_DATASIZE: Final = 2
SET_PARITY: Final = 3
SET_STOPSIZE: Final = 4
SET_CONTROL: Final = 5
NOTIFY_LINESTATE: Final = 6
NOTIFY_MODEMSTATE: Final = 7
FLOWCONTROL_SUSPEND: Final = 8
FLOWCONTROL_RESUME: Final = 9
SET_LINESTATE_MASK: Final = 10
SET_MODEMSTATE_MASK: Final = 11
PURGE_DATA: Final = 12

# Values of SET-CONTROL.
FLOW_QUERY: Final = 0
FLOW_NONE: Final = 1
FLOW_XON: Final = 2
FLOW_HARDWARE: Final = 3
BREAK_QUERY: Final = 4
BREAK_ON: Final = 5
BREAK_OFF: Final = 6
DTR_QUERY: Final = 7
DTR_ON: Final = 8
DTR_OFF: Final = 9
RTS_QUERY: Final = 10
RTS_ON: Final = 11
RTS_OFF: Final = 12
FLOW_IN_QUERY: Final = 13
FLOW_IN_NONE: Final = 14
FLOW_IN_XON: Final = 15
FLOW_IN_HARDWARE: Final = 16
FLOW_DCD: Final = 17
FLOW_IN_DTR: Final = 18
FLOW_DSR: Final = 19

#: What inbound flow control becomes when 1, 2 or 3 sets both directions.
IN_OF: Final = {
    FLOW_NONE: FLOW_IN_NONE,
    FLOW_XON: FLOW_IN_XON,
    FLOW_HARDWARE: FLOW_IN_HARDWARE,
    FLOW_DCD: FLOW_IN_NONE,
    FLOW_DSR: FLOW_IN_NONE,
}

_VALUES: Final = {
    SET_DATASIZE: range(5, 9),
    SET_PARITY: range(1, 6),
    SET_STOPSIZE: range(1, 4),
}


class ModemState(enum.IntFlag):
    """Circuits as NOTIFY-MODEMSTATE shows them; the low half says which have changed."""

    DCD = 128
    RI = 64
    DSR = 32
    CTS = 16
    DELTA_DCD = 8
    TRAILING_RI = 4
    DELTA_DSR = 2
    DELTA_CTS = 1


class LineState(enum.IntFlag):
    """What NOTIFY-LINESTATE tells."""

    TIMEOUT = 128
    SHIFT_EMPTY = 64
    HOLDING_EMPTY = 32
    BREAK = 16
    FRAMING = 8
    PARITY = 4
    OVERRUN = 2
    READY = 1


class Parity(enum.IntEnum):
    """Values of SET-PARITY."""

    NONE = 1
    ODD = 2
    EVEN = 3
    MARK = 4
    SPACE = 5


class Stop(enum.IntEnum):
    """Values of SET-STOPSIZE."""

    ONE = 1
    TWO = 2
    ONE_AND_A_HALF = 3


#: Parity and stop bits as people write them.
PARITIES: Final = {
    "N": Parity.NONE,
    "O": Parity.ODD,
    "E": Parity.EVEN,
    "M": Parity.MARK,
    "S": Parity.SPACE,
}
STOPS: Final = {1: Stop.ONE, 1.5: Stop.ONE_AND_A_HALF, 2: Stop.TWO}
PARITY_OF: Final = {value: name for name, value in PARITIES.items()}
STOP_OF: Final = {value: bits for bits, value in STOPS.items()}


class Purge(enum.IntFlag):
    """Buffers of the access server: what came from the device, and what is to go there."""

    RECEIVE = 1
    TRANSMIT = 2


@dataclass(frozen=True)
class PortSettings:
    """A port's rate in bit/s, its framing, and its flow control as SET-CONTROL values."""

    rate: int = 9600
    bits: int = 8
    parity: int = Parity.NONE
    stop: int = Stop.ONE
    flow: int = FLOW_NONE
    flow_in: int = FLOW_IN_NONE


#: Which field of the settings a command sets.
FIELDS: Final = {
    SET_BAUDRATE: "rate",
    SET_DATASIZE: "bits",
    SET_PARITY: "parity",
    SET_STOPSIZE: "stop",
}


@dataclass(frozen=True)
class Agreed:
    """The peer speaks RFC 2217; told once."""


@dataclass(frozen=True)
class Refused:
    """The peer will not speak RFC 2217; told once, and may still be followed by :class:`Agreed`."""


@dataclass(frozen=True)
class Suspended:
    """The peer wants no data for now (``on``), or wants it again.  Commands pass all the same."""

    on: bool


@dataclass(frozen=True)
class Signature:
    """What the peer says it is; for people, and may hold anything."""

    text: bytes


#: What the events of both codecs have in common; :class:`Command` is one of telnet's own.
CommonEvent = Data | Send | Ignored | Command | Agreed | Refused | Suspended | Signature


def unpack(data: bytes) -> tuple[int, bytes]:
    """The code and the value of a subnegotiation.  Raises :class:`ProtocolError` for an empty one."""
    if not data:
        raise ProtocolError("COM-PORT subnegotiation without a command")
    return data[0], data[1:]


def unpack_rate(data: bytes) -> int:
    """A rate as it was sent: four bytes, most significant first; more are passed over (one server sends
    eight, the last four of them zero).  Raises :class:`ProtocolError`."""
    if len(data) < 4:
        raise ProtocolError(f"SET-BAUDRATE with {len(data)} bytes of value; 4 were expected")
    return int.from_bytes(data[:4], "big")


def pack_rate(rate: int) -> bytes:
    """A rate in bit/s as it is sent."""
    return rate.to_bytes(4, "big")


def unpack_byte(code: int, data: bytes) -> int:
    """The value of any other command.  Raises :class:`ProtocolError` where there is none."""
    if not data:
        raise ProtocolError(f"COM-PORT command {code} without a value")
    return data[0]


def valid(code: int, value: int) -> bool:
    """Whether a SET of size, parity or stop may have this value."""
    return value in _VALUES[code]
