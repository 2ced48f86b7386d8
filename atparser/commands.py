"""The registry of commands: one row each, from which parsing, checking, storing, &V and documentation work.

A row says which values a command takes, its factory value and what it is for.  Most commands of a telephone
modem have nothing to act on when the line is a TCP connection; those are accepted, checked, kept and shown,
and their help says so.  What a command *does* is in :mod:`atparser.interpreter` (settings) and
:mod:`atparser.engine` (calls).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True)
class Command:
    """A basic command: letter or prefix and letter, then a number (none means 0)."""

    name: str
    values: frozenset[int]
    help: str
    default: int = 0
    #: Kept in the active profile and written by &W.  False for commands that act instead of being kept.
    kept: bool = True


@dataclass(frozen=True)
class Number:
    """A numeric parameter of an extended command: single values and ranges, as shown by the test form."""

    accepts: tuple[int | tuple[int, int], ...]
    default: int = 0

    def check(self, value: int) -> bool:
        return any(
            value == one if isinstance(one, int) else one[0] <= value <= one[1] for one in self.accepts
        )

    def shown(self) -> str:
        parts = (str(one) if isinstance(one, int) else f"{one[0]}-{one[1]}" for one in self.accepts)
        return "(" + ",".join(parts) + ")"


@dataclass(frozen=True)
class Extended:
    """An extended command (V.250 clause 5.4): set, read and test forms, or an action that gives a text."""

    name: str
    help: str
    parameters: tuple[Number, ...] = ()
    #: Read and test answers carry no ``+NAME: `` in front.
    bare: bool = False
    #: An action: no parameters, ``+NAME`` alone gives information text.
    action: bool = False
    #: Forms beyond the bare action that give the same text (``+FMI?``).
    read_action: bool = False


def _n(text: str) -> frozenset[int]:
    values: set[int] = set()
    for part in text.split(","):
        low, _, high = part.partition("-")
        values.update(range(int(low), int(high or low) + 1))
    return frozenset(values)


_KEPT_ONLY = "kept only"

BASIC: Final[tuple[Command, ...]] = (
    Command("A", _n("0"), "answer the incoming call", kept=False),
    Command("B", _n("0-3,15,16"), "modulation standard; " + _KEPT_ONLY, 1),
    Command("C", _n("1"), "carrier control; " + _KEPT_ONLY, 1, kept=False),
    Command("E", _n("0,1"), "command echo: 0 off, 1 on", 1),
    Command("F", _n("0-10"), "line modulation; " + _KEPT_ONLY, 1),
    Command("H", _n("0,1"), "hook: 0 hang up or reject, 1 go off-hook (callers hear busy)", kept=False),
    Command("I", _n("0-9,11"), "identification and diagnostics", kept=False),
    Command("L", _n("0-7"), "speaker volume; " + _KEPT_ONLY, 2),
    Command("M", _n("0-7"), "speaker control; " + _KEPT_ONLY, 1),
    Command("N", _n("0,1"), "automode; " + _KEPT_ONLY, 1),
    Command("O", _n("0,1,3"), "return to online data state", kept=False),
    Command("P", _n("0,1"), "pulse dialling until T; " + _KEPT_ONLY),
    Command("Q", _n("0-2"), "result codes: 0 on, 1 off, 2 off in answer mode"),
    Command("T", _n("0,1"), "tone dialling; " + _KEPT_ONLY, kept=False),
    Command("V", _n("0,1"), "result codes: 0 numeric, 1 verbose", 1),
    Command("W", _n("0-3"), "what CONNECT reports: 0 DTE rate, 1 progress lines too, 2 line rate"),
    Command("X", _n("0-7"), "which result codes and CONNECT speeds are used", 4),
    Command("Y", _n("0,1"), "long space disconnect; " + _KEPT_ONLY),
    Command("Z", _n("0-3"), "hang up and load stored profile n", kept=False),
    Command("&A", _n("0-3"), "error control suffix in CONNECT: 1-3 on"),
    Command("&B", _n("0-2"), "fixed DTE rate; " + _KEPT_ONLY, 1),
    Command("&C", _n("0-2"), "DCD: 0 always on, 1 follows the carrier, 2 on with a drop at disconnect", 1),
    Command("&D", _n("0-3"), "DTR drop: 0 ignored, 1 escapes, 2 hangs up, 3 hangs up and resets", 2),
    Command("&E", _n("0-15"), "error control of some makers; " + _KEPT_ONLY),
    Command("&F", _n("0-3"), "load factory settings: 2 with XON/XOFF, else with RTS/CTS", kept=False),
    Command("&G", _n("0-2"), "guard tone; " + _KEPT_ONLY),
    Command("&H", _n("0-4"), "transmit flow control of some makers; " + _KEPT_ONLY, 1),
    Command("&I", _n("0-5"), "receive flow control of some makers; " + _KEPT_ONLY),
    Command("&J", _n("0,1"), "jack type; " + _KEPT_ONLY),
    Command("&K", _n("0-6"), "flow control: 0 none, 3 RTS/CTS, 4 XON/XOFF, 5 transparent, 6 both", 3),
    Command("&L", _n("0-2"), "leased line; " + _KEPT_ONLY),
    Command("&M", _n("0-7"), "communications mode; " + _KEPT_ONLY),
    Command("&N", _n("0-33"), "line rate of some makers; " + _KEPT_ONLY),
    Command("&O", _n("0,1"), "master clock; " + _KEPT_ONLY),
    Command("&P", _n("0-3"), "pulse ratio; " + _KEPT_ONLY),
    Command("&Q", _n("0-9"), "error control mode, shown in PROTOCOL; " + _KEPT_ONLY, 5),
    Command("&R", _n("0-2"), "CTS: 0 follows RTS, 1 flow control only", 1),
    Command("&S", _n("0-3"), "DSR: 0 always on, 1 on during a call"),
    Command("&T", _n("0-8"), "self test; " + _KEPT_ONLY, kept=False),
    Command("&U", _n("0,1"), "trellis coding; " + _KEPT_ONLY),
    Command("&V", _n("0-2"), "view active and stored settings", kept=False),
    Command("&W", _n("0-3"), "store the active settings as profile n", kept=False),
    Command("&X", _n("0-2"), "synchronous clock; " + _KEPT_ONLY),
    Command("&Y", _n("0-3"), "profile loaded at power-up", kept=False),
    Command("\\A", _n("0-3"), "block size; " + _KEPT_ONLY, 1),
    Command("\\B", _n("0-9"), "send a break where the call has a way to carry one", kept=False),
    Command("\\C", _n("0-2"), "data buffering; " + _KEPT_ONLY),
    Command("\\E", _n("0,1"), "data echo; " + _KEPT_ONLY),
    Command("\\F", _n("0,1"), "stored numbers of some makers; " + _KEPT_ONLY, kept=False),
    Command("\\G", _n("0,1"), "modem flow control; " + _KEPT_ONLY),
    Command("\\J", _n("0,1"), "DTE rate follows the line; " + _KEPT_ONLY),
    Command("\\K", _n("0-5"), "break control; " + _KEPT_ONLY, 5),
    Command("\\L", _n("0,1"), "block mode; " + _KEPT_ONLY),
    Command("\\M", _n("0,1"), "fallback; " + _KEPT_ONLY),
    Command("\\N", _n("0-7"), "error control mode; " + _KEPT_ONLY, 3),
    Command("\\O", _n("0"), "start error control; " + _KEPT_ONLY, kept=False),
    Command(
        "\\Q", _n("0-3,6"), "flow control: 0 none, 1 XON/XOFF, 2 and 3 RTS/CTS, 6 both; sets &K", kept=False
    ),
    Command("\\R", _n("0,1"), "ring handling; " + _KEPT_ONLY),
    Command("\\S", _n("0,1"), "view active and stored settings, as &V", kept=False),
    Command("\\T", _n("0-255"), "inactivity before hang-up in minutes; sets S30", kept=False),
    Command("\\U", _n("0"), "accept error control; " + _KEPT_ONLY, kept=False),
    Command("\\V", _n("0-2"), "error control suffix in CONNECT: 1 and 2 on"),
    Command("\\W", _n("0,1"), "split speed of some makers; " + _KEPT_ONLY),
    Command("\\X", _n("0,1"), "XON/XOFF pass-through; " + _KEPT_ONLY),
    Command("\\Y", _n("0"), "switch to error control; " + _KEPT_ONLY, kept=False),
    Command("\\Z", _n("0"), "leave error control; " + _KEPT_ONLY, kept=False),
    Command("%A", _n("0-255"), "fallback character; " + _KEPT_ONLY),
    Command("%B", _n("0-255"), "rate of some makers; " + _KEPT_ONLY),
    Command("%C", _n("0-3"), "data compression; " + _KEPT_ONLY, 3),
    Command("%D", _n("0-3"), "dictionary of some makers; " + _KEPT_ONLY),
    Command("%E", _n("0-3"), "automatic retrain; " + _KEPT_ONLY, 2),
    Command("%F", _n("0-3"), "format of some makers; " + _KEPT_ONLY),
    Command("%G", _n("0,1"), "rate renegotiation; " + _KEPT_ONLY),
    Command("%L", _n("0"), "line signal level", kept=False),
    Command("%M", _n("0-3"), "compression mode; " + _KEPT_ONLY),
    Command("%P", _n("0-3"), "clear statistics of some makers; " + _KEPT_ONLY),
    Command("%Q", _n("0"), "line signal quality", kept=False),
    Command("%R", _n("0,1"), "receive rate of some makers; " + _KEPT_ONLY),
    Command("%S", _n("0,1"), "speed sensing of some makers; " + _KEPT_ONLY),
    Command("%T", _n("0,1"), "tone detection of some makers; " + _KEPT_ONLY),
    Command("%U", _n("0,1"), "clear counters of some makers; " + _KEPT_ONLY),
    Command("-J", _n("0,1"), "error control detection; " + _KEPT_ONLY, 1),
    Command("-K", _n("0-2"), "extended error control; " + _KEPT_ONLY),
    Command("-M", _n("0-3"), "link power; " + _KEPT_ONLY),
    Command("-Q", _n("0,1"), "fallback; " + _KEPT_ONLY),
)

_FLAG = Number((0, 1))

EXTENDED: Final[tuple[Extended, ...]] = (
    Extended("+GMI", "manufacturer", action=True),
    Extended("+GMM", "model", action=True),
    Extended("+GMR", "revision", action=True),
    Extended("+GSN", "serial number", action=True),
    Extended("+GOI", "object identifier", action=True),
    Extended("+GCAP", "additional capabilities", action=True),
    Extended("+FMI", "manufacturer, as fax programs ask", action=True, read_action=True),
    Extended("+FMM", "model, as fax programs ask", action=True, read_action=True),
    Extended("+FMR", "revision, as fax programs ask", action=True, read_action=True),
    Extended("#MFR", "manufacturer, as voice programs ask", action=True, read_action=True),
    Extended("#MDL", "model, as voice programs ask", action=True, read_action=True),
    Extended("#REV", "revision, as voice programs ask", action=True, read_action=True),
    Extended("+FCLASS", "service class: 0 is data, the only one", (Number((0,)),), bare=True),
    Extended(
        "+IFC",
        "flow control by the DTE and by the DCE: 0 none, 1 XON/XOFF, 2 circuits; sets &K",
        (Number(((0, 3),), 2), Number(((0, 2),), 2)),
    ),
    Extended(
        "+ES",
        "error control selection; " + _KEPT_ONLY,
        (Number(((0, 7),), 3), Number(((0, 4),)), Number(((0, 9),), 2)),
    ),
    Extended(
        "+EB",
        "break handling with error control; " + _KEPT_ONLY,
        (Number(((0, 1),), 1), _FLAG, Number(((0, 254),), 30)),
    ),
    Extended(
        "+DS",
        "data compression; " + _KEPT_ONLY,
        (Number(((0, 3),), 3), _FLAG, Number(((512, 65535),), 2048), Number(((6, 250),), 32)),
    ),
)

COMMANDS: Final[Mapping[str, Command]] = {row.name: row for row in BASIC}
EXTENDEDS: Final[Mapping[str, Extended]] = {row.name: row for row in EXTENDED}


@dataclass
class _Factory:
    """Factory values, computed once."""

    basic: Mapping[str, int] = field(
        default_factory=lambda: {row.name: row.default for row in BASIC if row.kept}
    )
    extended: Mapping[str, tuple[int, ...]] = field(
        default_factory=lambda: {
            row.name: tuple(parameter.default for parameter in row.parameters)
            for row in EXTENDED
            if row.parameters
        }
    )


FACTORY: Final = _Factory()
