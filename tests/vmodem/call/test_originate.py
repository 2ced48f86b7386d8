"""Calls placed on real sockets."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from atparser.actions import CallFailure
from atparser.dialstring import parse_dial
from tests.helpers.calls import FakeResolver, Listening, closed_port, descriptors, listening
from tests.helpers.reactors import Reactor
from vmodem.call.caller import Caller
from vmodem.call.directory import Directory, Entry
from vmodem.call.originate import Attempt, Originator, Route
from vmodem.call.placing import OfferInside
from vmodem.call.target import Target, parse_target
from vmodem.net.admission.rules import DialRules
from vmodem.net.names.resolve import SystemResolver
from vmodem.net.stream import Stream


class Telephone:
    """An originator, and what came of its calls."""

    def __init__(
        self,
        reactor: Reactor,
        entries: dict[str, str] | None = None,
        rules: list[str] | None = None,
        names: dict[str, list[str]] | None = None,
        offer_inside: OfferInside = lambda target, stream, caller: False,
        **options: Any,
    ) -> None:
        self.reactor = reactor
        self.resolver = FakeResolver(reactor, names)
        options.setdefault("resolver", self.resolver)
        directory = Directory({key: Entry(parse_target(target)) for key, target in (entries or {}).items()})
        self.originator = Originator(reactor, directory, DialRules(rules), offer_inside, **options)
        self.streams: list[Stream] = []
        self.routes: list[Route] = []
        self.failures: list[CallFailure] = []
        self.reasons: list[str] = []

    def dial(self, text: str) -> Attempt:
        attempt = self.originator.originate(parse_dial(text), self.connected, self.failed)
        assert not self.streams
        assert not self.failures
        return attempt

    def connected(self, stream: Stream, route: Route) -> None:
        self.streams.append(stream)
        self.routes.append(route)

    def failed(self, failure: CallFailure, reason: str) -> None:
        self.failures.append(failure)
        self.reasons.append(reason)

    def call(self, text: str) -> CallFailure | Route:
        """Dial and wait; the call is hung up again."""
        self.dial(text)
        self.reactor.until(lambda: self.streams or self.failures, 5)
        while self.streams:
            self.streams.pop().abort()
        assert len(self.routes) + len(self.failures) == 1
        return self.routes.pop() if self.routes else self.failures.pop()


def route(result: CallFailure | Route) -> Route:
    assert isinstance(result, Route)
    return result


@pytest.fixture(autouse=True)
def _nothing_leaks(reactor: Reactor) -> object:
    before = descriptors()
    yield
    reactor.until(lambda: descriptors() <= before and not reactor.getDelayedCalls())


@pytest.fixture
def far() -> Any:
    """A listener and its port."""
    with listening() as sock:
        yield sock


def test_directory_then_address(reactor: Reactor, far: socket.socket) -> None:
    port = far.getsockname()[1]
    phone = Telephone(reactor, {"555*": f"tcp:127.0.0.1:{port}"})
    found = route(phone.call("T555-1234"))
    assert (found.number, found.rule, found.peer) == ("555-1234", "555*", f"127.0.0.1:{port}")
    assert found.target == Target("tcp", "127.0.0.1", port)
    assert found.entry is not None
    found = route(phone.call(f"T127.0.0.1:{port}"))
    assert (found.rule, found.entry) == ("", None)
    assert phone.resolver.asked == []


def test_forms_of_one_address(reactor: Reactor, far: socket.socket) -> None:
    port = far.getsockname()[1]
    phone = Telephone(reactor, names={"bbs.example": ["127.0.0.1"]})
    for text in (
        f"T127.0.0.1:{port}",
        f"T127.0.0.1,{port}",
        f"T127.0.0.1/{port}",
        f"T127.0.0.1 {port}",
        f"T127.1:{port}",
        f"T2130706433:{port}",
        f"T0x7f000001:{port}",
        f"T0177.0.0.1:{port}",
        f"T[::ffff:127.0.0.1]:{port}",
        f"T127000000001{port}",
        f"T127*0*0*1#{port}",
        f"tcp:127.0.0.1:{port}",
        f"raw:127.1:{port}",
        f"-127.0.0.1:{port}",
        f'"127.0.0.1:{port}"',
        f"Tbbs.example:{port}",
        f"Tbbs.example {port}",
    ):
        assert route(phone.call(text)).peer == f"127.0.0.1:{port}", text
    assert phone.resolver.asked == ["bbs.example"] * 2


def test_default_port(reactor: Reactor, far: socket.socket) -> None:
    phone = Telephone(reactor, default_port=far.getsockname()[1])
    assert route(phone.call("127.0.0.1")).target.port == far.getsockname()[1]
    assert Telephone(reactor).originator.plan(parse_dial("127.0.0.1")).target.port == 23


@pytest.mark.parametrize(
    ("text", "failure"),
    [
        ("", CallFailure.UNKNOWN),
        ("T5551234", CallFailure.UNKNOWN),
        ("T999999999999", CallFailure.UNKNOWN),
        ("Tno.such.name", CallFailure.UNKNOWN),
        ("T:::::", CallFailure.UNKNOWN),
        ("=host", CallFailure.UNKNOWN),
        ("tls:host:1", CallFailure.UNKNOWN),
        ("ssh:me@host", CallFailure.UNKNOWN),
        ("unix:/etc/passwd", CallFailure.FORBIDDEN),
        ("T[fe80::1%nosuchif]:23", CallFailure.FORBIDDEN),
    ],
)
def test_nobody_there(reactor: Reactor, text: str, failure: CallFailure) -> None:
    phone = Telephone(reactor)
    assert phone.call(text) is failure
    assert phone.reasons[0]
    assert set(phone.resolver.asked) <= {"no.such.name", "host"}


def test_digits_never_reach_the_resolver(reactor: Reactor) -> None:
    phone = Telephone(reactor, {"1": "tcp:5551234567890:23"})
    for text in ("5551234", '"5551234567890"', "1", "99999999999:23", "12345678901234567890"):
        assert phone.call(text) is CallFailure.UNKNOWN
    assert phone.resolver.asked == []


def test_missing_zone(reactor: Reactor) -> None:
    phone = Telephone(reactor, rules=["[fe80::/10]:*"])
    assert phone.call("T[fe80::1%nosuchif]:23") is CallFailure.NO_NETWORK


def test_refused(reactor: Reactor) -> None:
    phone = Telephone(reactor)
    assert phone.call(f"T127.0.0.1:{closed_port()}") is CallFailure.REFUSED


def test_no_network(reactor: Reactor) -> None:
    phone = Telephone(reactor, rules=["255.255.255.255:*"])
    assert phone.call("T255.255.255.255:9") is CallFailure.NO_NETWORK


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "017700000001",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "127*0*0*1",
        "127.000.000.001",
        "here.example",
        "both.example",
    ],
)
def test_policy_on_every_spelling(reactor: Reactor, far: socket.socket, host: str) -> None:
    """Not a packet leaves: nobody ever knocks at the listener."""
    port = far.getsockname()[1]
    text = f"T{host}#{port}" if "*" in host else f"T{host}:{port}"
    names = {"here.example": ["127.0.0.1"], "both.example": ["127.0.0.1", "::1"]}
    phone = Telephone(reactor, rules=["directory", "10.0.0.0/8:*", "127.0.0.0/8:1"], names=names)
    assert phone.call(text) is CallFailure.FORBIDDEN
    assert "127.0.0.1" in phone.reasons[0]
    assert "no rule allows it" in phone.reasons[0]
    reactor.run_for(0.02)
    with pytest.raises(BlockingIOError):
        far.accept()
    allowed = Telephone(reactor, rules=[f"127.0.0.1:{port}"], names=names)
    assert route(allowed.call(text)).peer == f"127.0.0.1:{port}"


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "0xa9fea9fe", "0.0.0.0", "0:23", "[::]", "meta.example", "224.0.0.1"]
)
def test_special_addresses(reactor: Reactor, host: str) -> None:
    phone = Telephone(reactor, names={"meta.example": ["169.254.169.254"]})
    text = f"T{host}" if host == "0:23" else f"T{host}:23"
    assert phone.call(text) is CallFailure.FORBIDDEN


def test_a_name_means_one_address(reactor: Reactor, far: socket.socket) -> None:
    """Resolved once, judged, and connected to that very address; what is forbidden of it is left out."""
    port = far.getsockname()[1]
    phone = Telephone(reactor, rules=["127.0.0.1:*"], names={"two.example": ["127.0.0.2", "127.0.0.1"]})
    assert route(phone.call(f"Ttwo.example:{port}")).peer == f"127.0.0.1:{port}"
    assert phone.resolver.asked == ["two.example"]


def test_directory_rule(reactor: Reactor, far: socket.socket, tmp_path: Path) -> None:
    port = far.getsockname()[1]
    entries = {
        "1": f"tcp:127.0.0.1:{port}",
        "2": f"tcp:here.example:{port}",
        "3": f"tcp:meta.example:{port}",
        "4": "exec:true",
        "5": f"unix:{tmp_path}/s",
    }
    names = {"here.example": ["127.0.0.1"], "meta.example": ["169.254.169.254"]}
    phone = Telephone(reactor, entries, ["directory"], names)
    assert isinstance(phone.call("1"), Route)
    assert isinstance(phone.call("2"), Route)
    assert phone.call("3") is CallFailure.FORBIDDEN
    assert isinstance(phone.call("4"), Route)
    assert phone.call("5") is CallFailure.NO_ANSWER
    assert phone.call(f"127.0.0.1:{port}") is CallFailure.FORBIDDEN
    narrow = Telephone(reactor, entries, ["10.0.0.0/8:*"], names)
    assert [narrow.call(number) for number in "1245"] == [CallFailure.FORBIDDEN] * 4
    assert isinstance(narrow.call("100"), Route)


def test_dead_resolver_does_not_delay_a_literal(reactor: Reactor, far: socket.socket) -> None:
    wake = threading.Event()
    threads: list[threading.Thread] = []

    def getaddrinfo(*args: Any, **options: Any) -> Any:
        threads.append(threading.current_thread())
        wake.wait()
        return []

    phone = Telephone(reactor, resolver=SystemResolver(reactor, getaddrinfo))
    waiting = [phone.dial(f"Tname{number}.example") for number in range(20)]
    reactor.until(lambda: len(threads) == 8)
    phone.failures.clear()
    result: list[Any] = []
    phone.originator.originate(
        parse_dial(f"T127.0.0.1:{far.getsockname()[1]}"), lambda *args: result.append(args), print
    )
    reactor.until(lambda: result)
    result[0][0].abort()
    for attempt in waiting:
        attempt.cancel()
    phone.failures.clear()
    wake.set()
    for thread in threads:
        thread.join()
    reactor.run_for(0.05)
    assert not phone.streams
    assert not phone.failures


def test_services(reactor: Reactor) -> None:
    phone = Telephone(reactor, {"555": "tcp:bbs.example:23"}, name="front", number="5551000")
    phone.dial("T0")
    reactor.until(lambda: phone.streams)
    user = Listening(phone.streams.pop())
    reactor.until(lambda: user.endings)
    assert b"front, number 5551000" in user.data
    assert b"tcp:bbs.example:23" in user.data
    user.stream.close(1)
    assert phone.routes.pop().peer == "help service"
    for number in ("100", "101", "102", "103"):
        assert route(phone.call(number)).rule == number


def test_loop(reactor: Reactor) -> None:
    taken: list[Stream] = []
    callers: list[Caller] = []

    def offer(target: Target, stream: Stream, caller: Caller) -> bool:
        taken.append(stream)
        callers.append(caller)
        return True

    phone = Telephone(reactor, offer_inside=offer)
    phone.dial("104")
    reactor.until(lambda: phone.streams)
    here, there = Listening(phone.streams[0]), Listening(taken[0])
    here.stream.write(b"over")
    there.stream.write(b"back")
    reactor.until(lambda: here.data == b"back" and there.data == b"over")
    assert callers == [Caller("loop", listener="loop:")]
    here.stream.abort()
    reactor.until(lambda: there.endings)
    there.stream.abort()


def test_loop_refused(reactor: Reactor) -> None:
    phone = Telephone(reactor)
    assert phone.call("104") is CallFailure.REFUSED


def test_loop_cancelled_by_whoever_was_asked(reactor: Reactor) -> None:
    def offer(target: Target, stream: Stream, caller: Caller) -> bool:
        attempt.cancel()
        stream.abort()
        return True

    phone = Telephone(reactor, offer_inside=offer)
    attempt = phone.dial("104")
    reactor.run_for(0.05)
    assert not phone.streams
    assert not phone.failures


def test_program(reactor: Reactor) -> None:
    phone = Telephone(reactor, {"1": "exec:cat", "2": "exec:/no/such/thing"})
    assert route(phone.call("1")).peer == "program cat"
    assert phone.call("2") is CallFailure.NO_ANSWER
    assert "no program" in phone.reasons[0]


def test_nothing_from_the_dte_reaches_a_command(reactor: Reactor) -> None:
    phone = Telephone(reactor, {"9*": "exec:echo fixed"})
    phone.dial("9;touch /tmp/x`id`$(id)")
    reactor.until(lambda: phone.streams)
    user = Listening(phone.streams[0])
    reactor.until(lambda: user.endings)
    assert user.data == b"fixed\n"
    user.stream.close(1)
    for text in ("exec:id", '"exec:id"', "Texec:id"):
        assert Telephone(reactor).call(text) is CallFailure.UNKNOWN


@pytest.mark.parametrize("number", ["1", "2", "3", "4", "5", "100", "999"])
@pytest.mark.parametrize("after", [0, 1, 2])
def test_cancel(reactor: Reactor, far: socket.socket, number: str, after: int) -> None:
    """At each stage: nothing is left, and nothing comes later."""
    entries = {
        "1": f"tcp:127.0.0.1:{far.getsockname()[1]}",
        "2": "tcp:never.example:23",
        "3": "tcp:192.0.2.1:23",
        "4": f"tcp:127.0.0.1:{closed_port()}",
        "5": "exec:cat",
    }
    phone = Telephone(reactor, entries)
    before = descriptors()
    attempt = phone.dial(number)
    for _ in range(after):
        reactor.iterate(0)
    told = len(phone.streams) + len(phone.failures)
    attempt.cancel()
    attempt.cancel()
    if not told:
        assert not reactor.getDelayedCalls()
        assert not reactor.getWriters()
        assert descriptors() == before
    reactor.run_for(0.03)
    assert len(phone.streams) + len(phone.failures) == told
    for stream in phone.streams:
        stream.abort()


def test_two_hundred_failures_leave_nothing(reactor: Reactor) -> None:
    phone = Telephone(reactor, {"1": "exec:/no/such"})
    texts = (f"T127.0.0.1:{closed_port()}", "Tno.such.name", "5551234", "1", "0.0.0.0", "104")
    before = descriptors()
    for index in range(200):
        assert isinstance(phone.call(texts[index % len(texts)]), CallFailure)
    assert descriptors() == before


def test_places_are_the_owners_affair(reactor: Reactor, far: socket.socket) -> None:
    """ATD alone, a cable and a leased line lead where the operator said, whatever the DTE may dial."""
    place = parse_target(f"tcp:127.0.0.1:{far.getsockname()[1]}")
    phone = Telephone(reactor, rules=[], places={"default": place})
    found = route(phone.call(""))
    assert (found.rule, found.target) == ("default", place)
    assert phone.call(f"127.0.0.1:{far.getsockname()[1]}") is CallFailure.FORBIDDEN


def test_several_lines_are_tried_in_order(reactor: Reactor, far: socket.socket) -> None:
    class Book:
        listed = True
        targets: list[Target] = []

        def find(self, number: str, found: Any, failed: Any) -> Any:
            if self.targets:
                return reactor.callLater(0, found, list(self.targets), "the book")
            return reactor.callLater(0, failed, "no such number")

        hunt = find

    book = Book()
    refused, free = (parse_target(f"tcp:127.0.0.1:{port}") for port in (closed_port(), far.getsockname()[1]))
    phone = Telephone(reactor, numberings=[book])
    book.targets = [refused, refused, free]
    found = route(phone.call("5551234"))
    assert (found.rule, found.target) == ("the book", free)
    book.targets = [refused, refused]
    assert phone.call("5551234") is CallFailure.REFUSED
    book.targets = []
    assert phone.call("5551234") is CallFailure.UNKNOWN


def test_dials_within_a_minute(reactor: Reactor) -> None:
    phone = Telephone(reactor)
    phone.originator.limit.per_minute = 2
    assert [phone.call("5551234") for _ in range(3)] == [
        CallFailure.UNKNOWN,
        CallFailure.UNKNOWN,
        CallFailure.DELAYED,
    ]
