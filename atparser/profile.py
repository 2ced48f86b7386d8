"""All settings as one value: the active profile, and the snapshot of everything that outlives the power.

A snapshot is JSON-able and is checked as a whole when it is read: half a profile is worse than none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from . import extended, registers, settings
from .actions import Flow
from .commands import COMMANDS, FACTORY
from .errors import ProfileError
from .options import Options
from .parameters import Value

#: Stored profiles, &W0 to &W3.
SLOTS: Final = 4
#: Stored numbers, &Z0 to &Z19.
NUMBERS: Final = 20
#: Longest stored number, in characters.
NUMBER_LENGTH: Final = 255
_VERSION: Final = 1


class Profile:
    """One set of settings."""

    __slots__ = ("_configured", "_extended", "_wrote", "basic", "changed", "options", "registers")

    def __init__(self, options: Options, changed: Mapping[str, Value] | None = None) -> None:
        """Factory settings.  ``options`` are those configured, ``changed`` what AT$ has set since."""
        self._configured = options
        self.changed: dict[str, Value] = dict(changed or {})
        #: The options in force.
        self.options = settings.effective(options, self.changed)
        self.basic: dict[str, int] = dict(FACTORY)
        self._extended: dict[str, tuple[Value, ...]] = dict(extended.FACTORY)
        self.registers = registers.factory()
        #: For bit-mapped registers, by number: what their commands were right after the last writing.
        self._wrote: dict[int, tuple[int, ...]] = {}
        for number, value in self.options.factory_registers.items():
            self.registers[number] = value

    # -- registers -----------------------------------------------------------------------------------------

    def read_register(self, number: int) -> int:
        """What ``S<number>?`` shows."""
        row = registers.register(number)
        value = self.registers[number]
        if self._wrote.get(number) == tuple(self.basic[bits.command] for bits in row.mirror):
            return value
        for bits in row.mirror:
            value = value & ~bits.mask | bits.show(self.basic[bits.command])
        return value

    def write_register(self, number: int, value: int) -> None:
        """What ``S<number>=<value>`` does; the caller has checked the ranges and that it may be written."""
        row = registers.register(number)
        self.registers[number] = value
        for bits in row.mirror:
            setting = bits.read(value)
            if setting is not None and setting in COMMANDS[bits.command].values:
                self.basic[bits.command] = setting
        if row.mirror:
            self._wrote[number] = tuple(self.basic[bits.command] for bits in row.mirror)
        if number == 30:
            self.basic["\\T"] = value // 6
        if self.options.s19_minutes and number == 19:
            self.registers[30] = min(255, value * 6)
            self.basic["\\T"] = value
        elif self.options.s19_minutes and number == 30:
            self.registers[19] = value // 6

    def effective(self, number: int) -> int:
        """A register's value within its working range."""
        row = registers.register(number)
        return min(max(self.read_register(number), row.low), row.high)

    def inactivity_s(self) -> int:
        r"""How long a call may be idle, in seconds; 0 for ever.  S19 and \T reach further than S30 can."""
        minutes = self.registers[19] if self.options.s19_minutes else 0
        return max(minutes * 60, self.basic["\\T"] * 60, self.registers[30] * 10)

    def set_idle_minutes(self, minutes: int) -> None:
        r"""What \T does."""
        if self.options.s19_minutes:
            self.write_register(19, minutes)
        else:
            self.write_register(30, min(255, minutes * 6))
        self.basic["\\T"] = minutes

    # -- extended commands ---------------------------------------------------------------------------------

    def values(self, name: str) -> tuple[Value, ...]:
        """The values of an extended command."""
        kept = self._extended[name]
        return _MIRRORS[name].show(self, kept) if name in _MIRRORS else kept

    def number(self, name: str, place: int = 0) -> int:
        """One numeric value of an extended command."""
        value = self.values(name)[place]
        assert isinstance(value, int)
        return value

    def set_values(self, name: str, values: tuple[Value, ...]) -> None:
        """What the set form does; the caller has checked the values."""
        self._extended[name] = values
        if name in _MIRRORS:
            _MIRRORS[name].obey(self, values)

    def set_flow(self, code: int) -> None:
        """Flow control in the terms of &K."""
        self.basic["&K"] = code

    def flow(self) -> tuple[Flow, Flow, bool]:
        """How the DTE holds us up, how we hold it up, and whether its XON and XOFF are passed on."""
        by_dte, by_dce = self.values("+IFC")
        through = by_dte == 3 or self.basic["\\X"] == 1
        if self.basic["&K"] == 6:
            return Flow.XON_XOFF | Flow.CIRCUITS, Flow.XON_XOFF | Flow.CIRCUITS, through
        return _WAYS[by_dte], _WAYS[by_dce], through

    def break_s(self) -> float:
        """How long a break is, in seconds."""
        return self.number("+EB", 2) * 0.01

    def set_break(self, tenths: int) -> None:
        """What \\B does, besides sending one."""
        self._extended["+EB"] = (*self._extended["+EB"][:2], tenths * 10)

    # -- the modem's own settings --------------------------------------------------------------------------

    def change(self, name: str, value: Value | None) -> None:
        """What ``AT$<name>=<value>`` does; None goes back to what is configured."""
        before = self.options
        if value is None:
            self.changed.pop(name, None)
        else:
            self.changed[name] = value
        self.options = settings.effective(self._configured, self.changed)
        for number in {*before.factory_registers, *self.options.factory_registers}:
            # What still has the one dialect's factory value gets the other's.
            factory = registers.register(number).default
            if self.registers[number] == before.factory_registers.get(number, factory):
                self.registers[number] = self.options.factory_registers.get(number, factory)

    # -- storage -------------------------------------------------------------------------------------------

    def saved(self) -> dict[str, Any]:
        """What &W keeps of it."""
        return {
            "commands": dict(self.basic),
            "extended": {name: list(self.values(name)) for name in self._extended},
            "registers": {
                str(number): self.read_register(number)
                for number in range(registers.LAST_REGISTER + 1)
                if _is_saved(number) and (number in registers.REGISTERS or self.registers[number])
            },
            "settings": dict(self.changed),
        }

    def load(self, saved: Mapping[str, Any]) -> None:
        """Take over what :meth:`saved` gave, with ``settings`` given at the beginning."""
        self._extended.update({name: tuple(values) for name, values in saved["extended"].items()})
        self.basic.update(saved["commands"])
        for number, value in saved["registers"].items():
            self.registers[int(number)] = value


