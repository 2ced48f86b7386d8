"""Opening a serial device, and again when it was lost: its lock, words for failures, and pauses between
attempts.

What does not belong here: what is done with an open device.
"""

from __future__ import annotations

import errno
import os
import termios
from collections.abc import Callable, Sequence
from typing import Any, Final

from vmodem.net.sparing import Sparing
from vmodem.net.timer import Timer
from vmodem.tty.device import explain
from vmodem.tty.equipment import Character, Equipment
from vmodem.tty.error import TtyError
from vmodem.tty.uucplock import LockedError, UucpLock

#: Waits between attempts to open a missing device, in seconds; the last one repeats.
RETRY_S: Final = (0.25, 0.5, 1.0)
#: What a device that is gone, or cannot be set so, raises.
GONE: Final = (OSError, ValueError, termios.error)


class Refused(Exception):
    """A device cannot be opened.  ``reason`` says why, in words; ``final`` whether waiting cannot mend it."""

    def __init__(self, reason: str, final: bool) -> None:
        super().__init__(reason)
        self.reason, self.final = reason, final


class Opening:
    """Opens ``equipment``, with its ``lock`` if there is one.  ``pauses`` are for what takes harm from being
    opened too often (:mod:`vmodem.net.sparing`)."""

    def __init__(
        self, reactor: Any, equipment: Equipment, lock: UucpLock | None, pauses: Sequence[float]
    ) -> None:
        self._equipment = equipment
        self._lock = lock
        self._sparing = Sparing(reactor.seconds, pauses)
        self._attempt = 0
        self._timer = Timer(reactor)

    def open(self, character: Character, prepare: Callable[[], None]) -> None:
        """Open the device, set so, and ``prepare`` it.  Raises :class:`Refused`, and then the caller closes
        the device."""
        try:
            if self._lock is not None and os.path.exists(self._equipment.device):
                self._lock.take()
            self._sparing.begun()
            self._equipment.open_device(character)
            prepare()
        except (TtyError, LockedError, *GONE) as exc:
            if getattr(exc, "errno", None) != errno.ENOENT:  # else there was nothing to open
                self._sparing.ended()
            raise Refused(*self._words(exc)) from exc
        self._attempt = 0

    def closed(self) -> None:
        """The device has been closed."""
        if self._lock is not None:
            self._lock.release()

    def lost(self) -> None:
        """The device has been closed because it was gone."""
        self._sparing.ended()
        self._attempt = 0

    def again(self, attempt: Callable[[], None]) -> None:
        """Call ``attempt`` when the time is right."""
        pause = RETRY_S[min(self._attempt, len(RETRY_S) - 1)]
        self._timer.set(max(pause, self._sparing.left), attempt)
        self._attempt += 1

    def give_up(self) -> None:
        """Try no more."""
        self._timer.cancel()

    def _words(self, exc: BaseException) -> tuple[str, bool]:
        if isinstance(exc, LockedError):
            return str(exc), False
        if isinstance(exc, TtyError):
            return str(exc).rstrip("."), True
        if "RS485" in str(exc):
            return f"{self._equipment.device} has no RS-485 mode; leave out rs485", True
        return explain(self._equipment.device, exc)
