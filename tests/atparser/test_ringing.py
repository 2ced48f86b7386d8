"""Incoming calls before they are answered: cadence, RING, S0 and S1, and a DTE that is just typing."""

from __future__ import annotations

import pytest

from atparser import Answer, Circuit, Deliver, HangUp, Options, Refusal, Refuse, SendDte, SetCircuit, State
from tests.helpers.playbook import Playbook

OK = b"\r\nOK\r\n"
RING = b"\r\nRING\r\n"
CONNECT = b"\r\nCONNECT 115200\r\n"
ON, OFF = SetCircuit(Circuit.RI, True), SetCircuit(Circuit.RI, False)


@pytest.mark.parametrize(("on", "off", "rings"), [(2.0, 4.0, 10), (1.0, 2.0, 3), (0.4, 9.0, 1)])
def test_cadence_to_the_millisecond(on: float, off: float, rings: int) -> None:
    book = Playbook(options=Options(ring_on=on, ring_off=off, max_rings=rings))
    begin = book.now
    book.arrives().wait(300)
    came = [(round(one.at - begin, 6), one.action) for one in book.taken(circuits=True)]
    wanted: list[tuple[float, object]] = []
    for ring in range(rings):
        at = ring * (on + off)
        wanted += [(round(at, 6), ON), (round(at, 6), SendDte(RING)), (round(at + on, 6), OFF)]
    wanted.append((round(rings * (on + off), 6), Refuse(Refusal.NO_ANSWER)))
    assert came == wanted
    book.state(State.IDLE)


@pytest.mark.parametrize("s0", [1, 2, 5])
def test_automatic_answer_at_the_end_of_the_burst(s0: int) -> None:
    book = Playbook(b"S0=%d" % s0)
    begin = book.now
    book.arrives().wait((s0 - 1) * 6 + 2)
    came = book.taken()
    assert [one.action for one in came] == [SendDte(RING)] * s0 + [Answer()]
    assert came[-1].at - begin == pytest.approx((s0 - 1) * 6 + 2)
    book.state(State.ANSWERING)


def test_s1_counts_and_is_cleared_8_s_after_the_last_ring() -> None:
    book = Playbook().arrives().wait(6).wait(0.5).forget()
    book.says(b"ATS1?\r", b"\r\n002\r\n" + OK).leaves().wait(7.4)
    book.says(b"ATS1?\r", b"\r\n002\r\n" + OK).wait(0.2).says(b"ATS1?\r", b"\r\n000\r\n" + OK)
    assert book.modem.deadline() is None


@pytest.mark.parametrize("line", [b"ATH\r", b"ATA\r"])
def test_s1_is_cleared_at_the_answer_and_by_hanging_up(line: bytes) -> None:
    book = (
        Playbook().arrives().wait(7).dte(line).carrier()
        if line == b"ATA\r"
        else Playbook().arrives().dte(line)
    )
    if line == b"ATA\r":
        book.wait(2).escaped()
    book.forget().says(b"ATS1?\r", b"\r\n000\r\n" + OK)


def test_s1_of_a_second_call_starts_anew() -> None:
    book = Playbook().arrives().wait(13).leaves().wait(1).arrives().forget()
    book.says(b"ATS1?\r", b"\r\n001\r\n" + OK).wait(5).forget().says(b"ATS1?\r", b"\r\n001\r\n" + OK)


def test_nobody_answers() -> None:
    book = Playbook(options=Options(max_rings=3)).arrives().wait(100)
    book.expect(RING * 3, Refuse(Refusal.NO_ANSWER)).state(State.IDLE)


def test_deadline_is_none_within_8_s_of_the_last_ring() -> None:
    book = Playbook().arrives().wait(12.5).leaves().wait(7.5)
    assert book.modem.deadline() is None


@pytest.mark.parametrize("line", [b"DS=7", b"DL", b"D;"])
def test_a_dial_command_that_dials_nothing_leaves_an_incoming_call_one(line: bytes) -> None:
    """Which with Q2 says nothing of itself."""
    book = Playbook(b"Q2").arrives().dte(b"AT" + line + b"\r").wait(3).forget().wait(4).nothing()
    book.dte(b"ATA\r").expect(Answer()).carrier().nothing().state(State.ONLINE)


