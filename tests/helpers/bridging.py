"""A bridge between two simulated devices, on a clock: on the left the line, on the right the target."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock

from vmodem.bridge import Bridge
from vmodem.port.base import Settings, Signals
from vmodem.port.memory import MemoryPort, SimulatedUart

#: Circuits of a program: nothing but that it is there.
PROGRAM = Signals.DSR | Signals.DCD


class Rig:
    """``here`` is what is attached to the line, ``there`` the device of the target."""

    def __init__(self, **more: Any) -> None:
        self.clock = Clock()
        self.here, self.there = SimulatedUart(), SimulatedUart()
        self.line = MemoryPort(self.clock, self.here, description="memory:line")
        self.target = MemoryPort(self.clock, self.there, description="memory:target")
        self.more = more
        self._bridge: Bridge | None = None

    @property
    def bridge(self) -> Bridge:
        assert self._bridge is not None
        return self._bridge

    def start(self, **more: Any) -> Bridge:
        self._bridge = Bridge(self.clock, self.line, self.target, **{**self.more, **more})
        self._bridge.start()
        self.settle()
        return self._bridge

    def settle(self) -> None:
        """Let pass what is due at once, and the polls of ports that wait for their transmitter."""
        for _ in range(3):
            self.clock.advance(0.006)

    def finish(self) -> None:
        if self._bridge is not None:
            self._bridge.stop()
        self.settle()
        left = [call for call in self.clock.getDelayedCalls() if call.active()]
        assert not left, f"timers left: {[str(call) for call in left]}"


def at(rate: int) -> Settings:
    return Settings(rate=rate)
