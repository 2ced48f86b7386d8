"""What a running program can be asked by its operator, over the control socket.

What does not belong here: the socket (control/), and doing it (program.py and the services).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from vmodem.config.reading import ConfigError
from vmodem.control.operator import OperatorError

if TYPE_CHECKING:
    from .program import Program
    from .service import Service


class Operations:
    """A :class:`vmodem.control.operator.Operator` for one program."""

    def __init__(self, program: Program) -> None:
        self._program = program

    def status(self) -> dict[str, Any]:
        """How everything stands: a table for each name; where a modem and a port share one, that of the kind
        that stands first in the configuration has it, and the others follow as ``KIND NAME``."""
        found: dict[str, Any] = {}
        for (kind, name), service in self._program.services.items():
            found[name if name not in found else f"{kind} {name}"] = dict(service.status())
        return found

    def calls(self, limit: int) -> list[dict[str, Any]]:
        """The latest call records, the latest first."""
        records = [
            record
            for service in self._program.services.values()
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

    def reload(self) -> list[str]:
        """Read the configuration again; what changed, in words."""
        try:
            return self._program.reload()
        except ConfigError as exc:
            raise OperatorError(str(exc)) from exc

    def trace(self, name: str, sink: Callable[[str], None]) -> Callable[[], None]:
        """Give ``sink`` a line of text for everything that happens there."""
        service: Any = self._named(name, "trace", "nothing that could be followed")
        stop: Callable[[], None] = service.trace(sink)
        return stop

    def _named(self, name: str, ability: str, otherwise: str) -> Service:
        """The service of that name that can do it; ``KIND NAME`` says which of several."""
        from difflib import get_close_matches

        services = self._program.services
        found = [
            service
            for (kind, key), service in services.items()
            if name in (key, f"{kind} {key}") and hasattr(service, ability)
        ]
        if found:
            return found[0]
        if any(name in (key, f"{kind} {key}") for kind, key in services):
            raise OperatorError(f"{name} is {otherwise}")
        near = get_close_matches(name, [key for _, key in services], 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise OperatorError(f"nothing here is called {name}{hint}")
