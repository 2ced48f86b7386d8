"""Two ends of a connection in memory, for streams that lie over one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from vmodem.net.stream import NOBODY, Cause, Ending, StreamUser, unheard

FINISHED = Ending(Cause.FINISHED, "end of stream")


class MemoryEnd:
    """One end: what is written to it, ``take`` moves; it reads what ``put`` brings."""

    peer = "somebody"
    break_received: Callable[[], None] = staticmethod(unheard)

    def __init__(self, room: int = 1 << 30) -> None:
        self.user: StreamUser = NOBODY
        #: So many bytes fit before whoever writes is told to stop.
        self.room = room
        self.pending = bytearray()
        #: All that was ever written.
        self.written = bytearray()
        self.reading = False
        self.blocked = False
        self.did: list[Any] = []

    def start(self, user: StreamUser) -> None:
        self.user = user
        self.reading = True

    def write(self, data: bytes) -> None:
        assert data
        assert not self.did, "written to after its end"
        self.pending += data
        self.written += data
        if len(self.pending) > self.room and not self.blocked:
            self.blocked = True
            self.user.write_blocked()

    @property
    def backlog(self) -> int:
        return max(0, len(self.pending) - self.room)

    def send_break(self, seconds: float, expedited: bool) -> None:
        pass

    def discard_pending(self) -> None:
        raise AssertionError("coded bytes are not to be cut")

    def pause(self) -> None:
        self.reading = False

    def resume(self) -> None:
        self.reading = True

    def close(self, drain_s: float) -> None:
        self.did.append("close")

    def abort(self) -> None:
        self.did.append("abort")

    # -- the test's side -----------------------------------------------------------------------------------

    def take(self, most: int = 1 << 30) -> bytes:
        """What was written and not yet taken."""
        data = bytes(self.pending[:most])
        del self.pending[:most]
        if self.blocked and not self.pending:
            self.blocked = False
            self.user.write_drained()
        return data

    def put(self, data: bytes) -> None:
        """The far end sent a chunk."""
        assert self.reading
        if data:
            self.user.data_received(data)

    def end(self, ending: Ending = FINISHED) -> None:
        """The far end is gone."""
        self.user.stream_ended(ending)


class Watching:
    """A stream's user that remembers what it was told, breaks in their place, and holds the stream to it."""

    def __init__(self, stream: Any = None) -> None:
        self.data = bytearray()
        #: Data as bytes, breaks as "break".
        self.story: list[Any] = []
        self.blocked = False
        self.endings: list[Ending] = []
        self.on_data: Callable[[bytes], None] | None = None
        if stream is not None:
            stream.break_received = self.break_came
            stream.start(self)

    def data_received(self, data: bytes) -> None:
        assert data
        assert not self.endings
        self.data += data
        if self.story and isinstance(self.story[-1], bytes):
            self.story[-1] += data
        else:
            self.story.append(data)
        if self.on_data is not None:
            self.on_data(data)

    def break_came(self) -> None:
        self.story.append("break")

    def write_blocked(self) -> None:
        assert not self.blocked
        self.blocked = True

    def write_drained(self) -> None:
        assert self.blocked
        self.blocked = False

    def stream_ended(self, ending: Ending) -> None:
        self.endings.append(ending)


def shuttle(one: MemoryEnd, other: MemoryEnd, sizes: Iterable[int] = (), turns: int = 10_000) -> None:
    """Carry bytes between two ends until both are silent, in chunks of the sizes given, then as they come."""
    wanted = iter(sizes)
    for _ in range(turns):
        moved = False
        for source, sink in ((one, other), (other, one)):
            if source.pending and sink.reading and not sink.did:
                sink.put(source.take(next(wanted, 1 << 30)))
                moved = True
        if not moved:
            return
    raise AssertionError("they talk for ever")
