"""One TLS session between bytes and bytes: OpenSSL with buffers for sockets.

What came from the peer is fed, what has to go to it is taken; nothing here waits, reads or writes.  What does
not belong here: streams, deadlines, and whether the peer is who it should be.
"""

from __future__ import annotations

import hashlib
import ssl
from typing import Any, Final

#: Plain text of one record (RFC 8446 clause 5.1), in bytes.
RECORD: Final = 16384


class Session:
    """A session over ``context``.  ``server_name`` is told to a server; None on its side."""

    def __init__(self, context: ssl.SSLContext, server_name: str | None) -> None:
        self.server = server_name is None
        #: The peer said that nothing more will come.
        self.finished = False
        #: What ended the session otherwise.
        self.failure: ssl.SSLError | None = None
        self._in = ssl.MemoryBIO()
        self._out = ssl.MemoryBIO()
        self._object = context.wrap_bio(
            self._in, self._out, server_side=self.server, server_hostname=server_name or None
        )
        self._leaf: bytes | None = None
        self._may_change = False

    # -- the peer's side -----------------------------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        """This came from the peer."""
        self._in.write(data)

    def take(self) -> bytes:
        """What has to go to the peer."""
        return self._out.read() if self._out.pending else b""

    @property
    def unread(self) -> bool:
        """Whether some of what was fed has not been looked at."""
        return bool(self._in.pending or self._object.pending())

    # -- the user's side -----------------------------------------------------------------------------------

    def handshake(self) -> bool:
        """Go on as far as possible; whether both sides are agreed.  Raises ssl.SSLError."""
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        self._leaf = self._object.getpeercert(True)
        self._may_change = self._leaf is not None and self._object.version() == "TLSv1.2"
        return True

    def read(self, limit: int) -> bytes:
        """Plain text, about ``limit`` bytes at most; less when there is no more, or an end was found."""
        parts: list[bytes] = []
        size = 0
        while size < limit and not (self.finished or self.failure):
            try:
                part = self._object.read(RECORD)
            except ssl.SSLWantReadError:
                break
            except ssl.SSLZeroReturnError:
                part = b""
            except ssl.SSLError as exc:
                self.failure = exc
                break
            if not part:
                self.finished = True
            parts.append(part)
            size += len(part)
        self._watch()
        return b"" if isinstance(self.failure, PeerChanged) else b"".join(parts)

    def write(self, data: bytes | bytearray | memoryview) -> bool:
        """Make ``data`` ready for the peer; False when that cannot be before more was read, or ever."""
        if self.failure is not None:
            return False
        try:
            self._object.write(data)
        except ssl.SSLWantReadError:
            return False  # a new handshake is under way (TLS 1.2)
        except ssl.SSLError as exc:
            self.failure = exc
            return False
        self._watch()
        return self.failure is None

    def finish(self) -> None:
        """Tell the peer that nothing more will come."""
        if self.failure is None:
            try:
                self._object.unwrap()
            except ssl.SSLError:
                pass  # the peer has not said so yet, and need not

    # -- who the peer is -----------------------------------------------------------------------------------

    @property
    def leaf(self) -> bytes | None:
        """The peer's certificate as DER."""
        return self._leaf

    @property
    def fingerprint(self) -> bytes:
        """The SHA-256 of the peer's certificate; b"" when it gave none."""
        return b"" if self._leaf is None else hashlib.sha256(self._leaf).digest()

    @property
    def certificate(self) -> dict[str, Any]:
        """What is in the peer's certificate; empty when it gave none, or it was not verified."""
        return dict(self._object.getpeercert() or {})

    def _watch(self) -> None:
        """A server may begin anew within TLS 1.2 (RFC 5246 clause 7.4.1.1), but not as somebody else: whoever
        it was has been checked once.  Looked at before anything of it is believed or answered."""
        if self._may_change and self.failure is None:
            try:
                leaf = self._object.getpeercert(True)
            except ValueError:
                return  # in the middle of it: what was read still came from whom it was
            if leaf != self._leaf:
                self._out.read()
                self.failure = PeerChanged()


class PeerChanged(ssl.SSLError):
    """The peer showed another certificate in the middle of a session."""

    def __init__(self) -> None:
        super().__init__("the other end changed its certificate in the middle of the call")
