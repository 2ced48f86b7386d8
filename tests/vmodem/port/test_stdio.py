"""Equipment on standard input and output, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import termios
import time
from pathlib import Path

CHILD = """
import sys
from tests.helpers.reactors import Reactor
from tests.vmodem.port.conftest import User
from vmodem.port.parse import make_port

reactor = Reactor()
port = make_port(reactor, "stdio:")
user = User(port)
port.start(user)
reactor.until(lambda: user.data.endswith(b"."))
port.write(b"got " + user.data)
reactor.until(lambda: not user.present or user.data.endswith(b"!"))
port.write(b" bye")
reactor.wait_for(port.stop())
print(user.events, file=sys.stderr)
"""


def child(**channels: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD],
        cwd=Path(__file__).parents[3],
        stderr=subprocess.PIPE,
        **channels,  # type: ignore[call-overload]
    )


def test_pipes() -> None:
    program = child(stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    out, told = program.communicate(b"all\xff\r\n.", timeout=20)
    assert out == b"got all\xff\r\n. bye"
    assert program.returncode == 0
    assert told.count(b"('attached', True)") == told.count(b"('attached', False)") == 1


def test_a_terminal_is_raw_and_then_as_it_was() -> None:
    far, near = os.openpty()
    before = termios.tcgetattr(near)
    program = child(stdin=near, stdout=near)
    os.write(far, b"x")
    # The echo of what came before it was raw may stand first.
    for _ in range(200):
        if not termios.tcgetattr(near)[3] & termios.ECHO:
            break
        time.sleep(0.02)
    os.write(far, b"\r.")
    got = b""
    while b"." not in got.partition(b"got ")[2]:
        got += os.read(far, 100)
    assert got.endswith(b"got x\r.")
    os.write(far, b"!")
    assert program.wait(20) == 0
    assert os.read(far, 100) == b" bye"
    assert termios.tcgetattr(near) == before
    program.communicate()
    os.close(far)
    os.close(near)
