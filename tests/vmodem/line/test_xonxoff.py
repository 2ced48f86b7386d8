"""XON and XOFF in software: nothing is lost, repeated or reordered, and nobody looks at bytes while off."""

from __future__ import annotations

import os
import socket
import tty
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.reactors import Reactor
from vmodem.line.base import Flow, FlowControl
from vmodem.line.pty import PtyLine
from vmodem.line.tcp import TcpLine
from vmodem.line.xonxoff import READ_AHEAD, XonXoff, characters_count
from vmodem.net.stream import Cause, Ending

from .conftest import User

Begin = Callable[[Any], User]
XON, XOFF = b"\x11", b"\x13"
SOFT = FlowControl(Flow.XON_XOFF, Flow.XON_XOFF)
PINS = FlowControl(Flow.CIRCUITS, Flow.CIRCUITS)


class FakeStream:
    """A stream to a DTE that takes ``room`` bytes."""

    def __init__(self) -> None:
        self.user: Any = None
        self.taken = bytearray()
        self.pending = bytearray()
        self.arrived: list[bytes] = []
        self.room = 1 << 30
        self.reading = True

    def write(self, data: bytes) -> None:
        was_blocked = bool(self.pending)
        self.pending += data
        self.move()
        if self.pending and not was_blocked:
            self.user.write_blocked()

    def move(self) -> None:
        size = min(self.room, len(self.pending))
        self.taken += self.pending[:size]
        del self.pending[:size]
        self.room -= size

    def make_room(self, size: int) -> None:
        self.room += size
        if self.pending:
            self.move()
            if not self.pending:
                self.user.write_drained()

    @property
    def backlog(self) -> int:
        return len(self.pending)

    def pause(self) -> None:
        self.reading = False

    def resume(self) -> None:
        self.reading = True
        while self.arrived and self.reading:
            self.user.data_received(self.arrived.pop(0))

    def arrive(self, data: bytes) -> None:
        if self.reading:
            self.user.data_received(data)
        elif data:
            self.arrived.append(data)


class Modem:
    """What stands behind the stage; it writes no more than it is told it may, and a little."""

    def __init__(self, flow: FlowControl) -> None:
        self.stream = FakeStream()
        self.stage = self.stream.user = XonXoff(self.stream, self, flow)  # type: ignore[arg-type]
        self.got = bytearray()
        self.blocked = False
        self.paused = False
        self.ended = False
        self.react: Callable[[], None] = lambda: None

    def data_received(self, data: bytes) -> None:
        assert data
        assert not self.paused or self.ended is None
        self.got += data
        self.react()

    def write_blocked(self) -> None:
        self.blocked = True

    def write_drained(self) -> None:
        assert self.blocked
        self.blocked = False

    def stream_ended(self, ending: Ending) -> None:
        self.ended = True


plain = st.binary(min_size=1, max_size=6).map(lambda data: data.translate(None, XON + XOFF) or b"x")
from_dte = st.lists(
    plain | st.sampled_from([XON, XOFF, XOFF, XOFF + XON, XON + XOFF]), min_size=1, max_size=4
)
steps = st.lists(
    st.tuples(st.just("dte"), from_dte.map(b"".join))
    | st.tuples(st.just("write"), plain)
    | st.tuples(st.sampled_from(["pause", "resume", "pause at data"]), st.none())
    | st.tuples(st.just("room"), st.integers(0, 9))
    | st.tuples(st.just("full"), st.none()),
    max_size=30,
)
ways = st.sampled_from([Flow.NONE, Flow.XON_XOFF, Flow.CIRCUITS, Flow.XON_XOFF | Flow.CIRCUITS])
flows = st.builds(FlowControl, ways, ways, through=st.booleans()).filter(characters_count)


