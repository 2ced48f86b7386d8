"""Conversations kept as files in fixtures/dialogs, and their replay against the engine.

`docs/conversations.md` says what stands in such a file.  `parse` reads one and finds its mistakes; `Replay`
plays it, and what came otherwise than the file says is shown as a diff: the file with ``-`` and ``+`` where
the conversation went another way.
"""

from __future__ import annotations

import ast
import dataclasses
import datetime
import enum
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pytest

from atparser import (
    Action,
    Answer,
    BreakDte,
    Caller,
    CallFailure,
    Circuit,
    Deliver,
    HangUp,
    Options,
    Originate,
    PauseCall,
    Refuse,
    ResumeCall,
    SendBreak,
    SendCall,
    SendDte,
    SetCircuit,
    SetFlow,
    SetFraming,
    SetRate,
)
from tests.helpers.playbook import Playbook

FOLDER: Final = Path(__file__).resolve().parents[2] / "fixtures" / "dialogs"
#: Moments in a file are written to the millisecond.
CLOSE: Final = 0.0011
#: How long nothing more may come behind the last line, in seconds.
AFTERWARDS: Final = 60.0
#: When all calls of files come that tell who calls.
WHEN: Final = datetime.datetime(2026, 3, 21, 14, 5)

#: What the network does of itself.
HAPPENINGS: Final[dict[str, Callable[[Playbook], object]]] = {
    "rings": Playbook.arrives,
    "leaves": Playbook.leaves,
    "connects": Playbook.carrier,
    "refuses": Playbook.fails,
    "unknown": lambda book: book.fails(CallFailure.UNKNOWN),
    "no answer": lambda book: book.fails(CallFailure.NO_ANSWER),
    "no network": lambda book: book.fails(CallFailure.NO_NETWORK),
    "closes": Playbook.lost,
    "breaks": Playbook.call_breaks,
}
#: What it is asked for, and the port is.
_REQUEST: Final = re.compile(
    r"dialled .*|answered|hung up|turned away|rate \d+|framing \w+|break sent|break read|held up|let go on"
)
_PORT: Final = re.compile(r"speed=\d+|(dtr|rts)=(on|off)|break")
_CIRCUITS: Final = re.compile(r"(cts|dsr|dcd|ri)=(on|off)( (cts|dsr|dcd|ri)=(on|off))*")


class Mistake(Exception):
    """A file is not written as conversations are; the text says where and what."""


@dataclass(frozen=True)
class Line:
    """A line of a file; ``value`` is what `rest` stands for: bytes, or the option's value."""

    number: int
    at: float
    direction: str
    rest: str
    value: Any = None
    #: Between bytes that are typed one by one, in seconds; None: all at once.
    gap: float | None = None

    @property
    def ends(self) -> float:
        return self.at + (self.gap or 0.0) * max(0, len(self.value or b"") - 1)


@dataclass(frozen=True)
class Came:
    """Something the engine asked for, as a file would say it."""

    at: float
    what: Any
    #: How the circuits stood at that very point.
    circuits: dict[str, bool]


@dataclass
class Told:
    """A line of the file, and the lines that would have been right; none when it was right."""

    line: Line | None
    instead: list[str] = field(default_factory=list)
    wrong: bool = False


def parse(text: str) -> list[Line]:
    """The lines of a file.  Raises `Mistake`."""
    lines: list[Line] = []
    for number, source in enumerate(text.splitlines(), 1):
        if not source.strip() or source.lstrip().startswith("#"):
            continue
        try:
            line = _line(number, source)
            if lines and line.at < lines[-1].ends - CLOSE:
                raise ValueError(f"the line before it ends later, at {lines[-1].ends:.3f}")
            if line.direction == "O" and any(before.direction != "O" for before in lines):
                raise ValueError("options come before everything else")
        except (ValueError, SyntaxError) as exc:
            raise Mistake(f"line {number}: {source.strip()}\n    {exc}") from None
        lines.append(line)
    if not lines:
        raise Mistake("nothing is said in it")
    return lines


def _line(number: int, source: str) -> Line:
    seconds, direction, rest = [*source.split(None, 2), "", "", ""][:3]
    rest = rest.strip()
    try:
        at = float(seconds)
    except ValueError:
        raise ValueError("a line is: seconds direction rest") from None
    kind, typed, gap = direction.partition("*")
    if typed and kind == "D":
        try:
            return Line(number, at, kind, rest, _bytes(rest), float(gap))
        except ValueError:
            raise ValueError("D*0.010 b'...' is one byte each 0.010 s") from None
    match direction:
        case "D" | "F" | "M" | "C":
            return Line(number, at, kind, rest, _bytes(rest))
        case "T" if _PORT.fullmatch(rest):
            return Line(number, at, kind, rest)
        case "S" if _CIRCUITS.fullmatch(rest):
            return Line(number, at, kind, rest)
        case "N" if rest in HAPPENINGS or rest.startswith("rings ") or _REQUEST.fullmatch(rest):
            return Line(number, at, kind, rest)
        case "O":
            return Line(number, at, kind, rest, _option(rest))
        case "T" | "S" | "N":
            raise ValueError(f"{direction} knows nothing like {rest!r}")
        case _:
            raise ValueError(f"{direction!r} is no direction: D, M, C, F, T, S, N, O")


