"""Conversations with the engine: what happened at which moment, and what had to come of it.

A playbook plays the driver: it hands every happening to the engine in the way the real driver does (fast lane
first, timers at the very moment they are due, stored() for a request to store), and keeps all of it. When an
expectation fails the whole conversation so far is printed, with what was expected and what came.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from atparser import (
    Action,
    Caller,
    CallFailure,
    CallLoss,
    Circuit,
    Deliver,
    Modem,
    Options,
    SendCall,
    SendDte,
    SetCircuit,
    SetFlow,
    State,
    Store,
    StoreProfile,
)

#: What an expectation may be made of: bytes are words to the DTE, the rest are actions.
Expected = bytes | Action


@dataclass(frozen=True)
class Came:
    """Something the engine asked for, and when."""

    at: float
    action: Action


class Playbook:
    """One engine, its clock, and the record of the conversation."""

    def __init__(
        self,
        *init: bytes,
        options: Options | None = None,
        store: Store | None = None,
        rate: int = 115200,
        power_up: str = "",
        echo: bool = False,
        can_store: bool | None = True,
    ) -> None:
        """``init`` are command lines without AT and terminator, sent before the conversation begins.

        Echo is off unless ``echo``.  ``can_store`` answers requests to store; None leaves that to the test.
        """
        self.modem = Modem(options, store)
        self.modem.dte_rate = rate
        self.now = 100.0
        self.began = self.now
        self.can_store = can_store
        self.snapshots: list[Any] = []
        #: Where each circuit stands.
        self.circuits: dict[Circuit, bool] = {}
        self._script: list[tuple[float, str, str]] = []
        self._pending: list[Came] = []
        self._ask(f"power-up {power_up!r}", lambda: self.modem.start(self.now, power_up))
        for line in ((b"E0",) if not echo else ()) + init:
            self.dte(b"AT" + line + b"\r")
        self._pending.clear()
        if init or not echo:
            self.wait(10.0)  # nothing of this counts for guard times
            self._pending.clear()
        self.began = self.now

    # -- what happens --------------------------------------------------------------------------------------

    def dte(self, data: bytes) -> Playbook:
        """The DTE sends."""
        if data and self.modem.passes(data, self.now):
            self._note("DTE", repr(data))
            self._keep([SendCall(data)])
        else:
            self._ask(f"DTE   {data!r}", lambda: self.modem.receive_dte(data, self.now))
        return self

    def call(self, data: bytes) -> Playbook:
        """The far end sends."""
        if self.modem.call_passes(self.now):
            self._note("call", repr(data))
            self._keep([Deliver(data)])
        else:
            self._ask(f"call  {data!r}", lambda: self.modem.receive_call(data, self.now))
        return self

    def arrives(self, caller: Caller | None = None, when: datetime.datetime | None = None) -> Playbook:
        """Somebody calls."""
        self._ask("a call arrives", lambda: self.modem.call_arrived(self.now, caller, when))
        return self

    def leaves(self) -> Playbook:
        self._ask("the caller leaves", lambda: self.modem.caller_left(self.now))
        return self

    def carrier(self) -> Playbook:
        self._ask("carrier", lambda: self.modem.carrier_detected(self.now))
        return self

    def fails(self, failure: CallFailure = CallFailure.REFUSED) -> Playbook:
        self._ask(f"fails: {failure.value}", lambda: self.modem.call_failed(failure, self.now))
        return self

    def lost(self, loss: CallLoss = CallLoss.REMOTE) -> Playbook:
        self._ask(f"lost: {loss.value}", lambda: self.modem.carrier_lost(loss, self.now))
        return self

    def dtr(self, on: bool) -> Playbook:
        self._ask(f"DTR {'on' if on else 'off'}", lambda: self.modem.dtr_changed(on, self.now))
        return self

    def other_dte(self) -> Playbook:
        """The DTE goes, and at once another one comes."""
        self._ask("DTE   left", lambda: self.modem.dte_left(self.now))
        return self.dtr(False).dtr(True)

    def rts(self, on: bool) -> Playbook:
        self._ask(f"RTS {'on' if on else 'off'}", lambda: self.modem.rts_changed(on, self.now))
        return self

    def breaks(self) -> Playbook:
        """The DTE sends a break."""
        self._ask("DTE   breaks", lambda: self.modem.break_received(self.now))
        return self

    def call_breaks(self) -> Playbook:
        """The far end sends one."""
        self._ask("call  breaks", lambda: self.modem.call_break(self.now))
        return self

    def stored(self, ok: bool = True) -> Playbook:
        self._ask(f"stored: {ok}", lambda: self.modem.stored(ok, self.now))
        return self

    def hang_up(self) -> Playbook:
        self._ask("the owner hangs up", lambda: self.modem.hang_up("asked to", self.now))
        return self

    def wait(self, seconds: float) -> Playbook:
        """Let time pass; every timer runs at its moment."""
        return self._until(self.now + seconds)

    def at(self, moment: float) -> Playbook:
        """Let time pass until so many seconds after the conversation began."""
        return self._until(self.began + moment)

    def freeze(self, seconds: float) -> Playbook:
        """Let time pass without any timer running: the whole program stands still."""
        self.now += seconds
        self._note("---", "the program stood still")
        return self

    def _until(self, moment: float) -> Playbook:
        while (due := self.modem.deadline()) is not None and due <= moment:
            self.now = max(self.now, due)
            self._ask("time", lambda: self.modem.expire(self.now))
        self.now = max(self.now, moment)
        return self

    # -- ways into the states ------------------------------------------------------------------------------

    def dialed(self, number: bytes = b"5551234") -> Playbook:
        """Into online data state by dialling, everything said on the way forgotten, guard time passed."""
        return self.dte(b"ATD" + number + b"\r").wait(0.5).carrier().wait(9.5).forget()

    def answered(self) -> Playbook:
        return self.arrives().dte(b"ATA\r").wait(0.5).carrier().wait(9.5).forget()

    def escaped(self) -> Playbook:
        return self.wait(2.0).dte(b"+++").wait(2.0).forget()

    def forget(self) -> Playbook:
        """What came so far is as it should be."""
        self._pending.clear()
        return self

    def into(self, state: State) -> Playbook:
        """From idle into any state."""
        ways: dict[State, Callable[[], Any]] = {
            State.IDLE: lambda: None,
            State.OFF_HOOK: lambda: self.dte(b"ATH1\r"),
            State.RINGING: self.arrives,
            State.DIALING: lambda: self.dte(b"ATD5551234\r").wait(0.5),
            State.ANSWERING: lambda: self.arrives().dte(b"ATA\r").wait(0.5),
            State.ONLINE: self.dialed,
            State.ONLINE_COMMAND: lambda: self.dialed().escaped(),
        }
        ways[state]()
        assert self.modem.state is state
        return self.forget()

    # -- what had to come ----------------------------------------------------------------------------------

    def expect(self, *expected: Expected) -> Playbook:
        """All that came since the last expectation, in order.

        Bytes stand for words to the DTE, however many actions they came in.  Circuits are compared only where
        an expected one is given, and so is flow control.
        """
        came = [one.action for one in self._pending]
        if not any(isinstance(one, SetFlow) for one in expected):
            came = [one for one in came if not isinstance(one, SetFlow)]
        came = tidy(came, any(isinstance(one, SetCircuit) for one in expected))
        if came != tidy([SendDte(one) if isinstance(one, bytes) else one for one in expected], True):
            self._fail(expected, came)
        self._pending.clear()
        return self

    def nothing(self) -> Playbook:
        return self.expect()

    def says(self, line: bytes, answer: bytes) -> Playbook:
        """The DTE sends, and exactly that is said to it."""
        return self.dte(line).expect(answer)

    def taken(self, circuits: bool = False) -> list[Came]:
        """All that came since the last expectation, for a test that looks itself."""
        came, self._pending = self._pending, []
        return [one for one in came if circuits or not isinstance(one.action, SetCircuit | SetFlow)]

    def words(self) -> bytes:
        """What was said to the DTE since the last expectation; everything that came counts as looked at."""
        return b"".join(one.action.data for one in self.taken() if isinstance(one.action, SendDte))

    def state(self, state: State) -> Playbook:
        if self.modem.state is not state:
            self._note("!!!", f"expected to be {state.value}, is {self.modem.state.value}")
            self._fail((), [])
        return self

    # -- the record ----------------------------------------------------------------------------------------

    def _ask(self, what: str, happening: Callable[[], list[Action]]) -> None:
        before = self.modem.state
        who, _, rest = what.partition(" ")
        self._note(who, rest)
        self._keep(happening())
        if self.modem.state is not before:
            self._note("  ==", f"{before.value} -> {self.modem.state.value}")

    def _keep(self, actions: list[Action]) -> None:
        for action in list(actions):
            self._note("  ->", f"{action.data!r}" if isinstance(action, SendDte) else str(action))
            if isinstance(action, SetCircuit):
                self.circuits[action.circuit] = action.on
            if isinstance(action, StoreProfile):
                self.snapshots.append(action.snapshot)
                if self.can_store is not None:
                    self.stored(self.can_store)
                    continue  # the driver's business, not the conversation's
            self._pending.append(Came(self.now, action))

    def _note(self, who: str, what: str) -> None:
        self._script.append((self.now, who, what.strip()))

    def conversation(self) -> str:
        return "\n".join(f"{at - self.began:10.3f} {who:<8} {what}" for at, who, what in self._script)

    def _fail(self, expected: tuple[Expected, ...], came: list[Action]) -> None:
        __tracebackhide__ = True
        lines = ["the conversation went", self.conversation(), "where was expected"]
        lines += [f"    {one!r}" for one in expected] or ["    nothing"]
        lines += ["but there came"]
        lines += [f"    {one.data!r}" if isinstance(one, SendDte) else f"    {one}" for one in came] or [
            "    nothing"
        ]
        pytest.fail("\n".join(lines), pytrace=False)


def tidy(actions: list[Action], circuits: bool) -> list[Action]:
    """Neighbours of one kind joined: how many actions carry the bytes is the engine's business."""
    tidy: list[Action] = []
    for action in actions:
        if isinstance(action, SetCircuit) and not circuits:
            continue
        last = tidy[-1] if tidy else None
        if isinstance(action, SendDte | Deliver | SendCall) and type(last) is type(action):
            assert isinstance(last, SendDte | Deliver | SendCall)
            tidy[-1] = type(action)(last.data + action.data)
        else:
            tidy.append(action)
    return [one for one in tidy if not (isinstance(one, SendDte | Deliver | SendCall) and not one.data)]
