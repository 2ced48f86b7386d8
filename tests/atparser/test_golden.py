"""What the DTE types and, byte for byte, what it reads: factory settings, one table."""

from __future__ import annotations

import pytest

from atparser import Circuit, Options, SendCall, SetCircuit, State
from tests.helpers.playbook import Playbook

OK = b"\r\nOK\r\n"
ERROR = b"\r\nERROR\r\n"
NO_CARRIER = b"\r\nNO CARRIER\r\n"

# Each case: what is typed, line by line, and what is read while it is. Factory settings, echo on.
ECHOING: list[tuple[bytes, bytes]] = [
    (b"AT\r", b"AT\r" + OK),
    (b"at\r\n", b"at\r" + OK + b"\n"),
    (b"At\r", b"At\r"),
    (b"aT\r", b"aT\r"),
    (b"\r\r\rAT\r", b"\r\r\rAT\r" + OK),
    (b"\r", b"\r"),
    (b"AAT\r", b"AAT\r" + OK),
    (b"xxAT\r", b"xxAT\r" + OK),
    (b"+++AT\r", b"+++AT\r" + OK),
    (b"\x1b\x1b\x1bAT\r", b"\x1b\x1b\x1bAT\r" + OK),
    (b"ATE0\rAT\r", b"ATE0\r" + OK + OK),
    (b"A/", b"A/" + OK),
    (b"ATE\x081V1\r", b"ATE\x08 \x081V1\r" + ERROR),
    (b"ATX\x7f\r", b"ATX\x08 \x08\r" + OK),
    (b"AT\x08\r", b"AT\r" + OK),
    (b"AT\x00\x11E1\r", b"AT\x00\x11E1\r" + OK),
    (b"\xc1\xd4\x8d", b"\xc1\xd4\x8d\x8d\x8a\xcf\xcb\x8d\x8a"),
    (b"A\xd4\x8d", b"A\xd4\x8d\x8d\n\xcfK\x8d\n"),
    (b"\xc1T\r", b"\xc1T\r\r\x8aO\xcb\r\x8a"),  # odd parity
    (b"\xe1t\x8d", b"\xe1t\x8d\x8d\n\xcfK\x8d\n"),  # even parity in lower case
    (b"a\xf4\r", b"a\xf4\r\r\x8aO\xcb\r\x8a"),  # odd parity in lower case
    (b"A\xd4X\x88\x8d", b"A\xd4X\x88\xa0\x88\x8d\x8d\n\xcfK\x8d\n"),  # deleting in even parity
    (b"\xc1T\x58\x08\r", b"\xc1T\x58\x08 \x08\r\r\x8aO\xcb\r\x8a"),  # in odd parity
    (b"\xc1\xd4\xd8\xff\x8d", b"\xc1\xd4\xd8\x88\xa0\x88\x8d\x8d\x8a\xcf\xcb\x8d\x8a"),  # in mark parity
]


@pytest.mark.parametrize(("typed", "read"), ECHOING)
def test_with_echo(typed: bytes, read: bytes) -> None:
    Playbook(echo=True).says(typed, read).state(State.IDLE)


