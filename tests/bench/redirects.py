"""Many redirected ports in one process, to as many served ports in another.

The devices at the far end and the applications at the near one are opened here.
"""

from __future__ import annotations

import os
import random
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.helpers.ports import free_port

from .ends import End, open_terminal
from .process import PATIENCE_S, Failed, Program

#: Bytes through each port and way.
SIZE: Final = 1024


@dataclass
class Fleet:
    """Both processes, and the ends of every port: application and device."""

    server: Program
    redirector: Program
    ports: list[tuple[End, End]]

    def knock(self) -> None:
        """Wait until every port is connected and every device is known to be there: what is sent to one that
        is not is dropped."""
        limit = time.monotonic() + PATIENCE_S
        waiting = self.ports
        while waiting:
            if time.monotonic() > limit:
                raise Failed(f"{len(waiting)} of {len(self.ports)} ports are not connected")
            for application, _ in waiting:
                application.send(b"?")
            time.sleep(0.2)
            waiting = [ends for ends in waiting if not _read(ends[1])]
        time.sleep(0.2)
        for _, device in self.ports:
            _read(device)

    def exchange(self, source: random.Random) -> int:
        """Send through every port both ways at once; returns how many ways carried something else."""
        sent = [(source.randbytes(SIZE), source.randbytes(SIZE)) for _ in self.ports]
        for (application, device), (up, down) in zip(self.ports, sent, strict=True):
            application.send(up)
            device.send(down)
        wrong, room = 0, bytearray(SIZE)
        for (application, device), (up, down) in zip(self.ports, sent, strict=True):
            for end, data in ((device, up), (application, down)):
                end.fill(memoryview(room))
                wrong += room != data
        return wrong


def fleet(stack: ExitStack, folder: Path, count: int) -> Fleet:
    """Start them; ``stack`` ends them."""
    folder.mkdir(parents=True)
    numbers = [free_port() for _ in range(count)]
    served = [
        f'[port.p{at}]\nline = "pty:{folder}/d{at}"\nlisten = ["rfc2217:tcp:{number}:interface=127.0.0.1"]'
        for at, number in enumerate(numbers)
    ]
    redirected = [
        f'[redirect.r{at}]\nport = "pty:{folder}/a{at}"\nto = "rfc2217:127.0.0.1:{number}"'
        for at, number in enumerate(numbers)
    ]
    server = _run(stack, folder / "served", served)
    redirector = _run(stack, folder / "redirected", redirected)
    ports = []
    for at in range(count):
        ends = (open_terminal(folder / f"a{at}", redirector), open_terminal(folder / f"d{at}", server))
        for end in ends:
            stack.callback(end.close)
        ports.append(ends)
    return Fleet(server, redirector, ports)


def _run(stack: ExitStack, folder: Path, tables: list[str]) -> Program:
    folder.mkdir()
    file = folder / "vmodem.toml"
    file.write_text("\n".join(tables))
    state = str(folder / "state")
    command = [sys.executable, "-m", "vmodem", "run", "-c", str(file), "--state-dir", state]
    program = stack.enter_context(Program(command, folder))
    program.wait_for(b"vmodem: ready")
    return program


def _read(end: End) -> bytes:
    """What is there to be read."""
    try:
        return os.read(end.fd, 4096)
    except BlockingIOError:
        return b""


@dataclass(frozen=True)
class Figures:
    """What a fleet of ``count`` ports cost."""

    ready_s: float
    connected_s: float
    exchange_s: float
    cpu_ms: float
    redirector_kib: float
    server_kib: float
    wrong: int


def measure(folder: Path, count: int, rounds: int = 3) -> Figures:
    """Figures per port, against processes that have one port."""
    source = random.Random(count)
    with ExitStack() as stack:
        few = fleet(stack, folder / "one", 1)
        few.knock()
        few.exchange(source)
        base = [each.resident_mib() for each in (few.redirector, few.server)]
    with ExitStack() as stack:
        began = time.monotonic()
        many = fleet(stack, folder / "many", count)
        ready = time.monotonic()
        many.knock()
        connected = time.monotonic()
        wrong = many.exchange(source)
        first = time.monotonic()
        cpu_s = many.redirector.cpu_s()
        for _ in range(rounds):
            wrong += many.exchange(source)
        taken = (time.monotonic() - first) / rounds
        cpu_s = (many.redirector.cpu_s() - cpu_s) / rounds
        now = [each.resident_mib() for each in (many.redirector, many.server)]
    each = [1024 * (after - before) / max(1, count - 1) for before, after in zip(base, now, strict=True)]
    return Figures(ready - began, connected - ready, taken, 1000 * cpu_s / count, each[0], each[1], wrong)
