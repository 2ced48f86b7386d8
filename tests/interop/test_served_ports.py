"""``vmodem serve`` as a process, with clients that are processes, and operators."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pty
import random
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
import time
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial
import serial.rfc2217

from tests.helpers.process import PATIENCE_S, Peer, Scene, Wire, call, until
from tests.helpers.verbs import Far, Verb
from tests.interop.test_rfc2217_clients import line_port

pytestmark = pytest.mark.interop

LOCAL = "tcp:0:interface=127.0.0.1"
#: What one record of the device is, and when it was sent: seconds of the monotonic clock.
RECORD = 512


@pytest.fixture
def far() -> Iterator[Far]:
    made = Far()
    yield made
    made.close()


def serve(scene: Scene, line: str, *arguments: str, listen: str = LOCAL) -> Verb:
    return Verb(scene, "serve", "--line", line, "--listen", listen, *arguments)


def connect(scene: Scene, port: int) -> Peer:
    made = call(port)
    scene.finally_(made.close)
    return made


# -- pyserial, on a line that has circuits ---


@pytest.mark.filterwarnings("ignore:set(Daemon|Name).. is deprecated:DeprecationWarning")
def test_pyserial_goes_through_everything_on_a_remote_line(scene: Scene) -> None:
    """The device is a modem of ours behind an access server: it shows CTS, DSR and DCD and minds DTR."""
    modem = scene.modem(line="rfc2217:0")
    server = serve(scene, f"remote:127.0.0.1:{line_port(modem)}", listen="rfc2217:" + LOCAL)
    url = f"rfc2217://127.0.0.1:{server.ports()[0]}"
    with serial.serial_for_url(url, timeout=5) as made:
        assert (made.cts, made.dsr, made.cd, made.ri) == (True, True, False, False)
        for rate in made.BAUDRATES:
            made.baudrate = rate
        made.baudrate = 19200
        assert server.status["rate"] == 19200
        for size in (5, 6, 7, 8):
            made.bytesize = size
        for parity in "EOMSN":
            made.parity = parity
        for stop in (1.5, 2, 1):
            made.stopbits = stop
        for flow in ("rtscts", "xonxoff", "dsrdtr"):
            setattr(made, flow, True)
            setattr(made, flow, False)
        made.rts = False
        made.rts = True
        made.send_break(0.05)
        made.break_condition = True
        made.break_condition = False
        made.reset_input_buffer()
        made.reset_output_buffer()
        made.write(b"ATE0DT100\r")
        assert made.read_until(b"CONNECT 19200\r\n").endswith(b"CONNECT 19200\r\n")
        data = random.Random(1).randbytes(5000)
        made.write(data)
        assert made.read(len(data)) == data
        until(lambda: made.cd, "DCD goes on")
        made.dtr = False
        assert made.read_until(b"NO CARRIER\r\n").endswith(b"NO CARRIER\r\n")
        until(lambda: not made.cd, "DCD goes off")
        made.dtr = True


# -- a crowd ---

_CLIENT = """
import hashlib, socket, struct, sys, time
sock = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
left, record, rest = int(sys.argv[2]), int(sys.argv[3]), b""
digest, delays = hashlib.sha256(), []
print("there", flush=True)
while left:
    data = sock.recv(65536)
    now = time.monotonic()
    if not data:
        break
    left -= len(data)
    digest.update(data)
    rest += data
    while len(rest) >= record:
        delays.append(now - struct.unpack_from("d", rest)[0])
        rest = rest[record:]
