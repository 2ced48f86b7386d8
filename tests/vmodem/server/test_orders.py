"""RFC 2217 over a shared port: every wish answered, in its place among the data."""

from __future__ import annotations

import random

import pytest

from tests.helpers.fakeport import FakePort
from tests.helpers.sharing import Remote, Sharing
from vmodem.port.base import Noted, PortFlow, Settings, Signals
from vmodem.server.orders import REST_S
from vmodem.server.rules import PackRules
from vmodem.server.speech import LAST_ORDERS, READ_AHEAD

WILL_44 = b"\xff\xfb\x2c"
BRK = b"\xff\xf3"


def sb(code: int, *value: int) -> bytes:
    return b"\xff\xfa\x2c" + bytes((code, *value)).replace(b"\xff", b"\xff\xff") + b"\xff\xf0"


def rate(bits: int) -> bytes:
    return sb(1, *bits.to_bytes(4, "big"))


def answers(remote: Remote) -> list[tuple[int, ...]]:
    """What came: subnegotiations without their frame; data as its bytes."""
    rest, found = remote.read(), []
    while rest:
        if rest[:3] == b"\xff\xfa\x2c":
            inner, _, rest = rest[3:].partition(b"\xff\xf0")
            found.append(tuple(inner.replace(b"\xff\xff", b"\xff")))
        elif rest[:1] == b"\xff" and rest[1] in (251, 252, 253, 254):
            rest = rest[3:]
        else:
            data, mark, rest = rest.partition(b"\xff")
            found.append(tuple(data))
            rest = mark + rest
    return found


def program(desk: Sharing, *, room: int = 1 << 30) -> Remote:
    """A client that has agreed and heard how the inputs are."""
    made = desk.client("rfc2217", room=room)
    made.say(WILL_44)
    answers(made)
    return made


def asked(desk: Sharing, remote: Remote, words: bytes) -> list[tuple[int, ...]]:
    remote.say(words)
    desk.tick()
    return answers(remote)


def test_notified_at_once_by_agreement_or_without(desk: Sharing) -> None:
    desk.open()
    desk.port.put(Signals.CTS | Signals.DSR)
    one, two = desk.client("rfc2217"), desk.client("rfc2217")
    assert (107, 0x30) in asked(desk, one, WILL_44)
    assert answers(two) == []
    # pyserial never says WILL when our greeting came first.
    assert asked(desk, two, sb(7)) == [(107, 0x30), (107, 0x30)]


def test_who_is_turned_away_is_not_told_that_it_has_a_port(desk: Sharing) -> None:
    """A program would take the port's agreement for the port, and write to it what was waiting."""
    desk.open(clients="one")
    desk.client()
    late = desk.client("rfc2217")
    late.say(WILL_44)
    got = late.read()
    assert b"in use" in got
    assert 44 not in got


def test_deltas_and_masks_are_each_clients_own(desk: Sharing) -> None:
    desk.open()
    one, two = program(desk), program(desk)
    assert asked(desk, one, sb(11, 0xA0)) == [(111, 0xA0)]
    desk.port.put(Signals.CTS)
    assert (answers(one), answers(two)) == ([], [(107, 0x11)])
    desk.port.put(Signals.CTS | Signals.RI)
    assert (answers(one), answers(two)) == ([], [(107, 0x50)])
    desk.port.put(Signals.CTS | Signals.DCD)
    assert (answers(one), answers(two)) == ([(107, 0x80)], [(107, 0x9C)])


def test_line_state_in_its_place(desk: Sharing) -> None:
    desk.open(pack=PackRules(idle=1.0))
    one, two, person = program(desk), program(desk), desk.client("telnet")
    asked(desk, one, sb(10, 255))
    asked(desk, person, b"\xff\xf1")
    desk.port.send(b"a")
    desk.port.note(Noted.BREAK)
    desk.port.send(b"b")
    desk.port.note(Noted.PARITY)
    assert answers(one) == [tuple(b"a"), (106, 0x70), tuple(b"b"), (106, 0x64)]
    assert answers(two) == [tuple(b"ab")]
    assert person.read().endswith(b"a\xff\xf3b")


