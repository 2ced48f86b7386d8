"""A line on a socket: the DTE is a program that connects (an emulator, a virtual machine).

A client is the DTE, its connection is DTR, and there is one at a time.
"""

from __future__ import annotations

import abc
import errno
import os
import select
import socket
import stat
from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from vmodem.line.base import LineError, LineUser
from vmodem.line.streamed import StreamedLine
from vmodem.net.heldup import tcp_stream
from vmodem.net.incoming.accept import Acceptor
from vmodem.net.stream import NOBODY, Cause, Ending, FdStream
from vmodem.tty.poller import shared_poller

#: How often the client of a paused line is looked at while a call is up, in seconds.
CALL_POLL_S: Final = 0.05
#: The same while there is none, and nothing but the place of the next client is waiting for it.
IDLE_POLL_S: Final = 1.0
#: How long a client may read what was written before the line was stopped, in seconds.
LAST_WORDS_S: Final = 0.3
#: How long a client that has ended its sending may go on reading, in seconds.
DRAIN_S: Final = 1.0
#: Receive buffer of a client's socket, in bytes.  It bounds what has to be taken over when a client leaves in
#: the middle of a paused call; left to the kernel it would grow to megabytes.
RECEIVE_BUFFER: Final = 256 * 1024

_ENDED: Final = getattr(select, "POLLRDHUP", 0)


def _discard(data: bytes) -> None:
    """No client is there."""


class SocketLine(StreamedLine):
    """What lines on TCP and Unix sockets have in common."""

    _log = Logger()

    def __init__(self, reactor: Any, description: str) -> None:
        self.description = description
        self.write = _discard
        self._reactor = reactor
        self._acceptor: Acceptor | None = None
        self._stream: FdStream | None = None
        self._leaving: set[FdStream] = set()
        self._paused = False
        self._in_call = False
        self._when_sent: Callable[[], None] | None = None
        self._stopped: Deferred[None] | None = None
        self._timer: Any = None

    @abc.abstractmethod
    def _listen(self) -> socket.socket:
        """A listening socket.  Raises :class:`OSError` or :class:`LineError`."""

    # -- the contract --------------------------------------------------------------------------------------

    def start(self, user: LineUser) -> None:
        """Listen.  Raises :class:`LineError` for an address that is in use or not ours."""
        self._user = user
        self.data_received = user.dte_received
        try:
            sock = self._listen()
        except OSError as exc:
            raise LineError(
                f"{self.description}: cannot listen there ({exc.strerror}); name another address."
            ) from exc
        self._acceptor = Acceptor(self._reactor, sock, self._connected)
        self._acceptor.start()

    def stop(self) -> Deferred[None]:
        if self._stopped is not None:
            return self._stopped
        stopped = self._stopped = Deferred()
        if self._acceptor is not None:
            self._acceptor.stop()
        self.write = _discard
        self.data_received = NOBODY.data_received
        self._finish_sent()
        for leaving in list(self._leaving):
            leaving.abort()
        stream = self._stream
        if stream is None:
            stopped.callback(None)
            return stopped
        self._let_go()
        self._update_polling()
        stream.close(LAST_WORDS_S)
        if self._stream is not None:  # it waits for the client
            self._timer = self._reactor.callLater(LAST_WORDS_S, stream.abort)
        return stopped

    @property
    def attached(self) -> bool:
        return self._stream is not None

    @property
    def rate(self) -> int:
        return 0

    def pause(self) -> None:
        super().pause()
        self._update_polling()

    def resume(self) -> None:
        super().resume()
        self._update_polling()

    def call_active(self, active: bool) -> None:
        self._in_call = active
        self._update_polling()

    def when_sent(self, done: Callable[[], None]) -> None:
        self._when_sent = done
        if not self.backlog:
            self._finish_sent()

    # -- clients -------------------------------------------------------------------------------------------

    def _connected(self, sock: socket.socket, address: Any) -> None:
        peer = f"{address[0]}:{address[1]}" if isinstance(address, tuple) else "local"
        if self._stream is not None:
            self._log.info("{line}: {peer} refused, a client is there", line=self.description, peer=peer)
            sock.close()
            return
        stream = tcp_stream(self._reactor, sock, peer, lambda: self._closed(stream))
        self._stream = stream
        self.write = stream.write
        self._user.dtr_changed(True)
        if self._stream is stream and self._stopped is None:
            self._begin(stream)
            self._update_polling()

    def write_blocked(self) -> None:
        if self._stopped is None:
            self._user.dte_blocked()

    def write_drained(self) -> None:
        self._finish_sent()
        if self._stopped is None:
            self._user.dte_drained()

    def stream_ended(self, ending: Ending) -> None:
        """The client is gone, or sends no more, which is the same: the place is free for the next one."""
        stream = self._stream
        self._end()
        if ending.cause not in (Cause.FINISHED, Cause.RESET):
            self._log.info("{line}: client lost: {reason}", line=self.description, reason=ending.detail)
        self.write = _discard
        self._update_polling()
        if stream is not None:
            self._leaving.add(stream)
            stream.close(DRAIN_S)
        self._finish_sent()
        self._user.dte_left()
        self._user.dtr_changed(False)

    def _closed(self, stream: FdStream) -> None:
        """A client's socket is closed."""
        self._leaving.discard(stream)
        if self._stream is stream:
            self._end()
            if self._timer is not None and self._timer.active():
                self._timer.cancel()
            self._timer = None
            if self._stopped is not None and not self._stopped.called:
                self._stopped.callback(None)

    def _update_polling(self) -> None:
        """A client that leaves is seen by reading; only while that is stopped must it be looked for."""
        looked_for = self._stream is not None and self._paused and self._stopped is None
        for poll_s, due in ((CALL_POLL_S, self._in_call), (IDLE_POLL_S, not self._in_call)):
            poller = shared_poller(self._reactor, poll_s)
            if looked_for and due:
                poller.add(self._poll)
            else:
                poller.remove(self._poll)

    def _poll(self) -> None:
        stream = self._stream
        if stream is None:
            return
        poll = select.poll()
        poll.register(stream.fileno(), _ENDED)
        if poll.poll(0):
            stream.finish(Ending(Cause.FINISHED, "closed by the client"))

    def _finish_sent(self) -> None:
        done, self._when_sent = self._when_sent, None
        if done is not None:
            done()


