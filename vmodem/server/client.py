"""One client of a shared port: what waits for it, and what it has sent that has to wait.

A client that does not read has a queue of its own; what is done when that is full is its affair alone.

What does not belong here: who may connect, write or change anything (sharing.py).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Final, Protocol

from vmodem.net.stream import NOBODY, Ending, Stream, unheard
from vmodem.wire.comport import LineState, Purge

from .rules import PortRules
from .speech import PortAuto, PortStream, spoken

#: Small pieces that wait are joined up to this size, in bytes.
JOINED: Final = 16384
#: What a notification that waits counts for, in bytes.
NOTE_SIZE: Final = 16
#: How long a client that is sent away may take to read what is still on its way, in seconds.
DRAIN_S: Final = 2.0


class Host(Protocol):
    """The port's side."""

    @property
    def rules(self) -> PortRules: ...

    def ended(self, client: Client, ending: Ending) -> None:
        """The client is gone, and all it had sent is written."""

    def dismiss(self, client: Client, reason: str) -> None:
        """The client has to go."""

    def hold_device(self, client: Client, on: bool) -> None:
        """The client's queue is full: the device has to wait, or need no longer."""

    def suspended(self, client: Client) -> None:
        """The client wants no data, or wants it again."""

    def purge(self, client: Client, buffers: Purge) -> None:
        """The client wants buffers of the port empty."""


