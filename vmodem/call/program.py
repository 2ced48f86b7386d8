"""Programs as the far end of a call: ``exec:`` targets.

A program gets a pseudo-terminal of its own (raw, no echo) as its controlling terminal, and a session of its
own.  Nothing that a DTE sends reaches its command line, and no shell is ever involved.  Its end is noticed
through a pidfd on the reactor; Twisted's handling of SIGCHLD is not used, so no signal handler is needed.

What does not belong here: what the program is for.
"""

from __future__ import annotations

import errno
import fcntl
import os
import pwd
import shutil
import signal
import struct
import sys
import termios
import tty
from collections.abc import Sequence
from typing import Any, Final

from twisted.internet.interfaces import IReadDescriptor
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from vmodem.net.stream import Cause, Ending, FdStream

#: From SIGHUP and SIGTERM to SIGKILL, in seconds.
GRACE_S: Final = 2.0
#: Where there is no pidfd (Linux before 5.3), how often the end of a program is looked for, in seconds.
POLL_S: Final = 0.1
PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
TERM: Final = "vt100"
ROWS, COLUMNS = 24, 80

#: Becomes another account, then the program; run in a child, with the account and the command as arguments.
_SWITCH: Final = """
import os, sys
name, uid, gid, *argv = sys.argv[1:]
os.initgroups(name, int(gid))
os.setgid(int(gid))
os.setuid(int(uid))
os.execv(argv[0], argv[1:])
"""


class ProgramError(Exception):
    """A program that cannot be started; the text says why."""


def start(reactor: Any, argv: Sequence[str], user: str = "") -> FdStream:
    """Start a program and return the terminal it talks to.

    Closing the stream hangs up: SIGHUP and SIGTERM to the program's process group, SIGKILL two seconds
    later.  When the program ends by itself, everything it wrote arrives first, then the end of the stream.
    ``user`` is the account to run as (which takes root's rights); "" means ours.  Raises
    :class:`ProgramError`.
    """
    account = _account(user)
    command = shutil.which(argv[0], path=PATH if "/" not in argv[0] else None)
    if command is None:
        raise ProgramError(f'no program "{argv[0]}" here')
    try:
        master, slave = os.openpty()
    except OSError as exc:
        raise ProgramError(f"no pseudo-terminal left: {exc.strerror}") from None
    try:
        tty.setraw(slave)
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        os.set_blocking(master, False)
        if account.pw_uid != os.geteuid():
            os.fchown(slave, account.pw_uid, -1)
        pid = _spawn(command, argv, account, os.ttyname(slave))
    except OSError as exc:
        os.close(master)
        raise ProgramError(f'"{argv[0]}" does not start: {exc.strerror}') from None
    finally:
        os.close(slave)
    program = _Program(reactor, pid, master)
    stream = _ProgramStream(reactor, master, owner=program, peer=f"program {os.path.basename(argv[0])}")
    program.watch(stream)
    return stream


def _account(user: str) -> pwd.struct_passwd:
    try:
        account = pwd.getpwnam(user) if user else pwd.getpwuid(os.geteuid())
    except KeyError:
        if user:
            raise ProgramError(f'no account "{user}" here') from None
        # An account without an entry, as in many containers.
        uid = os.geteuid()
        account = pwd.struct_passwd((str(uid), "x", uid, os.getegid(), "", "/", "/bin/sh"))
    if account.pw_uid != os.geteuid() and os.geteuid() != 0:
        raise ProgramError(f'running as "{user}" takes root\'s rights')
    return account


def _spawn(command: str, argv: Sequence[str], account: pwd.struct_passwd, terminal: str) -> int:
    """Start the process and return its id.  Raises OSError.

    The child opens the terminal after it became the leader of a session, which makes it the controlling one
    (tty_ioctl(4)).
    """
    environment = {
        "PATH": PATH,
        "TERM": TERM,
        "HOME": account.pw_dir,
        "USER": account.pw_name,
        "LOGNAME": account.pw_name,
        "SHELL": account.pw_shell or "/bin/sh",
        "LANG": "C.UTF-8",
    }
    actions: list[Any] = [
        (os.POSIX_SPAWN_OPEN, 0, terminal, os.O_RDWR, 0),
        (os.POSIX_SPAWN_DUP2, 0, 1),
        (os.POSIX_SPAWN_DUP2, 0, 2),
    ]
    actions += [(os.POSIX_SPAWN_CLOSE, fd) for fd in _inheritable()]
    if account.pw_uid != os.geteuid():
        argv = [
            *(sys.executable, "-I", "-S", "-c", _SWITCH),
            *(account.pw_name, str(account.pw_uid), str(account.pw_gid), command, *argv),
        ]
        command = sys.executable
    return os.posix_spawn(
        command,
        list(argv),
        environment,
        file_actions=actions,
        setsid=True,
        setsigmask=[],
        setsigdef=[number for number in signal.valid_signals() if number not in _FIXED],
    )


