"""Duties towards peers, callers and the network between (rows N)."""

from __future__ import annotations

import ctypes
import os
import random
import socket
import time

import pytest

from tests.duties.cut import CutCalls
from tests.helpers.process import GUARD_S, Dte, ModemProcess, Peer, Scene, call, until

ALL_BYTES = bytes(range(256))


@pytest.fixture(scope="module", autouse=True)
def _cut_early(request: pytest.FixtureRequest) -> None:
    """The path is cut before the first test of this file, in the one worker that has it."""
    if any("test_n9_path_is_cut" in item.name for item in request.session.items):
        try:
            request.getfixturevalue("cut_calls")
        except pytest.skip.Exception:
            pass  # the test itself says so


def _call(scene: Scene, *settings: str) -> tuple[ModemProcess, Peer, Dte]:
    modem, host = scene.modem(), scene.host()
    dte = scene.dte(modem, "ATX4", *settings)
    dte.connect(host.number)
    return modem, host.answer(), dte


def test_n1_escape_from_the_network_is_data(scene: Scene) -> None:
    """The escape sequence and ATH0 sent by the peer, with every silence around them, are only data."""
    _, peer, dte = _call(scene, "ATS12=5")
    for text in ("+++", "ATH0\r"):
        time.sleep(0.15)
        peer.send(text)
        time.sleep(0.15)
        assert dte.take(len(text)) == text.encode()
    dte.silent(0.2)
    dte.send("still in the call")
    peer.expect("still in the call")


def test_n1_escape_needs_both_guards(scene: Scene) -> None:
    """Without silence before and after it the escape sequence is data, however it is cut."""
    _, peer, dte = _call(scene, "ATS12=10")
    time.sleep(GUARD_S + 0.1)
    for chunks in (["a+++"], ["+++ATH0\r"], ["+", "+", "+", "x"], ["+", "+", "+", "+"], ["x", "+", "+", "+"]):
        for chunk in chunks:
            dte.send(chunk)
            time.sleep(0.02)
        peer.expect("".join(chunks).replace("+", r"\+"))
        dte.silent(GUARD_S + 0.1)
    dte.send("on")
    peer.expect("on")


def test_n1_escape_in_pieces(scene: Scene) -> None:
    """With both guards it is noticed, though each character comes alone, and the call is kept."""
    _, peer, dte = _call(scene, "ATS12=10")
    time.sleep(GUARD_S + 0.2)
    for _ in range(3):
        time.sleep(0.03)
        last = time.monotonic()
        dte.send("+")
    dte.expect(r"\r\nOK\r\n")
    assert time.monotonic() - last >= GUARD_S
    assert peer.expect(r"\+\+\+") == b"+++"
    dte.command("ATO", r"CONNECT[^\r]*\r\n")
    dte.send("again")
    peer.expect("again")


def test_n1_escape_switched_off(scene: Scene) -> None:
    """S2 above 127 switches the escape sequence off."""
    _, peer, dte = _call(scene, "ATS12=5S2=128")
    time.sleep(0.15)
    dte.send("+++")
    dte.silent(0.3)
    dte.send("ATH\r")
    peer.expect(r"\+\+\+ATH\r")


@pytest.mark.parametrize("way", ["called", "calling"])
def test_n4_every_byte_passes_from_the_first(scene: Scene, way: str) -> None:
    """A raw call is 8-bit clean from its first byte, even where that looks like Telnet."""
    modem = scene.modem()
    dte = scene.dte(modem, "ATX4", "ATS0=1")
    if way == "calling":
        host = scene.host()
        dte.connect(host.number)
        peer = host.answer()
    else:
        peer = scene.call(modem)
        dte.expect(r"CONNECT[^\r]*\r\n")
    telnet = b"\xff\xfd\x18\xff\xfb\x01\xff\xff\r\0\r\n"
    peer.send(telnet + ALL_BYTES)
    assert dte.take(len(telnet) + 256) == telnet + ALL_BYTES
    dte.send(telnet + ALL_BYTES)
    assert peer.take(len(telnet) + 256) == telnet + ALL_BYTES


def test_n5_callers_who_vanish(scene: Scene) -> None:
    """200 callers who hang up at once leave silence, no descriptor and a modem that takes the next call."""
    modem = scene.modem()
    dte = scene.dte(modem, "ATX4")
    before = modem.descriptors, modem.threads
    for _ in range(200):
        call(modem.port).close()
    until(lambda: (modem.descriptors, modem.threads) == before, "nothing is left of them")
    while dte.pump(0.2):
        dte.buffer.clear()
    dte.silent(6.2)  # longer than a ring cadence
    peer = scene.call(modem)
    dte.expect(r"\r\nRING\r\n")
    dte.command("ATA", r"CONNECT[^\r]*\r\n")
    peer.send("here")
    dte.expect("here")


