"""A target as equipment: reached, lost, looked for, found."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from twisted.internet.task import Clock

from tests.helpers.memory import FINISHED, MemoryStream, joined
from tests.helpers.process import Host
from tests.helpers.reactors import Reactor
from vmodem.bridge import To, make_end
from vmodem.bridge import target as room
from vmodem.bridge.ends import Line, waits_for
from vmodem.bridge.target import TargetPort
from vmodem.call.target import parse_target
from vmodem.net.stream import Cause, Ending, Stream
from vmodem.port.base import Noted, PortError, Settings, Signals

RESET = Ending(Cause.RESET, "reset by the peer")


class Way:
    """Stands for the way to a target; the test says how each attempt ends."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        #: When each attempt was made.
        self.tried: list[float] = []
        self.cancelled = False
        self.reached: Callable[[Stream], None]
        self.failed: Callable[[str], None]

    def begin(self, reached: Callable[[Stream], None], failed: Callable[[str], None]) -> None:
        self.tried.append(self.clock.seconds())
        self.reached, self.failed = reached, failed

    def cancel(self) -> None:
        self.cancelled = True

    def connect(self, room: int = 1 << 30) -> MemoryStream:
        """Reach it; returns the far end."""
        near, far = joined(self.clock, room)
        self.reached(near)
        return far


