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
        self._seconds = seconds
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
                self._timer = self._reactor.callLater(self._seconds, self._look)
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
        """Nobody has to wait any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.owner = None
        while self._waiting:
            self._waiting.popleft().release(WAITS)

    def _look(self) -> None:
        self._timer = None
        left = self._last + self._seconds - self._reactor.seconds()
        if left > 0 or self._busy():
            # What has not left the port is not said yet.
            self._timer = self._reactor.callLater(left if left > 0 else self._seconds, self._look)
            return
        self.owner = None
        if self._waiting:
            self._waiting.popleft().release(WAITS)
