"""A file that holds what went over a serial line, for a packet analyser.

A new one is begun at every start and when one is full; the ones before get the endings ``.1`` (the last) to
``.4`` (the oldest), and what is older is removed.  What cannot be written (a full disk) is dropped and
counted in the log; the file stays readable, and says where bytes are missing.

What does not belong here: the format (:mod:`vmodem.wire.pcap`), and whose line it is.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
from collections.abc import Callable
from typing import Final

from twisted.logger import Logger

from vmodem.wire.pcap import LONGEST, Circuits, Event, file_header, record

#: A file is full with so many bytes.
LIMIT: Final = 64 << 20
#: Full files that are kept.
KEPT: Final = 4
#: One line in the log for what could not be written in so many seconds.
LOG_S: Final = 60.0


class PcapFile:
    """Writes to ``path``.  Raises OSError when it cannot be begun, or is something else than a file."""

    _log = Logger()

    def __init__(
        self,
        path: str,
        *,
        limit: int = LIMIT,
        kept: int = KEPT,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.path = path
        #: Bytes of the line that are missing in the files.
        self.dropped = 0
        self._limit = limit
        self._kept = kept
        self._clock = clock
        self._circuits = Circuits(0)
        self._missing = False
        self._told_at = float("-inf")
        self._fd = -1
        self._size = 0
        self._begin()

    def sent(self, data: bytes) -> None:
        """The application sent this."""
        self._bytes(Event.SENT, data)

    def received(self, data: bytes) -> None:
        """The device sent this."""
        self._bytes(Event.RECEIVED, data)

    def circuits(self, circuits: Circuits) -> None:
        """These circuits are on now."""
        if circuits != self._circuits:
            self._circuits = circuits
            self.event(Event.STATUS)

    def event(self, event: Event) -> None:
        """This happened."""
        self._write(event, b"")

    def close(self) -> None:
        """Write no more."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1
        self._limit = 0

    # -- inside --------------------------------------------------------------------------------------------

    def _bytes(self, event: Event, data: bytes) -> None:
        for at in range(0, len(data), LONGEST):
            self._write(event, data[at : at + LONGEST])

    def _write(self, event: Event, data: bytes) -> None:
        if not self._limit:
            return
        now = self._clock()
        try:
            if self._fd < 0:
                self._begin()
            if self._missing:
                self._append(record(now, Event.LOST, self._circuits))
                self._missing = False
            self._append(record(now, event, self._circuits, data))
        except OSError as exc:
            self._drop(len(data), exc)

    def _append(self, whole: bytes) -> None:
        """Write a record, or nothing of it.  Raises OSError."""
        if self._size + len(whole) > self._limit and self._size > len(file_header()):
            fd, self._fd = self._fd, -1
            os.close(fd)
            self._begin()
        written = os.write(self._fd, whole)
        if written == len(whole):
            self._size += written
            return
        os.ftruncate(self._fd, self._size)
        os.lseek(self._fd, self._size, os.SEEK_SET)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _begin(self) -> None:
        """Begin a new file.  Raises OSError."""
        self._put_away()
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NONBLOCK
        fd = os.open(self.path, flags, 0o600)
        try:
            if os.write(fd, file_header()) != len(file_header()):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            os.close(fd)
            raise
        self._fd, self._size = fd, len(file_header())

    def _put_away(self) -> None:
        """Rename what is there."""
        with contextlib.suppress(FileNotFoundError):
            there = os.stat(self.path)
            if not stat.S_ISREG(there.st_mode):
                raise OSError(errno.EINVAL, "it is there already, and is no file")
            if there.st_size <= len(file_header()):
                return
            for number in range(self._kept, 1, -1):
                with contextlib.suppress(FileNotFoundError):
                    os.replace(f"{self.path}.{number - 1}", f"{self.path}.{number}")
            os.replace(self.path, f"{self.path}.1")

    def _drop(self, size: int, exc: OSError) -> None:
        self._missing = True
        self.dropped += size
        now = self._clock()
        if not 0 <= now - self._told_at < LOG_S:
            self._told_at = now
            self._log.warn(
                "{path}: cannot be written ({reason}); {count} bytes dropped so far",
                path=self.path,
                reason=exc.strerror or str(exc),
                count=self.dropped,
            )
