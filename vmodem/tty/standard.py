"""Standard input and output taken for a while: raw where they are a terminal, and given back as they were.

What does not belong here: the bytes.
"""

from __future__ import annotations

import atexit
import os
import stat
import termios
from typing import Any, Final

from twisted.logger import Logger

STDIN: Final = 0
STDOUT: Final = 1
_UNSET: Final = b"\0"


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


class Standard:
    """The standard descriptors, from :meth:`take` to :meth:`give_back` or the end of the process."""

    _log = Logger()

    def __init__(self) -> None:
        self._ways: list[Way] = []
        self._settings: list[Any] | None = None

    def take(self) -> tuple[int, int]:
        """Descriptors for reading and for writing that do not block."""
        if os.isatty(STDIN):
            self._settings = termios.tcgetattr(STDIN)
            termios.tcsetattr(STDIN, termios.TCSADRAIN, raw_but_interruptible(self._settings))
        atexit.register(self._restore)
        self._ways = [Way(STDIN, os.O_RDONLY), Way(STDOUT, os.O_WRONLY)]
        return self._ways[0].fd, self._ways[1].fd

    def give_back(self) -> None:
        """Everything is as it was before."""
        atexit.unregister(self._restore)
        self._restore()

    def _restore(self) -> None:
        for way in self._ways:
            way.close()
        settings, self._settings = self._settings, None
        if settings is not None:
            try:
                termios.tcsetattr(STDIN, termios.TCSADRAIN, settings)
            except termios.error as exc:  # the terminal is gone
                self._log.debug("terminal settings: {reason}", reason=str(exc))
