"""Programs that others wrote, which interop tests talk to.

Such a test begins with ``need("minicom", "tmux")``. Where one is missing it skips, naming the Debian package
that brings it; ``.ci/run`` installs all of them, and turns such a skip into a failure.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from typing import Final

import pytest

#: program -> the Debian package it is in
PACKAGES: Final[Mapping[str, str]] = {
    "agetty": "util-linux",
    "bash": "bash",
    "chat": "ppp",
    "cu": "cu",
    "dnsmasq": "dnsmasq-base",
    "efax": "efax",
    "expect": "expect",
    "fish": "fish",
    "gammu": "gammu",
    "gensiot": "gensio-bin",
    "gnokii": "gnokii-cli",
    "haproxy": "haproxy",
    "ip": "iproute2",
    "kermit": "ckermit",
    "mandoc": "mandoc",
    "knotd": "knot",
    "mgetty": "mgetty",
    "microcom": "microcom",
    "minicom": "minicom",
    "openssl": "openssl",
    "picocom": "picocom",
    "pppd": "ppp",
    "rb": "lrzsz",
    "runscript": "minicom",
    "rx": "lrzsz",
    "rz": "lrzsz",
    "sb": "lrzsz",
    "screen": "screen",
    "slirp-fullbolt": "slirp",
    "ser2net": "ser2net",
    "sredird": "sredird",
    "socat": "socat",
    "ssh-add": "openssh-client",
    "ssh-agent": "openssh-client",
    "ssh-keygen": "openssh-client",
    "ssh-keyscan": "openssh-client",
    "sshd": "openssh-server",
    "strace": "strace",
    "sx": "lrzsz",
    "sz": "lrzsz",
    "telnet": "inetutils-telnet",
    "telnetd": "inetutils-telnetd",
    "tio": "tio",
    "tmux": "tmux",
    "tshark": "tshark",
    "uucico": "uucp",
    "setpriv": "util-linux",
    "unshare": "util-linux",
    "upsc": "nut-client",
    "upscmd": "nut-client",
    "upsmon": "nut-client",
    "upsrw": "nut-client",
    "wvdial": "wvdial",
    "wvdialconf": "wvdial",
    "zsh": "zsh",
}

# Debian puts pppd and chat where only root's PATH leads, uucico where no PATH does.
_ALSO: Final = ("/usr/sbin", "/sbin", "/usr/local/sbin", "/usr/lib/uucp")


def find(program: str) -> str | None:
    """Return the absolute path of a program, or None."""
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), *_ALSO))
    return shutil.which(program, path=path)


def need(*programs: str) -> tuple[str, ...]:
    """Return the absolute paths of these programs, or skip the running test when one is missing.

    Raises KeyError for a program that `PACKAGES` does not know: add it there, and its package to ``.ci/run``.
    """
    packages = {program: PACKAGES[program] for program in programs}
    found = {program: find(program) for program in programs}
    missing = [program for program, path in found.items() if path is None]
    if missing:
        names = " ".join(sorted({packages[program] for program in missing}))
        pytest.skip(f"needs Debian package {names} (for {', '.join(missing)})")
    return tuple(path for path in found.values() if path is not None)