def test_n5_caller_who_leaves_is_rung_no_longer(scene: Scene) -> None:
    """When the caller hangs up before the answer the modem is free again within a second."""
    modem = scene.modem()
    dte = scene.dte(modem, "ATX4")
    call_ = scene.call(modem)
    dte.expect(r"\r\nRING\r\n")
    call_.close()
    until(lambda: modem.calls, "the call record", 1)
    assert dte.command("ATA", r"\r\n[A-Z ]+\r\n") == b"\r\nNO CARRIER\r\n"


def test_n6_strangers_during_a_call(scene: Scene) -> None:
    """Who calls during a call hears BUSY within 0.2 s and is cut off; the call does not notice, and of two
    hundred who cling on few are kept waiting."""
    modem, host = scene.modem(), scene.host()
    dte = scene.dte(modem, "ATX4")
    dte.connect(host.number)
    peer = host.answer()
    before = modem.descriptors
    cut_off, echoed = [], []
    strangers = []
    for turn in range(200):
        start = time.monotonic()
        stranger = scene.call(modem)
        if turn < 3:
            assert stranger.rest() == b"BUSY\r\n"
            cut_off.append(time.monotonic() - start)
        strangers.append(stranger)
        start = time.monotonic()
        dte.send("x")
        peer.expect("x")
        peer.send("y")
        dte.expect("y")
        echoed.append(time.monotonic() - start)
    assert min(cut_off) < 0.2
    # 20 ms on a machine that does nothing else; one that is busy is late now and then.
    assert sorted(echoed)[-5] < 0.1
    assert modem.descriptors - before <= 33
    for stranger in strangers:
        stranger.close()
    until(lambda: modem.descriptors == before, "nothing is left of them")


def test_n7_second_caller_while_it_rings(scene: Scene) -> None:
    """While it rings for one caller the next hears BUSY, and it is the first who is answered."""
    modem = scene.modem()
    dte = scene.dte(modem, "ATX4")
    first = scene.call(modem)
    dte.expect(r"\r\nRING\r\n")
    second = scene.call(modem)
    assert second.rest() == b"BUSY\r\n"
    dte.command("ATA", r"CONNECT[^\r]*\r\n")
    dte.send("to the first")
    first.expect("to the first")


def test_n9_options_that_find_a_dead_peer(scene: Scene) -> None:
    """Every call's socket has keep-alive (30 s, then three probes 10 s apart) and a user timeout of 30 s,
    made or taken."""
    if not hasattr(os, "pidfd_open"):
        pytest.skip("needs a system with pidfd_open")
    modem, host = scene.modem(), scene.host()
    dte = scene.dte(modem, "ATS0=1")
    dte.connect(host.number)
    host.answer()
    assert _options(modem, host.port) == (1, 30, 10, 3, 30_000, 1)
    host.peers[0].close()
    dte.expect("NO CARRIER")
    peer = scene.call(modem)
    dte.expect(r"CONNECT[^\r]*\r\n")
    assert _options(modem, peer.sock.getsockname()[1]) == (1, 30, 10, 3, 30_000, 1)


def _options(modem: ModemProcess, far_port: int) -> tuple[int, ...]:
    """The options of the modem's connection to a port, looked at in a duplicate of its descriptor."""
    names = ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT", "TCP_NODELAY")
    pidfd = os.pidfd_open(modem.pid)
    try:
        for fd in map(int, os.listdir(f"/proc/{modem.pid}/fd")):
            copy = ctypes.CDLL(None, use_errno=True).syscall(438, pidfd, fd, 0)  # pidfd_getfd
            if copy < 0:
                pytest.skip(
                    f"another process's socket cannot be looked at: {os.strerror(ctypes.get_errno())}"
                )
            try:
                sock = socket.socket(fileno=copy)
            except OSError:
                os.close(copy)
                continue
            with sock:
                try:
                    if sock.getpeername()[1] != far_port:
                        continue
                except (OSError, IndexError):
                    continue
                keep = sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
                rest = (sock.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) for name in names)
                return (keep, *rest)
    finally:
        os.close(pidfd)
    pytest.fail("there is no such connection")


@pytest.mark.slow
@pytest.mark.parametrize(("which", "limit"), [("waiting", 32), ("idle", 63)])
def test_n9_path_is_cut(cut_calls: CutCalls, which: str, limit: float) -> None:
    """When the path to the peer is cut without a word the DTE hears NO CARRIER: within 30 s where data waits,
    within 60 s where nothing is said."""
    took = cut_calls.wait(which, limit)
    assert 15 < took <= limit


