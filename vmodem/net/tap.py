"""Listening in on a stream for a while.

A :class:`TappedStream` shows a listener what goes each way until the listener has heard enough; from then on
the stream below and its user are joined directly, and nothing is left in between.

What does not belong here: what the listener makes of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from twisted.logger import Logger

from vmodem.net.stream import NOBODY, Ending, Stream, StreamUser, unheard


class Listener(Protocol):
    """Whoever listens in."""

    def sent(self, data: bytes) -> bool:
        """The user wrote ``data``.  False: heard enough."""

    def received(self, data: bytes) -> bool:
        """The far end sent ``data``.  False: heard enough."""

    def ended(self) -> None:
        """The stream has ended, at either end, before enough was heard."""


class TappedStream:
    """A :class:`vmodem.net.stream.Stream` that is ``inner``, with a listener.

    ``inner`` must not have been started; it belongs to this stream from now on.
    """

    _log = Logger()
    break_received: Callable[[], None] = staticmethod(unheard)

    def __init__(self, inner: Stream, listener: Listener) -> None:
        self.peer = inner.peer
        self.write: Callable[[bytes], None] = self._write
        self._inner = inner
        self._listener: Listener | None = listener
        self._user: StreamUser = NOBODY
        self._paused = False
        self._blocked = False  # what the user was told
        inner.break_received = self._break_came

    # -- user's side ---------------------------------------------------------------------------------------

    def start(self, user: StreamUser) -> None:
        self._user = user
        self._paused = self._blocked = False
        self._inner.start(user if self._listener is None else self)

    def _write(self, data: bytes) -> None:
        if self._listener is not None:
            self._show(self._listener.sent, data)
        self._inner.write(data)

    @property
    def backlog(self) -> int:
        return self._inner.backlog

    def send_break(self, seconds: float, expedited: bool) -> None:
        self._inner.send_break(seconds, expedited)

    def discard_pending(self) -> None:
        self._inner.discard_pending()

    def pause(self) -> None:
        self._paused = True
        self._inner.pause()

    def resume(self) -> None:
        self._paused = False
        self._inner.resume()

    def close(self, drain_s: float) -> None:
        self._finish()
        self._inner.close(drain_s)

    def abort(self) -> None:
        self._finish()
        self._inner.abort()

    # -- the inner stream's side ---------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self._listener is not None:
            self._show(self._listener.received, data)
        self._user.data_received(data)

    def _break_came(self) -> None:
        self.break_received()

    def write_blocked(self) -> None:
        self._blocked = True
        self._user.write_blocked()

    def write_drained(self) -> None:
        self._blocked = False
        self._user.write_drained()
        self._stand_aside()

    def stream_ended(self, ending: Ending) -> None:
        user = self._user
        self._finish()
        user.stream_ended(ending)

    # -- the listener --------------------------------------------------------------------------------------

    def _show(self, hear: Callable[[bytes], bool], data: bytes) -> None:
        try:
            more = hear(data)
        except Exception:
            # The call is somebody's; the listener is only curious.
            self._log.failure("listening in on {peer} failed", peer=self.peer)
            more = False
        if more:
            return
        self._listener = None
        self.write = self._inner.write
        self._stand_aside()

    def _stand_aside(self) -> None:
        """Join the stream and its user; one who is held up hears first, from here, that he may go on."""
        if self._listener is None and self._user is not NOBODY and not self._blocked:
            self._inner.start(self._user)
            if self._paused:
                self._inner.pause()

    def _finish(self) -> None:
        """It is over: nobody is told anything any more."""
        listener, self._listener = self._listener, None
        self._user = NOBODY
        if listener is not None:
            try:
                listener.ended()
            except Exception:
                self._log.failure("listening in on {peer} failed", peer=self.peer)
