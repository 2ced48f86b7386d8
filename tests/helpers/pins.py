"""The pins of a serial port that a pseudo-terminal stands for: ``uart=pins``."""

from __future__ import annotations

from vmodem.tty.circuits import DTR, RTS
from vmodem.tty.uart import Counts, Uart


class Pins:
    """What a port's :class:`Uart` tells and was told."""

    def __init__(self, inputs: int = 0) -> None:
        self.inputs = inputs
        #: DTR and RTS as they were driven last.
        self.outputs: dict[int, bool] = {}
        #: What reading the circuits raises.
        self.failure: OSError | None = None
        #: How often they were read.
        self.reads = 0
        #: So many have come; None where the port does not count them.
        self.breaks: int | None = None
        #: None where the port cannot tell.
        self.transmitter_empty: bool | None = None
        self.low_latency = False

    def __call__(self, fd: int) -> Uart:
        return _Simulated(fd, self)

    def drive(self, output: int, on: bool) -> None:
        """DTR or RTS is so from now on."""
        self.outputs[output] = on

    def set_break(self, on: bool) -> None:
        """A break that is sent has begun or ended."""


class _Simulated(Uart):
    def __init__(self, fd: int, pins: Pins) -> None:
        super().__init__(fd)
        self._pins = pins

    def lines(self) -> int:
        self._pins.reads += 1
        if self._pins.failure is not None:
            raise self._pins.failure
        return self._pins.inputs

    def drive(self, on: int, off: int) -> None:
        for output in (DTR, RTS):
            if output & (on | off):
                self._pins.drive(output, bool(output & on))

    def counts(self) -> Counts | None:
        return None if self._pins.breaks is None else Counts(breaks=self._pins.breaks)

    def set_break(self, on: bool) -> None:
        self._pins.set_break(on)

    def transmitter_empty(self) -> bool | None:
        return self._pins.transmitter_empty

    def low_latency(self) -> bool:
        self._pins.low_latency = True
        return True
