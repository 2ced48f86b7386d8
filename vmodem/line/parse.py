"""LINE strings: where a DTE is, in one word an operator can type.

The quoting is that of Twisted's endpoint strings: ``:`` separates, ``key=value`` names, a backslash takes the
next character as it is.  A line's module is imported only when a line of its kind is made.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from vmodem.line.base import Line, LineError

_BARE_SERIAL: Final = re.compile(r"/dev/|com\d+(:|$)", re.IGNORECASE)
_TRUE: Final = frozenset(("yes", "true", "on", "1"))
_FALSE: Final = frozenset(("no", "false", "off", "0"))


@dataclass(frozen=True)
class Option:
    """One key of a LINE: how its text becomes a value, and what is expected, in words."""

    convert: Callable[[str], Any]
    expected: str
    #: The name of the constructor's argument where it is not the key itself.
    argument: str = ""
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Kind:
    """One kind of line: its class, and the parts it is written with."""

    module: str
    class_name: str
    #: The part that is written without its key, first, and one that follows it so.
    first: str = ""
    options: Mapping[str, Option] = field(default_factory=dict)
    second: str = ""


def _text(value: str) -> str:
    if not value:
        raise ValueError
    return value


def _mode(value: str) -> int:
    mode = int(value, 8)
    if not 0 <= mode <= 0o777:
        raise ValueError
    return mode


def _port(value: str) -> int:
    port = int(value)
    if not 0 <= port <= 65535:
        raise ValueError
    return port


def _remote_port(value: str) -> int:
    port = _port(value)
    if not port:
        raise ValueError
    return port


def _ip232_port(value: str) -> int:
    return _port(value or "25232")  # where emulators of that family look for a modem


def _positive(value: str) -> int:
    number = int(value)
    if number <= 0:
        raise ValueError
    return number


def _speed(value: str) -> int | None:
    return None if value.lower() == "auto" else _positive(value)


def _yes_no(value: str) -> bool:
    if value.lower() in _TRUE:
        return True
    if value.lower() in _FALSE:
        return False
    raise ValueError


def _choice(*choices: str, **more: Any) -> Option:
    def convert(value: str) -> str:
        if value not in choices:
            raise ValueError
        return value

    return Option(convert, "one of " + ", ".join(choices), choices=choices, **more)


def _parity(value: str) -> str:
    if value.upper() not in tuple("NEOMS"):
        raise ValueError
    return value.upper()


def _circuits(value: str) -> frozenset[str]:
    names = frozenset(value.lower().split(","))
    if not names <= {"dtr", "rts", "dsr", "cd", "cts"}:
        raise ValueError
    return names


def _stop_bits(value: str) -> float:
    return {"1": 1, "1.5": 1.5, "2": 2}[value]


def _bits(value: str) -> int:
    return {"5": 5, "6": 6, "7": 7, "8": 8}[value]


_PORT: Final = Option(_port, "a port number from 0 to 65535")
_INTERFACE: Final = Option(_text, "an address of this machine, as 127.0.0.1")
#: How a serial port is set and which of its pins stand for what.
_SERIAL: Final = {
    "speed": Option(_positive, "a speed in bit/s, as 9600"),
    "bits": Option(_bits, "5, 6, 7 or 8"),
    "parity": Option(_parity, "N, E, O, M or S"),
    "stop": Option(_stop_bits, "1, 1.5 or 2"),
    "flow": _choice("none", "rtscts", "xonxoff", "dsrdtr"),
    "wiring": _choice("null-modem", "modem"),
    "dtr": _choice("dcd", "dsr", "ri", "on", argument="dtr_carries"),
    "rts": _choice("flow", "dcd", "ri", "on", argument="rts_carries"),
    "dtr-in": _choice("dsr", "cd", "cts", "on", argument="dtr_in"),
    "invert": Option(_circuits, "names out of dtr, rts, dsr, cd and cts with commas between"),
}
_MODE: Final = Option(_mode, "permission bits in octal, as 0660")

KINDS: Final[Mapping[str, Kind]] = {
    "pty": Kind(
        "vmodem.line.pty",
        "PtyLine",
        "link",
        {
            "link": Option(_text, "the path of a link to make, as ./modem0"),
            "owner": Option(_text, "a user's name or number"),
            "group": Option(_text, "a group's name or number"),
            "mode": _MODE,
        },
    ),
    "serial": Kind(
        "vmodem.line.serialport",
        "SerialLine",
        "device",
        {
            "device": Option(_text, "the path of a serial port, as /dev/ttyS0"),
            **_SERIAL,
            "speed": Option(_speed, "a speed in bit/s, as 9600, or auto", choices=("auto",)),
            "exclusive": Option(_yes_no, "yes or no"),
        },
    ),
    "tcp": Kind(
        "vmodem.line.tcp",
        "TcpLine",
        "port",
        {
            "port": _PORT,
            "interface": _INTERFACE,
        },
    ),
    "unix": Kind(
        "vmodem.line.tcp",
        "UnixLine",
        "path",
        {
            "path": Option(_text, "the path of a socket to make"),
            "mode": _MODE,
        },
    ),
    "stdio": Kind("vmodem.line.stdio", "StdioLine"),
    "ip232": Kind(
        "vmodem.line.ip232",
        "Ip232Line",
        "port",
        {
            "port": Option(_ip232_port, "a port number from 0 to 65535, or nothing for 25232"),
            "interface": _INTERFACE,
        },
    ),
    "rfc2217": Kind(
        "vmodem.line.rfc2217",
        "Rfc2217Line",
        "port",
        {
            "port": _PORT,
            "interface": _INTERFACE,
        },
    ),
    "remote": Kind(
        "vmodem.line.remote",
        "RemoteLine",
        "host",
        {
            "host": Option(_text, "the name or address of an access server"),
            "port": Option(_remote_port, "a port number from 1 to 65535"),
            **_SERIAL,
        },
        second="port",
    ),
}


@dataclass(frozen=True)
class ParsedLine:
    """A LINE taken apart.  ``parse_line`` makes it."""

    #: One of ``KINDS``.
    kind: str
    #: What the line's class is made with, by argument.
    values: Mapping[str, Any]


def make_line(reactor: Any, text: str) -> Line:
    """The line that ``text`` describes, not yet started.  Raises :class:`LineError`."""
    parsed = parse_line(text)
    kind = KINDS[parsed.kind]
    if _BARE_SERIAL.match(text):
        text = "serial:" + text
    line: Line = getattr(importlib.import_module(kind.module), kind.class_name)(
        reactor, description=text, **parsed.values
    )
    return line


def parse_line(text: str) -> ParsedLine:
    """What ``text`` describes; nothing is made and nothing is looked at.

    Raises :class:`LineError` for every mistake, in one sentence that names the part, what was expected there
    and, for a misspelt name, the nearest valid one.
    """
    if _BARE_SERIAL.match(text):
        text = "serial:" + text
    (name, _), *parts = _split(text)
    kind = KINDS.get(name or "")
    if kind is None:
        raise LineError(
            f"LINE {text!r}: {name!r} is no kind of line{_nearest(name or '', KINDS)}; "
            f"one of {', '.join(KINDS)} was expected before the first colon."
        )
    values: dict[str, Any] = {}
    for place, (value, key) in enumerate(parts):
        if key is None:
            if value == "" and place == len(parts) - 1 and not (kind.first and not values):
                continue  # a last colon, as in "stdio:"
            names = (kind.first, kind.second)[place : place + 1]
            if not names or not names[0]:
                raise LineError(
                    f"LINE {text!r}: {value!r} has no key; key=value was expected"
                    f"{_nearest(value, kind.options)} (write \\: for a colon that is part of a value)."
                )
            key = names[0]
        option = kind.options.get(key)
        if option is None:
            known = f"{name} knows {', '.join(kind.options)}" if kind.options else f"{name} knows none"
            raise LineError(
                f"LINE {text!r}: {key!r} is no key of {name}{_nearest(key, kind.options)}; {known} "
                "(write \\= for an equals sign that is part of a value)."
            )
        argument = option.argument or key
        if argument in values:
            raise LineError(f"LINE {text!r}: {key} is given twice; once was expected.")
        values[argument] = _converted(text, key, value, option)
    for needed in (kind.first, kind.second):
        if needed and needed not in values:
            raise LineError(
                f"LINE {text!r}: {needed} is missing; {kind.options[needed].expected} was expected."
            )
    return ParsedLine(name or "", values)


def _converted(text: str, key: str, value: str, option: Option) -> Any:
    try:
        return option.convert(value)
    except (ValueError, KeyError):
        raise LineError(
            f"LINE {text!r}: {key} cannot be {value!r}; {option.expected} was expected"
            f"{_nearest(value, option.choices)}."
        ) from None


def _split(text: str) -> list[tuple[str, str | None]]:
    """The parts of a LINE as (value, key); the key of a part without ``=`` is None."""
    parts: list[tuple[str, str | None]] = []
    value, key = "", None
    escaped = False
    for char in text:
        if escaped:
            value += char
            escaped = False
        elif char == "\\":
            escaped = True
        elif char == ":":
            parts.append((value, key))
            value, key = "", None
        elif char == "=" and key is None:
            value, key = "", value
        else:
            value += char
    if escaped:
        raise LineError(f"LINE {text!r}: it ends with a backslash; a character after it was expected.")
    return [*parts, (value, key)]


def _nearest(word: str, names: Iterable[str]) -> str:
    import difflib  # only for people who err

    close = difflib.get_close_matches(word.lower(), list(names), 1)
    return f" (did you mean {close[0]}?)" if close else ""
