"""Numbers and lines written down for other programs: name servers, Avahi, HAProxy.

Each format has characters that mean something in it; they are escaped, and what a format cannot say is
refused, not bent.

What does not belong here: which numbers there are (the configuration says it), and looking them up
(:mod:`vmodem.call.numbering`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from vmodem.net.address import literal
from vmodem.wire.ddds import SERVICE, URI_LIMIT, RuleError, domain
from vmodem.wire.dns import DnsError, encode_name
from vmodem.wire.dnssd import SERVICE as DNSSD_SERVICE
from vmodem.wire.dnssd import Service

from .directory import Directory, is_pattern
from .numbering import is_host, local
from .target import Target, TargetError, parse_target

#: Longest character string of a record, in bytes (RFC 1035 clause 3.3).
STRING_LIMIT: Final = 255
#: How long HAProxy lets a call be silent.
_SILENCE: Final = "24h"
_PLAIN: Final = re.compile(r"[A-Za-z0-9!$*+./:=@^_-]*")
_WORD: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class RecordError(ValueError):
    """What cannot be written in a format; the text says what and why, one line for each."""


@dataclass(frozen=True)
class Number:
    """What a number stands for in the ENUM tree."""

    number: str
    #: A TARGET string, or ``vmodem:HOST``.
    uri: str
    order: int = 100
    preference: int = 10


@dataclass(frozen=True)
class Line:
    """One modem of a service."""

    #: A host name; for HAProxy an address will do.
    target: str
    port: int
    #: Lower ones are tried first.
    priority: int = 0
    #: The share among lines of the same priority.
    weight: int = 0
    #: It is told the caller's address by the PROXY protocol (``haproxy:tcp:PORT``).
    proxied: bool = True


@dataclass(frozen=True)
class Lines:
    """The modems that ``vmodem:HOST`` hunts through; a hunt group, say."""

    host: str
    lines: tuple[Line, ...]
    #: Where HAProxy is to listen for the whole of them: a port, or ADDRESS:PORT.
    bind: str = ""


@dataclass(frozen=True)
class Records:
    """Everything there is to write."""

    #: The name the ENUM tree hangs from; needed where there are numbers.
    apex: str = ""
    numbers: tuple[Number, ...] = ()
    lines: tuple[Lines, ...] = ()
    #: Our own modems, for Avahi to announce.
    services: tuple[Service, ...] = ()
    #: What has been left out and why, written as comments.
    left_out: tuple[str, ...] = ()


def render(format: str, records: Records) -> str:  # noqa: A002 - what the option is called
    """The records in one of ``FORMATS``, ready to be put into a file.  Raises :class:`RecordError`."""
    writer = FORMATS.get(format)
    if writer is None:
        raise RecordError(f'unknown format "{format}"; known are {", ".join(FORMATS)}')
    mistakes: list[str] = []
    lines = list(writer(records, mistakes))
    if mistakes:
        raise RecordError("\n".join(mistakes))
    return "".join(f"{line}\n" for line in lines)


def from_directory(directory: Directory) -> tuple[tuple[Number, ...], tuple[str, ...]]:
    """The user's entries that can stand in an ENUM tree, and what has been left out, with the reason."""
    numbers: list[Number] = []
    left_out: list[str] = []
    for key, entry in directory.listed.items():
        digits = re.sub(r"[-(). ]", "", key)
        if is_pattern(key):
            left_out.append(f"{key}: a pattern; DNS has one name for each number")
        elif not (digits.isascii() and digits.isdigit()):
            left_out.append(f"{key}: not a number")
        elif reason := _own(entry.target):
            left_out.append(f"{key}: {reason} cannot stand in DNS")
        else:
            numbers.append(Number(digits, str(entry.target)))
    return tuple(numbers), tuple(left_out)


# -- name servers ------------------------------------------------------------------------------------------


def _dnsmasq(records: Records, mistakes: list[str]) -> Iterator[str]:
    yield from _comments(records, "# ")
    for number, name, regexp in _rules(records, mistakes):
        yield "naptr-record=" + _dnsmasq_fields(name, number.order, number.preference, "u", SERVICE, regexp)
    for name, line in _services(records, mistakes):
        yield "srv-host=" + _dnsmasq_fields(
            name, line.target.rstrip("."), line.port, line.priority, line.weight
        )


