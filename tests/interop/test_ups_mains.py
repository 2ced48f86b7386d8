"""Mains, communications, and the machines that are fed: how soon each is told what befalls a UPS."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.helpers.reactors import Reactor
from tests.helpers.upsprogram import Upsmon
from tests.helpers.upsrack import KINDS, POLL_S, SOON_S, VIEWERS, Make, Start, rack, start
from vmodem.port.base import Signals

__all__ = ["rack", "start"]

pytestmark = pytest.mark.interop


@pytest.mark.parametrize("kind", KINDS)
def test_how_soon(reactor: Reactor, start: Start, rack: Make, kind: str) -> None:
    """What befalls a UPS is seen within one poll and half a second; that it is silent, before it is a lie."""
    ups = rack(kind)
    program = start(ups.text)
    program.until("OL", 8)
    reactor.run_for(6)  # all of its variables are being asked for
    for pause in (0.0, 0.37, 0.81):
        ups.mains(False)
        program.until("OB", SOON_S)
        reactor.run_for(pause)
        ups.mains(False, low=True)
        # A low battery on a circuit is believed when two readings say so.
        program.until("OB LB", SOON_S + (POLL_S if kind == "contact" else 0))
        ups.mains(True)
        program.until("OL", SOON_S)
        reactor.run_for(pause)
    if kind == "apcsmart":
        ups.mains(False)
        ups.device.alert(b"!")
        assert program.until("OB", SOON_S) < 0.4
    ups.mains(False)
    program.until("OB", SOON_S)
    ups.silent(True)
    program.until("ERR DATA-STALE", 15)
    ups.mains(False, low=True)
    ups.silent(False)
    program.until("OB LB", 6)
    ups.unplug()
    program.until("ERR DRIVER-NOT-CONNECTED", 1)
    ups.mains(True)
    ups.plug()
    program.until("OL", 6)


@pytest.mark.parametrize("kind", KINDS)
def test_upsmon(reactor: Reactor, tmp_path: Path, start: Start, rack: Make, kind: str) -> None:
    """Communications established, lost, re-established; mains lost; and the end."""
    ups = rack(kind)
    ups.silent(True)
    program = start(ups.text)
    monitor = Upsmon(reactor, program.start, tmp_path, program.where(), "boss", "primary")
    monitor.wait("COMMBAD")
    asker = program.client()
    ups.silent(False)
    if kind == "contact":
        ups.unplug()  # what the server had heard by then it never answers
    monitor.wait("COMMBAD", "COMMOK")
    monitor.wait_login(lambda: asker.ask("LIST CLIENT rack").count("CLIENT rack 127.0.0.1"))
    told = ["COMMBAD", "COMMOK"]

    def then(event: str, timeout: float = 20) -> None:
        told.append(event)
        monitor.wait(*told, timeout=timeout)

    ups.mains(False)
    then("ONBATT")
    ups.mains(True)
    then("ONLINE")
    ups.silent(True)
    then("COMMBAD", 30)
    ups.silent(False)
    then("COMMOK")
    if kind != "contact":  # whose server is back before upsmon asks again
        ups.unplug()
        then("COMMBAD")
        assert asker.ask("GET VAR rack ups.status") == "ERR DRIVER-NOT-CONNECTED"
        ups.plug()
        then("COMMOK")
    assert "CLIENT rack 127.0.0.1" in asker.ask("LIST CLIENT rack")  # the login has outlived it all
    assert not monitor.down.exists()
    ups.mains(False, low=True)
    reactor.until(monitor.down.exists, 20, "upsmon shuts down")
    assert program.upsc("ups.status") == "FSD OB LB"
    reactor.until(lambda: asker.ask("LIST CLIENT rack").count("\n") == 1, 20, "the login is released")
    assert program.status("rack")["forced"] is True


@pytest.mark.parametrize("number", [1, 4, 5, 7, 9, 13, 18, 23])
def test_each_cable(reactor: Reactor, tmp_path: Path, start: Start, rack: Make, number: int) -> None:
    """Behind somebody else's RFC 2217 port, with upsmon, Debian's tools and those in Python watching."""
    ups = rack("contact", cable=str(number))
    row, server = ups.row, ups.device
    program = start(ups.text)
    program.until("OL", 5)
    power = {"dtr": Signals.DTR in row.power, "rts": Signals.RTS in row.power}
    assert server.outputs == power
    assert program.values()["ups.mfr"] == row.maker
    assert program.debian("upsrw", program.where()) == (0, "")
    monitor = Upsmon(reactor, program.start, tmp_path, program.where(), "boss", "primary")
    asker = program.client()
    monitor.wait_login(lambda: asker.ask("LIST CLIENT rack").count("CLIENT rack 127.0.0.1"))
    ups.mains(False)
    program.until("OB", SOON_S)
    monitor.wait("ONBATT")
    for module, code in VIEWERS.items():
        assert program.python(module, code)["status"] == "OB", module
    status, said = program.upscmd("shutdown.return", user="clerk")
    assert (status, ("CMD-NOT-SUPPORTED" if row.kill is None else "ACCESS-DENIED") in said) == (1, True)
    assert server.outputs == power
    client = program.client()
    for line in ("USERNAME boss", "PASSWORD secret"):
        assert client.ask(line) == "OK"
    if row.kill is None:
        assert client.ask("INSTCMD rack shutdown.return") == "ERR CMD-NOT-SUPPORTED"
    else:
        assert client.ask("INSTCMD rack shutdown.return") == "OK"
        wanted = {"dtr": Signals.DTR in row.kill.on, "rts": Signals.RTS in row.kill.on}
        if row.kill.by_break:
            reactor.until(lambda: server.story[-1] == "+break", 5)
        else:
            reactor.until(lambda: server.outputs == wanted, 5)
        assert client.ask("INSTCMD rack shutdown.return") == "ERR INSTCMD-FAILED"  # it is being held
        program.process.send_signal(signal.SIGTERM)
        reactor.until(lambda: program.process.poll() is not None, 2)
        assert server.outputs == power  # a program that has ended does not hold the UPS down
        assert "+break" not in server.story[-1:]
