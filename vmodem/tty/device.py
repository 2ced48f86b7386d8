"""Opening a serial device, and saying in words why that failed."""

from __future__ import annotations

import errno
import select
import termios
from typing import Final

import serial

_BUSY: Final = frozenset((errno.EBUSY, errno.EAGAIN))
_MISSING: Final = frozenset((errno.ENOENT, errno.ENXIO, errno.ENODEV, errno.EIO, errno.ENOTDIR))
_DENIED: Final = frozenset((errno.EACCES, errno.EPERM))


class Port(serial.Serial):
    """A serial port that is opened without throwing away what has arrived in the meantime."""

    #: Whether the kernel obeys XOFF, whether it sends it, XON and XOFF; None leaves that to ``xonxoff``.
    _characters: tuple[bool, bool, int, int] | None = None
    _ignores_breaks = False

    def _reset_input_buffer(self) -> None:
        pass

    def set_flow(self, by_circuits: bool, obeyed: bool, sent: bool, xon: int, xoff: int) -> None:
        """Have the kernel hold up and be held up so, also once the port is opened again."""
        self._characters = (obeyed, sent, xon, xoff)
        try:
            self.rtscts = by_circuits
        except (OSError, ValueError, termios.error):
            pass  # the port is gone, which its reader will find

    def ignore_breaks(self) -> None:
        """Do not take a break for a zero any more."""
        self._ignores_breaks = True
        self._reconfigure_port()

    def _reconfigure_port(self, force_update: bool = False) -> None:
        super()._reconfigure_port(force_update)  # type: ignore[misc]
        if self._characters is None and not self._ignores_breaks:
            return
        fd = self.fd  # fileno() has none yet while the port is being opened
        assert fd is not None
        before = termios.tcgetattr(fd)
        settings = [*before[:6], list(before[6])]
        if self._ignores_breaks:
            settings[0] |= termios.IGNBRK
        if self._characters is not None:
            obeyed, sent, xon, xoff = self._characters
            settings[0] &= ~(termios.IXON | termios.IXOFF | termios.IXANY)
            settings[0] |= (termios.IXON if obeyed else 0) | (termios.IXOFF if sent else 0)
            settings[6][termios.VSTART], settings[6][termios.VSTOP] = bytes((xon,)), bytes((xoff,))
        if settings != before:
            termios.tcsetattr(fd, termios.TCSANOW, settings)

    def change_rate(self, rate: int) -> str | None:
        """Set the speed of the open port; returns why it refuses, and then the speed is as it was.

        Of a port that is gone its reader will hear.
        """
        before = self.baudrate
        try:
            self.baudrate = rate
            if self.xonxoff or (
                self._characters is not None and self._characters[0]
            ):  # what was misheard as XOFF must not hold anything up
                termios.tcflow(self.fileno(), termios.TCOON)
            return None
        except (OSError, ValueError, termios.error) as exc:
            try:
                self.baudrate = before
            except (OSError, ValueError, termios.error):
                pass
            return str(exc) if isinstance(exc, ValueError) or _number(exc) == errno.EINVAL else None


def hung_up(fd: int) -> bool:
    """Whether a port that is not read at present is gone."""
    poll = select.poll()
    poll.register(fd, 0)
    return bool(poll.poll(0))


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
