"""The engine's one deadline as a timer of the reactor.

What does not belong here: what is due.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

#: A timer found this late in seconds: look at what has arrived before time is judged.
LATE: Final = 0.25


class Alarm:
    """Calls ``expired`` when the moment set has come."""

    def __init__(self, reactor: Any, clock: Callable[[], float], expired: Callable[[], None]) -> None:
        self._reactor = reactor
        self._clock = clock
        self._expired = expired
        self._timer: Any = None
        self._due: float | None = None
        self._second_look = False

    def set(self, due: float | None) -> None:
        """Go off at ``due``; None: not at all."""
        if due == self._due and (due is None) == (self._timer is None):
            return
        self.stop()
        if due is not None:
            self._due = due
            self._timer = self._reactor.callLater(max(0.0, due - self._clock()), self._went_off)

    def stop(self) -> None:
        """Do not go off."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = self._due = None

    def _went_off(self) -> None:
        late = self._clock() - self._due if self._due is not None else 0.0
        self._timer = self._due = None
        if late > LATE and not self._second_look:
            # The whole program stood still.  What the DTE sent meanwhile is still to be read, and silence can
            # only be judged after it.
            self._second_look = True
            self._timer = self._reactor.callLater(0, self._went_off)
            return
        self._second_look = False
        self._expired()
