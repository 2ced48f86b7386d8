"""Telnet, without a network: golden sequences of the RFCs, any chunking, and peers that mean no good."""

from __future__ import annotations

import random
import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.vmodem.wire.chunks import cut, cuts, data, feed, sent, talk
from vmodem.wire import telnet
from vmodem.wire.events import Data, Send
from vmodem.wire.telnet import (
    AYT,
    BINARY,
    BRK,
    DM,
    DO,
    DONT,
    ECHO,
    GA,
    IAC,
    IP,
    NAWS,
    NOP,
    SB,
    SE,
    SGA,
    TSPEED,
    TTYPE,
    WILL,
    WONT,
    Command,
    Negotiated,
    Side,
    Subnegotiation,
    Telnet,
)

ALL = bytes(range(256))
UNKNOWN = 99


def words(*codes: int) -> bytes:
    """IAC and the codes, three to a negotiation."""
    return bytes((IAC, *codes))


def binary() -> Telnet:
    """An end with BINARY in force both ways."""
    end = Telnet(offers=[BINARY], accepts=[BINARY])
    end.receive(words(DO, BINARY) + words(WILL, BINARY))
    return end


# -- data ----------------------------------------------------------------------------------------------------


def test_data_passes_as_it_is() -> None:
    end = Telnet()
    chunk = b"AT\r\0\r\n" * 100
    assert end.passes(chunk)
    assert end.receive(chunk) == [Data(chunk)]
    assert end.receive(b"") == []
    assert end.encode(chunk) is chunk


def test_255_is_doubled_both_ways() -> None:
    end = Telnet()
    assert end.encode(b"a\xffb\xff\xff") == b"a\xff\xffb\xff\xff\xff\xff"
    assert end.receive(b"a\xff\xffb\xff\xff\xff\xff") == [Data(b"a\xffb\xff\xff")]
    assert not end.passes(b"a\xff\xffb")
    assert not end.spoken


@given(st.data())
def test_all_bytes_are_transparent_in_binary_however_they_are_cut(draw: st.DataObject) -> None:
    sender, receiver = binary(), binary()
    plain = draw.draw(st.lists(st.sampled_from([b"\r", b"\n", b"\0", b"\xff", b"x", ALL]), max_size=30))
    wire = b"".join(sender.encode(span) for span in plain)
    got = feed(receiver.receive, cut(wire, draw.draw(cuts(len(wire)))))
    assert data(got) == b"".join(plain)
    assert not sent(got)


@pytest.mark.parametrize(
    ("code", "name"),
    [(BRK, "BRK"), (AYT, "AYT"), (IP, "IP"), (NOP, "NOP"), (DM, "DM"), (GA, "GA")],
)
def test_commands(code: int, name: str) -> None:
    assert getattr(telnet, name) == code
    end = Telnet()
    assert end.receive(b"a" + words(code) + b"b") == [Data(b"a"), Command(code), Data(b"b")]
    assert end.spoken
    assert end.command(code) == words(code)


# -- CR ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cr_nul", "spoken", "strips"),
    [
        ("auto", False, False),
        ("auto", True, True),
        ("always", False, True),
        ("never", True, False),
    ],
)
def test_nul_after_cr(cr_nul: telnet.CrNul, spoken: bool, strips: bool) -> None:
    end = Telnet(cr_nul=cr_nul, offers=[BINARY], accepts=[BINARY])
    if spoken:
        end.receive(words(NOP))
    text = b"AT\r\0ATZ\r\nb\0c\r\0\0"
    assert data(end.receive(text)) == (b"AT\rATZ\r\nb\0c\r\0" if strips else text)
    sending = (
        end.encode(b"one\rtwo\r\nthree\r\0") + end.encode(b"\r") + end.encode(b"\nfour\r") + end.encode(b"e")
    )
    plain = b"one\rtwo\r\nthree\r\0\r\nfour\re"
    assert sending == (b"one\r\0two\r\nthree\r\0\0\r\nfour\r\0e" if strips else plain)


def test_a_peer_that_sends_a_bare_cr_gets_bare_ones() -> None:
    end = Telnet(expected=True)
    assert end.receive(b"a\r\0b\r\n\r") == [Data(b"a\rb\r\n\r")]
    end.receive(words(NOP))
    assert end.encode(b"\rx") == b"\r\0x"
    assert end.receive(b"\0\rc\r\0") == [Data(b"\rc\r\0")]
    assert end.encode(b"\rx") == b"\rx"
    strict = Telnet(cr_nul="always")
    assert data(strict.receive(b"\rc\r\0")) == b"\rc\r"


