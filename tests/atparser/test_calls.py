"""Placing calls and ending them: what was typed behind the command, timers, pauses, and every byte's fate."""

from __future__ import annotations

import pytest

from atparser import (
    CallFailure,
    CallLoss,
    Circuit,
    Deliver,
    HangUp,
    InitError,
    Options,
    Originate,
    PauseCall,
    ResumeCall,
    SendCall,
    SetCircuit,
    State,
    parse_dial,
)
from tests.helpers.playbook import Playbook

OK = b"\r\nOK\r\n"
ERROR = b"\r\nERROR\r\n"
BUSY = b"\r\nBUSY\r\n"
NO_CARRIER = b"\r\nNO CARRIER\r\n"
CONNECT = b"\r\nCONNECT 115200\r\n"
ABORTED = HangUp(20.0, "aborted by the DTE")
S7_OVER = HangUp(20.0, "no answer within S7")


def dialing(book: Playbook, number: str = "1") -> Playbook:
    return book.dte(f"ATD{number}\r".encode()).expect(Originate(parse_dial(number))).state(State.DIALING)


# -- behind the dial command (V.250 clause 5.6.1) ------------------------------------------------------------


@pytest.mark.parametrize("gap", [0.0, 0.001, 0.124])
def test_bytes_right_behind_the_command_do_not_abort_it(gap: float) -> None:
    book = dialing(Playbook()).wait(gap).dte(b"x").nothing().state(State.DIALING)
    book.wait(3).carrier().expect(CONNECT, SendCall(b"x"))


def test_bytes_later_abort_it() -> None:
    dialing(Playbook()).wait(0.126).dte(b"xAT\r").expect(ABORTED, NO_CARRIER + OK).state(State.IDLE)


def test_what_is_typed_ahead_reaches_the_call_once_and_in_order() -> None:
    book = Playbook().dte(b"ATD1\r").dte(b"one ").wait(0.05).dte(b"two ").wait(0.05).dte(b"three").forget()
    book.wait(1).carrier().expect(CONNECT, SendCall(b"one two three"))
    book.dte(b" four").expect(SendCall(b" four")).lost().forget()
    book.says(b"AT\r", OK).dialed().nothing()


@pytest.mark.parametrize("end", ["fails", "s7", "byte"])
def test_what_is_typed_ahead_of_a_call_that_fails_is_a_command(end: str) -> None:
    book = Playbook().dte(b"ATD1\rATS7?\r").forget()
    if end == "fails":
        book.wait(1).fails().expect(BUSY + b"\r\n050\r\n" + OK)
    elif end == "s7":
        book.wait(50).expect(S7_OVER, NO_CARRIER + b"\r\n050\r\n" + OK)
    else:
        book.wait(1).dte(b"!").expect(ABORTED, NO_CARRIER + b"\r\n050\r\n" + OK)
    assert not book.modem.input_full
    book.dialed().nothing()


def test_what_is_typed_ahead_of_a_call_the_owner_ends_is_gone() -> None:
    book = Playbook().dte(b"ATD1\rATD2\r").forget().hang_up().expect(HangUp(20.0, "asked to"), NO_CARRIER)
    book.wait(100).nothing().dte(b"ATD3\r").forget().wait(1).carrier().expect(CONNECT)


def test_what_is_typed_ahead_of_a_dtr_drop_is_gone() -> None:
    book = Playbook(b"S25=1").dte(b"ATD1\rATS7?\r").forget().dtr(False).wait(0.01)
    book.expect(HangUp(20.0, "DTR dropped"), NO_CARRIER).dtr(True)
    book.dte(b"ATD3\r").forget().wait(1).carrier().expect(CONNECT)


@pytest.mark.parametrize("answer", [True, False])
def test_one_lf_belongs_to_the_cr(answer: bool) -> None:
    book = dialing(Playbook()).wait(0.05).dte(b"\n\n").nothing().wait(1)
    book.carrier().expect(CONNECT, SendCall(b"\n"))


def test_any_other_byte_behind_the_cr_is_data() -> None:
    book = Playbook().dte(b"ATD1\r\r\n").forget().wait(1).carrier().expect(CONNECT, SendCall(b"\r\n"))
    book.escaped().dte(b"ATO\r\r").expect(CONNECT, SendCall(b"\r"))


def test_an_lf_that_comes_late_aborts_like_any_byte() -> None:
    dialing(Playbook()).wait(0.2).dte(b"\n").expect(ABORTED, NO_CARRIER)


