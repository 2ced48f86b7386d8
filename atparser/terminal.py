"""What the DTE sees of the modem: words and circuits, as its settings want them.

The lowest storey of the engine.  Where the call stands is decided above; here it is shown.
"""

from __future__ import annotations

from typing import Final

from . import results
from .actions import Action, Circuit, SendDte, SetCircuit
from .assembler import Assembler
from .interpreter import Interpreter
from .options import Options
from .parity import encode
from .parser import Scanner
from .profile import Store
from .state import CONNECTED, IN_CALL, State

#: A RING or an automatic answer waits this long for a half-typed command line, in seconds.
TYPING_PAUSE: Final = 1.0
#: Words to the DTE are joined into one action up to about this size.
WRITE_LIMIT: Final = 4096


class Terminal:
    """The modem's side that faces the DTE; actions are collected in the order in which they are asked for."""

    def __init__(self, options: Options | None = None, store: Store | None = None) -> None:
        self.options = options or Options()
        self.interpreter = Interpreter(self.options, store or Store())
        #: The DTE's speed in bit/s, for CONNECT; the caller keeps it true.  0 where the line has none.
        self.dte_rate = 0
        self._state = State.IDLE
        self._out: list[Action] = []
        self._muted = False  # the init string runs
        self._answering = False  # the present call came in (Q2)
        # what the DTE is typing
        self._assembler = Assembler(self.options)
        self._scanner: Scanner | None = None  # a line that waits for stored()
        self._ahead = bytearray()  # typed behind a command that is still going on
        self._typed = float("-inf")  # when the last byte of a command arrived
        self._line_end = float("-inf")  # when the last command line was finished
        self._after_line = False  # the next byte is the first behind it
        # circuits
        self._circuits: dict[Circuit, bool] = {}  # as last asked for
        self._burst = False  # RI
        self._carrier_pulse = False  # DCD is off for a moment (&C2)

    @property
    def state(self) -> State:
        return self._state

    def _half_typed(self, now: float) -> bool:
        """Whether a word of ours would fall into a command line, or between it and its result code."""
        return self._scanner is not None or (self._assembler.typing and now - self._typed < TYPING_PAUSE)

    def _result(self, text: str) -> None:
        """A result code, if the settings want it said."""
        profile = self.interpreter.profile
        q = profile.basic["Q"]
        unwanted = q == 2 and self._answering and text not in (results.OK, results.ERROR)
        if q != 1 and not unwanted and not self._muted:
            self._send(
                encode(results.frame(text, profile, self.options.result_table), self._assembler.parity)
            )

    def _inform(self, lines: tuple[str, ...]) -> None:
        if not self._muted:
            self._send(encode(results.information(lines, self.interpreter.profile), self._assembler.parity))

    def _send(self, data: bytes) -> None:
        """Words to the DTE; those that follow each other travel in one write, up to a size."""
        last = self._out[-1] if self._out else None
        if isinstance(last, SendDte) and len(last.data) < WRITE_LIMIT:
            self._out[-1] = SendDte(last.data + data)
        else:
            self._out.append(SendDte(data))

    def _set_register(self, number: int, value: int) -> None:
        self.interpreter.profile.registers[number] = value

    def _drive_circuits(self) -> None:
        """Make the circuits what state and settings want, and ask for those that change."""
        basic = self.interpreter.profile.basic
        carrier = self._state in CONNECTED
        dcd = {0: True, 1: carrier, 2: not self._carrier_pulse}[basic["&C"]]
        wanted = {
            Circuit.RI: self._burst,
            Circuit.CTS: True,
            Circuit.DSR: basic["&S"] == 0 or self._state in IN_CALL,
            Circuit.DCD: dcd,
        }
        for circuit, on in wanted.items():
            if self._circuits.get(circuit) is not on:
                self._circuits[circuit] = on
                self._out.append(SetCircuit(circuit, on))
