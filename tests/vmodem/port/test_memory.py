"""The simulated UART keeps the contract, and tells its test everything."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from vmodem.port.base import INPUTS, Noted, PortError, Settings, Signals
from vmodem.port.memory import MemoryPort, SimulatedUart

from .conftest import User

NONE = Signals.NONE


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_bytes_notes_and_circuits(clock: Clock) -> None:
    uart = SimulatedUart(Signals.CTS)
    port = MemoryPort(clock, uart)
    user = User(port)
    port.start(user)
    assert user.events == [("attached", True), ("signals", Signals.CTS)]
    uart.send(b"a")
    uart.happen(Noted.BREAK)
    uart.send(b"b")
    uart.set_inputs(on=Signals.RI, off=Signals.CTS)
    assert user.events[2:] == [b"a", Noted.BREAK, b"b", ("signals", Signals.RI)]
    port.pause()
    uart.send(b"c")
    assert user.data == b"ab"
    port.resume()
    assert user.data == b"abc"
    assert (port.counters.received, port.counters.breaks) == (3, 1)
    assert port.signals == Signals.RI | Signals.DTR | Signals.RTS
    uart.change_settings(Settings(300))
    assert user.settings == [Settings(300)]


def test_order_and_pace(clock: Clock) -> None:
    uart = SimulatedUart()
    port = MemoryPort(clock, uart, paced=True, settings=Settings(1200))
    user = User(port)
    port.start(user)
    port.write(b"x" * 12)  # 0.1 s
    port.set(Settings(9600), user.done.append)
    port.drive(NONE, Signals.DTR)
    port.set_break(True)
    port.write(b"y")
    port.when_sent(lambda: user.done.append("sent"))
    assert uart.history == [("write", b"x" * 12)]
    assert user.blocked
    for _ in range(40):
        clock.advance(0.005)
    assert uart.history == [
        ("write", b"x" * 12),
        ("settings", Settings(9600)),
        ("signals", Signals.RTS),
        ("break", True),
        ("write", b"y"),
    ]
    assert user.done == [Settings(9600), "sent"]
    assert not user.blocked


def test_a_device_with_limits(clock: Clock) -> None:
    uart = SimulatedUart(NONE)
    uart.known = INPUTS
    uart.accepts = lambda wanted: Settings(19200)
    uart.room = 3
    port = MemoryPort(clock, uart)
    user = User(port)
    port.start(user)
    port.write(b"abcde")
    assert (uart.take(), port.backlog, user.blocked) == (b"abc", 2, True)
    uart.make_room(None)
    assert (uart.take(), port.backlog, user.blocked) == (b"de", 0, False)
    port.set(Settings(115200), user.done.append)
    clock.advance(0)
    assert user.done == [Settings(19200)]
    port.drive(Signals.DTR, NONE)
    assert uart.history[-1][0] == "settings"
    assert port.signals == NONE


def test_losing_and_finding(clock: Clock) -> None:
    uart = SimulatedUart()
    port = MemoryPort(clock, uart)
    user = User(port)
    port.start(user)
    uart.room = 0
    port.write(b"lost")
    port.when_sent(lambda: user.done.append("sent"))
    user.events.clear()
    uart.vanish("unplugged")
    clock.advance(0)
    assert user.events == [("attached", False), ("lost", "unplugged")]
    assert user.done == ["sent"]
    assert not user.blocked
    port.write(b"dropped")
    port.set(Settings(300), user.done.append)
    uart.return_()
    assert uart.settings == Settings(300)
    assert user.events[2:4] == [("found",), ("attached", True)]
    assert uart.take() == b""


def test_missing_at_the_start(clock: Clock) -> None:
    uart = SimulatedUart()
    uart.fault = "not there"
    port = MemoryPort(clock, uart)
    user = User(port)
    port.start(user)
    assert user.events == [("lost", "not there")]
    uart.return_()
    assert user.present
    port.purge(True, True)
    assert uart.history == [("purge", (True, True))]
    port.stop()
    uart.send(b"unheard")
    assert user.data == b""
    uart.fault = "never: no such kind."
    with pytest.raises(PortError, match=r"^no such kind\.$"):
        MemoryPort(clock, uart).start(user)
