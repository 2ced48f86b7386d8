"""The modem's own settings, AT$: each is read, set, checked, kept, put back, and does what it says."""

from __future__ import annotations

import dataclasses
import json
import re

import pytest

from atparser import (
    DIALECTS,
    Caller,
    CallFailure,
    CallLoss,
    Deliver,
    EscapeMode,
    Options,
    Refusal,
    Refuse,
    State,
    Store,
)
from atparser.parameters import Number, Text, Word
from atparser.settings import BY_NAME, SETTINGS, Setting, current, read
from tests.helpers.playbook import Playbook

OK = b"\r\nOK\r\n"
ERROR = b"\r\nERROR\r\n"
NO_CARRIER = b"\r\nNO CARRIER\r\n"
RING = b"\r\nRING\r\n"
# Whoever sets DELAY has to wait for every answer; it has tests of its own.
QUICK = [row for row in SETTINGS if row.name != "DELAY"]
each_quick = pytest.mark.parametrize("row", QUICK, ids=lambda row: row.name)
each = pytest.mark.parametrize("row", SETTINGS, ids=lambda row: row.name)


def other(row: Setting) -> str:
    """A value that is not the one in force, as it is typed."""
    if isinstance(row.parameter, Word):
        return next(word for word in row.parameter.choices if word != row.parameter.default)
    if isinstance(row.parameter, Text):
        return '"555"'
    ends = [end for one in row.parameter.accepts for end in ([one] if isinstance(one, int) else one)]
    return str(next(end for end in ends if end != current(row, Options())))


def test_each_is_a_field_of_the_options_and_stands_once() -> None:
    fields = {field.name for field in dataclasses.fields(Options)}
    assert {row.option for row in SETTINGS} <= fields
    assert len({row.option for row in SETTINGS}) == len({row.name for row in SETTINGS}) == len(SETTINGS)
    # What cannot change while the modem runs: who it is, what a dialect's registers are, and whether there is
    # somewhere a cable leads to.
    assert fields - {row.option for row in SETTINGS} == {"identity", "factory_registers", "cable"}


@each_quick
def test_forms(row: Setting) -> None:
    book = Playbook()
    name = row.name.encode()
    before = read(row, Options()).encode()
    book.says(b"AT$%b?\r" % name, b"\r\n$%b: %b\r\n" % (name, before) + OK)
    book.says(b"AT$%b=?\r" % name, b"\r\n$%b: %b\r\n" % (name, row.parameter.shown().encode()) + OK)
    typed = other(row).encode()
    book.says(b"AT$%b=%b;$%b?\r" % (name, typed, name), b"\r\n$%b: %b\r\n" % (name, typed) + OK)
    book.says(
        b"at$ %b = %b ; $%b ?\r" % ((name.lower(), typed, name)), b"\r\n$%b: %b\r\n" % (name, typed) + OK
    )
    book.says(b"AT$%b=\r" % name, OK).says(b"AT$%b?\r" % name, b"\r\n$%b: %b\r\n" % (name, before) + OK)
    book.says(b"AT$%b\r" % name, ERROR).says(b"AT$%b=1,1\r" % name, ERROR).says(b"AT$%bE0\r" % name, ERROR)
    book.says(b"AT$%b=%bE0\r" % (name, typed), ERROR)


@each
def test_values_are_checked(row: Setting) -> None:
    wrong = ["~", '"', "1000000000"]
    if isinstance(row.parameter, Number):
        top = max(one if isinstance(one, int) else one[1] for one in row.parameter.accepts)
        wrong += [str(top + 1), "FAST"]
    elif isinstance(row.parameter, Word):
        wrong += ["0", "NOSUCH"]
    else:
        wrong.remove("1000000000")
        wrong += ['"' + "5" * (row.parameter.limit + 1) + '"', '"\\0D"', '"\\FF"']
    book = Playbook()
    for value in wrong:
        book.says(f"AT${row.name}={value}\r".encode(), ERROR)
    assert book.modem.options == Options()


@each_quick
def test_kept_by_w_and_brought_back_by_z(row: Setting) -> None:
    book = Playbook(f"${row.name}={other(row)}".encode()).says(b"AT&W\r", OK)
    options = book.modem.options
    assert options != Options()
    again = Playbook(echo=True, store=Store(json.loads(json.dumps(book.snapshots[-1]))))
    assert again.modem.options == options
    again.dte(f"AT${row.name}=\r".encode())
    assert again.modem.options == Options()
    again.dte(b"ATZ\r")
    assert again.modem.options == options


