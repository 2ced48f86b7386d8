"""``vmodem dns``: the configured numbers, written down for other programs."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .show import complain, out
from .verb import Verbs, add_verb, config_option

if TYPE_CHECKING:
    from vmodem.call.records import Line, Lines, Number, Records
    from vmodem.config.schema import Config, GroupConfig, ModemConfig
    from vmodem.net.incoming.spec import ListenSpec

_EXAMPLES = """\
examples:
  vmodem dns --host phone.example.net
      lines for dnsmasq: a rule for each number, and the lines of each group
  vmodem dns --format zone --host phone.example.net >> db.example.net
  vmodem dns --format avahi --host phone.example.net > /etc/avahi/services/vmodem.service
  vmodem dns --format haproxy > /etc/haproxy/conf.d/vmodem.cfg
      one listener before the modems of each group

Numbers hang below the name in [directory] enum = "...".  A group NAME is found as vmodem:NAME.HOST.

exit codes: 0 printed, 78 wrong configuration, or something in it that the format cannot say
"""
FORMATS = ("dnsmasq", "zone", "avahi", "haproxy")


def add(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(
        verbs,
        "dns",
        _run,
        help="records of the configured numbers",
        description="Print what tells others where the configured numbers are.",
        examples=_EXAMPLES,
    )
    parser.add_argument("--format", choices=FORMATS, default="dnsmasq", help="for whom (default dnsmasq)")
    parser.add_argument(
        "--host", metavar="HOST", help="this machine's name, as others know it (default its own name)"
    )
    config_option(parser)


def _run(arguments: argparse.Namespace) -> int:
    from vmodem.call.records import RecordError, render
    from vmodem.config import load_config
    from vmodem.config.search import need_config

    config = load_config(arguments.config or need_config())
    host = arguments.host
    if not host:
        import socket

        host = socket.gethostname()
    try:
        text = render(arguments.format, records(config, host, local=arguments.format == "haproxy"))
    except RecordError as exc:
        complain(str(exc))
        return 78
    out(text)
    return 0


def records(config: Config, host: str, *, local: bool = False) -> Records:
    """What there is to write of a configuration.  ``local`` says that it is for a program on this very
    machine, which reaches what others cannot."""
    from vmodem.call.directory import Directory
    from vmodem.call.records import Records, from_directory
    from vmodem.wire.dnssd import AnnouncementError, Service

    numbers, left_out = from_directory(Directory(config.directory.entries, built_ins=False))
    found: list[Number] = list(numbers)
    left: list[str] = list(left_out)
    here = host
    if not local and not any(_reached(modem, False) for modem in config.modems.values()):
        # Nothing is reached from elsewhere: the numbers are for programs of this machine.
        local, here = True, "localhost"
    services: list[Service] = []
    for modem in config.modems.values():
        if not modem.number:
            continue
        spec = _reached(modem, local)
        if spec is None:
            left.append(f"{modem.number}: modem {modem.name} answers nowhere that others reach")
            continue
        found.append(_number(modem, spec, here, found))
        plain = _reached(modem, False, plain=True)
        if plain is None:
            continue
        try:
            services.append(Service(modem.name, plain.port, found[-1].number))
        except AnnouncementError as exc:
            left.append(f"{modem.number}: {exc}")
    groups = [_group(config, group, host, here, local, left) for group in config.groups.values()]
    return Records(
        apex=config.directory.enum,
        numbers=tuple(found) if config.directory.enum else (),
        lines=tuple(group for group in groups if group is not None),
        services=tuple(services),
        left_out=tuple(left),
    )


def _number(modem: ModemConfig, spec: ListenSpec, host: str, before: list[Number]) -> Number:
    """The modem's own number; of several that have it the one that stands first is tried first."""
    from atparser.dialstring import normalise
    from vmodem.call.records import Number

    digits = normalise(modem.number)
    same = sum(each.number == digits for each in before)
    kind = "tls" if spec.kind == "tls" else spec.protocol if spec.protocol in ("telnet", "rfc2217") else "tcp"
    return Number(digits, f"{kind}:{host}:{spec.port}", preference=10 * (same + 1))


def _group(
    config: Config, group: GroupConfig, host: str, here: str, local: bool, left: list[str]
) -> Lines | None:
    from vmodem.call.records import Line, Lines

    def line(spec: ListenSpec, priority: int) -> Line:
        address = "127.0.0.1" if spec.ip.is_unspecified else str(spec.ip)
        # HAProxy connects from this very machine, and names need not resolve there.
        target = address if local and here == host else here
        return Line(target, spec.port, priority, 1, proxied=spec.proxied)

    lines: list[Line] = []
    whole = next((spec for spec in map(_spec, group.answer) if spec.proxied and spec.port), None)
    if whole is not None and local and here == host:
        return Lines(f"{group.name}.{host}", (line(whole, 10),), _bind(group) or f"*:{whole.port + 1}")
    for place, name in enumerate(group.modems, 1):
        spec = _reached(config.modems[name], local)
        if spec is None:
            left.append(f"group {group.name}: modem {name} has no listener of its own that others reach")
            continue
        # In turn where the order is linear; else all alike.
        lines.append(line(spec, 10 * place if group.order == "linear" else 10))
    if not lines:
        return None
    return Lines(f"{group.name}.{host}", tuple(lines), _bind(group))


def _spec(text: str) -> ListenSpec:
    """A LISTEN string taken apart."""
    from vmodem.net.incoming.spec import parse_listen

    return parse_listen(text)


def _bind(group: GroupConfig) -> str:
    """Where a group answers, for a program that is to do so in its place."""
    for spec in map(_spec, group.answer):
        if not spec.proxied and spec.kind in ("tcp", "tcp6"):
            ip = f"[{spec.ip}]" if spec.ip.version == 6 else str(spec.ip)
            return str(spec.port) if spec.ip.is_unspecified else f"{ip}:{spec.port}"
    return ""


def _reached(modem: ModemConfig, local: bool, *, plain: bool = False) -> ListenSpec | None:
    """The first listener with a port where the modem can be reached; ``plain``: where nothing but bytes is
    spoken, as neighbours on the local network expect."""
    from vmodem.net.incoming.spec import parse_listen

    for text in modem.answer:
        spec = parse_listen(text)
        kinds = ("tcp", "tcp6") if plain else ("tcp", "tcp6", "tls")
        if spec.kind in kinds and spec.port and (local or spec.exposure) and not (plain and spec.protocol):
            return spec
    return None
