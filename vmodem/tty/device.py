"""Serial devices: why one cannot be opened, in words, and whether one is gone."""

from __future__ import annotations

import errno
import select
import termios
from typing import Final

_BUSY: Final = frozenset((errno.EBUSY, errno.EAGAIN))
_MISSING: Final = frozenset((errno.ENOENT, errno.ENXIO, errno.ENODEV, errno.EIO, errno.ENOTDIR))
_DENIED: Final = frozenset((errno.EACCES, errno.EPERM))


def hung_up(fd: int) -> bool:
    """Whether a port that is not read at present is gone."""
    poll = select.poll()
    poll.register(fd, 0)
    return bool(poll.poll(0))


def explain(device: str, exc: BaseException) -> tuple[str, bool]:
    """Why ``device`` could not be opened, and whether that is for good (waiting cannot mend it)."""
    number = error_number(exc)
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


def error_number(exc: BaseException) -> int | None:
    """The system's number of an error, which pyserial sometimes leaves in the exception it replaced."""
    if isinstance(exc, OSError) and exc.errno is not None:
        return exc.errno
    if isinstance(exc, termios.error):
        return int(exc.args[0])
    return None if exc.__context__ is None else error_number(exc.__context__)
