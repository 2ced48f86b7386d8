"""Breaks that are sent on a serial port, one at a time, each behind what was written before it.

What does not belong here: breaks whose end somebody else tells (:meth:`vmodem.port.pins.Pins.set_break`).
"""

from __future__ import annotations

from typing import Any, Final

from vmodem.net.timer import Timer
from vmodem.port.outgoing import Outgoing
from vmodem.port.pins import Pins

#: No break is longer, in seconds.
LIMIT_S: Final = 1.0


class BreakSender:
    """Sends breaks by ``pins``; what is to go out by ``out`` is held meanwhile."""

    def __init__(self, reactor: Any, out: Outgoing, pins: Pins) -> None:
        self._out = out
        self._pins = pins
        self._timer = Timer(reactor)
        self._seconds = 0.0  # of the one that is under way, or to come

    def send(self, seconds: float) -> None:
        """Send one; while another is under way this one is part of it."""
        if not self._seconds and seconds > 0:
            self._seconds = min(seconds, LIMIT_S)
            self._out.then(self._begin)

    def _begin(self) -> None:
        if self._seconds:
            self._pins.set_break(True)
            self._out.hold("break", True)
            self._timer.set(self._seconds, self.end)

    def end(self) -> None:
        """End one that is under way, and send none that was to come."""
        if self._seconds:
            self._seconds = 0.0
            self._timer.cancel()
            self._pins.end_break()
            self._out.hold("break", False)
