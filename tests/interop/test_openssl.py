"""TLS calls with OpenSSL's own programs at the other end."""

from __future__ import annotations

import fcntl
import os
import re
import socket
import struct
import subprocess
import termios
from collections.abc import Iterator
from typing import Any

import pytest

from tests.helpers.calls import Listening, listening
from tests.helpers.certificates import Certificates, certificates
from tests.helpers.reactors import Reactor, reactor
from vmodem.net.stream import Cause, FdStream
from vmodem.net.tls.begin import (
    TlsClientSettings,
    TlsServerSettings,
    TlsStream,
    load_client,
    load_server,
    open_client,
    open_server,
)

__all__ = ["certificates", "reactor"]

VERSIONS = ("-tls1_2", "-tls1_3")


class Program:
    """openssl at work, reading commands and text from us."""

    def __init__(self, reactor: Reactor, *command: str) -> None:
        self.reactor = reactor
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0
        )
        self.heard = b""
        assert self.process.stdout is not None
        os.set_blocking(self.process.stdout.fileno(), False)

    def type(self, text: bytes) -> None:
        """Type a line; it has been read by itself when this returns, as commands have to be."""
        assert self.process.stdin is not None
        self.process.stdin.write(text)
        pipe = self.process.stdin.fileno()
        self.reactor.until(lambda: not unread(pipe), what=f"{text!r} is read")

    def says(self, pattern: bytes) -> re.Match[bytes]:
        """Turn until it has printed this."""

        def found() -> Any:
            assert self.process.stdout is not None
            self.heard += self.process.stdout.read(1 << 20) or b""
            return re.search(pattern, self.heard)

        self.reactor.until(found, what=f"{pattern!r}, not {self.heard!r}")
        match = re.search(pattern, self.heard)
        assert match
        return match

    def end(self) -> None:
        self.process.kill()
        self.process.wait(10)
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


def unread(pipe: int) -> int:
    """How many bytes are in a pipe."""
    (count,) = struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)))
    return int(count)


class Scene:
    """Calls between us and openssl."""

    def __init__(self, reactor: Reactor, certificates: Certificates) -> None:
        self.reactor = reactor
        self.certificates = certificates
        self.far = certificates.leaf("far", "DNS:far.example")
        self.ca = certificates.authority().cert
        self.programs: list[Program] = []
        self.opened: list[TlsStream] = []
        self.failures: list[str] = []
        self.below: FdStream | None = None

    def program(self, *arguments: str) -> Program:
        self.programs.append(Program(self.reactor, self.certificates.openssl, *arguments))
        return self.programs[-1]

    def serve(self, *arguments: str) -> tuple[Program, int]:
        """s_server, listening."""
        program = self.program(
            "s_server", "-accept", "127.0.0.1:0", "-cert", self.far.cert, "-key", self.far.key, *arguments
        )
        return program, int(program.says(rb"ACCEPT \S*:(\d+)\s")[1])

    def dial(self, port: int, settings: TlsClientSettings) -> Listening:
        """Our call to s_server."""
        sock = socket.create_connection(("127.0.0.1", port))
        open_client(
            self.reactor, self._stream(sock), load_client(settings), self._opened, self.failures.append
        )
        return self._user()

    def answer(self, settings: TlsServerSettings, *arguments: str) -> tuple[Program, Listening | None]:
        """s_client's call to us."""
        with listening() as sock:
            where = "{}:{}".format(*sock.getsockname())
            program = self.program("s_client", "-connect", where, "-CAfile", self.ca, *arguments)
            sock.setblocking(True)
            sock.settimeout(10)
            accepted, _ = sock.accept()
        open_server(
            self.reactor, self._stream(accepted), load_server(settings), self._opened, self.failures.append
        )
        self.reactor.until(lambda: self.opened or self.failures)
        return program, None if self.failures else self._user()

    def _stream(self, sock: socket.socket) -> FdStream:
        sock.setblocking(False)
        self.below = FdStream(self.reactor, sock.fileno(), owner=sock, peer="openssl")
        return self.below

    def _opened(self, stream: Any) -> None:
        self.opened.append(stream)

    def _user(self) -> Listening:
        self.reactor.until(lambda: self.opened or self.failures)
        assert not self.failures
        return Listening(self.opened[0])

    def close(self) -> None:
        for stream in self.opened:
            stream.abort()
        if self.below is not None:
            self.below.abort()
        for program in self.programs:
            program.end()


@pytest.fixture
def scene(reactor: Reactor, certificates: Certificates) -> Iterator[Scene]:
    made = Scene(reactor, certificates)
    yield made
    made.close()


@pytest.mark.parametrize("version", VERSIONS)
def test_calling_s_server(scene: Scene, version: str) -> None:
    program, port = scene.serve(version)
    user = scene.dial(port, TlsClientSettings("far.example", ca=scene.ca))
    user.stream.write(b"hello from here\n")
    program.says(b"hello from here")
    program.type(b"hello from there\n")
    scene.reactor.until(lambda: b"hello from there\n" in user.data)
    program.type(b"Q\n")
    scene.reactor.until(lambda: user.endings)
    # It does not say goodbye, as many programs do not.
    assert user.endings[0].cause is Cause.FINISHED
    assert "without TLS close_notify" in user.endings[0].detail


