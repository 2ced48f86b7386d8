"""Programs run when something befalls a UPS.

A program gets ``NOTIFYTYPE`` (``ONBATT``) and ``UPSNAME`` in its environment, as programs run by upsmon do,
and ``UPSSTATUS`` besides.  No shell is involved, and nothing that a UPS or the network says reaches a command
line.  The programs of one UPS run one after the other, so that "on line" never overtakes "on battery"; how
many wait and how long each may take is bounded.  Only that for ``shutdown`` does not wait for one that hangs:
the battery does not either.

What does not belong here: which events there are (``model``), and shutting this machine down.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from twisted.logger import Logger

from .model import Event, Ups

#: How long a program may take, in seconds; then it is told to end, and killed so much later.
LIMIT_S: Final = 30.0
GRACE_S: Final = 2.0
#: How often a running program is looked at, in seconds.
LOOK_S: Final = 0.1
#: The program for ``shutdown`` waits for those before it so long, in seconds, and is then run beside them.
URGENT_S: Final = 2.0
#: Events that may wait for those before them; of more the oldest is left out.
WAITING: Final = 16

#: What is meant for us and not for our children.
_OURS: Final = (
    "NOTIFY_SOCKET",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
)


@dataclass(frozen=True)
class _Waiting:
    """A program that is to be run, and since when, in seconds."""

    argv: Sequence[str]
    environment: Mapping[str, str]
    since: float

    @property
    def event(self) -> str:
        return self.environment["NOTIFYTYPE"]


class Hooks:
    """The programs of one UPS: put it into :attr:`Ups.watchers`.

    ``commands`` are argument lists by the names of events; it may be replaced at any time.
    """

    _log = Logger()

    def __init__(
        self, reactor: Any, commands: Mapping[str, Sequence[str]], *, limit_s: float = LIMIT_S
    ) -> None:
        self.commands = commands
        self._reactor = reactor
        self._limit_s = limit_s
        self._waiting: deque[_Waiting] = deque()
        self._beside: Hooks | None = None  # runs what does not wait for one that hangs
        self._process: subprocess.Popen[bytes] | None = None
        self._began = 0.0
        self._ending = 0  # signals sent so far
        self._timer: Any = None

    def __call__(self, ups: Ups, event: Event) -> None:
        """Something befell the UPS."""
        argv = self.commands.get(event.value)
        if not argv:
            return
        if len(self._waiting) == WAITING:
            self._log.error(
                "ups {ups}: the program for {event} is left out: too many wait",
                ups=ups.name,
                event=self._waiting.popleft().event,
            )
        environment = {key: value for key, value in os.environ.items() if key not in _OURS}
        environment.update(NOTIFYTYPE=event.name, UPSNAME=ups.name, UPSSTATUS=ups.status)
        self._waiting.append(_Waiting(argv, environment, float(self._reactor.seconds())))
        self._next()

    def close(self) -> None:
        """Whoever waits is forgotten, whoever runs is told to end."""
        self._waiting.clear()
        if self._beside is not None:
            self._beside.close()
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        if self._process is not None:
            process, self._process = self._process, None
            self._signal(process, signal.SIGTERM)
            # Nobody waits for it any more; init does.
            process.poll()
            process.returncode = process.returncode or 0

    def _next(self) -> None:
        while self._process is None and self._waiting:
            one = self._waiting.popleft()
            name, program = one.environment["UPSNAME"], one.argv[0]
            try:
                self._process = subprocess.Popen(
                    list(one.argv),
                    env=one.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
            except (OSError, ValueError) as exc:
                self._log.error(
                    'ups {ups}: {event}: "{program}" does not start: {reason}',
                    ups=name,
                    event=one.event,
                    program=program,
                    reason=getattr(exc, "strerror", None) or str(exc),
                )
                continue
            self._log.info(
                'ups {ups}: {event}: "{program}" started', ups=name, event=one.event, program=program
            )
            self._began, self._ending = float(self._reactor.seconds()), 0
            self._timer = self._reactor.callLater(LOOK_S, self._look)

    def _look(self) -> None:
        self._timer = None
        process = self._process
        if process is None:
            return
        code = process.poll()
        if code is not None:
            self._process = None
            if code:
                self._log.warn(
                    '"{program}" ended with {code}',
                    program=_name(process),
                    code=f"exit status {code}" if code > 0 else f"signal {-code}",
                )
            self._next()
            return
        self._hurry()
        took = float(self._reactor.seconds()) - self._began
        if took >= self._limit_s and self._ending == 0:
            self._log.error(
                '"{program}" takes longer than {limit:g} s and is ended',
                program=_name(process),
                limit=self._limit_s,
            )
            self._ending = 1
            self._signal(process, signal.SIGTERM)
        elif took >= self._limit_s + GRACE_S and self._ending == 1:
            self._ending = 2
            self._signal(process, signal.SIGKILL)
        self._timer = self._reactor.callLater(LOOK_S, self._look)

    def _hurry(self) -> None:
        """What is urgent has waited long enough."""
        latest = float(self._reactor.seconds()) - URGENT_S
        for one in [each for each in self._waiting if each.event == Event.SHUTDOWN.name]:
            if one.since <= latest:
                self._waiting.remove(one)
                self._beside = self._beside or Hooks(self._reactor, {}, limit_s=self._limit_s)
                self._beside._waiting.append(one)
                self._beside._next()

    def _signal(self, process: subprocess.Popen[bytes], what: signal.Signals) -> None:
        """To its whole group, as long as it has not been waited for: then the number is still its own."""
        if process.returncode is None:
            try:
                os.killpg(process.pid, what)
            except OSError:
                pass  # it has ended by itself


def _name(process: subprocess.Popen[bytes]) -> str:
    args = process.args
    return str(args[0]) if isinstance(args, list) else str(args)
