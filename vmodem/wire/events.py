"""What all codecs have in common: some events, and FF as the byte that is doubled."""

from __future__ import annotations

from dataclasses import dataclass


class ProtocolError(Exception):
    """A peer sent what the protocol has no meaning for; the text says what and where."""


@dataclass(frozen=True)
class Data:
    """Bytes of the connection proper; never empty."""

    data: bytes


@dataclass(frozen=True)
class Send:
    """Bytes of the protocol's own: to be sent as they are, before anything encoded later."""

    data: bytes


@dataclass(frozen=True)
class Ignored:
    """Something that made no sense was passed over; ``reason`` is for people."""

    reason: str


def undoubled(data: bytes) -> bytes | None:
    """``data`` with each pair of FF as one; None where an FF has no partner, and so is something else."""
    # What stands between the two of a pair is empty, and that is every other piece.  A search for single
    # bytes is many times quicker than one for pairs.
    pieces = data.split(b"\xff")
    if len(pieces) % 2 == 0 or any(pieces[1::2]):
        return None
    return b"\xff".join(pieces[::2])
