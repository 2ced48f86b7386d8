"""The line on an access server: our own one, and scripted ones that refuse, are silent, or go away."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from hashlib import sha256

import pytest

from tests.helpers.accessserver import Server
from tests.helpers.calls import FakeResolver, closed_port
from tests.helpers.reactors import Reactor
from vmodem.line import remote
from vmodem.line.base import Circuit, Line, LineError
from vmodem.line.parse import make_line
from vmodem.line.remote import RemoteLine
from vmodem.line.rfc2217 import Rfc2217Line
from vmodem.net import seeker
from vmodem.net.telnet.comport import BREAK_LIMIT_S
from vmodem.port import remote as port_remote
from vmodem.port import sentclock
from vmodem.port.base import INPUTS, PortFlow, Settings
from vmodem.port.remotestream import READ_AHEAD
from vmodem.wire import comport
from vmodem.wire.comport import LineState, ModemState, Purge
from vmodem.wire.comport_server import BreakSet, ComPortServer, LinesSet, Purged, Set

from .conftest import User

Begin = Callable[[Line], User]
DCD, DSR, CTS = ModemState.DCD, ModemState.DSR, ModemState.CTS


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.hang_up()
    made.sock.close()


def up(reactor: Reactor, line: RemoteLine, server: Server) -> ComPortServer:
    """Let the line and its server agree; what was told so far is forgotten."""
    codec = server.codec
    assert codec is not None
    reactor.until(server.accepted)
    server.send(codec.greeting())
    reactor.until(lambda: server.read() and line.attached)
    reactor.until(lambda: server.read() and line._port.signals_known & INPUTS)
    server.events.clear()
    return codec


def test_written_as_a_line(reactor: Reactor) -> None:
    line = make_line(
        reactor, r"remote:srv:4001:speed=9600:bits=7:parity=e:stop=1.5:flow=xonxoff:wiring=modem"
    )
    assert isinstance(line, RemoteLine)
    assert (line._port._seeker._host, line._port._seeker._port) == ("srv", 4001)
    assert line._port.settings == Settings(9600, 7, "E", 1.5, PortFlow.XON_XOFF)
    assert isinstance(make_line(reactor, r"remote:host=\:\:1:port=23:dtr=ri:rts=dcd:invert=cd"), RemoteLine)
    for text, words in {
        "remote:srv": "port is missing",
        "remote:": "host cannot be ''",
        "remote:srv:0": "port cannot be '0'",
        "remote:srv:1:2": "'2' has no key",
        "remote:srv:1:port=2": "port is given twice",
        "remote:srv:1:flow=rtscts:rts=dcd": "flow=rtscts needs RTS",
        "remote:srv:1:flow=rtscts:dtr-in=cts": "flow=rtscts needs CTS",
        "remote:srv:1:flow=dsrdtr:dtr-in=dsr": "flow=dsrdtr needs DSR",
        "remote:srv:1:flow=dsrdtr:dtr=dcd": "flow=dsrdtr needs DTR",
    }.items():
        with pytest.raises(LineError, match=words):
            make_line(reactor, text)


# -- a server that speaks RFC 2217 ---


def test_the_port_is_set_as_the_line_says(reactor: Reactor, begin: Begin, server: Server) -> None:
    line = RemoteLine(
        reactor, "127.0.0.1", server.port, speed=19200, bits=7, parity="E", stop=2, flow="rtscts"
    )
    begin(line)
    codec = up(reactor, line, server)
    reactor.until(lambda: line.rate == 19200)
    flow, flow_in = comport.FLOW_HARDWARE, comport.FLOW_IN_HARDWARE
    assert codec.settings == comport.PortSettings(19200, 7, 3, 2, flow, flow_in)
    assert b"\xff\xfa\x2c\x05\x0b\xff\xf0" not in server.raw  # RTS is flow control's, not ours


def test_what_the_line_does_not_say_is_left_alone(reactor: Reactor, begin: Begin, server: Server) -> None:
    server.codec = ComPortServer(settings=comport.PortSettings(rate=2400, bits=7))
    line = RemoteLine(reactor, "127.0.0.1", server.port)
    begin(line)
    codec = up(reactor, line, server)
    reactor.until(lambda: line.rate == 2400)
    assert codec.settings.bits == 7


def test_dsr_dtr_flow(reactor: Reactor, begin: Begin, server: Server) -> None:
    line = RemoteLine(reactor, "127.0.0.1", server.port, flow="dsrdtr")
    user = begin(line)
    codec = up(reactor, line, server)
    assert (codec.settings.flow, codec.settings.flow_in) == (comport.FLOW_DSR, comport.FLOW_IN_DTR)
    assert user.dtr
    assert not codec.dtr


def test_circuits(reactor: Reactor, begin: Begin, server: Server) -> None:
    assert server.codec is not None
    server.codec.modem_state(DSR | CTS)
    line = RemoteLine(reactor, "127.0.0.1", server.port)
    user = begin(line)
    line.set_circuit(Circuit.CTS, False)
    codec = up(reactor, line, server)
    assert user.events == [("dtr", True)]
    assert not codec.dtr
    assert not codec.rts
    line.write(b"RING")
    line.set_circuit(Circuit.DCD, True)
    line.set_circuit(Circuit.CTS, True)
    line.set_circuit(Circuit.RI, True)
    line.write(b"CONNECT\xff")
    line.set_circuit(Circuit.DCD, False)
    line.write(b"NO CARRIER")
    wanted = [
        b"RING",
        LinesSet(dtr=True, rts=True),
        b"CONNECT\xff",
        LinesSet(dtr=False),
        b"NO CARRIER",
    ]
    reactor.until(lambda: server.read().data == b"RINGCONNECT\xffNO CARRIER")
    assert server.events in (wanted, [wanted[0], LinesSet(dtr=True), LinesSet(rts=True), *wanted[2:]])
    server.send(b"ATH\xff\xff" + codec.modem_state(CTS) + b"x")
    reactor.until(lambda: user.data == b"ATH\xffx")
    assert user.events == [("dtr", True), b"ATH\xff", ("dtr", False), b"x"]


def test_a_port_whose_dtr_was_never_on_has_three_wires(
    reactor: Reactor, begin: Begin, server: Server
) -> None:
    line = RemoteLine(reactor, "127.0.0.1", server.port, wiring="modem", invert=["rts"])
    user = begin(line)
    codec = up(reactor, line, server)
    assert user.dtr
    assert codec.dtr  # carries DSR, which is on until something else is said
    assert codec.rts  # carries DCD, turned round
    server.send(codec.modem_state(DSR))
    server.send(codec.modem_state(ModemState(0)))
    reactor.until(lambda: not user.dtr)


def test_a_port_that_tells_nothing(
    reactor: Reactor, begin: Begin, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(port_remote, "POLL_S", 0.01)
    for module in (remote, port_remote):
        monkeypatch.setattr(module, "ANSWER_S", 0.02)
    line = RemoteLine(reactor, "127.0.0.1", server.port)
    user = begin(line)
    reactor.until(server.accepted)
    server.codec = None
    server.send(b"\xff\xfd\x2c")
    reactor.until(lambda: user.dtr)
    assert server.read().raw.count(b"\xff\xfa\x2c\x07\xff\xf0") == 1


def test_break_both_ways(reactor: Reactor, begin: Begin, server: Server) -> None:
    breaks: list[bytes] = []
    line = RemoteLine(reactor, "127.0.0.1", server.port)
    line.break_received = lambda: breaks.append(bytes(user.data))
    user = begin(line)
    codec = up(reactor, line, server)
    server.send(b"x" + codec.break_detected() + b"y")
    reactor.until(lambda: user.data == b"xy")
    assert breaks == [b"x"]
    start = time.monotonic()
    line.write(b"before")
    line.send_break(0.1)
    line.write(b"after")
    line.send_break(30.0)
    reactor.until(lambda: BreakSet(False) in server.read().events)
    assert time.monotonic() - start >= 0.1
    reactor.until(lambda: server.read().events.count(BreakSet(False)) == 2)
    assert time.monotonic() - start < 0.1 + 10 * BREAK_LIMIT_S  # and not 30 s
    assert server.events == [
        b"before",
        BreakSet(True),
        BreakSet(False),
        b"after",
        BreakSet(True),
        BreakSet(False),
    ]


def test_suspended_by_the_server(reactor: Reactor, begin: Begin, server: Server) -> None:
    line = RemoteLine(reactor, "127.0.0.1", server.port)
    user = begin(line)
    codec = up(reactor, line, server)
    server.send(codec.suspend(True))
    reactor.until(lambda: user.blocked)
    line.write(b"one")
    line.set_circuit(Circuit.DCD, True)
    line.write(b"two")
    assert line.backlog == 6
    line.discard()
    assert line.backlog == 0
    reactor.until(lambda: server.read().events == [LinesSet(dtr=True), Purged(Purge.TRANSMIT)])
    server.events.clear()
    line.write(b"one")
    line.set_circuit(Circuit.DCD, False)
    line.write(b"two")
    server.send(codec.suspend(False))
    reactor.until(lambda: server.read().events == [b"one", LinesSet(dtr=False), b"two"])
    assert not user.blocked


def test_sent_means_that_the_remote_transmitter_is_empty(
    reactor: Reactor, begin: Begin, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = RemoteLine(reactor, "127.0.0.1", server.port, speed=9600)
    begin(line)
    up(reactor, line, server)
    reactor.until(lambda: line.rate == 9600)
    sent: list[float] = []
    start = time.monotonic()
    line.when_sent(lambda: sent.append(time.monotonic() - start))
    assert sent
    sent.clear()
    line.write(b"x" * 96)
    line.write(b"x" * 96)
    line.when_sent(lambda: sent.append(time.monotonic() - start))
    assert not sent
    reactor.until(lambda: sent)
    assert 0.2 <= sent[0] < 2
    monkeypatch.setattr(sentclock, "LIMIT_S", 0.1)
    line.write(b"x" * 100_000)
    start = time.monotonic()
    line.when_sent(lambda: sent.append(time.monotonic() - start))
    reactor.until(lambda: server.read() and len(sent) == 2)
    assert sent[1] < 5


def test_back_pressure(reactor: Reactor, begin: Begin, server: Server) -> None:
    line = RemoteLine(reactor, "127.0.0.1", server.port)
    user = begin(line)
    up(reactor, line, server)
    wanted = bytearray()
    while not user.blocked:
        block = os.urandom(50_000)
        line.write(block)
        wanted += block
    line.write(b"more")
    line.set_circuit(Circuit.DCD, True)
    line.write(b"last")
    sent: list[bool] = []
    line.when_sent(lambda: sent.append(True))
    assert reactor.run_for(0.05) <= 2
    assert not sent
    reactor.until(lambda: server.read().data == wanted + b"morelast" and not user.blocked, tick=0.001)
    assert server.events[1:] == [LinesSet(dtr=True), b"last"]
    reactor.until(lambda: sent)


def test_an_answer_that_differs_is_no_end(reactor: Reactor, begin: Begin, server: Server) -> None:
    settings = comport.PortSettings(rate=9600)
    server.codec = ComPortServer(accept=lambda wanted: settings, signature=b"x")
    line = RemoteLine(reactor, "127.0.0.1", server.port, speed=12345, parity="S")
    begin(line)
    codec = up(reactor, line, server)
    reactor.until(lambda: line.rate == 9600)
    server.send(codec.telnet.subnegotiation(44, b"\x64x") + codec.telnet.subnegotiation(44, b"\xfa") + b"y")
    reactor.until(lambda: line._user.data == b"y")  # type: ignore[attr-defined]


def test_a_hang_up_is_seen_while_paused(reactor: Reactor, begin: Begin, server: Server) -> None:
    line = RemoteLine(reactor, "127.0.0.1", server.port)
    user = begin(line)
    codec = up(reactor, line, server)
    server.send(codec.modem_state(DSR))
    reactor.until(lambda: line._wiring._dtr_seen)
    line.call_active(True)
    line.pause()
    server.send(b"rest" + codec.modem_state(ModemState(0)))
    reactor.until(lambda: not user.dtr)
    assert user.data == b"rest"
    server.send(codec.modem_state(DSR) + b"x" * (READ_AHEAD + 1000))
    reactor.run_for(0.05)
    assert user.data == b"rest"
    server.hang_up()
    reactor.until(lambda: not line.attached)
    assert len(user.data) == 4 + READ_AHEAD + 1000
    assert user.events[-1] == ("lost", f"127.0.0.1:{server.port}: closed by the server")
    line.call_active(False)
    line.resume()


# -- one that does not ---


@pytest.mark.parametrize("says", [b"\xff\xfe\x2c", b"\xff\xfb\x03", b"", b"login: "])
def test_plain_telnet_and_raw(
    reactor: Reactor, begin: Begin, server: Server, monkeypatch: pytest.MonkeyPatch, says: bytes
) -> None:
    monkeypatch.setattr(port_remote, "ANSWER_S", 0.1)
    server.codec = None
    line = RemoteLine(reactor, "127.0.0.1", server.port)
    user = begin(line)
    reactor.until(server.accepted)
    server.send(says)
    reactor.until(lambda: user.dtr)
    assert line.attached
    server.read().raw.clear()
    telnet = says[:1] == b"\xff"
    line.set_circuit(Circuit.DCD, True)
    line.send_break(0.1)
    line.write(b"a\r\xffb")
    wanted = b"\xff\xf3a\r\x00\xff\xffb" if telnet else b"a\r\xffb"
    reactor.until(lambda: server.read().raw == wanted)
    server.send(b"\xff\xffx")
    reactor.until(lambda: user.data[-1:] == b"x")
    assert user.data.endswith(b"\xffx" if telnet else b"\xff\xffx")
    assert (user.data.count(b"\xff") == 1) is telnet


def test_a_change_of_mind(reactor: Reactor, begin: Begin, server: Server) -> None:
    line = RemoteLine(reactor, "127.0.0.1", server.port, speed=300)
    user = begin(line)
    reactor.until(server.accepted)
    server.send(b"\xff\xfe\x2c")
    reactor.until(lambda: user.dtr)
    server.send(b"\xff\xfb\x2c")
    reactor.until(lambda: Set(comport.PortSettings(rate=300)) in server.read().events)


# -- one that is not there ---


def test_it_is_looked_for(
    reactor: Reactor, begin: Begin, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seeker, "RETRY_S", (0.01, 0.02))
    port = server.port
    server.sock.close()
    line = RemoteLine(reactor, "127.0.0.1", port)
    user = begin(line)
    line.write(b"nobody is there")
    reactor.until(lambda: line._port._seeker._attempt > 3)
    assert user.events == [("lost", f"127.0.0.1:{port}: Connection refused")]
    server.sock = socket.create_server(("127.0.0.1", port))
    server.sock.setblocking(False)
    codec = up(reactor, line, server)
    assert user.events[1:] == [("found",), ("dtr", True)]
    server.send(codec.modem_state(DSR))
    sent: list[bool] = []
    while not user.blocked:
        line.write(b"x" * 50000)
    line.when_sent(lambda: sent.append(True))
    server.hang_up()
    reactor.until(lambda: not line.attached)
    assert user.events[3] == ("dtr", False)
    assert user.events[4][0] == "lost"
    assert sent
    assert not user.blocked
    assert line.rate == line.backlog == 0
    server.codec = ComPortServer()
    up(reactor, line, server)
    assert user.events[5:] == [("found",)]  # now that DTR has been seen on, off is off


def test_names(reactor: Reactor, begin: Begin, server: Server) -> None:
    resolver = FakeResolver(reactor, {"srv": ["127.0.0.1"]})
    line = RemoteLine(reactor, "srv", server.port, resolver=resolver)
    begin(line)
    up(reactor, line, server)
    unknown = RemoteLine(reactor, "nowhere", server.port, resolver=resolver)
    user = begin(unknown)
    reactor.until(lambda: user.events)
    assert user.events[0][1].startswith("nowhere: ")


def test_one_that_never_accepts(
    reactor: Reactor, begin: Begin, monkeypatch: pytest.MonkeyPatch, server: Server
) -> None:
    monkeypatch.setattr(seeker, "CONNECT_S", 0.02)
    resolver = FakeResolver(reactor)
    monkeypatch.setattr(resolver, "resolve", lambda *_: resolver)
    user = begin(RemoteLine(reactor, "slow", 1, resolver=resolver))
    reactor.until(lambda: user.events)
    assert user.events == [("lost", "slow:1: no answer")]


@pytest.mark.parametrize("state", ["connecting", "negotiating", "waiting", "up", "blocked"])
def test_stop(reactor: Reactor, begin: Begin, server: Server, state: str) -> None:
    port = closed_port() if state == "waiting" else server.port
    line = RemoteLine(reactor, "127.0.0.1", port)
    user = begin(line)
    if state == "negotiating":
        reactor.until(server.accepted)
        reactor.until(lambda: server.read().raw)
    elif state == "waiting":
        reactor.until(lambda: user.events)
    elif state in ("up", "blocked"):
        up(reactor, line, server)
        if state == "blocked":
            while not user.blocked:
                line.write(b"x" * 50000)
        line.write(b"NO CARRIER")
    events = list(user.events)
    stopped = line.stop()
    assert line.stop() is stopped
    reactor.wait_for(stopped, 0.6)
    assert user.events == events
    assert not reactor.getDelayedCalls()
    if state == "up":
        assert server.read().data == b"NO CARRIER"


# -- against our own served line ---


def test_our_own_two_lines(reactor: Reactor, begin: Begin) -> None:
    far = Rfc2217Line(reactor, 0)
    breaks: list[str] = []
    far.break_received = lambda: breaks.append("far")
    at_far = begin(far)
    for circuit in (Circuit.DSR, Circuit.CTS):
        far.set_circuit(circuit, True)
    near = RemoteLine(reactor, "127.0.0.1", far.port, speed=57600)
    near.break_received = lambda: breaks.append("near")
    at_near = begin(near)
    reactor.until(lambda: at_near.dtr and far.rate == 57600 and near.rate == 57600)
    assert not at_far.dtr
    near.set_circuit(Circuit.DCD, True)
    reactor.until(lambda: at_far.dtr)
    far.set_circuit(Circuit.DSR, False)
    reactor.until(lambda: not at_near.dtr)
    far.set_circuit(Circuit.DSR, True)
    reactor.until(lambda: at_near.dtr)
    near.send_break(0.05)
    far.send_break(0.05)
    reactor.until(lambda: sorted(breaks) == ["far", "near"])
    down, up_ = os.urandom(1 << 20), os.urandom(1 << 20)
    written = {near: 0, far: 0}

    def both_there() -> bool:
        for line, user, data in ((near, at_near, up_), (far, at_far, down)):
            if not user.blocked and written[line] < len(data):
                line.write(data[written[line] : written[line] + 5000])
                written[line] += 5000
        return len(at_near.data) == len(down) and len(at_far.data) == len(up_)

    reactor.until(both_there, tick=0.0, timeout=60)
    assert sha256(at_near.data).digest() == sha256(down).digest()
    assert sha256(at_far.data).digest() == sha256(up_).digest()
    assert LineState.BREAK == 16
