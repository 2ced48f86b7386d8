"""The S-parameters as rows: number, name, unit, factory value, working range, and what they mirror.

Any value from 0 to 255 can be written and is read back as written; where the working range is narrower the
effect is that of its nearest end.  What is read-only takes any value and keeps its own.  Bit-mapped registers
show, and when written set, the commands named in their mirror; their other bits are kept as written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from .parity import Parity


@dataclass(frozen=True)
class Bits:
    """Bits of a register that are the value of ``command``: at ``shift``, ``width`` bits wide."""

    command: str
    shift: int
    width: int = 1
    #: Register code for each command value, where they are not the same; a value not listed has no code.
    codes: Mapping[int, int] | None = None

    def show(self, value: int) -> int:
        code = value if self.codes is None else self.codes.get(value, 0)
        return code << self.shift & self.mask

    @property
    def mask(self) -> int:
        """The register's bits that are meant."""
        return ((1 << self.width) - 1) << self.shift

    def read(self, register: int) -> int | None:
        """The command's value that the register's bits mean; None for a code that means none."""
        code = (register & self.mask) >> self.shift
        if self.codes is None:
            return code
        for value, known in self.codes.items():
            if known == code:
                return value
        return None


@dataclass(frozen=True)
class Register:
    """One S-parameter."""

    number: int
    help: str
    default: int = 0
    unit: str = ""
    low: int = 0
    high: int = 255
    saved: bool = False
    read_only: bool = False
    mirror: tuple[Bits, ...] = ()
    #: Bits of a mirroring register that mean nothing here: what they are until something is written.
    constant: int = 0


_X = {0: 0, 1: 4, 2: 5, 3: 6, 4: 7, 5: 6, 6: 7, 7: 7}
_Q = {0: 0, 1: 1, 2: 2, 3: 3, 4: 8, 5: 9, 6: 10, 8: 8, 9: 9}
_BREAK = {5: 128, 3: 3, 1: 7}
_FLOW = {0: 0, 3: 3, 4: 4, 5: 5, 6: 6}

