"""Calls by UDP: one peer is one call, from the first datagram to silence, a refusal or a close."""

from __future__ import annotations

import ipaddress
import random
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.helpers.calls import descriptors
from tests.helpers.ends import Watching
from tests.helpers.reactors import Reactor
from vmodem.net.address import destination
from vmodem.net.admission.rules import CallerRules
from vmodem.net.incoming.connection import Incoming
from vmodem.net.incoming.spec import ListenError
from vmodem.net.stream import Cause
from vmodem.net.udp.listen import LINGER_S, UdpListener
from vmodem.net.udp.stream import INBOX, SIZE, SIZE_LIMIT, UdpStream, connect_udp

LOOPBACK = ipaddress.ip_address("127.0.0.1")
LOOPBACK6 = ipaddress.ip_address("::1")
linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux reports refusals of such a socket")


class Calls:
    """Takes every call of a listener."""

    def __init__(self, reactor: Any, ip: Any = LOOPBACK, **more: Any) -> None:
        self.incoming: list[Incoming] = []
        self.users: list[Watching] = []
        self.closed = 0
        self.take: Callable[[Incoming], None] = self._take

        def accepted(incoming: Incoming) -> None:
            self.take(incoming)

        self.listener = UdpListener(reactor, ip, 0, accepted, **more)
        self.listener.start()

    def _take(self, incoming: Incoming) -> None:
        self.incoming.append(incoming)
        incoming.closed = self._closed
        self.users.append(Watching(incoming.stream))

    def _closed(self) -> None:
        self.closed += 1

    def stop(self) -> None:
        self.listener.stop()
        for incoming in self.incoming:
            incoming.stream.abort()


@pytest.fixture
def calls(reactor: Reactor) -> Iterator[Calls]:
    made = Calls(reactor)
    yield made
    made.stop()


def peer(port: int, host: str = "127.0.0.1") -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect((host, port))
    sock.settimeout(5)
    return sock


# -- listening -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("ip", "shown"), [(LOOPBACK, "udp 127.0.0.1:{}"), (LOOPBACK6, "udp [::1]:{}")])
def test_a_first_datagram_calls_and_its_bytes_are_the_first(reactor: Reactor, ip: Any, shown: str) -> None:
    calls = Calls(reactor, ip)
    assert calls.listener.address == shown.format(calls.listener.port)
    assert calls.listener.exposure is None
    with closing(peer(calls.listener.port, str(ip))) as sock:
        sock.send(b"one")
        sock.send(b"two")
        reactor.until(lambda: calls.users and calls.users[0].data == b"onetwo")
        who = calls.incoming[0].peer
        assert (who.host, who.port) == (str(ip), sock.getsockname()[1])
        calls.incoming[0].stream.write(b"answer")
        assert sock.recv(100) == b"answer"
    calls.stop()
    assert calls.closed == 1


def test_each_peer_is_its_own_call(reactor: Reactor, calls: Calls) -> None:
    with closing(peer(calls.listener.port)) as one, closing(peer(calls.listener.port)) as other:
        one.send(b"1")
        reactor.until(lambda: len(calls.users) == 1)
        other.send(b"2")
        reactor.until(lambda: len(calls.users) == 2)
        one.send(b"11")
        other.send(b"22")
        reactor.until(lambda: [bytes(user.data) for user in calls.users] == [b"111", b"222"])
        for incoming in calls.incoming:
            incoming.stream.write(b"to " + incoming.peer.printable.encode())
        for sock in (one, other):
            assert sock.recv(100) == b"to 127.0.0.1:%d" % sock.getsockname()[1]


def test_an_empty_datagram_calls_too(reactor: Reactor, calls: Calls) -> None:
    with closing(peer(calls.listener.port)) as sock:
        sock.send(b"")
        reactor.until(lambda: calls.users)
        assert not calls.users[0].data


