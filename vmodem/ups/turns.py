"""Who works when: a little of everybody's work at a time, so that a thousand clients who never stop asking
take no time away from the lines of the UPSes.

A reply of a UPS that is read a second late is none, and a UPS on battery that cannot be read has machines
shut down.  So what all clients together may use of one turn of the reactor is bounded, and who found no time
waits behind those who already do.

What does not belong here: the work.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Final

#: What all work together may use of one turn of the reactor, in seconds; the last piece may go beyond.
BUDGET_S: Final = 0.01


class Turns:
    """The turns of whoever shares a reactor.  Work that is over by its turn has to see that itself."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._waiting: deque[Callable[[], None]] = deque()
        self._used = 0.0  # of this turn of the reactor, in seconds
        self._call: Any = None

    @property
    def free(self) -> bool:
        """Whether there is time left in this turn, and nobody waits for it."""
        return not self._waiting and self._used < BUDGET_S

    def now(self, work: Callable[[], None]) -> None:
        """Work at once; what it takes is reckoned."""
        began = self._reactor.seconds()
        try:
            work()
        finally:
            self._used += self._reactor.seconds() - began
            self._arrange()

    def later(self, work: Callable[[], None]) -> None:
        """Work when it is its turn."""
        self._waiting.append(work)
        self._arrange()

    def close(self) -> None:
        """Nobody works any more."""
        self._waiting.clear()
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _arrange(self) -> None:
        if self._call is None:
            self._call = self._reactor.callLater(0, self._next)

    def _next(self) -> None:
        self._call, self._used = None, 0.0
        for _ in range(len(self._waiting)):
            self.now(self._waiting.popleft())
            if self._used >= BUDGET_S:
                break
