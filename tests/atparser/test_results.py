"""Result codes: which the settings allow, what they are called and numbered, how they are framed."""

from __future__ import annotations

import itertools
import re

import pytest

from atparser import DIALECTS, CallFailure, Options, State
from atparser.results import STANDARD_RATES
from tests.helpers.playbook import Playbook

OK = b"\r\nOK\r\n"

# By X: which of BUSY and NO DIALTONE are allowed; NO ANSWER where it needs no @.
ALLOWED = {0: "", 1: "", 2: "D", 3: "B", 4: "BD", 5: "BA", 6: "BDA", 7: "BDA"}


@pytest.mark.parametrize("silence", [False, True])
@pytest.mark.parametrize("failure", list(CallFailure))
@pytest.mark.parametrize("x", range(8))
def test_what_x_lets_the_dte_see(x: int, failure: CallFailure, silence: bool) -> None:
    said = {
        CallFailure.REFUSED: b"BUSY" if "B" in ALLOWED[x] else b"NO CARRIER",
        CallFailure.NO_NETWORK: b"NO DIALTONE" if "D" in ALLOWED[x] else b"NO CARRIER",
        CallFailure.LINE_BUSY: b"NO DIALTONE" if "D" in ALLOWED[x] else b"NO CARRIER",
        CallFailure.UNANSWERED: b"NO ANSWER" if silence or x else b"NO CARRIER",
        CallFailure.DELAYED: b"DELAYED" if x >= 4 else b"NO CARRIER",
        CallFailure.NO_ANSWER: b"NO ANSWER" if silence or "A" in ALLOWED[x] else b"NO CARRIER",
    }.get(failure, b"NO CARRIER")
    book = Playbook(b"X%d" % x).dte(b"ATD1%b\r" % (b"@" if silence else b"")).forget()
    book.fails(failure).expect(b"\r\n" + said + b"\r\n")


@pytest.mark.parametrize(("dialect", "said"), [("rockwell", b"24\r"), ("hayes", b"3\r"), ("usr", b"3\r")])
def test_too_many_calls(dialect: str, said: bytes) -> None:
    """Only one maker's table has a word for it; others' DTEs know NO CARRIER."""
    book = Playbook(b"V0", options=Options(**DIALECTS[dialect])).into(State.DIALING)
    book.fails(CallFailure.DELAYED).expect(said)


@pytest.mark.parametrize("silence", [False, True])
def test_s7_with_and_without_waiting_for_silence(silence: bool) -> None:
    book = Playbook(b"S7=3").dte(b"ATD1%b\r" % (b"@" if silence else b"")).wait(2.999).forget().wait(0.001)
    assert book.words() == (b"\r\nNO ANSWER\r\n" if silence else b"\r\nNO CARRIER\r\n")


def test_the_usr_dialect_spells_no_dial_tone_so() -> None:
    usr = Options(**DIALECTS["usr"])
    Playbook(options=usr).into(State.DIALING).fails(CallFailure.NO_NETWORK).expect(b"\r\nNO DIAL TONE\r\n")
    Playbook(b"V0", options=usr).into(State.DIALING).fails(CallFailure.NO_NETWORK).expect(b"6\r")


def connect(book: Playbook) -> bytes:
    book.dte(b"ATD1\r").forget().carrier()
    return book.words()


SPOTS = {
    "rockwell": {
        300: 1,
        1200: 5,
        2400: 10,
        4800: 11,
        7200: 13,
        9600: 12,
        14400: 15,
        19200: 16,
        28800: 64,
        33600: 84,
    }
    | {31200: 91, 38400: 17, 57600: 18, 115200: 19, 230400: 20},
    "hayes": {
        300: 1,
        1200: 5,
        2400: 10,
        4800: 11,
        7200: 24,
        9600: 12,
        14400: 13,
        19200: 14,
        28800: 32,
        33600: 35,
    }
    | {31200: 1, 38400: 28, 57600: 18, 115200: 33, 230400: 1},
    "usr": {
        300: 1,
        1200: 5,
        2400: 10,
        4800: 18,
        7200: 20,
        9600: 13,
        14400: 25,
        19200: 85,
        28800: 107,
        33600: 155,
    }
    | {31200: 151, 38400: 1, 57600: 1, 115200: 1, 230400: 1},
}


@pytest.mark.parametrize(
    ("table", "rate", "number"),
    [(table, rate, number) for table, rows in SPOTS.items() for rate, number in rows.items()],
)
def test_number_of_connect(table: str, rate: int, number: int) -> None:
    options = Options(result_table=table)
    assert connect(Playbook(b"V0", options=options, rate=rate)) == b"%d\r" % number
    text = b"CONNECT" if rate <= 300 else b"CONNECT %d" % rate
    assert connect(Playbook(options=options, rate=rate)) == b"\r\n" + text + b"\r\n"
    assert connect(Playbook(b"V0X0", options=options, rate=rate)) == b"1\r"
    assert connect(Playbook(b"X0", options=options, rate=rate)) == b"\r\nCONNECT\r\n"


@pytest.mark.parametrize(
    ("rate", "said"),
    [
        (0, 115200),
        (110, 300),
        (301, 300),
        (599, 300),
        (1199, 600),
        (31250, 31200),
        (76800, 57600),
        (115199, 57600),
        (460800, 230400),
        (4000000, 230400),
    ],
)
def test_only_standard_rates_are_named(rate: int, said: int) -> None:
    text = b"\r\nCONNECT\r\n" if said <= 300 else b"\r\nCONNECT %d\r\n" % said
    assert connect(Playbook(rate=rate)) == text


