"""A vmodem to be operated, for tests: it remembers what it was told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, succeed

from vmodem.control.operator import OperatorError

RECORD = {
    "date": "2026-11-21T12:00:00+0000",
    "modem": "front",
    "direction": "in",
    "number": "5551234",
    "peer": "192.0.2.7:4711",
    "connected": True,
    "duration_s": 61.25,
    "sent": 10,
    "received": 20,
    "reason": "closed by the peer",
}


class Told:
    """Implements :class:`vmodem.control.operator.Operator`."""

    def __init__(self) -> None:
        self.heard: list[tuple[Any, ...]] = []
        #: What answers a reload, if not at once.
        self.reloaded: Deferred[list[str]] | None = None
        self.sinks: list[Callable[[str], None]] = []
        self.state: dict[str, Any] = {
            "modem front": {
                "what": "modem",
                "name": "front",
                "state": "online",
                "line": "pty:front",
                "call": RECORD,
                "counters": {"calls": 3},
            },
            "modem back": {
                "what": "modem",
                "name": "back",
                "state": "idle",
                "line": "pty:back",
                "call": None,
            },
            "group bank": {"what": "group", "name": "bank", "modems": ["front", "back"], "free": 1},
        }

    def status(self) -> dict[str, Any]:
        return self.state

    def calls(self, limit: int) -> list[dict[str, Any]]:
        self.heard.append(("calls", limit))
        return [RECORD] * min(limit, 2)

    def hang_up(self, name: str) -> None:
        self._known(name)
        self.heard.append(("hang up", name))

    def set_busy(self, name: str, on: bool) -> None:
        self._known(name)
        self.heard.append(("busy", name, on))

    def pulse(self, name: str, pulse: str) -> None:
        self._known(name)
        self.heard.append(("pulse", name, pulse))

    def reload(self) -> Deferred[list[str]]:
        if self.heard and self.heard[-1] == ("break",):
            raise OperatorError("vmodem.toml:1: modem.x: wrong\nvmodem.toml:2: modem.y: wrong, too")
        self.heard.append(("reload",))
        return self.reloaded or succeed(["modem front: changed"])

    def trace(self, name: str, sink: Callable[[str], None]) -> Callable[[], None]:
        self._known(name)
        self.sinks.append(sink)
        sink("it begins")
        return lambda: self.sinks.remove(sink)

    def _known(self, name: str) -> None:
        if name not in ("front", "back"):
            raise OperatorError(f'there is no "{name}"; known are front, back')
