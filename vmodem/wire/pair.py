"""A call between two vmodems: bytes, breaks and circuits that outlive the connection they travel on.

What an end has to say, in order, is a sequence of octets that are counted from the call's beginning: frames
of data and of signals.  It keeps what the other end has not taken yet, and says none beyond :data:`WINDOW`
octets of that; so when a connection is lost, both ends tell each other on the next one how many octets they
have, and go on from there, in the middle of a frame if need be.  No octet is lost, repeated or out of order.

A frame is a kind (1 octet), a length (3 octets, network byte order) and that many octets.  Kinds from 80h up
are not part of the sequence and stand between the frames of it::

    00  data                           80  taken: octets of the sequence that the user has, 8 octets
    01  break: milliseconds, 2 octets  81  farewell: the hang-up has been received
    02  circuits: bit 0 DTR, bit 1 RTS
    03  ringing                        Kinds that an end does not know it passes over, up to 255 octets.
    04  answered
    05  turned away: reason, 1 octet
    06  hung up

"Taken" is sent at least whenever an eighth of the window has been, and is the keep-alive too.

What does not belong here: how the ends find each other (:mod:`vmodem.wire.pairhello`), connections, and time.
"""

from __future__ import annotations

import enum
from collections import deque
from dataclasses import dataclass
from typing import Final

from .events import Data, ProtocolError

#: Octets of the sequence that may be on their way, or lie with a user who does not take them.  Each end keeps
#: up to so many of each direction.
WINDOW: Final = 1 << 18
#: Longest frame of data, in octets.
FRAME_LIMIT: Final = 1 << 16
#: No smaller part of what waits is sent by itself only because the window has just so much room, in octets.
SMALL: Final = 1 << 12
#: Longest break that can be told, in milliseconds.
BREAK_LIMIT_MS: Final = 0xFFFF

_HEAD: Final = 4
_SIGNAL_LIMIT: Final = 255
_TAKEN: Final = 0x80
_FAREWELL: Final = 0x81
_NO_SEQUENCE: Final = 0x80


class _Kind(enum.IntEnum):
    DATA = 0
    BREAK = 1
    CIRCUITS = 2
    RINGING = 3
    ANSWERED = 4
    TURNED_AWAY = 5
    HUNG_UP = 6


class TurnedAway(enum.IntEnum):
    """Why a call is not taken."""

    BUSY = 0
    NO_ANSWER = 1
    REJECTED = 2


@dataclass(frozen=True)
class Break:
    """The other end sends a break."""

    seconds: float


@dataclass(frozen=True)
class Circuits:
    """How the other end's terminal equipment has its circuits 108/2 and 105, as far as they count there."""

    dtr: bool
    rts: bool


@dataclass(frozen=True)
class Ringing:
    """The called modem rings."""


@dataclass(frozen=True)
class Answered:
    """The called modem has answered."""


@dataclass(frozen=True)
class Refusal:
    """The called modem does not take the call."""

    why: TurnedAway


@dataclass(frozen=True)
class HungUp:
    """The other end has hung up; nothing follows."""


Event = Data | Break | Circuits | Ringing | Answered | Refusal | HungUp


