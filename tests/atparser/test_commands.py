"""The registry walked row by row: what each command and register takes, keeps, shows and refuses."""

from __future__ import annotations

import re

import pytest

from atparser import DIALECTS, Options, State
from atparser.commands import BASIC, EXTENDED, Command
from atparser.registers import LAST_REGISTER, ROWS, register
from atparser.results import FORBIDDEN
from tests.helpers.playbook import Playbook

OK = b"\r\nOK\r\n"
ERROR = b"\r\nERROR\r\n"
# Commands whose good outcome is not just OK, or that end the test's ability to read.
ACTING = {"A", "O", "H", "Z", "E", "Q", "V", "I", "&F", "&V", "\\S", "%L", "%Q"}
plain_rows = [row for row in BASIC if row.name not in ACTING]


def test_every_letter_and_prefixed_letter_stands_once() -> None:
    names = [row.name for row in BASIC] + [row.name for row in EXTENDED]
    assert len(names) == len(set(names))
    assert all(row.help and row.default in row.values for row in BASIC if row.kept)


@pytest.mark.parametrize("row", plain_rows, ids=lambda row: row.name)
def test_basic_command(row: Command) -> None:
    book = Playbook()
    settings = book.modem.interpreter
    for value in sorted(row.values):
        line = f"AT{row.name}{value}\r".encode()
        book.says(line, OK)
        book.says(line.lower(), OK)
        if row.kept and row.name not in ("&K", "P", "&N"):
            assert f"{row.name}{value}" in " ".join(settings.view())
    if 0 in row.values:
        book.says(f"AT{row.name}\r".encode(), OK)
    before = dict(settings.profile.basic)
    for value in (max(row.values) + 1, 999999999):
        book.says(f"AT{row.name}{value}\r".encode(), ERROR)
    assert settings.profile.basic == before


@pytest.mark.parametrize("row", [row for row in BASIC if row.name in ACTING], ids=lambda row: row.name)
def test_acting_command_refuses_what_is_out_of_range(row: Command) -> None:
    book = Playbook()
    before = dict(book.modem.interpreter.profile.basic)
    book.says(f"AT{row.name}{max(row.values) + 1}\r".encode(), ERROR).state(State.IDLE)
    assert book.modem.interpreter.profile.basic == before


def test_letters_that_are_no_commands() -> None:
    book = Playbook()
    known = {row.name for row in BASIC} | {"S", "D", "&Z"}
    for prefix in ("", "&", "\\", "%", "-"):
        for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ":
            if prefix + letter not in known:
                book.says(f"AT{prefix}{letter}\r".encode(), ERROR)
    for odd in b"!\"'()*,./0123456789:<>@[]^_`{|}~$+#%&-":
        book.says(b"AT%c\r" % odd, ERROR)


def test_factory_settings() -> None:
    book = Playbook(b"E1", echo=True)
    shown = " ".join(book.modem.interpreter.view()).split("STORED")[0].split()
    assert {"E1", "L2", "M1", "N1", "Q0", "V1", "W0", "X4", "Y0"} <= set(shown)
    assert {"&C1", "&D2", "&K3", "&R1", "&S0", "&Q5", "\\N3", "%C3"} <= set(shown)
    registers = {0: 0, 2: 43, 3: 13, 4: 10, 5: 8, 7: 50, 10: 14, 12: 50, 25: 5, 30: 0, 38: 20, 95: 0}
    assert {f"S{number:02}:{value:03}" for number, value in registers.items()} <= set(shown)


@pytest.mark.parametrize("row", [row for row in EXTENDED if row.parameters], ids=lambda row: row.name)
def test_extended_command(row: object) -> None:
    from atparser.commands import Extended

    assert isinstance(row, Extended)
    book = Playbook()
    settings = book.modem.interpreter
    for place, parameter in enumerate(row.parameters):
        values = [parameter.default]
        for one in parameter.accepts:
            values += [one] if isinstance(one, int) else list(one)
        for value in values:
            book.says(f"AT{row.name}={',' * place}{value}\r".encode(), OK)
            assert settings.profile.extended[row.name][place] == value
        before = settings.profile.extended[row.name]
        top = max(one if isinstance(one, int) else one[1] for one in parameter.accepts)
        book.says(f"AT{row.name}={',' * place}{top + 1}\r".encode(), ERROR)
        assert settings.profile.extended[row.name] == before
    book.says(f"AT{row.name}={',' * len(row.parameters)}1\r".encode(), ERROR)
    book.says(f"AT{row.name}\r".encode(), ERROR)
    head = "" if row.bare else row.name + ": "
    shown = ",".join(map(str, settings.profile.extended[row.name]))
    book.says(f"AT{row.name}?\r".encode(), f"\r\n{head}{shown}\r\n".encode() + OK)
    book.dte(f"AT{row.name}=?\r".encode())
    assert re.fullmatch(rb"\r\n%b[()0-9,-]+\r\n\r\nOK\r\n" % re.escape(head.encode()), book.words())


@pytest.mark.parametrize("row", [row for row in EXTENDED if row.action], ids=lambda row: row.name)
def test_identification(row: object) -> None:
    from atparser.commands import Extended

    assert isinstance(row, Extended)
    book = Playbook()
    book.dte(f"AT{row.name}\r".encode())
    assert re.fullmatch(rb"\r\n[ -~]+\r\n\r\nOK\r\n", book.words())
    book.says(f"AT{row.name}=?\r".encode(), ERROR)
    if not row.read_action:
        book.says(f"AT{row.name}?\r".encode(), ERROR)


# -- registers -----------------------------------------------------------------------------------------------

