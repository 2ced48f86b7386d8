"""What holds for any input at all: chunking changes nothing, nothing raises, grows or is lost."""

from __future__ import annotations

import re
import string
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from atparser import (
    Action,
    CallFailure,
    CallLoss,
    Circuit,
    Deliver,
    EscapeMode,
    HangUp,
    Modem,
    Options,
    Originate,
    PauseCall,
    Refusal,
    Refuse,
    ResumeCall,
    SendCall,
    SetCircuit,
    State,
    StoreProfile,
    UsageError,
)
from atparser.engine import AHEAD_LIMIT
from atparser.escape import LATE
from atparser.state import CONNECTED, IN_CALL, Input, allowed
from tests.helpers.playbook import tidy
from tests.helpers.wire import End

OK = b"\r\nOK\r\n"

# -- what a DTE may send: real lines, pieces of them, rubbish ------------------------------------------------

COMMANDS = [
    b"ATZ\r",
    b"AT&F\r",
    b"ATE0\r",
    b"ATE1V1Q0\r",
    b"ATV0\r",
    b"ATQ1\r",
    b"ATD5551234\r",
    b"ATDT1;\r",
    b"ATD\r\n",
    b"ATDL\r",
    b"ATA\r",
    b"ATH\r",
    b"ATH1\r",
    b"ATO\r",
    b"A/",
    b"ATS0=1\r",
    b"AT+VCID=1;+VDR=1;+VRID\r",
    b"AT+IPR=9600;+ICF=5,1;+MR=1\r",
    b'AT+MS="V32",1;+ASTO=1,"555"\r',
    b"AT$DELAY=100\r",
    b"AT$ESCAPE=TIES;$DIALECT=USR;$BURSTS=\r",
    b"AT$HELP?\r",
    b"ATS3=65\r",
    b"ATS12=0\r",
    b"ATS12=2S2=65\r",
    b"ATS30=1\r",
    b"ATS7=2\r",
    b"AT&W\r",
    b"AT&C0&D3&S1\r",
    b"AT&C2\r",
    b"AT&T1\r",
    b"AT&K4&R0\r",
    b"AT\\K0\\B5\r",
    b"AT&Z0=5551234\r",
    b"AT&V\r",
    b"AT+ES=1,2;+GMI\r",
    b"ATFOO\r",
    b"AT\xd4\x8d",
    b"A\xd4\x8d",
    b"\xc1\xd4\x8d",
    b"+++",
    b"+++ATH\r",
    b"+",
    b"\r",
    b"\n",
    b"A",
    b"AT",
    b"\x08",
    b"\x7f",
]
dte_bytes = st.lists(st.sampled_from(COMMANDS) | st.binary(max_size=6), min_size=1, max_size=5).map(b"".join)
some_options = st.builds(
    Options,
    escape=st.sampled_from(list(EscapeMode)),
    prefix_any_case=st.booleans(),
    unknown_ok=st.booleans(),
    delete_key=st.booleans(),
    eat_lf=st.booleans(),
    echo_limit=st.sampled_from([0, 3, 256]),
    line_limit=st.sampled_from([40, 1024]),
    hold_limit=st.sampled_from([1, 10, 32768]),
    max_rings=st.integers(1, 4),
    result_table=st.sampled_from(["rockwell", "hayes", "usr"]),
    hangup_no_carrier=st.booleans(),
    default_number=st.sampled_from(["", "5551234"]),
    dtr_refuse=st.booleans(),
    dtr_dial=st.booleans(),
    answer_wait=st.sampled_from([0.0, 3.0]),
    strip_parity_online=st.booleans(),
    break_aborts_line=st.booleans(),
)


