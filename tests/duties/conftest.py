"""The tests of what the product promises run the real program over real pseudo-terminals and sockets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.duties.cut import CutCalls
from tests.helpers.process import scene

__all__ = ["scene"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The path is looked at after the last of these tests: the others fill the time."""
    items.sort(key=lambda item: "test_n9_path_is_cut" in item.name)


@pytest.fixture(scope="session")
def cut_calls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CutCalls]:
    made = CutCalls(tmp_path_factory.mktemp("cut"))
    yield made
    made.close()
