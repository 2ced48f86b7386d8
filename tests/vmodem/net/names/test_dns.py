"""Asking name servers, with one in the same reactor."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.names import dns

from tests.helpers.nameserver import NameServer, name_server
from tests.helpers.reactors import Reactor
from vmodem.net.names.dns import ADDRESSES, LOOKUPS, DnsResolver
from vmodem.net.names.query import TOTAL_S
from vmodem.wire.dns import Naptr, Srv


class Asked:
    def __init__(self, ask: Any, name: str) -> None:
        self.found: list[Any] = []
        self.reasons: list[str] = []
        self.lookup = ask(name, self.found.extend, self.reasons.append)
        assert not self.done

    @property
    def done(self) -> bool:
        return bool(self.found or self.reasons)

    @property
    def texts(self) -> list[str]:
        return list(map(str, self.found))


@pytest.fixture
def server(reactor: Reactor) -> Iterator[NameServer]:
    with name_server(reactor) as made:
        yield made


@pytest.fixture
def resolver(reactor: Reactor, server: NameServer) -> DnsResolver:
    return DnsResolver(reactor, server.address)


@pytest.fixture
def dead() -> Iterator[socket.socket]:
    """A name server that takes questions and says nothing."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    yield sock
    sock.close()


def ask(reactor: Reactor, how: Any, name: str, timeout: float = 10) -> Asked:
    asked = Asked(how, name)
    reactor.until(lambda: asked.done, timeout)
    return asked


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


# -- answers -----------------------------------------------------------------------------------------------


def test_addresses_of_both_families_in_turn(
    reactor: Reactor, server: NameServer, resolver: DnsResolver
) -> None:
    server.add(
        "host.example", *(dns.Record_A(f"192.0.2.{n}") for n in (1, 2)), dns.Record_AAAA("2001:db8::1")
    )
    asked = ask(reactor, resolver.resolve, "Host.example.")
    assert asked.texts == ["2001:db8::1", "192.0.2.1", "192.0.2.2"]


def test_at_most_so_many(reactor: Reactor, server: NameServer, resolver: DnsResolver) -> None:
    server.add("host.example", *(dns.Record_A(f"192.0.2.{n}") for n in range(20)))
    assert len(ask(reactor, resolver.resolve, "host.example").found) == ADDRESSES


def test_aliases(reactor: Reactor, server: NameServer, resolver: DnsResolver) -> None:
    server.add("a.example", dns.Record_CNAME("b.example"))
    server.add("b.example", dns.Record_CNAME("c.example"))
    server.add("c.example", dns.Record_A("192.0.2.1"))
    server.add("loop.example", dns.Record_CNAME("loop.example"))
    assert ask(reactor, resolver.resolve, "a.example").texts == ["192.0.2.1"]
    assert ask(reactor, resolver.resolve, "loop.example").reasons == ["the name has no address"]


def test_addresses_of_other_names_are_not_believed(
    reactor: Reactor, server: NameServer, resolver: DnsResolver
) -> None:
    def reply(question: dns.Message, by_tcp: bool) -> list[bytes]:
        made = server.message(question)
        made.answers = [dns.RRHeader("other.example", dns.A, payload=dns.Record_A("192.0.2.66"))]
        return [made.toStr()]

    server.reply = reply
    assert ask(reactor, resolver.resolve, "host.example").reasons == ["the name has no address"]


def test_literals_and_localhost_are_not_asked_for(
    reactor: Reactor, server: NameServer, resolver: DnsResolver
) -> None:
    assert ask(reactor, resolver.resolve, "192.0.2.7").texts == ["192.0.2.7"]
    assert ask(reactor, resolver.resolve, "[2001:db8::7]").texts == ["2001:db8::7"]
    assert ask(reactor, resolver.resolve, "LocalHost.").texts == ["::1", "127.0.0.1"]
    assert server.asked == []


