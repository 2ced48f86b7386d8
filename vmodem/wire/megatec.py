"""The Megatec (Q1) protocol of UPSes on a serial line: 2400 bit/s, text, requests and replies end with CR.

A status reply has fixed columns and no checksum, so a reply is taken as a whole or not at all: every column
has to be what it must be.  A field without a digit (``---.-``) says that the UPS does not measure that.

What does not belong here: when to ask, how long to wait, and what is made of battery figures.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

END: Final = b"\r"
#: Requests for the status, by dialect: Megatec, Mustek, old Megatec.
STATUS: Final = (b"Q1", b"QS", b"D")
RATINGS: Final = b"F"
#: The second one is Zinto's.
VENDOR: Final = (b"I", b"FW?")
BEEPER: Final = b"Q"
CANCEL: Final = b"C"
TEST_QUICK: Final = b"T"
TEST_DEEP: Final = b"TL"
TEST_STOP: Final = b"CT"
LOAD_OFF: Final = b"S00R0000"
#: Longest reply that is kept, in bytes; the longest of the protocol has 47.
REPLY_LIMIT: Final = 96

#: Bounds and step of the two delays, in seconds.
OFF_DELAY_S: Final = (12, 600)
ON_DELAY_S: Final = (0, 599940)

#: Sizes of ratings and vendor replies that have every column, without CR.  Some units leave one out, which
#: cannot be told from one that was lost on the way.
RATINGS_SIZE: Final = 21
VENDOR_SIZE: Final = 38

_STATUS_SIZE: Final = 46
#: Where the fields begin and end, and what a figure in them stays below: a point read as a digit goes beyond.
_FIELDS: Final = (
    (1, 6, 1000),
    (7, 12, 1000),
    (13, 18, 1000),
    (19, 22, 1000),
    (23, 27, 400),
    (28, 32, 1000),
    (33, 37, 200),
)
#: The blanks between them.
_BLANKS: Final = (6, 12, 18, 22, 27, 32, 37)
_NUMBER: Final = re.compile(rb"\d+(?:\.\d*)?|\.\d+")
#: What stands in place of a figure that is not measured.
_ABSENT: Final = re.compile(rb"[-.*@# ]+")
_BITS: Final = re.compile(rb"[01]{8}")
_RATINGS: Final = re.compile(rb"#(\S{5}) (\S{3}) (\S{4,5}) (\S{4})")
_ACKNOWLEDGED: Final = (b"ACK", b"(ACK")


@dataclass(frozen=True)
class Status:
    """What a status reply says.  Figures are text, without leading zeros; None where there is none."""

    input_voltage: str | None
    input_fault: str | None
    output_voltage: str | None
    load: str | None
    frequency: str | None
    #: Of the pack on stand-by units, of one cell on on-line units.
    battery: str | None
    temperature: str | None
    mains_failed: bool
    battery_low: bool
    #: On bypass, or raising or lowering the voltage.
    regulating: bool
    failed: bool
    standby: bool
    testing: bool
    shutting_down: bool
    beeper: bool


@dataclass(frozen=True)
class Ratings:
    """What the UPS is made for."""

    voltage: str | None
    current: str | None
    battery: str | None
    frequency: str | None


@dataclass(frozen=True)
class Vendor:
    """Who made it; any of these may be empty."""

    maker: str
    model: str
    version: str


class Replies:
    """Puts replies together from chunks.  One that is too long, or has a byte in it that no reply has, is
    given as None: something was said, and it cannot be used."""

    def __init__(self) -> None:
        self._begun = bytearray()
        self._bad = False

    @property
    def begun(self) -> bool:
        """Whether a reply has begun and not ended."""
        return bool(self._begun) or self._bad

    def reset(self) -> None:
        """Forget what has begun: a request is about to be sent."""
        self._begun.clear()
        self._bad = False

    def spoil(self) -> None:
        """A character was damaged: what has begun, or begins now, is no reply."""
        self._bad = True

    def receive(self, data: bytes) -> list[bytes | None]:
        """The replies that ended in this chunk, without CR."""
        pieces = data.split(END)
        found: list[bytes | None] = []
        for piece in pieces[:-1]:
            self._add(piece)
            # A line feed after the CR of the reply before it is nobody's.
            line = bytes(self._begun).lstrip(b"\n")
            if self._bad:
                found.append(None)
            elif line:
                found.append(line)
            self.reset()
        self._add(pieces[-1])
        return found

    def _add(self, piece: bytes) -> None:
        if len(self._begun) + len(piece) > REPLY_LIMIT:
            self._bad = True
        if self._bad:
            self._begun.clear()
            return
        self._begun += piece
        if any(byte != 0x0A and not 0x20 <= byte <= 0x7E for byte in piece):
            self._bad = True


def status(line: bytes) -> Status | None:
    """The status in a reply; None unless all of it is well formed."""
    line = line.rstrip(b" ")
    if len(line) != _STATUS_SIZE or line[:1] != b"(" or _BITS.fullmatch(line, 38) is None:
        return None
    if any(line[place] != 0x20 for place in _BLANKS):
        return None
    figures: list[str | None] = []
    for begin, end, limit in _FIELDS:
        try:
            figure = _figure(line[begin:end])
        except ValueError:
            return None
        if figure is not None and float(figure) >= limit:
            return None
        figures.append(figure)
    bits = [byte == 0x31 for byte in line[38:]]
    return Status(*figures, *bits)  # type: ignore[arg-type]


def ratings(line: bytes) -> Ratings | None:
    """The ratings in a reply; None unless it is well formed."""
    match = _RATINGS.fullmatch(line.rstrip(b" "))
    if match is None:
        return None
    try:
        return Ratings(*map(_figure, match.groups()))
    except ValueError:
        return None


def vendor(line: bytes) -> Vendor | None:
    """Maker, model and version in a reply; None unless it has their columns."""
    if line[:1] != b"#" or not VENDOR_SIZE - 1 <= len(line) <= VENDOR_SIZE:
        return None
    if line[16:17] != b" " or line[27:28] != b" ":
        return None
    maker, model, version = (part.decode("ascii", "replace").strip() for part in _columns(line))
    return Vendor(maker, model, version) if maker or model or version else None


def refused(line: bytes, request: bytes) -> bool:
    """Whether a reply says that the UPS does not know the request or will not do it: it is the request."""
    return line.strip() == request


def acknowledged(line: bytes) -> bool:
    """Whether a reply says that the UPS does what it was asked for; most units say so by silence."""
    return line.strip() in _ACKNOWLEDGED


# -- requests ------------------------------------------------------------------------------------------------


def shutdown_return(off_s: int, on_s: int) -> bytes:
    """Load off after ``off_s``, on again ``on_s`` later (and when mains is back); 0 leaves that to the UPS.

    Raises ValueError for what the protocol cannot say.
    """
    if not ON_DELAY_S[0] <= on_s <= ON_DELAY_S[1]:
        raise ValueError(f"{on_s} s is no start delay")
    minutes = start_delay(on_s) // 60
    return _off(off_s) + (b"R%04d" % minutes if minutes else b"")


def shutdown_stayoff(off_s: int) -> bytes:
    """Load off after ``off_s``, and never on again by itself.  Raises ValueError."""
    return _off(off_s) + b"R0000"


def battery_test(minutes: int) -> bytes:
    """A battery test of 1 to 99 minutes.  Raises ValueError."""
    if not 1 <= minutes <= 99:
        raise ValueError(f"{minutes} minutes are no test")
    return b"T%02d" % minutes


def start_delay(seconds: int) -> int:
    """The shortest start delay that can be asked for and is no shorter, in seconds: whole minutes, three at
    least (early firmware stays off for good with fewer), or 0."""
    return max(3, -(-seconds // 60)) * 60 if seconds else 0


def shutdown_delay(seconds: int) -> int:
    """The shortest shutdown delay that can be asked for and is no shorter, in seconds: tenths of a minute
    below one minute, whole minutes from there on."""
    tenths = -(-seconds // 6)
    return tenths * 6 if tenths < 10 else -(-seconds // 60) * 60


def _off(seconds: int) -> bytes:
    if not OFF_DELAY_S[0] <= seconds <= OFF_DELAY_S[1]:
        raise ValueError(f"{seconds} s is no shutdown delay")
    seconds = shutdown_delay(seconds)
    return b"S.%d" % (seconds // 6) if seconds < 60 else b"S%02d" % (seconds // 60)


# -- figures -------------------------------------------------------------------------------------------------


def _columns(line: bytes) -> tuple[bytes, bytes, bytes]:
    return line[1:16], line[17:27], line[28:]


def _figure(field: bytes) -> str | None:
    """A figure as text, None for one that is not measured.  Raises ValueError for anything else."""
    stripped = field.strip(b" ")
    if _NUMBER.fullmatch(stripped) is not None:
        whole, point, rest = stripped.decode("ascii").partition(".")
        return (whole.lstrip("0") or "0") + (point + rest if rest else "")
    if _ABSENT.fullmatch(field) is not None:
        return None
    raise ValueError(field)
