"""The UPS monitor as a user runs it: the real program, made-up UPSes on real lines, the real clients."""

from __future__ import annotations

import signal
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.certificates import Certificates
from tests.helpers.reactors import Reactor
from tests.helpers.upslines import ApcUps, MegatecUps, PinServer, PtyEnd
from tests.helpers.upsprogram import Upsmon, UpsProgram
from vmodem.port.base import INPUTS, Signals
from vmodem.ups.cables import Cable, cable

pytestmark = pytest.mark.interop

#: How often UPSes are asked here, in seconds; what befalls one is seen within this and half a second.
POLL_S = 1.0
SOON_S = POLL_S + 0.5

#: What the Python clients of a UPS can have done, by kind: a command, and a change of a variable.
DONE = {
    "megatec": ("beeper.toggle", "ups.delay.shutdown=60"),
    "apcsmart": ("test.panel.start", "input.transfer.high=136"),
    "contact": ("shutdown.return", ""),
}
KINDS = tuple(DONE)

Start = Callable[..., UpsProgram]
Make = Callable[..., "Rack"]


@pytest.fixture
def start(reactor: Reactor, tmp_path: Path) -> Iterator[Start]:
    """Starts the program, once, with these tables or arguments."""
    made: list[UpsProgram] = []

    def begin(text: str = "", *arguments: str) -> UpsProgram:
        made.append(UpsProgram(reactor, tmp_path, text, *arguments))
        return made[-1]

    yield begin
    for each in made:
        each.stop()


@pytest.fixture
def rack(reactor: Reactor, tmp_path: Path) -> Iterator[Callable[..., Rack]]:
    """Makes UPSes."""
    made: list[Rack] = []

    def make(kind: str, name: str = "rack", **more: str) -> Rack:
        made.append(Rack(reactor, tmp_path, kind, name, **more))
        return made[-1]

    yield make
    for each in made:
        each.close()


class Rack:
    """A made-up UPS of any kind on its line; ``text`` is the table that describes it."""

    def __init__(self, reactor: Reactor, folder: Path, kind: str, name: str = "rack", **more: str) -> None:
        self.device: Any
        self.reads: set[bytes] = set()  # requests that change nothing
        if kind == "contact":
            self.row = cable(int(more.setdefault("cable", "7")))
            self.device = PinServer(reactor, pins(self.row, online=True))
            line = f"remote:127.0.0.1:{self.device.port}"
        else:
            self.device = MegatecUps(reactor) if kind == "megatec" else ApcUps(reactor)
            self.end = PtyEnd(reactor, self.device, folder / f"tty-{name}")
            line = f"serial:{self.end.link}"
            self.reads = {b"Q1", b"F", b"I"}
        if kind == "apcsmart":
            self.reads = {*self.device.variables, b"Q", b"a", b"Y", b"\x1a"}
        self.kind = kind
        keys = {"line": f'"{line}"', "driver": f'"{kind}"', "poll": str(POLL_S), "listen": '"LISTEN"', **more}
        self.text = f"[ups.{name}]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items())

    def mains(self, on: bool, low: bool = False) -> None:
        """Mains fails or is back, as the UPS tells when it is asked."""
        if self.kind == "contact":
            self.device.put(pins(self.row, online=on, low=low))
        elif self.kind == "megatec":
            self.device.mains(on, low)
        else:
            self.device.status = (0x08 if on else 0x10) | (0x40 if low else 0)

    def silent(self, dead: bool) -> None:
        """The UPS (or the server that has its port) says nothing more, or speaks again."""
        if self.kind == "contact":
            self.device.mute = dead
        else:
            self.device.dead = dead

    def unplug(self) -> None:
        """Its port is gone; that of a server is back by itself."""
        if self.kind == "contact":
            self.device.hang_up()
        else:
            self.end.unplug()

    def plug(self) -> None:
        """Its port is back."""
        if self.kind != "contact":
            self.device.smart = False
            self.end.plug()

    @property
    def changes(self) -> list[bytes]:
        """Requests that changed something."""
        return [each for each in self.device.heard if each not in self.reads]

    def close(self) -> None:
        (self.device if self.kind == "contact" else self.end).close()


