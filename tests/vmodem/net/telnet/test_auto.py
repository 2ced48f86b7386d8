"""Telnet or raw bytes by themselves: the right choice, and no byte lost on the way to it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from tests.helpers.ends import MemoryEnd, Watching
from vmodem.net.stream import Cause, Ending
from vmodem.net.telnet.auto import SILENCE_S, AutoStream
from vmodem.net.telnet.stream import Role
from vmodem.wire.telnet import BINARY, BRK, DO, IAC, SGA, WILL

RESET = Ending(Cause.RESET, "reset")


def words(*codes: int) -> bytes:
    return bytes((IAC, *codes))


class One:
    def __init__(self, role: Role = Role.SERVER, room: int = 1 << 30) -> None:
        self.clock = Clock()
        self.below = MemoryEnd(room)
        self.stream = AutoStream(self.clock, self.below, role)
        self.user = Watching(self.stream)

    def dispose(self) -> None:
        self.stream.close(0.0)
        assert not self.clock.getDelayedCalls()


@given(st.binary(min_size=1, max_size=20).filter(lambda data: data[0] != IAC), st.booleans())
def test_anything_but_iac_first_is_raw(data: bytes, whole: bool) -> None:
    end = One()
    for chunk in [data] if whole else [data[at : at + 1] for at in range(len(data))]:
        end.below.put(chunk)
    end.below.put(words(DO, BINARY))
    assert end.user.data == data + words(DO, BINARY)
    assert end.stream.speaks_telnet is False
    end.stream.write(b"\xff")
    assert end.below.take() == b"\xff"
    end.dispose()


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("whole", [True, False])
def test_negotiation_first_is_telnet(role: Role, whole: bool) -> None:
    end = One(role)
    text = words(WILL, BINARY) + b"a\xff\xffb" + words(BRK) + b"\r\0"
    for chunk in [text] if whole else [text[at : at + 1] for at in range(len(text))]:
        end.below.put(chunk)
    assert end.stream.speaks_telnet is True
    assert end.user.story == [b"a\xffb", "break", b"\r\0"]
    assert words(DO, SGA) in end.below.take()
    end.below.put(words(DO, BINARY))
    end.below.take()
    end.stream.write(b"\xff\r")
    assert end.below.take() == b"\xff\xff\r"
    end.stream.send_break(0.1, False)
    assert end.below.take() == words(BRK)
    end.dispose()


@pytest.mark.parametrize("first", [b"\xff\xff", b"\xff\x00", b"\xff\xf1"])
def test_iac_and_something_else_is_raw(first: bytes) -> None:
    end = One()
    end.below.put(first[:1])
    assert end.stream.speaks_telnet is None
    end.below.put(first[1:])
    assert end.stream.speaks_telnet is False
    assert end.user.data == first
    end.dispose()


def test_silence_is_raw() -> None:
    end = One()
    end.clock.advance(SILENCE_S)
    assert end.stream.speaks_telnet is False
    end.below.put(words(WILL, BINARY))
    assert end.user.data == words(WILL, BINARY)
    end.dispose()


def test_a_lone_iac_and_silence_is_raw_and_not_lost() -> None:
    end = One()
    end.below.put(b"\xff")
    end.clock.advance(SILENCE_S)
    end.clock.advance(0)
    end.below.put(b"\xfb")
    assert end.user.data == b"\xff\xfb"
    end.dispose()


def test_who_speaks_first_makes_it_raw() -> None:
    end = One()
    end.stream.write(b"\xffhello")
    assert end.below.take() == b"\xffhello"
    end.below.put(words(WILL, BINARY))
    assert end.user.data == words(WILL, BINARY)
    end.dispose()


def test_speaking_after_a_lone_iac_loses_nothing() -> None:
    end = One()
    end.below.put(b"\xff")
    end.stream.write(b"hello")
    assert end.user.data == b""  # not in the middle of writing
    assert not end.below.reading
    end.clock.advance(0)
    end.below.put(b"\xfe")
    assert end.user.data == b"\xff\xfe"
    assert end.below.take() == b"hello"
    end.dispose()


def test_silence_counts_while_somebody_listens() -> None:
    end = One()
    end.stream.pause()
    end.clock.advance(SILENCE_S * 2)
    assert not end.below.reading
    end.stream.resume()
    end.below.put(words(WILL, BINARY))
    assert end.stream.speaks_telnet is True
    end.dispose()


def test_a_pause_holds_what_waits() -> None:
    end = One()
    end.below.put(b"\xff")
    end.stream.write(b"hello")
    end.stream.pause()
    end.clock.advance(1)
    assert end.user.data == b""
    end.stream.resume()
    end.clock.advance(0)
    assert end.user.data == b"\xff"
    end.below.put(b"more")
    assert end.user.data == b"\xffmore"
    end.dispose()


def test_the_end_of_a_raw_peer_comes_after_its_bytes() -> None:
    end = One()
    end.below.put(b"\xff")
    end.below.end(RESET)
    assert end.user.data == b"\xff"
    assert end.user.endings == [RESET]
    end.dispose()


def test_an_end_without_a_byte() -> None:
    end = One()
    end.below.end(RESET)
    assert end.user.endings == [RESET]
    end.dispose()


@pytest.mark.parametrize("how", ["close", "abort"])
def test_no_timer_outlives_it(how: str) -> None:
    end = One()
    end.below.put(b"\xff")
    end.stream.abort() if how == "abort" else end.stream.close(1.0)
    assert end.below.did == [how]
    assert not end.clock.getDelayedCalls()
    end.stream.write(b"x")
    end.stream.pause()
    end.stream.resume()
    assert not end.clock.getDelayedCalls()


def test_turned_away_before_it_started() -> None:
    below = MemoryEnd()
    stream: Any = AutoStream(Clock(), below, Role.SERVER)
    stream.write(b"BUSY\r\n")
    stream.close(2.0)
    assert below.take() == b"BUSY\r\n"
    assert below.did == ["close"]


def test_back_pressure_goes_through() -> None:
    end = One(room=2)
    end.below.put(b"raw")
    end.stream.write(b"12345")
    assert end.user.blocked
    assert end.stream.backlog == 3
    end.below.take()
    assert not end.user.blocked
    end.stream.pause()
    assert not end.below.reading
    end.stream.resume()
    assert end.below.reading
    end.dispose()
