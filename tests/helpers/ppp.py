"""A dial-up computer: PPP over a byte stream, and just enough of IPv4 and TCP to fetch one page.

Without I/O of its own: bytes and moments go in, bytes to send are collected in :attr:`PppClient.out`.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Callable, Mapping

from vmodem.wire import ppp

CONFIGURE_NAK, CONFIGURE_REJECT = 3, 4
TERMINATE_ACK, CODE_REJECT, PROTOCOL_REJECT, ECHO_REQUEST, ECHO_REPLY = 6, 7, 8, 9, 10
IP = 0x0021
#: How long an answer is waited for before the question is asked again, in seconds.
AGAIN_S = 1.0
#: The address of a peer that has none: it need not be reachable, but PPP wants one.
NAMELESS = "192.0.2.254"


def frame(protocol: int, body: bytes, accm: int = 0xFFFFFFFF) -> bytes:
    """A frame in HDLC-like framing (RFC 1662); ``accm`` says which control characters to escape."""
    data = b"\xff\x03" + protocol.to_bytes(2, "big") + body
    fcs = ppp.fcs16(data) ^ 0xFFFF
    out = bytearray(b"~")
    for byte in data + fcs.to_bytes(2, "little"):
        if byte in b"~}" or (byte < 0x20 and accm >> byte & 1):
            out += bytes((0x7D, byte ^ 0x20))
        else:
            out.append(byte)
    return bytes(out) + b"~"


def packet(code: int, identifier: int, body: bytes = b"") -> bytes:
    return struct.pack("!BBH", code, identifier, 4 + len(body)) + body


def options(wanted: Mapping[int, bytes]) -> bytes:
    return b"".join(bytes((kind, 2 + len(value))) + value for kind, value in wanted.items())


class Negotiation:
    """One of LCP and IPCP: our wishes and the peer's, until each has agreed to the other's."""

    def __init__(
        self,
        send: Callable[[bytes], None],
        wishes: dict[int, bytes],
        judge: Callable[[int, bytes], bytes | bool | None],
    ) -> None:
        """``judge`` is asked about each of the peer's options: True, another value, or None to refuse it."""
        self.wishes = wishes
        self.theirs: dict[int, bytes] = {}
        self._send = send
        self._judge = judge
        self._identifier = 0
        self._agreed = [False, False]  # ours, theirs
        self._asked_at = float("-inf")

    @property
    def up(self) -> bool:
        return all(self._agreed)

    def tick(self, now: float) -> None:
        """Ask, and ask again."""
        if not self._agreed[0] and now - self._asked_at >= AGAIN_S:
            self._asked_at = now
            self._identifier += 1
            self._send(packet(ppp.CONFIGURE_REQUEST, self._identifier, options(self.wishes)))

    def receive(self, got: ppp.Packet) -> None:
        values = ppp.options(got.body) or {}
        if got.code == ppp.CONFIGURE_REQUEST:
            self._answer(got, values)
        elif got.identifier != self._identifier:
            return
        elif got.code == ppp.CONFIGURE_ACK:
            self._agreed[0] = True
        elif got.code == CONFIGURE_NAK:
            self.wishes.update({kind: value for kind, value in values.items() if kind in self.wishes})
            self._asked_at = float("-inf")
        elif got.code == CONFIGURE_REJECT:
            self.wishes = {kind: value for kind, value in self.wishes.items() if kind not in values}
            self._asked_at = float("-inf")

    def _answer(self, got: ppp.Packet, values: dict[int, bytes]) -> None:
        judged = {kind: self._judge(kind, value) for kind, value in values.items()}
        refused = {kind: values[kind] for kind, said in judged.items() if said is None or said is False}
        other = {kind: said for kind, said in judged.items() if isinstance(said, bytes)}
        if refused:
            self._send(packet(CONFIGURE_REJECT, got.identifier, options(refused)))
        elif other:
            self._send(packet(CONFIGURE_NAK, got.identifier, options(other)))
        else:
            self.theirs = values
            self._agreed[1] = True
            self._send(packet(ppp.CONFIGURE_ACK, got.identifier, got.body))


