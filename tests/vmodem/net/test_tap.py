"""Listening in on a stream, and no longer."""

from __future__ import annotations

import os
import socket
from contextlib import suppress

import pytest

from tests.helpers.calls import Listening
from tests.helpers.reactors import Reactor
from vmodem.net.pace import PacedStream
from vmodem.net.stream import FdStream
from vmodem.net.tap import TappedStream


class Ear:
    """Hears so many chunks."""

    def __init__(self, chunks: int = 1000, fails: bool = False) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self.over = 0
        self._chunks = chunks
        self._fails = fails

    def sent(self, data: bytes) -> bool:
        return self._hear("sent", data)

    def received(self, data: bytes) -> bool:
        return self._hear("received", data)

    def ended(self) -> None:
        self.over += 1

    def _hear(self, way: str, data: bytes) -> bool:
        self.heard.append((way, data))
        if self._fails:
            raise ValueError("a listener with a mistake in it")
        return len(self.heard) < self._chunks


def pair(reactor: Reactor) -> tuple[FdStream, socket.socket]:
    near, far = socket.socketpair()
    near.setblocking(False)
    far.setblocking(False)
    return FdStream(reactor, near.fileno(), owner=near, peer="far"), far


def take(reactor: Reactor, far: socket.socket, size: int) -> bytes:
    """So many bytes at the far end."""
    taken = bytearray()

    def all_there() -> bool:
        with suppress(BlockingIOError):
            taken.extend(far.recv(1 << 20))
        return len(taken) >= size

    reactor.until(all_there)
    return bytes(taken)


def test_hears_both_ways_then_is_gone(reactor: Reactor) -> None:
    inner, far = pair(reactor)
    ear = Ear(3)
    tapped = TappedStream(inner, ear)
    user = Listening(tapped)
    tapped.write(b"one")
    far.send(b"two")
    reactor.until(lambda: user.data == b"two")
    tapped.write(b"three")
    far.send(b"four")
    tapped.write(b"five")
    reactor.until(lambda: user.data == b"twofour")
    assert take(reactor, far, 12) == b"onethreefive"
    assert ear.heard == [("sent", b"one"), ("received", b"two"), ("sent", b"three")]
    # Nothing is left in between.
    assert inner._user is user
    assert tapped.write == inner.write
    far.close()
    reactor.until(lambda: user.endings)
    tapped.close(0)
    assert ear.over == 0


def test_a_listener_that_fails_is_let_go(reactor: Reactor) -> None:
    inner, far = pair(reactor)
    user = Listening(TappedStream(inner, Ear(fails=True)))
    far.send(b"one")
    reactor.until(lambda: user.data == b"one")
    assert inner._user is user
    user.stream.abort()
    far.close()


def test_enough_before_the_stream_is_started(reactor: Reactor) -> None:
    inner, far = pair(reactor)
    tapped = TappedStream(inner, Ear(1))
    tapped.write(b"one")
    user = Listening(tapped)
    assert inner._user is user
    far.send(b"two")
    reactor.until(lambda: user.data == b"two")
    tapped.abort()
    far.close()


def test_paused_stays_paused(reactor: Reactor) -> None:
    inner, far = pair(reactor)
    tapped = TappedStream(inner, Ear(1))
    user = Listening(tapped)
    tapped.pause()
    tapped.write(b"one")
    far.send(b"two")
    reactor.run_for(0.05)
    assert not user.data
    assert not inner.reading
    tapped.resume()
    reactor.until(lambda: user.data == b"two")
    tapped.abort()
    far.close()


@pytest.mark.parametrize("way", ["close", "abort", "the far end"])
def test_the_end_is_told_once(reactor: Reactor, way: str) -> None:
    inner, far = pair(reactor)
    ear = Ear()
    user = Listening(TappedStream(inner, ear))
    if way == "the far end":
        far.send(b"last")
        far.close()
        reactor.until(lambda: user.endings)
        assert user.data == b"last"
    else:
        far.close()
    if way == "abort":
        user.stream.abort()
    user.stream.close(0)
    reactor.until(lambda: not reactor.getDelayedCalls())
    assert ear.over == 1
    assert len(user.endings) == (way == "the far end")


def test_blocked_and_drained(reactor: Reactor) -> None:
    """Back-pressure goes through, before and after the listener has gone."""
    inner, far = pair(reactor)
    tapped = TappedStream(inner, Ear(2))
    user = Listening(tapped)
    tapped.write(b"x" * 4_000_000)
    assert user.blocked
    assert tapped.backlog
    tapped.write(b"y")
    assert take(reactor, far, 4_000_001) == b"x" * 4_000_000 + b"y"
    reactor.until(lambda: not user.blocked)
    tapped.abort()
    far.close()


def test_breaks_go_through(reactor: Reactor) -> None:
    inner, far = pair(reactor)
    tapped = TappedStream(inner, Ear())
    breaks: list[int] = []
    tapped.break_received = lambda: breaks.append(1)
    inner.break_received()
    assert breaks == [1]
    tapped.send_break(0.1, True)
    tapped.abort()
    far.close()


def test_under_a_paced_stream(reactor: Reactor) -> None:
    inner, far = pair(reactor)
    ear = Ear(2)
    user = Listening(PacedStream(reactor, TappedStream(inner, ear), 1_000_000))
    data = os.urandom(20000)
    far.send(data)
    user.stream.write(data)
    reactor.until(lambda: len(user.data) == len(data))
    assert user.data == data
    assert take(reactor, far, len(data)) == data
    assert len(ear.heard) == 2
    user.stream.abort()
    far.close()
