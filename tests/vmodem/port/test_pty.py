"""Applications on our pseudo-terminal: what they open, set and close is what the port's user is told."""

from __future__ import annotations

import os
import subprocess
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import serial as pyserial

from tests.helpers.reactors import Reactor
from vmodem.port.base import Port, PortError, PortFlow, Settings, Signals
from vmodem.port.pty import PtyPort

from .conftest import User

Begin = Callable[[Port], User]
THERE = Signals.DSR | Signals.DCD
NONE = Signals.NONE


@pytest.fixture
def link(tmp_path: Path) -> str:
    return str(tmp_path / "com1")


@pytest.fixture
def opened() -> Iterator[Callable[[str], int]]:
    fds: list[int] = []

    def open_(path: str) -> int:
        fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        fds.append(fd)
        return fd

    yield open_
    for fd in fds:
        try:
            os.close(fd)
        except OSError:
            pass


def test_coming_and_going(reactor: Reactor, begin: Begin, link: str, opened: Callable[[str], int]) -> None:
    port = PtyPort(reactor, link)
    user = begin(port)
    assert os.readlink(link) == port.slave_name
    assert user.events == [("signals", NONE)]
    port.write(b"nobody is there")
    for _ in range(3):
        user.events.clear()
        user.data.clear()
        fd = opened(link)
        os.write(fd, b"hello")
        reactor.until(lambda: user.data == b"hello")
        assert user.events == [("attached", True), ("signals", THERE), b"hello"]
        assert port.signals == THERE
        port.write(b"world")
        got: list[bytes] = []
        reactor.until(lambda got=got, fd=fd: got.append(_read(fd)) or b"".join(got) == b"world")  # type: ignore[misc]
        port.write(b"stale")
        os.close(fd)
        reactor.until(lambda: not user.present)
        assert user.events[-2:] == [("signals", NONE), ("attached", False)]
    reactor.run_for(0.1)
    assert reactor.run_for(0.3) <= 1  # unused it costs nothing


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, 4096)
    except BlockingIOError:
        return b""


def test_what_an_application_sets_comes_before_its_bytes(reactor: Reactor, begin: Begin, link: str) -> None:
    port = PtyPort(reactor, link)
    user = begin(port)
    with pyserial.Serial(link, 115200, rtscts=True, stopbits=2) as application:
        application.write(b"at once")
        reactor.until(lambda: user.data)
        wanted = Settings(115200, stop_bits=2, flow=PortFlow.RTS_CTS)
        assert user.events[-2:] == [("settings", wanted), b"at once"]
        assert port.settings == wanted
        application.baudrate = 12345
        application.write(b"faster")
        reactor.until(lambda: user.data.endswith(b"faster"))
        assert user.settings[-1].rate == 12345
        application.xonxoff, application.rtscts = True, False
        application.parity = "O"
        reactor.until(lambda: user.settings[-1] == Settings(12345, 8, "O", 2, PortFlow.XON_XOFF))


def test_what_a_pseudo_terminal_cannot_keep_is_in_the_line(reactor: Reactor, begin: Begin, link: str) -> None:
    port = PtyPort(reactor, link, bits=7, parity="E")
    user = begin(port)
    assert (port.settings.data_bits, port.settings.parity) == (7, "E")
    with pyserial.Serial(link, 1200):
        reactor.until(lambda: user.settings and user.settings[-1] == Settings(1200, 7, "E"))


def test_b0_is_dtr(reactor: Reactor, begin: Begin, link: str, opened: Callable[[str], int]) -> None:
    user = begin(PtyPort(reactor, link))
    fd = opened(link)
    tty.setraw(fd)
    reactor.until(lambda: user.signals == THERE)
    rate = user.port.settings.rate
    settings = termios.tcgetattr(fd)
    settings[4] = settings[5] = termios.B0
    termios.tcsetattr(fd, termios.TCSANOW, settings)
    reactor.until(lambda: user.signals == NONE)
    assert user.port.settings.rate == rate
    assert user.present
    settings[4] = settings[5] = termios.B9600
    termios.tcsetattr(fd, termios.TCSANOW, settings)
    reactor.until(lambda: user.signals == THERE)


def test_what_was_asked_through_the_port_is_not_told(
    reactor: Reactor, begin: Begin, link: str, opened: Callable[[str], int]
) -> None:
    port = PtyPort(reactor, link)
    user = begin(port)
    opened(link)
    reactor.until(lambda: user.present)
    port.set(Settings(300, 7, "E"), user.done.append)
    reactor.until(lambda: user.done == [Settings(300, 7, "E")])
    reactor.run_for(0.12)
    assert user.settings == []


def test_back_pressure_and_a_closing_while_paused(
    reactor: Reactor, begin: Begin, link: str, opened: Callable[[str], int]
) -> None:
    port = PtyPort(reactor, link)
    user = begin(port)
    fd = opened(link)
    reactor.until(lambda: user.present)
    written = b""
    while not user.blocked:
        written += b"x" * 999
        port.write(b"x" * 999)
    port.when_sent(lambda: user.done.append("sent"))
    got = bytearray()
    reactor.until(lambda: got.extend(_read(fd)) or len(got) == len(written), tick=0.001)
    reactor.until(lambda: user.done == ["sent"] and not user.blocked)
    port.pause()
    os.write(fd, b"the last")
    os.close(fd)
    reactor.until(lambda: not user.present)
    assert user.data == b"the last"


def test_refusals(reactor: Reactor, begin: Begin, link: str) -> None:
    Path(link).write_text("mine")
    port = PtyPort(reactor, link)
    with pytest.raises(PortError, match="is a file, not a link"):
        port.start(User(port))
    assert Path(link).read_text() == "mine"


def test_removed_at_the_end_with_the_last_words_read(
    reactor: Reactor, link: str, opened: Callable[[str], int]
) -> None:
    port = PtyPort(reactor, link)
    user = User(port)
    port.start(user)
    fd = opened(link)
    reactor.until(lambda: user.present)
    port.write(b"bye")
    stopping = port.stop()
    assert not os.path.lexists(link)
    reactor.until(lambda: _read(fd) == b"bye")
    reactor.wait_for(stopping, 1)


def test_a_program_of_its_own(reactor: Reactor, begin: Begin, link: str) -> None:
    port = PtyPort(reactor, link)
    user = begin(port)
    code = (
        "import serial, sys\n"
        "port = serial.Serial(sys.argv[1], 57600, timeout=5)\n"
        "port.write(b'question')\n"
        "print(port.read(6))\n"
    )
    program = subprocess.Popen([sys.executable, "-c", code, link], stdout=subprocess.PIPE)
    reactor.until(lambda: user.data == b"question")
    assert user.settings[-1].rate == 57600
    port.write(b"answer")
    reactor.until(lambda: not user.present)
    out, _ = program.communicate(timeout=5)
    assert out.strip() == b"b'answer'"
