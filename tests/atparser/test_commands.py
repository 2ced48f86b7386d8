"""The registry walked row by row: what each command and register takes, keeps, shows and refuses."""

from __future__ import annotations

import re

import pytest

from atparser import DIALECTS, Options, State
from atparser.commands import BASIC, Command
from atparser.extended import CARRIERS, EXTENDED, Extended, accepted, shown
from atparser.parameters import FORBIDDEN, Number, Text, Value, Word
from atparser.registers import LAST_REGISTER, ROWS, register
from atparser.settings import SETTINGS
from tests.helpers.playbook import Playbook

OK = b"\r\nOK\r\n"
ERROR = b"\r\nERROR\r\n"
# Commands whose good outcome is not just OK, or that end the test's ability to read.
ACTING = {"&T", "A", "O", "H", "Z", "E", "Q", "V", "I", "&F", "&V", "\\S", "%L", "%Q"}
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


def samples(parameter: Number | Word | Text) -> list[tuple[str, Value]]:
    """What may be typed for a parameter, and what is then set: both ends of every range, every word."""
    if isinstance(parameter, Word):
        found: list[tuple[str, Value]] = [(word, word) for word in parameter.choices]
        found += [(f'"{word.lower()}"', word) for word in parameter.choices]
        return found + [(str(number), word) for number, word in parameter.numbers.items()]
    if isinstance(parameter, Text):
        return [('""', ""), ('"21"', "21"), ('"' + "7" * parameter.limit + '"', "7" * parameter.limit)]
    ends = [end for one in parameter.accepts for end in ([one] if isinstance(one, int) else one)]
    return [(parameter.written(value), value) for value in (parameter.default, *ends)]


def wrongs(parameter: Number | Word | Text) -> list[str]:
    """What may not be typed for it."""
    if isinstance(parameter, Word):
        return ["NOSUCH", "99", '""', '"']
    if isinstance(parameter, Text):
        return ['"' + "7" * (parameter.limit + 1) + '"', '"']
    top = max(one if isinstance(one, int) else one[1] for one in parameter.accepts)
    return [parameter.written(top + 1), "1000000000", '"0"', "-1", "~"]


def reads(book: Playbook, line: bytes, said: bytes) -> None:
    """Typed, and exactly this is read; what the port is asked for on the way is another test's."""
    assert book.dte(line).words() == said


KEEPING = [row for row in EXTENDED if row.parameters and not row.acts and not row.set_only]


@pytest.mark.parametrize("row", KEEPING, ids=lambda row: row.name)
def test_extended_command(row: Extended) -> None:
    book = Playbook()
    settings = book.modem.interpreter
    name = row.same_as or row.name
    for place, parameter in enumerate(row.parameters):
        for typed, value in samples(parameter):
            reads(book, f"AT{row.name}={',' * place}{typed}\r".encode(), OK)
            assert settings.profile.values(name)[place] == value
            reads(book, f"AT {row.name.lower()} = {',' * place} {typed}\r".encode(), OK)
        before = settings.profile.values(name)
        for typed in wrongs(parameter):
            reads(book, f"AT{row.name}={',' * place}{typed}\r".encode(), ERROR)
        assert settings.profile.values(name) == before
    reads(book, f"AT{row.name}={',' * len(row.parameters)}1\r".encode(), ERROR)
    reads(book, f"AT{row.name}\r".encode(), ERROR)
    head = "" if row.bare else row.name + ": "
    now = shown(row, settings.profile.values(name))
    reads(book, f"AT{row.name}?\r".encode(), f"\r\n{head}{now}\r\n".encode() + OK)
    reads(book, f"AT{row.name}=?\r".encode(), f"\r\n{head}{accepted(row)}\r\n".encode() + OK)
    reads(
        book,
        f"AT{row.name}=?;{row.name}?;I2\r".encode(),
        f"\r\n{head}{accepted(row)}\r\n".encode() + f"\r\n{head}{now}\r\n".encode() + OK,
    )


@pytest.mark.parametrize("row", KEEPING, ids=lambda row: row.name)
def test_what_is_read_can_be_set(row: Extended) -> None:
    book = Playbook()
    name = row.same_as or row.name
    odd = ",".join(samples(parameter)[-1][0] for parameter in row.parameters)
    reads(book, f"AT{row.name}={odd}\r".encode(), OK)
    values = book.modem.interpreter.profile.values(name)
    read = shown(row, values)
    reads(book, b"AT&F\r", b"\r\nOK\r\n")
    book.dte(f"ATE0{row.name}={read}\r".encode()).forget()
    assert book.modem.interpreter.profile.values(name) == values


