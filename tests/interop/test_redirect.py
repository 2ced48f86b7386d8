"""Redirected ports: others' applications on ours, the far end at others' access servers and at our own."""

from __future__ import annotations

import hashlib
import os
import pty
import random
import socket
import subprocess
import termios
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import serial

from tests.helpers.process import PATIENCE_S, Scene, Wire, environment, until
from tests.helpers.programs import need
from tests.helpers.servers import ser2net, sredird
from tests.helpers.verbs import Far, Verb

pytestmark = pytest.mark.interop

SIZE = 1 << 20
Serve = Callable[[Scene, Far], int]


@pytest.fixture
def far() -> Iterator[Far]:
    made = Far()
    yield made
    made.close()


@pytest.fixture
def link(scene: Scene) -> Path:
    return scene.folder / "com1"


def served_by_ser2net(scene: Scene, far: Far) -> int:
    return ser2net(scene, "telnet(rfc2217),tcp", f"serialdev,{far.name},9600n81,local")


def served_by_sredird(scene: Scene, far: Far) -> int:
    return sredird(scene, far.name)


def served_by_us(scene: Scene, far: Far) -> int:
    listen = "rfc2217:tcp:0:interface=127.0.0.1"
    server = Verb(scene, "serve", "--line", f"serial:{far.name}", "--listen", listen)
    return int(server.wait_log(r"ready: .*127\.0\.0\.1:(\d+)")[1])


def redirect(scene: Scene, link: Path, to: str, *more: str) -> Verb:
    made = Verb(scene, "redirect", "--port", f"pty:{link}", "--to", to, "--name", "com1", *more)
    made.wait_log(r"RFC 2217 with|connected to")
    return made


def exchange(near: Wire, far: Wire, block: int = SIZE) -> None:
    """A megabyte of random bytes each way at the same time, a block at a time."""
    up, down = random.Random(1).randbytes(SIZE), random.Random(2).randbytes(SIZE)
    with ThreadPoolExecutor(4) as people:
        for at in range(0, SIZE, block):
            there, here = up[at : at + block], down[at : at + block]
            sending = people.submit(near.send, there, 30), people.submit(far.send, here, 30)
            taking = people.submit(far.take, len(there), 30), people.submit(near.take, len(here), 30)
            got = [each.result() for each in taking]
            assert [hashlib.sha256(data).digest() for data in got] == [
                hashlib.sha256(data).digest() for data in (there, here)
            ], f"at {at}"
            for each in sending:
                each.result()


# -- servers ---


@pytest.mark.parametrize(
    ("serve", "block"),
    [
        (served_by_ser2net, SIZE),
        (served_by_us, SIZE),
        # What comes to it more quickly than it can send on, it loses.
        pytest.param(served_by_sredird, 1024, marks=pytest.mark.slow),
    ],
)
def test_a_megabyte_each_way(scene: Scene, far: Far, link: Path, serve: Serve, block: int) -> None:
    port = serve(scene, far)
    redirect(scene, link, f"rfc2217:127.0.0.1:{port}")
    application = serial.Serial(str(link), 19200, stopbits=2, timeout=10)
    until(lambda: far.speed == termios.B19200, "the speed travels")
    until(lambda: far.stop_bits == 2, "the stop bits travel")
    near = Wire(os.dup(application.fileno()))
    exchange(near, far, block)
    application.stopbits = 1
    application.baudrate = 2400
    until(lambda: far.speed == termios.B2400, "the new speed travels")
    until(lambda: far.stop_bits == 1, "the stop bits travel")
    near.close()
    application.close()


def test_the_application_keeps_its_port_while_the_server_is_away(scene: Scene, far: Far, link: Path) -> None:
    listen = "rfc2217:tcp:0:interface=127.0.0.1"
    first = Verb(scene, "serve", "--line", f"serial:{far.name}", "--listen", listen)
    port = int(first.wait_log(r"ready: .*127\.0\.0\.1:(\d+)")[1])
    redirected = redirect(scene, link, f"rfc2217:127.0.0.1:{port}")
    application = serial.Serial(str(link), 4800, timeout=10)
    scene.finally_(application.close)
    application.write(b"before")
    far.expect(b"before")
    first.dispose()
    redirected.wait_log(r"rfc2217:.*: .*(closed|end of stream|reset)")
    near = Wire(os.dup(application.fileno()))
    scene.finally_(near.close)
    data = random.Random(3).randbytes(1 << 18)
    taken = near.send_what_fits(data)
    assert 0 < taken < len(data), "held up, and not for ever"
    listen = f"rfc2217:tcp:{port}:interface=127.0.0.1"
    Verb(scene, "serve", "--line", f"serial:{far.name}:speed=9600", "--listen", listen)
    sender = threading.Thread(target=near.send, args=(data[taken:], 60))
    sender.start()
    assert far.take(len(data), 60) == data
    sender.join()
    assert far.speed == termios.B4800, "what the application had set is set again"


