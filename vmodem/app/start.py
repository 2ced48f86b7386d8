"""Starting and ending in order: exit codes, what is said to people, and what is said to systemd."""

from __future__ import annotations

import os
import socket
import sys
from typing import Final

EX_OK: Final = 0
EX_FAILURE: Final = 1
EX_USAGE: Final = 2
EX_UNAVAILABLE: Final = 69
EX_NOPERM: Final = 77
EX_CONFIG: Final = 78

#: The whole of an orderly stop takes no longer than this, in seconds.
STOP_LIMIT_S: Final = 1.5


class StartError(Exception):
    """What was asked for cannot be started; one sentence and an exit code."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code

    @classmethod
    def of(cls, exc: Exception, code: int) -> StartError:
        """The same for an error of a room below, which may turn out to be a question of permission."""
        if isinstance(exc.__cause__, PermissionError):
            code = EX_NOPERM
        return cls(str(exc), code)


def say(text: str) -> None:
    """Tell whoever started us, on standard error."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except (OSError, ValueError):
        pass  # nobody reads; the modem works all the same


def notify(state: str) -> None:
    """Tell systemd, where it asked to be told (sd_notify)."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sock:
            sock.sendto(state.encode(), address)
    except OSError:
        pass


def raise_descriptor_limit(wanted: int) -> None:
    """Let this process have ``wanted`` descriptors open, as far as the system allows."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
        except (OSError, ValueError):
            pass  # it is tried with what there is
