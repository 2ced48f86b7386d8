"""Whoever looks at what goes over a bridge, or changes it.

What does not belong here: carrying it.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Final, Protocol

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
_CROSSED: Final = ((Signals.DSR, Circuits.DTR), (Signals.CTS, Circuits.RTS))
_EVENTS: Final = {
    Noted.BREAK: Event.BREAK,
    Noted.FRAMING: Event.FRAMING_ERROR,
    Noted.PARITY: Event.PARITY_ERROR,
    Noted.OVERRUN: Event.OVERRUN,
}


class Way(enum.Enum):
    """A direction; the value is its arrow in a trace, the line being on the left."""

    TO_TARGET = "->"
    TO_LINE = "<-"


class Filter:
    """Looks at the bytes of a bridge and may change them.  Override what is needed.

    A method gets each chunk as it arrived, cut anywhere, and returns what is to be carried on; what it keeps
    back it has to give out with a later chunk, or by :meth:`send`.  One that raises ends the bridge: bytes
    that were to be changed must not go unchanged.
    """

    #: Sends bytes one way, past the filter; set when the bridge starts.
    send: Callable[[Way, bytes], None]

    def to_target(self, data: bytes) -> bytes:
        """Bytes of the line, on their way to the target."""
        return data

    def to_line(self, data: bytes) -> bytes:
        """Bytes of the target, on their way to the line."""
        return data


class Tap(Protocol):
    """Sees everything as it arrives, before a filter changes it."""

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
    """A tap that writes a capture as the application at the line sees it: its bytes are sent, those of the
    target received, its DTR and RTS are what we read as DSR and CTS there."""

    def __init__(self, file: PcapFile) -> None:
        self._file = file
        self._ours = self._theirs = Circuits(0)

    def carried(self, way: Way, data: bytes) -> None:
        if way is Way.TO_TARGET:
            self._file.sent(data)
        else:
            self._file.received(data)

    def noted(self, way: Way, what: Noted) -> None:
        self._file.event(_EVENTS[what])

    def circuits(self, way: Way, signals: Signals) -> None:
        shown = Circuits(0)
        for signal, circuit in _CIRCUITS if way is Way.TO_LINE else _CROSSED:
            if signal in signals:
                shown |= circuit
        if way is Way.TO_LINE:
            self._theirs = shown
        else:
            self._ours = shown
        self._file.circuits(self._ours | self._theirs)

    def happened(self, way: Way, text: str) -> None:
        """There is no record for it."""

    def close(self) -> None:
        self._file.close()
