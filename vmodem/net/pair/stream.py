"""A call between two vmodems as one stream, over connections that may come and go.

A :class:`PairStream` carries a :class:`vmodem.wire.pair.PairSession` over whatever connection there is.  From
the moment the called modem has answered, a connection that is lost, or says nothing for :data:`SILENCE_S`, is
not the end: the stream asks for another one (the caller's end) or waits for it (the called end), keeps what
is written up to the window of the session, and ends only when the hold time has run out.

What does not belong here: how connections are made and agreed on (:mod:`vmodem.net.pair.ends`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

from twisted.logger import Logger

from vmodem.net.pair.link import GOODBYE_S, Link
from vmodem.net.signals import CallSignals, Unanswered
from vmodem.net.stream import NOBODY, Cause, Ending, Stream, StreamUser, unheard
from vmodem.wire.events import Data, ProtocolError
from vmodem.wire.pair import (
    Answered,
    Break,
    Circuits,
    Event,
    HungUp,
    PairSession,
    Refusal,
    Ringing,
    TurnedAway,
)

#: Something is said at least so often, in seconds.
KEEPALIVE_S: Final = 1.0
#: Nothing heard for so many of these: the path is dead.
SILENT_TICKS: Final = 4
SILENCE_S: Final = KEEPALIVE_S * SILENT_TICKS
#: Until somebody who knows better says how long a call outlives its connection: S10 as it comes, in seconds.
HOLD_S: Final = 1.4

_WHY: Final = {
    Unanswered.BUSY: TurnedAway.BUSY,
    Unanswered.NO_ANSWER: TurnedAway.NO_ANSWER,
    Unanswered.REJECTED: TurnedAway.REJECTED,
}
_UNANSWERED: Final = {wire: why for why, wire in _WHY.items()}


class PairStream:
    """One end of a call between two vmodems: a stream, and its signals.

    ``called`` says which end.  Whoever makes the connections puts callables here: ``wants_connection`` is
    called when the connection is lost and another one is to be had, ``left`` once, when none is needed any
    more.  Of a call that is placed, ``rang``, and one of ``was_answered``, ``was_refused`` and ``failed``,
    are called before the stream is started; after the latter two it wants to be closed only.
    """

    _log = Logger()
    break_received: Callable[[], None] = staticmethod(unheard)

    def __init__(self, reactor: Any, session: PairSession, peer: str, *, called: bool) -> None:
        self.peer = peer
        self.session = session
        self.circuits_received: Callable[[bool, bool], None] = lambda dtr, rts: None
        self.hold_s: Callable[[], float] = lambda: HOLD_S
        self.wants_connection: Callable[[], None] = unheard
        self.left: Callable[[], None] = unheard
        self.rang: Callable[[], None] = unheard
        self.was_answered: Callable[[], None] = unheard
        self.was_refused: Callable[[Unanswered], None] = lambda why: None
        self.failed: Callable[[Ending], None] = lambda ending: None
        self._reactor = reactor
        self._called = called
        self._link: Link | None = None
        self._user: StreamUser = NOBODY
        self._started = False
        self._paused = False
        self._delivering = False
        self._deaf = False  # the user failed
        self._blocked = False  # what the user was told
        self._rings = False
        self._carrier = False  # the called modem has answered
        self._turned_away = False
        self._ending: Ending | None = None  # to be told behind what is still to be delivered
        self._told = False
        self._closing = False
        self._over = False  # there is no connection any more, and will be none
        self._silent = 0  # ticks since something was heard
        self._heard_at = float(reactor.seconds())
        self._timers: dict[str, Any] = {}

    @property
    def signals(self) -> CallSignals:
        """What goes beside the bytes."""
        return self

    # -- connections ---------------------------------------------------------------------------------------

    def attach(self, inner: Stream, received: int, rest: bytes = b"") -> None:
        """Use this connection from now on, and none before it.  The far end has ``received`` so many octets
        of ours, and ``rest`` has been read already."""
        self._drop_link()
        try:
            self.session.resume(received)
        except ProtocolError as exc:
            self._finish(Ending(Cause.ERROR, str(exc)))
        if self._over:
            inner.abort()
            return
        self._cancel("hold")
        link = self._link = Link(self, inner)
        inner.start(link)
        link.blocked = inner.backlog > 0
        self._silent = 0
        self._set("tick", KEEPALIVE_S, self._tick)
        if rest:
            self.heard(rest)
        else:
            self._flush()

    def going_on(self) -> int | None:
        """Octets received, for the agreement on another connection; None when none is wanted.

        What the connection that there was still brings is not taken any more.
        """
        if self._over or not self._carrier:
            return None
        self._drop_link()
        self._hold_on(Ending(Cause.RESET, "another connection took its place"))
        return self.session.received

    def give_up(self, reason: str) -> None:
        """No other connection can be had: the far end has given the call up."""
        self._finish(Ending(Cause.TIMEOUT, reason))

    def heard(self, data: bytes) -> None:
        """A chunk came over the present connection."""
        self._silent = 0
        self._heard_at = float(self._reactor.seconds())
        try:
            self.session.receive(data)
        except ProtocolError as exc:
            self._finish(Ending(Cause.ERROR, str(exc)))
            return
        self._go_on()

    def lost(self, ending: Ending) -> None:
        """The present connection is gone."""
        self._drop_link()
        if not self._carrier:
            self._finish(ending)
            return
        hold_s = self._hold_on(ending)
        self._log.info(
            "{peer}: the connection is lost, the call goes on for {hold} s: {reason}",
            peer=self.peer,
            hold=hold_s,
            reason=ending.detail,
        )
        self.wants_connection()
        self._tell()

    def drained(self) -> None:
        """The present connection takes more."""
        self._flush()

    def _tick(self) -> None:
        link = self._link
        if link is None:
            return
        self._silent += 1
        if self._silent >= SILENT_TICKS:
            self.lost(Ending(Cause.TIMEOUT, f"nothing heard for {SILENCE_S:.0f} s"))
            return
        self._set("tick", KEEPALIVE_S, self._tick)
        quiet, link.quiet = link.quiet, True
        if quiet and not link.blocked:
            link.send(self.session.take() + self.session.keepalive())
            self._tell()

    def _hold_on(self, ending: Ending) -> float:
        """The connection is lost and the call is not; returns for how long, in seconds."""
        hold_s = self.hold_s()
        if "hold" not in self._timers and hold_s < math.inf:
            # Counted from the moment when silence would have told, whatever did: so a path that was cut for
            # less than the hold time always has some seconds left to come back in.
            now = float(self._reactor.seconds())
            wait_s = max(self._heard_at + SILENCE_S, now) + hold_s - now
            self._set("hold", wait_s, self._held_long_enough, ending)
        return hold_s

    def _held_long_enough(self, ending: Ending) -> None:
        self._finish(Ending(Cause.TIMEOUT, f"{ending.detail}, and no other connection came about"))

    def _drop_link(self, abort: bool = True) -> None:
        self._cancel("tick")
        link, self._link = self._link, None
        if link is not None:
            link.detach(abort)

    # -- user's side ---------------------------------------------------------------------------------------

    def start(self, user: StreamUser) -> None:
        if not self._closing:
            self._user = user
            self._started = True
            self.resume()

    def write(self, data: bytes) -> None:
        # A called modem that has not answered has a text for people at most.
        if self._ending is None and (self._carrier or not self._called):
            self.session.data(data)
            self._flush()

    @property
    def backlog(self) -> int:
        return self.session.waiting + (self._link.inner.backlog if self._link is not None else 0)

    def send_break(self, seconds: float, expedited: bool) -> None:
        self.session.send_break(seconds, expedited)
        self._flush()

    def discard_pending(self) -> None:
        self.session.forget()
        self._flush()

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        """Go on, from the reactor: whoever starts or resumes does not expect bytes in the middle of that."""
        self._paused = False
        if "soon" not in self._timers and not (self._told or self._closing):
            self._set("soon", 0, self._go_on)

    def close(self, drain_s: float) -> None:
        if self._closing:
            return
        self._closing = True
        self._user = NOBODY
        self._cancel("soon")
        if self._over:
            return
        if self._called and not (self._carrier or self._turned_away):
            self.refused(Unanswered.NO_ANSWER if self._rings else Unanswered.BUSY)
        self.session.hang_up()
        self._flush()
        # The hang-up is to arrive, whatever becomes of the connection meanwhile.
        self._set("drain", max(drain_s, GOODBYE_S), self._leave)
        self._go_on()

    def abort(self) -> None:
        self._closing = True
        self._user = NOBODY
        link = self._link
        if link is not None and not link.blocked:
            self.session.forget()  # so that the hang-up is the next thing said
            self.session.hang_up()
            link.send(self.session.take())
        self._leave(abort=True)

    # -- signals -------------------------------------------------------------------------------------------

    def ringing(self) -> None:
        self._rings = True
        self.session.ringing()
        self._flush()

    def answered(self) -> None:
        self._carrier = True
        self.session.answered()
        self._flush()

    def refused(self, why: Unanswered) -> None:
        self._turned_away = True
        self.session.turn_away(_WHY[why])
        self._flush()

    def circuits(self, dtr: bool, rts: bool) -> None:
        self.session.circuits(dtr, rts)
        self._flush()

    # -- what follows --------------------------------------------------------------------------------------

    def _go_on(self) -> None:
        """Deliver, send, and see whether this is the end."""
        self._deliver()
        self._flush()
        if self.session.complete and not self._over:
            # Everything is here.  What was still to be sent nobody waits for any more, but for the farewell.
            if self._link is not None and self._link.blocked:
                self._link.send(self.session.take())
            self._release()
        elif self._closing and self.session.parted:
            self._leave()
        self._tell_end()

    def _flush(self) -> None:
        """Send what may go, and tell the user how things stand."""
        link = self._link
        if link is not None and not link.blocked:
            out = self.session.take()
            if out:
                link.send(out)
        self._tell()

    def _tell(self) -> None:
        """Hold the user up while something of his waits; an end holds nobody up."""
        link = self._link
        waits = bool(self.session.waiting) or (link is not None and link.blocked)
        blocked = waits and not self._over
        if blocked is not self._blocked:
            self._blocked = blocked
            if blocked:
                self._user.write_blocked()
            else:
                self._user.write_drained()

    def _deliver(self) -> None:
        """Hand over what has come, for as long as somebody takes it."""
        if self._delivering:
            return
        self._delivering = True
        try:
            while self._takes() and (event := self.session.next()) is not None:
                self._happened(event)
        except ProtocolError as exc:
            self._fail(f"{exc}")
        except Exception as exc:
            # What the reactor does to a reader that raises must not make the connection look lost.
            self._log.failure("{peer}: the user of the call failed", peer=self.peer)
            self._fail(f"internal error: {exc}")
        finally:
            self._delivering = False

    def _fail(self, reason: str) -> None:
        self._deaf = True
        self._ending = self._ending or Ending(Cause.ERROR, reason)
        self._release(abort=True)

    def _takes(self) -> bool:
        if self._told or self._deaf:
            return False
        if self._closing:
            return not self._over  # for nobody, so that the far end gets rid of it
        if self._started:
            return not self._paused
        return not (self._called or self._carrier or self._turned_away)

    def _happened(self, event: Event) -> None:
        if isinstance(event, HungUp):
            self._ending = self._ending or Ending(Cause.FINISHED, "the far modem has hung up")
        elif self._closing:
            pass
        elif isinstance(event, Data):
            if not self._started:
                raise ProtocolError("data before the answer")
            self._user.data_received(event.data)
        elif isinstance(event, Break):
            self.break_received()
        elif isinstance(event, Circuits):
            self.circuits_received(event.dtr, event.rts)
        elif self._called or self._started:
            pass  # the rest is what a called modem tells before it has answered
        elif isinstance(event, Ringing):
            self.rang()
        elif isinstance(event, Answered):
            self._carrier = True
            self.was_answered()
        elif isinstance(event, Refusal):
            self._turned_away = self._told = True
            self.was_refused(_UNANSWERED[event.why])

    # -- ends ----------------------------------------------------------------------------------------------

    def _finish(self, ending: Ending) -> None:
        """There is no call any more, whatever the far end knows of it."""
        self._ending = self._ending or ending
        self._release(abort=True)
        self._deliver()
        self._tell_end()

    def _tell_end(self) -> None:
        """Tell the user of the end, behind the last that came of the call."""
        if self._ending is None or self._told or self._closing or self._delivering:
            return
        if self._started and (self._deaf or not self._paused):
            self._told = True
            self._cancel("soon")
            self._user.stream_ended(self._ending)
        elif not (self._started or self._called or self._carrier):
            self._told = True
            self.failed(self._ending)

    def _leave(self, abort: bool = False) -> None:
        """Nobody is left to be told anything."""
        self._told = True
        self._cancel("soon")
        self._release(abort)

    def _release(self, abort: bool = False) -> None:
        """Let go of the connection and of the timers that are about it."""
        self._drop_link(abort)
        self._cancel("hold")
        self._cancel("drain")
        if not self._over:
            self._over = True
            self._tell()
            self.left()

    def _set(self, name: str, seconds: float, call: Callable[..., None], *args: Any) -> None:
        self._cancel(name)
        self._timers[name] = self._reactor.callLater(seconds, self._expire, name, call, args)

    def _expire(self, name: str, call: Callable[..., None], args: tuple[Any, ...]) -> None:
        del self._timers[name]
        call(*args)

    def _cancel(self, name: str) -> None:
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()
