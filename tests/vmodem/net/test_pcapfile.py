"""Captures of serial lines: the format, rotation, and disks that are full."""

from __future__ import annotations

import errno
import os
import struct
from pathlib import Path
from typing import Any

import pytest

from vmodem.net.pcapfile import PcapFile
from vmodem.wire.pcap import LONGEST, Circuits, Event, file_header, record

NOW = 1_795_288_712.5


def records(path: Path) -> list[tuple[Event, Circuits, bytes]]:
    """What a capture holds; fails for one that cannot be read to its end."""
    data = path.read_bytes()
    assert data[:24] == file_header()
    at, found = 24, []
    while at < len(data):
        seconds, micros, size, whole = struct.unpack_from("<IIII", data, at)
        assert (seconds, micros, size) == (int(NOW), 500_000, whole)
        body = data[at + 16 : at + 16 + size]
        assert len(body) == size
        assert body[:8] == struct.pack(">II", seconds, micros)
        assert body[10:12] == b"\0\0"
        found.append((Event(body[8]), Circuits(body[9]), body[12:]))
        at += 16 + size
    return found


def capture(path: Path, **more: Any) -> PcapFile:
    return PcapFile(str(path), clock=lambda: NOW, **more)


def test_everything_in_its_place(tmp_path: Path) -> None:
    path = tmp_path / "line.pcap"
    made = capture(path)
    made.sent(b"question")
    made.circuits(Circuits.CTS | Circuits.DSR)
    made.circuits(Circuits.CTS | Circuits.DSR)
    made.received(b"answer")
    made.event(Event.BREAK)
    made.close()
    made.sent(b"too late")
    on = Circuits.CTS | Circuits.DSR
    assert records(path) == [
        (Event.SENT, Circuits(0), b"question"),
        (Event.STATUS, on, b""),
        (Event.RECEIVED, on, b"answer"),
        (Event.BREAK, on, b""),
    ]
    assert path.stat().st_mode & 0o777 == 0o600


def test_long_chunks_are_several_records(tmp_path: Path) -> None:
    made = capture(tmp_path / "c")
    made.sent(b"x" * (LONGEST + 1))
    made.close()
    assert [len(data) for _, _, data in records(tmp_path / "c")] == [LONGEST, 1]


def test_a_full_file_is_put_away_and_the_oldest_removed(tmp_path: Path) -> None:
    path = tmp_path / "c"
    size = len(record(NOW, Event.SENT, Circuits(0), b"0"))
    made = capture(path, limit=24 + 2 * size, kept=2)
    for digit in b"012345678":
        made.sent(bytes((digit,)))
    made.close()
    found = {name: b"".join(data for _, _, data in records(tmp_path / name)) for name in os.listdir(tmp_path)}
    assert found == {"c": b"8", "c.1": b"67", "c.2": b"45"}


def test_each_start_begins_anew_and_keeps_what_was_there(tmp_path: Path) -> None:
    for text in (b"first", b"second"):
        made = capture(tmp_path / "c")
        made.sent(text)
        made.close()
    capture(tmp_path / "c").close()
    capture(tmp_path / "c").close()  # one that holds nothing is not put away
    assert [records(tmp_path / name)[0][2] for name in ("c.1", "c.2")] == [b"second", b"first"]
    assert records(tmp_path / "c") == []


def test_a_full_disk_costs_records_and_never_half_of_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = capture(tmp_path / "c")
    made.sent(b"before")
    write = os.write

    def short(fd: int, data: bytes) -> int:
        return write(fd, data[:20])

    def none(fd: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", short)
    made.sent(b"12345")
    monkeypatch.setattr(os, "write", none)
    made.received(b"678")
    monkeypatch.undo()
    made.sent(b"after")
    made.close()
    assert made.dropped == 8
    assert [(event, data) for event, _, data in records(tmp_path / "c")] == [
        (Event.SENT, b"before"),
        (Event.LOST, b""),
        (Event.SENT, b"after"),
    ]


def test_what_is_no_file_is_left_alone(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, tmp_path / "none" / "c"):
        with pytest.raises(OSError, match=r"no file|No such|directory"):
            capture(path)
