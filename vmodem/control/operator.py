"""What a running vmodem can be asked, as whoever runs it implements it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred


class OperatorError(Exception):
    """It cannot be done; the text is one sentence for people, with every mistake on a line of its own."""


class Operator(Protocol):
    """Everything here is done at once, on the reactor's thread; of a reload the end is told later.  Raises
    :class:`OperatorError`."""

    def status(self) -> dict[str, Any]:
        """What runs: for each name a table with ``what`` (``modem``, ``group``, ``port`` ...), ``state``,
        ``line``, and as there is ``call`` (a table: ``direction``, ``number``, ``peer``, ``seconds``) and
        ``counters`` (a table of numbers)."""

    def calls(self, limit: int) -> list[dict[str, Any]]:
        """The latest call records, the latest first, as :meth:`vmodem.modem.record.CallRecord.as_json`."""

    def hang_up(self, name: str) -> None:
        """End the call of a modem, or the clients of a port."""

    def set_busy(self, name: str, on: bool) -> None:
        """Make a modem busy for callers, or free again."""

    def pulse(self, name: str, pulse: str) -> None:
        """Do a named sequence of line changes of a port."""

    def reload(self) -> Deferred[list[str]]:
        """Read the configuration again; what changed, in words, as soon as it is known what came up.  What
        did not is an :class:`OperatorError`, too."""

    def trace(self, name: str, sink: Callable[[str], None]) -> Callable[[], None]:
        """Give ``sink`` a line of text for everything that happens, until what is returned is called."""
