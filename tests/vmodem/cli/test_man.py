"""The manual page: what it says of verbs and options is what the parser knows, no more and no less."""

from __future__ import annotations

import re
import subprocess

from tests.helpers.process import ROOT
from tests.helpers.programs import need
from vmodem.cli import parser
from vmodem.cli.shells import tree

PAGE = ROOT / "docs" / "man" / "vmodem.1"
TEXT = re.sub(r"\\f[A-Z]", "", PAGE.read_text()).replace("\\-", "-")


def sections() -> dict[str, str]:
    """The text below each ``.SS vmodem VERB``."""
    parts = re.split(r"^\.SS vmodem (\S+).*\n", TEXT, flags=re.MULTILINE)[1:]
    return {
        verb: re.split(r"^\.SH ", text, flags=re.MULTILINE)[0]
        for verb, text in zip(parts[::2], parts[1::2], strict=True)
    }


def options(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", "\n".join(re.findall(r"^\.B.*", text, re.MULTILINE))))


def test_every_verb_with_its_options() -> None:
    found = sections()
    verbs = {verb.name: verb for verb in tree(parser()) if verb.name}
    assert set(found) == set(verbs)
    for name, verb in verbs.items():
        known = {each for option in verb.options for each in option.names}
        assert options(found[name]) == known - {"-h", "--help"}, name


def test_every_option_is_explained() -> None:
    """Those of several verbs stand in a section of their own."""
    known = {each for verb in tree(parser()) for option in verb.options for each in option.names}
    explained = {name for line in re.findall(r"^\.TP\n(\.B.*)", TEXT, re.MULTILINE) for name in options(line)}
    assert explained == known


def test_it_is_well_formed() -> None:
    (mandoc,) = need("mandoc")
    done = subprocess.run([mandoc, "-T", "lint", "-W", "warning", str(PAGE)], capture_output=True, text=True)
    # Dates are for packagers, and a folder has two pages that name each other.
    said = [line for line in done.stdout.splitlines() if "date" not in line]
    assert said == []
