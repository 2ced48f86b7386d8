"""Directory files."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from atparser.dialstring import parse_dial
from vmodem.call.directory import Directory
from vmodem.config.reading import FILE_LIMIT, ConfigError, load_directory


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "numbers.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def rules(directory: Directory) -> list[str]:
    return [match.rule for match in directory]


GOOD = """
"5551234" = "tcp:bbs.example.net:23"
"555*" = { target = "tcp:[2001:db8::1]:9000", note = "plant, any extension", rate = 2400 }
[bob]
target = "exec:/bin/login -p"
user = "nobody"
caller_name = "Bob"
"""


def test_plain(tmp_path: Path) -> None:
    directory = load_directory(write(tmp_path, GOOD))
    assert rules(directory)[:3] == ["5551234", "555*", "bob"]
    match = directory.lookup(parse_dial("T5559"))
    assert match is not None
    assert (match.entry.note, match.entry.rate, str(match.entry.target)) == (
        "plant, any extension",
        2400,
        "tcp:[2001:db8::1]:9000",
    )
    match = directory.lookup(parse_dial("BOB"))
    assert match is not None
    assert (match.entry.user, match.entry.caller_name) == ("nobody", "Bob")


def test_in_a_table(tmp_path: Path) -> None:
    directory = load_directory(
        write(tmp_path, '[directory]\nalice = "echo:"\n[directory.bob]\ntarget = "clock:"\n')
    )
    assert rules(directory)[:2] == ["alice", "bob"]


def test_an_entry_may_be_called_directory(tmp_path: Path) -> None:
    directory = load_directory(write(tmp_path, 'directory = { target = "help:" }\n'))
    assert rules(directory)[0] == "directory"


def test_empty(tmp_path: Path) -> None:
    assert rules(load_directory(write(tmp_path, ""))) == rules(Directory())


def test_all_mistakes_at_once(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """# numbers
[directory]
"1" = "tcpp:a:1"
"2" = { target = "tcp:a:1", note = 3, rte = 300 }
three = 3
Three = "echo:"
[directory.four]
note = "x"
rate = true
[other]
""",
    )
    with pytest.raises(ConfigError) as caught:
        load_directory(path)
    found = {(m.line, m.key): m.text for m in caught.value.mistakes}
    assert set(found) == {
        (3, "directory.1"),
        (4, "directory.2.note"),
        (4, "directory.2.rte"),
        (5, "directory.three"),
        (6, "directory.Three"),
        (7, "directory.four.target"),
        (9, "directory.four.rate"),
        (10, "other"),
    }
    assert "did you mean tcp:" in found[3, "directory.1"]
    assert "did you mean rate" in found[4, "directory.2.rte"]
    assert "missing" in found[7, "directory.four.target"]
    assert 'means the same as "three"' in found[6, "directory.Three"]
    assert str(caught.value).startswith(f"{path}:3: directory.1: ")
    assert len(str(caught.value).splitlines()) == 8


@pytest.mark.parametrize(
    ("text", "line", "part"),
    [
        ('a = "echo:"\nb = \n', 2, "is not TOML"),
        ("a = [\n", 2, "is not TOML"),
        (b'a = "echo:"\n\nb = "\xff"\n', 3, "is not UTF-8"),
        ("#" * (FILE_LIMIT + 1), 0, "is larger than"),
        ('"" = "echo:"\n', 1, "was expected as the key"),
        ("x = 1979-05-27\n", 1, "not a date"),
        ('x = ["echo:"]\n', 1, "not a list"),
        ('"a\\u001bb" = 1\n', 1, '"a\\u001bb"'),
    ],
)
def test_bad_files(tmp_path: Path, text: str | bytes, line: int, part: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_directory(write(tmp_path, text))
    mistake = caught.value.mistakes[0]
    assert mistake.line == line
    assert part in str(mistake)
    assert "\x1b" not in str(mistake)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load_directory(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_directory("a\0b")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
def test_any_file(tmp_path: Path, data: bytes) -> None:
    with contextlib.suppress(ConfigError):
        load_directory(write(tmp_path, data))
