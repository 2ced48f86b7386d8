"""Calls without a command: CLIENT on a cable between two computers, and calls of the modem's owner."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from atparser import (
    Answer,
    BreakDte,
    CallLoss,
    Circuit,
    Deliver,
    EscapeMode,
    HangUp,
    Options,
    Originate,
    Refusal,
    Refuse,
    SendBreak,
    SendCall,
    SetCircuit,
    State,
    parse_dial,
)
from atparser.unbidden import CABLE
from tests.helpers.playbook import Playbook

OK = b"\r\nOK\r\n"
RING = b"\r\nRING\r\n"
CONNECT = b"\r\nCONNECT 115200\r\n"
NO_CARRIER = b"\r\nNO CARRIER\r\n"
BUSY = b"\r\nBUSY\r\n"
LEASED = parse_dial("5551234")


def guest(**options: object) -> Playbook:
    """A modem with a cable, and echo on as a guest finds it."""
    return Playbook(echo=True, options=Options(cable=True, **options))  # type: ignore[arg-type]


def joined(**options: object) -> Playbook:
    return guest(**options).dte(b"CLIENT").carrier().wait(5).forget()


# -- CLIENT ------------------------------------------------------------------------------------------------


def test_handshake() -> None:
    """No echo, no result code; DCD rises before the answer, and the far end's first bytes come after it."""
    book = guest().dte(b"CLIENT").expect(Originate(CABLE)).state(State.DIALING)
    book.wait(0.2).call(b"~\xff").carrier()
    book.expect(SetCircuit(Circuit.DCD, True), b"CLIENTSERVER", Deliver(b"~\xff")).state(State.ONLINE)
    book.dte(b"~\xff}#").expect(SendCall(b"~\xff}#")).call(b"~").expect(Deliver(b"~"))


@pytest.mark.parametrize("loss", list(CallLoss))
def test_the_end_is_silent_and_the_next_client_is_heard(loss: CallLoss) -> None:
    book = joined()
    for _ in range(3):
        book.lost(loss).expect(SetCircuit(Circuit.DCD, False)).state(State.IDLE).wait(3)
        book.dte(b"CLIENT").expect(Originate(CABLE)).carrier().expect(
            SetCircuit(Circuit.DCD, True), b"CLIENTSERVER"
        )