@settings(max_examples=300)
@given(flows, steps)
def test_nothing_is_lost_repeated_or_reordered(flow: FlowControl, script: list[tuple[str, Any]]) -> None:
    modem = Modem(flow)
    stage, stream = modem.stage, modem.stream
    obeyed = Flow.XON_XOFF in flow.dce_by_dte
    sent, written = bytearray(), bytearray()

    def pause() -> None:
        modem.paused = True
        modem.react = lambda: None
        stage.pause()

    def stopped() -> bool:
        """Whether the last of the characters that has been read is an XOFF."""
        unread = sum(map(len, stream.arrived))
        seen = bytes(sent[: len(sent) - unread])
        return obeyed and seen.rfind(XOFF) > seen.rfind(XON)

    for what, value in script:
        before = len(stream.taken) + len(stream.pending)
        was_stopped = stopped()
        if what == "dte":
            sent += value
            stream.arrive(value)
        elif what == "write":
            written += value
            stage.write(value)
            if was_stopped:
                assert len(stream.taken) + len(stream.pending) == before, "written past an XOFF"
        elif what == "pause":
            pause()
        elif what == "pause at data":
            modem.react = pause
        elif what == "resume":
            modem.paused = False
            stage.resume()
        elif what == "room":
            stream.make_room(value)
        else:
            stream.room = 0
        if stopped():
            assert modem.blocked
        else:
            assert modem.blocked == bool(stream.pending)
            assert not stage.backlog

    modem.react = lambda: None
    modem.paused = False
    stage.resume()
    stream.make_room(1 << 30)
    sent += XON
    stream.arrive(XON)
    assert not modem.blocked
    kept = sent if flow.through or not obeyed else sent.translate(None, XON + XOFF)
    assert modem.got == kept
    assert stream.taken.translate(None, XON + XOFF) == written
    held_up = [byte for byte in stream.taken if byte in XON + XOFF]
    assert held_up == [19, 17] * (len(held_up) // 2)
    if Flow.XON_XOFF not in flow.dte_by_dce:
        assert held_up == []


def test_a_dte_that_ignores_xoff_is_read_no_further_than_the_bound() -> None:
    modem = Modem(SOFT)
    modem.stage.pause()
    modem.paused = True
    sent = 0
    while modem.stream.reading:
        modem.stream.arrive(b"x" * 1000)
        sent += 1000
        assert sent <= READ_AHEAD + 1000
    modem.paused = False
    modem.stage.resume()
    assert len(modem.got) == sent
    assert modem.stream.reading


def test_what_a_dte_sent_before_it_left_arrives() -> None:
    modem = Modem(SOFT)
    modem.stream.arrive(XOFF)
    modem.stage.write(b"never read")
    modem.stage.pause()
    modem.stream.arrive(b"ATH\r")
    modem.ended = None  # type: ignore[assignment]  # now it may come although paused
    modem.stage.stream_ended(Ending(Cause.FINISHED, "closed"))
    assert modem.got == b"ATH\r"
    assert modem.ended
    assert modem.stage.backlog == 0


def test_equal_characters_never_stop_for_good() -> None:
    modem = Modem(FlowControl(Flow.XON_XOFF, Flow.XON_XOFF, 17, 17))
    modem.stream.arrive(XON)
    modem.stage.write(b"out")
    assert modem.stream.taken == b"out"


# -- on lines ----------------------------------------------------------------------------------------------


class Dte:
    """A client of a line on TCP."""

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.sock.setblocking(False)

    def take(self) -> bytes:
        try:
            return self.sock.recv(65536)
        except BlockingIOError:
            return b""


def test_tcp_line(reactor: Reactor, begin: Begin) -> None:
    line = TcpLine(reactor, 0)
    user = begin(line)
    line.set_flow(PINS)
    dte = Dte(line.port)
    reactor.until(lambda: user.dtr)
    straight = line.write
    line.write(XOFF + b"data")
    reactor.until(lambda: dte.take() == XOFF + b"data")
    dte.sock.send(XOFF + b"data")
    reactor.until(lambda: user.data == XOFF + b"data")
    # From here on the characters mean something.
    line.set_flow(SOFT)
    assert line.write != straight
    dte.sock.send(b"A" + XOFF + b"B")
    reactor.until(lambda: user.data == XOFF + b"dataAB")
    assert user.blocked
    line.write(b"waits")
    sent: list[str] = []
    line.when_sent(lambda: sent.append("sent"))
    reactor.run_for(0.03)
    assert (dte.take(), line.backlog, sent) == (b"", 5, [])
    line.pause()
    reactor.until(lambda: dte.take() == XOFF)
    dte.sock.send(b"C" + XON)
    reactor.until(lambda: dte.take() == b"waits")
    assert user.data == XOFF + b"dataAB"
    assert not user.blocked
    assert sent == ["sent"]
    line.resume()
    reactor.until(lambda: dte.take() == XON)
    assert user.data == XOFF + b"dataABC"
    # And off again, with bytes waiting both ways.
    dte.sock.send(XOFF)
    reactor.until(lambda: user.blocked)
    line.write(b"last")
    line.pause()
    dte.sock.send(b"D")
    reactor.run_for(0.03)
    dte.take()
    line.set_flow(PINS)
    assert not user.blocked
    assert user.data.endswith(b"CD")
    reactor.until(lambda: b"last" in dte.take())
    assert line.write == straight
    line.resume()
    dte.sock.send(XOFF)
    reactor.until(lambda: user.data.endswith(b"D" + XOFF))
    dte.sock.close()
    reactor.until(lambda: not user.dtr)


def test_tcp_line_passes_through_where_that_is_wanted(reactor: Reactor, begin: Begin) -> None:
    line = TcpLine(reactor, 0)
    user = begin(line)
    line.set_flow(FlowControl(Flow.XON_XOFF, Flow.XON_XOFF, through=True))
    dte = Dte(line.port)
    reactor.until(lambda: user.dtr)
    dte.sock.send(b"A" + XOFF)
    reactor.until(lambda: user.data == b"A" + XOFF)
    assert user.blocked
    dte.sock.close()


def test_the_next_client_is_not_stopped(reactor: Reactor, begin: Begin) -> None:
    line = TcpLine(reactor, 0)
    user = begin(line)
    line.set_flow(SOFT)
    first = Dte(line.port)
    reactor.until(lambda: user.dtr)
    first.sock.send(XOFF)
    reactor.until(lambda: user.blocked)
    line.write(b"for the first")
    first.sock.close()
    reactor.until(lambda: not user.dtr)
    second = Dte(line.port)
    reactor.until(lambda: user.dtr)
    line.write(b"for the second")
    reactor.until(lambda: second.take() == b"for the second")
    second.sock.close()


def test_discard(reactor: Reactor, begin: Begin) -> None:
    line = TcpLine(reactor, 0)
    user = begin(line)
    line.set_flow(SOFT)
    line.discard()  # nobody is there
    dte = Dte(line.port)
    reactor.until(lambda: user.dtr)
    dte.sock.send(XOFF)
    reactor.until(lambda: user.blocked)
    line.write(b"old")
    sent: list[str] = []
    line.when_sent(lambda: sent.append("sent"))
    line.discard()
    assert (line.backlog, sent, user.blocked) == (0, ["sent"], True)  # it is still stopped
    line.write(b"new")
    dte.sock.send(XON)
    reactor.until(lambda: dte.take() == b"new")
    assert not user.blocked
    line.set_flow(PINS)
    while not user.blocked:
        line.write(bytes(100_000))
    line.discard()
    assert (line.backlog, user.blocked) == (0, False)
    dte.sock.close()


def test_stopping_a_line_lets_the_last_words_out(reactor: Reactor, begin: Begin) -> None:
    line = TcpLine(reactor, 0)
    user = begin(line)
    line.set_flow(SOFT)
    dte = Dte(line.port)
    reactor.until(lambda: user.dtr)
    dte.sock.send(XOFF)
    reactor.until(lambda: user.blocked)
    line.write(b"NO CARRIER")
    stopped = line.stop()
    reactor.until(lambda: dte.take() == b"NO CARRIER")
    dte.sock.close()
    reactor.wait_for(stopped, 1)


def test_pty_line(reactor: Reactor, begin: Begin, tmp_path: Path) -> None:
    line = PtyLine(reactor, str(tmp_path / "modem"))
    user = begin(line)
    line.set_flow(SOFT)
    dte = os.open(tmp_path / "modem", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    tty.setraw(dte)
    reactor.until(lambda: user.dtr)
    os.write(dte, b"A" + XOFF)
    reactor.until(lambda: user.blocked)
    line.write(b"waits")
    assert line.backlog == 5
    os.write(dte, XON)

    def read() -> bytes:
        try:
            return os.read(dte, 100)
        except BlockingIOError:
            return b""

    reactor.until(lambda: read() == b"waits")
    assert user.data == b"A"
    line.pause()
    reactor.until(lambda: read() == XOFF)
    os.write(dte, b"B")
    reactor.run_for(0.03)
    assert user.data == b"A"
    os.close(dte)
    reactor.until(lambda: not user.dtr)
    assert user.data == b"AB"


@pytest.mark.parametrize("by", [*Flow, Flow.XON_XOFF | Flow.CIRCUITS])
def test_nothing_stands_in_between_without_the_characters(reactor: Reactor, begin: Begin, by: Flow) -> None:
    line = TcpLine(reactor, 0)
    user = begin(line)
    line.set_flow(FlowControl(by, Flow.NONE))
    dte = Dte(line.port)
    reactor.until(lambda: user.dtr)
    assert line._stream is not None
    straight = line.write == line._stream.write and line._stream._received == line.data_received
    assert straight is (Flow.XON_XOFF not in by)
    dte.sock.close()
