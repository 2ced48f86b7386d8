"""At which rate a DTE sends, by what was heard of it: Page's test (CUSUM) for a change, at each rate at once.

For each rate of the ladder the log-odds are kept, in bits, that the DTE sends at it and not at the rate that
is listened at.  A burst adds how much less it takes to tell as a command sent there than as what it would be
here: text, or a disturbance.  At a good rate odds are never worse than even, so that what a DTE did for hours
does not count when it changes; old ones fade.  A rate is left for another when the odds outweigh what speaks
for it beforehand: much, where commands are read; nothing, where one is only tried.

What does not belong here: what a command sounds like (misheard.py), and reading commands, timing and going
back to the good rate (autobaud.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from math import inf, log
from typing import Final, NamedTuple

from vmodem.line.misheard import USUAL, Frame, Match, best_question, deaf, explain

#: What speaks for a rate beforehand, in bits: one at which commands were read since DTR rose, or were once.
SURE: Final = 12.0
UNSURE: Final = 6.0
#: What a disturbance speaks against a good rate, or each framing error in it, of which so many count.
DISTURBED: Final = 4.5
ERRORS: Final = 3
#: What each letter of a text speaks for the rate, and if its eighth bit has no meaning that is known.
LETTER: Final = 1.5
RIDDLE: Final = 0.5
#: What it speaks against the rate that a text is no command, and when one is to come first.
TEXT: Final = 1.0
TEXT_FIRST: Final = 1.5
#: What each character of anything else speaks for the rate if the port tells of no framing error.
FLAWLESS: Final = 1.0
#: What speaks against a slower rate: its commands would have been recognised by the prefix.
SLOWER: Final = 2.0
#: No burst speaks more for a rate, whatever is computed; and so much speaks against one that is tried what is
#: neither a command nor text.
CERTAIN: Final = 20.0
#: What speaks against it that a DTE has gone to another rate since the last burst, and by how much less if it
#: is the usual one.
CHANGED: Final = 15.0
RARE: Final = 3.0
#: Odds that differ by less are as good as the same.
ABOUT: Final = 1.0
#: The time in which evidence fades to half of it, in seconds.
FADING_S: Final = 8.0

#: Nobody tries again so soon, in seconds: who is heard at two rates in this time looks for ours.
HOPPING_S: Final = 0.3
#: The rate by which such a one comes.
MEETING: Final = 9600

#: So many bursts within a command are enough that may be other ones, and none of them is longer than this.
ALIKE: Final = 3
LONGEST: Final = 8


class Burst(NamedTuple):
    """What was heard between two silences, and is no command."""

    data: bytes
    #: Framing errors and breaks among them, None where the port does not tell.
    errors: int | None
    #: Whether all of it may be text as the DTE sends it.
    is_text: bool
    #: From its first character to its last, in seconds.
    lasted: float


class Listener(NamedTuple):
    """At which rate a burst was heard, and what is known of it."""

    rate: int
    #: Commands are read here, or were.
    good: bool
    #: They were since DTR rose.
    sure: bool
    #: The coding of the DTE's eighth bits is known.
    coded: bool


class Evidence:
    """The odds of other rates than the one that is listened at."""

    def __init__(self, ladder: Iterable[int], frame: Frame) -> None:
        self._ladder = sorted(ladder)
        self._frame = frame
        #: Whether the last burst may come from another rate.
        self.suspects = False
        self._ends_at = -HOPPING_S  # when bare line ends were heard
        self.forget()

    def forget(self) -> None:
        """What was heard before does not count."""
        self._odds: dict[int, float] = {}
        self._at = 0.0

    def hears(self, rate: int) -> bool:
        """Whether a rate is one of those that are tried."""
        return rate in self._ladder

    def refuse(self, rate: int) -> None:
        """It cannot be tried."""
        self._ladder = [each for each in self._ladder if each != rate]

    def ends_heard(self, now: float) -> None:
        """The DTE sent bare line ends at the right rate."""
        self._ends_at = now

    def weigh(self, burst: Burst, at: Listener, now: float) -> int | None:
        """The rate to listen at from now on, None to stay: too little is known."""
        matches = explain(burst.data, at.rate, self._ladder, self._frame)
        self.suspects = bool(matches)
        bare = bool(matches) and max(matches.values()).bare  # by the best explanation
        before = self._before(at, now)
        if bare and at.good:
            # A program that sends bare line ends looks at other rates next, as likely as not.
            said = self._says(matches, at.rate, 0.0, UNSURE - 1)
        else:
            said = self._says(matches, at.rate, self._here(burst, at), CERTAIN)
        least = 0.0 if at.good else -inf
        odds = {rate: max(before[rate] + bits, least) for rate, bits in said.items()}
        self._odds, self._at = odds, now
        best = max(odds.values(), default=-inf)
        hops = bool(matches) and not bare and self._hops(before, said, now)
        if bare:
            self._ends_at = now
        if best <= 0 or (at.good and best < (SURE if at.sure else UNSURE)):
            return None
        if hops:
            self.forget()
            return None if at.rate == MEETING else MEETING
        possible = {rate for rate in odds if odds[rate] > best - ABOUT}
        return self._choose(possible, matches, at.rate, burst.lasted)

    def _before(self, at: Listener, now: float) -> dict[int, float]:
        """The odds of each rate before a burst: faded, and the DTE may have changed its rate."""
        fade = 2 ** ((self._at - now) / FADING_S)
        here = self._odds.get(at.rate, 0.0)
        least = {rate: RARE - CHANGED if rate == USUAL else -CHANGED for rate in self._ladder}
        return {rate: max((self._odds.get(rate, 0.0) - here) * fade, least[rate]) for rate in self._ladder}

    def _says(self, matches: Mapping[int, Match], rate: int, here: float, most: float) -> dict[int, float]:
        """What a burst speaks for each other rate, if it speaks ``here`` for the present one."""
        said = {each: 0.0 if each > rate else -SLOWER for each in self._ladder if each != rate}
        excess = max(0.0, max((match.gain for match in matches.values()), default=0.0) - most)
        said.update((each, max(match.gain - excess, 0.0)) for each, match in matches.items())
        return {each: bits - here for each, bits in said.items()}

    def _here(self, burst: Burst, at: Listener) -> float:
        """What a burst speaks for the rate that is listened at, in bits more than any bytes would."""
        disturbed = DISTURBED * min(max(1, burst.errors or 0), ERRORS) if at.good else CERTAIN
        count = len(burst.data)
        bits = FLAWLESS * count - disturbed if burst.errors == 0 else -disturbed
        if burst.is_text and not burst.errors:
            letter = LETTER if at.coded or burst.data.isascii() else RIDDLE
            bits = max(bits, letter * count - (TEXT if at.sure else TEXT_FIRST))
        return bits

    def _hops(self, before: Mapping[int, float], said: Mapping[int, float], now: float) -> bool:
        """Whether the DTE goes from rate to rate, as programs do that look for a modem.

        One that runs after it comes too late each time.
        """
        top = max(said.values())
        news = all(before[rate] < ABOUT for rate, bits in said.items() if bits > top - ABOUT)
        return news and now - self._ends_at < HOPPING_S and self.hears(MEETING)

    def _choose(self, possible: set[int], matches: Mapping[int, Match], rate: int, lasted: float) -> int:
        """The rate to try, of those that are possible."""
        if len(possible) == 1:
            return next(iter(possible))
        # One that may not be heard here again is asked about first; the others will be heard from there.
        faint = {each for each in possible if deaf(rate, each, self._frame)}
        if faint and faint < possible:
            best = best_question(possible, faint, self._frame)
            if self._hears_all(best, possible):
                return best
        timed = {each: matches[each].lasts for each in possible if each in matches and matches[each].lasts}
        if len(timed) == len(possible):
            # How long it lasted hints at the rate.  It is a hint only, for bytes come late and together, so
            # it is followed where the next command would show the mistake.
            hinted = min(timed, key=lambda each: abs(log(timed[each] / max(lasted, 0.0001))))
            if self._hears_all(hinted, possible):
                return hinted
        return best_question(possible, possible, self._frame)

    def _hears_all(self, rate: int, others: Iterable[int]) -> bool:
        """Whether a command at any of the others is surely heard at this rate."""
        return not any(deaf(rate, other, self._frame) for other in others if other != rate)


class Doubt:
    """Whether a command that was begun is one: in ``AT`` at another rate there may be a prefix by chance, and
    whatever the DTE sends next is its body then.
    """

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """A prefix was read."""
        self._burst = bytearray()
        self._count = 0
        self._alike: Counter[int] = Counter()

    def heard(self, data: bytes) -> None:
        """More of the body."""
        self._burst += data[: LONGEST + 1 - len(self._burst)]

    def silence(self, rate: int, frame: Frame) -> bool:
        """A burst is over; whether most so far were whole commands, sent at one other rate."""
        burst = bytes(self._burst)
        self._burst.clear()
        if burst:
            self._count += 1
        if 0 < len(burst) <= LONGEST and not burst.isascii():
            matches = explain(burst, rate, frame=frame)
            self._alike.update(each for each, match in matches.items() if match.lasts)
        most = max(self._alike.values(), default=0)
        return most >= ALIKE and 2 * most > self._count
