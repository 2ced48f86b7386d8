"""What two tables both want: a port to listen on, a device, a link.

What does not belong here: whether the thing is there, or taken by another program; that shows at the start.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterator
from dataclasses import dataclass

from vmodem.line.base import LineError
from vmodem.line.parse import parse_line
from vmodem.net.address import IPAddress, literal
from vmodem.net.incoming.spec import ListenError, parse_listen
from vmodem.port.base import PortError
from vmodem.port.parse import parse_port
from vmodem.tty.linespec import ParsedLine

from .mistake import Finding, Path, shown
from .schema import Config

_LOOPBACK = ipaddress.IPv4Address("127.0.0.1")


@dataclass(frozen=True)
class _Claim:
    """Something that only one can have."""

    path: Path
    #: What it is: ``tcp``, ``udp``, or for whatever has a name alone, its kind and name.
    what: str
    port: int = 0
    ip: IPAddress | None = None
    #: Serves IPv4 as well.
    both: bool = False
    #: May be claimed again by those of the same class.
    shared: str = ""

    def clashes(self, other: _Claim) -> bool:
        if self.what != other.what or (self.shared and self.shared == other.shared):
            return False
        if self.ip is None or other.ip is None:
            return True
        if self.port != other.port or not self.port:
            return False
        return any(
            mine.version == theirs.version
            and (mine == theirs or mine.is_unspecified or theirs.is_unspecified)
            for mine in self._addresses()
            for theirs in other._addresses()
        )

    def _addresses(self) -> list[IPAddress]:
        assert self.ip is not None
        if self.both and self.ip == ipaddress.IPv6Address(0):
            return [self.ip, ipaddress.IPv4Address(0)]
        return [self.ip]


def clashes(config: Config) -> Iterator[Finding]:
    """Everything that two tables claim; told once, at the later of the two."""
    by_what: dict[str, list[_Claim]] = {}
    for claim in _claims(config):
        known = by_what.setdefault(claim.what, [])
        before = next((each for each in known if each.clashes(claim)), None)
        known.append(claim)
        if before is not None:
            yield Finding(claim.path, _told(claim, before))


def _told(claim: _Claim, before: _Claim) -> str:
    other = shown(before.path)
    if claim.ip is not None:
        return f"{claim.what} port {claim.port} is what {other} listens on already; choose another port"
    kind, _, name = claim.what.partition(" ")
    remedy = {
        "link": "choose another link",
        "device": "a device has one user; name another",
        "socket": "choose another path",
        "endpoint": "keep one of them",
    }.get(kind, "only one can have it")
    return f"{name or kind} is what {other} has already; {remedy}"


def _claims(config: Config) -> Iterator[_Claim]:
    for key, modem in config.modems.items():
        yield from _line(("modem", key, "line"), modem.line)
        yield from _listens(("modem", key, "answer"), modem.answer)
    for key, group in config.groups.items():
        yield from _listens(("group", key, "answer"), group.answer)
    for key, port in config.ports.items():
        yield from _line(("port", key, "line"), port.line)
        yield from _listens(("port", key, "listen"), port.listen)
    for key, redirect in config.redirects.items():
        yield from _line(("redirect", key, "port"), redirect.port)
    for key, ups in config.upses.items():
        yield from _line(("ups", key, "line"), ups.line)
        yield from _listens(("ups", key, "listen"), ups.listen, shared="ups")
    if config.panel is not None:
        yield from _listens(("panel", "listen"), (config.panel.listen,), one=True)


def _listens(path: Path, texts: tuple[str, ...], *, shared: str = "", one: bool = False) -> Iterator[_Claim]:
    for place, text in enumerate(texts):
        where = path if one else (*path, place)
        try:
            spec = parse_listen(text)
        except ListenError:
            continue  # told already
        if not spec.ours:
            yield _Claim(where, f"endpoint {spec.endpoint}", shared=shared)
        elif spec.kind == "unix":
            yield _Claim(where, f"socket {os.path.abspath(spec.path)}", shared=shared)
        else:
            what = "udp" if spec.kind == "udp" else "tcp"
            yield _Claim(where, what, spec.port, spec.ip, spec.kind == "tcp6", shared)


def _line(path: Path, text: str) -> Iterator[_Claim]:
    try:
        parsed = parse_line(text) if path[0] == "modem" else parse_port(text)
    except (LineError, PortError):
        return
    kind, values = parsed.kind, parsed.values
    if "link" in values:
        yield _Claim(path, f"link {os.path.abspath(values['link'])}")
    elif "device" in values:
        # Links below /dev/serial lead to the same devices.
        yield _Claim(path, f"device {os.path.realpath(values['device'])}")
    elif kind == "unix":
        yield _Claim(path, f"socket {os.path.abspath(values['path'])}")
    elif kind == "stdio":
        yield _Claim(path, "stdio")
    elif kind == "remote":
        yield _Claim(path, f"device {values['host']}:{values['port']}")
    elif "port" in values:
        yield _Claim(path, "tcp", values["port"], _interface(parsed))


def _interface(parsed: ParsedLine) -> IPAddress:
    found = literal(str(parsed.values.get("interface", "")))
    return found[0] if found is not None else _LOOPBACK
