"""The driver of UPSes on circuits: every cable of the table, on a clock; and some over an access server."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock

from tests.helpers.reactors import Reactor
from tests.helpers.upslines import PinServer, Scene
from vmodem.port.base import INPUTS, OUTPUTS, Signals
from vmodem.port.parse import make_port, parse_port
from vmodem.ups.cables import Cable, Pin, cable, line_for
from vmodem.ups.drivers import make_driver
from vmodem.ups.model import Health, Outcome, Ups

NUMBERS = range(24)
NONE = Signals.NONE


def pins(row: Cable, *, online: bool, low: bool = False) -> Signals:
    """The circuits of a UPS that is so; battery and bypass of type 23 as they should be."""
    found = NONE
    for test, holds in (
        (row.online, online),
        (row.low, low),
        (row.replace_battery, False),
        (row.bypass, False),
    ):
        if test is not None and test.asserted is holds:
            found |= test.circuit
    return found


@pytest.fixture
def clock() -> Clock:
    return Clock()


def started(clock: Clock, number: int, override: dict[str, str] | None = None, **more: Any) -> Scene:
    row = cable(number, override)
    inputs = pins(row, online=True)
    return Scene("contact", None, clock, cable=number, override=override or {}, inputs=inputs, **more)


@pytest.mark.parametrize("number", NUMBERS)
def test_each_cable(clock: Clock, number: int) -> None:
    row = cable(number)
    scene = started(clock, number)
    assert scene.seen == "stale"
    scene.run(0.2)
    assert scene.seen == "OL"
    values = scene.ups.values()
    assert (values["ups.mfr"], values["device.model"]) == (row.maker, row.model)
    assert not any(name.startswith(("battery.", "input.", "output.")) for name in values)
    scene.run(5)
    scene.port.put(pins(row, online=False))
    assert scene.until("OB", 2.5) < 0.5
    scene.port.put(pins(row, online=False, low=True))
    assert 0.5 < scene.until("OB LB", 2.5) < 2.5
    scene.port.put(pins(row, online=True))
    scene.until("OL", 0.5)
    scene.run(60)
    assert scene.story == ["stale", "OL", "OB", "OB LB", "OL"]
    scene.stop()


@pytest.mark.parametrize("number", NUMBERS)
def test_outputs_are_right_before_the_port_is_opened(clock: Clock, number: int) -> None:
    row = cable(number)
    scene = started(clock, number)
    assert scene.port.story[0] == ("drive", row.power, OUTPUTS & ~row.power)
    scene.run(30)
    assert {each for each in scene.port.story if each[0] == "drive"} == {scene.port.story[0]}
    scene.stop()


@pytest.mark.parametrize("number", NUMBERS)
def test_the_line_keeps_its_outputs_when_it_is_closed(number: int) -> None:
    row = cable(number)
    for text in ("/dev/ttyS0", "serial:/dev/ttyS0:speed=2400"):
        values = parse_port(line_for(text, row)).values
        assert values["hupcl"] is False
        assert values["dtr"] is (Signals.DTR in row.power)
        assert values["rts"] is (Signals.RTS in row.power)
    assert line_for("serial:/dev/ttyS0:dtr=on:hupcl=yes", cable(4)).endswith(":dtr=on:hupcl=yes:rts=on")


@pytest.mark.parametrize("number", NUMBERS)
def test_what_kills_by_opening_is_opened_rarely(number: int) -> None:
    careful = {2, 3, 5, 21}
    for text in ("/dev/ttyS0", "com7", "remote:host:7000"):
        retry = parse_port(line_for(text, cable(number))).values.get("retry")
        assert retry == ((10.0, 30.0, 60.0) if number in careful else None)
    assert "retry" not in line_for("/dev/ttyS0", cable(2, {"sd": "dtr"}))
    assert "retry=10" in line_for("/dev/ttyS0", cable(7, {"sd": "dtr+rts"}))
    assert parse_port(line_for("/dev/ttyS0:retry=300", cable(2))).values["retry"] == (300.0,)


@pytest.mark.parametrize("number", NUMBERS)
def test_the_kill_line(clock: Clock, number: int) -> None:
    row = cable(number)
    scene = started(clock, number)
    scene.run(3)
    scene.port.put(pins(row, online=False, low=True))
    scene.run(5)
    del scene.port.story[:]
    if row.kill is None:
        assert "shutdown.return" not in scene.ups.commands
        scene.command("shutdown.return")
        assert (scene.outcomes, scene.port.story) == ([Outcome.INVALID], [])
        scene.stop()
        return
    assert scene.ups.commands["shutdown.return"].cuts_power
    scene.command("shutdown.return")
    scene.command("shutdown.return")
    assert scene.outcomes == [Outcome.FAILED]  # the second one
    kill = ("break", True) if row.kill.by_break else ("drive", row.kill.on, OUTPUTS & ~row.kill.on)
    assert scene.port.story == [kill]
    scene.port.put(NONE)  # whatever the inputs do without the cable's power
    scene.run(row.kill.hold_s - 0.1)
    assert scene.port.story == [kill]
    assert scene.story[-1] == "OB LB"
    scene.run(0.2)
    power = ("drive", row.power, OUTPUTS & ~row.power)
    assert scene.port.story == [kill, ("break", False), power][:: 1 if row.kill.by_break else 2]
    assert scene.outcomes == [Outcome.FAILED, Outcome.UNKNOWN]
    scene.stop()


def test_relays_bounce(clock: Clock) -> None:
    row = cable(7)
    scene = started(clock, 7)
    scene.run(5)
    for _ in range(20):
        scene.port.put(pins(row, online=False, low=True))
        scene.run(0.003, 0.001)
        scene.port.put(pins(row, online=False))
        scene.run(0.003, 0.001)
    scene.run(10)
    assert scene.story == ["stale", "OL", "OB"]
    scene.stop()


@pytest.mark.parametrize("period", [0.31, 0.99, 1.01, 2.0, 2.7])
def test_a_flickering_battery_line_is_no_low_battery(clock: Clock, period: float) -> None:
    row = cable(1)
    scene = started(clock, 1)
    scene.port.put(pins(row, online=False))
    for _ in range(20):
        scene.port.put(pins(row, online=False, low=True))
        scene.run(min(period / 2, 0.8))
        scene.port.put(pins(row, online=False))
        scene.run(period / 2)
    assert "OB LB" not in scene.story
    scene.stop()


def test_replace_battery_and_bypass(clock: Clock) -> None:
    row = cable(23)
    scene = started(clock, 23)
    scene.run(1)
    scene.port.put(pins(row, online=True) & ~Signals.RI)
    scene.until("OL RB", 3)
    scene.port.put(pins(row, online=True) & ~(Signals.RI | Signals.DSR))
    scene.until("OL RB BYPASS", 3)
    scene.stop()


def test_a_port_that_is_gone_is_seen_at_once(clock: Clock) -> None:
    scene = started(clock, 1)
    scene.run(5)
    scene.command("shutdown.return")
    scene.port.vanish()
    assert scene.seen == "gone"
    assert scene.outcomes == [Outcome.FAILED]
    assert "circuits" not in scene.ups.details  # what they were is not what they are
    scene.run(30)
    del scene.port.story[:]
    scene.port.set_inputs(pins(cable(1), online=False))
    scene.port.appear()
    assert scene.port.story == [("drive", Signals.DTR, Signals.RTS)]
    scene.until("OB", 0.5)
    scene.stop()


def test_a_port_without_circuits_is_not_believed(clock: Clock) -> None:
    scene = started(clock, 1)
    scene.port.signals_known = NONE
    scene.run(10)
    assert scene.seen == "stale"
    assert "DCD" in scene.ups.reason
    scene.port.signals_known = INPUTS | OUTPUTS
    scene.until("OL", 3)
    assert scene.ups.details["circuits"] == "none"
    scene.stop()


def test_a_server_that_is_silent_is_not_believed(clock: Clock) -> None:
    """What it said last is not served as what is."""
    scene = started(clock, 1)
    port = scene.port
    alive = True

    def inquire() -> None:
        if alive:
            clock.callLater(0.05, lambda: setattr(port, "heard", clock.seconds()))

    port.inquire = inquire  # type: ignore[method-assign]
    port.heard = 0.0
    scene.run(30)
    assert scene.story == ["stale", "OL"]
    alive = False
    assert scene.until("stale", 15) < 10
    assert "circuits" not in scene.ups.details
    scene.run(20)
    alive = True
    scene.until("OL", 3)
    alive = False
    scene.run(0.1)
    scene.stop()


@settings(max_examples=30)
@given(st.integers(0, 23), st.lists(st.tuples(st.integers(0, 15), st.floats(0.05, 3)), max_size=15))
def test_low_battery_is_never_told_sooner_than_it_was_so(number: int, steps: list[tuple[int, float]]) -> None:
    """Any circuits at any time: LB is told only where the line said so for as long as two readings take."""
    clock = Clock()
    row = cable(number)
    scene = started(clock, number)
    scene.run(3, 0.05)
    low_since: float | None = None
    every = (Signals.CTS, Signals.DSR, Signals.DCD, Signals.RI)
    for bits, seconds in steps:
        inputs = NONE
        for place, signal in enumerate(every):
            if bits >> place & 1:
                inputs |= signal
        scene.port.put(inputs)
        low = row.low.holds(inputs)
        low_since = (clock.seconds() if low_since is None else low_since) if low else None
        scene.run(0.3, 0.05)
        assert ("OL" in scene.seen.split()) is row.online.holds(inputs)
        scene.run(seconds, 0.05)
        words = scene.seen.split()
        held = clock.seconds() - low_since if low_since is not None else 0.0
        if "LB" in words:
            assert held >= 0.9
        elif held > 2.5:
            raise AssertionError("a low battery was not told")
    scene.stop()


# -- over an access server -----------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [0, 1, 2, 4, 9, 11, 13, 23])
def test_over_an_access_server(reactor: Reactor, number: int) -> None:
    row = cable(number)
    server = PinServer(reactor, pins(row, online=True))
    ups = Ups(reactor, "remote")
    port = make_port(reactor, line_for(f"remote:127.0.0.1:{server.port}", row))
    driver = make_driver("contact", reactor, port, ups, cable=number, poll_s=0.3)
    driver.start()
    outcomes: list[Outcome] = []
    try:
        reactor.until(lambda: ups.status == "OL", what=ups.reason)
        assert server.outputs == {"dtr": Signals.DTR in row.power, "rts": Signals.RTS in row.power}
        server.put(pins(row, online=False))
        reactor.until(lambda: ups.status == "OB", 2)
        server.put(pins(row, online=False, low=True))
        reactor.until(lambda: ups.status == "OB LB", 3)
        reactor.run_for(0.5)
        assert ups.status == "OB LB"
        if row.kill is not None:
            server.story.clear()
            ups.instant_command("shutdown.return", "", outcomes.append)
            wanted = ["+break"] if row.kill.by_break else _outputs(row.kill.on)
            reactor.until(lambda: sorted(server.story) == sorted(wanted), 2, str(server.story))
        server.hang_up()
        reactor.until(lambda: ups.health is Health.GONE, 2)
        assert outcomes == [Outcome.FAILED] * (row.kill is not None)
        if number == 1:
            reactor.until(lambda: ups.status.startswith("OB"), 8)
            assert server.outputs == {"dtr": Signals.DTR in row.power, "rts": Signals.RTS in row.power}
    finally:
        reactor.wait_for(driver.stop())
        ups.close()
        server.close()


def test_an_access_server_that_holds_the_connection_and_is_silent(reactor: Reactor) -> None:
    row = cable(7)
    server = PinServer(reactor, pins(row, online=True))
    ups = Ups(reactor, "remote")
    driver = make_driver(
        "contact", reactor, make_port(reactor, f"remote:127.0.0.1:{server.port}"), ups, cable=7, poll_s=1
    )
    driver.start()
    try:
        reactor.until(lambda: ups.status == "OL")
        reactor.run_for(3)
        assert ups.status == "OL"
        server.mute = True
        reactor.until(lambda: ups.health is Health.STALE, 12)
        server.mute = False
        reactor.until(lambda: ups.status == "OL", 5)
    finally:
        reactor.wait_for(driver.stop())
        ups.close()
        server.close()


def _outputs(on: Signals) -> list[str]:
    return [("+" if signal in on else "-") + name for name, signal in _BOTH]


_BOTH = (("dtr", Signals.DTR), ("rts", Signals.RTS))


# -- the table -----------------------------------------------------------------------------------------------


def test_overrides(clock: Clock) -> None:
    changed = {
        "OB": "-cts",
        "lb": "+dsr",
        "CP": "dtr+rts",
        "sd": "break",
        "hold": "3",
        "mfr": "Mine",
        "serial": "4711",
        "bypass": "+ri",
    }
    row = cable(1, changed)
    assert row.online == Pin(Signals.CTS, True)
    assert row.low == Pin(Signals.DSR, True)
    assert row.power == OUTPUTS
    assert row.kill is not None
    assert (row.kill.by_break, row.kill.hold_s) == (True, 3.0)
    assert row.bypass == Pin(Signals.RI, True)
    scene = started(clock, 1, changed)
    scene.run(1)
    values = scene.ups.values()
    assert (values["ups.mfr"], values["ups.serial"], values["device.serial"]) == ("Mine", "4711", "4711")
    scene.stop()


@pytest.mark.parametrize(
    ("number", "override", "word"),
    [
        (24, {}, "0 to 23"),
        (1, {"ob": "cts"}, "-cts"),
        (1, {"ob": "-cts", "ol": "+cts"}, "twice"),
        (1, {"lb": "+dtr"}, "state of an input"),
        (1, {"cp": "cts"}, "dtr\\+rts"),
        (1, {"sd": "rxd"}, "outputs"),
        (1, {"hold": "61"}, "60 seconds"),
        (1, {"bypas": "+ri"}, "bypass"),
    ],
)
def test_wrong_overrides(number: int, override: dict[str, str], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        cable(number, override)
