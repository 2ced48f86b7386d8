"""A fresh real reactor for each test, never the process-wide one, turned by hand until something is true."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

try:
    from twisted.internet.epollreactor import EPollReactor as RealReactor
except ImportError:  # not Linux
    from twisted.internet.pollreactor import PollReactor as RealReactor  # type: ignore[assignment]

#: No condition of a test takes so long unless it never comes true, in seconds.
PATIENCE_S = 10.0


class Reactor(RealReactor):  # type: ignore[misc, valid-type]
    """A reactor on the monotonic clock that a test turns."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = time.monotonic
        #: Turns taken so far; a line that spins shows here.
        self.turns = 0
        self.startRunning(installSignalHandlers=False)
        self.iterate(0)

    def doIteration(self, timeout: float | None) -> None:
        self.turns += 1
        super().doIteration(timeout)

    def until(
        self, true: Callable[[], Any], timeout: float = PATIENCE_S, what: str = "", tick: float = 0.02
    ) -> None:
        """Turn until ``true()`` is true, asked after each turn and every ``tick`` seconds.

        Fails the test after ``timeout`` seconds.
        """
        end = time.monotonic() + timeout
        while not true():
            left = end - time.monotonic()
            if left <= 0:
                pytest.fail(f"not within {timeout} s: {what or true}")
            self._turn(min(left, tick))

    def run_for(self, seconds: float) -> int:
        """Turn for so long; returns how many turns that took (a wake-up each)."""
        before, end = self.turns, time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._turn(left)
        return self.turns - before

    def wait_for(self, deferred: Any, timeout: float = PATIENCE_S) -> Any:
        """Turn until ``deferred`` has fired; returns its result or raises its failure."""
        results: list[Any] = []
        deferred.addBoth(results.append)
        self.until(lambda: results, timeout, "a deferred fires")
        if hasattr(results[0], "raiseException"):
            results[0].raiseException()
        return results[0]

    def _turn(self, timeout: float) -> None:
        self.runUntilCurrent()
        due = self.timeout()
        self.doIteration(timeout if due is None else min(timeout, due))

    def dispose(self) -> None:
        """Close what the reactor itself holds; fails the test for whatever else is still registered."""
        own = set(self._internalReaders)
        left = [item for item in (*self.getReaders(), *self.getWriters()) if item not in own]
        calls = self.getDelayedCalls()
        self.fireSystemEvent("shutdown")
        for _ in range(3):
            self.iterate(0)
        self.disconnectAll()
        for item in own:
            item.connectionLost(None)
        if hasattr(self, "_poller") and hasattr(self._poller, "close"):
            self._poller.close()
        assert not left, f"left on the reactor: {left}"
        assert not calls, f"timers left: {[str(call) for call in calls]}"


@pytest.fixture
def reactor() -> Iterator[Reactor]:
    """A fresh reactor; at the end nothing may be left on it."""
    made = Reactor()
    yield made
    made.dispose()
    gc.collect()
