"""A stream with what somebody else has already read of it put back.

What does not belong here: who read it, and why.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vmodem.net.stream import NOBODY, Ending, Stream, StreamUser, unheard


class PushedBack:
    """A :class:`vmodem.net.stream.Stream`: first ``data``, then ``inner``, or ``ending`` where it has ended.

    Once the data has been delivered what arrives goes to the user without passing here.  ``inner`` must be
    paused, and belongs to this stream from now on.
    """

    def __init__(self, reactor: Any, inner: Stream, data: bytes, ending: Ending | None = None) -> None:
        self.peer = inner.peer
        #: What it was read from.
        self.inner = inner
        self._reactor = reactor
        self._inner = inner
        self._data = data
        self._ending = ending
        self._user: StreamUser = NOBODY
        self._paused = True
        self._through = False
        self._over = False
        self._timer: Any = None
        self._heard: Callable[[], None] = unheard
        self.write = inner.write
        self.send_break = inner.send_break
        self.discard_pending = inner.discard_pending

    @property
    def break_received(self) -> Callable[[], None]:
        """As on the stream below, whose breaks come behind the data."""
        return self._heard

    @break_received.setter
    def break_received(self, heard: Callable[[], None]) -> None:
        self._heard = heard
        self._inner.break_received = heard

    @property
    def backlog(self) -> int:
        return self._inner.backlog

    def start(self, user: StreamUser) -> None:
        if self._over:
            return
        self._user = user
        if self._through and self._ending is None:
            self._inner.start(user)
            return
        if self._ending is None:
            # Now, so that what is written is heard of; it reads nothing before the data is delivered.
            self._inner.start(user)
            self._inner.pause()
        self.resume()

    def pause(self) -> None:
        self._paused = True
        if self._through:
            self._inner.pause()
        elif self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def resume(self) -> None:
        self._paused = False
        if self._through and self._ending is None:
            self._inner.resume()
        elif self._timer is None and not self._over:
            self._timer = self._reactor.callLater(0, self._deliver)

    def close(self, drain_s: float) -> None:
        self._stop()
        self._inner.close(drain_s)

    def abort(self) -> None:
        self._stop()
        self._inner.abort()

    def _deliver(self) -> None:
        self._timer = None
        self._through = True
        user = self._user
        data, self._data = self._data, b""
        if data:
            user.data_received(data)
        if self._paused or self._over:
            return
        if self._ending is None:
            self._inner.resume()
        else:
            self._over = True
            user.stream_ended(self._ending)

    def _stop(self) -> None:
        self._over = True
        self._user = NOBODY
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
