"""All settings as one value: the active profile, and the snapshot of everything that outlives the power.

A snapshot is JSON-able and is checked as a whole when it is read: half a profile is worse than none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from . import registers
from .commands import COMMANDS, EXTENDEDS, FACTORY
from .errors import ProfileError
from .options import Options

#: Stored profiles, &W0 to &W3.
SLOTS: Final = 4
#: Stored numbers, &Z0 to &Z19.
NUMBERS: Final = 20
#: Longest stored number, in characters.
NUMBER_LENGTH: Final = 255
_VERSION: Final = 1


class Profile:
    """One set of settings."""

    __slots__ = ("basic", "extended", "registers")

    def __init__(self, options: Options) -> None:
        self.basic: dict[str, int] = dict(FACTORY.basic)
        self.extended: dict[str, tuple[int, ...]] = dict(FACTORY.extended)
        self.registers = registers.factory()
        for number, value in options.factory_registers.items():
            self.registers[number] = value

    def read_register(self, number: int) -> int:
        """What ``S<number>?`` shows."""
        row = registers.register(number)
        if not row.mirror:
            return self.registers[number]
        value = row.constant
        for bits in row.mirror:
            value |= bits.show(self.basic[bits.command])
        return value

    def write_register(self, number: int, value: int) -> None:
        """What ``S<number>=<value>`` does; the caller has checked the ranges and that it may be written."""
        row = registers.register(number)
        self.registers[number] = value
        for bits in row.mirror:
            setting = bits.read(value)
            if setting is not None and setting in COMMANDS[bits.command].values:
                self.basic[bits.command] = setting

    def effective(self, number: int) -> int:
        """A register's value within its working range."""
        row = registers.register(number)
        return min(max(self.read_register(number), row.low), row.high)

    def set_flow(self, code: int) -> None:
        """Flow control in the terms of &K, and in +IFC's."""
        self.basic["&K"] = code
        self.extended["+IFC"] = {0: (0, 0), 4: (1, 1), 5: (3, 1), 6: (2, 2)}.get(code, (2, 2))

    def saved(self) -> dict[str, Any]:
        """What &W keeps of it."""
        return {
            "commands": dict(self.basic),
            "extended": {name: list(values) for name, values in self.extended.items()},
            "registers": {
                str(number): self.registers[number]
                for number in range(registers.LAST_REGISTER + 1)
                if _is_saved(number) and (number in registers.REGISTERS or self.registers[number])
            },
        }


def _is_saved(number: int) -> bool:
    row = registers.REGISTERS.get(number)
    return row.saved if row else True


class Store:
    """What outlives the power: stored profiles, the choice of one, stored numbers."""

    def __init__(self, snapshot: Mapping[str, Any] | None = None) -> None:
        """Raises :class:`ProfileError` when the snapshot is damaged or foreign."""
        self.profiles: dict[int, dict[str, Any]] = {}
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

    def undo(self) -> Callable[[], None]:
        """Something that puts all back as it is now."""
        profiles, power_up, numbers = dict(self.profiles), self.power_up, dict(self.numbers)

        def put_back() -> None:
            self.profiles, self.power_up, self.numbers = profiles, power_up, numbers

        return put_back

    def restore(self, slot: int, options: Options) -> Profile:
        """The stored profile, or factory settings where none was stored."""
        profile = Profile(options)
        saved = self.profiles.get(slot)
        if saved is not None:
            profile.basic.update(saved["commands"])
            profile.extended.update({name: tuple(values) for name, values in saved["extended"].items()})
            for number, value in saved["registers"].items():
                profile.registers[int(number)] = value
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
    basic, extended, stored = (saved.get(part, {}) for part in ("commands", "extended", "registers"))
    _expect(
        all(isinstance(part, Mapping) for part in (basic, extended, stored)), "a profile's part is no table"
    )
    for name, value in basic.items():
        row = COMMANDS.get(name)
        _expect(
            row is not None and row.kept and _is_int(value) and value in row.values, f"{name!s:.20} is wrong"
        )
    for name, values in extended.items():
        ext = EXTENDEDS.get(name)
        good = ext is not None and isinstance(values, (list, tuple)) and len(values) == len(ext.parameters)
        _expect(good and bool(values), f"{name!s:.20} is wrong")
        assert ext is not None
        checks = zip(ext.parameters, values, strict=True)
        _expect(all(_is_int(value) and row.check(value) for row, value in checks), f"{name!s:.20} is wrong")
    for number, value in stored.items():
        _expect(_is_saved(_slot(number, registers.LAST_REGISTER + 1)), f"S{number!s:.20} is wrong")
        _expect(_is_int(value) and 0 <= value <= 255, f"S{number!s:.20} is out of range")
    return {
        "commands": dict(basic),
        "extended": {name: list(values) for name, values in extended.items()},
        "registers": dict(stored),
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
