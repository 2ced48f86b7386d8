"""LISTEN strings: where calls come in.

``tcp:PORT``, ``tcp6:PORT`` and ``unix:PATH`` are sockets of our own, with ``haproxy:`` before them when a
proxy says who calls.  Any other string is left to Twisted's server endpoints, which know systemd's ways.

What does not belong here: who may call, and what becomes of the caller.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
from typing import Any, Final

from twisted.logger import Logger

from .accept import Acceptor
from .address import IPAddress, literal, printable
from .endpoint import split_endpoint
from .incoming import Accepted, Incoming, Peer
from .options import tune
from .stream import FdStream

BACKLOG: Final = 128
#: Permissions of a Unix socket, unless told: its owner only.
UNIX_MODE: Final = 0o600

_KEYS: Final = {
    "tcp": ("port", "interface", "backlog"),
    "tcp6": ("port", "interface", "backlog"),
    "unix": ("address", "mode", "backlog"),
}


class ListenError(Exception):
    """A listener that cannot be had; the text is one sentence naming the address and the remedy."""


class Listener:
    """One LISTEN string.  Raises :class:`ListenError` when the string cannot be understood."""

    _log = Logger()

    def __init__(self, reactor: Any, text: str, accepted: Accepted) -> None:
        self.text = text
        self._reactor = reactor
        self._accepted = accepted
        self._acceptor: Acceptor | None = None
        self._foreign: Any = None
        self._file: tuple[str, int, int] | None = None
        kind, *rest = split_endpoint(text)
        #: Behind a proxy that says who calls (``haproxy:``).
        self._behind_proxy = kind.strip().lower() == "haproxy"
        self._proxied: Any = None
        if self._behind_proxy:
            kind, *rest = rest or [""]
            if kind.strip().lower() not in _KEYS:
                raise ListenError(f'cannot listen on "{text}": haproxy: goes before tcp:, tcp6: or unix:')
        self._kind = kind.strip().lower()
        self._values = _values(text, self._kind, rest) if self._kind in _KEYS else {}
        if self._kind in ("tcp", "tcp6"):
            self._bind_to = self._tcp_address()
        elif self._kind == "unix":
            _unix_mode(text, self._values)
            _path(text, self._values)
        if self._kind in _KEYS:
            _number(text, self._values, "backlog", BACKLOG)

    # -- life ----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to accept.  Raises :class:`ListenError`."""
        if self._kind not in _KEYS:
            self._start_foreign()
            return
        sock = self._unix_socket() if self._kind == "unix" else self._tcp_socket()
        take = self._take
        if self._behind_proxy:
            from .proxied import Proxied

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
        if self._acceptor is not None and self._kind != "unix":
            return f"{self._kind} {printable(self._acceptor.address)}"
        return self.text

    @property
    def port(self) -> int:
        """The TCP port that is listened on; 0 when there is none."""
        if self._acceptor is None or self._kind == "unix":
            return 0
        return int(self._acceptor.address[1])

    @property
    def exposure(self) -> str | None:
        """From where the listener can be reached, when that is more than this machine; else None."""
        if self._kind == "unix":
            return None
        if self._kind not in _KEYS:
            return None if "interface=127." in self.text else "wherever that endpoint leads"
        ip = self._bind_to[0]
        if ip.is_loopback:
            return None
        return "every network of this machine" if ip.is_unspecified else f"the network of {ip}"

    # -- our own sockets -----------------------------------------------------------------------------------

    def _take(self, sock: socket.socket, sockaddr: Any) -> None:
        tune(sock)
        if not isinstance(sockaddr, tuple):
            peer = Peer(self.text)
        else:
            found = literal(sockaddr[0])
            host = str(found[0]) if found is not None else str(sockaddr[0])
            peer = Peer(printable(sockaddr), host, int(sockaddr[1]))
        incoming = Incoming(peer, self.text)
        incoming.stream = FdStream(
            self._reactor, sock.fileno(), owner=sock, peer=peer.printable, on_closed=incoming._closed
        )
        self._accepted(incoming)

    def _tcp_address(self) -> tuple[IPAddress, str, int]:
        port = _number(self.text, self._values, "port", None, 65535)
        host = self._values.get("interface", "") or ("::" if self._kind == "tcp6" else "0.0.0.0")
        if host == "localhost":
            host = "::1" if self._kind == "tcp6" else "127.0.0.1"
        found = literal(host)
        if found is None:
            raise ListenError(f'cannot listen on "{self.text}": interface= takes an address, not "{host}"')
        return found[0], found[1], port

    def _tcp_socket(self) -> socket.socket:
        ip, zone, port = self._bind_to
        family = socket.AF_INET if ip.version == 4 else socket.AF_INET6
        try:
            sock = socket.socket(family, socket.SOCK_STREAM)
        except OSError as exc:
            raise self._error(exc) from None
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                # "tcp6" serves both families; the system's own default (RFC 3493 clause 5.3) may differ.
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if self._kind == "tcp6" else 1)
                sock.bind((str(ip), port, 0, socket.if_nametoindex(zone) if zone else 0))
            else:
                sock.bind((str(ip), port))
            sock.listen(_number(self.text, self._values, "backlog", BACKLOG))
        except OSError as exc:
            sock.close()
            raise self._error(exc) from None
        return sock

    def _unix_socket(self) -> socket.socket:
        path = _path(self.text, self._values)
        mode = _unix_mode(self.text, self._values)
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
            sock.listen(_number(self.text, self._values, "backlog", BACKLOG))
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
        port = self._bind_to[2] if self._kind != "unix" else None
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
        from .transport import ForeignListener

        try:
            foreign = ForeignListener(self._reactor, self.text, self._accepted)
            foreign.start()
            self._foreign = foreign
        except Exception as exc:
            reason = str(exc) or type(exc).__name__
            raise ListenError(f'cannot listen on "{self.text}": {reason}; {self._hint()}') from exc

    def _hint(self) -> str:
        from difflib import get_close_matches

        near = get_close_matches(self._kind, ("tcp", "tcp6", "unix", "systemd", "haproxy"), 1)
        if near and near[0] != self._kind:
            return f"did you mean {near[0]}:"
        return "check it against Twisted's server endpoint strings"