class PppClient:
    """A client that takes the address it is given."""

    def __init__(self, user: str = "", password: str = "") -> None:
        self.out = bytearray()
        #: Called with each IPv4 packet.
        self.on_ip: Callable[[bytes], None] = lambda data: None
        #: Every control packet that came, for failures: protocol and packet.
        self.seen: list[tuple[int, ppp.Packet]] = []
        self.terminated = False
        self.lcp = Negotiation(self._sender(ppp.LCP), {2: bytes(4), 5: b"\x56\x4d\x4f\x44"}, self._judge_lcp)
        self.ipcp = Negotiation(self._sender(ppp.IPCP), {3: bytes(4)}, self._judge_ipcp)
        self._user, self._password = user.encode(), password.encode()
        self._deframer = ppp.Deframer()
        self._authenticated = False
        self._asked_at = float("-inf")

    # -- state ---------------------------------------------------------------------------------------------

    @property
    def up(self) -> bool:
        return self.lcp.up and self.ipcp.up

    @property
    def address(self) -> str:
        return str(ipaddress.IPv4Address(self.ipcp.wishes.get(3, bytes(4))))

    @property
    def peer(self) -> str:
        return str(ipaddress.IPv4Address(self.ipcp.theirs.get(3, bytes(4))))

    # -- bytes and time ------------------------------------------------------------------------------------

    def receive(self, data: bytes, now: float) -> None:
        for got in self._deframer.receive(data):
            if got.protocol == IP:
                self.on_ip(got.body)
                continue
            found = ppp.packet(got.body)
            if found is not None:
                self.seen.append((got.protocol, found))
                self._control(got.protocol, found)
        self.tick(now)

    def tick(self, now: float) -> None:
        self.lcp.tick(now)
        if not self.lcp.up:
            return
        if self.lcp.theirs.get(3, b"")[:2] == b"\xc0\x23" and not self._authenticated:
            if now - self._asked_at >= AGAIN_S:
                self._asked_at = now
                who = bytes((len(self._user),)) + self._user + bytes((len(self._password),)) + self._password
                self._send(ppp.PAP, packet(1, 1, who))
            return
        self.ipcp.tick(now)

    def send_ip(self, data: bytes) -> None:
        self._send(IP, data)

    def terminate(self) -> None:
        self._send(ppp.LCP, packet(ppp.TERMINATE_REQUEST, 200))

    def taken(self) -> bytes:
        """What is to be sent now."""
        data = bytes(self.out)
        self.out.clear()
        return data

    # -- packets -------------------------------------------------------------------------------------------

    def _control(self, protocol: int, got: ppp.Packet) -> None:
        if protocol == ppp.LCP and got.code in (1, 2, 3, 4):
            self.lcp.receive(got)
        elif protocol == ppp.LCP and got.code == ECHO_REQUEST:
            self._send(ppp.LCP, packet(ECHO_REPLY, got.identifier, self.lcp.wishes.get(5, bytes(4))))
        elif protocol == ppp.LCP and got.code in (ppp.TERMINATE_REQUEST, TERMINATE_ACK):
            self.terminated = True
            if got.code == ppp.TERMINATE_REQUEST:
                self._send(ppp.LCP, packet(TERMINATE_ACK, got.identifier))
        elif protocol == ppp.IPCP:
            self.ipcp.receive(got)
        elif protocol == ppp.PAP:
            self._authenticated = got.code == 2
        elif protocol != ppp.LCP:
            body = protocol.to_bytes(2, "big") + packet(got.code, got.identifier, got.body)
            self._send(ppp.LCP, packet(PROTOCOL_REJECT, 100, body))

    def _judge_lcp(self, kind: int, value: bytes) -> bytes | bool | None:
        if kind == 3:
            return True if value == b"\xc0\x23" else b"\xc0\x23"
        return True if kind in (1, 2, 5, 7, 8) else None

    def _judge_ipcp(self, kind: int, value: bytes) -> bytes | bool | None:
        if kind != 3:
            return None
        return True if any(value) else ipaddress.IPv4Address(NAMELESS).packed

    def _sender(self, protocol: int) -> Callable[[bytes], None]:
        return lambda data: self._send(protocol, data)

    def _send(self, protocol: int, data: bytes) -> None:
        # Until LCP is up everything is escaped, and its own packets always are (RFC 1662 clause 7).
        accm = 0xFFFFFFFF
        if protocol != ppp.LCP and self.lcp.up:
            accm = int.from_bytes(self.lcp.theirs.get(2, b"\xff" * 4), "big")
        self.out += frame(protocol, data, accm)


