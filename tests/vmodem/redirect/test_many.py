"""Five hundred redirected ports in one process, to as many served ones in another."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from tests.bench.redirects import measure

COUNT = 500


def test_five_hundred(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 4 * COUNT + 100:
        pytest.skip(f"needs {4 * COUNT + 100} descriptors, and {hard} are allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4 * COUNT + 100), hard))
    try:
        found = measure(tmp_path, COUNT, rounds=1)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    with capsys.disabled():
        print(
            f"\n{COUNT} ports: {found.redirector_kib:.1f} KiB a redirected one, "
            f"{found.server_kib:.1f} KiB a served one"
        )
    assert found.wrong == 0
    assert max(found.redirector_kib, found.server_kib) < 100
