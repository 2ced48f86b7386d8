"""The access server's end of RFC 2217: the one that has the port.

Every SET is answered with the value now in force, every query with what is asked for: clients wait for that
and some fail without.  A SET-CONTROL for a circuit is answered with its own value.

The caller puts settings in force (:class:`Set`), follows the client's circuits (:class:`LinesSet`,
:class:`BreakSet`), and tells by :meth:`ComPortServer.modem_state` what the port's inputs are.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from . import comport, telnet
from .comport import (
    CommonEvent,
    LineState,
    ModemState,
    PortSettings,
    Purge,
    Signature,
    Suspended,
)
from .comport_end import ComPortEnd
from .events import ProtocolError, Send
from .telnet import Side, Telnet

#: Rates in one byte, as the access servers of one maker have them instead of four.
SHORT_RATES: Final = {
    3: 300,
    4: 600,
    5: 1200,
    6: 2400,
    7: 4800,
    8: 9600,
    10: 19200,
    12: 38400,
    13: 57600,
    14: 115200,
    15: 230400,
}
#: A rate this near to the one asked for is reported as the one asked for.
TOLERANCE: Final = 0.03
#: How often the signature is told; more would be an answer longer than its question without end.
SIGNATURES: Final = 4

#: The same the other way round.
SHORT_CODES: Final = {rate: code for code, rate in SHORT_RATES.items()}
#: Transmitter empty, as NOTIFY-LINESTATE shows it.
EMPTY: Final = LineState.SHIFT_EMPTY | LineState.HOLDING_EMPTY
#: Values of SET-CONTROL that drive circuits: which, and whether on.
LINES: Final = {
    comport.DTR_ON: ("dtr", True),
    comport.DTR_OFF: ("dtr", False),
    comport.RTS_ON: ("rts", True),
    comport.RTS_OFF: ("rts", False),
}


@dataclass(frozen=True)
class Set:
    """The client has set the port, perhaps to what it was; ``settings`` are now in force."""

    settings: PortSettings


@dataclass(frozen=True)
class LinesSet:
    """The client has set its circuits; None is the one that it left alone.  Commands that stand together
    come together: some boards are reset by both at one time."""

    dtr: bool | None = None
    rts: bool | None = None


@dataclass(frozen=True)
class BreakSet:
    """The client begins (``on``) or ends a break."""

    on: bool


@dataclass(frozen=True)
class Purged:
    """The client wants these buffers empty; has been answered."""

    buffers: Purge


Event = CommonEvent | Set | LinesSet | BreakSet | Purged


def _as_asked(settings: PortSettings) -> PortSettings:
    return settings


class ComPortServer(ComPortEnd):
    """One client's connection.

    ``accept`` is asked what becomes of settings a client wants, and returns those that will be in force; by
    default every valid one is.  ``telnet_side`` takes the place of the telnet codec made by default, which
    offers ECHO (the device echoes, not we), BINARY and SGA.
    """

    def __init__(
        self,
        *,
        signature: bytes = b"",
        settings: PortSettings | None = None,
        accept: Callable[[PortSettings], PortSettings] = _as_asked,
        telnet_side: Telnet | None = None,
    ) -> None:
        super().__init__(
            telnet_side
            or Telnet(
                offers=(telnet.BINARY, telnet.ECHO, telnet.SGA, telnet.COM_PORT),
                accepts=(telnet.BINARY, telnet.SGA, telnet.COM_PORT),
                expected=True,
            )
        )
        self.settings = settings or PortSettings()
        self._signature = signature
        self._signatures = SIGNATURES
        self._accept = accept
        #: The client's circuits, as it has set them; a caller that presumes one says so here, for queries.
        self.dtr = self.rts = False
        self._break = False
        self._state = ModemState(0)
        self._mask = ModemState(255)
        self._line_mask = LineState(0)

    # -- sending -------------------------------------------------------------------------------------------

    def greeting(self) -> bytes:
        """What the server asks for first; whatever the client has asked for already is left out."""
        ask = self.telnet.request
        return b"".join(
            (
                ask(telnet.SGA, Side.US),
                ask(telnet.SGA, Side.PEER),
                ask(telnet.ECHO, Side.US),
                ask(telnet.BINARY, Side.PEER),
                ask(telnet.BINARY, Side.US),
                b"" if self.telnet.enabled(telnet.COM_PORT, Side.US) else ask(telnet.COM_PORT, Side.PEER),
            )
        )

    def modem_state(self, state: ModemState) -> bytes:
        """The port's inputs are now ``state`` (the upper half); returns the notification to send, if any."""
        changed = ModemState((self._state ^ state) >> 4)
        if state & ModemState.RI:
            changed &= ~ModemState.TRAILING_RI
        seen = (self._state ^ state | changed) & self._mask
        self._state = state
        if not self._agreed or not seen:
            return b""
        return self._answer(comport.NOTIFY_MODEMSTATE, bytes(((state | changed) & self._mask,)))

    def break_detected(self) -> bytes:
        """The device sent a break; returns what to send, nothing if the client does not want to know."""
        if not self._agreed:
            return self.telnet.command(telnet.BRK) if self.telnet.spoken else b""
        if not self._line_mask & LineState.BREAK:
            return b""
        state = (EMPTY | LineState.BREAK) & self._line_mask
        return self._answer(comport.NOTIFY_LINESTATE, bytes((state,)))

    def suspend(self, on: bool) -> bytes:
        """Ask the client to send no data for now, or to send again."""
        if not self._agreed:
            return b""
        return self._answer(comport.FLOWCONTROL_SUSPEND if on else comport.FLOWCONTROL_RESUME, b"")

    # -- receiving -----------------------------------------------------------------------------------------

    def _begin(self) -> None:
        # Clients know no circuit until they are told; some never ask.
        self._send(self._answer(comport.NOTIFY_MODEMSTATE, bytes((self._state & self._mask,))))

    def _heard(self, data: bytes) -> None:
        code, value = comport.unpack(data)
        if code == comport.SIGNATURE:
            self._signature_came(value)
        elif code in comport.FIELDS:
            self._set(code, value)
        elif code == comport.SET_CONTROL:
            self._control(comport.unpack_byte(code, value))
        elif code == comport.NOTIFY_LINESTATE:
            self._send(self._answer(code, bytes((EMPTY,))))
        elif code == comport.NOTIFY_MODEMSTATE:
            self._send(self._answer(code, bytes((self._state,))))
        elif code in (comport.FLOWCONTROL_SUSPEND, comport.FLOWCONTROL_RESUME):
            self._events.append(Suspended(code == comport.FLOWCONTROL_SUSPEND))
        elif code == comport.SET_LINESTATE_MASK:
            self._line_mask = LineState(comport.unpack_byte(code, value))
            self._send(self._answer(code, bytes((self._line_mask,))))
        elif code == comport.SET_MODEMSTATE_MASK:
            self._set_mask(ModemState(comport.unpack_byte(code, value)))
        elif code == comport.PURGE_DATA:
            self._purge(comport.unpack_byte(code, value))
        else:
            raise ProtocolError(f"unknown COM-PORT command {code}")

    def _signature_came(self, text: bytes) -> None:
        if text:
            self._events.append(Signature(text))
        elif self._signatures:
            self._signatures -= 1
            self._send(self._answer(comport.SIGNATURE, self._signature))

    def _set_mask(self, mask: ModemState) -> None:
        more = mask & ~self._mask
        self._mask = mask
        self._send(self._answer(comport.SET_MODEMSTATE_MASK, bytes((mask,))))
        if more & self._state:
            self._send(self._answer(comport.NOTIFY_MODEMSTATE, bytes((self._state & mask,))))

    def _purge(self, which: int) -> None:
        # Answered first, as everything; the caller drops what is queued after it, never the answer.
        self._send(self._answer(comport.PURGE_DATA, bytes((which,))))
        if which & 3 and which < 4:
            self._events.append(Purged(Purge(which)))

    # -- settings ------------------------------------------------------------------------------------------

    def _set(self, code: int, value: bytes) -> None:
        short = code == comport.SET_BAUDRATE and len(value) == 1
        if code != comport.SET_BAUDRATE:
            wanted = comport.unpack_byte(code, value)
            good = comport.valid(code, wanted)
        elif short:
            wanted = SHORT_RATES.get(value[0], 0)
            good = wanted > 0
        else:
            wanted = comport.unpack_rate(value)
            good = wanted > 0
        field = comport.FIELDS[code]
        if good:
            self._apply(field, wanted)
        now: int = getattr(self.settings, field)
        if short:
            self._send(self._answer(code, bytes((SHORT_CODES.get(now, 0),))))
        elif code == comport.SET_BAUDRATE:
            self._send(self._answer(code, comport.pack_rate(now)))
        else:
            self._send(self._answer(code, bytes((now,))))

    def _apply(self, field: str, wanted: int) -> None:
        asked = dataclasses.replace(self.settings, **{field: wanted})
        got = self._accept(asked)
        if abs(got.rate - asked.rate) <= asked.rate * TOLERANCE:
            got = dataclasses.replace(got, rate=asked.rate)
        self.settings = got
        self._events.append(Set(got))

    def _control(self, value: int) -> None:
        answer = value
        if value in LINES:
            self._set_line(*LINES[value])
        elif value in (comport.BREAK_ON, comport.BREAK_OFF):
            on = value == comport.BREAK_ON
            if on is not self._break:
                self._break = on
                self._events.append(BreakSet(on))
        elif value == comport.BREAK_QUERY:
            answer = comport.BREAK_ON if self._break else comport.BREAK_OFF
        elif value == comport.DTR_QUERY:
            answer = comport.DTR_ON if self.dtr else comport.DTR_OFF
        elif value == comport.RTS_QUERY:
            answer = comport.RTS_ON if self.rts else comport.RTS_OFF
        elif value in comport.IN_OF:
            self._apply("flow", value)
            answer = self.settings.flow
            if answer == value:
                self._apply("flow_in", comport.IN_OF[value])
        elif value == comport.FLOW_QUERY:
            answer = self.settings.flow
        elif value in (*comport.IN_OF.values(), comport.FLOW_IN_DTR):
            self._apply("flow_in", value)
            answer = self.settings.flow_in
        elif value == comport.FLOW_IN_QUERY:
            answer = self.settings.flow_in
        else:
            # No such thing; yet somebody waits.  What he asked about is unknown, so is what to tell him.
            answer = self.settings.flow
        self._send(self._answer(comport.SET_CONTROL, bytes((answer,))))

    def _set_line(self, name: str, on: bool) -> None:
        if name == "dtr":
            self.dtr = on
        else:
            self.rts = on
        # Answers stand between commands of one segment; a second one to the same circuit is its own event.
        for place in range(len(self._events) - 1, -1, -1):
            event = self._events[place]
            if isinstance(event, LinesSet) and getattr(event, name) is None:
                self._events[place] = dataclasses.replace(event, **{name: on})
                return
            if not isinstance(event, Send):
                break
        self._events.append(LinesSet(**{name: on}))

    # -- words ---------------------------------------------------------------------------------------------

    def _answer(self, code: int, value: bytes) -> bytes:
        return self.telnet.subnegotiation(telnet.COM_PORT, bytes((code + comport.SERVER,)) + value)
