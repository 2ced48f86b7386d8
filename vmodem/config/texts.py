"""Where in a configuration which texts stand: every listener, every target, every line, with its place.

What does not belong here: which of them are good.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from vmodem.call.target import Target, TargetError, parse_target
from vmodem.line.base import LineError
from vmodem.line.parse import parse_line
from vmodem.net.incoming.spec import ListenError, ListenSpec, parse_listen
from vmodem.port.base import PortError
from vmodem.port.parse import parse_port
from vmodem.tty.linespec import ParsedLine

from .mistake import Path
from .schema import Config

#: Keys of a modem that hold a target.
WAYS: Final = ("default", "windows_cable", "leased")


def target_of(text: str) -> Target | None:
    """The target that a text is, or None: a number, or a mistake that was told already."""
    if not text:
        return None
    try:
        return parse_target(text)
    except TargetError:
        return None


def targets(config: Config) -> Iterator[tuple[Path, Target]]:
    """Every target of the configuration, with its place."""
    for number, entry in config.directory.entries.items():
        yield ("directory", number), entry.target
    texts: list[tuple[Path, str]] = []
    for key, modem in config.modems.items():
        texts += [(("modem", key, each), getattr(modem, each)) for each in WAYS]
    for key, redirect in config.redirects.items():
        texts.append((("redirect", key, "to"), redirect.to))
    for key, port in config.ports.items():
        texts += [(("port", key, "connect", place), text) for place, text in enumerate(port.connect)]
    for path, text in texts:
        target = target_of(text)
        if target is not None:
            yield path, target


def listens(config: Config) -> Iterator[tuple[Path, str, bool]]:
    """Every listener with its place, and whether a list says who may."""
    for key, modem in config.modems.items():
        for place, text in enumerate(modem.answer):
            yield ("modem", key, "answer", place), text, modem.allow_callers is not None
    for key, group in config.groups.items():
        for place, text in enumerate(group.answer):
            yield ("group", key, "answer", place), text, group.allow_callers is not None
    for key, port in config.ports.items():
        for place, text in enumerate(port.listen):
            yield ("port", key, "listen", place), text, port.allow_callers is not None
    for key, ups in config.upses.items():
        for place, text in enumerate(ups.listen):
            yield ("ups", key, "listen", place), text, ups.allow_callers is not None
    if config.panel is not None:
        yield ("panel", "listen"), config.panel.listen, False


def listen_spec(text: str) -> ListenSpec | None:
    """The LISTEN that a text is, or None: a mistake that was told already."""
    try:
        return parse_listen(text)
    except ListenError:
        return None


def lines(config: Config) -> Iterator[tuple[Path, str, ParsedLine]]:
    """Every LINE, as it is written and taken apart, with its place."""
    found: list[tuple[Path, str]] = [
        (("modem", key, "line"), each.line) for key, each in config.modems.items()
    ]
    found += [(("port", key, "line"), each.line) for key, each in config.ports.items()]
    found += [(("redirect", key, "port"), each.port) for key, each in config.redirects.items()]
    found += [(("ups", key, "line"), each.line) for key, each in config.upses.items()]
    for path, text in found:
        try:
            yield path, text, parse_line(text) if path[0] == "modem" else parse_port(text)
        except (LineError, PortError):
            continue  # told already
