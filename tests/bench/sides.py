"""The programs that take turns: vmodem, and what it is compared with."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.helpers.ports import free_port

from .ends import End, Host, connect, open_terminal
from .process import Program, vmodem

_PUMP_SOURCE: Final = Path(__file__).with_name("pump.c")


@dataclass
class Joined:
    """A program that joins a terminal end and a network end, a call being up."""

    side: str
    program: Program
    dte: End
    net: End


class Peers:
    """What there is on this machine to compare with; ``missing`` says what is not."""

    def __init__(self, folder: Path) -> None:
        self.missing: list[str] = []
        self.socat = shutil.which("socat")
        if self.socat is None:
            self.missing.append("socat is left out: it is not installed (Debian package socat)")
        self.pump = self._build(folder)
        self.sides = [
            "vmodem",
            *(["limit"] if self.pump is not None else []),
            *(["socat"] if self.socat is not None else []),
        ]

    def _build(self, folder: Path) -> str | None:
        compiler = shutil.which("gcc") or shutil.which("cc")
        if compiler is None:
            self.missing.append("limit is left out: there is no C compiler (Debian packages gcc, libc6-dev)")
            return None
        pump = folder / "pump"
        command = [compiler, "-O2", "-o", str(pump), str(_PUMP_SOURCE), "-lutil"]
        result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if result.returncode:
            reason = (result.stderr.strip() or "no reason given").splitlines()[0]
            self.missing.append(f"limit is left out: it cannot be built: {reason} (Debian package libc6-dev)")
            return None
        return str(pump)

    def join(self, stack: ExitStack, side: str, line: str, folder: Path) -> Joined:
        """Start ``side`` on a ``line`` of kind "pty" or "tcp" and bring a call up; ``stack`` ends it."""
        folder.mkdir(parents=True)
        host = stack.enter_context(Host())
        link, port = folder / "line", free_port()
        program = stack.enter_context(
            Program(self._command(side, line, link, port, host.port, folder), folder)
        )
        dte = open_terminal(link, program) if line == "pty" else connect(port, program)
        stack.callback(dte.close)
        if side == "vmodem":
            dte.send(b"ATDT127.0.0.1:%d\r" % host.port)
        net = host.accept()
        stack.callback(net.close)
        if side == "vmodem":
            dte.expect(b"CONNECT")
            dte.expect(b"\r\n")
        return Joined(side, program, dte, net)

    def _command(self, side: str, line: str, link: Path, port: int, to: int, folder: Path) -> list[str]:
        pty = line == "pty"
        if side == "vmodem":
            return vmodem(folder, "--line", f"pty:{link}" if pty else f"tcp:{port}", "--no-answer")
        if side == "limit":
            return [str(self.pump), line, str(link) if pty else str(port), str(to)]
        near = f"PTY,raw,echo=0,link={link}" if pty else f"TCP-LISTEN:{port},bind=127.0.0.1,reuseaddr,nodelay"
        return [str(self.socat), near, f"TCP:127.0.0.1:{to},nodelay"]


def serve(stack: ExitStack, folder: Path, *arguments: str) -> tuple[Program, End]:
    """One modem on a pseudo-terminal, ready, with terminal equipment attached."""
    folder.mkdir(parents=True)
    link = folder / "line"
    program = stack.enter_context(Program(vmodem(folder, "--line", f"pty:{link}", *arguments), folder))
    program.wait_for(b"vmodem: ready")
    dte = open_terminal(link, program)
    stack.callback(dte.close)
    return program, dte
