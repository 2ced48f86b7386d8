"""UPSes at the other end of a serial line, made up: they answer as real ones do, and fail as a test wants.

They run on any clock, at the end of a port in memory (:class:`LinePort`) or of a real pseudo-terminal
(:class:`PtyEnd`).
"""

from __future__ import annotations

import os
import socket
import tty
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from tests.helpers.fakeport import FakePort
from vmodem.port.base import PortUser, Signals
from vmodem.ups.drivers import make_driver
from vmodem.ups.model import Outcome, Ups
from vmodem.wire.comport import ModemState
from vmodem.wire.comport_server import BreakSet, ComPortServer, LinesSet
from vmodem.wire.events import Send

#: One character at 2400 bit/s, 8N1, in seconds.
CHARACTER_S = 10 / 2400


class Device:
    """What both kinds have in common.  ``mangle`` may change, cut or swallow each reply."""

    def __init__(self, clock: Any) -> None:
        self.clock = clock
        #: Nothing is heard, and nothing said.
        self.dead = False
        #: A reply begins so long after its request, in seconds.
        self.delay_s = 0.0
        self.mangle: Callable[[bytes], bytes] = lambda reply: reply
        #: Requests in order, without their ends.
        self.heard: list[bytes] = []
        self.out: Callable[[bytes], None] = lambda data: None
        self._line_free = 0.0
        self._calls: list[Any] = []

    def received(self, data: bytes) -> None:
        raise NotImplementedError

    def say(self, data: bytes) -> None:
        """Send this, after the delay, each character in its time."""
        data = self.mangle(data)
        if not data or self.dead:
            return
        now = self.clock.seconds()
        begins = max(now + self.delay_s, self._line_free)
        self._line_free = begins + len(data) * CHARACTER_S
        half = len(data) // 2 or 1
        for part, when in (
            (data[:half], begins + half * CHARACTER_S),
            (data[half:], self._line_free),
        ):
            if part:
                self._calls.append(self.clock.callLater(when - now, self._out, part))

    def stop(self) -> None:
        for call in self._calls:
            if call.active():
                call.cancel()

    def _out(self, data: bytes) -> None:
        if not self.dead:
            self.out(data)


class MegatecUps(Device):
    """A stand-by UPS of 24 V; ``dialect`` is the status request that it knows."""

    def __init__(self, clock: Any, dialect: bytes = b"Q1") -> None:
        super().__init__(clock)
        self.dialect = dialect
        self.figures = ["226.0", "195.0", "226.0", "014", "49.0", "27.5", "30.0"]
        #: Mains failed, battery low, regulating, failed, stand-by, testing, shutting down, beeper.
        self.bits = list("00001000")
        self.ratings = b"#220.0 000 024.0 50.0"
        self.vendor = b"#" + b"ACME".ljust(15) + b" " + b"RACK 1000".ljust(10) + b" " + b"V1.02".ljust(10)
        #: Requests that it refuses (echoes).
        self.refuses: set[bytes] = set()
        self.unanswered: set[bytes] = set()
        self._begun = b""

    def mains(self, on: bool, low: bool = False) -> None:
        self.bits[0], self.bits[1] = "0" if on else "1", "1" if low else "0"
        self.figures[0] = "226.0" if on else "000.0"

    @property
    def status(self) -> bytes:
        return f"({' '.join(self.figures)} {''.join(self.bits)}".encode()

    def received(self, data: bytes) -> None:
        *requests, self._begun = (self._begun + data).split(b"\r")
        for request in requests:
            self.heard.append(request)
            if not self.dead:
                self._answer(request)

    def _answer(self, request: bytes) -> None:
        if request in self.unanswered:
            return
        if request == self.dialect:
            self.say(self.status + b"\r")
        elif request in self.refuses or request in (b"Q1", b"QS", b"D", b"FW?"):
            self.say(request + b"\r")
        elif request == b"F":
            self.say(self.ratings + b"\r")
        elif request == b"I":
            self.say(self.vendor + b"\r")
        elif request == b"Q":
            self.bits[7] = "1" if self.bits[7] == "0" else "0"