def test_what_is_written_is_a_datagram_or_several(reactor: Reactor, calls: Calls) -> None:
    text = random.Random(1).randbytes(3 * SIZE + 1)
    with closing(peer(calls.listener.port)) as sock:
        sock.send(b"x")
        reactor.until(lambda: calls.users)
        calls.incoming[0].stream.write(b"short")
        calls.incoming[0].stream.write(text)
        got = [sock.recv(65536) for _ in range(5)]
    assert [len(each) for each in got] == [5, SIZE, SIZE, SIZE, 1]
    assert b"".join(got) == b"short" + text


def test_silence_ends_the_call(reactor: Reactor) -> None:
    calls = Calls(reactor, idle_s=0.2)
    with closing(peer(calls.listener.port)) as sock:
        sock.send(b"x")
        reactor.until(lambda: calls.users)
        for _ in range(4):
            reactor.run_for(0.1)
            sock.send(b"x")
        assert not calls.users[0].endings
        calls.incoming[0].stream.write(b"our own words are no sign of life")
        reactor.until(lambda: calls.users[0].endings)
        assert calls.users[0].endings[0].cause is Cause.TIMEOUT
        assert calls.users[0].data == b"x" * 5
        calls.incoming[0].stream.close(0)
        sock.send(b"one that speaks once in a while is heard each time")
        reactor.until(lambda: len(calls.users) == 2)
    calls.stop()


@linux
@pytest.mark.parametrize("ip", [LOOPBACK, LOOPBACK6])
def test_a_peer_that_is_gone_ends_its_call_only(reactor: Reactor, ip: Any) -> None:
    calls = Calls(reactor, ip)
    with closing(peer(calls.listener.port, str(ip))) as stays:
        with closing(peer(calls.listener.port, str(ip))) as leaves:
            leaves.send(b"1")
            reactor.until(lambda: len(calls.users) == 1)
            stays.send(b"2")
            reactor.until(lambda: len(calls.users) == 2)
        calls.incoming[0].stream.write(b"anybody?")
        calls.incoming[1].stream.write(b"and you?")
        assert stays.recv(100) == b"and you?"
        reactor.until(lambda: calls.users[0].endings)
        assert calls.users[0].endings[0].cause is Cause.RESET
        stays.send(b"3")
        reactor.until(lambda: calls.users[1].data == b"23")
        assert not calls.users[1].endings
        calls.incoming[0].stream.write(b"nothing happens")
    calls.stop()


def test_after_a_close_the_rest_is_discarded_for_a_while(reactor: Reactor, calls: Calls) -> None:
    with closing(peer(calls.listener.port)) as sock:
        sock.send(b"x")
        reactor.until(lambda: calls.users)
        calls.incoming[0].stream.close(1.0)
        assert calls.closed == 1
        sock.send(b"rest")
        reactor.run_for(0.1)
        assert len(calls.users) == 1
        assert calls.users[0].data == b"x"
        reactor.run_for(LINGER_S)
        sock.send(b"again")
        reactor.until(lambda: len(calls.users) == 2)
        assert calls.users[1].data == b"again"


def test_strangers_are_not_heard(reactor: Reactor) -> None:
    calls = Calls(reactor, allow=CallerRules(["127.0.0.2"]))
    with closing(peer(calls.listener.port)) as stranger, socket.socket(type=socket.SOCK_DGRAM) as friend:
        for _ in range(100):
            stranger.send(b"let me in")
        friend.bind(("127.0.0.2", 0))
        friend.sendto(b"it is me", ("127.0.0.1", calls.listener.port))
        reactor.until(lambda: calls.users)
        assert calls.incoming[0].peer.host == "127.0.0.2"
        assert len(calls.users) == 1
    calls.stop()


def test_there_are_only_so_many_peers(reactor: Reactor) -> None:
    calls = Calls(reactor, peers=3)
    before = descriptors()
    socks = [peer(calls.listener.port) for _ in range(6)]
    for sock in socks:
        sock.send(b"x")
    reactor.run_for(0.1)
    assert len(calls.users) == 3
    assert descriptors() == before + len(socks)
    for sock in socks:
        sock.close()
    calls.stop()


