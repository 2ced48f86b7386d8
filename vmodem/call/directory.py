"""The directory: which number, name or pattern stands for which target.

What does not belong here: reading it from a file (:mod:`vmodem.config.reading`), and placing the call.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from atparser.dialstring import DialString, normalise
from vmodem.net.address import literal

from .target import PLACES, Target, TargetError, parse_target

#: Numbers that are there until the user's directory says otherwise.
BUILT_IN_NUMBERS: Final[Mapping[str, tuple[str, str]]] = {
    "0": ("help:", "this page"),
    "100": ("echo:", "echo: sends back what you type"),
    "101": ("clock:", "the time of day"),
    "102": ("chargen:", "endless text, for speed checks"),
    "103": ("discard:", "takes everything, says nothing"),
    "104": ("loop:", "calls this modem's own answer side"),
}
_PUNCTUATION: Final = str.maketrans("", "", "()-. \t")


@dataclass(frozen=True)
class Entry:
    """What a number stands for."""

    target: Target
    #: For the help page.
    note: str = ""
    #: Shown as the name of a caller from this address.
    caller_name: str = ""
    #: Pacing in bit/s; None for none.
    rate: int | None = None
    #: The account that an ``exec:`` target runs as; "" for our own.
    user: str = ""


@dataclass(frozen=True)
class Match:
    """An entry, and the key under which it was found, as it was written."""

    entry: Entry
    rule: str


@dataclass(frozen=True)
class _Pattern:
    match: Match
    on_raw: re.Pattern[str]
    #: None when the pattern holds what no number does (a pause, say): then it is about what was typed.
    on_number: re.Pattern[str] | None
    rank: tuple[int, int]


class Directory:
    """Keys are numbers or names, or patterns: ``?`` is one digit, ``*`` at the end any rest (none included).

    Exact keys come before patterns, and of those the longest match wins; case does not count.  A key is
    compared with what was typed, then, punctuation and pauses aside, with the number.  The built-in numbers
    come last.
    """

    def __init__(self, entries: Mapping[str, Entry] | None = None, *, built_ins: bool = True) -> None:
        self._listed = dict(entries or {})
        self._own = _Table(self._listed)
        self._built_in = _Table(_built_in_entries() if built_ins else {})
        self._places: dict[str, Match] = {}
        for key, entry in self._listed.items():
            found = literal(entry.target.host) if entry.target.kind in PLACES else None
            if found is not None and not is_pattern(key):
                self._places.setdefault(str(found[0]), Match(entry, key))

    @property
    def listed(self) -> Mapping[str, Entry]:
        """The user's own entries, by key."""
        return self._listed

    def lookup(self, dial: DialString) -> Match | None:
        """Who is meant, or None when nobody here is.

        A quoted dial string is compared literally and with exact keys only.  Stored and last numbers must
        have been replaced by what they stand for.
        """
        if not dial.raw or dial.stored is not None or dial.last:
            return None
        return self._own.lookup(dial) or self._built_in.lookup(dial)

    def reverse(self, host: str) -> Match | None:
        """The first exact entry whose target is at this address (a literal, any spelling)."""
        found = literal(host)
        return None if found is None else self._places.get(str(found[0]))

    def __iter__(self) -> Iterator[Match]:
        """What can be dialled: the user's entries in their order, then the built-in ones not hidden."""
        for key, entry in self._listed.items():
            yield Match(entry, key)
        for key, entry in self._built_in.entries.items():
            if self._own.lookup(DialString(raw=key, number=key)) is None:
                yield Match(entry, key)


class _Table:
    """Entries prepared for looking up."""

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self.entries = entries
        self._exact: dict[str, Match] = {}
        self._numbers: dict[str, Match] = {}
        self._patterns: list[_Pattern] = []
        for key, entry in entries.items():
            match = Match(entry, key)
            text = key.strip().casefold()
            self._exact.setdefault(text, match)
            if is_pattern(key):
                self._patterns.append(_compiled(match, text))
            else:
                number = normalise(text)
                if number:
                    self._numbers.setdefault(number, match)
        self._patterns.sort(key=lambda pattern: pattern.rank, reverse=True)

    def lookup(self, dial: DialString) -> Match | None:
        raw = dial.raw.strip().casefold()
        found = self._exact.get(raw)
        if found is not None or dial.literal:
            return found
        number = dial.number.casefold()
        if number:
            found = self._numbers.get(dial.number)
            if found is not None:
                return found
        for pattern in self._patterns:
            if pattern.on_raw.fullmatch(raw) is not None:
                return pattern.match
            if number and pattern.on_number is not None and pattern.on_number.fullmatch(number) is not None:
                return pattern.match
        return None


def is_pattern(key: str) -> bool:
    """Whether a key stands for many numbers."""
    return "?" in key or key.rstrip().endswith("*")


def parse_entry(text: str) -> tuple[str, Entry]:
    """Read ``NUMBER=TARGET``.  Raises :class:`TargetError`."""
    key, equals, target = text.partition("=")
    if not equals or not key.strip():
        raise TargetError(f'"{text}" is not NUMBER=TARGET, like 5551234=tcp:bbs.example.net:23')
    return key.strip(), Entry(parse_target(target))


def _compiled(match: Match, text: str) -> _Pattern:
    number = text.translate(_PUNCTUATION)
    usable = all(char in "0123456789abcd*#?" for char in number)
    length = len(text.rstrip("*")), len(text.replace("?", "").replace("*", ""))
    return _Pattern(match, _regex(text), _regex(number) if usable else None, length)


def _regex(text: str) -> re.Pattern[str]:
    rest = text.endswith("*")
    body = text[:-1] if rest else text
    parts = ("[0-9]" if char == "?" else re.escape(char) for char in body)
    return re.compile("".join(parts) + (".*" if rest else ""), re.DOTALL)


def _built_in_entries() -> dict[str, Entry]:
    return {key: Entry(parse_target(target), note=note) for key, (target, note) in BUILT_IN_NUMBERS.items()}