# The same with echo off (ATE0).
QUIET: list[tuple[bytes, bytes]] = [
    (b"AT\r", OK),
    (b"ATV0\r", b"0\r"),
    (b"ATV0\rATS0?\r", b"0\r000\r\n0\r"),
    (b"ATV0\rATFOO\r", b"0\r4\r"),
    (b"ATV0\rATD123;\r", b"0\r0\r"),
    (b"ATQ1\r", b""),
    (b"ATQ1\rATQ0\r", OK),
    (b"ATQ1\rATS7?\r", b"\r\n050\r\n"),
    (b"ATQ1V0\rATQ0\r", b"0\r"),
    (b"ATS0?S7?\r", b"\r\n000\r\n\r\n050\r\n" + OK),
    (b"ATS7=60S0?\r", b"\r\n000\r\n" + OK),
    (b"ATS7=60S0?\rATS7?\r", b"\r\n000\r\n" + OK + b"\r\n060\r\n" + OK),
    (b"ATS 0 = 2 S0?\r", b"\r\n002\r\n" + OK),
    (b"at s 0 = 2\rATs0?\r", OK + b"\r\n002\r\n" + OK),
    (b"ATS%C1\rAT?\r", OK + b"\r\n000\r\n" + OK),
    (b"ATS7=?\rATS7?\r", b"\r\n050\r\n" + OK + b"\r\n050\r\n" + OK),  # a question sets nothing
    (b"ATS0=2S0 = ?S7?\r", b"\r\n002\r\n\r\n050\r\n" + OK),
    (b"ATS7=?AT=?\r", b"\r\n050\r\n" + NO_CARRIER),
    (b"ATS100=?\r", ERROR),
    (b"ATS\rAT=7?\r", OK + b"\r\n007\r\n" + OK),
    (b"ATS0\rAT?\rAT=3\rAT?\r", OK + b"\r\n000\r\n" + OK + OK + b"\r\n003\r\n" + OK),
    (b"ATS7\rATE=1\rATS7?\r", OK + OK + b"\r\n001\r\n" + OK),
    (b"ATS3=10\r", b"\n\nOK\n\n"),
    (b"ATS4=33\r", b"\r!OK\r!"),
    (b"ATS4=200\r", b"\rOK\r"),
    (b"ATS3=200\r", b"\nOK\n"),
    (b"ATXAT\r", NO_CARRIER),
    (b"ATX9\r", ERROR),
    (b"ATX9\rATS22?\r", ERROR + b"\r\n118\r\n" + OK),
    (b"ATS0=1X9S0=5\rATS0?\r", ERROR + b"\r\n001\r\n" + OK),
    (b"ATS0=256\r", ERROR),
    (b"ATS0=0000000000000255\r", OK),
    (b"ATS0=1000000000\r", ERROR),
    (b"ATS100=1\r", ERROR),
    (b"ATS7?X9S0?\r", b"\r\n050\r\n" + ERROR),
    (b"AT&C1&D2&K3X4\r", OK),
    (b"AT&c1&d2\r", OK),
    (b"AT&F0\r", OK),
    (b"AT&K\r", OK),
    (b"AT&&F\r", ERROR),
    (b"AT&\r", ERROR),
    (b"ATQ0V1H0\r", OK),
    (b"ATX4 V1 E0 &C1 &D2 S0=1 S7=50\r", OK),
    (b"AT S0 = 0\r", OK),
    (b"ATE=1S0=1S7=3&D2+MS=B212\r", ERROR),
    (b"AT&MS=212\r", ERROR),
    (b"AT;\r", OK),
    (b"ATE0;V1\r", OK),
    (b"AT+ES=3,0,2;+EB=1,0,30\r", OK),
    (b"AT+ES=3,0,2+EB=1,0,30\r", OK),
    (b"AT + e s = 3 , 0 , 5 ; + E S ?\r", b"\r\n+ES: 3,0,5\r\n" + OK),
    (b"AT+ F CLASS = 0 &C1 # C I D ?; - S DR = 1;$ BUR STS ?\r", b"\r\n0\r\n\r\n$BURSTS: 10\r\n" + OK),
    (b"AT+GMI S0?\r", ERROR),
    (b"AT+ES=8\r", ERROR),
    (b"AT+ES=,,5\rAT+ES?\r", OK + b"\r\n+ES: 3,0,5\r\n" + OK),
    (b"AT+ES=?\r", b"\r\n+ES: (0-7),(0-4),(0-9)\r\n" + OK),
    (b"AT+FCLASS=0N1S37=0\r", OK),
    (b"AT+FCLASS=0&H1&I0&R2\r", OK),
    (b"AT+FCLASS=?\r", b"\r\n0\r\n" + OK),
    (b"AT+FCLASS?\r", b"\r\n0\r\n" + OK),
    (b"AT+FCLASS=2\r", ERROR),
    (b"AT+FCLASS=2.0\r", ERROR),
    (b"AT+FCLASS=8\r", ERROR),
    (b"AT+GMI;+GMM\r", b"\r\nvmodem\r\n\r\nvmodem\r\n" + OK),
    (b"AT+CGMI\r", ERROR),
    (b"AT+FAA=1;+FCR=1\r", ERROR),
    (b"AT#CLS?\r", ERROR),
    (b"AT#CLS=?\r", ERROR),
    (b"AT#CLS=8\r", ERROR),
    (b"AT#CLS=0\r", OK),
    (b"AT#CLS=0S7?\r", b"\r\n050\r\n" + OK),
    (b"ATE1\rAT#CLS=ERROR\rAT\r", OK + b"AT#CLS=ERROR\r" + ERROR + b"AT\r" + OK),
    (b"AT+FCLASS=ES7?\r", ERROR),
    (b"ATQ0X4&N0&Y1#CLS=0S13=0S15=0S19=0\r", OK),
    (b"ATQ0X4W1Y0%E2\\K5+FCLASS=0+MS=11,1\r", OK),
    (b"ATPL\r", OK),
    (b"AT+GCAP\r", b"\r\n+GCAP: +FCLASS,+MS,+ES,+DS\r\n" + OK),
    (b"AT+WS46?\r", ERROR),
    (b"AT+VSID\r", ERROR),
    (b"AT-SDR=7\r", OK),
    (b"AT-SEC=0\r", ERROR),
    (b"AT-SSE=1\r", ERROR),
    (b"AT#CID=1\rAT#CID?\rAT#CID=?\r", OK + b"\r\n1\r\n" + OK + b"\r\n0,1,2\r\n" + OK),
    (b"AT$TSSPCSW=?\r", ERROR),
    (b"AT*MF1\r", ERROR),
    (b"AT:T1\r", ERROR),
    (b"AT%V\r", ERROR),
    (b"AT~\r", ERROR),
    (b"ATC0\r", ERROR),
    (b"ATL0\r", OK),
    (b"ATG\r", ERROR),
    (b"AT%L%Q\r", b"\r\n015\r\n\r\n000\r\n" + OK),
    (b"ATS0?\rA/", b"\r\n000\r\n" + OK + b"\r\n000\r\n" + OK),
    (b"ATFOO\ra/", ERROR + ERROR),
    (b"ATS7?\rA/A/", (b"\r\n050\r\n" + OK) * 3),
    (b"ATZ\r", OK),
    (b"ATZ\rAT\r", OK + b"AT\r" + OK),
    (b"ATZE0\rAT\r", OK + OK),
    (b"ATZW2\r", OK),
    (b"AT&F\rAT\r", OK + b"AT\r" + OK),
    (b"AT\x08\x08\x08I0\r", b"\r\n56000\r\n" + OK),
    (b"ATI\r", b"\r\n56000\r\n" + OK),
    (b"ATI2\r", OK),
    (b"ATI10\r", ERROR),
    (b"ATX\x084\r", ERROR),
    (b"\xc1\xd4\x8d", b"\x8d\x8a\xcf\xcb\x8d\x8a"),
    (b"A\xd4\x8d", b"\x8d\n\xcfK\x8d\n"),
    (b"\xc1\xd4\x8dAT\r", b"\x8d\x8a\xcf\xcb\x8d\x8a" + OK),
    (b"ATD5551234;\rATD;\r", OK + OK),
    (b"ATO\r", ERROR),
    (b"ATA\r", NO_CARRIER),
    (b"ATD\r", NO_CARRIER),
    (b"ATDL\r", ERROR),
    (b"ATDS=7\r", ERROR),
    (b"AT" + b"1" * 1030 + b"\rAT\r", ERROR + OK),
    (b"AT" + b" " * 1024 + b"\r", OK),
    (b"AT&Z3=T555 1234\rAT&Z3?\r", OK + b"\r\nT555 1234\r\n" + OK),
    (b"AT&Z=1\rAT&Z0?\rAT&Z0=\rAT&Z0?\r", OK + b"\r\n1\r\n" + OK + OK + b"\r\n\r\n" + OK),
    (b"AT&Z20=1\r", ERROR),
    (b"AT&ZL?\r", b"\r\n\r\n" + OK),
]


