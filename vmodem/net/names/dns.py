"""Names to addresses, rules and services, asked of a name server of choice.

Nothing is kept: an answer that lives longer than a call is the name server's business.  Names are asked for
as they are written, no search list is tried and no hosts file read.

What does not belong here: how a server is asked (:mod:`vmodem.net.names.query`), and what NAPTR rules and SRV
lines are good for (:mod:`vmodem.call.numbering`).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

from vmodem.net.address import Destination, IPAddress, destination, literal, unmapped
from vmodem.net.names.query import DnsQuery
from vmodem.net.names.resolve import ADDRESSES, Lookup, alternated
from vmodem.wire.dns import (
    AAAA,
    NAME_ERROR,
    NAPTR,
    SRV,
    A,
    Address,
    Answer,
    DnsError,
    Naptr,
    Srv,
)

#: Lookups that may be unanswered at one time; one more fails at once.
LOOKUPS: Final = 256
#: Records of one answer that are handed on.
RECORDS: Final = 64
#: How long the addresses of one family wait for those of the other, in seconds (RFC 8305 clause 3,
#: "Resolution Delay").
RESOLUTION_DELAY_S: Final = 0.05
PORT: Final = 53
RESOLV_CONF: Final = "/etc/resolv.conf"
#: Servers of that file that count (resolv.conf(5), MAXNS).
SERVERS: Final = 3
_LOCALHOST: Final[list[IPAddress]] = [ipaddress.IPv6Address("::1"), ipaddress.IPv4Address("127.0.0.1")]


class DnsResolver:
    """Asks ``server``, an address literal and a port; with None the servers of /etc/resolv.conf, which is
    read anew at each lookup.

    Implements :class:`vmodem.net.names.resolve.Resolver`.
    """

    def __init__(self, reactor: Any, server: tuple[str, int] | None, *, conf: str = RESOLV_CONF) -> None:
        """Raises ValueError when ``server`` is no address literal, OSError for a zone that this machine does
        not have."""
        self._reactor = reactor
        self._server = None if server is None else _server(*server)
        self._conf = conf
        self._running = 0

    def resolve(
        self,
        host: str,
        resolved: Callable[[list[IPAddress]], None],
        failed: Callable[[str], None],
    ) -> Lookup:
        """Look ``host`` up.  A literal and ``localhost`` (RFC 6761 clause 6.3) are never asked for."""
        known = literal(host)
        if known is not None:
            return _Later(self._reactor, partial(resolved, [known[0]]))
        if host.rstrip(".").lower() == "localhost" or host.rstrip(".").lower().endswith(".localhost"):
            return _Later(self._reactor, partial(resolved, list(_LOCALHOST)))
        return self._start(host, (AAAA, A), partial(_addresses, resolved, failed), failed)

    def naptr(self, name: str, found: Callable[[list[Naptr]], None], failed: Callable[[str], None]) -> Lookup:
        """The rules of ``name``, at least one, in no order.  Calls exactly one of the two, later; ``failed``
        with a reason for people."""

        def done(answers: list[Answer]) -> None:
            rules = [each for each in answers[0].values(NAPTR) if isinstance(each, Naptr)][:RECORDS]
            if rules:
                found(rules)
            else:
                failed(_nothing(answers, "the name has no NAPTR record"))

        return self._start(name, (NAPTR,), done, failed)

    def srv(self, name: str, found: Callable[[list[Srv]], None], failed: Callable[[str], None]) -> Lookup:
        """The lines of service ``name``, as :meth:`naptr`."""

        def done(answers: list[Answer]) -> None:
            lines = [each for each in answers[0].values(SRV) if isinstance(each, Srv)][:RECORDS]
            if lines:
                found(lines)
            else:
                failed(_nothing(answers, "the name has no SRV record"))

        return self._start(name, (SRV,), done, failed)

    def _start(
        self,
        name: str,
        kinds: tuple[int, ...],
        done: Callable[[list[Answer]], None],
        failed: Callable[[str], None],
    ) -> Lookup:
        if self._running >= LOOKUPS:
            return _Later(self._reactor, partial(failed, f"{LOOKUPS} earlier lookups are still unanswered"))
        servers = [self._server] if self._server is not None else _configured(self._conf)
        try:
            lookup = _Questions(self._reactor, servers, name, kinds, done, failed, self._ended)
        except DnsError as exc:
            return _Later(self._reactor, partial(failed, str(exc)))
        self._running += 1
        return lookup

    def _ended(self) -> None:
        self._running -= 1


class _Later:
    """What is known already, told later all the same."""

    def __init__(self, reactor: Any, tell: Callable[[], None]) -> None:
        self._timer = reactor.callLater(0, tell)

    def cancel(self) -> None:
        if self._timer.active():
            self._timer.cancel()


class _Questions:
    """Questions about one name, one for each record type, asked at once."""

    def __init__(
        self,
        reactor: Any,
        servers: list[Destination],
        name: str,
        kinds: tuple[int, ...],
        done: Callable[[list[Answer]], None],
        failed: Callable[[str], None],
        ended: Callable[[], None],
    ) -> None:
        self._reactor = reactor
        self._done = done
        self._failed = failed
        self._ended = ended
        self._answers: list[Answer] = []
        self._reason = ""
        self._delay: Any = None
        self._asked: list[DnsQuery] = []
        try:
            for kind in kinds:
                self._asked.append(DnsQuery(reactor, servers, name, kind, self._answered, self._unanswered))
        except DnsError:
            for query in self._asked:
                query.cancel()
            raise
        self._waiting = len(kinds)

    def cancel(self) -> None:
        if self._waiting:
            self._stop()

    def _answered(self, answer: Answer) -> None:
        self._answers.append(answer)
        self._waiting -= 1
        if not self._waiting:
            self._finish()
        elif answer.values(answer.question[1]) and self._delay is None:
            self._delay = self._reactor.callLater(RESOLUTION_DELAY_S, self._finish)

    def _unanswered(self, reason: str) -> None:
        self._reason = reason
        self._waiting -= 1
        if not self._waiting:
            self._finish()

    def _finish(self) -> None:
        self._stop()
        if not self._reason or any(answer.values(answer.question[1]) for answer in self._answers):
            self._done(self._answers)
        else:
            self._failed(self._reason)

    def _stop(self) -> None:
        self._waiting = 0
        if self._delay is not None and self._delay.active():
            self._delay.cancel()
        for query in self._asked:
            query.cancel()
        self._ended()


def _addresses(
    resolved: Callable[[list[IPAddress]], None], failed: Callable[[str], None], answers: list[Answer]
) -> None:
    found: list[IPAddress] = []
    for answer in sorted(answers, key=lambda answer: answer.question[1] != AAAA):
        for each in answer.values(answer.question[1]):
            if isinstance(each, Address) and (ip := unmapped(each.ip)) not in found:
                found.append(ip)
    if found:
        resolved(alternated(found)[:ADDRESSES])
    else:
        failed(_nothing(answers, "the name has no address"))


def _nothing(answers: list[Answer], otherwise: str) -> str:
    return "no such name" if any(answer.rcode == NAME_ERROR for answer in answers) else otherwise


def _server(host: str, port: int) -> Destination:
    found = literal(host)
    if found is None:
        raise ValueError(f'"{host}" is not the address of a name server')
    return destination(found[0], port, found[1])


def _configured(conf: str) -> list[Destination]:
    """The servers of a resolv.conf; without any the one on this machine (resolv.conf(5))."""
    found: list[Destination] = []
    try:
        text = Path(conf).read_text("utf-8", "replace")
    except OSError:
        text = ""
    for line in text.splitlines():
        words = line.split()
        if len(words) > 1 and words[0] == "nameserver" and len(found) < SERVERS:
            try:
                server = _server(words[1], PORT)
            except (OSError, ValueError):
                continue
            if server not in found:
                found.append(server)
    return found or [_server("127.0.0.1", PORT)]
