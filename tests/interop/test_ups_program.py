"""The UPS monitor as a user runs it: the real program, made-up UPSes on real lines, the real clients."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.reactors import Reactor
from tests.helpers.upslines import ApcUps, MegatecUps, PinServer, PtyEnd
from tests.helpers.upsprogram import Upsmon, UpsProgram
from vmodem.port.base import INPUTS, OUTPUTS, Signals
from vmodem.ups.cables import Cable, cable

pytestmark = pytest.mark.interop

#: How often UPSes are asked here, in seconds; what befalls one is seen within this and half a second.
POLL_S = 1.0
SOON_S = POLL_S + 0.5

Start = Callable[..., UpsProgram]


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
def ends(reactor: Reactor) -> Iterator[list[Any]]:
    """Simulated ends of lines, to be closed when all is over."""
    made: list[Any] = []
    yield made
    for each in made:
        each.close()
    # What was still on its way to them.
    own = set(reactor._internalReaders)
    reactor.until(lambda: not set(reactor.getReaders()) - own)


def talking(
    reactor: Reactor, folder: Path, ends: list[Any], kind: str, name: str = "rack", **more: str
) -> tuple[Any, PtyEnd, str]:
    """A UPS that talks, its line, and the table that describes it."""
    device = MegatecUps(reactor) if kind == "megatec" else ApcUps(reactor)
    end = PtyEnd(reactor, device, folder / f"tty-{name}")
    ends.append(end)
    keys = "".join(f"{key} = {text}\n" for key, text in more.items())
    head = f'[ups.{name}]\nline = "serial:{end.link}"\ndriver = "{kind}"\n'
    return device, end, f'{head}poll = {POLL_S}\nlisten = "LISTEN"\n{keys}'


def set_mains(device: Any, on: bool, low: bool = False) -> None:
    """Mains fails or is back, as the UPS tells when it is asked."""
    if isinstance(device, MegatecUps):
        device.mains(on, low)
    else:
        device.status = (0x08 if on else 0x10) | (0x40 if low else 0)


# -- UPSes that talk, and Debian's clients -------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["megatec", "apcsmart"])
def test_viewers_and_commands(
    reactor: Reactor, tmp_path: Path, start: Start, ends: list[Any], kind: str
) -> None:
    device, _, text = talking(reactor, tmp_path, ends, kind, description="'the \"rack\" \u00fc'")
    program = start(text)
    program.until("OL", 8)
    reactor.until(lambda: {"ups.firmware", "battery.charge"} <= set(program.values()), 15)
    assert program.debian("upsc", "-L", f"127.0.0.1:{program.port}") == (0, "rack: the 'rack' ?\n")
    values = program.values()
    assert (values["ups.status"], values["driver.name"], values["device.type"]) == ("OL", kind, "ups")
    assert values["battery.charge"] in ("100", "100.0")
    reactor.until(lambda: "shutdown.return" in program.debian("upscmd", "-l", program.where())[1], 15)
    listed = program.debian("upscmd", "-l", program.where())[1]
    assert "shutdown.return - Switch the load off, and on again when mains is back" in listed
    # Without a right nothing reaches the line, not even for one who may do all else.
    before = len(device.heard)
    for user, password, command in (
        ("clerk", "secret", "shutdown.return"),
        ("clerk", "secret", "load.off"),
        ("boss", "secret", "load.off"),
        ("boss", "wrong", "test.battery.start"),
        ("nobody", "secret", "test.battery.start"),
    ):
        code, said = program.upscmd(command, user=user, password=password)
        assert (code, "ACCESS-DENIED" in said) == (1, True)
    reads = {b"Q1", b"F", b"I"} if kind == "megatec" else {bytes((c,)) for c in b"Qabn\x01cxfjPLOBFCMNG9X"}
    assert set(device.heard[before:]) <= reads
    # With it, it does.
    assert program.upscmd("test.battery.start") == (0, "SUCCESS\n")
    assert program.upscmd("shutdown.return") == (0, "SUCCESS\n")
    if kind == "megatec":
        assert [each for each in device.heard if each not in reads] == [b"T10", b"C", b"S.5R0003"]
        assert program.upsrw("ups.delay.shutdown=60") == (0, "SUCCESS\n")
        assert program.upscmd("test.battery.start", "12") == (0, "SUCCESS\n")
        assert program.upscmd("test.battery.start", "many")[0] == 1
        reactor.until(lambda: device.heard[-1] == b"Q1")
        assert [each for each in device.heard if each not in reads][3:] == [b"T12"]
        # What it refuses (and echoes) is not acknowledged.
        device.refuses.add(b"T10")
        assert program.upscmd("test.battery.start") == (0, "ERR FAILED\n")
        bad = ("ups.delay.shutdown=5", "ups.delay.shutdown=1e2", "ups.load=5")
    else:
        assert device.done == ["W", "hibernate 000"]
        assert program.upsrw("ups.id=CELLAR") == (0, "SUCCESS\n")
        assert device.variables[b"c"] == b"CELLAR"
        assert program.upsrw("input.transfer.high=136") == (0, "SUCCESS\n")
        written = device.written
        assert program.upsrw("input.transfer.high=136") == (0, "SUCCESS\n")
        assert device.written == written  # the EEPROM wears
        bad = ("input.transfer.high=137", "ups.id=MUCH TOO LONG", "ups.load=5")
    heard = len(device.heard)
    for change in bad:
        assert program.upsrw(change)[0] == 1
    assert program.upsrw("ups.delay.shutdown=60", user="clerk")[0] == 1
    reactor.run_for(POLL_S)
    assert set(device.heard[heard:]) <= reads | {b"l", b"u", b"i", b"h", b"t", b"/", b"g"}
    assert "boss at 127.0.0.1" in program.log
    assert "secret" not in program.log
    assert "wrong name or password" in program.log


@pytest.mark.parametrize("kind", ["megatec", "apcsmart"])
def test_upsmon(reactor: Reactor, tmp_path: Path, start: Start, ends: list[Any], kind: str) -> None:
    """Communications established, lost, re-established; mains lost; and the end."""
    device, end, text = talking(reactor, tmp_path, ends, kind)
    device.dead = True
    program = start(text)
    monitor = Upsmon(reactor, program.start, tmp_path, program.where(), "boss", "primary")
    monitor.wait("COMMBAD")
    asker = program.client()
    device.dead = False
    monitor.wait("COMMBAD", "COMMOK")
    monitor.wait_login(lambda: asker.ask("LIST CLIENT rack").count("CLIENT rack 127.0.0.1"))
    told = ["COMMBAD", "COMMOK"]
    set_mains(device, False)
    monitor.wait(*(told := [*told, "ONBATT"]))
    set_mains(device, True)
    monitor.wait(*(told := [*told, "ONLINE"]))
    end.unplug()
    monitor.wait(*(told := [*told, "COMMBAD"]))
    assert asker.ask("GET VAR rack ups.status") == "ERR DRIVER-NOT-CONNECTED"
    device.smart = False
    end.plug()
    monitor.wait(*(told := [*told, "COMMOK"]))
    device.dead = True
    monitor.wait(*(told := [*told, "COMMBAD"]), timeout=30)
    assert asker.ask("GET VAR rack ups.status") == "ERR DATA-STALE"
    device.dead = False
    monitor.wait(*(told := [*told, "COMMOK"]))
    assert "CLIENT rack 127.0.0.1" in asker.ask("LIST CLIENT rack")  # the login has outlived it all
    assert not monitor.down.exists()
    set_mains(device, False, low=True)
    reactor.until(monitor.down.exists, 20, "upsmon shuts down")
    assert program.upsc("ups.status") == "FSD OB LB"
    reactor.until(lambda: asker.ask("LIST CLIENT rack").count("\n") == 1, 20, "the login is released")
    assert program.status("rack")["forced"] is True


@pytest.mark.parametrize("kind", ["megatec", "apcsmart"])
def test_mains_fails_and_a_client_sees_it(
    reactor: Reactor, tmp_path: Path, start: Start, ends: list[Any], kind: str
) -> None:
    device, _, text = talking(reactor, tmp_path, ends, kind)
    program = start(text)
    program.until("OL", 8)
    reactor.run_for(8)  # all of its variables are being asked for
    for pause in (0.0, 0.37, 0.81):
        set_mains(device, False)
        program.until("OB", SOON_S)
        reactor.run_for(pause)
        set_mains(device, False, low=True)
        program.until("OB LB", SOON_S)
        set_mains(device, True)
        program.until("OL", SOON_S)
        reactor.run_for(pause)
    if kind == "apcsmart":
        device.status = 0x10
        device.alert(b"!")
        assert program.until("OB", SOON_S) < 0.4


# -- UPSes on circuits ---------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("number", [1, 4, 5, 7, 9, 11, 13, 18, 23])
def test_each_cable(reactor: Reactor, start: Start, ends: list[Any], number: int) -> None:
    """Behind somebody else's RFC 2217 port, with clients of all kinds watching."""
    row = cable(number)
    server = PinServer(reactor, pins(row, online=True))
    ends.append(server)
    program = start(
        f'[ups.rack]\nline = "remote:127.0.0.1:{server.port}"\ndriver = "contact"\ncable = {number}\n'
        f'poll = {POLL_S}\nlisten = "LISTEN"\n'
    )
    program.until("OL", 5)
    power = {"dtr": Signals.DTR in row.power, "rts": Signals.RTS in row.power}
    assert server.outputs == power
    assert program.upsc("ups.mfr") == row.maker
    assert program.status("rack")["details"]["circuits"] in ("none", *_said(server))
    server.put(pins(row, online=False))
    program.until("OB", SOON_S)
    server.put(pins(row, online=False, low=True))
    program.until("OB LB", SOON_S + POLL_S)
    assert program.upsc("ups.status") == "OB LB"
    code, said = program.upscmd("shutdown.return", user="clerk")
    assert (code, "ACCESS-DENIED" in said or "CMD-NOT-SUPPORTED" in said) == (1, True)
    assert server.outputs == power
    if row.kill is None:
        assert "CMD-NOT-SUPPORTED" in program.upscmd("shutdown.return")[1]
        assert server.outputs == power
        return
    client = program.client()
    for line in ("USERNAME boss", "PASSWORD secret", "INSTCMD rack shutdown.return"):
        assert client.ask(line) == "OK"
    if row.kill.by_break:
        reactor.until(lambda: "break on" in server.story)
    else:
        wanted = {"dtr": Signals.DTR in row.kill.on, "rts": Signals.RTS in row.kill.on}
        reactor.until(lambda: server.outputs == wanted, 5)
        assert client.ask("INSTCMD rack shutdown.return") == "ERR INSTCMD-FAILED"  # it is being held
    reactor.run_for(0.5)
    program.process.send_signal(signal.SIGTERM)
    reactor.until(lambda: program.process.poll() is not None, 2)
    assert server.outputs == power  # the UPS is not held down by a program that has ended


