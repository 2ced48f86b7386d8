"""vmodem check and vmodem run: files, right and wrong."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

import pytest

from tests.helpers.process import ROOT, Scene, scene, until, vmodem
from vmodem.cli import main

__all__ = ["scene"]

BAD = '[modem.front]\nlien = "pty:x"\nanswer = "tpc:1"\n'


def test_right(capsys: pytest.CaptureFixture[str]) -> None:
    path = str(ROOT / "fixtures" / "configs" / "office.toml")
    assert main(["check", "-c", path]) == 0
    said = capsys.readouterr()
    assert said.out == f"{path}: ok: 2 modems, 1 group, 1 port, 2 numbers\n"
    assert said.err == ""
    assert main(["check", "-q", "-c", path]) == 0
    assert capsys.readouterr().out == ""
    assert main(["check", "--json", "-c", path]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(BAD)
    assert main(["check", "-c", str(path)]) == 78
    said = capsys.readouterr()
    assert said.out == ""
    assert [line.partition(": ")[0] for line in said.err.splitlines()] == [f"{path}:2", f"{path}:3"]
    assert main(["check", "--json", "-c", str(path)]) == 78
    found = json.loads(capsys.readouterr().out)
    assert [(each["line"], each["key"]) for each in found] == [
        (2, "modem.front.lien"),
        (3, "modem.front.answer"),
    ]


def test_the_file_here_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "vmodem.toml").write_text("[modem.a]\n")
    assert main(["check", "-q"]) == 0
    (tmp_path / "vmodem.toml").write_text(BAD)
    assert main(["check"]) == 78


def test_no_file(tmp_path: Path) -> None:
    for verb in ("check", "run", "dns"):
        done = vmodem(verb, folder=tmp_path)
        assert (done.returncode, done.stdout) == (78, ""), verb
        assert "-c FILE" in done.stderr


@pytest.mark.parametrize("text", [BAD, '[directory]\n"1" = "echo:"\n', "\0"])
def test_nothing_runs_that_is_wrong(tmp_path: Path, text: str) -> None:
    (tmp_path / "vmodem.toml").write_text(text)
    done = vmodem("run", "--state-dir", str(tmp_path / "state"), folder=tmp_path)
    assert done.returncode == 78
    assert done.stdout == ""
    assert done.stderr
    assert all(line.startswith("vmodem: ") for line in done.stderr.splitlines()), done.stderr


def test_run(scene: Scene, tmp_path: Path) -> None:
    """The file found here is run; a call goes through; SIGTERM ends it in order."""
    (tmp_path / "vmodem.toml").write_text(
        '[modem.front]\nline = "pty:front"\nanswer = "tcp:0:interface=127.0.0.1"\n'
        '[directory]\n"5" = "echo:"\n'
    )
    log = open(tmp_path / "log", "wb")  # noqa: SIM115 - closed with the scene
    scene.finally_(log.close)
    process = scene.spawn(
        [sys.executable, "-m", "vmodem", "run", "--state-dir", str(tmp_path / "state")],
        stdout=log,
        stderr=log,
    )
    until(lambda: b"vmodem: ready" in (tmp_path / "log").read_bytes(), "vmodem: ready")
    dte = scene.dte(tmp_path / "front")
    dte.connect("5")
    dte.send("hello")
    dte.expect("hello")
    process.send_signal(signal.SIGTERM)
    assert process.wait(5) == 0
    assert not (tmp_path / "front").is_symlink()
