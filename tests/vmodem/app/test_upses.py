"""UPSes of a configuration: shared listeners, users, and changes that clients need not notice."""

from __future__ import annotations

import dataclasses
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from tests.helpers.reactors import Reactor, reactor
from tests.helpers.servers import free_port
from tests.helpers.upses import Client, FakeDriver
from vmodem.app.start import StartError
from vmodem.app.upsdesk import Desk
from vmodem.app.upses import UpsService
from vmodem.config.schema import UpsConfig, UserConfig
from vmodem.port.base import PortError
from vmodem.ups.model import Ups

__all__ = ["reactor"]

USERS = {"boss": UserConfig("boss", "secret", "primary", ("SET",), ("beeper.toggle",))}


class Stage:
    """Services over drivers without lines."""

    def __init__(self, reactor: Reactor) -> None:
        self.reactor = reactor
        self.desk = Desk(reactor)
        self.desk.configure(USERS)
        self.port = free_port()
        self.listen = f"tcp:{self.port}:interface=127.0.0.1"
        self.drivers: dict[str, list[FakeDriver]] = {}
        self.services: list[UpsService] = []
        self.clients: list[Client] = []
        self.broken: Exception | None = None
        self.stopping: Deferred[None] | None = None

    def make(self, _: Any, config: UpsConfig, ups: Ups) -> FakeDriver:
        if self.broken is not None:
            raise self.broken
        driver = FakeDriver(ups)
        ups.fix({"driver.parameter.port": config.line})
        self.drivers.setdefault(config.name, []).append(driver)
        return driver

    def service(self, name: str = "rack", **more: Any) -> UpsService:
        config = UpsConfig(**{"name": name, "line": f"/dev/{name}", "listen": (self.listen,), **more})
        made = UpsService(self.reactor, config, self.desk, self.make)
        self.services.append(made)
        return made

    def client(self, port: int = 0) -> Client:
        self.clients.append(Client(self.reactor, port or self.port))
        return self.clients[-1]

    def change(self, service: UpsService, **more: Any) -> None:
        config = dataclasses.replace(service.config, **more)
        assert service.is_same(config)
        service.release(config)
        service.apply(config)

    def stop(self) -> None:
        for service in self.services:
            self.reactor.wait_for(service.stop())
        for client in self.clients:
            client.close()
        own = set(self.reactor._internalReaders)
        self.reactor.until(lambda: not set(self.reactor.getReaders()) - own)


@pytest.fixture
def stage(reactor: Reactor) -> Iterator[Stage]:
    made = Stage(reactor)
    yield made
    made.stop()


def logged_in(stage: Stage) -> Client:
    client = stage.client()
    for line in ("USERNAME boss", "PASSWORD secret", "LOGIN rack"):
        assert client.ask(line) == "OK"
    return client


def test_one_ups(stage: Stage) -> None:
    service = stage.service(description="in the cellar", poll=5.0)
    service.start()
    (driver,) = stage.drivers["rack"]
    driver.fine()
    client = logged_in(stage)
    assert client.ask("GET UPSDESC rack") == 'UPSDESC rack "in the cellar"'
    assert client.ask("GET VAR rack driver.parameter.port") == 'VAR rack driver.parameter.port "/dev/rack"'
    assert service.summary == f"ups rack on /dev/rack, tcp 127.0.0.1:{stage.port}"
    status = service.status()
    assert (status["what"], status["health"], status["status"], status["logins"], status["sessions"]) == (
        "ups",
        "fine",
        "OL",
        ["127.0.0.1"],
        1,
    )
    driver.ups.stale("no answer")
    status = service.status()
    assert (status["health"], status["reason"], status["variables"]) == ("stale", "no answer", {})
    assert not service.occupied


def test_two_share_a_listener(stage: Stage) -> None:
    one = stage.service("rack")
    two = stage.service("attic", listen=(f"tcp:port={stage.port}:interface=127.0.0.1",))
    one.start()
    two.start()
    stage.drivers["rack"][0].fine()
    client = stage.client()
    assert client.ask("LIST UPS").count("\nUPS ") == 2
    # What is wrong with one is no matter of the other.
    stage.drivers["attic"][0].ups.port_gone("unplugged")
    assert client.ask("GET VAR attic ups.status") == "ERR DRIVER-NOT-CONNECTED"
    assert client.ask("GET VAR rack ups.status") == 'VAR rack ups.status "OL"'
    one.release(None)
    assert client.ask("LIST UPS").count("\nUPS ") == 1
    two.release(None)
    stage.reactor.until(client.left)
    with socket.socket() as sock:
        assert sock.connect_ex(("127.0.0.1", stage.port)) != 0


def test_names_that_differ_in_case_alone(stage: Stage) -> None:
    stage.service("rack").start()
    with pytest.raises(StartError, match="two UPSes"):
        stage.service("Rack").start()
    assert stage.client().ask("LIST UPS").count("\nUPS ") == 1


