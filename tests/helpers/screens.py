"""Full-screen programs in a terminal of their own, made by tmux."""

from __future__ import annotations

import re
import shlex
import subprocess
import time

import pytest

from tests.helpers.process import Scene, environment
from tests.helpers.programs import need


class Screen:
    """A terminal that a program draws on, made by tmux."""

    def __init__(self, scene: Scene, command: list[str], **environ: str) -> None:
        (self._tmux,) = need("tmux")
        self._socket = str(scene.folder / "tmux")
        self._environ = environment(scene.folder, **environ)
        self._environ.pop("TMUX", None)
        self._folder = scene.folder
        scene.finally_(lambda: self._run("kill-server"))
        self._run("-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "30", shlex.join(command))
        self._run("set", "-g", "remain-on-exit", "on")

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(
            [self._tmux, "-S", self._socket, *arguments],
            env=self._environ,
            cwd=self._folder,
            capture_output=True,
            text=True,
            timeout=10,
        )
        return done.stdout

    @property
    def text(self) -> str:
        return self._run("capture-pane", "-p", "-S", "-200", "-J")

    def expect(self, pattern: str, timeout: float = 15) -> None:
        end = time.monotonic() + timeout
        while not re.search(pattern, self.text, re.DOTALL):
            if time.monotonic() > end:
                pytest.fail(f"no {pattern!r} on the screen:\n{self.text}")
            time.sleep(0.05)

    def type(self, text: str) -> None:
        self._run("send-keys", "-l", text)

    def press(self, *keys: str) -> None:
        self._run("send-keys", *keys)
