"""Lines on TCP and Unix sockets."""

from __future__ import annotations

import errno
import os
import socket
import stat
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.reactors import Reactor
from vmodem.line.base import Circuit, LineError
from vmodem.line.tcp import SocketLine, TcpLine, UnixLine
from vmodem.net.incoming import accept

from .conftest import User

Begin = Callable[[Any], User]


@pytest.fixture(params=["tcp", "unix"])
def line(request: pytest.FixtureRequest, reactor: Reactor, tmp_path: Path) -> SocketLine:
    if request.param == "tcp":
        return TcpLine(reactor, 0)
    return UnixLine(reactor, str(tmp_path / "socket"))


@pytest.fixture
def connect() -> Iterator[Callable[[SocketLine], socket.socket]]:
    made: list[socket.socket] = []

    def make(line: SocketLine) -> socket.socket:
        if isinstance(line, TcpLine):
            sock = socket.create_connection(("127.0.0.1", line.port))
        else:
            assert isinstance(line, UnixLine)
            sock = socket.socket(socket.AF_UNIX)
            sock.connect(line.path)
        sock.setblocking(False)
        made.append(sock)
        return sock

    yield make
    for sock in made:
        sock.close()


def take(sock: socket.socket) -> bytes | None:
    try:
        return sock.recv(1 << 20)
    except BlockingIOError:
        return None


def test_a_client_is_the_dte(reactor: Reactor, begin: Begin, line: SocketLine, connect: Any) -> None:
    user = begin(line)
    user.on_data = lambda data: line.write(b"<" + data + b">")
    assert reactor.run_for(0.2) <= 1
    for _ in range(20):
        client = connect(line)
        client.sendall(b"A")
        reactor.until(lambda client=client: take(client) == b"<A>")
        assert reactor.run_for(0.01) <= 2
        client.sendall(b"last")
        client.close()
        reactor.until(lambda: not user.dtr)
        assert user.events == [("dtr", True), b"A", b"last", ("left",), ("dtr", False)]
        user.events.clear()
        line.write(b"nobody is there")
    assert line.rate == 0
    line.set_circuit(Circuit.DCD, True)


def test_one_client_at_a_time(reactor: Reactor, begin: Begin, line: SocketLine, connect: Any) -> None:
    user = begin(line)
    first = connect(line)
    reactor.until(lambda: user.dtr)
    second = connect(line)
    reactor.until(lambda: take(second) == b"")
    first.sendall(b"still here")
    reactor.until(lambda: user.data == b"still here")
    first.close()
    reactor.until(lambda: not user.dtr)
    connect(line)
    reactor.until(lambda: user.dtr)


def test_a_client_that_ends_its_sending_gets_its_answer(
    reactor: Reactor, begin: Begin, line: SocketLine, connect: Any
) -> None:
    user = begin(line)
    user.on_data = lambda data: line.write(b"<" + data + b">")
    client = connect(line)
    client.sendall(b"AT")
    client.shutdown(socket.SHUT_WR)
    got = bytearray()

    def ended() -> bool:
        chunk = take(client)
        got.extend(chunk or b"")
        return chunk == b""

    reactor.until(ended)
    assert got == b"<AT>"
    assert not user.dtr


def test_leaving_is_seen_while_a_call_has_paused_reading(
    reactor: Reactor, begin: Begin, line: SocketLine, connect: Any
) -> None:
    user = begin(line)
    client = connect(line)
    reactor.until(lambda: user.dtr)
    line.call_active(True)
    line.pause()
    client.sendall(b"rest")
    reactor.run_for(0.12)
    assert user.data == b""
    client.close()
    start = time.monotonic()
    reactor.until(lambda: not user.dtr)
    assert time.monotonic() - start < 1
    assert user.events == [("dtr", True), b"rest", ("left",), ("dtr", False)]
    assert reactor.run_for(0.2) <= 1
    line.call_active(False)
    line.resume()


