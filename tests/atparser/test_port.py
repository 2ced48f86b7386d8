"""What the DTE asks of its port: +IPR and +ICF, obeyed behind the answer; and S23, which shows it."""

from __future__ import annotations

import json

import pytest

from atparser import Modem, SetFraming, SetRate, State, Store
from tests.helpers.playbook import Playbook

OK = b"\r\nOK\r\n"
ERROR = b"\r\nERROR\r\n"
FRAMINGS = {
    (0, 3): SetFraming(0, "N", 1),
    (1, 0): SetFraming(8, "N", 2),
    (2, 0): SetFraming(8, "O", 1),
    (2, 1): SetFraming(8, "E", 1),
    (2, 2): SetFraming(8, "M", 1),
    (2, 3): SetFraming(8, "S", 1),
    (4, 0): SetFraming(7, "N", 2),
    (5, 0): SetFraming(7, "O", 1),
    (5, 1): SetFraming(7, "E", 1),
    (6, 3): SetFraming(7, "N", 1),
}


@pytest.mark.parametrize("rate", [300, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200])
def test_rate_changes_behind_the_answer_of_its_line(rate: int) -> None:
    book = Playbook().dte(b"AT+IPR=%d;S7?\r" % rate)
    book.expect(b"\r\n050\r\n" + OK, SetRate(rate))
    book.says(b"AT+IPR=%d\r" % rate, OK)  # once
    book.dte(b"AT+IPR=0\r").expect(OK, SetRate(0))


@pytest.mark.parametrize("framing", FRAMINGS)
def test_framing_changes_behind_the_answer_of_its_line(framing: tuple[int, int]) -> None:
    book = Playbook().dte(b"AT+ICF=%d,%d\r" % framing).expect(OK, FRAMINGS[framing])
    book.says(b"AT\r", OK).dte(b"AT+ICF=3,3\r").expect(OK, SetFraming(8, "N", 1))


def test_both_at_once_and_numeric_and_silent() -> None:
    Playbook(b"V0").dte(b"AT+IPR=9600;+ICF=5,1\r").expect(b"0\r", SetRate(9600), SetFraming(7, "E", 1))
    Playbook(b"Q1").dte(b"AT+IPR=9600\r").expect(SetRate(9600))


def test_what_ran_before_a_failure_counts() -> None:
    Playbook().dte(b"AT+IPR=9600;+IPR=1\r").expect(ERROR, SetRate(9600))


def test_a_line_that_dials_is_answered_when_the_call_is() -> None:
    book = Playbook(b"W1").dte(b"AT+IPR=9600D1\r")
    assert [type(one.action).__name__ for one in book.taken()] == ["Originate"]
    book.carrier()
    report = b"\r\nCARRIER 9600\r\n\r\nPROTOCOL: LAPM\r\n\r\nCONNECT 9600\r\n"
    book.expect(report, SetRate(9600)).state(State.ONLINE)
    book = Playbook().dte(b"AT+IPR=9600D1\r").forget().fails().expect(b"\r\nBUSY\r\n", SetRate(9600))


def test_a_stored_rate_is_asked_for_at_power_up_and_not_by_z() -> None:
    book = Playbook(b"+IPR=9600;+ICF=5,1").dte(b"AT&W\r").expect(OK)
    store = json.loads(json.dumps(book.snapshots[-1]))
    modem = Modem(store=Store(store))
    assert [a for a in modem.start(0.0) if isinstance(a, (SetRate, SetFraming))] == [
        SetRate(9600),
        SetFraming(7, "E", 1),
    ]
    again = Playbook(store=Store(store)).dte(b"AT+IPR=19200\r").expect(OK, SetRate(19200))
    again.dte(b"ATZE0\r").expect(OK).says(b"AT+IPR?\r", b"\r\n+IPR: 19200\r\n" + OK)
    again.dte(b"AT&FE0\r").expect(OK).says(b"AT+IPR?\r", b"\r\n+IPR: 19200\r\n" + OK)


def test_the_init_string_may_ask() -> None:
    modem = Modem()
    assert SetRate(2400) in modem.start(0.0, "+IPR=2400")


@pytest.mark.parametrize(
    ("rate", "bits"),
    [
        (0, 7),
        (110, 0),
        (300, 0),
        (600, 1),
        (1200, 2),
        (2400, 3),
        (4800, 4),
        (9600, 5),
        (19200, 6),
        (38400, 7),
        (230400, 7),
    ],
)
def test_s23_shows_the_rate(rate: int, bits: int) -> None:
    book = Playbook(rate=rate)
    book.says(b"ATS23?\r", b"\r\n%03d\r\n" % (0x30 | bits << 1) + OK)
    book.says(b"AT&G2S23?\r", b"\r\n%03d\r\n" % (0xB0 | bits << 1) + OK)


@pytest.mark.parametrize(("prefix", "code"), [(b"AT", 3), (b"A\xd4", 0), (b"\xc1T", 2), (b"\xc1\xd4", 3)])
def test_s23_shows_the_parity_of_its_line(prefix: bytes, code: int) -> None:
    book = Playbook(rate=9600).dte(prefix + b"S23?\r")
    said = bytes(byte & 0x7F for byte in book.words())
    assert said == b"\r\n%03d\r\n" % (5 << 1 | code << 4) + OK
