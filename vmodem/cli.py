"""The command line.  Imports nothing slow: what a verb needs is imported when it runs."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from vmodem import __version__

if TYPE_CHECKING:
    from vmodem.config.schema import Config

_DESCRIPTION = "A Hayes modem made of software: what the old machine dials, the network connects."
_MODEM_EXAMPLES = """\
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="vmodem", description=_DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"vmodem {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", title="verbs")
    modem = verbs.add_parser(
        "modem",
        help="one modem from arguments",
        description="One modem: terminal equipment on LINE, calls over the network.",
        epilog=_MODEM_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = modem.add_argument
    add(
        "--line",
        metavar="LINE",
        help="where the terminal equipment is: pty:LINK, serial:DEVICE, tcp:PORT, unix:PATH, "
        "rfc2217:PORT, remote:HOST:PORT, ip232:PORT, stdio: (default pty:modem0)",
    )
    add(
        "--answer",
        metavar="LISTEN",
        action="append",
        help="where calls come in; may be given again (default tcp:8001:interface=127.0.0.1)",
    )
    add("--no-answer", action="store_true", help="no calls in")
    add("--name", help="the modem's name in logs and stored settings (default modem0)")
    add("--number", metavar="DIGITS", help="the modem's own number, as it introduces itself")
    add("--init", metavar="ATSTRING", help="commands run at start, without the AT, nothing shown")
    add(
        "--entry",
        metavar="NUMBER=TARGET",
        action="append",
        help="a number of the directory; may be given again",
    )
    add("--directory", metavar="FILE", help="directory of numbers (TOML); read again on SIGHUP")
    add(
        "--allow-dial",
        metavar="RULE",
        action="append",
        help="directory, NET:PORT or NET:*; may be given again (default anything)",
    )
    add(
        "--allow-caller",
        metavar="NET",
        action="append",
        help="network callers may come from; may be given again (default any)",
    )
    add(
        "--dialect",
        choices=("rockwell", "hayes", "usr", "lenient"),
        help="result code numbers and manners (default rockwell)",
    )
    add(
        "--windows-cable",
        metavar="TARGET",
        help="answer the handshake of Windows' \"communications cable between two computers\", "
        "and join the line to TARGET",
    )
    add(
        "--state-dir",
        metavar="DIR",
        help="where settings and call records are kept (default: the user's state folder)",
    )
    add(
        "--log-format",
        choices=("text", "json"),
        default="text",
        help="how the log on standard error is written",
    )
    add("-v", "--verbose", action="count", default=0, help="log more")
    add("-q", "--quiet", action="count", default=0, help="log warnings and errors only")
    return parser


def config_from_arguments(arguments: argparse.Namespace) -> Config:
    """The configuration that the arguments of ``modem`` describe.  Raises
    :class:`vmodem.app.start.StartError` and :class:`vmodem.config.reading.ConfigError`."""
    import dataclasses

    from vmodem.app.start import EX_USAGE, StartError
    from vmodem.call.directory import parse_entry
    from vmodem.call.target import TargetError
    from vmodem.config.reading import load_directory
    from vmodem.config.schema import DEFAULT_LISTEN, Config, DirectoryConfig, ModemConfig

    given = {
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
    modem = dataclasses.replace(ModemConfig(), **values)
    entries = dict(load_directory(arguments.directory).listed) if arguments.directory else {}
    try:
        entries.update(parse_entry(text) for text in arguments.entry or ())
    except TargetError as exc:
        raise StartError(f"--entry: {exc}", EX_USAGE) from exc
    return Config(modems={modem.name: modem}, directory=DirectoryConfig(entries=entries))


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


def _modem(arguments: argparse.Namespace) -> int:
    from functools import partial

    from vmodem.app.program import run_program
    from vmodem.config.schema import DEFAULT_LINE

    return run_program(
        partial(config_from_arguments, arguments),
        state_dir=arguments.state_dir or "",
        log_format=arguments.log_format,
        verbosity=-1 if arguments.quiet else arguments.verbose,
        hints=_hints(arguments.line or DEFAULT_LINE),
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.verb is None:
        parser.print_help(sys.stderr)
        return 2
    if getattr(arguments, "no_answer", False) and arguments.answer:
        parser.error("--answer and --no-answer exclude each other")
    try:
        return _modem(arguments)
    except KeyboardInterrupt:
        return 130
    except Exception as exc:
        code = 78 if hasattr(exc, "mistakes") else getattr(exc, "code", None)
        if not isinstance(code, int):
            raise
        print(f"vmodem: {exc}", file=sys.stderr)
        return code
