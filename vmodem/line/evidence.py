"""What misheard bursts, one after the other, tell of the rate at which a DTE sends.

One burst seldom tells it: each leaves some rates possible, and a rate at which one was heard is none of
them.  What does not belong here: what a command looks like (misheard.py), and reading commands, timing and
going back to the good rate (autobaud.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from math import log
from typing import Final, NamedTuple

from vmodem.line.misheard import CHARACTERS, WHOLE, Frame, Match, best_question, deaf, explain

#: Signs of another rate that are further apart than this do not add up, in seconds.
EVIDENCE_S: Final = 15.0
#: So many framing errors and breaks, or misheard bursts, are enough without an explanation.
ENOUGH: Final = 3
#: While no command was read since DTR rose.
ENOUGH_UNSURE: Final = 2
#: So many characters without a framing error are never heard at a wrong rate, where errors are told.
FLAWLESS: Final = 8
#: Nobody tries again so soon, in seconds: who is heard at two rates in this time looks for ours.
HOPPING_S: Final = 0.3
#: The rate by which such a one comes.
MEETING: Final = 9600

#: Bursts within a command that may be another one are not longer than this.
LONGEST: Final = 8


class Burst(NamedTuple):
    """What was heard between two silences, and is no command."""

    data: bytes
    #: Framing errors and breaks among them, None where the port does not tell.
    errors: int | None
    #: Whether all of it may be text as the DTE sends it.
    is_text: bool
    #: It could be the beginning of a command.
    doubtful: bool
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
    """Signs of rates other than the one that is listened at."""

    def __init__(self, ladder: Iterable[int], frame: Frame) -> None:
        self._ladder = sorted(ladder)
        self._frame = frame
        #: Whether the last burst may come from another rate.
        self.suspects = False
        self._ends_at = -HOPPING_S  # when bare line ends were heard
        self.forget()

    def forget(self) -> None:
        """What was heard before does not count."""
        self._signs = 0
        self._sign_at = 0.0
        self._possible: set[int] = set()
        self._by_line = False  # that was told by what looked like a line, and is long enough
        self._tried: set[int] = set()
        self._expected: int | None = None  # the only rate that was possible

    def hears(self, rate: int) -> bool:
        """Whether a rate is one of those that are tried."""
        return rate in self._ladder

    def refuse(self, rate: int) -> None:
        """It cannot be tried."""
        self._ladder = [each for each in self._ladder if each != rate]

    def ends_heard(self, now: float) -> None:
        """The DTE sent bare line ends at the right rate."""
        self._ends_at = now

    def restart(self) -> None:
        """The rate is another one now; what is possible stays."""
        self._signs = 0

    def weigh(self, burst: Burst, at: Listener, now: float) -> int | None:
        """The rate to listen at from now on, None to stay: too little is known.

        ``at.rate`` itself means that all were tried.
        """
        matches = explain(burst.data, at.rate, self._ladder, self._frame)
        self.suspects = bool(matches)
        best = max((match.as_what for match in matches), default=0)
        if burst.doubtful and best < WHOLE:
            return None
        if not matches:
            if burst.errors == 0 and len(burst.data) >= FLAWLESS:
                return None  # so many stop bits in their places: the rate is right, whatever was said
            if not burst.errors and at.good and burst.is_text and (at.sure or not self._possible):
                return None
        since = now - self._sign_at
        if since > EVIDENCE_S:
            self.forget()
        self._sign_at = now
        self._signs += max(1, burst.errors or 0)
        possible = {match.rate for match in matches if match.as_what == best}
        agreed = self._possible & possible
        if best == CHARACTERS and self._by_line:  # what was told by a whole line counts for more
            possible, agreed = set(), set()
        bare = best == CHARACTERS and any(match.bare for match in matches)
        hops = self._hops(possible, now)
        if bare:
            self._ends_at = now
        if possible:
            self._possible = agreed or possible
            self._by_line = best != CHARACTERS and len(burst.data) >= ENOUGH
        if not self._enough(burst, at, best, possible, agreed, bare):
            return None
        if hops:
            self.forget()
            return None if at.rate == MEETING else MEETING
        self._tried.add(at.rate)
        left = self._possible - self._tried
        if possible and not left:  # all of them were tried: the DTE goes from rate to rate itself
            self._tried = {at.rate}
            left = possible
        if not possible:
            # What was sent more slowly would have been recognised by the prefix, whatever follows it.
            left = {rate for rate in left if rate > at.rate} or left
        if not left:
            return self._walk(at.rate)
        self._possible = left
        self._expected = next(iter(left)) if len(left) == 1 else None
        return self._choose(matches, at.rate, burst.lasted)

    def _hops(self, possible: set[int], now: float) -> bool:
        """Whether the DTE goes from rate to rate, as programs do that look for a modem.

        One that runs after it comes too late each time.
        """
        others = bool(possible) and not possible & self._possible
        return others and now - self._ends_at < HOPPING_S and self.hears(MEETING)

    def _enough(
        self,
        burst: Burst,
        at: Listener,
        best: int,
        possible: Collection[int],
        agreed: Collection[int],
        bare: bool,
    ) -> bool:
        """Whether to go.  After ``bare`` line ends a program looks at other rates as likely as not."""
        if bare and at.good:
            return bool(agreed)
        wanted = ENOUGH if at.sure else ENOUGH_UNSURE
        if burst.is_text and not burst.errors and (at.coded or burst.data.isascii()):
            if at.good:  # somebody types, as likely as not
                return bool(agreed) and self._signs >= wanted and not burst.doubtful
            if len(burst.data) == 1 and (at.rate == self._expected or not possible):
                return self._signs >= ENOUGH  # or types a command, whose first letter told the rate
        if self._signs >= wanted:
            return True
        if burst.doubtful:
            return bool(agreed) and not (at.coded and burst.is_text)
        if agreed or not at.good:
            return True
        if at.sure:
            return bool(possible) and len(burst.data) >= (2 if best == WHOLE else ENOUGH)
        return bool(self._possible)

    def _choose(self, matches: list[Match], rate: int, lasted: float) -> int:
        """The rate to try, of those that are possible."""
        possible = self._possible
        if len(possible) == 1:
            return next(iter(possible))
        # One that may not be heard here again is asked about first; the others will be heard from there.
        faint = {each for each in possible if deaf(rate, each, self._frame)}
        if faint and faint < possible:
            best = best_question(possible, faint, self._frame)
            if self._hears_all(best, possible):
                return best
        timed = [match for match in matches if match.lasts and match.rate in possible]
        if len(timed) == len(possible):
            # How long it lasted hints at the rate.  It is a hint only, for bytes come late and together, so
            # it is followed where the next command would show the mistake.
            hinted = min(timed, key=lambda match: abs(log(match.lasts / max(lasted, 0.0001)))).rate
            if self._hears_all(hinted, possible):
                return hinted
        return best_question(possible, possible, self._frame)

    def _hears_all(self, rate: int, others: Iterable[int]) -> bool:
        """Whether a command at any of the others is surely heard at this rate."""
        return not any(deaf(rate, other, self._frame) for other in others if other != rate)

    def _walk(self, rate: int) -> int:
        """Nothing is known: a rate not tried yet, of the faster ones first.

        What was sent more slowly would have been recognised by the prefix, whatever follows it.
        """
        left = [each for each in self._ladder if each not in self._tried]
        if not left:
            return rate
        faster = [each for each in left if each > rate] or left
        return best_question(faster, faster, self._frame)


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
            self._alike.update(
                each.rate for each in explain(burst, rate, frame=frame) if each.as_what == WHOLE
            )
        most = max(self._alike.values(), default=0)
        return most >= ENOUGH and 2 * most > self._count
