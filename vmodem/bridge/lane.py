"""One direction of a bridge: from the port that reads to the port that is written to.

Bytes pass straight through while the far side takes them.  What has to wait keeps its order: bytes, breaks,
settings and circuits.  While anything waits the port that reads is held up, so what waits is hardly more than
what was under way; and never more than :data:`LIMIT`, though programs may open it, write and leave all day.

What does not belong here: which settings and circuits those are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from vmodem.net.timer import Timer
from vmodem.port.base import Port, Settings, Signals

#: How long a break is that is passed on, in seconds: nobody tells when one ends.
BREAK_S: Final = 0.25
#: What may wait for a sink that is not there, in bytes; what comes when that is reached is lost.
LIMIT: Final = 262144
#: What anything else than bytes counts for.
_CHANGE_SIZE: Final = 64


@dataclass(frozen=True)
class Change:
    """What is to change at one place of the bytes."""

    settings: Settings | None = None
    on: Signals = Signals.NONE
    off: Signals = Signals.NONE

    def then(self, later: Change) -> Change:
        """Both, one after the other."""
        return replace(
            self,
            settings=later.settings or self.settings,
            on=self.on & ~later.off | later.on,
            off=self.off & ~later.on | later.off,
        )


@dataclass(frozen=True)
class Break:
    """A break, in its place."""


class Lane:
    """Carries from ``source`` to ``sink``.

    ``holds``: while nobody is at the sink what comes waits for him; else it is dropped and counted.
    ``applied`` hears what the sink was asked for and what is in force then; ``dropped`` hears how many bytes
    were lost with a sink that is gone.
    """

    def __init__(
        self,
        reactor: Any,
        source: Port,
        sink: Port,
        *,
        holds: bool,
        applied: Callable[[Settings, Settings], None],
        dropped: Callable[[int], None],
    ) -> None:
        #: Bytes handed to the sink, and bytes that never reached it as far as can be known here.
        self.carried = 0
        self.dropped = 0
        self._source = source
        self._sink = sink
        self._holds = holds
        self._applied = applied
        self._tell_dropped = dropped
        self._queue: deque[bytes | Change | Break] = deque()
        self._up = False
        self._blocked = False
        self._pumping = False
        self._paused = False
        self._breaking = False
        self._breaks = 0  # so many have been begun
        self._break_timer = Timer(reactor)
        self._later = Timer(reactor)
        self._too_many = 0  # bytes that could not even wait
        self._unsure = 0  # bytes that the sink had not taken when it was looked at last

    @property
    def waiting(self) -> int:
        """Bytes that wait here."""
        return sum(len(item) for item in self._queue if isinstance(item, bytes))

    @property
    def held_up(self) -> bool:
        """Whether the source is held up."""
        return self._paused

    # -- what is carried -----------------------------------------------------------------------------------

    def put(self, data: bytes) -> None:
        """Carry bytes."""
        if self._up and not (self._queue or self._breaking):
            self.carried += len(data)
            if self._blocked:
                self._unsure += len(data)
            self._sink.write(data)
        elif self._up or (self._holds and not self._full):
            self._queue.append(data)
            self._steer()
        else:
            self.dropped += len(data)
            if self._holds:
                self._too_many += len(data)

    def change(self, change: Change) -> None:
        """Change settings or circuits of the sink behind everything put before."""
        if not (self._queue or self._breaking):
            self._apply(change)
            return
        last = self._queue[-1] if self._queue else None
        if isinstance(last, Change):
            self._queue[-1] = last.then(change)
        else:
            self._queue.append(change)

    def put_break(self) -> None:
        """Send a break behind everything put before."""
        if self._queue or self._breaking:
            if not (self._queue and isinstance(self._queue[-1], Break)) and (self._up or not self._full):
                self._queue.append(Break())
        elif self._up:
            self._begin_break()

    # -- the sink ------------------------------------------------------------------------------------------

    def sink_up(self, up: bool) -> None:
        """Somebody is at the sink, or nobody; to be told at the start, too."""
        if up is not self._up:
            self._up = up
            self._blocked = False
            if up:
                lost, self._too_many = self._too_many, 0
                if lost:
                    self._tell_dropped(lost)
                self._pump()
            else:
                self._end_break()
                self._lose()
        self._steer()

    def sink_blocked(self) -> None:
        """The sink takes no more for now."""
        self._blocked = True
        self._later.cancel()
        self._unsure = self._sink.backlog
        self._steer()

    def sink_drained(self) -> None:
        """The sink has taken everything; unless it is about to tell that it is gone."""
        if self._blocked:
            self._later.set(0, self._took_all)

    def stop(self) -> None:
        """Hand over what can be, and do nothing from now on."""
        self._later.cancel()
        self._end_break()
        while self._queue and self._up:
            item = self._queue.popleft()
            if isinstance(item, bytes):
                self.carried += len(item)
                self._sink.write(item)
            elif isinstance(item, Change):
                self._apply(item)
        self._holds = self._up = False
        self._lose()

    # -- inside --------------------------------------------------------------------------------------------

    @property
    def _full(self) -> bool:
        """Whether no more may wait."""
        sizes = (len(item) if isinstance(item, bytes) else _CHANGE_SIZE for item in self._queue)
        return sum(sizes) >= LIMIT

    def _took_all(self) -> None:
        self._blocked = False
        self._unsure = 0
        self._pump()
        self._steer()

    def _lose(self) -> None:
        """The sink is gone with what it had not taken; what cannot wait for its return goes, too."""
        self._later.cancel()
        lost, self._unsure = self._unsure, 0
        if not self._holds:
            lost += self.waiting
            queue, self._queue = self._queue, deque()
            for item in queue:
                if isinstance(item, Change):
                    self._apply(item)
        if lost:
            self.dropped += lost
            self._tell_dropped(lost)

    def _pump(self) -> None:
        if self._pumping:
            return
        self._pumping = True
        try:
            while self._queue and self._up and not (self._blocked or self._breaking):
                item = self._queue.popleft()
                if isinstance(item, bytes):
                    self.carried += len(item)
                    self._sink.write(item)
                elif isinstance(item, Break):
                    self._begin_break()
                else:
                    self._apply(item)
        finally:
            self._pumping = False

    def _apply(self, change: Change) -> None:
        wanted = change.settings
        if wanted is not None:
            self._sink.set(wanted, partial(self._applied, wanted))
        if change.on | change.off:
            self._sink.drive(change.on, change.off)

    def _begin_break(self) -> None:
        self._breaking = True
        self._sink.set_break(True)
        self._breaks += 1
        self._sink.when_sent(partial(self._break_begun, self._breaks))  # behind the bytes before it
        self._steer()

    def _break_begun(self, which: int) -> None:
        if self._breaking and which == self._breaks:
            self._break_timer.set(BREAK_S, self._break_over)

    def _break_over(self) -> None:
        self._end_break()
        self._pump()
        self._steer()

    def _end_break(self) -> None:
        self._break_timer.cancel()
        if self._breaking:
            self._breaking = False
            self._sink.set_break(False)

    def _steer(self) -> None:
        """Hold the source up exactly while something has to wait."""
        pause = self._blocked or self._breaking or bool(self._queue) or (self._holds and not self._up)
        if pause is not self._paused:
            self._paused = pause
            if pause:
                self._source.pause()
            else:
                self._source.resume()
