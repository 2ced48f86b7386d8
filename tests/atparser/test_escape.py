"""From online data state to online command state: only with both silences, and never by accident."""

from __future__ import annotations

import pytest

from atparser import Circuit, Deliver, EscapeMode, Options, SendCall, SetCircuit, State
from tests.helpers.playbook import Playbook

OK = b"\r\nOK\r\n"
CONNECT = b"\r\nCONNECT 115200\r\n"


def online(*init: bytes, options: Options | None = None) -> Playbook:
    return Playbook(*init, options=options).into(State.ONLINE)


@pytest.mark.parametrize(("s12", "guard"), [(1, 0.02), (10, 0.2), (50, 1.0), (255, 5.1)])
def test_both_silences_to_the_millisecond(s12: int, guard: float) -> None:
    init = b"S12=%d" % s12
    book = online(init).dte(b"x").forget().wait(guard - 0.001).dte(b"+++").wait(10)
    book.expect(SendCall(b"+++")).state(State.ONLINE)
    book = online(init).dte(b"x").forget().wait(guard + 0.0001).dte(b"+++").wait(guard - 0.001)
    book.expect(SendCall(b"+++")).wait(0.0011).expect(OK).state(State.ONLINE_COMMAND)
    book = online(init).dte(b"+++").wait(guard - 0.001).dte(b"x").wait(10)
    book.expect(SendCall(b"+++x")).state(State.ONLINE)


def test_it_counts_from_the_last_escape_character() -> None:
    book = online()
    for _ in range(3):
        book.dte(b"+").wait(0.9)
    book.expect(SendCall(b"+++")).wait(0.099).nothing().wait(0.002).expect(OK)


@pytest.mark.parametrize(("gap", "escapes"), [(0.2, True), (0.99, True), (1.01, False)])
def test_characters_typed_one_by_one(gap: float, escapes: bool) -> None:
    book = online().dte(b"+").wait(gap).dte(b"+").wait(gap).dte(b"+").wait(2)
    book.state(State.ONLINE_COMMAND if escapes else State.ONLINE)


@pytest.mark.parametrize("chunks", [[b"++", b"+"], [b"+", b"++"], [b"+", b"+", b"+"]])
def test_characters_split_over_chunks(chunks: list[bytes]) -> None:
    book = online()
    for chunk in chunks:
        book.dte(chunk)
    book.wait(1).expect(SendCall(b"+++"), OK)


@pytest.mark.parametrize(
    "data",
    [b"+", b"++", b"++++", b"+++++++", b"+++ATH\r", b"\r+++", b"++\n+", b"+++\x00", b"+-+", b"\xab\xab\xab"],
)
def test_anything_else_is_data(data: bytes) -> None:
    online().dte(data).wait(10).expect(SendCall(data)).state(State.ONLINE)


def test_a_fourth_character_within_the_guard_time() -> None:
    online().dte(b"+++").wait(0.5).dte(b"+").wait(10).expect(SendCall(b"++++")).state(State.ONLINE)


def test_after_a_failed_one_a_new_silence_is_needed() -> None:
    book = (
        online().dte(b"++++").wait(0.9).dte(b"+++").wait(10).expect(SendCall(b"+++++++")).state(State.ONLINE)
    )
    book.dte(b"+++").wait(1).expect(SendCall(b"+++"), OK)


def test_bytes_of_the_far_end_do_not_disturb_it_and_never_cause_it() -> None:
    book = online().call(b"+++").wait(10).expect(Deliver(b"+++")).state(State.ONLINE)
    book.dte(b"+++").wait(0.5).call(b"noise").wait(0.5).expect(SendCall(b"+++"), Deliver(b"noise"), OK)


def test_another_character() -> None:
    book = online(b"S2=126").dte(b"+++").wait(5).expect(SendCall(b"+++")).state(State.ONLINE)
    book.dte(b"~~~").wait(1).expect(SendCall(b"~~~"), OK)


@pytest.mark.parametrize("s2", [128, 171, 255])
def test_s2_above_127_switches_it_off(s2: int) -> None:
    book = online(b"S2=%d" % s2)
    for data in (b"+++", b"%c%c%c" % (s2, s2, s2), b"%c%c%c" % ((s2 & 127,) * 3)):
        book.dte(data).wait(10).expect(SendCall(data)).state(State.ONLINE)


