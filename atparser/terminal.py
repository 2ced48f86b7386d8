"""What the DTE sees of the modem: words and circuits, as its settings want them.

The lowest storey of the engine.  Where the call stands is decided above; here it is shown.
"""

from __future__ import annotations

from typing import Final

from . import results
from .actions import Action, Circuit, Deliver, Flow, SendDte, SetCircuit, SetFlow, SetFraming, SetRate
from .assembler import Assembler, Line
from .extended import FACTORY
from .interpreter import Interpreter
from .options import Options
from .parameters import Value
from .parity import encode
from .parser import Scanner
from .profile import Store
from .state import CONNECTED, IN_CALL, State

#: A RING or an automatic answer waits this long for a half-typed command line, in seconds.
TYPING_PAUSE: Final = 1.0
#: First words of the codes that end a command line.
_FINAL: Final = frozenset({"OK", "ERROR", "CONNECT", "BUSY", "NO"})
#: Data bits, whether there is parity, stop bits, by +ICF's first value (V.250 clause 6.2.11).
_FRAMINGS: Final = (
    (0, False, 1),
    (8, False, 2),
    (8, True, 1),
    (8, False, 1),
    (7, False, 2),
    (7, True, 1),
    (7, False, 1),
)
#: Words to the DTE are joined into one action up to about this size.
WRITE_LIMIT: Final = 4096


class Terminal:
    """The modem's side that faces the DTE; actions are collected in the order in which they are asked for."""

    def __init__(self, options: Options | None = None, store: Store | None = None) -> None:
        self.interpreter = Interpreter(options or Options(), store or Store())
        #: The DTE's speed in bit/s, for CONNECT; the caller keeps it true.  0 where the line has none.
        self.dte_rate = 0
        self._state = State.IDLE
        self._out: list[Action] = []
        self._muted = False  # the init string runs
        self._hushed = False  # the DTE did not ask for the present call: results are none of its business
        self._answering = False  # the present call came in (Q2)
        # what the DTE is typing
        self._assembler = Assembler()
        self._scanner: Scanner | None = None  # a line that waits for stored()
        self._pending: Line | None = None  # a line that waits for the response delay
        self._ahead = bytearray()  # typed behind a command that is still going on
        self._typed = float("-inf")  # when the last byte of a command arrived
        self._line_end = float("-inf")  # when the last command line was finished
        self._after_line = False  # the next byte is the first behind it
        self._asked: tuple[Value, ...] = (*FACTORY["+IPR"], *FACTORY["+ICF"])  # as last asked for
        # circuits
        self._circuits: dict[Circuit, bool] = {}  # as last asked for
        self._flow: SetFlow | None = None  # as last asked for
        self._clear_to_send = True  # RTS is on, and has been for S26
        self._far_carrier = True  # in a call: the far end's circuits let its carrier be seen
        self._burst = False  # RI
        self._carrier_pulse = False  # DCD is off for a moment (&C2)
        self._seven_bits = False  # the DTE's parity is taken off its data and put on what goes to it

    @property
    def options(self) -> Options:
        """The options in force: those given at the beginning, with what AT$ has changed."""
        return self.interpreter.options

    @property
    def state(self) -> State:
        return self._state

    def _half_typed(self, now: float) -> bool:
        """Whether a word of ours would fall into a command line, or between it and its result code."""
        if self._scanner is not None or self._pending is not None:
            return True
        return self._assembler.typing and now - self._typed < TYPING_PAUSE

    def _result(self, text: str) -> None:
        """A result code, if the settings want it said."""
        profile = self.interpreter.profile
        q = profile.basic["Q"]
        unwanted = q == 2 and self._answering and text not in (results.OK, results.ERROR)
        if q != 1 and not (unwanted or self._muted or self._hushed):
            self._send(encode(results.frame(text, profile), self._assembler.parity))
        if text.partition(" ")[0] in _FINAL:
            self._obey_port()

    def _obey_port(self) -> None:
        """Have the DTE's port be as +IPR and +ICF say: once the result of their line is out (V.250 clause
        6.2.10)."""
        profile = self.interpreter.profile
        rate, framing, parity = wanted = (*profile.values("+IPR"), *profile.values("+ICF"))
        before, self._asked = self._asked, wanted
        if wanted[0] != before[0]:
            self._out.append(SetRate(int(rate)))
        if wanted[1:] != before[1:]:
            bits, with_parity, stop = _FRAMINGS[int(framing)]
            self._out.append(SetFraming(bits, "OEMS"[int(parity)] if with_parity else "N", stop))

    def _unasked(self, *lines: str) -> None:
        """Information about a caller, wanted where RING is wanted; every line is framed by itself."""
        q = self.interpreter.profile.basic["Q"]
        for line in lines:
            if q == 0 or (q == 2 and not self._answering):
                self._inform((line,))

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

    def _deliver(self, data: bytes) -> None:
        """Bytes of the call to the DTE."""
        self._out.append(Deliver(encode(data, self._assembler.parity) if self._seven_bits else data))

    def _set_register(self, number: int, value: int) -> None:
        self.interpreter.profile.registers[number] = value

    def _drive_circuits(self) -> None:
        """Make circuits and flow control what state and settings want, and ask for what changes."""
        basic = self.interpreter.profile.basic
        carrier = self._state in CONNECTED
        dcd = {0: True, 1: carrier and self._far_carrier, 2: not self._carrier_pulse}[basic["&C"]]
        wanted = {
            Circuit.RI: self._burst,
            Circuit.CTS: self._clear_to_send or basic["&R"] != 0,
            Circuit.DSR: (True, self._state in IN_CALL, carrier, self._burst)[basic["&S"]],
            Circuit.DCD: dcd,
        }
        for circuit, on in wanted.items():
            if self._circuits.get(circuit) is not on:
                self._circuits[circuit] = on
                self._out.append(SetCircuit(circuit, on))
        flow = self._wanted_flow()
        if flow != self._flow:
            self._flow = flow
            self._out.append(flow)

    def _wanted_flow(self) -> SetFlow:
        profile = self.interpreter.profile
        by_dte, by_dce, through = profile.flow()
        xon, xoff = profile.registers[32], profile.registers[33]
        if Flow.XON_XOFF in by_dte | by_dce:
            xon, xoff = encode(bytes((xon, xoff)), self._assembler.parity)
        else:
            through = False
        return SetFlow(by_dte, by_dce, xon, xoff, through)
