"""What is known of a call: for the log, for ATI6, and for the file of call records."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any


@dataclass
class CallRecord:
    """One call, as it went.  Moments are seconds of the monotonic clock, ``date`` is the wall clock's."""

    modem: str
    #: ``in`` or ``out``.
    direction: str
    #: What was dialled, or who called.
    number: str
    #: Where the call went; may hold anything, escape before showing.
    peer: str
    #: The directory key that matched, "" when the address was dialled itself.
    rule: str = ""
    started_at: float = field(default_factory=time.monotonic)
    connected_at: float | None = None
    date: float = field(default_factory=time.time)
    duration_s: float = 0.0
    sent: int = 0
    received: int = 0
    reason: str = ""

    def finish(self, now: float, sent: int, received: int, reason: str) -> None:
        """The call is over: ``sent`` bytes went from the DTE, ``received`` to it."""
        self.duration_s = 0.0 if self.connected_at is None else now - self.connected_at
        self.sent, self.received, self.reason = sent, received, reason

    @property
    def connected(self) -> bool:
        return self.connected_at is not None

    def report(self) -> tuple[str, ...]:
        """The lines of ATI6.  What others wrote is shown in lower case and plain characters: no result code's
        words, whatever they choose to be called."""
        return (
            "last call: " + ("answered" if self.direction == "in" else "originated"),
            f"peer:      {_plain(self.peer or self.number)}",
            f"seconds:   {self.duration_s:.0f}",
            f"sent:      {self.sent}",
            f"received:  {self.received}",
            f"end:       {_plain(self.reason)}",
        )

    def as_json(self) -> dict[str, Any]:
        """The record as a table of plain values."""
        return {
            "date": time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(self.date)),
            "modem": self.modem,
            "direction": self.direction,
            "number": self.number,
            "peer": self.peer,
            "rule": self.rule,
            "connected": self.connected,
            "duration_s": round(self.duration_s, 3),
            "sent": self.sent,
            "received": self.received,
            "reason": self.reason,
        }


def _plain(text: str) -> str:
    return "".join(char if " " <= char <= "~" else "." for char in text.lower())[:60]
