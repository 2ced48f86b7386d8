"""The control socket, as its clients see it, well-behaved ones and others."""

from __future__ import annotations

import json
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from tests.helpers.operators import Told
from tests.helpers.reactors import Reactor
from vmodem.control import server as module
from vmodem.control.operator import OperatorError
from vmodem.control.protocol import REQUEST_LIMIT
from vmodem.control.server import CLIENTS, UNREAD_LIMIT, ControlServer


class Client:
    """Somebody at the control socket."""

    def __init__(self, reactor: Reactor, folder: Path) -> None:
        self.reactor = reactor
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(folder / "control"))
        self.sock.setblocking(False)
        self.buffer = b""
        self.ended = False

    def send(self, data: bytes | dict[str, Any]) -> None:
        self.sock.send(data if isinstance(data, bytes) else json.dumps(data).encode() + b"\n")

    def pump(self) -> None:
        try:
            while not self.ended and (data := self.sock.recv(65536)):
                self.buffer += data
            self.ended = True
        except BlockingIOError:
            pass
        except ConnectionError:
            self.ended = True

    def line(self) -> dict[str, Any]:
        def there() -> bool:
            self.pump()
            return b"\n" in self.buffer

        self.reactor.until(there, what="a line")
        line, _, self.buffer = self.buffer.partition(b"\n")
        found: dict[str, Any] = json.loads(line)
        return found

    def ask(self, data: bytes | dict[str, Any]) -> dict[str, Any]:
        self.send(data)
        return self.line()

    def until_ended(self) -> None:
        def gone() -> bool:
            self.pump()
            return self.ended

        self.reactor.until(gone, what="the end")


class Desk:
    """A control socket, and who comes to it."""

    def __init__(self, reactor: Reactor, folder: Path) -> None:
        self.reactor = reactor
        self.folder = folder
        self.told = Told()
        self.server = ControlServer(reactor, str(folder), self.told)
        assert self.server.start()
        self.clients: list[Client] = []

    def client(self) -> Client:
        self.clients.append(Client(self.reactor, self.folder))
        return self.clients[-1]

    def close(self) -> None:
        for client in self.clients:
            client.sock.close()
        self.reactor.run_for(0.02)
        self.server.stop()
        assert not self.server.clients
        self.reactor.run_for(0.02)


@pytest.fixture
def desk(reactor: Reactor, tmp_path: Path) -> Iterator[Desk]:
    made = Desk(reactor, tmp_path)
    yield made
    made.close()


def test_words(desk: Desk) -> None:
    client = desk.client()
    assert client.ask({"do": "status"}) == {"ok": True, "result": desk.told.state}
    assert len(client.ask({"do": "calls", "limit": 1})["result"]) == 1
    assert client.ask({"do": "hangup", "name": "front"}) == {"ok": True, "result": None}
    assert client.ask({"do": "busy", "name": "back", "on": True}) == {"ok": True, "result": None}
    assert client.ask({"do": "pulse", "name": "back", "pulse": "reset"}) == {"ok": True, "result": None}
    assert client.ask({"do": "reload"}) == {"ok": True, "result": ["modem front: changed"]}
    assert desk.told.heard == [
        ("calls", 1),
        ("hang up", "front"),
        ("busy", "back", True),
        ("pulse", "back", "reset"),
        ("reload",),
    ]


def test_what_cannot_be_done_is_said(desk: Desk) -> None:
    answer = desk.client().ask({"do": "hangup", "name": "nobody"})
    assert answer["ok"] is False
    assert "known are front, back" in answer["error"]


def test_the_owner_only(desk: Desk) -> None:
    mode = (desk.folder / "control").stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600


@pytest.mark.parametrize(
    "line",
    [
        b"\n\xff\xfe\n",
        b"{\n",
        b"[" * 4000 + b"\n",
        b"9" * 4000 + b"\n",
        b"null\n",
        b'"status"\n',
        b"[]\n",
        b"{}\n",
        b'{"do": 1}\n',
        b'{"do": "quit"}\n',
        b'{"do": "status", "name": "front"}\n',
        b'{"do": "hangup"}\n',
        b'{"do": "hangup", "name": 1}\n',
        b'{"do": "busy", "name": "front"}\n',
        b'{"do": "busy", "name": "front", "on": 1}\n',
        b'{"do": "pulse", "name": "front"}\n',
        b'{"do": "calls", "limit": 0}\n',
        b'{"do": "calls", "limit": 1e99}\n',
        b'{"do": "calls", "limit": true}\n',
    ],
)
def test_what_is_no_request_is_an_error(desk: Desk, line: bytes) -> None:
    client = desk.client()
    answer = client.ask(line)
    assert answer["ok"] is False
    assert answer["error"]
    assert desk.told.heard == []
    assert client.ask({"do": "status"})["ok"]


def test_a_line_that_never_ends(desk: Desk) -> None:
    client = desk.client()
    assert client.ask(b"x" * (REQUEST_LIMIT + 100))["ok"] is False
    client.until_ended()
    assert not desk.server.clients


def test_requests_in_pieces_and_heaps(desk: Desk) -> None:
    client = desk.client()
    for byte in b'{"do": "reload"}\n':
        client.send(bytes((byte,)))
        desk.reactor.run_for(0.001)
    assert client.line()["ok"]
    client.send(b'{"do": "reload"}\n' * 20 + b'{"do": "reload"}')
    client.sock.shutdown(socket.SHUT_WR)  # the last line has no end but the stream's
    assert all(client.line()["ok"] for _ in range(21))
    client.until_ended()
    assert len(desk.told.heard) == 22


