"""Replies and requests of the Megatec protocol."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.vmodem.wire.chunks import cut, cuts
from vmodem.wire import megatec

EXAMPLE = b"(226.0 195.0 226.0 014 49.0 27.5 30.0 00001000"


def test_status() -> None:
    found = megatec.status(EXAMPLE)
    assert found == megatec.Status(
        input_voltage="226.0",
        input_fault="195.0",
        output_voltage="226.0",
        load="14",
        frequency="49.0",
        battery="27.5",
        temperature="30.0",
        mains_failed=False,
        battery_low=False,
        regulating=False,
        failed=False,
        standby=True,
        testing=False,
        shutting_down=False,
        beeper=False,
    )
    assert megatec.status(EXAMPLE + b" ") == found


@pytest.mark.parametrize("place", range(8))
def test_each_bit(place: int) -> None:
    bits = bytearray(b"00000000")
    bits[place] = 0x31
    found = megatec.status(EXAMPLE[:38] + bytes(bits))
    assert found is not None
    flags = [
        found.mains_failed,
        found.battery_low,
        found.regulating,
        found.failed,
        found.standby,
        found.testing,
        found.shutting_down,
        found.beeper,
    ]
    assert flags == [at == place for at in range(8)]


def test_what_is_not_measured_is_left_out() -> None:
    found = megatec.status(b"(---.- 195.0 226.0 --- 49.0 2.27 --.- 10001001")
    assert found is not None
    assert (found.input_voltage, found.load, found.temperature) == (None, None, None)
    assert (found.battery, found.mains_failed, found.beeper) == ("2.27", True, True)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"(",
        EXAMPLE[:-1],
        EXAMPLE + b"0",
        EXAMPLE[1:],
        b"#" + EXAMPLE[1:],
        EXAMPLE[:-1] + b"2",
        EXAMPLE.replace(b"226.0", b"22x.0", 1),
        EXAMPLE.replace(b"226.0", b"22600", 1),
        EXAMPLE.replace(b"226.0", b"2.6.0", 1),
        EXAMPLE.replace(b" 014 ", b"0014 "),
        EXAMPLE.replace(b"49.0", b"4900"),
        EXAMPLE.replace(b"195.0 ", b"195.0"),
        b"(" + b"0" * 45,
    ],
)
def test_all_of_a_status_or_nothing(line: bytes) -> None:
    assert megatec.status(line) is None


def test_ratings_and_vendor() -> None:
    assert megatec.ratings(b"#220.0 000 024.0 50.0") == megatec.Ratings("220.0", "0", "24.0", "50.0")
    assert megatec.ratings(b"#220.0 000 24.00 5x.0") is None
    assert megatec.ratings(b"#220.0 000 024.0") is None
    line = b"#" + b"ACME".ljust(15) + b" " + b"RACK".ljust(10) + b" " + b"V1".ljust(10)
    assert len(line) == 38
    assert megatec.vendor(line) == megatec.Vendor("ACME", "RACK", "V1")
    assert megatec.vendor(line[:-1]) == megatec.Vendor("ACME", "RACK", "V1")
    assert megatec.vendor(line[:-2]) is None
    assert megatec.vendor(b"#" + b" " * 37) is None
    assert megatec.vendor(b"I") is None


def test_refusals() -> None:
    assert megatec.refused(b"XYZ", b"XYZ")
    assert not megatec.refused(b"XY", b"XYZ")
    assert megatec.acknowledged(b"(ACK")
    assert megatec.acknowledged(b"ACK")
    assert not megatec.acknowledged(b"")


@pytest.mark.parametrize(
    ("off", "on", "request_"),
    [
        (30, 180, b"S.5R0003"),
        (12, 180, b"S.2R0003"),
        (54, 0, b"S.9"),
        (55, 180, b"S01R0003"),
        (60, 60, b"S01R0003"),
        (600, 599940, b"S10R9999"),
        (61, 181, b"S02R0004"),
    ],
)
def test_shutdown(off: int, on: int, request_: bytes) -> None:
    assert megatec.shutdown_return(off, on) == request_


def test_other_requests() -> None:
    assert megatec.shutdown_stayoff(30) == b"S.5R0000"
    assert megatec.battery_test(10) == b"T10"
    for wrong in (lambda: megatec.shutdown_stayoff(11), lambda: megatec.shutdown_return(30, 599941)):
        with pytest.raises(ValueError):
            wrong()
    for minutes in (0, 100):
        with pytest.raises(ValueError):
            megatec.battery_test(minutes)


@given(st.binary(max_size=200), st.data())
def test_any_bytes_in_any_chunking(data: bytes, draw: st.DataObject) -> None:
    whole, pieces = megatec.Replies(), megatec.Replies()
    expected = whole.receive(data)
    found = [line for chunk in cut(data, draw.draw(cuts(len(data)))) for line in pieces.receive(chunk)]
    assert found == expected
    assert whole.begun == pieces.begun
    for line in expected:
        if line is not None:
            assert len(line) <= megatec.REPLY_LIMIT
            megatec.ratings(line)
            megatec.vendor(line)


@given(st.text("0123456789.- ()#abx\x00\xff", max_size=60).map(lambda text: text.encode("latin-1")))
def test_nothing_but_a_status_is_one(line: bytes) -> None:
    found = megatec.status(line)
    if found is not None:
        shape = line.rstrip(b" ")
        assert len(shape) == 46
        assert set(shape[38:]) <= set(b"01")
        for figure in (found.input_voltage, found.output_voltage, found.battery, found.load):
            assert figure is None or float(figure) < 1000


@given(st.integers(0, 45), st.binary(min_size=1, max_size=1))
def test_a_disturbed_character_never_makes_another_status_word(place: int, byte: bytes) -> None:
    """Where a status comes of it all the same, only the figure it is in differs, or a bit of its own."""
    line = EXAMPLE[:place] + byte + EXAMPLE[place + 1 :]
    found, good = megatec.status(line), megatec.status(EXAMPLE)
    assert good is not None
    if found is not None and place < 38:
        differ = [name for name, value in vars(found).items() if value != getattr(good, name)]
        assert len(differ) <= 1
        assert found.mains_failed is found.battery_low is False


@given(st.data())
def test_a_cut_or_glued_reply_is_none(draw: st.DataObject) -> None:
    at = draw.draw(st.integers(0, 45))
    replies = megatec.Replies()
    lines = replies.receive(EXAMPLE[:at] + EXAMPLE + b"\r")
    assert at == 0 or all(line is None or megatec.status(line) is None for line in lines)


def test_a_damaged_character_spoils_the_reply() -> None:
    replies = megatec.Replies()
    replies.receive(EXAMPLE[:10])
    replies.spoil()
    assert replies.receive(EXAMPLE[10:] + b"\r") == [None]
    assert replies.receive(b"\n" + EXAMPLE + b"\r") == [EXAMPLE]
    assert replies.receive(b"x" * 500 + b"\r" + EXAMPLE + b"\r") == [None, EXAMPLE]
