"""The configurations of docs/serial-server.md do what that page says they do."""

from __future__ import annotations

import pytest

from tests.helpers.sharing import Sharing
from tests.house.tree import ROOT
from vmodem.app.port import port_rules
from vmodem.config.load import load_config
from vmodem.config.schema import PortConfig
from vmodem.port.base import Settings
from vmodem.port.parse import parse_port
from vmodem.server.sharing import SharedPort

CONFIGS = ROOT / "fixtures" / "configs"


def recipe(name: str) -> PortConfig:
    """The configuration, which has nothing wrong with it, and is shown in the page as it is."""
    path = CONFIGS / f"{name}.toml"
    assert path.read_text() in (ROOT / "docs" / "serial-server.md").read_text()
    (made,) = load_config(path).ports.values()
    parse_port(made.line)
    return made


def opened(desk: Sharing, name: str) -> SharedPort:
    desk.shared = SharedPort(desk.clock, desk.port, port_rules(recipe(name)))
    desk.shared.start()
    return desk.shared


def test_printer(desk: Sharing) -> None:
    opened(desk, "printer")
    one, two = desk.client(), desk.client()
    one.say(b"first half, ")
    two.say(b"another job")
    desk.tick(1.5)
    one.say(b"second half. ")
    one.close()
    desk.port.send(b"\x00paper status")
    desk.tick(1.9)
    assert desk.port.written == b"\x1b@first half, second half. "
    desk.tick(0.2)
    assert desk.port.written == b"\x1b@first half, second half. another job"
    assert one.read() == two.read() == b""


def test_scale(desk: Sharing, monkeypatch: pytest.MonkeyPatch) -> None:
    opened(desk, "scale")
    till, display = desk.client(), desk.client()
    packets: list[bytes] = []
    client = display.client
    assert client is not None
    deliver = client.deliver

    def noted(data: bytes) -> None:
        packets.append(data)
        deliver(data)

    monkeypatch.setattr(client, "deliver", noted)
    till.say(b"W\r")
    display.say(b"Z\r")  # zeroing is not for everybody
    assert desk.port.written == b"W\r"
    for piece in (b"S S    12.", b"50 kg\r\nS S    12.51 ", b"kg\r\n"):
        desk.port.send(piece)
    assert packets == [b"S S    12.50 kg\r\n", b"S S    12.51 kg\r\n"]
    assert till.read() == b"".join(packets)
    assert desk.client().read().endswith(b"12.51 kg\r\n")


def test_plc(desk: Sharing) -> None:
    opened(desk, "plc")
    scada, tool = desk.client(), desk.client("rfc2217")
    tool.read()
    scada.say(b"\x01\x03\x00\x00\x00\x02\xc4\x0b")
    tool.say(b"\x01\x03\x00\x10\x00\x01\x85\xcf" + b"\xff\xfa\x2c\x01\x00\x00\x25\x80\xff\xf0")
    desk.port.send(b"\x01\x03\x04\x00\x01")
    desk.tick(0.002)
    desk.port.send(b"\x00\x02\x2a\x32")
    assert scada.read() == b""
    desk.tick(0.005)
    assert scada.read() == b"\x01\x03\x04\x00\x01\x00\x02\x2a\x32"
    assert len(desk.port.written) == 8  # the tool waits for its turn
    desk.tick(0.1)
    assert len(desk.port.written) == 16
    desk.tick()
    assert desk.port.settings == Settings()
