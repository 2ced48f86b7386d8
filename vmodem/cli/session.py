"""A call joined to the terminal, or the pipes, that this program was started with.

What does not belong here: placing the call (dial.py).
"""

from __future__ import annotations

import os
import termios
from collections.abc import Callable
from typing import Any, Final

from vmodem.net.stream import Cause, Ending, FdStream, Stream
from vmodem.tty.standard import Way

from .escapes import Escapes

_STDIN: Final = 0
_STDOUT: Final = 1
#: How long the last bytes may take to leave, in seconds.
DRAIN_S: Final = 2.0
#: How often it is asked whether they have, in seconds.
_LOOK_S: Final = 0.02
#: Input has ended and the call has no way to say so: it is hung up after so long a silence, in seconds.
SILENCE_S: Final = 1.0


class Session:
    """Joins ``call`` to standard input and output; ``over`` is told once why it ended, with the way out
    drained and the terminal as it was before.

    On a terminal every key goes to the far end, but for ``~.``.  From a pipe the end of input ends our
    direction of the call, and what the far end still has to say is read.
    """

    def __init__(self, reactor: Any, call: Stream, over: Callable[[Ending | None], None]) -> None:
        self._reactor = reactor
        self._call = call
        self._over = over
        self._ending: Ending | None = None
        self._closing = False
        self._input_ended = False
        self._timer: Any = None
        self._settings: list[Any] | None = None
        self._escapes: Escapes | None = None
        if os.isatty(_STDIN):
            self._escapes = Escapes()
            self._settings = termios.tcgetattr(_STDIN)
            termios.tcsetattr(_STDIN, termios.TCSADRAIN, _raw(self._settings))
        self._ways = [Way(_STDIN, os.O_RDONLY), Way(_STDOUT, os.O_WRONLY)]
        self._near = FdStream(
            reactor, self._ways[0].fd, owner=self, write_fd=self._ways[1].fd, peer="standard input"
        )
        self._near.start(_Near(self))
        call.start(_Far(self))

    def hang_up(self) -> None:
        """End the call in order."""
        self._end(None)

    def close(self) -> None:
        """What the stream does instead of closing the standard descriptors."""

    # -- from here -----------------------------------------------------------------------------------------

    def typed(self, data: bytes) -> None:
        """Input came."""
        if self._escapes is not None:
            data = self._escapes.take(data)
        if data:
            self._call.write(data)
        if self._escapes is not None and self._escapes.hung_up:
            self._end(None)

    def input_ended(self, ending: Ending) -> None:
        """No more input; or nobody takes our output."""
        if ending.cause is not Cause.FINISHED:
            self._end(None)
            return
        self._input_ended = True
        self._end_output()

    def sent(self) -> None:
        """Everything typed so far has left."""
        if self._input_ended:
            self._end_output()
        else:
            self._near.resume()

    def _end_output(self) -> None:
        if self._call.backlog:
            return  # sent() comes back here
        end = getattr(self._call, "end_output", None)
        if end is None or not end():
            self._listen_on()

    # -- from there ----------------------------------------------------------------------------------------

    def received(self, data: bytes) -> None:
        """The far end sent something."""
        self._near.write(data)
        if self._timer is not None:
            self._timer.reset(SILENCE_S)

    def _listen_on(self) -> None:
        if self._timer is None and not self._closing:
            self._timer = self._reactor.callLater(SILENCE_S, self._silent)

    def _silent(self) -> None:
        self._timer = None
        self._end(None)

    # -- ends ----------------------------------------------------------------------------------------------

    def far_blocked(self) -> None:
        """The far end takes no more for now."""
        self._near.pause()

    def near_blocked(self) -> None:
        """Whoever reads our output takes no more for now."""
        self._call.pause()

    def near_drained(self) -> None:
        """Our output has been taken."""
        if not self._closing:
            self._call.resume()

    def call_ended(self, ending: Ending) -> None:
        """The far end has ended the call."""
        self._end(ending)

    def _end(self, ending: Ending | None) -> None:
        if self._closing:
            return
        self._closing = True
        self._ending = ending
        self._near.pause()
        self._cancel()
        if ending is None:
            self._call.close(DRAIN_S)
        else:
            self._call.abort()
        self._wait(self._reactor.seconds() + DRAIN_S)

    def _wait(self, end: float) -> None:
        """Both ways may still hold bytes; a stream that is being closed tells nobody when they are gone."""
        if (self._near.backlog or self._call.backlog) and self._reactor.seconds() < end:
            self._timer = self._reactor.callLater(_LOOK_S, self._wait, end)
            return
        self._timer = None
        self.leave()
        self._over(self._ending)

    def leave(self) -> None:
        """End at once, and tell nobody."""
        self._closing = True
        self._cancel()
        self._near.abort()
        self._call.abort()
        self.restore()

    def restore(self) -> None:
        """Give the terminal and the descriptors back as they were."""
        for way in self._ways:
            way.close()
        settings, self._settings = self._settings, None
        if settings is not None:
            try:
                termios.tcsetattr(_STDIN, termios.TCSADRAIN, settings)
            except termios.error:
                pass  # the terminal is gone

    def _cancel(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()


class _Near:
    """The user of standard input and output."""

    def __init__(self, session: Session) -> None:
        self.data_received = session.typed
        self.write_blocked = session.near_blocked
        self.write_drained = session.near_drained
        self.stream_ended = session.input_ended


class _Far:
    """The user of the call."""

    def __init__(self, session: Session) -> None:
        self.data_received = session.received
        self.write_blocked = session.far_blocked
        self.write_drained = session.sent
        self.stream_ended = session.call_ended


def _raw(settings: list[Any]) -> list[Any]:
    """Terminal settings under which every key is a byte for the far end."""
    from vmodem.tty.standard import raw_but_interruptible

    iflag, oflag, cflag, lflag, ispeed, ospeed, cc = raw_but_interruptible(settings)
    return [iflag, oflag, cflag, lflag & ~termios.ISIG, ispeed, ospeed, cc]
