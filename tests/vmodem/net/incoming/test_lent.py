"""Sockets that systemd hands over."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from tests.helpers.calls import descriptors
from tests.helpers.process import Dte, Scene, environment, scene, until, vmodem
from vmodem.net.incoming.lent import LentError, handed_over, lent_socket

__all__ = ["scene"]


#: Where they are handed over, in these tests.
BASE = 200


def handed(*names: str, count: int = 2) -> dict[str, str]:
    told = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(count)}
    return {**told, "LISTEN_FDNAMES": ":".join(names)} if names else told


@pytest.mark.parametrize(
    ("text", "environ", "place"),
    [
        ("systemd:domain=INET:index=0", handed(), 0),
        ("systemd:INET:index=1", handed("a", "b"), 1),
        ("systemd:domain=INET:name=b", handed("a", "b"), 1),
        ("systemd:domain=INET6:name=a:b", handed("a", "b"), None),
        ("systemd:name=unknown", handed(), 0),
        ("systemd:name=c", handed("a", "b"), None),
        ("systemd:index=2", handed(), None),
        ("systemd:index=-1", handed(), None),
        ("systemd:index=x", handed(), None),
        ("systemd:", handed(), None),
        ("systemd:index=0:name=a", handed("a", "b"), None),
        ("systemd:index=0", {}, None),
        ("systemd:index=0", {**handed(), "LISTEN_PID": "1"}, None),
        ("systemd:index=0", {**handed(), "LISTEN_FDS": "many"}, None),
    ],
)
def test_which_one(text: str, environ: dict[str, str], place: int | None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        for number, sock in enumerate((one, other)):
            os.dup2(sock.fileno(), BASE + number, inheritable=False)
        before = descriptors()
        try:
            if place is None:
                with pytest.raises(LentError):
                    lent_socket(text, handed_over(environ), BASE)
            else:
                with lent_socket(text, handed_over(environ), BASE) as copy:
                    assert copy.getsockname() == (one, other)[place].getsockname()
            assert descriptors() == before
        finally:
            os.closerange(BASE, BASE + 2)


def test_what_does_not_listen() -> None:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as sock:
            before = descriptors()
            with pytest.raises(LentError, match="does not listen"):
                lent_socket("systemd:index=0", handed_over(handed()), sock.fileno())
            assert descriptors() == before


LAUNCHER = """
import os, sys
os.environ["LISTEN_PID"], os.environ["LISTEN_FDS"] = str(os.getpid()), "1"
os.dup2(int(sys.argv[1]), 3)
os.execv(sys.executable, [sys.executable, "-m", "vmodem", *sys.argv[2:]])
"""


def test_it_is_listened_on_again(scene: Scene, tmp_path: Path) -> None:
    """Through reloads, and through calls of a modem that would close listeners of its own meanwhile."""

    def operate(*words: str) -> None:
        done = vmodem(words[0], "--state-dir", "state", *words[1:], folder=tmp_path)
        assert done.returncode == 0, done.stderr

    config = tmp_path / "vmodem.toml"
    without = '[modem.a]\nline = "pty:a"\n'
    with_it = without + 'off_hook = "closed"\nanswer = "systemd:domain=INET:index=0"\n'
    config.write_text(with_it)
    with socket.create_server(("127.0.0.1", 0)) as lent:
        address = lent.getsockname()
        scene.spawn(
            [sys.executable, "-c", LAUNCHER, str(lent.fileno()), "run", "--state-dir", "state"],
            cwd=tmp_path,
            env=environment(tmp_path),
            pass_fds=(lent.fileno(),),
        )
    until(lambda: (tmp_path / "a").exists() and (tmp_path / "state" / "control").exists(), "a modem")
    dte = Dte(tmp_path / "a")
    for _ in range(2):
        assert b"CONNECT" in dte.dial("100")
        with socket.create_connection(address) as caller:
            caller.settimeout(10)
            assert caller.recv(100) == b"BUSY\r\n"
        operate("hangup", "a")
        dte.expect("NO CARRIER")
        for text in (without, with_it):
            config.write_text(text)
            operate("reload")
        with socket.create_connection(address):
            dte.expect("RING")
    dte.close()