ENDS: dict[str, Callable[[Playbook], object]] = {
    "DTR drops": lambda book: book.dtr(False).wait(0.1),
    "the owner hangs up": Playbook.hang_up,
    "nobody is active": lambda book: book.wait(700),
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("d", [1, 2, 3])
def test_every_other_end_is_silent(end: str, d: int) -> None:
    """With &D1 too: the guest knows no online command state."""
    book = guest().dte(b"AT&D%dS30=1\r" % d).wait(1).dte(b"CLIENT").carrier().wait(5).forget()
    ENDS[end](book)
    assert [type(one.action) for one in book.taken()] == [HangUp]
    book.state(State.IDLE)


@pytest.mark.parametrize("split", range(1, 6))
def test_any_chunking(split: int) -> None:
    book = guest().dte(b"CLIENT"[:split]).nothing().wait(0.5).dte(b"CLIENT"[split:])
    book.expect(Originate(CABLE))


@pytest.mark.parametrize(
    "data",
    [
        b"CLIENTCLIENTCL",
        b"\x00CLIENT",
        b"ACLIENT",
        b"CLICLIENT",
        b"CCLIENT",
        b"\r\nAT\rCLIENT",
        b"ATE0\rxCLIENT",
        b"hello CLIENT",
    ],
)
def test_found_wherever_no_command_line_is(data: bytes) -> None:
    """Byte by byte and whole: the same is said, the same is asked for."""
    whole = guest().dte(data)
    single = guest()
    for at in range(len(data)):
        single.dte(data[at : at + 1])
    words = whole.words()
    assert words == single.words()
    assert b"CLIENT" not in words
    whole.state(State.DIALING)
    single.state(State.DIALING)


@pytest.mark.parametrize("data", [b"CLIEN", b"CLIEN T", b"client", b"CLI\rENT", b"C L I E N T", b"C\xccIENT"])
def test_what_is_not_client_is_echoed_as_ever(data: bytes) -> None:
    book = guest().dte(data + b".")
    book.expect(data + b".").state(State.IDLE)


@pytest.mark.parametrize("line", [b"ATDTCLIENT;\r", b"AT&Z0=CLIENT\r", b"atCLIENT\r", b"AT CLIENT\r"])
def test_in_a_command_line_it_is_part_of_it(line: bytes) -> None:
    book = guest().dte(line)
    words = book.words()
    assert words.startswith(line)
    assert words.endswith((OK, b"\r\nERROR\r\n"))


def test_without_the_option_it_is_nothing() -> None:
    Playbook(echo=True).dte(b"CLIENT").expect(b"CLIENT").state(State.IDLE)


@pytest.mark.parametrize("state", [State.OFF_HOOK, State.ONLINE_COMMAND], ids=lambda state: state.name)
def test_where_the_line_is_taken_it_is_nothing(state: State) -> None:
    book = Playbook(options=Options(cable=True)).into(state).dte(b"CLIENT").nothing().state(state)
    book.dte(b"AT\r").expect(OK)


def test_while_it_rings_the_caller_is_turned_away() -> None:
    """As by a dial command."""
    book = guest().arrives().wait(3).forget().dte(b"CLIENT")
    assert [one.action for one in book.taken()] == [Refuse(Refusal.REJECTED), Originate(CABLE)]


def test_repeated_until_it_is_answered() -> None:
    """A target that takes its time is not given up because CLIENT comes again, nor asked twice."""
    book = guest().dte(b"CLIENT").expect(Originate(CABLE))
    for _ in range(5):
        book.wait(1).dte(b"CLI").wait(0.1).dte(b"ENT").nothing()
    book.dte(b"CLI").carrier().expect(b"CLIENTSERVER").dte(b"~").expect(SendCall(b"~"))


def test_a_failed_target_answers_nothing_and_is_tried_again() -> None:
    book = guest().dte(b"CLIENT").expect(Originate(CABLE)).fails().nothing().state(State.IDLE)
    book.dte(b"CLIENT").nothing().wait(0.9).nothing()  # not more than once a second
    book.wait(0.2).expect(Originate(CABLE)).carrier().expect(b"CLIENTSERVER")


def test_a_target_that_never_answers_is_given_up_in_silence() -> None:
    book = guest().dte(b"ATS7=5\r").wait(1).forget().dte(b"CLIENT").wait(6)
    assert [type(one.action) for one in book.taken()] == [Originate, HangUp]
    book.state(State.IDLE)


def test_commands_work_before_and_after() -> None:
    book = guest().dte(b"ATE0\r").forget().says(b"AT\r", OK).dte(b"CLIENT").expect(Originate(CABLE))
    book.fails().nothing().says(b"AT\r", OK)
    book.wait(2).dte(b"CLIENT").carrier().lost().forget().says(b"AT\r", OK)
    book.dte(b"ATD5551234\r").expect(Originate(parse_dial("5551234"))).carrier().expect(CONNECT)
    book.lost().expect(NO_CARRIER)
    book.arrives().expect(RING)
    book.dte(b"ATA\r").expect(Answer()).carrier().expect(CONNECT).lost().expect(NO_CARRIER)


def test_a_call_that_comes_in_afterwards_rings() -> None:
    book = joined().lost().forget().arrives().expect(RING).wait(3).dte(b"ATE0A\r").forget()
    book.carrier().expect(CONNECT)


def test_a_command_line_ends_the_attempt() -> None:
    book = guest().dte(b"ATE0\r").forget().dte(b"CLIENT").expect(Originate(CABLE))
    came = [type(one.action).__name__ for one in book.wait(1).dte(b"AT\r").taken()]
    assert came == ["HangUp", "SendDte"]
    book.state(State.IDLE).dte(b"CLIENT").expect(Originate(CABLE))


def test_it_is_no_number_to_dial_again() -> None:
    book = guest().dte(b"ATE0\r").forget().dte(b"CLIENT").carrier().lost().forget()
    book.says(b"ATDL\r", b"\r\nERROR\r\n")


@pytest.mark.parametrize("escape", list(EscapeMode))
def test_every_byte_is_data(escape: EscapeMode) -> None:
    """No escape, and a break goes to the far end: nobody gives commands in such a call."""
    book = joined(escape=escape, strip_parity_online=True).wait(5)
    book.dte(b"+++").expect(SendCall(b"+++")).wait(5).nothing().state(State.ONLINE)
    book.dte(b"+++ATH\r").wait(3).expect(SendCall(b"+++ATH\r")).state(State.ONLINE)
    book.dte(b"\xff\x7f").expect(SendCall(b"\xff\x7f"))


@pytest.mark.parametrize("k", range(6))
def test_a_break_is_no_escape(k: int) -> None:
    book = guest().dte(b"AT\\K%d\r" % k).wait(2).dte(b"CLIENT").carrier().forget().breaks()
    assert [type(one.action) for one in book.taken()] == [SendBreak]
    book.call_breaks()
    assert [type(one.action) for one in book.taken()] == [BreakDte]


# -- the owner's calls -------------------------------------------------------------------------------------


def owned(book: Playbook, quiet: bool = False) -> Playbook:
    """The owner places a call."""
    book._ask("the owner dials", lambda: book.modem.dial(LEASED, book.now, quiet))
    return book


def test_the_owner_places_a_call() -> None:
    """The DTE hears of it when it is there, and of its end."""
    book = owned(Playbook()).expect(Originate(LEASED)).carrier().expect(CONNECT).dte(b"x")
    book.expect(SendCall(b"x")).lost().expect(NO_CARRIER).state(State.IDLE)


def test_a_quiet_call() -> None:
    book = owned(Playbook(), quiet=True).expect(Originate(LEASED)).carrier().nothing()
    book.dte(b"x").call(b"y").expect(SendCall(b"x"), Deliver(b"y")).lost().nothing().state(State.IDLE)
    book.says(b"AT\r", OK)


def test_a_failed_attempt_is_not_told() -> None:
    book = owned(Playbook()).forget().fails().nothing().state(State.IDLE)
    book.dte(b"ATD5550000\r").forget().fails().expect(BUSY)


def test_the_dte_may_escape_from_it() -> None:
    book = owned(Playbook(), quiet=True).carrier().wait(5).forget().dte(b"+++").wait(2)
    book.expect(SendCall(b"+++"), OK).says(b"ATO\r", CONNECT).wait(5).dte(b"+++").wait(2).forget()
    assert not book.modem.released
    book.dte(b"ATH\r")
    assert [type(one.action).__name__ for one in book.taken()] == ["HangUp", "SendDte"]
    assert book.modem.released


def test_released_until_dtr_rises_or_the_owner_dials() -> None:
    book = Playbook().dte(b"ATH\r").forget()
    assert book.modem.released
    book.dtr(False).wait(1).dtr(True)
    assert not book.modem.released
    book.dte(b"ATH\r").forget()
    owned(book)
    assert not book.modem.released


@pytest.mark.parametrize(
    "state", [state for state in State if state is not State.IDLE], ids=lambda state: state.name
)
def test_not_where_the_line_is_taken(state: State) -> None:
    book = Playbook().into(state)
    assert not book.modem.free(book.now)
    owned(book).nothing().state(state)


def test_not_while_a_command_is_typed() -> None:
    book = Playbook().dte(b"ATD55")
    owned(book).nothing().wait(2)
    assert book.modem.free(book.now)


def test_a_command_takes_the_line_over() -> None:
    """The attempt makes way for what the DTE asks for, and only that is told."""
    book = owned(Playbook()).forget().dte(b"ATD5550000\r")
    came = [one.action for one in book.taken()]
    assert [type(one) for one in came] == [HangUp, Originate]
    book.fails().expect(BUSY)


def test_what_is_sent_meanwhile_is_no_abort() -> None:
    book = owned(Playbook()).forget().dte(b"\x00\r\n~").wait(1).nothing().state(State.DIALING)
    book.carrier().expect(CONNECT)


def test_dtr_that_has_just_gone_off_does_not_end_it() -> None:
    """As at power-up of a line whose DTE is not there yet."""
    book = Playbook().dtr(False)
    owned(book).expect(Originate(LEASED)).wait(1).state(State.DIALING).carrier().expect(CONNECT)
    book.dtr(True).wait(1).dtr(False).wait(0.1)
    assert [type(one.action).__name__ for one in book.taken()] == ["HangUp", "SendDte"]


def test_the_number_to_dial_again_stays() -> None:
    book = Playbook().dte(b"ATD5550000\r").fails().wait(2).forget()
    owned(book).forget().fails().wait(2)
    book.dte(b"ATDL\r").expect(Originate(parse_dial("5550000")))


def test_a_cable_comes_before_it() -> None:
    book = owned(guest()).forget().dte(b"CLIENT")
    assert [type(one.action) for one in book.taken()] == [HangUp, Originate]
    book.carrier().expect(b"CLIENTSERVER")