@each_quick
def test_factory_settings_leave_it_alone(row: Setting) -> None:
    book = Playbook(f"${row.name}={other(row)}".encode())
    options = book.modem.options
    book.dte(b"AT&F\r")
    assert book.modem.options == options
    book.dte(b"ATZ\r")  # but what was not stored is gone
    assert book.modem.options == Options()


@each
def test_shown_by_the_view_and_listed_by_help(row: Setting) -> None:
    book = Playbook()
    assert f"${row.name}=" not in " ".join(book.modem.interpreter.view())
    book.dte(b"AT$HELP?\r")
    listed = book.words()
    assert b"\r\n$%b %b " % (row.name.encode(), row.parameter.shown().encode()) in listed
    for line in (b"AT$?\r", b"AT$HELP\r"):
        assert book.dte(line).words() == listed
    book.dte(f"AT${row.name}={other(row)}\r".encode()).forget()
    active = " ".join(book.modem.interpreter.view()).partition("STORED")[0]
    assert f"${row.name}={other(row)}" in active


def test_names_that_are_none() -> None:
    book = Playbook()
    for line in (b"$", b"$NOSUCH?", b"$NOSUCH=1", b"$HELP=1", b"$HELP=?", b"$SB=9600", b"$?E0", b"$=1"):
        book.says(b"AT" + line + b"\r", ERROR)
    assert all(re.fullmatch(r"[A-Z][A-Z0-9]*", name) and name != "HELP" for name in BY_NAME)


def test_what_is_configured_is_what_an_empty_value_goes_back_to() -> None:
    book = Playbook(options=Options(max_rings=3, escape=EscapeMode.OFF))
    book.says(b"AT$BURSTS?\r", b"\r\n$BURSTS: 3\r\n" + OK).says(b"AT$BURSTS=9;$BURSTS=\r", OK)
    book.says(b"AT$BURSTS?;$ESCAPE?\r", b"\r\n$BURSTS: 3\r\n\r\n$ESCAPE: OFF\r\n" + OK)


def test_a_text_with_quotes_and_words_of_results_is_read_as_it_can_be_set() -> None:
    book = Playbook().says(b'AT$GREETING="CONNECT \\22FAST\\22 \\5C"\r', OK)
    book.says(b"AT$GREETING?\r", b'\r\n$GREETING: "\\43ONNECT \\22FAST\\22 \\5C"\r\n' + OK)
    book.says(b'AT$GREETING="\\43ONNECT \\22FAST\\22 \\5C"\r', OK)
    assert book.modem.options.connect_text == 'CONNECT "FAST" \\'


# -- dialects ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize("before", DIALECTS)
def test_a_dialect_chosen_is_the_dialect_configured(before: str, name: str) -> None:
    book = Playbook(options=Options(**DIALECTS[before], max_rings=4))
    book.says(b"AT$DIALECT=%b\r" % name.encode(), OK)
    fresh = Playbook(options=Options(**DIALECTS[name], max_rings=4))
    assert book.modem.options == fresh.modem.options
    assert book.modem.interpreter.profile.registers == fresh.modem.interpreter.profile.registers
    book.says(b"AT$DIALECT?\r", b"\r\n$DIALECT: %b\r\n" % name.upper().encode() + OK)


def test_what_is_set_one_by_one_counts_more_than_the_dialect() -> None:
    book = Playbook(b"$RESULTS=HAYES;$DIALECT=USR;$CIDBLANKS=1")
    assert (book.modem.options.result_table, book.modem.options.caller_id_blanks) == ("hayes", True)
    book.says(b"AT$RESULTS=\r", OK)
    assert book.modem.options.result_table == "usr"


def test_registers_the_dte_has_set_are_not_the_dialects() -> None:
    Playbook(b"S7=33;$DIALECT=USR").says(b"ATS7?\r", b"\r\n033\r\n" + OK)
    book = Playbook(b"$DIALECT=USR").says(b"ATS7?\r", b"\r\n060\r\n" + OK)
    book.says(b"AT&FE0S7?\r", b"\r\n060\r\n" + OK).says(b"AT$DIALECT=;S7?\r", b"\r\n050\r\n" + OK)


