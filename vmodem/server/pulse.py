"""Named sequences of what a port's circuits do: ``-dtr 100 +dtr`` drops DTR for a tenth of a second.

``+`` and ``-`` turn ``dtr``, ``rts`` and ``break`` on and off, numbers are pauses in milliseconds.  What
stands together without a pause happens together.

What does not belong here: who asks for one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
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


class Pulses:
    """The sequences of one port, one at a time; ``port`` is its name."""

    def __init__(self, reactor: Any, desk: Desk, port: str) -> None:
        self._reactor = reactor
        self._desk = desk
        self._port = port
        self._pulse: Pulse | None = None

    def begin(self, name: str, texts: Mapping[str, str]) -> None:
        """Do the sequence ``name`` of ``texts``.  Raises :class:`PulseError`."""
        if name not in texts:
            known = ", ".join(sorted(texts)) or "none"
            raise PulseError(f'{self._port} has no pulse "{name}"; it has: {known}')
        steps = parse_pulse(texts[name])
        if self._pulse is not None and not self._pulse.over:
            raise PulseError(f"a pulse of {self._port} is still going on; wait until it is over")
        self._pulse = Pulse(self._reactor, self._desk, steps)

    def stop(self) -> None:
        """Let the rest be."""
        if self._pulse is not None:
            self._pulse.stop()


class Pulse:
    """A sequence at work."""

    def __init__(self, reactor: Any, desk: Desk, steps: tuple[Step, ...]) -> None:
        self._reactor = reactor
        self._desk = desk
        self._steps = list(steps)
        self._timer: Any = None
        self._waits = False  # for the moment from which a pause counts
        self._stopped = False
        self._go()

    @property
    def over(self) -> bool:
        """Whether the last step is done."""
        return not self._steps and self._timer is None and not self._waits

    def stop(self) -> None:
        """Let the rest be, but for the last state of the circuits: none is left as it was in the middle."""
        self._stopped = True
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
                self._waits = True
                self._desk.when_so(partial(self._pause, step.pause))
                return
        self._desk.break_by(self, False)

    def _pause(self, seconds: float) -> None:
        self._waits = False
        if not self._stopped:
            self._timer = self._reactor.callLater(seconds, self._go)

    def _do(self, step: Step) -> None:
        if step.on or step.off:
            self._desk.drive(step.on, step.off)
        if step.sends_break is not None:
            self._desk.break_by(self, step.sends_break)
