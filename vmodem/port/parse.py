"""LINE strings as equipment is written with: where it is, and how it is set.

A port's module is imported only when a port of its kind is made.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from vmodem.port.base import Port, PortError
from vmodem.tty import linespec
from vmodem.tty.error import TtyError
from vmodem.tty.linespec import (
    DEVICE,
    FRAMING,
    HOST,
    HOST_PORT,
    INTERFACE,
    LINK,
    PORT,
    SOCKET,
    Kind,
    Option,
    ParsedLine,
    choice,
    whole,
    yes_no,
)

if TYPE_CHECKING:
    from vmodem.tty.rs485 import Rs485

__all__ = ["KINDS", "ParsedLine", "make_port", "parse_port"]

_RS485: Final = "no, or on with any of rts-low, echo, before=MS and after=MS behind a comma"
#: No driver waits longer, in milliseconds.
_DELAY_MS: Final = 100
#: The longest pause before a device is opened again, in seconds.
_PAUSE_S: Final = 3600.0


def _rs485(value: str) -> Rs485 | None:
    from vmodem.tty.rs485 import Rs485

    words = value.lower().split(",")
    if words[0] in ("no", "off") and len(words) == 1:
        return None
    if words[0] not in ("on", "yes"):
        raise ValueError
    found: dict[str, Any] = {}
    for word in words[1:]:
        name, equals, number = word.partition("=")
        if word == "rts-low":
            found["rts_on_send"] = False
        elif word == "echo":
            found["receive_while_sending"] = True
        elif name in ("before", "after") and equals and 0 <= int(number) <= _DELAY_MS:
            found[name] = int(number)
        else:
            raise ValueError
    return Rs485(**found)


def _pauses(value: str) -> tuple[float, ...]:
    pauses = tuple(float(word) for word in value.split(","))
    if not all(0 < pause <= _PAUSE_S for pause in pauses):
        raise ValueError
    return pauses


_ON_OFF: Final = Option(yes_no, "on or off", choices=("on", "off"))
_YES_NO: Final = Option(yes_no, "yes or no", choices=("yes", "no"))
_RETRY: Final = Option(_pauses, "seconds up to 3600 behind commas, as 10,30,60")
#: What a modem's LINE has and equipment has not.
_WIRING: Final = "we are the computer on this cable, and its pins are what they are"
_NOT_HERE: Final = {"wiring": _WIRING, "dtr-in": _WIRING, "invert": _WIRING}
_REMOTE: Final = Kind(
    "vmodem.port.remote",
    "RemotePort",
    "host",
    {"host": HOST, "port": HOST_PORT, **FRAMING, "dtr": _ON_OFF, "rts": _ON_OFF, "retry": _RETRY},
    second="port",
    refused=_NOT_HERE,
)

KINDS: Final[Mapping[str, Kind]] = {
    "serial": Kind(
        "vmodem.port.serial",
        "SerialPort",
        "device",
        {
            "device": DEVICE,
            **FRAMING,
            "dtr": _ON_OFF,
            "rts": _ON_OFF,
            "hupcl": _YES_NO,
            "exclusive": _YES_NO,
            "lock": choice("none", "uucp"),
            "latency": choice("normal", "low"),
            "errors": choice("count", "mark"),
            "rs485": Option(_rs485, _RS485),
            "retry": _RETRY,
        },
        refused=_NOT_HERE,
    ),
    "pty": Kind(
        "vmodem.port.pty", "PtyPort", "link", {**LINK, "bits": FRAMING["bits"], "parity": FRAMING["parity"]}
    ),
    "tcp": Kind("vmodem.port.sockets", "TcpPort", "port", {"port": PORT, "interface": INTERFACE}),
    "unix": Kind("vmodem.port.sockets", "UnixPort", "path", SOCKET),
    "remote": _REMOTE,
    "rfc2217": _REMOTE,
    "stdio": Kind("vmodem.port.stdio", "StdioPort"),
}

_MODEMS: Final = "is how a modem's terminal equipment connects, which no other equipment does"
_REFUSED: Final = {"ip232": f"ip232 {_MODEMS}; tcp:PORT was expected"}
_LISTENING: Final = re.compile(r"rfc2217:(port=)?\d+(:interface=.*)?$")


def make_port(reactor: Any, line_text: str) -> Port:
    """The equipment that a LINE describes, not yet started.  Raises :class:`PortError`."""
    parsed = parse_port(line_text)
    kind = KINDS[parsed.kind]
    port: Port = getattr(importlib.import_module(kind.module), kind.class_name)(
        reactor, description=whole(line_text), **parsed.values
    )
    return port


def parse_port(line_text: str) -> ParsedLine:
    """What a LINE describes; nothing is made and nothing is looked at.

    Raises :class:`PortError` for every mistake, in one sentence that names the part and what was expected.
    """
    if _LISTENING.match(line_text):
        raise PortError(
            f"LINE {line_text!r}: listening by RFC 2217 is for a modem's terminal equipment; "
            "rfc2217:HOST:PORT was expected, or listen on the other side."
        )
    try:
        return linespec.parse(line_text, KINDS, _REFUSED)
    except TtyError as exc:
        raise PortError(str(exc)) from None
