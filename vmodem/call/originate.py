"""Placing calls: from a dial string to a connected stream.

The order is: what was quoted, the directory, an address that was spelled out.  Then the rules, on the
resolved address, and only then a socket.  What does not belong here: deadlines (the engine's S7) and result
codes.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from twisted.logger import Logger

from atparser.actions import CallFailure
from atparser.dialstring import DialString
from vmodem.net.access import DialRules
from vmodem.net.address import Destination, IPAddress, destination, literal
from vmodem.net.connect import Connecting, Trouble
from vmodem.net.pace import PacedStream
from vmodem.net.resolve import Resolver, SystemResolver
from vmodem.net.stream import FdStream, Stream

from . import program, services
from .answer import Caller
from .directory import Directory, Entry, Match
from .target import Target

#: The port of an address that names none: 23, as every modem on a network has it.
DEFAULT_PORT: Final = 23

_FAILURES: Final = {
    Trouble.REFUSED: CallFailure.REFUSED,
    Trouble.NO_ANSWER: CallFailure.NO_ANSWER,
    Trouble.NO_NETWORK: CallFailure.NO_NETWORK,
}

#: Asks this modem's own answer side to take a call.  False: it is busy.
OfferBack = Callable[[Stream, Caller], bool]
Connected = Callable[[Stream, "Route"], None]
Failed = Callable[[CallFailure, str], None]


class CallError(Exception):
    """A dial string that leads nowhere; the text is the reason for people."""

    def __init__(self, failure: CallFailure, reason: str) -> None:
        super().__init__(reason)
        self.failure = failure


@dataclass(frozen=True)
class Plan:
    """What a dial string means, before anything is reached for."""

    target: Target
    #: The directory's part in it; None when an address was dialled itself.
    match: Match | None = None


@dataclass(frozen=True)
class Route:
    """How a call went out, for the log and the call record."""

    #: What was dialled.
    number: str
    target: Target
    #: The directory key that matched, "" when the address was dialled itself.
    rule: str
    #: The address connected to, or the service or program, for people.
    peer: str
    #: The directory entry; None when the address was dialled itself.
    entry: Entry | None = None

    @property
    def rate(self) -> int:
        """What the entry paces the call to, in bit/s; 0 for nothing."""
        return 0 if self.entry is None else self.entry.rate or 0


class Originator:
    """Places the calls of one modem.

    ``name`` and ``number`` introduce it on the help page; ``offer_back`` is asked by ``loop:`` targets.
    """

    def __init__(
        self,
        reactor: Any,
        directory: Directory,
        dial_rules: DialRules,
        offer_back: OfferBack,
        *,
        name: str = "",
        number: str = "",
        default_port: int = DEFAULT_PORT,
        resolver: Resolver | None = None,
    ) -> None:
        self.reactor = reactor
        self.directory = directory
        self.dial_rules = dial_rules
        self.offer_back = offer_back
        self.name = name
        self.number = number
        self.default_port = default_port
        self.resolver = SystemResolver(reactor) if resolver is None else resolver

    def originate(self, dial: DialString, connected: Connected, failed: Failed) -> Attempt:
        """Place a call.  Exactly one of the callbacks is called, always after this method returned and never
        after ``cancel()``.  The stream handed over is not started; the reason handed to ``failed`` is for
        people."""
        return Attempt(self, dial, connected, failed)

    def plan(self, dial: DialString) -> Plan:
        """Which target a dial string means.  Reaches for nothing; raises :class:`CallError`."""
        if not dial.raw.strip():
            raise CallError(CallFailure.UNKNOWN, "nothing was dialled")
        match = self.directory.lookup(dial)
        if match is not None:
            return Plan(match.entry.target, match)
        address = dial.address()
        if address is None:
            raise CallError(CallFailure.UNKNOWN, "not in the directory, and no address")
        if address.scheme in ("", "tcp", "raw"):
            return Plan(Target("tcp", host=address.host, port=address.port or self.default_port))
        if address.scheme == "unix":
            # A path from the DTE would reach every local service of this machine, past any rule on addresses.
            raise CallError(CallFailure.FORBIDDEN, "Unix sockets can be called through the directory only")
        raise CallError(CallFailure.UNKNOWN, f"{address.scheme}: calls cannot be placed from here")


class Attempt:
    """A call being placed.  ``Originator.originate`` makes it."""

    _log = Logger()

    def __init__(self, origin: Originator, dial: DialString, connected: Connected, failed: Failed) -> None:
        self._origin = origin
        self._reactor = origin.reactor
        self._dial = dial
        self._connected = connected
        self._failed = failed
        self._match: Match | None = None
        self._target = Target("tcp")
        self._over = False
        #: Whatever is under way: a timer, a lookup, a connection.
        self._pending: Any = self._reactor.callLater(0, self._begin)

    def cancel(self) -> None:
        """Give the call up: no socket and no timer is left when this returns, and no callback will come."""
        if self._over:
            return
        self._over = True
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.cancel()

    # -- steps ---------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._pending = None
        try:
            plan = self._origin.plan(self._dial)
        except CallError as exc:
            self._fail(exc.failure, str(exc))
            return
        self._target, self._match = plan.target, plan.match
        target = self._target
        if target.kind == "tcp":
            self._call_tcp()
        elif target.kind == "unix":
            if self._listed_allowed():
                self._connect([Destination(socket.AF_UNIX, target.path, f"unix:{target.path}")])
        elif target.kind == "exec":
            if self._listed_allowed():
                self._call_program()
        elif target.kind == "loop":
            self._call_back()
        else:
            self._call_service()

    def _call_tcp(self) -> None:
        found = literal(self._target.host)
        if found is not None:
            self._judge([found[0]], found[1], spelled=True)
            return
        host = self._target.host.rstrip(".")
        if not host or host.replace(".", "").isdigit():
            self._fail(CallFailure.UNKNOWN, f"{self._target.host} is neither an address nor a name")
            return
        self._pending = self._origin.resolver.resolve(
            self._target.host, lambda found: self._judge(found, "", spelled=False), self._no_such_name
        )

    def _no_such_name(self, reason: str) -> None:
        self._fail(CallFailure.UNKNOWN, f"{self._target.host}: {reason}")

    def _judge(self, found: list[IPAddress], zone: str, *, spelled: bool) -> None:
        """Let the rules decide on the very addresses that would be connected to."""
        self._pending = None
        port = self._target.port
        allowed: list[Destination] = []
        reasons: list[str] = []
        for ip in found:
            # An address that stands in the directory as such was named by the operator; a name may lead
            # anywhere.
            decision = self._origin.dial_rules.directory if spelled and self._match is not None else None
            if decision is None or not decision.allowed:
                decision = self._origin.dial_rules.judge(ip, port, listed=self._match is not None)
            if not decision.allowed:
                reasons.append(f"{ip} port {port}: {decision.rule}")
                continue
            try:
                allowed.append(destination(ip, port, zone))
            except OSError as exc:
                self._fail(CallFailure.NO_NETWORK, f"{ip}%{zone}: {exc.strerror or exc}")
                return
        for reason in reasons:
            self._log.warn("dialling {number!r} refused: {reason}", number=self._dial.raw, reason=reason)
        if allowed:
            self._connect(allowed)
        else:
            self._fail(CallFailure.FORBIDDEN, "; ".join(reasons))

    def _listed_allowed(self) -> bool:
        """Whether a target without an address may be called: the directory is the only way to one."""
        decision = self._origin.dial_rules.directory
        if not decision.allowed:
            self._log.warn(
                "dialling {number!r} refused: {reason}", number=self._dial.raw, reason=decision.rule
            )
            self._fail(CallFailure.FORBIDDEN, decision.rule)
        return decision.allowed

    def _connect(self, destinations: list[Destination]) -> None:
        self._pending = Connecting(self._reactor, destinations, self._reached, self._unreached)

    def _reached(self, stream: FdStream, where: Destination) -> None:
        self._succeed(stream, where.printable)

    def _unreached(self, trouble: Trouble, reason: str) -> None:
        self._fail(_FAILURES[trouble], reason)

    def _call_program(self) -> None:
        user = self._match.entry.user if self._match is not None else ""
        try:
            stream = program.start(self._reactor, self._target.argv, user)
        except program.ProgramError as exc:
            self._fail(CallFailure.NO_ANSWER, str(exc))
            return
        self._succeed(stream, stream.peer)

    def _call_service(self) -> None:
        try:
            stream = services.start(self._reactor, self._target.kind, self._page)
        except OSError as exc:
            self._fail(CallFailure.NO_NETWORK, exc.strerror or str(exc))
            return
        self._succeed(stream, f"{self._target.kind} service")

    def _page(self) -> str:
        return services.help_page(self._origin.name, self._origin.number, self._origin.directory)

    def _call_back(self) -> None:
        """Ring this modem's own answer side."""
        try:
            near, far = services.pair()
        except OSError as exc:
            self._fail(CallFailure.NO_NETWORK, exc.strerror or str(exc))
            return
        away = FdStream(self._reactor, far.fileno(), owner=far, peer="loop")
        stream = FdStream(self._reactor, near.fileno(), owner=near, peer="loop")
        try:
            taken = self._origin.offer_back(away, Caller("loop", listener="loop:"))
        except Exception:
            self._log.failure("offering a loop call failed")
            taken = False
        if not taken:
            away.abort()
        if taken and not self._over:
            self._succeed(stream, "loop")
            return
        stream.abort()
        if not self._over:  # else whoever was asked gave this call up
            self._fail(CallFailure.REFUSED, "this modem does not take the call")

    # -- ends ----------------------------------------------------------------------------------------------

    def _succeed(self, stream: Stream, peer: str) -> None:
        self._over, self._pending = True, None
        rule = self._match.rule if self._match is not None else ""
        entry = self._match.entry if self._match is not None else None
        if entry is not None and entry.rate is not None:
            stream = PacedStream(self._reactor, stream, entry.rate)
        self._connected(stream, Route(self._dial.raw, self._target, rule, peer, entry))

    def _fail(self, failure: CallFailure, reason: str) -> None:
        self._over, self._pending = True, None
        self._failed(failure, reason)
