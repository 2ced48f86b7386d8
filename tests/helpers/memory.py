"""Two streams joined in memory, on a clock: the test decides how much passes, and in which pieces."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.task import Clock

from vmodem.net.stream import NOBODY, Cause, Ending, StreamUser, unheard

FINISHED = Ending(Cause.FINISHED, "end of stream")


class MemoryStream:
    """One end.  What it was given waits in ``sent`` until the test moves it; beyond ``room`` bytes there it
    says that it is blocked."""

    break_received: Callable[[], None] = staticmethod(unheard)

    def __init__(self, clock: Clock, peer: str, room: int) -> None:
        self.peer = peer
        self.room = room
        self.sent = bytearray()
        self.total = 0
        self.user: StreamUser = NOBODY
        self.reading = False
        self.blocked = False
        #: What became of it: "close" or "abort"; None while it is in use.
        self.over: str | None = None
        self.far: MemoryStream
        self.ended = False
        self._clock = clock

    # -- user's side ---------------------------------------------------------------------------------------

    def start(self, user: StreamUser) -> None:
        assert self.over is None
        self.user = user
        self.reading = True

    def write(self, data: bytes) -> None:
        assert data
        assert self.over is None, "written to after its end"
        self.sent += data
        self.total += len(data)
        if len(self.sent) > self.room and not self.blocked:
            self.blocked = True
            self.user.write_blocked()

    @property
    def backlog(self) -> int:
        return len(self.sent) if self.blocked else 0

    def send_break(self, seconds: float, expedited: bool) -> None:
        raise AssertionError("no break can be sent")

    def discard_pending(self) -> None:
        raise AssertionError("bytes would be missing in the middle")

    def pause(self) -> None:
        self.reading = False

    def resume(self) -> None:
        self.reading = True

    def close(self, drain_s: float) -> None:
        assert drain_s >= 0
        self.over = self.over or "close"
        self.user = NOBODY
        self.reading = True

    def abort(self) -> None:
        self.over = "abort"
        self.user = NOBODY
        self.sent.clear()

    # -- the test's side -----------------------------------------------------------------------------------

    def deliver(self, size: int) -> int:
        """Hand so many of the far end's bytes to the user, in one piece; how many that were."""
        far = self.far
        if not self.reading or self.over == "abort":
            return 0
        data = bytes(far.sent[:size])
        if data:
            del far.sent[: len(data)]
            self.user.data_received(data)
            if far.blocked and not far.sent:
                far.blocked = False
                far.user.write_drained()
        elif far.over is not None and not self.ended:
            self.end(FINISHED)
        return len(data)

    def end(self, ending: Ending) -> None:
        """The end of what this end reads."""
        self.ended = True
        self.user.stream_ended(ending)


def joined(clock: Any, room: int = 1 << 30) -> tuple[MemoryStream, MemoryStream]:
    """Two ends of a connection."""
    near, far = MemoryStream(clock, "far", room), MemoryStream(clock, "near", room)
    near.far, far.far = far, near
    return near, far
