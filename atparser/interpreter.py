"""What commands do to the settings, and what they answer.

Commands that touch the call (dial, answer, hook, return, reset) or the outside (store) are recognised and
checked here but carried out by the engine, to which they are handed as a :class:`Control`.
"""

from __future__ import annotations

import datetime
import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from . import callerid, extended, parser, registers, settings
from .callerid import Caller
from .commands import BASIC, COMMANDS
from .extended import EXTENDED, EXTENDEDS
from .options import Identity, Options
from .parameters import Value, calm, escaped
from .parity import Parity
from .profile import NUMBER_LENGTH, NUMBERS, SLOTS, Profile, Store


class Verb(enum.Enum):
    """What the engine is to do."""

    DIAL = "D"
    ANSWER = "A"
    HOOK = "H"
    RETURN = "O"
    RESET = "Z"
    BREAK = "\\B"
    TEST = "&T1"
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
        self._configured = options
        self.store = store
        self.profile: Profile = store.restore(store.at_power_up, options)
        #: The number dialled last, for L and &ZL?.
        self.last_number: str | None = None
        #: Lines of ATI6: how the last call went.
        self.call_report: tuple[str, ...] = ("no call yet",)
        #: Who calls, or called last, and when; None where that is not known.
        self.caller: Caller | None = None
        self.called_at: datetime.datetime | None = None
        #: How the DTE's last command line came, for S23: bit/s (0 where the line has no speed), and parity.
        self.dte_rate = 0
        self.parity = Parity.NONE
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
            "&H": self._transmit_flow,
            "&K": self._flow_or_compression,
            "&V": lambda _: Done(self.view()),
            "&W": self._store_profile,
            "&Y": self._choose_profile,
            "\\Q": lambda value: self._flow({0: 0, 1: 4, 2: 3, 3: 3, 6: 6}[value]),
            "&T": lambda value: Control(Verb.TEST) if value == 1 else DONE,
            "\\B": lambda value: Control(Verb.BREAK, value or 3),
            "\\S": lambda _: Done(self.view()),
            "\\T": self._idle_minutes,
            "%L": lambda _: Done(("015",)),
            "%Q": lambda _: Done(("000",)),
        }

    @property
    def options(self) -> Options:
        """The options in force: those configured, with what AT$ has changed."""
        return self.profile.options

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
        if isinstance(command, parser.Setting):
            return self._setting(command)
        if isinstance(command, parser.StoredNumber):
            return self._stored_number(command)
        if isinstance(command, parser.Dial):
            return Control(Verb.DIAL, text=command.text)
        return FAILED

    def reset(self, slot: int) -> None:
        """Load a stored profile (Z)."""
        self._adopt(self.store.restore(slot, self._configured))

    def not_stored(self) -> None:
        """The outside could not keep what the last command changed: it has not happened."""
        self._undo()

    def _adopt(self, profile: Profile) -> None:
        for row in registers.ROWS:
            if row.read_only:  # what they tell of the line is no setting
                profile.registers[row.number] = self.profile.registers[row.number]
        for name in ("+IPR", "+ICF"):  # the DTE goes on at the speed at which it asked for this
            profile.set_values(name, self.profile.values(name))
        self.profile = profile

    def _change_store(self) -> Control:
        """To be called before a change of the store; returns the request to keep it."""
        self._undo = self.store.undo()
        return Control(Verb.STORE)

    # -- basic commands ------------------------------------------------------------------------------------

    def _basic(self, command: parser.Basic) -> Reply:
        row = COMMANDS.get(command.name)
        if row is None:
            return DONE if self.options.unknown_ok and command.name[0] != "-" else FAILED
        if command.value not in row.values:
            return FAILED
        special = self._special.get(command.name)
        if special is not None:
            return special(command.value)
        return self._keep(command.name, command.value) if row.kept else DONE

    def _keep(self, name: str, value: int) -> Reply:
        self.profile.basic[name] = value
        return DONE

    def _flow_or_compression(self, code: int) -> Reply:
        if self.options.compression_by_k and code < 4:
            return self._keep("%C", (0, 3, 3, 2)[code])  # 3: but for the older of the two kinds
        return self._flow(code)

    def _flow(self, code: int) -> Reply:
        if code not in (1, 2):  # compression in another maker's dialect: accepted, never flow control
            self.profile.set_flow(code)
        return DONE

    def _transmit_flow(self, code: int) -> Reply:
        """Another maker's flow control, in the terms of &K; 4 is none of its codes here."""
        if code != 4:
            self.profile.set_flow({0: 0, 1: 3, 2: 4, 3: 6}[code])
        return self._keep("&H", code)

    def _idle_minutes(self, minutes: int) -> Reply:
        self.profile.set_idle_minutes(minutes)
        return DONE

    def _factory(self, which: int) -> Reply:
        self._adopt(Profile(self._configured, self.profile.changed))
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
        if self.options.break_by_y:
            return self._keep("\\K", {0: 1, 1: 1, 2: 3, 3: 5}[slot])
        if self.store.power_up == slot:
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
        return Done(tuple(calm(line) for line in texts[which]))

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
        return DONE

    def _read_register(self, number: int | None) -> Reply:
        number = self._last_register if number is None else number
        if not self._exists(number):
            return FAILED
        self._last_register = number
        value = self.profile.read_register(number)
        if number == 23:
            value = value & ~0x3E | registers.line_bits(self.dte_rate, self.parity)
        return Done((f"{value:03d}",))

    # -- stored numbers ------------------------------------------------------------------------------------

    def _stored_number(self, command: parser.StoredNumber) -> Reply:
        if command.slot is None:
            return Done((calm(self.last_number or ""),))
        if command.slot >= NUMBERS:
            return FAILED
        if command.text is None:
            return Done((calm(self.store.numbers.get(command.slot, "")),))
        text = self.last_number if command.text.upper() == "L" else command.text
        return FAILED if text is None else self._store_number(command.slot, text)

    def _store_number(self, slot: int, text: str) -> Reply:
        numbers = self.store.numbers
        if len(text) > NUMBER_LENGTH or not (text.isascii() and (text.isprintable() or not text)):
            return FAILED
        if numbers.get(slot, "") == text:
            return DONE
        request = self._change_store()
        if text:
            numbers[slot] = text
        else:
            del numbers[slot]
        return request

    # -- extended commands ---------------------------------------------------------------------------------

    def _extended(self, command: parser.Extended) -> Reply:
        row = EXTENDEDS[command.name]
        if row.action:
            asked = command.form is parser.Form.ACTION or (
                row.read_action and command.form is parser.Form.READ
            )
            text = self._text(command.name) if asked else ()
            return Done(text) if text else FAILED
        if row.set_only and command.form is not parser.Form.SET:
            return FAILED
        head = "" if row.bare else row.name + ": "
        if command.form is parser.Form.TEST:
            return Done((head + extended.accepted(row),))
        if command.form is parser.Form.READ:
            if row.acts:
                return Done(tuple(head + number for number in self._numbers_stored()))
            return Done((head + extended.shown(row, self.profile.values(row.same_as or row.name)),))
        if command.form is parser.Form.SET and len(command.values) <= len(row.parameters):
            return self._set_extended(row, command.values)
        return FAILED

    def _set_extended(self, row: extended.Extended, typed: tuple[str | None, ...]) -> Reply:
        name = row.same_as or row.name
        values: list[Value]
        if row.acts:
            values = [parameter.default for parameter in row.parameters]
        else:
            values = list(self.profile.values(name))
        for place, text in enumerate(typed):
            if text is None:
                continue  # left out: unchanged
            value = row.parameters[place].parse(text)
            if value is None:
                return FAILED
            values[place] = value
        if row.acts:
            return self._store_number(int(values[0]), str(values[1]))
        self.profile.set_values(name, tuple(values))
        return DONE

    def _numbers_stored(self) -> list[str]:
        return [f'{slot},"{escaped(number)}"' for slot, number in sorted(self.store.numbers.items())]

    def caller_lines(self) -> tuple[str, ...]:
        """Who calls, in the form of +VCID; nothing where that is not known."""
        if self.caller is None:
            return ()
        blanks = self.options.caller_id_blanks
        if self.profile.number("+VCID") == 2:
            return (callerid.message(self.caller, self.called_at, blanks),)
        return callerid.lines(self.caller, self.called_at, blanks)

    def _text(self, name: str) -> tuple[str, ...]:
        me: Identity = self.options.identity
        if name == "+VRID":
            return self.caller_lines()
        if name == "+GCAP":
            return ("+GCAP: " + ",".join(row.name for row in EXTENDED if row.capability),)
        return (
            {
                "+GMI": me.maker,
                "+GMM": me.model,
                "+GMR": me.revision,
                "+GSN": me.serial,
                "+GOI": me.object_id,
                "+FMI": me.maker,
                "+FMM": me.model,
                "+FMR": me.revision,
                "+FMFR": me.maker,
                "+FMDL": me.model,
                "+FREV": me.revision,
                "#MFR": me.maker,
                "#MDL": me.model,
                "#REV": me.revision,
            }[name],
        )

    # -- the modem's own settings --------------------------------------------------------------------------

    def _setting(self, command: parser.Setting) -> Reply:
        if command.name == "HELP":
            wanted = command.form in (parser.Form.READ, parser.Form.ACTION)
            return Done(settings.help_lines()) if wanted else FAILED
        row = settings.BY_NAME[command.name]
        head = f"${row.name}: "
        if command.form is parser.Form.READ:
            return Done((head + settings.read(row, self.options),))
        if command.form is parser.Form.TEST:
            return Done((head + row.parameter.shown(),))
        if command.form is not parser.Form.SET or len(command.values) != 1:
            return FAILED
        value = None
        if command.values[0] is not None:
            value = row.parameter.parse(command.values[0])
            if value is None:
                return FAILED
        self.profile.change(row.name, value)
        return DONE

    # -- the view ------------------------------------------------------------------------------------------

    def view(self) -> tuple[str, ...]:
        """The lines of &V: active and stored profiles, stored numbers."""
        lines = ["ACTIVE PROFILE:", *_settings(self.profile), *self._registers(self.profile)]
        for slot in range(SLOTS):
            if slot < 2 or slot in self.store.profiles:
                stored = self.store.restore(slot, self._configured)
                lines += ["", f"STORED PROFILE {slot}:", *_settings(stored), *self._registers(stored)]
        lines += ["", f"POWER-UP PROFILE: {self.store.power_up}", "", "TELEPHONE NUMBERS:"]
        lines += [f"&Z{slot}={calm(number)}" for slot, number in sorted(self.store.numbers.items())] or [
            "NONE"
        ]
        return tuple(lines)

    def _registers(self, profile: Profile) -> list[str]:
        """The registers that mean something, and what was written to those that do not."""
        shown = [
            f"S{number:02d}:{profile.read_register(number):03d}"
            for number in range(registers.LAST_REGISTER + 1)
            if number in registers.REGISTERS or profile.registers[number]
        ]
        return _wrap(shown)


def _settings(profile: Profile) -> list[str]:
    """The commands, then the extended ones and our own that are not as they were made."""
    shown = [f"{row.name}{profile.basic[row.name]}" for row in BASIC if row.kept]
    for name, factory in extended.FACTORY.items():
        values = profile.values(name)
        if values != factory and escaped(name) == name:  # +ICLOK is told only to who asks for it
            shown.append(f"{name}={extended.shown(EXTENDEDS[name], values)}")
    for name, value in sorted(profile.changed.items()):
        shown.append(f"${name}={settings.BY_NAME[name].parameter.written(value)}")
    return _wrap(shown)


def _wrap(words: list[str]) -> list[str]:
    lines: list[str] = []
    for word in words:
        if lines and len(lines[-1]) + len(word) < 76:
            lines[-1] += " " + word
        else:
            lines.append(word)
    return lines
