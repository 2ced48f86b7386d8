"""Terminal programs, dialers and probes on the modem's line."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import serial

from tests.helpers.calls import closed_port
from tests.helpers.process import Dte, Host, ModemProcess, Peer, Scene, until
from tests.helpers.programs import need
from tests.helpers.screens import Screen

pytestmark = pytest.mark.interop

BANNER = b"host ready\r\n"


@pytest.fixture
def host(scene: Scene) -> Host:
    return scene.host()


@pytest.fixture
def modem(scene: Scene, host: Host) -> Iterator[ModemProcess]:
    """A modem that knows the host as 5551234; whatever a program does to it, it answers afterwards."""
    dead = f"5550000=tcp:127.0.0.1:{closed_port()}"
    made = scene.modem("--entry", f"5551234=tcp:{host.number}", "--entry", dead)
    yield made
    assert made.running, made.log
    dte = Dte(made.link)
    dte.send("\r")
    dte.pump(0.1)
    dte.buffer.clear()
    dte.command("AT", r"OK\r\n")
    dte.close()


def answered(host: Host) -> Peer:
    """Take the program's call and greet it."""
    peer = host.answer()
    peer.send(BANNER)
    return peer


def test_minicom(scene: Scene, modem: ModemProcess, host: Host) -> None:
    """Its own init string, dialling by hand, data, and its menu's way to hang up."""
    (minicom,) = need("minicom")
    (scene.folder / ".minirc.test").write_text(
        f"pu port {modem.link}\npu baudrate 115200\npu rtscts No\npu mdropdtr No\n"
        "pu minit ~^M~AT S7=45 S0=0 L1 V1 X4 &c1 E1 Q0^M\npu mhangup ~~+++~~ATH^M\n"
    )
    screen = Screen(scene, [minicom, "test"], MINICOM="")
    screen.expect(r"Welcome to minicom.*S7=45.*OK")
    screen.type("ATDT5551234\r")
    screen.expect("CONNECT 115200")
    peer = answered(host)
    screen.expect("host ready")
    screen.type("hello from minicom")
    peer.expect("hello from minicom")
    screen.press("C-a")
    screen.type("h")
    screen.expect(r"(?i)hang.?up")
    screen.press("Enter")
    assert b"+++" in peer.rest(15)
    screen.press("C-a")
    screen.type("x")
    screen.expect("Leave")
    screen.press("Enter")


def test_picocom(scene: Scene, modem: ModemProcess, host: Host) -> None:
    """Dials, shows what the host says, and ends the call by leaving."""
    picocom, expect = need("picocom", "expect")
    script = (
        f"set timeout 15\nspawn {picocom} --baud 115200 {modem.link}\n"
        'expect "Terminal ready" {} timeout {exit 20}\n'
        'send "AT\\r"\nexpect "OK" {} timeout {exit 21}\n'
        'send "ATDT5551234\\r"\nexpect "CONNECT 115200" {} timeout {exit 22}\n'
        'expect "host ready" {} timeout {exit 23}\n'
        'send "hello from picocom"\nexpect "heard" {} timeout {exit 24}\n'
        'send "\\001\\030"\nexpect eof\nexit 0\n'
    )
    program = scene.spawn([expect, "-c", script], stdout=subprocess.DEVNULL)
    peer = answered(host)
    peer.expect("hello from picocom")
    peer.send("heard")
    assert peer.rest() == b""
    assert program.wait(10) == 0


def test_tio(scene: Scene, modem: ModemProcess, host: Host) -> None:
    """Dials, shows what the host says, and ends the call by leaving."""
    (tio,) = need("tio")
    screen = Screen(scene, [tio, "-b", "115200", str(modem.link)])
    screen.expect("Connected")
    screen.type("ATDT5551234\r")
    screen.expect("CONNECT 115200")
    peer = answered(host)
    screen.expect("host ready")
    screen.press("C-t")
    screen.type("q")
    assert peer.rest() == b""


