"""How often callers may ring, and how often they may guess.

Everything is counted per source: an IPv4 address, or the /64 network of an IPv6 address, within which a host
chooses freely.  The tables are bounded; where one is full the source that was heard of the longest ago is
forgotten.  Moments are seconds of a monotonic clock.

What does not belong here: who may call at all (:mod:`vmodem.net.admission.rules`), and asking for anything.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from vmodem.net.address import literal
from vmodem.net.admission.rules import Decision

#: Sources that are remembered at one time.
SOURCES: Final = 1024
#: So many wrong passwords lock a source, for so long, in seconds.
FAILURES: Final = 5
LOCK_S: Final = 60.0

_MINUTE_S: Final = 60.0


@dataclass(frozen=True)
class CallerLimits:
    """How often callers may ring; 0 is no limit."""

    #: Calls of one address within a minute.
    per_address: int = 0
    #: Calls of all within a minute.
    per_minute: int = 0
    #: After a caller who left before the answer, nobody rings for so long, in seconds.
    hold_off: float = 0.0
    #: Callers that may be waiting to be let in (password, handshake) at one time.
    pending: int = 32


def source(host: str) -> str:
    """What calls from ``host`` are counted under; an address literal, "" on a Unix socket."""
    found = literal(host) if host else None
    if found is None:
        return host
    if isinstance(found[0], ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((found[0], 64), strict=False))
    return str(found[0])


class Limiter:
    """Judges calls by how many there were.  ``limits`` may be replaced at any time.

    A limit of N a minute lets N calls in at once, and another one each minute's Nth part later.
    """

    def __init__(self, limits: CallerLimits, clock: Callable[[], float]) -> None:
        self.limits = limits
        self._clock = clock
        # For each source, and for all, when the calls that were let in would have been due one by one.
        self._due: OrderedDict[str, float] = OrderedDict()
        self._all_due = float("-inf")
        self._quiet_until = float("-inf")

    def judge(self, host: str, pending: int) -> Decision:
        """Whether a call from ``host`` may ring now, with ``pending`` others waiting to be let in.  A call
        that may is counted."""
        now, limits = self._clock(), self.limits
        if limits.hold_off and now < self._quiet_until:
            left = self._quiet_until - now
            return Decision(
                False, f"hold_off: a caller left before the answer; nobody rings for {left:.1f} s"
            )
        if limits.pending and pending >= limits.pending:
            return Decision(False, f"pending: {pending} callers are waiting to be let in")
        key = source(host)
        due = self._due.get(key, float("-inf"))
        if limits.per_address and not _room(due, now, limits.per_address):
            return Decision(False, f"per_address: {limits.per_address} calls a minute from one address")
        if limits.per_minute and not _room(self._all_due, now, limits.per_minute):
            return Decision(False, f"per_minute: {limits.per_minute} calls a minute")
        if limits.per_address:
            self._due[key] = max(due, now) + _MINUTE_S / limits.per_address
            self._due.move_to_end(key)
            self._tidy(now)
        if limits.per_minute:
            self._all_due = max(self._all_due, now) + _MINUTE_S / limits.per_minute
        return Decision(True, "within the limits")

    def left(self) -> None:
        """A caller left before the answer."""
        if self.limits.hold_off:
            self._quiet_until = self._clock() + self.limits.hold_off

    def _tidy(self, now: float) -> None:
        while self._due:
            key, due = next(iter(self._due.items()))
            if due > now and len(self._due) <= SOURCES:
                return
            del self._due[key]


def _room(due: float, now: float, per_minute: int) -> bool:
    """Whether one more call fits into a minute's worth (the virtual scheduling algorithm of ITU-T I.371)."""
    # A moment's rounding must not cost a call.
    return max(due, now) + _MINUTE_S / per_minute <= now + _MINUTE_S + 1e-6


class Lockout:
    """Counts wrong passwords per source: :data:`FAILURES` of them lock it for :data:`LOCK_S`.

    Those of more than a minute ago do not count any more.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def locked(self, host: str) -> bool:
        """Whether this source may not try now."""
        count, last = self._failures.get(source(host), (0, float("-inf")))
        return count >= FAILURES and self._clock() < last + LOCK_S

    def failed(self, host: str) -> bool:
        """A wrong password came from there.  Whether the source is locked from now on."""
        now, key = self._clock(), source(host)
        count, last = self._failures.pop(key, (0, float("-inf")))
        count = count + 1 if now < last + LOCK_S else 1
        self._failures[key] = (count, now)
        while len(self._failures) > SOURCES:
            self._failures.popitem(last=False)
        return count >= FAILURES

    def passed(self, host: str) -> None:
        """The right password came from there."""
        self._failures.pop(source(host), None)
