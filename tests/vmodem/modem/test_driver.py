"""The driver between a line, an engine and calls, all in memory, on a clock that the test sets."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.task import Clock

from atparser import CallFailure, DialString, InitError, Modem, Options, State, Store
from vmodem.line.base import Circuit
from vmodem.line.memory import MemoryLine
from vmodem.modem.alarm import LATE
from vmodem.modem.callside import SETTLE_S
from vmodem.modem.driver import WORDS_HIGH, WORDS_LIMIT, Driver
from vmodem.modem.record import CallRecord
from vmodem.net.stream import Cause, Ending, StreamUser


class FakeStream:
    """A call's stream whose far end is the test."""

    def __init__(self, peer: str = "192.0.2.1 port 23", journal: list[Any] | None = None) -> None:
        self.peer = peer
        self.sent = bytearray()
        self.user: StreamUser | None = None
        self.journal = [] if journal is None else journal
        self.paused = 0
        self.resumed = 0
        self.closed: list[float] = []
        self.backlog = 0

    def start(self, user: StreamUser) -> None:
        self.user = user
        self.journal.append("started")

    def write(self, data: bytes) -> None:
        assert not self.closed
        self.sent += data

    def pause(self) -> None:
        self.paused += 1

    def resume(self) -> None:
        self.resumed += 1

    def close(self, drain_s: float) -> None:
        self.closed.append(drain_s)
        self.journal.append("closed")

    def abort(self) -> None:
        self.closed.append(0.0)

    # what the far end does

    def arrive(self, data: bytes) -> None:
        assert self.user is not None
        self.user.data_received(data)

    def end(self, cause: Cause = Cause.FINISHED) -> None:
        assert self.user is not None
        self.user.stream_ended(Ending(cause, "as the test says"))


class FakeAttempt:
    def __init__(self, dial: DialString, connected: Callable[..., None], failed: Callable[..., None]) -> None:
        self.dial, self.connected, self.failed = dial, connected, failed
        self.cancelled = 0

    def cancel(self) -> None:
        self.cancelled += 1


class Bench:
    """One driver with everything around it."""

    def __init__(
        self, options: Options | None = None, rate: int = 9600, init: str = "", there: bool = True
    ) -> None:
        self.clock = Clock()
        self.line = MemoryLine(rate=rate)
        self.attempts: list[FakeAttempt] = []
        self.refused: list[tuple[FakeStream, bytes]] = []
        self.records: list[CallRecord] = []
        self.snapshots: list[Mapping[str, Any]] = []
        self.can_store = True
        self.finished = 0
        self.modem = Modem(options, Store())
        self.driver = Driver(
            self.clock,
            "test",
            self.line,
            self.modem,
            self,  # type: ignore[arg-type]
            self._store,
            self.records.append,
            self._finished,
            clock=self.clock.seconds,
        )
        self.driver.start(init)
        if init:
            self.clock.advance(1)
        if there:
            self.line.connect()
            self.ok("ATE0")

    # the exchange

    def originate(self, dial: DialString, connected: Any, failed: Any) -> FakeAttempt:
        self.attempts.append(FakeAttempt(dial, connected, failed))
        return self.attempts[-1]

    def refuse(self, stream: FakeStream, text: bytes) -> None:
        self.refused.append((stream, text))

    def _store(self, snapshot: Mapping[str, Any]) -> bool:
        self.snapshots.append(snapshot)
        return self.can_store

    def _finished(self) -> None:
        self.finished += 1

    # shorthands

    def say(self, text: str) -> bytes:
        """Type a command line; returns what came of it."""
        self.line.take()
        self.line.send(text.encode() + b"\r")
        return self.line.take()

    def ok(self, text: str) -> None:
        assert self.say(text).endswith(b"\r\nOK\r\n")

    def dial(self) -> FakeAttempt:
        self.say("ATD5551234")
        return self.attempts[-1]

    def online(self) -> FakeStream:
        """A call that was dialled."""
        attempt = self.dial()
        stream = FakeStream()
        attempt.connected(stream, SimpleNamespace(peer=stream.peer, rule="5551234", rate=0))
        assert self.modem.state is State.ONLINE
        self.clock.advance(1)
        self.line.take()
        return stream


