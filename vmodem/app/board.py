"""The switchboard of one process: who can be called within it, and what numbers mean.

What does not belong here: making modems and groups (station.py, bank.py) and the order in which they come and
go (program.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from vmodem.config.schema import Answering, Config

from .start import EX_CONFIG, EX_UNAVAILABLE, StartError

if TYPE_CHECKING:
    from vmodem.call.caller import Caller
    from vmodem.call.directory import Directory
    from vmodem.call.doorkeeper import DoorSettings
    from vmodem.call.originate import Numbering
    from vmodem.call.placing import OfferInside
    from vmodem.call.target import Target
    from vmodem.net.names.resolve import Resolver
    from vmodem.net.stream import Stream
    from vmodem.wire.dnssd import Service


class Called(Protocol):
    """A modem or a group, as callers within the process see it."""

    def offer(self, stream: Stream, caller: Caller) -> bool:
        """Take a call.  False: busy."""


class Switchboard:
    """What all modems of a process share; it may change under running calls."""

    def __init__(self, reactor: Any) -> None:
        self.reactor = reactor
        self.lines: Mapping[str, Called] = {}
        self.groups: Mapping[str, Called] = {}
        self.directory: Directory
        self.resolver: Resolver | None = None
        self.numberings: tuple[Numbering, ...] = ()
        self._lan: Any = None
        self._configured: Any = None
        self.configure(Config())

    def configure(self, config: Config) -> None:
        """Numbers mean this from now on.  Raises :class:`StartError`."""
        from vmodem.call.directory import Directory

        numbers = config.directory
        announced = _announced(config) if numbers.lan else ()
        if self._configured is not None and (numbers, announced) == self._configured:
            return
        hunting = any(entry.target.kind == "vmodem" for entry in numbers.entries.values())
        numberings: list[Numbering] = []
        resolver: Resolver | None = None
        if numbers.enum or numbers.resolver or hunting:
            from vmodem.call.numbering import Numbering as Tree
            from vmodem.config.grammar import resolver_address
            from vmodem.net.names.dns import DnsResolver

            try:
                server = resolver_address(numbers.resolver) if numbers.resolver else None
                dns = DnsResolver(self.reactor, server)
            except (ValueError, OSError) as exc:
                raise StartError(f'resolver "{numbers.resolver}": {exc}', EX_CONFIG) from exc
            numberings.append(Tree(self.reactor, dns, numbers.enum))
            resolver = dns if numbers.resolver else None
        self._leave_lan()
        if numbers.lan:
            numberings.append(self._join_lan(announced))
        self.directory = Directory(numbers.entries, built_ins=numbers.built_ins)
        self.numberings, self.resolver = tuple(numberings), resolver
        self._configured = (numbers, announced)

    def _join_lan(self, announced: tuple[Service, ...]) -> Numbering:
        from vmodem.call.numbering import Neighbours

        try:
            from vmodem.net.names.dnssd import LocalNetwork
        except ImportError as exc:
            raise StartError(
                f"lan = true needs more than is installed ({exc}); run: pip install 'vmodem[mdns]'",
                EX_UNAVAILABLE,
            ) from exc
        self._lan = LocalNetwork(self.reactor, announced)
        return Neighbours(self.reactor, self._lan)

    def _leave_lan(self) -> None:
        if self._lan is not None:
            lan, self._lan = self._lan, None
            lan.stop(lambda: None)

    def close(self) -> None:
        """Let go of whatever looks numbers up."""
        self._leave_lan()

    def offer_inside(self, own: Callable[[Stream, Caller], bool]) -> OfferInside:
        """How one modem, whose answer side is ``own``, calls within the process."""

        def offer(target: Target, stream: Stream, caller: Caller) -> bool:
            if target.kind == "loop":
                return own(stream, caller)
            found = (self.groups if target.kind == "group" else self.lines).get(target.name)
            return found is not None and found.offer(stream, caller)

        return offer


def door_settings(config: Answering) -> DoorSettings:
    """What callers must meet.  Raises :class:`vmodem.net.admission.rules.AccessError`."""
    from vmodem.call.doorkeeper import DoorSettings
    from vmodem.net.admission.rules import CallerRules

    return DoorSettings(
        CallerRules(config.allow_callers), config.password, config.allow_certificates, config.caller_limits
    )


def _announced(config: Config) -> tuple[Service, ...]:
    """The modems that others on the local network can reach by number."""
    from vmodem.net.incoming.spec import parse_listen
    from vmodem.wire.dnssd import AnnouncementError, Service

    services: list[Service] = []
    for modem in config.modems.values():
        for text in modem.answer:
            spec = parse_listen(text)
            if not (spec.kind in ("tcp", "tcp6") and not spec.protocol and spec.port and spec.exposure):
                continue
            try:
                services.append(Service(modem.name, spec.port, modem.number))
            except AnnouncementError:
                continue  # it has no number that others could dial
            break
    return tuple(services)
