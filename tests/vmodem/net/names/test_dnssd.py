"""Modems of the local network, where that is the loopback interface only."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from zeroconf import IPVersion, ServiceInfo, Zeroconf

from tests.helpers.reactors import Reactor
from vmodem.net.names import dnssd
from vmodem.net.names.dnssd import TYPE, LocalNetwork
from vmodem.wire.dnssd import Service, heard

HERE = ["127.0.0.1"]
Join = Callable[..., LocalNetwork]


@pytest.fixture
def join(reactor: Reactor) -> Iterator[Join]:
    made: list[LocalNetwork] = []

    def join(*services: Service, **more: Any) -> LocalNetwork:
        made.append(LocalNetwork(reactor, services, interfaces=HERE, **more))
        return made[-1]

    yield join
    stopped: list[int] = []
    for each in made:
        each.stop(lambda: stopped.append(1))
    reactor.until(lambda: len(stopped) == len(made))


@pytest.fixture
def stranger() -> Iterator[Zeroconf]:
    made = Zeroconf(interfaces=HERE, ip_version=IPVersion.V4Only)
    yield made
    made.close()


def announce(by: Zeroconf, name: str, number: str, port: int = 8001, **more: Any) -> ServiceInfo:
    """Put a modem up, without asking whether the name is free."""
    settings: dict[str, Any] = {"server": f"host{port}.local.", "parsed_addresses": HERE, **more}
    settings.setdefault("properties", {"number": number})
    info = ServiceInfo(TYPE, f"{name}.{TYPE}", port, **settings)
    by.register_service(info, cooperating_responders=True)
    return info


def test_found_and_gone(reactor: Reactor, join: Join) -> None:
    listening = join()
    announcing = LocalNetwork(
        reactor, [Service("front.desk", 8001, "5551000"), Service("back", 8002, "5551001")],
        interfaces=HERE, browse=False,
    )  # fmt: skip
    reactor.until(lambda: len(listening.table) == 2)
    found = listening.find("5551000")
    assert found is not None
    assert (found.name, found.uris) == ("front.desk", ("tcp:127.0.0.1:8001",))
    assert listening.find("5551002") is None
    assert not announcing.table
    stopped: list[int] = []
    began = time.monotonic()
    announcing.stop(lambda: stopped.append(1))
    reactor.until(lambda: stopped)
    assert time.monotonic() - began < dnssd.FAREWELL_S + 1
    reactor.until(lambda: not listening.table)


def test_first_heard_stays(reactor: Reactor, join: Join, stranger: Zeroconf) -> None:
    listening = join()
    first = announce(stranger, "first", "5551000", 8001)
    reactor.until(lambda: listening.find("5551000"))
    announce(stranger, "second", "5551000", 8002)
    announce(stranger, "mark", "5551999", 8003)
    reactor.until(lambda: listening.find("5551999"))
    found = listening.find("5551000")
    assert found is not None
    assert found.uris == ("tcp:127.0.0.1:8001",)
    stranger.unregister_service(first)
    reactor.until(lambda: (now := listening.find("5551000")) and now.uris == ("tcp:127.0.0.1:8002",))


def test_what_strangers_say(
    reactor: Reactor, join: Join, stranger: Zeroconf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dnssd, "ANSWER_S", 0.5)
    listening = join()
    announce(stranger, "no number", "")
    announce(stranger, "letters", "call me")
    announce(stranger, "long", "1" * 40)
    announce(stranger, "nowhere", "5551001", 8005, parsed_addresses=["224.0.0.1", "0.0.0.0"])
    announce(stranger, "red", "", 8006, properties={"number": "5551002", "name": "\x1b[2Jred"})
    reactor.until(lambda: listening.find("5551002"))
    reactor.run_for(0.3)
    assert [(each.number, each.name) for each in listening.table.values()] == [("5551002", "\ufffd[2Jred")]


def test_bounded(reactor: Reactor, join: Join, stranger: Zeroconf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dnssd, "INSTANCES", 3)
    listening = join()
    for number in range(5):
        announce(stranger, f"modem{number}", f"555100{number}", 8000 + number)
    reactor.until(lambda: len(listening.table) == 3)
    reactor.run_for(0.3)
    assert len(listening.table) == 3


def test_who_no_longer_answers_is_forgotten(
    reactor: Reactor, join: Join, stranger: Zeroconf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dnssd, "ANSWER_S", 0.5)
    listening = join(check_s=0.3)
    announce(stranger, "short", "5551000", host_ttl=1, other_ttl=4500)
    reactor.until(lambda: listening.find("5551000"))
    stranger.registry.async_remove(stranger.registry.async_get_service_infos())  # dies without a word
    reactor.until(lambda: not listening.table)


def test_this_machine_is_nobodys_but_its_own(reactor: Reactor) -> None:
    """An announcement must not lead a caller to what listens on his own loopback interface."""
    network = LocalNetwork(reactor, (), interfaces=HERE)
    info: Any = type("Info", (), {"properties": {b"number": b"1"}, "port": 22, "name": f"x.{TYPE}"})()
    info.parsed_scoped_addresses = lambda: ["127.0.0.1", "::1", "192.0.2.1", "fe80::1%2"]
    network._interfaces = []
    found = network._read(info)
    assert found is not None
    assert found.uris == ("tcp:192.0.2.1:22", "tcp:[fe80::1%2]:22")
    stopped: list[int] = []
    network.stop(lambda: stopped.append(1))
    reactor.until(lambda: stopped)


def test_stopped_at_once(reactor: Reactor) -> None:
    before = threading.active_count()
    for seconds in (0.0, 0.05):
        network = LocalNetwork(reactor, [Service("front", 8001, "5551000")], interfaces=HERE)
        reactor.run_for(seconds)
        stopped: list[int] = []
        network.stop(lambda stopped=stopped: stopped.append(1))  # type: ignore[misc]
        reactor.until(lambda stopped=stopped: stopped, 3)  # type: ignore[misc]
    reactor.until(lambda: threading.active_count() == before)


def test_no_network(reactor: Reactor, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**more: Any) -> Any:
        raise OSError(19, "No such device")

    monkeypatch.setattr(dnssd, "AsyncZeroconf", refuse)
    network = LocalNetwork(reactor)
    reactor.run_for(0.1)
    stopped: list[int] = []
    network.stop(lambda: stopped.append(1))
    reactor.until(lambda: stopped, 3)


def test_txt_records() -> None:
    assert heard({b"Number": b"5551000", b"NAME": b"front"}) == ("5551000", "front")
    assert heard({b"number": None, b"name": b"\xff"}) == ("", "\ufffd")
    assert heard({}) == ("", "")
