"""Drivers by name: from what a configuration says to a driver that can be started.

What does not belong here: the port, which whoever calls this has made from :func:`line_for`'s LINE.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from vmodem.port.base import Port, Settings
from vmodem.port.parse import parse_port

from . import cables
from .model import Driver, Ups

KINDS: Final = ("contact", "megatec", "apcsmart")
#: LINEs behind which there can be a cable.
WITH_CIRCUITS: Final = ("serial", "remote", "rfc2217")
#: Data older than 15 s is never served, so a UPS is asked at least this often, in seconds, and no more often
#: than that.
POLL_LIMIT_S: Final = 10.0
POLL_LEAST_S: Final = 0.2
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
        }
    )
    ups.driver = driver
    set_poll(ups, poll_s)
    return driver


def set_poll(ups: Ups, poll_s: float) -> None:
    """Ask this UPS so often from its next poll on; held as in :func:`make_driver`."""
    assert ups.driver is not None
    ups.driver.poll_s = min(max(poll_s, POLL_LEAST_S), POLL_LIMIT_S)
    ups.fix({"driver.parameter.pollinterval": f"{ups.driver.poll_s:g}"})


def mistakes(
    kind: str,
    line: str,
    *,
    cable: int = 0,
    override: Mapping[str, str] | None = None,
    options: Mapping[str, str] | None = None,
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Everything that is wrong with what a configuration says of a driver, without making anything: the key
    (and the key in that table), and what was expected.  ``line`` is a good LINE."""
    if kind == "contact":
        where = parse_port(line).kind
        if where not in WITH_CIRCUITS:
            yield ("line",), f"{where}: has no circuits that a cable could use; serial: or remote: has"
        if options:
            yield ("options",), "contact has none; changes of the cable stand in cable_override"
        row = cable
        try:
            cables.cable(row)
        except ValueError as exc:
            row = 0
            yield ("cable",), str(exc)
        yield from _judged("cable_override", override or {}, lambda given: cables.cable(row, given))
        return
    for key, given in (("cable", cable), ("cable_override", override)):
        if given:
            yield (key,), f"{kind} has no cable to choose; contact has"
    yield from _judged("options", options or {}, _reader(kind))


def _judged(
    key: str, given: Mapping[str, str], judge: Callable[[Mapping[str, str]], object]
) -> Iterator[tuple[tuple[str, ...], str]]:
    """What is wrong with each text of a table by itself; if nothing is, what is wrong with all of them."""
    fine = True
    for name, text in given.items():
        try:
            judge({name: text})
        except ValueError as exc:
            fine = False
            yield (key, name), str(exc)
    if fine:
        try:
            judge(given)
        except ValueError as exc:
            yield (key,), str(exc)


def _reader(kind: str) -> Callable[[Mapping[str, str]], object]:
    if kind == "megatec":
        from . import megatec

        return megatec.read_options
    if kind == "apcsmart":
        from . import apcsmart

        return apcsmart.read_options
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
