"""``vmodem serve``, ``redirect`` and ``ups``: one table of a configuration, from arguments."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from .verb import Verbs, add_verb, log_options, state_option, verbosity

if TYPE_CHECKING:
    from vmodem.config.schema import Config

_SERVE = """\
examples:
  vmodem serve --line /dev/ttyUSB0 --listen rfc2217:tcp:7001:interface=127.0.0.1
      a serial port for programs of this machine that speak RFC 2217
  vmodem serve --line /dev/ttyS0 --listen tcp:7002 --allow-caller 192.0.2.0/24 --clients share
      raw bytes for several clients of one network
  vmodem serve --line remote:192.0.2.9:7001 --listen telnet:tcp:7003:interface=127.0.0.1 --capture line.pcap
      somebody else's port, with a record of every byte

exit codes: 0 ended in order, 2 wrong arguments, 69 unavailable (port or device in use), 77 no permission
"""
_REDIRECT = """\
examples:
  vmodem redirect --port pty:/tmp/com1 --to rfc2217:192.0.2.9:7001
      a local port whose other end is on a device server; speed and format travel
  vmodem redirect --port pty:/tmp/scale --to tls:192.0.2.9:7002:ca=/etc/plant.pem

exit codes: 0 ended in order, 2 wrong arguments, 69 unavailable, 77 no permission
"""
_UPS = """\
examples:
  vmodem ups --line serial:/dev/ttyS0:speed=2400 --driver megatec --name rack \\
      --listen tcp:3493:interface=127.0.0.1
      then: upsc rack@localhost
  vmodem ups --line /dev/ttyS1 --driver contact --cable 3 --name old --listen tcp:3493:interface=127.0.0.1

  vmodem ups --line /dev/ttyS0 --driver megatec --name rack --listen tcp:3493:interface=127.0.0.1 \\
      --option no-vendor=yes --hook "onbatt=/usr/local/bin/on-battery rack"

Users and their rights stand in a configuration file ([user.NAME]); without one nothing can be changed.

