"""Made-up UPSes of every kind on their lines, and the program that watches them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.reactors import Reactor
from tests.helpers.upslines import ApcUps, MegatecUps, PinServer, PtyEnd
from tests.helpers.upsprogram import UpsProgram
from vmodem.port.base import INPUTS, Signals
from vmodem.ups.cables import Cable, cable

#: How often UPSes are asked here, in seconds; what befalls one is seen within this and half a second.
POLL_S = 1.0
SOON_S = POLL_S + 0.5

KINDS = ("megatec", "apcsmart", "contact")

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
