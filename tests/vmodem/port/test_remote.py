"""Equipment on an access server: a scripted one that agrees, refuses, is silent or goes; and real ones."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import termios
import tty
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.logger import globalLogPublisher

from tests.helpers.accessserver import Server
from tests.helpers.ports import free_port
from tests.helpers.programs import need
from tests.helpers.reactors import Reactor
from vmodem.port import remote
from vmodem.port.base import INPUTS, OUTPUTS, Noted, Port, PortFlow, Settings, Signals
from vmodem.port.remote import RemotePort
from vmodem.port.remotestream import READ_AHEAD, Speech
from vmodem.wire import comport, telnet
from vmodem.wire.comport import LineState, ModemState, PortSettings, Purge
from vmodem.wire.comport_server import BreakSet, ComPortServer, LinesSet, Purged, Set

from .conftest import User

Begin = Callable[[Port], User]
NONE = Signals.NONE
NOTHING = ModemState(0)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.hang_up()
    made.sock.close()


def port_of(reactor: Reactor, server: Server, **options: Any) -> RemotePort:
    return RemotePort(reactor, "127.0.0.1", server.port, **options)


def up(reactor: Reactor, user: User, server: Server, state: ModemState = NOTHING) -> ComPortServer:
    """Let the port and its server agree."""
    reactor.until(server.accepted)
    assert server.codec is not None
    server.codec.modem_state(state)
    server.send(server.codec.greeting())
    reactor.until(lambda: server.read() and user.present and user.port.signals_known & INPUTS)
    for _ in range(3):
        reactor.run_for(0.005)
        server.read()
    return server.codec


# -- a server that speaks RFC 2217 ---------------------------------------------------------------------------


def test_settings_of_the_line_are_asked_for_and_the_others_left(
    reactor: Reactor, begin: Begin, server: Server
) -> None:
    port = port_of(reactor, server, speed=2400, parity="E", flow="rtscts", dtr=False)
    user = begin(port)
    up(reactor, user, server)
    found = [event for event in server.events if isinstance(event, Set)][-1].settings
    assert (found.rate, found.parity, found.flow) == (2400, comport.Parity.EVEN, comport.FLOW_HARDWARE)
    assert (found.bits, found.stop) == (PortSettings().bits, PortSettings().stop)
    assert port.settings == Settings(2400, 8, "E", 1, PortFlow.RTS_CTS)
    assert [e for e in server.events if isinstance(e, LinesSet)] == [LinesSet(dtr=False, rts=None)]
    assert port.signals == Signals.RTS
    assert user.events[:2] == [("attached", True), ("signals", NONE)]
    assert port.speech is Speech.COM_PORT


def test_nothing_is_driven_unasked(reactor: Reactor, begin: Begin, server: Server) -> None:
    user = begin(port_of(reactor, server))
    up(reactor, user, server)
    assert not [e for e in server.events if isinstance(e, Set | LinesSet)]


def test_bytes_commands_and_bytes_in_their_order(reactor: Reactor, begin: Begin, server: Server) -> None:
    port = port_of(reactor, server)
    user = begin(port)
    up(reactor, user, server)
    server.events.clear()
    port.write(b"one\xff\r")
    port.set(Settings(19200, 7, "M", 2, PortFlow.XON_XOFF), user.done.append)
    port.write(b"two")
    port.drive(Signals.RTS, Signals.DTR)
    port.write(b"three")
    port.set_break(True)
    port.set_break(False)
    port.write(b"four")
    reactor.until(lambda: server.read().data == b"one\xff\rtwothreefour" and user.done)
    places = [place for place, event in enumerate(server.events) if isinstance(event, Set)]
    assert places == list(range(1, 1 + len(places)))
    assert places
    rest = [event for event in server.events if not isinstance(event, Set)]
    assert rest == [
        b"one\xff\r",
        b"two",
        LinesSet(dtr=False, rts=True),
        b"three",
        BreakSet(True),
        BreakSet(False),
        b"four",
    ]
    last = [event for event in server.events if isinstance(event, Set)][-1].settings
    assert (last.rate, last.bits, last.parity, last.stop) == (19200, 7, 4, 2)
    assert user.done == [Settings(19200, 7, "M", 2, PortFlow.XON_XOFF)]
    server.send(b"\xff\xff\r\0answer\xff\xff")
    reactor.until(lambda: user.data == b"\xff\r\0answer\xff")


def test_only_what_changes_is_sent(reactor: Reactor, begin: Begin, server: Server) -> None:
    port = port_of(reactor, server, speed=9600)
    user = begin(port)
    up(reactor, user, server)
    server.events.clear()
    port.set(Settings(9600), user.done.append)
    reactor.until(lambda: user.done == [Settings(9600)])
    port.set(Settings(1200), user.done.append)
    reactor.until(lambda: server.read() and user.done[1:] == [Settings(1200)])
    assert len(server.events) == 1


def test_an_answer_that_differs_is_what_is_in_force(reactor: Reactor, begin: Begin, server: Server) -> None:
    port = port_of(reactor, server)
    user = begin(port)
    codec = up(reactor, user, server)
    server.mute = True
    port.set(Settings(12345, 5, "N", 1.5), user.done.append)
    reactor.run_for(0.02)

    def answer(code: int, value: bytes) -> None:
        server.send(codec.telnet.subnegotiation(telnet.COM_PORT, bytes((code + 100,)) + value))

    answer(1, (9600).to_bytes(4, "big") + bytes(4))
    answer(2, b"\x08")
    answer(4, b"\x02")
    answer(5, b"\x01")
    reactor.until(lambda: user.done == [Settings(9600, 8, "N", 2)])
    answer(5, b"\x03")  # of nothing we asked
    answer(3, b"\xee")
    server.send(b"on")
    reactor.until(lambda: user.data == b"on")
    assert port.settings == Settings(9600, 8, "N", 2)


def test_answers_of_the_beginning_are_not_taken_for_those_of_a_change(
    reactor: Reactor, begin: Begin, server: Server
) -> None:
    said: list[str] = []

    def note(event: Any) -> None:
        if "was asked for" in str(event.get("log_format")):
            said.append(str(event["log_format"]).format(**event))

    globalLogPublisher.addObserver(note)
    try:
        port = port_of(reactor, server, speed=9600)
        user = begin(port)
        reactor.until(server.accepted)
        assert server.codec is not None
        server.codec.settings = PortSettings(rate=38400, stop=2)
        server.send(server.codec.greeting())
        reactor.until(lambda: user.present)  # it has asked, and nothing is answered yet
        port.set(Settings(19200, 8, "N", 2), user.done.append)
        port.set(Settings(4800, 8, "N", 2), user.done.append)
        reactor.until(lambda: server.read() and len(user.done) == 2)
    finally:
        globalLogPublisher.removeObserver(note)
    assert user.done == [Settings(19200, 8, "N", 2), Settings(4800, 8, "N", 2)]
    assert said == []


def test_no_answer_is_waited_for_so_long(
    reactor: Reactor, begin: Begin, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert remote.CHANGE_S < 3, "pyserial waits no longer for us"
    monkeypatch.setattr(remote, "CHANGE_S", 0.05)
    port = port_of(reactor, server)
    user = begin(port)
    up(reactor, user, server)
    server.mute = True
    before = port.settings
    port.set(Settings(300), user.done.append)
    port.set(Settings(600), user.done.append)
    reactor.until(lambda: user.done == [before, before], 1)


def test_circuits(reactor: Reactor, begin: Begin, server: Server) -> None:
    port = port_of(reactor, server)
    user = begin(port)
    codec = up(reactor, user, server, ModemState.DSR | ModemState.CTS)
    assert user.signals == Signals.DSR | Signals.CTS
    assert port.signals_known == INPUTS | OUTPUTS
    user.events.clear()
    server.send(codec.modem_state(ModemState.DCD | ModemState.RI))
    reactor.until(lambda: user.signals == Signals.DCD | Signals.RI)
    user.events.clear()
    pulse = bytes((107, ModemState.DCD | ModemState.RI | ModemState.DELTA_DSR))
    server.send(codec.telnet.subnegotiation(telnet.COM_PORT, pulse))
    reactor.until(lambda: len(user.events) == 2)
    ring = Signals.DCD | Signals.RI
    assert user.events == [("signals", ring | Signals.DSR), ("signals", ring)]


def test_breaks_and_errors(reactor: Reactor, begin: Begin, server: Server) -> None:
    port = port_of(reactor, server)
    user = begin(port)
    codec = up(reactor, user, server)
    user.events.clear()
    everything = LineState.BREAK | LineState.FRAMING | LineState.PARITY | LineState.OVERRUN
    state = codec.telnet.subnegotiation(telnet.COM_PORT, bytes((106, LineState.BREAK)))
    server.send(b"before" + state + b"after")
    reactor.until(lambda: user.data == b"beforeafter")
    assert user.events == [b"before", Noted.BREAK, b"after"]
    user.events.clear()
    server.send(codec.telnet.subnegotiation(telnet.COM_PORT, bytes((106, everything))))
    reactor.until(lambda: len(user.events) == 4)
    assert set(user.events) == set(Noted)
    counted = port.counters
    assert (counted.breaks, counted.framing, counted.parity, counted.overrun) == (2, 1, 1, 1)


def test_purge(reactor: Reactor, begin: Begin, server: Server) -> None:
    port = port_of(reactor, server)
    user = begin(port)
    up(reactor, user, server)
    server.events.clear()
    port.purge(True, False)
    port.purge(True, True)
    reactor.until(lambda: server.read() and len(server.events) == 2)
    assert server.events == [Purged(Purge.RECEIVE), Purged(Purge.RECEIVE | Purge.TRANSMIT)]


def test_sent_is_a_guess_at_the_rate(reactor: Reactor, begin: Begin, server: Server) -> None:
    port = port_of(reactor, server, speed=1200)
    user = begin(port)
    up(reactor, user, server)
    port.when_sent(lambda: user.done.append("nothing"))
    reactor.until(lambda: user.done == ["nothing"], 0.1)
    began = reactor.seconds()
    port.write(b"x" * 24)
    port.when_sent(lambda: user.done.append(1))
    port.when_sent(lambda: user.done.append(2))
    reactor.until(lambda: user.done[1:] == [1, 2])
    assert 0.18 <= reactor.seconds() - began < 2


def test_a_suspended_server_holds_us_up(reactor: Reactor, begin: Begin, server: Server) -> None:
    port = port_of(reactor, server)
    user = begin(port)
    codec = up(reactor, user, server)
    server.send(codec.telnet.subnegotiation(telnet.COM_PORT, bytes((108,))))
    reactor.until(lambda: user.blocked)
    port.write(b"held")
    port.set(Settings(300), user.done.append)
    reactor.run_for(0.03)
    assert server.read().data == b""
    server.send(codec.telnet.subnegotiation(telnet.COM_PORT, bytes((109,))))
    reactor.until(lambda: server.read().data == b"held" and user.done == [Settings(300)])
    assert not user.blocked


def test_back_pressure_both_ways(reactor: Reactor, begin: Begin, server: Server) -> None:
    port = port_of(reactor, server)
    user = begin(port)
    up(reactor, user, server)
    written = bytearray()
    chance = random.Random(1)
    while not user.blocked:
        block = chance.randbytes(30000)
        port.write(block)
        written += block
    port.set(Settings(300), user.done.append)
    reactor.until(lambda: server.read().data == written and not user.blocked)
    port.pause()
    server.send(b"later")
    reactor.run_for(0.03)
    assert user.data == b""
    port.resume()
    reactor.until(lambda: user.data == b"later")


# -- servers that speak less ---------------------------------------------------------------------------------


def test_a_plain_telnet_server(reactor: Reactor, begin: Begin, server: Server) -> None:
    port = port_of(reactor, server)
    user = begin(port)
    reactor.until(server.accepted)
    server.codec = None
    iac = bytes
    server.send(iac((255, 254, 44, 255, 253, 0, 255, 251, 0)) + b"Welcome")
    reactor.until(lambda: user.data == b"Welcome")
    assert port.speech is Speech.TELNET
    assert user.events[-2:] == [("attached", True), b"Welcome"]
    assert port.signals_known == NONE
    reactor.until(lambda: bytes((255, 251, 0)) in server.read().raw)
    server.raw.clear()
    port.write(b"a\xff\r")
    port.set_break(True)
    port.set_break(False)
    port.write(b"b")
    port.set(Settings(300), user.done.append)
    reactor.until(lambda: b"b" in server.read().raw)
    assert server.raw == b"a\xff\xff\r\xff\xf3b"
    reactor.until(lambda: user.done == [Settings(300)])


def test_a_raw_server(
    reactor: Reactor, begin: Begin, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "ANSWER_S", 0.1)
    port = port_of(reactor, server)
    user = begin(port)
    reactor.until(server.accepted)
    server.codec = None
    server.send(b"early")
    reactor.run_for(0.02)
    assert not user.present
    port.write(b"nobody knows how yet")
    reactor.until(lambda: user.data == b"early")
    assert user.events == [("attached", True), b"early"]
    assert port.speech is Speech.RAW
    server.read().raw.clear()
    port.write(b"\xff\xfe\r")
    server.send(b"\xff\xfd\x2c\r")
    reactor.until(lambda: user.data == b"early\xff\xfd\x2c\r")
    reactor.until(lambda: server.read().raw == b"\xff\xfe\r")
    port.pause()
    server.send(b"later")
    reactor.run_for(0.02)
    assert user.data.endswith(b"\r")
    port.resume()
    reactor.until(lambda: user.data.endswith(b"later"))


@pytest.mark.parametrize("greeting", [b"", b"\xff\xfb\x03\xff\xfb\x00"], ids=["raw", "telnet"])
def test_a_server_that_turns_us_away_says_no_data(
    reactor: Reactor, begin: Begin, server: Server, greeting: bytes
) -> None:
    user = begin(port_of(reactor, server))
    reactor.until(server.accepted)
    server.send(greeting + b"\r\nPort already in use\x1b\r\n")
    server.hang_up()
    reactor.until(lambda: len(user.events) > 0)
    ((event, reason),) = user.events
    assert event == "lost"
    assert reason.endswith(", saying 'Port already in use\\x1b'")
    assert not user.data


def test_a_flood_before_it_is_known_what_is_spoken(
    reactor: Reactor, begin: Begin, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "ANSWER_S", 0.3)
    user = begin(port_of(reactor, server))
    reactor.until(server.accepted)
    server.codec = None
    flood = random.Random(1).randbytes(1 << 20).replace(b"\xff", b"\xfe")
    sent = 0

    def pour() -> bool:
        nonlocal sent
        assert server.client is not None
        try:
            sent += server.client.send(flood[sent : sent + 65536])
        except BlockingIOError:
            pass
        return len(user.data) == len(flood)

    reactor.until(pour, tick=0.001)
    assert user.data == flood


def test_inputs_stand_among_the_bytes(reactor: Reactor, begin: Begin, server: Server) -> None:
    """Also of a port that is paused, whose server is read on for a while."""
    port = port_of(reactor, server)
    user = begin(port)
    codec = up(reactor, user, server)
    user.events.clear()
    one, both = ModemState.DSR, ModemState.DSR | ModemState.DCD
    server.send(b"a" + codec.modem_state(one) + b"b")
    reactor.until(lambda: user.data == b"ab")
    assert user.events == [b"a", ("signals", Signals.DSR), b"b"]
    port.pause()
    server.send(b"c" + codec.modem_state(both) + b"d" + codec.modem_state(one))
    reactor.run_for(0.05)
    assert user.data == b"ab"
    port.resume()
    reactor.until(lambda: len(user.events) == 6)
    assert user.events[2:] == [
        b"bc",
        ("signals", Signals.DSR | Signals.DCD),
        b"d",
        ("signals", Signals.DSR),
    ]


def test_urgent_inputs_are_told_to_one_who_paused(reactor: Reactor, begin: Begin, server: Server) -> None:
    port = port_of(reactor, server)
    port.urgent = lambda signals: Signals.DSR not in signals
    user = begin(port)
    codec = up(reactor, user, server, ModemState.DSR)
    user.events.clear()
    port.pause()
    server.send(b"c" + codec.modem_state(ModemState.DSR | ModemState.CTS))
    reactor.run_for(0.05)
    assert not user.events
    server.send(b"d" + codec.modem_state(ModemState.CTS) + b"e")
    reactor.until(lambda: user.signals == Signals.CTS)
    assert user.events == [
        b"c",
        ("signals", Signals.DSR | Signals.CTS),
        b"d",
        ("signals", Signals.CTS),
    ]
    port.purge(received=True, sent=False)
    port.resume()
    server.send(b"f")
    reactor.until(lambda: user.data.endswith(b"f"))
    assert user.data == b"cdf"


def test_reading_on_is_bounded_and_the_end_is_seen(reactor: Reactor, begin: Begin, server: Server) -> None:
    port = port_of(reactor, server)
    user = begin(port)
    up(reactor, user, server)
    port.pause()
    assert server.client is not None
    sent = random.Random(3).randbytes(READ_AHEAD + 50_000).replace(b"\xff", b"x")
    server.client.setblocking(True)
    server.client.sendall(sent)
    reactor.run_for(0.1)
    assert not user.data
    server.hang_up()
    reactor.until(lambda: not user.present)
    assert user.data == sent
    assert user.events[-1] == ("lost", f"127.0.0.1:{server.port}: closed by the server")


def test_acts_do_not_wait_for_ever(reactor: Reactor, begin: Begin, server: Server) -> None:
    port = port_of(reactor, server, patience_s=0.1)
    user = begin(port)
    codec = up(reactor, user, server)
    server.send(codec.suspend(True))
    reactor.until(lambda: user.blocked)
    server.events.clear()
    port.write(b"stuck")
    port.drive(Signals.DTR, NONE)
    port.write(b"behind")
    port.drive(NONE, Signals.DTR)
    reactor.run_for(0.05)
    assert server.read().events == []
    reactor.until(lambda: len(server.read().events) == 2)
    assert server.events == [LinesSet(dtr=True), LinesSet(dtr=False)]
    server.send(codec.suspend(False))
    reactor.until(lambda: server.read().data == b"stuckbehind")


# -- coming and going ----------------------------------------------------------------------------------------


def test_lost_and_found(reactor: Reactor, begin: Begin, server: Server) -> None:
    port = port_of(reactor, server, speed=2400)
    user = begin(port)
    up(reactor, user, server, ModemState.DCD)
    port.set(Settings(1200, 7, "E"), user.done.append)
    port.drive(NONE, Signals.DTR)
    reactor.until(lambda: server.read() and user.done)
    user.events.clear()
    server.hang_up()
    reactor.until(lambda: len(user.events) == 2)
    assert user.events[0] == ("attached", False)
    assert user.events[1][0] == "lost"
    assert port.signals == NONE
    port.write(b"dropped")
    port.set(Settings(300, 7, "E"), user.done.append)
    reactor.until(lambda: user.done[1:] == [Settings(300, 7, "E")])
    server.events.clear()
    user.events.clear()
    up(reactor, user, server, ModemState.CTS)
    assert user.events == [("found",), ("attached", True), ("signals", Signals.CTS)]
    last = [event for event in server.events if isinstance(event, Set)][-1].settings
    assert (last.rate, last.bits, last.parity) == (300, 7, 3)
    assert LinesSet(dtr=False, rts=None) in server.events
    assert server.data == b""


def test_a_port_that_takes_harm_is_connected_to_rarely(
    reactor: Reactor, begin: Begin, server: Server
) -> None:
    """Many servers open their port at each connection."""
    user = begin(port_of(reactor, server, retry=(0.8, 1.6)))
    up(reactor, user, server)
    for pause in (0.8, 1.6):
        server.hang_up()
        reactor.until(lambda: not user.present)
        gone = reactor.seconds()
        reactor.until(server.accepted, 3)
        assert pause * 0.8 < reactor.seconds() - gone < pause * 1.9


def test_nobody_there_at_first(reactor: Reactor, begin: Begin, server: Server) -> None:
    server.sock.close()
    port = port_of(reactor, server)
    user = begin(port)
    reactor.until(lambda: user.events)
    assert user.events[0][0] == "lost"
    assert "refused" in user.events[0][1]
    server.sock = socket.create_server(("127.0.0.1", server.port))
    server.sock.setblocking(False)
    up(reactor, user, server)
    assert user.events[1:3] == [("found",), ("attached", True)]


def test_what_is_under_way_is_told_at_the_end(reactor: Reactor, server: Server) -> None:
    port = port_of(reactor, server)
    user = User(port)
    port.start(user)
    up(reactor, user, server)
    server.mute = True
    port.write(b"last words")
    port.set(Settings(300), user.done.append)
    port.when_sent(lambda: user.done.append("sent"))
    stopping = port.stop()
    reactor.until(lambda: server.read().data == b"last words")
    reactor.wait_for(stopping, 1)
    assert sorted(map(str, user.done)) == sorted(map(str, ["sent", Settings()]))


# -- others' servers -----------------------------------------------------------------------------------------


class Device:
    """A pseudo-terminal for somebody else's server."""

    def __init__(self) -> None:
        self.far, self._port = os.openpty()
        tty.setraw(self._port)
        os.set_blocking(self.far, False)
        self.path = os.ttyname(self._port)

    @property
    def rate(self) -> int:
        return int(termios.tcgetattr(self._port)[5])

    def take(self) -> bytes:
        try:
            return os.read(self.far, 65536)
        except BlockingIOError:
            return b""

    def close(self) -> None:
        os.close(self.far)
        os.close(self._port)


