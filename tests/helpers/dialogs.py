"""Conversations kept as files in fixtures/dialogs, and their replay against the engine.

A line of a file is ``seconds direction rest``; seconds count from the first one and never go back.  Bytes are
written as Python writes them.  A ``#`` at the beginning of a line makes it a comment.

====  =======================================================================================================
D     the DTE sends these bytes.  ``D*0.010`` sends them one by one, so many seconds apart
M     what the DTE has read since the last M, no more and no less; its last byte came at this very moment
C     what has reached the far end since the last C, no more and no less
F     the far end sends these bytes
T     what the DTE does to its port: ``speed=9600`` (0 drops DTR, another raises it), ``dtr=off``, ``dtr=on``
N     the network.  It does: ``rings``, ``leaves``, ``connects``, ``refuses``, ``unknown``, ``no answer``,
      ``no network``, ``closes``.  ``rings 5551234 PLANT 7`` tells who calls, on 21 March 2026 at 14:05;
      ``rings P`` is somebody who hides, ``rings O`` somebody unknown.  It is asked, at this very moment:
      ``dialled TEXT``, ``answered``, ``hung up``, ``turned away``; and the port: ``rate 9600``,
      ``framing 7E1``
O     before anything else: an option of the engine, ``name=value``
====  =======================================================================================================

Whatever was said, sent or asked for and is claimed by no line makes the replay fail.
"""

from __future__ import annotations

import ast
import datetime
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from atparser import (
    Action,
    Answer,
    Caller,
    CallFailure,
    Deliver,
    HangUp,
    Options,
    Originate,
    Refuse,
    SendCall,
    SendDte,
    SetFraming,
    SetRate,
)
from tests.helpers.playbook import Playbook

FOLDER = Path(__file__).resolve().parents[2] / "fixtures" / "dialogs"
#: Moments in a file are written to the millisecond.
CLOSE = 0.0011
#: When all calls of files come that tell who calls.
WHEN = datetime.datetime(2026, 3, 21, 14, 5)


@dataclass(frozen=True)
class Line:
    number: int
    at: float
    direction: str
    rest: str

    @property
    def data(self) -> bytes:
        value = ast.literal_eval(self.rest)
        assert isinstance(value, bytes), f"line {self.number}: not bytes"
        return value


def parse(text: str) -> Iterator[Line]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        seconds, direction, *rest = line.split(None, 2)
        yield Line(number, float(seconds), direction, rest[0] if rest else "")


class Replay:
    """One file against one engine in factory settings."""

    def __init__(self, text: str) -> None:
        self.lines = list(parse(text))
        options: dict[str, Any] = {}
        for line in self.lines:
            if line.direction == "O":
                name, _, value = line.rest.partition("=")
                options[name] = ast.literal_eval(value)
        self.book = Playbook(echo=True, options=Options(**options))
        self.book.at(0.0)
        #: What came and is not claimed yet, by the direction that claims it.
        self.unclaimed: dict[str, list[tuple[float, Any]]] = {"M": [], "C": [], "N": []}

    def run(self) -> None:
        for line in self.lines:
            if line.direction != "O":
                self.until(line.at)
                self.step(line)
        self.until(self.lines[-1].at + 60.0)
        left = {kind: came for kind, came in self.unclaimed.items() if came}
        if left:
            self.fail("the end", f"nothing more should have come, but there is {left}")

    def until(self, at: float) -> None:
        self.book.at(at)
        self.collect()

    def step(self, line: Line) -> None:
        kind, book = line.direction, self.book
        if kind[0] == "D":
            gap = float(kind[2:] or 0) if kind.startswith("D*") else None
            if gap is None:
                book.dte(line.data)
            else:
                for place, byte in enumerate(line.data):
                    self.until(line.at + place * gap)
                    book.dte(bytes((byte,)))
        elif kind == "F":
            book.call(line.data)
        elif kind == "T":
            self.port(line.rest)
        elif kind == "N" and line.rest in HAPPENINGS:
            HAPPENINGS[line.rest](book)
        elif kind == "N" and line.rest.startswith("rings "):
            book.arrives(caller(line.rest[6:]), WHEN)
        elif kind in ("M", "C"):
            self.claim_bytes(line)
        elif kind == "N":
            self.claim_request(line)
        else:
            raise ValueError(f"line {line.number}: {kind} is no direction")
        self.collect()

    def port(self, what: str) -> None:
        name, _, value = what.partition("=")
        if name == "speed":
            if int(value):
                self.book.modem.dte_rate = int(value)
            self.book.dtr(int(value) != 0)
        else:
            self.book.dtr(value == "on")

    def collect(self) -> None:
        for one in self.book.taken():
            kind, what = described(one.action)
            self.unclaimed[kind].append((one.at - self.book.began, what))

    def claim_bytes(self, line: Line) -> None:
        came = self.unclaimed[line.direction]
        self.unclaimed[line.direction] = []
        data = b"".join(what for _, what in came)
        if data != line.data:
            self.fail(f"line {line.number}", f"expected {line.data!r}\n    came     {data!r}")
        elif came and abs(came[-1][0] - line.at) > CLOSE:
            self.fail(f"line {line.number}", f"{data!r} came at {came[-1][0]:.3f}, not at {line.at:.3f}")

    def claim_request(self, line: Line) -> None:
        came = self.unclaimed["N"].pop(0) if self.unclaimed["N"] else (line.at, "nothing")
        if came[1] != line.rest or abs(came[0] - line.at) > CLOSE:
            self.fail(f"line {line.number}", f"expected {line.rest!r}, came {came[1]!r} at {came[0]:.3f}")

    def fail(self, where: str, why: str) -> None:
        pytest.fail(f"{self.book.conversation()}\nat {where}:\n    {why}", pytrace=False)


def caller(text: str) -> Caller:
    """Who calls, as a file says it: number, name."""
    number, _, name = text.partition(" ")
    return Caller("" if number in "OP" else number, name, private=number == "P")


HAPPENINGS: dict[str, Callable[[Playbook], object]] = {
    "rings": Playbook.arrives,
    "leaves": Playbook.leaves,
    "connects": Playbook.carrier,
    "refuses": Playbook.fails,
    "unknown": lambda book: book.fails(CallFailure.UNKNOWN),
    "no answer": lambda book: book.fails(CallFailure.NO_ANSWER),
    "no network": lambda book: book.fails(CallFailure.NO_NETWORK),
    "closes": Playbook.lost,
}


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
        case _:
            raise ValueError(f"no conversation asks for {action}")
