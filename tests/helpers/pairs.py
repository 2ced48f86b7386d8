"""A network in memory between the two ends of a pair: it carries in pieces, stands still, and breaks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.task import Clock

from vmodem.net.incoming.connection import Incoming, Peer
from vmodem.net.pair.ends import Introduction, PairAcceptor, PairDialer
from vmodem.net.pair.stream import PairStream
from vmodem.net.stream import NOBODY, Cause, Ending, Stream, StreamUser, unheard

STEP_S = 0.05


class Plug:
    """One end of a connection: a stream that holds so much, and what the network does with it."""

    def __init__(self, peer: str, room: int = 1 << 16) -> None:
        self.peer = peer
        self.break_received: Callable[[], None] = unheard
        self.user: StreamUser = NOBODY
        self.other: Plug
        self.out = bytearray()  # on its way
        self.room = room
        self.blocked = False
        self.reading = False
        self.closed = self.aborted = False
        self.ended = False
        self.written = bytearray()

    def start(self, user: StreamUser) -> None:
        self.user = user
        self.resume()

    def write(self, data: bytes) -> None:
        if self.aborted or self.ended:
            return
        assert not self.closed, "written to after its end"
        self.out += data
        self.written += data
        if len(self.out) > self.room and not self.blocked:
            self.blocked = True
            self.user.write_blocked()

    @property
    def backlog(self) -> int:
        return len(self.out) if self.blocked else 0

    def send_break(self, seconds: float, expedited: bool) -> None:
        raise AssertionError("a connection carries none")

    def discard_pending(self) -> None:
        raise AssertionError("frames would be cut")

    def pause(self) -> None:
        self.reading = False

    def resume(self) -> None:
        self.reading = True

    def close(self, drain_s: float) -> None:
        self.closed = True
        self.user = NOBODY

    def abort(self) -> None:
        self.closed = self.aborted = True
        self.user = NOBODY

    # what the network does

    def carry(self, size: int) -> None:
        """So much of what this end wrote arrives."""
        if self.other.closed:
            self.out.clear()
        elif self.other.reading and self.out:
            data = bytes(self.out[:size])
            del self.out[:size]
            self.other.user.data_received(data)
        if self.blocked and not self.out:
            self.blocked = False
            self.user.write_drained()
        if self.closed and not self.out:
            self.other.end(Ending(Cause.FINISHED, "end of stream"))

    def end(self, ending: Ending) -> None:
        if not (self.ended or self.closed):
            self.ended = True
            self.user.stream_ended(ending)


class Network:
    """Connections from a caller to a called machine, one clock for all."""

    def __init__(self) -> None:
        self.clock = Clock()
        #: At most so many bytes arrive at once.
        self.chunk = 1 << 30
        #: Connections can be made.
        self.up = True
        #: What is sent arrives.
        self.alive = True
        self.cables: list[tuple[Plug, Plug]] = []
        self.made = 0
        self.accept: Callable[[Incoming], None] = lambda incoming: None

    def connect(self) -> Plug:
        """A connection; the caller's end of it."""
        self.made += 1
        near, far = Plug("the called modem"), Plug("the caller")
        near.other, far.other = far, near
        self.cables.append((near, far))
        incoming = Incoming(Peer("192.0.2.1:4000", "192.0.2.1", 4000), "tcp:8001")
        incoming.stream = far
        self.accept(incoming)
        return near

    def reconnect(self, connected: Callable[[Stream], None], failed: Callable[[str], None]) -> Any:
        return _Connecting(self, connected)

    def cut(self, *, told: bool = True) -> None:
        """Every connection breaks, and whatever is on its way is lost; ``told``: both ends hear of it."""
        for cable in self.cables:
            for plug in cable:
                plug.out.clear()
                if told:
                    plug.end(Ending(Cause.RESET, "cut"))
                else:
                    plug.aborted = True
        self.cables.clear()

    def run(self, seconds: float) -> None:
        """Let time go on and carry what is there."""
        for _ in range(round(seconds / STEP_S)):
            self.clock.advance(STEP_S)
            self.move()

    def move(self) -> None:
        if self.alive:
            for cable in list(self.cables):
                for plug in cable:
                    plug.carry(self.chunk)


