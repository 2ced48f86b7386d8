"""Who may come, who reads, who writes, and who has to wait."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.helpers.fakeport import FakePort
from tests.helpers.sharing import Sharing
from vmodem.port.base import Noted, Signals
from vmodem.server.pulse import PulseError
from vmodem.server.report import report

IAC_AYT = b"\xff\xf6"


def words(data: bytes) -> bytes:
    """Without telnet's negotiation, which is three bytes each here."""
    while data[:1] == b"\xff":
        data = data[3:]
    return data


def test_all_read_and_write(desk: Sharing) -> None:
    desk.open()
    one, two = desk.client(), desk.client("telnet")
    desk.port.send(b"hello")
    assert one.read() == b"hello"
    assert words(two.read()) == b"hello"
    one.say(b"a")
    two.say(b"b")
    assert desk.port.written == b"ab"


def test_one_turns_the_newcomer_away(desk: Sharing) -> None:
    desk.open(clients="one")
    first = desk.client()
    raw, talker = desk.client(), desk.client("telnet")
    assert raw.client is talker.client is None
    assert raw.read() == b""
    assert b"in use" in talker.read()
    assert raw.sent_away
    assert talker.sent_away
    desk.port.send(b"still yours")
    assert first.read() == b"still yours"


def test_kick_lets_the_newcomer_take_over(desk: Sharing) -> None:
    desk.open(clients="kick", open_string="[in]", close_string="[out]")
    first = desk.client("telnet")
    second = desk.client()
    assert first.sent_away
    assert b"taken this port over" in first.read()
    desk.port.send(b"yours now")
    assert second.read() == b"yours now"
    assert desk.port.written == b"[in][out][in]"


def test_observers_read_and_the_next_inherits(desk: Sharing) -> None:
    shared = desk.open(clients="observe")
    writer, watcher = desk.client(), desk.client()
    watcher.say(b"not heard")
    writer.say(b"heard")
    desk.port.send(b"for both")
    assert writer.read() == watcher.read() == b"for both"
    assert desk.port.written == b"heard"
    writer.close()
    watcher.say(b"now heard")
    assert desk.port.written == b"heardnow heard"
    assert shared.clients[0].unheard == len(b"not heard")


def test_no_more_than_there_is_room_for(desk: Sharing) -> None:
    desk.open(max_clients=2)
    desk.client()
    desk.client()
    assert desk.client().sent_away


def test_a_printer_is_silent(desk: Sharing) -> None:
    desk.open(printer=True)
    one = desk.client()
    desk.port.send(b"paper out")
    one.say(b"page")
    assert one.read() == b""
    assert desk.port.written == b"page"


def test_history_and_banner(desk: Sharing) -> None:
    desk.open(history=4, banner="{name} {rate}\\r\\n\\x21{other}\\q")
    one = desk.client()
    desk.port.send(b"123456")
    assert one.read() == b"port 9600\r\n!{other}\\q123456"
    assert desk.client().read() == b"port 9600\r\n!{other}\\q3456"


def test_pen_keeps_requests_apart(desk: Sharing) -> None:
    desk.open(write_lock=0.5)
    one, two, three = desk.client(), desk.client(), desk.client()
    one.say(b"1a")
    two.say(b"2a")
    three.say(b"3a")
    desk.tick(0.4)
    one.say(b"1b")
    desk.tick(0.4)
    assert desk.port.written == b"1a1b"
    desk.tick(0.1)
    assert desk.port.written == b"1a1b2a"
    desk.tick(0.5)
    assert desk.port.written == b"1a1b2a3a"
    two.say(b"2b")
    two.close()  # what it has sent is written, when its turn comes
    assert len(desk.shared.clients) == 3
    desk.tick(0.5)
    desk.tick(0.5)
    two.arrive()
    assert desk.port.written == b"1a1b2a3a2b"
    assert len(desk.shared.clients) == 2


