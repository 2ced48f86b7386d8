"""The client's end of RFC 2217: the one that has the application, and no port.

Nothing is asked for unless the caller asks; answers that differ from what was asked are told, not argued
with.  A server that refuses the option, or never answers, is still a telnet peer or a raw one: when to stop
waiting is the caller's business.
"""

from __future__ import annotations

from dataclasses import dataclass

from . import comport, telnet
from .comport import CommonEvent, LineState, ModemState, Purge, Signature, Suspended
from .comport_end import ComPortEnd
from .events import ProtocolError, Send
from .telnet import Side, Telnet


@dataclass(frozen=True)
class ModemStateTold:
    """The port's inputs, with what has changed."""

    state: ModemState


@dataclass(frozen=True)
class LineStateTold:
    """The port's receiver and transmitter: breaks and errors."""

    state: LineState


@dataclass(frozen=True)
class Answered:
    """The server says what is in force after the command ``code``, which may not be what was asked for."""

    code: int
    value: int


Event = CommonEvent | ModemStateTold | LineStateTold | Answered


class ComPortClient(ComPortEnd):
    """A connection to one access server."""

    def __init__(self, *, signature: bytes = b"", telnet_side: Telnet | None = None) -> None:
        super().__init__(
            telnet_side
            or Telnet(
                offers=(telnet.BINARY, telnet.SGA, telnet.COM_PORT),
                accepts=(telnet.BINARY, telnet.SGA, telnet.ECHO, telnet.COM_PORT),
            )
        )
        self._signature = signature
        self._modem_mask = ModemState(255)
        self._told = False

    # -- sending -------------------------------------------------------------------------------------------

    def greeting(self) -> bytes:
        """What a client says first."""
        ask = self.telnet.request
        return b"".join(
            (
                ask(telnet.COM_PORT, Side.US),
                ask(telnet.BINARY, Side.US),
                ask(telnet.BINARY, Side.PEER),
                ask(telnet.SGA, Side.PEER),
            )
        )

    def set(self, code: int, value: int) -> bytes:
        """SET-BAUDRATE with bit/s; SET-DATASIZE, SET-PARITY, SET-STOPSIZE with a value of RFC 2217."""
        if code == comport.SET_BAUDRATE:
            return self._command(code, comport.pack_rate(value))
        return self._command(code, bytes((value,)))

    def control(self, value: int) -> bytes:
        """SET-CONTROL: flow control, DTR, RTS, break."""
        return self._command(comport.SET_CONTROL, bytes((value,)))

    def masks(self, modem: ModemState, line: LineState) -> bytes:
        """Which changes are to be told."""
        words = b""
        # 255 is what a server begins with, and one loses its step at a 255 within a command.
        if modem != self._modem_mask:
            self._modem_mask = modem
            words = self._command(comport.SET_MODEMSTATE_MASK, bytes((modem,)))
        return words + self._command(comport.SET_LINESTATE_MASK, bytes((line,)))

    def ask_modem_state(self) -> bytes:
        """Poll the port's inputs."""
        return self._command(comport.NOTIFY_MODEMSTATE, b"")

    def ask_signature(self) -> bytes:
        """Ask who the server is."""
        return self._command(comport.SIGNATURE, b"")

    def purge(self, buffers: Purge) -> bytes:
        """Empty buffers of the server."""
        return self._command(comport.PURGE_DATA, bytes((buffers,)))

    def suspend(self, on: bool) -> bytes:
        """Ask the server to send no data for now, or to send again."""
        return self._command(comport.FLOWCONTROL_SUSPEND if on else comport.FLOWCONTROL_RESUME, b"")

    # -- receiving -----------------------------------------------------------------------------------------

    def _heard(self, data: bytes) -> None:
        code, value = comport.unpack(data)
        # A few servers send the client's codes for suspend and resume.
        if code not in (comport.FLOWCONTROL_SUSPEND, comport.FLOWCONTROL_RESUME):
            code -= comport.SERVER
        if code == comport.SIGNATURE:
            self._signature_came(value)
        elif code == comport.SET_BAUDRATE:
            self._events.append(Answered(code, comport.unpack_rate(value)))
        elif code in comport.FIELDS or code in (
            comport.SET_CONTROL,
            comport.SET_LINESTATE_MASK,
            comport.SET_MODEMSTATE_MASK,
            comport.PURGE_DATA,
        ):
            self._events.append(Answered(code, comport.unpack_byte(code, value)))
        elif code == comport.NOTIFY_MODEMSTATE:
            self._events.append(ModemStateTold(ModemState(comport.unpack_byte(code, value))))
        elif code == comport.NOTIFY_LINESTATE:
            self._events.append(LineStateTold(LineState(comport.unpack_byte(code, value))))
        elif code in (comport.FLOWCONTROL_SUSPEND, comport.FLOWCONTROL_RESUME):
            self._events.append(Suspended(code == comport.FLOWCONTROL_SUSPEND))
        else:
            raise ProtocolError(f"unknown COM-PORT notice {data[0]}")

    def _signature_came(self, text: bytes) -> None:
        if text:
            self._events.append(Signature(text))
        elif not self._told:  # once: an answer may be longer than its question
            self._told = True
            self._events.append(Send(self._command(comport.SIGNATURE, self._signature)))

    def _command(self, code: int, value: bytes) -> bytes:
        return self.telnet.subnegotiation(telnet.COM_PORT, bytes((code,)) + value)
