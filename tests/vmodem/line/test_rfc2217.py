"""The RFC 2217 line: scripted clients on real sockets."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any

import pytest

from tests.helpers.reactors import Reactor
from vmodem.line import rfc2217
from vmodem.line.base import Circuit, Flow, FlowControl, Line, LineError
from vmodem.line.coded import ANSWERS_LIMIT, NOTICES_LIMIT
from vmodem.line.parse import make_line
from vmodem.line.rfc2217 import Rfc2217Line, Speech
from vmodem.wire import comport, telnet
from vmodem.wire.comport import LineState, ModemState, Purge
from vmodem.wire.comport_client import Answered, ComPortClient, LineStateTold, ModemStateTold
from vmodem.wire.events import Data, Send

from .conftest import User

Begin = Callable[[Line], User]


class Client:
    """A client that reads when it is told to; ``codec`` is None for one that speaks no telnet."""

    def __init__(self, line: Rfc2217Line, codec: ComPortClient | None) -> None:
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        self.sock.connect(("127.0.0.1", line.port))
        self.sock.setblocking(False)
        self.codec = codec
        self.raw = bytearray()
        self.data = bytearray()
        #: Everything but answers to the protocol, in order; data joined.
        self.events: list[Any] = []

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def read(self) -> Client:
        """Take what has come so far, and answer what the protocol asks."""
        try:
            while chunk := self.sock.recv(1 << 20):
                self.raw += chunk
                for event in [Data(chunk)] if self.codec is None else self.codec.receive(chunk):
                    self._happened(event)
        except BlockingIOError:
            pass
        return self

    def _happened(self, event: Any) -> None:
        if isinstance(event, Send):
            self.send(event.data)
            return
        if isinstance(event, Data):
            self.data += event.data
            if self.events and isinstance(self.events[-1], bytes):
                self.events[-1] += event.data
                return
            event = event.data
        elif isinstance(event, ModemStateTold):
            event = event.state & 0xF0
        self.events.append(event)


Connect = Callable[..., Client]


@pytest.fixture
def connect(reactor: Reactor) -> Iterator[Connect]:
    made: list[Client] = []

    def make(line: Rfc2217Line, speaks: bool = True, says: bytes = b"") -> Client:
        client = Client(line, ComPortClient() if speaks else None)
        made.append(client)
        if says:
            client.send(says)
        elif client.codec is not None:
            client.send(client.codec.greeting())
        reactor.until(lambda: line.attached)
        return client

    yield make
    for client in made:
        client.sock.close()


@pytest.fixture
def line(reactor: Reactor) -> Rfc2217Line:
    return Rfc2217Line(reactor, 0)


def agreed(reactor: Reactor, client: Client) -> ComPortClient:
    """Wait for the agreement; what was told so far is forgotten."""
    assert client.codec is not None
    codec = client.codec
    reactor.until(lambda: client.read() and codec.agreed and client.events)
    client.events.clear()
    return codec


def sb(*codes: int) -> bytes:
    return b"\xff\xfa\x2c" + bytes(codes) + b"\xff\xf0"


def test_written_as_a_line(reactor: Reactor) -> None:
    made = make_line(reactor, r"rfc2217:4000:interface=\:\:1")
    assert isinstance(made, Rfc2217Line)
    assert made.port == 4000
    for text in ("rfc2217:", "rfc2217", "rfc2217:70000"):
        with pytest.raises(LineError, match="port"):
            make_line(reactor, text)


def test_a_client_sets_the_port(reactor: Reactor, begin: Begin, connect: Connect, line: Rfc2217Line) -> None:
    user = begin(line)
    client = connect(line)
    codec = agreed(reactor, client)
    assert line.speech is Speech.TELNET
    rts: list[bool] = []
    line.rts_changed = rts.append
    assert (line.rate, user.dtr) == (0, False)
    client.send(codec.set(comport.SET_BAUDRATE, 9600))
    client.send(codec.control(comport.DTR_ON) + codec.control(comport.RTS_ON))
    reactor.until(lambda: user.dtr and line.rate == 9600 and rts == [True])
    wanted = [Answered(1, 9600), Answered(5, comport.DTR_ON), Answered(5, comport.RTS_ON)]
    reactor.until(lambda: client.read().events == wanted)
    client.send(codec.set(comport.SET_BAUDRATE, 115200) + b"AT")
    client.send(codec.control(comport.DTR_OFF))
    reactor.until(lambda: not user.dtr)
    assert line.rate == 115200
    assert user.events == [("dtr", True), b"AT", ("dtr", False)]
    client.sock.close()
    reactor.until(lambda: not line.attached)
    assert user.events[3:] == [("left",)]
    agreed(reactor, connect(line))
    assert line.rate == 0


def test_circuits_in_order_with_data(
    reactor: Reactor, begin: Begin, connect: Connect, line: Rfc2217Line
) -> None:
    begin(line)
    for circuit in (Circuit.CTS, Circuit.DSR):
        line.set_circuit(circuit, True)
    client = connect(line)
    codec = client.codec
    assert codec is not None
    reactor.until(lambda: client.read().events[1:] == [ModemState.CTS | ModemState.DSR])
    client.events.clear()
    line.set_circuit(Circuit.RI, True)
    line.write(b"RING")
    line.set_circuit(Circuit.RI, False)
    line.set_circuit(Circuit.DCD, True)
    line.set_circuit(Circuit.DCD, True)
    line.write(b"CONNECT\xff\r\x00")
    line.set_circuit(Circuit.DCD, False)
    line.write(b"NO CARRIER")
    on = ModemState.CTS | ModemState.DSR
    wanted = [on | ModemState.RI, b"RING", on, on | ModemState.DCD, b"CONNECT\xff\r\x00", on, b"NO CARRIER"]
    reactor.until(lambda: client.read().events == wanted)


def test_order_is_kept_while_suspended(
    reactor: Reactor, begin: Begin, connect: Connect, line: Rfc2217Line
) -> None:
    user = begin(line)
    client = connect(line)
    codec = agreed(reactor, client)
    client.send(codec.suspend(True))
    reactor.until(lambda: user.blocked)
    line.set_circuit(Circuit.CTS, True)
    reactor.until(lambda: client.read().events == [ModemState.CTS])
    line.write(b"one")
    line.set_circuit(Circuit.DCD, True)
    line.write(b"two")
    line.set_circuit(Circuit.DCD, False)
    sent: list[bool] = []
    line.when_sent(lambda: sent.append(True))
    assert line.backlog == 6
    client.send(codec.ask_modem_state())
    # What has not been told yet is not so yet.
    reactor.until(lambda: client.read().events == [ModemState.CTS] * 2)
    assert user.blocked
    assert not sent
    client.send(codec.suspend(False))
    both = ModemState.CTS | ModemState.DCD
    wanted = [ModemState.CTS, ModemState.CTS, b"one", both, b"two", ModemState.CTS]
    reactor.until(lambda: client.read().events == wanted)
    assert not user.blocked
    assert sent == [True]


def test_rts_holds_data_up_where_it_is_flow_control(
    reactor: Reactor, begin: Begin, connect: Connect, line: Rfc2217Line
) -> None:
    user = begin(line)
    client = connect(line)
    codec = agreed(reactor, client)
    by_rts, free = FlowControl(Flow.CIRCUITS, Flow.CIRCUITS), FlowControl(Flow.NONE, Flow.NONE)
    line.set_flow(by_rts)
    client.send(codec.control(comport.RTS_OFF))
    reactor.run_for(0.03)
    line.write(b"never mentioned ")
    assert not user.blocked
    client.send(codec.control(comport.FLOW_HARDWARE))
    reactor.until(lambda: user.blocked)
    line.write(b"held")
    assert line.backlog == 4
    client.send(codec.control(comport.RTS_ON))
    reactor.until(lambda: client.read().data == b"never mentioned held")
    assert not user.blocked
    client.send(codec.control(comport.RTS_OFF))
    reactor.until(lambda: user.blocked)
    line.write(b"lost")
    line.discard()
    assert line.backlog == 0
    line.write(b", free")
    line.set_flow(free)
    assert not user.blocked
    reactor.until(lambda: client.read().data == b"never mentioned held, free")


def test_purge_drops_what_waits_for_the_client_but_no_circuit(
    reactor: Reactor, begin: Begin, connect: Connect, line: Rfc2217Line
) -> None:
    user = begin(line)
    client = connect(line)
    codec = agreed(reactor, client)
    client.send(codec.suspend(True))
    reactor.until(lambda: user.blocked)
    line.write(b"old")
    line.set_circuit(Circuit.DCD, True)
    client.send(codec.purge(Purge.TRANSMIT))
    reactor.until(lambda: Answered(12, 2) in client.read().events)
    assert line.backlog == 3
    client.send(codec.purge(Purge.RECEIVE))
    reactor.until(lambda: client.read().events[1:] == [Answered(12, 1), ModemState.DCD])
    assert line.backlog == 0
    client.send(codec.suspend(False))
    reactor.until(lambda: not user.blocked)
    line.write(b"new")
    reactor.until(lambda: client.read().data == b"new")


@pytest.mark.parametrize("together", [False, True])
def test_purge_drops_what_waits_for_the_modem_but_no_circuit(
    reactor: Reactor, begin: Begin, connect: Connect, line: Rfc2217Line, together: bool
) -> None:
    user = begin(line)
    rts: list[bool] = []
    line.rts_changed = rts.append
    client = connect(line)
    codec = agreed(reactor, client)
    line.pause()
    client.send(b"old" + codec.control(comport.RTS_ON) + codec.purge(Purge.RECEIVE))
    reactor.until(lambda: Answered(12, 1) in client.read().events)
    client.send(codec.purge(Purge.TRANSMIT) + b"new")
    reactor.until(lambda: Answered(12, 2) in client.read().events)
    line.resume()
    assert user.data == b"new"
    assert rts == [True]
    # What need not wait is not dropped, however it is cut.
    pieces = [b"this", codec.purge(Purge.TRANSMIT), b" comes"]
    for piece in [b"".join(pieces)] if together else pieces:
        client.send(piece)
        reactor.run_for(0.02)
    reactor.until(lambda: user.data == b"newthis comes")


def test_break_both_ways(reactor: Reactor, begin: Begin, connect: Connect, line: Rfc2217Line) -> None:
    breaks: list[bytes] = []
    line.break_received = lambda: breaks.append(bytes(user.data))
    user = begin(line)
    client = connect(line)
    codec = agreed(reactor, client)
    client.send(b"x" + codec.control(comport.BREAK_ON) + b"y" + codec.control(comport.BREAK_OFF))
    client.send(b"z" + b"\xff\xf3")
    reactor.until(lambda: len(breaks) == 2)
    assert breaks == [b"x", b"xyz"]
    line.send_break(0.3)
    client.send(codec.masks(ModemState(255), LineState.BREAK))
    reactor.until(lambda: Answered(10, 16) in client.read().events)
    client.events.clear()
    line.write(b"a")
    line.send_break(0.3)
    line.write(b"b")
    reactor.until(lambda: client.read().events == [b"a", LineStateTold(LineState.BREAK), b"b"])


# -- who does not speak of circuits --------------------------------------------------------------------------


def test_a_raw_client(reactor: Reactor, begin: Begin, connect: Connect, line: Rfc2217Line) -> None:
    user = begin(line)
    user.on_data = lambda data: line.write(b"<" + data + b">")
    client = connect(line, speaks=False, says=b"AT\xff\xff")
    reactor.until(lambda: client.read().raw == b"<AT\xff\xff>")
    assert user.events == [("dtr", True), b"AT\xff\xff"]
    assert line.speech is Speech.RAW
    client.send(b"\xff\xfb\x03")
    line.set_circuit(Circuit.DCD, True)
    line.send_break(0.3)
    reactor.until(lambda: client.read().raw == b"<AT\xff\xff><\xff\xfb\x03>")
    reactor.run_for(rfc2217.GREETING_S)
    assert client.read().raw == b"<AT\xff\xff><\xff\xfb\x03>"


@pytest.mark.parametrize("pieces", [[b"ATI3\r\0AT\r\0"], [b"A", b"TI3\r", b"\0AT\r", b"\0"]])
def test_a_telnet_client_that_is_typed_to_before_it_is_greeted(
    reactor: Reactor, begin: Begin, connect: Connect, line: Rfc2217Line, pieces: list[bytes]
) -> None:
    """Those of inetutils and of BSD say nothing by themselves, on other ports than telnet's."""
    user = begin(line)
    client = connect(line, says=pieces[0])
    for piece in pieces[1:]:
        reactor.run_for(0.01)
        client.send(piece)
    reactor.until(lambda: user.data == b"ATI3\rAT\r")
    assert line.speech is Speech.TELNET
    reactor.until(lambda: client.read().raw.startswith(b"\xff\xfb"))
    assert client.codec is not None
    client.send(client.codec.greeting())
    agreed(reactor, client)
    line.write(b"\xff\r")
    reactor.until(lambda: client.read().data == b"\xff\r")
    client.send(b"\xff\xff\r\0")
    reactor.until(lambda: user.data == b"ATI3\rAT\r\xff\r\0")


