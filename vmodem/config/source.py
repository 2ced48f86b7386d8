"""A TOML file, read whole, with the places of its keys.

What does not belong here: which keys there may be.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from .mistake import ConfigError, Finding, Mistake, Path, escaped, shown
from .positions import positions, toml

#: Largest file that is read, in bytes.
FILE_LIMIT: Final = 1 << 22


@dataclass
class Source:
    """A file that is TOML."""

    file: str
    text: str
    table: dict[str, Any]
    _positions: dict[Path, int] | None = field(default=None, repr=False)

    def line(self, path: Path) -> int:
        """The line where the deepest key of ``path`` that is there stands; 0 when none is."""
        if self._positions is None:
            self._positions = positions(self.text)
        for length in range(len(path), 0, -1):
            line = self._positions.get(path[:length])
            if line is not None:
                return line
        return 0

    def mistakes(self, findings: Iterable[Finding]) -> list[Mistake]:
        """What was found, each with its place, in the order of the file."""
        made = [
            Mistake(self.file, self.line(each.path), shown(each.path), escaped(each.text), each.warning)
            for each in findings
        ]
        return sorted(made, key=lambda mistake: mistake.line)


def read_source(path: str | os.PathLike[str]) -> Source:
    """Read a file.  Raises :class:`ConfigError` when it cannot be read or is no TOML."""
    file = os.fspath(path)
    return parse_source(_read(file), file)


def parse_source(text: str, file: str = "") -> Source:
    """Take a text for a file's.  Raises :class:`ConfigError` when it is no TOML."""
    try:
        return Source(file, text, toml().loads(text))
    except (
        ValueError,
        RecursionError,
    ) as exc:  # TOMLDecodeError is a ValueError; so is a number of 5000 digits
        found = re.search(r"\(at line (\d+), column (\d+)\)", str(exc))
        line = int(found[1]) if found is not None else (text.count("\n") + 1 if "end of" in str(exc) else 0)
        reason = re.sub(r"\s*\(at .*\)$", "", str(exc))
        if isinstance(exc, RecursionError):
            reason = "lists or tables within one another too deeply"
        raise ConfigError([Mistake(file, line, "", f"is not TOML: {escaped(reason)}")]) from None


def _read(file: str) -> str:
    try:
        with open(file, "rb") as stream:
            data = stream.read(FILE_LIMIT + 1)
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or str(exc)
        raise ConfigError([Mistake(file, 0, "", f"cannot be read: {reason}")]) from None
    if len(data) > FILE_LIMIT:
        raise ConfigError([Mistake(file, 0, "", f"is larger than {FILE_LIMIT} bytes")])
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as exc:
        line = data.count(b"\n", 0, exc.start) + 1
        raise ConfigError([Mistake(file, line, "", "is not UTF-8; save it in that encoding")]) from None