READ_FORMS = {
    "+GCI": ("B5", "(00-FF)"),
    "+IPR": ("0", "(),(0,300,1200,2400,4800,9600,19200,38400,57600,115200)"),
    "+ICF": ("3,3", "(0-6),(0-3)"),
    "+IFC": ("2,2", "(0-3),(0-2)"),
    "+ILRR": ("0", "(0,1)"),
    "+ICLOK": ("0", "(0-2)"),
    "+IDSR": ("0", "(0-2)"),
    "+IRTS": ("0", "(0,1)"),
    "+ILSD": ("0", "(0,1)"),
    "+DR": ("0", "(0,1)"),
    "+DS": ("3,0,2048,32", "(0-3),(0,1),(512-65535),(6-250)"),
    "+ES": ("3,0,2", "(0-7),(0-4),(0-9)"),
    "+EB": ("1,0,30", "(0-3),(0,1),(0-254)"),
    "+ER": ("0", "(0,1)"),
    "+EFCS": ("0", "(0-2)"),
    "+ETBM": ("2,1,20", "(0-2),(0-2),(0-254)"),
    "+EWIND": ("15,15", "(1-127),(1-127)"),
    "+EFRAM": ("128,128", "(1-65535),(1-65535)"),
    "+ESR": ("0", "(0-2)"),
    "+ESA": ("0,0,0,0,0,0,255,0", "(0-2),(0,1),(0,1),(0,1),(0-2),(0,1),(0-255),(0-255)"),
    "+MS": (
        "V34,1,0,0,0,0",
        "(V21,V22,V22B,V23C,V32,V32B,V34,V90,V92),(0,1)" + ",(0,300-33600)" * 4,
    ),
    "+MR": ("0", "(0-2)"),
    "+MA": ("", ",".join(["(V21,V22,V22B,V23C,V32,V32B,V34,V90,V92)"] * 9)),
    "+MSC": ("0", "(0,1)"),
    "+MV18S": ("0,0,0,0,0", "(0-8),(0-5),(0,1),(0,1),(0,1)"),
    "+MV18R": ("0", "(0,1)"),
    "+A8E": ("1,1,,,,", "(1-6),(1-5),(0-64),(0-64),(0-64),(0-64)"),
    "+PCW": ("0", "(0-2)"),
    "+PMH": ("0", "(0,1)"),
    "+PIG": ("0", "(0,1)"),
    "+PQC": ("0", "(0-3)"),
    "+PSS": ("0", "(0-2)"),
    "+VCID": ("0", "(0-2)"),
    "+VDR": ("0,0", "(0,1),(0-255)"),
    "-SDR": ("0", "(0-7)"),
    "+FCLASS": ("0", "0"),
    "#CID": ("0", "0,1,2"),
}


@pytest.mark.parametrize("row", KEEPING, ids=lambda row: row.name)
def test_factory_values_and_ranges(row: Extended) -> None:
    read, test = READ_FORMS[row.name]
    head = "" if row.bare else row.name + ": "
    book = Playbook().says(f"AT{row.name}?\r".encode(), f"\r\n{head}{read}\r\n".encode() + OK)
    book.says(f"AT{row.name}=?\r".encode(), f"\r\n{head}{test}\r\n".encode() + OK)


def test_every_word_parameter_is_a_modulation() -> None:
    assert all(
        parameter.choices == tuple(CARRIERS)
        for row in EXTENDED
        for parameter in row.parameters
        if isinstance(parameter, Word)
    )


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        (b"+MS=V32B,1,1200,9600", b"+MS?;V32B,1,1200,9600,0,0"),
        (b'+MS="V22B"', b"+MS?;V22B,1,0,0,0,0"),
        (b"+MS=11,1", b"+MS?;V34,1,0,0,0,0"),
        (b"+MS=10,0+ES=1", b"+MS?;V32B,0,0,0,0,0"),
        (b"+MS=1N0", b"+MS?;V22,1,0,0,0,0"),
        (b"+MS=,0", b"+MS?;V34,0,0,0,0,0"),
        (b"+GCI=3d", b"+GCI?;3D"),
        (b"+GCI=0", b"+GCI?;00"),
        (b"+MA=V32,v22", b"+MA?;V32,V22"),
        (b"+A8E=6,5,C1,C081", b"+A8E?;6,5,C1,C081,,"),
        (b"&S1", b"+IDSR?;1"),
        (b"&S3", b"+IDSR?;2"),
        (b"&K4", b"+IFC?;1,1"),
        (b"&K5", b"+IFC?;3,1"),
        (b"+IFC=2,0", b"+IFC?;2,0"),
        (b"+IFC=2,0&K0", b"+IFC?;0,0"),
        (b"\\K3", b"+EB?;2,0,30"),
        (b"S82=7", b"+EB?;3,0,30"),
        (b"S38=255", b"+ETBM?;1,1,20"),
        (b"S38=0", b"+ETBM?;0,1,20"),
        (b"S38=7", b"+ETBM?;2,1,7"),
        (b"#CID=2", b"+VCID?;2"),
        (b'+ASTO=3,"555"+ASTO=4,"a\\22b"', b'+ASTO?;3,"555"'),
    ],
)
def test_what_was_typed_is_read_back(typed: bytes, read: bytes) -> None:
    line, _, wanted = read.partition(b";")
    book = Playbook(typed).dte(b"AT" + line + b"\r")
    assert book.words().split(b"\r\n")[1] == line[:-1] + b": " + wanted