@pytest.mark.parametrize("says", [b"AT\r\n\r\0", b"AT\r.\r\0"])
def test_a_raw_client_shows_by_its_first_cr(
    reactor: Reactor, begin: Begin, connect: Connect, line: Rfc2217Line, says: bytes
) -> None:
    user = begin(line)
    connect(line, speaks=False, says=says)
    reactor.until(lambda: user.data == says)
    assert line.speech is Speech.RAW


@pytest.mark.parametrize("before", [False, True])
def test_the_data_of_a_raw_clients_call_is_not_looked_at(
    reactor: Reactor, begin: Begin, connect: Connect, line: Rfc2217Line, before: bool
) -> None:
    user = begin(line)
    if before:
        line.call_active(True)
    client = connect(line, speaks=False, says=b"data")
    reactor.until(lambda: user.data == b"data")
    line.call_active(True)
    client.send(b"\r\0\xff\xf3")
    reactor.until(lambda: user.data == b"data\r\0\xff\xf3")
    assert line.speech is Speech.RAW
    line.call_active(False)


def test_a_silent_client_is_greeted_before_anything_else(
    reactor: Reactor, begin: Begin, connect: Connect, line: Rfc2217Line
) -> None:
    user = begin(line)
    client = connect(line, speaks=False, says=b"")
    line.write(b"\r\nRING\r\n")
    assert user.blocked
    greeting = bytes.fromhex("fffb03fffd03fffb01fffd00fffb00fffd2c")
    reactor.until(lambda: client.read().raw == greeting + b"\r\nRING\r\n")
    assert not user.blocked
    # A telnet program: no RFC 2217, but BINARY one way.
    client.send(bytes.fromhex("fffd03fffb03fffd01fffb00fffe00fffc2c"))
    reactor.until(lambda: user.dtr)
    assert line.speech is Speech.TELNET
    client.raw.clear()
    line.write(b"CR\rLF\r\n\xff")
    client.send(b"AT\r\x00")
    reactor.until(lambda: client.read().raw == b"CR\r\x00LF\r\n\xff\xff")
    reactor.until(lambda: user.data == b"AT\r\x00")  # BINARY is on in this direction
    client.raw.clear()
    line.send_break(0.3)
    client.send(b"\xff\xf6\xff\xf6")
    reactor.until(lambda: client.read().raw == b"\xff\xf3\r\n[vmodem: yes]\r\n")


