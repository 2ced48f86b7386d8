"""Calls by RFC 2217 in both roles: bytes, breaks with their length, circuits, settings answered."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from tests.helpers.ends import MemoryEnd, Watching, shuttle
from tests.vmodem.wire.chunks import cut, cuts
from vmodem.net.stream import Cause, Ending
from vmodem.net.telnet.comport import STANDING, PortWishes, Rfc2217Stream
from vmodem.net.telnet.stream import ANSWERS_LIMIT, DECIDE_S, SETTLE_S, Role
from vmodem.wire import comport
from vmodem.wire.comport import ModemState, Parity, PortSettings, Stop
from vmodem.wire.telnet import AYT, BINARY, BRK, COM_PORT, DO, DONT, IAC, NOP, SB, SE, SGA, WILL

ALL = bytes(range(256))


def words(*codes: int) -> bytes:
    return bytes((IAC, *codes))


def sub(code: int, *value: int) -> bytes:
    return words(SB, COM_PORT, code) + bytes(value).replace(b"\xff", b"\xff\xff") + words(SE)


class One:
    def __init__(
        self, role: Role, clock: Clock | None = None, room: int = 1 << 30, wishes: PortWishes | None = None
    ) -> None:
        self.clock = clock or Clock()
        self.below = MemoryEnd(room)
        self.stream = Rfc2217Stream(self.clock, self.below, role, wishes=wishes)
        self.user = Watching(self.stream)
        self.states: list[ModemState] = []
        self.stream.modem_state_changed = self.states.append

    def agree(self) -> None:
        """The peer speaks RFC 2217 and BINARY."""
        verb = DO if self.stream.role is Role.CLIENT else WILL
        self.below.put(words(verb, COM_PORT) + words(DO, BINARY) + words(WILL, BINARY))
        self.below.take()


def joined(room: int = 1 << 30, wishes: PortWishes | None = None) -> tuple[One, One]:
    clock = Clock()
    return One(Role.CLIENT, clock, room, wishes), One(Role.SERVER, clock, room)


@given(st.data(), st.sampled_from([0, 5, 1 << 30]))
def test_every_byte_arrives_both_ways(draw: st.DataObject, room: int) -> None:
    client, server = joined(room)
    sizes = draw.draw(st.lists(st.integers(1, 7), max_size=60))
    spans = st.lists(st.sampled_from([b"\r", b"\n", b"\0", b"\xff", b"\xff\xfa\x2c", b"x", ALL]), max_size=15)
    sent = {client: b"", server: b""}
    for _ in range(draw.draw(st.integers(1, 3))):
        for end in (client, server):
            plain = b"".join(draw.draw(spans))
            for chunk in cut(plain, draw.draw(cuts(len(plain)))):
                end.stream.write(chunk)
            sent[end] += plain
        if draw.draw(st.booleans()):
            shuttle(client.below, server.below, sizes)
        client.clock.advance(draw.draw(st.sampled_from([0, SETTLE_S / 2])))
    shuttle(client.below, server.below, sizes)
    assert bytes(server.user.data) == sent[client]
    assert bytes(client.user.data) == sent[server]
    for end in (client, server):
        assert end.stream.agreed
        assert not end.user.blocked
        assert not end.stream.backlog


# -- as a client ---------------------------------------------------------------------------------------------


def test_a_client_offers_and_sets_nothing_unless_asked() -> None:
    client = One(Role.CLIENT)
    assert client.below.take() == b"".join(
        [words(WILL, COM_PORT), words(WILL, BINARY), words(DO, BINARY), words(DO, SGA)]
    )
    client.below.put(words(DO, COM_PORT))
    asked = client.below.take()
    # What it wants to hear of, and how the inputs are; no rate, no framing, no circuit.
    assert asked == sub(comport.SET_LINESTATE_MASK, 16) + sub(comport.NOTIFY_MODEMSTATE)


def test_a_client_sets_what_it_was_told_to() -> None:
    client, server = joined(wishes=PortWishes(115200, 7, Parity.EVEN, Stop.TWO, comport.FLOW_HARDWARE))
    shuttle(client.below, server.below)
    assert server.stream.port_settings == PortSettings(
        115200, 7, Parity.EVEN, Stop.TWO, comport.FLOW_HARDWARE, comport.FLOW_IN_HARDWARE
    )


def test_a_client_sees_the_inputs() -> None:
    client, server = joined()
    assert client.stream.modem_state is None
    shuttle(client.below, server.below)
    assert client.stream.modem_state == STANDING
    server.stream.set_circuits(ModemState.CTS | ModemState.RI)
    shuttle(client.below, server.below)
    assert client.stream.modem_state is not None
    assert client.stream.modem_state & 0xF0 == ModemState.CTS | ModemState.RI
    assert client.states[-1] == client.stream.modem_state


def test_a_clients_break_has_its_length_and_data_waits_for_its_end() -> None:
    client = One(Role.CLIENT)
    client.agree()
    client.stream.write(b"before")
    client.stream.send_break(0.3, False)
    client.stream.write(b"after")
    assert client.below.take() == b"before" + sub(comport.SET_CONTROL, comport.BREAK_ON)
    assert client.user.blocked
    client.clock.advance(0.29)
    assert client.below.take() == b""
    client.clock.advance(0.01)
    assert client.below.take() == sub(comport.SET_CONTROL, comport.BREAK_OFF) + b"after"
    assert not client.user.blocked


def test_a_break_is_never_longer_than_a_second_and_ends_with_the_call() -> None:
    client = One(Role.CLIENT)
    client.agree()
    client.stream.send_break(1000.0, False)
    client.below.take()
    client.clock.advance(1.0)
    assert client.below.take() == sub(comport.SET_CONTROL, comport.BREAK_OFF)
    client.stream.send_break(1.0, False)
    client.below.take()
    client.stream.write(b"rest")
    client.stream.close(1.0)
    assert client.below.take() == sub(comport.SET_CONTROL, comport.BREAK_OFF) + b"rest"
    assert client.below.did == ["close"]
    assert not client.clock.getDelayedCalls()


def test_no_timer_of_a_break_outlives_an_abort() -> None:
    client = One(Role.CLIENT)
    client.agree()
    client.stream.send_break(1.0, False)
    client.stream.abort()
    assert not client.clock.getDelayedCalls()


def test_a_server_that_refuses_is_a_telnet_peer() -> None:
    client = One(Role.CLIENT)
    client.below.take()
    client.below.put(words(DONT, COM_PORT) + words(DO, BINARY) + words(WILL, BINARY) + b"login: \xff\xff")
    assert client.user.data == b"login: \xff"
    assert not client.stream.agreed
    client.stream.send_break(0.3, False)
    client.stream.write(b"\r")
    assert client.below.take() == words(BRK) + b"\r"


def test_a_server_may_ask_us_to_wait() -> None:
    client = One(Role.CLIENT)
    client.agree()
    client.below.put(sub(108))
    client.stream.write(b"held")
    assert client.user.blocked
    assert client.below.take() == b""
    client.below.put(sub(109))
    assert client.below.take() == b"held"
    assert not client.user.blocked


# -- as a server ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (sub(1, 0, 1, 0xC2, 0), sub(101, 0, 1, 0xC2, 0)),
        (sub(1, 0, 0, 0x30, 0x39), sub(101, 0, 0, 0x30, 0x39)),  # 12345 bit/s
        (sub(1, 0, 0, 0, 0), sub(101, 0, 0, 0x25, 0x80)),
        (sub(2, 7), sub(102, 7)),
        (sub(2, 9), sub(102, 8)),
        (sub(3, 5), sub(103, 5)),
        (sub(4, 3), sub(104, 3)),
        (sub(5, 3) + sub(5, 0) + sub(5, 13), sub(105, 3) + sub(105, 3) + sub(105, 16)),
        (
            sub(5, 8) + sub(5, 7) + sub(5, 9) + sub(5, 7),
            sub(105, 8) + sub(105, 8) + sub(105, 9) + sub(105, 9),
        ),
        (sub(5, 5) + sub(5, 4) + sub(5, 6), sub(105, 5) + sub(105, 5) + sub(105, 6)),
        (sub(7), sub(107, STANDING)),
        (sub(10, 16), sub(110, 16)),
        (sub(12, 1), sub(112, 1)),
    ],
)
def test_a_server_answers_everything_truthfully(question: bytes, answer: bytes) -> None:
    server = One(Role.SERVER)
    server.agree()
    server.below.put(question)
    assert server.below.take() == answer


def test_a_caller_sees_the_call_as_it_stands() -> None:
    server = One(Role.SERVER)
    server.stream.set_circuits(ModemState.DSR | ModemState.CTS)
    server.below.take()
    server.below.put(words(WILL, COM_PORT))
    assert server.below.take() == sub(107, ModemState.DSR | ModemState.CTS)
    server.stream.set_circuits(STANDING)
    assert server.below.take() == sub(107, STANDING | ModemState.DELTA_DCD)
    server.stream.set_circuits(STANDING)
    assert server.below.take() == b""


def test_breaks_both_ways_in_their_place() -> None:
    client, server = joined()
    shuttle(client.below, server.below)
    client.stream.write(b"one")
    client.stream.send_break(0.5, False)
    client.stream.write(b"two")
    shuttle(client.below, server.below)
    client.clock.advance(0.5)
    shuttle(client.below, server.below)
    assert server.user.story == [b"one", "break", b"two"]
    server.stream.write(b"three")
    server.stream.send_break(0.5, False)
    server.stream.write(b"four")
    shuttle(client.below, server.below)
    assert client.user.story == [b"three", "break", b"four"]


def test_a_callers_suspension_and_purge() -> None:
    server = One(Role.SERVER)
    server.agree()
    server.below.put(sub(8))
    server.stream.write(b"forgotten")
    assert server.user.blocked
    server.below.put(sub(12, 1))
    assert server.below.take() == sub(112, 1)
    server.below.put(sub(9))
    server.stream.write(b"new")
    assert server.below.take() == b"new"
    assert not server.user.blocked


def test_a_plain_telnet_caller_is_served() -> None:
    server = One(Role.SERVER)
    server.below.take()
    server.below.put(words(DONT, COM_PORT) + words(DO, BINARY) + words(AYT) + b"x\r\0y")
    assert server.user.data == b"x\ry"
    assert b"[vmodem: yes]" in server.below.take()
    server.agree()
    server.clock.advance(2)
    server.below.put(words(AYT))
    assert server.below.take() == words(NOP)


@pytest.mark.parametrize("role", list(Role))
def test_questions_of_a_peer_that_never_reads_are_not_read_for_ever(role: Role) -> None:
    end = One(role, room=0)
    end.below.put(words(WILL, COM_PORT) + words(DO, COM_PORT))
    asked = 0
    while end.below.reading and asked < 100_000:
        end.below.put(sub(1, 0, 1, 0xC2, 0) + sub(0) + sub(5, 0))
        asked += 1
        if role is Role.CLIENT and asked > 2000:
            break  # it answers nothing but one signature
    assert len(end.below.pending) < ANSWERS_LIMIT + 1000
    if role is Role.SERVER:
        assert not end.below.reading
        end.below.take()
        assert end.below.reading


@given(st.lists(st.one_of(st.binary(max_size=6), st.binary(max_size=6).map(lambda v: sub(*v or b"\0")))))
def test_nonsense_never_raises(pieces: list[bytes]) -> None:
    for role in Role:
        end = One(role)
        for piece in pieces:
            if end.below.reading and piece:
                end.below.put(piece)
        end.below.put(b"\0\0" + words(SE) + words(SE) + b"end of it")
        assert bytes(end.user.data).endswith(b"end of it")
        end.stream.abort()


def test_the_end_is_told_and_nothing_is_left() -> None:
    ended: list[Any] = []
    client, server = joined()
    shuttle(client.below, server.below)
    for end in (client, server):
        end.stream.send_break(0.5, False)
        end.below.end(Ending(Cause.RESET, "reset"))
        ended += end.user.endings
        end.stream.close(DECIDE_S)
        assert not end.clock.getDelayedCalls()
    assert [ending.cause for ending in ended] == [Cause.RESET] * 2
