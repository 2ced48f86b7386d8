"""One connection of a call between two vmodems, as long as it is the present one.

What does not belong here: the call (:mod:`vmodem.net.pair.stream`), and how the ends agree on a connection.
"""

from __future__ import annotations

from typing import Final, Protocol

from vmodem.net.stream import Ending, Stream

#: How long a connection that is being closed waits for the other end's end, in seconds.
GOODBYE_S: Final = 5.0


class Paired(Protocol):
    """The call that a connection carries."""

    def heard(self, data: bytes) -> None:
        """A chunk came."""

    def drained(self) -> None:
        """The connection takes more."""

    def lost(self, ending: Ending) -> None:
        """The connection is gone."""


class Link:
    """The user of one connection; what one says that is no longer the present one is not heard."""

    def __init__(self, pair: Paired, inner: Stream) -> None:
        self.inner = inner
        self.blocked = False
        self.quiet = True  # nothing was sent since the last tick
        self._pair: Paired | None = pair

    def send(self, data: bytes) -> None:
        self.quiet = False
        self.inner.write(data)

    def detach(self, abort: bool) -> None:
        self._pair = None
        if abort:
            self.inner.abort()
        else:
            self.inner.close(GOODBYE_S)

    def data_received(self, data: bytes) -> None:
        if self._pair is not None:
            self._pair.heard(data)

    def write_blocked(self) -> None:
        self.blocked = True

    def write_drained(self) -> None:
        self.blocked = False
        if self._pair is not None:
            self._pair.drained()

    def stream_ended(self, ending: Ending) -> None:
        if self._pair is not None:
            self._pair.lost(ending)
