"""LISTEN strings taken apart: what is listened on, and what is spoken there.

``[PROTOCOL:][haproxy:]KIND:...`` - the protocol (``telnet``, ``rfc2217`` or ``auto``) is what callers speak,
no word means raw bytes.  What does not belong here: opening anything.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from vmodem.net.address import IPAddress, literal
from vmodem.net.endpoint import split_endpoint
from vmodem.net.incoming.lent import LentError, meant

BACKLOG: Final = 128
#: Permissions of a Unix socket, unless told: its owner only.
UNIX_MODE: Final = 0o600

PROTOCOLS: Final = ("telnet", "rfc2217", "auto")
#: What can be listened on with sockets of our own, and the keys each takes; the first may stand without its
#: key.
KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "tcp": ("port", "interface", "backlog"),
    "tcp6": ("port", "interface", "backlog"),
    "unix": ("address", "mode", "backlog"),
    "tls": ("port", "interface", "backlog", "cert", "key", "clientca"),
    "udp": ("port", "interface", "idle"),
}
_ANY: Final = ipaddress.IPv4Address(0)
_PROXIED: Final = ("tcp", "tcp6", "unix", "tls")


class ListenError(Exception):
    """A listener that cannot be had; the text is one sentence naming the address and the remedy."""


@dataclass(frozen=True)
class ListenSpec:
    """A LISTEN string.  ``parse_listen`` makes it."""

    #: As it was written.
    text: str
    #: One of ``KEYS``; anything else is a Twisted server endpoint.
    kind: str
    #: What callers speak: one of ``PROTOCOLS``, "" for raw bytes.
    protocol: str = ""
    #: Behind a proxy that says who calls.
    proxied: bool = False
    #: Arguments by key.
    values: Mapping[str, str] = field(default_factory=dict)
    #: With an address and a port: where to bind, the IPv6 zone, and the port.
    ip: IPAddress = _ANY
    zone: str = ""
    port: int = 0
    #: What Twisted is asked for where the kind is not ours.
    endpoint: str = ""

    @property
    def ours(self) -> bool:
        """Whether the socket is one of our own."""
        return self.kind in KEYS

    @property
    def on_network(self) -> bool:
        """Whether it is one of our own with an address and a port."""
        return self.ours and self.kind != "unix"

    @property
    def exposure(self) -> str | None:
        """From where the listener can be reached, when that is more than this machine; else None."""
        if self.kind == "unix":
            return None
        if not self.ours:
            return None if "interface=127." in self.text else "wherever that endpoint leads"
        if self.ip.is_loopback:
            return None
        return "every network of this machine" if self.ip.is_unspecified else f"the network of {self.ip}"

    @property
    def backlog(self) -> int:
        """Connections the system keeps waiting."""
        return _number(self.text, self.values, "backlog", BACKLOG)

    @property
    def idle(self) -> float | None:
        """With ``udp``: how long a peer may be silent, in seconds (0: for ever); None: the usual time."""
        value = self.values.get("idle")
        try:
            idle = None if value is None else float(value)
        except ValueError:
            idle = -1.0
        if idle is not None and not 0 <= idle < 1e9:
            raise ListenError(f'cannot listen on "{self.text}": idle must be 0 or more seconds, like idle=60')
        return idle

    @property
    def mode(self) -> int:
        """Permissions of a Unix socket."""
        value = self.values.get("mode")
        if value is None:
            return UNIX_MODE
        try:
            mode = int(value, 8)
        except ValueError:
            mode = -1
        if not 0 <= mode <= 0o777:
            raise ListenError(f'cannot listen on "{self.text}": mode must be octal, like mode=0660')
        return mode

    @property
    def path(self) -> str:
        """Of a Unix socket."""
        path = self.values.get("address", "")
        if not path or "\0" in path:
            raise ListenError(
                f'cannot listen on "{self.text}": a path must follow, like unix:/run/vmodem.sock'
            )
        return path


def parse_listen(text: str) -> ListenSpec:
    """Take a LISTEN string apart.  Raises :class:`ListenError`."""
    words = split_endpoint(text.strip())
    rest = text.strip()
    protocol = ""
    if words[0].strip().lower() in PROTOCOLS:
        protocol = words.pop(0).strip().lower()
        rest = rest.partition(":")[2]
    proxied = bool(words) and words[0].strip().lower() == "haproxy"
    if proxied:
        words.pop(0)
        if not words or words[0].strip().lower() not in _PROXIED:
            raise ListenError(f'cannot listen on "{text}": haproxy: goes before tcp:, tcp6:, unix: or tls:')
    kind = words.pop(0).strip().lower() if words else ""
    if protocol and not kind:
        raise ListenError(f'cannot listen on "{text}": say on what, like {protocol}:tcp:2323')
    if protocol and kind == "udp":
        raise ListenError(f'cannot listen on "{text}": {protocol} needs a connection, as tcp: has')
    if kind == "systemd":
        try:
            meant(rest)
        except LentError as exc:
            raise ListenError(f'cannot listen on "{text}": {exc}') from None
    if kind not in KEYS:
        return ListenSpec(text, kind, protocol, endpoint=rest)
    values = _values(text, kind, words)
    spec = ListenSpec(text, kind, protocol, proxied, values)
    if kind == "unix":
        _ = spec.mode, spec.path
    else:
        ip, zone, port = _address(text, kind, values)
        spec = ListenSpec(text, kind, protocol, proxied, values, ip, zone, port)
    _ = spec.backlog, spec.idle
    if kind == "tls":
        for key in ("cert", "key"):
            if not values.get(key):
                raise ListenError(f'cannot listen on "{text}": {key}= must name a file; see docs/tls.md')
    return spec


def _address(text: str, kind: str, values: Mapping[str, str]) -> tuple[IPAddress, str, int]:
    port = _number(text, values, "port", None)
    usual = {"tcp6": "::", "udp": "127.0.0.1"}.get(kind, "0.0.0.0")
    host = values.get("interface", "") or usual
    if host == "localhost":
        host = "::1" if kind == "tcp6" else "127.0.0.1"
    found = literal(host)
    if found is None:
        raise ListenError(f'cannot listen on "{text}": interface= takes an address, not "{host}"')
    return found[0], found[1], port


def _values(text: str, kind: str, rest: list[str]) -> dict[str, str]:
    """The arguments of one of our own kinds by key; the first may stand without its key."""
    known = KEYS[kind]
    values: dict[str, str] = {}
    for index, part in enumerate(rest):
        key, equals, value = part.partition("=")
        if not equals or (index == 0 and key not in known):
            if index:
                raise ListenError(f'cannot listen on "{text}": "{part}" is not {"=, ".join(known)}=')
            key, value = known[0], part
        if key not in known:
            from difflib import get_close_matches

            near = get_close_matches(key, known, 1) or [" or ".join(known)]
            raise ListenError(f'cannot listen on "{text}": unknown key "{key}"; did you mean {near[0]}=')
        values[key] = value
    return values


def _number(text: str, values: Mapping[str, str], key: str, default: int | None, limit: int = 65535) -> int:
    value = values.get(key)
    if value is None and default is not None:
        return default
    if value is None or not (value.isascii() and value.isdigit() and int(value[:9]) <= limit):
        raise ListenError(f'cannot listen on "{text}": {key} must be a number up to {limit}, like tcp:8001')
    return int(value)
