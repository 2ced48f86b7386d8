"""Lines and words of the Network UPS Tools protocol."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmodem.wire.nut import (
    LINE_LIMIT,
    WORD_LIMIT,
    WORDS_LIMIT,
    BadLine,
    LineReader,
    listing,
    quote,
    split,
)


def lines(*chunks: bytes) -> list[bytes | str]:
    reader, found = LineReader(), []
    for chunk in chunks:
        reader.feed(chunk)
        while True:
            try:
                line = reader.next()
            except BadLine as exc:
                found.append(str(exc))
                continue
            if line is None:
                break
            found.append(line)
    return found


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"VER", ["VER"]),
        (b"VER\r", ["VER"]),
        (b"  GET\tVAR  dum ups.status ", ["GET", "VAR", "dum", "ups.status"]),
        (b'SET VAR dum ups.id "a b"', ["SET", "VAR", "dum", "ups.id", "a b"]),
        (b'SET VAR dum ups.id ""', ["SET", "VAR", "dum", "ups.id", ""]),
        (rb'"a\"b\\c\#d"', ['a"b\\c#d']),
        (rb"a\ b\#c", ["a b#c"]),
        (b"", []),
        (b"  \r", []),
        (b"# all of it", []),
        (b"VER # the rest", ["VER"]),
        (b"VER#the rest", ["VER"]),
        (b"a=b = c", ["a", "=", "b", "=", "c"]),
        (b'"a=b"', ["a=b"]),
        (b'"a""b"', ["a", "b"]),
        (b'"a"b', ["a", "b"]),
        (b'a"b', ['a"b']),
        (b"a\\", ["a\\"]),
    ],
)
def test_words(line: bytes, words: list[str]) -> None:
    found = split(line)
    assert (list(found), found.altered) == (words, False)


@pytest.mark.parametrize("line", [b'"', b'GET VAR "dum', b'a "b c', b'a "b # c"', b'"\\"'])
def test_what_would_leave_a_client_waiting_is_an_error(line: bytes) -> None:
    with pytest.raises(BadLine):
        split(line)


@pytest.mark.parametrize("line", [b"a\x00b", b"a\xc3\xa4b", b'"a\x1bb"', b"a\x7fb", b"a\\\rb"])
def test_bytes_without_a_place_are_dropped_and_told(line: bytes) -> None:
    found = split(line)
    assert (list(found), found.altered) == (["ab"], True)


def test_bounds() -> None:
    assert len(split(b"a " * WORDS_LIMIT)) == WORDS_LIMIT
    assert len(split(b"a" * WORD_LIMIT)[0]) == WORD_LIMIT
    with pytest.raises(BadLine, match="32 words"):
        split(b"a " * (WORDS_LIMIT + 1))
    with pytest.raises(BadLine, match="512 characters"):
        split(b"a" * (WORD_LIMIT + 1))


def test_lines() -> None:
    assert lines(b"VER\nHELP\r\n", b"LI", b"ST UPS", b"\n\n") == [b"VER", b"HELP\r", b"LIST UPS", b""]


def test_a_backslash_joins_lines() -> None:
    assert lines(b"GET \\\nVAR\n") == [b"GET VAR"]
    assert lines(b"GET \\", b"\n", b"VAR\n") == [b"GET VAR"]
    assert lines(b"GET \\\\\nVAR\n") == [b"GET \\\\", b"VAR"]


def test_a_long_line_is_one_error_and_no_memory() -> None:
    reader = LineReader()
    for _ in range(1024):
        reader.feed(b"x" * 1024)
        assert reader.next() is None
        assert reader.waiting <= LINE_LIMIT + 1024
    reader.feed(b"\nVER\n")
    with pytest.raises(BadLine, match="4096 bytes"):
        reader.next()
    assert (reader.next(), reader.next()) == (b"VER", None)


def test_a_long_line_in_one_piece() -> None:
    assert lines(b"x" * (1 << 20) + b"\nVER\n") == ["a line longer than 4096 bytes", b"VER"]
    assert lines(b"x\\\n" * (1 << 18) + b"\nVER\n") == ["a line longer than 4096 bytes", b"VER"]


@given(st.binary(max_size=300), st.lists(st.integers(0, 300)))
def test_any_split_of_the_input_gives_the_same(data: bytes, cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(data)]
    pieces = [data[a:b] for a, b in itertools.pairwise(places)]
    assert lines(*pieces) == lines(data)


@given(st.binary(max_size=200))
def test_any_line_is_words_or_an_error(line: bytes) -> None:
    try:
        words = split(line)
    except BadLine:
        return
    assert all(word.isascii() and word.isprintable() for word in words)


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=100))
def test_what_is_quoted_is_read_again(text: str) -> None:
    assert list(split(quote(text).encode())) == [text]


def test_listing() -> None:
    assert listing("UPS", ['UPS a "b"']) == 'BEGIN LIST UPS\nUPS a "b"\nEND LIST UPS\n'
    assert listing("CMD x", []) == "BEGIN LIST CMD x\nEND LIST CMD x\n"
