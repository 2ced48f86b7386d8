"""The contract between serial equipment and whoever uses it: a device server, a bridge, a UPS monitor.

What does not belong here: how many users there are and what they may do.
"""

from __future__ import annotations

import abc
import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred


class PortError(Exception):
    """Equipment that cannot be had as it is written; the text is one clear sentence with its remedy."""


class Signals(enum.Flag):
    """Interchange circuits (ITU-T V.24).  The first two are ours to drive, the others we read."""

    NONE = 0
    DTR = enum.auto()  # 108/2
    RTS = enum.auto()  # 105
    CTS = enum.auto()  # 106
    DSR = enum.auto()  # 107
    DCD = enum.auto()  # 109
    RI = enum.auto()  # 125


OUTPUTS = Signals.DTR | Signals.RTS
INPUTS = Signals.CTS | Signals.DSR | Signals.DCD | Signals.RI


class PortFlow(enum.Enum):
    """How the two sides hold each other up."""

    NONE = "none"
    XON_XOFF = "xonxoff"
    RTS_CTS = "rtscts"
    DTR_DSR = "dsrdtr"


@dataclass(frozen=True)
class Settings:
    """How characters are sent and received."""

    #: In bit/s.
    rate: int = 9600
    #: 5 to 8.
    data_bits: int = 8
    #: N, E, O, M or S.
    parity: str = "N"
    #: 1, 1.5 or 2.
    stop_bits: float = 1
    flow: PortFlow = PortFlow.NONE

    def __str__(self) -> str:
        """As people write them: ``9600 8N1 rtscts``."""
        flow = "" if self.flow is PortFlow.NONE else f" {self.flow.value}"
        return f"{self.rate} {self.framing}{flow}"

    @property
    def framing(self) -> str:
        """Data bits, parity and stop bits: ``8N1``."""
        return f"{self.data_bits}{self.parity}{self.stop_bits:g}"

    @property
    def character_s(self) -> float:
        """How long one character takes, in seconds; 0 where there is no rate."""
        if self.rate <= 0:
            return 0.0
        return (1 + self.data_bits + (self.parity != "N") + self.stop_bits) / self.rate

    @property
    def sensible(self) -> bool:
        """Whether a port can be asked for this at all."""
        return (
            0 < self.rate <= 0x7FFFFFFF
            and self.data_bits in (5, 6, 7, 8)
            and self.parity in tuple("NEOMS")
            and self.stop_bits in (1, 1.5, 2)
        )


@dataclass
class Counters:
    """What happened to received and sent bytes since the port was made."""

    received: int = 0
    sent: int = 0
    breaks: int = 0
    framing: int = 0
    parity: int = 0
    overrun: int = 0


class Noted(enum.Enum):
    """What befell the byte stream at this place."""

    BREAK = "break"
    FRAMING = "framing error"
    PARITY = "parity error"
    OVERRUN = "overrun"


class PortUser(Protocol):
    """What equipment tells its user."""

    def data_received(self, data: bytes) -> None:
        """A chunk arrived; never empty."""

    def noted(self, what: Noted) -> None:
        """A break began, or the character that comes next is damaged, behind what has been received so far.
        An overrun, and everything where the place is not asked for (:attr:`Port.mark_errors`) or not known,
        is told soon after it happened."""

    def signals_changed(self, signals: Signals) -> None:
        """The circuits we read are now these; told at the start and at every change."""

    def settings_changed(self, settings: Settings) -> None:
        """Whoever is attached has changed how characters are sent: a local application on a pseudo-terminal.
        Never told of what was asked for through the port."""

    def attached(self, present: bool) -> None:
        """Somebody has opened a pseudo-terminal or connected to a socket, or has left.  Real equipment is
        attached while the device is there."""

    def write_blocked(self) -> None:
        """The equipment takes no more for now: stop writing soon."""

    def write_drained(self) -> None:
        """Everything written has been taken; write again."""

    def lost(self, reason: str) -> None:
        """The device is gone and is being looked for."""

    def found(self) -> None:
        """The device is there (again), set as it was last asked to be."""


class Port(abc.ABC):
    """Equipment on one LINE."""

    #: The LINE string, for people.
    description: str
    #: Which circuits there are at all.
    signals_known: Signals
    counters: Counters
    #: Whether breaks and errors are told in their place among the bytes, which means looking at every chunk.
    #: Whoever wants that sets it before start(); equipment that cannot does as without.
    mark_errors: bool = False

    #: When a server between us and the equipment last said anything, on the reactor's clock; None where there
    #: is none, and what is told of the circuits is how they are.
    heard: float | None = None

    def inquire(self) -> None:
        """Have such a server say something soon, so that silence means that it is gone."""
        return

    @abc.abstractmethod
    def start(self, user: PortUser) -> None:
        """Begin.  Raises :class:`PortError` for what no waiting can mend; a device that is missing is told by
        ``lost`` and looked for."""

    @abc.abstractmethod
    def stop(self) -> Deferred[None]:
        """Send what is pending for a moment (0.3 s), close, remove what start() made."""

    @abc.abstractmethod
    def write(self, data: bytes) -> None:
        """Send; whatever cannot be sent yet is kept, in order.  Dropped while nobody is attached."""

    @property
    @abc.abstractmethod
    def backlog(self) -> int:
        """Bytes written but not yet taken."""

    @abc.abstractmethod
    def pause(self) -> None:
        """Stop reading; the equipment is held up as the flow control has it."""

    @abc.abstractmethod
    def resume(self) -> None:
        """Read again."""

    @property
    @abc.abstractmethod
    def settings(self) -> Settings:
        """In force now, as far as known."""

    @abc.abstractmethod
    def set(self, wanted: Settings, done: Callable[[Settings], None]) -> None:
        """Change settings behind everything written so far; ``done`` gets what is in force then, once and
        later, also when it was refused."""

    @property
    @abc.abstractmethod
    def signals(self) -> Signals:
        """All circuits as they are now, ours as driven."""

    @abc.abstractmethod
    def drive(self, on: Signals, off: Signals) -> None:
        """Turn these of our circuits on and those off, all at the same moment, behind everything written so
        far.  No effect where the equipment has none."""

    @abc.abstractmethod
    def set_break(self, on: bool) -> None:
        """Begin or end a break, behind everything written so far."""

    def send_break(self, seconds: float) -> None:  # noqa: B027 - most equipment has none
        """Send a break of at most a second behind everything written so far; what is written later follows
        it.  No effect where the equipment has none."""

    @property
    def all_sent(self) -> bool:
        """Whether everything written has left, as far as is known."""
        return not self.backlog

    @abc.abstractmethod
    def purge(self, received: bool, sent: bool) -> None:
        """Throw away what was received and not yet read, and what was written and not yet sent."""

    @abc.abstractmethod
    def when_sent(self, done: Callable[[], None]) -> None:
        """Call ``done`` once everything written so far has left (the transmitter is empty), or none of
        it has for five seconds.  Calls are kept in order."""
