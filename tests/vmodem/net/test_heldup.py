"""Peers that live and take nothing, and peers that are gone."""

from __future__ import annotations

import random
import socket

import pytest

from tests.helpers.reactors import Reactor
from vmodem.net import heldup, options
from vmodem.net.heldup import Verdict, judge, tcp_stream
from vmodem.net.stream import Ending, FdStream


class User:
    def __init__(self) -> None:
        self.data = bytearray()
        self.blocked = False
        self.ending: Ending | None = None

    def data_received(self, data: bytes) -> None:
        self.data += data

    def write_blocked(self) -> None:
        self.blocked = True

    def write_drained(self) -> None:
        self.blocked = False

    def stream_ended(self, ending: Ending) -> None:
        self.ending = ending


@pytest.mark.parametrize(
    ("waiting", "unacked", "probes", "last_ack_s", "lifted", "verdict"),
    [
        (0, 0, 0, 100.0, False, Verdict.LEAVE),  # nothing to send
        (5000, 4, 0, 29.0, False, Verdict.LEAVE),  # on its way: the kernel knows best
        (5000, 0, 0, 9.0, False, Verdict.LIFT),  # no room over there, and it says so
        (5000, 0, 1, 9.0, False, Verdict.LIFT),  # was asked just now
        (5000, 0, 3, 20.0, False, Verdict.LEAVE),  # was asked and says nothing
        (5000, 0, 0, 110.0, True, Verdict.LEAVE),  # is asked rarely after a while
        (5000, 0, 1, 110.0, True, Verdict.DOUBT),
        (5000, 3, 0, 0.0, True, Verdict.RESTORE),  # takes again
        (0, 0, 0, 0.0, True, Verdict.RESTORE),
    ],
)
def test_what_a_look_comes_to(
    waiting: int, unacked: int, probes: int, last_ack_s: float, lifted: bool, verdict: Verdict
) -> None:
    assert judge(waiting, unacked, probes, last_ack_s, lifted) is verdict


@pytest.fixture
def pair(reactor: Reactor) -> tuple[FdStream, socket.socket, socket.socket]:
    """A stream, its own socket and its peer, which has little room."""
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        ours = socket.create_connection(listening.getsockname())
        peer, _ = listening.accept()
    ours.setblocking(False)
    peer.setblocking(False)
    return tcp_stream(reactor, ours, "peer"), ours, peer


def timeout_of(sock: socket.socket) -> int:
    return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)


def test_a_peer_that_takes_nothing_is_waited_for(
    reactor: Reactor, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """For longer than the user timeout, after which everything arrives."""
    monkeypatch.setattr(heldup, "ROUND_S", 0.2)
    for module in (heldup, options):
        monkeypatch.setattr(module, "USER_TIMEOUT_MS", 1500)
    stream, ours, peer = request.getfixturevalue("pair")
    user = User()
    stream.start(user)
    data = random.Random(1).randbytes(8 << 20)
    stream.write(data)
    assert user.blocked
    reactor.run_for(4.0)
    assert user.ending is None
    assert timeout_of(ours) == 0
    got = bytearray()

    def taken() -> bool:
        try:
            while chunk := peer.recv(1 << 20):
                got.extend(chunk)
        except BlockingIOError:
            pass
        return len(got) == len(data)

    reactor.until(taken, tick=0.001, timeout=30)
    assert got == data
    reactor.until(lambda: timeout_of(ours) == 1500)
    stream.abort()
    peer.close()
    assert not reactor.getDelayedCalls()


def test_a_peer_that_stops_answering_is_given_up(
    reactor: Reactor, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setattr(heldup, "ROUND_S", 0.02)
    verdicts = [Verdict.LIFT, Verdict.DOUBT, Verdict.DOUBT, Verdict.LEAVE]
    verdicts += [Verdict.DOUBT] * heldup.DOUBTS
    monkeypatch.setattr(heldup, "judge", lambda *_: verdicts.pop(0))
    stream, ours, peer = request.getfixturevalue("pair")
    user = User()
    stream.start(user)
    reactor.until(lambda: user.ending is not None)
    assert not verdicts
    assert user.ending is not None
    assert user.ending.cause.name == "TIMEOUT"
    assert timeout_of(ours) == 0
    stream.abort()
    peer.close()


def test_nobody_is_looked_at_when_all_are_closed(
    reactor: Reactor, pair: tuple[FdStream, socket.socket, socket.socket]
) -> None:
    stream, _, peer = pair
    assert len(reactor.getDelayedCalls()) == 1
    stream.abort()
    assert not reactor.getDelayedCalls()
    peer.close()
