"""What a running program can be asked by its operator, over the control socket.

What does not belong here: the socket (control/), and doing it (program.py and the services).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from vmodem.config.reading import ConfigError
from vmodem.control.operator import OperatorError

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

    from .program import Program
    from .service import Service


class Operations:
    """A :class:`vmodem.control.operator.Operator` for one program."""

    def __init__(self, program: Program) -> None:
        self._program = program

    def status(self) -> dict[str, Any]:
        """How everything stands: a table for each name; where a modem and a port share one, that of the kind
        that stands first in the configuration has it, and the others follow as ``KIND NAME``.  ``leaving``
        is true of what is no more in the configuration, or is to be another, and has a last call."""
        found: dict[str, Any] = {}
        for (kind, name), service in self._program.working():
            state = dict(service.status())
            if self._program.services.get((kind, name)) is not service:
                state["leaving"] = True
            found[name if name not in found else f"{kind} {name}"] = state
        return found

    def calls(self, limit: int) -> list[dict[str, Any]]:
        """The latest call records, the latest first."""
        records = [
            record
            for _, service in self._program.working()
            if (latest := getattr(service, "records", None)) is not None
            for record in latest(limit)
        ]
        records.sort(key=lambda record: str(record.get("date", "")), reverse=True)
        return records[:limit]

    def hang_up(self, name: str) -> None:
        """End the call of a modem, or the clients of a port."""
        service: Any = self._named(name, "hang_up", "nothing that could be hung up")
        service.hang_up()

    def set_busy(self, name: str, on: bool) -> None:
        """Make a modem busy for callers, or free again."""
        service: Any = self._named(name, "set_busy", "nothing that could be made busy")
        service.set_busy(on)

    def pulse(self, name: str, pulse: str) -> None:
        """Do a named sequence of line changes of a port."""
        service: Any = self._named(name, "pulse", "nothing that has pulses")
        try:
            service.pulse(pulse)
        except ValueError as exc:
            raise OperatorError(str(exc)) from exc

    def reload(self) -> Deferred[list[str]]:
        """Read the configuration again; what changed, in words.  What could not be had is an error, though
        all the rest is in force."""
        from twisted.internet.defer import Deferred

        try:
            changes = self._program.reload()
        except ConfigError as exc:
            raise OperatorError(str(exc)) from exc
        result: Deferred[list[str]] = Deferred()

        def settled(failed: list[str]) -> None:
            if failed:
                result.errback(OperatorError("\n".join([*failed, "all else is in force", *changes])))
            else:
                result.callback(changes)

        self._program.when_settled(settled)
        return result

    def trace(self, name: str, sink: Callable[[str], None]) -> Callable[[], None]:
        """Give ``sink`` a line of text for everything that happens there."""
        service: Any = self._named(name, "trace", "nothing that could be followed")
        stop: Callable[[], None] = service.trace(sink)
        return stop

    def _named(self, name: str, ability: str, otherwise: str) -> Service:
        """The service of that name that can do it; ``KIND NAME`` says which of several."""
        from difflib import get_close_matches

        services = list(self._program.working())
        found = [
            service
            for (kind, key), service in services
            if name in (key, f"{kind} {key}") and hasattr(service, ability)
        ]
        if found:
            return found[0]
        if any(name in (key, f"{kind} {key}") for (kind, key), _ in services):
            raise OperatorError(f"{name} is {otherwise}")
        near = get_close_matches(name, [key for (_, key), _ in services], 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise OperatorError(f"nothing here is called {name}{hint}")
