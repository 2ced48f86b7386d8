"""The bytes of a call inside TLS: a stream over a stream.

A TLS session has no room of its own: what the user may not have yet stays encrypted, and then the stream
below is not read; what the stream below does not take is not encrypted.  So what waits here is what the user
wrote in one go, and one reading of the stream below.

What does not belong here: how a session begins, and who the peer has to be (``tls``).
"""

from __future__ import annotations

from typing import Any, Final

from vmodem.net.layer import Layer
from vmodem.net.stream import Cause, Ending, Stream
from vmodem.net.tls.names import explain, is_alert
from vmodem.net.tls.session import PeerChanged, Session

#: Handed to the user, or encrypted, at one time; bytes of plain text.
BATCH: Final = 65536
#: The stream below is not read while it has more than this many bytes to send: those are not the user's, but
#: answers that a peer asks for without reading them (RFC 8446 clause 4.6.3).
ANSWERS: Final = 4 * BATCH
#: How long an end may take that is not the user's to wait for, in seconds.
FAREWELL_S: Final = 1.0

_FINISHED: Final = Ending(Cause.FINISHED, "end of stream")


class TlsStream(Layer):
    """A :class:`vmodem.net.stream.Stream` inside ``session``, whose handshake is done, over ``below``.

    ``below`` belongs to this stream from now on and is not read before ``start``.  ``certificate_name`` is
    whom the peer's verified certificate names, "" without one; it may hold anything, escape before showing.
    """

    def __init__(self, reactor: Any, below: Stream, session: Session, certificate_name: str) -> None:
        super().__init__(reactor, below)
        self.certificate_name = certificate_name
        self._session = session
        self._plain = bytearray()  # written by the user, not encrypted yet
        self._fed = session.unread  # and not all of it looked at
        self._begin()
        self._steer()

    def write(self, data: bytes) -> None:
        if not data or self._closing or self._dead:
            return
        if self._plain or self._blocked or len(data) > BATCH or not self._encrypt(data):
            self._plain += data
            self._send()
        self._tell_room()

    @property
    def backlog(self) -> int:
        return len(self._plain) + self._below.backlog

    def send_break(self, seconds: float, expedited: bool) -> None:
        """Bytes are all that goes through TLS."""

    # -- from the peer -------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        session = self._session
        if not (self._closed or session.finished or session.failure):
            session.feed(data)
            self._fed = True
            self._go_on()

    def _unread(self) -> bool:
        return self._fed

    def _full(self) -> bool:
        return self._paused

    def _deliver(self) -> None:
        session = self._session
        while not (self._paused or self._ended or self._closed):
            data = session.read(BATCH)
            if session.failure is not None:
                self._die()
            self._flush()
            self._fed = len(data) >= BATCH
            if data:
                self._user.data_received(data)
            if not self._fed:
                return

    @property
    def _ending(self) -> Ending | None:
        failure = self._session.failure
        if failure is not None:
            if isinstance(failure, PeerChanged):
                return Ending(Cause.ERROR, str(failure))
            cause = Cause.RESET if is_alert(failure) else Cause.ERROR
            return Ending(cause, explain(failure, self._session.server))
        if self._session.finished:
            return _FINISHED
        if self._below_ended is not None and self._below_ended.cause is Cause.FINISHED:
            # Anybody between could have cut the connection, and many programs never say goodbye.
            return Ending(Cause.FINISHED, "end of stream, without TLS close_notify: it may have been cut off")
        return self._below_ended

    # -- towards the peer ----------------------------------------------------------------------------------

    def _send(self) -> None:
        while self._plain and not (self._blocked or self._dead):
            piece = bytes(self._plain[:BATCH])
            if not self._encrypt(piece):
                return
            del self._plain[: len(piece)]

    def _encrypt(self, data: bytes) -> bool:
        """Send ``data``; False when that cannot be at present, or ever."""
        if self._session.write(data):
            self._flush()
            return True
        if self._session.failure is not None:
            self._die()
            self._soon()  # whoever writes must not hear of an end in the middle of that
        return False

    def _flush(self) -> None:
        data = self._session.take()
        if data:
            self._below.write(data)

    def _waits(self) -> bool:
        return bool(self._plain)

    def _unanswered(self) -> bool:
        return self._below.backlog > ANSWERS

    def _forget(self) -> None:
        self._plain.clear()

    # -- the end -------------------------------------------------------------------------------------------

    def _give_up(self) -> None:
        """The peer gets an end that does not look like the whole."""
        self.abort()

    def _farewell(self) -> None:
        self._session.finish()
        self._flush()
