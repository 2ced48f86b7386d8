"""The shared timer."""

from __future__ import annotations

import pytest

from tests.helpers.reactors import Reactor
from vmodem.tty.poller import Poller, shared_poller


class Member:
    def __init__(self) -> None:
        self.calls = 0

    def poll(self) -> None:
        self.calls += 1


def test_one_timer_for_all(reactor: Reactor) -> None:
    poller = shared_poller(reactor, 0.01)
    assert shared_poller(reactor, 0.01) is poller
    assert shared_poller(reactor, 0.02) is not poller
    members = [Member() for _ in range(50)]
    for member in members:
        poller.add(member.poll)
        poller.add(member.poll)
    assert len(reactor.getDelayedCalls()) == 1
    turns = reactor.run_for(0.2)
    assert 5 <= members[0].calls <= 20
    assert turns <= 2 * members[0].calls + 2
    assert {member.calls for member in members} == {members[0].calls}
    for member in members:
        poller.remove(member.poll)
        poller.remove(member.poll)
    assert len(poller) == 0
    assert reactor.getDelayedCalls() == []


def test_a_failing_member_is_dropped(reactor: Reactor) -> None:
    poller = Poller(reactor, 0.005)
    member = Member()
    failures: list[int] = []

    def fail() -> None:
        failures.append(1)
        raise ZeroDivisionError

    poller.add(fail)
    poller.add(member.poll)
    reactor.until(lambda: member.calls > 3)
    assert len(failures) == 1
    poller.remove(member.poll)


@pytest.mark.parametrize("back", [False, True])
def test_joining_and_leaving_in_a_tick(reactor: Reactor, back: bool) -> None:
    poller = Poller(reactor, 0.005)
    other = Member()

    def meddle() -> None:
        poller.remove(other.poll)
        if back:
            poller.add(other.poll)

    poller.add(meddle)
    poller.add(other.poll)
    reactor.run_for(0.05)
    assert bool(other.calls) is back
    assert len(reactor.getDelayedCalls()) == 1
    for member in list(poller._members):
        poller.remove(member)


def test_leaving_from_its_own_call(reactor: Reactor) -> None:
    poller = Poller(reactor, 0.005)
    calls: list[int] = []

    def once() -> None:
        calls.append(1)
        poller.remove(once)

    poller.add(once)
    reactor.run_for(0.05)
    assert calls == [1]
    assert reactor.getDelayedCalls() == []
    poller.add(once)
    reactor.until(lambda: len(calls) == 2)