def _bytes(rest: str) -> bytes:
    try:
        value = ast.literal_eval(rest)
    except (ValueError, SyntaxError):
        value = None
    if not isinstance(value, bytes):
        raise ValueError("bytes are written as Python writes them: b'AT\\r'")
    return value


def _option(rest: str) -> tuple[str, Any]:
    name, _, text = rest.partition("=")
    defaults = {one.name: one.default for one in dataclasses.fields(Options)}
    if name not in defaults:
        raise ValueError(f"{name!r} is none of the engine's options (atparser/options.py)")
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        raise ValueError("an option is name=value, the value as Python writes it") from None
    default = defaults[name]
    return name, type(default)(value) if isinstance(default, enum.Enum) else value


class Replay:
    """One file against one engine in factory settings.

    ``bytewise`` cuts what the DTE and the far end send into single bytes of the same moment, which must make
    no difference.  ``name`` is what a failure calls the file.
    """

    def __init__(self, text: str, name: str = "conversation", bytewise: bool = False) -> None:
        self.name, self.bytewise = name, bytewise
        try:
            self.lines = parse(text)
            options = dict(line.value for line in self.lines if line.direction == "O")
            self.book = Playbook(echo=True, options=Options(**options))
        except Mistake as exc:
            pytest.fail(f"{name} cannot be replayed: {exc}", pytrace=False)
        self.book.at(0.0)
        self.circuits = {one.name.lower(): self.book.circuits.get(one, False) for one in Circuit}
        #: What came and is not claimed yet, by the direction that claims it.
        self.unclaimed: dict[str, list[Came]] = {"M": [], "C": [], "N": []}
        self.last: Came | None = None
        self.told: list[Told] = []

    def run(self) -> None:
        """Play it all; fails the test when anything was otherwise."""
        try:
            for line in self.lines:
                self.told.append(Told(line))
                if line.direction != "O":
                    self.until(line.at)
                    self.step(line)
            self.until(self.lines[-1].ends + AFTERWARDS)
        except AssertionError:
            if not self.wrong:
                raise  # what the engine holds of itself broke in a conversation that went well so far
        self.unasked(AFTERWARDS)
        if self.wrong:
            logging.getLogger("conversation").debug("%s\n%s", self.name, self.book.conversation())
            pytest.fail(self.diff(), pytrace=False)

    @property
    def wrong(self) -> bool:
        return any(one.wrong for one in self.told)

    def until(self, at: float) -> None:
        self.book.at(at)
        self.collect()

    def step(self, line: Line) -> None:
        book = self.book
        match line.direction:
            case "D" if line.gap is not None:
                for place, byte in enumerate(line.value):
                    self.until(line.at + place * line.gap)
                    book.dte(bytes((byte,)))
            case "D":
                self._feed(book.dte, line.value)
            case "F":
                self._feed(book.call, line.value)
            case "T":
                self.port(line.rest)
            case "S":
                self.claim_circuits(line)
            case "N" if line.rest in HAPPENINGS:
                HAPPENINGS[line.rest](book)
            case "N" if line.rest.startswith("rings "):
                book.arrives(caller(line.rest[6:]), WHEN)
            case "N":
                self.claim_request(line)
            case _:
                self.claim_bytes(line)
        self.collect()

    def _feed(self, take: Callable[[bytes], object], data: bytes) -> None:
        for piece in [data[at : at + 1] for at in range(len(data))] if self.bytewise else [data]:
            take(piece)

    def port(self, what: str) -> None:
        name, _, value = what.partition("=")
        if name == "speed":
            if int(value):
                self.book.modem.dte_rate = int(value)
            self.book.dtr(int(value) != 0)
        elif name == "break":
            self.book.breaks()
        else:
            {"dtr": self.book.dtr, "rts": self.book.rts}[name](value == "on")

    def collect(self) -> None:
        for one in self.book.taken(circuits=True):
            at = one.at - self.book.began
            if isinstance(one.action, SetCircuit):
                self.circuits[one.action.circuit.name.lower()] = one.action.on
            elif not isinstance(one.action, SetFlow):
                kind, what = described(one.action)
                came = Came(at, what, dict(self.circuits))
                if what:
                    self.unclaimed[kind].append(came)
                    self.last = came if kind == "M" else self.last

    # -- what the file claims ------------------------------------------------------------------------------

    def claim_bytes(self, line: Line) -> None:
        came, self.unclaimed[line.direction] = self.unclaimed[line.direction], []
        data = b"".join(one.what for one in came)
        if data != line.value or (came and abs(came[-1].at - line.at) > CLOSE):
            self._otherwise(_bytes_lines(line.direction, came))

    def claim_request(self, line: Line) -> None:
        came = self.unclaimed["N"].pop(0) if self.unclaimed["N"] else None
        if came is None or came.what != line.rest or abs(came.at - line.at) > CLOSE:
            self._otherwise([f"{came.at:9.3f} N {came.what}"] if came else [])

    def claim_circuits(self, line: Line) -> None:
        now = [self.circuits]
        if self.last and abs(self.last.at - line.at) <= CLOSE:
            now.append(self.last.circuits)  # as the DTE finds them when it reads that
        for circuits in now:
            stand = {name: "on" if circuits[name] else "off" for name in circuits}
            right = " ".join(
                f"{name}={stand[name]}" for name in (part.split("=")[0] for part in line.rest.split())
            )
            if right != line.rest:
                before = " when the last byte came" if circuits is not self.circuits else ""
                return self._otherwise([f"{line.at:9.3f} S {right}{before}"])
        return None

    def unasked(self, seconds: float) -> None:
        """Whatever is left was claimed by no line."""
        left = [f"{one.at:9.3f} N {one.what}" for one in self.unclaimed["N"]]
        left += [text for kind in ("M", "C") for text in _bytes_lines(kind, self.unclaimed[kind])]
        if left:
            self.told.append(Told(None, sorted(left, key=lambda text: float(text.split()[0])), True))

    def _otherwise(self, instead: list[str]) -> None:
        self.told[-1].wrong = True
        self.told[-1].instead = instead

    # -- how it is shown -----------------------------------------------------------------------------------

    def diff(self) -> str:
        """The conversation as the file has it (``-``) and as it went (``+``), around every difference."""
        first = next(one for one in self.told if one.wrong)
        where = f"line {first.line.number}" if first.line else "the end"
        shown = {
            near
            for place, one in enumerate(self.told)
            if one.wrong
            for near in range(place - 5, place + 3)
            if 0 <= near < len(self.told)
        }
        text = [f"{self.name}: the conversation went another way, first at {where}"]
        text += ["    -  as the file says", "    +  as it went", ""]
        for before, place in pairwise([-1, *sorted(shown)]):
            if place != before + 1:
                text.append("       ...")
            one = self.told[place]
            if one.line:
                mark = "-" if one.wrong else " "
                typed = f"D*{one.line.gap:.3f}" if one.line.gap is not None else one.line.direction
                text.append(f"{one.line.number:4d} {mark} {one.line.at:9.3f} {typed} {one.line.rest}")
            text += [f"     + {line}" for line in one.instead]
            if one.wrong and one.line and not one.instead:
                text.append("     + nothing")
        if self.told[-1].line and self.told[-1].line is not self.lines[-1]:
            text.append("       ... and could not go on like that")
        return "\n".join(text)


