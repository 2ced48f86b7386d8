"""Lines with circuits over the network: others' clients on ours, and ours on others' access servers."""

from __future__ import annotations

import os
import pty
import random
import socket
import subprocess
import sys
import threading
import time
import tty
from typing import Any

import pytest
import serial
import serial.rfc2217

from tests.helpers.process import ModemProcess, Scene, Wire, call, until
from tests.helpers.programs import need
from tests.helpers.servers import ser2net, sredird

pytestmark = [
    pytest.mark.interop,
    # pyserial's client starts its thread in the way of old.
    pytest.mark.filterwarnings("ignore:set(Daemon|Name).. is deprecated:DeprecationWarning"),
]

CTS, DSR, RI, DCD = 16, 32, 64, 128


class PySerial(serial.rfc2217.Serial):  # type: ignore[misc]
    """pyserial's client, writing down what comes in the order in which it comes."""

    def __init__(self, port: int, **settings: Any) -> None:
        #: Bytes, and circuits as numbers.
        self.trace: list[bytes | int] = []
        super().__init__(f"rfc2217://127.0.0.1:{port}", **{"timeout": 10, **settings})
        put = self._read_buffer.put

        def note(byte: bytes | None) -> None:
            if byte is not None and self.trace and isinstance(self.trace[-1], bytes):
                self.trace[-1] += byte
            elif byte is not None:
                self.trace.append(byte)
            put(byte)

        self._read_buffer.put = note

    def _telnet_process_subnegotiation(self, suboption: bytes) -> None:
        if suboption[:2] == b"\x2c\x6b":
            self.trace.append(suboption[2] & 0xF0)
        super()._telnet_process_subnegotiation(suboption)

    def control(self, value: bytes) -> None:
        """SET-CONTROL without waiting for the answer."""
        self.rfc2217_send_subnegotiation(serial.rfc2217.SET_CONTROL, value)

    def expect(self, text: bytes) -> bytes:
        got: bytes = self.read_until(text)
        assert got.endswith(text), got
        return got

    def command(self, text: bytes) -> bytes:
        self.write(text + b"\r")
        return self.expect(b"OK\r\n")


def line_port(modem: ModemProcess) -> int:
    """Where the modem's line listens."""
    return int(modem.log.rpartition(" on ")[2].split(":")[1])


def open_pyserial(scene: Scene, modem: ModemProcess, **settings: Any) -> PySerial:
    made = PySerial(line_port(modem), **settings)
    scene.finally_(made.close)
    return made


def spans(trace: list[bytes | int]) -> list[bytes | int]:
    """A trace without circuits told again."""
    out: list[bytes | int] = []
    state: int | None = None
    for item in trace:
        if isinstance(item, bytes):
            out.append(item)
        elif item != state:
            state = item
            out.append(item)
    return out


# -- pyserial ---


def test_pyserial_sees_a_call_by_its_circuits(scene: Scene) -> None:
    modem = scene.modem(line="rfc2217:0")
    dte = open_pyserial(scene, modem, baudrate=115200)
    assert (dte.cts, dte.dsr, dte.cd, dte.ri) == (True, True, False, False)
    dte.command(b"ATE0")
    del dte.trace[:]
    peer = scene.call(modem)
    dte.expect(b"RING\r\n")
    until(lambda: not dte.ri, "the first burst ends")
    dte.expect(b"RING\r\n")
    until(lambda: not dte.ri, "the second burst ends")
    on = CTS | DSR
    assert spans(dte.trace) == [on | RI, b"\r\nRING\r\n", on, on | RI, b"\r\nRING\r\n", on]
    del dte.trace[:]
    dte.write(b"ATA\r")
    dte.expect(b"CONNECT 115200\r\n")
    peer.send(bytes(range(256)))
    peer.finish()
    dte.expect(b"NO CARRIER\r\n")
    assert spans(dte.trace) == [
        on | DCD,
        b"\r\nCONNECT 115200\r\n" + bytes(range(256)),
        on,
        b"\r\nNO CARRIER\r\n",
    ]


