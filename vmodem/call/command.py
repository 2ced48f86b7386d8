"""Which program and which account of this machine an ``exec:`` target means.

Light: it is asked of every configuration that is checked.  What does not belong here: starting programs
(program.py).
"""

from __future__ import annotations

import os
import pwd
import shutil
from typing import Final

#: Where programs without a slash in their name are looked for.
PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class ProgramError(Exception):
    """A program that cannot be started; the text says why."""


def find_program(name: str, path: str = PATH) -> str:
    """The file of a program; ``path`` are the folders that one without a slash is looked for in.  Raises
    :class:`ProgramError`."""
    found = shutil.which(name, path=path if "/" not in name else None)
    if found is not None:
        return found
    if "/" not in name:
        raise ProgramError(f'no program "{name}" here; install it, or name it by its whole path')
    if os.path.isdir(name):
        raise ProgramError(f'"{name}" is a directory; name a program in it')
    if os.path.exists(name):
        raise ProgramError(f'"{name}" may not be executed; run: chmod +x {name}')
    raise ProgramError(f'no program "{name}" here; check the path')


def find_account(user: str) -> pwd.struct_passwd:
    """The account of that name; "" is ours.  Raises :class:`ProgramError` for one that is not there, or that
    we have not the rights to become."""
    try:
        account = pwd.getpwnam(user) if user else pwd.getpwuid(os.geteuid())
    except (KeyError, ValueError):
        if user:
            raise ProgramError(f'no account "{user}" here; name one of this machine\'s') from None
        # An account without an entry, as in many containers.
        uid = os.geteuid()
        account = pwd.struct_passwd((str(uid), "x", uid, os.getegid(), "", "/", "/bin/sh"))
    if account.pw_uid != os.geteuid() and os.geteuid() != 0:
        raise ProgramError(f'running as "{user}" takes root\'s rights')
    return account
