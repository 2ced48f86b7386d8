"""A UPS that a test makes up, and a client of the server that a test types for."""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.defer import Deferred, succeed

from tests.helpers.reactors import Reactor
from vmodem.ups.model import Done, Outcome, Ups, Variable

#: What a UPS says that has nothing to complain of.
FINE = {
    "input.voltage": "230.1",
    "battery.charge": "100",
    "ups.load": "14",
    "ups.delay.shutdown": "30",
    "ups.id": "RACK",
    "ups.beeper.status": "enabled",
}


class FakeDriver:
    """A driver without a line: the test says what the UPS says, and sees what it was asked."""

    name = "fake"

    def __init__(self, ups: Ups) -> None:
        self.ups = ups
        self.started = self.stopped = False
        self.poll_s = 2.0
        #: ``(name, value or argument)`` of everything that was asked for.
        self.asked: list[tuple[str, str]] = []
        #: What becomes of a change at once; None leaves it to the test (:attr:`waiting`).
        self.outcome: Outcome | None = Outcome.SUCCESS
        self.waiting: list[Done] = []

    def start(self) -> None:
        self.started = True
        self.ups.declare(Variable("ups.delay.shutdown", writable=True, ranges=((12, 600),)))
        self.ups.declare(Variable("ups.id", writable=True, length=8))
        self.ups.declare(Variable("ups.beeper.status", writable=True, choices=("enabled", "disabled")))
        for command in ("load.off", "shutdown.return", "beeper.toggle", "test.battery.start"):
            self.ups.declare_command(command)
        self.ups.facts({"ups.mfr": "Acme", "ups.model": "Rack 1", "device.mfr": "Acme"})

    def stop(self) -> Deferred[None]:
        self.stopped = True
        return succeed(None)

    def fine(self, status: str = "OL") -> None:
        self.ups.publish(FINE, status.split())

    def set_variable(self, name: str, value: str, done: Done) -> None:
        self._ask(name, value, done)
        if self.outcome is Outcome.SUCCESS:
            self.ups.publish({name: value})

    def instant_command(self, name: str, argument: str, done: Done) -> None:
        self._ask(name, argument, done)

    def _ask(self, name: str, value: str, done: Done) -> None:
        self.asked.append((name, value))
        if self.outcome is None:
            self.waiting.append(done)
        else:
            done(self.outcome)


class Client:
    """A connection to the server, in the same thread as its reactor."""

    def __init__(self, reactor: Reactor, port: int, family: int = socket.AF_INET) -> None:
        self._reactor = reactor
        self.sock: Any = socket.socket(family, socket.SOCK_STREAM)
        self.sock.connect(("127.0.0.1" if family == socket.AF_INET else "::1", port))
        self.sock.setblocking(False)
        self.got = b""
        self.ended = False

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def look(self) -> None:
        """Take what is there."""
        try:
            while data := self.sock.recv(65536):
                self.got += data
            self.ended = True
        except BlockingIOError:
            pass
        except ConnectionResetError:
            self.ended = True

    def ask(self, line: str, timeout: float = 10.0) -> str:
        """Send a line; the reply, a list as a whole, without its last line end."""
        self.send(line.encode("latin-1") + b"\n")
        return self.reply(timeout)

    def reply(self, timeout: float = 10.0) -> str:
        """The next reply."""
        found: list[str] = []

        def whole() -> bool:
            if b"\n" not in self.got or self.got.startswith(b"BEGIN"):
                self.look()
            text = self.got
            end = text.find(b"\n")
            if end < 0:
                return self.ended
            if text.startswith(b"BEGIN LIST"):
                last = b"END" + text[5 : end + 1]
                end = text.find(b"\n" + last)
                if end < 0:
                    return self.ended
                end += len(last)
            found.append(text[:end].decode("ascii"))
            self.got = text[end + 1 :]
            return True

        self._reactor.until(whole, timeout, "a reply")
        return found[0] if found else ""

    def left(self) -> bool:
        """Whether the server has ended the connection."""
        self.look()
        return self.ended

    def close(self) -> None:
        self.sock.close()
