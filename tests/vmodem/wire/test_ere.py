"""Extended regular expressions, compared with the library's on those that mean the same in both."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmodem.wire.ere import PatternError, compiled


@pytest.mark.parametrize(
    ("pattern", "text", "match"),
    [
        ("^.*$", "+5551234", ("+5551234",)),
        (r"^\+?555(.*)$", "+5551234", ("+5551234", "1234")),
        ("5(1|12)3", "5123", ("5123", "12")),
        ("^(1|2)+$", "1212", ("1212", "2")),
        ("(a*)*b", "aab", ("aab", "aa")),
        ("^5{2,3}(5*)$", "555555", ("555555", "555")),
        ("^5{2}$", "55", ("55",)),
        ("^5{3,}(.)", "55551", ("55551", "1")),
        ("^(5{1,2}){2}$", "555", ("555", "5")),
        ("^x{0}5$", "5", ("5",)),
        ("[^0-4]+", "0156", ("56",)),
        ("[]x-]+", "a]-x", ("]-x",)),
        ("[[:digit:][:alpha:]]{3}", "-a1b", ("a1b",)),
        ("(x)?5", "5", ("5", "")),
        ("", "5", ("",)),
        ("a||b", "b", ("",)),
        (r"\.\*\\", ".*\\", (".*\\",)),
        ("^6", "5", None),
        ("5$", "51", None),
    ],
)
def test_matches(pattern: str, text: str, match: tuple[str, ...] | None) -> None:
    assert compiled(pattern).search(text) == match


def test_any_case() -> None:
    assert compiled("^A(b)", any_case=True).search("aB") == ("aB", "B")
    assert compiled("^A(b)").search("aB") is None


@pytest.mark.parametrize(
    "pattern",
    ["(", ")", "a)", "[a", "[", "[^]", "*a", "(+)", "a{", "a{x}", "a{2,1}", "a{999}", "a{1,2", "\\", "\\d",
     "[b-a]", "[[:nothing:]]", "[[.a.]]", "[a-", "(" * 60 + ")" * 60, "((.{99}){99}){99}", "|" * 3000],
)  # fmt: skip
def test_mistakes(pattern: str) -> None:
    with pytest.raises(PatternError):
        compiled(pattern)


@pytest.mark.parametrize(
    "pattern",
    ["(1*)*x", "(1|1)" * 40 + "x", "1?" * 60 + "x", "(.*)" * 30 + "x", "((1+)+)+x", "(1{1,20}){1,20}x"],
)
def test_nothing_takes_long(pattern: str) -> None:
    began = time.process_time()
    assert compiled(pattern).search("1" * 33) is None
    assert time.process_time() - began < 0.5


ATOMS = st.sampled_from(["a", "b", ".", "[ab]", "[^a]", "^", "$"])
PATTERNS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map("".join),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: "(" + "|".join(parts) + ")"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{0,2}", "{2}", "{1,}"])).map(
            lambda pair: f"({pair[0]}){pair[1]}"
        ),
    ),
    max_leaves=8,
)


@given(PATTERNS, st.text("abc", max_size=8))
def test_what_matches_is_what_the_library_matches(pattern: str, text: str) -> None:
    try:
        found = compiled(pattern).search(text)
    except PatternError:
        return
    theirs = re.search(pattern.replace("$", r"\Z"), text)
    assert (found is None) == (theirs is None)
    if found is not None and theirs is not None:
        assert text.find(found[0]) <= theirs.start()
