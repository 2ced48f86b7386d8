"""The command line.  Imports nothing slow: what a verb needs is imported when it runs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from vmodem import __version__

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


def _modem(arguments: argparse.Namespace) -> int:
    from vmodem.app import ModemConfig, run_modem, with_options

    answer = tuple(arguments.answer) if arguments.answer else None
    config = with_options(
        ModemConfig(),
        line=arguments.line,
        answer=() if arguments.no_answer else answer,
        name=arguments.name,
        number=arguments.number,
        init=arguments.init,
        entries=tuple(arguments.entry) if arguments.entry else None,
        directory=arguments.directory,
        allow_dial=tuple(arguments.allow_dial) if arguments.allow_dial else None,
        allow_callers=tuple(arguments.allow_caller) if arguments.allow_caller else None,
        dialect=arguments.dialect,
        state_dir=arguments.state_dir,
    )
    verbosity = -1 if arguments.quiet else arguments.verbose
    return run_modem(config, log_format=arguments.log_format, verbosity=verbosity)


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
        code = getattr(exc, "code", None)
        if not isinstance(code, int):
            raise
        print(f"vmodem: {exc}", file=sys.stderr)
        return code
