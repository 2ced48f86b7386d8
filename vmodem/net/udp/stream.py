"""Calls by UDP: a peer's address stands for a connection.

There is none, so its beginning and end are taken from what can be seen: the first datagram of a peer calls,
and the "connection" ends when its machine says that nobody listens (ICMP), or when nothing has come from the
peer for a while.  Bytes keep their order of arrival; what the network loses or repeats stays so.

Each write is one datagram, split where it is longer than the size agreed on.  A datagram's sender proves
nothing: beyond this machine an allow list is compulsory.

What does not belong here: the listener (:mod:`vmodem.net.udp.listen`).
"""

from __future__ import annotations

import errno
import os
import socket
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Protocol

from twisted.internet.interfaces import IReadWriteDescriptor
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from vmodem.net.address import Destination
from vmodem.net.stream import NOBODY, Cause, Ending, StreamUser, unheard

#: Bytes of a datagram: with every header it fits into an Ethernet frame, also through a tunnel or two.
SIZE: Final = 1400
#: No datagram holds more (IPv4: 65535 less 20 and 8).
SIZE_LIMIT: Final = 65507
#: A caller who has sent nothing for so long is gone, in seconds.
IDLE_S: Final = 60.0
#: Bytes of a peer that wait for a user who is paused; datagrams beyond are dropped, as the system would.
INBOX: Final = 65536
#: Datagrams read in one wake-up; more of them would starve the calls.
READS: Final = 32

_REFUSED: Final = frozenset((errno.ECONNREFUSED, errno.ECONNRESET))
#: A socket that is full for want of memory is not "writable" later: it is tried again after so many seconds.
AGAIN_S: Final = 0.02


def ending(code: int) -> Ending:
    """The ending that an error number of a datagram socket means."""
    if code in _REFUSED:
        return Ending(Cause.RESET, "nobody listens there")
    return Ending.of(OSError(code, os.strerror(code)))


class Carrier(Protocol):
    """The socket of one or more peers."""

    def send(self, stream: UdpStream, data: bytes) -> bool:
        """Send one datagram; False when there is no room now: then :meth:`UdpStream.flush` is called later.
        Raises OSError."""

    def pausing(self, stream: UdpStream, paused: bool) -> None:
        """The stream's user takes nothing now, or takes it again."""

    def closed(self, stream: UdpStream) -> None:
        """The stream is closed."""


