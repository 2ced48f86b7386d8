"""Calls by telnet and RFC 2217 with programs that others wrote: every byte, both ways, in both roles."""

from __future__ import annotations

import contextlib
import os
import pty
import random
import re
import socket
import subprocess
import sys
import termios
import threading
import tty
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import serial
import serial.rfc2217

from tests.helpers.ends import Watching
from tests.helpers.process import Scene
from tests.helpers.programs import need
from tests.helpers.reactors import Reactor
from tests.helpers.servers import ser2net
from vmodem.net.incoming.accept import Acceptor
from vmodem.net.options import tune
from vmodem.net.stream import Ending, FdStream, Stream
from vmodem.net.telnet.comport import PortWishes, Rfc2217Stream
from vmodem.net.telnet.stream import Role, TelnetSettings, TelnetStream
from vmodem.wire.comport import FLOW_HARDWARE, Parity, PortSettings, Stop

pytestmark = [
    pytest.mark.interop,
    # pyserial's client starts its thread in the way of old.
    pytest.mark.filterwarnings("ignore:set(Daemon|Name).. is deprecated:DeprecationWarning"),
]

ALL = bytes(range(256))
PATIENCE_S = 30.0


class Sides:
    """Our ends of connections, and whatever else lives on the reactor."""

    def __init__(self, reactor: Reactor) -> None:
        self.reactor = reactor
        self.streams: list[Stream] = []
        self.acceptors: list[Acceptor] = []

    def on(self, sock: socket.socket, peer: str = "peer") -> FdStream:
        sock.setblocking(False)
        tune(sock)
        return FdStream(self.reactor, sock.fileno(), owner=sock, peer=peer)

    def client(self, port: int, kind: type[TelnetStream] = TelnetStream, **more: Any) -> Any:
        stream = kind(
            self.reactor, self.on(socket.create_connection(("127.0.0.1", port))), Role.CLIENT, **more
        )
        self.streams.append(stream)
        return stream

    def over(self, sock: socket.socket, role: Role, **settings: Any) -> TelnetStream:
        stream = TelnetStream(self.reactor, self.on(sock), role, TelnetSettings(**settings))
        self.streams.append(stream)
        return stream

    def serve(self, accepted: Callable[[Any], Any], kind: type[TelnetStream] = TelnetStream) -> int:
        """Listen; returns the port."""

        def take(sock: socket.socket, address: Any) -> None:
            stream = kind(self.reactor, self.on(sock), Role.SERVER)
            self.streams.append(stream)
            accepted(stream)

        acceptor = Acceptor(self.reactor, socket.create_server(("127.0.0.1", 0)), take)
        self.acceptors.append(acceptor)
        acceptor.start()
        return int(acceptor.address[1])

    def close(self) -> None:
        for acceptor in self.acceptors:
            acceptor.stop()
        for stream in self.streams:
            stream.abort()


@pytest.fixture
def sides(reactor: Reactor) -> Iterator[Sides]:
    made = Sides(reactor)
    yield made
    made.close()


class Joint:
    """Joins two streams, holding up each side while the other takes nothing."""

    def __init__(self, one: Stream, other: Stream) -> None:
        self.ended: list[Ending] = []
        for near, far in ((one, other), (other, one)):
            near.start(_Half(self, near, far))


class _Half:
    def __init__(self, joint: Joint, near: Stream, far: Stream) -> None:
        self.joint, self.near, self.far = joint, near, far
        self.data_received = far.write

    def write_blocked(self) -> None:
        self.far.pause()

    def write_drained(self) -> None:
        self.far.resume()

    def stream_ended(self, ending: Ending) -> None:
        self.joint.ended.append(ending)
        self.far.close(PATIENCE_S)


