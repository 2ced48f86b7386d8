"""A stage between a serial port's stream and the port while errors are to be told in their place.

What does not belong here: how the kernel writes marks (:mod:`vmodem.port.marks`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from vmodem.port.base import Counters, Noted
from vmodem.port.marks import Mark, MarkReader

if TYPE_CHECKING:
    from vmodem.net.stream import StreamUser
    from vmodem.port.watch import Watch

#: Kinds that are told here and only counted by whoever watches the port.
PLACED: Final = frozenset((Noted.BREAK, Noted.FRAMING, Noted.PARITY))
_COUNTED: Final = {Noted.BREAK: "breaks", Noted.FRAMING: "framing", Noted.PARITY: "parity"}


class MarkedInput:
    """The stream's user; sound bytes go to ``port``, everything else to ``noted``.  ``parity`` says whether
    characters have a parity bit at present."""

    def __init__(
        self,
        port: StreamUser,
        watch: Watch,
        counters: Counters,
        noted: Callable[[Noted], None],
        parity: Callable[[], bool],
    ) -> None:
        self._received = port.data_received
        self.write_blocked = port.write_blocked
        self.write_drained = port.write_drained
        self.stream_ended = port.stream_ended
        self._watch = watch
        self._counters = counters
        self._noted = noted
        self._parity = parity
        self._reader = MarkReader()

    def data_received(self, data: bytes) -> None:
        """A chunk as the kernel gives it."""
        found = self._reader.receive(data)
        if any(isinstance(item, Mark) for item in found):
            self._watch.look()  # it knows which kinds of damage there were
        for item in found:
            if isinstance(item, bytes):
                self._received(item)
            else:
                self._tell(Noted.BREAK if item is Mark.BREAK else self._damage())

    def _damage(self) -> Noted:
        """Which kind a marked character is of: the mark does not say."""
        if not self._parity():
            return Noted.FRAMING
        fresh = self._watch.fresh
        return fresh.pop(0) if fresh else Noted.PARITY

    def _tell(self, what: Noted) -> None:
        if not self._watch.has_counts:
            name = _COUNTED[what]
            setattr(self._counters, name, getattr(self._counters, name) + 1)
        self._noted(what)
