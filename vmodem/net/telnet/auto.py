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

from vmodem.net.stream import NOBODY, Ending, Stream, StreamUser, unheard
from vmodem.net.telnet.pushback import PushedBack
from vmodem.net.telnet.stream import Role, TelnetSettings, TelnetStream
from vmodem.wire.telnet import DO, DONT, IAC, WILL, WONT

#: A peer that has been silent for so long since the start is raw, in seconds.
SILENCE_S: Final = 0.5

_NEGOTIATION: Final = frozenset((WILL, WONT, DO, DONT))


class AutoStream:
    """A :class:`vmodem.net.stream.Stream` over ``below``, which belongs to it from now on."""

    break_received: Callable[[], None] = staticmethod(unheard)

    def __init__(
        self, reactor: Any, below: Stream, role: Role, settings: TelnetSettings | None = None
    ) -> None:
        self.peer = below.peer
        self._reactor = reactor
        self._below = below
        self._role = role
        self._settings = settings
        #: What has been found: a telnet stream, or for raw bytes below itself, with those that have come.
        self._found: Stream | None = None
        self._user: StreamUser = NOBODY
        self._first = b""
        self._paused = False
        self._over = False
        self._timer: Any = None

    @property
    def speaks_telnet(self) -> bool | None:
        """What was found; None while it is not known."""
        return None if self._found is None else isinstance(self._found, TelnetStream)

    # -- user's side ---------------------------------------------------------------------------------------

    def start(self, user: StreamUser) -> None:
        self._user = user
        if self._found is not None:
            self._found.start(user)
        elif not self._over:
            self._paused = False
            self._below.start(self)
            self._watch()

    def write(self, data: bytes) -> None:
        if self._found is None and not self._over and data:
            self._raw()
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
        if self._first[0] == IAC and len(self._first) == 1:
            return
        if self._first[0] == IAC and self._first[1] in _NEGOTIATION:
            self._telnet()
        else:
            self._raw_now()

    def write_blocked(self) -> None:
        """The user has written nothing yet; once he does, he is told by the stream that was found."""

    def write_drained(self) -> None:
        pass

    def stream_ended(self, ending: Ending) -> None:
        self._raw_now(ending)

    # -- what it is ----------------------------------------------------------------------------------------

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

    def _telnet(self) -> None:
        first, self._first = self._first, b""
        found = self._layer()
        self._go_by(found)
        found.data_received(first)

    def _layer(self) -> TelnetStream:
        """Telnet over the stream below, which has turned out to speak it."""
        return TelnetStream(self._reactor, self._below, self._role, self._settings)

    def _decided(self) -> None:
        """It is known now what the peer speaks."""

    def _raw(self, ending: Ending | None = None) -> None:
        first, self._first = self._first, b""
        if not first and ending is None:
            self._go_by(self._below)
            return
        self._below.pause()
        self._go_by(PushedBack(self._reactor, self._below, first, ending))

    def _raw_now(self, ending: Ending | None = None) -> None:
        """As the reactor hands something over: that may go on to the user at once."""
        self._raw(ending)
        if isinstance(self._found, PushedBack):
            self._found.deliver()

    def _go_by(self, found: Stream) -> None:
        self._stop_watching()
        self._found = found
        found.break_received = self._break_came
        if self._user is not NOBODY:
            found.start(self._user)
            if self._paused:
                found.pause()
        self._decided()

    def _break_came(self) -> None:
        self.break_received()

    def _leave(self) -> None:
        self._over = True
        self._user = NOBODY
        self._stop_watching()
        self._first = b""
