"""Numbers in DNS: rules to targets, services to lines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twisted.names import dns

from tests.helpers.nameserver import name_server
from tests.helpers.reactors import Reactor
from vmodem.call.numbering import TARGETS, Neighbours, Numbering, is_host
from vmodem.net.names.dns import DnsResolver
from vmodem.wire.dns import Naptr, Srv

APEX = "e164.example.net"
NAME = f"4.3.2.1.5.5.5.{APEX}"
LINES = [Srv(10, 0, 8001, "a.example"), Srv(30, 0, 8003, "c.example"), Srv(20, 0, 8002, "b.example")]


class Dns:
    """Answers from tables, or never."""

    def __init__(self, reactor: Reactor) -> None:
        self.reactor = reactor
        self.rules: dict[str, list[Naptr]] = {}
        self.lines: dict[str, list[Srv]] = {"_vmodem._tcp.bank.example": LINES}
        self.asked: list[str] = []
        self.silent = False

    def naptr(self, name: str, found: Callable[[Any], None], failed: Callable[[str], None]) -> Any:
        return self._look_up(self.rules, name, found, failed)

    def srv(self, name: str, found: Callable[[Any], None], failed: Callable[[str], None]) -> Any:
        return self._look_up(self.lines, name, found, failed)

    def _look_up(self, table: Any, name: str, found: Any, failed: Any) -> Any:
        self.asked.append(name)
        if self.silent:
            return self.reactor.callLater(3600, failed, "late")
        if name not in table:
            return _Call(self.reactor.callLater(0, failed, "no such name"))
        return _Call(self.reactor.callLater(0, found, table[name]))


class _Call:
    def __init__(self, call: Any) -> None:
        self.call = call

    def cancel(self) -> None:
        if self.call.active():
            self.call.cancel()


class Asked:
    def __init__(self, how: Any, what: str) -> None:
        self.targets: list[str] | None = None
        self.rule = ""
        self.reason = ""
        self.lookup = how(what, self._found, self._failed)
        assert not self.done

    @property
    def done(self) -> bool:
        return self.targets is not None or bool(self.reason)

    def _found(self, targets: list[Any], rule: str) -> None:
        assert not self.done
        self.targets, self.rule = list(map(str, targets)), rule

    def _failed(self, reason: str) -> None:
        assert not self.done
        self.reason = reason


@pytest.fixture
def known(reactor: Reactor) -> Dns:
    return Dns(reactor)


@pytest.fixture
def numbering(reactor: Reactor, known: Dns) -> Numbering:
    return Numbering(reactor, known, APEX, below=lambda n: 0)


def rule(uri: str, order: int = 100, preference: int = 10, service: str = "E2U+vmodem") -> Naptr:
    return Naptr(order, preference, "u", service, f"!^.*$!{uri}!")


def ask(reactor: Reactor, how: Any, what: str) -> Asked:
    asked = Asked(how, what)
    reactor.until(lambda: asked.done)
    return asked


def test_number(reactor: Reactor, known: Dns, numbering: Numbering) -> None:
    known.rules[NAME] = [rule("tcp:host.example:23")]
    asked = ask(reactor, numbering.find, "5551234")
    assert asked.targets == ["tcp:host.example:23"]
    assert asked.rule == "enum 4.3.2.1.5.5.5.e164.example.net NAPTR 100 10"


def test_service_of_several_lines(reactor: Reactor, known: Dns, numbering: Numbering) -> None:
    known.rules[NAME] = [rule("VModem:bank.example."), rule("tcp:backup.example:23", preference=20)]
    asked = ask(reactor, numbering.find, "5551234")
    lines = ["tcp:a.example:8001", "tcp:b.example:8002", "tcp:c.example:8003"]
    assert asked.targets == [*lines, "tcp:backup.example:23"]


def test_service_by_itself(reactor: Reactor, numbering: Numbering) -> None:
    asked = ask(reactor, numbering.hunt, "bank.example")
    assert asked.targets == ["tcp:a.example:8001", "tcp:b.example:8002", "tcp:c.example:8003"]
    assert asked.rule == "_vmodem._tcp.bank.example SRV"


def test_service_that_is_missing_leaves_the_others(
    reactor: Reactor, known: Dns, numbering: Numbering
) -> None:
    known.rules[NAME] = [rule("vmodem:gone.example"), rule("echo:", preference=20)]
    assert ask(reactor, numbering.find, "5551234").targets == ["echo:"]
    known.rules[NAME] = [rule("vmodem:gone.example")]
    assert ask(reactor, numbering.find, "5551234").reason.endswith(
        "NAPTR 100 10: _vmodem._tcp.gone.example: no such name"
    )


@pytest.mark.parametrize("target", ["", "."])
def test_service_decidedly_not_available(
    reactor: Reactor, known: Dns, numbering: Numbering, target: str
) -> None:
    known.lines["_vmodem._tcp.bank.example"] = [Srv(0, 0, 0, target)]
    assert ask(reactor, numbering.hunt, "bank.example").reason.endswith("not available")


def test_lines_that_lead_nowhere(reactor: Reactor, known: Dns, numbering: Numbering) -> None:
    bad = ["127.0.0.1", "0x7f000001", "a b", "\\027[2m", "-x", "x" * 64]
    known.lines["_vmodem._tcp.bank.example"] = [Srv(0, 0, 1, each) for each in bad] + [
        Srv(0, 0, 0, "x.example")
    ]
    assert "no line has" in ask(reactor, numbering.hunt, "bank.example").reason


def test_at_most_so_many(reactor: Reactor, known: Dns, numbering: Numbering) -> None:
    known.lines["_vmodem._tcp.bank.example"] = [Srv(n, 0, 1, f"l{n}.example") for n in range(60)]
    known.rules[NAME] = [rule("vmodem:bank.example", preference=n) for n in range(60)]
    targets = ask(reactor, numbering.find, "5551234").targets
    assert targets is not None
    assert len(targets) == TARGETS
    assert len(known.asked) == 2  # the same host is asked for once


@pytest.mark.parametrize(
    "uri", ["exec:/bin/sh", "unix:/run/x", "EXEC:/bin/sh", "tls:a.example:1:key=/dev/tty"]
)
def test_this_machines_own_are_not_reached_by_dns(
    reactor: Reactor, known: Dns, numbering: Numbering, uri: str
) -> None:
    known.rules[NAME] = [rule(uri), rule("echo:", preference=20)]
    assert ask(reactor, numbering.find, "5551234").targets == ["echo:"]
    known.rules[NAME] = [rule(uri)]
    assert "directory only" in ask(reactor, numbering.find, "5551234").reason


@pytest.mark.parametrize(
    "uri", ["", "nonsense", "tcp:host", "vmodem:", "vmodem:a b", "vmodem:192.0.2.1", "sip:x@y"]
)
def test_bad_rules(reactor: Reactor, known: Dns, numbering: Numbering, uri: str) -> None:
    known.rules[NAME] = [rule(uri), rule("echo:", preference=20)]
    assert ask(reactor, numbering.find, "5551234").targets == ["echo:"]
    known.rules[NAME] = [rule(uri)]
    assert ask(reactor, numbering.find, "5551234").reason


def test_foreign_services_are_none(reactor: Reactor, known: Dns, numbering: Numbering) -> None:
    known.rules[NAME] = [rule("echo:", service="E2U+sip")]
    assert ask(reactor, numbering.find, "5551234").reason == f"enum {NAME}: the name has no rule for us"


def test_what_is_no_number_is_not_asked_for(reactor: Reactor, known: Dns, numbering: Numbering) -> None:
    for number in ("12A", "1*#", "", "1" * 99):
        assert "digits" in ask(reactor, numbering.find, number).reason
    assert known.asked == []


def test_unknown_number(reactor: Reactor, numbering: Numbering) -> None:
    assert ask(reactor, numbering.find, "5551234").reason == f"enum {NAME}: no such name"


def test_cancel(reactor: Reactor, known: Dns, numbering: Numbering) -> None:
    known.rules[NAME] = [rule("vmodem:bank.example")]
    at_once = Asked(numbering.find, "5551234")
    at_once.lookup.cancel()
    nothing = Asked(numbering.find, "x")
    nothing.lookup.cancel()
    on_the_way = Asked(numbering.find, "5551234")
    reactor.until(lambda: "_vmodem._tcp.bank.example" in known.asked)
    on_the_way.lookup.cancel()
    on_the_way.lookup.cancel()
    reactor.run_for(0.05)
    assert not any(each.done for each in (at_once, nothing, on_the_way))


def test_with_a_name_server(reactor: Reactor) -> None:
    with name_server(reactor) as server:
        server.add(NAME, dns.Record_NAPTR(100, 10, b"u", b"E2U+vmodem", b"!^.*$!vmodem:bank.example!"))
        server.add(
            "_vmodem._tcp.bank.example", *(dns.Record_SRV(n, 0, 8000 + n, f"l{n}.example") for n in (2, 1))
        )
        numbering = Numbering(reactor, DnsResolver(reactor, server.address), APEX)
        asked = ask(reactor, numbering.find, "5551234")
    assert asked.targets == ["tcp:l1.example:8001", "tcp:l2.example:8002"]


def test_host_names() -> None:
    assert all(map(is_host, ("a", "bank.example", "a_b.example.", "xn--bcher-kva.example")))
    assert not any(
        map(is_host, ("", ".", "a..b", "1.2.3.4", "127.1", "[::1]", "a b", "\u00e4.example", "a\n"))
    )


def test_without_a_tree_numbers_go_nowhere(reactor: Reactor, known: Dns) -> None:
    numbering = Numbering(reactor, known, "")
    assert ask(reactor, numbering.find, "5551234").reason == "there is no tree of numbers"
    assert known.asked == []
    assert ask(reactor, numbering.hunt, "bank.example").targets


def test_local_network(reactor: Reactor) -> None:
    class Heard:
        name, uris = "front", ("tcp:192.0.2.1:8001", "tcp:[fe80::1%2]:8001")

    class Network:
        def find(self, number: str) -> Heard | None:
            return Heard() if number == "5551000" else None

    neighbours = Neighbours(reactor, Network())
    asked = ask(reactor, neighbours.find, "5551000")
    assert (asked.targets, asked.rule) == (list(Heard.uris), 'lan "front"')
    assert "no modem" in ask(reactor, neighbours.find, "5551001").reason
    assert ask(reactor, neighbours.hunt, "bank.example").reason
    cancelled = Asked(neighbours.find, "5551000")
    cancelled.lookup.cancel()
    reactor.run_for(0.02)
    assert not cancelled.done
