"""The tree these tests are about."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]

_NOT_OURS: Final = frozenset(
    (
        ".git",
        ".venv",
        "__pycache__",
        ".mypy_cache",
        ".pytest_cache",
        ".ruff_cache",
        ".hypothesis",
        "build",
        "dist",
    )
)


def project_files() -> list[Path]:
    """What is, or is about to be, under version control; in an unpacked archive, everything."""
    try:
        listed = subprocess.run(
            ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            capture_output=True,
            check=True,
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        every = (path for path in ROOT.rglob("*") if not _NOT_OURS & set(path.relative_to(ROOT).parts))
    else:
        every = (ROOT / name.decode() for name in listed.split(b"\0") if name)
    return sorted(path for path in every if path.is_file() and not path.is_symlink())


def copy(to: Path) -> Path:
    """Copy the tree as a fresh checkout has it, and return where it is."""
    for path in project_files():
        there = to / path.relative_to(ROOT)
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, there)
    return to
