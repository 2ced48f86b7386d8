"""Result codes: their texts, their numbers in three makers' tables, and their framing (V.250 clause 5.7).

In verbose form a code is ``CR LF text CR LF``, in numeric form ``number CR`` and nothing else: installers of
operating systems compare whole byte strings.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .profile import Profile

OK: Final = "OK"
CONNECT: Final = "CONNECT"
RING: Final = "RING"
NO_CARRIER: Final = "NO CARRIER"
ERROR: Final = "ERROR"
NO_DIALTONE: Final = "NO DIALTONE"
BUSY: Final = "BUSY"
NO_ANSWER: Final = "NO ANSWER"

#: Words that information text must not hold, even inside other words: scripts look for them anywhere.
FORBIDDEN: Final = ("OK", "CONNECT", "RING", "NO CARRIER", "ERROR", "NO DIAL", "BUSY", "NO ANSWER", "VOICE")

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
        **_PROGRESS,
        **_rates(_CONNECT_RATES, "1 9 11 13 12 14 15 59 16 61 62 63 64 91 84 17 18 19 20"),
    },
    "hayes": {
        **_BASE,
        **_PROGRESS,
        **_rates(_CONNECT_RATES, "1 9 11 24 12 25 13 15 14 29 30 31 32 - 35 28 18 33 -"),
    },
    "usr": {
        **_BASE,
        **_PROGRESS,
        **_rates(_CONNECT_RATES, "1 - 18 20 13 21 25 43 85 91 99 103 107 151 155 - - - -"),
    },
}

#: Rates a CONNECT may name; anything between is reported as the next lower one.
STANDARD_RATES: Final = tuple(sorted(int(rate) for rate in ("1200 2400 " + _CONNECT_RATES).split()))
_LINE_RATES: Final = tuple(int(rate) for rate in _CARRIER_RATES.split())
#: S37's and &N's codes for a line rate, in bit/s.
_WISHED_RATES: Final = {3: 300, 5: 1200, 6: 2400, 8: 4800, 9: 9600, 10: 12000, 11: 14400, 12: 7200}


def number(text: str, table: str) -> int:
    """The numeric form of a result code; codes a table has no number for are 1, plain CONNECT."""
    known = TABLES[table]
    return known.get(text, known.get(text.partition("/")[0], 1))


def spelled(text: str, table: str) -> str:
    """The verbose form, as this maker spells it."""
    return "NO DIAL TONE" if text == NO_DIALTONE and table == "usr" else text


def frame(text: str, profile: Profile, table: str) -> bytes:
    """One result code as the settings V, S3 and S4 want it."""
    cr, lf = _ends(profile)
    if profile.basic["V"]:
        return cr + lf + spelled(text, table).encode("ascii", "replace") + cr + lf
    return b"%d" % number(text, table) + cr


def information(lines: tuple[str, ...], profile: Profile) -> bytes:
    """Information text, as the settings V, S3 and S4 want it."""
    cr, lf = _ends(profile)
    body = (cr + lf).join(line.encode("ascii", "replace") for line in lines)
    return (cr + lf if profile.basic["V"] else b"") + body + cr + lf


def _ends(profile: Profile) -> tuple[bytes, bytes]:
    s3, s4 = profile.registers[3], profile.registers[4]
    return bytes([s3]) if s3 < 128 else b"", bytes([s4]) if s4 < 128 else b""


def allowed(text: str, wait_silence: bool, profile: Profile) -> str:
    """What of a call's failure the settings let the DTE see: a code X does not allow becomes NO CARRIER."""
    x = profile.basic["X"]
    if text == BUSY and x in (3, 4, 5, 6, 7):
        return BUSY
    if text == NO_DIALTONE and x in (2, 4, 6, 7):
        return NO_DIALTONE
    if text == NO_ANSWER and (wait_silence or x >= 5):
        return NO_ANSWER
    return NO_CARRIER


def standard(rate: int) -> int:
    """The highest standard rate not above ``rate``."""
    fitting = [known for known in STANDARD_RATES if known <= rate]
    return fitting[-1] if fitting else STANDARD_RATES[0]


def line_rate(dte_rate: int, profile: Profile, best: int) -> int:
    """The rate the line is said to run at: the best, unless the DTE or S37 asks for less."""
    wished = _WISHED_RATES.get(profile.effective(37), best)
    limit = min(best, wished, dte_rate or best)
    return [rate for rate in _LINE_RATES if rate <= max(limit, 300)][-1]


def connect(
    dte_rate: int, profile: Profile, best: int, pinned: int | None = None, text: str | None = None
) -> tuple[str, ...]:
    """The codes that report a connection, CONNECT last (X, W, S95, &A, \\\\V).

    ``dte_rate`` and ``best`` (the line's) are in bit/s; ``pinned`` and ``text`` replace rate or whole text.
    """
    x, w, s95 = profile.basic["X"], profile.basic["W"], profile.registers[95]
    protocol = profile.basic["&Q"] in (5, 8, 9) and profile.basic["\\N"] not in (0, 1)
    line = line_rate(dte_rate, profile, best)
    report: list[str] = []
    if x and (w == 1 or s95 & 0x04):
        report.append(f"CARRIER {line}")
    if x and (w == 1 or s95 & 0x08):
        report.append("PROTOCOL: LAPM" if protocol else "PROTOCOL: NONE")
    if x and s95 & 0x20:
        report.append("COMPRESSION: NONE")
    if text is not None:
        return (*report, text)
    rate = pinned or standard(line if w == 2 or s95 & 0x01 else dte_rate or 115200)
    if not x or rate <= 300:
        return (*report, CONNECT)
    suffix = ""
    if protocol and (s95 & 0x02 or profile.basic["\\V"] or profile.basic["&A"]):
        suffix = "/ARQ" if profile.basic["&A"] or s95 & 0x02 else "/REL"
    return (*report, f"CONNECT {rate}{suffix}")