class Echo(Watching):
    """Sends back what it gets."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        super().__init__(stream)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.stream.write(data)

    def write_blocked(self) -> None:
        super().write_blocked()
        self.stream.pause()

    def write_drained(self) -> None:
        super().write_drained()
        self.stream.resume()


def write_in_pieces(reactor: Reactor, stream: Stream, user: Watching, text: bytes, seed: int) -> None:
    """Write it in chunks of any size, as the other side takes it."""
    dice, at = random.Random(seed), 0
    while at < len(text):
        size = dice.choice((1, 2, 3, 17, 100, 1000))
        stream.write(text[at : at + size])
        at += size
        if dice.random() < 0.02:
            reactor.run_for(0.001)
        if user.blocked:
            reactor.until(lambda: not user.blocked, PATIENCE_S)


def echoes(reactor: Reactor, stream: Stream, user: Watching, text: bytes, seed: int = 1) -> None:
    """What is written comes back, byte for byte."""
    del user.data[:]
    write_in_pieces(reactor, stream, user, text, seed)
    with contextlib.suppress(pytest.fail.Exception):  # what there is says more than that something is missing
        reactor.until(lambda: len(user.data) >= len(text), PATIENCE_S)
    reactor.run_for(0.05)
    assert len(user.data) == len(text)
    assert bytes(user.data) == text


# -- our own -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [TelnetStream, Rfc2217Stream])
def test_our_client_and_our_server(sides: Sides, reactor: Reactor, kind: type[TelnetStream]) -> None:
    port = sides.serve(Echo, kind)
    stream = sides.client(port, kind)
    user = Watching(stream)
    echoes(reactor, stream, user, ALL * 3 + b"\r\0\r\n\xff\xff\r")
    echoes(reactor, stream, user, random.Random(2).randbytes(300_000))


# -- telnetd -------------------------------------------------------------------------------------------------


def telnetd(scene: Scene, sides: Sides, script: str, **settings: Any) -> TelnetStream:
    """Our end of a session in which ``script`` takes the place of login."""
    (program,) = need("telnetd")
    login = scene.folder / "login"
    login.write_text(f"#!{sys.executable}\n{script}")
    login.chmod(0o755)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        theirs, _ = listener.accept()
    with theirs:
        scene.spawn([program, "-h", "-E", str(login)], stdin=theirs, stdout=theirs, stderr=subprocess.DEVNULL)
    return sides.over(ours, Role.CLIENT, **settings)


RAW_ECHO = """
import os, tty
tty.setraw(0)
os.write(1, b"READY")
while data := os.read(0, 65536):
    while data:
        data = data[os.write(1, data):]
