"""A program of several modems under test: their DTEs are clients of Unix sockets, callers come by TCP."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.calls import descriptors
from tests.helpers.reactors import Reactor
from vmodem.app.program import Program
from vmodem.call.directory import Entry
from vmodem.call.target import parse_target
from vmodem.config.reading import ConfigError
from vmodem.config.schema import Config, DirectoryConfig, GroupConfig, ModemConfig

LOCAL = "tcp:0:interface=127.0.0.1"


class End:
    """A DTE, or a caller: one end of a connection."""

    def __init__(self, reactor: Reactor, sock: socket.socket) -> None:
        self.reactor = reactor
        self.sock = sock
        self.heard = bytearray()
        self.ended = False
        sock.setblocking(False)

    def listen(self) -> bytes:
        while not self.ended:
            try:
                chunk = self.sock.recv(65536)
            except BlockingIOError:
                break
            except ConnectionResetError:
                chunk = b""
            self.ended = not chunk
            self.heard += chunk
        return bytes(self.heard)

    def say(self, data: bytes) -> None:
        self.sock.sendall(data)

    def expect(self, what: bytes, timeout: float = 10.0) -> None:
        self.reactor.until(lambda: what in self.listen(), timeout, f"{what!r}: {bytes(self.heard)!r}")
        del self.heard[: self.heard.find(what) + len(what)]

    def expect_end(self) -> None:
        self.reactor.until(lambda: self.listen() is not None and self.ended)

    def close(self) -> None:
        self.sock.close()


class World:
    """A program under test, whose configuration can be changed."""

    def __init__(self, reactor: Reactor, folder: Path) -> None:
        self.reactor = reactor
        self.folder = folder
        self.config = Config()
        self.program: Program
        self.ends: list[End] = []
        self.bad: ConfigError | None = None

    def modem(self, name: str, **keys: Any) -> ModemConfig:
        return ModemConfig(name=name, line=f"unix:{self.folder}/{name}", **keys)

    def load(self) -> Config:
        if self.bad is not None:
            raise self.bad
        return self.config

    def configure(self, *modems: ModemConfig, groups: tuple[GroupConfig, ...] = (), **numbers: str) -> None:
        entries = {key.strip("_"): Entry(parse_target(target)) for key, target in numbers.items()}
        self.config = Config(
            modems={each.name: each for each in modems},
            groups={each.name: each for each in groups},
            directory=DirectoryConfig(entries=entries),
        )

    def start(self) -> None:
        self.program = Program(self.reactor, self.load, str(self.folder))
        self.program.start()

    def dte(self, name: str, *commands: bytes) -> End:
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(str(self.folder / name))
        end = End(self.reactor, sock)
        self.ends.append(end)
        for command in (b"ATE0", *commands):
            end.say(command + b"\r")
            end.expect(b"OK\r\n")
        return end

    def port(self, kind: str, name: str, index: int = 0) -> int:
        return int(self.program.services[kind, name]._answerer.listeners[index].port)  # type: ignore[attr-defined]

    def call(self, port: int) -> End:
        end = End(self.reactor, socket.create_connection(("127.0.0.1", port)))
        self.ends.append(end)
        return end

    def free(self, name: str) -> bool:
        return bool(self.program.status()[f"modem {name}"]["free"])

    def close(self) -> None:
        for end in self.ends:
            end.close()
        if hasattr(self, "program"):
            self.reactor.wait_for(self.program.stop())


@pytest.fixture
def world(reactor: Reactor, tmp_path: Path) -> Iterator[World]:
    before = descriptors()
    made = World(reactor, tmp_path)
    yield made
    made.close()
    reactor.until(lambda: descriptors() <= before and not reactor.getDelayedCalls())


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """What goes to the log, a line each."""
    from twisted.logger import LogEvent, formatEvent, globalLogPublisher

    lines: list[str] = []

    def observe(event: LogEvent) -> None:
        lines.append(formatEvent(event))

    globalLogPublisher.addObserver(observe)
    yield lines
    globalLogPublisher.removeObserver(observe)
