"""Errors and breaks in their place among received bytes, as the kernel marks them (termios PARMRK).

``FF 00 x`` is a damaged character x, ``FF 00 00`` a break, ``FF FF`` a sound character 255.  A mark may be
cut anywhere between two chunks.
"""

from __future__ import annotations

import enum
from typing import Final

_ESCAPE: Final = b"\xff"


class Mark(enum.Enum):
    """What the kernel says of this place; a damaged character is the byte that comes next."""

    BREAK = "break"
    DAMAGED = "damaged"


class MarkReader:
    """Takes marks out of what is received."""

    def __init__(self) -> None:
        self._cut = b""

    def receive(self, data: bytes) -> list[bytes | Mark]:
        """Sound bytes and marks, in order; no bytes object is empty."""
        if not self._cut and _ESCAPE not in data:
            return [data]
        data, self._cut = self._cut + data, b""
        found: list[bytes | Mark] = []
        sound = bytearray()
        at = 0
        while at < len(data):
            place = data.find(_ESCAPE, at)
            if place < 0:
                sound += data[at:]
                break
            sound += data[at:place]
            second = data[place + 1 : place + 2]
            if second == b"\0":
                third = data[place + 2 : place + 3]
                if third:
                    if sound:
                        found.append(bytes(sound))
                        sound.clear()
                    if third == b"\0":
                        found.append(Mark.BREAK)
                    else:
                        found.append(Mark.DAMAGED)
                        sound += third
                    at = place + 3
                    continue
            elif second:
                # A lone 255 came in before marking began.
                sound += _ESCAPE
                at = place + (2 if second == _ESCAPE else 1)
                continue
            self._cut = data[place:]
            break
        if sound:
            found.append(bytes(sound))
        return found
