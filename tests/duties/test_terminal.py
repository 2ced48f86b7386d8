"""Duties towards terminal equipment that is broken, hostile, absent or in a hurry (rows D)."""

from __future__ import annotations

import hashlib
import os
import random
import re
import sys
import termios
import time
from pathlib import Path

import pytest

from tests.helpers.calls import closed_port
from tests.helpers.process import Scene, until

MEGABYTE = 1 << 20


@pytest.mark.parametrize("spelling", ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "[::ffff:127.0.0.1]"])
def test_d1_forbidden_target_gets_no_packet(scene: Scene, spelling: str) -> None:
    """A target outside the rules is refused with NO CARRIER in every spelling, and no connection is tried."""
    host = scene.host()
    dte = scene.dte(scene.modem("--allow-dial", "directory"), "ATX4")
    assert b"NO CARRIER" in dte.dial(f"{spelling}:{host.port}")
    assert not host.waiting()


def test_d3_redial_of_a_failed_number_waits(scene: Scene) -> None:
    """A number that has just failed is tried again a second later at the earliest, and the result waits."""
    dte = scene.dte(scene.modem(), "ATX4")
    number = f"127.0.0.1:{closed_port()}"
    before = time.monotonic()
    assert b"BUSY" in dte.dial(number)
    assert b"BUSY" in dte.dial(number)
    assert time.monotonic() - before >= 1


def test_d3_two_hundred_failures_leave_nothing(scene: Scene) -> None:
    """After 200 failed calls as many descriptors and threads are there as before."""
    modem = scene.modem()
    dte = scene.dte(modem, "ATX4")
    port = closed_port()
    dte.dial(f"127.0.1.1:{port}")
    before = modem.descriptors, modem.threads
    for last in range(2, 202):
        assert b"BUSY" in dte.dial(f"127.0.1.{last}:{port}")
    until(lambda: (modem.descriptors, modem.threads) == before, "as many descriptors as before")


def test_d4_lines_of_every_length(scene: Scene) -> None:
    """A command line up to the limit is carried out, a longer one is ERROR as a whole."""
    dte = scene.dte(scene.modem(), "ATX4")
    for length in (1, 1000, 1024):
        dte.ok("AT" + "S0=1".ljust(length)[:length] if length > 3 else "ATE")
    dte.ok("ATS0=0")
    for length in (1025, 4096, 70_000):
        assert dte.command("ATS0=1" + " " * length) == b"\r\nERROR\r\n"
        assert b"000" in dte.ok("ATS0?")


def test_d4_registers_end_at_255(scene: Scene) -> None:
    """No register beyond the last one and no value above 255 is taken."""
    dte = scene.dte(scene.modem(), "ATX4")
    for text in ("ATS256=1", "ATS999999999999?", "ATS0=256", "ATS0=99999999999999999999", "ATS-1=1"):
        assert dte.command(text) == b"\r\nERROR\r\n", text


def test_d4_noise(scene: Scene) -> None:
    """Thousands of lines of noise: the modem neither ends, nor grows, nor turns deaf."""
    modem = scene.modem()
    dte = scene.dte(modem, "ATX4")
    noise = random.Random(4)
    alphabet = bytes(sorted(set(range(256)) - set(b"dD\xc4\xe4")))  # without D: nothing is dialled
    before = 0
    for turn in range(4000):
        if turn == 1000:
            before = modem.resident
        dte.send(b"AT" + bytes(noise.choices(alphabet, k=noise.randrange(40))) + b"\r")
        dte.pump(0)
    while dte.pump(0.3):
        dte.buffer.clear()
    dte.send("\r")
    dte.command("AT&FE0S30=77S30?", r"\r\n077\r\n\r\nOK\r\n")  # no noise says that
    assert dte.ok("AT") == b"\r\nOK\r\n"
    assert modem.resident - before < MEGABYTE


HOSTILE = b'"\x1b]0;owned\x07\x1b[2J\x9b31m\x85\xe2\x80\xae\x7fNO CARRIER\r\n'


@pytest.mark.parametrize("form", ["text", "json"])
def test_d5_control_characters_never_reach_a_log(scene: Scene, form: str) -> None:
    """What is dialled and who is named appears in logs and call records without a raw control character."""
    modem = scene.modem("--log-format", form)
    dte = scene.dte(modem, "ATX4")
    dte.send(b"ATD" + HOSTILE)
    dte.expect(r"\r\n(NO|ERROR)[^\r]*\r\n")
    until(lambda: modem.calls, "a call record")
    for file in (modem.log_file, *filter(Path.is_file, modem.state.iterdir())):
        data = file.read_bytes()
        assert b"owned" in data or file != modem.log_file
        for char in data.decode("utf-8"):
            assert char == "\n" or char.isprintable(), (file, hex(ord(char)))


def _script(folder: Path, text: str) -> Path:
    file = folder / "program"
    file.write_text(f"#!{sys.executable}\n{text}")
    file.chmod(0o755)
    return file


def test_d6_dialled_text_reaches_no_shell(scene: Scene) -> None:
    """A program is started with the arguments of its entry and nothing that the DTE dialled."""
    program = _script(scene.folder, "import sys\nprint(sys.argv[1:], flush=True)\n")
    dte = scene.dte(scene.modem("--entry", f"555*=exec:{program} one"), "ATX4")
    started = 0
    for number in (
        "555",
        "555$(touch made)",
        "555`touch made`",
        "555|touch made",
        "555&touch made",
        "555\\nmade",
    ):
        dte.send(f"ATD{number}\r")
        said = dte.expect(r"\r\n(NO CARRIER|ERROR)\r\n")
        if b"CONNECT" in said:
            started += 1
            assert b"['one']" in said
    assert started >= 2
    assert not (scene.folder / "made").exists()


