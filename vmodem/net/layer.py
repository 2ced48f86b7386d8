"""What lies between a connection and its user: telnet, TLS and the like, each a stream over a stream.

A layer that needs to talk to its peer first is *opened*: the function that begins it returns an
:class:`Opening` and later calls exactly one of ``opened(stream)`` and ``failed(reason)``, never before it
returned and neither after ``cancel()``.  Until ``opened`` the stream below belongs to the opening; when it
is cancelled the stream below is aborted, when it fails aborted or closed in order, so that the peer learns
why.  The stream handed over is not started.

A layer that can talk at any time is simply made over the stream below.  What all of them do alike, holding
up and ending, is :class:`Layer`.

What does not belong here: what a layer does to the bytes, and deadlines of a call (whoever asked cancels).
"""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any, Protocol

from twisted.logger import Logger

from vmodem.net.stream import NOBODY, Cause, Ending, Stream, StreamUser, unheard

Opened = Callable[[Stream], None]
OpenFailed = Callable[[str], None]


class Opening(Protocol):
    """A layer that is being agreed with the peer."""

    def cancel(self) -> None:
        """Give up: no timer is left, the stream below is aborted, neither callback is called any more."""


class Layer(abc.ABC):
    """The common part of streams over ``below``, which belongs to them from now on.

    Bytes may wait here both ways.  While some wait for the user, or he is paused, the stream below is not
    read; while some wait for the peer, or it takes none, the user is told to stop.  The end of the stream
    below is told behind all that had come; a close waits until all that was written has gone down.  An ending
    other than FINISHED means that the peer takes nothing any more, and nobody is held up by it.
    """

    _log = Logger()
    break_received: Callable[[], None] = staticmethod(unheard)

    # What changes once in a stream's life, or never, takes room only where it has changed.
    _began = False  # below has been started
    _ended = False  # the user knows of the end
    _dead = False  # the peer takes nothing any more
    _deaf = False  # the user failed
    _closing = False
    _closed = False
    _below_ended: Ending | None = None
    _deadline = 0.0
    _drain: Any = None  # the timer of a close
    _turn: Any = None  # what goes on from the reactor

    def __init__(self, reactor: Any, below: Stream) -> None:
        self.peer = below.peer
        self._reactor = reactor
        self._below = below
        self._user: StreamUser = NOBODY
        self._blocked = False  # below takes nothing
        self._told = False  # the user knows that he has to wait
        self._paused = True  # the user wants nothing; until started
        self._below_paused = False
        self._delivering = False

    # -- for each layer ------------------------------------------------------------------------------------

    @property
    @abc.abstractmethod
    def backlog(self) -> int:
        """See :class:`vmodem.net.stream.Stream`."""

    @abc.abstractmethod
    def data_received(self, data: bytes) -> None:
        """See :class:`vmodem.net.stream.StreamUser`."""

    @abc.abstractmethod
    def _unread(self) -> bool:
        """Whether something waits here for the user."""

    @abc.abstractmethod
    def _waits(self) -> bool:
        """Whether so much waits here for the peer that the user has to stop; in a close, whether any does."""

    def _deliver(self) -> None:  # noqa: B027 - some keep nothing
        """Hand over what waits for the user, as far as he takes it."""

    def _send(self) -> None:  # noqa: B027 - some keep nothing
        """Send what waits for the peer, as far as it may go."""

    def _forget(self) -> None:  # noqa: B027 - some keep nothing
        """Forget what waits for the peer."""

    def _full(self) -> bool:
        """Whether the user is to take something before more is read."""
        return self._paused or self._unread()

    def _unanswered(self) -> bool:
        """Whether so many of the layer's own answers wait for the peer that it is not to ask for more."""
        return False

    def _leave(self) -> None:  # noqa: B027 - few need it
        """The stream is being closed: nothing is for the user any more."""

    def _give_up(self) -> None:
        """A close has run out of time."""
        self._close_below()

    def _farewell(self) -> None:  # noqa: B027 - few have one
        """All has gone down that ever will, and the peer is there."""

    def _stop(self) -> None:
        """Nothing goes either way any more: forget what waits, leave no timer."""
        self._forget()
        for timer in (self._drain, self._turn):
            if timer is not None and timer.active():
                timer.cancel()
        self._drain = self._turn = None

    @property
    def _ending(self) -> Ending | None:
        """The end of the stream, once it is known."""
        return self._below_ended

    # -- user's side ---------------------------------------------------------------------------------------

    def start(self, user: StreamUser) -> None:
        if self._closing:
            return
        self._begin()
        self._user = user
        self._told = False  # whatever the user before this one was told
        self._tell_room()
        self.resume()

    def pause(self) -> None:
        self._paused = True
        self._steer()

    def resume(self) -> None:
        """Go on, from the reactor: whoever resumes does not expect bytes in the middle of that."""
        if self._closing:
            return
        self._paused = False
        if self._delivering:
            return  # it goes on by itself
        if self._unread() or (self._ending is not None and not self._ended):
            self._soon()
        else:
            self._steer()

    def discard_pending(self) -> None:
        """What waits here is forgotten; what is coded and handed down goes, or it could not be understood."""
        self._forget()
        if self._told:
            self._told = False
            self._user.write_drained()

    def close(self, drain_s: float) -> None:
        if self._closing:
            return
        self._closing = True
        self._user = NOBODY
        self._paused = False  # a peer that waits for us to read would never take the rest
        self._deadline = float(self._reactor.seconds()) + drain_s
        self._leave()
        self._send()
        if self._dead or not self._waits():
            self._close_below()
        elif drain_s > 0:
            self._drain = self._reactor.callLater(drain_s, self._give_up)
            self._begin()
            self._go_on()
        else:
            self._give_up()

    def abort(self) -> None:
        self._closing = self._closed = True
        self._user = NOBODY
        self._stop()
        self._below.abort()

    # -- what the stream below tells -----------------------------------------------------------------------

    def write_blocked(self) -> None:
        self._blocked = True
        self._tell_room()

    def write_drained(self) -> None:
        self._blocked = False
        self._go_on()

    def stream_ended(self, ending: Ending) -> None:
        if self._closed or self._below_ended is not None:
            return
        self._below_ended = ending
        if ending.cause is not Cause.FINISHED:
            self._die()
        self._go_on()

    # -- what follows --------------------------------------------------------------------------------------

    def _begin(self) -> None:
        """Start the stream below, if that has not been done."""
        if not self._began:
            self._began = True
            self._below.start(self)
            self._blocked = self._below.backlog > 0  # it was written to before it had anybody to tell

    def _go_on(self) -> None:
        """Whatever is possible now."""
        if not (self._delivering or self._deaf):
            self._delivering = True
            try:
                self._deliver()
            except Exception:
                self._deaf = True  # what raised once is not asked again on the way to its end
                raise
            finally:
                self._delivering = False
        if self._closed:
            return
        if self._told or self._user is NOBODY:  # else nothing waits
            self._send_on()
        self._tell_end()
        self._steer()

    def _send_on(self) -> None:
        """Whatever is possible now towards the peer."""
        self._send()
        if not self._closing:
            self._tell_room()
        elif self._dead or not self._waits():
            self._close_below()

    def _soon(self) -> None:
        if self._turn is None and not self._closed:
            self._turn = self._reactor.callLater(0, self._take_turn)

    def _take_turn(self) -> None:
        self._turn = None
        try:
            self._go_on()
        except Exception as exc:
            self._user_failed(exc)

    def _user_failed(self, exc: Exception) -> None:
        """What the reactor does to a reader that raises, it does not do to a timer."""
        self._log.failure("{peer}: the user of the stream failed", peer=self.peer)
        self._deaf = True
        self.stream_ended(Ending(Cause.ERROR, f"internal error: {exc}"))
        self._tell_end()  # or the one that was known already

    def _steer(self) -> None:
        """Let below read exactly while somebody takes what it brings, and takes our answers."""
        if self._closed or not self._began:
            return
        pause = self._ending is not None or self._unanswered() or (self._full() and not self._closing)
        if pause is not self._below_paused:
            self._below_paused = pause
            if pause:
                self._below.pause()
            else:
                self._below.resume()

    def _tell_room(self) -> None:
        blocked = (self._blocked or self._waits()) and not self._dead
        if blocked is not self._told and self._user is not NOBODY:
            self._told = blocked
            if blocked:
                self._user.write_blocked()
            else:
                self._user.write_drained()

    def _tell_end(self) -> None:
        """Nothing is left to be told before the end: so it is told, even to a user who is paused."""
        ending = self._ending
        if ending is None or self._ended or self._delivering or self._user is NOBODY:
            return
        if self._deaf or not self._unread():
            self._ended = True
            self._user.stream_ended(ending)

    def _die(self) -> None:
        """Nothing can be sent any more; nobody waits for it."""
        self._dead = True
        self._forget()

    def _close_below(self) -> None:
        if self._closed:
            return
        self._closed = True
        if not self._dead:
            self._farewell()
        self._stop()
        self._below.close(max(0.0, self._deadline - float(self._reactor.seconds())))