class PairSession:
    """One end of one call.  ``window`` is :data:`WINDOW` but in tests; both ends must have the same."""

    def __init__(self, window: int = WINDOW) -> None:
        self._window = window
        # to the other end
        self._queue: deque[bytes | bytearray] = deque()  # data (bytearray) and frames of signals (bytes)
        self._kept = bytearray()  # frames that the other end has not taken, from position _taken on
        self._taken = 0
        self._given = 0  # position up to which take() has given them out on this connection
        self._ever_given = 0
        self._parting = False  # nothing may be added any more
        # from the other end
        self._head = bytearray()
        self._kind = 0
        self._left = 0  # octets that are still to come of this frame
        self._aside = bytearray()  # of a frame that is not part of the sequence
        self._held = bytearray()  # octets of the sequence that next() has not looked at
        self._data_left = 0
        self._consumed = 0
        self._told = 0  # of that, what the other end knows
        self._farewell_due = False
        #: The other end's hang-up has been received: nothing will come that is not here already.
        self.complete = False
        #: The other end has received our hang-up.
        self.parted = False

    # -- what this end has to say --------------------------------------------------------------------------

    def data(self, data: bytes) -> None:
        """Bytes of the call."""
        if self._parting or not data:
            return
        last = self._queue[-1] if self._queue else None
        if isinstance(last, bytearray):
            last += data
        else:
            self._queue.append(bytearray(data))
        self._fill()

    def send_break(self, seconds: float, expedited: bool = False) -> None:
        """A break, behind the data that waits or before it."""
        milliseconds = min(BREAK_LIMIT_MS, max(1, round(seconds * 1000)))
        self._signal(_Kind.BREAK, milliseconds.to_bytes(2, "big"), first=expedited)

    def circuits(self, dtr: bool, rts: bool) -> None:
        """How circuits 108/2 and 105 are from now on."""
        self._signal(_Kind.CIRCUITS, bytes((dtr | rts << 1,)))

    def ringing(self) -> None:
        """The called modem rings."""
        self._signal(_Kind.RINGING)

    def answered(self) -> None:
        """The called modem answers."""
        self._signal(_Kind.ANSWERED)

    def turn_away(self, why: TurnedAway) -> None:
        """The called modem does not take the call; a hang-up is to follow."""
        self._signal(_Kind.TURNED_AWAY, bytes((why,)))

    def hang_up(self) -> None:
        """The last that is said, behind everything else."""
        self._signal(_Kind.HUNG_UP)
        self._parting = True

    def forget(self) -> None:
        """Drop what waits for room in the window; what has a position in the sequence stays."""
        waiting, self._queue = self._queue, deque()
        self._queue.extend(item for item in waiting if isinstance(item, bytes))
        self._fill()

    @property
    def waiting(self) -> int:
        """Octets that find no room in the window."""
        return sum(map(len, self._queue))

    @property
    def untaken(self) -> int:
        """Octets that the other end has not taken, those that wait included."""
        return len(self._kept) + self.waiting

    def take(self) -> bytes:
        """What is to be sent now."""
        self._fill()
        with memoryview(self._kept) as kept:
            out = bytes(kept[self._given - self._taken :])
        self._given += len(out)
        self._ever_given = max(self._ever_given, self._given)
        if self._consumed - self._told >= self._window // 8:
            out += self.keepalive()
        if self._farewell_due:
            self._farewell_due = False
            out += bytes((_FAREWELL, 0, 0, 0))
        return out

    def keepalive(self) -> bytes:
        """How much has been taken: to be sent when nothing else was, and only behind a take()."""
        self._told = self._consumed
        return bytes((_TAKEN, 0, 0, 8)) + self._consumed.to_bytes(8, "big")

    def _signal(self, kind: _Kind, body: bytes = b"", first: bool = False) -> None:
        if self._parting:
            return
        frame = bytes((kind, 0, 0, len(body))) + body
        if first:
            self._queue.appendleft(frame)
        else:
            self._queue.append(frame)
        self._fill()

    def _fill(self) -> None:
        """Give a position in the sequence to what finds room in the window."""
        queue, kept = self._queue, self._kept
        while queue:
            item = queue[0]
            room = self._window - len(kept)
            if isinstance(item, bytes):
                if len(item) > room:
                    return
                kept += item
                queue.popleft()
                continue
            size = min(len(item), FRAME_LIMIT, room - _HEAD)
            if size <= 0 or (size == room - _HEAD and size < min(len(item), SMALL, self._window // 16)):
                return
            kept += bytes((_Kind.DATA,)) + size.to_bytes(3, "big")
            if size == len(item):
                kept += item
                queue.popleft()
            else:
                kept += item[:size]
                del item[:size]

    # -- what the other end says ---------------------------------------------------------------------------

    def receive(self, data: bytes) -> None:
        """Take a chunk of the connection; :meth:`next` says what it means.  Raises :class:`ProtocolError`."""
        at, end = 0, len(data)
        view = memoryview(data)
        while at < end and not self.complete:
            if self._left:
                size = min(self._left, end - at)
                self._body(view[at : at + size])
                at += size
                continue
            size = min(_HEAD - len(self._head), end - at)
            self._head += view[at : at + size]
            at += size
            if len(self._head) == _HEAD:
                self._begin_frame()

    def next(self) -> Event | None:
        """The next thing that the other end has said, or None.  Raises :class:`ProtocolError`."""
        held = self._held
        while True:
            if self._data_left:
                if not held:
                    return None
                size = min(self._data_left, len(held))
                if size == len(held):
                    data = bytes(held)
                    held.clear()
                else:
                    data = bytes(held[:size])
                    del held[:size]
                self._data_left -= size
                self._consumed += size
                return Data(data)
            if not held:
                return None
            kind, length = held[0], int.from_bytes(held[1:_HEAD], "big")
            if kind != _Kind.DATA and len(held) < _HEAD + length:
                return None
            size = _HEAD if kind == _Kind.DATA else _HEAD + length
            body = bytes(held[_HEAD:size])
            del held[:size]
            self._consumed += size
            if kind == _Kind.DATA:
                self._data_left = length
                continue
            event = _event(kind, body)
            if event is not None:
                return event

    @property
    def received(self) -> int:
        """Octets of the other end's sequence that are here: where it is to go on."""
        return self._consumed + len(self._held)

    def resume(self, received: int) -> None:
        """A new connection: so much of ours has been received.  Raises :class:`ProtocolError`."""
        if not self._taken <= received <= self._ever_given:
            raise ProtocolError("the far end has received what was never sent, or lost what it had")
        self._given = received
        self._head.clear()
        self._aside.clear()
        if self._kind >= _NO_SEQUENCE:
            self._left = 0
        if self.complete:
            self._farewell_due = True

    def _begin_frame(self) -> None:
        head = bytes(self._head)
        self._head.clear()
        self._kind, self._left = head[0], int.from_bytes(head[1:], "big")
        if self._left > (FRAME_LIMIT if self._kind == _Kind.DATA else _SIGNAL_LIMIT):
            raise ProtocolError(f"a frame of kind {self._kind:02X}h and {self._left} octets")
        if self._kind >= _NO_SEQUENCE:
            if not self._left:
                self._end_aside()
            return
        self._hold(head)
        if self._kind == _Kind.HUNG_UP and not self._left:
            self.complete = self._farewell_due = True

    def _body(self, span: memoryview) -> None:
        self._left -= len(span)
        if self._kind < _NO_SEQUENCE:
            self._hold(span)
            return
        self._aside += span
        if not self._left:
            self._end_aside()

    def _hold(self, span: bytes | memoryview) -> None:
        self._held += span
        if len(self._held) > self._window:
            raise ProtocolError("the far end says more than there is room for")

    def _end_aside(self) -> None:
        body = bytes(self._aside)
        self._aside.clear()
        if self._kind == _FAREWELL:
            self.parted = self._parting
        elif self._kind == _TAKEN and len(body) == 8:
            taken = int.from_bytes(body, "big")
            if not self._taken <= taken <= self._given:
                raise ProtocolError("the far end has taken what was never sent")
            del self._kept[: taken - self._taken]
            self._taken = taken


def _event(kind: int, body: bytes) -> Event | None:
    """What a signal's frame means; None for one that is passed over.  Raises :class:`ProtocolError`."""
    try:
        match kind:
            case _Kind.BREAK:
                return Break(int.from_bytes(body[:2], "big") / 1000)
            case _Kind.CIRCUITS:
                return Circuits(bool(body[0] & 1), bool(body[0] & 2))
            case _Kind.RINGING:
                return Ringing()
            case _Kind.ANSWERED:
                return Answered()
            case _Kind.TURNED_AWAY:
                return Refusal(TurnedAway(body[0]) if body[0] in tuple(TurnedAway) else TurnedAway.REJECTED)
            case _Kind.HUNG_UP:
                return HungUp()
    except IndexError:
        raise ProtocolError(f"a frame of kind {kind:02X}h is too short") from None
    return None
