"""Clients of Network UPS Tools that others wrote, with our server and a UPS that the test makes up."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.certificates import Certificates
from tests.helpers.ports import free_port
from tests.helpers.programs import need
from tests.helpers.reactors import Reactor
from tests.helpers.upses import FakeDriver
from tests.helpers.upsprogram import Upsmon, python
from vmodem.app.upsdesk import Desk
from vmodem.app.upses import UpsService
from vmodem.config.schema import UpsConfig, UserConfig
from vmodem.ups.model import Outcome

pytestmark = pytest.mark.interop

USERS = {
    "boss": UserConfig("boss", "secret", "primary", ("SET", "FSD"), ("ALL", "load.off")),
    "mon": UserConfig("mon", "secret", "primary"),
    "clerk": UserConfig("clerk", "secret", instcmds=("beeper.toggle",)),
}


class Stage:
    """A server with two UPSes: ``rack`` works, ``attic`` is not there."""

    def __init__(self, reactor: Reactor, folder: Path, **more: Any) -> None:
        self.reactor = reactor
        self.folder = folder
        self.port = free_port()
        self.where = f"rack@127.0.0.1:{self.port}"
        self.desk = Desk(reactor)
        self.desk.configure(USERS)
        self.services: list[UpsService] = []
        for name, text in (("rack", 'the "rack" \xfc'), ("attic", "")):
            config = UpsConfig(
                name, "/dev/x", listen=(f"tcp:{self.port}:interface=127.0.0.1",), description=text, **more
            )
            service = UpsService(reactor, config, self.desk, lambda _, __, ups: FakeDriver(ups))
            service.start()
            self.services.append(service)
        self.driver: Any = self.services[0].ups.driver
        self.ups = self.services[0].ups
        self.ups.max_age_s = 3600.0  # what a test says holds until it says something else
        self.driver.fine()
        self.services[1].ups.port_gone("unplugged")
        self.processes: list[subprocess.Popen[str]] = []

    def run(self, *argv: str, timeout: float = 20, **more: Any) -> tuple[int, str, str]:
        """Run a client to its end, while the server works; exit status, output, errors."""
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more
        )
        self.processes.append(process)
        self.reactor.until(lambda: process.poll() is not None, timeout, f"{argv[0]} ends")
        out, err = process.communicate()
        return process.returncode, out, err

    def python(self, module: str, text: str) -> Any:
        """Run a client in Python; what it puts into ``found``."""
        return python(self.run, module, self.port, text)

    def start(self, *argv: str, env: dict[str, str] | None = None) -> subprocess.Popen[str]:
        """Run a client in the background."""
        process = subprocess.Popen(
            argv,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.processes.append(process)
        return process

    def stop(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            if process.stdout is not None and not process.stdout.closed:
                process.communicate()
        for service in self.services:
            self.reactor.wait_for(service.stop())
        self.reactor.until_idle()


@pytest.fixture
def stage(reactor: Reactor, tmp_path: Path) -> Iterator[Stage]:
    made = Stage(reactor, tmp_path)
    yield made
    made.stop()


# -- Debian's ---------------------------------------------------------------------------------------------


def test_upsc(stage: Stage) -> None:
    (upsc,) = need("upsc")
    assert stage.run(upsc, "-L", f"127.0.0.1:{stage.port}")[:2] == (
        0,
        "rack: the 'rack' ?\nattic: Description unavailable\n",
    )
    status, out, _ = stage.run(upsc, stage.where)
    assert status == 0
    values = dict(line.split(": ", 1) for line in out.splitlines())
    assert values == {**stage.ups.values()}
    assert stage.run(upsc, stage.where, "ups.status")[:2] == (0, "OL\n")
    assert stage.run(upsc, stage.where, "ups.foo")[0] == 1
    status, _, err = stage.run(upsc, stage.where.replace("rack", "attic"))
    assert (status, "Driver not connected" in err) == (1, True)
    stage.ups.stale("no answer")
    status, _, err = stage.run(upsc, stage.where, "ups.status")
    assert (status, "Data stale" in err) == (1, True)
    status, _, err = stage.run(upsc, stage.where.replace("rack", "nobody"))
    assert (status, "Unknown UPS" in err) == (1, True)


def test_upsc_over_tls(reactor: Reactor, tmp_path: Path) -> None:
    (upsc,) = need("upsc")
    own = Certificates(tmp_path).leaf("localhost", by=None)
    stage = Stage(reactor, tmp_path, cert=own.cert, key=own.key)
    status, out, err = stage.run(upsc, stage.where, "ups.load")
    assert (status, out) == (0, "14\n")
    assert "SSL" in err  # that it is encrypted, and not verified
    stage.stop()


def test_upscmd(stage: Stage) -> None:
    (upscmd,) = need("upscmd")
    status, out, _ = stage.run(upscmd, "-l", stage.where)
    assert (status, "load.off - Switch the load off at once" in out) == (0, True)
    boss = (upscmd, "-u", "boss", "-p", "secret")
    assert stage.run(*boss, stage.where, "test.battery.start", "10")[0] == 0
    assert stage.run(*boss, "-w", stage.where, "load.off")[0] == 0
    assert stage.driver.asked == [("test.battery.start", "10"), ("load.off", "")]
    status, _, err = stage.run(*boss, stage.where, "shutdown.return")
    assert (status, "denied" in err.lower()) == (1, True)
    status, _, err = stage.run(upscmd, "-u", "clerk", "-p", "secret", stage.where, "load.off")
    assert (status, "denied" in err.lower()) == (1, True)
    assert stage.run(upscmd, "-u", "clerk", "-p", "secret", stage.where, "beeper.toggle")[0] == 0
    status, _, err = stage.run(upscmd, "-u", "clerk", "-p", "wrong", stage.where, "beeper.toggle")
    assert (status, "denied" in err.lower()) == (1, True)
    stage.driver.outcome = Outcome.FAILED
    status, _, err = stage.run(*boss, stage.where, "load.off")
    assert status == 1
    assert len(stage.driver.asked) == 4


def test_upscmd_waits_for_the_outcome(stage: Stage) -> None:
    (upscmd,) = need("upscmd")
    stage.driver.outcome = None
    process = stage.start(upscmd, "-u", "boss", "-p", "secret", "-w", stage.where, "load.off")
    stage.reactor.until(lambda: stage.driver.waiting)
    stage.reactor.run_for(0.5)
    assert process.poll() is None
    stage.driver.waiting.pop()(Outcome.FAILED)
    stage.reactor.until(lambda: process.poll() is not None)
    assert "ERR FAILED" in process.communicate()[0]


def test_upsrw(stage: Stage) -> None:
    (upsrw,) = need("upsrw")
    status, out, _ = stage.run(upsrw, stage.where)
    assert status == 0
    for text in ("[ups.id]", "Type: STRING", "Maximum length: 8", 'Option: "disabled"', 'Option: "12-600"'):
        assert text in out
    boss = (upsrw, "-u", "boss", "-p", "secret")
    assert stage.run(*boss, "-s", "ups.id=NEW ID", stage.where)[0] == 0
    assert stage.run(*boss, "-w", "-s", "ups.delay.shutdown=60", stage.where)[0] == 0
    assert stage.driver.asked == [("ups.id", "NEW ID"), ("ups.delay.shutdown", "60")]
    assert stage.run(*boss, "-s", "ups.delay.shutdown=5", stage.where)[0] == 1
    assert stage.run(*boss, "-s", 'ups.id=a"b', stage.where)[0] == 1
    assert len(stage.driver.asked) == 2


def test_upsmon(stage: Stage) -> None:
    monitor = Upsmon(stage.reactor, stage.start, stage.folder, stage.where, "mon", "primary")
    monitor.wait_login(lambda: stage.ups.logins)
    stage.driver.fine("OB")
    monitor.wait("ONBATT")
    stage.driver.fine("OL")
    monitor.wait("ONBATT", "ONLINE")
    stage.ups.stale("no answer")
    monitor.wait("ONBATT", "ONLINE", "COMMBAD")
    assert len(stage.ups.logins) == 1
    stage.driver.fine("OL")
    monitor.wait("ONBATT", "ONLINE", "COMMBAD", "COMMOK")
    stage.ups.port_gone("unplugged")
    monitor.wait("ONBATT", "ONLINE", "COMMBAD", "COMMOK", "COMMBAD")
    stage.driver.fine("OL")
    monitor.wait("ONBATT", "ONLINE", "COMMBAD", "COMMOK", "COMMBAD", "COMMOK")
    assert not monitor.down.exists()
    stage.driver.fine("OB LB")
    stage.reactor.until(monitor.down.exists, 20, "upsmon shuts down")
    assert stage.ups.forced
    assert stage.ups.status == "FSD OB LB"
    stage.reactor.until(lambda: not stage.ups.logins, 20, "the login is released")


def test_upsmon_when_the_server_is_away_for_a_while(stage: Stage) -> None:
    monitor = Upsmon(stage.reactor, stage.start, stage.folder, stage.where, "mon", "primary")
    monitor.wait_login(lambda: stage.ups.logins)
    (service, other) = stage.services
    for each in (service, other):
        each.release(None)
    monitor.wait("COMMBAD")
    for each in (service, other):
        each.apply(each.config)
    # It says ONLINE at the same moment, by another process.
    stage.reactor.until(lambda: "COMMOK" in monitor.told, 20, "upsmon is back")
    stage.reactor.until(lambda: len(stage.ups.logins) == 1)


# -- from the Python package index --------------------------------------------------------------------------


def test_pynutclient(stage: Stage) -> None:
    found = stage.python(
        "PyNUTClient",
        """
