"""Calls: placing, ringing and answering, going online and back, and every way to an end.

The middle storey of the engine: what the DTE's bytes mean is decided above, what it sees is shown below.
Every move goes through the table of :mod:`atparser.state`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from . import callerid, results
from .actions import Answer, BreakDte, CallFailure, HangUp, Originate, Refusal, Refuse, ResumeCall
from .dialstring import DialString, joined, parse_dial
from .interpreter import Control, Verb
from .listening import Listening
from .options import Options
from .parity import Parity
from .profile import Store
from .state import CONNECTED, Input, State, next_state
from .terminal import TYPING_PAUSE
from .timers import Timer

ONLINE: Final = State.ONLINE
#: S1 is cleared this long after the last ring (V.250 clause 6.3.9), in seconds.
RING_MEMORY: Final = 8.0
#: How long DCD stays off at a disconnect with &C2, in seconds.
CARRIER_PULSE: Final = 1.0
#: S38=255, wait for ever, in seconds.
FOR_EVER: Final = 86400.0
#: The answer to CLIENT: the line is joined.
_CLIENTSERVER: Final = b"CLIENTSERVER"


class CallControl(Listening):
    """At most one call, and the way to it and from it."""

    def __init__(self, options: Options | None = None, store: Store | None = None) -> None:
        super().__init__(options, store)
        self._plain = False  # online, and bytes go both ways as they are
        self._fast = False  # besides, nothing stands in the way of whole chunks of the DTE
        self._active = 0.0  # when a byte last went either way
        self._online_at = 0.0  # when CONNECT was last said
        self._held = bytearray()  # from the call, for a DTE that is not online
        self._held_break = False  # one of the call, behind those bytes
        self._call_paused = False
        self._dtr = True  # as S25 lets it count
        self._dtr_was_off = True  # so that the next time it comes on counts, the first time too
        self._looping = False  # what the DTE sends comes back to it (&T1)
        # dialling
        self._parts = DialString()  # a number dialled in parts, D...;
        self._dial = DialString()  # the number being dialled
        self._dial_key = ""  # what the redial pause knows it by
        self._unbidden = False  # not dialled by the DTE, which may give commands until it is there
        self._cable = False  # asked for by CLIENT
        self._quiet = False  # its own results are not said either
        self._released = False  # the DTE wants no such call, for now
        self._hung_up = False  # the command line under way ended a call, and NO CARRIER is to be its result
        self._failures: dict[str, float] = {}  # the numbers that failed within the redial pause, and when
        # ringing
        self._rings = 0  # bursts of the present call
        self._rang = 0.0  # when the last burst began
        self._ring_due = False  # a RING waits for the DTE to stop typing
        self._waiting = False  # ATA came before a caller did
        self._caller_due = False  # the caller is still to be named
        self._call_rate = 0  # of the present call, in bit/s, where it has one of its own
        self._far_rings = False  # the far modem has told that it rings
        self._tells_circuits = False  # the far end of the present call can be told ours

    # -- commands ----------------------------------------------------------------------------------------

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
        self._answering = False
        if not dial.raw:
            if self._state is not State.IDLE:
                self._move(Input.ON_HOOK)
            self._result(results.NO_CARRIER)
            return True
        self._originate(dial, now)
        return True

    def _command_answer(self, control: Control, now: float) -> bool | None:
        if self._state is State.RINGING:
            self._answer(now)
            return True
        if self._state not in (State.IDLE, State.OFF_HOOK):
            return False
        self._parts = DialString()
        self._answering = False  # nobody called: the command's own result is due, whatever the last call was
        self._move(Input.ON_HOOK)
        if self.options.answer_wait:
            self._move(Input.ANSWER)
            self._waiting = True
            self._dial = DialString()
            self._timers.set(Timer.ANSWER_WAIT, now + self.options.answer_wait)
        else:
            self._result(results.NO_CARRIER)
        return True

    def _command_hook(self, control: Control, now: float) -> bool | None:
        if control.value:
            self._leave_ringing(now)
            self._move(Input.SEIZE)
            return None
        self._parts = DialString()
        self._released = True
        if self._state in CONNECTED:
            self._drop_call("local hang-up", Input.ON_HOOK, now)
            self._hung_up = self.options.hangup_no_carrier
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

    # -- placing -----------------------------------------------------------------------------------------

    def _originate(self, dial: DialString, now: float, *, unbidden: bool = False) -> None:
        self._move(Input.DIAL)
        self._dial = dial
        self._dial_key = dial.place or dial.number or dial.raw.lower()
        self._unbidden = self._hushed = unbidden
        self._cable = False
        if not unbidden:
            self.interpreter.last_number = _again(dial)
        self._held.clear()
        self._call_paused = self._far_rings = False
        self._drive_circuits()
        free_at = self._failures.get(self._dial_key, float("-inf")) + self.options.redial_pause
        if now < free_at:
            self._timers.set(Timer.REDIAL, free_at)
        else:
            self._place(now)

    def _place(self, now: float) -> None:
        self._timers.set(Timer.DIAL_LIMIT, now + self.interpreter.profile.effective(7))
        self._out.append(Originate(self._dial))

    # -- ringing and answering ---------------------------------------------------------------------------

    def _ring(self, now: float) -> None:
        """A ring burst begins."""
        self._rings += 1
        self._set_register(1, min(255, self._rings))
        self._burst = True
        self._drive_circuits()
        self._rang = now
        self._timers.clear(Timer.RING_COUNT)
        self._timers.set(Timer.BURST_END, now + self.options.ring_on)
        if self._rings > 1 and self.interpreter.profile.number("+VDR") and not self._half_typed(now):
            self._unasked(f"DROF={self.options.ring_off * 10:.0f}")
        if self._half_typed(now):
            self._ring_due = True
            self._timers.set(Timer.TYPING, self._typed + TYPING_PAUSE)
        else:
            self._say_ring()

    def _say_late_ring(self) -> None:
        """Say the RING that waited for a command line to end, if one does."""
        if self._scanner is None and self._pending is None and not self._assembler.typing:
            self._say_what_is_due()

    def _say_what_is_due(self) -> None:
        if self._ring_due:
            self._say_ring()
        if self._caller_due:
            self._name_caller()

    def _say_ring(self) -> None:
        self._ring_due = False
        self._timers.clear(Timer.TYPING)
        caller = self.interpreter.caller
        who = ""
        if self.options.ring_info and caller is not None and not caller.private and caller.number:
            who = " " + callerid.printable(caller.number)
        self._result(results.RING + who)

    def _name_caller(self) -> None:
        """Say who calls (+VCID), after the first burst."""
        self._caller_due = False
        if self.interpreter.profile.number("+VCID"):
            self._unasked(*self.interpreter.caller_lines())

    def _typing_due(self, now: float) -> None:
        """A RING waits: has the DTE really stopped?"""
        until = self._typed + TYPING_PAUSE
        if self._half_typed(now) and until > now:
            self._timers.set(Timer.TYPING, until)
        else:
            self._say_what_is_due()

    def _burst_ended(self, now: float) -> None:
        self._burst = False
        self._drive_circuits()
        self._caller_due = self._caller_due or self._rings == 1
        if not self._half_typed(now):
            if self.interpreter.profile.number("+VDR"):
                self._unasked(f"DRON={self.options.ring_on * 10:.0f}")
            self._say_what_is_due()
        elif Timer.TYPING not in self._timers:
            self._timers.set(Timer.TYPING, self._typed + TYPING_PAUSE)
        s0 = self.interpreter.profile.registers[0]
        if s0 and self._rings >= s0 and self._reachable and not self._half_typed(now):
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

    @property
    def _reachable(self) -> bool:
        """Whether a DTE is there to talk to a caller, as far as &D lets DTR say so."""
        return self._dtr or self.interpreter.profile.basic["&D"] < 2

    def _answer(self, now: float) -> None:
        self._stop_ringing()
        self._clear_rings()
        self._move(Input.ANSWER)
        self._dial = DialString()
        self._take_caller(now)

    def _take_caller(self, now: float) -> None:
        """The state says already that a call is being answered."""
        self._waiting = False
        self._timers.clear(Timer.ANSWER_WAIT)
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
        self._held_break = False
        self._call_paused = False
        self._drive_circuits()

    def _stop_ringing(self) -> None:
        self._burst = False
        self._ring_due = self._caller_due = False
        self._timers.clear(Timer.BURST_END, Timer.NEXT_RING, Timer.TYPING)

    def _clear_rings(self) -> None:
        self._timers.clear(Timer.RING_COUNT)
        self._set_register(1, 0)

    # -- online and back ---------------------------------------------------------------------------------

    def _move(self, what: Input) -> None:
        self._state = next_state(self._state, what)
        self._choose_way()

    def _choose_way(self) -> None:
        """Decide, once for all that follows, whether anybody has to look at a call's bytes."""
        self._plain = self._state is ONLINE and not self._seven_bits
        self._fast = self._plain and not self._after_line

    def _go_online(self, now: float) -> None:
        """Into online data state: circuits, CONNECT, then what was held back - in this order."""
        profile = self.interpreter.profile
        # Who joined the line by CLIENT never gives a command in a call: every byte is data.
        self._watch_for_escape(now, possible=not self._cable)
        with_parity = self._assembler.parity is not Parity.NONE and not self._cable
        self._seven_bits = self.options.strip_parity_online and with_parity
        self._choose_way()
        self._assembler.reset()
        self._active = self._online_at = now
        self._set_inactivity(now)
        self._carrier_pulse = False
        self._timers.clear(Timer.CARRIER_PULSE, Timer.GRACE)
        self._drive_circuits()
        if self._unbidden:
            self._hushed = self._cable or self._quiet
        if self._cable:
            self._send(_CLIENTSERVER)
        for text in results.connect(profile, self.dte_rate, self._call_rate):
            self._result(text)
        self._release_held()

    def _release_held(self) -> None:
        if self._held:
            self._deliver(bytes(self._held))
            self._held.clear()
        if self._held_break:
            self._held_break = False
            self._out.append(BreakDte(self.interpreter.profile.break_s()))
        if self._call_paused:
            self._call_paused = False
            self._out.append(ResumeCall())

    def _go_command(self, tell: bool = True) -> None:
        """Into online command state."""
        self._move(Input.ESCAPE)
        self._hushed = False
        self._forget_escape()
        self._assembler.reset()
        if tell:
            self._result(results.OK)

    # -- ends --------------------------------------------------------------------------------------------

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
        self._timers.clear(Timer.DIAL_LIMIT, Timer.REDIAL, Timer.ANSWER_WAIT, Timer.GRACE, Timer.INACTIVITY)
        self._forget_escape()
        self._waiting = self._held_break = False
        if self._held:
            if self.interpreter.profile.number("+ETBM", 1):
                self._deliver(bytes(self._held))
            self._held.clear()
        self._seven_bits = False
        self._call_paused = self._tells_circuits = False
        self._far_carrier = True
        self._call_rate = 0
        self._burst = False
        self._clear_rings()
        if carrier and self.interpreter.profile.basic["&C"] == 2:
            self._carrier_pulse = True
            self._timers.set(Timer.CARRIER_PULSE, now + CARRIER_PULSE)
        self._drive_circuits()

    def _end_progress(self, failure: CallFailure, now: float) -> None:
        """A call did not come about; the state has moved already."""
        self._held.clear()
        if not self._answering:
            since = now - self.options.redial_pause
            self._failures = {key: at for key, at in self._failures.items() if at > since}
            self._failures[self._dial_key] = now
        self._end_call(now, carrier=False)
        if self._answering:
            self._result(results.NO_CARRIER)
        else:
            self._result(results.failure(failure, self._dial.wait_silence, self.interpreter.profile))

    def _set_inactivity(self, now: float) -> None:
        limit = self.interpreter.profile.inactivity_s()
        if limit:
            self._timers.set(Timer.INACTIVITY, self._active + limit)
        else:
            self._timers.clear(Timer.INACTIVITY)


def _again(dial: DialString) -> str:
    """A dial string that dials this once more; T and quotes, which parse_dial takes off, are put back."""
    wanted = (dial.raw, dial.literal, dial.stored, dial.last)
    for text in (dial.raw, "T" + dial.raw, f'"{dial.raw}"'):
        found = parse_dial(text)
        if (found.raw, found.literal, found.stored, found.last) == wanted:
            return text
    return dial.raw
