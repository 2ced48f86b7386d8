"""Many named deadlines, one next moment."""

from __future__ import annotations

import enum


class Timer(enum.Enum):
    """What the engine may wait for.  Of several that are due at once the one listed first runs first."""

    DTR = "DTR has been off for S25"
    ESCAPE = "silence after the escape sequence"
    SILENCE = "silence before an escape sequence"
    GRACE = "what comes from now on gives up the call on its way"
    DIAL_LIMIT = "S7 is over"
    RESPONSE = "a command line may be run"
    REDIAL = "a failed number may be tried again"
    ANSWER_WAIT = "nobody has called while the DTE waited for it"
    BURST_END = "the ring burst ends"
    NEXT_RING = "the next ring burst is due"
    TYPING = "the DTE has stopped typing"
    RING_COUNT = "S1 is cleared"
    INACTIVITY = "S30 is over"
    CARRIER_PULSE = "DCD comes back after its drop (&C2)"
    CTS = "CTS follows RTS after S26 (&R0)"
    TEST = "S18 is over"


class Timers:
    """Deadlines on the caller's monotonic clock, in seconds."""

    __slots__ = ("_at",)

    def __init__(self) -> None:
        self._at: dict[Timer, float] = {}

    def set(self, timer: Timer, at: float) -> None:
        self._at[timer] = at

    def clear(self, *timers: Timer) -> None:
        for timer in timers:
            self._at.pop(timer, None)

    def get(self, timer: Timer) -> float | None:
        return self._at.get(timer)

    def __contains__(self, timer: Timer) -> bool:
        return timer in self._at

    def deadline(self) -> float | None:
        """The next moment anything is due; None while nothing is."""
        return min(self._at.values()) if self._at else None

    def pop_due(self, now: float) -> Timer | None:
        """Take out one timer that is due, the earliest first; None when none is."""
        due = [(at, order[timer], timer) for timer, at in self._at.items() if at <= now]
        if not due:
            return None
        timer = min(due)[2]
        del self._at[timer]
        return timer


order = {timer: place for place, timer in enumerate(Timer)}
