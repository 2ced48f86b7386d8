"""A TCP peer that lives and takes nothing is not one that is gone.

The user timeout (RFC 5482) that finds a dead peer ends a connection also when its peer answers every question
whether it has room again, and says no: a terminal stopped by its user for a minute, a printer without paper.
A receiver may do so for as long as it likes (RFC 9293 clause 3.8.6.1).  So the timeout is lifted from whoever
is held up by a peer that answers, and comes back with the flow; while it is lifted we count ourselves.

What does not belong here: the other options of a connection (:mod:`vmodem.net.options`).
"""

from __future__ import annotations

import enum
import fcntl
import socket
import struct
import termios
import weakref
from collections.abc import Callable
from typing import Any, Final

from vmodem.net.options import USER_TIMEOUT_MS, set_user_timeout, tune
from vmodem.net.stream import Cause, Ending, FdStream

#: How often connections are looked at, in seconds: often enough to be sooner than the user timeout.
ROUND_S: Final = 10.0
#: So many rounds without an answer to what was asked long ago mean that nobody is there.
DOUBTS: Final = 3

#: Of the kernel's struct tcp_info: probes without an answer, bytes in flight, and how long ago the last
#: acknowledgement came, in milliseconds.
_PROBES, _UNACKED, _LAST_ACK = 3, 24, 56
_INFO_SIZE: Final = 60
#: None where there is no user timeout to be lifted; others' TCP_INFO has other places for these, besides.
_TCP_INFO: Final = getattr(socket, "TCP_INFO", None) if hasattr(socket, "TCP_USER_TIMEOUT") else None


class Verdict(enum.Enum):
    """What a look at a connection comes to."""

    LEAVE = "as it is"
    LIFT = "held up by a peer that answers"
    RESTORE = "no longer held up"
    DOUBT = "held up by a peer that has stopped answering"


def judge(waiting: int, unacked: int, probes: int, last_ack_s: float, lifted: bool) -> Verdict:
    """What to do about a connection with ``waiting`` bytes to send and ``unacked`` segments on their way,
    whose last ``probes`` questions nobody has answered."""
    held_up = waiting > 0 and unacked == 0
    silent = probes > 0 and last_ack_s * 1000 >= USER_TIMEOUT_MS / 2
    if not held_up:
        return Verdict.RESTORE if lifted else Verdict.LEAVE
    if lifted:
        return Verdict.DOUBT if silent else Verdict.LEAVE
    return Verdict.LEAVE if silent else Verdict.LIFT


class _Watched:
    """One connection."""

    def __init__(self, stream: FdStream, sock: socket.socket) -> None:
        self._stream = stream
        self._sock = sock
        self._lifted = False
        self._doubts = 0

    def look(self) -> None:
        """Raises :class:`OSError` where the system tells nothing."""
        info = self._sock.getsockopt(socket.IPPROTO_TCP, _TCP_INFO or 0, _INFO_SIZE)
        (waiting,) = struct.unpack("i", fcntl.ioctl(self._sock, termios.TIOCOUTQ, bytes(4)))
        (unacked,) = struct.unpack_from("=I", info, _UNACKED)
        (last_ack_ms,) = struct.unpack_from("=I", info, _LAST_ACK)
        verdict = judge(waiting, unacked, info[_PROBES], last_ack_ms / 1000, self._lifted)
        self._doubts = self._doubts + 1 if verdict is Verdict.DOUBT else 0
        if verdict in (Verdict.LIFT, Verdict.RESTORE):
            self._lifted = verdict is Verdict.LIFT
            set_user_timeout(self._sock, 0 if self._lifted else USER_TIMEOUT_MS)
        elif self._doubts >= DOUBTS:
            self._stream.finish(Ending(Cause.TIMEOUT, "no longer answers"))


class _Rounds:
    """Looks at the connections of one reactor in turn; rests while there are none."""

    def __init__(self, reactor: Any) -> None:
        # A weak reference: the registry below must not keep a reactor alive by its own values.
        self._reactor = weakref.ref(reactor)
        self._watched: dict[FdStream, _Watched] = {}
        self._call: Any = None

    def add(self, stream: FdStream, sock: socket.socket) -> None:
        """Look after ``stream`` on the connected ``sock``."""
        if _TCP_INFO is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
            self._watched[stream] = _Watched(stream, sock)
            if self._call is None:
                self._later()

    def remove(self, stream: FdStream) -> None:
        """It is closed."""
        self._watched.pop(stream, None)
        if not self._watched and self._call is not None:
            self._call.cancel()
            self._call = None

    def _later(self) -> None:
        reactor = self._reactor()
        self._call = None if reactor is None else reactor.callLater(ROUND_S, self._round)

    def _round(self) -> None:
        self._call = None
        for stream, watched in list(self._watched.items()):
            try:
                watched.look()
            except OSError:
                self._watched.pop(stream, None)
        if self._watched and self._call is None:
            self._later()


_rounds: weakref.WeakKeyDictionary[Any, _Rounds] = weakref.WeakKeyDictionary()


def tcp_stream(
    reactor: Any, sock: socket.socket, peer: str, on_closed: Callable[[], None] | None = None
) -> FdStream:
    """The stream on a connected socket of ours, with the options that all of them get; for the rest see
    :class:`vmodem.net.stream.FdStream`."""
    tune(sock)
    rounds = _rounds.setdefault(reactor, _Rounds(reactor))

    def closed() -> None:
        rounds.remove(stream)
        if on_closed is not None:
            on_closed()

    stream = FdStream(reactor, sock.fileno(), owner=sock, peer=peer, on_closed=closed)
    rounds.add(stream, sock)
    return stream
