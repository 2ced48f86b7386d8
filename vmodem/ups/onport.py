"""A driver as the user of its port: somebody is there, or nobody is; the rest concerns few.

What does not belong here: what is done with a UPS that is there.
"""

from __future__ import annotations

import abc

from vmodem.port.base import Noted, PortUser, Settings, Signals


class OnPort(PortUser, abc.ABC):
    """The common part of drivers."""

    @abc.abstractmethod
    def _begin(self) -> None:
        """Somebody is there; told more than once."""

    @abc.abstractmethod
    def _gone(self, reason: str) -> None:
        """Nobody is there."""

    def attached(self, present: bool) -> None:
        if present:
            self._begin()
        else:
            self._gone("nobody is attached")

    def found(self) -> None:
        self._begin()

    def lost(self, reason: str) -> None:
        self._gone(reason)

    def data_received(self, data: bytes) -> None:
        """Whatever it is: not every UPS has bytes."""

    def noted(self, what: Noted) -> None:
        """Nor what may befall them."""

    def signals_changed(self, signals: Signals) -> None:
        """A UPS that talks has no use for circuits."""

    def settings_changed(self, settings: Settings) -> None:
        """Whoever sits on a pseudo-terminal sets it as he likes."""

    def write_blocked(self) -> None:
        """Requests are short and few."""

    def write_drained(self) -> None:
        """So nothing waits for this."""
