"""What the engine may ask of whoever drives it, and the words both sides share.

Every public method of :class:`atparser.engine.Modem` returns a list of these, to be carried out in order.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .dialstring import DialString


class Circuit(enum.Enum):
    """Interchange circuits that a DCE drives (ITU-T V.24 circuit numbers)."""

    CTS = 106
    DSR = 107
    DCD = 109
    RI = 125


class Flow(enum.Flag):
    """Ways in which one side of the line to the DTE can hold up the other."""

    NONE = 0
    XON_XOFF = enum.auto()
    CIRCUITS = enum.auto()


class CallFailure(enum.Enum):
    """Why an outgoing call did not come about, as the driver reports it."""

    REFUSED = "refused"  # the far end said no: busy
    NO_ANSWER = "no answer"  # timed out, or unreachable beyond our own network
    UNANSWERED = "not answered"  # the far modem rang, and says that nobody answered
    UNKNOWN = "unknown number"  # not in the directory, no such name
    FORBIDDEN = "not allowed"  # the dial policy says no
    DELAYED = "too many calls"  # more than may be dialled in a minute
    NO_NETWORK = "no network"  # our own side cannot get out: no route, interface down
    LINE_BUSY = "line busy"  # our own line or port is taken


class Progress(enum.Enum):
    """How a call being dialled stands, where the far end tells."""

    RINGING = "ringing"


class CallLoss(enum.Enum):
    """Why an established call ended other than by our own hang-up."""

    REMOTE = "remote hang-up"
    RESET = "connection reset"
    TIMEOUT = "no response"
    ERROR = "failed"


class Refusal(enum.Enum):
    """Why an incoming call is not taken."""

    BUSY = "busy"
    NO_ANSWER = "no answer"
    REJECTED = "rejected"


@dataclass(frozen=True)
class SendDte:
    """The modem's own words to the DTE: echo, result codes, information text."""

    data: bytes


@dataclass(frozen=True)
class Deliver:
    """Bytes of the call that were held back, now to go to the DTE."""

    data: bytes


@dataclass(frozen=True)
class SendCall:
    """Bytes of the DTE, to go to the far end of the call."""

    data: bytes


@dataclass(frozen=True)
class SetCircuit:
    """Drive a circuit towards the DTE."""

    circuit: Circuit
    on: bool


@dataclass(frozen=True)
class SetFlow:
    """Flow control on the line to the DTE from now on (V.250 clause 6.2.12, &K)."""

    #: How the DTE holds up what is sent to it.
    dce_by_dte: Flow
    #: How the DTE is held up.
    dte_by_dce: Flow
    #: S32 and S33, with the parity the DTE uses.
    xon: int
    xoff: int
    #: The DTE's XON and XOFF are obeyed and go to the far end as well (&K5, \X1).
    through: bool


@dataclass(frozen=True)
class BreakDte:
    """Send a break to the DTE, behind what was sent to it."""

    seconds: float


@dataclass(frozen=True)
class CallCircuits:
    """How the DTE has circuits 108/2 and 105, as far as they count, for a far end that can be told."""

    dtr: bool
    rts: bool


@dataclass(frozen=True)
class SendBreak:
    """Send a break to the far end of the call, if the call has a way to carry one."""

    seconds: float
    #: Before what waits to be sent, instead of behind it.
    expedited: bool
    #: What waits to be sent, either way, is forgotten.
    discard: bool


@dataclass(frozen=True)
class Originate:
    """Place a call; answer with ``carrier_detected`` or ``call_failed``."""

    dial: DialString


@dataclass(frozen=True)
class Answer:
    """Take the call that is ringing; answer with ``carrier_detected`` or ``call_failed``."""


@dataclass(frozen=True)
class Refuse:
    """Turn an incoming call away: the one just reported when the reason is BUSY, else the one that rings."""

    reason: Refusal


@dataclass(frozen=True)
class HangUp:
    """End the call, or give up originating or answering it.

    ``drain_s`` is how long what the DTE had sent may take to reach the far end (S38).
    """

    drain_s: float
    reason: str


@dataclass(frozen=True)
class PauseCall:
    """Read no more from the call: enough is held back."""


@dataclass(frozen=True)
class ResumeCall:
    """Read from the call again."""


@dataclass(frozen=True)
class SetRate:
    """The DTE's rate from now on (+IPR), in bit/s; 0: find it out again.  All before this went at the old."""

    rate: int


@dataclass(frozen=True)
class SetFraming:
    """The DTE's framing from now on (+ICF); all before this went in the old."""

    #: 7 or 8; 0: find all of it out again.
    data_bits: int
    #: ``N``, ``O``, ``E``, ``M`` or ``S``.
    parity: str
    stop_bits: int


@dataclass(frozen=True)
class StoreProfile:
    """Keep this for the next start; answer with ``stored``.  The mapping is JSON-able."""

    snapshot: Mapping[str, Any]


Action = (
    SendDte
    | Deliver
    | SendCall
    | SetCircuit
    | SetFlow
    | BreakDte
    | SendBreak
    | CallCircuits
    | SetRate
    | SetFraming
    | Originate
    | Answer
    | Refuse
    | HangUp
    | PauseCall
    | ResumeCall
    | StoreProfile
)
