"""The reactor this program runs on: Twisted's for epoll, with a shorter way for the commonest event.

For each event the stock reactor sets up a logging context, asks for the descriptor again and sorts out four
cases, which is a fifth of what a small chunk costs.  Here the plain case, "there is input and nothing else",
goes straight to ``doRead``; every other event, and every failure, takes the stock way.
"""

from __future__ import annotations

import errno
import select
import sys
import time
from importlib import import_module
from typing import Any

from twisted.internet.main import installReactor
from twisted.logger import Logger


def install() -> Any:
    """Install the reactor and return it; the platform's default where there is no epoll.

    Its clock is monotonic: guard times and rings must not notice that somebody set the date.
    """
    reactor = _lean() if hasattr(select, "epoll") else None
    if reactor is None:
        import_module("twisted.internet.reactor")  # which installs the default
    else:
        use: Any = installReactor
        use(reactor)
    reactor = sys.modules["twisted.internet.reactor"]
    setattr(reactor, "seconds", time.monotonic)  # noqa: B010 - a method to mypy, an attribute to the reactor
    return reactor


def _lean() -> Any:
    """A reactor with the short way, or None where Twisted's inside is not as it is known here."""
    from twisted.internet.epollreactor import EPollReactor

    readable = select.EPOLLIN

    class LeanReactor(EPollReactor):
        _lean_log = Logger(namespace="vmodem.net.reactor")

        def doPoll(self, timeout: float | None) -> None:
            selectables: dict[int, Any] = self._selectables
            other: Any = self._doReadOrWrite
            disconnect: Any = self._disconnectSelectable
            try:
                events = self._poller.poll(-1 if timeout is None else timeout, len(selectables))
            except OSError as exc:
                if exc.errno == errno.EINTR:
                    return
                raise
            for fd, event in events:
                selectable = selectables.get(fd)  # None: an earlier event of this turn closed it
                if selectable is None:
                    continue
                if event != readable:
                    other(selectable, fd, event)
                    continue
                try:
                    why = selectable.doRead()
                except Exception as exc:
                    self._lean_log.failure("{who} failed", who=selectable.logPrefix())
                    why = exc
                if why:
                    disconnect(selectable, why, True)

        doIteration = doPoll

    make: Any = LeanReactor
    reactor = make()
    known = all(
        hasattr(reactor, name)
        for name in ("_poller", "_selectables", "_doReadOrWrite", "_disconnectSelectable")
    )
    return reactor if known else None
