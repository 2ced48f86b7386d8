"""One question to name servers: asked again, of the next server, by TCP where the answer did not fit.

Each server is asked from a socket of its own, connected to it and on a port that the kernel draws, with an
id drawn for it: what comes from elsewhere, or answers something else, is not listened to.  A server that
refuses or fails is asked no more.  All in all it takes at most ``TOTAL_S`` seconds, in no thread, and after
the end or ``cancel()`` no socket and no timer is left.

What does not belong here: what the answers mean (:mod:`vmodem.net.names.dns`).
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Callable, Sequence
from typing import Any, Final

from twisted.internet.interfaces import IReadDescriptor
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from vmodem.net.address import Destination
from vmodem.net.connect import Connecting, Trouble
from vmodem.net.stream import Ending, FdStream, Stream
from vmodem.wire.dns import NAME_ERROR, NO_ERROR, RCODES, Answer, DnsError, parse, printable_name, query

#: How long each time of asking waits for an answer before the next, in seconds.
WAITS_S: Final = (1.0, 1.5, 2.5)
#: How long a question may take, in seconds.
TOTAL_S: Final = sum(WAITS_S)
#: Largest datagram that is read; one of 512 bytes is the largest that a server sends unasked (RFC 1035 clause
#: 2.3.4).
_DATAGRAM: Final = 4096
#: Datagrams read at one wake-up.
_READS: Final = 8


class DnsQuery:
    """A question under way.

    Exactly one of ``answered(answer)`` and ``failed(reason)`` is called, never before the constructor
    returned; neither after ``cancel()``.  That a name does not exist is an answer, too.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        servers: Sequence[Destination],
        name: str,
        kind: int,
        answered: Callable[[Answer], None],
        failed: Callable[[str], None],
    ) -> None:
        """Raises :class:`DnsError` for a name that cannot be asked for."""
        self._reactor = reactor
        self._name = name
        self._question = printable_name(name), kind
        self._answered = answered
        self._failed = failed
        self._waits = list(WAITS_S)
        #: Who may still be asked, in turn.
        self._left = list(servers)
        self._asked: dict[Destination, _Datagrams] = {}
        self._by_tcp: _Stream | None = None
        self._reason = "there is no name server to ask"
        self._over = False
        self._deadline = reactor.seconds() + TOTAL_S
        self._timer: Any = reactor.callLater(0, self._ask)

    def cancel(self) -> None:
        """Give up: no socket and no timer is left when this returns."""
        self._over = True
        self._stop()

    # -- asking --------------------------------------------------------------------------------------------

    def _ask(self) -> None:
        """Send the question once more, to the server whose turn it is."""
        self._timer = None
        while self._left and self._waits and (left_s := self._deadline - self._reactor.seconds()) > 0:
            server = self._left.pop(0)
            try:
                if server not in self._asked:
                    self._asked[server] = _Datagrams(self, server)
                self._asked[server].send()
            except OSError as exc:
                self._drop(server, exc.strerror or str(exc))
                continue
            self._left.append(server)
            self._timer = self._reactor.callLater(min(self._waits.pop(0), left_s), self._ask)
            return
        if self._left:
            self._reason = f"no answer from {', '.join(server.printable for server in self._left)}"
        self._end(self._failed, self._reason)

    def _ask_by_tcp(self, server: Destination) -> None:
        """The answer did not fit into a datagram (RFC 7766)."""
        self._stop()
        self._timer = self._reactor.callLater(max(0.0, self._deadline - self._reactor.seconds()), self._late)
        self._by_tcp = _Stream(self, server)

    def _late(self) -> None:
        self._timer = None
        self._end(self._failed, "the name server did not answer by TCP in time")

    def message(self, number: int) -> bytes:
        """The question."""
        return query(number, self._name, self._question[1])

    @property
    def reactor(self) -> Any:
        """What this runs on."""
        return self._reactor

    # -- answers -------------------------------------------------------------------------------------------

    def received(self, server: Destination, number: int, data: bytes, by_tcp: bool) -> bool:
        """A server sent a message.  False when it was not the answer."""
        try:
            answer = parse(data)
        except DnsError as exc:
            self._log.debug("from {server}: {reason}", server=server.printable, reason=str(exc))
            return False
        if answer.id != number or answer.question != self._question:
            return False
        if answer.truncated and not by_tcp:
            self._ask_by_tcp(server)
        elif answer.rcode in (NO_ERROR, NAME_ERROR):
            self._end(self._answered, answer)
        else:
            self.refused(server, RCODES.get(answer.rcode, f"the name server answered {answer.rcode}"))
        return True

    def refused(self, server: Destination, reason: str) -> None:
        """A server is of no use: go on with the others, at once."""
        if self._over:
            return
        self._drop(server, reason)
        if self._timer is not None:
            self._timer.cancel()
        self._ask()

    def _drop(self, server: Destination, reason: str) -> None:
        self._reason = f"{server.printable}: {reason}"
        self._left = [each for each in self._left if each != server]
        if server in self._asked:
            self._asked.pop(server).close()
        if self._by_tcp is not None:
            self._by_tcp.close()
            self._by_tcp = None

    # -- the end -------------------------------------------------------------------------------------------

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for each in self._asked.values():
            each.close()
        self._asked.clear()
        if self._by_tcp is not None:
            self._by_tcp.close()
            self._by_tcp = None

    def _end(self, tell: Callable[[Any], None], what: Any) -> None:
        self._over = True
        self._stop()
        tell(what)


