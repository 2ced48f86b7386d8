"""A line on standard input and output: the terminal vmodem was started in, or whatever pipes stand there."""

from __future__ import annotations

import atexit
import os
import stat
import termios
from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from vmodem.line.base import LineUser
from vmodem.line.streamed import StreamedLine
from vmodem.net.stream import NOBODY, Cause, Ending, FdStream
from vmodem.tty.rate import rate_of

#: How long written bytes may take to leave when the line is stopped, in seconds.
LAST_WORDS_S: Final = 0.3

_STDIN: Final = 0
_STDOUT: Final = 1
_UNSET: Final = b"\0"


def _discard(data: bytes) -> None:
    """The line has ended."""


def raw_but_interruptible(settings: list[Any]) -> list[Any]:
    """Terminal settings under which every byte passes as it is, except that Ctrl-C still interrupts.

    ``settings`` is what ``termios.tcgetattr`` gives and is left alone.  Ctrl-Z and Ctrl-\\ are data.
    """
    iflag, oflag, cflag, lflag, ispeed, ospeed, cc = settings
    iflag &= ~(
        termios.BRKINT
        | termios.ICRNL
        | termios.INLCR
        | termios.IGNCR
        | termios.ISTRIP
        | termios.INPCK
        | termios.IXON
    )
    oflag &= ~termios.OPOST
    cflag = cflag & ~(termios.CSIZE | termios.PARENB) | termios.CS8
    lflag = lflag & ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.IEXTEN) | termios.ISIG
    cc = list(cc)
    cc[termios.VMIN], cc[termios.VTIME] = 1, 0
    cc[termios.VSUSP] = cc[termios.VQUIT] = _UNSET
    return [iflag, oflag, cflag, lflag, ispeed, ospeed, cc]


class Way:
    """A non-blocking descriptor for one of the standard ones.

    Whether a descriptor blocks is shared with every program that has it, the shell among them.  So it is
    opened anew where the system allows that (terminals, pipes); elsewhere the flag is set and put back at the
    end.
    """

    def __init__(self, fd: int, flags: int) -> None:
        self._shared: int | None = None
        mode = os.fstat(fd).st_mode
        try:
            path = os.ttyname(fd) if os.isatty(fd) else f"/proc/self/fd/{fd}"
            if not (stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)):
                raise OSError  # a file opened anew would be at its beginning again
            self.fd = os.open(path, flags | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            self.fd = os.dup(fd)
            if not stat.S_ISREG(mode) and os.get_blocking(fd):
                os.set_blocking(fd, False)
                self._shared = fd

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
            if self._shared is not None:
                os.set_blocking(self._shared, True)


class StdioLine(StreamedLine):
    """``stdio:``.  The DTE is there until the end of input; a terminal is as it was before once the line
    stops."""

    _log = Logger()

    def __init__(self, reactor: Any, *, description: str = "stdio:") -> None:
        self.description = description
        self.write = _discard
        self._reactor = reactor
        self._ways: list[Way] = []
        self._stream: FdStream | None = None
        self._settings: list[Any] | None = None
        self._when_sent: Callable[[], None] | None = None
        self._stopped: Deferred[None] | None = None
        self._timer: Any = None

    def start(self, user: LineUser) -> None:
        """Begin to serve; the user is told of the DTE before this returns."""
        self._user = user
        self.data_received = user.dte_received
        if os.isatty(_STDIN):
            self._settings = termios.tcgetattr(_STDIN)
            termios.tcsetattr(_STDIN, termios.TCSADRAIN, raw_but_interruptible(self._settings))
        atexit.register(self._restore)
        self._ways = [Way(_STDIN, os.O_RDONLY), Way(_STDOUT, os.O_WRONLY)]
        self._stream = stream = FdStream(
            self._reactor, self._ways[0].fd, owner=self, write_fd=self._ways[1].fd, peer="standard input"
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
        stream = self._end()
        if stream is not None:
            stream.abort()
        atexit.unregister(self._restore)
        self._restore()
        if self._stopped is not None and not self._stopped.called:
            self._stopped.callback(None)

    def _restore(self) -> None:
        """Give the terminal and the descriptors back as they were."""
        for way in self._ways:
            way.close()
        settings, self._settings = self._settings, None
        if settings is not None:
            try:
                termios.tcsetattr(_STDIN, termios.TCSADRAIN, settings)
            except termios.error as exc:  # the terminal is gone
                self._log.debug("terminal settings: {reason}", reason=str(exc))
