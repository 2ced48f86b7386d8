"""A pseudo-terminal that others open by a name, and who has it open.

The kernel tells openings and closings through inotify, so one that nobody uses costs no wake-up; where there
is no inotify a slow poll stands in.  No slave descriptor is held while it is served, or the last closing
would never be seen.

What does not belong here: the bytes, and what an opening means.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import termios
import tty
from typing import Any, Final, Protocol

from twisted.logger import Logger

from vmodem.tty.error import TtyError
from vmodem.tty.inotify import OPENED, Inotify, shared_inotify
from vmodem.tty.link import Link
from vmodem.tty.poller import shared_poller
from vmodem.tty.whose import give_away

#: How often openings and closings are looked for where the kernel does not tell them, in seconds.
FALLBACK_POLL_S: Final = 0.1


class PtyUser(Protocol):
    """What a pseudo-terminal tells."""

    def pty_opened(self) -> None:
        """Somebody has the slave open, or left something to be read; not told once :meth:`Pty.take` was
        called."""

    def pty_closed(self) -> None:
        """Nobody has the slave open any more; told while it is taken, perhaps more than once."""

    def pty_changed(self) -> None:
        """Whoever had it open closed it, and somebody opened it, in the same moment; told while it is taken.
        What there is to read may be of either."""


class Pty:
    """The master of a pseudo-terminal whose slave can be found under the name ``link``.

    ``owner`` and ``group`` are names or numbers, ``mode`` the permission bits; they apply to the slave.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        link: str,
        user: PtyUser,
        *,
        owner: str | None = None,
        group: str | None = None,
        mode: int = 0o660,
        description: str = "",
    ) -> None:
        #: The master; -1 before :meth:`make` and after :meth:`close`.
        self.master = -1
        #: The path of the slave (``/dev/pts/N``).
        self.slave_name = ""
        #: Whether somebody else looks for the closing regularly.
        self.looked_at = False
        self._reactor = reactor
        self._user = user
        self._owner, self._group, self._mode = owner, group, mode
        self._description = description or f"pty:{link}"
        self._link = Link(link)
        self._inotify: Inotify | None = None
        self._watch_number = -1
        self._masks: list[int] = []
        self._openers = 0
        self._taken = False
        self._closing = False

    def make(self) -> None:
        """Make the pseudo-terminal and, last of all, its link.  Raises :class:`TtyError`."""
        try:
            self._make_pair()
            self._watch()
            self._link.place(self.slave_name, self.master)
        except TtyError:
            self.close()
            raise
        except OSError as exc:
            self.close()
            raise TtyError(f"no pseudo-terminal can be made: {exc.strerror}.") from exc

    def unlink(self) -> None:
        """Nobody is to find it any more."""
        self._link.remove()

    def close(self) -> None:
        """Give it back to the system."""
        self._taken = False
        self._unwatch()
        if self.master >= 0:
            os.close(self.master)
            self.master = -1

    # -- who has it open -----------------------------------------------------------------------------------

    def take(self) -> None:
        """Its opener is served from now on."""
        self._openers = self._openers or 1
        self._taken = True

    def leave(self) -> None:
        """Its opener is served no more."""
        self._openers = 0
        self._taken = False

    def in_use(self) -> bool:
        """Whether somebody has the slave open, or left something to be read."""
        if self.master < 0:
            return False
        poll = select.poll()
        poll.register(self.master, select.POLLIN)
        events = poll.poll(0)
        return not events or not events[0][1] & select.POLLHUP or bool(events[0][1] & select.POLLIN)

    def hung_up(self) -> bool:
        """Whether nobody has it open."""
        poll = select.poll()
        poll.register(self.master, 0)
        return bool(poll.poll(0))

    def catch_up(self) -> bool:
        """Hear of what happened until this moment; whether that can be."""
        if self._inotify is None:
            return False
        self._inotify.doRead()
        return True

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
        if not self._taken:
            if self._openers or any(mask & OPENED for mask in masks) or self.in_use():
                self._user.pty_opened()
        elif self.hung_up():
            self._user.pty_closed()
        elif was_left:
            self._user.pty_changed()
        elif not self._openers:
            if masks:
                self.catch_up()  # an opening of this very moment may be told only now
            if not self._openers:
                self._openers = 1
                if masks and not self.looked_at and not self._closing:
                    self._closing = True
                    self._reactor.callLater(0, self._closed_or_not)

    def _closed_or_not(self) -> None:
        """The last closing was told, but a moment too early to see the hang-up that it brings about."""
        if self._taken and self.master >= 0:
            self.catch_up()
            self._closing = False
            self.files_settled()
        self._closing = False

    # -- making and cleaning -------------------------------------------------------------------------------

    def clean(self) -> None:
        """Make the slave as good as new: no unread bytes of ours, not stopped by XOFF, not exclusive.

        Only a slave descriptor can do that, and nobody may be told of its opening.  Raises :class:`TtyError`
        for one that is beyond that and cannot be replaced either; it is closed then.
        """
        self._unwatch(back_soon=True)
        try:
            slave = os.open(self.slave_name, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
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
            # Somebody took it exclusively (TIOCEXCL), which outlives him: only root could ever open it again.
            self._log.info("{line}: renewed, as {reason}", line=self._description, reason=str(exc))
            os.close(self.master)
            self.master = -1
            self.make()

    def renew(self) -> None:
        """Take it away from all who have it open, as a serial port's hang-up does, and make another under the
        same name.  Raises :class:`TtyError`; it is closed then."""
        self._unwatch(back_soon=True)
        os.close(self.master)
        self.master = -1
        self.make()

    def _make_pair(self) -> None:
        self.master, slave = os.openpty()
        try:
            self.slave_name = os.ttyname(slave)
            tty.setraw(slave)
            # As the kernel's serial ports begin: who wants to be hung up with the carrier says so.
            settings = termios.tcgetattr(slave)
            settings[2] |= termios.CLOCAL
            termios.tcsetattr(slave, termios.TCSANOW, settings)
            give_away(slave, self._owner, self._group, self._mode, self._description)
        finally:
            os.close(slave)
        os.set_blocking(self.master, False)

    def _watch(self) -> None:
        try:
            self._inotify = shared_inotify(self._reactor)
            self._watch_number = self._inotify.watch(self.slave_name, self)
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
            self._watch_number = -1  # the number may soon be another one's
        else:
            shared_poller(self._reactor, FALLBACK_POLL_S).remove(self.files_settled)
