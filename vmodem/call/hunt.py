"""Hunt groups: which of several lines takes a call.

The hunting of private exchanges: *linear* looks from the first line on every time, *circular* from the line
after the one that took the last call, *least-recent* takes the line that has been idle the longest.

What does not belong here: listeners, and what a line does with a call.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, Protocol

from vmodem.net.stream import Stream

from .caller import Caller

Order = Literal["linear", "circular", "least-recent"]
ORDERS: Final[tuple[Order, ...]] = ("linear", "circular", "least-recent")


class Line(Protocol):
    """One line of a group."""

    @property
    def free(self) -> bool:
        """Whether a call would be taken now."""

    @property
    def idle_since(self) -> float:
        """When the last call ended, in seconds of the monotonic clock; the start when there was none."""

    def offer(self, stream: Stream, caller: Caller) -> bool:
        """Take a call.  False: it is busy after all."""


class HuntGroup:
    """Offers each call to one line after the other."""

    def __init__(self, lines: Iterable[Line], order: Order) -> None:
        self.lines = list(lines)
        self.order = order
        self._next = 0

    @property
    def free(self) -> bool:
        """Whether any line would take a call now."""
        return any(line.free for line in self.lines)

    def offer(self, stream: Stream, caller: Caller) -> bool:
        """Whether some line took the call."""
        return any(self._try(line, stream, caller) for line in self._ordered())

    def _try(self, line: Line, stream: Stream, caller: Caller) -> bool:
        if not (line.free and line.offer(stream, caller)):
            return False
        self._next = self.lines.index(line) + 1
        return True

    def _ordered(self) -> list[Line]:
        if self.order == "circular":
            return self.lines[self._next :] + self.lines[: self._next]
        if self.order == "least-recent":
            return sorted(self.lines, key=lambda line: line.idle_since)
        return list(self.lines)
