"""A command line taken apart, one command at a time.

Commands run from left to right and the first bad one stops the line, with what ran before it kept (V.250
clause 5.2.3).  So the line is not judged as a whole: :class:`Scanner` gives the next command when it is asked
for one, and a :class:`Bad` where the rest makes no sense.

Blanks count nowhere but inside quotes and in dial strings.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import Final

from .extended import EXTENDEDS
from .parameters import Parameter
from .settings import BY_NAME

#: More digits than this are no number any modem understands.
DIGITS: Final = 9
_NAME: Final = re.compile(r"[A-Z][A-Z0-9 ]*", re.IGNORECASE)
_VENDOR: Final = re.compile(r"[A-Z]{2,}=", re.IGNORECASE)


class Form(enum.Enum):
    """How an extended command was written."""

    ACTION = "+NAME"
    SET = "+NAME="
    READ = "+NAME?"
    TEST = "+NAME=?"


@dataclass(frozen=True)
class Basic:
    """Letter, or prefix character and letter, and a number."""

    name: str
    value: int


@dataclass(frozen=True)
class SetRegister:
    """``Sn=v``; without n the register named last."""

    number: int | None
    value: int


@dataclass(frozen=True)
class ReadRegister:
    """``Sn?``, or ``Sn=?``; without n the register named last."""

    number: int | None


@dataclass(frozen=True)
class SelectRegister:
    """``Sn``: name a register for ``?`` and ``=`` to come."""

    number: int


@dataclass(frozen=True)
class Dial:
    """``D`` and the rest of the line."""

    text: str


@dataclass(frozen=True)
class StoredNumber:
    """``&Zn=text``, or ``&Zn?`` (text is None); slot None is the number dialled last (``&ZL?``)."""

    slot: int | None
    text: str | None


@dataclass(frozen=True)
class Extended:
    """An extended command; ``values`` are those of the set form as typed, None where one was left out."""

    name: str
    form: Form
    values: tuple[str | None, ...] = ()


@dataclass(frozen=True)
class Setting:
    """One of the modem's own settings, AT$; HELP is none, but lists them all."""

    name: str
    form: Form
    values: tuple[str | None, ...] = ()


@dataclass(frozen=True)
class Bad:
    """Not a command; the rest of the line from where it stopped making sense."""

    text: str


ParsedCommand = (
    Basic | SetRegister | ReadRegister | SelectRegister | Dial | StoredNumber | Extended | Setting | Bad
)

#: A number, for values beyond those a command has.
_ANY: Final = re.compile(r"[0-9]*")
_QUOTED: Final = re.compile(r'"[^"]*"')


