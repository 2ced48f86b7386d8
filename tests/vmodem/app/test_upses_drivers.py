"""From the words of a configuration to a driver on its line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.helpers.reactors import Reactor, reactor
from tests.helpers.upses import Client
from vmodem.app.start import StartError
from vmodem.app.upsdesk import Desk
from vmodem.app.upses import UpsService
from vmodem.config.schema import UpsConfig

__all__ = ["reactor"]


@pytest.mark.parametrize("driver", ["contact", "megatec", "apcsmart"])
def test_a_device_that_is_not_there(reactor: Reactor, tmp_path: Path, driver: Any) -> None:
    desk = Desk(reactor)
    listen = ("tcp:0:interface=127.0.0.1",)
    service = UpsService(
        reactor, UpsConfig("rack", f"serial:{tmp_path}/ttyS9", driver, listen, cable=1), desk
    )
    service.start()
    client = Client(reactor, desk.ports[0])
    reactor.until(lambda: client.ask("GET VAR rack ups.status") == "ERR DRIVER-NOT-CONNECTED")
    assert client.ask("LIST UPS").startswith("BEGIN LIST UPS\nUPS rack ")
    assert service.status()["health"] == "gone"
    client.close()
    reactor.wait_for(service.stop())
    own = set(reactor._internalReaders)
    reactor.until(lambda: not set(reactor.getReaders()) - own)


@pytest.mark.parametrize(
    "more",
    [
        {"driver": "contact", "cable": 99},
        {"driver": "contact", "cable": 1, "cable_override": {"ol": "nonsense"}},
        {"options": {"no-vndor": "yes"}},
        {"line": "ip232:1"},
    ],
)
def test_what_means_nothing(reactor: Reactor, more: dict[str, Any]) -> None:
    config = UpsConfig(**{"name": "rack", "line": "/dev/ttyS9", **more})
    with pytest.raises(StartError, match="ups rack: "):
        UpsService(reactor, config, Desk(reactor))
