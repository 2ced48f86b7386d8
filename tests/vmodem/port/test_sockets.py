"""Equipment that connects to a socket."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.helpers.reactors import Reactor
from vmodem.port.base import Port, PortError, Settings, Signals
from vmodem.port.sockets import TcpPort, UnixPort

from .conftest import User

Begin = Callable[[Port], User]
THERE = Signals.DSR | Signals.DCD


def test_one_client_at_a_time(reactor: Reactor, begin: Begin) -> None:
    port = TcpPort(reactor, 0)
    user = begin(port)
    assert port.signals == Signals.NONE
    with socket.create_connection(("127.0.0.1", port.port)) as client:
        reactor.until(lambda: user.present)
        assert port.signals == THERE
        client.sendall(b"in\xff\x00")
        reactor.until(lambda: user.data == b"in\xff\x00")
        port.write(b"out\xff")
        reactor.iterate(0)
        assert client.recv(10) == b"out\xff"
        with socket.create_connection(("127.0.0.1", port.port)) as second:
            second.setblocking(False)
            reactor.until(lambda: _ended(second))
        port.set(Settings(300, 7, "M"), user.done.append)
        port.drive(Signals.DTR, Signals.RTS)
        port.set_break(True)
        port.when_sent(lambda: user.done.append("sent"))
        reactor.until(lambda: user.done == [Settings(300, 7, "M"), "sent"])
        client.sendall(b"last")
    reactor.until(lambda: not user.present)
    assert user.data.endswith(b"last")
    with socket.create_connection(("127.0.0.1", port.port)):
        reactor.until(lambda: user.present)
    reactor.until(lambda: not user.present)


def _ended(sock: socket.socket) -> bool:
    try:
        return sock.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


def test_back_pressure_and_purge(reactor: Reactor, begin: Begin) -> None:
    port = TcpPort(reactor, 0)
    user = begin(port)
    with socket.create_connection(("127.0.0.1", port.port)):
        reactor.until(lambda: user.present)
        while not user.blocked:
            port.write(bytes(65536))
        assert port.backlog
        port.when_sent(lambda: user.done.append("sent"))
        port.purge(True, True)
        assert not port.backlog
        assert not user.blocked
        reactor.until(lambda: user.done == ["sent"])


def test_a_client_that_leaves_unread_bytes_does_not_keep_anybody_waiting(
    reactor: Reactor, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vmodem.port.plain.LIMIT_S", 0.05)
    port = TcpPort(reactor, 0)
    user = begin(port)
    with socket.create_connection(("127.0.0.1", port.port)):
        reactor.until(lambda: user.present)
        while not user.blocked:
            port.write(bytes(65536))
        port.when_sent(lambda: user.done.append(1))
        port.when_sent(lambda: user.done.append(2))
        reactor.until(lambda: user.done == [1, 2], 1)
    reactor.until(lambda: not user.blocked)


@pytest.mark.parametrize("connected", [False, True])
def test_unix(reactor: Reactor, tmp_path: Path, connected: bool) -> None:
    path = str(tmp_path / "a b:c=d")
    port = UnixPort(reactor, path, mode=0o640)
    user = User(port)
    port.start(user)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o640
    with socket.socket(socket.AF_UNIX) as client:
        if connected:
            client.connect(path)
            reactor.until(lambda: user.present)
            port.write(b"bye")
        reactor.wait_for(port.stop(), 1)
        if connected:
            assert client.recv(10) == b"bye"
            assert client.recv(10) == b""
    assert not os.path.exists(path)


def test_an_address_in_use(reactor: Reactor, begin: Begin, tmp_path: Path) -> None:
    port = TcpPort(reactor, 0)
    begin(port)
    again = TcpPort(reactor, port.port)
    with pytest.raises(PortError, match="cannot listen on"):
        again.start(User(again))
    plain = tmp_path / "file"
    plain.touch()
    third = UnixPort(reactor, str(plain))
    with pytest.raises(PortError, match=r"no socket; choose another path\.$"):
        third.start(User(third))
