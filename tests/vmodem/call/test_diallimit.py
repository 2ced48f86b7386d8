"""How many calls a modem may place in a minute."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vmodem.call.diallimit import DialLimit


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_any_minute() -> None:
    clock = Time()
    limit = DialLimit(2, clock)
    assert limit.dial() == 0
    clock.now = 50
    assert limit.dial() == 0
    assert limit.dial() == 10  # not counted
    clock.now = 59.9
    assert limit.dial() > 0
    clock.now = 60
    assert limit.dial() == 0
    assert limit.dial() == 50


def test_no_limit() -> None:
    limit = DialLimit(0, Time())
    assert not any(limit.dial() for _ in range(10_000))


def test_changed_while_it_counts() -> None:
    clock = Time()
    limit = DialLimit(3, clock)
    assert [limit.dial() for _ in range(4)] == [0, 0, 0, 60]
    limit.per_minute = 1
    assert limit.dial() == 60
    clock.now = 60
    assert limit.dial() == 0
    limit.per_minute = 0
    assert limit.dial() == 0


@given(st.integers(1, 20), st.lists(st.floats(0, 90), max_size=200))
def test_never_more(per_minute: int, waits: list[float]) -> None:
    clock = Time()
    limit = DialLimit(per_minute, clock)
    placed = []
    for wait in waits:
        clock.now += wait
        left = limit.dial()
        if not left:
            placed.append(clock.now)
        else:
            assert 0 < left < 60.001  # binary fractions add up to a hair more
    for moment in placed:
        assert sum(moment <= each < moment + 60 for each in placed) <= per_minute
