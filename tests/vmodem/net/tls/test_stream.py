"""A call inside TLS, in memory: every byte in order in any pieces, every way to wait and to end."""

from __future__ import annotations

import ssl
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock

from tests.helpers.certificates import Certificates, certificates
from tests.helpers.memory import FINISHED, joined
from vmodem.net.stream import Cause, Ending
from vmodem.net.tls.begin import (
    ClientContext,
    ServerContext,
    TlsClientSettings,
    TlsServerSettings,
    TlsStream,
    load_client,
    load_server,
    open_client,
    open_server,
)
from vmodem.net.tls.stream import ANSWERS, BATCH

__all__ = ["certificates"]

#: A record is longer than its plain text by no more than this.
OVERHEAD = 64
RESET = Ending(Cause.RESET, "Connection reset by peer")


class User:
    """Keeps what a stream tells it, and checks that it is told only what it may be."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.largest = 0
        self.blocked = False
        self.ending: Ending | None = None
        self.on_data: Any = None

    def data_received(self, data: bytes) -> None:
        assert data
        assert self.ending is None
        self.data += data
        self.largest = max(self.largest, len(data))
        if self.on_data is not None:
            self.on_data(data)

    def write_blocked(self) -> None:
        assert not self.blocked
        self.blocked = True

    def write_drained(self) -> None:
        assert self.blocked
        self.blocked = False

    def stream_ended(self, ending: Ending) -> None:
        assert self.ending is None
        self.ending = ending


class Call:
    """A call between two ends in memory; the called side is ``far``."""

    def __init__(
        self, client: ClientContext, server: ServerContext, *, room: int = 1 << 30, start: bool = True
    ) -> None:
        self.clock = Clock()
        self.near_end, self.far_end = joined(self.clock, room)
        self.failures: list[str] = []
        self.opened: dict[str, TlsStream] = {}
        fail = self.failures.append
        open_client(self.clock, self.near_end, client, lambda it: self._opened("near", it), fail)
        open_server(self.clock, self.far_end, server, lambda it: self._opened("far", it), fail)
        self.settle()
        assert not self.failures
        self.near, self.far = self.opened["near"], self.opened["far"]
        assert not self.clock.getDelayedCalls()
        self.near_user, self.far_user = User(), User()
        if start:
            self.near.start(self.near_user)
            self.far.start(self.far_user)
            self.settle()

    def _opened(self, side: str, stream: Any) -> None:
        assert side not in self.opened
        self.opened[side] = stream

    def settle(self, size: int = 1 << 30) -> None:
        """Move bytes until none moves any more, in pieces of ``size``."""
        moved = True
        while moved:
            timers = any(call.getTime() <= self.clock.seconds() for call in self.clock.getDelayedCalls())
            self.clock.advance(0)
            moved = bool(self.near_end.deliver(size) + self.far_end.deliver(size)) or timers


@pytest.fixture(scope="module")
def server(certificates: Certificates) -> ServerContext:
    made = certificates.leaf("far", "DNS:far.example")
    return load_server(TlsServerSettings(made.cert, made.key))


@pytest.fixture(scope="module")
def client(certificates: Certificates) -> ClientContext:
    return load_client(TlsClientSettings("far.example", ca=certificates.authority().cert))


@pytest.fixture(params=["TLSv1.2", "TLSv1.3"])
def version(request: pytest.FixtureRequest, server: ServerContext) -> Any:
    before = server._files.context.maximum_version
    server._files.context.maximum_version = ssl.TLSVersion[request.param.replace(".", "_")]
    yield request.param
    server._files.context.maximum_version = before


TEXT = bytes(range(256)) * 8


@pytest.mark.usefixtures("version")
def test_both_ways(client: ClientContext, server: ServerContext) -> None:
    call = Call(client, server)
    assert call.near.certificate_name == "far"
    assert call.far.certificate_name == ""
    assert (call.near.peer, call.far.peer) == ("far", "near")
    call.near.write(TEXT)
    call.far.write(TEXT[::-1])
    call.settle()
    assert (bytes(call.far_user.data), bytes(call.near_user.data)) == (TEXT, TEXT[::-1])
    assert not call.clock.getDelayedCalls()
    assert call.near.backlog == 0


@pytest.mark.usefixtures("version")
def test_a_byte_at_a_time(client: ClientContext, server: ServerContext) -> None:
    """The handshake, too, may come like that."""
    clock = Clock()
    near, far = joined(clock)
    opened: list[Any] = []
    open_client(clock, near, client, opened.append, pytest.fail)
    open_server(clock, far, server, opened.append, pytest.fail)
    clock.advance(0)
    while near.deliver(1) + far.deliver(1):
        pass
    assert len(opened) == 2
    users = [User(), User()]
    for stream, user in zip(opened, users, strict=True):
        stream.start(user)
    for byte in TEXT[:300]:
        opened[0].write(bytes([byte]))
        while near.deliver(1) + far.deliver(1):
            pass
    assert TEXT[:300] in (users[0].data, users[1].data)


@given(st.data())
@settings(max_examples=40)
def test_any_pieces(client: ClientContext, server: ServerContext, data: st.DataObject) -> None:
    """Writes, pauses, pieces and refusals in any order: not one byte is lost, repeated or reordered, and
    little is in hand."""
    call = Call(client, server, room=data.draw(st.sampled_from([1, 100, 20000, 1 << 30]), "room"))
    sent = {"near": bytearray(), "far": bytearray()}
    paused = {"near": False, "far": False}
    ends = {"near": (call.near, call.near_user), "far": (call.far, call.far_user)}
    sizes = st.sampled_from([1, 7, 500, 16384, 70000, 200000])
    for _ in range(data.draw(st.integers(1, 25), "steps")):
        side = data.draw(st.sampled_from(["near", "far"]))
        stream, user = ends[side]
        match data.draw(st.sampled_from(["write", "move", "pause", "turn"])):
            case "write":
                if not user.blocked:
                    text = TEXT[: data.draw(st.integers(1, 255))] * data.draw(st.sampled_from([1, 20, 1000]))
                    sent[side] += text
                    stream.write(text)
            case "move":
                getattr(call, f"{side}_end").deliver(data.draw(sizes))
            case "pause":
                paused[side] = not paused[side]
                heard = len(user.data)
                if paused[side]:
                    stream.pause()
                else:
                    stream.resume()
                assert len(user.data) == heard
            case "turn":
                call.clock.advance(0)
    for side, (stream, _) in ends.items():
        if paused[side]:
            stream.resume()
    call.settle(data.draw(sizes))
    assert call.far_user.data == sent["near"]
    assert call.near_user.data == sent["far"]
    assert (call.near_user.blocked, call.far_user.blocked) == (False, False)
    assert call.near.backlog == call.far.backlog == 0
    assert max(call.near_user.largest, call.far_user.largest) <= BATCH + 16384
    assert not call.clock.getDelayedCalls()


# -- before anybody listens ----------------------------------------------------------------------------------


def test_nothing_is_read_before_the_start(client: ClientContext, server: ServerContext) -> None:
    call = Call(client, server, start=False)
    assert (call.near_end.reading, call.far_end.reading) == (False, False)
    call.near.write(b"early")  # and what is written goes out
    assert call.near_end.sent
    call.far.start(call.far_user)
    call.settle()
    assert call.far_user.data == b"early"


def test_bytes_right_behind_the_handshake(client: ClientContext, server: ServerContext) -> None:
    """They may arrive with its last bytes, in one piece."""
    clock = Clock()
    near, far = joined(clock)
    user = User()
    opened: list[Any] = []

    def hello(stream: Any) -> None:
        stream.write(b"hello")

    open_client(clock, near, client, hello, pytest.fail)
    open_server(clock, far, server, opened.append, pytest.fail)
    clock.advance(0)
    while near.deliver(1 << 20) + far.deliver(1 << 20):
        pass
    opened[0].start(user)
    assert not user.data  # whoever starts does not expect bytes in the middle of that
    clock.advance(0)
    assert user.data == b"hello"


def test_a_connection_full_from_the_first(
    client: ClientContext, server: ServerContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last words of the handshake still wait below: nothing more is encrypted before they have gone."""
    monkeypatch.setattr(server._files.context, "maximum_version", ssl.TLSVersion.TLSv1_2)
    clock = Clock()
    near, far = joined(clock, room=0)
    opened: dict[str, Any] = {}
    users = {"near": User(), "far": User()}

    def called(stream: Any) -> None:
        opened["far"] = stream
        assert far.blocked
        before = len(far.sent)
        stream.write(TEXT * 100)
        assert len(far.sent) == before

    open_client(clock, near, client, lambda stream: opened.update(near=stream), pytest.fail)
    open_server(clock, far, server, called, pytest.fail)
    clock.advance(0)
    while near.deliver(1 << 20) + far.deliver(1 << 20):
        pass
    for side, user in users.items():
        opened[side].start(user)
    clock.advance(0)
    while near.deliver(1 << 20) + far.deliver(1 << 20):
        pass
    assert bytes(users["near"].data) == TEXT * 100
    assert not users["far"].blocked


