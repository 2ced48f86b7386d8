"""Equipment that is bytes only: whoever has opened a pseudo-terminal, connected to a socket, or typed.

It has neither settings nor circuits of its own, so every setting is taken, and what stands for the other
side's DTR is that it is there: we see that on our DSR and DCD, as on a null modem cable.

What does not belong here: where a stream comes from.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from vmodem.net.stream import Ending
from vmodem.net.timer import Timer
from vmodem.port.base import Counters, Port, PortUser, Settings, Signals
from vmodem.port.nobody import NOBODY
from vmodem.port.outgoing import LIMIT_S

if TYPE_CHECKING:
    from vmodem.net.stream import Stream

#: How long what was written may be read when the port is stopped, in seconds.
LAST_WORDS_S: Final = 0.3
#: What is on while somebody is there.
PRESENT: Final = Signals.DSR | Signals.DCD


class StreamPort(Port):
    """One stream at a time, from :meth:`_come` until its end."""

    _log = Logger()

    def __init__(self, reactor: Any, description: str, settings: Settings | None = None) -> None:
        self.description = description
        self.signals_known = PRESENT
        self.counters = Counters()
        self._reactor = reactor
        self._settings = settings or Settings()
        self._signals = Signals.NONE
        self._user: PortUser = NOBODY
        self._stream: Stream | None = None
        self._paused = False
        self._blocked = False
        self._waiters: list[tuple[float, Callable[[], None]]] = []
        self._waiters_timer = Timer(reactor)
        self._stop_timer = Timer(reactor)
        self._stopped: Deferred[None] | None = None

    # -- for subclasses ------------------------------------------------------------------------------------

    def _come(self, stream: Stream) -> None:
        """Somebody is there."""
        self._stream = stream
        self._blocked = False
        self._user.attached(True)
        if self._stream is stream and self._stopped is None:
            self._set_signals(self._presence())
        if self._stream is stream and self._stopped is None:
            stream.start(self)
            if self._paused:
                stream.pause()

    def _go(self) -> Stream | None:
        """Nobody is there any more; returns the stream, which the caller ends."""
        stream, self._stream = self._stream, None
        self._tell_sent()
        if self._blocked:
            self._blocked = False
            self._user.write_drained()
        return stream

    def _gone(self) -> None:
        """Tell that nobody is there."""
        self._set_signals(Signals.NONE)
        self._user.attached(False)

    def _presence(self) -> Signals:
        """The circuits while somebody is there."""
        return PRESENT

    def _set_signals(self, signals: Signals) -> None:
        if signals != self._signals:
            self._signals = signals
            self._user.signals_changed(signals)

    def _say_goodbye(self, stream: Stream) -> None:
        """The port is being stopped: for a moment what was written may be read."""
        stream.resume()

    def _close(self) -> None:
        """Take back what start() made, the stream aside."""

    def _finish_stop(self) -> None:
        self._stop_timer.cancel()
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.abort()
        self._close()
        if self._stopped is not None and not self._stopped.called:
            self._stopped.callback(None)

    # -- what the stream tells -----------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Somebody sent a chunk."""
        self.counters.received += len(data)
        self._user.data_received(data)

    def write_blocked(self) -> None:
        """Somebody takes no more."""
        self._blocked = True
        self._user.write_blocked()

    def write_drained(self) -> None:
        """Somebody has taken everything."""
        self._blocked = False
        self._tell_sent()
        self._user.write_drained()

    def stream_ended(self, ending: Ending) -> None:
        """Somebody is gone."""
        stream = self._go()
        if stream is not None:
            stream.abort()
            self._gone()

    # -- the contract --------------------------------------------------------------------------------------

    def start(self, user: PortUser) -> None:
        self._user = user
        user.signals_changed(self._signals)

    def stop(self) -> Deferred[None]:
        if self._stopped is not None:
            return self._stopped
        stopped = self._stopped = Deferred()
        self._user = NOBODY
        self._tell_sent()
        if self._stream is None:
            self._finish_stop()
        else:
            self._say_goodbye(self._stream)
            self._stop_timer.set(LAST_WORDS_S, self._finish_stop)
        return stopped

    def write(self, data: bytes) -> None:
        if self._stream is not None and self._stopped is None and data:
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
        """Any sensible setting is taken: nothing here depends on it."""
        if wanted.sensible:
            self._settings = wanted
        self._reactor.callLater(0, done, self._settings)

    @property
    def signals(self) -> Signals:
        return self._signals

    def drive(self, on: Signals, off: Signals) -> None:
        """There are no circuits to drive."""

    def set_break(self, on: bool) -> None:
        """Bytes are all there is."""

    def purge(self, received: bool, sent: bool) -> None:
        """What the kernel has taken is out of reach; what waits for it is thrown away."""
        if sent and self._stream is not None and self._stream.backlog:
            self._stream.discard_pending()
            if self._blocked:
                self.write_drained()

    def when_sent(self, done: Callable[[], None]) -> None:
        self._waiters.append((self._reactor.seconds() + LIMIT_S, done))
        if not self.backlog:
            self._tell_sent()
        elif len(self._waiters) == 1:
            self._waiters_timer.set(LIMIT_S, self._overdue)

    def _tell_sent(self, until: float = float("inf")) -> None:
        while self._waiters and self._waiters[0][0] <= until:
            self._reactor.callLater(0, self._waiters.pop(0)[1])
        if not self._waiters:
            self._waiters_timer.cancel()

    def _overdue(self) -> None:
        now = self._reactor.seconds()
        self._tell_sent(now)
        if self._waiters:
            self._waiters_timer.set(max(0.0, self._waiters[0][0] - now), self._overdue)
