"""A TARGET as equipment: bytes to and from a connection that is made again whenever it ends.

It has neither settings nor circuits: every setting is taken for granted.  ``rfc2217:`` targets are not for
this room: they are ports by themselves (:mod:`vmodem.port.remote`).

What does not belong here: how a target is reached.
"""

from __future__ import annotations

from typing import Any, Final

from vmodem.call.placing import OfferInside
from vmodem.call.reach import Reach
from vmodem.call.target import Target
from vmodem.net.names.resolve import Resolver
from vmodem.net.stream import Cause, Ending, Stream
from vmodem.net.timer import Timer
from vmodem.port.base import Noted, PortUser, Signals
from vmodem.port.plain import LAST_WORDS_S, StreamPort

#: Waits between attempts, in seconds; the last one repeats.
RETRY_S: Final = (0.25, 0.5, 1.0, 2.0, 5.0, 10.0)
#: A connection that lasts so long is a success: the waits begin anew, in seconds.
SETTLED_S: Final = 5.0
#: How long a break is, in seconds.
BREAK_S: Final = 0.25


class TargetPort(StreamPort):
    """Equipment that is reached as ``target``."""

    def __init__(
        self,
        reactor: Any,
        target: Target,
        *,
        name: str = "",
        offer_inside: OfferInside | None = None,
        resolver: Resolver | None = None,
    ) -> None:
        super().__init__(reactor, str(target))
        self.signals_known = Signals.NONE
        self._way = Reach(reactor, target, name=name, offer_inside=offer_inside, resolver=resolver)
        self._since = 0.0
        self._attempt = 0
        self._reason = ""
        self._retry = Timer(reactor)

    # -- the contract --------------------------------------------------------------------------------------

    def start(self, user: PortUser) -> None:
        """Begin to connect; a target that cannot be reached is told by ``lost`` and tried again."""
        self._user = user
        self._try()

    def set_break(self, on: bool) -> None:
        """Telnet carries a break, which has no length there."""
        if on and self._stream is not None:
            self._stream.send_break(BREAK_S, False)

    def _presence(self) -> Signals:
        return Signals.NONE

    def _say_goodbye(self, stream: Stream) -> None:
        stream.close(LAST_WORDS_S)

    def _close(self) -> None:
        self._retry.cancel()
        self._way.cancel()

    # -- what the stream tells -----------------------------------------------------------------------------

    def stream_ended(self, ending: Ending) -> None:
        """The connection is over."""
        stream = self._go()
        if stream is None:
            return
        if ending.cause is Cause.FINISHED:
            stream.close(LAST_WORDS_S)
        else:
            stream.abort()
        if self._reactor.seconds() - self._since >= SETTLED_S:
            self._attempt = 0
        self._gone()
        self._missing(f"{stream.peer}: {ending.detail}")

    # -- coming and going ----------------------------------------------------------------------------------

    def _try(self) -> None:
        self._way.begin(self._reached, self._missing)

    def _reached(self, stream: Stream) -> None:
        self._since = self._reactor.seconds()
        reason, self._reason = self._reason, ""
        self._log.info("{target}: connected to {peer}", target=self.description, peer=stream.peer)
        stream.break_received = self._break_came
        if reason:
            self._user.found()
        self._come(stream)

    def _missing(self, reason: str) -> None:
        if self._stopped is not None:
            return
        self._retry.set(RETRY_S[min(self._attempt, len(RETRY_S) - 1)], self._try)
        self._attempt += 1
        if reason != self._reason:
            self._reason = reason
            self._log.info("{target}: {reason}", target=self.description, reason=reason)
            self._user.lost(reason)

    def _break_came(self) -> None:
        self.counters.breaks += 1
        self._user.noted(Noted.BREAK)