def test_a_client_that_is_silent_for_long_may_still_be_raw(
    reactor: Reactor, begin: Begin, connect: Connect, line: Rfc2217Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rfc2217, "GREETING_S", 0.01)
    monkeypatch.setattr(rfc2217, "DTR_S", 0.02)
    monkeypatch.setattr(rfc2217, "RACE_S", 0.03)
    user = begin(line)
    client = connect(line, speaks=False, says=b"")
    reactor.until(lambda: user.dtr)
    assert line.speech is Speech.UNKNOWN
    reactor.run_for(0.03)
    client.send(b"AT\xff")
    reactor.until(lambda: user.data == b"AT\xff")
    assert line.speech is Speech.RAW
    client.sock.close()
    reactor.until(lambda: not line.attached)
    # Or speak telnet after all.
    client = connect(line, speaks=False, says=b"")
    reactor.until(lambda: user.dtr)
    client.send(b"\xff\xf1\xff\xfa\x2c\xfa\xff\xf0\xff\xfa\x2c\x00me\xff\xf0x\xff\xff")
    reactor.until(lambda: user.data == b"AT\xffx\xff")
    assert line.speech is Speech.TELNET


def test_data_right_after_the_greeting_is_still_telnet(
    reactor: Reactor, begin: Begin, connect: Connect, line: Rfc2217Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rfc2217, "GREETING_S", 0.01)
    user = begin(line)
    client = connect(line, speaks=False, says=b"")
    reactor.until(lambda: client.read().raw)
    client.send(b"AT\xff\xff")
    reactor.until(lambda: user.data == b"AT\xff")
    assert line.speech is Speech.TELNET
    assert user.events == [("dtr", True), b"AT\xff"]


