"""What lines have in common to which the DTE connects, and whose circuits travel in its stream of bytes.

Order is the whole point.  A circuit change that is asked for after bytes were written reaches the DTE after
them, and the other way round, also while the peer takes nothing; what the DTE sends, bytes and circuits,
reaches the modem in the order it was sent in.  And as DTR comes in that stream, too, reading goes on for a
while when the modem has paused the line.

What does not belong here: any protocol.
"""

from __future__ import annotations

import abc
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from twisted.logger import Logger

from vmodem.line.base import NOBODY, Flow, FlowControl, Line, LineUser, nowhere
from vmodem.line.tcp import TcpLine
from vmodem.wire.events import Data

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

#: How much of a paused line is read all the same, in bytes: a hang-up may stand behind it.
READ_AHEAD: Final = 65536
#: A peer that does not take the answers to its own commands is not read beyond so many bytes of them.
ANSWERS_LIMIT: Final = 65536
#: Where so much waits for a peer, of two circuit changes with nothing between them it is told the last.
NOTICES_LIMIT: Final = 256


def unchanged(data: bytes) -> bytes:
    """Data is sent as it is."""
    return data


def always(data: bytes) -> bool:
    """Every chunk is data as it stands."""
    return True


def as_data(data: bytes) -> list[Any]:
    """What an uncoded chunk means."""
    return [Data(data)]


