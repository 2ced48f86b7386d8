"""LINE strings: what is accepted, and that every mistake is named."""

from __future__ import annotations

import subprocess
import sys
from operator import attrgetter
from typing import Any

import pytest

from tests.helpers.reactors import Reactor
from vmodem.line.base import LineError
from vmodem.line.parse import KINDS, make_line
from vmodem.line.pty import PtyLine
from vmodem.line.serialport import SerialLine
from vmodem.line.stdio import StdioLine
from vmodem.line.tcp import TcpLine, UnixLine


@pytest.mark.parametrize(
    ("text", "kind", "values"),
    [
        ("pty:./modem0", PtyLine, {"_pty._mode": 0o660, "_pty._owner": None}),
        ("pty:link=./modem0", PtyLine, {"_pty._mode": 0o660}),
        (
            r"pty:/tmp/a\:b\=c:owner=uucp:group=14:mode=0600",
            PtyLine,
            {"_pty._owner": "uucp", "_pty._mode": 0o600},
        ),
        ("serial:/dev/ttyS0", SerialLine, {"_port._device": "/dev/ttyS0", "rate": 9600}),
        (
            "serial:/dev/ttyS0:speed=115200:flow=rtscts",
            SerialLine,
            {"rate": 115200, "_port.settings.flow.value": "rtscts"},
        ),
        ("/dev/ttyUSB0", SerialLine, {"_port._device": "/dev/ttyUSB0"}),
        ("/dev/ttyUSB0:speed=300", SerialLine, {"_port._device": "/dev/ttyUSB0", "rate": 300}),
        ("COM7", SerialLine, {"_port._device": "COM7"}),
        ("com12:speed=300", SerialLine, {"_port._device": "com12"}),
        ("tcp:8001", TcpLine, {"port": 8001, "interface": "127.0.0.1"}),
        (r"tcp:0:interface=\:\:1", TcpLine, {"port": 0, "interface": "::1"}),
        ("unix:/run/x:mode=0660", UnixLine, {"path": "/run/x", "_mode": 0o660}),
        ("stdio:", StdioLine, {}),
        ("stdio", StdioLine, {}),
    ],
)
def test_accepted(reactor: Reactor, text: str, kind: type, values: dict[str, Any]) -> None:
    line = make_line(reactor, text)
    assert type(line) is kind
    assert {name: attrgetter(name)(line) for name in values} == values
    assert line.description == (f"serial:{text}" if text[0] in "/Cc" else text)


def test_a_path_may_hold_anything(reactor: Reactor) -> None:
    line = make_line(reactor, r"pty:/tmp/a\:b\=c\\d")
    assert isinstance(line, PtyLine)
    assert line._pty._link.path == r"/tmp/a:b=c\d"


