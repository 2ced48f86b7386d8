"""vmodem check and vmodem run: files, right and wrong."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.process import ROOT, Scene, environment, scene, until, vmodem
from vmodem.cli import main

__all__ = ["scene"]

BAD = '[modem.front]\nlien = "pty:x"\nanswer = "tpc:1"\n'


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def test_right(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    text = (ROOT / "fixtures" / "configs" / "office.toml").read_text()
    path = str(tmp_path / "office.toml")
    for there, here in (
        ("/run/vmodem", str(tmp_path)),
        (":group=dialout", ""),
        ("/dev/ttyUSB0", "/dev/null"),
        ("/dev/ttyS1", "/dev/zero"),
    ):
        text = text.replace(there, here)
    Path(path).write_text(text)
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


MIXED = """\
[modem.front]
line = "pty:{0}/vmodem.toml"
default = "exec:/nonexistent/login"
answer = "tls:0:interface=127.0.0.1:cert={0}/cert.pem:key={0}/key.pem"
"""


def test_what_run_would_refuse_is_refused_with_the_same_words(tmp_path: Path) -> None:
    (tmp_path / "vmodem.toml").write_text(MIXED.format(tmp_path))
    checked = vmodem("check", folder=tmp_path)
    assert (checked.returncode, checked.stdout) == (78, "")
    errors = [line for line in checked.stderr.splitlines() if ": warning: " not in line]
    assert [line.partition(": ")[0] for line in errors] == [f"vmodem.toml:{line}" for line in (2, 4, 4)]
    done = vmodem("run", "--state-dir", "state", folder=tmp_path)
    assert done.returncode == 78
    assert [line for line in done.stderr.splitlines() if line.startswith("vmodem: ")] == [
        f"vmodem: {line}" for line in errors
    ]
    found = json.loads(vmodem("check", "--json", folder=tmp_path).stdout)
    assert [each["severity"] for each in found] == ["error", "warning", "error", "error"]


def test_a_warning_is_told_by_both_and_stops_neither(scene: Scene, tmp_path: Path) -> None:
    (tmp_path / "vmodem.toml").write_text('[modem.a]\nline = "pty:a"\ndefault = "exec:/nonexistent/login"\n')
    done = vmodem("check", "-q", folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    warning = done.stderr.rstrip("\n")
    assert warning.startswith("vmodem.toml:3: modem.a.default: warning: ")
    log = open(tmp_path / "log", "wb")  # noqa: SIM115 - closed with the scene
    scene.finally_(log.close)
    scene.spawn([sys.executable, "-m", "vmodem", "run", "--state-dir", str(tmp_path / "state")], stderr=log)
    until(lambda: b"vmodem: ready" in (tmp_path / "log").read_bytes(), "vmodem: ready")
    assert warning in (tmp_path / "log").read_text()


def test_mistakes_of_the_file_and_of_the_machine_are_told_together(tmp_path: Path) -> None:
    text = MIXED.format(tmp_path) + 'lien = "x"\n'
    (tmp_path / "vmodem.toml").write_text(text)
    for verb in ("check", "run"):
        said = vmodem(verb, "--state-dir", "state", folder=tmp_path).stderr
        assert [n for n in range(1, 6) if f"vmodem.toml:{n}: " in said and n != 3] == [2, 4, 5], verb


def test_numbers_alone_are_nothing_to_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "numbers.toml").write_text('[directory]\n"1" = "echo:"\n')
    assert main(["check", "-c", str(tmp_path / "numbers.toml")]) == 0
    said = capsys.readouterr()
    assert "warning: names nothing to run" in said.err
    assert "ok: 1 number" in said.out


def test_a_state_folder_that_cannot_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "vmodem.toml"
    file.write_text(f'[modem.a]\nline = "pty:{tmp_path}/a"\n')
    assert main(["check", "-c", str(file), "--state-dir", str(file / "state")]) == 0
    assert "--state-dir" in capsys.readouterr().err
    assert main(["check", "-c", str(file), "--state-dir", str(tmp_path / "not" / "yet")]) == 0
    assert capsys.readouterr().err == ""
    assert not (tmp_path / "not").exists()


def test_nothing_slow_is_imported(tmp_path: Path) -> None:
    (tmp_path / "vmodem.toml").write_text(
        '[modem.a]\nline = "pty:a"\ndefault = "exec:sh"\nanswer = "tcp:0"\n'
    )
    code = "import sys; from vmodem.cli import main; main(['check', '-q']); print(*sys.modules)"
    environ = {**environment(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=20
    )
    assert done.stderr == ""
    assert not {"ssl", "serial", "twisted.internet", "cryptography"} & set(done.stdout.split())


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
