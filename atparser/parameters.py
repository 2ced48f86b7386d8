"""The values that extended commands take: numbers, words of a list, texts (V.250 clause 5.4.2).

A parameter checks what was typed, shows what is set, and lists what it accepts for the test form.  What a
value does is not known here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

#: What a parameter holds.
Value = int | str

#: Words that information text must not hold, even inside other words: scripts look for them anywhere.
FORBIDDEN: Final = ("OK", "CONNECT", "RING", "NO CARRIER", "ERROR", "NO DIAL", "BUSY", "NO ANSWER", "VOICE")
_FORBIDDEN: Final = re.compile("|".join(FORBIDDEN), re.IGNORECASE)
_ESCAPED: Final = re.compile(r"\\([0-9A-Fa-f]{2})")


@dataclass(frozen=True)
class Number:
    """A number: single values and ranges, decimal unless ``hexadecimal``."""

    accepts: tuple[int | tuple[int, int], ...]
    default: int = 0
    hexadecimal: bool = False
    #: What a scanner takes for a value that is not quoted.
    token: re.Pattern[str] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        token = r"[0-9A-Fa-f]*" if self.hexadecimal else r"[0-9]*"
        object.__setattr__(self, "token", re.compile(token))

    def parse(self, text: str) -> int | None:
        """What was typed as a value; None when it is none that is accepted."""
        digits = text.lstrip("0") or "0"
        if not self.token.fullmatch(text) or len(digits) > 9:
            return None
        value = int(digits, 16 if self.hexadecimal else 10)
        return value if self.check(value) else None

    def check(self, value: object) -> bool:
        """Whether ``value`` is one that this parameter may hold."""
        if not isinstance(value, int) or isinstance(value, bool):
            return False
        return any(
            value == one if isinstance(one, int) else one[0] <= value <= one[1] for one in self.accepts
        )

    def written(self, value: Value) -> str:
        """A value as the read form shows it."""
        return f"{value:02X}" if self.hexadecimal else str(value)

    def shown(self) -> str:
        """What is accepted, as the test form shows it."""
        parts = (
            self.written(one) if isinstance(one, int) else f"{self.written(one[0])}-{self.written(one[1])}"
            for one in self.accepts
        )
        return "(" + ",".join(parts) + ")"


@dataclass(frozen=True)
class Word:
    """One of some words, in any case, with or without quotes."""

    choices: tuple[str, ...]
    default: str = ""
    #: Numbers that some makers use for the words.
    numbers: Mapping[int, str] = field(default_factory=dict, hash=False)
    #: Digits first are a number, and end where they end; else letters and digits.
    token: re.Pattern[str] = field(
        init=False, compare=False, default=re.compile(r"[0-9]+|[A-Za-z][A-Za-z0-9]*|")
    )

    def parse(self, text: str) -> str | None:
        word = text.strip('"').upper()
        if word.isascii() and word.isdigit() and len(word) < 4:
            word = self.numbers.get(int(word), "?")
        return word if self.check(word) and word else None

    def check(self, value: object) -> bool:
        return isinstance(value, str) and (value in self.choices or value == self.default)

    def written(self, value: Value) -> str:
        return str(value)

    def shown(self) -> str:
        return "(" + ",".join(self.choices) + ")"


@dataclass(frozen=True)
class Text:
    """A text in quotes; ``\\`` and two hexadecimal digits stand for a character (V.250 clause 5.4.2.2)."""

    limit: int
    default: str = ""
    #: What the text must be made of.
    pattern: str = r"[ -~]*"
    #: Shown, and taken, without quotes.
    plain: bool = False
    token: re.Pattern[str] = field(init=False, compare=False, default=re.compile(r"[0-9A-Za-z.*#:+-]*"))

    def parse(self, text: str) -> str | None:
        value = _ESCAPED.sub(_unescaped, text[1:-1]) if text[:1] == '"' else text
        return value if self.check(value) else None

    def check(self, value: object) -> bool:
        return (
            isinstance(value, str)
            and len(value) <= self.limit
            and re.fullmatch(self.pattern, value) is not None
            and re.fullmatch(r"[ -~]*", value) is not None
        )

    def written(self, value: Value) -> str:
        return str(value) if self.plain else '"' + escaped(str(value)) + '"'

    def shown(self) -> str:
        return f"(0-{self.limit})"


Parameter = Number | Word | Text


def escaped(text: str) -> str:
    """A text as it can stand between quotes, with no word of a result code readable in it."""
    text = text.replace("\\", "\\5C").replace('"', "\\22")
    return _FORBIDDEN.sub(lambda found: f"\\{ord(found.group()[0]):02X}{found.group()[1:]}", text)


def calm(text: str) -> str:
    """A text from outside with no word of a result code in it: scripts compare upper-case letters."""
    return _FORBIDDEN.sub(lambda found: found.group().lower(), text)


def _unescaped(found: re.Match[str]) -> str:
    return chr(int(found.group(1), 16))
