"""The program itself, from outside: a process, a pseudo-terminal to type at, a host on the network.

Every wait is for a condition, with a limit after which the test fails and shows what was there instead.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
#: No condition takes so long unless it never comes true, in seconds.
PATIENCE_S: Final = 30.0
#: A guard time for tests: S12=10 is 0.2 s on each side of the escape sequence.
GUARD_S: Final = 0.2

READY: Final = re.compile(r"^vmodem: ready: (?P<name>\S+) on (?P<line>\S+), (?P<listening>.*)$", re.MULTILINE)


def until(true: Callable[[], Any], what: str, timeout: float = PATIENCE_S) -> Any:
    """Wait for ``true()``; returns its value, fails the test after ``timeout`` seconds."""
    end = time.monotonic() + timeout
    while True:
        over = time.monotonic() > end  # the last look comes behind the end, however late we are
        if value := true():
            return value
        if over:
            pytest.fail(f"not within {timeout} s: {what}")
        time.sleep(0.005)


def environment(folder: Path, **more: str) -> dict[str, str]:
    """What a program started by a test finds around it: this checkout, and a home of its own."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("XDG_", "VMODEM_"))}
    return {
        **kept,
        "HOME": str(folder),
        "PYTHONPATH": str(ROOT),
        "LC_ALL": "C.UTF-8",
        "TERM": "xterm",
        **more,
    }


def children(pid: int) -> list[int]:
    """The processes that this one has started and that run."""
    found = []
    for file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # ended meanwhile
            state, parent = file.read_text().rpartition(")")[2].split()[:2]
            if int(parent) == pid and state != "Z":
                found.append(int(file.parent.name))
    return found


def vmodem(
    *arguments: str, folder: Path, timeout: float = 20, **more: Any
) -> subprocess.CompletedProcess[str]:
    """Run vmodem to its end."""
    return subprocess.run(
        [sys.executable, "-m", "vmodem", *arguments],
        cwd=folder,
        env=environment(folder),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        **more,
    )


class ModemProcess:
    """``vmodem modem`` as a process of its own, listening on a free port of this machine."""

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        name: str = "modem0",
        line: str | None = None,
        answer: str | None = "tcp:0:interface=127.0.0.1",
        stderr: int | None = None,
        prefix: Sequence[str] = (),
        wait: bool = True,
    ) -> None:
        self.link = folder / name
        self.state = folder / "state"
        self.log_file = folder / f"{name}.log"
        options = ["--line", line or f"pty:{self.link}", "--name", name, "--state-dir", str(self.state)]
        options += ["--answer", answer] if answer else ["--no-answer"]
        command = [*prefix, sys.executable, "-m", "vmodem", "modem", *options, *arguments]
        with open(self.log_file, "wb") as log:
            self.process = subprocess.Popen(
                command,
                cwd=folder,
                env=environment(folder),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log if stderr is None else stderr,
            )
        self.pid = self.process.pid
        if wait and stderr is None:
            self.wait_ready()

    # -- what it says --------------------------------------------------------------------------------------

    @property
    def log(self) -> str:
        return self.log_file.read_bytes().decode("utf-8", "replace")

    def wait_ready(self) -> None:
        until(lambda: READY.search(self.log) or self.process.poll() is not None, "vmodem: ready")
        assert self.process.poll() is None, f"ended at start: {self.log}"

    def wait_log(self, pattern: str, timeout: float = PATIENCE_S) -> None:
        """Wait for a line of the log that matches."""
        try:
            until(lambda: re.search(pattern, self.log), pattern, timeout)
        except pytest.fail.Exception:
            pytest.fail(f"no {pattern!r} in the log within {timeout} s:\n{self.log}")

    @property
    def port(self) -> int:
        """Where it answers calls."""
        found = READY.search(self.log)
        assert found, self.log
        port = re.search(r":(\d+)", found["listening"])
        assert port, self.log
        return int(port[1])

    @property
    def number(self) -> str:
        """What another modem dials to ring this one."""
        return f"127.0.0.1:{self.port}"

    @property
    def calls(self) -> list[dict[str, Any]]:
        """The call records written so far."""
        file = self.state / f"{self.link.name}.calls.jsonl"
        if not file.exists():
            return []
        *whole, _ = file.read_text().split("\n")  # behind the last line end one may just be being written
        return [json.loads(line) for line in whole]

    # -- how it is -----------------------------------------------------------------------------------------

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    @property
    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    @property
    def threads(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/task"))

    @property
    def resident(self) -> int:
        """Resident memory in bytes."""
        text = Path(f"/proc/{self.pid}/statm").read_text()
        return int(text.split()[1]) * os.sysconf("SC_PAGE_SIZE")

    @property
    def cpu_ms(self) -> int:
        """Processor time used so far, in milliseconds; the system counts tens of them."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * 1000 // os.sysconf("SC_CLK_TCK")

    # -- how it ends ---------------------------------------------------------------------------------------

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def wait(self, timeout: float = PATIENCE_S) -> int:
        """Wait for its end; returns the exit code."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            pytest.fail(f"still running after {timeout} s:\n{self.log}")

    def stop(self) -> int:
        """Ask it to end (SIGTERM); returns the exit code."""
        if self.running:
            self.signal(signal.SIGTERM)
        return self.wait()

    def dispose(self) -> None:
        """End it for certain; fails the test for a traceback in its log."""
        if self.running:
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGTERM)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()
        assert "Traceback" not in self.log, self.log
        assert " critical " not in self.log, self.log


