"""A bridge as a script: what docs/bridge.md says, done as it is written there."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.helpers.process import PATIENCE_S, ROOT, Dte, Host, environment, until

Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[subprocess.Popen[bytes]] = []

    def make(text: str, *arguments: str) -> subprocess.Popen[bytes]:
        (tmp_path / "script.py").write_text(text)
        command = [sys.executable, "script.py", *arguments]
        with open(tmp_path / "out", "wb") as out, open(tmp_path / "err", "wb") as err:
            process = subprocess.Popen(
                command, cwd=tmp_path, env=environment(tmp_path), stdout=out, stderr=err
            )
        started.append(process)
        return process

    yield make
    for process in started:
        process.kill()
        process.wait()


def written_in(page: str) -> str:
    found = re.search(r"```python\n(.*?)```", (ROOT / "docs" / page).read_text(), re.DOTALL)
    assert found
    return found[1]


def test_the_script_of_the_documentation(start: Start, tmp_path: Path) -> None:
    host = Host()
    running = start(written_in("bridge.md"), f"pty:{tmp_path}/scale", f"tcp:127.0.0.1:{host.port}")
    peer = host.answer()
    until(lambda: "bridge: ready: pty:" in (tmp_path / "err").read_text(), "ready")
    scale = Dte(tmp_path / "scale")
    tty.setraw(scale.fd)
    scale.send("US,GS,+   12.1kg\r\nST,GS,+   12.3")
    scale.send("40kg\r\nST,GS,-    0.500kg\r\nnoise\r\n")
    peer.expect(rb'^\{"kg": 12.34\}\n\{"kg": -0.5\}\n$')
    peer.send(b"tare\r\n")
    scale.expect(b"^tare\r\n$")
    scale.close()
    running.send_signal(signal.SIGINT)
    assert running.wait(PATIENCE_S) == 0
    trace = (tmp_path / "out").read_text()
    assert re.search(r"^ +\d+\.\d{3}  -> 'noise|^ +\d+\.\d{3}  <- 'tare\\r\\n'$", trace, re.MULTILINE), trace
    assert (tmp_path / "weights.pcap").stat().st_size > 24
    assert not (tmp_path / "scale").is_symlink()
    host.close()


FAILING = """
import sys
from vmodem import bridge
class Bad(bridge.Filter):
    def to_line(self, data):
        raise ValueError(data)
sys.exit(bridge.run(sys.argv[1], sys.argv[2], filter=Bad()))
"""


@pytest.mark.parametrize(
    ("line", "to", "code", "said"),
    [
        ("pyt:x", "echo:", 2, "did you mean pty"),
        ("pty:x", "ehco:", 2, "did you mean echo"),
        ("pty:script.py", "echo:", 69, "script.py"),
        ("pty:x", "help:", 1, "the filter failed"),
    ],
)
def test_what_cannot_be(start: Start, tmp_path: Path, line: str, to: str, code: int, said: str) -> None:
    running = start(FAILING, line, to)
    assert running.wait(PATIENCE_S) == code
    assert said in (tmp_path / "err").read_text()


def test_two_lines(start: Start, tmp_path: Path) -> None:
    script = """
import sys
from vmodem import bridge
sys.exit(bridge.run("pty:a", bridge.Line("pty:b")))
"""
    start(script)
    for name in "ab":
        until((tmp_path / name).is_symlink, "the link")
    a, b = Dte(tmp_path / "a"), Dte(tmp_path / "b")
    until(lambda: b"x" in _sent(a, b), "joined")
    b.send("answer")
    a.expect("answer")
    a.close()
    b.close()


def _sent(a: Dte, b: Dte) -> bytes:
    """What is written while nobody is known to be there yet is dropped."""
    a.send("x")
    b.pump(0.05)
    return bytes(b.buffer)