class _Connecting:
    def __init__(self, net: Network, connected: Callable[[Stream], None]) -> None:
        self.net, self.connected = net, connected
        self.timer = net.clock.callLater(STEP_S, self.done)

    def done(self) -> None:
        if self.net.up:
            self.connected(self.net.connect())
        else:
            self.timer = self.net.clock.callLater(STEP_S, self.done)

    def cancel(self) -> None:
        if self.timer.active():
            self.timer.cancel()


class Sink:
    """A user that keeps what it is told, and never hears what it may not."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.blocked = False
        self.endings: list[Ending] = []
        self.breaks: list[int] = []  # bytes before each
        self.circuits: list[tuple[bool, bool]] = []

    def data_received(self, data: bytes) -> None:
        assert data
        assert not self.endings
        self.data += data

    def write_blocked(self) -> None:
        assert not self.blocked
        self.blocked = True

    def write_drained(self) -> None:
        assert self.blocked
        self.blocked = False

    def stream_ended(self, ending: Ending) -> None:
        assert not self.endings
        self.endings.append(ending)

    def take(self, stream: PairStream) -> None:
        """Become the user of a paired call."""
        stream.break_received = lambda: self.breaks.append(len(self.data))
        stream.circuits_received = lambda dtr, rts: self.circuits.append((dtr, rts))
        stream.start(self)


class Pair:
    """A caller, a called end, and the network between them."""

    def __init__(
        self,
        *,
        secret: bytes = b"",
        called_secret: bytes | None = None,
        hold: float = 5.0,
    ) -> None:
        self.net = Network()
        self.hold = hold
        self.offered: list[tuple[Incoming, Introduction | None]] = []
        theirs = secret if called_secret is None else called_secret
        self.acceptor = PairAcceptor(self.net.clock, self._offer, theirs)
        self.net.accept = self.acceptor.accept
        self.said: list[Any] = []
        self.caller: PairStream | None = None
        self.near, self.far = Sink(), Sink()
        self.first = self.net.connect()
        self.dialer = PairDialer(
            self.net.clock,
            self.first,
            self.net.reconnect,
            answered=self._answered,
            refused=self.said.append,
            failed=self.said.append,
            rang=lambda: self.said.append("rings"),
            number="5551234",
            name="PLANT 7",
            secret=secret,
        )

    def _offer(self, incoming: Incoming, who: Introduction | None) -> None:
        self.offered.append((incoming, who))
        if isinstance(incoming.stream, PairStream):
            incoming.stream.hold_s = lambda: self.hold
            self.far.take(incoming.stream)

    def _answered(self, stream: PairStream) -> None:
        self.said.append("answered")
        self.caller = stream
        stream.hold_s = lambda: self.hold
        self.near.take(stream)

    @property
    def called(self) -> PairStream:
        stream = self.offered[0][0].stream
        assert isinstance(stream, PairStream)
        return stream

    def ring(self) -> Pair:
        """Agree, and ring."""
        self.net.run(0.3)
        self.called.ringing()
        self.net.run(0.1)
        assert self.said == ["rings"]
        return self

    def answer(self) -> Pair:
        """Have it answered: a call."""
        self.ring()
        self.called.answered()
        self.net.run(0.2)
        assert self.said == ["rings", "answered"]
        return self

    def over(self) -> None:
        """Nothing of it is left."""
        self.net.run(12)
        assert self.net.clock.getDelayedCalls() == []
        assert self.acceptor._calls == {}
        assert all(plug.closed or plug.ended for cable in self.net.cables for plug in cable)