class ApcUps(Device):
    """A Smart-UPS; it is mute until it has been asked into smart mode."""

    def __init__(self, clock: Any) -> None:
        super().__init__(clock)
        self.smart = False
        self.status = 0x08
        self.variables: dict[bytes, bytes] = {
            b"L": b"121.5", b"M": b"122.9", b"N": b"118.3", b"O": b"121.5", b"F": b"60.00", b"P": b"023.4",
            b"f": b"100.0", b"B": b"27.60", b"j": b"0327:", b"C": b"042.7", b"G": b"O", b"9": b"FF",
            b"X": b"OK", b"o": b"115", b"g": b"024", b"q": b"02", b"E": b"336", b"l": b"103", b"u": b"132",
            b"s": b"H", b"e": b"00", b"k": b"0", b"p": b"020", b"r": b"000", b"c": b"UPS_IDEN",
            b"x": b"10/17/96", b"n": b"WS9643050926", b"m": b"10/17/96", b"\x01": b"SMART-UPS 700",
            b"b": b"50.9.D",
        }  # fmt: skip
        self.alerts = b"!$%+?=#|"
        self.extra = b"QYRaW@SKZDAU\x0e\x1a\x7f-^"
        self.choices = {b"u": [b"127", b"130", b"133", b"136"], b"s": [b"H", b"M", b"L"]}
        self.choices[b"p"] = [b"020", b"180", b"300", b"600"]
        #: EEPROM writes.
        self.written = 0
        #: Seconds at which twice-given requests came, and what was carried out.
        self.done: list[str] = []
        self._last = (b"", -10.0)
        self._asked = b""
        self._text: bytes | None = None
        self._digits: bytes | None = None

    def alert(self, character: bytes) -> None:
        """Say this at once."""
        if not self.dead and self.smart:
            self.out(character)

    def received(self, data: bytes) -> None:
        for byte in data:
            if not self.dead:
                self._take(bytes((byte,)))

    def _take(self, request: bytes) -> None:
        if self._text is not None and request != b"\r" and len(self._text) < 8:
            self._text += request
            return self._text_ends()
        if self._text is not None and request == b"\r":
            self._text += b"\0"
            return self._text_ends()
        if self._digits is not None:
            self._digits += request
            if len(self._digits) == 3:
                self.done.append(f"hibernate {self._digits.decode()}")
                self._digits = None
                self.reply(b"OK")
            return None
        self.heard.append(request)
        if request == b"Y":
            self.smart = True
            return self.reply(b"SM")
        if not self.smart:
            return None
        return self._answer(request)

    def _text_ends(self) -> None:
        if self._text is not None and len(self._text) == 8:
            self.variables[self._asked] = self._text.rstrip(b"\0")
            self._text = None
            self.written += 1
            self.reply(b"OK")

    def _answer(self, request: bytes) -> None:
        now = self.clock.seconds()
        if request == b"Q":
            self.reply(b"%02X" % self.status)
        elif request == b"a":
            self.reply(b"3." + self.alerts + b"." + self.extra + b"".join(self.variables))
        elif request == b"\x1a":
            self.reply(b"#" + b"".join(self._choice(each) for each in self.choices))
        elif request == b"R":
            self.smart = False
            self.reply(b"BYE")
        elif request == b"-":
            self._next()
        elif request in (b"K", b"Z", b"\x0e"):
            before, self._last = self._last, (request, now)
            if before[0] == request and 1.4 < now - before[1] < 3:
                self._last = (b"", -10.0)
                self.done.append({b"K": "stay off", b"Z": "off", b"\x0e": "on"}[request])
                if request == b"K":
                    self.reply(b"OK")
                else:
                    self.status = 0 if request == b"Z" else 8
        elif request == b"S":
            self.done.append("soft")
            self.reply(b"OK" if self.status & 0x10 else b"NO")
        elif request == b"@":
            self._digits = b""
        elif request in (b"W", b"A", b"U", b"\x7f", b"^"):
            self.done.append(request.decode("latin-1"))
            self.reply(b"OK")
        elif request == b"D":
            self.status ^= 1
            self.reply(b"OK")
        elif request in self.variables:
            self._asked = request
            self.reply(self.variables[request])
        else:
            self.reply(b"NA")

    def _choice(self, request: bytes) -> bytes:
        values = self.choices[request]
        return request + b"4" + bytes((48 + len(values), 48 + len(values[0]))) + b"".join(values)

    def _next(self) -> None:
        if self._asked in self.choices:
            values = self.choices[self._asked]
            now = self.variables[self._asked]
            place = values.index(now) if now in values else -1
            self.variables[self._asked] = values[(place + 1) % len(values)]
            self.written += 1
            self.reply(b"OK")
        elif self._asked in (b"c", b"x"):
            self._text = b""
        else:
            self.reply(b"NO")

    def reply(self, text: bytes) -> None:
        self.say(text + b"\r\n")


