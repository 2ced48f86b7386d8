"""A line that the modem keeps up by itself."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from atparser import CallFailure, State, parse_dial
from vmodem.call.target import TargetError
from vmodem.modem.leased import BACK_OFF_S, SETTLED_S, LeasedLine, On, parse_leased

from .test_driver import Bench, FakeStream

LEASED = parse_dial("5551234")


class Kept(Bench):
    """A modem with a leased line."""

    def __init__(
        self, on: On = "start", *, dial: object = LEASED, quiet: bool = False, dtr: bool = True
    ) -> None:
        super().__init__()
        if not dtr:
            self.line.disconnect()
            self.clock.advance(1)
        self.leased = LeasedLine(self.clock, self.driver, dial, on, quiet=quiet)  # type: ignore[arg-type]
        self.leased.start()
        self.clock.advance(0)

    def fail(self) -> None:
        self.attempts[-1].failed(CallFailure.REFUSED, "as the test says")

    def up(self) -> FakeStream:
        stream = FakeStream()
        self.attempts[-1].connected(stream, SimpleNamespace(peer="p", rule="", rate=0))
        assert self.modem.state is State.ONLINE
        return stream

    def next_attempt(self, limit: float = 100.0) -> float:
        """Let time pass until the line is dialled again; returns how long that took, to a tenth."""
        before, waited = len(self.attempts), 0
        while len(self.attempts) == before:
            assert waited < limit * 10, "not dialled again"
            self.clock.advance(0.1)
            waited += 1
        return waited / 10


@pytest.fixture
def kept() -> Kept:
    return Kept()


def test_dialled_at_start(kept: Kept) -> None:
    assert [attempt.dial for attempt in kept.attempts] == [LEASED]
    kept.up().arrive(b"data")
    assert kept.line.take() == b"\r\nCONNECT 9600\r\ndata"


def test_quiet() -> None:
    kept = Kept(quiet=True)
    stream = kept.up()
    stream.arrive(b"data")
    stream.end()
    assert kept.line.take() == b"data"


def test_dialled_at_start_without_a_dte() -> None:
    """Nothing waits for DTR, and its having gone off a moment ago does not end the call."""
    kept = Kept(dtr=False)
    kept.up()
    kept.clock.advance(10)
    assert kept.modem.state is State.ONLINE


def test_pauses_grow(kept: Kept) -> None:
    pauses = []
    for _ in range(7):
        kept.fail()
        pauses.append(kept.next_attempt())
    assert pauses == pytest.approx([*BACK_OFF_S, 30.0, 30.0], abs=0.15)
    assert kept.line.take() == b""  # nobody asked


def test_a_call_that_settled_begins_them_anew(kept: Kept) -> None:
    for _ in range(4):
        kept.fail()
        kept.next_attempt()
    stream = kept.up()
    kept.clock.advance(SETTLED_S - 1)
    stream.end()
    assert kept.next_attempt() == pytest.approx(30, abs=0.15)  # not long enough
    stream = kept.up()
    kept.clock.advance(SETTLED_S)
    stream.end()
    assert kept.next_attempt() == pytest.approx(1, abs=0.15)
    assert kept.line.take().count(b"NO CARRIER") == 2


def test_the_owners_hang_up_is_a_loss_like_another(kept: Kept) -> None:
    kept.up()
    kept.driver.hang_up("asked to")
    assert kept.next_attempt() == pytest.approx(1, abs=0.15)


def test_ath_ends_it_until_dtr_rises(kept: Kept) -> None:
    kept.up()
    kept.clock.pump([0.1] * 20)
    kept.line.send(b"+++")
    kept.clock.pump([0.1] * 20)
    kept.ok("ATH")
    kept.clock.advance(300)
    assert len(kept.attempts) == 1
    kept.line.disconnect()
    kept.clock.advance(1)
    kept.line.connect()
    assert kept.next_attempt() <= 0.2


@pytest.mark.parametrize("line", ["AT", "ATI", "ATD5550000"])
def test_a_command_takes_the_line_over(kept: Kept, line: str) -> None:
    kept.say(line)
    assert kept.attempts[0].cancelled == 1
    if kept.modem.state is State.DIALING:
        kept.clock.advance(20)  # the DTE's own call: nothing is dialled into it
        assert len(kept.attempts) == 2
        kept.fail()
    assert kept.next_attempt() == pytest.approx(1, abs=0.15)
    assert kept.attempts[-1].dial == LEASED


def test_nobody_is_interrupted_in_typing(kept: Kept) -> None:
    kept.fail()
    kept.clock.advance(0.9)
    kept.line.send(b"ATI")
    kept.clock.advance(0.5)
    assert len(kept.attempts) == 1
    kept.line.send(b"4\r")
    kept.clock.advance(1.1)
    assert len(kept.attempts) == 2


def test_a_caller_comes_first(kept: Kept) -> None:
    kept.fail()
    assert kept.driver.offer(FakeStream(), None)  # type: ignore[arg-type]
    kept.clock.advance(20)
    assert len(kept.attempts) == 1
    kept.driver.stream_ended(SimpleNamespace(detail="gone"))  # type: ignore[arg-type]
    assert kept.next_attempt() == pytest.approx(1, abs=0.15)


# -- with DTR ----------------------------------------------------------------------------------------------


def test_dtr_begins_and_ends_it() -> None:
    kept = Kept("dtr", dtr=False)
    kept.clock.advance(10)
    assert not kept.attempts
    for turn in range(3):
        kept.line.connect()
        assert kept.next_attempt() <= 0.2
        stream = kept.up()
        kept.line.disconnect()
        kept.clock.advance(0.1)
        assert stream.closed
        kept.clock.advance(100)
        assert len(kept.attempts) == turn + 1


@pytest.mark.parametrize("d", [0, 1])
def test_dtr_ends_it_whatever_d_says(d: int) -> None:
    kept = Kept("dtr")
    kept.ok(f"AT&D{d}")
    kept.next_attempt()
    stream = kept.up()
    kept.line.disconnect()
    kept.clock.advance(0.1)
    assert stream.closed
    assert kept.modem.state is State.IDLE


def test_dtr_ends_the_attempt_and_the_pause() -> None:
    kept = Kept("dtr")
    kept.line.disconnect()
    kept.clock.advance(0.1)
    assert kept.attempts[0].cancelled == 1
    kept.clock.advance(100)
    assert len(kept.attempts) == 1
    kept.line.connect()
    kept.next_attempt()
    kept.fail()
    kept.line.disconnect()
    kept.clock.advance(0.1)
    kept.clock.advance(100)
    assert len(kept.attempts) == 2
    assert not kept.clock.getDelayedCalls()


# -- asked for by the DTE ----------------------------------------------------------------------------------


def test_by_command() -> None:
    """&L1 keeps a call to stored number 0, once there is one."""
    kept = Kept(dial=None)
    kept.ok("AT&L1")
    kept.clock.advance(10)
    assert not kept.attempts
    kept.ok("AT&Z0=5559999")
    assert kept.next_attempt() <= 0.2
    assert kept.attempts[0].dial == parse_dial("5559999")
    kept.fail()
    kept.ok("AT&L0")
    kept.clock.advance(100)
    assert len(kept.attempts) == 1


def test_stop(kept: Kept) -> None:
    kept.fail()
    kept.leased.stop()
    kept.driver.shut_down()
    assert not kept.clock.getDelayedCalls()


# -- what to dial ------------------------------------------------------------------------------------------


def test_number_or_target() -> None:
    assert parse_leased("T5551234") == (parse_dial("5551234"), None)
    dial, target = parse_leased("tcp:192.0.2.1:9000")
    assert (dial.place, dial.raw, str(target)) == ("leased", "tcp:192.0.2.1:9000", "tcp:192.0.2.1:9000")
    assert dial.address() is None
    with pytest.raises(TargetError):
        parse_leased("tcp:192.0.2.1")
