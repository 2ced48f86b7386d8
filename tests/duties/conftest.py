"""The tests of what the product promises run the real program over real pseudo-terminals and sockets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.duties.cut import CutCalls
from tests.helpers.process import scene

__all__ = ["scene"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The path is cut before the first of these tests and looked at after the last: others fill the time."""
    items.sort(key=lambda item: "test_n9_path_is_cut" in item.name)


@pytest.fixture(scope="session", autouse=True)
def _cut_early(request: pytest.FixtureRequest) -> None:
    names = [item.name for item in request.session.items if "duties" in str(item.path)]
    if any("test_n9_path_is_cut" in name for name in names):
        try:
            request.getfixturevalue("cut_calls")
        except pytest.skip.Exception:
            pass  # the test itself says so


@pytest.fixture(scope="session")
def cut_calls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CutCalls]:
    made = CutCalls(tmp_path_factory.mktemp("cut"))
    yield made
    made.close()
