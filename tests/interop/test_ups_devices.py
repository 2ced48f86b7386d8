"""From the serial line to upsc: made-up UPSes on real ports, our drivers and server, a real client."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.programs import need
from tests.helpers.reactors import Reactor
from tests.helpers.servers import free_port
from tests.helpers.upslines import ApcUps, MegatecUps, PinServer, PtyEnd
from vmodem.app.upsdesk import Desk
from vmodem.app.upses import UpsService
from vmodem.config.schema import UpsConfig
from vmodem.port.base import Signals

pytestmark = pytest.mark.interop

STALE = "Error: Data stale"
GONE = "Error: Driver not connected"


class Stage:
    """One UPS, served."""

    def __init__(self, reactor: Reactor, **config: Any) -> None:
        (self._upsc,) = need("upsc")
        self.reactor = reactor
        self.port = free_port()
        self.desk = Desk(reactor)
        listen = (f"tcp:{self.port}:interface=127.0.0.1",)
        self.service = UpsService(reactor, UpsConfig("rack", listen=listen, **config), self.desk)
        self.service.start()

    def upsc(self, *variable: str) -> str:
        """What upsc says, while everything works."""
        process = subprocess.Popen(
            [self._upsc, f"rack@127.0.0.1:{self.port}", *variable],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.reactor.until(lambda: process.poll() is not None, 20, "upsc ends")
        out = process.communicate()[0]
        lines = [line for line in out.splitlines() if line != "Init SSL without certificate database"]
        return "\n".join(lines)

    def until(self, status: str, within: float) -> None:
        """Ask until upsc says so."""
        began, found = self.reactor.seconds(), ""
        while (found := self.upsc("ups.status")) != status:
            took = self.reactor.seconds() - began
            assert took < within, f"{found} instead of {status} after {took:.1f} s"
            self.reactor.run_for(0.05)

    def stop(self) -> None:
        self.reactor.wait_for(self.service.stop())
        own = set(self.reactor._internalReaders)
        self.reactor.until(lambda: not set(self.reactor.getReaders()) - own)


@pytest.fixture
def at_end() -> Iterator[list[Callable[[], None]]]:
    acts: list[Callable[[], None]] = []
    yield acts
    for act in reversed(acts):
        act()


def test_megatec(reactor: Reactor, tmp_path: Path, at_end: list[Callable[[], None]]) -> None:
    device = MegatecUps(reactor)
    end = PtyEnd(reactor, device, tmp_path / "ups")
    stage = Stage(reactor, line=f"serial:{end.link}:speed=2400", driver="megatec", poll=1)
    at_end.append(lambda: (end.close(), stage.stop(), None)[-1])
    stage.until("OL", 5)
    reactor.run_for(2)
    values = dict(line.split(": ", 1) for line in stage.upsc().splitlines())
    assert (values["ups.mfr"], values["battery.voltage"], values["device.model"]) == (
        "ACME",
        "27.5",
        "RACK 1000",
    )
    device.mains(False)
    stage.until("OB", 2.5)
    device.mains(False, low=True)
    stage.until("OB LB", 2.5)
    device.dead = True
    stage.until(STALE, 15)
    device.dead = False
    stage.until("OB LB", 6)
    end.unplug()
    stage.until(GONE, 2)
    device.mains(True)
    end.plug()
    stage.until("OL", 5)


def test_apcsmart(reactor: Reactor, tmp_path: Path, at_end: list[Callable[[], None]]) -> None:
    device = ApcUps(reactor)
    end = PtyEnd(reactor, device, tmp_path / "ups")
    stage = Stage(reactor, line=f"serial:{end.link}", driver="apcsmart")
    at_end.append(lambda: (end.close(), stage.stop(), None)[-1])
    stage.until("OL", 5)
    reactor.run_for(5)
    values = dict(line.split(": ", 1) for line in stage.upsc().splitlines())
    assert (values["ups.model"], values["battery.runtime"]) == ("SMART-UPS 700", "19620")
    device.status = 0x10
    device.alert(b"!")
    stage.until("OB", 1)
    device.status = 0x50
    device.alert(b"%")
    stage.until("OB LB", 1)
    device.dead = True
    stage.until(STALE, 15)
    device.dead = False
    device.smart = False
    stage.until("OB LB", 6)
    end.unplug()
    stage.until(GONE, 2)
    device.status = 0x08
    end.plug()
    stage.until("OL", 6)


def test_contact(reactor: Reactor, at_end: list[Callable[[], None]]) -> None:
    server = PinServer(reactor, Signals.CTS | Signals.DCD)
    stage = Stage(reactor, line=f"remote:127.0.0.1:{server.port}", driver="contact", cable=7, poll=1)
    at_end.append(lambda: (server.close(), stage.stop(), None)[-1])
    stage.until("OL", 5)
    assert stage.upsc("ups.mfr") == "CyberPower"
    server.put(Signals.DCD)
    stage.until("OB", 1.5)
    server.put(Signals.NONE)
    stage.until("OB LB", 3)
    server.mute = True
    stage.until(STALE, 15)
    server.mute = False
    stage.until("OB LB", 6)
    server.hang_up()
    stage.until(GONE, 2)
    server.put(Signals.CTS | Signals.DCD)
    stage.until("OL", 8)
