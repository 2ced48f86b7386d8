"""An application that opens our pseudo-terminal as it would a serial port.

What it sets there is told: speed, stop bits, flow control.  The kernel keeps no data bits and of parity only
whether it is odd, mark or space, so these two can be said in the LINE.  The speed B0 is how an application
drops DTR.

Settings are looked at when bytes arrive, so that they are told before the bytes that follow a change, and
every :data:`POLL_S` while somebody is there.  (Packet mode would tell changes without looking, but only under
EXTPROC, which takes the terminal's own line editing from whoever wants it.)

What does not belong here: how openings are seen (:mod:`vmodem.tty.pty`).
"""

from __future__ import annotations

import termios
from typing import Any, Final

from twisted.internet.defer import Deferred

from vmodem.net.stream import Cause, Ending, FdStream
from vmodem.port.base import PortError, PortFlow, PortUser, Settings, Signals
from vmodem.port.plain import PRESENT, StreamPort
from vmodem.tty.error import TtyError
from vmodem.tty.poller import shared_poller
from vmodem.tty.pty import Pty
from vmodem.tty.rate import Wanted, wanted_of

#: In seconds.
POLL_S: Final = 0.05

_LEFT: Final = Ending(Cause.DEVICE, "closed by the application")


class _Kept:
    """Owns the master instead of a stream: one stream ends with each application, the master lives on."""

    def close(self) -> None:
        pass


_KEPT: Final = _Kept()


class PtyPort(StreamPort):
    """``pty:LINK``: a pseudo-terminal whose slave can be found under the name LINK.

    ``owner`` and ``group`` are names or numbers, ``mode`` the permission bits; they apply to the slave.
    ``bits`` and ``parity`` are what applications set and a pseudo-terminal cannot keep.
    """

    def __init__(
        self,
        reactor: Any,
        link: str,
        *,
        owner: str | None = None,
        group: str | None = None,
        mode: int = 0o660,
        bits: int = 8,
        parity: str | None = None,
        description: str = "",
    ) -> None:
        super().__init__(
            reactor, description or f"pty:{link}", Settings(data_bits=bits, parity=parity or "N")
        )
        self._bits, self._parity = bits, parity
        self._seen: Wanted | None = None
        self._pty = Pty(
            reactor, link, self, owner=owner, group=group, mode=mode, description=self.description
        )

    # -- the contract --------------------------------------------------------------------------------------

    def start(self, user: PortUser) -> None:
        """Make the pseudo-terminal and, last of all, its link.  Raises :class:`PortError`."""
        super().start(user)
        try:
            self._pty.make()
        except TtyError as exc:
            raise PortError(str(exc)) from exc
        self._seen = self._look()
        if self._seen is not None:
            self._settings = self._told(self._seen)

    def stop(self) -> Deferred[None]:
        self._pty.unlink()
        shared_poller(self._reactor, POLL_S).remove(self._poll)
        return super().stop()

    @property
    def slave_name(self) -> str:
        """The path of the slave (``/dev/pts/N``)."""
        return self._pty.slave_name

    # -- what the pseudo-terminal tells --------------------------------------------------------------------

    def pty_opened(self) -> None:
        self._begin()

    def pty_closed(self) -> None:
        stream = self._stream
        if isinstance(stream, FdStream):
            stream.finish(_LEFT)

    def pty_changed(self) -> None:
        """What is there to read may be of either application; the first one's end is told all the same."""
        self.pty_closed()

    def data_received(self, data: bytes) -> None:
        """The settings in force come first."""
        self._look_at_settings()
        super().data_received(data)

    def stream_ended(self, ending: Ending) -> None:
        """Nobody has it open any more."""
        if ending.cause is Cause.ERROR:
            self._log.error("{line}: {reason}", line=self.description, reason=ending.detail)
        stream = self._go()
        if stream is None:
            return
        shared_poller(self._reactor, POLL_S).remove(self._poll)
        stream.abort()
        self._pty.leave()
        if self._stopped is not None:
            self._finish_stop()
            return
        try:
            self._pty.clean()
        except TtyError as exc:
            self._log.error("{line}: cannot be renewed: {reason}", line=self.description, reason=str(exc))
            self._gone()
            self._user.lost(str(exc))
            return
        self._gone()
        # Somebody may have opened it while nobody watched.  Not looked at before the next turn: the reactor
        # knows a descriptor by its number, and may still hold the old hang-up to be told to a new stream.
        self._reactor.callLater(0, self._look_again)

    def _look_again(self) -> None:
        if self._stopped is None and self._stream is None and self._pty.in_use():
            self._begin()

    def _begin(self) -> None:
        if self._stopped is not None:
            return
        self._pty.take()
        stream = FdStream(self._reactor, self._pty.master, owner=_KEPT, peer=self._pty.slave_name)
        shared_poller(self._reactor, POLL_S).add(self._poll)
        self._come(stream)
        if self._stream is stream:
            self._look_at_settings()

    def _close(self) -> None:
        self._pty.close()

    # -- settings ------------------------------------------------------------------------------------------

    def _poll(self) -> None:
        stream = self._stream
        if isinstance(stream, FdStream):
            if not stream.reading and self._pty.hung_up():
                stream.finish(_LEFT)
            else:
                self._look_at_settings()

    def _presence(self) -> Signals:
        return Signals.NONE if self._seen is not None and not self._seen.rate else PRESENT

    def _look(self) -> Wanted | None:
        try:
            return wanted_of(self._pty.master)
        except (OSError, termios.error):
            return None

    def _look_at_settings(self) -> None:
        seen = self._look()
        if seen is None or seen == self._seen or self._stream is None or self._stopped is not None:
            return
        self._seen = seen
        settings = self._told(seen)
        if settings != self._settings:
            self._settings = settings
            self._user.settings_changed(settings)
        if self._stream is not None:
            self._set_signals(self._presence())

    def _told(self, seen: Wanted) -> Settings:
        flow = PortFlow.NONE
        if seen.rtscts:
            flow = PortFlow.RTS_CTS
        elif seen.xonxoff:
            flow = PortFlow.XON_XOFF
        return Settings(
            seen.rate or self._settings.rate,  # B0 is a circuit, not a speed
            self._bits,
            self._parity or seen.parity,
            seen.stop_bits,
            flow,
        )