def _bytes_lines(direction: str, came: list[Came]) -> list[str]:
    """What came, a line for each moment, as a file would say it."""
    lines: list[tuple[float, bytes]] = []
    for one in came:
        if lines and one.at - lines[-1][0] <= CLOSE:
            lines[-1] = (one.at, lines[-1][1] + one.what)
        else:
            lines.append((one.at, one.what))
    return [f"{at:9.3f} {direction} {data!r}" for at, data in lines]


def caller(text: str) -> Caller:
    """Who calls, as a file says it: number, name."""
    number, _, name = text.partition(" ")
    return Caller("" if number in "OP" else number, name, private=number == "P")


def described(action: Action) -> tuple[str, Any]:
    """Which direction claims it, and what it is called there."""
    match action:
        case SendDte(data) | Deliver(data):
            return "M", data
        case SendCall(data):
            return "C", data
        case Originate(dial):
            return "N", f"dialled {dial.raw}"
        case Answer():
            return "N", "answered"
        case HangUp():
            return "N", "hung up"
        case SetRate(rate):
            return "N", f"rate {rate}"
        case SetFraming(bits, parity, stop):
            return "N", f"framing {bits}{parity}{stop}"
        case Refuse():
            return "N", "turned away"
        case SendBreak():
            return "N", "break sent"
        case BreakDte():
            return "N", "break read"
        case PauseCall():
            return "N", "held up"
        case ResumeCall():
            return "N", "let go on"
        case _:
            raise ValueError(f"no conversation asks for {action}")
