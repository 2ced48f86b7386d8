"""The UPS monitor as a process of its own, and clients as processes, while the test turns made-up UPSes."""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.ports import free_port
from tests.helpers.process import environment
from tests.helpers.programs import need
from tests.helpers.reactors import Reactor
from tests.helpers.upses import Client

_APART = "mount -t tmpfs none /run && mkdir /run/nut && exec "
#: Debian's upsmon is a script that asks the machine's own configuration first.
REAL_UPSMON = Path("/lib/nut/upsmon")
#: What upsc says of itself on standard error.
_NOISE = ("Init SSL without certificate database",)

USERS = """
[user.boss]
password = "secret"
upsmon = "primary"
actions = ["SET", "FSD"]
instcmds = ["ALL", "shutdown.return"]
[user.clerk]
password = "secret"
instcmds = ["ALL"]
"""


class UpsProgram:
    """``vmodem run`` (or ``vmodem ups`` with ``arguments``) on a free port of this machine.  ``text`` are
    tables of a configuration; ``LISTEN`` in it is where clients come in."""

    def __init__(self, reactor: Reactor, folder: Path, text: str = "", *arguments: str) -> None:
        self.reactor = reactor
        self.folder = folder
        self.port = free_port()
        self.listen = f"tcp:{self.port}:interface=127.0.0.1"
        self.file = folder / "vmodem.toml"
        self.log_file = folder / "log"
        self.processes: list[subprocess.Popen[str]] = []
        self.clients: list[Client] = []
        self._ends: list[Callable[[], object]] = []
        state = ("--state-dir", str(folder / "state"))
        if arguments:
            command = ["ups", *(word.replace("LISTEN", self.listen) for word in arguments), *state]
        else:
            self.write(text)
            command = ["run", "-c", str(self.file), *state]
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "vmodem", *command],
                cwd=folder,
                env=environment(folder),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        reactor.until(lambda: "vmodem: ready" in self.log or self.process.poll() is not None, 20, "ready")
        assert self.process.poll() is None, self.log

    # -- the program ---------------------------------------------------------------------------------------

    def write(self, text: str) -> None:
        """Write the configuration."""
        self.file.write_text((USERS + text).replace("LISTEN", self.listen))

    @property
    def log(self) -> str:
        return self.log_file.read_text("utf-8", "replace")

    @property
    def resident(self) -> int:
        """Memory in bytes."""
        text = Path(f"/proc/{self.process.pid}/statm").read_text()
        return int(text.split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def status(self, name: str) -> dict[str, Any]:
        """What ``vmodem status --json`` says of a UPS."""
        code, out, err = self.run(*self.own("status", "--json"))
        assert code == 0, err
        (found,) = (each for each in _flat(json.loads(out)) if each.get("name") == name)
        return found

    def reload(self, text: str) -> None:
        """Write another configuration and have it taken up."""
        self.write(text)
        code, out, err = self.run(*self.own("reload"))
        assert code == 0, out + err

    def own(self, *words: str) -> list[str]:
        """A verb of ours for the program that runs."""
        return [sys.executable, "-m", "vmodem", *words, "--state-dir", str(self.folder / "state")]

    def at_end(self, end: Callable[[], object]) -> None:
        """Do this when all is over."""
        self._ends.append(end)

    def stop(self) -> None:
        """End everything; nothing may have gone wrong inside."""
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.communicate()
        for client in self.clients:
            client.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.reactor.until(lambda: self.process.poll() is not None, 5, "the program ends")
        finally:
            if self.process.poll() is None:
                self.process.kill()
            self.process.wait()
            for end in self._ends:
                end()
        assert "Traceback" not in self.log, self.log
        assert " critical " not in self.log, self.log

    # -- clients -------------------------------------------------------------------------------------------

    def where(self, name: str = "rack") -> str:
        """A UPS as clients name it."""
        return f"{name}@127.0.0.1:{self.port}"

    def start(self, *argv: str, **more: Any) -> subprocess.Popen[str]:
        """Start a client."""
        more = {"env": environment(self.folder), **more}
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more
        )
        self.processes.append(process)
        return process

    def run(self, *argv: str) -> tuple[int, str, str]:
        """Run a client to its end: exit status, output, errors."""
        process = self.start(*argv)
        self.reactor.until(lambda: process.poll() is not None, 30, f"{argv[0]} ends")
        out, err = process.communicate()
        return process.returncode, out, err

    def debian(self, program: str, *arguments: str) -> tuple[int, str]:
        """Run a client of Debian's; exit status and all it says."""
        (path,) = need(program)
        code, out, err = self.run(path, *arguments)
        return code, "".join(line + "\n" for line in (out + err).splitlines() if line not in _NOISE)

    def upsc(self, *variable: str, name: str = "rack") -> str:
        """What upsc says."""
        return self.debian("upsc", self.where(name), *variable)[1].rstrip("\n")

    def values(self, name: str = "rack") -> dict[str, str]:
        """All variables, by upsc."""
        (path,) = need("upsc")
        code, out, err = self.run(path, self.where(name))
        assert code == 0, err
        return dict(line.split(": ", 1) for line in out.splitlines())

    def upscmd(self, *words: str, user: str = "boss", password: str = "secret") -> tuple[int, str]:
        """Give a command, and wait for what becomes of it."""
        return self.debian("upscmd", "-w", "-u", user, "-p", password, self.where(), *words)

    def upsrw(self, change: str, user: str = "boss") -> tuple[int, str]:
        """Change a variable, and wait for what becomes of it."""
        return self.debian("upsrw", "-w", "-u", user, "-p", "secret", "-s", change, self.where())

    def client(self) -> Client:
        """Somebody who types the protocol."""
        self.clients.append(Client(self.reactor, self.port))
        return self.clients[-1]

    def until(self, status: str, within: float, name: str = "rack") -> float:
        """Ask until the status (or the error) is this; how long it took."""
        client, began, found = self.client(), self.reactor.seconds(), ""
        while True:
            found = client.ask(f"GET VAR {name} ups.status").replace(f"VAR {name} ups.status ", "")
            took = self.reactor.seconds() - began
            if found.strip('"') == status:
                self.clients.remove(client)
                client.close()
                return took
            assert took <= within, f"{found} instead of {status} after {took:.1f} s\n{self.log}"
            self.reactor.run_for(0.02)

    def python(self, module: str, text: str) -> Any:
        """Run a client in Python; what it puts into ``found``."""
        return python(self.run, module, self.port, text)


