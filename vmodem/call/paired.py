"""What becomes of a call to the other vmodem of a pair.

What does not belong here: who counts as one (partners.py), the protocol (:mod:`vmodem.net.pair.ends`),
and result codes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from atparser.actions import CallFailure
from vmodem.net.address import Destination
from vmodem.net.connect import Connecting
from vmodem.net.layer import Opening
from vmodem.net.signals import Unanswered
from vmodem.net.stream import FdStream, Stream

from .placing import Layer, Placing

_FAILURES: Final = {
    Unanswered.BUSY: CallFailure.REFUSED,
    Unanswered.REJECTED: CallFailure.REFUSED,
    Unanswered.NO_ANSWER: CallFailure.UNANSWERED,
}


def call_partner(
    attempt: Placing, stream: Stream, where: Destination, layer: Layer | None, secret: bytes
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
        attempt: Placing,
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
