"""The services that can be dialled inside this program.

Each is a peer at the far end of a socket pair: its bytes go the same way as any call's, and the kernel's
buffers are all that lies between.  What does not belong here: programs (:mod:`vmodem.call.program`).
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

from vmodem.net.stream import Ending, FdStream, Stream

from .directory import Match

#: How long a page may take to be read before the rest is given up, in seconds.
PAGE_S: Final = 600.0
#: Entries shown on the help page, and characters of each field.
ENTRIES: Final = 200
FIELD: Final = 48
#: Blocks written in one turn of the reactor; more than the kernel buffers, so that it only ends a futile
#: loop.
TURNS: Final = 64


def start(reactor: Any, kind: str, page: Callable[[], str]) -> FdStream:
    """Begin a service (``help``, ``echo``, ``clock``, ``chargen`` or ``discard``) and return the caller's
    end.

    ``page`` gives the text of ``help``.  Raises OSError when no descriptor is left.
    """
    near, far = pair()
    if kind == "help":
        _Page(_stream(reactor, far, kind), page().encode("ascii", "replace"))
    elif kind == "clock":
        _Page(_stream(reactor, far, kind), f"{time.asctime(time.gmtime())} UTC\r\n".encode("ascii"))
    elif kind == "chargen":
        _Generator(reactor, _stream(reactor, far, kind))
    else:
        try:
            _adopt(reactor, far, kind)
        finally:
            far.close()
    return _stream(reactor, near, kind)


def pair() -> tuple[socket.socket, socket.socket]:
    """Two joined sockets, non-blocking.  Raises OSError."""
    near, far = socket.socketpair()
    near.setblocking(False)
    far.setblocking(False)
    return near, far


def _stream(reactor: Any, sock: socket.socket, peer: str) -> FdStream:
    return FdStream(reactor, sock.fileno(), owner=sock, peer=peer)


def _adopt(reactor: Any, sock: socket.socket, kind: str) -> None:
    """Put one of Twisted's own small services (RFC 862, 863) on a socket; a duplicate of it is kept."""
    from twisted.internet.interfaces import IHalfCloseableProtocol
    from twisted.internet.protocol import Factory
    from twisted.protocols import wire
    from zope.interface import implementer

    @implementer(IHalfCloseableProtocol)
    class Echo(wire.Echo):
        def readConnectionLost(self) -> None:
            # The caller has ended his direction only: what he sent before still goes back to him.
            transport: Any = self.transport
            transport.unregisterProducer()
            transport.loseConnection()

        def writeConnectionLost(self) -> None:
            pass

        def connectionMade(self) -> None:
            # Its own producer: while the caller reads nothing, nothing is read from him either.
            transport: Any = self.transport
            transport.registerProducer(transport, True)

    factory = Factory.forProtocol(Echo if kind == "echo" else wire.Discard)
    factory.noisy = False
    reactor.adoptStreamConnection(sock.fileno(), socket.AF_UNIX, factory)


class _Peer:
    """The far end of a service that only speaks."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._blocked = False
        self._ended = False

    def data_received(self, data: bytes) -> None:
        pass

    def write_blocked(self) -> None:
        self._blocked = True

    def write_drained(self) -> None:
        self._blocked = False

    def stream_ended(self, ending: Ending) -> None:
        self._ended = True
        self._stream.abort()


class _Page(_Peer):
    """Sends a text and closes."""

    def __init__(self, stream: Stream, text: bytes) -> None:
        super().__init__(stream)
        stream.start(self)
        stream.write(text)
        stream.close(PAGE_S)


class _Generator(_Peer):
    """The character generator (RFC 864): 95 lines of 72 characters, each beginning one further, without
    end."""

    BLOCK: Final = b"".join(
        bytes(0x20 + (start + column) % 95 for column in range(72)) + b"\r\n" for start in range(95)
    )

    def __init__(self, reactor: Any, stream: Stream) -> None:
        super().__init__(stream)
        self._reactor = reactor
        stream.start(self)
        self._more()

    def write_drained(self) -> None:
        super().write_drained()
        self._more()

    def _more(self) -> None:
        for _ in range(TURNS):
            if self._blocked or self._ended:
                return
            self._stream.write(self.BLOCK)
        self._reactor.callLater(0, self._more)


def help_page(name: str, number: str, matches: Iterable[Match]) -> str:
    """The page that the help number gives: printable ASCII and CR LF only, whatever the directory holds."""
    lines = ["", f"{_shown(name) or 'vmodem'}" + (f", number {_shown(number)}" if number else ""), ""]
    lines += ["You can dial (ATDT and the number):", ""]
    shown = 0
    for match in matches:
        shown += 1
        if shown <= ENTRIES:
            lines.append(f"  {_shown(match.rule):<16} {_shown(_described(match))}".rstrip())
    if shown > ENTRIES:
        lines.append(f"  ... and {shown - ENTRIES} more")
    lines += [
        "",
        "Back to command state during a call: pause a second, type +++, pause a second.",
        "Then ATH hangs up, and ATO returns to the call.",
        "",
    ]
    return "".join(f"{line}\r\n" for line in lines)


def _described(match: Match) -> str:
    # A command line may hold what callers need not know.
    target = match.entry.target
    return match.entry.note or ("a program" if target.kind == "exec" else str(target))


def _shown(text: str) -> str:
    """Printable ASCII: what a directory holds may be anything, and the reader is a terminal."""
    plain = "".join(char if " " <= char <= "~" else "?" for char in text[: FIELD + 1])
    return plain if len(plain) <= FIELD else plain[: FIELD - 3] + "..."
