"""Who may write at the moment, where clients of a port take turns.

Whoever writes first has the pen, and keeps it until so long after his last byte; what others send meanwhile
is not lost, it waits.  Then whoever has waited longest has it.  So the requests of two programs do not run
into each other.

What does not belong here: the clients' queues, and settings.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Final

from .client import Client

#: Why a client has to wait.
WAITS: Final = "pen"


class Pen:
    """``write`` is where the bytes go, ``busy`` tells whether some have not left yet, ``seconds`` how long
    the pen is kept after the last byte."""

    def __init__(
        self, reactor: Any, seconds: float, write: Callable[[bytes], None], busy: Callable[[], bool]
    ) -> None:
        self._reactor = reactor
        #: May be changed at any time.
        self.seconds = seconds
        self._write = write
        self._busy = busy
        self.owner: Client | None = None
        self._last = 0.0
        self._waiting: deque[Client] = deque()
        self._timer: Any = None

    def put(self, client: Client, data: bytes) -> None:
        """``client`` sent this."""
        if self.owner is None:
            self.owner = client
        if self.owner is client:
            self._last = self._reactor.seconds()
            if self._timer is None:
                self._timer = self._reactor.callLater(self.seconds, self._look)
            self._write(data)
            return
        client.keep(data)
        if client not in self._waiting:
            self._waiting.append(client)
            client.hold(WAITS)

    def leave(self, client: Client) -> None:
        """``client`` is gone; the pen stays where it is until its time has come."""
        if client in self._waiting:
            self._waiting.remove(client)

    def stop(self) -> None:
        """Nobody has to wait any more; what waits goes where its client's bytes go now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.owner = None
        waiting = list(self._waiting)
        self._waiting.clear()
        for client in waiting:
            client.release(WAITS)

    def _look(self) -> None:
        self._timer = None
        now = self._reactor.seconds()
        if self._busy():
            self._last = now  # what has not left the port is not said yet
        left = self._last + self.seconds - now
        if left > 0:
            self._timer = self._reactor.callLater(left, self._look)
            return
        self.owner = None
        if self._waiting:
            self._waiting.popleft().release(WAITS)