def test_an_end_before_the_start(client: ClientContext, server: ServerContext) -> None:
    call = Call(client, server, start=False)
    call.near_end.end(RESET)
    call.near.start(call.near_user)
    assert call.near_user.ending is None
    call.clock.advance(0)
    assert call.near_user.ending == RESET


def test_another_user(client: ClientContext, server: ServerContext) -> None:
    call = Call(client, server, room=100)
    call.far.write(b"for the first")
    call.settle()
    call.near.write(TEXT)
    assert call.near_user.blocked
    second = User()
    call.near.start(second)
    call.clock.advance(0)
    assert second.blocked
    call.far.write(b"for the second")
    call.settle()
    assert not second.blocked
    assert (bytes(call.near_user.data), bytes(second.data)) == (b"for the first", b"for the second")


# -- waiting -------------------------------------------------------------------------------------------------


def test_a_user_who_pauses(client: ClientContext, server: ServerContext) -> None:
    """Nothing is read below, so the kernel holds the peer up."""
    call = Call(client, server, room=100)
    call.near.pause()
    assert not call.near_end.reading
    call.far.write(TEXT * 1000)
    assert call.far_user.blocked
    call.settle()
    assert not call.near_user.data
    assert len(call.far_end.sent) <= BATCH + 4 * OVERHEAD
    call.near.resume()
    call.settle()
    assert bytes(call.near_user.data) == TEXT * 1000


