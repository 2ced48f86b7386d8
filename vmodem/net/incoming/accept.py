"""Taking connections from a listening socket of our own."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from typing import Any, Final

from twisted.internet.interfaces import IReadDescriptor
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

#: Connections taken in one wake-up; more of them would starve whoever is already connected.
ACCEPTS: Final = 16
#: How long to wait when no descriptor is left for a newcomer, in seconds; he waits in the kernel's queue.
SHORTAGE_S: Final = 0.5

_SHORTAGE: Final = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))


@implementer(IReadDescriptor)
class Acceptor:
    """Hands every connection to ``accepted(sock, address)``; ``sock`` is non-blocking and the callee's own.

    ``sock`` must be bound and listening; it belongs to the acceptor from now on.
    """

    _log = Logger()

    def __init__(
        self, reactor: Any, sock: socket.socket, accepted: Callable[[socket.socket, Any], None]
    ) -> None:
        sock.setblocking(False)
        self._reactor = reactor
        self._sock = sock
        self._accepted = accepted
        self._timer: Any = None
        self._stopped = False

    @property
    def address(self) -> Any:
        """The address that is listened on, as ``getsockname`` gives it."""
        return self._sock.getsockname()

    def start(self) -> None:
        """Begin to accept."""
        self._timer = None
        self._reactor.addReader(self)

    def stop(self) -> None:
        """Accept no more and close the listening socket; connections made live on."""
        if self._stopped:
            return
        self._reactor.removeReader(self)
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._sock.close()

    def doRead(self) -> None:
        for _ in range(ACCEPTS):
            try:
                sock, address = self._sock.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as exc:
                self._failed(exc)
                return
            sock.setblocking(False)
            try:
                self._accepted(sock, address)
            except Exception:
                self._log.failure("serving a new connection from {address!r} failed", address=address)
                sock.close()
            if self._stopped:
                return

    def _failed(self, exc: OSError) -> None:
        """Pause: the kernel keeps saying "readable" while the newcomer waits for a descriptor."""
        if exc.errno not in _SHORTAGE:
            self._log.warn("accepting a connection failed: {reason}", reason=exc.strerror)
        else:
            self._log.warn("a connection waits, none can be accepted: {reason}", reason=exc.strerror)
        self._reactor.removeReader(self)
        self._timer = self._reactor.callLater(SHORTAGE_S, self.start)

    def fileno(self) -> int:
        return -1 if self._stopped else self._sock.fileno()

    def logPrefix(self) -> str:
        return "acceptor"

    def connectionLost(self, reason: Failure) -> None:
        """The reactor gave the socket up; without it there is nothing left to do."""
        if not self._stopped:
            self._log.error("listening ended: {reason}", reason=reason.getErrorMessage())
            self.stop()