def pins(row: Cable, *, online: bool, low: bool = False) -> Signals:
    """The circuits of a UPS that is so."""
    found = Signals.NONE
    for test, holds in (
        (row.online, online),
        (row.low, low),
        (row.replace_battery, False),
        (row.bypass, False),
    ):
        if test is not None and test.asserted is holds:
            found |= test.circuit
    return found & INPUTS


# -- viewers, commands, settings -----------------------------------------------------------------------------


def test_megatec(reactor: Reactor, start: Start, rack: Make) -> None:
    """What Debian's clients see and do, and what of it reaches the line."""
    ups = rack("megatec", description="'the \"rack\" \u00fc'")
    device = ups.device
    device.vendor = b"#" + b'AC"ME'.ljust(15) + b" " + b"R#1 \\".ljust(10) + b" " + b"V1.02".ljust(10)
    program = start(ups.text)
    program.until("OL", 8)
    reactor.until(lambda: "battery.charge" in program.values(), 15)
    values = program.values()
    assert (values["ups.mfr"], values["device.model"], values["battery.voltage"]) == (
        "AC'ME",
        "R?1 /",
        "27.5",
    )
    assert program.debian("upsc", "-L", f"127.0.0.1:{program.port}") == (0, "rack: the 'rack' ?\n")
    listed = program.debian("upscmd", "-l", program.where())[1]
    assert "shutdown.return - Switch the load off, and on again when mains is back" in listed
    refused(program, ups)
    assert program.upscmd("test.battery.start") == (0, "SUCCESS\n")
    assert program.upscmd("test.battery.start", "12") == (0, "SUCCESS\n")
    assert program.upscmd("test.battery.start", "many")[0] == 1
    assert program.upscmd("shutdown.return") == (0, "SUCCESS\n")
    assert ups.changes == [b"T10", b"T12", b"C", b"S.5R0003"]
    # What it refuses (and echoes) is not acknowledged, and what it may have done is not called done.
    device.refuses.add(b"T10")
    assert program.upscmd("test.battery.start") == (0, "ERR FAILED\n")
    device.unanswered.add(b"Q1")
    assert program.upscmd("shutdown.stop") == (0, "ERR UNKNOWN\n")
    device.unanswered.clear()
    program.until("OL", 15)
    assert program.upsrw("ups.delay.shutdown=60") == (0, "SUCCESS\n")
    assert program.values()["ups.delay.shutdown"] == "60"
    changes = ups.changes
    for change in ("ups.delay.shutdown=5", "ups.delay.shutdown=1e2", "ups.load=5", "ups.nothing=5"):
        assert program.upsrw(change)[0] == 1
    assert program.upsrw("ups.delay.shutdown=30", user="clerk")[0] == 1
    assert ups.changes == changes


def test_apcsmart(reactor: Reactor, start: Start, rack: Make) -> None:
    ups = rack("apcsmart")
    device = ups.device
    program = start(ups.text)
    program.until("OL", 8)
    reactor.until(lambda: "shutdown.return" in program.debian("upscmd", "-l", program.where())[1], 15)
    reactor.until(lambda: program.values().get("battery.runtime") == "19620", 15)
    assert program.upsc("ups.model") == "SMART-UPS 700"
    refused(program, ups)
    assert program.upscmd("test.battery.start") == (0, "SUCCESS\n")
    assert program.upscmd("shutdown.return") == (0, "SUCCESS\n")
    assert device.done == ["W", "hibernate 000"]
    assert program.upscmd("test.battery.start", "12")[0] == 1  # it has no minutes
    assert program.upsrw("ups.id=CELLAR") == (0, "SUCCESS\n")
    assert device.variables[b"c"] == b"CELLAR"
    assert program.upsrw("input.transfer.high=136") == (0, "SUCCESS\n")
    written = device.written
    assert program.upsrw("input.transfer.high=136") == (0, "SUCCESS\n")
    for change in ("input.transfer.high=137", "ups.id=MUCH TOO LONG", "ups.load=5"):
        assert program.upsrw(change)[0] == 1
    assert device.written == written  # the EEPROM wears
    assert device.done == ["W", "hibernate 000"]


