"""Reading what a tty is set to."""

from __future__ import annotations

import fcntl
import termios
from dataclasses import dataclass
from typing import Final

_RATES: Final = {
    getattr(termios, name): int(name[1:]) for name in dir(termios) if name[0] == "B" and name[1:].isdigit()
}
_TCGETS2: Final = 0x802C542A
_CMSPAR: Final = getattr(termios, "CMSPAR", 0o10000000000)


@dataclass(frozen=True)
class TtySettings:
    """A tty's speed in bit/s, its stop bits, and whether RTS/CTS flow control is wanted.

    Data bits and parity are left out: on a pseudo-terminal the kernel makes them 8 and none, always.
    """

    rate: int
    stop_bits: int
    rtscts: bool


def rate_of(fd: int) -> int:
    """The speed a tty is set to, in bit/s; 0 for B0.  Raises ``termios.error`` for what is no tty."""
    speed: int = termios.tcgetattr(fd)[5]
    if speed in _RATES:
        return _RATES[speed]
    try:  # a speed without a name (Linux): the last word of struct termios2
        return int.from_bytes(fcntl.ioctl(fd, _TCGETS2, bytes(44))[40:44], "little")
    except OSError:
        return speed


def settings_of(fd: int) -> TtySettings:
    """All that is kept of a tty's settings.  Raises ``termios.error`` for what is no tty."""
    cflag = termios.tcgetattr(fd)[2]
    return TtySettings(rate_of(fd), 2 if cflag & termios.CSTOPB else 1, bool(cflag & termios.CRTSCTS))


@dataclass(frozen=True)
class Wanted:
    """What an application wants of its port, as far as a pseudo-terminal keeps it.

    Even parity leaves no trace, and odd parity one that 7 and 8 data bits share.
    """

    #: 0 for B0.
    rate: int
    stop_bits: int
    #: N, O, M or S.
    parity: str
    rtscts: bool
    xonxoff: bool


def wanted_of(fd: int) -> Wanted:
    """All that can be seen of a tty's settings.  Raises ``termios.error`` for what is no tty."""
    iflag, _, cflag = termios.tcgetattr(fd)[:3]
    odd, sticky = bool(cflag & termios.PARODD), bool(cflag & _CMSPAR)
    return Wanted(
        rate_of(fd),
        2 if cflag & termios.CSTOPB else 1,
        ("M" if odd else "S") if sticky else "O" if odd else "N",
        bool(cflag & termios.CRTSCTS),
        bool(iflag & (termios.IXON | termios.IXOFF)),
    )