from PyNUTClient.PyNUT import PyNUTClient
import PyNUTClient.PyNUT as module
text = lambda value: json.loads(json.dumps(value, default=repr)) if not isinstance(value, dict) else {
    k.decode(): (v.decode() if isinstance(v, bytes) else repr(v)) for k, v in value.items()}
client = PyNUTClient(port=PORT, login="boss", password="secret")
found["list"] = text(client.GetUPSList())
found["vars"] = text(client.GetUPSVars("rack"))
found["rw"] = text(client.GetRWVars("rack"))
found["commands"] = text(client.GetUPSCommands("rack"))
found["available"] = client.CheckUPSAvailable("rack"), client.CheckUPSAvailable("attic")
found["set"] = client.SetRWVar("rack", "ups.id", "NEW")
found["run"] = client.RunUPSCommand("rack", "beeper.toggle")
found["help"], found["ver"] = client.help().decode(), client.ver().decode()
try:
    client.GetUPSVars("attic")
except module.PyNUTError as exc:
    found["error"] = str(exc)
""",
    )
    assert found["list"] == {"rack": "the 'rack' ?", "attic": "Description unavailable"}
    assert found["vars"] == {**stage.ups.values(), "ups.id": "RACK"}
    assert set(found["rw"]) == {"ups.beeper.status", "ups.delay.shutdown", "ups.id"}
    assert set(found["commands"]) == {"load.off", "shutdown.return", "beeper.toggle", "test.battery.start"}
    assert found["available"] == [True, False]
    assert "DRIVER-NOT-CONNECTED" in found["error"]
    assert stage.driver.asked == [("ups.id", "NEW"), ("beeper.toggle", "")]


@pytest.mark.machine  # no package mends it
@pytest.mark.skipif(sys.version_info >= (3, 13), reason="nut2 needs telnetlib to be installed at all")
def test_nut2(stage: Stage) -> None:
    found = stage.python(
        "nut2",
        """
