"""What is wrong with what somebody wrote, told so that he finds the place and the remedy.

What does not belong here: finding it out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

#: Keys from the outside in; a number is a place in a list, counted from 0.
Path = tuple[str | int, ...]
#: Names that are listed where none comes near.
_LISTED = 12


@dataclass(frozen=True)
class Mistake:
    """One thing that is wrong with a file."""

    file: str
    #: Counted from 1; 0 when no line can be named.
    line: int
    #: The key that is wrong, with those around it (``directory."555".target``); "" for the file as a whole.
    key: str
    #: What was expected, and the nearest valid name where there is one.
    text: str
    #: Only a call fails with it, or another moment or another user may have what it takes to run.
    warning: bool = False

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        parts = (place, self.key, "warning" if self.warning else "", self.text)
        return ": ".join(part for part in parts if part)


class ConfigError(Exception):
    """A configuration that cannot be used; the text has one line for each mistake."""

    #: The exit code it ends the program with (EX_CONFIG).
    code = 78

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        super().__init__("\n".join(map(str, mistakes)))
        self.mistakes = tuple(mistakes)


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a tree of values, wherever that came from."""

    path: Path
    text: str
    #: As in :class:`Mistake`.
    warning: bool = False


class Wrong(ValueError):
    """What a value has wrong; the paths begin at the value."""

    def __init__(self, *findings: Finding) -> None:
        super().__init__("; ".join(finding.text for finding in findings))
        self.findings = findings


def shown(path: Path) -> str:
    """A path as it is written in TOML, places in lists as ``[1]`` (counted from 1, as people do)."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part + 1}]"
        else:
            text += ("." if text else "") + shown_key(part)
    return text


def shown_key(key: str) -> str:
    """One key as it is written in TOML, fit for a terminal."""
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else '"' + escaped(key) + '"'


def escaped(text: str) -> str:
    """``text`` with every character escaped that a terminal could act on."""
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text)


def nearest(word: str, known: Iterable[str]) -> str:
    """Which of the ``known`` names may have been meant; "" when there are none."""
    from difflib import get_close_matches

    names = list(known)
    near = get_close_matches(word[:100], names, 1, 0.5)
    if near:
        return f"did you mean {near[0]}"
    more = ", ..." if len(names) > _LISTED else ""
    return "known are " + ", ".join(names[:_LISTED]) + more if names else ""