@pytest.mark.parametrize(
    ("typed", "register", "value"),
    [
        (b"+EB=2", 82, 3),
        (b"+EB=3", 82, 7),
        (b"+ETBM=0", 38, 0),
        (b"+ETBM=1", 38, 255),
        (b"+ETBM=2,1,9", 38, 9),
        (b"+IDSR=1", None, 0),
        (b"+IFC=1,1", 39, 4),
        (b"\\K1", 82, 7),
    ],
)
def test_extended_commands_set_what_they_share(typed: bytes, register: int | None, value: int) -> None:
    book = Playbook(typed)
    if register is None:
        assert book.modem.interpreter.profile.basic["&S"] == 1
    else:
        book.says(b"ATS%d?\r" % register, b"\r\n%03d\r\n" % value + OK)


def test_stored_numbers_by_either_name() -> None:
    book = Playbook(b'+ASTO=3,"5551234"').says(b"AT&Z3?\r", b"\r\n5551234\r\n" + OK)
    book.says(b"AT&Z4=TOKYO\r", OK)
    book.says(b"AT+ASTO?\r", b'\r\n+ASTO: 3,"5551234"\r\n+ASTO: 4,"T\\4FKYO"\r\n' + OK)
    book.says(b"AT+ASTO=?\r", b"\r\n+ASTO: (0-19),(0-255)\r\n" + OK)
    book.says(b"AT+ASTO=3\r", OK).says(b'AT+ASTO=4,""\r', OK).says(b"AT+ASTO?\r", OK)
    book.says(b'AT+ASTO=20,"1"\r', ERROR).says(b"AT+ASTO\r", ERROR)


@pytest.mark.parametrize("row", [row for row in EXTENDED if row.action], ids=lambda row: row.name)
def test_identification(row: Extended) -> None:
    book = Playbook()
    if row.name == "+VRID":
        book.says(b"AT+VRID\r", ERROR)  # nobody has called
    else:
        book.dte(f"AT{row.name}\r".encode())
        assert re.fullmatch(rb"\r\n[ -~]+\r\n\r\nOK\r\n", book.words())
    book.says(f"AT{row.name}=?\r".encode(), ERROR).says(f"AT{row.name}=1\r".encode(), ERROR)
    if not row.read_action:
        book.says(f"AT{row.name}?\r".encode(), ERROR)


def test_ipr_and_icf_survive_z_and_factory_settings() -> None:
    """The DTE goes on at the speed at which it asked for them."""
    book = Playbook(b"+IPR=9600;+ICF=5,1").says(b"AT&FE0\r", OK).says(b"ATZE0\r", OK)
    book.says(b"AT+IPR?;+ICF?\r", b"\r\n+IPR: 9600\r\n\r\n+ICF: 5,1\r\n" + OK)


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
        (b"", 82, 128),
        (b"\\K3", 82, 3),
        (b"\\K4", 82, 0),
        (b"&H0", 39, 0),
        (b"&H1", 39, 3),
        (b"&H2", 39, 4),
        (b"&H3", 39, 6),
        (b"&K0&H4", 39, 0),
        (b"\\T2", 30, 12),
        (b"\\T255", 30, 255),
        (b"\\T90S30=6", 30, 6),
        (b"S21=183", 21, 183),  # bits that mean nothing here are kept
        (b"S21=183&D1", 21, 175),
        (b"S27=48", 27, 48),
        (b"S31=2", 31, 2),
        (b"S31=255W0", 31, 243),
        (b"S39=1", 39, 1),  # and so is a code that says nothing of the command, as long as that stays
        (b"S39=1&K4", 39, 4),
        (b"S22=23", 22, 23),
        (b"S22=23X3", 22, 103),
        (b"S82=5", 82, 5),
        (b"S82=5\\K3", 82, 3),
        (b"S23=64", 23, 126),  # the DTE's rate and parity are as its last line came
    ],
)
def test_registers_mirror_commands(line: bytes, number: int, shown: int) -> None:
    Playbook(line).says(b"ATS%d?\r" % number, b"\r\n%03d\r\n" % shown + OK)


