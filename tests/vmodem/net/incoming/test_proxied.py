"""Listeners behind a proxy that says who calls."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.calls import Listening, descriptors
from tests.helpers.reactors import Reactor
from vmodem.net.incoming import proxied
from vmodem.net.incoming.listen import Incoming, Listener
from vmodem.net.incoming.proxied import V1_LIMIT, WAITING, HeaderError, parse_header

START = b"\r\n\r\n\x00\r\nQUIT\n"


def version_2(command: int, family: int, body: bytes) -> bytes:
    return START + bytes((0x20 | command, family)) + struct.pack("!H", len(body)) + body


FOUR = socket.inet_aton("192.0.2.9") + socket.inet_aton("10.0.0.1") + struct.pack("!HH", 5555, 8001)
SIX = socket.inet_pton(socket.AF_INET6, "2001:db8::9") * 2 + struct.pack("!HH", 5555, 8001)
HEADERS = [
    (b"PROXY TCP4 192.0.2.9 10.0.0.1 5555 8001\r\n", "192.0.2.9"),
    (b"PROXY TCP6 2001:db8::9 ::1 5555 8001\r\n", "2001:db8::9"),
    (b"PROXY TCP6 ::ffff:192.0.2.9 ::1 5555 8001\r\n", "192.0.2.9"),
    (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
    (b"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n", "127.0.0.1"),
    (version_2(1, 0x11, FOUR), "192.0.2.9"),
    (version_2(1, 0x11, FOUR + b"\x03\x00\x04abcd"), "192.0.2.9"),
    (version_2(1, 0x21, SIX), "2001:db8::9"),
    (version_2(0, 0x11, FOUR), "127.0.0.1"),
    (version_2(0, 0, b""), "127.0.0.1"),
    (version_2(1, 0x31, b"x" * 216), "127.0.0.1"),
]
BAD = [
    b"hello there\r\n",
    b"AT\r",
    b"PROXY TCP4 192.0.2.9\r\n",
    b"PROXY TCP4 ::1 ::1 1 2\r\n",
    b"PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n",
    b"PROXY TCP4 1.2.3.4 1.2.3.4 70000 2\r\n",
    b"PROXY " + b"x" * V1_LIMIT,
    b"PROXY\n" + b"x" * V1_LIMIT,
    b"\r\n\r\nX",
    version_2(1, 0x11, b"short"),
    START + b"\x11\x11\x00\x00",
    START + b"\x21\x11\xff\xff",
]


class Door:
    def __init__(self, reactor: Reactor) -> None:
        self.reactor = reactor
        self.came: list[Incoming] = []
        self.listener = Listener(reactor, "haproxy:tcp:0:interface=127.0.0.1", self.came.append)
        self.listener.start()
        self.clients: list[socket.socket] = []

    def connect(self) -> socket.socket:
        sock = socket.create_connection(("127.0.0.1", self.listener.port))
        sock.setblocking(False)
        self.clients.append(sock)
        return sock

    def closed(self, sock: socket.socket) -> bool:
        try:
            return not sock.recv(1)
        except BlockingIOError:
            return False
        except ConnectionResetError:
            return True


@pytest.fixture
def door(reactor: Reactor) -> Iterator[Door]:
    before = descriptors()
    made = Door(reactor)
    yield made
    for incoming in made.came:
        incoming.stream.abort()
    made.listener.stop()
    for sock in made.clients:
        sock.close()
    assert descriptors() == before


@pytest.mark.parametrize(("header", "host"), HEADERS)
@pytest.mark.parametrize("pieces", [1, 2, 1000])
def test_who_calls(reactor: Reactor, door: Door, header: bytes, host: str, pieces: int) -> None:
    """In one piece with the call's first bytes, cut, or byte by byte: the call loses and gains nothing."""
    sock = door.connect()
    whole = header + b"\r\nPROXY data"
    size = -(-len(whole) // pieces)
    for at in range(0, len(whole), size):
        sock.sendall(whole[at : at + size])
        reactor.iterate(0)
    reactor.until(lambda: door.came)
    assert door.came[0].peer.host == host
    assert host not in ("192.0.2.9", "2001:db8::9") or door.came[0].peer.port == 5555
    user = Listening(door.came[0].stream)
    reactor.until(lambda: len(user.data) >= 12)
    assert user.data == b"\r\nPROXY data"


def test_header_alone(reactor: Reactor, door: Door) -> None:
    door.connect().sendall(HEADERS[0][0])
    reactor.until(lambda: door.came)


@pytest.mark.parametrize("header", BAD)
def test_bad_header(reactor: Reactor, door: Door, header: bytes) -> None:
    sock = door.connect()
    sock.sendall(header)
    reactor.until(lambda: door.closed(sock))
    assert not door.came


def test_slow_and_silent(reactor: Reactor, door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxied, "HEADER_S", 0.1)
    sock = door.connect()
    sock.sendall(b"PRO")
    reactor.run_for(0.02)
    assert reactor.run_for(0.05) < 5
    reactor.until(lambda: door.closed(sock))


def test_vanished(reactor: Reactor, door: Door) -> None:
    door.connect().close()
    reactor.until(lambda: len(reactor.getDelayedCalls()) == 0)
    assert not door.came


def test_so_many_wait(reactor: Reactor, door: Door) -> None:
    for _ in range(WAITING):
        door.connect()
        reactor.iterate(0)
    reactor.until(lambda: len(reactor.getDelayedCalls()) == WAITING)
    sock = door.connect()
    reactor.until(lambda: door.closed(sock))
    door.clients[0].sendall(HEADERS[0][0])
    reactor.until(lambda: door.came)


@given(st.one_of(st.binary(max_size=60), st.binary(max_size=60).map(lambda rest: START + rest)))
def test_any_header(header: bytes) -> None:
    if header.startswith(START) and len(header) < 16:
        return
    try:
        source = parse_header(header)
    except HeaderError:
        return
    assert source is None or 0 <= source[1] <= 65535
