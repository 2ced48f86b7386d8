"""Our two circuits on a serial port, the flow control that needs them, and breaks.

RTS/CTS is the kernel's own, which drives RTS then.  DTR/DSR is nobody's but ours: DTR goes off while we do
not read, and the transmitter stands still while DSR is off.

What does not belong here: what waits for bytes to leave.
"""

from __future__ import annotations

from twisted.logger import Logger

from vmodem.port.base import OUTPUTS, PortFlow, Signals
from vmodem.tty import circuits
from vmodem.tty.uart import Uart


class Pins:
    """``driven`` is how DTR and RTS are to be; they outlive the device, which :meth:`opened` sets."""

    _log = Logger()

    def __init__(self, description: str, driven: Signals, flow: PortFlow) -> None:
        self._description = description
        self._driven = driven
        self._flow = flow
        self._paused = False
        self._uart: Uart | None = None
        self._stopped = False  # the transmitter, by DSR
        self._breaking = False

    @property
    def outputs(self) -> Signals:
        """How DTR and RTS have to be now."""
        if self._flow is PortFlow.DTR_DSR and self._paused:
            return self._driven & ~Signals.DTR
        return self._driven

    def opened(self, uart: Uart, flow: PortFlow) -> None:
        """There is a device."""
        self._uart = uart
        self._flow = flow
        self._stopped = self._breaking = False
        self._apply()

    def closed(self) -> None:
        """There is none."""
        self._uart = None
        self._breaking = False

    def set_flow(self, flow: PortFlow, dsr: bool) -> None:
        """Flow control is done so from now on; ``dsr`` False stops the transmitter where it means that."""
        if flow is not self._flow:
            self._flow = flow
            self.follow(dsr)
            self._apply()

    def drive(self, on: Signals, off: Signals) -> None:
        """Turn circuits on and off at the same moment."""
        self._driven = self._driven & ~off | on
        self._apply()

    def pause(self, paused: bool) -> None:
        """Reading has been stopped, or begun again."""
        self._paused = paused
        if self._flow is PortFlow.DTR_DSR:
            self._apply()

    def follow(self, dsr: bool) -> None:
        """The equipment's DSR is so."""
        stop = self._flow is PortFlow.DTR_DSR and not dsr
        if self._uart is not None and stop is not self._stopped:
            self._stopped = stop
            self.stop_output(stop)

    def stop_output(self, stop: bool) -> None:
        """Stop the transmitter, or let it go on, whatever had stopped it."""
        if self._uart is not None:
            try:
                self._uart.stop_output(stop)
            except OSError as exc:
                self._failed(exc)

    def set_break(self, on: bool) -> None:
        """Begin or end a break."""
        if self._uart is not None:
            self._breaking = on
            self._uart.set_break(on)

    def end_break(self) -> None:
        """No break is left on."""
        if self._breaking:
            self.set_break(False)

    def _apply(self) -> None:
        if self._uart is None:
            return
        mine = OUTPUTS & ~Signals.RTS if self._flow is PortFlow.RTS_CTS else OUTPUTS
        outputs = self.outputs
        try:
            self._uart.drive(_pins(mine & outputs), _pins(mine & ~outputs))
        except OSError as exc:
            self._failed(exc)

    def _failed(self, exc: OSError) -> None:
        """It is gone, which its reader will find."""
        self._log.debug("{line}: circuits: {reason}", line=self._description, reason=exc.strerror)


def _pins(signals: Signals) -> int:
    return (circuits.DTR if Signals.DTR in signals else 0) | (circuits.RTS if Signals.RTS in signals else 0)