def test_commands_mirror_registers() -> None:
    book = Playbook(b"S21=12S22=64S39=0")
    shown = " ".join(book.modem.interpreter.view()).split("STORED")[0].split()
    assert {"&D1", "&C0", "X1", "&K0", "+IFC=0,0"} <= set(shown)


MIRRORS = [row.number for row in ROWS if row.mirror and not row.read_only and row.number != 23]


@pytest.mark.parametrize("number", MIRRORS)
def test_mirrors_are_read_back_as_written(number: int) -> None:
    book = Playbook()
    for value in range(256):
        book.says(b"ATS%d=%d\r" % (number, value), OK)
        book.says(b"ATS%d?\r" % number, b"\r\n%03d\r\n" % value + OK)


def test_idle_minutes_beyond_what_s30_can_say() -> None:
    """Who asks for an hour and a half is not hung up after 42 minutes."""
    book = Playbook(b"\\T90").dialed().wait(90 * 60 - 9.6).nothing().wait(0.2)
    assert book.words() == b"\r\nNO CARRIER\r\n"
    book = Playbook(b"\\T90S30=1").dialed().wait(10 - 9.6).wait(10)
    assert book.words() == b"\r\nNO CARRIER\r\n"
    Playbook(b"\\T90\\T0").dialed().wait(100 * 60).nothing()


def test_any_speaker_setting_is_accepted() -> None:
    book = Playbook()
    for value in range(10):
        book.says(b"ATM%d\r" % value, OK)


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


def test_the_view_shows_what_is_kept_in_registers_without_a_meaning() -> None:
    book = Playbook(b"S97=5&W1S98=6")
    active, first, second, *_ = " ".join(book.modem.interpreter.view()).split("PROFILE")[1:]
    assert ("S97:005" in active, "S97:005" in first, "S97:005" in second) == (True, False, True)
    assert ("S98:006" in active, "S98:" in second) == (True, False)


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
    for setting in SETTINGS:
        lines += [f"AT${setting.name}{form}".encode() for form in ("?", "=?")]
    return [*lines, b"AT$?", b"AT$HELP?", b"AT$HELP"]


@pytest.mark.parametrize("line", texts())
def test_information_text_holds_no_word_of_a_result_code(line: bytes) -> None:
    book = Playbook(b"&Z1=5551234", b'+MS=V32;+ICLOK=1;$GREETING="CONNECT OK"', b"&W0", b"&W1", b"&W2")
    book.dte(line + b"\r")
    text = book.words().removesuffix(OK).removesuffix(ERROR).decode("ascii").upper()
    text = text.replace("+ICLOK: ", "")  # the standard's own name, told only to who asks for it by name
    assert [word for word in FORBIDDEN if word in text] == []


def test_names_from_outside_hold_no_word_of_a_result_code_either() -> None:
    """TOKYO is a place, not an answer. Who looks for OK looks for capital letters."""
    book = Playbook(b"&Z1=TTOKYO.example", b'+ASTO=2,"BUSY"')
    book.modem.interpreter.call_report = ("peer: MONITORING.example",)
    for line in (b"&Z1?", b"&V", b"+ASTO?", b"I6", b"I11"):
        text = book.dte(b"AT" + line + b"\r").words().removesuffix(OK).decode("ascii")
        assert [word for word in FORBIDDEN if word in text] == []
    book.says(b"AT&Z1?\r", b"\r\nTTokYO.example\r\n" + OK)
    dialled = book.dte(b"ATDS=1\r").taken()[-1].action
    assert "TOKYO.example" in str(dialled)  # what is dialled is what was stored
    book.fails().forget().says(b"AT&ZL?\r", b"\r\nTTokYO.example\r\n" + OK)


def test_help_of_every_row_is_one_line() -> None:
    assert all(re.fullmatch(r"[ -~]{3,}", row.help) for row in (*BASIC, *EXTENDED, *ROWS, *SETTINGS))
