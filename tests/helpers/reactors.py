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
PATIENCE_S = 30.0


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

        Fails the test after ``timeout`` seconds, when what has come by then has been looked at.
        """
        end = time.monotonic() + timeout
        while not true():
            left = end - time.monotonic()
            if left > 0:
                self._turn(min(left, tick))
                continue
            self.settle()
            if true():
                return
            pytest.fail(f"not within {timeout} s: {what or true}")

    def run_for(self, seconds: float) -> int:
        """Turn for so long; returns how many turns that took (a wake-up each).

        What has come by then has been looked at, although the machine may have let us do nothing meanwhile.
        """
        before, end = self.turns, time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._turn(left)
        self.settle()
        return self.turns - before

    @property
    def left(self) -> list[Any]:
        """What is on the reactor that is not its own: descriptors and timers."""
        own = set(self._internalReaders)
        found = [item for item in (*self.getReaders(), *self.getWriters()) if item not in own]
        return [*found, *self.getDelayedCalls()]

    def until_idle(self) -> None:
        """Turn until nothing is left on it."""
        self.until(lambda: not self.left, what="nothing is left")

    def settle(self) -> None:
        """Look at what is there and do what is due, without waiting for anything; no turns are counted."""
        taken = self.turns
        for _ in range(3):
            self._turn(0)
        self.turns = taken

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
        left = list(map(str, self.left))
        self.fireSystemEvent("shutdown")
        for _ in range(3):
            self.iterate(0)
        self.disconnectAll()
        for item in own:
            item.connectionLost(None)
        if hasattr(self, "_poller") and hasattr(self._poller, "close"):
            self._poller.close()
        assert not left, f"left on the reactor: {left}"


@pytest.fixture
def reactor() -> Iterator[Reactor]:
    """A fresh reactor; at the end nothing may be left on it."""
    made = Reactor()
    yield made
    made.dispose()
    gc.collect()