def test_off() -> None:
    online(options=Options(escape=EscapeMode.OFF)).dte(b"+++").wait(10).expect(SendCall(b"+++"))


def test_no_guard_time() -> None:
    book = online(b"S12=0").dte(b"ab+++").expect(SendCall(b"ab+++"), OK).state(State.ONLINE_COMMAND)
    book.dte(b"ATO\r").expect(CONNECT)
    book.dte(b"+").dte(b"+").dte(b"+AT\r").expect(SendCall(b"+++"), OK + OK).state(State.ONLINE_COMMAND)


@pytest.mark.parametrize("split", range(1, 8))
def test_without_silence_a_whole_command_line_is_needed(split: int) -> None:
    book = online(options=Options(escape=EscapeMode.TIES))
    book.dte(b"x+++ hello\r+++").wait(5).dte(b"at").wait(5).dte(b"x").forget().state(State.ONLINE)
    data = b"+++ATH1\r"
    book.dte(data[:split]).dte(data[split:]).expect(SendCall(data), OK).state(State.ONLINE_COMMAND)
    book.dte(b"ATO\r").expect(CONNECT).dte(b"+++AT+FOO\rATS7?\r")
    book.expect(SendCall(b"+++AT+FOO\r"), b"\r\nERROR\r\n\r\n050\r\n" + OK)


def test_without_silence_the_line_ends_as_s3_says() -> None:
    book = (
        Playbook(options=Options(escape=EscapeMode.TIES)).dte(b"ATS3=10\rATD1\n").carrier().wait(5).forget()
    )
    book.dte(b"+++AT\r").wait(1).state(State.ONLINE).dte(b"+++ATH1\n").state(State.ONLINE_COMMAND)
    assert book.words() == b"\n\nOK\n\n"


@pytest.mark.parametrize(
    ("prefix", "plus"),
    [(b"\xc1\xd4", b"\xab"), (b"\xc1T", b"\xab"), (b"A\xd4", b"+")],
    ids=["mark", "odd", "even"],
)
def test_seven_bits_count_where_parity_was_seen(prefix: bytes, plus: bytes) -> None:
    book = Playbook().dte(prefix + b"D1\r").carrier().wait(5).forget()
    book.dte(plus * 3).wait(1).state(State.ONLINE_COMMAND)
    assert book.taken()[0].action == SendCall(plus * 3)


def test_a_command_1_10_s_after_the_sequence() -> None:
    """As C-Kermit does: the guard time of 1.00 s has passed by then, however late the timer."""
    online().dte(b"+++").freeze(1.10).dte(b"ATQ0H0\r").forget().state(State.IDLE)
    online().dte(b"+++").wait(1.10).expect(SendCall(b"+++"), OK).dte(b"ATQ0H0\r").state(State.IDLE)


def test_a_program_that_stood_still_does_not_escape_when_data_follows() -> None:
    """The data had come within the guard time; it was only read late."""
    book = online().dte(b"+++").freeze(3).dte(b"ATH\r").wait(10)
    book.expect(SendCall(b"+++ATH\r")).state(State.ONLINE)


def test_nor_when_something_else_is_looked_at_first() -> None:
    book = online().dte(b"+++").freeze(3)
    assert book.modem.expire(book.now) == []
    book.call(b"hello").expect(SendCall(b"+++"), Deliver(b"hello"))
    book.dte(b"ATH\r").wait(10).expect(SendCall(b"ATH\r")).state(State.ONLINE)


def test_a_program_that_stood_still_escapes_in_the_end_when_there_was_silence() -> None:
    book = online().dte(b"+++").freeze(3)
    book.wait(1).expect(SendCall(b"+++"), OK).state(State.ONLINE_COMMAND)


def test_what_was_typed_ahead_is_no_escape() -> None:
    """It came right behind the dial command, whenever the call is established."""
    book = Playbook().dte(b"ATD1\r+++").forget().wait(5).carrier()
    book.expect(SetCircuit(Circuit.DCD, True), CONNECT, SendCall(b"+++")).wait(10).nothing().state(
        State.ONLINE
    )


def test_a_command_is_no_silence() -> None:
    book = online().escaped().dte(b"ATO\r").forget().wait(0.9).dte(b"+++").wait(10).expect(SendCall(b"+++"))
    book.state(State.ONLINE)


