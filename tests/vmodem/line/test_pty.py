"""The pseudo-terminal line, with a real one and real programs' habits."""

from __future__ import annotations

import errno
import fcntl
import grp
import hashlib
import os
import pwd
import random
import select
import signal
import stat
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.reactors import Reactor
from vmodem.line.base import Circuit, LineError
from vmodem.line.pty import PtyLine
from vmodem.tty import inotify

from .conftest import User, open_fds

Begin = Callable[[Any], User]


@pytest.fixture
def link(tmp_path: Path) -> str:
    return str(tmp_path / "modem0")


@pytest.fixture
def line(reactor: Reactor, link: str) -> PtyLine:
    return PtyLine(reactor, link)


class Dte:
    """A program that has the line open."""

    def __init__(self, path: str) -> None:
        self.fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)

    def send(self, data: bytes) -> None:
        assert os.write(self.fd, data) == len(data)

    def take(self) -> bytes:
        try:
            return os.read(self.fd, 65536)
        except BlockingIOError:
            return b""

    def set_speed(self, speed: int) -> None:
        settings = termios.tcgetattr(self.fd)
        settings[4] = settings[5] = speed
        termios.tcsetattr(self.fd, termios.TCSANOW, settings)

    def set_local(self, local: bool) -> None:
        """CLOCAL: whether the carrier does not count."""
        settings = termios.tcgetattr(self.fd)
        settings[2] = settings[2] & ~termios.CLOCAL | (termios.CLOCAL if local else 0)
        termios.tcsetattr(self.fd, termios.TCSANOW, settings)

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


@pytest.fixture
def dte() -> Iterator[Callable[[str], Dte]]:
    made: list[Dte] = []

    def make(path: str) -> Dte:
        made.append(Dte(path))
        return made[-1]

    yield make
    for one in made:
        one.close()


def echo(user: User) -> None:
    user.on_data = lambda data: user.line.write(b"<" + data + b">")


def received(reactor: Reactor, dte: Dte, size: int) -> bytes:
    got = bytearray()

    def enough() -> bool:
        got.extend(dte.take())
        return len(got) >= size

    reactor.until(enough)
    return bytes(got)


# -- opening and closing -------------------------------------------------------------------------------------


def test_the_first_byte_is_answered(
    reactor: Reactor, begin: Begin, line: PtyLine, link: str, dte: Any
) -> None:
    user = begin(line)
    echo(user)
    terminal = dte(link)
    terminal.send(b"A")
    assert received(reactor, terminal, 3) == b"<A>"
    assert user.events == [("dtr", True), b"A"]


def test_twenty_programs_one_after_the_other(
    reactor: Reactor, begin: Begin, line: PtyLine, link: str, dte: Any
) -> None:
    user = begin(line)
    echo(user)
    fds, turns = None, reactor.turns
    for cycle in range(20):
        terminal = dte(link)
        terminal.send(b"AT%d\r" % cycle)
        answer = b"<AT%d\r>" % cycle
        assert received(reactor, terminal, len(answer)) == answer
        line.write(b"never read")
        terminal.close()
        reactor.until(lambda: not user.dtr)
        fds = fds or open_fds()
        assert open_fds() == fds
    assert [event for event in user.events if isinstance(event, tuple)] == [
        ("dtr", True),
        ("dtr", False),
    ] * 20
    assert reactor.turns - turns < 20 * 12


def test_no_wake_up_while_nothing_happens(
    reactor: Reactor, begin: Begin, line: PtyLine, link: str, dte: Any
) -> None:
    user = begin(line)
    assert reactor.run_for(0.3) <= 1  # never opened
    terminal = dte(link)
    reactor.until(lambda: user.dtr)
    assert reactor.run_for(0.3) <= 1  # open
    terminal.close()
    reactor.until(lambda: not user.dtr)
    reactor.run_for(0.02)
    assert reactor.run_for(0.3) <= 1  # closed again


