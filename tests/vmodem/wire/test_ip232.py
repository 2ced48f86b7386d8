"""ip232, without a network."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.vmodem.wire.chunks import cut, cuts, feed
from vmodem.wire.events import Data, Ignored
from vmodem.wire.ip232 import DtrSet, Ip232Modem


def test_data() -> None:
    codec = Ip232Modem()
    assert codec.passes(b"ATZ\r")
    assert codec.receive(b"ATZ\r") == [Data(b"ATZ\r")]
    assert codec.receive(b"") == []
    assert codec.receive(b"\xff\xffa\xff\xff\xff\xff") == [Data(b"\xffa\xff\xff")]
    assert codec.encode(b"\xffa\xff\xff") == b"\xff\xffa\xff\xff\xff\xff"
    plain = b"CONNECT\r\n"
    assert codec.encode(plain) is plain


def test_dtr() -> None:
    codec = Ip232Modem()
    assert codec.receive(b"\xff\x01A\xff\x00\xff\x07B") == [
        DtrSet(True),
        Data(b"A"),
        DtrSet(False),
        Ignored("ip232 escape FF 07"),
        Data(b"B"),
    ]


def test_a_pair_may_be_split() -> None:
    codec = Ip232Modem()
    assert codec.receive(b"a\xff") == [Data(b"a")]
    assert not codec.passes(b"x")
    assert codec.receive(b"\xffb") == [Data(b"\xffb")]
    assert codec.receive(b"\xff") == []
    assert codec.receive(b"\x01") == [DtrSet(True)]
    assert codec.passes(b"x")


@pytest.mark.parametrize(
    ("dcd", "ri", "wire"),
    [(True, False, "ff01"), (False, True, "ff02"), (True, True, "ff03"), (False, False, "")],
)
def test_circuits_are_sent_on_change_only(dcd: bool, ri: bool, wire: str) -> None:
    codec = Ip232Modem()
    assert codec.circuits(dcd, ri).hex() == wire
    assert codec.circuits(dcd, ri) == b""
    assert codec.circuits(False, False).hex() == ("ff00" if wire else "")


@given(st.data())
def test_any_chunking_means_the_same(draw: st.DataObject) -> None:
    pieces = st.one_of(
        st.binary(max_size=6), st.sampled_from([b"\xff", b"\xff\xff", b"\xff\x00", b"\xff\x01"])
    )
    stream = b"".join(draw.draw(st.lists(pieces, max_size=15)))
    chunks = cut(stream, draw.draw(cuts(len(stream))))
    assert feed(Ip232Modem().receive, chunks) == feed(Ip232Modem().receive, [stream] if stream else [])


@given(st.data())
def test_all_bytes_are_transparent(draw: st.DataObject) -> None:
    plain = draw.draw(st.lists(st.sampled_from([b"\xff", b"\0", b"\x01", bytes(range(256))]), max_size=20))
    wire = b"".join(map(Ip232Modem().encode, plain))
    got = feed(Ip232Modem().receive, cut(wire, draw.draw(cuts(len(wire)))))
    assert got == ([Data(b"".join(plain))] if plain else [])


def test_a_flood() -> None:
    codec = Ip232Modem()
    for _ in range(150):
        assert codec.receive(b"\xff" * 65536) == [Data(b"\xff" * 32768)]
    assert codec.receive(b"\xff\x01" * 1000) == [DtrSet(True)] * 1000