@pytest.mark.parametrize(("typed", "read"), QUIET)
def test_without_echo(typed: bytes, read: bytes) -> None:
    Playbook().says(typed, read)


@pytest.mark.parametrize(("typed", "read"), QUIET)
def test_one_byte_at_a_time(typed: bytes, read: bytes) -> None:
    book = Playbook()
    for byte in typed:
        book.dte(bytes((byte,)))
    book.expect(read)


@pytest.mark.parametrize("letters", [b"At", b"aT"])
def test_a_prefix_in_mixed_case_where_it_is_wanted(letters: bytes) -> None:
    Playbook(options=Options(prefix_any_case=True)).says(letters + b"\r", OK)


def test_unknown_letters_are_ok_where_that_is_wanted_but_never_behind_a_plus() -> None:
    book = Playbook(options=Options(unknown_ok=True))
    book.says(b"ATG5\r", OK).says(b"AT%V\r", OK).says(b"ATS200=1\r", OK)
    book.says(b"AT+CGMI\r", ERROR).says(b"AT#CLS?\r", ERROR)
    for line in (b"-C", b"-D1", b"-SSE=1", b"*B", b"$SB=1", b":T", b"X9", b"&D9", b"S0=256"):
        book.says(b"AT" + line + b"\r", ERROR)


