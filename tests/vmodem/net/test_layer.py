"""What every stream over a stream keeps to, alone and in stacks of two: not one byte is lost, repeated or
reordered in any pieces and pauses, the user is told once each to stop, to go on and of the end, and no timer
is left."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock

from tests.helpers.certificates import Certificates, certificates
from tests.helpers.ends import Watching
from tests.helpers.memory import joined
from vmodem.net.pace import ROOM, PacedStream
from vmodem.net.stream import Cause, Ending
from vmodem.net.tap import TappedStream
from vmodem.net.telnet.auto import AutoStream
from vmodem.net.telnet.pushback import PushedBack
from vmodem.net.telnet.stream import Role, TelnetStream
from vmodem.net.tls.begin import (
    TlsClientSettings,
    TlsServerSettings,
    load_client,
    load_server,
    open_client,
    open_server,
)

__all__ = ["certificates"]

RESET = Ending(Cause.RESET, "reset")
#: Everything telnet has to spell differently, and more than one piece of each layer.
TEXT = bytes(range(256)) + b"\r\n\r\0\xff\xff\xfb\0\r" * 30
#: Stages that are soon out of the way: from then on the stream below is the user's own.
PASSING = ["tap", "auto", "pushed back"]
LAYERS = ["telnet", "tls", "pace", *PASSING]
STACKS = [[one] for one in LAYERS] + [
    [low, high]
    for low in LAYERS
    for high in LAYERS
    # A handshake has nothing before it.
    if low != high and (low, high) != ("pushed back", "tls")
]
NEAR, FAR = range(2)


class Curious:
    """Has heard enough after so many chunks."""

    def __init__(self, chunks: int) -> None:
        self.chunks = chunks

    def sent(self, data: bytes) -> bool:
        self.chunks -= 1
        return self.chunks > 0

    received = sent

    def ended(self) -> None:
        pass


class Call:
    """A call between two ends in memory, each under the same layers."""

    def __init__(self, tls: Any, stack: list[str], room: int) -> None:
        self.clock = Clock()
        self.clock.advance(1000)
        self.tls = tls
        self.ends = joined(self.clock, room)
        self.sent = [bytearray(), bytearray()]
        self.streams: list[Any] = list(self.ends)
        for name in stack:
            self.lay(name)
        self.paused = [False, False]
        self.users = [Watching(stream) for stream in self.streams]
        if "telnet" in stack:
            self.settle()  # who leaves before BINARY is agreed on has to guess how a CR is understood
        if "auto" in stack:
            for side in (NEAR, FAR):
                self.write(side, b"<")  # who speaks first makes it raw, which both ends have to be

    def lay(self, name: str) -> None:
        client, server = self.tls
        if name == "tls":
            opened: dict[int, Any] = {}
            below, fail = self.streams, pytest.fail
            open_client(self.clock, below[NEAR], client, lambda it: opened.update({NEAR: it}), fail)
            open_server(self.clock, below[FAR], server, lambda it: opened.update({FAR: it}), fail)
            self.settle()
            self.streams = [opened[NEAR], opened[FAR]]
            return
        for side, below in enumerate(self.streams):
            self.streams[side] = self.over(name, side, below)

    def over(self, name: str, side: int, below: Any) -> Any:
        match name:
            case "telnet":
                return TelnetStream(self.clock, below, list(Role)[side])
            case "pace":
                return PacedStream(self.clock, below, 1_000_000)
            case "tap":
                return TappedStream(below, Curious(3))
            case "auto":
                return AutoStream(self.clock, below, list(Role)[side])
        below.pause()
        self.sent[1 - side] += b">"
        return PushedBack(self.clock, below, b">")

    def turn(self, seconds: float = 0.0) -> None:
        self.clock.advance(seconds)

    def settle(self, size: int = 1 << 30) -> None:
        """Let bytes move and time pass until nothing happens any more."""
        while True:
            before = [end.ended for end in self.ends]
            if sum(end.deliver(size) for end in self.ends) or before != [end.ended for end in self.ends]:
                continue
            calls = self.clock.getDelayedCalls()
            if not calls:
                return
            self.clock.advance(max(0.0, min(call.getTime() for call in calls) - self.clock.seconds()))

    def write(self, side: int, data: bytes) -> None:
        if not self.users[side].blocked:
            self.sent[side] += data
            self.streams[side].write(data)

    def pause(self, side: int) -> None:
        stream, heard = self.streams[side], len(self.users[side].data)
        self.paused[side] = not self.paused[side]
        if self.paused[side]:
            stream.pause()
            assert not self.ends[side].reading
        else:
            stream.resume()
        assert len(self.users[side].data) == heard, "not in the middle of what the user does"

    def move(self, side: int, size: int) -> None:
        user, heard = self.users[side], len(self.users[side].data)
        self.ends[side].deliver(size)
        assert len(user.data) == heard or not self.paused[side]

    def check(self) -> None:
        for side, (stream, user) in enumerate(zip(self.streams, self.users, strict=True)):
            assert bytes(self.sent[1 - side]).startswith(user.data)
            assert user.blocked or stream.backlog <= ROOM


@pytest.fixture(scope="module")
def tls(certificates: Certificates) -> Any:
    made = certificates.leaf("far", "DNS:far.example")
    return (
        load_client(TlsClientSettings("far.example", ca=certificates.authority().cert)),
        load_server(TlsServerSettings(made.cert, made.key)),
    )


def drawn(tls: Any, stack: list[str], data: st.DataObject) -> Call:
    """A call in the middle of some doings."""
    call = Call(tls, stack, data.draw(st.sampled_from([0, 5, 300, 1 << 30]), "room"))
    for _ in range(data.draw(st.integers(0, 12), "steps")):
        side = data.draw(st.sampled_from([NEAR, FAR]))
        match data.draw(st.sampled_from(["write", "write", "move", "move", "pause", "turn"])):
            case "write":
                at = data.draw(st.integers(0, len(TEXT) - 1))
                call.write(side, TEXT[at : at + data.draw(st.sampled_from([1, 2, 70, 600]))])
            case "move":
                call.move(side, data.draw(st.sampled_from([1, 3, 100, 1 << 20])))
            case "pause":
                call.pause(side)
            case "turn":
                call.turn(data.draw(st.sampled_from([0.0, 0.001, 0.1])))
        call.check()
    return call


def resumed(call: Call) -> None:
    for side, paused in enumerate(call.paused):
        if paused:
            call.pause(side)


@pytest.mark.parametrize("stack", STACKS, ids="-".join)
@given(data=st.data())
@settings(max_examples=12)
def test_all_arrives_and_then_the_end(tls: Any, stack: list[str], data: st.DataObject) -> None:
    call = drawn(tls, stack, data)
    if data.draw(st.booleans(), "settled"):
        resumed(call)
        call.settle(data.draw(st.sampled_from([7, 1 << 20])))
        assert [user.data for user in call.users] == call.sent[::-1]
        assert not any(
            user.blocked or stream.backlog for user, stream in zip(call.users, call.streams, strict=True)
        )
    if call.paused[FAR]:
        call.pause(FAR)
    heard = len(call.users[NEAR].data)
    call.streams[NEAR].close(60.0)
    call.settle(data.draw(st.sampled_from([7, 1 << 20])))
    near, far = call.users
    assert far.data == call.sent[NEAR]
    assert [ending.cause for ending in far.endings] == [Cause.FINISHED]
    assert (len(near.data), near.endings) == (heard, []), "who closes hears nothing any more"
    assert call.ends[NEAR].over == "close"
    call.streams[FAR].close(0.0)
    assert call.ends[FAR].over is not None
    call.settle()
    assert not call.clock.getDelayedCalls()


@pytest.mark.parametrize("stack", STACKS, ids="-".join)
@given(data=st.data())
@settings(max_examples=12)
def test_a_peer_that_is_gone(tls: Any, stack: list[str], data: st.DataObject) -> None:
    call = drawn(tls, stack, data)
    end, stream, user = call.ends[NEAR], call.streams[NEAR], call.users[NEAR]
    before = bytes(user.data)
    # A stream that lost its connection hands over what had come, even while it is not read.
    late = bytes(call.ends[FAR].sent)
    if late:
        call.ends[FAR].sent.clear()
        end.user.data_received(late)
    end.end(RESET)
    if call.paused[NEAR]:
        stream.resume()
    for _ in range(50):
        call.turn(0.1)
    assert bytes(user.data).startswith(before)
    assert bytes(call.sent[FAR]).startswith(user.data)
    assert [ending.cause for ending in user.endings] == [Cause.RESET]
    if not set(stack) <= set(PASSING):
        assert not user.blocked
        stream.write(b"nowhere")
    stream.close(1.0)
    assert end.over == "close"
    call.streams[FAR].abort()
    assert not call.clock.getDelayedCalls()


@pytest.mark.parametrize("stack", STACKS, ids="-".join)
@given(data=st.data())
@settings(max_examples=6)
def test_nothing_is_left_of_an_abort(tls: Any, stack: list[str], data: st.DataObject) -> None:
    call = drawn(tls, stack, data)
    for side in (NEAR, FAR):
        told = (bytes(call.users[side].data), call.users[side].blocked)
        call.streams[side].abort()
        if not set(stack) <= set(PASSING):
            call.streams[side].write(b"nowhere")
        call.streams[side].resume()
        call.streams[side].close(1.0)
        assert call.ends[side].over == "abort"
        assert (bytes(call.users[side].data), call.users[side].blocked) == told
        assert not call.users[side].endings or side == FAR
    assert not call.clock.getDelayedCalls()
