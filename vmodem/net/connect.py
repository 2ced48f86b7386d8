"""Making connections: our own sockets, non-blocking, on the reactor.

A list of destinations is tried in order, the next one a quarter of a second after the last (RFC 8305 clause
5) or as soon as that failed; the first to answer wins and the others are closed.  There is no deadline here:
whoever asked cancels.

What does not belong here: names, and whether a destination is allowed.
"""

from __future__ import annotations

import enum
import errno
import os
import socket
from collections.abc import Callable, Sequence
from typing import Any, Final

from twisted.internet.interfaces import IReadWriteDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

from vmodem.net.address import Destination
from vmodem.net.heldup import tcp_stream
from vmodem.net.stream import FdStream

#: Head start of each attempt before the next begins, in seconds (RFC 8305 clause 5, "Connection Attempt
#: Delay").
STAGGER_S: Final = 0.25


class Trouble(enum.Enum):
    """Why no connection came about.  Later ones tell more: of several attempts the latest in this list
    counts."""

    NO_NETWORK = "no network"  # our own side cannot get out
    NO_ANSWER = "no answer"  # nobody there, or unreachable from somewhere beyond
    REFUSED = "refused"  # somebody there said no


_RANK: Final = list(Trouble)
_OURS: Final = frozenset(
    (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL, errno.EACCES, errno.EPERM)
)


def trouble(code: int, *, at_once: bool) -> Trouble:
    """What an error number of connect means.

    ``at_once`` is True when the system refused the attempt itself: then a missing route is our own; one that
    was reported later came from a router on the way.
    """
    if code in (errno.ECONNREFUSED, errno.ECONNRESET, errno.EAGAIN, errno.EPROTOTYPE):
        return Trouble.REFUSED  # EAGAIN: the queue of a Unix listener is full
    if code in (errno.ETIMEDOUT, errno.ENOENT, errno.EHOSTDOWN):
        return Trouble.NO_ANSWER
    if code in (errno.ENETUNREACH, errno.EHOSTUNREACH) and not at_once:
        return Trouble.NO_ANSWER
    if code in _OURS or at_once:
        return Trouble.NO_NETWORK
    return Trouble.NO_ANSWER


class Connecting:
    """A connection being made to the first of ``destinations`` that answers.

    Exactly one of ``connected(stream, destination)`` and ``failed(trouble, reason)`` is called, never before
    the constructor returned; neither after ``cancel()``.
    """

    def __init__(
        self,
        reactor: Any,
        destinations: Sequence[Destination],
        connected: Callable[[FdStream, Destination], None],
        failed: Callable[[Trouble, str], None],
        *,
        stagger_s: float = STAGGER_S,
    ) -> None:
        self._reactor = reactor
        self._waiting = list(destinations)
        self._connected = connected
        self._failed = failed
        self._stagger_s = stagger_s
        self._attempts: set[_Attempt] = set()
        self._worst: tuple[Trouble, str] = (Trouble.NO_NETWORK, "no address to connect to")
        self._over = False
        self._timer: Any = reactor.callLater(0, self._next)

    def cancel(self) -> None:
        """Give up: every socket and timer is gone when this returns."""
        if self._over:
            return
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for attempt in list(self._attempts):
            attempt.abandon()
        self._attempts.clear()

    def _next(self) -> None:
        """Start one attempt, and see to it that the next one follows."""
        self._timer = None
        while self._waiting:
            target = self._waiting.pop(0)
            if self._start(target):
                if self._waiting:
                    self._timer = self._reactor.callLater(self._stagger_s, self._next)
                return
        if not self._attempts:
            self._over = True
            self._failed(*self._worst)

    def _start(self, target: Destination) -> bool:
        """Whether the attempt is under way."""
        sock: socket.socket | None = None
        try:
            sock = socket.socket(target.family, socket.SOCK_STREAM)
            sock.setblocking(False)
            code = sock.connect_ex(target.sockaddr)
            reason = os.strerror(code)
        except (OSError, ValueError) as exc:
            code, reason = getattr(exc, "errno", None) or errno.EINVAL, str(exc)
        if sock is not None and code in (0, errno.EINPROGRESS):
            attempt = _Attempt(self, sock, target)
            self._attempts.add(attempt)
            self._reactor.addWriter(attempt)
            return True
        if sock is not None:
            sock.close()
        self._note(target, trouble(code, at_once=True), reason)
        return False

    def _note(self, target: Destination, kind: Trouble, reason: str) -> None:
        known = self._worst[0]
        if _RANK.index(kind) >= _RANK.index(known):
            self._worst = (kind, f"{target.printable}: {reason}")

    def _settled(self, attempt: _Attempt, sock: socket.socket, code: int) -> None:
        """The system knows how an attempt ended."""
        self._attempts.discard(attempt)
        if code == 0 and _is_self(sock):
            code = errno.ECONNREFUSED
        if code:
            sock.close()
            self._note(attempt.target, trouble(code, at_once=False), os.strerror(code))
            if self._timer is not None:
                self._timer.cancel()
            self._next()
            return
        self.cancel()
        self._connected(tcp_stream(self._reactor, sock, attempt.target.printable), attempt.target)


@implementer(IReadWriteDescriptor)
class _Attempt:
    """One socket that is waiting for its connection."""

    def __init__(self, owner: Connecting, sock: socket.socket, target: Destination) -> None:
        self.target = target
        self._owner = owner
        self._sock = sock
        self._settled = False

    def abandon(self) -> None:
        self._settled = True
        self._owner._reactor.removeWriter(self)
        self._sock.close()

    def doWrite(self) -> None:
        if self._settled:
            return
        self._settled = True
        self._owner._reactor.removeWriter(self)
        code = self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        self._owner._settled(self, self._sock, code)

    def doRead(self) -> None:
        pass  # never watched for reading

    def connectionLost(self, reason: Failure) -> None:
        """Some reactors report a refused connection so."""
        self.doWrite()

    def fileno(self) -> int:
        return self._sock.fileno()

    def logPrefix(self) -> str:
        return "connecting"


def _is_self(sock: socket.socket) -> bool:
    """Whether the socket met itself: TCP allows it (RFC 9293 clause 3.5, simultaneous open) when the port
    dialled happens to be the one the system chose for our own end."""
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return False
    try:
        return bool(sock.getsockname() == sock.getpeername())
    except OSError:
        return False