class Wire:
    """One end of bytes: what came is kept until somebody expects it."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.buffer = bytearray()
        self.ended = False
        os.set_blocking(fd, False)

    def send(self, data: bytes | str, timeout: float = PATIENCE_S) -> None:
        """Send all of it."""
        data = data.encode("latin-1") if isinstance(data, str) else data
        end = time.monotonic() + timeout
        while data:
            if not select.select([], [self.fd], [], max(0.0, end - time.monotonic()))[1]:
                pytest.fail(f"not taken within {timeout} s: {len(data)} bytes")
            with contextlib.suppress(BlockingIOError):
                data = data[os.write(self.fd, data) :]

    def send_what_fits(self, data: bytes, patience: float = 0.3) -> int:
        """Send until the other side takes no more for ``patience`` seconds; returns how much it took."""
        sent = 0
        while sent < len(data) and select.select([], [self.fd], [], patience)[1]:
            with contextlib.suppress(BlockingIOError):
                sent += os.write(self.fd, data[sent : sent + 65536])
        return sent

    def pump(self, timeout: float) -> bool:
        """Read once; False when nothing came."""
        if self.ended or not select.select([self.fd], [], [], max(0.0, timeout))[0]:
            return False
        try:
            data = os.read(self.fd, 65536)
        except BlockingIOError:
            return False
        except OSError:  # reset, or a pseudo-terminal whose other side closed
            data = b""
        self.ended = not data
        self.buffer += data
        return bool(data)

    def _reads(self, timeout: float) -> Iterator[bool]:
        """Read once with each step, for so long; the last read comes behind that, however late we are.  False
        when there will be no more."""
        end = time.monotonic() + timeout
        while not self.ended:
            left = end - time.monotonic()
            self.pump(min(left, 0.5))
            yield True
            if left <= 0:
                break
        while True:
            yield False

    def expect(self, pattern: bytes | str, timeout: float = PATIENCE_S) -> bytes:
        """Wait until ``pattern`` is there; returns everything up to its end and takes it."""
        pattern = pattern.encode("latin-1") if isinstance(pattern, str) else pattern
        more = self._reads(timeout)
        while not (found := re.search(pattern, self.buffer, re.DOTALL)):
            if not next(more):
                state = "ended" if self.ended else f"not within {timeout} s"
                pytest.fail(f"{state}: {pattern!r}; there is {bytes(self.buffer[-300:])!r}")
        taken = bytes(self.buffer[: found.end()])
        del self.buffer[: found.end()]
        return taken

    def take(self, count: int, timeout: float = PATIENCE_S) -> bytes:
        """Wait for ``count`` bytes and take them."""
        more = self._reads(timeout)
        while len(self.buffer) < count:
            if not next(more):
                pytest.fail(f"{len(self.buffer)} bytes of {count}, ended: {self.ended}")
        taken = bytes(self.buffer[:count])
        del self.buffer[:count]
        return taken

    def silent(self, seconds: float) -> None:
        """Nothing may come for so long."""
        end = time.monotonic() + seconds
        while not self.ended and (left := end - time.monotonic()) > 0:
            self.pump(left)
        self.pump(0)  # what came while the machine let us do nothing
        assert not self.buffer, bytes(self.buffer[-300:])

    def rest(self, timeout: float = PATIENCE_S) -> bytes:
        """Wait for the end; returns what came before it."""
        more = self._reads(timeout)
        while not self.ended:
            if not next(more):
                pytest.fail(f"no end within {timeout} s; {len(self.buffer)} bytes so far")
        taken = bytes(self.buffer)
        self.buffer.clear()
        return taken

    def close(self) -> None:
        """Close this end."""
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = -1


class Dte(Wire):
    """Terminal equipment: the slave of a pseudo-terminal, opened raw as a serial port is."""

    def __init__(self, path: Path | str, speed: int = termios.B115200) -> None:
        fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        super().__init__(fd)
        tty.setraw(fd)
        self.set_speed(speed)

    def set_speed(self, speed: int) -> None:
        """Set a speed of :mod:`termios`; B0 is how a program drops DTR."""
        settings = termios.tcgetattr(self.fd)
        settings[4] = settings[5] = speed
        settings[2] |= termios.CLOCAL | termios.CREAD | termios.HUPCL
        termios.tcsetattr(self.fd, termios.TCSANOW, settings)

    def command(
        self, text: str, want: bytes | str = r"\r\n(OK|ERROR)\r\n", timeout: float = PATIENCE_S
    ) -> bytes:
        """Type a command line; returns everything up to its result."""
        self.send(text + "\r")
        return self.expect(want, timeout)

    def ok(self, text: str) -> bytes:
        """Type a command line that is to succeed."""
        answer = self.command(text)
        assert answer.endswith(b"\r\nOK\r\n"), answer
        return answer

    def dial(self, number: str, timeout: float = PATIENCE_S) -> bytes:
        """Dial and connect; returns the result code."""
        return self.command(f"ATDT{number}", r"\r\n(CONNECT|BUSY|NO )[^\r\n]*\r\n", timeout)

    def connect(self, number: str, timeout: float = PATIENCE_S) -> None:
        """Dial; fails the test when there is no connection."""
        answer = self.dial(number, timeout)
        assert b"CONNECT" in answer, answer

    def escape(self, guard_s: float = GUARD_S) -> None:
        """From a call to online command state; ``guard_s`` is what S12 says.  The modem counts from when it
        read what came before, and is given some time for that."""
        time.sleep(guard_s + 0.2)
        self.send("+++")
        self.expect(r"\r\nOK\r\n", guard_s + 5)


class Peer(Wire):
    """One TCP connection, as the far end of a call."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock.fileno())
        self.sock = sock

    def finish(self) -> None:
        """End our direction (FIN)."""
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Break the connection off (RST)."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        self.sock.close()
        self.fd = -1


