"""A serial port under AT commands: flow control by the kernel, RTS, and breaks both ways."""

from __future__ import annotations

import os
import termios
import time
import tty
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.pins import Pins
from tests.helpers.reactors import Reactor
from vmodem.line.base import Circuit, Flow, FlowControl
from vmodem.line.serialport import SerialLine
from vmodem.tty.circuits import CD, CTS, DSR, RTS
from vmodem.tty.uart import Uart

from .conftest import User

Begin = Callable[[Any], User]
XON, XOFF = b"\x11", b"\x13"
SOFT = FlowControl(Flow.XON_XOFF, Flow.XON_XOFF)
PINS = FlowControl(Flow.CIRCUITS, Flow.CIRCUITS)
NONE = FlowControl(Flow.NONE, Flow.NONE)


class Cable(Pins):
    """The other end of a port, with its pins."""

    def __init__(self) -> None:
        super().__init__(DSR | CD)
        self.breaks = 0
        self.fd, port = os.openpty()
        tty.setraw(port)
        os.set_blocking(self.fd, False)
        self.path = os.ttyname(port)
        self._port = port
        #: What leaves the port: bytes, and the beginnings and ends of breaks.
        self.journal: list[Any] = []

    def set_break(self, on: bool) -> None:
        if data := self.take():
            self.journal.append(data)
        self.journal.append(on)

    def take(self) -> bytes:
        try:
            return os.read(self.fd, 65536)
        except BlockingIOError:
            return b""

    def close(self) -> None:
        os.close(self.fd)
        os.close(self._port)

    @property
    def by_circuits(self) -> bool:
        return bool(termios.tcgetattr(self._port)[2] & termios.CRTSCTS)

    @property
    def by_characters(self) -> tuple[bool, bool, bytes, bytes]:
        """Obeyed, sent, XON, XOFF."""
        settings = termios.tcgetattr(self._port)
        return (
            bool(settings[0] & termios.IXON),
            bool(settings[0] & termios.IXOFF),
            settings[6][termios.VSTART],
            settings[6][termios.VSTOP],
        )

    def line(self, reactor: Reactor, **options: Any) -> SerialLine:
        return SerialLine(reactor, self.path, uart=self, **options)


@pytest.fixture
def cable() -> Iterator[Cable]:
    made = Cable()
    yield made
    made.close()


# -- flow control ------------------------------------------------------------------------------------------


def test_characters_are_the_kernels(reactor: Reactor, begin: Begin, cable: Cable) -> None:
    line = cable.line(reactor)
    user = begin(line)
    assert cable.by_characters[:2] == (False, False)
    line.set_flow(FlowControl(Flow.XON_XOFF, Flow.NONE, 1, 2))
    assert cable.by_characters == (True, False, b"\1", b"\2")
    line.set_flow(FlowControl(Flow.NONE, Flow.XON_XOFF, 1, 2))
    assert cable.by_characters[:2] == (False, True)
    line.set_flow(SOFT)
    assert cable.by_characters == (True, True, XON, XOFF)
    os.write(cable.fd, b"A" + XOFF + b"B")
    reactor.until(lambda: user.data == b"AB")
    line.write(b"waits")
    reactor.run_for(0.03)
    assert cable.take() == b""
    os.write(cable.fd, XON)
    reactor.until(lambda: cable.take() == b"waits")
    line.set_flow(NONE)
    assert cable.by_characters[:2] == (False, False)


def test_a_change_of_speed_leaves_flow_control_alone(reactor: Reactor, begin: Begin, cable: Cable) -> None:
    line = cable.line(reactor)
    begin(line)
    line.set_flow(SOFT)
    line._port.change_rate(19200)
    assert cable.by_characters == (True, True, XON, XOFF)


def test_a_dte_that_leaves_stopped_does_not_stop_the_next(
    reactor: Reactor, begin: Begin, cable: Cable
) -> None:
    line = cable.line(reactor)
    user = begin(line)
    reactor.until(lambda: user.dtr)
    line.set_flow(SOFT)
    os.write(cable.fd, XOFF)
    reactor.run_for(0.03)
    cable.inputs = 0
    reactor.until(lambda: not user.dtr)
    line.write(b"for the next")
    reactor.until(lambda: cable.take() == b"for the next")


