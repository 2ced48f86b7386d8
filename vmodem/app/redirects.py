"""A redirected port of a configuration.

What does not belong here: how it works (redirect/, bridge/).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from vmodem.config.schema import RedirectConfig

from .start import EX_UNAVAILABLE, EX_USAGE, STOP_LIMIT_S, StartError

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

    from vmodem.call.placing import OfferInside


class RedirectService:
    """One ``[redirect.NAME]``.  ``offer_inside`` is asked by targets within the process (``line:``,
    ``group:``).  Raises :class:`StartError` for what the configuration has wrong."""

    def __init__(self, reactor: Any, config: RedirectConfig, offer_inside: OfferInside | None = None) -> None:
        from vmodem.port.base import PortError
        from vmodem.redirect.redirect import Redirect

        from .port import pack_rules

        self.name = config.name
        self.config = config
        self._reactor = reactor
        self._told: list[Callable[[], None]] = []
        try:
            self.redirect = Redirect(
                reactor,
                config.name,
                config.port,
                config.to,
                pack=pack_rules(config.pack),
                capture=config.capture,
                offer_inside=offer_inside,
                changed=self._changed,
            )
        except PortError as exc:
            raise StartError.of(exc, EX_USAGE) from exc

    # -- life ----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Make the local port, and look for the far end.  Raises :class:`StartError`."""
        from vmodem.port.base import PortError

        try:
            self.redirect.start()
        except PortError as exc:
            raise StartError.of(exc, EX_UNAVAILABLE) from exc

    def stop(self) -> Deferred[None]:
        """Close both ends; fires within :data:`STOP_LIMIT_S`."""
        stopped = self.redirect.stop()
        stopped.addTimeout(STOP_LIMIT_S, self._reactor, onTimeoutCancel=lambda *_: None)
        return stopped

    # -- changes while it runs -----------------------------------------------------------------------------

    @property
    def occupied(self) -> bool:
        """Whether an application has the port open."""
        return self.redirect.in_use

    def when_free(self, told: Callable[[], None]) -> None:
        """Call ``told`` once no application has it open."""
        if self.occupied:
            self._told.append(told)
        else:
            told()

    def is_same(self, config: RedirectConfig) -> bool:
        """Whether it can become what ``config`` says without beginning anew."""
        return dataclasses.replace(config, pack=self.config.pack) == self.config

    def release(self, config: RedirectConfig | None) -> None:
        """There are no listeners to let go of."""

    def apply(self, config: RedirectConfig) -> None:
        """Become what ``config`` says."""
        from .port import pack_rules

        if config.pack != self.config.pack:
            self.redirect.pack(pack_rules(config.pack))
        self.config = config

    def _changed(self) -> None:
        if self._told and not self.occupied:
            told, self._told = self._told, []
            for each in told:
                # From the reactor: the application is still on its way out.
                self._reactor.callLater(0, each)

    # -- for its operator ----------------------------------------------------------------------------------

    def trace(self, sink: Callable[[str], None]) -> Callable[[], None]:
        """Give ``sink`` a line for everything that happens, until what is returned is called: ``->`` comes
        from the local port, ``<-`` goes to it."""
        from vmodem.port.watching import Trace

        trace = Trace(sink, self._reactor.seconds)
        self.redirect.bridge.watch(trace)
        return lambda: self.redirect.bridge.unwatch(trace)

    # -- what is said --------------------------------------------------------------------------------------

    @property
    def settling(self) -> str:
        """Changes take place at once."""
        return ""

    @property
    def lacking(self) -> list[str]:
        """A device that is not there; the far end is looked for whenever somebody wants it."""
        reason = self.redirect.bridge.at_line.reason
        return [reason] if reason else []

    @property
    def summary(self) -> str:
        """One line for people: what it is and where."""
        bridge = self.redirect.bridge
        return f"{self.name} on {bridge.line.description}, to {bridge.target.description}"

    def status(self) -> Mapping[str, object]:
        """How it stands, as plain values."""
        bridge, redirect = self.redirect.bridge, self.redirect
        words = f"{'open' if redirect.in_use else 'free'}, {'' if redirect.connected else 'not '}connected"
        return {
            "what": "redirect",
            "name": self.name,
            "state": words,
            "line": bridge.line.description,
            "target": bridge.target.description,
            **redirect.status(),
        }
