"""status, top, calls, trace, hangup, busy, reload: a running vmodem as its operator sees it."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.operators import RECORD, Told
from tests.helpers.process import environment, vmodem
from tests.helpers.reactors import Reactor
from vmodem.cli.operate import calls_table, state_table
from vmodem.control.server import ControlServer


class Desk:
    """A running vmodem, and the program that talks to it."""

    def __init__(self, reactor: Reactor, folder: Path) -> None:
        self.reactor = reactor
        self.folder = folder
        self.told = Told()
        self.server = ControlServer(reactor, str(folder), self.told)
        assert self.server.start()
        self.processes: list[subprocess.Popen[str]] = []

    def start(self, *arguments: str, **more: Any) -> subprocess.Popen[str]:
        verb, *rest = arguments
        process = subprocess.Popen(
            [sys.executable, "-m", "vmodem", verb, "--state-dir", str(self.folder), *rest],
            cwd=self.folder,
            env=environment(self.folder, **more.pop("env", {})),
            stdin=subprocess.DEVNULL,
            text=True,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more},
        )
        self.processes.append(process)
        return process

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """The exit code, and what is said on standard output and error."""
        process = self.start(*arguments)
        self.reactor.until(lambda: process.poll() is not None, what=" ".join(arguments))
        out, err = process.communicate()
        return process.returncode, out, err

    def close(self) -> None:
        self.server.stop()
        self.reactor.run_for(0.02)
        for process in self.processes:
            process.kill()
            process.communicate()


@pytest.fixture
def desk(reactor: Reactor, tmp_path: Path) -> Iterator[Desk]:
    made = Desk(reactor, tmp_path)
    yield made
    made.close()


def test_status(desk: Desk) -> None:
    code, out, err = desk.run("status")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].split() == ["NAME", "WHAT", "STATE", "LINE", "CALL"]
    assert lines[1].split(None, 4) == [
        "front",
        "modem",
        "online",
        "pty:front",
        "from 5551234 (192.0.2.7:4711)",
    ]
    assert "1 of 2 free" in lines[3]
    assert "\x1b" not in out


def test_status_for_programs(desk: Desk) -> None:
    code, out, _ = desk.run("status", "--json")
    assert (code, json.loads(out)) == (0, desk.told.state)
    assert desk.run("status", "-q") == (0, "", "")


def test_calls(desk: Desk) -> None:
    code, out, _ = desk.run("calls")
    assert code == 0
    assert desk.told.heard == [("calls", 20)]
    assert out.count("5551234") == 2
    assert "61.2" in out
    code, out, _ = desk.run("calls", "-n", "1", "--json")
    assert json.loads(out) == [RECORD]
    assert desk.run("calls", "-n", "0")[0] == 2


def test_hang_up_and_busy(desk: Desk) -> None:
    assert desk.run("hangup", "front") == (0, "front: hung up\n", "")
    assert desk.run("busy", "back", "on") == (0, "back: busy for callers\n", "")
    assert desk.run("busy", "-q", "back", "off") == (0, "", "")
    assert desk.told.heard == [("hang up", "front"), ("busy", "back", True), ("busy", "back", False)]


def test_pulse(desk: Desk) -> None:
    assert desk.run("pulse", "front", "reset") == (0, "front: reset has begun\n", "")
    assert desk.told.heard == [("pulse", "front", "reset")]


def test_a_port_has_clients_and_not_a_call() -> None:
    clients = [{"address": f"127.0.0.1:{port}"} for port in range(1, 6)]
    port = {"what": "port", "name": "scale", "state": "5 clients", "line": "/dev/ttyS1", "clients": clients}
    shown = state_table({"scale": port, "idle": {**port, "name": "idle", "state": "free", "clients": []}})
    first, second = shown.splitlines()[1:]
    assert first.endswith("5 clients  /dev/ttyS1  127.0.0.1:1, 127.0.0.1:2, 127.0.0.1:3 and 2 more")
    assert second.split() == ["idle", "port", "free", "/dev/ttyS1", "-"]


def test_a_name_that_is_not_there(desk: Desk) -> None:
    code, out, err = desk.run("hangup", "fornt\x1b[2J")
    assert (code, out) == (1, "")
    assert err == 'vmodem: there is no "fornt\\x1b[2J"; known are front, back\n'
    assert desk.run("busy", "front", "maybe")[0] == 2


def test_reload(desk: Desk) -> None:
    assert desk.run("reload") == (0, "modem front: changed\n", "")
    assert json.loads(desk.run("reload", "--json")[1]) == ["modem front: changed"]
    desk.told.heard.append(("break",))
    code, out, err = desk.run("reload")
    assert (code, out) == (1, "")
    assert err.splitlines() == [
        "vmodem: vmodem.toml:1: modem.x: wrong",
        "vmodem: vmodem.toml:2: modem.y: wrong, too",
    ]


def test_trace(desk: Desk) -> None:
    """Lines come as they happen, and cannot act on the terminal."""
    process = desk.start("trace", "front")
    desk.reactor.until(lambda: desk.told.sinks)
    desk.told.sinks[0]("call from \x1b]0;owned\x07 \u202e")
    said = read_lines(desk, process, 2)
    assert said == ["it begins\n", "call from \\x1b]0;owned\\x07 \\u202e\n"]
    process.send_signal(signal.SIGINT)
    assert process.wait(5) == 130
    desk.reactor.until(lambda: not desk.told.sinks)


def test_trace_for_programs_until_the_end(desk: Desk) -> None:
    process = desk.start("trace", "front", "--json")
    desk.reactor.until(lambda: desk.told.sinks)
    assert json.loads(read_lines(desk, process, 1)[0]) == {"line": "front", "text": "it begins"}
    desk.server.stop()
    desk.reactor.until(lambda: process.poll() is not None)
    assert process.returncode == 69


def test_top(desk: Desk) -> None:
    """Without a terminal it is plain text, once a second."""
    process = desk.start("top")
    lines = read_lines(desk, process, 11)
    assert sum("front" in line and "online" in line for line in lines) == 2
    assert "\x1b" not in "".join(lines)
    process.send_signal(signal.SIGINT)
    assert process.wait(5) == 130


def drawn(desk: Desk, master: int, word: bytes) -> bytes:
    """What is shown on a terminal by the time that ``word`` is."""
    os.set_blocking(master, False)
    shown = b""

    def there() -> bool:
        nonlocal shown
        with contextlib.suppress(BlockingIOError):
            shown += os.read(master, 65536)
        return word in shown

    desk.reactor.until(there)
    return shown


@pytest.mark.parametrize("colour", [True, False])
def test_top_on_a_terminal(desk: Desk, colour: bool) -> None:
    master, slave = pty.openpty()
    process = desk.start("top", stdout=slave, env={} if colour else {"NO_COLOR": "1"})
    os.close(slave)
    shown = drawn(desk, master, b"bank")
    assert b"\x1b[H\x1b[J" in shown
    assert (b"\x1b[1m" in shown) is colour
    process.send_signal(signal.SIGINT)
    assert process.wait(5) == 130
    os.close(master)


def read_lines(desk: Desk, process: subprocess.Popen[str], count: int) -> list[str]:
    assert process.stdout is not None
    os.set_blocking(process.stdout.fileno(), False)
    text = b""

    def there() -> bool:
        nonlocal text
        assert process.stdout is not None
        try:
            text += os.read(process.stdout.fileno(), 65536)
        except BlockingIOError:
            pass
        return text.count(b"\n") >= count

    desk.reactor.until(there, what=f"{count} lines")
    return text.decode().splitlines(keepends=True)


# -- nobody there --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "verb", [["status"], ["top"], ["calls"], ["trace", "x"], ["hangup", "x"], ["reload"]]
)
def test_nothing_runs(tmp_path: Path, verb: list[str]) -> None:
    done = vmodem(*verb, "--state-dir", str(tmp_path), folder=tmp_path)
    assert (done.returncode, done.stdout) == (69, "")
    assert str(tmp_path) in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_stale_socket(tmp_path: Path) -> None:
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(tmp_path / "control"))
    sock.close()
    assert vmodem("status", "--state-dir", str(tmp_path), folder=tmp_path).returncode == 69


@pytest.mark.parametrize(
    "answer", [b"", b"\n", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"[]\n", b"\xff\n", b"[" * 100_000 + b"\n"]
)
def test_somebody_else_answers(tmp_path: Path, answer: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / "control"))
        sock.listen()
        process = subprocess.Popen(
            [sys.executable, "-m", "vmodem", "status", "--state-dir", str(tmp_path)],
            env=environment(tmp_path),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        peer, _ = sock.accept()
        peer.recv(100)
        peer.sendall(answer)
        peer.close()
        out, err = process.communicate(timeout=10)
    assert (process.returncode, out) == (69, "")
    assert "Traceback" not in err


def test_a_reader_that_has_seen_enough(desk: Desk) -> None:
    desk.told.state = {str(n): {"what": "modem", "name": "x" * 50} for n in range(20_000)}
    process = desk.start("status")
    assert process.stdout is not None
    process.stdout.close()
    desk.reactor.until(lambda: process.poll() is not None)
    assert process.stderr is not None
    assert process.stderr.read() == ""
    assert process.returncode == 1


def test_a_trace_ends_with_its_reader(desk: Desk) -> None:
    """At once, though nothing happens on the line."""
    process = desk.start("trace", "front")
    desk.reactor.until(lambda: desk.told.sinks)
    assert read_lines(desk, process, 1) == ["it begins\n"]
    assert process.stdout is not None
    process.stdout.close()
    desk.reactor.until(lambda: process.poll() is not None)
    assert process.stderr is not None
    assert (process.returncode, process.stderr.read()) == (1, "")
    desk.reactor.until(lambda: not desk.told.sinks)


@pytest.mark.parametrize("verb", ["status", "calls", "top"])
def test_no_standard_output_at_all(desk: Desk, verb: str) -> None:
    process = desk.start(verb, preexec_fn=lambda: os.close(1))
    desk.reactor.until(lambda: process.poll() is not None)
    assert process.stderr is not None
    assert process.returncode == 1
    assert process.stderr.read() == "vmodem: the output cannot be written: Bad file descriptor\n"


def test_no_standard_error_at_all(desk: Desk) -> None:
    """What is wrong is not printed where the answer belongs."""
    process = desk.start("hangup", "nobody", preexec_fn=lambda: os.close(2))
    desk.reactor.until(lambda: process.poll() is not None)
    assert process.stdout is not None
    assert (process.returncode, process.stdout.read()) == (1, "")


def test_a_locale_that_lacks_letters(desk: Desk) -> None:
    desk.told.state = {"a": {"what": "modem", "name": "f\u00fcr"}}
    process = desk.start("status", env={"PYTHONIOENCODING": "ascii"})
    desk.reactor.until(lambda: process.poll() is not None)
    out, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    assert "f\\xfcr" in out


def test_top_on_a_small_terminal(desk: Desk) -> None:
    """Neither wider nor higher than it is, so that nothing scrolls."""
    desk.told.state = {str(n): {"what": "modem", "name": f"{n}" * 30, "state": "idle"} for n in range(50)}
    master, slave = pty.openpty()
    process = desk.start("top", stdout=slave, env={"COLUMNS": "20", "LINES": "5", "NO_COLOR": "1"})
    os.close(slave)
    shown = drawn(desk, master, b"more")
    process.send_signal(signal.SIGINT)
    assert process.wait(5) == 130
    os.close(master)
    lines = shown.partition(b"\x1b[J")[2].splitlines()
    lines = [line for line in lines if line]
    assert len(lines) == 5
    assert max(map(len, lines)) <= 20
    assert lines[-1] == b"... 48 more"


# -- whatever the answer holds -------------------------------------------------------------------------------


@pytest.mark.parametrize("shown", [state_table, calls_table])
def test_whatever_the_answer_holds(shown: Callable[[Any], str]) -> None:
    """Names and texts come from the network: one line each, nothing that moves a cursor."""
    hostile = "\x1b[2J\r\nmodem0  online\t\u202e\U000e0041"
    table = {
        "name": hostile,
        "what": 5,
        "state": None,
        "line": [hostile],
        "call": {"number": hostile, "peer": []},
    }
    record = {"modem": hostile, "number": hostile, "reason": hostile * 100, "duration_s": None}
    text = shown({hostile: table, "b": "nonsense", "c": {}} if shown is state_table else [record, 5, {}])
    assert len(text.splitlines()) == 3
    assert all(line.isprintable() for line in text.splitlines())
