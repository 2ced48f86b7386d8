"""What clients ask: GET and LIST of the Network UPS Tools protocol, from words to text.

Nothing here changes anything, and nothing needs a name and a password.  What is said of a UPS that cannot be
read is an error, never what it said before.

What does not belong here: changing something, and who asks (``conversation``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from vmodem.wire import nut
from vmodem.wire.nut import Words, listing, quote, reply

from .model import Health, Ups, clean
from .names import COMMANDS

#: Longest name that may not be ours and is repeated in a reply, in characters.
NAME_LIMIT: Final = 128
UNDESCRIBED: Final = "Description unavailable"


class Refused(Exception):
    """One of the protocol's error words."""

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


def at_least(words: Words, count: int) -> None:
    """Raises :class:`Refused` for a request with fewer words."""
    if len(words) < count:
        raise Refused(nut.INVALID_ARGUMENT)


def exactly(words: Words, count: int) -> None:
    """Raises :class:`Refused` for a request with fewer or more words."""
    if len(words) != count:
        raise Refused(nut.INVALID_ARGUMENT)


def find(upses: Mapping[str, Ups], name: str) -> Ups:
    """The UPS of this name, whether it can be read or not.  Raises :class:`Refused`."""
    ups = upses.get(name.lower())
    if ups is None:
        raise Refused(nut.UNKNOWN_UPS)
    return ups


def readable(upses: Mapping[str, Ups], name: str) -> Ups:
    """The UPS of this name, if it can be read at present.  Raises :class:`Refused`."""
    ups = find(upses, name)
    if ups.health is Health.GONE:
        raise Refused(nut.DRIVER_NOT_CONNECTED)
    if ups.health is not Health.FINE:
        raise Refused(nut.DATA_STALE)
    return ups


def value(ups: Ups, name: str) -> str:
    """The value of a variable.  Raises :class:`Refused`."""
    found = ups.values().get(name.lower())
    if found is None:
        raise Refused(nut.VAR_NOT_SUPPORTED)
    return found


def get(upses: Mapping[str, Ups], version: str, words: Words) -> str:
    """Answer a GET of anything but TRACKING.  ``version`` is the server's.  Raises :class:`Refused`."""
    at_least(words, 3)
    what, name = words[1].upper(), words[2]
    if what == "UPSDESC":
        return reply("UPSDESC", name, quote(find(upses, name).description or UNDESCRIBED))
    if what == "NUMLOGINS":
        return reply("NUMLOGINS", name, str(len(readable(upses, name).logins)))
    if what not in ("VAR", "TYPE", "DESC", "CMDDESC"):
        raise Refused(nut.INVALID_ARGUMENT)
    at_least(words, 4)
    item = words[3].lower()
    if what == "VAR" and item.startswith("server."):
        # The server's own, whatever UPS is named.
        values = {"server.info": f"vmodem {version}", "server.version": version}
        if item not in values:
            raise Refused(nut.VAR_NOT_SUPPORTED)
        return reply("VAR", _foreign(name), words[3], quote(values[item]))
    ups = readable(upses, name)
    if what == "VAR":
        return reply("VAR", name, words[3], quote(value(ups, item)))
    if what == "TYPE":
        return reply("TYPE", name, words[3], *_kinds(ups, item))
    if what == "DESC":
        described = ups.variable(item).description
    else:
        command = ups.commands.get(item)
        described = command.description if command else COMMANDS.get(item, "")
    return reply(what, name, _foreign(words[3]), quote(described or UNDESCRIBED))


def show(upses: Mapping[str, Ups], words: Words) -> str:
    """Answer a LIST.  Raises :class:`Refused`."""
    at_least(words, 2)
    what = words[1].upper()
    if what == "UPS":
        rows = (f"UPS {ups.name} {quote(ups.description or UNDESCRIBED)}" for ups in upses.values())
        return listing("UPS", rows)
    at_least(words, 3)
    name = words[2]
    head = f"{what} {name}"
    if what == "CLIENT":
        return listing(head, (f"{head} {host}" for host in find(upses, name).logins.values()))
    if what == "CMD":
        return listing(head, (f"{head} {command}" for command in readable(upses, name).commands))
    if what in ("VAR", "RW"):
        return listing(head, _variables(readable(upses, name), head, only_writable=what == "RW"))
    if what not in ("ENUM", "RANGE"):
        raise Refused(nut.INVALID_ARGUMENT)
    at_least(words, 4)
    ups = readable(upses, name)
    value(ups, words[3])
    variable = ups.variable(words[3].lower())
    head = f"{head} {words[3]}"
    if what == "ENUM":
        return listing(head, (f"{head} {quote(choice)}" for choice in variable.choices))
    return listing(head, (f'{head} "{low}" "{high}"' for low, high in variable.ranges))


def _variables(ups: Ups, head: str, *, only_writable: bool) -> Iterable[str]:
    return (
        f"{head} {name} {quote(text)}"
        for name, text in ups.values().items()
        if not only_writable or ups.variable(name).writable
    )


def _kinds(ups: Ups, name: str) -> list[str]:
    text, variable = value(ups, name), ups.variable(name)
    length = variable.length
    if not (variable.writable or length or _is_number(text)):
        length = len(text)
    kinds = [
        word
        for word, true in (
            ("RW", variable.writable),
            ("ENUM", variable.choices),
            ("RANGE", variable.ranges),
        )
        if true
    ]
    if variable.choices and not length and not all(map(_is_number, variable.choices)):
        length = max(map(len, variable.choices))
    return [*kinds, f"STRING:{length}" if length else "NUMBER"]


def _foreign(name: str) -> str:
    """A name that may not be ours and goes into the reply: bounded, and one word of printable ASCII."""
    if len(name) > NAME_LIMIT:
        raise Refused(nut.INVALID_ARGUMENT)
    return name if name and " " not in name and clean(name) == name else quote(name)


def _is_number(text: str) -> bool:
    return text.removeprefix("-").replace(".", "", 1).isdigit()
