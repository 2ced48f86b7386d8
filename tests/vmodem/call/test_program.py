"""Programs at the far end."""

from __future__ import annotations

import os
import pwd
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.helpers.calls import Listening, descriptors
from tests.helpers.reactors import Reactor
from vmodem.call import program
from vmodem.call.program import ProgramError
from vmodem.net.stream import Cause, FdStream

PYTHON = sys.executable


def begun(reactor: Reactor, argv: Sequence[str], user: str = "") -> FdStream:
    """A program that runs.  Raises ProgramError with the reason why it does not."""
    streams: list[FdStream] = []
    reasons: list[str] = []
    program.start(reactor, argv, user, streams.append, reasons.append)
    reactor.until(lambda: streams or reasons)
    if reasons:
        raise ProgramError(reasons[0])
    return streams[0]


def gone(pid: int) -> bool:
    """Whether a process is neither running nor a zombie."""
    return not Path(f"/proc/{pid}").exists()


def finish(reactor: Reactor, user: Listening) -> bytes:
    reactor.until(lambda: user.endings)
    user.stream.close(1)
    return bytes(user.data)


def run(reactor: Reactor, *argv: str) -> bytes:
    return finish(reactor, Listening(begun(reactor, argv)))


def zombies() -> set[str]:
    """Children of ours that ended and that nobody has waited for."""
    found = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat") as file:
                state, parent = file.read().rpartition(")")[2].split()[:2]
        except OSError:
            continue  # it ended meanwhile
        if state == "Z" and parent == str(os.getpid()):
            found.add(pid)
    return found


@pytest.fixture(autouse=True)
def _nothing_leaks(reactor: Reactor) -> object:
    before, dead = descriptors(), zombies()
    yield
    reactor.until(lambda: descriptors() == before and not reactor.getDelayedCalls())
    assert zombies() <= dead


def test_arguments_are_literal(reactor: Reactor) -> None:
    words = ("$HOME", "`id`", "a;b|c&d>e", "*", "'\"\\", "$(reboot)", "")
    script = "import sys; print(repr(sys.argv[1:]))"
    assert run(reactor, PYTHON, "-c", script, *words) == repr(list(words)).encode() + b"\n"


def test_both_ways_raw(reactor: Reactor) -> None:
    """Every byte both ways, no echo, nothing translated; 3, 4, 17, 19, 26 and 28 are bytes like others."""
    user = Listening(begun(reactor, ["cat"]))
    every = bytes(range(256)) * 8
    user.stream.write(every)
    reactor.until(lambda: len(user.data) >= len(every))
    assert user.data == every
    user.stream.close(1)


def test_terminal_and_session(reactor: Reactor) -> None:
    script = (
        "import os; t = os.open('/dev/tty', os.O_RDWR); "
        "print(os.getsid(0) == os.getpid() == os.getpgrp() == os.tcgetpgrp(t), "
        "sorted(map(int, os.listdir('/proc/self/fd')))[:3], len(os.listdir('/proc/self/fd')), "
        "sorted(os.environ), *os.get_terminal_size())"
    )
    data = run(reactor, PYTHON, "-c", script).decode()
    names = ["HOME", "LANG", "LOGNAME", "PATH", "SHELL", "TERM", "USER"]
    # 0-2, /dev/tty and the listing's own.
    assert data == f"True [0, 1, 2] 5 {names} 80 24\n"


def test_no_descriptor_is_passed_on(reactor: Reactor) -> None:
    read, write = os.pipe()
    os.set_inheritable(write, True)
    try:
        data = run(reactor, PYTHON, "-c", "import os; print(sorted(map(int, os.listdir('/proc/self/fd'))))")
    finally:
        os.close(read)
        os.close(write)
    assert data == b"[0, 1, 2, 3]\n"


def test_signals_are_as_at_birth(reactor: Reactor) -> None:
    data = run(reactor, "sed", "-n", "s/^Sig[IB].*\t//p", "/proc/self/status").split()
    blocked, ignored = (int(mask, 16) for mask in data)
    assert blocked == 0
    assert ignored & ~(3 << 31) == 0  # 32 and 33 are the C library's own


