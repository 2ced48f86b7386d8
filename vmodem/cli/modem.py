"""``vmodem modem``: one modem from arguments."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .verb import Verbs, add_verb, log_options, state_option, verbosity

if TYPE_CHECKING:
    from vmodem.call.directory import Entry
    from vmodem.config.mistake import Mistake
    from vmodem.config.schema import Config

_EXAMPLES = """\
examples:
  vmodem modem
      one modem on the pseudo-terminal ./modem0, calls in on port 8001 of this machine
  vmodem modem --line serial:/dev/ttyUSB0:speed=9600:flow=rtscts --answer tcp:8001 --init 'S0=1&D2'
      a machine on a serial cable; calls from the network are answered at the first ring
  vmodem modem --entry 5551234=tcp:192.0.2.7:23 --allow-dial directory
      one number, and nothing else can be dialled
  vmodem modem --line tcp:2300 --no-answer
      the terminal equipment is an emulator that connects to port 2300

exit codes: 0 ended in order, 2 wrong arguments, 69 unavailable (port or link in use),
77 no permission, 78 wrong directory file
"""

#: The options whose keys in the configuration have another name.
_OPTIONS = {"allow_callers": "--allow-caller"}


def add(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(
        verbs,
        "modem",
        _run,
        help="one modem from arguments",
        description="One modem: terminal equipment on LINE, calls over the network.",
        examples=_EXAMPLES,
    )
    option = parser.add_argument
    option(
        "--line",
        metavar="LINE",
        help="where the terminal equipment is: pty:LINK, serial:DEVICE, tcp:PORT, unix:PATH, "
        "rfc2217:PORT, remote:HOST:PORT, ip232:PORT, stdio: (default pty:modem0)",
    )
    option(
        "--answer",
        metavar="LISTEN",
        action="append",
        help="where calls come in; may be given again (default tcp:8001:interface=127.0.0.1)",
    )
    option("--no-answer", action="store_true", help="no calls in")
    option("--name", metavar="NAME", help="the modem's name in logs and stored settings (default modem0)")
    option("--number", metavar="DIGITS", help="the modem's own number, as it introduces itself")
    option("--init", metavar="ATSTRING", help="commands run at start, without the AT, nothing shown")
    option(
        "--entry",
        metavar="NUMBER=TARGET",
        action="append",
        help="a number of the directory; may be given again",
    )
    option("--directory", metavar="FILE", help="directory of numbers (TOML); read again on SIGHUP")
    option(
        "--allow-dial",
        metavar="RULE",
        action="append",
        help="directory, NET:PORT or NET:*; may be given again (default anything)",
    )
    option(
        "--allow-caller",
        metavar="NET",
        action="append",
        help="network callers may come from; may be given again (default any)",
    )
    option(
        "--dialect",
        choices=("rockwell", "hayes", "usr", "lenient"),
        help="result code numbers and manners (default rockwell)",
    )
    option(
        "--windows-cable",
        metavar="TARGET",
        help='answer the handshake of Windows\' "communications cable between two computers", '
        "and join the line to TARGET",
    )
    state_option(parser)
    log_options(parser)


def config_from_arguments(arguments: argparse.Namespace) -> Config:
    """The configuration that the arguments describe.  Raises :class:`vmodem.config.ConfigError`, with exit
    code 2 where an argument is wrong."""
    import dataclasses

    from vmodem.config.check import check
    from vmodem.config.mistake import ConfigError, Finding
    from vmodem.config.schema import DEFAULT_LISTEN, Config, DirectoryConfig, ModemConfig

    given: dict[str, Any] = {
        "line": arguments.line,
        "answer": () if arguments.no_answer else tuple(arguments.answer or (DEFAULT_LISTEN,)),
        "name": arguments.name,
        "number": arguments.number,
        "init": arguments.init,
        "allow_dial": tuple(arguments.allow_dial) if arguments.allow_dial else None,
        "allow_callers": tuple(arguments.allow_caller) if arguments.allow_caller else None,
        "dialect": arguments.dialect,
        "windows_cable": arguments.windows_cable,
    }
    values = {key: value for key, value in given.items() if value is not None}
    mistakes = list(_judged(values))
    entries = _entries(arguments, mistakes)
    if not mistakes:
        modem = dataclasses.replace(ModemConfig(), **values)
        config = Config(modems={modem.name: modem}, directory=DirectoryConfig(entries=entries))
        found: list[Finding] = check(config)
        if not found:
            return config
        mistakes = [_mistake(*_place(each), each.text) for each in found]
    error = ConfigError(mistakes)
    error.code = 2
    raise error


def _judged(values: dict[str, Any]) -> Iterator[Mistake]:
    """What is wrong with each value by itself."""
    from vmodem.config.grammar import ERRORS, JUDGES, reason
    from vmodem.config.schema import ModemConfig

    for key, judge in JUDGES[ModemConfig].items():
        value = values.get(key, ())
        if value == "" == getattr(ModemConfig, key):
            continue
        for text in (value,) if isinstance(value, str) else value:
            try:
                judge(text)
            except ERRORS as exc:
                yield _mistake(_option(key), reason(exc))


def _entries(arguments: argparse.Namespace, mistakes: list[Mistake]) -> dict[str, Entry]:
    from vmodem.call.directory import parse_entry
    from vmodem.config.grammar import ERRORS, reason, target
    from vmodem.config.reading import load_directory

    entries = dict(load_directory(arguments.directory).listed) if arguments.directory else {}
    for text in arguments.entry or ():
        try:
            number, entry = parse_entry(text)
            target(text.partition("=")[2])
            entries[number] = entry
        except ERRORS as exc:
            mistakes.append(_mistake("--entry", reason(exc)))
    return entries


def _place(found: Any) -> tuple[str, ...]:
    """The argument where something is wrong that several say together."""
    if found.path[0] == "directory":
        return ("--entry", f"{found.path[1]}: ")
    return (_option(str(found.path[2])), "")


def _option(key: str) -> str:
    return _OPTIONS.get(key, "--" + key.replace("_", "-"))


def _mistake(option: str, *text: str) -> Mistake:
    from vmodem.config.mistake import Mistake

    return Mistake("", 0, option, "".join(text))


def _hints(line: str) -> list[str]:
    kind, _, rest = line.partition(":")
    hints = []
    if kind == "pty":
        path = os.path.abspath(rest.split(":")[0])
        hints.append(f"Attach a terminal:  picocom {path}   (or minicom -D, screen, tio; any speed)")
    elif kind in ("tcp", "unix"):
        hints.append(f"Connect the terminal equipment to {line}")
    return [
        *hints,
        "Then type:  ATDT0 for help    ATDT100 echo    ATDT101 clock    ATDT102 test text",
        "            ATDThost:port any TCP service;  +++ (a second's silence around it), then ATH hangs up",
        "Ctrl-C here ends it.",
    ]


def _run(arguments: argparse.Namespace) -> int:
    from functools import partial

    from vmodem.app.program import run_program
    from vmodem.config.schema import DEFAULT_LINE

    if arguments.no_answer and arguments.answer:
        arguments.parser.error("--answer and --no-answer exclude each other")
    return run_program(
        partial(config_from_arguments, arguments),
        state_dir=arguments.state_dir or "",
        log_format=arguments.log_format,
        verbosity=verbosity(arguments),
        hints=_hints(arguments.line or DEFAULT_LINE),
    )