def test_returning_online_says_connect_again() -> None:
    book = Playbook().into(State.ONLINE_COMMAND)
    book.says(b"ATO\r", b"\r\nCONNECT 115200\r\n").state(State.ONLINE)


def test_no_second_call_while_one_is_kept() -> None:
    book = Playbook().into(State.ONLINE_COMMAND)
    book.says(b"ATD123\r", ERROR).says(b"ATA\r", ERROR).state(State.ONLINE_COMMAND)


# -- in online data state ------------------------------------------------------------------------------------


def test_data_in_front_of_the_escape_sequence_makes_it_data() -> None:
    book = Playbook().into(State.ONLINE)
    book.dte(b"a+++").expect(SendCall(b"a+++")).wait(5).nothing().state(State.ONLINE)


def test_the_escape_sequence_between_two_silences() -> None:
    book = Playbook().into(State.ONLINE)
    book.dte(b"+++").expect(SendCall(b"+++"))
    book.wait(0.999).nothing().wait(0.001).expect(OK).state(State.ONLINE_COMMAND)


def test_four_escape_characters_are_data() -> None:
    book = Playbook().into(State.ONLINE)
    book.dte(b"++++").expect(SendCall(b"++++")).wait(5).nothing().state(State.ONLINE)


# -- both ends of a call -------------------------------------------------------------------------------------


def test_carrier_is_there_before_connect_and_gone_before_no_carrier() -> None:
    book = Playbook().dte(b"ATD1\r").forget().carrier()
    book.expect(SetCircuit(Circuit.DCD, True), b"\r\nCONNECT 115200\r\n")
    book.lost().expect(SetCircuit(Circuit.DCD, False), NO_CARRIER)


def test_numeric_codes_of_a_call() -> None:
    book = Playbook(b"V0").arrives().expect(b"2\r").dte(b"ATA\r").forget()
    book.carrier().expect(b"19\r").lost().expect(b"3\r")


def test_hanging_up_by_command_is_ok_and_only_that() -> None:
    book = Playbook().into(State.ONLINE_COMMAND)
    book.dte(b"ATH0\r")
    assert book.words() == OK
    book.state(State.IDLE)
