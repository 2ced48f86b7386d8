"""The Megatec driver at work, on a clock, with a UPS in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock

from tests.helpers.upslines import MegatecUps, Scene
from vmodem.port.base import Noted, Settings, Signals
from vmodem.ups.model import Outcome


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def device(clock: Clock) -> MegatecUps:
    return MegatecUps(clock)


@pytest.fixture
def scene(clock: Clock, device: MegatecUps) -> Iterator[Scene]:
    made = Scene("megatec", device, clock)
    yield made
    made.stop()


def started(clock: Clock, device: MegatecUps, **more: Any) -> Scene:
    made = Scene("megatec", device, clock, **more)
    made.until("OL", 10)
    made.run(5)
    return made


def test_everything_is_told(scene: Scene) -> None:
    assert scene.seen == "stale"
    scene.until("OL", 0.5)
    scene.run(4)
    values = scene.ups.values()
    version = values.pop("driver.version")
    assert version
    assert values == {
        "battery.charge": "100",
        "battery.voltage": "27.5",
        "battery.voltage.high": "26.0",
        "battery.voltage.low": "20.8",
        "battery.voltage.nominal": "24.0",
        "device.mfr": "ACME",
        "device.model": "RACK 1000",
        "device.type": "ups",
        "driver.name": "megatec",
        "driver.parameter.pollinterval": "2",
        "driver.parameter.port": "serial:/dev/fake",
        "input.current.nominal": "0",
        "input.frequency": "49.0",
        "input.frequency.nominal": "50.0",
        "input.voltage": "226.0",
        "input.voltage.fault": "195.0",
        "input.voltage.nominal": "220.0",
        "output.voltage": "226.0",
        "ups.beeper.status": "disabled",
        "ups.delay.shutdown": "30",
        "ups.delay.start": "180",
        "ups.firmware": "V1.02",
        "ups.load": "14",
        "ups.mfr": "ACME",
        "ups.model": "RACK 1000",
        "ups.status": "OL",
        "ups.temperature": "30.0",
        "ups.type": "offline / line interactive",
    }
    assert scene.story == ["stale", "OL"] or scene.story == ["OL"]


def test_the_line_is_set_and_the_cable_powered(scene: Scene) -> None:
    scene.run(1)
    assert Settings(rate=2400) in scene.port.story
    # Before it was opened, and again when it was there.
    assert scene.port.story[0] == ("drive", Signals.DTR, Signals.RTS)


def test_one_request_at_a_time_and_both_directions_empty(scene: Scene) -> None:
    scene.run(20)
    words = [each for each in scene.port.story if isinstance(each, bytes)]
    assert all(each.count(b"\r") == 1 and each.endswith(b"\r") for each in words)
    places = [place for place, each in enumerate(scene.port.story) if isinstance(each, bytes)]
    assert all(scene.port.story[place - 1] == ("purge", True, True) for place in places)


def test_mains_failure_and_low_battery(scene: Scene, device: MegatecUps) -> None:
    scene.run(5.3)
    device.mains(False)
    assert scene.until("OB", 2.5) <= 2.5
    device.mains(False, low=True)
    device.figures[5] = "21.4"
    assert scene.until("OB LB", 2.5) <= 2.5
    assert scene.ups.values()["battery.charge"] == "12"
    device.mains(True)
    scene.until("OL", 2.5)
    assert scene.events == ["onbatt", "lowbatt", "shutdown", "online"]


@pytest.mark.parametrize(
    ("bits", "output", "words"),
    [
        ("00001000", "226.0", "OL"),
        ("10001100", "226.0", "OB CAL"),
        ("00101000", "200.0", "OL TRIM"),
        ("00101000", "226.0", "OL BYPASS"),
        ("00101000", "250.0", "OL BOOST"),
        ("00101000", "100.0", "OL"),
        ("00101000", "400.0", "OL"),
        ("00011000", "226.0", "ALARM OL"),
        ("10001010", "226.0", "ALARM OB FSD"),
    ],
)
def test_status_words(scene: Scene, device: MegatecUps, bits: str, output: str, words: str) -> None:
    device.bits, device.figures[2] = list(bits), output
    scene.run(1)
    assert scene.ups.status == words
    assert ("ups.alarm" in scene.ups.values()) is ("ALARM" in words)


def test_a_stuck_shutdown_bit_can_be_ignored(clock: Clock, device: MegatecUps) -> None:
    device.bits[6] = "1"
    scene = started(clock, device, options={"ignore_shutdown_bit": "yes"})
    assert scene.seen == "OL"
    scene.stop()


# -- silence and nonsense ------------------------------------------------------------------------------------


def test_a_silent_line_is_stale_in_time_and_recovers(scene: Scene, device: MegatecUps) -> None:
    scene.run(6)
    device.dead = True
    assert 5 < scene.until("stale", 15) <= 13
    assert scene.ups.values() == {}
    scene.run(60)
    assert scene.seen == "stale"
    device.dead = False
    assert scene.until("OL", 4.5) <= 4.5
    assert scene.events == ["commbad", "commok"]


@pytest.mark.parametrize(
    "mangle",
    [
        lambda reply: reply[:20],
        lambda reply: reply[:-1],
        lambda reply: reply[1:],
        lambda reply: b"\xff\x80garbage\r",
        lambda reply: reply.replace(b".", b"x"),
        lambda reply: b"",
        lambda reply: b"Q1\r",
        lambda reply: b"x" * 300,
        lambda reply: reply[:-2] + b"2\r",
    ],
)
def test_nonsense_is_never_published(scene: Scene, device: MegatecUps, mangle: Any) -> None:
    scene.run(6)
    before = scene.ups.values()
    device.mains(False, low=True)
    device.mangle = mangle
    while scene.seen != "stale":
        assert scene.clock.seconds() < 6 + 14
        assert scene.ups.values() == before
        scene.run(0.1)
    device.mains(True)
    device.mangle = lambda reply: reply
    scene.until("OL", 6)
    scene.run(4)
    assert scene.ups.values() == before
    assert set(scene.story) <= {"OL", "stale"}


def test_a_damaged_character_spoils_the_reply(scene: Scene, device: MegatecUps) -> None:
    scene.run(6)
    device.mains(False)
    send = device.out

    def damaged(data: bytes) -> None:
        scene.port.note(Noted.PARITY)
        send(data)

    device.out = damaged
    scene.run(8)
    assert scene.seen == "OL"
    device.out = send
    scene.until("OB", 3)


def test_one_bad_reply_is_no_reason_to_be_stale(scene: Scene, device: MegatecUps) -> None:
    scene.run(6)
    device.mangle = lambda reply: reply[:11]
    scene.run(2)
    device.mangle = lambda reply: reply
    scene.run(10)
    assert "stale" not in scene.story[1:]


@pytest.mark.parametrize("delay", [1.2, 1.9, 2.05, 2.3, 2.9])
def test_a_slow_unit_is_given_the_time_it_needs(clock: Clock, delay: float) -> None:
    device = MegatecUps(clock)
    device.delay_s = delay - 0.2
    scene = Scene("megatec", device, clock)
    scene.until("OL", 15)
    scene.run(20)
    assert "stale" not in scene.story[1:]
    device.mains(False)
    assert scene.until("OB", 10) < delay + 4
    scene.stop()


@pytest.mark.parametrize("delay", [3.3, 3.7, 4.5, 5.0, 6.1, 8.0, 11.0])
def test_an_answer_that_is_too_late_is_never_taken_for_the_next_one(clock: Clock, delay: float) -> None:
    """However late its answers are, what they said is not published as what is."""
    device = MegatecUps(clock)
    scene = Scene("megatec", device, clock)
    scene.until("OL", 2)
    scene.run(10)
    device.delay_s = delay
    scene.run(120)
    assert scene.story[-1] == "stale"
    assert set(scene.story) <= {"stale", "OL"}
    device.mains(False)
    device.delay_s = 0
    scene.story.clear()
    scene.run(40)
    assert scene.story[-1] == "OB"
    assert set(scene.story) <= {"stale", "OB"}
    scene.stop()


@pytest.mark.parametrize("late", [0.95 + step / 10 for step in range(60)])
def test_a_single_late_answer_is_not_published(clock: Clock, late: float) -> None:
    """It says on line; the truth has been on battery ever since it was asked for."""
    device = MegatecUps(clock)
    scene = Scene("megatec", device, clock)
    scene.until("OL", 2)
    scene.run(8)
    out, seen = device.out, list[str]()

    def swallow(reply: bytes) -> bytes:
        clock.callLater(late, lambda: (out(reply), None)[1])
        device.mains(False)
        device.mangle = lambda reply: reply
        return b""

    device.mangle = swallow
    scene.run(3)
    while "OB" not in seen:
        scene.run(0.1)
        seen.append(scene.seen)
        assert len(seen) < 200
    scene.story.clear()
    scene.run(15)
    assert scene.story == ["OB"]
    scene.stop()


@settings(max_examples=25)
@given(st.lists(st.binary(max_size=60), max_size=12), st.data())
def test_any_bytes_never_make_a_value(noise: list[bytes], draw: st.DataObject) -> None:
    """Nothing is published but what the UPS said, whatever else is on the line."""
    clock = Clock()
    device = MegatecUps(clock)
    scene = Scene("megatec", device, clock)
    scene.until("OL", 5)
    scene.run(3)
    for piece in noise:
        scene.run(draw.draw(st.floats(0.01, 2)), 0.05)
        if piece:
            scene.port.send(piece)
        if scene.ups.values():
            assert scene.seen == "OL"
            assert scene.ups.values()["input.voltage"] == "226.0"
            assert scene.ups.values()["battery.voltage"] == "27.5"
    scene.run(12, 0.05)
    assert scene.seen == "OL"
    scene.stop()


# -- the port ------------------------------------------------------------------------------------------------


def test_a_port_that_is_gone_is_seen_at_once(scene: Scene, device: MegatecUps) -> None:
    scene.run(6)
    scene.port.vanish()
    assert scene.seen == "gone"
    assert scene.ups.commands == {}
    written = len(scene.port.written)
    scene.run(30)
    assert len(scene.port.written) == written
    device.mains(False)
    scene.port.appear()
    assert scene.seen == "stale"
    assert scene.until("OB", 1) < 1
    scene.run(3)
    assert scene.ups.values()["ups.mfr"] == "ACME"


@pytest.mark.parametrize("moment", [0.0, 0.1, 0.25, 0.5, 1.0, 1.5, 2.0])
def test_it_may_go_and_come_at_any_moment(clock: Clock, device: MegatecUps, moment: float) -> None:
    scene = Scene("megatec", device, clock)
    for _ in range(5):
        scene.run(moment)
        scene.port.vanish()
        scene.port.vanish()
        assert scene.seen == "gone"
        scene.port.appear()
        scene.port.appear()
    scene.until("OL", 3)
    scene.stop()


def test_a_port_lost_while_it_is_written_to(scene: Scene, device: MegatecUps) -> None:
    scene.run(6)
    plain = device.received

    def unplugged(data: bytes) -> None:
        device.received = plain  # type: ignore[method-assign]
        scene.port.vanish()
        scene.port.appear()

    device.received = unplugged  # type: ignore[method-assign]
    scene.run(2.1)
    scene.until("OL", 3)


def test_a_device_that_is_not_there_yet(clock: Clock, device: MegatecUps) -> None:
    scene = Scene("megatec", device, clock, present=False)
    scene.run(10)
    assert scene.seen == "gone"
    scene.port.appear()
    scene.until("OL", 1)
    scene.stop()


def test_another_ups_on_the_same_port(scene: Scene, device: MegatecUps) -> None:
    scene.run(6)
    device.dead = True
    scene.until("stale", 15)
    device.dialect = b"D"
    device.ratings = b"#110.0 000 012.0 60.0"
    device.figures[5] = "13.6"
    device.dead = False
    scene.until("OL", 12)
    scene.run(5)
    assert scene.ups.values()["battery.voltage.nominal"] == "12.0"
    assert scene.ups.values()["battery.charge"] == "100"


@pytest.mark.parametrize("dialect", [b"QS", b"D"])
@pytest.mark.parametrize("polite", [True, False])
def test_dialects(clock: Clock, dialect: bytes, polite: bool) -> None:
    device = MegatecUps(clock, dialect)
    if not polite:
        device.unanswered = {b"Q1", b"QS", b"D"} - {dialect}
    scene = Scene("megatec", device, clock)
    scene.until("OL", 12)
    device.heard.clear()
    scene.run(20)
    assert set(device.heard) <= {dialect, b"F", b"I"}
    scene.stop()


# -- what it is ----------------------------------------------------------------------------------------------


def test_units_that_must_not_be_asked(clock: Clock, device: MegatecUps) -> None:
    options = {"no-ratings": "yes", "no-vendor": "on", "mfr": "Mine", "serial": "4711"}
    scene = started(clock, device, options=options)
    assert set(device.heard) == {b"Q1"}
    values = scene.ups.values()
    assert (values["ups.mfr"], values["device.serial"], values["ups.model"]) == ("Mine", "4711", "unknown")
    assert values["battery.voltage"] == "27.5"
    assert "battery.charge" not in values
    scene.stop()


def test_units_that_do_not_know_are_polled_all_the_while(clock: Clock, device: MegatecUps) -> None:
    device.unanswered = {b"F", b"I", b"FW?"}
    scene = Scene("megatec", device, clock)
    scene.until("OL", 1)
    device.mains(False)
    scene.until("OB", 3)
    scene.run(30)
    assert scene.ups.values()["ups.mfr"] == "unknown"
    assert "stale" not in scene.story[1:]
    scene.stop()


def test_volts_of_a_cell(clock: Clock, device: MegatecUps) -> None:
    device.figures[5] = "2.27"
    device.bits[4] = "0"
    scene = started(clock, device)
    values = scene.ups.values()
    assert (values["battery.voltage"], values["ups.type"]) == ("27.24", "online")
    scene.stop()


def test_runtime_by_calibration(clock: Clock, device: MegatecUps) -> None:
    device.figures[3] = "050"
    scene = started(clock, device, options={"runtime": "240,100,720,50"})
    assert scene.ups.values()["battery.runtime"] == "720"
    device.mains(False)
    scene.run(62)
    assert 655 <= float(scene.ups.values()["battery.runtime"]) <= 665
    scene.stop()


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"no-vender": "yes"}, "no-vendor"),
        ({"no-vendor": "perhaps"}, "yes nor no"),
        ({"runtime": "1,2,3"}, "calibration"),
        ({"runtime": "720,100,240,50"}, "calibration"),
        ({"battery-low": "x"}, "number"),
        ({"cable-power": "dtr"}, "normal"),
    ],
)
def test_wrong_options(clock: Clock, options: dict[str, str], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        Scene("megatec", None, clock, options=options)


# -- commands ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "argument", "requests"),
    [
        ("shutdown.return", "", [b"C", b"S.5R0003"]),
        ("shutdown.stayoff", "", [b"C", b"S.5R0000"]),
        ("shutdown.stop", "", [b"C"]),
        ("load.off", "", [b"S00R0000"]),
        ("load.on", "", [b"C"]),
        ("test.battery.start", "", [b"T10"]),
        ("test.battery.start", "3", [b"T03"]),
        ("test.battery.start.quick", "", [b"T"]),
        ("test.battery.start.deep", "", [b"TL"]),
        ("test.battery.stop", "", [b"CT"]),
        ("beeper.toggle", "", [b"Q"]),
    ],
)
def test_commands(scene: Scene, device: MegatecUps, name: str, argument: str, requests: list[bytes]) -> None:
    scene.run(6)
    device.heard.clear()
    scene.command(name, argument)
    assert scene.outcomes == []
    scene.run(4)
    assert scene.outcomes == [Outcome.SUCCESS]
    assert [each for each in device.heard if each != b"Q1"] == requests
    assert name in scene.ups.commands


def test_a_refused_command_failed(scene: Scene, device: MegatecUps) -> None:
    scene.run(6)
    device.refuses = {b"TL"}
    scene.command("test.battery.start.deep")
    scene.run(2)
    assert scene.outcomes == [Outcome.FAILED]
    scene.command("test.battery.start", "100")
    scene.command("load.off", "now")
    assert scene.outcomes[1:] == [Outcome.INVALID, Outcome.INVALID]


def test_silence_of_a_dead_line_is_no_consent(scene: Scene, device: MegatecUps) -> None:
    scene.run(6)
    device.dead = True
    scene.command("beeper.toggle")
    scene.run(6)
    assert scene.outcomes == [Outcome.UNKNOWN]


def test_nothing_is_done_later_than_it_was_wanted(scene: Scene, device: MegatecUps) -> None:
    scene.run(6)
    device.dead = True
    scene.until("stale", 15)
    scene.command("load.off")
    assert scene.outcomes == [Outcome.FAILED]
    device.dead = False
    scene.run(10)
    assert b"S00R0000" not in device.heard
    scene.command("load.off")
    scene.port.vanish()
    assert scene.outcomes == [Outcome.FAILED, Outcome.FAILED]


def test_many_commands_do_not_starve_the_status(scene: Scene, device: MegatecUps) -> None:
    scene.run(6)
    for _ in range(16):
        scene.command("test.battery.start.quick")
    scene.run(3)
    device.mains(False)
    scene.until("OB", 2.5)
    scene.run(30)
    assert scene.outcomes == [Outcome.SUCCESS] * 16
    assert scene.story.count("stale") <= 1


def test_delays_become_what_can_be_said(scene: Scene, device: MegatecUps) -> None:
    scene.run(6)
    for name, value, told in (
        ("ups.delay.shutdown", "65", "120"),
        ("ups.delay.shutdown", "31", "36"),
        ("ups.delay.start", "60", "180"),
        ("ups.delay.start", "0", "0"),
        ("ups.delay.start", "240", "240"),
    ):
        scene.write(name, value)
        assert scene.ups.values()[name] == told
    scene.write("ups.delay.start", "-1")
    assert scene.outcomes == [Outcome.SUCCESS] * 5 + [Outcome.INVALID]
    scene.command("shutdown.return")
    scene.run(4)
    assert b"S.6R0004" in device.heard
    scene.run(4)
    assert scene.ups.values()["ups.delay.shutdown"] == "36"


def test_one_dead_ups_disturbs_no_other(clock: Clock) -> None:
    first, second = MegatecUps(clock), MegatecUps(clock)
    one, other = Scene("megatec", first, clock), Scene("megatec", second, clock)
    one.run(6)
    first.dead = True
    second.mains(False)
    other.until("OB", 2.5)
    one.run(20)
    other.run(0.01)
    assert (one.seen, other.seen) == ("stale", "OB")
    assert len(clock.getDelayedCalls()) <= 5
    one.driver.stop()
    one.ups.close()
    first.stop()
    other.stop()


# -- one wrong character -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("place", "on_battery"), [(39, True), (44, False), (44, True)])
def test_one_wrong_bit_shuts_nothing_down(
    clock: Clock, device: MegatecUps, place: int, on_battery: bool
) -> None:
    """Low battery while on battery, and a shutdown of the UPS's own, power machines off: twice, or not."""
    scene = started(clock, device)
    device.mains(not on_battery)
    scene.run(5)
    before, wrong = scene.seen, [True]

    def once(reply: bytes) -> bytes:
        if reply.startswith(b"(") and wrong:
            wrong.clear()
            return reply[:place] + b"1" + reply[place + 1 :]
        return reply

    device.mangle = once
    scene.story.clear()
    scene.events.clear()
    scene.run(10)
    assert not wrong
    assert (set(scene.story), scene.events) == ({before}, [])
    # And what is so is told within the same poll.
    device.mangle = lambda reply: reply
    device.bits[place - 38] = "1"
    scene.run(2.7)
    assert ("LB" if place == 39 else "FSD") in scene.seen.split()
    assert "shutdown" in scene.events
    scene.stop()


