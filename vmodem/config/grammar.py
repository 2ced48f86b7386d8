"""Texts that have a grammar of their own, judged: LINE, LISTEN, TARGET, rules, names.

A judge takes a text and raises ValueError, or the error of the room that knows the grammar, with one sentence
that says what was expected.  What does not belong here: what several texts mean together (check.py).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import Final

from atparser.dialstring import normalise, parse_dial
from vmodem.call.target import KINDS as TARGETS
from vmodem.call.target import TargetError, parse_target
from vmodem.line.base import LineError
from vmodem.line.parse import parse_line
from vmodem.net.address import literal
from vmodem.net.admission.limits import CallerLimits
from vmodem.net.admission.rules import AccessError, CallerRules, DialRules
from vmodem.net.incoming.spec import KEYS, PROTOCOLS, ListenError, parse_listen
from vmodem.net.tls.settings import TlsClientSettings, TlsError, check_client
from vmodem.port.base import PortError
from vmodem.port.parse import parse_port

from .mistake import escaped, nearest
from .schema import (
    DirectoryConfig,
    GroupConfig,
    ModemConfig,
    Pack,
    PanelConfig,
    PortConfig,
    RedirectConfig,
    UpsConfig,
    UserConfig,
)

Judge = Callable[[str], None]

#: What judges raise.
ERRORS: Final = (ValueError, LineError, PortError, ListenError, TlsError, TargetError, AccessError)
#: What an UPS can do that a user may be allowed: the protocol's words.
ACTIONS: Final = ("SET", "FSD")
#: Events of a UPS that commands can be run at.
HOOKS: Final = ("onbatt", "lowbatt", "online", "replbatt", "commbad", "commok", "fsd", "shutdown")
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
_LABEL: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
#: Hosts without a port, where one is usual.
DNS_PORT: Final = 53


def name(text: str) -> None:
    """The name of a modem, group, port ...: it is part of file names, log lines and targets."""
    if _NAME.fullmatch(text) is None:
        raise ValueError(
            f'"{text}" is no name; up to 64 letters, digits, "_", "-" and "." were expected, '
            "not beginning with a dot or a dash"
        )


def line(text: str) -> None:
    """A LINE."""
    path(text)
    parse_line(text)


def equipment(text: str) -> None:
    """A LINE as seen from the computer, where equipment is."""
    path(text)
    parse_port(text)


def listen(text: str) -> None:
    """A LISTEN."""
    path(text)
    spec = parse_listen(text)
    if spec.ours or spec.kind == "systemd":
        return
    known = (*KEYS, *PROTOCOLS, "systemd", "haproxy")
    if spec.kind not in _foreign():
        raise ListenError(
            f'cannot listen on "{text}": unknown kind "{spec.kind}"; {nearest(spec.kind, known)}:'
        )


def target(text: str) -> None:
    """A TARGET."""
    path(text)
    parsed = parse_target(text)
    if parsed.kind == "tls":
        check_client(TlsClientSettings(parsed.host, **dict(parsed.options)))


def number_or_target(text: str) -> None:
    """What a leased line leads to: a TARGET, or anything that could be dialled."""
    if text.partition(":")[0].strip().lower() in TARGETS:
        target(text)
    elif not text.strip() or not text.isprintable():
        raise ValueError(f'"{text}" is neither a number nor a target like tcp:HOST:PORT')


def number(text: str) -> None:
    """A modem's own number."""
    if not normalise(text):
        raise ValueError(f'"{text}" is no number; digits were expected, as 5551000')


def networks(text: str) -> None:
    """A network callers may come from."""
    CallerRules([text])


def dial_rule(text: str) -> None:
    """What may be dialled."""
    DialRules([text])


def domain(text: str) -> None:
    """A name in DNS."""
    labels = text.rstrip(".").split(".")
    if len(text) > 253 or any(_LABEL.fullmatch(label) is None for label in labels):
        raise ValueError(f'"{text}" is no domain name, as e164.example.net')


def resolver(text: str) -> None:
    """The address of a name server."""
    resolver_address(text)


