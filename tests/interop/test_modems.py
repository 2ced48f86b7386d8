"""Two modems and the file transfer programs of a serial port between them."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import tty
from pathlib import Path

import pytest

from tests.helpers.process import Dte, ModemProcess, Scene, until
from tests.helpers.programs import need

pytestmark = pytest.mark.interop

#: What a path that is not clean trips over: every byte, escape sequences, flow control, Telnet, PPP, results.
TRAPS = bytes(range(256)) * 2 + b"+++" + b"\xff\xff\xfd\x18\x11\x13\x7e\x7d\r\nNO CARRIER\r\n+++ATH\r"


def pair(scene: Scene) -> tuple[ModemProcess, ModemProcess]:
    return scene.modem(name="a"), scene.modem(name="b")


def in_call(scene: Scene, *, answer: str = "ATS0=1") -> tuple[Dte, Dte]:
    """The terminal equipment of two modems, the first having called the second."""
    calling, called = pair(scene)
    a, b = scene.dte(calling, "ATX4", "ATS12=10"), scene.dte(called, "ATX4", "ATS12=10", answer)
    a.send(f"ATDT{called.number}\r")
    b.expect(r"^\r\nRING\r\n")
    if answer != "ATS0=1":
        b.send("ATA\r")
    b.expect(r"^\r\nCONNECT 115200\r\n")
    a.expect(r"^\r\nCONNECT 115200\r\n")
    return a, b


@pytest.mark.parametrize("answer", ["ATS0=1", "ATS0=0"], ids=["automatic", "by hand"])
@pytest.mark.parametrize("who", ["caller", "called"])
def test_call_from_one_to_the_other(scene: Scene, answer: str, who: str) -> None:
    """One rings, the other answers, both talk; whoever hangs up, the other hears NO CARRIER exactly once."""
    a, b = in_call(scene, answer=answer)
    a.send("to b")
    b.expect("^to b")
    b.send(TRAPS)
    assert a.take(len(TRAPS)) == TRAPS
    leaving, staying = (a, b) if who == "caller" else (b, a)
    leaving.escape()
    staying.expect(r"\+\+\+")
    assert leaving.command("ATH") == b"\r\nOK\r\n"
    assert staying.expect(r"NO CARRIER\r\n") == b"\r\nNO CARRIER\r\n"
    staying.silent(0.3)
    leaving.silent(0.1)
    assert a.command("AT") == b.command("AT") == b"\r\nOK\r\n"


@pytest.mark.parametrize("who", ["caller", "called"])
def test_closing_the_port_ends_the_call(scene: Scene, who: str) -> None:
    a, b = in_call(scene)
    leaving, staying = (a, b) if who == "caller" else (b, a)
    leaving.close()
    assert staying.expect(r"NO CARRIER\r\n") == b"\r\nNO CARRIER\r\n"
    staying.silent(0.2)


def test_busy_is_told(scene: Scene) -> None:
    """A modem in a call is busy for a third one."""
    calling, called = pair(scene)
    a, b = scene.dte(calling, "ATX4"), scene.dte(called, "ATX4", "ATS0=1")
    third = scene.dte(scene.modem(name="c"), "ATX4")
    a.connect(called.number)
    b.expect("CONNECT")
    third.dial(called.number)
    third.expect(r"BUSY\r\n")


def _transfer(scene: Scene, send: list[str], receive: list[str], file: Path, a: Dte, b: Dte) -> Path:
    """Send ``file`` from one line to the other with the programs given; returns what arrived."""
    folder = scene.folder / "arrived"
    folder.mkdir(exist_ok=True)
    for dte in (a, b):
        os.set_blocking(dte.fd, True)
    quiet = {"stderr": subprocess.DEVNULL}
    receiver = scene.spawn(receive, stdin=b.fd, stdout=b.fd, cwd=folder, **quiet)
    sender = scene.spawn([*send, str(file)], stdin=a.fd, stdout=a.fd, **quiet)
    until(lambda: sender.poll() is not None, "the sender's end", 40)
    assert sender.returncode == 0
    # The sender leaves by flushing its line, which may take its last goodbye from a pseudo-terminal; the
    # receiver would wait half a minute for it, with the whole file.
    try:
        assert receiver.wait(0.5) == 0
    except subprocess.TimeoutExpired:
        receiver.kill()
        receiver.wait()
    for dte in (a, b):
        os.set_blocking(dte.fd, False)
        tty.setraw(dte.fd)
    return folder / file.name


@pytest.mark.parametrize("way", ["to the called", "to the caller"])
def test_zmodem(scene: Scene, way: str) -> None:
    """Five megabytes by ZMODEM arrive as they were, and the call outlives the transfer."""
    sz, rz = need("sz", "rz")
    a, b = in_call(scene)
    if way == "to the caller":
        a, b = b, a
    file = scene.folder / "five.bin"
    file.write_bytes(TRAPS + random.Random(5).randbytes(5 << 20))
    arrived = _transfer(scene, [sz, "-b", "-q"], [rz, "-b", "-q", "-y"], file, a, b)
    assert hashlib.sha256(arrived.read_bytes()).digest() == hashlib.sha256(file.read_bytes()).digest()
    a.send("and on")
    b.expect("and on")
