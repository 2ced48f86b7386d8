"""When the last bit has left a serial port, as far as that can be known.

Real UARTs tell.  Adapters on USB do not: what the kernel has given them may wait in the adapter, so they are
given the time that the bytes take.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from vmodem.tty.uart import Uart

#: What an adapter may hold when the kernel has given it everything, in characters.
FIFO: Final = 512


class Transmitter:
    """Of one opened device; ``instant`` where nothing takes time, as on a pseudo-terminal."""

    def __init__(self, uart: Uart, seconds: Callable[[], float], instant: bool) -> None:
        self._uart = uart
        self._seconds = seconds
        #: Whether :meth:`sent` has to be told of everything.
        self.guessing = not instant and uart.transmitter_empty() is None
        self._empty_at = 0.0

    def sent(self, size: int, character_s: float) -> None:
        """So many bytes are on their way, each of which takes so long."""
        self._empty_at = max(self._seconds(), self._empty_at) + size * character_s

    def purged(self) -> None:
        """Nothing is on its way."""
        self._empty_at = 0.0

    def left(self, character_s: float) -> float:
        """How many bytes have not left: an adapter's are guessed by the time they take."""
        try:
            queued = self._uart.queued()
        except OSError:
            return 0
        if not self.guessing or not character_s:
            return queued
        if queued:
            return queued + FIFO
        return min(max(0.0, (self._empty_at - self._seconds()) / character_s), FIFO)

    def empty(self, character_s: float) -> bool:
        """Whether the last bit has left the port; one that is gone counts as empty."""
        try:
            if self._uart.queued():
                return False
            if not self.guessing:
                return self._uart.transmitter_empty() is not False
        except OSError:
            return True
        now = self._seconds()
        # After a stop by flow control the guess is far off; no adapter holds more than this.
        self._empty_at = min(self._empty_at, now + FIFO * character_s)
        return now >= self._empty_at
