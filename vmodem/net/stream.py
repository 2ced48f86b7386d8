"""Byte streams with back-pressure, and the one that sits on a descriptor of our own.

Everything that carries a call's or a DTE's bytes is a :class:`Stream`: a pseudo-terminal, a serial port, a
socket, a program.  Two of them joined by a driver make the byte path, so the rules of that path live here:

* what can be written is written at once; only what the kernel refuses is kept, and from that moment the user
  is told (``write_blocked``) so that it stops the other side.  Nothing else is back-pressure;
* bytes are handed over in the chunks in which they were read, never one by one;
* no timer runs and no wake-up happens while nothing is going on.

What does not belong here: what the bytes mean, and where a stream came from.
"""

from __future__ import annotations

import enum
import errno
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from twisted.internet import error
from twisted.internet.interfaces import IReadWriteDescriptor
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

READ_SIZE: Final = 65536
#: One read of a tty gives at most this many bytes, whatever is asked for: so many means "more is likely".
TTY_READ: Final = 4095
#: Further reads of one wake-up after a full one; more of them would let one line starve the others.
MORE_READS: Final = 3
#: How long an orderly close waits for the peer's end of stream while discarding what still arrives, in
#: seconds.
LINGER_S: Final = 5.0
#: Bounds what is read out of a descriptor whose peer is gone for good (the kernel's own buffers are smaller).
REST_LIMIT: Final = 1 << 20


class Cause(enum.Enum):
    """Why a stream ended."""

    FINISHED = "closed by the peer"
    RESET = "reset by the peer"
    TIMEOUT = "the peer no longer answers"
    DEVICE = "the device is gone"
    ERROR = "failed"


@dataclass(frozen=True)
class Ending:
    """Why a stream ended, with the operating system's own words in ``detail``."""

    cause: Cause
    detail: str

    @classmethod
    def of(cls, exc: OSError) -> Ending:
        """The ending that an error of read or write means."""
        if exc.errno in (errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED):
            cause = Cause.RESET
        elif exc.errno in (errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH):
            cause = Cause.TIMEOUT
        elif exc.errno in (errno.EIO, errno.ENXIO, errno.ENODEV, errno.EBADF):
            cause = Cause.DEVICE
        else:
            cause = Cause.ERROR
        return cls(cause, exc.strerror or str(exc))


class StreamUser(Protocol):
    """What a stream tells whoever uses it."""

    def data_received(self, data: bytes) -> None:
        """A chunk arrived; never empty."""

    def write_blocked(self) -> None:
        """The other end takes no more for now: stop writing soon."""

    def write_drained(self) -> None:
        """Everything written has been taken; write again."""

    def stream_ended(self, ending: Ending) -> None:
        """No byte will come any more.  Told once, after the last chunk; the stream still wants a close()."""


def unheard() -> None:
    """Nobody wants to know."""


class Stream(Protocol):
    """One end of a two-way byte stream."""

    #: Who is at the other end, for people; may hold anything, escape before showing.
    peer: str
    #: Called when the far end sends a break.  Whoever wants to hear of it puts a callable here; streams that
    #: have no way to carry one never call it.
    break_received: Callable[[], None]

    def start(self, user: StreamUser) -> None:
        """Begin reading for ``user``; called again it hands the stream to another user."""

    def write(self, data: bytes) -> None:
        """Send; whatever cannot be sent yet is kept, in order."""

    @property
    def backlog(self) -> int:
        """Bytes written but not yet taken."""

    def send_break(self, seconds: float, expedited: bool) -> None:
        """Send a break behind what is pending, or before it.  No effect where the stream has no way to carry
        one: a raw connection has none."""

    def discard_pending(self) -> None:
        """Forget what was written but not yet taken, as far as it can be got hold of."""

    def pause(self) -> None:
        """Stop reading."""

    def resume(self) -> None:
        """Read again."""

    def close(self, drain_s: float) -> None:
        """End in order: send what is pending (for at most ``drain_s`` seconds), then the end of stream, then
        discard what the peer still sends until it ends too.  The user hears nothing any more."""

    def abort(self) -> None:
        """End at once; pending bytes are lost.  The user hears nothing any more."""


class _Nobody:
    """The user of a stream that is being closed."""

    def data_received(self, data: bytes) -> None:
        pass

    def write_blocked(self) -> None:
        pass

    def write_drained(self) -> None:
        pass

    def stream_ended(self, ending: Ending) -> None:
        pass


NOBODY: Final = _Nobody()