STORAGE = [n for n in range(LAST_REGISTER + 1) if not register(n).mirror and not register(n).read_only]


@pytest.mark.parametrize("number", STORAGE)
def test_register_keeps_0_to_255(number: int) -> None:
    book = Playbook()
    settings = book.modem.interpreter
    end = 13
    for value in (0, 1, 127, 255, 256, 99999999999):
        book.dte(b"ATS%d=%d%c" % (number, value, end))
        if number == 3:
            end = value if value < 128 else 13  # what ends a line is what S3 says
        assert settings.profile.read_register(number) == min(value, 255)
        row = register(number)
        assert row.low <= settings.profile.effective(number) <= row.high


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.read_only and not row.mirror], ids=lambda row: f"S{row.number}"
)
def test_read_only_register(row: object) -> None:
    number = getattr(row, "number")  # noqa: B009
    book = Playbook().says(b"ATS%d=9\r" % number, OK)
    book.says(b"ATS%d?\r" % number, b"\r\n000\r\n" + OK)


@pytest.mark.parametrize("value", range(256))
def test_mirrors_never_set_what_the_command_would_refuse(value: int) -> None:
    book = Playbook()
    for row in ROWS:
        if row.mirror:
            book.says(b"ATS%d=%d\r" % (row.number, value), OK)
    legal = {row.name: row.values for row in BASIC}
    assert all(value in legal[name] for name, value in book.modem.interpreter.profile.basic.items())


@pytest.mark.parametrize(
    ("line", "number", "shown"),
    [
        (b"", 21, 52),
        (b"", 22, 118),
        (b"", 23, 62),
        (b"", 27, 73),
        (b"", 31, 194),
        (b"", 39, 3),
        (b"X0", 22, 6),
        (b"&D3", 21, 60),
        (b"&K4", 39, 4),
        (b"\\Q1", 39, 4),
        (b"+IFC=0,0", 39, 0),
        (b"\\T2", 30, 12),
        (b"\\T255", 30, 255),
    ],
)
def test_registers_mirror_commands(line: bytes, number: int, shown: int) -> None:
    Playbook(line).says(b"ATS%d?\r" % number, b"\r\n%03d\r\n" % shown + OK)


def test_commands_mirror_registers() -> None:
    book = Playbook(b"S21=12S22=64S39=0")
    shown = " ".join(book.modem.interpreter.view()).split("STORED")[0].split()
    assert {"&D1", "&C0", "X1", "&K0", "+IFC=0,0"} <= set(shown)


def test_s14_is_shown_but_not_obeyed() -> None:
    """C-Kermit clears it, thinking of another maker's, and goes on to look for OK."""
    book = (
        Playbook()
        .says(b"ATS14?\r", b"\r\n136\r\n" + OK)
        .says(b"ATS14=0\r", OK)
        .says(b"ATE1S14?\r", b"\r\n138\r\n" + OK)
    )
    book.says(b"AT\r", b"AT\r" + OK)


def test_compression_of_another_maker_is_no_flow_control() -> None:
    book = Playbook(b"&K4").says(b"AT&K1\r", OK).says(b"AT&K2\r", OK)
    book.says(b"ATS39?\r", b"\r\n004\r\n" + OK)


def test_registers_beyond_the_last() -> None:
    Playbook().says(b"ATS99=1S99?\r", b"\r\n001\r\n" + OK).says(b"ATS100?\r", ERROR).says(b"ATS100\r", ERROR)


def test_another_factory_value() -> None:
    book = Playbook(options=Options(**DIALECTS["usr"]))
    book.says(b"ATS7?\r", b"\r\n060\r\n" + OK)
    book.says(b"ATS7=50&W\r", OK).says(b"AT&FE0S7?\r", b"\r\n060\r\n" + OK)
    book.says(b"ATZE0S7?\r", b"\r\n050\r\n" + OK)


@pytest.mark.parametrize("back", [0, 8, 32, 127])
def test_s5_chooses_the_editing_character(back: int) -> None:
    book = Playbook(b"E1S5=%d" % back, echo=True)
    book.says(b"ATX%cV1\r" % back, b"ATX%c %cV1\r" % (back, back) + OK)


@pytest.mark.parametrize("back", [33, 65, 126, 128, 255])
def test_s5_elsewhere_means_no_editing_but_with_del(back: int) -> None:
    book = Playbook(b"E1S5=%d" % back, echo=True)
    book.says(b"ATX9\x7f1\r", b"ATX9\x08 \x081\r" + OK)
    book.says(b"AT\x08X1\r", b"AT\x08X1\r" + OK)


# -- information text ----------------------------------------------------------------------------------------


def texts() -> list[bytes]:
    lines = [b"ATI%d" % number for number in range(12)] + [
        b"AT&V",
        b"AT%L",
        b"AT%Q",
        b"ATS0?",
        b"AT&Z0?",
        b"AT\\S",
    ]
    for row in EXTENDED:
        lines += [f"AT{row.name}{form}".encode() for form in ("", "?", "=?")]
    return lines


@pytest.mark.parametrize("line", texts())
def test_information_text_holds_no_word_of_a_result_code(line: bytes) -> None:
    book = Playbook(b"&W0", b"&W1", b"&W2").dte(line + b"\r")
    text = book.words().removesuffix(OK).removesuffix(ERROR).decode("ascii").upper()
    assert [word for word in FORBIDDEN if word in text] == []


def test_help_of_every_row_is_one_line() -> None:
    assert all(re.fullmatch(r"[ -~]{3,}", row.help) for row in (*BASIC, *EXTENDED, *ROWS))
