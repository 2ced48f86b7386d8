"""``vmodem run``: everything a configuration file names."""

from __future__ import annotations

import argparse

from .verb import Verbs, add_verb, config_option, log_options, state_option, verbosity

_EXAMPLES = """\
examples:
  vmodem run
      what ./vmodem.toml names, or the user's file, or the system's
  vmodem run -c /etc/vmodem/vmodem.toml --state-dir /var/lib/vmodem --log-format json
      as a service

SIGHUP (or vmodem reload) reads the file again, and no call is dropped; SIGTERM ends in order.

exit codes: 0 ended in order, 69 unavailable (port, device or link in use), 77 no permission,
78 wrong configuration
"""


def add(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(
        verbs,
        "run",
        _run,
        help="everything a configuration file names",
        description="Run modems, groups, ports and all the rest that a configuration file names.",
        examples=_EXAMPLES,
    )
    config_option(parser)
    state_option(parser)
    log_options(parser)


def _run(arguments: argparse.Namespace) -> int:
    import os
    from functools import partial

    from vmodem.app.program import run_program
    from vmodem.config.load import load_to_run
    from vmodem.config.search import need_config

    path = os.path.abspath(arguments.config) if arguments.config else need_config()
    return run_program(
        partial(load_to_run, path),
        state_dir=arguments.state_dir or "",
        log_format=arguments.log_format,
        verbosity=verbosity(arguments),
    )
