"""What a serial port is asked to do and asked about beyond its bytes: circuits, breaks, queues, counts.

Every call is one system call on an open descriptor and none waits.  What a device does not have is answered
by None or passed over; :class:`OSError` means that it is gone.
"""

from __future__ import annotations

import errno
import fcntl
import struct
import termios
from dataclasses import dataclass
from typing import Final

from vmodem.tty.circuits import DTR, RTS

_NOT_THERE: Final = frozenset((errno.ENOTTY, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP))
_WORD: Final = struct.Struct("i")
_ZERO: Final = bytes(_WORD.size)
_TIOCMSET: Final = getattr(termios, "TIOCMSET", 0x5418)
_TIOCGICOUNT: Final = 0x545D
_TIOCSERGETLSR: Final = 0x5459
_TIOCGSERIAL: Final = getattr(termios, "TIOCGSERIAL", 0x541E)
_TIOCSSERIAL: Final = getattr(termios, "TIOCSSERIAL", 0x541F)
_TIOCSBRK: Final = getattr(termios, "TIOCSBRK", 0x5427)
_TIOCCBRK: Final = getattr(termios, "TIOCCBRK", 0x5428)
_TIOCSER_TEMT: Final = 1
_LOW_LATENCY: Final = 1 << 13
#: struct serial_icounter_struct and struct serial_struct of the kernel; the latter's fifth word is its flags.
_COUNTERS: Final = struct.Struct("20i")
_NO_COUNTS: Final = bytes(_COUNTERS.size)
_SERIAL_SIZE: Final = 128


@dataclass(frozen=True)
class Counts:
    """What a port has counted since it was made: edges of its inputs, and what went wrong."""

    cts: int = 0
    dsr: int = 0
    ri: int = 0
    cd: int = 0
    framing: int = 0
    overrun: int = 0
    parity: int = 0
    breaks: int = 0


class Uart:
    """The port that ``fd`` is open on.  Tests can put something else in the place of this."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._counted: bytes | None = None  # as the kernel tells it
        self._counts: Counts | None = None

    def lines(self) -> int | None:
        """All circuits as a sum of the constants in :mod:`vmodem.tty.circuits`; None where there are none."""
        word = self._ask(termios.TIOCMGET, _ZERO)
        return None if word is None else int(_WORD.unpack(word)[0])

    def drive(self, on: int, off: int) -> None:
        """Turn DTR and RTS on or off, both at the same moment."""
        if on and off:
            before = self.lines()
            if before is not None:
                self._ask(_TIOCMSET, _WORD.pack(before & ~off | on))
        elif on:
            self._ask(termios.TIOCMBIS, _WORD.pack(on & (DTR | RTS)))
        elif off:
            self._ask(termios.TIOCMBIC, _WORD.pack(off & (DTR | RTS)))

    def counts(self) -> Counts | None:
        """None where the port does not count; the same object as long as nothing happens."""
        counted = self._ask(_TIOCGICOUNT, _NO_COUNTS)
        if counted is not None and counted != self._counted:
            cts, dsr, ri, cd, _, _, framing, overrun, parity, breaks, lost = _COUNTERS.unpack(counted)[:11]
            self._counted = counted
            self._counts = Counts(cts, dsr, ri, cd, framing, overrun + lost, parity, breaks)
        return self._counts

    def set_break(self, on: bool) -> None:
        """Begin or end a break.  Never raises: failing to end one must not end anything else."""
        try:
            fcntl.ioctl(self._fd, _TIOCSBRK if on else _TIOCCBRK)
        except OSError:
            pass

    def queued(self) -> int:
        """Bytes that the kernel has not given to the transmitter."""
        word = self._ask(termios.TIOCOUTQ, _ZERO)
        return 0 if word is None else int(_WORD.unpack(word)[0])

    def transmitter_empty(self) -> bool | None:
        """Whether the last bit has left; None where the port cannot tell."""
        word = self._ask(_TIOCSERGETLSR, _ZERO)
        return None if word is None else bool(_WORD.unpack(word)[0] & _TIOCSER_TEMT)

    def flush(self, received: bool, sent: bool) -> None:
        """Throw away what waits in the kernel."""
        if received:
            self._terminal(termios.tcflush, termios.TCIFLUSH)
        if sent:
            self._terminal(termios.tcflush, termios.TCOFLUSH)

    def stop_output(self, on: bool) -> None:
        """Stop the transmitter, or start it again, whatever had stopped it."""
        # Output stopped by a received XOFF is only started again by way of a stop of our own.
        self._terminal(termios.tcflow, termios.TCOOFF)
        if not on:
            self._terminal(termios.tcflow, termios.TCOON)

    def low_latency(self) -> bool:
        """Have received bytes handed over at once; whether the driver knows how."""
        try:
            told = bytearray(fcntl.ioctl(self._fd, _TIOCGSERIAL, bytes(_SERIAL_SIZE)))
            flags = _WORD.unpack_from(told, 16)[0]
            _WORD.pack_into(told, 16, flags | _LOW_LATENCY)
            fcntl.ioctl(self._fd, _TIOCSSERIAL, bytes(told))
        except OSError:
            return False
        return True

    def _ask(self, request: int, argument: bytes) -> bytes | None:
        try:
            return fcntl.ioctl(self._fd, request, argument)
        except OSError as exc:
            if exc.errno in _NOT_THERE:
                return None
            raise

    def _terminal(self, call: object, action: int) -> None:
        try:
            call(self._fd, action)  # type: ignore[operator]
        except termios.error as exc:
            if exc.args[0] not in _NOT_THERE:
                raise OSError(*exc.args) from exc
