"""Result codes: their texts, their numbers in three makers' tables, and their framing (V.250 clause 5.7).

In verbose form a code is ``CR LF text CR LF``, in numeric form ``number CR`` and nothing else: installers of
operating systems compare whole byte strings.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .actions import CallFailure
from .extended import CARRIERS
from .profile import Profile

OK: Final = "OK"
CONNECT: Final = "CONNECT"
RING: Final = "RING"
NO_CARRIER: Final = "NO CARRIER"
ERROR: Final = "ERROR"
NO_DIALTONE: Final = "NO DIALTONE"
BUSY: Final = "BUSY"
NO_ANSWER: Final = "NO ANSWER"
DELAYED: Final = "DELAYED"
RINGING: Final = "RINGING"

_BASE: Final[Mapping[str, int]] = {
    OK: 0,
    CONNECT: 1,
    RING: 2,
    NO_CARRIER: 3,
    ERROR: 4,
    "CONNECT 1200": 5,
    NO_DIALTONE: 6,
    BUSY: 7,
    NO_ANSWER: 8,
    "CONNECT 2400": 10,
}


def _rates(words: str, numbers: str) -> dict[str, int]:
    pairs = zip(words.split(), numbers.split(), strict=True)
    return {f"CONNECT {rate}": int(number) for rate, number in pairs if number != "-"}


_CONNECT_RATES: Final = (
    "300 600 4800 7200 9600 12000 14400 16800 19200 "
    "21600 24000 26400 28800 31200 33600 38400 57600 115200 230400"
)
#: Rates that are not the same both ways; a call's result names them where the modem's owner says so.
_SPLIT: Final = ("CONNECT 75TX/1200RX", "CONNECT 1200TX/75RX")
_CARRIER_RATES: Final = (
    "300 1200 2400 4800 7200 9600 12000 14400 16800 19200 21600 24000 26400 28800 31200 33600"
)
_CARRIER: Final[Mapping[str, int]] = {
    f"CARRIER {rate}": number
    for rate, number in zip(_CARRIER_RATES.split(), (40, *range(46, 59), 78, 79), strict=True)
}
_PROGRESS: Final[Mapping[str, int]] = {
    **_CARRIER,
    "COMPRESSION: CLASS 5": 66,
    "COMPRESSION: V.42BIS": 67,
    "COMPRESSION: NONE": 69,
    "PROTOCOL: NONE": 70,
    "PROTOCOL: LAPM": 77,
    "PROTOCOL: ALT": 80,
}

TABLES: Final[Mapping[str, Mapping[str, int]]] = {
    "rockwell": {
        **_BASE,
        DELAYED: 24,
        **_PROGRESS,
        **_rates(_CONNECT_RATES, "1 9 11 13 12 14 15 59 16 61 62 63 64 91 84 17 18 19 20"),
        **dict(zip(_SPLIT, (22, 23), strict=True)),
    },
    "hayes": {
        **_BASE,
        **_PROGRESS,
        **_rates(_CONNECT_RATES, "1 9 11 24 12 25 13 15 14 29 30 31 32 - 35 28 18 33 -"),
        **dict(zip(_SPLIT, (26, 27), strict=True)),
    },
    "usr": {
        **_BASE,
        **_PROGRESS,
        RINGING: 11,
        **_rates(_CONNECT_RATES, "1 - 18 20 13 21 25 43 85 91 99 103 107 151 155 - - - -"),
    },
}

#: Rates a CONNECT may name; anything between is reported as the next lower one.
STANDARD_RATES: Final = tuple(sorted(int(rate) for rate in ("1200 2400 " + _CONNECT_RATES).split()))
_LINE_RATES: Final = tuple(int(rate) for rate in _CARRIER_RATES.split())
#: S37's codes for a line rate, in bit/s.
_WISHED_RATES: Final = {
    **dict.fromkeys((1, 2, 3), 300),
    **dict.fromkeys((5, 7), 1200),
    6: 2400,
    8: 4800,
    9: 9600,
    10: 12000,
    11: 14400,
    12: 7200,
    13: 14400,
    14: 16800,
    15: 19200,
    16: 21600,
    17: 24000,
    18: 26400,
    19: 28800,
}
#: &N's, which number the rates from the lowest.
_NUMBERED_RATES: Final = dict(enumerate(_LINE_RATES, 1))
#: The modulation of a line, by its highest rate (V.250 clause 6.4.2 has the names).
_MODULATIONS: Final = ((300, "V21"), (1200, "V22"), (2400, "V22B"), (9600, "V32"), (14400, "V32B"))

#: Texts of the codes that a failed call may be answered with.
_TEXTS: Final = {3: NO_CARRIER, 4: ERROR, 6: NO_DIALTONE, 7: BUSY, 8: NO_ANSWER}


def number(text: str, table: str) -> int:
    """The numeric form of a result code; codes a table has no number for are 1, plain CONNECT."""
    known = TABLES[table]
    return known.get(text, known.get(text.partition("/")[0], known.get(text.partition(" ")[0], 1)))


def frame(text: str, profile: Profile) -> bytes:
    """One result code as the settings V, S3 and S4 want it.

    Codes of the extended syntax have no numbers: only what stands around them changes (V.250 clause 5.7.2).
    """
    cr, lf = _ends(profile)
    if not profile.basic["V"]:
        if text.startswith("+"):
            return text.encode("ascii", "replace") + cr
        return b"%d" % number(text, profile.options.result_table) + cr
    if text == NO_DIALTONE and profile.options.dial_tone_apart:
        text = "NO DIAL TONE"
    return cr + lf + text.encode("ascii", "replace") + cr + lf


def information(lines: tuple[str, ...], profile: Profile) -> bytes:
    """Information text, as the settings V, S3 and S4 want it."""
    cr, lf = _ends(profile)
    body = (cr + lf).join(line.encode("ascii", "replace") for line in lines)
    return (cr + lf if profile.basic["V"] else b"") + body + cr + lf


def _ends(profile: Profile) -> tuple[bytes, bytes]:
    s3, s4 = profile.registers[3], profile.registers[4]
    return bytes([s3]) if s3 < 128 else b"", bytes([s4]) if s4 < 128 else b""


def failure(what: CallFailure, wait_silence: bool, profile: Profile) -> str:
    """What the settings let the DTE see of a call that did not come about.

    A code that X does not allow becomes NO CARRIER; NO ANSWER is for who waited for silence (@), unless the
    owner of the modem wants it.
    """
    options, x = profile.options, profile.basic["X"]
    if what is CallFailure.DELAYED:
        return DELAYED if x >= 4 and DELAYED in TABLES[options.result_table] else NO_CARRIER
    code = {
        CallFailure.REFUSED: options.refused_code,
        CallFailure.NO_ANSWER: 8 if wait_silence or x >= 5 else options.no_answer_code,
        CallFailure.UNANSWERED: 8 if wait_silence or x else 3,
        CallFailure.UNKNOWN: options.unknown_code,
        CallFailure.FORBIDDEN: 3,
        CallFailure.NO_NETWORK: options.no_network_code,
        CallFailure.LINE_BUSY: options.no_network_code,
    }[what]
    hidden = (code == 7 and x not in (3, 4, 5, 6, 7)) or (code == 6 and x not in (2, 4, 6, 7))
    return NO_CARRIER if hidden else _TEXTS[code]


def progress(text: str, profile: Profile) -> str | None:
    """A code of call progress, where X lets the DTE see any and the table in force can say it; else None."""
    unsaid = not profile.basic["V"] and text not in TABLES[profile.options.result_table]
    return None if profile.basic["X"] < 5 or unsaid else text


def standard(rate: int) -> int:
    """The highest standard rate not above ``rate``."""
    fitting = [known for known in STANDARD_RATES if known <= rate]
    return fitting[-1] if fitting else STANDARD_RATES[0]


def line_rate(profile: Profile, dte_rate: int, call_rate: int = 0) -> int:
    """The rate the line is said to run at: the best, unless something asks for less (+MS, S37, &N), the call
    has a rate of its own, or the DTE is slower.  All in bit/s, 0 for no limit."""
    best = profile.options.line_rate
    carrier, _, _, highest, _, highest_back = profile.values("+MS")
    limits = (
        best,
        dte_rate,
        call_rate,
        _WISHED_RATES.get(profile.effective(37), 0),
        _NUMBERED_RATES.get(profile.basic["&N"], 0),
        CARRIERS[str(carrier)],
        int(highest),
        int(highest_back),
    )
    limit = min(rate for rate in limits if rate)
    return [rate for rate in _LINE_RATES if rate <= max(limit, 300)][-1]


def modulation(profile: Profile, line: int) -> str:
    """The modulation of a line of this rate; without automode the one asked for."""
    carrier, automode = profile.values("+MS")[:2]
    return next((name for rate, name in _MODULATIONS if line <= rate), "V34") if automode else str(carrier)


def connect(profile: Profile, dte_rate: int, call_rate: int = 0) -> tuple[str, ...]:
    """The codes that report a connection, CONNECT last (X, W, S95, &A, \\V, +MR, +ER, +DR, +ILRR).

    ``dte_rate`` is the DTE's, 0 where its line has none; ``call_rate`` the call's own, 0 where it has none;
    both in bit/s.
    """
    options = profile.options
    x, w, s95 = profile.basic["X"], profile.basic["W"], profile.registers[95]
    dte_rate = profile.number("+IPR") or dte_rate
    line = line_rate(profile, dte_rate, call_rate)
    dte_rate = standard(dte_rate or 115200)
    protocol = _protocol(profile)
    report: list[str] = []
    if x and (w == 1 or s95 & 0x04):
        report.append(f"CARRIER {line}")
    if x and (w == 1 or s95 & 0x08):
        report.append(f"PROTOCOL: {protocol}")
    if x and s95 & 0x20:
        report.append("COMPRESSION: NONE")
    report += _extended_report(profile, line, dte_rate, protocol)
    if options.connect_text is not None:
        return (*report, options.connect_text)
    rate = options.connect_rate or (line if w == 2 or s95 & 0x01 else dte_rate)
    if not x or rate <= 300:
        return (*report, CONNECT)
    return (*report, f"CONNECT {rate}{_suffix(profile, line) if protocol != 'NONE' else ''}")


def _protocol(profile: Profile) -> str:
    """The error control that is shown.  There is none, for the network corrects its errors; what a DTE asked
    for it is told that it has."""
    basic = profile.basic
    wanted = basic["&Q"] in (5, 8, 9) and basic["\\N"] not in (0, 1) and profile.number("+ES") > 1
    return "LAPM" if wanted else "NONE"


def _extended_report(profile: Profile, line: int, dte_rate: int, protocol: str) -> list[str]:
    """The intermediate codes of V.250, in its order; X does not touch them (clause 5.7.2)."""
    report: list[str] = []
    if profile.number("+MR"):
        report.append(f"+MCR: {modulation(profile, line)}")
        report.append(f"+MRR: {line}" + (f",{line}" if profile.number("+MR") == 2 else ""))
    if profile.number("+ER"):
        report.append(f"+ER: {protocol}")
    if profile.number("+DR"):
        report.append("+DR: NONE")
    if profile.number("+ILRR"):
        report.append(f"+ILRR: {dte_rate}")
    return report


def _suffix(profile: Profile, line: int) -> str:
    """What follows the rate of a connection with error control."""
    level = profile.basic["&A"]
    if level == 3 and profile.options.result_table == "usr":
        compression = "/V42BIS" if profile.basic["%C"] else ""
        return f"/ARQ/{modulation(profile, line)}/LAPM{compression}"
    if level or profile.registers[95] & 0x02:
        return "/ARQ"
    return "/REL" if profile.basic["\\V"] else ""