class TcpLine(SocketLine):
    """``tcp:PORT``: raw bytes over TCP.  Port 0 takes a free one; ``description`` tells which, once
    started."""

    def __init__(
        self, reactor: Any, port: int, *, interface: str = "127.0.0.1", description: str = ""
    ) -> None:
        super().__init__(reactor, description or f"tcp:{port}:interface={interface}")
        self.interface = interface
        self.port = port

    def _listen(self) -> socket.socket:
        family, kind, protocol, _, address = socket.getaddrinfo(
            self.interface, self.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)  # clients inherit it
            sock.bind(address)
            sock.listen(8)
        except BaseException:
            sock.close()
            raise
        self.port = sock.getsockname()[1]
        interface = self.interface.replace(":", "\\:")
        self.description = f"tcp:{self.port}:interface={interface}"
        return sock


class UnixLine(SocketLine):
    """``unix:PATH``: the same over a Unix socket; ``mode`` is the permission bits of PATH."""

    def __init__(self, reactor: Any, path: str, *, mode: int | None = None, description: str = "") -> None:
        super().__init__(reactor, description or f"unix:{path}")
        self.path = path
        self._mode = mode
        self._identity: tuple[int, int] | None = None

    def stop(self) -> Deferred[None]:
        if self._identity is not None and self._identity == _identity(self.path):
            os.unlink(self.path)
        self._identity = None
        return super().stop()

    def _listen(self) -> socket.socket:
        self._make_way()
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            # The mode is right from the first moment: changed afterwards, somebody could be quicker.
            mask = None if self._mode is None else os.umask(0o777 & ~self._mode)
            try:
                sock.bind(self.path)
            finally:
                if mask is not None:
                    os.umask(mask)
            self._identity = _identity(self.path)
            sock.listen(8)
        except BaseException:
            sock.close()
            raise
        return sock

    def _make_way(self) -> None:
        """Remove the socket file of a program that is no more."""
        try:
            mode = os.lstat(self.path).st_mode
        except FileNotFoundError:
            return
        if not stat.S_ISSOCK(mode):
            raise LineError(f"{self.path} is something else than a socket; remove it or name another path.")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.setblocking(False)
            if probe.connect_ex(self.path) != errno.ECONNREFUSED:
                raise LineError(f"{self.path} is served by another program; stop it or name another path.")
        os.unlink(self.path)


def _identity(path: str) -> tuple[int, int] | None:
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino
