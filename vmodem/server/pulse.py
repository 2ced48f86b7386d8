"""Named sequences of what a port's circuits do: ``-dtr 100 +dtr`` drops DTR for a tenth of a second.

``+`` and ``-`` turn ``dtr``, ``rts`` and ``break`` on and off, numbers are pauses in milliseconds.  What
stands together without a pause happens together.

What does not belong here: who asks for one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from vmodem.port.base import Signals

from .desk import Desk

#: All pauses of one sequence together, in milliseconds.
LONGEST_MS: Final = 10_000

_WORD: Final = re.compile(r"([+-])(dtr|rts|break|brk)|([0-9]{1,5})")


class PulseError(ValueError):
    """A sequence that cannot be done; one sentence with what was expected."""


@dataclass(frozen=True)
class Step:
    """What happens at one moment, and the pause after it in seconds."""

    on: Signals = Signals.NONE
    off: Signals = Signals.NONE
    #: None leaves the break as it is.
    sends_break: bool | None = None
    pause: float = 0.0


def parse_pulse(text: str) -> tuple[Step, ...]:
    """Read a sequence.  Raises :class:`PulseError`."""
    steps: list[Step] = []
    on = off = Signals.NONE
    sends_break: bool | None = None
    total = 0
    for word in text.lower().split():
        found = _WORD.fullmatch(word)
        if found is None:
            raise PulseError(f'"{word}" is no part of a pulse; write it like "-dtr 100 +dtr" (milliseconds)')
        sign, what, pause = found.groups()
        if pause is not None:
            total += int(pause)
            steps.append(Step(on, off, sends_break, int(pause) / 1000))
            on = off = Signals.NONE
            sends_break = None
        elif what in ("break", "brk"):
            sends_break = sign == "+"
        else:
            circuit = Signals.DTR if what == "dtr" else Signals.RTS
            on, off = on & ~circuit, off & ~circuit
            if sign == "+":
                on |= circuit
            else:
                off |= circuit
    if on or off or sends_break is not None:
        steps.append(Step(on, off, sends_break))
    if not any(step.on or step.off or step.sends_break is not None for step in steps):
        raise PulseError('a pulse needs a circuit, like "-dtr 100 +dtr"')
    if total > LONGEST_MS:
        raise PulseError(f"a pulse of {total} ms is longer than {LONGEST_MS} ms")
    return tuple(steps)


class Pulse:
    """A sequence at work."""

    def __init__(self, reactor: Any, desk: Desk, steps: tuple[Step, ...]) -> None:
        self._reactor = reactor
        self._desk = desk
        self._steps = list(steps)
        self._timer: Any = None
        self._go()

    @property
    def over(self) -> bool:
        """Whether the last step is done."""
        return not self._steps and self._timer is None

    def stop(self) -> None:
        """Let the rest be, but for the last state of the circuits: none is left as it was in the middle."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._steps:
            self._do(self._steps.pop(0))
        self._desk.break_by(self, False)

    def _go(self) -> None:
        self._timer = None
        while self._steps:
            step = self._steps.pop(0)
            self._do(step)
            if step.pause:
                self._timer = self._reactor.callLater(step.pause, self._go)
                return
        self._desk.break_by(self, False)

    def _do(self, step: Step) -> None:
        if step.on or step.off:
            self._desk.drive(step.on, step.off)
        if step.sends_break is not None:
            self._desk.break_by(self, step.sends_break)
