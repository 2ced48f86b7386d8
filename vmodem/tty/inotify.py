"""Being told by the kernel when somebody opens or closes a file (Linux inotify).

All watches of a reactor share one inotify descriptor: a user may have only 128 of those, but thousands of
watches.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import struct
import weakref
from collections.abc import Callable
from typing import Any, Final, Protocol

from twisted.internet.interfaces import IReadDescriptor
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

OPENED: Final = 0x20
#: A descriptor was closed, whether it had been opened for writing or not.
CLOSED: Final = 0x08 | 0x10
_OVERFLOW: Final = 0x4000

_EVENT: Final = struct.Struct("iIII")
_READ_SIZE: Final = 16384


class Watcher(Protocol):
    """What is told about a watched file."""

    def file_touched(self, mask: int) -> None:
        """OPENED or CLOSED happened; several equal ones in a row may be told as one."""

    def files_settled(self) -> None:
        """Told once after one or more ``file_touched``, when no further event is known."""


@implementer(IReadDescriptor)
class Inotify:
    """An inotify descriptor on a reactor; it exists only while something is watched."""

    _log = Logger()

    def __init__(self, reactor: Any) -> None:
        self._reactor = weakref.ref(reactor)
        self._fd = -1
        self._watchers: dict[int, Watcher] = {}

    def watch(self, path: str, watcher: Watcher) -> int:
        """Tell ``watcher`` when ``path`` is opened or closed; returns the number that ends it.

        Raises :class:`OSError` where the system cannot do so (no inotify, no watch left).
        """
        libc = _libc()
        if self._fd < 0:
            fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
            if fd < 0:
                raise _last_error()
            self._fd = fd
            self._reactor_now().addReader(self)
        number = int(libc.inotify_add_watch(self._fd, os.fsencode(path), OPENED | CLOSED))
        if number < 0:
            exc = _last_error()
            self._close_if_unused()
            raise exc
        self._watchers[number] = watcher
        return number

    def unwatch(self, number: int, *, back_soon: bool = False) -> None:
        """End a watch; what it had not yet told is forgotten.

        ``back_soon`` keeps the descriptor for a ``watch`` that follows at once: numbers are unique for as
        long as the descriptor lives, so the forgotten events cannot be taken for those of the new watch.
        """
        if self._watchers.pop(number, None) is not None:
            # Fails where the file is gone and its watch with it, which is as good.
            _libc().inotify_rm_watch(self._fd, number)
        if not back_soon:
            self._close_if_unused()

    def doRead(self) -> None:
        """Read every event there is and tell the watchers, in order."""
        touched: dict[int, Watcher] = {}
        while self._fd >= 0:
            try:
                events = os.read(self._fd, _READ_SIZE)
            except BlockingIOError:
                break
            at = 0
            while at < len(events):
                number, mask, _, name_size = _EVENT.unpack_from(events, at)
                at += _EVENT.size + name_size
                if mask & _OVERFLOW:
                    touched.update(self._watchers)  # events were lost: let everybody look for himself
                watcher = self._watchers.get(number)
                if watcher is not None and mask & (OPENED | CLOSED):
                    touched[number] = watcher
                    self._tell(watcher.file_touched, mask)
        for number, watcher in touched.items():
            if self._watchers.get(number) is watcher:
                self._tell(watcher.files_settled)

    def _tell(self, method: Callable[..., None], *args: int) -> None:
        try:
            method(*args)
        except Exception:  # one watcher's fault must not deafen the others
            self._log.failure("telling {method!r} failed", method=method)

    def _reactor_now(self) -> Any:
        reactor = self._reactor()
        if reactor is None:
            raise OSError(errno.ENODEV, "the reactor is gone")
        return reactor

    def _close_if_unused(self) -> None:
        if not self._watchers and self._fd >= 0:
            self._reactor_now().removeReader(self)
            os.close(self._fd)
            self._fd = -1

    def fileno(self) -> int:
        return self._fd

    def logPrefix(self) -> str:
        return "inotify"

    def connectionLost(self, reason: Failure) -> None:
        self._log.error("watching files ended: {reason}", reason=reason.getErrorMessage())


_instances: weakref.WeakKeyDictionary[Any, Inotify] = weakref.WeakKeyDictionary()


def shared_inotify(reactor: Any) -> Inotify:
    """The one :class:`Inotify` of ``reactor``."""
    if reactor not in _instances:
        _instances[reactor] = Inotify(reactor)
    return _instances[reactor]


@functools.cache
def _libc() -> Any:
    """The C library; :class:`OSError` where it has no inotify.

    Opening the running program itself spares the search for the library's file, which takes 100 ms.
    """
    library = ctypes.CDLL(None, use_errno=True)
    if not hasattr(library, "inotify_init1"):
        raise OSError(errno.ENOSYS, "this system has no inotify")
    return library


def _last_error() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))
