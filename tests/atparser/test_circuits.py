"""What stands beside the data: circuits in every state, flow control, breaks, the test loop, parity."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atparser import (
    DIALECTS,
    Answer,
    BreakDte,
    CallLoss,
    Circuit,
    Deliver,
    Flow,
    HangUp,
    Options,
    Originate,
    Refusal,
    Refuse,
    SendBreak,
    SendCall,
    SendDte,
    SetCircuit,
    SetFlow,
    State,
    Store,
    parse_dial,
)
from atparser.parity import Parity, encode
from atparser.state import CONNECTED, IN_CALL, PROGRESS
from tests.helpers.playbook import Playbook

OK = b"\r\nOK\r\n"
ERROR = b"\r\nERROR\r\n"
NO_CARRIER = b"\r\nNO CARRIER\r\n"
RING = b"\r\nRING\r\n"
CONNECT = b"\r\nCONNECT 115200\r\n"

each_state = pytest.mark.parametrize("state", list(State), ids=lambda state: state.name)


# -- circuits that the modem drives ------------------------------------------------------------------------


@pytest.mark.parametrize("c", range(3))
@each_state
def test_dcd(state: State, c: int) -> None:
    book = Playbook(b"&C%d" % c).into(state)
    assert book.circuits[Circuit.DCD] is (c != 1 or state in CONNECTED)


@pytest.mark.parametrize("s", range(4))
@each_state
def test_dsr(state: State, s: int) -> None:
    book = Playbook(b"&S%d" % s).into(state)
    wanted = (True, state in IN_CALL, state in CONNECTED, state is State.RINGING)
    assert book.circuits[Circuit.DSR] is wanted[s]


@each_state
def test_ri_and_cts(state: State) -> None:
    book = Playbook().into(state)
    assert book.circuits[Circuit.RI] is (state is State.RINGING)
    assert book.circuits[Circuit.CTS] is True


@pytest.mark.parametrize("value", range(4))
@pytest.mark.parametrize("command", [b"&C", b"&S"])
def test_a_change_of_the_setting_counts_at_once(command: bytes, value: int) -> None:
    if command == b"&C" and value == 3:
        return
    book = Playbook().into(State.ONLINE_COMMAND).says(b"AT%b%d\r" % (command, value), OK)
    other = Playbook(b"%b%d" % (command, value)).into(State.ONLINE_COMMAND)
    assert book.circuits == other.circuits


@pytest.mark.parametrize("c", [1, 2])
@pytest.mark.parametrize("end", ["lost", "hang up", "dtr"])
def test_dcd_at_the_end_of_a_call(c: int, end: str) -> None:
    book = Playbook(b"&C%d" % c).into(State.ONLINE)
    dropped = HangUp(20.0, "DTR dropped")
    off = SetCircuit(Circuit.DCD, False)
    if end == "lost":
        book.call(b"last").lost().expect(Deliver(b"last"), off, NO_CARRIER)
    elif end == "dtr":
        book.dtr(False).wait(0.05).expect(dropped, off, NO_CARRIER)
    else:
        book.escaped().dte(b"ATH\r").expect(HangUp(20.0, "local hang-up"), off, OK)
    if c == 2:
        book.wait(0.99).nothing().wait(0.02).expect(SetCircuit(Circuit.DCD, True))
    assert book.modem.deadline() is None


@pytest.mark.parametrize("way", ["originate", "answer", "automatic"])
def test_carrier_then_connect_then_data(way: str) -> None:
    book = Playbook(b"S0=1" if way == "automatic" else b"S0=0")
    if way == "originate":
        book.dte(b"ATD1\r")
    else:
        book.arrives().call(b"early")
        if way == "answer":
            book.dte(b"ATA\r")
        book.wait(2.0)
    book.forget().carrier()
    on = SetCircuit(Circuit.DCD, True)
    book.expect(on, CONNECT, *([] if way == "originate" else [Deliver(b"early")]))


def test_held_bytes_are_delivered_before_the_carrier_falls() -> None:
    book = Playbook().into(State.ONLINE_COMMAND).call(b"held").lost()
    book.expect(Deliver(b"held"), SetCircuit(Circuit.DCD, False), NO_CARRIER)


@pytest.mark.parametrize(("second", "discards"), [(0, True), (1, False), (2, False)])
def test_held_bytes_are_discarded_where_that_is_wanted(second: int, discards: bool) -> None:
    book = Playbook(b"+ETBM=,%d" % second).into(State.ONLINE_COMMAND).call(b"held").lost()
    assert book.modem.discards is discards
    off = SetCircuit(Circuit.DCD, False)
    book.expect(*([] if discards else [Deliver(b"held")]), off, NO_CARRIER)


moves = st.lists(
    st.sampled_from(["dial", "carrier", "escape", "return", "hang up", "lost", "arrive", "leave", "pulse"])
    | st.sampled_from(["break", "call breaks", "rts on", "rts off", "flow", "test", "dtr"]),
    max_size=25,
)


@settings(max_examples=100)
@given(moves, st.sampled_from([0, 1, 5]))
def test_dcd_never_glitches(script: list[str], k: int) -> None:
    """It changes once for each time the carrier comes or goes, and never within either."""
    book = Playbook(b"\\K%d" % k)
    changes: list[bool] = []
    carrier = [False]
    for step in script:
        state = book.modem.state
        if step == "dial" and state is State.IDLE and not book.modem._looping:
            book.dte(b"ATD1\r").wait(1.1)
        elif step == "carrier" and state in PROGRESS:
            book.carrier()
        elif step == "escape" and state is State.ONLINE:
            book.escaped()
        elif step == "return" and state is State.ONLINE_COMMAND:
            book.dte(b"ATO\r")
        elif step == "hang up":
            book.hang_up()
        elif step == "lost" and state in CONNECTED:
            book.lost(CallLoss.RESET)
        elif step == "arrive":
            book.arrives()
            if book.modem.state is State.RINGING:
                book.dte(b"ATA\r").wait(0.5)
        elif step == "leave" and state is State.RINGING:
            book.leaves()
        elif step == "pulse":
            book.dtr(False).wait(0.02).dtr(True)
        elif step == "dtr":
            book.dtr(False).wait(0.1).dtr(True)
        elif step == "break":
            book.breaks()
        elif step == "call breaks":
            book.call_breaks()
        elif step.startswith("rts"):
            book.rts(step == "rts on")
        elif step == "flow" and state in (State.IDLE, State.ONLINE_COMMAND):
            book.dte(b"AT&K4&R0\r").dte(b"AT&K3\r")
        elif step == "test" and state is State.IDLE:
            book.dte(b"AT&T1\r").dte(b"loop").escaped()
        now = book.modem.state in CONNECTED
        if now is not carrier[-1]:
            carrier.append(now)
        changes += [
            one.action.on
            for one in book.taken(circuits=True)
            if isinstance(one.action, SetCircuit) and one.action.circuit is Circuit.DCD
        ]
    assert changes[-len(carrier) + 1 :] == carrier[1:] if len(carrier) > 1 else not changes
    assert all(before is not after for before, after in itertools.pairwise(changes))


# -- RTS and CTS -------------------------------------------------------------------------------------------

CTS_ON, CTS_OFF = SetCircuit(Circuit.CTS, True), SetCircuit(Circuit.CTS, False)


def test_cts_follows_rts_after_s26() -> None:
    book = Playbook(b"&R0S26=20").rts(False).expect(CTS_OFF)
    book.rts(True).wait(0.199).nothing().wait(0.002).expect(CTS_ON)
    book.rts(False).expect(CTS_OFF).rts(True).wait(0.1).rts(False).wait(1).nothing()
    book.says(b"ATS26=0\r", OK).rts(True).expect(CTS_ON)


@pytest.mark.parametrize("r", [1, 2])
def test_rts_is_ignored_with_r1(r: int) -> None:
    book = Playbook(b"&R%d" % r).rts(False).rts(True).rts(False).nothing()
    assert book.modem.deadline() is None
    book.dte(b"AT&R0\r").expect(OK, CTS_OFF).dte(b"AT&R1\r").expect(OK, CTS_ON)


def test_rts_that_was_never_told_is_on() -> None:
    Playbook(b"&R0").says(b"AT\r", OK).wait(10).nothing()


# -- flow control ------------------------------------------------------------------------------------------

NONE, XON, PINS, BOTH = Flow.NONE, Flow.XON_XOFF, Flow.CIRCUITS, Flow.XON_XOFF | Flow.CIRCUITS

FLOWS = {
    b"&K": (NONE, NONE, False),
    b"&K0": (NONE, NONE, False),
    b"&K1": None,
    b"&K2": None,
    b"&K3": None,
    b"&K4": (XON, XON, False),
    b"&K5": (XON, XON, True),
    b"&K6": (BOTH, BOTH, False),
    b"\\Q0": (NONE, NONE, False),
    b"\\Q1": (XON, XON, False),
    b"\\Q2": None,
    b"\\Q3": None,
    b"\\Q6": (BOTH, BOTH, False),
    b"+IFC=0,0": (NONE, NONE, False),
    b"+IFC=1,1": (XON, XON, False),
    b"+IFC=2,2": None,
    b"+IFC=3,1": (XON, XON, True),
    b"+IFC=2,0": (PINS, NONE, False),
    b"+IFC=0,2": (NONE, PINS, False),
    b"+IFC=1,2": (XON, PINS, False),
    b"+IFC=2,1": (PINS, XON, False),
    b"S39=0": (NONE, NONE, False),
    b"S39=3": None,
    b"S39=4": (XON, XON, False),
    b"S39=5": (XON, XON, True),
    b"S39=6": (BOTH, BOTH, False),
    b"&F2E0": (XON, XON, False),
    b"\\X1": None,
    b"&K4\\X1": (XON, XON, True),
    b"&K6\\X1": (BOTH, BOTH, True),
    b"&K4\\X1\\X0": (XON, XON, False),
    b"S32=65S33=66": (PINS, PINS, False),
    b"&K4&K3": None,
}


@pytest.mark.parametrize("line", FLOWS)
def test_flow_control(line: bytes) -> None:
    wanted = FLOWS[line]
    xon, xoff = (65, 66) if b"S32" in line else (17, 19)
    action = [] if wanted is None else [SetFlow(wanted[0], wanted[1], xon, xoff, wanted[2])]
    book = Playbook().dte(b"AT" + line + b"\r").expect(OK, *action)
    # Said once, and put back by another line.
    book.dte(b"AT\r").expect(OK)
    back = [SetFlow(PINS, PINS, 17, 19, False)] if wanted else []
    book.dte(b"AT&FE0\r").expect(OK, *back)


def test_factory_flow_is_asked_for_at_the_start() -> None:
    book = Playbook(echo=True)
    actions = book.modem.__class__(Options()).start(0.0)
    assert [one for one in actions if isinstance(one, SetFlow)] == [SetFlow(PINS, PINS, 17, 19, False)]


def test_characters_of_the_flow_carry_the_parity_of_the_dte() -> None:
    book = Playbook().dte(encode(b"AT&K4\r", Parity.EVEN))
    book.expect(encode(OK, Parity.EVEN), SetFlow(XON, XON, 0x11, 0x93, False))
    book.dte(b"AT\r").expect(OK, SetFlow(XON, XON, 0x11, 0x13, False))
    book.dte(encode(b"AT&K3\r", Parity.MARK)).expect(
        encode(OK, Parity.MARK), SetFlow(PINS, PINS, 17, 19, False)
    )
    book.dte(b"AT\r").expect(OK)


def test_a_refused_line_still_counts_as_far_as_it_ran() -> None:
    Playbook().dte(b"AT&K4FOO\r").expect(SetFlow(XON, XON, 17, 19, False), ERROR)


# -- breaks ------------------------------------------------------------------------------------------------


def sent(expedited: bool = False, discard: bool = False, seconds: float = 0.3) -> SendBreak:
    return SendBreak(seconds, expedited, discard)


OF_THE_DTE = {
    0: None,
    1: sent(expedited=True, discard=True),
    2: None,
    3: sent(expedited=True),
    4: None,
    5: sent(),
}


@pytest.mark.parametrize("k", range(6))
@each_state
def test_break_of_the_dte(state: State, k: int) -> None:
    book = Playbook(b"\\K%d" % k).into(state).breaks()
    action = OF_THE_DTE[k]
    if state is not State.ONLINE:
        book.nothing().state(state)
    elif action is None:
        book.expect(OK).state(State.ONLINE_COMMAND)
    else:
        book.expect(action).state(state)


@pytest.mark.parametrize(
    ("line", "action"),
    [
        (b"S82=3", sent(expedited=True)),
        (b"S82=7", sent(expedited=True, discard=True)),
        (b"S82=128", sent()),
        (b"+EB=1", sent()),
        (b"+EB=2", sent(expedited=True)),
        (b"+EB=3", sent(expedited=True, discard=True)),
        (b"+EB=1,0,50", sent(seconds=0.5)),
    ],
)
def test_other_commands_that_say_what_a_break_does(line: bytes, action: SendBreak) -> None:
    book = Playbook(line).into(State.ONLINE).breaks()
    came = [one.action for one in book.taken()]
    assert came == [SendBreak(pytest.approx(action.seconds), action.expedited, action.discard)]


def test_break_is_ignored_with_eb_0() -> None:
    Playbook(b"+EB=0").into(State.ONLINE).breaks().nothing().state(State.ONLINE)


@pytest.mark.parametrize(
    ("y", "action"), [(1, sent(expedited=True, discard=True)), (2, sent(expedited=True)), (3, sent())]
)
def test_y_of_usr(y: int, action: SendBreak) -> None:
    book = Playbook(b"&Y%d" % y, options=Options(**DIALECTS["usr"])).into(State.ONLINE)
    book.breaks().expect(action)


BY_COMMAND = {
    0: sent(expedited=True, discard=True),
    1: sent(expedited=True, discard=True),
    2: sent(expedited=True),
    3: sent(expedited=True),
    4: sent(),
    5: sent(),
}


@pytest.mark.parametrize("k", range(6))
@pytest.mark.parametrize("state", [State.IDLE, State.OFF_HOOK, State.RINGING, State.ONLINE_COMMAND])
def test_break_by_command(state: State, k: int) -> None:
    book = Playbook(b"\\K%d" % k).into(state).dte(b"AT\\B\r")
    book.expect(*([BY_COMMAND[k]] if state is State.ONLINE_COMMAND else []), OK).state(state)


@pytest.mark.parametrize("n", range(10))
def test_length_of_a_break(n: int) -> None:
    seconds = pytest.approx((n or 3) * 0.1)
    book = Playbook().into(State.ONLINE_COMMAND).dte(b"AT\\B%d\r" % n)
    (first, _) = (one.action for one in book.taken())
    assert first == SendBreak(seconds, False, False)
    book.dte(b"ATO\r").forget().call_breaks()
    assert [one.action for one in book.taken()] == [BreakDte(seconds)]
    book.breaks()
    assert [one.action for one in book.taken()] == [SendBreak(seconds, False, False)]


@each_state
def test_break_of_the_far_end(state: State) -> None:
    book = Playbook().into(state).call_breaks()
    if state is State.ONLINE:
        book.expect(BreakDte(0.3))
        return
    book.nothing().call(b"later")
    if state is State.RINGING:
        book.dte(b"ATA\r").expect(Answer())
    if state in (State.RINGING, *PROGRESS):
        book.carrier().expect(CONNECT, Deliver(b"later"), BreakDte(0.3))
    elif state is State.ONLINE_COMMAND:
        book.dte(b"ATO\r").expect(CONNECT, Deliver(b"later"), BreakDte(0.3))
        book.escaped().dte(b"ATO\r").expect(CONNECT)


@pytest.mark.parametrize("end", ["refused", "left", "lost", "given up"])
def test_a_break_does_not_outlive_its_call(end: str) -> None:
    book = Playbook()
    if end == "lost":
        book.into(State.ONLINE_COMMAND).call_breaks().lost()
    elif end == "given up":
        book.into(State.DIALING).call_breaks().dte(b"x")
    else:
        book.into(State.RINGING).call_breaks()
        book = book.leaves() if end == "left" else book.dte(b"ATH\r")
    book.forget().dte(b"ATD77\r").wait(2).carrier()
    assert not any(isinstance(one.action, BreakDte) for one in book.taken())


def test_a_break_is_no_silence() -> None:
    book = Playbook().into(State.ONLINE).dte(b"+++").wait(0.5).breaks().wait(2).forget().state(State.ONLINE)
    book.breaks().wait(0.9).dte(b"+++").wait(2).state(State.ONLINE)


def test_a_break_counts_as_activity() -> None:
    book = Playbook(b"S30=1").into(State.ONLINE)
    for _ in range(5):
        book.breaks().wait(8).breaks().wait(8).call_breaks()
    book.state(State.ONLINE).wait(10.1).state(State.IDLE)


def test_break_in_command_state_takes_the_line_back_where_hayes_does() -> None:
    Playbook().dte(b"ATS7").breaks().says(b"?\r", b"\r\n050\r\n" + OK)
    book = Playbook(options=Options(**DIALECTS["hayes"])).dte(b"ATD1").breaks().says(b"\r", b"")
    book.dte(b"ATS7").arrives().forget().breaks().expect(RING).says(b"?\r", b"").wait(5).forget()
    book.dte(b"ATH\r").forget().dte(b"ATD1\r").wait(1).forget().breaks().nothing().state(State.DIALING)


# -- DTR ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("d", range(4))
def test_a_call_is_refused_while_dtr_is_off_where_that_is_wanted(d: int) -> None:
    book = Playbook(b"&D%d" % d, options=Options(dtr_refuse=True)).dtr(False).wait(0.05)
    assert book.modem.busy is (d >= 2)
    book.arrives()
    if d >= 2:
        book.expect(Refuse(Refusal.BUSY)).state(State.IDLE)
        book.dtr(True).arrives()
        assert book.modem.state is State.RINGING
    else:
        book.expect(RING).state(State.RINGING)


def test_a_pulse_refuses_nobody() -> None:
    Playbook(options=Options(dtr_refuse=True)).dtr(False).wait(0.04).arrives().expect(RING)


def stored() -> Store:
    store = Store()
    store.numbers[0] = "5551234"
    return store


DIALED = Originate(parse_dial("5551234"))


def test_dtr_dials_stored_number_0() -> None:
    book = Playbook(options=Options(dtr_dial=True), store=stored())
    book.dtr(True).expect(DIALED).state(State.DIALING)
    book.carrier().wait(1).forget().dtr(False).wait(0.05).forget().state(State.IDLE)
    book.wait(2).dtr(True).expect(DIALED).dte(b"x").expect(
        HangUp(20.0, "aborted by the DTE"), NO_CARRIER
    ).wait(2).dtr(True).nothing()


@each_state
def test_dtr_dials_only_from_idle(state: State) -> None:
    book = Playbook(b"&D0", options=Options(dtr_dial=True), store=stored()).into(state)
    book.dtr(False).wait(1).forget().dtr(True)
    if state is State.IDLE:
        book.expect(DIALED)
    else:
        assert not any(isinstance(one.action, Originate) for one in book.taken())


def test_dtr_does_not_dial_unasked_or_nothing() -> None:
    Playbook(store=stored()).dtr(True).nothing().dtr(False).wait(1).dtr(True).nothing()
    Playbook(options=Options(dtr_dial=True)).dtr(True).nothing().state(State.IDLE)


def test_a_pulse_of_dtr_does_not_dial() -> None:
    book = Playbook(options=Options(dtr_dial=True), store=stored()).dtr(True).dte(b"x").wait(0.2).dte(b"x")
    book.forget().state(State.IDLE).wait(2).dtr(False).wait(0.04).dtr(True).nothing()


# -- one DTE after the other -------------------------------------------------------------------------------


def test_what_was_half_typed_is_not_the_next_ones() -> None:
    Playbook(b"E0").dte(b"ATD5551234").other_dte().dte(b"AT\r").expect(OK).state(State.IDLE)
    Playbook(b"E0").dte(b"AT").other_dte().dte(b"\r").nothing().dte(b"AT\r").expect(OK)
    # The same DTE, its line disturbed, goes on.
    Playbook(b"E0").dte(b"AT").dtr(False).wait(0.04).dtr(True).dte(b"\r").expect(OK)


def test_a_call_outlives_the_change_within_s25() -> None:
    book = Playbook().into(State.ONLINE).other_dte().wait(1).state(State.ONLINE)
    book.dte(b"more").expect(SendCall(b"more"))


# -- ATA before the call -----------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [State.IDLE, State.OFF_HOOK])
def test_answer_waits_for_a_call_where_that_is_wanted(state: State) -> None:
    book = Playbook(options=Options(answer_wait=30.0)).into(state).dte(b"ATA\r\n").nothing()
    book.state(State.ANSWERING).wait(29)
    assert not book.modem.busy
    book.arrives().expect(Answer()).state(State.ANSWERING)
    assert book.modem.busy
    book.arrives().expect(Refuse(Refusal.BUSY)).wait(10).state(State.ANSWERING)
    book.carrier().expect(SetCircuit(Circuit.DCD, True), CONNECT).state(State.ONLINE)


def test_answer_waits_no_longer() -> None:
    book = Playbook(options=Options(answer_wait=30.0)).dte(b"ATA\r").wait(29.9).nothing().wait(0.2)
    book.expect(HangUp(20.0, "nobody called"), NO_CARRIER).state(State.IDLE)
    book.arrives().expect(RING)


@pytest.mark.parametrize("end", ["byte", "dtr", "owner"])
def test_waiting_for_a_call_can_be_given_up(end: str) -> None:
    book = Playbook(options=Options(answer_wait=30.0)).dte(b"ATA\r").wait(1)
    if end == "byte":
        book.dte(b"x")
    elif end == "dtr":
        book.dtr(False).wait(0.05)
    else:
        book.hang_up()
    assert [type(one.action) for one in book.taken()] == [HangUp, SendDte]
    book.state(State.IDLE)
    assert book.modem.deadline() is None
    book.dtr(True).arrives().expect(RING)


def test_answer_does_not_wait_unasked() -> None:
    Playbook().says(b"ATA\r", NO_CARRIER).state(State.IDLE)


# -- local analogue loopback -------------------------------------------------------------------------------


def looping(*init: bytes, **more: object) -> Playbook:
    return Playbook(*init, **more).says(b"AT&T1\r\n", OK).wait(2)  # type: ignore[arg-type]


def test_bytes_come_back() -> None:
    data = bytes(range(256)) + b"AT\rATH\r\n+++x"
    book = looping().dte(data).expect(data).wait(2).dte(b"ATH\r").expect(b"ATH\r").breaks()
    book.expect(BreakDte(0.3))
    assert book.modem.busy
    book.arrives().expect(Refuse(Refusal.BUSY))


def test_the_loop_ends_by_the_escape() -> None:
    book = looping().dte(b"+++").expect(b"+++").wait(0.99).nothing().wait(0.02).expect(OK).state(State.IDLE)
    book.says(b"AT&T0\r", OK).says(b"ATH\r", OK).arrives().expect(RING)


def test_the_loop_ends_by_a_command_line_behind_the_escape() -> None:
    book = looping(options=Options(escape=Options().escape.__class__.TIES)).dte(b"x+++ATS7?\rAT\r")
    book.expect(b"x+++ATS7?\r" + b"\r\n050\r\n" + OK + OK).state(State.IDLE)


@pytest.mark.parametrize("d", range(4))
def test_the_loop_ends_by_dtr(d: int) -> None:
    book = looping(b"&D%d" % d).dtr(False).wait(0.05)
    if d == 0:
        book.nothing().dte(b"x").expect(b"x")
    else:
        book.expect(*([OK] if d == 1 else [])).state(State.IDLE).says(
            b"AT\r", OK if d != 3 else b"AT\r\r\nOK\r\n"
        )


def test_the_loop_ends_by_the_test_timer() -> None:
    book = Playbook(b"S18=5").says(b"AT&T1\r", OK).wait(4).dte(b"x").expect(b"x").wait(0.9).nothing()
    book.wait(0.2).expect(OK).state(State.IDLE).says(b"AT\r", OK)
    assert book.modem.deadline() is None


def test_the_loop_ends_with_its_owner() -> None:
    looping().hang_up().expect(OK).state(State.IDLE).says(b"AT\r", OK)


def test_s16_tells_of_the_test() -> None:
    book = looping()
    assert book.modem.interpreter.profile.read_register(16) == 1
    book.dte(b"+++").wait(1).forget().says(b"ATS16?\r", b"\r\n000\r\n" + OK)


@each_state
def test_where_a_test_may_begin(state: State) -> None:
    if state in (State.ONLINE, *PROGRESS):
        return  # no commands there
    book = Playbook().into(state).dte(b"AT&T1\r")
    book.expect(OK if state is State.IDLE else ERROR)


@pytest.mark.parametrize("value", [0, 2, 3, 4, 5, 6, 7, 8])
def test_other_tests_are_accepted(value: int) -> None:
    Playbook().says(b"AT&T%d\r" % value, OK).says(b"AT\r", OK).state(State.IDLE)


def test_the_rest_of_the_line_is_not_run() -> None:
    looping_line = Playbook().says(b"AT&T1S0=5\r", OK).wait(2).dte(b"+++").wait(1).forget()
    looping_line.says(b"ATS0?\r", b"\r\n000\r\n" + OK)


# -- parity of a call --------------------------------------------------------------------------------------

TEXT = b"The quick brown fox, 0123456789\r\n"


def online_with(parity: Parity, **options: object) -> Playbook:
    book = Playbook(options=Options(**options))  # type: ignore[arg-type]
    book.dte(encode(b"ATE0D5551234\r", parity)).wait(0.5).carrier().wait(9.5)
    return book.forget().state(State.ONLINE)


@pytest.mark.parametrize("parity", [Parity.EVEN, Parity.ODD, Parity.MARK])
def test_parity_is_taken_off_and_put_on_where_that_is_wanted(parity: Parity) -> None:
    book = online_with(parity, strip_parity_online=True)
    book.dte(encode(TEXT, parity)).expect(SendCall(TEXT))
    book.call(TEXT).expect(Deliver(encode(TEXT, parity)))
    book.wait(2).dte(encode(b"+++", parity)).expect(SendCall(b"+++")).wait(1.1).expect(encode(OK, parity))
    book.call(b"held").nothing().dte(encode(b"ATO\r", parity))
    book.expect(encode(CONNECT, parity), Deliver(encode(b"held", parity)))
    book.call(b"last").lost().expect(Deliver(encode(b"last", parity)), encode(NO_CARRIER, parity))


@pytest.mark.parametrize("parity", list(Parity))
def test_a_call_is_transparent_otherwise(parity: Parity) -> None:
    every = bytes(range(256))
    for book in (online_with(parity), online_with(Parity.NONE, strip_parity_online=True)):
        book.dte(every).expect(SendCall(every)).call(every).expect(Deliver(every))
        assert book.modem.passes(b"x", book.now + 5)
        assert book.modem.call_passes(book.now + 5)


def test_held_bytes_of_a_call_that_ends_have_its_parity() -> None:
    book = online_with(Parity.EVEN, strip_parity_online=True).wait(2).dte(encode(b"+++", Parity.EVEN))
    book.wait(2).forget().call(b"held").lost()
    book.expect(Deliver(encode(b"held", Parity.EVEN)), encode(NO_CARRIER, Parity.EVEN))
    # The next call, of a DTE with eight bits, is its own.
    book.dte(b"ATD5551234\r").wait(5).carrier().forget().dte(b"\xff").expect(SendCall(b"\xff"))
