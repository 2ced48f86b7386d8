"""How often callers may ring, and how often they may guess."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmodem.net.admission.limits import FAILURES, LOCK_S, SOURCES, CallerLimits, Limiter, Lockout, source


class Time:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Time:
    return Time()


def test_without_limits(clock: Time) -> None:
    limiter = Limiter(CallerLimits(pending=0), clock)
    assert all(limiter.judge("192.0.2.1", 1000).allowed for _ in range(10_000))


def test_one_address(clock: Time) -> None:
    limiter = Limiter(CallerLimits(per_address=3), clock)
    assert [limiter.judge("192.0.2.1", 0).allowed for _ in range(5)] == [True] * 3 + [False] * 2
    assert limiter.judge("192.0.2.1", 0).rule == "per_address: 3 calls a minute from one address"
    assert limiter.judge("192.0.2.2", 0).allowed
    clock.now += 20
    assert [limiter.judge("192.0.2.1", 0).allowed for _ in range(2)] == [True, False]
    clock.now += 60
    assert [limiter.judge("192.0.2.1", 0).allowed for _ in range(4)] == [True] * 3 + [False]


def test_all_together(clock: Time) -> None:
    limiter = Limiter(CallerLimits(per_minute=10), clock)
    assert sum(limiter.judge(f"192.0.2.{host}", 0).allowed for host in range(200)) == 10
    assert limiter.judge("192.0.2.1", 0).rule == "per_minute: 10 calls a minute"


def test_whoever_is_refused_is_not_counted(clock: Time) -> None:
    limiter = Limiter(CallerLimits(per_address=1, per_minute=2), clock)
    assert limiter.judge("192.0.2.1", 0).allowed
    assert not limiter.judge("192.0.2.1", 0).allowed
    assert limiter.judge("192.0.2.2", 0).allowed
    assert not limiter.judge("192.0.2.3", 0).allowed
    clock.now += 30
    assert limiter.judge("192.0.2.3", 0).allowed


def test_hold_off(clock: Time) -> None:
    limiter = Limiter(CallerLimits(hold_off=10), clock)
    limiter.left()
    clock.now += 7.5
    assert limiter.judge("192.0.2.2", 0).rule.endswith("nobody rings for 2.5 s")
    clock.now += 2.5
    assert limiter.judge("192.0.2.2", 0).allowed
    Limiter(CallerLimits(), clock).left()  # not asked for


def test_pending(clock: Time) -> None:
    limiter = Limiter(CallerLimits(), clock)
    assert limiter.judge("192.0.2.1", 31).allowed
    assert limiter.judge("192.0.2.1", 32).rule == "pending: 32 callers are waiting to be let in"


def test_limits_of_now(clock: Time) -> None:
    limiter = Limiter(CallerLimits(per_minute=1), clock)
    assert [limiter.judge("", 0).allowed for _ in range(2)] == [True, False]
    limiter.limits = CallerLimits()
    assert limiter.judge("", 0).allowed


def test_sources() -> None:
    assert source("192.0.2.1") == "192.0.2.1"
    assert source("::ffff:192.0.2.1") == source("::ffff:c000:201")
    assert source("2001:db8::1") == source("2001:db8::ffff:1") != source("2001:db8:0:1::1")
    assert source("") == ""
    assert source("no address") == "no address"


@given(st.integers(1, 30), st.lists(st.floats(0, 30), max_size=100))
def test_never_more_than_twice_in_any_minute(limit: int, waits: list[float]) -> None:
    """And once more than a minute was silent, as many as the limit says."""
    clock = Time()
    limiter = Limiter(CallerLimits(per_address=limit), clock)
    let_in = []
    for wait in waits:
        clock.now += wait
        let_in += [clock.now for _ in range(3) if limiter.judge("192.0.2.1", 0).allowed]
    for moment in let_in:
        assert sum(moment <= each < moment + 60 for each in let_in) <= 2 * limit
    clock.now += 60
    assert sum(limiter.judge("192.0.2.1", 0).allowed for _ in range(2 * limit)) == limit


@pytest.mark.parametrize("what", ["calls", "guesses"])
def test_the_tables_are_bounded(clock: Time, what: str) -> None:
    limiter, lockout = Limiter(CallerLimits(per_address=2), clock), Lockout(clock)
    tell: Callable[[str], object] = lockout.failed
    if what == "calls":
        tell = lambda host: limiter.judge(host, 0)  # noqa: E731
    for number in range(SOURCES):
        tell(f"10.1.{number >> 8}.{number & 255}")
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for number in range(20_000):
            tell(f"10.2.{number >> 8}.{number & 255}")
        assert tracemalloc.get_traced_memory()[0] - before < 300_000
    finally:
        tracemalloc.stop()


def test_lockout(clock: Time) -> None:
    lockout = Lockout(clock)
    assert [lockout.failed("192.0.2.1") for _ in range(FAILURES)] == [False] * (FAILURES - 1) + [True]
    assert lockout.locked("192.0.2.1")
    assert not lockout.locked("192.0.2.2")
    clock.now += LOCK_S - 0.1
    assert lockout.locked("192.0.2.1")
    clock.now += 0.1
    assert not lockout.locked("192.0.2.1")
    assert not lockout.failed("192.0.2.1")  # counted anew


def test_failures_are_forgotten(clock: Time) -> None:
    lockout = Lockout(clock)
    for _ in range(FAILURES - 1):
        lockout.failed("192.0.2.1")
    clock.now += LOCK_S
    assert not lockout.failed("192.0.2.1")
    for _ in range(FAILURES - 2):
        lockout.failed("192.0.2.1")
    lockout.passed("192.0.2.1")
    assert not lockout.failed("192.0.2.1")
