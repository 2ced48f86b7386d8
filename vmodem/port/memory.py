"""Equipment without any device, for tests of whoever uses a port: a simulated UART and its cable.

Every act of the port's user shows in :attr:`SimulatedUart.history`, in order; everything the device may do is
a method.  With a clock and ``paced`` bytes leave as slowly as the settings say, and what has to wait for them
waits.

What does not belong here: a real device's system calls.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, succeed

from vmodem.port.base import (
    INPUTS,
    OUTPUTS,
    Counters,
    Noted,
    Port,
    PortError,
    PortFlow,
    PortUser,
    Settings,
    Signals,
)
from vmodem.port.nobody import NOBODY
from vmodem.port.outgoing import Outgoing


class SimulatedUart:
    """The device and whatever is at the far end of its cable, driven by a test.

    What the port has done: :attr:`received`, :attr:`outputs`, :attr:`breaking`, :attr:`settings`,
    :attr:`history`.  What may be arranged before: :attr:`accepts`, :attr:`room`, :attr:`fault`.
    """

    def __init__(self, inputs: Signals = Signals.CTS | Signals.DSR | Signals.DCD) -> None:
        #: What has arrived at the far end and was not yet taken by :meth:`take`.
        self.received = bytearray()
        #: ``("write", bytes)``, ``("settings", Settings)``, ``("signals", Signals)``, ``("break", bool)``,
        #: ``("purge", (received, sent))``, in order; neighbouring writes are one.
        self.history: list[tuple[str, Any]] = []
        self.inputs = inputs
        self.outputs = Signals.NONE
        self.breaking = False
        self.settings = Settings()
        #: Which circuits there are.
        self.known = INPUTS | OUTPUTS
        #: Turns what is asked for into what the device can do.
        self.accepts: Callable[[Settings], Settings] = lambda wanted: wanted
        #: How many bytes the far end takes before it holds us up; None: any number.
        self.room: int | None = None
        #: Why the device cannot be opened; "" where it can.
        self.fault = ""
        #: Whether the port reads.
        self.reading = True
        self._port: MemoryPort | None = None
        self._unread: deque[bytes | Noted] = deque()

    # -- what the device does ------------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """Bytes arrive at the port; while it is paused they wait."""
        if data:
            self._unread.append(data)
            self._deliver()

    def happen(self, what: Noted) -> None:
        """A break or an error, in its place among the bytes."""
        self._unread.append(what)
        self._deliver()

    def set_inputs(self, on: Signals = Signals.NONE, off: Signals = Signals.NONE) -> None:
        """Change circuits that the port reads."""
        before, self.inputs = self.inputs, self.inputs & ~off | on
        if self._port is not None and before != self.inputs:
            self._port.inputs_changed()

    def change_settings(self, settings: Settings) -> None:
        """Whoever is attached sends differently now, as an application on a pseudo-terminal."""
        self.settings = settings
        if self._port is not None:
            self._port.told_settings(settings)

    def make_room(self, room: int | None) -> None:
        """Take ``room`` more bytes (None: any number)."""
        self.room = room
        if self._port is not None:
            self._port.flush()

    def take(self) -> bytes:
        """What has arrived since the last time."""
        data = bytes(self.received)
        self.received.clear()
        return data

    def vanish(self, reason: str = "unplugged") -> None:
        """The device is gone."""
        self.fault = self.fault or reason
        self._unread.clear()
        if self._port is not None:
            self._port.lose(self.fault)

    def return_(self) -> None:
        """It is there again."""
        self.fault = ""
        if self._port is not None:
            self._port.find()

    # -- what the port does --------------------------------------------------------------------------------

    def connect(self, port: MemoryPort | None) -> None:
        """Belong to a port."""
        self._port = port

    def accept(self, data: bytes) -> int:
        """Take bytes; how many were taken."""
        taken = len(data) if self.room is None else min(len(data), self.room)
        if self.room is not None:
            self.room -= taken
        if taken:
            self.received += data[:taken]
            if self.history and self.history[-1][0] == "write":
                self.history[-1] = ("write", self.history[-1][1] + data[:taken])
            else:
                self.history.append(("write", bytes(data[:taken])))
        return taken

    def forget(self) -> None:
        """Throw away what the port has not read."""
        self._unread.clear()

    def read(self, on: bool) -> None:
        """The port reads, or does not."""
        self.reading = on
        self._deliver()

    def _deliver(self) -> None:
        while self._unread and self.reading and self._port is not None and not self.fault:
            self._port.arrived(self._unread.popleft())


class MemoryPort(Port):
    """The port of a :class:`SimulatedUart`.  ``reactor`` may be a ``twisted.internet.task.Clock``."""

    def __init__(
        self,
        reactor: Any,
        uart: SimulatedUart | None = None,
        *,
        settings: Settings | None = None,
        paced: bool = False,
        description: str = "memory:",
    ) -> None:
        self.description = description
        self.uart = uart or SimulatedUart()
        self.signals_known = self.uart.known
        self.counters = Counters()
        self.started = self.stopped = False
        self._reactor = reactor
        self._paced = paced
        self._user: PortUser = NOBODY
        self._settings = settings or Settings()
        self._driven = OUTPUTS
        self._pending = bytearray()
        self._empty_at = 0.0
        self._lost = False
        self._told = False
        self._out = Outgoing(reactor, self._send, self._all_sent, self._left, self._tell)

    # -- the device's side ---------------------------------------------------------------------------------

    def arrived(self, item: bytes | Noted) -> None:
        """The device has sent bytes, or something befell them."""
        if isinstance(item, bytes):
            self.counters.received += len(item)
            self._user.data_received(item)
            return
        name = {Noted.BREAK: "breaks", Noted.FRAMING: "framing", Noted.PARITY: "parity"}.get(item, "overrun")
        setattr(self.counters, name, getattr(self.counters, name) + 1)
        self._user.noted(item)

    def inputs_changed(self) -> None:
        """The circuits we read are others."""
        if self.started and not self._lost:
            self._user.signals_changed(self.uart.inputs & self.signals_known)

    def told_settings(self, settings: Settings) -> None:
        """Whoever is attached has changed them."""
        self._settings = settings
        self._user.settings_changed(settings)

    def lose(self, reason: str) -> None:
        """The device is gone."""
        if not self._lost and self.started:
            self._lost = True
            self._pending.clear()
            self._out.discard()
            self._out.hurry()
            self._tell()
            self._user.attached(False)
            self._user.lost(reason)

    def find(self) -> None:
        """The device is there again."""
        if self._lost:
            self._lost = False
            self._apply()
            self._user.found()
            self._come()

    def flush(self) -> None:
        """Send what waited for room."""
        taken = self.uart.accept(bytes(self._pending))
        del self._pending[:taken]
        self._tell()

    # -- the contract --------------------------------------------------------------------------------------

    def start(self, user: PortUser) -> None:
        if self.uart.fault.startswith("never:"):
            raise PortError(self.uart.fault.partition(":")[2].strip())
        self._user = user
        self.started = True
        self.uart.connect(self)
        if self.uart.fault:
            self._lost = True
            user.lost(self.uart.fault)
            return
        self._apply()
        self._come()

    def stop(self) -> Deferred[None]:
        self.stopped = True
        self._user = NOBODY
        self._out.hurry()
        self.uart.connect(None)
        return succeed(None)

    def write(self, data: bytes) -> None:
        if data and not self._lost and not self.stopped:
            self._out.write(data)

    @property
    def backlog(self) -> int:
        return self._out.backlog + len(self._pending)

    def pause(self) -> None:
        self.uart.read(False)

    def resume(self) -> None:
        self.uart.read(True)

    @property
    def settings(self) -> Settings:
        return self._settings

    def set(self, wanted: Settings, done: Callable[[Settings], None]) -> None:
        self._out.then(lambda: self._set(wanted, done))

    @property
    def signals(self) -> Signals:
        return (self.uart.inputs | self._driven) & self.signals_known

    def drive(self, on: Signals, off: Signals) -> None:
        self._out.then(lambda: self._drive(on & OUTPUTS, off & OUTPUTS))

    def set_break(self, on: bool) -> None:
        self._out.then(lambda: self._break(on))

    def purge(self, received: bool, sent: bool) -> None:
        self.uart.history.append(("purge", (received, sent)))
        if received:
            self.uart.forget()
        if sent:
            self._pending.clear()
            self._empty_at = 0.0
            self._out.discard()
            self._tell()

    def when_sent(self, done: Callable[[], None]) -> None:
        self._out.then(lambda: self._later(done))

    # -- inside --------------------------------------------------------------------------------------------

    def _come(self) -> None:
        self._user.attached(True)
        self._user.signals_changed(self.uart.inputs & self.signals_known)
        self.uart.read(self.uart.reading)

    def _apply(self) -> None:
        """Set the device as it was last asked to be."""
        self.signals_known = self.uart.known
        self._settings = self.uart.settings = self.uart.accepts(self._settings)
        self.uart.outputs = self._driven & self.signals_known

    def _send(self, data: bytes) -> None:
        if self._lost:
            return
        self.counters.sent += len(data)
        if self._paced:
            now = self._reactor.seconds()
            self._empty_at = max(now, self._empty_at) + len(data) * self._settings.character_s
        taken = 0 if self._pending else self.uart.accept(data)
        self._pending += data[taken:]
        self._tell()

    def _all_sent(self) -> bool:
        return self._lost or (not self._pending and self._reactor.seconds() >= self._empty_at)

    def _left(self) -> float:
        return len(self._pending) + max(0.0, self._empty_at - float(self._reactor.seconds()))

    def _tell(self) -> None:
        blocked = bool(self._pending) or self._out.waiting
        if blocked is not self._told:
            self._told = blocked
            if blocked:
                self._user.write_blocked()
            else:
                self._user.write_drained()

    def _set(self, wanted: Settings, done: Callable[[Settings], None]) -> None:
        if wanted.sensible:
            self._settings = wanted
            if not self._lost:
                self._settings = self.uart.settings = self.uart.accepts(wanted)
                self.uart.history.append(("settings", self._settings))
        self._later(lambda: done(self._settings))

    def _drive(self, on: Signals, off: Signals) -> None:
        self._driven = self._driven & ~off | on
        if not self._lost and self.signals_known & OUTPUTS:
            mine = self._driven & self.signals_known
            if self._settings.flow is PortFlow.RTS_CTS:
                mine |= Signals.RTS  # the flow control's
            if mine != self.uart.outputs:
                self.uart.outputs = mine
                self.uart.history.append(("signals", mine))

    def _break(self, on: bool) -> None:
        if not self._lost and on is not self.uart.breaking:
            self.uart.breaking = on
            self.uart.history.append(("break", on))

    def _later(self, done: Callable[[], None]) -> None:
        self._reactor.callLater(0, done)