def test_d6_program_is_on_its_own_and_ends_with_the_call(scene: Scene) -> None:
    """A program has its own process group and only its terminal open; hang-up ends it though it ignores
    every polite request."""
    program = _script(
        scene.folder,
        "import os, signal, time\n"
        "for each in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT): signal.signal(each, signal.SIG_IGN)\n"
        "fds = [fd for fd in range(256) if os.path.exists(f'/proc/self/fd/{fd}')]\n"
        "print('pid', os.getpid(), 'group', os.getpgid(0), 'fds', fds, flush=True)\n"
        "time.sleep(60)\n",
    )
    modem = scene.modem("--entry", f"555=exec:{program}")
    dte = scene.dte(modem, "ATX4", "ATS12=10")
    dte.connect("555")
    found = re.search(rb"pid (\d+) group (\d+) fds (\[.*?\])", dte.expect(r"fds \[.*?\]"))
    assert found
    pid, group, fds = int(found[1]), int(found[2]), found[3]
    assert (group, fds) == (pid, b"[0, 1, 2]")
    dte.escape()
    dte.ok("ATH")
    until(lambda: not os.path.exists(f"/proc/{pid}"), "the program's end", 5)


def test_d7_dte_that_does_not_read(scene: Scene) -> None:
    """While the DTE reads nothing the peer is held up, at no cost in memory or processor time; then every
    byte arrives."""
    modem, host = scene.modem(), scene.host(receive_buffer=65536)
    dte = scene.dte(modem, "ATX4")
    dte.connect(host.number)
    peer = host.answer()
    data = random.Random(7).randbytes(32 * MEGABYTE)
    before = modem.resident
    sent = peer.send_what_fits(data)
    assert sent < len(data)
    cpu = modem.cpu_ms
    time.sleep(0.5)
    assert modem.cpu_ms - cpu <= 20
    assert modem.resident - before < MEGABYTE
    assert dte.take(sent) == data[:sent]
    peer.send(b"the end")
    dte.expect("the end")


def test_d7_results_for_a_dte_that_does_not_read(scene: Scene) -> None:
    """A DTE that asks and never listens is read no further, and costs neither memory nor processor time."""
    modem = scene.modem()
    dte = scene.dte(modem, "ATX4")
    before = modem.resident
    sent = dte.send_what_fits(b"AT&V\r" * 100_000)
    assert sent < 500_000
    cpu = modem.cpu_ms
    time.sleep(0.5)
    assert modem.cpu_ms - cpu <= 20
    assert modem.resident - before < MEGABYTE
    while dte.pump(0.3):
        dte.buffer.clear()
    dte.send("\r")  # ends a line that was cut, to whatever result
    dte.command("ATS30=77S30?", r"\r\n077\r\n\r\nOK\r\n")


@pytest.mark.parametrize("mode", [2, 3])
def test_d8_closing_hangs_up(scene: Scene, mode: int) -> None:
    """With &D2 and &D3 the call ends within half a second of the closing of the line."""
    modem, host = scene.modem(), scene.host()
    dte = scene.dte(modem, f"AT&D{mode}")
    dte.connect(host.number)
    peer = host.answer()
    dte.close()
    assert peer.rest(0.5) == b""
    peer.close()
    again = scene.dte(modem)
    answer = again.command("AT")
    echo = b"AT\r" if mode == 3 else b""  # &D3 is a reset as well
    assert answer == echo + b"\r\nOK\r\n"


@pytest.mark.parametrize("mode", [2, 3])
def test_d8_speed_zero_hangs_up(scene: Scene, mode: int) -> None:
    """With &D2 and &D3 the call ends within half a second when the DTE sets the speed B0."""
    modem, host = scene.modem(), scene.host()
    dte = scene.dte(modem, f"AT&D{mode}")
    dte.connect(host.number)
    peer = host.answer()
    dte.set_speed(termios.B0)
    assert peer.rest(0.5) == b""
    peer.close()
    dte.expect(r"\r\nNO CARRIER\r\n")
    dte.set_speed(termios.B9600)
    dte.send("\r")
    dte.command("AT", r"\r\nOK\r\n")


def test_d8_call_is_kept_with_d0(scene: Scene) -> None:
    """With &D0 the call outlives the closing of the line; what the peer sends waits for whoever opens it."""
    modem, host = scene.modem(), scene.host()
    dte = scene.dte(modem, "AT&D0")
    dte.connect(host.number)
    peer = host.answer()
    peer.send("before ")
    dte.expect("before ")
    dte.close()
    time.sleep(0.2)  # longer than S25
    data = hashlib.sha256(b"").digest() * 2000
    peer.send(data)
    again = scene.dte(modem)
    assert again.take(len(data)) == data
    again.send("and back")
    peer.expect("and back")


def test_d8_command_state_with_d1(scene: Scene) -> None:
    """With &D1 a drop of DTR leads to command state and the call is kept."""
    modem, host = scene.modem(), scene.host()
    dte = scene.dte(modem, "AT&D1")
    dte.connect(host.number)
    peer = host.answer()
    dte.set_speed(termios.B0)
    dte.expect(r"\r\nOK\r\n")
    dte.set_speed(termios.B9600)
    time.sleep(0.1)
    dte.command("ATO", r"\r\nCONNECT[^\r]*\r\n")
    dte.send("still there")
    peer.expect("still there")
