"""A scratch checkout, and Pythons that only pretend to make environments and to install."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from tests.house.tree import ROOT

# All that bin/vmodem may count on besides a Python. No more is on the PATH of these tests.
TOOLS = ("sh", "cat", "cp", "dd", "find", "mkdir", "mv", "readlink", "rm", "touch")

# Stands in for python3 and, copied into .venv/bin, for its python: notes what it is asked, answers questions
# (-c) truthfully but for its release, and goes through the motions of venv and pip.
FAKE_PYTHON = r"""#!/bin/sh
echo "$*" | { IFS= read -r first; echo "$first"; } >>"$FAKE_LOG"
case "$1 $2" in
"-c "*)
    code=$2
    shift 2
    FAKE_SELF=$0 exec '@REAL@' -c "import os, sys
sys._base_executable = os.environ['FAKE_SELF']
@LIE@
$code" "$@" ;;
"-m venv")
    if [ -n '@VENV_SAYS@' ]; then echo '@VENV_SAYS@'; exit 1; fi
    mkdir -p "$3/bin" && cp "$0" "$3/bin/python" && touch "$3/pyvenv.cfg" ;;
"-m pip")
    [ "$3" = install ] || exit 0
    if [ -n "$FAKE_PIP_HOLD" ]; then
        echo begun >"$FAKE_PIP_HOLD/begun"
        cat "$FAKE_PIP_HOLD/go" >/dev/null
    fi
    if [ -n "$FAKE_PIP_SAYS" ]; then echo "$FAKE_PIP_SAYS" >&2; exit 1; fi
    for script in vmodem pytest; do
        echo "import os, sys; print('$script', sys.argv[1:], os.getcwd())
if 'FAKE_FD' in os.environ: os.fstat(int(os.environ['FAKE_FD']))
sys.exit(int(os.environ.get('FAKE_$script', 0)))" >"${0%/*}/$script"
    done ;;
"-m ruff" | "-m mypy")
    shift
    echo "$*"
    [ "$1" = ruff ] && exit "${FAKE_ruff:-0}"
    exit "${FAKE_mypy:-0}" ;;
*) exec '@REAL@' "$@" ;;
esac
"""


class Checkout:
    """A copy of the tree's outside, with a PATH of its own with no Python on it but those put there."""

    def __init__(self, base: Path) -> None:
        self.root = base / "a check out"  # a space, because users have them
        self.path = base / "path"
        self.log = base / "asked"
        self.elsewhere = base / "elsewhere"
        for folder in (self.root, self.path, self.elsewhere, base / "tmp"):
            folder.mkdir()
        for tool in TOOLS:
            program = shutil.which(tool)
            assert program, tool
            (self.path / tool).symlink_to(program)
        shutil.copytree(ROOT / "bin", self.root / "bin")
        shutil.copy(ROOT / "setup.cfg", self.root)
        self.environ = {
            "PATH": str(self.path),
            "HOME": str(base),
            "TMPDIR": str(base / "tmp"),
            "FAKE_LOG": str(self.log),
            "VMODEM_INSTALL_WAIT_S": "60",
        }
        self.started: list[subprocess.Popen[str]] = []

    @property
    def venv(self) -> Path:
        return self.root / ".venv"

    @property
    def install_log(self) -> Path:
        return self.venv / "vmodem-setup" / "install.log"

    def python(self, name: str = "python3", *, lie: str = "", venv_says: str = "") -> None:
        """Put a fake Python on the PATH; `lie` is code run before it answers a question."""
        text = FAKE_PYTHON.replace("@REAL@", sys.executable)
        text = text.replace("@LIE@", lie).replace("@VENV_SAYS@", venv_says)
        self.program(name, text)

    def program(self, name: str, text: str) -> None:
        """Put a program on the PATH, in place of what is there by that name."""
        program = self.path / name
        program.unlink(missing_ok=True)
        program.write_text(text)
        program.chmod(0o755)

    def start(
        self, *command: str | Path, env: Mapping[str, str | None] | None = None
    ) -> subprocess.Popen[str]:
        """Start a command, in a process group of its own and away from the checkout."""
        environ = {key: value for key, value in {**self.environ, **(env or {})}.items() if value is not None}
        process = subprocess.Popen(
            command,
            cwd=self.elsewhere,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def run(
        self, *command: str | Path, env: Mapping[str, str | None] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of the checkout, bin/vmodem unless another is named, to its end."""
        command = command or (self.root / "bin" / "vmodem",)
        process = self.start(*command, env=env)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(command, process.returncode, out, err)

    def asked(self) -> list[str]:
        """What the fakes were asked since the last time, a line each; questions (-c) only as "-c "."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return [line.replace(f"{self.venv}", ".venv") for line in lines]

    def installs(self) -> list[str]:
        """The calls of "pip install" since the last time."""
        return [line for line in self.asked() if line.startswith("-m pip install")]

    def close(self) -> None:
        for process in self.started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def sentences(said: Sequence[str] | str) -> list[str]:
    """The lines on stderr, less the one that says that an installation begins."""
    lines = said.splitlines() if isinstance(said, str) else list(said)
    return [line for line in lines if not line.startswith("vmodem: first run: installing into ")]


@pytest.fixture
def bare_checkout(tmp_path: Path) -> Iterator[Checkout]:
    """A checkout on a machine without any Python."""
    checkout = Checkout(tmp_path)
    yield checkout
    checkout.close()


@pytest.fixture
def checkout(bare_checkout: Checkout) -> Checkout:
    """A checkout on a machine with a python3 that will do."""
    bare_checkout.python()
    return bare_checkout
