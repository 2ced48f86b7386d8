"""The line that tests use behaves as the real ones do."""

from __future__ import annotations

from vmodem.line.base import Circuit
from vmodem.line.memory import MemoryLine

from .conftest import User


def started() -> tuple[MemoryLine, User]:
    line = MemoryLine(rate=2400)
    user = User(line)
    line.start(user)
    return line, user


def test_nobody_there() -> None:
    line, user = started()
    line.write(b"RING")
    assert line.take() == b""
    assert (line.rate, line.backlog, user.events) == (2400, 0, [])


def test_a_session() -> None:
    line, user = started()
    user.on_data = lambda data: line.write(b"<" + data + b">")
    line.connect()
    line.send(b"A")
    assert line.take() == b"<A>"
    line.set_circuit(Circuit.DCD, True)
    line.set_circuit(Circuit.DCD, True)
    line.change_rate(300)
    assert line.rate == 300
    assert line.history == [("write", b"<A>"), (Circuit.DCD, True)]
    line.disconnect()
    assert user.events == [("dtr", True), b"A", ("dtr", False)]
    line.write(b"nobody")
    assert line.take() == b""


def test_pausing() -> None:
    line, user = started()
    line.connect()
    line.pause()
    line.send(b"A")
    line.send(b"B")
    assert user.data == b""
    user.on_data = lambda data: line.pause()
    line.resume()
    assert user.data == b"A"
    line.disconnect()  # what was sent comes before the end, paused or not
    assert user.events == [("dtr", True), b"A", b"B", ("dtr", False)]


def test_back_pressure() -> None:
    line, user = started()
    line.connect()
    line.room = 3
    sent: list[int] = []
    line.write(b"abcdef")
    line.write(b"gh")
    line.when_sent(lambda: sent.append(1))
    assert (line.received, line.backlog, user.blocked, sent) == (b"abc", 5, True, [])
    line.make_room(2)
    assert (line.received, user.blocked) == (b"abcde", True)
    line.make_room(None)
    assert (line.take(), line.backlog, user.blocked, sent) == (b"abcdefgh", 0, False, [1])
    line.when_sent(lambda: sent.append(2))
    assert sent == [1, 2]


def test_losing_and_ending() -> None:
    line, user = started()
    line.connect()
    line.lose("unplugged")
    line.find()
    line.finish()
    assert user.events == [
        ("dtr", True),
        ("dtr", False),
        ("lost", "unplugged"),
        ("found",),
        ("dtr", True),
        ("dtr", False),
        ("finished",),
    ]
    line.call_active(True)
    assert line.in_call
    done: list[object] = []
    line.stop().addCallback(done.append)
    assert done == [None]
    assert line.stopped
