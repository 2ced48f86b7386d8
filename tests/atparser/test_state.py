"""The picture of the states in the documentation, and the table it is drawn from."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "bin" / "state-diagram"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    # -S -E: whatever is installed here is not needed.
    return subprocess.run(
        [sys.executable, "-S", "-E", str(SCRIPT), *arguments],
        capture_output=True,
        text=True,
        cwd="/",
        timeout=60,
    )


def test_picture_is_what_the_table_says() -> None:
    result = run("--check", str(ROOT / "docs" / "states.md"))
    assert result.returncode == 0, result.stderr


def test_a_stale_picture_is_told(tmp_path: Path) -> None:
    old = tmp_path / "states.md"
    assert run("--check", str(old)).returncode == 1
    old.write_text(run().stdout.replace("ringing", "singing"), encoding="utf-8")
    result = run("--check", str(old))
    assert result.returncode == 1
    assert "-| state | meaning |" not in result.stderr
    assert "singing" in result.stderr
    old.write_text(run().stdout, encoding="utf-8")
    assert run("--check", str(old)).returncode == 0


def test_every_state_and_input_is_explained() -> None:
    text = run().stdout
    from atparser.state import Input, State

    for one in (*State, *Input):
        assert text.count(f"\n| {one.value} |") >= 1