def test_n10_peer_that_never_reads(scene: Scene) -> None:
    """A peer that reads nothing holds up the DTE, at no cost in memory; closing the line still hangs up."""
    modem, host = scene.modem(), scene.host(receive_buffer=4096)
    dte = scene.dte(modem, "ATX4")
    dte.connect(host.number)
    host.answer()
    before = modem.resident
    data = random.Random(10).randbytes(16 << 20)
    sent = dte.send_what_fits(data)
    assert sent < len(data)
    assert modem.resident - before < 1 << 20
    cpu = modem.cpu_ms
    time.sleep(0.3)
    assert modem.cpu_ms - cpu <= 20
    dte.close()
    until(lambda: modem.calls, "the end of the call")


def test_n10_nothing_is_lost_to_a_slow_peer(scene: Scene) -> None:
    """When the peer reads at last, everything the DTE could send arrives."""
    modem, host = scene.modem(), scene.host(receive_buffer=4096)
    dte = scene.dte(modem, "ATX4")
    dte.connect(host.number)
    peer = host.answer()
    data = random.Random(11).randbytes(16 << 20)
    sent = dte.send_what_fits(data)
    assert peer.take(sent) == data[:sent]


def test_n11_reset(scene: Scene) -> None:
    """A reset of the connection is NO CARRIER within 0.2 s, once, and the modem lives."""
    modem, host = scene.modem(), scene.host()
    dte = scene.dte(modem, "ATX4")
    told = []
    for _ in range(3):  # a machine that is busy may be late now and then
        dte.connect(host.number)
        peer = host.answer()
        start = time.monotonic()
        peer.reset()
        assert dte.expect(r"NO CARRIER\r\n") == b"\r\nNO CARRIER\r\n"
        told.append(time.monotonic() - start)
        dte.silent(0.2)
    assert min(told) < 0.2
    dte.ok("AT")


def test_n12_connect_then_every_byte_then_no_carrier(scene: Scene) -> None:
    """A peer that speaks at once and ends at once: CONNECT, each of its bytes, NO CARRIER, in this order."""
    modem, host = scene.modem(), scene.host()
    dte = scene.dte(modem, "ATX4")
    data = random.Random(12).randbytes(300_000).replace(b"\r\nN", b"----")
    for size in (1, 5000, 300_000):
        dte.send(f"ATD{host.number}\r")
        peer = host.answer()
        peer.send(data[:size])
        peer.finish()
        assert dte.expect(r"^\r\nCONNECT[^\r]*\r\n")
        assert dte.take(size) == data[:size]
        assert dte.expect(r"\r\nNO CARRIER\r\n") == b"\r\nNO CARRIER\r\n"
        peer.close()
    dte.silent(0.2)


def test_n12_early_bytes_of_a_caller(scene: Scene) -> None:
    """What a caller sends before the answer is delivered behind CONNECT, and is never taken for commands."""
    modem = scene.modem()
    dte = scene.dte(modem, "ATX4", "ATS0=0")
    peer = scene.call(modem)
    early = b"ATS0=5\r+++ATH\r" + ALL_BYTES * 100
    peer.send(early)
    dte.expect(r"\r\nRING\r\n")
    dte.silent(0.2)
    dte.command("ATA", r"\r\nCONNECT[^\r]*\r\n")
    assert dte.take(len(early)) == early
    peer.close()
    dte.expect(r"\r\nNO CARRIER\r\n")
    assert b"000" in dte.ok("ATS0?")


def test_n12_bytes_before_the_hang_up_arrive(scene: Scene) -> None:
    """What the DTE sent before ATH arrives, although the peer has talked all the while and was not heard."""
    _, peer, dte = _call(scene, "ATS12=10")
    data = random.Random(13).randbytes(30_000).replace(b"+", b"-")
    dte.send(data)
    dte.escape()
    peer.send_what_fits(ALL_BYTES * 4096, 0.1)
    dte.ok("ATH")
    assert peer.take(len(data) + 3) == data + b"+++"
    assert peer.rest() == b""


def test_n13_reach_beyond_the_machine_is_told(scene: Scene) -> None:
    """Who listens beyond this machine is told so in one line; on loopback there is nothing to tell."""
    assert " warn" not in scene.modem().log
    modem = scene.modem(name="open", answer="tcp:0")
    lines = [line for line in modem.log.splitlines() if " warn" in line]
    assert len(lines) == 1
    assert "nothing authenticates" in lines[0]