def test_a_client_that_never_mentions_dtr_has_it_on(
    reactor: Reactor, begin: Begin, connect: Connect, line: Rfc2217Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rfc2217, "DTR_S", 0.05)
    user = begin(line)
    client = connect(line)
    codec = agreed(reactor, client)
    reactor.until(lambda: user.dtr)
    client.send(codec.control(comport.DTR_QUERY))
    reactor.until(lambda: client.read().events == [Answered(5, comport.DTR_ON)])
    client.send(codec.control(comport.DTR_OFF) + b"x")
    reactor.until(lambda: user.data == b"x")
    assert not user.dtr


def test_a_client_that_says_dtr_is_off_has_it_off(
    reactor: Reactor, begin: Begin, connect: Connect, line: Rfc2217Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rfc2217, "DTR_S", 0.05)
    user = begin(line)
    codec = ComPortClient()
    client = connect(line, says=codec.greeting() + codec.control(comport.DTR_OFF) + b"x")
    reactor.until(lambda: user.data == b"x")
    reactor.run_for(0.1)
    assert user.events == [b"x"]
    client.sock.close()


def test_are_you_there_does_not_disturb_a_program(
    reactor: Reactor, begin: Begin, connect: Connect, line: Rfc2217Line
) -> None:
    begin(line)
    client = connect(line)
    agreed(reactor, client)
    client.raw.clear()
    client.send(b"\xff\xf6" * 1000)
    reactor.until(lambda: client.read().raw)
    reactor.run_for(0.05)
    assert client.read().raw == b"\xff\xf1"


