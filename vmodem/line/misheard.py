"""What a receiver hears of commands that are sent at another rate than it listens at.

Nothing is listed: a model of a receiver samples what a sender puts on the wire, and from that come the
looks of commands at every pair of rates, how likely each is, and how well each rate explains a burst.  What
does not belong here: what a burst tells (evidence.py) and what is done about it (autobaud.py).
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from itertools import product
from math import inf, log2, prod
from typing import Final, NamedTuple

#: The rates that are looked for, in bit/s.
LADDER: Final = (300, 600, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400, 460800)
#: A rate that many a DTE uses, in bit/s.
USUAL: Final = 115200
#: By how many bits ``AT`` and CR in one go are likelier than with pauses, than a longer line, than parts.
TYPED: Final = 1
LONGER: Final = 1
PARTS: Final = 3
#: By how much the clocks of sender and receiver may differ.  Where a bit of the one is two of the other's,
#: edges and middles coincide, and little makes a difference: hence the many ones near 1.
_DRIFTS: Final = (0.98, 0.985, 0.99, 0.993, 0.994, 0.995, 0.9975, 1.0, 1.0025, 1.005, 1.01, 1.015, 1.02)
#: After what part of its bit a receiver sees a falling edge.
_LATE: Final = (0.0, 1 / 48, 1 / 24, 1 / 16)
#: Programs that wake a modem send at least so many line ends, one after the other.
_SEVERAL: Final = 3
#: From the first falling edge of ``AT`` and CR to the last one, in bits.
_LASTING_BITS: Final = 25


# -- what a receiver hears -------------------------------------------------------------------------------


class Frame(NamedTuple):
    """How a port takes characters apart: data bits, and parity as N, E, O, M or S."""

    bits: int = 8
    parity: str = "N"

    @property
    def width(self) -> int:
        """Bits between start and stop."""
        return self.bits + (self.parity != "N")

    def codings(self, text: bytes) -> set[tuple[int, ...]]:
        """A text as DTEs send it into such a port: with eight bits, each parity is possible."""
        even = tuple(byte | (byte.bit_count() & 1) << 7 for byte in text)
        odd = tuple(byte ^ 0x80 for byte in even)
        if self.width == 8:
            return {tuple(text), even, odd}
        return {tuple(byte & (1 << self.bits) - 1 | self._parity_bit(byte) << self.bits for byte in text)}

    def _parity_bit(self, byte: int) -> int:
        ones = byte.bit_count() & 1
        return {"E": ones, "O": ones ^ 1, "M": 1}.get(self.parity, 0)


EIGHT: Final = Frame()


def levels(text: Iterable[int], frame: Frame = EIGHT) -> tuple[int, ...]:
    """The levels on the wire, a bit each, for characters with the parity bit in its place."""
    sent: list[int] = []
    places = range(frame.width)
    for character in text:
        sent.append(0)
        sent.extend(character >> place & 1 for place in places)
        sent.append(1)
    return tuple(sent)


def _falls(sent: tuple[int, ...]) -> list[int]:
    """Where a signal falls."""
    return [place for place, level in enumerate(sent) if not level and (not place or sent[place - 1])]


def _next(falls: list[int], at: float) -> int | None:
    """The place of the next falling edge that is seen from a moment on, at which it may be low already."""
    place = bisect_left(falls, at)
    return falls[place] if place < len(falls) else None


def _from_edge(
    sent: tuple[int, ...], middle: float, ratio: float, frame: Frame, eager: bool
) -> tuple[bytes, float, bool]:
    """What is made of one falling edge, given the middle of its start bit: characters (one, none, or more by
    an ``eager`` receiver), from when on edges are looked for again, and whether eagerness matters."""
    data = bytearray()
    mask = (1 << frame.bits) - 1
    end, odd = len(sent), False
    while middle < end and not sent[int(middle)]:  # else too short for a start bit
        value = 0
        for bit in range(frame.width):
            middle += ratio
            if middle >= end or sent[int(middle)]:
                value |= 1 << bit
        middle += ratio
        data.append(value & mask)
        if middle >= end or sent[int(middle)] or not value:  # a stop bit, or a break
            break
        odd = True
        if not eager:
            break
    return bytes(data), middle, odd


@lru_cache(maxsize=2048)
def hearings(
    sent: tuple[int, ...], ratio: float, frame: Frame = EIGHT, *, goes_on: bool = False
) -> Mapping[bytes, float]:
    """All that a receiver may hear of a signal whose bits come ``ratio`` times as fast as its own, and how
    likely: no two clocks agree, each edge is seen somewhat later, and after a character without a stop bit
    some receivers take the low level for the next start bit (they are eager), others wait for an edge.

    Of a signal that ``goes_on`` only what is sure is given.
    """
    found: dict[bytes, float] = defaultdict(float)
    falls = _falls(sent)
    for pace in (ratio * drift for drift in _DRIFTS):
        matters = False
        for eager in (False, True):
            if eager and not matters:
                continue
            reached = {(b"", _next(falls, 0)): 1 / len(_DRIFTS)}
            while reached:
                here, reached = reached, defaultdict(float)
                for (data, place), chance in here.items():
                    if place is None:
                        found[data] += chance
                        continue
                    for late in _LATE:
                        more, at, odd = _from_edge(sent, place + (late + 0.5) * pace, pace, frame, eager)
                        matters |= odd
                        if goes_on and at >= len(sent):
                            found[data] += chance / len(_LATE)
                        else:
                            reached[data + more, _next(falls, at)] += chance / len(_LATE)
    total = sum(found.values())
    return {data: chance / total for data, chance in found.items()}


# -- what commands look like -----------------------------------------------------------------------------

#: Bursts, and how many bits fewer each takes to tell as a command misheard than as any bytes.
Gains = Mapping[bytes, float]


def _gains(*hearings: Mapping[bytes, float]) -> Gains:
    """What is gained by each of several signals that are as likely.

    One clock is wrong by the same today and tomorrow, so what is heard seldom is not all that unlikely.
    """
    chances: dict[bytes, float] = defaultdict(float)
    for each in hearings:
        for data, chance in each.items():
            chances[data] += chance / len(hearings)
    return {
        data: 8 * len(data) + log2(chance / 2 + 0.5 / len(chances))
        for data, chance in chances.items()
        if data
    }


class _Looks(NamedTuple):
    """What the beginnings of commands look like, heard at one ratio of rates."""

    #: Whole ``AT`` lines sent in one go.
    lines: Gains
    #: Whole ``AT`` lines with pauses between the characters.
    typed: Gains
    #: What a longer line begins with, whatever follows its ``AT``.
    prefixes: Gains
    #: Parts of a command as they may be sent in one go, from one character to a whole ``AT`` line.
    parts: Gains
    #: Single line ends.
    ends: Gains


@lru_cache(maxsize=256)
def _looks(ratio: float, frame: Frame) -> _Looks:
    lines, typed, prefixes, parts, ends = [], [], [], [], []
    for text in (b"AT\r\n", b"at\r\n"):
        for whole in frame.codings(text):
            lines += [hearings(levels(line, frame), ratio, frame) for line in (whole[:3], whole)]
            singly = [hearings(levels([each], frame), ratio, frame) for each in whole]
            pairs = [hearings(levels(pair, frame), ratio, frame) for pair in (whole[:2], whole[1:3])]
            parts += [*singly, *pairs]
            ends += singly[2:]
            letters: dict[bytes, float] = defaultdict(float)
            for three in product(*(each.items() for each in singly[:3])):
                letters[b"".join(data for data, _ in three)] += prod(chance for _, chance in three)
            typed.append(letters)
            prefixes.append(hearings((*levels(whole[:2], frame), 0), ratio, frame, goes_on=True))
    return _Looks(*(_gains(*each) for each in (lines, typed, prefixes, [*parts, *lines], ends)))


def _line(ratio: float, frame: Frame) -> Mapping[bytes, float]:
    """What may be heard of ``AT`` and CR."""
    return hearings(levels(min(frame.codings(b"AT\r")), frame), ratio, frame)


def deaf(rate: int, to: int, frame: Frame = EIGHT) -> bool:
    """Whether ``AT`` and CR, sent at the rate ``to``, may pass a receiver at ``rate`` without a trace."""
    return b"" in _line(to / rate, frame)


def _gain_of(burst: bytes, parts: Gains) -> float:
    """What is gained if a burst is nothing but some of ``parts`` in a row; else minus infinity."""
    best = [0.0]
    longest = max(map(len, parts), default=0)
    for end in range(1, len(burst) + 1):
        begins = range(max(0, end - longest), end)
        best.append(max((best[at] + parts.get(burst[at:end], -inf) for at in begins), default=-inf))
    return best[-1]


class Match(NamedTuple):
    """How well a burst is explained by one rate."""

    #: How many bits fewer it takes to tell as a command sent at that rate than as any bytes.
    gain: float
    #: How long that takes where it may have been sent in one go, in seconds; else 0.
    lasts: float = 0.0
    #: It may be nothing but line ends, several of them.
    bare: bool = False


def explain(burst: bytes, rate: int, rates: Iterable[int] = LADDER, frame: Frame = EIGHT) -> dict[int, Match]:
    """The rates at which a command may have been sent that sounds like ``burst`` at ``rate``."""
    matches = {each: _explain(burst, each / rate, each, frame) for each in rates if each != rate}
    return {each: match for each, match in matches.items() if match.gain > 0}


def _explain(burst: bytes, ratio: float, rate: int, frame: Frame) -> Match:
    looks = _looks(ratio, frame)
    if burst in looks.lines:
        return Match(looks.lines[burst], _LASTING_BITS / rate)
    found = [Match(looks.typed[burst] - TYPED)] if burst in looks.typed else []
    found += [Match(gain - LONGER) for prefix, gain in looks.prefixes.items() if burst.startswith(prefix)]
    if len(burst) >= _SEVERAL and any(burst):
        found.append(Match(_gain_of(burst, looks.ends) - TYPED, bare=True))
    found.append(Match(_gain_of(burst, looks.parts) - PARTS))
    return max(found)


def best_question(possible: Collection[int], rates: Collection[int], frame: Frame = EIGHT) -> int:
    """The one of ``rates`` at which the next command tells best at which of the ``possible`` it was sent.

    One that is deaf to some of them is a bad place, one where several of them sound alike not a good one.
    """

    def badness(rate: int) -> tuple[int, int, int]:
        others = [_line(other / rate, frame) for other in possible if other != rate]
        unheard = sum(b"" in line for line in others)
        sounds = Counter(max(line, key=line.__getitem__) for line in others)
        return unheard, max(sounds.values(), default=0), abs(rate - USUAL)

    return min(rates, key=badness)
