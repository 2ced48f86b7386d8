"""A TARGET as equipment: bytes to and from a connection that is made again whenever it ends.

It has neither settings nor circuits: every setting is taken for granted.  ``rfc2217:`` targets are not for
this room: they are ports by themselves (:mod:`vmodem.port.remote`).

What does not belong here: how a target is reached.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger

from vmodem.call.originate import OfferInside
from vmodem.call.reach import Reach
from vmodem.call.target import Target
from vmodem.net.names.resolve import Resolver
from vmodem.net.stream import Cause, Ending, Stream
from vmodem.net.timer import Timer
from vmodem.port.base import Counters, Noted, Port, PortUser, Settings, Signals
from vmodem.port.nobody import NOBODY
from vmodem.port.outgoing import LIMIT_S

#: Waits between attempts, in seconds; the last one repeats.
RETRY_S: Final = (0.25, 0.5, 1.0, 2.0, 5.0, 10.0)
#: A connection that lasts so long is a success: the waits begin anew, in seconds.
SETTLED_S: Final = 5.0
#: How long a break is, in seconds.
BREAK_S: Final = 0.25
#: How long written bytes may take to leave when the target ended first, or the port is stopped, in seconds.
LAST_WORDS_S: Final = 0.3


class TargetPort(Port):
    """Equipment that is reached as ``target``."""

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        target: Target,
        *,
        name: str = "",
        offer_inside: OfferInside | None = None,
        resolver: Resolver | None = None,
    ) -> None:
        self.description = str(target)
        self.signals_known = Signals.NONE
        self.counters = Counters()
        self._reactor = reactor
        self._way = Reach(reactor, target, name=name, offer_inside=offer_inside, resolver=resolver)
        self._user: PortUser = NOBODY
        self._settings = Settings()
        self._stream: Stream | None = None
        self._paused = False
        self._blocked = False
        self._since = 0.0
        self._attempt = 0
        self._reason = ""
        self._retry = Timer(reactor)
        self._waiters: list[Callable[[], None]] = []
        self._waiters_timer = Timer(reactor)
        self._stopped: Deferred[None] | None = None

    # -- the contract --------------------------------------------------------------------------------------

    def start(self, user: PortUser) -> None:
        """Begin to connect; a target that cannot be reached is told by ``lost`` and tried again."""
        self._user = user
        self._try()

    def stop(self) -> Deferred[None]:
        if self._stopped is not None:
            return self._stopped
        self._user = NOBODY
        self._retry.cancel()
        self._way.cancel()
        self._tell_sent()
        stream, self._stream = self._stream, None
        if stream is None:
            self._stopped = succeed(None)
            return self._stopped
        stopped = self._stopped = Deferred()
        stream.close(LAST_WORDS_S)

        def finish() -> None:
            stream.abort()
            stopped.callback(None)

        self._retry.set(LAST_WORDS_S, finish)
        return stopped

    def write(self, data: bytes) -> None:
        if self._stream is not None and data:
            self.counters.sent += len(data)
            self._stream.write(data)

    @property
    def backlog(self) -> int:
        return 0 if self._stream is None else self._stream.backlog

    def pause(self) -> None:
        self._paused = True
        if self._stream is not None:
            self._stream.pause()

    def resume(self) -> None:
        self._paused = False
        if self._stream is not None:
            self._stream.resume()

    @property
    def settings(self) -> Settings:
        return self._settings

    def set(self, wanted: Settings, done: Callable[[Settings], None]) -> None:
        """Nothing here depends on it."""
        self._settings = wanted
        self._reactor.callLater(0, done, wanted)

    @property
    def signals(self) -> Signals:
        return Signals.NONE

    def drive(self, on: Signals, off: Signals) -> None:
        """There are no circuits to drive."""

    def set_break(self, on: bool) -> None:
        """Telnet carries a break, which has no length there."""
        if on and self._stream is not None:
            self._stream.send_break(BREAK_S, False)

    def purge(self, received: bool, sent: bool) -> None:
        if sent and self._stream is not None:
            self._stream.discard_pending()
            if self._blocked:
                self.write_drained()

    def when_sent(self, done: Callable[[], None]) -> None:
        self._waiters.append(done)
        if not self.backlog:
            self._tell_sent()
        elif len(self._waiters) == 1:
            self._waiters_timer.set(LIMIT_S, self._tell_sent)

    # -- what the stream tells -----------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """The target sent a chunk."""
        self.counters.received += len(data)
        self._user.data_received(data)

    def write_blocked(self) -> None:
        """The target takes no more."""
        self._blocked = True
        self._user.write_blocked()

    def write_drained(self) -> None:
        """The target has taken everything."""
        self._blocked = False
        self._tell_sent()
        self._user.write_drained()

    def stream_ended(self, ending: Ending) -> None:
        """The connection is over."""
        stream, self._stream = self._stream, None
        if stream is None:
            return
        self._blocked = False
        if ending.cause is Cause.FINISHED:
            stream.close(LAST_WORDS_S)
        else:
            stream.abort()
        self._tell_sent()
        if self._reactor.seconds() - self._since >= SETTLED_S:
            self._attempt = 0
        self._user.attached(False)
        self._missing(f"{stream.peer}: {ending.detail}")

    # -- coming and going ----------------------------------------------------------------------------------

    def _try(self) -> None:
        self._way.begin(self._reached, self._missing)

    def _reached(self, stream: Stream) -> None:
        self._stream = stream
        self._since = self._reactor.seconds()
        reason, self._reason = self._reason, ""
        self._log.info("{target}: connected to {peer}", target=self.description, peer=stream.peer)
        stream.break_received = self._break_came
        if reason:
            self._user.found()
        self._user.attached(True)
        if self._stream is stream and self._stopped is None:
            stream.start(self)
            if self._paused:
                stream.pause()

    def _missing(self, reason: str) -> None:
        if self._stopped is not None:
            return
        self._retry.set(RETRY_S[min(self._attempt, len(RETRY_S) - 1)], self._try)
        self._attempt += 1
        if reason != self._reason:
            self._reason = reason
            self._log.info("{target}: {reason}", target=self.description, reason=reason)
            self._user.lost(reason)

    def _break_came(self) -> None:
        self.counters.breaks += 1
        self._user.noted(Noted.BREAK)

    def _tell_sent(self) -> None:
        self._waiters_timer.cancel()
        waiters, self._waiters = self._waiters, []
        for done in waiters:
            self._reactor.callLater(0, done)
