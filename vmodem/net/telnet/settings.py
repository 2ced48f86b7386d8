"""Which end of telnet we are, and how we present ourselves there."""

from __future__ import annotations

import enum
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from vmodem.wire import telnet
from vmodem.wire.telnet import CrNul

_TERMINAL: Final = re.compile(r"[!-~]{1,40}")


class Role(enum.Enum):
    """Which end of the connection is ours."""

    CLIENT = "client"
    SERVER = "server"


@dataclass(frozen=True)
class TelnetSettings:
    """How a telnet end presents itself.  Raises ValueError for what no peer could be told."""

    #: NUL after a lone CR where BINARY is refused: see :class:`vmodem.wire.telnet.Telnet`.
    cr_nul: CrNul = "auto"
    #: What a client says its terminal is, a name of RFC 1091; "" for nothing.
    terminal: str = "VT100"
    #: The client's screen (RFC 1073).
    columns: int = 80
    rows: int = 24
    #: What a client says its terminal's speed is, in bit/s (RFC 1079); 0 for nothing.
    rate: int = 9600
    #: Whether a server says it echoes, so that the client does not: the far DTE is expected to.
    echo: bool = True

    def __post_init__(self) -> None:
        if self.terminal and not _TERMINAL.fullmatch(self.terminal):
            raise ValueError(
                f'a terminal type has 1 to 40 visible ASCII characters, like VT100, not "{self.terminal}"'
            )
        if not (0 <= self.columns < 65536 and 0 <= self.rows < 65536):
            raise ValueError("a screen has 0 to 65535 columns and rows")
        if self.rate < 0:
            raise ValueError("a rate in bit/s was expected")
        if self.cr_nul not in ("auto", "always", "never"):
            raise ValueError(f'cr_nul is auto, always or never, not "{self.cr_nul}"')

    def answers(self) -> Mapping[int, bytes]:
        """What a client tells when asked."""
        told = {telnet.NAWS: struct.pack("!HH", self.columns, self.rows)}
        if self.terminal:
            told[telnet.TTYPE] = self.terminal.encode("ascii")
        if self.rate:
            told[telnet.TSPEED] = b"%d,%d" % (self.rate, self.rate)
        return told