def test_a_reload_that_takes_a_while(desk: Desk) -> None:
    """Nothing is read meanwhile, others are served, and the answers keep their order."""
    pending = desk.told.reloaded = Deferred()
    client, other = desk.client(), desk.client()
    client.send(b'{"do": "reload"}\n{"do": "hangup", "name": "front"}\n')
    client.sock.shutdown(socket.SHUT_WR)
    assert other.ask({"do": "status"})["ok"]
    desk.reactor.run_for(0.05)
    client.pump()
    assert (client.buffer, client.ended) == (b"", False)
    assert desk.told.heard == [("reload",)]
    pending.errback(OperatorError("modem b: is not there"))
    assert client.line() == {"ok": False, "error": "modem b: is not there"}
    assert client.line() == {"ok": True, "result": None}
    client.until_ended()
    desk.told.reloaded = Deferred()
    gone = desk.client()
    gone.send({"do": "reload"})
    desk.reactor.until(lambda: len(desk.told.heard) == 3)
    gone.sock.close()
    desk.told.reloaded.callback([])
    desk.reactor.until(lambda: len(desk.server.clients) == 1)


def test_no_more_than_so_many(desk: Desk) -> None:
    clients = [desk.client() for _ in range(CLIENTS)]
    assert all(client.ask({"do": "status"})["ok"] for client in clients)
    late = desk.client()
    assert late.line()["ok"] is False
    late.until_ended()
    clients[0].sock.close()
    desk.reactor.until(lambda: len(desk.server.clients) < CLIENTS)
    assert desk.client().ask({"do": "status"})["ok"]


def test_trace(desk: Desk) -> None:
    client = desk.client()
    assert client.ask({"do": "trace", "name": "nobody"})["ok"] is False
    assert client.ask({"do": "trace", "name": "front"}) == {"ok": True, "result": None}
    assert client.line() == {"trace": "it begins"}
    desk.told.sinks[0]("RING \x1b[2J")
    assert client.line() == {"trace": "RING \x1b[2J"}
    client.send({"do": "reload"})  # not read any more
    desk.reactor.run_for(0.02)
    assert desk.told.heard == []
    client.sock.close()
    desk.reactor.until(lambda: not desk.told.sinks)


def test_who_does_not_read_his_trace_is_cut_off(desk: Desk) -> None:
    client = desk.client()
    client.ask({"do": "trace", "name": "front"})
    for _ in range(1000):
        for sink in list(desk.told.sinks):
            sink("x" * 4000)
    assert not desk.told.sinks
    assert not desk.server.clients
    client.until_ended()
    assert len(client.buffer) < UNREAD_LIMIT + (1 << 20)


def test_who_does_not_read_answers_is_not_answered(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0.3)
    client = desk.client()
    desk.told.state = {"x": {"what": "y" * 100_000}}
    asked = 0
    try:
        while asked < 100_000:
            client.send({"do": "status"})
            asked += 1
            if asked % 20 == 0:
                desk.reactor.iterate(0)
    except BlockingIOError:
        pass
    assert asked < 100_000  # held up by the kernel, for nobody reads on the other side
    desk.reactor.until(lambda: not desk.server.clients, what="cut off")


def test_who_says_nothing_is_cut_off(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0.05)
    client = desk.client()
    client.until_ended()


def test_an_operator_that_fails_costs_one_answer(desk: Desk) -> None:
    def broken() -> Any:
        raise RuntimeError("secret")

    desk.told.status = broken
    client = desk.client()
    answer = client.ask({"do": "status"})
    assert answer["ok"] is False
    assert "secret" not in answer["error"]
    assert client.ask({"do": "reload"})["ok"]


def test_a_stale_socket_is_replaced_and_another_vmodem_is_not(reactor: Reactor, tmp_path: Path) -> None:
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(tmp_path / "control"))
    dead.close()
    first = ControlServer(reactor, str(tmp_path), Told())
    assert first.start()
    second = ControlServer(reactor, str(tmp_path), Told())
    assert not second.start()
    second.stop()
    assert (tmp_path / "control").exists()
    first.stop()
    assert not (tmp_path / "control").exists()


def test_no_folder_no_socket_no_harm(reactor: Reactor, tmp_path: Path) -> None:
    assert not ControlServer(reactor, str(tmp_path / "missing"), Told()).start()
    assert not ControlServer(reactor, str(tmp_path / ("long" * 40)), Told()).start()


def test_paths_that_are_too_long_for_a_socket(reactor: Reactor, tmp_path: Path) -> None:
    from vmodem.control.protocol import Address

    folder = tmp_path / ("deep:" * 20) / ("er" * 40)
    folder.mkdir(parents=True)
    before = len(os.listdir("/proc/self/fd"))
    server = ControlServer(reactor, str(folder), Told())
    assert server.start()
    assert stat.S_ISSOCK((folder / "control").stat().st_mode)
    address = Address(str(folder))
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(address.path)
    address.close()
    reactor.run_for(0.02)
    server.stop()
    reactor.run_for(0.02)
    assert not (folder / "control").exists()
    assert len(os.listdir("/proc/self/fd")) == before
