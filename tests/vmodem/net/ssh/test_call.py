"""Calls by SSH to a far end that does as the test likes."""

from __future__ import annotations

import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.conch.ssh.channel import SSHChannel
from twisted.conch.ssh.common import NS, getNS
from twisted.conch.ssh.connection import MSG_CHANNEL_WINDOW_ADJUST, SSHConnection
from twisted.conch.ssh.keys import Key
from twisted.conch.ssh.service import SSHService
from twisted.conch.ssh.transport import SSHServerTransport
from twisted.logger import globalLogPublisher

from tests.helpers.calls import Listening, descriptors, resident
from tests.helpers.reactors import Reactor
from vmodem.net.ssh.call import SshSettings, open_ssh
from vmodem.net.ssh.hosts import KnownHosts
from vmodem.net.ssh.protocol import WINDOW
from vmodem.net.ssh.wired import Wired
from vmodem.net.stream import Cause, FdStream, Stream

HOST_KEY = Key(ed25519.Ed25519PrivateKey.generate())
USER_KEY = Key(ed25519.Ed25519PrivateKey.generate())


class Auth(SSHService):
    """Lets somebody in, or not."""

    name = b"ssh-userauth"
    protocolMessages = {50: "MSG_USERAUTH_REQUEST"}
    transport: Any

    def ssh_USERAUTH_REQUEST(self, packet: bytes) -> None:
        _, _, method, _ = getNS(packet, 3)
        script = self.transport.far.auth
        if method not in script:
            self.transport.sendPacket(51, NS(b",".join(script)) + b"\0")
        elif method == b"publickey" and script[method] == "query":
            script[method] = "accept"
            _, _, _, rest = getNS(packet, 3)
            algorithm, blob, _ = getNS(rest[1:], 2)
            self.transport.sendPacket(60, NS(algorithm) + NS(blob))
        else:
            self.transport.sendPacket(52, b"")
            self.transport.setService(self.transport.far.connection)


class Shell(SSHChannel):
    """The far end of the channel."""

    name = b"session"

    def __init__(self, far: Far, window: int, piece: int) -> None:
        super().__init__(remoteWindow=window, remoteMaxPacket=piece)
        self.far = far
        self.got = bytearray()
        self.requests: list[tuple[bytes, bytes]] = []
        self.finished = False

    def requestReceived(self, requestType: bytes, data: bytes) -> bool:
        self.requests.append((requestType, data))
        return requestType not in self.far.refuse

    def dataReceived(self, data: bytes) -> None:
        self.got += data

    def eofReceived(self) -> None:
        self.finished = True


class FarConnection(SSHConnection):
    def __init__(self, far: Far) -> None:
        super().__init__()
        self.far = far
        self.opens_windows = True

    def getChannel(self, channelType: bytes, windowSize: int, maxPacket: int, data: bytes) -> Shell:
        self.far.shell = Shell(self.far, windowSize, maxPacket)
        self.far.shell.conn = self
        return self.far.shell

    def adjustWindow(self, channel: Any, bytesToAdd: int) -> None:
        if self.opens_windows:
            super().adjustWindow(channel, bytesToAdd)


class FarTransport(SSHServerTransport):
    def __init__(self, far: Far) -> None:
        self.far = far
        self.factory = far
        self.supportedPublicKeys = [b"ssh-ed25519"]

    def connectionLost(self, reason: Any = None) -> None:
        self.service = None


