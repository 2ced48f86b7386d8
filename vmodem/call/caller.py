"""Who calls, as everybody knows him who has to do with the call.

What does not belong here: finding out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from vmodem.net.stream import unheard


@dataclass(frozen=True)
class Caller:
    """Who calls."""

    #: For people; may hold anything, escape before showing.
    printable: str
    #: The address as a literal, IPv4-mapped ones as IPv4; "" on a Unix socket.
    host: str = ""
    port: int = 0
    #: The number to call back: the directory's for this address, else IPv4 as twelve digits, else "".
    number: str = ""
    #: The directory's name for this address, else "".
    name: str = ""
    #: The LISTEN string of the listener that was reached.
    listener: str = ""
    #: To be called by whoever took the call when the caller leaves before the answer.
    left: Callable[[], None] = field(default=unheard, compare=False, repr=False)
