"""Connections made on real sockets."""

from __future__ import annotations

import errno
import ipaddress
import socket
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.calls import Listening, closed_port, descriptors, listening
from tests.helpers.reactors import Reactor
from vmodem.net.address import Destination, destination
from vmodem.net.connect import STAGGER_S, Connecting, Trouble, trouble
from vmodem.net.options import KEEPALIVE_IDLE_S, USER_TIMEOUT_MS
from vmodem.net.stream import FdStream


class Call:
    """A connection being made, and what came of it."""

    def __init__(self, reactor: Reactor, *where: Destination) -> None:
        self.reactor = reactor
        self.streams: list[FdStream] = []
        self.reached: list[Destination] = []
        self.failures: list[tuple[Trouble, str]] = []
        self.connecting = Connecting(reactor, where, self.connected, lambda *args: self.failures.append(args))

    def connected(self, stream: FdStream, where: Destination) -> None:
        self.streams.append(stream)
        self.reached.append(where)

    def finish(self, timeout: float = 10) -> None:
        self.reactor.until(lambda: self.streams or self.failures, timeout)

    def close(self) -> None:
        for stream in self.streams:
            stream.abort()


def at(host: str, port: int) -> Destination:
    return destination(ipaddress.ip_address(host), port)


def local(sock: socket.socket) -> Destination:
    return at(*sock.getsockname()[:2])


@pytest.fixture
def silent() -> Any:
    """A destination that answers nothing: its queue is full, so the kernel drops every SYN."""
    with ExitStack() as stack:
        sock = stack.enter_context(listening(backlog=0))
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(sock.getsockname())
        yield local(sock)


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_connects(reactor: Reactor, family: int) -> None:
    with listening(family) as sock:
        call = Call(reactor, local(sock))
        assert not call.streams
        call.finish()
        peer, _ = sock.accept()
        with peer:
            user = Listening(call.streams[0])
            call.streams[0].write(b"hello")
            reactor.until(lambda: peer.recv(100, socket.MSG_PEEK))
            assert peer.recv(100) == b"hello"
            peer.sendall(b"there")
            reactor.until(lambda: user.data)
            assert user.data == b"there"
        assert call.streams[0].peer == local(sock).printable
        call.close()


def test_options(reactor: Reactor) -> None:
    with listening() as sock:
        call = Call(reactor, local(sock))
        call.finish()
        made = call.streams[0]._owner
        assert made.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert made.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert made.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == KEEPALIVE_IDLE_S
        assert made.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == USER_TIMEOUT_MS
        call.close()


def test_unix(reactor: Reactor, tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    where = Destination(socket.AF_UNIX, path, f"unix:{path}")
    call = Call(reactor, where)
    call.finish()
    assert call.failures[0][0] is Trouble.NO_ANSWER
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(path)
        call = Call(reactor, where)
        call.finish()
        assert call.failures[0][0] is Trouble.REFUSED
        sock.listen(1)
        call = Call(reactor, where)
        call.finish()
        assert call.reached == [where]
        call.close()


def test_refused(reactor: Reactor) -> None:
    call = Call(reactor, at("127.0.0.1", closed_port()))
    call.finish()
    assert call.failures[0][0] is Trouble.REFUSED
    assert "127.0.0.1" in call.failures[0][1]


def test_no_route(reactor: Reactor) -> None:
    call = Call(reactor, Destination(socket.AF_INET, ("255.255.255.255", 9), "everybody"))
    call.finish()
    assert call.failures[0][0] is Trouble.NO_NETWORK


def test_nothing_to_try(reactor: Reactor) -> None:
    call = Call(reactor)
    call.finish()
    assert call.failures[0][0] is Trouble.NO_NETWORK


def test_bad_path(reactor: Reactor) -> None:
    call = Call(reactor, Destination(socket.AF_UNIX, "x" * 300, "long"))
    call.finish()
    assert call.failures[0][0] is Trouble.NO_NETWORK


@pytest.mark.parametrize(
    ("code", "at_once", "kind"),
    [
        (errno.ECONNREFUSED, False, Trouble.REFUSED),
        (errno.EAGAIN, True, Trouble.REFUSED),
        (errno.ETIMEDOUT, False, Trouble.NO_ANSWER),
        (errno.EHOSTUNREACH, False, Trouble.NO_ANSWER),
        (errno.ENETUNREACH, False, Trouble.NO_ANSWER),
        (errno.EHOSTUNREACH, True, Trouble.NO_NETWORK),
        (errno.ENETUNREACH, True, Trouble.NO_NETWORK),
        (errno.EADDRNOTAVAIL, True, Trouble.NO_NETWORK),
        (errno.ENETDOWN, False, Trouble.NO_NETWORK),
        (errno.EAFNOSUPPORT, True, Trouble.NO_NETWORK),
        (errno.EMFILE, True, Trouble.NO_NETWORK),
        (errno.EIO, False, Trouble.NO_ANSWER),
    ],
)
def test_trouble(code: int, at_once: bool, kind: Trouble) -> None:
    assert trouble(code, at_once=at_once) is kind


def test_refusal_moves_on_at_once(reactor: Reactor) -> None:
    with listening() as sock:
        call = Call(reactor, at("127.0.0.1", closed_port()), at("127.0.0.1", closed_port()), local(sock))
        call.finish(timeout=STAGGER_S * 0.9)
        assert call.reached == [local(sock)]
        call.close()


def test_silence_is_overtaken(reactor: Reactor, silent: Destination) -> None:
    before = descriptors()
    with listening() as sock:
        call = Call(reactor, silent, local(sock))
        reactor.run_for(STAGGER_S / 2)
        assert not call.reached
        call.finish(timeout=STAGGER_S * 4)
        assert call.reached == [local(sock)]
        call.close()
    assert descriptors() == before


def test_most_telling_failure_counts(reactor: Reactor) -> None:
    everybody = Destination(socket.AF_INET, ("255.255.255.255", 9), "everybody")
    call = Call(reactor, everybody, at("127.0.0.1", closed_port()), everybody)
    call.finish()
    assert [kind for kind, _ in call.failures] == [Trouble.REFUSED]


def test_cancel(reactor: Reactor, silent: Destination) -> None:
    before = descriptors()
    for turns in range(4):
        call = Call(reactor, silent, silent)
        reactor.run_for(0.01 * turns)
        call.connecting.cancel()
        call.connecting.cancel()
        assert not reactor.getDelayedCalls()
        assert not reactor.getWriters()
        reactor.run_for(0.02)
        assert not call.streams
        assert not call.failures
    assert descriptors() == before


def test_cancel_by_the_callback(reactor: Reactor) -> None:
    with listening() as sock:
        call = Call(reactor, local(sock), local(sock))
        call.finish()
        call.connecting.cancel()
        assert len(call.streams) == 1
        call.close()


def test_meeting_oneself_is_a_refusal(reactor: Reactor) -> None:
    """A dialled port in the ephemeral range may be the very one that the kernel picks for our end."""
    port = closed_port()
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
        probe.connect(("127.0.0.1", port))
        call = Call(reactor)
        reactor.until(lambda: call.failures)
        call.failures.clear()
        call.connecting._over = False

        class Attempt:
            target = at("127.0.0.1", port)

        call.connecting._settled(Attempt(), probe, 0)  # type: ignore[arg-type]
    assert call.failures[0][0] is Trouble.REFUSED


def test_two_hundred_failures_leave_nothing(reactor: Reactor) -> None:
    where = at("127.0.0.1", closed_port())
    before = descriptors()
    for _ in range(200):
        call = Call(reactor, where)
        call.finish()
    assert descriptors() == before
