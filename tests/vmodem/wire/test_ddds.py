"""What rules make of numbers, and the order of lines."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmodem.wire.ddds import RuleError, domain, in_turn, ours, rewritten, uris
from vmodem.wire.dns import Naptr, Srv


def rule(
    regexp: str, order: int = 100, preference: int = 10, flags: str = "u", service: str = "E2U+vmodem"
) -> Naptr:
    return Naptr(order, preference, flags, service, regexp)


def found(*rules: Naptr, number: str = "5551234") -> tuple[list[str], list[str]]:
    skipped: list[str] = []
    return [uri for uri, _ in uris(rules, number, lambda _, why: skipped.append(why))], skipped


def test_domain() -> None:
    assert domain("5551234", "e164.example.net.") == "4.3.2.1.5.5.5.e164.example.net"
    assert domain("+49", "x") == "9.4.x"


@pytest.mark.parametrize("number", ["", "+", "12a", "1*", "1" * 33, "\u0661\u0662", "+ 1"])
def test_no_numbers(number: str) -> None:
    with pytest.raises(RuleError):
        domain(number, "e164.example.net")


def test_no_tree() -> None:
    """Numbers must not go to the name servers of the world."""
    for apex in ("", "."):
        with pytest.raises(RuleError):
            domain("5551234", apex)


@pytest.mark.parametrize(
    ("expression", "uri"),
    [
        ("!^.*$!tcp:host:23!", "tcp:host:23"),
        ("/^.*$/unix:\\/run\\/x/", "unix:/run/x"),
        (r"!^\+555(.*)$!tcp:line\1:23!", "tcp:line1234:23"),
        (r"!^555(.)(.)(.*)$!tcp:\3-\2-\1:23!", "tcp:34-2-1:23"),
        (r"!^(.*)$!x\!\\\1!i", "x!\\+5551234"),
        ("#^.*$#echo:#", "echo:"),
        (r"~^(5|\+)+(.*)$~\2~", "1234"),
        ("!5551!whole!", "whole"),
    ],
)
def test_rewritten(expression: str, uri: str) -> None:
    assert rewritten(expression, "5551234") == uri


@pytest.mark.parametrize(
    "expression",
    ["", "!", "!!", "!a!b", "!^.*$!x", "!^.*$!x!q", "!^.*$!x!i!", "!^666!x!", "!(!x!", r"!^.*$!\1!",
     r"!^.*$!\x!", "!^.*$!!", "!^.*$!a\x1b[2J!", "!^.*$!x\\", "1^.*$1x1", "i^.*$ixi", "\\^.*$\\x\\",
     "!^.*$!" + "x" * 600 + "!", r"!^.*$!\0!"],
)  # fmt: skip
def test_bad_expressions(expression: str) -> None:
    with pytest.raises(RuleError):
        rewritten(expression, "5551234")


@given(st.text(max_size=60))
def test_any_expression(expression: str) -> None:
    for text in (expression, f"!{expression}!", f"!^.*$!{expression}!"):
        try:
            rewritten(text, "5551234")
        except RuleError:
            pass


@pytest.mark.parametrize("service", ["E2U+vmodem", "e2u+VMODEM", "E2U+vmodem:tcp", "E2U+vmodem+sip"])
def test_our_services(service: str) -> None:
    assert ours(rule("", service=service))


@pytest.mark.parametrize("service", ["E2U+sip", "", "E2U", "E2U+vmodem2", "vmodem+E2U", "E2U+sip:vmodem"])
def test_foreign_services(service: str) -> None:
    assert not ours(rule("", service=service))
    assert found(rule("!^.*$!x!", service=service)) == ([], [])


def test_order_then_preference() -> None:
    rules = [
        rule("!^.*$!later!", 200, 1),
        rule("!^.*$!second!", 100, 20),
        rule("!^.*$!first!", 100, 10),
        rule("!^.*$!sip:x!", 1, 1, service="E2U+sip"),
    ]
    assert found(*rules) == (["first", "second"], [])


def test_bad_rules_are_skipped() -> None:
    rules = [
        rule("!^6!x!", 10),
        rule("!^.*$!x!", 20, flags=""),
        rule("!^.*$!good!", 30, flags="U"),
        rule("!^.*$!late!", 40),
    ]
    uri, skipped = found(*rules)
    assert uri == ["good"]
    assert len(skipped) == 2


def line(name: str, priority: int = 0, weight: int = 0) -> Srv:
    return Srv(priority, weight, 8001, name)


def test_lines_by_priority() -> None:
    lines = [line("c", 3), line("a", 1, 9), line("b", 2)]
    assert [each.target for each in in_turn(lines, lambda n: n - 1)] == ["a", "b", "c"]


def test_lines_without_weight_keep_their_order() -> None:
    assert [each.target for each in in_turn(map(line, "abc"), lambda n: 0)] == ["a", "b", "c"]


def test_lines_are_drawn_by_weight() -> None:
    draw = random.Random(1)
    lines = [line("heavy", 1, 60), line("light", 1, 20), line("none", 1, 0), line("equal", 1, 20)]
    first = Counter(in_turn(lines, draw.randrange)[0].target for _ in range(4000))
    assert 0.55 < first["heavy"] / 4000 < 0.65
    assert 0.15 < first["light"] / 4000 < 0.25
    assert 0 < first["none"] / 4000 < 0.03


@given(
    st.lists(st.builds(line, st.text("ab", max_size=1), st.integers(0, 2), st.integers(0, 3))), st.randoms()
)
def test_no_line_is_lost(lines: list[Srv], draw: random.Random) -> None:
    result = in_turn(lines, draw.randrange)
    assert Counter(result) == Counter(lines)
    assert [each.priority for each in result] == sorted(each.priority for each in lines)