@implementer(IReadWriteDescriptor)
class FdStream:
    """A stream on a non-blocking descriptor: pseudo-terminal, serial port or socket.

    ``owner`` is kept alive with the stream (a socket object, say); when it has a ``close`` method that is
    called instead of closing ``fd``.  ``write_fd`` is given where writing has a descriptor of its own
    (standard output).  ``on_closed`` is called once when the descriptor has been closed.
    """

    _log = Logger()
    break_received: Callable[[], None] = staticmethod(unheard)

    def __init__(
        self,
        reactor: Any,
        fd: int,
        *,
        owner: Any = None,
        peer: str = "",
        write_fd: int | None = None,
        on_closed: Callable[[], None] | None = None,
    ) -> None:
        self.peer = peer
        self._reactor = reactor
        self._fd = fd
        self._write_fd = fd if write_fd is None else write_fd
        self._owner = owner
        self._on_closed = on_closed
        self._user: StreamUser = NOBODY
        self._received: Callable[[bytes], None] = NOBODY.data_received
        self._pending = bytearray()
        self._reading = False
        self._ended = False
        self._closing = False
        self._closed = False
        self._half_closed = False
        self._timer: Any = None
        self._writer: Any = self if self._write_fd == fd else _Writer(self)

    # -- the byte path -------------------------------------------------------------------------------------

    def doRead(self) -> None:
        try:
            data = os.read(self._fd, READ_SIZE)
            if len(data) == TTY_READ:
                data = self._read_more(data)
        except BlockingIOError:
            return
        except OSError as exc:
            self._end(Ending.of(exc))
            return
        if data:
            self._received(data)
        else:
            self._end(Ending(Cause.FINISHED, "end of stream"))

    def write(self, data: bytes) -> None:
        if self._pending:
            self._pending += data
            return
        if self._half_closed or self._closed:
            return
        try:
            sent = os.write(self._write_fd, data)
        except BlockingIOError:
            sent = 0
        except OSError as exc:
            # Told by the reactor: whoever writes must not hear of an end in the middle of what he does.
            self._half_closed = True
            self._reactor.callLater(0, self._write_failed, exc)
            return
        if sent < len(data):
            self._pending += memoryview(data)[sent:]
            self._reactor.addWriter(self._writer)
            self._user.write_blocked()

    def _read_more(self, first: bytes) -> bytes:
        chunks = [first]
        try:
            for _ in range(MORE_READS):
                chunk = os.read(self._fd, READ_SIZE)
                chunks.append(chunk)
                if len(chunk) != TTY_READ:
                    break
        except OSError:
            pass  # nothing more for now, or an end that the next read will find again
        return b"".join(chunks)

    def doWrite(self) -> None:
        try:
            sent = os.write(self._write_fd, self._pending)
        except BlockingIOError:
            return
        except OSError as exc:
            self._write_failed(exc)
            return
        del self._pending[:sent]
        if self._pending:
            return
        self._reactor.removeWriter(self._writer)
        if self._closing:
            self._say_goodbye()
        else:
            self._user.write_drained()

    # -- user's side ---------------------------------------------------------------------------------------

    def start(self, user: StreamUser) -> None:
        self._user = user
        self._received = user.data_received
        self.resume()

    @property
    def backlog(self) -> int:
        return len(self._pending)

    @property
    def reading(self) -> bool:
        """Whether arriving bytes are read at present."""
        return self._reading

    def pause(self) -> None:
        if self._reading:
            self._reading = False
            self._reactor.removeReader(self)

    def resume(self) -> None:
        if not (self._reading or self._ended or self._closed):
            self._reading = True
            self._reactor.addReader(self)

    def send_break(self, seconds: float, expedited: bool) -> None:
        """Bytes are all that goes through a descriptor."""

    def discard_pending(self) -> None:
        """Forget what was written but not yet taken: nobody is there to take it."""
        if self._pending:
            self._pending.clear()
            self._reactor.removeWriter(self._writer)

    def finish(self, ending: Ending) -> None:
        """The other end is known to be gone: hand over what it had sent, even while paused, then end."""
        if not (self._ended or self._closed):
            self._read_rest()
            self._end(ending)

    def end_output(self) -> bool:
        """End our direction alone: the peer sees the end of stream, and what it still sends is read on.  To
        be called with nothing pending; False where a direction cannot end by itself."""
        if self._pending or self._closed or not isinstance(self._owner, socket.socket):
            return False
        try:
            self._owner.shutdown(socket.SHUT_WR)
        except OSError:
            return False
        self._half_closed = True
        return True

    def close(self, drain_s: float) -> None:
        if self._closing or self._closed:
            return
        self._closing = True
        self._user = NOBODY
        self._received = NOBODY.data_received
        if self._pending:
            self._set_timer(drain_s)
            self.resume()  # a peer that waits for us to read would never take the rest
        else:
            self._say_goodbye()

    def abort(self) -> None:
        if self._closed:
            return
        self._unwatch()  # first: a reactor finds a descriptor by its number
        self._closed = self._closing = True
        self._user = NOBODY
        self._received = NOBODY.data_received
        self._cancel_timer()
        self._pending.clear()
        try:
            if self._owner is not None and hasattr(self._owner, "close"):
                self._owner.close()
            elif self._fd >= 0:
                os.close(self._fd)
        except OSError as exc:
            self._log.debug("closing {peer}: {reason}", peer=self.peer, reason=str(exc))
        if self._on_closed is not None:
            self._on_closed()

    # -- ends ----------------------------------------------------------------------------------------------

    def _unwatch(self) -> None:
        self._reading = False
        self._reactor.removeReader(self)
        self._reactor.removeWriter(self._writer)

    def _end(self, ending: Ending) -> None:
        """No more input; tell the user once, or finish an orderly close."""
        if self._ended or self._closed:
            return
        self._ended = True
        if self._reading:
            self._reading = False
            self._reactor.removeReader(self)
        if ending.cause is not Cause.FINISHED:
            self._pending.clear()
            self._reactor.removeWriter(self._writer)
            self._half_closed = True
        if self._closing:
            if not self._pending:
                self.abort()
            return
        self._user.stream_ended(ending)

    def _write_failed(self, exc: OSError) -> None:
        """The other end takes nothing any more: hand over what it had still sent, then end."""
        if self._closed:
            return
        self._pending.clear()
        self._half_closed = True
        self._reactor.removeWriter(self._writer)
        self.finish(Ending.of(exc))

    def _read_rest(self) -> None:
        taken = 0
        while taken < REST_LIMIT and not self._closed:
            try:
                data = os.read(self._fd, READ_SIZE)
            except OSError:
                return
            if not data:
                return
            taken += len(data)
            self._received(data)

    def _say_goodbye(self) -> None:
        """Everything is sent: end our direction, and wait a little for the peer's end."""
        if self._ended or not isinstance(self._owner, socket.socket):
            self.abort()
            return
        self._half_closed = True
        try:
            self._owner.shutdown(socket.SHUT_WR)
        except OSError:
            self.abort()
            return
        self._set_timer(LINGER_S)
        self.resume()

    def _set_timer(self, seconds: float) -> None:
        self._cancel_timer()
        self._timer = self._reactor.callLater(seconds, self._timed_out)

    def _cancel_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    def _timed_out(self) -> None:
        self._timer = None
        self.abort()

    # -- the reactor's side --------------------------------------------------------------------------------

    def fileno(self) -> int:
        return -1 if self._closed else self._fd

    def logPrefix(self) -> str:
        return "stream"

    def connectionLost(self, reason: Failure) -> None:
        """The reactor saw a hang-up (perhaps with input still waiting), or our user raised."""
        if self._closed:
            return
        if _is_hang_up(reason):
            if self._write_fd != self._fd:
                # Standard input's end only: the way out is another descriptor and stays open.
                self.finish(Ending(Cause.FINISHED, "end of stream"))
            else:
                self.finish(Ending(Cause.DEVICE if self._owner is None else Cause.RESET, "hung up"))
        else:
            self._end(Ending(Cause.ERROR, "internal error: " + reason.getErrorMessage()))
        if self._closing:
            self.abort()


def _is_hang_up(reason: Failure) -> bool:
    """Whether a reactor's reason is the descriptor's own end, not an error in our code."""
    return isinstance(reason.value, (error.ConnectionDone, error.ConnectionLost))


class _Writer:
    """The writing half of a stream whose two directions have different descriptors."""

    def __init__(self, stream: FdStream) -> None:
        self._stream = stream

    def fileno(self) -> int:
        return -1 if self._stream._closed else self._stream._write_fd

    def logPrefix(self) -> str:
        return "stream"

    def doWrite(self) -> None:
        self._stream.doWrite()

    def connectionLost(self, reason: Failure) -> None:
        if _is_hang_up(reason):
            self._stream._write_failed(OSError(errno.EPIPE, os.strerror(errno.EPIPE)))
        else:
            self._stream.connectionLost(reason)
