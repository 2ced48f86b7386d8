"""Listeners on real sockets."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.calls import Listening, descriptors
from tests.helpers.reactors import Reactor
from vmodem.net.endpoint import split_endpoint
from vmodem.net.incoming.listen import Incoming, Listener, ListenError


class Door:
    """A listener and who came."""

    def __init__(self, reactor: Reactor, text: str) -> None:
        self.reactor = reactor
        self.came: list[Incoming] = []
        self.listener = Listener(reactor, text, self.came.append)
        self.listener.start()

    def close(self) -> None:
        for incoming in self.came:
            incoming.stream.abort()
        self.listener.stop()


def test_tcp(reactor: Reactor) -> None:
    door = Door(reactor, "tcp:0:interface=127.0.0.1")
    assert door.listener.address == f"tcp 127.0.0.1:{door.listener.port}"
    assert door.listener.exposure is None
    with socket.create_connection(("127.0.0.1", door.listener.port)) as sock:
        reactor.until(lambda: door.came)
        incoming = door.came[0]
        assert (incoming.peer.host, incoming.peer.port) == sock.getsockname()
        assert incoming.peer.printable == "{}:{}".format(*sock.getsockname())
        sock.sendall(b"early")
        user = Listening(incoming.stream)
        reactor.until(lambda: user.data)
        assert user.data == b"early"
        gone: list[bool] = []
        incoming.closed = lambda: gone.append(True)
        incoming.stream.abort()
        assert gone
    door.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_tcp6_serves_both(reactor: Reactor, host: str) -> None:
    door = Door(reactor, r"tcp6:0:interface=\:\:")
    assert door.listener.exposure == "every network of this machine"
    with socket.create_connection((host, door.listener.port)):
        reactor.until(lambda: door.came)
        assert door.came[0].peer.host == host
    door.close()


def test_exposure(reactor: Reactor) -> None:
    def exposure(text: str) -> str | None:
        return Listener(reactor, text, lambda incoming: None).exposure

    assert exposure("tcp:1") == "every network of this machine"
    assert exposure("tcp:1:interface=192.0.2.1") == "the network of 192.0.2.1"
    assert exposure("tcp:1:interface=localhost") is None
    assert exposure(r"tcp6:1:interface=\:\:1") is None
    assert exposure("tcp6:1:interface=localhost") is None
    assert exposure("unix:/x") is None
    assert exposure("systemd:domain=INET:index=0") is not None


def test_port_in_use(reactor: Reactor) -> None:
    door = Door(reactor, "tcp:0:interface=127.0.0.1")
    before = descriptors()
    text = f"tcp:{door.listener.port}:interface=127.0.0.1"
    with pytest.raises(ListenError) as caught:
        Listener(reactor, text, lambda incoming: None).start()
    assert text in str(caught.value)
    assert "already in use" in str(caught.value)
    assert "another port" in str(caught.value)
    assert descriptors() == before
    door.close()
    again = Door(reactor, text)  # at once, in spite of TIME_WAIT
    again.close()


def test_address_that_is_not_ours(reactor: Reactor) -> None:
    with pytest.raises(ListenError, match="an address that this machine has"):
        Listener(reactor, "tcp:0:interface=192.0.2.77", lambda incoming: None).start()


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("tcp:x", "port must be a number"),
        ("tcp:", "port must be a number"),
        ("tcp", "port must be a number"),
        ("tcp:65536", "up to 65535"),
        ("tcp:1:interface=example.net", "takes an address"),
        ("tcp:1:interfce=127.0.0.1", "did you mean interface="),
        ("tcp:1:2", "is not port="),
        ("tcp:1:backlog=x", "backlog must be"),
        ("haproxy:systemd:domain=INET:index=0", "haproxy: goes before"),
        ("systemd:domain=INET:index=zero", "from 0 on"),
        ("telnet:systemd:domain=INET", "which socket is meant"),
        ("haproxy", "haproxy: goes before"),
        ("unix:", "a path must follow"),
        ("unix:/x:mode=9", "octal"),
    ],
)
def test_bad_strings(reactor: Reactor, text: str, part: str) -> None:
    with pytest.raises(ListenError) as caught:
        Listener(reactor, text, lambda incoming: None)
    assert part in str(caught.value)
    assert text in str(caught.value)


@pytest.mark.parametrize("text", ["tpc:1", "", "nonsense", "telnet:tpc:1"])
def test_bad_foreign_strings(reactor: Reactor, text: str) -> None:
    listener = Listener(reactor, text, lambda incoming: None)
    with pytest.raises(ListenError) as caught:
        listener.start()
    assert f'"{text}"' in str(caught.value)
    if text == "tpc:1":
        assert "did you mean tcp:" in str(caught.value)


def test_unix(reactor: Reactor, tmp_path: Path) -> None:
    path = tmp_path / "s"
    door = Door(reactor, f"unix:{path}")
    assert stat.S_IMODE(path.lstat().st_mode) == 0o600
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(path))
        reactor.until(lambda: door.came)
        assert door.came[0].peer.host == ""
    with pytest.raises(ListenError, match="already in use"):
        Listener(reactor, f"unix:{path}", lambda incoming: None).start()
    assert path.exists()
    door.close()
    assert not path.exists()


def test_unix_mode(reactor: Reactor, tmp_path: Path) -> None:
    path = tmp_path / "s"
    door = Door(reactor, f"unix:{path}:mode=0660")
    assert stat.S_IMODE(path.lstat().st_mode) == 0o660
    door.close()


def test_unix_stale(reactor: Reactor, tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
    door = Door(reactor, f"unix:{path}")
    path.unlink()
    path.write_text("somebody else's", encoding="utf-8")
    door.close()
    assert path.exists()


def test_unix_never_removes_a_file(reactor: Reactor, tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_text("dear", encoding="utf-8")
    before = descriptors()
    for text in (f"unix:{path}", f"unix:{tmp_path}/none/s", "unix:/" + "x" * 200):
        with pytest.raises(ListenError) as caught:
            Listener(reactor, text, lambda incoming: None).start()
        assert "choose" in str(caught.value)
    assert path.read_text(encoding="utf-8") == "dear"
    assert descriptors() == before


def test_restart(reactor: Reactor) -> None:
    door = Door(reactor, "tcp:0:interface=127.0.0.1")
    door.listener.stop()
    door.listener.stop()
    assert door.listener.port == 0


def test_split() -> None:
    assert split_endpoint(r"tcp6:1:interface=\:\:1") == ["tcp6", "1", "interface=::1"]
    assert split_endpoint(r"a\\:b\x") == ["a\\", r"b\x"]
    assert split_endpoint("a\\") == ["a\\"]


@given(st.sampled_from(["tcp:", "tcp6:", "unix:", ""]), st.text(max_size=30))
def test_any_string(kind: str, rest: str) -> None:
    ignore: Callable[[Incoming], None] = lambda incoming: None  # noqa: E731
    try:
        Listener(None, kind + rest, ignore)
    except ListenError:
        return
    assert os.sep
