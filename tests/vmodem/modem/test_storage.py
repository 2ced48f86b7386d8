"""What outlives the process, and what does not stop it from working."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.logger import formatEvent, globalLogPublisher

from atparser import Store
from tests.helpers.process import environment
from vmodem.modem import storage
from vmodem.modem.record import CallRecord
from vmodem.modem.storage import StateFolder, default_folder, prepare_folder

#: For each number that it reads it starts a process that stores from there on, and waits for its end.
STORING = """
import os, sys
from vmodem.modem.storage import StateFolder, prepare_folder
from atparser import Store
state = StateFolder(sys.argv[1], "m")
store = Store()
for line in sys.stdin.buffer:
    child = os.fork()
    if not child:
        break
    os.write(1, b"%d\\n" % child)
    os.waitpid(child, 0)
    os.write(1, b"killed\\n")
else:
    sys.exit()
for turn in range(int(line), 10**9):
    os.write(1, b".")
    value = turn % 200
    registers = {"0": value, "7": value, "30": value}
    store.profiles[0] = {"commands": {}, "extended": {}, "settings": {}, "registers": registers}
    store.numbers = {slot: str(value) * 60 for slot in range(20)}
    assert state.store(store.snapshot())
"""
LIMITED = """
import resource, sys
from vmodem.modem.storage import StateFolder, prepare_folder
from vmodem.modem.record import CallRecord
from atparser import Store
state = StateFolder(sys.argv[1], "m")
store = Store()
store.power_up = 1
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), -1))
print(state.store(store.snapshot()))
for _ in range(3):
    state.record(CallRecord("m", "out", "555", ""))
resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
print(state.store(store.snapshot()))
state.record(CallRecord("m", "out", "555", ""))
"""


@pytest.fixture
def told() -> Iterator[list[str]]:
    """What is said to the log, as text."""
    lines: list[str] = []

    def observe(event: Any) -> None:
        lines.append(f"{event['log_level'].name}: {formatEvent(event)}")

    globalLogPublisher.addObserver(observe)
    yield lines
    globalLogPublisher.removeObserver(observe)


def _store(value: int = 3) -> Store:
    store = Store()
    store.profiles[0] = {"commands": {"E": 0}, "extended": {}, "settings": {}, "registers": {"0": value}}
    store.numbers[1] = "5551234"
    return store


def test_round_trip(tmp_path: Path) -> None:
    state = StateFolder(str(tmp_path), "modem0")
    assert state.load().snapshot() == Store().snapshot()
    assert state.store(_store().snapshot())
    assert state.load().snapshot() == _store().snapshot()
    assert state.store(_store(4).snapshot())
    assert state.load().snapshot() == _store(4).snapshot()
    assert os.listdir(tmp_path) == ["modem0.profile.json"]
    assert stat.S_IMODE((tmp_path / "modem0.profile.json").stat().st_mode) == 0o600


def test_two_names_two_profiles(tmp_path: Path) -> None:
    for name in ("a", "b"):
        StateFolder(str(tmp_path), name).store(_store(ord(name)).snapshot())
    assert StateFolder(str(tmp_path), "a").load().profiles[0]["registers"]["0"] == ord("a")


@pytest.mark.parametrize("name", ["../../etc/x", "/etc/x", "..", ".", "", "a/b", "a\0b", "ä" * 300])
def test_name_leads_nowhere_else(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    StateFolder(str(folder), name).store(_store().snapshot())
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


def test_killed_while_storing(tmp_path: Path) -> None:
    """Killed forty times at any moment, the file is always whole: the old settings or the new."""
    moments = random.Random(9)
    seen = set()
    command = [sys.executable, "-c", STORING, str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, env=environment(tmp_path), bufsize=0, **pipes) as starter:
        assert starter.stdin is not None
        assert starter.stdout is not None
        for turn in range(40):
            starter.stdin.write(b"%d\n" % (turn * 31))
            said = b""
            while b"\n" not in said or said.count(b".") <= turn % 4:
                said += starter.stdout.read(100)
            time.sleep(moments.uniform(0, 0.003))
            os.kill(int(said.replace(b".", b"")), signal.SIGKILL)
            while not said.endswith(b"killed\n"):
                said += starter.stdout.read(100)
            file = tmp_path / "m.profile.json"
            if file.exists():
                profile = Store(json.loads(file.read_bytes())).profiles[0]["registers"]
                assert len({profile[number] for number in ("0", "7", "30")}) == 1
                seen.add(profile["0"])
        starter.stdin.close()
    assert len(seen) > 5


@pytest.mark.parametrize("limit", [0, 20], ids=["nothing fits", "a part fits"])
def test_disk_full(tmp_path: Path, limit: int) -> None:
    """What cannot be written leaves the old file; lost call records are told once, counted, and resumed."""
    StateFolder(str(tmp_path), "m").store(_store().snapshot())
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path), str(limit)],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert done.stdout == "False\nTrue\n", done.stderr
    names = sorted(os.listdir(tmp_path))
    assert names == ["m.calls.jsonl", "m.profile.json"]
    assert StateFolder(str(tmp_path), "m").load().power_up == 1
    records = [json.loads(line) for line in (tmp_path / "m.calls.jsonl").read_text().splitlines()]
    assert len(records) == 1


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe\x00",
        b"[" * 200_000,
        b'{"version": 2}',
        b'{"version": 1, "profiles": {"9": {}}}',
        b'{"version": 1, "profiles": {"0": {"registers": {"0": 256}}}}',
        b'{"version": 1, "profiles": {"0": {"registers": {"0": true}}}}',
        b'{"version": 1, "numbers": {"0": "\\u001b[2J"}}',
        b'{"version": 1, "power_up": NaN}',
        b'{"version": 1, "power_up": ' + b"9" * 5000 + b"}",
        b" " * (storage.PROFILE_LIMIT + 1),
    ],
)
def test_damaged_means_factory_settings_and_a_warning(
    tmp_path: Path, told: list[str], content: bytes
) -> None:
    (tmp_path / "m.profile.json").write_bytes(content)
    state = StateFolder(str(tmp_path), "m")
    assert state.load().snapshot() == Store().snapshot()
    assert len(told) == 1
    assert told[0].startswith("warn: ")
    assert "factory settings" in told[0]
    assert state.store(_store().snapshot())
    assert state.load().snapshot() == _store().snapshot()


def test_profile_that_is_a_folder(tmp_path: Path, told: list[str]) -> None:
    (tmp_path / "m.profile.json").mkdir()
    state = StateFolder(str(tmp_path), "m")
    assert state.load().snapshot() == Store().snapshot()
    assert not state.store(_store().snapshot())
    assert [line.partition(":")[0] for line in told] == ["warn", "error"]
    assert os.listdir(tmp_path) == ["m.profile.json"]


@pytest.mark.parametrize("place", ["file", "below a file", "/proc"])
def test_folder_that_cannot_be(tmp_path: Path, told: list[str], place: str) -> None:
    (tmp_path / "file").write_text("")
    folder = {
        "file": str(tmp_path / "file"),
        "below a file": str(tmp_path / "file" / "x"),
        "/proc": "/proc/x",
    }
    state = StateFolder(folder[place], "m")
    prepare_folder(state.folder)
    assert len(told) == 1
    assert "--state-dir" in told[0]
    assert state.load().snapshot() == Store().snapshot()
    assert not state.store(_store().snapshot())


def test_folder_is_for_the_user_only(tmp_path: Path) -> None:
    prepare_folder(str(tmp_path / "a" / "b"))
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700


def test_records_begin_anew_when_they_are_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "RECORDS_LIMIT", 1000)
    state = StateFolder(str(tmp_path), "m")
    for turn in range(30):
        state.record(CallRecord("m", "out", str(turn), ""))
    assert sorted(os.listdir(tmp_path)) == ["m.calls.jsonl", "m.calls.jsonl.1"]
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 3000
    last = json.loads((tmp_path / "m.calls.jsonl").read_text().splitlines()[-1])
    assert last["number"] == "29"


def test_record_holds_what_happened(tmp_path: Path) -> None:
    record = CallRecord("m", "in", "caller\x1b[2J", "192.0.2.1\n", started_at=10.0, connected_at=12.0)
    record.finish(15.5, 7, 9, "local hang-up")
    StateFolder(str(tmp_path), "m").record(record)
    line = (tmp_path / "m.calls.jsonl").read_bytes()
    assert line.count(b"\n") == 1
    assert re.fullmatch(rb"[\x20-\x7e]*\n", line)
    kept = json.loads(line)
    assert (kept["duration_s"], kept["sent"], kept["received"]) == (3.5, 7, 9)
    assert (kept["number"], kept["reason"], kept["connected"]) == ("caller\x1b[2J", "local hang-up", True)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}", kept["date"])


def test_report_holds_no_result_code() -> None:
    """Whoever calls himself NO CARRIER does not end the DTE's session."""
    record = CallRecord("m", "in", "NO CARRIER\r\nCONNECT", "\r\nOK\r\n")
    record.finish(1.0, 0, 0, "BUSY\x1b")
    text = "\n".join(record.report())
    assert not re.search("OK|CARRIER|CONNECT|BUSY|ERROR|RING|[^ -~\n]", text)


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({"XDG_STATE_HOME": "/x"}, "/x/vmodem"),
        ({"XDG_STATE_HOME": "x", "HOME": "/h"}, "/h/.local/state/vmodem"),
        ({"HOME": "/h"}, "/h/.local/state/vmodem"),
    ],
)
def test_default_folder(monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], folder: str) -> None:
    for name in ("XDG_STATE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert default_folder() == folder
