"""SECURITY.md names tests that exist, and every test of a duty is named there under its row."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.helpers.process import ROOT

DUTIES = Path("tests/duties")
ROWS = ["D1", "D2", "D3", "D4", "D5", "D6", "D7", "D8"]
ROWS += [f"N{number}" for number in (*range(1, 16), 17, 18)]
ROWS += ["L1", "L2", "L3", "O1", "O2", "O3", "O4", "O5", "O6", "O7", "O8", "O9"]


def rows() -> dict[str, list[str]]:
    """The tests that the page names, by row."""
    found: dict[str, list[str]] = {}
    for line in (ROOT / "SECURITY.md").read_text().splitlines():
        row = re.match(r"\| ([A-Z]\d+) \|", line)
        if row:
            assert row[1] not in found, f"{row[1]} stands there twice"
            found[row[1]] = re.findall(r"`((?:tests/\S+::)?test_\w+)`", line.split("|")[-2])
    return found


def named_in(file: Path) -> set[str]:
    tree = ast.parse((ROOT / file).read_text())
    return {
        node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def duties() -> set[str]:
    files = [file.relative_to(ROOT) for file in sorted((ROOT / DUTIES).glob("test_*.py"))]
    return set().union(*(named_in(file) for file in files if file.name != "test_security.py"))


def test_every_row_is_there_with_its_test() -> None:
    assert list(rows()) == ROWS
    assert [row for row, names in rows().items() if not names] == []


def test_every_test_named_exists() -> None:
    known = duties()
    for names in rows().values():
        for name in names:
            file, _, test = name.rpartition("::")
            assert test in (named_in(Path(file)) if file else known), name


def test_every_test_of_a_duty_is_named() -> None:
    page = rows()
    for test in duties():
        row = test.split("_")[1].upper()
        assert test in page.get(row, ()), test
