"""A telnet stream: every byte both ways however it is cut, breaks in their place, peers that mean no good."""

from __future__ import annotations

import socket
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from tests.helpers.ends import MemoryEnd, Watching, shuttle
from tests.helpers.reactors import Reactor
from tests.vmodem.wire.chunks import cut, cuts
from vmodem.net.options import tune
from vmodem.net.stream import NOBODY, Cause, Ending, FdStream
from vmodem.net.telnet.stream import (
    ANSWERS_LIMIT,
    AYT_S,
    DECIDE_S,
    SETTLE_S,
    Role,
    TelnetSettings,
    TelnetStream,
)
from vmodem.wire.telnet import (
    AYT,
    BINARY,
    BRK,
    DM,
    DO,
    DONT,
    ECHO,
    IAC,
    NAWS,
    NOP,
    SB,
    SE,
    SGA,
    TSPEED,
    TTYPE,
    WILL,
    WONT,
    CrNul,
)

ALL = bytes(range(256))
RESET = Ending(Cause.RESET, "reset")
SPANS = st.lists(
    st.sampled_from([b"\r", b"\n", b"\0", b"\xff", b"\r\n", b"\r\0", b"\xff\xf3", b"x", ALL]), max_size=20
).map(b"".join)
CR_NUL: list[CrNul] = ["auto", "always", "never"]


def words(*codes: int) -> bytes:
    return bytes((IAC, *codes))


class One:
    """A telnet stream over an end in memory."""

    def __init__(self, role: Role, room: int = 1 << 30, clock: Clock | None = None, **settings: Any) -> None:
        self.clock = clock or Clock()
        self.below = MemoryEnd(room)
        self.stream = TelnetStream(self.clock, self.below, role, TelnetSettings(**settings))
        self.user = Watching(self.stream)

    def agree(self) -> None:
        """Have BINARY in force both ways."""
        self.below.put(words(DO, BINARY) + words(WILL, BINARY))
        self.below.take()


def joined(cr_nul: CrNul = "auto", other_cr_nul: CrNul | None = None, room: int = 1 << 30) -> tuple[One, One]:
    clock = Clock()
    return (
        One(Role.CLIENT, room, clock, cr_nul=cr_nul),
        One(Role.SERVER, room, clock, cr_nul=other_cr_nul or cr_nul),
    )


# -- bytes ---------------------------------------------------------------------------------------------------


@given(st.data(), st.sampled_from(CR_NUL), st.sampled_from(CR_NUL), st.sampled_from([0, 5, 1 << 30]))
def test_every_byte_arrives_both_ways(
    draw: st.DataObject, cr_nul: CrNul, other_cr_nul: CrNul, room: int
) -> None:
    client, server = joined(cr_nul, other_cr_nul, room)
    sizes = draw.draw(st.lists(st.integers(1, 7), max_size=60))
    sent = {client: b"", server: b""}
    for _ in range(draw.draw(st.integers(1, 4))):
        for end in (client, server):
            plain = draw.draw(SPANS)
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
        assert not end.user.blocked
        assert not end.stream.backlog


@given(st.data(), st.sampled_from(list(Role)))
def test_every_byte_arrives_where_binary_is_refused(draw: st.DataObject, role: Role) -> None:
    # The far end is the codec of a peer that wants no BINARY; a rest goes by NVT rules.
    here = One(role)
    here.below.take()
    here.below.put(words(DONT, BINARY) + words(WONT, BINARY))
    plain = draw.draw(SPANS)
    for chunk in cut(plain, draw.draw(cuts(len(plain)))):
        here.stream.write(chunk)
    here.clock.advance(SETTLE_S)
    wire = here.below.take()
    assert wire.replace(b"\xff\xff", b"\xff").replace(b"\r\0", b"\r") == plain.replace(
        b"\r\0", b"\r\0\0"
    ).replace(b"\r\0\0", b"\r\0")
    back = plain.replace(b"\xff", b"\xff\xff").replace(b"\r", b"\r\0").replace(b"\r\0\n", b"\r\n")
    for chunk in cut(back, draw.draw(cuts(len(back)))):
        here.below.put(chunk)
    assert bytes(here.user.data) == plain