def _said(server: PinServer) -> list[str]:
    names = [str(each.name) for each in INPUTS if each & server._inputs]
    return [" ".join(names)]


def test_contact_communications(reactor: Reactor, tmp_path: Path, start: Start, ends: list[Any]) -> None:
    row = cable(7)
    server = PinServer(reactor, pins(row, online=True))
    ends.append(server)
    program = start(
        "",
        *("--line", f"remote:127.0.0.1:{server.port}", "--driver", "contact", "--cable", "7"),
        *("--cable-override", "serial=4711", "--poll", "1", "--listen", "LISTEN", "--name", "rack"),
        *("--description", "from arguments", "--hook", f"onbatt=touch {tmp_path}/onbatt"),
    )
    program.until("OL", 5)
    values = program.values()
    assert (values["ups.serial"], values["driver.parameter.pollinterval"]) == ("4711", "1")
    assert program.client().ask("GET UPSDESC rack") == 'UPSDESC rack "from arguments"'
    server.put(pins(row, online=False))
    program.until("OB", SOON_S)
    reactor.until((tmp_path / "onbatt").exists)
    server.mute = True
    program.until("ERR DATA-STALE", 15)
    server.mute = False
    program.until("OB", 8)
    server.hang_up()
    program.until("ERR DRIVER-NOT-CONNECTED", 2)
    program.until("OB", 8)
    assert program.client().ask("INSTCMD rack shutdown.return") == "ERR USERNAME-REQUIRED"
    assert OUTPUTS & row.power == Signals.RTS
    assert server.outputs == {"dtr": False, "rts": True}


