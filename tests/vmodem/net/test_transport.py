"""Streams on Twisted's own transports, over real sockets."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

import pytest

from tests.helpers.calls import Listening, descriptors
from tests.helpers.reactors import Reactor
from vmodem.net.incoming.listen import Incoming
from vmodem.net.stream import Cause
from vmodem.net.transport import ForeignListener


class Door:
    """An endpoint that Twisted serves, and one client."""

    def __init__(self, reactor: Reactor, text: str = "tcp:0:interface=127.0.0.1") -> None:
        self.reactor = reactor
        self.came: list[Incoming] = []
        self.closed: list[bool] = []
        self.listener = ForeignListener(reactor, text, self.accept)
        self.listener.start()
        self.port = self.listener._port.getHost().port
        self.client = socket.create_connection(("127.0.0.1", self.port))
        self.client.setblocking(False)

    def accept(self, incoming: Incoming) -> None:
        incoming.closed = lambda: self.closed.append(True)
        self.came.append(incoming)

    def receive(self) -> bytes:
        """Everything up to the end of the stream."""
        data = bytearray()

        def ended() -> bool:
            while True:
                try:
                    chunk = self.client.recv(65536)
                except BlockingIOError:
                    return False
                data.extend(chunk)
                if not chunk:
                    return True

        self.reactor.until(ended)
        return bytes(data)


@pytest.fixture
def door(reactor: Reactor) -> Iterator[Door]:
    made = Door(reactor)
    reactor.until(lambda: made.came)
    yield made
    made.came[0].stream.abort()
    made.client.close()
    made.listener.stop()
    reactor.until(lambda: made.closed)
    reactor.run_for(0.01)


def test_both_ways(reactor: Reactor, door: Door) -> None:
    stream = door.came[0].stream
    assert door.came[0].peer.host == "127.0.0.1"
    assert stream.peer == "{}:{}".format(*door.client.getsockname())
    door.client.sendall(b"early")
    reactor.run_for(0.05)  # not started: nothing may be read
    user = Listening(stream)
    reactor.until(lambda: user.data == b"early")
    stream.write(b"hello")
    reactor.until(
        lambda: door.client.recv(10, socket.MSG_PEEK) == b"hello" if readable(door.client) else False
    )
    sock = stream._transport.getHandle()  # type: ignore[attr-defined]
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def readable(sock: socket.socket) -> bool:
    try:
        return bool(sock.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return False


def test_back_pressure(reactor: Reactor, door: Door) -> None:
    stream = door.came[0].stream
    user = Listening(stream)
    written = 0
    while not user.blocked:
        stream.write(b"x" * 10000)
        written += 10000
        reactor.iterate(0)
        assert written < 50_000_000
    stream.write(b"y" * 5)
    assert stream.backlog == 5
    stream.close(5)
    assert door.receive() == b"x" * written + b"y" * 5


def test_pause(reactor: Reactor, door: Door) -> None:
    stream = door.came[0].stream
    user = Listening(stream)
    stream.pause()
    door.client.sendall(b"x" * 1000)
    reactor.run_for(0.05)
    assert not user.data
    stream.resume()
    reactor.until(lambda: len(user.data) == 1000)


def test_drained(reactor: Reactor, door: Door) -> None:
    stream = door.came[0].stream
    user = Listening(stream)
    while not user.blocked:
        stream.write(b"x" * 100_000)

    def drained() -> bool:
        readable(door.client) and door.client.recv(1 << 20)
        return not user.blocked

    reactor.until(drained)
    assert stream.backlog == 0


def test_close_while_the_peer_talks(reactor: Reactor, door: Door) -> None:
    """What was written arrives although input is unread: no reset."""
    stream = door.came[0].stream
    door.client.sendall(b"z" * 10000)
    reactor.run_for(0.02)
    stream.write(b"x" * 65536)
    stream.close(5)
    assert door.receive() == b"x" * 65536
    assert not door.closed
    door.client.close()
    reactor.until(lambda: door.closed)


def test_peer_ends(reactor: Reactor, door: Door) -> None:
    user = Listening(door.came[0].stream)
    door.client.sendall(b"last")
    door.client.shutdown(socket.SHUT_WR)
    reactor.until(lambda: user.endings)
    assert user.data == b"last"
    assert user.endings[0].cause is Cause.FINISHED
    door.came[0].stream.write(b"answer")
    door.came[0].stream.close(1)
    door.receive()


def test_reset(reactor: Reactor, door: Door) -> None:
    user = Listening(door.came[0].stream)
    door.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    door.client.close()
    reactor.until(lambda: user.endings)
    assert len(user.endings) == 1
    assert user.endings[0].cause is Cause.RESET


def test_no_descriptor_left(reactor: Reactor) -> None:
    reactor.run_for(0.01)
    before = descriptors()
    made = Door(reactor)
    reactor.until(lambda: made.came)
    made.came[0].stream.abort()
    made.client.close()
    made.listener.stop()
    reactor.until(lambda: made.closed)
    reactor.until(lambda: descriptors() == before)
