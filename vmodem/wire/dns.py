"""DNS messages (RFC 1035 clause 4): one question out, the answers that matter in.

Read are A, AAAA (RFC 3596), CNAME, SRV (RFC 2782) and NAPTR (RFC 3403); other records are passed over.
Names are text in presentation form without the last dot, what is no printable ASCII written ``\\DDD`` and a
dot or a backslash within a label escaped, as in a zone file.  Whatever arrives is taken for hostile: a name
has at most 255 bytes and its pointers are counted, so that no message takes long to read.

What does not belong here: sockets, time-outs, and which answer is believed.
"""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass
from typing import Final

A: Final = 1
CNAME: Final = 5
AAAA: Final = 28
SRV: Final = 33
NAPTR: Final = 35
_IN: Final = 1

#: RCODE values (RFC 1035 clause 4.1.1).
NO_ERROR: Final = 0
NAME_ERROR: Final = 3
#: What people are told of the others.
RCODES: Final = {
    1: "the name server did not understand the question",
    2: "the name server failed",
    4: "the name server does not do that",
    5: "the name server refused",
}
#: Longest name and label in bytes (RFC 1035 clause 2.3.4).
NAME_LIMIT: Final = 255
LABEL_LIMIT: Final = 63
#: Pointers within one name that are followed: one for each label is more than any server writes.
POINTERS: Final = NAME_LIMIT // 2
#: Records of one message that are looked at.
RECORDS: Final = 256
#: Links of a chain of aliases that are followed.
ALIASES: Final = 16
_HEADER: Final = struct.Struct("!6H")


class DnsError(ValueError):
    """A message that cannot be read, or a name that cannot be asked for; the text is for people."""


@dataclass(frozen=True)
class Naptr:
    """A rule (RFC 3403 clause 4.1)."""

    order: int
    preference: int
    flags: str
    service: str
    regexp: str
    replacement: str = ""


@dataclass(frozen=True)
class Srv:
    """Where a service is (RFC 2782)."""

    priority: int
    weight: int
    port: int
    #: A host name; "" says that the service is decidedly not available.
    target: str


@dataclass(frozen=True)
class Address:
    """The value of an A or AAAA record."""

    ip: ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True)
class Alias:
    """The value of a CNAME record."""

    target: str


Value = Address | Alias | Naptr | Srv


@dataclass(frozen=True)
class Record:
    """One resource record; ``name`` in lower case."""

    name: str
    kind: int
    #: How long it may be kept, in seconds.
    ttl: int
    value: Value


@dataclass(frozen=True)
class Answer:
    """A message from a server, as far as it matters."""

    id: int
    #: The question repeated: the name in lower case, and the type.
    question: tuple[str, int]
    truncated: bool
    rcode: int
    records: tuple[Record, ...]

    def values(self, kind: int) -> list[Value]:
        """The records of a type that belong to the name asked for, aliases followed (RFC 1034 clause 3.6.2).
        Empty when there are none, or when the aliases go in a circle."""
        name = self.question[0]
        aliases = {each.name: each.value.target for each in self.records if isinstance(each.value, Alias)}
        for _ in range(ALIASES):
            found = [each.value for each in self.records if each.name == name and each.kind == kind]
            if found or name not in aliases:
                return found
            name = aliases[name].lower()
        return []


def query(number: int, name: str, kind: int) -> bytes:
    """A question, recursion desired.  ``number`` is the message's id, ``kind`` the record type.  Raises
    :class:`DnsError` for a name that cannot be one."""
    return _HEADER.pack(number, 0x0100, 1, 0, 0, 0) + encode_name(name) + struct.pack("!2H", kind, _IN)


def encode_name(name: str) -> bytes:
    """A name as it goes over the wire.  Raises :class:`DnsError`.

    Other than ASCII is encoded as in IDNA; a backslash takes its meaning away from a dot, and with three
    digits stands for a byte.
    """
    if not name.isprintable():
        raise DnsError("not a host name")
    try:
        labels = _labels(name if name.isascii() else name.encode("idna").decode("ascii"))
    except UnicodeError:
        raise DnsError("not a host name") from None
    if not all(1 <= len(label) <= LABEL_LIMIT for label in labels):
        raise DnsError(f"a name has parts of 1 to {LABEL_LIMIT} characters")
    wire = b"".join(bytes((len(label),)) + label for label in labels) + b"\0"
    if len(wire) > NAME_LIMIT:
        raise DnsError("the name is too long for DNS")
    return wire


