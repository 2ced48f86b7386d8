"""A line on a pseudo-terminal: the DTE opens its slave as it would a serial port.

A pseudo-terminal has no circuits.  What takes their place: somebody has it open (DTR on), nobody has (DTR
off), and the speed B0 (DTR off too).  The kernel tells openings and closings through inotify, so a line that
nobody uses costs no wake-up; where there is no inotify a slow poll stands in.

No slave descriptor is held here while serving, or the last closing would never be seen.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import termios
import tty
from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from vmodem.line.base import LineError, LineUser
from vmodem.line.inotify import OPENED, Inotify, shared_inotify
from vmodem.line.link import Link
from vmodem.line.poller import shared_poller
from vmodem.line.rate import TtySettings, rate_of, settings_of
from vmodem.line.streamed import StreamedLine
from vmodem.net.stream import NOBODY, Cause, Ending, FdStream

#: How often a call's line is looked at for B0, and for a closing while reading is paused, in seconds.
CALL_POLL_S: Final = 0.05
#: How often openings and closings are looked for where the kernel does not tell them, in seconds.
FALLBACK_POLL_S: Final = 0.1
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
        self._owner, self._group, self._mode = owner, group, mode
        self._link = Link(link)
        self._master = -1
        self._slave_name = ""
        self._inotify: Inotify | None = None
        self._watch_number = -1
        self._masks: list[int] = []
        self._openers = 0
        self._closing = False
        self._stream: FdStream | None = None
        self._paused = False
        self._dtr = False
        self._in_call = False
        self._when_sent: Callable[[], None] | None = None
        self._stopped: Deferred[None] | None = None
        self._timer: Any = None

    # -- the contract --------------------------------------------------------------------------------------

    def start(self, user: LineUser) -> None:
        """Make the pseudo-terminal and, last of all, its link.  Raises :class:`LineError`."""
        self._user = user
        self.data_received = self._received
        try:
            self._make_pair()
            self._watch()
            self._link.place(self._slave_name, self._master)
        except LineError:
            self._close_pair()
            raise
        except OSError as exc:
            self._close_pair()
            raise LineError(f"no pseudo-terminal can be made: {exc.strerror}.") from exc

    def stop(self) -> Deferred[None]:
        if self._stopped is not None:
            return self._stopped
        stopped = self._stopped = Deferred()
        self._link.remove()
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
        if self._master < 0:
            return 0
        try:
            return rate_of(self._master)
        except (OSError, termios.error):
            return 0

    @property
    def settings(self) -> TtySettings:
        """What the DTE asked of its port, as it is now."""
        return settings_of(self._master)

    @property
    def slave_name(self) -> str:
        """The path of the slave (``/dev/pts/N``)."""
        return self._slave_name

    def call_active(self, active: bool) -> None:
        self._in_call = active
        self._update_polling()

    def when_sent(self, done: Callable[[], None]) -> None:
        self._when_sent = done
        if not self.backlog:
            self._finish_sent()

    # -- what the stream tells -----------------------------------------------------------------------------

    def _received(self, data: bytes) -> None:
        if not self._in_call and self._inotify is not None and not self._hung_up():
            # Perhaps it is another DTE already: its line is made clean before it is answered.
            stream = self._stream
            self._inotify.doRead()
            if self._stream is not stream:
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

    # -- what inotify (or the poll in its place) tells -----------------------------------------------------

    def file_touched(self, mask: int) -> None:
        self._masks.append(mask)

    def files_settled(self) -> None:
        """Compare what is with what was.

        Openers are counted because a closing and an opening may both have happened since: then the hang-up
        state shows nothing.  The count is a hint only (equal events in a row are told as one); the hang-up
        state rules.
        """
        masks, self._masks = self._masks, []
        was_left = False
        for mask in masks:
            if mask & OPENED:
                was_left = was_left or not self._openers or self._closing
                self._openers += 1
            elif self._openers:
                self._openers -= 1
        stream = self._stream
        if stream is None:
            if self._openers or any(mask & OPENED for mask in masks) or self._in_use():
                self._dte_came()
        elif self._hung_up():
            stream.finish(_HUNG_UP)
        elif was_left:
            self._dte_changed(stream)
        elif not self._openers:
            if masks and self._inotify is not None:
                self._inotify.doRead()  # an opening of this very moment may be told only now
            if not self._openers:
                self._openers = 1
                if masks and not self._in_call and not self._closing:
                    self._closing = True
                    self._reactor.callLater(0, self._closed_or_not)

    def _closed_or_not(self) -> None:
        """The last closing was told, but a moment too early to see the hang-up that it brings about."""
        if self._stream is not None and self._stopped is None:
            if self._inotify is not None:
                self._inotify.doRead()
            self._closing = False
            self.files_settled()
        self._closing = False

    def _in_use(self) -> bool:
        """Whether a DTE has the slave open, or left something to be read."""
        poll = select.poll()
        poll.register(self._master, select.POLLIN)
        events = poll.poll(0)
        return not events or not events[0][1] & select.POLLHUP or bool(events[0][1] & select.POLLIN)

    def _hung_up(self) -> bool:
        poll = select.poll()
        poll.register(self._master, 0)
        return bool(poll.poll(0))

    # -- coming and going ----------------------------------------------------------------------------------

    def _dte_came(self) -> None:
        self._openers = self._openers or 1
        self._stream = stream = FdStream(self._reactor, self._master, owner=_KEPT, peer=self._slave_name)
        self.write = stream.write
        self._set_dtr(not self._at_b0())
        if self._stream is stream and self._stopped is None:
            self._begin(stream)
            self._update_polling()

    def _dte_changed(self, stream: FdStream) -> None:
        """One DTE closed and one opened in the same moment, and what is there to read may be of either.

        In a call it is taken for the end of the first one's data, else for the first command of the second.
        """
        if self._in_call:
            stream.finish(_HUNG_UP)
        else:
            self._dte_left()

    def _dte_left(self) -> None:
        stream = self._end()
        if stream is None:
            return
        stream.abort()
        self.write = _discard
        self._openers = 0
        if self._stopped is not None:
            self._finish_stop()
            return
        self._update_polling()
        self._clean()
        self._finish_sent()
        self._set_dtr(False)
        # Somebody may have opened it while nobody watched.  Not looked at before the next turn: the reactor
        # knows a descriptor by its number, and may still hold the old hang-up to be told to a new stream.
        if self._stopped is None:
            self._reactor.callLater(0, self._look_again)

    def _look_again(self) -> None:
        if self._stopped is None and self._stream is None and self._master >= 0 and self._in_use():
            self._dte_came()

    def _clean(self) -> None:
        """Make the slave as good as new: no unread bytes of ours, not stopped by XOFF, not exclusive.

        Only a slave descriptor can do that, and nobody may be told of its opening.
        """
        self._unwatch(back_soon=True)
        try:
            slave = os.open(self._slave_name, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                termios.tcflush(slave, termios.TCIFLUSH)
                # Output stopped by a received XOFF is only started again by way of a stop of our own.
                termios.tcflow(slave, termios.TCOOFF)
                termios.tcflow(slave, termios.TCOON)
                fcntl.ioctl(slave, termios.TIOCNXCL)
            finally:
                os.close(slave)
            self._watch()
        except (OSError, termios.error) as exc:
            # A DTE took it exclusively (TIOCEXCL), which outlives it: only root could ever open it again.
            self._log.info("{line}: renewed, as {reason}", line=self.description, reason=str(exc))
            self._renew()

    def _renew(self) -> None:
        """Put a new pseudo-terminal behind the link."""
        os.close(self._master)
        self._master = -1
        try:
            self._make_pair()
            self._watch()
            self._link.place(self._slave_name, self._master)
        except (OSError, LineError) as exc:
            self._close_pair()
            self._log.error("{line}: cannot be renewed: {reason}", line=self.description, reason=str(exc))
            self._set_dtr(False)
            self._user.line_lost(str(exc))

    def _set_dtr(self, on: bool) -> None:
        if on != self._dtr:
            self._dtr = on
            self._user.dtr_changed(on)

    def _at_b0(self) -> bool:
        return bool(termios.tcgetattr(self._master)[5] == termios.B0)

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
        if not stream.reading and self._hung_up():
            stream.finish(_HUNG_UP)
            return
        self._set_dtr(not self._at_b0())
        self._update_polling()

    def _finish_sent(self) -> None:
        done, self._when_sent = self._when_sent, None
        if done is not None:
            done()

    # -- making and unmaking -------------------------------------------------------------------------------

    def _make_pair(self) -> None:
        self._master, slave = os.openpty()
        try:
            self._slave_name = os.ttyname(slave)
            tty.setraw(slave)
            self._give_away(slave)
        finally:
            os.close(slave)
        os.set_blocking(self._master, False)

    def _give_away(self, slave: int) -> None:
        """Set owner, group and mode."""
        import grp
        import pwd

        try:
            uid = -1 if self._owner is None else _number(self._owner, lambda name: pwd.getpwnam(name).pw_uid)
            gid = -1 if self._group is None else _number(self._group, lambda name: grp.getgrnam(name).gr_gid)
        except KeyError as exc:
            raise LineError(f"{self.description}: {exc.args[0]!s}.") from exc
        try:
            if uid >= 0 or gid >= 0:
                os.fchown(slave, uid, gid)
            os.fchmod(slave, self._mode)
        except OSError as exc:
            raise LineError(
                f"{self.description}: owner, group or mode cannot be set ({exc.strerror}); "
                "name a group you belong to, or start as root."
            ) from exc

    def _watch(self) -> None:
        try:
            self._inotify = shared_inotify(self._reactor)
            self._watch_number = self._inotify.watch(self._slave_name, self)
        except OSError as exc:
            if exc.errno == errno.ENOENT:
                raise
            self._log.warn("openings have to be polled for: {reason}", reason=exc.strerror)
            self._inotify = None
            shared_poller(self._reactor, FALLBACK_POLL_S).add(self.files_settled)

    def _unwatch(self, *, back_soon: bool = False) -> None:
        self._masks.clear()
        if self._inotify is not None:
            self._inotify.unwatch(self._watch_number, back_soon=back_soon)
            self._watch_number = -1  # the number may soon be another line's
        else:
            shared_poller(self._reactor, FALLBACK_POLL_S).remove(self.files_settled)

    def _close_pair(self) -> None:
        self._unwatch()
        if self._master >= 0:
            os.close(self._master)
            self._master = -1

    def _finish_stop(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        stream = self._end()
        if stream is not None:
            stream.abort()
        self._close_pair()
        if self._stopped is not None and not self._stopped.called:
            self._stopped.callback(None)


def _number(name: str, look_up: Callable[[str], int]) -> int:
    return int(name) if name.isdigit() else look_up(name)
