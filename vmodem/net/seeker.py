"""Reaching a server that may not be there: connect, and look again until it is.

What does not belong here: what is spoken with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from vmodem.net.address import IPAddress, destination, literal
from vmodem.net.connect import Connecting, Trouble
from vmodem.net.names.resolve import Resolver
from vmodem.net.sparing import Sparing
from vmodem.net.stream import FdStream
from vmodem.net.timer import Timer

#: How long a server may take to accept a connection, in seconds.
CONNECT_S: Final = 10.0
#: Waits between attempts to connect, in seconds; the last one repeats.
RETRY_S: Final = (0.5, 1.0, 2.0, 5.0, 10.0)


class Seeker:
    """Looks for one server, from each :meth:`seek` until ``connected`` is called with a stream, or
    :meth:`stop`.  ``missing`` hears why each attempt failed.  ``pauses`` are waits after a connection that
    was made, in seconds, where the equipment behind the server takes harm from many."""

    def __init__(
        self,
        reactor: Any,
        host: str,
        port: int,
        resolver: Resolver,
        connected: Callable[[FdStream], None],
        missing: Callable[[str], None],
        pauses: Sequence[float] = (),
    ) -> None:
        self._reactor = reactor
        self._host = host
        self._port = port
        self._resolver = resolver
        self._connected = connected
        self._missing = missing
        self._sparing = Sparing(reactor.seconds, pauses)
        self._under_way: Any = None
        self._attempt = 0
        self._timer = Timer(reactor)
        self._stopped = False

    def seek(self) -> None:
        """Try now."""
        self._timer.set(CONNECT_S, self._too_long)
        found = literal(self._host)
        if found is not None:
            self._resolved([found[0]], found[1])
        else:
            self._under_way = self._resolver.resolve(self._host, self._resolved, self._unknown)

    def seek_later(self) -> None:
        """Try after a while, which grows with each attempt that failed."""
        if not self._stopped:
            self._sparing.ended()
            pause = RETRY_S[min(self._attempt, len(RETRY_S) - 1)]
            self._timer.set(max(pause, self._sparing.left), self.seek)
            self._attempt += 1

    def found(self) -> None:
        """The server is of use: the next attempt will be a first one."""
        self._attempt = 0

    def stop(self) -> None:
        """Look no more; nobody is called any more."""
        self._stopped = True
        self._give_up()

    def _give_up(self) -> None:
        under_way, self._under_way = self._under_way, None
        if under_way is not None:
            under_way.cancel()
        self._timer.cancel()

    def _resolved(self, ips: list[IPAddress], zone: str = "") -> None:
        try:
            destinations = [destination(ip, self._port, zone) for ip in ips]
        except OSError as exc:
            self._unknown(exc.strerror or str(exc))
            return
        self._under_way = Connecting(self._reactor, destinations, self._made, self._refused)

    def _made(self, stream: FdStream, target: Any) -> None:
        self._under_way = None
        self._timer.cancel()
        self._sparing.begun()
        self._connected(stream)

    def _unknown(self, reason: str) -> None:
        self._failed(f"{self._host}: {reason}")

    def _refused(self, trouble: Trouble, reason: str) -> None:
        self._failed(reason)  # which names the address

    def _failed(self, reason: str) -> None:
        self._under_way = None
        self._timer.cancel()
        self._missing(reason)
        self.seek_later()

    def _too_long(self) -> None:
        self._give_up()
        self._failed(f"{self._host}:{self._port}: no answer")
