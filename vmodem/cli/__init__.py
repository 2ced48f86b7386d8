"""The command line.  Imports nothing slow: what a verb needs is imported when it runs."""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from vmodem import __version__

from .show import complain

__all__ = ["main", "parser"]

#: Where each verb is.
_VERBS = {
    "modem": "modem",
    "serve": "services",
    "redirect": "services",
    "ups": "services",
    "run": "run",
    "check": "check",
    "dial": "dial",
    "dns": "dns",
    "status": "operate",
    "top": "operate",
    "calls": "operate",
    "trace": "operate",
    "hangup": "operate",
    "busy": "operate",
    "pulse": "operate",
    "reload": "operate",
    "completion": "completion",
}
#: Why a system does not take what is printed.
_UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)
_DESCRIPTION = "A Hayes modem made of software: what the old machine dials, the network connects."
_EPILOG = """\
vmodem VERB -h shows what a verb takes, with examples.

exit codes: 0 ended in order, 1 failure, 2 wrong arguments, 69 unavailable, 77 no permission,
78 wrong configuration, 130 interrupted
"""


def parser(words: Sequence[str] = ()) -> argparse.ArgumentParser:
    """What can be said to the program: everything, or as much of it as ``words`` need."""
    made = argparse.ArgumentParser(
        prog="vmodem",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument("--version", action="version", version=f"vmodem {__version__}")
    verbs = made.add_subparsers(dest="verb", metavar="VERB", title="verbs")
    first = words[0] if words else ""
    if first in _VERBS:
        needed = [_VERBS[first]]
    else:
        needed = [] if first == "--version" else list(dict.fromkeys(_VERBS.values()))
    for module in needed:
        import_module(f"vmodem.cli.{module}").add(verbs)
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code."""
    words = sys.argv[1:] if argv is None else argv
    try:
        whole = parser(words)
        arguments = whole.parse_args(words)
        if arguments.verb is None:
            whole.print_help(sys.stderr)
            return 2
        return int(arguments.run(arguments))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output has seen enough.  Nothing more may be written, not even at the exit.
        _nothing_more()
        return 1
    except Exception as exc:
        if isinstance(exc, OSError) and exc.errno in _UNWRITABLE and exc.filename is None:
            _nothing_more()
            complain(f"the output cannot be written: {exc.strerror}")
            return 1
        code = getattr(exc, "code", None)
        if not isinstance(code, int):
            raise
        complain(str(exc))
        return code


def _nothing_more() -> None:
    """Whatever is still to be written, the exit's flush included, goes nowhere."""
    if (nowhere := os.open(os.devnull, os.O_WRONLY)) != 1:
        os.dup2(nowhere, 1)
