"""Listening for calls by UDP: one socket, and a stream for each peer.

The peers share the socket, as a socket for each could only be had by letting other programs bind the same
port.  A peer is an address with its port, and nothing else is taken for it.  After a call what its peer still
sends is discarded for :data:`LINGER_S`, as when any connection is closed; then it may call again.

What does not belong here: LISTEN strings.
"""

from __future__ import annotations

import errno
import socket
import struct
import sys
from typing import Any, Final, Protocol

from twisted.logger import Logger

from vmodem.net.address import IPAddress, literal, printable
from vmodem.net.admission.rules import Decision
from vmodem.net.incoming.connection import Accepted, Incoming, Peer
from vmodem.net.incoming.spec import ListenError
from vmodem.net.udp.stream import IDLE_S, SIZE, SIZE_LIMIT, DatagramSocket, UdpStream, ending

#: Peers at one time, those that have just left among them.
PEERS: Final = 32
#: How long after a call what its peer still sends is discarded, in seconds.
LINGER_S: Final = 2.0
#: One line in the log for refused datagrams in so many seconds.
LOG_S: Final = 10.0
#: Reports of the system that are looked at in one go.
REPORTS: Final = 64

# Linux: <linux/in.h>, <linux/in6.h>, <linux/errqueue.h>.  Without them a refusal goes unnoticed.
_LINUX: Final = sys.platform == "linux"
_IP_RECVERR: Final = 11
_IPV6_RECVERR: Final = 25
_ERROR: Final = struct.Struct("=I")


class Judge(Protocol):
    """Who may call; :class:`vmodem.net.admission.rules.CallerRules` is one."""

    def judge(self, host: str) -> Decision: ...