def test_a_device_that_returns_is_set_as_before(reactor: Reactor, begin: Begin, tmp_path: Path) -> None:
    path = tmp_path / "ttyUSB0"
    first, second = Cable(), Cable()
    path.symlink_to(first.path)
    line = SerialLine(reactor, str(path), uart=first)
    user = begin(line)
    line.set_flow(SOFT)
    path.unlink()
    first.close()
    reactor.until(lambda: not user.dtr)
    path.symlink_to(second.path)
    reactor.until(lambda: ("found",) in user.events, 3)
    assert second.by_characters == (True, True, XON, XOFF)
    os.write(second.fd, b"back")
    reactor.until(lambda: user.data == b"back")
    reactor.wait_for(line.stop(), 1)
    second.close()


def test_characters_that_pass_through(reactor: Reactor, begin: Begin, cable: Cable) -> None:
    line = cable.line(reactor)
    user = begin(line)
    line.set_flow(FlowControl(Flow.XON_XOFF, Flow.XON_XOFF, through=True))
    assert cable.by_characters[:2] == (False, True)
    os.write(cable.fd, b"A" + XOFF + b"B")
    reactor.until(lambda: user.data == b"A" + XOFF + b"B")
    line.write(b"waits")
    reactor.run_for(0.03)
    assert cable.take() == b""
    line.pause()
    line.set_flow(NONE)
    line.set_flow(FlowControl(Flow.XON_XOFF, Flow.XON_XOFF, through=True))
    os.write(cable.fd, XON + b"C")
    reactor.run_for(0.03)
    assert user.data == b"A" + XOFF + b"B"  # it is still paused
    line.resume()
    reactor.until(lambda: cable.take() == b"waits")
    assert user.data == b"A" + XOFF + b"B" + XON + b"C"
    line.set_flow(NONE)
    os.write(cable.fd, XOFF)
    line.write(b"free")
    reactor.until(lambda: cable.take() == b"free")


def test_an_xon_that_passes_is_obeyed_while_the_line_is_paused(
    reactor: Reactor, begin: Begin, cable: Cable
) -> None:
    line = cable.line(reactor)
    user = begin(line)
    line.set_flow(FlowControl(Flow.XON_XOFF, Flow.NONE, through=True))
    os.write(cable.fd, XOFF)
    reactor.until(lambda: user.blocked)
    line.write(b"waits")
    line.pause()
    os.write(cable.fd, XON + b"A")
    reactor.until(lambda: cable.take() == b"waits")
    assert user.data == XOFF
    assert not user.blocked
    line.resume()
    assert user.data == XOFF + XON + b"A"


def test_a_dte_that_leaves_stopped_by_what_passes_does_not_stop_the_next(
    reactor: Reactor, begin: Begin, cable: Cable
) -> None:
    line = cable.line(reactor)
    user = begin(line)
    line.set_flow(FlowControl(Flow.XON_XOFF, Flow.NONE, through=True))
    os.write(cable.fd, XOFF)
    reactor.until(lambda: user.blocked)
    cable.inputs = 0
    reactor.until(lambda: not user.dtr)
    assert not user.blocked
    line.write(b"for the next")
    reactor.until(lambda: cable.take() == b"for the next")


def test_circuits_are_obeyed_once_the_dte_has_shown_that_it_has_them(
    reactor: Reactor, begin: Begin, cable: Cable
) -> None:
    line = cable.line(reactor)
    user = begin(line)
    line.set_flow(PINS)
    reactor.run_for(0.05)
    assert not cable.by_circuits  # three wires, perhaps
    cable.inputs |= CTS
    reactor.until(lambda: cable.by_circuits)
    cable.inputs &= ~CTS
    reactor.run_for(0.05)
    assert cable.by_circuits  # now that is flow control
    line.set_flow(NONE)
    assert not cable.by_circuits
    line.set_flow(PINS)
    assert cable.by_circuits
    cable.inputs = 0
    reactor.until(lambda: not user.dtr)
    assert not cable.by_circuits


