"""The server of the Network UPS Tools protocol on one listener: its UPSes, and whoever is connected.

What does not belong here: listeners and their LISTEN strings (the application counts them), one connection
(``session``), what is answered (``conversation``), the old form over UDP (``datagrams``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from twisted.logger import Logger

from vmodem.net.admission.rules import CallerRules
from vmodem.net.incoming.connection import Incoming
from vmodem.wire.nut import ACCESS_DENIED, error

from .conversation import Conversation
from .model import Ups
from .session import DRAIN_S, Session
from .tracking import Tracking
from .turns import Turns
from .users import Users

if TYPE_CHECKING:
    from vmodem.net.tls.begin import ServerContext

#: Connections at one time.
SESSIONS: Final = 1024
#: One line in the log for refused connections in so many seconds.
LOG_S: Final = 10.0


@dataclass
class Served:
    """A UPS as one listener serves it."""

    ups: Ups
    #: Who may see it.
    rules: CallerRules = field(default_factory=CallerRules)
    #: Whether it answers the old UDP form.
    udp: bool = False


class Upsd:
    """One server.  ``tls`` gives the certificate for STARTTLS; ``encrypted`` says that every connection is
    encrypted from its beginning on."""

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        users: Users,
        version: str,
        *,
        sessions: int = SESSIONS,
        encrypted: bool = False,
    ) -> None:
        self.users = users
        self.version = version
        self.tracking = Tracking(reactor.seconds)
        self.tls: ServerContext | None = None
        self._reactor = reactor
        self._turns = Turns(reactor)
        self._limit = sessions
        self._encrypted = encrypted
        self._served: dict[str, Served] = {}
        self._sessions: set[Session] = set()
        self._refused = 0
        self._refused_told = float("-inf")

    # -- UPSes ---------------------------------------------------------------------------------------------

    def serve(self, served: Served) -> None:
        """Serve a UPS, or serve it differently.  The first one served is the first in every list."""
        self._served[served.ups.name.lower()] = served

    def withdraw(self, ups: Ups) -> None:
        """Serve it no more.  Who had logged in to it has not any more."""
        self._served.pop(ups.name.lower(), None)
        for session in self._sessions:
            if session.conversation.login is ups:
                session.conversation.leave()

    def upses(self, host: str) -> Mapping[str, Ups]:
        """The UPSes that a client at ``host`` may see, by names in lower case."""
        return {name: each.ups for name, each in self._served.items() if each.rules.judge(host).allowed}

    @property
    def served(self) -> Mapping[str, Served]:
        """All UPSes, by names in lower case."""
        return self._served

    # -- connections ---------------------------------------------------------------------------------------

    @property
    def sessions(self) -> int:
        """Connections at present."""
        return len(self._sessions)

    def accept(self, incoming: Incoming) -> None:
        """Somebody connected."""
        stream, host = incoming.stream, incoming.peer.host
        if not self.upses(host):
            self._refuse(incoming, "no rule lets this address see a UPS")
            return
        if len(self._sessions) >= self._limit:
            self._refuse(incoming, f"{self._limit} clients are connected")
            return
        conversation = Conversation(
            self, host, incoming.peer.printable, tls=self.tls is not None, encrypted=self._encrypted
        )
        session = Session(
            self._reactor, stream, conversation, lambda: self.tls, self._sessions.discard, self._turns
        )
        self._sessions.add(session)
        session.start()

    def _refuse(self, incoming: Incoming, reason: str) -> None:
        self._refused += 1
        now = float(self._reactor.seconds())
        if now - self._refused_told >= LOG_S:
            self._log.warn(
                "{listener}: refused {peer}: {reason} ({count} refused since the last such line)",
                listener=incoming.listener,
                peer=incoming.peer.printable,
                reason=reason,
                count=self._refused,
            )
            self._refused, self._refused_told = 0, now
        incoming.stream.write(error(ACCESS_DENIED).encode())
        incoming.stream.close(DRAIN_S)

    def close(self) -> None:
        """End all connections."""
        for session in list(self._sessions):
            session.close()
        self._turns.close()
