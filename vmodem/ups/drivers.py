"""Drivers by name: from what a configuration says to a driver that can be started.

What does not belong here: the port, which whoever calls this has made from :func:`line_for`'s LINE.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from vmodem.port.base import Port, Settings

from . import cables
from .model import Driver, Ups

KINDS: Final = ("contact", "megatec", "apcsmart")
#: Of both protocols: 2400 bit/s, 8N1, no flow control.
SETTINGS: Final = Settings(rate=2400)


def line_for(kind: str, line: str, cable: int = 0, override: Mapping[str, str] | None = None) -> str:
    """The LINE that the port of this driver is to be made from.  Raises ValueError for a cable that means
    nothing."""
    return cables.line_for(line, cables.cable(cable, override)) if kind == "contact" else line


def make_driver(
    kind: str,
    reactor: Any,
    port: Port,
    ups: Ups,
    *,
    poll_s: float = 2.0,
    cable: int = 0,
    override: Mapping[str, str] | None = None,
    options: Mapping[str, str] | None = None,
) -> Driver:
    """The driver of this kind for the UPS behind ``port``; it is set as ``ups.driver``.

    ``poll_s`` is held between 0.2 and 10 s, for nothing older than 15 s is ever served.  ``cable`` and
    ``override`` are for ``contact``, ``options`` for the others.  Raises ValueError for what means nothing.
    """
    driver = _made(kind, reactor, port, ups, poll_s, cable, override or {}, options or {})
    from vmodem import __version__

    ups.fix(
        {
            "device.type": "ups",
            "driver.name": kind,
            "driver.version": __version__,
            "driver.parameter.port": port.description,
            "driver.parameter.pollinterval": f"{poll_s:g}",
        }
    )
    ups.driver = driver
    return driver


def check(
    kind: str,
    *,
    cable: int = 0,
    override: Mapping[str, str] | None = None,
    options: Mapping[str, str] | None = None,
) -> None:
    """Judge what a configuration says, without making anything.  Raises ValueError."""
    if kind == "contact":
        cables.cable(cable, override)
        if options:
            raise ValueError("contact has no options; write changes of the cable into cable_override")
        return
    if kind == "megatec":
        from . import megatec

        megatec.read_options(options or {})
    elif kind == "apcsmart":
        from . import apcsmart

        apcsmart.read_options(options or {})
    else:
        raise _unknown(kind)


def _made(
    kind: str,
    reactor: Any,
    port: Port,
    ups: Ups,
    poll_s: float,
    cable: int,
    override: Mapping[str, str],
    options: Mapping[str, str],
) -> Driver:
    if kind == "contact":
        from .contact import ContactDriver

        return ContactDriver(reactor, port, ups, cables.cable(cable, override), poll_s=poll_s)
    # Who writes a speed into the LINE means it.
    settings = None if ":speed=" in port.description else SETTINGS
    if kind == "megatec":
        from .megatec import MegatecDriver

        return MegatecDriver(reactor, port, ups, poll_s=poll_s, settings=settings, options=options)
    if kind == "apcsmart":
        from .apcsmart import ApcSmartDriver

        return ApcSmartDriver(reactor, port, ups, poll_s=poll_s, settings=settings, options=options)
    raise _unknown(kind)


def _unknown(kind: str) -> ValueError:
    return ValueError(f'there is no driver "{kind}"; {", ".join(KINDS)} were expected')
