"""How many calls a modem may place in a minute, so that a DTE gone wild cannot scan a network through it.

What does not belong here: what the DTE is told (:class:`atparser.actions.CallFailure`), and which numbers may
be dialled at all.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

MINUTE_S: Final = 60.0


class DialLimit:
    """Counts the dials of one modem.  ``per_minute`` is how many there may be within any minute, 0 for no
    limit, and may be changed at any time; ``clock`` gives monotonic seconds."""

    def __init__(self, per_minute: int, clock: Callable[[], float]) -> None:
        self.per_minute = per_minute
        self._clock = clock
        self._dials: deque[float] = deque()

    def dial(self) -> float:
        """0 when a call may be placed now, and it is counted; else the seconds until one may."""
        if self.per_minute <= 0:
            self._dials.clear()
            return 0.0
        now = self._clock()
        while self._dials and (now >= self._dials[0] + MINUTE_S or len(self._dials) > self.per_minute):
            self._dials.popleft()
        if len(self._dials) >= self.per_minute:
            return self._dials[0] + MINUTE_S - now
        self._dials.append(now)
        return 0.0
