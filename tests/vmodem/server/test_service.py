"""A port as a configuration names it, on real sockets."""

from __future__ import annotations

import contextlib
import hashlib
import random
import resource
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import serial
import serial.rfc2217

from tests.helpers.certificates import Certificates
from tests.helpers.fakeport import FakePort
from tests.helpers.reactors import Reactor
from vmodem.app.port import PortService
from vmodem.app.start import StartError
from vmodem.config.schema import Pack, PortConfig
from vmodem.port.base import PortFlow, Settings, Signals
from vmodem.wire.pcap import file_header

LOCAL = "tcp:0:interface=127.0.0.1"
Make = Callable[..., PortService]


class Bench:
    """Services of one test, and clients of theirs."""

    def __init__(self, reactor: Reactor) -> None:
        self.reactor = reactor
        self.port = FakePort(reactor)
        self.services: list[PortService] = []
        self.sockets: list[socket.socket] = []

    def serve(self, *listen: str, **config: Any) -> PortService:
        config.setdefault("clients", "share")
        config.setdefault("name", "bench")
        config.setdefault("line", "serial:/dev/fake")
        made = PortService(self.reactor, PortConfig(listen=listen, **config), lambda *_: self.port)
        made.start()
        self.services.append(made)
        return made

    def keep(self, sock: socket.socket) -> socket.socket:
        sock.setblocking(False)
        self.sockets.append(sock)
        return sock

    def client(self, service: PortService, place: int = 0, *, joins: bool = True) -> socket.socket:
        before = len(service.shared.clients)
        sock = self.keep(socket.create_connection(("127.0.0.1", service.ports[place])))
        if joins:
            self.reactor.until(lambda: len(service.shared.clients) > before)
        return sock

    def read(self, sock: socket.socket, count: int) -> bytes:
        got = bytearray()

        def more() -> bool:
            try:
                while chunk := sock.recv(65536):
                    got.extend(chunk)
                return True
            except (BlockingIOError, ssl.SSLWantReadError):
                return len(got) >= count

        self.reactor.until(more)
        return bytes(got)

    def threaded(self, work: Callable[[], Any]) -> Any:
        """Do something that waits, while the reactor turns."""
        result: list[Any] = []

        def run() -> None:
            try:
                result.append(work())
            except BaseException as exc:
                result.append(exc)

        thread = threading.Thread(target=run)
        thread.start()
        self.reactor.until(lambda: not thread.is_alive(), 60)
        thread.join()
        if isinstance(result[0], BaseException):
            raise result[0]
        return result[0]

    def close(self) -> None:
        for sock in self.sockets:
            sock.close()
        for service in self.services:
            self.reactor.wait_for(service.stop())
        self.reactor.until_idle()


@pytest.fixture
def bench(reactor: Reactor) -> Iterator[Bench]:
    made = Bench(reactor)
    yield made
    made.close()


# -- who may ---


@pytest.mark.parametrize(
    ("listen", "more"),
    [
        ("tcp:0", {}),
        ("rfc2217:tcp6:0:interface=\\:\\:", {}),
        ("tcp:0:interface=192.0.2.1", {}),
        ("udp:0:interface=0.0.0.0", {"password": "x"}),
    ],
)
def test_nobody_beyond_this_machine_by_accident(reactor: Reactor, listen: str, more: Any) -> None:
    config = PortConfig("p", "serial:/dev/fake", (listen,), **more)
    with pytest.raises(StartError, match="allow_callers"):
        PortService(reactor, config, lambda *_: FakePort(reactor))


@pytest.mark.parametrize("more", [{"open": True}, {"password": "x"}, {"allow_callers": ("127.0.0.0/8",)}])
def test_beyond_this_machine_when_it_is_wanted(bench: Bench, more: Any) -> None:
    bench.client(bench.serve("tcp:0", **more), joins="password" not in more)


def test_a_stranger_is_refused(bench: Bench) -> None:
    sock = bench.client(bench.serve(LOCAL, allow_callers=("10.0.0.0/8",)), joins=False)
    with contextlib.suppress(ConnectionResetError):
        assert bench.read(sock, 1) == b""
    assert not bench.services[0].occupied


def test_password_first(bench: Bench) -> None:
    service = bench.serve("telnet:" + LOCAL, password="weigh", banner="welcome")
    sock = bench.client(service, joins=False)
    bench.reactor.until(lambda: b"Password: " in bench.read(sock, 1))
    assert service.shared.clients == []
    sock.sendall(b"weigh\r\nW")
    assert b"welcome" in bench.read(sock, 7)
    bench.reactor.until(lambda: bench.port.written == b"W")


def test_bad_pulses_are_told(reactor: Reactor) -> None:
    config = PortConfig("p", "serial:/dev/fake", (LOCAL,), pulses={"reset": "-dtr 1oo"})
    with pytest.raises(StartError, match='pulse reset: "1oo" is no part of a pulse'):
        PortService(reactor, config, lambda *_: FakePort(reactor))


