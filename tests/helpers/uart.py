"""A simulated cable between two UARTs that need not agree: a signal, and what a receiver samples of it.

The receiver samples sixteen times in a bit, as most do: it looks for a start bit at each tick, looks again
half a bit later, then in the middle of each bit.  Its clock has a phase and an error of its own.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

OVERSAMPLING = 16


@dataclass(frozen=True)
class Format:
    """Data bits, parity (N, E, O, M or S) and stop bits of a character."""

    bits: int = 8
    parity: str = "N"
    stop: float = 1

    def parity_bit(self, value: int) -> int:
        ones = value.bit_count() & 1
        return {"E": ones, "O": ones ^ 1, "M": 1, "S": 0}[self.parity]


@dataclass(frozen=True)
class Signal:
    """Moments at which the level changes, in seconds: high before the first, low after it, and so on."""

    edges: tuple[float, ...]
    ends: float

    def level(self, moment: float) -> int:
        return 1 - (bisect_right(self.edges, moment) & 1)

    def next_edge(self, moment: float, level: int) -> float | None:
        """When the level next becomes this one, after ``moment``."""
        place = bisect_right(self.edges, moment)
        if (place & 1) != level:  # edges with even numbers fall
            place += 1
        return self.edges[place] if place < len(self.edges) else None


def transmit(
    text: bytes, rate: float, form: Format | None = None, *, at: float = 0.0, pause: float = 0.0
) -> Signal:
    """The signal of ``text`` from the moment ``at``, with a pause after each character, in seconds."""
    form = form or Format()
    bit = 1 / rate
    levels: list[tuple[int, float]] = []
    for byte in text:
        value = byte & (1 << form.bits) - 1
        levels.append((0, bit))
        levels += [(value >> place & 1, bit) for place in range(form.bits)]
        if form.parity != "N":
            levels.append((form.parity_bit(value), bit))
        levels.append((1, bit * form.stop + pause))
    edges: list[float] = []
    moment, before = at, 1
    for level, length in levels:
        if level != before:
            edges.append(moment)
            before = level
        moment += length
    return Signal(tuple(edges), moment)


def breaks(*spans: tuple[float, float]) -> Signal:
    """A signal that is low from one moment to another, for each of ``spans``: glitches and breaks."""
    edges = tuple(moment for span in spans for moment in span)
    return Signal(edges, edges[-1])


@dataclass(frozen=True)
class Character:
    """What a receiver hands over, and when."""

    value: int
    moment: float
    framing_error: bool = False
    parity_error: bool = False

    @property
    def is_break(self) -> bool:
        return self.framing_error and not self.value


@dataclass(frozen=True)
class Receiver:
    """``phase`` is where its ticks fall, from 0 to 1; ``drift`` its clock's error; an ``eager`` one takes a
    low stop bit for the next start bit."""

    rate: int
    form: Format = Format()
    phase: float = 0.0
    drift: float = 0.0
    eager: bool = False

    def receive(self, signal: Signal, since: float = -math.inf) -> Iterator[Character]:
        """The characters of a signal that it hears from the moment ``since`` on."""
        tick = 1 / (self.rate * (1 + self.drift) * OVERSAMPLING)
        forced = False
        moment = since
        form = self.form
        while True:
            if not forced:
                edge = signal.next_edge(moment, 0)
                if edge is None:
                    return
                start = (math.floor(edge / tick - self.phase) + 1 + self.phase) * tick
            else:
                start = moment
            forced = False
            middle = start + tick * OVERSAMPLING / 2
            if signal.level(middle):
                moment = middle
                continue
            value = 0
            for place in range(form.bits):
                middle += tick * OVERSAMPLING
                value |= signal.level(middle) << place
            parity_error = False
            if form.parity != "N":
                middle += tick * OVERSAMPLING
                parity_error = signal.level(middle) != form.parity_bit(value)
            middle += tick * OVERSAMPLING
            framing_error = not signal.level(middle)
            yield Character(value, middle, framing_error, parity_error)
            moment = middle
            if framing_error and value and self.eager:
                forced = True
                moment = middle - tick * OVERSAMPLING / 2


def heard(text: bytes, rate: int, receiver: Receiver, form: Format | None = None) -> bytes:
    """The bytes a receiver reads of a text sent at ``rate``."""
    return bytes(each.value for each in receiver.receive(transmit(text, rate, form)))
