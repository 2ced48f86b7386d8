"""Equipment on a serial port: a pseudo-terminal is the device, its master the far end of the cable."""

from __future__ import annotations

import os
import termios
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.reactors import Reactor
from vmodem.port.base import Noted, Port, PortError, PortFlow, Settings, Signals
from vmodem.port.serial import SerialPort
from vmodem.tty.rs485 import Rs485
from vmodem.tty.uart import Counts, Uart

from .conftest import User
from .device import CD, CTS, DSR, DTR, RI, RTS, Cable

Begin = Callable[[Port], User]
NONE, DTR_S, RTS_S = Signals.NONE, Signals.DTR, Signals.RTS


@pytest.fixture
def cable(tmp_path: Path) -> Iterator[Cable]:
    made = Cable(str(tmp_path / "ttyUSB0"))
    made.plug()
    yield made
    made.unplug()


def port_of(reactor: Reactor, cable: Cable, **options: Any) -> SerialPort:
    return SerialPort(reactor, cable.path, uart=cable.uart, **options)


# -- bytes ---------------------------------------------------------------------------------------------------


def test_a_device_without_circuits_or_counts_is_complete_otherwise(
    reactor: Reactor, begin: Begin, cable: Cable
) -> None:
    port = SerialPort(reactor, cable.path, speed=2400)  # the kernel's own answers for a pseudo-terminal
    user = begin(port)
    assert user.events == [("attached", True)]
    assert port.signals_known == NONE
    assert port.signals == NONE
    assert port.settings == Settings(2400)
    assert cable.termios[5] == termios.B2400
    cable.send(bytes(range(256)))
    reactor.until(lambda: user.data == bytes(range(256)))
    port.write(bytes(range(255, -1, -1)))
    got = bytearray()
    reactor.until(lambda: got.extend(cable.take()) or len(got) == 256)
    assert got == bytes(range(255, -1, -1))
    port.drive(DTR_S, RTS_S)
    port.set_break(True)
    port.set_break(False)
    assert (port.counters.received, port.counters.sent) == (256, 256)
    assert reactor.run_for(0.3) <= 1


def test_what_arrived_before_the_opening_is_not_thrown_away(
    reactor: Reactor, begin: Begin, cable: Cable
) -> None:
    holder = os.open(cable.path, os.O_RDWR | os.O_NOCTTY)
    cable.send(b"early")
    user = begin(port_of(reactor, cable))
    reactor.until(lambda: user.data == b"early")
    os.close(holder)


def test_back_pressure_both_ways(reactor: Reactor, begin: Begin, cable: Cable) -> None:
    port = port_of(reactor, cable)
    user = begin(port)
    written = bytearray()
    while not user.blocked:
        block = os.urandom(1000)
        port.write(block)
        written += block
    assert 0 < port.backlog <= 1000
    got = bytearray()
    reactor.until(lambda: got.extend(cable.take()) or len(got) >= len(written), tick=0.001)
    assert got == written
    reactor.until(lambda: not user.blocked)
    port.pause()
    cable.send(b"later")
    reactor.run_for(0.03)
    assert user.data == b""
    port.resume()
    reactor.until(lambda: user.data == b"later")


def test_stopping_lets_pending_bytes_out(reactor: Reactor, cable: Cable) -> None:
    port = port_of(reactor, cable)
    user = User(port)
    port.start(user)
    port.write(b"last words")
    stopping = port.stop()
    reactor.until(lambda: cable.take() == b"last words")
    reactor.wait_for(stopping, 1)
    assert port.stop() is stopping
    port.write(b"too late")


def test_stopping_does_not_wait_for_a_device_that_takes_nothing(reactor: Reactor, cable: Cable) -> None:
    port = port_of(reactor, cable)
    user = User(port)
    port.start(user)
    cable.queue = 1
    port.write(b"stuck")
    port.set(Settings(19200), user.done.append)
    reactor.wait_for(port.stop(), 0.6)
    reactor.until(lambda: user.done == [Settings(19200)])


