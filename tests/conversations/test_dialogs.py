"""What programs and devices really send, with their real spacing, and what they must read in answer."""

from __future__ import annotations

import pytest

from tests.helpers.dialogs import FOLDER, Replay

FILES = sorted(FOLDER.glob("*.txt"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_dialog(path: object) -> None:
    Replay(FOLDER.joinpath(str(path)).read_text(encoding="ascii")).run()


def test_there_are_dialogs() -> None:
    assert len(FILES) >= 20


@pytest.mark.parametrize(
    "wrong",
    [
        "0 D b'AT\\r'\n0 M b'AT\\r\\r\\nERROR\\r\\n'",
        "0 D b'AT\\r'",
        "0 D b'AT\\r'\n1 M b'AT\\r\\r\\nOK\\r\\n'",
        "0 D b'ATD1\\r'\n0 M b'ATD1\\r'",
        "0 D b'ATD1\\r'\n0 M b'ATD1\\r'\n0 N dialled 2",
        "0 M b'OK'",
    ],
)
def test_a_replay_notices(wrong: str) -> None:
    with pytest.raises(pytest.fail.Exception, match=r"at (line|the end)"):
        Replay(wrong).run()


def test_a_replay_agrees() -> None:
    Replay("# nothing\n0 D b'AT\\r'\n0 M b'AT\\r\\r\\nOK\\r\\n'").run()
