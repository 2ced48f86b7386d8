"""A modem's calls as DTEs see them whose circuits travel with their bytes: the same story over each line."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from atparser import Modem, Options
from tests.helpers.reactors import Reactor
from vmodem.line.base import Circuit, Line
from vmodem.line.ip232 import Ip232Line
from vmodem.line.remote import RemoteLine
from vmodem.line.rfc2217 import Rfc2217Line
from vmodem.modem.driver import Driver
from vmodem.net.stream import FdStream
from vmodem.wire import comport
from vmodem.wire.comport import ModemState
from vmodem.wire.comport_client import ComPortClient, ModemStateTold
from vmodem.wire.events import Data, Send

from .conftest import User

#: What a DTE notices, in order: bytes, and the circuits that are on when they change.
Trace = list[bytes | frozenset[str]]


class Dte:
    """Terminal equipment at the far end of a line."""

    #: The circuits it sees.
    sees = frozenset(("dcd", "ri"))

    def __init__(self, reactor: Reactor) -> None:
        self.reactor = reactor
        self.trace: Trace = []
        self.on: frozenset[str] = frozenset()
        self.expected: frozenset[str] = frozenset()

    def line(self) -> Line:
        """The modem's end."""
        raise NotImplementedError

    def connect(self) -> None:
        """Attach, once the line has been started."""

    def send(self, data: bytes) -> None:
        raise NotImplementedError

    def dtr(self, on: bool) -> None:
        raise NotImplementedError

    def read(self) -> Trace:
        raise NotImplementedError

    def close(self) -> Any:
        """Go away; a deferred where that takes a while."""

    def came(self, data: bytes) -> None:
        if self.trace and isinstance(self.trace[-1], bytes):
            self.trace[-1] += data
        elif data:
            self.trace.append(data)

    def circuits(self, **states: bool) -> None:
        on = frozenset(name for name, state in states.items() if state)
        if on != self.on:
            self.on = on
            self.trace.append(on)

    def until(self, *trace: bytes | frozenset[str]) -> None:
        """Wait until exactly this has come, in this order; then forget it."""
        wanted: Trace = []
        on = self.expected
        for item in trace:
            if isinstance(item, frozenset):
                item = item & self.sees
                if item == on:
                    continue
                on = item
            if isinstance(item, bytes) and wanted and isinstance(wanted[-1], bytes):
                wanted[-1] += item
            else:
                wanted.append(item)
        try:
            self.reactor.until(lambda: self.read() == wanted)
        except pytest.fail.Exception:
            pytest.fail(f"{self.trace} instead of {wanted}")
        self.expected = on
        self.trace.clear()


class SocketDte(Dte):
    """One that connects to the modem."""

    served: Any

    def connect(self) -> None:
        self.sock = socket.create_connection(("127.0.0.1", self.served.port))
        self.sock.setblocking(False)

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def chunks(self) -> Iterator[bytes]:
        try:
            while chunk := self.sock.recv(65536):
                yield chunk
        except BlockingIOError:
            pass

    def close(self) -> None:
        self.sock.close()


class Emulator(SocketDte):
    half = b""  # of a pair that was cut

    def line(self) -> Line:
        self.served = Ip232Line(self.reactor, 0)
        return self.served

    def dtr(self, on: bool) -> None:
        self.sock.sendall(bytes((255, on)))

    def read(self) -> Trace:
        for chunk in self.chunks():
            whole = self.half + chunk
            pairs = re.findall(rb"[^\xff]+|\xff.", whole, re.DOTALL)
            self.half = whole[sum(map(len, pairs)) :]
            for piece in pairs:
                if piece[0] != 255 or piece == b"\xff\xff":
                    self.came(piece[-1:] if piece[0] == 255 else piece)
                else:
                    self.circuits(dcd=bool(piece[1] & 1), ri=bool(piece[1] & 2))
        return self.trace


class Client2217(SocketDte):
    def line(self) -> Line:
        self.served = Rfc2217Line(self.reactor, 0)
        return self.served

    def connect(self) -> None:
        super().connect()
        self.codec = ComPortClient()
        self.sock.sendall(self.codec.greeting())
        self.reactor.until(lambda: self.read() is not None and self.codec.agreed)

    def send(self, data: bytes) -> None:
        self.sock.sendall(self.codec.encode(data))

    def dtr(self, on: bool) -> None:
        self.sock.sendall(self.codec.control(comport.DTR_ON if on else comport.DTR_OFF))

    def read(self) -> Trace:
        for chunk in self.chunks():
            for event in self.codec.receive(chunk):
                if isinstance(event, Data):
                    self.came(event.data)
                elif isinstance(event, Send):
                    self.sock.sendall(event.data)
                elif isinstance(event, ModemStateTold):
                    state = event.state
                    self.circuits(dcd=bool(state & ModemState.DCD), ri=bool(state & ModemState.RI))
        return self.trace


