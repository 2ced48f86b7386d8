"""Reaching a TARGET without a modem that dials it: for whoever was set up by the operator to be joined to it.

The operator named the target himself, so no rule on what may be dialled is asked.

What does not belong here: how each kind of target is reached (carriers.py), and what is done with it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from atparser.dialstring import DialString
from vmodem.net.admission.rules import DialRules
from vmodem.net.names.resolve import Resolver
from vmodem.net.stream import Stream
from vmodem.net.timer import Timer

from .directory import Directory
from .originate import Originator
from .placing import OfferInside
from .target import Target

#: How long a target may take, in seconds.
REACH_S: Final = 10.0
_PLACE: Final = "target"


class Reach:
    """The way to one target, to be gone any number of times, one after the other.

    ``name`` introduces us where targets ask for it; ``offer_inside`` is asked by targets within this process.
    """

    def __init__(
        self,
        reactor: Any,
        target: Target,
        *,
        name: str = "",
        offer_inside: OfferInside | None = None,
        resolver: Resolver | None = None,
    ) -> None:
        self.target = target
        self._originator = Originator(
            reactor,
            Directory({}, built_ins=False),
            DialRules(),
            offer_inside or (lambda *_: False),
            name=name,
            resolver=resolver,
            places={_PLACE: target},
        )
        self._limit = Timer(reactor)
        self._attempt: Any = None

    def begin(self, reached: Callable[[Stream], None], failed: Callable[[str], None]) -> None:
        """Try now.  Exactly one of the callbacks is called, later, and neither after :meth:`cancel`: with a
        stream that is not started, or with a reason for people."""
        self.cancel()

        def connected(stream: Stream, _: Any) -> None:
            self._over()
            reached(stream)

        def refused(_: Any, reason: str) -> None:
            self._over()
            failed(reason)

        def too_long() -> None:
            self.cancel()
            failed(f"{self.target}: no answer within {REACH_S:g} s")

        dial = DialString(raw=str(self.target), place=_PLACE)
        self._attempt = self._originator.originate(dial, connected, refused)
        self._limit.set(REACH_S, too_long)

    def cancel(self) -> None:
        """Give up: nothing is left under way."""
        attempt = self._attempt
        self._over()
        if attempt is not None:
            attempt.cancel()

    def _over(self) -> None:
        self._attempt = None
        self._limit.cancel()
