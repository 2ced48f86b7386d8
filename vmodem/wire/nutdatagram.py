"""The old query form of Network UPS Tools over UDP, of before 2003: one datagram asks, one answers.

    REQ STATUS@office       ANS STATUS@office OL
    LISTVARS office         VARS @office STATUS UTILITY
    GET VAR office ups.load VAR office ups.load "14"

It can only ask.  Answers are bounded to :data:`ANSWER_LIMIT`, and nothing is said to what could itself be an
answer, so that two servers never talk to each other.

What does not belong here: sockets, who may ask, and where values come from.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

from .nut import DATA_STALE, DRIVER_NOT_CONNECTED, UNKNOWN_COMMAND, UNKNOWN_UPS, VAR_NOT_SUPPORTED, quote

#: The port of the servers: datagrams from there are answers of another server.
PORT: Final = 3493
#: Longest question and answer, in bytes.
QUESTION_LIMIT: Final = 512
ANSWER_LIMIT: Final = 1024

#: Old names of variables.
NAMES: Final[Mapping[str, str]] = {
    "STATUS": "ups.status",
    "UTILITY": "input.voltage",
    "OUTVOLT": "output.voltage",
    "ACFREQ": "input.frequency",
    "LOADPCT": "ups.load",
    "BATTPCT": "battery.charge",
    "BATTVOLT": "battery.voltage",
    "NOMBATVLT": "battery.voltage.nominal",
    "UPSTEMP": "ups.temperature",
    "MFR": "ups.mfr",
    "MODEL": "ups.model",
    "FIRMREV": "ups.firmware",
    "CURRENT": "output.current",
    "DELAYSHUT": "ups.delay.shutdown",
    "WAKEDELAY": "ups.delay.start",
}


class Source(Protocol):
    """Where values come from.  A UPS named "" is the first one."""

    def values(self, ups: str) -> Mapping[str, str] | str:
        """All variables by name, or the word of an error (:mod:`vmodem.wire.nut`)."""

    def logins(self, ups: str) -> int | str:
        """How many machines are logged in, or the word of an error."""

    @property
    def version(self) -> str:
        """Name and version of the server."""


def answer(datagram: bytes, port: int, source: Source) -> bytes | None:
    """What to answer a datagram that came from ``port``; None is nothing."""
    if port == PORT or len(datagram) > QUESTION_LIMIT:
        return None
    try:
        line = datagram.decode("ascii").rstrip("\r\n\0")
    except UnicodeDecodeError:
        return None
    if not line.strip() or not line.isprintable():
        return None  # more than one line, too
    words = line.split()
    if words[0].upper() in ("ANS", "VARS", "VAR", "ERR", "OK"):
        return None
    return _cut(_answer(words, source)).encode("ascii", "replace") + b"\r\n"


def _answer(words: list[str], source: Source) -> str:
    match (words[0].upper(), *words[1:]):
        case ["VER"]:
            return source.version
        case ["HELP"]:
            return "Commands: HELP VER LISTVARS REQ GET"
        case ["REQ", what]:
            return _req(what, source)
        case ["LISTVARS", *rest] if len(rest) <= 1:
            return _listvars(rest[0] if rest else "", source)
        case ["GET", var, ups, name] if var.upper() == "VAR":
            found = source.values(ups)
            if isinstance(found, str):
                return f"ERR {found}"
            value = found.get(name.lower())
            return f"ERR {VAR_NOT_SUPPORTED}" if value is None else f"VAR {ups} {name} {quote(value)}"
        case _:
            return f"ERR {UNKNOWN_COMMAND}"


def _req(what: str, source: Source) -> str:
    name, at, ups = what.partition("@")
    if at and not ups:
        return f"ERR {UNKNOWN_UPS}"
    if name.upper() == "NUMLOGINS":
        count = source.logins(ups)
        return f"ERR {count}" if isinstance(count, str) else f"ANS {what} {count}"
    found = source.values(ups)
    if isinstance(found, str):
        # The value's place, where clients of that time looked for it.
        return f"ANS {what} {found}" if found in (DATA_STALE, DRIVER_NOT_CONNECTED) else f"ERR {found}"
    value = found.get(NAMES.get(name.upper(), ""))
    return f"ANS {what} NOT-SUPPORTED" if value is None else f"ANS {what} {value}"


def _listvars(ups: str, source: Source) -> str:
    found = source.values(ups)
    if isinstance(found, str):
        return f"ERR {found}"
    known = [old for old, new in NAMES.items() if new in found]
    return " ".join(["VARS", *([f"@{ups}"] if ups else []), *known])


def _cut(text: str) -> str:
    return text[: ANSWER_LIMIT - 2]
