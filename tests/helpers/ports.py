"""Ports of this machine that nobody uses, for programs that have to be told one.

Whoever can listen on port 0 does.  A port that the system chose and that was let go of it may give to anybody
else the next moment, to another worker's connection for one; those here it never chooses.
"""

from __future__ import annotations

import itertools
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_CHOSEN_BY_SYSTEM: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
_FIRST: Final = 20000


def free_port() -> int:
    """A port of 127.0.0.1 that neither UDP nor TCP uses; never one that was given before."""
    for port in _candidates:
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            try:
                tcp.bind(("127.0.0.1", port))
                udp.bind(tcp.getsockname())
            except OSError:
                continue
            return int(tcp.getsockname()[1])
    raise AssertionError("every port of this machine is in use")


def _ports() -> Iterator[int]:
    """Below those the system chooses from; each process of tests begins somewhere else."""
    try:
        end = int(_CHOSEN_BY_SYSTEM.read_text().split()[0])
    except OSError:
        end = 0
    span = end - _FIRST
    if span < 1000:  # nothing is left for us
        return itertools.repeat(0)
    begin = os.getpid() * 101
    return (_FIRST + (begin + number) % span for number in range(span))


_candidates: Final = _ports()


def listens(port: int) -> bool:
    """Whether somebody listens there, by IPv4; to connect would already be a call."""
    rows = [row.split() for row in Path("/proc/self/net/tcp").read_text().splitlines()[1:]]
    return any(row[1].endswith(f":{port:04X}") and row[3] == "0A" for row in rows)
