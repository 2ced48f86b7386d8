"""Two engines and a pretend network: both ends of a call joined by queues, driven as the real driver does.

Nothing here decides anything; :class:`End` carries out what its engine asks for, in order, and reports what
comes of it at the moments the test chooses.
"""

from __future__ import annotations

from collections import deque

from atparser import (
    Action,
    Answer,
    CallFailure,
    CallLoss,
    Circuit,
    Deliver,
    HangUp,
    Modem,
    Options,
    Originate,
    PauseCall,
    Refuse,
    ResumeCall,
    SendCall,
    SendDte,
    SetCircuit,
    State,
    StoreProfile,
)


class End:
    """One modem with its driver: a DTE's ear, and one end of a call."""

    def __init__(self, name: str, now: float, options: Options | None = None) -> None:
        self.name = name
        self.modem = Modem(options)
        self.modem.dte_rate = 115200
        self.circuits: dict[Circuit, bool] = {}
        #: All the DTE ever heard: ("words", bytes) and ("data", bytes) in order.
        self.heard: list[tuple[str, bytes]] = []
        #: What the present call carried, each way, as seen from the DTE.
        self.sent = bytearray()
        self.got = bytearray()
        self.peer: End | None = None
        #: The caller at the other end, once this end takes part in a call at all.
        self.inbox: deque[bytes] = deque()  # on its way to this end
        self.finished = False  # the far end has closed behind what is in the inbox
        self.paused = False
        self.wants_out = False  # Originate was asked for and has not been reported on
        self.wants_answer = False
        self.stored: bool | None = None  # a store is being written; None when there is none
        self.perform(self.modem.start(now), now)

    # -- the driver ----------------------------------------------------------------------------------------

    def perform(self, actions: list[Action], now: float) -> None:
        todo = deque(actions)
        while todo:
            action = todo.popleft()
            match action:
                case SendDte(data):
                    self.heard.append(("words", data))
                case Deliver(data):
                    self.heard.append(("data", data))
                    self.got += data
                case SendCall(data):
                    self.sent += data
                    if self.peer is not None and self.peer.peer is self:  # else it has left this call
                        self.peer.inbox.append(data)
                case SetCircuit(circuit, on):
                    assert self.circuits.get(circuit) is not on, "circuits are driven only to change"
                    self.circuits[circuit] = on
                case Originate():
                    assert not self.wants_out
                    assert self.peer is None
                    self.wants_out = True
                case Answer():
                    assert self.peer is not None
                    self.wants_answer = True
                case Refuse():
                    self._leave()
                case HangUp():
                    self.wants_out = False
                    self._leave()
                case PauseCall():
                    assert not self.paused
                    self.paused = True
                case ResumeCall():
                    assert self.paused
                    self.paused = False
                case StoreProfile():
                    todo.extendleft(reversed(self.modem.stored(True, now)))
        assert not (self.modem.state is State.ONLINE and self.paused)

    def _leave(self) -> None:
        peer, self.peer = self.peer, None
        self._clear()
        if peer is not None and peer.peer is self:
            peer.finished = True

    def _clear(self) -> None:
        self.inbox.clear()
        self.finished = self.paused = self.wants_answer = False

    # -- what the test makes happen ------------------------------------------------------------------------

    def dte(self, data: bytes, now: float) -> None:
        if self.modem.input_full:
            return
        if self.modem.passes(data, now):
            self.perform([SendCall(data)], now)
        else:
            self.perform(self.modem.receive_dte(data, now), now)

    def dtr(self, on: bool, now: float) -> None:
        self.perform(self.modem.dtr_changed(on, now), now)

    def pass_time(self, now: float) -> None:
        """Run every timer that is due."""
        while (due := self.modem.deadline()) is not None and due <= now:
            self.perform(self.modem.expire(max(due, 0.0)), due)

    def place(self, other: End, now: float, failure: CallFailure | None) -> None:
        """The network looks at a call that was asked for: it reaches ``other``, or fails."""
        if not self.wants_out:
            return
        if failure is None and (other.modem.busy or other.peer is not None):
            failure = CallFailure.REFUSED
        self.wants_out = False
        if failure is not None:
            self.perform(self.modem.call_failed(failure, now), now)
            return
        self._clear()
        other._clear()
        self.peer, other.peer = other, self
        self.sent.clear()
        self.got.clear()
        other.sent.clear()
        other.got.clear()
        # A connection exists as soon as the other side's system accepts it, long before its modem answers.
        self.perform(self.modem.carrier_detected(now), now)
        other.perform(other.modem.call_arrived(now), now)

    def answer(self, now: float) -> None:
        if self.wants_answer:
            self.wants_answer = False
            self.perform(self.modem.carrier_detected(now), now)

    def read(self, now: float, most: int = 1 << 30) -> None:
        """Take what the network has for this end, unless told not to; the end of the call comes last."""
        while self.inbox and not self.paused and most:
            most -= 1
            data = self.inbox.popleft()
            if self.modem.call_passes(now):
                self.perform([Deliver(data)], now)
            else:
                self.perform(self.modem.receive_call(data, now), now)
        if self.finished and not self.inbox and not self.paused:
            state = self.modem.state
            self.peer = None
            self._clear()
            if state is State.RINGING:
                self.perform(self.modem.caller_left(now), now)
            elif state is State.ANSWERING:
                self.perform(self.modem.call_failed(CallFailure.NO_ANSWER, now), now)
            elif state in (State.ONLINE, State.ONLINE_COMMAND):
                self.perform(self.modem.carrier_lost(CallLoss.REMOTE, now), now)

    # -- what the test may look at -------------------------------------------------------------------------

    def words(self) -> bytes:
        return b"".join(data for kind, data in self.heard if kind == "words")