# -- every kind of listener ---


def test_every_listener_shares_the_port(bench: Bench, certificates: Certificates, tmp_path: Path) -> None:
    made = certificates.leaf("b", "DNS:localhost")
    unix = tmp_path / "port.sock"
    tls = f"tls:0:interface=127.0.0.1:cert={made.cert}:key={made.key}"
    service = bench.serve(
        LOCAL, "telnet:" + LOCAL, "auto:" + LOCAL, "haproxy:" + LOCAL, tls, "telnet:" + tls, f"unix:{unix}"
    )
    raw, telnet, auto = (bench.client(service, place) for place in range(3))
    proxied = bench.client(service, 3, joins=False)
    proxied.sendall(b"PROXY TCP4 127.0.0.1 127.0.0.1 40000 7001\r\n")
    bench.reactor.until(lambda: len(service.shared.clients) == 4)
    context = ssl.create_default_context(cafile=str(certificates.authority().cert))

    def handshake(place: int) -> socket.socket:
        plain = socket.create_connection(("127.0.0.1", service.ports[place]))
        return bench.keep(context.wrap_socket(plain, server_hostname="localhost"))

    secure = bench.threaded(lambda: handshake(4))
    secure_telnet = bench.threaded(lambda: handshake(5))
    local = bench.keep(socket.socket(socket.AF_UNIX))
    local.connect(str(unix))
    bench.reactor.until(lambda: len(service.shared.clients) == 7)
    auto.sendall(b"a")
    bench.reactor.until(lambda: bench.port.written == b"a")
    bench.port.send(b"everybody!")
    for sock in (raw, auto, proxied, secure, local):
        assert bench.read(sock, 10) == b"everybody!"
    for sock in (telnet, secure_telnet):
        got = b""
        while not got.endswith(b"everybody!"):
            got += bench.read(sock, 1)
    for number, sock in enumerate((raw, telnet, auto, proxied, secure, secure_telnet, local)):
        sock.sendall(b"%d" % number)
        bench.reactor.until(partial(bench.port.written.endswith, b"%d" % number))


def test_udp_peers_get_packets_as_datagrams(bench: Bench) -> None:
    service = bench.serve("udp:0", pack=Pack(delimiter="\\r", idle=0.0))
    peers = []
    for number in range(3):
        peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        peer.connect(("127.0.0.1", service.port))
        peers.append(bench.keep(peer))
        peer.send(b"%d" % number)
    bench.reactor.until(lambda: bench.port.written == b"012")
    bench.port.send(b"12.5 kg\r13.0 kg\rnot yet")
    bench.reactor.run_for(0.05)
    for peer in peers:
        assert [peer.recv(100), peer.recv(100)] == [b"12.5 kg\r", b"13.0 kg\r"]
        with pytest.raises(BlockingIOError):
            peer.recv(100)


# -- clients that stop, devices that go ---


def test_one_stopped_among_ten_costs_the_others_nothing(bench: Bench) -> None:
    service = bench.serve(LOCAL, "rfc2217:" + LOCAL, slow="drop-oldest", queue=65536)
    socks = [bench.client(service) for _ in range(9)]
    bench.client(service)  # never reads
    bench.client(service, 1)  # nor does this one
    chunk = random.Random(1).randbytes(16384)
    sums = [hashlib.sha256() for _ in socks]
    wanted = hashlib.sha256()

    def round_trip(count: int) -> None:
        for _ in range(count):
            bench.port.send(chunk)
            wanted.update(chunk)
            for sock, total in zip(socks, sums, strict=True):
                total.update(bench.read(sock, len(chunk)))

    round_trip(400)  # what the kernel keeps for those two is full by now
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    round_trip(400)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before <= 1024
    assert {total.hexdigest() for total in sums} == {wanted.hexdigest()}
    assert not bench.port.paused
    clients: Any = service.status()["clients"]
    for stopped in clients[-2:]:
        assert stopped["dropped"] > 0
        assert stopped["queued"] < 1 << 20


def test_the_device_goes_in_the_middle_of_a_job(bench: Bench) -> None:
    bench.port.room = 1000
    service = bench.serve(LOCAL)
    sock = bench.client(service)
    sock.send(bytes(100_000))
    bench.reactor.until(lambda: bench.port.blocked)
    bench.port.room = 1 << 30
    bench.port.blocked = False
    bench.port.user.lost("unplugged")
    bench.reactor.until(lambda: len(bench.port.written) == 100_000)
    bench.port.user.found()
    bench.port.send(b"ready")
    assert bench.read(sock, 5) == b"ready"
    assert service.status()["device"] == "there"


