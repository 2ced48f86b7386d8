"""bin/vmodem and bin/test on a machine where nothing is prepared, or not enough."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house import tree
from tests.house.conftest import Checkout, sentences

OLD = "sys.version_info = (3, 8, 10, 'final', 0)"
NEW = "sys.version_info = (3, 12, 1, 'final', 0)"
BARE = "sys.modules['ensurepip'] = None"
NO_NETWORK = (
    "WARNING: Retrying after error 'NewConnectionError(Failed to establish a new connection)'\n"
    "ERROR: Could not find a version that satisfies the requirement setuptools>=77 (from versions: none)\n"
    "ERROR: No matching distribution found for setuptools>=77"
)
NO_RELEASE = (
    "ERROR: Ignored these versions, which require a different python version: 2.0 Requires-Python >=3.11\n"
    "ERROR: Could not find a version that satisfies the requirement x>=2 (from versions: 0.1.0, 0.2.0)\n"
    "ERROR: No matching distribution found for x>=2"
)
DISK_FULL = "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device"


def refusal(result: subprocess.CompletedProcess[str]) -> str:
    """Return the one sentence of a run that could not be."""
    assert result.returncode == 69, result
    assert result.stdout == ""
    said = sentences(result.stderr)
    assert len(said) == 1, said
    assert said[0].startswith("vmodem: ")
    assert said[0].endswith(".")
    return said[0]


def ran(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 0, result
    return result.stdout


# -- the ordinary course ----------------------------------------------------------------------------


def test_first_run_installs_and_then_runs(checkout: Checkout) -> None:
    result = checkout.run(checkout.root / "bin/vmodem", "modem", "--name", "a b")
    assert ran(result) == f"vmodem ['modem', '--name', 'a b'] {checkout.elsewhere}\n"
    assert result.stderr.startswith(f"vmodem: first run: installing into {checkout.venv}, ")
    assert len(result.stderr.splitlines()) == 1
    asked = checkout.asked()
    assert "-m venv .venv" in asked
    assert "-m pip install --no-input --no-user -e ." in asked


def test_later_run_is_one_process_and_silent(checkout: Checkout) -> None:
    checkout.run()
    checkout.asked()
    result = checkout.run(checkout.root / "bin/vmodem", "--version")
    assert ran(result).startswith("vmodem ['--version']")
    assert result.stderr == ""
    assert checkout.asked() == [".venv/bin/vmodem --version"]


def test_exit_code_is_the_programs(checkout: Checkout) -> None:
    assert checkout.run(env={"FAKE_vmodem": "3"}).returncode == 3
    assert checkout.run(env={"FAKE_vmodem": "78"}).returncode == 78


def test_started_through_links(checkout: Checkout) -> None:
    links = checkout.root.parent / "links"
    links.mkdir()
    (links / "relative").symlink_to("../a check out/bin/vmodem")
    (checkout.path / "vm").symlink_to(links / "relative")
    assert ran(checkout.run(links / "relative")).startswith("vmodem []")
    assert ran(checkout.run("vm", env={"PATH": str(checkout.path)})).startswith("vmodem []")
    assert len(checkout.installs()) == 1


@pytest.mark.parametrize("home", [None, "", "/nonexistent"])
def test_home_does_not_matter(checkout: Checkout, home: str | None) -> None:
    assert ran(checkout.run(env={"HOME": home}))
    assert ran(checkout.run(env={"HOME": home}))


@pytest.mark.parametrize(
    "shell", [shell for shell in ("dash", "bash --posix", "busybox sh") if shutil.which(shell.split()[0])]
)
def test_any_posix_shell(checkout: Checkout, shell: str) -> None:
    program, *options = shell.split()
    command = (str(shutil.which(program)), *options, checkout.root / "bin" / "vmodem", "x")
    assert ran(checkout.run(*command)).startswith("vmodem ['x']")
    assert ran(checkout.run(*command)).startswith("vmodem ['x']")
    assert len(checkout.installs()) == 1


def test_callers_modules_stay_out_of_the_installation(checkout: Checkout) -> None:
    text = (checkout.path / "python3").read_text()
    checkout.program("python3", text.replace('"-m pip")', '"-m pip") echo "[$PYTHONPATH]"'))
    assert ran(checkout.run(env={"PYTHONPATH": "/somewhere"}))
    assert "[/somewhere]" not in checkout.install_log.read_text()
    assert "[]" in checkout.install_log.read_text()


# -- which Python -----------------------------------------------------------------------------------


def test_no_python(bare_checkout: Checkout) -> None:
    said = refusal(bare_checkout.run())
    assert "no python3" in said
    assert "3.10" in said
    assert "apt-get install" in said
    assert not bare_checkout.venv.exists()


def test_python_too_old(bare_checkout: Checkout) -> None:
    bare_checkout.python(lie=OLD)
    said = refusal(bare_checkout.run())
    assert "3.8" in said
    assert "3.10" in said
    assert not bare_checkout.venv.exists()


def test_newer_python_beside_an_old_one(bare_checkout: Checkout) -> None:
    bare_checkout.python(lie=OLD)
    bare_checkout.python("python3.12", lie=NEW)
    bare_checkout.python("python3.10", lie="sys.version_info = (3, 10, 0, 'final', 0)")
    assert ran(bare_checkout.run())
    assert "3, 12, 1" in (bare_checkout.venv / "bin" / "python").read_text()


def test_names_that_lead_nowhere_are_passed_over(bare_checkout: Checkout) -> None:
    bare_checkout.program("python3", "#!/bin/sh\necho 'python3: command not found' >&2\nexit 127\n")
    other = "python3.12" if sys.version_info[:2] == (3, 13) else "python3.13"  # not what the fake one runs by
    bare_checkout.program(other, "#!/bin/sh\nexit 1\n")
    bare_checkout.python("python3.11")
    assert ran(bare_checkout.run())


def test_without_ensurepip(bare_checkout: Checkout) -> None:
    bare_checkout.python(lie=BARE)
    said = refusal(bare_checkout.run())
    assert "apt-get install python3-venv" in said


def test_another_python_has_ensurepip(bare_checkout: Checkout) -> None:
    bare_checkout.python(lie=BARE)
    bare_checkout.python("python3.12", lie=NEW)
    assert ran(bare_checkout.run())


def test_venv_fails_for_lack_of_ensurepip(bare_checkout: Checkout) -> None:
    bare_checkout.python(
        venv_says="The virtual environment was not created successfully because ensurepip is not available."
    )
    said = refusal(bare_checkout.run())
    assert "apt-get install python3-venv" in said
    # The remedy applied, the next run succeeds.
    bare_checkout.python()
    assert ran(bare_checkout.run())


# -- where it goes ----------------------------------------------------------------------------------


def test_a_file_is_in_the_way(checkout: Checkout) -> None:
    checkout.venv.write_text("mine")
    said = refusal(checkout.run())
    assert str(checkout.venv) in said
    assert "move it away" in said
    assert checkout.venv.read_text() == "mine"


def test_a_folder_of_something_else_is_in_the_way(checkout: Checkout) -> None:
    checkout.venv.mkdir()
    (checkout.venv / "thesis").write_text("mine")
    said = refusal(checkout.run())
    assert "move it away" in said
    assert (checkout.venv / "thesis").read_text() == "mine"


def test_an_environment_that_was_there_is_used(checkout: Checkout) -> None:
    (checkout.venv / "bin").mkdir(parents=True)
    (checkout.venv / "pyvenv.cfg").touch()
    shutil.copy(checkout.path / "python3", checkout.venv / "bin" / "python")
    (checkout.venv / "bin" / "other").write_text("mine")
    assert ran(checkout.run())
    assert (checkout.venv / "bin" / "other").read_text() == "mine"
    assert "-m venv .venv" not in checkout.asked()


@pytest.mark.parametrize(
    ("system", "word"),
    [
        ("Read-only file system", "writable"),
        ("Permission denied", "writable"),
        ("No space left on device", "disk is full"),
    ],
)
def test_checkout_cannot_be_written(checkout: Checkout, system: str, word: str) -> None:
    checkout.program(
        "mkdir", f"#!/bin/sh\necho \"mkdir: cannot create directory '$2': {system}\" >&2\nexit 1\n"
    )
    said = refusal(checkout.run())
    assert word in said
    assert str(checkout.root) in said


def test_not_a_checkout(checkout: Checkout) -> None:
    shutil.copy(checkout.root / "bin" / "vmodem", checkout.path / "vmodem")
    assert "link to it" in refusal(checkout.run("vmodem", env={"PATH": str(checkout.path)}))
    (checkout.root / "setup.cfg").unlink()
    assert "setup.cfg" in refusal(checkout.run())


# -- when it fails ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pip_says", "word"),
    [
        (NO_NETWORK, "network"),
        (NO_RELEASE, "newer"),
        (DISK_FULL, "disk is full"),
        ("ERROR: [Errno 13] Permission denied: 'lib'", "writable"),
        ("ERROR: the moon is in the wrong house", "install.log"),
    ],
)
def test_pip_fails(checkout: Checkout, pip_says: str, word: str) -> None:
    said = refusal(checkout.run(env={"FAKE_PIP_SAYS": pip_says}))
    assert word in said
    assert pip_says in checkout.install_log.read_text()
    # A .venv that was never finished is not taken for one that was.
    assert word in refusal(checkout.run(env={"FAKE_PIP_SAYS": pip_says}))
    assert ran(checkout.run())


def hold(checkout: Checkout) -> tuple[subprocess.Popen[str], dict[str, str], Path]:
    """Start a first run and return when its pip is at work; writing to the path given lets that go on."""
    folder = checkout.root.parent / "hold"
    folder.mkdir()
    for name in ("begun", "go"):
        os.mkfifo(folder / name)
    env = {"FAKE_PIP_HOLD": str(folder)}
    process = checkout.start(checkout.root / "bin" / "vmodem", env=env)
    begun = os.open(folder / "begun", os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert select.select([begun], [], [], 30)[0], "pip was not started"
    finally:
        os.close(begun)
    return process, env, folder / "go"


def test_killed_installation_is_done_again(checkout: Checkout) -> None:
    process, _, _ = hold(checkout)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    half_done = checkout.venv / "lib"
    half_done.write_text("half a package")
    checkout.asked()
    assert ran(checkout.run())
    assert not half_done.exists()
    assert len(checkout.installs()) == 1


def test_killed_update_is_done_again_from_nothing(checkout: Checkout) -> None:
    checkout.run()
    change(checkout)
    process, _, _ = hold(checkout)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    checkout.asked()
    assert ran(checkout.run())
    assert "-m venv .venv" in checkout.asked()
    assert checkout.run().stderr == ""


def test_program_does_not_keep_the_lock(checkout: Checkout) -> None:
    result = checkout.run(env={"FAKE_FD": "9"})
    assert result.returncode == 1
    assert "Bad file descriptor" in result.stderr


def test_two_first_runs_at_once(checkout: Checkout) -> None:
    first, _, go = hold(checkout)
    second = checkout.start(checkout.root / "bin" / "vmodem", "second")
    assert second.stderr is not None
    assert "waiting" in second.stderr.readline()
    go.write_text("go")
    assert first.communicate(timeout=60)[0].startswith("vmodem []")
    assert second.communicate(timeout=60)[0].startswith("vmodem ['second']")
    assert (first.returncode, second.returncode) == (0, 0)
    assert len(checkout.installs()) == 1


def test_wait_for_another_is_bounded(checkout: Checkout) -> None:
    hold(checkout)
    result = checkout.run(env={"VMODEM_INSTALL_WAIT_S": "0"})
    assert "another run is still installing" in refusal(result)


def test_orphaned_pip_is_waited_for(checkout: Checkout) -> None:
    """The shell that started it is dead, but what it started still writes."""
    process, _, go = hold(checkout)
    process.kill()
    process.wait()
    assert "another run is still installing" in refusal(checkout.run(env={"VMODEM_INSTALL_WAIT_S": "0"}))
    go.write_text("go")
    assert ran(checkout.run())


# -- when setup.cfg changes -------------------------------------------------------------------------


def change(checkout: Checkout) -> None:
    with (checkout.root / "setup.cfg").open("a") as config:
        config.write("# changed\n")


def test_change_installs_again(checkout: Checkout) -> None:
    checkout.run()
    checkout.asked()
    change(checkout)
    assert ran(checkout.run())
    asked = checkout.asked()
    assert "-m venv .venv" not in asked
    assert any(line.startswith("-m pip install") for line in asked)
    assert checkout.run().stderr == ""
    assert checkout.installs() == []


def test_change_is_seen_although_it_is_dated_back(checkout: Checkout) -> None:
    checkout.run()
    checkout.asked()
    change(checkout)
    os.utime(checkout.root / "setup.cfg", (1, 1))
    assert ran(checkout.run())
    assert checkout.installs()


def test_a_new_date_alone_is_no_change(checkout: Checkout) -> None:
    checkout.run()
    checkout.asked()
    os.utime(checkout.root / "setup.cfg", (1, 1))
    result = checkout.run()
    assert ran(result)
    assert result.stderr == ""
    assert checkout.installs() == []


def test_change_without_network_goes_on_with_a_warning(checkout: Checkout) -> None:
    checkout.run()
    change(checkout)
    result = checkout.run(env={"FAKE_PIP_SAYS": NO_NETWORK})
    assert ran(result).startswith("vmodem []")
    warnings = [line for line in result.stderr.splitlines() if "going on with it as it is" in line]
    assert len(warnings) == 1
    assert "network" in warnings[0]
    # The next start does not wait for the network once more, but says that something is left to do ...
    checkout.asked()
    result = checkout.run()
    assert ran(result)
    assert len(result.stderr.splitlines()) == 1
    assert checkout.installs() == []
    # ... and after a while it is tried again.
    os.utime(checkout.venv / "vmodem-setup" / "failed", (1, 1))
    assert ran(checkout.run())
    assert checkout.installs()
    assert checkout.run().stderr == ""


def test_change_needs_no_other_python(checkout: Checkout) -> None:
    checkout.run()
    (checkout.path / "python3").unlink()
    change(checkout)
    assert ran(checkout.run())
    assert checkout.installs()


def test_moved_checkout_is_installed_anew(checkout: Checkout) -> None:
    checkout.run()
    checkout.asked()
    checkout.root = checkout.root.rename(checkout.root.with_name("moved"))
    assert ran(checkout.run())
    assert checkout.installs()
    assert checkout.run().stderr == ""


def test_python_of_the_environment_has_gone(checkout: Checkout) -> None:
    checkout.run()
    (checkout.venv / "bin" / "python").unlink()
    (checkout.venv / "bin" / "python").symlink_to("/nonexistent/python3.10")
    assert ran(checkout.run())
    assert checkout.run().stderr == ""


# -- bin/test ---------------------------------------------------------------------------------------


def test_bin_test_hands_its_arguments_to_pytest(checkout: Checkout) -> None:
    result = checkout.run(checkout.root / "bin" / "test", "-k", "one or two")
    assert ran(result) == f"pytest ['-k', 'one or two'] {checkout.root}\n"
    assert any(line.endswith(" -e .[test]") for line in checkout.installs())
    assert ran(checkout.run(checkout.root / "bin" / "test", "-x")) == f"pytest ['-x'] {checkout.root}\n"
    assert checkout.asked() == [".venv/bin/pytest -x"]


def test_bin_test_leaves_a_directory_of_the_tree_alone(checkout: Checkout) -> None:
    checkout.elsewhere = checkout.root / "bin"
    assert ran(checkout.run(checkout.root / "bin" / "test", "-x")).endswith(f"{checkout.root}/bin\n")


def test_bin_test_without_arguments_runs_everything(checkout: Checkout) -> None:
    result = checkout.run(checkout.root / "bin" / "test")
    lines = [line for line in ran(result).splitlines() if not line.startswith("==")]
    assert lines == [
        "ruff check",
        "ruff format --check",
        "mypy --strict atparser vmodem",
        f"pytest [] {checkout.root}",
    ]


def test_bin_test_reports_the_first_failure_and_runs_the_rest(checkout: Checkout) -> None:
    result = checkout.run(checkout.root / "bin" / "test", env={"FAKE_mypy": "2", "FAKE_pytest": "1"})
    assert result.returncode == 2
    assert result.stdout.splitlines()[-1].startswith("pytest []")
    assert checkout.run(checkout.root / "bin" / "test", env={"FAKE_pytest": "1"}).returncode == 1
    assert checkout.run(checkout.root / "bin" / "test", env={"FAKE_ruff": "1"}).returncode == 1


def test_bin_test_after_bin_vmodem_adds_to_it(checkout: Checkout) -> None:
    checkout.run()
    checkout.asked()
    assert ran(checkout.run(checkout.root / "bin" / "test"))
    asked = checkout.asked()
    assert "-m venv .venv" not in asked
    assert [line for line in asked if "-e .[test]" in line]
    # From then on a change keeps both up, whichever notices it first.
    change(checkout)
    assert ran(checkout.run())
    assert all("-e .[test]" in line for line in checkout.installs())
    assert checkout.run(checkout.root / "bin" / "test").stderr == ""
    assert checkout.installs() == []


# -- in earnest -------------------------------------------------------------------------------------


@pytest.mark.network
@pytest.mark.slow
def test_real_first_run(tmp_path: Path) -> None:
    root = tree.copy(tmp_path / "a check out")
    command = [root / "bin" / "vmodem", "--version"]
    first = subprocess.run(
        command, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600
    )
    if first.returncode == 69 and "could not fetch packages" in first.stderr:
        pytest.skip("needs the network: pip could not fetch packages")
    assert (first.returncode, first.stdout) == (0, "vmodem 0.1.0\n"), first.stderr
    # What pip may not do from here on, it does not try to.
    offline = {**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": ""}
    again = subprocess.run(command, cwd=tmp_path, env=offline, capture_output=True, text=True, timeout=60)
    assert (again.returncode, again.stdout, again.stderr) == (0, "vmodem 0.1.0\n", "")
    # It is the checkout that runs, not a copy of it.
    (root / "vmodem" / "__init__.py").write_text('__version__ = "9.8.7"\n')
    changed = subprocess.run(command, cwd=tmp_path, env=offline, capture_output=True, text=True, timeout=60)
    assert changed.stdout == "vmodem 9.8.7\n"