def test_rts_holds_the_dte_up_where_the_kernel_does_not(reactor: Reactor, begin: Begin, cable: Cable) -> None:
    line = cable.line(reactor)
    begin(line)
    line.pause()
    assert cable.outputs[RTS]
    line.set_flow(PINS)
    assert not cable.outputs[RTS]
    line.resume()
    assert cable.outputs[RTS]
    line.pause()
    assert not cable.outputs[RTS]
    line.set_flow(SOFT)
    assert cable.outputs[RTS]


@pytest.mark.parametrize("options", [{"invert": {"cts"}}, {"dtr_in": "cts"}, {"rts_carries": "dcd"}])
def test_pins_that_the_kernel_cannot_use_so(
    reactor: Reactor, begin: Begin, cable: Cable, options: dict[str, Any]
) -> None:
    line = cable.line(reactor, **options)
    begin(line)
    cable.inputs = DSR | CD | CTS
    line.set_flow(PINS)
    reactor.run_for(0.05)
    assert not cable.by_circuits


@pytest.mark.parametrize("flow", ["none", "rtscts", "xonxoff"])
def test_what_the_line_says_stays(reactor: Reactor, begin: Begin, cable: Cable, flow: str) -> None:
    line = cable.line(reactor, flow=flow)
    begin(line)
    cable.inputs |= CTS
    before = (cable.by_circuits, cable.by_characters)
    for other in (PINS, SOFT, NONE, FlowControl(Flow.XON_XOFF, Flow.NONE, through=True)):
        line.set_flow(other)
        reactor.run_for(0.03)
        assert (cable.by_circuits, cable.by_characters) == before
    assert before[0] is (flow == "rtscts")
    assert before[1][0] is (flow == "xonxoff")


def test_rts_is_told_once_it_was_seen_on(reactor: Reactor, begin: Begin, cable: Cable) -> None:
    line = cable.line(reactor)
    told: list[bool] = []
    line.rts_changed = told.append
    begin(line)
    reactor.run_for(0.05)
    assert told == []
    for on in (True, False, True):
        cable.inputs = DSR | CD | (CTS if on else 0)
        reactor.until(lambda on=on: told[-1:] == [on])  # type: ignore[misc]
    assert told == [True, False, True]


# -- framing -----------------------------------------------------------------------------------------------


def framing(line: SerialLine) -> tuple[int, str, float]:
    now = line._port.settings
    return now.data_bits, now.parity, now.stop_bits


def test_framing_changes_once_everything_has_left(reactor: Reactor, begin: Begin, cable: Cable) -> None:
    cable.transmitter_empty = False
    line = cable.line(reactor)
    begin(line)
    line.set_framing(8, "N", 2)
    reactor.run_for(0.03)
    assert framing(line) == (8, "N", 1)
    cable.transmitter_empty = True
    reactor.until(lambda: framing(line) == (8, "N", 2))
    assert termios.tcgetattr(cable._port)[2] & termios.CSTOPB
    line.set_framing(0, "N", 1)
    assert framing(line) == (8, "N", 1)


def test_framing_leaves_flow_control_alone(reactor: Reactor, begin: Begin, cable: Cable) -> None:
    line = cable.line(reactor)
    begin(line)
    cable.inputs |= CTS
    both = Flow.CIRCUITS | Flow.XON_XOFF
    cable.transmitter_empty = False
    line.set_framing(8, "N", 2)  # which was asked for before, and comes after
    line.set_flow(FlowControl(both, Flow.CIRCUITS, 1, 2))
    reactor.until(lambda: cable.by_circuits)
    cable.transmitter_empty = True
    reactor.until(lambda: framing(line) == (8, "N", 2))
    assert cable.by_circuits
    assert cable.by_characters == (True, False, b"\1", b"\2")
    line.set_framing(7, "X", 2)  # refused
    line.set_flow(NONE)
    line.set_framing(0, "N", 1)
    assert framing(line) == (8, "N", 1)
    assert not cable.by_circuits
    assert not cable.by_characters[0]


def test_framing_stays_while_the_speed_is_followed(reactor: Reactor, begin: Begin, cable: Cable) -> None:
    line = cable.line(reactor, speed=None)
    begin(line)
    line.set_framing(7, "E", 1)
    assert framing(line) == (8, "N", 1)