class UdpListener(DatagramSocket):
    """Hands each new peer to ``accepted``, as :class:`vmodem.net.incoming.listen.Listener` does.

    ``allow`` says whose datagrams are taken; it may be left out on loopback only.  ``idle_s`` is how long a
    peer may be silent before its call ends (0: for ever), ``size`` the longest datagram sent, ``peers`` how
    many there may be.  ``text`` is the LISTEN string for people.

    Raises :class:`ListenError` for what cannot be: an exposed address without ``allow``, or a bad number.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        ip: IPAddress,
        port: int,
        accepted: Accepted,
        *,
        zone: str = "",
        text: str = "",
        allow: Judge | None = None,
        idle_s: float = IDLE_S,
        size: int = SIZE,
        peers: int = PEERS,
    ) -> None:
        self.text = text or f"udp:{port}"
        self._ip = ip
        self._zone = zone
        self._wanted_port = port
        self._accepted = accepted
        self._allow = allow
        self._idle_s = idle_s
        self._size = size
        self._limit = peers
        self._streams: dict[Any, UdpStream] = {}
        self._addresses: dict[UdpStream, Any] = {}
        self._incoming: dict[UdpStream, Incoming] = {}
        self._left: dict[Any, float] = {}  # who has left, until when
        self._full: set[UdpStream] = set()  # who waits for room
        self._listening = False
        self._logged_at = float("-inf")
        self._unlogged = 0
        self._reactor = reactor
        self._open = False
        # Rules that let anybody in are no list.
        if not ip.is_loopback and (allow is None or allow.judge("255.255.255.255").rule == "anybody"):
            raise ListenError(
                f'cannot listen on "{self.text}": beyond this machine UDP needs a list of who may call, as'
                " the sender of a datagram proves nothing; set allow_callers, or use interface=127.0.0.1"
            )
        if not 1 <= size <= SIZE_LIMIT:
            raise ListenError(f'cannot listen on "{self.text}": a datagram holds 1 to {SIZE_LIMIT} bytes')
        if idle_s < 0 or peers < 1:
            raise ListenError(f'cannot listen on "{self.text}": idle is 0 or more seconds, peers 1 or more')

    # -- life ----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to take calls.  Raises :class:`ListenError`."""
        six = self._ip.version == 6
        try:
            sock = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
        except OSError as exc:
            raise self._error(exc) from None
        try:
            if six:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                if _LINUX:
                    sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
                scope = socket.if_nametoindex(self._zone) if self._zone else 0
                sock.bind((str(self._ip), self._wanted_port, 0, scope))
            else:
                if _LINUX:
                    sock.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
                sock.bind((str(self._ip), self._wanted_port))
        except OSError as exc:
            sock.close()
            raise self._error(exc) from None
        super().__init__(self._reactor, sock)
        self._listening = True
        self.read(True)

    def stop(self) -> None:
        """Take no more calls; those that were taken live on."""
        self._listening = False
        if self._open and not self._streams:
            self.shut()

    @property
    def address(self) -> str:
        """What is listened on, for people; the real port where port 0 was asked for."""
        return f"udp {printable(self._sock.getsockname())}" if self._open else self.text

    @property
    def port(self) -> int:
        """The UDP port that is listened on; 0 when there is none."""
        return int(self._sock.getsockname()[1]) if self._open else 0

    @property
    def exposure(self) -> str | None:
        """From where the listener can be reached, when that is more than this machine; else None."""
        if self._ip.is_loopback:
            return None
        return "every network of this machine" if self._ip.is_unspecified else f"the network of {self._ip}"

    def _error(self, exc: OSError) -> ListenError:
        return ListenError(
            f'cannot listen on "{self.text}": {exc.strerror or exc}; choose an address of this machine and a'
            " port that is free"
        )

    # -- datagrams -----------------------------------------------------------------------------------------

    def _arrived(self, data: bytes, address: Any) -> None:
        stream = self._streams.get(address)
        if stream is None:
            stream = self._new(address)
        if stream is not None:
            stream.arrived(data)

    def _new(self, address: Any) -> UdpStream | None:
        """The stream of a peer that is not known yet; None for one that is not let in."""
        if not self._listening:
            return None
        now = self._reactor.seconds()
        until = self._left.get(address)
        if until is not None and now < until:
            return None
        found = literal(address[0])
        host = str(found[0]) if found is not None else str(address[0])
        if self._allow is not None:
            decision = self._allow.judge(host)
            if not decision.allowed:
                self._refuse(address, decision.rule, now)
                return None
        self._left = {key: until for key, until in self._left.items() if until > now}
        if len(self._streams) + len(self._left) >= self._limit:
            self._refuse(address, f"there are {self._limit} peers", now)
            return None
        peer = Peer(printable(address), host, int(address[1]))
        stream = UdpStream(self._reactor, self, peer.printable, size=self._size, idle_s=self._idle_s)
        self._streams[address] = stream
        self._addresses[stream] = address
        incoming = self._incoming[stream] = Incoming(peer, self.text)
        incoming.stream = stream
        try:
            self._accepted(incoming)
        except Exception:
            self._log.failure("taking a call from {caller} failed", caller=peer.printable)
            stream.abort()
        return stream

    def _refuse(self, address: Any, rule: str, now: float) -> None:
        if now - self._logged_at < LOG_S:
            self._unlogged += 1
            return
        self._logged_at = now
        self._log.warn(
            "datagram from {caller} on {listener} refused: {rule} ({more} more since the last such line)",
            caller=printable(address),
            listener=self.text,
            rule=rule,
            more=self._unlogged,
        )
        self._unlogged = 0

    # -- what the streams want -----------------------------------------------------------------------------

    def send(self, stream: UdpStream, data: bytes) -> bool:
        """Send one datagram to the stream's peer."""
        address = self._addresses[stream]
        try:
            sent = self.transmit(data, address)
        except ConnectionError:
            # Told now, but of whatever was sent before, and to whom is in the reports.
            self._read_reports()
            if stream not in self._addresses:
                return True
            sent = self.transmit(data, address)
        if not sent:
            self._full.add(stream)
        return sent

    def pausing(self, stream: UdpStream, paused: bool) -> None:
        """The others go on: what a paused stream is sent waits in the stream."""

    def closed(self, stream: UdpStream) -> None:
        """A call is over."""
        address = self._addresses.pop(stream, None)
        if address is None:
            return
        del self._streams[address]
        self._full.discard(stream)
        if not stream.fell_silent:  # nothing of such a one can still be on its way
            self._left[address] = self._reactor.seconds() + LINGER_S
        self._incoming.pop(stream)._closed()
        if not self._listening and not self._streams:
            self.shut()

    def _room(self) -> None:
        full, self._full = self._full, set()
        for stream in full:
            stream.flush()

    # -- reports of the system -----------------------------------------------------------------------------

    def _failed(self, code: int, reason: str) -> None:
        if not code:
            self._log.error("{listener}: {reason}", listener=self.text, reason=reason)
        self._read_reports()
        # The reactor gave the socket up for its reports alone.
        if self._open and not self._reading:
            self.read(True)

    def _read_reports(self) -> None:
        """End the calls of peers whose machine says that nobody listens (ip(7), IP_RECVERR)."""
        if not _LINUX:
            return
        for _ in range(REPORTS):
            try:
                _, extras, _, address = self._sock.recvmsg(0, 256, socket.MSG_ERRQUEUE)
            except OSError:
                return
            stream = self._streams.get(address)
            for level, kind, extra in extras:
                known = (level, kind) in (
                    (socket.IPPROTO_IP, _IP_RECVERR),
                    (socket.IPPROTO_IPV6, _IPV6_RECVERR),
                )
                if known and stream is not None and len(extra) >= _ERROR.size:
                    (code,) = _ERROR.unpack_from(extra)
                    if code != errno.EMSGSIZE:  # a shorter way's measure, which the system heeds by itself
                        stream.end(ending(code))