class Far:
    """A server on the other end of a socket pair, and a call to it."""

    def __init__(self, reactor: Reactor, folder: Path, *, server: bool = True, **more: Any) -> None:
        self.reactor = reactor
        #: Methods by which one may log in, and what comes of them.
        self.auth: dict[bytes, str] = {b"none": "accept"}
        #: Requests on the channel that are turned down.
        self.refuse: set[bytes] = set()
        self.shell: Shell | None = None
        self.connection = FarConnection(self)
        self.publicKeys = {b"ssh-ed25519": HOST_KEY.public()}
        self.privateKeys = {b"ssh-ed25519": HOST_KEY}
        known = folder / "known_hosts"
        if not known.exists():
            known.write_bytes(b"host.example " + HOST_KEY.public().toString("OPENSSH") + b"\n")
        near, self.sock = socket.socketpair()
        near.setblocking(False)
        self.sock.setblocking(False)
        self.transport = FarTransport(self)
        self.wired: Wired | None = None
        if server:
            self.wired = Wired(FdStream(reactor, self.sock.fileno(), owner=self.sock), self.transport)
            self.wired.start()
        self.streams: list[Stream] = []
        self.reasons: list[Any] = []
        self.below = FdStream(reactor, near.fileno(), owner=near, peer="192.0.2.1:22")
        settings = SshSettings(
            **{
                "user": "me",
                "host": "host.example",
                "known_hosts": (str(known),),
                "keys": (),
                "agent": "",
                **more,
            }
        )
        self.opening = open_ssh(reactor, self.below, settings, self.streams.append, self.reasons.append)

    def getService(self, transport: Any, name: bytes) -> Any:
        return Auth

    def getDHPrime(self, bits: int) -> tuple[int, int]:
        return 2, (1 << 1023) + 1

    def stream(self) -> Stream:
        self.reactor.until(lambda: self.streams or self.reasons)
        assert not self.reasons, self.reasons
        return self.streams[0]

    def call(self) -> tuple[Listening, Shell]:
        user = Listening(self.stream())
        assert self.shell is not None
        return user, self.shell

    def reason(self) -> str:
        self.reactor.until(lambda: self.streams or self.reasons)
        assert not self.streams
        (reason,) = self.reasons
        assert "\n" not in reason
        return reason

    def close(self) -> None:
        self.opening.cancel()
        for stream in self.streams:
            stream.abort()
        if self.wired is not None:
            self.wired.abortConnection()
        self.sock.close()


@pytest.fixture
def logged() -> Iterator[list[dict[str, Any]]]:
    events: list[dict[str, Any]] = []
    globalLogPublisher.addObserver(events.append)
    yield events
    globalLogPublisher.removeObserver(events.append)


@pytest.fixture
def far(reactor: Reactor, tmp_path: Path) -> Iterator[Far]:
    before = descriptors()
    made = Far(reactor, tmp_path)
    yield made
    made.close()
    assert descriptors() == before


def test_what_the_far_end_is_asked_for(reactor: Reactor, far: Far) -> None:
    user, shell = far.call()
    assert user.stream.peer == "me@192.0.2.1:22"
    assert [name for name, _ in shell.requests] == [b"pty-req", b"shell"]
    term, rest = getNS(shell.requests[0][1])
    assert (term, struct.unpack(">4L", rest[:16])) == (b"vt100", (80, 24, 0, 0))
    modes = getNS(rest[16:])[0]
    assert modes.endswith(b"\0")
    named = {modes[at] for at in range(0, len(modes) - 1, 5)}
    assert not named & {50, 51, 53}  # signals, line editing and echo are the far end's own


def test_bytes_and_exit_status(reactor: Reactor, far: Far) -> None:
    user, shell = far.call()
    user.stream.write(b"there")
    reactor.until(lambda: shell.got == b"there")
    shell.write(b"here")
    shell.writeExtended(1, b" error")
    far.connection.sendRequest(shell, b"exit-status", struct.pack(">L", 7))
    shell.loseConnection()
    reactor.until(lambda: user.endings)
    assert user.data == b"here error"
    assert (user.endings[0].cause, user.endings[0].detail) == (Cause.FINISHED, "exit status 7")


def test_ended_by_a_signal(reactor: Reactor, far: Far) -> None:
    user, shell = far.call()
    far.connection.sendRequest(shell, b"exit-signal", NS(b"KILL") + b"\0" + NS(b"") + NS(b""))
    shell.loseConnection()
    reactor.until(lambda: user.endings)
    assert user.endings[0].detail == "ended by signal KILL"


