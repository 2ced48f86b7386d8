"""The log: one line for each event, harmless to whoever reads it, and never in the modem's way."""

from __future__ import annotations

import json
import os
import re
import select
import time
from collections.abc import Iterator
from typing import Any

import pytest
from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure

from vmodem.log import LINE_LIMIT, Diagnostics, printable

NASTY = "".join(
    map(chr, [*range(32), *range(0x7F, 0xA0), 0x200E, 0x202E, 0x2028, 0x2066, 0xFEFF, 0xE0001, 0xD800])
)


class Pipe:
    """A log whose reader is the test."""

    def __init__(self, **more: Any) -> None:
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)
        self.log = Diagnostics(self.writer, **more)
        self.source = Logger("vmodem.test", observer=self.log)
        self.foreign = Logger("twisted.test", observer=self.log)

    def read(self) -> str:
        taken = b""
        try:
            while chunk := os.read(self.reader, 65536):
                taken += chunk
        except BlockingIOError:
            pass
        return taken.decode("utf-8")

    def close(self) -> None:
        os.close(self.reader)
        os.close(self.writer)


@pytest.fixture
def pipe(request: pytest.FixtureRequest) -> Iterator[Pipe]:
    made = Pipe(**getattr(request, "param", {}))
    yield made
    made.close()


as_json = pytest.mark.parametrize("pipe", [{"form": "json"}], indirect=True)


def test_everything_a_terminal_acts_on_is_escaped() -> None:
    shown = printable(NASTY)
    assert shown.isprintable()
    assert shown.isascii()
    assert shown.startswith(r"\x00\x01")
    assert r"\u202e" in shown
    assert r"\U000e0001" in shown


def test_text_that_is_harmless_stays() -> None:
    assert printable("Grüße 7 ✓ 漢字") == "Grüße 7 ✓ 漢字"


def test_line_of_text(pipe: Pipe) -> None:
    pipe.source.info("call from {peer}", peer="\x1b[31mred\r\nforged line")
    (line,) = pipe.read().splitlines()
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d info  call from \\x1b\[31mred\\x0d\\x0aforged line", line
    )


def test_nasty_text_is_one_clean_line(pipe: Pipe) -> None:
    pipe.source.warn("{what}", what=NASTY)
    text = pipe.read()
    assert text.endswith("\n")
    assert text[:-1].isprintable()


@as_json
def test_line_of_json(pipe: Pipe) -> None:
    pipe.source.error("{what}", what=NASTY + '"')
    text = pipe.read()
    assert re.fullmatch(r"[\x20-\x7e]*\n", text)
    event = json.loads(text)
    assert sorted(event) == ["level", "text", "time"]
    assert event["level"] == "error"
    assert event["text"] == printable(NASTY) + '"'


@pytest.mark.parametrize("pipe", [{}, {"form": "json"}], indirect=True)
@pytest.mark.parametrize("char", ["x", "\x1b", "\u6f22", "\U0001f4de", '"'])
def test_line_of_any_length_is_cut(pipe: Pipe, char: str) -> None:
    """A pipe that says it takes something takes so much: a longer line would stop the modem."""
    pipe.source.info("{what}", what=char * 100_000)
    text = pipe.read()
    assert text.count("\n") == 1
    assert LINE_LIMIT // 2 < len(text.encode()) <= LINE_LIMIT <= select.PIPE_BUF


def test_wide_lines_never_stop_the_modem(pipe: Pipe) -> None:
    for _ in range(100):
        pipe.source.info("{what}", what="\u6f22" * 3000)
    assert pipe.read().count("\n") < 100


@pytest.mark.parametrize(
    ("pipe", "kept"),
    [
        ({"verbosity": -1}, ["warn", "error", "critical"]),
        ({"verbosity": -5}, ["warn", "error", "critical"]),
        ({"verbosity": 0}, ["info", "warn", "error", "critical"]),
        ({"verbosity": 1}, ["debug", "info", "warn", "error", "critical"]),
        ({"verbosity": 3}, ["debug", "info", "warn", "error", "critical"]),
    ],
    indirect=["pipe"],
)
def test_verbosity(pipe: Pipe, kept: list[str]) -> None:
    for level in LogLevel.iterconstants():
        pipe.source.emit(level, "x")
    assert [line.split()[1] for line in pipe.read().splitlines()] == kept


def test_others_are_heard_when_something_is_wrong(pipe: Pipe) -> None:
    pipe.foreign.info("starting factory")
    pipe.foreign.warn("trouble")
    assert [line.split()[-1] for line in pipe.read().splitlines()] == ["trouble"]


@pytest.mark.parametrize(("pipe", "traced"), [({}, False), ({"verbosity": 1}, True)], indirect=["pipe"])
def test_failure_is_one_line(pipe: Pipe, traced: bool) -> None:
    try:
        raise ValueError("of \x1b some kind")
    except ValueError:
        pipe.source.failure("it failed", Failure())
    text = pipe.read()
    assert text.count("\n") == 1
    assert r"it failed: ValueError: of \x1b some kind" in text
    assert ("test_log.py" in text) is traced


def test_event_that_cannot_be_shown_is_no_trouble(pipe: Pipe) -> None:
    class Bad:
        def __repr__(self) -> str:
            raise RuntimeError("no")

    pipe.source.info("{bad!r}", bad=Bad())
    pipe.source.info("{missing}")
    pipe.source.info("after")
    assert pipe.read().splitlines()[-1].endswith("after")


def test_reader_who_stalls_costs_lines_and_no_time(pipe: Pipe) -> None:
    start = time.monotonic()
    for turn in range(5000):
        pipe.source.info("line {turn}", turn=turn)
    assert time.monotonic() - start < 5
    first = pipe.read().splitlines()
    assert len(first) < 5000
    assert first[-1].endswith(f"line {len(first) - 1}")
    pipe.source.info("again")
    second = pipe.read().splitlines()
    assert second[0].endswith(f"{5000 - len(first)} lines of this log were lost")
    assert second[1].endswith("again")
    pipe.source.info("more")
    assert len(pipe.read().splitlines()) == 1


def test_reader_who_is_gone(pipe: Pipe) -> None:
    os.close(pipe.reader)
    pipe.reader = os.open(os.devnull, os.O_RDONLY)
    for _ in range(3):
        pipe.source.info("nobody hears this")


def test_full_disk_is_counted() -> None:
    fd = os.open("/dev/full", os.O_WRONLY)
    spare_r, spare_w = os.pipe()
    try:
        log = Diagnostics(fd)
        for _ in range(7):
            log.write(time.time(), "info", "x")
        os.dup2(spare_w, fd)
        log.write(time.time(), "info", "there is room")
        text = os.read(spare_r, 65536).decode()
    finally:
        for each in (fd, spare_r, spare_w):
            os.close(each)
    assert "7 lines of this log were lost\n" in text
    assert text.endswith("there is room\n")


def test_log_stays_closed_without_error() -> None:
    fd = os.open(os.devnull, os.O_WRONLY)
    os.close(fd)
    Diagnostics(fd).write(0.0, "info", "x")
