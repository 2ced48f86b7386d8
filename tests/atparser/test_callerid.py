"""Who calls: the two forms of the report, where between the rings they stand, and what may be in them."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atparser import DIALECTS, Answer, Caller, Options, State
from atparser.callerid import lines, message
from atparser.parameters import FORBIDDEN
from tests.helpers.playbook import Playbook

OK = b"\r\nOK\r\n"
RING = b"\r\nRING\r\n"
WHEN = datetime.datetime(2026, 3, 21, 14, 5)
PLANT = Caller("5551234", "PLANT 7")


def ringing(*init: bytes, caller: Caller | None = PLANT, options: Options | None = None) -> Playbook:
    """Somebody calls; the first RING is looked at."""
    book = Playbook(*init, options=options)
    book.arrives(caller, WHEN)
    return book.expect(RING)


BLOCKS = [
    (PLANT, ["DATE = 0321", "TIME = 1405", "NMBR = 5551234", "NAME = PLANT 7"]),
    (Caller("192000002007"), ["DATE = 0321", "TIME = 1405", "NMBR = 192000002007"]),
    (Caller(), ["DATE = 0321", "TIME = 1405", "NMBR = O"]),
    (Caller("555", "X", private=True), ["DATE = 0321", "TIME = 1405", "NMBR = P", "NAME = P"]),
    (Caller("555", "Zürich\r\nAT"), ["DATE = 0321", "TIME = 1405", "NMBR = 555", "NAME = Z?rich??AT"]),
    (Caller("555", "BUSY RING CO"), ["DATE = 0321", "TIME = 1405", "NMBR = 555", "NAME = busy ring CO"]),
]


@pytest.mark.parametrize("setting", [b"+VCID=1", b"#CID=1"])
@pytest.mark.parametrize(("caller", "block"), BLOCKS)
def test_block_between_the_first_and_the_second_ring(
    caller: Caller, block: list[str], setting: bytes
) -> None:
    said = b"".join(f"\r\n{line}\r\n".encode() for line in block)
    book = ringing(setting, caller=caller).wait(1.999).nothing().wait(0.001).expect(said)
    book.wait(3.999).nothing().wait(0.001).expect(RING).wait(6).expect(RING)


def test_block_in_numeric_form_has_no_line_in_front() -> None:
    book = Playbook(b"V0+VCID=1")
    book.arrives(PLANT, WHEN)
    said = b"DATE = 0321\r\nTIME = 1405\r\nNMBR = 5551234\r\nNAME = PLANT 7\r\n"
    book.expect(b"2\r").wait(2).expect(said)


def test_block_without_blanks() -> None:
    said = b"\r\nDATE=0321\r\n\r\nTIME=1405\r\n\r\nNMBR=5551234\r\n\r\nNAME=PLANT 7\r\n"
    ringing(b"+VCID=1", options=Options(**DIALECTS["usr"])).wait(2).expect(said)
    ringing(b"+VCID=1;$CIDBLANKS=0").wait(2).expect(said)


def octets(text: str) -> bytes:
    head, _, digits = text.partition("= ")
    assert head == "MESG "
    assert digits == digits.upper()
    return bytes.fromhex(digits)


def test_message_to_the_octet() -> None:
    """Type 80, length; 01 date and time, 02 number, 07 name; the sum of all octets is 0 modulo 256."""
    said = "80 1C 01 08 30 33 32 31 31 34 30 35 02 07 35 35 35 31 32 33 34 07 07 50 4C 41 4E 54 20 37 75"
    told = said.replace(" ", "")
    assert message(PLANT, WHEN, True) == f"MESG = {told}"
    assert sum(bytes.fromhex(told)) % 256 == 0
    ringing(b"+VCID=2").wait(2).expect(f"\r\nMESG = {told}\r\n".encode())
    ringing(b"#CID=2;$CIDBLANKS=0").wait(2).expect(f"\r\nMESG={told}\r\n".encode())


@pytest.mark.parametrize(
    ("caller", "parts"),
    [
        (Caller(), b"\x04\x01O"),
        (Caller("5", "n", private=True), b"\x04\x01P\x08\x01P"),
        (Caller("5"), b"\x02\x015"),
        (Caller("", "n"), b"\x04\x01O\x07\x01n"),
    ],
)
def test_message_says_why_there_is_no_number(caller: Caller, parts: bytes) -> None:
    found = octets(message(caller, None, True))
    assert found[:2] == bytes((0x80, len(parts)))
    assert found[2:-1] == parts


@given(st.text(max_size=80), st.text(max_size=80), st.booleans(), st.none() | st.datetimes())
def test_whatever_a_caller_is_called(
    number: str, name: str, private: bool, when: datetime.datetime | None
) -> None:
    caller = Caller(number, name, private)
    found = octets(message(caller, when, True))
    assert sum(found) % 256 == 0
    assert found[1] == len(found) - 3
    shown = lines(caller, when, True)
    if private:  # but for the date, who calls makes no difference
        assert shown == lines(Caller("", "", True), when, True)
    for line in shown:
        assert line.isascii()
        assert line.isprintable()
        assert len(line) < 60
        assert not [word for word in FORBIDDEN if word in line]


def test_nothing_is_said_without_being_asked_for_or_of_nobody() -> None:
    ringing().wait(5.9).nothing()
    ringing(b"+VCID=1", caller=None).wait(5.9).nothing()
    ringing(b"+VCID=1;+VCID=0").wait(5.9).nothing()
    book = Playbook(b"Q1+VCID=1")
    book.arrives(PLANT, WHEN)
    book.wait(30).nothing()
    book = Playbook(b"Q2+VCID=1")
    book.arrives(PLANT, WHEN)
    book.wait(30).nothing()


def test_an_automatic_answer_at_the_first_ring_comes_behind_it() -> None:
    book = ringing(b"S0=1+VCID=1").wait(2)
    said = b"".join(f"\r\n{line}\r\n".encode() for line in BLOCKS[0][1])
    book.expect(said, Answer())


def test_an_answer_before_the_end_of_the_burst_leaves_it_out() -> None:
    book = ringing(b"+VCID=1").wait(1).dte(b"ATA\r").expect(Answer()).carrier().forget().wait(60).nothing()
    book.wait(2).escaped()
    said = b"\r\n".join([b"", *(line.encode() for line in BLOCKS[0][1]), b""])
    book.says(b"AT+VRID\r", said + OK)


def test_a_half_typed_line_is_not_broken_up() -> None:
    book = ringing(b"+VCID=1").wait(1.8).dte(b"ATS7").wait(0.9).nothing()
    book.dte(b"?\r")
    said = b"".join(f"\r\n{line}\r\n".encode() for line in BLOCKS[0][1])
    book.expect(b"\r\n050\r\n" + OK + said)


def test_a_half_typed_line_that_stays_so_is_waited_for_a_second() -> None:
    book = ringing(b"+VCID=1").wait(1.8).dte(b"ATS7").wait(0.999).nothing().wait(0.002)
    assert book.words().startswith(b"\r\nDATE")


def test_the_block_comes_once() -> None:
    book = ringing(b"+VCID=1").wait(58)
    assert book.words().count(b"NMBR") == 1


def test_vrid_repeats_it_in_the_form_of_vcid() -> None:
    book = ringing(caller=Caller("5551234")).says(
        b"AT+VRID\r", b"\r\nDATE = 0321\r\nTIME = 1405\r\nNMBR = 5551234\r\n" + OK
    )
    book.dte(b"AT+VCID=2;+VRID\r")
    assert book.words().startswith(b"\r\nMESG = 80")
    book.leaves().wait(5).forget().dte(b"AT+VRID\r")
    assert book.words().startswith(b"\r\nMESG = 80")  # it can be asked whom one has missed
    book.arrives()
    book.forget().says(b"AT+VRID\r", b"\r\nERROR\r\n")


def test_cadence_of_each_burst() -> None:
    book = ringing(b"+VDR=1").wait(1.999).nothing().wait(0.001).expect(b"\r\nDRON=20\r\n")
    book.wait(3.999).nothing().wait(0.001).expect(b"\r\nDROF=40\r\n" + RING)
    book.wait(2).expect(b"\r\nDRON=20\r\n")
    quick = Options(ring_on=0.8, ring_off=0.4)
    ringing(b"+VDR=1,5", options=quick).wait(1.2).expect(b"\r\nDRON=8\r\n\r\nDROF=4\r\n" + RING)
    ringing(b"-SDR=7").wait(6).expect(RING)


@pytest.mark.parametrize(
    ("caller", "said"),
    [
        (PLANT, b"\r\nRING 5551234\r\n"),
        (Caller("192.0.2.7"), b"\r\nRING 192.0.2.7\r\n"),
        (Caller("", "X"), RING),
        (Caller("5551234", private=True), RING),
        (None, RING),
    ],
)
def test_ring_names_the_caller_where_that_is_wanted(caller: Caller | None, said: bytes) -> None:
    book = Playbook(options=Options(ring_info=True))
    book.arrives(caller, WHEN)
    book.expect(said).state(State.RINGING)
    book = Playbook(b"V0", options=Options(ring_info=True))
    book.arrives(caller, WHEN)
    book.expect(b"2\r")
