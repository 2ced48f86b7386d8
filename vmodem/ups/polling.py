"""One conversation with one UPS over one port: it begins anew whenever the device is there, and ends at once
when it is not.

The conversation is a coroutine that a driver gives.  It waits in one place only, :meth:`Poller._wait`, so
there is one deadline for each driver and none of them can hold up another.  What a client wants done is kept
until the conversation has time for it.

What does not belong here: what is said.
"""

from __future__ import annotations

import abc
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from vmodem.port.base import Noted, Port, Settings, Signals

from .model import Done, Health, Outcome, Ups
from .onport import OnPort

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall

#: After a failure of the conversation itself, in seconds.
AGAIN_S: Final = 5.0


@dataclass
class Task:
    """What a client wants done."""

    run: Callable[[], Coroutine[Any, Any, Outcome]]
    done: Done


class Poller(OnPort):
    """The common part of drivers that ask and are answered.

    ``settings`` are asked of the port whenever it is there; None leaves them to the LINE.  ``on`` and ``off``
    are the circuits that the cable takes its power from.
    """

    log = Logger()
    #: ``driver.name``
    name: str

    def __init__(
        self,
        reactor: Any,
        port: Port,
        ups: Ups,
        *,
        poll_s: float,
        settings: Settings | None,
        on: Signals,
        off: Signals,
    ) -> None:
        self._reactor = reactor
        self._port = port
        self._ups = ups
        self.poll_s = poll_s
        self._settings = settings
        self._on, self._off = on, off
        self._active = False  # there is somebody to talk to
        self._talk: Deferred[Any] | None = None
        self._doomed = False  # the conversation is to end where it next waits
        self._again = False  # and another is to begin then
        self._waiter: Deferred[Any] | None = None
        self._timer: IDelayedCall | None = None
        self._tasks: deque[Task] = deque()
        self._sleeping = False
        self._stopped = False

    # -- for the drivers -----------------------------------------------------------------------------------

    @abc.abstractmethod
    async def _converse(self) -> None:
        """Talk to the UPS for ever, from the beginning: it may be another one than before."""

    @abc.abstractmethod
    def _hear(self, data: bytes) -> None:
        """A chunk arrived."""

    @abc.abstractmethod
    def _spoil(self) -> None:
        """A character was damaged, behind what has been heard so far."""

    def _say_goodbye(self) -> None:
        """The driver is being stopped, and the device is there."""
        return

    @property
    def now(self) -> float:
        """This moment, in seconds."""
        return float(self._reactor.seconds())

    async def _wait(self, seconds: float) -> Any:
        """What is given to :meth:`_give` meanwhile; None after ``seconds``."""
        if self._doomed:
            raise CancelledError
        waiter: Deferred[Any] = Deferred(self._forget)
        self._waiter = waiter
        self._timer = self._reactor.callLater(max(seconds, 0.0), self._give, None)
        return await waiter

    def _give(self, what: Any) -> bool:
        """Wake whoever waits; whether anybody did."""
        waiter = self._waiter
        if waiter is None:
            return False
        self._forget()
        waiter.callback(what)
        return True

    async def _sleep(self, seconds: float) -> None:
        """Nothing to do for so long, unless a client wants something or :meth:`_rouse` is called."""
        if seconds <= 0 or self._tasks:
            return
        self._sleeping = True
        try:
            await self._wait(seconds)
        finally:
            self._sleeping = False

    def _rouse(self) -> None:
        """End a sleep."""
        if self._sleeping:
            self._give(None)

    async def _work(self) -> None:
        """Do the next thing that clients want done, if there is one.  It fails when it had to wait until the
        UPS could no longer be read: nobody wants the load switched off hours later."""
        if not self._tasks:
            return
        task = self._tasks.popleft()
        outcome = Outcome.FAILED
        try:
            if self._ups.health is Health.FINE:
                outcome = await task.run()
        finally:
            task.done(outcome)

    def _later(self, run: Callable[[], Coroutine[Any, Any, Outcome]], done: Done) -> None:
        """Do this when there is time; it fails at once while the UPS cannot be read."""
        if not self._active or self._ups.health is not Health.FINE:
            done(Outcome.FAILED)
            return
        self._tasks.append(Task(run, done))
        self._rouse()

    # -- life ----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin; raises :class:`vmodem.port.base.PortError`."""
        self._port.mark_errors = True
        self._port.drive(self._on, self._off)
        self._port.start(self)

    def stop(self) -> Deferred[None]:
        """Let go of the port."""
        self._stopped = True
        if self._active:
            self._end()
            self._say_goodbye()
        return self._port.stop()

    def _begin(self) -> None:
        if self._active or self._stopped:
            return
        if self._doomed:
            self._again = True
            return
        self._active = True
        if self._ups.health is Health.GONE:
            self._ups.stale("no answer yet")
        self._port.drive(self._on, self._off)
        if self._settings is not None and self._port.settings != self._settings:
            self._port.set(self._settings, _unheard)
        self._talk = Deferred.fromCoroutine(self._forever())
        self._talk.addErrback(_cancelled)
        self._talk.addBoth(self._ended)

    async def _forever(self) -> None:
        while True:
            try:
                await self._converse()
            except CancelledError:
                raise
            except Exception:
                # A fault of ours in this conversation is no reason to be blind for ever.
                self.log.failure("ups {name}: the conversation failed", name=self._ups.name)
                self._ups.stale("the driver failed")
                self._fail_all()
                await self._wait(AGAIN_S)

    def _ended(self, result: Any) -> None:
        self._doomed = False
        if self._again:
            self._again = False
            self._begin()

    def _end(self) -> None:
        if not self._active:
            return
        self._active = False
        if self._waiter is None or self._talk is None:
            self._doomed = True  # told of it in the middle of something
        else:
            self._talk.cancel()
        self._fail_all()

    def _fail_all(self) -> None:
        while self._tasks:
            self._tasks.popleft().done(Outcome.FAILED)

    def _forget(self, waiter: Any = None) -> None:
        """Nobody waits any more."""
        self._waiter = None
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    # -- what the port tells -------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self._active:
            self._hear(data)

    def noted(self, what: Noted) -> None:
        if self._active:
            self._spoil()

    def _gone(self, reason: str) -> None:
        self._again = False
        self._end()
        self._ups.withdraw()
        self._ups.port_gone(reason)


def _unheard(settings: Settings) -> None:
    """The line tells soon enough whether the settings are right."""


def _cancelled(failure: Failure) -> Failure | None:
    return None if isinstance(failure.value, CancelledError) else failure
