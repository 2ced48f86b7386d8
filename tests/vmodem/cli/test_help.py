"""Every verb explains itself, and none costs more than it needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.process import environment
from vmodem.cli import main, parser
from vmodem.cli.shells import tree

VERBS = [verb.name for verb in tree(parser()) if verb.name]


@pytest.mark.parametrize("verb", VERBS)
def test_help_with_examples(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main([verb, "-h"])
    assert exit_.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: vmodem {verb}")
    assert f"examples:\n  vmodem {verb}" in text
    assert max(map(len, text.splitlines())) <= 110


@pytest.mark.parametrize("verb", VERBS)
def test_unknown_options_are_wrong_usage(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Whole words only: an option that is added later changes the meaning of no script."""
    for option in ("--nonsense", "--hel"):
        with pytest.raises(SystemExit) as exit_:
            main([verb, option])
        assert exit_.value.code == 2
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("arguments", "spared"),
    [
        (["--version"], {"twisted", "cattrs", "atparser", "serial", "json", "socket", "vmodem.cli.dial"}),
        (["status", "--state-dir", "none"], {"twisted", "cattrs", "atparser", "serial", "vmodem.config"}),
        (["check", "-c", "none"], {"twisted.internet", "serial"}),
    ],
)
def test_nothing_slow_is_imported(tmp_path: Path, arguments: list[str], spared: set[str]) -> None:
    code = (
        "import sys\n"
        "from vmodem.cli import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "print('modules:', *sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert spared & set(done.stdout.partition("modules:")[2].split()) == set()


def test_interrupted_while_it_still_reads_its_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(words: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("vmodem.cli.parser", interrupted)
    assert main(["status"]) == 130