def test_the_call_may_end_within_the_guard_time() -> None:
    book = online().dte(b"+++").wait(0.5).forget().lost().forget().wait(5).nothing().state(State.IDLE)
    book.dialed().dte(b"+++").wait(0.5).dtr(False).wait(0.1).forget().wait(5).nothing().state(State.IDLE)


def test_settings_count_from_the_next_time_online() -> None:
    book = online().escaped().dte(b"ATS2=126S12=10O\r").wait(1).forget()
    book.dte(b"+++").wait(5).expect(SendCall(b"+++")).dte(b"~~~").wait(0.2).expect(SendCall(b"~~~"), OK)


def test_d1_is_another_way() -> None:
    book = online(b"&D1").dtr(False).wait(0.05).expect(OK).state(State.ONLINE_COMMAND)
    book.dte(b"ATO\r").expect(CONNECT).state(State.ONLINE)


# -- silence that nobody can vouch for -----------------------------------------------------------------------


def held(book: Playbook, seconds: float, *unread: bytes) -> Playbook:
    """The line is not read for a while, and what the DTE sent meanwhile is read at its end."""
    book.modem.dte_held(True, book.now)
    book.wait(seconds).modem.dte_held(False, book.now)
    for data in unread:
        book.dte(data)
    return book


@pytest.mark.parametrize("seconds", [0.2, 1.0, 5.0])
def test_a_line_that_was_not_read_was_not_silent_before_the_sequence(seconds: float) -> None:
    """The sequence came right behind the x; it was only read late."""
    book = held(online().dte(b"x"), seconds, b"+++").wait(10)
    book.expect(SendCall(b"x+++")).state(State.ONLINE)
    held(book, 5.0).wait(0.9).dte(b"+++").wait(10).expect(SendCall(b"+++")).state(State.ONLINE)
    book.dte(b"+++").wait(1).expect(SendCall(b"+++"), OK)


@pytest.mark.parametrize("seconds", [0.2, 0.9, 5.0])
def test_nor_behind_it(seconds: float) -> None:
    book = held(online().dte(b"+++"), seconds, b"more").wait(10)
    book.expect(SendCall(b"+++more")).state(State.ONLINE)


def test_a_sequence_with_both_silences_stays_one_though_the_line_is_not_read_for_a_while() -> None:
    book = held(online().dte(b"+++").wait(0.5), 5.0).expect(SendCall(b"+++")).wait(0.999).nothing()
    book.wait(0.002).expect(OK).state(State.ONLINE_COMMAND)


def test_a_sequence_that_is_held_up_does_not_outlive_its_call() -> None:
    book = online().dte(b"+++").forget()
    book.modem.dte_held(True, book.now)
    book.lost().forget().modem.dte_held(False, book.now)
    book.wait(10).nothing().state(State.IDLE)
    assert book.modem.deadline() is None


def test_online_while_the_line_is_not_read() -> None:
    book = Playbook().dte(b"ATD1\r").wait(5)
    book.modem.dte_held(True, book.now)
    book.carrier().wait(5).forget()
    book.modem.dte_held(False, book.now)
    book.dte(b"+++").wait(5).expect(SendCall(b"+++")).state(State.ONLINE)
    book.dte(b"+++").wait(1).state(State.ONLINE_COMMAND)


def test_a_program_that_stood_still_did_not_hear_the_silence_before_the_sequence() -> None:
    book = online().dte(b"x").freeze(3).dte(b"+++").wait(10).expect(SendCall(b"x+++")).state(State.ONLINE)
    book.dte(b"x").wait(0.8).freeze(3).wait(0.001).dte(b"+++").wait(10).expect(SendCall(b"x+++"))
    book.state(State.ONLINE).dte(b"+++").wait(1).state(State.ONLINE_COMMAND)


def test_a_short_standstill_is_long_beside_a_short_guard_time() -> None:
    book = online(b"S12=5").dte(b"+++").freeze(0.2).dte(b"data").wait(5)
    book.expect(SendCall(b"+++data")).state(State.ONLINE)


def test_nothing_is_awaited_once_there_was_silence() -> None:
    book = online()
    assert book.modem.deadline() is None
    book.dte(b"x").wait(0.5).dte(b"y").wait(0.999)
    assert book.modem.deadline() is not None
    book.wait(0.002)
    assert book.modem.deadline() is None


@pytest.mark.parametrize("init", [b"S2=255", b"S12=0"])
def test_where_silence_decides_nothing_none_is_awaited(init: bytes) -> None:
    assert online(init).dte(b"x").modem.deadline() is None
