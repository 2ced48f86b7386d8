"""Fifty redirected ports in one process, to fifty served ones in another."""

from __future__ import annotations

import random
from contextlib import ExitStack
from pathlib import Path

from tests.bench.redirects import fleet


def test_fifty(tmp_path: Path) -> None:
    with ExitStack() as stack:
        many = fleet(stack, tmp_path / "many", 50)
        many.knock()
        assert many.exchange(random.Random(50)) == 0
        assert many.redirector.threads() == 1
        assert many.exchange(random.Random(51)) == 0
