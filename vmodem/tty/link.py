"""The name under which a pseudo-terminal can be found.

Whoever serves a name holds a lock for it, so that two programs never take it from each other.  The lock lies
on the descriptor of the pseudo-terminal itself: it needs no lock file, and it is gone with the process
however that ends.
"""

from __future__ import annotations

import binascii
import errno
import fcntl
import os
import struct

from twisted.logger import Logger

from vmodem.tty.error import TtyError
from vmodem.tty.whose import in_the_way


class Link:
    """A symbolic link ``path`` to the slave of a pseudo-terminal."""

    _log = Logger()

    def __init__(self, path: str) -> None:
        self.path = path
        self._target = ""

    def place(self, slave_name: str, master: int) -> None:
        """Make the link; whoever opens it must be served from this moment.

        A link that leads nowhere, or to a pseudo-terminal that no vmodem serves under this name, is replaced.
        (Such a pseudo-terminal may belong to anybody: the kernel gives the number of a dead one away again.)
        Raises :class:`TtyError` for everything else that may be in its place; nothing but a link is ever
        removed.
        """
        self._lock(master)
        try:
            try:
                os.symlink(slave_name, self.path)
            except FileExistsError:
                self._check_replaceable()
                self._replace(slave_name)
        except OSError as exc:
            raise TtyError(
                f"{self.path}: the link cannot be made ({exc.strerror}); "
                "name a path in a directory you can write to."
            ) from exc
        self._target = slave_name

    def remove(self) -> None:
        """Remove the link if it still is ours."""
        try:
            if self._target and os.readlink(self.path) == self._target:
                os.unlink(self.path)
        except OSError as exc:
            if exc.errno not in (errno.ENOENT, errno.EINVAL):
                self._log.warn("{path} is left behind: {reason}", path=self.path, reason=exc.strerror)
        self._target = ""

    def _replace(self, slave_name: str) -> None:
        directory, name = os.path.split(self.path)
        temporary = os.path.join(directory, f".{name}.{os.getpid()}")
        try:
            os.unlink(temporary)
        except FileNotFoundError:
            pass
        os.symlink(slave_name, temporary)
        os.replace(temporary, self.path)

    def _check_replaceable(self) -> None:
        obstacle = in_the_way(self.path)
        if obstacle:
            raise TtyError(f"{obstacle}.")
        target = os.path.realpath(self.path)
        if os.path.exists(target) and target != os.path.realpath(self._target or "/dev/null"):
            self._log.warn("{path} led to {target} and now leads to ours", path=self.path, target=target)

    def _lock(self, master: int) -> None:
        """Lock our name: one byte, numbered by the name, of the file that all masters have in common."""
        if not hasattr(fcntl, "F_OFD_SETLK"):
            return
        directory, name = os.path.split(os.path.abspath(self.path))
        key = os.fsencode(os.path.join(os.path.realpath(directory), name))
        place = binascii.crc32(key) << 30 ^ binascii.crc32(key[::-1])
        lock = struct.pack("hhqqi0q", fcntl.F_WRLCK, os.SEEK_SET, place, 1, 0)
        try:
            fcntl.fcntl(master, fcntl.F_OFD_SETLK, lock)
        except OSError as exc:
            if exc.errno in (errno.EAGAIN, errno.EACCES):
                raise TtyError(
                    f"{self.path} is served by another running vmodem; stop that one or name another path."
                ) from exc
            self._log.debug("no lock for {path}: {reason}", path=self.path, reason=exc.strerror)
