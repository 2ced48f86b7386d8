"""TLS on real sockets: who is let in and who is called, and why not, in words."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import Clock

from tests.helpers.calls import Listening, descriptors, listening, resident
from tests.helpers.certificates import Certificates, Made, certificates
from tests.helpers.memory import joined
from tests.helpers.reactors import Reactor
from vmodem.net.stream import Cause, Ending, FdStream
from vmodem.net.tls.begin import (
    HANDSHAKE_S,
    ClientContext,
    ServerContext,
    TlsClientSettings,
    TlsError,
    TlsServerSettings,
    TlsStream,
    load_client,
    load_server,
    open_client,
    open_server,
)
from vmodem.net.tls.settings import parse_pin

__all__ = ["certificates"]


class Side:
    """One side of a call being agreed on, and what came of it."""

    def __init__(self, reactor: Any, below: Any, context: ClientContext | ServerContext, **more: Any) -> None:
        self.stream: TlsStream | None = None
        self.failure = ""
        self.below = below
        begin: Any = open_client if isinstance(context, ClientContext) else open_server
        self.opening = begin(reactor, below, context, self._opened, self._failed, **more)
        assert not self.done  # never before it returned

    def _opened(self, stream: Any) -> None:
        assert not self.done
        self.stream = stream

    def _failed(self, reason: str) -> None:
        assert not self.done
        assert reason
        assert "\n" not in reason
        self.failure = reason

    @property
    def done(self) -> bool:
        return self.stream is not None or self.failure != ""

    def close(self) -> None:
        if self.stream is not None:
            self.stream.abort()
        else:
            self.opening.cancel()
            self.below.abort()


class Sockets:
    """Streams over pairs of sockets, closed at the end."""

    def __init__(self, reactor: Reactor) -> None:
        self.reactor = reactor
        self.sides: list[Side] = []

    def pair(self) -> tuple[FdStream, socket.socket]:
        near, far = socket.socketpair()
        return self.stream(near), far

    def stream(self, sock: socket.socket) -> FdStream:
        sock.setblocking(False)
        return FdStream(self.reactor, sock.fileno(), owner=sock, peer="somebody")

    def side(self, below: Any, context: ClientContext | ServerContext, **more: Any) -> Side:
        self.sides.append(Side(self.reactor, below, context, **more))
        return self.sides[-1]

    def call(self, client: ClientContext, server: ServerContext) -> tuple[Side, Side]:
        """Both sides, as far as they get."""
        near, far = self.pair()
        sides = self.side(near, client), self.side(self.stream(far), server)
        self.reactor.until(lambda: all(side.done for side in sides))
        return sides

    def close(self) -> None:
        for side in self.sides:
            side.close()


@pytest.fixture
def sockets(reactor: Reactor) -> Iterator[Sockets]:
    made = Sockets(reactor)
    yield made
    made.close()


def server_of(made: Made, clientca: Made | None = None) -> ServerContext:
    return load_server(TlsServerSettings(made.cert, made.key, None if clientca is None else clientca.cert))


def client_of(
    certificates: Certificates, name: str = "far.example", mine: Made | None = None
) -> ClientContext:
    ca = certificates.authority().cert
    if mine is None:
        return load_client(TlsClientSettings(name, ca))
    return load_client(TlsClientSettings(name, ca, mine.cert, mine.key))


@pytest.fixture
def server(certificates: Certificates) -> ServerContext:
    return server_of(certificates.leaf("far", "DNS:far.example", "IP:127.0.0.1", "IP:::1"))


@pytest.fixture
def client(certificates: Certificates) -> ClientContext:
    return client_of(certificates)


# -- who is called -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["far.example", "Far.Example.", "127.0.0.1", "::1", "[::1]"])
def test_the_right_name(
    sockets: Sockets, certificates: Certificates, server: ServerContext, name: str
) -> None:
    near, far = sockets.call(client_of(certificates, name), server)
    assert near.stream is not None
    assert far.stream is not None
    assert near.stream.certificate_name == "far"


@pytest.mark.parametrize("name", ["near.example", "far", "far.example.com", "127.0.0.2", "xn--far.example"])
def test_the_wrong_name(
    sockets: Sockets, certificates: Certificates, server: ServerContext, name: str
) -> None:
    near, far = sockets.call(client_of(certificates, name), server)
    assert "the certificate is for far.example, 127.0.0.1" in near.failure
    assert f"not for {name}" in near.failure
    if far.stream is not None:  # to it, all was well until the caller left
        user = Listening(far.stream)
        sockets.reactor.until(lambda: user.endings)
        assert not user.data


@pytest.mark.parametrize(
    ("leaf", "words"),
    [
        ({"days": 1, "since": -5}, "the certificate has expired"),
        ({"since": 2}, "not valid yet"),
        ({"by": "somebody else"}, "an authority that is unknown here; ca= names"),
        ({"by": None}, "signed by nobody but itself"),
        ({"usage": "clientAuth"}, "not made for this purpose"),
    ],
)
def test_certificates_refused(
    sockets: Sockets, certificates: Certificates, client: ClientContext, leaf: Any, words: str
) -> None:
    made = certificates.leaf("far", "DNS:far.example", **leaf)
    near, far = sockets.call(client, server_of(made))
    assert words in near.failure
    assert far.failure.startswith("the other end refused: ")


def test_only_the_system_is_trusted_unless_told(sockets: Sockets, server: ServerContext) -> None:
    near, _ = sockets.call(load_client(TlsClientSettings("far.example")), server)
    assert "unknown here" in near.failure


def test_an_authority_of_the_system(
    sockets: Sockets, certificates: Certificates, server: ServerContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", certificates.authority().cert)
    near, _ = sockets.call(load_client(TlsClientSettings("far.example")), server)
    assert near.stream is not None


def test_the_system_is_read_once(sockets: Sockets, server: ServerContext) -> None:
    """It takes long, and every call asks for it."""
    contexts = [load_client(TlsClientSettings(name)) for name in ("far.example", "near.example")]
    assert contexts[0]._files is contexts[1]._files
    near, _ = sockets.call(contexts[1], server)
    assert near.failure


def test_a_certificate_named_itself(sockets: Sockets, certificates: Certificates) -> None:
    """With ca= a certificate can be trusted that no authority signed, or one whose authority is not at hand;
    its name counts even so."""
    for made in (
        certificates.leaf("far", "DNS:far.example", by=None),
        certificates.leaf("far", "DNS:far.example", by="somebody else"),
    ):
        for name, fits in (("far.example", True), ("near.example", False)):
            near, _ = sockets.call(load_client(TlsClientSettings(name, ca=made.cert)), server_of(made))
            assert (near.stream is not None) is fits


@pytest.mark.parametrize("spelling", [str, str.lower, lambda pin: pin.replace(":", "")])
def test_pinned(sockets: Sockets, certificates: Certificates, spelling: Callable[[str], str]) -> None:
    """That very certificate, whatever is wrong with it."""
    made = certificates.leaf("nobody", by=None, days=1, since=-5)
    pin = spelling(made.pin)
    near, far = sockets.call(load_client(TlsClientSettings("far.example", pin=pin)), server_of(made))
    assert near.stream is not None
    assert far.stream is not None
    assert near.stream.certificate_name == ""


def test_pinned_without_a_name(sockets: Sockets, certificates: Certificates) -> None:
    made = certificates.leaf("nobody")
    near, _ = sockets.call(load_client(TlsClientSettings("", pin=made.pin)), server_of(made))
    assert near.stream is not None


def test_another_than_pinned(sockets: Sockets, certificates: Certificates, server: ServerContext) -> None:
    """However good it is otherwise; and it is told what would have been right."""
    other = certificates.leaf("near", "DNS:near.example").pin
    near, _ = sockets.call(load_client(TlsClientSettings("far.example", pin=other)), server)
    mine = certificates.leaf("far", "DNS:far.example", "IP:127.0.0.1", "IP:::1").pin
    assert near.failure.endswith(parse_pin(mine).hex())
    assert "not the one that was pinned" in near.failure


# -- who calls -----------------------------------------------------------------------------------------------


@pytest.fixture
def closed_server(certificates: Certificates) -> ServerContext:
    """One that wants certificates of its callers."""
    return server_of(certificates.leaf("far", "DNS:far.example"), certificates.authority("of callers"))


@pytest.mark.parametrize(
    ("common", "names", "known"),
    [
        ("Line 7", ("DNS:seven.example",), "Line 7"),
        ("", ("email:seven@lines.example",), "seven@lines.example"),
        ("", (), ""),
    ],
)
def test_callers_with_a_certificate(
    sockets: Sockets,
    certificates: Certificates,
    closed_server: ServerContext,
    common: str,
    names: tuple[str, ...],
    known: str,
) -> None:
    mine = certificates.leaf(common, *names, by="of callers", usage="clientAuth")
    near, far = sockets.call(client_of(certificates, mine=mine), closed_server)
    assert near.stream is not None
    assert far.stream is not None
    assert far.stream.certificate_name == known


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
@pytest.mark.parametrize(
    ("mine", "words", "heard"),
    [
        (None, "the caller gave no certificate", "certificate"),
        ({}, "an authority that is unknown here; clientca=", "authority of our certificate"),
        ({"by": None}, "signed by nobody but itself; clientca=", "authority of our certificate"),
        ({"by": "of callers", "since": -5, "days": 1}, "caller's certificate has expired", "has expired"),
        ({"by": "of callers", "usage": "serverAuth"}, "not made for this purpose", "our certificate"),
    ],
)
def test_callers_refused(
    sockets: Sockets,
    certificates: Certificates,
    closed_server: ServerContext,
    mine: Any,
    words: str,
    heard: str,
    version: str,
) -> None:
    closed_server._files.context.maximum_version = ssl.TLSVersion[version]
    made = None if mine is None else certificates.leaf("Line 7", **mine)
    near, far = sockets.call(client_of(certificates, mine=made), closed_server)
    assert words in far.failure
    said = near.failure
    if near.stream is not None:
        # In TLS 1.3 a caller is done before it is judged (RFC 8446 clause 2): the call ends at once.
        user = Listening(near.stream)
        sockets.reactor.until(lambda: user.endings)
        assert user.endings[0].cause is Cause.RESET
        assert not user.data
        said = user.endings[0].detail
    assert said.startswith("the other end refused: ")
    assert heard in said


def test_nobody_is_asked_without_clientca(
    sockets: Sockets, certificates: Certificates, server: ServerContext
) -> None:
    mine = certificates.leaf("Line 7", by="of callers")
    near, far = sockets.call(client_of(certificates, mine=mine), server)
    assert near.stream is not None
    assert far.stream is not None
    assert far.stream.certificate_name == ""


# -- what is not TLS, or not enough --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        b"A",
        b"AT\r",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\0" * 100,
        b"\xaa" * 70000,
        b"\x80\x2e\x01\x00\x02",
        b"\xff\xfd\x18",
    ],
    ids=["a byte", "AT", "HTTP", "zeros", "much", "SSL 2", "telnet"],
)
def test_plain_text_callers(reactor: Reactor, sockets: Sockets, server: ServerContext, text: bytes) -> None:
    """They hear an end within a second, and are never taken for somebody."""
    below, far = sockets.pair()
    side = sockets.side(below, server)
    far.setblocking(False)
    far.send(text)
    reactor.until(lambda: side.done, timeout=1)
    assert side.failure == "what came is not TLS"
    far.settimeout(1)
    assert far.recv(100) == b""
    far.close()


@pytest.mark.parametrize(
    "answer", [b"Welcome\r\n", b"SSH-2.0-x\r\n", b"\x15\x03\x01\x00\x02\x02\x46", b"\xff\xfb\x01"]
)
def test_plain_text_where_tls_is_called(
    reactor: Reactor, sockets: Sockets, client: ClientContext, answer: bytes
) -> None:
    below, far = sockets.pair()
    side = sockets.side(below, client)
    far.send(answer)
    reactor.until(lambda: side.done, timeout=1)
    assert ("not TLS" if answer[0] != 0x15 else "does not speak TLS 1.2") in side.failure
    far.close()


@pytest.mark.parametrize(
    "first",
    [b"\x16\x03\x01\x00\x05hello", b"\x16\x03\x01\xff\xff" + b"x" * 70000, b"\x15\x03\x03\x00\x02\x02\x28"],
    ids=["no message", "a record too long", "an alert"],
)
@pytest.mark.parametrize("called", [False, True])
def test_what_only_looks_like_tls(
    reactor: Reactor,
    sockets: Sockets,
    client: ClientContext,
    server: ServerContext,
    first: bytes,
    called: bool,
) -> None:
    below, far = sockets.pair()
    side = sockets.side(below, server if called else client)
    far.setblocking(False)
    far.send(first)
    reactor.until(lambda: side.done, timeout=1)
    assert side.failure
    far.close()


def test_an_end_in_the_middle(reactor: Reactor, sockets: Sockets, client: ClientContext) -> None:
    below, far = sockets.pair()
    side = sockets.side(below, client)
    reactor.run_for(0.02)
    assert far.recv(1) == b"\x16"
    far.shutdown(socket.SHUT_WR)
    reactor.until(lambda: side.done, timeout=1)
    assert side.failure == "the connection was closed during the TLS handshake"
    assert below.fileno() == -1
    far.close()


def test_no_old_versions(reactor: Reactor, sockets: Sockets, server: ServerContext) -> None:
    """A caller with TLS 1.1 at best."""
    below, far = sockets.pair()
    side = sockets.side(below, server)
    hello = bytes.fromhex("0302") + bytes(32) + b"\0" + bytes.fromhex("0004c013002f") + bytes.fromhex("0100")
    far.send(
        b"\x16\x03\x01"
        + (len(hello) + 4).to_bytes(2, "big")
        + b"\x01"
        + len(hello).to_bytes(3, "big")
        + hello
    )
    reactor.until(lambda: side.done, timeout=1)
    assert side.failure == "the other end does not speak TLS 1.2 or newer"
    assert far.recv(100)[:1] == b"\x15"  # and it hears so
    far.close()


# -- time ----------------------------------------------------------------------------------------------------


def test_a_caller_that_says_nothing(server: ServerContext) -> None:
    clock = Clock()
    near, far = joined(clock)
    side = Side(clock, near, server)
    clock.advance(0)
    far.sent += b"\x16\x03\x01"
    near.deliver(10)
    clock.advance(HANDSHAKE_S - 0.1)
    assert not side.done
    clock.advance(0.2)
    assert side.failure == "no TLS handshake within 10 s"
    assert near.over == "abort"
    assert not clock.getDelayedCalls()


def test_a_byte_now_and_then_gains_no_time(server: ServerContext) -> None:
    clock = Clock()
    near, far = joined(clock)
    side = Side(clock, near, server)
    far.sent += b"\x16\x03\x01\x40\x00" + bytes(100)
    for _ in range(int(HANDSHAKE_S) + 1):
        near.deliver(1)
        clock.advance(1)
    assert side.failure
    assert not clock.getDelayedCalls()


def test_a_caller_has_its_own_deadline(client: ClientContext) -> None:
    clock = Clock()
    near, _ = joined(clock)
    side = Side(clock, near, client)
    clock.advance(1000)
    assert not side.done
    assert not clock.getDelayedCalls()


def test_stalled_handshakes_delay_nobody(
    reactor: Reactor, sockets: Sockets, client: ClientContext, server: ServerContext
) -> None:
    silent = []
    for at in range(20):
        below, far = sockets.pair()
        silent.append(far)
        sockets.side(below, server)
        far.send(b"\x16\x03\x01"[: at % 4])
    reactor.run_for(0.02)
    below, far = sockets.pair()
    good = sockets.side(below, client), sockets.side(sockets.stream(far), server)
    reactor.until(lambda: all(side.stream for side in good), timeout=1)
    assert not any(side.done for side in sockets.sides[:20])
    for sock in silent:
        sock.close()


# -- giving up -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("called", [False, True])
def test_cancelled_at_every_step(client: ClientContext, server: ServerContext, called: bool) -> None:
    """After any number of bytes: no timer is left, the stream below is aborted, nobody is told."""
    steps = 0
    while True:
        clock = Clock()
        ends = joined(clock)
        sides = Side(clock, ends[0], client), Side(clock, ends[1], server)
        which = sides[1] if called else sides[0]
        if steps:
            clock.advance(0)
        for _ in range(steps - 1):
            if not which.done:
                ends[0].deliver(200)
            if not which.done:
                ends[1].deliver(200)
        if which.done:
            assert steps > 5
            return
        which.opening.cancel()
        assert ends[called].over == "abort"
        sides[not called].close()
        assert not clock.getDelayedCalls()
        clock.advance(100)
        assert not which.done
        which.opening.cancel()
        steps += 1


def test_nothing_is_left_open(
    reactor: Reactor, certificates: Certificates, client: ClientContext, server: ServerContext
) -> None:
    wrong = client_of(certificates, "near.example")
    before = descriptors()
    for at in range(30):
        sockets = Sockets(reactor)
        below, far = sockets.pair()
        if at % 3 == 0:
            sockets.call(wrong, server)
        elif at % 3 == 1:
            sockets.side(below, client)
            reactor.run_for(0.002)
        else:
            sockets.call(client, server)
        sockets.close()
        below.abort()
        far.close()
    assert descriptors() == before
    assert not reactor.getDelayedCalls()


def test_failed_ends_by_itself(
    reactor: Reactor, sockets: Sockets, certificates: Certificates, server: ServerContext
) -> None:
    before = descriptors()
    near, far = sockets.call(client_of(certificates, "near.example"), server)
    assert near.failure
    if far.stream is not None:
        user = Listening(far.stream)
        reactor.until(lambda: user.endings)
        far.stream.close(1)
    reactor.until(lambda: descriptors() == before, timeout=1)


# -- a stream that was in use before -------------------------------------------------------------------------


class Plain:
    """The user of a connection before it asked for TLS."""

    def __init__(self, asked: Callable[[bytes], None]) -> None:
        self.asked = asked

    def data_received(self, data: bytes) -> None:
        command, _, rest = data.partition(b"\n")
        assert command == b"STARTTLS"
        self.asked(rest)

    def write_blocked(self) -> None:
        pass

    def write_drained(self) -> None:
        pass

    def stream_ended(self, ending: Ending) -> None:
        raise AssertionError(ending)


@pytest.mark.parametrize("early", [0, 1, 100, 1 << 20])
def test_starttls(
    reactor: Reactor, sockets: Sockets, certificates: Certificates, server: ServerContext, early: int
) -> None:
    """With as much of the handshake behind the command as there may be."""
    below, far = sockets.pair()
    sides: list[Side] = []
    below.start(Plain(lambda rest: sides.append(sockets.side(below, server, early=rest))))
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context(cafile=certificates.authority().cert)
    caller = context.wrap_bio(into, out, server_hostname="far.example")
    with pytest.raises(ssl.SSLWantReadError):
        caller.do_handshake()
    hello = out.read()
    far.send(b"STARTTLS\n" + hello[:early])
    reactor.until(lambda: sides)
    far.send(hello[early:]) if hello[early:] else None
    far.setblocking(False)

    def shaken() -> bool:
        try:
            into.write(far.recv(1 << 16))
            caller.do_handshake()
        except (BlockingIOError, ssl.SSLWantReadError):
            return False
        return True

    reactor.until(shaken)
    far.send(out.read())
    reactor.until(lambda: sides[0].stream)
    far.close()


def test_bytes_before_the_first_turn_are_part_of_it(
    reactor: Reactor, sockets: Sockets, server: ServerContext
) -> None:
    below, far = sockets.pair()
    side = sockets.side(below, server, early=b"plain ")
    far.send(b"text")
    reactor.until(lambda: side.done)
    assert side.failure == "what came is not TLS"
    far.close()


# -- the bytes, on sockets -----------------------------------------------------------------------------------


def test_ten_megabytes_both_ways_with_stalls(
    reactor: Reactor, sockets: Sockets, client: ClientContext, server: ServerContext
) -> None:
    size = 10_000_000
    text = {side: os.urandom(1 << 16) for side in "nf"}

    class Busy:
        """Writes while it may, and stops reading now and then."""

        def __init__(self, stream: TlsStream, side: str) -> None:
            self.stream, self.text = stream, text[side]
            self.left = self.missing = size
            self.sent, self.got = hashlib.sha256(), hashlib.sha256()
            self.blocked = self.most = self.calls = 0
            stream.start(self)

        def pump(self) -> None:
            while self.left and not self.blocked:
                piece = self.text[: min(self.left, 30011)]
                self.sent.update(piece)
                self.left -= len(piece)
                self.stream.write(piece)
                self.most = max(self.most, self.stream.backlog)

        def data_received(self, data: bytes) -> None:
            self.got.update(data)
            self.missing -= len(data)
            self.calls += 1
            if self.calls % 20 == 0:
                self.stream.pause()
                reactor.callLater(0.003, self.stream.resume)

        def write_blocked(self) -> None:
            self.blocked = True

        def write_drained(self) -> None:
            self.blocked = False
            self.pump()

        def stream_ended(self, ending: Ending) -> None:
            raise AssertionError(ending)

    sides = sockets.call(client, server)
    assert sides[0].stream is not None
    assert sides[1].stream is not None
    near, far = Busy(sides[0].stream, "n"), Busy(sides[1].stream, "f")
    near.pump()
    far.pump()
    reactor.until(lambda: not (near.missing or far.missing), timeout=60, tick=0.001)
    reactor.until(lambda: not reactor.getDelayedCalls())
    assert near.got.digest() == far.sent.digest()
    assert far.got.digest() == near.sent.digest()
    assert max(near.most, far.most) < 100_000


def test_memory_of_a_paused_user(
    reactor: Reactor, sockets: Sockets, client: ClientContext, server: ServerContext
) -> None:
    """The kernel's buffers fill up, ours do not, however much is sent."""
    sides = sockets.call(client, server)
    assert sides[0].stream is not None
    assert sides[1].stream is not None
    near, far = Listening(sides[0].stream), Listening(sides[1].stream)
    near.stream.pause()
    while not far.blocked:
        far.stream.write(bytes(1000))
    before = resident()
    reactor.run_for(0.1)
    assert far.blocked
    assert not near.data
    assert far.stream.backlog < 100_000
    assert resident() - before < 1_000_000
    turns = reactor.run_for(0.1)
    assert turns < 10  # and nobody spins