def _dnsmasq_fields(*fields: str | int) -> str:
    """Values with commas between, those in quotes that hold what means something to dnsmasq."""
    quoted = []
    for text in map(str, fields):
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        quoted.append(text if _PLAIN.fullmatch(text) else f'"{escaped}"')
    return ",".join(quoted)


def _zone(records: Records, mistakes: list[str]) -> Iterator[str]:
    yield from _comments(records, "; ")
    for number, name, regexp in _rules(records, mistakes):
        strings = " ".join(map(_zone_string, ("u", SERVICE, regexp)))
        yield f"{name}. IN NAPTR {number.order} {number.preference} {strings} ."
    for name, line in _services(records, mistakes):
        yield f"{name}. IN SRV {line.priority} {line.weight} {line.port} {line.target.rstrip('.')}."


def _zone_string(text: str) -> str:
    """A quoted string of a zone file (RFC 1035 clause 5.1)."""
    shown = ""
    for byte in text.encode():
        if byte in b'"\\':
            shown += "\\" + chr(byte)
        else:
            shown += chr(byte) if 0x20 <= byte < 0x7F else f"\\{byte:03d}"
    return f'"{shown}"'


def _rules(records: Records, mistakes: list[str]) -> Iterator[tuple[Number, str, str]]:
    """Each number with its name in the tree and its regexp."""
    if records.numbers and not records.apex:
        mistakes.append("numbers need the name their tree hangs from: enum = ... in [directory]")
        return
    for number in records.numbers:
        try:
            name = domain(number.number, records.apex)
            encode_name(name)
            regexp = f"!^.*$!{_replacement(number.uri)}!"
            if len(regexp.encode()) > STRING_LIMIT:
                raise RecordError(f"its target is longer than a record's {STRING_LIMIT} bytes")
            if not (0 <= number.order <= 65535 and 0 <= number.preference <= 65535):
                raise RecordError("order and preference are from 0 to 65535")
        except (RuleError, DnsError, RecordError) as exc:
            mistakes.append(f"{number.number}: {exc}")
        else:
            yield number, name, regexp


def _replacement(uri: str) -> str:
    """The right side of a substitution that makes ``uri`` of anything.  Raises RecordError."""
    kind, _, rest = uri.partition(":")
    if kind == "vmodem":
        if not is_host(rest):
            raise RecordError(f'"{uri}" is not vmodem:HOST')
    else:
        try:
            target = parse_target(uri)
        except TargetError as exc:
            raise RecordError(str(exc)) from None
        reason = _own(target)
        if reason:
            raise RecordError(f"{reason} cannot stand in DNS")
    if not uri.isprintable() or len(uri) > URI_LIMIT:
        raise RecordError("its target holds what is not printable, or is too long")
    return uri.replace("\\", "\\\\").replace("!", "\\!")


def _own(target: Target) -> str:
    """What about a target means something to this process only; "" when nothing does."""
    return f"{target.kind}: targets" if target.kind in ("line", "group") else local(target)


def _services(records: Records, mistakes: list[str]) -> Iterator[tuple[str, Line]]:
    """Each line with the name of its service."""
    for group in records.lines:
        host = group.host.rstrip(".")
        if not is_host(host) or len(host) > 230:
            mistakes.append(f'"{group.host}" is no host name')
            continue
        for line in group.lines:
            if literal(line.target) is not None:
                mistakes.append(f"{host}: an SRV record needs a host name, not the address {line.target}")
            elif not is_host(line.target):
                mistakes.append(f'{host}: "{line.target}" is no host name')
            elif not (1 <= line.port <= 65535 and 0 <= line.priority <= 65535 and 0 <= line.weight <= 65535):
                mistakes.append(f"{host}: port, priority and weight of {line.target} are not below 65536")
            else:
                yield f"_vmodem._tcp.{host}", line


def _comments(records: Records, mark: str) -> Iterator[str]:
    for each in records.left_out:
        yield mark + "".join(char if char.isprintable() else "?" for char in each)