def python(run: Callable[..., tuple[int, str, str]], module: str, port: int, text: str) -> Any:
    """Run a client in Python, which finds its port in ``PORT``; what it puts into ``found``."""
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"needs {module}: pip install 'vmodem[test]'")
    code = f"import json\nfound = {{}}\nPORT = {port}\n{text}\nprint(json.dumps(found, default=repr))"
    status, out, err = run(sys.executable, "-W", "ignore", "-c", code)
    assert status == 0, err
    return json.loads(out.splitlines()[-1])


class Upsmon:
    """upsmon as a process, with all it announces in a file.  ``start`` starts a process, ``where`` is the UPS
    as upsmon names it."""

    def __init__(
        self,
        reactor: Reactor,
        start: Callable[..., subprocess.Popen[str]],
        folder: Path,
        where: str,
        user: str,
        kind: str,
    ) -> None:
        (upsmon,) = need("upsmon")
        if REAL_UPSMON.exists():
            upsmon = str(REAL_UPSMON)
        self._reactor = reactor
        folder = folder / f"upsmon-{user}"
        folder.mkdir()
        self.told_file = folder / "told"
        self.down = folder / "down"
        note = folder / "note"
        note.write_text(f'#!/bin/sh\necho "$NOTIFYTYPE" >>{self.told_file}\n')
        note.chmod(0o755)
        notify = "\n".join(
            f"NOTIFYFLAG {event} EXEC"
            for event in ("ONLINE", "ONBATT", "LOWBATT", "FSD", "COMMOK", "COMMBAD", "SHUTDOWN", "NOCOMM")
        )
        (folder / "upsmon.conf").write_text(
            f"RUN_AS_USER root\nMONITOR {where} 1 {user} secret {kind}\nMINSUPPLIES 1\n"
            f'SHUTDOWNCMD "touch {self.down}"\nNOTIFYCMD {note}\nPOLLFREQ 1\nPOLLFREQALERT 1\nHOSTSYNC 2\n'
            f"DEADTIME 4\nFINALDELAY 0\nPOWERDOWNFLAG {folder}/killpower\n{notify}\n"
        )
        (folder / "upsmon.conf").chmod(0o600)
        path = "/usr/bin:/bin:/usr/sbin:/sbin"
        command = [upsmon, "-F", "-p"]
        if os.getuid() == 0:
            # It keeps others of its kind away by a file of the system: each gets a place of its own for it.
            (unshare,) = need("unshare")
            command = [unshare, "--mount", "sh", "-c", _APART + shlex.join(command)]
        self.process = start(*command, env={"PATH": path, "NUT_CONFPATH": str(folder)})

    @property
    def told(self) -> list[str]:
        """In order, without its complaints that a loss lasts."""
        told = self.told_file.read_text().split() if self.told_file.exists() else []
        return [event for event in told if event != "NOCOMM"]

    def wait_login(self, logged_in: Callable[[], object]) -> None:
        self._reactor.until(lambda: logged_in() or self.process.poll() is not None, 20, "upsmon logs in")
        assert self.process.poll() is None, self.process.communicate()

    def wait(self, *told: str, timeout: float = 20) -> None:
        self._reactor.until(lambda: list(told) == self.told[: len(told)], timeout, f"{told}, not {self.told}")


def _flat(found: Any) -> list[dict[str, Any]]:
    """Every table in what was said."""
    if isinstance(found, dict):
        return [found, *(each for value in found.values() for each in _flat(value))]
    return [each for value in found for each in _flat(value)] if isinstance(found, list) else []
