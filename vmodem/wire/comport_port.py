"""The access server's end of RFC 2217 over a real port, which others may be using, too.

What a client wants of the port takes time there, and may be refused.  So nothing of that is answered here:
each command comes as an event (:class:`Wanted`, :class:`LinesSet`, :class:`BreakSet`) in its place among the
data, and whoever has carried it out sends :meth:`PortServer.answer`, with what is in force then.

What does not belong here: a virtual port that can be anything at once (:mod:`vmodem.wire.comport_server`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from . import comport
from .comport import LineState, ModemState, PortSettings
from .comport_server import (
    EMPTY,
    LINES,
    SHORT_CODES,
    SHORT_RATES,
    TOLERANCE,
    BreakSet,
    ComPortServer,
    LinesSet,
)
from .telnet import Telnet

#: Flow control towards the client's data, and back; what each value of SET-CONTROL sets.
_FLOW_OUT: Final = frozenset(comport.IN_OF)
_FLOW_IN: Final = frozenset((*comport.IN_OF.values(), comport.FLOW_IN_DTR))


@dataclass(frozen=True)
class Wanted:
    """The client wants one of the port's settings changed, or told.  It waits for :meth:`PortServer.answer`.

    ``change`` is the field of :class:`vmodem.wire.comport.PortSettings` to be set to ``value``; "" where it
    only asks, or asks for what there is not.
    """

    code: int
    asked: int
    change: str = ""
    value: int = 0
    #: A rate in one byte.
    short: bool = False

    def applied(self, settings: PortSettings) -> PortSettings:
        """``settings`` with what is wanted."""
        return replace(settings, **{self.change: self.value}) if self.change else settings


@dataclass(frozen=True)
class Port:
    """How the port stands, for answers."""

    settings: PortSettings
    dtr: bool = False
    rts: bool = False
    sends_break: bool = False


class PortServer(ComPortServer):
    """One client's connection.  ``idle`` says whether everything written to the port has left."""

    def __init__(
        self, *, signature: bytes = b"", telnet_side: Telnet | None = None, idle: Callable[[], bool]
    ) -> None:
        super().__init__(signature=signature, telnet_side=telnet_side)
        self._idle = idle

    # -- sending -------------------------------------------------------------------------------------------

    def answer(self, what: Wanted | LinesSet | BreakSet, port: Port) -> bytes:
        """The answer to a command that has been carried out, or refused: ``port`` is as it is now."""
        if isinstance(what, LinesSet):
            words = b""
            if what.dtr is not None:
                words += self._told(comport.DTR_ON if port.dtr else comport.DTR_OFF)
            if what.rts is not None:
                words += self._told(comport.RTS_ON if port.rts else comport.RTS_OFF)
            return words
        if isinstance(what, BreakSet):
            return self._told(comport.BREAK_ON if port.sends_break else comport.BREAK_OFF)
        if what.code == comport.SET_CONTROL:
            return self._told(_control(what.asked, port))
        now: int = getattr(port.settings, comport.FIELDS[what.code])
        if what.code != comport.SET_BAUDRATE:
            return self._answer(what.code, bytes((now,)))
        if what.change and abs(now - what.value) <= what.value * TOLERANCE:
            now = what.value  # clients take any other number for a refusal
        if what.short:
            return self._answer(what.code, bytes((SHORT_CODES.get(now, 0),)))
        return self._answer(what.code, comport.pack_rate(now))

    def line_state(self, state: LineState) -> bytes:
        """Something befell the device's data here; returns the notification to send, if any."""
        if not self._agreed or not state & self._line_mask:
            return b""
        if self._idle():
            state |= EMPTY
        state &= self._line_mask
        return self._answer(comport.NOTIFY_LINESTATE, bytes((state,)))

    def _told(self, value: int) -> bytes:
        return self._answer(comport.SET_CONTROL, bytes((value,)))

    # -- receiving -----------------------------------------------------------------------------------------

    def _heard(self, data: bytes) -> None:
        if data and data[0] == comport.NOTIFY_LINESTATE:
            self._send(self._answer(data[0], bytes((EMPTY if self._idle() else 0,))))
        else:
            super()._heard(data)

    def _set(self, code: int, value: bytes) -> None:
        field = comport.FIELDS[code]
        short = code == comport.SET_BAUDRATE and len(value) == 1
        if code != comport.SET_BAUDRATE:
            asked = comport.unpack_byte(code, value)
            good = comport.valid(code, asked)
        elif short:
            asked = SHORT_RATES.get(value[0], 0)
            good = asked > 0
        else:
            asked = comport.unpack_rate(value)
            good = asked > 0
        self._events.append(Wanted(code, asked, field if good else "", asked if good else 0, short))

    def _control(self, value: int) -> None:
        if value in LINES:
            self._set_line(*LINES[value])
        elif value in (comport.BREAK_ON, comport.BREAK_OFF):
            self._events.append(BreakSet(value == comport.BREAK_ON))
        elif value in _FLOW_OUT:
            self._events.append(Wanted(comport.SET_CONTROL, value, "flow", value))
        elif value in _FLOW_IN:
            self._events.append(Wanted(comport.SET_CONTROL, value, "flow_in", value))
        else:
            self._events.append(Wanted(comport.SET_CONTROL, value))

    def _set_line(self, name: str, on: bool) -> None:
        # Nothing stands between commands of one segment here; one circuit set twice is two events.
        last = self._events[-1] if self._events else None
        if isinstance(last, LinesSet) and getattr(last, name) is None:
            self._events[-1] = replace(last, **{name: on})
        else:
            self._events.append(LinesSet(**{name: on}))


def _control(asked: int, port: Port) -> int:
    """What a query of SET-CONTROL, or a wish for flow control, is answered."""
    if asked == comport.BREAK_QUERY:
        return comport.BREAK_ON if port.sends_break else comport.BREAK_OFF
    if asked == comport.DTR_QUERY:
        return comport.DTR_ON if port.dtr else comport.DTR_OFF
    if asked == comport.RTS_QUERY:
        return comport.RTS_ON if port.rts else comport.RTS_OFF
    if asked == comport.FLOW_IN_QUERY or asked in _FLOW_IN:
        return port.settings.flow_in
    return port.settings.flow


def modem_state(cts: bool, dsr: bool, dcd: bool, ri: bool) -> ModemState:
    """Circuits as NOTIFY-MODEMSTATE shows them."""
    state = ModemState(0)
    for on, bit in ((cts, ModemState.CTS), (dsr, ModemState.DSR), (dcd, ModemState.DCD), (ri, ModemState.RI)):
        if on:
            state |= bit
    return state
