"""Finding the speed of a DTE on a real port from what its commands look like at a wrong one.

A receiver at a wrong rate does not hear nothing, it hears something else: ``AT`` sent twice as fast as it
listens is ``F6 FE``, sent four times as slowly it is ``78 78 78 78`` and so on.  So the bytes of one misheard
command mostly tell the rate it was sent at (:mod:`vmodem.line.misheard`), those of several all the more
(:mod:`vmodem.line.evidence`).

Where bytes cannot tell (below a tenth of our rate every low level is one break, whatever the rate) the next
rate is the one from which all that is as likely can be told apart; the next command settles it.  A rate is
*good* once a command prefix was read at it; every other is a trial, and one at which nothing sensible is
heard ends at the good rate again.

Two things no receiver can do.  Noise can look like a command from elsewhere, so once a command was read a
good rate is left only for what noise hardly ever is; when DTR has just risen the first sign counts.  And a
command sent some fifty times faster than we listen is over before a start bit is believed: from a rate so
slow that it is deaf to others we go to a faster one after a long silence, or when somebody has just raised
DTR and yet nothing is heard.

Bytes and moments go in, rates and bytes fit for the modem come out.  What does not belong here: ports, and
what a command means.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from vmodem.line.evidence import ERRORS, Burst, Doubt, Evidence, Listener
from vmodem.line.misheard import EIGHT, LADDER, USUAL, Frame, deaf

#: The rate from which every other one of the ladder is heard.
LISTENING: Final = 57600
#: A silence that ends what is judged together, in seconds: within a command at 300 bit/s there are 20 ms
#: between two falling edges, and adapters hand over what they have every 16 ms.
GAP_S: Final = 0.04
#: How long a rate is tried that nobody has used sensibly yet, in seconds.
TRIAL_S: Final = 10.0
#: After DTR rose, a good rate that is deaf to RISEN is left after so long a silence, in seconds.
RISEN_S: Final = 3.0
RISEN: Final = 230400
#: At any time one that is deaf to USUAL is left after so long a silence, in seconds.
SILENCE_S: Final = 60.0
#: A line left half typed for so long is not waited for, in seconds.
HALF_TYPED_S: Final = 10.0
#: Of what arrives in one burst, this many bytes are looked at.
BURST: Final = 64

_CR, _LF, _SLASH, _DEL = 13, 10, 0x2F, 0x7F
#: Control characters people and programs send: backspace, tab, line ends, cancel, escape, XON and XOFF.
_CONTROLS: Final = frozenset((3, 8, 9, 10, 13, 17, 19, 24, 27, _DEL))
_SEARCH, _LETTER, _BODY = 0, 1, 2
#: What ends a command: CR, and NUL (no command has one, and any break is one).
_ENDS: Final = re.compile(rb"[\r\x8d]|(?=[\x00\x80])")


class Autobaud:
    """Follows one DTE's rate.  ``rate`` is the one to receive and send at now.

    ``frame`` is how the port is set.  The errors given with received bytes are framing errors and breaks
    among them, None where the port cannot tell.
    """

    def __init__(self, rate: int = 9600, *, frame: Frame = EIGHT, ladder: Collection[int] = LADDER) -> None:
        self.rate = rate
        #: The last rate at which a command was read; the first one until then.
        self.good = rate
        self._sure = False  # a command was read at the good rate
        self._frame = frame
        self._evidence = Evidence(ladder, frame)
        self._doubt = Doubt()
        self._fixed = False
        self._in_call = False
        self._place = _SEARCH
        self._first = 0  # letter of a prefix
        self._held = bytearray()  # may be text, but no prefix was read yet
        self._burst = bytearray()  # since the last silence, without what is known to be commands
        self._errors: int | None = None  # among them
        self._odd = False  # there is something in it that no command begins with
        self._settling = False  # the burst during which the rate changed is still going on
        self._began = self._last = 0.0  # of the burst
        self._coding: int | None = None  # of the eighth bits, by the last prefix
        self._judge_at: float | None = None
        self._leave_at: float | None = None  # a trial ends, or a deaf rate is left

    # -- what happens ----------------------------------------------------------------------------------------

    @property
    def trial(self) -> bool:
        """Whether the present rate is not the good one."""
        return self.rate != self.good

    @property
    def passes(self) -> bool:
        """Whether everything received is the modem's: a call is up or the rate is fixed."""
        return self._in_call or self._fixed

    def received(self, data: bytes, errors: int | None, now: float) -> bytes:
        """The DTE sent something; returns what of it the modem may have, now."""
        if self.passes:
            return data
        rate = self.rate
        late = self.expire(now)
        if rate != self.rate:
            return late  # heard at a rate that is known to be wrong
        if self._place == _BODY:
            pause = now - self._last
            if pause > HALF_TYPED_S or (errors or 0) >= ERRORS:
                self._place = _SEARCH
            elif pause > GAP_S and self._doubt.silence(rate, self._frame):
                self._place = _SEARCH
                self._sure, self._coding = False, None
        if not self._burst:
            self._began, self._errors = now, None
        if errors is not None:
            self._errors = (self._errors or 0) + errors
        self._last = now
        fit = late + self._sift(data)
        if self._burst or self._settling:
            self._judge_at = now + (0.0 if len(self._burst) == BURST and not self._settling else GAP_S)
        if self.trial:
            self._leave_at = now + TRIAL_S
        else:
            self._stay(now, SILENCE_S, USUAL)
        return fit

    def deadline(self) -> float | None:
        """When :meth:`expire` is to be called; None while nothing is awaited."""
        if self.passes:
            return None
        return min((due for due in (self._judge_at, self._leave_at) if due is not None), default=None)

    def expire(self, now: float) -> bytes:
        """Time has passed: the rate may change; returns what the modem may have after all."""
        fit = b""
        if self.passes:
            return fit
        if self._judge_at is not None and now >= self._judge_at:
            self._judge_at = None
            fit = self._judge(now)
        if self._leave_at is not None and now >= self._leave_at:
            self._leave_at = None
            if self.trial:
                self._return(now)
            else:
                self._evidence.forget()
                self._go(LISTENING, None)
        return fit

    def written(self, now: float) -> None:
        """The modem has something to say, which the DTE understands at the good rate only."""
        if not self.passes:
            if self.trial:
                self._return(now)
            self._stay(now, SILENCE_S, USUAL)

    def call_active(self, active: bool, now: float) -> None:
        """A call is up, whose data say nothing of rates; or no longer."""
        if active is not self._in_call:
            if self.trial and active:
                self._return(now)
            self._in_call = active
            self._start_over()
            self._stay(now, SILENCE_S, USUAL)

    def dtr_rose(self, now: float) -> None:
        """Somebody begins to use the port, perhaps at another rate than the last one."""
        if not self.passes:
            if self.trial:
                self._return(now)
            self._sure = False  # one sign is enough, until the first command is read
            if now - self._last > GAP_S:  # else it is what was sent just now that is being read
                self._start_over()
            self._stay(now, RISEN_S, RISEN)

    def fix(self, rate: int | None, now: float) -> None:
        """Stay at ``rate``; None: follow the DTE again."""
        self._fixed = rate is not None
        if rate is not None:
            self.good = rate
        self._return(now)

    def refused(self, rate: int, present: int, now: float) -> None:
        """The port cannot be set to ``rate`` and is still at the ``present`` one: it is not tried again."""
        self._evidence.refuse(rate)
        if rate != self.rate:
            return
        if rate == self.good:
            self.good = present
        self.rate = present
        if self.trial:
            self._leave_at = now + TRIAL_S
        else:
            self._return(now)

    def opened(self, now: float) -> None:
        """The port was opened, at the good rate."""
        self._return(now)

    # -- reading prefixes ------------------------------------------------------------------------------------

    def _sift(self, data: bytes) -> bytes:
        """Follow commands through ``data``; returns what may pass at once."""
        fit = bytearray()
        at = 0
        while at < len(data):
            if self._place == _BODY:
                found = _ENDS.search(data, at)
                if found is None:
                    fit += data[at:]
                    self._doubt.heard(data[at:])
                    break
                fit += data[at : found.end()]
                at = found.end()
                self._place = _SEARCH
                continue
            byte = data[at]
            at += 1
            self._note(byte)
            letter = byte & 0x7F
            if self._place == _LETTER and letter in b"Tt/":
                # At a good rate whatever came before it in this burst was sent at it, too; at a new one the
                # beginning of the burst may have been missed.
                fit += self._held[-1:] if self.trial or self._settling else self._held
                fit.append(byte)
                self._held.clear()
                self._place = _SEARCH if letter == _SLASH else _BODY
                self._understood(self._first, byte)
                continue
            if letter in b"Aa":
                self._place, self._first = _LETTER, byte
            else:
                self._place = _SEARCH
            if letter not in b"Aa\r\n":
                self._odd = True
            if self._held or self._odd or self.trial or self._settling:
                self._held.append(byte)
                del self._held[:-BURST]
            else:
                fit.append(byte)
        return bytes(fit)

    def _note(self, byte: int) -> None:
        if len(self._burst) < BURST:
            self._burst.append(byte)

    def _understood(self, first: int, second: int) -> None:
        """A prefix was read: the rate is right."""
        self._coding = _coding_of(first, second)
        self._doubt.begin()
        self.good, self._sure = self.rate, True
        self._burst.clear()
        self._errors = None
        self._odd = self._settling = False
        self._judge_at = None
        self._leave_at = None
        self._evidence.forget()

    # -- judging ---------------------------------------------------------------------------------------------

    def _judge(self, now: float) -> bytes:
        """A burst is over."""
        burst, errors, odd = bytes(self._burst), self._errors, self._odd
        held = bytes(self._held)
        self._burst.clear()
        self._odd = False
        if self._settling:
            self._settling = False
            self._held.clear()
            self._place = _SEARCH
            return b""
        if not odd:
            # The beginning of a prefix, perhaps, typed by hand, or bare line ends; but they may be the whole
            # of a misheard line.
            if burst and self._misheard(burst, errors, now):
                self._place = _SEARCH
            elif _CR in burst and not self.trial:
                self._evidence.ends_heard(now)
            if self._place != _LETTER:
                self._held.clear()
            return b""
        self._place = _SEARCH
        self._held.clear()
        if self._misheard(burst, errors, now):
            return b""
        known = self._sure or not self._evidence.suspects
        plausible = not self.trial and known and all(map(self._is_text, burst))
        return held if plausible else b""

    def _is_text(self, byte: int) -> bool:
        """Whether a byte may be text, in the DTE's own coding."""
        letter = byte & 0x7F
        if letter < 0x20 and letter not in _CONTROLS:
            return False
        return self._coding is None or byte >> 7 == _high_bit(letter, self._coding)

    def _misheard(self, burst: bytes, errors: int | None, now: float) -> bool:
        """Look at a burst that is no command; whether the rate changes for it."""
        rate = self._evidence.weigh(
            Burst(burst, errors, all(map(self._is_text, burst)), self._last - self._began),
            Listener(self.rate, not self.trial, self._sure, self._coding is not None),
            now,
        )
        if rate is not None:
            self._go(rate, now)
        return rate is not None

    # -- changing --------------------------------------------------------------------------------------------

    def _go(self, rate: int, now: float | None) -> None:
        """Try ``rate``, for a while; without a moment, for as long as nothing is heard."""
        self.rate = rate
        self._settling = now is not None
        self._leave_at = None
        if now is not None:
            self._judge_at = now + GAP_S
            if self.trial:
                self._leave_at = now + TRIAL_S

    def _return(self, now: float) -> None:
        self.rate = self.good
        self._start_over()
        self._evidence.forget()
        self._leave_at = None
        self._stay(now, SILENCE_S, USUAL)

    def _stay(self, now: float, seconds: float, wanted: int) -> None:
        """At a good rate: stay so long in silence, where it is deaf to one that is wanted."""
        if not self.trial and not self.passes:
            worth = self.rate < LISTENING and self._evidence.hears(LISTENING)
            self._leave_at = now + seconds if worth and deaf(self.rate, wanted, self._frame) else None

    def _start_over(self) -> None:
        """What was heard before has nothing to do with what comes."""
        self._place = _SEARCH
        self._held.clear()
        self._burst.clear()
        self._errors = None
        self._odd = self._settling = False
        self._judge_at = None


def _coding_of(first: int, second: int) -> int | None:
    """The coding that a prefix's eighth bits speak of: -1 none, 0 even, 1 odd, 2 mark; None for a riddle."""
    for coding in (-1, 2, 0, 1):
        if all(byte >> 7 == _high_bit(byte & 0x7F, coding) for byte in (first, second)):
            return coding
    return None


def _high_bit(letter: int, coding: int) -> int:
    """The eighth bit that a coding gives a letter."""
    if coding in (0, 1):
        return letter.bit_count() & 1 ^ coding
    return int(coding == 2)