def test_leaving_is_seen_while_commands_have_paused_reading(
    reactor: Reactor, begin: Begin, line: SocketLine, connect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vmodem.line.tcp.IDLE_POLL_S", 0.05)
    user = begin(line)
    client = connect(line)
    reactor.until(lambda: user.dtr)
    line.pause()
    client.sendall(b"rest")
    reactor.run_for(0.02)
    client.close()
    reactor.until(lambda: not user.dtr)
    assert user.events == [("dtr", True), b"rest", ("left",), ("dtr", False)]
    assert reactor.run_for(0.2) <= 1
    line.resume()


def test_urgent_data_is_data(reactor: Reactor, begin: Begin, connect: Any) -> None:
    line = TcpLine(reactor, 0)
    user = begin(line)
    client = connect(line)
    client.send(b"one")
    client.send(b"two", socket.MSG_OOB)
    client.send(b"three")
    reactor.until(lambda: user.data == b"onetwothree")


def test_much_unread_data_of_a_client_that_leaves(reactor: Reactor, begin: Begin, connect: Any) -> None:
    line = TcpLine(reactor, 0)
    user = begin(line)
    client = connect(line)
    reactor.until(lambda: user.dtr)
    line.call_active(True)
    line.pause()
    sent = 0
    deadline = time.monotonic() + 0.5
    while time.monotonic() < deadline:
        try:
            sent += client.send(b"x" * 65536)
        except BlockingIOError:
            reactor.run_for(0.01)
    # What the client's own kernel still holds goes on arriving after the close, behind a full window.
    client.close()
    reactor.run_for(0.1)
    line.resume()
    reactor.until(lambda: len(user.data) == sent)
    reactor.until(lambda: not user.dtr)


def test_a_reset_is_a_hang_up(reactor: Reactor, begin: Begin, connect: Any) -> None:
    line = TcpLine(reactor, 0)
    user = begin(line)
    client = connect(line)
    reactor.until(lambda: user.dtr)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    reactor.until(lambda: not user.dtr)


def test_back_pressure(reactor: Reactor, begin: Begin, line: SocketLine, connect: Any) -> None:
    user = begin(line)
    client = connect(line)
    reactor.until(lambda: user.dtr)
    written = bytearray()
    while not user.blocked:
        block = os.urandom(10000)
        line.write(block)
        written += block
    assert 0 < line.backlog <= 10000
    sent: list[bool] = []
    line.when_sent(lambda: sent.append(True))
    assert reactor.run_for(0.1) <= 2
    assert not sent
    got = bytearray()

    def all_there() -> bool:
        got.extend(take(client) or b"")
        return len(got) == len(written)

    reactor.until(all_there, tick=0.001)
    assert got == written
    reactor.until(lambda: not user.blocked)
    assert sent == [True]
    line.when_sent(lambda: sent.append(True))
    assert sent == [True, True]


def test_paused_before_the_client_comes(
    reactor: Reactor, begin: Begin, line: SocketLine, connect: Any
) -> None:
    user = begin(line)
    line.pause()
    client = connect(line)
    client.sendall(b"later")
    reactor.until(lambda: user.dtr)
    reactor.run_for(0.02)
    assert user.data == b""
    line.resume()
    reactor.until(lambda: user.data == b"later")


@pytest.mark.parametrize("state", ["alone", "connected", "blocked", "leaving"])
def test_stop(reactor: Reactor, begin: Begin, line: SocketLine, connect: Any, state: str) -> None:
    user = begin(line)
    if state != "alone":
        client = connect(line)
        reactor.until(lambda: user.dtr)
        line.write(b"NO CARRIER")
    if state in ("blocked", "leaving"):
        while not user.blocked:
            line.write(b"x" * 50000)
    if state == "leaving":
        client.shutdown(socket.SHUT_WR)
        reactor.until(lambda: not user.dtr)
    events = list(user.events)
    stopped = line.stop()
    assert line.stop() is stopped
    reactor.wait_for(stopped, 0.5)
    assert user.events == events
    if state == "connected":
        assert take(client) == b"NO CARRIER"
        assert take(client) == b""


def test_stop_is_quick_with_a_client_that_ends(
    reactor: Reactor, begin: Begin, line: SocketLine, connect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = begin(line)
    client = connect(line)
    reactor.until(lambda: user.dtr)
    for pause in ("LAST_WORDS_S", "DRAIN_S"):
        monkeypatch.setattr(f"vmodem.line.tcp.{pause}", 60.0)
    stopped = line.stop()
    client.close()
    reactor.wait_for(stopped)


# -- addresses -----------------------------------------------------------------------------------------------


def test_the_description_tells_the_bound_address(reactor: Reactor, begin: Begin) -> None:
    line = TcpLine(reactor, 0)
    begin(line)
    assert line.port > 0
    assert line.description == f"tcp:{line.port}:interface=127.0.0.1"


def test_options_of_a_client(reactor: Reactor, begin: Begin, connect: Any) -> None:
    line = TcpLine(reactor, 0)
    user = begin(line)
    connect(line)
    reactor.until(lambda: user.dtr)
    assert line._stream is not None
    with socket.socket(fileno=os.dup(line._stream.fileno())) as sock:
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        keep = [
            sock.getsockopt(socket.IPPROTO_TCP, name)
            for name in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        ]
        assert keep == [30, 10, 3]


def test_a_port_in_use(reactor: Reactor, begin: Begin) -> None:
    line = TcpLine(reactor, 0)
    user = begin(line)
    with pytest.raises(LineError, match="cannot listen there"):
        TcpLine(reactor, line.port).start(user)
    with pytest.raises(LineError, match="cannot listen there"):
        TcpLine(reactor, 0, interface="192.0.2.1").start(user)


def test_ipv6(reactor: Reactor, begin: Begin) -> None:
    line = TcpLine(reactor, 0, interface="::1")
    try:
        user = begin(line)
    except LineError:
        pytest.skip("no IPv6 here")
    assert line.description == f"tcp:{line.port}:interface=\\:\\:1"
    with socket.create_connection(("::1", line.port)):
        reactor.until(lambda: user.dtr)


def test_a_stale_socket_is_replaced(reactor: Reactor, begin: Begin, tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(path)
    line = UnixLine(reactor, path, mode=0o660)
    begin(line)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o660
    reactor.wait_for(line.stop())
    assert not os.path.lexists(path)


def test_a_living_socket_is_not(reactor: Reactor, begin: Begin, tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    begin(UnixLine(reactor, path))
    other = UnixLine(reactor, path)
    with pytest.raises(LineError, match="served by another program"):
        other.start(User(other))
    reactor.wait_for(other.stop())
    assert os.path.exists(path)


def test_a_file_is_never_deleted(reactor: Reactor, begin: Begin, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    path.write_text("precious")
    line = UnixLine(reactor, str(path))
    with pytest.raises(LineError, match="something else than a socket"):
        line.start(User(line))
    assert path.read_text() == "precious"
    line = UnixLine(reactor, str(tmp_path / "no" / "socket"))
    with pytest.raises(LineError, match="cannot listen there"):
        line.start(User(line))


def test_a_socket_that_others_changed_is_left_alone(reactor: Reactor, begin: Begin, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    line = UnixLine(reactor, str(path))
    begin(line)
    path.unlink()
    path.write_text("mine now")
    reactor.wait_for(line.stop())
    assert path.read_text() == "mine now"


# -- the acceptor --------------------------------------------------------------------------------------------


def test_no_descriptor_left_is_survived(
    reactor: Reactor, begin: Begin, line: SocketLine, connect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accept, "SHORTAGE_S", 0.05)
    user = begin(line)
    acceptor = line._acceptor
    assert acceptor is not None
    real = acceptor._sock

    class Short:
        """A listening socket in a process that has no descriptor left."""

        def accept(self) -> Any:
            raise OSError(errno.EMFILE, "Too many open files")

        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

    acceptor._sock = Short()  # type: ignore[assignment]
    connect(line)
    assert reactor.run_for(0.3) < 20
    assert not user.dtr
    acceptor._sock = real
    reactor.until(lambda: user.dtr)


def test_stopping_in_a_shortage(reactor: Reactor) -> None:
    sock = socket.create_server(("127.0.0.1", 0))
    acceptor = accept.Acceptor(reactor, sock, lambda sock, address: sock.close())
    acceptor.start()
    assert acceptor.address == sock.getsockname()
    acceptor._failed(OSError(errno.EMFILE, "Too many open files"))
    acceptor.stop()
    acceptor.stop()
    assert acceptor.fileno() == -1


def test_an_error_in_serving_one_connection_leaves_the_others(reactor: Reactor) -> None:
    sock = socket.create_server(("127.0.0.1", 0))
    served: list[socket.socket] = []

    def serve(client: socket.socket, address: Any) -> None:
        served.append(client)
        if len(served) == 1:
            raise ZeroDivisionError

    acceptor = accept.Acceptor(reactor, sock, serve)
    acceptor.start()
    with socket.create_connection(sock.getsockname()), socket.create_connection(sock.getsockname()):
        reactor.until(lambda: len(served) == 2)
        assert served[0].fileno() == -1
        assert not served[1].getblocking()
    served[1].close()
    acceptor.stop()
