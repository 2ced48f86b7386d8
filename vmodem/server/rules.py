"""How a port is shared, as plain values.  Times are seconds, sizes bytes.

What does not belong here: reading them from a file, and where clients come in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Clients = Literal["one", "kick", "share", "observe"]
Control = Literal["any", "writer", "none"]
Slow = Literal["drop-oldest", "close", "block"]


@dataclass(frozen=True)
class PackRules:
    """When what the device sent leaves as one packet: whichever comes first.  0 or "" is off."""

    #: After so long a silence; None is two characters, 1 to 20 ms, and what comes in bulk does not wait.
    idle: float | None = None
    #: So long after its first byte.
    max_age: float = 0.0
    #: With so many bytes.
    max_size: int = 0
    #: With these bytes as its last ones.
    delimiter: bytes = b""
    #: Bytes behind the delimiter that still belong to the packet.
    after: int = 0
    #: The delimiter is left out.
    strip: bool = False


@dataclass(frozen=True)
class PortRules:
    """How clients share a port."""

    name: str = "port"
    #: ``one`` turns the newcomer away, ``kick`` the one before; with ``share`` all read and write, with
    #: ``observe`` the first writes and the others read.
    clients: Clients = "one"
    max_clients: int = 16
    #: Who may change settings and circuits.
    control: Control = "any"
    #: With ``share``: nobody else writes until so long after the last byte of whoever wrote; 0: all may.
    write_lock: float = 0.0
    #: Kept for a client that does not read; beyond, ``slow`` is done.
    queue: int = 65536
    slow: Slow = "close"
    #: What the device sends is dropped.
    printer: bool = False
    #: Bytes of the device that a new client is sent first.
    history: int = 0
    #: To a new client; to the device before its first client, and after its last one.
    banner: str = ""
    open_string: str = ""
    close_string: str = ""
    #: A client's time without a byte either way, and in all; 0 is no limit.
    idle_timeout: float = 0.0
    session_limit: float = 0.0
    #: Breaks and damaged characters are marked among the data, as termios does with PARMRK.
    mark_errors: bool = False
    pack: PackRules = field(default_factory=PackRules)
    #: Named sequences of what :mod:`vmodem.server.pulse` understands.
    pulses: Mapping[str, str] = field(default_factory=dict)
    #: What :mod:`vmodem.wire.telnet` does about a CR without BINARY.
    cr_nul: Literal["auto", "always", "never"] = "auto"

    @property
    def room(self) -> int:
        """How many clients there may be at one time."""
        return 1 if self.clients in ("one", "kick") else self.max_clients
