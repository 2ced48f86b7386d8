"""Two calls whose path is cut at the beginning, and looked at again when the system should have noticed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.helpers.process import PATIENCE_S, Dte, ModemProcess

_HOST = """
import socket, sys
server = socket.create_server(("10.213.77.2", 4000))
print("listening", flush=True)
kept = [server.accept() for _ in range(2)]
sys.stdin.read()
"""


class CutCalls:
    """One call with data waiting and one without, through a path that says nothing any more."""

    def __init__(self, folder: Path) -> None:
        if os.geteuid() or shutil.which("ip") is None:
            pytest.skip("needs root and the Debian package iproute2, for network namespaces of its own")
        self._here, self._there = f"vmodem-a{os.getpid()}", f"vmodem-b{os.getpid()}"
        self._modems: list[ModemProcess] = []
        self._took: dict[str, float] = {}
        self._threads: dict[str, threading.Thread] = {}
        self._host: subprocess.Popen[str] | None = None
        try:
            self._wire()
            self._begin(folder)
        except BaseException:
            self.close()
            raise

    def wait(self, which: str, limit: float) -> float:
        """Seconds from the cut until NO CARRIER; fails the test when there is none."""
        self._threads[which].join(limit + 5)
        assert which in self._took, "no NO CARRIER"
        return self._took[which]

    def close(self) -> None:
        for modem in self._modems:
            modem.dispose()
        if self._host is not None:
            self._host.communicate("", timeout=PATIENCE_S)
        for space in (self._here, self._there):
            subprocess.run(["ip", "netns", "del", space], capture_output=True)

    def _wire(self) -> None:
        """Two network namespaces with a cable between them."""
        here, there = self._here, self._there
        for space in (here, there):
            made = subprocess.run(["ip", "netns", "add", space], capture_output=True, text=True)
            if made.returncode:
                pytest.skip(f"no network namespace can be made here: {made.stderr.strip()}")
        self._ip(
            "link", "add", "cable", "netns", here, "type", "veth", "peer", "name", "cable", "netns", there
        )
        for space, address in ((here, "10.213.77.1/30"), (there, "10.213.77.2/30")):
            self._ip("-n", space, "address", "add", address, "dev", "cable")
            self._ip("-n", space, "link", "set", "cable", "up")
            self._ip("-n", space, "link", "set", "lo", "up")

    def _begin(self, folder: Path) -> None:
        inside = ("ip", "netns", "exec")
        self._host = subprocess.Popen(
            [*inside, self._there, sys.executable, "-c", _HOST],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._host.stdout is not None
        assert self._host.stdout.readline() == "listening\n"
        dtes = {}
        for which in ("waiting", "idle"):
            modem = ModemProcess(folder, name=which, answer=None, prefix=(*inside, self._here), wait=False)
            self._modems.append(modem)
            modem.wait_ready()
            dtes[which] = dte = Dte(modem.link)
            dte.ok("ATE0")
            dte.connect("10.213.77.2:4000")
        # What comes back finds no way any more; neither side is told.
        self._ip("-n", self._there, "route", "add", "blackhole", "10.213.77.1/32")
        cut_at = time.monotonic()
        dtes["waiting"].send("is anybody there?")
        for which, dte in dtes.items():
            thread = threading.Thread(target=self._watch, args=(which, dte, cut_at), daemon=True)
            self._threads[which] = thread
            thread.start()

    def _watch(self, which: str, dte: Dte, cut_at: float) -> None:
        while b"NO CARRIER" not in dte.buffer and time.monotonic() - cut_at < 90:
            dte.pump(1)
        if b"NO CARRIER" in dte.buffer:
            self._took[which] = time.monotonic() - cut_at

    @staticmethod
    def _ip(*arguments: str) -> None:
        done = subprocess.run(["ip", *arguments], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"the network namespaces cannot be joined here: {done.stderr.strip()}")