@pytest.mark.parametrize("answer", [True, False])
@pytest.mark.parametrize("seconds", [0.2, 3.0])
def test_an_lf_that_was_only_read_late_does_not_abort(seconds: float, answer: bool) -> None:
    """The program had something else to do, as when a kind of call is made for the first time."""
    book = Playbook().arrives().dte(b"ATA\r") if answer else dialing(Playbook())
    book.forget().freeze(seconds).dte(b"\nx").nothing()
    book.wait(0.05).carrier().expect(CONNECT, SendCall(b"x")).state(State.ONLINE)
    assert book.modem.options.eat_lf


def test_a_standstill_does_not_make_the_dial_deaf() -> None:
    book = dialing(Playbook()).freeze(3).wait(0.05).dte(b"x").expect(ABORTED, NO_CARRIER)
    assert book.modem.deadline() is None


def test_the_lf_of_a_return_online_is_no_data_but_one_behind_connect_is() -> None:
    book = Playbook().into(State.ONLINE_COMMAND).dte(b"ATO\r\nx").expect(CONNECT, SendCall(b"x"))
    book = Playbook().into(State.ONLINE_COMMAND).dte(b"ATO\r").expect(CONNECT).wait(0.01)
    book.dte(b"\n").expect(SendCall(b"\n"))


def test_keeping_the_lf_where_that_is_wanted() -> None:
    book = Playbook(options=Options(eat_lf=False)).dte(b"ATD1\r\n").forget().carrier()
    book.expect(CONNECT, SendCall(b"\n"))


def test_a_store_that_takes_long_does_not_make_the_lf_abort_the_dial() -> None:
    book = Playbook(can_store=None).dte(b"AT&WD1\r\n").forget().wait(2).stored()
    book.expect(Originate(parse_dial("1"))).state(State.DIALING).carrier().expect(CONNECT)


def test_lines_typed_during_a_store_wait_for_it() -> None:
    book = Playbook(can_store=None).dte(b"AT&W\rATS7?\rAT").forget().wait(1).nothing()
    book.stored().expect(OK + b"\r\n050\r\n" + OK).says(b"\r", OK)
    book.dte(b"AT&W1S6=1\rAT\r").forget().stored(False).expect(ERROR + OK)
    assert book.modem.interpreter.profile.registers[6] == 2


def test_the_dte_is_stopped_when_it_types_far_ahead() -> None:
    book = Playbook().dte(b"ATD1\r" + b"x" * 20000).forget()
    assert book.modem.input_full
    book.carrier().expect(CONNECT, SendCall(b"x" * 20000))
    assert not book.modem.input_full


# -- a number in parts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lines",
    [
        ["D555;", "D1234"],
        ["DT555;", "D;", "DT;", "D1234"],
        ["D5;", "D5;", "D5;", "D1234"],
        ["D5551234;", "D"],
    ],
)
def test_parts_make_one_number(lines: list[str]) -> None:
    book = Playbook()
    for line in lines[:-1]:
        book.says(f"AT{line}\r".encode(), OK)
    book.dte(f"AT{lines[-1]}\r".encode())
    (one,) = book.taken()
    assert isinstance(one.action, Originate)
    assert one.action.dial.number == "5551234"
    book.state(State.DIALING)


@pytest.mark.parametrize("line", [b"ATH\r", b"ATZE0\r", b"ATA\r", b"DTR"])
def test_what_forgets_the_parts(line: bytes) -> None:
    book = Playbook().says(b"ATD555;\r", OK)
    if line == b"DTR":
        book.dtr(False).wait(1).dtr(True)
    else:
        book.dte(line)
    book.forget().dte(b"ATD1\r").expect(Originate(parse_dial("1")))


def test_stored_and_last_number() -> None:
    book = (
        Playbook(b"&Z2=T555 1234").dte(b"ATDS=2\r").expect(Originate(parse_dial("555 1234"))).fails().wait(2)
    )
    book.forget().dte(b"ATDL\r").expect(Originate(parse_dial("555 1234"))).fails().forget()
    book.says(b"AT&ZL?\r", b"\r\n555 1234\r\n" + OK).says(b"AT&Z5=L\r", OK).says(
        b"AT&Z5?\r", b"\r\n555 1234\r\n" + OK
    )


@pytest.mark.parametrize(
    "text", ["Ttest.example", "TPpump.example:23", '"test.example"', '"0"', "555", "5W5@", "TL"]
)
def test_redial_calls_the_very_same(text: str) -> None:
    first = parse_dial(text)
    book = Playbook().dte(f"ATD{text}\r".encode()).expect(Originate(first)).fails().wait(2).forget()
    book.dte(b"ATDL\r").expect(Originate(first)).fails().wait(2).forget()
    book.dte(b"A/").expect(Originate(first)).fails().wait(2).forget()
    book.says(b"AT&Z1=L\r", OK).dte(b"ATDS=1\r").expect(Originate(first))