def test_a_user_who_takes_nothing_costs_only_so_much(reactor: Reactor, calls: Calls) -> None:
    text = [bytes((number % 256,)) * 1000 for number in range(300)]
    with closing(peer(calls.listener.port)) as sock, closing(peer(calls.listener.port)) as other:
        sock.send(b"x")
        reactor.until(lambda: calls.users)
        stream = calls.incoming[0].stream
        stream.pause()
        for datagram in text:
            sock.send(datagram)
            reactor.run_for(0.001)
        other.send(b"I am not held up")
        reactor.until(lambda: len(calls.users) == 2 and calls.users[1].data)
        stream.resume()
        reactor.until(lambda: len(calls.users[0].data) > 1)
        reactor.run_for(0.05)
        got = bytes(calls.users[0].data)[1:]
        assert INBOX // 1000 <= len(got) // 1000 <= 66
        assert got == b"".join(text)[: len(got)]  # in order, and what is lost is lost behind
        assert isinstance(stream, UdpStream)
        assert stream.dropped == 300 - len(got) // 1000


def test_a_taker_that_fails_costs_that_call_only(reactor: Reactor, calls: Calls) -> None:
    def fail(incoming: Incoming) -> None:
        raise RuntimeError("a bug")

    calls.take = fail
    with closing(peer(calls.listener.port)) as one, closing(peer(calls.listener.port)) as other:
        one.send(b"x")
        reactor.run_for(0.05)
        calls.take = calls._take
        other.send(b"y")
        reactor.until(lambda: calls.users)
        assert calls.users[0].data == b"y"


def test_calls_outlive_the_listener(reactor: Reactor) -> None:
    calls = Calls(reactor)
    before = descriptors()
    with closing(peer(calls.listener.port)) as sock, closing(peer(calls.listener.port)) as late:
        sock.send(b"x")
        reactor.until(lambda: calls.users)
        calls.listener.stop()
        late.send(b"too late")
        sock.send(b"y")
        reactor.until(lambda: calls.users[0].data == b"xy")
        calls.incoming[0].stream.write(b"still here")
        assert sock.recv(100) == b"still here"
        assert len(calls.users) == 1
        calls.incoming[0].stream.close(0.0)
    assert descriptors() == before - 1


def test_a_busy_caller_reads_why(reactor: Reactor, calls: Calls) -> None:
    def refuse(incoming: Incoming) -> None:
        incoming.stream.write(b"BUSY\r\n")
        incoming.stream.close(2.0)

    calls.take = refuse
    with closing(peer(calls.listener.port)) as sock:
        for _ in range(5):
            sock.send(b"x")
        reactor.run_for(0.05)
        assert sock.recv(100) == b"BUSY\r\n"
        sock.settimeout(0.05)
        with pytest.raises(TimeoutError):
            sock.recv(100)  # once, however often it knocks


@pytest.mark.parametrize("allow", [None, CallerRules(None)])
@pytest.mark.parametrize("ip", ["0.0.0.0", "192.0.2.1", "::"])
def test_beyond_this_machine_a_list_is_compulsory(ip: str, allow: CallerRules | None) -> None:
    with pytest.raises(ListenError, match=r"allow_callers, or use interface=127\.0\.0\.1"):
        UdpListener(None, ipaddress.ip_address(ip), 7000, lambda _: None, text="udp:7000", allow=allow)


def test_beyond_this_machine_with_a_list(reactor: Reactor) -> None:
    calls = Calls(reactor, ipaddress.ip_address("0.0.0.0"), allow=CallerRules(["127.0.0.0/8"]))
    assert calls.listener.exposure == "every network of this machine"
    calls.stop()


@pytest.mark.parametrize("bad", [{"size": 0}, {"size": SIZE_LIMIT + 1}, {"idle_s": -1}, {"peers": 0}])
def test_numbers_that_cannot_be(bad: dict[str, Any]) -> None:
    with pytest.raises(ListenError):
        UdpListener(None, LOOPBACK, 0, lambda _: None, **bad)


def test_a_port_in_use_is_named(reactor: Reactor, calls: Calls) -> None:
    port = calls.listener.port
    other = UdpListener(reactor, LOOPBACK, port, lambda _: None, text=f"udp:{port}")
    with pytest.raises(ListenError, match=f'"udp:{port}": Address already in use'):
        other.start()
    other.stop()


