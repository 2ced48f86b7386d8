"""Marks among received bytes, however they are cut."""

from __future__ import annotations

import random

from vmodem.port.marks import Mark, MarkReader


def read(*chunks: bytes) -> list[bytes | Mark]:
    reader = MarkReader()
    return [item for chunk in chunks for item in reader.receive(chunk)]


def joined(items: list[bytes | Mark]) -> list[bytes | Mark]:
    found: list[bytes | Mark] = []
    for item in items:
        assert item
        if isinstance(item, bytes) and found and isinstance(found[-1], bytes):
            found[-1] += item
        else:
            found.append(item)
    return found


def test_each_kind() -> None:
    assert read(b"abc") == [b"abc"]
    assert read(b"a\xff\xffb") == [b"a\xffb"]
    assert read(b"a\xff\0\0b") == [b"a", Mark.BREAK, b"b"]
    assert read(b"a\xff\0xb") == [b"a", Mark.DAMAGED, b"xb"]
    assert read(b"\xff\0\xff\xff\xff") == [Mark.DAMAGED, b"\xff\xff"]
    assert read(b"\xff\0\0\xff\0\0") == [Mark.BREAK, Mark.BREAK]
    assert read(b"\xff", b"\0", b"\0") == [Mark.BREAK]


def test_a_255_from_before_is_kept() -> None:
    assert joined(read(b"a\xffb", b"\xff", b"c")) == [b"a\xffb\xffc"]


def test_any_cut_means_the_same() -> None:
    chance = random.Random(1)
    for _ in range(300):
        items: list[bytes | Mark] = []
        wire = b""
        for _ in range(chance.randrange(1, 12)):
            kind = chance.randrange(4)
            if kind == 0:
                items.append(Mark.BREAK)
                wire += b"\xff\0\0"
            elif kind == 1:
                damaged = bytes((chance.randrange(1, 256),))
                items += [Mark.DAMAGED, damaged]
                wire += b"\xff\0" + damaged
            else:
                sound = bytes(chance.choice(b"\0ax\xff") for _ in range(chance.randrange(1, 5)))
                items.append(sound)
                wire += sound.replace(b"\xff", b"\xff\xff")
        cuts = sorted(chance.randrange(len(wire) + 1) for _ in range(chance.randrange(5)))
        chunks = [wire[a:b] for a, b in zip([0, *cuts], [*cuts, len(wire)], strict=True) if a < b]
        assert joined(read(*chunks)) == joined(items), (wire, chunks)
