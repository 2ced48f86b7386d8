"""Whoever looks at what goes over a line.

What does not belong here: carrying it, and changing it.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from twisted.logger import Logger

from vmodem.net.pcapfile import PcapFile
from vmodem.port.base import Noted, Signals
from vmodem.wire.pcap import Circuits, Event

#: Bytes of one chunk that a trace shows.
SHOWN: Final = 256

_CIRCUITS: Final = (
    (Signals.CTS, Circuits.CTS),
    (Signals.DSR, Circuits.DSR),
    (Signals.DCD, Circuits.DCD),
    (Signals.RI, Circuits.RI),
)
#: An application at the other end of a cable shows its circuits crossed over; ours are what they are.
_CROSSED: Final = (
    (Signals.DSR, Circuits.DTR),
    (Signals.CTS, Circuits.RTS),
    (Signals.DTR, Circuits.DTR),
    (Signals.RTS, Circuits.RTS),
)
_EVENTS: Final = {
    Noted.BREAK: Event.BREAK,
    Noted.FRAMING: Event.FRAMING_ERROR,
    Noted.PARITY: Event.PARITY_ERROR,
    Noted.OVERRUN: Event.OVERRUN,
}


class Way(enum.Enum):
    """A direction; the value is its arrow in a trace, the line being on the left, and whatever is on the
    network on the right."""

    TO_TARGET = "->"
    TO_LINE = "<-"


class Tap(Protocol):
    """Sees everything as it arrives."""

    def carried(self, way: Way, data: bytes) -> None:
        """A chunk arrived."""

    def noted(self, way: Way, what: Noted) -> None:
        """A break or a damaged character, behind what arrived before."""

    def circuits(self, way: Way, signals: Signals) -> None:
        """The circuits that come from there are now these."""

    def happened(self, way: Way, text: str) -> None:
        """Anything else, for people."""

    def close(self) -> None:
        """It is over."""


class Taps:
    """Everybody who looks.  ``name`` is whose line it is; ``changed`` is called when somebody more or less
    looks."""

    _log = Logger()

    def __init__(self, name: str, changed: Callable[[], None], taps: Iterable[Tap] = ()) -> None:
        self._name = name
        self._changed = changed
        self._taps = list(taps)

    def __len__(self) -> int:
        return len(self._taps)

    def add(self, tap: Tap) -> None:
        """Show everything to ``tap`` from now on, too."""
        self._taps.append(tap)
        self._changed()

    def remove(self, tap: Tap) -> None:
        """Show ``tap`` nothing any more."""
        if tap in self._taps:
            self._taps.remove(tap)
            self._changed()

    def show(self, what: str, way: Way, detail: object) -> None:
        """Call the method ``what`` of every tap."""
        for tap in list(self._taps):
            try:
                getattr(tap, what)(way, detail)
            except Exception:
                # The bytes are somebody's; the tap is only curious.
                self._log.failure("{name}: a tap failed, and is taken away", name=self._name)
                self.remove(tap)

    def close(self) -> None:
        """It is over for all of them."""
        taps, self._taps = self._taps, []
        for tap in taps:
            tap.close()


class Trace:
    """A tap that writes lines to ``sink``; ``clock`` gives seconds, the first moment counts as 0."""

    def __init__(self, sink: Callable[[str], None], clock: Callable[[], float]) -> None:
        self._sink = sink
        self._clock = clock
        self._began = clock()

    def carried(self, way: Way, data: bytes) -> None:
        more = f" ... {len(data)} bytes" if len(data) > SHOWN else ""
        self._say(way, repr(data[:SHOWN])[1:] + more)

    def noted(self, way: Way, what: Noted) -> None:
        self._say(way, f"({what.value})")

    def circuits(self, way: Way, signals: Signals) -> None:
        names = [signal.name or "" for signal in Signals if signal and signal in signals]
        self._say(way, f"({' '.join(names) or 'all circuits off'})")

    def happened(self, way: Way, text: str) -> None:
        self._say(way, f"({text})")

    def close(self) -> None:
        """Nothing is open."""

    def _say(self, way: Way, text: str) -> None:
        self._sink(f"{self._clock() - self._began:10.3f}  {way.value} {text}")


class CaptureTap:
    """A tap that writes a capture as the application sees it whose bytes go the way ``sent``: those are sent,
    the others received, its DTR and RTS are what we read as DSR and CTS there, or drive for it."""

    def __init__(self, file: PcapFile, sent: Way = Way.TO_TARGET) -> None:
        self._file = file
        self._sent = sent
        self._ours = self._theirs = Circuits(0)

    def carried(self, way: Way, data: bytes) -> None:
        if way is self._sent:
            self._file.sent(data)
        else:
            self._file.received(data)

    def noted(self, way: Way, what: Noted) -> None:
        self._file.event(_EVENTS[what])

    def circuits(self, way: Way, signals: Signals) -> None:
        shown = Circuits(0)
        for signal, circuit in _CROSSED if way is self._sent else _CIRCUITS:
            if signal in signals:
                shown |= circuit
        if way is self._sent:
            self._ours = shown
        else:
            self._theirs = shown
        self._file.circuits(self._ours | self._theirs)

    def happened(self, way: Way, text: str) -> None:
        """There is no record for it."""

    def close(self) -> None:
        self._file.close()
