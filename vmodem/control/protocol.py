"""The words between a running vmodem and whoever operates it: JSON, one value a line, over a Unix socket.

A request is ``{"do": WORD}`` with what the word takes beside it; requests are answered in order.

    ============  =====================================  ===========================================
    word          takes                                  result
    ============  =====================================  ===========================================
    ``status``                                           table: name -> table (what, state, line ...)
    ``calls``     ``limit``: how many, the latest first  list of call records
    ``hangup``    ``name``                               null
    ``busy``      ``name``, ``on``: true or false        null
    ``pulse``     ``name``, ``pulse``: which one         null
    ``reload``                                           list of texts: what changed
    ``trace``     ``name``                               null, then lines for as long as the client stays
    ============  =====================================  ===========================================

An answer is ``{"ok": true, "result": ...}`` or ``{"ok": false, "error": TEXT}``; a line of a trace is
``{"trace": TEXT}``.  After a trace has begun no more requests are read.

What does not belong here: sockets, and what the words do.  Standard library only, for a client that starts
at once.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

#: Name of the socket in the state folder.
SOCKET: Final = "control"
#: Longest request, in bytes, with its line feed.
REQUEST_LIMIT: Final = 4096
#: Longest answer that a client reads, in bytes.
ANSWER_LIMIT: Final = 1 << 24
#: Call records that are given at most.
CALLS_LIMIT: Final = 1000
#: Paths of more bytes than this do not fit into a socket's address (sun_path is 108 bytes with its NUL).
PATH_LIMIT: Final = 107


class RequestError(ValueError):
    """Not a request; the text is one sentence."""


@dataclass(frozen=True)
class Request:
    """What is asked for."""

    do: str
    name: str = ""
    on: bool = False
    pulse: str = ""
    limit: int = CALLS_LIMIT


#: What each word takes beside itself.
WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "status": (),
    "calls": ("limit",),
    "hangup": ("name",),
    "busy": ("name", "on"),
    "pulse": ("name", "pulse"),
    "reload": (),
    "trace": ("name",),
}


def encode(value: Any) -> bytes:
    """One line.  What JSON has no words for is sent as text."""
    return json.dumps(value, default=str).encode("ascii") + b"\n"


def parse_request(line: bytes) -> Request:
    """Read a request.  Raises :class:`RequestError` for anything else."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        raise RequestError('not JSON; a line like {"do": "status"} was expected') from None
    if not isinstance(value, dict):
        raise RequestError('a table like {"do": "status"} was expected')
    do = value.get("do")
    if not isinstance(do, str) or do not in WORDS:
        raise RequestError(f"unknown word; known are {', '.join(WORDS)}")
    takes = WORDS[do]
    extra = set(value) - {"do", *takes}
    if extra:
        raise RequestError(f"{do} takes {', '.join(takes) or 'nothing'}")
    on, limit = value.get("on", False), value.get("limit", CALLS_LIMIT)
    texts = {key: value.get(key, "") for key in ("name", "pulse")}
    for key, text in texts.items():
        if key in takes and not (isinstance(text, str) and text):
            raise RequestError(f"{do}: {key} takes a text")
    if "on" in takes and not ("on" in value and isinstance(on, bool)):
        raise RequestError(f"{do}: on takes true or false")
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= CALLS_LIMIT:
        raise RequestError(f"{do}: limit takes a number from 1 to {CALLS_LIMIT}")
    return Request(do, texts["name"], on, texts["pulse"], limit)


class Address:
    """The socket's address for ``bind`` and ``connect``: its path, or a short way to the same place where the
    path is too long for one.  ``close`` it after use."""

    def __init__(self, folder: str) -> None:
        """Raises OSError when the folder of a long path is not there."""
        self.path = os.path.join(folder, SOCKET)
        self._folder = -1
        if len(os.fsencode(self.path)) > PATH_LIMIT:
            self._folder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            self.path = f"/proc/self/fd/{self._folder}/{SOCKET}"

    def close(self) -> None:
        """Let go of the short way."""
        folder, self._folder = self._folder, -1
        if folder >= 0:
            os.close(folder)
