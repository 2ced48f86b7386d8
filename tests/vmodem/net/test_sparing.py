"""Pauses between things that do harm when they are begun too often."""

from __future__ import annotations

from twisted.internet.task import Clock

from vmodem.net.sparing import Sparing


def test_pauses_grow_and_are_forgotten() -> None:
    clock = Clock()
    sparing = Sparing(clock.seconds, (10, 30, 60))
    sparing.ended()  # it had not begun
    assert sparing.left == 0
    for pause in (10, 30, 60, 60):
        sparing.begun()
        clock.advance(5)
        sparing.ended()
        sparing.ended()
        assert sparing.left == pause
        clock.advance(pause - 1)
        assert sparing.left == 1
        clock.advance(1000)
        assert sparing.left == 0
    sparing.begun()
    clock.advance(61)
    sparing.ended()
    assert sparing.left == 10


def test_without_pauses() -> None:
    clock = Clock()
    sparing = Sparing(clock.seconds)
    sparing.begun()
    sparing.ended()
    assert sparing.left == 0
