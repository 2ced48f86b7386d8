"""A line on a pseudo-terminal: the DTE opens its slave as it would a serial port.

A pseudo-terminal has no circuits.  What takes their place: somebody has it open (DTR on), nobody has (DTR
off), and the speed B0 (DTR off too).  A carrier that goes (DCD) hangs up the programs that asked for it by
clearing CLOCAL, as the kernel does on a serial port: getty's logins and pppd live on that.

What does not belong here: how openings are seen (:mod:`vmodem.tty.pty`).
"""

from __future__ import annotations

import termios
from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from vmodem.line.base import Circuit, LineError, LineUser
from vmodem.line.streamed import StreamedLine
from vmodem.net.stream import NOBODY, Cause, Ending, FdStream
from vmodem.tty.error import TtyError
from vmodem.tty.poller import shared_poller
from vmodem.tty.pty import Pty
from vmodem.tty.rate import TtySettings, rate_of, settings_of

#: How often a call's line is looked at for B0, and for a closing while reading is paused, in seconds.
CALL_POLL_S: Final = 0.05
#: How long what the call said last may be read by programs that are hung up with it, in seconds.
HANG_UP_S: Final = 0.1
#: How long the DTE may read what was written before the line was stopped, in seconds.
LAST_WORDS_S: Final = 0.3

_HUNG_UP: Final = Ending(Cause.DEVICE, "closed by the terminal equipment")


class _Kept:
    """Owns the master instead of a stream: one stream ends with each DTE, the master lives on."""

    def close(self) -> None:
        pass


_KEPT: Final = _Kept()


def _discard(data: bytes) -> None:
    """Nobody has the slave open; written bytes would wait there for the next who opens it."""