# -- pressure ------------------------------------------------------------------------------------------------


def test_a_hang_up_is_seen_while_paused(
    reactor: Reactor, begin: Begin, connect: Connect, line: Rfc2217Line
) -> None:
    user = begin(line)
    client = connect(line)
    codec = agreed(reactor, client)
    client.send(codec.control(comport.DTR_ON))
    reactor.until(lambda: user.dtr)
    line.call_active(True)
    line.pause()
    client.send(b"rest" + codec.control(comport.DTR_OFF) + b"after")
    reactor.until(lambda: not user.dtr)
    assert user.data == b"rest"
    # How long it is off is measured by who hears of it, so its return is told at once, too.
    client.send(codec.control(comport.RTS_ON) + codec.control(comport.DTR_ON) + b"later")
    reactor.until(lambda: user.dtr)
    assert user.data == b"restafter"
    line.resume()
    assert user.data == b"restafterlater"
    line.call_active(False)


def test_circuits_that_nobody_takes_do_not_heap_up(
    reactor: Reactor, begin: Begin, connect: Connect, line: Rfc2217Line
) -> None:
    user = begin(line)
    client = connect(line)
    codec = agreed(reactor, client)
    client.send(codec.suspend(True))
    reactor.until(lambda: user.blocked)
    line.write(b"held")
    for _ in range(2 * NOTICES_LIMIT):
        line.set_circuit(Circuit.RI, True)
        line.set_circuit(Circuit.RI, False)
    line.set_circuit(Circuit.DCD, True)
    assert len(line._queue) <= NOTICES_LIMIT
    line.write(b"more")
    client.send(codec.suspend(False))
    reactor.until(lambda: client.read().data == b"heldmore")
    assert client.events[-2:] == [ModemState.DCD, b"more"]


