"""The modem: what happens goes in with its moment, what to do comes out as a list of actions.

Nothing here does I/O, waits, or calls back.  The caller

* reports every happening by one of the public methods, with ``now`` in seconds of a clock that never jumps,
* carries out the returned actions in order, and
* calls :meth:`Modem.expire` when :meth:`Modem.deadline` comes.

For the bytes of an established call there is a fast lane: while :meth:`Modem.passes` (DTE to call) or
:meth:`Modem.call_passes` (call to DTE) says so, the caller moves the chunk itself and no action is made.

The two coupled questions - where the call stands, and where bytes go - have one answer, the state
(:mod:`atparser.state`).  Settings and the commands on them are the interpreter's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from . import results
from .actions import (
    Action,
    Answer,
    CallFailure,
    CallLoss,
    Circuit,
    Deliver,
    HangUp,
    Originate,
    PauseCall,
    Refusal,
    Refuse,
    ResumeCall,
    SendCall,
    SendDte,
    SetCircuit,
    StoreProfile,
)
from .assembler import Assembler, Line
from .dialstring import DialString, joined, parse_dial
from .errors import InitError
from .escape import Escape
from .interpreter import Control, Done, Failed, Interpreter, Verb
from .options import Options
from .parity import encode
from .parser import Scanner
from .profile import Store
from .state import CONNECTED, IN_CALL, PROGRESS, Input, State, allowed, next_state
from .timers import Timer, Timers

ONLINE: Final = State.ONLINE

#: Bytes within this time of a command's terminator do not abort it (V.250 clause 5.6.1), in seconds.
ABORT_GRACE: Final = 0.125
#: A RING or an automatic answer waits this long for a half-typed command line, in seconds.
TYPING_PAUSE: Final = 1.0
#: S1 is cleared this long after the last ring (V.250 clause 6.3.9), in seconds.
RING_MEMORY: Final = 8.0
#: A timer found this late says nothing about silence: the whole program had stopped, in seconds.
LATE: Final = 0.25
#: How long DCD stays off at a disconnect with &C2, in seconds.
CARRIER_PULSE: Final = 1.0
#: S38=255, wait for ever, in seconds.
FOR_EVER: Final = 86400.0
#: Bytes typed ahead of what is still going on that are kept; see :attr:`Modem.input_full`.
AHEAD_LIMIT: Final = 16384
#: Words to the DTE are joined into one action up to about this size.
WRITE_LIMIT: Final = 4096

_CAUSES: Final = {CallLoss.REMOTE: 12, CallLoss.RESET: 4, CallLoss.TIMEOUT: 13, CallLoss.ERROR: 4}
_FAILURES: Final = {
    CallFailure.REFUSED: results.BUSY,
    CallFailure.NO_ANSWER: results.NO_ANSWER,
    CallFailure.UNKNOWN: results.NO_CARRIER,
    CallFailure.FORBIDDEN: results.NO_CARRIER,
    CallFailure.NO_NETWORK: results.NO_DIALTONE,
    CallFailure.LINE_BUSY: results.NO_DIALTONE,
}


class Modem:
    """One modem: DCE to one DTE, with at most one call."""

    def __init__(self, options: Options | None = None, store: Store | None = None) -> None:
        self.options = options or Options()
        self.interpreter = Interpreter(self.options, store or Store())
        #: The DTE's speed in bit/s, for CONNECT; the caller keeps it true.  0 where the line has none.
        self.dte_rate = 0
        self._state = State.IDLE
        self._out: list[Action] = []
        self._timers = Timers()
        self._assembler = Assembler(self.options)
        self._escape = Escape()
        self._fast = False  # online, and nothing stands in the way of whole chunks
        self._scanner: Scanner | None = None  # a line that waits for stored()
        self._line: str | None = None  # for A/
        self._ahead = bytearray()  # typed behind a command that is still going on
        self._held = bytearray()  # from the call, for a DTE that is not online
        self._call_paused = False
        self._muted = False
        self._answering = False  # the present call came in (Q2)
        self._line_end = float("-inf")  # when the last command line was finished
        self._after_line = False  # the next byte is the first behind it
        self._typed = float("-inf")  # when the last byte of a command arrived
        self._parts = DialString()  # a number dialled in parts, D...;
        self._dial = DialString()  # the number being dialled
        self._dial_key = ""  # what the redial pause knows it by
        self._failures: dict[str, float] = {}  # the numbers that failed within the redial pause, and when
        self._rings = 0  # bursts of the present call
        self._rang = 0.0  # when the last burst began
        self._ring_due = False  # a RING waits for the DTE to stop typing
        self._burst = False
        self._dtr = True  # as S25 lets it count
        self._active = 0.0  # when a byte last went either way
        self._online_at = 0.0  # when CONNECT was last said
        self._carrier_pulse = False
        self._circuits: dict[Circuit, bool] = {}

    # -- what the caller may look at -----------------------------------------------------------------------

    @property
    def state(self) -> State:
        return self._state

    @property
    def busy(self) -> bool:
        """Whether an incoming call would hear that the line is busy."""
        return not allowed(self._state, Input.CALL_ARRIVED)

    @property
    def input_full(self) -> bool:
        """Whether the DTE has typed so far ahead that reading should stop until this is False again."""
        return len(self._ahead) >= AHEAD_LIMIT

    def deadline(self) -> float | None:
        """When :meth:`expire` wants to be called; None while nothing is awaited."""
        return self._timers.deadline()

    # -- the fast lane -------------------------------------------------------------------------------------

    def passes(self, data: bytes, now: float) -> bool:
        """Whether this chunk of the DTE goes to the call as it is.  If not, it is for :meth:`receive_dte`."""
        if self._fast and self._escape.plain(data, now):
            self._active = now
            return True
        return False

    def call_passes(self, now: float) -> bool:
        """Whether a chunk of the call goes to the DTE as it is.  If not, it is for :meth:`receive_call`."""
        if self._state is ONLINE:
            self._active = now
            return True
        return False

    # -- what happens --------------------------------------------------------------------------------------

    def start(self, now: float, init: str = "") -> list[Action]:
        """Power-up.  ``init`` is run like a command line (without the AT), its output suppressed.

        Raises :class:`InitError` when a command of it is refused.
        """
        self._begin(now)
        if init:
            self._muted = True
            refused = self._run(Scanner(init), now)
            self._muted = self._scanner is not None
            if refused is not None:
                raise InitError(f"{refused!r} is no command this modem accepts, or its value is out of range")
        self._drive_circuits()
        return self._out

    def receive_dte(self, data: bytes, now: float) -> list[Action]:
        """The DTE sent ``data``."""
        ready = self._escape.ready_at
        if ready is not None and now - ready > LATE:
            self._timers.clear(Timer.ESCAPE)
            self._escape.cancel()
        self._begin(now)
        self._take(data, now)
        return self._out

    def receive_call(self, data: bytes, now: float) -> list[Action]:
        """The far end sent ``data``; while the DTE is not online it is kept for later."""
        self._begin(now)
        self._active = now
        if self._state is ONLINE:
            self._out.append(Deliver(bytes(data)))
        elif self._state in IN_CALL or self._state is State.RINGING:
            self._held += data
            if len(self._held) >= self.options.hold_limit and not self._call_paused:
                self._call_paused = True
                self._out.append(PauseCall())
        return self._out

    def call_arrived(self, now: float) -> list[Action]:
        """Somebody calls.  Busy is told by a :class:`Refuse`; otherwise it rings."""
        self._begin(now)
        if not allowed(self._state, Input.CALL_ARRIVED):
            self._out.append(Refuse(Refusal.BUSY))
            return self._out
        self._move(Input.CALL_ARRIVED)
        self._answering = True
        self._rings = 0
        self._held.clear()
        self._call_paused = False
        self._ring(now)
        return self._out

    def caller_left(self, now: float) -> list[Action]:
        """The caller gave up before the call was answered."""
        if self._state is State.RINGING:
            self._timers.clear(Timer.BURST_END, Timer.NEXT_RING)  # there is nobody to answer any more
        if self._happened(Input.CALLER_LEFT, now):
            self._end_ringing(Input.CALLER_LEFT, now)
        return self._out

    def carrier_detected(self, now: float) -> list[Action]:
        """The far end is there: the call dialled or answered is established."""
        if self._happened(Input.CARRIER, now):
            self._move(Input.CARRIER)
            self._timers.clear(Timer.DIAL_LIMIT, Timer.REDIAL)
            self._clear_rings()
            self._go_online(now)
            self._take_ahead(now)
        return self._out

    def call_failed(self, failure: CallFailure, now: float) -> list[Action]:
        """The call that was dialled or answered did not come about."""
        if self._happened(Input.CALL_FAILED, now):
            self._move(Input.CALL_FAILED)
            self._end_progress(_FAILURES[failure], now)
        return self._out

    def carrier_lost(self, loss: CallLoss, now: float) -> list[Action]:
        """The call ended from outside.  To be told after everything received of it has been handed over."""
        if self._happened(Input.CARRIER_LOST, now):
            self._move(Input.CARRIER_LOST)
            self._set_register(86, _CAUSES[loss])
            self._end_call(now, carrier=True)
            self._result(results.NO_CARRIER)
        return self._out

    def dtr_changed(self, on: bool, now: float) -> list[Action]:
        """Circuit 108/2 changed; an off counts once it has lasted S25."""
        self._begin(now)
        if on:
            self._timers.clear(Timer.DTR)
            self._dtr = True
        elif self._dtr and Timer.DTR not in self._timers:
            self._timers.set(Timer.DTR, now + self.interpreter.profile.registers[25] * 0.01)
            self._expire_due(now)
        return self._out

    def stored(self, ok: bool, now: float) -> list[Action]:
        """What :class:`StoreProfile` asked for has been done, or could not be."""
        self._begin(now)
        scanner, self._scanner = self._scanner, None
        if scanner is not None:
            self._line_end = now
            if ok:
                self._run_line(scanner, now)
            else:
                self.interpreter.not_stored()
                self._result(results.ERROR)
            self._muted = self._muted and self._scanner is not None
            self._say_late_ring()
            self._take_ahead(now)
        return self._out

    def hang_up(self, reason: str, now: float) -> list[Action]:
        """The owner of the modem ends whatever call there is."""
        self._begin(now)
        if self._state is State.RINGING:
            self._out.append(Refuse(Refusal.REJECTED))
            self._end_ringing(Input.ON_HOOK, now)
        elif self._state in IN_CALL:
            self._drop_call(reason, Input.ON_HOOK, now)
            self._result(results.NO_CARRIER)
            if self._scanner is None:
                self._ahead.clear()  # or the next call might begin with it
        return self._out

    def expire(self, now: float) -> list[Action]:
        """Time has come for something; harmless when it has not."""
        self._begin(now)
        return self._out

    # -- bytes of the DTE ----------------------------------------------------------------------------------

    def _begin(self, now: float) -> None:
        self._out = []
        self._expire_due(now)

    def _happened(self, what: Input, now: float) -> bool:
        """Begin on what moves the state.  False when a timer, due by now, has ended what it is about.

        Raises UsageError, with nothing done, when it could not happen at all.
        """
        next_state(self._state, what)
        self._begin(now)
        return allowed(self._state, what)

    def _take(self, data: bytes, now: float) -> None:
        at = 0
        while at < len(data):
            if self._scanner is not None:
                self._ahead += data[at:]
                return
            if self._after_line and self._eaten(data[at], now):
                at += 1
            elif self._state is ONLINE:
                at = self._take_online(data, at, now)
            elif self._state in PROGRESS:
                at = self._take_progress(data, at, now)
            else:
                at = self._take_command(data, at, now)

    def _eaten(self, byte: int, now: float) -> bool:
        """Whether the first byte behind a command line is only the second half of CR LF."""
        self._after_line = False
        self._fast = self._state is ONLINE
        if byte != 10 or not self.options.eat_lf or now - self._line_end > ABORT_GRACE:
            return False
        return self._state in PROGRESS or (self._state is ONLINE and now <= self._online_at)

    def _take_online(self, data: bytes, at: int, now: float) -> int:
        chunk = data[at:] if at else data
        self._active = now
        end = self._escape.watch(chunk, now)
        if end is None:
            self._out.append(SendCall(bytes(chunk)))
            if self._escape.ready_at is None:
                self._timers.clear(Timer.ESCAPE)
            else:
                self._timers.set(Timer.ESCAPE, self._escape.ready_at)
            return len(data)
        self._out.append(SendCall(bytes(chunk[:end])))
        line = self._escape.line
        self._go_command(tell=not line)
        if line:
            _, _, command = self._assembler.take(line, 0, self.interpreter.profile)
            if command is not None:
                self._finished(command, now)
        return at + end

    def _take_progress(self, data: bytes, at: int, now: float) -> int:
        if now - self._line_end <= ABORT_GRACE:
            self._ahead += data[at:]
            return len(data)
        self._drop_call("aborted by the DTE", Input.ABORTED, now)
        self._result(results.NO_CARRIER)
        self._take_ahead(now)
        return at + 1

    def _take_command(self, data: bytes, at: int, now: float) -> int:
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
            self._take(ahead, now)

    # -- command lines -------------------------------------------------------------------------------------

    def _finished(self, line: Line, now: float) -> None:
        """A command line is complete: run it."""
        self._line_end = now
        self._after_line = True
        self._fast = False
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
        refused = self._run(scanner, now)
        if refused is not None:
            self._drive_circuits()  # what ran before the refused one counts
            self._result(results.ERROR)

    def _run(self, scanner: Scanner, now: float) -> str | None:
        """Run a line's commands.  Returns the text of a refused one; says every other result itself."""
        while True:
            command = scanner.next()
            if command is None:
                self._result(results.OK)
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

    def _control(self, control: Control, now: float) -> bool | None:
        """Carry out a command on the call: True when it ends the line, False when it is an error."""
        verbs: dict[Verb, Callable[[Control, float], bool | None]] = {
            Verb.DIAL: self._command_dial,
            Verb.ANSWER: self._command_answer,
            Verb.HOOK: self._command_hook,
            Verb.RETURN: self._command_return,
            Verb.RESET: self._command_reset,
        }
        return verbs[control.verb](control, now)

    def _command_dial(self, control: Control, now: float) -> bool | None:
        if self._state not in (State.IDLE, State.OFF_HOOK, State.RINGING):
            return False
        self._answering = False
        dial = parse_dial(control.text)
        more = dial.more
        if dial.last or dial.stored is not None:
            text = (
                self.interpreter.last_number
                if dial.last
                else self.interpreter.store.numbers.get(dial.stored or 0)
            )
            if text is None:
                return False
            dial = parse_dial(text)
        dial = joined(self._parts, dial)
        if more:
            self._parts = dial
            if dial.raw and self._state is not State.OFF_HOOK:
                self._leave_ringing(now)
                self._move(Input.SEIZE)
            return None
        self._parts = DialString()
        if not dial.raw:
            dial = parse_dial(self.options.default_number)
        self._leave_ringing(now)
        if not dial.raw:
            if self._state is not State.IDLE:
                self._move(Input.ON_HOOK)
            self._result(results.NO_CARRIER)
            return True
        self._originate(dial, now)
        return True

    def _originate(self, dial: DialString, now: float) -> None:
        self._move(Input.DIAL)
        self._dial = dial
        self._dial_key = dial.number or dial.raw.lower()
        self.interpreter.last_number = _again(dial)
        self._held.clear()
        self._call_paused = False
        self._drive_circuits()
        free_at = self._failures.get(self._dial_key, float("-inf")) + self.options.redial_pause
        if now < free_at:
            self._timers.set(Timer.REDIAL, free_at)
        else:
            self._place(now)

    def _place(self, now: float) -> None:
        self._timers.set(Timer.DIAL_LIMIT, now + self.interpreter.profile.effective(7))
        self._out.append(Originate(self._dial))

    def _command_answer(self, control: Control, now: float) -> bool | None:
        if self._state is State.RINGING:
            self._answer(now)
            return True
        if self._state not in (State.IDLE, State.OFF_HOOK):
            return False
        self._parts = DialString()
        self._move(Input.ON_HOOK)
        self._result(results.NO_CARRIER)
        return True

    def _command_hook(self, control: Control, now: float) -> bool | None:
        if control.value:
            self._leave_ringing(now)
            self._move(Input.SEIZE)
            return None
        self._parts = DialString()
        if self._state in CONNECTED:
            self._drop_call("local hang-up", Input.ON_HOOK, now)
            if self.options.hangup_no_carrier:
                self._result(results.NO_CARRIER)
                return True
        else:
            self._leave_ringing(now)
            self._move(Input.ON_HOOK)
        self._clear_rings()
        return None

    def _command_return(self, control: Control, now: float) -> bool | None:
        if self._state is not State.ONLINE_COMMAND:
            return False
        self._move(Input.RETURN)
        self._go_online(now)
        return True

    def _command_reset(self, control: Control, now: float) -> bool | None:
        self._parts = DialString()
        if self._state in CONNECTED:
            self._drop_call("reset", Input.ON_HOOK, now)
        elif self._state is State.OFF_HOOK:
            self._move(Input.ON_HOOK)
        self.interpreter.reset(control.value)
        return None

    # -- calls ---------------------------------------------------------------------------------------------

    def _move(self, what: Input) -> None:
        self._state = next_state(self._state, what)
        self._fast = self._state is ONLINE and not self._after_line

    def _go_online(self, now: float) -> None:
        """Into online data state: circuits, CONNECT, then what was held back - in this order."""
        profile = self.interpreter.profile
        s2, s12 = profile.registers[2], profile.registers[12]
        self._escape.configure(
            s2, s12 * 0.02, self.options.escape, self._assembler.parity, profile.registers[3]
        )
        self._assembler.reset()
        self._active = self._online_at = now
        self._set_inactivity(now)
        self._carrier_pulse = False
        self._timers.clear(Timer.CARRIER_PULSE)
        self._drive_circuits()
        options = self.options
        report = results.connect(
            self.dte_rate, profile, options.line_rate, options.connect_rate, options.connect_text
        )
        for text in report:
            self._result(text)
        self._release_held()

    def _release_held(self) -> None:
        if self._held:
            self._out.append(Deliver(bytes(self._held)))
            self._held.clear()
        if self._call_paused:
            self._call_paused = False
            self._out.append(ResumeCall())

    def _go_command(self, tell: bool = True) -> None:
        """Into online command state."""
        self._move(Input.ESCAPE)
        self._timers.clear(Timer.ESCAPE)
        self._escape.cancel()
        self._assembler.reset()
        if tell:
            self._result(results.OK)

    def _drop_call(self, reason: str, what: Input, now: float) -> None:
        """End the call, or the attempt at one, from our side."""
        s38 = self.interpreter.profile.registers[38]
        connected = self._state in CONNECTED
        self._out.append(HangUp(FOR_EVER if s38 == 255 else float(s38), reason))
        self._move(what)
        self._held.clear()
        if connected:
            self._set_register(86, 0)
        self._end_call(now, carrier=connected)

    def _end_call(self, now: float, carrier: bool) -> None:
        """Common to every end of a call; the state has moved already.  ``carrier``: there was one."""
        self._timers.clear(Timer.DIAL_LIMIT, Timer.REDIAL, Timer.ESCAPE, Timer.INACTIVITY)
        self._escape.cancel()
        if self._held:
            self._out.append(Deliver(bytes(self._held)))
            self._held.clear()
        self._call_paused = False
        self._burst = False
        self._clear_rings()
        if carrier and self.interpreter.profile.basic["&C"] == 2:
            self._carrier_pulse = True
            self._timers.set(Timer.CARRIER_PULSE, now + CARRIER_PULSE)
        self._drive_circuits()

    def _end_progress(self, result: str, now: float) -> None:
        """A call did not come about; the state has moved already."""
        self._held.clear()
        if not self._answering:
            since = now - self.options.redial_pause
            self._failures = {key: at for key, at in self._failures.items() if at > since}
            self._failures[self._dial_key] = now
        self._end_call(now, carrier=False)
        if self._answering:
            result = results.NO_CARRIER
        self._result(results.allowed(result, self._dial.wait_silence, self.interpreter.profile))
        self._take_ahead(now)

    def _set_inactivity(self, now: float) -> None:
        s30 = self.interpreter.profile.registers[30] * 10
        if s30:
            self._timers.set(Timer.INACTIVITY, self._active + s30)
        else:
            self._timers.clear(Timer.INACTIVITY)

    # -- ringing -------------------------------------------------------------------------------------------

    def _ring(self, now: float) -> None:
        """A ring burst begins."""
        self._rings += 1
        self._set_register(1, min(255, self._rings))
        self._burst = True
        self._drive_circuits()
        self._rang = now
        self._timers.clear(Timer.RING_COUNT)
        self._timers.set(Timer.BURST_END, now + self.options.ring_on)
        if self._half_typed(now):
            self._ring_due = True
            self._timers.set(Timer.TYPING, self._typed + TYPING_PAUSE)
        else:
            self._say_ring()

    def _half_typed(self, now: float) -> bool:
        """Whether a word of ours would fall into a command line, or between it and its result code."""
        return self._scanner is not None or (self._assembler.typing and now - self._typed < TYPING_PAUSE)

    def _say_late_ring(self) -> None:
        """Say the RING that waited for a command line to end, if one does."""
        if self._ring_due and self._scanner is None and not self._assembler.typing:
            self._say_ring()

    def _say_ring(self) -> None:
        self._ring_due = False
        self._timers.clear(Timer.TYPING)
        self._result(results.RING)

    def _burst_ended(self, now: float) -> None:
        self._burst = False
        self._drive_circuits()
        s0 = self.interpreter.profile.registers[0]
        reachable = self._dtr or self.interpreter.profile.basic["&D"] < 2
        if s0 and self._rings >= s0 and reachable and not self._half_typed(now):
            self._line_end = float("-inf")
            self._assembler.reset()
            self._answer(now)
        else:
            self._timers.set(Timer.NEXT_RING, now + self.options.ring_off)

    def _next_ring(self, now: float) -> None:
        if self._rings < self.options.max_rings:
            self._ring(now)
            return
        self._out.append(Refuse(Refusal.NO_ANSWER))
        self._end_ringing(Input.NOT_ANSWERED, now)

    def _answer(self, now: float) -> None:
        self._stop_ringing()
        self._clear_rings()
        self._move(Input.ANSWER)
        self._dial = DialString()
        self._drive_circuits()
        self._timers.set(Timer.DIAL_LIMIT, now + self.interpreter.profile.effective(7))
        self._out.append(Answer())

    def _leave_ringing(self, now: float) -> None:
        """The DTE does something else than answer: the caller is turned away."""
        if self._state is State.RINGING:
            self._out.append(Refuse(Refusal.REJECTED))
            self._end_ringing(Input.ON_HOOK, now)

    def _end_ringing(self, what: Input, now: float) -> None:
        self._move(what)
        self._stop_ringing()
        self._timers.set(Timer.RING_COUNT, max(now, self._rang + RING_MEMORY))
        self._held.clear()
        self._call_paused = False
        self._drive_circuits()

    def _stop_ringing(self) -> None:
        self._burst = False
        self._ring_due = False
        self._timers.clear(Timer.BURST_END, Timer.NEXT_RING, Timer.TYPING)

    def _clear_rings(self) -> None:
        self._timers.clear(Timer.RING_COUNT)
        self._set_register(1, 0)

    # -- time ----------------------------------------------------------------------------------------------

    def _expire_due(self, now: float) -> None:
        while (timer := self._timers.pop_due(now)) is not None:
            self._expired(timer, now)

    def _expired(self, timer: Timer, now: float) -> None:
        if timer is Timer.ESCAPE:
            self._escape_due(now)
        elif timer is Timer.DTR:
            self._dtr_dropped(now)
        elif timer is Timer.DIAL_LIMIT:
            self._drop_call("no answer within S7", Input.ON_HOOK, now)
            self._end_progress(results.NO_ANSWER, now)
        elif timer is Timer.REDIAL:
            self._place(now)
        elif timer is Timer.BURST_END:
            self._burst_ended(now)
        elif timer is Timer.NEXT_RING:
            self._next_ring(now)
        elif timer is Timer.TYPING:
            self._typing_due(now)
        elif timer is Timer.RING_COUNT:
            self._set_register(1, 0)
        elif timer is Timer.CARRIER_PULSE:
            self._carrier_pulse = False
            self._drive_circuits()
        elif timer is Timer.INACTIVITY:
            self._set_inactivity(now)
            due = self._timers.get(Timer.INACTIVITY)
            if due is not None and due <= now:
                self._drop_call("inactive for S30", Input.ON_HOOK, now)
                self._result(results.NO_CARRIER)

    def _escape_due(self, now: float) -> None:
        ready = self._escape.ready_at
        if ready is not None and now - ready > LATE:
            # The program stood still, and what the DTE sent meanwhile may wait to be read: that comes first.
            self._escape.ready_at = now + LATE
            self._timers.set(Timer.ESCAPE, now + LATE)
        else:
            self._go_command()

    def _typing_due(self, now: float) -> None:
        """A RING waits: has the DTE really stopped?"""
        until = self._typed + TYPING_PAUSE
        if self._half_typed(now) and until > now:
            self._timers.set(Timer.TYPING, until)
        else:
            self._say_ring()

    def _dtr_dropped(self, now: float) -> None:
        """DTR has been off for S25 (&D)."""
        self._dtr = False
        profile = self.interpreter.profile
        mode = profile.basic["&D"]
        if mode == 2 and profile.registers[13] & 1:
            mode = 3
        if mode == 0:
            return
        self._assembler.reset()
        if self._state in PROGRESS or (self._state in CONNECTED and mode >= 2):
            self._drop_call("DTR dropped", Input.ON_HOOK, now)
            self._ahead.clear()
            self._result(results.NO_CARRIER)
        elif self._state is ONLINE:
            self._go_command()
        elif self._state is State.OFF_HOOK and mode >= 2:
            self._parts = DialString()
            self._move(Input.ON_HOOK)
        if mode == 3:
            self.interpreter.reset(self.interpreter.store.power_up)
            self._drive_circuits()

    # -- words and circuits --------------------------------------------------------------------------------

    def _result(self, text: str) -> None:
        """A result code, if the settings want it said."""
        profile = self.interpreter.profile
        q = profile.basic["Q"]
        unwanted = q == 2 and self._answering and text not in (results.OK, results.ERROR)
        if q != 1 and not unwanted and not self._muted:
            self._send(
                encode(results.frame(text, profile, self.options.result_table), self._assembler.parity)
            )

    def _inform(self, lines: tuple[str, ...]) -> None:
        if not self._muted:
            self._send(encode(results.information(lines, self.interpreter.profile), self._assembler.parity))

    def _send(self, data: bytes) -> None:
        """Words to the DTE; those that follow each other travel in one write, up to a size."""
        last = self._out[-1] if self._out else None
        if isinstance(last, SendDte) and len(last.data) < WRITE_LIMIT:
            self._out[-1] = SendDte(last.data + data)
        else:
            self._out.append(SendDte(data))

    def _set_register(self, number: int, value: int) -> None:
        self.interpreter.profile.registers[number] = value

    def _drive_circuits(self) -> None:
        """Make the circuits what state and settings want, and ask for those that change."""
        basic = self.interpreter.profile.basic
        carrier = self._state in CONNECTED
        dcd = {0: True, 1: carrier, 2: not self._carrier_pulse}[basic["&C"]]
        wanted = {
            Circuit.RI: self._burst,
            Circuit.CTS: True,
            Circuit.DSR: basic["&S"] == 0 or self._state in IN_CALL,
            Circuit.DCD: dcd,
        }
        for circuit, on in wanted.items():
            if self._circuits.get(circuit) is not on:
                self._circuits[circuit] = on
                self._out.append(SetCircuit(circuit, on))


def _again(dial: DialString) -> str:
    """A dial string that dials this once more; T and quotes, which parse_dial takes off, are put back."""
    wanted = (dial.raw, dial.literal, dial.stored, dial.last)
    for text in (dial.raw, "T" + dial.raw, f'"{dial.raw}"'):
        found = parse_dial(text)
        if (found.raw, found.literal, found.stored, found.last) == wanted:
            return text
    return dial.raw
