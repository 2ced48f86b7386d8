"""A shared port's settings, circuits and breaks: one change at a time, whoever wants it.

A change of settings is made on what is in force when its turn comes, so that two clients who change
different things at once both get what they want.

What does not belong here: who may change anything, and how it is said on the network.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Final

from vmodem.port.base import OUTPUTS, Port, Settings, Signals
from vmodem.port.wishes import FLOW_OF, FLOWS
from vmodem.wire import comport
from vmodem.wire.comport import Parity, PortSettings, Stop
from vmodem.wire.comport_port import Port as Standing
from vmodem.wire.comport_port import Wanted
from vmodem.wire.comport_server import TOLERANCE

#: No break is longer, in seconds, whether its end is forgotten or its beginner has vanished.
BREAK_LIMIT_S: Final = 1.0
#: A change that the port has not answered for in so long is taken as refused, in seconds.
PATIENCE_S: Final = 8.0

_Job = tuple[Callable[[Settings], Settings], Callable[[], None]]


class Desk:
    """Where a port's settings are changed.  To be used once the port is started."""

    def __init__(self, reactor: Any, port: Port) -> None:
        self._reactor = reactor
        self._port = port
        self._jobs: deque[_Job] = deque()
        self._turn = 0  # which change is under way
        self._under_way = False
        self._guard: Any = None
        self._breaking: dict[object, Any] = {}
        self._asked_rate = 0
        self._defaults = port.settings
        # As they were before anybody drove them; nobody has while these are None.
        self._outputs: Signals | None = None
        self._default_outputs = OUTPUTS
        self._changed = False
        #: Called when a break begins or ends, when a change of settings is over, and when ours are driven.
        self.break_changed: Callable[[], None] = _unheard
        self.settled: Callable[[Settings], None] = _unheard
        self.driven: Callable[[Signals], None] = _unheard
        self._stopped = False

    # -- how it stands -------------------------------------------------------------------------------------

    @property
    def standing(self) -> Standing:
        """How the port stands, in the values of RFC 2217."""
        now = self._port.settings
        rate = now.rate
        if self._asked_rate and abs(rate - self._asked_rate) <= self._asked_rate * TOLERANCE:
            rate = self._asked_rate
        flow, flow_in = FLOWS[now.flow]
        settings = PortSettings(
            rate,
            now.data_bits,
            comport.PARITIES.get(now.parity, Parity.NONE),
            comport.STOPS.get(now.stop_bits, Stop.ONE),
            flow,
            flow_in,
        )
        on = self._ours
        return Standing(settings, Signals.DTR in on, Signals.RTS in on, bool(self._breaking))

    @property
    def _ours(self) -> Signals:
        """The circuits that we drive; where none can be seen they are as every port has them at first."""
        if self._outputs is not None:
            return self._outputs
        return self._port.signals & OUTPUTS if self._port.signals_known & OUTPUTS else OUTPUTS

    def breaks(self, who: object) -> bool:
        """Whether it is ``who`` that sends the break there is."""
        return who in self._breaking

    @property
    def sends_break(self) -> bool:
        """Whether a break is being sent."""
        return bool(self._breaking)

    # -- settings ------------------------------------------------------------------------------------------

    def want(self, wanted: Wanted, done: Callable[[], None]) -> None:
        """Change what ``wanted`` says; ``done`` is called when it is in force or refused, perhaps at once."""
        if wanted.change == "rate":
            self._asked_rate = wanted.value
        self.change(lambda now: _applied(wanted, now), done)

    def change(self, change: Callable[[Settings], Settings], done: Callable[[], None]) -> None:
        """Put ``change(what is in force)`` in force behind all data and changes before it."""
        if not (self._jobs or self._under_way) and change(self._port.settings) == self._port.settings:
            done()
            return
        self._jobs.append((change, done))
        self._next()

    def restore(self) -> None:
        """Nobody is there any more: everything as it was configured."""
        for who in list(self._breaking):
            self.break_by(who, False)
        if not (self._changed or self._jobs or self._under_way):
            return
        self._asked_rate = 0
        self.change(lambda _: self._defaults, self._restored)
        if self._outputs is not None:
            self._outputs = None
            self._port.drive(self._default_outputs, OUTPUTS & ~self._default_outputs)
            self.driven(self._default_outputs)

    def _restored(self) -> None:
        self._changed = self._outputs is not None

    def stop(self) -> None:
        """No change is made any more."""
        self._stopped = True
        self._jobs.clear()
        self._cancel_guard()
        for who in list(self._breaking):
            self.break_by(who, False)

    def _next(self) -> None:
        while self._jobs and not (self._under_way or self._stopped):
            change, done = self._jobs.popleft()
            now = self._port.settings
            wanted = change(now)
            if wanted == now:
                done()
                continue
            self._changed = True
            self._under_way = True
            self._turn += 1
            self._guard = self._reactor.callLater(PATIENCE_S, self._finished, self._turn, done)
            self._port.set(wanted, self._answered(self._turn, done))

    def _answered(self, turn: int, done: Callable[[], None]) -> Callable[[Settings], None]:
        return lambda _: self._finished(turn, done)

    def _finished(self, turn: int, done: Callable[[], None]) -> None:
        if turn != self._turn or not self._under_way or self._stopped:
            return
        self._under_way = False
        self._cancel_guard()
        self.settled(self._port.settings)
        done()
        self._next()

    def _cancel_guard(self) -> None:
        guard, self._guard = self._guard, None
        if guard is not None and guard.active():
            guard.cancel()

    # -- circuits ------------------------------------------------------------------------------------------

    def drive(self, on: Signals, off: Signals, done: Callable[[], None] | None = None) -> None:
        """Turn these circuits on and those off, at the same moment; ``done`` is called when they are so,
        perhaps at once."""
        done = done or _unheard
        ours = self._ours
        if self._outputs is None:
            self._default_outputs = ours
        self._outputs = (ours | on) & ~off
        self._changed = True
        self._port.drive(on, off)
        self.driven(self._outputs)
        if self._outputs == ours:
            done()
        else:
            self._port.when_sent(done)

    def break_by(self, who: object, on: bool, done: Callable[[], None] | None = None) -> None:
        """``who`` begins or ends a break, which is on while anybody sends one.  ``done`` is called when it
        has begun or ended: behind the bytes before it."""
        done = done or _unheard
        if on is (who in self._breaking):
            done()
            return
        before = bool(self._breaking)
        if on:
            self._breaking[who] = None  # nobody knows when it will begin
        else:
            timer = self._breaking.pop(who)
            if timer is not None and timer.active():
                timer.cancel()
        after = bool(self._breaking)
        if after is not before:
            self._port.set_break(after)
            self.break_changed()
        self._port.when_sent(partial(self._turned, who, on, done))

    def when_so(self, done: Callable[[], None]) -> None:
        """Call ``done`` when everything asked for so far is so."""
        self._port.when_sent(done)

    def _turned(self, who: object, on: bool, done: Callable[[], None]) -> None:
        if on and not self._stopped and who in self._breaking and self._breaking[who] is None:
            self._breaking[who] = self._reactor.callLater(BREAK_LIMIT_S, self.break_by, who, False)
        done()


def _applied(wanted: Wanted, now: Settings) -> Settings:
    """``now`` with what is wanted; ``now`` itself where no port could do it."""
    value = wanted.value
    match wanted.change:
        case "rate":
            return replace(now, rate=value)
        case "bits":
            return replace(now, data_bits=value)
        case "parity":
            return replace(now, parity=comport.PARITY_OF[Parity(value)])
        case "stop":
            return replace(now, stop_bits=comport.STOP_OF[Stop(value)])
        case "flow" if value in FLOW_OF:
            return replace(now, flow=FLOW_OF[value])
    return now  # one direction alone cannot be held up by other means than both


def _unheard(*_: object) -> None:
    """Nobody wants to know."""