def test_an_orderly_end_on_sockets(
    reactor: Reactor, sockets: Sockets, client: ClientContext, server: ServerContext
) -> None:
    """Everything sent before it arrives, also to a slow reader; then both sides are gone."""
    sides = sockets.call(client, server)
    before = descriptors()
    assert sides[0].stream is not None
    assert sides[1].stream is not None
    near, far = Listening(sides[0].stream), Listening(sides[1].stream)
    far.stream.pause()
    near.stream.write(bytes(2_000_000))
    near.stream.close(10)
    reactor.run_for(0.05)
    far.stream.resume()
    reactor.until(lambda: far.endings)
    assert len(far.data) == 2_000_000
    assert far.endings == [Ending(Cause.FINISHED, "end of stream")]
    far.stream.close(1)
    reactor.until(lambda: descriptors() == before - 2, timeout=2)
    assert not reactor.getDelayedCalls()


def test_over_tcp(reactor: Reactor, sockets: Sockets, client: ClientContext, server: ServerContext) -> None:
    """A caller that sends and leaves at once is heard to the end."""
    with listening() as sock:
        caller = socket.create_connection(sock.getsockname())
        called, _ = sock.accept()
    sides = sockets.side(sockets.stream(caller), client), sockets.side(sockets.stream(called), server)
    reactor.until(lambda: all(side.stream for side in sides))
    assert sides[0].stream is not None
    assert sides[1].stream is not None
    sides[0].stream.write(b"x" * 100_000)
    sides[0].stream.close(1)
    user = Listening(sides[1].stream)
    user.stream.write(b"nobody reads this")
    reactor.until(lambda: user.endings)
    assert len(user.data) == 100_000
    assert user.endings[0].cause is Cause.FINISHED