def test_rules_and_lines(reactor: Reactor, server: NameServer, resolver: DnsResolver) -> None:
    server.add("4.3.e164.example", dns.Record_NAPTR(100, 10, b"u", b"E2U+vmodem", b"!^.*$!echo:!"))
    server.add("_vmodem._tcp.bank.example", dns.Record_SRV(1, 2, 8001, "Front.example"))
    assert ask(reactor, resolver.naptr, "4.3.e164.example").found == [
        Naptr(100, 10, "u", "E2U+vmodem", "!^.*$!echo:!", "")
    ]
    assert ask(reactor, resolver.srv, "_vmodem._tcp.bank.example").found == [Srv(1, 2, 8001, "Front.example")]


def test_what_is_not_there(reactor: Reactor, server: NameServer, resolver: DnsResolver) -> None:
    server.add("host.example", dns.Record_TXT(b"x"))
    assert ask(reactor, resolver.resolve, "host.example").reasons == ["the name has no address"]
    assert ask(reactor, resolver.naptr, "host.example").reasons == ["the name has no NAPTR record"]
    assert ask(reactor, resolver.srv, "host.example").reasons == ["the name has no SRV record"]
    assert ask(reactor, resolver.resolve, "nowhere.example").reasons == ["no such name"]


@pytest.mark.parametrize(
    "name", ["", ".", "a..b", "x" * 64 + ".example", "y." * 130, "\u00e4" * 64, "a\0\u00e4"]
)
def test_no_names(reactor: Reactor, server: NameServer, resolver: DnsResolver, name: str) -> None:
    assert ask(reactor, resolver.resolve, name).reasons
    assert server.asked == []


def test_international_name(reactor: Reactor, server: NameServer, resolver: DnsResolver) -> None:
    server.add("xn--bcher-kva.example", dns.Record_A("192.0.2.1"))
    assert ask(reactor, resolver.resolve, "b\u00fccher.example").texts == ["192.0.2.1"]


# -- servers in trouble ------------------------------------------------------------------------------------


def test_lost_question_is_asked_again(reactor: Reactor, server: NameServer, resolver: DnsResolver) -> None:
    server.add("host.example", dns.Record_NAPTR(1, 1, b"u", b"s", b"r"))
    server.reply = lambda question, by_tcp: server.answer(question, by_tcp) if len(server.asked) > 1 else []
    began = time.monotonic()
    assert ask(reactor, resolver.naptr, "host.example").found
    assert 0.9 < time.monotonic() - began < 2.4
    assert len(set(server.sources)) == 1  # the same question: a late answer to the first would count too


def test_question_that_one_family_does_not_answer(
    reactor: Reactor, server: NameServer, resolver: DnsResolver
) -> None:
    server.add("host.example", dns.Record_A("192.0.2.1"))
    server.reply = lambda question, by_tcp: (
        [] if question.queries[0].type == dns.AAAA else server.answer(question, by_tcp)
    )
    began = time.monotonic()
    assert ask(reactor, resolver.resolve, "host.example").texts == ["192.0.2.1"]
    assert time.monotonic() - began < 0.9


def test_silent_server(reactor: Reactor, dead: socket.socket) -> None:
    host, port = dead.getsockname()
    began = time.monotonic()
    asked = ask(reactor, DnsResolver(reactor, (host, port)).resolve, "host.example")
    assert asked.reasons == [f"no answer from {host}:{port}"]
    assert TOTAL_S - 0.1 < time.monotonic() - began < TOTAL_S + 1


def test_nobody_there(reactor: Reactor, dead: socket.socket) -> None:
    where = dead.getsockname()
    dead.close()
    asked = ask(reactor, DnsResolver(reactor, where).naptr, "host.example", 3)
    assert asked.reasons == [f"127.0.0.1:{where[1]}: Connection refused"]


@pytest.mark.parametrize(("rcode", "reason"), [(2, "failed"), (5, "refused"), (1, "understand"), (9, "9")])
def test_server_that_fails(
    reactor: Reactor, server: NameServer, resolver: DnsResolver, rcode: int, reason: str
) -> None:
    server.reply = lambda question, by_tcp: [server.message(question, rcode=rcode).toStr()]
    (text,) = ask(reactor, resolver.srv, "host.example", 3).reasons
    assert reason in text


