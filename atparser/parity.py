"""Parity of the DTE's characters, done in software on an 8-bit port (V.250 clause 5.1)."""

from __future__ import annotations

import enum
from typing import Final


class Parity(enum.Enum):
    """How the DTE uses the eighth bit in commands.  NONE stands for 8 bits, and for space parity."""

    NONE = "none"
    MARK = "mark"
    EVEN = "even"
    ODD = "odd"


def _ones(value: int) -> int:
    return bin(value & 0x7F).count("1")


def _with(parity: Parity, value: int) -> int:
    value &= 0x7F
    if parity is Parity.MARK:
        return value | 0x80
    if parity is Parity.EVEN:
        return value | (0x80 if _ones(value) % 2 else 0)
    if parity is Parity.ODD:
        return value | (0 if _ones(value) % 2 else 0x80)
    return value


_TABLES: Final = {
    parity: bytes(_with(parity, value) for value in range(256))
    for parity in Parity
    if parity is not Parity.NONE
}


def encode(data: bytes, parity: Parity) -> bytes:
    """``data`` as a DTE with this parity expects it."""
    return data if parity is Parity.NONE else data.translate(_TABLES[parity])


_SEVEN_BITS: Final = bytes(value & 0x7F for value in range(256))


def strip(data: bytes) -> bytes:
    """``data`` without what stands in the eighth bit."""
    return data.translate(_SEVEN_BITS)


def detect(first: int, second: int, before: Parity) -> Parity:
    """The parity in which the two characters of a prefix came.

    ``A`` and ``T`` tell all four apart in either case; ``a/`` cannot tell even from mark or odd from none,
    and then what was known ``before`` decides.
    """
    fits = [parity for parity in Parity if _with(parity, first) == first and _with(parity, second) == second]
    if before in fits:
        return before
    return fits[0] if fits else Parity.NONE
