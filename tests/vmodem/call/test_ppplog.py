"""Who came in by PPP and which addresses were agreed."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher

from tests.helpers.calls import Listening
from tests.helpers.ppp import NAMELESS, PppClient, frame, options, packet
from tests.helpers.reactors import Reactor
from vmodem.call import program
from vmodem.call.ppplog import BUDGET, Observer, PppLog, watched
from vmodem.net.stream import Stream
from vmodem.wire import ppp

MINE, THEIRS = b"\x0a\x00\x02\x0f", b"\x0a\x00\x02\x02"


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """What the log says of PPP."""
    lines: list[str] = []

    def keep(event: LogEvent) -> None:
        if "PPP" in str(event.get("log_format")):
            lines.append(formatEvent(event))

    observer = cast(ILogObserver, keep)
    globalLogPublisher.addObserver(observer)
    yield lines
    globalLogPublisher.removeObserver(observer)


def ipcp(code: int, identifier: int, address: bytes) -> bytes:
    return frame(ppp.IPCP, packet(code, identifier, options({3: address})))


LCP = frame(ppp.LCP, packet(1, 1))
AGREED = [
    ("near", ipcp(1, 1, bytes(4))),
    ("far", ipcp(1, 9, THEIRS)),
    ("far", ipcp(3, 1, MINE)),
    ("near", ipcp(2, 9, THEIRS)),
    ("near", ipcp(1, 2, MINE)),
    ("far", ipcp(2, 2, MINE)),
]


def feed(observer: Observer, *frames: tuple[str, bytes], size: int = 1000) -> Observer:
    for who, data in frames:
        for at in range(0, len(data), size):
            getattr(observer, who)(data[at : at + size])
    return observer


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_addresses(size: int) -> None:
    observer = feed(Observer(), ("near", b"login: \r\n" + LCP), *AGREED[:-1], size=size)
    assert observer.addresses is None
    assert not observer.done
    feed(observer, AGREED[-1], size=size)
    assert observer.addresses == ("10.0.2.15", "10.0.2.2")
    assert observer.done


def test_only_what_was_agreed_counts() -> None:
    """An answer to another question, one's own answer, and a second question before the answer."""
    observer = feed(
        Observer(),
        ("near", LCP + ipcp(1, 5, b"\x01\x02\x03\x04") + ipcp(2, 5, b"\x01\x02\x03\x04")),
        ("far", ipcp(2, 4, MINE)),
        ("near", ipcp(1, 6, MINE)),
        ("far", ipcp(2, 5, b"\x01\x02\x03\x04") + ipcp(1, 1, bytes(4))),
        ("near", ipcp(2, 1, bytes(4))),
    )
    assert observer.addresses is None
    assert feed(observer, ("far", ipcp(2, 6, MINE))).addresses == ("10.0.2.15", "")


def test_names() -> None:
    pap = frame(ppp.PAP, packet(1, 1, b"\x05guest\x06secret"))
    challenge = frame(ppp.CHAP, packet(1, 1, b"\x10" + os.urandom(16) + b"server"))
    response = frame(ppp.CHAP, packet(2, 1, b"\x10" + os.urandom(16) + b"DOMAIN\\guest"))
    assert feed(Observer(), ("near", pap)).user == "guest"
    assert feed(Observer(), ("far", challenge), ("near", response)).user == "DOMAIN\\guest"
    assert feed(Observer(), ("far", pap)).program == "guest"


def test_no_password_is_looked_at(logged: list[str]) -> None:
    log = PppLog("front", "program pppd")
    log.sent(LCP + frame(ppp.PAP, packet(1, 1, b"\x05guest\x06secret")))
    log.received(frame(ppp.PAP, packet(3, 1, b"\x00")))
    log.ended()
    assert logged == ["front: PPP with program pppd did not come up: guest: refused"]


def test_the_line(logged: list[str]) -> None:
    log = PppLog("front", "program slirp")
    assert log.sent(LCP + frame(ppp.PAP, packet(1, 1, b"\x05guest\x06secret")))
    assert log.received(frame(ppp.PAP, packet(2, 1, b"\x00")))
    more = [log.sent(data) if who == "near" else log.received(data) for who, data in AGREED]
    assert more == [True] * 5 + [False]
    assert logged == ["front: PPP with program slirp: guest, address 10.0.2.15, other end 10.0.2.2"]


def test_nothing_is_said_of_other_calls(logged: list[str]) -> None:
    log = PppLog("front", "program cat")
    assert log.sent(b"AT\r~hello~")
    assert log.received(b"hello\r\n")
    log.ended()
    assert logged == []


def test_it_does_not_listen_for_ever(logged: list[str]) -> None:
    """Not PPP, or PPP that never comes to anything: the same number of bytes."""
    noise = random.Random(1).randbytes(BUDGET)
    for begin in (b"", LCP):
        log = PppLog("front", "program")
        assert log.received(begin)
        heard = 0
        while log.received(noise[heard : heard + 1000]):
            heard += 1000
        assert BUDGET - 1000 <= heard + len(begin) < BUDGET
    assert logged == ["front: PPP with program did not come up: no name asked for: no addresses were agreed"]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["near", "far"]),
            st.sampled_from([ppp.LCP, ppp.PAP, ppp.CHAP, ppp.IPCP]),
            st.binary(max_size=40) | st.builds(packet, st.integers(0, 12), st.integers(0, 3), st.binary()),
        )
    )
)
def test_nothing_raises(frames: list[tuple[str, int, bytes]]) -> None:
    observer = feed(Observer(), *((who, frame(protocol, body)) for who, protocol, body in frames))
    assert len(observer.user) <= 255
    assert len(observer.program) <= 255


def test_a_hostile_name_is_shown_as_text(logged: list[str]) -> None:
    """Length bytes that lie, control characters, no UTF-8: kept, and the log escapes what it shows."""
    observer = feed(Observer(), ("near", LCP + frame(ppp.PAP, packet(1, 1, b"\xff\x1b[2J\xfe"))))
    assert observer.user == "\x1b[2J�"


def test_a_program_that_speaks_ppp(reactor: Reactor, logged: list[str]) -> None:
    """Through the stream that a call has, with a program that sends back what it gets: a peer of our mind."""
    streams: list[Stream] = []
    program.start(reactor, ["cat"], "", streams.append, pytest.fail)
    user = Listening(watched(streams[0], "front"))
    client = PppClient()
    client.lcp.tick(0)
    user.stream.write(client.taken())
    reactor.until(lambda: user.data)
    client.receive(bytes(user.data), 0)
    user.stream.close(0)
    reactor.until(lambda: not reactor.getDelayedCalls())
    assert logged == [
        "front: PPP with program cat did not come up: no name asked for: no addresses were agreed"
    ]
    assert NAMELESS not in str(logged)