delays.sort()
print(digest.hexdigest(), delays[len(delays) // 2], delays[-len(delays) // 20])
"""


def crowd(scene: Scene, far: Far, server: Verb, stopped: int | None) -> tuple[float, float]:
    """Send 400 records to ten clients, one of which is stopped; returns the others' worst median delay and
    worst 95th percentile, in seconds."""
    count = 400
    command = [sys.executable, "-S", "-c", _CLIENT, str(server.ports()[0]), str(count * RECORD), str(RECORD)]
    clients = [scene.spawn(command, stdout=subprocess.PIPE) for _ in range(10)]
    for client in clients:
        assert client.stdout is not None
        assert client.stdout.readline() == b"there\n"
    until(lambda: len(server.status["clients"]) == 10, "ten clients")
    if stopped is not None:
        clients[stopped].send_signal(signal.SIGSTOP)
    digest, rest = hashlib.sha256(), random.Random(1).randbytes(RECORD - 8)
    for _ in range(count):
        record = struct.pack("d", time.monotonic()) + rest
        digest.update(record)
        far.send(record)
        time.sleep(0.005)  # about what 921 600 bit/s carry
    delays = []
    for number, client in enumerate(clients):
        if number != stopped:
            said, _ = client.communicate(timeout=PATIENCE_S)
            got, *figures = said.decode().split()
            assert got == digest.hexdigest()
            delays.append([float(figure) for figure in figures])
    if stopped is not None:
        clients[stopped].kill()
        clients[stopped].wait()
    until(lambda: not server.status["clients"], "everybody has left")
    return max(delay[0] for delay in delays), max(delay[1] for delay in delays)


def test_one_stopped_among_ten_costs_the_others_nothing(scene: Scene, far: Far) -> None:
    server = serve(scene, f"serial:{far.name}", "--clients", "share")
    usual = crowd(scene, far, server, None)
    before = server.resident
    for _ in range(3):  # the machine may have had other work just then
        stopped = crowd(scene, far, server, 4)
        assert server.resident - before < 1 << 20
        if all(now < 2 * before_s + 0.05 for now, before_s in zip(stopped, usual, strict=True)):
            break
    else:
        pytest.fail(f"{stopped} instead of {usual}")


# -- the device ---


class Pluggable:
    """A device under a name that stays while it comes and goes."""

    def __init__(self, link: Path) -> None:
        self.link = link
        self.plug()

    def plug(self) -> None:
        master, slave = pty.openpty()
        tty.setraw(slave)
        new = self.link.with_suffix(".new")
        new.symlink_to(os.ttyname(slave))
        new.rename(self.link)
        os.close(slave)
        self.wire = Wire(master)

    def unplug(self) -> None:
        self.link.unlink()  # before its number is given to somebody else
        self.wire.close()

    @property
    def speed(self) -> int:
        return int(termios.tcgetattr(self.wire.fd)[5])


def test_unplugged_and_plugged_in_again(scene: Scene) -> None:
    device = Pluggable(scene.folder / "dev")
    server = serve(
        scene,
        f"serial:{device.link}:speed=19200",
        "--clients",
        "share",
        "--listen",
        "telnet:" + LOCAL,
        "--listen",
        "rfc2217:" + LOCAL,
    )
    raw, person, program = (connect(scene, port) for port in server.ports())
    program.send(b"\xff\xfb\x2c\xff\xfa\x2c\x01\x00\x00\x12\xc0\xff\xf0")
    program.expect(rb"\xff\xfa\x2c\x65\x00\x00\x12\xc0\xff\xf0")
    assert device.speed == termios.B4800
    raw.send(b"before")
    device.wire.expect(b"before")
    gone = time.monotonic()
    device.unplug()
    person.expect(rb"\[vmodem: the device is gone; waiting for it\]\r\n")
    assert time.monotonic() - gone < 1
    until(lambda: "is not there" in server.status["device"], "it is looked for")
    raw.send(b"dropped" * 10000)
    device.plug()
    back = time.monotonic()
    assert person.expect(rb"\[vmodem: the device is back\]\r\n").count(b"vmodem") == 1, "told once each"
    assert time.monotonic() - back < 2
    assert device.speed == termios.B4800, "set as it was last asked to be"
    device.wire.send(b"weight")
    for client in (raw, person, program):
        client.expect(b"weight")
    # In the middle of a write.
    writing = threading.Thread(target=raw.send, args=(random.Random(1).randbytes(1 << 19),))
    writing.start()
    until(lambda: server.status["waiting"], "the device does not keep up")
    device.unplug()
    writing.join()
    device.plug()
    person.expect(rb"\[vmodem: the device is back\]\r\n")
    raw.send(b"after")
    device.wire.expect(b"after")
    device.unplug()


# -- its operator ---


def test_status_trace_pulse_and_hangup(scene: Scene, far: Far) -> None:
    server = serve(
        scene,
        f"serial:{far.name}",
        *("--name", "plc", "--clients", "share", "--listen", "rfc2217:" + LOCAL),
        *("--pulse", "reset=+break 50 -break"),
    )
    assert "listening for clients on tcp 127.0.0.1" in server.log
    trace = scene.spawn(
        [sys.executable, "-m", "vmodem", "trace", "plc", "--state-dir", str(server.state)],
        stdout=subprocess.PIPE,
    )
    assert trace.stdout is not None
    follows = Wire(os.dup(trace.stdout.fileno()))
    scene.finally_(follows.close)
    raw = connect(scene, server.ports()[0])
    until(lambda: server.status["clients"], "a client")
    follows.expect(rb"<- \(9600 8N1\)\n")
    far.send(b"12.5 kg\r")
    follows.expect(rb"-> '12\.5 kg\\r'\n")
    raw.send(b"W\r\n")
    follows.expect(rb"<- 'W\\r\\n'\n")
    program = connect(scene, server.ports()[1])
    follows.expect(rb"<- \(127\.0\.0\.1:\d+ connected on rfc2217:tcp:0:interface=127\.0\.0\.1\)\n")
    program.send(b"\xff\xfb\x2c\xff\xfa\x2c\x01\x00\x00\x12\xc0\xff\xf0")
    follows.expect(rb"<- \(4800 8N1\)\n")
    assert server.ask("pulse", "plc", "reset") == "plc: reset has begun\n"
    follows.expect(rb"<- \(break\)\n")
    assert server.ask("pulse", "plc", "boot") == 'vmodem: plc has no pulse "boot"; it has: reset\n'
    status = server.status
    assert (status["state"], status["rate"], status["framing"]) == ("2 clients", 4800, "8N1")
    assert status["counters"]["sent"] == 3
    first = status["clients"][0]
    assert first["address"].startswith("127.0.0.1:")
    assert (first["received"], first["writes"]) == (3, True)
    assert "2 clients" in server.ask("status")
    assert server.ask("hangup", "plc") == "plc: hung up\n"
    raw.rest()
    program.rest()
    follows.expect(rb"<- \(9600 8N1\)\n")
    assert server.status["state"] == "free"
    trace.send_signal(signal.SIGINT)
    assert trace.wait(PATIENCE_S) == 130


def test_reload_leaves_unchanged_ports_alone(scene: Scene) -> None:
    devices = [Far(), Far()]
    for device in devices:
        scene.finally_(device.close)
    file = scene.folder / "vmodem.toml"
    one, two = (f'[port.{name}]\nline = "{far.name}"\n' for name, far in zip("ab", devices, strict=True))
    listen = f'listen = "{LOCAL}"\n'
    file.write_text(one + listen)
    server = Verb(scene, "run", "-c", str(file))

    def listening(at: int) -> int:
        found = until(
            lambda: re.findall(r"listening for clients on tcp 127\.0\.0\.1:(\d+)", server.log)[at:],
            "a listener",
        )
        return int(found[0])

    stays = connect(scene, listening(0))
    file.write_text(one + listen + two + listen)
    assert server.ask("reload") == "port b: new\n"
    other = connect(scene, listening(1))
    devices[1].send(b"new")
    other.expect(b"new")
    file.write_text(one + listen + two + listen + "clients = 7\n")
    assert "vmodem.toml:7: port.b.clients" in server.ask("reload")
    file.write_text(one + listen)
    assert server.ask("reload") == "port b: removed, as soon as nobody uses it\n"
    devices[0].send(b"still")
    stays.expect(b"still")
    devices[1].send(b"until it leaves")
    other.expect(b"until it leaves")


def test_ends_within_two_seconds_whatever_waits(scene: Scene, far: Far) -> None:
    server = serve(
        scene, f"serial:{far.name}", "--clients", "share", "--slow", "block", listen="rfc2217:" + LOCAL
    )
    clients = [connect(scene, server.ports()[0]) for _ in range(4)]
    for client in clients:
        client.send(b"\xff\xfb\x2c")
    for client in clients:
        assert client.send_what_fits(bytes(1 << 23)) < 1 << 23, "the device takes nothing"
    assert far.send_what_fits(bytes(1 << 25)) < 1 << 25, "nobody reads"
    assert server.resident < 1 << 27
    asked = time.monotonic()
    server.process.terminate()
    assert server.process.wait(PATIENCE_S) == 0
    assert time.monotonic() - asked < 2


# -- clients gone wrong ---

SB = b"\xff\xfa\x2c"
SE = b"\xff\xf0"
STORMS = {
    "a subnegotiation without end": SB + bytes(500_000),
    "settings": (SB + b"\x01" + (300).to_bytes(4, "big") + SE + SB + b"\x01\x00\x00\x04\xb0" + SE) * 5000,
    "negotiation": bytes(byte for at in range(50_000) for byte in (255, 253, at % 250)),
    "a change of mind": b"\xff\xfd\x00\xff\xfe\x00" * 20_000,
    "are you there": b"\xff\xf6" * 50_000,
    "breaks": b"\xff\xf3" * 20_000,
    "breaks on": (SB + b"\x05\x05" + SE) * 10_000,
    "signatures": (SB + b"\x00" + SE) * 10_000,
    "circuits": (SB + b"\x05\x08" + SE + SB + b"\x05\x09" + SE) * 5000,
    "polls": (SB + b"\x07" + SE) * 20_000,
    "purges": (SB + b"\x0c\x03" + SE) * 10_000,
    "nonsense": random.Random(1).randbytes(300_000),
}


@pytest.mark.parametrize("reads", [True, False])
def test_storms_leave_the_port_to_others(scene: Scene, far: Far, reads: bool) -> None:
    server = serve(scene, f"serial:{far.name}", "--clients", "share", listen="rfc2217:" + LOCAL)
    port = server.ports()[0]
    good = connect(scene, port)
    good.send(b"\xff\xfb\x2c\xff\xfd\x00\xff\xfb\x00")
    good.expect(rb"\xff\xfa\x2c\x6b")
    before = server.resident
    for name, storm in STORMS.items():
        with socket.create_connection(("127.0.0.1", port)) as bad:
            bad.setblocking(False)
            rest, limit = memoryview(storm), time.monotonic() + 1
            while rest and time.monotonic() < limit:
                readable, writable, _ = select.select([bad] if reads else [], [bad], [], 0.1)
                if readable:
                    bad.recv(65536)
                if writable:
                    with contextlib.suppress(BlockingIOError):
                        rest = rest[bad.send(rest) :]
        marker = f"[{name}]".encode()
        good.send(marker)
        far.expect(re.escape(marker))
        far.send(marker)
        good.expect(re.escape(marker))

        def left() -> bool:
            while far.pump(0.05):
                far.buffer.clear()
            return len(server.status["clients"]) == 1

        until(left, f"{name}: it has left")
    assert server.resident - before < 8 << 20
    good.send(SB + b"\x01" + (2400).to_bytes(4, "big") + SE)
    good.expect(re.escape(SB + b"\x65" + (2400).to_bytes(4, "big") + SE))
