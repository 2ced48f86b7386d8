"""What there is to say of a UPS and its variables: the values that drivers, model and server exchange.

What does not belong here: a UPS as it stands (``model``).
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

#: Longest value, in characters: with the longest names a line of the protocol stays below 512 bytes.
VALUE_LIMIT: Final = 256

_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,15}(?:\.[0-9]{1,9})?")


class Health(enum.Enum):
    """Whether what is known of a UPS may be believed."""

    FINE = "fine"
    STALE = "stale"  # the port is there, the UPS does not answer, or nonsense
    GONE = "gone"  # the port is not there


class Event(enum.Enum):
    """What befell a UPS, by the names of hooks."""

    ONLINE = "online"
    ONBATT = "onbatt"
    LOWBATT = "lowbatt"
    REPLBATT = "replbatt"
    COMMBAD = "commbad"
    COMMOK = "commok"
    FSD = "fsd"
    SHUTDOWN = "shutdown"  # power is about to end: on battery and low, or a forced shutdown


class Outcome(enum.Enum):
    """What became of a change that a driver was asked for."""

    SUCCESS = "success"
    INVALID = "invalid"  # the argument or value cannot be used
    FAILED = "failed"  # refused by the UPS, or no answer
    UNKNOWN = "unknown"  # handed over; the UPS does not tell


Done = Callable[[Outcome], None]


class Fault(enum.Enum):
    """Why a variable cannot have a value."""

    TOO_LONG = "too long"
    INVALID = "invalid"


@dataclass(frozen=True)
class Variable:
    """What is known of a variable besides its value.  Only writable ones need to be declared."""

    name: str
    #: "" takes the text of :data:`vmodem.ups.names.VARIABLES`.
    description: str = ""
    writable: bool = False
    #: Longest text in characters; 0 says that it is a number.
    length: int = 0
    #: Values it can have; empty is any.
    choices: tuple[str, ...] = ()
    #: Inclusive ranges of a number; empty is any.
    ranges: tuple[tuple[int, int], ...] = ()

    def fault(self, value: str) -> Fault | None:
        """What is wrong with a value that somebody wants it to have.  What clients could not be shown again
        as it is (see :func:`clean`) is invalid."""
        if self.length and len(value) > self.length:
            return Fault.TOO_LONG
        if clean(value) != value:
            return Fault.INVALID
        if self.choices:
            return None if value in self.choices else Fault.INVALID
        if self.length:
            return None
        if _NUMBER.fullmatch(value) is None:
            return Fault.INVALID
        if self.ranges and not any(low <= float(value) <= high for low, high in self.ranges):
            return Fault.INVALID
        return None


@dataclass(frozen=True)
class Command:
    """An instant command."""

    name: str
    description: str = ""
    #: Takes power from the load, now or later: only for users who have it by name.
    cuts_power: bool = False


def clean(text: str) -> str:
    """``text`` as it can be served to every client: printable ASCII without what needs escaping, bounded.

    Clients in use take a quote for the end of the text, keep escapes as they are, or end at a byte beyond
    ASCII.
    """
    safe = text.translate(_REPLACED)[:VALUE_LIMIT]
    return "".join(char if " " <= char <= "~" else "?" for char in safe).strip()


_REPLACED: Final = str.maketrans({'"': "'", "\\": "/", "#": "?", "\t": " ", "\r": " ", "\n": " "})
