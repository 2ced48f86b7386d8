"""Numbers that stand in DNS: a private ENUM tree (RFC 6116), and services of several lines (RFC 2782).

A number's rules (NAPTR) lead to TARGET strings, or to ``vmodem:HOST``: the lines of service
``_vmodem._tcp.HOST`` (SRV), of which the caller tries one after the other until one is free.  Modems of the
local network that announce their numbers are found in the same manner.

A name server is not the operator's file: programs, sockets and files of this machine cannot be named there.

What does not belong here: asking (:mod:`vmodem.net.names.dns`), listening (:mod:`vmodem.net.names.dnssd`),
what rules mean (:mod:`vmodem.wire.ddds`), and placing the call.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from typing import Any, Final, Protocol

from twisted.logger import Logger

from vmodem.net.address import literal
from vmodem.net.names.resolve import Lookup
from vmodem.wire.ddds import RuleError, domain, in_turn, uris
from vmodem.wire.dns import Naptr, Srv

from .target import Target, TargetError, parse_target

#: Targets of one number that are handed on.
TARGETS: Final = 16
#: URIs of one number that are looked at.
URIS: Final = 8
#: Kinds of target, and options of the others, that only the operator's own files may name: a name server must
#: not start programs here, nor have files of this machine opened.
LOCAL: Final = ("exec", "unix")
LOCAL_OPTIONS: Final = ("ca", "cert", "key")
_HOST: Final = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(\.(?!-)[A-Za-z0-9_-]{1,63})*\.?")

Found = Callable[[list[Target], str], None]
Failed = Callable[[str], None]
_Place = str | Target


class Dns(Protocol):
    """Whoever knows records; :class:`vmodem.net.names.dns.DnsResolver` does."""

    def naptr(self, name: str, found: Callable[[list[Naptr]], None], failed: Failed) -> Lookup:
        """The rules of a name."""

    def srv(self, name: str, found: Callable[[list[Srv]], None], failed: Failed) -> Lookup:
        """The lines of a service."""


class Announcement(Protocol):
    """A modem of the local network; :class:`vmodem.net.names.dnssd.Heard` is one."""

    @property
    def name(self) -> str:
        """What it calls itself; printable."""

    @property
    def uris(self) -> tuple[str, ...]:
        """Where it answers."""


class Network(Protocol):
    """Whoever listens to the local network; :class:`vmodem.net.names.dnssd.LocalNetwork` does."""

    def find(self, number: str) -> Announcement | None:
        """Who announced a number."""


class Numbering:
    """Looks numbers up under ``apex``; with "" for it only the lines of services.

    ``below(n)`` draws a number from 0 to n-1, for the choice among lines by weight.
    """

    #: The tree is the operator's.
    listed = True

    def __init__(
        self,
        reactor: Any,
        dns: Dns,
        apex: str,
        *,
        below: Callable[[int], int] = secrets.randbelow,
    ) -> None:
        self._reactor = reactor
        self._dns = dns
        self._apex = apex
        self._below = below

    def find(self, number: str, found: Found, failed: Failed) -> Lookup:
        """The targets of a normalised number.

        Calls exactly one of the two, later and never after ``cancel()``: ``found`` with the targets in the
        order in which to try them, at least one, and with the rule that led there, for people; ``failed``
        with a reason for people.
        """
        return _Finding(self._reactor, self._dns, self._below, number, self._apex, found, failed)

    def hunt(self, host: str, found: Found, failed: Failed) -> Lookup:
        """The lines of ``vmodem:HOST``, as :meth:`find`."""
        return _Hunting(self._dns, self._below, host, found, failed)


class Neighbours:
    """The numbers that modems of the local network announce, looked up as :class:`Numbering` does."""

    #: Anybody can announce anything.
    listed = False

    def __init__(self, reactor: Any, network: Network) -> None:
        self._reactor = reactor
        self._network = network

    def find(self, number: str, found: Found, failed: Failed) -> Lookup:
        """The targets of the modem that announced ``number``."""
        heard = self._network.find(number)
        if heard is None:
            return _Later(self._reactor, failed, "no modem of the local network has this number")
        targets = [parse_target(uri) for uri in heard.uris]
        return _Later(self._reactor, found, targets, f'lan "{heard.name}"')

    def hunt(self, host: str, found: Found, failed: Failed) -> Lookup:
        """A modem of the local network is one line."""
        return _Later(self._reactor, failed, f"{host}: no service of the local network")


class _Later:
    """What is known already, told later all the same."""

    def __init__(self, reactor: Any, tell: Callable[..., None], *what: Any) -> None:
        self._timer = reactor.callLater(0, tell, *what)

    def cancel(self) -> None:
        if self._timer.active():
            self._timer.cancel()


class _Finding:
    """The lookup of a number."""

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        dns: Dns,
        below: Callable[[int], int],
        number: str,
        apex: str,
        found: Found,
        failed: Failed,
    ) -> None:
        self._dns = dns
        self._below = below
        self._number = number
        self._found = found
        self._failed = failed
        #: What the rules lead to, in order; a text is a host whose lines are being looked up.
        self._places: list[_Place] = []
        self._lines: dict[str, list[Target]] = {}
        self._rule = ""
        self._reason = ""
        self._over = False
        self._pending: list[Any] = []
        try:
            self._name = domain(number, apex)
        except RuleError as exc:
            self._pending = [reactor.callLater(0, self._fail, str(exc))]
        else:
            self._pending = [dns.naptr(self._name, self._ruled, self._unruled)]

    def cancel(self) -> None:
        if not self._over:
            self._over = True
            for each in self._pending:
                each.cancel()

    def _unruled(self, reason: str) -> None:
        self._fail(f"enum {self._name}: {reason}")

    def _ruled(self, rules: list[Naptr]) -> None:
        self._pending.clear()
        ruled = uris(rules, self._number, self._skip)
        for uri, rule in ruled[:URIS]:
            try:
                place = _place(uri)
            except TargetError as exc:
                self._skip(rule, str(exc))
                continue
            self._places.append(place)
            self._rule = self._rule or self._named(rule)
        if not self._places:
            self._fail(self._reason or f"enum {self._name}: the name has no rule for us")
            return
        hosts = dict.fromkeys(place for place in self._places if isinstance(place, str))
        waiting = len(hosts)

        def known(host: str, lines: list[Target], reason: str) -> None:
            nonlocal waiting
            waiting -= 1
            self._lines[host] = lines
            self._reason = reason
            if not waiting:
                self._done()

        for host in hosts:
            self._pending.append(
                _Hunting(
                    self._dns,
                    self._below,
                    host,
                    lambda lines, _, host=host: known(host, lines, ""),  # type: ignore[misc]
                    lambda reason, host=host: known(host, [], reason),  # type: ignore[misc]
                )
            )
        if not hosts:
            self._done()

    def _done(self) -> None:
        targets: list[Target] = []
        for place in self._places:
            targets += self._lines[place] if isinstance(place, str) else [place]
        if targets:
            self._over = True
            self._found(list(dict.fromkeys(targets))[:TARGETS], self._rule)
        else:
            self._fail(f"{self._rule}: {self._reason}")

    def _fail(self, reason: str) -> None:
        self._over = True
        self._failed(reason)

    def _named(self, rule: Naptr) -> str:
        return f"enum {self._name} NAPTR {rule.order} {rule.preference}"

    def _skip(self, rule: Naptr, reason: str) -> None:
        self._reason = f"{self._named(rule)}: {reason}"
        self._log.warn("{rule} skipped: {reason}", rule=self._named(rule), reason=reason)


class _Hunting:
    """The lookup of a service's lines."""

    def __init__(
        self, dns: Dns, below: Callable[[int], int], host: str, found: Found, failed: Failed
    ) -> None:
        self._name = f"_vmodem._tcp.{host.rstrip('.')}"
        self._below = below
        self._found = found
        self._failed = failed
        self._lookup = dns.srv(self._name, self._lined, self._unlined)

    def cancel(self) -> None:
        self._lookup.cancel()

    def _unlined(self, reason: str) -> None:
        self._failed(f"{self._name}: {reason}")

    def _lined(self, lines: list[Srv]) -> None:
        if all(line.target in ("", ".") for line in lines):
            self._failed(f"{self._name}: the service is not available")
            return
        targets = [
            Target("tcp", host=line.target, port=line.port)
            for line in in_turn(lines, self._below)
            if line.port and is_host(line.target)
        ]
        if targets:
            self._found(list(dict.fromkeys(targets))[:TARGETS], f"{self._name} SRV")
        else:
            self._failed(f"{self._name}: no line has a host name and a port")


def _place(uri: str) -> _Place:
    """What a URI leads to: a target, or the host whose lines are to be tried.  Raises TargetError."""
    kind, _, rest = uri.partition(":")
    if kind.strip().lower() == "vmodem":
        host = rest.strip().rstrip(".")
        if not is_host(host):
            raise TargetError(f'"{uri}" is not vmodem:HOST')
        return host
    target = parse_target(uri)
    reason = local(target)
    if reason:
        raise TargetError(f"{reason} may stand in the directory only, not in DNS")
    return target


def local(target: Target) -> str:
    """What about a target is this machine's own, and not for DNS; "" when nothing is."""
    if target.kind in LOCAL:
        return f"{target.kind}: targets"
    files = [key for key, _ in target.options if key in LOCAL_OPTIONS]
    return f"{files[0]}= in a target" if files else ""


def is_host(name: str) -> bool:
    """Whether ``name`` is a host name in ASCII, and no spelling of an address."""
    return len(name) <= 253 and _HOST.fullmatch(name) is not None and literal(name) is None
