"""What commands do to the settings, and what they answer.

Commands that touch the call (dial, answer, hook, return, reset) or the outside (store) are recognised and
checked here but carried out by the engine, to which they are handed as a :class:`Control`.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from . import parser, registers
from .commands import BASIC, COMMANDS, EXTENDED, EXTENDEDS
from .options import Identity, Options
from .profile import NUMBER_LENGTH, NUMBERS, SLOTS, Profile, Store


class Verb(enum.Enum):
    """What the engine is to do."""

    DIAL = "D"
    ANSWER = "A"
    HOOK = "H"
    RETURN = "O"
    RESET = "Z"
    STORE = "&W"


@dataclass(frozen=True)
class Done:
    """Carried out; the line goes on.  ``text`` is information text."""

    text: tuple[str, ...] = ()


@dataclass(frozen=True)
class Failed:
    """ERROR; the line ends."""


@dataclass(frozen=True)
class Control:
    """For the engine."""

    verb: Verb
    value: int = 0
    text: str = ""


Reply = Done | Failed | Control
DONE: Final = Done()
FAILED: Final = Failed()


class Interpreter:
    """The settings of one modem, and the commands that read and change them."""

    def __init__(self, options: Options, store: Store) -> None:
        self.options = options
        self.store = store
        self.profile: Profile = store.restore(store.power_up, options)
        #: The number dialled last, for L and &ZL?.
        self.last_number: str | None = None
        #: Lines of ATI6: how the last call went.
        self.call_report: tuple[str, ...] = ("no call yet",)
        self._last_register = 0
        self._undo: Callable[[], None] = lambda: None  # what a store that failed takes back
        self._special: dict[str, Callable[[int], Reply]] = {
            "A": lambda _: Control(Verb.ANSWER),
            "H": lambda value: Control(Verb.HOOK, value),
            "O": lambda value: Control(Verb.RETURN, value),
            "Z": lambda value: Control(Verb.RESET, value),
            "I": self._identify,
            "P": lambda _: self._keep("P", 1),
            "T": lambda _: self._keep("P", 0),
            "&F": self._factory,
            "&K": self._flow,
            "&V": lambda _: Done(self.view()),
            "&W": self._store_profile,
            "&Y": self._choose_profile,
            "\\Q": lambda value: self._flow({0: 0, 1: 4, 2: 3, 3: 3, 6: 6}[value]),
            "\\S": lambda _: Done(self.view()),
            "\\T": self._idle_minutes,
            "%L": lambda _: Done(("015",)),
            "%Q": lambda _: Done(("000",)),
        }

    def execute(self, command: parser.ParsedCommand) -> Reply:
        """Carry out one command."""
        if isinstance(command, parser.Basic):
            return self._basic(command)
        if isinstance(command, parser.SelectRegister):
            return self._select(command.number)
        if isinstance(command, parser.SetRegister):
            return self._set_register(command.number, command.value)
        if isinstance(command, parser.ReadRegister):
            return self._read_register(command.number)
        if isinstance(command, parser.Extended):
            return self._extended(command)
        if isinstance(command, parser.StoredNumber):
            return self._stored_number(command)
        if isinstance(command, parser.Dial):
            return Control(Verb.DIAL, text=command.text)
        return FAILED

    def reset(self, slot: int) -> None:
        """Load a stored profile (Z)."""
        self._adopt(self.store.restore(slot, self.options))

    def not_stored(self) -> None:
        """The outside could not keep what the last command changed: it has not happened."""
        self._undo()

    def _adopt(self, profile: Profile) -> None:
        for row in registers.ROWS:
            if row.read_only:  # what they tell of the line is no setting
                profile.registers[row.number] = self.profile.registers[row.number]
        self.profile = profile

    def _change_store(self) -> Control:
        """To be called before a change of the store; returns the request to keep it."""
        self._undo = self.store.undo()
        return Control(Verb.STORE)

    # -- basic commands ------------------------------------------------------------------------------------

    def _basic(self, command: parser.Basic) -> Reply:
        row = COMMANDS.get(command.name)
        if row is None:
            return DONE if self.options.unknown_ok else FAILED
        if command.value not in row.values:
            return FAILED
        special = self._special.get(command.name)
        if special is not None:
            return special(command.value)
        return self._keep(command.name, command.value) if row.kept else DONE

    def _keep(self, name: str, value: int) -> Reply:
        self.profile.basic[name] = value
        return DONE

    def _flow(self, code: int) -> Reply:
        if code not in (1, 2):  # compression in another maker's dialect: accepted, never flow control
            self.profile.set_flow(code)
        return DONE

    def _idle_minutes(self, minutes: int) -> Reply:
        self.profile.registers[30] = min(255, minutes * 6)
        return DONE

    def _factory(self, which: int) -> Reply:
        self._adopt(Profile(self.options))
        if which == 2:
            self.profile.set_flow(4)
        return DONE

    def _store_profile(self, slot: int) -> Reply:
        saved = self.profile.saved()
        if self.store.profiles.get(slot) == saved:
            return DONE  # devices send &W at every boot
        request = self._change_store()
        self.store.profiles[slot] = saved
        return request

    def _choose_profile(self, slot: int) -> Reply:
        # Another maker's &Y is about breaks: a profile nobody stored is not meant by it.
        if self.store.power_up == slot or (slot and slot not in self.store.profiles):
            return DONE
        request = self._change_store()
        self.store.power_up = slot
        return request

    def _identify(self, which: int) -> Reply:
        me = self.options.identity
        texts: dict[int, tuple[str, ...]] = {
            0: (me.product_code,),
            1: (me.checksum,),
            2: (),
            3: (f"{me.model} {me.revision}",),
            4: (me.product_id,),
            5: (me.country,),
            6: self.call_report,
            7: me.configuration or ("no number calls in here",),
            8: (me.build or me.revision,),
            9: (me.model.upper(),),
            11: self.call_report,
        }
        return Done(texts[which])

    # -- registers -----------------------------------------------------------------------------------------

    def _exists(self, number: int) -> bool:
        return number <= registers.LAST_REGISTER or (self.options.unknown_ok and number <= 255)

    def _select(self, number: int) -> Reply:
        if not self._exists(number):
            return FAILED
        self._last_register = number
        return DONE

    def _set_register(self, number: int | None, value: int) -> Reply:
        number = self._last_register if number is None else number
        if not self._exists(number) or value > 255:
            return FAILED
        self._last_register = number
        if not registers.register(number).read_only:
            self.profile.write_register(number, value)
            if number == 39:
                self.profile.set_flow(self.profile.basic["&K"])
        return DONE

    def _read_register(self, number: int | None) -> Reply:
        number = self._last_register if number is None else number
        if not self._exists(number):
            return FAILED
        self._last_register = number
        return Done((f"{self.profile.read_register(number):03d}",))

    # -- stored numbers ------------------------------------------------------------------------------------

    def _stored_number(self, command: parser.StoredNumber) -> Reply:
        numbers = self.store.numbers
        if command.slot is None:
            return Done((self.last_number or "",))
        if command.slot >= NUMBERS:
            return FAILED
        if command.text is None:
            return Done((numbers.get(command.slot, ""),))
        text = self.last_number if command.text.upper() == "L" else command.text
        if (
            text is None
            or len(text) > NUMBER_LENGTH
            or not ((text.isascii() and text.isprintable()) or not text)
        ):
            return FAILED
        if numbers.get(command.slot, "") == text:
            return DONE
        request = self._change_store()
        if text:
            numbers[command.slot] = text
        else:
            del numbers[command.slot]
        return request

    # -- extended commands ---------------------------------------------------------------------------------

    def _extended(self, command: parser.Extended) -> Reply:
        row = EXTENDEDS[command.name]
        if row.action:
            asked = command.form is parser.Form.ACTION or (
                row.read_action and command.form is parser.Form.READ
            )
            return Done((self._text(command.name),)) if asked else FAILED
        head = "" if row.bare else command.name + ": "
        if command.form is parser.Form.READ:
            return Done((head + ",".join(map(str, self.profile.extended[command.name])),))
        if command.form is parser.Form.TEST:
            if row.bare and len(row.parameters) == 1:
                return Done((row.parameters[0].shown().strip("()"),))
            return Done((head + ",".join(parameter.shown() for parameter in row.parameters),))
        if command.form is parser.Form.SET and len(command.values) <= len(row.parameters):
            return self._set_extended(command)
        return FAILED

    def _set_extended(self, command: parser.Extended) -> Reply:
        values = list(self.profile.extended[command.name])
        parameters = EXTENDEDS[command.name].parameters
        for place, value in enumerate(command.values):
            if value is None:
                continue  # left out: unchanged
            if not parameters[place].check(value):
                return FAILED
            values[place] = value
        self.profile.extended[command.name] = tuple(values)
        if command.name == "+IFC":
            self.profile.basic["&K"] = {0: 0, 1: 4, 3: 5}.get(values[0], 3)
        return DONE

    def _text(self, name: str) -> str:
        me: Identity = self.options.identity
        capabilities = [row.name for row in EXTENDED if row.name in ("+FCLASS", "+ES", "+DS")]
        return {
            "+GMI": me.maker,
            "+GMM": me.model,
            "+GMR": me.revision,
            "+GSN": me.serial,
            "+GOI": me.object_id,
            "+GCAP": "+GCAP: " + ",".join(capabilities),
            "+FMI": me.maker,
            "+FMM": me.model,
            "+FMR": me.revision,
            "#MFR": me.maker,
            "#MDL": me.model,
            "#REV": me.revision,
        }[name]

    # -- the view ------------------------------------------------------------------------------------------

    def view(self) -> tuple[str, ...]:
        """The lines of &V: active and stored profiles, stored numbers."""
        lines = ["ACTIVE PROFILE:", *_settings(self.profile), *self._registers(self.profile)]
        for slot in range(SLOTS):
            if slot < 2 or slot in self.store.profiles:
                stored = self.store.restore(slot, self.options)
                lines += ["", f"STORED PROFILE {slot}:", *_settings(stored), *self._registers(stored)]
        lines += ["", f"POWER-UP PROFILE: {self.store.power_up}", "", "TELEPHONE NUMBERS:"]
        lines += [f"&Z{slot}={number}" for slot, number in sorted(self.store.numbers.items())] or ["NONE"]
        return tuple(lines)

    def _registers(self, profile: Profile) -> list[str]:
        shown = [f"S{row.number:02d}:{profile.read_register(row.number):03d}" for row in registers.ROWS]
        return _wrap(shown)


def _settings(profile: Profile) -> list[str]:
    shown = [f"{row.name}{profile.basic[row.name]}" for row in BASIC if row.kept]
    shown += [f"{name}={','.join(map(str, values))}" for name, values in profile.extended.items()]
    return _wrap(shown)


def _wrap(words: list[str]) -> list[str]:
    lines: list[str] = []
    for word in words:
        if lines and len(lines[-1]) + len(word) < 76:
            lines[-1] += " " + word
        else:
            lines.append(word)
    return lines