# -- Avahi and HAProxy -------------------------------------------------------------------------------------


def _avahi(records: Records, mistakes: list[str]) -> Iterator[str]:
    """One document for each modem, as Avahi wants one file for each name."""
    if not records.services:
        mistakes.append("Avahi announces modems that have a number and answer on a TCP port; there is none")
    for each in records.services:
        if not _WORD.fullmatch(each.name) and len(records.services) > 1:
            mistakes.append(f'"{each.name}" does not make a file name')
            continue
        yield "<?xml version='1.0' encoding='utf-8' standalone='no'?>"
        yield '<!DOCTYPE service-group SYSTEM "avahi-service.dtd">'
        if len(records.services) > 1:
            yield f"<!-- a file of its own: /etc/avahi/services/vmodem.{_xml_comment(each.name)}.service -->"
        yield "<service-group>"
        yield f"  <name>{_xml(each.name)}</name>"
        yield "  <service>"
        yield f"    <type>{DNSSD_SERVICE}</type>"
        yield f"    <port>{each.port}</port>"
        for key, value in each.txt.items():
            yield f"    <txt-record>{_xml(f'{key}={value}')}</txt-record>"
        yield "  </service>"
        yield "</service-group>"


def _xml(text: str) -> str:
    from xml.sax.saxutils import escape

    return escape(text, {'"': "&quot;", "'": "&apos;"})


def _xml_comment(text: str) -> str:
    return re.sub("-(?=-|$)", "_", text)


def _haproxy(records: Records, mistakes: list[str]) -> Iterator[str]:
    """One listener for each group; modems that answer on ``haproxy:tcp:PORT`` hear the caller's address by
    the PROXY protocol."""
    if not records.lines:
        mistakes.append("HAProxy stands before groups of modems; there is none")
    for group in records.lines:
        where = _bind(group.bind)
        if not _WORD.fullmatch(group.host):
            mistakes.append(f'"{group.host}" does not make a name for HAProxy')
            continue
        if where is None:
            mistakes.append(f'{group.host}: "{group.bind}" is no port or ADDRESS:PORT to listen on')
            continue
        servers: list[str] = []
        for number, line in enumerate(sorted(group.lines, key=lambda line: line.priority), 1):
            place = _haproxy_host(line.target)
            if place is None or not 1 <= line.port <= 65535:
                mistakes.append(f'{group.host}: "{line.target}" port {line.port} is no place to connect to')
                continue
            # One call is all a modem takes: more go to the next.
            one = " maxconn 1" if len(group.lines) > 1 else ""
            proxy = " send-proxy" if line.proxied else ""
            servers.append(f"    server line{number} {place}:{line.port}{proxy}{one}")
        if not servers:
            mistakes.append(f"{group.host}: no line to connect to")
            continue
        yield from (
            f"frontend vmodem-{group.host}",
            "    mode tcp",
            f"    bind {where}",
            "    option clitcpka",
            f"    timeout client {_SILENCE}",
            f"    default_backend vmodem-{group.host}",
            "",
            f"backend vmodem-{group.host}",
            "    mode tcp",
            "    balance first",
            "    option srvtcpka",
            "    option redispatch 1",
            f"    retries {len(servers)}",
            "    timeout connect 5s",
            "    timeout queue 1s",
            f"    timeout server {_SILENCE}",
            *servers,
        )


def _bind(text: str) -> str | None:
    host, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdigit() and 1 <= int(port[:6]) <= 65535):
        return None
    if host in ("", "*"):
        return f"{host}:{port}"
    place = _haproxy_host(host)
    return None if place is None else f"{place}:{port}"


def _haproxy_host(host: str) -> str | None:
    found = literal(host)
    if found is None:
        return host if is_host(host) else None
    ip, zone = found
    return None if zone else f"[{ip}]" if ip.version == 6 else str(ip)


#: Who can be written for: name servers by dnsmasq's own lines or a zone file, and so on.
FORMATS: Final[dict[str, Callable[[Records, list[str]], Iterator[str]]]] = {
    "dnsmasq": _dnsmasq,
    "zone": _zone,
    "avahi": _avahi,
    "haproxy": _haproxy,
}