def test_pausing_among_the_bytes(client: ClientContext, server: ServerContext) -> None:
    """A stream below that had more than the user wanted keeps nothing from him later."""
    call = Call(client, server)
    call.near_user.on_data = lambda _: call.near.pause()
    call.far.write(TEXT * 100)
    call.near_end.deliver(1 << 30)
    assert 0 < len(call.near_user.data) <= BATCH + 16384
    heard = len(call.near_user.data)
    call.settle()
    assert len(call.near_user.data) == heard
    while len(call.near_user.data) < len(TEXT) * 100:
        call.near.resume()
        call.settle()
    assert bytes(call.near_user.data) == TEXT * 100


def test_what_a_blocked_call_keeps(client: ClientContext, server: ServerContext) -> None:
    call = Call(client, server, room=0)
    call.near.write(b"x" * 1_000_000)
    assert call.near_user.blocked
    assert len(call.near_end.sent) <= BATCH + 4 * OVERHEAD  # the rest is not even encrypted
    assert call.near.backlog >= 1_000_000
    call.settle()
    assert len(call.far_user.data) == 1_000_000
    assert not call.near_user.blocked


def test_discarding(client: ClientContext, server: ServerContext) -> None:
    """What is encrypted goes; what is not is forgotten, and what comes after it can be read."""
    call = Call(client, server, room=0)
    call.near.write(b"x" * 1_000_000)
    call.near.discard_pending()
    assert not call.near_user.blocked
    call.near.write(b"after")
    assert call.near_user.blocked
    call.settle()
    assert bytes(call.far_user.data) == b"x" * BATCH + b"after"
    assert not call.near_user.blocked


