"""What the verbs of the command line have in common: how one is added, and the options that several take."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

#: Adds a verb to those there are.
Verbs = Any
Run = Callable[[argparse.Namespace], int]


def add_verb(
    verbs: Verbs,
    name: str,
    run: Run,
    *,
    help: str,  # noqa: A002 - argparse calls it so
    description: str,
    examples: str,
) -> argparse.ArgumentParser:
    """The parser of a new verb; ``run`` does what it says and returns the exit code."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        name,
        help=help,
        description=description,
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(run=run, parser=parser)
    return parser


def config_option(parser: argparse.ArgumentParser) -> None:
    """Which configuration file."""
    parser.add_argument(
        "-c",
        "--config",
        metavar="FILE",
        help="configuration file (default ./vmodem.toml, then the user's, then the system's)",
    )


def state_option(parser: argparse.ArgumentParser) -> None:
    """Where what outlives the process is kept, and its control socket."""
    parser.add_argument(
        "--state-dir",
        metavar="DIR",
        help="settings, call records and the control socket (default: the user's state folder)",
    )


def json_option(parser: argparse.ArgumentParser) -> None:
    """For programs."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def log_options(parser: argparse.ArgumentParser) -> None:
    """How much a program that runs for long says, and how."""
    parser.add_argument(
        "--log-format",
        choices=("text", "json"),
        default="text",
        help="how the log on standard error is written",
    )
    talk_options(parser, "log more", "log warnings and errors only")


def talk_options(parser: argparse.ArgumentParser, more: str, less: str) -> None:
    """How much is said."""
    parser.add_argument("-v", "--verbose", action="count", default=0, help=more)
    quiet_option(parser, less)


def quiet_option(parser: argparse.ArgumentParser, less: str) -> None:
    """Say little."""
    parser.add_argument("-q", "--quiet", action="count", default=0, help=less)


def verbosity(arguments: argparse.Namespace) -> int:
    """-1 (warnings), 0, or 1 and more (everything)."""
    return -1 if arguments.quiet else int(arguments.verbose)


def state_folder(arguments: argparse.Namespace) -> str:
    """The state folder that is meant."""
    if arguments.state_dir:
        return str(arguments.state_dir)
    from vmodem.modem.folder import default_folder

    return default_folder()
