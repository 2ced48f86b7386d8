"""What two modems tell each other beside the bytes of a call, where the connection between them can.

Most connections cannot: their streams have no ``signals``, and :func:`signals_of` returns None.

What does not belong here: how any of it travels (:mod:`vmodem.net.pair.stream`), and what a modem makes of
it.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any, Protocol

from vmodem.net.stream import Stream


class Unanswered(enum.Enum):
    """Why a modem does not take a call."""

    BUSY = "busy"
    NO_ANSWER = "no answer"
    REJECTED = "rejected"


class CallSignals(Protocol):
    """The signals of one call.  Those of the called modem to the caller mean nothing the other way."""

    #: Called when the far end's circuits have changed: DTR (108/2) and RTS (105), as far as they count there.
    #: Both are on until something else is told.
    circuits_received: Callable[[bool, bool], None]
    #: Asked when the connection is lost: for how many seconds the call outlives it.
    hold_s: Callable[[], float]

    def ringing(self) -> None:
        """The called modem rings."""

    def answered(self) -> None:
        """The called modem answers: from now on there is a carrier."""

    def refused(self, why: Unanswered) -> None:
        """The called modem does not take the call; the stream is closed next."""

    def circuits(self, dtr: bool, rts: bool) -> None:
        """Our circuits, as far as they count here."""


def signals_of(stream: Any) -> CallSignals | None:
    """The signals that go with a stream, or None where nothing but bytes does."""
    found: CallSignals | None = getattr(stream, "signals", None)
    return found


class SignallingStream(Stream, Protocol):
    """A stream with signals beside it."""

    signals: CallSignals
