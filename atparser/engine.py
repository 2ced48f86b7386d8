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

import datetime
import math
from typing import Final

from . import results
from .actions import (
    Action,
    CallCircuits,
    CallFailure,
    CallLoss,
    PauseCall,
    Progress,
    Refusal,
    Refuse,
)
from .callcontrol import ONLINE
from .callerid import Caller
from .dialstring import DialString
from .errors import InitError
from .parser import Scanner
from .reading import AHEAD_LIMIT, Reading
from .state import CONNECTED, IN_CALL, Input, State, allowed, next_state
from .timers import Timer

#: A DTE that sent something within this time may be in the middle of sending, in seconds.
SENDING: Final = 0.25
_CAUSES: Final = {CallLoss.REMOTE: 12, CallLoss.RESET: 4, CallLoss.TIMEOUT: 13, CallLoss.ERROR: 4}


class Modem(Reading):
    """One modem: DCE to one DTE, with at most one call."""

    # -- what the caller may look at ---------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """Whether an incoming call would hear that the line is busy."""
        if self.options.dtr_refuse and not self._reachable:
            return True
        return not (self._waiting or allowed(self._state, Input.CALL_ARRIVED))

    @property
    def discards(self) -> bool:
        """Whether what still waits for the DTE is lost with the carrier, and not waited for (+ETBM)."""
        return self.interpreter.profile.number("+ETBM", 1) == 0

    @property
    def input_full(self) -> bool:
        """Whether the DTE has typed so far ahead that reading should stop until this is False again."""
        return len(self._ahead) >= AHEAD_LIMIT

    def dte_sends(self, now: float) -> bool:
        """Whether more of the DTE's data for the call may wait to be read, as far as can be told."""
        last = self._escape.last
        return self._state is ONLINE and (
            not self._reads or (last > self._online_at and now - last < SENDING)
        )

    @property
    def hold_s(self) -> float:
        """How long a call may do without its carrier before it is hung up (S10), in seconds; with 255 for
        ever."""
        tenths = self.interpreter.profile.registers[10]
        return math.inf if tenths == 255 else tenths / 10

    def deadline(self) -> float | None:
        """When :meth:`expire` wants to be called; None while nothing is awaited."""
        return self._timers.deadline()

    # -- the fast lane -----------------------------------------------------------------------------------

    def passes(self, data: bytes, now: float) -> bool:
        """Whether this chunk of the DTE goes to the call as it is.  If not, it is for :meth:`receive_dte`."""
        if self._fast and self._escape.plain(data, now):
            self._active = now
            return True
        return False

    def call_passes(self, now: float) -> bool:
        """Whether a chunk of the call goes to the DTE as it is.  If not, it is for :meth:`receive_call`."""
        if self._plain:
            self._active = now
            return True
        return False

    # -- what happens ------------------------------------------------------------------------------------

    def start(self, now: float, init: str = "", dtr: bool = True) -> list[Action]:
        """Power-up.  ``init`` is run like a command line (without the AT), its output suppressed; ``dtr`` is
        how DTR stands, which is no change of it.

        Raises :class:`InitError` when a command of it is refused.
        """
        self._begin(now)
        self._dtr = dtr
        if init:
            self._muted = True
            refused = self._run(Scanner(init), now)
            self._muted = self._scanner is not None
            if refused is not None:
                raise InitError(f"{refused!r} is no command this modem accepts, or its value is out of range")
        self._obey_port()
        self._drive_circuits()
        return self._out

    def receive_dte(self, data: bytes, now: float) -> list[Action]:
        """The DTE sent ``data``."""
        ready = self._escape.ready_at
        if ready is not None and now - ready > self._escape.late:
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
            self._deliver(bytes(data))
        elif self._state in IN_CALL or self._state is State.RINGING:
            self._held += data
            if len(self._held) >= self.options.hold_limit and not self._call_paused:
                self._call_paused = True
                self._out.append(PauseCall())
        return self._out

    def call_arrived(
        self, now: float, caller: Caller | None = None, when: datetime.datetime | None = None
    ) -> list[Action]:
        """Somebody calls.  Busy is told by a :class:`Refuse`; otherwise it rings.

        ``caller`` is who, as far as that is known; ``when`` the local date and time, for caller
        identification.
        """
        self._begin(now)
        if self.busy:
            self._out.append(Refuse(Refusal.BUSY))
            return self._out
        self._forget_unbidden()
        self._answering = True
        self._rings = 0
        self.interpreter.caller, self.interpreter.called_at = caller, when
        self._held.clear()
        self._call_paused = False
        if self._waiting:
            self._take_caller(now)
        else:
            self._move(Input.CALL_ARRIVED)
            self._ring(now)
        return self._out

    def caller_left(self, now: float) -> list[Action]:
        """The caller gave up before the call was answered."""
        if self._state is State.RINGING:
            self._timers.clear(Timer.BURST_END, Timer.NEXT_RING)  # there is nobody to answer any more
        if self._happened(Input.CALLER_LEFT, now):
            self._end_ringing(Input.CALLER_LEFT, now)
        return self._out

    def call_progress(self, progress: Progress, now: float) -> list[Action]:
        """The far end of a call being dialled tells how it stands; harmless when none is."""
        self._begin(now)
        if self._state is State.DIALING and progress is Progress.RINGING:
            self._far_rings = True
            text = results.progress(results.RINGING, self.interpreter.profile)
            if text is not None:
                self._result(text)
        return self._out

    def carrier_detected(self, now: float, rate: int = 0, circuits: bool = False) -> list[Action]:
        """The far end is there: the call dialled or answered is established.

        ``rate`` is the call's own in bit/s, where it has one; ``circuits`` says that the far end can be told
        of ours (:class:`CallCircuits`), and that both are on until it is.
        """
        if self._happened(Input.CARRIER, now):
            self._call_rate = rate
            self._tells_circuits = circuits
            self._circuits_told = CallCircuits(True, True)
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
            self._end_progress(failure, now)
            self._take_ahead(now)
        return self._out

    def call_finished(self, now: float) -> list[Action]:
        """The last byte of the call has been handed over, and :meth:`carrier_lost` will be told when it has
        reached the DTE.  What was kept for later goes to the DTE now, while the carrier still stands (+ETBM).
        """
        self._begin(now)
        if self._state in CONNECTED and self._held and not self.discards:
            self._deliver(bytes(self._held))
            self._held.clear()
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
            self._dtr_came(now)
        elif self._dtr and Timer.DTR not in self._timers:
            self._timers.set(Timer.DTR, now + self.interpreter.profile.registers[25] * 0.01)
            self._expire_due(now)
        return self._out

    def dte_left(self, now: float) -> list[Action]:
        """The next DTE is another one, even within S25: it does not go on with what is half typed."""
        self._begin(now)
        self._assembler.reset()
        return self._out

    def rts_changed(self, on: bool, now: float) -> list[Action]:
        """Circuit 105 changed: with &R0 circuit 106 follows, going on after S26."""
        self._begin(now)
        self._rts(on, now)
        return self._out

    def break_received(self, now: float) -> list[Action]:
        """The DTE sent a break."""
        self._begin(now)
        self._break_of_dte(now)
        return self._out

    def call_break(self, now: float) -> list[Action]:
        """The far end sent a break."""
        self._begin(now)
        self._break_of_call(now)
        return self._out

    def far_circuits(self, dtr: bool, rts: bool, now: float) -> list[Action]:
        """The far end's DTE has changed its circuits: without either no carrier is shown, though the call
        stands, as with modems that switch it."""
        self._begin(now)
        if self._state in CONNECTED:
            self._far_carrier = dtr and rts
            self._drive_circuits()
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

    def dial(self, dial: DialString, now: float, quiet: bool = False) -> list[Action]:
        """The owner of the modem places a call, as for a leased line; nothing where it is not :meth:`free`.

        Until it is connected the DTE hears nothing of it and may give commands, which end the attempt.  From
        then on it is a call like any other, and ``quiet`` says that its own results are not told either.
        """
        self._begin(now)
        self._place_for_owner(dial, quiet, now)
        return self._out

    def hang_up(self, reason: str, now: float) -> list[Action]:
        """The owner of the modem ends whatever call there is."""
        self._begin(now)
        if self._looping:
            self._end_test()
        elif self._state is State.RINGING:
            self._out.append(Refuse(Refusal.REJECTED))
            self._end_ringing(Input.ON_HOOK, now)
        elif self._state in IN_CALL:
            self._drop_call(reason, Input.ON_HOOK, now)
            self._result(results.NO_CARRIER)
            if self._scanner is None and self._pending is None:
                self._ahead.clear()  # or the next call might begin with it
        return self._out

    def expire(self, now: float) -> list[Action]:
        """Time has come for something; harmless when it has not."""
        self._begin(now)
        return self._out

    # -- beginnings ---------------------------------------------------------------------------------

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

    # -- time --------------------------------------------------------------------------------------------

    def _expire_due(self, now: float) -> None:
        while (timer := self._timers.pop_due(now)) is not None:
            self._expired(timer, now)

    def _expired(self, timer: Timer, now: float) -> None:
        if timer is Timer.ESCAPE:
            self._escape_due(now)
        elif timer is Timer.SILENCE:
            self._silence_due(now)
        elif timer is Timer.GRACE:
            self._grace_due(now)
        elif timer is Timer.DTR:
            self._dtr_dropped(now)
        elif timer is Timer.DIAL_LIMIT:
            rang, self._far_rings = self._far_rings, False
            self._drop_call("no answer within S7", Input.ON_HOOK, now)
            self._end_progress(CallFailure.UNANSWERED if rang else CallFailure.NO_ANSWER, now)
            self._take_ahead(now)
        elif timer is Timer.RESPONSE:
            self._respond(now)
        elif timer is Timer.REDIAL:
            self._place(now)
        elif timer is Timer.ANSWER_WAIT:
            self._drop_call("nobody called", Input.ON_HOOK, now)
            self._result(results.NO_CARRIER)
            self._take_ahead(now)
        elif timer is Timer.CTS:
            self._clear(True)
        elif timer is Timer.TEST:
            self._end_test()
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
        late = self._escape.late
        if ready is not None and now - ready > late:
            # The program stood still, and what the DTE sent meanwhile may wait to be read: that comes first.
            self._escape.ready_at = now + late
            self._timers.set(Timer.ESCAPE, now + late)
        else:
            self._leave_data()