def test_answer_that_does_not_fit(reactor: Reactor, server: NameServer, resolver: DnsResolver) -> None:
    server.add("bank.example", *(dns.Record_SRV(n, 0, 8001, f"line{n}.bank.example") for n in range(60)))
    server.truncate = True
    assert len(ask(reactor, resolver.srv, "bank.example").found) == 60
    assert [by_tcp for *_, by_tcp in server.asked] == [False, True]


def test_tcp_that_ends_early(reactor: Reactor, server: NameServer, resolver: DnsResolver) -> None:
    def reply(question: dns.Message, by_tcp: bool) -> list[bytes]:
        if by_tcp:
            for each in list(server.connections):
                each.transport.loseConnection()
            return []
        return server.answer(question, by_tcp)

    server.truncate, server.reply = True, reply
    (reason,) = ask(reactor, resolver.srv, "bank.example").reasons
    assert "by TCP" in reason


def test_tcp_that_is_refused(reactor: Reactor, dead: socket.socket) -> None:
    asked = Asked(DnsResolver(reactor, dead.getsockname()).srv, "bank.example")

    def answered() -> bool:
        try:
            data, where = dead.recvfrom(512, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return asked.done
        dead.sendto(data[:2] + b"\x82\0" + data[4:], where)
        return False

    reactor.until(answered)
    assert "by TCP" in asked.reasons[0]
    assert "refused" in asked.reasons[0]


def test_place_where_no_server_can_be(reactor: Reactor) -> None:
    (reason,) = ask(reactor, DnsResolver(reactor, ("255.255.255.255", 53)).srv, "host.example", 3).reasons
    assert reason in (
        "255.255.255.255:53: Permission denied",
        "255.255.255.255:53: Network is unreachable",  # where there is only this machine
    )


def test_no_descriptor_left(reactor: Reactor, resolver: DnsResolver, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any) -> Any:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(socket, "socket", refuse)
    (reason,) = ask(reactor, resolver.srv, "host.example", 3).reasons
    assert reason.endswith("Too many open files")


def test_tcp_that_never_answers(reactor: Reactor, server: NameServer, resolver: DnsResolver) -> None:
    server.truncate = True
    server.reply = lambda question, by_tcp: [] if by_tcp else server.answer(question, by_tcp)
    began = time.monotonic()
    (reason,) = ask(reactor, resolver.srv, "bank.example").reasons
    assert "in time" in reason
    assert time.monotonic() - began < TOTAL_S + 1


# -- hostile servers ---------------------------------------------------------------------------------------


def hostile(server: NameServer, question: dns.Message) -> list[bytes]:
    """Things that are no answer."""
    good = server.answer(question, False)[0]
    other = server.message(question)
    other.queries = [dns.Query("other.example", question.queries[0].type)]
    echo = server.message(question)
    echo.answer = 0
    loop = good[:12] + b"\xc0\x0c" + good[-4:]
    return [
        b"",
        b"\0",
        os.urandom(40),
        bytes([good[0] ^ 1]) + good[1:],
        other.toStr(),
        echo.toStr(),
        loop,
        good[:4] + b"\0\1\xff\xff" + good[8:],
        good[:-3],
        good + os.urandom(5000),
    ]


def test_what_is_no_answer_is_not_listened_to(
    reactor: Reactor, server: NameServer, resolver: DnsResolver
) -> None:
    server.add("host.example", dns.Record_SRV(1, 1, 1, "a.example"))
    server.reply = lambda question, by_tcp: [*hostile(server, question), *server.answer(question, by_tcp)]
    assert ask(reactor, resolver.srv, "host.example").found


def test_garbage_by_tcp(reactor: Reactor, server: NameServer, resolver: DnsResolver) -> None:
    server.truncate = True
    server.reply = lambda question, by_tcp: [os.urandom(60000)] if by_tcp else server.answer(question, by_tcp)
    assert "by TCP" in ask(reactor, resolver.srv, "host.example", 3).reasons[0]


def test_ports_and_ids_are_drawn(reactor: Reactor, server: NameServer, resolver: DnsResolver) -> None:
    for number in range(20):
        ask(reactor, resolver.srv, f"host{number}.example")
    assert len({port for port, _ in server.sources}) > 15
    assert len({number for _, number in server.sources}) > 15


# -- many, and none any more -------------------------------------------------------------------------------


def test_pending_lookups_delay_nobody(reactor: Reactor, server: NameServer, dead: socket.socket) -> None:
    server.add("host.example", dns.Record_A("192.0.2.1"))
    to_dead = DnsResolver(reactor, dead.getsockname())
    pending = [Asked(to_dead.resolve, f"host{n}.example") for n in range(40)]
    reactor.run_for(0.1)
    began = time.monotonic()
    assert ask(reactor, DnsResolver(reactor, server.address).resolve, "host.example").found
    assert time.monotonic() - began < 0.9
    for each in pending:
        each.lookup.cancel()
    assert not any(each.done for each in pending)


def test_cancel_leaves_nothing(reactor: Reactor, server: NameServer, resolver: DnsResolver) -> None:
    server.reply = lambda question, by_tcp: []
    reactor.run_for(0.05)
    before, timers = descriptors(), len(reactor.getDelayedCalls())
    for seconds in (0.0, 0.05, 1.2):
        asked = Asked(resolver.resolve, "host.example")
        reactor.run_for(seconds)
        asked.lookup.cancel()
        asked.lookup.cancel()
        assert (descriptors(), len(reactor.getDelayedCalls())) == (before, timers)
    literal = Asked(resolver.resolve, "192.0.2.1")
    literal.lookup.cancel()
    reactor.run_for(0.05)
    assert not literal.done


def test_cancel_during_tcp_leaves_nothing(
    reactor: Reactor, server: NameServer, resolver: DnsResolver
) -> None:
    server.truncate = True
    server.reply = lambda question, by_tcp: [] if by_tcp else server.answer(question, by_tcp)
    before = descriptors()
    asked = Asked(resolver.srv, "host.example")
    reactor.until(lambda: server.connections)
    asked.lookup.cancel()
    reactor.until(lambda: not server.connections)
    assert descriptors() == before


def test_so_many_at_one_time(reactor: Reactor, dead: socket.socket) -> None:
    resolver = DnsResolver(reactor, dead.getsockname())
    pending = [Asked(resolver.srv, "host.example") for _ in range(LOOKUPS)]
    assert "unanswered" in ask(reactor, resolver.srv, "host.example", 3).reasons[0]
    for each in pending:
        each.lookup.cancel()
    Asked(resolver.srv, "host.example").lookup.cancel()


# -- servers of resolv.conf --------------------------------------------------------------------------------


def test_servers_of_the_system(reactor: Reactor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from vmodem.net.names import dns as module

    with name_server(reactor) as server:
        monkeypatch.setattr(module, "PORT", server.port)
        server.add("host.example", dns.Record_A("192.0.2.1"))
        conf = tmp_path / "resolv.conf"
        # The first is nobody's, so the second is asked at once.
        conf.write_text("# \xff\nsearch example\nnameserver\nnameserver nonsense\nnameserver 127.0.0.2\n"
                        "nameserver 127.0.0.1\nnameserver 127.0.0.1\n")  # fmt: skip
        began = time.monotonic()
        assert ask(reactor, DnsResolver(reactor, None, conf=str(conf)).resolve, "host.example").found
        assert time.monotonic() - began < 0.9
        # Nothing there: the one on this machine.
        assert ask(
            reactor, DnsResolver(reactor, None, conf=str(tmp_path / "no")).resolve, "host.example"
        ).found


def test_server_is_an_address(reactor: Reactor) -> None:
    with pytest.raises(ValueError, match="not the address"):
        DnsResolver(reactor, ("ns.example", 53))