class FarPort(Dte):
    """One at the port of an access server, with a null modem cable: it sees DCD only."""

    sees = frozenset(("dcd",))

    def line(self) -> Line:
        self.server = Rfc2217Line(self.reactor, 0)
        self.user = User(self.server)
        self.user.on_data = self.came
        self.user.on_dtr = lambda on: self.circuits(dcd=on)
        self.server.start(self.user)
        return RemoteLine(self.reactor, "127.0.0.1", self.server.port)

    def connect(self) -> None:
        self.reactor.until(lambda: self.server.attached)

    def send(self, data: bytes) -> None:
        self.server.write(data)

    def dtr(self, on: bool) -> None:
        self.server.set_circuit(Circuit.DSR, on)

    def read(self) -> Trace:
        return self.trace

    def close(self) -> Any:
        return self.server.stop()


class Exchange:
    """Takes no calls: here they all come in."""

    def refuse(self, stream: FdStream, text: bytes) -> None:
        stream.abort()


@pytest.fixture(params=[Emulator, Client2217, FarPort])
def dte(request: pytest.FixtureRequest, reactor: Reactor) -> Dte:
    made: Dte = request.param(reactor)
    return made


Ring = Callable[[], socket.socket]


@pytest.fixture
def ring(reactor: Reactor, dte: Dte) -> Iterator[Ring]:
    """Starts the modem; then each call of it is a caller."""
    line = dte.line()
    modem = Modem(Options(ring_on=0.1, ring_off=0.2))
    driver = Driver(reactor, "m", line, modem, Exchange(), lambda _: True, lambda _: None)  # type: ignore[arg-type]
    driver.start("E0")
    dte.connect()
    dte.dtr(True)
    dte.send(b"AT\r")
    dte.until(b"\r\nOK\r\n")
    peers: list[socket.socket] = []

    def call() -> socket.socket:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.setblocking(False)
        peers.append(theirs)
        assert driver.offer(FdStream(reactor, ours.fileno(), owner=ours, peer="x"), None)
        return theirs

    yield call
    driver.shut_down()
    gone = dte.close()
    reactor.wait_for(line.stop(), 2)
    if gone is not None:
        reactor.wait_for(gone, 2)
    for peer in peers:
        peer.close()
    reactor.run_for(0.05)


NONE: frozenset[str] = frozenset()
RI = frozenset(("ri",))
DCD = frozenset(("dcd",))


def test_a_call(dte: Dte, ring: Ring, reactor: Reactor) -> None:
    peer = ring()
    word = b"\r\nRING\r\n"
    dte.until(RI, word, NONE, RI, word, NONE)
    dte.send(b"ATA\r")
    speed = b"9600" if isinstance(dte, FarPort) else b"115200"  # the others said none
    dte.until(DCD, b"\r\nCONNECT " + speed + b"\r\n")
    peer.sendall(bytes(range(256)))
    peer.shutdown(socket.SHUT_WR)
    dte.until(bytes(range(256)), NONE, b"\r\nNO CARRIER\r\n")


def test_dtr(dte: Dte, ring: Ring, reactor: Reactor) -> None:
    dte.send(b"ATS25=50\r")  # half a second: no machine is so busy that the first drop lasts longer
    dte.until(b"\r\nOK\r\n")
    peer = ring()
    dte.until(RI, b"\r\nRING\r\n", NONE)
    dte.send(b"ATA\r")
    reactor.until(lambda: b"CONNECT" in b"".join(x for x in dte.read() if isinstance(x, bytes)))
    assert dte.on == DCD
    dte.trace.clear()
    dte.expected = dte.on
    dte.dtr(False)
    reactor.run_for(0.05)
    dte.dtr(True)
    peer.sendall(b"still here")
    dte.until(b"still here")
    dte.dtr(False)
    dte.until(NONE, b"\r\nNO CARRIER\r\n")
    dte.dtr(True)
    reactor.run_for(0.02)
