"""What the text of this project may not say."""

from __future__ import annotations

import re

import pytest

from tests.house.tree import ROOT, project_files

# Paths that exist on one machine and not in a checkout. In pieces, for this file is read too.
ELSEWHERE = re.compile(rb"\.\./" + rb"shared\b|(?<![\w.])/" + rb"work/")


def elsewhere(text: bytes) -> list[str]:
    return [line.decode(errors="replace") for line in text.splitlines() if ELSEWHERE.search(line)]


def test_names_no_place_outside_the_checkout() -> None:
    files = project_files()
    assert ROOT / "setup.cfg" in files
    assert {
        str(path.relative_to(ROOT)): lines for path in files if (lines := elsewhere(path.read_bytes()))
    } == {}


@pytest.mark.parametrize("text", [b"see .." + b"/shared/x", b"cd /" + b"work/main", b'"/' + b'work/a"'])
def test_rule_sees_such_a_place(text: bytes) -> None:
    assert elsewhere(text)


@pytest.mark.parametrize("text", [b"net/work/s", b"../sharedness", b"homework/", b"$TMP/work-1"])
def test_rule_leaves_others_alone(text: bytes) -> None:
    assert not elsewhere(text)
