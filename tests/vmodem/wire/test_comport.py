"""RFC 2217, without a network: both ends by golden sequences, against each other, and against nonsense."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.vmodem.wire.chunks import cut, cuts, data, feed, sent, talk
from vmodem.wire import comport, telnet
from vmodem.wire.comport import (
    Agreed,
    LineState,
    ModemState,
    Parity,
    PortSettings,
    Purge,
    Refused,
    Signature,
    Stop,
    Suspended,
)
from vmodem.wire.comport_client import Answered, ComPortClient, LineStateTold, ModemStateTold
from vmodem.wire.comport_server import SIGNATURES, BreakSet, ComPortServer, LinesSet, Purged, Set
from vmodem.wire.events import Data, Ignored, Send


def sb(*codes: int) -> bytes:
    """A COM-PORT subnegotiation, 255 doubled."""
    return b"\xff\xfa\x2c" + bytes(codes).replace(b"\xff", b"\xff\xff") + b"\xff\xf0"


WILL_44 = bytes((255, telnet.WILL, 44))
WONT_44 = bytes((255, telnet.WONT, 44))
DO_44 = bytes((255, telnet.DO, 44))
DONT_44 = bytes((255, telnet.DONT, 44))


@pytest.fixture
def server() -> ComPortServer:
    """One whose client has agreed."""
    made = ComPortServer(signature=b"x 1")
    made.receive(WILL_44)
    return made


@pytest.fixture
def client() -> ComPortClient:
    """One whose server has agreed."""
    made = ComPortClient(signature=b"c")
    made.greeting()
    assert made.receive(DO_44) == [Agreed()]
    return made


def answer(server: ComPortServer, *codes: int) -> bytes:
    return sent(server.receive(sb(*codes)))


# -- agreeing ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "says"),
    [(WILL_44, DO_44), (DO_44, WILL_44), (DO_44 + WILL_44, WILL_44 + DO_44), (sb(7), b"")],
)
def test_server_agrees_in_any_order_and_tells_its_circuits_once(first: bytes, says: bytes) -> None:
    server = ComPortServer()
    assert server.modem_state(ModemState.CTS | ModemState.DSR) == b""
    events = server.receive(first)
    assert events.count(Agreed()) == 1
    notice = sb(107, 48)
    wire = sent(events)
    assert wire.count(notice) == (2 if first == sb(7) else 1)
    assert wire.replace(notice, b"") == says
    assert server.agreed
    assert server.receive(first) == ([] if first != sb(7) else [Send(notice)])


def test_server_greets() -> None:
    assert ComPortServer().greeting().hex() == "fffb03fffd03fffb01fffd00fffb00fffd2c"
    asked_already = ComPortServer()
    asked_already.receive(b"\xff\xfd\x03\xff\xfb\x2c")
    assert asked_already.greeting().hex() == "fffd03fffb01fffd00fffb00"


def test_refused_is_told_once_and_may_be_mended() -> None:
    server = ComPortServer()
    server.greeting()
    assert server.receive(WONT_44) == [Refused()]
    assert server.receive(WONT_44) == []
    assert Agreed() in server.receive(sb(1, 0, 0, 0, 0))
    client = ComPortClient()
    client.greeting()
    assert client.receive(DONT_44) == [Refused()]
    assert client.receive(sb(107, 16)) == [Agreed(), ModemStateTold(ModemState.CTS)]


def test_client_greets_first() -> None:
    assert ComPortClient().greeting().hex() == "fffb2cfffb00fffd00fffd03"


# -- settings ------------------------------------------------------------------------------------------------

# command, answer, what is in force then
SETTINGS: list[tuple[tuple[int, ...], tuple[int, ...], dict[str, int]]] = [
    ((1, 0, 0, 0x4B, 0), (101, 0, 0, 0x4B, 0), {"rate": 19200}),
    ((1, 0, 1, 0xFF, 0xFF), (101, 0, 1, 0xFF, 0xFF), {"rate": 131071}),
    ((1, 0, 0, 0, 0), (101, 0, 0, 0x25, 0x80), {}),
    ((1, 14), (101, 14), {"rate": 115200}),
    ((1, 0), (101, 8), {}),
    ((1, 9), (101, 8), {}),
    ((2, 7), (102, 7), {"bits": 7}),
    ((2, 0), (102, 8), {}),
    ((2, 9), (102, 8), {}),
    ((3, 3), (103, 3), {"parity": Parity.EVEN}),
    ((3, 0), (103, 1), {}),
    ((3, 6), (103, 1), {}),
    ((4, 3), (104, 3), {"stop": Stop.ONE_AND_A_HALF}),
    ((4, 0), (104, 1), {}),
    ((4, 255), (104, 1), {}),
    ((5, 0), (105, 1), {}),
    ((5, 2), (105, 2), {"flow": 2, "flow_in": 15}),
    ((5, 3), (105, 3), {"flow": 3, "flow_in": 16}),
    ((5, 13), (105, 14), {}),
    ((5, 15), (105, 15), {"flow_in": 15}),
    ((5, 17), (105, 17), {"flow": 17}),
    ((5, 18), (105, 18), {"flow_in": 18}),
    ((5, 19), (105, 19), {"flow": 19}),
    ((5, 4), (105, 6), {}),
    ((5, 7), (105, 9), {}),
    ((5, 10), (105, 12), {}),
    ((5, 99), (105, 1), {}),
    ((6,), (106, 96), {}),
    ((7,), (107, 0), {}),
    ((10, 255), (110, 255), {}),
    ((11, 128), (111, 128), {}),
    ((12, 1), (112, 1), {}),
    ((12, 9), (112, 9), {}),
]


@pytest.mark.parametrize(("command", "says", "fields"), SETTINGS)
def test_every_command_is_answered(
    server: ComPortServer, command: tuple[int, ...], says: tuple[int, ...], fields: dict[str, int]
) -> None:
    before = server.settings
    events = server.receive(sb(*command))
    assert sent(events) == sb(*says)
    assert server.settings == dataclasses.replace(before, **fields)
    assert [event for event in events if isinstance(event, Set)][-1:] == (
        [Set(server.settings)] if fields else []
    )


def test_both_flow_directions_are_queried(server: ComPortServer) -> None:
    server.receive(sb(5, 3) + sb(5, 15))
    assert answer(server, 5, 0) == sb(105, 3)
    assert answer(server, 5, 13) == sb(105, 15)


@pytest.mark.parametrize(
    ("real", "told"), [(115384, 115200), (9600, 9600), (112000, 115200), (100000, 100000)]
)
def test_a_rate_nearly_reached_is_told_as_asked(real: int, told: int) -> None:
    server = ComPortServer(accept=lambda wanted: dataclasses.replace(wanted, rate=real))
    wire = sent(server.receive(sb(1, *(115200).to_bytes(4, "big"))))
    assert wire.endswith(sb(101, *told.to_bytes(4, "big")))
    assert server.settings.rate == told


def test_what_is_not_accepted_is_answered_with_what_is_in_force() -> None:
    server = ComPortServer(accept=lambda wanted: PortSettings(rate=9600, bits=8))
    assert sent(server.receive(sb(2, 5))).endswith(sb(102, 8))
    assert sent(server.receive(sb(5, 3))) == sb(105, 1)
    assert sent(server.receive(sb(5, 16))) == sb(105, 14)


def test_signature(server: ComPortServer) -> None:
    assert answer(server, 0) == sb(100, *b"x 1")
    assert server.receive(sb(0, *b"me")) == [Signature(b"me")]
    assert len(sent(server.receive(sb(0) * 100))) == len(sb(100, *b"x 1")) * (SIGNATURES - 1)


# -- circuits ------------------------------------------------------------------------------------------------


def test_client_circuits_are_followed_and_coalesced(server: ComPortServer) -> None:
    assert server.receive(sb(5, 8)) == [LinesSet(dtr=True), Send(sb(105, 8))]
    assert (server.dtr, server.rts) == (True, False)
    assert answer(server, 5, 7) == sb(105, 8)
    events = server.receive(sb(5, 9) + sb(5, 11))
    assert [event for event in events if not isinstance(event, Send)] == [LinesSet(dtr=False, rts=True)]
    assert sent(events) == sb(105, 9) + sb(105, 11)
    assert answer(server, 5, 10) == sb(105, 11)
    events = server.receive(sb(5, 8) + sb(5, 9) + sb(5, 12))
    assert [event for event in events if not isinstance(event, Send)] == [
        LinesSet(dtr=True),
        LinesSet(dtr=False, rts=False),
    ]
    events = server.receive(sb(5, 8) + b"x" + sb(5, 11))
    assert [event for event in events if not isinstance(event, Send)] == [
        LinesSet(dtr=True),
        Data(b"x"),
        LinesSet(rts=True),
    ]


def test_break(server: ComPortServer) -> None:
    assert server.receive(sb(5, 5)) == [BreakSet(True), Send(sb(105, 5))]
    assert answer(server, 5, 4) == sb(105, 5)
    assert server.receive(sb(5, 5)) == [Send(sb(105, 5))]
    assert server.receive(sb(5, 6)) == [BreakSet(False), Send(sb(105, 6))]
    assert server.break_detected() == b""
    server.receive(sb(10, 255))
    assert server.break_detected() == sb(106, 112)
    server.receive(sb(10, 16))
    assert server.break_detected() == sb(106, 16)
    plain = ComPortServer()
    assert plain.break_detected() == b""
    plain.receive(b"\xff\xf1")
    assert plain.break_detected() == b"\xff\xf3"


def test_circuits_are_told_when_they_change(server: ComPortServer) -> None:
    state = ModemState
    assert server.modem_state(state.CTS | state.DSR) == sb(107, 32 | 16 | 2 | 1)
    assert server.modem_state(state.CTS | state.DSR) == b""
    # RI has no delta when it rises; its trailing edge has.
    assert server.modem_state(state.CTS | state.DSR | state.RI) == sb(107, 64 | 32 | 16)
    assert server.modem_state(state.CTS | state.DSR) == sb(107, 32 | 16 | 4)
    assert server.modem_state(state.CTS | state.DSR | state.DCD) == sb(107, 128 | 32 | 16 | 8)
    assert answer(server, 7) == sb(107, 128 | 32 | 16)


def test_only_what_is_in_the_mask_is_told(server: ComPortServer) -> None:
    state = ModemState
    assert answer(server, 11, 128) == sb(111, 128)
    assert server.modem_state(state.CTS) == b""
    assert server.modem_state(state.CTS | state.DCD) == sb(107, 128)
    assert server.modem_state(state.DCD) == b""
    assert answer(server, 11, 8) == sb(111, 8)
    assert server.modem_state(ModemState(0)) == sb(107, 8)
    server.modem_state(state.CTS)
    assert answer(server, 11, 255) == sb(111, 255) + sb(107, 16)


def test_suspend_resume_and_purge(server: ComPortServer) -> None:
    assert server.receive(sb(8) + sb(9)) == [Suspended(True), Suspended(False)]
    assert server.receive(sb(12, 3)) == [Send(sb(112, 3)), Purged(Purge.RECEIVE | Purge.TRANSMIT)]
    assert server.receive(sb(12, 0)) == [Send(sb(112, 0))]
    assert server.suspend(True) + server.suspend(False) == sb(108) + sb(109)
    assert ComPortServer().suspend(True) == b""


@pytest.mark.parametrize(
    "body", [b"", b"\x01", b"\x01\0\0\0", b"\x02", b"\x05", b"\x0b", b"\x0c", b"\x0d", b"\xc8"]
)
def test_nonsense_is_passed_over(server: ComPortServer, body: bytes) -> None:
    if body == b"\x01\0\0\0":
        body = body[:3]
    events = server.receive(sb(*body) + b"x")
    assert [type(event) for event in events] == [Ignored, Data]
    assert server.receive(b"\xff\xfa\x18\x01\xff\xf0")[0] == Ignored("subnegotiation of telnet option 24")


# -- the client's end ----------------------------------------------------------------------------------------


def test_client_commands(client: ComPortClient) -> None:
    assert client.set(comport.SET_BAUDRATE, 0xFFFF) == bytes.fromhex("fffa2c010000ffffffff") + b"\xff\xf0"
    assert client.set(comport.SET_PARITY, Parity.EVEN) == sb(3, 3)
    assert client.control(comport.DTR_ON) == sb(5, 8)
    assert client.masks(ModemState(255), LineState.BREAK) == sb(10, 16)
    assert client.masks(ModemState.CTS, LineState.BREAK) == sb(11, 16) + sb(10, 16)
    assert client.masks(ModemState(255), LineState.BREAK) == sb(11, 255) + sb(10, 16)
    assert client.ask_modem_state() + client.ask_signature() == sb(7) + sb(0)
    assert client.purge(Purge.RECEIVE) + client.suspend(True) + client.suspend(False) == sb(12, 1) + sb(
        8
    ) + sb(9)


@pytest.mark.parametrize(
    ("notice", "event"),
    [
        (sb(101, 0, 0, 0x25, 0x80), Answered(1, 9600)),
        (sb(101, 0, 0, 0x25, 0x80, 0, 0, 0, 0), Answered(1, 9600)),
        (sb(104, 3), Answered(4, 3)),
        (sb(105, 8), Answered(5, 8)),
        (sb(106, 16), LineStateTold(LineState.BREAK)),
        (sb(107, 0x88), ModemStateTold(ModemState.DCD | ModemState.DELTA_DCD)),
        (sb(108), Suspended(True)),
        (sb(109), Suspended(False)),
        (sb(8), Suspended(True)),
        (sb(9), Suspended(False)),
        (sb(110, 16), Answered(10, 16)),
        (sb(111, 255), Answered(11, 255)),
        (sb(112, 1), Answered(12, 1)),
        (sb(100, *b"him"), Signature(b"him")),
        (sb(100), Send(sb(0, *b"c"))),
    ],
)
def test_client_understands(client: ComPortClient, notice: bytes, event: Any) -> None:
    assert client.receive(notice) == [event]


@pytest.mark.parametrize("body", [b"", b"\x65\0\0", b"\x69", b"\x6b", b"\xc8", b"\x01"])
def test_client_passes_over_nonsense(client: ComPortClient, body: bytes) -> None:
    assert [type(event) for event in client.receive(sb(*body))] == [Ignored]
    assert client.receive(sb(100) * 3).count(Send(sb(0, *b"c"))) == 1
    assert isinstance(client.receive(b"\xff\xfa\x18\x01\xff\xf0")[0], Ignored)


# -- together ------------------------------------------------------------------------------------------------


def test_both_ends_agree_and_fall_silent() -> None:
    for server_first in (b"", ComPortServer().greeting()):
        server, client = ComPortServer(), ComPortClient()
        greeting = server.greeting() if server_first else b""
        events = talk(client, server, client.greeting(), greeting)
        assert events.count(Agreed()) == 2
        assert client.agreed
        assert server.agreed
        for end in (server.telnet, client.telnet):
            assert end.enabled(telnet.BINARY, telnet.Side.US)
            assert end.enabled(telnet.BINARY, telnet.Side.PEER)


COMMANDS = st.one_of(
    st.binary(max_size=6).map(lambda body: sb(*body)),
    st.binary(max_size=4),
    st.sampled_from([WILL_44, DO_44, WONT_44, DONT_44, b"\xff", sb(5, 8), sb(5, 12), sb(7), sb(8)]),
)


@given(st.data())
def test_any_chunking_means_the_same(draw: st.DataObject) -> None:
    stream = b"".join(draw.draw(st.lists(COMMANDS, max_size=12)))
    places = draw.draw(cuts(len(stream)))

    def meant(make: type[ComPortServer] | type[ComPortClient], chunks: list[bytes]) -> tuple[Any, ...]:
        end = make()
        events = feed(end.receive, chunks)
        lines = [
            (name, value)
            for event in events
            if isinstance(event, LinesSet)
            for name, value in (("dtr", event.dtr), ("rts", event.rts))
            if value is not None
        ]
        others = [event for event in events if not isinstance(event, LinesSet | Send)]
        # Circuits set together are told together where they came together: that is all chunks may change.
        return lines if len(lines) < 2 else sorted(lines), others, sent(events)

    for make in (ComPortServer, ComPortClient):
        assert meant(make, cut(stream, places)) == meant(make, [stream] if stream else [])


@given(st.data())
def test_data_passes_through_both_ends(draw: st.DataObject) -> None:
    server, client = ComPortServer(), ComPortClient()
    talk(client, server, client.greeting())
    plain = draw.draw(st.binary(max_size=200))
    for sender, receiver in ((client, server), (server, client)):
        wire = b"".join(map(sender.encode, cut(plain, draw.draw(cuts(len(plain))))))
        assert data(feed(receiver.receive, cut(wire, draw.draw(cuts(len(wire)))))) == plain


def test_answers_are_about_as_long_as_the_questions(server: ComPortServer) -> None:
    for command in [item[0] for item in SETTINGS] + [(0,)]:
        flood = sb(*command) * 5000
        assert len(sent(server.receive(flood))) <= len(flood) * 1.3
