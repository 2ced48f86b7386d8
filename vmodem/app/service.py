"""What a configuration names, one table each, as something that runs: modems, groups and their kin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred


class Service(Protocol):
    """One table of a configuration at work."""

    name: str
    config: Any

    def start(self) -> None:
        """Begin.  Raises :class:`vmodem.app.start.StartError`; nothing is left open then."""

    def stop(self) -> Deferred[None]:
        """End in order; fires when everything is let go of, within 1.5 s."""

    @property
    def occupied(self) -> bool:
        """Whether somebody uses it who must not be disturbed by a change of the configuration."""

    def is_same(self, config: Any) -> bool:
        """Whether it can become what ``config`` says without beginning anew."""

    def release(self, config: Any) -> None:
        """Let go of the listeners that ``config`` has no more; None: of all, the present user is the last."""

    def apply(self, config: Any) -> None:
        """Become what ``config`` says.  Raises :class:`vmodem.app.start.StartError` for what cannot be had;
        all the rest is in force then."""

    def when_free(self, told: Callable[[], None]) -> None:
        """Call ``told`` once it is no longer occupied."""

    @property
    def settling(self) -> str:
        """What it is still about to do of a change, in words; "" when it is done."""

    @property
    def lacking(self) -> list[str]:
        """What it should have and at present has not (a listener, a device), each in a sentence; it goes on
        trying."""

    @property
    def summary(self) -> str:
        """One line for people: what it is and where."""

    def status(self) -> Mapping[str, object]:
        """How it stands, as plain values."""