def test_what_was_sent_before_closing_arrives_first(
    reactor: Reactor, begin: Begin, line: PtyLine, link: str, dte: Any
) -> None:
    user = begin(line)
    terminal = dte(link)
    terminal.send(b"x" * 3000)
    terminal.send(b"last")
    terminal.close()
    reactor.until(lambda: ("dtr", False) in user.events)
    assert user.events[0] == ("dtr", True)
    assert user.events[-1] == ("dtr", False)
    assert user.data == b"x" * 3000 + b"last"


def test_answers_to_a_program_that_is_gone_reach_nobody(
    reactor: Reactor, begin: Begin, line: PtyLine, link: str, dte: Any
) -> None:
    user = begin(line)
    echo(user)
    terminal = dte(link)
    terminal.send(b"ATI")
    terminal.close()
    reactor.until(lambda: ("dtr", False) in user.events)
    assert user.data == b"ATI"
    line.write(b"RING")  # nobody is there
    following = dte(link)
    reactor.until(lambda: user.dtr)
    reactor.run_for(0.05)
    assert following.take() == b""
    line.write(b"RING")
    assert received(reactor, following, 4) == b"RING"


def test_writing_on_a_hang_up_reaches_nobody(
    reactor: Reactor, begin: Begin, line: PtyLine, link: str, dte: Any
) -> None:
    user = begin(line)
    user.on_dtr = lambda on: None if on else line.write(b"NO CARRIER")
    terminal = dte(link)
    reactor.until(lambda: user.dtr)
    terminal.close()
    reactor.until(lambda: not user.dtr)
    following = dte(link)
    reactor.until(lambda: user.dtr)
    assert following.take() == b""


@pytest.mark.parametrize("in_call", [False, True])
def test_close_and_reopen_at_once_is_a_drop(
    reactor: Reactor, begin: Begin, line: PtyLine, link: str, dte: Any, in_call: bool
) -> None:
    user = begin(line)
    first = dte(link)
    reactor.until(lambda: user.dtr)
    line.call_active(in_call)
    line.write(b"stale")
    user.events.clear()
    first.send(b"A")
    first.close()
    second = dte(link)
    second.send(b"B")
    reactor.until(lambda: user.events.count(("dtr", True)) == 1 and b"".join(user.data.split()) == b"AB")
    reactor.run_for(0.02)
    # In a call the bytes belong to it; else they are commands, and wanted by whoever is there now.
    drop = [("dtr", False), ("dtr", True)]
    assert user.events in ([b"AB", *drop], [*drop, b"AB"]) if not in_call else user.events == [b"AB", *drop]
    assert second.take() == b""
    line.write(b"fresh")
    assert received(reactor, second, 5) == b"fresh"


def test_a_second_program_looking_at_the_port_is_no_drop(
    reactor: Reactor, begin: Begin, line: PtyLine, link: str, dte: Any
) -> None:
    user = begin(line)
    terminal = dte(link)
    reactor.until(lambda: user.dtr)
    for _ in range(5):  # as stty does
        other = dte(link)
        other.close()
        reactor.run_for(0.01)
    other = dte(link)
    reactor.run_for(0.01)
    terminal.close()  # the second holds it now
    reactor.run_for(0.02)
    assert user.events == [("dtr", True)]
    other.close()
    reactor.until(lambda: not user.dtr)


def test_two_openings_told_as_one(reactor: Reactor, begin: Begin, line: PtyLine, link: str, dte: Any) -> None:
    user = begin(line)
    first, second = dte(link), dte(link)
    reactor.until(lambda: user.dtr)
    first.close()
    reactor.run_for(0.02)
    assert user.dtr
    third = dte(link)
    reactor.run_for(0.02)
    third.close()
    reactor.run_for(0.02)
    assert user.events == [("dtr", True)]
    second.close()
    reactor.until(lambda: not user.dtr)


def test_an_exclusive_program_leaves_an_open_port(
    reactor: Reactor, begin: Begin, line: PtyLine, link: str, dte: Any
) -> None:
    user = begin(line)
    terminal = dte(link)
    fcntl.ioctl(terminal.fd, termios.TIOCEXCL)
    terminal.close()
    reactor.until(lambda: ("dtr", False) in user.events)
    opened = subprocess.run(
        [sys.executable, "-c", f"import os; os.setuid(65534); os.open({os.path.realpath(link)!r}, os.O_RDWR)"]
        if os.getuid() == 0
        else ["true"],
        capture_output=True,
        text=True,
    )
    assert "busy" not in opened.stderr
    echo(user)
    again = dte(link)
    again.send(b"A")
    assert received(reactor, again, 3) == b"<A>"


