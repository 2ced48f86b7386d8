"""A line that is kept up without anybody dialling, as a configuration file asks for it."""

from __future__ import annotations

import pytest

from tests.helpers.process import Dte, Host, Scene
from tests.helpers.verbs import Verb


@pytest.fixture
def host(scene: Scene) -> Host:
    return scene.host()


def start(scene: Scene, *keys: str) -> Dte:
    """A modem with these keys; returns its terminal once the modem is ready."""
    link = scene.folder / "leased0"
    file = scene.folder / "vmodem.toml"
    lines = ["[modem.leased0]", f'line = "pty:{link}"', "answer = []", *keys]
    file.write_text("\n".join(lines) + "\n")
    Verb(scene, "run", "-c", str(file))
    dte = Dte(link)
    scene.finally_(dte.close)
    return dte


def test_from_the_start(scene: Scene, host: Host) -> None:
    """Connected without a DTE's doing, and again after the far end has left."""
    dte = start(scene, f'leased = "tcp:{host.number}"', 'init = "Q1&D0"')
    for turn in range(2):
        peer = host.answer()
        peer.send(b"down %d" % turn)
        dte.expect(b"^down %d$" % turn)
        dte.send(b"up %d" % turn)
        peer.expect(b"^up %d$" % turn)
        peer.close()


def test_with_dtr(scene: Scene, host: Host) -> None:
    """While the line is open, and not when it is closed; a number of the directory will do."""
    keys = ['leased = "5551234"', 'leased_on = "dtr"', "[directory]", f'"5551234" = "tcp:{host.number}"']
    dte = start(scene, *keys)
    peer = host.answer()
    dte.expect(r"^\r\nCONNECT \d+\r\n")
    path = scene.folder / "leased0"
    dte.close()
    assert peer.rest() == b""
    again = Dte(path)
    scene.finally_(again.close)
    host.answer().send(b"again")
    again.expect("again$")
