"""What a serial port shows to whoever looks regularly: its inputs, pulses between two looks, errors, breaks.

The kernel has a call that waits for a change, but nothing ends it in time; so the port is looked at every
:data:`POLL_S`, and its own counts keep a pulse that falls between two looks from being lost.

What does not belong here: the bytes, and outputs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from vmodem.port.base import Counters, Noted, Signals
from vmodem.tty import circuits
from vmodem.tty.poller import shared_poller
from vmodem.tty.uart import Counts, Uart

#: In seconds; a drop of 50 ms must be seen and measured.
POLL_S: Final = 0.01

_PINS: Final = (
    (circuits.CTS, Signals.CTS, "cts"),
    (circuits.DSR, Signals.DSR, "dsr"),
    (circuits.CD, Signals.DCD, "cd"),
    (circuits.RI, Signals.RI, "ri"),
)
_ERRORS: Final = (
    ("breaks", Noted.BREAK),
    ("framing", Noted.FRAMING),
    ("parity", Noted.PARITY),
    ("overrun", Noted.OVERRUN),
)


def inputs(lines: int) -> Signals:
    """The circuits we read, of all lines of a port."""
    found = Signals.NONE
    for pin, signal, _ in _PINS:
        if lines & pin:
            found |= signal
    return found


class Watch:
    """Looks at an open port until :meth:`stop`.

    ``changed`` hears of its inputs, ``noted`` of errors and breaks (kinds in ``placed`` are only counted:
    somebody else knows their place), ``gone`` that it cannot be looked at any more.
    """

    def __init__(
        self,
        reactor: Any,
        uart: Uart,
        counters: Counters,
        *,
        changed: Callable[[Signals], None],
        noted: Callable[[Noted], None],
        gone: Callable[[OSError], None],
        look_at_lines: bool = True,
        look_at_counts: bool = True,
    ) -> None:
        self._reactor = reactor
        self._uart = uart
        self._counters = counters
        self._changed = changed
        self._noted = noted
        self._gone = gone
        self._lines = lines = uart.lines() if look_at_lines else None
        self._counts = uart.counts() if look_at_counts else None
        #: Whether the port has circuits, and whether it counts, and both are looked at.
        self.has_lines, self.has_counts = lines is not None, self._counts is not None
        self.signals = inputs(lines or 0)
        self.placed: frozenset[Noted] = frozenset()
        #: Seen since the last mark among the bytes: which kind of damage that was.
        self.fresh: list[Noted] = []

    def start(self) -> None:
        """Look from now on; a port that has nothing to show costs nothing."""
        if self.has_lines or self.has_counts:
            shared_poller(self._reactor, POLL_S).add(self.look)

    def stop(self) -> None:
        """Look no more."""
        shared_poller(self._reactor, POLL_S).remove(self.look)

    def look(self) -> None:
        """Look now."""
        try:
            lines = self._uart.lines() if self.has_lines else None
            counts = self._uart.counts() if self.has_counts else None
        except OSError as exc:
            self.stop()
            self._gone(exc)
            return
        before, now = self._counts, counts
        if lines == self._lines and (now is before or now == before):
            return
        self._lines = lines
        if now is not None:
            self._counts = now
        if lines is not None:
            self._compare(inputs(lines), before, now)
        if before is not None and now is not None and now != before:
            self._count(before, now)

    def _compare(self, signals: Signals, before: Counts | None, now: Counts | None) -> None:
        was, self.signals = self.signals, signals
        if before is not None and now is not None:
            pulsed = Signals.NONE
            for _, signal, name in _PINS:
                if getattr(now, name) != getattr(before, name) and not (was ^ signals) & signal:
                    pulsed |= signal
            if pulsed:
                self._changed(was ^ pulsed)
                was ^= pulsed
        if was != signals:
            self._changed(signals)

    def _count(self, before: Counts, now: Counts) -> None:
        for name, kind in _ERRORS:
            more = (getattr(now, name) - getattr(before, name)) & 0x7FFFFFFF
            if not more:
                continue
            setattr(self._counters, name, getattr(self._counters, name) + more)
            if kind in self.placed:
                if kind in (Noted.FRAMING, Noted.PARITY):
                    self.fresh.append(kind)
                    del self.fresh[:-16]
            else:
                self._noted(kind)