def test_a_greeting_asks_for_binary_and_nothing_old_clients_trip_over() -> None:
    server = One(Role.SERVER)
    assert server.below.take() == b"".join(
        [words(WILL, SGA), words(WILL, ECHO), words(DO, SGA), words(WILL, BINARY), words(DO, BINARY)]
    )
    assert One(Role.SERVER, echo=False).below.take() == b"".join(
        [words(WILL, SGA), words(DO, SGA), words(WILL, BINARY), words(DO, BINARY)]
    )
    assert One(Role.CLIENT).below.take() == b"".join([words(DO, SGA), words(WILL, BINARY), words(DO, BINARY)])


@pytest.mark.parametrize("role", list(Role))
def test_data_goes_at_once_and_a_cr_when_it_is_known_how(role: Role) -> None:
    end = One(role)
    greeting = end.below.take()
    end.stream.write(b"plain\xff, line\r\n")
    assert end.below.take() == b"plain\xff\xff, line\r\n"
    end.stream.write(b"rz\r")
    end.stream.write(b"more")
    assert end.below.take() == b"rz"
    assert end.user.blocked
    assert end.stream.backlog == 5
    end.below.put(words(DO, BINARY))
    assert end.below.take() == b"\rmore"
    assert not end.user.blocked
    assert greeting


def test_a_refusal_of_binary_brings_the_nul() -> None:
    end = One(Role.SERVER)
    end.below.take()
    end.stream.write(b"a\rb\r")
    end.below.put(words(DONT, BINARY))
    assert end.below.take() == b"a\r\0b\r"
    end.clock.advance(SETTLE_S)
    assert end.below.take() == b"\0"
    end.stream.write(b"c\r")
    end.stream.write(b"\n")
    end.clock.advance(SETTLE_S)
    assert end.below.take() == b"c\r\n"


@pytest.mark.parametrize(
    ("cr_nul", "spoken", "nul"), [("auto", False, b""), ("auto", True, b"\0"), ("always", False, b"\0")]
)
def test_no_answer_is_waited_for_only_so_long(cr_nul: CrNul, spoken: bool, nul: bytes) -> None:
    end = One(Role.CLIENT, cr_nul=cr_nul)
    end.below.take()
    if spoken:
        end.below.put(words(NOP))
    end.stream.write(b"a\rb")
    assert end.below.take() == b"a"
    end.clock.advance(DECIDE_S)
    assert end.below.take() == b"\r" + nul + b"b"
    end.stream.write(b"\rc")
    assert end.below.take() == b"\r" + nul + b"c"
    assert not end.clock.getDelayedCalls()


def test_never_waits_for_nothing() -> None:
    end = One(Role.CLIENT, cr_nul="never")
    end.below.take()
    end.stream.write(b"a\rb")
    assert end.below.take() == b"a\rb"
    end.below.put(b"\r\0")
    assert end.user.data == b"\r\0"


def test_a_client_that_sends_before_it_reads_is_understood() -> None:
    end = One(Role.SERVER)
    end.below.put(b"AT\r\0")
    assert end.user.data == b"AT\r"


# -- what a client tells -------------------------------------------------------------------------------------


def test_a_client_tells_terminal_speed_and_size() -> None:
    client = One(Role.CLIENT, terminal="XTERM", rate=19200, columns=132, rows=255)
    client.below.take()
    client.below.put(words(DO, TTYPE) + words(DO, TSPEED) + words(DO, NAWS))
    assert client.below.take() == (
        words(WILL, TTYPE)
        + words(WILL, TSPEED)
        + words(WILL, NAWS)
        + words(SB, NAWS, 0, 132, 0, 255, 255)
        + words(SE)
    )
    client.below.put(words(SB, TTYPE, 1) + words(SE) + words(SB, TSPEED, 1) + words(SE))
    assert client.below.take() == (
        words(SB, TTYPE, 0) + b"XTERM" + words(SE) + words(SB, TSPEED, 0) + b"19200,19200" + words(SE)
    )
    assert not client.user.data


