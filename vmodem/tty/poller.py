"""One timer for all that must be looked at regularly.

A hundred lines in calls watch a hundred terminals with one wake-up, and nothing wakes while nobody is
watched.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from twisted.logger import Logger


class Poller:
    """Calls its members every ``interval`` seconds; runs only while it has members."""

    _log = Logger()

    def __init__(self, reactor: Any, interval: float) -> None:
        # A weak reference: the registry below must not keep a reactor alive by its own values.
        self._reactor = weakref.ref(reactor)
        self._interval = interval
        self._members: dict[Callable[[], None], None] = {}
        self._timer: Any = None

    def add(self, member: Callable[[], None]) -> None:
        """Call ``member`` from now on; no effect where it is a member already."""
        self._members[member] = None
        if self._timer is None:
            self._arm()

    def remove(self, member: Callable[[], None]) -> None:
        """Call ``member`` no more; no effect where it is none."""
        self._members.pop(member, None)
        if not self._members and self._timer is not None and self._timer.active():
            self._timer.cancel()
            self._timer = None

    def __len__(self) -> int:
        return len(self._members)

    def _arm(self) -> None:
        reactor = self._reactor()
        self._timer = None if reactor is None else reactor.callLater(self._interval, self._tick)

    def _tick(self) -> None:
        # The spent timer stays in its place meanwhile: whoever joins now must not start another one.
        for member in list(self._members):
            if member not in self._members:
                continue  # an earlier one removed it
            try:
                member()
            except Exception:
                self._log.failure("polling {member!r} failed; it is polled no more", member=member)
                self._members.pop(member, None)
        if self._members:
            self._arm()
        else:
            self._timer = None


_pollers: weakref.WeakKeyDictionary[Any, dict[float, Poller]] = weakref.WeakKeyDictionary()


def shared_poller(reactor: Any, interval: float) -> Poller:
    """The one poller of ``reactor`` that ticks every ``interval`` seconds."""
    of_reactor = _pollers.setdefault(reactor, {})
    if interval not in of_reactor:
        of_reactor[interval] = Poller(reactor, interval)
    return of_reactor[interval]