@given(st.data())
def test_how_an_expected_peer_is_cut_means_nothing(draw: st.DataObject) -> None:
    wire = b"".join(
        draw.draw(st.lists(st.sampled_from([b"\r", b"\0", b"\n", b"x", words(NOP), b"\r\0"]), max_size=20))
    )
    whole, pieces = Telnet(expected=True), Telnet(expected=True)
    cut_up = feed(pieces.receive, cut(wire, draw.draw(cuts(len(wire)))))
    assert cut_up == feed(whole.receive, [wire] if wire else [])
    assert whole.encode(b"\rx") == pieces.encode(b"\rx")


def test_a_client_that_is_expected_to_speak_telnet_is_understood_from_the_first_byte() -> None:
    end = Telnet(expected=True)
    assert not end.passes(b"x")
    assert end.receive(b"AT\r\0") == [Data(b"AT\r")]
    assert end.encode(b"\rx") == b"\rx"  # but gets none before it has spoken


def test_a_cr_that_was_sent_last_can_be_completed() -> None:
    end = Telnet(cr_nul="always")
    assert end.encode(b"x\r") == b"x\r"
    assert end.owes
    assert end.settle() == b"\0"
    assert not end.owes
    assert end.settle() == b""
    assert end.encode(b"\n") == b"\n"


def test_what_was_asked_for_and_not_answered() -> None:
    end = Telnet()
    assert not end.asking(BINARY, Side.US)
    end.request(BINARY, Side.US)
    assert end.asking(BINARY, Side.US)
    end.receive(words(DO, BINARY))
    assert not end.asking(BINARY, Side.US)


def test_binary_ends_the_cr_rule_one_direction_at_a_time() -> None:
    end = Telnet(offers=[BINARY], accepts=[BINARY])
    end.receive(words(WILL, BINARY))
    assert end.receive(b"\r\0") == [Data(b"\r\0")]
    assert end.encode(b"\rx") == b"\r\0x"
    end.receive(words(DO, BINARY))
    assert end.encode(b"\rx") == b"\rx"
    end.receive(words(WONT, BINARY))
    assert end.receive(b"\r\0") == [Data(b"\r")]
    assert end.encode(b"\rx") == b"\rx"


@given(st.data())
def test_nvt_text_survives_however_both_ends_cut_it(draw: st.DataObject) -> None:
    sender, receiver = Telnet(cr_nul="always"), Telnet(cr_nul="always")
    plain = b"".join(draw.draw(st.lists(st.sampled_from([b"\r", b"\n", b"\0", b"\xff", b"x"]), max_size=30)))
    wire = b"".join(map(sender.encode, cut(plain, draw.draw(cuts(len(plain))))))
    wire += sender.encode(b".")  # a last CR has its NUL only when it is known what follows
    assert data(feed(receiver.receive, cut(wire, draw.draw(cuts(len(wire)))))) == plain + b"."


# -- options -------------------------------------------------------------------------------------------------


def test_golden_greeting() -> None:
    end = Telnet()
    asked = [(SGA, Side.US), (SGA, Side.PEER), (ECHO, Side.US), (BINARY, Side.PEER), (BINARY, Side.US)]
    greeting = b"".join(end.request(option, side) for option, side in asked)
    assert greeting.hex() == "fffb03fffd03fffb01fffd00fffb00"
    # What a telnet program answers to that.
    answer = bytes.fromhex("fffd03fffb03fffd01fffb00fffd00")
    assert end.receive(answer) == [
        Negotiated(SGA, Side.US, True),
        Negotiated(SGA, Side.PEER, True),
        Negotiated(ECHO, Side.US, True),
        Negotiated(BINARY, Side.PEER, True),
        Negotiated(BINARY, Side.US, True),
    ]
    assert end.receive(answer) == []
    assert [end.request(option, side) for option, side in asked] == [b""] * 5


def test_offered_and_refused() -> None:
    end = Telnet(offers=[SGA], accepts=[BINARY])
    assert end.receive(words(DO, SGA)) == [Send(words(WILL, SGA)), Negotiated(SGA, Side.US, True)]
    assert end.receive(words(WILL, BINARY)) == [Send(words(DO, BINARY)), Negotiated(BINARY, Side.PEER, True)]
    assert end.receive(words(DO, ECHO)) == [Send(words(WONT, ECHO))]
    assert end.receive(words(WILL, ECHO)) == [Send(words(DONT, ECHO))]
    assert end.enabled(SGA, Side.US)
    assert not end.enabled(SGA, Side.PEER)
    assert not end.enabled(ECHO, Side.US)


