"""Lock files for serial devices, as uucp, minicom and pppd use them (``/var/lock/LCK..ttyS0``).

The file holds the number of the process that has the device, ten characters wide.  It is made whole under
another name and linked into place, so that it is never there without its number; one whose process is gone is
taken away.  A device with two names is locked under both.

What does not belong here: locks on the device itself, which need no files.
"""

from __future__ import annotations

import errno
import os
import struct
import time
from typing import Final

from vmodem.tty.error import TtyError

DIRECTORY: Final = "/var/lock"
#: A lock file without a number is taken for a leftover when it is so old, in seconds.
UNWRITTEN_S: Final = 5.0


class LockedError(Exception):
    """Another process has the device; the text says which."""


class UucpLock:
    """The lock of one device, not yet taken."""

    def __init__(self, device: str, directory: str = DIRECTORY) -> None:
        self._directory = directory
        self._device = device
        self._held: list[str] = []

    def take(self) -> None:
        """Raises :class:`LockedError` where another process has it, :class:`TtyError` where no lock can be
        made at all."""
        names = dict.fromkeys(map(_name, (self._device, os.path.realpath(self._device))))
        try:
            for name in names:
                path = os.path.join(self._directory, f"LCK..{name}")
                self._take_one(path)
                self._held.append(path)
        except OSError as exc:
            self.release()
            raise TtyError(
                f"{self._directory}: no lock file can be made there ({exc.strerror}); "
                "join the group that may write there, or leave out lock=uucp."
            ) from exc
        except LockedError:
            self.release()
            raise

    def release(self) -> None:
        """Give it back; no effect where it is not held."""
        held, self._held = self._held, []
        for path in held:
            try:
                if _owner(path) == os.getpid():
                    os.unlink(path)
            except OSError:
                pass  # somebody cleared the directory

    def _take_one(self, path: str) -> None:
        temporary = os.path.join(self._directory, f"LTMP.{os.getpid()}.{id(self):x}")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        fd = os.open(temporary, flags, 0o644)
        try:
            os.write(fd, b"%10d\n" % os.getpid())
            os.close(fd)
            for _ in range(3):
                try:
                    os.link(temporary, path)
                    return
                except FileExistsError:
                    self._clear_stale(path)
            raise LockedError(f"{self._device}: {path} comes back whenever it is removed")
        finally:
            os.unlink(temporary)

    def _clear_stale(self, path: str) -> None:
        """Take away the lock of a process that is no more."""
        try:
            owner = _owner(path)
        except FileNotFoundError:
            return
        if owner is None or _alive(owner):
            who = "another program" if owner is None else f"process {owner}"
            raise LockedError(f"{self._device} is in use by {who} (so says {path})")
        # Somebody may have replaced it since: what is moved aside is looked at before it is forgotten.
        aside = f"{path}.{os.getpid()}"
        try:
            os.rename(path, aside)
        except FileNotFoundError:
            return
        try:
            now = _owner(aside)
            if now is None or _alive(now):
                os.link(aside, path)
        except FileExistsError:
            pass
        finally:
            os.unlink(aside)


def _name(device: str) -> str:
    path = os.path.abspath(device)
    if path.startswith("/dev/serial/") or not path.startswith("/dev/"):
        return os.path.basename(path)
    return path[len("/dev/") :].replace("/", "_")


def _owner(path: str) -> int | None:
    """The process a lock file names; 0 for one that was never written, None where it cannot be read."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        text = os.read(fd, 32)
        age = time.time() - os.fstat(fd).st_mtime
    finally:
        os.close(fd)
    if not text:
        return 0 if age > UNWRITTEN_S else None
    if len(text) == 4 and not text.strip().isdigit():
        return int(struct.unpack("i", text)[0])  # the binary form of old programs
    try:
        return int(text.split()[0])
    except (ValueError, IndexError):
        return None


def _alive(process: int) -> bool:
    if process <= 0:
        return False
    try:
        os.kill(process, 0)
    except OSError as exc:
        return exc.errno != errno.ESRCH
    except OverflowError:
        return False
    return True
