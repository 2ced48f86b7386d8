"""APC's smart protocol: requests of one character, replies that end with CR LF, and alerts at any time.

An alert is a single character that the UPS sends by itself, also in front of or inside a reply.  There is no
checksum.  So a reply is taken only if it is what its request can be answered with, and an alert is *certain*
only if nothing but replies and alerts has been heard since the request before it.

What does not belong here: when to ask, how long to wait, and what follows from an alert.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

SMART: Final = b"Y"
DUMB: Final = b"R"
ESCAPE: Final = b"\x1b"
STATUS: Final = b"Q"
CAPABILITIES: Final = b"a"
CHOICES: Final = b"\x1a"
NEXT: Final = b"-"
MODEL: Final = b"\x01"
FIRMWARE_OLD: Final = b"V"
FIRMWARE: Final = b"b"
BATTERY_TEST: Final = b"W"
CALIBRATION: Final = b"D"
PANEL_TEST: Final = b"A"
POWER_FAILURE: Final = b"U"
BYPASS: Final = b"^"
SOFT_HIBERNATE: Final = b"S"
HARD_HIBERNATE: Final = b"@"
OFF_DELAYED: Final = b"K"
OFF_NOW: Final = b"Z"
LOAD_ON: Final = b"\x0e"
CANCEL: Final = b"\x7f"

OK: Final = b"OK"
NOT_AVAILABLE: Final = b"NA"
REFUSED: Final = b"NO"
IN_SMART_MODE: Final = b"SM"
IN_BYPASS: Final = b"BYP"
IN_INVERTER: Final = b"INV"
#: What older units answer to shutdown commands, without a line end.
STAR: Final = b"*"

#: Longest reply that is kept, in bytes; the list of choices is the longest.
REPLY_LIMIT: Final = 2048
#: What is assumed of a UPS that does not say what it knows.
SMALL_SET: Final = frozenset((b"C", b"P", b"L", b"O", b"f", b"B", b"n", b"V", b"\x01"))
TEXT_SIZE: Final = 8


class Alert(enum.Enum):
    """What the UPS says by itself."""

    ON_BATTERY = 0x21  # !
    ON_LINE = 0x24  # $
    BATTERY_LOW = 0x25  # %
    BATTERY_NOT_LOW = 0x2B  # +
    REPLACE_BATTERY = 0x23  # #
    OVERLOAD = 0x3F  # ?
    NO_OVERLOAD = 0x3D  # =
    SETTING_CHANGED = 0x7C  # |
    LOOK_AT_ALARMS = 0x26  # &
    TURNING_OFF = 0x2A  # *


@dataclass(frozen=True)
class Alerted:
    """The UPS said something by itself.  Where ``certain`` is false it may have been a disturbed character of
    something else."""

    alert: Alert
    certain: bool


@dataclass(frozen=True)
class Reply:
    """A line, without its end and alerts."""

    text: bytes


@dataclass(frozen=True)
class Garbled:
    """Something was said that can be no reply."""

    reason: str


Event = Alerted | Reply | Garbled

_ALERTS: Final[Mapping[int, Alert]] = {alert.value: alert for alert in Alert}


class Replies:
    """Takes apart what a UPS sends.  ``expect`` is to be called when a request is about to be sent; what has
    begun by then is forgotten."""

    def __init__(self) -> None:
        self._line = bytearray()
        self._asked = False
        self._raw = False
        self._star = False
        self._clean = True
        self._overlong = False

    def expect(self, *, raw: bool = False, star: bool = False) -> None:
        """A request is about to be sent.  ``raw``: its reply may hold characters that are alerts elsewhere.
        ``star``: it may be answered by ``*`` alone."""
        self._line.clear()
        self._asked, self._raw, self._star = True, raw, star
        self._clean, self._overlong = True, False

    def idle(self) -> None:
        """No reply is awaited any more: whatever comes is an alert or means nothing."""
        self._line.clear()
        self._asked = self._raw = self._star = False
        self._overlong = False

    @property
    def raw(self) -> bool:
        """Whether a reply is awaited that may hold characters that are alerts elsewhere."""
        return self._raw

    def spoil(self) -> None:
        """A character was damaged: neither what is being said nor any alert can be relied on."""
        self._clean = False

    def receive(self, data: bytes) -> list[Event]:
        """What a chunk means, in order."""
        events: list[Event] = []
        for byte in data:
            if byte == 0x0A:
                self._end(events)
            elif byte in _ALERTS and not self._raw:
                if self._star and byte == Alert.TURNING_OFF.value and not self._line:
                    self.idle()
                    events.append(Reply(STAR))
                else:
                    events.append(Alerted(_ALERTS[byte], self._clean))
            elif not self._asked:
                # Nobody asked: the end of a late reply, or a disturbance.
                self._clean = self._clean and byte == 0x0D
            elif not self._possible(byte) or self._line.endswith(b"\r"):
                self._clean = False
                self._line.append(0)
            elif len(self._line) >= REPLY_LIMIT:
                self._clean, self._overlong = False, True
            else:
                self._line.append(byte)
        return events

    def _possible(self, byte: int) -> bool:
        """Whether a reply can hold this; commands, which some replies name, are control characters, too."""
        return 0x20 <= byte <= 0x7E or byte == 0x0D or (self._raw and 0 < byte <= 0x7F)

    def _end(self, events: list[Event]) -> None:
        if not self._asked:
            return
        line = bytes(self._line)
        clean, overlong = self._clean, self._overlong
        self.idle()
        if overlong:
            events.append(Garbled("a line without an end"))
        elif not line.endswith(b"\r"):
            self._clean = False
            events.append(Garbled("a line end without CR"))
        elif not clean or len(line) == 1:
            events.append(Garbled("a character that is in no reply" if len(line) > 1 else "an empty line"))
        else:
            events.append(Reply(line[:-1]))


def holds_alert(text: bytes) -> bool:
    """Whether a text that was received raw holds characters that may have been alerts."""
    return any(byte in _ALERTS for byte in text)


def only_alerts(data: bytes) -> bool:
    """Whether a chunk is nothing but alerts."""
    return all(byte in _ALERTS for byte in data)


# -- status --------------------------------------------------------------------------------------------------

#: Bits of the status byte, lowest first.
BITS: Final = ("CAL", "TRIM", "BOOST", "OL", "OB", "OVER", "LB", "RB")
#: The order in which words are told.
_ORDER: Final = ("OL", "OB", "LB", "RB", "CAL", "TRIM", "BOOST", "OVER")
_STATUS: Final = re.compile(rb"[0-9A-Fa-f]{2}")
_SET: Final[Mapping[Alert, tuple[str, str]]] = {  # what an alert adds and takes away
    Alert.ON_BATTERY: ("OB", "OL"),
    Alert.ON_LINE: ("OL", "OB"),
    Alert.BATTERY_LOW: ("LB", ""),
    Alert.BATTERY_NOT_LOW: ("", "LB"),
    Alert.REPLACE_BATTERY: ("RB", ""),
    Alert.OVERLOAD: ("OVER", ""),
    Alert.NO_OVERLOAD: ("", "OVER"),
}


def status(text: bytes) -> tuple[str, ...] | None:
    """Words of ``ups.status`` for a status reply; None unless it is well formed."""
    if _STATUS.fullmatch(text) is None:
        return None
    value = int(text, 16)
    if value & 0x18 == 0x18 or value & 0x06 == 0x06:
        return None  # on line and on battery, or lowering and raising the voltage, at once
    if value & 0x06 and not value & 0x18:
        # Neither on line nor on battery, and yet changing the voltage: the figure of ``q``, perhaps.
        return None
    words = {word for place, word in enumerate(BITS) if value >> place & 1}
    return _ordered(words) if words else ("OFF",)


def after(words: Iterable[str], alert: Alert) -> tuple[str, ...]:
    """The words after an alert; the same when it does not say which they are."""
    if alert not in _SET:
        return tuple(words)
    added, removed = _SET[alert]
    found = ({*words} | {added}) - {removed, "", "OFF"}
    if alert is Alert.ON_BATTERY:
        found -= {"TRIM", "BOOST"}
    return _ordered(found)


def _ordered(words: set[str]) -> tuple[str, ...]:
    return tuple(word for word in _ORDER if word in words)


# -- variables -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """One variable: how it is asked for, and how its reply becomes a value (None: it is no such reply)."""

    request: bytes
    name: str
    value: Callable[[bytes], str | None]
    #: Asked for again and again; others once, and when the UPS says that a setting has changed.
    changes: bool = True
    #: Free text, in which the characters of alerts may stand.
    text: bool = False
    #: Text of eight characters that can be written.
    writable: bool = False


_FIGURE: Final = re.compile(rb"-?\d{1,6}(?:\.\d{1,3})?")
_TEXT: Final = re.compile(rb"[ -~]{1,64}")


def _figure(text: bytes) -> str | None:
    if _FIGURE.fullmatch(text) is None:
        return None
    sign, digits = ("-", text[1:]) if text.startswith(b"-") else ("", text)
    whole, point, rest = digits.decode("ascii").partition(".")
    return sign + (whole.lstrip("0") or "0") + point + rest


def _minutes(text: bytes) -> str | None:
    match = re.fullmatch(rb"(\d{1,5}):?", text)
    return str(int(match[1]) * 60) if match else None


def _hours(text: bytes) -> str | None:
    if text.strip() in (b"ON", b"OFF"):
        return text.strip().decode("ascii")
    return str(int(text) * 3600) if re.fullmatch(rb"\d{1,5}", text) else None


def _plain(text: bytes) -> str | None:
    return text.decode("ascii").strip() or None if _TEXT.fullmatch(text) else None


def _one_of(**meanings: str) -> Callable[[bytes], str | None]:
    def value(text: bytes) -> str | None:
        return meanings.get(text.decode("ascii", "replace").strip())

    return value


def _matching(pattern: bytes) -> Callable[[bytes], str | None]:
    compiled = re.compile(pattern)
    return lambda text: text.decode("ascii") if compiled.fullmatch(text) else None


_REASONS: Final = {
    "R": "unacceptable utility voltage rate of change",
    "H": "high utility voltage",
    "L": "low utility voltage",
    "T": "line voltage notch or spike",
    "O": "no transfers yet since turnon",
    "S": "simulated power failure or UPS test",
}
_RESULTS: Final = {
    "OK": "OK",
    "BT": "Battery capacity insufficient",
    "NG": "Failed by overload",
    "NO": "No recent test",
}

ROWS: Final = (
    Row(b"f", "battery.charge", _figure),
    Row(b"j", "battery.runtime", _minutes),
    Row(b"P", "ups.load", _figure),
    Row(b"L", "input.voltage", _figure),
    Row(b"O", "output.voltage", _figure),
    Row(b"B", "battery.voltage", _figure),
    Row(b"F", "input.frequency", _figure),
    Row(b"C", "ups.temperature", _figure),
    Row(b"M", "input.voltage.maximum", _figure),
    Row(b"N", "input.voltage.minimum", _figure),
    Row(b"G", "input.transfer.reason", _one_of(**_REASONS)),
    Row(b"9", "input.quality", _matching(rb"[0-9A-F]{2}")),
    Row(b"X", "ups.test.result", _one_of(**_RESULTS)),
    Row(b"/", "output.current", _figure),
    Row(b"i", "ups.contacts", _matching(rb"[0-9A-F]{2}")),
    Row(b"h", "ambient.humidity", _figure),
    Row(b"t", "ambient.temperature", _figure),
    Row(b">", "battery.packs", _figure),
    Row(b"<", "battery.packs.bad", _figure),
    Row(b"o", "output.voltage.nominal", _figure, changes=False),
    Row(b"g", "battery.voltage.nominal", _figure, changes=False),
    Row(b"q", "battery.runtime.low", _minutes, changes=False),
    Row(b"E", "ups.test.interval", _hours, changes=False),
    Row(b"l", "input.transfer.low", _figure, changes=False),
    Row(b"u", "input.transfer.high", _figure, changes=False),
    Row(b"s", "input.sensitivity", _matching(rb"[A-Z]{1,4}"), changes=False),
    Row(b"e", "battery.charge.restart", _figure, changes=False),
    Row(b"k", "battery.alarm.threshold", _matching(rb"[0A-Z]"), changes=False),
    Row(b"p", "ups.delay.shutdown", _figure, changes=False),
    Row(b"r", "ups.delay.start", _figure, changes=False),
    Row(b"c", "ups.id", _plain, changes=False, text=True, writable=True),
    Row(b"x", "battery.date", _plain, changes=False, text=True, writable=True),
    Row(b"n", "ups.serial", _plain, changes=False, text=True),
    Row(b"m", "ups.mfr.date", _plain, changes=False, text=True),
    Row(MODEL, "ups.model", _plain, changes=False, text=True),
    Row(FIRMWARE, "ups.firmware", _plain, changes=False, text=True),
    Row(FIRMWARE_OLD, "ups.firmware", _plain, changes=False, text=True),
    Row(b"v", "ups.firmware.aux", _plain, changes=False, text=True),
)
BY_REQUEST: Final[Mapping[bytes, Row]] = {row.request: row for row in ROWS}
BY_NAME: Final[Mapping[str, Row]] = {row.name: row for row in reversed(ROWS)}


# -- what the UPS knows --------------------------------------------------------------------------------------


def known(text: bytes) -> frozenset[bytes] | None:
    """The requests that a UPS knows, from its answer to ``a``: version, alerts and commands with a dot
    between; None unless it is well formed."""
    parts = text.split(b".", 2)
    if len(parts) != 3 or re.fullmatch(rb"\d{1,2}", parts[0]) is None or len(parts[2]) < 2:
        return None
    # A dot is no command, it sets parts of the list apart.
    return frozenset(bytes((byte,)) for byte in parts[2] if byte != 0x2E)


def choices(text: bytes, locale: bytes) -> dict[bytes, tuple[str, ...]]:
    """The values that settings can have, by their request, for a UPS of this locale; empty for an answer to
    ^Z that is not well formed.

    After ``#`` there is for each setting: its request, a locale (``4`` is all), how many choices, how long
    each is (both as one character, 48 more than the number), and the choices.
    """
    found: dict[bytes, tuple[str, ...]] = {}
    place = 1
    if text[:1] != b"#":
        return {}
    while place < len(text):
        head = text[place : place + 4]
        if len(head) < 4:
            return {}
        count, size = head[2] - 48, head[3] - 48
        place += 4
        if count < 1 or size < 1 or place + count * size > len(text):
            return {}
        values = [text[place + at * size : place + (at + 1) * size] for at in range(count)]
        place += count * size
        if head[1:2] in (b"4", locale):
            found[head[:1]] = tuple(value.decode("ascii", "replace").strip() for value in values)
    return found


def locale(firmware: str) -> bytes:
    """The locale that a firmware's name ends with, as ``50.9.D`` or ``GWD``; b"" when there is none."""
    return firmware[-1:].encode("ascii", "replace") if firmware[-1:].isalpha() else b""
