"""Telnet or raw bytes, as the peer's first bytes show.

IAC and a word of negotiation first means telnet; anything else is raw, and so is silence for
:data:`SILENCE_S` and a user who speaks first.  Until then nothing is sent, and what has arrived is kept; not
one byte is lost.  A raw peer whose first two bytes happen to look like negotiation is misjudged: where that
may be, say raw.

What does not belong here: telnet itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.logger import Logger

from vmodem.net.stream import NOBODY, Cause, Ending, Stream, StreamUser, unheard
from vmodem.net.telnet.stream import Role, TelnetSettings, TelnetStream
from vmodem.wire.telnet import DO, DONT, IAC, WILL, WONT

#: A peer that has been silent for so long since the start is raw, in seconds.
SILENCE_S: Final = 0.5

_NEGOTIATION: Final = frozenset((WILL, WONT, DO, DONT))


class AutoStream:
    """A :class:`vmodem.net.stream.Stream` over ``below``, which belongs to it from now on."""

    _log = Logger()
    break_received: Callable[[], None] = staticmethod(unheard)

    def __init__(
        self, reactor: Any, below: Stream, role: Role, settings: TelnetSettings | None = None
    ) -> None:
        self.peer = below.peer
        self._reactor = reactor
        self._below = below
        self._role = role
        self._settings = settings
        #: What has been found: a telnet stream, or below itself for raw bytes.
        self._found: Stream | None = None
        self._user: StreamUser = NOBODY
        self._first = b""
        self._paused = False
        self._over = False
        self._timer: Any = None
        self._later: Any = None
        self._ending: Ending | None = None

    @property
    def speaks_telnet(self) -> bool | None:
        """What was found; None while it is not known."""
        return None if self._found is None else self._found is not self._below

    # -- user's side ---------------------------------------------------------------------------------------

    def start(self, user: StreamUser) -> None:
        self._user = user
        if self._waiting:
            self.resume()
        elif self._found is not None:
            self._found.start(user)
        elif not self._over:
            self._paused = False
            self._below.start(self)
            self._watch()

    def write(self, data: bytes) -> None:
        if self._found is None and not self._over and data:
            self._raw()
            self._hand_over_later()
        if self._found is not None:
            self._found.write(data)

    @property
    def backlog(self) -> int:
        return (self._found or self._below).backlog

    def send_break(self, seconds: float, expedited: bool) -> None:
        if self._found is not None:
            self._found.send_break(seconds, expedited)

    def discard_pending(self) -> None:
        if self._found is not None:
            self._found.discard_pending()

    def pause(self) -> None:
        self._paused = True
        self._stop_watching()  # who does not listen cannot tell silence
        (self._found or self._below).pause()

    def resume(self) -> None:
        self._paused = False
        if self._waiting:
            self._hand_over_later()
            return
        (self._found or self._below).resume()
        if self._found is None:
            self._watch()

    def close(self, drain_s: float) -> None:
        self._leave()
        (self._found or self._below).close(drain_s)

    def abort(self) -> None:
        self._leave()
        (self._found or self._below).abort()

    # -- what the stream below tells until it is known what it carries -------------------------------------

    def data_received(self, data: bytes) -> None:
        self._first += data
        if self._found is not None or self._over:
            return  # it waits to be handed over
        if self._first[0] == IAC and len(self._first) == 1:
            return
        if self._first[0] == IAC and self._first[1] in _NEGOTIATION:
            self._telnet()
        else:
            self._raw()
            self._hand_over()

    def write_blocked(self) -> None:
        self._user.write_blocked()

    def write_drained(self) -> None:
        self._user.write_drained()

    def stream_ended(self, ending: Ending) -> None:
        self._ending = ending
        if self._found is None and not self._over:
            self._raw()
            self._hand_over()

    # -- what it is ----------------------------------------------------------------------------------------

    @property
    def _waiting(self) -> bool:
        """Whether something that arrived before all was known is still to be handed over."""
        return self._found is self._below and (bool(self._first) or self._ending is not None)

    def _watch(self) -> None:
        if self._timer is None and not self._over:
            self._timer = self._reactor.callLater(SILENCE_S, self._silent)

    def _stop_watching(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _silent(self) -> None:
        self._timer = None
        self._raw()
        self._hand_over_later()

    def _telnet(self) -> None:
        self._stop_watching()
        first, self._first = self._first, b""
        found = self._found = self._layer()
        found.break_received = self._break_came
        found.start(self._user)
        if self._paused:
            found.pause()
        self._decided()
        found.data_received(first)

    def _layer(self) -> TelnetStream:
        """Telnet over the stream below, which has turned out to speak it."""
        return TelnetStream(self._reactor, self._below, self._role, self._settings)

    def _decided(self) -> None:
        """It is known now what the peer speaks."""

    def _raw(self) -> None:
        self._stop_watching()
        self._found = below = self._below
        below.break_received = self._break_came
        if self._waiting:
            below.pause()
        elif self._user is not NOBODY:
            below.start(self._user)
            if self._paused:
                below.pause()
        self._decided()

    def _hand_over_later(self) -> None:
        """From the reactor: a user does not expect bytes in the middle of writing or resuming."""
        if self._waiting and self._later is None:
            self._later = self._reactor.callLater(0, self._hand_over)

    def _hand_over(self) -> None:
        """Give the user what arrived before it was known that it is data."""
        self._later = None
        if self._paused and self._ending is None:
            return
        user, first, ending = self._user, self._first, self._ending
        self._first, self._ending = b"", None
        if ending is None:
            self._below.start(user)
        if first:
            try:
                user.data_received(first)
            except Exception as exc:
                # What the reactor does to a reader that raises, it does not do to a timer.
                self._log.failure("{peer}: the user of the stream failed", peer=self.peer)
                self._below.pause()
                ending = Ending(Cause.ERROR, f"internal error: {exc}")
        if ending is not None and not self._over:
            user.stream_ended(ending)

    def _break_came(self) -> None:
        self.break_received()

    def _leave(self) -> None:
        self._over = True
        self._user = NOBODY
        self._stop_watching()
        if self._later is not None:
            self._later.cancel()
            self._later = None
        self._first = b""
