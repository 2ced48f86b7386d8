"""Circuits, counts and queues of a port: the system calls that are made, and a device that has none."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import termios
import tty
from collections.abc import Iterator
from typing import Any

import pytest

from vmodem.tty.circuits import CTS, DTR, RTS
from vmodem.tty.uart import Counts, Uart

OUT1 = 0x2000


@pytest.fixture
def pair() -> Iterator[tuple[int, int]]:
    far, near = os.openpty()
    tty.setraw(near)
    yield far, near
    os.close(far)
    os.close(near)


class Kernel:
    """Answers in the kernel's place."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, Any]] = []
        self.lines = DTR | OUT1 | CTS
        self.error: int | None = None

    def ioctl(self, fd: int, request: int, argument: Any = b"") -> bytes:
        if self.error is not None:
            raise OSError(self.error, os.strerror(self.error))
        self.asked.append((request, argument))
        if request == termios.TIOCMGET:
            return struct.pack("i", self.lines)
        if request == 0x545D:
            return struct.pack("20i", *range(1, 12), *[0] * 9)
        if request == 0x5459:
            return struct.pack("i", 1)
        return bytes(argument)


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    made = Kernel()
    monkeypatch.setattr(fcntl, "ioctl", made.ioctl)
    return made


def test_both_circuits_in_one_call(kernel: Kernel) -> None:
    uart = Uart(0)
    uart.drive(RTS, DTR)
    assert kernel.asked[1:] == [(0x5418, struct.pack("i", RTS | OUT1 | CTS))]
    kernel.asked.clear()
    uart.drive(RTS | DTR, 0)
    uart.drive(0, RTS | DTR)
    assert kernel.asked == [
        (termios.TIOCMBIS, struct.pack("i", RTS | DTR)),
        (termios.TIOCMBIC, struct.pack("i", RTS | DTR)),
    ]
    kernel.asked.clear()
    uart.drive(0, 0)
    assert kernel.asked == []


def test_counts(kernel: Kernel) -> None:
    assert Uart(0).counts() == Counts(
        cts=1, dsr=2, ri=3, cd=4, framing=7, overrun=8 + 11, parity=9, breaks=10
    )
    assert Uart(0).transmitter_empty() is True


def test_low_latency(kernel: Kernel) -> None:
    assert Uart(0).low_latency()
    request, told = kernel.asked[-1]
    assert request == 0x541F
    assert struct.unpack_from("i", told, 16) == (1 << 13,)
    kernel.error = errno.EPERM
    assert not Uart(0).low_latency()


def test_a_device_that_is_gone(kernel: Kernel) -> None:
    kernel.error = errno.EIO
    uart = Uart(0)
    for ask in (uart.lines, uart.counts, uart.queued, uart.transmitter_empty, lambda: uart.drive(DTR, 0)):
        with pytest.raises(OSError, match=os.strerror(errno.EIO)):
            ask()
    uart.set_break(False)


def test_a_pseudo_terminal_has_none_of_it(pair: tuple[int, int]) -> None:
    far, near = pair
    uart = Uart(near)
    assert uart.lines() is uart.counts() is uart.transmitter_empty() is None
    assert uart.queued() == 0
    assert not uart.low_latency()
    uart.drive(DTR, RTS)
    uart.drive(DTR, 0)
    uart.set_break(True)
    os.set_blocking(near, False)
    os.write(far, b"away")
    uart.flush(True, True)
    uart.stop_output(True)
    with pytest.raises(BlockingIOError):
        os.write(near, b"x")
    uart.stop_output(False)
    os.write(near, b"x")
    assert os.read(far, 10) == b"x"
    with pytest.raises(BlockingIOError):
        os.read(near, 10)
