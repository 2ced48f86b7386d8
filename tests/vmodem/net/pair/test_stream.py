"""A call between two vmodems: the caller hears the truth, and a path that breaks costs not one byte."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.pairs import Pair, Plug, Sink
from vmodem.net.incoming.connection import Incoming, Peer
from vmodem.net.pair.ends import AGREE_S, AGREEING, HELLO_S, Introduction
from vmodem.net.pair.stream import SILENCE_S, PairStream
from vmodem.net.signals import Unanswered, signals_of
from vmodem.net.stream import Cause, Ending
from vmodem.wire.pair import WINDOW
from vmodem.wire.pairhello import MAGIC


def pattern(size: int, start: int = 0) -> bytes:
    return bytes((start + i * 7 + i // 251) % 256 for i in range(size))


# -- how the call stands -----------------------------------------------------------------------------------


@pytest.mark.parametrize("secret", [b"", b"between us"])
def test_caller_hears_that_it_rings_and_who_is_called_hears_who_calls(secret: bytes) -> None:
    pair = Pair(secret=secret).ring()
    assert [who for _, who in pair.offered] == [Introduction("5551234", "PLANT 7")]
    assert signals_of(pair.called) is pair.called


def test_connect_comes_with_the_answer_and_not_before() -> None:
    pair = Pair().ring()
    pair.net.run(30)
    assert pair.said == ["rings"]
    pair.called.answered()
    pair.called.write(b"hello")
    pair.net.run(0.2)
    assert pair.said == ["rings", "answered"]
    assert bytes(pair.near.data) == b"hello"


@pytest.mark.parametrize("why", list(Unanswered))
def test_refusal_is_told(why: Unanswered) -> None:
    pair = Pair().ring()
    pair.called.refused(why)
    pair.called.write(b"NO ANSWER\r\n")  # for people, and there is none
    pair.called.close(2.0)
    pair.net.run(0.3)
    assert pair.said == ["rings", why]
    pair.over()


def test_call_that_never_rang_is_busy() -> None:
    """Whoever turns it away need not know that it is a pair's."""
    pair = Pair()
    pair.net.run(0.2)
    pair.called.write(b"BUSY\r\n")
    pair.called.close(2.0)
    pair.net.run(0.3)
    assert pair.said == [Unanswered.BUSY]
    pair.over()


def test_caller_gives_up_while_it_rings() -> None:
    pair = Pair().ring()
    pair.dialer.cancel()
    pair.net.run(0.2)
    assert [ending.cause for ending in pair.far.endings] == [Cause.FINISHED]
    pair.called.close(0.0)
    pair.over()
    assert pair.said == ["rings"]


@pytest.mark.parametrize("told", [True, False])
def test_path_that_breaks_before_the_answer_ends_the_call(told: bool) -> None:
    pair = Pair().ring()
    pair.net.cut(told=told)
    pair.net.run(SILENCE_S + 1)
    assert len(pair.said) == 2
    assert len(pair.far.endings) == 1
    pair.called.close(0.0)
    pair.over()


# -- partners and others -----------------------------------------------------------------------------------


def test_wrong_secret_is_refused_and_rings_nobody() -> None:
    pair = Pair(secret=b"one", called_secret=b"another")
    pair.net.run(3)
    assert pair.offered == []
    assert len(pair.said) == 1
    assert "secret" in pair.said[0]
    pair.over()


@pytest.mark.parametrize("reply", [b"login: ", b""], ids=["something else", "nothing"])
def test_somebody_else_answers_where_a_partner_was_called(reply: bytes) -> None:
    pair = Pair()
    pair.acceptor.stop()
    pair.first.ended = False
    pair.first.user.data_received(reply) if reply else pair.net.run(AGREE_S + 0.1)
    assert len(pair.said) == 1
    assert "no vmodem of this pair" in pair.said[0]
    assert pair.first.aborted
    pair.over()


class Others:
    """Somebody calls from where a partner is, without being one."""

    def __init__(self) -> None:
        self.pair = Pair()
        self.pair.net.cut()
        self.pair.offered.clear()
        self.plug = self.pair.net.connect()
        self.sink = Sink()

    def run(self, seconds: float) -> None:
        self.pair.net.run(seconds)
        if self.pair.offered and self.sink is not None:
            incoming, who = self.pair.offered[0]
            if who is None and not getattr(self, "taken", False):
                self.taken = True
                incoming.stream.start(self.sink)

    @property
    def stream(self) -> Any:
        return self.pair.offered[0][0].stream


