"""The tests' own tools: what skips, and what may not."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers import programs
from tests.helpers.programs import need
from tests.house.tree import ROOT

SAMPLE = """
import pytest

def test_passes(): pass

def test_skips(): pytest.skip("needs Debian package moon")

@pytest.mark.skip(reason="marked so")
def test_marked(): pass

@pytest.mark.xfail(strict=True)
def test_expected(): assert False

@pytest.mark.machine
def test_of_the_machine(): pytest.skip("no such kernel module")
"""


def outcome(folder: Path, no_skip: str | None) -> tuple[int, str]:
    environ = {
        key: value for key, value in os.environ.items() if key not in ("VMODEM_NO_SKIP", "PYTEST_ADDOPTS")
    }
    if no_skip is not None:
        environ["VMODEM_NO_SKIP"] = no_skip
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n    machine: x\n")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.helpers.noskip",
        "-p",
        "no:cacheprovider",
        "--color=no",
    ]
    result = subprocess.run(
        [*command, "-c", str(folder / "pytest.ini"), "--rootdir", str(folder), str(folder)],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return result.returncode, result.stdout


@pytest.mark.parametrize("unset", [None, "", "0"])
def test_skips_are_skips(tmp_path: Path, unset: str | None) -> None:
    (tmp_path / "test_sample.py").write_text(SAMPLE)
    code, out = outcome(tmp_path, unset)
    assert code == 0
    assert "1 passed, 3 skipped, 1 xfailed" in out


def test_skips_are_failures_where_nothing_may_skip(tmp_path: Path) -> None:
    (tmp_path / "test_sample.py").write_text(SAMPLE)
    code, out = outcome(tmp_path, "1")
    assert code == 1
    assert "1 failed, 1 passed, 1 skipped, 1 xfailed, 1 error" in out
    assert "did not run: Skipped: needs Debian package moon" in out
    assert "did not run: Skipped: marked so" in out


def test_whole_modules_may_not_skip_either(tmp_path: Path) -> None:
    (tmp_path / "test_sample.py").write_text("import pytest\npytest.importorskip('nosuchmodule')\n")
    assert outcome(tmp_path, None)[0] == 5  # nothing was collected
    code, out = outcome(tmp_path, "1")
    assert code not in (0, 5)
    assert "nosuchmodule" in out


def test_missing_program_names_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(programs, "_ALSO", ())
    with pytest.raises(pytest.skip.Exception, match=r"needs Debian package lrzsz ppp \(for sz, chat\)"):
        need("sz", "chat")


def test_present_program_is_found_where_only_root_looks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    monkeypatch.setattr(programs, "_ALSO", (str(tmp_path),))
    for name in ("chat", "sz"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    assert need("chat", "sz") == (str(tmp_path / "chat"), str(tmp_path / "sz"))


def test_unknown_program_is_a_mistake() -> None:
    with pytest.raises(KeyError):
        need("nosuchprogram")


def test_ci_installs_every_package_that_tests_name() -> None:
    line = re.search(r"^packages=\((.*)\)$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)
    assert line
    assert set(line[1].split()) == set(programs.PACKAGES.values())
