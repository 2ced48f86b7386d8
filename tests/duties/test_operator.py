"""Duties towards whoever runs the program, and towards the machine under it (rows O)."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import socket
import stat
import sys
import time
from pathlib import Path

import pytest

from tests.helpers.process import Scene, Wire, until

WITH_LIMIT = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
os.execvp(sys.argv[1], sys.argv[1:])
"""
JUMPING_CLOCK = """
import os, time
_real = time.time
def _jumped():
    return _real() - (3600.0 if os.path.exists({flag!r}) else 0.0)
time.time = _jumped
"""


def test_o1_killed_while_storing(scene: Scene) -> None:
    """Killed at any moment of AT&W, the next start finds the old settings or the new, whole."""
    moments = random.Random(1)
    stored = set()
    for turn in range(8):
        modem = scene.modem(name="o1", line=f"pty:{scene.folder}/line")
        dte = scene.dte(scene.folder / "line", "ATX4")
        found = re.search(rb"(\d{3})\r\n\r\n(\d{3})\r\n", dte.ok("ATS30?S38?"))
        assert found
        stored.add(found[1])
        before = int(found[1]), int(found[2])
        dte.send(f"ATS30={turn + 1}S38={turn + 101}&W\r" + f"ATS30={turn + 51}S38={turn + 151}&W\r")
        if turn % 2:
            dte.expect(r"\r\nOK\r\n")  # of the first one
        time.sleep(moments.uniform(0, 0.02))
        modem.signal(signal.SIGKILL)
        modem.wait()
        dte.close()
        wanted = {before, (turn + 1, turn + 101), (turn + 51, turn + 151)}
        file = modem.state / "o1.profile.json"
        if file.exists():
            kept = json.loads(file.read_text())["profiles"]["0"]["registers"]
            assert (kept.get("30", 0), kept.get("38", 20)) in wanted
    assert len(stored) > 2  # so that both outcomes had their chance


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"version": 1, "profiles": {"0"',
        b"\0" * 4096,
        b'{"version": 99}',
        b'{"version": 1, "profiles": {"0": {"commands": {"E": 7}}}}',
        b"[" * 100_000,
        b" " * (2 << 20),
        b'{"version": 1, "power_up": 1e999}',
    ],
    ids=["empty", "cut off", "zeros", "foreign", "out of range", "deep", "huge", "infinite"],
)
def test_o2_damaged_profile(scene: Scene, content: bytes) -> None:
    """A stored profile that is damaged or not ours means factory settings and one warning."""
    state = scene.folder / "state"
    state.mkdir()
    (state / "modem0.profile.json").write_bytes(content)
    modem = scene.modem()
    warnings = [line for line in modem.log.splitlines() if " warn" in line]
    assert len(warnings) == 1
    assert "factory settings" in warnings[0]
    assert len(warnings[0]) < 500
    dte = scene.dte(modem, "ATX4")
    assert b"000" in dte.ok("ATS0?")
    dte.ok("ATS0=3&W")


def test_o3_disk_full(scene: Scene) -> None:
    """On a full disk AT&W says ERROR and calls go on; the loss of call records is told once, then counted."""
    reader, writer = os.pipe()
    log = Wire(reader)
    scene.finally_(log.close)
    # No file of this process may hold a single byte: every write fails, as on a full disk.
    modem = scene.modem(prefix=(sys.executable, "-c", WITH_LIMIT), answer=None, stderr=writer)
    os.close(writer)
    said = log.expect("vmodem: ready[^\n]*\n")
    host = scene.host()
    dte = scene.dte(modem, "ATX4")
    assert dte.command("AT&W") == b"\r\nERROR\r\n"
    for _ in range(3):
        dte.connect(host.number)
        peer = host.answer()
        peer.send("goes on")
        dte.expect("goes on")
        peer.close()
        dte.expect(r"\r\nNO CARRIER\r\n")
    assert dte.command("AT&W") == b"\r\nERROR\r\n"
    assert modem.stop() == 0
    said += log.rest()
    assert said.count(b"profile.json cannot be written") == 2
    assert said.count(b"call records are lost") == 1