class Scanner:
    """The commands of one line body (what stands between the prefix and the terminator)."""

    def __init__(self, body: str) -> None:
        self._body = body
        self._at = 0
        self._start = 0

    @property
    def text(self) -> str:
        """The last command as it was written."""
        return self._body[self._start : self._at].strip()

    def next(self) -> ParsedCommand | None:
        """The next command; None at the end of the line."""
        while self._peek() == ";":
            self._at += 1
        start = self._start = self._at
        first = self._peek()
        if not first:
            return None
        self._at += 1
        letter = first.upper()
        if letter == "S":
            return self._register()
        if letter == "D":
            return Dial(self._rest())
        if "A" <= letter <= "Z":
            return self._basic(letter, start)
        if first in "?=":
            return self._last_register(first)
        if first in "+#" or (first == "-" and self._named("-")[0] in EXTENDEDS):
            return self._extended(first, start)
        if first in "&\\%-":
            return self._prefixed(first, start)
        if first == "$":
            return self._setting(start)
        return self._bad(start)

    # -- pieces --------------------------------------------------------------------------------------------

    def _peek(self) -> str:
        """The next character that is no blank, in place; empty at the end."""
        body = self._body
        while self._at < len(body) and body[self._at] == " ":
            self._at += 1
        return body[self._at] if self._at < len(body) else ""

    def _take(self, wanted: str) -> bool:
        if self._peek() == wanted:
            self._at += 1
            return True
        return False

    def _rest(self) -> str:
        rest = self._body[self._at :]
        self._at = len(self._body)
        return rest

    def _bad(self, start: int) -> Bad:
        self._at = len(self._body)
        return Bad(self._body[start:])

    def _number(self) -> int | None:
        """Digits as a number, 0 when there are none; None when there are too many."""
        digits = ""
        while "0" <= self._peek() <= "9":
            digits += self._body[self._at]
            self._at += 1
        if len(digits.lstrip("0")) > DIGITS:
            return None
        return int(digits or "0")

    def _basic(self, name: str, start: int) -> ParsedCommand:
        value = self._number()
        return self._bad(start) if value is None else Basic(name, value)

    def _register(self) -> ParsedCommand:
        start = self._at - 1
        number = self._number()
        if number is None:
            return self._bad(start)
        if self._take("?"):
            return ReadRegister(number)
        if self._take("="):
            if self._take("?"):
                return ReadRegister(number)  # whoever asks in the extended syntax must not set 0 by it
            value = self._number()
            return self._bad(start) if value is None else SetRegister(number, value)
        return SelectRegister(number)

    def _last_register(self, first: str) -> ParsedCommand:
        if first == "?" or self._take("?"):
            return ReadRegister(None)
        start = self._at - 1
        value = self._number()
        return self._bad(start) if value is None else SetRegister(None, value)

    def _prefixed(self, prefix: str, start: int) -> ParsedCommand:
        letter = self._peek().upper()
        if not "A" <= letter <= "Z" or not letter:
            return self._bad(start)
        if _VENDOR.match(self._body, self._at):
            return self._bad(start)  # &MS=212 and its like: another maker's, not a command and a register
        self._at += 1
        if prefix + letter == "&Z":
            return self._stored_number(start)
        return self._basic(prefix + letter, start)

    def _stored_number(self, start: int) -> ParsedCommand:
        if self._peek().upper() == "L":
            self._at += 1
            return StoredNumber(None, None) if self._take("?") else self._bad(start)
        slot = self._number()
        if slot is None:
            return self._bad(start)
        if self._take("?"):
            return StoredNumber(slot, None)
        if self._take("="):
            return StoredNumber(slot, self._rest().strip(" "))
        return self._bad(start)

    def _named(self, prefix: str) -> tuple[str, int]:
        """The name of an extended command here, with its prefix, and where it ends."""
        self._peek()
        match = _NAME.match(self._body, self._at)
        return (prefix + match.group().replace(" ", "").upper(), match.end()) if match else ("", self._at)

    def _extended(self, prefix: str, start: int) -> ParsedCommand:
        name, end = self._named(prefix)
        row = EXTENDEDS.get(name)
        if row is None:
            return self._bad(start)
        self._at = end
        form, values = self._form(row.parameters)
        if values is None:
            return self._bad(start)
        # A separator is due here.  Clients leave it out before another extended command, and after a value
        # before anything: a value ends where it can go on no longer.
        following = self._peek()
        if following == ";":
            self._at += 1
        elif (
            following
            and following not in "+#"
            and not (values and values[-1] is not None and (following.isalpha() or following in "&\\%-"))
        ):
            return self._bad(start)
        return Extended(name, form, values)

    def _setting(self, start: int) -> ParsedCommand:
        if self._take("?"):
            return self._separated(Setting("HELP", Form.READ), start)
        name, end = self._named("")
        if name != "HELP" and name not in BY_NAME:
            return self._bad(start)
        self._at = end
        form, values = self._form((BY_NAME[name].parameter,) if name in BY_NAME else ())
        return self._bad(start) if values is None else self._separated(Setting(name, form, values), start)

    def _separated(self, command: Setting, start: int) -> ParsedCommand:
        """One of our own settings, which nobody has ever written without its separator."""
        return command if self._take(";") or not self._peek() else self._bad(start)

    def _form(self, parameters: tuple[Parameter, ...]) -> tuple[Form, tuple[str | None, ...] | None]:
        """What stands behind a name; no values at all when they make no sense."""
        if self._take("?"):
            return Form.READ, ()
        if not self._take("="):
            return Form.ACTION, ()
        if self._take("?"):
            return Form.TEST, ()
        return Form.SET, self._values(parameters)

    def _values(self, parameters: tuple[Parameter, ...]) -> tuple[str | None, ...] | None:
        values: list[str | None] = []
        while True:
            if self._peek() == '"':
                match = _QUOTED.match(self._body, self._at)
                if match is None:
                    return None
                values.append(match.group())
                self._at = match.end()
            else:
                place = len(values)
                values.append(self._token(parameters[place].token if place < len(parameters) else _ANY))
            if not self._take(","):
                return tuple(values)

    def _token(self, pattern: re.Pattern[str]) -> str | None:
        """A value without quotes, blanks within it left out; None where there is none."""
        token = ""
        while self._peek() and (match := pattern.match(token + self._body[self._at])):
            if match.end() != len(token) + 1:
                break
            token += self._body[self._at]
            self._at += 1
        return token or None
