"""Programs as the far end of a call: ``exec:`` targets.

A program gets a pseudo-terminal of its own (raw, no echo) as its controlling terminal, and a session of its
own.  Nothing that a DTE sends reaches its command line, and no shell is ever involved.  Its end is noticed
through a pidfd on the reactor; Twisted's handling of SIGCHLD is not used, so no signal handler is needed.

Under another account a child becomes that first, and says through a pipe whether the program could then be
started: a call is connected only when its program runs.

What does not belong here: what the program is for.
"""

from __future__ import annotations

import errno
import fcntl
import os
import pwd
import signal
import struct
import sys
import termios
import tty
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from twisted.internet.interfaces import IReadDescriptor
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from vmodem.net.stream import Cause, Ending, FdStream

from .command import PATH, ProgramError, find_account, find_program

#: From SIGHUP and SIGTERM to SIGKILL, in seconds.
GRACE_S: Final = 2.0
#: A terminal closes a moment before its program can be waited for: how long the end of the stream waits for
#: the program's own, in seconds.
STATUS_S: Final = 0.25
#: Where there is no pidfd (Linux before 5.3), how often the end of a program is looked for, in seconds.
POLL_S: Final = 0.1
TERM: Final = "vt100"
ROWS, COLUMNS = 24, 80

#: Becomes another account, goes to its home, then becomes the program; run in a child, with a pipe for what
#: goes wrong, the account and the command as arguments.
_SWITCH: Final = """
import os, sys
pipe, name, uid, gid, home, *argv = sys.argv[1:]
os.set_inheritable(int(pipe), False)
try:
    os.initgroups(name, int(gid))
    os.setgid(int(gid))
    os.setuid(int(uid))
    try:
        os.chdir(home)
    except OSError:
        os.chdir("/")
    os.execv(argv[0], argv[1:])
except OSError as exc:
    os.write(int(pipe), exc.strerror.encode())
os._exit(126)
"""


class Starting(Protocol):
    """A program that is about to run."""

    def cancel(self) -> None:
        """Give it up; neither callback is called any more."""


def start(
    reactor: Any,
    argv: Sequence[str],
    user: str,
    started: Callable[[FdStream], None],
    failed: Callable[[str], None],
) -> Starting | None:
    """Start a program and hand over the terminal it talks to, or the reason why it does not start.

    Closing the stream hangs up: SIGHUP and SIGTERM to the program's process group, SIGKILL two seconds
    later.  When the program ends by itself, everything it wrote arrives first, then the end of the stream,
    which tells the program's exit status.  ``user`` is the account to run as (which takes root's rights); ""
    means ours.  Returns what is under way, or None when one of the callbacks has been called already, as it
    is for our own account.
    """
    try:
        stream, pipe = _begin(reactor, argv, user)
    except ProgramError as exc:
        failed(str(exc))
        return None
    if pipe < 0:
        started(stream)
        return None
    return _Switching(reactor, pipe, stream, argv[0], started, failed)


def _begin(reactor: Any, argv: Sequence[str], user: str) -> tuple[FdStream, int]:
    """The program's terminal, and the pipe to read from before it is known to run, else -1."""
    account = find_account(user)
    command = find_program(argv[0])
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
        pid, pipe = _spawn(command, argv, account, os.ttyname(slave))
    except OSError as exc:
        os.close(master)
        raise ProgramError(f'"{argv[0]}" does not start: {exc.strerror}') from None
    finally:
        os.close(slave)
    name = os.path.basename(argv[0])
    program = _Program(reactor, pid, master, name)
    stream = _ProgramStream(reactor, master, program, f"program {name}")
    program.watch(stream)
    return stream, pipe


def _spawn(command: str, argv: Sequence[str], account: pwd.struct_passwd, terminal: str) -> tuple[int, int]:
    """Start the process; returns its id, and the pipe of :data:`_SWITCH` or -1.  Raises OSError.

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
    near = far = -1
    if account.pw_uid != os.geteuid():
        near, far = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        actions.append((os.POSIX_SPAWN_DUP2, far, _PIPE))
        argv = [
            *(sys.executable, "-I", "-S", "-c", _SWITCH, str(_PIPE)),
            *(account.pw_name, str(account.pw_uid), str(account.pw_gid), account.pw_dir, command, *argv),
        ]
        command = sys.executable
    try:
        pid = os.posix_spawn(
            command,
            list(argv),
            environment,
            file_actions=actions,
            setsid=True,
            setsigmask=[],
            setsigdef=[number for number in signal.valid_signals() if number not in _FIXED],
        )
    except OSError:
        if near >= 0:
            os.close(near)
        raise
    finally:
        if far >= 0:
            os.close(far)
    return pid, near


#: The child's end of the pipe of :data:`_SWITCH`.
_PIPE: Final = 3
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
    """A terminal whose end is nothing worse than the program's, and waits for that to be known."""

    def __init__(self, reactor: Any, fd: int, program: _Program, peer: str) -> None:
        super().__init__(reactor, fd, owner=program, peer=peer)
        self._program = program

    def _end(self, ending: Ending) -> None:
        if ending.cause not in (Cause.DEVICE, Cause.RESET):
            super()._end(ending)
            return
        self.discard_pending()
        self.pause()
        self._program.when_ended(self._program_ended)

    def _program_ended(self, how: str) -> None:
        super()._end(Ending(Cause.FINISHED, how))


