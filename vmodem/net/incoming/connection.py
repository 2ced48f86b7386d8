"""A connection that has just come in, as listeners of every kind hand it on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from vmodem.net.stream import Stream


@dataclass(frozen=True)
class Peer:
    """Who connected."""

    #: For people; may hold anything, escape before showing.
    printable: str
    #: The address as a literal, IPv4-mapped ones as IPv4; "" on a Unix socket.
    host: str = ""
    port: int = 0
    #: The name in the certificate that was shown, "" for none.
    certificate_name: str = ""


#: What is done with a newcomer.
Accepted = Callable[["Incoming"], None]


@dataclass(eq=False)
class Incoming:
    """A connection just accepted, not yet read from."""

    peer: Peer
    listener: str
    stream: Stream = field(init=False)
    #: Called once when the stream's descriptor is closed.
    closed: Callable[[], None] | None = None

    def _closed(self) -> None:
        if self.closed is not None:
            self.closed()
