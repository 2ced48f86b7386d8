"""Flow control on a serial port as AT commands ask for it, done by the kernel.

A DTE whose RTS was never seen on since it came may have no such wire, and is not waited for: a modem with
factory settings (&K3) works on a cable of three.  What does not belong here: flow control that the LINE asks
for, which is that and stays so, and characters that are obeyed and passed on, which no kernel does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmodem.line.base import Flow, FlowControl
from vmodem.port.base import PortFlow as Kernel

if TYPE_CHECKING:
    from vmodem.line.wiring import Wiring
    from vmodem.port.serial import SerialPort


class PortFlow:
    """What ``port`` is to do, with its pins used as ``wiring`` says."""

    def __init__(self, port: SerialPort, wiring: Wiring) -> None:
        self._port = port
        self._by_kernel = wiring.flow_by_kernel
        self._by_rts = wiring.flow_by_rts
        self._asked = FlowControl(Flow.NONE, Flow.NONE)
        self._rts_seen = False

    @property
    def holds_by_rts(self) -> bool:
        """Whether the DTE is to be held up by our RTS, and the kernel does not do that."""
        kernel = self._port.settings.flow is Kernel.RTS_CTS
        return self._by_rts and Flow.CIRCUITS in self._asked.dte_by_dce and not kernel

    def ask(self, flow: FlowControl) -> None:
        """Do it in this way from now on."""
        self._asked = flow
        self._apply()

    def rts_seen(self) -> None:
        """The DTE's RTS is on."""
        if not self._rts_seen:
            self._rts_seen = True
            self._apply()

    def dte_left(self) -> None:
        """The next DTE may have another cable, and must not find our output stopped."""
        self._rts_seen = False
        self._port.stop_output(False)
        self._apply()

    def _apply(self) -> None:
        flow = self._asked
        obeyed = Flow.XON_XOFF in flow.dce_by_dte and not flow.through
        circuits = self._by_kernel and self._rts_seen and Flow.CIRCUITS in flow.dce_by_dte
        sent = Flow.XON_XOFF in flow.dte_by_dce
        self._port.set_kernel_flow(circuits, obeyed, sent, flow.xon, flow.xoff)