def test_usr_s19_counts_minutes_in_step_with_s30() -> None:
    book = Playbook(b"$DIALECT=USR;S19=5").says(b"ATS30?\r", b"\r\n030\r\n" + OK)
    book.says(b"ATS30=60S19?\r", b"\r\n010\r\n" + OK).says(b"AT\\T2S19?\r", b"\r\n002\r\n" + OK)
    book.says(b"ATS19=60S30?S19?\r", b"\r\n255\r\n\r\n060\r\n" + OK)
    book.dialed().wait(60 * 60 - 9.6).nothing().wait(0.2)
    assert book.words() == NO_CARRIER
    Playbook(b"S19=5").says(b"ATS30?\r", b"\r\n000\r\n" + OK)


def test_usr_y_is_about_breaks() -> None:
    book = Playbook(b"$DIALECT=USR", b"&W3")
    for y, k, s82 in ((0, 1, 7), (1, 1, 7), (2, 3, 3), (3, 5, 128)):
        book.says(b"AT&Y%d\r" % y, OK).says(b"ATS82?\r", b"\r\n%03d\r\n" % s82 + OK)
        assert book.modem.interpreter.profile.basic["\\K"] == k
    assert book.modem.interpreter.store.power_up == 0


@pytest.mark.parametrize("line", [b"$DIALECT=USR", b"$KCOMPRESS=1"])
def test_usr_k_is_compression_and_no_flow_control(line: bytes) -> None:
    book = Playbook(line)
    for k, compression in ((0, 0), (1, 3), (2, 3), (3, 2)):
        for flow in (4, 6, 3):
            book.says(b"ATS39=%d&K%d\r" % (flow, k), OK).says(b"ATS39?\r", b"\r\n%03d\r\n" % flow + OK)
            assert book.modem.interpreter.profile.basic["%C"] == compression
    book.says(b"AT&H0\r", OK).says(b"ATS39?\r", b"\r\n000\r\n" + OK)
    book.says(b"AT&K4\r", OK).says(b"ATS39?\r", b"\r\n004\r\n" + OK).says(b"AT&K7\r", ERROR)


# -- each says what it changes -------------------------------------------------------------------------------


def test_results() -> None:
    for table, number in (("ROCKWELL", b"64\r"), ("HAYES", b"32\r"), ("USR", b"107\r")):
        Playbook(b"$RESULTS=%b;V0" % table.encode(), rate=28800).dte(b"ATD1\r").forget().carrier().expect(
            number
        )


def test_escape() -> None:
    Playbook(b"$ESCAPE=OFF").into(State.ONLINE).wait(2).dte(b"+++").wait(5).state(State.ONLINE)
    Playbook(b"$ESCAPE=TIES").into(State.ONLINE).dte(b"+++ATH\r").state(State.IDLE)


def test_lenient() -> None:
    Playbook(b"$LENIENT=1").says(b"ATG5\r", OK).says(b"AT%V\r", OK).says(b"ATS200=1\r", OK)


def test_anycase() -> None:
    Playbook(b"$ANYCASE=1").says(b"At\r", OK).says(b"AT$ANYCASE=0\r", OK).says(b"At\r", b"")


def test_delete() -> None:
    Playbook(b"$DELETE=0").says(b"ATX9\x7f\r", ERROR).says(b"AT$DELETE=1\r", OK).says(b"ATX9\x7f\r", OK)


def test_echolimit() -> None:
    Playbook(b"E1$ECHOLIMIT=3", echo=True).says(b"xyzzy", b"xyz")


def test_linelimit() -> None:
    Playbook(b"$LINELIMIT=40").says(b"AT" + b"E0" * 20 + b"\r", OK).says(b"AT" + b"E0" * 21 + b"\r", ERROR)


def test_eatlf() -> None:
    book = Playbook(b"$EATLF=0").dte(b"ATD1\r\n").forget().carrier().forget()
    assert book.modem.state is State.ONLINE
    again = Playbook().into(State.ONLINE_COMMAND).dte(b"ATO\r\n")
    assert not [one for one in again.taken() if type(one.action).__name__ == "SendCall"]
    again = Playbook(b"$EATLF=0").into(State.ONLINE_COMMAND).dte(b"ATO\r\n")
    assert [one.action.data for one in again.taken() if type(one.action).__name__ == "SendCall"] == [b"\n"]  # type: ignore[union-attr]


