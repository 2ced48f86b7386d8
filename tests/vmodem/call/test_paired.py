"""Calls between two vmodems on real sockets: one places, the other takes, and nobody else is bothered."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from atparser.actions import CallFailure
from atparser.dialstring import parse_dial
from tests.helpers.calls import Listening, descriptors, listening
from tests.helpers.reactors import Reactor
from vmodem.call.answer import Answerer
from vmodem.call.caller import Caller
from vmodem.call.directory import Directory
from vmodem.call.doorkeeper import DoorSettings
from vmodem.call.originate import Originator, Route
from vmodem.call.partners import Partners
from vmodem.net.admission.rules import AccessError, CallerRules, DialRules
from vmodem.net.pair.ends import AGREE_S
from vmodem.net.pair.stream import PairStream
from vmodem.net.signals import Unanswered
from vmodem.net.stream import Stream

LOCAL = "tcp:0:interface=127.0.0.1"
HERE = Partners(["127.0.0.0/8"])


class Both:
    """One modem's way out and another one's door, on this machine."""

    def __init__(self, reactor: Reactor, listen: str = LOCAL, rules: list[str] | None = None) -> None:
        self.reactor = reactor
        self.take = True
        self.offered: list[tuple[Stream, Caller]] = []
        self.answerer = Answerer(reactor, [listen], CallerRules(rules), self._offer)
        self.answerer.partners = HERE
        self.answerer.start()
        self.port = self.answerer.listeners[0].port
        self.origin = Originator(
            reactor,
            Directory({}),
            DialRules(),
            lambda *_: False,
            name="plant",
            number="5551234",
        )
        self.origin.partners = HERE
        self.connected: list[tuple[Stream, Route]] = []
        self.failures: list[tuple[CallFailure, str]] = []
        self.rings = 0

    def _offer(self, stream: Stream, caller: Caller) -> bool:
        self.offered.append((stream, caller))
        return self.take

    def dial(self) -> Any:
        attempt = self.origin.originate(
            parse_dial(f"T127.0.0.1:{self.port}"),
            lambda *connected: self.connected.append(connected),
            lambda *failed: self.failures.append(failed),
        )
        attempt.rang = self._rang
        return attempt

    def _rang(self) -> None:
        self.rings += 1

    def ring(self) -> PairStream:
        """Dial until the call is offered."""
        self.dial()
        self.reactor.until(lambda: self.offered)
        stream = self.offered[0][0]
        assert isinstance(stream, PairStream)
        return stream

    def close(self) -> None:
        self.answerer.stop()
        for stream, _ in (*self.offered, *self.connected):
            stream.abort()


@pytest.fixture
def both(reactor: Reactor) -> Iterator[Both]:
    before = descriptors()
    made = Both(reactor)
    yield made
    made.close()
    reactor.until(lambda: descriptors() <= before and not reactor.getDelayedCalls())


@pytest.mark.parametrize(
    ("networks", "host", "holds"),
    [
        ((), "192.0.2.1", False),
        (("192.0.2.0/24",), "192.0.2.1", True),
        (("192.0.2.0/24",), "::ffff:192.0.2.1", True),
        (("192.0.2.0/24",), "192.0.3.1", False),
        (("192.0.2.0/24",), "", False),
        (("2001:db8::7",), "2001:db8::7", True),
    ],
)
def test_who_may_be_a_partner(networks: tuple[str, ...], host: str, holds: bool) -> None:
    assert Partners(networks).holds(host) is holds


def test_partners_that_name_no_network_are_refused() -> None:
    with pytest.raises(AccessError):
        Partners(["partner.example"])


def test_number_and_name_of_the_caller_cross(both: Both) -> None:
    both.ring()
    _, caller = both.offered[0]
    assert (caller.number, caller.name, caller.host) == ("5551234", "plant", "127.0.0.1")


def test_connected_when_the_far_modem_answers(both: Both) -> None:
    stream = both.ring()
    stream.start(far := Listening(stream))
    stream.ringing()
    both.reactor.until(lambda: both.rings)
    both.reactor.run_for(0.2)
    assert both.connected == []
    stream.answered()
    both.reactor.until(lambda: both.connected)
    made, route = both.connected[0]
    assert route.peer == f"127.0.0.1:{both.port}"
    near = Listening(made)
    made.write(b"to and")
    stream.write(b"fro")
    both.reactor.until(lambda: far.data == b"to and" and near.data == b"fro")


@pytest.mark.parametrize(
    ("why", "failure"),
    [
        (Unanswered.BUSY, CallFailure.REFUSED),
        (Unanswered.REJECTED, CallFailure.REFUSED),
        (Unanswered.NO_ANSWER, CallFailure.UNANSWERED),
    ],
)
def test_why_the_far_modem_does_not_answer(both: Both, why: Unanswered, failure: CallFailure) -> None:
    stream = both.ring()
    stream.ringing()
    stream.refused(why)
    both.answerer.refuse(stream, b"for people")
    both.reactor.until(lambda: both.failures)
    assert [each for each, _ in both.failures] == [failure]
    both.reactor.until(lambda: not both.answerer.lingering)


def test_busy_by_whoever_does_not_know_of_pairs(both: Both) -> None:
    both.take = False
    both.dial()
    both.reactor.until(lambda: both.failures)
    assert both.failures[0][0] is CallFailure.REFUSED


def test_giving_up_is_told(both: Both) -> None:
    attempt = both.dial()
    both.reactor.until(lambda: both.offered)
    far = Listening(both.offered[0][0])
    attempt.cancel()
    both.reactor.until(lambda: far.endings)
    assert both.failures == []


def test_nobody_of_the_pair_is_there(both: Both) -> None:
    """A caller of the pair finds something else: the call fails, and says why."""
    both.answerer.partners = Partners()
    both.dial()
    both.reactor.until(lambda: both.offered)
    stream, _ = both.offered[0]
    assert not isinstance(stream, PairStream)
    stream.write(b"login: ")
    both.reactor.until(lambda: both.failures)
    assert "no vmodem of this pair" in both.failures[0][1]


def test_nobody_says_anything_at_all(both: Both) -> None:
    both.answerer.partners = Partners()
    both.dial()
    both.reactor.until(lambda: both.failures, AGREE_S + 2)


def test_calls_elsewhere_speak_no_hello(both: Both) -> None:
    both.origin.partners = Partners(["192.0.2.1"])
    with listening() as sock:
        both.port = sock.getsockname()[1]
        both.dial()
        both.reactor.until(lambda: both.connected)
        peer, _ = sock.accept()
        both.reactor.run_for(0.2)
        peer.setblocking(False)
        with pytest.raises(BlockingIOError):
            peer.recv(100)
        peer.close()


def test_ordinary_caller_from_there_loses_no_byte(both: Both) -> None:
    with socket.create_connection(("127.0.0.1", both.port)) as sock:
        sock.sendall(b"\x10 hello")
        both.reactor.until(lambda: both.offered)
        stream, caller = both.offered[0]
        assert caller.number == "127000000001"
        far = Listening(stream)
        sock.sendall(b", and more")
        both.reactor.until(lambda: far.data == b"\x10 hello, and more")
        stream.write(b"answer")
        both.reactor.until(lambda: not stream.backlog)
        assert sock.recv(100) == b"answer"
    both.reactor.until(lambda: far.endings)


def test_rules_come_first(both: Both) -> None:
    both.answerer.rules = CallerRules(["192.0.2.0/24"])
    both.dial()
    both.reactor.until(lambda: both.failures)
    assert both.offered == []


@pytest.mark.parametrize("secret", ["", "between us"])
def test_where_a_password_is_asked_a_pair_has_a_secret(both: Both, secret: str) -> None:
    both.answerer.door.settings = DoorSettings(password="open sesame")
    both.answerer.partners = both.origin.partners = Partners(["127.0.0.1"], secret)
    both.dial()
    both.reactor.until(lambda: both.offered or both.failures)
    assert bool(both.offered) is bool(secret)


def test_listeners_with_a_protocol_are_no_pairs(reactor: Reactor) -> None:
    both = Both(reactor, f"telnet:{LOCAL}")
    both.dial()
    reactor.until(lambda: both.offered or both.failures)
    assert not any(isinstance(stream, PairStream) for stream, _ in both.offered)
    reactor.until(lambda: both.failures, AGREE_S + 2)
    both.close()
    reactor.until(lambda: not reactor.getDelayedCalls())


def test_stopping_cuts_off_who_has_said_nothing(both: Both) -> None:
    with socket.create_connection(("127.0.0.1", both.port)) as sock:
        both.reactor.run_for(0.1)
        both.answerer.stop()
        sock.settimeout(5)
        assert sock.recv(1) == b""
    assert both.offered == []
