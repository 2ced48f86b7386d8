"""LINE strings as a modem takes them: where its DTE is.

A line's module is imported only when a line of its kind is made.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, Final

from vmodem.line.base import Line, LineError
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
    port_number,
    positive,
    whole,
    yes_no,
)

__all__ = ["KINDS", "ParsedLine", "make_line", "parse_line"]


def _ip232_port(value: str) -> int:
    return port_number(value or "25232")  # where emulators of that family look for a modem


def _speed(value: str) -> int | None:
    return None if value.lower() == "auto" else positive(value)


def _circuits(value: str) -> frozenset[str]:
    names = frozenset(value.lower().split(","))
    if not names <= {"dtr", "rts", "dsr", "cd", "cts"}:
        raise ValueError
    return names


#: How a serial port is set and which of its pins stand for what.
_SERIAL: Final = {
    **FRAMING,
    "wiring": choice("null-modem", "modem"),
    "dtr": choice("dcd", "dsr", "ri", "on", argument="dtr_carries"),
    "rts": choice("flow", "dcd", "ri", "on", argument="rts_carries"),
    "dtr-in": choice("dsr", "cd", "cts", "on", argument="dtr_in"),
    "invert": Option(_circuits, "names out of dtr, rts, dsr, cd and cts with commas between"),
}
_YES_NO: Final = Option(yes_no, "yes or no", choices=("yes", "no"))
_LISTENING: Final = {"port": PORT, "interface": INTERFACE}

KINDS: Final[Mapping[str, Kind]] = {
    "pty": Kind("vmodem.line.pty", "PtyLine", "link", LINK),
    "serial": Kind(
        "vmodem.line.serialport",
        "SerialLine",
        "device",
        {
            "device": DEVICE,
            **_SERIAL,
            "speed": Option(_speed, "a speed in bit/s, as 9600, or auto", choices=("auto",)),
            "exclusive": _YES_NO,
            "lock": choice("none", "uucp"),
            "latency": choice("normal", "low"),
            "hupcl": _YES_NO,
        },
    ),
    "tcp": Kind("vmodem.line.tcp", "TcpLine", "port", _LISTENING),
    "unix": Kind("vmodem.line.tcp", "UnixLine", "path", SOCKET),
    "stdio": Kind("vmodem.line.stdio", "StdioLine"),
    "ip232": Kind(
        "vmodem.line.ip232",
        "Ip232Line",
        "port",
        {
            **_LISTENING,
            "port": Option(_ip232_port, "a port number from 0 to 65535, or nothing for 25232"),
        },
    ),
    "rfc2217": Kind("vmodem.line.rfc2217", "Rfc2217Line", "port", _LISTENING),
    "remote": Kind(
        "vmodem.line.remote",
        "RemoteLine",
        "host",
        {"host": HOST, "port": HOST_PORT, **_SERIAL},
        second="port",
    ),
}


def make_line(reactor: Any, text: str) -> Line:
    """The line that ``text`` describes, not yet started.  Raises :class:`LineError`."""
    parsed = parse_line(text)
    kind = KINDS[parsed.kind]
    text = whole(text)
    line: Line = getattr(importlib.import_module(kind.module), kind.class_name)(
        reactor, description=text, **parsed.values
    )
    return line


def parse_line(text: str) -> ParsedLine:
    """What ``text`` describes; nothing is made and nothing is looked at.  Raises :class:`LineError`."""
    try:
        return linespec.parse(text, KINDS)
    except TtyError as exc:
        raise LineError(str(exc)) from None
