"""A pseudo-terminal in a serial device's place, and circuits and counts in a UART's place."""

from __future__ import annotations

import errno
import os
import termios
import tty
from typing import Any

from vmodem.tty.circuits import CD, CTS, DSR, DTR, RI, RTS
from vmodem.tty.uart import Counts, Uart

__all__ = ["CD", "CTS", "DSR", "DTR", "RI", "RTS", "Cable"]


class Cable:
    """What is at the far end of a device found at ``path``; it can be unplugged."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.far = -1
        #: Circuits of the device, None where it has none; and what was done with them, in order.
        self.pins: int | None = CTS | DSR | CD
        self.counted: Counts | None = Counts()
        self.history: list[Any] = []
        self.empty: bool | None = True
        self.queue: int | None = None
        self.failing = False
        self.knows_low_latency = True

    def plug(self) -> None:
        self.far, port = os.openpty()
        tty.setraw(port)
        os.set_blocking(self.far, False)
        os.symlink(os.ttyname(port), self.path)
        os.close(port)

    def unplug(self) -> None:
        if self.far >= 0:
            os.unlink(self.path)
            os.close(self.far)
            self.far = -1

    def take(self) -> bytes:
        try:
            return os.read(self.far, 65536)
        except (BlockingIOError, OSError):
            return b""

    def send(self, data: bytes) -> None:
        assert os.write(self.far, data) == len(data)

    @property
    def termios(self) -> list[Any]:
        return termios.tcgetattr(self.far)

    def uart(self, fd: int) -> Uart:
        """A port's :class:`Uart`."""
        return _Simulated(self, fd)


class _Simulated(Uart):
    def __init__(self, cable: Cable, fd: int) -> None:
        super().__init__(fd)
        self._cable = cable

    def lines(self) -> int | None:
        if self._cable.failing:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return self._cable.pins

    def drive(self, on: int, off: int) -> None:
        if self._cable.pins is not None:
            self._cable.pins = self._cable.pins & ~off | on
            self._cable.history.append(("pins", on, off, self._cable.take()))

    def counts(self) -> Counts | None:
        return self._cable.counted

    def set_break(self, on: bool) -> None:
        self._cable.history.append(("break", on, self._cable.take()))

    def queued(self) -> int:
        return super().queued() if self._cable.queue is None else self._cable.queue

    def transmitter_empty(self) -> bool | None:
        return self._cable.empty

    def low_latency(self) -> bool:
        self._cable.history.append("low latency")
        return self._cable.knows_low_latency
