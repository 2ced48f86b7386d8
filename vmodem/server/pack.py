"""Bytes of the device into packets: what belongs together leaves together.

A packet ends with a delimiter, with enough bytes, some time after its first byte, or after a silence,
whichever comes first.  Unless told otherwise the silence is two characters long, and bytes that already come
in bulk do not wait at all: they have been gathered by whoever handed them over.

What does not belong here: who is sent the packets.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from .rules import PackRules

#: The usual silence: so many characters, but not less nor more than this, in seconds.
IDLE_CHARACTERS: Final = 2
IDLE_LEAST_S: Final = 0.001
IDLE_MOST_S: Final = 0.02
#: A chunk of so many bytes is bulk.
BULK: Final = 128
#: No packet is longer, in bytes: where nothing else ends one, this does.
LIMIT: Final = 65536


class Packer:
    """Hands packets to ``send``.  ``character_s`` tells how long a character takes now, 0 for unknown."""

    def __init__(
        self,
        reactor: Any,
        rules: PackRules,
        character_s: Callable[[], float],
        send: Callable[[bytes], None],
    ) -> None:
        self._reactor = reactor
        self._rules = rules
        self._character_s = character_s
        self._send = send
        self._held = bytearray()
        self._began = self._last = 0.0
        self._timer: Any = None
        self._searched = 0  # so many bytes hold no delimiter's beginning
        #: Chunks of this size and more may pass by, while nothing is held.
        self.bulk = self._bulk()

    def _bulk(self) -> int:
        rules = self._rules
        if rules.delimiter or rules.max_size or rules.idle:
            return LIMIT
        if rules.idle is None:
            return BULK
        return LIMIT if rules.max_age else 1

    @property
    def held(self) -> int:
        """Bytes that wait for the end of their packet."""
        return len(self._held)

    def take(self, data: bytes) -> None:
        """The device sent this."""
        held, rules = self._held, self._rules
        if not held:
            if len(data) >= self.bulk:
                self._send(data)
                return
            self._began = self._reactor.seconds()
        held += data
        if rules.delimiter or rules.max_size:
            self._cut()
        if not held:
            self._cancel()
        elif len(held) >= self.bulk:
            self.flush()
        else:
            self._last = self._reactor.seconds()
            self._arm()

    def flush(self) -> None:
        """The packet ends here."""
        self._cancel()
        self._searched = 0
        if self._held:
            packet = bytes(self._held)
            self._held.clear()
            self._send(packet)

    def clear(self) -> None:
        """Forget what is held."""
        self._cancel()
        self._held.clear()
        self._searched = 0

    # -- ends of packets -----------------------------------------------------------------------------------

    def _cut(self) -> None:
        """Send every packet that is complete."""
        held, rules = self._held, self._rules
        delimiter, size = rules.delimiter, rules.max_size
        while held:
            end = drop = 0
            if delimiter:
                at = held.find(delimiter, max(0, self._searched - len(delimiter) + 1))
                if at >= 0:
                    self._searched = at  # found again when the bytes after it have come
                    end = at + len(delimiter) + rules.after
                    drop = at
                    if end > len(held):
                        end = 0
                else:
                    self._searched = len(held)
            if size and len(held) >= size and (not end or end > size):
                packet = bytes(held[:size])
                del held[:size]
            elif end:
                strip = rules.strip
                packet = bytes(held[:drop] + held[drop + len(delimiter) : end] if strip else held[:end])
                del held[:end]
            else:
                return
            self._searched = 0
            self._began = self._reactor.seconds()
            if packet:
                self._send(packet)

    # -- time ----------------------------------------------------------------------------------------------

    def _due(self) -> float | None:
        """When the packet ends of itself; None: never."""
        rules = self._rules
        idle = self._idle_s()
        due = None if idle is None else self._last + idle
        if rules.max_age:
            old = self._began + rules.max_age
            due = old if due is None else min(due, old)
        return due

    def _idle_s(self) -> float | None:
        idle = self._rules.idle
        if idle is None:
            return min(max(IDLE_CHARACTERS * self._character_s(), IDLE_LEAST_S), IDLE_MOST_S)
        return idle or None

    def _arm(self) -> None:
        """One timer; it is not set anew for every byte, but looks again when it was early."""
        due = self._due()
        if due is None:
            if not (self._rules.delimiter or self._rules.max_size):
                self.flush()
        elif self._timer is None:
            self._timer = self._reactor.callLater(max(0.0, due - self._reactor.seconds()), self._look)

    def _look(self) -> None:
        self._timer = None
        due = self._due()
        if due is not None and due > self._reactor.seconds():
            self._arm()
        else:
            self.flush()

    def _cancel(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
