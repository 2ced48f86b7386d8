"""UUCP, fax and telephone programs on the modem's line."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.helpers.process import Host, ModemProcess, Scene, until
from tests.helpers.programs import need
from tests.helpers.screens import Screen

pytestmark = pytest.mark.interop

DIALER = """\
dialer hayes
chat "" ATZ\\r\\d\\c OK\\r \\dATM0L0E1Q0\\r\\d\\c OK\\r ATDT\\T CONNECT
chat-timeout 20
chat-fail RING
chat-fail NO\\sCARRIER
chat-fail ERROR
chat-fail BUSY
complete \\d\\d+++\\d\\dATM0H\\r\\c
abort \\d\\d+++\\d\\dATM0H\\r\\c
"""


@pytest.fixture
def host(scene: Scene) -> Host:
    return scene.host()


@pytest.fixture
def place(scene: Scene) -> Path:
    """A folder that every account may enter; those that pytest makes are its own account's only."""
    folder = Path(tempfile.mkdtemp(prefix="vmodem-test-"))
    scene.finally_(lambda: shutil.rmtree(folder))
    folder.chmod(0o755)
    return folder


@pytest.fixture
def modem(scene: Scene, host: Host, place: Path) -> ModemProcess:
    """A line that belongs to the account uucp, whose programs give up root's rights."""
    need("cu", "uucico")
    if os.geteuid():
        pytest.skip("needs root, to give the line to the account uucp")
    line = f"pty:{place}/modem0:owner=uucp:group=dialout"
    made = scene.modem("--entry", f"5551234=tcp:{host.number}", line=line)
    made.link = place / "modem0"
    return made


def test_cu(scene: Scene, modem: ModemProcess, host: Host) -> None:
    """Types at the line, and ends the call by leaving."""
    (cu,) = need("cu")
    screen = Screen(scene, [cu, "-l", str(modem.link), "-s", "38400"])
    screen.expect("Connected")
    screen.type("ATDT5551234\r")
    screen.expect("CONNECT 38400")
    peer = host.answer()
    peer.send(b"host ready\r\n")
    screen.expect("host ready")
    screen.type("hello\r")
    peer.expect("hello\r")
    screen.type("~.")
    peer.rest()


def _uucp(scene: Scene, place: Path, number: str) -> tuple[subprocess.Popen[bytes], Path]:
    """uucico calling a system by its stock dialer; its log."""
    (uucico,) = need("uucico")
    folder = place / "uucp"
    (folder / "spool").mkdir(parents=True)
    where = "".join(
        f"{key} {folder}/{file}\n"
        for key, file in {
            "sysfile": "sys",
            "portfile": "port",
            "dialfile": "dial",
            "callfile": "call",
            "spool": "spool",
            "logfile": "log",
            "statfile": "stats",
            "debugfile": "debug",
            "lockdir": "spool",
            "pubdir": "spool",
        }.items()
    )
    (folder / "config").write_text("nodename here\n" + where)
    (folder / "call").write_text("")
    (folder / "dial").write_text(DIALER)
    (folder / "port").write_text(
        f"port modem\ntype modem\ndevice {place}/modem0\nspeed 38400\ndialer hayes\n"
    )
    (folder / "sys").write_text(
        f"system there\nphone {number}\nport modem\ncall-login guest\ncall-password word\ntime any\n"
        "chat ogin: \\L word: \\P\n"
    )
    subprocess.run(["chown", "-R", "uucp", str(folder)], check=True)
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return scene.spawn([uucico, "-I", str(folder / "config"), "-s", "there"], **quiet), folder / "log"


def test_uucico(scene: Scene, modem: ModemProcess, host: Host, place: Path) -> None:
    """Dials, logs in, begins its protocol, and hangs up with an escape and a command."""
    program, log = _uucp(scene, place, "5551234")
    until(lambda: host.waiting() or program.poll() is not None, "uucico calls", 40)
    assert host.waiting(), f"uucico gave up: {log.read_text() if log.exists() else 'no log'}"
    peer = host.answer()
    peer.send("\r\nlogin: ")
    peer.expect("^guest\r")
    peer.send("Password: ")
    peer.expect("^word\r")
    peer.send(b"\x10Shere=there\0")
    peer.expect(rb"\x10Shere [^\0]*\0")
    peer.send(b"\x10RLCK\0")  # "somebody else is calling already": a polite way to be rid of it
    assert peer.rest(20) == b"+++"
    assert program.wait(20) == 0, log.read_text()
    assert "Login successful" in log.read_text()


def test_uucico_gives_up_at_once(scene: Scene, modem: ModemProcess, place: Path) -> None:
    """An unknown number is one of its failure words, not a time-out."""
    program, log = _uucp(scene, place, "5559999")
    program.wait(15)
    assert 'Got "NO\\sCARRIER"' in log.read_text()


def test_efax(scene: Scene) -> None:
    """Hears that there is no fax class and leaves with the code for that, the modem hung up and well."""
    (efax,) = need("efax")
    modem = scene.modem()
    page = scene.folder / "page.001"
    page.write_text("a page\n")
    program = scene.spawn(
        [efax, "-d", str(modem.link), "-t", "5551234", str(page)],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    assert program.stderr is not None
    said = program.stderr.read()
    assert program.wait(20) == 3
    assert b"modem does not support fax" in said
    scene.dte(modem, "AT")


def test_gnokii(scene: Scene) -> None:
    """Takes it for a telephone and shows its name.  (It cuts long paths off.)"""
    (gnokii,) = need("gnokii")
    modem = scene.modem()
    config = scene.folder / "gnokiirc"
    config.write_text(f"[global]\nport = {modem.link.name}\nmodel = AT\nconnection = serial\n")
    program = scene.spawn(
        [gnokii, "--config", str(config), "--identify"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert program.stdout is not None
    said = program.stdout.read()
    assert program.wait(30) == 0, said
    assert b"Manufacturer : vmodem" in said
    scene.dte(modem, "AT")
