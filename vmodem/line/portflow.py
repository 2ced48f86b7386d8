"""Flow control on a serial port as AT commands ask for it, done by the kernel.

A DTE whose RTS was never seen on since it came may have no such wire, and is not waited for: a modem with
factory settings (&K3) works on a cable of three.  What does not belong here: flow control that the LINE asks
for, which is that and stays so.
"""

from __future__ import annotations

import termios
from collections.abc import Callable
from typing import TYPE_CHECKING

from vmodem.line.base import Flow, FlowControl

if TYPE_CHECKING:
    from vmodem.line.wiring import Wiring
    from vmodem.tty.device import Port


class PortFlow:
    """What ``port`` is to do, with its pins used as ``wiring`` says; nothing where the LINE pins it."""

    def __init__(self, port: Port, wiring: Wiring, pinned: bool) -> None:
        self._port = port
        self._pinned = pinned
        self._by_kernel = wiring.flow_by_kernel
        self._by_rts = wiring.flow_by_rts
        self._asked = FlowControl(Flow.NONE, Flow.NONE)
        self._rts_seen = False

    @property
    def kernel_drives_rts(self) -> bool:
        """Whether RTS is the kernel's and nobody else's."""
        return bool(self._port.rtscts)

    @property
    def holds_by_rts(self) -> bool:
        """Whether the DTE is to be held up by our RTS, and the kernel does not do that."""
        return self._by_rts and Flow.CIRCUITS in self._asked.dte_by_dce and not self.kernel_drives_rts

    def ask(self, flow: FlowControl) -> None:
        """Do it in this way from now on."""
        if not self._pinned:
            self._asked = flow
            self._apply()

    def rts_seen(self) -> None:
        """The DTE's RTS is on."""
        if not (self._rts_seen or self._pinned):
            self._rts_seen = True
            self._apply()

    def dte_left(self) -> None:
        """The next DTE may have another cable, and must not find our output stopped."""
        self._rts_seen = False
        if self._port.is_open and not self._pinned:
            self._start_output()
            self._apply()

    def reader(self, received: Callable[[bytes], None]) -> Callable[[bytes], None]:
        """What takes the port's chunks: ``received``, unless XON and XOFF are to be obeyed and passed on.
        That no kernel does."""
        flow = self._asked
        if not (flow.through and Flow.XON_XOFF in flow.dce_by_dte):
            return received
        xon, xoff = bytes((flow.xon,)), bytes((flow.xoff,))

        def look(data: bytes) -> None:
            off, on = data.rfind(xoff), data.rfind(xon)
            if off > on:
                self._stop_output()
            elif on >= 0:
                self._start_output()
            received(data)

        return look

    def _apply(self) -> None:
        flow = self._asked
        obeyed = Flow.XON_XOFF in flow.dce_by_dte and not flow.through
        circuits = self._by_kernel and self._rts_seen and Flow.CIRCUITS in flow.dce_by_dte
        sent = Flow.XON_XOFF in flow.dte_by_dce
        self._port.set_flow(circuits, obeyed, sent, flow.xon, flow.xoff)

    def _stop_output(self) -> None:
        self._flow(termios.TCOOFF)

    def _start_output(self) -> None:
        # Output that a received XOFF has stopped is only started again by way of a stop of our own.
        self._flow(termios.TCOOFF)
        self._flow(termios.TCOON)

    def _flow(self, action: int) -> None:
        try:
            termios.tcflow(self._port.fileno(), action)
        except (OSError, termios.error):
            pass  # the port is gone, which its reader will find
