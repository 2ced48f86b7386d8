"""What a call that is being placed looks like to whoever carries it.

A carrier is begun with the call it works for and ends it with ``reached`` or ``failed``; what it has under
way it names by ``wait_for``, so that it can be given up at any moment.

What does not belong here: who places calls (originate.py), and how any kind of target is reached.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from atparser.actions import CallFailure
from vmodem.net.address import Destination
from vmodem.net.layer import Opened, OpenFailed, Opening
from vmodem.net.stream import FdStream, Stream

from .caller import Caller
from .directory import Directory, Entry
from .partners import Partners
from .target import Target

#: Offers a call to a modem or group of this process (``line:``, ``group:``), or to this modem's own answer
#: side (``loop:``).  False: busy.
OfferInside = Callable[[Target, Stream, Caller], bool]


class Origin(Protocol):
    """Where the call comes from."""

    name: str
    number: str
    directory: Directory
    offer_inside: OfferInside
    partners: Partners


class Placing(Protocol):
    """A call being placed."""

    origin: Origin
    reactor: Any
    #: What is being tried now.
    target: Target

    @property
    def entry(self) -> Entry | None:
        """The directory entry; None when the address was dialled itself."""

    @property
    def over(self) -> bool:
        """Whether the call is connected, failed or given up."""

    def wait_for(self, pending: Any) -> None:
        """``pending`` is under way; it is cancelled with the call.  None: nothing is."""

    def allowed(self) -> bool:
        """Whether a target without an address may be called: the directory is the only way to one.  When not,
        the call has failed."""

    def locate(self, located: Callable[[list[Destination]], None]) -> None:
        """Turn the target's host and port into addresses that may be called; ``located`` gets at least one,
        perhaps at once.  What cannot be found or may not be called has failed."""

    def connect(
        self, destinations: Sequence[Destination], reached: Callable[[FdStream, Destination], None]
    ) -> None:
        """Connect to the first of ``destinations`` that answers."""

    def far_rings(self) -> None:
        """The far modem rings: somebody is there, and no other line need be tried."""

    def reached(self, stream: Stream, peer: str) -> None:
        """The call is connected.  ``peer`` is for people."""

    def failed(self, failure: CallFailure, reason: str) -> None:
        """This target cannot be had; the next one is tried."""


#: Reaches one kind of target.
Carrier = Callable[[Placing], None]
#: Puts a layer over a fresh connection; returns what is under way, or None when it has already answered.
Layer = Callable[[Placing, Stream, Opened, OpenFailed], Opening | None]