@implementer(IReadDescriptor)
class _Switching:
    """A child on its way to becoming the program under another account."""

    def __init__(
        self,
        reactor: Any,
        pipe: int,
        stream: FdStream,
        command: str,
        started: Callable[[FdStream], None],
        failed: Callable[[str], None],
    ) -> None:
        self._reactor = reactor
        self._pipe = pipe
        self._stream = stream
        self._command = command
        self._started = started
        self._failed = failed
        reactor.addReader(self)

    def cancel(self) -> None:
        if self._close():
            self._stream.abort()

    def _close(self) -> bool:
        pipe, self._pipe = self._pipe, -1
        if pipe < 0:
            return False
        self._reactor.removeReader(self)
        os.close(pipe)
        return True

    def doRead(self) -> None:
        try:
            reason = os.read(self._pipe, 256).decode("utf-8", "replace")
        except BlockingIOError:
            return
        except OSError as exc:
            reason = str(exc)
        self._close()
        if reason:
            self._stream.abort()
            self._failed(f'"{self._command}" does not start: {reason}')
        else:
            self._started(self._stream)

    def fileno(self) -> int:
        return self._pipe

    def logPrefix(self) -> str:
        return "program"

    def connectionLost(self, reason: Failure) -> None:
        """The reactor saw the other end go, which is what is waited for."""
        if self._pipe >= 0:
            self.doRead()


@implementer(IReadDescriptor)
class _Program:
    """A process and our end of its terminal: what the stream closes."""

    _log = Logger()

    def __init__(self, reactor: Any, pid: int, master: int, name: str) -> None:
        self._reactor = reactor
        self._pid = pid
        self._name = name
        #: How it ended, for people; "" while it runs.
        self._how = ""
        self._waiting: Callable[[str], None] | None = None
        self._limit: Any = None
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
        self._waiting = None
        self._end_limit()
        if self._master >= 0:
            master, self._master = self._master, -1
            os.close(master)
        if not self._reaped:
            self._end_group()
        elif self._timer is not None and not self._left:
            self._timer.cancel()
            self._timer = None

    def when_ended(self, told: Callable[[str], None]) -> None:
        """Call ``told`` with how the program ended, once that is known or has been waited for long enough."""
        if not self._reaped:
            self._reap()
        if self._reaped:
            told(self._how)
        elif self._waiting is None:
            self._waiting = told
            self._limit = self._reactor.callLater(STATUS_S, self._tell, "the program closed its terminal")

    # -- ends ----------------------------------------------------------------------------------------------

    def _tell(self, how: str) -> None:
        waiting, self._waiting = self._waiting, None
        self._end_limit()
        if waiting is not None:
            waiting(how)

    def _end_limit(self) -> None:
        limit, self._limit = self._limit, None
        if limit is not None and limit.active():
            limit.cancel()

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
            self._stream.finish(Ending(Cause.FINISHED, self._how))

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
        self._how = _how(os.waitstatus_to_exitcode(status))
        self._log.info("program {name} ({pid}): {how}", name=self._name, pid=self._pid, how=self._how)
        # What it left behind in its group would keep the terminal, and so the call, open.
        self._left = self._signal(signal.SIGHUP)
        wanted = self._stream is not None or (self._left and not self._killed)
        if wanted and self._timer is None:
            self._timer = self._reactor.callLater(GRACE_S, self._overdue)
        elif not wanted and self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._tell(self._how)

    # -- the reactor's side --------------------------------------------------------------------------------

    def fileno(self) -> int:
        return self._pidfd

    def logPrefix(self) -> str:
        return "program"

    def connectionLost(self, reason: Failure) -> None:
        """The reactor found fault with the pidfd: look from time to time instead."""
        if not self._reaped:
            self._poll = self._reactor.callLater(POLL_S, self._look)


def _how(code: int) -> str:
    if code >= 0:
        return f"the program ended with status {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = str(-code)
    return f"the program was ended by {name}"