import nut2
client = nut2.PyNUTClient(port=PORT, login="boss", password="secret")
found["list"] = client.list_ups()
found["vars"] = client.list_vars("rack")
found["rw"] = client.list_rw_vars("rack")
found["commands"] = client.list_commands("rack")
found["enum"] = client.list_enum("rack", "ups.beeper.status")
found["range"] = client.list_range("rack", "ups.delay.shutdown")
found["description"] = client.description("rack")
found["var"] = client.get_var("rack", "ups.load")
found["type"] = client.var_type("rack", "ups.id")
found["desc"] = client.var_description("rack", "ups.load")
found["cmddesc"] = client.command_description("rack", "load.off")
found["logins"] = client.num_logins("rack")
client.set_var("rack", "ups.id", "NEW")
client.run_command("rack", "beeper.toggle")
client.fsd("rack")
found["status"] = client.get_var("rack", "ups.status")
try:
    client.list_vars("attic")
except nut2.PyNUTError as exc:
    found["error"] = str(exc)
""",
    )
    assert found["list"] == {"rack": "the 'rack' ?", "attic": "Description unavailable"}
    assert found["vars"]["ups.load"] == found["var"] == "14"
    assert set(found["rw"]) == {"ups.beeper.status", "ups.delay.shutdown", "ups.id"}
    assert found["commands"]["load.off"] == found["cmddesc"] == "Switch the load off at once"
    assert found["enum"] == ["enabled", "disabled"]
    assert (found["description"], found["logins"], found["type"]) == ("the 'rack' ?", 0, "RW STRING:8")
    assert found["status"] == "FSD OL"
    assert "DRIVER-NOT-CONNECTED" in found["error"]
    assert stage.driver.asked == [("ups.id", "NEW"), ("beeper.toggle", "")]


@pytest.mark.machine  # no package mends it
@pytest.mark.skipif(sys.version_info < (3, 11), reason="aionut has no release for this Python")
def test_aionut(stage: Stage) -> None:
    found = stage.python(
        "aionut",
        """
import asyncio, aionut

async def main():
    client = aionut.AIONUTClient("127.0.0.1", PORT, "clerk", "secret")
    found["list"] = await client.list_ups()
    found["vars"] = await client.list_vars("rack")
    found["commands"] = sorted(await client.list_commands("rack"))
    found["description"] = await client.description("rack")
    await client.run_command("rack", "beeper.toggle")
    for command, place in (("load.off", "denied"), ("frobnicate", "unknown")):
        try:
            await client.run_command("rack", command)
        except aionut.NUTError as exc:
            found[place] = str(exc)
    try:
        await client.list_vars("attic")
    except aionut.NUTError as exc:
        found["error"] = str(exc)
    client.shutdown()
    many = [aionut.AIONUTClient("127.0.0.1", PORT, persistent=False) for _ in range(50)]
    found["many"] = [v["ups.status"] for v in await asyncio.gather(*(c.list_vars("rack") for c in many))]

asyncio.run(main())
""",
    )
    assert found["list"] == {"rack": "the 'rack' ?", "attic": "Description unavailable"}
    assert found["vars"] == stage.ups.values()
    assert found["commands"] == ["beeper.toggle", "load.off", "shutdown.return", "test.battery.start"]
    assert found["description"] == "the 'rack' ?"
    assert "ACCESS-DENIED" in found["denied"]
    assert "CMD-NOT-SUPPORTED" in found["unknown"]
    assert "DRIVER-NOT-CONNECTED" in found["error"]
    assert found["many"] == ["OL"] * 50
    assert stage.driver.asked == [("beeper.toggle", "")]
