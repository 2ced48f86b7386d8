"""``vmodem serve``, ``redirect`` and their kin as processes, and a device for them."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import termios
import tty
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.helpers.process import PATIENCE_S, Scene, Wire, environment, until, vmodem


class Verb:
    """``vmodem VERB`` as a process of its own."""

    def __init__(self, scene: Scene, verb: str, *arguments: str) -> None:
        self.log_file = scene.folder / f"{verb}.log"
        self.state = scene.folder / f"{verb}.state"
        with open(self.log_file, "wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "vmodem", verb, *arguments, "--state-dir", str(self.state)],
                cwd=scene.folder,
                env=environment(scene.folder),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        scene.finally_(self.dispose)
        self.wait_log("vmodem: ready")

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    def wait_log(self, pattern: str) -> re.Match[str]:
        until(lambda: re.search(pattern, self.log) or self.process.poll() is not None, pattern)
        found = re.search(pattern, self.log)
        assert found, self.log
        return found

    def ports(self, kind: str = "tcp") -> list[int]:
        """Where it listens, in order."""
        ready = self.wait_log(r"vmodem: ready: \S+ on [^,]*, (.*)")[1]
        return [int(port) for port in re.findall(kind + r" 127\.0\.0\.1:(\d+)", ready)]

    def ask(self, *words: str) -> str:
        """What a verb for its operator says."""
        verb, *rest = words
        done = vmodem(verb, "--state-dir", str(self.state), *rest, folder=self.log_file.parent)
        return done.stdout + done.stderr

    @property
    def status(self) -> Mapping[str, Any]:
        """How it stands, of the one thing that it does."""
        (found,) = json.loads(self.ask("status", "--json")).values()
        state: Mapping[str, Any] = found
        return state

    @property
    def resident(self) -> int:
        """Resident memory in bytes."""
        text = Path(f"/proc/{self.process.pid}/statm").read_text()
        return int(text.split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def dispose(self) -> None:
        self.process.terminate()
        assert self.process.wait(PATIENCE_S) == 0
        assert "Traceback" not in self.log


class Far(Wire):
    """A device at the far end: what the server takes for a serial port is a pseudo-terminal's slave."""

    def __init__(self) -> None:
        master, self.slave = pty.openpty()
        tty.setraw(self.slave)
        super().__init__(master)
        self.name = os.ttyname(self.slave)

    @property
    def speed(self) -> int:
        """What the server has set."""
        return int(termios.tcgetattr(self.slave)[5])

    @property
    def stop_bits(self) -> int:
        return 2 if termios.tcgetattr(self.slave)[2] & termios.CSTOPB else 1

    def close(self) -> None:
        super().close()
        os.close(self.slave)