@pytest.mark.parametrize("data", [b"h", b"hello" * 1000, MAGIC[:7] + b"x", b"\x10"])
def test_ordinary_caller_loses_no_byte(data: bytes) -> None:
    others = Others()
    others.plug.write(data)
    others.run(HELLO_S + 0.2)
    others.run(0.2)
    assert bytes(others.sink.data) == data
    others.plug.write(b"more")
    others.stream.write(b"answer")
    others.run(0.2)
    assert bytes(others.sink.data) == data + b"more"
    assert bytes(others.stream.inner.written) == b"answer"
    others.plug.close(0.0)
    others.run(0.2)
    assert len(others.sink.endings) == 1


def test_ordinary_caller_who_talks_is_offered_at_once() -> None:
    others = Others()
    others.plug.write(b"h")
    others.run(0.1)
    assert len(others.pair.offered) == 1


def test_silent_caller_is_offered_after_a_while() -> None:
    others = Others()
    others.run(HELLO_S - 0.2)
    assert others.pair.offered == []
    others.run(0.4)
    assert isinstance(others.stream, Plug)  # nothing lies between any more
    others.plug.write(b"at last")
    others.run(0.2)
    assert bytes(others.sink.data) == b"at last"


def test_ordinary_caller_who_left_is_heard_and_seen_to_leave() -> None:
    others = Others()
    others.plug.write(MAGIC[:3])
    others.plug.close(0.0)
    others.run(0.2)
    others.run(0.2)
    assert bytes(others.sink.data) == MAGIC[:3]
    assert len(others.sink.endings) == 1


def test_what_was_read_ahead_waits_for_a_user_who_is_held_up() -> None:
    others = Others()
    others.plug.write(b"early")
    others.pair.net.run(0.1)
    others.stream.start(others.sink)
    others.stream.pause()
    others.plug.write(b", late")
    others.pair.net.run(1)
    assert bytes(others.sink.data) == b""
    others.stream.resume()
    others.pair.net.run(0.2)
    assert bytes(others.sink.data) == b"early, late"


def test_many_who_say_nothing_are_bounded() -> None:
    pair = Pair()
    for _ in range(3 * AGREEING):
        pair.net.connect()
    assert len(pair.acceptor._agreeing) == AGREEING
    pair.acceptor.stop()
    assert pair.acceptor._agreeing == {}


# -- data --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chunk", [1 << 30, 1000, 7])
def test_bytes_breaks_and_circuits_cross_in_their_places(chunk: int) -> None:
    pair = Pair().answer()
    pair.net.chunk = chunk
    assert pair.caller is not None
    pair.caller.write(b"before")
    pair.caller.send_break(0.3, False)
    pair.caller.write(b"behind")
    pair.caller.circuits(False, True)
    pair.called.write(b"back")
    pair.net.run(3)
    assert bytes(pair.far.data) == b"beforebehind"
    assert pair.far.breaks == [6]
    assert pair.far.circuits == [(False, True)]
    assert bytes(pair.near.data) == b"back"