def test_a_job_is_printed_to_its_end(bench: Bench) -> None:
    bench.port.room = 1000
    service = bench.serve(LOCAL, printer=True)
    job = random.Random(2).randbytes(200_000)

    def spool() -> None:
        with socket.create_connection(("127.0.0.1", service.port)) as sock:
            sock.sendall(job)

    thread = threading.Thread(target=spool)
    thread.start()

    def printed() -> bool:
        bench.port.take(20_000)
        return len(bench.port.written) == len(job)

    bench.reactor.until(printed, 60)
    thread.join()
    bench.port.take()
    bench.reactor.until(lambda: not service.occupied)
    assert bench.port.written == job


@pytest.mark.parametrize("protocol", ["", "rfc2217:"])
def test_at_a_slow_device_everybody_has_his_turn(bench: Bench, protocol: str) -> None:
    service = bench.serve(protocol + LOCAL)
    bench.port.room = 1000
    socks = [bench.client(service) for _ in range(3)]

    def write(what: int) -> None:
        with contextlib.suppress(BlockingIOError):
            socks[what].send(b"%d" % what * 65536)

    def heard() -> bool:
        for number in range(3):
            write(number)
        bench.port.take(20_000)
        return all(bench.port.written.count(b"%d" % number) > 200_000 for number in range(3))

    bench.reactor.until(heard, 20, tick=0.001)
    counts = [bench.port.written.count(b"%d" % number) for number in range(3)]
    assert max(counts) < 3 * min(counts), counts
    bench.port.room = 1 << 30
    bench.port.take()


# -- connect-back ---


def host(bench: Bench) -> tuple[socket.socket, int]:
    listening = bench.keep(socket.create_server(("127.0.0.1", 0)))
    return listening, int(listening.getsockname()[1])


def accepted(bench: Bench, listening: socket.socket) -> socket.socket:
    found: list[socket.socket] = []

    def look() -> bool:
        try:
            found.append(listening.accept()[0])
        except BlockingIOError:
            return False
        return True

    bench.reactor.until(look)
    return bench.keep(found[0])


def test_connect_back_at_the_first_byte_loses_none(bench: Bench) -> None:
    listening, port = host(bench)
    dead = socket.create_server(("127.0.0.1", 0))
    targets = (f"tcp:127.0.0.1:{dead.getsockname()[1]}", f"tcp:127.0.0.1:{port}")
    dead.close()
    service = bench.serve(connect=targets, connect_on="data", pack=Pack(idle=0.0))
    bench.reactor.run_for(0.05)
    assert service.status()["connect"] == {"targets": list(targets), "state": "waiting"}
    bench.port.send(b"first")
    bench.port.send(b" words")
    sock = accepted(bench, listening)
    assert bench.read(sock, 11) == b"first words"
    sock.send(b"answer")
    bench.reactor.until(lambda: bench.port.written == b"answer")
    sock.close()
    bench.reactor.until(lambda: not service.occupied)
    bench.port.send(b"more")
    assert bench.read(accepted(bench, listening), 4) == b"more"


@pytest.mark.parametrize("history", [3, 100])
def test_connect_back_at_the_first_byte_repeats_none(bench: Bench, history: int) -> None:
    listening, port = host(bench)
    service = bench.serve(connect=(f"tcp:127.0.0.1:{port}",), connect_on="data", history=history)
    bench.port.send(b"first")
    sock = accepted(bench, listening)
    bench.reactor.until(lambda: service.occupied)
    bench.port.send(b"second")
    assert bench.read(sock, 11) == b"firstsecond"
    bench.reactor.run_for(0.02)
    with pytest.raises(BlockingIOError):
        sock.recv(1)


def test_connect_back_while_dsr_is_on(bench: Bench) -> None:
    listening, port = host(bench)
    service = bench.serve(connect=(f"tcp:127.0.0.1:{port}",), connect_on="dsr")
    bench.reactor.run_for(0.05)
    assert not service.occupied
    bench.port.put(Signals.DSR)
    sock = accepted(bench, listening)
    bench.reactor.until(lambda: service.occupied)
    bench.port.put(Signals.NONE)
    assert bench.read(sock, 1) == b""
    assert not service.occupied


def test_connect_back_speaks_rfc2217_as_the_port(bench: Bench) -> None:
    listening, port = host(bench)
    bench.serve(connect=(f"rfc2217:127.0.0.1:{port}",))
    sock = accepted(bench, listening)
    sock.send(b"\xff\xfb\x2c\xff\xfa\x2c\x01\x00\x00\x01\x2c\xff\xf0")
    bench.reactor.until(lambda: bench.port.settings.rate == 300)
    sock.close()
    # It comes back, after a moment, to the configured settings.
    accepted(bench, listening)
    assert bench.port.settings.rate == 9600


# -- while it runs ---