def test_answering_nobody_has_its_result_whatever_the_last_call_was() -> None:
    book = Playbook(b"Q2").says(b"ATA\r", b"\r\nNO CARRIER\r\n")
    book.arrives().dte(b"ATA\r").carrier().lost().forget().says(b"ATA\r", b"\r\nNO CARRIER\r\n")


# -- a half-typed command line -------------------------------------------------------------------------------


def test_ring_waits_for_the_end_of_the_line() -> None:
    book = Playbook(b"E1", echo=True).dte(b"AT").forget().wait(0.5).arrives().expect(ON)
    book.dte(b"S7?").expect(b"S7?").wait(0.9).says(b"\r", b"\r\r\n050\r\n" + OK + RING)


def test_ring_waits_no_longer_than_a_second_without_typing() -> None:
    book = Playbook().dte(b"AT").wait(0.5).arrives().forget().wait(0.499).nothing().wait(0.001).expect(RING)
    book.says(b"S7?\r", b"\r\n050\r\n" + OK)


def test_ring_waits_while_the_typing_goes_on() -> None:
    book = Playbook().dte(b"AT").arrives().forget()
    for byte in b"S7?":
        book.wait(0.9).nothing().dte(bytes((byte,)))
    book.wait(0.999).nothing().wait(0.002).expect(RING)


def test_ring_comes_at_once_when_the_half_line_is_old() -> None:
    Playbook().dte(b"AT").wait(1.0).arrives().expect(RING)


def test_ring_does_not_fall_between_a_store_and_its_ok() -> None:
    book = Playbook(can_store=None).dte(b"AT&W\r").forget().arrives().expect(ON).wait(0.5)
    book.stored().expect(OK + RING)


def test_answering_a_line_that_was_being_typed() -> None:
    """The half line is gone; it would be the head of whatever is typed after the call."""
    book = Playbook(b"S0=1").dte(b"ATS7=1").wait(2).arrives().wait(2).expect(RING, Answer())
    book.carrier().expect(CONNECT).lost().forget().says(b"\r", b"").says(b"ATS7?\r", b"\r\n050\r\n" + OK)


def test_no_automatic_answer_in_the_middle_of_a_command_line() -> None:
    book = Playbook(b"S0=1").arrives().wait(1.9).expect(RING).dte(b"ATS7").wait(0.2).nothing()
    book.dte(b"?\r").expect(b"\r\n050\r\n" + OK).wait(5.9).expect(RING, Answer())


# -- answering -----------------------------------------------------------------------------------------------


def test_early_bytes_come_behind_connect_and_are_never_commands() -> None:
    book = Playbook().arrives().call(b"AT").call(b"H\r").expect(RING).dte(b"ATA\r").call(b"more")
    book.forget().carrier().expect(CONNECT, Deliver(b"ATH\rmore")).state(State.ONLINE)


@pytest.mark.parametrize("end", ["byte", "dtr", "owner", "s7"])
def test_early_bytes_of_a_call_that_was_not_answered_go_nowhere(end: str) -> None:
    book = Playbook(b"S7=9").arrives().call(b"secret").dte(b"ATA\r").wait(0.5).forget()
    {
        "byte": lambda: book.dte(b"x"),
        "dtr": lambda: book.dtr(False).wait(0.05),
        "owner": book.hang_up,
        "s7": lambda: book.wait(9),
    }[end]()
    assert [type(one.action) for one in book.taken()] == [HangUp, SendDte]
    book.state(State.IDLE).dialed().dte(b"x")
    assert all(not isinstance(one.action, Deliver) for one in book.taken())


def test_a_refused_caller_leaves_nothing_for_the_next() -> None:
    book = Playbook().arrives().call(b"first").dte(b"ATH\r").arrives().call(b"second").dte(b"ATA\r").forget()
    book.carrier().expect(CONNECT, Deliver(b"second"))


def test_ri_goes_off_the_moment_of_the_answer() -> None:
    Playbook().arrives().expect(ON, RING).dte(b"ATA\r").expect(OFF, Answer())


def test_ringing_can_be_had_with_dtr_off() -> None:
    """So that RI wakes a system that sleeps."""
    Playbook().dtr(False).wait(1).arrives().expect(ON, RING).dte(b"ATA\r").expect(OFF, Answer())


def test_one_lf_of_a_cr_lf_behind_the_answer_is_no_data() -> None:
    Playbook().arrives().forget().dte(b"ATA\r\n").expect(Answer()).carrier().expect(CONNECT)
