"""Extended regular expressions as in POSIX, matched in bounded time.

They arrive in DNS records, so neither the expression nor what it is tried on is to be trusted: each place of
the program is entered at most once for each place of the text, whatever the expression.  The library's ``re``
promises no such thing.

Known are ``. [...] [^...] [:class:] * + ? {n,m} | ( ) ^ $`` and ``\\`` before any of them.  Of several
matches the leftmost is taken; at a choice the first alternative that leads to one, and the longest
repetition.

What does not belong here: what is done with a match.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

#: Instructions of one expression; counted repetitions are written out.
PROGRAM_LIMIT: Final = 2000
#: Groups within groups.
DEPTH_LIMIT: Final = 20
#: Largest count of a repetition (POSIX RE_DUP_MAX).
REPEAT_LIMIT: Final = 255
#: What a backslash goes before.
SPECIAL: Final = "\\.[]*+?{}|()^$"
_CLASSES: Final[dict[str, Callable[[str], bool]]] = {
    "alnum": lambda char: char.isascii() and char.isalnum(),
    "alpha": lambda char: char.isascii() and char.isalpha(),
    "blank": lambda char: char in " \t",
    "digit": lambda char: char.isascii() and char.isdigit(),
    "lower": lambda char: char.isascii() and char.islower(),
    "punct": lambda char: char.isascii() and char.isprintable() and not char.isalnum() and char != " ",
    "space": lambda char: char.isascii() and char.isspace(),
    "upper": lambda char: char.isascii() and char.isupper(),
    "xdigit": lambda char: char in "0123456789abcdefABCDEF",
}


class PatternError(ValueError):
    """An expression that cannot be used; the text is for people."""


@dataclass(frozen=True)
class _Char:
    """Takes one character of ``chars``, or that has one of the ``classes``; none of them when ``negated``."""

    chars: frozenset[str]
    ranges: tuple[tuple[str, str], ...] = ()
    classes: tuple[str, ...] = ()
    negated: bool = False

    def takes(self, char: str) -> bool:
        held = (
            char in self.chars
            or any(low <= char <= high for low, high in self.ranges)
            or any(_CLASSES[name](char) for name in self.classes)
        )
        return held is not self.negated


@dataclass(frozen=True)
class _Begin:
    """Holds at the beginning of the text."""


@dataclass(frozen=True)
class _End:
    """Holds at the end of the text."""


@dataclass(frozen=True)
class _Save:
    """Notes the place; 2n is where group n begins, 2n+1 where it ends."""

    slot: int


@dataclass(frozen=True)
class _Split:
    """Goes on at the first offset from here, and if that leads nowhere at the second."""

    first: int
    second: int


_Code = list["_Char | _Begin | _End | _Save | _Split"]


def compiled(text: str, *, any_case: bool = False) -> Pattern:
    """Read an expression.  Raises :class:`PatternError`."""
    parser = _Parser(text.casefold() if any_case else text)
    code = parser.alternatives(0)
    if parser.at < len(parser.text):
        raise PatternError("a ) closes nothing")
    return Pattern(code, parser.groups, any_case)


class Pattern:
    """An expression ready to be matched.  ``compiled`` makes it."""

    def __init__(self, code: _Code, groups: int, any_case: bool) -> None:
        self._code = code
        self._any_case = any_case
        #: How many groups there are.
        self.groups = groups

    def search(self, text: str) -> tuple[str, ...] | None:
        """The whole match and what each group took ("" for one that took no part), or None."""
        folded = text.casefold() if self._any_case and len(text.casefold()) == len(text) else text
        # What led nowhere from one start leads nowhere from the next one either.
        entered: set[tuple[int, int]] = set()
        for start in range(len(text) + 1):
            found = self._match(folded, start, entered)
            if found is not None:
                return tuple(
                    text[a:b] if 0 <= a <= b else "" for a, b in zip(*[iter(found)] * 2, strict=True)
                )
        return None

    def _match(self, text: str, start: int, entered: set[tuple[int, int]]) -> list[int] | None:
        slots = [-1] * (2 * self.groups + 2)
        slots[0] = start
        waiting = [(0, start, slots)]
        while waiting:
            at, place, slots = waiting.pop()
            while (at, place) not in entered:
                entered.add((at, place))
                if at == len(self._code):
                    slots[1] = place
                    return slots
                step = self._code[at]
                if isinstance(step, _Split):
                    waiting.append((at + step.second, place, list(slots)))
                    at += step.first
                    continue
                if isinstance(step, _Char):
                    if place == len(text) or not step.takes(text[place]):
                        break
                    place += 1
                elif isinstance(step, _Save):
                    slots[step.slot] = place
                elif place != (0 if isinstance(step, _Begin) else len(text)):
                    break
                at += 1
        return None


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.groups = 0

    def alternatives(self, depth: int) -> _Code:
        if depth > DEPTH_LIMIT:
            raise PatternError("groups are nested too deep")
        branches = [self._branch(depth)]
        while self._next("|"):
            branches.append(self._branch(depth))
        code = branches.pop()
        while branches:
            branch = branches.pop()
            # The way past what follows: a split that has one way only.
            over = _Split(len(code) + 1, len(code) + 1)
            code = _fitting([_Split(1, len(branch) + 2), *branch, over, *code])
        return code

    def _branch(self, depth: int) -> _Code:
        code: _Code = []
        while self.at < len(self.text) and self.text[self.at] not in "|)":
            piece = self._atom(depth)
            while self.at < len(self.text) and self.text[self.at] in "*+?{":
                piece = self._repeated(piece)
            code = _fitting(code + piece)
        return code

    def _atom(self, depth: int) -> _Code:
        char = self.text[self.at]
        self.at += 1
        if char == "(":
            self.groups += 1
            number = self.groups
            inner = self.alternatives(depth + 1)
            if not self._next(")"):
                raise PatternError("a ( is not closed")
            return [_Save(2 * number), *inner, _Save(2 * number + 1)]
        if char == "[":
            return [self._set()]
        if char == "^":
            return [_Begin()]
        if char == "$":
            return [_End()]
        if char == ".":
            return [_Char(frozenset(), negated=True)]
        if char in "*+?{":
            raise PatternError(f"there is nothing before {char} to repeat")
        if char == "\\":
            if self.at == len(self.text) or self.text[self.at] not in SPECIAL:
                raise PatternError("\\ stands before none of " + SPECIAL)
            char = self.text[self.at]
            self.at += 1
        return [_Char(frozenset(char))]

    def _repeated(self, piece: _Code) -> _Code:
        char = self.text[self.at]
        self.at += 1
        if char == "*":
            return _many(piece)
        if char == "+":
            return _fitting(piece + _many(piece))
        if char == "?":
            return [_Split(1, len(piece) + 1), *piece]
        counts, brace, _ = self.text[self.at :].partition("}")
        low, comma, high = counts.partition(",")
        if not brace or not _is_count(low) or not (_is_count(high) or not high):
            raise PatternError("a repetition is written {n}, {n,} or {n,m}")
        self.at += len(counts) + 1
        least, most = int(low), int(high) if high else int(low)
        if least > most:
            raise PatternError("a repetition has its smaller count first")
        _fitting(piece * max(1, most))
        if comma and not high:
            return _fitting(piece * least + _many(piece))
        rest = (most - least) * (len(piece) + 1)
        code = piece * least
        for _ in range(most - least):
            code = [*code, _Split(1, rest), *piece]
            rest -= len(piece) + 1
        return _fitting(code)

    def _set(self) -> _Char:
        negated = self._next("^")
        chars: set[str] = set()
        ranges: list[tuple[str, str]] = []
        classes: list[str] = []
        first = True
        while first or not self._next("]"):
            first = False
            if self.text.startswith("[:", self.at):
                name, closed, _ = self.text[self.at + 2 :].partition(":]")
                if not closed or name not in _CLASSES:
                    raise PatternError("a class of characters is unknown")
                self.at += len(name) + 4
                classes.append(name)
                continue
            low = self._one()
            if self.text.startswith("-", self.at) and not self.text.startswith("-]", self.at):
                self.at += 1
                high = self._one()
                if high < low:
                    raise PatternError("a range of characters is the wrong way round")
                ranges.append((low, high))
            else:
                chars.add(low)
        return _Char(frozenset(chars), tuple(ranges), tuple(classes), negated)

    def _one(self) -> str:
        if self.at >= len(self.text):
            raise PatternError("a [ is not closed")
        if self.text.startswith(("[.", "[="), self.at):
            raise PatternError("collating symbols are not known")
        self.at += 1
        return self.text[self.at - 1]

    def _next(self, char: str) -> bool:
        if not self.text.startswith(char, self.at):
            return False
        self.at += 1
        return True


def _many(piece: _Code) -> _Code:
    return [_Split(1, len(piece) + 2), *piece, _Split(-len(piece) - 1, -len(piece) - 1)]


def _fitting(code: _Code) -> _Code:
    if len(code) > PROGRAM_LIMIT:
        raise PatternError("it is too long when written out")
    return code


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 3 and int(text) <= REPEAT_LIMIT
