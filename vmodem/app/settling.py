"""Waiting until what a reload began has come up or failed: lines are let go of and taken, listeners opened.

What does not belong here: doing any of it (program.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

#: How long it is waited for at most, in seconds.
LIMIT_S: Final = 5.0
#: How long for a device or a listener that is not there at the first try.
LACKING_S: Final = 1.0
#: How often it is looked, in seconds.
LOOK_S: Final = 0.05


class Settles(Protocol):
    """What is waited for; see :class:`vmodem.app.program.Program`."""

    failed: list[str]

    def unsettled(self) -> list[str]:
        """What is still to be done."""

    def lacking(self) -> list[str]:
        """What is done, but for something that is not there."""


class Settling:
    """Calls ``told``, once, with everything that did not come up."""

    def __init__(self, reactor: Any, program: Settles, told: Callable[[list[str]], None]) -> None:
        self._reactor = reactor
        self._program = program
        self._told: Callable[[list[str]], None] | None = told
        self._began = float(reactor.seconds())
        self._timer: Any = None

    def look(self) -> None:
        """See how it stands, and again until it is done."""
        self._timer = None
        waited = float(self._reactor.seconds()) - self._began
        unsettled, lacking = self._program.unsettled(), self._program.lacking()
        if (unsettled and waited < LIMIT_S) or (lacking and waited < LACKING_S):
            self._timer = self._reactor.callLater(LOOK_S, self.look)
            return
        late = [f"{each}; after {LIMIT_S:g} s it is waited for no more" for each in unsettled]
        self._tell([*lacking, *late])

    def tell(self, more: str) -> None:
        """Wait no longer, and say why."""
        if self._told is not None:
            self._tell([*self._program.lacking(), *self._program.unsettled(), more])

    def forget(self) -> None:
        """Nobody wants to know any more."""
        self._told = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tell(self, more: list[str]) -> None:
        told = self._told
        self.forget()
        if told is not None:
            told([*self._program.failed, *more])