# -- calling -------------------------------------------------------------------------------------------------


def host(family: int = socket.AF_INET) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    sock.settimeout(5)
    return sock


def test_a_call_both_ways_with_the_one_who_was_called(reactor: Reactor) -> None:
    with closing(host()) as far, closing(host()) as stranger:
        stream = connect_udp(reactor, destination(LOOPBACK, far.getsockname()[1]))
        user = Watching(stream)
        stream.write(b"hello")
        data, where = far.recvfrom(100)
        assert data == b"hello"
        stranger.sendto(b"not mine", where)
        far.sendto(b"1", where)
        far.sendto(b"2", where)
        reactor.until(lambda: len(user.data) >= 2)
        assert user.data == b"12"
        stream.close(1.0)


def test_a_pause_leaves_datagrams_with_the_system(reactor: Reactor) -> None:
    with closing(host()) as far:
        stream = connect_udp(reactor, destination(LOOPBACK, far.getsockname()[1]))
        user = Watching(stream)
        user.on_data = lambda _: stream.pause()
        stream.write(b"x")
        _, where = far.recvfrom(100)
        for number in range(3):
            far.sendto(b"%d" % number, where)
        reactor.run_for(0.05)
        assert user.data == b"0"
        user.on_data = None
        stream.resume()
        reactor.until(lambda: user.data == b"012")
        stream.abort()


def test_nobody_there_is_told_as_the_end(reactor: Reactor) -> None:
    with closing(host()) as far:
        port = far.getsockname()[1]
    stream = connect_udp(reactor, destination(LOOPBACK, port))
    user = Watching(stream)
    reactor.run_for(0.02)
    assert not user.endings
    stream.write(b"anybody?")
    reactor.until(lambda: user.endings)
    assert user.endings[0].cause is Cause.RESET
    stream.write(b"nothing happens")
    assert not stream.backlog
    stream.close(1.0)


def test_nobody_there_while_paused_is_told_when_it_is_noticed(reactor: Reactor) -> None:
    with closing(host()) as far:
        port = far.getsockname()[1]
    stream = connect_udp(reactor, destination(LOOPBACK, port))
    user = Watching(stream)
    stream.pause()
    stream.write(b"anybody?")
    reactor.run_for(0.02)
    stream.write(b"anybody?")
    reactor.until(lambda: user.endings)
    stream.close(1.0)


def test_a_silent_host_ends_only_when_asked_for(reactor: Reactor) -> None:
    with closing(host()) as far:
        stream = connect_udp(reactor, destination(LOOPBACK, far.getsockname()[1]), idle_s=0.05)
        user = Watching(stream)
        reactor.until(lambda: user.endings)
        assert user.endings[0].cause is Cause.TIMEOUT
        stream.abort()


def test_a_full_socket_holds_up_and_loses_nothing(reactor: Reactor) -> None:
    with closing(host()) as there:
        stream = connect_udp(reactor, destination(LOOPBACK, there.getsockname()[1]))
        user = Watching(stream)
        carrier: Any = stream._carrier
        full = [BlockingIOError(11, "full")] * 3

        class Socket:
            """Full at first."""

            def send(self, data: bytes) -> Any:
                if full:
                    raise full.pop()
                return sock.send(data)

            def __getattr__(self, name: str) -> Any:
                return getattr(sock, name)

        sock = carrier._sock
        carrier._sock = Socket()
        stream.write(b"1")
        stream.write(b"2")
        assert user.blocked
        assert stream.backlog == 2
        reactor.until(lambda: not user.blocked)
        assert [there.recv(10), there.recv(10)] == [b"1", b"2"]
        full.append(OSError(105, "no memory"))  # type: ignore[arg-type]
        stream.write(b"3")
        assert user.blocked
        stream.close(1.0)
        reactor.until(lambda: not carrier._open)
        assert there.recv(10) == b"3"


def test_no_way_there(reactor: Reactor) -> None:
    before = descriptors()
    with pytest.raises(OSError):
        connect_udp(reactor, destination(ipaddress.ip_address("255.255.255.255"), 9))
    assert descriptors() == before
