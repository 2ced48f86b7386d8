"""The driver and what stands beside the data: breaks, flow control, RTS, and circuits in order with bytes."""

from __future__ import annotations

import errno
import itertools
import os
import tty
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.logger import formatEvent, globalLogPublisher

from atparser import Modem, Options, State, Store
from tests.helpers.pins import Pins
from tests.helpers.reactors import Reactor
from vmodem.line.base import Circuit, Flow, FlowControl
from vmodem.line.memory import MemoryLine
from vmodem.line.serialport import SerialLine
from vmodem.modem.driver import Driver
from vmodem.tty.circuits import CD, CTS, DSR, DTR, RTS

from .test_driver import Bench, FakeStream


class BreakingStream(FakeStream):
    """A call that can carry breaks; pending bytes are those of a far end that takes nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.discarded = 0

    def send_break(self, seconds: float, expedited: bool) -> None:
        self.journal.append(("break", round(seconds, 3), expedited))

    def discard_pending(self) -> None:
        self.discarded += 1


def online(bench: Bench) -> BreakingStream:
    attempt = bench.dial()
    stream = BreakingStream()
    attempt.connected(stream, SimpleNamespace(peer=stream.peer, rule="5551234", rate=0))
    bench.clock.advance(2)
    bench.line.take()
    stream.journal.clear()
    bench.line.history.clear()
    return stream


@pytest.fixture
def bench() -> Bench:
    return Bench()


# -- breaks ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("k", "expedited"), [(1, True), (3, True), (5, False)])
def test_break_of_the_dte_reaches_the_call(bench: Bench, k: int, expedited: bool) -> None:
    bench.ok(f"AT\\K{k}")
    stream = online(bench)
    bench.line.begin_break()
    assert stream.journal == [("break", 0.3, expedited)]
    assert stream.discarded == (k == 1)


def test_break_keeps_its_place_while_the_line_is_held_up(bench: Bench) -> None:
    stream = online(bench)
    assert stream.user is not None
    stream.user.write_blocked()
    bench.line.send(b"before")
    bench.line.begin_break()
    bench.line.send(b"after")
    assert stream.journal == []
    stream.user.write_drained()
    assert bytes(stream.sent) == b"beforeafter"
    assert stream.journal == [("break", 0.3, False)]


def test_break_that_discards_frees_a_line_that_was_held_up(bench: Bench) -> None:
    bench.ok("AT\\K1")
    stream = online(bench)
    assert stream.user is not None
    bench.line.make_room(0)
    stream.arrive(b"nobody reads this")
    stream.user.write_blocked()
    assert bench.line.paused
    bench.driver.break_received()
    assert not bench.line.paused
    assert bench.line.backlog == 0
    assert (stream.paused, stream.resumed) == (1, 1)


def test_break_as_an_escape(bench: Bench) -> None:
    bench.ok("AT\\K0")
    stream = online(bench)
    bench.line.begin_break()
    assert bench.line.take() == b"\r\nOK\r\n"
    bench.ok("AT\\B5")
    assert stream.journal == [("break", 0.5, True)]


def test_break_of_the_far_end_keeps_its_place(bench: Bench) -> None:
    stream = online(bench)
    stream.arrive(b"before")
    stream.break_received()  # type: ignore[attr-defined]
    stream.arrive(b"after")
    assert bench.line.history == [("write", b"before"), ("break", pytest.approx(0.3)), ("write", b"after")]


def test_no_break_is_longer_than_a_second(bench: Bench) -> None:
    bench.ok("AT+EB=1,0,254")
    stream = online(bench)
    bench.line.begin_break()
    stream.break_received()  # type: ignore[attr-defined]
    assert stream.journal == [("break", 1.0, False)]
    assert bench.line.history == [("break", 1.0)]


def test_break_in_command_state_is_no_call_s(bench: Bench) -> None:
    bench.line.begin_break()
    bench.ok("AT")


# -- flow control and RTS ----------------------------------------------------------------------------------


def test_flow_control_is_handed_to_the_line(bench: Bench) -> None:
    pins = Flow.CIRCUITS
    assert bench.line.flow == FlowControl(pins, pins)
    bench.ok("AT&K4S32=1S33=2")
    assert bench.line.flow == FlowControl(Flow.XON_XOFF, Flow.XON_XOFF, 1, 2)
    bench.ok("AT&K5")
    assert bench.line.flow == FlowControl(Flow.XON_XOFF, Flow.XON_XOFF, 1, 2, through=True)
    bench.ok("AT&K6")
    assert bench.line.flow == FlowControl(Flow.XON_XOFF | pins, Flow.XON_XOFF | pins, 1, 2)


def test_flow_words_are_the_same_on_both_sides() -> None:
    from atparser import Flow as Asked

    assert [(one.name, one.value) for one in Asked] == [(one.name, one.value) for one in Flow]


def test_cts_follows_rts_with_r0(bench: Bench) -> None:
    bench.ok("AT&R0")
    bench.line.set_rts(False)
    assert bench.line.circuits[Circuit.CTS] is False
    bench.line.set_rts(True)
    bench.clock.advance(0.02)
    assert bench.line.circuits[Circuit.CTS] is True


# -- order -------------------------------------------------------------------------------------------------


def test_last_bytes_are_discarded_where_that_is_wanted(bench: Bench) -> None:
    bench.ok("AT+ETBM=,0")
    stream = online(bench)
    bench.line.make_room(4)
    stream.arrive(b"lastwords")
    stream.end()
    assert bench.modem.state is State.IDLE
    bench.line.make_room(None)
    assert bench.line.take() == b"last\r\nNO CARRIER\r\n"
    assert [entry for entry in bench.line.history if entry[0] is Circuit.DCD] == [(Circuit.DCD, False)]


def test_dcd_changes_once_for_each_coming_and_going_of_the_carrier(bench: Bench) -> None:
    changes = []
    for end in ("peer", "ATH", "dtr", "owner", "ATZE0"):
        stream = online(bench)
        bench.line.history.append((Circuit.DCD, True))  # online() looked at it
        for _ in range(3):
            bench.clock.pump([0.1] * 20)
            bench.line.send(b"+++")
            bench.clock.pump([0.1] * 20)
            stream.arrive(b"held")
            bench.say("ATO")
            bench.line.begin_break()
        if end == "peer":
            stream.end()
        elif end == "dtr":
            bench.line.disconnect()
            bench.clock.advance(1)
            bench.line.connect()
        elif end == "owner":
            bench.driver.hang_up("the test")
        else:
            bench.clock.pump([0.1] * 20)
            bench.line.send(b"+++")
            bench.clock.pump([0.1] * 15)
            bench.say(end)
        changes += [entry[1] for entry in bench.line.history if entry[0] is Circuit.DCD]
        assert bench.line.circuits[Circuit.DCD] is False
        bench.clock.advance(3)
    assert changes == [True, False] * 5


# -- options of the owner ----------------------------------------------------------------------------------


def test_a_call_while_dtr_is_off_is_not_taken() -> None:
    bench = Bench(Options(dtr_refuse=True))
    bench.line.disconnect()
    bench.clock.advance(1)
    assert not bench.driver.offer(FakeStream(), None)  # type: ignore[arg-type]
    bench.line.connect()
    assert bench.driver.offer(FakeStream(), None)  # type: ignore[arg-type]


def test_dtr_dials() -> None:
    store = Store()
    store.numbers[0] = "5551234"
    dialed: list[str] = []
    exchange = SimpleNamespace(originate=lambda dial, *_: dialed.append(dial.raw) or SimpleNamespace())
    line, clock = MemoryLine(), Clock()
    modem = Modem(Options(dtr_dial=True), store)
    driver = Driver(clock, "test", line, modem, exchange, bool, print, clock=clock.seconds)  # type: ignore[arg-type]
    driver.start()
    assert dialed == []
    line.connect()
    assert dialed == ["5551234"]


def test_who_calls_is_told_to_the_modem(bench: Bench) -> None:
    bench.ok("AT+VCID=1")
    bench.driver.offer(FakeStream(), SimpleNamespace(number="5550199", name="PLANT 7"))  # type: ignore[arg-type]
    bench.clock.pump([0.5] * 5)
    said = bench.line.take()
    assert said.index(b"RING") < said.index(b"DATE = ") < said.index(b"NMBR = 5550199")
    assert b"NAME = PLANT 7" in said


def test_announcement_of_a_call_may_name_the_caller() -> None:
    bench = Bench(Options(ring_info=True))
    bench.driver.offer(FakeStream(), SimpleNamespace(number="192000002007", name=""))  # type: ignore[arg-type]
    assert bench.line.take() == b"\r\nRING 192000002007\r\n"


def test_ata_may_wait_for_the_call() -> None:
    bench = Bench(Options(answer_wait=20.0))
    assert bench.say("ATA") == b""
    bench.clock.advance(10)
    stream = FakeStream()
    assert bench.driver.offer(stream, None)  # type: ignore[arg-type]
    assert bench.line.take() == b"\r\nCONNECT 9600\r\n"
    bench.line.send(b"hello")
    assert bytes(stream.sent) == b"hello"


def test_what_is_looped_back_is_not_lost_on_a_dte_that_reads_slowly(bench: Bench) -> None:
    bench.ok("AT&T1")
    bench.line.make_room(0)
    data = os.urandom(300_000).replace(b"+", b"-")
    for at in range(0, len(data), 1000):
        bench.line.send(data[at : at + 1000])
    assert bench.line.paused
    while len(bench.line.received) < len(data):
        bench.line.make_room(5000)
        bench.clock.advance(0)
    assert bytes(bench.line.received) == data


# -- a serial port -----------------------------------------------------------------------------------------


class Wires(Pins):
    """The pins of a simulated port.  What it drives is noted, with what had left by then."""

    def __init__(self, cable: int) -> None:
        super().__init__(DSR | CD | CTS)
        self.cable = cable
        self.journal: list[Any] = []

    def drive(self, output: int, on: bool) -> None:
        if self.outputs.get(output) is not on:
            self.look()
            super().drive(output, on)
            self.journal.append(({DTR: "DCD", RTS: "CTS"}[output], on))

    def look(self) -> None:
        try:
            while data := os.read(self.cable, 4096):
                if self.journal and isinstance(self.journal[-1], bytes):
                    self.journal[-1] += data
                else:
                    self.journal.append(data)
        except OSError:
            pass


@pytest.fixture
def wires(tmp_path: Path) -> Iterator[Wires]:
    cable, port = os.openpty()
    tty.setraw(port)
    os.set_blocking(cable, False)
    made = Wires(cable)
    made.path = os.ttyname(port)  # type: ignore[attr-defined]
    yield made
    os.close(port)
    os.close(cable)


class Exchange:
    """Places calls that are there at once."""

    def __init__(self) -> None:
        self.stream = FakeStream()

    def originate(self, dial: Any, connected: Any, failed: Any) -> Any:
        self.stream = FakeStream()
        connected(self.stream, SimpleNamespace(peer="p", rule="", rate=0))
        return SimpleNamespace(cancel=lambda: None)

    def refuse(self, stream: Any, text: bytes) -> None:
        raise AssertionError("nobody calls")


def test_order_on_a_serial_port(reactor: Reactor, wires: Wires) -> None:
    """DCD, CONNECT, data; and the last byte, DCD, NO CARRIER: seen from the cable's other end."""
    exchange = Exchange()
    line = SerialLine(reactor, wires.path, uart=wires)  # type: ignore[attr-defined]
    driver = Driver(reactor, "test", line, Modem(), exchange, lambda _: True, lambda _: None)
    driver.start("E0")
    try:
        for _ in range(3):
            wires.journal.clear()
            os.write(wires.cable, b"ATD5551234\r")
            reactor.until(lambda: driver.modem.state is State.ONLINE)
            exchange.stream.arrive(b"first")
            exchange.stream.arrive(b"last" * 500)
            exchange.stream.end()
            reactor.until(lambda: driver.modem.state is State.IDLE, tick=0.001)
            reactor.run_for(0.05)
            wires.look()
            assert wires.journal == [
                ("DCD", True),
                b"\r\nCONNECT 9600\r\nfirst" + b"last" * 500,
                ("DCD", False),
                b"\r\nNO CARRIER\r\n",
            ]
            reactor.run_for(0.2)
    finally:
        driver.shut_down()
        reactor.wait_for(line.stop(), 1)