# -- files and words -----------------------------------------------------------------------------------------


def told(settings: TlsClientSettings | TlsServerSettings) -> str:
    load: Any = load_server if isinstance(settings, TlsServerSettings) else load_client
    with pytest.raises(TlsError) as caught:
        load(settings)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_files_that_will_not_do(certificates: Certificates, tmp_path: Path) -> None:
    made, other = certificates.leaf("far", "DNS:far.example"), certificates.leaf("other")
    text = tmp_path / "text"
    text.write_text("hello")
    broken = tmp_path / "broken"
    broken.write_text("-----BEGIN CERTIFICATE-----\nhello\n-----END CERTIFICATE-----\n")
    missing = str(tmp_path / "missing")
    assert f"cert={missing} cannot be read: No such file" in told(TlsServerSettings(missing, made.key))
    assert f"key={missing} cannot be read: No such file" in told(TlsServerSettings(made.cert, missing))
    assert f"clientca={missing} cannot be read" in told(TlsServerSettings(made.cert, made.key, missing))
    assert f"cert={tmp_path} cannot be read: Is a directory" in told(
        TlsServerSettings(str(tmp_path), made.key)
    )
    assert "cannot be read" in told(TlsServerSettings("a\0b", made.key))
    assert f"cert={text} holds no certificate" in told(TlsServerSettings(str(text), made.key))
    assert f"key={text} holds no private key" in told(TlsServerSettings(made.cert, str(text)))
    assert f"key={made.cert} holds no private key" in told(TlsServerSettings(made.cert, made.cert))
    assert f"cert={broken} and its key cannot be used" in told(TlsServerSettings(str(broken), made.key))
    assert f"key={other.key} does not fit" in told(TlsServerSettings(made.cert, other.key))
    assert "name the key that was made for it" in told(TlsServerSettings(made.cert, other.key))
    assert f"ca={missing} cannot be read" in told(TlsClientSettings("far.example", ca=missing))
    assert f"ca={text} holds no certificate" in told(TlsClientSettings("far.example", ca=str(text)))
    assert f"ca={broken} holds no certificate" in told(TlsClientSettings("far.example", ca=str(broken)))
    assert f"key={made.key} is of no use" in told(TlsClientSettings("far.example", key=made.key))
    said = told(TlsClientSettings("far.example", cert=made.cert))
    assert said == f"cert={made.cert} holds no private key; name its file with key="


