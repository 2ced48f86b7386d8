"""A paced stream: the right speed, every byte in order, and every way to end."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from atparser.actions import CallFailure
from atparser.dialstring import parse_dial
from tests.helpers.reactors import Reactor
from vmodem.call.directory import Directory, Entry
from vmodem.call.originate import Originator, Route
from vmodem.call.target import parse_target
from vmodem.net.admission.rules import DialRules
from vmodem.net.pace import CATCH_UP_S, ROOM, TICK_S, PacedStream
from vmodem.net.stream import NOBODY, Cause, Ending, FdStream, Stream, StreamUser

FINISHED = Ending(Cause.FINISHED, "end of stream")
RESET = Ending(Cause.RESET, "reset")
TEXT = bytes(range(256)) * 8


class Inner:
    """A stream that takes ``room`` bytes at once and keeps what comes beyond."""

    peer = "somebody"

    def __init__(self) -> None:
        self.user: StreamUser = NOBODY
        self.room = 1 << 30
        self.pending = b""
        self.taken = b""
        self.reading = False
        self.did: list[Any] = []

    def start(self, user: StreamUser) -> None:
        self.user = user
        self.reading = True

    def write(self, data: bytes) -> None:
        assert data
        assert not self.did, "written to after its end"
        assert not self.pending, "written to while blocked"
        self._take(data)
        if self.pending:
            self.user.write_blocked()

    def drain(self, room: int = 1 << 30) -> None:
        """Take what is pending, and so many bytes in all."""
        data, self.pending, self.room = self.pending, b"", room
        self._take(data)
        if data and not self.pending:
            self.user.write_drained()

    def _take(self, data: bytes) -> None:
        self.taken, self.pending = self.taken + data[: self.room], data[self.room :]
        self.room -= len(data) - len(self.pending)

    @property
    def backlog(self) -> int:
        return len(self.pending)

    def pause(self) -> None:
        self.reading = False

    def resume(self) -> None:
        self.reading = True

    def close(self, drain_s: float) -> None:
        self.did.append(pytest.approx(drain_s))

    def abort(self) -> None:
        self.did.append("abort")


class User:
    """Keeps what a stream tells it, and checks that it is told only what it may be."""

    def __init__(self) -> None:
        self.data = b""
        self.chunks: list[int] = []
        self.blocked = False
        self.ending: Ending | None = None
        self.on_data: Callable[[bytes], None] | None = None

    def data_received(self, data: bytes) -> None:
        assert data
        assert self.ending is None
        self.data += data
        self.chunks.append(len(data))
        if self.on_data is not None:
            self.on_data(data)

    def write_blocked(self) -> None:
        assert not self.blocked
        self.blocked = True

    def write_drained(self) -> None:
        assert self.blocked
        self.blocked = False

    def stream_ended(self, ending: Ending) -> None:
        assert self.ending is None
        self.ending = ending


class Call:
    """A paced stream on a clock, between a user and a false stream."""

    def __init__(self, rate: int) -> None:
        self.clock = Clock()
        self.clock.advance(1_000_000.7)  # a machine that has been up for a while
        self.inner = Inner()
        self.user = User()
        self.stream = PacedStream(self.clock, self.inner, rate)
        self.stream.start(self.user)

    def run(self, seconds: float) -> None:
        """Let time pass, every timer at its own moment."""
        end = self.clock.seconds() + seconds
        while self.timers and (due := self.clock.getDelayedCalls()[0].getTime()) <= end:
            self.clock.advance(max(0.0, due - self.clock.seconds()))
        self.clock.advance(max(0.0, end - self.clock.seconds()))

    def finish(self) -> None:
        """Let time pass until nothing waits any more."""
        while self.timers:
            self.run(60)

    @property
    def timers(self) -> int:
        return len(self.clock.getDelayedCalls())


# -- speed -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [1, 50, 75, 300, 1200, 2400, 14400, 33600, 57600, 115200, 1_000_003])
def test_rate_each_way(rate: int) -> None:
    call = Call(rate)
    seconds = 200 if rate < 1000 else 5
    expected = seconds * rate / 10
    data = TEXT * (int(expected) // len(TEXT) + 2)
    call.inner.user.data_received(data)
    call.stream.write(data)
    at_once = max(1, round(rate / 10 * TICK_S))
    assert len(call.user.data) == len(call.inner.taken) == at_once
    call.run(seconds)
    tick = max(1.0, rate / 10 * TICK_S)
    for got in (call.user.data, call.inner.taken):
        assert data.startswith(got)
        assert abs(len(got) - at_once - expected) <= tick + 1
    assert max(call.user.chunks) <= tick + 1
    call.stream.abort()


def test_300_bit_per_s_is_30_bytes_a_second() -> None:
    call = Call(300)
    call.stream.write(TEXT * 20)
    assert len(call.inner.taken) == 1
    for second in range(1, 1001):
        call.run(1)
        assert abs(len(call.inner.taken) - 1 - 30 * second) <= 1
    call.stream.abort()


def test_smooth() -> None:
    """No stop and no burst is longer than two ticks."""
    call = Call(14400)
    call.inner.user.data_received(TEXT)
    before = len(call.user.data)
    for _ in range(20):
        call.run(2 * TICK_S)
        assert 28 <= len(call.user.data) - before <= 88
        before = len(call.user.data)
    call.stream.abort()


def test_first_chunk_after_silence_goes_at_once() -> None:
    call = Call(57600)
    for _ in range(3):
        before = len(call.inner.taken)
        call.stream.write(b"x" * 100)
        assert len(call.inner.taken) == before + 100
        assert call.timers == 0
        call.run(1)


def test_many_small_writes_are_no_faster() -> None:
    call = Call(1200)
    for _ in range(2000):
        if not call.user.blocked:
            call.stream.write(b"x")
        call.run(0.001)
    assert abs(len(call.inner.taken) - 240) <= 3
    call.stream.abort()


def test_pausing_saves_nothing_up() -> None:
    call = Call(1200)
    call.inner.user.data_received(TEXT)
    for _ in range(100):
        call.stream.pause()
        call.run(0.009)
        call.stream.resume()
        call.run(0.001)
    assert len(call.user.data) <= 2 + 120
    call.stream.pause()
    before = len(call.user.data)
    call.run(100)
    assert len(call.user.data) == before
    call.stream.resume()
    call.run(0)
    assert len(call.user.data) - before <= 3
    call.stream.abort()


def test_late_timers_are_made_up_for_but_no_standstill() -> None:
    call = Call(2400)
    call.stream.write(TEXT)
    for _ in range(20):
        call.clock.advance(0.1)  # one wake-up each, much later than asked for
    assert abs(len(call.inner.taken) - 5 - 480) <= 10
    before = len(call.inner.taken)
    call.clock.advance(3)
    assert len(call.inner.taken) - before <= 240 * (CATCH_UP_S + 2 * TICK_S) + 1
    call.stream.abort()


def test_no_timer_while_nothing_waits() -> None:
    call = Call(300)
    assert call.timers == 0
    call.stream.write(b"hello")
    call.inner.user.data_received(b"world")
    assert call.timers == 2
    call.run(1)
    assert (call.inner.taken, call.user.data, call.timers) == (b"hello", b"world", 0)


@pytest.mark.parametrize("rate", [0, -300])
def test_no_rate(rate: int) -> None:
    with pytest.raises(ValueError, match="bit/s"):
        PacedStream(Clock(), Inner(), rate)


# -- back-pressure -----------------------------------------------------------------------------------------


def test_inner_is_paused_while_bytes_wait() -> None:
    call = Call(300)
    call.inner.user.data_received(b"a")
    assert call.inner.reading
    call.inner.user.data_received(b"bcd")
    assert not call.inner.reading
    call.run(0.99 * 3 / 30)
    assert call.user.data == b"abc"
    assert not call.inner.reading
    call.run(0.1)
    assert call.user.data == b"abcd"
    assert call.inner.reading


def test_paused_user() -> None:
    call = Call(300)
    call.stream.pause()
    assert not call.inner.reading
    call.inner.user.data_received(b"ab")  # an inner stream that has to hand over the rest
    assert call.timers == 0
    call.run(10)
    assert call.user.data == b""
    call.stream.resume()
    assert call.user.data == b"", "nothing is delivered in the middle of what the user does"
    assert not call.inner.reading
    call.run(1)
    assert call.user.data == b"ab"
    assert call.inner.reading


def test_user_that_pauses_at_each_chunk() -> None:
    call = Call(300)
    call.user.on_data = lambda data: (call.stream.pause(), call.stream.resume(), call.stream.pause())[0]
    call.inner.user.data_received(b"abc")
    for expected in (b"a", b"ab", b"abc"):
        assert call.user.data == expected
        assert call.timers == 0
        call.stream.resume()
        call.run(1)
    assert call.inner.reading


def test_user_is_blocked_while_too_much_waits() -> None:
    call = Call(1200)
    call.stream.write(b"+++")  # a little goes without a stop
    assert not call.user.blocked
    call.run(1)
    call.stream.write(bytes(ROOM + 3))
    assert call.user.blocked
    assert call.stream.backlog == ROOM + 1
    call.run(ROOM / 120)
    assert call.user.blocked
    call.run(0.1)
    assert not call.user.blocked
    assert call.stream.backlog == 0


def test_far_end_that_takes_nothing() -> None:
    call = Call(57600)
    call.inner.room = 10
    call.stream.write(TEXT)
    assert call.user.blocked
    assert call.timers == 0
    assert call.stream.backlog == len(TEXT) - 10
    call.run(100)
    assert call.inner.taken == TEXT[:10]
    before = len(call.inner.taken) + len(call.inner.pending)
    call.inner.drain()
    call.run(0)
    assert len(call.inner.taken) - before <= 57600 / 10 * TICK_S + 1, "silence is no credit"
    call.finish()
    assert call.inner.taken == TEXT
    assert not call.user.blocked


def test_far_end_that_takes_the_last_bytes_late() -> None:
    call = Call(57600)
    call.inner.room = 0
    call.stream.write(b"abc")
    assert call.user.blocked
    call.inner.drain()
    assert not call.user.blocked
    assert call.timers == 0


def test_written_before_the_start() -> None:
    clock, inner, user = Clock(), Inner(), User()
    inner.room = 0
    stream = PacedStream(clock, inner, 57600)
    stream.write(b"abc")
    stream.start(user)
    assert user.blocked
    inner.drain()
    assert inner.taken == b"abc"
    assert not user.blocked


def test_handed_to_another_user() -> None:
    call = Call(300)
    call.inner.user.data_received(b"abc")
    call.stream.pause()
    other = User()
    call.stream.start(other)
    call.run(1)
    assert (call.user.data, other.data) == (b"a", b"bc")
    assert call.inner.reading


@given(
    rate=st.sampled_from([50, 300, 2400, 57600, 1_000_000]),
    steps=st.lists(
        st.one_of(
            st.tuples(st.sampled_from(["write", "receive"]), st.integers(1, 300)),
            st.tuples(st.just("run"), st.floats(0, 0.5)),
            st.tuples(st.sampled_from(["pause", "resume"]), st.none()),
            st.tuples(st.just("room"), st.integers(0, 300)),
        ),
        max_size=60,
    ),
    ending=st.sampled_from([FINISHED, RESET]),
)
def test_any_chunking_and_pausing_delivers_the_same_bytes(
    rate: int, steps: list[tuple[str, Any]], ending: Ending
) -> None:
    call = Call(rate)
    sent = given_ = 0
    began = call.clock.seconds()
    paused = False
    for what, value in steps:
        if what == "write" and not call.user.blocked:
            call.stream.write((TEXT * 10)[sent : sent + value])
            sent += value
        elif what == "receive" and call.inner.reading:
            call.inner.user.data_received((TEXT * 10)[given_ : given_ + value])
            given_ += value
        elif what == "run":
            call.run(value)
        elif what == "pause":
            call.stream.pause()
            paused = True
        elif what == "resume":
            call.stream.resume()
            paused = False
        elif what == "room":
            call.inner.drain(value)
        waits = given_ - len(call.user.data)
        assert call.inner.reading == (not waits and not paused)
        assert call.stream.backlog == sent - len(call.inner.taken)
        assert call.user.blocked or call.stream.backlog <= ROOM
        limit = (call.clock.seconds() - began + TICK_S) * rate / 10 + 1.5
        assert len(call.user.data) <= limit
        assert len(call.inner.taken) + len(call.inner.pending) <= limit
    call.inner.drain()
    call.finish()
    assert call.inner.taken == (TEXT * 10)[:sent]
    assert not call.user.blocked
    call.inner.user.stream_ended(ending)
    if given_ > len(call.user.data):
        assert call.user.ending is None
    call.stream.resume()
    call.finish()
    assert call.user.data == (TEXT * 10)[:given_]
    assert call.user.ending is ending


# -- ends --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [FINISHED, RESET])
def test_the_end_comes_after_the_last_byte(ending: Ending) -> None:
    call = Call(300)
    call.inner.user.data_received(b"goodbye")
    call.inner.user.stream_ended(ending)
    call.run(0.99 * 6 / 30)
    assert (call.user.data, call.user.ending) == (b"goodby", None)
    call.run(0.1)
    assert (call.user.data, call.user.ending) == (b"goodbye", ending)
    assert not call.inner.did, "the stream is the user's to close"
    call.stream.close(5)
    assert call.inner.did == [5]
    assert call.timers == 0


def test_the_end_of_an_idle_stream() -> None:
    call = Call(300)
    call.inner.user.stream_ended(FINISHED)
    assert call.user.ending is FINISHED
    assert call.timers == 0


def test_the_end_waits_for_a_paused_user() -> None:
    call = Call(300)
    call.inner.user.data_received(b"ab")
    call.stream.pause()
    call.inner.user.stream_ended(FINISHED)
    call.run(10)
    assert (call.user.data, call.user.ending, call.timers) == (b"a", None, 0)
    call.stream.resume()
    call.run(1)
    assert (call.user.data, call.user.ending) == (b"ab", FINISHED)


def test_a_peer_that_ended_its_direction_still_gets_ours() -> None:
    call = Call(300)
    call.stream.write(b"abc")
    call.inner.user.stream_ended(FINISHED)
    call.run(1)
    assert call.inner.taken == b"abc"


def test_nothing_waits_for_a_peer_that_is_gone() -> None:
    call = Call(300)
    call.stream.write(TEXT)
    call.inner.user.data_received(b"abc")
    assert call.user.blocked
    call.inner.user.stream_ended(RESET)
    assert not call.user.blocked
    call.stream.write(TEXT)
    assert call.inner.taken == TEXT[:1]
    assert call.user.ending is None
    call.run(1)
    assert (call.user.data, call.user.ending, call.timers) == (b"abc", RESET, 0)


def test_peer_goes_while_it_takes_nothing() -> None:
    call = Call(300)
    call.inner.room = 0
    call.stream.write(b"abc")
    call.inner.user.data_received(b"abc")
    assert call.user.blocked
    call.inner.user.stream_ended(RESET)
    assert not call.user.blocked
    call.finish()
    assert (call.user.data, call.user.ending) == (b"abc", RESET)


def test_user_that_fails() -> None:
    """From a timer as from a reader: the stream ends, and says so."""
    call = Call(300)

    def fail(data: bytes) -> None:
        if len(call.user.data) == 2:
            raise RuntimeError("not this one")

    call.user.on_data = fail
    call.inner.user.data_received(b"abcd")
    call.run(1)
    assert call.user.data == b"ab"
    assert call.user.ending == Ending(Cause.ERROR, "internal error: not this one")
    assert not call.inner.reading
    assert call.timers == 0
    call.stream.close(1)
    assert call.inner.did == [1]


def test_close_sends_what_waits_at_its_pace() -> None:
    call = Call(300)
    call.stream.write(b"0123456789")
    call.inner.user.data_received(b"abc")
    call.stream.pause()
    call.stream.close(2)
    call.stream.close(7)
    call.stream.write(b"no more")
    assert call.inner.reading, "a peer that waits for us to read would never take the rest"
    call.inner.user.data_received(b"def")
    call.run(0.99 * 9 / 30)
    assert (call.inner.taken, call.inner.did) == (b"012345678", [])
    call.run(0.01)
    assert (call.inner.taken, call.inner.did) == (b"0123456789", [1.7])
    assert call.user.data == b"a", "the user hears nothing any more"
    assert call.user.ending is None
    assert call.timers == 0


def test_close_with_nothing_to_send() -> None:
    call = Call(300)
    call.stream.close(2)
    assert call.inner.did == [2]
    assert call.timers == 0


@pytest.mark.parametrize("drain_s", [0, 1])
def test_close_gives_up(drain_s: float) -> None:
    call = Call(300)
    call.stream.write(TEXT)
    call.stream.close(drain_s)
    assert bool(call.inner.did) == (drain_s == 0)
    call.run(drain_s)
    assert 0 <= len(call.inner.taken) - 30 * drain_s <= 1
    assert call.inner.did == [0]
    assert call.timers == 0


def test_close_leaves_the_last_bytes_to_a_blocked_inner() -> None:
    call = Call(300)
    call.inner.room = 2
    call.stream.write(b"abc")
    call.run(0.02)
    call.stream.close(2)
    call.run(1)
    assert (call.inner.taken, call.inner.pending, len(call.inner.did)) == (b"ab", b"c", 1)
    assert call.timers == 0


def test_close_while_the_far_end_takes_nothing() -> None:
    call = Call(300)
    call.inner.room = 0
    call.stream.write(b"abc")
    call.stream.close(2)
    call.run(1.9)
    assert call.inner.did == []
    call.run(0.2)
    assert call.inner.did == [0]
    assert call.timers == 0


@pytest.mark.parametrize(("ending", "taken"), [(FINISHED, b"abc"), (RESET, b"a")])
def test_peer_ends_while_closing(ending: Ending, taken: bytes) -> None:
    call = Call(300)
    call.stream.write(b"abc")
    call.stream.close(2)
    call.inner.user.stream_ended(ending)
    call.run(1)
    assert call.inner.taken == taken
    assert len(call.inner.did) == 1
    assert call.user.ending is None
    assert call.timers == 0


def test_close_before_the_start() -> None:
    clock, inner = Clock(), Inner()
    stream = PacedStream(clock, inner, 300)
    inner.room = 0
    stream.write(b"abc")
    stream.close(2)
    clock.advance(0.1)
    inner.drain()
    clock.pump([0.02] * 20)
    assert inner.taken == b"abc"
    assert len(inner.did) == 1
    stream.start(User())
    assert not clock.getDelayedCalls()


@pytest.mark.parametrize("closing", [False, True])
def test_abort(closing: bool) -> None:
    call = Call(300)
    call.stream.write(TEXT)
    call.inner.user.data_received(TEXT)
    if closing:
        call.stream.close(100)
    call.stream.abort()
    assert call.inner.did == ["abort"]
    assert call.timers == 0
    call.inner.user.data_received(b"x")
    call.inner.user.stream_ended(RESET)
    call.stream.write(b"x")
    call.stream.resume()
    call.stream.close(1)
    assert call.inner.did == ["abort"]
    assert call.user.data == TEXT[:1]
    assert call.user.ending is None
    assert call.timers == 0


@pytest.mark.parametrize("end", [lambda stream: stream.close(1), lambda stream: stream.abort()])
def test_user_that_leaves_in_the_middle(end: Callable[[Stream], None]) -> None:
    call = Call(300)
    call.user.on_data = lambda data: end(call.stream)
    call.inner.user.data_received(TEXT)
    assert call.user.data == TEXT[:1]
    assert len(call.inner.did) == 1
    assert call.timers == 0


# -- real sockets ------------------------------------------------------------------------------------------


def test_on_real_sockets(reactor: Reactor) -> None:
    near, far = socket.socketpair()
    near.setblocking(False)
    far.setblocking(False)
    rate, size = 160_000, 8000
    data = (TEXT * 4)[:size]
    user, other = User(), User()
    gone: list[bool] = []
    inner = FdStream(reactor, near.fileno(), owner=near, on_closed=lambda: gone.append(True))
    peer = FdStream(reactor, far.fileno(), owner=far, on_closed=lambda: gone.append(True))
    stream = PacedStream(reactor, inner, rate)
    began = time.monotonic()
    peer.start(other)
    stream.start(user)
    peer.write(data)
    peer.close(5)
    stream.write(data)
    reactor.until(lambda: user.ending, what="the end of the stream")
    assert user.data == data
    assert user.ending is not None
    assert user.ending.cause is Cause.FINISHED
    took = time.monotonic() - began
    assert 0.9 * size / (rate / 10) - TICK_S <= took
    stream.close(5)
    reactor.until(lambda: len(gone) == 2, what="both ends are closed")


def test_both_ways_on_real_sockets(reactor: Reactor) -> None:
    near, far = socket.socketpair()
    near.setblocking(False)
    far.setblocking(False)
    data = TEXT * 4
    user, other = User(), User()
    stream = PacedStream(reactor, FdStream(reactor, near.fileno(), owner=near), 320_000)
    peer = FdStream(reactor, far.fileno(), owner=far)
    peer.start(other)
    stream.start(user)
    peer.write(data)
    stream.write(data)
    stream.write(data)
    reactor.until(lambda: len(other.data) > 100)
    assert user.blocked
    stream.pause()
    reactor.run_for(0.05)
    stream.resume()
    reactor.until(lambda: len(user.data) == len(data))
    stream.close(5)
    reactor.until(lambda: other.ending, what="the end after what was queued")
    assert user.data == data
    assert other.data == data + data
    peer.close(0)
    reactor.run_for(0.02)


@pytest.mark.parametrize("rate", [None, 2400])
def test_directory_entry_with_a_rate(reactor: Reactor, rate: int | None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as far:
        target = parse_target(f"tcp:127.0.0.1:{far.getsockname()[1]}")
        originator = Originator(
            reactor,
            Directory({"1": Entry(target, rate=rate)}),
            DialRules(),
            lambda target, stream, caller: False,
        )
        streams: list[Stream] = []
        failures: list[CallFailure] = []

        def connected(stream: Stream, route: Route) -> None:
            streams.append(stream)

        originator.originate(parse_dial("1"), connected, lambda failure, reason: failures.append(failure))
        reactor.until(lambda: streams or failures)
        assert not failures
        assert isinstance(streams[0], PacedStream if rate else FdStream)
        conn, _ = far.accept()
        with conn:
            user = User()
            streams[0].start(user)
            conn.sendall(bytes(100))
            reactor.run_for(0.1)
            assert (len(user.data) < 100) == (rate is not None)
            streams[0].abort()


# -- breaks ------------------------------------------------------------------------------------------------


class Breaking:
    """A stream that can carry breaks; the far end takes everything at once."""

    peer = "far"
    backlog = 0

    def __init__(self) -> None:
        self.journal: list[object] = []
        self.user: object = None

    def start(self, user: object) -> None:
        self.user = user

    def write(self, data: bytes) -> None:
        self.journal.append(bytes(data))

    def send_break(self, seconds: float, expedited: bool) -> None:
        self.journal.append(("break", seconds, expedited))

    def discard_pending(self) -> None:
        self.journal.append("discarded")

    def pause(self) -> None:
        pass

    def resume(self) -> None:
        pass


class Listening:
    """A user who notes what comes."""

    def __init__(self) -> None:
        self.journal: list[object] = []

    def data_received(self, data: bytes) -> None:
        self.journal.append(bytes(data))

    def write_blocked(self) -> None:
        self.journal.append("blocked")

    def write_drained(self) -> None:
        self.journal.append("drained")

    def stream_ended(self, ending: Ending) -> None:
        self.journal.append("ended")


def breaking() -> tuple[Clock, Breaking, PacedStream, Listening]:
    clock, inner, user = Clock(), Breaking(), Listening()
    stream = PacedStream(clock, inner, 300)  # type: ignore[arg-type]
    stream.break_received = lambda: user.journal.append("break")
    stream.start(user)
    clock.advance(1)
    return clock, inner, stream, user


def test_a_break_goes_behind_the_bytes_that_are_still_to_go() -> None:
    clock, inner, stream, _ = breaking()
    stream.write(b"abc")
    stream.send_break(0.3, False)
    clock.pump([0.04] * 5)
    stream.send_break(0.5, False)
    assert inner.journal == [b"a", b"b", b"c", ("break", 0.3, False), ("break", 0.5, False)]


def test_an_expedited_break_goes_before_them_and_they_may_be_discarded() -> None:
    clock, inner, stream, user = breaking()
    stream.write(b"x" * 100)
    assert user.journal == ["blocked"]
    stream.send_break(0.3, True)
    assert inner.journal == [b"x", ("break", 0.3, True)]
    stream.discard_pending()
    assert user.journal == ["blocked", "drained"]
    assert stream.backlog == 0
    clock.pump([0.04] * 5)
    assert inner.journal == [b"x", ("break", 0.3, True), "discarded"]


def test_a_break_that_comes_waits_for_the_bytes_before_it() -> None:
    clock, inner, _, user = breaking()
    inner.user.data_received(b"abc")  # type: ignore[attr-defined]
    inner.break_received()  # type: ignore[attr-defined]
    assert user.journal == [b"a"]
    clock.pump([0.04] * 5)
    assert user.journal == [b"a", b"b", b"c", "break"]
    inner.break_received()  # type: ignore[attr-defined]
    assert user.journal[-2:] == ["break", "break"]