def test_reload_keeps_clients(bench: Bench) -> None:
    service = bench.serve(LOCAL)
    sock = bench.client(service)
    other = replace(service.config, listen=(LOCAL, "telnet:" + LOCAL), clients="observe", history=10)
    assert service.is_same(other)
    assert not service.is_same(replace(service.config, line="serial:/dev/other"))
    assert not service.is_same(replace(service.config, mark_errors=True))  # the device is opened for that
    service.release(other)
    service.apply(other)
    bench.port.send(b"0123456789abc")
    assert bench.read(sock, 13) == b"0123456789abc"
    late = bench.client(service, 1)
    bench.reactor.until(lambda: bench.read(late, 10).endswith(b"3456789abc"))
    with pytest.raises(StartError, match="pulse"):
        service.apply(replace(other, pulses={"x": "?"}))
    free: list[bool] = []
    service.when_free(lambda: free.append(True))
    sock.close()
    late.close()
    bench.reactor.until(lambda: free)


def test_status_and_capture(bench: Bench, tmp_path: Path) -> None:
    capture = tmp_path / "capture"
    service = bench.serve(LOCAL, capture=str(capture), pulses={"reset": "-dtr 10 +dtr"})
    sock = bench.client(service)
    sock.send(b"W\r")
    bench.reactor.until(lambda: bench.port.written)
    bench.port.send(b"12\xff\n")
    assert bench.read(sock, 4) == b"12\xff\n"
    status: Any = service.status()
    client = status["clients"][0]
    assert {key: client[key] for key in ("received", "sent", "queued", "writes")} == {
        "received": 2,
        "sent": 4,
        "queued": 0,
        "writes": True,
    }
    assert (status["what"], status["framing"], status["flow"]) == ("port", "8N1", "none")
    assert status["counters"]["received"] == 4
    whole = capture.read_bytes()
    assert whole.startswith(file_header())
    assert 0 < whole.find(b"W\r") < whole.find(b"12\xff\n")
    assert service.summary.startswith("bench on serial:/dev/fake, tcp 127.0.0.1:")
    service.pulse("reset")
    bench.reactor.run_for(0.05)


# -- pyserial ---


@pytest.mark.filterwarnings("ignore:set(Daemon|Name).. is deprecated:DeprecationWarning")
def test_pyserial_goes_through_everything(bench: Bench) -> None:
    service = bench.serve("rfc2217:" + LOCAL)
    port = bench.port
    port.put(Signals.CTS | Signals.DSR)
    port.rounding = lambda rate: 115384 if rate == 115200 else rate
    seen: list[Settings] = []

    def cycle() -> None:
        url = f"rfc2217://127.0.0.1:{service.port}"
        with serial.serial_for_url(url, timeout=5) as made:
            assert (made.cts, made.dsr, made.cd, made.ri) == (True, True, False, False)
            for rate in (50, 300, 1200, 9600, 12345, 57600, 115200, 230400, 921600, 4000000):
                made.baudrate = rate
            made.baudrate = 9600
            for size in (5, 6, 7, 8):
                made.bytesize = size
                seen.append(port.settings)
            for parity in "NEOMS":
                made.parity = parity
                seen.append(port.settings)
            for stop in (1, 1.5, 2):
                made.stopbits = stop
                seen.append(port.settings)
            made.parity, made.stopbits = "N", 1
            made.rtscts = True
            seen.append(port.settings)
            made.rtscts, made.xonxoff = False, True
            seen.append(port.settings)
            made.xonxoff = False
            for on in (False, True):
                made.dtr = on
                made.rts = on
            made.send_break(0.05)
            made.break_condition = True
            made.break_condition = False
            made.reset_input_buffer()
            made.reset_output_buffer()
            made.write(bytes(range(256)))

    bench.threaded(cycle)
    bench.reactor.until(lambda: not service.occupied)
    assert [each.data_bits for each in seen[:4]] == [5, 6, 7, 8]
    assert [each.parity for each in seen[4:9]] == list("NEOMS")
    assert [each.stop_bits for each in seen[9:12]] == [1, 1.5, 2]
    assert [each.flow for each in seen[-2:]] == [PortFlow.RTS_CTS, PortFlow.XON_XOFF]
    assert bytes(port.written) == bytes(range(256))
    steps = [step for step in port.story if isinstance(step, tuple)]
    drives = [step[1:] for step in steps if step[0] == "drive"]
    first = drives.index((Signals.NONE, Signals.DTR))
    assert drives[first : first + 4] == [
        (Signals.NONE, Signals.DTR),
        (Signals.NONE, Signals.RTS),
        (Signals.DTR, Signals.NONE),
        (Signals.RTS, Signals.NONE),
    ]
    assert [step for step in steps if step[0] == "break"] == [("break", True), ("break", False)] * 2
    assert port.settings == Settings()