class User:
    """Writes down what the port tells."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    def data_received(self, data: bytes) -> None:
        self.heard.append(data)

    def noted(self, what: Noted) -> None:
        self.heard.append(what)

    def signals_changed(self, signals: Signals) -> None:
        self.heard.append(signals)

    def settings_changed(self, settings: Settings) -> None:
        self.heard.append(settings)

    def attached(self, present: bool) -> None:
        self.heard.append(present)

    def write_blocked(self) -> None:
        self.heard.append("blocked")

    def write_drained(self) -> None:
        self.heard.append("drained")

    def lost(self, reason: str) -> None:
        self.heard.append(reason)

    def found(self) -> None:
        self.heard.append("found")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def way(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Way:
    made = Way(clock)
    monkeypatch.setattr(room, "Reach", lambda *_, **__: made)
    return made


@pytest.fixture
def user() -> User:
    return User()


@pytest.fixture
def port(clock: Clock, way: Way, user: User) -> TargetPort:
    made = TargetPort(clock, parse_target("tcp:192.0.2.7:9000"))
    made.start(user)
    return made


def test_bytes(port: TargetPort, way: Way, user: User) -> None:
    port.write(b"dropped")
    far = way.connect()
    port.write(b"question")
    far.write(b"answer")
    far.far.deliver(99)
    assert bytes(far.far.sent) == b"question"
    assert user.heard == [True, b"answer"]
    assert (port.counters.sent, port.counters.received) == (8, 6)


def pauses(way: Way, clock: Clock, ends: Callable[[], None], count: int) -> list[float]:
    """How long each of the next attempts was waited for, while each ends so at once."""
    found = []
    for _ in range(count):
        ends()
        began, tries = clock.seconds(), len(way.tried)
        while len(way.tried) == tries:
            clock.advance(0.125)
        found.append(clock.seconds() - began)
    return found


def test_it_is_looked_for_with_growing_pauses(clock: Clock, way: Way, port: TargetPort, user: User) -> None:
    found = pauses(way, clock, lambda: way.failed("connection refused"), 7)
    assert found == [0.25, 0.5, 1, 2, 5, 10, 10]
    assert user.heard == ["connection refused"]
    way.connect()
    assert user.heard == ["connection refused", "found", True]


def test_one_that_hangs_up_at_once_is_not_called_again_and_again(
    clock: Clock, way: Way, port: TargetPort
) -> None:
    assert pauses(way, clock, lambda: way.connect().far.end(FINISHED), 4) == [0.25, 0.5, 1, 2]

    def after_a_while() -> None:
        far = way.connect()
        clock.advance(5)
        far.far.end(RESET)

    assert pauses(way, clock, after_a_while, 2) == [0.25, 0.25]


def test_an_end_is_told_once(way: Way, port: TargetPort, user: User) -> None:
    far = way.connect()
    far.far.end(RESET)
    assert user.heard == [True, False, "far: reset by the peer"]
    assert far.far.over == "abort"


def test_what_was_written_before_the_other_side_finished_still_leaves(way: Way, port: TargetPort) -> None:
    far = way.connect()
    far.far.end(FINISHED)
    assert far.far.over == "close"


def test_it_stays_paused_over_a_new_connection(way: Way, port: TargetPort) -> None:
    port.pause()
    far = way.connect()
    assert not far.far.reading
    port.resume()
    assert far.far.reading


def test_when_sent(clock: Clock, way: Way, port: TargetPort, user: User) -> None:
    done: list[str] = []
    far = way.connect(room=4)
    far.resume()
    port.write(b"abcdef")
    assert (user.heard[-1], port.backlog) == ("blocked", 6)
    port.when_sent(lambda: done.append("first"))
    clock.advance(1)
    assert done == []
    far.deliver(99)
    clock.advance(0)
    assert (done, user.heard[-1]) == (["first"], "drained")
    port.when_sent(lambda: done.append("second"))
    clock.advance(0)
    assert done == ["first", "second"]


def test_settings_are_taken_for_granted(clock: Clock, port: TargetPort) -> None:
    told: list[Settings] = []
    port.set(Settings(rate=300), told.append)
    clock.advance(0)
    assert told == [port.settings] == [Settings(rate=300)]
    assert port.signals_known == port.signals == Signals.NONE


def test_stop(clock: Clock, way: Way, port: TargetPort, user: User) -> None:
    far = way.connect()
    stopped: list[None] = []
    port.stop().addCallback(stopped.append)
    assert far.far.over == "close"
    clock.advance(0.3)
    assert (stopped, far.far.over, user.heard) == ([None], "abort", [True])


def test_stop_while_it_is_looked_for(clock: Clock, way: Way, port: TargetPort) -> None:
    way.failed("no")
    stopped: list[None] = []
    port.stop().addCallback(stopped.append)
    assert stopped == [None]
    assert not clock.getDelayedCalls()


# -- for real ---


def test_telnet_and_its_break(reactor: Reactor) -> None:
    host, user = Host(), User()
    port = make_end(reactor, To(f"telnet:127.0.0.1:{host.port}"))
    port.start(user)
    reactor.until(lambda: True in user.heard)
    peer = host.answer()
    port.write(b"\xff")
    port.set_break(True)
    port.set_break(False)
    reactor.run_for(0.05)
    assert peer.expect(rb"\xff\xff\xff\xf3").endswith(b"\xff\xff\xff\xf3")
    peer.send(b"\xff\xf3text")
    reactor.until(lambda: b"text" in user.heard)
    assert user.heard == [True, Noted.BREAK, b"text"]
    host.close()
    reactor.until(lambda: False in user.heard)
    reactor.wait_for(port.stop())


def test_nobody_there_and_then_somebody(reactor: Reactor) -> None:
    host, user = Host(), User()
    number = host.port
    host.close()
    port = make_end(reactor, To(f"tcp:127.0.0.1:{number}"))
    port.start(user)
    reactor.until(lambda: user.heard)
    assert user.heard == [f"127.0.0.1:{number}: Connection refused"]
    reactor.wait_for(port.stop())


@pytest.mark.parametrize("text", ["tcp:192.0.2.7", "tpc:host:1", "rfc2217:host"])
def test_what_is_no_target(reactor: Reactor, text: str) -> None:
    with pytest.raises(PortError, match=text):
        make_end(reactor, To(text))


def test_ends(reactor: Reactor) -> None:
    assert make_end(reactor, To("rfc2217:192.0.2.7:7001")).description == "rfc2217:192.0.2.7:7001"
    assert make_end(reactor, Line("/dev/ttyS7")).description == "serial:/dev/ttyS7"
    assert [waits_for(end) for end in (To("tcp:h:1"), Line("remote:h:1"), Line("pty:x"))] == [
        True,
        True,
        False,
    ]
    with pytest.raises(PortError):
        _ = To("nonsense").kind
