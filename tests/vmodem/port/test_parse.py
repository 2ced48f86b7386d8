"""LINE strings of equipment."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys
from typing import Any

import pytest

from tests.helpers.reactors import Reactor
from vmodem.port.base import PortError, PortFlow, Settings
from vmodem.port.parse import KINDS, make_port, parse_port
from vmodem.port.pty import PtyPort
from vmodem.port.remote import RemotePort
from vmodem.port.serial import SerialPort
from vmodem.port.sockets import TcpPort, UnixPort
from vmodem.port.stdio import StdioPort
from vmodem.tty.rs485 import Rs485


@pytest.mark.parametrize(
    ("text", "kind", "settings"),
    [
        ("/dev/ttyS0", SerialPort, Settings()),
        ("COM7:speed=300", SerialPort, Settings(300)),
        ("serial:/dev/ttyUSB0:speed=19200:bits=7:parity=e:stop=2:flow=rtscts", SerialPort, None),
        ("serial:/dev/ttyS0:dtr=off:rts=on:hupcl=no:exclusive=no:lock=uucp:latency=low", SerialPort, None),
        ("serial:/dev/ttyS0:retry=10,30,60", SerialPort, None),
        ("remote:host:7001:retry=0.5", RemotePort, Settings()),
        ("serial:/dev/ttyS0:errors=mark:rs485=on,rts-low,echo,before=1,after=2", SerialPort, None),
        ("pty:./com1:mode=0600:bits=7:parity=E", PtyPort, Settings(9600, 7, "E")),
        ("tcp:0", TcpPort, Settings()),
        ("unix:/tmp/x", UnixPort, Settings()),
        ("remote:host:7001", RemotePort, Settings()),
        (r"rfc2217:\:\:1:7001:speed=300:flow=xonxoff", RemotePort, Settings(300, flow=PortFlow.XON_XOFF)),
        ("stdio:", StdioPort, Settings()),
    ],
)
def test_accepted(reactor: Reactor, text: str, kind: type, settings: Settings | None) -> None:
    port = make_port(reactor, text)
    assert type(port) is kind
    assert port.description == (f"serial:{text}" if text[0] in "/C" else text)
    if settings is not None:
        assert port.settings == settings


def test_values() -> None:
    def value(text: str, key: str) -> Any:
        return parse_port(f"serial:/dev/x:{text}").values[key]

    assert value("rs485=no", "rs485") is None
    assert value("rs485=on", "rs485") == Rs485()
    assert value("rs485=on,rts-low,echo,before=5,after=1", "rs485") == Rs485(False, True, 5, 1)
    assert value("dtr=off", "dtr") is False
    assert value("latency=low", "latency") == "low"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("serial:/dev/x:wiring=modem", ["wiring makes no sense here", "we are the computer"]),
        ("serial:/dev/x:dtr-in=cd", ["dtr-in makes no sense"]),
        ("remote:h:1:invert=dtr", ["invert makes no sense"]),
        ("serial:/dev/x:dtr=dcd", ["dtr cannot be 'dcd'; on or off was expected"]),
        ("serial:/dev/x:speed=auto", ["speed", "bit/s"]),
        ("serial:/dev/x:latency=lo", ["did you mean low?"]),
        ("serial:/dev/x:rs485=on,after=999", ["rs485 cannot be", "after=MS"]),
        ("serial:/dev/x:rs485=rts-low", ["rs485 cannot be"]),
        ("serial:/dev/x:retry=10,0", ["retry cannot be", "10,30,60"]),
        ("serial:/dev/x:retry=nan", ["retry cannot be"]),
        ("serial:/dev/x:hupcI=no", ["did you mean hupcl?"]),
        ("ip232:25232", ["ip232 is how a modem's terminal equipment connects", "tcp:PORT was expected"]),
        ("rfc2217:7001", ["listening by RFC 2217", "rfc2217:HOST:PORT"]),
        ("rfc2217:7001:interface=0.0.0.0", ["listening by RFC 2217"]),
        ("rfc2217:host", ["port is missing"]),
        ("remote:host:0", ["port", "1 to 65535"]),
        ("telnet:host:23", ["no kind of line", "serial, pty, tcp"]),
        ("", ["no kind of line"]),
    ],
)
def test_every_mistake_is_named(reactor: Reactor, text: str, words: list[str]) -> None:
    with pytest.raises(PortError) as caught:
        make_port(reactor, text)
    message = str(caught.value)
    for word in ("LINE", *words):
        assert word in message
    assert message.endswith(".")
    assert "\n" not in message


def test_every_option_is_an_argument() -> None:
    for kind in KINDS.values():
        made = getattr(importlib.import_module(kind.module), kind.class_name)
        arguments = inspect.signature(made).parameters
        assert {option.argument or key for key, option in kind.options.items()} < {*arguments}
        assert "description" in arguments


def test_only_the_needed_modules_are_imported() -> None:
    code = (
        "import sys; from vmodem.port.parse import make_port, parse_port\n"
        "parse_port('serial:/dev/x:rs485=on')\n"
        "make_port(None, 'pty:x')\n"
        "unneeded = ['serial', 'difflib', 'twisted.internet.reactor', 'vmodem.port.sockets', 'vmodem.line']\n"
        "print([name for name in unneeded if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