# -- settings ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [50, 300, 9600, 12345, 115200, 250000, 4000000])
@pytest.mark.parametrize("stop", [1, 2])
def test_rates_and_stop_bits(reactor: Reactor, begin: Begin, cable: Cable, rate: int, stop: int) -> None:
    port = port_of(reactor, cable, speed=600)
    user = begin(port)
    wanted = Settings(rate, stop_bits=stop)
    port.set(wanted, user.done.append)
    assert user.done == []
    reactor.until(lambda: user.done == [wanted])
    assert port.settings == wanted
    assert bool(cable.termios[2] & termios.CSTOPB) is (stop == 2)
    assert user.settings == []


def test_what_the_device_refuses_is_told_as_it_is(reactor: Reactor, begin: Begin, cable: Cable) -> None:
    """A pseudo-terminal has eight bits and no parity, always."""
    port = port_of(reactor, cable)
    user = begin(port)
    port.set(Settings(9600, 7, "E"), user.done.append)
    port.set(Settings(1200, 7, "E", 2), user.done.append)
    port.set(Settings(0), user.done.append)
    port.set(Settings(9600, 9), user.done.append)
    port.set(Settings(9600, parity="X"), user.done.append)
    reactor.until(lambda: len(user.done) == 5)
    assert user.done == [Settings(9600), *[Settings(1200, stop_bits=2)] * 4]


def test_flow_control_is_the_kernels(reactor: Reactor, begin: Begin, cable: Cable) -> None:
    port = port_of(reactor, cable, flow="rtscts")
    user = begin(port)
    assert cable.termios[2] & termios.CRTSCTS
    assert port.settings.flow is PortFlow.RTS_CTS
    assert cable.history == [("pins", DTR, 0, b"")]  # RTS is not ours
    port.set(Settings(flow=PortFlow.XON_XOFF), user.done.append)
    reactor.until(lambda: user.done == [Settings(flow=PortFlow.XON_XOFF)])
    assert not cable.termios[2] & termios.CRTSCTS
    assert cable.termios[0] & (termios.IXON | termios.IXOFF) == termios.IXON | termios.IXOFF
    assert cable.history[-1] == ("pins", DTR | RTS, 0, b"")
    user.data.clear()
    cable.send(b"\x13!")
    reactor.until(lambda: user.data == b"!")
    port.write(b"held")
    reactor.run_for(0.02)
    assert cable.take() == b""
    cable.send(b"\x11")
    reactor.until(lambda: cable.take() == b"held")


def test_everything_waits_for_the_bytes_before_it(reactor: Reactor, begin: Begin, cable: Cable) -> None:
    port = port_of(reactor, cable)
    user = begin(port)
    cable.history.clear()
    cable.queue = 3
    port.write(b"one")
    port.set(Settings(19200), lambda real: user.done.append(("set", real.rate)))
    port.write(b"two")
    port.drive(NONE, DTR_S | RTS_S)
    port.write(b"three")
    port.set_break(True)
    port.when_sent(lambda: user.done.append("sent"))
    port.set_break(False)
    port.write(b"four")
    assert user.blocked
    assert port.backlog == len(b"twothreefour")
    reactor.run_for(0.03)
    assert cable.take() == b"one"
    assert cable.termios[5] == termios.B9600
    cable.queue = None
    reactor.until(lambda: not user.blocked)
    assert cable.termios[5] == termios.B19200
    assert [event[-1] for event in cable.history] == [b"two", b"three", b""]
    assert [event[:2] for event in cable.history] == [("pins", 0), ("break", True), ("break", False)]
    reactor.until(lambda: cable.take() == b"four")
    reactor.until(lambda: user.done == [("set", 19200), "sent"])


