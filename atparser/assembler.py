"""Bytes of the DTE made into command lines: prefix, editing, echo, parity (V.250 clause 5.2).

Bytes outside a line pass in spans; within a line they are looked at one by one, since each may edit it.
What the line says is not known here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from .parity import Parity, detect, encode
from .profile import Profile

#: The first letter of a prefix, with or without the eighth bit.
_FIRST: Final = re.compile(rb"[Aa\xc1\xe1]")
_FIRST_OR_CLIENT: Final = re.compile(rb"[Aa\xc1\xe1C]")
_SEARCH, _LETTER, _BODY = 0, 1, 2
_DELETE: Final = 127
#: What the guest on a cable between two Windows computers says, without any terminator.
_CLIENT: Final = b"CLIENT"


@dataclass(frozen=True)
class Line:
    """A finished command line."""

    body: str
    parity: Parity
    #: It was A/: run the last line again.
    repeat: bool = False
    #: It was longer than the limit; the body is not all of it.
    overflow: bool = False
    #: It was no command line, but CLIENT; see :attr:`Assembler.cable`.
    cable: bool = False


class Assembler:
    """Collects one command line at a time."""

    def __init__(self) -> None:
        self._place = _SEARCH
        self._first = 0
        self._body = bytearray()
        self._overflow = False
        self._unanswered = 0  # bytes echoed since the last prefix or line
        self._client = 0  # bytes of CLIENT that have come
        self.parity = Parity.NONE
        #: CLIENT means something outside a command line.  It is not echoed: its sender takes an echo for
        #: another guest.
        self.cable = False

    def reset(self) -> None:
        """Forget what is half typed."""
        self._place = _SEARCH
        self._body.clear()
        self._overflow = False
        self._unanswered = self._client = 0

    @property
    def typing(self) -> bool:
        """Whether a line is half typed."""
        return self._place != _SEARCH

    def take(self, data: bytes, at: int, profile: Profile) -> tuple[int, bytes, Line | None]:
        """Take bytes of ``data`` from index ``at`` until a line is finished or there are no more.

        Returns the index of the first byte not taken, the echo, and the line if one was finished.
        """
        echo = bytearray()
        echoing = bool(profile.basic["E"])
        while at < len(data):
            if self.cable and self._place != _BODY and (self._client or data[at] == _CLIENT[0]):
                self._place = _SEARCH
                if data[at] == _CLIENT[self._client]:
                    at += 1
                    self._client += 1
                    if self._client == len(_CLIENT):
                        self._client = 0
                        return at, bytes(echo), Line("", self.parity, cable=True)
                else:  # it was something else that began like it
                    begun, self._client = _CLIENT[: self._client], 0
                    echo += self._outside(begun, echoing, profile)
                continue
            if self._place == _SEARCH:
                match = (_FIRST_OR_CLIENT if self.cable else _FIRST).search(data, at)
                end = match.end() if match else len(data)
                if match and data[end - 1] == _CLIENT[0]:
                    end, match = end - 1, None
                echo += self._outside(data[at:end], echoing, profile)
                at = end
                if match:
                    self._place, self._first = _LETTER, data[at - 1]
                continue
            byte = data[at]
            at += 1
            if self._place == _LETTER:
                line = self._second(byte, profile)
                if echoing and self._unanswered < profile.options.echo_limit:
                    echo.append(byte)
                self._unanswered = 0 if self._place == _BODY or line else self._unanswered + 1
            else:
                line = self._character(byte, profile, echo if echoing else None)
            if line is not None:
                return at, bytes(echo), line
        return at, bytes(echo), None

    def _outside(self, data: bytes, echoing: bool, profile: Profile) -> bytes:
        """The echo of bytes that are no part of a line."""
        room = max(0, profile.options.echo_limit - self._unanswered) if echoing else 0
        self._unanswered += len(data)
        return data[:room]

    def _second(self, byte: int, profile: Profile) -> Line | None:
        """The byte after the first letter of a prefix."""
        first, second = self._first & 0x7F, byte & 0x7F
        if second in b"Tt" and (second - first == 19 or profile.options.prefix_any_case):
            self.parity = detect(self._first, byte, self.parity)
            self._place = _BODY
            self._body.clear()
            self._overflow = False
        elif second == 0x2F:
            self.parity = detect(self._first, byte, self.parity)
            self._place = _SEARCH
            return Line("", self.parity, repeat=True)
        elif second in b"Aa":
            self._first = byte
        else:
            self._place = _SEARCH
        return None

    def _character(self, byte: int, profile: Profile, echo: bytearray | None) -> Line | None:
        """A byte of the line's body."""
        character = byte & 0x7F
        s3, s5 = profile.registers[3], profile.registers[5]
        if character == (s3 if s3 < 128 else 13):
            if echo is not None:
                echo.append(byte)
            line = Line(self._body.decode("ascii"), self.parity, overflow=self._overflow)
            self.reset()
            return line
        edits = s5 <= 32 or s5 == _DELETE
        if (edits and character == s5) or (character == _DELETE and profile.options.delete_key):
            if self._body and not self._overflow:
                self._body.pop()
                if echo is not None:
                    back = s5 if edits else 8
                    echo += encode(bytes((back, 32, back)), self.parity)
            return None
        if self._overflow:
            return None
        if character < 0x20 or character == _DELETE:
            pass  # control characters, S4 among them, are no part of a line
        elif len(self._body) < profile.options.line_limit:
            self._body.append(character)
        else:
            self._overflow = True
        if echo is not None:
            echo.append(byte)
        return None
