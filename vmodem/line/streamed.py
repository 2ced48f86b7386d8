"""What lines have in common that are one stream: the way its bytes go, straight or past XON and XOFF.

The way is chosen when a stream begins and when the setting changes; no chunk asks for it.  What does not
belong here: where a stream comes from, and how it ends.
"""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import TYPE_CHECKING

from vmodem.line.base import FlowControl, Line
from vmodem.line.xonxoff import Carrier, XonXoff, characters_count

if TYPE_CHECKING:
    from vmodem.net.stream import Ending


class StreamedLine(Line):
    """A line whose DTE is behind :attr:`_stream`, as long as there is one."""

    #: Arriving chunks go straight to the user.
    data_received: Callable[[bytes], None]
    _stream: Carrier | None = None
    _paused = False
    _flow: FlowControl | None = None
    _stage: XonXoff | None = None

    # -- for subclasses ------------------------------------------------------------------------------------

    @abc.abstractmethod
    def write_blocked(self) -> None:
        """The stream takes no more."""

    @abc.abstractmethod
    def write_drained(self) -> None:
        """The stream has taken everything."""

    @abc.abstractmethod
    def stream_ended(self, ending: Ending) -> None:
        """The stream is at its end."""

    @abc.abstractmethod
    def _finish_sent(self) -> None:
        """Everything written has left."""

    def _stage_for(self, stream: Carrier) -> XonXoff | None:
        """What has to stand between a stream and this line."""
        flow = self._flow
        return XonXoff(stream, self, flow) if flow is not None and characters_count(flow) else None

    def _begin(self, stream: Carrier) -> None:
        """Choose the way of the bytes, and read unless the line is paused."""
        stage = self._stage = self._stage_for(stream)
        self.write = stream.write if stage is None else stage.write
        stream.start(stage or self)
        if self._paused:
            (stage or stream).pause()

    def _end(self) -> None:
        """The stream is this line's no longer."""
        self._stream = self._stage = None

    def _let_go(self) -> bytes:
        """Write what waits for an XON, take out the stage; returns what the DTE had sent."""
        stage, self._stage = self._stage, None
        return b"" if stage is None else stage.let_go()

    # -- the contract --------------------------------------------------------------------------------------

    def set_flow(self, flow: FlowControl) -> None:
        self._flow = flow
        stream = self._stream
        if stream is not None and (self._stage is not None or characters_count(flow)):
            ahead = self._let_go()
            self._begin(stream)
            if ahead:
                self.data_received(ahead)

    def discard(self) -> None:
        stream, stage = self._stream, self._stage
        if stream is None:
            return
        stream.discard_pending()
        if stage is not None:
            stage.discard()
        self._finish_sent()
        (stage or self).write_drained()

    @property
    def backlog(self) -> int:
        stream, stage = self._stream, self._stage
        return (0 if stream is None else stream.backlog) + (0 if stage is None else stage.backlog)

    def pause(self) -> None:
        self._paused = True
        if self._stream is not None:
            (self._stage or self._stream).pause()

    def resume(self) -> None:
        self._paused = False
        if self._stream is not None:
            (self._stage or self._stream).resume()
