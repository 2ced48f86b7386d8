"""Breaks on a serial port: those that come, by the kernel's count, and those that are sent.

A break that comes stands in no byte; the port ignores its zeros, and the count shows it to whoever looks
regularly.  So its place among the bytes is right to a poll, and bytes cost nothing.
"""

from __future__ import annotations

import fcntl
import struct
import termios
from collections.abc import Callable
from typing import Any, Final

from vmodem.tty.poller import shared_poller

#: How often an emptying transmitter is looked at, in seconds.
SENT_POLL_S: Final = 0.005
#: No break is longer, in seconds.
BREAK_LIMIT_S: Final = 1.0

#: struct serial_icounter_struct of the kernel; the tenth number counts breaks.
_COUNTERS: Final = struct.Struct("20i")
_TIOCGICOUNT: Final = 0x545D
_BREAKS: Final = 9
_TIOCSBRK: Final = getattr(termios, "TIOCSBRK", 0x5427)
_TIOCCBRK: Final = getattr(termios, "TIOCCBRK", 0x5428)


def count_breaks(fd: int) -> int | None:
    """Breaks that a port has received so far; None where it does not count them."""
    try:
        counted = fcntl.ioctl(fd, _TIOCGICOUNT, bytes(_COUNTERS.size))
    except OSError:
        return None
    breaks: int = _COUNTERS.unpack(counted)[_BREAKS]
    return breaks


def set_break(fd: int, on: bool) -> None:
    """Begin or end a break; no effect on a port that cannot or is gone."""
    try:
        fcntl.ioctl(fd, _TIOCSBRK if on else _TIOCCBRK)
    except OSError:
        pass


def all_sent(fd: int) -> bool:
    """Whether the transmitter of a port is empty."""
    try:
        return not any(fcntl.ioctl(fd, termios.TIOCOUTQ, bytes(4)))
    except (OSError, ValueError):
        return True  # it cannot tell, or is gone


class BreakWatch:
    """Breaks that come, on the port that ``fd`` is open on."""

    def __init__(self, fd: int, count: Callable[[int], int | None] = count_breaks) -> None:
        self._fd = fd
        self._count = count
        self._seen = count(fd)

    @property
    def counted(self) -> bool:
        """Whether the port counts at all."""
        return self._seen is not None

    def came(self) -> bool:
        """Whether a break has come since the last time."""
        if self._seen is None:
            return False
        before, self._seen = self._seen, self._count(self._fd)
        return self._seen is not None and self._seen != before


class BreakSender:
    """Sends breaks on a port, one at a time, behind what was written before.

    ``sent`` says whether all that has left; ``hold`` is told to keep what is written from now on (True), and
    to let it go.
    """

    def __init__(self, reactor: Any, fd: int, sent: Callable[[], bool], hold: Callable[[bool], None]) -> None:
        self._reactor = reactor
        self._fd = fd
        self._sent = sent
        self._hold = hold
        self._seconds = 0.0
        self._timer: Any = None
        self.active = False

    def begin(self, seconds: float) -> None:
        """Send one; while another is under way this one is part of it."""
        if self.active or seconds <= 0:
            return
        self.active = True
        self._seconds = min(seconds, BREAK_LIMIT_S)
        self._hold(True)
        shared_poller(self._reactor, SENT_POLL_S).add(self._look)
        self._look()

    def stop(self) -> None:
        """End one that is under way; nothing is held or let go any more."""
        shared_poller(self._reactor, SENT_POLL_S).remove(self._look)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            set_break(self._fd, False)
        self.active = False

    def _look(self) -> None:
        if self._sent():
            shared_poller(self._reactor, SENT_POLL_S).remove(self._look)
            set_break(self._fd, True)
            self._timer = self._reactor.callLater(self._seconds, self._over)

    def _over(self) -> None:
        self._timer = None
        set_break(self._fd, False)
        self.active = False
        self._hold(False)
