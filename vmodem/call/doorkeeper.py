"""Who is let in to ring: rules, limits, certificate and password, in this order.

Before the caller's first byte :meth:`Doorkeeper.judge_connection` looks at where he comes from and how often;
then, over whatever layers the listener has, :meth:`Doorkeeper.admit` asks him for what he knows.  Only who
passes both is offered to a modem, so that nobody else makes it ring or keeps it busy.  Every refusal names
the rule that refused.

What does not belong here: the counting (:mod:`vmodem.net.admission.limits`) and the dialogue
(:mod:`vmodem.net.admission.password`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from vmodem.net.admission.limits import CallerLimits, Limiter, Lockout
from vmodem.net.admission.password import Answer, Asking, same
from vmodem.net.admission.rules import CallerRules, Decision
from vmodem.net.incoming.connection import Peer
from vmodem.net.layer import Opened, OpenFailed, Opening
from vmodem.net.stream import Stream


@dataclass(frozen=True)
class DoorSettings:
    """What a caller must meet; every one of them."""

    rules: CallerRules = field(default_factory=CallerRules)
    #: "" asks for none.
    password: str = field(default="", repr=False)
    #: Names of client certificates; ``*.plant.example`` is any one name before the dot.  None: none needed.
    certificates: tuple[str, ...] | None = None
    limits: CallerLimits = field(default_factory=CallerLimits)

    def __str__(self) -> str:
        """Who may call, for people."""
        conditions = [str(self.rules)]
        if self.certificates is not None:
            conditions.append("with a certificate for " + (" or ".join(self.certificates) or "nobody"))
        if self.password:
            conditions.append("with the password")
        return " ".join(conditions)

    @property
    def authenticates(self) -> bool:
        """Whether a caller has to prove something."""
        return bool(self.password) or self.certificates is not None


class Doorkeeper:
    """The door of one set of listeners.  ``clock`` gives monotonic seconds."""

    def __init__(self, reactor: Any, settings: DoorSettings, clock: Callable[[], float]) -> None:
        self._reactor = reactor
        self._settings = settings
        self._limiter = Limiter(settings.limits, clock)
        self._lockout = Lockout(clock)
        self._asking: set[Opening] = set()

    @property
    def settings(self) -> DoorSettings:
        """Replaced at any time; who is being asked at that moment is judged by the new ones."""
        return self._settings

    @settings.setter
    def settings(self, settings: DoorSettings) -> None:
        self._settings = settings
        self._limiter.limits = settings.limits

    @property
    def pending(self) -> int:
        """Callers that are being asked."""
        return len(self._asking)

    def judge_connection(self, peer: Peer) -> Decision:
        """Whether to listen to this caller at all.  To be asked once for each connection: it is counted."""
        decision = self._settings.rules.judge(peer.host)
        if not decision.allowed:
            return decision
        if self._settings.password and self._lockout.locked(peer.host):
            return Decision(False, "too many wrong passwords came from this address")
        return self._limiter.judge(peer.host, len(self._asking))

    def admit(self, stream: Stream, peer: Peer, admitted: Opened, refused: OpenFailed) -> Opening | None:
        """Ask a caller for what he has to prove.

        Where nothing has to be asked the answer is given at once, and None returned; else one of the two is
        called later.  ``refused`` gets the rule; the stream is then already being closed."""
        settings = self._settings
        if settings.certificates is not None:
            name = getattr(stream, "certificate_name", "") or peer.certificate_name
            if not _named(name, settings.certificates):
                stream.abort()
                shown = f'the certificate of "{name}"' if name else "no certificate"
                refused(f"allow_certificates: {shown} is not among {', '.join(settings.certificates)}")
                return None
        if not settings.password:
            admitted(stream)
            return None

        def over(then: Callable[[Any], None]) -> Callable[[Any], None]:
            def tell(what: Any) -> None:
                self._asking.discard(asking)
                then(what)

            return tell

        def judge(line: bytes) -> Answer:
            return self._judge(peer, line)

        inner = Asking(self._reactor, stream, judge, over(admitted), over(refused), self.left)
        asking = _Pending(inner, self._asking)
        self._asking.add(asking)
        return asking

    def left(self) -> None:
        """A caller went away before the answer."""
        self._limiter.left()

    def stop(self) -> None:
        """Cut off whoever is being asked."""
        for asking in list(self._asking):
            asking.cancel()

    def _judge(self, peer: Peer, line: bytes) -> Answer:
        if self._lockout.locked(peer.host):
            return Answer.LOCKED  # by what came over other connections meanwhile
        if same(line, self._settings.password.encode()):
            self._lockout.passed(peer.host)
            return Answer.RIGHT
        return Answer.LOCKED if self._lockout.failed(peer.host) else Answer.WRONG


class _Pending:
    """An asking that is counted."""

    def __init__(self, asking: Asking, among: set[Opening]) -> None:
        self._inner = asking
        self._among = among

    def cancel(self) -> None:
        self._among.discard(self)
        self._inner.cancel()


def _named(name: str, allowed: Sequence[str]) -> bool:
    """Whether a certificate's name is among those allowed."""
    name = name.lower()
    for each in allowed:
        pattern = each.lower()
        if name and (name == pattern or (pattern.startswith("*.") and _below(name, pattern[2:]))):
            return True
    return False


def _below(name: str, domain: str) -> bool:
    first, dot, rest = name.partition(".")
    return bool(first and dot) and rest == domain