def test_a_port_that_cannot_be_cleaned_is_renewed(
    reactor: Reactor, begin: Begin, line: PtyLine, link: str, dte: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = begin(line)
    echo(user)
    before = line.slave_name
    terminal = dte(link)
    reactor.until(lambda: user.dtr)
    real = os.open

    def busy(path: Any, flags: int, *args: Any) -> int:
        if path == before:
            raise OSError(errno.EBUSY, "Device or resource busy")
        return real(path, flags, *args)

    monkeypatch.setattr(os, "open", busy)
    terminal.close()
    reactor.until(lambda: not user.dtr)
    monkeypatch.undo()
    assert os.readlink(link) == line.slave_name
    again = dte(link)
    again.send(b"A")
    assert received(reactor, again, 3) == b"<A>"


def test_a_port_that_cannot_be_renewed_is_lost(
    reactor: Reactor, begin: Begin, line: PtyLine, link: str, dte: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = begin(line)
    terminal = dte(link)
    reactor.until(lambda: user.dtr)
    os.unlink(link)
    Path(link).write_text("mine now")

    def fail(*args: Any) -> None:
        raise termios.error(errno.EIO, "Input/output error")

    monkeypatch.setattr(termios, "tcflush", fail)
    terminal.close()
    reactor.until(lambda: not user.dtr)
    assert user.events[:2] == [("dtr", True), ("dtr", False)]
    assert user.events[2][0] == "lost"
    assert "is a file, not a link" in user.events[2][1]
    assert line.rate == 0
    line.write(b"nobody is there")
    assert reactor.run_for(0.1) <= 1
    assert Path(link).read_text() == "mine now"


def test_output_stopped_by_xoff_is_free_for_the_next(
    reactor: Reactor, begin: Begin, line: PtyLine, link: str, dte: Any
) -> None:
    user = begin(line)
    terminal = dte(link)
    reactor.until(lambda: user.dtr)
    settings = termios.tcgetattr(terminal.fd)
    settings[0] |= termios.IXON
    termios.tcsetattr(terminal.fd, termios.TCSANOW, settings)
    line.write(b"\x13")
    reactor.run_for(0.02)
    with pytest.raises(BlockingIOError):
        os.write(terminal.fd, b"stopped")
    terminal.close()
    reactor.until(lambda: not user.dtr)
    again = dte(link)
    again.send(b"AT")
    reactor.until(lambda: user.data == b"AT")


# -- speed ---------------------------------------------------------------------------------------------------


def test_speed_and_settings_are_read_live(
    reactor: Reactor, begin: Begin, line: PtyLine, link: str, dte: Any
) -> None:
    begin(line)
    terminal = dte(link)
    for speed, rate in ((termios.B300, 300), (termios.B115200, 115200), (termios.B460800, 460800)):
        terminal.set_speed(speed)
        assert line.rate == rate
    assert (line.settings.stop_bits, line.settings.rtscts) == (1, False)
    settings = termios.tcgetattr(terminal.fd)
    settings[2] |= termios.CSTOPB | termios.CRTSCTS
    termios.tcsetattr(terminal.fd, termios.TCSANOW, settings)
    assert (line.settings.stop_bits, line.settings.rtscts) == (2, True)


@pytest.mark.skipif(sys.platform != "linux", reason="speeds without a name are Linux's")
def test_a_speed_without_a_name(begin: Begin, line: PtyLine, link: str) -> None:
    import serial

    begin(line)
    with serial.Serial(link, 12345):
        assert line.rate == 12345


def test_the_terminal_settings_are_never_touched(
    reactor: Reactor, begin: Begin, line: PtyLine, link: str, dte: Any
) -> None:
    user = begin(line)
    terminal = dte(link)
    lflag = termios.tcgetattr(terminal.fd)[3]
    assert not lflag & (termios.ECHO | termios.ICANON)
    settings = termios.tcgetattr(terminal.fd)
    settings[3] |= termios.ECHO | termios.ICANON
    termios.tcsetattr(terminal.fd, termios.TCSANOW, settings)
    terminal.close()
    reactor.until(lambda: ("dtr", False) in user.events)
    assert termios.tcgetattr(dte(link).fd)[:6] == settings[:6]


def test_b0_hangs_up_and_speed_brings_dtr_back(
    reactor: Reactor, begin: Begin, line: PtyLine, link: str, dte: Any
) -> None:
    user = begin(line)
    terminal = dte(link)
    reactor.until(lambda: user.dtr)
    line.call_active(True)
    terminal.set_speed(termios.B0)
    start = time.monotonic()
    reactor.until(lambda: not user.dtr)
    assert time.monotonic() - start < 1
    assert line.rate == 0
    line.call_active(False)  # the modem has hung up
    terminal.set_speed(termios.B9600)
    reactor.until(lambda: user.dtr)
    assert reactor.run_for(0.3) <= 1
    assert user.events == [("dtr", True), ("dtr", False), ("dtr", True)]


def test_a_port_left_at_b0_waits_for_a_speed(
    reactor: Reactor, begin: Begin, line: PtyLine, link: str, dte: Any
) -> None:
    user = begin(line)
    terminal = dte(link)
    terminal.set_speed(termios.B0)
    reactor.run_for(0.02)
    assert user.events == []
    terminal.send(b"AT")
    reactor.until(lambda: user.data == b"AT")  # it is heard all the same
    terminal.set_speed(termios.B1200)
    reactor.until(lambda: user.dtr)


def test_a_port_set_to_b0_while_idle_is_not_rung(
    reactor: Reactor, begin: Begin, line: PtyLine, link: str, dte: Any
) -> None:
    """Nothing looks for B0 without a call, but the first burst of ringing does, before anybody answers."""
    user = begin(line)
    terminal = dte(link)
    reactor.until(lambda: user.dtr)
    terminal.set_speed(termios.B0)
    reactor.run_for(0.1)
    assert user.dtr
    line.set_circuit(Circuit.RI, True)
    assert not user.dtr
    line.set_circuit(Circuit.RI, False)
    terminal.set_speed(termios.B9600)
    reactor.until(lambda: user.dtr)
    line.set_circuit(Circuit.RI, True)
    assert user.events == [("dtr", True), ("dtr", False), ("dtr", True)]


# -- carrier -------------------------------------------------------------------------------------------------

#: A login as getty leaves it: the line is its controlling terminal, and the carrier counts.
LOGIN = """
import os, signal, sys, termios
if os.fork():
    os._exit(0)
os.setsid()
fd = os.open(sys.argv[1], os.O_RDWR)
settings = termios.tcgetattr(fd)
settings[2] &= ~termios.CLOCAL
termios.tcsetattr(fd, termios.TCSANOW, settings)
def hung_up(number, frame):
    open(sys.argv[2], "w").write("hung up")
    os._exit(0)
signal.signal(signal.SIGHUP, hung_up)
signal.alarm(20)
os.write(fd, b"login: ")
while True:
    signal.pause()
"""


def test_a_carrier_that_goes_ends_the_login(
    reactor: Reactor, begin: Begin, line: PtyLine, link: str, dte: Any, tmp_path: Path
) -> None:
    """SIGHUP, as from a serial port; nothing is typed into the shell any more, and the next starts anew."""
    user = begin(line)
    echo(user)
    told = tmp_path / "told"
    subprocess.Popen([sys.executable, "-c", LOGIN, link, str(told)]).wait()
    reactor.until(lambda: user.data == b"login: ")
    line.call_active(True)
    line.set_circuit(Circuit.DCD, True)
    reactor.run_for(0.2)
    assert not told.exists()
    line.set_circuit(Circuit.DCD, False)
    line.write(b"\r\nNO CARRIER\r\n")
    line.call_active(False)
    reactor.until(lambda: told.exists() and told.read_text() == "hung up")
    reactor.until(lambda: not user.dtr)
    terminal = dte(link)
    assert termios.tcgetattr(terminal.fd)[2] & termios.CLOCAL
    terminal.send(b"AT")
    assert received(reactor, terminal, 4) == b"<AT>"


def test_the_last_of_a_call_can_be_read_before_the_hang_up(
    reactor: Reactor, begin: Begin, line: PtyLine, link: str, dte: Any
) -> None:
    user = begin(line)
    terminal = dte(link)
    terminal.set_local(False)
    reactor.until(lambda: user.dtr)
    line.set_circuit(Circuit.DCD, True)
    line.write(b"goodbye")
    line.set_circuit(Circuit.DCD, False)
    line.write(b"\r\nNO CARRIER\r\n")
    assert received(reactor, terminal, 7) == b"goodbye"
    reactor.until(lambda: not user.dtr)
    with pytest.raises(OSError, match=r"Input/output error"):
        os.write(terminal.fd, b"x")


@pytest.mark.parametrize("local", [None, True], ids=["as it begins", "CLOCAL set"])
def test_a_program_that_does_not_ask_for_it_is_not_hung_up(
    reactor: Reactor, begin: Begin, line: PtyLine, link: str, dte: Any, local: bool | None
) -> None:
    user = begin(line)
    terminal = dte(link)
    if local is not None:
        terminal.set_local(local)
    reactor.until(lambda: user.dtr)
    line.set_circuit(Circuit.DCD, True)
    line.set_circuit(Circuit.DCD, False)
    line.write(b"\r\nNO CARRIER\r\n")
    assert received(reactor, terminal, 14) == b"\r\nNO CARRIER\r\n"
    reactor.run_for(0.3)
    assert user.events == [("dtr", True)]


def test_who_ends_the_call_by_b0_keeps_the_port(
    reactor: Reactor, begin: Begin, line: PtyLine, link: str, dte: Any
) -> None:
    user = begin(line)
    terminal = dte(link)
    terminal.set_local(False)
    reactor.until(lambda: user.dtr)
    line.call_active(True)
    line.set_circuit(Circuit.DCD, True)
    terminal.set_speed(termios.B0)
    reactor.until(lambda: not user.dtr)
    line.set_circuit(Circuit.DCD, False)
    line.call_active(False)
    reactor.run_for(0.3)
    terminal.set_speed(termios.B9600)
    reactor.until(lambda: user.dtr)
    terminal.send(b"AT")
    reactor.until(lambda: user.data == b"AT")


def test_who_leaves_before_the_hang_up_takes_nobody_along(
    reactor: Reactor, begin: Begin, line: PtyLine, link: str, dte: Any
) -> None:
    """The next who opens it is not the one who was to be hung up."""
    user = begin(line)
    echo(user)
    first = dte(link)
    first.set_local(False)
    reactor.until(lambda: user.dtr)
    line.set_circuit(Circuit.DCD, True)
    line.set_circuit(Circuit.DCD, False)
    first.close()
    reactor.until(lambda: not user.dtr)
    second = dte(link)
    reactor.until(lambda: user.dtr)
    reactor.run_for(0.3)
    second.send(b"AT")
    assert received(reactor, second, 4) == b"<AT>"
    assert user.events == [("dtr", True), ("dtr", False), ("dtr", True), b"AT"]


def test_stop_while_a_hang_up_waits(
    reactor: Reactor, begin: Begin, line: PtyLine, link: str, dte: Any
) -> None:
    user = begin(line)
    terminal = dte(link)
    terminal.set_local(False)
    reactor.until(lambda: user.dtr)
    line.set_circuit(Circuit.DCD, True)
    line.set_circuit(Circuit.DCD, False)
    reactor.wait_for(line.stop(), 1)
    assert not os.path.lexists(link)


# -- in a call -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["inotify", "poll"])
def test_closing_is_seen_while_reading_is_paused(
    reactor: Reactor,
    begin: Begin,
    line: PtyLine,
    link: str,
    dte: Any,
    how: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if how == "poll":
        monkeypatch.setattr(inotify.Inotify, "watch", _no_inotify)
    user = begin(line)
    terminal = dte(link)
    reactor.until(lambda: user.dtr)
    line.call_active(True)
    line.pause()
    terminal.send(b"still to be sent")
    reactor.run_for(0.12)
    assert user.data == b""
    terminal.close()
    start = time.monotonic()
    reactor.until(lambda: not user.dtr)
    assert time.monotonic() - start < 1
    assert user.events[1:] == [b"still to be sent", ("dtr", False)]
    line.resume()


def _no_inotify(self: Any, path: str, watcher: Any) -> int:
    raise OSError(errno.EMFILE, "Too many open files")


def test_without_inotify_openings_are_polled_for(
    reactor: Reactor, begin: Begin, line: PtyLine, link: str, dte: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inotify.Inotify, "watch", _no_inotify)
    user = begin(line)
    echo(user)
    for _ in range(3):
        terminal = dte(link)
        terminal.send(b"A")
        assert received(reactor, terminal, 3) == b"<A>"
        line.write(b"stale")
        terminal.close()
        reactor.until(lambda: not user.dtr)
    assert reactor.run_for(0.5) <= 8


def test_paused_across_a_reopening(
    reactor: Reactor, begin: Begin, line: PtyLine, link: str, dte: Any
) -> None:
    user = begin(line)
    line.pause()
    terminal = dte(link)
    terminal.send(b"later")
    reactor.until(lambda: user.dtr)
    reactor.run_for(0.02)
    assert user.data == b""
    line.resume()
    reactor.until(lambda: user.data == b"later")


def test_back_pressure_from_a_program_that_does_not_read(
    reactor: Reactor, begin: Begin, line: PtyLine, link: str, dte: Any
) -> None:
    user = begin(line)
    terminal = dte(link)
    reactor.until(lambda: user.dtr)
    written = bytearray()
    number = 0
    while not user.blocked:
        block = b"%08d" % number * 64
        line.write(block)
        written += block
        number += 1
    assert 0 < line.backlog <= 512
    assert len(written) < 65536
    sent: list[bool] = []
    line.when_sent(lambda: sent.append(True))
    assert reactor.run_for(0.2) <= 2
    assert not sent
    got = received(reactor, terminal, len(written))
    assert got == written
    reactor.until(lambda: not user.blocked)
    assert sent == [True]
    assert line.backlog == 0


def test_blocked_output_ends_with_the_program(
    reactor: Reactor, begin: Begin, line: PtyLine, link: str, dte: Any
) -> None:
    user = begin(line)
    terminal = dte(link)
    reactor.until(lambda: user.dtr)
    while not user.blocked:
        line.write(b"x" * 4096)
    sent: list[bool] = []
    line.when_sent(lambda: sent.append(True))
    terminal.close()
    reactor.until(lambda: not user.dtr)
    assert sent == [True]
    assert line.backlog == 0
    following = dte(link)
    reactor.until(lambda: user.dtr)
    line.write(b"clean")
    assert received(reactor, following, 5) == b"clean"


def test_a_megabyte_each_way_with_stalls(
    reactor: Reactor, begin: Begin, line: PtyLine, link: str, dte: Any
) -> None:
    rng = random.Random(8)
    up, down = rng.randbytes(1 << 20), rng.randbytes(1 << 20)
    user = begin(line)
    terminal = dte(link)
    reactor.until(lambda: user.dtr)
    sent_up = sent_down = 0
    got = bytearray()
    paused = False

    def step() -> bool:
        nonlocal sent_up, sent_down, paused
        if rng.random() < 0.1:
            paused = not paused
            (line.pause if paused else line.resume)()
        if sent_down < len(down) and not user.blocked:
            size = rng.randrange(1, 6000)
            line.write(down[sent_down : sent_down + size])
            sent_down += size
        if rng.random() < 0.7:
            with _unless_full():
                sent_up += os.write(terminal.fd, up[sent_up : sent_up + rng.randrange(1, 6000)])
        if rng.random() < 0.5:
            got.extend(terminal.take())
        return len(user.data) >= len(up) and len(got) >= len(down)

    reactor.until(step, 60, tick=0.0005)
    line.resume()
    assert hashlib.sha256(user.data).digest() == hashlib.sha256(up).digest()
    assert hashlib.sha256(got).digest() == hashlib.sha256(down).digest()


@contextmanager
def _unless_full() -> Iterator[None]:
    try:
        yield
    except BlockingIOError:
        pass


# -- the link ------------------------------------------------------------------------------------------------


def test_the_link_is_made_last_and_removed(reactor: Reactor, begin: Begin, line: PtyLine, link: str) -> None:
    begin(line)
    assert os.readlink(link) == line.slave_name
    assert os.listdir(os.path.dirname(link)) == ["modem0"]
    stopped = line.stop()
    assert not os.path.lexists(link)
    reactor.wait_for(stopped)


def test_a_dangling_link_is_replaced(begin: Begin, line: PtyLine, link: str) -> None:
    os.symlink("/dev/pts/98765", link)
    begin(line)
    assert os.readlink(link) == line.slave_name
    assert os.listdir(os.path.dirname(link)) == ["modem0"]


def test_a_link_to_somebody_elses_terminal_is_replaced(begin: Begin, line: PtyLine, link: str) -> None:
    master, slave = os.openpty()  # its number may have been ours before a crash
    os.symlink(os.ttyname(slave), link)
    user = begin(line)
    assert os.readlink(link) == line.slave_name
    assert user.events == []
    os.close(master)
    os.close(slave)


def test_a_link_that_is_served_is_refused(
    reactor: Reactor, begin: Begin, line: PtyLine, link: str, tmp_path: Path
) -> None:
    begin(line)
    before = os.readlink(link)
    for path in (link, f"{tmp_path}/../{tmp_path.name}/modem0"):
        with pytest.raises(LineError, match="served by another running vmodem"):
            PtyLine(reactor, path).start(User(line))
        assert os.readlink(link) == before


def test_a_link_left_by_kill_9_is_replaced(reactor: Reactor, begin: Begin, line: PtyLine, link: str) -> None:
    code = (
        "import sys, time; from tests.helpers.reactors import Reactor; from vmodem.line.pty import PtyLine\n"
        f"line = PtyLine(Reactor(), {link!r}); line.start(type('U', (), {{'dte_received': None}})())\n"
        "print('up', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"up\n"
        with pytest.raises(LineError, match="served by another running vmodem"):
            PtyLine(reactor, link).start(User(line))
        os.kill(other.pid, signal.SIGKILL)
        other.wait()
    assert os.path.islink(link)
    begin(line)
    assert os.readlink(link) == line.slave_name


def test_files_are_never_deleted(reactor: Reactor, line: PtyLine, link: str, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("precious")
    before = open_fds()
    for make, message in (
        (lambda: Path(link).write_text("precious"), "is a file, not a link"),
        (lambda: os.mkdir(link), "is a directory, not a link"),
        (lambda: os.symlink(other, link), "which is no pseudo-terminal"),
        (lambda: os.symlink("/dev/null", link), "which is no pseudo-terminal"),
    ):
        make()
        status = os.lstat(link)
        with pytest.raises(LineError, match=message):
            PtyLine(reactor, link).start(User(line))
        now = os.lstat(link)  # whose last access may be a moment ago
        assert (now.st_ino, now.st_mode, now.st_ctime) == (status.st_ino, status.st_mode, status.st_ctime)
        os.rmdir(link) if stat.S_ISDIR(status.st_mode) else os.unlink(link)
    assert other.read_text() == "precious"
    assert open_fds() == before


def test_a_link_in_a_missing_directory(reactor: Reactor, line: PtyLine, tmp_path: Path) -> None:
    with pytest.raises(LineError, match="cannot be made"):
        PtyLine(reactor, str(tmp_path / "no" / "modem0")).start(User(line))


def test_a_link_that_others_changed_is_left_alone(
    reactor: Reactor, begin: Begin, line: PtyLine, link: str
) -> None:
    begin(line)
    os.unlink(link)
    Path(link).write_text("mine now")
    reactor.wait_for(line.stop())
    assert Path(link).read_text() == "mine now"


def test_owner_group_and_mode(reactor: Reactor, begin: Begin, link: str) -> None:
    owner, group = pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name
    line = PtyLine(reactor, link, owner=owner, group=group, mode=0o640)
    begin(line)
    status = os.stat(link)
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (os.getuid(), os.getgid(), 0o640)


def test_default_mode_and_numbers(reactor: Reactor, begin: Begin, link: str) -> None:
    begin(PtyLine(reactor, link, owner=str(os.getuid()), group=str(os.getgid())))
    assert stat.S_IMODE(os.stat(link).st_mode) == 0o660


def test_an_owner_that_does_not_exist(reactor: Reactor, line: PtyLine, link: str) -> None:
    before = open_fds()
    with pytest.raises(LineError, match="nosuchuser"):
        PtyLine(reactor, link, owner="nosuchuser").start(User(line))
    with pytest.raises(LineError, match="nosuchgroup"):
        PtyLine(reactor, link, group="nosuchgroup").start(User(line))
    assert not os.path.lexists(link)
    assert open_fds() == before


# -- stopping ------------------------------------------------------------------------------------------------


def test_stop_leaves_the_last_words_to_be_read(
    reactor: Reactor, begin: Begin, line: PtyLine, link: str, dte: Any
) -> None:
    user = begin(line)
    terminal = dte(link)
    reactor.until(lambda: user.dtr)
    line.write(b"NO CARRIER")
    start = time.monotonic()
    stopped = line.stop()
    assert line.stop() is stopped
    assert received(reactor, terminal, 10) == b"NO CARRIER"
    reactor.wait_for(stopped)
    assert 0.25 < time.monotonic() - start < 2
    assert select.select([terminal.fd], [], [], 0)[0]  # hung up
    assert os.read(terminal.fd, 10) == b""


@pytest.mark.parametrize("state", ["closed", "open", "blocked", "paused", "leaving"])
def test_stop_in_every_state(
    reactor: Reactor,
    begin: Begin,
    line: PtyLine,
    link: str,
    dte: Any,
    monkeypatch: pytest.MonkeyPatch,
    state: str,
) -> None:
    user = begin(line)
    if state != "closed":
        terminal = dte(link)
        reactor.until(lambda: user.dtr)
    if state == "blocked":
        while not user.blocked:
            line.write(b"x" * 4096)
    if state == "paused":
        line.call_active(True)
        line.pause()
        terminal.send(b"unread")
    events = list(user.events)
    if state in ("closed", "leaving"):
        monkeypatch.setattr("vmodem.line.pty.LAST_WORDS_S", 60.0)  # nobody is there to read them
    stopped = line.stop()
    if state == "leaving":
        terminal.close()
    reactor.wait_for(stopped)
    assert user.events == events  # a stopped line tells nothing
    assert not os.path.lexists(link)


def test_stop_from_within(reactor: Reactor, begin: Begin, line: PtyLine, link: str, dte: Any) -> None:
    user = begin(line)
    user.on_dtr = lambda on: None if on else line.stop() and None
    terminal = dte(link)
    reactor.until(lambda: user.dtr)
    terminal.close()
    reactor.until(lambda: not os.path.lexists(link))
    assert user.events == [("dtr", True), ("dtr", False)]


def test_many_lines_share_one_inotify(reactor: Reactor, begin: Begin, tmp_path: Path, dte: Any) -> None:
    lines = [PtyLine(reactor, str(tmp_path / f"m{number}")) for number in range(10)]
    before = len(open_fds())
    users = [begin(line) for line in lines]
    assert len(open_fds()) - before == 11
    for number, user in enumerate(users):
        echo(user)
        terminal = dte(str(tmp_path / f"m{number}"))
        terminal.send(b"A")
        assert received(reactor, terminal, 3) == b"<A>"
    assert [user.events for user in users] == [[("dtr", True), b"A"]] * 10


def test_an_error_behind_the_line_ends_only_that_session(
    reactor: Reactor, begin: Begin, line: PtyLine, link: str, dte: Any
) -> None:
    user = begin(line)

    def fail(data: bytes) -> None:
        raise ZeroDivisionError

    user.on_data = fail
    terminal = dte(link)
    terminal.send(b"A")
    reactor.until(lambda: ("dtr", False) in user.events)
    user.on_data = None
    terminal.close()
    reactor.run_for(0.05)
    following = dte(link)
    following.send(b"B")
    reactor.until(lambda: user.data.endswith(b"B"))
