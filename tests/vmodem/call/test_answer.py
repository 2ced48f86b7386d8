"""Calls taken on real sockets."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.logger import globalLogPublisher

from tests.helpers.calls import Listening, descriptors
from tests.helpers.reactors import Reactor
from vmodem.call.answer import LINGERING, Answerer, caller_number
from vmodem.call.caller import Caller
from vmodem.call.directory import Directory, Entry
from vmodem.call.target import parse_target
from vmodem.net.admission.rules import CallerRules
from vmodem.net.incoming.listen import ListenError
from vmodem.net.stream import Stream

LOCAL = "tcp:0:interface=127.0.0.1"


class Office:
    """An answerer, and whom it offered."""

    def __init__(
        self,
        reactor: Reactor,
        *listens: str,
        rules: list[str] | None = None,
        directory: Directory | None = None,
    ) -> None:
        self.reactor = reactor
        self.take: Any = True
        self.streams: list[Stream] = []
        self.callers: list[Caller] = []
        self.answerer = Answerer(
            reactor, listens or (LOCAL,), CallerRules(rules), self.offer, directory=directory
        )
        self.answerer.start()
        self.port = self.answerer.listeners[0].port
        self.clients: list[socket.socket] = []

    def offer(self, stream: Stream, caller: Caller) -> bool:
        if isinstance(self.take, str):
            self.answerer.refuse(stream, self.take)
            return True
        if isinstance(self.take, Exception):
            raise self.take
        if self.take:
            self.streams.append(stream)
            self.callers.append(caller)
        return bool(self.take)

    def call(self) -> socket.socket:
        sock = socket.create_connection(("127.0.0.1", self.port))
        sock.setblocking(False)
        self.clients.append(sock)
        return sock

    def receive(self, sock: socket.socket) -> bytes:
        """Everything up to the end of the stream; a reset is shown as such."""
        data = bytearray()

        def ended() -> bool:
            try:
                chunk = sock.recv(65536)
            except BlockingIOError:
                return False
            except ConnectionResetError:
                data.extend(b"<reset>")
                return True
            data.extend(chunk)
            return not chunk

        self.reactor.until(ended, 5)
        return bytes(data)

    def close(self) -> None:
        for sock in self.clients:
            sock.close()
        for stream in self.streams:
            stream.abort()
        self.answerer.stop()


@pytest.fixture
def logged() -> Iterator[list[dict[str, Any]]]:
    events: list[dict[str, Any]] = []
    globalLogPublisher.addObserver(events.append)
    yield events
    globalLogPublisher.removeObserver(events.append)


@pytest.fixture
def office(reactor: Reactor) -> Iterator[Office]:
    before = descriptors()
    made = Office(reactor)
    yield made
    made.close()
    reactor.until(lambda: descriptors() == before)


def test_offered_with_every_byte(reactor: Reactor, office: Office) -> None:
    sock = office.call()
    sock.sendall(b"early bird")
    reactor.until(lambda: office.callers)
    caller = office.callers[0]
    assert (caller.host, caller.port) == sock.getsockname()
    assert (caller.number, caller.name, caller.listener) == ("127000000001", "", LOCAL)
    reactor.run_for(0.02)
    user = Listening(office.streams[0])
    reactor.until(lambda: user.data == b"early bird")


def test_name_from_the_directory(reactor: Reactor) -> None:
    entry = Entry(parse_target("tcp:127.0.0.1:23"), caller_name="PLANT 7")
    office = Office(reactor, directory=Directory({"5551234": entry}))
    office.call()
    reactor.until(lambda: office.callers)
    assert (office.callers[0].number, office.callers[0].name) == ("5551234", "PLANT 7")
    office.close()


def test_second_caller_reads_why(reactor: Reactor, office: Office) -> None:
    office.call()
    reactor.until(lambda: office.streams)
    office.take = "All lines are busy.\r\n"
    second = office.call()
    second.sendall(b"unread")
    assert office.receive(second) == b"All lines are busy.\r\n"
    second.close()
    reactor.until(lambda: not office.answerer.lingering)
    assert len(office.streams) == 1


def test_not_taken_is_closed_in_order(reactor: Reactor, office: Office) -> None:
    office.take = False
    assert office.receive(office.call()) == b""


def test_rules(reactor: Reactor, logged: list[dict[str, Any]]) -> None:
    office = Office(reactor, LOCAL, r"tcp6:0:interface=\:\:", rules=["192.0.2.0/24"])
    office.receive(office.call())
    assert not office.callers
    (event,) = [event for event in logged if "rule" in event]
    assert event["caller"].startswith("127.0.0.1:")
    assert event["rule"] == "no rule lets this address call"
    office.port = office.answerer.listeners[1].port
    office.receive(office.call())
    assert not office.callers
    office.close()


def test_mapped_caller_is_judged_as_ipv4(reactor: Reactor) -> None:
    office = Office(reactor, r"tcp6:0:interface=\:\:", rules=["127.0.0.1"])
    office.call()
    reactor.until(lambda: office.callers)
    assert office.callers[0].host == "127.0.0.1"
    office.close()


def test_unix(reactor: Reactor, tmp_path: Path) -> None:
    office = Office(reactor, f"unix:{tmp_path}/s", rules=["192.0.2.0/24"])
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(f"{tmp_path}/s")
        reactor.until(lambda: office.callers)
        assert (office.callers[0].host, office.callers[0].number) == ("", "")
    office.close()


def test_one_failure_does_not_stop_the_listener(
    reactor: Reactor, office: Office, logged: list[dict[str, Any]]
) -> None:
    office.take = RuntimeError("broken")
    office.receive(office.call())
    assert any("failed" in (event.get("log_format") or "") for event in logged)
    office.take = True
    office.call()
    reactor.until(lambda: office.callers)


def test_two_hundred_strangers(reactor: Reactor, office: Office) -> None:
    """Some read why they are turned away, the others are cut off; nothing of them is left."""
    office.call()
    reactor.until(lambda: office.streams)
    office.take = "busy\r\n"
    before = descriptors() - len(office.clients)
    strangers = []
    most = 0
    for _ in range(200):
        strangers.append(office.call())
        reactor.iterate(0)
        most = max(most, office.answerer.lingering)
    reactor.run_for(0.05)
    most = max(most, office.answerer.lingering)
    assert most == LINGERING
    said = [office.receive(sock) for sock in strangers]
    assert said.count(b"busy\r\n") >= LINGERING
    for sock in strangers:
        sock.close()
    office.clients = office.clients[:1]
    reactor.until(lambda: not office.answerer.lingering)
    assert descriptors() == before + 1
    user = Listening(office.streams[0])
    office.clients[0].sendall(b"still here")
    reactor.until(lambda: user.data == b"still here")


def test_vanished_strangers(reactor: Reactor, office: Office) -> None:
    office.take = "busy\r\n"
    before = descriptors()
    for _ in range(200):
        office.call().close()
        reactor.iterate(0)
    office.clients.clear()
    reactor.until(lambda: not office.answerer.lingering and descriptors() == before)


def test_all_listeners_or_none(reactor: Reactor, office: Office) -> None:
    before = descriptors()
    with pytest.raises(ListenError, match="in use"):
        Office(reactor, LOCAL, f"tcp:{office.port}:interface=127.0.0.1")
    assert descriptors() == before


def test_says_who_can_reach_it(reactor: Reactor, logged: list[dict[str, Any]]) -> None:
    office = Office(reactor, "tcp:0", LOCAL, rules=["10.0.0.0/8"])
    office.close()
    (event,) = [event for event in logged if "exposure" in event]
    assert event["log_format"].format(**event) == (
        f"tcp 0.0.0.0:{office.port} can be reached from every network of this machine: "
        "10.0.0.0/8 may call, nothing authenticates them"
    )


def test_numbers_to_call_back() -> None:
    assert caller_number("10.0.0.7") == "010000000007"
    for host in ("::1", "", "name"):
        assert caller_number(host) == ""


def test_stop_cuts_off_who_lingers(reactor: Reactor, office: Office) -> None:
    office.take = "busy\r\n"
    office.call()
    reactor.until(lambda: office.answerer.lingering)
    office.answerer.stop()
    assert not office.answerer.lingering
    with contextlib.suppress(ConnectionRefusedError):
        office.call()
        pytest.fail("still listening")


def test_shut_and_reopened(reactor: Reactor, office: Office) -> None:
    """Callers are refused by the system while it is shut; the same port is there again afterwards."""
    office.answerer.shut(True)
    with pytest.raises(ConnectionRefusedError):
        office.call()
    office.answerer.shut(False)
    assert office.answerer.listeners[0].port == office.port
    office.call()
    reactor.until(lambda: office.callers)


def test_reopened_when_the_port_is_free_again(reactor: Reactor, office: Office) -> None:
    office.answerer.shut(True)
    with socket.create_server(("127.0.0.1", office.port)):
        office.answerer.shut(False)
    reactor.until(lambda: office.answerer.listeners[0].port == office.port, 3)
    office.call()
    reactor.until(lambda: office.callers)


def test_listeners_come_and_go(reactor: Reactor, office: Office, tmp_path: Path) -> None:
    second = f"unix:{tmp_path}/calls"
    before = office.answerer.listeners[0]
    office.answerer.add([LOCAL, second])
    assert office.answerer.listeners[0] is before
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(f"{tmp_path}/calls")
        reactor.until(lambda: office.callers)
        office.answerer.drop([LOCAL])
        assert not (tmp_path / "calls").exists()
        office.streams[0].write(b"still there")
        assert sock.recv(100) == b"still there"
    office.call()
    reactor.until(lambda: len(office.callers) == 2)
