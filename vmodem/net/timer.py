"""A delayed call on a reactor, of which there is one or none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Timer:
    """A delayed call of which at most one is to come."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._call: Any = None

    @property
    def running(self) -> bool:
        """Whether a call is to come."""
        return self._call is not None

    def set(self, seconds: float, due: Callable[[], None]) -> None:
        """Call ``due`` after so long, and what was set before not at all."""
        self.cancel()
        self._call = self._reactor.callLater(seconds, self._due, due)

    def cancel(self) -> None:
        """Call nothing."""
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _due(self, due: Callable[[], None]) -> None:
        self._call = None
        due()