def test_o3_nobody_reads_the_log(scene: Scene) -> None:
    """A reader of the log who stalls costs lines of the log, which are counted, and nothing else."""
    reader, writer = os.pipe()
    log = Wire(reader)
    scene.finally_(log.close)
    modem = scene.modem("--entry", "1" + "0" * 200 + "=discard:", answer=None, stderr=writer)
    os.close(writer)
    log.expect("vmodem: ready[^\n]*\n")
    dte = scene.dte(modem, "ATX4")
    for turn in range(400):
        assert b"NO CARRIER" in dte.dial(f'"nowhere{turn:0200}"')  # two lines of the log and more each
    log.pump(1)
    while log.pump(0.1):
        pass
    dte.dial('"nowhere at all"')
    log.expect(r"\d+ lines of this log were lost\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("state", ["idle", "dialling", "ringing", "online", "escaped", "blocked"])
def test_o4_ends_in_order(scene: Scene, state: str, number: signal.Signals) -> None:
    """Told to end, in whatever state: NO CARRIER to the DTE, end of stream to the peer, the link gone, exit
    code 0, within 2 s."""
    modem = scene.modem()
    dte = scene.dte(modem, "ATX4", "ATS12=10")
    peer = None
    if state == "dialling":
        host = _Deaf()
        scene.finally_(host.close)
        dte.send(f"ATD{host.number}\r")
        until(lambda: host.asked(modem.pid), "the attempt")
    elif state == "ringing":
        peer = scene.call(modem)
        dte.expect(r"RING\r\n")
    elif state != "idle":
        called = scene.host(receive_buffer=4096)
        dte.connect(called.number)
        peer = called.answer()
        if state == "escaped":
            dte.escape()
            peer.expect(r"\+\+\+")
        elif state == "blocked":
            dte.send_what_fits(b"x" * (8 << 20))
            peer.send_what_fits(b"y" * (8 << 20))
    start = time.monotonic()
    modem.signal(number)
    if state == "blocked":
        assert modem.wait(2) == 0
    else:
        wanted = "" if state in ("idle", "ringing") else r"\r\nNO CARRIER\r\n"
        dte.expect(wanted, 2)
        if peer is not None:
            assert peer.rest(2) == (b"NO ANSWER\r\n" if state == "ringing" else b"")
        assert modem.wait(2) == 0
    assert time.monotonic() - start < 2
    assert not os.path.lexists(modem.link)
    assert b"NO CARRIER" not in dte.buffer


class _Deaf:
    """A host that takes no call: its queue is full."""

    def __init__(self) -> None:
        self._sock = socket.socket()
        self._sock.bind(("127.0.0.1", 0))
        self._sock.listen(0)
        self._filler = socket.create_connection(self._sock.getsockname())
        self.port = self._sock.getsockname()[1]
        self.number = f"127.0.0.1:{self.port}"

    def asked(self, pid: int) -> bool:
        """Whether somebody's SYN to us is unanswered."""
        wanted = f":{self.port:04X} 02"
        return any(wanted in line for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines())

    def close(self) -> None:
        self._filler.close()
        self._sock.close()


def test_o5_directory_is_read_again(scene: Scene) -> None:
    """SIGHUP reads the directory again; calls are kept, and a file with a mistake leaves the old in force."""
    file = scene.folder / "numbers.toml"
    first, second = scene.host(), scene.host()
    file.write_text(f'"555" = "tcp:{first.number}"\n')
    modem = scene.modem("--directory", str(file))
    dte = scene.dte(modem, "ATX4", "ATS12=10")
    dte.connect("555")
    peer = first.answer()
    file.write_text(f'"555" = "tcp:{second.number}"\n')
    modem.signal(signal.SIGHUP)
    modem.wait_log("configuration read again: directory: changed")
    peer.send("kept")
    dte.expect("kept")
    file.write_text('"555" = "nonsense\n')
    modem.signal(signal.SIGHUP)
    modem.wait_log(r"old configuration stays in force.*numbers\.toml")
    dte.escape()
    dte.ok("ATH")
    dte.connect("555")
    second.answer()


def test_o6_three_seconds_of_standstill(scene: Scene) -> None:
    """After the whole program stood still for three seconds nothing is lost, and an escape sequence that was
    followed by more bytes in time is none."""
    modem, host = scene.modem(), scene.host()
    dte = scene.dte(modem, "ATX4", "ATS12=50")
    dte.connect(host.number)
    peer = host.answer()
    time.sleep(1.1)
    dte.send("+++")
    peer.expect(r"\+\+\+")
    modem.signal(signal.SIGSTOP)
    time.sleep(0.5)
    dte.send("more")
    data = random.Random(6).randbytes(60_000)
    peer.send(data)
    time.sleep(2.5)
    modem.signal(signal.SIGCONT)
    peer.expect("more")
    assert dte.take(len(data)) == data
    dte.silent(0.3)
    dte.send("on it goes")
    peer.expect("on it goes")


def test_o6_wall_clock_set_back(scene: Scene) -> None:
    """Setting the wall clock back by an hour stops neither guard times nor anything else that waits."""
    flag = scene.folder / "back"
    places = scene.folder / "clock"
    places.mkdir()
    (places / "sitecustomize.py").write_text(JUMPING_CLOCK.format(flag=str(flag)))
    path = f"import os, sys; os.environ['PYTHONPATH'] = {str(places)!r} + ':' + os.environ['PYTHONPATH'];"
    prefix = (sys.executable, "-c", path + "os.execv(sys.argv[1], sys.argv[1:])")
    modem, host = scene.modem(prefix=prefix), scene.host()
    dte = scene.dte(modem, "ATX4", "ATS12=10")
    dte.connect(host.number)
    host.answer()
    flag.touch()
    dte.escape()
    dte.ok("ATH")
    peer = scene.call(modem)
    dte.expect("RING", 1)
    dte.ok("ATS0=1")
    dte.expect("CONNECT", 5)
    peer.close()


def test_o7_hundreds_of_calls(scene: Scene) -> None:
    """After hundreds of calls, out and in, there are as many descriptors and threads as before and no more
    memory."""
    modem, host = scene.modem(), scene.host()
    dte = scene.dte(modem, "ATX4")
    figures = []
    for turn in range(400):
        if turn % 100 == 99:
            figures.append((modem.descriptors, modem.threads, modem.resident))
        if turn % 2:
            dte.connect(host.number)
            peer = host.answer()
        else:
            peer = scene.call(modem)
            dte.expect(r"RING\r\n")
            dte.command("ATA", r"CONNECT[^\r]*\r\n")
        dte.send("ping")
        peer.expect("ping")
        peer.send("pong")
        peer.close()
        assert dte.expect(r"NO CARRIER\r\n") == b"pong\r\nNO CARRIER\r\n"
    assert len(modem.calls) == 400
    assert {figure[:2] for figure in figures[1:]} == {figures[0][:2]}
    assert figures[-1][2] - figures[1][2] < 128 * 1024


def test_o8_only_the_user_may_read_what_is_kept(scene: Scene) -> None:
    """Stored settings, call records and Unix sockets are for their user only; the line's mode is as asked."""
    path = scene.folder / "calls"
    modem = scene.modem(line=f"pty:{scene.folder}/line:mode=0640", answer=f"unix:{path}")
    dte = scene.dte(scene.folder / "line", "ATX4")
    dte.ok("AT&W")
    assert b"NO CARRIER" in dte.dial('"nobody"')
    until(lambda: modem.calls, "a call record")
    assert stat.S_IMODE(modem.state.stat().st_mode) == 0o700
    for file in modem.state.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(os.stat(scene.folder / "line").st_mode) == 0o640


def test_o8_needs_no_root(scene: Scene) -> None:
    """Without any of root's rights it serves its line, places calls and keeps settings all the same."""
    prefix: tuple[str, ...] = ()
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("needs Debian package util-linux (for setpriv), to give up root's rights")
        prefix = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
    host, modem = scene.host(), scene.modem(prefix=prefix)
    rights = re.search(r"CapEff:\s*(\w+)", Path(f"/proc/{modem.pid}/status").read_text())
    assert rights
    assert int(rights[1], 16) == 0
    dte = scene.dte(modem, "ATX4")
    dte.connect(host.number)
    host.answer().close()
    dte.expect("NO CARRIER")
    dte.ok("AT&W")
