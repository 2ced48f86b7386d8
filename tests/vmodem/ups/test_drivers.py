"""Drivers by name, their options, the guesses about batteries, and that the documents name all of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from tests.helpers.upslines import LinePort
from vmodem.port.base import Settings
from vmodem.ups import apcsmart, battery, cables, drivers, megatec
from vmodem.ups.apccommands import COMMANDS
from vmodem.ups.model import Ups
from vmodem.ups.names import VARIABLES
from vmodem.wire import apcsmart as wire

DOCUMENT = Path(__file__).parents[3] / "docs" / "ups-drivers.md"


def test_a_speed_in_the_line_is_meant() -> None:
    clock = Clock()
    for description, rates in (("serial:/dev/x", [2400]), ("serial:/dev/x:speed=9600", [])):
        port, ups = LinePort(clock), Ups(clock, "x")
        port.description = description
        driver = drivers.make_driver("megatec", clock, port, ups)
        assert ups.driver is driver
        driver.start()
        clock.advance(0)
        assert [each.rate for each in port.story if isinstance(each, Settings)] == rates
        driver.stop()
        ups.close()


@pytest.mark.parametrize(
    ("kind", "settings", "found"),
    [
        ("contact", {"options": {"mfr": "x"}}, {"options": "cable_override"}),
        (
            "contact",
            {"cable": 99, "override": {"lb": "dsr"}},
            {"cable": "0 to 23", "cable_override.lb": "-cts"},
        ),
        ("contact", {"override": {"ol": "+cts", "ob": "-cts"}}, {"cable_override": "twice"}),
        (
            "contact",
            {"override": {"lbb": "+dsr", "hold": "900"}},
            {"cable_override.lbb": "did you mean lb", "cable_override.hold": "60 seconds"},
        ),
        ("contact", {"line": "tcp:4000"}, {"line": "no circuits"}),
        ("megatec", {"cable": 3}, {"cable": "contact has"}),
        (
            "megatec",
            {"options": {"no-ratngs": "yes", "no-vendor": "perhaps", "runtime": "1,2"}},
            {
                "options.no-ratngs": "no-ratings",
                "options.no-vendor": "yes nor no",
                "options.runtime": "720,50",
            },
        ),
        ("megatec", {"options": {"battery-low": "26", "battery-high": "20"}}, {"options": "full battery"}),
        ("apcsmart", {"options": {"cable-power": "both"}}, {"options.cable-power": "normal"}),
    ],
)
def test_what_is_wrong_is_said(kind: str, settings: dict[str, Any], found: dict[str, str]) -> None:
    """All of it at once, each with its place and a remedy."""
    told = {".".join(path): text for path, text in drivers.mistakes(kind, **{"line": "/dev/x", **settings})}
    assert list(told) == list(found)
    for key, words in found.items():
        assert words in told[key]


def test_nothing_is_wrong_with_nothing_said() -> None:
    for kind in drivers.KINDS:
        assert list(drivers.mistakes(kind, "/dev/ttyS0")) == []


def test_a_poll_is_shown_as_it_is() -> None:
    """Asked for seldom, the UPS is asked often enough for what is served to be fresh."""
    for asked, real in ((0.0, "0.2"), (2.0, "2"), (3600.0, "10")):
        clock = Clock()
        ups = Ups(clock, "x")
        drivers.make_driver("contact", clock, LinePort(clock), ups, poll_s=asked)
        ups.publish({}, ["OL"])
        assert ups.values()["driver.parameter.pollinterval"] == real
        ups.close()


def test_documents_name_every_cable_and_option() -> None:
    text = DOCUMENT.read_text()
    for line in cables.TABLE.strip().splitlines():
        number, maker, model, *circuits = (part.strip() for part in line.split("|"))
        row = next(each for each in text.splitlines() if each.startswith(f"| {number} | {maker} "))
        assert model in row
        assert row.endswith("| " + " | ".join(circuits[:4]) + " |")
    for key in (*megatec.OPTIONS, *apcsmart.OPTIONS, *cables.KEYS):
        assert f"`{key}`" in text
    for command in COMMANDS:
        assert f"`{command}`" in text or f"`.{command.rpartition('.')[2]}`" in text


def test_every_variable_has_a_description() -> None:
    assert {row.name for row in wire.ROWS} <= set(VARIABLES)


# -- batteries -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reported", "nominal", "found"),
    [(2.27, 24, 12), (27.5, 24, 1), (13.6, 24, 2), (2.2, 192, 100), (21.0, 24, 1), (0.0, 24, None)],
)
def test_blocks_of_a_pack(reported: float, nominal: float, found: float | None) -> None:
    assert battery.multiplier(reported, nominal) == found


def test_charge() -> None:
    low, high = battery.limits(24)
    assert (round(low, 1), round(high, 1)) == (20.8, 26.0)
    assert [round(battery.charge(volts, low, high)) for volts in (20.0, 21.4, 27.5)] == [0, 12, 100]


@given(
    st.lists(st.tuples(st.floats(0.1, 100), st.floats(0, 100), st.booleans()), max_size=20),
    st.floats(0, 100),
)
def test_runtime_stays_within_reason(steps: list[tuple[float, float, bool]], charge: float) -> None:
    calibration = battery.Calibration.parse("240,100,720,50")
    runtime, now = battery.Runtime(calibration), 0.0
    most = calibration.nominal_s / battery.LEAST_LOAD**calibration.exponent
    for seconds, load, on_battery in steps:
        now += seconds
        assert 0 <= runtime.update(now, load, charge, on_battery) <= most + 1e-6


def test_runtime_runs_down_as_it_said() -> None:
    runtime = battery.Runtime(battery.Calibration.parse("720,50,240,100"))
    assert runtime.update(0, 50, 100, False) == pytest.approx(720)
    assert runtime.update(360, 50, 100, True) == pytest.approx(360)
    assert runtime.update(360, 100, 100, True) == pytest.approx(120)