@pytest.fixture
def bench() -> Bench:
    return Bench()


# -- connect and loss --------------------------------------------------------------------------------------


def test_carrier_then_connect_then_data(bench: Bench) -> None:
    attempt = bench.dial()
    bench.line.history.clear()
    stream = FakeStream()
    attempt.connected(stream, SimpleNamespace(peer="p", rule="", rate=0))
    stream.arrive(b"first")
    dcd = bench.line.history.index((Circuit.DCD, True))
    words = [entry[1] for entry in bench.line.history[dcd:] if entry[0] == "write"]
    assert b"".join(words) == b"\r\nCONNECT 9600\r\nfirst"  # type: ignore[arg-type]


def test_connect_reports_the_rate_of_this_moment(bench: Bench) -> None:
    attempt = bench.dial()
    bench.line.change_rate(2400)
    attempt.connected(FakeStream(), SimpleNamespace(peer="p", rule="", rate=0))
    assert bench.line.take() == b"\r\nCONNECT 2400\r\n"


def test_last_bytes_then_carrier_then_no_carrier(bench: Bench) -> None:
    stream = bench.online()
    bench.line.history.clear()
    stream.arrive(b"last")
    stream.end()
    assert bench.line.history == [
        ("write", b"last"),
        (Circuit.DCD, False),
        ("write", b"\r\nNO CARRIER\r\n"),
    ]
    assert stream.closed == [30.0]


def test_carrier_falls_only_when_the_line_has_sent_everything(bench: Bench) -> None:
    stream = bench.online()
    bench.line.make_room(10)
    stream.arrive(b"x" * 50)
    stream.end()
    assert bench.line.circuits[Circuit.DCD]
    bench.line.make_room(39)
    assert bench.line.circuits[Circuit.DCD]
    assert bench.line.take() == b"x" * 49
    bench.line.make_room(None)
    assert not bench.line.circuits[Circuit.DCD]
    assert bench.line.take() == b"x\r\nNO CARRIER\r\n"


def test_carrier_stands_too_while_bytes_kept_in_command_state_leave(bench: Bench) -> None:
    stream = bench.online()
    bench.line.send(b"+++")
    bench.clock.pump([0.1] * 11)
    bench.line.take()
    stream.arrive(b"kept")
    bench.line.make_room(3)
    stream.end()
    assert bench.line.take() == b"kep"
    assert bench.line.circuits[Circuit.DCD]
    assert bench.modem.state is State.ONLINE_COMMAND
    bench.line.make_room(None)
    assert not bench.line.circuits[Circuit.DCD]
    assert bench.line.take() == b"t\r\nNO CARRIER\r\n"
    assert bench.records[0].received == 4


def test_hang_up_while_the_last_bytes_leave(bench: Bench) -> None:
    """The DTE hangs up before the peer's end has been told: one result, not two."""
    stream = bench.online()
    bench.line.make_room(0)
    stream.arrive(b"rest")
    stream.end()
    bench.driver.hang_up("the test")
    bench.line.make_room(None)
    bench.clock.advance(5)
    assert bench.line.take().count(b"NO CARRIER") == 1
    assert len(bench.records) == 1


@pytest.mark.parametrize(
    ("cause", "code"), [(Cause.FINISHED, b"012"), (Cause.RESET, b"004"), (Cause.TIMEOUT, b"013")]
)
def test_cause_of_the_loss_can_be_asked_for(bench: Bench, cause: Cause, code: bytes) -> None:
    bench.online().end(cause)
    assert code in bench.say("ATS86?")