class Client:
    """A :class:`vmodem.net.stream.StreamUser`.  ``put`` is where its bytes go."""

    def __init__(self, reactor: Any, host: Host, stream: Stream, peer: str, listener: str = "") -> None:
        self.stream = stream
        self.peer = peer
        self.listener = listener
        self.began = self.moved = float(reactor.seconds())
        self.sent = 0  # to the client
        self.received = 0
        self.dropped = 0  # of what was for the client
        self.unheard = 0  # of what it sent without being allowed to write
        self.put: Callable[[bytes], None] = NOBODY.data_received
        self.waits = False  # it asked for no data (FLOWCONTROL-SUSPEND)
        self.over = False
        self._reactor = reactor
        self._host = host
        self._blocked = False
        self._queue: deque[bytearray | bytes | LineState] = deque()
        self._queued = 0
        self._greeting = 0  # of that, and not the device's fault
        self._holding = False  # the device, because of the queue
        self._holds: set[str] = set()
        self._kept = bytearray()
        self._ending: Ending | None = None
        self._told_end = False
        self._time: Any = None  # the timer of its limits
        #: Each write is a datagram.
        self._datagrams = listener.startswith("udp")
        speaks = spoken(stream)
        self._auto = speaks if isinstance(speaks, PortAuto) else None
        self._layer = speaks if isinstance(speaks, PortStream) else None
        self._unknown = self._auto is not None and self._auto.speaks_telnet is None

    @property
    def layer(self) -> PortStream | None:
        """Telnet, where that is spoken."""
        return self._layer

    @property
    def queued(self) -> int:
        """Bytes that wait for the client to read."""
        return self._queued + (0 if self.over else self.stream.backlog)

    @property
    def holds(self) -> bool:
        """Whether what it sends has to wait."""
        return bool(self._holds)

    @property
    def reads_words(self) -> bool:
        """Whether somebody may be there who reads: a telnet client that does not control the port."""
        return self._layer is not None and not self._layer.agreed

    # -- life ----------------------------------------------------------------------------------------------

    def start(self, greeting: bytes) -> None:
        """Begin, with this to be read first."""
        if self._auto is not None:
            self._auto.found = self._found
            if not self._unknown:
                self._found()
        elif self._layer is not None:
            self._own(self._layer)
        if greeting:
            self._queue.append(bytearray(greeting))
            self._queued += len(greeting)
            self._greeting = len(greeting)
        self.stream.start(self)
        if self._holds:
            self.stream.pause()
        self._flush()
        self._look_at_time()

    def close(self, text: bytes = b"") -> None:
        """Send it away: what is on its way to it, then ``text``, then the end."""
        if self.over:
            return
        if not self._unknown:
            self._hand_over()
            if text:
                self.stream.write(text)
        self._finish()
        self.stream.close(DRAIN_S)

    def abort(self) -> None:
        """Cut it off."""
        if not self.over:
            self._finish()
            self.stream.abort()

    def _finish(self) -> None:
        self.over = True
        if self._time is not None:
            self._time.cancel()
            self._time = None
        if self._layer is not None:
            self._layer.owner = None
        if self._auto is not None:
            self._auto.found = unheard
        self._queue.clear()
        self._queued = self._greeting = 0
        self._kept.clear()
        if self._holding:
            self._holding = False
            self._host.hold_device(self, False)

    def _found(self) -> None:
        """It is known now how the client speaks."""
        assert self._auto is not None
        self._layer = self._auto.layer
        if self._layer is not None:
            self._own(self._layer)
        self._unknown = False
        if not self.over:
            self._flush()

    def _own(self, layer: PortStream) -> None:
        """The client's telnet, which may have been there before it was let in."""
        layer.owner = self
        layer.inputs_changed()

    def _look_at_time(self) -> None:
        """Send it away when its time is over, and look again when that may be."""
        if self._time is not None and self._time.active():
            self._time.cancel()
        self._time = None
        rules, now = self._host.rules, self._reactor.seconds()
        limits = ((rules.session_limit, self.began, "connected"), (rules.idle_timeout, self.moved, "idle"))
        left = [(since + limit - now, f"{what} for {limit:g} s") for limit, since, what in limits if limit]
        if not left:
            return
        soonest, reason = min(left)
        if soonest > 0:
            self._time = self._reactor.callLater(soonest, self._look_at_time)
        else:
            self._host.dismiss(self, reason)

    # -- towards the client --------------------------------------------------------------------------------

    def deliver(self, data: bytes) -> None:
        """A packet of the device's data."""
        self.moved = self._reactor.seconds()
        if self._queue or self._blocked or self._unknown:
            self._keep(data)
        else:
            self.sent += len(data)
            self.stream.write(data)

    def say(self, text: bytes) -> None:
        """Words for whoever reads, if he can be told now."""
        if self.reads_words and not (self._queue or self._blocked or self.over):
            self.stream.write(text)

    def note(self, state: LineState) -> None:
        """Something befell the device's data at this place."""
        if self._queue or self._blocked or self._unknown:
            if not (self._queue and self._queue[-1] == state):
                self._queue.append(state)
                self._queued += NOTE_SIZE
                self._limit()
        elif self._layer is not None:
            self._layer.note(state)

    def inputs_changed(self) -> None:
        """The port's inputs are others now."""
        if self._layer is not None:
            self._layer.inputs_changed()

    def forget(self) -> None:
        """Drop what waits for the client."""
        self._queue.clear()
        self._queued = self._greeting = 0
        self._unhold_device()

    def _keep(self, data: bytes) -> None:
        queue = self._queue
        last = queue[-1] if queue else None
        if isinstance(last, bytearray) and len(last) + len(data) <= JOINED and not self._datagrams:
            last += data
        else:
            queue.append(data if self._datagrams else bytearray(data))
        self._queued += len(data)
        self._limit()

    def _limit(self) -> None:
        rules = self._host.rules
        excess = self._queued - rules.queue - self._greeting
        if excess <= 0:
            return
        if rules.slow == "drop-oldest":
            self._drop(excess)
        elif rules.slow == "close":
            self._host.dismiss(self, f"{self._queued} bytes wait for it and it does not read")
        elif not self._holding:
            self._holding = True
            self._host.hold_device(self, True)

    def _drop(self, excess: int) -> None:
        queue = self._queue
        while excess > 0:
            first = queue[0]
            size = NOTE_SIZE if isinstance(first, LineState) else len(first)
            if isinstance(first, bytearray) and size > excess:
                del first[:excess]
                size = excess
            else:
                queue.popleft()
            excess -= size
            self._queued -= size
            if not isinstance(first, LineState):
                self.dropped += size

    def _flush(self) -> None:
        while self._queue and not (self._blocked or self._unknown or self.over):
            self._hand_over_first()
        if not self._queue:
            self._greeting = 0
            self._unhold_device()

    def _hand_over(self) -> None:
        """Everything, whether the client takes it or not."""
        while self._queue:
            self._hand_over_first()

    def _hand_over_first(self) -> None:
        item = self._queue.popleft()
        if isinstance(item, LineState):
            self._queued -= NOTE_SIZE
            if self._layer is not None:
                self._layer.note(item)
            return
        self._queued -= len(item)
        self.sent += len(item)
        self.stream.write(bytes(item))

    def _unhold_device(self) -> None:
        if self._holding:
            self._holding = False
            self._host.hold_device(self, False)

    def write_blocked(self) -> None:
        self._blocked = True

    def write_drained(self) -> None:
        self._blocked = False
        self._flush()

    # -- from the client -----------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        self.received += len(data)
        self.moved = self._reactor.seconds()
        if self._kept or (self._holds and self._holds != {"port"}):
            self._kept += data
        else:
            self.put(data)

    def stream_ended(self, ending: Ending) -> None:
        self._ending = ending
        self._tell_end()

    def rules_changed(self) -> None:
        """Other rules are in force."""
        if not self.over:
            self._look_at_time()
        if self.over:
            return
        if self._host.rules.slow != "block":
            self._unhold_device()
        self._limit()

    def suspended(self, on: bool) -> None:
        """See :class:`vmodem.server.speech.Owner`."""
        self.waits = on
        self._host.suspended(self)

    def purge(self, buffers: Purge) -> None:
        """See :class:`vmodem.server.speech.Owner`."""
        if Purge.TRANSMIT in buffers:
            self._kept.clear()
        if Purge.RECEIVE in buffers:
            self.forget()
        self._host.purge(self, buffers)

    def keep(self, data: bytes) -> None:
        """Take back what it sent; it comes again when nothing holds the client any more."""
        self._kept += data

    def hold(self, why: str) -> None:
        """What it sends has to wait, for one reason more."""
        if not self._holds and not self.over:
            self.stream.pause()
        self._holds.add(why)

    def release(self, why: str) -> None:
        """One reason less; with the last of them it goes on."""
        self._holds.discard(why)
        if self.over:
            return
        if self._kept and (not self._holds or self._holds == {"port"}):
            kept = bytes(self._kept)
            self._kept.clear()
            self.put(kept)
        if not self._holds and not self.over:
            self._tell_end()
            if not self.over:
                self.stream.resume()

    def _tell_end(self) -> None:
        if self._ending is not None and not (self._kept or self._told_end or self.over):
            self._told_end = True
            self._host.ended(self, self._ending)
