"""Tests run several at a time each have pseudo-terminals of their own, and locks on them.

The number of one that a test has just given back must not be another test's a moment later: the first may
still be looking whether it is gone.  Linux keeps these numbers by instance of its file system, and root may
mount one for himself.  Lock files go by the number alone, so they must not be shared then.
"""

from __future__ import annotations

import ctypes
import os
from typing import Final

_CLONE_NEWNS: Final = 0x20000
_MS_REC: Final = 0x4000
_MS_PRIVATE: Final = 0x40000


def live_apart() -> bool:
    """Give this thread, and all it starts, a /dev/pts and a lock directory of their own.  False where that
    may not be."""
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        _check(libc.unshare(_CLONE_NEWNS))
        _check(libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None))
        _check(libc.mount(b"devpts", b"/dev/pts", b"devpts", 0, b"newinstance,ptmxmode=0666,mode=0620"))
        locks = os.path.realpath("/var/lock").encode()
        if os.path.isdir(locks):
            _check(libc.mount(b"tmpfs", locks, b"tmpfs", 0, b"mode=1777"))
    except (OSError, AttributeError):
        return False
    return True


def _check(result: int) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