ROWS: Final[tuple[Register, ...]] = (
    Register(0, "rings before automatic answer; 0 never answers", 0, "rings", saved=True),
    Register(1, "rings counted of the present call; cleared 8 s after the last", 0, "rings", read_only=True),
    Register(2, "escape character; above 127 disables the escape", 43, "ascii", saved=True),
    Register(3, "command line terminator", 13, "ascii", high=127),
    Register(4, "response formatting character", 10, "ascii", high=127),
    Register(5, "command line editing character", 8, "ascii", high=127),
    Register(6, "pause before blind dialling", 2, "s", low=2, saved=True),
    Register(7, "time allowed for a call to be established", 50, "s", low=1, saved=True),
    Register(8, "pause of a comma in the dial string", 2, "s", saved=True),
    Register(9, "carrier detect response time", 6, "0.1 s", low=1, saved=True),
    Register(
        10, "carrier loss before hang-up, in a pair of modems; 255 never", 14, "0.1 s", low=1, saved=True
    ),
    Register(11, "tone dialling speed", 95, "ms", low=50, saved=True),
    Register(12, "escape guard time; 0 needs none", 50, "0.02 s", saved=True),
    Register(13, "bits: 1 = reset when DTR drops", 0, saved=True),
    # Shown but not obeyed: to some makers S14 is something else, and a DTE of theirs that clears it would
    # find itself without echo and with numeric results.
    Register(
        14,
        "bits: echo, result codes, verbose, pulse, originate",
        read_only=True,
        mirror=(Bits("E", 1), Bits("Q", 2, codes={0: 0, 1: 1, 2: 1}), Bits("V", 3), Bits("P", 5)),
        constant=0x80,
    ),
    Register(15, "bits, kept only", 0, saved=True),
    Register(16, "test in progress", 0, read_only=True),
    Register(18, "test timer", 0, "s", saved=True),
    Register(19, "inactivity before hang-up where $S19 says so, in step with S30", 0, "min", saved=True),
    Register(20, "HDLC address, kept only", 0, saved=True),
    Register(
        21,
        "bits: &R, &D, &C, &S, Y",
        mirror=(Bits("&R", 2), Bits("&D", 3, 2), Bits("&C", 5), Bits("&S", 6), Bits("Y", 7)),
    ),
    Register(
        22,
        "bits: L, M, X, &P",
        mirror=(Bits("L", 0, 2), Bits("M", 2, 2), Bits("X", 4, 3, _X), Bits("&P", 7)),
    ),
    Register(23, "bits: DTE rate and parity, &G", mirror=(Bits("&G", 6, 2),), constant=0x3E),
    Register(24, "sleep timer, kept only", 0, "s", saved=True),
    Register(25, "how long DTR must be off to count", 5, "0.01 s", saved=True),
    Register(26, "RTS to CTS delay", 1, "0.01 s", saved=True),
    Register(27, "bits: &Q, B", mirror=(Bits("&Q", 0, 4, _Q), Bits("B", 6))),
    Register(28, "bits, kept only", 0, saved=True),
    Register(29, "hook flash time", 70, "0.01 s", saved=True),
    Register(30, "inactivity before hang-up; 0 never", 0, "10 s", saved=True),
    Register(31, "bits: N, W", mirror=(Bits("N", 1), Bits("W", 2, 2)), constant=0xC0),
    Register(32, "XON character", 17, "ascii", saved=True),
    Register(33, "XOFF character", 19, "ascii", saved=True),
    Register(36, "action when error correction fails", 7, high=7, saved=True),
    Register(
        37,
        "line rate: 0 the best, 3 300 bit/s, 5 1200, 6 2400, 8 4800, 9 9600, 11 14400; shown, not held to",
        0,
        high=19,
        saved=True,
    ),
    Register(38, "time to send what is pending before a hang-up; 255 waits for ever", 20, "s", saved=True),
    Register(39, "flow control", mirror=(Bits("&K", 0, 3, _FLOW),)),
    Register(40, "bits, kept only", 0, saved=True),
    Register(41, "bits, kept only", 0, saved=True),
    Register(46, "error correction and compression, kept only", 138, saved=True),
    Register(48, "V.42 negotiation, kept only", 7, saved=True),
    Register(49, "buffer low mark, kept only", 8, saved=True),
    Register(50, "buffer high mark, kept only", 16, saved=True),
    Register(
        82,
        "break: 128 in sequence, 3 at once, 7 at once and data discarded",
        saved=True,
        mirror=(Bits("\\K", 0, 8, _BREAK),),
    ),
    Register(
        86,
        "why the last call ended: 4 carrier lost, 12 far end hung up, 13 no response",
        0,
        read_only=True,
    ),
    Register(91, "transmit level, kept only", 10, "-dBm", saved=True),
    Register(92, "transmit level for fax, kept only", 10, "-dBm", saved=True),
    Register(95, "bits: what a CONNECT report holds beyond W", 0, saved=True),
)

REGISTERS: Final[Mapping[int, Register]] = {row.number: row for row in ROWS}
#: Registers up to here exist even without a row: they keep what is written.
LAST_REGISTER: Final = 99


def register(number: int) -> Register:
    """The row of a register, made up for one that is only storage."""
    return REGISTERS.get(number) or Register(number, "kept only")


def factory() -> bytearray:
    """All registers at their factory values."""
    values = bytearray(256)
    for row in ROWS:
        values[row.number] = row.constant if row.mirror else row.default
    return values


def line_bits(dte_rate: int, parity: Parity) -> int:
    """S23's bits 1 to 5: how the DTE's last command line came (0 bit/s: as fast as can be shown)."""
    rates = (300, 600, 1200, 2400, 4800, 9600, 19200)
    code = next((place for place, rate in enumerate(rates) if dte_rate <= rate), 7) if dte_rate else 7
    return code << 1 | {Parity.EVEN: 0, Parity.ODD: 2}.get(parity, 3) << 4
