"""Duties towards lines that come and go (rows L)."""

from __future__ import annotations

import os
import select
import signal
import time
import tty
from pathlib import Path

from tests.helpers.process import Dte, Scene, Wire, until


class Plug:
    """A serial device that can be unplugged: a pseudo-terminal of ours under a name the modem opens."""

    def __init__(self, name: Path) -> None:
        self.name = name
        self.plug_in()

    def plug_in(self) -> None:
        master, slave = os.openpty()
        tty.setraw(slave)
        self.name.symlink_to(os.ttyname(slave))
        self._slave = slave
        self.dte = Wire(master)

    def release(self) -> None:
        """The modem has it open: it alone keeps it alive."""
        os.close(self._slave)
        self._slave = -1

    def unplug(self) -> None:
        self.name.unlink()
        if self._slave >= 0:
            self.release()
        self.dte.close()


def test_l1_unplug_and_replug(scene: Scene) -> None:
    """A device that is pulled out in a call ends the call within a second; the modem waits idly, and serves
    the device within two seconds of its return."""
    plug = Plug(scene.folder / "ttyUSB0")
    modem, host = scene.modem(line=f"serial:{plug.name}"), scene.host()
    plug.dte.send("ATE0&D0\r")
    plug.dte.expect(r"OK\r\n")
    plug.release()
    plug.dte.send(f"ATD{host.number}\r")
    plug.dte.expect(r"CONNECT[^\r]*\r\n")
    peer = host.answer()
    plug.unplug()
    assert peer.rest(1) == b""
    peer.close()
    cpu = modem.cpu_ms
    time.sleep(1)
    assert modem.cpu_ms - cpu <= 20
    descriptors = modem.descriptors
    plug.plug_in()
    back = time.monotonic()
    until(lambda: modem.descriptors > descriptors, "the device is opened", 2)
    plug.dte.send("\rAT\r")
    plug.dte.expect(r"OK\r\n", 2 - (time.monotonic() - back))
    plug.unplug()


def test_l2_closed_and_opened_again(scene: Scene) -> None:
    """Twenty times the line is closed and opened: it answers at once, keeps its settings, replays nothing and
    leaks nothing."""
    modem = scene.modem()
    dte = scene.dte(modem, "ATX4")
    before = modem.descriptors, modem.threads
    dte.close()
    cpu = modem.cpu_ms
    for _ in range(20):
        dte = Dte(modem.link)
        assert dte.command("AT", timeout=1) == b"\r\nOK\r\n"
        dte.send("AT&V\r")
        select.select([dte.fd], [], [], 1)  # the answer is there, and is not read
        dte.close()
        time.sleep(0.02)  # what the kernel has on its way it would hand over even after a flush
    dte = Dte(modem.link)
    dte.silent(0.3)
    assert modem.cpu_ms - cpu < 500
    until(lambda: (modem.descriptors, modem.threads) == before, "as many descriptors as before")
    dte.close()
    cpu = modem.cpu_ms
    time.sleep(0.5)
    assert modem.cpu_ms - cpu <= 10


def test_l2_opened_in_the_moment_of_closing(scene: Scene) -> None:
    """However soon somebody opens the line after a closing, his first command is answered."""
    modem = scene.modem()
    scene.dte(modem, "ATX4").close()
    for _ in range(100):
        dte = Dte(modem.link)
        assert dte.command("AT", timeout=1) == b"\r\nOK\r\n"
        dte.close()


def test_l3_link_of_a_killed_modem_is_replaced(scene: Scene) -> None:
    """The link that a killed modem left is replaced by the next one."""
    killed = scene.modem()
    killed.signal(signal.SIGKILL)
    killed.wait()
    assert killed.link.is_symlink()
    modem = scene.modem()
    scene.dte(modem).ok("ATE0")
    assert modem.stop() == 0
    assert not modem.link.is_symlink()


def test_l3_file_is_never_replaced(scene: Scene) -> None:
    """A file in the link's place is kept: the modem says so and ends with 69."""
    link = scene.folder / "modem0"
    link.write_text("precious")
    modem = scene.modem(wait=False)
    assert modem.wait() == 69
    assert link.read_text() == "precious"
    last = modem.log.splitlines()[-1]
    assert last.startswith("vmodem: ")
    assert str(link) in last
