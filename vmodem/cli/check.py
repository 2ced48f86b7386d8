"""``vmodem check``: everything that is wrong with a configuration file, and nothing done."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from .show import as_json, out, printable
from .verb import Verbs, add_verb, config_option, json_option, quiet_option

if TYPE_CHECKING:
    from vmodem.config.schema import Config

_EXAMPLES = """\
examples:
  vmodem check
      the file that vmodem run would take
  vmodem check -c new.toml && mv new.toml /etc/vmodem/vmodem.toml && vmodem reload
      never put a wrong file in force
  vmodem check --json | jq -r '.[] | "\\(.file):\\(.line) \\(.text)"'
      for an editor: a list of tables with file, line, key and text; empty when all is well

exit codes: 0 nothing is wrong, 78 something is
"""


def add(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(
        verbs,
        "check",
        _run,
        help="all mistakes of a configuration file at once",
        description="Read a configuration file and say everything that is wrong with it: file, line, key,\n"
        "what was expected, and the nearest valid name.  Nothing is started.",
        examples=_EXAMPLES,
    )
    config_option(parser)
    json_option(parser)
    quiet_option(parser, "say nothing when nothing is wrong")


def _run(arguments: argparse.Namespace) -> int:
    from vmodem.config import ConfigError, load_config
    from vmodem.config.search import need_config

    try:
        path = arguments.config or need_config()
        config = load_config(path)
    except ConfigError as exc:
        if arguments.json:
            out(
                as_json(
                    [
                        {"file": each.file, "line": each.line, "key": each.key, "text": each.text}
                        for each in exc.mistakes
                    ]
                )
            )
        else:
            for each in exc.mistakes:
                print(printable(str(each)), file=sys.stderr)
        return exc.code
    if arguments.json:
        out(as_json([]))
    elif not arguments.quiet:
        out(f"{printable(path)}: ok: {_summary(config)}\n")
    return 0


def _summary(config: Config) -> str:
    counts = {
        "modem": len(config.modems),
        "group": len(config.groups),
        "port": len(config.ports),
        "redirect": len(config.redirects),
        "UPS": len(config.upses),
        "number": len(config.directory.entries),
    }
    words = [
        f"{count} {word}{'' if count == 1 else 'es' if word == 'UPS' else 's'}"
        for word, count in counts.items()
        if count
    ]
    return ", ".join(words) or "it names nothing"
