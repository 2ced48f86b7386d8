"""Users of streams and other people of a call, for tests."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.helpers.ports import free_port
from vmodem.net.stream import Ending, Stream


class Listening:
    """A stream's user that remembers what it was told."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.data = bytearray()
        self.endings: list[Ending] = []
        self.blocked = False
        stream.start(self)

    def data_received(self, data: bytes) -> None:
        assert data
        self.data += data

    def write_blocked(self) -> None:
        self.blocked = True

    def write_drained(self) -> None:
        self.blocked = False

    def stream_ended(self, ending: Ending) -> None:
        self.endings.append(ending)


class FakeResolver:
    """Answers from a table, or never."""

    def __init__(self, reactor: Any, names: dict[str, list[str]] | None = None) -> None:
        self.reactor = reactor
        self.names = names or {}
        self.asked: list[str] = []
        self.cancelled = 0

    def resolve(self, host: str, resolved: Callable[[Any], None], failed: Callable[[str], None]) -> Any:
        self.asked.append(host)
        found = self.names.get(host)
        if host == "never.example":
            return self
        if found is None:
            return self.reactor.callLater(0, failed, "no such name")
        return self.reactor.callLater(0, resolved, [ipaddress.ip_address(each) for each in found])

    def cancel(self) -> None:
        self.cancelled += 1


@contextmanager
def listening(family: int = socket.AF_INET, backlog: int = 128, port: int = 0) -> Iterator[socket.socket]:
    """A non-blocking listening socket on loopback."""
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.bind(("127.0.0.1" if family == socket.AF_INET else "::1", port))
        sock.listen(backlog)
        sock.setblocking(False)
        yield sock


def closed_port() -> int:
    """A port on 127.0.0.1 where nobody listens."""
    return free_port()


def descriptors() -> int:
    """How many descriptors this process has open."""
    return len(os.listdir("/proc/self/fd"))


def resident() -> int:
    """This process's resident memory in bytes."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