def test_default_number() -> None:
    book = Playbook(options=Options(default_number="5551234"))
    book.dte(b"ATD\r").expect(Originate(parse_dial("5551234"))).fails().wait(2).forget()
    book.dte(b"ATDT\r").expect(Originate(parse_dial("5551234")))


# -- S7 ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("s7", "seconds"), [(0, 1), (1, 1), (50, 50), (255, 255)])
def test_s7(s7: int, seconds: int) -> None:
    book = (
        dialing(Playbook(b"S7=%d" % s7))
        .wait(seconds - 0.001)
        .nothing()
        .wait(0.001)
        .expect(S7_OVER, NO_CARRIER)
    )
    book.state(State.IDLE)
    book = Playbook(b"S7=%d" % s7).arrives().dte(b"ATA\r").forget().wait(seconds - 0.001).nothing()
    book.wait(0.001).expect(S7_OVER, NO_CARRIER).state(State.IDLE)


def test_s7_is_over_once_connected() -> None:
    dialing(Playbook(b"S7=1")).carrier().forget().wait(100).nothing().state(State.ONLINE)


# -- the pause before a number that failed is tried again ----------------------------------------------------


def test_redial_pause() -> None:
    book = dialing(Playbook()).fails().expect(BUSY).wait(0.3).dte(b"ATD1\r").nothing().state(State.DIALING)
    book.wait(0.699).nothing().wait(0.001).expect(Originate(parse_dial("1"))).fails().expect(BUSY)
    book.wait(1).dte(b"ATD1\r").expect(Originate(parse_dial("1")))


def test_redial_pause_knows_the_number_however_it_is_written_and_between_others() -> None:
    book = dialing(Playbook(), "555-1234").fails().expect(BUSY)
    dialing(book, "2").fails().expect(BUSY)
    book.dte(b"ATDT5551234\r").nothing().wait(1).expect(Originate(parse_dial("5551234")))


def test_redial_pause_counts_in_s7_from_the_attempt() -> None:
    book = dialing(Playbook(b"S7=1")).fails().dte(b"ATD1\r").wait(1).forget()
    book.wait(0.999).nothing().wait(0.001).expect(S7_OVER, NO_CARRIER)


def test_a_dial_in_its_pause_can_be_given_up() -> None:
    book = dialing(Playbook()).fails().wait(0.3).dte(b"ATD1\r").wait(0.2).forget().dte(b" ")
    assert book.words() == NO_CARRIER
    book.wait(10).nothing().state(State.IDLE)


def test_no_pause_after_a_call_that_came_about() -> None:
    book = dialing(Playbook()).carrier().lost().forget()
    dialing(book)


def test_failed_numbers_are_not_remembered_for_ever() -> None:
    book = Playbook()
    for number in range(200):
        book.dte(b"ATD%d\r" % number).fails().wait(0.1)
    assert len(book.modem._failures) < 20


# -- the end of a call ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("s38", "drain"), [(0, 0.0), (20, 20.0), (254, 254.0)])
def test_s38_is_how_long_what_was_sent_may_take(s38: int, drain: float) -> None:
    book = Playbook(b"S38=%d" % s38).into(State.ONLINE_COMMAND).dte(b"ATH\r")
    book.expect(HangUp(drain, "local hang-up"), OK)


def test_s38_255_waits_for_ever() -> None:
    book = Playbook(b"S38=255").into(State.ONLINE_COMMAND).dte(b"ATH\r")
    (hang_up, _) = [one.action for one in book.taken()]
    assert isinstance(hang_up, HangUp)
    assert hang_up.drain_s > 3600


def test_s30_counts_silence_in_both_directions() -> None:
    book = Playbook(b"S30=2").into(State.ONLINE)
    for _ in range(3):
        book.dte(b"x").wait(19).call(b"y").wait(19)
    book.dte(b"z")
    book.forget().wait(19.999).nothing().wait(0.001)
    book.expect(HangUp(20.0, "inactive for S30"), NO_CARRIER).state(State.IDLE)


def test_s30_in_online_command_state_counts_commands() -> None:
    book = Playbook(b"S30=2").into(State.ONLINE_COMMAND).wait(15).says(b"AT\r", OK).wait(19.9).nothing()
    book.wait(0.2).expect(HangUp(20.0, "inactive for S30"), NO_CARRIER)


