"""Equipment on standard input and output: the terminal vmodem was started in, or whatever pipes are there."""

from __future__ import annotations

from typing import Any

from vmodem.net.stream import Cause, Ending, FdStream
from vmodem.port.base import PortUser
from vmodem.port.plain import StreamPort
from vmodem.tty.standard import Standard


class StdioPort(StreamPort):
    """``stdio:``.  Attached until the end of input; a terminal is as it was before once the port stops."""

    def __init__(self, reactor: Any, *, description: str = "stdio:") -> None:
        super().__init__(reactor, description)
        self._standard = Standard()

    def start(self, user: PortUser) -> None:
        super().start(user)
        reading, writing = self._standard.take()
        self._come(FdStream(self._reactor, reading, owner=self, write_fd=writing, peer="standard input"))

    def close(self) -> None:
        """What the stream does instead of closing the standard descriptors."""

    def stream_ended(self, ending: Ending) -> None:
        """Input has ended, for good; what was written still goes out."""
        if self._stopped is not None:
            self._finish_stop()
            return
        if ending.cause is not Cause.FINISHED:
            self._log.info("standard input or output: {reason}", reason=ending.detail)
        self._gone()

    def write_drained(self) -> None:
        super().write_drained()
        if self._stopped is not None:
            self._finish_stop()

    def _close(self) -> None:
        self._standard.give_back()
