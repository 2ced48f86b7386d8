"""How a shared port stands, for people and programs, as plain values.

What does not belong here: showing it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from vmodem.port.base import Signals

from .client import Client
from .sharing import SharedPort


def report(shared: SharedPort, now: float) -> Mapping[str, object]:
    """The port and its clients; ``now`` as the reactor has it."""
    port = shared.port
    settings, on = port.settings, port.signals
    return {
        "state": _state(shared),
        "line": port.description,
        "device": shared.lost_for or ("there" if shared.is_attached else "nobody is attached"),
        "rate": settings.rate,
        "framing": settings.framing,
        "flow": settings.flow.value,
        "circuits": [each.name for each in Signals if each in on and each.name != "NONE"],
        "counters": dataclasses.asdict(port.counters),
        "waiting": port.backlog,
        "pulses": sorted(shared.rules.pulses),
        "clients": [_client(shared, client, now) for client in shared.clients],
    }


def _state(shared: SharedPort) -> str:
    """In a word or two."""
    count = len(shared.clients)
    words = "free" if not count else f"{count} client{'s' if count > 1 else ''}"
    if shared.lost_for:
        words += ", no device"
    return words


def _client(shared: SharedPort, client: Client, now: float) -> Mapping[str, object]:
    return {
        "address": client.peer,
        "listener": client.listener,
        "age": round(now - client.began, 3),
        "received": client.received,
        "sent": client.sent,
        "queued": client.queued,
        "dropped": client.dropped,
        "unheard": client.unheard,
        "writes": shared.writes(client),
    }