def test_held_bytes_come_before_no_carrier() -> None:
    book = Playbook().into(State.ONLINE_COMMAND).call(b"last words").nothing().lost()
    book.expect(Deliver(b"last words"), SetCircuit(Circuit.DCD, False), NO_CARRIER)


def test_held_bytes_of_a_call_hung_up_are_gone() -> None:
    book = Playbook().into(State.ONLINE_COMMAND).call(b"last words").dte(b"ATH\r")
    book.expect(HangUp(20.0, "local hang-up"), OK).dialed().nothing()


def test_the_far_end_is_stopped_when_much_is_held() -> None:
    book = Playbook(options=Options(hold_limit=100)).into(State.ONLINE_COMMAND)
    book.call(b"x" * 99).nothing().call(b"y").expect(PauseCall()).call(b"z").nothing()
    book.dte(b"ATO\r").expect(CONNECT, Deliver(b"x" * 99 + b"yz"), ResumeCall())
    book.escaped().call(b"x" * 100).expect(PauseCall())


@pytest.mark.parametrize("mode", [0, 1, 2])
def test_dcd(mode: int) -> None:
    book = Playbook(b"&C%d" % mode)
    book.dte(b"ATD1\r").fails().dte(b"ATD2\r").wait(0.5)
    assert book.circuits[Circuit.DCD] is (mode != 1)
    book.forget().carrier().wait(1)
    assert book.circuits[Circuit.DCD]
    book.lost()
    assert book.circuits[Circuit.DCD] is (mode == 0)
    book.wait(0.9)
    assert book.circuits[Circuit.DCD] is (mode == 0)
    book.wait(0.2)
    assert book.circuits[Circuit.DCD] is (mode != 1)


def test_dcd_is_on_before_connect_even_in_its_drop_with_c2() -> None:
    book = Playbook(b"&C2").dialed().lost().wait(0.3).forget().dte(b"ATD2\r").forget().carrier()
    book.expect(SetCircuit(Circuit.DCD, True), CONNECT).wait(5)
    assert book.circuits[Circuit.DCD]


def test_circuits_follow_the_commands_before_one_that_is_refused() -> None:
    Playbook().dte(b"AT&C0X9\r").expect(SetCircuit(Circuit.DCD, True), ERROR)


def test_dsr_follows_the_call_with_s1() -> None:
    book = Playbook(b"&S1")
    assert not book.circuits[Circuit.DSR]
    book.dte(b"ATD1\r")
    assert book.circuits[Circuit.DSR]
    book.fails(CallFailure.UNKNOWN)
    assert not book.circuits[Circuit.DSR]


def test_a_reset_and_factory_settings_do_not_hang_up_or_forget_the_cause_unless_they_should() -> None:
    book = Playbook().into(State.ONLINE_COMMAND).dte(b"AT&FE0\r").expect(OK).state(State.ONLINE_COMMAND)
    book.lost(CallLoss.TIMEOUT).forget().dte(b"AT&FE0S86?\r").expect(b"\r\n013\r\n" + OK)


# -- power-up ------------------------------------------------------------------------------------------------


def test_init_string_runs_without_a_word() -> None:
    book = Playbook(echo=True, power_up="E0V0S0=2?&W")
    book.nothing().says(b"ATS0?\r", b"002\r\n0\r")


@pytest.mark.parametrize("init", ["X9", "FOO", "S0=256", "E0+CGMI"])
def test_init_string_with_a_mistake_is_named(init: str) -> None:
    with pytest.raises(InitError, match=r"no command"):
        Playbook(power_up=init)


def test_no_control_character_gets_into_a_dial_string() -> None:
    """They would reach logs and the terminals that show them."""
    book = Playbook(options=Options(delete_key=False))
    book.dte(b"ATDT55\x1b\x00\x7f5\x9b\xff1\r")
    assert all(one.action.dial.raw.isprintable() for one in book.taken() if isinstance(one.action, Originate))
    book.state(State.DIALING)


# -- echo ----------------------------------------------------------------------------------------------------


def test_two_ends_that_both_echo_fall_silent() -> None:
    book = Playbook(echo=True)
    storm = b"login: \r\n"
    total = 0
    for _ in range(1000):
        book.dte(storm)
        storm = book.words()
        total += len(storm)
        if not storm:
            break
    assert total <= 256
    book.says(b"hello\r", b"").says(b"AT\r", b"\r" + OK).says(b"AT\r", b"AT\r" + OK)
    book.says(b"x" * 300, b"x" * 256).says(b"AT\r", b"\r" + OK)