class TcpClient:
    """One TCP connection (RFC 9293) that sends one request and takes everything that comes in order."""

    FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16

    def __init__(
        self, send: Callable[[bytes], None], source: str, there: tuple[str, int], request: bytes
    ) -> None:
        self.received = bytearray()
        #: The peer has ended its direction, and everything it sent is here.
        self.finished = False
        self.refused = False
        self._send_ip = send
        self._source, self._there = ipaddress.IPv4Address(source), ipaddress.IPv4Address(there[0])
        self._ports = 40001, there[1]
        self._request = request
        self._sequence = 1000
        self._theirs: int | None = None
        self._asked_at = float("-inf")
        self._acknowledged = False

    def tick(self, now: float) -> None:
        """Begin, and send again what was not answered."""
        if self.finished or self.refused or now - self._asked_at < AGAIN_S:
            return
        self._asked_at = now
        if self._theirs is None:
            self._segment(self.SYN, self._sequence, options=b"\x02\x04\x02\x18")
        elif not self._acknowledged:
            self._segment(self.ACK | self.PSH, self._sequence + 1, self._request)

    def receive(self, data: bytes, now: float) -> None:
        """An IPv4 packet came."""
        if len(data) < 20 or data[0] >> 4 != 4 or data[9] != 6:
            return
        assert checksum(data[: (data[0] & 15) * 4]) == 0, "IPv4 header checksum"
        segment = data[(data[0] & 15) * 4 : int.from_bytes(data[2:4], "big")]
        pseudo = data[12:20] + struct.pack("!BBH", 0, 6, len(segment))
        assert checksum(pseudo + segment) == 0, "TCP checksum"
        there, here, sequence, acknowledged, offset, flags = struct.unpack("!HHIIBB", segment[:14])
        if (here, there) != self._ports:
            return
        payload = segment[(offset >> 4) * 4 :]
        if flags & self.RST:
            self.refused = True
        elif flags & self.SYN and self._theirs is None:
            self._theirs = sequence + 1 & 0xFFFFFFFF
            self._asked_at = float("-inf")
            self.tick(now)
        elif self._theirs is not None:
            self._acknowledged = self._acknowledged or acknowledged == self._sequence + 1 + len(self._request)
            if sequence == self._theirs:
                self.received += payload
                self._theirs = self._theirs + len(payload) & 0xFFFFFFFF
                if flags & self.FIN:
                    self._theirs = self._theirs + 1 & 0xFFFFFFFF
                    self.finished = True
            if payload or flags & self.FIN:
                last = self.FIN if self.finished else 0
                self._segment(self.ACK | last, self._sequence + 1 + len(self._request))

    def _segment(self, flags: int, sequence: int, payload: bytes = b"", options: bytes = b"") -> None:
        header = struct.pack(
            "!HHIIBBHHH",
            *self._ports,
            sequence,
            self._theirs or 0,
            (20 + len(options)) // 4 << 4,
            flags,
            4096,
            0,
            0,
        )
        segment = bytearray(header + options + payload)
        ends = self._source.packed + self._there.packed
        segment[16:18] = checksum(ends + struct.pack("!BBH", 0, 6, len(segment)) + segment).to_bytes(2, "big")
        ip = bytearray(struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(segment), 1, 0, 64, 6, 0) + ends)
        ip[10:12] = checksum(bytes(ip)).to_bytes(2, "big")
        self._send_ip(bytes(ip) + bytes(segment))


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF
