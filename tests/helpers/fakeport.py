"""Equipment in memory, on a clock: the test sees what it was asked for, and decides what it does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred, succeed

from vmodem.port.base import INPUTS, OUTPUTS, Counters, Noted, Port, PortUser, Settings, Signals


class FakePort(Port):
    """``refuses`` says which settings cannot be had.  Beyond ``room`` bytes it says that it is blocked."""

    user: PortUser

    def __init__(
        self, clock: Any, *, room: int = 1 << 30, refuses: Callable[[Settings], bool] | None = None
    ) -> None:
        self.description = "serial:/dev/fake"
        self.signals_known = INPUTS | OUTPUTS
        self.counters = Counters()
        self.room = room
        #: All that was written, for ever.
        self.written = bytearray()
        #: Everything that was done: bytes, settings, ("drive", on, off), ("break", on), ("purge", ...).
        self.story: list[Any] = []
        self.paused = False
        self.blocked = False
        self.stopped = False
        self.rounding: Callable[[int], int] = lambda rate: rate
        self._clock = clock
        self._refuses = refuses or (lambda _: False)
        self._settings = Settings()
        self._inputs = Signals.NONE
        self._outputs = OUTPUTS
        self._waiting = bytearray()

    def start(self, user: PortUser) -> None:
        self.user = user

    def stop(self) -> Deferred[None]:
        self.stopped = True
        return succeed(None)

    def write(self, data: bytes) -> None:
        assert data
        assert not self.stopped
        self.written += data
        self._waiting += data
        if self.story and isinstance(self.story[-1], bytes):
            self.story[-1] += bytes(data)
        else:
            self.story.append(bytes(data))
        if len(self._waiting) > self.room and not self.blocked:
            self.blocked = True
            self.user.write_blocked()

    @property
    def backlog(self) -> int:
        return len(self._waiting) if self.room < 1 << 30 else 0

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False

    @property
    def settings(self) -> Settings:
        return self._settings

    def set(self, wanted: Settings, done: Callable[[Settings], None]) -> None:
        def later() -> None:
            if not self._refuses(wanted):
                self._settings = replace(wanted, rate=self.rounding(wanted.rate))
                self.story.append(self._settings)
            done(self._settings)

        self._clock.callLater(0, later)

    @property
    def signals(self) -> Signals:
        return self._inputs | self._outputs

    def drive(self, on: Signals, off: Signals) -> None:
        self._outputs = (self._outputs | on) & ~off
        self.story.append(("drive", on, off))

    def set_break(self, on: bool) -> None:
        self.story.append(("break", on))

    def purge(self, received: bool, sent: bool) -> None:
        self.story.append(("purge", received, sent))
        if sent:
            self.take()

    def when_sent(self, done: Callable[[], None]) -> None:
        self._clock.callLater(0, done)

    # -- the test's side -----------------------------------------------------------------------------------

    def take(self, most: int = 1 << 30) -> bytes:
        """The device takes so many of the bytes written."""
        data = bytes(self._waiting[:most])
        del self._waiting[:most]
        if self.blocked and not self._waiting:
            self.blocked = False
            self.user.write_drained()
        return data

    def send(self, data: bytes) -> None:
        """The device sends a chunk."""
        assert not self.paused
        self.counters.received += len(data)
        self.user.data_received(data)

    def note(self, what: Noted) -> None:
        """Something befalls its data."""
        self.user.noted(what)

    def put(self, inputs: Signals) -> None:
        """Its circuits become these."""
        self._inputs = inputs
        self.user.signals_changed(inputs)
