"""Listening sockets that systemd made and handed over (sd_listen_fds): which one is meant, and a copy of it.

The socket itself stays open, and systemd's, for as long as the program runs: it may be listened on again
later, after a change of the configuration say.  A copy shares its queue of callers.

What does not belong here: what happens on it (:mod:`vmodem.net.incoming.listen`).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from typing import Final

from vmodem.net.endpoint import split_endpoint

#: The first descriptor that is handed over (sd_listen_fds(3)).
FIRST: Final = 3
_KEYS: Final = ("domain", "index", "name")


class LentError(ValueError):
    """Nothing is meant, or what is meant is not there."""


def meant(text: str) -> tuple[str, str]:
    """What ``systemd:domain=INET:name=NAME`` (or ``index=N``) asks for: ``name`` or ``index``, and its value.
    The domain is the socket's own business, and not looked at.  Raises :class:`LentError`."""
    values: dict[str, str] = {}
    for place, part in enumerate(split_endpoint(text)[1:]):
        key, equals, value = part.partition("=")
        if not equals and place == 0:
            key, value = "domain", part
        if key not in _KEYS:
            raise LentError(f'"{part}" is not domain=, index= or name=')
        values[key] = value
    if ("index" in values) == ("name" in values):
        raise LentError("say which socket is meant: name= (its FileDescriptorName=) or index= (from 0)")
    if "name" in values:
        return "name", values["name"]
    digits = values["index"]
    if not (digits.isascii() and digits.isdigit() and len(digits) < 5):
        raise LentError(f'index= takes a number from 0 on, not "{digits}"')
    return "index", digits


def handed_over(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The names of the sockets handed over; one that has none is called ``unknown``, as systemd does."""
    if environ.get("LISTEN_PID") != str(os.getpid()):
        return ()
    try:
        count = max(0, min(int(environ.get("LISTEN_FDS", "")), 1024))
    except ValueError:
        return ()
    told = environ.get("LISTEN_FDNAMES", "")
    names = told.split(":") if told else []
    return tuple(names[place] if place < len(names) else "unknown" for place in range(count))


#: Of this process.  Read at once: Twisted forgets it for everybody when its endpoints are imported.
NAMES: Final = handed_over(os.environ)


def lent_socket(text: str, names: Sequence[str] = NAMES, first: int = FIRST) -> socket.socket:
    """A copy of the socket that is meant.  Raises :class:`LentError`."""
    key, value = meant(text)
    if key == "name":
        place = names.index(value) if value in names else -1
    else:
        place = int(value)
    if not 0 <= place < len(names):
        had = f"it handed over {', '.join(names)}" if names else "a .socket unit has to start the program"
        raise LentError(f"systemd handed no such socket over; {had}")
    try:
        copy = socket.socket(fileno=os.dup(first + place))
    except OSError as exc:
        raise LentError(f"what systemd handed over is no socket ({exc.strerror})") from None
    if copy.type != socket.SOCK_STREAM or not copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        copy.close()
        raise LentError("what systemd handed over does not listen; it needs ListenStream= and Accept=no")
    return copy
