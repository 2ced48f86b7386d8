"""PPP as it travels over a serial line: HDLC-like framing (RFC 1662) and the packets of its negotiation.

For reading only, by somebody in between: frames come out of any chunking, whatever does not check is passed
over, and what a peer sends can neither raise nor make this keep more than one frame.

What does not belong here: the state machines of PPP, and what a negotiation comes to.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

LCP: Final = 0xC021
PAP: Final = 0xC023
CHAP: Final = 0xC223
IPCP: Final = 0x8021

#: Codes of LCP and the network control protocols (RFC 1661 clause 5).
CONFIGURE_REQUEST: Final = 1
CONFIGURE_ACK: Final = 2
TERMINATE_REQUEST: Final = 5

#: Longest frame that is kept, in bytes as they come, flags aside: an MRU of 1500 with every byte escaped.
FRAME_LIMIT: Final = 3072

_FLAG: Final = b"~"
_ESCAPE: Final = 0x7D
_ESCAPED: Final = re.compile(rb"\x7d(.)", re.DOTALL)
#: What the checksum over a whole frame comes to, itself included (RFC 1662 clause C.1).
_GOOD_FCS: Final = 0xF0B8
#: x**16 + x**12 + x**5 + 1, bits reversed.
_POLYNOMIAL: Final = 0x8408


def _table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (_POLYNOMIAL if value & 1 else 0)
        table.append(value)
    return tuple(table)


_TABLE: Final = _table()


def fcs16(data: bytes, fcs: int = 0xFFFF) -> int:
    """The checksum of RFC 1662 clause C.2, before its bits are inverted; ``fcs`` continues another."""
    table = _TABLE
    for byte in data:
        fcs = (fcs >> 8) ^ table[(fcs ^ byte) & 0xFF]
    return fcs


@dataclass(frozen=True)
class Frame:
    """What stood between two flags and checked."""

    protocol: int
    body: bytes


class Deframer:
    """One direction of a line; ``limit`` is the longest frame in bytes as they come."""

    def __init__(self, limit: int = FRAME_LIMIT) -> None:
        self._limit = limit
        self._kept = bytearray()  # of a frame that has not ended
        self._skipping = False  # it is longer than the limit

    def receive(self, data: bytes) -> list[Frame]:
        """The good frames that are complete with this chunk."""
        *complete, rest = data.split(_FLAG)
        frames = []
        for piece in complete:
            if not self._skipping and len(self._kept) + len(piece) <= self._limit:
                self._kept += piece
                frame = _frame(bytes(self._kept))
                if frame is not None:
                    frames.append(frame)
            self._kept.clear()
            self._skipping = False
        if self._skipping or len(self._kept) + len(rest) > self._limit:
            self._kept.clear()
            self._skipping = True
        else:
            self._kept += rest
        return frames


def _frame(raw: bytes) -> Frame | None:
    """A frame from what stood between two flags; None where it is none, or was given up by its sender."""
    if len(raw) < 4 or raw[-1] == _ESCAPE:
        return None
    data = _ESCAPED.sub(lambda found: bytes((found[1][0] ^ 0x20,)), raw)
    if fcs16(data) != _GOOD_FCS:
        return None
    data = data[:-2]
    if data[:2] == b"\xff\x03":
        data = data[2:]  # else address and control are left out (RFC 1662 clause 3.2)
    if not data:
        return None
    if data[0] & 1:  # one octet of the protocol is left out (RFC 1661 clause 6.5)
        return Frame(data[0], data[1:])
    return Frame(int.from_bytes(data[:2], "big"), data[2:]) if len(data) > 1 else None


@dataclass(frozen=True)
class Packet:
    """A packet of LCP, of a network control protocol, of PAP or CHAP: all have this shape."""

    code: int
    identifier: int
    body: bytes


def packet(data: bytes) -> Packet | None:
    """Read the body of a frame; None where its length is not its own (RFC 1661 clause 5).  Padding is cut."""
    if len(data) < 4:
        return None
    length = int.from_bytes(data[2:4], "big")
    return Packet(data[0], data[1], data[4:length]) if 4 <= length <= len(data) else None


def options(body: bytes) -> dict[int, bytes] | None:
    """The options of a Configure packet by type, the first of each; None where they do not add up."""
    found: dict[int, bytes] = {}
    at = 0
    while at < len(body):
        length = body[at + 1] if at + 1 < len(body) else 0
        if length < 2 or at + length > len(body):
            return None
        found.setdefault(body[at], body[at + 2 : at + length])
        at += length
    return found