def printable_name(name: str) -> str:
    """How a name asked for looks in an answer."""
    return _Reader(encode_name(name)).name().lower()


def _labels(name: str) -> list[bytes]:
    labels = [bytearray()]
    at = 0
    while at < len(name):
        char = name[at]
        at += 1
        if char == ".":
            labels.append(bytearray())
        elif char != "\\":
            labels[-1] += char.encode("ascii")
        elif len(code := name[at : at + 3]) == 3 and code.isdigit() and int(code) < 256:
            labels[-1].append(int(code))
            at += 3
        else:
            labels[-1] += name[at : at + 1].encode("ascii")
            at += 1
    if len(labels) > 1 and not labels[-1]:
        labels.pop()
    return [bytes(label) for label in labels]


def parse(data: bytes) -> Answer:
    """Read a server's message.  Raises :class:`DnsError`."""
    reader = _Reader(data)
    number, flags, questions, answers, _, _ = _HEADER.unpack(reader.take(_HEADER.size))
    if not flags & 0x8000 or questions != 1:
        raise DnsError("not an answer to one question")
    name = reader.name().lower()
    kind, _ = struct.unpack("!2H", reader.take(4))
    truncated = bool(flags & 0x0200)
    records: list[Record] = []
    try:
        for _ in range(min(answers, RECORDS)):
            record = reader.record()
            if record is not None:
                records.append(record)
    except DnsError:
        if not truncated:
            raise
    return Answer(number, (name, kind), truncated, flags & 15, tuple(records))


class _Reader:
    """A place in a message."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        taken = self._data[self._at : self._at + count]
        if len(taken) != count:
            raise DnsError("the message ends too early")
        self._at += count
        return taken

    def name(self) -> str:
        """A name, compressed or not (RFC 1035 clause 4.1.4)."""
        labels: list[str] = []
        length, floor, back, jumps = 1, self._at, -1, 0
        while size := self.take(1)[0]:
            if size >= 0xC0:
                pointer = (size & 0x3F) << 8 | self.take(1)[0]
                jumps += 1
                if pointer >= floor or jumps > POINTERS:
                    raise DnsError("a name points nowhere")
                if back < 0:
                    back = self._at
                floor = self._at = pointer
                continue
            length += size + 1
            if size > LABEL_LIMIT or length > NAME_LIMIT:
                raise DnsError("a name is too long")
            labels.append(_presented(self.take(size)))
        if back >= 0:
            self._at = back
        return ".".join(labels)

    def text(self) -> str:
        """A character string; what is not UTF-8 is escaped."""
        return self.take(self.take(1)[0]).decode("utf-8", "backslashreplace")

    def record(self) -> Record | None:
        name = self.name().lower()
        kind, group, ttl, length = struct.unpack("!2HIH", self.take(10))
        end = self._at + length
        if end > len(self._data):
            raise DnsError("a record ends too late")
        value = self._value(kind, length) if group == _IN else None
        if value is not None and self._at != end:
            raise DnsError("a record has another length than it says")
        self._at = end
        return None if value is None else Record(name, kind, min(ttl, 0x7FFFFFFF), value)

    def _value(self, kind: int, length: int) -> Value | None:
        if kind in (A, AAAA):
            if length != (4 if kind == A else 16):
                raise DnsError("an address has the wrong length")
            data = self.take(length)
            return Address(ipaddress.IPv4Address(data) if kind == A else ipaddress.IPv6Address(data))
        if kind == CNAME:
            return Alias(self.name())
        if kind == SRV:
            priority, weight, port = struct.unpack("!3H", self.take(6))
            return Srv(priority, weight, port, self.name())
        if kind == NAPTR:
            order, preference = struct.unpack("!2H", self.take(4))
            return Naptr(order, preference, self.text(), self.text(), self.text(), self.name())
        return None


def _presented(label: bytes) -> str:
    """A label as a zone file would have it (RFC 1035 clause 5.1)."""
    shown = ""
    for byte in label:
        if byte in b".\\":
            shown += "\\" + chr(byte)
        else:
            shown += chr(byte) if 0x20 < byte < 0x7F else f"\\{byte:03d}"
    return shown