# -- other targets ---


@pytest.mark.parametrize("kind", ["tcp", "telnet"])
def test_bytes_to_a_host(scene: Scene, link: Path, kind: str) -> None:
    host = scene.host()
    redirected = redirect(scene, link, f"{kind}:127.0.0.1:{host.port}")
    peer = host.answer()
    application = serial.Serial(str(link), 9600, timeout=10)
    application.write(b"question")
    assert peer.expect(b"question").endswith(b"question")
    peer.send(b"answer")
    assert application.read(6) == b"answer"
    peer.reset()
    redirected.wait_log(rf"{kind}:.*: .*reset")
    application.write(b"held")
    again = host.answer()
    again.expect(b"held")
    application.close()


def test_packets_by_udp(scene: Scene, link: Path) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as host:
        host.bind(("127.0.0.1", 0))
        host.settimeout(10)
        to = f"udp:127.0.0.1:{host.getsockname()[1]}"
        redirect(scene, link, to, "--pack", "delimiter=\\r", "--pack", "idle=60")
        application = serial.Serial(str(link), 9600, timeout=10)
        application.write(b"one\rtw")
        application.write(b"o\r")
        datagrams = [host.recvfrom(100) for _ in range(2)]
        assert [data for data, _ in datagrams] == [b"one\r", b"two\r"]
        host.sendto(b"answer", datagrams[0][1])
        assert application.read(6) == b"answer"
        application.close()


# -- applications ---


def test_picocom(scene: Scene, far: Far, link: Path) -> None:
    (picocom,) = need("picocom")
    redirect(scene, link, f"rfc2217:127.0.0.1:{served_by_ser2net(scene, far)}")
    master, slave = pty.openpty()
    terminal = Wire(master)
    scene.finally_(terminal.close)
    scene.spawn(
        [picocom, "-b", "4800", "-p", "2", str(link)],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,  # when it is ended it ends everybody in its own
    )
    os.close(slave)
    terminal.expect(b"Terminal ready")
    until(lambda: far.speed == termios.B4800, "the speed travels")
    until(lambda: far.stop_bits == 2, "the stop bits travel")
    terminal.send(b"typed")
    far.expect(b"typed")
    far.send(b"printed")
    terminal.expect(b"printed")


def test_kermit(scene: Scene, far: Far, link: Path) -> None:
    (kermit,) = need("kermit")
    redirect(scene, link, f"rfc2217:127.0.0.1:{served_by_us(scene, far)}")
    script = scene.folder / "script"
    script.write_text(
        f"set modem type none\nset carrier-watch off\nset line {link}\nset speed 2400\n"
        "set flow none\noutput question\ninput 10 answer\nif success exit 0\nexit 1\n"
    )
    running = scene.spawn(
        [kermit, str(script)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    far.expect(b"question")
    assert far.speed == termios.B2400
    far.send(b"answer")
    assert running.wait(PATIENCE_S) == 0


# -- captures ---


def test_wireshark_reads_a_capture(scene: Scene, link: Path) -> None:
    (tshark,) = need("tshark")
    capture = scene.folder / "com1.pcap"
    host = scene.host()
    redirected = redirect(scene, link, f"tcp:127.0.0.1:{host.port}", "--capture", str(capture))
    peer = host.answer()
    application = serial.Serial(str(link), 9600, timeout=10)
    application.write(b"question")
    peer.expect(b"question")
    peer.send(b"answer")
    assert application.read(6) == b"answer"
    application.close()
    redirected.dispose()
    fields = ["-e", "rtacser.eventtype", "-e", "rtacser.dtr", "-e", "data.data"]
    shown = subprocess.run(
        [tshark, "-r", str(capture), "-T", "fields", "-E", "separator=/s", *fields],
        env=environment(scene.folder),
        capture_output=True,
        text=True,
    )
    assert shown.returncode == 0, shown.stderr
    data = {"question": b"question".hex(), "answer": b"answer".hex()}
    lines = [line.split() for line in shown.stdout.splitlines()]
    carried = [line for line in lines if len(line) == 3]
    # Sent and received, with DTR on.
    assert [(int(event, 16), dtr, text) for event, dtr, text in carried] == [
        (1, "1", data["question"]),
        (2, "1", data["answer"]),
    ]
