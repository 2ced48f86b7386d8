"""What people and programs are shown: tables, JSON, complaints.

Names and texts from the network may hold anything, so whatever a terminal could act on is escaped here, and
nowhere else.  What does not belong here: what is worth showing.
"""

from __future__ import annotations

import errno
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
        warn(f"vmodem: {printable(line)}")


def warn(line: str) -> None:
    """Write a line to standard error, if there is one."""
    if sys.stderr is not None:  # print() would take standard output instead
        print(line, file=sys.stderr)


def coloured(stream: TextIO | None) -> bool:
    """Whether ``stream`` is a terminal whose user wants more than plain text (https://no-color.org)."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") == "dumb"
    return not plain and is_terminal(stream)


def is_terminal(stream: TextIO | None) -> bool:
    """Whether ``stream`` is a terminal; None is a descriptor that was closed before the start."""
    return stream is not None and stream.isatty()


def fitting(text: str, columns: int, rows: int) -> str:
    """As much of some lines as a terminal of that size shows without moving on."""
    lines = text.splitlines()
    if len(lines) > rows > 0:
        left_out = len(lines) - rows + 1
        lines[rows - 1 :] = [f"... {left_out} more"]
    return "\n".join(line[:columns] for line in lines)


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
    """Write to standard output, now.  What its character set has not is escaped.  Raises OSError."""
    stream: TextIO | None = sys.stdout
    if stream is None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    try:
        stream.write(text)
    except UnicodeEncodeError:
        known = stream.encoding or "ascii"
        stream.write(text.encode(known, "backslashreplace").decode(known))
    stream.flush()