@implementer(IReadDescriptor)
class _Datagrams:
    """One server, asked by UDP.  Raises OSError when there is no socket for it."""

    def __init__(self, owner: DnsQuery, server: Destination) -> None:
        self._owner = owner
        self._server = server
        self._number = secrets.randbelow(0x10000)
        self._sock = socket.socket(server.family, socket.SOCK_DGRAM)
        self._closed = False
        try:
            self._sock.setblocking(False)
            self._sock.connect(server.sockaddr)
        except OSError:
            self._sock.close()
            raise
        owner.reactor.addReader(self)

    def send(self) -> None:
        """Ask.  Raises OSError when nobody is there."""
        try:
            self._sock.send(self._owner.message(self._number))
        except BlockingIOError:
            pass  # lost, as any datagram may be

    def doRead(self) -> None:
        for _ in range(_READS):
            if self._closed:
                return
            try:
                data = self._sock.recv(_DATAGRAM)
            except BlockingIOError:
                return
            except OSError as exc:
                self._owner.refused(self._server, exc.strerror or str(exc))
                return
            if self._owner.received(self._server, self._number, data, False):
                return

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._owner.reactor.removeReader(self)
            self._sock.close()

    def fileno(self) -> int:
        return -1 if self._closed else self._sock.fileno()

    def logPrefix(self) -> str:
        return "dns"

    def connectionLost(self, reason: Failure) -> None:
        """The reactor saw an error on the socket (nobody listens there), or reading raised."""
        if self._closed:
            return
        code = self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        self._owner.refused(self._server, os.strerror(code) if code else reason.getErrorMessage())


class _Stream:
    """One server, asked by TCP: each message has its length before it (RFC 1035 clause 4.2.2)."""

    def __init__(self, owner: DnsQuery, server: Destination) -> None:
        self._owner = owner
        self._server = server
        self._number = secrets.randbelow(0x10000)
        self._buffer = bytearray()
        self._stream: Stream | None = None
        self._connecting: Connecting | None = Connecting(
            owner.reactor, [server], self._connected, self._unreachable
        )

    def close(self) -> None:
        if self._connecting is not None:
            self._connecting.cancel()
            self._connecting = None
        if self._stream is not None:
            self._stream.abort()
            self._stream = None

    def _connected(self, stream: FdStream, _: Destination) -> None:
        self._connecting, self._stream = None, stream
        stream.start(self)
        message = self._owner.message(self._number)
        stream.write(len(message).to_bytes(2, "big") + message)

    def _unreachable(self, _: Trouble, reason: str) -> None:
        self._connecting = None
        self._owner.refused(self._server, f"by TCP: {reason}")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        length = int.from_bytes(self._buffer[:2], "big")
        if len(self._buffer) < 2 + length or len(self._buffer) < 2:
            return
        whole = bytes(self._buffer[2 : 2 + length])
        if not self._owner.received(self._server, self._number, whole, True):
            self._owner.refused(self._server, "by TCP: something else than an answer")

    def write_blocked(self) -> None:
        pass

    def write_drained(self) -> None:
        pass

    def stream_ended(self, ending: Ending) -> None:
        self._owner.refused(self._server, f"by TCP: {ending.detail}")
