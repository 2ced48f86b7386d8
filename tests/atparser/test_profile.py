"""What outlives the power: written by &W, &Y and &Z, read back at Z and power-up, and damaged in all ways."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atparser import InitError, Modem, Options, ProfileError, State, Store, StoreProfile
from atparser.commands import BASIC
from atparser.extended import EXTENDEDS, FACTORY
from atparser.parameters import Number
from atparser.registers import LAST_REGISTER, register
from tests.helpers.playbook import Playbook

OK = b"\r\nOK\r\n"
ERROR = b"\r\nERROR\r\n"


def restarted(book: Playbook, **more: Any) -> Playbook:
    """The power goes off and on: only what was stored is left, and that went through JSON."""
    return Playbook(echo=True, store=Store(json.loads(json.dumps(book.snapshots[-1]))), **more)


def test_every_kept_command_and_register_comes_back() -> None:
    odd: list[bytes] = []
    for row in BASIC:
        if row.kept and row.name not in ("E", "Q", "V", "P"):
            value = max(value for value in row.values if value != row.default)
            odd.append(f"{row.name}{value}".encode())
    odd += [
        b"+%s" % line for line in (b"MS=V22,0,300,2400", b"A8E=6,5,C1", b"GCI=3D", b"MA=V32", b"IPR=9600")
    ]
    for name in (
        "+DS",
        "+ES",
        "+EFRAM",
        "+EWIND",
        "+ESA",
        "+VDR",
        "-SDR",
        "+MV18S",
        "+ICF",
        "+VCID",
        "+ILRR",
    ):
        tops = [
            one if isinstance(one, int) else one[1]
            for parameter in EXTENDEDS[name].parameters
            if isinstance(parameter, Number)
            for one in parameter.accepts[-1:]
        ]
        odd.append(f"{name}={','.join(map(str, tops))}".encode())
    odd += [b'$GREETING="CONNECT FAST"', b"$ESCAPE=TIES", b"$BURST=13", b"$LENIENT=1"]
    saved = [n for n in range(LAST_REGISTER + 1) if not register(n).mirror and not register(n).read_only]
    odd += [b"S%d=%d" % (n, 100 + n) for n in saved if n not in (3, 4, 5)]
    book = Playbook(*odd, b"P").says(b"AT&W1&Y1\r", OK)
    active = book.modem.interpreter.profile
    again = restarted(book).modem.interpreter.profile
    assert again.basic == active.basic
    assert [again.values(name) for name in FACTORY] == [active.values(name) for name in FACTORY]
    assert again.changed == active.changed
    assert again.options == active.options
    assert [again.registers[n] for n in saved] == [active.registers[n] for n in saved]


def test_what_is_not_saved() -> None:
    book = Playbook(b"E1S4=33S5=127S1=4S86=9S3=10").dte(b"AT&W\n")
    fresh = restarted(book).modem.interpreter.profile
    assert [fresh.read_register(n) for n in (1, 3, 4, 5, 86)] == [0, 13, 10, 8, 0]


def test_z_loads_what_w_stored() -> None:
    book = Playbook(b"S6=11").says(b"AT&W2\r", OK).says(b"ATS6=12\r", OK).dte(b"ATZ2\r").expect(OK)
    book.says(b"ATS6?\r", b"\r\n011\r\n" + OK).says(b"ATZ3E0S6?\r", b"\r\n002\r\n" + OK)
    book.says(b"ATZ4\r", ERROR).says(b"AT&W4\r", ERROR).says(b"AT&Y4\r", ERROR)


def test_y_chooses_the_profile_of_the_power_up() -> None:
    book = Playbook(b"S6=11").says(b"AT&W3\r", OK).says(b"AT&Y3\r", OK)
    restarted(book).says(b"ATS6?\r", b"\r\n011\r\n" + OK)


def test_y_of_another_maker_does_not_choose_a_profile_nobody_stored() -> None:
    book = Playbook(b"S6=11", b"&W0").says(b"AT&Y3\r", OK)
    restarted(book).says(b"ATS6?\r", b"\r\n011\r\n" + OK)


def test_y_may_come_before_the_profile_is_stored() -> None:
    """Until it is, the first one is loaded; nobody who was told OK finds his choice forgotten."""
    book = Playbook(b"S6=11", b"&W0", b"S6=12").says(b"AT&Y1&W1\r", OK)
    restarted(book).says(b"ATS6?\r", b"\r\n012\r\n" + OK)
    book = Playbook(b"S6=11&D3", b"&W0").says(b"AT&Y1\r", OK).says(b"ATS6=13\r", OK)
    book.dtr(False).wait(1).dtr(True).forget().dte(b"ATE0\r").forget().says(b"ATS6?\r", b"\r\n011\r\n" + OK)
    assert "POWER-UP PROFILE: 1" in book.modem.interpreter.view()


def test_bits_without_a_meaning_are_stored_too() -> None:
    book = Playbook(b"S31=2S21=183S27=48").says(b"AT&W\r", OK)
    again = restarted(book).dte(b"ATE0\r").forget()
    again.says(b"ATS31?S21?S27?\r", b"\r\n002\r\n\r\n183\r\n\r\n048\r\n" + OK)
    again.says(b"AT&D1S21?\r", b"\r\n175\r\n" + OK)


def test_a_profile_of_before_such_bits_were_stored() -> None:
    old = json.loads(json.dumps(good))
    for number in ("21", "22", "23", "27", "31", "39"):
        old["profiles"]["0"]["registers"].pop(number, None)
    old["profiles"]["0"]["registers"]["82"] = 0
    book = Playbook(store=Store(old))
    book.says(b"ATS21?S31?S39?S82?\r", b"".join(b"\r\n%03d\r\n" % n for n in (60, 194, 3, 128)) + OK)


def test_factory_settings_spare_stored_numbers_and_profiles() -> None:
    book = Playbook(b"S6=11", b"&W", b"&Z1=555").says(b"AT&FE0\r", OK)
    book.says(b"AT&Z1?\r", b"\r\n555\r\n" + OK).says(b"ATZS6?\r", b"\r\n011\r\n" + OK)


def test_nothing_is_written_that_is_already_so() -> None:
    book = Playbook(can_store=None)
    book.dte(b"AT&W\r")
    assert isinstance(book.taken()[-1].action, StoreProfile)
    book.stored().expect(OK).says(b"AT&W&Y0&Z1=\r", OK)
    restarted(book, can_store=None).says(b"AT&W&Y0\r", OK)


@pytest.mark.parametrize("line", [b"AT&W\r", b"AT&Y2\r", b"AT&Z7=555\r"])
def test_a_store_that_fails_is_an_error_every_time_and_changes_nothing(line: bytes) -> None:
    book = Playbook(b"&W2", b"S6=9")
    book.can_store = False
    before = book.modem.interpreter.store.snapshot()
    for _ in range(2):
        book.says(line, ERROR)
        assert book.modem.interpreter.store.snapshot() == before
    book.can_store = True
    book.says(line, OK)
    assert book.modem.interpreter.store.snapshot() != before


def test_a_failed_store_ends_its_line() -> None:
    book = Playbook(can_store=False).says(b"AT&WS6=9\r", ERROR).says(b"ATS6?\r", b"\r\n002\r\n" + OK)
    book.state(State.IDLE)


# -- damage --------------------------------------------------------------------------------------------------

good = Playbook(b"S6=9&D3+ES=1,2,3", b"&W", b"&W2", b"&Z3=T555").snapshots[-1]


def changed(*path: str, to: Any) -> Any:
    copy = json.loads(json.dumps(good))
    place = copy
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = to
    return copy


DAMAGED = {
    "list": [],
    "text": "x",
    "number": 1,
    "empty": {},
    "version": changed("version", to=2),
    "power_up": changed("power_up", to=4),
    "power_up text": changed("power_up", to="0"),
    "power_up truth": changed("power_up", to=True),
    "profiles": changed("profiles", to=[]),
    "numbers": changed("numbers", to=3),
    "slot": changed("profiles", to={"4": {}}),
    "slot name": changed("profiles", to={"one": {}}),
    "profile": changed("profiles", "0", to=7),
    "commands": changed("profiles", "0", "commands", to=[]),
    "unknown command": changed("profiles", "0", "commands", "J", to=0),
    "acting command": changed("profiles", "0", "commands", "H", to=0),
    "command value": changed("profiles", "0", "commands", "&D", to=4),
    "command text": changed("profiles", "0", "commands", "&D", to="2"),
    "command list": changed("profiles", "0", "commands", "&D", to=[2]),
    "unknown extended": changed("profiles", "0", "extended", "+FOO", to=[1]),
    "action": changed("profiles", "0", "extended", "+GMI", to=[]),
    "too few": changed("profiles", "0", "extended", "+ES", to=[1]),
    "value": changed("profiles", "0", "extended", "+ES", to=[1, 2, 99]),
    "missing command": changed("profiles", "0", "extended", "+VRID", to=[]),
    "word": changed("profiles", "0", "extended", "+MS", to=["V99", 1, 0, 0, 0, 0]),
    "word type": changed("profiles", "0", "extended", "+MS", to=[11, 1, 0, 0, 0, 0]),
    "another name": changed("profiles", "0", "extended", "#CID", to=[1]),
    "settings": changed("profiles", "0", "settings", to=[]),
    "unknown setting": changed("profiles", "0", "settings", "NOSUCH", to=1),
    "setting value": changed("profiles", "0", "settings", "LENIENT", to=2),
    "setting type": changed("profiles", "0", "settings", "LENIENT", to=True),
    "setting text": changed("profiles", "0", "settings", "GREETING", to="\x1b[2J"),
    "register": changed("profiles", "0", "registers", "6", to=256),
    "register below": changed("profiles", "0", "registers", "6", to=-1),
    "register half": changed("profiles", "0", "registers", "6", to=1.5),
    "register number": changed("profiles", "0", "registers", "100", to=1),
    "register sign": changed("profiles", "0", "registers", "-1", to=1),
    "mirror": changed("profiles", "0", "registers", "14", to=1),
    "not saved": changed("profiles", "0", "registers", "3", to=1),
    "number place": changed("numbers", "20", to="1"),
    "number type": changed("numbers", "3", to=5551234),
    "number control": changed("numbers", "3", to="555\x1b[2J"),
    "number length": changed("numbers", "3", to="5" * 256),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_damaged_snapshot_is_refused_with_a_reason(damage: str) -> None:
    with pytest.raises(ProfileError, match=r"\w"):
        Store(DAMAGED[damage])


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
places: list[tuple[str, ...]] = [
    ("version",),
    ("power_up",),
    ("profiles",),
    ("profiles", "0"),
    ("profiles", "2", "commands"),
    ("profiles", "2", "commands", "&D"),
    ("profiles", "2", "extended"),
    ("profiles", "2", "extended", "+ES"),
    ("profiles", "2", "settings"),
    ("profiles", "2", "settings", "DIALECT"),
    ("profiles", "2", "registers"),
    ("profiles", "2", "registers", "6"),
    ("numbers",),
    ("numbers", "3"),
]


def use(snapshot: Any) -> None:
    """Refused with ProfileError, or as good as any other."""
    try:
        store = Store(snapshot)
    except ProfileError:
        return
    modem = Modem(store=store)
    modem.start(0.0)
    for line in (b"ATZ2", b"AT&V", b"ATDS=3", b"AT&W"):
        modem.receive_dte(line + b"\r", 1.0)
        modem.stored(True, 1.0)
        modem.hang_up("test", 1.0)
    assert Store(json.loads(json.dumps(store.snapshot()))).snapshot() == store.snapshot()


@given(anything)
def test_any_value_for_a_snapshot(snapshot: Any) -> None:
    use(snapshot)


@given(st.sampled_from(places), anything)
def test_any_value_anywhere_in_a_snapshot(place: tuple[str, ...], value: Any) -> None:
    use(changed(*place, to=value))


@given(st.dictionaries(st.sampled_from(["0", "1", "00", "3", "٣", "9", "x"]), st.text() | anything))
def test_any_stored_numbers(numbers: dict[str, Any]) -> None:
    use(changed("numbers", to=numbers))


def test_a_snapshot_that_cannot_be_used_is_no_reason_not_to_start() -> None:
    """The caller falls back on an empty store, which is factory settings."""
    Playbook(store=Store(None), options=Options()).says(b"ATS7?\r", b"\r\n050\r\n" + OK)
    assert issubclass(ProfileError, Exception)
    assert not issubclass(ProfileError, InitError)
