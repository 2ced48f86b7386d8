"""What is said of a connection: every cell of X, W and V in three tables, S95, and V.250's own reports."""

from __future__ import annotations

import itertools

import pytest

from atparser import DIALECTS, Options
from atparser.results import STANDARD_RATES, TABLES
from tests.helpers.playbook import Playbook

#: A DTE at 38400 bit/s on a line at 33600: what each rate is in numbers.
DTE_NUMBER = {"rockwell": b"17\r", "hayes": b"28\r", "usr": b"1\r"}
LINE_NUMBER = {"rockwell": b"84\r", "hayes": b"35\r", "usr": b"155\r"}
VERBOSE = {
    "plain": b"\r\nCONNECT\r\n",
    "dte": b"\r\nCONNECT 38400\r\n",
    "line": b"\r\nCONNECT 33600\r\n",
    "carrier": b"\r\nCARRIER 33600\r\n",
    "protocol": b"\r\nPROTOCOL: LAPM\r\n",
    "compression": b"\r\nCOMPRESSION: NONE\r\n",
}


def connected(init: bytes, *, rate: int = 38400, call_rate: int = 0, options: Options | None = None) -> bytes:
    book = Playbook(init, rate=rate, options=options).dte(b"ATD1\r").forget()
    book._keep(book.modem.carrier_detected(book.now, call_rate))
    return book.words()


def cells() -> list[tuple[str, int, int, int]]:
    return list(itertools.product(TABLES, range(8), range(4), (0, 1)))


@pytest.mark.parametrize(("table", "x", "w", "v"), cells())
def test_every_cell(table: str, x: int, w: int, v: int) -> None:
    parts = ["plain"] if not x else {1: ["carrier", "protocol", "dte"], 2: ["line"]}.get(w, ["dte"])
    numbers = {
        "plain": b"1\r",
        "dte": DTE_NUMBER[table],
        "line": LINE_NUMBER[table],
        "carrier": b"79\r",
        "protocol": b"77\r",
    }
    said = connected(b"X%dW%dV%d" % (x, w, v), options=Options(result_table=table))
    assert said == b"".join((VERBOSE if v else numbers)[part] for part in parts)


@pytest.mark.parametrize("s95", range(64))
@pytest.mark.parametrize("w", [0, 1, 2])
def test_s95_adds_lines(s95: int, w: int) -> None:
    said = b""
    if w == 1 or s95 & 4:
        said += VERBOSE["carrier"]
    if w == 1 or s95 & 8:
        said += VERBOSE["protocol"]
    if s95 & 32:
        said += VERBOSE["compression"]
    last = VERBOSE["line" if w == 2 or s95 & 1 else "dte"]
    said += last.replace(b"00\r", b"00/ARQ\r") if s95 & 2 else last
    assert connected(b"W%dS95=%d" % (w, s95)) == said


REPORTS = {
    b"+MR=1": b"+MCR: V34|+MRR: 33600",
    b"+MR=2": b"+MCR: V34|+MRR: 33600,33600",
    b"+ER=1": b"+ER: LAPM",
    b"+ER=1;+ES=1": b"+ER: NONE",
    b"+ER=1;+ES=0": b"+ER: NONE",
    b"+ER=1&Q0": b"+ER: NONE",
    b"+DR=1": b"+DR: NONE",
    b"+ILRR=1": b"+ILRR: 38400",
    b"+ILRR=1;+MR=1;+DR=1;+ER=1": b"+MCR: V34|+MRR: 33600|+ER: LAPM|+DR: NONE|+ILRR: 38400",
}


@pytest.mark.parametrize("x", [0, 4])
@pytest.mark.parametrize("init", REPORTS)
def test_reports_of_v250_in_its_order_whatever_x(init: bytes, x: int) -> None:
    lines = REPORTS[init].split(b"|")
    last = b"\r\nCONNECT 38400\r\n" if x else b"\r\nCONNECT\r\n"
    assert connected(init + b"X%d" % x) == b"".join(b"\r\n" + line + b"\r\n" for line in lines) + last
    numeric = b"17\r" if x else b"1\r"
    # No numbers for these: the text stays, and only what stands around it follows V (clause 5.7.2).
    assert connected(init + b"X%dV0" % x) == b"".join(line + b"\r" for line in lines) + numeric
    assert connected(init + b"Q1") == b""


def test_reports_of_both_kinds() -> None:
    said = connected(b"W1+MR=1;+ER=1").split(b"\r\n")
    assert [line for line in said if line] == [
        b"CARRIER 33600",
        b"PROTOCOL: LAPM",
        b"+MCR: V34",
        b"+MRR: 33600",
        b"+ER: LAPM",
        b"CONNECT 38400",
    ]