def test_every_set_is_answered(desk: Sharing) -> None:
    desk.open()
    one = program(desk)
    for words, answer in (
        (rate(19200), (101, 0, 0, 0x4B, 0)),
        (rate(0), (101, 0, 0, 0x4B, 0)),
        (sb(1, 7), (101, 7)),  # 4800 in one byte
        (sb(2, 7), (102, 7)),
        (sb(2, 0), (102, 7)),
        (sb(2, 9), (102, 7)),
        (sb(3, 3), (103, 3)),
        (sb(4, 2), (104, 2)),
        (sb(5, 3), (105, 3)),
        (sb(5, 16), (105, 16)),
        (sb(5, 14), (105, 16)),  # one direction alone cannot be had
        (sb(5, 17), (105, 3)),  # DCD holds nothing up
        (sb(5, 0), (105, 3)),
        (sb(5, 13), (105, 16)),
        (sb(5, 19), (105, 19)),
        (sb(5, 2), (105, 2)),
        (sb(5, 9), (105, 9)),
        (sb(5, 7), (105, 9)),
        (sb(5, 11), (105, 11)),
        (sb(5, 10), (105, 11)),
        (sb(5, 4), (105, 6)),
        (sb(5, 99), (105, 2)),
        (sb(10, 0), (110, 0)),
        (sb(12, 9), (112, 9)),
    ):
        assert asked(desk, one, words) == [answer], words
    assert desk.port.settings == Settings(4800, 7, "E", 2, PortFlow.XON_XOFF)


def test_circuits_that_nobody_can_see_are_as_they_were_driven(desk: Sharing) -> None:
    desk.port.signals_known = Signals.NONE
    desk.open()
    one = program(desk)
    assert asked(desk, one, sb(5, 7) + sb(5, 10)) == [(105, 8), (105, 11)]
    assert asked(desk, one, sb(5, 9) + sb(5, 7) + sb(5, 10)) == [(105, 9), (105, 9), (105, 11)]


def test_a_rate_that_is_nearly_right_is_right(desk: Sharing) -> None:
    desk.open()
    one = program(desk)
    desk.port.rounding = lambda wanted: 115384 if wanted == 115200 else 9600
    assert asked(desk, one, rate(115200) + rate(0)) == [(101, 0, 1, 0xC2, 0), (101, 0, 1, 0xC2, 0)]
    assert asked(desk, one, rate(12345)) == [(101, 0, 0, 0x25, 0x80)]


def test_what_is_refused_is_told_as_it_is(desk: Sharing) -> None:
    desk.port = FakePort(desk.clock, refuses=lambda wanted: wanted.stop_bits == 1.5)
    desk.open()
    assert asked(desk, program(desk), sb(4, 3)) == [(104, 1)]


