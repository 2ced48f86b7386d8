"""vmodem dial: look a number up, and be connected."""

from __future__ import annotations

import json
import os
import pty
import socket
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.names import dns

from tests.helpers.nameserver import NameServer, name_server
from tests.helpers.process import PATIENCE_S, Scene, Wire, environment, scene, until, vmodem
from tests.helpers.reactors import Reactor

__all__ = ["scene"]

CONFIG = """
[modem.front]
[directory]
"5551234" = "tcp:192.0.2.7:23"
"555*" = { target = "tls:h.example.net:9000", note = "plant" }
"6" = "line:front"
"7" = "exec:/bin/cat"
"""


def dial(
    folder: Path, *arguments: str, given: bytes = b"", **more: Any
) -> subprocess.CompletedProcess[bytes]:
    """Run ``vmodem dial`` with ``given`` as its input."""
    return subprocess.run(
        [sys.executable, "-m", "vmodem", "dial", *arguments],
        cwd=folder,
        env=environment(folder),
        input=given,
        capture_output=True,
        timeout=20,
        **more,
    )


# -- looking up ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "rule", "target"),
    [
        ("5551234", "5551234", "tcp:192.0.2.7:23"),
        ("555-1234", "5551234", "tcp:192.0.2.7:23"),
        ("5559", "555*", "tls:h.example.net:9000"),
        ("100", "100", "echo:"),
        ("test.example.net:23", "none: the address was dialled itself", "tcp:test.example.net:23"),
        ("192000002007", "none: the address was dialled itself", "tcp:192.0.2.7:23"),
    ],
)
def test_dry_run(tmp_path: Path, number: str, rule: str, target: str) -> None:
    (tmp_path / "vmodem.toml").write_text(CONFIG)
    done = vmodem("dial", "--dry-run", number, folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"rule:    {rule}\n" in done.stdout
    assert f"target:  {target}\n" in done.stdout


def test_dry_run_for_programs(tmp_path: Path) -> None:
    (tmp_path / "my.toml").write_text(CONFIG)
    done = vmodem("dial", "--dry-run", "--json", "-c", "my.toml", "5559", folder=tmp_path)
    assert json.loads(done.stdout) == {
        "number": "5559",
        "rule": "555*",
        "targets": ["tls:h.example.net:9000"],
        "note": "plant",
    }


def test_dry_run_of_an_unknown_number(tmp_path: Path) -> None:
    done = vmodem("dial", "--dry-run", "--json", "999", folder=tmp_path)
    assert done.returncode == 3
    assert "not in the directory" in done.stderr
    assert json.loads(done.stdout)["rule"] is None


def test_without_a_file_there_are_the_built_in_numbers(tmp_path: Path) -> None:
    done = vmodem("dial", "--dry-run", "0", folder=tmp_path)
    assert "target:  help:\n" in done.stdout


def test_a_wrong_file_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "vmodem.toml").write_text("[modem.a]\nlien = 1\n")
    assert dial(tmp_path, "100").returncode == 78


# -- pipes ---------------------------------------------------------------------------------------------------


def test_pipes(tmp_path: Path) -> None:
    """Everything there and back, though input ends at once."""
    data = os.urandom(300_000)
    done = dial(tmp_path, "-q", "100", given=data)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == data