def test_who_does_not_read_his_answers_is_not_read(
    reactor: Reactor, begin: Begin, connect: Connect, line: Rfc2217Line
) -> None:
    begin(line)
    client = connect(line)
    agreed(reactor, client)
    stream = line._tcp._stream
    assert stream is not None
    # The kernel would take megabytes of answers before it says no.
    stream._owner.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    ask = sb(5, 0) * 1000
    sent = 0

    def stuck() -> bool:
        nonlocal sent
        try:
            sent += client.sock.send(ask[sent % 7 :])
        except BlockingIOError:
            return line.backlog > ANSWERS_LIMIT
        return False

    reactor.until(stuck, tick=0.001)
    assert ANSWERS_LIMIT < line.backlog < 4 * ANSWERS_LIMIT
    assert reactor.run_for(0.1) <= 2
    reactor.until(lambda: len(client.read().events) >= sent // 7 - 1, tick=0.001)
    assert line.backlog == 0


@pytest.mark.parametrize("raw", [False, True])
def test_one_megabyte_each_way(
    reactor: Reactor, begin: Begin, connect: Connect, line: Rfc2217Line, raw: bool
) -> None:
    user = begin(line)
    client = connect(line, says=b"AT") if raw else connect(line)
    if raw:
        client.codec = None
        reactor.until(lambda: user.data == b"AT")
        user.data.clear()
        encode = bytes
    else:
        codec = agreed(reactor, client)
        reactor.until(lambda: codec.telnet.enabled(telnet.BINARY, telnet.Side.US))
        encode = codec.encode  # type: ignore[assignment]
    down, up = os.urandom(1 << 20), os.urandom(1 << 20)
    coded = encode(up)
    at = written = 0

    def both_there() -> bool:
        nonlocal at, written
        if not user.blocked and written < len(down):
            line.write(down[written : written + 5000])
            written += 5000
        if at < len(coded):
            try:
                at += client.sock.send(coded[at : at + 7777])
            except BlockingIOError:
                pass
        return len(user.data) == len(up) and len(client.read().data) == len(down)

    reactor.until(both_there, tick=0.0, timeout=60)
    assert sha256(user.data).digest() == sha256(up).digest()
    assert sha256(client.data).digest() == sha256(down).digest()


def test_one_client_at_a_time(reactor: Reactor, begin: Begin, connect: Connect, line: Rfc2217Line) -> None:
    user = begin(line)
    first = connect(line)
    agreed(reactor, first)
    second = connect(line, speaks=False)
    reactor.until(lambda: _ended(second.sock))
    first.send(b"still here")
    reactor.until(lambda: user.data == b"still here")


def _ended(sock: socket.socket) -> bool:
    try:
        return sock.recv(1) == b""
    except ConnectionResetError:
        return True
    except BlockingIOError:
        return False


@pytest.mark.parametrize("state", ["alone", "undecided", "agreed", "suspended"])
def test_stop(reactor: Reactor, begin: Begin, connect: Connect, line: Rfc2217Line, state: str) -> None:
    user = begin(line)
    client = None
    if state == "undecided":
        client = connect(line, speaks=False)
    elif state != "alone":
        client = connect(line)
        codec = agreed(reactor, client)
        client.send(codec.control(comport.DTR_ON))
        reactor.until(lambda: user.dtr)
        if state == "suspended":
            client.send(codec.suspend(True))
            reactor.until(lambda: user.blocked)
    line.write(b"NO CARRIER")
    line.set_circuit(Circuit.CTS, True)
    events = list(user.events)
    reactor.wait_for(line.stop(), 0.5)
    assert user.events == events
    if client is not None:
        assert client.read().data.endswith(b"NO CARRIER")
    assert not reactor.getDelayedCalls()
