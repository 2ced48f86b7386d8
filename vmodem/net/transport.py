"""Streams over Twisted's own transports, for listeners whose sockets Twisted makes.

What does not belong here: sockets of our own, which need no transport (:class:`vmodem.net.stream.FdStream`).
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from twisted.internet import error, interfaces
from twisted.internet.endpoints import serverFromString
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from vmodem.net.address import literal, printable
from vmodem.net.incoming.connection import Accepted, Incoming, Peer
from vmodem.net.options import tune
from vmodem.net.stream import LINGER_S, NOBODY, Cause, Ending, StreamUser, unheard


class TransportStream:
    """A :class:`vmodem.net.stream.Stream` on a connected, paused Twisted transport.

    ``backlog`` counts what was written since the transport last said "no more" and is 0 otherwise; up to 64
    KiB may then still be on their way, as in a socket's own buffer.
    """

    break_received: Callable[[], None] = staticmethod(unheard)

    def __init__(self, reactor: Any, transport: Any, peer: str, on_closed: Callable[[], None]) -> None:
        self.peer = peer
        self._reactor = reactor
        self._transport = transport
        self._on_closed = on_closed
        self._user: StreamUser = NOBODY
        self._early: Ending | None = None
        self._blocked = False
        self._backlog = 0
        self._ended = False
        self._closing = False
        self._closed = False
        self._timer: Any = None

    # -- user's side ---------------------------------------------------------------------------------------

    def start(self, user: StreamUser) -> None:
        self._user = user
        if self._early is not None:
            ending, self._early = self._early, None
            self._reactor.callLater(0, self._tell, ending)
        self.resume()

    def write(self, data: bytes) -> None:
        if self._closing or self._ended:
            return
        if self._blocked:
            self._backlog += len(data)
        self._transport.write(data)

    @property
    def backlog(self) -> int:
        return self._backlog

    def send_break(self, seconds: float, expedited: bool) -> None:
        """Bytes are all that goes through a transport."""

    def discard_pending(self) -> None:
        """A transport does not give back what it was given."""

    def pause(self) -> None:
        if not (self._ended or self._closed):
            self._transport.pauseProducing()

    def resume(self) -> None:
        if not (self._ended or self._closed):
            self._transport.resumeProducing()

    def close(self, drain_s: float) -> None:
        if self._closing or self._closed:
            return
        self._closing = True
        self._user = NOBODY
        self.resume()  # what the peer still sends is discarded, and its end is seen
        # A transport with a paused producer would ask that for more instead of closing.
        self._transport.unregisterProducer()
        if self._ended:
            self._transport.loseConnection()
        elif hasattr(self._transport, "loseWriteConnection"):
            self._transport.loseWriteConnection()
        else:
            self._transport.loseConnection()
        self._timer = self._reactor.callLater(drain_s + LINGER_S, self._timed_out)

    def abort(self) -> None:
        if self._closed:
            return
        self._closing = True
        self._user = NOBODY
        self._transport.abortConnection()

    def _timed_out(self) -> None:
        self._timer = None
        self.abort()

    def _tell(self, ending: Ending) -> None:
        self._user.stream_ended(ending)

    # -- the transport's side ------------------------------------------------------------------------------

    def received(self, data: bytes) -> None:
        self._user.data_received(data)

    def blocked(self) -> None:
        self._blocked = True
        self._user.write_blocked()

    def drained(self) -> None:
        self._blocked = False
        self._backlog = 0
        self._user.write_drained()

    def ended(self, ending: Ending) -> None:
        if self._ended:
            return
        self._ended = True
        if self._closing:
            self._transport.loseConnection()
        elif self._user is NOBODY:
            self._early = ending  # nobody has started it yet
        else:
            self._user.stream_ended(ending)

    def lost(self, ending: Ending) -> None:
        if self._closed:
            return
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._closing:
            self.ended(ending)
        self._ended = True
        self._on_closed()


@implementer(interfaces.IHalfCloseableProtocol, interfaces.IPushProducer)
class _Wire(Protocol):
    """Between a transport and its stream."""

    def __init__(self, reactor: Any, listener: str, accepted: Accepted) -> None:
        self._reactor = reactor
        self._listener = listener
        self._accepted = accepted
        self._stream: TransportStream | None = None

    def connectionMade(self) -> None:
        transport: Any = self.transport
        transport.pauseProducing()
        transport.registerProducer(self, True)
        handle = getattr(transport, "getHandle", None)
        if handle is not None and isinstance(handle(), socket.socket):
            tune(handle())
        peer = _peer(transport.getPeer())
        incoming = Incoming(peer, self._listener)
        self._stream = TransportStream(self._reactor, transport, peer.printable, incoming._closed)
        incoming.stream = self._stream
        self._accepted(incoming)

    def dataReceived(self, data: bytes) -> None:
        if self._stream is not None:
            self._stream.received(data)

    def pauseProducing(self) -> None:
        if self._stream is not None:
            self._stream.blocked()

    def resumeProducing(self) -> None:
        if self._stream is not None:
            self._stream.drained()

    def stopProducing(self) -> None:
        pass  # connectionLost follows

    def readConnectionLost(self) -> None:
        if self._stream is not None:
            self._stream.ended(Ending(Cause.FINISHED, "end of stream"))

    def writeConnectionLost(self) -> None:
        pass  # our own doing; the peer's end of stream follows

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._stream is not None:
            self._stream.lost(_ending(reason.value))


def _ending(exc: BaseException | None) -> Ending:
    if isinstance(exc, error.ConnectionDone):
        return Ending(Cause.FINISHED, "end of stream")
    if isinstance(exc, error.ConnectionLost) and isinstance(getattr(exc, "osError", None), int):
        return Ending.of(OSError(exc.osError, str(exc)))  # type: ignore[attr-defined]
    return Ending(Cause.RESET, str(exc))


def _peer(address: Any) -> Peer:
    host = getattr(address, "host", None)
    if not isinstance(host, str):
        return Peer("unix")
    port = int(getattr(address, "port", 0))
    found = literal(host)
    return Peer(printable((host, port)), str(found[0]) if found is not None else host, port)


class ForeignListener:
    """A listener made by a Twisted endpoint string."""

    _log = Logger()

    def __init__(self, reactor: Any, endpoint: str, accepted: Accepted, text: str = "") -> None:
        self._text = text = text or endpoint
        self._endpoint = serverFromString(reactor, endpoint)  # type: ignore[no-untyped-call]
        self._factory = Factory.forProtocol(lambda: _Wire(reactor, text, accepted))
        self._port: Any = None
        self._stopped = False

    def start(self) -> None:
        """Begin to accept.  Raises whatever the endpoint raises at once; later failures go to the log."""
        failures: list[Failure] = []
        deferred = self._endpoint.listen(self._factory)
        deferred.addCallbacks(self._listening, failures.append)
        if failures:
            failures[0].raiseException()
        deferred.addErrback(lambda f: self._log.failure("listening on {text} failed", f, text=self._text))

    def stop(self) -> None:
        self._stopped = True
        if self._port is not None:
            self._port.stopListening()

    def _listening(self, port: Any) -> None:
        self._port = port
        if self._stopped:
            port.stopListening()