def test_bursts_and_their_cadence() -> None:
    book = Playbook(b"$BURSTS=2;$BURST=10;$PAUSE=15").arrives().expect(RING).wait(2.4).nothing().wait(0.2)
    book.expect(RING).wait(2.5).expect(Refuse(Refusal.NO_ANSWER))


def test_announce() -> None:
    book = Playbook(b"$ANNOUNCE=1")
    book.arrives(Caller("5551234"))
    book.expect(b"\r\nRING 5551234\r\n")


def test_redial() -> None:
    book = (
        Playbook(b"$REDIAL=50").dte(b"ATD1\r").fails().forget().dte(b"ATD1\r").wait(4.9).nothing().wait(0.2)
    )
    assert len(book.taken()) == 1


def test_number() -> None:
    book = Playbook(b'$NUMBER="5551234"').dte(b"ATD\r")
    assert "5551234" in str(book.taken()[-1].action)


def test_rate_and_greeting_and_linerate() -> None:
    Playbook(b"$RATE=2400").dte(b"ATD1\r").forget().carrier().expect(b"\r\nCONNECT 2400\r\n")
    Playbook(b"$RATE=2400;$RATE=0").dte(b"ATD1\r").forget().carrier().expect(b"\r\nCONNECT 115200\r\n")
    Playbook(b'$GREETING="HELLO"').dte(b"ATD1\r").forget().carrier().expect(b"\r\nHELLO\r\n")
    Playbook(b"$LINERATE=9600;W2").dte(b"ATD1\r").forget().carrier().expect(b"\r\nCONNECT 9600\r\n")


def test_hangup() -> None:
    book = Playbook(b"$HANGUP=1").into(State.ONLINE_COMMAND).dte(b"ATH\r")
    assert book.words() == NO_CARRIER
    book.says(b"ATH\r", OK)


def test_hangup_is_the_result_of_a_line_that_runs_to_its_end() -> None:
    book = Playbook(b"$HANGUP=1").into(State.ONLINE_COMMAND).dte(b"ATH0S7=9S6?&W1\r")
    assert book.words() == b"\r\n002\r\n" + NO_CARRIER
    book.says(b"ATS7?\r", b"\r\n009\r\n" + OK)
    assert 1 in book.modem.interpreter.store.profiles
    book = Playbook(b"$HANGUP=1").into(State.ONLINE_COMMAND).dte(b"ATHX9\r")
    assert book.words() == ERROR
    book.says(b"AT\r", OK)


CODES = {3: NO_CARRIER, 4: ERROR, 6: b"\r\nNO DIALTONE\r\n", 7: b"\r\nBUSY\r\n", 8: b"\r\nNO ANSWER\r\n"}
MAPPED = {
    "REFUSED": [CallFailure.REFUSED],
    "UNANSWERED": [CallFailure.NO_ANSWER],
    "UNKNOWN": [CallFailure.UNKNOWN],
    "NONET": [CallFailure.NO_NETWORK, CallFailure.LINE_BUSY],
}


@pytest.mark.parametrize("name", MAPPED)
def test_what_a_failed_call_is_answered_with(name: str) -> None:
    parameter = BY_NAME[name].parameter
    assert isinstance(parameter, Number)
    for failure in MAPPED[name]:
        for code in parameter.accepts:
            for x in range(8):
                book = Playbook(f"${name}={code};X{x}".encode()).dte(b"ATD1\r").forget().fails(failure)
                hidden = (code == 7 and x not in (3, 4, 5, 6, 7)) or (code == 6 and x not in (2, 4, 6, 7))
                by_x = name == "UNANSWERED" and x >= 5
                assert isinstance(code, int)
                book.expect(CODES[8] if by_x else NO_CARRIER if hidden else CODES[code])
    forbidden = Playbook(f"${name}=7".encode()).dte(b"ATD1\r").forget().fails(CallFailure.FORBIDDEN)
    forbidden.expect(NO_CARRIER)


def test_toneapart() -> None:
    book = Playbook(b"$TONEAPART=1").dte(b"ATD1\r").forget().fails(CallFailure.NO_NETWORK)
    book.expect(b"\r\nNO DIAL TONE\r\n")


