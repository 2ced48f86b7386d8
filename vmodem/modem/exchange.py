"""What a modem asks of the network side: the driver's view of whoever places and turns away calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from atparser import CallFailure, DialString
from vmodem.net.stream import Stream


class Attempt(Protocol):
    """A call being placed."""

    #: Called when the far modem rings, where it tells.  Whoever wants to hear of it puts a callable here.
    rang: Callable[[], None]

    def cancel(self) -> None:
        """Give it up; neither callback is called any more."""


class Exchange(Protocol):
    """Whoever places calls for this modem, and says goodbye to callers it does not take."""

    def originate(
        self,
        dial: DialString,
        connected: Callable[[Stream, Any], None],
        failed: Callable[[CallFailure, str], None],
    ) -> Attempt:
        """Place a call."""

    def refuse(self, stream: Stream, text: bytes) -> None:
        """Send ``text`` to a caller and close."""