class LinePort(FakePort):
    """A port in memory with a device at its other end, which can be pulled out and put back."""

    def __init__(self, clock: Any, device: Device | None = None, *, present: bool = True) -> None:
        super().__init__(clock)
        self.present = present
        self.started = False
        self.device = device
        if device is not None:
            device.out = self._from_device

    def start(self, user: PortUser) -> None:
        super().start(user)
        self.started = True
        if self.present:
            user.attached(True)
            user.signals_changed(self._inputs)
        else:
            user.lost("no such device")

    def stop(self) -> Deferred[None]:
        self.present = False
        return super().stop()

    def write(self, data: bytes) -> None:
        super().write(data)
        if self.present and self.device is not None:
            self.device.received(data)

    def vanish(self) -> None:
        self.present = False
        self.user.attached(False)
        self.user.lost("unplugged")

    def appear(self) -> None:
        self.present = True
        self.user.found()
        self.user.attached(True)
        self.user.signals_changed(self._inputs)

    def set_inputs(self, signals: Signals) -> None:
        """As they are before anybody looks."""
        self._inputs = signals

    def _from_device(self, data: bytes) -> None:
        if self.present and not self.stopped:
            self.send(data)


class PtyEnd:
    """A device at the master side of a pseudo-terminal; ``link`` leads to the port for the program."""

    def __init__(self, reactor: Any, device: Device, link: Path) -> None:
        self._reactor = reactor
        self._device = device
        self.link = link
        device.out = self._out
        self._master = -1
        self.plug()

    def plug(self) -> None:
        """The adapter is (again) in its socket."""
        self._master, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(self._master, False)
        self._slave = slave  # or reading fails while nobody has it open
        self.link.symlink_to(os.ttyname(slave))
        self._reader = _Reader(self._master, self._read)
        self._reactor.addReader(self._reader)

    def unplug(self) -> None:
        """Pull it out."""
        if self._master >= 0:
            self._reactor.removeReader(self._reader)
            self.link.unlink()
            os.close(self._slave)
            os.close(self._master)
            self._master = -1

    def close(self) -> None:
        self._device.stop()
        self.unplug()

    def _read(self) -> None:
        try:
            data = os.read(self._master, 4096)
        except OSError:
            return
        if data:
            self._device.received(data)

    def _out(self, data: bytes) -> None:
        if self._master >= 0:
            os.write(self._master, data)