class UdpStream:
    """A :class:`vmodem.net.stream.Stream` of datagrams to and from one peer.  :func:`connect_udp` and
    :class:`vmodem.net.udp.listen.UdpListener` make it.

    ``size`` is the longest datagram sent, in bytes.  ``idle_s`` is how long the peer may be silent before the
    stream ends, 0 for ever.
    """

    _log = Logger()
    break_received: Callable[[], None] = staticmethod(unheard)

    def __init__(
        self, reactor: Any, carrier: Carrier, peer: str, *, size: int = SIZE, idle_s: float = IDLE_S
    ) -> None:
        if not 1 <= size <= SIZE_LIMIT:
            raise ValueError(f"a datagram holds 1 to {SIZE_LIMIT} bytes, not {size}")
        self.peer = peer
        #: Datagrams that were dropped because the user did not take them in time.
        self.dropped = 0
        #: Whether it ended because the peer was silent.
        self.fell_silent = False
        self._reactor = reactor
        self._carrier = carrier
        self._size = size
        self._user: StreamUser = NOBODY
        self._inbox: deque[bytes] = deque()
        self._inbox_size = 0
        self._paused = True  # until started
        self._queue: deque[bytes] = deque()
        self._queued = 0
        self._told = False
        self._ending: Ending | None = None
        self._ended = False  # and the user knows
        self._closing = False
        self._closed = False
        self._later: Any = None
        self._close_timer: Any = None
        self._idle_s = idle_s
        self._heard_at = reactor.seconds()
        self._idle_timer: Any = None
        if idle_s > 0:
            self._idle_timer = reactor.callLater(idle_s, self._look_idle)

    # -- user's side ---------------------------------------------------------------------------------------

    def start(self, user: StreamUser) -> None:
        if not self._closing:
            self._user = user
            self.resume()

    def write(self, data: bytes) -> None:
        if self._closing or self._ending is not None:
            return
        size = self._size
        for at in range(0, len(data), size):
            piece = data[at : at + size]
            if self._queue or not self._send(piece):
                self._queue.append(piece)
                self._queued += len(piece)
        self._tell()

    @property
    def backlog(self) -> int:
        return self._queued

    def send_break(self, seconds: float, expedited: bool) -> None:
        """Bytes are all that a datagram carries."""

    def discard_pending(self) -> None:
        self._queue.clear()
        self._queued = 0
        self._tell()

    def pause(self) -> None:
        if not self._paused:
            self._paused = True
            self._carrier.pausing(self, True)

    def resume(self) -> None:
        if self._closing:
            return
        if self._paused:
            self._paused = False
            self._carrier.pausing(self, False)
        if (self._inbox or (self._ending is not None and not self._ended)) and self._later is None:
            # From the reactor: whoever resumes does not expect bytes in the middle of that.
            self._later = self._reactor.callLater(0, self._go_on)

    def close(self, drain_s: float) -> None:
        if self._closing:
            return
        self._closing = True
        self._user = NOBODY
        self._inbox.clear()
        if self._queue and drain_s > 0 and self._ending is None:
            self._close_timer = self._reactor.callLater(drain_s, self.abort)
        else:
            self.abort()

    def abort(self) -> None:
        if self._closed:
            return
        self._closing = self._closed = True
        self._user = NOBODY
        self._inbox.clear()
        self._queue.clear()
        self._queued = 0
        for timer in (self._later, self._close_timer, self._idle_timer):
            if timer is not None and timer.active():
                timer.cancel()
        self._carrier.closed(self)

    # -- the carrier's side --------------------------------------------------------------------------------

    def arrived(self, data: bytes) -> None:
        """The peer sent a datagram."""
        self._heard_at = self._reactor.seconds()
        if self._closing or self._ending is not None or not data:
            return
        if not (self._paused or self._inbox):
            self._user.data_received(data)
        elif self._inbox_size + len(data) <= max(INBOX, SIZE_LIMIT):
            self._inbox.append(data)
            self._inbox_size += len(data)
        else:
            if not self.dropped:
                self._log.warn("{peer}: datagrams are dropped, nobody takes them", peer=self.peer)
            self.dropped += 1

    def flush(self) -> None:
        """There may be room for what waits."""
        while self._queue and self._send(self._queue[0]):
            if not self._queue:
                break  # ended meanwhile
            self._queued -= len(self._queue.popleft())
        if self._closing and not self._queue:
            self.abort()
        self._tell()

    def end(self, ending: Ending) -> None:
        """Nobody is there any more."""
        if self._ending is not None or self._closed:
            return
        self._ending = ending
        self._queue.clear()
        self._queued = 0
        if self._closing:
            self.abort()
        elif self._later is None:
            # From the reactor: this may have been found out by writing.
            self._later = self._reactor.callLater(0, self._go_on)

    # -- inside --------------------------------------------------------------------------------------------

    def _send(self, data: bytes) -> bool:
        """Whether the datagram is done with: sent, or the stream has ended."""
        if self._ending is not None:
            return True
        try:
            return self._carrier.send(self, data)
        except OSError as exc:
            self.end(ending(exc.errno or 0))
            return True

    def _tell(self) -> None:
        blocked = bool(self._queue)
        if blocked is not self._told and not self._closing:
            self._told = blocked
            if blocked:
                self._user.write_blocked()
            elif self._ending is None:
                self._user.write_drained()

    def _go_on(self) -> None:
        """Deliver what had to wait; an end is told to a user who is paused, too, after all before it."""
        self._later = None
        if self._user is NOBODY:
            return
        try:
            while self._inbox and (self._ending is not None or not self._paused):
                data = self._inbox.popleft()
                self._inbox_size -= len(data)
                self._user.data_received(data)
        except Exception as exc:
            # What the reactor does to a reader that raises, it does not do to a timer.
            self._log.failure("{peer}: the user of the stream failed", peer=self.peer)
            self._inbox.clear()
            self.end(Ending(Cause.ERROR, f"internal error: {exc}"))
            return
        if self._ending is not None and not (self._ended or self._closing):
            self._ended = True
            self._user.stream_ended(self._ending)

    def _look_idle(self) -> None:
        """One timer, set anew only when it was early: a datagram costs none."""
        left = self._heard_at + self._idle_s - self._reactor.seconds()
        if left > 0:
            self._idle_timer = self._reactor.callLater(left, self._look_idle)
        else:
            self.fell_silent = True
            self.end(Ending(Cause.TIMEOUT, f"nothing came for {self._idle_s:g} s"))


