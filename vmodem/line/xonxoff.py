"""XON and XOFF done by ourselves, on lines where no kernel does it (V.250 clause 6.2.12).

:class:`XonXoff` stands between a line's stream and the line while the characters mean something, and nowhere
while they do not: then bytes go straight, and nobody looks at them.

An XOFF of the DTE stops what goes to it until its XON, as if it took nothing.  To hold up the DTE an XOFF is
sent to it, and an XON when it may go on.  Reading goes on meanwhile, within a bound: the XON that lets our
own bytes out stands among what is read, and a far end may wait for them before it takes anything itself.

What does not belong here: when the DTE is to be held up, and what bytes mean.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from vmodem.line.base import Flow, FlowControl
from vmodem.net.stream import Ending, StreamUser

#: A DTE that goes on sending after an XOFF is read so far, in bytes, and no further.
READ_AHEAD: Final = 65536


class Carrier(Protocol):
    """What a line needs of a stream (:class:`vmodem.net.stream.Stream`)."""

    @property
    def write(self) -> Callable[[bytes], None]: ...

    @property
    def backlog(self) -> int: ...

    def start(self, user: StreamUser) -> None: ...

    @property
    def pause(self) -> Callable[[], None]: ...

    @property
    def resume(self) -> Callable[[], None]: ...

    def discard_pending(self) -> None: ...


def characters_count(flow: FlowControl | None) -> bool:
    """Whether XON and XOFF mean anything in either direction."""
    return flow is not None and Flow.XON_XOFF in flow.dce_by_dte | flow.dte_by_dce


class XonXoff:
    """A stage between ``stream`` and its user, which is the line.

    For the line it takes the stream's place in writing, pausing and resuming.  ``stopped`` is told when the
    DTE stops us (True) and lets us go on, where more than our own writing has to be stopped.
    """

    def __init__(
        self,
        stream: Carrier,
        user: StreamUser,
        flow: FlowControl,
        stopped: Callable[[bool], None] | None = None,
    ) -> None:
        self._stream = stream
        self._user = user
        self._obeyed = Flow.XON_XOFF in flow.dce_by_dte
        self._sent = Flow.XON_XOFF in flow.dte_by_dce
        self._on, self._off = bytes((flow.xon,)), bytes((flow.xoff,))
        self._through = flow.through
        self._tell_stopped = stopped
        self._stopped = False
        self._paused = False
        self._held = bytearray()  # for the DTE, until its XON
        self._ahead = bytearray()  # from the DTE, until we resume

    # -- in the stream's place -----------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        if self._stopped:
            self._held += data
        else:
            self._stream.write(data)

    @property
    def backlog(self) -> int:
        """Bytes that wait here; the stream's own are not counted."""
        return len(self._held)

    def pause(self) -> None:
        if self._paused:
            return
        self._paused = True
        if self._sent:
            self._stream.write(self._off)
        if not self._obeyed:
            self._stream.pause()

    def resume(self) -> None:
        if not self._paused:
            return
        self._paused = False
        if self._sent:
            self._stream.write(self._on)
        self._deliver()
        if not self._paused:
            self._stream.resume()

    def discard(self) -> None:
        """Forget what waits here for the DTE."""
        self._held.clear()

    def let_go(self) -> bytes:
        """Stand aside: what waited for an XON is written, and what the DTE had sent is given back.

        The stream then wants another user, by its ``start``.
        """
        if self._paused and self._sent:
            self._stream.write(self._on)  # or nobody ever would
        held, self._held = bytes(self._held), bytearray()
        self._go(held)
        ahead, self._ahead = bytes(self._ahead), bytearray()
        return ahead

    # -- what the stream tells -----------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self._obeyed:
            # Nothing can be written between two bytes of a chunk, so only the last of the characters counts.
            off, on = data.rfind(self._off), data.rfind(self._on)
            if off >= 0 or on >= 0:
                if not self._through:
                    data = data.translate(None, self._on + self._off)
                self._obey(off > on)
        if self._paused:
            self._ahead += data
            if len(self._ahead) >= READ_AHEAD:
                self._stream.pause()
        elif data:
            self._user.data_received(data)

    def write_blocked(self) -> None:
        self._user.write_blocked()

    def write_drained(self) -> None:
        if not self._stopped:
            self._user.write_drained()

    def stream_ended(self, ending: Ending) -> None:
        """What the DTE had sent arrives, and then the end; what waited for its XON is lost with it."""
        self._held.clear()
        self._paused = False
        self._deliver()
        self._user.stream_ended(ending)

    # -- inside --------------------------------------------------------------------------------------------

    def _obey(self, off: bool) -> None:
        if off and not self._stopped:
            self._stopped = True
            if self._tell_stopped is not None:
                self._tell_stopped(True)
            self._user.write_blocked()
        elif not off and self._stopped:
            held, self._held = bytes(self._held), bytearray()
            self._go(held)

    def _go(self, held: bytes) -> None:
        if not self._stopped:
            return
        self._stopped = False
        if self._tell_stopped is not None:
            self._tell_stopped(False)
        if held:
            self._stream.write(held)
        if not self._stream.backlog:
            self._user.write_drained()

    def _deliver(self) -> None:
        while self._ahead and not self._paused:
            data = bytes(self._ahead)
            self._ahead.clear()
            self._user.data_received(data)
