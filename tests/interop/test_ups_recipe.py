"""The configuration of docs/ups.md, run as it stands but for the port it is on and listens at."""

from __future__ import annotations

import pytest

from tests.helpers.ports import free_port
from tests.helpers.process import Peer, Scene, call
from tests.helpers.reactors import Reactor
from tests.helpers.upslines import MegatecUps, PtyEnd
from tests.helpers.verbs import Verb
from tests.house.tree import ROOT

pytestmark = pytest.mark.interop


def test_the_recipe(reactor: Reactor, scene: Scene) -> None:
    recipe = (ROOT / "fixtures" / "configs" / "ups.toml").read_text()
    assert f"```toml\n{recipe}```" in (ROOT / "docs" / "ups.md").read_text()
    end = PtyEnd(reactor, MegatecUps(reactor), scene.folder / "ttyS0")
    scene.finally_(end.close)
    port = free_port()
    text = recipe.replace("/dev/ttyS0", str(end.link)).replace("tcp:3493:", f"tcp:{port}:")
    file = scene.folder / "vmodem.toml"
    file.write_text(text)
    Verb(scene, "run", "-c", str(file))
    client: Peer = call(port)
    scene.finally_(client.close)

    def asked(line: str) -> str:
        client.send(line + "\n")
        reactor.until(lambda: client.pump(0) or b"\n" in client.buffer)
        return client.expect(rb"\n").decode()

    reactor.until(lambda: asked("GET VAR rack ups.status") == 'VAR rack ups.status "OL"\n', 15)
    assert asked("GET UPSDESC rack") == 'UPSDESC rack "the rack in the cellar"\n'
    assert asked("USERNAME monitor") + asked("PASSWORD secret") + asked("LOGIN rack") == "OK\nOK\nOK\n"
    assert asked("PRIMARY rack").startswith("OK")
