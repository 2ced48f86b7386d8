"""A name server of this machine, in the test's own reactor, made of Twisted's idea of DNS messages."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from twisted.internet import protocol
from twisted.internet.error import CannotListenError
from twisted.names import dns
from twisted.protocols.basic import Int16StringReceiver

from tests.helpers.reactors import Reactor

Reply = Callable[[dns.Message, bool], "list[bytes]"]


class NameServer:
    """Answers from ``records``, by name and type; what is not there, does not exist.

    ``reply`` takes its place: it is given the question and whether it came by TCP, and returns the messages
    to send, as they are.
    """

    def __init__(self, reactor: Reactor) -> None:
        self.records: dict[tuple[str, int], list[Any]] = {}
        #: Answers by UDP say only that they did not fit.
        self.truncate = False
        self.reply: Reply = self.answer
        #: What was asked: the name, the type, and whether by TCP.
        self.asked: list[tuple[str, int, bool]] = []
        #: Where each question by UDP came from, and its id.
        self.sources: list[tuple[int, int]] = []
        self._reactor = reactor
        self.connections: set[_Stream] = set()
        self._ports: list[Any] = []
        factory = protocol.Factory()
        factory.buildProtocol = lambda _: _Stream(self)  # type: ignore[method-assign]
        factory.noisy = False
        while len(self._ports) < 2:
            stream = reactor.listenTCP(0, factory, interface="127.0.0.1")
            self.port = int(stream.getHost().port)
            self._ports = [stream]
            try:
                self._ports.append(reactor.listenUDP(self.port, _Datagrams(self), interface="127.0.0.1"))
            except CannotListenError:
                reactor.wait_for(stream.stopListening())

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self.port

    def add(self, name: str, *payloads: Any) -> None:
        for each in payloads:
            self.records.setdefault((name.lower(), each.TYPE), []).append(each)

    def received(self, data: bytes, by_tcp: bool) -> list[bytes]:
        question = dns.Message()
        question.fromStr(data)
        asked = question.queries[0]
        self.asked.append((asked.name.name.decode(), asked.type, by_tcp))
        return self.reply(question, by_tcp)

    def message(self, question: dns.Message, *, rcode: int = 0, **more: Any) -> dns.Message:
        """An answer without records."""
        made = dns.Message(question.id, answer=1, rCode=rcode, recDes=1, recAv=1, **more)
        made.queries = list(question.queries)
        return made

    def answer(self, question: dns.Message, by_tcp: bool) -> list[bytes]:
        asked = question.queries[0]
        made = self.message(question, maxSize=0 if by_tcp else 512)
        if self.truncate and not by_tcp:
            made.trunc = 1
            return [made.toStr()]
        name = asked.name.name.decode().lower()
        if not any(known == name for known, _ in self.records):
            made.rCode = dns.ENAME
        for _ in range(8):
            alias = self.records.get((name, dns.CNAME))
            found = self.records.get((name, asked.type), alias or [])
            made.answers += [dns.RRHeader(name, each.TYPE, ttl=60, payload=each) for each in found]
            if not alias or (name, asked.type) in self.records:
                break
            name = str(alias[0].name.name.decode()).lower()
        return [made.toStr()]

    def close(self) -> None:
        for each in list(self.connections):
            each.transport.abortConnection()
        for port in self._ports:
            self._reactor.wait_for(port.stopListening())
        self._reactor.until(lambda: not self.connections)


class _Datagrams(protocol.DatagramProtocol):
    noisy = False

    def __init__(self, server: NameServer) -> None:
        self._server = server

    def datagramReceived(self, data: bytes, address: Any) -> None:
        self._server.sources.append((address[1], int.from_bytes(data[:2], "big")))
        for each in self._server.received(data, False):
            self.transport.write(each, address)  # type: ignore[union-attr]


class _Stream(Int16StringReceiver):
    def __init__(self, server: NameServer) -> None:
        self._server = server

    def connectionMade(self) -> None:
        self._server.connections.add(self)

    def connectionLost(self, reason: Any = None) -> None:
        self._server.connections.discard(self)

    def stringReceived(self, string: bytes) -> None:
        for each in self._server.received(string, True):
            self.sendString(each)


@contextlib.contextmanager
def name_server(reactor: Reactor) -> Iterator[NameServer]:
    """A name server until the end of the block."""
    server = NameServer(reactor)
    try:
        yield server
    finally:
        server.close()
