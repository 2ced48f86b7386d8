"""When a transmitter that nobody can ask will have sent everything: by the time that bytes take.

What does not belong here: whether the bytes have reached it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from vmodem.net.timer import Timer
from vmodem.port.outgoing import LIMIT_S


class SentClock:
    """Of one transmitter; nobody waits for it longer than ``LIMIT_S``."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._empty_at = 0.0
        self._waiters: deque[tuple[float, Callable[[], None]]] = deque()
        self._timer = Timer(reactor)

    @property
    def left(self) -> float:
        """How long it takes until everything is sent, in seconds."""
        return max(0.0, self._empty_at - float(self._reactor.seconds()))

    def sent(self, seconds: float) -> None:
        """Bytes are on their way that take so long."""
        now = self._reactor.seconds()
        self._empty_at = min(max(now, self._empty_at) + seconds, now + LIMIT_S)

    def purged(self) -> None:
        """Nothing is on its way, and nobody waits any more."""
        self._empty_at = 0.0
        while self._waiters:
            self._tell()
        self._timer.cancel()

    def wait(self, done: Callable[[], None]) -> None:
        """Call ``done`` when all this is sent; calls are kept in order."""
        now = self._reactor.seconds()
        due = max(now, self._empty_at, self._waiters[-1][0] if self._waiters else 0.0)
        self._waiters.append((min(due, now + LIMIT_S), done))
        self._look()

    def _look(self) -> None:
        now = self._reactor.seconds()
        while self._waiters and self._waiters[0][0] <= now:
            self._tell()
        if self._waiters:
            self._timer.set(self._waiters[0][0] - now, self._look)
        else:
            self._timer.cancel()

    def _tell(self) -> None:
        self._reactor.callLater(0, self._waiters.popleft()[1])