def test_a_far_end_that_only_says_that_nothing_comes(reactor: Reactor, far: Far) -> None:
    user, shell = far.call()
    shell.write(b"last")
    far.connection.sendEOF(shell)
    reactor.until(lambda: user.endings)
    assert user.data == b"last"
    user.stream.close(1)
    reactor.until(lambda: shell.finished)


def test_hanging_up_in_order(reactor: Reactor, far: Far) -> None:
    user, shell = far.call()
    user.stream.write(b"last words")
    user.stream.close(1)
    reactor.until(lambda: shell.localClosed and shell.remoteClosed, 5)
    assert (shell.got, shell.finished) == (b"last words", True)
    reactor.until(lambda: far.transport.service is None, 5)  # the connection is closed, too
    assert not user.endings


def test_a_break(reactor: Reactor, far: Far) -> None:
    user, shell = far.call()
    user.stream.send_break(0.25, False)
    reactor.until(lambda: len(shell.requests) == 3)
    assert shell.requests[2] == (b"break", struct.pack(">L", 250))


# -- windows -------------------------------------------------------------------------------------------------


def test_a_far_end_that_takes_nothing(reactor: Reactor, far: Far) -> None:
    user, shell = far.call()
    far.connection.opens_windows = False
    sent = 0
    while not user.blocked:
        user.stream.write(bytes(10_000))
        sent += 10_000
        assert sent < 10 * WINDOW
    reactor.until(lambda: len(shell.got) == shell.localWindowSize)
    assert user.stream.backlog == sent - shell.localWindowSize
    far.connection.opens_windows = True
    far.connection.adjustWindow(shell, 1 << 20)
    reactor.until(lambda: len(shell.got) == sent)
    assert not user.blocked


def test_a_user_that_takes_nothing(reactor: Reactor, far: Far) -> None:
    user, shell = far.call()
    user.stream.pause()
    sent = bytes(range(256)) * 4096
    shell.write(sent)
    reactor.run_for(0.1)
    assert not user.data
    assert len(shell.buf) == len(sent) - WINDOW
    user.stream.resume()
    reactor.until(lambda: len(user.data) == len(sent))
    assert user.data == sent


def test_overrunning_the_window_ends_the_call(reactor: Reactor, far: Far) -> None:
    user, shell = far.call()
    user.stream.pause()
    shell.remoteWindowLeft = 1 << 30
    shell.write(bytes(2 * WINDOW))
    reactor.until(lambda: far.transport.service is None)
    user.stream.resume()
    reactor.until(lambda: user.endings)
    assert user.endings[0].detail == "the far end sends more than it may"
    assert len(user.data) == WINDOW


def test_a_broken_connection(reactor: Reactor, far: Far) -> None:
    user, _ = far.call()
    far.sock.shutdown(socket.SHUT_RDWR)
    reactor.until(lambda: user.endings)
    assert len(user.endings) == 1


def test_the_far_end_says_why(reactor: Reactor, far: Far) -> None:
    user, _ = far.call()
    far.transport.sendDisconnect(11, b"maintenance\x1b[2J\r\n")
    reactor.until(lambda: user.endings)
    assert user.endings[0].cause is Cause.ERROR
    assert user.endings[0].detail == "the far end ended it: maintenance\x1b[2J"


# -- refusals ------------------------------------------------------------------------------------------------


def test_no_shell(reactor: Reactor, far: Far) -> None:
    far.refuse = {b"shell"}
    assert far.reason() == "the far end starts no shell"


def test_no_terminal_is_no_obstacle(reactor: Reactor, far: Far) -> None:
    far.refuse = {b"pty-req"}
    far.call()


def test_nobody_opens_channels_here(reactor: Reactor, far: Far, logged: list[dict[str, Any]]) -> None:
    far.call()
    other = Shell(far, 0, 0)
    refused: list[Any] = []
    other.openFailed = refused.append  # type: ignore[method-assign]
    far.connection.openChannel(other)
    reactor.until(lambda: refused)
    assert not any("log_failure" in event for event in logged)


