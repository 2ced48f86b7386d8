"""Switches of the engine that no AT command sets: what the owner of the modem decides."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final


class EscapeMode(enum.Enum):
    """How the DTE gets from online data state to online command state."""

    GUARD = "guard"  # silence, three escape characters, silence (S2, S12)
    TIES = "ties"  # three escape characters and a command line, no silence: data holding that escapes too
    OFF = "off"


@dataclass(frozen=True)
class Identity:
    """What the modem says of itself.  No text may hold a result code's words: programs look for them."""

    maker: str = "vmodem"
    model: str = "vmodem"
    revision: str = "0"
    serial: str = "000000"
    product_code: str = "56000"
    checksum: str = "255"
    product_id: str = "VMODEM0000000100"
    country: str = "181"
    object_id: str = "1.0.0"
    build: str = ""
    #: Lines of ATI7: where calls come in, what can be dialled.
    configuration: tuple[str, ...] = ()


@dataclass(frozen=True)
class Options:
    """The engine's switches; the defaults are what this product stands for.  Times are in seconds."""

    identity: Identity = field(default_factory=Identity)
    #: Accept ``At`` and ``aT`` as a prefix.
    prefix_any_case: bool = False
    #: Answer OK to unknown basic, & \\ % commands.
    unknown_ok: bool = False
    #: 127 deletes a character as S5 does.
    delete_key: bool = True
    #: Stop echoing after so many bytes without a command line, until the next prefix.
    echo_limit: int = 256
    #: Longest command line, in characters after the prefix.
    line_limit: int = 1024
    escape: EscapeMode = EscapeMode.GUARD
    #: Drop one LF directly after the CR of a command that goes online.
    eat_lf: bool = True
    #: Ring bursts before the caller is told that nobody answers.
    max_rings: int = 10
    ring_on: float = 2.0
    ring_off: float = 4.0
    #: A failed number is not tried again before this.
    redial_pause: float = 1.0
    #: Which numbers the result codes have in V0: rockwell, hayes or usr.
    result_table: str = "rockwell"
    #: Rate to report in CONNECT instead of the DTE's.
    connect_rate: int | None = None
    #: Whole text to report instead of CONNECT and a rate.
    connect_text: str | None = None
    #: The best rate the line is said to have (W2, CARRIER).
    line_rate: int = 33600
    #: ATH during a call answers NO CARRIER instead of OK.
    hangup_no_carrier: bool = False
    #: Dialled by ATD without a number.
    default_number: str = ""
    #: Bytes of a call kept while the DTE is in online command state or the call is not yet answered.
    hold_limit: int = 32768
    #: S-register values that replace the factory's.
    factory_registers: Mapping[int, int] = field(default_factory=dict)


#: What a dialect changes.
DIALECTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "rockwell": {},
    "hayes": {"result_table": "hayes"},
    "usr": {"result_table": "usr", "factory_registers": {7: 60}},
    "lenient": {"unknown_ok": True, "prefix_any_case": True},
}
