"""What happens in one modem, written down as it happens, for a field engineer.

What does not belong here: who reads it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from atparser import Action, Deliver, HangUp, Originate, SendCall, SendDte, SetCircuit

#: Bytes of one chunk that are shown.
SHOWN: Final = 256


class Trace:
    """Writes lines to ``sink``; ``clock`` gives seconds, the first moment counts as 0."""

    def __init__(self, sink: Callable[[str], None], clock: Callable[[], float]) -> None:
        self._sink = sink
        self._clock = clock
        self._began = clock()

    def from_dte(self, data: bytes) -> None:
        """The DTE sent this."""
        self._say(f"DTE  -> {_shown(data)}")

    def from_call(self, data: bytes) -> None:
        """The far end sent this."""
        self._say(f"call -> {_shown(data)}")

    def to_dte(self, data: bytes) -> None:
        """The DTE is sent this."""
        self._say(f"DTE  <- {_shown(data)}")

    def to_call(self, data: bytes) -> None:
        """The far end is sent this."""
        self._say(f"call <- {_shown(data)}")

    def happened(self, text: str) -> None:
        """Anything else."""
        self._say(text)

    def action(self, action: Action) -> None:
        """The engine asks for this."""
        match action:
            case SendDte(data) | Deliver(data):
                self.to_dte(data)
            case SendCall(data):
                self.to_call(data)
            case SetCircuit(circuit, on):
                self._say(f"{circuit.name} {'on' if on else 'off'}")
            case Originate(dial):
                self._say(f"dials {dial.raw!r}")
            case HangUp(_, reason):
                self._say(f"hangs up: {reason}")
            case _:
                self._say(str(action))

    def _say(self, text: str) -> None:
        self._sink(f"{self._clock() - self._began:10.3f}  {text}")


def _shown(data: bytes) -> str:
    more = f" ... {len(data)} bytes" if len(data) > SHOWN else ""
    return repr(data[:SHOWN])[1:] + more