def test_no_carrier_comes_once_and_the_record_tells_why(bench: Bench) -> None:
    stream = bench.online()
    bench.line.send(b"12345")
    stream.arrive(b"123")
    bench.clock.advance(7)
    stream.end(Cause.RESET)
    assert bench.line.take() == b"123\r\nNO CARRIER\r\n"
    (record,) = bench.records
    assert (record.direction, record.number, record.rule, record.peer) == (
        "out",
        "5551234",
        "5551234",
        stream.peer,
    )
    assert (record.sent, record.received, record.duration_s) == (5, 3, 8)
    assert record.reason == "reset by the peer (as the test says)"
    assert b"sent:      5" in bench.say("ATI6")


# -- the fast lane -----------------------------------------------------------------------------------------


def test_chunks_of_a_call_go_as_they_came(bench: Bench) -> None:
    stream = bench.online()
    bench.line.history.clear()
    for data in (b"\x00\xff", bytes(range(256)) * 64, b"\r\n"):
        bench.line.send(data)
        stream.arrive(data)
        assert bytes(stream.sent).endswith(data)
        assert bench.line.history[-1] == ("write", data)
    assert len(bench.clock.getDelayedCalls()) == 1  # looks out for the silence before an escape
    bench.clock.advance(1)
    assert bench.clock.getDelayedCalls() == []


def test_escape_and_return(bench: Bench) -> None:
    stream = bench.online()
    bench.clock.advance(1.01)
    bench.line.send(b"+++")
    assert bytes(stream.sent) == b"+++"
    bench.clock.advance(0.99)
    assert bench.line.take() == b""
    bench.clock.advance(0.02)
    assert bench.line.take() == b"\r\nOK\r\n"
    assert bench.say("ATO") == b"\r\nCONNECT 9600\r\n"
    bench.line.send(b"on")
    assert bytes(stream.sent) == b"+++on"


def test_call_is_held_up_in_command_state_and_everything_follows(bench: Bench) -> None:
    stream = bench.online()
    bench.clock.advance(1.01)
    bench.line.send(b"+++")
    bench.clock.advance(1.01)
    bench.line.take()
    chunk = bytes(range(256)) * 16
    while not stream.paused:
        stream.arrive(chunk)
        assert stream.paused or len(chunk) < 1 << 20
        chunk += chunk
    assert bench.line.take() == b""
    bench.line.send(b"ATO\r")
    answer = bench.line.take()
    assert answer.startswith(b"\r\nCONNECT 9600\r\n")
    assert len(answer) > 32768
    assert (stream.paused, stream.resumed) == (1, 1)


# -- back-pressure -----------------------------------------------------------------------------------------


def test_line_that_takes_no_more_holds_up_the_call(bench: Bench) -> None:
    stream = bench.online()
    bench.line.make_room(5)
    stream.arrive(b"1234567")
    assert (stream.paused, stream.resumed) == (1, 0)
    bench.line.make_room(1)
    assert (stream.paused, stream.resumed) == (1, 0)
    bench.line.make_room(None)
    assert (stream.paused, stream.resumed) == (1, 1)
    assert bench.line.take() == b"1234567"


def test_call_that_takes_no_more_holds_up_the_line(bench: Bench) -> None:
    stream = bench.online()
    assert stream.user is not None
    stream.user.write_blocked()
    assert bench.line.paused
    bench.line.send(b"later")
    assert bytes(stream.sent) == b""
    stream.user.write_drained()
    assert not bench.line.paused
    assert bytes(stream.sent) == b"later"


@pytest.mark.parametrize("chunks", [(b"x", b"+++"), (b"+++", b"more")])
def test_line_held_up_by_a_call_is_not_silent(bench: Bench, chunks: tuple[bytes, bytes]) -> None:
    stream = bench.online()
    assert stream.user is not None
    bench.clock.pump([0.1] * 11)
    bench.line.send(chunks[0])
    stream.user.write_blocked()
    bench.clock.advance(0.1)
    bench.line.send(chunks[1])
    bench.clock.pump([0.1] * 30)
    stream.user.write_drained()
    bench.clock.pump([0.1] * 30)
    assert bytes(stream.sent) == b"".join(chunks)
    assert bench.modem.state is State.ONLINE
    assert bench.line.take() == b""