def test_screen(scene: Scene, modem: ModemProcess, host: Host) -> None:
    """Dials, shows what the host says, and ends the call by leaving."""
    (program,) = need("screen")
    folder = scene.folder / "screens"
    folder.mkdir(mode=0o700)
    screen = Screen(scene, [program, str(modem.link), "115200"], SCREENDIR=str(folder))
    until(lambda: modem.descriptors and _opened(modem.link), "screen has the line open")
    screen.type("AT\r")
    screen.expect("OK")
    screen.type("ATDT5551234\r")
    screen.expect("CONNECT")
    peer = answered(host)
    screen.expect("host ready")
    screen.press("C-a")
    screen.type("k")
    screen.expect("Really kill")
    screen.type("y")
    assert peer.rest() == b""


def _opened(link: Path) -> bool:
    """Whether a process has the line open.  The file counts, not its name: other workers of these tests have
    a /dev/pts of their own, with the same numbers in it."""
    wanted = os.stat(link)
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if os.path.samestat(os.stat(descriptor), wanted):
                return True
        except OSError:
            continue
    return False


def test_gammu(scene: Scene, modem: ModemProcess) -> None:
    """Looks for a telephone, finds none, and does no harm."""
    (gammu,) = need("gammu")
    (scene.folder / "gammurc").write_text(f"[gammu]\ndevice = {modem.link}\nconnection = at115200\n")
    program = scene.spawn(
        [gammu, "-c", str(scene.folder / "gammurc"), "--identify"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    program.wait(60)


def test_pyserial(modem: ModemProcess, host: Host) -> None:
    """Its port object: settings, timeouts, a call, and the end of it by closing."""
    with serial.Serial(str(modem.link), 57600, timeout=5, rtscts=True) as port:
        port.write(b"ATE0\r")
        assert port.read_until(b"OK\r\n").endswith(b"\r\nOK\r\n")
        port.baudrate = 19200
        port.write(b"ATDT5551234\r")
        assert port.read_until(b"\r\n", 20) == b"\r\n"
        assert port.read_until(b"\r\n", 20) == b"CONNECT 19200\r\n"
        peer = answered(host)
        assert port.read(len(BANNER)) == BANNER
        port.write(bytes(range(256)))
        assert peer.take(256) == bytes(range(256))
    assert peer.rest() == b""


# -- chat --------------------------------------------------------------------------------------------------

PROVIDER = """\
ABORT        BUSY
ABORT        "NO CARRIER"
ABORT        VOICE
ABORT        "NO DIALTONE"
""           ATZW2
OK           ATDT<put phone number here>
ogin         <put login name here>
word         \\q<put password here>
"""
PAP = """\
ABORT BUSY
ABORT VOICE
ABORT "NO CARRIER"
ABORT "NO DIALTONE"
ABORT "NO DIAL TONE"
"" ATZ
OK ATDT\\T
CONNECT ""
"""


def _script(scene: Scene, name: str, otherwise: str, *changes: tuple[str, str]) -> str:
    """A chat script as Debian ships it, with what it leaves open filled in."""
    shipped = Path("/etc/chatscripts") / name
    try:
        text = shipped.read_text()
    except OSError:
        text = otherwise
    for what, value in changes:
        assert what in text
        text = text.replace(what, value)
    file = scene.folder / name
    file.write_text(text)
    return str(file)


@contextmanager
def chat(scene: Scene, modem: ModemProcess, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """chat at work on the line, which is then held open as pppd does."""
    (program,) = need("chat")
    line = os.open(modem.link, os.O_RDWR | os.O_NOCTTY)
    try:
        tty.setraw(line)
        command = [program, "-s", "-S", *arguments]
        yield scene.spawn(command, stdin=line, stdout=line, stderr=subprocess.DEVNULL)
    finally:
        os.close(line)


def test_chat_provider(scene: Scene, modem: ModemProcess, host: Host) -> None:
    """The stock script of Debian's ppp package, through the login at the far end."""
    script = _script(
        scene,
        "provider",
        PROVIDER,
        ("<put phone number here>", "5551234"),
        ("<put login name here>", "somebody"),
        ("<put password here>", "something"),
    )
    with chat(scene, modem, "-f", script) as program:
        peer = host.answer()
        peer.send("login: ")
        peer.expect(r"^somebody\r")
        peer.send("password: ")
        peer.expect(r"^something\r")
        assert program.wait(10) == 0
    assert peer.rest() == b""


def test_chat_pap(scene: Scene, modem: ModemProcess, host: Host) -> None:
    """The stock script for hosts that ask inside PPP: done as soon as there is a connection."""
    script = _script(scene, "pap", PAP)
    with chat(scene, modem, "-T", "5551234", "-f", script) as program:
        peer = host.answer()
        assert program.wait(10) == 0
    assert peer.rest() == b"\r"  # what the script sends after CONNECT


@pytest.mark.parametrize(("number", "code"), [("5550000", 4), ("5559999", 6)], ids=["BUSY", "NO CARRIER"])
def test_chat_gives_up_at_once(scene: Scene, modem: ModemProcess, number: str, code: int) -> None:
    """A refused call and an unknown number make the script abort with the number of its ABORT string."""
    with chat(scene, modem, "-T", number, "-f", _script(scene, "pap", PAP)) as program:
        assert program.wait(10) == code


# -- probes ------------------------------------------------------------------------------------------------


def test_wvdialconf(scene: Scene, modem: ModemProcess) -> None:
    """Looks through /dev, finds the modem, and writes down the init string it worked out."""
    (wvdialconf,) = need("wvdialconf")
    if os.geteuid() or shutil.which("unshare") is None:
        pytest.skip("needs root and the Debian package util-linux, to show it the line as /dev/ttyS0")
    name = next((name for name in ("ttyS0", "ttyS1", "ttyUSB0") if os.path.exists(f"/dev/{name}")), None)
    if name is None:
        pytest.skip("this machine has no /dev/ttyS0 that the line could take the place of")
    file = scene.folder / "wvdial.conf"
    bind = f"mount --bind {shlex.quote(os.path.realpath(modem.link))} /dev/{name}"
    command = f"{bind} && exec {wvdialconf} {shlex.quote(str(file))}"
    program = scene.spawn(
        ["unshare", "-m", "--propagation", "private", "sh", "-c", command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    program.wait(60)
    text = file.read_text()
    assert f"Modem = /dev/{name}" in text
    assert "Init1 = ATZ" in text
    assert "&C1 &D2" in text
    assert "Baud = 460800" in text


def test_kermit(scene: Scene, modem: ModemProcess, host: Host) -> None:
    """C-Kermit's own idea of a Hayes modem: dials, talks, hangs up by command."""
    (kermit,) = need("kermit")
    script = scene.folder / "script"
    script.write_text(
        "set modem type hayes-2400\nset carrier-watch off\nset flow none\n"
        f"set line {modem.link}\nset speed 115200\nset dial retries 1\n"
        "set modem hangup-method modem-command\n"
        "dial 5551234\nif fail exit 21\n"
        "input 10 host ready\nif fail exit 22\noutput hello from kermit\\13\n"
        "input 10 heard\nif fail exit 23\nhangup\nif fail exit 24\nexit 0\n"
    )
    with open(scene.folder / "kermit.out", "wb") as out:
        program = scene.spawn([kermit, str(script)], stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    peer = host.answer(20)
    while not peer.pump(0.5) and program.poll() is None:
        peer.send(BANNER)  # it forgets what comes before it has done dialling
    peer.expect("hello from kermit")
    peer.send("heard\r\n")
    assert b"+++" in peer.rest(20)
    assert program.wait(20) == 0, (scene.folder / "kermit.out").read_text()
