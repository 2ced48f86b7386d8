"""The calls of one modem: placed, offered, answered, lost, and written down.

The lower storey of a :class:`vmodem.modem.driver.Driver`, which knows the engine's actions and the DTE.  What
does not belong here: how a number becomes a connection (call/).
"""

from __future__ import annotations

import abc
import datetime
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from twisted.logger import Logger

from atparser import Action, Caller, CallFailure, CallLoss, DialString, Modem, Progress, Refusal, State
from vmodem.line.base import Line
from vmodem.modem.exchange import Attempt, Exchange
from vmodem.modem.record import CallRecord
from vmodem.net.signals import CallSignals, Unanswered, signals_of
from vmodem.net.stream import Cause, Ending, Stream, unheard

#: How long what a DTE was sending is still taken for the call's after that has ended, in seconds: it could
#: not know, and none of it may be read as commands.
SETTLE_S: Final = 0.05
_LOSSES: Final = {
    Cause.FINISHED: CallLoss.REMOTE,
    Cause.RESET: CallLoss.RESET,
    Cause.TIMEOUT: CallLoss.TIMEOUT,
    Cause.DEVICE: CallLoss.REMOTE,
    Cause.ERROR: CallLoss.ERROR,
}
_UNANSWERED: Final = {
    Refusal.BUSY: Unanswered.BUSY,
    Refusal.NO_ANSWER: Unanswered.NO_ANSWER,
    Refusal.REJECTED: Unanswered.REJECTED,
}


