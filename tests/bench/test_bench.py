"""``bin/bench`` runs and prints its tables; what figures it finds is not for a test to say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.bench.report import Table, ratio

ROOT: Final = Path(__file__).resolve().parents[2]


def bench(*arguments: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **({} if path is None else {"PATH": path})}
    command = [sys.executable, str(ROOT / "bin" / "bench"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)


@pytest.mark.slow
def test_prints_its_tables() -> None:
    result = bench("start", "at", "redirect", "--quick", "--rounds", "1")
    assert (result.returncode, result.stderr) == (0, "")
    for word in (
        "vmodem --version",
        "first OK",
        "resident memory, MiB",
        "threads",
        "ATE0V1Q0",
        "KiB a served port",
    ):
        assert word in result.stdout


@pytest.mark.slow
def test_prints_json_and_leaves_out_what_is_missing(tmp_path: Path) -> None:
    result = bench("latency", "--quick", "--rounds", "1", "--json", path=str(tmp_path))
    assert (result.returncode, result.stderr) == (0, "")
    found = json.loads(result.stdout)
    assert [word in " ".join(found["notes"]) for word in ("package socat", "packages gcc")] == [True, True]
    rows = [row for table in found["tables"] for row in table["rows"]]
    assert {row["side"] for row in rows} == {"vmodem"}
    assert all(row["p50 us"] > 0 and row["p50 vs limit"] is None for row in rows)


def test_unknown_scenario() -> None:
    result = bench("sing")
    assert result.returncode == 2
    assert (
        "sing: there is no such scenario; there are start, at, call, bulk, latency, redirect" in result.stderr
    )


def test_table() -> None:
    table = Table("speed", ("", "MB/s", "ratio"))
    table.add("there", 1234.5, 1.0)
    table.add("back", 8, None)
    assert table.text() == "speed\n         MB/s  ratio\n  there  1234   1.00\n  back      8\n"
    assert table.plain()["rows"][1] == {"what": "back", "MB/s": 8, "ratio": None}


def test_ratio_is_taken_round_by_round() -> None:
    figures = {("up", "a"): [(2.0,), (30.0,), (4.0,)], ("up", "b"): [(1.0,), (10.0,), (4.0,)]}
    assert ratio(figures, "up", "a", "b", 0) == 2.0
    assert ratio(figures, "up", "a", "a", 0) is None
    assert ratio(figures, "up", "a", "c", 0) is None