@implementer(IReadWriteDescriptor)
class DatagramSocket:
    """A non-blocking datagram socket on the reactor, which belongs to it from now on."""

    def __init__(self, reactor: Any, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._reactor = reactor
        self._sock = sock
        self._open = True
        self._reading = False
        self._room_timer: Any = None

    # -- for subclasses ------------------------------------------------------------------------------------

    def _arrived(self, data: bytes, address: Any) -> None:
        """A datagram came."""
        raise NotImplementedError

    def _room(self) -> None:
        """There may be room for what could not be sent."""
        raise NotImplementedError

    def _failed(self, code: int, reason: str) -> None:
        """Reading failed with this error number, 0 where the reason is our own."""
        raise NotImplementedError

    def read(self, on: bool) -> None:
        """Read, or stop reading."""
        if self._open and on is not self._reading:
            self._reading = on
            if on:
                self._reactor.addReader(self)
            else:
                self._reactor.removeReader(self)

    def transmit(self, data: bytes, address: Any = None) -> bool:
        """Send one datagram; False when there is no room now: then :meth:`_room` is called later.  Raises
        OSError."""
        try:
            if address is None:
                self._sock.send(data)
            else:
                self._sock.sendto(data, address)
        except OSError as exc:
            if exc.errno in (errno.EAGAIN, errno.EWOULDBLOCK):
                self._reactor.addWriter(self)
            elif exc.errno not in (errno.ENOBUFS, errno.ENOMEM):
                raise
            elif self._room_timer is None:  # the socket is not what is full: "writable" says nothing
                self._room_timer = self._reactor.callLater(AGAIN_S, self._try_again)
            return False
        return True

    def shut(self) -> None:
        """Close the socket."""
        if self._open:
            self._reactor.removeReader(self)
            self._reactor.removeWriter(self)
            self._open = False
            if self._room_timer is not None:
                self._room_timer.cancel()
            self._sock.close()

    def _try_again(self) -> None:
        self._room_timer = None
        self._room()

    # -- the reactor's side --------------------------------------------------------------------------------

    def doRead(self) -> None:
        for _ in range(READS):
            if not self._reading or not self._open:
                return
            try:
                data, address = self._sock.recvfrom(SIZE_LIMIT + 1)
            except BlockingIOError:
                return
            except OSError as exc:
                self._failed(exc.errno or 0, exc.strerror or str(exc))
                return
            self._arrived(data, address)

    def doWrite(self) -> None:
        self._reactor.removeWriter(self)
        self._room()

    def fileno(self) -> int:
        return self._sock.fileno() if self._open else -1

    def logPrefix(self) -> str:
        return "udp"

    def connectionLost(self, reason: Failure) -> None:
        """The reactor saw an error on the socket, or somebody's code raised; it watches no longer."""
        if self._open:
            self._reading = False
            code = self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            self._failed(code, os.strerror(code) if code else reason.getErrorMessage())


class _Connected(DatagramSocket):
    """The socket of one peer, which the system lets nobody else send to."""

    stream: UdpStream

    def send(self, stream: UdpStream, data: bytes) -> bool:
        return self.transmit(data)

    def pausing(self, stream: UdpStream, paused: bool) -> None:
        self.read(not paused)

    def closed(self, stream: UdpStream) -> None:
        self.shut()

    def _arrived(self, data: bytes, address: Any) -> None:
        self.stream.arrived(data)

    def _room(self) -> None:
        self.stream.flush()

    def _failed(self, code: int, reason: str) -> None:
        self.read(False)
        self.stream.end(ending(code) if code else Ending(Cause.ERROR, f"internal error: {reason}"))


def connect_udp(reactor: Any, where: Destination, *, size: int = SIZE, idle_s: float = 0.0) -> UdpStream:
    """A stream to ``where``; only datagrams from there are taken.  Nothing is sent, so whether anybody is
    there is not known: a refusal is told as an ending.  Raises OSError where there is no way there."""
    sock = socket.socket(where.family, socket.SOCK_DGRAM)
    try:
        sock.connect(where.sockaddr)
    except OSError:
        sock.close()
        raise
    carrier = _Connected(reactor, sock)
    carrier.stream = UdpStream(reactor, carrier, where.printable, size=size, idle_s=idle_s)
    return carrier.stream