class PtyLine(StreamedLine):
    """``pty:LINK``: a pseudo-terminal whose slave can be found under the name LINK.

    ``owner`` and ``group`` are names or numbers, ``mode`` the permission bits; they apply to the slave.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        link: str,
        *,
        owner: str | None = None,
        group: str | None = None,
        mode: int = 0o660,
        description: str = "",
    ) -> None:
        self.description = description or f"pty:{link}"
        self.write = _discard
        self._reactor = reactor
        self._pty = Pty(
            reactor, link, self, owner=owner, group=group, mode=mode, description=self.description
        )
        self._stream: FdStream | None = None
        self._paused = False
        self._dtr = False
        self._in_call = False
        self._carrier = False
        self._hang_up: Any = None  # the call that hangs up, while it is awaited
        self._when_sent: Callable[[], None] | None = None
        self._stopped: Deferred[None] | None = None
        self._timer: Any = None

    # -- the contract --------------------------------------------------------------------------------------

    def start(self, user: LineUser) -> None:
        """Make the pseudo-terminal and, last of all, its link.  Raises :class:`LineError`."""
        self._user = user
        self.data_received = self._received
        try:
            self._pty.make()
        except TtyError as exc:
            raise LineError(str(exc)) from exc

    def stop(self) -> Deferred[None]:
        if self._stopped is not None:
            return self._stopped
        stopped = self._stopped = Deferred()
        self._pty.unlink()
        self._finish_sent()
        self.write = _discard
        self.data_received = NOBODY.data_received
        if self._stream is None:
            self._finish_stop()
        else:
            shared_poller(self._reactor, CALL_POLL_S).remove(self._poll)
            self._let_go()
            self._stream.start(self)
            self._timer = self._reactor.callLater(LAST_WORDS_S, self._finish_stop)
        return stopped

    @property
    def attached(self) -> bool:
        return self._stream is not None

    @property
    def rate(self) -> int:
        if self._pty.master < 0:
            return 0
        try:
            return rate_of(self._pty.master)
        except (OSError, termios.error):
            return 0

    @property
    def settings(self) -> TtySettings:
        """What the DTE asked of its port, as it is now."""
        return settings_of(self._pty.master)

    @property
    def slave_name(self) -> str:
        """The path of the slave (``/dev/pts/N``)."""
        return self._pty.slave_name

    def call_active(self, active: bool) -> None:
        self._in_call = self._pty.looked_at = active
        self._update_polling()

    def set_circuit(self, circuit: Circuit, on: bool) -> None:
        """DCD off hangs up whoever cleared CLOCAL; nobody sees the other circuits.  When it rings it is time
        to look for B0: nobody is there to be called.

        What is said from then on (NO CARRIER) is for nobody: a shell would run it.  Who ended the call
        himself, by B0, is at work on his port and is left to it: C-Kermit restores the speed afterwards.
        """
        if circuit is Circuit.RI and on:
            self._poll()
        if circuit is not Circuit.DCD:
            return
        fell, self._carrier = self._carrier and not on, on
        if fell and self._dtr and self._stopped is None and self._wants_carrier():
            self.write = _discard
            self._hang_up = self._reactor.callLater(HANG_UP_S, self._dte_left, hang_up=True)

    def when_sent(self, done: Callable[[], None]) -> None:
        self._when_sent = done
        if not self.backlog:
            self._finish_sent()

    # -- what the stream tells -----------------------------------------------------------------------------

    def _received(self, data: bytes) -> None:
        if not self._in_call and not self._pty.hung_up():
            # Perhaps it is another DTE already: its line is made clean before it is answered.
            stream = self._stream
            if self._pty.catch_up() and self._stream is not stream:
                self._look_again()
        self._user.dte_received(data)

    def write_blocked(self) -> None:
        if self._stopped is None:
            self._user.dte_blocked()

    def write_drained(self) -> None:
        self._finish_sent()
        if self._stopped is None:
            self._user.dte_drained()

    def stream_ended(self, ending: Ending) -> None:
        if ending.cause is Cause.ERROR:
            self._log.error("{line}: {reason}", line=self.description, reason=ending.detail)
        self._dte_left()

    # -- what the pseudo-terminal tells ------------------------------------------------------------------

    def pty_opened(self) -> None:
        self._dte_came()

    def pty_closed(self) -> None:
        if self._stream is not None:
            self._stream.finish(_HUNG_UP)

    def pty_changed(self) -> None:
        """What is there to read may be of either DTE: in a call it is taken for the end of the first one's
        data, else for the first command of the second."""
        if self._in_call and self._stream is not None:
            self._stream.finish(_HUNG_UP)
        else:
            self._dte_left()

    # -- coming and going ----------------------------------------------------------------------------------

    def _dte_came(self) -> None:
        self._pty.take()
        self._stream = stream = FdStream(
            self._reactor, self._pty.master, owner=_KEPT, peer=self._pty.slave_name
        )
        self.write = stream.write
        self._set_dtr(not self._at_b0())
        if self._stream is stream and self._stopped is None:
            self._begin(stream)
            self._update_polling()

    def _dte_left(self, *, hang_up: bool = False) -> None:
        waiting, self._hang_up = self._hang_up, None
        if waiting is not None and waiting.active():
            waiting.cancel()
        stream = self._stream
        self._end()
        if stream is None:
            return
        stream.abort()
        self.write = _discard
        self._pty.leave()
        if self._stopped is not None:
            self._finish_stop()
            return
        self._update_polling()
        self._renew(self._pty.renew if hang_up else self._pty.clean)
        self._finish_sent()
        self._set_dtr(False)
        # Somebody may have opened it while nobody watched.  Not looked at before the next turn: the reactor
        # knows a descriptor by its number, and may still hold the old hang-up to be told to a new stream.
        if self._stopped is None:
            self._reactor.callLater(0, self._look_again)

    def _look_again(self) -> None:
        if self._stopped is None and self._stream is None and self._pty.in_use():
            self._dte_came()

    def _renew(self, how: Callable[[], None]) -> None:
        try:
            how()
        except TtyError as exc:
            self._log.error("{line}: cannot be renewed: {reason}", line=self.description, reason=str(exc))
            self._set_dtr(False)
            self._user.line_lost(str(exc))

    def _set_dtr(self, on: bool) -> None:
        if on != self._dtr:
            self._dtr = on
            self._user.dtr_changed(on)

    def _wants_carrier(self) -> bool:
        return not termios.tcgetattr(self._pty.master)[2] & termios.CLOCAL

    def _at_b0(self) -> bool:
        return bool(termios.tcgetattr(self._pty.master)[5] == termios.B0)

    def _update_polling(self) -> None:
        """Poll in a call; and at B0 until the speed is back, which nothing else would tell."""
        poller = shared_poller(self._reactor, CALL_POLL_S)
        if self._stream is not None and self._stopped is None and (self._in_call or not self._dtr):
            poller.add(self._poll)
        else:
            poller.remove(self._poll)

    def _poll(self) -> None:
        stream = self._stream
        if stream is None:
            return
        if not stream.reading and self._pty.hung_up():
            stream.finish(_HUNG_UP)
            return
        self._set_dtr(not self._at_b0())
        self._update_polling()

    def _finish_sent(self) -> None:
        done, self._when_sent = self._when_sent, None
        if done is not None:
            done()

    def _finish_stop(self) -> None:
        for waiting in (self._timer, self._hang_up):
            if waiting is not None and waiting.active():
                waiting.cancel()
        self._timer = self._hang_up = None
        stream = self._stream
        self._end()
        if stream is not None:
            stream.abort()
        self._pty.close()
        if self._stopped is not None and not self._stopped.called:
            self._stopped.callback(None)
