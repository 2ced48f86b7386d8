"""Lock files of serial devices, against other programs' and our own."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vmodem.tty.error import TtyError
from vmodem.tty.uucplock import LockedError, UucpLock


@pytest.fixture
def locks(tmp_path: Path) -> Path:
    made = tmp_path / "lock"
    made.mkdir()
    return made


def nobody() -> int:
    """The number of a process that is no more."""
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    return done.pid


def test_taken_and_given_back(locks: Path) -> None:
    lock = UucpLock("/dev/ttyS7", str(locks))
    lock.take()
    assert [path.name for path in locks.iterdir()] == ["LCK..ttyS7"]
    assert (locks / "LCK..ttyS7").read_bytes() == b"%10d\n" % os.getpid()
    with pytest.raises(LockedError, match=f"process {os.getpid()}"):
        UucpLock("/dev/ttyS7", str(locks)).take()
    lock.release()
    lock.release()
    assert list(locks.iterdir()) == []


def test_both_names_of_a_device(locks: Path, tmp_path: Path) -> None:
    device = tmp_path / "ttyUSB3"
    device.touch()
    alias = tmp_path / "scale"
    alias.symlink_to(device)
    lock = UucpLock(str(alias), str(locks))
    lock.take()
    assert {path.name for path in locks.iterdir()} == {"LCK..ttyUSB3", "LCK..scale"}
    lock.release()
    (locks / "LCK..ttyUSB3").write_text(f"{os.getppid():10d}\n")
    with pytest.raises(LockedError):
        lock.take()
    assert [path.name for path in locks.iterdir()] == ["LCK..ttyUSB3"]


def test_folders_below_dev(locks: Path) -> None:
    UucpLock("/dev/no/such7", str(locks)).take()
    UucpLock("/dev/serial/by-id/usb-x", str(locks)).take()
    assert {path.name for path in locks.iterdir()} == {"LCK..no_such7", "LCK..usb-x"}


@pytest.mark.parametrize("written", ["text", "binary", "unwritten"])
def test_a_leftover_is_taken_away(locks: Path, written: str) -> None:
    path = locks / "LCK..ttyS7"
    if written == "unwritten":
        path.touch()
        os.utime(path, (time.time() - 60,) * 2)
    else:
        path.write_bytes(b"%10d\n" % nobody() if written == "text" else struct.pack("i", nobody()))
    UucpLock("/dev/ttyS7", str(locks)).take()
    assert path.read_bytes() == b"%10d\n" % os.getpid()
    assert [each.name for each in locks.iterdir()] == [path.name]


@pytest.mark.parametrize("text", [b"", b"what?\n", b"%10d minicom root\n" % os.getppid()])
def test_what_may_be_in_use_is_left_alone(locks: Path, text: bytes) -> None:
    path = locks / "LCK..ttyS7"
    path.write_bytes(text)
    with pytest.raises(LockedError, match=r"LCK\.\.ttyS7"):
        UucpLock("/dev/ttyS7", str(locks)).take()
    assert path.read_bytes() == text
    assert [each.name for each in locks.iterdir()] == [path.name]


def test_a_lock_that_became_somebody_elses_is_not_removed(locks: Path) -> None:
    lock = UucpLock("/dev/ttyS7", str(locks))
    lock.take()
    path = locks / "LCK..ttyS7"
    path.write_text(f"{os.getppid():10d}\n")
    lock.release()
    assert path.exists()


def test_nowhere_to_put_it(tmp_path: Path) -> None:
    with pytest.raises(TtyError, match="no lock file can be made there"):
        UucpLock("/dev/ttyS7", str(tmp_path / "missing")).take()


def test_one_of_many_gets_it(locks: Path) -> None:
    """A leftover, and several processes that all want the device: one has it in the end."""
    (locks / "LCK..ttyS7").write_bytes(b"%10d\n" % nobody())
    code = (
        "import sys, time\n"
        "from vmodem.tty.uucplock import UucpLock, LockedError\n"
        "sys.stdin.read(1)\n"
        "try:\n"
        "    UucpLock('/dev/ttyS7', sys.argv[1]).take()\n"
        "    print('mine', flush=True)\n"
        "    sys.stdin.read(1)\n"
        "except LockedError:\n"
        "    print('theirs', flush=True)\n"
        "    sys.stdin.read(1)\n"
    )
    pipe = subprocess.PIPE
    many = [
        subprocess.Popen([sys.executable, "-c", code, str(locks)], stdin=pipe, stdout=pipe, text=True)
        for _ in range(4)
    ]
    for each in many:
        assert each.stdin is not None
        each.stdin.write("g")
        each.stdin.flush()
    told = [each.stdout.readline().strip() for each in many if each.stdout is not None]
    for each in many:
        each.communicate("x", timeout=10)
    assert sorted(told) == ["mine", "theirs", "theirs", "theirs"]
