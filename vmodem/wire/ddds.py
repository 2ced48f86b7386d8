"""From DNS records to places: what NAPTR rules make of a number, and in which order SRV lines are tried.

The Dynamic Delegation Discovery System (RFC 3402, 3403), as far as ENUM (RFC 6116) uses it: rules that end
the search (flag ``u``).  What does not belong here: asking for records, and what a URI means.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from .dns import Naptr, Srv
from .ere import SPECIAL, PatternError, compiled

#: Digits of a number that is looked up; more are no number (E.164 has at most 15).
DIGITS: Final = 32
#: Longest URI that a rule makes, in characters.
URI_LIMIT: Final = 512
#: What begins the service of our rules (RFC 6116 clause 3.4.3: "E2U" and the kind of enumservice).
SERVICE: Final = "E2U+vmodem"


class RuleError(ValueError):
    """A rule that cannot be applied; the text is for people."""


def domain(number: str, apex: str) -> str:
    """The name under which a number's rules are (RFC 6116 clause 3.2).  Raises :class:`RuleError` for what is
    no number, and without an apex: nobody else's tree is meant."""
    if not apex.strip("."):
        raise RuleError("there is no tree of numbers")
    digits = number.removeprefix("+")
    if not digits or not digits.isascii() or not digits.isdigit():
        raise RuleError("only digits can be looked up")
    if len(digits) > DIGITS:
        raise RuleError(f"a number has at most {DIGITS} digits")
    return ".".join(reversed(digits)) + "." + apex.strip(".")


def ours(rule: Naptr) -> bool:
    """Whether a rule is about our service: ``E2U+vmodem``, alone or with a subtype or others behind."""
    beginning, rest = rule.service[: len(SERVICE)], rule.service[len(SERVICE) :]
    return beginning.lower() == SERVICE.lower() and rest[:1] in ("", ":", "+")


def uris(
    rules: Iterable[Naptr], number: str, skipped: Callable[[Naptr, str], None]
) -> list[tuple[str, Naptr]]:
    """What a number's rules lead to, the most preferred first, each with its rule.

    Of the orders the lowest with a usable rule counts and no other (RFC 3403 clause 4.1).  Rules of foreign
    services are passed over; of ours each that cannot be used is told to ``skipped``, with the reason.
    """
    found: list[tuple[str, Naptr]] = []
    for rule in sorted(rules, key=lambda rule: (rule.order, rule.preference)):
        if found and rule.order != found[0][1].order:
            break
        if not ours(rule):
            continue
        if rule.flags.lower() != "u":
            skipped(rule, f'its flag is "{rule.flags}" where "u" was expected')
            continue
        try:
            found.append((rewritten(rule.regexp, number), rule))
        except RuleError as exc:
            skipped(rule, str(exc))
    return found


def rewritten(expression: str, number: str) -> str:
    """The URI that a substitution expression (RFC 3402 clause 3.2) makes of ``number``.

    The expression is tried on the number with a "+" before it, as ENUM has it, then without.  What it does
    not match of the number is dropped.  Raises :class:`RuleError`.
    """
    pattern, replacement, flags = _parts(expression)
    if flags not in ("", "i"):
        raise RuleError("its regexp has an unknown flag")
    try:
        matcher = compiled(pattern, any_case=bool(flags))
    except PatternError as exc:
        raise RuleError(f"its regexp cannot be used: {exc}") from None
    digits = number.removeprefix("+")
    match = matcher.search("+" + digits) or matcher.search(digits)
    if match is None:
        raise RuleError("its regexp does not match")
    pieces: list[str] = []
    for piece in replacement:
        if isinstance(piece, str):
            pieces.append(piece)
        elif piece > matcher.groups:
            raise RuleError(f"its regexp has no group {piece}")
        else:
            pieces.append(match[piece])
    uri = "".join(pieces)
    if not uri or len(uri) > URI_LIMIT or not uri.isprintable():
        raise RuleError("it makes no URI")
    return uri


def _parts(expression: str) -> tuple[str, list[str | int], str]:
    """Pattern, replacement with numbers for its back-references, flags."""
    delimiter = expression[:1]
    if not delimiter or delimiter in "123456789i\\":
        raise RuleError("its regexp is not !pattern!replacement!")
    fields: list[list[str]] = [[]]
    rest = iter(expression[1:])
    for char in rest:
        if char == delimiter and len(fields) < 3:
            fields.append([])
        elif char == "\\":
            fields[-1].append(char + next(rest, ""))
        else:
            fields[-1].append(char)
    if len(fields) != 3:
        raise RuleError("its regexp is not !pattern!replacement!")
    # An escaped delimiter stands for itself, even where the character would mean something in a pattern.
    own = "\\" + delimiter
    quoted = own if delimiter in SPECIAL else delimiter
    pattern = "".join(quoted if each == own else each for each in fields[0])
    return pattern, list(_replacement(fields[1], delimiter)), "".join(fields[2])


def _replacement(chars: list[str], delimiter: str) -> Iterator[str | int]:
    for char in chars:
        if len(char) == 1 and char != "\\":
            yield char
        elif char[1:] in ("\\", delimiter):
            yield char[1]
        elif char[1:] and char[1] in "123456789":
            yield int(char[1])
        else:
            raise RuleError(f'"{char}" means nothing in its replacement')


def in_turn(lines: Iterable[Srv], below: Callable[[int], int]) -> list[Srv]:
    """The order in which to try SRV lines: lowest priority first, and among equals drawn by weight
    (RFC 2782, "Weight").  ``below(n)`` draws from 0 to n-1."""
    left = sorted(lines, key=lambda line: (line.priority, line.weight != 0))
    result: list[Srv] = []
    while left:
        equals = [line for line in left if line.priority == left[0].priority]
        drawn = below(sum(line.weight for line in equals) + 1)
        for line in equals:
            drawn -= line.weight
            if drawn <= 0:
                break
        left.remove(line)
        result.append(line)
    return result
