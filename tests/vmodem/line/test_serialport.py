"""The serial line: a pseudo-terminal is the port, its master the other end of the cable."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import random
import resource
import termios
import time
import tty
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.pins import Pins
from tests.helpers.reactors import Reactor
from vmodem.line.base import Circuit, LineError
from vmodem.line.serialport import SerialLine
from vmodem.port.serial import SerialPort
from vmodem.tty.circuits import CD, CTS, DSR, DTR, RTS
from vmodem.tty.device import explain
from vmodem.tty.uart import Uart

from .conftest import User

Begin = Callable[[Any], User]


class Adapter:
    """A port that can be unplugged: ``path`` leads to whatever is plugged in."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.cable = -1

    def plug(self) -> None:
        self.cable, port = os.openpty()
        tty.setraw(port)
        os.set_blocking(self.cable, False)
        os.symlink(os.ttyname(port), self.path)
        os.close(port)

    def unplug(self) -> None:
        if self.cable >= 0:
            os.unlink(self.path)
            os.close(self.cable)
            self.cable = -1

    def take(self) -> bytes:
        try:
            return os.read(self.cable, 65536)
        except (BlockingIOError, OSError):
            return b""


@pytest.fixture
def adapter(tmp_path: Path) -> Iterator[Adapter]:
    made = Adapter(str(tmp_path / "ttyUSB0"))
    made.plug()
    yield made
    made.unplug()


@pytest.fixture
def wires() -> Pins:
    return Pins()


# -- data ----------------------------------------------------------------------------------------------------


def test_bytes_pass_both_ways(reactor: Reactor, begin: Begin, adapter: Adapter) -> None:
    line = SerialLine(reactor, adapter.path, speed=2400)
    user = begin(line)
    assert user.events == [("dtr", True)]  # no such lines: the DTE is always there
    assert line.rate == 2400
    assert termios.tcgetattr(adapter.cable)[5] == termios.B2400
    os.write(adapter.cable, b"AT\r")
    reactor.until(lambda: user.data == b"AT\r")
    line.write(b"OK")
    reactor.until(lambda: adapter.take() == b"OK")
    assert reactor.run_for(0.3) <= 1


def test_what_arrived_before_the_opening_is_not_thrown_away(
    reactor: Reactor, begin: Begin, adapter: Adapter
) -> None:
    holder = os.open(adapter.path, os.O_RDWR | os.O_NOCTTY)  # a port that is not opened has no buffer
    os.write(adapter.cable, b"ATZ\r")
    user = begin(SerialLine(reactor, adapter.path))
    reactor.until(lambda: user.data == b"ATZ\r")
    os.close(holder)


def test_back_pressure(reactor: Reactor, begin: Begin, adapter: Adapter) -> None:
    line = SerialLine(reactor, adapter.path)
    user = begin(line)
    written = bytearray()
    while not user.blocked:
        block = os.urandom(1000)
        line.write(block)
        written += block
    assert 0 < line.backlog <= 1000
    got = bytearray()

    def all_there() -> bool:
        got.extend(adapter.take())
        return len(got) >= len(written)

    reactor.until(all_there, tick=0.001)
    assert got == written
    reactor.until(lambda: not user.blocked)
    line.pause()
    os.write(adapter.cable, b"later")
    reactor.run_for(0.03)
    assert user.data == b""
    line.resume()
    reactor.until(lambda: user.data == b"later")


def test_a_megabyte_each_way_with_stalls(reactor: Reactor, begin: Begin, adapter: Adapter) -> None:
    rng = random.Random(5)
    up, down = rng.randbytes(1 << 20), rng.randbytes(1 << 20)
    line = SerialLine(reactor, adapter.path)
    user = begin(line)
    sent_up = sent_down = 0
    got = bytearray()

    def step() -> bool:
        nonlocal sent_up, sent_down
        if rng.random() < 0.1:
            (line.pause if rng.random() < 0.5 else line.resume)()
        if sent_down < len(down) and not user.blocked:
            size = rng.randrange(1, 6000)
            line.write(down[sent_down : sent_down + size])
            sent_down += size
        try:
            sent_up += os.write(adapter.cable, up[sent_up : sent_up + rng.randrange(1, 6000)])
        except BlockingIOError:
            pass
        if rng.random() < 0.5:
            got.extend(adapter.take())
        return len(user.data) >= len(up) and len(got) >= len(down)

    reactor.until(step, 60, tick=0.0005)
    assert hashlib.sha256(user.data).digest() == hashlib.sha256(up).digest()
    assert hashlib.sha256(got).digest() == hashlib.sha256(down).digest()


