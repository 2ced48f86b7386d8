"""Streams on descriptors: order, back-pressure and every way to end."""

from __future__ import annotations

import hashlib
import os
import random
import socket
import struct
import tty
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.helpers.reactors import Reactor
from vmodem.net.stream import MORE_READS, TTY_READ, Cause, Ending, FdStream


class User:
    """Keeps what a stream tells it."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        self.events: list[Any] = []
        self.on_data: Callable[[bytes], None] | None = None

    @property
    def data(self) -> bytes:
        return b"".join(self.chunks)

    @property
    def ending(self) -> Ending | None:
        endings = [event for event in self.events if isinstance(event, Ending)]
        assert len(endings) <= 1
        return endings[0] if endings else None

    def data_received(self, data: bytes) -> None:
        assert data
        assert self.ending is None
        self.chunks.append(data)
        if self.on_data is not None:
            self.on_data(data)

    def write_blocked(self) -> None:
        self.events.append("blocked")

    def write_drained(self) -> None:
        self.events.append("drained")

    def stream_ended(self, ending: Ending) -> None:
        self.events.append(ending)


class End:
    """A stream with its user, and the other end as a plain socket or descriptor."""

    def __init__(self, reactor: Reactor, near: int, far: int, owner: Any = None, start: bool = True) -> None:
        self.user = User()
        self.closed: list[bool] = []
        self.far = far
        os.set_blocking(near, False)
        os.set_blocking(far, False)
        self.stream = FdStream(reactor, near, owner=owner, on_closed=lambda: self.closed.append(True))
        if start:
            self.stream.start(self.user)

    def send(self, data: bytes) -> None:
        assert os.write(self.far, data) == len(data)

    def take(self, size: int = 1 << 20) -> bytes:
        try:
            return os.read(self.far, size)
        except BlockingIOError:
            return b""


def reset(far: socket.socket) -> None:
    """Close so that the other side is told "reset"."""
    far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    far.close()


@pytest.fixture
def tcp(reactor: Reactor) -> Iterator[Callable[..., tuple[End, socket.socket]]]:
    made: list[tuple[End, socket.socket]] = []

    def make(start: bool = True) -> tuple[End, socket.socket]:
        with socket.create_server(("127.0.0.1", 0)) as server:
            far = socket.create_connection(server.getsockname())
            near, _ = server.accept()
        end = End(reactor, near.fileno(), far.fileno(), near, start)
        made.append((end, far))
        return end, far

    yield make
    for end, far in made:
        end.stream.abort()
        far.close()


@pytest.fixture
def pty(reactor: Reactor) -> Iterator[End]:
    master, slave = os.openpty()
    tty.setraw(slave)
    end = End(reactor, master, slave)
    yield end
    end.stream.abort()
    if end.far >= 0:
        os.close(slave)


@pytest.fixture(params=["tcp", "unix", "pty"])
def end(request: pytest.FixtureRequest, reactor: Reactor) -> Iterator[End]:
    if request.param == "pty":
        yield request.getfixturevalue("pty")
    elif request.param == "tcp":
        yield request.getfixturevalue("tcp")()[0]
    else:
        near, far = socket.socketpair()
        made = End(reactor, near.fileno(), far.fileno(), near)
        yield made
        made.stream.abort()
        far.close()


# -- the byte path -------------------------------------------------------------------------------------------


def test_bytes_pass_both_ways(reactor: Reactor, end: End) -> None:
    end.send(b"up")
    reactor.until(lambda: end.user.data == b"up")
    end.stream.write(b"down")
    reactor.until(lambda: end.take() == b"down")  # without the reactor's help
    assert end.user.events == []
    assert end.stream.backlog == 0


def test_writing_is_at_once(end: End) -> None:
    end.stream.write(b"now")
    assert end.take() in (b"now", b"")  # a pty hands over in the kernel's own time
    assert end.stream.backlog == 0


def test_idle_costs_nothing(reactor: Reactor, end: End) -> None:
    reactor.run_for(0.02)
    assert reactor.run_for(0.2) <= 1


def test_reads_are_joined_but_bounded(reactor: Reactor, pty: End) -> None:
    pty.stream.pause()
    sent = b"x" * 10000
    pty.send(sent)
    pty.stream.resume()
    reactor.until(lambda: len(pty.user.data) == len(sent))
    assert len(pty.user.chunks) < 4
    assert max(map(len, pty.user.chunks)) <= TTY_READ * (1 + MORE_READS)


def test_pause_and_resume(reactor: Reactor, end: End) -> None:
    end.stream.pause()
    end.stream.pause()
    assert not end.stream.reading
    end.send(b"waits")
    reactor.run_for(0.03)
    assert end.user.data == b""
    assert reactor.run_for(0.1) <= 1
    end.stream.resume()
    end.stream.resume()
    reactor.until(lambda: end.user.data == b"waits")


def test_pausing_in_the_middle_of_a_chunk(reactor: Reactor, end: End) -> None:
    end.user.on_data = lambda data: end.stream.pause()
    for number in range(5):
        end.send(b"%d" % number)
        reactor.until(lambda: not end.stream.reading)
        assert end.user.data == bytes(range(48, 49 + number))
        end.stream.resume()


def test_blocked_once_drained_once(reactor: Reactor, end: End) -> None:
    written = bytearray()
    number = 0
    while not end.stream.backlog:
        block = b"%06d" % number * 1000
        end.stream.write(block)
        written += block
        number += 1
    assert end.user.events == ["blocked"]
    end.stream.write(b"more")
    end.stream.write(b"and more")
    written += b"moreand more"
    assert end.user.events == ["blocked"]
    assert reactor.run_for(0.1) <= 2  # no spin while nobody reads
    got = bytearray()

    def all_there() -> bool:
        got.extend(end.take())
        return len(got) >= len(written)

    reactor.until(all_there, tick=0.001)
    assert got == written
    reactor.until(lambda: end.user.events == ["blocked", "drained"])
    end.stream.write(b"again")
    assert end.user.events == ["blocked", "drained"]


def test_writing_from_within_drained(reactor: Reactor, end: End) -> None:
    while not end.stream.backlog:
        end.stream.write(b"x" * 4096)
    end.user.write_drained = lambda: end.stream.write(b"END")  # type: ignore[method-assign]
    got = bytearray()

    def all_there() -> bool:
        got.extend(end.take())
        return got.endswith(b"END")

    reactor.until(all_there, tick=0.001)


def test_discarding_what_is_pending(reactor: Reactor, end: End) -> None:
    while not end.stream.backlog:
        end.stream.write(b"x" * 4096)
    end.stream.discard_pending()
    assert end.stream.backlog == 0
    end.stream.discard_pending()
    reactor.run_for(0.02)
    assert reactor.run_for(0.1) <= 1


def test_handing_over_to_another_user(reactor: Reactor, end: End) -> None:
    end.send(b"first")
    reactor.until(lambda: end.user.data == b"first")
    other = User()
    end.stream.start(other)
    end.send(b"second")
    reactor.until(lambda: other.data == b"second")
    assert end.user.data == b"first"


def test_a_megabyte_each_way_with_stalls(reactor: Reactor, end: End) -> None:
    rng = random.Random(4)
    up, down = rng.randbytes(1 << 20), rng.randbytes(1 << 20)
    sent_up = sent_down = 0
    got = bytearray()

    def step() -> bool:
        nonlocal sent_up, sent_down
        if rng.random() < 0.1:
            (end.stream.pause if end.stream.reading else end.stream.resume)()
        if sent_down < len(down) and (not end.stream.backlog or rng.random() < 0.01):
            size = rng.randrange(1, 9000)
            end.stream.write(down[sent_down : sent_down + size])
            sent_down += size
        if rng.random() < 0.7:
            try:
                sent_up += os.write(end.far, up[sent_up : sent_up + rng.randrange(1, 9000)])
            except BlockingIOError:
                pass
        if rng.random() < 0.5:
            got.extend(end.take(rng.randrange(1, 20000)))
        return len(got) >= len(down) and sum(map(len, end.user.chunks)) >= len(up)

    reactor.until(step, 60, tick=0.0005)
    assert hashlib.sha256(end.user.data).digest() == hashlib.sha256(up).digest()
    assert hashlib.sha256(got).digest() == hashlib.sha256(down).digest()


# -- ends ----------------------------------------------------------------------------------------------------


def test_every_byte_before_the_end(reactor: Reactor, tcp: Any) -> None:
    end, far = tcp()
    far.sendall(b"x" * 100_000)
    far.sendall(b"last")
    far.close()
    reactor.until(lambda: end.user.ending)
    assert end.user.data == b"x" * 100_000 + b"last"
    assert end.user.ending.cause is Cause.FINISHED
    assert not end.stream.reading
    assert reactor.run_for(0.1) <= 1  # an ended stream does not spin


def test_every_byte_before_the_end_of_a_pty(reactor: Reactor, pty: End) -> None:
    pty.send(b"x" * 9000)
    pty.send(b"last")
    os.close(pty.far)
    pty.far = -1
    reactor.until(lambda: pty.user.ending)
    assert pty.user.data == b"x" * 9000 + b"last"
    assert pty.user.ending is not None
    assert pty.user.ending.cause is Cause.DEVICE
    assert reactor.run_for(0.1) <= 1


def test_a_reset(reactor: Reactor, tcp: Any) -> None:
    end, far = tcp()
    reset(far)
    reactor.until(lambda: end.user.ending)
    assert end.user.ending.cause is Cause.RESET
    assert "reset" in end.user.ending.detail


def test_bytes_before_a_reset_while_paused(reactor: Reactor, tcp: Any) -> None:
    end, far = tcp()
    end.stream.pause()
    far.sendall(b"before")
    far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    reactor.run_for(0.02)
    far.close()
    reactor.run_for(0.02)
    assert end.user.ending is None
    end.stream.resume()
    reactor.until(lambda: end.user.ending)
    assert end.user.ending.cause is Cause.RESET


def test_half_close_leaves_the_other_direction(reactor: Reactor, tcp: Any) -> None:
    end, far = tcp()
    far.shutdown(socket.SHUT_WR)
    reactor.until(lambda: end.user.ending)
    assert end.user.ending.cause is Cause.FINISHED
    end.stream.write(b"still")
    far.setblocking(True)
    assert far.recv(10) == b"still"


def test_writing_to_a_peer_that_is_gone(reactor: Reactor, tcp: Any) -> None:
    end, far = tcp()
    end.stream.pause()
    far.sendall(b"its last words")
    far.close()
    reactor.run_for(0.02)
    end.stream.write(b"a")  # answered by a reset
    reactor.run_for(0.02)
    end.stream.write(b"b")
    assert end.user.events == []  # not told in the middle of write()
    end.stream.write(b"c")
    reactor.until(lambda: end.user.ending)
    assert end.user.ending.cause is Cause.RESET
    # A reset may take with it what was not read; nothing comes after the end in any case.
    assert end.user.data in (b"its last words", b"")


def test_a_write_failure_hands_over_what_was_unread(reactor: Reactor) -> None:
    near, far = socket.socketpair()
    end = End(reactor, near.fileno(), far.fileno(), near)
    end.stream.pause()
    far.sendall(b"last words")
    far.close()
    end.stream.write(b"nobody listens")
    assert end.user.events == []
    reactor.until(lambda: end.user.ending)
    assert end.user.data == b"last words"
    assert end.user.ending is not None
    assert end.user.ending.cause is Cause.RESET
    end.stream.abort()


def test_a_failure_while_draining(reactor: Reactor) -> None:
    near, far = socket.socketpair()
    end = End(reactor, near.fileno(), far.fileno(), near)
    far.sendall(b"last words")
    end.stream.pause()
    while not end.stream.backlog:
        end.stream.write(b"x" * 65536)
    far.close()
    reactor.until(lambda: end.user.ending)
    assert end.user.data == b"last words"
    assert end.stream.backlog == 0
    assert end.user.events[0] == "blocked"
    assert "drained" not in end.user.events
    end.stream.abort()


def test_aborting_between_a_failed_write_and_its_news(reactor: Reactor) -> None:
    near, far = socket.socketpair()
    end = End(reactor, near.fileno(), far.fileno(), near)
    far.close()
    end.stream.write(b"x")
    end.stream.abort()
    reactor.run_for(0.02)
    assert end.user.events == []
    assert end.closed == [True]


def test_finish_hands_over_the_rest_although_paused(reactor: Reactor, end: End) -> None:
    end.stream.pause()
    end.send(b"rest")
    reactor.run_for(0.02)
    end.stream.finish(Ending(Cause.DEVICE, "gone"))
    end.stream.finish(Ending(Cause.DEVICE, "gone"))
    assert end.user.chunks == [b"rest"]
    assert end.user.events == [Ending(Cause.DEVICE, "gone")]
    end.stream.resume()
    assert not end.stream.reading


def test_aborting_in_the_middle_of_the_rest(reactor: Reactor, end: End) -> None:
    end.stream.pause()
    end.send(b"rest")
    reactor.run_for(0.02)
    end.user.on_data = lambda data: end.stream.abort()
    end.stream.finish(Ending(Cause.DEVICE, "gone"))
    assert end.user.chunks == [b"rest"]
    assert end.user.events == []
    assert end.closed == [True]


def test_an_error_of_the_user_ends_the_stream(reactor: Reactor, end: End) -> None:
    def fail(data: bytes) -> None:
        raise ZeroDivisionError("oops")

    end.user.on_data = fail
    end.send(b"x")
    reactor.until(lambda: end.user.ending)
    assert end.user.ending is not None
    assert end.user.ending.cause is Cause.ERROR
    assert reactor.run_for(0.1) <= 1


# -- closing -------------------------------------------------------------------------------------------------


def test_close_sends_everything_then_the_end(reactor: Reactor, tcp: Any) -> None:
    end, far = tcp()
    written = bytearray()
    while len(written) < 1 << 20 or not end.stream.backlog:
        block = os.urandom(65536)
        end.stream.write(block)
        written += block
    far.sendall(b"unread by anybody")  # would turn a plain close into a reset
    end.stream.close(5)
    end.stream.close(5)
    got = bytearray()
    finished = False

    def all_there() -> bool:
        nonlocal finished
        try:
            chunk = far.recv(1 << 18)
        except BlockingIOError:
            return False
        got.extend(chunk)
        finished = not chunk
        return finished

    reactor.until(all_there, tick=0.001)
    assert got == written
    assert not end.closed  # it waits for the other end
    far.close()
    reactor.until(lambda: end.closed)
    assert end.closed == [True]
    assert end.user.events == ["blocked"]
    assert end.user.data == b""


def test_close_gives_up_on_a_peer_that_does_not_read(reactor: Reactor, tcp: Any) -> None:
    end, _ = tcp()
    while not end.stream.backlog:
        end.stream.write(b"x" * 65536)
    end.stream.close(0.1)
    reactor.until(lambda: end.closed, 1)


def test_close_gives_up_on_a_peer_that_does_not_end(
    reactor: Reactor, tcp: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vmodem.net.stream.LINGER_S", 0.1)
    end, far = tcp()
    end.stream.close(5)
    far.sendall(b"goes on talking")
    reactor.until(lambda: end.closed, 1)


def test_close_ends_with_a_reset(reactor: Reactor, tcp: Any) -> None:
    end, far = tcp()
    end.stream.close(5)
    reset(far)
    reactor.until(lambda: end.closed, 1)
    assert end.user.events == []


def test_close_after_the_end_is_at_once(reactor: Reactor, tcp: Any) -> None:
    end, far = tcp()
    far.shutdown(socket.SHUT_WR)
    reactor.until(lambda: end.user.ending)
    end.stream.close(5)
    assert end.closed == [True]
    assert far.fileno() >= 0
    far.setblocking(True)
    assert far.recv(10) == b""


def test_close_of_a_pty_sends_what_is_pending(reactor: Reactor, pty: End) -> None:
    written = 0
    while not pty.stream.backlog:
        pty.stream.write(b"x" * 4096)
        written += 4096
    pty.stream.close(5)
    got = 0

    def closed() -> bool:
        nonlocal got
        try:
            got += len(os.read(pty.far, 65536))
        except (BlockingIOError, OSError):
            pass
        return bool(pty.closed)

    reactor.until(closed, tick=0.001)
    assert written - got <= 65536  # closing takes what the slave has not read yet


def test_a_closed_stream_is_silent(reactor: Reactor, end: End) -> None:
    end.stream.abort()
    end.stream.abort()
    end.stream.close(1)
    end.stream.write(b"x")
    end.stream.resume()
    end.stream.pause()
    end.stream.finish(Ending(Cause.DEVICE, "gone"))
    assert end.closed == [True]
    assert end.stream.fileno() == -1
    assert (end.user.chunks, end.user.events) == ([], [])


# -- two descriptors -----------------------------------------------------------------------------------------


@pytest.fixture
def pipes(reactor: Reactor) -> Iterator[tuple[FdStream, User, list[int]]]:
    """A stream that reads one pipe and writes another; the last item is the far ends: to write, to read."""
    in_read, in_write = os.pipe()
    out_read, out_write = os.pipe()
    for fd in (in_read, out_read, out_write):
        os.set_blocking(fd, False)
    user = User()
    stream = FdStream(reactor, in_read, write_fd=out_write)
    stream.start(user)
    far = [in_write, out_read]
    yield stream, user, far
    stream.abort()
    for fd in (out_write, *far):
        if fd >= 0:
            os.close(fd)


def test_the_end_of_input_leaves_the_output(reactor: Reactor, pipes: Any) -> None:
    stream, user, far = pipes
    os.write(far[0], b"in")
    os.close(far[0])
    far[0] = -1
    reactor.until(lambda: user.ending)
    assert user.data == b"in"
    assert user.ending.cause is Cause.FINISHED
    stream.write(b"out")
    assert os.read(far[1], 10) == b"out"


def test_back_pressure_with_two_descriptors(reactor: Reactor, pipes: Any) -> None:
    stream, user, far = pipes
    written = 0
    while not stream.backlog:
        stream.write(b"x" * 50000)
        written += 50000
    os.write(far[0], b"in")
    reactor.until(lambda: user.data == b"in")
    got = 0

    def all_there() -> bool:
        nonlocal got
        try:
            got += len(os.read(far[1], 65536))
        except BlockingIOError:
            pass
        return got == written

    reactor.until(all_there, tick=0.001)
    reactor.until(lambda: user.events == ["blocked", "drained"])


def test_output_that_nobody_reads_any_more(reactor: Reactor, pipes: Any) -> None:
    stream, user, far = pipes
    while not stream.backlog:
        stream.write(b"x" * 50000)
    os.close(far[1])
    far[1] = -1
    reactor.until(lambda: user.ending)
    assert user.ending.cause is Cause.RESET
    assert reactor.run_for(0.1) <= 1


def test_the_words_for_errors() -> None:
    import errno

    for number, cause in (
        (errno.EPIPE, Cause.RESET),
        (errno.ETIMEDOUT, Cause.TIMEOUT),
        (errno.EIO, Cause.DEVICE),
        (errno.ENOSPC, Cause.ERROR),
    ):
        assert Ending.of(OSError(number, os.strerror(number))) == Ending(cause, os.strerror(number))