# -- clients from the Python package index -------------------------------------------------------------------

PYNUTCLIENT = """
from PyNUTClient.PyNUT import PyNUTClient, PyNUTError
client = PyNUTClient(port=PORT, login="boss", password="secret")
found["list"] = {k.decode(): v.decode() for k, v in client.GetUPSList().items()}
found["status"] = client.GetUPSVars("rack")[b"ups.status"].decode()
found["commands"] = sorted(k.decode() for k in client.GetUPSCommands("rack"))
found["set"] = client.SetRWVar("rack", "ups.delay.shutdown", "60")
found["run"] = client.RunUPSCommand("rack", "beeper.toggle")
for command in ("load.off", "frobnicate"):
    try:
        client.RunUPSCommand("rack", command)
    except PyNUTError as exc:
        found[command] = str(exc)
"""
NUT2 = """
import nut2
client = nut2.PyNUTClient(port=PORT, login="boss", password="secret")
found["list"] = client.list_ups()
found["status"] = client.list_vars("rack")["ups.status"]
found["commands"] = sorted(client.list_commands("rack"))
client.set_var("rack", "ups.delay.shutdown", "60")
client.run_command("rack", "beeper.toggle")
for command in ("load.off", "frobnicate"):
    try:
        client.run_command("rack", command)
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
    await client.run_command("rack", "beeper.toggle")
    for command in ("load.off", "frobnicate"):
        try:
            await client.run_command("rack", command)
        except aionut.NUTError as exc:
            found[command] = str(exc)

asyncio.run(main())
"""