def test_line_held_up_by_a_call_is_free_when_that_ends(bench: Bench) -> None:
    stream = bench.online()
    assert stream.user is not None
    stream.user.write_blocked()
    stream.end(Cause.RESET)
    assert not bench.line.paused
    bench.clock.advance(SETTLE_S)
    bench.ok("AT")


@pytest.mark.parametrize("cause", [Cause.FINISHED, Cause.RESET])
@pytest.mark.parametrize("blocked", [False, True])
def test_data_of_a_call_that_has_ended_is_no_command(bench: Bench, cause: Cause, blocked: bool) -> None:
    """What the DTE sent before it could know is the call's; the a/ in it would dial once more."""
    stream = bench.online()
    assert stream.user is not None
    bench.line.send(b"data/one ")
    if blocked and cause is Cause.RESET:
        stream.user.write_blocked()
        bench.line.send(b"data/two ")
    stream.end(cause)
    bench.line.send(b"data/three ")
    assert bench.line.circuits[Circuit.DCD]
    assert bench.line.take() == b""
    bench.clock.advance(SETTLE_S)
    assert bench.line.take() == b"\r\nNO CARRIER\r\n"
    assert bytes(stream.sent).endswith(b"data/three ")
    assert len(bench.attempts) == 1
    assert not bench.line.paused


def test_a_peer_that_finished_and_takes_nothing_gets_no_more(bench: Bench) -> None:
    stream = bench.online()
    assert stream.user is not None
    bench.line.send(b"data")
    stream.user.write_blocked()
    stream.end()
    assert bench.line.take() == b"\r\nNO CARRIER\r\n"
    assert stream.closed


@pytest.mark.parametrize("end", ["owner", "dtr", "shut down"])
def test_a_call_hung_up_while_the_last_data_is_read(bench: Bench, end: str) -> None:
    stream = bench.online()
    bench.line.send(b"data")
    stream.end(Cause.RESET)
    if end == "dtr":
        bench.line.disconnect()
        bench.clock.advance(0.051)
    elif end == "owner":
        bench.driver.hang_up("the test")
    else:
        bench.driver.shut_down()
        assert bench.clock.getDelayedCalls() == []
    bench.clock.pump([0.1] * 12)
    assert len(bench.records) == 1
    assert len(stream.closed) == 1
    assert bench.line.take().count(b"NO CARRIER") == (0 if end == "dtr" else 1)


def test_dtr_drop_is_noticed_while_the_call_takes_nothing(bench: Bench) -> None:
    stream = bench.online()
    assert stream.user is not None
    stream.user.write_blocked()
    bench.line.disconnect()
    bench.clock.advance(0.06)
    assert stream.closed
    assert bench.records[0].reason == "DTR dropped"


def test_call_waits_while_nobody_has_the_line_open(bench: Bench) -> None:
    bench.ok("AT&D0")
    stream = bench.online()
    bench.line.disconnect()
    bench.clock.advance(1)
    assert (stream.paused, stream.resumed, stream.closed) == (1, 0, [])
    bench.line.connect()
    assert (stream.paused, stream.resumed) == (1, 1)
    stream.arrive(b"still here")
    assert bench.line.take() == b"still here"


def test_words_for_a_dte_that_never_reads_are_bounded(bench: Bench) -> None:
    bench.line.make_room(0)
    for _ in range(2000):
        bench.line.send(b"AT&V\r")
    assert bench.line.paused
    assert bench.line.backlog <= WORDS_HIGH + 3000
    bench.line.make_room(None)
    said = bench.line.take()
    assert not bench.line.paused
    assert said.count(b"\r\nOK\r\n") == 2000  # read late, but read and answered


