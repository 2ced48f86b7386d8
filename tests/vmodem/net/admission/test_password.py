"""A caller being asked for a password."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from tests.helpers.calls import Listening
from vmodem.net.admission.password import LINE_LIMIT, PROMPT, WRONG, Answer, Asking, same
from vmodem.net.stream import NOBODY, Cause, Ending, Stream, StreamUser

GONE = Ending(Cause.FINISHED, "end of stream")


class Inner:
    """A stream whose other end is the test."""

    peer = "somebody"
    backlog = 0

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.user: StreamUser = NOBODY
        self.reading = False
        self.waiting = b""
        self.said = b""
        self.did: list[Any] = []
        self.break_received: Any = None

    def start(self, user: StreamUser) -> None:
        self.user = user
        self.resume()

    def type(self, data: bytes) -> None:
        self.waiting += data
        if self.reading and self.waiting:
            data, self.waiting = self.waiting, b""
            self.user.data_received(data)

    def pause(self) -> None:
        self.reading = False

    def resume(self) -> None:
        self.reading = True
        self.clock.callLater(0, self.type, b"")

    def write(self, data: bytes) -> None:
        self.said += data

    def send_break(self, seconds: float, expedited: bool) -> None: ...

    def discard_pending(self) -> None: ...

    def close(self, drain_s: float) -> None:
        self.did.append(drain_s)

    def abort(self) -> None:
        self.did.append("abort")


class Door:
    def __init__(self) -> None:
        self.clock = Clock()
        self.inner = Inner(self.clock)
        self.lines: list[bytes] = []
        self.opened: list[Stream] = []
        self.failed: list[str] = []
        self.left = 0
        self.answer = Answer.WRONG
        self.asking = Asking(
            self.clock,
            self.inner,
            self.judge,
            self.opened.append,
            self.failed.append,
            self.leave,  # type: ignore[arg-type]
        )

    def judge(self, line: bytes) -> Answer:
        self.lines.append(line)
        return Answer.RIGHT if line == b"sesame" else self.answer

    def leave(self) -> None:
        self.left += 1

    def idle(self) -> bool:
        self.clock.advance(0)
        return not self.clock.getDelayedCalls()


@pytest.fixture
def door() -> Door:
    return Door()


def test_prompt_and_password(door: Door) -> None:
    assert door.inner.said == PROMPT == b"Password: "
    door.inner.type(b"ses")
    door.inner.type(b"ame\n")
    assert len(door.opened) == 1
    assert door.inner.said == PROMPT  # no echo, no greeting
    assert door.idle()
    assert not door.inner.reading


@pytest.mark.parametrize(
    ("end", "rest"),
    [
        (b"\n", b"call"),
        (b"\r", b"call"),
        (b"\r\n", b"call"),
        (b"\n", b"\n"),
        (b"\r\n", b"\n"),
        (b"\r\n", b"\r\n"),
        (b"\r", b"\r\n"),
        (b"\n", b"\r\n\x00\xff"),
        (b"\r", b"\x00"),
    ],
)
@pytest.mark.parametrize("cut", [1, 2, 7, 8, 100])
def test_every_byte_behind_the_line_is_the_calls(end: bytes, rest: bytes, cut: int) -> None:
    door = Door()
    sent = b"sesame" + end + rest
    door.inner.type(sent[:cut])
    for byte in sent[cut:]:
        door.inner.type(bytes((byte,)))
    door.clock.advance(0.2)
    user = Listening(door.opened[0])
    door.clock.advance(0)
    door.inner.type(b" and more")
    assert user.data == rest + b" and more"


def test_a_line_feed_that_comes_later_is_data(door: Door) -> None:
    door.inner.type(b"sesame\r")
    assert not door.opened
    door.clock.advance(0.11)
    user = Listening(door.opened[0])
    door.inner.type(b"\nx")
    assert user.data == b"\nx"


def test_a_caller_who_says_all_and_goes(door: Door) -> None:
    door.inner.type(b"sesame\r\nall of it")
    user = Listening(door.opened[0])
    door.clock.advance(0)
    door.inner.user.stream_ended(GONE)
    assert (user.data, user.endings) == (b"all of it", [GONE])


def test_a_caller_who_goes_right_behind_the_password(door: Door) -> None:
    door.inner.type(b"sesame\r")
    door.inner.user.stream_ended(GONE)
    user = Listening(door.opened[0])
    door.clock.advance(0)
    assert user.endings == [GONE]


def test_three_tries(door: Door) -> None:
    for attempt in range(3):
        assert not door.failed
        door.inner.type(b"guess\r\n")
        assert len(door.lines) == attempt + 1
        assert door.inner.said.count(PROMPT) == attempt + 1  # only after a second
        door.clock.advance(0.9)
        assert door.inner.said.count(WRONG) == attempt
        door.clock.advance(0.1)
        assert door.inner.said.count(WRONG) == attempt + 1
    assert door.failed == ["wrong password"]
    assert door.inner.did == [2.0]
    assert not door.opened
    assert door.idle()


def test_guesses_sent_ahead_wait_their_time(door: Door) -> None:
    door.inner.type(b"one\ntwo\nsesame\ncall")
    assert door.lines == [b"one"]
    door.clock.advance(1)
    assert door.lines == [b"one", b"two"]
    door.clock.advance(1)
    user = Listening(door.opened[0])
    door.clock.advance(0)
    assert user.data == b"call"


def test_locked(door: Door) -> None:
    door.answer = Answer.LOCKED
    door.inner.type(b"guess\n")
    door.clock.advance(1)
    assert door.failed == ["wrong password"]


@pytest.mark.parametrize("typed", [b"", b"half", b"guess\n"])
def test_fifteen_seconds(door: Door, typed: bytes) -> None:
    door.inner.type(typed)
    for _ in range(14):
        door.clock.advance(1)
    assert not door.failed
    door.clock.advance(1)
    assert door.failed == ["no password within 15 s"]
    assert door.idle()


def test_endless_line(door: Door) -> None:
    door.inner.type(bytes(LINE_LIMIT))
    assert not door.failed
    door.inner.type(b"x")
    assert door.failed == ["what came instead of a password has no end"]
    door.inner.user.data_received(bytes(100_000))
    assert len(door.failed) == 1


def test_left(door: Door) -> None:
    door.inner.user.stream_ended(GONE)
    assert (door.left, door.failed) == (1, ["the caller left (end of stream)"])
    door.asking.cancel()
    assert door.inner.did == ["abort"]
    assert door.idle()


@pytest.mark.parametrize("typed", [b"", b"sesame\r", b"guess\n"])
def test_cancelled(door: Door, typed: bytes) -> None:
    door.inner.type(typed)
    door.asking.cancel()
    door.clock.advance(20)
    assert not door.opened + door.failed
    assert door.inner.did == ["abort"]


@given(st.lists(st.binary(max_size=40), max_size=10))
def test_whatever_is_typed(chunks: list[bytes]) -> None:
    door = Door()
    for chunk in chunks:
        door.inner.type(chunk)
        door.clock.advance(0.5)
    for _ in range(20):
        door.clock.advance(1)
    assert len(door.opened) + len(door.failed) == 1
    assert len(door.lines) <= 3
    assert door.idle()


def test_same() -> None:
    assert same(b"sesame", b"sesame")
    assert not same(b"sesam", b"sesame")
    assert not same(b"", b"sesame")