def test_changes_keep_clients(stage: Stage) -> None:
    service = stage.service()
    service.start()
    stage.drivers["rack"][0].fine()
    client = logged_in(stage)
    stage.change(service, description="moved", allow_callers=("127.0.0.0/8",))
    assert client.ask("GET UPSDESC rack") == 'UPSDESC rack "moved"'
    assert len(stage.drivers["rack"]) == 1
    # Opening a port again may be what switches the load off, so that is not done for this either.
    stage.change(service, poll=0.01)
    assert client.ask("GET VAR rack driver.parameter.pollinterval").endswith(' "0.2"')
    assert (stage.drivers["rack"][0].poll_s, len(stage.drivers["rack"])) == (0.2, 1)
    other = free_port()
    stage.change(service, listen=(stage.listen, f"tcp:{other}:interface=127.0.0.1"))
    assert stage.client(other).ask("GET NUMLOGINS rack") == "NUMLOGINS rack 1"
    stage.change(service, listen=(stage.listen,))
    assert client.ask("GET NUMLOGINS rack") == "NUMLOGINS rack 1"


def test_another_line_keeps_clients_and_nothing_old_is_served(stage: Stage) -> None:
    service = stage.service()
    service.start()
    (first,) = stage.drivers["rack"]
    first.ups.fix({"ups.serial": "old"})
    first.fine()
    client = logged_in(stage)
    stopped: Deferred[None] = Deferred()
    first.stop = lambda: stopped  # type: ignore[method-assign]
    stage.change(service, line="/dev/other")
    assert client.ask("GET VAR rack ups.status") == "ERR DRIVER-NOT-CONNECTED"
    stage.change(service, line="/dev/third")
    stopped.callback(None)
    driver = stage.drivers["rack"][-1]
    assert (driver.started, service.ups.driver) == (True, driver)
    driver.fine("OB")
    assert client.ask("GET VAR rack ups.status") == 'VAR rack ups.status "OB"'
    assert client.ask("GET VAR rack driver.parameter.port") == 'VAR rack driver.parameter.port "/dev/third"'
    assert client.ask("GET VAR rack ups.serial") == "ERR VAR-NOT-SUPPORTED"
    assert client.ask("GET NUMLOGINS rack") == "NUMLOGINS rack 1"


def test_a_driver_that_cannot_be_does_not_cost_the_one_that_works(stage: Stage) -> None:
    service = stage.service()
    service.start()
    stage.drivers["rack"][0].fine()
    stage.broken = StartError("no such cable", 78)
    with pytest.raises(StartError, match="no such cable"):
        stage.change(service, cable=99)
    assert stage.client().ask("GET VAR rack ups.status") == 'VAR rack ups.status "OL"'
    stage.broken = None


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"listen": ("udp:3493",)}, "udp = true"),
        ({"listen": ("tcp:99999",)}, "tcp:99999"),
        ({"cert": "/nonexistent"}, "/nonexistent"),
        ({"udp": True, "listen": ("unix:{folder}/sock",)}, "udp = true needs an address"),
        ({"udp": True, "listen": ("tcp:{port}",)}, "allow_callers"),
        ({"allow_callers": ("nonsense",)}, "nonsense"),
        ({"hooks": {"onbatt": "a 'b"}}, "quote"),
    ],
)
def test_what_cannot_be_started(stage: Stage, tmp_path: Path, more: dict[str, Any], text: str) -> None:
    if "listen" in more:
        more = {**more, "listen": tuple(x.format(folder=tmp_path, port=stage.port) for x in more["listen"])}
    with pytest.raises(StartError, match=text):
        stage.service(**more).start()
    assert stage.desk.ports == []


def test_nothing_is_left_open_when_the_line_cannot_be_had(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = stage.service()

    def refuse() -> None:
        raise PortError("no such line")

    monkeypatch.setattr(stage.drivers["rack"][0], "start", refuse)
    with pytest.raises(StartError, match="no such line"):
        service.start()
    assert stage.desk.ports == []


def test_users_of_a_configuration(stage: Stage) -> None:
    service = stage.service()
    service.start()
    stage.drivers["rack"][0].fine()
    client = logged_in(stage)
    assert client.ask("INSTCMD rack beeper.toggle") == "OK"
    with pytest.raises(StartError, match="no password"):
        stage.desk.configure({"boss": UserConfig("boss")})
    assert client.ask("INSTCMD rack beeper.toggle") == "OK"
    stage.desk.configure({})
    assert client.ask("INSTCMD rack beeper.toggle") == "ERR ACCESS-DENIED"


def test_programs_at_events(stage: Stage, tmp_path: Path) -> None:
    file = tmp_path / "told"
    code = f"import os; open({str(file)!r}, 'w').write(os.environ['NOTIFYTYPE'] + os.environ['UPSNAME'])"
    service = stage.service(hooks={"onbatt": f'{sys.executable} -c "{code}"'}, listen=())
    service.start()
    stage.drivers["rack"][0].fine("OB")
    stage.reactor.until(lambda: file.exists() and file.read_text())
    assert file.read_text() == "ONBATTrack"


def test_the_old_form_comes_and_goes(stage: Stage) -> None:
    service = stage.service()
    service.start()
    stage.drivers["rack"][0].fine()

    def asked() -> bytes:
        with socket.socket(type=socket.SOCK_DGRAM) as sock:
            sock.settimeout(0)
            sock.connect(("127.0.0.1", stage.port))
            found = b""

            def came() -> bool:
                nonlocal found
                try:
                    sock.send(b"REQ STATUS")
                    found = sock.recv(100)
                except BlockingIOError:
                    return False
                except ConnectionRefusedError:
                    found = b"refused"
                return bool(found)

            stage.reactor.until(came)
            return found

    assert asked() == b"refused"
    stage.change(service, udp=True)
    assert asked() == b"ANS STATUS OL\r\n"
    stage.change(service, udp=False)
    assert asked() == b"refused"