def refused(program: UpsProgram, ups: Rack) -> None:
    """Without a right nothing reaches the line, not even for one who may do all else."""
    for user, password, command in (
        ("clerk", "secret", "shutdown.return"),
        ("clerk", "secret", "load.off"),
        ("boss", "secret", "load.off"),
        ("boss", "wrong", "test.battery.start"),
        ("nobody", "secret", "test.battery.start"),
    ):
        code, said = program.upscmd(command, user=user, password=password)
        assert (code, "ACCESS-DENIED" in said) == (1, True)
    assert ups.changes == []
    assert "refused load.off of rack: no right to" in program.log
    assert "wrong name or password" in program.log
    assert "secret" not in program.log


# -- mains, communications, and the machines that are fed ----------------------------------------------------


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


def test_from_arguments(reactor: Reactor, tmp_path: Path, start: Start, rack: Make) -> None:
    ups = rack("contact")
    own = Certificates(tmp_path).leaf("localhost", by=None)
    program = start(
        "",
        *("--line", f"remote:127.0.0.1:{ups.device.port}", "--driver", "contact", "--cable", "7"),
        *("--cable-override", "serial=4711", "--poll", "0.01", "--listen", "LISTEN", "--name", "rack"),
        *("--description", "in the attic", "--hook", f"onbatt=touch {tmp_path}/onbatt"),
        *("--cert", str(own.cert), "--key", str(own.key)),
    )
    program.until("OL", 5)
    values = program.values()
    assert (values["ups.serial"], values["driver.parameter.pollinterval"]) == ("4711", "0.2")
    assert "Connected" in program.debian("upsc", program.where(), "ups.status")[1]  # by TLS
    assert program.client().ask("GET UPSDESC rack") == 'UPSDESC rack "in the attic"'
    ups.mains(False)
    program.until("OB", SOON_S)
    reactor.until((tmp_path / "onbatt").exists)
    assert program.client().ask("INSTCMD rack shutdown.return") == "ERR USERNAME-REQUIRED"


# -- clients from the Python package index -------------------------------------------------------------------

