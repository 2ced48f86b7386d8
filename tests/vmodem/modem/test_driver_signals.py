"""The driver and a call that carries signals: each is told at its moment, and plain calls cost nothing."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from twisted.internet.task import Clock

from atparser import CallFailure, State
from tests.vmodem.modem.test_driver import Bench, FakeStream
from vmodem.line.base import Circuit
from vmodem.net.pace import PacedStream
from vmodem.net.signals import Unanswered, signals_of


class Signals:
    """What the driver tells, in order."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def ringing(self) -> None:
        self.told.append("ringing")

    def answered(self) -> None:
        self.told.append("answered")

    def refused(self, why: Unanswered) -> None:
        self.told.append(why)

    def circuits(self, dtr: bool, rts: bool) -> None:
        self.told.append((dtr, rts))

    def circuits_received(self, dtr: bool, rts: bool) -> None:
        raise AssertionError("nobody listens")

    def hold_s(self) -> float:
        return -1.0


class PairedStream(FakeStream):
    def __init__(self) -> None:
        super().__init__()
        self.signals = Signals()


@pytest.fixture
def bench() -> Bench:
    return Bench()


def answered(bench: Bench) -> PairedStream:
    stream = PairedStream()
    assert bench.driver.offer(stream, None)  # type: ignore[arg-type]
    bench.say("ATA")
    assert bench.modem.state is State.ONLINE
    return stream


def test_ringing_then_answered_at_ata(bench: Bench) -> None:
    stream = PairedStream()
    assert bench.driver.offer(stream, None)  # type: ignore[arg-type]
    assert stream.signals.told == ["ringing"]
    bench.clock.advance(3)
    assert stream.signals.told == ["ringing"]
    bench.say("ATA")
    assert stream.signals.told == ["ringing", "answered"]


def test_nobody_answers(bench: Bench) -> None:
    stream = PairedStream()
    bench.driver.offer(stream, None)  # type: ignore[arg-type]
    bench.clock.pump([0.5] * 122)
    assert stream.signals.told == ["ringing", Unanswered.NO_ANSWER]
    assert [each for each, _ in bench.refused] == [stream]


def test_dialling_out_rejects(bench: Bench) -> None:
    stream = PairedStream()
    bench.driver.offer(stream, None)  # type: ignore[arg-type]
    bench.dial()
    assert stream.signals.told == ["ringing", Unanswered.REJECTED]


def test_far_modem_rings(bench: Bench) -> None:
    bench.ok("ATX5")
    attempt = bench.dial()
    bench.line.take()
    attempt.rang()  # type: ignore[attr-defined]
    assert bench.line.take() == b"\r\nRINGING\r\n"
    attempt.failed(CallFailure.UNANSWERED, "as the test says")
    assert bench.line.take() == b"\r\nNO ANSWER\r\n"
    attempt.rang()  # type: ignore[attr-defined]
    assert bench.line.take() == b""


def test_circuits_cross_both_ways(bench: Bench) -> None:
    bench.ok("AT&D0")
    stream = answered(bench)
    bench.line.disconnect()
    bench.clock.advance(0.1)
    bench.line.connect()
    assert stream.signals.told[2:] == [(False, True), (True, True)]
    stream.signals.circuits_received(False, True)
    assert bench.line.circuits[Circuit.DCD] is False
    stream.signals.circuits_received(True, True)
    assert bench.line.circuits[Circuit.DCD] is True


def test_s10_is_asked_when_it_is_needed(bench: Bench) -> None:
    stream = answered(bench)
    assert stream.signals.hold_s() == 1.4
    bench.clock.advance(1.1)
    bench.line.send(b"+++")
    bench.clock.advance(1.1)
    bench.ok("ATS10=50")
    assert stream.signals.hold_s() == 5.0


def test_call_that_was_dialled_tells_and_hears_circuits(bench: Bench) -> None:
    bench.ok("AT&D0")
    stream = PairedStream()
    bench.dial().connected(stream, SimpleNamespace(peer="p", rule="", rate=0))
    bench.line.disconnect()
    bench.clock.advance(0.1)
    assert stream.signals.told == [(False, True)]


def test_next_call_without_signals_tells_nobody(bench: Bench) -> None:
    bench.ok("AT&D0")
    stream = answered(bench)
    stream.end()
    told = list(stream.signals.told)
    plain = bench.online()
    bench.line.disconnect()
    bench.clock.advance(0.1)
    bench.line.connect()
    assert stream.signals.told == told
    assert not plain.closed


def test_pacing_keeps_the_signals() -> None:
    stream = PairedStream()
    assert signals_of(PacedStream(Clock(), stream, 2400)) is stream.signals  # type: ignore[arg-type]
    assert signals_of(PacedStream(Clock(), FakeStream(), 2400)) is None  # type: ignore[arg-type]
