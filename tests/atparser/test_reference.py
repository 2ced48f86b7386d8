"""The reference of commands is the registry's: what is documented is what there is, and all of it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from atparser import DIALECTS
from atparser.commands import BASIC
from atparser.extended import EXTENDED
from atparser.registers import ROWS
from atparser.results import TABLES
from atparser.settings import SETTINGS

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "bin" / "reference"
FILES = ("docs/commands.md", "docs/man/vmodem-at.7")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, SCRIPT, *arguments], capture_output=True, text=True)


def test_files_are_what_would_be_written() -> None:
    result = run("--check")
    assert result.returncode == 0, result.stderr + "bin/reference writes them anew"


@pytest.mark.parametrize("name", FILES)
def test_check_notices_a_stale_file(name: str, tmp_path: Path) -> None:
    for each in FILES:
        (tmp_path / each).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / each, tmp_path / each)
    assert run("--check", "--root", str(tmp_path)).returncode == 0
    (tmp_path / name).write_text("old\n")
    result = run("--check", "--root", str(tmp_path))
    assert (result.returncode, result.stdout) == (1, "")
    assert f"{name} is stale" in result.stderr
    assert "-old" in result.stderr
    assert run("--root", str(tmp_path)).returncode == 0
    assert (tmp_path / name).read_text() == (ROOT / name).read_text()


def named() -> list[str]:
    names = [row.name for row in (*BASIC, *EXTENDED)] + [f"S{row.number}" for row in ROWS]
    results = {text for table in TABLES.values() for text in table}
    return [*names, *(f"${row.name}" for row in SETTINGS), *DIALECTS, *results]


def test_everything_has_its_row() -> None:
    markdown = (ROOT / FILES[0]).read_text(encoding="utf-8")
    manual = (ROOT / FILES[1]).read_text(encoding="utf-8")
    for name in named():
        assert markdown.count(f"\n| `{name}` | ") == 1, name
        escaped = name.replace("\\", "\\e").replace("-", "\\-")
        assert manual.count(f"\n.B {escaped}\n") == 1, name


def test_manual_page_is_clean_roff() -> None:
    text = (ROOT / FILES[1]).read_text(encoding="utf-8")
    assert re.findall(r"^[.'](?!TH|SH|TP|B |\\\")", text, re.MULTILINE) == []
    assert re.findall(r"\\(?![e&\"-])", text) == []
