"""Who is let in to ring: on real sockets, and judged at moments of the test's choice."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from twisted.logger import formatEvent, globalLogPublisher

from tests.helpers.calls import Listening, descriptors
from tests.helpers.reactors import Reactor
from vmodem.call.answer import Answerer
from vmodem.call.caller import Caller
from vmodem.call.doorkeeper import Doorkeeper, DoorSettings
from vmodem.net.admission import password
from vmodem.net.admission.limits import CallerLimits
from vmodem.net.admission.rules import CallerRules
from vmodem.net.incoming.connection import Peer
from vmodem.net.stream import Stream

LOCAL = "tcp:0:interface=127.0.0.1"
SECRET = "öffne dich"


class House:
    """Listeners with a door, and whom they offered."""

    def __init__(self, reactor: Reactor, settings: DoorSettings) -> None:
        self.reactor = reactor
        self.streams: list[Stream] = []
        self.callers: list[Caller] = []
        self.clients: list[socket.socket] = []
        self.answerer = Answerer(reactor, (LOCAL,), CallerRules(), self.offer)
        self.answerer.door.settings = settings
        self.answerer.start()

    def offer(self, stream: Stream, caller: Caller) -> bool:
        self.streams.append(stream)
        self.callers.append(caller)
        return True

    def call(self, data: bytes = b"") -> socket.socket:
        sock = socket.create_connection(("127.0.0.1", self.answerer.listeners[0].port))
        sock.setblocking(False)
        sock.sendall(data)
        self.clients.append(sock)
        return sock

    def hear(self, sock: socket.socket, until: bytes | None = None) -> bytes:
        """What is said, up to ``until`` or the end."""
        heard = bytearray()

        def enough() -> bool:
            try:
                data = sock.recv(4096)
            except BlockingIOError:
                return False
            except ConnectionResetError:
                data = b""
            heard.extend(data)
            return not data or (until is not None and heard.endswith(until))

        self.reactor.until(enough, 8)
        return bytes(heard)

    def close(self) -> None:
        for sock in self.clients:
            sock.close()
        for stream in self.streams:
            stream.abort()
        self.answerer.stop()


@pytest.fixture
def logged() -> Iterator[list[str]]:
    lines: list[str] = []

    def note(event: Any) -> None:
        lines.append(f"{formatEvent(event)} {event}")

    globalLogPublisher.addObserver(note)
    yield lines
    globalLogPublisher.removeObserver(note)


@pytest.fixture
def house(reactor: Reactor, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    monkeypatch.setattr(password, "DELAY_S", 0.02)
    before = descriptors()
    made = House(reactor, DoorSettings(password=SECRET))
    yield made
    made.close()
    reactor.until(lambda: descriptors() == before)


def test_nobody_rings_without_the_password(reactor: Reactor, house: House) -> None:
    sock = house.call()
    assert house.hear(sock, b"Password: ") == b"Password: "
    reactor.run_for(0.05)
    assert not house.streams
    sock.sendall(SECRET.encode() + b"\r\nfirst words")
    reactor.until(lambda: house.streams)
    assert house.callers[0].host == "127.0.0.1"
    user = Listening(house.streams[0])
    reactor.until(lambda: user.data == b"first words")
    house.streams[0].write(b"hello")
    assert house.hear(sock, b"hello") == b"hello"
    assert house.answerer.door.pending == 0


def test_everything_at_once(reactor: Reactor, house: House) -> None:
    """A device that waits for no prompt."""
    data = bytes(range(256)) * 1000
    sock = house.call()
    sock.setblocking(True)
    sock.sendall(SECRET.encode() + b"\n" + data[:60_000])
    reactor.until(lambda: house.streams)
    user = Listening(house.streams[0])
    sock.sendall(data[60_000:])
    reactor.until(lambda: len(user.data) == len(data))
    assert user.data == data


def test_five_wrong_ones_lock_the_address(reactor: Reactor, house: House, logged: list[str]) -> None:
    guess = b"not this either\n"
    for _ in range(2):
        sock = house.call(guess * 3)
        said = house.hear(sock)
        assert said.startswith(b"Password: \r\nWrong password.\r\n")
    late = house.call(SECRET.encode() + b"\n")
    assert house.hear(late) == b""
    assert not house.streams
    refusals = [line for line in logged if " refused: " in line]
    assert len(refusals) == 3
    assert "too many wrong passwords came from this address" in refusals[2]
    assert not any("not this either" in line or SECRET in line or "dich" in line for line in logged)


def test_who_is_being_asked_is_locked_out_as_well(reactor: Reactor, house: House) -> None:
    early = house.call()
    house.hear(early, b"Password: ")
    for _ in range(2):
        house.hear(house.call(b"x\n" * 3))
    early.sendall(SECRET.encode() + b"\n")
    assert house.hear(early) == b"\r\nWrong password.\r\n"
    assert not house.streams


def test_thirty_two_may_wait(reactor: Reactor, house: House) -> None:
    waiting = [house.call() for _ in range(32)]
    reactor.until(lambda: house.answerer.door.pending == 32)
    assert house.hear(house.call()) == b""
    waiting[0].close()
    reactor.until(lambda: house.answerer.door.pending == 31)
    assert house.hear(house.call(), b"Password: ") == b"Password: "
    house.answerer.stop()
    assert house.answerer.door.pending == 0
    reactor.run_for(0.05)


def test_leaving_before_the_answer_brings_silence(reactor: Reactor, house: House, logged: list[str]) -> None:
    house.answerer.door.settings = DoorSettings(limits=CallerLimits(hold_off=0.7))
    house.call()
    reactor.until(lambda: house.callers)
    house.callers[0].left()  # as the modem tells
    assert house.hear(house.call()) == b""
    assert any("hold_off" in line for line in logged)
    reactor.run_for(0.7)
    house.call()
    reactor.until(lambda: len(house.callers) == 2)


def test_leaving_at_the_prompt_counts_as_well(reactor: Reactor, house: House) -> None:
    house.answerer.door.settings = DoorSettings(password=SECRET, limits=CallerLimits(hold_off=5))
    house.call().close()
    reactor.until(lambda: "hold_off" in house.answerer.door.judge_connection(Peer("x", "192.0.2.1")).rule)


def test_bots_do_not_ring(reactor: Reactor, house: House, logged: list[str]) -> None:
    house.answerer.door.settings = DoorSettings(limits=CallerLimits(per_address=5))
    for _ in range(200):
        house.call().close()
        reactor.iterate(0)
    reactor.until(lambda: sum("per_address: 5 calls a minute" in line for line in logged) == 195)
    assert len(house.callers) == 5


# -- the door by itself --------------------------------------------------------------------------------------


class Named:
    """A stream that showed a certificate, or none."""

    def __init__(self, name: str) -> None:
        self.certificate_name = name
        self.aborted = False

    def abort(self) -> None:
        self.aborted = True


@pytest.mark.parametrize(
    ("name", "welcome"),
    [
        ("north", True),
        ("North", True),
        ("a.plant.example", True),
        ("A.Plant.Example", True),
        ("a.b.plant.example", False),
        ("plant.example", False),
        (".plant.example", False),
        ("*.plant.example", True),
        ("south", False),
        ("", False),
    ],
)
def test_certificates(reactor: Reactor, name: str, welcome: bool) -> None:
    settings = DoorSettings(certificates=("north", "*.plant.example"))
    door = Doorkeeper(reactor, settings, reactor.seconds)
    admitted: list[Any] = []
    refused: list[str] = []
    stream: Any = Named(name)
    assert door.admit(stream, Peer("x"), admitted.append, refused.append) is None
    assert (admitted == [stream], stream.aborted) == (welcome, not welcome)
    if not welcome:
        assert refused[0].endswith("is not among north, *.plant.example")
    # A layer over the one with the certificate does not hide it.
    layered: Any = Named("")
    door.admit(layered, Peer("x", certificate_name=name), admitted.append, refused.append)
    assert (layered in admitted) is welcome


def test_nobody_is_named(reactor: Reactor) -> None:
    door = Doorkeeper(reactor, DoorSettings(certificates=()), reactor.seconds)
    refused: list[str] = []
    stream: Any = Named("north")
    door.admit(stream, Peer("x"), lambda _: None, refused.append)
    assert refused


def test_rules_come_first(reactor: Reactor) -> None:
    settings = DoorSettings(CallerRules(["10.0.0.0/8"]), limits=CallerLimits(per_minute=1))
    door = Doorkeeper(reactor, settings, reactor.seconds)
    for _ in range(3):
        assert door.judge_connection(Peer("x", "192.0.2.1")).rule == "no rule lets this address call"
    assert door.judge_connection(Peer("x", "10.0.0.1")).allowed  # the others were not counted


def test_said_of_the_door() -> None:
    assert str(DoorSettings()) == "anybody"
    settings = DoorSettings(CallerRules(["10.0.0.0/8"]), "secret", ("north", "south"))
    assert str(settings) == "10.0.0.0/8 with a certificate for north or south with the password"
    assert settings.authenticates
    assert not DoorSettings().authenticates
    assert "secret" not in repr(settings)
