"""What the tests of all lines share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.helpers.reactors import Reactor
from vmodem.line.base import Line


class User:
    """A modem's place behind a line: keeps what it was told, and may be given an answer."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.data = bytearray()
        #: Everything but data, in order; ``bytes`` stands for "data came here".
        self.events: list[Any] = []
        self.on_data: Callable[[bytes], None] | None = None
        self.on_dtr: Callable[[bool], None] | None = None
        self.blocked = False

    @property
    def dtr(self) -> bool:
        """As last told."""
        told = [event[1] for event in self.events if isinstance(event, tuple) and event[0] == "dtr"]
        return bool(told and told[-1])

    def dte_received(self, data: bytes) -> None:
        assert data
        self.data += data
        self.events.append(bytes(data))
        if self.on_data is not None:
            self.on_data(data)

    def dte_blocked(self) -> None:
        self.blocked = True

    def dte_drained(self) -> None:
        self.blocked = False

    def dtr_changed(self, on: bool) -> None:
        self.events.append(("dtr", on))
        if self.on_dtr is not None:
            self.on_dtr(on)

    def dte_left(self) -> None:
        self.events.append(("left",))

    def line_lost(self, reason: str) -> None:
        self.events.append(("lost", reason))

    def line_found(self) -> None:
        self.events.append(("found",))

    def line_finished(self) -> None:
        self.events.append(("finished",))


@pytest.fixture
def begin(reactor: Reactor) -> Iterator[Callable[[Line], User]]:
    """Starts a line; at the end of the test it is stopped, and no descriptor may be left."""
    before = open_fds()
    users: list[User] = []

    def start(line: Line) -> User:
        user = User(line)
        users.append(user)
        line.start(user)
        return user

    yield start
    for user in users:
        reactor.wait_for(user.line.stop(), 1)
    reactor.iterate(0)
    assert open_fds() <= before, {fd: _name(fd) for fd in open_fds() - before}


def open_fds() -> set[int]:
    return {int(name) for name in os.listdir("/proc/self/fd") if os.path.lexists(f"/proc/self/fd/{name}")}


def _name(fd: int) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        return "?"
