"""One modem at work: what happens outside goes to the engine, and what the engine asks for is done.

A byte's walk: the line's stream reads a chunk and calls :meth:`Driver.dte_received`; while a call is online
the engine waves it through and it is written to the call's stream in the same breath.  The call's bytes
take the same way back through :meth:`Driver.data_received`.  Everything else - commands, results, circuits,
time - passes through the one place where actions become I/O, :meth:`Driver._carry_out`.

What does not belong here: what an AT command means (the engine), and how a number becomes a connection
(call/).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn

from atparser import (
    Action,
    Answer,
    BreakDte,
    CallCircuits,
    Deliver,
    DialString,
    HangUp,
    Modem,
    Originate,
    PauseCall,
    Refuse,
    ResumeCall,
    SendBreak,
    SendCall,
    SendDte,
    SetCircuit,
    SetFlow,
    SetFraming,
    SetRate,
    State,
    StoreProfile,
)
from vmodem.line.base import Circuit, Flow, FlowControl, Line
from vmodem.modem.alarm import Alarm
from vmodem.modem.callside import CallSide
from vmodem.modem.exchange import Exchange
from vmodem.modem.record import CallRecord
from vmodem.modem.trace import Trace
from vmodem.net.stream import unheard
from vmodem.net.timer import Timer

#: Words of the modem waiting for a DTE that does not read: beyond this many bytes further ones are dropped,
#: and beyond the first figure no more commands are read from such a DTE.
WORDS_HIGH: Final = 16384
WORDS_LIMIT: Final = 65536
#: Commands are read in pieces of this size, in bytes: what one chunk makes the modem say is bounded by it.
COMMANDS_SIZE: Final = 64
#: So many of them at a time: other modems have their turn in between.
PIECES: Final = 16
#: Of what a DTE had typed that has gone, commands are only carried out if no more than this waits, in bytes.
LEFT_LIMIT: Final = 4096
#: No break is longer, in seconds.
BREAK_LIMIT_S: Final = 1.0

_IN_CALL: Final = frozenset({State.DIALING, State.ANSWERING, State.ONLINE, State.ONLINE_COMMAND})


class Driver(CallSide):
    """Joins a line, an engine and the calls of one modem."""

    def __init__(
        self,
        reactor: Any,
        name: str,
        line: Line,
        modem: Modem,
        exchange: Exchange,
        store: Callable[[Mapping[str, Any]], bool],
        recorded: Callable[[CallRecord], None],
        finished: Callable[[], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(exchange, recorded)
        self.name = name
        self.line = line
        self.modem = modem
        #: Called after whatever may have changed where the modem stands.
        self.changed: Callable[[], None] = unheard
        self._reactor = reactor
        self._store = store
        self._finished = finished
        self._clock = clock
        self._todo: deque[Action] = deque()
        self._busy = False
        self._alarm = Alarm(reactor, clock, self._expire)
        self._next_turn = Timer(reactor)
        self._unread = bytearray()  # from the DTE, while it takes no more of the modem's words
        self._reading = False
        self._trace: Trace | None = None
        #: Called when ``busy`` has changed.  Whoever wants to hear of it puts a callable here.
        self.busy_changed: Callable[[], None] = unheard
        self._was_busy = False
        # who is held up, and why
        self._line_held = False
        self._line_blocked = False

    # -- life ----------------------------------------------------------------------------------------------

    def start(self, init: str = "") -> None:
        """Power-up.  Raises :class:`atparser.InitError` or :class:`vmodem.line.base.LineError`."""
        now = self._clock()
        actions = self.modem.start(now, init, dtr=False)
        self.line.break_received = self.break_received
        self.line.rts_changed = self.rts_changed
        self.line.start(self)
        self._perform(actions)

    def shut_down(self) -> None:
        """End the call, tell the DTE, set no timer again."""
        self._perform(self.modem.hang_up("shutting down", self._clock()))
        self._alarm.stop()
        self._next_turn.cancel()

    def dial(self, dial: DialString, quiet: bool = False) -> None:
        """Place a call as the modem's owner; nothing where the line is not free (see ``Modem.dial``)."""
        self._perform(self.modem.dial(dial, self._clock(), quiet))

    def hang_up(self, reason: str) -> None:
        """End whatever call there is, as the modem's owner."""
        self._perform(self.modem.hang_up(reason, self._clock()))

    def trace(self, trace: Trace | None) -> None:
        """Show ``trace`` everything from now on; None: nobody."""
        self._trace = trace

    def _tell(self, text: str) -> None:
        if self._trace is not None:
            self._trace.happened(text)

    # -- the line's side -----------------------------------------------------------------------------------

    def dte_received(self, data: bytes) -> None:
        now = self._clock()
        if self._trace is not None:
            self._trace.from_dte(data)
        if not self._unread and self.modem.passes(data, now) and self._call is not None:
            self._sent += len(data)
            self._call.write(data)
            return
        self._unread += data
        self._read_on()

    def _read_on(self) -> None:
        """Give the engine what the DTE has sent, as far as the DTE takes the answers."""
        if self._reading or not self._unread:
            return
        self._reading = True
        try:
            for turn in range(PIECES + 1):
                if not self._unread or self._words_wait():
                    break
                if turn == PIECES:
                    self._next_turn.set(0, self._read_on)
                    break
                online = self.modem.state is State.ONLINE
                if len(self._unread) > LEFT_LIMIT and not (online or self.line.attached):
                    self._unread.clear()  # nothing holds it up any more: it would take its time from others
                    break
                piece = bytes(self._unread if online else self._unread[:COMMANDS_SIZE])
                del self._unread[: len(piece)]
                self.modem.dte_rate = self.line.rate
                self._perform(self.modem.receive_dte(piece, self._clock()))
        finally:
            self._reading = False
        self._hold()

    def _words_wait(self) -> bool:
        """Whether more of the modem's own words wait for the DTE than it may still ask for."""
        return self.modem.state is not State.ONLINE and self.line.backlog > WORDS_HIGH

    def dte_blocked(self) -> None:
        self._line_blocked = True
        self._hold()

    def dte_drained(self) -> None:
        self._line_blocked = False
        self._hold()
        self._read_on()

    def dtr_changed(self, on: bool) -> None:
        self._tell(f"DTR {'on' if on else 'off'}")
        self._perform(self.modem.dtr_changed(on, self._clock()))
        self._read_on()

    def dte_left(self) -> None:
        if not self._unread:  # else a line of its own is still to be read
            self._perform(self.modem.dte_left(self._clock()))

    def rts_changed(self, on: bool) -> None:
        self._tell(f"RTS {'on' if on else 'off'}")
        self._perform(self.modem.rts_changed(on, self._clock()))

    def break_received(self) -> None:
        """The DTE began a break, behind what it has sent."""
        if not self._unread:  # else it comes among commands that still wait, where it means nothing
            self._perform(self.modem.break_received(self._clock()))

    def line_lost(self, reason: str) -> None:
        self._line_blocked = False
        self.hang_up("the line is gone")  # whatever &D says of DTR: nobody is left to talk to
        self._hold()

    def line_found(self) -> None:
        """Its next DTE will come by ``dtr_changed``."""

    def line_finished(self) -> None:
        self.hang_up("the line is finished")
        if self._finished is not None:
            self._finished()

    # -- the call's side -----------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        now = self._clock()
        if self._trace is not None:
            self._trace.from_call(data)
        if self.modem.call_passes(now):
            self._received += len(data)
            self.line.write(data)
        else:
            self._perform(self.modem.receive_call(data, now))

    # -- actions become I/O --------------------------------------------------------------------------------

    def _perform(self, actions: list[Action]) -> None:
        """Carry out in order; what the doing brings about comes after what is already asked for."""
        self._todo.extend(actions)
        if self._busy:
            return
        self._busy = True
        try:
            while self._todo:
                self._carry_out(self._todo.popleft())
        finally:
            self._todo.clear()
            self._busy = False
        self._hold()
        active = self.modem.state in _IN_CALL
        if active is not self._active:
            self._active = active
            self.line.call_active(active)
        self._alarm.set(self.modem.deadline())
        busy = self.busy
        if busy is not self._was_busy:
            self._was_busy = busy
            self.busy_changed()
        self._read_on()
        self.changed()

    def _carry_out(self, action: Action) -> None:
        if self._trace is not None:
            self._trace.action(action)
        match action:
            case SendDte(data):
                if self.line.backlog < WORDS_LIMIT:
                    self.line.write(data)
            case Deliver(data):
                self._received += len(data)
                self.line.write(data)
            case SendCall(data):
                self._sent += len(data)
                if self._call is not None:
                    self._call.write(data)
            case SetCircuit(circuit, on):
                self.line.set_circuit(Circuit(circuit.value), on)
            case SetFlow():
                self.line.set_flow(_flow_control(action))
            case BreakDte(seconds):
                self.line.send_break(min(seconds, BREAK_LIMIT_S))
            case SendBreak(seconds, expedited, discard):
                self._send_break(seconds, expedited, discard)
            case CallCircuits(dtr, rts):
                if self._signals is not None:
                    self._signals.circuits(dtr, rts)
            case SetRate(rate):
                self.line.fix_rate(rate or None)
            case SetFraming(data_bits, parity, stop_bits):
                self.line.set_framing(data_bits, parity, stop_bits)
            case Originate(dial):
                self._originate(dial)
            case Answer():
                self._answer()
            case Refuse(reason):
                self._refuse(reason)
            case HangUp(drain_s, reason):
                attempt, self._attempt = self._attempt, None
                self._placing = None
                if attempt is not None:
                    attempt.cancel()
                self._leave_call(reason, drain_s)
            case PauseCall():
                self._engine_holds = True
                self._hold()
            case ResumeCall():
                self._engine_holds = False
                self._hold()
            case StoreProfile(snapshot):
                self._perform(self.modem.stored(self._store(snapshot), self._clock()))
            case _:
                _assert_never(action)

    def _send_break(self, seconds: float, expedited: bool, discard: bool) -> None:
        call = self._call
        if call is None:
            return
        if discard:
            call.discard_pending()
            self._call_blocked = False
            self.line.discard()
        call.send_break(min(seconds, BREAK_LIMIT_S), expedited)

    def _expire(self) -> None:
        self._perform(self.modem.expire(self._clock()))

    # -- back-pressure -------------------------------------------------------------------------------------

    def _hold(self) -> None:
        """Let each side read exactly while the other side takes what it brings."""
        modem = self.modem
        hold = modem.input_full or bool(self._unread) or self._words_wait()
        if modem.state is State.ONLINE:
            hold = hold or self._call_blocked
        if hold is not self._line_held:
            self._line_held = hold
            self.modem.dte_held(hold, self._clock())
            self._alarm.set(self.modem.deadline())
            if hold:
                self.line.pause()
            else:
                self.line.resume()
        call = self._call
        if call is not None:
            hold = self._line_blocked or self._engine_holds or not self.line.attached
            if modem.state is State.RINGING:
                hold = self._engine_holds
            if hold is not self._call_held:
                self._call_held = hold
                if hold:
                    call.pause()
                else:
                    call.resume()


def _flow_control(action: SetFlow) -> FlowControl:
    """The engine's words for flow control in the line's."""
    return FlowControl(
        Flow(action.dce_by_dte.value),
        Flow(action.dte_by_dce.value),
        action.xon,
        action.xoff,
        action.through,
    )


def _assert_never(action: NoReturn) -> NoReturn:
    """The type checker names an action that has no case."""
    raise AssertionError(f"no case for {action!r}")
