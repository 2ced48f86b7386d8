"""The APC smart driver at work, on a clock, with a UPS in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock

from tests.helpers.upslines import ApcUps, Scene
from vmodem.port.base import Settings, Signals
from vmodem.ups.model import Outcome


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def device(clock: Clock) -> ApcUps:
    return ApcUps(clock)


@pytest.fixture
def scene(clock: Clock, device: ApcUps) -> Iterator[Scene]:
    made = Scene("apcsmart", device, clock)
    yield made
    made.stop()


def test_everything_is_told(scene: Scene, device: ApcUps) -> None:
    scene.until("OL", 2)
    scene.run(20)
    values = scene.ups.values()
    for name in ("driver.version", "driver.parameter.pollinterval", "driver.parameter.port"):
        assert values.pop(name)
    assert values == {
        "battery.alarm.threshold": "0",
        "battery.charge": "100.0",
        "battery.charge.restart": "0",
        "battery.date": "10/17/96",
        "battery.runtime": "19620",
        "battery.runtime.low": "120",
        "battery.voltage": "27.60",
        "battery.voltage.nominal": "24",
        "device.mfr": "APC",
        "device.model": "SMART-UPS 700",
        "device.serial": "WS9643050926",
        "device.type": "ups",
        "driver.name": "apcsmart",
        "input.frequency": "60.00",
        "input.quality": "FF",
        "input.sensitivity": "H",
        "input.transfer.high": "132",
        "input.transfer.low": "103",
        "input.transfer.reason": "no transfers yet since turnon",
        "input.voltage": "121.5",
        "input.voltage.maximum": "122.9",
        "input.voltage.minimum": "118.3",
        "output.voltage": "121.5",
        "output.voltage.nominal": "115",
        "ups.delay.shutdown": "20",
        "ups.delay.start": "0",
        "ups.firmware": "50.9.D",
        "ups.id": "UPS_IDEN",
        "ups.load": "23.4",
        "ups.mfr": "APC",
        "ups.mfr.date": "10/17/96",
        "ups.model": "SMART-UPS 700",
        "ups.serial": "WS9643050926",
        "ups.status": "OL",
        "ups.temperature": "42.7",
        "ups.test.interval": "1209600",
        "ups.test.result": "OK",
    }
    assert scene.ups.variable("input.transfer.high").choices == ("127", "130", "133", "136")
    assert scene.ups.variable("ups.delay.shutdown").choices == ("20", "180", "300", "600")
    assert scene.ups.variable("ups.id").length == 8
    assert not scene.ups.variable("input.voltage").writable
    assert Settings(rate=2400) in scene.port.story
    assert scene.port.story[0] == ("drive", Signals.DTR, Signals.RTS)
    assert device.heard[0] == b"Y"


def test_it_is_left_in_dumb_mode(clock: Clock, device: ApcUps) -> None:
    scene = Scene("apcsmart", device, clock)
    scene.run(3)
    scene.stop()
    assert scene.port.written.endswith(b"R")


def test_old_units_that_do_not_say_what_they_know(clock: Clock, device: ApcUps) -> None:
    del device.variables[b"b"]
    device.variables[b"V"] = b"GWD"
    device.mangle = lambda reply: b"NA\r\n" if reply.startswith(b"3.") else reply
    scene = Scene("apcsmart", device, clock)
    scene.run(20)
    values = scene.ups.values()
    assert (values["ups.firmware"], values["battery.charge"]) == ("GWD", "100.0")
    assert "input.frequency" not in values
    scene.stop()


# -- status --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("moment", [0.0, 0.31, 0.77, 1.5, 1.99])
def test_mains_failure_by_polling_alone(scene: Scene, device: ApcUps, moment: float) -> None:
    scene.run(20 + moment)
    device.status = 0x10
    assert scene.until("OB", 2.5) <= 2.5
    device.status = 0x50
    assert scene.until("OB LB", 2.5) <= 2.5
    assert scene.events == ["onbatt", "lowbatt", "shutdown"]


@pytest.mark.parametrize("moment", [step * 0.173 for step in range(14)])
def test_alerts_act_at_once(scene: Scene, device: ApcUps, moment: float) -> None:
    scene.run(20 + moment)
    for status, character, words in (
        (0x10, b"!", "OB"),
        (0x50, b"%", "OB LB"),
        (0x10, b"+", "OB"),
        (0x08, b"$", "OL"),
        (0x28, b"?", "OL OVER"),
        (0x08, b"=", "OL"),
        (0x88, b"#", "OL RB"),
    ):
        device.status = status
        device.alert(character)
        scene.run(0.01)
        assert scene.seen == words
        scene.run(1.37)
        assert scene.seen == words
    assert "stale" not in scene.story[1:]


def test_an_alert_is_looked_up_soon(scene: Scene, device: ApcUps) -> None:
    """A disturbance that looks like one does no lasting harm."""
    scene.run(20)
    device.alert(b"%")
    scene.run(0.3)
    assert scene.seen == "OL"
    scene.story.clear()
    scene.port.send(b"\xf0\x9f!%")
    scene.run(0.5)
    assert scene.story == ["OL"]


def test_a_status_from_before_an_alert_does_not_undo_it(scene: Scene, device: ApcUps) -> None:
    scene.run(20)
    device.mangle = lambda reply: b"!" + reply if reply == b"08\r\n" and device.status == 0x10 else reply
    device.heard.clear()
    while b"Q" not in device.heard:
        scene.run(0.005, 0.005)
    device.status = 0x10  # the answer on its way still says 08
    device.alert(b"!")
    scene.story.clear()
    scene.run(3)
    assert scene.story == ["OB"]


def test_texts_with_alert_characters(clock: Clock, device: ApcUps) -> None:
    device.variables[b"c"] = b"RACK#1?!"
    scene = Scene("apcsmart", device, clock)
    scene.run(20)
    assert scene.ups.values()["ups.id"] == "RACK?1?!"  # clients cannot take every character
    assert set(scene.story) == {"stale", "OL"}
    device.status = 0x10
    scene.until("OB", 2.5)
    scene.stop()


def test_settings_are_read_again_when_one_was_changed(scene: Scene, device: ApcUps) -> None:
    scene.run(20)
    device.variables[b"u"] = b"136"
    device.alert(b"|")
    scene.run(3)
    assert scene.ups.values()["input.transfer.high"] == "136"


# -- silence and nonsense ------------------------------------------------------------------------------------


def test_a_silent_line_is_stale_in_time_and_recovers(scene: Scene, device: ApcUps) -> None:
    scene.run(20)
    device.dead = True
    assert scene.until("stale", 8) <= 8
    scene.run(60)
    device.dead = False
    device.smart = False
    assert scene.until("OL", 4) <= 4
    assert scene.events == ["commbad", "commok"]
    scene.run(10)
    assert scene.ups.values()["ups.model"] == "SMART-UPS 700"


@pytest.mark.parametrize(
    "mangle",
    [
        lambda reply: reply[:1],
        lambda reply: reply[:-1],
        lambda reply: reply[:-2] + b"\n",
        lambda reply: b"\x80\xff\r\n",
        lambda reply: b"",
        lambda reply: b"NO\r\n",
        lambda reply: b"x" * 300,
        lambda reply: reply.replace(b"1", b"I").replace(b"5", b"S"),
    ],
)
def test_nonsense_is_never_published(scene: Scene, device: ApcUps, mangle: Any) -> None:
    scene.run(20)
    before = scene.ups.values()
    device.status = 0x50
    device.variables[b"L"] = b"000.1"
    device.mangle = mangle
    for _ in range(250):
        scene.run(0.1)
        values = scene.ups.values()
        assert {**before, **values} == before
    assert scene.seen == "stale"
    device.status, device.variables[b"L"] = 0x08, b"121.5"
    device.mangle = lambda reply: reply
    scene.until("OL", 10)  # what is on the line by then takes its time
    scene.run(20)
    assert scene.ups.values() == before


@pytest.mark.parametrize("late", [2.9 + step / 5 for step in range(20)])
def test_a_late_answer_is_never_taken_for_another(clock: Clock, device: ApcUps, late: float) -> None:
    """Replies do not say what they answer: one that is late would be any voltage."""
    scene = Scene("apcsmart", device, clock)
    scene.run(20)
    good = scene.ups.values()
    out = device.out

    def swallow(reply: bytes) -> bytes:
        if reply == b"60.00\r\n":
            clock.callLater(late, out, reply)
            device.mangle = lambda reply: reply
            return b""
        return reply

    device.mangle = swallow
    for _ in range(300):
        scene.run(0.1)
        values = scene.ups.values()
        assert {**good, **values} == good
    assert scene.ups.values() == good
    scene.stop()


@pytest.mark.parametrize("late", [3.1 + step * 0.23 for step in range(30)])
@pytest.mark.parametrize("alerts", [b"!$%+?=#|", b"$!%+#"])
def test_a_late_list_of_alerts_is_no_alert(clock: Clock, device: ApcUps, late: float, alerts: bytes) -> None:
    """What the UPS says it knows holds every alert there is: low battery on battery would end it all."""
    device.alerts = alerts
    scene = Scene("apcsmart", device, clock)

    def swallow(reply: bytes) -> bytes:
        if reply.startswith(b"3."):
            clock.callLater(late, scene.port.send, reply)
            device.mangle = lambda reply: reply
            return b""
        return reply

    device.mangle = swallow
    scene.run(40)
    assert set(scene.story) <= {"stale", "OL"}
    assert set(scene.events) <= {"commbad", "commok"}
    assert scene.ups.values()["ups.model"] == "SMART-UPS 700"
    # By then an alert is one again.
    device.status = 0x10
    device.alert(b"!")
    scene.run(0.01)
    assert scene.seen == "OB"
    scene.stop()


def test_an_answer_out_of_step_is_no_alert(clock: Clock, device: ApcUps) -> None:
    """A ``Y`` that is answered late cuts the list of what the UPS knows in two.  From there on each reply is
    that to the request before it: one of them begins with what is an alert elsewhere."""
    scene = Scene("apcsmart", device, clock)
    late = [b"SM\r\n"]

    def mangle(reply: bytes) -> bytes:
        if reply == b"SM\r\n" and late:
            late.clear()
            return b""
        if reply.startswith(b"3.") and not late:
            late.append(b"told")
            return reply[:20] + b"SM\r\n" + reply[20:]
        return reply

    device.mangle = mangle
    scene.run(30)
    assert late == [b"told"]
    assert set(scene.story) <= {"stale", "OL"}
    assert set(scene.events) <= {"commbad", "commok"}
    scene.stop()


def test_one_wrong_character_shuts_nothing_down(scene: Scene, device: ApcUps) -> None:
    """``50`` for ``10`` is a low battery on battery, and one bit on the line."""
    device.status = 0x10
    scene.run(20)
    wrong = [True]

    def once(reply: bytes) -> bytes:
        if reply == b"10\r\n" and wrong:
            wrong.clear()
            return b"50\r\n"
        return reply

    device.mangle = once
    scene.story.clear()
    scene.events.clear()
    scene.run(10)
    assert not wrong
    assert (set(scene.story), scene.events) == ({"OB"}, [])
    device.status = 0x50
    assert scene.until("OB LB", 2.5)
    assert scene.events == ["lowbatt", "shutdown"]


@settings(max_examples=25)
@given(st.lists(st.binary(max_size=20), max_size=8), st.data())
def test_any_bytes_never_make_a_value(noise: list[bytes], draw: st.DataObject) -> None:
    """Figures are the UPS's own or missing; only alert characters can make another status, until it is looked
    up."""
    clock = Clock()
    device = ApcUps(clock)
    scene = Scene("apcsmart", device, clock)
    scene.run(12, 0.05)
    good = scene.ups.values()
    for piece in noise:
        scene.run(draw.draw(st.floats(0.01, 2)), 0.05)
        piece = bytes(byte for byte in piece if byte not in b"!$%+?=#|&*\r\n0123456789")
        if piece:
            scene.port.send(piece)
        assert {**good, **scene.ups.values()} == good
    scene.run(25, 0.05)
    assert scene.ups.values() == good
    scene.stop()


def test_a_variable_that_makes_no_sense_is_given_up(scene: Scene, device: ApcUps) -> None:
    device.variables[b"C"] = b"hot"
    scene.run(30)
    assert "ups.temperature" not in scene.ups.values()
    device.heard.clear()
    scene.run(20)
    assert b"C" not in device.heard
    assert "stale" not in scene.story[1:]


def test_a_port_that_is_gone_is_seen_at_once(scene: Scene, device: ApcUps) -> None:
    scene.run(20)
    scene.port.vanish()
    assert scene.seen == "gone"
    device.smart = False
    device.status = 0x10
    scene.run(20)
    scene.port.appear()
    scene.until("OB", 2)


# -- changes -------------------------------------------------------------------------------------------------


def test_a_choice_is_stepped_to(scene: Scene, device: ApcUps) -> None:
    device.variables[b"u"] = b"127"
    scene.run(20)
    scene.write("input.transfer.high", "133")
    scene.run(3)
    assert scene.outcomes == [Outcome.SUCCESS]
    assert (scene.ups.values()["input.transfer.high"], device.written) == ("133", 2)
    scene.write("input.transfer.high", "133")
    scene.run(3)
    assert device.written == 2
    scene.write("ups.delay.shutdown", "300")
    scene.run(3)
    assert scene.outcomes == [Outcome.SUCCESS] * 3
    assert device.variables[b"p"] == b"300"


def test_a_choice_that_does_not_come_is_not_looked_for_for_ever(scene: Scene, device: ApcUps) -> None:
    scene.run(20)
    del device.choices[b"s"][1]
    scene.write("input.sensitivity", "M")
    scene.run(8)
    assert scene.outcomes == [Outcome.FAILED]
    assert device.written == 2


def test_a_text_is_written_character_by_character(scene: Scene, device: ApcUps) -> None:
    scene.run(20)
    scene.write("ups.id", "RACK 1")
    scene.run(3)
    assert (scene.outcomes, device.variables[b"c"]) == ([Outcome.SUCCESS], b"RACK 1")
    assert scene.ups.values()["ups.id"] == "RACK 1"
    scene.write("ups.id", "RACK 1")
    scene.run(3)
    assert device.written == 1
    scene.write("ups.model", "X")
    scene.run(1)
    assert scene.outcomes == [Outcome.SUCCESS, Outcome.SUCCESS, Outcome.INVALID]


@pytest.mark.parametrize(
    ("name", "status", "done", "outcome"),
    [
        ("load.off", 0x08, ["off"], Outcome.SUCCESS),
        ("load.on", 0x00, ["on"], Outcome.SUCCESS),
        ("shutdown.stayoff", 0x08, ["stay off"], Outcome.SUCCESS),
        ("shutdown.return", 0x10, ["soft"], Outcome.SUCCESS),
        ("shutdown.return", 0x08, ["hibernate 000"], Outcome.SUCCESS),
        ("shutdown.stop", 0x08, ["\x7f"], Outcome.SUCCESS),
        ("test.panel.start", 0x08, ["A"], Outcome.SUCCESS),
        ("test.failure.start", 0x08, ["U"], Outcome.SUCCESS),
        ("test.battery.start", 0x08, ["W"], Outcome.SUCCESS),
        ("test.battery.stop", 0x08, [], Outcome.FAILED),
        ("bypass.start", 0x08, ["^"], Outcome.SUCCESS),
        ("calibrate.stop", 0x08, [], Outcome.SUCCESS),
    ],
)
def test_commands(
    scene: Scene, device: ApcUps, name: str, status: int, done: list[str], outcome: Outcome
) -> None:
    device.status = status
    scene.run(20)
    scene.command(name)
    assert scene.outcomes == []
    scene.run(6)
    assert (device.done, scene.outcomes) == (done, [outcome])
    assert "stale" not in scene.story[1:]


def test_a_toggle_is_sent_only_when_it_does_what_was_asked(scene: Scene, device: ApcUps) -> None:
    scene.run(20)
    for name in ("calibrate.start", "calibrate.start"):
        scene.command(name)
        scene.run(3)
        assert device.status == 0x09
    scene.command("calibrate.stop")
    scene.run(3)
    assert (device.status, scene.seen) == (0x08, "OL")
    for name in ("test.battery.start", "test.battery.stop", "test.battery.stop"):
        scene.command(name)
        scene.run(3)
    assert device.done == ["W", "W"]
    assert scene.outcomes == [Outcome.SUCCESS] * 5 + [Outcome.FAILED]


def test_a_test_that_is_begun_twice_is_not_ended_by_that(scene: Scene, device: ApcUps) -> None:
    """The same request begins and ends it."""
    scene.run(20)
    for _ in range(2):
        scene.command("test.battery.start")
        scene.run(3)
    assert device.done == ["W"]
    assert scene.outcomes == [Outcome.SUCCESS, Outcome.FAILED]
    scene.run(70)  # it is over
    scene.command("test.battery.start")
    scene.run(3)
    device.status = 0x09  # and this one says so
    scene.run(70)
    scene.command("test.battery.start")
    scene.run(3)
    assert device.done == ["W", "W"]
    assert scene.outcomes[2:] == [Outcome.SUCCESS, Outcome.FAILED]


def test_leaving_the_bypass_does_not_enter_it(scene: Scene, device: ApcUps) -> None:
    """The same request does both; a load on bypass is not protected, and off when mains fails."""
    scene.run(20)
    for name in ("bypass.stop", "bypass.start", "bypass.start", "bypass.stop", "bypass.stop"):
        scene.command(name)
        scene.run(3)
    assert device.done == ["^", "^"]
    assert scene.outcomes == [Outcome.FAILED] + [Outcome.SUCCESS] * 4


def test_digits_are_not_sent_to_a_unit_that_does_not_know_them(scene: Scene, device: ApcUps) -> None:
    scene.run(20)
    take = device._answer
    device._answer = lambda request: device.reply(b"NA") if request == b"@" else take(request)  # type: ignore[method-assign]
    device.heard.clear()
    scene.command("shutdown.return")
    scene.run(3)
    assert scene.outcomes == [Outcome.FAILED]
    assert b"0" not in device.heard


def test_commands_that_the_ups_does_not_know_are_not_there(clock: Clock, device: ApcUps) -> None:
    device.extra = b"QYRaWSK"
    scene = Scene("apcsmart", device, clock)
    scene.run(20)
    assert set(scene.ups.commands) == {"test.battery.start", "test.battery.stop", "shutdown.stayoff"}
    scene.stop()


def test_alerts_are_heard_during_a_command(scene: Scene, device: ApcUps) -> None:
    scene.run(20)
    scene.command("shutdown.stayoff")
    scene.run(0.7)
    device.status = 0x10
    device.alert(b"!")
    scene.run(0.01)
    assert scene.seen == "OB"
    scene.run(5)
    assert (scene.outcomes, device.done) == ([Outcome.SUCCESS], ["stay off"])
