"""What the tests of all ports share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.helpers.reactors import Reactor
from vmodem.port.base import Noted, Port, Settings, Signals


class User:
    """Whoever uses a port: keeps what it was told."""

    def __init__(self, port: Port) -> None:
        self.port = port
        self.data = bytearray()
        #: Everything, in order; ``bytes`` stands for data, neighbouring chunks are one.
        self.events: list[Any] = []
        self.blocked = False
        self.present = False
        self.done: list[Any] = []

    @property
    def signals(self) -> Signals | None:
        """As last told."""
        told = [event[1] for event in self.events if isinstance(event, tuple) and event[0] == "signals"]
        return told[-1] if told else None

    @property
    def settings(self) -> list[Settings]:
        return [event[1] for event in self.events if isinstance(event, tuple) and event[0] == "settings"]

    def data_received(self, data: bytes) -> None:
        assert data
        assert type(data) is bytes
        self.data += data
        if self.events and isinstance(self.events[-1], bytes):
            self.events[-1] += data
        else:
            self.events.append(data)

    def noted(self, what: Noted) -> None:
        self.events.append(what)

    def signals_changed(self, signals: Signals) -> None:
        self.events.append(("signals", signals))

    def settings_changed(self, settings: Settings) -> None:
        self.events.append(("settings", settings))

    def attached(self, present: bool) -> None:
        assert present is not self.present
        self.present = present
        self.events.append(("attached", present))

    def write_blocked(self) -> None:
        assert not self.blocked
        self.blocked = True

    def write_drained(self) -> None:
        assert self.blocked
        self.blocked = False

    def lost(self, reason: str) -> None:
        self.events.append(("lost", reason))

    def found(self) -> None:
        self.events.append(("found",))


@pytest.fixture
def begin(reactor: Reactor) -> Iterator[Callable[[Port], User]]:
    """Starts a port; at the end of the test it is stopped, and no descriptor may be left."""
    before = open_fds()
    users: list[User] = []

    def start(port: Port) -> User:
        user = User(port)
        users.append(user)
        port.start(user)
        return user

    yield start
    for user in users:
        reactor.wait_for(user.port.stop(), 1)
    reactor.iterate(0)
    assert open_fds() <= before, open_fds() - before


def open_fds() -> set[int]:
    return {int(name) for name in os.listdir("/proc/self/fd") if os.path.lexists(f"/proc/self/fd/{name}")}
