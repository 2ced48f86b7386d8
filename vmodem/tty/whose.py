"""Whose a pseudo-terminal can be, and under which name: what this machine says to what a LINE asks for.

Light: it is asked of every configuration that is checked.  What does not belong here: making any of it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Final

from vmodem.tty.error import TtyError

_PTY_NAME: Final = re.compile(r"/dev/(pts/\d+|ttys\d+)$")


def in_the_way(path: str) -> str:
    """What stands where a link is to be made and is not ours to replace, in words; "" for nothing."""
    if not os.path.islink(path):
        if not os.path.lexists(path):
            return ""
        kind = "a directory" if os.path.isdir(path) else "a file"
        return f"{path} is {kind}, not a link; remove it or name another path"
    target = os.path.realpath(path)
    if os.path.exists(target) and not _PTY_NAME.match(target):
        return f"{path} is a link to {target}, which is no pseudo-terminal; remove it or name another path"
    return ""


def give_away(fd: int, owner: str | None, group: str | None, mode: int, description: str) -> None:
    """Set owner, group (names or numbers, None to leave them) and permission bits of a terminal.  Raises
    :class:`TtyError`."""
    import grp
    import pwd

    try:
        uid = -1 if owner is None else _number(owner, lambda name: pwd.getpwnam(name).pw_uid)
        gid = -1 if group is None else _number(group, lambda name: grp.getgrnam(name).gr_gid)
    except (KeyError, ValueError) as exc:
        name = str(exc.args[0]).rpartition(": ")[2]
        raise TtyError(
            f"{description}: no account or group {name} here; name one of this machine's."
        ) from exc
    try:
        if uid >= 0 or gid >= 0:
            os.fchown(fd, uid, gid)
        os.fchmod(fd, mode)
    except (OSError, OverflowError) as exc:
        reason = getattr(exc, "strerror", None) or "there is no such number"
        raise TtyError(
            f"{description}: owner, group or mode cannot be set ({reason}); "
            "name a group you belong to, or start as root."
        ) from exc


def try_giving_away(owner: str | None, group: str | None, mode: int, description: str) -> None:
    """The same with a pseudo-terminal that is gone at once.  Raises :class:`TtyError`."""
    try:
        master, slave = os.openpty()
    except OSError:
        return  # there is no telling
    try:
        give_away(slave, owner, group, mode, description)
    finally:
        os.close(slave)
        os.close(master)


def _number(name: str, look_up: Callable[[str], int]) -> int:
    return int(name) if name.isascii() and name.isdigit() else look_up(name)