def test_when_sent_waits_for_the_transmitter(
    reactor: Reactor, begin: Begin, adapter: Adapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = SerialLine(reactor, adapter.path)
    begin(line)
    waiting = 5
    real = fcntl.ioctl

    def ioctl(fd: int, request: int, *args: Any) -> Any:
        if request == termios.TIOCOUTQ:
            return waiting.to_bytes(4, "little")
        return real(fd, request, *args)

    monkeypatch.setattr(fcntl, "ioctl", ioctl)
    done: list[str] = []
    line.when_sent(lambda: done.append("replaced"))
    line.when_sent(lambda: done.append("sent"))
    reactor.run_for(0.03)
    assert done == []
    waiting = 0
    reactor.until(lambda: done == ["sent"])
    line.when_sent(lambda: done.append("at once"))
    assert done == ["sent", "at once"]
    assert reactor.run_for(0.1) <= 1


# -- unplugging ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("paused", [False, True])
def test_unplug_and_replug(reactor: Reactor, begin: Begin, adapter: Adapter, paused: bool) -> None:
    line = SerialLine(reactor, adapter.path)
    user = begin(line)
    user.on_data = lambda data: line.write(b"<" + data + b">")
    for _ in range(2):
        user.events.clear()
        line.call_active(True)
        if paused:
            line.pause()
        adapter.unplug()
        start = time.monotonic()
        reactor.until(lambda: len(user.events) == 2)
        assert time.monotonic() - start < 1
        assert user.events[0] == ("dtr", False)
        assert user.events[1][0] == "lost"
        line.write(b"nobody is there")
        line.call_active(False)
        line.resume()
        cpu = resource.getrusage(resource.RUSAGE_SELF).ru_utime
        reactor.run_for(0.6)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_utime - cpu < 0.05
        user.events.clear()
        adapter.plug()
        start = time.monotonic()
        reactor.until(lambda: user.dtr)
        assert time.monotonic() - start < 2
        assert user.events == [("found",), ("dtr", True)]
        os.write(adapter.cable, b"A")
        reactor.until(lambda: adapter.take() == b"<A>")


def test_missing_at_the_start(reactor: Reactor, begin: Begin, adapter: Adapter) -> None:
    adapter.unplug()
    user = begin(SerialLine(reactor, adapter.path))
    assert user.events == [("lost", f"{adapter.path} is not there")]
    turns = reactor.run_for(0.9)
    assert turns < 10
    assert len(user.events) == 1  # the same reason is told once
    adapter.plug()
    reactor.until(lambda: user.events[1:] == [("found",), ("dtr", True)], 2)


def test_busy_at_the_start(reactor: Reactor, begin: Begin, adapter: Adapter) -> None:
    other = os.open(adapter.path, os.O_RDWR | os.O_NOCTTY)
    fcntl.flock(other, fcntl.LOCK_EX)
    user = begin(SerialLine(reactor, adapter.path))
    assert user.events == [("lost", f"{adapter.path} is in use by another program")]
    reactor.run_for(0.3)
    os.close(other)
    reactor.until(lambda: user.dtr)


def test_sharing_a_port(reactor: Reactor, begin: Begin, adapter: Adapter) -> None:
    begin(SerialLine(reactor, adapter.path))
    refused = begin(SerialLine(reactor, adapter.path))
    shared = begin(SerialLine(reactor, adapter.path, exclusive=False))
    assert "in use" in refused.events[0][1]
    assert shared.dtr


def test_what_is_no_serial_port(reactor: Reactor, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("")
    for device in (str(path), "/dev/null"):
        line = SerialLine(reactor, device)
        with pytest.raises(LineError, match="is no serial port"):
            line.start(User(line))
        reactor.wait_for(line.stop())


def test_settings_that_the_device_refuses(
    reactor: Reactor, adapter: Adapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any) -> None:
        raise termios.error(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(termios, "tcsetattr", refuse)
    line = SerialLine(reactor, adapter.path, bits=7, parity="E")
    with pytest.raises(LineError, match="refuses these settings"):
        line.start(User(line))
    reactor.wait_for(line.stop())


def test_the_words_for_failures() -> None:
    for exc, words, final in (
        (OSError(errno.EACCES, "Permission denied"), "join the group dialout", True),
        (OSError(errno.EBUSY, "busy"), "in use by another program", False),
        (OSError(errno.ENXIO, "no such device"), "is not there", False),
        (ValueError("Failed to set custom baud rate"), "another speed", True),
        (termios.error(errno.EINVAL, "Invalid argument"), "refuses these settings", True),
        (termios.error(errno.EIO, "Input/output error"), "is not there", False),
        (OSError(errno.ENOTTY, "Inappropriate ioctl"), "is no serial port", True),
    ):
        reason, for_good = explain("/dev/ttyS9", exc)
        assert reason.startswith("/dev/ttyS9 ")
        assert words in reason
        assert for_good is final


def test_permission_denied_is_final_only_at_the_start(
    reactor: Reactor, begin: Begin, adapter: Adapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open
    denied = True

    def refuse(path: Any, *args: Any, **kwargs: Any) -> int:
        if path == adapter.path and denied:
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", refuse)
    line = SerialLine(reactor, adapter.path)
    with pytest.raises(LineError, match="dialout"):
        line.start(User(line))
    reactor.wait_for(line.stop())
    denied = False
    user = begin(SerialLine(reactor, adapter.path))
    denied = True  # as udev leaves it for a moment
    adapter.unplug()
    reactor.until(lambda: not user.dtr)
    adapter.plug()
    reactor.run_for(0.4)
    assert "dialout" in user.events[-1][1]
    denied = False
    reactor.until(lambda: user.dtr)


def test_a_call_waits_for_a_device_that_is_not_there(
    reactor: Reactor, begin: Begin, adapter: Adapter, wires: Pins
) -> None:
    """Also where the DTE's DTR says nothing new when it is back."""
    wires.inputs = DSR
    line = SerialLine(reactor, adapter.path, uart=wires)
    user = begin(line)
    assert line.attached
    wires.inputs = 0
    reactor.until(lambda: not user.dtr)
    adapter.unplug()
    reactor.until(lambda: not line.attached)
    user.blocked = True
    adapter.plug()
    reactor.until(lambda: line.attached, 2)
    assert not user.blocked  # write on


# -- options of the port -------------------------------------------------------------------------------------


@pytest.mark.parametrize("hang_up", [True, False, None])
def test_hupcl(reactor: Reactor, begin: Begin, adapter: Adapter, hang_up: bool | None) -> None:
    before = bool(termios.tcgetattr(adapter.cable)[2] & termios.HUPCL)
    begin(SerialLine(reactor, adapter.path, hupcl=hang_up))
    now = bool(termios.tcgetattr(adapter.cable)[2] & termios.HUPCL)
    assert now is (before if hang_up is None else hang_up)


def test_low_latency(reactor: Reactor, begin: Begin, adapter: Adapter, wires: Pins) -> None:
    begin(SerialLine(reactor, adapter.path, uart=wires))
    assert not wires.low_latency
    begin(SerialLine(reactor, adapter.path, exclusive=False, latency="low", uart=wires))
    assert wires.low_latency


def test_a_lock_file_of_another_program(
    reactor: Reactor, begin: Begin, adapter: Adapter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locks = tmp_path / "lock"
    locks.mkdir()
    monkeypatch.setitem(SerialPort.__init__.__kwdefaults__, "lock_directory", str(locks))
    other = locks / "LCK..ttyUSB0"
    other.write_text(f"{os.getppid():10d}\n")
    line = SerialLine(reactor, adapter.path, lock="uucp")
    user = begin(line)
    assert f"in use by process {os.getppid()}" in user.events[0][1]
    other.unlink()
    reactor.until(lambda: user.dtr, 2)
    assert other.read_text() == f"{os.getpid():10d}\n"
    reactor.wait_for(line.stop(), 1)
    assert list(locks.iterdir()) == []


# -- circuits ------------------------------------------------------------------------------------------------


def test_null_modem_wiring(reactor: Reactor, begin: Begin, adapter: Adapter, wires: Pins) -> None:
    wires.inputs = DSR
    line = SerialLine(reactor, adapter.path, uart=wires)
    user = begin(line)
    assert user.events == [("dtr", True)]
    assert wires.outputs == {DTR: False, RTS: True}  # no carrier, clear to send
    line.set_circuit(Circuit.DCD, True)
    assert wires.outputs == {DTR: True, RTS: True}
    line.set_circuit(Circuit.RI, True)
    line.set_circuit(Circuit.DSR, False)
    assert wires.outputs == {DTR: True, RTS: True}
    line.set_circuit(Circuit.CTS, False)
    line.set_circuit(Circuit.DCD, False)
    assert wires.outputs == {DTR: False, RTS: False}
    wires.inputs = CD | CTS
    start = time.monotonic()
    reactor.until(lambda: not user.dtr)
    assert time.monotonic() - start < 1
    wires.inputs = DSR
    reactor.until(lambda: user.dtr)


def test_a_short_drop_is_seen(reactor: Reactor, begin: Begin, adapter: Adapter, wires: Pins) -> None:
    wires.inputs = DSR
    user = begin(SerialLine(reactor, adapter.path, uart=wires))
    times: list[float] = []
    user.on_dtr = lambda on: times.append(time.monotonic())
    start = time.monotonic()
    wires.inputs = 0
    reactor.run_for(0.05)
    wires.inputs = DSR
    reactor.until(lambda: len(times) == 2)
    assert 0.02 < times[1] - times[0] <= time.monotonic() - start


def test_modem_wiring(reactor: Reactor, begin: Begin, adapter: Adapter, wires: Pins) -> None:
    line = SerialLine(reactor, adapter.path, wiring="modem", uart=wires)
    begin(line)
    assert wires.outputs == {DTR: True, RTS: False}
    line.set_circuit(Circuit.DCD, True)
    assert wires.outputs == {DTR: True, RTS: True}
    line.set_circuit(Circuit.DSR, False)
    assert wires.outputs == {DTR: False, RTS: True}


def test_single_places_changed(reactor: Reactor, begin: Begin, adapter: Adapter, wires: Pins) -> None:
    wires.inputs = CD
    line = SerialLine(
        reactor,
        adapter.path,
        dtr_carries="on",
        rts_carries="ri",
        dtr_in="cd",
        invert={"rts"},
        uart=wires,
    )
    user = begin(line)
    assert wires.outputs == {DTR: True, RTS: True}
    line.set_circuit(Circuit.RI, True)
    assert wires.outputs == {DTR: True, RTS: False}
    wires.inputs = DSR
    reactor.until(lambda: not user.dtr)


def test_inverted_input(reactor: Reactor, begin: Begin, adapter: Adapter, wires: Pins) -> None:
    user = begin(SerialLine(reactor, adapter.path, invert={"dsr"}, uart=wires))
    assert user.dtr
    wires.inputs = DSR
    reactor.until(lambda: not user.dtr)


def test_a_cable_of_three_wires(reactor: Reactor, begin: Begin, adapter: Adapter, wires: Pins) -> None:
    user = begin(SerialLine(reactor, adapter.path, uart=wires))
    reactor.run_for(0.1)
    assert user.events == [("dtr", True)]  # never seen on: it counts as on
    wires.inputs = DSR
    reactor.run_for(0.05)
    wires.inputs = 0  # seen on: its fall counts
    reactor.until(lambda: not user.dtr)


def test_circuits_of_a_device_that_returns(
    reactor: Reactor, begin: Begin, adapter: Adapter, wires: Pins
) -> None:
    wires.inputs = DSR
    line = SerialLine(reactor, adapter.path, uart=wires)
    user = begin(line)
    adapter.unplug()
    reactor.until(lambda: not user.dtr)
    line.set_circuit(Circuit.DCD, True)
    wires.outputs.clear()
    adapter.plug()
    reactor.until(lambda: user.dtr, 2)
    assert wires.outputs == {DTR: True, RTS: True}


def test_dtr_always_on_is_not_polled_for(
    reactor: Reactor, begin: Begin, adapter: Adapter, wires: Pins
) -> None:
    begin(SerialLine(reactor, adapter.path, dtr_in="on", uart=wires))
    assert reactor.run_for(0.2) <= 1
    assert wires.reads == 0


def test_a_port_that_dies_between_polls(
    reactor: Reactor, begin: Begin, adapter: Adapter, wires: Pins
) -> None:
    user = begin(SerialLine(reactor, adapter.path, uart=wires))
    wires.failure = OSError(errno.EIO, "Input/output error")
    reactor.until(lambda: ("dtr", False) in user.events)
    assert user.events[-1] == ("lost", f"{adapter.path}: Input/output error")
    reactor.run_for(0.5)  # it opens, and dies at once, again and again
    assert not user.dtr
    wires.failure = None
    reactor.until(lambda: user.dtr)


def test_rtscts_leaves_rts_to_the_kernel(
    reactor: Reactor, begin: Begin, adapter: Adapter, wires: Pins
) -> None:
    line = SerialLine(reactor, adapter.path, flow="rtscts", uart=wires)
    begin(line)
    line.set_circuit(Circuit.CTS, False)
    assert RTS not in wires.outputs
    assert termios.tcgetattr(adapter.cable)[2] & termios.CRTSCTS


def test_dsrdtr_flow_control(reactor: Reactor, begin: Begin, adapter: Adapter, wires: Pins) -> None:
    wires.inputs = DSR
    line = SerialLine(reactor, adapter.path, flow="dsrdtr", uart=wires)
    user = begin(line)
    assert user.dtr
    assert wires.outputs[DTR] is True
    line.pause()
    assert wires.outputs[DTR] is False
    line.resume()
    assert wires.outputs[DTR] is True
    wires.inputs = 0
    reactor.until(lambda: user.blocked)
    assert user.dtr
    line.write(b"held ")
    line.write(b"back")
    assert line.backlog == 9
    sent: list[bool] = []
    line.when_sent(lambda: sent.append(True))
    reactor.run_for(0.03)
    assert adapter.take() == b""
    assert not sent
    wires.inputs = DSR
    got = bytearray()
    reactor.until(lambda: got.extend(adapter.take()) or got == b"held back")
    reactor.until(lambda: sent == [True])
    assert not user.blocked
    line.write(b"!")
    reactor.until(lambda: adapter.take() == b"!")


def test_dsrdtr_stops_what_the_kernel_has(
    reactor: Reactor, begin: Begin, adapter: Adapter, wires: Pins, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped: list[bool] = []
    monkeypatch.setattr(Uart, "stop_output", lambda self, stop: stopped.append(stop))
    wires.inputs = DSR  # which is turned round, so the DTE is not ready
    begin(SerialLine(reactor, adapter.path, flow="dsrdtr", invert={"dsr"}, uart=wires))
    assert stopped == [True]
    wires.inputs = 0
    reactor.until(lambda: stopped == [True, False])


def test_devices_without_lines(adapter: Adapter) -> None:
    uart = Uart(adapter.cable)
    assert uart.lines() is None
    uart.drive(DTR, 0)
    with pytest.raises(OSError, match="Bad file descriptor"):
        Uart(-1 & 0xFFFF).lines()
    with pytest.raises(OSError, match="Bad file descriptor"):
        Uart(-1 & 0xFFFF).drive(0, RTS)


# -- stopping ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["idle", "blocked", "held", "paused", "missing"])
def test_stop_in_every_state(
    reactor: Reactor, begin: Begin, adapter: Adapter, wires: Pins, state: str
) -> None:
    wires.inputs = DSR
    line = SerialLine(reactor, adapter.path, flow="dsrdtr" if state == "held" else "none", uart=wires)
    user = begin(line)
    if state == "blocked":
        while not user.blocked:
            line.write(b"x" * 4096)
    if state == "held":
        wires.inputs = 0
        reactor.until(lambda: user.blocked)
        line.write(b"held")
    if state == "paused":
        line.call_active(True)
        line.pause()
        os.write(adapter.cable, b"unread")
    if state == "missing":
        adapter.unplug()
        reactor.until(lambda: not user.dtr)
    events = list(user.events)
    stopped = line.stop()
    assert line.stop() is stopped
    reactor.wait_for(stopped, 0.5)
    assert user.events == events


def test_stop_lets_the_last_words_leave(reactor: Reactor, begin: Begin, adapter: Adapter) -> None:
    line = SerialLine(reactor, adapter.path)
    begin(line)
    line.write(b"NO CARRIER")
    stopped = line.stop()
    got = bytearray()
    reactor.until(lambda: got.extend(adapter.take()) or got == b"NO CARRIER")
    reactor.wait_for(stopped, 0.5)


def test_unplugged_while_stopping(reactor: Reactor, begin: Begin, adapter: Adapter) -> None:
    line = SerialLine(reactor, adapter.path)
    user = begin(line)
    while not user.blocked:
        line.write(b"x" * 4096)
    stopped = line.stop()
    adapter.unplug()
    reactor.wait_for(stopped, 0.25)
    assert user.events == [("dtr", True)]
