"""Connect-back: the port calls a host by itself, instead of waiting to be called.

Targets are tried in order until one takes the connection; when none does, again after a pause that grows.
When is said by ``on``: always (``start``), once the device has sent something (``data``; what it sends until
the connection is there is kept), or while its DSR is on (``dsr``).

What does not belong here: how a target is reached.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, Protocol

from twisted.logger import Logger

from vmodem.net.stream import Stream
from vmodem.port.base import Signals

from .client import Client
from .sharing import SharedPort, nobody
from .spread import nowhere

#: Pauses before the targets are tried again, in seconds; the last one stays.
BACK_OFF_S: Final = (1.0, 2.0, 5.0, 10.0, 30.0)
#: A connection of this length is a success: the pauses begin anew, in seconds.
SETTLED_S: Final = 10.0

On = Literal["start", "data", "dsr"]


class Reaching(Protocol):
    """A connection being made."""

    def cancel(self) -> None: ...


#: Connects to a target; calls exactly one of the two, later: with the stream, or with a reason for people.
Reach = Callable[[str, Callable[[Stream], None], Callable[[str], None]], Reaching]


class ConnectBack:
    """Keeps a shared port connected to the first of ``targets`` that answers."""

    _log = Logger()

    def __init__(
        self, reactor: Any, shared: SharedPort, targets: Sequence[str], on: On, reach: Reach
    ) -> None:
        self._reactor = reactor
        self._shared = shared
        self._targets = tuple(targets)
        self._on = on
        self._reach = reach
        self._early = bytearray()
        self._client: Client | None = None
        self._since = 0.0
        self._left: list[str] = []  # targets of this round
        self._failures = 0
        self._reaching: Reaching | None = None
        self._timer: Any = None
        self._started = False

    @property
    def state(self) -> str:
        """What it is doing, for people."""
        if self._client is not None:
            return f"connected to {self._client.listener}"
        if self._reaching is not None:
            return "connecting"
        return "waiting to try again" if self._timer is not None else "waiting"

    def start(self) -> None:
        """Begin; the shared port must have been started."""
        self._started = True
        if self._on == "data":
            self._shared.spread.unclaimed = self._device_sent
        if self._on == "dsr":
            self._shared.dsr_changed = self._dsr_changed
        if self._on == "start" or (self._on == "dsr" and Signals.DSR in self._shared.port.signals):
            self._try()

    def stop(self) -> None:
        """Connect no more.  The connection there is stays."""
        self._started = False
        self._shared.spread.unclaimed, self._shared.dsr_changed = nowhere, nobody
        self._give_up()
        self._early.clear()

    # -- when ----------------------------------------------------------------------------------------------

    @property
    def _wanted(self) -> bool:
        if not self._started:
            return False
        if self._on == "dsr":
            return Signals.DSR in self._shared.port.signals and not self._shared.lost_for
        return self._on == "start" or bool(self._early)

    def _device_sent(self, data: bytes) -> None:
        self._early += data
        excess = len(self._early) - self._shared.rules.queue
        if excess > 0:
            del self._early[:excess]
        if self._client is None and self._reaching is None and self._timer is None:
            self._try()

    def _dsr_changed(self, on: bool) -> None:
        if on:
            if self._client is None and self._reaching is None and self._timer is None:
                self._try()
            return
        self._give_up()
        if self._client is not None:
            self._shared.dismiss(self._client, "DSR went off")

    def client_changed(self) -> None:
        """Somebody has come to the port, or has gone."""
        client = self._client
        if client is None or client in self._shared.clients:
            return
        self._client = None
        settled = self._reactor.seconds() - self._since >= SETTLED_S
        self._failures = 0 if settled else self._failures + 1
        self._again()

    # -- connecting ----------------------------------------------------------------------------------------

    def _try(self) -> None:
        self._timer = None
        if not self._wanted or self._client is not None:
            return
        if self._shared.clients and len(self._shared.clients) >= self._shared.rules.room:
            self._failures += 1  # somebody else has the port
            self._again()
            return
        self._left = list(self._targets)
        self._next()

    def _next(self) -> None:
        target = self._left.pop(0)
        self._reaching = self._reach(
            target, lambda stream: self._reached(target, stream), lambda reason: self._failed(target, reason)
        )

    def _reached(self, target: str, stream: Stream) -> None:
        self._give_up()
        if len(self._shared.clients) >= self._shared.rules.room:
            stream.abort()
            self._failures += 1
            self._again()
            return
        early = bytes(self._early)
        self._early.clear()
        self._since = self._reactor.seconds()
        self._client = self._shared.join(stream, stream.peer, target, early)

    def _failed(self, target: str, reason: str) -> None:
        self._give_up()
        self._log.info(
            "{port}: {target}: {reason}", port=self._shared.rules.name, target=target, reason=reason
        )
        if self._left and self._wanted:
            self._next()
        else:
            self._failures += 1
            self._again()

    def _again(self) -> None:
        if not self._wanted or self._timer is not None:
            return
        pause = BACK_OFF_S[min(self._failures, len(BACK_OFF_S)) - 1] if self._failures else 0.0
        self._timer = self._reactor.callLater(pause, self._try)

    def _give_up(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        reaching, self._reaching = self._reaching, None
        if reaching is not None:
            reaching.cancel()
