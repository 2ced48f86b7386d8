"""Addresses as people write them, and as the network uses them.

One reader serves the dialler and the rules: an address is judged in the very form in which it is connected
to.  What does not belong here: names (see :mod:`vmodem.net.names.resolve`).
"""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass
from typing import Any, Final

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

#: Four groups of one to three digits are read as decimal, also with leading zeros, as devices pad them.
_DECIMAL_QUAD: Final = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
_NUMERIC: Final = re.compile(r"[0-9A-Fa-fxX]{1,24}(?:\.[0-9A-Fa-fxX]{1,24}){0,3}")


@dataclass(frozen=True)
class Destination:
    """One place to connect to."""

    family: int
    #: What ``socket.connect`` takes.
    sockaddr: Any
    #: The same for people.
    printable: str
    #: The address that rules judge; None where there is none (a Unix socket).
    ip: IPAddress | None = None
    port: int = 0


def literal(host: str) -> tuple[IPAddress, str] | None:
    """The address and the zone ("" when there is none) that ``host`` spells, or None when it is a name.

    Every spelling that C libraries take: 127.0.0.1, 127.1, 2130706433, 0x7f000001, 0177.0.0.1 (inet_aton),
    and IPv6 with or without brackets and zone (RFC 4007).  IPv4-mapped IPv6 (RFC 4291 clause 2.5.5.2) gives
    IPv4.
    """
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    if ":" in host:
        bare, _, zone = host.partition("%")
        try:
            return unmapped(ipaddress.IPv6Address(bare)), zone
        except ValueError:
            return None
    if _DECIMAL_QUAD.fullmatch(host):
        groups = [int(group) for group in host.split(".")]
        return (ipaddress.IPv4Address(bytes(groups)), "") if max(groups) <= 255 else None
    if _NUMERIC.fullmatch(host):
        try:
            return ipaddress.IPv4Address(socket.inet_aton(host)), ""
        except OSError:
            return None
    return None


def unmapped(ip: IPAddress) -> IPAddress:
    """``ip``, or the IPv4 address that it merely wraps (::ffff:a.b.c.d)."""
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    return ip


def destination(ip: IPAddress, port: int, zone: str = "") -> Destination:
    """Where ``ip`` and ``port`` are.  Raises OSError for a zone that this machine does not have."""
    if isinstance(ip, ipaddress.IPv4Address):
        return Destination(socket.AF_INET, (str(ip), port), f"{ip}:{port}", ip, port)
    scope = 0
    if zone:
        scope = int(zone) if zone.isdecimal() and len(zone) < 10 else socket.if_nametoindex(zone)
    bare = ipaddress.IPv6Address(int(ip))
    shown = f"{bare}%{zone}" if zone else str(bare)
    return Destination(socket.AF_INET6, (str(bare), port, 0, scope), f"[{shown}]:{port}", bare, port)


def printable(sockaddr: Any) -> str:
    """A socket address for people: ``10.0.0.1:23``, ``[fe80::1%2]:23``, ``unix`` for one without a name."""
    if not isinstance(sockaddr, tuple):
        name = sockaddr.decode("utf-8", "replace") if isinstance(sockaddr, bytes) else sockaddr
        return f"unix:{name}" if name else "unix"
    found = literal(sockaddr[0])
    if found is None:
        return f"{sockaddr[0]}:{sockaddr[1]}"
    ip, zone = found
    if not zone and len(sockaddr) > 3 and sockaddr[3]:
        zone = str(sockaddr[3])
    shown = f"{ip}%{zone}" if zone else str(ip)
    return f"{shown}:{sockaddr[1]}" if ip.version == 4 else f"[{shown}]:{sockaddr[1]}"
