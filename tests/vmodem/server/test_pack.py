"""What belongs together leaves together, and nothing waits longer than it was told to."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from vmodem.server.pack import BULK, Packer
from vmodem.server.rules import PackRules


def packer(clock: Clock, character_s: float = 0.001, **rules: object) -> tuple[Packer, list[bytes]]:
    sent: list[bytes] = []
    return Packer(clock, PackRules(**rules), lambda: character_s, sent.append), sent  # type: ignore[arg-type]


def test_usual_silence_is_two_characters_within_bounds() -> None:
    for character_s, silence in ((0.001, 0.002), (0.0, 0.001), (0.00001, 0.001), (0.1, 0.02)):
        clock = Clock()
        made, sent = packer(clock, character_s)
        made.take(b"a")
        clock.advance(silence * 0.9)
        made.take(b"b")
        clock.advance(silence * 0.9)
        assert sent == []
        clock.advance(silence * 0.11)
        assert sent == [b"ab"]
        assert not clock.getDelayedCalls()


def test_bulk_does_not_wait_by_default() -> None:
    clock = Clock()
    made, sent = packer(clock)
    made.take(bytes(BULK))
    assert sent == [bytes(BULK)]
    made.take(b"a")
    made.take(bytes(BULK))
    assert sent == [bytes(BULK), b"a" + bytes(BULK)]
    assert not clock.getDelayedCalls()


def test_age_counts_from_the_first_byte() -> None:
    clock = Clock()
    made, sent = packer(clock, idle=0.1, max_age=0.25)
    for _ in range(5):
        made.take(b"x")
        clock.advance(0.06)
    assert sent == [b"xxxxx"]


def test_size_delimiter_and_what_follows_it() -> None:
    clock = Clock()
    made, sent = packer(clock, idle=0.0, max_size=4, delimiter=b"\r\n", after=1)
    made.take(b"ab\r")
    made.take(b"\n")
    assert sent == [b"ab\r\n"]  # the size comes first
    made.take(b"c\r\n")
    assert sent == [b"ab\r\n"]
    made.take(b"!defgh")
    assert sent == [b"ab\r\n", b"c\r\n!", b"defg"]
    made.flush()
    assert sent[-1] == b"h"
    stripped, sent = packer(clock, idle=0.0, delimiter=b"\r", after=1, strip=True)
    stripped.take(b"1\ra2\rb\r")
    assert sent == [b"1a", b"2b"]
    stripped.clear()
    assert not clock.getDelayedCalls()


def test_all_off_passes_everything_at_once() -> None:
    clock = Clock()
    made, sent = packer(clock, idle=0.0)
    made.take(b"a")
    made.take(b"bc")
    assert sent == [b"a", b"bc"]


@given(
    st.lists(st.tuples(st.binary(min_size=1, max_size=300), st.floats(0, 0.1)), max_size=30),
    st.sampled_from([None, 0.0, 0.01]),
    st.sampled_from([0.0, 0.05]),
    st.integers(0, 7),
    st.sampled_from([b"", b"\x00", b"ab", b"\x00\x00"]),
    st.integers(0, 2),
)
def test_never_loses_or_reorders(
    chunks: list[tuple[bytes, float]],
    idle: float | None,
    max_age: float,
    max_size: int,
    delimiter: bytes,
    after: int,
) -> None:
    clock = Clock()
    made, sent = packer(
        clock, idle=idle, max_age=max_age, max_size=max_size, delimiter=delimiter, after=after
    )
    for data, pause in chunks:
        made.take(data)
        clock.advance(pause)
    made.flush()
    assert b"".join(sent) == b"".join(data for data, _ in chunks)
    assert all(sent)
    if max_size:
        assert all(len(packet) <= max_size for packet in sent)
    assert not clock.getDelayedCalls()
