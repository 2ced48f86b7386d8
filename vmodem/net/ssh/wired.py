"""A Twisted protocol on a stream: the transport it wants, made of the stream we have.

With it a protocol that others keep well runs over any :class:`vmodem.net.stream.Stream`, over telnet, TLS or
a telephone's speed as well as on a socket.  Back-pressure goes through both ways: what the stream refuses
pauses the protocol's producer, and a paused transport is a paused stream.

What does not belong here: any protocol, and the way back, a stream on a Twisted transport
(:class:`vmodem.net.transport.TransportStream`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from twisted.internet import error
from twisted.internet.interfaces import IAddress, IConsumer, IPushProducer, ITransport
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from vmodem.net.stream import Cause, Ending, Stream

#: A protocol that goes on answering while its peer takes nothing is not fed any further with so many bytes
#: waiting to go.
ANSWERS: Final = 256 * 1024
#: How long ``loseConnection`` waits for pending bytes to be taken, in seconds.
DRAIN_S: Final = 5.0


@implementer(IAddress)
class StreamAddress:
    """An address that says what the stream says of its peer."""

    def __init__(self, peer: str) -> None:
        self.peer = peer

    def __repr__(self) -> str:
        return f"StreamAddress({self.peer!r})"


@implementer(ITransport, IConsumer, IPushProducer)
class Wired:
    """Runs ``protocol`` on ``below``, which must not have been started and belongs to this from now on.

    ``ended`` is called once when the protocol has been told of the connection's end, with the stream's
    ending, or None when the protocol itself ended the connection.
    """

    _log = Logger()

    def __init__(
        self, below: Stream, protocol: Any, ended: Callable[[Ending | None], None] | None = None
    ) -> None:
        self.below = below
        self.protocol = protocol
        self.disconnecting = False
        #: The stream takes no more for now.
        self.blocked = False
        self._ended = ended
        self._producer: Any = None
        self._lost = False
        self._paused = False  # by the protocol
        self._overrun = False  # by us, see ANSWERS
        self._reading = True

    def start(self) -> None:
        """Connect the protocol."""
        # Started first: a stream that is written to before has nobody to tell that it is full.
        self.below.start(self)
        self.protocol.makeConnection(self)

    # -- the stream's side ---------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self.disconnecting or self._lost:
            return
        try:
            self.protocol.dataReceived(data)
        except Exception as exc:
            self._log.failure("{peer}: the protocol on this connection failed", peer=self.below.peer)
            self.below.abort()
            self._lose(_failure(exc), Ending(Cause.ERROR, f"internal error: {exc}"))

    def write_blocked(self) -> None:
        self.blocked = True
        if self._producer is not None and not self._lost:
            self._producer.pauseProducing()

    def write_drained(self) -> None:
        self.blocked = False
        self._overrun = False
        self._steer()
        if self._producer is not None and not self._lost:
            self._producer.resumeProducing()

    def stream_ended(self, ending: Ending) -> None:
        self.below.close(0.0)
        if ending.cause is Cause.FINISHED:
            self._lose(_failure(error.ConnectionDone()), ending)
        else:
            self._lose(_failure(error.ConnectionLost(ending.detail)), ending)

    # -- the protocol's side -------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        if not data or self.disconnecting or self._lost:
            return
        self.below.write(data)
        if self.blocked and self.below.backlog > ANSWERS:
            self._overrun = True
            self._steer()

    def writeSequence(self, data: Iterable[bytes]) -> None:
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        """Send what is pending, then end; the protocol hears of it in a later turn."""
        self.close(DRAIN_S)

    def close(self, drain_s: float) -> None:
        """As ``loseConnection``, waiting for at most ``drain_s`` seconds."""
        if self.disconnecting or self._lost:
            return
        self.disconnecting = True
        self.below.close(drain_s)
        self._lose(_failure(error.ConnectionDone()), None)

    def abortConnection(self) -> None:
        """End at once; pending bytes are lost."""
        self.disconnecting = True
        self.below.abort()
        self._lose(_failure(error.ConnectionAborted()), None)

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Pause ``producer`` while the stream takes no more.  Raises ValueError for a pull producer, and
        RuntimeError when there is one already."""
        if not streaming:
            raise ValueError("only streaming producers can be registered here")
        if self._producer is not None:
            raise RuntimeError("there is a producer already")
        if self._lost:
            producer.stopProducing()
            return
        self._producer = producer
        if self.blocked:
            producer.pauseProducing()

    def unregisterProducer(self) -> None:
        self._producer = None

    def pauseProducing(self) -> None:
        self._paused = True
        self._steer()

    def resumeProducing(self) -> None:
        self._paused = False
        self._steer()

    def stopProducing(self) -> None:
        self.loseConnection()

    def getPeer(self) -> StreamAddress:
        return StreamAddress(self.below.peer)

    def getHost(self) -> StreamAddress:
        return StreamAddress("here")

    def logPrefix(self) -> str:
        return "wired"

    # -- inside --------------------------------------------------------------------------------------------

    def _steer(self) -> None:
        reading = not (self._paused or self._overrun)
        if reading is not self._reading and not (self.disconnecting or self._lost):
            self._reading = reading
            if reading:
                self.below.resume()
            else:
                self.below.pause()

    def _lose(self, reason: Failure, ending: Ending | None) -> None:
        if self._lost:
            return
        self._lost = True
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.stopProducing()
        try:
            self.protocol.connectionLost(reason)
        except Exception:
            self._log.failure("{peer}: ending the protocol on this connection failed", peer=self.below.peer)
        if self._ended is not None:
            self._ended(ending)


def _failure(exc: Exception) -> Failure:
    return Failure(exc)  # type: ignore[no-untyped-call]
