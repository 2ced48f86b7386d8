"""ip232: how emulators of VICE's family carry a serial line with three circuits over TCP; the modem's end.

Data is plain but for FF, which is doubled.  To the modem FF 00 is DTR off and FF 01 DTR on; to the emulator
FF and a bit field are DCD and RI.  There is no speed, no break and no other circuit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from .events import Data, Ignored, undoubled

DCD: Final = 1
RI: Final = 2

_ESCAPE: Final = b"\xff"
_PAIR: Final = b"\xff\xff"


@dataclass(frozen=True)
class DtrSet:
    """The emulator has set DTR."""

    on: bool


Event = Data | DtrSet | Ignored


class Ip232Modem:
    """One emulator's connection; all circuits are off until something else is said."""

    def __init__(self) -> None:
        self._escaped = False  # the last chunk ended in the middle of a pair
        self._circuits = 0

    def encode(self, data: bytes) -> bytes:
        """Data as it is to be sent."""
        return data.replace(_ESCAPE, _PAIR) if _ESCAPE in data else data

    def circuits(self, dcd: bool, ri: bool) -> bytes:
        """What to send to have DCD and RI so; nothing where they are."""
        state = DCD * dcd + RI * ri
        if state == self._circuits:
            return b""
        self._circuits = state
        return bytes((0xFF, state))

    def passes(self, data: bytes) -> bool:
        """Whether this chunk is data as it stands, so that :meth:`receive` need not see it."""
        return _ESCAPE not in data and not self._escaped

    def receive(self, data: bytes) -> list[Event]:
        """What a chunk means, in order."""
        if not self._escaped:
            if _ESCAPE not in data:
                return [Data(data)] if data else []
            plain = undoubled(data)
            if plain is not None:
                return [Data(plain)]
        return self._parse(data)

    def _parse(self, data: bytes) -> list[Event]:
        events: list[Event] = []
        spans: list[bytes] = []
        at, end = 0, len(data)
        while at < end:
            if not self._escaped:
                hit = data.find(_ESCAPE, at)
                hit = end if hit < 0 else hit
                if hit > at:
                    spans.append(data[at:hit])
                self._escaped = hit < end
                at = hit + 1
                continue
            code = data[at]
            at += 1
            self._escaped = False
            if code == 0xFF:
                spans.append(_ESCAPE)
                continue
            if spans:
                events.append(Data(b"".join(spans)))
                spans = []
            events.append(DtrSet(code == 1) if code <= 1 else Ignored(f"ip232 escape FF {code:02X}"))
        if spans:
            events.append(Data(b"".join(spans)))
        return events
