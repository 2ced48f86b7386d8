"""The modem's own settings, AT$: the switches of :class:`atparser.options.Options` that may change at
run time.

``AT$NAME?`` reads, ``AT$NAME=value`` sets, ``AT$NAME=?`` tells what is accepted, ``AT$NAME=`` goes back to
what is configured.  Unlike settings of the dialect these belong to the modem's owner: &F leaves them alone;
&W keeps them with the profile, and Z brings back the kept ones.

No name and no word holds a result code's word, for scripts look for those anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from .options import DIALECTS, EscapeMode, Options, in_dialect
from .parameters import Number, Parameter, Text, Value, Word


@dataclass(frozen=True)
class Setting:
    """One switch."""

    name: str
    #: The field of Options.
    option: str
    parameter: Parameter
    help: str
    #: From what the DTE writes to what the option holds, and back.
    made: Callable[[Any], Any] = lambda value: value
    shown: Callable[[Any], Value] = lambda value: value


def _flag(name: str, option: str, text: str) -> Setting:
    return Setting(name, option, Number((0, 1)), text, bool, int)


def _seconds(name: str, option: str, low: int, high: int, text: str) -> Setting:
    """Seconds, written in tenths."""
    return Setting(
        name, option, Number(((low, high),)), text, lambda tenths: tenths / 10, lambda s: round(s * 10)
    )


def _code(name: str, option: str, codes: tuple[int, ...], text: str) -> Setting:
    return Setting(name, option, Number(codes), text)


_RATE: Final = Number((0, (300, 230400)))

SETTINGS: Final[tuple[Setting, ...]] = (
    Setting(
        "DIALECT",
        "dialect",
        Word(tuple(name.upper() for name in DIALECTS), "ROCKWELL"),
        "whose modem this one is like: result numbers and quirks, before what is set one by one",
        str.lower,
        str.upper,
    ),
    Setting(
        "RESULTS",
        "result_table",
        Word(("ROCKWELL", "HAYES", "USR"), "ROCKWELL"),
        "whose numbers the results have in V0",
        str.lower,
        str.upper,
    ),
    Setting(
        "ESCAPE",
        "escape",
        Word(tuple(mode.name for mode in EscapeMode), "GUARD"),
        "the way out of a call's data: after silence (S2, S12), with a command line behind it, or none",
        lambda name: EscapeMode[name],
        lambda mode: str(mode.name),
    ),
    _flag("LENIENT", "unknown_ok", "1 accepts unknown basic, & \\ % commands and registers above 99"),
    _flag("ANYCASE", "prefix_any_case", "1 accepts At and aT"),
    _flag("DELETE", "delete_key", "1 lets character 127 delete as S5 does"),
    Setting(
        "ECHOLIMIT",
        "echo_limit",
        Number(((0, 65535),)),
        "characters echoed outside command lines until the next AT",
    ),
    Setting("LINELIMIT", "line_limit", Number(((40, 4096),)), "longest command line, in characters"),
    _flag("EATLF", "eat_lf", "1 drops an LF right behind the CR of a command that goes online"),
    Setting("BURSTS", "max_rings", Number(((1, 255),)), "bursts before a caller is told that nobody answers"),
    _seconds("BURST", "ring_on", 1, 100, "length of a burst, in 0.1 s"),
    _seconds("PAUSE", "ring_off", 1, 600, "silence between bursts, in 0.1 s"),
    _flag("ANNOUNCE", "ring_info", "1 adds the caller's number to each announcement of a call"),
    _flag("CIDBLANKS", "caller_id_blanks", "1 puts blanks around the = of caller identification"),
    _seconds("REDIAL", "redial_pause", 0, 3000, "a failed number is not tried again before this, in 0.1 s"),
    Setting("NUMBER", "default_number", Text(255, pattern="[^;]*"), "what ATD without a number dials"),
    Setting(
        "RATE",
        "connect_rate",
        _RATE,
        "rate a call's result names, in bit/s; 0 the DTE's",
        lambda rate: rate or None,
        lambda rate: rate or 0,
    ),
    Setting(
        "GREETING",
        "connect_text",
        Text(80),
        'whole text of a call\'s result; "" the usual one',
        lambda text: text or None,
        lambda text: text or "",
    ),
    Setting("LINERATE", "line_rate", Number(((300, 33600),)), "best rate the line is said to have, in bit/s"),
    _flag("HANGUP", "hangup_no_carrier", "what ATH answers in a call: 0 result 0, 1 result 3"),
    _code("REFUSED", "refused_code", (3, 7, 8), "result number of a call that is refused"),
    _code(
        "UNANSWERED", "no_answer_code", (3, 7, 8), "result number of a call without reply (8 with @ always)"
    ),
    _code("UNKNOWN", "unknown_code", (3, 4, 6, 7, 8), "result number of a call to an unknown number"),
    _code("NONET", "no_network_code", (3, 6, 7), "result number of a call when there is no network"),
    _flag("TONEAPART", "dial_tone_apart", "1 writes result 6 as three words"),
    _flag("DTRREFUSE", "dtr_refuse", "1 refuses calls while DTR is off (&D2, &D3)"),
    _flag("DTRDIAL", "dtr_dial", "1 dials stored number 0 when DTR comes on"),
    _seconds("ANSWERWAIT", "answer_wait", 0, 2550, "how long ATA waits for a call, in 0.1 s"),
    _flag("STRIP", "strip_parity_online", "1 takes parity off, and puts it on, in a call too"),
    _flag("BREAKLINE", "break_aborts_line", "1 lets a break take back a half-typed command line"),
    _flag("S19", "s19_minutes", "1 makes S19 the inactivity timer in minutes, in step with S30"),
    _flag("YBREAK", "break_by_y", "1 makes &Y say what a break does, 0 which profile power-up loads"),
    _flag("KCOMPRESS", "compression_by_k", "1 makes &K0 to &K3 compression, and no flow control"),
    Setting(
        "DELAY",
        "response_delay",
        Number(((0, 5000),)),
        "a command line is run so long after its end, in ms",
        lambda ms: ms / 1000,
        lambda s: round(s * 1000),
    ),
    Setting(
        "HOLD",
        "hold_limit",
        Number(((1024, 1048576),)),
        "characters of a call kept while the DTE is in command state",
    ),
)
BY_NAME: Final[Mapping[str, Setting]] = {row.name: row for row in SETTINGS}


def effective(configured: Options, changed: Mapping[str, Value]) -> Options:
    """The options as configured, with the settings that were changed."""
    options = configured
    if "DIALECT" in changed:
        options = in_dialect(options, str(changed["DIALECT"]).lower())
    values = {BY_NAME[name].option: BY_NAME[name].made(value) for name, value in changed.items()}
    return replace(options, **values) if values else options


def current(row: Setting, options: Options) -> Value:
    """A setting as the DTE would write it."""
    return row.shown(getattr(options, row.option))


def read(row: Setting, options: Options) -> str:
    """A setting as the read form shows it."""
    return row.parameter.written(current(row, options))


def help_lines() -> tuple[str, ...]:
    """All settings, one a line."""
    return tuple(f"${row.name} {row.parameter.shown()} {row.help}" for row in SETTINGS)