def test_pyserial_hangs_up_with_dtr(scene: Scene) -> None:
    modem = scene.modem(line="rfc2217:0")
    dte = open_pyserial(scene, modem, baudrate=9600)
    dte.command(b"ATE0S25=100")  # a second: no machine is so busy that the first drop lasts longer
    host = scene.host()
    dte.write(b"ATDT" + host.number.encode() + b"\r")
    dte.expect(b"CONNECT 9600\r\n")
    peer = host.answer()
    dte.control(serial.rfc2217.SET_CONTROL_DTR_OFF)
    time.sleep(0.1)
    dte.control(serial.rfc2217.SET_CONTROL_DTR_ON)
    peer.send("still here")
    dte.expect(b"still here")
    assert dte.cd
    dte.control(serial.rfc2217.SET_CONTROL_DTR_OFF)
    dte.expect(b"NO CARRIER\r\n")
    assert not dte.cd
    assert peer.rest() == b""
    dte.control(serial.rfc2217.SET_CONTROL_DTR_ON)
    # Closing the port is a hang-up, too.
    dte.write(b"ATDT" + host.number.encode() + b"\r")
    dte.expect(b"CONNECT 9600\r\n")
    peer = host.answer()
    dte.close()
    assert peer.rest() == b""


def test_pyserial_changes_speed_and_framing(scene: Scene) -> None:
    modem = scene.modem(line="rfc2217:0")
    dte = open_pyserial(scene, modem, baudrate=1200, bytesize=7, parity="E", stopbits=1.5, rtscts=True)
    host = scene.host()
    for rate, word in ((1200, b"CONNECT 1200\r\n"), (57600, b"CONNECT 57600\r\n")):
        dte.baudrate = rate
        dte.write(b"ATDT" + host.number.encode() + b"\r")
        dte.expect(word)
        host.answer().finish()
        dte.expect(b"NO CARRIER\r\n")
    dte.stopbits, dte.parity, dte.bytesize = 2, "M", 8
    dte.rtscts, dte.xonxoff = False, True
    dte.rts = False
    dte.send_break(0.05)
    assert dte.command(b"AT")


def test_pyserial_carries_a_quarter_of_a_megabyte_each_way(scene: Scene) -> None:
    modem = scene.modem(line="rfc2217:0")
    dte = open_pyserial(scene, modem, timeout=60)
    host = scene.host()
    dte.write(b"ATE0DT" + host.number.encode() + b"\r")
    dte.expect(b"CONNECT 9600\r\n")
    peer = host.answer()
    # It takes bytes singly: more would take minutes and show nothing else.
    down, up = random.Random(1).randbytes(1 << 18), random.Random(2).randbytes(1 << 18)
    both = [threading.Thread(target=dte.write, args=(up,)), threading.Thread(target=peer.send, args=(down,))]
    for thread in both:
        thread.start()
    got_down: list[bytes] = []
    reading = threading.Thread(target=lambda: got_down.append(dte.read(len(down))))
    reading.start()
    assert peer.take(len(up), timeout=60) == up
    for thread in (*both, reading):
        thread.join(60)
    assert got_down == [down]


# -- other clients ---