def test_what_is_unknown_is_refused_once() -> None:
    end = Telnet()
    asked = words(DO, UNKNOWN) + words(WILL, UNKNOWN)
    assert sent(end.receive(asked * 100)) == words(WONT, UNKNOWN) + words(DONT, UNKNOWN)
    assert end.receive(words(DONT, UNKNOWN) + words(WONT, UNKNOWN)) == []


def test_a_request_refused_is_told() -> None:
    end = Telnet()
    assert end.request(BINARY, Side.PEER) == words(DO, BINARY)
    assert end.receive(words(WONT, BINARY)) == [Negotiated(BINARY, Side.PEER, False)]
    assert end.request(BINARY, Side.PEER) == words(DO, BINARY)


def test_changing_ones_mind() -> None:
    """RFC 1143 clause 7: the queue bit."""
    end = Telnet()
    assert end.request(ECHO, Side.US) == words(WILL, ECHO)
    assert end.request(ECHO, Side.US, on=False) == b""
    assert end.request(ECHO, Side.US) == b""
    assert end.request(ECHO, Side.US, on=False) == b""
    assert end.receive(words(DO, ECHO)) == [Send(words(WONT, ECHO))]
    assert end.request(ECHO, Side.US) == b""
    assert sent(end.receive(words(DONT, ECHO))) == words(WILL, ECHO)
    assert end.receive(words(DO, ECHO)) == [Negotiated(ECHO, Side.US, True)]
    assert end.request(ECHO, Side.US, on=False) == words(WONT, ECHO)
    assert not end.enabled(ECHO, Side.US)
    assert end.receive(words(DONT, ECHO)) == []
    assert end.request(ECHO, Side.US, on=False) == b""


@pytest.mark.parametrize("verbs", [(DO, DONT), (WILL, WONT), (DO, DO), (WONT, DONT)])
@pytest.mark.parametrize("option", [BINARY, UNKNOWN])
def test_at_most_two_answers_to_each_side_of_an_option(verbs: tuple[int, int], option: int) -> None:
    end = Telnet(offers=[BINARY], accepts=[BINARY])
    answer = sent(end.receive((words(verbs[0], option) + words(verbs[1], option)) * 1000))
    assert len(answer) <= 6
    # What was not answered is not in force.
    side = Side.US if verbs[0] in (DO, DONT) else Side.PEER
    assert end.enabled(option, side) is (verbs == (DO, DO) and option == BINARY)


@given(st.data())
def test_two_of_our_own_ends_fall_silent(draw: st.DataObject) -> None:
    options = st.sets(st.integers(0, 4))
    one, other = (
        Telnet(offers=draw.draw(options), accepts=draw.draw(options), answers={NAWS: b"\0\x50\0\x18"})
        for _ in "12"
    )
    asks = st.lists(st.tuples(st.integers(0, 4), st.sampled_from(Side), st.booleans()), max_size=12)
    for turn in range(3):
        first = b"".join(one.request(*ask) for ask in draw.draw(asks))
        second = b"".join(other.request(*ask) for ask in draw.draw(asks))
        talk(one, other, first, second)
        for option in range(5) if turn == 0 else ():  # later a question may be one too many
            assert one.enabled(option, Side.US) is other.enabled(option, Side.PEER)
            assert one.enabled(option, Side.PEER) is other.enabled(option, Side.US)


def test_what_we_are_is_told() -> None:
    end = Telnet(answers={TTYPE: b"ANSI", TSPEED: b"9600,9600", NAWS: b"\xff\xff\0\x18"})
    assert sent(end.receive(words(DO, TTYPE) + words(DO, TSPEED))) == words(WILL, TTYPE) + words(WILL, TSPEED)
    # RFC 1091 and 1079: SEND is 1, IS is 0.
    assert sent(end.receive(words(SB, TTYPE, 1, IAC, SE))) == words(SB, TTYPE, 0) + b"ANSI" + words(SE)
    assert sent(end.receive(words(SB, TSPEED, 1, IAC, SE))) == words(SB, TSPEED, 0) + b"9600,9600" + words(SE)
    # RFC 1073: the value is sent with the agreement, 255 doubled.
    size = words(SB, NAWS) + b"\xff\xff\xff\xff\0\x18" + words(SE)
    assert sent(end.receive(words(DO, NAWS))) == words(WILL, NAWS) + size


# -- subnegotiations -----------------------------------------------------------------------------------------


def test_subnegotiation() -> None:
    end = Telnet()
    assert end.subnegotiation(44, b"\x0b\xff") == bytes.fromhex("fffa2c0bfffffff0")
    assert end.receive(bytes.fromhex("fffa2c0bfffffff0")) == [Subnegotiation(44, b"\x0b\xff")]
    assert end.receive(words(SB, 44, IAC, SE)) == [Subnegotiation(44, b"")]
    assert end.receive(words(SB, IAC, SE)) == []
    assert end.receive(words(SE)) == []


