"""Where in a TOML file each key stands.

The standard library's reader keeps no positions.  This one reads nothing but keys: it is for texts that the
other has already accepted, and skips over values without looking at them.

What does not belong here: what keys mean.
"""

from __future__ import annotations

import re
import sys
from importlib import import_module
from typing import Any, Final

from .mistake import Path

_BLANK: Final = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_SPACE: Final = re.compile(r"[ \t]*")
_KEY: Final = re.compile(r"""[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'""")
_STRING: Final = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}(?!")'
    r"|'''.*?'{3,5}(?!')"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
#: Numbers, dates (one may hold a blank), true and false.
_BARE: Final = re.compile(r"[^,\]}#\n]+")


def positions(text: str) -> dict[Path, int]:
    """The line, counted from 1, where each key and each member of a list first stands.  ``text`` is valid
    TOML; of any other the result is of no use, but there is one."""
    return _Walk(text).found


class _Walk:
    def __init__(self, text: str) -> None:
        self.found: dict[Path, int] = {}
        self._text = text
        self._at = 0
        self._line = 1
        self._counted = 0
        #: How many tables each list of tables has so far.
        self._tables: dict[Path, int] = {}
        #: Lists and inline tables that are open: the path, and the place in a list (-1: an inline table).
        self._open: list[tuple[Path, int]] = []
        table: Path = ()
        while self._skip(_BLANK):
            char = text[self._at]
            if self._open:
                self._inside(char)
            elif char == "[":
                table = self._header()
            else:
                self._pair(table)

    def _inside(self, char: str) -> None:
        path, place = self._open[-1]
        if char in "]}":
            self._open.pop()
            self._at += 1
        elif char == ",":
            if place >= 0:
                self._open[-1] = (path, place + 1)
            self._at += 1
        elif place < 0:
            self._pair(path)
        else:
            self._value((*path, place))

    def _header(self) -> Path:
        """``[table]`` or ``[[list of tables]]``."""
        listed = self._text.startswith("[[", self._at)
        self._at += 2 if listed else 1
        path: Path = ()
        keys = self._keys()
        for number, key in enumerate(keys, 1):
            path = (*path, key)
            if listed and number == len(keys):
                self._tables[path] = self._tables.get(path, 0) + 1
            self._note(path)
            if path in self._tables:
                path = (*path, self._tables[path] - 1)
        self._note(path)
        while self._text.startswith("]", self._at):
            self._at += 1
        return path

    def _pair(self, table: Path) -> None:
        """``key = value`` up to the value, and the value where it is a plain one."""
        before = self._at
        path = table
        for key in self._keys():
            path = (*path, key)
            self._note(path)
        if self._text.startswith("=", self._at):
            self._at += 1
            self._skip(_SPACE)
            self._value(path)
        if self._at == before:
            self._at += 1  # no TOML; go on all the same

    def _keys(self) -> list[str]:
        keys = []
        while self._skip(_SPACE):
            found = _KEY.match(self._text, self._at)
            if found is None:
                break
            keys.append(_unquoted(found[0]))
            self._at = found.end()
            if not self._skip(_SPACE) or self._text[self._at] != ".":
                break
            self._at += 1
        return keys

    def _value(self, path: Path) -> None:
        self._note(path)
        char = self._text[self._at : self._at + 1]
        if char in ("[", "{"):
            self._open.append((path, 0 if char == "[" else -1))
            self._at += 1
            return
        found = (_STRING if char in ('"', "'") else _BARE).match(self._text, self._at)
        self._at = found.end() if found is not None else self._at + 1

    def _note(self, path: Path) -> None:
        self._line += self._text.count("\n", self._counted, self._at)
        self._counted = self._at
        self.found.setdefault(path, self._line)

    def _skip(self, what: re.Pattern[str]) -> bool:
        """Pass over blanks; False at the end of the text."""
        found = what.match(self._text, self._at)
        if found is not None:
            self._at = found.end()
        return self._at < len(self._text)


def _unquoted(key: str) -> str:
    if key[:1] not in ('"', "'"):
        return key
    if "\\" not in key or key[0] == "'":
        return key[1:-1]
    try:
        return str(toml().loads(f"key = {key}")["key"])
    except ValueError:
        return key[1:-1]


def toml() -> Any:
    """The reader of TOML: the standard library's, or the one it was made from."""
    return import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