PYNUTCLIENT = """
from PyNUTClient.PyNUT import PyNUTClient, PyNUTError
client = PyNUTClient(port=PORT, login="boss", password="secret")
found["list"] = {k.decode(): v.decode() for k, v in client.GetUPSList().items()}
found["status"] = client.GetUPSVars("rack")[b"ups.status"].decode()
found["commands"] = sorted(k.decode() for k in client.GetUPSCommands("rack"))
if CHANGE:
    client.SetRWVar("rack", *CHANGE.split("="))
for command in COMMANDS:
    try:
        client.RunUPSCommand("rack", command)
        found[command] = "OK"
    except PyNUTError as exc:
        found[command] = str(exc)
"""
NUT2 = """
import nut2
client = nut2.PyNUTClient(port=PORT, login="boss", password="secret")
found["list"] = client.list_ups()
found["status"] = client.list_vars("rack")["ups.status"]
found["commands"] = sorted(client.list_commands("rack"))
if CHANGE:
    client.set_var("rack", *CHANGE.split("="))
for command in COMMANDS:
    try:
        client.run_command("rack", command)
        found[command] = "OK"
    except nut2.PyNUTError as exc:
        found[command] = str(exc)
"""
AIONUT = """
import asyncio, aionut

async def main():
    client = aionut.AIONUTClient("127.0.0.1", PORT, "boss", "secret")
    found["list"] = await client.list_ups()
    found["status"] = (await client.list_vars("rack"))["ups.status"]
    found["commands"] = sorted(await client.list_commands("rack"))
    for command in COMMANDS:
        try:
            await client.run_command("rack", command)
            found[command] = "OK"
        except aionut.NUTError as exc:
            found[command] = str(exc)
    client.shutdown()

asyncio.run(main())
"""
#: aionut has no release for older ones; nut2 cannot even be installed where there is no telnetlib.
CLIENTS = (
    {"PyNUTClient": PYNUTCLIENT}
    | ({"aionut": AIONUT} if sys.version_info >= (3, 11) else {})
    | ({"nut2": NUT2} if sys.version_info < (3, 13) else {})
)
VIEWERS = {module: f"CHANGE, COMMANDS = '', ()\n{code}" for module, code in CLIENTS.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_clients_in_python(reactor: Reactor, start: Start, rack: Make, kind: str) -> None:
    ups = rack(kind, description="'the \"rack\" \u00fc'")
    program = start(ups.text)
    program.until("OL", 8)
    command, change = DONE[kind]
    client = program.client()
    reactor.until(lambda: f"CMD rack {command}\n" in client.ask("LIST CMD rack"), 15)
    if change:
        variable, _, value = change.partition("=")
        reactor.until(lambda: f"RW rack {variable} " in client.ask("LIST RW rack"), 15)
    for module, code in CLIENTS.items():
        commands = (command, "load.off", "frobnicate")
        found = program.python(module, f"CHANGE, COMMANDS = {change!r}, {commands!r}\n{code}")
        assert found["list"] == {"rack": "the 'rack' ?"}
        assert found["status"] == "OL"
        assert command in found["commands"]
        if kind == "contact":
            assert "CMD-NOT-SUPPORTED" in found["load.off"]
            # The kill line is being held, for the first one who asked.
            assert found[command] == "OK" or "INSTCMD-FAILED" in found[command]
        else:
            assert found[command] == "OK"
            assert "ACCESS-DENIED" in found["load.off"]
        assert "CMD-NOT-SUPPORTED" in found["frobnicate"]
    if kind == "contact":
        assert ups.device.story.count("+dtr") == 1
        return
    reactor.until(lambda: client.ask(f"GET VAR rack {variable}") == f'VAR rack {variable} "{value}"')
    done = {"megatec": b"Q", "apcsmart": b"A"}[kind]
    reactor.until(lambda: ups.device.heard.count(done) == len(CLIENTS))
    assert not {b"S00R0000", b"Z"} & set(ups.device.heard)


# -- several, changes, ends ----------------------------------------------------------------------------------


def test_one_of_several_is_dead(reactor: Reactor, start: Start, rack: Make) -> None:
    one, two = rack("megatec"), rack("apcsmart", "cellar")
    program = start(one.text + two.text + '[ups.attic]\nline = "/dev/ttyVMODEM9"\nlisten = "LISTEN"\n')
    program.until("OL", 8)
    program.until("OL", 8, "cellar")
    assert program.upsc(name="attic") == "Error: Driver not connected"
    listed = program.client().ask("LIST UPS").splitlines()
    assert [line.split()[1] for line in listed[1:-1]] == ["rack", "cellar", "attic"]
    one.unplug()
    program.until("ERR DRIVER-NOT-CONNECTED", 1)
    assert program.upsc("ups.status", name="cellar") == "OL"
    assert "ready: 3 UPSes" in program.log
    table = program.run(*program.own("status"))[1]
    assert [line.split()[2] for line in table.splitlines()[1:]] == ["gone", "OL", "gone"]


def test_status_and_hooks(reactor: Reactor, tmp_path: Path, start: Start, rack: Make) -> None:
    note = tmp_path / "note"
    note.write_text(f'#!/bin/sh\necho "$NOTIFYTYPE $UPSNAME $UPSSTATUS $*" >>{tmp_path}/told\n')
    note.chmod(0o755)
    events = ("onbatt", "online", "lowbatt", "commbad", "commok", "fsd", "shutdown")
    hooks = ", ".join(f"{event} = \"{note} '{event} is so'\"" for event in events)
    ups = rack("megatec", hooks="{" + hooks + "}")
    program = start(ups.text)
    program.until("OL", 8)
    found = program.status("rack")
    assert [found[key] for key in ("what", "health", "state", "driver")] == ["ups", "fine", "OL", "megatec"]
    assert found["variables"]["input.voltage"] == "226.0"
    assert "shutdown.return" in found["commands"]
    assert found["listening"] == [f"tcp 127.0.0.1:{program.port}"]
    ups.mains(False)
    program.until("OB", SOON_S)
    ups.mains(True)
    program.until("OL", SOON_S)
    ups.unplug()
    program.until("ERR DRIVER-NOT-CONNECTED", 1)
    assert (program.status("rack")["state"], program.status("rack")["variables"]) == ("gone", {})
    ups.mains(False, low=True)
    ups.plug()
    told = tmp_path / "told"
    lines = [
        "ONBATT rack OB onbatt is so",
        "ONLINE rack OL online is so",
        "COMMBAD rack  commbad is so",
        "COMMOK rack OB LB commok is so",
        "ONBATT rack OB LB onbatt is so",
        "LOWBATT rack OB LB lowbatt is so",
        "SHUTDOWN rack OB LB shutdown is so",
    ]
    reactor.until(lambda: told.exists() and told.read_text().splitlines() == lines, 10, "the programs ran")


def test_reload(start: Start, rack: Make) -> None:
    """A UPS comes, changes and goes; clients of the others notice nothing."""
    one, two = rack("megatec").text, rack("apcsmart", "cellar").text
    program = start(one)
    program.until("OL", 8)
    client = program.client()
    for line in ("USERNAME boss", "PASSWORD secret", "LOGIN rack"):
        assert client.ask(line) == "OK"
    program.reload(one + two)
    program.until("OL", 8, "cellar")
    assert client.ask("GET NUMLOGINS rack") == "NUMLOGINS rack 1"
    assert "UPS cellar" in client.ask("LIST UPS")
    program.reload(one.replace("poll = 1.0", "poll = 0.5\ndescription = 'moved'") + two)
    program.until("OL", 8)
    assert client.ask("GET UPSDESC rack") == 'UPSDESC rack "moved"'
    assert client.ask("GET NUMLOGINS rack") == "NUMLOGINS rack 1"
    program.reload(two)
    assert client.ask("GET VAR rack ups.status") == "ERR UNKNOWN-UPS"
    assert client.ask("GET VAR cellar ups.status") == 'VAR cellar ups.status "OL"'
    assert client.ask("LIST UPS").count("\nUPS ") == 1
    program.write(two + 'cable = 7\noptions = { no-vndor = "yes" }\n')
    code, _, err = program.run(*program.own("reload"))
    assert (code != 0, "ups.cellar.cable" in err, "no-vndor" in err) == (True, True, True)
    assert client.ask("GET VAR cellar ups.status") == 'VAR cellar ups.status "OL"'


def test_the_end(reactor: Reactor, start: Start, rack: Make) -> None:
    """SIGTERM while a program runs, and clients ask and ask and do not read."""
    ups = rack("apcsmart", hooks="{ onbatt = '/bin/sleep 60' }")
    program = start(ups.text)
    program.until("OL", 8)
    for client in [program.client() for _ in range(20)]:
        client.send(b"LIST VAR rack\n" * 2000)
    ups.mains(False)
    program.until("OB", SOON_S)
    program.process.send_signal(signal.SIGTERM)
    reactor.until(lambda: program.process.poll() is not None, 2, "it ends within 2 s")
    assert program.process.returncode == 0
    assert ups.device.heard[-1] == b"R"  # the UPS is as it was found
    with socket.socket() as sock:
        assert sock.connect_ex(("127.0.0.1", program.port)) != 0


# -- hostile clients -----------------------------------------------------------------------------------------

#: What somebody may send, and what is answered.
BAD = (
    (b'GET VAR rack "ups.status\n', "ERR INVALID-ARGUMENT"),
    (b'GET VAR "rack ups.status\r\n', "ERR INVALID-ARGUMENT"),
    (b'"\n', "ERR INVALID-ARGUMENT"),
    (b'SET VAR rack ups.id "a#b"\n', "ERR INVALID-ARGUMENT"),
    (b"\n", "ERR UNKNOWN-COMMAND"),
    (b"\r\n", "ERR UNKNOWN-COMMAND"),
    (b"# nothing\n", "ERR UNKNOWN-COMMAND"),
    (b"\x00\xff\x1b[2J\n", "ERR UNKNOWN-COMMAND"),
    (b"GET\n", "ERR INVALID-ARGUMENT"),
    (b"LIST\n", "ERR INVALID-ARGUMENT"),
    (b"GET VAR rack\r\n", "ERR INVALID-ARGUMENT"),
    (b"GET VAR rack " + b"x" * 513 + b"\n", "ERR INVALID-ARGUMENT"),
    (b"a " * 40 + b"\n", "ERR INVALID-ARGUMENT"),
    (b"x" * (1 << 20) + b"\n", "ERR INVALID-ARGUMENT"),
    (b"\\\n" * (1 << 18) + b"VER\n", "Network UPS Tools protocol"),
    (b'"' * (1 << 20) + b"\n", "ERR INVALID-ARGUMENT"),
    (b"LOGIN rack\n", "ERR USERNAME-REQUIRED"),
    (b"FSD rack\n", "ERR USERNAME-REQUIRED"),
    (b"INSTCMD rack load.off\n", "ERR USERNAME-REQUIRED"),
    (b"SET VAR rack ups.delay.shutdown 60\n", "ERR USERNAME-REQUIRED"),
    (b"USERNAME boss\n", "OK"),
    (b"FSD rack\n", "ERR PASSWORD-REQUIRED"),
    (b"PASSWORD wrong\n", "OK"),
    (b"FSD rack\r\n", "ERR ACCESS-DENIED"),
    (b"INSTCMD rack load.off\n", "ERR ACCESS-DENIED"),
    (b"INSTCMD rack shutdown.return\n", "ERR ACCESS-DENIED"),
    (b"SET VAR rack ups.delay.shutdown 60\n", "ERR ACCESS-DENIED"),
    (b"get var RACK ups.STATUS\r\n", 'VAR RACK ups.STATUS "OL"'),
)


def test_bad_input(reactor: Reactor, start: Start, rack: Make) -> None:
    """Each is answered, on one connection, which stays."""
    ups = rack("megatec")
    program = start(ups.text)
    program.until("OL", 5)
    client = program.client()
    for line, answer in BAD:
        sent = 0
        while sent < len(line):
            try:
                sent += client.sock.send(line[sent : sent + 65536])
            except BlockingIOError:
                reactor.run_for(0.01)
        assert client.reply(20).startswith(answer), line[:80]
    assert ups.changes == []
    assert program.process.poll() is None
    assert "\x1b" not in program.log


def test_a_thousand_connections(reactor: Reactor, start: Start, rack: Make) -> None:
    ups = rack("megatec")
    program = start(ups.text)
    program.until("OL", 5)
    many = [program.client() for _ in range(1000)]
    for client in many:
        client.send(b"GET VAR rack ups.status\n")
    for client in many:
        assert client.reply() == 'VAR rack ups.status "OL"'
    ups.mains(False)
    assert program.status("rack")["sessions"] == 1000
    reactor.until(lambda: many[-1].ask("GET VAR rack ups.status") == 'VAR rack ups.status "OB"')
    # Who comes when there are too many is told so.
    more = [program.client() for _ in range(30)]
    answers = [client.ask("GET VAR rack ups.status") for client in more]
    assert answers == ['VAR rack ups.status "OB"'] * 24 + ["ERR ACCESS-DENIED"] * 6
    for client in program.clients:
        client.close()
    program.clients.clear()
    reactor.until(lambda: program.status("rack")["sessions"] == 0)
    program.until("OB", 1)


def test_memory_stays_as_it_is(reactor: Reactor, start: Start, rack: Make) -> None:
    program = start(rack("megatec").text)
    program.until("OL", 5)
    story = (
        b"USERNAME boss\nPASSWORD secret\nSET TRACKING ON\nLOGIN rack\n",
        b"LIST VAR rack\n" * 20,
        b"SET VAR rack ups.delay.shutdown 60\n" * 5,
        b"LOGOUT\n",
        b"x" * 6000,
    )

    def work(times: int) -> None:
        for _ in range(times):
            client = program.client()
            client.send(b"".join(story))
            reactor.until(client.left)
            program.clients.remove(client)
            client.close()

    work(250)  # more changes than are remembered
    before = program.resident
    work(500)
    assert program.resident - before < 1 << 20
    assert program.status("rack")["logins"] == []
