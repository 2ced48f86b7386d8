"""Twisted protocols on streams."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet.protocol import Protocol
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure

from tests.helpers.reactors import Reactor
from vmodem.net.ssh.wired import ANSWERS, Wired
from vmodem.net.stream import Cause, Ending, FdStream


class Noted(Protocol):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.lost: list[Failure] = []
        self.told: list[str] = []

    def dataReceived(self, data: bytes) -> None:
        self.data += data

    def connectionLost(self, reason: Any = None) -> None:
        self.lost.append(reason)

    def pauseProducing(self) -> None:
        self.told.append("pause")

    def resumeProducing(self) -> None:
        self.told.append("resume")

    def stopProducing(self) -> None:
        self.told.append("stop")


class Pair:
    """A protocol on one end of a socket pair, and the other end."""

    def __init__(self, reactor: Reactor, protocol: Any = None) -> None:
        near, self.far = socket.socketpair()
        near.setblocking(False)
        self.far.setblocking(False)
        self.protocol = Noted() if protocol is None else protocol
        self.endings: list[Ending | None] = []
        below = FdStream(reactor, near.fileno(), owner=near, peer="somebody")
        self.wired = Wired(below, self.protocol, self.endings.append)
        self.wired.start()


@pytest.fixture
def pair(reactor: Reactor) -> Iterator[Pair]:
    made = Pair(reactor)
    yield made
    made.wired.abortConnection()
    made.far.close()


def test_bytes_and_a_clean_end(reactor: Reactor, pair: Pair) -> None:
    pair.wired.writeSequence([b"to ", b"there"])
    pair.far.sendall(b"to here")
    reactor.until(lambda: pair.protocol.data == b"to here")
    assert pair.far.recv(100) == b"to there"
    pair.far.close()
    reactor.until(lambda: pair.protocol.lost)
    assert pair.endings == [Ending(Cause.FINISHED, "end of stream")]
    assert len(pair.protocol.lost) == 1
    pair.wired.write(b"too late")


def test_losing_the_connection_sends_what_is_pending(reactor: Reactor, pair: Pair) -> None:
    sent = bytes(range(256)) * 4000
    pair.wired.write(sent)
    pair.wired.loseConnection()
    assert pair.endings == [None]
    got = bytearray()

    def all_there() -> bool:
        try:
            got.extend(pair.far.recv(1 << 20))
        except BlockingIOError:
            pass
        return len(got) == len(sent)

    reactor.until(all_there)
    assert got == sent
    pair.far.close()
    reactor.run_for(0.05)


def test_a_full_stream_pauses_the_producer(reactor: Reactor, pair: Pair) -> None:
    pair.wired.registerProducer(pair.protocol, True)
    with pytest.raises(RuntimeError):
        pair.wired.registerProducer(pair.protocol, True)
    pair.wired.write(bytes(1 << 20))
    assert pair.protocol.told == ["pause"]

    def drained() -> bool:
        try:
            pair.far.recv(1 << 20)
        except BlockingIOError:
            pass
        return len(pair.protocol.told) > 1

    reactor.until(drained)
    assert pair.protocol.told == ["pause", "resume"]
    pair.wired.abortConnection()
    assert pair.protocol.told == ["pause", "resume", "stop"]


def test_registered_late(reactor: Reactor, pair: Pair) -> None:
    pair.wired.write(bytes(1 << 20))
    pair.wired.registerProducer(pair.protocol, True)
    assert pair.protocol.told == ["pause"]
    pair.wired.unregisterProducer()
    with pytest.raises(ValueError, match="streaming"):
        pair.wired.registerProducer(pair.protocol, False)


def test_a_paused_protocol_is_not_fed(reactor: Reactor, pair: Pair) -> None:
    pair.wired.pauseProducing()
    pair.far.sendall(b"wait")
    reactor.run_for(0.05)
    assert not pair.protocol.data
    pair.wired.resumeProducing()
    reactor.until(lambda: pair.protocol.data == b"wait")


def test_whoever_asks_and_never_reads_is_not_listened_to(reactor: Reactor) -> None:
    class Echo(Noted):
        def dataReceived(self, data: bytes) -> None:
            self.data += data
            self.transport.write(data)  # type: ignore[union-attr]

    pair = Pair(reactor, Echo())
    sent = 0
    for _ in range(2000):
        try:
            sent += pair.far.send(bytes(65536))
        except BlockingIOError:
            pass
        reactor.iterate(0)
    assert pair.wired.below.backlog < ANSWERS + 2 * 65536
    assert sent < 4 << 20
    pair.wired.abortConnection()
    pair.far.close()


def test_a_protocol_that_fails_costs_its_connection_only(reactor: Reactor) -> None:
    class Broken(Noted):
        def dataReceived(self, data: bytes) -> None:
            raise RuntimeError("broken")

    pair = Pair(reactor, Broken())
    pair.far.sendall(b"x")
    reactor.until(lambda: pair.endings)
    assert pair.endings == [Ending(Cause.ERROR, "internal error: broken")]
    assert len(pair.protocol.lost) == 1
    pair.far.close()


def test_a_protocol_as_others_write_them(reactor: Reactor) -> None:
    class Lines(LineReceiver):
        def lineReceived(self, line: bytes) -> None:
            self.sendLine(line.upper())
            if line == b"bye":
                self.transport.loseConnection()  # type: ignore[union-attr]

    pair = Pair(reactor, Lines())
    pair.far.sendall(b"one\r\ntw")
    reactor.run_for(0.02)
    pair.far.sendall(b"o\r\nbye\r\nthree\r\n")
    reactor.until(lambda: pair.endings)
    assert pair.far.recv(100) == b"ONE\r\nTWO\r\nBYE\r\n"
    pair.far.close()
    reactor.run_for(0.05)
