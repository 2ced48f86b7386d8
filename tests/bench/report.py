"""Figures as tables for people, or as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any


class Table:
    """Rows under one heading."""

    def __init__(self, title: str, columns: Sequence[str]) -> None:
        self.title = title
        self.columns = tuple(columns)
        self.rows: list[tuple[Any, ...]] = []

    def add(self, *cells: Any) -> None:
        """One row: words, numbers, or None for nothing."""
        assert len(cells) == len(self.columns), (cells, self.columns)
        self.rows.append(cells)

    def text(self) -> str:
        lines = [self.columns, *([_shown(cell) for cell in row] for row in self.rows)]
        widths = [max(len(line[at]) for line in lines) for at in range(len(self.columns))]
        left = [all(isinstance(row[at], str) for row in self.rows) for at in range(len(self.columns))]
        shown = []
        for line in lines:
            cells = [
                cell.ljust(width) if flush else cell.rjust(width)
                for cell, width, flush in zip(line, widths, left, strict=True)
            ]
            shown.append(("  " + "  ".join(cells)).rstrip())
        return "\n".join([self.title, *shown, ""])

    def plain(self) -> dict[str, Any]:
        """The same for JSON."""
        names = [name or "what" for name in self.columns]
        return {"title": self.title, "rows": [dict(zip(names, row, strict=True)) for row in self.rows]}


def ratio(
    figures: Mapping[tuple[str, str], Sequence[tuple[float, ...]]],
    what: str,
    side: str,
    peer: str,
    column: int,
) -> float | None:
    """The median of side against peer, round by round; None for the peer itself, or where there is none."""
    ours, theirs = figures[what, side], figures.get((what, peer))
    if side == peer or theirs is None:
        return None
    return median(one[column] / other[column] for one, other in zip(ours, theirs, strict=True))


def _shown(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float):
        return f"{cell:.2f}" if abs(cell) < 10 else f"{cell:.1f}" if abs(cell) < 100 else f"{cell:.0f}"
    return str(cell)
