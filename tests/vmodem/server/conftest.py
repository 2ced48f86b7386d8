"""A shared port for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.helpers.certificates import certificates
from tests.helpers.reactors import reactor
from tests.helpers.sharing import Sharing

__all__ = ["certificates", "reactor"]


@pytest.fixture
def desk() -> Iterator[Sharing]:
    made = Sharing()
    yield made
    made.shared.stop()
    made.tick(10)
    left = [call for call in made.clock.getDelayedCalls() if call.active()]
    assert not left, f"timers left: {[str(call) for call in left]}"
