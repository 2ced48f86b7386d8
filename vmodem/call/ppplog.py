"""Who came in by PPP, and which addresses were agreed: one line in the log for each call.

The observer stands between a DTE and a program such as slirp or pppd and only reads.  It looks at the
beginning of a call, in both directions, until addresses have been agreed (IPCP, RFC 1332) or it is clear that
this is not PPP; passwords and challenges are passed over unread.

What does not belong here: frames (:mod:`vmodem.wire.ppp`), and the stream they are read from.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import Final

from twisted.logger import Logger

from vmodem.net.stream import Stream
from vmodem.net.tap import TappedStream
from vmodem.wire import ppp

#: How far into each direction is looked, in bytes.
BUDGET: Final = 32768

#: IPCP's option for an address (RFC 1332 clause 3.3).
_ADDRESS: Final = 3
#: CHAP's and PAP's packets (RFC 1994, 1334): the name is in one of them, the answer in another.
_NAME_IN: Final = {ppp.PAP: 1, ppp.CHAP: 2}
_GRANTED: Final = {ppp.PAP: 2, ppp.CHAP: 3}
_REFUSED: Final = {ppp.PAP: 3, ppp.CHAP: 4}


@dataclass
class _Side:
    """What one end has sent so far."""

    deframer: ppp.Deframer = field(default_factory=ppp.Deframer)
    seen: int = 0
    #: Who it says it is.
    name: str = ""
    #: Its last request for an address, and the packet's identifier.
    asked: tuple[int, str] | None = None
    #: The address the other end granted it; "" where it asked for none.
    address: str | None = None


class Observer:
    """One call.  ``near`` is the DTE, ``far`` the program."""

    def __init__(self) -> None:
        self._near, self._far = _Side(), _Side()
        #: PPP has been spoken.
        self.found = False
        #: There is nothing more to be learnt.
        self.done = False
        self.refused = False

    def near(self, data: bytes) -> None:
        """The DTE sent ``data``."""
        self._look(self._near, self._far, data)

    def far(self, data: bytes) -> None:
        """The program sent ``data``."""
        self._look(self._far, self._near, data)

    @property
    def user(self) -> str:
        """Who the DTE said it is; "" where nobody asked."""
        return self._near.name

    @property
    def program(self) -> str:
        """Who the program said it is, where the DTE asked."""
        return self._far.name

    @property
    def addresses(self) -> tuple[str, str] | None:
        """The DTE's address and the program's; None until both are agreed, "" where one has none."""
        if self._near.address is None or self._far.address is None:
            return None
        return self._near.address, self._far.address

    # -- frames --------------------------------------------------------------------------------------------

    def _look(self, side: _Side, other: _Side, data: bytes) -> None:
        if self.done:
            return
        data = data[: BUDGET - side.seen]
        side.seen += len(data)
        for frame in side.deframer.receive(data):
            packet = ppp.packet(frame.body)
            if packet is None:
                continue
            if frame.protocol == ppp.LCP:
                self.found = True
            elif frame.protocol == ppp.IPCP:
                self._addresses(side, other, packet)
            elif frame.protocol in _NAME_IN:
                self._names(side, frame.protocol, packet)
        if self.addresses is not None or side.seen >= BUDGET:
            self.done = True

    def _addresses(self, side: _Side, other: _Side, packet: ppp.Packet) -> None:
        if packet.code == ppp.CONFIGURE_REQUEST:
            wanted = (ppp.options(packet.body) or {}).get(_ADDRESS, b"")
            address = str(ipaddress.IPv4Address(wanted)) if len(wanted) == 4 and any(wanted) else ""
            side.asked = packet.identifier, address
        elif packet.code == ppp.CONFIGURE_ACK and other.asked and other.asked[0] == packet.identifier:
            other.address = other.asked[1]

    def _names(self, side: _Side, protocol: int, packet: ppp.Packet) -> None:
        if packet.code == _NAME_IN[protocol]:
            body = packet.body
            size = body[0] if body else 0
            # PAP: length and name, then the password.  CHAP: length and value, then the name.
            name = body[1 : 1 + size] if protocol == ppp.PAP else body[1 + size :]
            side.name = name[:255].decode("utf-8", "replace")
        elif packet.code == _REFUSED[protocol]:
            self.refused = True
        elif packet.code == _GRANTED[protocol]:
            self.refused = False


class PppLog:
    """Listens in on one call (:class:`vmodem.net.tap.Listener`) and writes the line."""

    _log = Logger()

    def __init__(self, modem: str, peer: str) -> None:
        self._modem = modem
        self._peer = peer
        self._observer = Observer()

    def sent(self, data: bytes) -> bool:
        self._observer.near(data)
        return self._more()

    def received(self, data: bytes) -> bool:
        self._observer.far(data)
        return self._more()

    def ended(self) -> None:
        self._tell()

    def _more(self) -> bool:
        if self._observer.done:
            self._tell()
        return not self._observer.done

    def _tell(self) -> None:
        seen = self._observer
        if not seen.found:
            return
        who = seen.user or "no name asked for"
        if seen.program:
            who += f", to {seen.program}"
        if seen.addresses is None:
            self._log.info(
                "{modem}: PPP with {peer} did not come up: {who}: {reason}",
                modem=self._modem,
                peer=self._peer,
                who=who,
                reason="refused" if seen.refused else "no addresses were agreed",
            )
            return
        here, there = seen.addresses
        self._log.info(
            "{modem}: PPP with {peer}: {who}, address {address}, other end {other}",
            modem=self._modem,
            peer=self._peer,
            who=who,
            address=here or "none",
            other=there or "none",
        )


def watched(stream: Stream, modem: str) -> Stream:
    """``stream``, whose beginning is looked through for PPP; ``modem`` names whose call it is."""
    return TappedStream(stream, PppLog(modem, stream.peer))