@dataclass(frozen=True)
class _Mirror:
    """An extended command that says what another command or register says too; that one is the truth."""

    show: Callable[[Profile, tuple[Value, ...]], tuple[Value, ...]]
    obey: Callable[[Profile, tuple[Value, ...]], None]


def _show_flow(profile: Profile, kept: tuple[Value, ...]) -> tuple[Value, ...]:
    flow = profile.basic["&K"]
    if _FLOW.get(kept[0], 3) == flow:
        return kept
    return {0: (0, 0), 4: (1, 1), 5: (3, 1)}.get(flow, (2, 2))


def _obey_flow(profile: Profile, values: tuple[Value, ...]) -> None:
    profile.set_flow(_FLOW.get(values[0], 3))


def _show_dsr(profile: Profile, kept: tuple[Value, ...]) -> tuple[Value, ...]:
    return (min(profile.basic["&S"], 2),)


def _obey_dsr(profile: Profile, values: tuple[Value, ...]) -> None:
    profile.basic["&S"] = int(values[0])


def _show_break(profile: Profile, kept: tuple[Value, ...]) -> tuple[Value, ...]:
    if kept[0] == 0:
        return kept  # ignored, which \K cannot say
    return (next((by for by, k in _BREAKS.items() if k == profile.basic["\\K"]), 1), *kept[1:])


def _obey_break(profile: Profile, values: tuple[Value, ...]) -> None:
    profile.basic["\\K"] = _BREAKS.get(values[0], profile.basic["\\K"])


def _show_pending(profile: Profile, kept: tuple[Value, ...]) -> tuple[Value, ...]:
    s38 = profile.registers[38]
    if s38 in (0, 255):
        return (0 if s38 == 0 else 1, *kept[1:])
    return (2, kept[1], s38)


def _obey_pending(profile: Profile, values: tuple[Value, ...]) -> None:
    profile.registers[38] = {0: 0, 1: 255}.get(int(values[0]), int(values[2]))


#: The DTE's side of +IFC to &K; circuits where it is not listed.
_FLOW: Final[Mapping[Value, int]] = {0: 0, 1: 4, 3: 5}
#: +IFC's values as ways to hold up.
_WAYS: Final[Mapping[Value, Flow]] = {
    0: Flow.NONE,
    1: Flow.XON_XOFF,
    2: Flow.CIRCUITS,
    3: Flow.XON_XOFF,
}
#: +EB's first value to \K.
_BREAKS: Final[Mapping[Value, int]] = {1: 5, 2: 3, 3: 1}
_MIRRORS: Final = {
    "+IFC": _Mirror(_show_flow, _obey_flow),
    "+IDSR": _Mirror(_show_dsr, _obey_dsr),
    "+EB": _Mirror(_show_break, _obey_break),
    "+ETBM": _Mirror(_show_pending, _obey_pending),
}


