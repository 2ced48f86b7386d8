"""Switches of the engine that no AT command sets: what the owner of the modem decides."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
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
    #: The dialect whose data (:data:`DIALECTS`) went into these options.
    dialect: str = "rockwell"
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
    #: Numbers of the result codes for a call that is refused, is not answered, has an unknown number, or
    #: finds no network: 3, 6, 7 or 8 (for an unknown number 4 too).  X still decides what the DTE may see.
    refused_code: int = 7
    no_answer_code: int = 3
    unknown_code: int = 3
    no_network_code: int = 6
    #: NO DIAL TONE instead of NO DIALTONE.
    dial_tone_apart: bool = False
    #: Blanks around the = of caller identification.
    caller_id_blanks: bool = True
    #: RING names the caller's number: against programs that compare whole lines.
    ring_info: bool = False
    #: S19 is the inactivity timer, in minutes.
    s19_minutes: bool = False
    #: &Y says what a break does, instead of which profile is loaded at power-up.
    break_by_y: bool = False
    #: &K0 to &K3 say whether data are compressed, instead of how the line is held up (&H does).
    compression_by_k: bool = False
    #: A command line is run so long after its terminator: hosts that are too slow for a fast modem.
    response_delay: float = 0.0
    #: Dialled by ATD without a number.
    default_number: str = ""
    #: Bytes of a call kept while the DTE is in online command state or the call is not yet answered.
    hold_limit: int = 32768
    #: S-register values that replace the factory's.
    factory_registers: Mapping[int, int] = field(default_factory=dict)
    #: A call that arrives while DTR is off and counts (&D2, &D3) hears busy instead of ringing.
    dtr_refuse: bool = False
    #: Stored number 0 is dialled when DTR comes on.
    dtr_dial: bool = False
    #: ATA without a caller waits so long for one.
    answer_wait: float = 0.0
    #: A DTE whose commands came with parity has it in a call, too: taken off on the way to the far end, put
    #: on on the way back.
    strip_parity_online: bool = False
    #: A break takes back a half-typed command line.
    break_aborts_line: bool = False
    #: CLIENT outside a command line asks for the call that Windows' "communications cable between two
    #: computers" expects: to the place ``cable``, answered CLIENTSERVER, without result codes.
    cable: bool = False


#: What a dialect changes.
DIALECTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "rockwell": {"dialect": "rockwell"},
    "hayes": {"dialect": "hayes", "result_table": "hayes", "break_aborts_line": True},
    "usr": {
        "dialect": "usr",
        "result_table": "usr",
        "dial_tone_apart": True,
        "caller_id_blanks": False,
        "s19_minutes": True,
        "break_by_y": True,
        "compression_by_k": True,
        "factory_registers": {7: 60},
    },
    "lenient": {"dialect": "lenient", "unknown_ok": True, "prefix_any_case": True},
}


def in_dialect(options: Options, name: str) -> Options:
    """``options`` with what their dialect changed put back, and what another one changes put in."""
    plain = Options()
    back = {changed: getattr(plain, changed) for changed in DIALECTS[options.dialect]}
    return replace(options, **{**back, **DIALECTS[name]})