def test_a_request_that_the_line_has_not_sent_is_not_run_into(
    desk: Sharing, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.open(write_lock=0.1)
    one, two = desk.client(), desk.client()
    monkeypatch.setattr(FakePort, "all_sent", False)  # 256 bytes at 9600 bit/s take longer than the lock
    one.say(b"1")
    two.say(b"2")
    for _ in range(3):
        desk.tick(0.1)
    assert desk.port.written == b"1"
    monkeypatch.setattr(FakePort, "all_sent", True)
    desk.tick(0.09)
    assert desk.port.written == b"1"
    desk.tick(0.02)
    assert desk.port.written == b"12"
    desk.tick(1)


@pytest.mark.parametrize("lock", [0.0, 0.2])
def test_a_lock_can_be_changed_while_clients_wait_for_it(desk: Sharing, lock: float) -> None:
    desk.open(write_lock=1.0)
    one, two, three = desk.client(), desk.client(), desk.client()
    for each, text in ((one, b"1"), (two, b"2"), (three, b"3")):
        each.say(text)
    desk.shared.configure(replace(desk.shared.rules, write_lock=lock))
    assert desk.port.written == (b"1" if lock else b"123")
    for _ in range(3):
        desk.tick(1)
    assert desk.port.written == b"123"
    three.say(b"4")
    assert desk.port.written == b"1234"
    desk.tick(1)


def test_a_long_history_is_not_held_against_who_has_it_to_read(desk: Sharing) -> None:
    desk.open(history=2000, queue=1000)
    desk.port.send(b"x" * 2000)
    one = desk.client("auto")  # nothing is sent until it is known how it speaks
    desk.port.send(b"y")
    desk.tick(0.5)
    assert one.read() == b"x" * 2000 + b"y"


def test_who_is_sent_away_reads_what_was_on_its_way(desk: Sharing) -> None:
    desk.open(session_limit=5)
    one = desk.client(room=10)
    desk.port.send(b"0123456789ab")
    desk.port.send(b"cdefg")
    desk.tick(5)
    assert desk.shared.clients == []
    assert one.read() + one.read() == b"0123456789abcdefg"


def test_a_client_that_does_not_read_loses_the_oldest(desk: Sharing) -> None:
    shared = desk.open(queue=100, slow="drop-oldest")
    stuck, good = desk.client(room=10), desk.client()
    for number in range(50):
        desk.port.send(b"%09d," % number)
    assert good.read() == b"".join(b"%09d," % number for number in range(50))
    assert shared.clients[0].queued <= 100 + 20
    got = b""
    while chunk := stuck.read(10):
        got += chunk
    assert got.endswith(b"".join(b"%09d," % number for number in range(40, 50)))
    assert len(got) + shared.clients[0].dropped == 500


def test_a_client_that_does_not_read_is_closed(desk: Sharing) -> None:
    desk.open(queue=100, slow="close")
    stuck, good = desk.client(room=10), desk.client()
    desk.port.send(bytes(20))
    desk.port.send(bytes(101))
    assert stuck.sent_away
    assert not good.sent_away
    assert len(desk.shared.clients) == 1


def test_a_client_that_does_not_read_holds_the_device_up(desk: Sharing) -> None:
    desk.open(queue=100, slow="block")
    stuck, good = desk.client(room=10), desk.client()
    desk.port.send(bytes(20))
    desk.port.send(bytes(100))
    assert not desk.port.paused
    desk.port.send(b"x")
    assert desk.port.paused
    got = b""
    while chunk := stuck.read():
        got += chunk
    assert got == bytes(120) + b"x"
    assert not desk.port.paused
    stuck2 = desk.client(room=10)
    for _ in range(2):
        desk.port.send(bytes(101))
    assert desk.port.paused
    stuck2.close()
    good.read()
    while stuck.read():
        pass
    assert not desk.port.paused


def test_what_is_done_about_one_that_does_not_read_can_be_changed(desk: Sharing) -> None:
    """It holds the device up, so nothing comes at which it would be looked at again."""
    shared = desk.open(queue=100, slow="block")
    stuck, good = desk.client(room=10), desk.client()
    for _ in range(3):
        desk.port.send(b"x" * 100)
    assert desk.port.paused
    shared.configure(replace(shared.rules, slow="close", queue=50))
    assert not desk.port.paused
    assert [client.peer for client in shared.clients] == ["somebody"]
    assert stuck.sent_away
    assert good.read() == b"x" * 300


def test_a_device_that_takes_nothing_holds_its_clients_up(desk: Sharing) -> None:
    desk.port.room = 10
    desk.open()
    one, two = desk.client(), desk.client("rfc2217")
    one.say(bytes(11))
    assert not one.near.reading
    late = desk.client()
    assert not late.near.reading
    two.say(b"late")
    desk.port.take()
    desk.tick()
    assert one.near.reading
    assert late.near.reading
    assert bytes(desk.port.written) == bytes(11) + b"late"


def test_idle_and_session_limits(desk: Sharing) -> None:
    desk.open(idle_timeout=10, session_limit=25)
    talker, idler = desk.client("telnet"), desk.client()
    for _ in range(4):
        desk.tick(5)
        talker.say(b"x")
    assert idler.sent_away
    assert not talker.sent_away
    desk.tick(5)
    assert talker.sent_away
    assert b"connected for 25 s" in talker.read()


def test_limits_that_are_changed_are_those_of_who_is_there(desk: Sharing) -> None:
    shared = desk.open(idle_timeout=10)
    client, other = desk.client(), desk.client("telnet")
    desk.tick(9)
    shared.configure(replace(shared.rules, idle_timeout=20, session_limit=0))
    desk.tick(9)
    other.say(b"x")
    assert not client.sent_away
    shared.configure(replace(shared.rules, idle_timeout=15, session_limit=30))
    assert client.sent_away
    desk.tick(11)
    other.say(b"x")
    assert not other.sent_away
    desk.tick(2)
    assert b"connected for 30 s" in other.read()


def test_unplugged_and_back(desk: Sharing) -> None:
    shared = desk.open()
    person, program, raw = desk.client("telnet"), desk.client("rfc2217"), desk.client()
    program.say(b"\xff\xfb\x2c")  # it controls the port: words would be data
    for each in (person, program, raw):
        each.read()
    desk.port.user.lost("unplugged")
    assert report(shared, 0.0)["device"] == "unplugged"
    desk.port.user.found()
    assert person.read() == (
        b"\r\n[vmodem: the device is gone; waiting for it]\r\n\r\n[vmodem: the device is back]\r\n"
    )
    assert program.read() == raw.read() == b""
    desk.port.send(b"data")
    assert raw.read() == b"data"


def test_marks(desk: Sharing) -> None:
    desk.open(mark_errors=True)
    one = desk.client()
    desk.port.send(b"a\xff")
    desk.port.note(Noted.BREAK)
    desk.port.note(Noted.FRAMING)
    desk.port.send(b"x")
    assert one.read() == b"a\xff\xff\xff\x00\x00\xff\x00x"


def test_auto(desk: Sharing) -> None:
    desk.open(banner="hello")
    raw, talker, silent = desk.client("auto"), desk.client("auto"), desk.client("auto")
    desk.port.send(b"early")
    assert raw.read() == talker.read() == silent.read() == b""
    raw.say(b"r")
    desk.tick()
    assert raw.read() == b"helloearly"
    talker.say(b"\xff\xfd\x03")
    got = talker.read()
    assert got.startswith(b"\xff")
    assert words(got) == b"helloearly"
    desk.tick(0.5)
    assert silent.read() == b"helloearly"
    talker.say(b"\xff\xfft")
    assert desk.port.written == b"r\xfft"


def test_strings_to_the_device_and_what_is_left_behind(desk: Sharing) -> None:
    desk.open(open_string="\\x05{name}", close_string="\\x04")
    one, two = desk.client(), desk.client()
    one.close()
    assert desk.port.written == b"\x05port"
    two.close()
    assert desk.port.written == b"\x05port\x04"


def test_are_you_there(desk: Sharing) -> None:
    desk.open()
    person = desk.client("telnet")
    person.read()
    person.say(IAC_AYT)
    assert person.read() == b"\r\n[vmodem: yes]\r\n"


def test_pulses(desk: Sharing) -> None:
    shared = desk.open(pulses={"reset": "-dtr +rts 100 +dtr -rts 50 +break 20 -break"})
    shared.pulse("reset")
    with pytest.raises(PulseError, match="still going on"):
        shared.pulse("reset")
    with pytest.raises(PulseError, match='no pulse "boot"; it has: reset'):
        shared.pulse("boot")
    assert desk.port.story == [("drive", Signals.RTS, Signals.DTR)]
    desk.tick(0.1)
    desk.tick(0.05)
    desk.tick(0.02)
    assert desk.port.story[1:] == [("drive", Signals.DTR, Signals.RTS), ("break", True), ("break", False)]
    shared.pulse("reset")
    shared.stop()
    assert desk.port.story[-1] == ("break", False)
