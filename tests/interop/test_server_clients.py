"""Other people's programs as clients of the serial device server: a megabyte of random bytes each way."""

from __future__ import annotations

import hashlib
import os
import pty
import random
import subprocess
import threading
import tty
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.helpers.fakeport import FakePort
from tests.helpers.process import Scene, Wire, call
from tests.helpers.programs import need
from tests.helpers.reactors import Reactor
from tests.helpers.servers import ser2net
from vmodem.app.port import PortService
from vmodem.config.schema import PortConfig

pytestmark = pytest.mark.interop

SIZE = 1 << 20
#: What a client's port gets into one packet.
CHUNK = 4096


class Bench:
    """A port in this process, and the device behind it."""

    def __init__(self, reactor: Reactor, protocol: str) -> None:
        self.reactor = reactor
        self.device = FakePort(reactor)
        listen = f"{protocol}:tcp:0:interface=127.0.0.1".removeprefix(":")
        config = PortConfig("bench", "serial:/dev/fake", (listen,), slow="block")
        self.service = PortService(reactor, config, lambda *_: self.device)
        self.service.start()

    def join(self) -> None:
        self.reactor.until(lambda: self.service.occupied, what="the program connects")

    def send(self, data: bytes) -> Callable[[], bool]:
        """The device sends this as it can; tells whether that is done."""
        rest = memoryview(data)

        def more() -> bool:
            nonlocal rest
            for _ in range(16):
                if not rest or self.device.paused:
                    break
                self.device.send(bytes(rest[:CHUNK]))
                rest = rest[CHUNK:]
            return not rest

        return more

    def exchange(self, terminal: Wire, up: bytes, down: bytes) -> None:
        """Both ways at once."""
        got: list[bytes] = []
        threads = [
            threading.Thread(target=terminal.send, args=(up, 90)),
            threading.Thread(target=lambda: got.append(terminal.take(len(down), 90))),
        ]
        for thread in threads:
            thread.start()
        sent = self.send(down)
        self.reactor.until(lambda: sent() and not any(each.is_alive() for each in threads), 100, tick=0.002)
        self.reactor.until(lambda: len(self.device.written) >= len(up), 30)
        assert hashlib.sha256(self.device.written).digest() == hashlib.sha256(up).digest()
        assert [hashlib.sha256(data).digest() for data in got] == [hashlib.sha256(down).digest()]


@pytest.fixture
def bench(reactor: Reactor) -> Iterator[Callable[[str], Bench]]:
    made: list[Bench] = []

    def make(protocol: str) -> Bench:
        made.append(Bench(reactor, protocol))
        return made[-1]

    yield make
    for each in made:
        reactor.wait_for(each.service.stop())
    reactor.until_idle()  # clients are being let go of in order


def terminal(scene: Scene, command: list[str]) -> tuple[Wire, subprocess.Popen[bytes]]:
    """Start a program on a raw terminal."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    made = Wire(master)
    scene.finally_(made.close)
    process = scene.spawn(command, stdin=slave, stdout=slave, stderr=subprocess.DEVNULL)
    os.close(slave)
    return made, process


def said(port: Bench, wire: Wire, text: str) -> None:
    """Wait until the program has said this to its user."""
    waiting = threading.Thread(target=wire.expect, args=(text,))
    waiting.start()
    port.reactor.until(lambda: not waiting.is_alive())
    port.reactor.run_for(0.7)


def megabyte(seed: int, without: bytes = b"") -> bytes:
    return random.Random(seed).randbytes(SIZE + 65536).translate(None, without)[:SIZE]


def test_socat_raw(scene: Scene, bench: Any) -> None:
    (socat,) = need("socat")
    port = bench("")
    wire, _ = terminal(scene, [socat, "STDIO,raw,echo=0", f"TCP:127.0.0.1:{port.service.port}"])
    port.join()
    port.exchange(wire, megabyte(1), megabyte(2))


@pytest.mark.parametrize("protocol", ["rfc2217", "telnet"])
def test_inetutils_telnet(scene: Scene, bench: Any, protocol: str) -> None:
    (telnet,) = need("telnet")
    port = bench(protocol)
    wire, _ = terminal(scene, [telnet, "-E", "-8", "127.0.0.1", str(port.service.port)])
    port.join()
    said(port, wire, r"(?i)escape char[^\n]*\n")
    port.exchange(wire, megabyte(3), megabyte(4))


def test_microcom(scene: Scene, bench: Any) -> None:
    (microcom,) = need("microcom")
    port = bench("rfc2217")
    wire, _ = terminal(scene, [microcom, "-t", f"127.0.0.1:{port.service.port}", "-s", "19200"])
    port.join()
    said(port, wire, r"(?i)prompt[^\n]*\n")
    assert port.device.settings.rate == 19200
    # Its escape character cannot be switched off.  It refuses BINARY, sends a CR bare and yet takes a NUL
    # away behind one; 255 it does not double, and loses when the pair comes in two reads.
    without = b"\r\x1c\xff"
    port.exchange(wire, megabyte(5, without), megabyte(6, without))


@pytest.mark.parametrize("protocol", ["rfc2217", "auto"])
def test_ser2net(scene: Scene, bench: Any, protocol: str) -> None:
    port = bench(protocol)
    at = ser2net(scene, "tcp", f"telnet(rfc2217),tcp,127.0.0.1,{port.service.port}")
    wire = call(at)
    scene.finally_(wire.close)
    port.join()
    port.reactor.run_for(0.3)
    port.exchange(wire, megabyte(7), megabyte(8))


def test_kermit(scene: Scene, bench: Any) -> None:
    (kermit,) = need("kermit")
    port = bench("rfc2217")
    script = (
        f"set telopt com-port required, set host 127.0.0.1 {port.service.port} /telnet, "
        "if fail exit 3, set carrier-watch off, set speed 57600, set parity none, "
        "set terminal bytesize 8, set command bytesize 8, "
        "set terminal autodownload off, set terminal apc off, set terminal escape disabled, "
        "set terminal echo remote, set terminal locking-shift off, connect /quietly"
    )
    wire, _ = terminal(scene, [kermit, "-H", "-Y", "-C", script])
    port.join()
    said(port, wire, r"\(OK\)[^\n]*\n")
    port.reactor.until(lambda: port.device.settings.rate == 57600)
    port.reactor.run_for(1.0)
    port.exchange(wire, megabyte(9), megabyte(10))
