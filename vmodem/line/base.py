"""The contract between a line (where the DTE is) and the modem behind it."""

from __future__ import annotations

import abc
import enum
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred


class LineError(Exception):
    """A line cannot be served as it is written; the text is one clear sentence with its remedy."""


class Circuit(enum.Enum):
    """Interchange circuits that a DCE drives towards the DTE (ITU-T V.24 numbers)."""

    CTS = 106
    DSR = 107
    DCD = 109
    RI = 125


def _unheard() -> None:
    """Nobody wants to know."""


class LineUser(Protocol):
    """What a line tells the modem behind it."""

    def dte_received(self, data: bytes) -> None:
        """The DTE sent a chunk; never empty."""

    def dte_blocked(self) -> None:
        """The DTE takes no more for now."""

    def dte_drained(self) -> None:
        """The DTE has taken everything; write again."""

    def dtr_changed(self, on: bool) -> None:
        """Circuit 108/2, or what stands for it: somebody has the pseudo-terminal open at a speed other than
        B0, a client is connected.  Off until first told."""

    def line_lost(self, reason: str) -> None:
        """The device is gone and is being looked for; told after ``dtr_changed(False)``."""

    def line_found(self) -> None:
        """The device is there (again)."""

    def line_finished(self) -> None:
        """The line ended for good (standard input closed)."""


class Line(abc.ABC):
    """One attachment of a DTE.

    ``write`` is an attribute, not a method, so that it can be the stream's own while somebody is there.
    What is written while nobody is there is discarded: the next to open the line must find it clean.
    """

    #: The LINE string this was made from, for people.
    description: str
    write: Callable[[bytes], None]
    #: Called when the DTE begins a break.  Whoever wants to hear of it puts a callable here before start();
    #: lines that cannot tell never call it.
    break_received: Callable[[], None] = staticmethod(_unheard)

    @abc.abstractmethod
    def start(self, user: LineUser) -> None:
        """Begin to serve.  Raises :class:`LineError` for what no waiting can mend (a link path that is a
        regular file, a port in use); a device that is missing is reported by ``line_lost`` and looked for."""

    @abc.abstractmethod
    def stop(self) -> Deferred[None]:
        """Give what was written a moment to be read (0.3 s), close, remove what start() made."""

    @property
    @abc.abstractmethod
    def backlog(self) -> int:
        """Bytes written that the DTE has not taken."""

    @property
    def attached(self) -> bool:
        """Whether what is written now reaches a DTE; while it would be discarded a call's bytes must wait."""
        return True

    @property
    @abc.abstractmethod
    def rate(self) -> int:
        """The DTE's speed in bit/s, as it is now; 0 where the line has none (a socket)."""

    @abc.abstractmethod
    def pause(self) -> None:
        """Stop reading from the DTE."""

    @abc.abstractmethod
    def resume(self) -> None:
        """Read again."""

    def set_circuit(self, circuit: Circuit, on: bool) -> None:  # noqa: B027 - most lines have none
        """Drive a circuit towards the DTE; no effect where the line has none."""

    def send_break(self, seconds: float) -> None:  # noqa: B027 - most lines cannot
        """Send a break to the DTE, after what was written; no effect where the line has none."""

    def call_active(self, active: bool) -> None:  # noqa: B027 - most lines need not know
        """A call is up (or no longer): while it is, a hang-up must be noticed even where that needs polling,
        and even while reading is paused."""

    @abc.abstractmethod
    def when_sent(self, done: Callable[[], None]) -> None:
        """Call ``done`` once everything written has left for the DTE (the transmitter is empty); at once
        where that is already so.  A later call replaces an earlier one."""