@pytest.mark.parametrize(
    ("init", "said"),
    [
        (b"W0", "CONNECT 115200"),
        (b"W1", "CARRIER 33600|PROTOCOL: LAPM|CONNECT 115200"),
        (b"W2", "CONNECT 33600"),
        (b"W1&Q0", "CARRIER 33600|PROTOCOL: NONE|CONNECT 115200"),
        (b"W1\\N0", "CARRIER 33600|PROTOCOL: NONE|CONNECT 115200"),
        (b"S95=1", "CONNECT 33600"),
        (b"S95=2", "CONNECT 115200/ARQ"),
        (b"S95=4", "CARRIER 33600|CONNECT 115200"),
        (b"S95=8", "PROTOCOL: LAPM|CONNECT 115200"),
        (b"S95=32", "COMPRESSION: NONE|CONNECT 115200"),
        (b"S95=47", "CARRIER 33600|PROTOCOL: LAPM|COMPRESSION: NONE|CONNECT 33600/ARQ"),
        (b"S95=47X0", "CONNECT"),
        (b"\\V1", "CONNECT 115200/REL"),
        (b"&A1", "CONNECT 115200/ARQ"),
        (b"&A1&Q0", "CONNECT 115200"),
        (b"S37=11W2", "CONNECT 14400"),
        (b"V0W1", "79!77!19"),
        (b"V0W2S95=47", "79!77!69!84"),
    ],
)
def test_what_connect_reports(init: bytes, said: str) -> None:
    if "!" in said:
        wanted = b"".join(f"{number}\r".encode() for number in said.split("!"))
    else:
        wanted = b"".join(f"\r\n{text}\r\n".encode() for text in said.split("|"))
    assert connect(Playbook(init)) == wanted


def test_pinned_rate_and_text() -> None:
    assert connect(Playbook(options=Options(connect_rate=2400))) == b"\r\nCONNECT 2400\r\n"
    assert connect(Playbook(b"V0", options=Options(connect_rate=2400))) == b"10\r"
    assert connect(Playbook(options=Options(connect_text="CONNECT FAST"))) == b"\r\nCONNECT FAST\r\n"


SETTINGS = list(itertools.product(range(8), range(4), (0, 1), (0, 1, 2, 4, 8, 32, 47, 255)))
RATES = (0, 50, 300, 2400, 9600, 31250, 33600, 115200, 230400, 921600)
NUMERIC = re.compile(rb"(?:\d{1,3}\r)*\d{1,3}\r")
VERBOSE = re.compile(
    rb"(?:\r\n(?:CARRIER (\d+)|PROTOCOL: (?:NONE|LAPM)|COMPRESSION: NONE)\r\n)*"
    rb"\r\nCONNECT(?: (\d+)(?:/ARQ|/REL)?)?\r\n"
)


@pytest.mark.parametrize("table", ["rockwell", "hayes", "usr"])
def test_connect_is_well_formed_whatever_the_settings(table: str) -> None:
    book = Playbook(options=Options(result_table=table))
    for x, w, v, s95 in SETTINGS:
        book.dte(b"ATX%dW%dV%dS95=%d&D2\r" % (x, w, v, s95)).forget()
        for rate in RATES:
            book.modem.dte_rate = rate
            said = connect(book)
            book.lost().forget()
            if not v:
                assert NUMERIC.fullmatch(said)
                continue
            found = VERBOSE.fullmatch(said)
            assert found, said
            assert all(int(number) in STANDARD_RATES for number in found.groups() if number)


# -- Q -------------------------------------------------------------------------------------------------------


def talk(book: Playbook, incoming: bool) -> bytes:
    if incoming:
        book.arrives().dte(b"ATA\r")
    else:
        book.dte(b"ATD1\r")
    book.wait(0.5).carrier().wait(2).dte(b"+++").wait(2).dte(b"ATO\r").wait(1).lost()
    return book.words()


def test_q0_says_all() -> None:
    connected, gone = b"\r\nCONNECT 115200\r\n", b"\r\nNO CARRIER\r\n"
    assert talk(Playbook(), False) == connected + OK + connected + gone
    assert talk(Playbook(), True) == b"\r\nRING\r\n" + connected + OK + connected + gone


@pytest.mark.parametrize("incoming", [False, True])
def test_q1_says_nothing(incoming: bool) -> None:
    book = Playbook(b"Q1")
    assert talk(book, incoming) == b""
    book.says(b"ATFOO\r", b"").says(b"ATI0\r", b"\r\n56000\r\n")


def test_q2_says_nothing_of_incoming_calls() -> None:
    book = Playbook(b"Q2")
    assert talk(book, True) == OK  # of the escape
    book.says(b"AT\r", OK).says(b"ATFOO\r", b"\r\nERROR\r\n")
    assert talk(book, False) == talk(Playbook(), False)


def test_q2_says_how_a_dial_without_a_number_went_even_after_an_incoming_call() -> None:
    book = Playbook(b"Q2").arrives().leaves().wait(10).forget()
    book.says(b"ATD\r", b"\r\nNO CARRIER\r\n")


@pytest.mark.parametrize(("table", "split"), [("ROCKWELL", (22, 23)), ("HAYES", (26, 27)), ("USR", (1, 1))])
def test_numbers_of_split_rates(table: str, split: tuple[int, int]) -> None:
    for text, number in zip(("75TX/1200RX", "1200TX/75RX"), split, strict=True):
        book = Playbook(f'V0$RESULTS={table};$GREETING="CONNECT {text}"'.encode())
        assert connect(book) == b"%d\r" % number
