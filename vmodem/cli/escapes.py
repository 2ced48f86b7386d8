"""The escape of ``vmodem dial`` on a terminal: ``~.`` at the beginning of a line hangs up, as in cu.

What does not belong here: the terminal.
"""

from __future__ import annotations

from typing import Final

_TILDE: Final = ord("~")
_DOT: Final = ord(".")
_LINE_ENDS: Final = b"\r\n"


class Escapes:
    """Takes what was typed, in any pieces, and gives what is to be sent."""

    def __init__(self) -> None:
        self._at_start = True
        self._held = False  # a tilde that waits for what follows it
        #: ``~.`` was typed.
        self.hung_up = False

    def take(self, data: bytes) -> bytes:
        """What of the typed bytes goes to the far end; nothing after ``~.``."""
        if not self._held and b"~" not in data:
            if data:
                self._at_start = data[-1] in _LINE_ENDS
            return data
        sent = bytearray()
        for byte in data:
            if self._held:
                self._held = False
                if byte == _DOT:
                    self.hung_up = True
                    break
                sent.append(_TILDE)
                if byte != _TILDE:  # two of them are one that is meant
                    sent.append(byte)
                self._at_start = byte in _LINE_ENDS
            elif byte == _TILDE and self._at_start:
                self._held = True
            else:
                sent.append(byte)
                self._at_start = byte in _LINE_ENDS
        return bytes(sent)