def resolver_address(text: str) -> tuple[str, int]:
    """The address and the port of ``ADDRESS[:PORT]`` (``[2001:db8::1]:53``).  Raises ValueError."""
    host, port = text.strip(), ""
    if host.startswith("["):
        host, bracket, rest = host[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            host = ""
        port = rest[1:]
        given = rest.startswith(":")
    else:
        given = host.count(":") == 1
        if given:
            host, _, port = host.partition(":")
    if literal(host) is None:
        raise ValueError(f'"{text}" is no address of a name server, as 127.0.0.1:5353 or [2001:db8::1]:53')
    if given and not (port.isascii() and port.isdigit() and 1 <= int(port[:6]) <= 65535):
        raise ValueError(f'"{text}" needs a port from 1 to 65535 after the last colon, or none')
    return host, int(port) if given else DNS_PORT


def action(text: str) -> None:
    """What a user of a UPS may do."""
    if text not in ACTIONS:
        raise ValueError(f'unknown right "{text}"; {nearest(text.upper(), ACTIONS)}')


def command(text: str) -> None:
    """A command with its arguments."""
    import shlex

    try:
        argv = shlex.split(text)
    except ValueError as exc:
        raise ValueError(f'"{text}": {str(exc).lower()}; close every quote') from None
    if not argv or not argv[0] or "\0" in text:
        raise ValueError(f'"{text}" is no command, as /usr/local/bin/on-battery')


def path(text: str) -> None:
    """A file, or what names one."""
    if "\0" in text:
        raise ValueError("a path holds no NUL")
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        raise ValueError(f'"{text}" cannot be written in the character set of this locale') from None


def word(text: str) -> None:
    """One word that is shown to people and programs."""
    if not text.strip() or not text.isprintable():
        raise ValueError(f'"{text}" is no word that can be shown')


def free(text: str) -> None:
    """Any text."""


def _foreign() -> frozenset[str]:
    """Kinds of listeners that only Twisted knows.  Looked for when somebody names one."""
    from twisted.internet.interfaces import IStreamServerEndpointStringParser
    from twisted.plugin import getPlugins

    found = {str(plugin.prefix) for plugin in getPlugins(IStreamServerEndpointStringParser)}
    return frozenset({*found, "ssl"})


#: For each table, who judges the text (or each text) of a key.  An empty text where that is the default is
#: never judged.  Keys of numbers and choices are not here; every other key is.
JUDGES: Final[Mapping[type, Mapping[str, Judge]]] = {
    ModemConfig: {
        "name": name,
        "line": line,
        "answer": listen,
        "allow_callers": networks,
        "allow_certificates": word,
        "password": free,
        "busy_text": free,
        "number": number,
        "init": free,  # which commands there are depends on the dialect: check.py
        "allow_dial": dial_rule,
        "default": target,
        "windows_cable": target,
        "pair": networks,
        "pair_secret": free,
        "leased": number_or_target,
    },
    GroupConfig: {
        "name": name,
        "modems": name,
        "answer": listen,
        "allow_callers": networks,
        "allow_certificates": word,
        "password": free,
        "busy_text": free,
        "pair": networks,
        "pair_secret": free,
    },
    DirectoryConfig: {"enum": domain, "resolver": resolver},
    PortConfig: {
        "name": name,
        "line": equipment,
        "listen": listen,
        "connect": target,
        "banner": free,
        "open_string": free,
        "close_string": free,
        "pulses": word,
        "allow_callers": networks,
        "allow_certificates": word,
        "password": free,
        "capture": path,
    },
    RedirectConfig: {"name": name, "port": equipment, "to": target, "capture": path},
    UpsConfig: {
        "name": name,
        "line": equipment,
        "listen": listen,
        "cable_override": word,
        "options": word,
        "description": free,
        "hooks": command,
        "cert": path,
        "key": path,
        "allow_callers": networks,
    },
    UserConfig: {"name": name, "password": free, "actions": action, "instcmds": word},
    PanelConfig: {"listen": listen},
    Pack: {"delimiter": free},
    CallerLimits: {},
}

#: Tables whose keys are fixed, and those keys.
KEYS_OF: Final[Mapping[tuple[type, str], tuple[str, ...]]] = {(UpsConfig, "hooks"): HOOKS}

#: Keys without which a table means nothing.
REQUIRED: Final[Mapping[type, tuple[str, ...]]] = {
    GroupConfig: ("modems",),
    PortConfig: ("line",),
    RedirectConfig: ("port", "to"),
    UpsConfig: ("line",),
    PanelConfig: ("listen",),
}

#: The least value of a number; of every other it is 0.
LEAST: Final[Mapping[tuple[type, str], int]] = {
    (CallerLimits, "pending"): 1,
    (PortConfig, "max_clients"): 1,
    (PortConfig, "queue"): 1,
}
#: The largest value of any number: more is a slip of the finger.
MOST: Final = 1 << 31


def reason(exc: BaseException) -> str:
    """What a judge said, fit for a terminal."""
    return escaped(str(exc))


def dialled(text: str) -> bool:
    """Whether ``text`` spells out an address, so that no directory is asked for it."""
    return parse_dial(text).address() is not None
