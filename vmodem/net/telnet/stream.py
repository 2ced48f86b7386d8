"""Calls by telnet: a stream over a stream, at either end.

The codec is :mod:`vmodem.wire.telnet`; here is what takes time and room.  Data may be written at once, before
anything is agreed.  Only a CR has two spellings, one with BINARY and one without (RFC 854, RFC 856), so while
the peer's answer about BINARY is awaited, what is written from the first CR on that has no LF behind it waits
here, for :data:`DECIDE_S` at most.  Everything else goes on its way in the same breath.

What is written while the stream below takes nothing waits here too, uncoded: it can still be forgotten
(``discard_pending``) without a command being cut in two.  Answers to the peer's commands pass it.

What does not belong here: what an option means on the wire, and port settings
(:mod:`vmodem.net.telnet.comport`).
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Protocol

from vmodem.net.layer import Layer
from vmodem.net.stream import NOBODY, Stream
from vmodem.net.telnet.settings import Role, TelnetSettings
from vmodem.wire import telnet
from vmodem.wire.events import Data, Send
from vmodem.wire.telnet import Command, Side, Telnet

__all__ = ["Role", "TelnetSettings", "TelnetStream"]

#: How long the peer's answer about BINARY is waited for at most, in seconds from the first word on; twice as
#: long as by way of a satellite.
DECIDE_S: Final = 1.0
#: A CR that was sent last gets its NUL after so long without an LF, in seconds (without BINARY only): some
#: peers act on a CR only when they see what follows.
SETTLE_S: Final = 0.05
#: "Are you there?" is answered once in so many seconds.
AYT_S: Final = 1.0
#: A peer that does not take the answers to its own commands is not read beyond so many bytes of them.
ANSWERS_LIMIT: Final = 4096
#: Chunks with commands among them are looked at in pieces of this size, in bytes: a command of two bytes is
#: much more than that in memory.
PIECE: Final = 16384

_HERE: Final = b"\r\n[vmodem: yes]\r\n"
_LONE_CR: Final = re.compile(rb"\r(?!\n)")


class Codec(Protocol):
    """What turns data into bytes of the connection and back: telnet, or RFC 2217 over it."""

    @property
    def encode(self) -> Callable[[bytes], bytes]: ...

    @property
    def passes(self) -> Callable[[bytes], bool]: ...

    def receive(self, data: bytes) -> list[Any]: ...


class TelnetStream(Layer):
    """A :class:`vmodem.net.stream.Stream` that speaks telnet over ``below``, which belongs to it from now on.

    What is known to be over is handed over even to a user who is paused.
    """

    _settle_timer: Any = None
    _decide_timer: Any = None
    _ayt_at = float("-inf")

    def __init__(
        self, reactor: Any, below: Stream, role: Role, settings: TelnetSettings | None = None
    ) -> None:
        super().__init__(reactor, below)
        self.role = role
        self.settings = settings or TelnetSettings()
        # towards the peer: data, and breaks in their place as seconds
        self._queue: deque[bytes | float] = deque()
        self._queued = 0
        self._held: set[str] = set()  # why the peer takes no data, though it takes commands
        self._unheard = 0  # bytes of answers since below was blocked
        # from the peer: data, None for a break, and whatever a subclass keeps in its place
        self._inbox: deque[Any] = deque()
        self._telnet = self._make_telnet()
        self._codec: Codec = self._make_codec()
        # until it is known whether BINARY is in force for what we send
        self._decide_by = float(reactor.seconds()) + DECIDE_S
        self._undecided = self.settings.cr_nul != "never"
        self._begin()
        self._below_paused = True  # until started
        below.pause()
        self._answer(self._greeting())

    # -- for subclasses ------------------------------------------------------------------------------------

    def _make_telnet(self) -> Telnet:
        return self._telnet_with()

    def _telnet_with(self, *options: int) -> Telnet:
        """The telnet codec of this role, with further options for both sides."""
        both = (telnet.BINARY, telnet.SGA, *options)
        echo = (telnet.ECHO,)
        if self.role is Role.CLIENT:
            return Telnet(
                offers=both,
                accepts=both + echo,
                answers=self.settings.answers(),
                cr_nul=self.settings.cr_nul,
                expected=True,
            )
        return Telnet(
            offers=both + (echo if self.settings.echo else ()),
            accepts=both,
            cr_nul=self.settings.cr_nul,
            expected=True,
        )

    def _make_codec(self) -> Codec:
        return self._telnet

    def _greeting(self) -> bytes:
        """What is said first.  A server asks for nothing that clients of any age trip over."""
        ask = self._telnet.request
        words = [ask(telnet.SGA, Side.PEER), ask(telnet.BINARY, Side.US), ask(telnet.BINARY, Side.PEER)]
        if self.role is Role.SERVER:
            words.insert(0, ask(telnet.SGA, Side.US))
            if self.settings.echo:
                words.insert(1, ask(telnet.ECHO, Side.US))
        return b"".join(words)

    def _happened(self, event: Any) -> None:
        """An event that is neither data nor a break nor an answer."""
        if event == Command(telnet.AYT) and self.role is Role.SERVER:
            now = self._reactor.seconds()
            if now - self._ayt_at >= AYT_S and not (self._blocked or self._closing):
                self._ayt_at = now
                self._answer(self._ayt_words())

    def _ayt_words(self) -> bytes:
        return self._codec.encode(_HERE)

    def _begin_break(self, seconds: float) -> None:
        """Send a break, its place in the stream having come."""
        self._answer(self._telnet.settle() + self._telnet.command(telnet.BRK))

    def _end_break(self) -> None:
        """The stream is being closed: whatever break there is ends."""

    # -- user's side ---------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        if self._dead or self._closing or not data:
            return
        if self._undecided or self._queue or self._blocked or self._held:
            self._queue.append(data)
            self._queued += len(data)
            self._send_on()
        else:
            self._below.write(self._codec.encode(data))
            if self._telnet.owes:
                self._settle_later()

    @property
    def backlog(self) -> int:
        return self._queued + self._below.backlog

    def send_break(self, seconds: float, expedited: bool) -> None:
        if self._dead or self._closing:
            return
        if expedited or not self._queue:
            self._begin_break(seconds)
        else:
            self._queue.append(seconds)

    # -- from the peer -------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if not self._inbox and not self._paused and self._codec.passes(data):
            self._user.data_received(data)
            return
        for at in range(0, len(data), PIECE):
            self._take(self._codec.receive(data[at : at + PIECE]))
            if self._undecided and not self._telnet.asking(telnet.BINARY, Side.US):
                self._decided()
            self._go_on()
            if self._closed:
                return

    def _take(self, events: list[Any]) -> None:
        for event in events:
            if isinstance(event, Data):
                if not self._closing:
                    self._inbox.append(event.data)
            elif isinstance(event, Send):
                self._answer(event.data)
            elif event == Command(telnet.BRK):
                self._break_came()
            else:
                self._happened(event)

    def _break_came(self) -> None:
        if not self._closing and (not self._inbox or self._inbox[-1] is not None):
            self._inbox.append(None)  # several at one place are one

    def _takes(self) -> bool:
        """Whether the user is given what waits for him now."""
        return not self._paused or self._ending is not None

    def _deliver(self) -> None:
        while self._inbox and self._takes():
            if self._user is NOBODY:
                return  # not started, or closed meanwhile
            item = self._inbox.popleft()
            if isinstance(item, bytes):
                self._user.data_received(item)
            else:
                self._came_to(item)

    def _came_to(self, item: Any) -> None:
        """Tell what is no data, everything before it having been delivered."""
        self.break_received()

    def _unread(self) -> bool:
        return bool(self._inbox)

    def _unanswered(self) -> bool:
        return self._blocked and self._unheard > ANSWERS_LIMIT

    def write_drained(self) -> None:
        self._unheard = 0
        super().write_drained()

    # -- towards the peer ----------------------------------------------------------------------------------

    def _answer(self, data: bytes) -> None:
        """Send the protocol's own words, before data that still waits."""
        if data and not (self._dead or self._closed):
            if self._blocked:
                self._unheard += len(data)
            self._below.write(data)

    def _send(self) -> None:
        while self._queue and not (self._blocked or self._held):
            item = self._queue.popleft()
            if not isinstance(item, bytes):
                self._begin_break(item)
                continue
            if self._undecided:
                lone = _LONE_CR.search(item)
                if lone is not None and self._decide_later():
                    rest, item = item[lone.start() :], item[: lone.start()]
                    self._queue.appendleft(rest)
                    self._queued -= len(item)
                    if item:
                        self._below.write(self._codec.encode(item))
                    break
            self._queued -= len(item)
            self._below.write(self._codec.encode(item))
        if self._telnet.owes:
            self._settle_later()

    def _hold(self, why: str, on: bool) -> None:
        """The peer takes no data for now, or takes it again; each reason is on its own."""
        if on and not self._closing:
            self._held.add(why)
        elif why in self._held:
            self._held.remove(why)
        self._send_on()

    def _waits(self) -> bool:
        return bool(self._queue or self._held)

    def _forget(self) -> None:
        self._queue.clear()
        self._queued = 0

    # -- how a CR is sent ----------------------------------------------------------------------------------

    def _decide_later(self) -> bool:
        """Whether a CR has to wait; never for longer than is left."""
        left = self._decide_by - self._reactor.seconds()
        if left <= 0:
            self._undecided = False
        elif self._decide_timer is None:
            self._decide_timer = self._reactor.callLater(left, self._no_decision)
        return self._undecided

    def _no_decision(self) -> None:
        self._decided()
        self._send_on()

    def _decided(self) -> None:
        """It is known how a CR is sent."""
        self._undecided = False
        timer, self._decide_timer = self._decide_timer, None
        if timer is not None and timer.active():
            timer.cancel()

    def _settle_later(self) -> None:
        if self._settle_timer is None and not (self._dead or self._closing):
            self._settle_timer = self._reactor.callLater(SETTLE_S, self._settle)

    def _settle(self) -> None:
        self._settle_timer = None
        self._answer(self._telnet.settle())

    # -- the end -------------------------------------------------------------------------------------------

    def _leave(self) -> None:
        self._inbox.clear()
        self._decided()
        self._end_break()
        self._held.clear()

    def _stop(self) -> None:
        super()._stop()
        self._inbox.clear()
        self._decided()
        timer, self._settle_timer = self._settle_timer, None
        if timer is not None:
            timer.cancel()
