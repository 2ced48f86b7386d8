"""``vmodem completion``: what a shell completes, written from the parser itself."""

from __future__ import annotations

import argparse

from .show import out
from .verb import Verbs, add_verb

_EXAMPLES = """\
examples:
  vmodem completion bash > ~/.local/share/bash-completion/completions/vmodem
  vmodem completion zsh > ~/.zfunc/_vmodem
      (with fpath+=(~/.zfunc) before compinit in ~/.zshrc)
  vmodem completion fish > ~/.config/fish/completions/vmodem.fish
"""
SHELLS = ("bash", "zsh", "fish")


def add(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(
        verbs,
        "completion",
        _run,
        help="completion for a shell",
        description="Print what makes a shell complete the words of vmodem.",
        examples=_EXAMPLES,
    )
    parser.add_argument("shell", metavar="SHELL", choices=SHELLS, help="bash, zsh or fish")


def _run(arguments: argparse.Namespace) -> int:
    from . import parser, shells

    out(shells.WRITERS[arguments.shell](shells.tree(parser())))
    return 0
