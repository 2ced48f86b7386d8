"""Carrying out what clients want of a port: settings, circuits, breaks; and answering it.

What does not belong here: who may (sharing.py), and one change at a time (desk.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.logger import Logger

from vmodem.port.base import Signals
from vmodem.wire.comport_port import PortServer, Wanted
from vmodem.wire.comport_server import BreakSet, LinesSet

from .desk import Desk
from .speech import Order

#: Telnet's break has no length; it is given this one, in seconds.
BREAK_S: Final = 0.25
#: So long after a break its sender goes on, in seconds: a receiver wants to see the line at rest, and whoever
#: waited for the end of the break has his turn.
REST_S: Final = 0.02


class Orders:
    """The orders of all clients of one port."""

    _log = Logger()

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._breaks: list[Any] = []
        self._stopped = False

    def stop(self) -> None:
        """Breaks that are being sent end."""
        self._stopped = True
        for timer in self._breaks:
            if timer.active():
                timer.cancel()
        self._breaks.clear()

    def carry_out(
        self,
        desk: Desk,
        who: object,
        may: bool,
        order: Order,
        codec: PortServer | None,
        done: Callable[[bytes], None],
    ) -> None:
        """Do what ``who`` wants, if he ``may``; ``done`` gets the answer to send, perhaps at once: how the
        port stands then, in any case."""

        def answer() -> None:
            if codec is None or not isinstance(order, (Wanted, LinesSet, BreakSet)):
                done(b"")
            else:
                done(codec.answer(order, desk.standing))

        if not may:
            answer()
        elif isinstance(order, Wanted):
            if order.change:
                self._log.debug(
                    "{client} wants {what} {value}",
                    client=getattr(who, "peer", ""),
                    what=order.change,
                    value=order.value,
                )
                desk.want(order, answer)
            else:
                answer()
        elif isinstance(order, LinesSet):
            on = off = Signals.NONE
            for wanted, circuit in ((order.dtr, Signals.DTR), (order.rts, Signals.RTS)):
                if wanted is not None:
                    on, off = (on | circuit, off) if wanted else (on, off | circuit)
            desk.drive(on, off, answer)
        elif isinstance(order, BreakSet):
            desk.break_by(who, order.on, answer)
        else:
            self.send_break(desk, answer)

    def send_break(self, desk: Desk, done: Callable[[], None]) -> None:
        """Send a break of the usual length; ``done`` is called soon after its end."""
        key = object()

        def begun() -> None:
            self._later(BREAK_S, over)

        def over() -> None:
            desk.break_by(key, False, ended)

        def ended() -> None:
            self._later(REST_S, done)

        desk.break_by(key, True, begun)

    def _later(self, seconds: float, what: Callable[[], None]) -> None:
        if self._stopped:
            return
        self._breaks = [timer for timer in self._breaks if timer.active()]
        self._breaks.append(self._reactor.callLater(seconds, what))
