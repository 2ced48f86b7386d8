"""A line that takes its time: what is asked of it behind bytes is done behind them, and lasts as long as it
should."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.helpers.sharing import Remote, Sharing
from vmodem.port.base import Settings, Signals
from vmodem.port.memory import MemoryPort, SimulatedUart
from vmodem.server.rules import PortRules
from vmodem.server.sharing import SharedPort

from .test_orders import BRK, WILL_44, answers, sb

STEP_S = 0.01


class Slow(Sharing):
    """300 bit/s: 30 characters a second."""

    def __init__(self) -> None:
        super().__init__()
        self.uart = SimulatedUart()
        line = MemoryPort(self.clock, self.uart, settings=Settings(rate=300), paced=True)
        self.shared = SharedPort(
            self.clock, line, PortRules(clients="share", pulses={"reset": "-dtr 200 +dtr"})
        )
        self.shared.start()

    def program(self) -> Remote:
        made = self.client("rfc2217")
        made.say(WILL_44)
        answers(made)
        return made

    def lasts(self, state: str) -> tuple[float, float]:
        """When the break, or the time without DTR, begins, and how long it is, in seconds."""
        seen: list[bool] = []
        for _ in range(300):
            self.clock.advance(STEP_S)
            seen.append(self.uart.breaking if state == "break" else Signals.DTR not in self.uart.outputs)
        assert True in seen, "never"
        return seen.index(True) * STEP_S, seen.count(True) * STEP_S


@pytest.fixture
def slow() -> Iterator[Slow]:
    made = Slow()
    yield made
    made.shared.stop()
    made.tick(10)
    assert not [call for call in made.clock.getDelayedCalls() if call.active()]


def test_a_break_behind_bytes_is_as_long_as_any(slow: Slow) -> None:
    slow.client("telnet").say(b"x" * 30 + BRK + b"behind")
    began, length = slow.lasts("break")
    assert began == pytest.approx(1.0, abs=0.03)
    assert length == pytest.approx(0.25, abs=0.03)
    assert slow.uart.take() == b"x" * 30 + b"behind"


def test_a_break_is_answered_when_it_has_begun(slow: Slow) -> None:
    """Its client counts from there."""
    one = slow.program()
    one.say(b"x" * 30 + sb(5, 5))
    for _ in range(90):
        slow.clock.advance(STEP_S)
    assert answers(one) == []
    slow.tick(0.2)
    assert answers(one) == [(105, 5)]
    assert slow.uart.breaking
    one.say(sb(5, 6))
    slow.tick()
    assert answers(one) == [(105, 6)]
    assert not slow.uart.breaking


def test_a_break_that_nobody_ends_has_its_second(slow: Slow) -> None:
    slow.program().say(b"x" * 45 + sb(5, 5))
    began, length = slow.lasts("break")
    assert began == pytest.approx(1.5, abs=0.03)
    assert length == pytest.approx(1.0, abs=0.03)


def test_circuits_are_answered_when_they_are_so(slow: Slow) -> None:
    one = slow.program()
    one.say(b"x" * 30 + sb(5, 9) + sb(5, 11))
    for _ in range(90):
        slow.clock.advance(STEP_S)
    assert answers(one) == []
    slow.tick(0.2)
    assert answers(one) == [(105, 9), (105, 11)]
    assert slow.uart.outputs == Signals.RTS
    # What is so already need not wait.
    one.say(b"x" * 30 + sb(5, 9))
    assert answers(one) == [(105, 9)]


def test_a_pulse_behind_bytes_is_as_long_as_it_says(slow: Slow) -> None:
    slow.client().say(b"x" * 30)
    slow.shared.pulse("reset")
    began, length = slow.lasts("dtr")
    assert began == pytest.approx(1.0, abs=0.03)
    assert length == pytest.approx(0.2, abs=0.03)
    slow.shared.pulse("reset")  # the one before is over
    slow.lasts("dtr")