class CallSide(abc.ABC):
    """The stream of a modem's call, and how it comes and goes."""

    log = Logger()
    name: str
    line: Line
    modem: Modem
    _clock: Callable[[], float]
    _reactor: Any

    def __init__(self, exchange: Exchange, recorded: Callable[[CallRecord], None]) -> None:
        self._exchange = exchange
        self._recorded = recorded
        self._call: Stream | None = None
        self._signals: CallSignals | None = None  # of the call, where it carries any
        self._attempt: Attempt | None = None
        self._placing: object = None  # the call being placed, as its callbacks know it
        self._record: CallRecord | None = None
        self._caller_left: Callable[[], None] = unheard
        self._sent = 0  # bytes from the DTE in this call
        self._received = 0  # bytes to the DTE in this call
        self._active = False
        self._ended: Ending | None = None  # the call's end, while the line still takes its last bytes
        self._settling: Any = None  # the timer, while the line's own last bytes are read
        # who is held up, and why
        self._call_held = False
        self._call_blocked = False
        self._engine_holds = False

    @abc.abstractmethod
    def _perform(self, actions: list[Action]) -> None:
        """Carry out what the engine asks for."""

    @abc.abstractmethod
    def _hold(self) -> None:
        """Let each side read exactly while the other side takes what it brings."""

    @abc.abstractmethod
    def data_received(self, data: bytes) -> None:
        """The far end sent a chunk."""

    @property
    def in_call(self) -> bool:
        """Whether there is a call, an attempt at one, or one that rings."""
        return self._active or self._call is not None

    @property
    def call(self) -> Stream | None:
        """The call's stream; None while there is no call, or only an attempt at one."""
        return self._call

    @property
    def record(self) -> CallRecord | None:
        """What is known of the present call, with its bytes so far."""
        record = self._record
        if record is not None:
            record.sent, record.received = self._sent, self._received
        return record

    @property
    def busy(self) -> bool:
        """Whether a caller would hear now that the line is busy."""
        return self.modem.busy or self._call is not None

    def write_blocked(self) -> None:
        self._call_blocked = True
        self._hold()

    def write_drained(self) -> None:
        self._call_blocked = False
        self._hold()

    def stream_ended(self, ending: Ending) -> None:
        if self.modem.state is State.RINGING:
            self._leave_call(ending.detail, 0.0)
            self._caller_left()
            self._perform(self.modem.caller_left(self._clock()))
            return
        if self._ended is None:
            self._ended = ending
            if self.modem.discards:
                self.line.discard()
                self._carrier_lost()
            else:
                # Every byte of the call reaches the DTE before the carrier falls.
                self._perform(self.modem.call_finished(self._clock()))
                self.line.when_sent(self._carrier_lost)

    def call_break(self) -> None:
        """The far end sent a break, behind what it has sent."""
        self._perform(self.modem.call_break(self._clock()))

    def _far_circuits(self, dtr: bool, rts: bool) -> None:
        """The far end's DTE has changed its circuits."""
        self._perform(self.modem.far_circuits(dtr, rts, self._clock()))

    def _hold_s(self) -> float:
        """How long the call may do without a connection, in seconds."""
        return self.modem.hold_s

    def _carrier_lost(self) -> None:
        ending = self._ended
        if ending is None or self._settling is not None:
            return  # hung up meanwhile
        if ending.cause is not Cause.FINISHED:
            self._call_blocked = False  # who is gone takes everything: it is let go of
        if self.modem.dte_sends(self._clock()) and not self._call_blocked:
            self._settling = self._reactor.callLater(SETTLE_S, self._settled)
            self._hold()
        else:
            self._settled()

    def _settled(self) -> None:
        self._settling = None
        ending, self._ended = self._ended, None
        if ending is None or self._call is None:
            return
        self.modem.dte_rate = self.line.rate
        loss = _LOSSES[ending.cause]
        self._leave_call(f"{ending.cause.value} ({ending.detail})", 30.0)
        if self.modem.state in (State.ONLINE, State.ONLINE_COMMAND):
            self._perform(self.modem.carrier_lost(loss, self._clock()))
        else:
            self._perform(self.modem.call_failed(CallFailure.NO_ANSWER, self._clock()))

    def offer(self, stream: Stream, caller: Any) -> bool:
        """Somebody calls; False when the line is busy (the stream is then the caller's to get rid of)."""
        if self.busy:
            self.log.info("{modem}: call from {peer} refused: busy", modem=self.name, peer=stream.peer)
            return False
        self._take_call(stream, CallRecord(self.name, "in", stream.peer, stream.peer))
        self.log.info("{modem}: call from {peer}", modem=self.name, peer=stream.peer)
        stream.start(self)
        if self._signals is not None:
            self._signals.ringing()
        self._caller_left = getattr(caller, "left", unheard)
        who = None if caller is None else Caller(caller.number, caller.name)
        self._perform(self.modem.call_arrived(self._clock(), who, datetime.datetime.now()))
        return True

    def _connected(self, placing: object, stream: Stream, route: Any) -> None:
        if placing is not self._placing:
            stream.close(0.0)  # given up meanwhile
            return
        self._attempt = self._placing = None
        record = self._record
        self._take_call(stream, record or CallRecord(self.name, "out", "", stream.peer))
        assert self._record is not None
        self._record.peer, self._record.rule = route.peer, route.rule
        self._record.connected_at = self._clock()
        stream.start(self)
        self.modem.dte_rate = self.line.rate
        told = self._signals is not None
        self._perform(self.modem.carrier_detected(self._clock(), route.rate, circuits=told))

    def _rang(self, placing: object) -> None:
        """The far modem rings."""
        if placing is self._placing:
            self._perform(self.modem.call_progress(Progress.RINGING, self._clock()))

    def _failed(self, placing: object, failure: CallFailure, reason: str) -> None:
        if placing is not self._placing:
            return
        self._attempt = self._placing = None
        self._finish_record(f"{failure.value}: {reason}")
        self._perform(self.modem.call_failed(failure, self._clock()))

    def _take_call(self, stream: Stream, record: CallRecord) -> None:
        self._call = stream
        stream.break_received = self.call_break
        self._signals = signals = signals_of(stream)
        if signals is not None:
            signals.circuits_received = self._far_circuits
            signals.hold_s = self._hold_s
        self._record = record
        self._sent = self._received = 0
        self._ended = None
        self._call_blocked = self._call_held = self._engine_holds = False

    def _leave_call(self, reason: str, drain_s: float) -> None:
        """The call is over for this modem; its stream finishes by itself."""
        call, self._call = self._call, None
        self._signals = None
        self._ended = None
        if self._settling is not None:
            self._settling.cancel()
            self._settling = None
        self._call_blocked = self._engine_holds = False
        if call is not None:
            call.close(drain_s)
        self._finish_record(reason)
        self._hold()

    def _finish_record(self, reason: str) -> None:
        record, self._record = self._record, None
        if record is not None:
            record.finish(self._clock(), self._sent, self._received, reason)
            self.modem.interpreter.call_report = record.report()
            self._recorded(record)

    def _originate(self, dial: DialString) -> None:
        self._record = CallRecord(self.name, "out", dial.raw, "")
        self._record.started_at = self._clock()
        self._sent = self._received = 0
        self._placing = placing = object()
        attempt = self._exchange.originate(
            dial, partial(self._connected, placing), partial(self._failed, placing)
        )
        if self._placing is placing:
            self._attempt = attempt
            attempt.rang = partial(self._rang, placing)

    def _answer(self) -> None:
        if self._record is not None:
            self._record.connected_at = self._clock()
        self.modem.dte_rate = self.line.rate
        signals = self._signals
        if signals is not None:
            signals.answered()
        self._perform(self.modem.carrier_detected(self._clock(), circuits=signals is not None))

    def _refuse(self, reason: Refusal) -> None:
        call, self._call = self._call, None
        signals, self._signals = self._signals, None
        self._engine_holds = False
        if signals is not None:
            signals.refused(_UNANSWERED[reason])
        if call is not None:
            self._exchange.refuse(call, b"BUSY\r\n" if reason is Refusal.BUSY else b"NO ANSWER\r\n")
        self._finish_record(reason.value)
