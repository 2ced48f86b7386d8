"""The server over real connections: many clients, bad clients, TLS, and the old form over UDP."""

from __future__ import annotations

import resource
import socket
import ssl
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.certificates import Certificates
from tests.helpers.reactors import Reactor, reactor
from tests.helpers.upses import Client, FakeDriver
from vmodem.net.admission.rules import CallerRules
from vmodem.net.incoming.listen import Listener
from vmodem.net.incoming.spec import ListenError
from vmodem.ups import session as module
from vmodem.ups.datagrams import Datagrams
from vmodem.ups.model import Ups
from vmodem.ups.upsd import Served, Upsd
from vmodem.ups.users import User, Users

__all__ = ["reactor"]


class Stage:
    """A server with one UPS on loopback."""

    def __init__(self, reactor: Reactor, sessions: int = 1100) -> None:
        self.reactor = reactor
        users = Users(reactor.seconds, [User("boss", "secret", "primary", frozenset({"SET"}))])
        self.upsd = Upsd(reactor, users, "9.9", sessions=sessions)
        self.ups = Ups(reactor, "rack", max_age_s=1e6)
        self.driver = FakeDriver(self.ups)
        self.ups.driver = self.driver
        self.driver.start()
        self.driver.fine()
        self.served = Served(self.ups, udp=True)
        self.upsd.serve(self.served)
        self.listener = Listener(reactor, "tcp:0:interface=127.0.0.1:backlog=1024", self.upsd.accept)
        self.listener.start()
        self.clients: list[Client] = []

    def client(self) -> Client:
        self.clients.append(Client(self.reactor, self.listener.port))
        return self.clients[-1]

    def stop(self) -> None:
        self.listener.stop()
        self.upsd.close()
        self.ups.close()
        for client in self.clients:
            client.close()
        self.reactor.until(lambda: not self.upsd.sessions)
        own = set(self.reactor._internalReaders)
        self.reactor.until(lambda: not set(self.reactor.getReaders()) - own)


@pytest.fixture
def stage(reactor: Reactor) -> Iterator[Stage]:
    made = Stage(reactor)
    yield made
    made.stop()


def test_requests_together_and_in_pieces(stage: Stage) -> None:
    client = stage.client()
    client.send(b"NETVER\r\nGET VAR rack ups.status\nLIST CMD rack\nGET V")
    assert client.reply() == "1.3"
    assert client.reply() == 'VAR rack ups.status "OL"'
    assert client.reply().startswith("BEGIN LIST CMD rack\n")
    client.send(b"AR rack ups.load\n")
    assert client.reply() == 'VAR rack ups.load "14"'


def test_a_client_that_ends_its_direction_is_answered(stage: Stage) -> None:
    client = stage.client()
    client.send(b"NETVER\nPROTVER\nVER without end")
    client.sock.shutdown(socket.SHUT_WR)
    stage.reactor.until(client.left)
    assert client.got == b"1.3\n1.3\n"


def test_logout_ends_the_connection(stage: Stage) -> None:
    client = stage.client()
    client.send(b"LOGOUT\nNETVER\n")
    stage.reactor.until(client.left)
    assert client.got == b"OK Goodbye\n"


def test_a_client_that_logs_out_without_reading(stage: Stage) -> None:
    client = stage.client()
    client.send(b"LIST VAR rack\nLOGOUT\n")
    client.close()
    stage.reactor.until(lambda: not stage.upsd.sessions)
    assert stage.client().ask("NETVER") == "1.3"


@pytest.mark.parametrize("reset", [True, False], ids=["reset", "closed"])
def test_a_login_is_released_however_the_connection_ends(stage: Stage, reset: bool) -> None:
    client = stage.client()
    for line in ("USERNAME boss", "PASSWORD secret", "LOGIN rack"):
        assert client.ask(line) == "OK"
    assert len(stage.ups.logins) == 1
    if reset:
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()
    stage.reactor.until(lambda: not stage.ups.logins)


def test_a_line_of_a_megabyte(stage: Stage) -> None:
    client = stage.client()
    data = b"GET VAR rack " + b"x" * (1 << 20) + b"\nNETVER\n"
    sent = 0

    def push() -> bool:
        nonlocal sent
        try:
            sent += client.sock.send(data[sent:])
        except BlockingIOError:
            pass
        return sent == len(data)

    stage.reactor.until(push)
    assert client.reply() == "ERR INVALID-ARGUMENT"
    assert client.reply() == "1.3"


