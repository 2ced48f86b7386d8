"""The line on standard input and output, in a process of its own."""

from __future__ import annotations

import fcntl
import os
import select
import socket
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from vmodem.tty.standard import raw_but_interruptible

ROOT = Path(__file__).parents[3]
CHILD = [sys.executable, "-W", "error", str(Path(__file__).with_name("stdio_child.py"))]


@contextmanager
def run(**kwargs: Any) -> Iterator[subprocess.Popen[bytes]]:
    """The program, which does not outlive a failed test."""
    with start(**kwargs) as child:
        try:
            yield child
        finally:
            child.kill()


def start(**kwargs: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        CHILD, stderr=subprocess.PIPE, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, **kwargs
    )


def read_until(fd: int, text: bytes, timeout: float = 10) -> bytes:
    got, end = b"", time.monotonic() + timeout
    while text not in got:
        assert select.select([fd], [], [], max(0, end - time.monotonic()))[0], f"{text!r} not in {got!r}"
        chunk = os.read(fd, 65536)
        assert chunk, f"{text!r} not in {got!r}"
        got += chunk
    return got


def test_pipes() -> None:
    with run(stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        out, err = child.communicate(b"AT\r", 10)
    assert out == b"<AT\r>goodbye"
    assert err.splitlines()[:3] == [b"dtr True", b"dtr False", b"finished"]
    assert child.returncode == 0


@pytest.mark.parametrize("name", ["file", "/dev/null"])
def test_files(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    content = os.urandom(200_000) if name == "file" else b""
    if name == "file":
        path.write_bytes(content)
    with (
        open(path, "rb") as stdin,
        open(tmp_path / "out", "wb") as stdout,
        run(stdin=stdin, stdout=stdout) as child,
    ):
        _, err = child.communicate(timeout=10)
    assert child.returncode == 0, err
    out = (tmp_path / "out").read_bytes()
    assert out.endswith(b"goodbye")
    assert len(out) >= len(content)
    assert b"dtr False\nfinished" in err


def test_a_shared_pipe_stays_blocking() -> None:
    read, write = os.pipe()
    with run(stdin=read, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        os.write(write, b"A")
        read_until(child.stdout.fileno(), b"<A>")
        assert os.get_blocking(read)
        os.close(write)
        child.communicate(timeout=10)
    os.close(read)


def test_a_socket_is_set_back_to_blocking() -> None:
    near, far = socket.socketpair()
    with near, far, run(stdin=far, stdout=far) as child:
        near.sendall(b"A")
        assert read_until(near.fileno(), b"<A>") == b"<A>"
        near.sendall(b"!stop")
        child.communicate(timeout=10)
        assert child.returncode == 0
        assert not fcntl.fcntl(far.fileno(), fcntl.F_GETFL) & os.O_NONBLOCK


def test_output_that_stalls() -> None:
    with run(stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stderr is not None
        os.write(child.stdin.fileno(), b"!flood")
        read_until(child.stderr.fileno(), b"blocked True")
        time.sleep(0.1)
        size = 0
        while select.select([child.stdout], [], [], 0.3)[0]:
            size += len(os.read(child.stdout.fileno(), 65536))
        assert size % 65536 == 0
        read_until(child.stderr.fileno(), b"drained")
        os.write(child.stdin.fileno(), b"A")
        assert read_until(child.stdout.fileno(), b"<A>") == b"<A>"
        child.communicate(b"", 10)


def test_pausing() -> None:
    with run(stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stderr is not None
        read_until(child.stderr.fileno(), b"dtr True")
        start = time.monotonic()
        os.write(child.stdin.fileno(), b"!pause")
        read_until(child.stderr.fileno(), b"paused")
        os.write(child.stdin.fileno(), b"A")
        read_until(child.stdout.fileno(), b"<A>")
        assert time.monotonic() - start >= 0.2
        child.communicate(b"", 10)


class Terminal:
    """A terminal with the program in it as its foreground process."""

    def __init__(self) -> None:
        self.master, self.slave = os.openpty()
        self.before = termios.tcgetattr(self.slave)
        self.child = start(
            stdin=self.slave,
            stdout=self.slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        assert self.child.stderr is not None
        read_until(self.child.stderr.fileno(), b"dtr True")

    def end(self) -> bytes:
        _, err = self.child.communicate(timeout=10)
        return err

    def close(self) -> None:
        self.child.kill()
        self.child.communicate()
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def terminal() -> Any:
    made = Terminal()
    yield made
    made.close()


def test_a_terminal_is_raw_and_restored(terminal: Terminal) -> None:
    os.write(terminal.master, b"AT\r\x1a\x1c\x11")
    assert read_until(terminal.master, b">").startswith(b"<AT\r\x1a\x1c\x11")  # no echo, nothing translated
    os.write(terminal.master, b"!rate")
    assert terminal.child.stderr is not None
    read_until(terminal.child.stderr.fileno(), b"rate 38400")
    os.write(terminal.master, b"!stop")
    terminal.end()
    assert terminal.child.returncode == 0
    assert termios.tcgetattr(terminal.slave)[:6] == terminal.before[:6]


def test_control_c_ends_the_program(terminal: Terminal) -> None:
    os.write(terminal.master, b"\x03")
    terminal.end()
    assert terminal.child.returncode == 0
    assert termios.tcgetattr(terminal.slave)[:6] == terminal.before[:6]


def test_restored_even_by_a_sudden_exit(terminal: Terminal) -> None:
    os.write(terminal.master, b"!exit")
    terminal.end()
    assert terminal.child.returncode == 3
    assert termios.tcgetattr(terminal.slave)[:6] == terminal.before[:6]


def test_a_terminal_that_is_closed(terminal: Terminal) -> None:
    os.close(terminal.slave)
    os.close(terminal.master)
    try:
        err = terminal.end()
        assert terminal.child.returncode in (0, -1), err  # SIGHUP, unless it is handled
    finally:
        terminal.master, terminal.slave = os.openpty()


def test_raw_but_interruptible_leaves_its_argument_alone() -> None:
    master, slave = os.openpty()
    before = termios.tcgetattr(slave)
    settings = raw_but_interruptible(before)
    assert before == termios.tcgetattr(slave)
    assert settings[3] & termios.ISIG
    assert not settings[3] & (termios.ECHO | termios.ICANON)
    assert not settings[0] & (termios.ICRNL | termios.IXON)
    os.close(master)
    os.close(slave)
