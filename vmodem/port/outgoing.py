"""What is to go out, in order: bytes, and acts that wait until every byte before them has left.

Bytes pass straight through while nothing waits.  No act waits for bytes that do not move longer than
:data:`LIMIT_S`, unless its owner is that patient: a device that is held up must not keep its owner from
resetting it, and one that is slow must not be set otherwise in the middle of them.

What does not belong here: what an act does, and how it shows that bytes have left.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from twisted.logger import Logger

from vmodem.net.timer import Timer
from vmodem.tty.poller import shared_poller

#: How long an act waits at most while no byte leaves, in seconds.
LIMIT_S: Final = 5.0
#: How often bytes on their way are looked after while an act waits, in seconds.
POLL_S: Final = 0.005

Act = Callable[[], None]


class Outgoing:
    """``send`` takes bytes, ``empty`` says whether all of them have left and ``left`` how many have not,
    ``changed`` is called when :attr:`waiting` may have changed.  ``limit_s`` is how long acts wait at most
    while no byte leaves, in seconds; whoever is told when bytes have left need not be ``polled``."""

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        send: Callable[[bytes], None],
        empty: Callable[[], bool],
        left: Callable[[], float],
        changed: Act,
        *,
        limit_s: float | None = None,
        polled: bool = True,
    ) -> None:
        self._reactor = reactor
        self._send = send
        self._empty = empty
        self._left = left
        self._left_before = 0.0
        self._moved = -math.inf  # when a byte was last seen to leave
        self._changed = changed
        self._limit_s = LIMIT_S if limit_s is None else limit_s
        self._polled = polled
        self._timer = Timer(reactor)
        self._items: deque[bytes | tuple[Act, float]] = deque()
        self._holding: set[str] = set()  # why
        self._running = False
        #: Bytes that wait here.
        self.backlog = 0
        #: Whether anything waits, or would wait.
        self.waiting = False

    def write(self, data: bytes) -> None:
        """Send, behind the acts that wait."""
        if self.waiting:
            self._items.append(data)
            self.backlog += len(data)
        else:
            self._send(data)

    def then(self, act: Act) -> None:
        """Do ``act`` when everything before it has left: at once, where it has."""
        if not self.waiting and self._empty():
            self._do(act)
            return
        self._items.append((act, self._reactor.seconds() + self._limit_s))
        if not self.waiting:
            self._left_before = self._left()
        self.waiting = True
        if self._polled:
            shared_poller(self._reactor, POLL_S).add(self.look)
        elif math.isfinite(self._limit_s) and not self._timer.running:
            self._timer.set(self._limit_s, self.look)
        self._changed()

    def hold(self, why: str, on: bool) -> None:
        """Keep everything, however long that takes, until nobody wants that any more."""
        if on:
            self._holding.add(why)
            self.waiting = True
            self._changed()
        else:
            self._holding.discard(why)
            self.look()

    def discard(self) -> None:
        """Forget the bytes; the acts stay in their order."""
        self._items = deque(item for item in self._items if not isinstance(item, bytes))
        self.backlog = 0
        self.look()

    def hurry(self) -> None:
        """Wait for nothing any more: what is here goes out or is done now, and nothing is held."""
        self._holding.clear()
        self._run(lambda due: True)

    def look(self) -> None:
        """Go on, if bytes have left.  Whoever is not polled calls this when they have."""
        if self._items:
            before, self._left_before = self._left_before, self._left()
            if self._left_before < before:
                self._moved = self._reactor.seconds()
        self._run(lambda due: self._empty() or self._reactor.seconds() >= self._due(due))

    def _run(self, may: Callable[[float], bool]) -> None:
        if self._running:
            return
        had = self.waiting
        self._running = True
        try:
            while self._items and not self._holding:
                item = self._items[0]
                if isinstance(item, bytes):
                    self._items.popleft()
                    self.backlog -= len(item)
                    self._send(item)
                    self._moved = self._reactor.seconds()
                    self._left_before = self._left()
                elif may(item[1]):
                    self._items.popleft()
                    self._do(item[0])
                else:
                    break
        finally:
            self._running = False
            self.waiting = bool(self._items or self._holding)
        if not self._items:
            shared_poller(self._reactor, POLL_S).remove(self.look)
            self._timer.cancel()
        elif not self._polled and math.isfinite(self._limit_s):
            due = next((self._due(item[1]) for item in self._items if not isinstance(item, bytes)), math.inf)
            if math.isfinite(due):
                self._timer.set(max(0.0, due - self._reactor.seconds()), self.look)
        if had:
            self._changed()

    def _due(self, due: float) -> float:
        """When an act has waited long enough that had until ``due`` if no byte were to leave."""
        return max(due, self._moved + self._limit_s)

    def _do(self, act: Act) -> None:
        try:
            act()
        except Exception:  # one who waited is not to keep the others waiting
            self._log.failure("{act!r} failed", act=act)
