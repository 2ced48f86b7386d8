"""A paired call's session: whatever the chunks and wherever it is cut, each end gets what the other said."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vmodem.wire.events import Data, ProtocolError
from vmodem.wire.pair import (
    FRAME_LIMIT,
    WINDOW,
    Answered,
    Break,
    Circuits,
    HungUp,
    PairSession,
    Refusal,
    Ringing,
    TurnedAway,
)

SMALL_WINDOW = 256


class Wire:
    """Two sessions and a connection between them that carries octets in pieces, or loses them."""

    def __init__(self, window: int = SMALL_WINDOW) -> None:
        self.ends = (PairSession(window), PairSession(window))
        self.flying = [bytearray(), bytearray()]  # on their way from this end
        self.came: list[list[Any]] = [[], []]  # at this end
        self.takes = [True, True]

    def send(self, end: int) -> None:
        self.flying[end] += self.ends[end].take()

    def tick(self, end: int) -> None:
        self.flying[end] += self.ends[end].take() + self.ends[end].keepalive()

    def carry(self, end: int, size: int) -> None:
        data = bytes(self.flying[end][:size])
        del self.flying[end][:size]
        other = 1 - end
        if data:
            self.ends[other].receive(data)
        self.look(other)

    def look(self, end: int) -> None:
        while self.takes[end] and (event := self.ends[end].next()) is not None:
            self.came[end].append(event)

    def cut(self) -> None:
        """Whatever is on its way is lost; the ends agree on another connection."""
        for flying in self.flying:
            flying.clear()
        received = [end.received for end in self.ends]
        for end in (0, 1):
            self.ends[end].resume(received[1 - end])

    def settle(self) -> None:
        """Everybody takes, sends and carries until nothing moves any more."""
        self.takes = [True, True]
        for _ in range(100):
            for end in (0, 1):
                self.look(end)
                self.tick(end)
                self.carry(end, 1 << 30)
            if not any(end.untaken for end in self.ends):
                return
        raise AssertionError("it never ends")


def flat(events: list[Any]) -> list[Any]:
    """Events with data joined: how it is cut means nothing."""
    out: list[Any] = []
    for event in events:
        if isinstance(event, Data):
            assert event.data
            if out and isinstance(out[-1], bytes):
                out[-1] += event.data
                continue
            event = event.data
        out.append(event)
    return out


END = st.integers(0, 1)
STEP = st.one_of(
    st.tuples(st.just("data"), END, st.integers(1, 700)),
    st.tuples(st.just("break"), END, st.integers(1, 900)),
    st.tuples(st.just("circuits"), END, st.integers(0, 3)),
    st.tuples(st.just("send"), END, st.just(0)),
    st.tuples(st.just("tick"), END, st.just(0)),
    st.tuples(st.just("carry"), END, st.integers(1, 400)),
    st.tuples(st.just("takes"), END, st.integers(0, 1)),
    st.tuples(st.just("cut"), END, st.just(0)),
)


@settings(max_examples=300)
@given(st.lists(STEP, max_size=60))
def test_everything_comes_once_and_in_order(steps: list[tuple[str, int, int]]) -> None:
    wire = Wire()
    said: list[list[Any]] = [[], []]
    count = 0
    for what, end, value in steps:
        session = wire.ends[end]
        if what == "data":
            data = bytes((count + i) % 251 for i in range(value))
            count += value
            session.data(data)
            said[end].append(Data(data))
        elif what == "break":
            session.send_break(value / 1000)
            said[end].append(Break(value / 1000))
        elif what == "circuits":
            session.circuits(bool(value & 1), bool(value & 2))
            said[end].append(Circuits(bool(value & 1), bool(value & 2)))
        elif what == "send":
            wire.send(end)
        elif what == "tick":
            wire.tick(end)
        elif what == "carry":
            wire.carry(end, value)
        elif what == "takes":
            wire.takes[end] = bool(value)
            wire.look(end)
        else:
            wire.cut()
        for each in wire.ends:
            assert each.untaken - each.waiting <= SMALL_WINDOW
            assert len(each._held) <= SMALL_WINDOW
    wire.settle()
    assert flat(wire.came[1]) == flat(said[0])
    assert flat(wire.came[0]) == flat(said[1])


SAID = [Data(b"first"), Break(0.3), Data(bytes(range(200))), Circuits(False, True), Data(b"last")]


def say(session: PairSession) -> bytes:
    """What is said between "taken"s, as one piece of a connection."""
    out = session.take() + session.keepalive()
    session.data(b"first")
    session.send_break(0.3)
    out += session.take() + session.keepalive()
    session.data(bytes(range(200)))
    session.circuits(False, True)
    session.data(b"last")
    return out + session.take() + session.keepalive()


@pytest.mark.parametrize("takes", [True, False], ids=["taken", "held"])
def test_cut_at_every_octet(takes: bool) -> None:
    """And again at every octet of what is said over again, for the shorter ones."""
    for at in range(len(say(PairSession(512)))):
        for again in (0, 1, 3, 4, 9, 60):
            wire = Wire(512)
            wire.takes[1] = takes
            wire.flying[0] += say(wire.ends[0])
            wire.carry(0, at)
            wire.cut()
            wire.tick(0)
            wire.carry(0, again)
            wire.cut()
            wire.settle()
            assert flat(wire.came[1]) == flat(SAID), (at, again)


def test_progress_of_a_call_crosses() -> None:
    wire = Wire()
    called = wire.ends[1]
    called.ringing()
    called.answered()
    called.turn_away(TurnedAway.NO_ANSWER)
    called.hang_up()
    called.data(b"too late")
    wire.settle()
    assert wire.came[0] == [Ringing(), Answered(), Refusal(TurnedAway.NO_ANSWER), HungUp()]
    assert wire.ends[0].complete
    assert called.parted


def test_hang_up_is_known_though_nobody_takes_what_came_before() -> None:
    wire = Wire()
    wire.takes[1] = False
    wire.ends[0].data(b"last words")
    wire.ends[0].hang_up()
    wire.send(0)
    wire.carry(0, 1000)
    assert wire.ends[1].complete
    wire.send(1)
    wire.carry(1, 1000)
    assert wire.ends[0].parted
    wire.takes[1] = True
    wire.look(1)
    assert wire.came[1] == [Data(b"last words"), HungUp()]


def test_window_bounds_what_is_sent_to_who_does_not_take() -> None:
    wire = Wire(WINDOW)
    wire.takes[1] = False
    wire.ends[0].data(bytes(2 * WINDOW))
    for _ in range(10):
        wire.tick(0)
        wire.tick(1)
        wire.carry(0, 1 << 30)
        wire.carry(1, 1 << 30)
    assert wire.ends[0].waiting >= WINDOW
    wire.settle()
    assert sum(len(event.data) for event in wire.came[1]) == 2 * WINDOW


def test_overhead_is_small() -> None:
    session = PairSession()
    session.data(bytes(FRAME_LIMIT))
    assert len(session.take()) - FRAME_LIMIT == 4
    session.data(b"x")
    assert len(session.take()) == 5


def test_expedited_break_overtakes_what_waits() -> None:
    wire = Wire()
    wire.ends[0].data(b"a" * 1000)
    wire.ends[0].send_break(0.3, expedited=True)
    wire.settle()
    events = flat(wire.came[1])
    assert [type(event) for event in events] == [bytes, Break, bytes]
    assert b"".join(event for event in events if isinstance(event, bytes)) == b"a" * 1000


def test_what_waits_can_be_forgotten_and_signals_not() -> None:
    wire = Wire()
    wire.ends[0].data(b"a" * 1000)
    wire.ends[0].circuits(False, True)
    wire.ends[0].forget()
    wire.ends[0].data(b"b")
    wire.settle()
    events = flat(wire.came[1])
    assert events[1:] == [Circuits(False, True), b"b"]
    assert len(events[0]) <= SMALL_WINDOW


def test_kinds_of_later_versions_are_passed_over() -> None:
    wire = Wire()
    session = wire.ends[1]
    session.receive(b"\x42\x00\x00\x03abc" + b"\xf0\x00\x00\x02xy" + b"\x03\x00\x00\x00")
    wire.look(1)
    assert wire.came[1] == [Ringing()]
    assert session.received == 11


@pytest.mark.parametrize(
    "data",
    [
        b"\x42\x01\x00\x00",  # a signal of 64 KiB
        b"\x00\x01\x00\x01",  # data beyond the longest frame
        b"\x80\x00\x00\x08" + b"\xff" * 8,  # taken what was never sent
        b"\x00\x00\x02\x00" + bytes(512),  # more than the window
        b"\x02\x00\x00\x00",  # circuits, but not which
    ],
    ids=["long signal", "long frame", "never sent", "window", "short"],
)
def test_rules_are_kept(data: bytes) -> None:
    session = PairSession(SMALL_WINDOW)
    with pytest.raises(ProtocolError):  # noqa: PT012 - some are seen on arrival, some when it is their turn
        session.receive(data)
        session.next()


@pytest.mark.parametrize("received", [-1, 5, 1000])
def test_resuming_where_nothing_was_is_told(received: int) -> None:
    wire = Wire()
    wire.ends[0].data(b"0123")
    wire.settle()
    with pytest.raises(ProtocolError):
        wire.ends[0].resume(received)


@settings(max_examples=200)
@given(st.binary(max_size=400), st.integers(1, 60))
def test_nonsense_raises_the_one_error_only(data: bytes, size: int) -> None:
    session = PairSession(SMALL_WINDOW)
    try:
        for at in range(0, len(data), size):
            session.receive(data[at : at + size])
            while session.next() is not None:
                pass
    except ProtocolError:
        pass