def test_what_a_client_does_not_read_is_not_piled_up(stage: Stage) -> None:
    client = stage.client()
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    line, asked, full = b"LIST VAR rack\n", 0, 0
    while full < 20:
        try:
            asked += client.sock.send(line * 100)
            full = 0
        except BlockingIOError:
            full += 1
        stage.reactor.run_for(0.005)
        assert asked < 1 << 23, "the server reads without end"
    (session,) = stage.upsd._sessions
    assert session._stream.backlog < 200_000
    assert stage.client().ask("NETVER") == "1.3"
    # Whoever reads again gets every answer, whole and in order.
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    answer = stage.client().ask("LIST VAR rack").encode() + b"\n"
    for _ in range(asked // len(line)):
        assert client.reply().encode() + b"\n" == answer


def test_a_flood_of_requests_lets_others_through(stage: Stage) -> None:
    flood, other = stage.client(), stage.client()
    flood.send(b"\n" * 60000)
    assert other.ask("NETVER", timeout=2.0) == "1.3"
    for _ in range(100):
        assert flood.reply() == "ERR UNKNOWN-COMMAND"


def test_clients_take_no_time_from_the_lines_of_the_upses(stage: Stage) -> None:
    """A reply of a UPS that is read a second late is none: however many clients ask however much, whoever
    shares the reactor has his turn soon."""
    stage.ups.facts({f"outlet.{number}.current": "1.0" for number in range(140)})
    floods = [stage.client() for _ in range(300)]
    stage.reactor.until(lambda: stage.upsd.sessions == 300)
    for flood in floods:
        flood.send(b"LIST VAR rack\n" * 12)
    turns = [stage.reactor.seconds()]
    while turns[-1] - turns[0] < 1:
        call = stage.reactor.callLater(0.001, lambda: turns.append(stage.reactor.seconds()))
        stage.reactor.until(lambda call=call: not call.active(), 5)
    assert max(after - before for before, after in pairwise(turns)) < 0.2
    for flood in floods:
        assert flood.reply(30).count("outlet.") == 140


def test_silence_ends_a_connection(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IDLE_S", 0.3)
    client = stage.client()
    assert client.ask("NETVER") == "1.3"
    client.send(b"an unfinished line")
    stage.reactor.until(client.left, 3.0)


def test_a_wrong_password_is_answered_late_and_in_order(stage: Stage) -> None:
    client = stage.client()
    began = stage.reactor.seconds()
    client.send(b"USERNAME boss\nPASSWORD wrong\nLOGIN rack\nNETVER\n")
    assert [client.reply() for _ in range(4)] == ["OK", "OK", "ERR ACCESS-DENIED", "1.3"]
    assert stage.reactor.seconds() - began >= 1.0


def test_a_client_that_leaves_while_its_answer_is_late(stage: Stage) -> None:
    client = stage.client()
    client.send(b"USERNAME boss\nPASSWORD wrong\nLOGIN rack\n")
    client.close()
    stage.reactor.until(lambda: not stage.upsd.sessions, 3.0)


def test_a_thousand_connections(stage: Stage) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 4096:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    clients = [stage.client() for _ in range(1000)]
    stage.reactor.until(lambda: stage.upsd.sessions == 1000)
    for client in clients:
        client.send(b"GET VAR rack ups.status\n")
    for client in clients:
        assert client.reply() == 'VAR rack ups.status "OL"'


def test_one_too_many_is_told_so(reactor: Reactor) -> None:
    stage = Stage(reactor, sessions=2)
    one, two, three = stage.client(), stage.client(), stage.client()
    assert (one.ask("NETVER"), two.ask("NETVER")) == ("1.3", "1.3")
    assert three.reply() == "ERR ACCESS-DENIED"
    reactor.until(three.left)
    one.close()
    reactor.until(lambda: stage.upsd.sessions == 1)
    assert stage.client().ask("NETVER") == "1.3"
    stage.stop()


def test_who_may_see_what(stage: Stage) -> None:
    attic = Ups(stage.reactor, "attic")
    stage.upsd.serve(Served(attic, CallerRules(["192.0.2.0/24"])))
    client = stage.client()
    assert client.ask("LIST UPS") == 'BEGIN LIST UPS\nUPS rack "Description unavailable"\nEND LIST UPS'
    assert client.ask("GET VAR attic ups.status") == "ERR UNKNOWN-UPS"
    stage.upsd.serve(Served(stage.ups, CallerRules(["192.0.2.0/24"])))
    other = stage.client()
    assert other.reply() == "ERR ACCESS-DENIED"
    stage.reactor.until(other.left)


def test_a_ups_that_is_no_longer_served_has_no_logins(stage: Stage) -> None:
    client = stage.client()
    for line in ("USERNAME boss", "PASSWORD secret", "LOGIN rack"):
        assert client.ask(line) == "OK"
    stage.upsd.withdraw(stage.ups)
    assert stage.ups.logins == {}
    assert client.ask("GET VAR rack ups.status") == "ERR UNKNOWN-UPS"


# -- TLS ------------------------------------------------------------------------------------------------


class TlsClient:
    """A client that goes over to TLS."""

    def __init__(self, client: Client, reactor: Reactor, ca: str) -> None:
        self._client = client
        self._reactor = reactor
        context = ssl.create_default_context(cafile=ca)
        context.check_hostname = False
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._ssl = context.wrap_bio(self._in, self._out)
        self._repeat(self._ssl.do_handshake)

    def ask(self, line: bytes) -> bytes:
        self._ssl.write(line)
        found: bytes = self._repeat(lambda: self._ssl.read(65536))
        return found

    def _repeat(self, step: Callable[[], Any]) -> Any:
        result: list[Any] = []

        def tried() -> bool:
            try:
                result.append(step())
            except ssl.SSLWantReadError:
                pass
            if data := self._out.read():
                self._client.send(data)
            self._client.look()
            self._in.write(self._client.got)
            self._client.got = b""
            return bool(result)

        self._reactor.until(tried)
        return result[0]


@pytest.fixture
def secure(stage: Stage, tmp_path: Path) -> str:
    from vmodem.net.tls.begin import TlsServerSettings, load_server

    made = Certificates(tmp_path)
    own = made.leaf("localhost", "DNS:localhost")
    stage.upsd.tls = load_server(TlsServerSettings(own.cert, own.key))
    return made.authority().cert


def test_starttls_keeps_what_was_said(stage: Stage, secure: str) -> None:
    client = stage.client()
    for line in ("USERNAME boss", "PASSWORD secret", "LOGIN rack"):
        assert client.ask(line) == "OK"
    assert client.ask("STARTTLS") == "OK STARTTLS"
    tls = TlsClient(client, stage.reactor, secure)
    assert tls.ask(b"GET NUMLOGINS rack\n") == b"NUMLOGINS rack 1\n"
    assert tls.ask(b"SET VAR rack ups.id x\n") == b"OK\n"
    assert tls.ask(b"STARTTLS\n") == b"ERR ALREADY-SSL-MODE\n"
    assert b"END LIST VAR rack" in tls.ask(b"LIST VAR rack\n")
    client.close()
    stage.reactor.until(lambda: not stage.ups.logins)


@pytest.mark.parametrize("behind", [b"NETVER\n", b"LOGIN", b"\x16\x03\x01"])
def test_nothing_may_stand_behind_starttls(stage: Stage, secure: str, behind: bytes) -> None:
    client = stage.client()
    client.send(b"STARTTLS\n" + behind)
    stage.reactor.until(client.left)
    assert client.got == b"ERR INVALID-ARGUMENT\n"


def test_no_tls_after_all(stage: Stage, secure: str) -> None:
    client = stage.client()
    for line in ("USERNAME boss", "PASSWORD secret", "LOGIN rack"):
        assert client.ask(line) == "OK"
    assert client.ask("STARTTLS") == "OK STARTTLS"
    client.send(b"GET VAR rack ups.status\n")
    stage.reactor.until(client.left)
    assert b"VAR rack" not in client.got
    stage.reactor.until(lambda: not stage.upsd.sessions)
    assert stage.ups.logins == {}


# -- the old form ---------------------------------------------------------------------------------------


@pytest.fixture
def old(stage: Stage) -> Iterator[socket.socket]:
    datagrams = Datagrams(stage.reactor, stage.listener.spec.ip, 0, "", stage.upsd)
    datagrams.start()
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.connect(datagrams._sock.getsockname())
        sock.setblocking(False)
        yield sock
    datagrams.stop()


def asked(stage: Stage, sock: socket.socket, data: bytes) -> bytes:
    sock.send(data)
    found: list[bytes] = []

    def came() -> bool:
        try:
            found.append(sock.recv(4096))
        except BlockingIOError:
            return False
        return True

    stage.reactor.until(came)
    return found[0]


def test_the_old_form(stage: Stage, old: socket.socket) -> None:
    assert asked(stage, old, b"REQ STATUS") == b"ANS STATUS OL\r\n"
    assert asked(stage, old, b"REQ UTILITY@rack") == b"ANS UTILITY@rack 230.1\r\n"
    assert asked(stage, old, b"REQ NUMLOGINS") == b"ANS NUMLOGINS 0\r\n"
    assert asked(stage, old, b"SET VAR rack ups.id x") == b"ERR UNKNOWN-COMMAND\r\n"
    stage.ups.stale("silent")
    assert asked(stage, old, b"REQ STATUS") == b"ANS STATUS DATA-STALE\r\n"
    stage.ups.port_gone("unplugged")
    assert asked(stage, old, b"GET VAR rack ups.status") == b"ERR DRIVER-NOT-CONNECTED\r\n"


def test_the_old_form_is_silent_to_others_and_for_other_upses(stage: Stage, old: socket.socket) -> None:
    stage.upsd.serve(Served(Ups(stage.reactor, "attic")))
    assert asked(stage, old, b"REQ STATUS@attic") == b"ERR UNKNOWN-UPS\r\n"
    stage.upsd.serve(Served(stage.ups, CallerRules(["192.0.2.0/24"]), udp=True))
    old.send(b"REQ STATUS")
    stage.reactor.run_for(0.2)
    with pytest.raises(BlockingIOError):
        old.recv(4096)


def test_the_old_form_needs_a_list_beyond_this_machine(stage: Stage) -> None:
    import ipaddress

    datagrams = Datagrams(stage.reactor, ipaddress.ip_address("0.0.0.0"), 0, "", stage.upsd)
    with pytest.raises(ListenError, match="allow_callers"):
        datagrams.start()
    stage.upsd.serve(Served(stage.ups, CallerRules(["127.0.0.0/8"]), udp=True))
    datagrams.start()
    datagrams.stop()
