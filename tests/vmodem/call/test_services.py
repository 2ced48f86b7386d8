"""The services inside the program."""

from __future__ import annotations

import re

import pytest

from tests.helpers.calls import Listening, descriptors, resident
from tests.helpers.reactors import Reactor
from vmodem.call import services
from vmodem.call.directory import Directory, Entry
from vmodem.call.target import parse_target
from vmodem.net.stream import Cause


def page() -> str:
    return "hello\r\nthere\r\n"


@pytest.fixture(autouse=True)
def _nothing_leaks(reactor: Reactor) -> object:
    before = descriptors()
    yield
    reactor.until(lambda: descriptors() == before)


def test_help(reactor: Reactor) -> None:
    user = Listening(services.start(reactor, "help", page))
    user.stream.write(b"typed ahead")
    reactor.until(lambda: user.endings)
    assert user.data == b"hello\r\nthere\r\n"
    assert user.endings[0].cause is Cause.FINISHED
    user.stream.close(1)


def test_clock(reactor: Reactor) -> None:
    user = Listening(services.start(reactor, "clock", page))
    reactor.until(lambda: user.endings)
    assert re.fullmatch(rb"\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4} UTC\r\n", bytes(user.data))
    user.stream.close(1)


def test_echo(reactor: Reactor) -> None:
    user = Listening(services.start(reactor, "echo", page))
    every = bytes(range(256)) * 4
    user.stream.write(every)
    reactor.until(lambda: len(user.data) >= len(every))
    assert user.data == every
    user.stream.close(1)


@pytest.mark.parametrize("kind", ["echo", "chargen"])
def test_reader_that_stops(reactor: Reactor, kind: str) -> None:
    """Whoever reads nothing is sent no more than the kernel holds, and costs no processor time."""
    stream = services.start(reactor, kind, page)
    user = Listening(stream)
    stream.pause()
    before = resident()
    if kind == "echo":
        while not user.blocked:
            stream.write(b"x" * 65536)
            reactor.iterate(0)
            assert stream.backlog <= 65536
    reactor.run_for(0.1)
    assert reactor.run_for(0.2) < 10
    assert resident() - before < 4_000_000
    assert not user.data
    stream.resume()
    reactor.until(lambda: len(user.data) > 300_000)
    stream.abort()


def test_chargen(reactor: Reactor) -> None:
    user = Listening(services.start(reactor, "chargen", page))
    reactor.until(lambda: len(user.data) > 1_000_000)
    user.stream.abort()
    lines = bytes(user.data).split(b"\r\n")
    assert lines[0] == bytes(range(0x20, 0x20 + 72))
    assert lines[95] == lines[0]
    assert all(len(line) == 72 for line in lines[:-1])
    assert set(user.data) == {*range(0x20, 0x7F), 13, 10}


def test_discard(reactor: Reactor) -> None:
    user = Listening(services.start(reactor, "discard", page))
    for _ in range(100):
        user.stream.write(b"x" * 65536)
        reactor.until(lambda: not user.stream.backlog)
    assert not user.data
    user.stream.close(1)


@pytest.mark.parametrize("kind", ["help", "clock", "echo", "chargen", "discard"])
def test_caller_who_leaves_at_once(reactor: Reactor, kind: str) -> None:
    services.start(reactor, kind, page).abort()
    user = Listening(services.start(reactor, kind, page))
    user.stream.write(b"x")
    user.stream.abort()


def test_page() -> None:
    directory = Directory(
        {
            "555": Entry(parse_target("tcp:a.example:23"), note="plain"),
            "666": Entry(parse_target("tcp:b.example:23")),
            "777": Entry(parse_target("exec:/bin/x --password secret")),
            "\x1b[2J\x9b": Entry(
                parse_target("echo:"), note="evil\r\n\x1b]0;title\x07\x9b\u00e4\u202e\x00" + "y" * 99
            ),
            **{f"9{number:04}": Entry(parse_target("echo:")) for number in range(300)},
        }
    )
    text = services.help_page("front\x07", "5551000\n", directory)
    assert all(" " <= char <= "~" or char in "\r\n" for char in text)
    assert text.replace("\r\n", "").count("\r") == text.replace("\r\n", "").count("\n") == 0
    assert max(map(len, text.splitlines())) < 80
    for part in (
        "555 ",
        "plain",
        "tcp:b.example:23",
        "a program",
        "+++",
        "ATH",
        "front?, number 5551000?",
        "and 110 more",
    ):
        assert part in text
    assert "secret" not in text
    assert "?[2J?" in text
    plain = services.help_page("", "", Directory())
    for number in ("0", "100", "101", "102", "103", "104"):
        assert f"  {number:<16} " in plain
