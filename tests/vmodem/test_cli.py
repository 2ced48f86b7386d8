"""The command line: every mistake is one clear sentence and the right exit code, never a traceback."""

from __future__ import annotations

import os
import re
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.process import vmodem
from vmodem import __version__
from vmodem.cli import main, parser
from vmodem.cli.modem import config_from_arguments
from vmodem.config.schema import DEFAULT_LINE


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody else listens on."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield int(sock.getsockname()[1])


def refused(folder: Path, *arguments: str, listens: bool = True) -> tuple[int, str]:
    """Run ``vmodem modem``, which is to refuse; returns its exit code and its last line."""
    answer = ["--answer", "tcp:0:interface=127.0.0.1"] if listens else []
    done = vmodem("modem", "--state-dir", str(folder / "state"), *answer, *arguments, folder=folder)
    assert "Traceback" not in done.stderr, done.stderr
    assert done.stdout == ""
    lines = [line for line in done.stderr.splitlines() if not re.match(r"\d{4}-\d\d-\d\dT", line)]
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("vmodem: ")
    assert not os.path.lexists(folder / "modem0")
    return done.returncode, lines[0]


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("ptty:modem0", "pty"),
        ("pty:", "pty:"),
        ("pty:x:moed=0660", "mode"),
        ("pty:x:mode=9", "mode"),
        ("serial:/dev/null:speed=fast", "speed"),
        ("tcp:99999", "99999"),
        ("tcp:", "tcp:"),
        ("nonsense", "nonsense"),
        ("", "LINE"),
    ],
)
def test_bad_line(tmp_path: Path, line: str, wanted: str) -> None:
    code, text = refused(tmp_path, "--line", line)
    assert code == 2
    assert wanted in text


@pytest.mark.parametrize(
    ("listen", "wanted"),
    [
        ("tcp:99999", "99999"),
        ("tcp:8001:interfaec=127.0.0.1", "interface"),
        ("tcp:8001:interface=nohost", "nohost"),
        ("unix:", "path"),
        ("", "cannot listen"),
    ],
)
def test_bad_listen(tmp_path: Path, listen: str, wanted: str) -> None:
    code, text = refused(tmp_path, "--answer", listen, listens=False)
    assert code in (2, 69)
    assert wanted in text


@pytest.mark.parametrize(
    ("arguments", "code", "wanted"),
    [
        (["--entry", "555"], 2, "NUMBER=TARGET"),
        (["--entry", "=tcp:h:1"], 2, "NUMBER=TARGET"),
        (["--entry", "555=tpc:h:1"], 2, "tcp:"),
        (["--entry", "555=tcp:h:99999"], 2, "65535"),
        (["--allow-dial", "10.0.0.0/8"], 2, "NET:PORT"),
        (["--allow-dial", "10.0.0.1/8:*"], 2, "10.0.0.0/8"),
        (["--allow-caller", "everybody"], 2, "everybody"),
        (["--init", "S0=1X99"], 2, "X99"),
        (["--init", "nonsense?"], 2, "--init"),
        (["--directory", "missing.toml"], 78, "missing.toml"),
        (["--directory", "."], 78, "."),
    ],
)
def test_bad_argument(tmp_path: Path, arguments: list[str], code: int, wanted: str) -> None:
    found, text = refused(tmp_path, *arguments)
    assert found == code
    assert wanted in text


def test_bad_directory_file_shows_every_mistake(tmp_path: Path) -> None:
    (tmp_path / "numbers.toml").write_text('"1" = "tcp:h:1"\n"2" = "nope"\n"3" = { taget = "tcp:h:1" }\n')
    done = vmodem("modem", "--no-answer", "--directory", "numbers.toml", folder=tmp_path)
    assert done.returncode == 78
    assert "numbers.toml:2" in done.stderr
    assert "numbers.toml:3" in done.stderr
    assert "Traceback" not in done.stderr


def test_port_in_use(tmp_path: Path, taken: int) -> None:
    code, text = refused(tmp_path, "--answer", f"tcp:{taken}:interface=127.0.0.1", listens=False)
    assert code == 69
    assert "another port" in text


def test_port_of_the_line_in_use(tmp_path: Path, taken: int) -> None:
    code, text = refused(tmp_path, "--line", f"tcp:{taken}:interface=127.0.0.1")
    assert code == 69
    assert str(taken) in text


def test_link_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "line").write_text("precious")
    code, text = refused(tmp_path, "--line", "pty:line")
    assert code == 69
    assert "line is a file" in text
    assert (tmp_path / "line").read_text() == "precious"


def test_folder_of_the_link_is_missing(tmp_path: Path) -> None:
    code, text = refused(tmp_path, "--line", "pty:missing/line")
    assert code == 69
    assert "missing" in text


def test_link_in_a_folder_that_is_not_ours(tmp_path: Path) -> None:
    code, text = refused(tmp_path, "--line", "pty:/proc/line")
    assert code in (69, 77)
    assert "/proc/line" in text


@pytest.mark.parametrize(
    "arguments",
    [
        ["modme"],
        ["modem", "--lien", "x"],
        ["modem", "extra"],
        ["modem", "--dialect", "klingon"],
        ["modem", "--no-answer", "--answer", "tcp:0"],
    ],
)
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "usage: vmodem" in said.err


def test_no_verb_shows_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "modem" in said.err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["--version"])
    assert exit_.value.code == 0
    assert capsys.readouterr().out == f"vmodem {__version__}\n"


@pytest.mark.parametrize("verb", [[], ["modem"]])
def test_help(verb: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main([*verb, "-h"])
    assert exit_.value.code == 0
    text = capsys.readouterr().out
    assert "usage: vmodem" in text
    if verb:
        assert "examples:" in text
        for option in ("--line", "--answer", "--entry", "--allow-dial", "--state-dir", "--log-format", "-q"):
            assert option in text


def test_python_m_is_the_same_program(tmp_path: Path) -> None:
    done = vmodem("--version", folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"vmodem {__version__}\n", "")


def test_options_not_given_change_nothing() -> None:
    config = config_from_arguments(parser().parse_args(["modem", "--name", "x", "--no-answer"]))
    modem = config.modems["x"]
    assert (modem.line, modem.name, modem.answer) == (DEFAULT_LINE, "x", ())


def test_state_folder_that_cannot_be_used_is_a_warning(tmp_path: Path) -> None:
    """It works without one: but here nothing else stops it, so an unusable line does."""
    (tmp_path / "file").write_text("")
    done = vmodem(
        "modem", "--no-answer", "--state-dir", "file", "--line", "pty:missing/line", folder=tmp_path
    )
    assert done.returncode == 69
    assert "state folder file cannot be used" in done.stderr
    assert stat.S_ISREG((tmp_path / "file").stat().st_mode)
