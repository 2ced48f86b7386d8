"""The line grammar of the Network UPS Tools protocol, both ways (RFC 9271 clause 4; protocol version 1.3).

Requests are lines of words; a word may stand in quotes, and a backslash takes the next character as it is.
Lines end in LF, a CR before it is white space.  Replies end in a bare LF: clients in use fail on anything
else.

Where the original server would leave a client without a reply for ever (a quote that is never closed, a line
without end) the line ends at its LF here and is an error, so that something can be answered.

What does not belong here: what requests mean, and sockets.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

PROTOCOL_VERSION: Final = "1.3"
#: Longest line of a request, in bytes without its LF.
LINE_LIMIT: Final = 4096
#: Words in a line, and characters in a word.
WORDS_LIMIT: Final = 32
WORD_LIMIT: Final = 512
#: Clients' buffers: longest line of a reply with its LF, in bytes, and longest list.
REPLY_LIMIT: Final = 512
LIST_LIMIT: Final = 65536

_BLANKS: Final = frozenset(b" \t\v\f\r")
_ESCAPED: Final = re.compile(r'["\\#]')


class Words(tuple[str, ...]):
    """The words of one line.  ``altered`` says that bytes were dropped that the protocol has no place for."""

    altered: bool = False


class BadLine(Exception):
    """A line that cannot be understood; the text says why."""


class LineReader:
    """Cuts what arrives into lines.

    ``next()`` gives one at a time, so that whoever answers decides how much work is done at once; bytes that
    were fed wait meanwhile.  No more than :data:`LINE_LIMIT` bytes of an unfinished line are ever kept.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._looked = 0  # so much of the buffer holds no end of a line
        self._too_long = False

    def feed(self, data: bytes) -> None:
        """Bytes arrived."""
        self._buffer += data

    @property
    def waiting(self) -> int:
        """Bytes that were fed and not yet given out."""
        return len(self._buffer)

    def next(self) -> bytes | None:
        """The next whole line without its LF, or None when there is none yet.

        Raises :class:`BadLine`, at its end, for a line longer than :data:`LINE_LIMIT`.
        """
        while True:
            end = self._buffer.find(b"\n", self._looked)
            if end < 0:
                self._looked = len(self._buffer)
                if self._looked > LINE_LIMIT:
                    self._too_long = True
                    # A backslash may be the last byte: whether it joins the next line is known with that.
                    self._buffer = self._buffer[-1:]
                    self._looked = len(self._buffer)
                return None
            if _joins(self._buffer, end):
                # A backslash before LF: both vanish, and the line goes on.
                del self._buffer[end - 1 : end + 1]
                self._looked = end - 1
                continue
            line = bytes(self._buffer[:end])
            del self._buffer[: end + 1]
            self._looked = 0
            too_long, self._too_long = self._too_long or end > LINE_LIMIT, False
            if too_long:
                raise BadLine(f"a line longer than {LINE_LIMIT} bytes")
            return line


def _joins(buffer: bytearray, end: int) -> bool:
    """Whether the LF at ``end`` has an odd number of backslashes before it."""
    start = end
    while start > 0 and buffer[start - 1] == 0x5C:
        start -= 1
    return (end - start) % 2 == 1


def split(line: bytes) -> Words:
    """The words of a line.

    Bytes other than printable ASCII within words are dropped, and ``altered`` says so.  Raises
    :class:`BadLine` for a quote that is not closed, a ``#`` in quotes that is not escaped, and for more or
    longer words than there may be.
    """
    words: list[str] = []
    word = bytearray()
    begun = quoted = altered = False
    at, size = 0, len(line)

    def end() -> None:
        nonlocal begun
        if begun:
            if len(word) > WORD_LIMIT:
                raise BadLine(f"a word longer than {WORD_LIMIT} characters")
            if len(words) == WORDS_LIMIT:
                raise BadLine(f"more than {WORDS_LIMIT} words")
            words.append(word.decode("ascii"))
            word.clear()
            begun = False

    while at < size:
        byte = line[at]
        at += 1
        if byte == 0x5C and at < size:  # backslash
            byte, literal = line[at], True
            at += 1
        else:
            literal = False
        if literal or (quoted and byte not in b'"#') or not (quoted or byte in _BLANKS or byte in b'"#='):
            begun = True
            if 0x20 <= byte < 0x7F:
                word.append(byte)
            else:
                altered = True
        elif quoted:
            if byte == 0x23:
                raise BadLine("a # within quotes")
            quoted = False  # the closing quote
            end()
        elif byte == 0x22:
            if begun:
                word.append(byte)  # within a word it stands for itself
            else:
                begun = quoted = True
        elif byte == 0x23:
            break  # a comment
        else:
            end()
            if byte == 0x3D:
                begun = True
                word.append(byte)
                end()
    if quoted:
        raise BadLine("a quote that is not closed")
    end()
    result = Words(words)
    result.altered = altered
    return result


def quote(text: str) -> str:
    """``text`` in quotes, with what needs it escaped."""
    return '"' + _ESCAPED.sub(r"\\\g<0>", text) + '"'


def reply(*words: str) -> str:
    """One line of a reply."""
    return " ".join(words) + "\n"


def error(word: str) -> str:
    """``ERR`` and one of the words below."""
    return f"ERR {word}\n"


def listing(query: str, rows: Iterable[str]) -> str:
    """A list: ``query`` are the words of the request behind LIST, rows come without their ends."""
    body = "".join(f"{row}\n" for row in rows)
    return f"BEGIN LIST {query}\n{body}END LIST {query}\n"


ACCESS_DENIED: Final = "ACCESS-DENIED"
UNKNOWN_UPS: Final = "UNKNOWN-UPS"
VAR_NOT_SUPPORTED: Final = "VAR-NOT-SUPPORTED"
CMD_NOT_SUPPORTED: Final = "CMD-NOT-SUPPORTED"
INVALID_ARGUMENT: Final = "INVALID-ARGUMENT"
INSTCMD_FAILED: Final = "INSTCMD-FAILED"
SET_FAILED: Final = "SET-FAILED"
READONLY: Final = "READONLY"
TOO_LONG: Final = "TOO-LONG"
FEATURE_NOT_CONFIGURED: Final = "FEATURE-NOT-CONFIGURED"
ALREADY_SSL_MODE: Final = "ALREADY-SSL-MODE"
DRIVER_NOT_CONNECTED: Final = "DRIVER-NOT-CONNECTED"
DATA_STALE: Final = "DATA-STALE"
ALREADY_LOGGED_IN: Final = "ALREADY-LOGGED-IN"
ALREADY_SET_PASSWORD: Final = "ALREADY-SET-PASSWORD"
ALREADY_SET_USERNAME: Final = "ALREADY-SET-USERNAME"
USERNAME_REQUIRED: Final = "USERNAME-REQUIRED"
PASSWORD_REQUIRED: Final = "PASSWORD-REQUIRED"
UNKNOWN_COMMAND: Final = "UNKNOWN-COMMAND"
INVALID_VALUE: Final = "INVALID-VALUE"
UNKNOWN: Final = "UNKNOWN"
FAILED: Final = "FAILED"
