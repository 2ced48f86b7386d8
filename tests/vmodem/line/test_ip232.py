"""The ip232 line: a scripted emulator on a real socket."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any

import pytest

from tests.helpers.reactors import Reactor
from vmodem.line.base import Circuit, Flow, FlowControl, Line, LineError
from vmodem.line.coded import READ_AHEAD
from vmodem.line.ip232 import DEFAULT_PORT, Ip232Line
from vmodem.line.parse import make_line

from .conftest import User

Begin = Callable[[Line], User]


class Emulator:
    """The other end of an ip232 connection."""

    def __init__(self, line: Ip232Line) -> None:
        self.sock = socket.create_connection(("127.0.0.1", line.port))
        self.sock.setblocking(False)
        self.got = bytearray()

    def read(self) -> bytes:
        """Everything that has come so far."""
        try:
            while chunk := self.sock.recv(1 << 20):
                self.got += chunk
        except BlockingIOError:
            pass
        return bytes(self.got)


@pytest.fixture
def connect(reactor: Reactor) -> Iterator[Callable[[Ip232Line], Emulator]]:
    made: list[Emulator] = []

    def make(line: Ip232Line) -> Emulator:
        made.append(Emulator(line))
        reactor.until(lambda: line.attached)
        return made[-1]

    yield make
    for emulator in made:
        emulator.sock.close()


def test_written_as_a_line(reactor: Reactor) -> None:
    assert isinstance(make_line(reactor, "ip232:25000"), Ip232Line)
    line = make_line(reactor, r"ip232::interface=\:\:1")
    assert isinstance(line, Ip232Line)
    assert line.port == DEFAULT_PORT
    assert isinstance(make_line(reactor, "ip232:"), Ip232Line)
    with pytest.raises(LineError, match="port cannot be 'x'"):
        make_line(reactor, "ip232:x")


def test_dtr_is_off_until_told(reactor: Reactor, begin: Begin, connect: Any) -> None:
    line = Ip232Line(reactor, 0)
    user = begin(line)
    assert line.description == f"ip232:{line.port}:interface=127.0.0.1"
    assert line.rate == 0
    for _ in range(2):
        emulator = connect(line)
        emulator.sock.sendall(b"AT")
        reactor.until(lambda: user.data == b"AT")
        assert not user.dtr
        for byte in b"\xff\x01\xff\xff\xff":
            emulator.sock.sendall(bytes((byte,)))
            reactor.run_for(0.005)
        emulator.sock.sendall(b"\x00\xff\x07\xff\x01")
        emulator.sock.close()
        reactor.until(lambda: not line.attached)
        changes = [("dtr", True), b"\xff", ("dtr", False), ("dtr", True)]
        assert user.events == [b"AT", *changes, ("left",), ("dtr", False)]
        user.events.clear()
        user.data.clear()


def test_circuits_in_order_with_data(reactor: Reactor, begin: Begin, connect: Any) -> None:
    line = Ip232Line(reactor, 0)
    begin(line)
    line.set_circuit(Circuit.CTS, True)
    line.set_circuit(Circuit.DSR, True)
    emulator = connect(line)
    line.set_circuit(Circuit.RI, True)
    line.write(b"RING")
    line.set_circuit(Circuit.RI, True)
    line.set_circuit(Circuit.RI, False)
    line.set_circuit(Circuit.DCD, True)
    line.write(b"CONNECT\xff")
    line.send_break(0.3)
    line.set_circuit(Circuit.DCD, False)
    line.write(b"NO CARRIER")
    wanted = b"\xff\x02RING\xff\x00\xff\x01CONNECT\xff\xff\xff\x00NO CARRIER"
    reactor.until(lambda: emulator.read() == wanted)


def test_a_new_emulator_is_told_what_is_on(reactor: Reactor, begin: Begin, connect: Any) -> None:
    line = Ip232Line(reactor, 0)
    begin(line)
    line.set_circuit(Circuit.DCD, True)
    emulator = connect(line)
    reactor.until(lambda: emulator.read() == b"\xff\x01")


def test_order_is_kept_while_the_emulator_does_not_read(reactor: Reactor, begin: Begin, connect: Any) -> None:
    line = Ip232Line(reactor, 0)
    user = begin(line)
    emulator = connect(line)
    wanted = bytearray()
    for number in range(10_000):
        if user.blocked:
            break
        line.write(bytes(4096))
        wanted += bytes(4096)
        line.set_circuit(Circuit.DCD, number % 2 == 0)
        wanted += bytes((0xFF, number % 2 == 0))
    assert user.blocked
    for number in range(100):
        line.write(b"more")
        line.set_circuit(Circuit.RI, number % 2 == 0)
        wanted += b"more" + bytes((0xFF, (wanted[-1] & 1) | 2 * (number % 2 == 0)))
    assert line.backlog >= 400
    sent: list[bool] = []
    line.when_sent(lambda: sent.append(True))
    assert not sent
    reactor.until(lambda: len(emulator.read()) >= len(wanted), tick=0.001)
    assert emulator.read() == wanted
    reactor.until(lambda: not user.blocked)
    assert sent == [True]
    assert line.backlog == 0


@pytest.mark.parametrize("much", [False, True])
def test_a_hang_up_is_seen_while_paused(reactor: Reactor, begin: Begin, connect: Any, much: bool) -> None:
    line = Ip232Line(reactor, 0)
    user = begin(line)
    emulator = connect(line)
    emulator.sock.sendall(b"\xff\x01")
    reactor.until(lambda: user.dtr)
    line.call_active(True)
    line.pause()
    emulator.sock.sendall(b"x" * 1000)
    reactor.run_for(0.05)
    assert user.data == b""
    if much:
        # More than is read ahead: the emulator's leaving is all that can still be seen.
        emulator.sock.sendall(b"x" * (READ_AHEAD + 10_000))
        reactor.run_for(0.05)
        assert user.data == b""
        emulator.sock.close()
        reactor.until(lambda: not user.dtr)
        assert len(user.data) == 1000 + READ_AHEAD + 10_000
    else:
        emulator.sock.sendall(b"\xff\x00")
        start = time.monotonic()
        reactor.until(lambda: not user.dtr)
        assert time.monotonic() - start < 1
        assert len(user.data) == 1000
        # How long it is off is measured by who hears of it, so its return is told at once, too.
        emulator.sock.sendall(b"after\xff\x01y")
        reactor.until(lambda: user.dtr)
        assert user.data[1000:] == b"after"
        line.resume()
        assert user.data[1000:] == b"aftery"
    line.call_active(False)


def test_reading_stops_when_paused_for_long(reactor: Reactor, begin: Begin, connect: Any) -> None:
    line = Ip232Line(reactor, 0)
    user = begin(line)
    emulator = connect(line)
    line.pause()
    sent, deadline = 0, time.monotonic() + 0.3
    while time.monotonic() < deadline:
        try:
            sent += emulator.sock.send(b"x" * 65536)
        except BlockingIOError:
            reactor.run_for(0.01)
    held = sum(len(event.data) for event in line._ahead)
    assert READ_AHEAD <= held <= 2 * READ_AHEAD + 65536
    assert reactor.run_for(0.1) <= 2
    line.resume()
    reactor.until(lambda: len(user.data) == sent)


def test_the_next_emulator_is_read_after_one_that_was_held_up(
    reactor: Reactor, begin: Begin, connect: Any
) -> None:
    line = Ip232Line(reactor, 0)
    user = begin(line)
    emulator = connect(line)
    line.call_active(True)
    line.pause()
    emulator.sock.sendall(b"x" * (READ_AHEAD + 1))
    reactor.until(lambda: not line._reading)
    emulator.sock.close()
    reactor.until(lambda: not line.attached)
    line.call_active(False)
    emulator = connect(line)
    emulator.sock.sendall(b"\xff\x01next")
    reactor.until(lambda: line._ahead)
    assert user.dtr
    line.resume()
    reactor.until(lambda: user.data[-4:] == b"next")


def test_one_megabyte_each_way(reactor: Reactor, begin: Begin, connect: Any) -> None:
    line = Ip232Line(reactor, 0)
    user = begin(line)
    emulator = connect(line)
    down, up = os.urandom(1 << 20), os.urandom(1 << 20)
    coded = up.replace(b"\xff", b"\xff\xff")
    at = written = 0

    def both_there() -> bool:
        nonlocal at, written
        if not user.blocked and written < len(down):
            line.write(down[written : written + 5000])
            written += 5000
        if at < len(coded):
            try:
                at += emulator.sock.send(coded[at : at + 7777])
            except BlockingIOError:
                pass
        return (
            len(user.data) == len(up)
            and emulator.read().count(b"\xff\xff") == down.count(b"\xff")
            and (len(emulator.got) == len(down) + down.count(b"\xff"))
        )

    reactor.until(both_there, tick=0.0, timeout=60)
    assert sha256(user.data).digest() == sha256(up).digest()
    assert sha256(emulator.got.replace(b"\xff\xff", b"\xff")).digest() == sha256(down).digest()


@pytest.mark.parametrize("state", ["alone", "connected", "blocked"])
def test_stop(reactor: Reactor, begin: Begin, connect: Any, state: str) -> None:
    line = Ip232Line(reactor, 0)
    user = begin(line)
    if state != "alone":
        emulator = connect(line)
        emulator.sock.sendall(b"\xff\x01")
        reactor.until(lambda: user.dtr)
        line.write(b"NO CARRIER")
    if state == "blocked":
        while not user.blocked:
            line.write(b"x" * 50000)
        line.write(b"waits")
    events = list(user.events)
    stopped = line.stop()
    assert line.stop() is stopped
    reactor.wait_for(stopped, 0.5)
    assert user.events == events
    if state == "connected":
        assert emulator.read() == b"NO CARRIER"


def test_an_address_in_use_is_named(reactor: Reactor, begin: Begin) -> None:
    line = Ip232Line(reactor, 0)
    begin(line)
    with pytest.raises(LineError, match=f"ip232:{line.port}"):
        Ip232Line(reactor, line.port).start(User(line))


XON_XOFF = FlowControl(Flow.XON_XOFF, Flow.XON_XOFF)


def test_xoff_of_the_dte_stops_what_goes_to_it(reactor: Reactor, begin: Begin, connect: Any) -> None:
    line = Ip232Line(reactor, 0)
    user = begin(line)
    line.set_flow(XON_XOFF)
    emulator = connect(line)
    emulator.sock.sendall(b"a\x13b")
    reactor.until(lambda: user.data == b"ab")
    line.write(b"waits\xff")
    reactor.run_for(0.02)
    assert emulator.read() == b""
    assert line.backlog == 6
    emulator.sock.sendall(b"\x11c")
    reactor.until(lambda: emulator.read() == b"waits\xff\xff")
    assert user.data == b"abc"


def test_a_dte_is_held_up_by_xoff(reactor: Reactor, begin: Begin, connect: Any) -> None:
    line = Ip232Line(reactor, 0)
    user = begin(line)
    line.set_flow(XON_XOFF)
    emulator = connect(line)
    line.pause()
    reactor.until(lambda: emulator.read() == b"\x13")
    emulator.sock.sendall(b"late")
    line.resume()
    reactor.until(lambda: emulator.read() == b"\x13\x11" and user.data == b"late")


def test_other_flow_control_lets_everything_pass_again(reactor: Reactor, begin: Begin, connect: Any) -> None:
    line = Ip232Line(reactor, 0)
    user = begin(line)
    line.set_flow(XON_XOFF)
    emulator = connect(line)
    emulator.sock.sendall(b"\x13x")
    reactor.until(lambda: user.data == b"x")
    line.write(b"waits")
    line.set_flow(FlowControl(Flow.NONE, Flow.NONE))
    reactor.until(lambda: emulator.read() == b"waits")
    emulator.sock.sendall(b"\x13\x11")
    reactor.until(lambda: user.data == b"x\x13\x11")


def test_characters_may_be_obeyed_and_still_passed_on(reactor: Reactor, begin: Begin, connect: Any) -> None:
    line = Ip232Line(reactor, 0)
    user = begin(line)
    line.set_flow(FlowControl(Flow.XON_XOFF, Flow.NONE, through=True))
    emulator = connect(line)
    emulator.sock.sendall(b"a\x13")
    reactor.until(lambda: user.data == b"a\x13")
    line.write(b"waits")
    reactor.run_for(0.02)
    assert emulator.read() == b""
    emulator.sock.sendall(b"\x11")
    reactor.until(lambda: emulator.read() == b"waits" and user.data == b"a\x13\x11")
