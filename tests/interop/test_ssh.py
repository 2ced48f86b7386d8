"""Calls by SSH to OpenSSH's own server, run on loopback with keys made for the test."""

from __future__ import annotations

import hashlib
import os
import pwd
import random
import shlex
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.calls import Listening, closed_port, descriptors
from tests.helpers.process import Scene, children, until
from tests.helpers.programs import need
from tests.helpers.reactors import Reactor, reactor
from vmodem.net.ssh.call import SshSettings, open_ssh
from vmodem.net.stream import Cause, FdStream, Stream

__all__ = ["reactor"]

pytestmark = pytest.mark.interop

USER = pwd.getpwuid(os.getuid()).pw_name
#: Root's sshd wants a folder of the system, and notes logins in files of the system: it gets its own.
APART = (
    "mount -t tmpfs none /run && mkdir /run/sshd && "
    "mount -t tmpfs none /var/log && touch /var/log/lastlog && exec "
)


def keygen(folder: Path, name: str, kind: str = "ed25519", passphrase: str = "") -> Path:
    (program,) = need("ssh-keygen")
    path = folder / name
    command = [program, "-q", "-t", kind, "-N", passphrase, "-C", name, "-f", path]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return path


class Server:
    """An sshd that runs ``command`` for whoever holds an authorized key."""

    def __init__(self, scene: Scene, command: str, *options: str, host_key: str = "ed25519") -> None:
        (self.program,) = need("sshd")
        self.folder = scene.folder
        self.port = closed_port()
        self.host_key = keygen(self.folder, "host_key", host_key)
        self.key = keygen(self.folder, "id_ed25519")
        self.known_hosts = self.folder / "known_hosts"
        self.authorized = self.folder / "authorized_keys"
        self.authorize(self.key)
        self.know()
        config = self.folder / "sshd_config"
        lines = [
            f"Port {self.port}",
            "ListenAddress 127.0.0.1",
            f"HostKey {self.host_key}",
            f"AuthorizedKeysFile {self.authorized}",
            f"ForceCommand {command}",
            f"PidFile {self.folder}/pid",
            "StrictModes no",
            "UsePAM no",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "PermitRootLogin yes",
            *options,
        ]
        config.write_text("\n".join(dict.fromkeys(lines)) + "\n")
        arguments = [self.program, "-D", "-e", "-f", str(config)]
        if os.getuid() == 0:
            (unshare,) = need("unshare")
            arguments = [unshare, "--mount", "sh", "-c", APART + shlex.join(arguments)]
        log = self.folder / "sshd.log"
        with open(log, "wb") as file:
            self.process = scene.spawn(arguments, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
        until(lambda: b"listening on" in log.read_bytes() or self.process.poll() is not None, "sshd listens")
        assert self.process.poll() is None, log.read_text()

    def authorize(self, *keys: Path) -> None:
        self.authorized.write_text("".join(key.with_suffix(".pub").read_text() for key in keys))

    def know(self) -> None:
        host_key = " ".join(self.host_key.with_suffix(".pub").read_text().split()[:2])
        self.known_hosts.write_text(f"[127.0.0.1]:{self.port} {host_key}\n")

    def settings(self, *keys: Path, **more: Any) -> SshSettings:
        return SshSettings(
            **{
                "user": USER,
                "host": "127.0.0.1",
                "port": self.port,
                "known_hosts": (str(self.known_hosts),),
                "keys": tuple(str(key) for key in keys or (self.key,)),
                "agent": "",
                **more,
            }
        )


def listens(path: Path) -> bool:
    """Whether somebody takes connections there."""
    with socket.socket(socket.AF_UNIX) as sock:
        return sock.connect_ex(str(path)) == 0


class Call:
    """A call being opened: a stream, or why not."""

    def __init__(self, reactor: Reactor, settings: SshSettings) -> None:
        self.reactor = reactor
        self.streams: list[Stream] = []
        self.reasons: list[str] = []
        sock = socket.create_connection((settings.host, settings.port))
        sock.setblocking(False)
        below = FdStream(reactor, sock.fileno(), owner=sock, peer="127.0.0.1")
        self.opening = open_ssh(reactor, below, settings, self.streams.append, self.reasons.append)

    def stream(self) -> Stream:
        self.reactor.until(lambda: self.streams or self.reasons)
        assert not self.reasons, self.reasons
        return self.streams[0]

    def user(self) -> Listening:
        return Listening(self.stream())

    def reason(self) -> str:
        self.reactor.until(lambda: self.streams or self.reasons)
        assert not self.streams
        return self.reasons[0]


@pytest.fixture(autouse=True)
def nothing_left(reactor: Reactor) -> Iterator[None]:
    before = descriptors()
    yield
    reactor.until(lambda: descriptors() == before, what="descriptors closed")


def test_a_shell_on_a_terminal(scene: Scene, reactor: Reactor) -> None:
    script = scene.folder / "shell"
    script.write_text('#!/bin/sh\nstty size; echo "$TERM"; read line; echo "<$line>"; exit 3\n')
    script.chmod(0o755)
    server = Server(scene, str(script))
    user = Call(reactor, server.settings()).user()
    reactor.until(lambda: b"24 80\r\nvt100\r\n" in user.data)
    user.stream.write(b"hello\r")
    reactor.until(lambda: user.endings)
    assert user.data.endswith(b"hello\r\n<hello>\r\n")  # the far end's terminal echoes
    assert (user.endings[0].cause, user.endings[0].detail) == (Cause.FINISHED, "exit status 3")
    user.stream.close(1)


@pytest.mark.parametrize("new_keys", ["never", "they", "we"])
def test_every_byte_both_ways(
    scene: Scene, reactor: Reactor, monkeypatch: pytest.MonkeyPatch, new_keys: str
) -> None:
    """Eight bits, with the terminal made raw, stalls on either side, and keys agreed on in the middle."""
    options = ["RekeyLimit 256K"] if new_keys == "they" else []
    if new_keys == "we":
        monkeypatch.setattr("vmodem.net.ssh.protocol.REKEY_BYTES", 300_000)
    server = Server(scene, "stty raw -echo; printf ready; exec cat", *options)
    call = Call(reactor, server.settings())
    user = call.user()
    reactor.until(lambda: user.data == b"ready")
    sent = random.Random(1).randbytes(3_000_000)
    left = memoryview(sent)
    stalls = 0

    def finished() -> bool:
        nonlocal left, stalls
        while left and not user.blocked:
            call.stream().write(bytes(left[:20_000]))
            left = left[20_000:]
        if len(user.data) > (stalls + 1) * 500_000:
            stalls += 1
            call.stream().pause()
            reactor.callLater(0.05, call.stream().resume)
        return len(user.data) >= len(sent) + 5

    reactor.until(finished, 60)
    assert hashlib.sha256(user.data[5:]).digest() == hashlib.sha256(sent).digest()
    assert stalls >= 5
    reactor.run_for(0.1)
    call.stream().close(1)


def test_what_was_sent_before_hanging_up_arrives(scene: Scene, reactor: Reactor) -> None:
    there = scene.folder / "there"
    server = Server(scene, f"stty raw -echo; printf ready; exec cat > {there}")
    user = Call(reactor, server.settings()).user()
    reactor.until(lambda: user.data == b"ready")
    sent = random.Random(2).randbytes(100_000)
    user.stream.write(sent)
    user.stream.close(5)
    reactor.until(lambda: there.read_bytes() == sent, what="all is there")


def test_hanging_up_ends_the_far_side(scene: Scene, reactor: Reactor) -> None:
    noted = scene.folder / "noted"
    server = Server(scene, f"trap 'echo hung up > {noted}; exit' HUP; echo on; while :; do sleep 0.1; done")
    user = Call(reactor, server.settings()).user()
    reactor.until(lambda: b"on" in user.data)
    user.stream.close(1)
    reactor.until(lambda: noted.exists() and noted.read_text() == "hung up\n")


def test_a_stalled_user_stops_the_far_end(scene: Scene, reactor: Reactor) -> None:
    server = Server(scene, "stty raw -echo; exec cat /dev/zero")
    call = Call(reactor, server.settings())
    user = call.user()
    reactor.until(lambda: user.data)
    call.stream().pause()
    reactor.run_for(0.3)
    paused_at = len(user.data)
    turns = reactor.run_for(0.3)
    assert len(user.data) == paused_at
    assert turns < 10  # nothing goes on
    call.stream().resume()
    reactor.until(lambda: len(user.data) > paused_at + 1_000_000)
    call.stream().abort()


def test_a_dead_server_is_an_ending(scene: Scene, reactor: Reactor) -> None:
    server = Server(scene, "echo on; exec sleep 60")
    user = Call(reactor, server.settings()).user()
    reactor.until(lambda: b"on" in user.data)
    for pid in children(server.process.pid):
        os.kill(pid, signal.SIGKILL)
    reactor.until(lambda: user.endings)
    user.stream.close(1)


# -- whom to trust -------------------------------------------------------------------------------------------


def test_unknown_host(scene: Scene, reactor: Reactor) -> None:
    server = Server(scene, "echo on")
    server.known_hosts.write_text("other.example ssh-ed25519 AAAA\n")
    reason = Call(reactor, server.settings()).reason()
    (keyscan, keygen_program) = need("ssh-keyscan", "ssh-keygen")
    shown = subprocess.run([keygen_program, "-l", "-f", server.host_key], capture_output=True, text=True)
    assert shown.stdout.split()[1] in reason  # the fingerprint, as OpenSSH writes it
    remedy = f"ssh-keyscan -p {server.port} 127.0.0.1 >> {server.known_hosts}"
    assert reason.endswith(remedy)
    before = server.known_hosts.read_text()
    subprocess.run(
        ["sh", "-c", remedy.replace("ssh-keyscan", keyscan, 1)], check=True, stderr=subprocess.DEVNULL
    )
    assert server.known_hosts.read_text() != before
    user = Call(reactor, server.settings()).user()  # the remedy helps
    reactor.until(lambda: user.endings)
    user.stream.close(1)


def test_hashed_by_openssh(scene: Scene, reactor: Reactor) -> None:
    server = Server(scene, "echo on")
    (program,) = need("ssh-keygen")
    subprocess.run([program, "-H", "-f", server.known_hosts], check=True, capture_output=True)
    assert "127.0.0.1" not in server.known_hosts.read_text()
    Call(reactor, server.settings()).stream().abort()


def test_changed_host_key(scene: Scene, reactor: Reactor) -> None:
    server = Server(scene, "echo on")
    other = keygen(scene.folder, "other").with_suffix(".pub").read_text()
    server.known_hosts.write_text(f"# a comment\n[127.0.0.1]:{server.port} {other}")
    reason = Call(reactor, server.settings()).reason()
    assert f"not the one in {server.known_hosts}, line 2" in reason
    assert f"ssh-keygen -R '[127.0.0.1]:{server.port}' -f {server.known_hosts}" in reason
    assert "\n" not in reason


@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
def test_other_host_keys(scene: Scene, reactor: Reactor, kind: str) -> None:
    """The host is asked for the kind of key that it is known by, although it has others."""
    server = Server(scene, "echo on", f"HostKey {keygen(scene.folder, 'second')}", host_key=kind)
    Call(reactor, server.settings()).stream().abort()


# -- what to log in with -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["rsa", "ecdsa", "ed25519"])
def test_kinds_of_keys(scene: Scene, reactor: Reactor, kind: str) -> None:
    server = Server(scene, "echo on")
    key = keygen(scene.folder, f"id_{kind}_user", kind)
    server.authorize(key)
    Call(reactor, server.settings(server.key, key)).stream().abort()


def test_no_key_fits(scene: Scene, reactor: Reactor) -> None:
    server = Server(scene, "echo on")
    other = keygen(scene.folder, "other")
    reason = Call(reactor, server.settings(other)).reason()
    assert reason == f"none of our keys lets {USER} in ({other}); authorized_keys there needs one"


def test_keys_in_an_agent(scene: Scene, reactor: Reactor) -> None:
    server = Server(scene, "echo on")
    agent, add = need("ssh-agent", "ssh-add")
    path = scene.folder / "agent"
    scene.spawn([agent, "-D", "-a", str(path)], stdout=subprocess.DEVNULL)
    until(lambda: listens(path), "the agent is there")
    for kind in ("rsa", "ed25519"):
        key = keygen(scene.folder, f"held_{kind}", kind)
        environment = {**os.environ, "SSH_AUTH_SOCK": str(path)}
        subprocess.run([add, "-q", key], check=True, env=environment, stderr=subprocess.DEVNULL)
        key.unlink()
        server.authorize(key)
        Call(reactor, server.settings(key, agent=str(path))).stream().abort()


def test_passwords_only(scene: Scene, reactor: Reactor) -> None:
    server = Server(scene, "echo on", "PubkeyAuthentication no")
    reason = Call(reactor, server.settings()).reason()
    assert reason.startswith("the far end")


def test_no_terminal(scene: Scene, reactor: Reactor) -> None:
    """A server that gives none still has a shell, whose errors come in the same stream."""
    server = Server(scene, "echo out; sleep 0.2; echo err >&2", "PermitTTY no")
    user = Call(reactor, server.settings()).user()
    reactor.until(lambda: user.endings)
    assert user.data == b"out\nerr\n"
    user.stream.close(1)


def test_what_it_costs_to_open(scene: Scene, reactor: Reactor) -> None:
    server = Server(scene, "echo on")
    began = time.process_time()
    Call(reactor, server.settings()).stream().abort()
    assert time.process_time() - began < 2


def test_a_modem_dials_a_login(scene: Scene) -> None:
    """ATDT leads to a shell on another machine; an unknown host is NO CARRIER, with the reason in the log."""
    server = Server(scene, "stty raw -echo; printf welcome; exec cat")
    home = scene.folder / ".ssh"
    home.mkdir(mode=0o700)
    for file, name in ((server.key, "id_ed25519"), (server.known_hosts, "known_hosts")):
        (home / name).write_bytes(file.read_bytes())
        (home / name).chmod(0o600)
    modem = scene.modem("--entry", f"5551000=ssh:{USER}@127.0.0.1:{server.port}", answer=None)
    dte = scene.dte(modem)
    dte.connect("5551000")
    dte.expect("welcome")
    dte.send(bytes(range(256)))
    assert dte.take(256) == bytes(range(256))
    dte.escape(1.05)
    dte.ok("ATH")
    (home / "known_hosts").write_text("")
    dte.send("ATDT5551000\r")
    dte.expect("NO CARRIER")
    modem.wait_log("known_hosts")
