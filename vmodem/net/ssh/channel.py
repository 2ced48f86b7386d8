"""A stream on a channel with windows: each side says how many bytes it is ready to take.

:class:`ChannelStream` keeps what the window does not let through, tells its user when to stop, and opens the
window for the far end only as far as the user has taken what came; so at most one window waits in each
direction.  What does not belong here: the protocol the channel is part of (a :class:`Carrier` knows it).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from twisted.logger import Logger

from vmodem.net.stream import NOBODY, Cause, Ending, StreamUser, unheard


class Carrier(Protocol):
    """The protocol below a channel."""

    @property
    def room(self) -> int:
        """How many bytes may be sent now, as one piece."""

    def send(self, data: bytes) -> None:
        """Send so many bytes as there is room for, at most."""

    def taken(self, size: int) -> None:
        """So many received bytes need no room here any more."""

    def send_break(self, seconds: float) -> None:
        """Send a break behind what was sent."""

    def hang_up(self) -> None:
        """End the channel in order, and what is below it with it; nothing is expected back."""

    def abort(self) -> None:
        """End everything at once, even what is being ended in order.  May be called again."""


class ChannelStream:
    """A :class:`vmodem.net.stream.Stream` on a channel.

    Whoever runs the protocol calls ``received``, ``room_changed`` and ``ended``.
    """

    _log = Logger()
    break_received: Callable[[], None] = staticmethod(unheard)

    def __init__(self, reactor: Any, carrier: Carrier, peer: str) -> None:
        self.peer = peer
        self._reactor = reactor
        self._carrier = carrier
        self._user: StreamUser = NOBODY
        self._started = False
        self._paused = False
        self._inbox = bytearray()
        self._pending = bytearray()
        self._break: float | None = None  # waits for what is pending to have gone
        self._blocked = False  # what the user was told
        self._ending: Ending | None = None
        self._told = False
        self._closing = False
        self._closed = False
        self._timer: Any = None
        self._delivery: Any = None

    # -- user's side ---------------------------------------------------------------------------------------

    def start(self, user: StreamUser) -> None:
        if self._closing:
            return
        self._user = user
        self._started = True
        self._paused = False
        self._deliver_soon()

    def write(self, data: bytes) -> None:
        if not data or self._closing or self._ending is not None:
            return
        if self._pending:
            self._pending += data
            return
        rest = memoryview(data)
        while rest and (room := self._carrier.room) > 0:
            self._carrier.send(bytes(rest[:room]))
            rest = rest[room:]
        if rest:
            self._pending += rest
            self._blocked = True
            self._user.write_blocked()

    @property
    def backlog(self) -> int:
        return len(self._pending)

    def send_break(self, seconds: float, expedited: bool) -> None:
        if self._closing or self._ending is not None:
            return
        if self._pending and not expedited:
            self._break = seconds
        else:
            self._carrier.send_break(seconds)

    def discard_pending(self) -> None:
        """Forget what was written but not yet sent.  What is on its way cannot be got back."""
        self._pending.clear()
        self._break = None
        self._unblock()

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        self._paused = False
        self._deliver_soon()

    def close(self, drain_s: float) -> None:
        if self._closing:
            return
        self._closing = True
        self._user = NOBODY
        self._cancel(self._delivery)
        if self._inbox:
            # A far end that waits for us to read would never take the rest.
            self._carrier.taken(len(self._inbox))
            self._inbox.clear()
        if self._pending and drain_s > 0 and self._ending is None:
            self._timer = self._reactor.callLater(drain_s, self._hang_up)
        else:
            self._hang_up()

    def abort(self) -> None:
        self._closing = self._closed = True
        self._user = NOBODY
        self._stop()
        self._carrier.abort()

    # -- the protocol's side -------------------------------------------------------------------------------

    def received(self, data: bytes) -> None:
        """Bytes came; they are within the window that was opened."""
        if self._closing:
            self._carrier.taken(len(data))
        elif self._paused or self._inbox or not self._started:
            self._inbox += data
        else:
            self._hand_over(data)

    def room_changed(self) -> None:
        """There may be room now."""
        while self._pending and (room := self._carrier.room) > 0:
            data = bytes(self._pending[:room])
            del self._pending[:room]
            self._carrier.send(data)
        if not self._pending:
            self._unblock()

    def ended(self, ending: Ending) -> None:
        """Nothing comes any more.  Told to the user after what came before."""
        if self._ending is not None:
            return
        self._ending = ending
        self._pending.clear()
        if self._closing:
            self._hang_up()
            return
        self._unblock()
        if not self._paused and not self._inbox and self._started:
            self._tell()

    # -- inside --------------------------------------------------------------------------------------------

    def _unblock(self) -> None:
        """Nothing is pending any more."""
        if self._break is not None and self._ending is None:
            seconds, self._break = self._break, None
            self._carrier.send_break(seconds)
        if self._closing:
            self._hang_up()
        elif self._blocked:
            self._blocked = False
            self._user.write_drained()

    def _hand_over(self, data: bytes) -> None:
        try:
            self._user.data_received(data)
        except Exception as exc:
            # An error of ours must not be taken for one of the far end.
            self._log.failure("{peer}: the user of the stream failed", peer=self.peer)
            self._inbox.clear()
            self.ended(Ending(Cause.ERROR, f"internal error: {exc}"))
            return
        self._carrier.taken(len(data))

    def _deliver_soon(self) -> None:
        """From the reactor: who starts or resumes a stream does not expect bytes in the middle of that."""
        waiting = self._inbox or (self._ending is not None and not self._told)
        if waiting and self._delivery is None and not self._closing:
            self._delivery = self._reactor.callLater(0, self._deliver)

    def _deliver(self) -> None:
        self._delivery = None
        if self._paused or self._closing:
            return
        if self._inbox:
            data = bytes(self._inbox)
            self._inbox.clear()
            self._hand_over(data)
        if self._ending is not None and not (self._paused or self._inbox or self._closing):
            self._tell()

    def _tell(self) -> None:
        if not self._told and self._ending is not None:
            self._told = True
            self._user.stream_ended(self._ending)

    def _hang_up(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._stop()
        self._carrier.hang_up()

    def _stop(self) -> None:
        self._pending.clear()
        self._inbox.clear()
        self._cancel(self._timer)
        self._cancel(self._delivery)
        self._timer = self._delivery = None

    def _cancel(self, call: Any) -> None:
        if call is not None and call.active():
            call.cancel()
