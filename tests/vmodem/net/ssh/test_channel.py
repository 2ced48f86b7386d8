"""Streams on channels with windows."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from tests.helpers.calls import Listening
from vmodem.net.ssh.channel import ChannelStream
from vmodem.net.stream import Cause, Ending

END = Ending(Cause.FINISHED, "exit status 0")


class Below:
    """A channel that takes ``room`` bytes."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.room = 1000
        self.sent = b""
        self.was_taken = 0
        self.did: list[Any] = []
        self.stream = ChannelStream(self.clock, self, "somebody")

    def send(self, data: bytes) -> None:
        assert 0 < len(data) <= self.room
        self.room -= len(data)
        self.sent += data

    def taken(self, size: int) -> None:
        self.was_taken += size

    def send_break(self, seconds: float) -> None:
        self.did.append((len(self.sent), seconds))

    def hang_up(self) -> None:
        self.did.append("hang up")

    def abort(self) -> None:
        self.did.append("abort")

    def allow(self, room: int) -> None:
        self.room += room
        self.stream.room_changed()

    def turn(self, seconds: float = 0.0) -> None:
        self.clock.advance(seconds)


@pytest.fixture
def below() -> Below:
    return Below()


def test_the_window_blocks_and_lets_go(below: Below) -> None:
    user = Listening(below.stream)
    below.room = 4
    below.stream.write(b"abcdef")
    assert (below.sent, user.blocked, below.stream.backlog) == (b"abcd", True, 2)
    below.stream.write(b"gh")
    below.allow(3)
    assert (below.sent, user.blocked) == (b"abcdefg", True)
    below.allow(3)
    assert (below.sent, user.blocked, below.stream.backlog) == (b"abcdefgh", False, 0)


def test_only_what_was_taken_opens_the_window(below: Below) -> None:
    below.stream.received(b"early ")
    user = Listening(below.stream)
    assert (user.data, below.was_taken) == (b"", 0)
    below.turn()
    assert (user.data, below.was_taken) == (b"early ", 6)
    below.stream.pause()
    below.stream.received(b"later")
    below.turn(1)
    assert below.was_taken == 6
    below.stream.resume()
    assert user.data == b"early "
    below.stream.received(b" still")
    below.turn()
    assert (user.data, below.was_taken) == (b"early later still", 17)


def test_the_end_comes_last_and_once(below: Below) -> None:
    user = Listening(below.stream)
    below.stream.pause()
    below.stream.received(b"last")
    below.stream.ended(END)
    below.stream.ended(END)
    below.turn()
    assert not user.endings
    below.stream.resume()
    below.turn()
    assert (user.data, user.endings) == (b"last", [END])
    below.stream.write(b"nobody hears")
    assert below.sent == b""


def test_an_end_frees_who_is_blocked(below: Below) -> None:
    user = Listening(below.stream)
    below.stream.write(bytes(2000))
    below.stream.ended(END)
    assert (user.blocked, user.endings) == (False, [END])


def test_ended_before_anybody_listened(below: Below) -> None:
    below.stream.received(b"all")
    below.stream.ended(END)
    user = Listening(below.stream)
    below.turn()
    assert (user.data, user.endings) == (b"all", [END])


def test_closing_sends_what_is_pending(below: Below) -> None:
    user = Listening(below.stream)
    below.room = 2
    below.stream.write(b"abcd")
    below.stream.pause()
    below.stream.received(b"unread")
    below.stream.close(5)
    assert below.was_taken == 6
    below.stream.received(b"discarded")
    assert (below.was_taken, below.did) == (15, [])
    below.allow(10)
    assert (below.sent, below.did) == (b"abcd", ["hang up"])
    below.stream.abort()
    assert below.did == ["hang up", "abort"]
    assert not below.clock.getDelayedCalls()
    assert not user.data


def test_closing_waits_only_so_long(below: Below) -> None:
    Listening(below.stream)
    below.stream.write(bytes(2000))
    below.stream.close(5)
    below.turn(4.9)
    assert below.did == []
    below.turn(0.2)
    assert below.did == ["hang up"]


def test_nothing_pending_is_hung_up_at_once(below: Below) -> None:
    below.stream.close(5)
    assert below.did == ["hang up"]
    below.stream.start(object())  # type: ignore[arg-type]
    assert not below.clock.getDelayedCalls()


def test_a_break_keeps_its_place(below: Below) -> None:
    Listening(below.stream)
    below.room = 2
    below.stream.send_break(0.3, False)
    below.stream.write(b"abcd")
    below.stream.send_break(0.5, False)
    below.stream.send_break(0.1, True)
    below.allow(2)
    assert below.did == [(0, 0.3), (2, 0.1), (4, 0.5)]


def test_discarding(below: Below) -> None:
    user = Listening(below.stream)
    below.stream.write(bytes(2000))
    below.stream.discard_pending()
    assert (user.blocked, below.stream.backlog) == (False, 0)


def test_a_user_that_fails_costs_its_stream_only(below: Below) -> None:
    user = Listening(below.stream)
    user.data_received = lambda data: int("x")  # type: ignore[method-assign,return-value,assignment]
    below.stream.received(b"x")
    assert [ending.cause for ending in user.endings] == [Cause.ERROR]


@given(
    st.lists(
        st.tuples(st.sampled_from(["write", "allow", "receive", "pause", "resume", "turn"]), st.binary())
    )
)
def test_nothing_is_lost_whatever_happens(steps: list[tuple[str, bytes]]) -> None:
    below = Below()
    below.room = 0
    user = Listening(below.stream)
    written = received = b""
    for step, data in steps:
        if step == "write":
            if not user.blocked:
                below.stream.write(data)
                written += data
        elif step == "allow":
            below.allow(len(data))
        elif step == "receive" and data:
            below.stream.received(data)
            received += data
        elif step == "pause":
            below.stream.pause()
        elif step == "resume":
            below.stream.resume()
        else:
            below.turn()
        assert received.startswith(bytes(user.data))
        assert below.was_taken == len(user.data)
        assert user.blocked is bool(below.stream.backlog)
    below.allow(1 << 20)
    below.stream.resume()
    below.turn()
    assert (below.sent, bytes(user.data)) == (written, received)
