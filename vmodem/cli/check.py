"""``vmodem check``: everything that is wrong with a configuration file, and nothing done."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .show import as_json, out, printable, warn
from .verb import Verbs, add_verb, config_option, json_option, quiet_option, state_folder, state_option

if TYPE_CHECKING:
    from vmodem.config.schema import Config

_EXAMPLES = """\
examples:
  vmodem check
      the file that vmodem run would take
  vmodem check -c new.toml && mv new.toml /etc/vmodem/vmodem.toml && vmodem reload
      never put a wrong file in force
  vmodem check --json | jq -r '.[] | "\\(.file):\\(.line) \\(.text)"'
      for an editor: a list of tables with file, line, key, text and severity; empty when all is well

With an error vmodem run does not start.  A warning is what only a call fails with, or what has to be there by
the time it starts: a device, a folder, an address, a permission.

exit codes: 0 nothing is wrong (there may be warnings), 78 something is
"""


def add(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(
        verbs,
        "check",
        _run,
        help="all mistakes of a configuration file at once",
        description="Read a configuration file and say everything that is wrong with it, and with what it\n"
        "names on this machine: file, line, key, what was expected, and the nearest valid name.\n"
        "Nothing is started.",
        examples=_EXAMPLES,
    )
    config_option(parser)
    state_option(parser)
    json_option(parser)
    quiet_option(parser, "say nothing but what is wrong")


def _run(arguments: argparse.Namespace) -> int:
    from vmodem.config import Config, ConfigError
    from vmodem.config.load import examine
    from vmodem.config.mistake import Mistake
    from vmodem.config.search import need_config
    from vmodem.modem.folder import unusable

    config, path = Config(), ""
    try:
        path = arguments.config or need_config()
        config, found = examine(path)
    except ConfigError as exc:
        found = list(exc.mistakes)
    wrong = any(not each.warning for each in found)
    folder = state_folder(arguments)
    reason = unusable(folder)
    if reason:
        text = f"state folder {folder} cannot be used ({reason}): settings will not be kept"
        found.append(Mistake(path, 0, "", f"{text}; name another with --state-dir", True))
    if arguments.json:
        out(
            as_json(
                [
                    {
                        "file": each.file,
                        "line": each.line,
                        "key": each.key,
                        "text": each.text,
                        "severity": "warning" if each.warning else "error",
                    }
                    for each in found
                ]
            )
        )
    else:
        for each in found:
            warn(printable(str(each)))
    if wrong:
        return ConfigError.code
    if not (arguments.json or arguments.quiet):
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
