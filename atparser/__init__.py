"""The modem itself, without I/O: bytes and moments in, actions out.

Feed a :class:`Modem` what happens, carry out the actions it returns, call ``expire`` when its ``deadline``
comes. Standard library only.
"""

from .actions import (
    Action,
    Answer,
    CallFailure,
    CallLoss,
    Circuit,
    Deliver,
    HangUp,
    Originate,
    PauseCall,
    Refusal,
    Refuse,
    ResumeCall,
    SendCall,
    SendDte,
    SetCircuit,
    StoreProfile,
)
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
    "CallFailure",
    "CallLoss",
    "Circuit",
    "Deliver",
    "DialString",
    "EscapeMode",
    "HangUp",
    "Identity",
    "InitError",
    "Modem",
    "Options",
    "Originate",
    "PauseCall",
    "ProfileError",
    "Refusal",
    "Refuse",
    "ResumeCall",
    "SendCall",
    "SendDte",
    "SetCircuit",
    "State",
    "Store",
    "StoreProfile",
    "UsageError",
    "parse_dial",
]
