"""What follows ATD."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atparser.dialstring import LIMIT, Address, DialString, joined, normalise, parse_dial


@pytest.mark.parametrize(
    ("text", "raw", "number"),
    [
        ("5551234", "5551234", "5551234"),
        ("T5551234", "5551234", "5551234"),
        ("t 555 1234", "555 1234", "5551234"),
        ("P5551234", "5551234", "5551234"),
        (" T (555) 12-34 ", "(555) 12-34", "5551234"),
        ("T9W5551234", "9W5551234", "95551234"),
        ("9,5551234", "9,5551234", "95551234"),
        ("555T1234", "555T1234", "5551234"),
        ("5551234@", "5551234@", "5551234"),
        ("5551234!", "5551234!", "5551234"),
        ("5551234R", "5551234R", "5551234"),
        ("5551234I", "5551234I", "5551234"),
        ("*70,555a", "*70,555a", "*70555A"),
        ("#21#", "#21#", "#21#"),
        ("+44 20 7946 0000", "+44 20 7946 0000", "442079460000"),
        ("bbs.example.net", "bbs.example.net", ""),
        ("Ttest.example", "test.example", ""),
        ("test.example", "est.example", ""),
        ("host:23", "host:23", ""),
        ("", "", ""),
        ("T", "", ""),
        ("\u0665\u0665", "\u0665\u0665", ""),
        ("abcd", "abcd", ""),
    ],
)
def test_raw_and_number(text: str, raw: str, number: str) -> None:
    dial = parse_dial(text)
    assert (dial.raw, dial.number) == (raw, number)
    assert (dial.more, dial.literal, dial.last) == (False, False, False)


@pytest.mark.parametrize("text", ["5551234;", "T5551234 ; ", ";", "T;", "S=1;", "L;", '"host";'])
def test_semicolon(text: str) -> None:
    dial = parse_dial(text)
    assert dial.more
    assert ";" not in dial.raw


@pytest.mark.parametrize(
    ("text", "slot"), [("S=3", 3), ("S3", 3), ("s=12", 12), ("S = 0", 0), ("S", 0), ("S=", 0)]
)
def test_stored(text: str, slot: int) -> None:
    assert parse_dial(text).stored == slot
    assert parse_dial(text).address() is None


@pytest.mark.parametrize("text", ["server", "s-1", "S1.example", "TS=1"])
def test_not_stored(text: str) -> None:
    assert parse_dial(text).stored is None


def test_last() -> None:
    assert parse_dial("L").last
    assert parse_dial(" l ").last
    assert not parse_dial("localhost").last
    assert not parse_dial("TL").last


def test_wait_for_silence() -> None:
    assert parse_dial("5551234@").wait_silence
    assert parse_dial("10.0.0.1:23@").wait_silence
    assert parse_dial("10.0.0.1:23@").address() == Address("", "10.0.0.1", 23)
    assert not parse_dial("ssh:me@host").wait_silence
    assert not parse_dial('"a@b"').wait_silence


def test_quoted() -> None:
    for text in ('"test.example:99"', 'T"test.example:99"', '"test.example:99'):
        dial = parse_dial(text)
        assert dial.literal
        assert dial.raw == "test.example:99"
        assert dial.address() == Address("", "test.example", 99)
    assert parse_dial('" T5 "').raw == " T5 "


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.1.2.3", ("", "10.1.2.3", None)),
        ("10.1.2.3:4001", ("", "10.1.2.3", 4001)),
        ("10.1.2.3,4001", ("", "10.1.2.3", 4001)),
        ("10.1.2.3/4001", ("", "10.1.2.3", 4001)),
        ("10.1.2.3 4001", ("", "10.1.2.3", 4001)),
        ("10.1.2.3#4001", ("", "10.1.2.3", 4001)),
        ("192.168.001.009:23", ("", "192.168.1.9", 23)),
        ("bbs.example.net", ("", "bbs.example.net", None)),
        ("bbs.example.net:2323", ("", "bbs.example.net", 2323)),
        ("Bbs.Example.Net,2323", ("", "Bbs.Example.Net", 2323)),
        ("bbs.example.net 2323", ("", "bbs.example.net", 2323)),
        ("c3", ("", "c3", None)),
        ("[::1]", ("", "::1", None)),
        ("[2001:db8::1]:23", ("", "2001:db8::1", 23)),
        ("[fe80::1%eth0]:23", ("", "fe80::1%eth0", 23)),
        ("[::ffff:10.0.0.1],23", ("", "::ffff:10.0.0.1", 23)),
        ("2001:db8::1", ("", "2001:db8::1", None)),
        ("192168001009", ("", "192.168.1.9", None)),
        ("1921680010091002", ("", "192.168.1.9", 1002)),
        ("19216800100965535", ("", "192.168.1.9", 65535)),
        ("192-168-001-009", ("", "192.168.1.9", None)),
        ("192*168*1*9", ("", "192.168.1.9", None)),
        ("192*168*1*9#1002", ("", "192.168.1.9", 1002)),
        ("127.1:80", ("", "127.1", 80)),
        ("2130706433:80", ("", "2130706433", 80)),
        ("0x7f000001:80", ("", "0x7f000001", 80)),
        ("0x7f.1", ("", "0x7f.1", None)),
        ("0177.0.0.1:80", ("", "0177.0.0.1", 80)),
        ("TCP:host:23", ("tcp", "host", 23)),
        ("Ttcp:host:23", ("tcp", "host", 23)),
        ("tcp:[::1]:23", ("tcp", "::1", 23)),
        ("raw:host:23", ("raw", "host", 23)),
        ("telnet:host", ("telnet", "host", None)),
        ("Ttelnet:host", ("telnet", "host", None)),
        ("tls:host:992", ("tls", "host", 992)),
        ("rfc2217:10.0.0.1:7001", ("rfc2217", "10.0.0.1", 7001)),
        ("ssh:host", ("ssh", "host", None)),
        ("unix:/run/a.sock", ("unix", "/run/a.sock", None)),
        ("-host:23", ("raw", "host", 23)),
        ("=host", ("telnet", "host", None)),
        ("+host:99", ("telnet", "host", 99)),
        ("-192168001009", ("raw", "192.168.1.9", None)),
        ("cp:23", ("", "cp", 23)),
        ("Tcp:23", ("", "cp", 23)),
    ],
)
def test_address(text: str, expected: tuple[str, str, int | None]) -> None:
    address = parse_dial(text).address()
    assert address is not None
    assert (address.scheme, address.host, address.port) == expected


def test_address_details() -> None:
    assert parse_dial("ssh:me@host:22").address() == Address("ssh", "host", 22, user="me")
    telnet, plain = parse_dial("=host").address(), parse_dial("+host").address()
    assert telnet is not None
    assert plain is not None
    assert telnet.cr_nul
    assert not plain.cr_nul


@pytest.mark.parametrize(
    "text",
    [
        "5551234",
        "555-1234",
        "0",
        "911",
        "12345678901",
        "123456789012345678",
        "999168001009",
        "192168001256",
        "192*168*1*256",
        "256.1.1.1",
        "192168001009" + "99999",
        "192168001009" + "0",
        "9,1234",
        "1 2",
        "555,1234",
        "55.1234",
        "9W5551234@",
        "+495551234",
        "<put",
        ":::::",
        ":23",
        "host:",
        "host:0",
        "host:65536",
        "host:99999",
        "host:1:2",
        "a..b",
        "host-",
        "[::1",
        "[]",
        "[zz]:1",
        "1.2.3.4.5:6",
        "99999999999:23",
        "tcp:",
        "tcp:5551234",
        "unix:",
        "ssh:@",
        "-",
        "=",
        "+",
        "ho st er",
        "h\u00f6st",
        "\0",
        "host\0:23",
        "*",
        "#",
        "*70",
        "2130706433",
    ],
)
def test_no_address(text: str) -> None:
    assert parse_dial(text).address() is None


def test_joined() -> None:
    whole = joined(parse_dial("T5551;"), parse_dial("T234"))
    assert whole == parse_dial("5551234")
    assert joined(parse_dial(";"), parse_dial("234;")) == parse_dial("234;")
    assert joined(DialString(), parse_dial("1")) == parse_dial("1")
    assert joined(parse_dial("555;"), parse_dial("S=1")).stored == 1
    assert joined(parse_dial("555@;"), parse_dial("1234")).wait_silence
    assert joined(joined(parse_dial("9W;"), parse_dial("555;")), parse_dial("1234")).number == "95551234"
    assert joined(parse_dial("5551234;"), parse_dial("")).number == "5551234"


def test_bounded() -> None:
    for text in (
        "9" * 100_000,
        "T" + "tcp:" + " " * 100_000 + "x",
        "(" * 100_000,
        "1." * 50_000,
        "[" * 99_999,
    ):
        started = time.monotonic()
        dial = parse_dial(text)
        assert dial.address() is None
        assert dial.number == ""
        assert len(dial.raw) <= LIMIT + 1
        assert time.monotonic() - started < 1
    part = parse_dial("5" * 1000 + ";")
    assert len(joined(joined(part, part), part).raw) <= LIMIT + 1


ALPHABET = st.text(alphabet='0123456789TtPp.,:;*#[]-=+/@ LlSs"abcx%W!()\x00\x1b\xff')


@given(st.one_of(st.text(), ALPHABET))
def test_any_text(text: str) -> None:
    dial = parse_dial(text)
    assert set(dial.number) <= set("0123456789ABCD*#")
    address = dial.address()
    if address is not None:
        assert address.port is None or 1 <= address.port <= 65535
        assert address.host
        assert address.scheme == "unix" or (address.host.isascii() and address.host.isprintable())


@given(st.text(alphabet="0123456789ABCDabcd()-., ", max_size=20))
def test_number_is_stable(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


@given(st.text(alphabet="0123456789", max_size=24))
def test_digits_are_no_name(text: str) -> None:
    """Digits are a quad or nothing: what a resolver would be asked for never comes out."""
    address = parse_dial(text).address()
    assert address is None or address.host.count(".") == 3
    quoted = parse_dial(f'"{text}"').address()
    assert quoted is None or quoted.host.count(".") == 3


@given(ALPHABET, ALPHABET)
def test_joined_any(a: str, b: str) -> None:
    first, second = parse_dial(a), parse_dial(b)
    joined(first, second).address()
