"""What the bytes of the DTE mean, and running the command lines among them.

A storey of the engine between calls without a command and what happens.  What does not belong here: taking
bytes apart (assembler.py, parser.py), and what commands do to settings (interpreter.py).
"""

from __future__ import annotations

from typing import Final

from . import results
from .actions import SendCall, StoreProfile
from .assembler import Line
from .callcontrol import ONLINE
from .interpreter import Done, Failed, Verb
from .options import Options
from .parity import strip
from .parser import Scanner
from .profile import Store
from .state import PROGRESS, Input
from .timers import Timer
from .unbidden import UnbiddenCalls

#: Bytes typed ahead of what is still going on that are kept; see :attr:`Modem.input_full`.
AHEAD_LIMIT: Final = 16384


class Reading(UnbiddenCalls):
    """The DTE's side of the engine."""

    def __init__(self, options: Options | None = None, store: Store | None = None) -> None:
        super().__init__(options, store)
        self._line: str | None = None  # for A/

    def _take(self, data: bytes, now: float) -> None:
        at = 0
        while at < len(data):
            if self._scanner is not None or self._pending is not None:
                self._ahead += data[at:]
                return
            if self._after_line and self._eaten(data[at], now):
                at += 1
            elif self._state is ONLINE or self._looping:
                at = self._take_online(data, at, now)
            elif self._state in PROGRESS and not self._unbidden:
                at = self._take_progress(data, at, now)
            else:
                at = self._take_command(data, at, now)

    def _eaten(self, byte: int, now: float) -> bool:
        """Whether the first byte behind a command line is only the second half of CR LF."""
        self._after_line = False
        self._fast = self._plain
        if byte != 10 or not self.options.eat_lf or not self._in_grace(now):
            return False
        if self._looping or self._state in PROGRESS:
            return True
        return self._state is ONLINE and now <= self._online_at

    def _take_online(self, data: bytes, at: int, now: float) -> int:
        chunk = data[at:] if at else data
        self._active = now
        end = self._escape.watch(chunk, now)
        if end is None:
            self._send_on(bytes(chunk))
            self._await_escape()
            return len(data)
        self._send_on(bytes(chunk[:end]))
        line = self._escape.line
        self._leave_data(tell=not line)
        if line:
            _, _, command = self._assembler.take(line, 0, self.interpreter.profile)
            if command is not None:
                self._finished(command, now)
        return at + end

    def _send_on(self, data: bytes) -> None:
        """Bytes of the DTE to the far end, or back to it in the loop of &T1."""
        if self._looping:
            self._send(data)
        else:
            self._out.append(SendCall(strip(data) if self._seven_bits else data))

    def _leave_data(self, tell: bool = True) -> None:
        """The escape: to online command state, or out of the loop."""
        if self._looping:
            self._end_test(tell)
        else:
            self._go_command(tell)

    def _take_progress(self, data: bytes, at: int, now: float) -> int:
        if self._in_grace(now):
            self._ahead += data[at:]
            return len(data)
        self._drop_call("aborted by the DTE", Input.ABORTED, now)
        self._result(results.NO_CARRIER)
        self._take_ahead(now)
        return at + 1

    def _take_command(self, data: bytes, at: int, now: float) -> int:
        self._assembler.cable = self._hears_client
        at, echo, line = self._assembler.take(data, at, self.interpreter.profile)
        self._typed = self._escape.last = self._active = now
        if echo:
            self._send(echo)
        if line is not None:
            self._finished(line, now)
            self._say_late_ring()
        return at

    def _take_ahead(self, now: float) -> None:
        """Take what was typed ahead.  It came earlier, so the silence since says nothing of an escape."""
        ahead = bytes(self._ahead)
        self._ahead.clear()
        if ahead:
            self._escape.last = now
            self._escape.quiet = False
            self._await_silence()
            self._take(ahead, now)

    # -- command lines -----------------------------------------------------------------------------------

    def _finished(self, line: Line, now: float) -> None:
        """A command line is complete: run it."""
        if line.cable:
            self._client_came(now)
            return
        self._give_way(now)
        self._line_end = now
        self._after_line = True
        self._fast = False
        if self.options.response_delay:
            self._pending = line
            self._timers.set(Timer.RESPONSE, now + self.options.response_delay)
        else:
            self._execute(line, now)

    def _respond(self, now: float) -> None:
        """The delay is over: the line is run as if it had only now been finished."""
        line, self._pending = self._pending, None
        if line is None:
            return
        self._line_end = now
        self._execute(line, now)
        if self._state in (*PROGRESS, ONLINE) and self.options.eat_lf and self._ahead[:1] == b"\n":
            del self._ahead[0]
            self._after_line = False
            self._fast = self._plain
        if self._state not in PROGRESS:
            self._say_late_ring()
            self._take_ahead(now)

    def _execute(self, line: Line, now: float) -> None:
        self._hung_up = False
        if line.overflow:
            self._result(results.ERROR)
            return
        if line.repeat:
            if self._line is None:
                self._result(results.OK)
                return
        else:
            self._line = line.body
        self._run_line(Scanner(self._line or ""), now)

    def _run_line(self, scanner: Scanner, now: float) -> None:
        self.interpreter.dte_rate, self.interpreter.parity = self.dte_rate, self._assembler.parity
        refused = self._run(scanner, now)
        self._begin_grace()
        if refused is not None:
            self._drive_circuits()  # what ran before the refused one counts
            self._result(results.ERROR)

    def _run(self, scanner: Scanner, now: float) -> str | None:
        """Run a line's commands.  Returns the text of a refused one; says every other result itself."""
        while True:
            command = scanner.next()
            if command is None:
                self._result(results.NO_CARRIER if self._hung_up else results.OK)
                break
            reply = self.interpreter.execute(command)
            if isinstance(reply, Failed):
                return scanner.text
            if isinstance(reply, Done):
                if reply.text:
                    self._inform(reply.text)
                continue
            if reply.verb is Verb.STORE:
                self._scanner = scanner
                self._out.append(StoreProfile(self.interpreter.store.snapshot()))
                break
            ended = self._control(reply, now)
            if ended is False:
                return scanner.text
            if ended:
                break
        self._drive_circuits()
        return None