@pytest.mark.parametrize(
    "options",
    [
        "bits=7:parity=E:stop=2",
        "bits=5:parity=n:stop=1.5",
        "parity=M",
        "flow=xonxoff",
        "flow=dsrdtr",
        "wiring=modem",
        "dtr=ri:rts=dcd:dtr-in=cd",
        "invert=dtr,cd:exclusive=no",
        "lock=uucp:latency=low:hupcl=no",
    ],
)
def test_serial_options(reactor: Reactor, options: str) -> None:
    assert isinstance(make_line(reactor, f"serial:/dev/ttyS0:{options}"), SerialLine)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ptty:x", ["'ptty'", "no kind of line", "did you mean pty?"]),
        ("", ["no kind of line", "pty, serial, tcp, unix, stdio"]),
        ("Serial:/dev/ttyS0", ["did you mean serial?"]),
        ("pty", ["link is missing", "path"]),
        ("pty:", ["link cannot be ''", "path"]),
        ("pty:x:y", ["'y' has no key", "key=value"]),
        ("pty:x:owner", ["'owner' has no key", "did you mean owner?"]),
        ("pty:x:onwer=uucp", ["'onwer'", "did you mean owner?"]),
        ("pty:x:mode=0999", ["mode", "'0999'", "octal"]),
        ("pty:x:mode=77777", ["mode", "octal"]),
        ("pty:x:mode=", ["mode"]),
        ("pty:x:mode=0600:mode=0660", ["mode is given twice"]),
        ("pty:x:link=y", ["link is given twice"]),
        ("pty:/tmp/a=b", ["'/tmp/a'", "no key of pty", r"\="]),
        ("pty:x\\", ["backslash"]),
        ("serial", ["device is missing"]),
        ("serial:/dev/x:speed=fast", ["speed", "'fast'", "bit/s"]),
        ("serial:/dev/x:speed=0", ["speed"]),
        ("serial:/dev/x:spede=9600", ["'spede'", "did you mean speed?"]),
        ("serial:/dev/x:bits=9", ["bits", "5, 6, 7 or 8"]),
        ("serial:/dev/x:parity=X", ["parity", "N, E, O, M or S"]),
        ("serial:/dev/x:stop=3", ["stop", "1, 1.5 or 2"]),
        ("serial:/dev/x:flow=rtsct", ["flow", "did you mean rtscts?"]),
        ("serial:/dev/x:wiring=nullmodem", ["wiring", "did you mean null-modem?"]),
        ("serial:/dev/x:dtr=cts", ["dtr", "one of dcd, dsr, ri, on"]),
        ("serial:/dev/x:invert=ri", ["invert", "with commas"]),
        ("serial:/dev/x:exclusive=maybe", ["exclusive", "yes or no"]),
        ("serial:/dev/x:flow=rtscts:rts=ri", ["flow=rtscts needs RTS", "rts=flow"]),
        ("serial:/dev/x:flow=rtscts:wiring=modem", ["flow=rtscts needs RTS", "carry dcd"]),
        ("serial:/dev/x:flow=rtscts:dtr-in=cts", ["flow=rtscts needs CTS"]),
        ("serial:/dev/x:flow=dsrdtr:dtr-in=dsr", ["flow=dsrdtr needs DSR"]),
        ("serial:/dev/x:flow=dsrdtr:dtr=dcd", ["flow=dsrdtr needs DTR"]),
        ("tcp:http", ["port", "'http'", "0 to 65535"]),
        ("tcp:65536", ["port"]),
        ("tcp:-1", ["port"]),
        ("tcp:8001:host=x", ["'host'", "tcp knows port, interface"]),
        ("tcp:8001:127.0.0.1", ["'127.0.0.1' has no key"]),
        ("unix:", ["path"]),
        ("stdio:x", ["'x' has no key"]),
        ("stdio:x=y", ["stdio knows none"]),
    ],
)
def test_every_mistake_is_named(reactor: Reactor, text: str, words: list[str]) -> None:
    with pytest.raises(LineError) as caught:
        make_line(reactor, text)
    message = str(caught.value)
    for word in (text if "/dev" not in text else "LINE", *words):
        assert word.replace("\\", "\\\\") in message or word in message
    assert message.endswith(".")
    assert "\n" not in message


def test_only_the_needed_modules_are_imported() -> None:
    code = (
        "import sys; from vmodem.line.parse import make_line\n"
        "make_line(None, 'pty:x')\n"
        "unneeded = ['serial', 'difflib', 'twisted.internet.endpoints', 'twisted.internet.reactor',"
        " 'vmodem.line.tcp', 'vmodem.line.stdio']\n"
        "print([name for name in unneeded if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_every_option_is_an_argument(reactor: Reactor) -> None:
    import importlib
    import inspect

    for kind in KINDS.values():
        made = getattr(importlib.import_module(kind.module), kind.class_name)
        arguments = inspect.signature(made).parameters
        assert {option.argument or key for key, option in kind.options.items()} < {*arguments}
        assert "description" in arguments