class Scene:
    """A UPS, its port and its driver on a clock; ``story`` is every status that a client could have seen."""

    def __init__(
        self,
        kind: str,
        device: Device | None,
        clock: Clock,
        *,
        present: bool = True,
        inputs: Signals = Signals.NONE,
        **settings: Any,
    ) -> None:
        self.clock = clock
        self.port = LinePort(clock, device, present=present)
        self.port.set_inputs(inputs)
        self.ups = Ups(clock, "rack")
        self.driver = make_driver(kind, clock, self.port, self.ups, **settings)
        self.driver.start()
        self.story: list[str] = []
        self.events: list[str] = []
        self.outcomes: list[Outcome] = []
        self.ups.watchers.append(lambda _, event: self.events.append(event.value))

    @property
    def seen(self) -> str:
        """``ups.status``, or how the UPS is not fine."""
        return self.ups.status or self.ups.health.value

    def run(self, seconds: float, step: float = 0.01) -> None:
        """Let time pass, a little at a time."""
        end = self.clock.seconds() + seconds
        while self.clock.seconds() < end - 1e-9:
            self.clock.advance(min(step, end - self.clock.seconds()))
            if not self.story or self.story[-1] != self.seen:
                self.story.append(self.seen)

    def until(self, status: str, within: float) -> float:
        """How long it takes until this is seen."""
        began = self.clock.seconds()
        while self.seen != status:
            assert self.clock.seconds() - began <= within, f"{self.seen} instead of {status}"
            self.run(0.01)
        return self.clock.seconds() - began

    def command(self, name: str, argument: str = "") -> None:
        self.ups.instant_command(name, argument, self.outcomes.append)

    def write(self, name: str, value: str) -> None:
        self.ups.set_variable(name, value, self.outcomes.append)

    def stop(self) -> None:
        """Nothing may be left to happen."""
        self.driver.stop()
        self.ups.close()
        if self.port.device is not None:
            self.port.device.stop()
        assert self.clock.getDelayedCalls() == []


class PinServer:
    """An access server by RFC 2217 whose port is a cable: the test sets the inputs, and sees the outputs.

    ``mute``: it holds the connection and says nothing more.
    """

    def __init__(self, reactor: Any, inputs: Signals = Signals.NONE) -> None:
        self._reactor = reactor
        self._inputs = inputs
        self.outputs: dict[str, bool] = {}
        #: Changes of outputs and breaks, in order.
        self.story: list[str] = []
        self.mute = False
        self._sock = socket.create_server(("127.0.0.1", 0))
        self._sock.setblocking(False)
        self.port = int(self._sock.getsockname()[1])
        self._client: socket.socket | None = None
        self._codec = ComPortServer()
        self._acceptor = _Reader(self._sock.fileno(), self._accept)
        self._reader: _Reader | None = None
        reactor.addReader(self._acceptor)

    def put(self, inputs: Signals) -> None:
        """The cable's other end says so."""
        self._inputs = inputs
        self._send(self._codec.modem_state(_state(inputs)))

    def hang_up(self) -> None:
        if self._reader is not None:
            self._reactor.removeReader(self._reader)
        if self._client is not None:
            self._client.close()
        self._client = self._reader = None

    def close(self) -> None:
        self.hang_up()
        self._reactor.removeReader(self._acceptor)
        self._sock.close()

    def _accept(self) -> None:
        client, _ = self._sock.accept()
        self.hang_up()
        client.setblocking(False)
        self._client, self._codec = client, ComPortServer()
        self._codec.modem_state(_state(self._inputs))
        self._reader = _Reader(client.fileno(), self._read)
        self._reactor.addReader(self._reader)
        self._send(self._codec.greeting())

    def _read(self) -> None:
        assert self._client is not None
        try:
            data = self._client.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.hang_up()
            return
        for event in self._codec.receive(data):
            if isinstance(event, Send):
                self._send(event.data)
            elif isinstance(event, LinesSet):
                for name in ("dtr", "rts"):
                    level = getattr(event, name)
                    if level is not None:
                        self.outputs[name] = level
                        self.story.append(f"{'+' if level else '-'}{name}")
            elif isinstance(event, BreakSet):
                self.story.append(f"{'+' if event.on else '-'}break")

    def _send(self, data: bytes) -> None:
        if self._client is not None and data and not self.mute:
            self._client.sendall(data)


class _Reader:
    """A descriptor that is read."""

    def __init__(self, fd: int, read: Callable[[], None]) -> None:
        self._fd = fd
        self.doRead = read

    def fileno(self) -> int:
        return self._fd

    def logPrefix(self) -> str:
        return "pins"

    def connectionLost(self, reason: Any) -> None:
        """Whoever made it closes it."""


def _state(signals: Signals) -> ModemState:
    found = ModemState(0)
    for name in ("CTS", "DSR", "DCD", "RI"):
        if Signals[name] & signals:
            found |= ModemState[name]
    return found