def test_malformed_iac_in_a_subnegotiation_is_dropped() -> None:
    end = Telnet()
    assert end.receive(words(SB, 44, 1, IAC, NOP, 2, IAC, SE) + b"x") == [
        Subnegotiation(44, b"\x01\x02"),
        Data(b"x"),
    ]


@pytest.mark.parametrize("size", [telnet.SB_LIMIT - 1, telnet.SB_LIMIT, 100_000])
def test_a_long_subnegotiation_is_passed_over(size: int) -> None:
    end = Telnet()
    got = feed(end.receive, cut(words(SB, 44) + b"x" * size + words(SE) + b"on", list(range(0, size, 1000))))
    assert got[-1] == Data(b"on")
    assert len(got) == (2 if size < telnet.SB_LIMIT else 1)
    assert end.receive(words(SB, 44, 7, IAC, SE)) == [Subnegotiation(44, b"\x07")]


# -- any input -----------------------------------------------------------------------------------------------

PIECES = st.one_of(
    st.binary(max_size=8),
    st.sampled_from([b"\xff", b"\xff\xff", b"\r", b"\0", words(SB), words(SE), words(AYT)]),
    st.builds(words, st.sampled_from([WILL, WONT, DO, DONT]), st.integers(0, 3)),
    st.builds(lambda option, body: words(SB, option) + body, st.integers(0, 50), st.binary(max_size=20)),
)


@given(st.data())
def test_any_chunking_means_the_same(draw: st.DataObject) -> None:
    stream = b"".join(draw.draw(st.lists(PIECES, max_size=20)))

    def end() -> Telnet:
        return Telnet(offers=[BINARY, TTYPE], accepts=[BINARY], answers={TTYPE: b"ANSI"})

    whole = feed(end().receive, [stream] if stream else [])
    assert feed(end().receive, cut(stream, draw.draw(cuts(len(stream))))) == whole
    assert feed(end().receive, [bytes((byte,)) for byte in stream]) == whole


@given(st.data())
def test_what_passes_is_what_receive_would_give(draw: st.DataObject) -> None:
    stream = b"".join(draw.draw(st.lists(PIECES, max_size=20)))
    seen, unseen = Telnet(accepts=[BINARY]), Telnet(accepts=[BINARY])
    for chunk in cut(stream, draw.draw(cuts(len(stream)))):
        events = seen.receive(chunk)
        if unseen.passes(chunk):
            assert events == [Data(chunk)]
        else:
            assert unseen.receive(chunk) == events


# -- floods --------------------------------------------------------------------------------------------------

FLOODS = {
    "iac": b"\xff" * 65536,
    "odd": b"\xff" * 65535,
    "nop": words(NOP) * 32768,
    "ayt": words(AYT) * 32768,
    "open subnegotiation": words(SB, 44) + b"x" * 65533,
    "subnegotiations": words(SB, 44, 1, IAC, SE) * 10922,
    "options": b"".join(words(verb, option) for option in range(256) for verb in (WILL, DO, WONT, DONT)) * 21,
    "terminal types": words(SB, TTYPE, 1, IAC, SE) * 10922,
}


@pytest.mark.parametrize("flood", list(FLOODS))
def test_a_flood_costs_neither_memory_nor_answers(flood: str) -> None:
    end = Telnet(offers=[BINARY], accepts=[BINARY], answers={TTYPE: b"ANSI"})
    chunk = FLOODS[flood]
    answered = received = 0
    tracemalloc.start()
    try:
        end.receive(chunk)
        before, _ = tracemalloc.get_traced_memory()
        start = time.process_time()
        for _ in range(10_000_000 // 65536 if flood in ("iac", "open subnegotiation") else 2):
            answered += len(sent(end.receive(chunk)))
            received += len(chunk)
        took = time.process_time() - start
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 4096 * 64 + len(chunk) * 80  # the last list of events, and nothing that grows
    assert answered <= received
    assert took < 30
    # Afterwards the connection is in step again.
    end.receive(words(SE) + b"y" + words(SE))
    assert data(end.receive(words(NOP) + b"in step"))[-7:] == b"in step"


def test_random_bytes_are_looked_at_in_spans() -> None:
    chunk = random.Random(1).randbytes(65536)
    end = Telnet()
    wire = end.encode(chunk)
    start = time.process_time()
    for _ in range(160):
        assert end.receive(wire) == [Data(chunk)]
    assert time.process_time() - start < 2  # 10 MB; a loop over bytes takes longer