"""


def test_every_byte_through_telnetd(scene: Scene, sides: Sides, reactor: Reactor) -> None:
    stream = telnetd(scene, sides, RAW_ECHO)
    user = Watching(stream)
    reactor.until(lambda: b"READY" in user.data)
    echoes(reactor, stream, user, ALL)
    echoes(reactor, stream, user, random.Random(3).randbytes(100_000))


def test_telnetd_learns_terminal_speed_and_size(scene: Scene, sides: Sides, reactor: Reactor) -> None:
    script = "import os; os.system('echo $TERM; stty speed; stty size; echo DONE; cat')"
    stream = telnetd(scene, sides, script, terminal="VT220", rate=2400, columns=132, rows=43)
    user = Watching(stream)
    reactor.until(lambda: b"DONE" in user.data)
    assert re.search(rb"(?i)vt220\r\n2400\r\n43 132\r\nDONE", user.data), bytes(user.data)


def zmodem_script(command: Sequence[str]) -> str:
    return f"import subprocess, time, tty; tty.setraw(0); subprocess.run({list(command)!r}); time.sleep(0.5)"


def test_zmodem_from_and_to_telnetd(scene: Scene, sides: Sides, reactor: Reactor) -> None:
    sz, rz = need("sz", "rz")
    text = ALL * 100 + random.Random(4).randbytes(100_000)
    source = scene.folder / "file.bin"
    source.write_bytes(text)
    for name, there, here in (
        ("down", [sz, "-q", str(source)], [rz, "-q", "-y"]),
        ("up", [rz, "-q", "-y"], [sz, "-q", str(source)]),
    ):
        folder = scene.folder / name
        folder.mkdir()
        script = f"import os; os.chdir({str(folder)!r})\n" + zmodem_script(there)
        # telnetd may swallow the "OO" after everything, when sz flushes its terminal before it leaves: then
        # rz waits for the end of the call, and is not content.
        transfer(scene, sides, reactor, telnetd(scene, sides, script), here, folder, content=name == "up")
        got = folder / "file.bin"
        reactor.until(partial(whole, got, len(text)), what=f"all of {name}")
        assert got.read_bytes() == text


def whole(file: Path, size: int) -> bool:
    return file.exists() and file.stat().st_size == size


def transfer(
    scene: Scene,
    sides: Sides,
    reactor: Reactor,
    stream: Stream,
    command: Sequence[str],
    folder: Path,
    content: bool = True,
) -> None:
    """Join a transfer program to a stream; returns when it has ended, in order unless not ``content``."""
    process = join(scene, sides, stream, command, folder)
    reactor.until(lambda: process.poll() is not None, PATIENCE_S, f"{command[0]} ends")
    assert process.returncode == 0 or not content
    reactor.run_for(0.2)


def join(
    scene: Scene, sides: Sides, stream: Stream, command: Sequence[str], folder: Path
) -> subprocess.Popen[bytes]:
    """Give a program our side of a stream as its terminal."""
    ours, theirs = socket.socketpair()
    with theirs:
        process = scene.spawn(command, stdin=theirs, stdout=theirs, stderr=subprocess.DEVNULL, cwd=folder)
    near = sides.on(ours)
    sides.streams.append(near)
    Joint(near, stream)
    return process


@pytest.mark.parametrize("caller_sends", [True, False])
def test_zmodem_over_our_own_telnet(scene: Scene, sides: Sides, reactor: Reactor, caller_sends: bool) -> None:
    sz, rz = need("sz", "rz")
    text = ALL * 100 + random.Random(5).randbytes(200_000)
    source = scene.folder / "file.bin"
    source.write_bytes(text)
    folder = scene.folder / "got"
    folder.mkdir()
    send, receive = [sz, "-q", str(source)], [rz, "-q", "-y"]
    there: list[subprocess.Popen[bytes]] = []
    command = receive if caller_sends else send
    port = sides.serve(lambda stream: there.append(join(scene, sides, stream, command, folder)))
    transfer(scene, sides, reactor, sides.client(port), send if caller_sends else receive, folder)
    reactor.until(lambda: there[0].poll() is not None, PATIENCE_S)
    assert there[0].returncode == 0
    assert (folder / "file.bin").read_bytes() == text


# -- ser2net -------------------------------------------------------------------------------------------------


def test_every_byte_through_ser2net(scene: Scene, sides: Sides, reactor: Reactor) -> None:
    stream = sides.client(ser2net(scene, "telnet,tcp", "echo"))
    user = Watching(stream)
    echoes(reactor, stream, user, ALL + b"\r\0\r\n\r")
    echoes(reactor, stream, user, random.Random(6).randbytes(100_000))


def test_ser2net_calls_us(scene: Scene, sides: Sides, reactor: Reactor) -> None:
    """It is a client of our server, and we are a raw client of it."""
    port = sides.serve(Echo)
    raw = sides.on(
        socket.create_connection(("127.0.0.1", ser2net(scene, "tcp", f"telnet,tcp,127.0.0.1,{port}")))
    )
    sides.streams.append(raw)
    user = Watching(raw)
    echoes(reactor, raw, user, ALL)
    echoes(reactor, raw, user, random.Random(7).randbytes(100_000))


def test_a_port_of_ser2net(scene: Scene, sides: Sides, reactor: Reactor) -> None:
    """Its port is a pseudo-terminal: bytes, the settings asked for, and that it has no inputs."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    scene.finally_(lambda: os.close(slave))
    os.set_blocking(master, False)
    far = FdStream(reactor, master)
    sides.streams.append(far)
    port = ser2net(scene, "telnet(rfc2217),tcp", f"serialdev,{os.ttyname(slave)},9600n81,local")
    stream = sides.client(port, Rfc2217Stream, wishes=PortWishes(rate=19200))
    user = Watching(stream)
    reactor.until(lambda: stream.agreed)
    Echo(far)
    echoes(reactor, stream, user, ALL)
    echoes(reactor, stream, user, random.Random(8).randbytes(20_000))
    assert termios.tcgetattr(slave)[5] == termios.B19200
    stream.send_break(0.1, False)
    echoes(reactor, stream, user, b"after a break")


# -- others' clients -----------------------------------------------------------------------------------------


class Terminal:
    """A program on a pseudo-terminal of its own, read on our reactor."""

    def __init__(self, scene: Scene, sides: Sides, command: Sequence[str]) -> None:
        master, slave = pty.openpty()
        self.process = scene.spawn(
            command, stdin=slave, stdout=slave, stderr=slave, cwd=scene.folder, start_new_session=True
        )
        os.close(slave)
        os.set_blocking(master, False)
        self.stream = FdStream(sides.reactor, master)
        sides.streams.append(self.stream)
        self.user = Watching(self.stream)
        self.reactor = sides.reactor

    def type(self, text: bytes) -> None:
        self.stream.write(text)

    def expect(self, text: bytes, times: int = 1) -> None:
        """Wait until it is on the screen, so many times."""
        with contextlib.suppress(pytest.fail.Exception):
            self.reactor.until(lambda: self.user.data.count(text) >= times)
        assert bytes(self.user.data).count(text) >= times, bytes(self.user.data)


