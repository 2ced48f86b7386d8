"""A line on a real serial port, with the DTE at the other end of a cable.

What does not belong here: opening, losing and waiting (:mod:`vmodem.port.serial`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any, Final

from vmodem.line.base import Flow, FlowControl, LineError
from vmodem.line.following import RateFollower, framing_errors
from vmodem.line.misheard import Frame
from vmodem.line.onport import PortLine, pins
from vmodem.line.portflow import PortFlow
from vmodem.line.wiring import Wiring
from vmodem.line.xonxoff import Carrier, XonXoff
from vmodem.port.base import INPUTS, Signals
from vmodem.port.serial import SerialPort
from vmodem.tty import circuits
from vmodem.tty.uart import Uart

#: Where following the DTE's speed begins, in bit/s.
FIRST_RATE: Final = 9600


class SerialLine(PortLine):
    """``serial:DEVICE``.  ``speed`` in bit/s, None to follow the DTE's; the other arguments are those of the
    LINE string, and of :class:`SerialPort`.

    Raises :class:`LineError` for settings that exclude each other.
    """

    _port: SerialPort

    def __init__(
        self,
        reactor: Any,
        device: str,
        *,
        speed: int | None = 9600,
        bits: int = 8,
        parity: str = "N",
        stop: float = 1,
        flow: str | None = None,
        wiring: str = "null-modem",
        dtr_carries: str | None = None,
        rts_carries: str | None = None,
        dtr_in: str | None = None,
        invert: Collection[str] = (),
        exclusive: bool = True,
        lock: str = "none",
        latency: str = "normal",
        hupcl: bool | None = None,
        description: str = "",
        uart: Callable[[int], Uart] = Uart,
        count_errors: Callable[[int], int | None] = framing_errors,
    ) -> None:
        description = description or f"serial:{device}"
        if speed is None and bits < 7:
            raise LineError(
                f"LINE {description!r}: speed=auto needs whole letters; bits=7 or 8 was expected."
            )
        self._by_dsr = flow == "dsrdtr"  # which no kernel does, and turned round neither
        uses = Wiring(
            description,
            wiring=wiring,
            flow=flow or "none",
            dtr_carries=dtr_carries,
            rts_carries=rts_carries,
            dtr_in=dtr_in,
            invert=invert,
        )
        port = SerialPort(
            reactor,
            device,
            speed=speed or FIRST_RATE,
            bits=bits,
            parity=parity,
            stop=stop,
            flow="none" if flow is None or self._by_dsr else flow,
            exclusive=exclusive,
            lock=lock,
            latency=latency,
            hupcl=hupcl,
            # At a speed that is not known a break means another one.
            errors="bytes" if speed is None else "count",
            watched=uses.dtr_in != "on" or self._by_dsr,
            patience_s=math.inf,  # DCD falls behind the last byte, however long that takes
            description=description,
            uart=uart,
        )
        super().__init__(port, uses)
        self._pinned = flow is not None
        self._kernel = PortFlow(port, uses)
        self._at_first = port.settings
        self._held = False  # by the DTE's DTR
        self._rts: bool | None = None  # the DTE's, once it was seen on
        self._follower: RateFollower | None = None
        if speed is None:
            follower = self._follower = RateFollower(
                reactor,
                port,
                description,
                self._heard,
                frame=Frame(bits, parity),
                count_errors=count_errors,
            )
            self._equipment.write, self._equipment.hearer = follower.write, follower.received

    # -- the contract --------------------------------------------------------------------------------------

    @property
    def rate(self) -> int:
        return self._port.settings.rate if self._follower is None else self._follower.rate

    def fix_rate(self, rate: int | None) -> None:
        """Stay at ``rate`` from when everything written has left, None: follow the DTE again; no effect where
        the LINE says the speed."""
        if self._follower is not None:
            self._follower.fix(rate)

    def set_framing(self, data_bits: int, parity: str, stop_bits: int) -> None:
        """No effect while the DTE's speed is followed: what is misheard is judged by the framing."""
        if self._follower is None and self._stopped is None:
            wanted = self._at_first
            if data_bits:
                wanted = replace(wanted, data_bits=data_bits, parity=parity, stop_bits=stop_bits)
            self._port.set(wanted, lambda now: None)

    def call_active(self, active: bool) -> None:
        if self._follower is not None:
            self._follower.call_active(active)

    def pause(self) -> None:
        super().pause()
        self._drive()

    def resume(self) -> None:
        super().resume()
        self._drive()

    def set_flow(self, flow: FlowControl) -> None:
        if self._stopped is None and not self._pinned:
            self._kernel.ask(flow)
            self._drive()
            super().set_flow(flow)

    def _stage_for(self, stream: Carrier) -> XonXoff | None:
        """Characters that are obeyed and passed on; the others are the kernel's."""
        flow = self._flow
        if flow is None or not flow.through or Flow.XON_XOFF not in flow.dce_by_dte:
            return None
        obeyed = replace(flow, dte_by_dce=Flow.NONE)
        return XonXoff(stream, self, obeyed, self._port.stop_output)

    # -- what the equipment tells --------------------------------------------------------------------------

    def came(self) -> None:
        """The device is open."""
        self._held = False
        super().came()
        if self._follower is not None:
            self._follower.opened(self._port.write)
        if not self._port.signals_known & INPUTS:
            self._set_dtr(True)

    def signals_changed(self, signals: Signals) -> None:
        """The DTE's DTR, and its RTS: one that was never on since the start may be no wire at all."""
        state = pins(signals)
        if self._by_dsr and self._held is self._wiring.input(state, circuits.DSR):
            self._held = not self._held
            self._port.stop_output(self._held)
        if self._wiring.rts_in:
            rts = self._wiring.input(state, circuits.CTS)
            if rts and not self._pinned:
                self._kernel.rts_seen()
                self._drive()
            if rts is not self._rts and (rts or self._rts is not None):
                self._rts = rts
                self.rts_changed(rts)
        super().signals_changed(signals)

    def _left(self) -> None:
        """When it is opened again, that is at the good rate."""
        if self._follower is not None:
            self._follower.closed()
            self._port.change_rate(self._follower.rate)

    def _heard(self, data: bytes) -> None:
        """Received, and at the right rate."""
        self._equipment.user.data_received(data)

    # -- circuits ------------------------------------------------------------------------------------------

    def _put(self, on: Signals, off: Signals) -> None:
        self._port.drive_now(on, off)  # a DTE is held up at once

    def _takes(self, output: Signals) -> bool:
        holds = self._by_dsr if output is Signals.DTR else self._kernel.holds_by_rts
        return not (holds and self._paused)

    def _set_dtr(self, on: bool) -> None:
        if on is self._dtr:
            return
        if on and self._follower is not None:
            self._follower.dtr_rose()
        elif not on and not self._pinned:
            self._kernel.dte_left()
            self._drive()
            if self._stage is not None and self._flow is not None:
                super().set_flow(self._flow)  # nor be waited for with an XON that was the last one's
        super()._set_dtr(on)
