"""Asking a caller for a password, before anybody is rung.

The prompt is plain text and nothing is echoed; the line may end in CR, LF or CR LF.  What follows the line is
the call's, to the last byte: only an LF right behind the CR, :data:`NEWLINE_S` later at the most, belongs to
the line.  The password itself is neither kept nor told to anybody.

What does not belong here: what the right password is, and who may try again.
"""

from __future__ import annotations

import enum
import hmac
import os
import re
from collections.abc import Callable
from typing import Any, Final

from vmodem.net.layer import Opened, OpenFailed
from vmodem.net.stream import NOBODY, Ending, Stream
from vmodem.net.telnet.pushback import PushedBack

PROMPT: Final = b"Password: "
WRONG: Final = b"\r\nWrong password.\r\n"
#: Longest line, in bytes without its end.
LINE_LIMIT: Final = 256
#: How often a caller may try, and how long he waits after a wrong one, in seconds.
TRIES: Final = 3
DELAY_S: Final = 1.0
#: How long all of it may take, in seconds.
LIMIT_S: Final = 15.0
#: A CR LF that arrives in two pieces is one line end if it takes no longer than this, in seconds.
NEWLINE_S: Final = 0.1
#: How long a caller who is turned away may take to read why, in seconds.
DRAIN_S: Final = 2.0

_END: Final = re.compile(rb"\r\n|[\r\n]")
_KEY: Final = os.urandom(32)


class Answer(enum.Enum):
    """What becomes of a password."""

    RIGHT = "right"
    WRONG = "wrong"
    #: Wrong, and no other may be tried.
    LOCKED = "locked"


def same(given: bytes, wanted: bytes) -> bool:
    """Whether two secrets are equal, in a time that tells nothing about either."""
    return hmac.compare_digest(hmac.digest(_KEY, given, "sha256"), hmac.digest(_KEY, wanted, "sha256"))


class Asking:
    """A caller being asked; an :class:`vmodem.net.layer.Opening`.

    ``judge`` says what a line is worth.  ``left`` is called, before ``failed``, when the caller went away by
    himself.
    """

    def __init__(
        self,
        reactor: Any,
        stream: Stream,
        judge: Callable[[bytes], Answer],
        opened: Opened,
        failed: OpenFailed,
        left: Callable[[], None],
    ) -> None:
        self._reactor = reactor
        self._stream = stream
        self._judge = judge
        self._opened = opened
        self._failed = failed
        self._left = left
        self._buffer = bytearray()
        self._tries = 0
        self._after_cr = False  # an LF that comes now belongs to the line end
        self._passed = False
        self._ending: Ending | None = None
        self._over = False
        self._limit: Any = reactor.callLater(LIMIT_S, self._too_late)
        self._timer: Any = None
        stream.start(self)
        stream.write(PROMPT)

    def cancel(self) -> None:
        if not self._over:
            self._finish()
            self._stream.abort()

    # -- the stream's side ---------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self._over:
            return
        self._buffer += data
        if self._passed:
            self._let_in()
        elif self._timer is None:
            self._look()

    def write_blocked(self) -> None:
        """A few lines of text; the caller may read them or not."""

    def write_drained(self) -> None:
        """As above."""

    def stream_ended(self, ending: Ending) -> None:
        if self._over:
            return
        self._ending = ending
        if self._passed:
            self._let_in()
            return
        self._finish()
        self._stream.abort()
        self._left()
        self._failed(f"the caller left ({ending.detail})")

    # -- lines ---------------------------------------------------------------------------------------------

    def _look(self) -> None:
        if self._after_cr and self._buffer:
            self._after_cr = False
            if self._buffer.startswith(b"\n"):
                del self._buffer[:1]
        end = _END.search(self._buffer)
        if (len(self._buffer) if end is None else end.start()) > LINE_LIMIT:
            self._turn_away("what came instead of a password has no end", WRONG)
            return
        if end is None:
            return
        line = bytes(self._buffer[: end.start()])
        self._after_cr = end[0] == b"\r"  # looked up in the buffer, so before that changes
        del self._buffer[: end.end()]
        answer = self._judge(line)
        if answer is Answer.RIGHT:
            self._passed = True
            if self._after_cr and not self._buffer:
                self._timer = self._reactor.callLater(NEWLINE_S, self._let_in)
            else:
                self._let_in()
            return
        self._tries += 1
        self._stream.pause()
        again = answer is Answer.WRONG and self._tries < TRIES
        self._timer = self._reactor.callLater(DELAY_S, self._ask_again if again else self._give_up)

    def _ask_again(self) -> None:
        self._timer = None
        self._stream.write(WRONG + PROMPT)
        self._look()
        if self._timer is None and not self._over:
            self._stream.resume()

    def _give_up(self) -> None:
        self._turn_away("wrong password", WRONG)

    def _too_late(self) -> None:
        self._turn_away(f"no password within {LIMIT_S:.0f} s", b"\r\nToo late.\r\n")

    # -- ends ----------------------------------------------------------------------------------------------

    def _let_in(self) -> None:
        if self._after_cr and self._buffer.startswith(b"\n"):
            del self._buffer[:1]
        self._finish()
        stream = self._stream
        stream.pause()
        if self._buffer or self._ending is not None:
            stream = PushedBack(self._reactor, stream, bytes(self._buffer), self._ending)
        else:
            # As if it had never been started: what is written is not to be told to us.
            stream.start(NOBODY)
            stream.pause()
        self._opened(stream)

    def _turn_away(self, reason: str, text: bytes) -> None:
        self._finish()
        self._stream.write(text)
        self._stream.close(DRAIN_S)
        self._failed(reason)

    def _finish(self) -> None:
        self._over = True
        for timer in (self._limit, self._timer):
            if timer is not None and timer.active():
                timer.cancel()
        self._timer = None
