"""What became of changes that clients asked for, kept for a while under an identifier nobody can guess.

What does not belong here: who may ask.
"""

from __future__ import annotations

import uuid
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from .model import Outcome

#: How long an outcome is kept, in seconds, and how many.
KEPT_S: Final = 3600.0
KEPT: Final = 1024


class Tracking:
    """Changes under way and done.  ``clock`` gives monotonic seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._outcomes: OrderedDict[str, tuple[float, Outcome | None]] = OrderedDict()

    def begin(self) -> str:
        """Another change; its identifier."""
        self._forget()
        name = str(uuid.uuid4())
        self._outcomes[name] = (self._clock(), None)
        return name

    def end(self, name: str, outcome: Outcome) -> None:
        """It is done."""
        if name in self._outcomes:
            self._outcomes[name] = (self._outcomes[name][0], outcome)

    def look(self, name: str) -> Outcome | None:
        """What became of it; None while it is under way.  Raises KeyError for one that is not known."""
        self._forget()
        return self._outcomes[name][1]

    def _forget(self) -> None:
        now = self._clock()
        while self._outcomes:
            name, (began, _) = next(iter(self._outcomes.items()))
            if len(self._outcomes) < KEPT and now - began < KEPT_S:
                return
            del self._outcomes[name]
