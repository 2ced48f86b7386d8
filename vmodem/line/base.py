"""The contract between a line (where the DTE is) and the modem behind it."""

from __future__ import annotations

import abc
import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

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


class Flow(enum.Flag):
    """Ways in which one side of a line can hold up the other."""

    NONE = 0
    XON_XOFF = enum.auto()
    CIRCUITS = enum.auto()


@dataclass(frozen=True)
class FlowControl:
    """How the two sides of a line hold each other up (V.250 clause 6.2.12)."""

    #: How the DTE holds up what we send to it: by XOFF, by circuit 133.
    dce_by_dte: Flow
    #: How we hold up the DTE: by XOFF, by circuit 106.
    dte_by_dce: Flow
    #: The characters, as the DTE sends and expects them.
    xon: int = 17
    xoff: int = 19
    #: The DTE's XON and XOFF are obeyed and still passed on.
    through: bool = False


def _unheard(on: bool = False) -> None:
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

    def dte_left(self) -> None:
        """Whoever comes next is another DTE, however soon; told before ``dtr_changed(False)``, where that can
        be known (a client's connection ended)."""

    def line_lost(self, reason: str) -> None:
        """The device is gone and is being looked for; told after ``dtr_changed(False)``.  The line has logged
        it, and logs when it is there again."""

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
    #: Why the device is not there; "" while it is, and where there is none.
    missing: str = ""
    #: Called when the DTE begins a break.  Whoever wants to hear of it puts a callable here before start();
    #: lines that cannot tell never call it.
    break_received: Callable[[], None] = staticmethod(_unheard)
    #: Called when circuit 105 (RTS) changes, and first when it is known, in the same way.
    rts_changed: Callable[[bool], None] = staticmethod(_unheard)

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

    def set_flow(self, flow: FlowControl) -> None:  # noqa: B027 - some lines hold up by themselves
        """Hold up the DTE, and be held up by it, in these ways from now on.

        Asked for with the first commands' settings and at every change of them.  A line that holds up by its
        nature (a socket, a pseudo-terminal) needs nothing for circuits; one whose LINE says how it is done
        stays with that.
        """

    def fix_rate(self, rate: int | None) -> None:  # noqa: B027 - most lines have no speed of their own
        """Stay at ``rate`` in bit/s from when everything written has left; None: follow the DTE again.  No
        effect where the line has no speed, or its LINE says which."""

    def set_framing(self, data_bits: int, parity: str, stop_bits: int) -> None:  # noqa: B027 - likewise
        """Send and expect characters like that from when everything written has left.  No effect where the
        line carries bytes as they are.  ``data_bits`` 0: as at the start."""

    def discard(self) -> None:  # noqa: B027 - some lines keep nothing
        """Forget what was written and has not left for the DTE, as far as it can be got hold of."""

    def call_active(self, active: bool) -> None:  # noqa: B027 - most lines need not know
        """A call is up (or no longer): while it is, a hang-up must be noticed even where that needs polling,
        and even while reading is paused."""

    @abc.abstractmethod
    def when_sent(self, done: Callable[[], None]) -> None:
        """Call ``done`` once everything written has left for the DTE (the transmitter is empty); at once
        where that is already so.  A later call replaces an earlier one."""


def nowhere(data: bytes) -> None:
    """No DTE is there."""


class Nobody:
    """The user of a line that has been stopped."""

    def dte_received(self, data: bytes) -> None:
        pass

    def dte_blocked(self) -> None:
        pass

    def dte_drained(self) -> None:
        pass

    def dtr_changed(self, on: bool) -> None:
        pass

    def dte_left(self) -> None:
        pass

    def line_lost(self, reason: str) -> None:
        pass

    def line_found(self) -> None:
        pass

    def line_finished(self) -> None:
        pass


NOBODY: Final = Nobody()