def test_one_chunk_of_many_commands_is_bounded_too(bench: Bench) -> None:
    bench.line.make_room(0)
    bench.line.send(b"AT&V\r" * 500)
    assert bench.line.paused
    assert bench.line.backlog < WORDS_LIMIT
    bench.line.make_room(None)
    bench.clock.pump([0] * 30)
    assert bench.line.take().count(b"\r\nOK\r\n") == 500


def test_commands_that_wait_come_before_later_data(bench: Bench) -> None:
    """What waits behind unread words keeps its place: dialling, then the call's first bytes."""
    bench.line.make_room(0)
    bench.line.send(b"AT&V\r" * 100 + b"ATD5551234\r")
    assert not bench.attempts
    bench.line.make_room(None)
    stream = FakeStream()
    bench.attempts[0].connected(stream, SimpleNamespace(peer="p", rule="", rate=0))
    bench.line.send(b"data")
    assert bytes(stream.sent) == b"data"


def test_rings_of_many_callers_for_a_dte_that_never_reads(bench: Bench) -> None:
    bench.line.make_room(0)
    for _ in range(10_000):
        stream = FakeStream()
        assert bench.driver.offer(stream, None)
        stream.end()
    assert bench.line.backlog <= WORDS_LIMIT + 100


# -- callers -----------------------------------------------------------------------------------------------


def test_early_bytes_of_a_caller_come_behind_connect(bench: Bench) -> None:
    stream = FakeStream()
    assert bench.driver.offer(stream, None)
    assert bench.line.take() == b"\r\nRING\r\n"
    stream.arrive(b"ATH\r+++")
    assert bench.line.take() == b""
    assert bench.say("ATA") == b"\r\nCONNECT 9600\r\nATH\r+++"


def test_caller_who_never_stops_is_held_up_until_the_answer(bench: Bench) -> None:
    stream = FakeStream()
    bench.driver.offer(stream, None)
    sent = 0
    while not stream.paused:
        stream.arrive(b"x" * 1000)
        sent += 1000
        assert sent < 1 << 20
    assert bench.say("ATA") == b"\r\nCONNECT 9600\r\n" + b"x" * sent
    assert (stream.paused, stream.resumed) == (1, 1)


def test_second_caller_is_not_taken(bench: Bench) -> None:
    first, second = FakeStream(), FakeStream()
    assert bench.driver.offer(first, None)
    assert not bench.driver.offer(second, None)
    assert second.user is None
    bench.say("ATA")
    assert not bench.driver.offer(second, None)
    bench.line.send(b"to the first")
    assert bytes(first.sent) == b"to the first"


def test_caller_who_leaves_is_rung_no_longer(bench: Bench) -> None:
    stream = FakeStream()
    bench.driver.offer(stream, None)
    bench.clock.advance(0.5)
    stream.end()
    bench.line.take()
    bench.clock.pump([1.0] * 30)
    assert bench.line.take() == b""
    assert bench.line.circuits[Circuit.RI] is False
    assert stream.closed == [0.0]
    assert bench.records[0].connected is False
    assert bench.driver.offer(FakeStream(), None)


def test_n8_caller_whom_nobody_answers_is_let_go(bench: Bench) -> None:
    """After ten rings, a minute, the caller is told and the line is free for the next."""
    stream = FakeStream()
    bench.driver.offer(stream, None)
    bench.clock.pump([0.5] * 118)
    assert not bench.refused
    bench.clock.pump([0.5] * 4)
    assert bench.refused == [(stream, b"NO ANSWER\r\n")]
    assert bench.line.take().count(b"RING") == 10
    assert bench.driver.offer(FakeStream(), None)


def test_dialling_out_turns_a_caller_away(bench: Bench) -> None:
    stream = FakeStream()
    bench.driver.offer(stream, None)
    bench.dial()
    assert [each for each, _ in bench.refused] == [stream]
    assert len(bench.attempts) == 1