def test_another_authority_in_the_same_file(
    sockets: Sockets, certificates: Certificates, server: ServerContext, tmp_path: Path
) -> None:
    ca = tmp_path / "ca"
    shutil.copy(certificates.authority("somebody else").cert, ca)
    near, _ = sockets.call(load_client(TlsClientSettings("far.example", str(ca))), server)
    assert "unknown here" in near.failure
    shutil.copy(certificates.authority().cert, tmp_path / "fresh")
    (tmp_path / "fresh").replace(ca)
    near, _ = sockets.call(load_client(TlsClientSettings("far.example", str(ca))), server)
    assert near.stream is not None


def test_certificate_and_key_in_one_file(
    sockets: Sockets, certificates: Certificates, tmp_path: Path, closed_server: ServerContext
) -> None:
    mine = certificates.leaf("Line 7", by="of callers")
    both = tmp_path / "both"
    both.write_bytes(Path(mine.key).read_bytes() + Path(mine.cert).read_bytes())
    ca = certificates.authority().cert
    near, far = sockets.call(load_client(TlsClientSettings("far.example", ca, str(both))), closed_server)
    assert near.stream is not None
    assert far.stream is not None
    assert far.stream.certificate_name == "Line 7"


def test_a_key_with_a_passphrase(certificates: Certificates, tmp_path: Path) -> None:
    """Nobody is asked for it: there may be nobody."""
    made = certificates.leaf("far", "DNS:far.example")
    key = tmp_path / "key"
    certificates.run("pkey", "-in", made.key, "-out", key, "-aes256", "-passout", "pass:secret")
    assert told(TlsServerSettings(made.cert, str(key))) == (
        f'key={key} is protected by a passphrase; remove it with "openssl pkey -in OLD -out NEW"'
    )


