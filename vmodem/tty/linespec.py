"""LINE strings: where equipment is, in one word an operator can type.

The quoting is that of Twisted's endpoint strings: ``:`` separates, ``key=value`` names, a backslash takes the
next character as it is.

What does not belong here: which kinds there are; the modem's side of a line and the equipment's side each
have a table of their own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from vmodem.tty.error import TtyError

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
    #: Keys that it does not take, and why, in words.
    refused: Mapping[str, str] = field(default_factory=dict)


def nonempty(value: str) -> str:
    if not value:
        raise ValueError
    return value


def permissions(value: str) -> int:
    mode = int(value, 8)
    if not 0 <= mode <= 0o777:
        raise ValueError
    return mode


def port_number(value: str) -> int:
    port = int(value)
    if not 0 <= port <= 65535:
        raise ValueError
    return port


def remote_port(value: str) -> int:
    port = port_number(value)
    if not port:
        raise ValueError
    return port


def positive(value: str) -> int:
    number = int(value)
    if number <= 0:
        raise ValueError
    return number


def yes_no(value: str) -> bool:
    if value.lower() in _TRUE:
        return True
    if value.lower() in _FALSE:
        return False
    raise ValueError


def choice(*choices: str, **more: Any) -> Option:
    def convert(value: str) -> str:
        if value not in choices:
            raise ValueError
        return value

    return Option(convert, "one of " + ", ".join(choices), choices=choices, **more)


def parity(value: str) -> str:
    if value.upper() not in tuple("NEOMS"):
        raise ValueError
    return value.upper()


def stop_bits(value: str) -> float:
    return {"1": 1, "1.5": 1.5, "2": 2}[value]


def bits(value: str) -> int:
    return {"5": 5, "6": 6, "7": 7, "8": 8}[value]


#: Parts that several kinds share.
PORT: Final = Option(port_number, "a port number from 0 to 65535")
INTERFACE: Final = Option(nonempty, "an address of this machine, as 127.0.0.1")
MODE: Final = Option(permissions, "permission bits in octal, as 0660")
LINK: Final[Mapping[str, Option]] = {
    "link": Option(nonempty, "the path of a link to make, as ./modem0"),
    "owner": Option(nonempty, "a user's name or number"),
    "group": Option(nonempty, "a group's name or number"),
    "mode": MODE,
}
SOCKET: Final[Mapping[str, Option]] = {
    "path": Option(nonempty, "the path of a socket to make"),
    "mode": MODE,
}
#: How characters are sent and received.
FRAMING: Final[Mapping[str, Option]] = {
    "speed": Option(positive, "a speed in bit/s, as 9600"),
    "bits": Option(bits, "5, 6, 7 or 8"),
    "parity": Option(parity, "N, E, O, M or S"),
    "stop": Option(stop_bits, "1, 1.5 or 2"),
    "flow": choice("none", "rtscts", "xonxoff", "dsrdtr"),
}
DEVICE: Final = Option(nonempty, "the path of a serial port, as /dev/ttyS0")
HOST: Final = Option(nonempty, "the name or address of an access server")
HOST_PORT: Final = Option(remote_port, "a port number from 1 to 65535")


@dataclass(frozen=True)
class ParsedLine:
    """A LINE taken apart.  :func:`parse` makes it."""

    #: The part before the first colon.
    kind: str
    #: What the line's class is made with, by argument.
    values: Mapping[str, Any]


def whole(text: str) -> str:
    """``text`` with the kind that a bare device leaves out."""
    return "serial:" + text if _BARE_SERIAL.match(text) else text


def parse(text: str, kinds: Mapping[str, Kind], refused: Mapping[str, str] | None = None) -> ParsedLine:
    """What ``text`` describes; nothing is made and nothing is looked at.  ``refused`` says of other names
    why they are no kinds here.

    Raises :class:`TtyError` for every mistake, in one sentence that names the part, what was expected there
    and, for a misspelt name, the nearest valid one.
    """
    text = whole(text)
    (name, _), *parts = _split(text)
    kind = kinds.get(name or "")
    if kind is None and refused and name in refused:
        raise TtyError(f"LINE {text!r}: {refused[name]}.")
    if kind is None:
        raise TtyError(
            f"LINE {text!r}: {name!r} is no kind of line{_nearest(name or '', kinds)}; "
            f"one of {', '.join(kinds)} was expected before the first colon."
        )
    values: dict[str, Any] = {}
    for place, (value, key) in enumerate(parts):
        if key is None:
            if value == "" and place == len(parts) - 1 and not (kind.first and not values):
                continue  # a last colon, as in "stdio:"
            names = (kind.first, kind.second)[place : place + 1]
            if not names or not names[0]:
                raise TtyError(
                    f"LINE {text!r}: {value!r} has no key; key=value was expected"
                    f"{_nearest(value, kind.options)} (write \\: for a colon that is part of a value)."
                )
            key = names[0]
        option = kind.options.get(key)
        if option is None and key in kind.refused:
            raise TtyError(f"LINE {text!r}: {key} makes no sense here: {kind.refused[key]}.")
        if option is None:
            known = f"{name} knows {', '.join(kind.options)}" if kind.options else f"{name} knows none"
            raise TtyError(
                f"LINE {text!r}: {key!r} is no key of {name}{_nearest(key, kind.options)}; {known} "
                "(write \\= for an equals sign that is part of a value)."
            )
        argument = option.argument or key
        if argument in values:
            raise TtyError(f"LINE {text!r}: {key} is given twice; once was expected.")
        values[argument] = _converted(text, key, value, option)
    for needed in (kind.first, kind.second):
        if needed and needed not in values:
            raise TtyError(
                f"LINE {text!r}: {needed} is missing; {kind.options[needed].expected} was expected."
            )
    return ParsedLine(name or "", values)


def _converted(text: str, key: str, value: str, option: Option) -> Any:
    try:
        return option.convert(value)
    except (ValueError, KeyError):
        raise TtyError(
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
        raise TtyError(f"LINE {text!r}: it ends with a backslash; a character after it was expected.")
    return [*parts, (value, key)]


def _nearest(word: str, names: Iterable[str]) -> str:
    import difflib  # only for people who err

    close = difflib.get_close_matches(word.lower(), list(names), 1)
    return f" (did you mean {close[0]}?)" if close else ""
