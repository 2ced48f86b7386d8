"""Opening a serial device, and saying in words why that failed."""

from __future__ import annotations

import errno
import termios
from typing import Final

import serial

_BUSY: Final = frozenset((errno.EBUSY, errno.EAGAIN))
_MISSING: Final = frozenset((errno.ENOENT, errno.ENXIO, errno.ENODEV, errno.EIO, errno.ENOTDIR))
_DENIED: Final = frozenset((errno.EACCES, errno.EPERM))


class Port(serial.Serial):
    """A serial port that is opened without throwing away what has arrived in the meantime."""

    def _reset_input_buffer(self) -> None:
        pass


def explain(device: str, exc: BaseException) -> tuple[str, bool]:
    """Why ``device`` could not be opened, and whether that is for good (waiting cannot mend it)."""
    number = _number(exc)
    if number in _BUSY:
        return f"{device} is in use by another program", False
    if number in _MISSING:
        return f"{device} is not there", False
    if number in _DENIED:
        remedy = "join the group dialout (or uucp) that owns it, or start as root"
        return f"{device} may not be opened by this user; {remedy}", True
    if isinstance(exc, ValueError):
        return f"{device} cannot be set so ({exc}); another speed was expected", True
    if number == errno.EINVAL:
        return f"{device} refuses these settings; other bits, parity or speed were expected", True
    return f"{device} is no serial port; the path of one was expected ({exc})", True


def _number(exc: BaseException) -> int | None:
    """The error number, which pyserial sometimes leaves in the exception it replaced."""
    if isinstance(exc, OSError) and exc.errno is not None:
        return exc.errno
    if isinstance(exc, termios.error):
        return int(exc.args[0])
    return None if exc.__context__ is None else _number(exc.__context__)
