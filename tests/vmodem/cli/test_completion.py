"""Completion, tried in the shells themselves."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.process import PATIENCE_S, Scene, Wire, environment, scene
from tests.helpers.programs import need
from vmodem.cli import main, parser
from vmodem.cli.shells import tree

__all__ = ["scene"]


@pytest.fixture
def script(tmp_path: Path, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> Path:
    """What ``vmodem completion`` prints for the shell of the test."""
    assert main(["completion", request.param]) == 0
    path = tmp_path / "completion"
    path.write_text(capsys.readouterr().out)
    return path


CASES = [
    ("vmodem mod", "modem", "run"),
    ("vmodem modem --dia", "--dialect", "--directory"),
    ("vmodem modem --dialect l", "lenient", "usr"),
    ("vmodem completion z", "zsh", "bash"),
    ("vmodem dial --dr", "--dry-run", "--timeout"),
    ("vmodem busy front of", "off", "on"),
    ("vmodem --ver", "--version", "modem"),
    ("vmodem dns --format a", "avahi", "zone"),
    ("vmodem check -c ma", "map.toml", "modem"),
]


@pytest.mark.parametrize(("typed", "offered", "withheld"), CASES)
@pytest.mark.parametrize("script", ["bash"], indirect=True)
def test_bash(script: Path, typed: str, offered: str, withheld: str) -> None:
    (script.parent / "map.toml").write_text("")
    words = typed.split(" ")
    array = " ".join(f"'{word}'" for word in words)
    # Where the function says nothing, "-o default" lets the shell complete files.
    code = f"""
        source {script}
        COMP_WORDS=({array})
        COMP_CWORD={len(words) - 1}
        _vmodem
        [ ${{#COMPREPLY[@]}} -gt 0 ] || COMPREPLY=($(compgen -f -- '{words[-1]}'))
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    (bash,) = need("bash")
    done = subprocess.run(
        [bash, "--norc", "-c", code],
        cwd=script.parent,
        env=environment(script.parent),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.stderr == ""
    assert offered in done.stdout.split()
    assert withheld not in done.stdout.split()


@pytest.mark.parametrize(("typed", "offered", "withheld"), CASES)
@pytest.mark.parametrize("script", ["fish"], indirect=True)
def test_fish(script: Path, typed: str, offered: str, withheld: str) -> None:
    (script.parent / "map.toml").write_text("")
    (fish,) = need("fish")
    done = subprocess.run(
        [fish, "--no-config", "-c", f"source {script}; complete -C '{typed}'"],
        cwd=script.parent,
        env=environment(script.parent),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.stderr == ""
    found = [line.partition("\t")[0] for line in done.stdout.splitlines()]
    assert offered in found
    assert withheld not in found


@pytest.mark.parametrize("script", ["zsh"], indirect=True)
def test_zsh(script: Path, scene: Scene) -> None:
    """It has no way to ask but to type."""
    (script.parent / "map.toml").write_text("")
    (zsh,) = need("zsh")
    master, slave = pty.openpty()
    screen = Wire(master)
    scene.finally_(screen.close)
    scene.spawn(
        [zsh, "-f", "-i"],
        cwd=script.parent,
        env=environment(script.parent, TERM="dumb", PS1="", COLUMNS="200"),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    screen.send(f"unsetopt zle_bracketed_paste; autoload -U compinit; compinit -u -D; source {script}\n")
    screen.send("vmodem() { print -r -- \"<$*>\" }; PS1='ready''> '\n")
    screen.expect("ready> ", 20)
    for typed, offered, _ in CASES:
        words = typed.partition(" ")[2].split(" ")
        screen.send(f"{typed}\t\n")
        whole = " ".join([*words[:-1], offered])
        said = screen.expect(rb"<[^>]*>\r*\n")
        assert said.rstrip().endswith(f"<{whole}>".encode()), typed
        screen.expect("ready> ")


def test_every_verb_and_option_is_known() -> None:
    verbs = {verb.name: verb for verb in tree(parser())}
    assert {"modem", "run", "check", "dial", "dns", "status", "reload", "completion"} <= set(verbs)
    assert all(verb.help for name, verb in verbs.items() if name)
    assert all(option.help for verb in verbs.values() for option in verb.options)


def test_an_output_that_takes_nothing(tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "vmodem", "completion", "bash"],
            stdout=full,
            stderr=subprocess.PIPE,
            env=environment(tmp_path),
            text=True,
            timeout=PATIENCE_S,
        )
    assert (done.returncode, done.stderr) == (
        1,
        "vmodem: the output cannot be written: No space left on device\n",
    )
