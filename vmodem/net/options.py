"""The options that every TCP connection of ours gets, made or accepted."""

from __future__ import annotations

import socket
from typing import Final

#: Seconds of silence before the first keep-alive probe, and between probes; probes without an answer.
KEEPALIVE_IDLE_S: Final = 30
KEEPALIVE_INTERVAL_S: Final = 10
KEEPALIVE_PROBES: Final = 3
#: How long sent data may stay unacknowledged (RFC 5482), in milliseconds.
USER_TIMEOUT_MS: Final = 30_000


def tune(sock: socket.socket) -> None:
    """Small writes leave at once, and a peer that is gone is noticed: within 60 s idle, 30 s with data
    waiting.

    For connected sockets: the user timeout would otherwise also shorten the attempt to connect.  Does nothing
    on a Unix socket.  What a system lacks is left out; a connection that is already lost is left alone.
    """
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    wanted = (
        (socket.IPPROTO_TCP, "TCP_NODELAY", 1),
        (socket.SOL_SOCKET, "SO_KEEPALIVE", 1),
        # "Urgent" data is data: taken out of the stream a byte would be lost, and telnet's DATA MARK with it.
        (socket.SOL_SOCKET, "SO_OOBINLINE", 1),
        (socket.IPPROTO_TCP, "TCP_KEEPIDLE", KEEPALIVE_IDLE_S),
        (socket.IPPROTO_TCP, "TCP_KEEPINTVL", KEEPALIVE_INTERVAL_S),
        (socket.IPPROTO_TCP, "TCP_KEEPCNT", KEEPALIVE_PROBES),
        (socket.IPPROTO_TCP, "TCP_USER_TIMEOUT", USER_TIMEOUT_MS),
    )
    for level, name, value in wanted:
        option = getattr(socket, name, None)
        if option is None:
            continue
        try:
            sock.setsockopt(level, option, value)
        except OSError:
            return


def set_user_timeout(sock: socket.socket, milliseconds: int) -> None:
    """How long sent data may stay unacknowledged; 0 for as long as the system has it.  Raises
    :class:`OSError`."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