_FIXED: Final = frozenset((signal.SIGKILL, signal.SIGSTOP))


def _inheritable() -> list[int]:
    """Descriptors that a child would get: those that a library or our own parent left open to it."""
    result = []
    for name in os.listdir("/proc/self/fd"):
        fd = int(name)
        try:
            if fd > 2 and os.get_inheritable(fd):
                result.append(fd)
        except OSError:
            continue  # the listing's own descriptor
    return result


class _ProgramStream(FdStream):
    """A terminal whose end is nothing worse than the program's."""

    def _end(self, ending: Ending) -> None:
        if ending.cause in (Cause.DEVICE, Cause.RESET):
            self.discard_pending()
            ending = Ending(Cause.FINISHED, "the program ended")
        super()._end(ending)


@implementer(IReadDescriptor)
class _Program:
    """A process and our end of its terminal: what the stream closes."""

    _log = Logger()

    def __init__(self, reactor: Any, pid: int, master: int) -> None:
        self._reactor = reactor
        self._pid = pid
        self._master = master
        self._stream: FdStream | None = None
        self._reaped = False
        #: Whether others of its process group outlived the program.
        self._left = False
        self._killed = False
        self._timer: Any = None
        self._poll: Any = None
        self._pidfd = -1
        self._trigger = reactor.addSystemEventTrigger("after", "shutdown", self._shut_down)

    def watch(self, stream: FdStream) -> None:
        self._stream = stream
        try:
            self._pidfd = os.pidfd_open(self._pid)
        except (OSError, AttributeError):
            self._poll = self._reactor.callLater(POLL_S, self._look)
        else:
            self._reactor.addReader(self)

    def close(self) -> None:
        """Hang up."""
        self._stream = None
        if self._master >= 0:
            master, self._master = self._master, -1
            os.close(master)
        if not self._reaped:
            self._end_group()
        elif self._timer is not None and not self._left:
            self._timer.cancel()
            self._timer = None

    # -- ends ----------------------------------------------------------------------------------------------

    def _end_group(self) -> None:
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGCONT):
            self._signal(number)
        if self._timer is None:
            self._timer = self._reactor.callLater(GRACE_S, self._overdue)

    def _overdue(self) -> None:
        self._timer = None
        if self._left or not self._reaped:
            self._kill()
        if self._reaped and self._stream is not None:
            # Somebody outside the group still has the terminal open; the call was with the program.
            self._stream.finish(Ending(Cause.FINISHED, "the program ended"))

    def _shut_down(self) -> None:
        """The reactor stops: nobody will wait for the program any more."""
        self._trigger = None
        self._kill()

    def _kill(self) -> None:
        self._killed = True
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> bool:
        """Whether the process group still has somebody in it."""
        try:
            os.killpg(self._pid, number)
        except ProcessLookupError:
            return False
        except OSError as exc:
            self._log.warn("cannot signal program {pid}: {reason}", pid=self._pid, reason=exc.strerror)
            return exc.errno == errno.EPERM
        return True

    def _look(self) -> None:
        self._poll = None
        self._reap()
        if not self._reaped:
            self._poll = self._reactor.callLater(POLL_S, self._look)

    def doRead(self) -> None:
        self._reap()

    def _reap(self) -> None:
        try:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
        except ChildProcessError:
            pid, status = self._pid, 0  # somebody else was told
        if not pid:
            return
        self._reaped = True
        if self._pidfd >= 0:
            self._reactor.removeReader(self)
            os.close(self._pidfd)
            self._pidfd = -1
        if self._trigger is not None:
            self._reactor.removeSystemEventTrigger(self._trigger)
            self._trigger = None
        self._log.info(
            "program {pid} ended with {code}", pid=self._pid, code=os.waitstatus_to_exitcode(status)
        )
        # What it left behind in its group would keep the terminal, and so the call, open.
        self._left = self._signal(signal.SIGHUP)
        wanted = self._stream is not None or (self._left and not self._killed)
        if wanted and self._timer is None:
            self._timer = self._reactor.callLater(GRACE_S, self._overdue)
        elif not wanted and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # -- the reactor's side --------------------------------------------------------------------------------

    def fileno(self) -> int:
        return self._pidfd

    def logPrefix(self) -> str:
        return "program"

    def connectionLost(self, reason: Failure) -> None:
        """The reactor found fault with the pidfd: look from time to time instead."""
        if not self._reaped:
            self._poll = self._reactor.callLater(POLL_S, self._look)
