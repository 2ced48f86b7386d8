"""When the silence of the DTE counts: around the escape sequence, and behind a command that can be given up.

A storey of the engine between what the DTE sees and calls.  What the DTE sent is known only once it has been
read, so no clock alone can tell that it was silent: the program may have stood still, or the line was not
read because the call took no more.  Silence is vouched for by a timer that came in time while the line was
read; one that comes late is set once more, and what waits to be read is looked at first.

What does not belong here: what an escape is made of (escape.py), and where it leads.
"""

from __future__ import annotations

from typing import Final

from .escape import Escape
from .options import EscapeMode, Options
from .profile import Store
from .state import PROGRESS
from .terminal import Terminal
from .timers import Timer, Timers

#: Bytes within this time of a command's terminator do not abort it (V.250 clause 5.6.1), in seconds.
ABORT_GRACE: Final = 0.125
#: A timer of that time found so late says nothing about what came within it, in seconds.
_GRACE_LATE: Final = 0.02


class Listening(Terminal):
    """What the moments at which the DTE's bytes were read say about those at which it sent them."""

    def __init__(self, options: Options | None = None, store: Store | None = None) -> None:
        super().__init__(options, store)
        self._timers = Timers()
        self._escape = Escape()
        self._reads = True  # the line is read, so what the DTE sends is known at once
        self._silence_at: float | None = None  # when Timer.SILENCE was to come; None once it came late
        self._grace_at: float | None = None  # the same of Timer.GRACE

    def dte_held(self, held: bool, now: float) -> None:
        """The DTE is not read for a while (its call takes no more), or is read again.

        No action comes of it, but the deadline may change.
        """
        escape = self._escape
        self._reads = not held
        if held:
            escape.quiet = False
            self._timers.clear(Timer.ESCAPE)
            return
        # What came meanwhile is read only now; so silence, on either side of a sequence, begins now.
        escape.last = now
        if escape.ready_at is not None:
            escape.ready_at = now + escape.guard
            self._timers.set(Timer.ESCAPE, escape.ready_at)
        self._await_silence()

    # -- before and behind the escape sequence -------------------------------------------------------------

    def _watch_for_escape(self, now: float, possible: bool = True) -> None:
        """From now on what the DTE sends is data; ``possible``: and may hold an escape."""
        registers = self.interpreter.profile.registers
        escape = self._escape
        mode = self.options.escape if possible else EscapeMode.OFF
        escape.configure(registers[2], registers[12] * 0.02, mode, self._assembler.parity, registers[3])
        escape.quiet = escape.by_silence and self._reads and now - escape.last >= escape.guard
        self._await_silence()

    def _forget_escape(self) -> None:
        """What the DTE sends is data no longer."""
        self._timers.clear(Timer.ESCAPE, Timer.SILENCE)
        self._escape.stop()

    def _await_escape(self) -> None:
        """Have the silence noticed that an escape sequence still needs."""
        escape = self._escape
        if escape.ready_at is None or not self._reads:
            self._timers.clear(Timer.ESCAPE)
        else:
            self._timers.set(Timer.ESCAPE, escape.ready_at)
        self._await_silence()

    def _await_silence(self) -> None:
        """Have the silence noticed that an escape sequence needs before it."""
        escape = self._escape
        if escape.by_silence and self._reads and not escape.quiet and Timer.SILENCE not in self._timers:
            self._silence_from(escape.last + escape.guard)

    def _silence_from(self, at: float) -> None:
        self._silence_at = at
        self._timers.set(Timer.SILENCE, at)

    def _silence_due(self, now: float) -> None:
        escape = self._escape
        quiet_at = escape.last + escape.guard
        if not self._reads:
            return  # dte_held() begins anew
        if now < quiet_at:
            self._silence_from(quiet_at)
        elif self._silence_at is not None and now - self._silence_at > escape.late:
            self._silence_at = None
            self._timers.set(Timer.SILENCE, now + escape.late)
        else:
            escape.quiet = True

    # -- behind a command ----------------------------------------------------------------------------------

    def _begin_grace(self) -> None:
        """A command line has been carried out; if it can be given up, it is not by what came with it."""
        if self._state in PROGRESS:
            self._grace_at = self._line_end + ABORT_GRACE
            self._timers.set(Timer.GRACE, self._grace_at)

    def _in_grace(self, now: float) -> bool:
        """Whether a byte read now may have come with the command line before it."""
        return Timer.GRACE in self._timers or now - self._line_end <= ABORT_GRACE

    def _grace_due(self, now: float) -> None:
        if self._grace_at is not None and now - self._grace_at > _GRACE_LATE:
            self._grace_at = None
            self._timers.set(Timer.GRACE, now + _GRACE_LATE)
