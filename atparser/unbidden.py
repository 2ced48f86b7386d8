"""Calls that the DTE did not dial: asked for by CLIENT on a cable, or placed by the modem's owner.

A storey of the engine between circuits and bytes.  While such a call is being placed the DTE stays in
command state, and a command line ends the attempt; what becomes of the attempt is not told, since nobody
typed for it.

What does not belong here: when a leased line is dialled again, and where a cable leads.
"""

from __future__ import annotations

from typing import Final

from .circuits import CircuitControl
from .dialstring import DialString
from .state import CONNECTED, IN_CALL, PROGRESS, Input, State
from .timers import Timer

#: What CLIENT asks for.
CABLE: Final = DialString(raw="CLIENT", place="cable")


class UnbiddenCalls(CircuitControl):
    """Calls without a command."""

    @property
    def dtr(self) -> bool:
        """Whether DTR is on; an off counts once it has lasted S25."""
        return self._dtr

    @property
    def released(self) -> bool:
        """Whether the DTE has hung up (ATH) since DTR rose, or since the owner last placed a call."""
        return self._released

    @property
    def owners_call(self) -> bool:
        """Whether there is a call, or an attempt at one, that the owner placed."""
        return self._unbidden and not self._cable and self._state in IN_CALL

    def free(self, now: float) -> bool:
        """Whether the owner may place a call: no call, no test, and no command line under way."""
        return self._state is State.IDLE and not self._half_typed(now)

    def _place_for_owner(self, dial: DialString, quiet: bool, now: float) -> None:
        if Timer.DTR in self._timers:
            # It must not end this call, which is wanted in spite of it.
            self._timers.clear(Timer.DTR)
            self._dtr_dropped(now)
        if self.free(now):
            self._answering = self._released = False
            self._quiet = quiet
            self._originate(dial, now, unbidden=True)

    @property
    def _hears_client(self) -> bool:
        """Whether CLIENT would be obeyed now, or passed over because it has been already."""
        if not self.options.cable:
            return False
        return self._state in (State.IDLE, State.RINGING) or self._placing_unbidden

    @property
    def _placing_unbidden(self) -> bool:
        """Whether a call is on its way that no command asked for: the DTE may still give one."""
        return self._unbidden and self._state in PROGRESS

    def _client_came(self, now: float) -> None:
        """CLIENT; it is repeated until it is answered."""
        if self._placing_unbidden:
            if self._cable:
                return
            self._give_way(now)
        self._answering = False
        self._parts = DialString()
        self._leave_ringing(now)
        self._originate(CABLE, now, unbidden=True)
        self._cable = True

    def _give_way(self, now: float) -> None:
        """The DTE asks for something itself: the attempt ends, and what is said from now on is said to it."""
        if self._placing_unbidden:
            self._drop_call("the DTE gave a command", Input.ABORTED, now)
        if self._state in CONNECTED:
            self._hushed = self._quiet = False
        else:
            self._forget_unbidden()

    def _forget_unbidden(self) -> None:
        self._unbidden = self._cable = self._hushed = False