def test_clients_in_python(reactor: Reactor, tmp_path: Path, start: Start, ends: list[Any]) -> None:
    device, _, text = talking(reactor, tmp_path, ends, "megatec", description="'the \"rack\" \u00fc'")
    program = start(text)
    program.until("OL", 5)
    clients = {"PyNUTClient": PYNUTCLIENT, "aionut": AIONUT}
    if reactor_has_telnetlib():
        clients["nut2"] = NUT2
    for module, code in clients.items():
        found = program.python(module, code)
        assert found["list"] == {"rack": "the 'rack' ?"}
        assert found["status"] == "OL"
        assert "test.battery.start.quick" in found["commands"]
        assert "ACCESS-DENIED" in found["load.off"]
        assert "CMD-NOT-SUPPORTED" in found["frobnicate"]
    reactor.until(lambda: device.heard.count(b"Q") == len(clients))
    assert not any(each.startswith(b"S") for each in device.heard)
    reactor.until(lambda: program.upsc("ups.delay.shutdown") == "60")


def reactor_has_telnetlib() -> bool:
    """nut2 cannot even be installed where there is none."""
    import sys

    return sys.version_info < (3, 13)


# -- several, changes, ends ----------------------------------------------------------------------------------


def test_one_of_several_is_dead(reactor: Reactor, tmp_path: Path, start: Start, ends: list[Any]) -> None:
    _, end, one = talking(reactor, tmp_path, ends, "megatec")
    _, _, two = talking(reactor, tmp_path, ends, "apcsmart", "cellar")
    program = start(one + two + '[ups.attic]\nline = "/dev/ttyVMODEM9"\nlisten = "LISTEN"\n')
    program.until("OL", 8)
    program.until("OL", 8, "cellar")
    assert program.upsc(name="attic") == "Error: Driver not connected"
    listed = program.client().ask("LIST UPS").splitlines()
    assert [line.split()[1] for line in listed[1:-1]] == ["rack", "cellar", "attic"]
    assert {program.status(name)["state"] for name in ("rack", "cellar", "attic")} == {"OL", "gone"}
    end.unplug()
    program.until("ERR DRIVER-NOT-CONNECTED", 2)
    assert program.upsc("ups.status", name="cellar") == "OL"
    assert "ready: 3 UPSes" in program.log
    table = program.run(*program._own("status"))[1]
    assert [line.split()[2] for line in table.splitlines()[1:]] == ["gone", "OL", "gone"]


def test_status_and_hooks(reactor: Reactor, tmp_path: Path, start: Start, ends: list[Any]) -> None:
    note = tmp_path / "note"
    note.write_text(f'#!/bin/sh\necho "$NOTIFYTYPE $UPSNAME $UPSSTATUS $*" >>{tmp_path}/told\n')
    note.chmod(0o755)
    events = ("onbatt", "online", "lowbatt", "commbad", "commok", "fsd", "shutdown")
    hooks = ", ".join(f"{event} = \"{note} '{event} is so'\"" for event in events)
    device, end, text = talking(reactor, tmp_path, ends, "megatec", hooks="{" + hooks + "}")
    program = start(text)
    program.until("OL", 8)
    found = program.status("rack")
    assert [found[key] for key in ("what", "health", "state", "driver")] == ["ups", "fine", "OL", "megatec"]
    assert found["variables"]["input.voltage"] == "226.0"
    assert "shutdown.return" in found["commands"]
    assert found["listening"] == [f"tcp 127.0.0.1:{program.port}"]
    device.mains(False)
    program.until("OB", SOON_S)
    device.mains(True)
    program.until("OL", SOON_S)
    end.unplug()
    program.until("ERR DRIVER-NOT-CONNECTED", 2)
    assert (program.status("rack")["state"], program.status("rack")["variables"]) == ("gone", {})
    device.mains(False, low=True)
    end.plug()
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


