"""A redirected port as its application and its service see it."""

from __future__ import annotations

import os
import termios
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.logger import globalLogPublisher

from tests.helpers.process import Dte, Host
from tests.helpers.reactors import Reactor
from vmodem.app.redirects import RedirectService
from vmodem.app.start import StartError
from vmodem.bridge import Bridge
from vmodem.config.schema import Pack, RedirectConfig
from vmodem.port.base import PortFlow, Signals
from vmodem.port.memory import MemoryPort
from vmodem.port.pty import PtyPort

BOTH = Signals.DTR | Signals.RTS


@pytest.fixture
def host() -> Iterator[Host]:
    made = Host()
    yield made
    made.close()


@pytest.fixture
def link(tmp_path: Path) -> Path:
    return tmp_path / "com1"


@pytest.fixture
def log() -> Iterator[list[str]]:
    lines: list[str] = []

    def note(event: Any) -> None:
        if event.get("log_format"):
            lines.append(event["log_format"].format(**event))

    globalLogPublisher.addObserver(note)
    yield lines
    globalLogPublisher.removeObserver(note)


Make = Callable[..., RedirectService]


@pytest.fixture
def make(reactor: Reactor, link: Path, host: Host) -> Iterator[Make]:
    made: list[RedirectService] = []

    def start(**more: Any) -> RedirectService:
        values = {"name": "com1", "port": f"pty:{link}", "to": f"tcp:127.0.0.1:{host.port}", **more}
        service = RedirectService(reactor, RedirectConfig(**values))
        made.append(service)
        service.start()
        return service

    yield start
    for each in made:
        reactor.wait_for(each.stop())
    reactor.run_for(0.02)


# -- a pseudo-terminal and a port with everything ---


def test_what_the_application_does_reaches_the_port(reactor: Reactor, link: Path) -> None:
    far = MemoryPort(reactor)
    bridge = Bridge(reactor, PtyPort(reactor, str(link)), far, follows_line=True)
    bridge.start()
    uart = far.uart
    assert uart.outputs == Signals.NONE
    dte = Dte(link, termios.B19200)
    reactor.until(lambda: uart.outputs == BOTH and uart.settings.rate == 19200)
    attributes = termios.tcgetattr(dte.fd)
    attributes[2] |= termios.CSTOPB | termios.CRTSCTS
    termios.tcsetattr(dte.fd, termios.TCSANOW, attributes)
    reactor.until(lambda: uart.settings.stop_bits == 2)
    assert uart.settings.flow is PortFlow.RTS_CTS
    attributes[2] &= ~termios.CRTSCTS
    termios.tcsetattr(dte.fd, termios.TCSANOW, attributes)
    dte.set_speed(termios.B0)
    reactor.until(lambda: uart.outputs == Signals.NONE)
    assert uart.settings.rate == 19200
    dte.set_speed(termios.B2400)
    reactor.until(lambda: uart.outputs == BOTH and uart.settings.rate == 2400)
    dte.send(b"last words")
    dte.close()
    reactor.until(lambda: uart.outputs == Signals.NONE)
    assert uart.history[-2:] == [("write", b"last words"), ("signals", Signals.NONE)]
    uart.send(b"to nobody")
    again = Dte(link)
    reactor.until(lambda: uart.outputs == BOTH)
    again.silent(0.05)
    assert bridge.to_line.dropped == 9
    again.close()
    reactor.until(lambda: not bridge.at_line.up)
    reactor.wait_for(bridge.stop())
    reactor.run_for(0.02)


def test_a_speed_that_is_there_already_counts_as_well(reactor: Reactor, link: Path) -> None:
    """Whoever sets what the pseudo-terminal begins with changes nothing there, and means it all the same."""
    far = MemoryPort(reactor)
    port = PtyPort(reactor, str(link))
    bridge = Bridge(reactor, port, far, follows_line=True)
    bridge.start()
    begins = port.settings.rate
    assert far.uart.settings.rate != begins
    fd = os.open(link, os.O_RDWR | os.O_NOCTTY)
    reactor.until(lambda: far.uart.settings.rate == begins)
    os.close(fd)
    reactor.until(lambda: not bridge.at_line.up)
    reactor.wait_for(bridge.stop())
    reactor.run_for(0.02)


# -- the service ---


