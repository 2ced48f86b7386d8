"""TARGET strings: what a number stands for.

Quoted like Twisted's endpoint strings: ``:`` separates, ``\\:`` is a colon, ``\\\\`` a backslash.  What does
not belong here: reaching the target (:mod:`vmodem.call.originate`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from vmodem.net.endpoint import split_endpoint

#: Services inside this program; they take no arguments.
BUILT_INS: Final = ("help", "echo", "clock", "chargen", "discard", "loop")
KINDS: Final = ("tcp", "unix", "exec", *BUILT_INS)


class TargetError(ValueError):
    """A TARGET string that cannot be used; the text is one sentence with what was expected."""


@dataclass(frozen=True)
class Target:
    """A place to call.  ``parse_target`` makes it."""

    #: One of ``KINDS``.
    kind: str
    #: With ``tcp``: a name or an address literal, without brackets.
    host: str = ""
    port: int = 0
    #: With ``unix``.
    path: str = ""
    #: With ``exec``: the argument vector.
    argv: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.kind == "tcp":
            return f"tcp:[{self.host}]:{self.port}" if ":" in self.host else f"tcp:{self.host}:{self.port}"
        if self.kind == "unix":
            return f"unix:{self.path}"
        if self.kind == "exec":
            return f"exec:{' '.join(self.argv)}"
        return f"{self.kind}:"


def parse_target(text: str) -> Target:
    """Read a TARGET string.  Raises :class:`TargetError`."""
    text = text.strip()
    kind, colon, rest = text.partition(":")
    kind = kind.strip().lower()
    if kind not in KINDS:
        raise TargetError(_unknown(text, kind, colon))
    if kind == "exec":
        return Target(kind, argv=_command(text, rest))
    if kind == "unix":
        path = ":".join(_unkeyed(part, "path") for part in split_endpoint(rest))
        if not path or "\0" in path:
            raise TargetError(f'"{text}" needs a path, like unix:/run/service.sock')
        return Target(kind, path=path)
    if kind == "tcp":
        host, port = _host_port(text, rest)
        return Target(kind, host=host, port=port)
    if rest:
        raise TargetError(f'"{text}": {kind}: takes nothing after the colon')
    return Target(kind)


def _unknown(text: str, kind: str, colon: str) -> str:
    from difflib import get_close_matches

    if not colon and kind:
        return f'"{text}" does not say what kind of target it is; write tcp:HOST:PORT'
    near = get_close_matches(kind, KINDS, 1, 0.5)
    hint = f"did you mean {near[0]}:" if near else "known are " + ", ".join(f"{known}:" for known in KINDS)
    return f'"{text}": unknown kind of target "{kind}"; {hint}'


def _command(text: str, rest: str) -> tuple[str, ...]:
    import shlex

    try:
        argv = tuple(shlex.split(rest.replace("\\:", ":")))
    except ValueError as exc:
        raise TargetError(f'"{text}": {str(exc).lower()}; close every quote') from None
    if not argv or not argv[0]:
        raise TargetError(f'"{text}" needs a command, like exec:/bin/login')
    if any("\0" in word for word in argv):
        raise TargetError(f'"{text.replace(chr(0), "?")}": a command holds no NUL')
    return argv


def _host_port(text: str, rest: str) -> tuple[str, int]:
    expected = f'"{text}" is not tcp:HOST:PORT'
    if rest.startswith("["):
        host, bracket, tail = rest[1:].partition("]")
        if not bracket or not tail.startswith(":"):
            raise TargetError(f"{expected}; an IPv6 address is written tcp:[2001:db8::1]:23")
        host, port_text = host.replace("\\:", ":"), tail[1:]
    else:
        parts = split_endpoint(rest)
        if len(parts) != 2:
            hint = "put an IPv6 address in brackets" if len(parts) > 2 else "the port is missing"
            raise TargetError(f"{expected}; {hint}")
        host, port_text = parts[0], parts[1]
    host, port_text = _unkeyed(host, "host").strip(), _unkeyed(port_text, "port").strip()
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    if not host or any(char.isspace() or not char.isprintable() for char in host):
        raise TargetError(f"{expected}; the host is missing or holds a blank")
    if not (port_text.isascii() and port_text.isdigit() and 1 <= int(port_text[:6]) <= 65535):
        raise TargetError(f'{expected}; the port must be from 1 to 65535, not "{port_text}"')
    return host, int(port_text)


def _unkeyed(part: str, key: str) -> str:
    return part.removeprefix(f"{key}=")
