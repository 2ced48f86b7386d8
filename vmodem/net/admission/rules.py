"""Who may be dialled, and who may call: rules over addresses.

Rules are judged on addresses, never on names or spellings: whoever asks resolves first and connects to the
very address that was judged, so a name cannot mean one thing to the rule and another to the call.

What does not belong here: the directory, and what happens to a call that is refused.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from vmodem.net.address import IPAddress, literal, unmapped

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

#: Never dialled unless a rule names them: they reach the neighbourhood, everybody, or ourselves by accident.
_RESERVED: Final[Sequence[tuple[str, Network]]] = (
    ("link-local", ipaddress.IPv4Network("169.254.0.0/16")),
    ("link-local", ipaddress.IPv6Network("fe80::/10")),
    ("multicast", ipaddress.IPv4Network("224.0.0.0/4")),
    ("multicast", ipaddress.IPv6Network("ff00::/8")),
    ("unspecified", ipaddress.IPv4Network("0.0.0.0/8")),
    ("unspecified", ipaddress.IPv6Network("::/128")),
    ("broadcast", ipaddress.IPv4Network("255.255.255.255/32")),
    ("machine metadata", ipaddress.IPv6Network("fd00:ec2::254/128")),
)
#: Prefixes whose addresses carry an IPv4 address that a gateway would go to, and where its last bit is.
_CARRIERS: Final = (
    (ipaddress.IPv6Network("64:ff9b::/96"), 0),  # RFC 6052, NAT64
    (ipaddress.IPv6Network("2002::/16"), 80),  # RFC 3056, 6to4
)
_RULE: Final = re.compile(
    r"\s*(?:\[(?P<six>[^\]]*)\](?P<mask>/[0-9]+)?|(?P<net>[^\[\]:]*)):(?P<port>[^:]*)\s*"
)


class AccessError(ValueError):
    """A rule that cannot be used; the text is one sentence with the remedy."""


@dataclass(frozen=True)
class Decision:
    """What the rules say, and which of them said it (for the log)."""

    allowed: bool
    rule: str


@dataclass(frozen=True)
class _Rule:
    text: str
    network: Network
    port: int | None = None

    def holds(self, ip: IPAddress) -> bool:
        return ip.version == self.network.version and ip in self.network


class DialRules:
    """What may be dialled.  ``rules`` are ``directory``, ``NET:PORT`` and ``NET:*`` (``[NET]:PORT`` for
    IPv6); None means anything.  Link-local, multicast, unspecified and broadcast addresses are never dialled
    unless a rule names a network within them.  Raises :class:`AccessError`.
    """

    def __init__(self, rules: Sequence[str] | None = None) -> None:
        self._anything = rules is None
        texts = [rule.strip() for rule in rules or ()]
        self._directory = self._anything or "directory" in texts
        self._rules = [_dial_rule(text) for text in texts if text != "directory"]

    @property
    def directory(self) -> Decision:
        """Whether the directory's own targets may be called, whatever their address."""
        if self._directory:
            return Decision(True, "anything" if self._anything else "directory")
        return Decision(False, "the directory is not among the allowed")

    def judge(self, ip: IPAddress, port: int, *, listed: bool = False) -> Decision:
        """Whether ``ip`` may be called on ``port``; ``listed`` says that the directory named it."""
        ip = unmapped(ip)
        for rule in self._rules:
            if rule.holds(ip) and rule.port in (None, port):
                if _reserved(ip) is None or _names_reserved(rule.network):
                    return Decision(True, rule.text)
        kind = _reserved(ip)
        if kind is not None:
            return Decision(False, f"{kind} addresses need a rule that names them")
        if self._anything:
            return Decision(True, "anything")
        if listed and self._directory:
            return Decision(True, "directory")
        return Decision(False, "no rule allows it")


class CallerRules:
    """Who may call in: networks (10.0.0.0/8, 2001:db8::/32) and single addresses; None means anybody who can
    reach the listener.  Raises :class:`AccessError`.
    """

    def __init__(self, rules: Sequence[str] | None = None) -> None:
        self._rules = None if rules is None else [_Rule(text, _network(text.strip(), text)) for text in rules]

    def __str__(self) -> str:
        if self._rules is None:
            return "anybody"
        return ", ".join(rule.text for rule in self._rules) or "nobody"

    def judge(self, host: str) -> Decision:
        """Whether a caller at ``host`` (an address literal; "" for a Unix socket) is let in.  Those on a Unix
        socket are: the file system has already judged them."""
        if self._rules is None:
            return Decision(True, "anybody")
        if not host:
            return Decision(True, "unix socket")
        found = literal(host)
        if found is not None:
            for rule in self._rules:
                if rule.holds(found[0]):
                    return Decision(True, rule.text)
        return Decision(False, "no rule lets this address call")


def _dial_rule(text: str) -> _Rule:
    found = _RULE.fullmatch(text)
    if found is None:
        hint = "put an IPv6 network in brackets" if text.count(":") > 1 else "write NET:PORT or NET:*"
        raise AccessError(f'dial rule "{text}" is not "directory", NET:PORT or NET:*; {hint}')
    port_text = found["port"].strip()
    port: int | None = None
    if port_text != "*":
        if not (port_text.isascii() and port_text.isdigit() and 1 <= int(port_text[:6]) <= 65535):
            raise AccessError(f'dial rule "{text}" needs a port from 1 to 65535, or *, after the colon')
        port = int(port_text)
    net = found["net"]
    if net is None:
        net = found["six"] + (found["mask"] or "")
    return _Rule(text, _network(net.strip(), text), port)


def _network(net: str, text: str) -> Network:
    """The network that a rule names, an IPv4-mapped one as IPv4."""
    if net.startswith("[") and net.endswith("]"):
        net = net[1:-1]
    try:
        network = ipaddress.ip_network(net, strict=False)
        exact = "/" not in net or network.network_address == ipaddress.ip_address(net.partition("/")[0])
    except ValueError as exc:
        raise AccessError(
            f'"{text}" names no network ({_why(net, exc)}); write one like 10.0.0.0/8 or a single address'
        ) from None
    if not exact:
        raise AccessError(f'"{text}" has address bits beyond its mask; write {network}')
    if isinstance(network, ipaddress.IPv6Network) and network.network_address.ipv4_mapped is not None:
        if network.prefixlen >= 96:
            return ipaddress.IPv4Network((network.network_address.ipv4_mapped, network.prefixlen - 96))
    return network


def _why(net: str, exc: ValueError) -> str:
    return "nothing stands there" if not net else str(exc).replace(repr(net), "it")


def _reserved(ip: IPAddress) -> str | None:
    """What kind of special address this is, or carries."""
    for kind, network in _RESERVED:
        if ip.version == network.version and ip in network:
            return kind
    if isinstance(ip, ipaddress.IPv6Address):
        for carrier, shift in _CARRIERS:
            if ip in carrier:
                return _reserved(ipaddress.IPv4Address((int(ip) >> shift) & 0xFFFFFFFF))
        if int(ip) >> 32 == 0 and int(ip) > 1:
            return "IPv4-compatible"  # RFC 4291 clause 2.5.5.1: out of use
    return None


def _names_reserved(network: Network) -> bool:
    """Whether a rule was written for special addresses, and does not merely happen to contain some."""
    kind = _reserved(network.network_address)
    return kind is not None and kind == _reserved(network.broadcast_address)
