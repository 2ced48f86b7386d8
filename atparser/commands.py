"""The registry of basic commands: one row each, from which parsing, checking, storing, &V and documentation
work.

A row says which values a command takes, its factory value and what it is for.  Most commands of a telephone
modem have nothing to act on when the line is a TCP connection; those are accepted, checked, kept and shown,
and their help says so.  What a command *does* is in :mod:`atparser.interpreter` (settings) and
:mod:`atparser.engine` (calls).  Extended commands have rows of their own, in :mod:`atparser.extended`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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
    Command("M", _n("0-255"), "speaker control; " + _KEPT_ONLY, 1),
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
    Command("&A", _n("0-3"), "error control suffix in CONNECT: 1-3 on, 3 in full where numbers are usr's"),
    Command("&B", _n("0-2"), "fixed DTE rate; " + _KEPT_ONLY, 1),
    Command("&C", _n("0-2"), "DCD: 0 always on, 1 follows the carrier, 2 on with a drop at disconnect", 1),
    Command("&D", _n("0-3"), "DTR drop: 0 ignored, 1 escapes, 2 hangs up, 3 hangs up and resets", 2),
    Command("&E", _n("0-15"), "error control of some makers; " + _KEPT_ONLY),
    Command("&F", _n("0-3"), "load factory settings: 2 with XON/XOFF, else with RTS/CTS", kept=False),
    Command("&G", _n("0-2"), "guard tone; " + _KEPT_ONLY),
    Command(
        "&H", _n("0-4"), "flow control of some makers: 0 none, 1 RTS/CTS, 2 XON/XOFF, 3 both; sets &K", 1
    ),
    Command("&I", _n("0-5"), "receive flow control of some makers; " + _KEPT_ONLY),
    Command("&J", _n("0,1"), "jack type; " + _KEPT_ONLY),
    Command(
        "&K",
        _n("0-6"),
        "flow control: 0 none, 3 RTS/CTS, 4 XON/XOFF, 5 transparent, 6 both; with $KCOMPRESS 0-3 are not",
        3,
    ),
    Command("&L", _n("0-2"), "leased line: 1 and 2 keep up a call to stored number 0 (&Z0)"),
    Command("&M", _n("0-7"), "communications mode; " + _KEPT_ONLY),
    Command("&N", _n("0-33"), "line rate: 0 the best, 1 300 bit/s up to 16 33600; shown, not held to"),
    Command("&O", _n("0,1"), "master clock; " + _KEPT_ONLY),
    Command("&P", _n("0-3"), "pulse ratio; " + _KEPT_ONLY),
    Command("&Q", _n("0-9"), "error control mode, shown in PROTOCOL; " + _KEPT_ONLY, 5),
    Command("&R", _n("0-2"), "CTS: 0 follows RTS after S26, else flow control only", 1),
    Command("&S", _n("0-3"), "DSR: 0 always on, 1 on during a call, 2 with the carrier, 3 with RI"),
    Command("&T", _n("0-8"), "self test: 1 sends back what the DTE sends, until the escape", kept=False),
    Command("&U", _n("0,1"), "trellis coding; " + _KEPT_ONLY),
    Command("&V", _n("0-2"), "view active and stored settings", kept=False),
    Command("&W", _n("0-3"), "store the active settings as profile n", kept=False),
    Command("&X", _n("0-2"), "synchronous clock; " + _KEPT_ONLY),
    Command(
        "&Y",
        _n("0-3"),
        "profile loaded at power-up, once it is stored; with $YBREAK break control",
        kept=False,
    ),
    Command("\\A", _n("0-3"), "block size; " + _KEPT_ONLY, 1),
    Command(
        "\\B",
        _n("0-9"),
        "send a break of n*100 ms where the call can carry one, as long as others from now on",
        kept=False,
    ),
    Command("\\C", _n("0-2"), "data buffering; " + _KEPT_ONLY),
    Command("\\E", _n("0,1"), "data echo; " + _KEPT_ONLY),
    Command("\\F", _n("0,1"), "stored numbers of some makers; " + _KEPT_ONLY, kept=False),
    Command("\\G", _n("0,1"), "modem flow control; " + _KEPT_ONLY),
    Command("\\J", _n("0,1"), "DTE rate follows the line; " + _KEPT_ONLY),
    Command(
        "\\K",
        _n("0-5"),
        "break in a call: 0, 2, 4 to command state, 1 at once and data discarded, 3 at once, 5 in sequence",
        5,
    ),
    Command("\\L", _n("0,1"), "block mode; " + _KEPT_ONLY),
    Command("\\M", _n("0,1"), "fallback; " + _KEPT_ONLY),
    Command("\\N", _n("0-7"), "error control mode; " + _KEPT_ONLY, 3),
    Command("\\O", _n("0"), "start error control; " + _KEPT_ONLY, kept=False),
    Command(
        "\\Q", _n("0-3,6"), "flow control: 0 none, 1 XON/XOFF, 2 and 3 RTS/CTS, 6 both; sets &K", kept=False
    ),
    Command("\\R", _n("0,1"), "ring handling; " + _KEPT_ONLY),
    Command("\\S", _n("0,1"), "view active and stored settings, as &V", kept=False),
    Command("\\T", _n("0-255"), "inactivity before hang-up in minutes; sets S30"),
    Command("\\U", _n("0"), "accept error control; " + _KEPT_ONLY, kept=False),
    Command("\\V", _n("0-2"), "error control suffix in CONNECT: 1 and 2 on"),
    Command("\\W", _n("0,1"), "split speed of some makers; " + _KEPT_ONLY),
    Command("\\X", _n("0,1"), "XON/XOFF of the DTE: 0 obeyed only, 1 to the far end as well"),
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

COMMANDS: Final[Mapping[str, Command]] = {row.name: row for row in BASIC}
#: What is kept of them, at factory values.
FACTORY: Final[Mapping[str, int]] = {row.name: row.default for row in BASIC if row.kept}