def test_the_telnet_program_calls_us(scene: Scene, sides: Sides, reactor: Reactor) -> None:
    (program,) = need("telnet")
    users: list[Echo] = []
    port = sides.serve(lambda stream: users.append(Echo(stream)))
    terminal = Terminal(scene, sides, [program, "127.0.0.1", str(port)])
    terminal.expect(b"Escape character")
    reactor.run_for(0.2)  # it agrees on what it was asked for
    terminal.type(b"hello\r")
    terminal.expect(b"hello\r")
    assert users[0].data == b"hello\r"
    keys = bytes(code for code in range(128, 255))
    terminal.type(keys)
    terminal.expect(keys)
    terminal.type(b"\x1d")
    terminal.expect(b"telnet> ")
    terminal.type(b"send brk\r")
    reactor.until(lambda: "break" in users[0].story, what="a break")
    terminal.type(b"\x1d")
    terminal.expect(b"telnet> ", 2)
    terminal.type(b"send ayt\r")
    terminal.expect(b"[vmodem: yes]")
    terminal.type(b"\x1d")
    terminal.expect(b"telnet> ", 3)
    terminal.type(b"send synch\r")
    reactor.run_for(0.1)
    terminal.type(b"after synch\r")
    terminal.expect(b"after synch\r")
    assert bytes(users[0].data) == b"hello\r" + keys + b"after synch\r"
    terminal.type(b"\x1d")
    terminal.expect(b"telnet> ", 4)
    terminal.type(b"quit\r")
    reactor.until(lambda: users[0].endings)


def test_the_telnet_program_in_a_pipe(scene: Scene, sides: Sides, reactor: Reactor) -> None:
    """It sends before it has read a word of ours: by the rules for that, and understood by them."""
    (program,) = need("telnet")
    users: list[Watching] = []
    port = sides.serve(lambda stream: users.append(Watching(stream)))
    process = scene.spawn(
        [program, "127.0.0.1", str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin is not None
    process.stdin.write(b"AT\rATZ\r")
    process.stdin.flush()
    reactor.until(lambda: users and len(users[0].data) >= 7)
    reactor.run_for(0.1)
    assert users[0].data == b"AT\rATZ\r"


def test_microcom_calls_us(scene: Scene, sides: Sides, reactor: Reactor) -> None:
    (program,) = need("microcom")
    users: list[Echo] = []
    port = sides.serve(lambda stream: users.append(Echo(stream)))
    terminal = Terminal(scene, sides, [program, "-t", f"127.0.0.1:{port}"])
    reactor.until(lambda: users, what="microcom connects")
    reactor.run_for(0.3)
    terminal.type(b"hello\rworld\r")
    terminal.expect(b"hello\rworld\r")
    assert users[0].data == b"hello\rworld\r"


def in_thread(reactor: Reactor, work: Callable[[], Any]) -> Any:
    """Do something that blocks while the reactor turns."""
    results: list[Any] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as exc:
            errors.append(exc)

    thread = threading.Thread(target=run)
    thread.start()
    reactor.until(lambda: not thread.is_alive(), PATIENCE_S)
    if errors:
        raise errors[0]
    return results[0]


def test_pyserial_calls_us(sides: Sides, reactor: Reactor) -> None:
    users: list[Echo] = []
    port = sides.serve(lambda stream: users.append(Echo(stream)), Rfc2217Stream)
    text = ALL + random.Random(9).randbytes(50_000)

    def work() -> Any:
        with serial.rfc2217.Serial(
            f"rfc2217://127.0.0.1:{port}", 115200, 7, "E", 2, timeout=20, rtscts=True
        ) as one:
            seen = (one.cts, one.dsr, one.cd, one.ri)
            one.write(text)
            got = one.read(len(text))
            one.send_break(0.05)
            one.baudrate = 12345
            one.write(b"end")
            return seen, got, one.read(3)

    seen, got, end = in_thread(reactor, work)
    assert seen == (True, True, True, False)
    assert got == text
    assert end == b"end"
    assert users[0].story == [text, "break", b"end"]
    stream: Any = users[0].stream
    assert stream.port_settings == PortSettings(12345, 7, Parity.EVEN, Stop.TWO, FLOW_HARDWARE, 16)
