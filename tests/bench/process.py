"""Programs that are measured: started here, looked at through /proc, ended by their number."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
#: Nothing that works takes so long, in seconds.
PATIENCE_S: Final = 15.0
_TICKS: Final = os.sysconf("SC_CLK_TCK")


class Failed(Exception):
    """A measurement that cannot be made; the text says why."""


class Program:
    """A running program; a context manager that ends it."""

    def __init__(self, command: Sequence[str], folder: Path) -> None:
        # A file, which unlike a pipe never makes a talkative program wait.
        self._errors = folder / "errors"
        self._name = Path(command[0]).name
        with self._errors.open("wb") as errors:
            self.started = time.monotonic()
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                env=environment(folder),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )
        self.pid = self._process.pid

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: Any) -> None:
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def wait_for(self, word: bytes) -> float:
        """Wait until ``word`` appears on standard error; returns the seconds since the start."""
        while word not in self._errors.read_bytes():
            self.check()
            time.sleep(0.001)
        return time.monotonic() - self.started

    def check(self) -> None:
        """Called by whoever waits for something of a new program; raises :class:`Failed` when there is no use
        in it."""
        if self._process.poll() is not None:
            state = "ended"
        elif time.monotonic() > self.started + PATIENCE_S:
            state = "does not begin to serve"
        else:
            return
        said = self._errors.read_bytes()[-300:].decode(errors="replace").strip()
        raise Failed(f"{self._name} {state}; it said: {said}")

    # -- what the kernel counts ----------------------------------------------------------------------------

    def cpu_s(self) -> float:
        """Seconds of processor time so far, of all threads."""
        total = 0
        for task in self._tasks():
            try:
                total += int((task / "schedstat").read_text().split()[0])
            except (OSError, IndexError):
                total = 0
                break
        if total:
            return total / 1e9
        # A kernel without scheduler statistics: what it counts in ticks, then.
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def resident_mib(self) -> float:
        """Resident memory."""
        return self._status("VmRSS") / 1024

    def threads(self) -> int:
        return len(self._tasks())

    def wake_ups(self) -> int:
        """How often its threads have gone to sleep so far, which is as often as they were woken."""
        total = 0
        for task in self._tasks():
            for line in (task / "status").read_text().splitlines():
                if line.startswith("voluntary_ctxt_switches"):
                    total += int(line.split()[1])
        return total

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def _tasks(self) -> list[Path]:
        return list(Path(f"/proc/{self.pid}/task").iterdir())

    def _status(self, name: str) -> int:
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1])
        raise Failed(f"the kernel does not tell {name}")


def environment(folder: Path) -> dict[str, str]:
    """What a program finds around it: this checkout, and a home of its own.

    The caller's settings for Python are left out; compiled modules are kept, say, as users have them.
    """
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    return {**kept, "PYTHONPATH": str(ROOT), "HOME": str(folder)}


def vmodem(folder: Path, *arguments: str) -> list[str]:
    """The command for one modem of this checkout, keeping its state in ``folder``."""
    return [sys.executable, "-m", "vmodem", "modem", *arguments, "--state-dir", str(folder / "state")]