def test_hold() -> None:
    book = Playbook(b"$HOLD=1024").into(State.ONLINE_COMMAND).call(b"x" * 1023).nothing().call(b"y")
    assert len(book.taken()) == 1


# -- the delay -----------------------------------------------------------------------------------------------


def test_delay_runs_a_line_so_long_after_its_end() -> None:
    book = (
        Playbook(b"$DELAY=500").dte(b"ATS7?\r").wait(0.499).nothing().wait(0.001).expect(b"\r\n050\r\n" + OK)
    )
    book.dte(b"AT\rATS0?\r").wait(0.5).expect(OK).wait(0.499).nothing().wait(0.001)
    book.expect(b"\r\n000\r\n" + OK)
    book.dte(b"ATX99\r").wait(0.5).expect(ERROR).dte(b"A/").wait(0.5).expect(ERROR)
    book.dte(b"AT" + b"1" * 1030 + b"\r").wait(0.5).expect(ERROR)


def test_delay_is_kept_like_the_others() -> None:
    book = Playbook(b"$DELAY=200").dte(b"AT&W\r").wait(0.2).expect(OK)
    again = Playbook(store=Store(json.loads(json.dumps(book.snapshots[-1]))))
    again.dte(b"AT$DELAY?\r").wait(0.2).expect(b"\r\n$DELAY: 200\r\n" + OK)
    again.dte(b"AT$DELAY=0\r").wait(0.2).expect(OK).says(b"AT$DELAY?\r", b"\r\n$DELAY: 0\r\n" + OK)


def test_delay_reorders_nothing() -> None:
    book = Playbook(b"$DELAY=300").dte(b"ATD1\r\n").wait(0.3).forget().wait(0.2).carrier()
    book.expect(b"\r\nCONNECT 115200\r\n").call(b"login: ").expect(Deliver(b"login: "))
    book.wait(2).escaped().dte(b"ATH\r").call(b"more").wait(0.3)
    assert book.words() == OK


def test_delay_and_what_is_typed_behind_a_dial() -> None:
    """The LF of CR LF is none of the call's, and neither it nor more bytes within the delay abort it."""
    book = (
        Playbook(b"$DELAY=300")
        .dte(b"ATD1\r\n")
        .wait(0.1)
        .dte(b"user\r")
        .wait(0.2)
        .state(State.DIALING)
        .forget()
    )
    book.carrier()
    sent = [one.action for one in book.taken()]
    assert [getattr(one, "data", b"") for one in sent][-1] == b"user\r"
    book.state(State.ONLINE)


def test_delay_and_a_ring_meanwhile() -> None:
    book = Playbook(b"$DELAY=300").dte(b"ATS7?\r").wait(0.1).arrives().forget().wait(0.2)
    book.expect(b"\r\n050\r\n" + OK + RING)
    book = Playbook(b"$DELAY=3000;S0=1").arrives().wait(1.9).forget().dte(b"ATS7?\r").wait(0.2).nothing()
    book.wait(2.8).expect(b"\r\n050\r\n" + OK)


def test_delay_and_the_end_of_a_call_meanwhile() -> None:
    book = Playbook(b"$DELAY=300").into(State.ONLINE_COMMAND).dte(b"ATO\r").wait(0.1).forget()
    book.lost(CallLoss.REMOTE).expect(NO_CARRIER).wait(0.2).expect(ERROR).state(State.IDLE)


# -- +ETBM ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pending", [0, 1, 2])
def test_what_is_held_for_the_dte_when_the_far_end_leaves(pending: int) -> None:
    book = Playbook(b"+ETBM=,%d" % pending).into(State.ONLINE_COMMAND).call(b"last words").lost()
    book.expect(*([Deliver(b"last words")] if pending else []), NO_CARRIER)


@pytest.mark.parametrize(("line", "drain"), [(b"", 20.0), (b"+ETBM=0", 0.0), (b"+ETBM=1", 86400.0)])
def test_what_is_pending_for_the_far_end_when_the_dte_leaves(line: bytes, drain: float) -> None:
    book = Playbook(line).into(State.ONLINE_COMMAND).dte(b"ATH\r")
    assert getattr(book.taken()[0].action, "drain_s") == drain  # noqa: B009
