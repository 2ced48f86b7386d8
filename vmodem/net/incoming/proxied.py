"""The PROXY protocol: who really calls, as a proxy in front of a listener says it.

HAProxy's "The PROXY protocol", versions 1 and 2.  The header stands before the call's own bytes; it is read
to its last byte and no further, so that what follows stays in the socket for the call.

What does not belong here: believing a header anywhere but on a listener declared to be behind a proxy.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Callable
from typing import Any, Final

from twisted.internet.interfaces import IReadDescriptor
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

#: Longest header of version 1 (clause 2.1), and the longest of version 2 that is read, in bytes.
V1_LIMIT: Final = 107
V2_LIMIT: Final = 2048
#: How long a header may take to arrive, in seconds.
HEADER_S: Final = 10.0
#: Connections that may wait for their header at one time, for each listener.
WAITING: Final = 32

_V2_START: Final = b"\r\n\r\n\x00\r\nQUIT\n"
_V2_FIXED: Final = 16

#: Source address and port; None where the proxy speaks for itself or does not know.
Source = tuple[str, int] | None


class HeaderError(ValueError):
    """What arrived is no PROXY header."""


class Proxied:
    """Reads the header of each connection of one listener, then hands the connection to
    ``accepted(sock, sockaddr)``, the address being the one in the header."""

    _log = Logger()

    def __init__(self, reactor: Any, accepted: Callable[[socket.socket, Any], None]) -> None:
        self.reactor = reactor
        self._accepted = accepted
        self._waiting: set[_Reader] = set()

    def take(self, sock: socket.socket, sockaddr: Any) -> None:
        """A proxy connected."""
        if len(self._waiting) >= WAITING:
            self._log.warn("too many connections wait for a PROXY header; one more is closed")
            sock.close()
            return
        self._waiting.add(_Reader(self, sock, sockaddr))

    def stop(self) -> None:
        """Close whatever still waits."""
        for reader in list(self._waiting):
            reader.fail("the listener is closed")

    def done(self, reader: _Reader, sock: socket.socket, sockaddr: Any) -> None:
        """A header is complete."""
        self._waiting.discard(reader)
        try:
            self._accepted(sock, sockaddr)
        except Exception:
            self._log.failure("serving a proxied connection failed")
            sock.close()

    def failed(self, reader: _Reader, reason: str) -> None:
        """No header came."""
        self._waiting.discard(reader)
        self._log.warn("connection without a PROXY header closed: {reason}", reason=reason)


@implementer(IReadDescriptor)
class _Reader:
    """One connection that waits for its header."""

    def __init__(self, owner: Proxied, sock: socket.socket, sockaddr: Any) -> None:
        self._owner = owner
        self._sock = sock
        self._sockaddr = sockaddr
        self._header = b""
        self._over = False
        self._timer: Any = owner.reactor.callLater(HEADER_S, self.fail, "it took too long")
        owner.reactor.addReader(self)

    def fail(self, reason: str) -> None:
        if self._finish():
            self._sock.close()
            self._owner.failed(self, reason)

    def doRead(self) -> None:
        try:
            while not self._over:
                wanted = missing(self._header, self._sock)
                if not wanted:
                    source = parse_header(self._header)
                    self._finish()
                    self._owner.done(self, self._sock, self._sockaddr if source is None else source)
                    return
                chunk = self._sock.recv(wanted)
                if not chunk:
                    raise HeaderError("the connection ended")
                self._header += chunk
        except BlockingIOError:
            return
        except (OSError, HeaderError) as exc:
            self.fail(str(exc))

    def _finish(self) -> bool:
        if self._over:
            return False
        self._owner.reactor.removeReader(self)
        self._over = True
        if self._timer.active():
            self._timer.cancel()
        return True

    def fileno(self) -> int:
        return -1 if self._over else self._sock.fileno()

    def logPrefix(self) -> str:
        return "proxied"

    def connectionLost(self, reason: Failure) -> None:
        self.fail("the connection ended")


def missing(header: bytes, sock: socket.socket) -> int:
    """How many bytes surely still belong to the header; 0 when it is whole.

    Raises HeaderError, and BlockingIOError when nothing more is there yet."""
    if len(header) < len(_V2_START) and _V2_START.startswith(header[:1]) and header:
        if not _V2_START.startswith(header):
            raise HeaderError("no PROXY header")
        return _V2_FIXED - len(header)
    if header.startswith(_V2_START):
        if len(header) < _V2_FIXED:
            return _V2_FIXED - len(header)
        (length,) = struct.unpack("!H", header[14:16])
        if _V2_FIXED + length > V2_LIMIT:
            raise HeaderError("the PROXY header is too long")
        return int(_V2_FIXED + length - len(header))
    if not b"PROXY ".startswith(header[:6]):
        raise HeaderError("no PROXY header")
    if header.endswith(b"\r\n"):
        return 0
    if len(header) >= V1_LIMIT:
        raise HeaderError("the PROXY header is too long")
    if not header:
        return 1
    # A line of unknown length: look ahead, and take no byte beyond its end.
    ahead = sock.recv(V1_LIMIT - len(header), socket.MSG_PEEK)
    end = ahead.find(b"\n")
    return max(1, len(ahead) if end < 0 else end + 1)


def parse_header(header: bytes) -> Source:
    """The source that a whole header names.  Raises HeaderError."""
    if header.startswith(_V2_START):
        return _version_2(header)
    try:
        words = header.decode("ascii").removesuffix("\r\n").split(" ")
        if words[1] == "UNKNOWN":
            return None
        _, family, source, destination, port, _ = words
        wanted = {"TCP4": 4, "TCP6": 6}[family]
        if not ipaddress.ip_address(source).version == ipaddress.ip_address(destination).version == wanted:
            raise HeaderError("the addresses of the PROXY header do not fit its family")
        if not (port.isdigit() and int(port[:6]) <= 65535):
            raise HeaderError("the PROXY header holds no port")
        return source, int(port)
    except (UnicodeDecodeError, IndexError, KeyError, ValueError) as exc:
        raise HeaderError(f"bad PROXY header: {type(exc).__name__}") from None


def _version_2(header: bytes) -> Source:
    version, family = header[12] >> 4, header[13] >> 4
    command, rest = header[12] & 15, header[_V2_FIXED:]
    if version != 2 or command > 1:
        raise HeaderError("a PROXY header of an unknown version or command")
    if command == 0 or family not in (1, 2):
        return None  # LOCAL: the proxy itself; other families name nobody on a network
    size = 4 if family == 1 else 16
    if len(rest) < 2 * size + 4:
        raise HeaderError("the PROXY header is too short")
    (port,) = struct.unpack_from("!H", rest, 2 * size)
    return str(ipaddress.ip_address(rest[:size])), int(port)