def _is_saved(number: int) -> bool:
    row = registers.REGISTERS.get(number)
    return row is None or row.saved or (bool(row.mirror) and not row.read_only)


class Store:
    """What outlives the power: stored profiles, the choice of one, stored numbers."""

    def __init__(self, snapshot: Mapping[str, Any] | None = None) -> None:
        """Raises :class:`ProfileError` when the snapshot is damaged or foreign."""
        self.profiles: dict[int, dict[str, Any]] = {}
        #: The choice of &Y, perhaps of a profile that is still to be stored.
        self.power_up = 0
        self.numbers: dict[int, str] = {}
        if snapshot is not None:
            self._load(snapshot)

    def snapshot(self) -> dict[str, Any]:
        return {
            "version": _VERSION,
            "power_up": self.power_up,
            "profiles": {str(slot): saved for slot, saved in sorted(self.profiles.items())},
            "numbers": {str(slot): number for slot, number in sorted(self.numbers.items())},
        }

    @property
    def at_power_up(self) -> int:
        """The profile that power-up loads: the one chosen, as soon as it has been stored."""
        return self.power_up if self.power_up in self.profiles else 0

    def undo(self) -> Callable[[], None]:
        """Something that puts all back as it is now."""
        profiles, power_up, numbers = dict(self.profiles), self.power_up, dict(self.numbers)

        def put_back() -> None:
            self.profiles, self.power_up, self.numbers = profiles, power_up, numbers

        return put_back

    def restore(self, slot: int, options: Options) -> Profile:
        """The stored profile, or factory settings where none was stored."""
        saved = self.profiles.get(slot)
        if saved is None:
            return Profile(options)
        profile = Profile(options, saved["settings"])
        profile.load(saved)
        return profile

    def _load(self, snapshot: Mapping[str, Any]) -> None:
        _expect(isinstance(snapshot, Mapping), "it is not a table")
        _expect(snapshot.get("version") == _VERSION, "it is of an unknown version")
        power_up = snapshot.get("power_up", 0)
        _expect(_is_int(power_up) and 0 <= power_up < SLOTS, "power_up is out of range")
        profiles, numbers = snapshot.get("profiles", {}), snapshot.get("numbers", {})
        _expect(
            isinstance(profiles, Mapping) and isinstance(numbers, Mapping),
            "profiles or numbers are no tables",
        )
        for key, saved in profiles.items():
            slot = _slot(key, SLOTS)
            self.profiles[slot] = _checked(saved)
        for key, number in numbers.items():
            good = isinstance(number, str) and len(number) <= NUMBER_LENGTH and number.isprintable()
            _expect(good, f"stored number {key!s:.20} is no number")
            self.numbers[_slot(key, NUMBERS)] = number
        self.power_up = power_up


def _checked(saved: Any) -> dict[str, Any]:
    _expect(isinstance(saved, Mapping), "a profile is no table")
    parts = [saved.get(part, {}) for part in ("commands", "extended", "registers", "settings")]
    _expect(all(isinstance(part, Mapping) for part in parts), "a profile's part is no table")
    basic, values_of, stored, changed = parts
    for name, value in basic.items():
        command = COMMANDS.get(name)
        good = command is not None and command.kept and _is_int(value) and value in command.values
        _expect(good, f"{name!s:.20} is wrong")
    for name, values in values_of.items():
        row = extended.EXTENDEDS.get(name) if name in extended.FACTORY else None
        good = row is not None and isinstance(values, (list, tuple)) and len(values) == len(row.parameters)
        _expect(good, f"{name!s:.20} is wrong")
        assert row is not None
        checks = zip(row.parameters, values, strict=True)
        _expect(all(parameter.check(value) for parameter, value in checks), f"{name!s:.20} is wrong")
    for number, value in stored.items():
        _expect(_is_saved(_slot(number, registers.LAST_REGISTER + 1)), f"S{number!s:.20} is wrong")
        _expect(_is_int(value) and 0 <= value <= 255, f"S{number!s:.20} is out of range")
    for name, value in changed.items():
        setting = settings.BY_NAME.get(name)
        _expect(setting is not None and setting.parameter.check(value), f"${name!s:.20} is wrong")
    return {
        "commands": dict(basic),
        "extended": {name: list(values) for name, values in values_of.items()},
        "registers": dict(stored),
        "settings": dict(changed),
    }


def _slot(key: Any, limit: int) -> int:
    good = isinstance(key, str) and key.isascii() and key.isdigit() and len(key) < 4 and int(key) < limit
    _expect(good, f"{key!s:.20} is no valid place")
    return int(key)


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _expect(condition: bool, why: str) -> None:
    if not condition:
        raise ProfileError(why)
