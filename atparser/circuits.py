"""What comes to the modem and goes from it beside the data: DTR, RTS, breaks, and the test loop.

A storey of the engine between calls and bytes: where the call stands is decided below, what bytes mean
above.
"""

from __future__ import annotations

from . import results
from .actions import BreakDte, CallCircuits, Flow, SendBreak
from .callcontrol import ONLINE, CallControl
from .dialstring import DialString
from .interpreter import Control, Verb
from .options import Options
from .profile import Store
from .state import CONNECTED, IN_CALL, PROGRESS, Input, State
from .timers import Timer


class CircuitControl(CallControl):
    """Interchange circuits 105 and 108/2, breaks both ways, and local analogue loopback."""

    def __init__(self, options: Options | None = None, store: Store | None = None) -> None:
        super().__init__(options, store)
        self._rts_on = True
        self._circuits_told = CallCircuits(True, True)  # what the far end takes them for

    def _control(self, control: Control, now: float) -> bool | None:
        if control.verb is Verb.BREAK:
            self._command_break(control.value)
            return None
        if control.verb is Verb.TEST:
            return self._command_test(now)
        return super()._control(control, now)

    def _drive_circuits(self) -> None:
        super()._drive_circuits()
        if self._tells_circuits and self._state in CONNECTED:
            # RTS counts where it switches something here, too; as flow control it is between DTE and us.
            profile = self.interpreter.profile
            switched = profile.basic["&R"] == 0 and Flow.CIRCUITS not in profile.flow()[0]
            circuits = CallCircuits(self._dtr, self._rts_on or not switched)
            if circuits != self._circuits_told:
                self._circuits_told = circuits
                self._out.append(circuits)

    # -- DTR (circuit 108/2) -------------------------------------------------------------------------------

    def _dtr_came(self, now: float) -> None:
        self._timers.clear(Timer.DTR)
        self._dtr = True
        self._drive_circuits()
        if not self._dtr_was_off:
            return
        self._dtr_was_off = self._released = False
        free = self._state is State.IDLE and self._scanner is None and self._pending is None
        if self.options.dtr_dial and free and 0 in self.interpreter.store.numbers:
            self._line_end = float("-inf")  # any byte gives it up, there is no LF to come
            self._assembler.reset()
            self._command_dial(Control(Verb.DIAL, text="S=0"), now)

    def _dtr_dropped(self, now: float) -> None:
        """DTR has been off for S25 (&D)."""
        self._dtr = False
        self._dtr_was_off = True
        profile = self.interpreter.profile
        mode = profile.basic["&D"]
        if mode == 2 and profile.registers[13] & 1:
            mode = 3
        if mode == 0:
            self._drive_circuits()
            return
        self._assembler.reset()
        if self._state in PROGRESS or (self._state in CONNECTED and (mode >= 2 or self._cable)):
            self._drop_call("DTR dropped", Input.ON_HOOK, now)
            self._ahead.clear()
            self._result(results.NO_CARRIER)
        elif self._state is ONLINE:
            self._go_command()
        elif self._looping:
            self._end_test(tell=mode == 1)
        elif self._state is State.OFF_HOOK and mode >= 2:
            self._parts = DialString()
            self._move(Input.ON_HOOK)
        if mode == 3:
            self.interpreter.reset(self.interpreter.store.at_power_up)
            self._drive_circuits()

    # -- RTS and CTS (circuits 105 and 106) ----------------------------------------------------------------

    def _rts(self, on: bool, now: float) -> None:
        """With &R0 CTS follows RTS: off at once, on after S26."""
        profile = self.interpreter.profile
        self._rts_on = on
        self._timers.clear(Timer.CTS)
        if on and profile.basic["&R"] == 0 and profile.registers[26]:
            self._timers.set(Timer.CTS, now + profile.registers[26] * 0.01)
            self._drive_circuits()
        else:
            self._clear(on)

    def _clear(self, on: bool) -> None:
        self._clear_to_send = on
        self._drive_circuits()

    # -- breaks --------------------------------------------------------------------------------------------

    def _break_of_dte(self, now: float) -> None:
        """Online \\K says what becomes of it, and +EB whether anything does; elsewhere it is no call's
        business."""
        profile = self.interpreter.profile
        k = profile.basic["\\K"]
        if self._looping:
            self._out.append(BreakDte(profile.break_s()))
        elif self._state is ONLINE:
            self._active = self._escape.last = now
            self._escape.stop()
            self._await_escape()
            if profile.number("+EB") == 0:
                pass
            elif k in (0, 2, 4) and not self._cable:
                self._go_command()
            else:
                self._out.append(SendBreak(profile.break_s(), expedited=k != 5, discard=k == 1))
        elif self.options.break_aborts_line and self._state not in PROGRESS:
            self._assembler.reset()
            self._say_late_ring()

    def _break_of_call(self, now: float) -> None:
        """It reaches the DTE behind the bytes that came before it."""
        self._active = now
        if self._state is ONLINE:
            self._out.append(BreakDte(self.interpreter.profile.break_s()))
        elif self._state in IN_CALL or self._state is State.RINGING:
            self._held_break = True

    def _command_break(self, tenths: int) -> None:
        """\\B: a break to the far end, in the way \\K has for one that is asked for."""
        profile = self.interpreter.profile
        profile.set_break(tenths)
        if self._state is State.ONLINE_COMMAND:
            k = profile.basic["\\K"]
            self._out.append(SendBreak(profile.break_s(), expedited=k < 4, discard=k < 2))

    # -- local analogue loopback (V.54 loop 3) -------------------------------------------------------------

    def _command_test(self, now: float) -> bool | None:
        """&T1: what the DTE sends comes back to it, until the escape, S18, or DTR."""
        if self._state is not State.IDLE:
            return False
        self._move(Input.SEIZE)
        self._looping = True
        self._set_register(16, 1)
        self._watch_for_escape(now)
        s18 = self.interpreter.profile.registers[18]
        if s18:
            self._timers.set(Timer.TEST, now + s18)
        self._drive_circuits()
        self._result(results.OK)
        return True

    def _end_test(self, tell: bool = True) -> None:
        self._looping = False
        self._set_register(16, 0)
        self._timers.clear(Timer.TEST)
        self._forget_escape()
        self._assembler.reset()
        self._move(Input.ON_HOOK)
        self._drive_circuits()
        if tell:
            self._result(results.OK)
