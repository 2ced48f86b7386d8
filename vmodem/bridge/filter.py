"""Whoever changes what goes over a bridge.

What does not belong here: carrying it, and only looking at it (:mod:`vmodem.port.watching`).
"""

from __future__ import annotations

from collections.abc import Callable

from vmodem.port.watching import Way


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