@pytest.mark.parametrize("version", VERSIONS)
def test_ending_a_call_to_s_server(scene: Scene, version: str) -> None:
    program, port = scene.serve(version, "-naccept", "1")
    user = scene.dial(port, TlsClientSettings("far.example", ca=scene.ca))
    user.stream.write(b"x" * 200_000 + b"the last of it\n")
    user.stream.close(5)
    program.says(b"the last of it")
    program.says(b"(?s)DONE|CONNECTION CLOSED|shutdown")
    scene.reactor.until(lambda: scene.below is not None and scene.below.fileno() == -1)


def test_s_server_wants_a_certificate(scene: Scene) -> None:
    callers = scene.certificates.authority("of callers").cert
    program, port = scene.serve("-Verify", "1", "-verify_return_error", "-CAfile", callers)
    mine = scene.certificates.leaf("Line 7", by="of callers")
    settings = TlsClientSettings("far.example", scene.ca, mine.cert, mine.key)
    user = scene.dial(port, settings)
    user.stream.write(b"hello\n")
    program.says(b"hello")
    assert b"CN = Line 7" in program.heard or b"CN=Line 7" in program.heard


def test_keys_updated_while_we_only_read(scene: Scene) -> None:
    """KeyUpdate (RFC 8446 clause 4.6.3), once without and once with the wish that we do the same."""
    program, port = scene.serve("-tls1_3")
    user = scene.dial(port, TlsClientSettings("far.example", ca=scene.ca))
    for command in (b"k\n", b"K\n", b"K\n"):
        program.type(command)
        program.type(b"after " + command)
        scene.reactor.until(lambda: bytes(user.data).endswith(b"after " + command))  # noqa: B023
    user.stream.write(b"and back\n")
    program.says(b"and back")
    assert not user.endings


def test_a_new_handshake_while_we_only_read(scene: Scene) -> None:
    """TLS 1.2 renegotiation (RFC 5746), which a server may ask for."""
    program, port = scene.serve("-tls1_2")
    user = scene.dial(port, TlsClientSettings("far.example", ca=scene.ca))
    program.type(b"r\n")
    program.type(b"after it\n")
    scene.reactor.until(lambda: user.data)
    assert user.data == b"after it\n"
    user.stream.write(b"and back\n")
    program.says(b"and back")
    assert not user.endings


@pytest.mark.parametrize("version", VERSIONS)
def test_called_by_s_client(scene: Scene, version: str) -> None:
    program, user = scene.answer(
        TlsServerSettings(scene.far.cert, scene.far.key), version, "-verify_return_error",
        "-verify_hostname", "far.example", "-servername", "far.example",
    )  # fmt: skip
    assert user is not None
    program.says(rb"Verify return code: 0 \(ok\)")
    user.stream.write(b"hello from here\n")
    program.says(b"hello from here")
    program.type(b"hello from there\n")
    scene.reactor.until(lambda: user.data == b"hello from there\n")
    if version == "-tls1_3":
        program.type(b"K\n")
        program.type(b"after it\n")
        scene.reactor.until(lambda: bytes(user.data).endswith(b"after it\n"))
    program.type(b"Q\n")
    scene.reactor.until(lambda: user.endings)
    assert user.endings[0].cause is Cause.FINISHED


@pytest.mark.parametrize("version", VERSIONS)
def test_s_client_with_a_certificate(scene: Scene, version: str) -> None:
    mine = scene.certificates.leaf("Line 7", by="of callers")
    callers = scene.certificates.authority("of callers").cert
    _, user = scene.answer(
        TlsServerSettings(scene.far.cert, scene.far.key, callers),
        version,
        "-cert",
        mine.cert,
        "-key",
        mine.key,
    )
    assert user is not None
    assert scene.opened[0].certificate_name == "Line 7"


@pytest.mark.parametrize("version", VERSIONS)
def test_s_client_without_a_certificate(scene: Scene, version: str) -> None:
    callers = scene.certificates.authority("of callers").cert
    program, user = scene.answer(TlsServerSettings(scene.far.cert, scene.far.key, callers), version)
    assert user is None
    assert scene.failures == ["the caller gave no certificate"]
    program.says(b"(?i)alert")


def test_s_client_may_not_begin_anew(scene: Scene) -> None:
    """Renegotiation is asked for by the caller only to keep us busy."""
    program, user = scene.answer(TlsServerSettings(scene.far.cert, scene.far.key), "-tls1_2")
    assert user is not None
    program.says(b"Verify return code")
    program.type(b"R\n")
    scene.reactor.until(lambda: user.endings)
    assert not user.data


def test_s_client_with_less_than_tls_1_2(scene: Scene) -> None:
    _, user = scene.answer(
        TlsServerSettings(scene.far.cert, scene.far.key), "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"
    )
    assert user is None
    assert scene.failures[0] in (
        "the other end does not speak TLS 1.2 or newer",
        "the connection was closed during the TLS handshake",  # where openssl has no TLS 1.1 any more
    )
