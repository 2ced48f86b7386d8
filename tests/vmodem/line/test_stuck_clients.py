"""A client that types and takes no answers, with a modem behind the line: what is left when it goes."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from atparser import Modem, Options
from tests.helpers.reactors import Reactor
from vmodem.line.ip232 import Ip232Line
from vmodem.line.rfc2217 import Rfc2217Line
from vmodem.line.tcp import TcpLine
from vmodem.modem.driver import LEFT_LIMIT, Driver
from vmodem.wire import comport
from vmodem.wire.comport_client import ComPortClient


class Exchange:
    """Takes no calls."""


Begin = Callable[[Any], Driver]


@pytest.fixture
def begin(reactor: Reactor, monkeypatch: pytest.MonkeyPatch) -> Iterator[Begin]:
    """Starts a modem behind a line."""
    monkeypatch.setattr("vmodem.line.tcp.IDLE_POLL_S", 0.05)
    drivers: list[Driver] = []

    def start(line: Any) -> Driver:
        driver = Driver(
            reactor,
            "m",
            line,
            Modem(Options()),
            Exchange(),  # type: ignore[arg-type]
            lambda _: True,
            lambda _: None,
        )
        driver.start()
        drivers.append(driver)
        return driver

    yield start
    for driver in drivers:
        driver.shut_down()
        reactor.wait_for(driver.line.stop(), 2)


def client_of(line: Any, says: bytes) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", line.port))
    sock.sendall(says)
    sock.setblocking(False)
    return sock


def fill(reactor: Reactor, sock: socket.socket, commands: bytes) -> int:
    """Send until nothing more is taken."""
    sent = refused = 0
    while sent < len(commands) and refused < 20:
        try:
            sent += sock.send(commands[sent : sent + 65536])
            refused = 0
        except BlockingIOError:
            refused += 1
        reactor.iterate(0.01)
    return sent


def answers(reactor: Reactor, line: Any, says: bytes) -> None:
    """The next client is served, and soon."""
    reactor.until(lambda: not line.attached, 3, "the place is free")
    reactor.run_for(0.1)  # DTR is off for good
    sock = client_of(line, says)
    got = bytearray()

    def ok() -> bool:
        try:
            got.extend(sock.recv(65536))
        except BlockingIOError:
            pass
        return b"OK\r\n" in got

    try:
        reactor.until(ok, 3, "the modem answers")
    finally:
        sock.close()
    reactor.until(lambda: not line.attached)


@pytest.mark.parametrize("reset", [False, True])
def test_the_line_is_free_after_a_client_that_suspended_and_left(
    reactor: Reactor, begin: Begin, reset: bool
) -> None:
    line = Rfc2217Line(reactor, 0)
    begin(line)
    codec = ComPortClient()
    hello = codec.greeting() + codec.control(comport.DTR_ON)
    sock = client_of(line, hello + codec.suspend(True))
    # More than is read ahead, and no word of the modem is on the way that could fail.
    fill(reactor, sock, b"AT&V\r" * 30_000)
    if reset:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    sock.close()
    answers(reactor, line, ComPortClient().greeting() + b"AT\r")


@pytest.mark.parametrize("make", [TcpLine, Ip232Line, Rfc2217Line])
def test_commands_left_behind_are_not_carried_out_for_nobody(
    reactor: Reactor, begin: Begin, make: Callable[[Reactor, int], Any]
) -> None:
    line = make(reactor, 0)
    driver = begin(line)
    says = {
        TcpLine: b"AT\r",
        Ip232Line: b"\xff\x01AT\r",
        Rfc2217Line: ComPortClient().greeting() + b"AT\r",
    }[make]  # type: ignore[index]
    sock = client_of(line, says)
    sent = fill(reactor, sock, b"AT&V\r" * 2_000_000)
    assert sent > 100 * LEFT_LIMIT
    start = time.process_time()
    sock.close()
    answers(reactor, line, says)
    assert not driver._unread
    assert time.process_time() - start < 1.5