def test_a_lost_network_does_not_close_the_port(
    reactor: Reactor, make: Make, link: Path, host: Host, log: list[str]
) -> None:
    service = make()
    peer = host.answer() if not reactor.until(lambda: service.redirect.connected) else None
    assert peer is not None
    dte = Dte(link)
    dte.send(b"one")
    reactor.until(lambda: peer.pump(0))
    peer.reset()
    reactor.until(lambda: not service.redirect.connected)
    dte.send(b"two")
    taken = reactor.run_for(0.1)
    assert taken < 20
    reactor.until(lambda: service.redirect.connected)
    peer = host.answer()
    reactor.until(lambda: peer.pump(0))
    assert bytes(peer.buffer) == b"two"
    assert service.occupied
    dte.close()
    reactor.until(lambda: not service.occupied)
    where = f"tcp:127.0.0.1:{host.port}"
    missing = "neither settings nor DTR, RTS, CTS, DSR, DCD, RI go over"
    said = f"com1: pty:{link} has no circuits, and {where} carries bytes only: {missing}"
    assert [line for line in log if "neither settings" in line] == [said]
    assert service.summary == f"com1 on pty:{link}, to {where}"


@pytest.mark.parametrize(
    ("line", "to", "said"),
    [
        ("serial:/dev/none", "tcp:127.0.0.1:9", "neither settings nor CTS, DSR, DCD, RI of serial:/dev/none"),
        ("serial:/dev/none", "rfc2217:127.0.0.1:9", "DCD and RI of rfc2217:127.0.0.1:9 are not seen"),
        ("remote:127.0.0.1:9", "rfc2217:127.0.0.1:9", "DCD and RI of rfc2217:127.0.0.1:9 are not seen"),
        ("pty:{link}", "rfc2217:127.0.0.1:9", "CTS, DSR, DCD and RI of rfc2217:127.0.0.1:9 are not seen"),
    ],
)
def test_what_is_missing_is_said_once(
    make: Make, link: Path, log: list[str], line: str, to: str, said: str
) -> None:
    make(port=line.format(link=link), to=to)
    assert len([text for text in log if said in text]) == 1
    assert len([text for text in log if "CTS" in text or "RI " in text]) == 1


def test_status(reactor: Reactor, make: Make, host: Host) -> None:
    service = make()
    reactor.until(lambda: service.redirect.connected)
    assert service.status() == {
        "what": "redirect",
        "name": "com1",
        "state": "free, connected",
        "line": service.redirect.bridge.line.description,
        "target": f"tcp:127.0.0.1:{host.port}",
        "at line": {"where": service.redirect.bridge.line.description, "present": False, "circuits": []},
        "at target": {"where": f"tcp:127.0.0.1:{host.port}", "present": True},
        "to target": {"bytes": 0, "dropped": 0, "waiting": 0, "held up": False},
        "to line": {"bytes": 0, "dropped": 0, "waiting": 0, "held up": False},
    }


def test_packets(reactor: Reactor, make: Make, link: Path, host: Host) -> None:
    service = make(pack=Pack(max_size=4, idle=0))
    reactor.until(lambda: service.redirect.connected)
    peer, dte = host.answer(), Dte(link)
    dte.send(b"abcdef")
    reactor.until(lambda: peer.pump(0))
    reactor.run_for(0.05)
    peer.pump(0)
    assert bytes(peer.buffer) == b"abcd"
    config = RedirectConfig("com1", f"pty:{link}", f"tcp:127.0.0.1:{host.port}")
    assert service.is_same(config)
    service.apply(config)
    reactor.until(lambda: peer.pump(0))
    assert bytes(peer.buffer) == b"abcdef"
    assert not service.is_same(RedirectConfig("com1", f"pty:{link}", "tcp:127.0.0.1:1"))
    dte.close()
    reactor.until(lambda: not service.occupied)


def test_free(reactor: Reactor, make: Make, link: Path) -> None:
    service, told = make(), []
    service.when_free(lambda: told.append("at once"))
    dte = Dte(link)
    reactor.until(lambda: service.occupied)
    service.when_free(lambda: told.append("later"))
    assert told == ["at once"]
    dte.close()
    reactor.until(lambda: told == ["at once", "later"])


def test_what_cannot_be_had(reactor: Reactor, link: Path, tmp_path: Path) -> None:
    def service(**more: Any) -> RedirectService:
        return RedirectService(
            reactor, RedirectConfig(**{"name": "c", "port": f"pty:{link}", "to": "echo:", **more})
        )

    for more in ({"port": "pyt:x"}, {"to": "tcp:nowhere"}):
        with pytest.raises(StartError) as caught:
            service(**more)
        assert caught.value.code == 2
    link.write_text("mine")
    for more in ({}, {"capture": str(tmp_path / "none" / "c")}, {"capture": str(tmp_path)}):
        with pytest.raises(StartError) as caught:
            service(**more).start()
        assert caught.value.code == 69
        reactor.run_for(0.35)
    assert link.read_text() == "mine"
