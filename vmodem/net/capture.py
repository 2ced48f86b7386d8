r"""A file that every byte of a line is written to, with its direction and time.

One line for each chunk: the moment in UTC, ``<`` for what the device sent or ``>`` for what it was sent, and
the bytes, with ``\r``, ``\n``, ``\t``, ``\\`` and ``\xHH`` for what is not visible ASCII.

What does not belong here: which bytes those are.
"""

from __future__ import annotations

import os
import time
from typing import Final

from twisted.logger import Logger

#: One line in the log for what could not be written in so many seconds.
LOG_S: Final = 60.0


class Capture:
    """Writes to ``path``, behind what is there.  Raises OSError when it cannot be opened; what cannot be
    written later is dropped, and the log says how much."""

    _log = Logger()

    def __init__(self, path: str) -> None:
        self.path = path
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._dropped = 0
        self._told_at = float("-inf")

    def received(self, data: bytes) -> None:
        """The device sent this."""
        self._write("<", data)

    def sent(self, data: bytes) -> None:
        """The device was sent this."""
        self._write(">", data)

    def close(self) -> None:
        """Write no more."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _write(self, way: str, data: bytes) -> None:
        if self._fd < 0:
            return
        now = time.time()
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1e6):06}Z"
        shown = data.decode("latin-1").encode("unicode_escape")
        line = f"{moment} {way} ".encode() + shown + b"\n"
        try:
            whole = os.write(self._fd, line) == len(line)
        except OSError:
            whole = False
        if whole:
            return
        self._dropped += len(data)
        if now - self._told_at >= LOG_S:
            self._told_at = now
            self._log.warn(
                "{path}: cannot be written; {count} bytes dropped", path=self.path, count=self._dropped
            )