def test_what_a_host_says(tmp_path: Path, scene: Scene) -> None:
    host = scene.host()
    process = scene.spawn(
        [sys.executable, "-m", "vmodem", "dial", host.number],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    peer = host.answer()
    assert process.stdin is not None
    process.stdin.write(b"GET\r\n")
    process.stdin.close()
    process.stdin = None
    peer.expect("GET\r\n")
    assert peer.rest() == b""  # our direction has ended, and that is seen
    peer.send(b"answer" * 10_000)
    peer.close()
    said, log = process.communicate(timeout=PATIENCE_S)
    assert said == b"answer" * 10_000
    assert process.returncode == 0
    assert b"CONNECT" in log


def test_a_broken_call(tmp_path: Path, scene: Scene) -> None:
    host = scene.host()
    process = scene.spawn(
        [sys.executable, "-m", "vmodem", "dial", host.number],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    peer = host.answer()
    assert process.stderr is not None
    assert b"CONNECT" in process.stderr.readline()
    peer.reset()
    assert process.wait(PATIENCE_S) == 3
    assert b"NO CARRIER" in process.stderr.read()


def test_a_program_is_hung_up_after_its_last_word(tmp_path: Path) -> None:
    """A pseudo-terminal cannot end one direction: silence does."""
    (tmp_path / "vmodem.toml").write_text(CONFIG)
    done = dial(tmp_path, "7", given=b"meow\n")
    assert (done.returncode, done.stdout) == (0, b"meow\n")


def test_a_reader_that_leaves(tmp_path: Path) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", f"'{sys.executable}' -m vmodem dial -q 102 </dev/zero | head -c 1000 | wc -c"],
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert done.stdout.strip() == "1000"
    assert "Traceback" not in done.stderr


# -- how it fails --------------------------------------------------------------------------------------------


def test_refused_is_busy(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    done = dial(tmp_path, f"127.0.0.1:{port}")
    assert done.returncode == 7
    assert b"BUSY" in done.stderr


def test_unknown_is_no_carrier(tmp_path: Path) -> None:
    done = dial(tmp_path, "999")
    assert done.returncode == 3
    assert b"NO CARRIER" in done.stderr


def test_a_modem_of_another_process(tmp_path: Path) -> None:
    (tmp_path / "vmodem.toml").write_text(CONFIG)
    done = dial(tmp_path, "6")
    assert done.returncode == 3
    assert b"inside a running vmodem" in done.stderr


def test_nobody_answers(tmp_path: Path, scene: Scene) -> None:
    """A queue that is full: the system does not even refuse."""
    host = scene.host()
    host.sock.listen(0)
    for _ in range(2):
        waiting = socket.socket()
        waiting.setblocking(False)
        waiting.connect_ex(("127.0.0.1", host.port))
        scene.finally_(waiting.close)
    done = dial(tmp_path, "--timeout", "0.3", host.number)
    assert done.returncode == 8
    assert b"NO ANSWER" in done.stderr


# -- a terminal ----------------------------------------------------------------------------------------------


def test_a_terminal(tmp_path: Path, scene: Scene) -> None:
    """Every key goes to the far end, Ctrl-C too; ~. hangs up; the terminal is as it was before."""
    host = scene.host()
    master, slave = pty.openpty()
    scene.finally_(lambda: os.close(slave))
    screen = Wire(master)
    scene.finally_(screen.close)
    before = termios.tcgetattr(slave)
    process = scene.spawn(
        [sys.executable, "-m", "vmodem", "dial", host.number], stdin=slave, stdout=slave, stderr=slave
    )
    screen.expect("CONNECT.*hangs up\r\n")
    until(lambda: termios.tcgetattr(slave) != before, "a raw terminal")
    peer = host.answer()
    screen.send(b"\x03\x04\x11\x1a~a\r")
    peer.expect(b"\x03\x04\x11\x1a~a\r")
    peer.send(b"login: \x13\xff\n")
    screen.expect(b"login: \x13\xff\n")
    screen.send(b"~")
    screen.send(b".")
    assert process.wait(PATIENCE_S) == 0
    assert peer.rest() == b""
    assert termios.tcgetattr(slave) == before


def test_a_terminal_whose_call_ends(tmp_path: Path, scene: Scene) -> None:
    host = scene.host()
    master, slave = pty.openpty()
    scene.finally_(lambda: os.close(slave))
    screen = Wire(master)
    scene.finally_(screen.close)
    before = termios.tcgetattr(slave)
    process = scene.spawn(
        [sys.executable, "-m", "vmodem", "dial", host.number], stdin=slave, stdout=slave, stderr=slave
    )
    host.answer().close()
    screen.expect("NO CARRIER")
    assert process.wait(PATIENCE_S) == 0
    assert termios.tcgetattr(slave) == before


def test_a_terminal_when_the_program_is_ended(tmp_path: Path, scene: Scene) -> None:
    host = scene.host()
    master, slave = pty.openpty()
    scene.finally_(lambda: os.close(slave))
    screen = Wire(master)
    scene.finally_(screen.close)
    before = termios.tcgetattr(slave)
    process = scene.spawn(
        [sys.executable, "-m", "vmodem", "dial", host.number], stdin=slave, stdout=slave, stderr=slave
    )
    screen.expect("hangs up\r\n")
    until(lambda: termios.tcgetattr(slave) != before, "a raw terminal")
    process.terminate()
    assert process.wait(PATIENCE_S) == 130
    assert termios.tcgetattr(slave) == before


# -- numbers that DNS knows ----------------------------------------------------------------------------------


@pytest.fixture
def tree(reactor: Reactor, tmp_path: Path) -> Iterator[NameServer]:
    """A private ENUM tree, and a configuration that asks it."""
    with name_server(reactor) as server:
        address = f"127.0.0.1:{server.port}"
        (tmp_path / "vmodem.toml").write_text(
            f'[directory]\nenum = "e164.example.net"\nresolver = "{address}"\n"555" = "tcp:192.0.2.1:1"\n'
        )
        yield server


def naptr(target: str) -> dns.Record_NAPTR:
    return dns.Record_NAPTR(100, 10, b"u", b"E2U+vmodem", f"!^.*$!{target}!".encode(), b"")


def turned(reactor: Reactor, folder: Path, *arguments: str) -> tuple[int, str, str]:
    """``vmodem dial``, while the name server in this process answers."""
    process = subprocess.Popen(
        [sys.executable, "-m", "vmodem", "dial", *arguments],
        cwd=folder,
        env=environment(folder),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    reactor.until(lambda: process.poll() is not None)
    out, err = process.communicate()
    return process.returncode, out, err


def test_dry_run_asks_the_tree(tree: NameServer, reactor: Reactor, tmp_path: Path) -> None:
    tree.add("8.8.8.e164.example.net", naptr("tcp:192.0.2.9:23"))
    code, out, _ = turned(reactor, tmp_path, "--dry-run", "888")
    assert code == 0
    assert "8.8.8.e164.example.net" in out
    assert "target:  tcp:192.0.2.9:23\n" in out
    assert turned(reactor, tmp_path, "--dry-run", "777")[0] == 3
    asked = len(tree.asked)
    assert "target:  tcp:192.0.2.1:1" in turned(reactor, tmp_path, "--dry-run", "555")[1]
    assert len(tree.asked) == asked, "the directory comes first"


def test_several_lines_are_hunted(tree: NameServer, reactor: Reactor, tmp_path: Path, scene: Scene) -> None:
    """The first is refused, the second answers."""
    host = scene.host()
    host.sock.settimeout(0)
    with socket.create_server(("127.0.0.1", 0)) as sock:
        refusing = sock.getsockname()[1]
    tree.add("8.8.8.e164.example.net", naptr(f"tcp:127.0.0.1:{refusing}"))
    second = naptr(f"tcp:127.0.0.1:{host.port}")
    second.preference = 20
    tree.add("8.8.8.e164.example.net", second)

    def greet() -> None:
        try:
            peer, _ = host.sock.accept()
        except BlockingIOError:
            reactor.callLater(0.05, greet)
        else:
            peer.sendall(b"welcome")
            peer.close()

    greet()
    code, out, err = turned(reactor, tmp_path, "888")
    assert (code, out) == (0, "welcome")
    assert "CONNECT" in err


@pytest.mark.parametrize("arguments", [["100"], ["--json", "100"], ["--json", "no-such*"]])
def test_a_reader_that_has_gone(tmp_path: Path, arguments: list[str]) -> None:
    """It ends, and does not wait for ever."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "vmodem", "dial", "--dry-run", *arguments],
        cwd=tmp_path,
        env=environment(tmp_path),
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        timeout=20,
    )
    os.close(writing)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
