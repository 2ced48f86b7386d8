"""A shared serial port on a clock, its device and its clients in memory."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock

from tests.helpers.fakeport import FakePort
from tests.helpers.memory import MemoryStream, joined
from vmodem.net.stream import Ending
from vmodem.server.client import Client
from vmodem.server.rules import PackRules, PortRules
from vmodem.server.sharing import SharedPort

IMMEDIATE = PackRules(idle=0)


class Remote:
    """A client as it is on its own machine."""

    def __init__(self, desk: Sharing, end: MemoryStream, near: MemoryStream, client: Client | None) -> None:
        self.near = near
        self.client = client
        self.got = bytearray()
        self.blocked = False
        self.endings: list[Ending] = []
        self._desk = desk
        self._end = end
        end.start(self)

    def data_received(self, data: bytes) -> None:
        self.got += data

    def write_blocked(self) -> None:
        self.blocked = True

    def write_drained(self) -> None:
        self.blocked = False

    def stream_ended(self, ending: Ending) -> None:
        self.endings.append(ending)

    def say(self, data: bytes) -> None:
        """Send, and let it arrive if anybody reads there."""
        self._end.write(data)
        self.arrive()

    def arrive(self, size: int = 1 << 30) -> int:
        """What was sent arrives, if anybody reads there."""
        return self.near.deliver(size)

    def read(self, size: int = 1 << 30) -> bytes:
        """Read what has come."""
        self._end.deliver(size)
        data = bytes(self.got)
        self.got.clear()
        return data

    def close(self) -> None:
        self._end.close(0)
        while self.near.deliver(1 << 30):
            pass

    @property
    def sent_away(self) -> bool:
        return self.near.over is not None


class Sharing:
    """Everything of one test."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.port = FakePort(self.clock)
        self.shared: SharedPort

    def open(self, **rules: Any) -> SharedPort:
        rules.setdefault("pack", IMMEDIATE)
        rules.setdefault("clients", "share")
        self.shared = SharedPort(self.clock, self.port, PortRules(**rules))
        self.shared.start()
        return self.shared

    def client(self, protocol: str = "", *, room: int = 1 << 30, name: str = "somebody") -> Remote:
        near, far = joined(self.clock, room)
        stream = self.shared.speak(near, protocol)
        client = self.shared.join(stream, name, f"{protocol}:tcp:7001".lstrip(":"))
        return Remote(self, far, near, client)

    def tick(self, seconds: float = 0.0) -> None:
        """Time passes, and what was put off is done."""
        for _ in range(20):
            self.clock.advance(0)
        self.clock.advance(seconds)
        for _ in range(20):
            self.clock.advance(0)
