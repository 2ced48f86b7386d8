"""Every input in every state: a legal move and what belongs to it, or a clean outcome; nothing between."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from atparser import (
    Answer,
    CallFailure,
    CallLoss,
    Circuit,
    Deliver,
    HangUp,
    Options,
    Originate,
    Refusal,
    Refuse,
    SendCall,
    SetCircuit,
    State,
    UsageError,
    parse_dial,
)
from atparser.actions import Action
from atparser.state import CONNECTED, IN_CALL, PROGRESS, TRANSITIONS, Input, allowed, next_state
from tests.helpers.playbook import Playbook

OK = b"\r\nOK\r\n"
ERROR = b"\r\nERROR\r\n"
NO_CARRIER = b"\r\nNO CARRIER\r\n"
BUSY = b"\r\nBUSY\r\n"
RING = b"\r\nRING\r\n"
CONNECT = b"\r\nCONNECT 115200\r\n"

COMMAND_STATES = [State.IDLE, State.OFF_HOOK, State.RINGING, State.ONLINE_COMMAND]
REJECT = Refuse(Refusal.REJECTED)
each_state = pytest.mark.parametrize("state", list(State), ids=lambda state: state.name)


# -- the table -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", list(Input))
@each_state
def test_table(state: State, what: Input) -> None:
    if (state, what) in TRANSITIONS:
        assert allowed(state, what)
        assert next_state(state, what) is TRANSITIONS[state, what]
    else:
        assert not allowed(state, what)
        with pytest.raises(UsageError):
            next_state(state, what)


def test_every_state_can_be_reached_and_left_for_idle() -> None:
    def reached(start: State) -> set[State]:
        seen = {start}
        while True:
            more = {to for (state, _), to in TRANSITIONS.items() if state in seen} - seen
            if not more:
                return seen
            seen |= more

    assert reached(State.IDLE) == set(State)
    assert all(State.IDLE in reached(state) for state in State)


# -- what the network reports --------------------------------------------------------------------------------

REPORTS: dict[str, tuple[Callable[[Playbook], object], Input]] = {
    "caller_left": (Playbook.leaves, Input.CALLER_LEFT),
    "carrier_detected": (Playbook.carrier, Input.CARRIER),
    "call_failed": (Playbook.fails, Input.CALL_FAILED),
    "carrier_lost": (Playbook.lost, Input.CARRIER_LOST),
}


@pytest.mark.parametrize("report", REPORTS)
@each_state
def test_reports_move_by_the_table_or_are_misuse(state: State, report: str) -> None:
    happen, what = REPORTS[report]
    book = Playbook().into(state)
    if allowed(state, what):
        happen(book)
        book.state(TRANSITIONS[state, what])
    else:
        with pytest.raises(UsageError):
            happen(book)
        book.nothing().state(state)  # and nothing has been done
        book.wait(100)  # nor is anything broken


@each_state
def test_a_call_arrives(state: State) -> None:
    book = Playbook().into(state)
    busy = book.modem.busy
    book.arrives()
    if state is State.IDLE:
        assert not busy
        book.expect(SetCircuit(Circuit.RI, True), RING).state(State.RINGING)
    else:
        assert busy
        book.expect(Refuse(Refusal.BUSY)).state(state)


@each_state
def test_the_caller_leaves(state: State) -> None:
    book = Playbook().into(state)
    if state is State.RINGING:
        book.leaves().expect(SetCircuit(Circuit.RI, False)).state(State.IDLE)
        book.wait(60).nothing()


@pytest.mark.parametrize("failure", list(CallFailure))
@pytest.mark.parametrize("state", sorted(PROGRESS, key=str))
def test_a_call_that_fails(state: State, failure: CallFailure) -> None:
    book = Playbook().into(state).fails(failure)
    said = NO_CARRIER
    if state is State.DIALING:
        said = {
            CallFailure.REFUSED: BUSY,
            CallFailure.NO_NETWORK: b"\r\nNO DIALTONE\r\n",
            CallFailure.LINE_BUSY: b"\r\nNO DIALTONE\r\n",
            CallFailure.DELAYED: b"\r\nDELAYED\r\n",
            CallFailure.UNANSWERED: b"\r\nNO ANSWER\r\n",
        }.get(failure, NO_CARRIER)
    book.expect(said).state(State.IDLE)
    assert book.says(b"AT\r", OK).modem.deadline() is None


@pytest.mark.parametrize(
    ("loss", "cause"),
    [(CallLoss.REMOTE, 12), (CallLoss.RESET, 4), (CallLoss.TIMEOUT, 13), (CallLoss.ERROR, 4)],
)
@pytest.mark.parametrize("state", sorted(CONNECTED, key=str))
def test_a_call_that_is_lost(state: State, loss: CallLoss, cause: int) -> None:
    book = Playbook().into(state).lost(loss)
    book.expect(SetCircuit(Circuit.DCD, False), NO_CARRIER).state(State.IDLE)
    book.says(b"ATS86?\r", b"\r\n%03d\r\n" % cause + OK)
    book.dte(b"ATZE0S86?\r")
    assert b"%03d" % cause in book.words()


@each_state
def test_bytes_of_a_far_end(state: State) -> None:
    book = Playbook().into(state).call(b"early")
    if state is State.ONLINE:
        book.expect(Deliver(b"early"))
        return
    book.nothing()
    if state is State.RINGING:
        book.dte(b"ATA\r").expect(Answer())
    if state in (State.RINGING, *PROGRESS):
        book.carrier().expect(CONNECT, Deliver(b"early"))
    elif state is State.ONLINE_COMMAND:
        book.dte(b"ATO\r").expect(CONNECT, Deliver(b"early"))
    else:
        book.wait(60).nothing()  # nobody's


@each_state
def test_the_owner_hangs_up(state: State) -> None:
    book = Playbook().into(state).hang_up()
    if state in IN_CALL:
        book.expect(HangUp(20.0, "asked to"), NO_CARRIER).state(State.IDLE)
    elif state is State.RINGING:
        book.expect(REJECT).state(State.IDLE)
    else:
        book.nothing().state(state)


@each_state
def test_time_alone_is_harmless(state: State) -> None:
    book = Playbook().into(state)
    assert book.modem.expire(book.now) == []
    book.state(state)


# -- commands on the call ------------------------------------------------------------------------------------

Outcome = tuple["tuple[bytes | Action, ...]", State]
DIALED = Originate(parse_dial("5551234"))
LOCAL = HangUp(20.0, "local hang-up")
RESET = HangUp(20.0, "reset")

COMMANDS_ON_A_CALL: dict[tuple[State, bytes], Outcome] = {
    (State.IDLE, b"D5551234"): ((DIALED,), State.DIALING),
    (State.IDLE, b"D5551234;"): ((OK,), State.OFF_HOOK),
    (State.IDLE, b"D;"): ((OK,), State.IDLE),
    (State.IDLE, b"A"): ((NO_CARRIER,), State.IDLE),
    (State.IDLE, b"O"): ((ERROR,), State.IDLE),
    (State.IDLE, b"H"): ((OK,), State.IDLE),
    (State.IDLE, b"H1"): ((OK,), State.OFF_HOOK),
    (State.IDLE, b"ZE0"): ((OK,), State.IDLE),
    (State.IDLE, b"&FE0"): ((OK,), State.IDLE),
    (State.OFF_HOOK, b"D5551234"): ((DIALED,), State.DIALING),
    (State.OFF_HOOK, b"D5551234;"): ((OK,), State.OFF_HOOK),
    (State.OFF_HOOK, b"D;"): ((OK,), State.OFF_HOOK),
    (State.OFF_HOOK, b"A"): ((NO_CARRIER,), State.IDLE),
    (State.OFF_HOOK, b"O"): ((ERROR,), State.OFF_HOOK),
    (State.OFF_HOOK, b"H"): ((OK,), State.IDLE),
    (State.OFF_HOOK, b"H1"): ((OK,), State.OFF_HOOK),
    (State.OFF_HOOK, b"ZE0"): ((OK,), State.IDLE),
    (State.OFF_HOOK, b"&FE0"): ((OK,), State.OFF_HOOK),
    (State.RINGING, b"D5551234"): ((REJECT, DIALED), State.DIALING),
    (State.RINGING, b"D5551234;"): ((REJECT, OK), State.OFF_HOOK),
    (State.RINGING, b"D;"): ((OK,), State.RINGING),
    (State.RINGING, b"A"): ((Answer(),), State.ANSWERING),
    (State.RINGING, b"O"): ((ERROR,), State.RINGING),
    (State.RINGING, b"H"): ((REJECT, OK), State.IDLE),
    (State.RINGING, b"H1"): ((REJECT, OK), State.OFF_HOOK),
    (State.RINGING, b"ZE0"): ((OK,), State.RINGING),
    (State.RINGING, b"&FE0"): ((OK,), State.RINGING),
    (State.ONLINE_COMMAND, b"D5551234"): ((ERROR,), State.ONLINE_COMMAND),
    (State.ONLINE_COMMAND, b"D5551234;"): ((ERROR,), State.ONLINE_COMMAND),
    (State.ONLINE_COMMAND, b"D;"): ((ERROR,), State.ONLINE_COMMAND),
    (State.ONLINE_COMMAND, b"A"): ((ERROR,), State.ONLINE_COMMAND),
    (State.ONLINE_COMMAND, b"O"): ((CONNECT,), State.ONLINE),
    (State.ONLINE_COMMAND, b"H"): ((LOCAL, OK), State.IDLE),
    (State.ONLINE_COMMAND, b"H1"): ((OK,), State.ONLINE_COMMAND),
    (State.ONLINE_COMMAND, b"ZE0"): ((RESET, OK), State.IDLE),
    (State.ONLINE_COMMAND, b"&FE0"): ((OK,), State.ONLINE_COMMAND),
}


@pytest.mark.parametrize(
    ("state", "line"), list(COMMANDS_ON_A_CALL), ids=[f"{s.name} {c!r}" for s, c in COMMANDS_ON_A_CALL]
)
def test_a_command_line(state: State, line: bytes) -> None:
    outcome, after = COMMANDS_ON_A_CALL[state, line]
    Playbook().into(state).dte(b"AT" + line + b"\r").expect(*outcome).state(after)


def test_the_table_of_commands_is_whole() -> None:
    lines = {line for _, line in COMMANDS_ON_A_CALL}
    assert set(COMMANDS_ON_A_CALL) == {(state, line) for state in COMMAND_STATES for line in lines}


@pytest.mark.parametrize("state", [State.DIALING, State.ANSWERING])
def test_any_byte_gives_up_a_call_in_progress_and_is_swallowed(state: State) -> None:
    book = Playbook().into(state)
    book.dte(b"A").expect(HangUp(20.0, "aborted by the DTE"), NO_CARRIER).state(State.IDLE)
    book.dte(b"T\r").nothing().says(b"AT\r", OK)


def test_online_everything_is_data() -> None:
    Playbook().into(State.ONLINE).dte(b"AT\rATH\r").expect(SendCall(b"AT\rATH\r")).state(State.ONLINE)


@pytest.mark.parametrize("state", COMMAND_STATES)
def test_plain_at_is_answered_in_every_command_state(state: State) -> None:
    Playbook().into(state).says(b"AT\r", OK).state(state)


def test_hanging_up_says_no_carrier_where_that_is_wanted() -> None:
    book = Playbook(options=Options(hangup_no_carrier=True)).into(State.ONLINE_COMMAND)
    book.dte(b"ATH\r").expect(LOCAL, NO_CARRIER)


# -- DTR -----------------------------------------------------------------------------------------------------

DROPPED = HangUp(20.0, "DTR dropped")


def dtr_outcome(state: State, mode: int) -> Outcome:
    if mode == 0:
        return (), state
    if state in PROGRESS:
        return (DROPPED, NO_CARRIER), State.IDLE
    if state is State.ONLINE and mode == 1:
        return (OK,), State.ONLINE_COMMAND
    if state in CONNECTED and mode >= 2:
        return (DROPPED, NO_CARRIER), State.IDLE
    if state is State.OFF_HOOK and mode >= 2:
        return (), State.IDLE
    return (), state


@pytest.mark.parametrize("mode", range(4))
@each_state
def test_dtr_drops(state: State, mode: int) -> None:
    book = Playbook(b"&D%d" % mode, b"&W", b"S99=7").into(state).dtr(False)
    book.wait(0.049).nothing()
    outcome, after = dtr_outcome(state, mode)
    book.wait(0.001).expect(*outcome).state(after)
    if after not in (State.ONLINE, *PROGRESS):
        book.dtr(True).says(b"ATS99?\r", (b"\r\n000\r\n" if mode == 3 else b"\r\n007\r\n") + OK)


@pytest.mark.parametrize("mode", range(4))
@each_state
def test_a_pulse_shorter_than_s25_is_none(state: State, mode: int) -> None:
    book = Playbook(b"&D%d" % mode, b"S25=20").into(state)
    for _ in range(3):
        book.dtr(False).wait(0.199).dtr(True).wait(0.001)
    book.nothing().state(state)


def test_dtr_counts_at_once_with_s25_0() -> None:
    Playbook(b"S25=0").into(State.ONLINE).dtr(False).expect(DROPPED, NO_CARRIER)


def test_s13_bit_0_makes_d2_reset() -> None:
    book = Playbook(b"&W", b"S13=1S99=7").into(State.ONLINE).dtr(False).wait(1).forget()
    book.says(b"ATS99?\r", b"\r\n000\r\n" + OK)


def test_dtr_that_is_ignored_does_not_disturb_a_line_being_typed() -> None:
    Playbook(b"&D0").dte(b"AT").dtr(False).wait(0.1).says(b"\r", OK)
    Playbook(b"&D2").dte(b"AT").dtr(False).wait(0.1).says(b"\r", b"")


@pytest.mark.parametrize(("mode", "answers"), [(0, True), (1, True), (2, False), (3, False)])
def test_no_automatic_answer_while_dtr_is_off(mode: int, answers: bool) -> None:
    book = Playbook(b"&D%d" % mode, b"S0=1", b"&W").dtr(False).wait(1).arrives().expect(RING).wait(2)
    if answers:
        book.expect(Answer())
    else:
        book.nothing().wait(4).expect(RING).dtr(True).wait(2).expect(Answer())


# -- two things at one moment --------------------------------------------------------------------------------
# A report and a timer that is due meet: whoever comes second finds the matter settled, and nothing is lost.


def test_a_failure_after_s7_is_over() -> None:
    book = Playbook().into(State.DIALING).freeze(60).fails()
    book.expect(HangUp(20.0, "no answer within S7"), NO_CARRIER).state(State.IDLE)


def test_a_carrier_after_s7_is_over() -> None:
    book = Playbook().into(State.DIALING).freeze(60).carrier()
    book.expect(HangUp(20.0, "no answer within S7"), NO_CARRIER).state(State.IDLE)


def test_a_loss_after_dtr_has_dropped() -> None:
    book = Playbook().into(State.ONLINE).dtr(False).freeze(0.06).lost()
    book.expect(DROPPED, NO_CARRIER).state(State.IDLE)


def test_a_caller_who_leaves_when_the_automatic_answer_is_due() -> None:
    book = Playbook(b"S0=1").into(State.RINGING).freeze(2.0).leaves()
    book.nothing().state(State.IDLE).wait(100).nothing()


def test_a_caller_who_leaves_when_ringing_is_over() -> None:
    book = Playbook(options=Options(max_rings=1)).into(State.RINGING).wait(5.9).freeze(0.2).leaves()
    book.nothing().state(State.IDLE)
