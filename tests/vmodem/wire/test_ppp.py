"""PPP frames and packets as somebody in between reads them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.ppp import frame, packet
from tests.helpers.ppp import options as as_options
from vmodem.wire import ppp
from vmodem.wire.ppp import Deframer, Frame, Packet, fcs16, options

# An LCP Configure-Request as slirp sends it, everything below 20 escaped.
REQUEST = bytes.fromhex("7eff7d23c0217d217d217d207d327d217d247d25dc7d257d26bd7d2640797d277d227d287d222e757e")
BODY = bytes.fromhex("01010012010405dc0506bd06407907020802")


def test_a_request_as_it_came() -> None:
    """Recorded; flags are shared, and what comes before the first one is nobody's."""
    assert Deframer().receive(b"SLiRP Ready ...\r\n" + REQUEST) == [Frame(ppp.LCP, BODY)]
    assert ppp.packet(BODY) == Packet(1, 1, BODY[4:])
    assert options(BODY[4:]) == {1: b"\x05\xdc", 5: b"\xbd\x06\x40\x79", 7: b"", 8: b""}


def test_checksum() -> None:
    """The check value of the polynomial's catalogue (CRC-16/IBM-SDLC)."""
    assert fcs16(b"123456789") ^ 0xFFFF == 0x906E
    assert fcs16(b"6789", fcs16(b"12345")) ^ 0xFFFF == 0x906E


def raw(data: bytes) -> bytes:
    """``data`` between flags with its checksum, nothing in front of it."""
    return b"~" + data + (fcs16(data) ^ 0xFFFF).to_bytes(2, "little") + b"~"


def test_compressed_headers() -> None:
    for data in (b"\xff\x03\xc0\x21abcd", b"\xc0\x21abcd"):
        assert Deframer().receive(raw(data)) == [Frame(ppp.LCP, b"abcd")]
    for data in (b"\xff\x03\x00\x21E", b"\x00\x21E", b"\x21E"):
        assert Deframer().receive(raw(data))[0].body == b"E"


@pytest.mark.parametrize(
    "data",
    [
        b"~~~~",
        b"~}~",
        b"~\xff\x03\xc0\x21abcd~",  # no checksum
        REQUEST[:-1] + b"}~",  # given up by its sender
        REQUEST[:9] + b"x" + REQUEST[10:],
        raw(b""),
        raw(b"\xff\x03"),
        raw(b"\xff\x03\xc0"),
    ],
)
def test_what_is_no_frame(data: bytes) -> None:
    assert Deframer().receive(data) == []


def test_a_frame_too_long_is_passed_over_and_not_kept() -> None:
    deframer = Deframer(limit=100)
    assert deframer.receive(b"~" + b"x" * 60) == []
    for _ in range(50):
        assert deframer.receive(b"y" * 60) == []
        assert len(deframer._kept) <= 100
    assert deframer.receive(REQUEST) == [Frame(ppp.LCP, BODY)]
    assert deframer.receive(b"z" * 200 + REQUEST + b"z" * 200) == [Frame(ppp.LCP, BODY)]


@given(st.lists(st.binary(max_size=60), max_size=5), st.data())
def test_any_chunking(bodies: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(frame(ppp.IPCP, body) for body in bodies)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    deframer = Deframer()
    found = []
    for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += deframer.receive(stream[begin:end])
    assert found == [Frame(ppp.IPCP, body) for body in bodies]


@given(st.binary(max_size=300))
def test_nothing_raises(data: bytes) -> None:
    for got in Deframer().receive(b"~" + data + b"~" + raw(data)):
        ppp.packet(got.body)
    ppp.packet(data)
    options(data)


def test_packets() -> None:
    assert ppp.packet(packet(9, 7, b"abcd") + b"padding") == Packet(9, 7, b"abcd")
    for wrong in (b"", b"\x01\x01\x00", b"\x01\x01\x00\x03", b"\x01\x01\x00\x05"):
        assert ppp.packet(wrong) is None


def test_options() -> None:
    assert options(b"") == {}
    assert options(as_options({3: b"\x0a\x00\x02\x0f", 2: b""})) == {3: b"\x0a\x00\x02\x0f", 2: b""}
    assert options(b"\x03\x03a\x03\x03b") == {3: b"a"}
    for wrong in (b"\x03", b"\x03\x00", b"\x03\x01", b"\x03\x04a", b"\x03\x02\x05"):
        assert options(wrong) is None