def _values(text: str, kind: str, rest: list[str]) -> dict[str, str]:
    """The arguments of one of our own kinds by key; the first may stand without its key."""
    known = _KEYS[kind]
    values: dict[str, str] = {}
    for index, part in enumerate(rest):
        key, equals, value = part.partition("=")
        if not equals or (index == 0 and key not in known):
            if index:
                raise ListenError(f'cannot listen on "{text}": "{part}" is not {"=, ".join(known)}=')
            key, value = known[0], part
        if key not in known:
            from difflib import get_close_matches

            near = get_close_matches(key, known, 1) or [" or ".join(known)]
            raise ListenError(f'cannot listen on "{text}": unknown key "{key}"; did you mean {near[0]}=')
        values[key] = value
    return values


def _number(text: str, values: dict[str, str], key: str, default: int | None, limit: int = 65535) -> int:
    value = values.get(key)
    if value is None and default is not None:
        return default
    if value is None or not (value.isascii() and value.isdigit() and int(value[:9]) <= limit):
        raise ListenError(f'cannot listen on "{text}": {key} must be a number up to {limit}, like tcp:8001')
    return int(value)


def _path(text: str, values: dict[str, str]) -> str:
    path = values.get("address", "")
    if not path or "\0" in path:
        raise ListenError(f'cannot listen on "{text}": a path must follow, like unix:/run/vmodem.sock')
    return path


def _unix_mode(text: str, values: dict[str, str]) -> int:
    value = values.get("mode")
    if value is None:
        return UNIX_MODE
    try:
        mode = int(value, 8)
    except ValueError:
        mode = -1
    if not 0 <= mode <= 0o777:
        raise ListenError(f'cannot listen on "{text}": mode must be octal, like mode=0660')
    return mode