def test_nothing_is_delivered_to_who_is_paused_and_the_other_way_goes_on() -> None:
    pair = Pair().answer()
    assert pair.caller is not None
    pair.called.pause()
    data = pattern(3 * WINDOW)
    pair.caller.write(data[: WINDOW // 2])
    pair.net.run(1)
    assert not pair.near.blocked
    pair.caller.write(data[WINDOW // 2 :])
    assert pair.near.blocked
    pair.called.write(pattern(2 * WINDOW))
    pair.net.run(20)
    assert bytes(pair.far.data) == b""
    assert bytes(pair.near.data) == pattern(2 * WINDOW)
    assert pair.near.blocked
    pair.called.resume()
    pair.net.run(5)
    assert bytes(pair.far.data) == data
    assert not pair.near.blocked


def test_hang_up_comes_behind_everything() -> None:
    pair = Pair().answer()
    pair.net.chunk = 1000
    assert pair.caller is not None
    data = pattern(100_000)
    pair.caller.write(data)
    pair.caller.close(20.0)
    pair.net.run(10)
    assert bytes(pair.far.data) == data
    assert [ending.cause for ending in pair.far.endings] == [Cause.FINISHED]
    pair.called.close(0.0)
    pair.over()


def test_hang_up_waits_for_a_user_who_is_held_up_but_not_for_the_connection() -> None:
    pair = Pair().answer()
    assert pair.caller is not None
    pair.called.pause()
    pair.caller.write(b"last words")
    pair.caller.close(20.0)
    pair.net.run(1)
    pair.net.cut()
    pair.net.up = False
    pair.net.run(60)
    assert pair.far.endings == []
    pair.called.resume()
    pair.net.run(0.2)
    assert bytes(pair.far.data) == b"last words"
    assert [ending.cause for ending in pair.far.endings] == [Cause.FINISHED]
    pair.called.close(0.0)
    pair.over()


def test_both_hang_up_at_once() -> None:
    pair = Pair().answer()
    assert pair.caller is not None
    pair.caller.close(5.0)
    pair.called.close(5.0)
    pair.over()


def test_user_who_fails_costs_his_call_and_no_more() -> None:
    pair = Pair().answer()
    assert pair.caller is not None

    def fail(data: bytes) -> None:
        raise RuntimeError("as the test says")

    pair.far.data_received = fail  # type: ignore[method-assign]
    pair.caller.write(b"x")
    pair.net.run(0.2)
    assert [ending.cause for ending in pair.far.endings] == [Cause.ERROR]


# -- healing -----------------------------------------------------------------------------------------------


def test_idle_call_says_little() -> None:
    pair = Pair().answer()
    before = len(pair.first.written)
    pair.net.run(60)
    assert len(pair.first.written) - before <= 61 * 12
    assert pair.far.endings == pair.near.endings == []


@pytest.mark.parametrize("told", [True, False], ids=["told", "silent"])
@pytest.mark.parametrize("secret", [b"", b"between us"])
def test_cut_shorter_than_s10_is_healed(told: bool, secret: bytes) -> None:
    pair = Pair(hold=10.0, secret=secret).answer()
    assert pair.caller is not None
    data, back = pattern(50_000), pattern(30_000, 5)
    pair.caller.write(data[:20_000])
    pair.net.move()
    pair.net.up = False
    pair.caller.write(data[20_000:30_000])
    pair.called.write(back[:10_000])
    pair.net.cut(told=told)
    pair.caller.write(data[30_000:])
    pair.called.write(back[10_000:])
    pair.caller.send_break(0.3, False)
    pair.net.run(9.5)
    assert not pair.far.endings
    assert not pair.near.endings
    pair.net.up = True
    pair.net.run(5)
    assert bytes(pair.far.data) == data
    assert bytes(pair.near.data) == back
    assert pair.far.breaks == [len(data)]
    assert not pair.near.blocked
    assert not pair.far.blocked
    pair.caller.write(b"and on")
    pair.net.run(1)
    assert bytes(pair.far.data) == data + b"and on"


@pytest.mark.parametrize("told", [True, False], ids=["told", "silent"])
def test_cut_longer_than_s10_ends_the_call_once_at_both_ends(told: bool) -> None:
    pair = Pair(hold=10.0).answer()
    pair.net.up = False
    pair.net.cut(told=told)
    pair.net.run(9.9)
    assert pair.near.endings == pair.far.endings == []
    pair.net.run(SILENCE_S + 1.2)
    assert [ending.cause for ending in pair.near.endings] == [Cause.TIMEOUT]
    assert [ending.cause for ending in pair.far.endings] == [Cause.TIMEOUT]
    assert pair.caller is not None
    pair.caller.close(30.0)
    pair.called.close(30.0)
    pair.over()


def test_s10_of_255_waits_for_ever() -> None:
    pair = Pair(hold=math.inf).answer()
    pair.net.up = False
    pair.net.cut()
    pair.net.run(600)
    pair.net.up = True
    pair.net.run(4)
    pair.called.write(b"still here")
    pair.net.run(0.2)
    assert bytes(pair.near.data) == b"still here"
    assert pair.near.endings == pair.far.endings == []


def test_cut_twice() -> None:
    pair = Pair(hold=5.0).answer()
    for _ in range(2):
        pair.net.up = False
        pair.net.cut()
        pair.net.run(4)
        pair.net.up = True
        pair.net.run(4)
    pair.called.write(b"still here")
    pair.net.run(0.2)
    assert bytes(pair.near.data) == b"still here"


def test_one_end_that_noticed_nothing_goes_on_with_the_other() -> None:
    """Only the caller's half is reset, as a translator of addresses that forgot does."""
    pair = Pair().answer()
    (near, far) = pair.net.cables[0]
    near.end(Ending(Cause.RESET, "reset"))
    pair.called.write(b"to nowhere, then somewhere")
    pair.net.run(2)
    assert far.aborted
    assert bytes(pair.near.data) == b"to nowhere, then somewhere"


def test_call_that_the_far_end_has_given_up_ends_at_once() -> None:
    pair = Pair(hold=60.0).answer()
    pair.called.hold_s = lambda: 1.0
    pair.net.up = False
    pair.net.cut()
    pair.net.run(10)
    assert len(pair.far.endings) == 1
    assert pair.near.endings == []
    pair.net.up = True
    pair.net.run(4)
    assert [ending.cause for ending in pair.near.endings] == [Cause.TIMEOUT]


def test_who_is_cut_off_is_held_up_at_the_window() -> None:
    pair = Pair(hold=30.0).answer()
    assert pair.caller is not None
    pair.net.up = False
    pair.net.cut()
    pair.caller.write(bytes(WINDOW // 2))
    assert not pair.near.blocked
    pair.caller.write(bytes(WINDOW))
    assert pair.near.blocked
    pair.net.up = True
    pair.net.run(5)
    assert not pair.near.blocked
    assert len(pair.far.data) == WINDOW + WINDOW // 2


def test_who_is_held_up_when_the_call_ends_is_let_go() -> None:
    pair = Pair(hold=1.0).answer()
    assert pair.caller is not None
    pair.net.up = False
    pair.net.cut()
    pair.caller.write(bytes(2 * WINDOW))
    assert pair.near.blocked
    pair.net.run(10)
    assert not pair.near.blocked
    assert len(pair.near.endings) == 1


def test_hang_up_during_a_cut_arrives_after_it() -> None:
    pair = Pair(hold=10.0).answer()
    assert pair.caller is not None
    pair.net.up = False
    pair.net.cut()
    pair.caller.write(b"last words")
    pair.caller.close(20.0)
    pair.net.run(3)
    pair.net.up = True
    pair.net.run(3)
    assert bytes(pair.far.data) == b"last words"
    assert [ending.cause for ending in pair.far.endings] == [Cause.FINISHED]
    pair.called.close(0.0)
    pair.over()


def test_hang_up_of_who_waits_arrives_when_the_other_comes_back() -> None:
    pair = Pair(hold=10.0).answer()
    pair.net.up = False
    pair.net.cut()
    pair.called.close(20.0)
    pair.net.run(3)
    pair.net.up = True
    pair.net.run(3)
    assert [ending.cause for ending in pair.near.endings] == [Cause.FINISHED]
    assert pair.caller is not None
    pair.caller.close(0.0)
    pair.over()


def test_older_connection_of_a_session_is_not_taken_again() -> None:
    pair = Pair(hold=10.0).answer()
    before = list(pair.net.cables)
    pair.net.up = False
    for near, far in before:
        near.end(Ending(Cause.RESET, "reset"))
        far.end(Ending(Cause.RESET, "reset"))
    pair.net.up = True
    pair.net.run(1)
    hello = bytes(pair.net.cables[-1][0].written)
    thief = pair.net.connect()
    thief.write(hello)
    pair.net.run(1)
    pair.called.write(b"to the true one")
    pair.net.run(0.2)
    assert bytes(pair.near.data) == b"to the true one"


def test_nonsense_of_a_partner_ends_the_call() -> None:
    pair = Pair().answer()
    pair.first.write(b"\x00\xff\xff\xff")
    pair.net.run(0.2)
    assert [ending.cause for ending in pair.far.endings] == [Cause.ERROR]


STEP = st.one_of(
    st.tuples(st.just("write"), st.integers(0, 1), st.integers(1, 200_000)),
    st.tuples(st.just("pause"), st.integers(0, 1), st.booleans()),
    st.tuples(st.just("run"), st.just(0), st.integers(1, 40)),
    st.tuples(st.just("cut"), st.just(0), st.booleans()),
    st.tuples(st.just("chunk"), st.just(0), st.sampled_from([1 << 30, 50_000, 4999, 313])),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(STEP, max_size=25))
def test_any_chunking_and_any_cut(steps: list[tuple[str, int, int]]) -> None:
    """Whatever happens to the path and whoever stands still: every byte once, in order."""
    pair = Pair(hold=60.0).answer()
    assert pair.caller is not None
    ends: list[tuple[PairStream, Sink]] = [(pair.caller, pair.far), (pair.called, pair.near)]
    users = [pair.near, pair.far]
    said = [bytearray(), bytearray()]
    for what, end, value in steps:
        stream = ends[end][0]
        if what == "write" and not users[end].blocked:
            data = pattern(value, len(said[end]))
            said[end] += data
            stream.write(data)
        elif what == "pause" and value:
            stream.pause()
        elif what == "pause":
            stream.resume()
        elif what == "run":
            pair.net.run(value / 10)
        elif what == "cut":
            pair.net.cut(told=bool(value))
        elif what == "chunk":
            pair.net.chunk = value
    pair.net.chunk = 1 << 30
    for stream, _ in ends:
        stream.resume()
    pair.net.run(20)
    for (_, sink), data in zip(ends, said, strict=True):
        assert sink.data == data
        assert not sink.endings


def test_incoming_stays_what_listeners_make() -> None:
    """A caller's place of origin and listener are as before; only the stream is another."""
    pair = Pair().ring()
    incoming = pair.offered[0][0]
    assert incoming.peer == Peer("192.0.2.1:4000", "192.0.2.1", 4000)
    assert isinstance(incoming, Incoming)