# -- attempts ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["key", "hang_up", "dtr"])
def test_giving_up_cancels_the_attempt(bench: Bench, way: str) -> None:
    attempt = bench.dial()
    bench.clock.pump([0.1] * 10)
    if way == "key":
        bench.line.send(b"x")
    elif way == "hang_up":
        bench.driver.hang_up("the test")
    else:
        bench.line.disconnect()
        bench.clock.advance(1)
    assert attempt.cancelled == 1
    assert bench.modem.state is State.IDLE
    assert len(bench.records) == 1


def test_late_word_of_a_cancelled_attempt_changes_nothing(bench: Bench) -> None:
    late = bench.dial()
    bench.driver.hang_up("the test")
    bench.line.take()
    stream = FakeStream()
    late.connected(stream, SimpleNamespace(peer="p", rule="", rate=0))
    late.failed(CallFailure.REFUSED, "too late")
    assert stream.closed
    assert bench.line.take() == b""
    assert len(bench.records) == 1
    second = bench.dial()
    late.failed(CallFailure.REFUSED, "too late")
    assert bench.modem.state is State.DIALING
    second.connected(FakeStream(), SimpleNamespace(peer="p", rule="", rate=0))
    assert bench.modem.state is State.ONLINE


def test_attempt_without_end_is_given_up_after_s7(bench: Bench) -> None:
    bench.ok("ATS7=5X4")
    attempt = bench.dial()
    bench.clock.pump([1.0] * 6)
    assert attempt.cancelled == 1
    assert bench.line.take() == b"\r\nNO CARRIER\r\n"


@pytest.mark.parametrize("failure", list(CallFailure))
def test_failed_attempt_leaves_a_modem_that_answers(bench: Bench, failure: CallFailure) -> None:
    bench.dial().failed(failure, "as the test says")
    assert bench.line.take().endswith(b"\r\n")
    bench.ok("AT")
    assert bench.records[0].reason == f"{failure.value}: as the test says"


def test_exchange_that_fails_at_once(bench: Bench) -> None:
    """An answer may come before the exchange has even returned."""

    def originate(dial: DialString, connected: Any, failed: Any) -> FakeAttempt:
        failed(CallFailure.UNKNOWN, "at once")
        return FakeAttempt(dial, connected, failed)

    bench.originate = originate  # type: ignore[method-assign, assignment]
    assert bench.say("ATD1") == b"\r\nNO CARRIER\r\n"
    bench.ok("AT")
    assert len(bench.records) == 1


# -- the line ----------------------------------------------------------------------------------------------


def test_device_that_vanishes_ends_the_call_whatever_dtr_means(bench: Bench) -> None:
    bench.ok("AT&D0")
    stream = bench.online()
    bench.line.lose("unplugged")
    bench.clock.advance(0.1)
    assert stream.closed
    bench.line.find()
    bench.ok("AT")


def test_line_that_ends_for_good_ends_the_modem(bench: Bench) -> None:
    stream = bench.online()
    bench.line.finish()
    assert stream.closed
    assert bench.finished == 1


def test_shut_down_leaves_no_timer(bench: Bench) -> None:
    stream = FakeStream()
    bench.driver.offer(stream, None)
    bench.driver.shut_down()
    assert bench.clock.getDelayedCalls() == []
    assert bench.refused[0][0] is stream


def test_shut_down_in_a_call_says_no_carrier(bench: Bench) -> None:
    stream = bench.online()
    bench.driver.shut_down()
    assert bench.line.take() == b"\r\nNO CARRIER\r\n"
    assert stream.closed
    assert bench.clock.getDelayedCalls() == []


def test_line_knows_of_the_call(bench: Bench) -> None:
    assert not bench.line.in_call
    stream = bench.online()
    assert bench.line.in_call
    stream.end()
    assert not bench.line.in_call


def test_refused_init_is_told() -> None:
    bench = Bench()
    with pytest.raises(InitError):
        bench.modem.start(0.0, "S0=1X99")