def test_output_before_the_end_arrives_whole(reactor: Reactor) -> None:
    script = "import sys; sys.stdout.buffer.write(bytes(range(256)) * 2000); sys.stdout.flush()"
    user = Listening(begun(reactor, [PYTHON, "-c", script]))
    user.stream.pause()
    reactor.run_for(0.1)
    user.stream.resume()
    assert finish(reactor, user) == bytes(range(256)) * 2000
    assert [ending.cause for ending in user.endings] == [Cause.FINISHED]


def test_short_output_of_a_program_long_gone(reactor: Reactor) -> None:
    stream = begun(reactor, ["echo", "bye"])
    reactor.run_for(0.2)
    user = Listening(stream)
    assert finish(reactor, user) == b"bye\n"


def pid_of(reactor: Reactor, user: Listening) -> int:
    reactor.until(lambda: user.data.endswith(b"\n"))
    return int(user.data)


def test_hang_up(reactor: Reactor) -> None:
    user = Listening(begun(reactor, [PYTHON, "-c", "import os,time; print(os.getpid()); time.sleep(99)"]))
    pid = pid_of(reactor, user)
    user.stream.close(1)
    reactor.until(lambda: gone(pid), timeout=program.GRACE_S * 0.9)


def test_hang_up_on_one_who_will_not_go(reactor: Reactor) -> None:
    script = (
        "import os,signal,time; [signal.signal(s, signal.SIG_IGN) for s in (1, 15)]; "
        "c = os.fork(); c and print(c); time.sleep(99)"
    )
    user = Listening(begun(reactor, [PYTHON, "-c", script]))
    child = pid_of(reactor, user)
    started = time.monotonic()
    user.stream.abort()
    reactor.run_for(program.GRACE_S / 2)
    assert not gone(child)
    reactor.until(lambda: not reactor.getDelayedCalls(), timeout=program.GRACE_S)
    assert time.monotonic() - started >= program.GRACE_S * 0.9
    _await_death(child)


def _await_death(pid: int) -> None:
    """The orphan is reaped by whoever adopts orphans here, or stays a zombie; it does not run."""
    end = time.monotonic() + 5
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
        except OSError:
            return
        if state == "Z":
            return
        time.sleep(0.01)
    pytest.fail(f"{pid} still runs")


def test_one_who_stays_behind_does_not_keep_the_call(reactor: Reactor) -> None:
    """Outside the process group, out of reach of its signals, but with the terminal still open."""
    script = (
        "import os,time\n"
        "c = os.fork()\n"
        "if c: print(c, flush=True); time.sleep(0.1); os._exit(0)\n"
        "os.setsid(); time.sleep(99)"
    )
    user = Listening(begun(reactor, [PYTHON, "-c", script]))
    child = pid_of(reactor, user)
    finish(reactor, user)
    os.kill(child, signal.SIGKILL)
    _await_death(child)


@pytest.mark.parametrize("command", ["no-such-program-here", "/no/such/program", "/etc/passwd", "/"])
def test_missing(reactor: Reactor, command: str) -> None:
    with pytest.raises(ProgramError):
        begun(reactor, [command])