class Host:
    """Somebody to be called: a listening socket on this machine, answered by hand."""

    def __init__(self, receive_buffer: int | None = None) -> None:
        self.sock = socket.socket()
        if receive_buffer is not None:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.bind(("127.0.0.1", 0))
        self.sock.listen(64)
        self.port = int(self.sock.getsockname()[1])
        self.number = f"127.0.0.1:{self.port}"
        self.peers: list[Peer] = []

    def answer(self, timeout: float = PATIENCE_S) -> Peer:
        """Take the next call."""
        self.sock.settimeout(timeout)
        try:
            sock, _ = self.sock.accept()
        except TimeoutError:
            pytest.fail(f"no call within {timeout} s")
        peer = Peer(sock)
        self.peers.append(peer)
        return peer

    def waiting(self) -> bool:
        """Whether a call waits to be answered."""
        return bool(select.select([self.sock], [], [], 0)[0])

    def close(self) -> None:
        for peer in self.peers:
            peer.close()
        self.sock.close()


def call(port: int, source: str = "127.0.0.1") -> Peer:
    """Call a listener of this machine."""
    return Peer(socket.create_connection(("127.0.0.1", port), PATIENCE_S, (source, 0)))


class Scene:
    """Makes the people of a test, and sees them off at its end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ends: list[Callable[[], Any]] = []

    def modem(self, *arguments: str, **more: Any) -> ModemProcess:
        """Start a modem and wait until it is ready."""
        modem = ModemProcess(self.folder, *arguments, **{**more, "wait": False})
        self._ends.append(modem.dispose)
        if more.get("wait", True) and more.get("stderr") is None:
            modem.wait_ready()
        return modem

    def dte(self, modem: ModemProcess | Path | str, *settings: str) -> Dte:
        """Open a modem's line; ``settings`` are command lines typed after ATE0."""
        dte = Dte(modem.link if isinstance(modem, ModemProcess) else modem)
        self._ends.append(dte.close)
        for text in ("ATE0", *settings) if settings else ():
            dte.ok(text)
        return dte

    def host(self, **more: Any) -> Host:
        host = Host(**more)
        self._ends.append(host.close)
        return host

    def call(self, modem: ModemProcess, source: str = "127.0.0.1") -> Peer:
        """Call a modem from the network."""
        peer = call(modem.port, source)
        self._ends.append(peer.close)
        return peer

    def spawn(self, command: Sequence[str], **more: Any) -> subprocess.Popen[bytes]:
        """Start a program; it is ended with the test."""
        process = subprocess.Popen(command, **{"env": environment(self.folder), "cwd": self.folder, **more})
        self._ends.append(lambda: _end(process))
        return process

    def finally_(self, end: Callable[[], Any]) -> None:
        """Do this at the end of the test."""
        self._ends.append(end)

    def close(self) -> None:
        errors: list[BaseException] = []
        for end in reversed(self._ends):
            try:
                end()
            except BaseException as exc:
                errors.append(exc)
        if errors:
            raise errors[0]


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(1)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            stream.close()


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """The people of one test."""
    made = Scene(tmp_path)
    yield made
    made.close()