def test_kermit(scene: Scene) -> None:
    need("kermit")
    modem = scene.modem(line="rfc2217:0")
    script = (
        "set telopt com-port required, set host 127.0.0.1 {port} /telnet, set carrier-watch off, "
        "set speed 19200, lineout ATE1, input 5 OK, if fail exit 3, lineout ATDT101, "
        "input 5 CONNECT 19200, if fail exit 4, exit 0"
    )
    command = ["kermit", "-H", "-Y", "-C", script.format(port=line_port(modem))]
    kermit = scene.spawn(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said, _ = kermit.communicate(timeout=30)
    assert kermit.returncode == 0, said


@pytest.mark.parametrize("program", ["microcom", "telnet", "socat"])
def test_terminal_programs(scene: Scene, program: str) -> None:
    need(program)
    modem = scene.modem(line="rfc2217:0")
    port = line_port(modem)
    commands = {
        "microcom": ["microcom", "-t", f"127.0.0.1:{port}", "-s", "9600"],
        "telnet": ["telnet", "-8", "127.0.0.1", str(port)],
        "socat": ["socat", "STDIO,raw,echo=0", f"TCP:127.0.0.1:{port}"],
    }
    master, slave = pty.openpty()
    tty.setraw(slave)
    terminal = Wire(master)
    scene.finally_(terminal.close)
    scene.spawn(commands[program], stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    if program != "socat":
        terminal.expect(r"(?i)escape char")
    until(lambda: _answers(terminal), "the program carries what is typed")
    terminal.send("ATI3\r")
    terminal.expect(r"ATI3\r.*\r\nOK\r\n")
    terminal.send("ATDT101\r")
    terminal.expect(r"\r\nCONNECT[^\r]*\r\n")
    terminal.expect(r"\r\nNO CARRIER\r\n")


def test_ser2net_as_client(scene: Scene) -> None:
    """It agrees on RFC 2217 and never mentions DTR."""
    modem = scene.modem(line="rfc2217:0")
    port = ser2net(scene, "tcp", f"telnet(rfc2217),tcp,127.0.0.1,{line_port(modem)}")
    dte = call(port)
    scene.finally_(dte.close)
    dte.send("ATE0S0=1\r")
    dte.expect(r"OK\r\n")
    peer = scene.call(modem)
    dte.expect(r"\r\nCONNECT [0-9]+\r\n")
    down, up = random.Random(1).randbytes(1 << 20), random.Random(2).randbytes(1 << 20)
    _exchange(dte, peer, down, up)
    dte.close()
    assert peer.rest() == b""


def test_gensiot(scene: Scene) -> None:
    (program,) = need("gensiot")
    modem = scene.modem(line="rfc2217:0")
    ours, theirs = socket.socketpair()
    with theirs:
        connector = f"telnet(rfc2217),tcp,127.0.0.1,{line_port(modem)}"
        scene.spawn([program, connector], stdin=theirs, stdout=theirs)
    dte = Wire(ours.detach())
    scene.finally_(dte.close)
    host = scene.host()
    dte.send(f"ATE0DT{host.number}\r")
    dte.expect(r"\r\nCONNECT [0-9]+\r\n")
    peer = host.answer()
    down, up = random.Random(1).randbytes(1 << 20), random.Random(2).randbytes(1 << 20)
    _exchange(dte, peer, down, up)
    peer.finish()
    dte.expect(r"\r\nNO CARRIER\r\n")


# -- our client ---


def test_remote_line_on_ser2net(scene: Scene) -> None:
    master, slave = pty.openpty()
    tty.setraw(slave)
    scene.finally_(lambda: os.close(slave))
    dte = Wire(master)
    scene.finally_(dte.close)
    port = ser2net(scene, "telnet(rfc2217),tcp", f"serialdev,{os.ttyname(slave)},9600n81,local")
    modem = scene.modem(line=f"remote:127.0.0.1:{port}:speed=19200:bits=8")
    until(lambda: _answers(dte), "the modem at the far port answers")
    dte.send("ATE0\r")
    dte.expect(r"OK\r\n")
    host = scene.host()
    dte.send(f"ATDT{host.number}\r")
    dte.expect(r"\r\nCONNECT 19200\r\n")
    peer = host.answer()
    down, up = random.Random(1).randbytes(1 << 20), random.Random(2).randbytes(1 << 20)
    _exchange(dte, peer, down, up)
    peer.finish()
    dte.expect(r"\r\nNO CARRIER\r\n")
    assert "Traceback" not in modem.log


def test_remote_line_on_sredird(scene: Scene) -> None:
    """A server that sends commands in pieces, and answers circuits with what they are not."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    scene.finally_(lambda: os.close(slave))
    dte = Wire(master)
    scene.finally_(dte.close)
    port = sredird(scene, os.ttyname(slave))
    # On a device without circuits it tells noise, so DTR is not to be believed.
    scene.modem(line=f"remote:127.0.0.1:{port}:speed=4800:dtr-in=on")
    until(lambda: _answers(dte), "the modem at the far port answers")
    dte.send("ATE0\r")
    dte.expect(r"OK\r\n")
    host = scene.host()
    dte.send(f"ATDT{host.number}\r")
    dte.expect(r"\r\nCONNECT 4800\r\n")
    peer = host.answer()
    data = random.Random(3).randbytes(65536)
    peer.send(data)
    assert dte.take(len(data)) == data
    # What comes to it more quickly than it can send on, it loses.
    for at in range(0, len(data), 1024):
        dte.send(data[at : at + 1024])
        assert peer.take(1024) == data[at : at + 1024]


def test_pyserial_access_server(scene: Scene) -> None:
    """pyserial's own server class, on a pseudo-terminal: another mind about most of RFC 2217."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    scene.finally_(lambda: os.close(slave))
    dte = Wire(master)
    scene.finally_(dte.close)
    server = scene.spawn(
        [sys.executable, "-W", "ignore", "-c", PYSERIAL_SERVER, os.ttyname(slave)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    assert server.stdout is not None
    port = int(server.stdout.readline())
    scene.modem(line=f"remote:127.0.0.1:{port}:speed=2400")
    until(lambda: _answers(dte), "the modem at the far port answers")
    dte.send("ATE0\r")
    dte.expect(r"OK\r\n")
    host = scene.host()
    dte.send(f"ATDT{host.number}\r")
    dte.expect(r"\r\nCONNECT 2400\r\n")
    peer = host.answer()
    peer.send(bytes(range(256)))
    assert dte.take(256) == bytes(range(256))


PYSERIAL_SERVER = """
import socket, sys, threading
import serial, serial.rfc2217

class Port(serial.Serial):
    cts = dsr = cd = True
    ri = False
    dtr = rts = property(lambda self: False, lambda self, on: None)

class Link:
    def __init__(self, sock): self.sock = sock
    def write(self, data): self.sock.sendall(data)

port = Port(sys.argv[1], timeout=0.05)
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
sock, _ = listener.accept()
manager = serial.rfc2217.PortManager(port, Link(sock))

def up():
    while True:
        data = port.read(1) + port.read(port.in_waiting)
        if data:
            sock.sendall(b"".join(manager.escape(data)))

threading.Thread(target=up, daemon=True).start()
while data := sock.recv(4096):
    port.write(b"".join(manager.filter(data)))
"""


def _answers(dte: Wire) -> bool:
    dte.send("AT\r")
    dte.pump(0.2)
    answered = b"OK\r\n" in dte.buffer
    while dte.pump(0.2):
        pass
    if answered:
        dte.buffer.clear()
    return answered


def _exchange(one: Wire, other: Wire, to_one: bytes, to_other: bytes) -> None:
    """Send both ways at once, and take all of it."""
    senders = [
        threading.Thread(target=one.send, args=(to_other, 60)),
        threading.Thread(target=other.send, args=(to_one, 60)),
    ]
    got: dict[Wire, bytes] = {}
    takers = [
        threading.Thread(target=_take, args=(one, len(to_one), got)),
        threading.Thread(target=_take, args=(other, len(to_other), got)),
    ]
    for thread in (*senders, *takers):
        thread.start()
    for thread in (*senders, *takers):
        thread.join(90)
    assert got[one] == to_one
    assert got[other] == to_other


def _take(end: Wire, count: int, got: dict[Wire, bytes]) -> None:
    got[end] = end.take(count, 60)