def test_not_executable_format(reactor: Reactor, tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.write_bytes(b"\x00\x01")
    path.chmod(0o755)
    with pytest.raises(ProgramError, match="does not start"):
        begun(reactor, [str(path)])


def test_unknown_account(reactor: Reactor) -> None:
    with pytest.raises(ProgramError, match="no account"):
        begun(reactor, ["true"], "no-such-account")


def test_own_account(reactor: Reactor) -> None:
    name = pwd.getpwuid(os.geteuid()).pw_name
    assert finish(reactor, Listening(begun(reactor, ["id", "-un"], name))).decode() == f"{name}\n"


def test_other_account(reactor: Reactor) -> None:
    if os.geteuid() != 0:
        with pytest.raises(ProgramError, match="root's rights"):
            begun(reactor, ["id"], "nobody")
        return
    data = finish(reactor, Listening(begun(reactor, ["id"], "nobody"))).decode()
    assert data.startswith(f"uid={pwd.getpwnam('nobody').pw_uid}(nobody)")
    assert "root" not in data


@pytest.mark.machine
@pytest.mark.skipif(os.geteuid() != 0, reason="takes root's rights")
def test_other_account_whole(reactor: Reactor) -> None:
    """Its groups and no others, a folder it may be in, no descriptor of ours, the terminal its own."""
    script = (
        "import os; t = os.open('/dev/tty', os.O_RDWR); "
        "print(os.getgroups(), os.getcwd(), sorted(map(int, os.listdir('/proc/self/fd'))), "
        "os.fstat(0).st_uid == os.getuid() != 0, os.environ['USER'])"
    )
    account = pwd.getpwnam("nobody")
    groups = sorted(os.getgrouplist("nobody", account.pw_gid))
    home = account.pw_dir if os.path.isdir(account.pw_dir) else "/"
    data = finish(reactor, Listening(begun(reactor, ["/usr/bin/python3", "-c", script], "nobody"))).decode()
    assert data == f"{groups} {home} [0, 1, 2, 3, 4] True nobody\n"


@pytest.mark.machine
@pytest.mark.skipif(os.geteuid() != 0, reason="takes root's rights")
def test_other_account_that_may_not_run_it(reactor: Reactor, tmp_path: Path) -> None:
    """No call is connected, and nothing of this reaches the terminal."""
    path = tmp_path / "mine"
    path.write_text("#!/bin/sh\necho hello\n")
    path.chmod(0o700)
    with pytest.raises(ProgramError, match="does not start: Permission denied"):
        begun(reactor, [str(path)], "nobody")


@pytest.mark.machine
@pytest.mark.skipif(os.geteuid() != 0, reason="takes root's rights")
def test_given_up_before_it_runs(reactor: Reactor) -> None:
    told: list[object] = []
    starting = program.start(reactor, ["sleep", "99"], "nobody", told.append, told.append)
    assert starting is not None
    starting.cancel()
    starting.cancel()
    reactor.until(lambda: not reactor.getDelayedCalls())
    assert told == []


@pytest.mark.parametrize(
    ("script", "how"),
    [
        ("exit 3", "the program ended with status 3"),
        ("echo bye; exit 0", "the program ended with status 0"),
        ("kill -9 $$", "the program was ended by SIGKILL"),
        ("exec 0<&- 1>&- 2>&-; exec sleep 1", "the program closed its terminal"),
    ],
)
def test_how_it_ended(reactor: Reactor, script: str, how: str) -> None:
    user = Listening(begun(reactor, ["sh", "-c", script]))
    finish(reactor, user)
    assert [ending.detail for ending in user.endings] == [how]


def test_a_program_that_floods(reactor: Reactor) -> None:
    """Nobody reads: it waits in its write, nothing grows, and hanging up ends it."""
    user = Listening(begun(reactor, ["sh", "-c", "echo $$; exec yes"]))
    reactor.until(lambda: b"\n" in user.data)
    pid = int(user.data.partition(b"\n")[0])
    user.stream.pause()
    reactor.run_for(0.1)
    before = len(user.data)
    assert reactor.run_for(0.3) < 5
    assert len(user.data) == before
    user.stream.close(1)
    reactor.until(lambda: gone(pid), timeout=program.GRACE_S * 0.9)


def test_without_pidfd(reactor: Reactor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pidfd_open")
    assert run(reactor, "echo", "hello") == b"hello\n"


def test_end_of_the_program_kills_what_is_left(reactor: Reactor) -> None:
    user = Listening(begun(reactor, ["sh", "-c", "trap '' HUP TERM; echo $$; while :; do sleep 1; done"]))
    pid = pid_of(reactor, user)
    reactor.fireSystemEvent("shutdown")
    user.stream.abort()
    reactor.until(lambda: gone(pid), timeout=1)
