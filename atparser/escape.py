"""The escape sequence, looked at once per chunk.

Three escape characters count only after silence and before silence (S12), so a chunk needs a look only when
it comes after a silence, or when a run of them is under way; for every other chunk one comparison is all.
The characters themselves always travel to the far end like any other byte.  When there was silence is known
elsewhere (listening.py).

Without a guard time (S12=0), and in TIES mode, silence says nothing and the data must be searched.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from .options import EscapeMode
from .parity import Parity

#: A timer found this late says nothing about silence: the whole program had stood still, in seconds.  Of a
#: short guard time half is enough for that.
LATE: Final = 0.25
#: Longest command line searched for in TIES mode.
_TIES_LIMIT: Final = 256
_NEVER: Final = float("-inf")


class Escape:
    """Watches what the DTE sends while online.  Times are seconds on the caller's clock."""

    __slots__ = (
        "_pattern",
        "_run",
        "_tail",
        "chars",
        "enabled",
        "guard",
        "last",
        "line",
        "quiet",
        "ready_at",
    )

    def __init__(self) -> None:
        self.enabled = False
        #: The escape character, in every form the DTE may send it.
        self.chars = b"+"
        self.guard = 1.0
        #: When the DTE last sent something.
        self.last = _NEVER
        #: The DTE has been silent for the guard time, as somebody vouches who watched all the while.
        self.quiet = False
        #: When the escape happens if the DTE stays silent; None while none is under way.
        self.ready_at: float | None = None
        #: The command line that came with the escape in TIES mode, from its prefix to its terminator.
        self.line = b""
        self._run = 0
        self._tail = b""
        #: What to search for where silence decides nothing.
        self._pattern: re.Pattern[bytes] | None = None

    def configure(self, char: int, guard_s: float, mode: EscapeMode, parity: Parity, terminator: int) -> None:
        """Set up on going online: S2, S12 in seconds, the mode, the parity of the DTE's commands, S3."""
        self.enabled = mode is not EscapeMode.OFF and char <= 127
        plain = bytes((char & 0x7F,))
        # With parity, seven bits decide; what stands in the eighth is the parity's business.
        self.chars = plain if parity is Parity.NONE else bytes({plain[0], plain[0] | 0x80})
        self.guard = guard_s
        self.stop()
        self._tail = self.line = b""
        one = _any_of(self.chars)
        tail = b""
        if mode is EscapeMode.TIES:
            ends = {13 if terminator > 127 else terminator}
            letters = [{65, 97}, {84, 116}]
            if parity is not Parity.NONE:
                for group in (ends, *letters):
                    group.update([byte | 0x80 for byte in group])
            end = re.escape(bytes(ends))
            # Three more of them begin anew: what stood before was data.
            body = b"(?:(?!%b{3})[^%b]){0,%d}" % (one, end, _TIES_LIMIT)
            tail = b"".join(map(_any_of, letters)) + body + b"[" + end + b"]"
        searching = self.enabled and (mode is EscapeMode.TIES or guard_s <= 0)
        self._pattern = re.compile(one * 3 + b"(" + tail + b")", re.DOTALL) if searching else None

    def plain(self, data: bytes, now: float) -> bool:
        """Whether this chunk cannot be part of an escape; when it can, :meth:`watch` must see it."""
        if self._run or self.quiet or self._pattern is not None:
            return False
        self.last = now
        return True

    def watch(self, data: bytes, now: float) -> int | None:
        """Look at a chunk.  Returns the index just behind an escape that is complete with it, else None; sets
        :attr:`ready_at` when only the silence is missing."""
        if self._pattern is not None:
            return self._search(data, now)
        begins, self.quiet = self.quiet, False
        if begins:
            self._run = 0
        self.last = now
        self.ready_at = None
        if not (begins or self._run):
            return None
        same = len(data) - len(data.lstrip(self.chars))
        self._run += same
        if same < len(data) or self._run > 3:
            self._run = 0
        elif self._run == 3:
            self.ready_at = now + self.guard
        return None

    def cancel(self) -> None:
        """What was under way is none: the silence cannot be vouched for."""
        self._run = 0
        self.ready_at = None

    def stop(self) -> None:
        """Nothing is under way, and nothing begins before there was silence again."""
        self.cancel()
        self.quiet = False

    @property
    def by_silence(self) -> bool:
        """Whether silence decides, and somebody has to watch for it."""
        return self.enabled and self._pattern is None

    @property
    def late(self) -> float:
        """From when on a timer is too late to vouch for silence, in seconds."""
        return min(LATE, self.guard / 2)

    def _search(self, data: bytes, now: float) -> int | None:
        self.last = now
        assert self._pattern is not None
        seen = self._tail + data
        match = self._pattern.search(seen)
        if match is None:
            # A sequence may have begun near the end; keep as much as one could need.
            keep = 2 if self._pattern.pattern.endswith(b"()") else _TIES_LIMIT + 5
            self._tail = seen[-keep:]
            return None
        end = match.end() - len(self._tail)
        self._tail, self.line = b"", match.group(1)
        return end


def _any_of(choices: Iterable[int]) -> bytes:
    return b"[" + re.escape(bytes(choices)) + b"]"
