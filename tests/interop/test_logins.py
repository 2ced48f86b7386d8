"""Programs that answer the modem's calls and log callers in: mgetty and agetty on its line."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.helpers.process import ModemProcess, Peer, Scene, until
from tests.helpers.programs import need

pytestmark = pytest.mark.interop

#: What a caller gets instead of a shell: it says who came, and leaves a note when it is hung up.
LOGIN = """\
#!/bin/sh
trap 'echo hung up >> {note}; exit' HUP
echo "welcome $1"
while read word; do echo "you said $word"; echo "$word" >> {note}; done
"""


@pytest.fixture
def modem(scene: Scene) -> ModemProcess:
    if os.geteuid():
        pytest.skip("needs root, as every getty does")
    return scene.modem()


@pytest.fixture
def silent_modem(scene: Scene) -> ModemProcess:
    if os.geteuid():
        pytest.skip("needs root, as every getty does")
    return scene.modem("--init", "E0Q1S0=1")


def _own_machine(scene: Scene, setup: list[str], program: list[str]) -> subprocess.Popen[bytes]:
    """A program that finds files of ours where it looks for the system's."""
    (unshare,) = need("unshare")
    script = " && ".join([*setup, "exec " + shlex.join(program)])
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    command = [unshare, "-m", "--propagation", "private", "sh", "-c", script]
    return scene.spawn(command, start_new_session=True, **quiet)


def _login(scene: Scene) -> tuple[Path, Path]:
    """The login program and its note."""
    note, program = scene.folder / "note", scene.folder / "welcome"
    note.touch()
    program.write_text(LOGIN.format(note=note))
    program.chmod(0o755)
    return program, note


def _name(modem: ModemProcess) -> str:
    """The line as gettys want it: below /dev."""
    return os.path.relpath(os.path.realpath(modem.link), "/dev")


def _mgetty(scene: Scene, modem: ModemProcess, login: Path) -> subprocess.Popen[bytes]:
    (mgetty,) = need("mgetty")
    config = scene.folder / "login.config"
    config.write_text(f"*\t-\t-\t{login} @\n")
    config.chmod(0o600)
    setup = [f"mount --bind {shlex.quote(str(config))} /etc/mgetty/login.config"]
    setup += [f"mount -t tmpfs none {folder}" for folder in ("/var/log/mgetty", "/run/lock")]
    return _own_machine(scene, setup, [mgetty, "-D", "-s", "38400", _name(modem)])


def _reach(scene: Scene, modem: ModemProcess) -> Peer:
    """Call until there is a login; mgetty begins with a hang-up, which is also for who calls too early."""
    for _ in range(20):
        caller = scene.call(modem)
        while b"login: " not in caller.buffer and caller.pump(8):
            pass
        if not caller.ended:
            caller.expect("login: ", 1)
            return caller
    pytest.fail(f"nobody answers: {modem.log}")


def test_mgetty(scene: Scene, modem: ModemProcess) -> None:
    """It takes the call at the first RING; who leaves takes his login along, and the next gets his own."""
    login, note = _login(scene)
    for visit in ("first", "second"):
        getty = _mgetty(scene, modem, login)
        caller = _reach(scene, modem)
        caller.send(f"{visit}\r")
        caller.expect(f"welcome {visit}\r\n")
        caller.send("ATH\r+++\r")
        caller.expect(r"you said \+\+\+\r\n")
        caller.close()
        assert getty.wait(5) is not None
        until(lambda: note.read_text().endswith("hung up\n"), "the login is hung up", 5)
        assert note.read_text() == "ATH\n+++\nhung up\n", "nothing of the modem's was typed at it"
        note.write_text("")


def test_agetty(scene: Scene, silent_modem: ModemProcess) -> None:
    """It waits for the caller's CR, so the modem must be silent and answer by itself; the carrier counts."""
    (agetty,), modem = need("agetty"), silent_modem
    login, note = _login(scene)
    for visit in ("first", "second"):
        own = ["-L=never", "-w", "-n", "-i", "-l", str(login), "-o", visit]
        getty = _own_machine(scene, [], [agetty, *own, "38400", _name(modem), "vt100"])
        caller = scene.call(modem)
        caller.send("\r")  # kept by the modem until the call is answered
        caller.expect(f"welcome {visit}\r\n")
        caller.send("hello\r")
        caller.expect("you said hello\r\n")
        caller.close()
        assert getty.wait(5) is not None
        until(lambda: note.read_text().endswith("hung up\n"), "the login is hung up", 5)
        assert "CARRIER" not in note.read_text()
        note.write_text("")
