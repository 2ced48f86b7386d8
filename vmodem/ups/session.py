"""One connection to the server: lines come off a stream, replies go onto it, in order and within bounds.

A client that does not take its replies is not read any more; one that is silent for :data:`IDLE_S` is cut
off.  Many requests in one chunk are answered a few at a time, and all clients together have a bounded part
of the time (``turns``), so that nobody else waits for them.

What does not belong here: what the lines mean (``conversation``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from twisted.logger import Logger

from vmodem.net.stream import Cause, Ending, Stream
from vmodem.wire.nut import INVALID_ARGUMENT, BadLine, LineReader, error

from .conversation import Conversation, Next, Reply
from .turns import Turns

if TYPE_CHECKING:
    from vmodem.net.layer import Opening
    from vmodem.net.tls.begin import ServerContext

#: A client from which no whole request came for so long is cut off, in seconds.
IDLE_S: Final = 60.0
#: How long the answer to a wrong password takes, in seconds.
SLOW_S: Final = 1.0
#: How long a last reply may take to be taken, in seconds.
DRAIN_S: Final = 2.0
#: Requests answered in one go.
BATCH: Final = 4


class Session:
    """One connection.  ``tls`` gives the certificate for STARTTLS, None where there is none; ``ended`` is
    called once, when the connection is over or no longer ours."""

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        stream: Stream,
        conversation: Conversation,
        tls: Callable[[], ServerContext | None],
        ended: Callable[[Session], None],
        turns: Turns,
    ) -> None:
        self.conversation = conversation
        self._reactor = reactor
        self._stream = stream
        self._tls = tls
        self._ended = ended
        self._turns = turns
        self._reader = LineReader()
        self._blocked = False
        self._over = False
        self._working = False
        self._opening: Opening | None = None
        self._finished: Ending | None = None
        self._held: Any = None  # the timer of a slow reply
        self._queued = False  # there are requests, and it is not our turn
        self._heard = float(reactor.seconds())
        self._idle: Any = None

    def start(self) -> None:
        """Begin to read."""
        self._idle = self._reactor.callLater(IDLE_S, self._look_idle)
        self._stream.start(self)

    def close(self) -> None:
        """End the connection in order."""
        if not self._over:
            self._finish()
            self._stream.close(DRAIN_S)

    # -- the stream's side ---------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        self._take_turn()

    def write_blocked(self) -> None:
        self._blocked = True

    def write_drained(self) -> None:
        self._blocked = False
        self._take_turn()

    def stream_ended(self, ending: Ending) -> None:
        """What the client had asked before it ended its direction is answered; a machine counts no more."""
        self._finished = ending
        self.conversation.leave()
        if ending.cause is Cause.FINISHED:
            self._take_turn()
        else:
            self._finish()
            self._stream.abort()

    # -- the work ------------------------------------------------------------------------------------------

    @property
    def _waits(self) -> bool:
        return (
            self._over or self._blocked or self._held is not None or self._queued or self._opening is not None
        )

    def _take_turn(self) -> None:
        """Answer, now or when it is our turn."""
        if self._waits or self._working:
            self._rest()
        elif self._turns.free:
            self._turns.now(self._work)
        else:
            self._queue()
            self._rest()

    def _queue(self) -> None:
        self._queued = True
        self._turns.later(self._go_on)

    def _work(self) -> None:
        if self._working:
            return
        self._working = True
        try:
            done = 0
            while not self._waits:
                reply = self._next()
                if reply is None:
                    break
                self._heard = float(self._reactor.seconds())
                self._say(reply)
                done += 1
                if done == BATCH:
                    self._queue()
        finally:
            self._working = False
        self._rest()

    def _rest(self) -> None:
        """Read on, or not, or not any more."""
        if self._working or self._over or self._opening is not None:
            return
        if self._waits:
            self._stream.pause()
        elif self._finished is not None:
            self.close()
        else:
            self._stream.resume()

    def _go_on(self) -> None:
        self._queued = False
        if not self._over:
            self._work()

    def _next(self) -> Reply | None:
        try:
            line = self._reader.next()
        except BadLine:
            return Reply(error(INVALID_ARGUMENT))
        return None if line is None else self.conversation.answer(line)

    def _say(self, reply: Reply) -> None:
        if reply.slow:
            self._held = self._reactor.callLater(SLOW_S, self._say_late, reply.text)
            return
        if reply.next is Next.STARTTLS:
            self._begin_tls(reply.text)
            return
        self._stream.write(reply.text.encode("ascii", "replace"))
        if reply.next is Next.CLOSE:
            self.close()

    def _say_late(self, text: str) -> None:
        self._held = None
        self._stream.write(text.encode("ascii", "replace"))
        self._take_turn()

    # -- TLS -----------------------------------------------------------------------------------------------

    def _begin_tls(self, text: str) -> None:
        context = self._tls()
        if context is None or self._reader.waiting:
            # What stands behind the request in plain text may be somebody else's: it must not be answered in
            # the client's name, neither now nor within TLS (as CVE-2011-0411 for SMTP).
            self._log.warn("{peer}: plain text behind STARTTLS", peer=self._stream.peer)
            self._stream.write(error(INVALID_ARGUMENT).encode())
            self.close()
            return
        from vmodem.net.tls.begin import open_server

        self._stream.write(text.encode())
        self._opening = open_server(self._reactor, self._stream, context, self._encrypted, self._tls_failed)

    def _encrypted(self, stream: Stream) -> None:
        self._opening = None
        self._stream = stream
        self._blocked = False
        self._heard = float(self._reactor.seconds())
        self.conversation.encrypted = True
        stream.start(self)

    def _tls_failed(self, reason: str) -> None:
        self._opening = None
        self._log.info(
            "{peer}: no TLS came about: {reason}", peer=self._stream.peer, reason=reason
        )  # the stream below has been closed
        self._finish()

    # -- ends ----------------------------------------------------------------------------------------------

    def _look_idle(self) -> None:
        left = self._heard + IDLE_S - float(self._reactor.seconds())
        if left > 0:
            self._idle = self._reactor.callLater(left, self._look_idle)
            return
        self._idle = None
        opening = self._opening
        self._finish()
        if opening is not None:
            opening.cancel()
        elif self._blocked:
            self._stream.abort()  # it takes nothing: there is no use in waiting
        else:
            self._stream.close(DRAIN_S)

    def _finish(self) -> None:
        if self._over:
            return
        self._over = True
        for timer in (self._idle, self._held):
            if timer is not None and timer.active():
                timer.cancel()
        self._idle = self._held = None
        self.conversation.leave()
        self._ended(self)
