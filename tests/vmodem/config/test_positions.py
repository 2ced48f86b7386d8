"""Where in a TOML file each key stands."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmodem.config.positions import positions, toml

TEXT = '''# a comment with [brackets] and key = value
top = 1
"quoted key" = "a # no comment"
'single' = """
not_a_key = 1
[not.a.table]
"""  # a comment

[modem.front]   # [modem.back]
line = "pty:x"
answer = [
    "tcp:8001",  # one, two
    'tcp:8002', "tcp:8003",

    { a = 1, "b" = [ 2,
      3 ] },
]
limits = { per_minute = 3, "pend\\u0069ng" = { deep.er = 5 } }
dotted . key."with dot." = 1979-05-27 07:32:00
multi = \'\'\'
[[x]]\'\'\'

[[list]]
name = "a"
[[list]]
name = "b"
[list.below]
x = inf
  [ modem . back ]
x = [[1], [2,
 [3]]]
'''

EXPECTED = {
    ("top",): 2,
    ("quoted key",): 3,
    ("single",): 4,
    ("modem",): 9,
    ("modem", "front"): 9,
    ("modem", "front", "line"): 10,
    ("modem", "front", "answer"): 11,
    ("modem", "front", "answer", 0): 12,
    ("modem", "front", "answer", 1): 13,
    ("modem", "front", "answer", 2): 13,
    ("modem", "front", "answer", 3): 15,
    ("modem", "front", "answer", 3, "a"): 15,
    ("modem", "front", "answer", 3, "b"): 15,
    ("modem", "front", "answer", 3, "b", 0): 15,
    ("modem", "front", "answer", 3, "b", 1): 16,
    ("modem", "front", "limits"): 18,
    ("modem", "front", "limits", "per_minute"): 18,
    ("modem", "front", "limits", "pending"): 18,
    ("modem", "front", "limits", "pending", "deep"): 18,
    ("modem", "front", "limits", "pending", "deep", "er"): 18,
    ("modem", "front", "dotted"): 19,
    ("modem", "front", "dotted", "key"): 19,
    ("modem", "front", "dotted", "key", "with dot."): 19,
    ("modem", "front", "multi"): 20,
    ("list",): 23,
    ("list", 0): 23,
    ("list", 0, "name"): 24,
    ("list", 1): 25,
    ("list", 1, "name"): 26,
    ("list", 1, "below"): 27,
    ("list", 1, "below", "x"): 28,
    ("modem", "back"): 29,
    ("modem", "back", "x"): 30,
    ("modem", "back", "x", 0): 30,
    ("modem", "back", "x", 0, 0): 30,
    ("modem", "back", "x", 1): 30,
    ("modem", "back", "x", 1, 0): 30,
    ("modem", "back", "x", 1, 1): 31,
    ("modem", "back", "x", 1, 1, 0): 31,
}


def paths(value: Any, above: tuple[Any, ...] = ()) -> set[tuple[Any, ...]]:
    """Every place in what the standard library's reader gives."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = {above} if above else set()
    for key, each in pairs:
        found |= paths(each, (*above, key))
    return found


def test_every_place_is_found() -> None:
    found = positions(TEXT)
    assert {path: line for path, line in found.items() if path} == EXPECTED
    assert set(EXPECTED) == paths(toml().loads(TEXT))


def test_line_ends_of_windows() -> None:
    assert positions("a = 1\r\n[b]\r\nc = 'x'\r\n")[("b", "c")] == 3


KEYS = st.text("ab.\"'\\ #[]=\n\u00e9", min_size=1, max_size=4)
VALUES = st.recursive(
    st.one_of(
        st.integers(-9, 9),
        st.booleans(),
        st.floats(-5, 5),
        st.text("ab\"'\\#[]{},=\n\t ", max_size=8),
    ),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(KEYS, below, max_size=3),
    max_leaves=8,
)


def written(value: Any) -> str:
    """A value as inline TOML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, list):
        return "[" + ",\n # no ] comma, no = key\n ".join(map(written, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{quoted(key)} = {written(each)}" for key, each in value.items()) + "}"
    return repr(value)


def quoted(text: str) -> str:
    plain = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{plain}"'


@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_any_tree(tree: dict[str, Any]) -> None:
    text = "".join(f"{quoted(key)} = {written(each)}\n" for key, each in tree.items())
    assert toml().loads(text) == tree
    found = positions(text)
    assert set(found) == paths(tree)
    last = text.count("\n") + 1
    assert all(1 <= line <= last for line in found.values())


@pytest.mark.parametrize("text", ["[[[", "a = ", '"', "=", "]", "[a\nb = [1", "\\", "{}"])
def test_no_toml_does_no_harm(text: str) -> None:
    positions(text)


@given(st.text("ab[]{}=,.\"'#\n\\ ", max_size=40))
def test_it_always_ends(text: str) -> None:
    positions(text)
