"""What a modem says of itself by DNS service discovery (RFC 6763): its TXT record and its names.

What does not belong here: multicast (:mod:`vmodem.net.names.dnssd`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

SERVICE: Final = "_vmodem._tcp"
#: Longest number that is announced or believed, in digits.
DIGITS: Final = 32
#: Longest name of an instance, in bytes (RFC 6763 clause 4.1.1).
NAME_LIMIT: Final = 63


class AnnouncementError(ValueError):
    """What cannot be announced; the text is for people."""


@dataclass(frozen=True)
class Service:
    """A modem that answers calls.  Raises :class:`AnnouncementError` when it cannot be announced."""

    #: The modem's, shown to people; also the name of the instance.
    name: str
    #: The TCP port where it answers.
    port: int
    #: What others dial to reach it; digits.
    number: str

    def __post_init__(self) -> None:
        if not self.name or not self.name.isprintable() or len(self.name.encode()) > NAME_LIMIT:
            raise AnnouncementError(f"a name has 1 to {NAME_LIMIT} bytes and is printable")
        if not is_number(self.number):
            raise AnnouncementError(f'"{self.number}" is no number of 1 to {DIGITS} digits')
        if not 1 <= self.port <= 65535:
            raise AnnouncementError(f"{self.port} is no port")

    @property
    def txt(self) -> dict[str, str]:
        """The pairs of its TXT record."""
        return {"number": self.number, "name": self.name}


def is_number(text: str) -> bool:
    """Whether others could dial it: digits, and not too many."""
    return text.isascii() and text.isdigit() and len(text) <= DIGITS


def heard(pairs: Mapping[bytes, bytes | None]) -> tuple[str, str]:
    """The number and the name that a TXT record holds, each "" when it holds none that could be used.

    The keys' case does not count (RFC 6763 clause 6.4).
    """
    found = {key.lower(): value or b"" for key, value in pairs.items()}
    number = found.get(b"number", b"").decode("ascii", "replace")
    name = found.get(b"name", b"")[:NAME_LIMIT].decode("utf-8", "replace")
    return number if is_number(number) else "", shown(name)


def shown(name: str) -> str:
    """A stranger's name with everything replaced that is not a printable character."""
    return "".join(char if char.isprintable() else "\ufffd" for char in name)
