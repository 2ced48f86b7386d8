"""Placing calls: from a dial string to a connected stream.

The order is: what was quoted, the directory, what the numbering of a network says (private ENUM, LAN), an
address that was spelled out.  Then the rules, on the resolved address, and only then a socket.  A number may
stand for several lines: they are tried in order until one takes the call.

What does not belong here: how each kind of target is reached (carriers.py), deadlines (the engine's S7) and
result codes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from twisted.logger import Logger

from atparser.actions import CallFailure
from atparser.dialstring import DialString
from vmodem.net.address import Destination, IPAddress, destination, literal
from vmodem.net.admission.rules import DialRules
from vmodem.net.connect import Connecting, Trouble
from vmodem.net.names.resolve import Lookup, Resolver, SystemResolver
from vmodem.net.pace import PacedStream
from vmodem.net.stream import FdStream, Stream, unheard

from .diallimit import DialLimit
from .directory import Directory, Entry, Match
from .partners import Partners
from .placing import OfferInside, Placing
from .target import PLACES, Target

#: The port of an address that names none: 23, as every modem on a network has it.
DEFAULT_PORT: Final = 23
#: While other lines remain to be tried, one that says nothing is waited for so long, in seconds.
HUNT_S: Final = 5.0

_FAILURES: Final = {
    Trouble.REFUSED: CallFailure.REFUSED,
    Trouble.NO_ANSWER: CallFailure.NO_ANSWER,
    Trouble.NO_NETWORK: CallFailure.NO_NETWORK,
}
#: Of several lines that were tried in vain the one that tells most counts.
_TELLING: Final = (
    CallFailure.FORBIDDEN,
    CallFailure.UNKNOWN,
    CallFailure.NO_NETWORK,
    CallFailure.NO_ANSWER,
    CallFailure.REFUSED,
    CallFailure.UNANSWERED,
)

Connected = Callable[[Stream, "Route"], None]
Failed = Callable[[CallFailure, str], None]


class CallError(Exception):
    """A dial string that leads nowhere; the text is the reason for people."""

    def __init__(self, failure: CallFailure, reason: str) -> None:
        super().__init__(reason)
        self.failure = failure


class Numbering(Protocol):
    """Whoever knows numbers that are not in the directory."""

    #: Whether its numbers are the operator's own, as those in the directory are; anybody's otherwise.
    listed: bool

    def find(
        self, number: str, found: Callable[[list[Target], str], None], failed: Callable[[str], None]
    ) -> Lookup:
        """Look a number up.  Calls exactly one of the two, later: ``found`` with the targets in the order in
        which to try them and what said so, ``failed`` with a reason for people."""

    def hunt(
        self, host: str, found: Callable[[list[Target], str], None], failed: Callable[[str], None]
    ) -> Lookup:
        """The lines of a host (``vmodem:HOST``), in the same way."""


@dataclass(frozen=True)
class Plan:
    """What a dial string means, before anything is reached for."""

    target: Target
    #: The directory's part in it; None when an address was dialled itself.
    match: Match | None = None
    #: The modem's owner set the place up: what the DTE may dial is no question.
    owners: bool = False


@dataclass(frozen=True)
class Route:
    """How a call went out, for the log and the call record."""

    #: What was dialled.
    number: str
    target: Target
    #: The directory key that matched, or what else said so; "" when the address was dialled itself.
    rule: str
    #: The address connected to, or the service or program, for people.
    peer: str
    #: The directory entry; None when the address was dialled itself.
    entry: Entry | None = None
    #: What the call is paced to, in bit/s; 0 for nothing.
    rate: int = 0


class Originator:
    """Places the calls of one modem.

    ``name`` and ``number`` introduce it on the help page and to those it calls; ``offer_inside`` is asked by
    targets within the process.  ``rate`` paces every call whose entry says nothing else, in bit/s.
    """

    def __init__(
        self,
        reactor: Any,
        directory: Directory,
        dial_rules: DialRules,
        offer_inside: OfferInside,
        *,
        name: str = "",
        number: str = "",
        default_port: int = DEFAULT_PORT,
        resolver: Resolver | None = None,
        numberings: Sequence[Numbering] = (),
        places: Mapping[str, Target] | None = None,
        rate: int = 0,
    ) -> None:
        self.reactor = reactor
        self.directory = directory
        self.dial_rules = dial_rules
        self.offer_inside = offer_inside
        self.name = name
        self.number = number
        self.default_port = default_port
        self.resolver = SystemResolver(reactor) if resolver is None else resolver
        self.numberings = tuple(numberings)
        #: Where calls go that dial no number: ``default`` (ATD alone), ``cable`` and ``leased``.
        self.places = dict(places or {})
        self.rate = rate
        self.limit = DialLimit(0, reactor.seconds)
        #: Where the other vmodem of a pair is; may be replaced at any time.
        self.partners = Partners()

    def originate(self, dial: DialString, connected: Connected, failed: Failed) -> Attempt:
        """Place a call.  Exactly one of the callbacks is called, always after this method returned and never
        after ``cancel()``.  The stream handed over is not started; the reason handed to ``failed`` is for
        people."""
        return Attempt(self, dial, connected, failed)

    def plan(self, dial: DialString) -> Plan:
        """Which target a dial string means as far as can be told without asking anybody.  Raises
        :class:`CallError`."""
        place = dial.place or ("" if dial.raw.strip() else "default")
        if place in self.places:
            target = self.places[place]
            return Plan(target, Match(Entry(target), place), owners=True)
        if place:
            why = "nothing was dialled" if place == "default" else f"there is no {place}"
            raise CallError(CallFailure.UNKNOWN, why)
        match = self.directory.lookup(dial)
        if match is not None:
            return Plan(match.entry.target, match)
        return self._spelled_out(dial)

    def is_number(self, dial: DialString) -> bool:
        """Whether the numberings are to be asked: digits alone that are not in the directory."""
        if not self.numberings or not dial.number.isdigit() or dial.literal:
            return False
        return self.directory.lookup(dial) is None

    def _spelled_out(self, dial: DialString) -> Plan:
        address = dial.address()
        if address is None:
            raise CallError(CallFailure.UNKNOWN, "not in the directory, and no address")
        kind = "tcp" if address.scheme in ("", "raw") else address.scheme
        if kind == "unix":
            # A path from the DTE would reach every local service of this machine, past any rule on addresses.
            raise CallError(CallFailure.FORBIDDEN, "Unix sockets can be called through the directory only")
        if kind == "ssh" and not address.user:
            raise CallError(CallFailure.UNKNOWN, "ssh: needs an account, like ssh:me@host")
        if kind not in PLACES:
            raise CallError(CallFailure.UNKNOWN, f"{kind}: calls cannot be placed from here")
        port = address.port or PLACES[kind][1] or self.default_port
        options = (("cr-nul", "never"),) if kind == "telnet" and not address.cr_nul else ()
        return Plan(Target(kind, host=address.host, port=port, user=address.user, options=options))


class Attempt(Placing):
    """A call being placed.  ``Originator.originate`` makes it."""

    _log = Logger()
    origin: Originator

    def __init__(self, origin: Originator, dial: DialString, connected: Connected, failed: Failed) -> None:
        self.origin = origin
        self.reactor = origin.reactor
        self.match: Match | None = None
        self.target = Target("tcp")
        self._dial = dial
        self._connected = connected
        self._failed = failed
        self._targets: list[Target] = []
        self._unasked: list[Numbering] = []
        self._listed = False  # the operator named this target, himself or by his numbering
        self._written = False  # in the directory, word for word
        self._owners = False
        self._worst: tuple[CallFailure, str] | None = None
        self._over = False
        self._limit: Any = None
        #: Called when the far modem rings, where it tells.  Whoever wants to hear of it puts a callable here.
        self.rang: Callable[[], None] = unheard
        #: Whatever is under way: a timer, a lookup, a connection, a layer.
        self._pending: Any = self.reactor.callLater(0, self._begin)

    def cancel(self) -> None:
        """Give the call up: no socket and no timer is left when this returns, and no callback will come."""
        if not self._over:
            self._over = True
            self._let_go()

    @property
    def over(self) -> bool:
        return self._over

    @property
    def entry(self) -> Entry | None:
        return None if self.match is None else self.match.entry

    # -- which target --------------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._pending = None
        wait_s = self.origin.limit.dial()
        if wait_s:
            self._finish(CallFailure.DELAYED, f"too many dials within a minute; the next in {wait_s:.0f} s")
            return
        if self.origin.is_number(self._dial):
            self._unasked = list(self.origin.numberings)
            self._ask()
            return
        self._go_by_plan("")

    def _ask(self, reason: str = "") -> None:
        """Ask the next numbering; when all were asked, it is no number of theirs."""
        self._pending = None
        if not self._unasked:
            self._go_by_plan(reason)
            return
        numbering = self._unasked.pop(0)
        self._listed = numbering.listed
        self._pending = numbering.find(self._dial.number, self._numbered, self._ask)

    def _go_by_plan(self, reason: str) -> None:
        try:
            plan = self.origin.plan(self._dial)
        except CallError as exc:
            self._finish(exc.failure, "; ".join(filter(None, (str(exc), reason))))
            return
        self.match = plan.match
        self._listed = self._written = plan.match is not None
        self._owners = plan.owners
        self._hunt([plan.target])

    def _numbered(self, targets: list[Target], rule: str) -> None:
        self._pending = None
        self.match = Match(Entry(targets[0]), rule)
        self._hunt(targets)

    def _hunt(self, targets: list[Target]) -> None:
        self._targets = targets
        self._next()

    def _next(self) -> None:
        from .carriers import CARRIERS

        self.target = self._targets.pop(0)
        if self._targets:
            self._limit = self.reactor.callLater(HUNT_S, self._too_long)
        if self.target.kind == "vmodem":
            self._find_lines()
        else:
            CARRIERS[self.target.kind](self)

    def _find_lines(self) -> None:
        for numbering in self.origin.numberings:
            self.wait_for(numbering.hunt(self.target.name, self._lines_found, self._no_lines))
            return
        self.failed(CallFailure.UNKNOWN, f"{self.target}: nobody here looks such names up")

    def _lines_found(self, targets: list[Target], rule: str) -> None:
        self._pending = None
        self._written = False
        if self.match is not None:
            self.match = Match(self.match.entry, f"{self.match.rule}, {rule}")
        self._end_limit()
        self._hunt([*targets, *self._targets])

    def _no_lines(self, reason: str) -> None:
        self.failed(CallFailure.UNKNOWN, reason)

    # -- for carriers --------------------------------------------------------------------------------------

    def wait_for(self, pending: Any) -> None:
        self._pending = pending

    def allowed(self) -> bool:
        decision = self.origin.dial_rules.directory
        if self._owners:
            return True
        if not decision.allowed:
            self._log.warn(
                "dialling {number!r} refused: {reason}", number=self._dial.raw, reason=decision.rule
            )
            self.failed(CallFailure.FORBIDDEN, decision.rule)
        return decision.allowed

    def locate(self, located: Callable[[list[Destination]], None]) -> None:
        found = literal(self.target.host)
        if found is not None:
            self._judge([found[0]], found[1], True, located)
            return
        host = self.target.host.rstrip(".")
        if not host or host.replace(".", "").isdigit():
            self.failed(CallFailure.UNKNOWN, f"{self.target.host} is neither an address nor a name")
            return
        self.wait_for(
            self.origin.resolver.resolve(
                self.target.host, lambda found: self._judge(found, "", False, located), self._no_such_name
            )
        )

    def connect(
        self, destinations: Sequence[Destination], reached: Callable[[FdStream, Destination], None]
    ) -> None:
        def done(stream: FdStream, where: Destination) -> None:
            self._pending = None
            reached(stream, where)

        self.wait_for(Connecting(self.reactor, destinations, done, self._unreached))

    def far_rings(self) -> None:
        self._end_limit()
        self.rang()

    def reached(self, stream: Stream, peer: str) -> None:
        self._over, self._pending = True, None
        self._end_limit()
        rule = self.match.rule if self.match is not None else ""
        entry = self.entry
        rate = self.origin.rate if entry is None or entry.rate is None else entry.rate
        if rate:
            stream = PacedStream(self.reactor, stream, rate)
        self._connected(stream, Route(self._dial.raw, self.target, rule, peer, entry, rate))

    def failed(self, failure: CallFailure, reason: str) -> None:
        self._pending = None
        self._end_limit()
        if self._worst is None or _TELLING.index(failure) >= _TELLING.index(self._worst[0]):
            self._worst = (failure, reason)
        if self._targets:
            self._log.info(
                "dialling {number!r}: {target}: {reason}; trying the next line",
                number=self._dial.raw,
                target=str(self.target),
                reason=reason,
            )
            self._pending = self.reactor.callLater(0, self._next)
        else:
            self._finish(*self._worst)

    # -- steps ---------------------------------------------------------------------------------------------

    def _no_such_name(self, reason: str) -> None:
        self.failed(CallFailure.UNKNOWN, f"{self.target.host}: {reason}")

    def _unreached(self, trouble: Trouble, reason: str) -> None:
        self.failed(_FAILURES[trouble], reason)

    def _judge(
        self, found: list[IPAddress], zone: str, spelled: bool, located: Callable[[list[Destination]], None]
    ) -> None:
        """Let the rules decide on the very addresses that would be connected to."""
        self._pending = None
        port = self.target.port
        allowed: list[Destination] = []
        reasons: list[str] = []
        for ip in found:
            # An address that stands in the directory as such was named by the operator; a name may lead
            # anywhere.
            decision = self.origin.dial_rules.directory if spelled and self._written else None
            if decision is None or not decision.allowed:
                decision = self.origin.dial_rules.judge(ip, port, listed=self._listed)
            if not (decision.allowed or self._owners):
                reasons.append(f"{ip} port {port}: {decision.rule}")
                continue
            try:
                allowed.append(destination(ip, port, zone))
            except OSError as exc:
                self.failed(CallFailure.NO_NETWORK, f"{ip}%{zone}: {exc.strerror or exc}")
                return
        for reason in reasons:
            self._log.warn("dialling {number!r} refused: {reason}", number=self._dial.raw, reason=reason)
        if allowed:
            located(allowed)
        else:
            self.failed(CallFailure.FORBIDDEN, "; ".join(reasons))

    def _too_long(self) -> None:
        self._limit = None
        self._let_go()
        self.failed(CallFailure.NO_ANSWER, f"{self.target}: no answer within {HUNT_S:g} s")

    def _let_go(self) -> None:
        self._end_limit()
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.cancel()

    def _end_limit(self) -> None:
        limit, self._limit = self._limit, None
        if limit is not None:
            limit.cancel()

    def _finish(self, failure: CallFailure, reason: str) -> None:
        self._over, self._pending = True, None
        self._failed(failure, reason)
