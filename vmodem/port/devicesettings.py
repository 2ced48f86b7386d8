"""How a serial device is set: what it was asked for, and what is in force.

What does not belong here: what a change waits for.
"""

from __future__ import annotations

from dataclasses import replace

from vmodem.port.base import PortFlow, Settings
from vmodem.port.opening import GONE
from vmodem.tty.equipment import Character, Equipment


class DeviceSettings:
    """Of ``equipment``; one that is not open is set when it is opened."""

    def __init__(self, equipment: Equipment, now: Settings) -> None:
        self._equipment = equipment
        self._flow_is_ours = False
        #: In force, or to be.
        self.now = now

    @property
    def character(self) -> Character:
        """What the device is to be opened with."""
        return character(self.now)

    def set(self, wanted: Settings) -> str:
        """Set it so; returns why the device refuses, or nothing, and then :attr:`now` is what came of it."""
        before, reason = self.now, ""
        self.now = replace(wanted, flow=before.flow) if self._flow_is_ours else wanted
        if self._equipment.is_open:
            try:
                self._equipment.change(self.character)
            except GONE as exc:
                self.now, reason = before, str(exc)
            self.read_back()
        return reason

    def set_flow(self, circuits: bool, obeyed: bool, sent: bool, xon: int, xoff: int) -> None:
        """Have the kernel do flow control so (:meth:`Equipment.set_flow`), whatever :meth:`set`
        says from then on."""
        self._flow_is_ours = True
        self._equipment.set_flow(circuits, obeyed, sent, xon, xoff)
        characters = PortFlow.XON_XOFF if obeyed or sent else PortFlow.NONE
        self.now = replace(self.now, flow=PortFlow.RTS_CTS if circuits else characters)
        if self._equipment.is_open:
            self.read_back()

    def change_rate(self, rate: int) -> str | None:
        """Set the speed alone; returns why the device refuses, and then it is as it was."""
        reason = None
        if self._equipment.is_open:
            reason = self._equipment.change_rate(rate)
            rate = self._equipment.baudrate
        self.now = replace(self.now, rate=rate)
        return reason

    def read_back(self) -> None:
        """Find out what is in force."""
        try:
            real = self._equipment.in_force()
        except (KeyError, *GONE):
            return
        flow = self.now.flow
        if flow is PortFlow.RTS_CTS and not real.rtscts:
            flow = PortFlow.NONE
        self.now = Settings(real.rate, real.bits, real.parity, real.stop, flow)


def character(settings: Settings) -> Character:
    """As the device is told it."""
    return Character(
        settings.rate,
        settings.data_bits,
        settings.parity,
        settings.stop_bits,
        settings.flow is PortFlow.RTS_CTS,
        settings.flow is PortFlow.XON_XOFF,
    )
