"""Requests and replies of a Megatec UPS: which reply belongs to which request.

One request at a time.  A reply that is not whole, or comes when nobody waits for it any more, is a failed
poll and nothing else.  After a request that was not answered in time the next answer may be the late one: it
is not believed before the UPS has shown that it answers what it is asked now.

What does not belong here: when to ask, and what is made of the answers.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final

from vmodem.wire import megatec

from .polling import Poller

#: A reply is waited for so long; some units need more, and get it when that has been seen.  In seconds.
REPLY_S: Final = 1.0
SLOW_REPLY_S: Final = 3.0
#: A request that was not answered for so long never will be, in seconds.
FORGOTTEN_S: Final = 12.0
#: While there are such: pauses between two requests, which have no rhythm; how much alike the times of their
#: answers are; and how long nothing may be said then.
GAPS_S: Final = (0.5, 0.9)
ALIKE_S: Final = 0.3
QUIET_S: Final = 0.3
#: A line that is never silent is heard out for so long.
BABBLE_S: Final = 3.0


class MegatecLine(Poller):
    """The line of one UPS, for its driver."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._replies = megatec.Replies()
        self._request = megatec.STATUS[0]
        self._asking = self._listening = False
        self._limit = REPLY_S
        self._sent = self._took = 0.0  # when the last request was, and its answer after that
        self._owed: deque[float] = deque()  # when requests were sent that are not answered
        self._watchful = 0.0  # until then an answer has to be the only one
        self._gaps = deque(GAPS_S)

    async def _status(self, patient: bool) -> megatec.Status | None:
        """The answer to a status request, if it is one, in time, and surely to this request."""
        line = await self._exchange(self._request, status=True)
        if line is None:
            await self._missed(patient)
            return None
        found = megatec.status(line)
        if self._owed:
            # Perhaps the answer to an earlier request, perhaps that one was lost.  What is answered alone,
            # twice, and in the same time although the times of asking have no rhythm is in step.
            if found is None:
                return None
            took = self._took
            self._gaps.rotate()
            if await self._anything_else(self._gaps[0]):
                await self._settle()
                return None
            line = await self._exchange(self._request, status=True)
            if line is None:
                await self._missed(patient)
                return None
            if abs(self._took - took) > ALIKE_S:
                await self._settle()
                return None
            self._owed.clear()
            found = megatec.status(line)
        elif self.now >= self._watchful:
            return found
        return None if await self._anything_else(QUIET_S) else found

    async def _missed(self, patient: bool) -> None:
        """A request was not answered in time.  Perhaps it will be."""
        only = len(self._owed) == 1
        self._watchful = self._sent + FORGOTTEN_S
        if patient and await self._late():
            if only:
                self._limit = SLOW_REPLY_S  # this unit needs more time
            await self._settle()

    async def _settle(self) -> None:
        """Ask nothing until everything is answered that was asked, or never will be."""
        while self._owed:
            left = self._owed[-1] + FORGOTTEN_S - self.now
            if left <= 0 or await self._overhear(left) is None:
                self._owed.clear()

    async def _anything_else(self, seconds: float) -> bool:
        """Whether anything is said in this time that nobody asked for now; it is heard out then."""
        if await self._overhear(seconds) is None:
            return False
        end = self.now + BABBLE_S
        while await self._overhear(QUIET_S) is not None and self.now < end:
            pass
        return True

    async def _exchange(self, request: bytes, status: bool = False) -> bytes | None:
        """Send a request; its reply (b"" for one that cannot be used), or None when none came in time."""
        self._replies.reset()
        self._port.purge(received=True, sent=True)
        self._port.write(request + megatec.END)
        self._sent = self.now
        if status:
            while self._owed and self._owed[0] <= self._sent - FORGOTTEN_S:
                self._owed.popleft()
            self._owed.append(self._sent)
        self._asking = True
        try:
            lines: list[bytes | None] | None = await self._wait(self._limit)
        finally:
            self._asking = False
        self._took = self.now - self._sent
        return None if lines is None else lines[0] or b""

    async def _late(self) -> bool:
        """Whether the status comes after all, before the request is so old that it will not be answered."""
        while (left := self._sent + SLOW_REPLY_S - self.now) > 0:
            lines = await self._overhear(left)
            if lines is None:
                break
            if any(line is not None and megatec.status(line) is not None for line in lines):
                return True
        return False

    async def _overhear(self, seconds: float) -> list[bytes | None] | None:
        """The lines that end in the next chunk, which nobody asked for; None after ``seconds``."""
        self._listening = True
        try:
            lines: list[bytes | None] | None = await self._wait(seconds)
        finally:
            self._listening = False
        return lines

    def _hear(self, data: bytes) -> None:
        lines = self._replies.receive(data)
        for line in lines:
            if self._owed and (self._asking or (line is not None and megatec.status(line) is not None)):
                self._owed.popleft()
        if (self._asking and lines) or self._listening:
            self._asking = False  # whatever follows is no part of the reply
            self._give(lines)

    def _forget_replies(self) -> None:
        """A conversation begins; requests of the one before may still be answered."""
        self._asking = self._listening = False
        self._replies.reset()

    def _gone(self, reason: str) -> None:
        super()._gone(reason)
        self._owed.clear()
        self._limit = REPLY_S

    def _spoil(self) -> None:
        self._replies.spoil()
