"""The bytes of a call inside TLS: a stream over a stream.

A TLS session has no room of its own: what the user may not have yet stays encrypted, and then the stream
below is not read; what the stream below does not take is not encrypted.  So what waits here is what the user
wrote in one go, and one reading of the stream below.

What does not belong here: how a session begins, and who the peer has to be (``tls``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.logger import Logger

from vmodem.net.stream import NOBODY, Cause, Ending, Stream, StreamUser, unheard
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


class TlsStream:
    """A :class:`vmodem.net.stream.Stream` inside ``session``, whose handshake is done, over ``below``.

    ``below`` belongs to this stream from now on and is not read before ``start``.  ``certificate_name`` is
    whom the peer's verified certificate names, "" without one; it may hold anything, escape before showing.
    """

    _log = Logger()
    break_received: Callable[[], None] = staticmethod(unheard)

    def __init__(self, reactor: Any, below: Stream, session: Session, certificate_name: str) -> None:
        self.peer = below.peer
        self.certificate_name = certificate_name
        self._reactor = reactor
        self._below = below
        self._session = session
        self._user: StreamUser = NOBODY
        self._plain = bytearray()  # written by the user, not encrypted yet
        self._held = True  # the user wants no bytes
        self._reading = False  # bytes are being handed over
        self._blocked = False  # what the user was told
        self._below_paused = False
        self._below_ended: Ending | None = None
        self._told = False
        self._dead = False  # nothing can be sent any more
        self._closing = False
        self._closed = False
        self._deadline = 0.0
        self._timer: Any = None  # the end of a drain
        self._turn: Any = None  # what goes on from the reactor
        below.start(self)
        self._below_blocked = below.backlog > 0
        self._steer()

    # -- user's side ---------------------------------------------------------------------------------------

    def start(self, user: StreamUser) -> None:
        if self._closing:
            return
        self._user = user
        self._blocked = False
        self.resume()
        if self._plain or self._below_blocked:
            self._soon()  # it hears that it has to wait

    def write(self, data: bytes) -> None:
        if not data or self._closing or self._dead:
            return
        if self._plain or self._below_blocked or len(data) > BATCH or not self._encrypt(data):
            self._plain += data
            self._send()
        self._tell_room()

    @property
    def backlog(self) -> int:
        return len(self._plain) + self._below.backlog

    def send_break(self, seconds: float, expedited: bool) -> None:
        """Bytes are all that goes through TLS."""

    def discard_pending(self) -> None:
        """What is encrypted has to go, or what follows could not be read."""
        self._plain.clear()
        if self._blocked:
            self._blocked = False
            self._user.write_drained()

    def pause(self) -> None:
        self._held = True
        self._steer()

    def resume(self) -> None:
        """Read on, from the reactor: whoever resumes does not expect bytes in the middle of that."""
        if self._closing or not self._held:
            return
        self._held = False
        if self._reading:
            return  # it goes on by itself
        if self._session.unread or self._ending is not None:
            self._soon()
        else:
            self._steer()

    def close(self, drain_s: float) -> None:
        if self._closing:
            return
        self._closing = True
        self._user = NOBODY
        self._deadline = float(self._reactor.seconds()) + drain_s
        if self._plain and not self._dead and drain_s > 0:
            self._timer = self._reactor.callLater(drain_s, self.abort)
            self._held = False
            self._soon()  # a peer that waits for us to read would never take the rest
        elif self._plain and not self._dead:
            self.abort()
        else:
            self._close_below()

    def abort(self) -> None:
        self._closing = self._closed = True
        self._user = NOBODY
        self._stop()
        self._below.abort()

    # -- the side of the stream below ----------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if not (self._closed or self._told or self._ending is not None):
            self._session.feed(data)
            self._go_on()

    def write_blocked(self) -> None:
        self._below_blocked = True
        self._tell_room()

    def write_drained(self) -> None:
        self._below_blocked = False
        self._go_on()

    def stream_ended(self, ending: Ending) -> None:
        if self._closed or self._below_ended is not None:
            return
        self._below_ended = ending
        if ending.cause is not Cause.FINISHED:
            self._die()
        self._go_on()

    # -- the byte path -------------------------------------------------------------------------------------

    def _go_on(self) -> None:
        """Whatever is possible now."""
        if not self._reading:
            self._reading = True
            try:
                self._read()
            finally:
                self._reading = False
        if self._closed:
            return
        self._send()
        if self._closing and not self._plain:
            self._close_below()
            return
        self._tell_room()
        self._tell_end()
        self._steer()

    def _read(self) -> None:
        """Hand over what has arrived, as long as the user wants it."""
        session = self._session
        while not (self._held or self._told or self._closed):
            data = session.read(BATCH)
            if session.failure is not None:
                self._die()
            self._flush()
            if data and not self._closing:
                self._user.data_received(data)
            if len(data) < BATCH:
                return

    def _send(self) -> None:
        """Encrypt what waits, as long as the stream below takes it."""
        while self._plain and not (self._below_blocked or self._dead):
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

    def _steer(self) -> None:
        """Let the stream below read exactly while its bytes are wanted and it takes our answers."""
        if self._closed:
            return
        pause = self._held or self._ending is not None or self._below.backlog > ANSWERS
        if pause is not self._below_paused:
            self._below_paused = pause
            if pause:
                self._below.pause()
            else:
                self._below.resume()

    # -- what the user hears -------------------------------------------------------------------------------

    def _tell_room(self) -> None:
        blocked = (bool(self._plain) or self._below_blocked) and not self._dead
        if blocked is not self._blocked and not self._closing:
            self._blocked = blocked
            if blocked:
                self._user.write_blocked()
            else:
                self._user.write_drained()

    @property
    def _ending(self) -> Ending | None:
        """The end of the call, once it is known."""
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

    def _tell_end(self) -> None:
        if not (self._held or self._told or self._closing):
            ending = self._ending
            if ending is not None:
                self._told = True
                self._user.stream_ended(ending)

    def _die(self) -> None:
        """Nothing can be sent any more; nobody waits for it."""
        self._dead = True
        self._plain.clear()

    # -- beginning and end ---------------------------------------------------------------------------------

    def _soon(self) -> None:
        if self._turn is None and not self._closed:
            self._turn = self._reactor.callLater(0, self._take_turn)

    def _take_turn(self) -> None:
        self._turn = None
        try:
            self._go_on()
        except Exception as exc:
            # What the reactor does to a reader that raises, it does not do to a timer.
            self._log.failure("{peer}: the user of the stream failed", peer=self.peer)
            if not (self._told or self._closing):
                self._told = True
                self._die()
                self._user.stream_ended(Ending(Cause.ERROR, f"internal error: {exc}"))

    def _close_below(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._stop()
        if not self._dead:
            self._session.finish()
            self._flush()
        self._below.close(max(0.0, self._deadline - float(self._reactor.seconds())))

    def _stop(self) -> None:
        self._plain.clear()
        for timer in (self._timer, self._turn):
            if timer is not None and timer.active():
                timer.cancel()
        self._timer = self._turn = None