def test_framing_that_the_port_refuses(reactor: Reactor, begin: Begin, cable: Cable) -> None:
    line = cable.line(reactor)
    user = begin(line)
    line.set_framing(7, "X", 2)
    assert framing(line) == (8, "N", 1)
    line._port.change_rate(1200)  # and nothing of it is left
    line.set_framing(8, "N", 2)
    assert framing(line) == (8, "N", 2)
    os.write(cable.fd, b"A")
    reactor.until(lambda: user.data == b"A")


# -- breaks ------------------------------------------------------------------------------------------------


@pytest.fixture
def sent(cable: Cable) -> list[Any]:
    return cable.journal


def test_break_behind_what_was_written(reactor: Reactor, begin: Begin, cable: Cable, sent: list[Any]) -> None:
    line = cable.line(reactor)
    user = begin(line)
    line.write(b"before")
    line.send_break(0.1)
    line.write(b"after")
    line.send_break(0.1)  # a part of the first
    assert user.blocked
    done: list[str] = []
    line.when_sent(lambda: done.append("sent"))
    assert sent == [b"before", True]
    assert line.backlog == len(b"after")
    reactor.run_for(0.05)
    assert sent == [b"before", True]
    assert done == []
    reactor.until(lambda: len(sent) == 3)
    assert sent == [b"before", True, False]
    reactor.until(lambda: cable.take() == b"after")
    assert not user.blocked
    reactor.until(lambda: done == ["sent"])
    assert reactor.run_for(0.1) <= 12  # circuits are read, nothing else goes on


def test_break_waits_for_a_transmitter_that_is_not_empty(
    reactor: Reactor, begin: Begin, cable: Cable, sent: list[Any]
) -> None:
    cable.transmitter_empty = False
    line = cable.line(reactor)
    begin(line)
    line.send_break(5.0)
    reactor.run_for(0.05)
    assert sent == []
    cable.transmitter_empty = True
    start = time.monotonic()
    reactor.until(lambda: sent == [True, False])
    assert 1 <= time.monotonic() - start < 4  # no break is longer than a second


def test_stopping_ends_a_break(reactor: Reactor, begin: Begin, cable: Cable, sent: list[Any]) -> None:
    line = cable.line(reactor)
    begin(line)
    line.send_break(1.0)
    line.write(b"last words")
    reactor.wait_for(line.stop(), 1)
    assert sent == [True, False]
    assert cable.take() == b"last words"


def test_break_on_a_real_descriptor_does_no_harm(reactor: Reactor, begin: Begin, cable: Cable) -> None:
    line = SerialLine(reactor, cable.path)
    begin(line)
    line.send_break(0.02)
    line.write(b"x")
    reactor.until(lambda: cable.take() == b"x")
    Uart(1 << 20).set_break(True)


def test_breaks_that_come_are_counted(reactor: Reactor, begin: Begin, cable: Cable) -> None:
    line = cable.line(reactor)
    told: list[str] = []
    line.break_received = lambda: told.append("break")
    begin(line)
    assert termios.tcgetattr(cable._port)[0] & termios.IGNBRK
    reactor.run_for(0.03)
    assert told == []
    for count in (1, 5):
        cable.breaks = count
        reactor.run_for(0.03)
    assert told == ["break", "break"]


def test_a_port_that_does_not_count_breaks_gives_them_as_bytes(
    reactor: Reactor, begin: Begin, cable: Cable
) -> None:
    cable.breaks = None
    begin(cable.line(reactor))
    assert not termios.tcgetattr(cable._port)[0] & termios.IGNBRK


def test_a_break_at_an_unknown_speed_is_a_sign_of_another(
    reactor: Reactor, begin: Begin, cable: Cable
) -> None:
    line = cable.line(reactor, speed=None)
    line.break_received = lambda: pytest.fail("told")
    begin(line)
    cable.breaks = 9
    reactor.run_for(0.03)
    assert not termios.tcgetattr(cable._port)[0] & termios.IGNBRK


def test_discard(reactor: Reactor, begin: Begin, cable: Cable) -> None:
    line = cable.line(reactor)
    user = begin(line)
    while not user.blocked:
        line.write(bytes(1000))
    done: list[str] = []
    line.when_sent(lambda: done.append("sent"))
    line.discard()
    assert (line.backlog, done, user.blocked) == (0, ["sent"], False)
    line.set_circuit(Circuit.DCD, True)