def test_a_break_is_no_byte(client: ClientContext, server: ServerContext) -> None:
    call = Call(client, server)
    call.near.send_break(0.1, False)
    assert not call.near_end.sent


def test_two_who_both_only_write(client: ClientContext, server: ServerContext) -> None:
    """Neither reads because it is blocked: they would wait for each other for ever."""
    call = Call(client, server, room=1000)
    call.near.write(TEXT * 500)
    call.far.write(TEXT * 500)
    assert call.near_user.blocked
    assert call.near_end.reading
    assert call.far_end.reading
    call.settle(100)
    assert bytes(call.far_user.data) == bytes(call.near_user.data) == TEXT * 500


# -- ends ----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("version")
def test_close(client: ClientContext, server: ServerContext) -> None:
    """Everything, then the end; and the other side may still send."""
    call = Call(client, server)
    call.near.write(TEXT)
    call.near.close(5)
    assert call.near_end.over == "close"
    call.settle()
    assert bytes(call.far_user.data) == TEXT
    assert call.far_user.ending == FINISHED
    call.far.write(b"too late, and no harm")
    call.far.close(5)
    assert call.far_end.over == "close"
    assert not call.clock.getDelayedCalls()


def test_close_waits_for_what_is_pending(client: ClientContext, server: ServerContext) -> None:
    call = Call(client, server, room=1000)
    call.near.write(TEXT * 200)
    call.near.pause()
    call.near.close(5)
    assert call.near_end.over is None
    call.far.write(b"nobody hears it any more")
    call.settle()
    assert bytes(call.far_user.data) == TEXT * 200
    assert call.far_user.ending == FINISHED
    assert call.near_end.over == "close"
    assert not call.near_user.data
    assert not call.clock.getDelayedCalls()


def test_close_does_not_wait_for_ever(client: ClientContext, server: ServerContext) -> None:
    """A peer that stops reading gets an end that does not look like the whole."""
    call = Call(client, server, room=1000)
    call.near.write(TEXT * 200)
    call.near.close(5)
    call.clock.advance(4.9)
    assert call.near_end.over is None
    call.clock.advance(0.2)
    assert call.near_end.over == "abort"
    assert not call.clock.getDelayedCalls()


def test_close_without_time(client: ClientContext, server: ServerContext) -> None:
    call = Call(client, server, room=1000)
    call.near.write(TEXT * 200)
    call.near.close(0)
    assert call.near_end.over == "abort"
    call = Call(client, server)
    call.near.close(0)
    call.settle()
    assert call.far_user.ending == FINISHED


def test_close_before_the_start(client: ClientContext, server: ServerContext) -> None:
    call = Call(client, server, start=False)
    call.near.write(b"BUSY\r\n")
    call.near.close(1)
    call.far.start(call.far_user)
    call.settle()
    assert call.far_user.data == b"BUSY\r\n"
    assert call.far_user.ending == FINISHED


@pytest.mark.parametrize("pending", [False, True])
def test_abort(client: ClientContext, server: ServerContext, pending: bool) -> None:
    call = Call(client, server, room=10)
    if pending:
        call.near.write(TEXT * 1000)
        call.far.write(TEXT)
    call.near.abort()
    assert call.near_end.over == "abort"
    assert not call.clock.getDelayedCalls()
    call.near.write(b"x")
    call.near.pause()
    call.near.resume()
    call.near.close(1)
    call.near.abort()
    assert not call.clock.getDelayedCalls()
    call.far_end.deliver(1 << 20)
    assert call.far_user.ending is not None
    assert call.near_user.ending is None


