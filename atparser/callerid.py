"""Caller identification: who calls, as the DTE is told between the first and the second ring.

Formatted it is a line for each of date, time, number and name; unformatted it is the message as it would come
over a telephone line, in hexadecimal digits: the multiple data message format of GR-30-CORE, whose last octet
makes the sum of all of them 0 modulo 256.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Final

from .parameters import calm

#: Message and parameter types of GR-30-CORE (multiple data message format).
_CALL_SETUP: Final = 0x80
_DATE: Final = 0x01
_NUMBER: Final = 0x02
_NO_NUMBER: Final = 0x04
_NAME: Final = 0x07
_NO_NAME: Final = 0x08
#: Longest number and name, in characters.
_NUMBER_LENGTH: Final = 32
_NAME_LENGTH: Final = 50


@dataclass(frozen=True)
class Caller:
    """Who calls, as far as it is known."""

    #: What the DTE can dial to call back; empty where nobody knows.
    number: str = ""
    name: str = ""
    #: The number is known but not to be told.
    private: bool = False


def lines(caller: Caller, when: datetime.datetime | None, blanks: bool) -> tuple[str, ...]:
    """The formatted report; without ``when``, without date and time."""
    equals = " = " if blanks else "="
    shown: list[str] = []
    if when is not None:
        shown += [f"DATE{equals}{when:%m%d}", f"TIME{equals}{when:%H%M}"]
    shown.append(f"NMBR{equals}{_number(caller) or _why_not(caller)}")
    if caller.private or caller.name:
        shown.append(f"NAME{equals}{'P' if caller.private else printable(caller.name)}")
    return tuple(shown)


def message(caller: Caller, when: datetime.datetime | None, blanks: bool) -> str:
    """The unformatted report."""
    parts: list[tuple[int, str]] = []
    if when is not None:
        parts.append((_DATE, f"{when:%m%d%H%M}"))
    number = _number(caller)
    parts.append((_NUMBER, number) if number else (_NO_NUMBER, _why_not(caller)))
    if caller.private:
        parts.append((_NO_NAME, "P"))
    elif caller.name:
        parts.append((_NAME, printable(caller.name)))
    body = b"".join(bytes((kind, len(text))) + text.encode("ascii") for kind, text in parts)
    octets = bytes((_CALL_SETUP, len(body))) + body
    return f"MESG{' = ' if blanks else '='}{octets.hex().upper()}{-sum(octets) & 0xFF:02X}"


def _number(caller: Caller) -> str:
    return "" if caller.private else printable(caller.number)[:_NUMBER_LENGTH]


def _why_not(caller: Caller) -> str:
    return "P" if caller.private else "O"


def printable(text: str) -> str:
    """A text from outside as characters of one line, none of them a result code's word."""
    shown = "".join(one if " " <= one <= "~" else "?" for one in text)
    return calm(shown[:_NAME_LENGTH].strip())
