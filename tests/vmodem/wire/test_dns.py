"""DNS messages; Twisted's own encoder says what they look like."""

from __future__ import annotations

import struct
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.names import dns as theirs

from vmodem.wire.dns import (
    AAAA,
    CNAME,
    NAPTR,
    SRV,
    A,
    Address,
    Alias,
    Answer,
    DnsError,
    Naptr,
    Srv,
    encode_name,
    parse,
    printable_name,
    query,
)


def message(*payloads: Any, name: str = "host.example", kind: int = A) -> bytes:
    made = theirs.Message(77, answer=1)
    made.queries = [theirs.Query(name, kind)]
    made.answers = [theirs.RRHeader(name, each.TYPE, ttl=60, payload=each) for each in payloads]
    made.maxSize = 0
    return made.toStr()


def test_question() -> None:
    question = theirs.Message()
    question.fromStr(query(4711, "4.3.e164.example.", NAPTR))
    assert (question.id, question.recDes, question.answer) == (4711, 1, 0)
    assert [(str(each.name), each.type, each.cls) for each in question.queries] == [
        ("4.3.e164.example", NAPTR, 1)
    ]


@pytest.mark.parametrize(
    ("payload", "kind", "value"),
    [
        (theirs.Record_A("192.0.2.1"), A, "192.0.2.1"),
        (theirs.Record_AAAA("2001:db8::1"), AAAA, "2001:db8::1"),
        (theirs.Record_SRV(1, 2, 3, "Target.example"), SRV, Srv(1, 2, 3, "Target.example")),
        (theirs.Record_SRV(1, 2, 3, ""), SRV, Srv(1, 2, 3, "")),
        (
            theirs.Record_NAPTR(1, 2, b"u", b"E2U+x", b"!\xff!\xc3\xa4!", b"next.example"),
            NAPTR,
            Naptr(1, 2, "u", "E2U+x", "!\\xff!\u00e4!", "next.example"),
        ),
        (theirs.Record_CNAME("other.example"), CNAME, Alias("other.example")),
    ],
)
def test_records(payload: Any, kind: int, value: Any) -> None:
    answer = parse(message(theirs.Record_TXT(b"passed over"), payload, kind=kind))
    assert (answer.id, answer.question, answer.rcode) == (77, ("host.example", kind), 0)
    (found,) = answer.values(kind)
    assert (str(found.ip) if isinstance(found, Address) else found) == value


def test_names_are_compared_whatever_their_case() -> None:
    answer = parse(message(theirs.Record_A("192.0.2.1"), name="HOST.example"))
    assert answer.question == (printable_name("host.Example."), A)
    assert answer.values(A)


def test_printable_names() -> None:
    """A dot within a label is no end of it, and a control character is never shown."""
    wire = b"\x03a.b\x04\x1b[2m\x01\\\x00"
    data = struct.pack("!6H", 1, 0x8000, 1, 0, 0, 0) + wire + struct.pack("!2H", A, 1)
    name = parse(data).question[0]
    assert name == "a\\.b.\\027[2m.\\\\"
    assert encode_name(name) == wire


@pytest.mark.parametrize("name", ["", ".", "..", "a..b", "a" * 64, "a." * 128, "\u00e4" * 64, "a\0", "a\n"])
def test_no_names(name: str) -> None:
    with pytest.raises(DnsError):
        encode_name(name)


@pytest.mark.parametrize(
    "spoilt",
    [
        b"\xc0\x0c" + b"\0\1\0\1",  # itself
        b"\xc0\x20" + b"\0\1\0\1" + b"\1a\0" * 20,  # forwards
        b"\x40" + b"a" * 64 + b"\0\0\1\0\1",  # reserved
        (b"\x3f" + b"a" * 63) * 4 + b"\0\0\1\0\1",  # 256 bytes
        b"\x3fa",
    ],
)
def test_spoilt_names(spoilt: bytes) -> None:
    with pytest.raises(DnsError):
        parse(struct.pack("!6H", 1, 0x8000, 1, 0, 0, 0) + spoilt)


def test_no_message_takes_long() -> None:
    """Names made of pointers to pointers, in as many records as fit."""
    header = struct.pack("!6H", 1, 0x8000, 1, 0xFFFF, 0, 0)
    labels = b"\x3f" * 8000
    pointers = b"".join(struct.pack("!H", 0xC000 | 12 + len(labels) + 2 * n) for n in range(3000))
    tail = struct.pack("!H", 0xC000 | 12 + 4) + struct.pack("!2H", A, 1)
    records = (b"\xff\xfe" + struct.pack("!2HIH", A, 1, 0, 4) + b"\0\0\0\0") * 2000
    for body in (tail + labels + pointers + records, b"\0\0\1\0\1" + labels + pointers + records):
        began = time.process_time()
        try:
            parse(header + body)
        except DnsError:
            pass
        assert time.process_time() - began < 0.2


def test_truncated_message_is_read_as_far_as_it_goes() -> None:
    whole = bytearray(message(theirs.Record_A("192.0.2.1"), theirs.Record_A("192.0.2.2")))
    with pytest.raises(DnsError):
        parse(bytes(whole[:-3]))
    whole[2] |= 2
    answer = parse(bytes(whole[:-3]))
    assert answer.truncated
    assert len(answer.records) == 1


@given(st.binary(max_size=200), st.integers(0, 60))
def test_any_bytes(noise: bytes, at: int) -> None:
    good = message(theirs.Record_SRV(1, 2, 3, "Target.example"), theirs.Record_CNAME("x.example"), kind=SRV)
    for data in (noise, good[:at] + noise + good[at + len(noise) :], good[:at]):
        try:
            answer = parse(data)
        except DnsError:
            continue
        assert isinstance(answer, Answer)
        answer.values(SRV)