def test_a_port_that_never_answers_keeps_nobody(desk: Sharing, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.open()
    one = program(desk)
    monkeypatch.setattr(desk.port, "set", lambda wanted, done: None)
    assert asked(desk, one, rate(300) + b"after") == []
    desk.tick(8)
    assert answers(one) == [(101, 0, 0, 0x25, 0x80)]
    assert desk.port.written == b"after"


def test_settings_keep_their_place_among_the_data(desk: Sharing) -> None:
    desk.open()
    one = program(desk)
    one.say(b"old" + rate(300) + sb(3, 3) + b"new" + BRK + b"last" + sb(5, 9) + sb(5, 11) + b"end")
    desk.tick()
    desk.tick(0.25)
    desk.tick(REST_S)
    assert desk.port.story == [
        b"old",
        Settings(rate=300),
        Settings(rate=300, parity="E"),
        b"new",
        ("break", True),
        ("break", False),
        b"last",
        ("drive", Signals.RTS, Signals.DTR),
        b"end",
    ]


def test_both_circuits_of_one_segment_change_together(desk: Sharing) -> None:
    desk.open()
    one = program(desk)
    assert asked(desk, one, sb(5, 9) + sb(5, 11) + sb(5, 8) + sb(5, 12)) == [
        (105, 9),
        (105, 11),
        (105, 8),
        (105, 12),
    ]
    assert desk.port.story == [("drive", Signals.RTS, Signals.DTR), ("drive", Signals.DTR, Signals.RTS)]


def test_two_clients_change_different_things_at_once(desk: Sharing) -> None:
    desk.open()
    one, two = program(desk), program(desk)
    one.say(rate(1200) + sb(2, 7))
    two.say(sb(3, 2) + sb(4, 2))
    desk.tick()
    assert desk.port.settings == Settings(1200, 7, "O", 2)
    assert answers(one) == [(101, 0, 0, 4, 0xB0), (102, 7)]
    assert answers(two) == [(103, 2), (104, 2)]


@pytest.mark.parametrize("control", ["none", "writer"])
def test_who_may_not_is_told_how_it_is(desk: Sharing, control: str) -> None:
    desk.open(control=control, clients="observe")
    first, other = program(desk), program(desk)
    one = first if control == "none" else other
    words = rate(300) + sb(5, 9) + sb(5, 5) + sb(5, 3) + sb(12, 3) + BRK
    assert asked(desk, one, words) == [
        (112, 3),  # at once, as it may be needed to get anything going
        (101, 0, 0, 0x25, 0x80),
        (105, 8),
        (105, 6),
        (105, 1),
    ]
    assert desk.port.story == []
    if control == "writer":
        assert asked(desk, first, rate(300)) == [(101, 0, 0, 1, 0x2C)]


def test_a_break_ends_by_itself(desk: Sharing) -> None:
    desk.open()
    one, two = program(desk), desk.client()
    assert asked(desk, one, sb(5, 5)) == [(105, 5)]
    two.say(b"waits")
    desk.tick(0.9)
    assert desk.port.story == [("break", True)]
    desk.tick(0.1)
    two.arrive()
    assert desk.port.story == [("break", True), ("break", False), b"waits"]
    assert asked(desk, one, sb(5, 4)) == [(105, 6)]
    asked(desk, one, sb(5, 5))
    one.close()
    desk.tick(1.0)
    assert desk.port.story[-2:] == [("break", True), ("break", False)]


def test_a_flood_of_breaks_is_one_and_leaves_with_its_client(desk: Sharing) -> None:
    desk.open()
    flood, two = desk.client("telnet"), desk.client()
    flood.say(BRK * 1000)
    flood.say((b"x" + BRK) * 1000)
    two.say(b"waits")
    desk.tick(0.25)
    two.arrive()
    assert desk.port.written == b"waits"
    flood.close()
    for _ in range(8):
        desk.tick(0.25)
        flood.arrive()
    assert len(desk.shared.clients) == 1
    assert desk.port.written.count(b"x") == 1000, "what it had sent is written all the same"
    assert desk.port.story.count(("break", True)) == desk.port.story.count(("break", False)) < 12


def test_of_a_client_that_has_gone_the_last_orders_are_carried_out(
    desk: Sharing, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.open()
    one = program(desk)
    monkeypatch.setattr(desk.port, "set", lambda wanted, done: None)  # each takes all the patience there is
    one.say(b"".join(rate(300 + i) for i in range(900)) + b"data")
    one.close()
    for _ in range(LAST_ORDERS + 2):
        desk.tick(8.0)
        one.arrive()
    assert desk.shared.clients == []
    assert desk.port.written == b"data"


def test_the_last_to_leave_restores_what_was_configured(desk: Sharing) -> None:
    desk.open(close_string="bye")
    one, two = program(desk), program(desk)
    asked(desk, one, rate(300) + sb(5, 9))
    one.close()
    desk.tick()
    assert desk.port.settings.rate == 300
    two.close()
    desk.tick()
    assert desk.port.settings == Settings()
    assert desk.port.signals & Signals.DTR
    assert b"bye" in desk.port.story
    del desk.port.story[:]
    program(desk).close()
    desk.tick()
    assert desk.port.story == [b"bye"]  # nothing was changed, so nothing is restored


def test_suspend_is_each_clients_own_and_all_hold_the_device(desk: Sharing) -> None:
    desk.open()
    one, two = program(desk), program(desk)
    asked(desk, one, sb(8))
    desk.port.send(b"for two")
    assert answers(one) == []
    assert answers(two) == [tuple(b"for two")]
    assert not desk.port.paused
    asked(desk, two, sb(8))
    assert desk.port.paused
    assert asked(desk, one, sb(9)) == [tuple(b"for two")]
    assert not desk.port.paused


def test_who_suspends_is_told_of_circuits_all_the_same(desk: Sharing) -> None:
    desk.open()
    one = program(desk)
    desk.client()  # who wants data, or the device would be held up
    asked(desk, one, sb(8))
    desk.port.send(b"later")
    desk.port.put(Signals.CTS)
    assert answers(one) == [(107, 0x11)]
    assert asked(desk, one, sb(9)) == [tuple(b"later")]


def test_the_transmitter_is_empty_when_everything_has_left(
    desk: Sharing, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.open()
    one = program(desk)
    asked(desk, one, sb(10, 0xFF))
    assert asked(desk, one, sb(6)) == [(106, 0x60)]
    monkeypatch.setattr(FakePort, "all_sent", False)  # the kernel has it, and the line has not
    assert asked(desk, one, sb(6)) == [(106, 0)]
    desk.port.note(Noted.PARITY)
    assert answers(one) == [(106, 4)]


def test_purge(desk: Sharing) -> None:
    desk.open(pack=PackRules(idle=1.0))
    one = program(desk, room=5)
    desk.port.send(b"on its way")
    desk.tick(1)
    desk.port.send(b"stale")
    desk.tick(1)
    desk.port.send(b"held")
    assert asked(desk, one, sb(12, 1)) == [tuple(b"on its way"), (112, 1)]
    desk.port.send(b"fresh")
    desk.tick(1)
    assert answers(one) == [tuple(b"fresh")]
    assert desk.port.story == [("purge", True, False)]
    # With others there their data is not to be thrown away.
    desk.client()
    asked(desk, one, sb(12, 1))
    assert desk.port.story == [("purge", True, False)]


def test_purge_reaches_a_port_that_is_stuck(desk: Sharing) -> None:
    desk.port.room = 10
    desk.open()
    one = program(desk)
    one.say(bytes(11))
    one.say(b"waits" + rate(300) + sb(12, 2) + b"after")
    desk.tick()
    assert (112, 2) in answers(one)
    assert desk.port.story == [bytes(11), ("purge", False, True), Settings(rate=300), b"after"]


def test_read_ahead_has_an_end(desk: Sharing) -> None:
    desk.port.room = 10
    desk.open()
    one = program(desk)
    one.say(bytes(11))
    total = 0
    while one.near.reading and total < 1 << 20:
        one.say(b"x" * 10000)
        total += 10000
    assert READ_AHEAD <= total <= READ_AHEAD + 10000
    one.close()
    while desk.port.take():
        desk.tick()
    assert len(desk.port.written) == 11 + total
    one.arrive()
    assert desk.shared.clients == []


def test_floods_are_answered_and_bounded(desk: Sharing) -> None:
    desk.open()
    one, good = program(desk), desk.client()
    words = bytearray()
    rng = random.Random(1)
    for _ in range(2000):
        words += sb(rng.randrange(13), *rng.randbytes(rng.randrange(6)))
        words += bytes((255, rng.choice((251, 252, 253, 254)), rng.randrange(256)))
    one.say(bytes(words))
    for _ in range(200):
        desk.tick()
        desk.tick(1.0)
        one.arrive()
    assert len(one.read()) < 16 * len(words)
    asked(desk, one, sb(9))
    desk.port.send(b"alive")
    assert good.read() == b"alive"
    assert asked(desk, one, sb(2, 8))[-1] == (102, 8)


def test_a_client_that_reads_no_answers_is_not_read(desk: Sharing) -> None:
    desk.open()
    one = program(desk, room=100)
    asked_for = 0
    while one.near.reading and asked_for < 100_000:
        one.say(sb(7))
        asked_for += 1
    assert asked_for < 1000


def test_flapping_circuits_do_not_pile_up(desk: Sharing) -> None:
    desk.open()
    one = program(desk, room=50)
    for turn in range(5000):
        desk.port.put(Signals.CTS if turn % 2 else Signals.DSR)
    assert len(one.near.sent) < 200
    desk.port.put(Signals.DCD)
    seen: list[tuple[int, ...]] = []
    while got := answers(one):
        seen += got
    assert seen[-1][1] & 0xF0 == 0x80


def test_before_the_password_nothing_is_changed(desk: Sharing) -> None:
    from tests.helpers.memory import joined

    shared = desk.open()
    near, far = joined(desk.clock)
    stream = shared.speak(near, "rfc2217")
    stranger = Remote(desk, far, near, None)
    stream.start(Remote.__new__(Remote))  # somebody who asks him something
    stranger.say(WILL_44 + rate(300) + sb(5, 9) + BRK + sb(12, 3))
    desk.tick()
    assert (101, 0, 0, 0x25, 0x80) in answers(stranger)
    assert desk.port.story == []
    # What changed meanwhile is told to who is let in.
    desk.port.put(Signals.DSR)
    stranger.client = shared.join(stream, "somebody", "rfc2217:tcp:7001")
    assert answers(stranger) == [(107, 0x22)]
