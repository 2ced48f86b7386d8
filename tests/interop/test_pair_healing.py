"""Two vmodems, a cable between two network namespaces, and somebody who unplugs it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import re
import select
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.certificates import Certificates, certificates
from tests.helpers.process import Dte, Scene, environment, until
from tests.helpers.programs import need

__all__ = ["certificates"]

pytestmark = pytest.mark.interop

CALLER, CALLED = "10.213.78.1", "10.213.78.2"
PORT = 8001


class Modem:
    """``vmodem run`` with one modem, perhaps in a namespace."""

    def __init__(self, folder: Path, name: str, table: str, prefix: tuple[str, ...] = ()) -> None:
        self.link = folder / name
        self._log = folder / f"{name}.log"
        file = folder / f"{name}.toml"
        file.write_text(f'[modem.{name}]\nline = "pty:{self.link}"\n{table}')
        command = [*prefix, sys.executable, "-m", "vmodem", "run", "-c", str(file)]
        with open(self._log, "wb") as log:
            self._process = subprocess.Popen(
                [*command, "--state-dir", str(folder / "state")],
                cwd=folder,
                env=environment(folder),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        until(lambda: "vmodem: ready" in self.log or self._process.poll() is not None, "vmodem: ready")
        assert self._process.poll() is None, self.log

    @property
    def log(self) -> str:
        return self._log.read_bytes().decode("utf-8", "replace")

    @property
    def port(self) -> int:
        found = re.search(r"127\.0\.0\.1:(\d+)", self.log)
        assert found, self.log
        return int(found[1])

    def dispose(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert "Traceback" not in self.log, self.log
        assert " critical " not in self.log, self.log


class Cable:
    """Two network namespaces, and what goes between them."""

    def __init__(self) -> None:
        (self._ip,) = need("ip")
        if os.geteuid():
            pytest.skip("needs root, for network namespaces of its own")
        self.here, self.there = f"vmodem-c{os.getpid()}", f"vmodem-d{os.getpid()}"

    def wire(self) -> None:
        for space in (self.here, self.there):
            self._run("netns", "add", space)
        ends = ("netns", self.here, "type", "veth", "peer", "name", "cable", "netns", self.there)
        self._run("link", "add", "cable", *ends)
        for space, address in ((self.here, CALLER), (self.there, CALLED)):
            self._run("-n", space, "address", "add", f"{address}/30", "dev", "cable")
            self._run("-n", space, "link", "set", "cable", "up")
            self._run("-n", space, "link", "set", "lo", "up")

    def cut(self) -> None:
        """Whatever is sent is lost, and nobody is told."""
        for space, there in ((self.here, CALLED), (self.there, CALLER)):
            self._run("-n", space, "route", "add", "blackhole", f"{there}/32")

    def mend(self) -> None:
        for space, there in ((self.here, CALLED), (self.there, CALLER)):
            self._run("-n", space, "route", "del", "blackhole", f"{there}/32")

    def unplug(self) -> None:
        """The interface itself goes down."""
        self._run("-n", self.here, "link", "set", "cable", "down")

    def plug(self) -> None:
        self._run("-n", self.here, "link", "set", "cable", "up")

    def remove(self) -> None:
        for space in (self.here, self.there):
            subprocess.run([self._ip, "netns", "del", space], capture_output=True)

    def _run(self, *arguments: str) -> None:
        done = subprocess.run([self._ip, *arguments], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"no network namespaces here: {done.stderr.strip()}")


@pytest.fixture
def cable() -> Iterator[Cable]:
    made = Cable()
    try:
        made.wire()
        yield made
    finally:
        made.remove()


class Call:
    """The terminal equipment of both, in a call through the cable."""

    def __init__(self, scene: Scene, cable: Cable, s10: int) -> None:
        common = f'pair_secret = "between us"\ninit = "S10={s10}"\n'
        inside = ("ip", "netns", "exec")
        called = Modem(
            scene.folder,
            "called",
            f'answer = ["tcp:{PORT}:interface={CALLED}"]\npair = ["{CALLER}"]\n{common}',
            (*inside, cable.there),
        )
        scene.finally_(called.dispose)
        caller = Modem(
            scene.folder, "caller", f'answer = []\npair = ["{CALLED}"]\n{common}', (*inside, cable.here)
        )
        scene.finally_(caller.dispose)
        self.logs = lambda: f"caller:\n{caller.log}\ncalled:\n{called.log}"
        self.near, self.far = scene.dte(caller.link, "AT"), scene.dte(called.link, "ATS0=1")
        self.near.connect(f"{CALLED}:{PORT}", 15)
        self.far.expect("CONNECT 115200\r\n")


class Flow:
    """Bytes that one end sends at a modest pace while the other end reads; both ways at once."""

    def __init__(self, near: Dte, far: Dte) -> None:
        self._stop = threading.Event()
        self.sent = {id(near): bytearray(), id(far): bytearray()}
        self._ends = (near, far)
        self._threads = [threading.Thread(target=self._run, args=(end,), daemon=True) for end in self._ends]
        for thread in self._threads:
            thread.start()

    def _run(self, end: Dte) -> None:
        data = random.Random(id(end))
        waiting = b""
        while not self._stop.is_set() or waiting:
            if not waiting and not self._stop.is_set():
                waiting = data.randbytes(2000)
                self.sent[id(end)] += waiting
            with contextlib.suppress(BlockingIOError):
                waiting = waiting[os.write(end.fd, waiting) :]
            end.pump(0.02)

    def finish(self) -> None:
        """Stop sending; both ends have read everything when this returns, or the test has failed."""
        self._stop.set()
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive()
        near, far = self._ends
        for end, other in ((near, far), (far, near)):
            expected = bytes(self.sent[id(other)])
            got = end.take(len(expected), 30)
            assert hashlib.sha256(got).digest() == hashlib.sha256(expected).digest()


@pytest.mark.machine
@pytest.mark.slow
@pytest.mark.parametrize("way", ["cut", "unplug"])
def test_drop_shorter_than_s10_is_healed(scene: Scene, cable: Cable, way: str) -> None:
    """No NO CARRIER at either end, and the same bytes: with data both ways, then idle."""
    call = Call(scene, cable, s10=120)
    broken, mended = (cable.cut, cable.mend) if way == "cut" else (cable.unplug, cable.plug)
    flow = Flow(call.near, call.far)
    time.sleep(1)
    broken()
    time.sleep(8)
    mended()
    time.sleep(6)
    flow.finish()
    broken()
    time.sleep(8)
    mended()
    time.sleep(5)
    call.near.silent(0.3)
    call.far.silent(0.3)
    call.near.send("still here")
    call.far.expect("^still here$")
    assert call.logs().count("the call goes on for") >= 2, call.logs()


@pytest.mark.machine
@pytest.mark.slow
def test_drop_longer_than_s10_is_one_no_carrier(scene: Scene, cable: Cable) -> None:
    call = Call(scene, cable, s10=20)
    cable.cut()
    cut_at = time.monotonic()
    for end in (call.near, call.far):
        end.expect("^\r\nNO CARRIER\r\n$", 20)
    assert 2.0 <= time.monotonic() - cut_at <= 9.0
    cable.mend()
    for end in (call.near, call.far):
        end.silent(3)
        assert end.command("AT") == b"\r\nOK\r\n"


class Relay:
    """Somebody on the way between two on this machine, who forgets their connection when told to."""

    def __init__(self, port: int) -> None:
        self._there = ("127.0.0.1", port)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self._other: dict[socket.socket, socket.socket] = {}
        self._forget = self._over = False
        self.carried = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def forget(self) -> None:
        """Reset whatever there is."""
        self._forget = True
        until(lambda: not self._forget, "the relay forgets")

    def close(self) -> None:
        self._over = True
        self._thread.join(5)
        self._listening.close()

    def _run(self) -> None:
        while not self._over:
            for sock in select.select([self._listening, *self._other], [], [], 0.05)[0]:
                if sock is self._listening:
                    near, _ = self._listening.accept()
                    far = socket.create_connection(self._there)
                    self._other |= {near: far, far: near}
                elif sock in self._other:
                    self._carry(sock)
            if self._forget:
                for sock in list(self._other):
                    self._end(sock, reset=True)
                self._forget = False
        for sock in list(self._other):
            self._end(sock)

    def _carry(self, sock: socket.socket) -> None:
        try:
            data = sock.recv(65536)
            self._other[sock].sendall(data)
        except OSError:
            data = b""
        self.carried += len(data)
        if not data:
            self._end(self._other[sock])
            self._end(sock)

    def _end(self, sock: socket.socket, reset: bool = False) -> None:
        self._other.pop(sock, None)
        if reset:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()


# -- on one machine -----------------------------------------------------------------------------------------


def both(scene: Scene, caller: str = "", called: str = "") -> tuple[Modem, Dte, Dte]:
    """Two modems of a pair on this machine: the called one, and the terminal equipment of both."""
    theirs = 'answer = ["tcp:0:interface=127.0.0.1"]\n'
    far = Modem(scene.folder, "called", theirs + (called or 'pair = ["127.0.0.1"]\n'))
    scene.finally_(far.dispose)
    near = Modem(
        scene.folder, "caller", 'answer = []\nnumber = "5551234"\n' + (caller or 'pair = ["127.0.0.1"]\n')
    )
    scene.finally_(near.dispose)
    return far, scene.dte(near.link, "ATX5"), scene.dte(far.link, "AT+VCID=1")


def test_caller_hears_the_truth(scene: Scene) -> None:
    """RINGING while it rings, CONNECT at ATA and not before, and the far end reads who calls."""
    called, near, far = both(scene)
    near.send(f"ATDT127.0.0.1:{called.port}\r")
    near.expect("^\r\nRINGING\r\n$")
    far.expect("RING\r\n.*NMBR = 5551234\r\n.*NAME = caller\r\n")
    near.silent(0.5)
    far.send("ATA\r")
    near.expect("^\r\nCONNECT 115200\r\n$")
    far.expect("CONNECT 115200\r\n")
    near.send("to the far end")
    far.expect("^to the far end$")
    far.send("and back")
    near.expect("^and back$")


def test_busy_rejected_and_not_answered(scene: Scene) -> None:
    called, near, far = both(scene)
    number = f"127.0.0.1:{called.port}"
    far.ok("ATH1")
    assert near.dial(number) == b"\r\nBUSY\r\n"
    far.ok("ATH0")
    time.sleep(1)
    near.send(f"ATDT{number}\r")
    far.expect("RING\r\n")
    far.ok("ATH1")
    near.expect("^\r\nRINGING\r\n\r\nBUSY\r\n$")
    far.ok("ATH0")
    far.ok("AT$BURSTS=1")
    assert near.command(f"ATDT{number}", "NO ANSWER\r\n", 12) == b"\r\nRINGING\r\n\r\nNO ANSWER\r\n"
    far.expect("RING\r\n")
    near.send(f"ATDT{number}\r")
    far.expect("RING\r\n")
    time.sleep(0.3)
    near.send("x")  # gives up
    far.command("AT")
    far.silent(7)


@pytest.mark.parametrize("kind", ["tcp", "tls"])
def test_connection_that_is_reset_is_healed(scene: Scene, certificates: Certificates, kind: str) -> None:
    """Again and again under data both ways, with S10 as it comes."""
    listen = "tcp:0:interface=127.0.0.1"
    if kind == "tls":
        made = certificates.leaf("here", "IP:127.0.0.1")
        listen = f"tls:0:interface=127.0.0.1:cert={made.cert}:key={made.key}"
    table = 'pair = ["127.0.0.1"]\npair_secret = "between us"\n'
    called = Modem(scene.folder, "called", f'answer = ["{listen}"]\n{table}')
    scene.finally_(called.dispose)
    relay = Relay(called.port)
    scene.finally_(relay.close)
    target = f"tcp:127.0.0.1:{relay.port}"
    if kind == "tls":
        target = f"tls:127.0.0.1:{relay.port}:ca={certificates.authority().cert}"
    caller = Modem(scene.folder, "caller", f'answer = []\n{table}[directory]\n"1" = "{target}"\n')
    scene.finally_(caller.dispose)
    near, far = scene.dte(caller.link, "AT"), scene.dte(called.link, "ATS0=1")
    near.connect("1")
    far.expect("CONNECT 115200\r\n")
    flow = Flow(near, far)
    for turn in range(1, 6):
        before = relay.carried
        until(lambda: relay.carried > before + 50_000, "bytes flow")  # noqa: B023
        relay.forget()
        until(lambda: caller.log.count("the call goes on for") == turn, "it is healed")  # noqa: B023
    flow.finish()
    near.silent(0.2)
    assert caller.log.count("the call goes on for") == 5, caller.log


def test_a_hunt_group_is_the_called_end(scene: Scene) -> None:
    """The caller of the group hears the modem that is rung, BUSY when it is taken, and the call is healed."""
    group = (
        'answer = []\n[group.bank]\nmodems = ["called"]\nanswer = ["tcp:0:interface=127.0.0.1"]\n'
        'pair = ["127.0.0.1"]\npair_secret = "between us"\noff_hook = "closed"\n'
    )
    called = Modem(scene.folder, "called", group)
    scene.finally_(called.dispose)
    relay = Relay(called.port)
    scene.finally_(relay.close)
    ours = 'answer = []\nnumber = "5551234"\npair = ["127.0.0.1"]\npair_secret = "between us"\n'
    dtes = []
    for name in ("caller", "second"):
        modem = Modem(scene.folder, name, ours)
        scene.finally_(modem.dispose)
        dtes.append(scene.dte(modem.link, "ATX5"))
    (near, second), far = dtes, scene.dte(called.link, "AT+VCID=1")
    near.send(f"ATDT127.0.0.1:{relay.port}\r")
    near.expect("^\r\nRINGING\r\n$")
    far.expect("RING\r\n.*NMBR = 5551234\r\n")
    near.silent(0.3)
    far.send("ATA\r")
    near.expect("^\r\nCONNECT 115200\r\n$", 1)
    far.expect("CONNECT 115200\r\n")
    assert second.dial(f"127.0.0.1:{called.port}") == b"\r\nBUSY\r\n"
    flow = Flow(near, far)
    time.sleep(0.5)
    relay.forget()
    time.sleep(1)
    flow.finish()
    near.silent(0.2)


@pytest.mark.parametrize("end", ["near", "far"])
def test_hang_up_is_one_no_carrier_at_once(scene: Scene, end: str) -> None:
    called, near, far = both(scene)
    far.ok("ATS0=1")
    near.connect(f"127.0.0.1:{called.port}")
    far.expect("CONNECT 115200\r\n")
    leaving, staying = (near, far) if end == "near" else (far, near)
    leaving.send("last words")
    leaving.escape(1.0)
    leaving.ok("ATH")
    assert staying.expect("NO CARRIER\r\n") == b"last words+++\r\nNO CARRIER\r\n"
    staying.silent(0.5)


def test_others_never_see_a_byte_of_it(scene: Scene) -> None:
    """A caller from where a partner is, who is none; and a call to elsewhere."""
    called, near, far = both(scene, caller='pair = ["192.0.2.1"]\n')
    far.ok("ATS0=1")
    host = scene.host()
    near.connect(host.number)
    peer = host.answer()
    near.send("hello")
    assert peer.expect("hello") == b"hello"
    near.escape(1.0)
    peer.expect(r"\+\+\+")
    near.ok("ATH")
    assert peer.rest() == b""
    near.connect(f"127.0.0.1:{called.port}")  # speaks no hello
    near.send("an ordinary call")
    far.expect("CONNECT 115200\r\nan ordinary call$")


def test_wrong_secret_rings_nobody(scene: Scene) -> None:
    table = 'pair = ["127.0.0.1"]\npair_secret = "{}"\n'
    called, near, far = both(scene, table.format("one"), table.format("another"))
    assert near.dial(f"127.0.0.1:{called.port}") in (b"\r\nNO CARRIER\r\n", b"\r\nNO ANSWER\r\n")
    far.silent(0.5)
    assert "secret" in called.log
    assert "another" not in called.log
