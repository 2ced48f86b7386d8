"""A bridge between two simulated devices, on a clock."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.helpers.bridging import Rig
from tests.helpers.reactors import reactor

__all__ = ["reactor"]


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig()
    yield made
    made.finish()