@pytest.fixture
def device() -> Iterator[Device]:
    made = Device()
    yield made
    made.close()


@pytest.fixture
def spawn() -> Iterator[Callable[[list[str]], None]]:
    started: list[subprocess.Popen[bytes]] = []
    null = subprocess.DEVNULL

    def start(argv: list[str]) -> None:
        started.append(subprocess.Popen(argv, stdin=null, stdout=null, stderr=null))

    yield start
    for each in started:
        each.terminate()
    for each in started:
        each.wait(5)


def round_trip(reactor: Reactor, port: RemotePort, user: User, device: Device) -> None:
    """Settings reach the device, every byte passes both ways, and a second change is in its place."""
    port.set(Settings(19200), user.done.append)
    reactor.until(lambda: user.done == [Settings(19200)], 5)
    assert device.rate == termios.B19200
    chance = random.Random(5)
    up, down = chance.randbytes(20000), chance.randbytes(20000)
    user.data.clear()
    got = bytearray()
    sent = 0
    port.write(up)

    def done() -> bool:
        nonlocal sent
        try:
            sent += os.write(device.far, down[sent : sent + 1000])
        except BlockingIOError:
            pass
        got.extend(device.take())
        return len(got) >= len(up) and len(user.data) >= len(down)

    reactor.until(done, 20, tick=0.002)
    assert got == up
    assert user.data == down
    port.set_break(True)
    port.set_break(False)
    port.drive(NONE, Signals.DTR | Signals.RTS)
    port.drive(Signals.DTR | Signals.RTS, NONE)
    port.purge(True, True)
    port.set(Settings(1200, stop_bits=2), user.done.append)
    reactor.until(lambda: len(user.done) == 2, 5)
    assert device.rate == termios.B1200
    port.write(b"still there")
    reactor.until(lambda: device.take().endswith(b"there"), 5)