@pytest.mark.parametrize("how", ["close", "abort"])
def test_closing_among_the_bytes(client: ClientContext, server: ServerContext, how: str) -> None:
    call = Call(client, server)
    call.near_user.on_data = lambda _: call.near.close(1) if how == "close" else call.near.abort()
    call.far.write(TEXT * 100)
    call.settle()
    assert len(call.near_user.data) <= BATCH + 16384
    assert call.near_end.over == how
    assert not call.clock.getDelayedCalls()


@pytest.mark.usefixtures("version")
def test_cut_off(client: ClientContext, server: ServerContext) -> None:
    """An end of the connection without one of TLS: what had come is told, then that it may not be all."""
    call = Call(client, server)
    call.far.write(TEXT)
    call.near_end.deliver(1 << 20)
    call.near_end.end(FINISHED)
    assert bytes(call.near_user.data) == TEXT
    assert call.near_user.ending is not None
    assert call.near_user.ending.cause is Cause.FINISHED
    assert "close_notify" in call.near_user.ending.detail


def test_an_end_waits_for_a_paused_user(client: ClientContext, server: ServerContext) -> None:
    call = Call(client, server, room=0)
    call.near.write(TEXT * 100)
    assert call.near_user.blocked
    call.near.pause()
    call.far.write(TEXT)
    # As a stream below that lost its connection: what had arrived is handed over even so.
    data = bytes(call.far_end.sent)
    call.near_end.user.data_received(data)
    call.near_end.end(RESET)
    assert not call.near_user.blocked  # nobody waits for a peer that is gone
    assert call.near_user.ending is None
    call.near.resume()
    assert not call.near_user.data
    call.clock.advance(0)
    assert bytes(call.near_user.data) == TEXT
    assert call.near_user.ending == RESET
    call.near.close(1)
    assert call.near_end.over == "close"
    assert not call.clock.getDelayedCalls()


def test_the_end_of_the_connection_during_a_close(client: ClientContext, server: ServerContext) -> None:
    call = Call(client, server, room=0)
    call.near.write(TEXT * 100)
    call.near.close(5)
    call.near_end.end(RESET)
    assert call.near_end.over == "close"
    assert not call.clock.getDelayedCalls()


@pytest.mark.usefixtures("version")
@pytest.mark.parametrize(
    "garbage", [b"\0" * 100, b"\x17\x03\x03\x00\x20" + b"x" * 32, b"GET / HTTP/1.0\r\n\r\n"]
)
def test_garbage(client: ClientContext, server: ServerContext, garbage: bytes) -> None:
    """What came before it is told, then the end; the peer hears why."""
    call = Call(client, server)
    call.far.write(TEXT)
    call.far_end.sent += garbage
    call.near.write(b"x")
    call.settle(1 << 20)
    assert bytes(call.near_user.data) == TEXT
    assert call.near_user.ending is not None
    assert call.near_user.ending.cause is Cause.ERROR
    assert not call.near_end.reading
    assert call.far_user.ending is not None
    assert call.far_user.ending.cause is Cause.RESET
    assert "the other end refused" in call.far_user.ending.detail
    call.near.write(b"into the void")
    call.near.close(1)
    assert call.near_end.over == "close"


@given(st.data())
@settings(max_examples=40)
def test_a_bit_turned(client: ClientContext, server: ServerContext, data: st.DataObject) -> None:
    """Whatever is changed on the way, no wrong byte is handed over and nothing raises."""
    call = Call(client, server)
    for _ in range(3):
        call.far.write(TEXT)
    sent = call.far_end.sent
    at = data.draw(st.integers(0, len(sent) - 1))
    sent[at] ^= 1 << data.draw(st.integers(0, 7))
    call.settle(data.draw(st.sampled_from([1, 100, 1 << 20])))
    assert (TEXT * 3).startswith(bytes(call.near_user.data))
    assert len(call.near_user.data) < len(TEXT) * 3
    call.near_end.end(FINISHED)
    assert call.near_user.ending is not None
    call.near.abort()
    call.far.abort()


