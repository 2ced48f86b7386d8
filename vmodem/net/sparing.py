"""How soon something may be begun again that does harm when it is begun too often.

Opening a serial port raises circuits that may be a UPS's kill line: such a port is opened once, and after a
failure not again before a pause that grows.  What cannot even be begun (a device or a server that is not
there) costs nothing and may be tried as often as one likes.

What does not belong here: timers, and what is begun.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence


class Sparing:
    """Pauses after each thing that was begun, in seconds; the last one repeats, and what lasted longer than
    that has the first one again.  Without ``pauses`` nothing ever has to wait.  ``clock`` gives seconds."""

    def __init__(self, clock: Callable[[], float], pauses: Sequence[float] = ()) -> None:
        self._clock = clock
        self._pauses = pauses
        self._began: float | None = None
        self._failures = 0
        self._not_before = float("-inf")

    def begun(self) -> None:
        """It has begun, whatever becomes of it."""
        self._began = self._clock()

    def ended(self) -> None:
        """It is over; no effect when it had not begun."""
        if self._began is None or not self._pauses:
            return
        now = self._clock()
        if now - self._began > self._pauses[-1]:
            self._failures = 0
        self._not_before = now + self._pauses[min(self._failures, len(self._pauses) - 1)]
        self._failures += 1
        self._began = None

    @property
    def left(self) -> float:
        """Seconds until it may begin again."""
        return max(self._not_before - self._clock(), 0.0)