@pytest.mark.interop
def test_ser2net(
    reactor: Reactor, begin: Begin, device: Device, spawn: Callable[[list[str]], None], tmp_path: Path
) -> None:
    (program,) = need("ser2net")
    number = free_port()
    config = tmp_path / "ser2net.yaml"
    config.write_text(
        f"connection: &port\n  accepter: telnet(rfc2217),tcp,127.0.0.1,{number}\n"
        f"  connector: serialdev,{device.path},9600n81,local\n"
    )
    spawn([program, "-n", "-u", "-c", str(config), "-P", str(tmp_path / "pid")])
    port = RemotePort(reactor, "127.0.0.1", number)
    user = begin(port)
    reactor.until(lambda: port.speech is Speech.COM_PORT, 15)
    reactor.run_for(0.2)
    assert port.settings.rate == 9600
    round_trip(reactor, port, user, device)


@pytest.mark.interop
def test_sredird(
    reactor: Reactor, begin: Begin, device: Device, spawn: Callable[[list[str]], None], tmp_path: Path
) -> None:
    """It answers every circuit with "no flow control", sends rates of eight bytes and commands in pieces."""
    program, socat = need("sredird", "socat")
    number = free_port()
    listen = f"TCP-LISTEN:{number},bind=127.0.0.1,reuseaddr"
    spawn([socat, listen, f"EXEC:{program} 3 {device.path} {tmp_path / 'lock'}"])
    port = RemotePort(reactor, "127.0.0.1", number, flow="xonxoff")
    user = begin(port)
    reactor.until(lambda: port.speech is Speech.COM_PORT, 15)
    reactor.run_for(0.2)
    port.drive(NONE, Signals.RTS)
    reactor.run_for(0.2)
    assert port.settings.flow is PortFlow.XON_XOFF
    port.set(Settings(12345, flow=PortFlow.XON_XOFF), user.done.append)
    reactor.until(lambda: user.done, 5)
    assert user.done[0].rate in (9600, 38400)  # as it was: it knows standard rates only
    assert device.rate == getattr(termios, f"B{user.done[0].rate}")
    reactor.wait_for(port.stop(), 1)
