"""A port that follows its DTE's speed: what :mod:`vmodem.line.autobaud` finds is set, when the time is right.

A rate is changed only when everything written has left: result codes go out at the rate the command came in.
What the modem says while another rate is being tried goes out at the good one, which is set first.
"""

from __future__ import annotations

import fcntl
import struct
import termios
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from twisted.logger import Logger

from vmodem.line.autobaud import Autobaud
from vmodem.line.misheard import EIGHT, Frame
from vmodem.net.timer import Timer

if TYPE_CHECKING:
    from vmodem.port.serial import SerialPort

#: How often a transmitter that is not empty is looked at, in seconds.
SENT_POLL_S: Final = 0.005
#: What a transmitter may hold that the driver does not count, in characters, and how long one is, in bits.
FIFO: Final = 17
CHARACTER_BITS: Final = 10

_TIOCGICOUNT: Final = 0x545D
#: Linux's struct serial_icounter_struct, and the places of two of its numbers.
_COUNTERS: Final = struct.Struct("20i")
_FRAMING, _BREAKS = 6, 9


def framing_errors(fd: int) -> int | None:
    """How many framing errors and breaks a port has seen; None where the driver does not count."""
    try:
        counted = fcntl.ioctl(fd, _TIOCGICOUNT, bytes(_COUNTERS.size))
    except OSError:
        return None
    numbers: tuple[int, ...] = _COUNTERS.unpack(counted)
    return numbers[_FRAMING] + numbers[_BREAKS]


def _waiting_output(fd: int) -> int:
    """Bytes the driver has not given to the transmitter; 0 where it cannot tell."""
    try:
        waiting: int = struct.unpack("i", fcntl.ioctl(fd, termios.TIOCOUTQ, bytes(4)))[0]
    except OSError:
        return 0
    return waiting


class RateFollower:
    """Follows the rate of the DTE behind ``port``; what is fit for the modem is given to ``deliver``.

    ``count_errors`` tells how many framing errors and breaks a descriptor has seen so far.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        port: SerialPort,
        description: str,
        deliver: Callable[[bytes], None],
        *,
        frame: Frame = EIGHT,
        count_errors: Callable[[int], int | None] = framing_errors,
    ) -> None:
        self._reactor = reactor
        self._port = port
        self._description = description
        self._deliver = deliver
        self._count_errors = count_errors
        self._auto = Autobaud(port.baudrate, frame=frame)
        self._write: Callable[[bytes], None] | None = None
        self._errors = 0
        self._sent_at = 0.0  # when what was written will have left
        self._timer = Timer(reactor)
        self._waiting = Timer(reactor)  # for the transmitter to be empty

    @property
    def rate(self) -> int:
        """The rate that the DTE is known to use."""
        return self._auto.good

    # -- the port --------------------------------------------------------------------------------------------

    def opened(self, write: Callable[[bytes], None]) -> None:
        """The port is there, at :attr:`rate`; ``write`` sends."""
        self._write = write
        self._errors = self._count_errors(self._port.fileno()) or 0
        self._sent_at = 0.0
        self._auto.opened(self._reactor.seconds())
        self._update()

    def closed(self) -> None:
        """The port is gone."""
        self._write = None
        self._timer.cancel()
        self._waiting.cancel()

    def received(self, data: bytes) -> None:
        """The port gave a chunk."""
        if self._auto.passes:
            self._deliver(data)
            return
        errors = self._new_errors()
        if self._waiting.running:
            return  # heard at a rate that is known to be wrong
        fit = self._auto.received(data, errors, self._reactor.seconds())
        self._update()
        if fit:
            self._deliver(fit)

    # -- the modem -------------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Send, at the good rate."""
        if self._write is None:
            return
        if not self._auto.passes:
            now = self._reactor.seconds()
            self._auto.written(now)
            if self._port.baudrate != self._auto.rate:
                self._set()
            took = CHARACTER_BITS * len(data) / self._auto.rate
            self._sent_at = max(now, self._sent_at) + took
            self._update()
        self._write(data)

    def call_active(self, active: bool) -> None:
        """A call is up, or no longer."""
        now = self._reactor.seconds()
        if self._auto.passes and not active:
            # What the call wrote was not counted; it may still be on its way.
            self._sent_at = now + FIFO * CHARACTER_BITS / self._auto.rate
            if self._write is not None:
                self._new_errors()
        self._auto.call_active(active, now)
        self._update()

    def dtr_rose(self) -> None:
        """Somebody begins to use the port."""
        self._auto.dtr_rose(self._reactor.seconds())
        self._update()

    def fix(self, rate: int | None) -> None:
        """Stay at ``rate`` once everything written has left; None: follow the DTE again."""
        if self._write is not None:
            self._new_errors()  # those until now have nothing to do with what comes
        self._auto.fix(rate, self._reactor.seconds())
        self._update()

    # -- doing it --------------------------------------------------------------------------------------------

    def _new_errors(self) -> int | None:
        """Framing errors and breaks since the last look; None where the port has never told of one."""
        total = self._count_errors(self._port.fileno())
        if not total:  # some drivers have the counter and never count
            return None
        new, self._errors = total - self._errors, total
        return max(0, new)

    def _update(self) -> None:
        """Set the rate that is to be, or wait until it can be; wake up when the next moment is due."""
        if self._write is None:
            return
        self._waiting.cancel()
        if self._port.baudrate != self._auto.rate:
            left = self._sent_at - self._reactor.seconds()
            if left > 0 or _waiting_output(self._port.fileno()):
                self._waiting.set(max(left, SENT_POLL_S), self._update)
            else:
                self._set()
        self._timer.cancel()
        due = self._auto.deadline()
        if due is not None:
            self._timer.set(max(0.0, due - self._reactor.seconds()), self._expire)

    def _expire(self) -> None:
        fit = self._auto.expire(self._reactor.seconds())
        self._update()
        if fit:
            self._deliver(fit)

    def _set(self) -> None:
        """Set the port to the rate that is to be; one that it cannot be set to is not asked for again."""
        self._waiting.cancel()
        while self._port.baudrate != (rate := self._auto.rate):
            reason = self._port.change_rate(rate)
            if reason is None:
                self._log.debug("{line}: {rate} bit/s", line=self._description, rate=rate)
                return
            self._log.warn(
                "{line}: cannot be set to {rate} bit/s: {reason}",
                line=self._description,
                rate=rate,
                reason=reason,
            )
            self._auto.refused(rate, self._port.baudrate, self._reactor.seconds())
