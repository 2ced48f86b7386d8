"""TARGET strings: what a number stands for.

Quoted like Twisted's endpoint strings: ``:`` separates, ``\\:`` is a colon, ``\\\\`` a backslash.  What does
not belong here: reaching the target (:mod:`vmodem.call.originate`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from vmodem.net.endpoint import split_endpoint

#: Services inside this program; they take no arguments.
BUILT_INS: Final = ("help", "echo", "clock", "chargen", "discard", "loop")
#: Kinds that stand for a place on the network: the options each takes after the port, and the port that is
#: meant when none is written (None: one must be).
PLACES: Final[Mapping[str, tuple[tuple[str, ...], int | None]]] = {
    "tcp": ((), None),
    "telnet": (("cr-nul",), 23),
    "auto": ((), None),
    "rfc2217": ((), None),
    "tls": (("ca", "cert", "key", "pin"), None),
    "ssh": ((), 22),
    "udp": ((), None),
}
#: Kinds that stand for a name: a modem or a hunt group of this process, a host whose lines DNS lists.
NAMES: Final[Mapping[str, str]] = {
    "line": "a modem's name",
    "group": "a group's name",
    "vmodem": "a host name",
}
KINDS: Final = (*PLACES, "unix", "exec", *NAMES, *BUILT_INS)
#: Values an option may have; the others are file names and digests, judged where they are used.
_CHOICES: Final[Mapping[str, tuple[str, ...]]] = {"cr-nul": ("auto", "always", "never")}


class TargetError(ValueError):
    """A TARGET string that cannot be used; the text is one sentence with what was expected."""


@dataclass(frozen=True)
class Target:
    """A place to call.  ``parse_target`` makes it."""

    #: One of ``KINDS``.
    kind: str
    #: With a place: a name or an address literal, without brackets.
    host: str = ""
    port: int = 0
    #: With ``unix``.
    path: str = ""
    #: With ``exec``: the argument vector.
    argv: tuple[str, ...] = ()
    #: With ``ssh``: the account.
    user: str = ""
    #: With ``line``, ``group`` and ``vmodem``.
    name: str = ""
    #: Options as written, by key.
    options: tuple[tuple[str, str], ...] = ()

    def option(self, key: str, default: str = "") -> str:
        """The value of an option, or ``default``."""
        return dict(self.options).get(key, default)

    def __str__(self) -> str:
        if self.kind in PLACES:
            host = f"[{self.host}]" if ":" in self.host else self.host
            account = f"{self.user}@" if self.user else ""
            options = "".join(f":{key}={_escaped(value)}" for key, value in self.options)
            return f"{self.kind}:{account}{host}:{self.port}{options}"
        if self.kind == "unix":
            return f"unix:{self.path}"
        if self.kind == "exec":
            return f"exec:{' '.join(self.argv)}"
        return f"{self.kind}:{self.name}"


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
    if kind in PLACES:
        return _place(text, kind, rest)
    if kind in NAMES:
        name = rest.strip()
        if not name or any(char.isspace() or not char.isprintable() for char in name) or ":" in name:
            raise TargetError(f'"{text}" needs {NAMES[kind]}, like {kind}:front')
        return Target(kind, name=name)
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


def _place(text: str, kind: str, rest: str) -> Target:
    """``HOST:PORT`` with what may stand around it."""
    keys, usual_port = PLACES[kind]
    account = "USER@" if kind == "ssh" else ""
    port_form = ":PORT" if usual_port is None else "[:PORT]"
    expected = f'"{text}" is not {kind}:{account}HOST{port_form}'
    user = ""
    if kind == "ssh":
        user, at, rest = rest.partition("@")
        user = user.strip()
        if not at or not user or any(char.isspace() or not char.isprintable() for char in user):
            raise TargetError(f"{expected}; the account to log in to is missing")
    if rest.startswith("["):
        host, bracket, tail = rest[1:].partition("]")
        if not bracket or (tail and not tail.startswith(":")):
            raise TargetError(f"{expected}; an IPv6 address is written {kind}:{account}[2001:db8::1]:23")
        host, parts = host.replace("\\:", ":"), split_endpoint(tail[1:]) if tail else []
    else:
        host, *parts = split_endpoint(rest)
    host = _unkeyed(host, "host").strip()
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    options = _options(expected, keys, parts)
    if len(parts) > 1:
        raise TargetError(f"{expected}; put an IPv6 address in brackets")
    if not host or any(char.isspace() or not char.isprintable() for char in host):
        raise TargetError(f"{expected}; the host is missing or holds a blank")
    port_text = _unkeyed(parts[0], "port").strip() if parts else str(usual_port or "")
    if not port_text:
        raise TargetError(f"{expected}; the port is missing")
    if not (port_text.isascii() and port_text.isdigit() and 1 <= int(port_text[:6]) <= 65535):
        raise TargetError(f'{expected}; the port must be from 1 to 65535, not "{port_text}"')
    return Target(kind, host=host, port=int(port_text), user=user, options=options)


def _options(expected: str, keys: tuple[str, ...], parts: list[str]) -> tuple[tuple[str, str], ...]:
    """Take the ``key=value`` parts off the end of ``parts``."""
    found: dict[str, str] = {}
    while parts:
        key, equals, value = parts[-1].partition("=")
        if not equals or key in ("port", "host"):
            break
        if key not in keys:
            from difflib import get_close_matches

            near = get_close_matches(key, keys, 1) or keys
            hint = f"did you mean {near[0]}=" if keys else "it takes none"
            raise TargetError(f'{expected}; unknown option "{key}", {hint}')
        if key in found:
            raise TargetError(f"{expected}; {key}= stands there twice")
        if not value or (key in _CHOICES and value not in _CHOICES[key]):
            wanted = " or ".join(_CHOICES.get(key, ("a value",)))
            raise TargetError(f"{expected}; {key}= takes {wanted}")
        found[key] = value
        parts.pop()
    return tuple(reversed(found.items()))


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace(":", "\\:")


def _unkeyed(part: str, key: str) -> str:
    return part.removeprefix(f"{key}=")