def test_reload(reactor: Reactor, tmp_path: Path, start: Start, ends: list[Any]) -> None:
    """A UPS comes, changes and goes; clients of the others notice nothing."""
    _, _, one = talking(reactor, tmp_path, ends, "megatec")
    _, _, two = talking(reactor, tmp_path, ends, "apcsmart", "cellar")
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
    program.file.write_text("[ups.cellar]\nline = 5\n")
    code, _, err = program.run(*program._own("reload"))
    assert (code != 0, "ups.cellar.line" in err) == (True, True)
    assert client.ask("GET VAR cellar ups.status") == 'VAR cellar ups.status "OL"'


def test_the_end(reactor: Reactor, tmp_path: Path, start: Start, ends: list[Any]) -> None:
    """SIGTERM in the middle of everything."""
    device, _, text = talking(reactor, tmp_path, ends, "apcsmart", hooks="{ onbatt = '/bin/sleep 60' }")
    program = start(text)
    program.until("OL", 8)
    clients = [program.client() for _ in range(20)]
    for client in clients[:10]:
        client.send(b"LIST VAR rack\n" * 2000)  # and never read
    device.status = 0x10
    program.until("OB", SOON_S)
    began = reactor.seconds()
    program.process.send_signal(signal.SIGTERM)
    reactor.until(lambda: program.process.poll() is not None, 2, "it ends within 2 s")
    assert reactor.seconds() - began < 2
    assert program.process.returncode == 0
    assert device.heard[-1] == b"R"  # the UPS is as it was found
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


def test_bad_input(reactor: Reactor, tmp_path: Path, start: Start, ends: list[Any]) -> None:
    """Each is answered, on one connection, which stays."""
    device, _, text = talking(reactor, tmp_path, ends, "megatec")
    program = start(text)
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
    assert not {b"S00R0000", b"C"} & set(device.heard)
    assert program.process.poll() is None
    assert "\x1b" not in program.log


def test_a_thousand_connections(reactor: Reactor, tmp_path: Path, start: Start, ends: list[Any]) -> None:
    device, _, text = talking(reactor, tmp_path, ends, "megatec")
    program = start(text)
    program.until("OL", 5)
    many = [program.client() for _ in range(1000)]
    for client in many:
        client.send(b"GET VAR rack ups.status\n")
    for client in many:
        assert client.reply() == 'VAR rack ups.status "OL"'
    # Who comes now is told so, and the UPS is still being asked.
    device.mains(False)
    assert program.status("rack")["sessions"] == 1000
    reactor.until(lambda: many[-1].ask("GET VAR rack ups.status") == 'VAR rack ups.status "OB"', 5)
    more = [program.client() for _ in range(30)]
    answers = [client.ask("GET VAR rack ups.status") for client in more]
    assert answers == ['VAR rack ups.status "OB"'] * 24 + ["ERR ACCESS-DENIED"] * 6
    for client in (*many, *more):
        client.close()
    program.clients.clear()
    reactor.until(lambda: program.status("rack")["sessions"] == 0)
    program.until("OB", 1)


def test_memory_stays_as_it_is(reactor: Reactor, tmp_path: Path, start: Start, ends: list[Any]) -> None:
    _, _, text = talking(reactor, tmp_path, ends, "megatec")
    program = start(text)
    program.until("OL", 5)

    def work() -> None:
        for _ in range(100):
            client = program.client()
            client.send(
                b"USERNAME boss\nPASSWORD secret\nSET TRACKING ON\nLOGIN rack\n" + b"LIST VAR rack\n" * 20
                + b"SET VAR rack ups.delay.shutdown 60\n" * 5 + b"LOGOUT\n" + b"x" * 6000
            )  # fmt: skip
            reactor.until(client.left)
            program.clients.remove(client)
            client.close()

    work()
    before = program.resident
    for _ in range(4):
        work()
    assert program.resident - before < 2 << 20
    assert program.status("rack")["logins"] == []
