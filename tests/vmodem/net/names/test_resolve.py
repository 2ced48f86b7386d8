"""Names to addresses."""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from typing import Any

from tests.helpers.reactors import Reactor
from vmodem.net.names.resolve import ADDRESSES, LOOKUPS, SystemResolver, alternated


class Asked:
    def __init__(self, resolver: SystemResolver, host: str) -> None:
        self.found: list[str] = []
        self.reasons: list[str] = []
        self.lookup = resolver.resolve(
            host, lambda ips: self.found.extend(map(str, ips)), self.reasons.append
        )

    @property
    def done(self) -> bool:
        return bool(self.found or self.reasons)


def answer(*addresses: str) -> Any:
    def getaddrinfo(host: Any, port: Any, **options: Any) -> list[Any]:
        return [
            (socket.AF_INET6 if ":" in each else socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 0))
            for each in addresses
        ]

    return getaddrinfo


def test_found(reactor: Reactor) -> None:
    asked = Asked(
        SystemResolver(reactor, answer("192.0.2.1", "192.0.2.2", "2001:db8::1", "::ffff:192.0.2.1")), "x"
    )
    assert not asked.done
    reactor.until(lambda: asked.done)
    assert asked.found == ["192.0.2.1", "2001:db8::1", "192.0.2.2"]


def test_at_most_so_many(reactor: Reactor) -> None:
    asked = Asked(SystemResolver(reactor, answer(*(f"192.0.2.{n}" for n in range(100)))), "x")
    reactor.until(lambda: asked.done)
    assert len(asked.found) == ADDRESSES


def test_not_found(reactor: Reactor) -> None:
    def getaddrinfo(*args: Any, **options: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    asked = Asked(SystemResolver(reactor, getaddrinfo), "x")
    reactor.until(lambda: asked.done)
    assert asked.reasons == ["Name or service not known"]
    asked = Asked(SystemResolver(reactor, answer()), "x")
    reactor.until(lambda: asked.done)
    assert asked.reasons == ["the name has no address"]


def test_no_host_name(reactor: Reactor) -> None:
    for name in ("a" * 300, "\u00e4" * 64, "a\0b", "."):
        asked = Asked(SystemResolver(reactor), name)
        reactor.until(lambda asked=asked: asked.done)  # type: ignore[misc]
        assert asked.reasons


def test_localhost(reactor: Reactor) -> None:
    asked = Asked(SystemResolver(reactor), "localhost")
    reactor.until(lambda: asked.done)
    assert set(asked.found) <= {"127.0.0.1", "::1"}


def test_dead_resolver(reactor: Reactor) -> None:
    """Nobody waits for it: not a dialler that gave up, not the next one, not the end of the program."""
    dead = threading.Event()
    threads: list[threading.Thread] = []

    def getaddrinfo(*args: Any, **options: Any) -> Any:
        threads.append(threading.current_thread())
        dead.wait()
        return answer("192.0.2.1")(*args, **options)

    resolver = SystemResolver(reactor, getaddrinfo)
    started = time.monotonic()
    several = [Asked(resolver, "x") for _ in range(LOOKUPS)]
    one_more = Asked(resolver, "x")
    reactor.until(lambda: one_more.done)
    assert "still unanswered" in one_more.reasons[0]
    assert time.monotonic() - started < 1
    assert all(thread.daemon for thread in threads)
    several[0].lookup.cancel()
    dead.set()
    reactor.until(lambda: all(each.done for each in several[1:]))
    for thread in threads:
        thread.join()
    assert not several[0].done
    dead.clear()
    again = Asked(resolver, "x")
    dead.set()
    reactor.until(lambda: again.done)
    assert again.found


def test_order() -> None:
    four = [ipaddress.ip_address(f"10.0.0.{n}") for n in range(3)]
    six = [ipaddress.ip_address("::1")]
    assert alternated([*six, *four]) == [six[0], four[0], four[1], four[2]]
    assert alternated([*four, *six]) == [four[0], six[0], four[1], four[2]]
    assert alternated([]) == []