def test_a_user_that_fails_on_its_turn(client: ClientContext, server: ServerContext) -> None:
    call = Call(client, server)
    call.near.pause()
    call.far.write(TEXT)
    call.near_end.user.data_received(bytes(call.far_end.sent))

    def fail(_: bytes) -> None:
        raise RuntimeError("broken")

    call.near_user.on_data = fail
    call.near.resume()
    call.clock.advance(0)
    assert call.near_user.ending == Ending(Cause.ERROR, "internal error: broken")


# -- what TLS says behind the bytes --------------------------------------------------------------------------


class Script:
    """The far end as a bare TLS session, for what our own side never does."""

    def __init__(self, context: ssl.SSLContext, client: ClientContext) -> None:
        self.clock = Clock()
        self.near_end, self.far_end = joined(self.clock)
        self.into, self.out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.into, self.out, server_side=True)
        opened: list[Any] = []
        open_client(self.clock, self.near_end, client, opened.append, pytest.fail)
        self.clock.advance(0)
        self.far_end.start(self)
        for _ in range(3):
            self.far_end.deliver(1 << 20)
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                pass
            self.send()
        self.user = User()
        self.near = opened[0]
        self.near.start(self.user)
        self.clock.advance(0)

    def data_received(self, data: bytes) -> None:
        self.into.write(data)

    def write_blocked(self) -> None:
        raise AssertionError("there is room")

    def write_drained(self) -> None:
        raise AssertionError("there is room")

    def stream_ended(self, ending: Ending) -> None:
        raise AssertionError("no end was asked for")

    def send(self) -> None:
        self.far_end.sent += self.out.read()
        self.near_end.deliver(1 << 20)
        self.clock.advance(0)


def test_tickets_to_somebody_who_only_reads(certificates: Certificates, client: ClientContext) -> None:
    made = certificates.leaf("far", "DNS:far.example")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.cert, made.key)
    context.num_tickets = 10
    script = Script(context, client)
    assert script.tls.version() == "TLSv1.3"
    assert not script.user.data
    script.tls.write(b"hello")
    script.send()
    assert script.user.data == b"hello"
    script.near.abort()


def test_a_server_sends_no_tickets(client: ClientContext, server: ServerContext) -> None:
    """A caller that leaves without reading them would have the kernel reset the connection."""
    call = Call(client, server, start=False)
    assert not call.far_end.sent


def test_somebody_else_in_the_middle_of_a_call(
    client: ClientContext, server: ServerContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A certificate that was not there when it was checked: nothing is believed, nothing more is sent."""
    monkeypatch.setattr(server._files.context, "maximum_version", ssl.TLSVersion.TLSv1_2)
    call = Call(client, server)
    monkeypatch.setattr(call.near._session, "_leaf", b"the one before")
    before = call.near_end.total
    call.near.write(b"secret")
    call.settle()
    assert call.near_end.total == before
    assert call.near_user.ending is not None
    assert "changed its certificate" in call.near_user.ending.detail
    call.near.close(1)
    call = Call(client, server)
    monkeypatch.setattr(call.near._session, "_leaf", b"the one before")
    call.far.write(b"false")
    call.settle()
    assert not call.near_user.data
    assert call.near_user.ending is not None
    assert call.near_user.ending.cause is Cause.ERROR


def test_a_flood_of_what_has_to_be_answered(client: ClientContext, server: ServerContext) -> None:
    """The stream below is left alone while our answers wait there."""
    call = Call(client, server, room=0)
    call.near_end.sent += bytes(ANSWERS + 1)
    call.near_end.blocked = True
    call.far.write(TEXT)
    call.near_end.deliver(100)
    assert not call.near_end.reading
    call.near_end.sent.clear()
    call.near_end.blocked = False
    call.near.write_drained()
    assert call.near_end.reading
