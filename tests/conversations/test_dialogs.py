"""What programs and devices really send, with their real spacing, and what they must read in answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.dialogs import FOLDER, Replay

FILES = sorted(FOLDER.glob("*.txt"))


@pytest.mark.parametrize("bytewise", [False, True], ids=["as sent", "byte by byte"])
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_dialog(path: Path, bytewise: bool) -> None:
    Replay(path.read_text(encoding="utf-8"), path.name, bytewise).run()


def test_there_are_dialogs() -> None:
    assert len(FILES) >= 60


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_dialog_says_who_talks(path: Path) -> None:
    assert path.read_text(encoding="utf-8").startswith("# ")


def _went_wrong(text: str, name: str = "example.txt") -> str:
    with pytest.raises(pytest.fail.Exception) as failed:
        Replay(text, name).run()
    return str(failed.value)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        (
            "0 D b'AT\\r'\n0 M b'AT\\r\\r\\nERROR\\r\\n'",
            (
                "   1       0.000 D b'AT\\r'\n"
                "   2 -     0.000 M b'AT\\r\\r\\nERROR\\r\\n'\n"
                "     +     0.000 M b'AT\\r\\r\\nOK\\r\\n'"
            ),
        ),
        ("0 D b'AT\\r'", "   1       0.000 D b'AT\\r'\n     +     0.000 M b'AT\\r\\r\\nOK\\r\\n'"),
        (
            "0 D b'AT\\r'\n1 M b'AT\\r\\r\\nOK\\r\\n'",
            "   2 -     1.000 M b'AT\\r\\r\\nOK\\r\\n'\n     +     0.000 M b'AT\\r\\r\\nOK\\r\\n'",
        ),
        ("0 D b'ATD1\\r'\n0 M b'ATD1\\r'", "     +     0.000 N dialled 1\n     +    50.000 N hung up\n"),
        (
            "0 D b'ATD1\\r'\n0 M b'ATD1\\r'\n0 N dialled 2\n1 N refuses\n1 M b'\\r\\nBUSY\\r\\n'",
            "   3 -     0.000 N dialled 2\n     +     0.000 N dialled 1\n   4       1.000 N refuses\n",
        ),
        ("0 M b'OK'", "   1 -     0.000 M b'OK'\n     + nothing"),
        ("0 N answered", "   1 -     0.000 N answered\n     + nothing"),
        ("0 S dcd=on", "   1 -     0.000 S dcd=on\n     +     0.000 S dcd=off"),
        (
            "0 N rings\n0 M b'\\r\\nRING\\r\\n'\n1 C b'x'\n1 N leaves",
            "   3 -     1.000 C b'x'\n     + nothing",
        ),
    ],
)
def test_a_difference_is_shown_in_its_place(text: str, wrong: str) -> None:
    assert wrong in _went_wrong(text)


def test_a_difference_names_the_file_and_the_first_line() -> None:
    shown = _went_wrong("# who\n0 D b'AT\\r'\n0 M b'OK'\n1 D b'ATX\\r'\n1 M b'OK'", "who.txt")
    assert shown.startswith("who.txt: the conversation went another way, first at line 3\n")
    assert shown.count("\n     + ") == 2


def test_far_from_a_difference_nothing_is_shown() -> None:
    many = "".join(f"{at} D b'AT\\r'\n{at} M b'AT\\r\\r\\nOK\\r\\n'\n" for at in range(20))
    shown = _went_wrong(many + "20 M b'more'")
    assert len(shown.splitlines()) < 14
    assert "..." in shown


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "nothing is said in it"),
        ("# a comment", "nothing is said in it"),
        ("0 D b'AT\\r'\nzero M b''", "line 2: zero M b''\n    a line is: seconds direction rest"),
        ("0 X b'AT\\r'", "'X' is no direction"),
        ("0", "'' is no direction"),
        ("0 M*0.01 b'AT\\r'", "'M*0.01' is no direction"),
        ("0 D AT", "bytes are written as Python writes them"),
        ("0 D b'AT\\r", "bytes are written as Python writes them"),
        ("0 D 'AT'", "bytes are written as Python writes them"),
        ("0 D*slow b'AT'", "one byte each 0.010 s"),
        ("1 D b'AT\\r'\n0 M b''", "line 2: 0 M b''\n    the line before it ends later, at 1.000"),
        ("0 D*1 b'AT\\r'\n1 M b''", "the line before it ends later, at 2.000"),
        ("0 T carrier=on", "T knows nothing like 'carrier=on'"),
        ("0 T speed=fast", "T knows nothing like"),
        ("0 S dcd", "S knows nothing like"),
        ("0 N ringing", "N knows nothing like 'ringing'"),
        ("0 O no_such_thing=1", "none of the engine's options"),
        ("0 O cable=yes", "the value as Python writes it"),
        ("0 O escape='never'", "'never' is not a valid EscapeMode"),
        ("0 T dtr=on\n0 O cable=True", "options come before everything else"),
    ],
)
def test_a_mistake_in_a_file_is_named(text: str, said: str) -> None:
    shown = _went_wrong(text)
    assert shown.startswith("example.txt cannot be replayed: ")
    assert said in shown


CIRCUITS_AND_BREAKS = r"""
0 D b'ATE0\r'
0 M b'ATE0\r\r\nOK\r\n'
1 N rings
1 M b'\r\nRING\r\n'
1 S ri=on dcd=off
3 S ri=off
4 D b'ATA\r'
4 N answered
4 N connects
4 M b'\r\nCONNECT 115200\r\n'
4 S dcd=on
5 T break
5 N break sent
6 N breaks
6 N break read
9 N closes
9 M b'\r\nNO CARRIER\r\n'
9 S dcd=off
"""


@pytest.mark.parametrize(
    "text",
    [
        "# nothing\n0 D b'AT\\r'\n0 M b'AT\\r\\r\\nOK\\r\\n'",
        "0 O escape='off'\n0 D b'AT\\r'\n0 M b'AT\\r\\r\\nOK\\r\\n'",
        CIRCUITS_AND_BREAKS,
    ],
)
def test_a_replay_agrees(text: str) -> None:
    Replay(text).run()


def test_a_circuit_stands_before_the_words_about_it() -> None:
    """What is on only behind CONNECT is too late for a program that looks when it reads that."""
    replay = Replay(CIRCUITS_AND_BREAKS)
    collect = replay.collect

    def late() -> None:
        collect()
        if replay.last:
            replay.last.circuits["dcd"] = False

    replay.collect = late  # type: ignore[method-assign]
    with pytest.raises(pytest.fail.Exception, match=r"S dcd=off when the last byte came"):
        replay.run()
