"""The UPS monitor as a user runs it: the real program, made-up UPSes on real lines, the real clients."""

from __future__ import annotations

import signal
import socket
from pathlib import Path

import pytest

from tests.helpers.certificates import Certificates
from tests.helpers.reactors import Reactor
from tests.helpers.upsprogram import UpsProgram
from tests.helpers.upsrack import CLIENTS, KINDS, SOON_S, Make, Rack, Start, rack, start

__all__ = ["rack", "start"]

pytestmark = pytest.mark.interop

#: What the Python clients of a UPS can have done, by kind: a command, and a change of a variable.
DONE = {
    "megatec": ("beeper.toggle", "ups.delay.shutdown=60"),
    "apcsmart": ("test.panel.start", "input.transfer.high=136"),
    "contact": ("shutdown.return", ""),
}


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
