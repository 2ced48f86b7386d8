"""Which configuration file is meant when nobody says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from vmodem.config import ConfigError
from vmodem.config.search import find_config, need_config, places


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("XDG_CONFIG_DIRS", f"{tmp_path}/one:relative:{tmp_path}/two")
    return tmp_path


def test_the_nearest_file_wins(home: Path) -> None:
    wanted = ["two/vmodem/vmodem.toml", "one/vmodem/vmodem.toml", "home/.config/vmodem/vmodem.toml"]
    for name in wanted:
        (home / name).parent.mkdir(parents=True)
        (home / name).write_text("")
        assert find_config() == str(home / name)
    (home / "vmodem.toml").write_text("")
    assert find_config() == "vmodem.toml"
    assert need_config() == "vmodem.toml"


def test_where_the_user_says(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", f"{home}/conf")
    assert places()[1] == f"{home}/conf/vmodem/vmodem.toml"
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")
    assert places()[1] == f"{home}/home/.config/vmodem/vmodem.toml"
    assert places()[-1] == "/etc/vmodem/vmodem.toml"


def test_a_file_that_leads_nowhere_is_not_passed_over(home: Path) -> None:
    """Else a typing error would put another file in force."""
    (home / "vmodem.toml").symlink_to("missing")
    assert find_config() == "vmodem.toml"


def test_none(home: Path) -> None:
    if Path("/etc/vmodem/vmodem.toml").exists():
        pytest.fail("this machine has a vmodem.toml of its own")
    assert find_config() is None
    with pytest.raises(ConfigError, match="-c FILE"):
        need_config()