def test_no_key(reactor: Reactor, far: Far) -> None:
    far.auth = {b"publickey": "accept"}
    assert far.reason().startswith("there is no key to log in with: none of no files can be used")


def test_passwords_are_not_used(reactor: Reactor, far: Far) -> None:
    far.auth = {b"password": "accept", b"keyboard-interactive": "accept"}
    assert far.reason() == "the far end takes no keys (password,keyboard-interactive only)"


def test_keys_that_cannot_be_used(reactor: Reactor, tmp_path: Path, logged: list[dict[str, Any]]) -> None:
    good = tmp_path / "good"
    good.write_bytes(USER_KEY.toString("OPENSSH"))
    (tmp_path / "encrypted").write_bytes(USER_KEY.toString("OPENSSH", passphrase="secret"))
    (tmp_path / "public").write_bytes(USER_KEY.public().toString("OPENSSH"))
    (tmp_path / "garbage").write_bytes(b"\xff garbage")
    names = ("missing", "encrypted", "public", "garbage", "good")
    far = Far(reactor, tmp_path, keys=tuple(str(tmp_path / name) for name in names))
    far.auth = {b"publickey": "query"}
    far.stream()
    told = [event for event in logged if "is not used" in (event.get("log_format") or "")]
    assert [Path(event["path"]).name for event in told] == ["encrypted", "public", "garbage"]
    far.close()


def test_an_agent_that_is_not_there(reactor: Reactor, tmp_path: Path) -> None:
    far = Far(reactor, tmp_path, agent=str(tmp_path / "none"))
    far.auth = {b"publickey": "query"}
    assert "no agent has one" in far.reason()
    far.close()