class Script:
    """One engine and the events that may legally happen to it; keeps all that came of them."""

    def __init__(self, options: Options, fast: bool = False) -> None:
        self.modem = Modem(options)
        self.fast = fast
        self.now = 50.0
        self.out: list[Action] = []
        self.storing = False
        self.paused = False
        self.keep(self.modem.start(self.now))

    def keep(self, actions: list[Action]) -> None:
        for action in actions:
            self.out.append(action)
            if isinstance(action, StoreProfile):
                self.storing = True
            if isinstance(action, PauseCall | ResumeCall | HangUp):
                self.paused = isinstance(action, PauseCall)
            if isinstance(action, Refuse) and action.reason is not Refusal.BUSY:
                self.paused = False

    def receive(self, kind: str, chunk: bytes) -> None:
        modem, now = self.modem, self.now
        if kind == "dte":
            if self.fast and modem.passes(chunk, now):
                self.keep([SendCall(chunk)])
            else:
                self.keep(modem.receive_dte(chunk, now))
        elif self.fast and modem.call_passes(now):
            self.keep([Deliver(chunk)])
        else:
            self.keep(modem.receive_call(chunk, now))

    def happen(self, event: tuple[str, Any], chunks: int) -> None:
        """Let one event happen; bytes come in so many chunks, all at the same moment."""
        kind, value = event
        modem, now = self.modem, self.now
        if modem.state is State.IDLE:
            self.paused = False
        if kind == "call" and self.paused:
            return
        if kind in ("dte", "call"):
            size = max(1, -(-len(value) // chunks))
            for at in range(0, len(value), size):
                self.receive(kind, value[at : at + size])
        elif kind == "wait":
            end = now + value
            while (due := modem.deadline()) is not None and due <= end:
                self.now = max(self.now, due)
                self.keep(modem.expire(self.now))
            self.now = end
        elif kind == "freeze":
            self.now += value
        elif kind == "arrives":
            self.keep(modem.call_arrived(now))
        elif kind == "leaves" and allowed(modem.state, Input.CALLER_LEFT):
            self.keep(modem.caller_left(now))
        elif kind == "carrier" and allowed(modem.state, Input.CARRIER):
            self.keep(modem.carrier_detected(now))
        elif kind == "fails" and allowed(modem.state, Input.CALL_FAILED):
            self.keep(modem.call_failed(value, now))
        elif kind == "lost" and allowed(modem.state, Input.CARRIER_LOST):
            self.keep(modem.call_finished(now))
            self.keep(modem.carrier_lost(value, now))
        elif kind == "dtr":
            self.keep(modem.dtr_changed(value, now))
        elif kind == "left":
            self.keep(modem.dte_left(now))
        elif kind == "rts":
            self.keep(modem.rts_changed(value, now))
        elif kind == "held":
            modem.dte_held(value, now)
        elif kind == "break":
            self.keep(modem.call_break(now) if value else modem.break_received(now))
        elif kind == "hang up":
            self.keep(modem.hang_up("test", now))
        elif kind == "stored" and self.storing:
            self.storing = False
            self.keep(modem.stored(value, now))


network = (
    st.just(("arrives", None))
    | st.just(("leaves", None))
    | st.just(("carrier", None))
    | st.tuples(st.just("fails"), st.sampled_from(list(CallFailure)))
    | st.tuples(st.just("lost"), st.sampled_from(list(CallLoss)))
    | st.tuples(st.just("call"), st.binary(min_size=1, max_size=12))
)
times = st.tuples(
    st.sampled_from(["wait", "wait", "freeze"]),
    st.sampled_from([0.0, 0.001, 0.05, 0.125, 0.5, 1.0, 1.1, 2.0, 6.0, 60.0]),
)
events = st.lists(
    st.tuples(st.just("dte"), dte_bytes)
    | st.tuples(st.just("dte"), dte_bytes)
    | network
    | times
    | times
    | st.just(("left", None))
    | st.tuples(st.sampled_from(["dtr", "rts", "break", "held"]), st.booleans())
    | st.just(("hang up", None))
    | st.tuples(st.just("stored"), st.booleans()),
    max_size=14,
)

#: A call with little but data. A program that stands still is left out: the fast lane looks at no timer.
online_events = st.lists(
    st.tuples(
        st.just("dte"), st.sampled_from([b"+", b"++", b"+++", b"a", b"+++ATO\r", b"\n", b"ATO\r", b"x" * 9])
    )
    | st.tuples(st.just("call"), st.binary(min_size=1, max_size=12))
    | st.tuples(st.just("wait"), st.sampled_from([0.0, 0.02, 0.5, 0.99, 1.0, 1.2]))
    | st.tuples(st.just("held"), st.booleans()),
    max_size=16,
)

DIAL_AND_TALK = [
    ("dte", b"ATD1\r\n+++"),
    ("wait", 1.0),
    ("carrier", None),
    ("dte", b"hello"),
    ("wait", 2.0),
    ("dte", b"+++"),
    ("wait", 1.1),
    ("call", b"held"),
    ("dte", b"ATO\r\nx"),
    ("lost", CallLoss.REMOTE),
    ("dte", b"AT\r"),
]
ANSWER_AND_RETURN = [
    ("dte", b"AT"),
    ("arrives", None),
    ("dte", b"S7?\rA"),
    ("dte", b"xTATA\r\nearly"),
    ("call", b"early too"),
    ("carrier", None),
    ("wait", 2.0),
    ("dte", b"+++"),
    ("wait", 1.0),
    ("dte", b"ATH\rAT\r"),
]


def outcome(
    options: Options, script: list[tuple[str, Any]], chunks: int, fast: bool = False
) -> tuple[list[Action], State, float | None]:
    modem = Script(options, fast)
    for event in script:
        modem.happen(event, chunks)
    return tidy(modem.out, True), modem.modem.state, modem.modem.deadline()


@settings(max_examples=150)
@given(some_options, events, st.sampled_from([2, 3, 1000]))
@example(Options(), DIAL_AND_TALK, 1000)
@example(Options(escape=EscapeMode.TIES), DIAL_AND_TALK, 1000)
@example(Options(), ANSWER_AND_RETURN, 1000)
@example(Options(), ANSWER_AND_RETURN, 2)
def test_chunking_changes_nothing(options: Options, script: list[tuple[str, Any]], chunks: int) -> None:
    assert outcome(options, script, 1) == outcome(options, script, chunks)


@settings(max_examples=150)
@given(some_options, online_events, st.sampled_from([1, 3, 1000]))
@example(Options(), DIAL_AND_TALK[3:], 1000)
def test_the_fast_lane_changes_nothing(options: Options, script: list[tuple[str, Any]], chunks: int) -> None:
    script = [("dte", b"ATD1\r"), ("carrier", None), *script]
    assert outcome(options, script, chunks, fast=True) == outcome(options, script, 1)


@settings(max_examples=150)
@given(some_options, events)
def test_nothing_raises_and_nothing_grows(options: Options, script: list[tuple[str, Any]]) -> None:
    one = Script(options)
    for event in script:
        one.happen(event, 1)
        modem = one.modem
        assert all(0 <= value <= 255 for value in modem.interpreter.profile.registers)
        assert len(modem._held) <= options.hold_limit + 12


@settings(max_examples=100)
@given(some_options, events)
def test_from_anywhere_dtr_and_silence_and_ath_lead_back_to_ok(
    options: Options, script: list[tuple[str, Any]]
) -> None:
    one = Script(options)
    for event in script:
        one.happen(event, 1)
    modem = one.modem
    one.happen(("stored", True), 1)
    # A settled DTE: what it may have set against being heard is undone, as a power cycle would.
    one.happen(("dtr", True), 1)
    one.happen(("held", False), 1)
    one.happen(("hang up", None), 1)
    one.happen(("stored", True), 1)
    assert not modem.input_full
    s3 = modem.interpreter.profile.registers[3]
    end = bytes([s3 if s3 < 128 else 13])
    one.happen(("wait", 10.0), 1)
    one.happen(("dte", end), 1)
    one.happen(("wait", 200.0), 1)  # whatever that line set going is over: S7, ringing
    one.happen(("hang up", None), 1)
    one.happen(("stored", True), 1)
    s3 = modem.interpreter.profile.registers[3]
    if chr(s3) in string.ascii_letters + string.digits + "&":
        return  # its own fault: no command can be typed
    end = bytes([s3 if s3 < 128 else 13])
    one.happen(("dte", end + b"ATZ&FE0V1Q0H$DELAY=0" + end), 1)
    one.happen(("wait", 30.0), 1)
    one.out.clear()
    one.happen(("dte", b"AT\r"), 1)
    assert tidy(one.out, False)[0].data == OK  # type: ignore[union-attr]
    assert modem.state is State.IDLE
    assert modem.deadline() is None


lines = st.lists(
    st.text(alphabet=string.printable[:95], max_size=20)
    | st.sampled_from([line.decode("latin-1") for line in COMMANDS]),
    min_size=1,
    max_size=4,
)
FINAL = re.compile(rb"\r\n(?:OK|ERROR|NO CARRIER)\r\n")


@settings(max_examples=200)
@given(lines)
def test_one_final_result_code_for_each_line(parts: list[str]) -> None:
    """Whatever stands in a line: exactly one of them, and it comes last."""
    one = Script(Options())
    one.happen(("dte", b"ATE0\r"), 1)
    text = re.sub(r"[\r\n/\x08\x7f]|[QqVv]|[Ss] *\d*[^a-zA-Z]|=", "", "".join(parts))
    text = text.encode("ascii", "ignore").decode()
    one.out.clear()
    one.happen(("dte", b"AT" + text.encode() + b"\r"), 1)
    while one.storing:
        one.happen(("stored", True), 1)
    if one.modem.state is State.DIALING:
        one.happen(("fails", CallFailure.UNKNOWN), 1)
    words = b"".join(action.data for action in one.out if hasattr(action, "data"))
    if one.modem.interpreter.profile.basic["E"]:
        one.happen(("dte", b"ATE0\r"), 1)
    assert len(FINAL.findall(words)) == 1
    assert FINAL.search(words[-14:])


def test_hostile_lines_leave_nothing_behind() -> None:
    one = Script(Options())
    one.happen(("dte", b"ATE0\r"), 1)
    for length in (*range(1000, 1040), 5000, 70000):
        one.out.clear()
        one.happen(("dte", b"ATS99=1" + b" " * length + b"\r"), 7)
        words = b"".join(action.data for action in one.out if hasattr(action, "data"))
        assert words == (OK if length + 5 <= 1024 else b"\r\nERROR\r\n")
    one.out.clear()
    for _ in range(2000):
        one.happen(("dte", b"ATD1,2;\rAT&Z=9\rAT&Z=\rATD;\r"), 1)
        while one.storing:
            one.happen(("stored", True), 1)
    assert len(one.modem._parts.raw) <= 2000
    one.happen(("dte", b"ATH\r"), 1)
    assert len(one.modem._ahead) <= AHEAD_LIMIT


def test_what_is_typed_ahead_is_bounded_by_one_chunk() -> None:
    one = Script(Options())
    one.happen(("dte", b"ATD1\r" + b"x" * AHEAD_LIMIT), 1)
    assert one.modem.input_full
    assert len(one.modem._ahead) == AHEAD_LIMIT


# -- two modems, a clock and a network -----------------------------------------------------------------------

A_FEW = st.sampled_from([0.0, 0.01, 0.1, 0.13, 0.5, 1.0, 1.2, 2.5, 7.0])
payload = st.binary(min_size=1, max_size=8) | st.sampled_from(
    [b"+++", b"+", b"ATH\r", b"\n", b"RING", b"\r\n"]
)


class World(RuleBasedStateMachine):
    """Two modems that can call each other."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        options = Options(max_rings=2, hold_limit=20)
        self.ends = [End("left", self.now, options), End("right", self.now, options)]
        for end in self.ends:
            end.dte(b"ATE0&C1\r", self.now)
            end.heard.clear()

    ends_ = st.integers(0, 1)

    @initialize(automatic=st.booleans())
    def set_up(self, automatic: bool) -> None:
        if automatic:
            self.command(1, b"S0=1")
        self.wait(5.0)

    def both(self, end: End) -> End:
        return self.ends[1 - self.ends.index(end)]

    def command(self, which: int, line: bytes) -> None:
        """A whole command line; the answer holds one final result code, or a call is under way."""
        end = self.ends[which]
        if end.modem.state not in (State.IDLE, State.OFF_HOOK, State.RINGING, State.ONLINE_COMMAND):
            return
        before = len(end.heard)
        end.dte(b"AT" + line + b"\r", self.now)
        said = b"".join(data for kind, data in end.heard[before:] if kind == "words")
        finals = re.findall(rb"\r\n(OK|ERROR|NO CARRIER|CONNECT \d+)\r\n", said)
        assert len(finals) == (0 if end.modem.state in (State.DIALING, State.ANSWERING) else 1), said

    @rule(
        which=ends_,
        line=st.sampled_from([b"", b"H", b"O", b"A", b"Z E0", b"S0=0", b"S1?", b"FOO", b"H1", b"D1;"]),
    )
    def command_line(self, which: int, line: bytes) -> None:
        self.command(which, line)

    @rule(which=ends_)
    def dial(self, which: int) -> None:
        self.command(which, b"D5551234")

    @rule(which=ends_, failure=st.none() | st.none() | st.none() | st.sampled_from(list(CallFailure)))
    def network_places(self, which: int, failure: CallFailure | None) -> None:
        end = self.ends[which]
        end.place(self.both(end), self.now, failure)

    @rule(which=ends_)
    def network_answers(self, which: int) -> None:
        self.ends[which].answer(self.now)

    @rule(which=ends_)
    def answer(self, which: int) -> None:
        """Pick up, if it rings."""
        if self.ends[which].modem.state is State.RINGING:
            self.command(which, b"A")
            self.ends[which].answer(self.now)

    @rule(which=ends_, data=payload)
    def send(self, which: int, data: bytes) -> None:
        if self.ends[which].modem.state is State.ONLINE:
            self.ends[which].dte(data, self.now)

    @rule(which=ends_, data=payload)
    def type_into_whatever_goes_on(self, which: int, data: bytes) -> None:
        end = self.ends[which]
        if end.modem.state in (State.DIALING, State.ANSWERING):
            end.dte(data, self.now)
            if end.modem.state not in IN_CALL:
                end.dte(b"\rATE0\r", self.now)

    @rule(which=ends_, most=st.integers(1, 3))
    def network_carries(self, which: int, most: int) -> None:
        self.ends[which].read(self.now, most)

    @rule(which=ends_)
    def escape(self, which: int) -> None:
        end = self.ends[which]
        if end.modem.state is State.ONLINE:
            self.wait(1.5)
            if end.modem.state is State.ONLINE:
                end.dte(b"+++", self.now)
                self.wait(1.0)
                assert end.modem.state is not State.ONLINE

    @rule(which=ends_, seconds=st.sampled_from([0.01, 0.06, 1.0]))
    def dtr_pulse(self, which: int, seconds: float) -> None:
        self.ends[which].dtr(False, self.now)
        self.wait(seconds)
        self.ends[which].dtr(True, self.now)

    @rule(seconds=A_FEW)
    def wait(self, seconds: float) -> None:
        until = self.now + seconds
        while True:
            due = [end.modem.deadline() for end in self.ends]
            first = min((moment for moment in due if moment is not None), default=until + 1)
            if first > until:
                break
            self.now = max(self.now, first)
            for end in self.ends:
                end.pass_time(self.now)
        self.now = until

    @precondition(lambda self: all(end.modem.state is State.IDLE for end in self.ends))
    @rule()
    def whole_call(self) -> None:
        """Dial, answer, talk both ways, hang up: every byte arrives."""
        left, right = self.ends
        self.wait(10.0)
        self.command(0, b"D5551234")
        left.place(right, self.now, None)
        assert left.modem.state is State.ONLINE
        if right.modem.state is not State.RINGING:
            return
        left.dte(b"early ", self.now)
        right.read(self.now)
        self.answer(1)
        left.dte(b"late", self.now)
        right.dte(b"reply", self.now)
        left.read(self.now)
        right.read(self.now)
        assert (bytes(right.got), bytes(left.got)) == (b"early late", b"reply")

    # -- what always holds ---------------------------------------------------------------------------------

    @invariant()
    def carrier_is_shown(self) -> None:
        for end in self.ends:
            assert end.circuits[Circuit.DCD] is (end.modem.state in CONNECTED)
            assert end.circuits[Circuit.RI] is False or end.modem.state is State.RINGING

    @invariant()
    def bytes_arrive_in_order_and_once(self) -> None:
        for end in self.ends:
            if end.peer is not None and end.modem.state is not State.IDLE:
                underway = bytes(end.modem._held) + b"".join(end.inbox)
                assert bytes(end.got) + underway == bytes(end.peer.sent)

    @invariant()
    def nothing_grows(self) -> None:
        for end in self.ends:
            assert len(end.modem._held) <= 20 + 20
            assert len(end.modem._ahead) <= 200

    def teardown(self) -> None:
        """From wherever it stands: DTR, then AT is answered, and nothing is awaited soon after."""
        for end in self.ends:
            end.dtr(False, self.now)
        self.wait(1.0)
        for end in self.ends:
            end.read(self.now)
            end.dtr(True, self.now)
        for end in self.ends:
            end.read(self.now)
        self.wait(0.5)
        for end in self.ends:
            if end.modem.state is State.RINGING:
                end.dte(b"\rATH\r", self.now)
        for end in self.ends:
            end.read(self.now)
        self.wait(8.0)
        for end in self.ends:
            assert end.modem.state is State.IDLE
            assert end.modem.deadline() is None
            end.heard.clear()
            end.dte(b"AT\r", self.now)
            assert end.words() == OK


TestWorld = World.TestCase
TestWorld.settings = settings(max_examples=60, stateful_step_count=40)


def test_misuse_is_told_and_does_no_harm() -> None:
    one = Script(Options())
    for misuse in (one.modem.carrier_detected, one.modem.caller_left):
        try:
            misuse(one.now)
        except UsageError:
            continue
        raise AssertionError("misuse was not noticed")
    assert isinstance(one.out[0], SetCircuit)
    one.out.clear()
    one.happen(("dte", b"ATD1\r"), 1)
    assert any(isinstance(action, Originate) for action in one.out)
    one.happen(("hang up", None), 1)
    assert any(isinstance(action, HangUp) for action in one.out)


# -- an escape against what the DTE truly did ----------------------------------------------------------------

GUARD = 1.0
#: What the DTE does, in order: send something, be silent; meanwhile the program stands still, or the line is
#: not read.
doings = st.lists(
    st.tuples(st.just("send"), st.sampled_from([b"+", b"+++", b"+++", b"x", b"++", b"+++x"]))
    | st.tuples(st.just("silence"), st.sampled_from([0.01, 0.3, 0.9, 1.01, 1.3, 2.5]))
    | st.tuples(st.sampled_from(["stand still", "hold"]), st.booleans()),
    max_size=14,
)


class Reader:
    """A call's driver that reads what the DTE sends when it can, which is not always when it was sent."""

    def __init__(self) -> None:
        self.modem = Modem(Options())
        self.now = 50.0
        self.modem.start(self.now)
        self.modem.receive_dte(b"ATD1\r", self.now)
        self.modem.carrier_detected(self.now)
        self.still = self.held = False
        self.unread: list[bytes] = []
        #: What the DTE truly sent, byte by byte, and when; and what had reached the call.
        self.truth: list[tuple[float, int]] = []
        self.sent = bytearray()
        self.doubtful = False
        self.troubled = False  # since something kept it from reading at once

    def run(self) -> None:
        """One turn of the reactor: timers, then what there is to read."""
        if self.still:
            return
        if (due := self.modem.deadline()) is not None and due <= self.now:
            self.modem.expire(self.now)
        if not self.held:
            unread, self.unread = self.unread, []
            for data in unread:
                if self.online:
                    self.receive(data)

    def receive(self, data: bytes) -> None:
        if self.modem.passes(data, self.now):
            self.sent += data
            return
        for action in self.modem.receive_dte(data, self.now):
            if isinstance(action, SendCall):
                self.sent += action.data

    @property
    def online(self) -> bool:
        return self.modem.state is State.ONLINE

    def do(self, what: str, value: Any) -> None:
        if what == "send":
            self.truth += [(self.now, byte) for byte in value]
            self.unread.append(value)
        elif what == "silence":
            end = self.now + value
            while not self.still and (due := self.modem.deadline()) is not None and due <= end:
                self.now = max(self.now, due)
                self.run()
            self.now = end
        elif what == "stand still":
            due = self.modem.deadline()
            if self.still and not value and due is not None and 0 < self.now - due <= LATE:
                # No standstill can be told from a timer that is only a little late, and then a command that
                # comes soon behind the sequence counts.
                self.doubtful = True
            self.still, self.troubled = value, True
        elif not self.still:
            self.held, self.troubled = value, True
            self.modem.dte_held(value, self.now)
        self.run()

    def silent_around(self, slack: float) -> bool:
        """Whether the last bytes sent are a sequence with the silences it needs."""
        times = [at for at, _ in self.truth]
        if bytes(byte for _, byte in self.truth[-3:]) != b"+++" or len(times) < 3:
            return False
        before = times[-4] if len(times) > 3 else 50.0
        return times[-3] - before >= GUARD - slack and self.now - times[-1] >= GUARD - slack


def late(what: str, *sent: bytes) -> list[tuple[str, Any]]:
    """The first is read when it is sent, what follows only later."""
    script: list[tuple[str, Any]] = [("send", sent[0]), (what, True), ("silence", 0.3)]
    script += [("send", data) for data in sent[1:]]
    return [*script, ("silence", 2.5), (what, False), ("silence", 1.3)]


@settings(max_examples=300)
@given(doings)
@example(late("hold", b"x", b"+++"))
@example(late("hold", b"+++", b"x"))
@example(late("stand still", b"x", b"+++"))
@example(late("stand still", b"+++", b"x"))
def test_no_escape_without_true_silence(script: list[tuple[str, Any]]) -> None:
    reader = Reader()
    for what, value in [("silence", 2.0), *script, ("silence", 0.01)]:
        reader.do(what, value)
        if reader.doubtful:
            return
        if not reader.online:
            assert reader.silent_around(slack=LATE)
            assert bytes(reader.sent) == bytes(byte for _, byte in reader.truth)
            return
    if not reader.troubled:
        gaps = [b - a for (a, _), (b, _) in zip(reader.truth[-3:], reader.truth[-2:], strict=False)]
        assert not (reader.silent_around(slack=0.0) and all(gap < GUARD for gap in gaps))
