"""Programs run when something befalls a UPS."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.helpers.reactors import Reactor, reactor
from vmodem.ups import hooks as module
from vmodem.ups.hooks import WAITING, Hooks
from vmodem.ups.model import Event, Ups

__all__ = ["reactor"]

Make = Callable[..., Hooks]


@pytest.fixture
def ups(reactor: Reactor) -> Iterator[Ups]:
    made = Ups(reactor, "rack")
    made.publish({}, ["OB", "LB"])
    yield made
    made.close()


@pytest.fixture
def make(reactor: Reactor) -> Iterator[Make]:
    made: list[Hooks] = []

    def make(limit_s: float = 30.0, **commands: Sequence[str]) -> Hooks:
        made.append(Hooks(reactor, commands, limit_s=limit_s))
        return made[-1]

    yield make
    for each in made:
        each.close()


def writer(file: Path, text: str = "") -> list[str]:
    """A program that notes what it is told."""
    code = (
        "import os, sys, time\n"
        f"{text}\n"
        f"with open({str(file)!r}, 'a') as f:\n"
        "    print(*(os.environ[k] for k in ('NOTIFYTYPE', 'UPSNAME', 'UPSSTATUS')), sys.argv[1:], file=f)\n"
    )
    return [sys.executable, "-c", code, "$(touch x); `touch y`"]


def alive(pid: int) -> bool:
    """Whether it runs; one that has ended may be left for init to see to."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def test_environment_and_no_shell(reactor: Reactor, ups: Ups, make: Make, tmp_path: Path) -> None:
    file = tmp_path / "told"
    hooks = make(lowbatt=writer(file))
    hooks(ups, Event.LOWBATT)
    hooks(ups, Event.ONLINE)
    reactor.until(file.exists)
    reactor.until(file.read_text)
    assert file.read_text() == "LOWBATT rack OB LB ['$(touch x); `touch y`']\n"


def test_one_after_the_other(reactor: Reactor, ups: Ups, make: Make, tmp_path: Path) -> None:
    file = tmp_path / "told"
    hooks = make(onbatt=writer(file, "time.sleep(0.3)"), online=writer(file))
    hooks(ups, Event.ONBATT)
    hooks(ups, Event.ONLINE)
    reactor.until(lambda: file.exists() and file.read_text().count("\n") == 2)
    assert [line.split()[0] for line in file.read_text().splitlines()] == ["ONBATT", "ONLINE"]


def test_what_takes_too_long_is_ended_with_its_children(
    reactor: Reactor, ups: Ups, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GRACE_S", 0.2)
    pids, file = tmp_path / "pids", tmp_path / "told"
    # A shell, which has done all this long before it is told to end.
    stubborn = f"trap '' TERM; sleep 60 & echo $! $$ >{shlex.quote(str(pids))}; wait"
    hooks = make(limit_s=1.0, onbatt=["sh", "-c", stubborn], online=writer(file))
    hooks(ups, Event.ONBATT)
    hooks(ups, Event.ONLINE)
    reactor.until(file.exists)
    found = [int(word) for word in pids.read_text().split()]
    assert len(found) == 2
    reactor.until(lambda: not any(map(alive, found)))


def test_a_program_that_is_not_there_holds_nobody_up(
    reactor: Reactor, ups: Ups, make: Make, tmp_path: Path
) -> None:
    file = tmp_path / "told"
    hooks = make(onbatt=["/nonexistent/program"], online=writer(file))
    hooks(ups, Event.ONBATT)
    hooks(ups, Event.ONLINE)
    reactor.until(file.exists)


def test_events_that_wait_are_bounded(reactor: Reactor, ups: Ups, make: Make, tmp_path: Path) -> None:
    file = tmp_path / "told"
    hooks = make(
        limit_s=10.0, onbatt=[sys.executable, "-c", "import time; time.sleep(0.5)"], online=writer(file)
    )
    hooks(ups, Event.ONBATT)
    for _ in range(10 * WAITING):
        hooks(ups, Event.COMMOK)  # nothing is run at it
        hooks(ups, Event.ONLINE)
    reactor.until(lambda: file.exists() and file.read_text().count("\n") == WAITING)
    reactor.run_for(0.5)
    assert file.read_text().count("\n") == WAITING


def test_closing_ends_what_runs(reactor: Reactor, ups: Ups, make: Make, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    code = (
        f"import os, time\nwith open({str(pids)!r}, 'a') as f: print(os.getpid(), file=f)\ntime.sleep(60)\n"
    )
    hooks = make(onbatt=[sys.executable, "-c", code])
    hooks(ups, Event.ONBATT)
    reactor.until(lambda: pids.exists() and pids.read_text())
    hooks.close()
    pid = int(pids.read_text())
    reactor.until(lambda: not alive(pid))


def test_the_end_of_power_does_not_wait_for_a_program_that_hangs(
    reactor: Reactor, ups: Ups, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "URGENT_S", 0.3)
    file, hanging = tmp_path / "told", tmp_path / "hanging"
    hang = [sys.executable, "-c", f"import time\nopen({str(hanging)!r}, 'w')\ntime.sleep(60)"]
    hooks = make(onbatt=hang, lowbatt=writer(file), shutdown=writer(file))
    for event in (Event.ONBATT, Event.LOWBATT, Event.SHUTDOWN):
        hooks(ups, event)
    reactor.until(lambda: file.exists() and file.read_text(), 5)
    assert [line.split()[0] for line in file.read_text().splitlines()] == ["SHUTDOWN"]
    assert hanging.exists()
