"""A line on standard input and output: the terminal vmodem was started in, or whatever pipes stand there."""

from __future__ import annotations

import os
import termios
from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from vmodem.line.base import LineUser
from vmodem.line.streamed import StreamedLine
from vmodem.net.stream import NOBODY, Cause, Ending, FdStream
from vmodem.tty.rate import rate_of
from vmodem.tty.standard import STDIN as _STDIN
from vmodem.tty.standard import Standard

#: How long written bytes may take to leave when the line is stopped, in seconds.
LAST_WORDS_S: Final = 0.3


def _discard(data: bytes) -> None:
    """The line has ended."""


class StdioLine(StreamedLine):
    """``stdio:``.  The DTE is there until the end of input; a terminal is as it was before once the line
    stops."""

    _log = Logger()

    def __init__(self, reactor: Any, *, description: str = "stdio:") -> None:
        self.description = description
        self.write = _discard
        self._reactor = reactor
        self._stream: FdStream | None = None
        self._standard = Standard()
        self._when_sent: Callable[[], None] | None = None
        self._stopped: Deferred[None] | None = None
        self._timer: Any = None

    def start(self, user: LineUser) -> None:
        """Begin to serve; the user is told of the DTE before this returns."""
        self._user = user
        self.data_received = user.dte_received
        reading, writing = self._standard.take()
        self._stream = stream = FdStream(
            self._reactor, reading, owner=self, write_fd=writing, peer="standard input"
        )
        self.write = stream.write
        user.dtr_changed(True)
        self._begin(stream)

    def close(self) -> None:
        """What the stream does instead of closing the standard descriptors."""

    def stop(self) -> Deferred[None]:
        if self._stopped is not None:
            return self._stopped
        stopped = self._stopped = Deferred()
        self.write = _discard
        self.data_received = NOBODY.data_received
        self._finish_sent()
        self._let_go()
        if self._stream is None or not self._stream.backlog:
            self._finish_stop()
        else:
            self._stream.start(self)
            self._timer = self._reactor.callLater(LAST_WORDS_S, self._finish_stop)
        return stopped

    @property
    def rate(self) -> int:
        """The terminal's speed; 0 for pipes and files."""
        if not os.isatty(_STDIN):
            return 0
        try:
            return rate_of(_STDIN)
        except (OSError, termios.error):
            return 0

    def when_sent(self, done: Callable[[], None]) -> None:
        self._when_sent = done
        if not self.backlog:
            self._finish_sent()

    def write_blocked(self) -> None:
        if self._stopped is None:
            self._user.dte_blocked()

    def write_drained(self) -> None:
        self._finish_sent()
        if self._stopped is not None:
            self._finish_stop()
        else:
            self._user.dte_drained()

    def stream_ended(self, ending: Ending) -> None:
        """Input has ended; output goes on until stop(), so that the answer to the last command is seen."""
        if self._stopped is not None:
            return
        if ending.cause is not Cause.FINISHED:
            self._log.info("standard input or output: {reason}", reason=ending.detail)
        self._user.dtr_changed(False)
        self._user.line_finished()

    def _finish_sent(self) -> None:
        done, self._when_sent = self._when_sent, None
        if done is not None:
            done()

    def _finish_stop(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        stream = self._stream
        self._end()
        if stream is not None:
            stream.abort()
        self._standard.give_back()
        if self._stopped is not None and not self._stopped.called:
            self._stopped.callback(None)
