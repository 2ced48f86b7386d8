"""LISTEN strings: where calls come in.

``tcp:PORT``, ``tcp6:PORT``, ``unix:PATH`` and ``tls:PORT`` are sockets of our own, with ``haproxy:`` before
them when a proxy says who calls, and a protocol before that when callers speak one; ``systemd:`` is a socket
that was handed over.  Any other string is left to Twisted's server endpoints.

What does not belong here: who may call, and what becomes of the caller.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
from typing import TYPE_CHECKING, Any

from twisted.logger import Logger

from vmodem.net.address import literal, printable
from vmodem.net.heldup import tcp_stream
from vmodem.net.incoming.accept import Acceptor
from vmodem.net.incoming.connection import Accepted, Incoming, Peer
from vmodem.net.incoming.lent import LentError, lent_socket
from vmodem.net.incoming.spec import KEYS, PROTOCOLS, ListenError, ListenSpec, parse_listen
from vmodem.net.incoming.spoken import Speak, Spoken

if TYPE_CHECKING:
    from vmodem.net.udp.listen import Judge

__all__ = ["ListenError", "Listener"]


class Listener:
    """One LISTEN string.  Raises :class:`ListenError` when the string cannot be understood.

    ``allow`` says whose datagrams are taken; for connections that is asked after they are made.  ``speak``
    takes the place of what carries a call in the protocol of the string.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        text: str,
        accepted: Accepted,
        allow: Judge | None = None,
        speak: Speak | None = None,
    ) -> None:
        self.text = text
        self._allow = allow
        self.spec: ListenSpec = parse_listen(text)
        self._reactor = reactor
        self._accepted = accepted
        self._spoken = Spoken(reactor, self.spec, accepted, speak)
        self._acceptor: Acceptor | None = None
        self._foreign: Any = None
        self._datagrams: Any = None
        self._file: tuple[str, int, int] | None = None
        self._proxied: Any = None
        self._bound = 0  # the port the system chose; it stays ours when listening is taken up again

    # -- life ----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to accept.  Raises :class:`ListenError`."""
        self._spoken.start()
        if not (self.spec.ours or self.lent):
            self._start_foreign()
            return
        if self.spec.kind == "udp":
            self._datagrams = self._udp()
            self._datagrams.start()
            return
        sock = self._socket()
        take = self._take
        if self.spec.proxied:
            from vmodem.net.incoming.proxied import Proxied

            self._proxied = Proxied(self._reactor, self._take)
            take = self._proxied.take
        self._acceptor = Acceptor(self._reactor, sock, take)
        self._acceptor.start()

    def stop(self) -> None:
        """Accept no more; what was accepted lives on.  A Unix socket's file is removed."""
        if self._acceptor is not None:
            self._acceptor.stop()
            self._acceptor = None
        if self._proxied is not None:
            self._proxied.stop()
            self._proxied = None
        if self._foreign is not None:
            foreign, self._foreign = self._foreign, None
            foreign.stop()
        if self._datagrams is not None:
            self._datagrams.stop()
            self._datagrams = None
        self._spoken.stop()
        if self._file is not None:
            path, device, inode = self._file
            self._file = None
            try:
                found = os.lstat(path)
                if (found.st_dev, found.st_ino) == (device, inode):
                    os.unlink(path)
            except OSError:
                pass  # somebody else removed it

    @property
    def address(self) -> str:
        """What is listened on, for people; the real port where port 0 was asked for."""
        if self._datagrams is not None:
            return str(self._datagrams.address)
        if self._acceptor is None or not self.spec.on_network:
            return self.text
        before = "".join(f"{word} " for word in (self.spec.protocol, self.spec.kind) if word)
        return before + printable(self._acceptor.address)

    @property
    def port(self) -> int:
        """The TCP or UDP port that is listened on; 0 when there is none."""
        if self._datagrams is not None:
            return int(self._datagrams.port)
        if self._acceptor is None or not self.spec.on_network:
            return 0
        return int(self._acceptor.address[1])

    @property
    def exposure(self) -> str | None:
        """From where the listener can be reached, when that is more than this machine; else None."""
        return self.spec.exposure

    @property
    def lent(self) -> bool:
        """Whether the socket is another's, who goes on listening when we do not (systemd)."""
        return self.spec.kind == "systemd"

    # -- our own sockets -----------------------------------------------------------------------------------

    def _take(self, sock: socket.socket, sockaddr: Any) -> None:
        if not isinstance(sockaddr, tuple):
            peer = Peer(self.text)
        else:
            found = literal(sockaddr[0])
            host = str(found[0]) if found is not None else str(sockaddr[0])
            peer = Peer(printable(sockaddr), host, int(sockaddr[1]))
        incoming = Incoming(peer, self.text)
        incoming.stream = tcp_stream(self._reactor, sock, peer.printable, incoming._closed)
        self._spoken.take(incoming)

    def _udp(self) -> Any:
        from vmodem.net.udp.listen import UdpListener
        from vmodem.net.udp.stream import IDLE_S

        spec = self.spec
        return UdpListener(
            self._reactor,
            spec.ip,
            spec.port or self._bound,
            self._accepted,
            zone=spec.zone,
            text=self.text,
            allow=self._allow,
            idle_s=IDLE_S if spec.idle is None else spec.idle,
        )

    def _tcp_socket(self) -> socket.socket:
        ip, zone, port = self.spec.ip, self.spec.zone, self.spec.port or self._bound
        family = socket.AF_INET if ip.version == 4 else socket.AF_INET6
        try:
            sock = socket.socket(family, socket.SOCK_STREAM)
        except OSError as exc:
            raise self._error(exc) from None
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                # "tcp6" serves both families; the system's own default (RFC 3493 clause 5.3) may differ.
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if self.spec.kind == "tcp6" else 1)
                sock.bind((str(ip), port, 0, socket.if_nametoindex(zone) if zone else 0))
            else:
                sock.bind((str(ip), port))
            sock.listen(self.spec.backlog)
        except OSError as exc:
            sock.close()
            raise self._error(exc) from None
        self._bound = int(sock.getsockname()[1])
        return sock

    def _socket(self) -> socket.socket:
        if self.spec.kind == "unix":
            return self._unix_socket()
        if not self.lent:
            return self._tcp_socket()
        try:
            return lent_socket(self.spec.endpoint)
        except LentError as exc:
            raise ListenError(f'cannot listen on "{self.text}": {exc}') from None

    def _unix_socket(self) -> socket.socket:
        path = self.spec.path
        mode = self.spec.mode
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._remove_stale(path)
            before = os.umask(0o777)  # nobody may connect before the permissions are what was asked for
            try:
                sock.bind(path)
            finally:
                os.umask(before)
            found = os.lstat(path)
            self._file = (path, found.st_dev, found.st_ino)
            os.chmod(path, mode)
            sock.listen(self.spec.backlog)
        except OSError as exc:
            sock.close()
            self.stop()
            raise self._error(exc) from None
        except ListenError:
            sock.close()
            raise
        return sock

    def _remove_stale(self, path: str) -> None:
        """Remove the socket of a process that is gone; anything else that lies there is not ours to touch."""
        try:
            kind = os.lstat(path).st_mode
        except FileNotFoundError:
            return
        if not stat.S_ISSOCK(kind):
            raise ListenError(
                f'cannot listen on "{self.text}": what lies there is no socket; choose another path'
            )
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.setblocking(False)
            code = probe.connect_ex(path)
        if code != errno.ECONNREFUSED:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        os.unlink(path)

    def _error(self, exc: OSError) -> ListenError:
        reason = exc.strerror or str(exc)
        port = self.spec.port if self.spec.kind != "unix" else None
        if exc.errno == errno.EADDRINUSE:
            remedy = "stop the program that has it, or choose another " + ("path" if port is None else "port")
        elif exc.errno in (errno.EACCES, errno.EPERM):
            low = port is not None and port < 1024
            remedy = "choose a port from 1024 up" if low else "choose a folder where this user may write"
        elif exc.errno == errno.EADDRNOTAVAIL:
            remedy = "name an address that this machine has (ip address), or leave interface= away"
        elif exc.errno == errno.EAFNOSUPPORT:
            remedy = "this machine has no IPv6; use tcp: instead of tcp6:"
        elif port is None:
            remedy = "choose a shorter path in a folder that exists"
        else:
            remedy = "check the address"
        return ListenError(f'cannot listen on "{self.text}": {reason}; {remedy}')

    # -- Twisted's endpoints -------------------------------------------------------------------------------

    def _start_foreign(self) -> None:
        from vmodem.net.transport import ForeignListener

        try:
            foreign = ForeignListener(self._reactor, self.spec.endpoint, self._spoken.take, self.text)
            foreign.start()
            self._foreign = foreign
        except Exception as exc:
            reason = str(exc) or type(exc).__name__
            raise ListenError(f'cannot listen on "{self.text}": {reason}; {self._hint()}') from exc

    def _hint(self) -> str:
        from difflib import get_close_matches

        near = get_close_matches(self.spec.kind, (*KEYS, *PROTOCOLS, "systemd", "haproxy"), 1)
        if near and near[0] != self.spec.kind:
            return f"did you mean {near[0]}:"
        return "check it against Twisted's server endpoint strings"
