"""The modem control lines of a serial port, as the computer it is in sees them.

A computer's port is wired as a DTE.  It drives two lines (DTR and RTS) and sees four (CTS, DSR, CD, RI).
"""

from __future__ import annotations

import errno
import fcntl
import struct
import termios
from typing import Final

DTR: Final = 0x002
RTS: Final = 0x004
CTS: Final = 0x020
CD: Final = 0x040
RI: Final = 0x080
DSR: Final = 0x100

_NO_LINES: Final = frozenset((errno.ENOTTY, errno.EINVAL, errno.ENOSYS))
_WORD: Final = struct.Struct("i")
_ZERO: Final = bytes(_WORD.size)


class ModemLines:
    """The lines of the port that ``fd`` is open on.  Tests can put something else in the place of this."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def read(self) -> int | None:
        """The state of all lines as a sum of the constants above; None where the device has no such lines.

        Raises :class:`OSError` for a device that is gone.
        """
        try:
            state: int = _WORD.unpack(fcntl.ioctl(self._fd, termios.TIOCMGET, _ZERO))[0]
            return state
        except OSError as exc:
            if exc.errno in _NO_LINES:
                return None
            raise

    def drive(self, line: int, on: bool) -> None:
        """Set DTR or RTS; no effect on a device without.  Raises :class:`OSError` if the device is gone."""
        try:
            fcntl.ioctl(self._fd, termios.TIOCMBIS if on else termios.TIOCMBIC, _WORD.pack(line))
        except OSError as exc:
            if exc.errno not in _NO_LINES:
                raise
