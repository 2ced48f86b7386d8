"""Who is meant by a number."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atparser.dialstring import parse_dial
from vmodem.call.directory import Directory, Entry, parse_entry
from vmodem.call.target import TargetError, parse_target


def directory(*keys: str) -> Directory:
    return Directory({key: Entry(parse_target("echo:"), note=key) for key in keys})


BOOK = directory(
    "5551234",
    "555*",
    "5551*",
    "555????",
    "55512??",
    "Alice",
    "a*b",
    "9,*",
    "9,5551*",
    "(700) 1??",
    "*99",
    "0800-*",
)


@pytest.mark.parametrize(
    ("dialled", "rule"),
    [
        ("T5551234", "5551234"),
        ("T555-1234", "5551234"),
        ("T(555) 12 34", "5551234"),
        ("5551234@", "5551234"),
        ("T5551235", "55512??"),
        ("T555-1235", "55512??"),
        ("T5559999", "555????"),
        ("T55599999", "555*"),
        ("T555199", "5551*"),
        ("T5551", "5551*"),
        ("T555", "555*"),
        ("alice", "Alice"),
        ("TALICE", "Alice"),
        ('"alice"', "Alice"),
        ("Ta*b", "a*b"),
        ("T9,123", "9,*"),
        ("T9,5551234", "9,5551*"),
        ("T9551234", None),  # no pause was dialled: not the outside line
        ("T700123", "(700) 1??"),
        ("T70012", None),
        ("T7001234", None),
        ("T*99", "*99"),
        ("T0800123", "0800-*"),
        ("Tbob", None),
        ("T", None),
        ('"555-1234"', None),
        ("T100", "100"),
        ("T1-0-0", "100"),
        ("T0", "0"),
        ("T104", "104"),
        ("T105", None),
        ("S=1", None),
        ("L", None),
    ],
)
def test_order(dialled: str, rule: str | None) -> None:
    match = BOOK.lookup(parse_dial(dialled))
    assert (match.rule if match is not None else None) == rule


def test_raw_comes_before_number() -> None:
    book = directory("555-1234", "5551234")
    for dialled in ("555-1234", "5551234"):
        match = book.lookup(parse_dial(dialled))
        assert match is not None
        assert match.rule == dialled


def test_exact_number_comes_before_pattern_on_raw() -> None:
    book = directory("555-*", "5551234")
    match = book.lookup(parse_dial("555-1234"))
    assert match is not None
    assert match.rule == "5551234"


def test_catch_all_takes_addresses_too() -> None:
    match = directory("*").lookup(parse_dial("Thost.example:23"))
    assert match is not None
    assert match.rule == "*"


def test_built_in_numbers() -> None:
    book = Directory({"0": Entry(parse_target("clock:")), "10?": Entry(parse_target("tcp:plc:23"))})
    kinds = {n: match.entry.target.kind for n in ("0", "100", "104") if (match := book.lookup(parse_dial(n)))}
    assert kinds == {"0": "clock", "100": "tcp", "104": "tcp"}
    assert [match.rule for match in book] == ["0", "10?"]
    assert [match.rule for match in Directory()] == ["0", "100", "101", "102", "103", "104"]
    assert Directory(built_ins=False).lookup(parse_dial("0")) is None


def test_reverse() -> None:
    book = Directory(
        {
            "1": Entry(parse_target("tcp:10.0.0.7:23"), caller_name="PLANT 7"),
            "2": Entry(parse_target("tcp:10.0.0.7:24")),
            "3*": Entry(parse_target("tcp:10.0.0.8:24")),
            "4": Entry(parse_target("tcp:[2001:db8:0::1]:24")),
            "5": Entry(parse_target("tcp:name.example:24")),
            "6": Entry(parse_target("tls:10.0.0.9:9000"), caller_name="SEALED"),
        }
    )
    sealed = book.reverse("10.0.0.9")
    assert sealed is not None
    assert sealed.entry.caller_name == "SEALED"
    for spelling in ("10.0.0.7", "::ffff:10.0.0.7", "010.000.000.007"):
        match = book.reverse(spelling)
        assert match is not None
        assert match.rule == "1"
        assert match.entry.caller_name == "PLANT 7"
    match = book.reverse("2001:db8::1")
    assert match is not None
    assert match.rule == "4"
    assert book.reverse("10.0.0.8") is None
    assert book.reverse("name.example") is None
    assert book.reverse("") is None


def test_entry_argument() -> None:
    assert parse_entry("555=tcp:a:23") == ("555", Entry(parse_target("tcp:a:23")))
    for text in ("555", "=tcp:a:23", "555=nothing"):
        with pytest.raises(TargetError):
            parse_entry(text)


@given(st.lists(st.text(max_size=12), max_size=5), st.text(max_size=30))
def test_any_keys(keys: list[str], dialled: str) -> None:
    match = directory(*keys).lookup(parse_dial(dialled))
    assert match is None or match.rule in keys or match.rule in ("0", "100", "101", "102", "103", "104")
