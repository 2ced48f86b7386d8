"""Calls to and from the other vmodem of a pair: who counts as one, and what becomes of a call to one.

Without a pair nothing here is done, and no byte of it is ever sent to anybody else.

What does not belong here: the protocol (:mod:`vmodem.net.pair.ends`), and result codes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from atparser.actions import CallFailure
from vmodem.net.address import Destination
from vmodem.net.admission.rules import CallerRules
from vmodem.net.connect import Connecting
from vmodem.net.layer import Opened, OpenFailed, Opening
from vmodem.net.signals import Unanswered
from vmodem.net.stream import FdStream, Stream

if TYPE_CHECKING:
    from .originate import Attempt

#: Puts a layer over a fresh connection; returns what is under way, or None when it has already answered.
Layer = Callable[["Attempt", Stream, Opened, OpenFailed], Opening | None]

_FAILURES: Final = {
    Unanswered.BUSY: CallFailure.REFUSED,
    Unanswered.REJECTED: CallFailure.REFUSED,
    Unanswered.NO_ANSWER: CallFailure.UNANSWERED,
}


class Partners:
    """Where the other vmodem of a pair is: networks and addresses, as ``allow_callers`` has them.

    ``secret`` is what both ends know, "" for nothing.  Raises
    :class:`vmodem.net.admission.rules.AccessError`.
    """

    def __init__(self, networks: Sequence[str] = (), secret: str = "") -> None:
        self._rules = CallerRules(networks)
        self._any = bool(networks)
        self.secret = secret.encode()

    def __bool__(self) -> bool:
        """Whether there is a pair at all."""
        return self._any

    def holds(self, host: str) -> bool:
        """Whether a partner may be at this address (a literal; "" is none)."""
        return self._any and bool(host) and self._rules.judge(host).allowed


def call_partner(
    attempt: Attempt, stream: Stream, where: Destination, layer: Layer | None, secret: bytes
) -> None:
    """Go on with a call that has reached a partner; other connections go the same way as the first."""
    from vmodem.net.pair.ends import PairDialer

    def reconnect(connected: Callable[[Stream], None], failed: Callable[[str], None]) -> Opening:
        return _Reconnecting(attempt, where, layer, connected, failed)

    def refused(why: Unanswered) -> None:
        attempt.failed(_FAILURES[why], f"{where.printable}: {why.value}, says the far modem")

    attempt.wait_for(
        PairDialer(
            attempt.reactor,
            stream,
            reconnect,
            answered=lambda made: attempt.reached(made, where.printable),
            refused=refused,
            failed=lambda reason: attempt.failed(CallFailure.NO_ANSWER, f"{where.printable}: {reason}"),
            rang=attempt.far_rings,
            number=attempt.origin.number,
            name=attempt.origin.name,
            secret=secret,
        )
    )


class _Reconnecting:
    """Another connection to where the first one went, with the same layer."""

    def __init__(
        self,
        attempt: Attempt,
        where: Destination,
        layer: Layer | None,
        connected: Callable[[Stream], None],
        failed: Callable[[str], None],
    ) -> None:
        self._attempt = attempt
        self._layer = layer
        self._connected = connected
        self._failed = failed
        self._pending: Any = Connecting(
            attempt.reactor, [where], self._reached, lambda trouble, reason: failed(reason)
        )

    def cancel(self) -> None:
        """Give up; neither callback is called any more."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.cancel()

    def _reached(self, stream: FdStream, where: Destination) -> None:
        self._pending = None
        if self._layer is None:
            self._connected(stream)
        else:
            self._pending = self._layer(self._attempt, stream, self._connected, self._failed)