def test_an_init_string_outlives_that_nobody_is_there_yet() -> None:
    """DTR that is off at the start has not dropped, so &D3 resets nothing."""
    bench = Bench(init="S0=1&D3")
    bench.clock.advance(1)
    assert bench.say("ATS0?&D2S25?") == b"\r\n001\r\n\r\n005\r\n\r\nOK\r\n"


def test_nobody_there_at_the_start_takes_no_call() -> None:
    bench = Bench(init="S0=1", there=False)
    bench.driver.offer(FakeStream(), None)  # type: ignore[arg-type]
    bench.clock.pump([0.5] * 10)
    assert bench.modem.state is State.RINGING


# -- time --------------------------------------------------------------------------------------------------


def test_after_a_standstill_data_is_looked_at_before_time(bench: Bench) -> None:
    """The guard time ends while the program stands still, and so do bytes of the DTE arrive: no escape."""
    stream = bench.online()
    bench.clock.advance(1.01)
    bench.line.send(b"+++")
    bench.clock.rightNow += 3  # nothing runs
    bench.clock.callLater(0, bench.line.send, b"more")
    bench.clock.pump([0, 0, 0.1])
    assert bytes(stream.sent) == b"+++more"
    bench.clock.pump([0.1] * 30)
    assert bench.line.take() == b""
    assert bench.modem.state is State.ONLINE


def test_after_a_standstill_an_escape_is_still_one(bench: Bench) -> None:
    bench.online()
    bench.clock.advance(1.01)
    bench.line.send(b"+++")
    bench.clock.advance(1.0 + LATE + 2)
    bench.clock.pump([0.1] * 5)
    assert bench.line.take() == b"\r\nOK\r\n"


def test_idle_modem_has_no_timer(bench: Bench) -> None:
    assert bench.clock.getDelayedCalls() == []
    stream = bench.online()
    assert bench.clock.getDelayedCalls() == []
    stream.end()
    assert bench.clock.getDelayedCalls() == []


# -- storing -----------------------------------------------------------------------------------------------


def test_stored_profile_says_ok(bench: Bench) -> None:
    assert bench.say("ATS0=3&W") == b"\r\nOK\r\n"
    assert Store(bench.snapshots[0]).profiles[0]["registers"]["0"] == 3


def test_profile_that_cannot_be_stored_says_error_and_ends_the_line(bench: Bench) -> None:
    bench.can_store = False
    assert bench.say("ATS0=3&WS0=4") == b"\r\nERROR\r\n"
    assert b"003" in bench.say("ATS0?")


def test_rest_of_the_line_follows_the_storing(bench: Bench) -> None:
    assert bench.say("ATS0=3&WS0=4S0?") == b"\r\n004\r\n\r\nOK\r\n"


def test_the_rate_of_the_number_is_what_a_line_rate_report_shows(bench: Bench) -> None:
    bench.ok("ATW2")
    bench.dial().connected(FakeStream(), SimpleNamespace(peer="p", rule="", rate=2400))
    assert bench.line.take().endswith(b"\r\nCONNECT 2400\r\n")


def test_many_commands_at_once_leave_others_their_turn() -> None:
    """64 KB of them, typed by a program in one go: all are carried out, in order, a kilobyte at a time."""
    bench = Bench()
    lines = [b"ATS9=%d\rATS9?\r" % (number % 256) for number in range(4000)]
    bench.line.take()
    bench.line.send(b"".join(lines))
    first = bytes(bench.line.take())
    assert first.count(b"OK") < 300
    for _ in range(200):
        assert bench.clock.getDelayedCalls()
        bench.clock.advance(0)
        first += bytes(bench.line.take())
        if first.count(b"OK") == 8000:
            break
    said = re.findall(rb"\r\n(\d{3})\r\n", first)
    assert said == [b"%03d" % (number % 256) for number in range(4000)]
    assert not bench.driver._line_held