def test_what_there_is_not_is_refused() -> None:
    client = One(Role.CLIENT, terminal="", rate=0)
    client.below.take()
    client.below.put(words(DO, TTYPE) + words(DO, TSPEED))
    assert client.below.take() == words(WONT, TTYPE) + words(WONT, TSPEED)
    server = One(Role.SERVER)
    server.below.take()
    server.below.put(words(WILL, NAWS) + words(DO, TTYPE))
    assert server.below.take() == words(DONT, NAWS) + words(WONT, TTYPE)


@pytest.mark.parametrize(
    "bad",
    [
        {"terminal": "VT 100"},
        {"terminal": "\x1b[m"},
        {"terminal": "x" * 41},
        {"columns": 65536},
        {"rows": -1},
        {"rate": -1},
        {"cr_nul": "sometimes"},
    ],
)
def test_settings_nobody_could_be_told(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        TelnetSettings(**bad)


# -- breaks, AYT, Synch --------------------------------------------------------------------------------------


def test_breaks_keep_their_place() -> None:
    client, server = joined()
    client.stream.write(b"before")
    client.stream.send_break(0.3, False)
    client.stream.write(b"after")
    shuttle(client.below, server.below, [3] * 20)
    assert server.user.story == [b"before", "break", b"after"]
    server.below.room = 0
    server.stream.write(b"1\r")
    server.stream.write(b"2")
    server.stream.send_break(0.3, False)
    server.stream.write(b"3")
    shuttle(client.below, server.below)
    assert client.user.story == [b"1\r2", "break", b"3"]


def test_an_expedited_break_passes_what_waits() -> None:
    end = One(Role.CLIENT)
    end.below.take()
    end.stream.write(b"\rwaits")
    end.stream.send_break(0.3, True)
    assert end.below.take() == words(BRK)
    end.clock.advance(DECIDE_S)
    assert end.below.take() == b"\rwaits"


def test_discarding_cuts_no_command() -> None:
    end = One(Role.CLIENT, room=0)
    end.agree()
    end.stream.write(b"\xff\xff")
    end.stream.write(b"never sent")
    assert end.user.blocked
    end.stream.discard_pending()
    assert not end.user.blocked
    assert end.below.take() == b"\xff\xff\xff\xff"
    end.stream.write(b"next")
    assert end.below.take() == b"next"
    assert not end.user.blocked


def test_are_you_there_is_answered_visibly_once_a_second() -> None:
    server = One(Role.SERVER)
    server.below.take()
    server.below.put(b"a" + words(AYT) * 1000 + b"b")
    assert server.user.data == b"ab"
    assert server.below.take() == b"\r\n[vmodem: yes]\r\n"
    server.clock.advance(AYT_S)
    server.below.put(words(AYT))
    assert server.below.take() == b"\r\n[vmodem: yes]\r\n"


def test_urgent_data_stays_in_its_place(reactor: Reactor) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = socket.create_connection(listener.getsockname())
        sock, _ = listener.accept()
    sock.setblocking(False)
    tune(sock)
    stream = TelnetStream(reactor, FdStream(reactor, sock.fileno(), owner=sock), Role.SERVER)
    user = Watching(stream)
    peer.send(b"before\xff")
    peer.send(bytes((DM,)), socket.MSG_OOB)
    peer.send(b"after")
    reactor.until(lambda: user.data.endswith(b"after"))
    assert user.data == b"beforeafter"
    stream.abort()
    peer.close()


# -- peers that mean no good ---------------------------------------------------------------------------------


@pytest.mark.parametrize("role", list(Role))
def test_a_storm_of_negotiation_is_answered_twice_an_option_at_most(role: Role) -> None:
    end = One(role)
    end.below.take()
    for option in range(256):
        for verb in (DO, DONT, WILL, WONT) * 50:
            end.below.put(words(verb, option))
    replies = end.below.take()
    said: dict[tuple[bool, int], int] = {}
    while replies[:1] == b"\xff" and replies[1] in (WILL, WONT, DO, DONT):
        key = (replies[1] in (WILL, WONT), replies[2])
        said[key] = said.get(key, 0) + 1
        replies = replies[3:]
        if replies[1:2] == bytes((SB,)):
            replies = replies[replies.index(words(SE)) + 2 :]
    assert not replies
    assert max(said.values()) <= 2
    end.below.put(b"still here")
    assert end.user.data == b"still here"


def test_a_peer_that_only_commands_and_never_reads_is_not_read_for_ever() -> None:
    client = One(Role.CLIENT, room=0)
    # What is answered without end in number: nothing in telnet; so many options are needed to get there.
    chunks = [words(DO, option) + words(WILL, option) for option in range(256)]
    for chunk in chunks * 20:
        if not client.below.reading:
            break
        client.below.put(chunk)
    assert len(client.below.pending) < ANSWERS_LIMIT + 2000
    server = One(Role.SERVER, room=0)
    for _ in range(100):
        server.below.put(words(AYT) * 1000)
        server.clock.advance(AYT_S)
    assert len(server.below.pending) < 200


@pytest.mark.parametrize(
    "flood",
    [
        words(NOP) * 32768,
        words(SB, TTYPE) + b"x" * 65000,
        words(DO, 99) * 21000,
        words(SB, TTYPE, 1, IAC, SE) * 10000,
    ],
)
def test_floods_cost_no_memory(flood: bytes) -> None:
    end = One(Role.CLIENT)
    end.agree()
    end.below.put(flood)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(4):
        end.below.put(flood)
        end.below.take()
        del end.below.written[:]
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert after - before < 4096
    end.below.put(words(SE) + b"in step")
    assert bytes(end.user.data).endswith(b"in step")


@given(st.data())
def test_nonsense_never_raises_and_what_follows_is_understood(draw: st.DataObject) -> None:
    end = One(draw.draw(st.sampled_from(list(Role))))
    rubbish = draw.draw(
        st.lists(
            st.one_of(st.binary(max_size=6), st.tuples(st.just(IAC), st.integers(0, 255)).map(bytes)),
            max_size=40,
        )
    )
    for piece in rubbish:
        end.below.put(piece)
    end.below.put(b"\0\0" + words(SE) + words(SE) + b"end of it")
    assert bytes(end.user.data).endswith(b"end of it")


# -- back-pressure -------------------------------------------------------------------------------------------


def test_a_full_peer_holds_up_the_user_and_nothing_is_coded_meanwhile() -> None:
    end = One(Role.CLIENT, room=4)
    end.agree()
    end.stream.write(b"12345")
    assert end.user.blocked
    end.stream.write(b"6")
    assert bytes(end.below.pending) == b"12345"
    assert end.stream.backlog == 2
    assert end.below.take() == b"12345"
    assert end.below.take() == b"6"
    assert not end.user.blocked


def test_a_paused_user_gets_nothing_and_below_is_not_read() -> None:
    end = One(Role.SERVER)
    end.agree()
    end.user.on_data = lambda _: end.stream.pause()
    end.below.put(b"first" + words(BRK) + b"second" + words(NOP) + b"third")
    assert end.user.story == [b"first"]
    assert not end.below.reading
    end.stream.resume()
    assert end.user.story == [b"first"]  # not in the middle of resuming
    end.clock.advance(0)
    assert end.user.story == [b"first", "break", b"second"]
    end.user.on_data = None
    end.stream.resume()
    end.clock.advance(0)
    assert end.user.story == [b"first", "break", b"secondthird"]
    assert end.below.reading


def test_nothing_is_read_before_there_is_a_user() -> None:
    below = MemoryEnd()
    stream = TelnetStream(Clock(), below, Role.SERVER)
    assert not below.reading
    Watching(stream)
    assert below.reading


# -- ends ----------------------------------------------------------------------------------------------------


def test_the_end_is_told_after_everything_even_to_a_paused_user() -> None:
    end = One(Role.SERVER)
    end.agree()
    end.user.on_data = lambda _: end.stream.pause()
    end.below.put(b"a" + words(NOP) + b"b")
    end.below.end(RESET)
    assert end.user.data == b"ab"
    assert end.user.endings == [RESET]
    end.stream.write(b"nowhere")
    end.stream.send_break(0.3, False)
    end.stream.close(1.0)
    assert end.below.did == ["close"]
    assert not end.clock.getDelayedCalls()


def test_an_end_before_the_start_is_told_after_it() -> None:
    clock, below = Clock(), MemoryEnd()
    stream = TelnetStream(clock, below, Role.SERVER)
    below.user.data_received(b"hello")
    below.end()
    user = Watching(stream)
    assert not user.endings
    clock.advance(0)
    assert user.data == b"hello"
    assert [ending.cause for ending in user.endings] == [Cause.FINISHED]
    stream.close(0)


def test_a_peer_that_has_finished_still_gets_what_is_written() -> None:
    end = One(Role.SERVER)
    end.agree()
    end.below.end()
    end.stream.write(b"bye")
    assert end.below.take() == b"bye"


def test_closing_sends_what_waits() -> None:
    end = One(Role.CLIENT, room=10)
    end.below.take()
    end.stream.write(b"x\ry")
    end.stream.close(5.0)
    assert end.below.did == ["close"]
    assert end.below.take() == b"x\ry"
    assert end.user.endings == []
    assert not end.clock.getDelayedCalls()


def test_closing_waits_for_a_full_peer_and_reads_meanwhile() -> None:
    end = One(Role.CLIENT, room=2)
    end.agree()
    end.stream.write(b"first")
    end.stream.write(b"last")
    end.stream.pause()
    end.stream.close(5.0)
    assert end.below.reading
    assert end.below.did == []
    end.below.put(b"ignored" + words(NOP) + b"too")
    assert end.below.take() == b"first"
    assert end.below.take() == b"last"
    assert end.below.did == ["close"]
    assert not end.user.data
    assert not end.clock.getDelayedCalls()


def test_closing_gives_up_in_time() -> None:
    end = One(Role.CLIENT, room=2)
    end.agree()
    end.stream.write(b"first")
    end.stream.write(b"last")
    end.stream.close(5.0)
    end.clock.advance(5.0)
    assert end.below.did == ["close"]


@pytest.mark.parametrize("how", ["close", "abort"])
def test_no_timer_outlives_a_stream(how: str) -> None:
    end = One(Role.CLIENT)
    end.stream.write(b"\r")
    end.stream.abort() if how == "abort" else end.stream.close(0.0)
    assert end.below.did == [how]
    assert not end.clock.getDelayedCalls()
    end.stream.write(b"more")
    end.stream.close(0.0)


def test_a_caller_who_is_turned_away_reads_why() -> None:
    below = MemoryEnd()
    stream = TelnetStream(Clock(), below, Role.SERVER)
    below.take()
    stream.write(b"BUSY\r\n")
    stream.close(2.0)
    assert below.take() == b"BUSY\r\n"
    assert below.did == ["close"]
    assert below.user is not NOBODY


def test_a_user_that_raises_loses_this_call_only() -> None:
    end = One(Role.SERVER)
    end.agree()
    end.user.on_data = lambda _: end.stream.pause()
    end.below.put(b"a" + words(NOP) + b"b")

    def fail(data: bytes) -> None:
        raise RuntimeError("a bug")

    end.user.on_data = fail
    end.stream.resume()
    end.clock.advance(0)
    assert [ending.cause for ending in end.user.endings] == [Cause.ERROR]
    end.stream.close(0.0)
