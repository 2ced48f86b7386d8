"""The switchboard of one process: who can be called within it, and what numbers mean.

What does not belong here: making modems and groups (station.py, bank.py) and the order in which they come and
go (program.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from vmodem.config.schema import DirectoryConfig

if TYPE_CHECKING:
    from vmodem.call.answer import Caller
    from vmodem.call.directory import Directory
    from vmodem.call.originate import Numbering, OfferInside
    from vmodem.call.target import Target
    from vmodem.net.resolve import Resolver
    from vmodem.net.stream import Stream


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
        self.configure(DirectoryConfig())

    def configure(self, config: DirectoryConfig) -> None:
        """Numbers mean this from now on."""
        from vmodem.call.directory import Directory

        self.directory = Directory(config.entries, built_ins=config.built_ins)

    def close(self) -> None:
        """Let go of whatever looks numbers up."""

    def offer_inside(self, own: Callable[[Stream, Caller], bool]) -> OfferInside:
        """How one modem, whose answer side is ``own``, calls within the process."""

        def offer(target: Target, stream: Stream, caller: Caller) -> bool:
            if target.kind == "loop":
                return own(stream, caller)
            found = (self.groups if target.kind == "group" else self.lines).get(target.name)
            return found is not None and found.offer(stream, caller)

        return offer
