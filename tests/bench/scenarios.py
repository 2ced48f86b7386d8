"""What is measured.  Each scenario yields tables; nothing here judges a figure."""

from __future__ import annotations

import hashlib
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from .ends import End, Host, Worker, open_terminal
from .process import Failed, Program, environment, vmodem
from .redirects import SIZE, measure
from .report import Table, ratio
from .sides import Joined, Peers, serve

MIB: Final = 1 << 20


@dataclass
class Plan:
    """How much is done."""

    folder: Path
    peers: Peers
    rounds: int
    quick: bool

    def count(self, full: int, quick: int) -> int:
        """How often, or how long, in a full run and in a quick one."""
        return quick if self.quick else full

    def turns(self, limit_s: float) -> Iterator[int]:
        """The rounds; none is begun later than ``limit_s`` seconds after the first."""
        limit = time.monotonic() + limit_s
        for number in range(self.rounds):
            if number and time.monotonic() > limit:
                print(f"bench: no time for more than {number} rounds", file=sys.stderr)
                return
            yield number


def percentile(values: list[float], part: float) -> float:
    """The value that ``part`` (0 to 1) of ``values`` stay below."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


# -- start ---------------------------------------------------------------------------------------------


def start(plan: Plan) -> Iterator[Table]:
    """From nothing to the first OK, and what an idle modem costs."""
    python = [sys.executable, "-c"]
    commands = {
        "python, nothing imported": [*python, "pass"],
        "python, Twisted's reactor imported": [*python, "import twisted.internet.reactor"],
        "vmodem --version": [sys.executable, "-m", "vmodem", "--version"],
    }
    times: dict[str, list[float]] = {what: [] for what in [*commands, "vmodem: ready", "first OK"]}
    _first_ok_s(plan.folder / "warm")  # has the modules compiled and the disk read
    for number in plan.turns(30):
        for what, command in commands.items():
            times[what].append(_wall_s(command, plan.folder))
        times["vmodem: ready"].append(_ready_s(plan.folder / f"ready{number}"))
        times["first OK"].append(_first_ok_s(plan.folder / f"first{number}"))
    table = Table("start: wall time from the start of the process", ("", "median ms", "least ms", "goal ms"))
    goals = {"vmodem --version": 80, "vmodem: ready": 400}
    for what, seconds in times.items():
        table.add(what, 1000 * median(seconds), 1000 * min(seconds), goals.get(what))
    yield table

    table = Table("idle: one modem on a pseudo-terminal", ("", "figure", "goal"))
    pause_s = plan.count(5, 2)
    with ExitStack() as stack:
        folder = plan.folder / "idle"
        folder.mkdir()
        link = folder / "line"
        command = vmodem(folder, "--line", f"pty:{link}", "--no-answer")
        program = stack.enter_context(Program(command, folder))
        program.wait_for(b"vmodem: ready")
        time.sleep(0.3)
        table.add("resident memory, MiB", program.resident_mib(), 45)
        table.add("threads", program.threads(), 1)
        table.add("wake-ups/s, nobody attached", _wake_ups(program, pause_s), 0)
        dte = open_terminal(link, program)
        stack.callback(dte.close)
        dte.send(b"AT\r")
        dte.expect(b"OK\r\n")
        table.add("wake-ups/s, terminal equipment attached", _wake_ups(program, pause_s), 0)
        with Host() as host:
            dte.send(b"ATDT127.0.0.1:%d\r" % host.port)
            net = host.accept()
            stack.callback(net.close)
            dte.expect(b"CONNECT")
            table.add("wake-ups/s, in a silent call", _wake_ups(program, pause_s), None)
    yield table


def _wall_s(command: list[str], folder: Path) -> float:
    began = time.monotonic()
    subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True, timeout=30, check=True)
    return time.monotonic() - began


def _ready_s(folder: Path) -> float:
    folder.mkdir()
    with Program(vmodem(folder, "--line", f"pty:{folder / 'line'}", "--no-answer"), folder) as program:
        return program.wait_for(b"vmodem: ready")


def _first_ok_s(folder: Path) -> float:
    folder.mkdir()
    with Program(vmodem(folder, "--line", f"pty:{folder / 'line'}", "--no-answer"), folder) as program:
        dte = open_terminal(folder / "line", program)
        try:
            dte.send(b"AT\r")
            dte.expect(b"OK\r\n")
            return time.monotonic() - program.started
        finally:
            dte.close()


def _wake_ups(program: Program, seconds: float) -> float:
    time.sleep(0.2)
    before = program.wake_ups()
    time.sleep(seconds)
    return (program.wake_ups() - before) / seconds


# -- at ------------------------------------------------------------------------------------------------


def at(plan: Plan) -> Iterator[Table]:
    """Commands and their results, one after the other."""
    count = plan.count(2000, 500)
    table = Table(
        "at: command to OK on a pseudo-terminal, one after the other",
        ("command", "p50 us", "p99 us", "CPU us each"),
    )
    with ExitStack() as stack:
        program, dte = serve(stack, plan.folder / "at", "--no-answer")
        for command in (b"AT\r", b"ATE0V1Q0\r", b"ATS0=0S7=60&D2\r"):
            results = [_commands(program, dte, command, count) for _ in plan.turns(5)]
            table.add(command.decode().strip(), *(median(column) for column in zip(*results, strict=True)))
    yield table


def _commands(program: Program, dte: End, command: bytes, count: int) -> tuple[float, float, float]:
    times = []
    before = program.cpu_s()
    for _ in range(count):
        began = time.perf_counter()
        dte.send(command)
        dte.expect(b"OK\r\n")
        times.append(time.perf_counter() - began)
    cpu_s = program.cpu_s() - before
    return 1e6 * median(times), 1e6 * percentile(times, 0.99), 1e6 * cpu_s / count


# -- call ----------------------------------------------------------------------------------------------


def call(plan: Plan) -> Iterator[Table]:
    """Calls in a row on one modem; the far end hangs up."""
    count = plan.count(300, 60)
    table = Table(
        f"call: {count} calls in a row, dialled, and ended by the far end",
        ("", "dial to CONNECT p50 ms", "p99 ms", "calls/s", "CPU ms each", "descriptors before", "after"),
    )
    with ExitStack() as stack:
        program, dte = serve(stack, plan.folder / "call", "--no-answer")
        host = stack.enter_context(Host())
        for _ in range(5):  # what is made once and kept
            _one_call(dte, host)
        before, cpu_s, began = program.descriptors(), program.cpu_s(), time.monotonic()
        times = [_one_call(dte, host) for _ in range(count)]
        taken, cpu_s = time.monotonic() - began, program.cpu_s() - cpu_s
        time.sleep(0.1)
        table.add(
            "vmodem",
            1000 * median(times),
            1000 * percentile(times, 0.99),
            count / taken,
            1000 * cpu_s / count,
            before,
            program.descriptors(),
        )
    yield table


def _one_call(dte: End, host: Host) -> float:
    began = time.perf_counter()
    dte.send(b"ATDT127.0.0.1:%d\r" % host.port)
    net = host.accept()
    try:
        dte.expect(b"CONNECT")
        taken = time.perf_counter() - began
        dte.expect(b"\r\n")
    finally:
        net.close()
    dte.expect(b"NO CARRIER\r\n")
    return taken


# -- bulk ----------------------------------------------------------------------------------------------

_WAYS: Final = ("DTE to net", "net to DTE", "both at once")


def bulk(plan: Plan) -> Iterator[Table]:
    """Many bytes through a call."""
    for line, size in (("pty", plan.count(32, 8) * MIB), ("tcp", plan.count(256, 64) * MIB)):
        source = random.Random(size)
        data = b"".join(source.randbytes(MIB) for _ in range(size // MIB))
        room = memoryview(bytearray(b"\0") * (2 * size))
        figures: dict[tuple[str, str], list[tuple[float, float]]] = {}
        with ExitStack() as stack:
            joined = [
                plan.peers.join(stack, side, line, plan.folder / f"bulk-{line}-{side}")
                for side in plan.peers.sides
            ]
            for _ in plan.turns(40):
                for way in _WAYS:
                    for each in joined:
                        figures.setdefault((way, each.side), []).append(_transfer(each, way, data, room))
                joined = [*joined[1:], joined[0]]  # nobody always goes first
        table = Table(
            f"bulk: {size // MIB} MiB through a call, line {line}",
            ("", "side", "MB/s", "CPU s/GB", "CPU vs limit", "CPU vs socat", "MB/s vs limit"),
        )
        for way in _WAYS:
            middle = {
                side: tuple(median(column) for column in zip(*figures[way, side], strict=True))
                for side in plan.peers.sides
            }
            for side in plan.peers.sides:
                speed, cost = middle[side]
                others = [ratio(figures, way, side, peer, 1) for peer in ("limit", "socat")]
                table.add(way, side, speed, cost, *others, ratio(figures, way, side, "limit", 0))
        yield table


def _transfer(joined: Joined, way: str, data: bytes, room: memoryview) -> tuple[float, float]:
    """Send ``data`` one way or both; returns MB/s and CPU seconds per GB."""
    rooms = room[: len(data)], room[len(data) :]
    wanted = hashlib.sha256(data).digest()
    room[::4096] = bytes(len(room[::4096]))  # what the last transfer left must not pass for this one's
    dte, net = joined.dte, joined.net
    ways: list[tuple[End, End, memoryview]] = []
    if way != "net to DTE":
        ways.append((dte, net, rooms[0]))
    if way != "DTE to net":
        ways.append((net, dte, rooms[1]))
    before, began = joined.program.cpu_s(), time.monotonic()
    receivers = [Worker(to.fill, into) for _, to, into in ways]
    senders = [Worker(source.send, data) for source, _, _ in ways]
    for worker in (*senders, *receivers):
        worker.finish()
    taken = max(worker.ended for worker in receivers) - began
    cpu_s = joined.program.cpu_s() - before
    for _, _, into in ways:
        if hashlib.sha256(into).digest() != wanted:
            raise Failed(f"{joined.side}, {way}: the data did not arrive as it was sent")
    moved = len(data) * len(ways)
    return moved / taken / 1e6, cpu_s / moved * 1e9


# -- latency -------------------------------------------------------------------------------------------


def latency(plan: Plan) -> Iterator[Table]:
    """A few bytes to the far end and back."""
    count = plan.count(3000, 500)
    sizes = (1, 64)
    for line in ("pty", "tcp"):
        figures: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
        with ExitStack() as stack:
            joined = [
                plan.peers.join(stack, side, line, plan.folder / f"latency-{line}-{side}")
                for side in plan.peers.sides
            ]
            for _ in plan.turns(15):
                for size in sizes:
                    for each in joined:
                        figures.setdefault((f"{size} B", each.side), []).append(_echoes(each, size, count))
                joined = [*joined[1:], joined[0]]
        table = Table(
            f"latency: to the far end and back, line {line}",
            ("", "side", "p50 us", "p99 us", "CPU us", "p50 vs limit", "CPU vs limit", "CPU vs socat"),
        )
        for what in (f"{size} B" for size in sizes):
            for side in plan.peers.sides:
                table.add(
                    what,
                    side,
                    *(median(column) for column in zip(*figures[what, side], strict=True)),
                    ratio(figures, what, side, "limit", 0),
                    ratio(figures, what, side, "limit", 2),
                    ratio(figures, what, side, "socat", 2),
                )
        yield table


def _echoes(joined: Joined, size: int, count: int) -> tuple[float, float, float]:
    """p50 and p99 in microseconds, and CPU microseconds per round trip.

    The far end's echo is done here as well, so that no switch of threads is measured."""
    data, room = b"U" * size, memoryview(bytearray(size))
    dte, net = joined.dte, joined.net
    times = []
    before = joined.program.cpu_s()
    for _ in range(count):
        began = time.perf_counter()
        dte.send(data)
        net.fill(room)
        net.send(room)
        dte.fill(room)
        times.append(time.perf_counter() - began)
    cpu_s = joined.program.cpu_s() - before
    return 1e6 * median(times), 1e6 * percentile(times, 0.99), 1e6 * cpu_s / count


# -- redirect ------------------------------------------------------------------------------------------


def redirect(plan: Plan) -> Iterator[Table]:
    """Many redirected ports in one process, to as many served ports in another."""
    count = plan.count(500, 50)
    found = measure(plan.folder / "redirect", count, plan.rounds)
    if found.wrong:
        raise Failed(f"{found.wrong} of {2 * count * (plan.rounds + 1)} ways carried something else")
    table = Table(
        f"redirect: {count} ports in one process to {count} served in another, {SIZE} bytes each way at once",
        ("", "ready s", "connected s", "exchange s", "CPU ms a port", "KiB a port", "KiB a served port"),
    )
    table.add(
        "vmodem",
        found.ready_s,
        found.connected_s,
        found.exchange_s,
        found.cpu_ms,
        found.redirector_kib,
        found.server_kib,
    )
    yield table


SCENARIOS: Final[dict[str, Callable[[Plan], Iterator[Table]]]] = {
    "start": start,
    "at": at,
    "call": call,
    "bulk": bulk,
    "latency": latency,
    "redirect": redirect,
}