exit codes: 0 ended in order, 2 wrong arguments, 69 unavailable, 77 no permission
"""


def add(verbs: Verbs) -> None:
    """Add the verbs."""
    _add_serve(verbs)
    _add_redirect(verbs)
    _add_ups(verbs)


def _add_serve(verbs: Verbs) -> None:
    parser = add_verb(
        verbs,
        "serve",
        partial(_run, "port"),
        help="network clients share a serial line",
        description="One port of a serial device server: network clients share the equipment on LINE.",
        examples=_SERVE,
    )
    option = parser.add_argument
    option("--line", metavar="LINE", required=True, help="where the equipment is: serial:DEVICE, remote:...")
    option("--listen", metavar="LISTEN", action="append", help="where clients connect; may be given again")
    option("--connect", metavar="TARGET", action="append", help="whom to connect to; may be given again")
    option("--connect-on", choices=("start", "data", "dsr"), help="when to (default start)")
    option("--name", metavar="NAME", default="port0", help="the port's name in logs (default port0)")
    option("--clients", choices=("one", "kick", "share", "observe"), help="several clients (default one)")
    option("--max-clients", metavar="N", type=int, help="most clients at one time (default 16)")
    option("--control", choices=("any", "writer", "none"), help="who may change settings (default any)")
    option("--write-lock", metavar="SECONDS", type=float, help="who wrote keeps the others waiting so long")
    option(
        "--slow", choices=("drop-oldest", "close", "block"), help="clients that do not read (default close)"
    )
    option("--queue", metavar="BYTES", type=int, help="kept for a client that does not read (default 65536)")
    option("--printer", action="store_true", default=None, help="what the device sends is dropped")
    option("--history", metavar="BYTES", type=int, help="sent first to a new client")
    option("--banner", metavar="TEXT", help="sent to a client when it connects")
    option("--open-string", metavar="TEXT", help="sent to the device before the first client")
    option("--close-string", metavar="TEXT", help="sent to the device after the last client")
    option("--mark-errors", action="store_true", default=None, help="breaks and damage marked as by PARMRK")
    option("--pulse", metavar="NAME=STEPS", action="append", help='for vmodem pulse: "reset=-dtr 100 +dtr"')
    option("--idle-timeout", metavar="SECONDS", type=float, help="close a client after so long a silence")
    option("--session-limit", metavar="SECONDS", type=float, help="close a client after so long")
    option("--allow-caller", metavar="NET", action="append", help="who may connect; may be given again")
    option("--open", action="store_true", default=None, help="anybody who reaches the listener may connect")
    _common(parser)


def _add_redirect(verbs: Verbs) -> None:
    parser = add_verb(
        verbs,
        "redirect",
        partial(_run, "redirect"),
        help="a local port whose other end is elsewhere",
        description="A local virtual port whose other end is on the network.",
        examples=_REDIRECT,
    )
    option = parser.add_argument
    option("--port", metavar="LINE", required=True, help="the local port: pty:LINK")
    option(
        "--to", metavar="TARGET", required=True, help="its other end: rfc2217:HOST:PORT, tcp:, telnet:, tls:"
    )
    option("--name", metavar="NAME", default="redirect0", help="its name in logs (default redirect0)")
    _common(parser)


def _add_ups(verbs: Verbs) -> None:
    parser = add_verb(
        verbs,
        "ups",
        partial(_run, "ups"),
        help="watch a UPS for Network UPS Tools clients",
        description="Watch a UPS on a serial line, and tell clients of Network UPS Tools.",
        examples=_UPS,
    )
    option = parser.add_argument
    option("--line", metavar="LINE", required=True, help="where the UPS is")
    option("--driver", choices=("contact", "megatec", "apcsmart"), required=True, help="what it speaks")
    option("--listen", metavar="LISTEN", action="append", required=True, help="where clients connect")
    option("--name", metavar="UPSNAME", required=True, help="what clients call it")
    option("--description", metavar="TEXT", help="shown to clients")
    option("--cable", metavar="N", type=int, help="number in the cable table, with contact")
    option("--cable-override", metavar="KEY=VALUE", action="append", help="a change of that row: lb=+dsr")
    option("--option", metavar="KEY=VALUE", action="append", help="for the other drivers: no-vendor=yes")
    option("--hook", metavar="EVENT=COMMAND", action="append", help="run at onbatt, online, lowbatt ...")
    option("--cert", metavar="FILE", help="certificate for clients that ask for TLS")
    option("--key", metavar="FILE", help="its key, where it is not in the same file")
    option("--poll", metavar="SECONDS", type=float, help="how often it is asked (default 2)")
    option("--udp", action="store_true", default=None, help="answer the old UDP query form, too")
    option("--allow-caller", metavar="NET", action="append", help="who may connect; may be given again")
    state_option(parser)
    log_options(parser)


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--capture", metavar="FILE", help="write down every byte with direction and time")
    parser.add_argument(
        "--pack",
        metavar="KEY=VALUE",
        action="append",
        help="idle=, max_age=, max_size=, delimiter=, after=, strip=: when a packet leaves; "
        "may be given again",
    )
    state_option(parser)
    log_options(parser)


#: Options whose key has another name.
_KEYS = {"allow_caller": "allow_callers", "option": "options", "hook": "hooks", "pulse": "pulses"}
#: Options that are given again and again, as KEY=VALUE.
_TABLES = ("cable_override", "options", "hooks", "pack", "pulses")
_OURS = frozenset(("verb", "run", "parser", "name", "state_dir", "log_format", "verbose", "quiet"))


def config_from_arguments(kind: str, arguments: argparse.Namespace) -> Config:
    """The configuration that the arguments describe.  Raises :class:`vmodem.config.ConfigError`, with exit
    code 2."""
    from vmodem.config.load import config_from_tree
    from vmodem.config.mistake import ConfigError, Mistake

    table: dict[str, Any] = {
        _KEYS.get(key, key): value
        for key, value in vars(arguments).items()
        if key not in _OURS and value is not None
    }
    for key in _TABLES:
        if key in table:
            table[key] = {name: value for name, _, value in (text.partition("=") for text in table[key])}
    if "pack" in table:
        table["pack"] = {name: _value(name, text) for name, text in table["pack"].items()}
    config, wrong = config_from_tree({kind: {arguments.name: table}})
    if not wrong:
        return config
    names = {key: option for option, key in _KEYS.items()}
    mistakes = []
    for each in wrong:
        key, *more = map(str, each.path[2:]) if len(each.path) > 2 else ("name",)
        word = "--" + names.get(key, key).replace("_", "-")
        mistakes.append(Mistake("", 0, " ".join([word, *more]) if key in _TABLES else word, each.text))
    error = ConfigError(mistakes)
    error.code = 2
    raise error


def _value(key: str, text: str) -> Any:
    """The value of a key of ``pack``: a number where it can be one."""
    if key == "delimiter":
        return text
    if text in ("true", "false"):
        return text == "true"
    number: Callable[[str], Any]
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text


def _run(kind: str, arguments: argparse.Namespace) -> int:
    from vmodem.app.program import run_program

    if kind == "port" and not (arguments.listen or arguments.connect):
        arguments.parser.error("--listen or --connect is needed")
    return run_program(
        partial(config_from_arguments, kind, arguments),
        state_dir=arguments.state_dir or "",
        log_format=arguments.log_format,
        verbosity=verbosity(arguments),
    )