def test_a_transmitter_that_is_not_empty_is_waited_for(reactor: Reactor, begin: Begin, cable: Cable) -> None:
    port = port_of(reactor, cable)
    user = begin(port)
    cable.empty = False
    port.when_sent(lambda: user.done.append(1))
    port.when_sent(lambda: user.done.append(2))
    reactor.run_for(0.03)
    assert user.done == []
    cable.empty = True
    reactor.until(lambda: user.done == [1, 2])


def test_nothing_waits_longer_than_the_limit(
    reactor: Reactor, begin: Begin, cable: Cable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vmodem.port.outgoing.LIMIT_S", 0.1)
    port = port_of(reactor, cable)
    user = begin(port)
    cable.queue = 1
    port.set(Settings(300), user.done.append)
    port.when_sent(lambda: user.done.append("sent"))
    began = reactor.seconds()
    reactor.until(lambda: user.done == [Settings(300), "sent"])
    assert 0.09 <= reactor.seconds() - began < 2


def test_bytes_that_still_move_are_waited_for(
    reactor: Reactor, begin: Begin, cable: Cable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vmodem.port.outgoing.LIMIT_S", 0.1)
    port = port_of(reactor, cable)
    user = begin(port)
    cable.queue = 5
    port.set(Settings(300), user.done.append)
    while cable.queue:
        reactor.run_for(0.06)
        assert user.done == []  # or the last of them would be sent at another speed
        cable.queue -= 1
    reactor.until(lambda: user.done == [Settings(300)])
    # What was written behind the first change is not to suffer from the second.
    cable.queue = 1
    port.set(Settings(600), user.done.append)
    port.write(b"at 600")
    port.set(Settings(1200), user.done.append)
    reactor.until(lambda: len(user.done) == 2)
    reactor.run_for(0.05)
    assert user.done[1:] == [Settings(600)]
    reactor.until(lambda: user.done[2:] == [Settings(1200)])


def test_an_adapter_that_cannot_tell_is_given_the_time_of_its_bytes(
    reactor: Reactor, begin: Begin, cable: Cable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vmodem.tty.equipment._PTY_MAJORS", ())
    cable.empty = None
    port = port_of(reactor, cable, speed=1200)
    user = begin(port)
    port.write(b"x" * 24)  # 0.2 s
    began = reactor.seconds()
    port.when_sent(lambda: user.done.append("sent"))
    reactor.until(lambda: cable.take() == b"x" * 24)
    reactor.until(lambda: user.done == ["sent"])
    assert 0.18 <= reactor.seconds() - began < 2


def test_purging_throws_away_what_waits_and_keeps_the_order_of_the_rest(
    reactor: Reactor, begin: Begin, cable: Cable
) -> None:
    port = port_of(reactor, cable)
    user = begin(port)
    cable.queue = 1
    port.drive(NONE, DTR_S)
    port.write(b"away")
    port.drive(DTR_S, NONE)
    cable.history.clear()
    port.purge(False, True)
    assert port.backlog == 0
    assert user.blocked
    cable.queue = None
    reactor.until(lambda: not user.blocked)
    assert cable.history == [("pins", RTS, DTR, b""), ("pins", DTR | RTS, 0, b"")]
    port.pause()
    cable.send(b"unread")
    reactor.run_for(0.02)
    port.purge(True, False)
    cable.send(b"new")
    port.resume()
    reactor.until(lambda: user.data == b"new")


# -- circuits ------------------------------------------------------------------------------------------------


def test_circuits_both_ways(reactor: Reactor, begin: Begin, cable: Cable) -> None:
    cable.pins = CTS | DSR
    port = port_of(reactor, cable)
    user = begin(port)
    both = Signals.CTS | Signals.DSR
    assert user.events == [("attached", True), ("signals", both)]
    assert port.signals == both | DTR_S | RTS_S
    assert cable.history == [("pins", DTR | RTS, 0, b"")]
    cable.pins |= CD | RI
    reactor.until(lambda: user.signals == both | Signals.DCD | Signals.RI)
    cable.pins = DTR | RTS
    reactor.until(lambda: user.signals == NONE)
    port.drive(RTS_S, DTR_S)
    assert cable.history[-1] == ("pins", RTS, DTR, b"")  # both in one call
    assert port.signals == RTS_S


def test_the_first_state_of_our_circuits_is_the_lines(reactor: Reactor, begin: Begin, cable: Cable) -> None:
    port = port_of(reactor, cable, dtr=False, rts=False)
    begin(port)
    assert cable.history == [("pins", 0, DTR | RTS, b"")]
    assert not cable.termios[2] & termios.HUPCL
    assert not port.signals & (DTR_S | RTS_S)


@pytest.mark.parametrize("hang_up", [True, False])
def test_hupcl(reactor: Reactor, begin: Begin, cable: Cable, hang_up: bool) -> None:
    begin(port_of(reactor, cable, hupcl=hang_up))
    assert bool(cable.termios[2] & termios.HUPCL) is hang_up


def test_a_pulse_between_two_looks_is_told(reactor: Reactor, begin: Begin, cable: Cable) -> None:
    cable.pins = 0
    user = begin(port_of(reactor, cable))
    user.events.clear()
    cable.counted = Counts(ri=1)
    reactor.until(lambda: len(user.events) == 2)
    assert user.events == [("signals", Signals.RI), ("signals", NONE)]
    user.events.clear()
    cable.counted, cable.pins = Counts(ri=1, dsr=1, cts=2), DSR
    reactor.until(lambda: len(user.events) == 2)
    assert user.events == [("signals", Signals.CTS), ("signals", Signals.DSR)]


def test_dsr_stops_what_goes_out_and_dtr_what_comes_in(reactor: Reactor, begin: Begin, cable: Cable) -> None:
    port = port_of(reactor, cable, flow="dsrdtr")
    user = begin(port)
    assert cable.pins is not None
    cable.pins &= ~DSR
    reactor.until(lambda: user.signals is not None and Signals.DSR not in user.signals)
    port.write(b"held")
    reactor.run_for(0.03)
    assert cable.take() == b""
    cable.pins |= DSR
    reactor.until(lambda: cable.take() == b"held")
    port.pause()
    assert not cable.pins & DTR
    port.resume()
    assert cable.pins & DTR
    cable.pins &= ~DSR
    reactor.until(lambda: user.signals is not None and Signals.DSR not in user.signals)
    port.set(replace(port.settings, flow=PortFlow.NONE), user.done.append)
    reactor.until(lambda: user.done)
    port.write(b"free")
    reactor.until(lambda: cable.take() == b"free")


# -- what does not wait for bytes ----------------------------------------------------------------------------


def test_circuits_at_once(reactor: Reactor, begin: Begin, cable: Cable) -> None:
    port = port_of(reactor, cable)
    port.drive_now(NONE, DTR_S)
    before = cable.termios[2] & termios.HUPCL
    begin(port)
    assert cable.history == [("pins", RTS, DTR, b"")]
    assert cable.termios[2] & termios.HUPCL == before
    cable.queue = 1
    port.when_sent(lambda: None)
    port.drive_now(DTR_S, NONE)
    assert port.signals & DTR_S
    assert cable.pins is not None
    assert cable.pins & DTR
    cable.queue = None


def test_output_is_stopped_and_kept(reactor: Reactor, begin: Begin, cable: Cable) -> None:
    port = port_of(reactor, cable)
    user = begin(port)
    port.stop_output(True)
    assert user.blocked
    port.write(b"kept")
    port.when_sent(lambda: user.done.append("sent"))
    reactor.run_for(0.03)
    assert (cable.take(), port.backlog, port.all_sent) == (b"", 4, False)
    port.stop_output(False)
    reactor.until(lambda: cable.take() == b"kept")
    reactor.until(lambda: user.done == ["sent"])
    assert not user.blocked
    assert port.all_sent


def test_flow_control_by_the_kernel_is_no_part_of_settings(
    reactor: Reactor, begin: Begin, cable: Cable
) -> None:
    port = port_of(reactor, cable)
    user = begin(port)
    port.set_kernel_flow(True, False, True, 1, 2)
    assert port.settings == Settings(flow=PortFlow.RTS_CTS)
    cable.history.clear()
    port.drive_now(NONE, RTS_S)
    assert cable.history[-1][2] == 0  # RTS is the kernel's
    port.set(Settings(300), user.done.append)
    reactor.until(lambda: user.done == [Settings(300, flow=PortFlow.RTS_CTS)])
    iflag, _, cflag, *_ = cable.termios
    assert cflag & termios.CRTSCTS
    assert iflag & (termios.IXON | termios.IXOFF) == termios.IXOFF
    port.set_kernel_flow(False, False, False, 17, 19)
    assert port.settings == Settings(300)
    assert cable.history[-1] == ("pins", DTR, RTS, b"")


def test_the_rate_alone(reactor: Reactor, begin: Begin, cable: Cable) -> None:
    port = port_of(reactor, cable, errors="bytes")
    user = begin(port)
    assert port.change_rate(300) is None
    assert port.baudrate == port.settings.rate == 300
    assert cable.termios[5] == termios.B300
    cable.counted = Counts(breaks=1)
    cable.unplug()
    reactor.until(lambda: not user.present, 1)
    assert Noted.BREAK not in user.events
    assert port.change_rate(1200) is None
    cable.plug()
    reactor.until(lambda: user.present, 2)
    assert cable.termios[5] == termios.B1200


# -- errors and breaks ---------------------------------------------------------------------------------------


def test_a_break_for_so_long(reactor: Reactor, begin: Begin, cable: Cable) -> None:
    port = port_of(reactor, cable)
    begin(port)
    cable.history.clear()
    port.write(b"before")
    port.send_break(0.05)
    port.write(b"after")
    assert cable.history == [("break", True, b"before")]
    assert port.backlog == 5
    reactor.until(lambda: len(cable.history) == 2)
    assert cable.history[1] == ("break", False, b"")
    reactor.until(lambda: cable.take() == b"after")


def test_a_break_that_nobody_ends(reactor: Reactor, begin: Begin, cable: Cable) -> None:
    """The device goes while one is sent and another waits; it is not broken when it is back."""
    port = port_of(reactor, cable)
    user = begin(port)
    cable.history.clear()
    port.send_break(1.0)
    port.write(b"lost")
    cable.unplug()
    reactor.until(lambda: not user.present, 1)
    port.send_break(1.0)
    cable.plug()
    reactor.until(lambda: user.present, 2)
    port.write(b"here")
    reactor.until(lambda: cable.take() == b"here")
    assert [event[:2] for event in cable.history if event[0] == "break"] == [("break", True)]


def test_errors_are_counted_by_kind(reactor: Reactor, begin: Begin, cable: Cable) -> None:
    cable.counted = Counts(framing=7)  # before us
    port = port_of(reactor, cable)
    user = begin(port)
    user.events.clear()
    assert cable.termios[0] & termios.IGNBRK  # a break is no zero
    cable.counted = Counts(framing=9, parity=1, overrun=4, breaks=1)
    reactor.until(lambda: len(user.events) == 4)
    assert set(user.events) == set(Noted)
    found = port.counters
    assert (found.framing, found.parity, found.overrun, found.breaks) == (2, 1, 4, 1)


def test_errors_in_their_place(reactor: Reactor, begin: Begin, cable: Cable) -> None:
    port = port_of(reactor, cable, errors="mark")
    user = begin(port)
    flags = cable.termios[0]
    assert flags & termios.PARMRK
    assert flags & termios.INPCK
    assert not flags & termios.IGNBRK
    user.events.clear()
    cable.counted = Counts(breaks=1)
    port._stream._received(b"ab\xff\xff\xff\x00\x00c\xff")  # type: ignore[union-attr]
    cable.counted = Counts(breaks=1, framing=1)
    port._stream._received(b"\x00Xd")  # type: ignore[union-attr]
    assert user.events == [b"ab\xff", Noted.BREAK, b"c", Noted.FRAMING, b"Xd"]
    assert (port.counters.breaks, port.counters.framing, port.counters.received) == (1, 1, 6)
    reactor.run_for(0.03)
    assert len(user.events) == 5


def test_255_is_itself_under_marks(reactor: Reactor, begin: Begin, cable: Cable) -> None:
    """The kernel doubles it, a pseudo-terminal's too."""
    port = SerialPort(reactor, cable.path)
    port.mark_errors = True
    user = begin(port)
    cable.send(b"\xff" * 300 + b"\x00\xff\xff\x00")
    reactor.until(lambda: user.data == b"\xff" * 300 + b"\x00\xff\xff\x00")
    port.set(Settings(300), user.done.append)
    reactor.until(lambda: user.done)
    assert cable.termios[0] & termios.PARMRK


# -- coming and going ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("pins", [None, CTS])
@pytest.mark.parametrize("paused", [False, True])
def test_unplugged_and_plugged_in_again(
    reactor: Reactor, begin: Begin, cable: Cable, pins: int | None, paused: bool
) -> None:
    cable.pins = pins
    port = port_of(reactor, cable, speed=300)
    user = begin(port)
    port.set(Settings(19200, stop_bits=2), user.done.append)
    port.drive(NONE, RTS_S)
    reactor.until(lambda: user.done)
    if paused:
        port.pause()
    user.events.clear()
    cable.failing = pins is not None
    cable.unplug()
    reactor.until(lambda: len(user.events) >= 2, 1)
    assert user.events[-2] == ("attached", False)
    assert user.events[-1][0] == "lost"
    assert cable.path in user.events[-1][1]
    port.write(b"nobody hears this")
    port.set(Settings(1200), user.done.append)
    port.set(Settings(2400, stop_bits=2), user.done.append)
    user.events.clear()
    cable.history.clear()
    reactor.run_for(0.3)
    told = [event for event in user.events if event[0] == "lost"]
    assert len(told) <= 1  # the reason may be another one now
    user.events.clear()
    cable.failing = False
    cable.plug()
    reactor.until(lambda: user.events, 2)
    assert user.events[:2] == [("found",), ("attached", True)]
    assert cable.termios[5] == termios.B2400
    if pins is not None:
        assert cable.history[0] == ("pins", DTR, RTS, b"")
    assert user.done == [Settings(19200, stop_bits=2), Settings(1200), Settings(2400, stop_bits=2)]
    port.resume()
    cable.send(b"here again")
    reactor.until(lambda: user.data == b"here again")
    assert cable.take() == b""


def test_acts_that_wait_are_done_when_the_device_goes(reactor: Reactor, begin: Begin, cable: Cable) -> None:
    port = port_of(reactor, cable)
    user = begin(port)
    cable.queue = 1
    port.when_sent(lambda: user.done.append("sent"))
    port.write(b"lost")
    port.set(Settings(300), user.done.append)
    cable.unplug()
    reactor.until(lambda: user.done == ["sent", Settings(300)], 1)
    assert not user.blocked


def test_late_at_the_start(reactor: Reactor, begin: Begin, tmp_path: Path) -> None:
    cable = Cable(str(tmp_path / "tty"))
    port = port_of(reactor, cable)
    user = begin(port)
    assert user.events == [("lost", f"{cable.path} is not there")]
    cable.plug()
    reactor.until(lambda: user.present, 2)
    assert user.events[1:3] == [("found",), ("attached", True)]
    reactor.wait_for(port.stop(), 1)
    cable.unplug()


def test_a_device_that_takes_harm_is_opened_rarely(reactor: Reactor, begin: Begin, cable: Cable) -> None:
    """It is looked for at once, and opened again when the pause is over; one that fails has a longer one."""
    opened: list[float] = []

    def uart(fd: int) -> Uart:
        opened.append(reactor.seconds())
        return cable.uart(fd)

    user = begin(SerialPort(reactor, cable.path, uart=uart, retry=(0.8, 1.6)))
    for count in (2, 3):
        cable.unplug()
        reactor.until(lambda: not user.present, 1)
        cable.plug()
        reactor.until(lambda: len(opened) == count, 4)  # noqa: B023
        reactor.until(lambda: user.present, 1)
    assert 0.75 < opened[1] - opened[0] < 1.5
    assert 1.55 < opened[2] - opened[1] < 2.4


def test_a_missing_device_takes_no_harm(reactor: Reactor, begin: Begin, cable: Cable) -> None:
    cable.unplug()
    user = begin(port_of(reactor, cable, retry=(60.0,)))
    assert user.events == [("lost", f"{cable.path} is not there")]
    cable.plug()
    reactor.until(lambda: user.present, 2)


def test_what_no_waiting_can_mend(reactor: Reactor, begin: Begin, tmp_path: Path) -> None:
    plain = tmp_path / "file"
    plain.write_text("")
    with pytest.raises(PortError, match=r"is no serial port; .*\.$"):
        SerialPort(reactor, str(plain)).start(User(SerialPort(reactor, str(plain))))


def test_a_device_in_use(reactor: Reactor, begin: Begin, cable: Cable) -> None:
    first = port_of(reactor, cable)
    user = User(first)
    first.start(user)
    second = begin(port_of(reactor, cable))
    assert second.events == [("lost", f"{cable.path} is in use by another program")]
    reactor.wait_for(first.stop(), 1)
    reactor.until(lambda: second.present, 2)


def test_no_rs485(reactor: Reactor, cable: Cable) -> None:
    port = port_of(reactor, cable, rs485=Rs485())
    with pytest.raises(PortError, match=r"has no RS-485 mode; leave out rs485\.$"):
        port.start(User(port))


def test_rs485_as_the_kernel_has_it(
    reactor: Reactor, begin: Begin, cable: Cable, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    asked: list[list[int]] = []
    real = fcntl.ioctl

    def ioctl(fd: int, request: int, *arguments: Any) -> Any:
        if request == 0x542E:
            return 0
        if request == 0x542F:
            asked.append(list(arguments[0][:3]))
            return 0
        return real(fd, request, *arguments)

    monkeypatch.setattr(fcntl, "ioctl", ioctl)
    begin(port_of(reactor, cable, rs485=Rs485(False, True, before=2, after=3)))
    assert asked[0] == [1 | 4 | 16, 2, 3]


@pytest.mark.parametrize("knows", [True, False])
def test_low_latency(reactor: Reactor, begin: Begin, cable: Cable, knows: bool) -> None:
    cable.knows_low_latency = knows
    user = begin(port_of(reactor, cable, latency="low"))
    assert "low latency" in cable.history
    assert user.present


def test_lock_files(reactor: Reactor, begin: Begin, cable: Cable, tmp_path: Path) -> None:
    locks = tmp_path / "lock"
    locks.mkdir()
    other = locks / "LCK..ttyUSB0"
    other.write_text(f"{os.getppid():10d}\n")
    port = port_of(reactor, cable, lock="uucp", lock_directory=str(locks))
    user = begin(port)
    assert user.events[0][0] == "lost"
    assert f"in use by process {os.getppid()}" in user.events[0][1]
    other.unlink()
    reactor.until(lambda: user.present, 2)
    assert other.read_text() == f"{os.getpid():10d}\n"
    reactor.wait_for(port.stop(), 1)
    assert list(locks.iterdir()) == []


def test_a_user_that_stops_the_port_while_it_is_told(reactor: Reactor, cable: Cable) -> None:
    port = port_of(reactor, cable)

    class Leaver(User):
        def attached(self, present: bool) -> None:
            super().attached(present)
            self.done.append(port.stop())

    user = Leaver(port)
    port.start(user)
    reactor.wait_for(user.done[0], 1)
    assert user.events == [("attached", True)]