def test_an_agent_that_never_answers(reactor: Reactor, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as agent:
        agent.bind(str(tmp_path / "agent"))
        agent.listen()
        far = Far(reactor, tmp_path, agent=str(tmp_path / "agent"))
        far.auth = {b"publickey": "query"}
        reactor.run_for(0.2)
        assert not far.reasons + far.streams
        far.close()
        reactor.run_for(0.05)
        assert not far.reasons + far.streams


def test_unknown_host_tells_the_far_end_nothing(
    reactor: Reactor, tmp_path: Path, logged: list[dict[str, Any]]
) -> None:
    (tmp_path / "known_hosts").write_text("")
    far = Far(reactor, tmp_path)
    said: list[Any] = []
    far.transport.receiveError = lambda *what: said.append(what)  # type: ignore[method-assign]
    reason = far.reason()
    assert f"{tmp_path}/known_hosts has nothing of it" in reason
    assert reason.endswith(f"ssh-keyscan host.example >> {tmp_path}/known_hosts")
    reactor.run_for(0.05)
    assert said == [(9, b"bad host key")]
    assert not [event for event in logged if "packet" in str(event.get("description"))]
    far.close()


def test_what_the_library_tells_of_itself_is_not_ours(
    reactor: Reactor, far: Far, logged: list[dict[str, Any]]
) -> None:
    user, _ = far.call()
    user.stream.close(1.0)
    reactor.run_for(0.1)
    ours = [event for event in logged if str(event["log_namespace"]).startswith("vmodem")]
    assert not [event for event in ours if event["log_level"].name == "info"]


def test_unreadable_known_hosts(reactor: Reactor, tmp_path: Path) -> None:
    (tmp_path / "known_hosts").mkdir()
    far = Far(reactor, tmp_path)
    assert far.reason() == f"{tmp_path}/known_hosts: Is a directory; make it readable to who runs this"
    far.close()


def test_revoked_and_other_kinds(tmp_path: Path) -> None:
    blob = HOST_KEY.public().blob()
    line = HOST_KEY.public().toString("OPENSSH").decode()
    path = tmp_path / "known_hosts"

    def objection(text: str, port: int = 22) -> str | None:
        path.write_text(text)
        return KnownHosts([str(path)], "host.example", port).objection(blob)

    assert objection(f"host.example {line}\n") is None
    assert objection(f"host.example {line}\n", 2222) is None  # known by its name, whatever the port
    assert "is revoked" in str(objection(f"host.example {line}\n@revoked host.example {line}\n"))
    assert "no key of that kind" in str(objection("host.example ssh-rsa AAAA\n"))
    hosts = KnownHosts([str(path)], "host.example", 22)
    assert hosts.signatures()[:2] == [b"rsa-sha2-512", b"rsa-sha2-256"]
    assert KnownHosts([], "host.example", 22).signatures()[-1] == b"ssh-rsa"
    assert hosts.objection(b"") is not None


# -- far ends that are none ----------------------------------------------------------------------------------


@pytest.mark.parametrize("said", [b"", b"login: ", bytes(5000), b"SSH-1.5-old\r\n", b"\n" * 5000])
def test_no_ssh_server(reactor: Reactor, tmp_path: Path, said: bytes) -> None:
    far = Far(reactor, tmp_path, server=False)
    reactor.run_for(0.02)
    far.sock.setblocking(True)
    far.sock.sendall(said)
    far.sock.shutdown(socket.SHUT_WR)
    assert far.reason()
    far.close()


@settings(max_examples=30)
@given(st.lists(st.binary(max_size=300), max_size=5), st.booleans())
def test_noise(chunks: list[bytes], greeted: bool) -> None:
    """Whatever comes, it is an error in one sentence or it is waited for; nothing is left."""
    import tempfile

    reactor = Reactor()
    with tempfile.TemporaryDirectory() as folder:
        far = Far(reactor, Path(folder), server=False)
        reactor.iterate(0)
        if greeted:
            chunks = [b"SSH-2.0-noise\r\n", struct.pack(">LB", 12, 4), *chunks]
        for chunk in chunks:
            try:
                far.sock.send(chunk)
            except OSError:
                break
            reactor.iterate(0)
        assert len(far.reasons) <= 1
        assert not far.streams
        far.close()
        reactor.iterate(0)
    reactor.dispose()


@settings(max_examples=40)
@given(st.integers(0, 255), st.binary(max_size=64))
def test_any_message_in_a_call(kind: int, payload: bytes) -> None:
    """One packet that nobody expects, well protected, in the middle of a call."""
    import tempfile

    reactor = Reactor()
    with tempfile.TemporaryDirectory() as folder:
        far = Far(reactor, Path(folder))
        user, shell = far.call()
        far.transport.sendPacket(kind, payload)
        reactor.run_for(0.01)
        assert len(user.endings) <= 1
        if not user.endings:
            user.stream.write(b"still here")
            if (
                kind not in (20, 21, 1, MSG_CHANNEL_WINDOW_ADJUST)
                and not 50 <= kind < 60
                and not 30 <= kind < 50
            ):
                reactor.until(lambda: shell.got or user.endings, 2)
        far.close()
        reactor.run_for(0.01)
    reactor.dispose()


def test_a_far_end_that_asks_and_never_reads(reactor: Reactor, far: Far) -> None:
    far.call()
    assert far.wired is not None
    far.wired.pauseProducing()
    before = resident()
    for _ in range(300):
        for _ in range(100):
            far.transport.sendPacket(80, NS(b"x" * 200) + b"\1")
        reactor.iterate(0)
        if far.wired.below.backlog > 8 << 20:
            break
    assert far.below.backlog < 1 << 20
    assert resident() - before < 64 << 20


@pytest.mark.parametrize("turns", [0, 1, 2, 3, 5, 8, 13, 21])
def test_cancelled_at_any_moment(reactor: Reactor, far: Far, turns: int) -> None:
    for _ in range(turns):
        reactor.iterate(0.005)
    if not far.streams:
        far.opening.cancel()
        reactor.run_for(0.05)
        assert not far.reasons + far.streams
        assert far.below.fileno() == -1


def test_without_conch() -> None:
    code = (
        "import sys; sys.modules['twisted.conch.ssh.keys'] = None\n"
        "try:\n    import vmodem.net.ssh.call\nexcept ImportError as exc:\n    print(exc)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "calls by SSH need more packages: pip install 'vmodem[ssh]'\n", done.stderr
