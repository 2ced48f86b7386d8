"""What people and programs are shown: tables, JSON, complaints.

Names and texts from the network may hold anything, so whatever a terminal could act on is escaped here, and
nowhere else.  What does not belong here: what is worth showing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

#: Longest cell of a table, in characters.
CELL_LIMIT = 60


def printable(text: str) -> str:
    """``text`` with everything escaped that is not a printable character."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def complain(text: str) -> None:
    """Say on standard error what is wrong, each line with the program's name."""
    for line in text.splitlines() or [""]:
        print(f"vmodem: {printable(line)}", file=sys.stderr)


def coloured(stream: TextIO) -> bool:
    """Whether ``stream`` is a terminal whose user wants more than plain text (https://no-color.org)."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb" and stream.isatty()


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], colour: bool = False) -> str:
    """Columns side by side, ready to be written."""
    cells = [[_cell(text) for text in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(headings, *cells, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in (headings, *cells)]
    if colour:
        lines[0] = f"\x1b[1m{lines[0]}\x1b[0m"
    return "".join(f"{line}\n" for line in lines)


def _cell(text: str) -> str:
    shown = printable(text)
    return shown if len(shown) <= CELL_LIMIT else shown[: CELL_LIMIT - 3] + "..."


def as_json(value: Any) -> str:
    """One line of JSON, plain ASCII: nothing in it moves a cursor."""
    import json

    return json.dumps(value, default=str) + "\n"


def out(text: str) -> None:
    """Write to standard output, now."""
    sys.stdout.write(text)
    sys.stdout.flush()
