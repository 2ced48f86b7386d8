"""What the far modem of a pair tells, as the DTE sees it: ringing, nobody answering, circuits."""

from __future__ import annotations

import math

import pytest

from atparser import DIALECTS, CallCircuits, CallFailure, Circuit, Options, Progress, State
from tests.helpers.playbook import Playbook

USR = Options(**DIALECTS["usr"])


def rings(book: Playbook) -> Playbook:
    """The far modem of the call being dialled rings."""
    book._ask("the far modem rings", lambda: book.modem.call_progress(Progress.RINGING, book.now))
    return book


def far(book: Playbook, dtr: bool, rts: bool) -> Playbook:
    book._ask(f"far DTR {dtr} RTS {rts}", lambda: book.modem.far_circuits(dtr, rts, book.now))
    return book


def paired(*init: bytes) -> Playbook:
    """In a call whose far end can be told of circuits."""
    book = Playbook(*init).dtr(True).rts(True).dte(b"ATD1\r")
    book._ask("carrier", lambda: book.modem.carrier_detected(book.now, circuits=True))
    assert book.modem.state is State.ONLINE
    return book.wait(2).forget()


def dialling(*init: bytes, options: Options | None = None) -> Playbook:
    return Playbook(*init, options=options).into(State.DIALING).forget()


@pytest.mark.parametrize("x", range(8))
def test_ringing_is_said_with_x5_and_beyond(x: int) -> None:
    assert rings(dialling(b"X%d" % x)).words() == (b"\r\nRINGING\r\n" if x >= 5 else b"")


@pytest.mark.parametrize(("options", "said"), [(USR, b"11\r"), (None, b"")], ids=["usr", "no number"])
def test_ringing_in_numbers(options: Options | None, said: bytes) -> None:
    """A table that has no number for it cannot say it: any other number would be a lie."""
    assert rings(dialling(b"V0X5", options=options)).words() == said


def test_the_call_goes_on_after_ringing() -> None:
    book = rings(dialling(b"X5"))
    assert book.modem.state is State.DIALING
    book.forget().carrier()
    assert b"CONNECT" in book.words()


def test_ringing_outside_a_call_is_nothing() -> None:
    book = rings(Playbook(b"X5"))
    assert book.words() == b""


@pytest.mark.parametrize(("x", "said"), [(0, b"NO CARRIER"), (1, b"NO ANSWER"), (4, b"NO ANSWER")])
def test_nobody_answers_and_the_far_modem_says_so(x: int, said: bytes) -> None:
    book = dialling(b"X%d" % x)
    book.fails(CallFailure.UNANSWERED).expect(b"\r\n" + said + b"\r\n")


def test_s7_runs_out_while_the_far_modem_rings() -> None:
    book = rings(Playbook(b"S7=3").dte(b"ATD1\r")).forget().wait(3)
    assert book.words() == b"\r\nNO ANSWER\r\n"
    book.wait(5).dte(b"ATD1\r").forget().wait(3)
    assert book.words() == b"\r\nNO CARRIER\r\n"  # this time nobody told anything


# -- circuits ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dtr", "rts"), [(False, True), (True, False), (False, False)])
def test_far_circuits_switch_the_carrier_and_the_call_stays(dtr: bool, rts: bool) -> None:
    book = far(paired(), dtr, rts)
    assert book.circuits[Circuit.DCD] is False
    assert book.modem.state is State.ONLINE
    assert book.words() == b""
    assert far(book, True, True).circuits[Circuit.DCD] is True


def test_carrier_always_on_stays_so() -> None:
    assert far(paired(b"&C0"), False, True).circuits[Circuit.DCD] is True


def test_next_call_has_its_carrier() -> None:
    book = far(paired(), False, True)
    book.lost().wait(5).dte(b"ATD2\r").carrier()
    assert book.circuits[Circuit.DCD] is True


def test_dtr_crosses_where_it_does_not_hang_up() -> None:
    book = paired(b"&D0").dtr(False)
    assert told(book) == []  # S25
    assert told(book.wait(0.06)) == [CallCircuits(False, True)]
    assert told(book.dtr(True)) == [CallCircuits(True, True)]


def test_rts_crosses_with_r0() -> None:
    book = paired(b"&R0&K0").rts(False)
    assert told(book) == [CallCircuits(True, False)]
    assert told(book.rts(True).wait(0.1)) == [CallCircuits(True, True)]


@pytest.mark.parametrize("init", [b"&R1&K0", b"&R0&K3"], ids=["ignored", "flow control"])
def test_rts_that_switches_nothing_here_switches_nothing_there(init: bytes) -> None:
    assert told(paired(init).rts(False)) == []


def test_circuits_that_are_off_when_the_call_begins_are_told() -> None:
    book = Playbook(b"&D0").dtr(True).wait(1).dtr(False).wait(1).dte(b"ATD1\r")
    book._ask("carrier", lambda: book.modem.carrier_detected(book.now, circuits=True))
    assert told(book) == [CallCircuits(False, True)]


def test_calls_that_cannot_carry_circuits_are_told_none() -> None:
    book = Playbook(b"&D0&R0&K0").dtr(True).rts(True).dte(b"ATD1\r").carrier().wait(2).forget()
    assert told(book.dtr(False).rts(False).wait(1)) == []


@pytest.mark.parametrize(("s10", "hold"), [(1, 0.1), (14, 1.4), (100, 10.0), (255, math.inf)])
def test_s10_is_how_long_a_call_may_do_without_its_carrier(s10: int, hold: float) -> None:
    assert Playbook(b"S10=%d" % s10).modem.hold_s == hold


def told(book: Playbook) -> list[CallCircuits]:
    """What was to be told to the far end since the last look."""
    found = [came.action for came in book._pending if isinstance(came.action, CallCircuits)]
    book.forget()
    return found
