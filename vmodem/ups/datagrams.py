"""The old UDP form of the protocol beside the server: it answers questions, and changes nothing.

An answer may be longer than its question, and a datagram's sender proves nothing: beyond this machine a list
of who may ask is compulsory, and everybody else is met with silence.

What does not belong here: the form itself (:mod:`vmodem.wire.nutdatagram`).
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from twisted.logger import Logger

from vmodem.net.address import IPAddress, literal, printable
from vmodem.net.incoming.spec import ListenError
from vmodem.net.udp.stream import DatagramSocket
from vmodem.wire.nut import DATA_STALE, DRIVER_NOT_CONNECTED, UNKNOWN_UPS
from vmodem.wire.nutdatagram import answer

from .model import Health, Ups
from .upsd import Upsd

T = TypeVar("T")


class Datagrams(DatagramSocket):
    """A socket beside a listener.  Raises :class:`ListenError` at ``start``."""

    _log = Logger()

    def __init__(self, reactor: Any, ip: IPAddress, port: int, zone: str, server: Upsd) -> None:
        self._place = (ip, port, zone)
        self._server = server
        self._of_reactor = reactor
        self._open = False

    def check(self) -> None:
        """Whether every UPS that may be asked here says by whom.  Raises :class:`ListenError`."""
        ip, port, _ = self._place
        where = printable((str(ip), port))
        if not ip.is_loopback and any(
            each.udp and each.rules.judge("255.255.255.255").rule == "anybody"
            for each in self._server.served.values()
        ):
            raise ListenError(
                f"cannot listen on udp {where}: beyond this machine udp = true needs a list of who may ask, "
                "as the sender of a datagram proves nothing; set allow_callers"
            )

    def start(self) -> None:
        """Begin to answer."""
        self.check()
        ip, port, zone = self._place
        six = ip.version == 6
        where = printable((str(ip), port))
        try:
            sock = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
        except OSError as exc:
            raise ListenError(f"cannot listen on udp {where}: {exc.strerror}; use IPv4") from exc
        try:
            if six:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                sock.bind((str(ip), port, 0, socket.if_nametoindex(zone) if zone else 0))
            else:
                sock.bind((str(ip), port))
        except OSError as exc:
            sock.close()
            raise ListenError(
                f"cannot listen on udp {where}: {exc.strerror or exc}; stop the program that has the port, "
                "or take udp = true away"
            ) from exc
        super().__init__(self._of_reactor, sock)
        self.read(True)

    def stop(self) -> None:
        """Answer no more."""
        if self._open:
            self.shut()

    def _arrived(self, data: bytes, address: Any) -> None:
        found = literal(address[0])
        host = str(found[0]) if found is not None else str(address[0])
        asker = Asker(self._server, host)
        if not asker.upses:
            return
        reply = answer(data, int(address[1]), asker)
        if reply is not None:
            try:
                self.transmit(reply, address)  # what finds no room is lost, as datagrams are
            except OSError as exc:
                self._log.debug("no answer to {peer}: {reason}", peer=printable(address), reason=str(exc))

    def _room(self) -> None:
        """Nothing waits for room."""

    def _failed(self, code: int, reason: str) -> None:
        self._log.debug("udp: {reason}", reason=reason)
        if self._open:
            self.read(True)


class Asker:
    """Where answers to one address come from: a :class:`vmodem.wire.nutdatagram.Source`."""

    def __init__(self, server: Upsd, host: str) -> None:
        self.version = f"vmodem {server.version}, Network UPS Tools protocol"
        seen = server.upses(host)
        self.upses = {name: ups for name, ups in seen.items() if server.served[name].udp}

    def values(self, ups: str) -> Mapping[str, str] | str:
        """All variables, or the word of an error."""
        return self._ask(ups, lambda found: found.values())

    def logins(self, ups: str) -> int | str:
        """How many machines are logged in, or the word of an error."""
        return self._ask(ups, lambda found: len(found.logins))

    def _ask(self, name: str, what: Callable[[Ups], T]) -> T | str:
        ups = self.upses.get(name.lower()) if name else next(iter(self.upses.values()))
        if ups is None:
            return UNKNOWN_UPS
        if ups.health is Health.GONE:
            return DRIVER_NOT_CONNECTED
        return what(ups) if ups.health is Health.FINE else DATA_STALE
