"""The modem itself, without I/O: bytes and moments in, actions out.

Feed a :class:`Modem` what happens, carry out the actions it returns, call ``expire`` when its ``deadline``
comes. Standard library only.
"""

from .actions import (
    Action,
    Answer,
    BreakDte,
    CallCircuits,
    CallFailure,
    CallLoss,
    Circuit,
    Deliver,
    Flow,
    HangUp,
    Originate,
    PauseCall,
    Progress,
    Refusal,
    Refuse,
    ResumeCall,
    SendBreak,
    SendCall,
    SendDte,
    SetCircuit,
    SetFlow,
    SetFraming,
    SetRate,
    StoreProfile,
)
from .callerid import Caller
from .dialstring import Address, DialString, parse_dial
from .engine import Modem
from .errors import InitError, ProfileError, UsageError
from .options import DIALECTS, EscapeMode, Identity, Options
from .profile import Store
from .state import State

__all__ = [
    "DIALECTS",
    "Action",
    "Address",
    "Answer",
    "BreakDte",
    "CallCircuits",
    "CallFailure",
    "CallLoss",
    "Caller",
    "Circuit",
    "Deliver",
    "DialString",
    "EscapeMode",
    "Flow",
    "HangUp",
    "Identity",
    "InitError",
    "Modem",
    "Options",
    "Originate",
    "PauseCall",
    "ProfileError",
    "Progress",
    "Refusal",
    "Refuse",
    "ResumeCall",
    "SendBreak",
    "SendCall",
    "SendDte",
    "SetCircuit",
    "SetFlow",
    "SetFraming",
    "SetRate",
    "State",
    "Store",
    "StoreProfile",
    "UsageError",
    "parse_dial",
]