class CodedLine(Line):
    """A line to which the DTE connects by TCP, one client at a time; bytes and circuits are coded into one
    stream.

    It is itself the user of a plain line on TCP, whose DTR is that a client is there.  A subclass sets
    ``_encode``, ``_decode`` and ``_passes`` to those of its codec before :meth:`_attach`, and says what the
    codec's events mean.
    """

    _log = Logger()
    _user: LineUser
    _encode: Callable[[bytes], bytes]
    _decode: Callable[[bytes], list[Any]]
    #: Whether a chunk is data as it stands, so that nobody need look at it.
    _passes: Callable[[bytes], bool]

    def __init__(self, reactor: Any, kind: str, port: int, interface: str, description: str) -> None:
        self.description = description or f"{kind}:{port}:interface={interface}"
        self.write = nowhere
        self._reactor = reactor
        self._kind = kind
        self._tcp = TcpLine(reactor, port, interface=interface, description=self.description)
        self._there = False  # a client is
        self._stopped: Deferred[None] | None = None
        # towards the DTE
        self._queue: deque[bytes | Callable[[], bytes]] = deque()
        self._queued = 0
        self._suspended: set[str] = set()  # why the DTE takes no data, though it takes circuits
        self._blocked = False  # the transport takes nothing
        self._told_blocked = False
        self._when_sent: Callable[[], None] | None = None
        # from the DTE
        self._ahead: deque[Any] = deque()
        self._taken_ahead = 0
        self._paused = False
        self._reading = True
        self._delivering = False
        # XON and XOFF, in both directions (V.250 clause 6.2.12)
        self._by_characters: FlowControl | None = None
        self._straight = True  # no character among the data means anything

    # -- for subclasses ------------------------------------------------------------------------------------

    @abc.abstractmethod
    def _at_once(self, event: Any) -> bool:
        """Deal with an event that need not wait for the data before it; False for one that must."""

    @abc.abstractmethod
    def _is_urgent(self, event: Any) -> bool:
        """Whether an event, and with it all before it, is told even while the line is paused: a change of
        DTR, whose length counts."""

    @abc.abstractmethod
    def _happened(self, event: Any) -> None:
        """Tell the modem what is neither data nor dealt with at once."""

    @abc.abstractmethod
    def _client_came(self) -> None:
        """Make a codec and :meth:`_attach`."""

    @abc.abstractmethod
    def _client_left(self) -> None:
        """:meth:`_detach`, and tell that DTR is off.  Also called while the line is being stopped."""

    def _attach(self) -> None:
        """A DTE can be reached."""
        if not self._reading:
            self._tcp.resume()  # a line underneath remembers that its last client was held up
        self._there = True
        self._taken_ahead = 0
        self._blocked = False
        self._suspended.clear()
        self._reading = True
        self.write = self._write

    def _detach(self) -> None:
        """No DTE can be reached any more; what it has sent is told, what it has not taken is lost."""
        self._deliver(force=True)
        self._there = False
        self.write = nowhere
        self._queue.clear()
        self._queued = 0
        self._blocked = False
        self._suspended.clear()
        self._ahead.clear()
        self._finish_sent()
        self._tell_drained()
        self._user.dte_left()

    # -- the contract --------------------------------------------------------------------------------------

    @property
    def port(self) -> int:
        """Where clients connect, once started."""
        return self._tcp.port

    def start(self, user: LineUser) -> None:
        """Listen.  Raises :class:`LineError` for an address that is in use or not ours."""
        self._user = user
        self._tcp.start(self)
        self.description = self._kind + self._tcp.description[len("tcp") :]

    def stop(self) -> Deferred[None]:
        if self._stopped is None:
            self._user = NOBODY
            self._ahead.clear()
            while self._queue:
                item = self._queue.popleft()
                self._send(item() if callable(item) else self._encode(item))
            self._client_left()
            self._stopped = self._tcp.stop()
        return self._stopped

    def call_active(self, active: bool) -> None:
        self._tcp.call_active(active)

    @property
    def backlog(self) -> int:
        return self._queued + (self._tcp.backlog if self._there else 0)

    @property
    def attached(self) -> bool:
        return self._there

    def pause(self) -> None:
        if not self._paused:
            self._paused = True
            self._hold_dte(True)

    def resume(self) -> None:
        if self._paused:
            self._paused = False
            self._hold_dte(False)
        self._taken_ahead = 0
        self._deliver()
        self._update_reading()

    def set_flow(self, flow: FlowControl) -> None:
        if self._paused:
            self._hold_dte(False)  # in the old way; or nobody ever would
        self._by_characters = flow
        self._straight = Flow.XON_XOFF not in flow.dce_by_dte
        if self._paused:
            self._hold_dte(True)
        if self._straight:
            self._suspend("XOFF", False)

    def when_sent(self, done: Callable[[], None]) -> None:
        self._when_sent = done
        if not self.backlog:
            self._finish_sent()

    def discard(self) -> None:
        self._purge()

    def _finish_sent(self) -> None:
        done, self._when_sent = self._when_sent, None
        if done is not None:
            done()

    # -- towards the DTE -----------------------------------------------------------------------------------

    def _write(self, data: bytes) -> None:
        if self._queue or self._suspended or self._blocked:
            self._queue.append(data)
            self._queued += len(data)
            self._tell_blocked()
        elif self._there:
            self._tcp.write(self._encode(data))

    def _notify(self, notice: Callable[[], bytes]) -> None:
        """Send what ``notice`` gives, after the data written so far.  It is called when its turn has come."""
        if self._queue or self._blocked:
            if len(self._queue) >= NOTICES_LIMIT and callable(self._queue[-1]):
                self._queue.pop()
            self._queue.append(notice)
        else:
            self._send(notice())

    def _send(self, data: bytes) -> None:
        """Send the protocol's own words, before data that still waits."""
        if data and self._there:
            self._tcp.write(data)

    def _suspend(self, why: str, on: bool) -> None:
        """The DTE takes no data for now, or takes it again; each reason is on its own."""
        if on:
            self._suspended.add(why)
            self._tell_blocked()
        elif why in self._suspended:
            self._suspended.remove(why)
            self._flush()

    def _hold_dte(self, on: bool) -> None:
        """Ask the DTE to stop, or to go on, where that is done by characters."""
        flow = self._by_characters
        if flow is not None and Flow.XON_XOFF in flow.dte_by_dce and "unknown" not in self._suspended:
            self._send(self._encode(bytes((flow.xoff if on else flow.xon,))))

    def _obey(self, data: bytes) -> bytes:
        """Do as XON and XOFF among the data say, and return what else there is."""
        flow = self._by_characters
        if flow is None or self._straight:
            return data
        xon, xoff = bytes((flow.xon,)), bytes((flow.xoff,))
        # Nothing can be written between two bytes of a chunk, so only the last of the characters counts.
        on, off = data.rfind(xon), data.rfind(xoff)
        if on != off:
            self._suspend("XOFF", off > on)
        return data if flow.through else data.translate(None, xon + xoff)

    def _purge(self) -> None:
        """Forget the data that waits for the DTE, but no circuit."""
        self._queue = deque(item for item in self._queue if callable(item))
        self._queued = 0
        self._flush()

    def _purge_ahead(self) -> None:
        """Forget the data from the DTE that waits for the modem, but no circuit."""
        self._deliver()  # unless the line is paused nothing waits, however the chunks were cut
        self._ahead = deque(event for event in self._ahead if not isinstance(event, Data))

    def dte_blocked(self) -> None:
        """The client takes no more."""
        self._blocked = True
        self._tell_blocked()

    def dte_drained(self) -> None:
        """The client has taken everything."""
        self._blocked = False
        self._flush()
        self._update_reading()

    def _flush(self) -> None:
        while self._queue and not self._blocked:
            item = self._queue[0]
            if callable(item):
                self._queue.popleft()
                self._send(item())
            elif self._suspended:
                break
            else:
                self._queue.popleft()
                self._queued -= len(item)
                self._send(self._encode(item))
        if not (self._queue or self._blocked):
            self._finish_sent()
            if not self._suspended:
                self._tell_drained()

    def _tell_blocked(self) -> None:
        if not self._told_blocked:
            self._told_blocked = True
            self._user.dte_blocked()

    def _tell_drained(self) -> None:
        if self._told_blocked:
            self._told_blocked = False
            self._user.dte_drained()

    # -- from the DTE --------------------------------------------------------------------------------------

    def dte_received(self, data: bytes) -> None:
        """The client sent a coded chunk."""
        if self._straight and not self._paused and not self._ahead and self._passes(data):
            self._user.dte_received(data)
            return
        for event in self._decode(data):
            if self._at_once(event):
                continue
            if isinstance(event, Data) and not self._straight:
                event = Data(self._obey(event.data))
                if not event.data:
                    continue
            self._ahead.append(event)
            if self._paused and self._is_urgent(event):
                self._deliver(force=True)
        self._deliver()
        if self._paused:
            self._taken_ahead += len(data)
        self._update_reading()

    def _deliver(self, force: bool = False) -> None:
        if self._delivering:
            return
        self._delivering = True
        try:
            while self._ahead and (force or not self._paused):
                event = self._ahead.popleft()
                if isinstance(event, Data):
                    self._user.dte_received(event.data)
                else:
                    self._happened(event)
        finally:
            self._delivering = False

    def _update_reading(self) -> None:
        if not self._there:
            return
        unheard = self._blocked and self._tcp.backlog > ANSWERS_LIMIT
        reading = not unheard and not (self._paused and self._taken_ahead >= READ_AHEAD)
        if reading is not self._reading:
            self._reading = reading
            if reading:
                self._tcp.resume()
            else:
                self._tcp.pause()

    # -- whether there is a client --------------------------------------------------------------------------

    def dtr_changed(self, on: bool) -> None:
        """A client is there, or is no longer."""
        if on:
            self._client_came()
        elif self._stopped is None:
            self._client_left()

    def dte_left(self) -> None:
        """What the client sent may not have been delivered yet: :meth:`_detach` tells."""

    def line_lost(self, reason: str) -> None:
        """Not told by a line that listens."""

    def line_found(self) -> None:
        """Not told by a line that listens."""

    def line_finished(self) -> None:
        """Not told by a line that listens."""