@pytest.mark.parametrize(
    ("init", "line"),
    [
        (b"", 33600),
        (b"S37=3", 300),
        (b"S37=5", 1200),
        (b"S37=6", 2400),
        (b"S37=8", 4800),
        (b"S37=9", 9600),
        (b"S37=10", 12000),
        (b"S37=11", 14400),
        (b"S37=12", 7200),
        (b"S37=19", 28800),
        (b"S37=255", 28800),
        (b"&N1", 300),
        (b"&N2", 1200),
        (b"&N6", 9600),
        (b"&N16", 33600),
        (b"&N17", 33600),
        (b"+MS=V21", 300),
        (b"+MS=V22", 1200),
        (b"+MS=V22B", 2400),
        (b"+MS=V32", 9600),
        (b"+MS=V32B", 14400),
        (b"+MS=V90", 33600),
        (b"+MS=V34,1,0,19200", 19200),
        (b"+MS=V34,1,0,0,0,4800", 4800),
        (b"+MS=V34,1,0,20000", 19200),
        (b"+MS=V32B&N6S37=10", 9600),
        (b"$LINERATE=21600", 21600),
    ],
)
def test_what_limits_the_line(init: bytes, line: int) -> None:
    names = ((300, "V21"), (1200, "V22"), (2400, "V22B"), (9600, "V32"), (14400, "V32B"), (33600, "V34"))
    name = next(name for rate, name in names if line <= rate)
    report = f"\r\n+MCR: {name}\r\n\r\n+MRR: {line}\r\n".encode()
    last = b"\r\nCONNECT\r\n" if line <= 300 else b"\r\nCONNECT %d\r\n" % line
    assert connected(init + b";W2+MR=1") == report + last


@pytest.mark.parametrize(
    ("call", "rate", "line"),
    [
        (2400, 38400, 2400),
        (300, 38400, 300),
        (0, 38400, 33600),
        (2400, 1200, 1200),
        (50000, 38400, 33600),
        (9601, 38400, 9600),
        (50, 38400, 300),
    ],
)
def test_a_call_with_a_rate_of_its_own(call: int, rate: int, line: int) -> None:
    said = connected(b"+MR=1", rate=rate, call_rate=call)
    assert b"\r\n+MRR: %d\r\n" % line in said
    assert said.endswith(b"CONNECT %d\r\n" % rate)  # by default CONNECT names the DTE's rate


def test_the_rate_of_a_call_is_kept_until_it_ends() -> None:
    book = Playbook(b"W2").dte(b"ATD1\r").forget()
    book._keep(book.modem.carrier_detected(book.now, 4800))
    book.expect(b"\r\nCONNECT 4800\r\n").wait(2).escaped()
    book.says(b"ATO\r", b"\r\nCONNECT 4800\r\n").lost().forget()
    book.dte(b"ATD2\r").forget().carrier().expect(b"\r\nCONNECT 33600\r\n")


def test_without_automode_the_modulation_is_the_one_asked_for() -> None:
    assert connected(b"+MS=V23C,0;+MR=1").startswith(b"\r\n+MCR: V23C\r\n\r\n+MRR: 1200\r\n")


USR = Options(**DIALECTS["usr"])


@pytest.mark.parametrize(
    ("init", "options", "said"),
    [
        (b"&A0", None, b"CONNECT 38400"),
        (b"&A1", None, b"CONNECT 38400/ARQ"),
        (b"&A2", None, b"CONNECT 38400/ARQ"),
        (b"&A3", None, b"CONNECT 38400/ARQ"),
        (b"\\V1", None, b"CONNECT 38400/REL"),
        (b"\\V2", None, b"CONNECT 38400/REL"),
        (b"&A1\\V1", None, b"CONNECT 38400/ARQ"),
        (b"&A3&Q0", None, b"CONNECT 38400"),
        (b"&A3\\N0", None, b"CONNECT 38400"),
        (b"&A3+ES=1", None, b"CONNECT 38400"),
        (b"&A3W2", USR, b"CONNECT 33600/ARQ/V34/LAPM/V42BIS"),
        (b"&A3W2%C0", USR, b"CONNECT 33600/ARQ/V34/LAPM"),
        (b"&A3W2&N6", USR, b"CONNECT 9600/ARQ/V32/LAPM/V42BIS"),
        (b"&A1W2", USR, b"CONNECT 33600/ARQ"),
        (b"&A3&M0&Q0W2", USR, b"CONNECT 33600"),
    ],
)
def test_suffixes(init: bytes, options: Options | None, said: bytes) -> None:
    assert connected(init, options=options) == b"\r\n" + said + b"\r\n"


def test_the_number_of_a_connection_with_suffixes() -> None:
    assert connected(b"&A3W2V0", options=USR) == b"155\r"
    assert connected(b"&A3W2V0") == b"84\r"


@pytest.mark.parametrize("rate", STANDARD_RATES)
def test_a_fixed_rate_is_the_one_that_is_named(rate: int) -> None:
    if rate in (300, 600, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400, 460800):
        said = b"\r\nCONNECT\r\n" if rate == 300 else b"\r\nCONNECT %d\r\n" % rate
        assert connected(b"+IPR=%d" % rate, rate=230400) == said
        assert connected(b"+ILRR=1;+IPR=%d" % rate, rate=230400).startswith(b"\r\n+ILRR: %d\r\n" % rate)
    else:
        Playbook().says(b"AT+IPR=%d\r" % rate, b"\r\nERROR\r\n")
