"""The modem's states and every legal move between them.

The table is the truth: the engine moves only through :func:`next_state`, the picture in the documentation is
drawn from it (``bin/state-diagram``), and a test visits every cell.  What happens on the way, and where bytes
go in a state, is the engine's business; what may happen at all is said here and nowhere else.

A caller whom the DTE turns away (by dialling out, or by going off-hook) is first rejected, which is a move of
its own; the other command then starts from idle.

Two things are deliberately no states: whether DTR is on, and whether a command line is half typed.  Both are
looked at when a move is considered, but neither says where the call stands.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final

from .errors import UsageError


class State(enum.Enum):
    """Where the modem stands.  The value is its name in documentation and on displays."""

    IDLE = "idle"  # on-hook, offline command state
    OFF_HOOK = "off-hook"  # line seized: H1, a number half dialled with D...;, or a test that runs (&T1)
    RINGING = "ringing"  # offline command state, a caller waits
    DIALING = "dialing"  # originating; any byte of the DTE aborts
    ANSWERING = "answering"  # taking a call, or waiting for one to take; any byte of the DTE aborts
    ONLINE = "online"  # online data state
    ONLINE_COMMAND = "online command"  # the call is kept while the DTE talks to the modem


class Input(enum.Enum):
    """What can move the modem from one state to another."""

    DIAL = "dial"
    SEIZE = "go off-hook"
    ON_HOOK = "go on-hook"
    CALL_ARRIVED = "call arrived"
    CALLER_LEFT = "caller left"
    NOT_ANSWERED = "not answered"
    ANSWER = "answer"
    CARRIER = "carrier detected"
    CALL_FAILED = "call failed"
    ABORTED = "aborted by the DTE"
    ESCAPE = "escape"
    RETURN = "return online"
    CARRIER_LOST = "carrier lost"


_S = State
_I = Input

TRANSITIONS: Final[Mapping[tuple[State, Input], State]] = {
    (_S.IDLE, _I.DIAL): _S.DIALING,
    (_S.IDLE, _I.SEIZE): _S.OFF_HOOK,
    (_S.IDLE, _I.ON_HOOK): _S.IDLE,
    (_S.IDLE, _I.CALL_ARRIVED): _S.RINGING,
    (_S.IDLE, _I.ANSWER): _S.ANSWERING,
    (_S.OFF_HOOK, _I.DIAL): _S.DIALING,
    (_S.OFF_HOOK, _I.SEIZE): _S.OFF_HOOK,
    (_S.OFF_HOOK, _I.ON_HOOK): _S.IDLE,
    (_S.RINGING, _I.ANSWER): _S.ANSWERING,
    (_S.RINGING, _I.ON_HOOK): _S.IDLE,
    (_S.RINGING, _I.CALLER_LEFT): _S.IDLE,
    (_S.RINGING, _I.NOT_ANSWERED): _S.IDLE,
    (_S.DIALING, _I.CARRIER): _S.ONLINE,
    (_S.DIALING, _I.CALL_FAILED): _S.IDLE,
    (_S.DIALING, _I.ABORTED): _S.IDLE,
    (_S.DIALING, _I.ON_HOOK): _S.IDLE,
    (_S.ANSWERING, _I.CARRIER): _S.ONLINE,
    (_S.ANSWERING, _I.CALL_FAILED): _S.IDLE,
    (_S.ANSWERING, _I.ABORTED): _S.IDLE,
    (_S.ANSWERING, _I.ON_HOOK): _S.IDLE,
    (_S.ONLINE, _I.ESCAPE): _S.ONLINE_COMMAND,
    (_S.ONLINE, _I.CARRIER_LOST): _S.IDLE,
    (_S.ONLINE, _I.ON_HOOK): _S.IDLE,
    (_S.ONLINE_COMMAND, _I.RETURN): _S.ONLINE,
    (_S.ONLINE_COMMAND, _I.SEIZE): _S.ONLINE_COMMAND,
    (_S.ONLINE_COMMAND, _I.CARRIER_LOST): _S.IDLE,
    (_S.ONLINE_COMMAND, _I.ON_HOOK): _S.IDLE,
}

#: A call is being made or exists: bytes of a far end may be around.
IN_CALL: Final = frozenset({_S.DIALING, _S.ANSWERING, _S.ONLINE, _S.ONLINE_COMMAND})
#: The carrier is there.
CONNECTED: Final = frozenset({_S.ONLINE, _S.ONLINE_COMMAND})
#: A call is on its way; a byte of the DTE gives it up.
PROGRESS: Final = frozenset({_S.DIALING, _S.ANSWERING})


def allowed(state: State, what: Input) -> bool:
    """Whether ``what`` may happen in ``state``."""
    return (state, what) in TRANSITIONS


def next_state(state: State, what: Input) -> State:
    """Where ``what`` leads from ``state``; raises :class:`UsageError` when it leads nowhere."""
    try:
        return TRANSITIONS[state, what]
    except KeyError:
        raise UsageError(f"{what.value!r} cannot happen while {state.value}") from None
