"""Who works when."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from twisted.internet.task import Clock

from vmodem.ups.turns import BUDGET_S, Turns


class TurningClock(Clock):
    """What is called as soon as possible is called in the next turn, as by a reactor."""

    def turn(self) -> None:
        due, self.calls = self.calls, []
        for call in due:
            call.called = 1
            call.func(*call.args, **call.kw)


@pytest.fixture
def clock() -> TurningClock:
    return TurningClock()


def test_work_has_a_part_of_each_turn_and_an_order(clock: TurningClock) -> None:
    turns = Turns(clock)
    done: list[str] = []

    def work(name: str) -> Callable[[], None]:
        def run() -> None:
            done.append(name)
            clock.rightNow += BUDGET_S * 0.6

        return run

    turns.now(work("a"))
    assert turns.free
    turns.now(work("b"))
    assert not turns.free
    for name in "cde":
        turns.later(work(name))
    clock.turn()
    assert (done, turns.free) == (["a", "b", "c", "d"], False)
    clock.turn()
    assert done == ["a", "b", "c", "d", "e"]
    clock.turn()
    assert turns.free
    assert clock.getDelayedCalls() == []


def test_whoever_queues_again_waits_for_the_next_turn(clock: TurningClock) -> None:
    turns = Turns(clock)
    done: list[str] = []

    def greedy() -> None:
        done.append("greedy")
        turns.later(greedy)

    turns.later(greedy)
    turns.later(lambda: done.append("modest"))
    clock.turn()
    assert done == ["greedy", "modest"]
    turns.close()
    assert clock.getDelayedCalls() == []


def test_work_that_fails_holds_nobody_up(clock: TurningClock) -> None:
    turns = Turns(clock)
    done: list[str] = []
    turns.later(lambda: done.append(str(1 // 0)))
    turns.later(lambda: done.append("after"))
    with pytest.raises(ZeroDivisionError):
        clock.turn()
    clock.turn()
    assert done == ["after"]