def test_dcd_never_glitches_on_a_serial_port(reactor: Reactor, wires: Wires) -> None:
    exchange = Exchange()
    line = SerialLine(reactor, wires.path, uart=wires)  # type: ignore[attr-defined]
    driver = Driver(reactor, "test", line, Modem(), exchange, lambda _: True, lambda _: None)
    driver.start("E0S12=0")
    try:
        for end in (b"ATH\r", b"ATZ\r"):
            os.write(wires.cable, b"ATE0S12=0D5551234\r")
            reactor.until(lambda: driver.modem.state is State.ONLINE)
            for answer in (b"AT&K4\r", b"AT&K3&R0\r", b"AT&C1&S1\r"):
                os.write(wires.cable, b"+++")
                reactor.until(lambda: driver.modem.state is State.ONLINE_COMMAND)
                os.write(wires.cable, answer + b"ATO\r")
                reactor.until(lambda: driver.modem.state is State.ONLINE)
            os.write(wires.cable, b"+++")
            reactor.until(lambda: driver.modem.state is State.ONLINE_COMMAND)
            os.write(wires.cable, end)
            reactor.until(lambda: driver.modem.state is State.IDLE)
            reactor.run_for(0.05)
        changes = [
            on
            for each in wires.journal
            if not isinstance(each, bytes) and each[0] == "DCD"
            for on in each[1:]
        ]
        assert changes in ([True, False] * 2, [False] + [True, False] * 2)
        assert all(before is not after for before, after in itertools.pairwise(changes))
    finally:
        driver.shut_down()
        reactor.wait_for(line.stop(), 1)


def test_a_loss_is_logged_once(reactor: Reactor, wires: Wires, tmp_path: Path) -> None:
    warned: list[str] = []
    told: list[str] = []

    def observe(event: Any) -> None:
        (warned if event["log_level"].name == "warn" else told).append(formatEvent(event))

    path = tmp_path / "ttyUSB0"
    path.symlink_to(wires.path)  # type: ignore[attr-defined]
    line = SerialLine(reactor, str(path), uart=wires)
    driver = Driver(reactor, "test", line, Modem(), Exchange(), lambda _: True, lambda _: None)
    globalLogPublisher.addObserver(observe)
    try:
        driver.start("")
        path.unlink()
        wires.failure = OSError(errno.EIO, "Input/output error")
        reactor.until(lambda: len(warned) == 2)
        wires.failure = None
        path.symlink_to(wires.path)  # type: ignore[attr-defined]
        reactor.until(lambda: line.attached, 2)
    finally:
        globalLogPublisher.removeObserver(observe)
        driver.shut_down()
        reactor.wait_for(line.stop(), 1)
    assert warned == [f"serial:{path}: Input/output error", f"serial:{path}: {path} is not there"]
    assert [each for each in told if str(path) in each] == [f"serial:{path}: back in service"]
