"""Two ports joined: bytes, settings, circuits and breaks, in their order."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.bridging import PROGRAM, Rig, at
from vmodem.bridge import NO_WIRING, Filter, Noted, PortError, Signals, Trace, Way, Wiring
from vmodem.bridge.lane import LIMIT
from vmodem.port.memory import MemoryPort

BOTH = Signals.DTR | Signals.RTS


def test_bytes_go_both_ways(rig: Rig) -> None:
    rig.start()
    rig.here.send(b"question")
    rig.there.send(b"answer")
    assert (rig.there.take(), rig.here.take()) == (b"question", b"answer")
    assert rig.bridge.to_target.carried == 8
    assert rig.bridge.to_line.carried == 6


def test_one_side_that_takes_nothing_holds_the_other_up(rig: Rig) -> None:
    rig.there.room = 3
    rig.start()
    rig.here.send(b"abcdef")
    rig.here.send(b"gh")
    assert rig.there.take() == b"abc"
    assert not rig.here.reading
    rig.there.send(b"other way")
    assert rig.here.take() == b"other way"
    rig.there.make_room(None)
    rig.settle()
    assert rig.there.take() == b"defgh"
    assert rig.here.reading


# -- the network comes and goes ---


def test_what_is_written_before_the_target_is_there_waits(rig: Rig) -> None:
    rig.there.fault = "refused"
    rig.start()
    rig.here.send(b"early")
    assert not rig.here.reading
    rig.there.return_()
    rig.settle()
    assert rig.there.take() == b"early"
    assert rig.bridge.to_target.dropped == 0


def test_a_lost_target_holds_the_line_up_and_costs_what_was_under_way(rig: Rig) -> None:
    rig.there.room = 2
    rig.start()
    rig.here.send(b"abcdef")
    rig.there.vanish("reset by the peer")
    rig.here.send(b"gh")
    rig.settle()
    assert rig.bridge.status()["at target"] == {
        "where": "memory:target",
        "present": False,
        "reason": "reset by the peer",
        "circuits": ["DTR", "RTS", "CTS", "DSR", "DCD"],
    }
    rig.there.room = None
    rig.there.return_()
    rig.settle()
    assert rig.there.take() == b"abgh"
    assert rig.bridge.to_target.dropped == 4


def test_programs_that_write_and_leave_do_not_fill_the_memory(rig: Rig) -> None:
    """What each had written is handed over when it leaves, though the line is held up."""
    rig.there.fault = "refused"
    rig.line.pause = rig.line.resume = lambda: None  # type: ignore[method-assign]
    rig.start()
    total = 0
    for turn in range(40):
        rig.here.change_settings(at(300 + turn))
        rig.here.send(b"x" * 20000)
        rig.here.happen(Noted.BREAK)
        total += 20000
    waiting = rig.bridge.to_target.waiting
    assert LIMIT - 20000 < waiting < LIMIT + 20000
    assert rig.bridge.to_target.dropped == total - waiting
    rig.there.return_()
    for _ in range(200):
        rig.settle()
        rig.clock.advance(0.25)
    assert rig.there.take() == b"x" * waiting
    assert rig.there.settings.rate == 339


def test_a_line_that_is_gone_is_sent_nothing(rig: Rig) -> None:
    rig.start()
    rig.here.vanish("closed")
    rig.there.send(b"to nobody")
    assert rig.there.reading
    rig.here.return_()
    rig.there.send(b"to somebody")
    assert rig.here.take() == b"to somebody"
    assert rig.bridge.to_line.dropped == 9


@given(st.lists(st.tuples(st.sampled_from("sssrRvbp"), st.integers(1, 9)), max_size=60))
def test_nothing_is_repeated_or_reordered_and_losses_are_counted(steps: list[tuple[str, int]]) -> None:
    rig = Rig()
    rig.there.room = 0
    rig.start()
    sent, sequence = 0, bytes(range(256))
    broken = 0
    for what, size in steps:
        if what == "s":
            rig.here.send(sequence[sent : sent + size])
            sent = min(256, sent + size)
        elif what == "r":
            rig.there.make_room((rig.there.room or 0) + size)
        elif what == "R":
            rig.there.return_()
        elif what == "v" and not rig.there.fault:
            rig.there.vanish()
            broken += 1
        elif what == "b":
            rig.here.happen(Noted.BREAK)
        elif what == "p":
            rig.clock.advance(0.1)
    rig.there.return_()
    rig.there.make_room(None)
    for _ in range(100):
        rig.clock.advance(0.1)
    got = rig.there.take()
    missing = sent - len(got)
    assert list(got) == sorted(set(got))
    assert 0 <= missing <= rig.bridge.to_target.dropped
    if not broken:
        assert missing == rig.bridge.to_target.dropped == 0
    assert rig.here.reading
    rig.finish()


# -- settings and circuits ---


def test_settings_of_an_application_travel_in_their_place(rig: Rig) -> None:
    rig.start(wiring=NO_WIRING)
    rig.here.send(b"slow")
    rig.here.change_settings(at(300))
    rig.here.send(b"slower")
    rig.settle()
    assert rig.there.history == [("write", b"slow"), ("settings", at(300)), ("write", b"slower")]


def test_settings_wait_behind_what_waits_for_the_network(rig: Rig) -> None:
    rig.there.fault = "refused"
    rig.start(wiring=NO_WIRING)
    rig.bridge.at_line.data_received(b"slow")  # a port reads what is left when its user closes it
    for rate in (300, 1200):
        rig.here.change_settings(at(rate))
    rig.there.return_()
    rig.settle()
    assert rig.there.history == [("write", b"slow"), ("settings", at(1200))]


def test_an_application_that_comes_brings_its_settings(rig: Rig) -> None:
    rig.here.fault = "nobody"
    rig.start(follows_line=True, wiring=NO_WIRING)
    assert rig.there.history == []
    rig.here.return_()
    rig.settle()
    assert rig.there.history == [("settings", rig.line.settings)]


def test_circuits_cross_over(rig: Rig) -> None:
    rig.here.inputs = Signals.NONE
    rig.there.inputs = Signals.DSR
    rig.start()
    assert (rig.there.outputs, rig.here.outputs) == (Signals.NONE, Signals.DTR)
    rig.here.set_inputs(on=Signals.DSR | Signals.CTS)
    assert rig.there.outputs == BOTH
    rig.here.set_inputs(off=Signals.CTS)
    assert rig.there.outputs == Signals.DTR
    rig.there.vanish()
    assert rig.here.outputs == Signals.NONE


def test_a_program_has_dtr_and_rts_on_while_it_is_there(rig: Rig) -> None:
    rig.here.known, rig.here.inputs = PROGRAM, Signals.NONE
    rig.start()
    assert rig.there.outputs == Signals.NONE
    rig.here.set_inputs(on=PROGRAM)
    assert rig.there.outputs == BOTH
    rig.here.send(b"last words")
    rig.here.set_inputs(off=PROGRAM)
    rig.settle()
    assert rig.there.history[-2:] == [("write", b"last words"), ("signals", Signals.NONE)]


@pytest.mark.parametrize(
    ("wiring", "outputs"),
    [(NO_WIRING, BOTH), (Wiring(dtr=Signals.DCD, rts=None), Signals.RTS)],
)
def test_other_wirings(rig: Rig, wiring: Wiring, outputs: Signals) -> None:
    rig.here.inputs = Signals.DSR
    rig.start(wiring=wiring)
    assert rig.there.outputs == outputs


def test_dtr_falls_when_the_bridge_ends(rig: Rig) -> None:
    rig.start()
    rig.bridge.stop()
    assert rig.there.history[-1] == ("signals", Signals.NONE)


# -- breaks ---


def test_a_break_keeps_its_place_and_lasts(rig: Rig) -> None:
    rig.start(wiring=NO_WIRING)
    rig.here.send(b"before")
    rig.here.happen(Noted.BREAK)
    rig.here.send(b"after")
    rig.settle()
    rig.clock.advance(0.2)
    assert rig.there.history == [("write", b"before"), ("break", True)]
    rig.clock.advance(0.06)
    assert rig.there.history[2:] == [("break", False), ("write", b"after")]


def test_a_break_behind_bytes_of_a_slow_line_lasts_as_long(rig: Rig) -> None:
    rig.target = MemoryPort(rig.clock, rig.there, settings=at(300), paced=True)
    rig.start(wiring=NO_WIRING)
    rig.here.send(b"x" * 30)  # a second
    rig.here.happen(Noted.BREAK)
    rig.here.send(b"after")
    seen = []
    for _ in range(200):
        rig.clock.advance(0.01)
        seen.append(rig.there.breaking)
    assert seen.index(True) * 0.01 == pytest.approx(1.0, abs=0.03)
    assert seen.count(True) * 0.01 == pytest.approx(0.25, abs=0.03)
    assert rig.there.take() == b"x" * 30 + b"after"


def test_no_break_outlives_its_bridge(rig: Rig) -> None:
    rig.start(wiring=NO_WIRING)
    rig.there.happen(Noted.BREAK)
    rig.bridge.at_target.data_received(b"after")  # of the same chunk
    rig.bridge.stop()
    assert rig.here.history == [("break", True), ("break", False), ("write", b"after")]


# -- filters and taps ---


class Shouting(Filter):
    def to_target(self, data: bytes) -> bytes:
        if b"?" in data:
            self.send(Way.TO_LINE, b"wait\n")
        return data.upper()


def test_a_filter_changes_and_adds(rig: Rig) -> None:
    rig.start(filter=Shouting())
    rig.here.send(b"what?")
    rig.there.send(b"quiet")
    assert (rig.there.take(), rig.here.take()) == (b"WHAT?", b"wait\nquiet")


def test_a_filter_may_answer_with_anything_that_is_bytes(rig: Rig) -> None:
    class Table(Filter):
        def to_target(self, data: bytes) -> bytes:
            return memoryview(data)[1:]

        def to_line(self, data: bytes) -> bytes:
            return bytearray(data) * 2

    rig.there.room = 2
    rig.start(filter=Table())
    for data in (b"-abc", b"-def", b"-ghi"):
        rig.here.send(data)
    rig.there.send(b"ok")
    rig.there.make_room(None)
    rig.settle()
    assert (rig.there.take(), rig.here.take()) == (b"abcdefghi", b"okok")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("answer", [None, "text", 5])
def test_a_filter_that_forgets_its_answer_ends_the_bridge(rig: Rig, answer: object) -> None:
    class Forgetful(Filter):
        def to_target(self, data: bytes) -> bytes:
            return answer  # type: ignore[return-value]

    ends: list[str] = []
    rig.start(filter=Forgetful(), failed=lambda: ends.append("failed"))
    rig.here.send(b"gone?")
    assert (rig.there.take(), ends) == (b"", ["failed"])


@pytest.mark.filterwarnings("ignore")
def test_a_filter_that_fails_ends_the_bridge(rig: Rig) -> None:
    class Bad(Filter):
        def to_line(self, data: bytes) -> bytes:
            raise RuntimeError("no")

    ends: list[str] = []
    rig.start(filter=Bad(), failed=lambda: ends.append("failed"))
    rig.there.send(b"secret")
    rig.there.send(b"secret")
    rig.here.send(b"too late")
    assert (rig.here.take(), rig.there.take(), ends) == (b"", b"", ["failed"])
    assert (rig.line.stopped, rig.target.stopped) == (True, True)


def test_a_trace_shows_what_arrives(rig: Rig) -> None:
    lines: list[str] = []
    rig.here.inputs = rig.there.inputs = Signals.NONE
    bridge = rig.start(filter=Shouting())
    bridge.watch(Trace(lines.append, rig.clock.seconds))
    rig.here.send(b"a\r\x1b")
    rig.there.send(b"x" * 300)
    rig.clock.advance(1.5)
    rig.there.happen(Noted.PARITY)
    rig.there.set_inputs(on=Signals.CTS | Signals.RI)
    rig.here.change_settings(at(300))
    rig.there.vanish("unplugged")
    assert lines == [
        "     0.000  -> 'a\\r\\x1b'",
        f"     0.000  <- '{'x' * 256}' ... 300 bytes",
        "     1.500  <- (parity error)",
        "     1.500  <- (CTS RI)",
        "     1.500  -> (300 8N1)",
        "     1.500  <- (nobody is there)",
        "     1.500  <- (unplugged)",
    ]


def test_a_tap_that_fails_costs_no_byte(rig: Rig) -> None:
    class Bad(Trace):
        def carried(self, way: Way, data: bytes) -> None:
            raise RuntimeError("no")

    rig.start(taps=[Bad(lambda _: None, rig.clock.seconds)])
    rig.here.send(b"one")
    rig.here.send(b"two")
    assert rig.there.take() == b"onetwo"
    assert len(rig.bridge.taps) == 0


# -- packets, beginning and end ---


class Packets:
    """Keeps everything until it is told to give it out."""

    def __init__(self, send: Any) -> None:
        self._send, self._held = send, b""

    def take(self, data: bytes) -> None:
        self._held += data

    def flush(self) -> None:
        held, self._held = self._held, b""
        if held:
            self._send(held)


def test_what_is_gathered_leaves_before_anything_else(rig: Rig) -> None:
    rig.start(gather=Packets, wiring=NO_WIRING)
    rig.here.send(b"one")
    rig.here.send(b"two")
    assert rig.there.history == []
    rig.here.change_settings(at(300))
    rig.here.send(b"three")
    rig.bridge.stop()
    assert rig.there.history == [("write", b"onetwo"), ("settings", at(300)), ("write", b"three")]


def test_what_cannot_be_had_leaves_nothing_open(rig: Rig) -> None:
    rig.here.fault = "never: there is no such port."
    with pytest.raises(PortError, match="no such port"):
        rig.start()
    assert rig.target.stopped
