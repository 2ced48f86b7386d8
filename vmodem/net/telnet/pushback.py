"""A stream with what somebody else has already read of it put back.

What does not belong here: who read it, and why.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.logger import Logger

from vmodem.net.stream import NOBODY, Cause, Ending, Stream, StreamUser, unheard


class PushedBack:
    """A :class:`vmodem.net.stream.Stream`: first ``data``, then ``inner``, or ``ending`` where it has ended.

    Once the data has been delivered, and nobody is held up, what arrives goes to the user without passing
    here.  ``inner`` must be paused, and belongs to this stream from now on.
    """

    _log = Logger()

    def __init__(self, reactor: Any, inner: Stream, data: bytes, ending: Ending | None = None) -> None:
        self.peer = inner.peer
        #: What it was read from.
        self.inner = inner
        self._reactor = reactor
        self._data = data
        self._ending = ending
        self._user: StreamUser = NOBODY
        self._paused = True
        self._blocked = False  # what the user was told
        self._through = False  # inner has the user for its own
        self._over = False
        self._timer: Any = None
        self._heard: Callable[[], None] = unheard
        self.write = inner.write
        self.send_break = inner.send_break
        self.discard_pending = inner.discard_pending

    # -- user's side ---------------------------------------------------------------------------------------

    @property
    def break_received(self) -> Callable[[], None]:
        """As on the stream below, whose breaks come behind the data."""
        return self._heard

    @break_received.setter
    def break_received(self, heard: Callable[[], None]) -> None:
        self._heard = heard
        self.inner.break_received = heard

    @property
    def backlog(self) -> int:
        return self.inner.backlog

    def start(self, user: StreamUser) -> None:
        if self._over:
            return
        self._user = user
        if self._through:
            self.inner.start(user)
            return
        self._blocked = False
        if self._ending is None:
            # Now, so that what is written is heard of; it reads nothing before the data is delivered.
            self.inner.start(self)
            self.inner.pause()
        self.resume()

    def pause(self) -> None:
        self._paused = True
        self._cancel_timer()
        self.inner.pause()

    def resume(self) -> None:
        self._paused = False
        if self._through:
            self.inner.resume()
        elif self._timer is None and not self._over:
            self._timer = self._reactor.callLater(0, self.deliver)

    def close(self, drain_s: float) -> None:
        self._stop()
        self.inner.close(drain_s)

    def abort(self) -> None:
        self._stop()
        self.inner.abort()

    # -- what the stream below tells while the user is not its own -----------------------------------------

    def data_received(self, data: bytes) -> None:
        """Also of a paused stream: one that has lost its connection hands over what it had."""
        self._data += data
        if self._timer is None:
            self.deliver()

    def write_blocked(self) -> None:
        self._blocked = True
        self._user.write_blocked()

    def write_drained(self) -> None:
        self._blocked = False
        self._user.write_drained()
        self._stand_aside()

    def stream_ended(self, ending: Ending) -> None:
        self._ending = ending
        if self._timer is None:
            self.deliver()

    # -- inside --------------------------------------------------------------------------------------------

    def deliver(self) -> None:
        """Go on at once, called by the reactor."""
        self._cancel_timer()
        if self._paused or self._over:
            return
        user = self._user
        data, self._data = self._data, b""
        if data:
            try:
                user.data_received(data)
            except Exception as exc:
                # What the reactor does to a reader that raises, it does not do to a timer.
                self._log.failure("{peer}: the user of the stream failed", peer=self.peer)
                self.inner.pause()
                self._ending = Ending(Cause.ERROR, f"internal error: {exc}")
        if self._paused or self._over:
            return
        if self._ending is None:
            self.inner.resume()
            self._stand_aside()
        else:
            self._over = True
            user.stream_ended(self._ending)

    def _stand_aside(self) -> None:
        """Join the stream and its user; one who is held up hears first, from here, that he may go on."""
        if not (self._paused or self._blocked or self._data or self._over or self._ending or self._timer):
            self._through = True
            self.inner.start(self._user)

    def _cancel_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()

    def _stop(self) -> None:
        self._over = True
        self._user = NOBODY
        self._cancel_timer()