@pytest.mark.parametrize(
    "pin", ["", "x" * 64, "ab" * 31, "ab" * 33, "ab " * 32, "\u0661" * 64, "0x" + "ab" * 31]
)
def test_no_pins(pin: str) -> None:
    assert "is not 64 hexadecimal digits" in told(TlsClientSettings("far.example", pin=pin))


@pytest.mark.parametrize("name", ["", "a..b", "*.example", "a b", ".example", "x" * 64])
def test_no_names(name: str) -> None:
    assert "is no name that a certificate could hold" in told(TlsClientSettings(name))


def test_a_pin_is_the_whole_check(certificates: Certificates) -> None:
    made = certificates.leaf("far", "DNS:far.example")
    assert "exclude each other" in told(TlsClientSettings("far.example", ca=made.cert, pin=made.pin))


def test_renewed(sockets: Sockets, certificates: Certificates, tmp_path: Path, client: ClientContext) -> None:
    """A certificate put in the place of the old one is used from the next call on; half of one is not."""
    old, new = certificates.leaf("old", "DNS:far.example"), certificates.leaf("new", "DNS:far.example")
    cert, key = tmp_path / "cert", tmp_path / "key"

    def put(source: str, file: Path) -> None:
        fresh = tmp_path / "fresh"
        shutil.copy(source, fresh)
        fresh.replace(file)

    def name() -> str:
        near, _ = sockets.call(client, context)
        assert near.stream is not None
        return near.stream.certificate_name

    put(old.cert, cert)
    put(old.key, key)
    context = load_server(TlsServerSettings(str(cert), str(key)))
    assert name() == "old"
    put(new.cert, cert)
    assert name() == "old"
    put(new.key, key)
    assert name() == "new"
    cert.unlink()
    assert name() == "new"
