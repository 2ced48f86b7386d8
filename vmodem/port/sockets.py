"""Equipment that connects to a socket of ours: an emulator, a virtual machine, a program.

There is one client at a time; another is closed at once.

What does not belong here: who may connect (the sockets are on this machine unless the LINE says otherwise).
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from vmodem.net.incoming.connection import Incoming
from vmodem.net.incoming.listen import Listener
from vmodem.net.incoming.spec import ListenError
from vmodem.net.stream import Cause, Ending
from vmodem.port.base import PortError, PortUser
from vmodem.port.plain import LAST_WORDS_S, StreamPort


class SocketPort(StreamPort):
    """What ports on TCP and Unix sockets have in common."""

    _listener: Listener | None = None

    def _listen_text(self) -> str:
        """The LISTEN string of the socket."""
        raise NotImplementedError

    def start(self, user: PortUser) -> None:
        """Listen.  Raises :class:`PortError` for an address that is in use or not ours."""
        super().start(user)
        try:
            self._listener = Listener(self._reactor, self._listen_text(), self._connected)
            self._listener.start()
        except ListenError as exc:
            raise PortError(f"{self.description}: {exc}.") from exc

    def stop(self) -> Deferred[None]:
        stream, first = self._stream, self._stopped is None
        if self._listener is not None:
            self._listener.stop()
        stopped = super().stop()
        if first and stream is not None:
            stream.close(LAST_WORDS_S)
        return stopped

    def _connected(self, incoming: Incoming) -> None:
        if self._stream is not None or self._stopped is not None:
            self._log.info(
                "{line}: {peer} refused, a client is there",
                line=self.description,
                peer=incoming.peer.printable,
            )
            incoming.stream.abort()
            return
        incoming.closed = lambda: self._closed(incoming)
        self._come(incoming.stream)

    def _closed(self, incoming: Incoming) -> None:
        """The client's socket is closed."""
        if self._stopped is not None and incoming.stream is self._stream:
            self._stream = None
            self._finish_stop()

    def stream_ended(self, ending: Ending) -> None:
        """The client is gone, or sends no more, which is the same."""
        if ending.cause not in (Cause.FINISHED, Cause.RESET):
            self._log.info("{line}: client lost: {reason}", line=self.description, reason=ending.detail)
        stream = self._go()
        if stream is not None:
            stream.close(LAST_WORDS_S)
            self._gone()


class TcpPort(SocketPort):
    """``tcp:PORT``: raw bytes over TCP.  Port 0 takes a free one, see :attr:`port`."""

    def __init__(
        self, reactor: Any, port: int, *, interface: str = "127.0.0.1", description: str = ""
    ) -> None:
        super().__init__(reactor, description or f"tcp:{port}")
        self._wanted, self._interface = port, interface

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return self._wanted if self._listener is None else self._listener.port

    def _listen_text(self) -> str:
        # An empty host means every address to both.
        interface = self._interface.replace("\\", "\\\\").replace(":", "\\:")
        return f"tcp:{self._wanted}:interface={interface}"


class UnixPort(SocketPort):
    """``unix:PATH``: the same over a Unix socket; ``mode`` is the permission bits of PATH."""

    def __init__(self, reactor: Any, path: str, *, mode: int = 0o600, description: str = "") -> None:
        super().__init__(reactor, description or f"unix:{path}")
        self._path, self._mode = path, mode

    def _listen_text(self) -> str:
        path = self._path.replace("\\", "\\\\").replace(":", "\\:").replace("=", "\\=")
        return f"unix:{path}:mode={self._mode:o}"