@pytest.mark.parametrize("request_", [b"F", b"I"])
def test_a_character_that_was_lost_is_not_believed_for_ever(
    clock: Clock, device: MegatecUps, request_: bytes
) -> None:
    """Ratings without their point, and a version without its: shorter forms of both replies are in use."""
    whole = device.ratings if request_ == b"F" else device.vendor
    place = whole.rindex(b".") if request_ == b"I" else whole.index(b"24.0") + 2
    wrong = [True]

    def once(reply: bytes) -> bytes:
        if reply.rstrip(b"\r") == whole and wrong:
            wrong.clear()
            return reply[:place] + reply[place + 1 :]
        return reply

    device.mangle = once
    scene = started(clock, device)
    scene.run(10)
    assert not wrong
    values = scene.ups.values()
    assert (values["battery.voltage.nominal"], values["ups.firmware"]) == ("24.0", "V1.02")
    scene.stop()


def test_shorter_replies_are_those_of_some_units(clock: Clock, device: MegatecUps) -> None:
    device.ratings, device.vendor = b"#110.0 004 12.0 60.0", device.vendor[:-1]
    scene = started(clock, device)
    scene.run(10)
    values = scene.ups.values()
    assert (values["battery.voltage.nominal"], values["ups.firmware"]) == ("12.0", "V1.02")
    assert (device.heard.count(b"F"), device.heard.count(b"I")) == (2, 2)
    scene.stop()
