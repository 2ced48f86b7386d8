"""What a user gets who installs: the wheel, and what it says of itself."""

from __future__ import annotations

import email.message
import email.parser
import importlib.metadata
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.house import tree
from tests.house.tree import ROOT


def recent_setuptools() -> bool:
    try:
        return int(importlib.metadata.version("setuptools").partition(".")[0]) >= 77
    except importlib.metadata.PackageNotFoundError:
        return False


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("packaging")
    root = tree.copy(base / "tree")  # building leaves things behind
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", str(base), str(root)]
    if recent_setuptools():
        command += ["--no-build-isolation", "--no-index"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if result.returncode and not recent_setuptools() and "setuptools" in result.stderr:
        pytest.skip("needs the network: no recent setuptools here to build with, and pip could not fetch one")
    assert result.returncode == 0, result.stdout + result.stderr
    (wheel,) = base.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def names(wheel: Path) -> list[str]:
    return zipfile.ZipFile(wheel).namelist()


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> email.message.Message:
    text = zipfile.ZipFile(wheel).read("vmodem-0.1.0.dist-info/METADATA").decode()
    return email.parser.Parser().parsestr(text)


def test_every_module_is_in_it(names: list[str]) -> None:
    for package in ("atparser", "vmodem"):
        here = {str(path.relative_to(ROOT)) for path in (ROOT / package).rglob("*.py")}
        assert here == {name for name in names if name.startswith(f"{package}/") and name.endswith(".py")}
        assert f"{package}/__init__.py" in names
        assert f"{package}/py.typed" in names


def test_nothing_else_is_in_it(names: list[str]) -> None:
    assert {name.partition("/")[0] for name in names} == {"atparser", "vmodem", "vmodem-0.1.0.dist-info"}
    assert not [name for name in names if name.endswith((".pyc", ".orig", "~"))]


def test_metadata(metadata: email.message.Message) -> None:
    assert metadata["Name"] == "vmodem"
    assert metadata["Version"] == "0.1.0"
    assert metadata["License-Expression"] == "MIT"
    assert metadata["License-File"] == "LICENSE"
    assert metadata["Requires-Python"] == ">=3.10"
    required = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert sorted(line.split(">=")[0] for line in required) == ["cattrs", "pyserial", "tomli", "twisted"]


def test_console_script(wheel: Path) -> None:
    text = zipfile.ZipFile(wheel).read("vmodem-0.1.0.dist-info/entry_points.txt").decode()
    assert "vmodem = vmodem.cli:main" in text


def test_source_archive(tmp_path: Path) -> None:
    """Who packages this for a distribution runs its tests from the archive."""
    if not recent_setuptools():
        pytest.skip("needs setuptools 77 or newer, which the test extra brings")
    root = tree.copy(tmp_path / "tree")
    code = "import sys, setuptools.build_meta as b; b.build_sdist(sys.argv[1])"
    command = [sys.executable, "-c", code, str(tmp_path)]
    result = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stdout + result.stderr
    with tarfile.open(tmp_path / "vmodem-0.1.0.tar.gz") as archive:
        modes = {name.partition("/")[2]: archive.getmember(name).mode for name in archive.getnames()}
    assert modes["bin/vmodem"] & 0o111
    names = sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())
    wanted = [name for name in names if name.startswith(("bin/", "docs/", "fixtures/", "tests/"))]
    assert [name for name in wanted if name not in modes] == []
