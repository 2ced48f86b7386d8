"""A UPS as data: what is served, for how long, and what is told."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from vmodem.ups.model import Event, Health, Outcome, Ups, Variable, clean
from vmodem.ups.names import cuts_power


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ups(clock: Clock) -> Ups:
    return Ups(clock, "rack", "a rack")


def events(ups: Ups) -> list[str]:
    told: list[str] = []
    ups.watchers.append(lambda _, event: told.append(event.value))
    return told


def test_nothing_is_served_before_the_status_is_known(ups: Ups) -> None:
    ups.facts({"ups.mfr": "Acme"})
    ups.publish({"ups.load": "14"})
    assert (ups.health, ups.values(), ups.reason) == (Health.STALE, {}, "no answer yet")
    ups.set_status(["OL"])
    assert ups.health is Health.FINE
    assert ups.values() == {"ups.load": "14", "ups.mfr": "Acme", "ups.status": "OL"}


def test_what_was_published_is_forgotten_when_the_ups_is_silent(ups: Ups) -> None:
    ups.fix({"driver.name": "x"})
    ups.facts({"ups.mfr": "Acme"})
    ups.publish({"ups.load": "14"}, ["OL"])
    ups.stale("no answer")
    assert (ups.health, ups.reason, ups.values(), ups.status) == (Health.STALE, "no answer", {}, "")
    ups.publish({}, ["OB"])
    assert ups.values() == {"driver.name": "x", "ups.mfr": "Acme", "ups.status": "OB"}


def test_facts_are_forgotten_with_the_port(ups: Ups) -> None:
    ups.fix({"driver.name": "x", "ups.serial": "configured"})
    ups.facts({"ups.mfr": "Acme", "ups.serial": "1"})
    ups.publish({}, ["OL"])
    assert ups.values()["ups.serial"] == "configured"
    ups.port_gone("no such device")
    assert (ups.health, ups.reason) == (Health.GONE, "no such device")
    ups.publish({}, ["OL"])
    assert ups.values() == {"driver.name": "x", "ups.serial": "configured", "ups.status": "OL"}


def test_a_driver_that_hangs_makes_its_data_stale(ups: Ups, clock: Clock) -> None:
    told = events(ups)
    ups.publish({"ups.load": "14"}, ["OL"])
    clock.advance(14)
    ups.publish({"ups.load": "15"})
    clock.advance(14)
    assert ups.health is Health.FINE
    clock.advance(1.5)
    assert (ups.health, told) == (Health.STALE, ["commbad"])
    assert ups.reason == "nothing was heard of it for 15 s"
    ups.publish({}, ["OL"])
    assert told == ["commbad", "commok"]
    ups.close()
    assert clock.getDelayedCalls() == []


def test_age_is_asked_of_the_clock_even_when_no_timer_ran(ups: Ups, clock: Clock) -> None:
    ups.publish({}, ["OL"])
    clock.rightNow += 16
    assert ups.values() == {}


def test_a_driver_takes_a_variable_away(ups: Ups) -> None:
    ups.publish({"ups.alarm": "hot"}, ["ALARM", "OL"])
    ups.publish({"ups.alarm": None}, ["OL"])
    assert ups.values() == {"ups.status": "OL"}


@pytest.mark.parametrize(
    ("statuses", "told"),
    [
        (["OL"], []),
        (["OB"], ["onbatt"]),
        (["OL", "OB DISCHRG", "OB DISCHRG", "OL"], ["onbatt", "online"]),
        (["OL", "OB", "OB LB", "OB LB"], ["onbatt", "lowbatt", "shutdown"]),
        (["OL LB", "OB LB"], ["lowbatt", "onbatt", "shutdown"]),
        (["OL CAL", "OB LB CAL"], ["onbatt", "lowbatt"]),
        (["OL RB", "OL RB", "OL", "OL RB"], ["replbatt", "replbatt"]),
        (["OL", "FSD OL"], ["fsd", "shutdown"]),
        (["OB", "", "OB"], ["onbatt", "commbad", "commok"]),
        (["OB", "", "OL"], ["onbatt", "commbad", "commok", "online"]),
        (["", "", "OL"], ["commbad", "commok"]),
    ],
)
def test_events(ups: Ups, statuses: list[str], told: list[str]) -> None:
    heard = events(ups)
    for status in statuses:
        if status:
            ups.publish({}, status.split())
        else:
            ups.stale("no answer")
    assert heard == told


def test_a_forced_shutdown_is_latched(ups: Ups) -> None:
    told = events(ups)
    ups.publish({}, ["OL"])
    ups.force_shutdown()
    ups.force_shutdown()
    assert (ups.status, ups.values()["ups.status"]) == ("FSD OL", "FSD OL")
    ups.publish({}, ["OB", "LB"])
    ups.stale("silent")
    ups.publish({}, ["FSD", "OL"])
    assert ups.status == "FSD OL"
    assert told == ["fsd", "shutdown", "onbatt", "lowbatt", "commbad", "commok", "online"]


def test_a_watcher_that_fails_disturbs_nobody(ups: Ups) -> None:
    def broken(_: Ups, __: Event) -> None:
        raise RuntimeError

    ups.watchers.append(broken)
    told = events(ups)
    ups.publish({}, ["OB"])
    assert told == ["onbatt"]


@pytest.mark.parametrize(
    ("text", "served"),
    [
        ('Smart-UPS "700"', "Smart-UPS '700'"),
        ("Büro #2\\", "B?ro ?2/"),
        ("a\r\nb\x1b[2J", "a  b?[2J"),
        ("x" * 600, "x" * 256),
        ("  ", ""),
    ],
)
def test_values_are_safe_for_every_client(ups: Ups, text: str, served: str) -> None:
    ups.publish({"ups.model": text}, ["OL"])
    assert ups.values()["ups.model"] == served == clean(text)


@pytest.mark.parametrize(
    ("variable", "value", "fault"),
    [
        (Variable("x", length=4), "abcd", None),
        (Variable("x", length=4), "abcde", "TOO_LONG"),
        (Variable("x", length=40), 'a"b', "INVALID"),
        (Variable("x", length=40), "a\rb", "INVALID"),
        (Variable("x", length=40), "S.5R0000\r", "INVALID"),
        (Variable("x", choices=("a", "b")), "b", None),
        (Variable("x", choices=("a", "b")), "c", "INVALID"),
        (Variable("x"), "12.5", None),
        (Variable("x"), "1e9", "INVALID"),
        (Variable("x"), "nan", "INVALID"),
        (Variable("x"), "", "INVALID"),
        (Variable("x", ranges=((12, 600),)), "600", None),
        (Variable("x", ranges=((12, 600),)), "601", "INVALID"),
        (Variable("x", ranges=((0, 1), (5, 9))), "7", None),
        (Variable("x", ranges=((0, 1), (5, 9))), "-7", "INVALID"),
    ],
)
def test_faults(variable: Variable, value: str, fault: str | None) -> None:
    found = variable.fault(value)
    assert (found.name if found else None) == fault


def test_requests_without_a_driver_and_beyond_the_bound_fail(ups: Ups) -> None:
    outcomes: list[Outcome] = []
    ups.instant_command("load.off", "", outcomes.append)
    assert outcomes == [Outcome.FAILED]


@pytest.mark.parametrize(
    ("name", "cuts"),
    [
        ("load.off", True),
        ("load.off.delay", True),
        ("load.cycle", True),
        ("shutdown.return", True),
        ("shutdown.stayoff", True),
        ("shutdown.reboot.graceful", True),
        ("shutdown.stop", False),
        ("load.on", False),
        ("outlet.1.load.off", True),
        ("outlet.1.load.on", False),
        ("outlet.1.shutdown.return", True),
        ("beeper.off", False),
        ("test.battery.start", False),
    ],
)
def test_what_cuts_power(name: str, cuts: bool) -> None:
    assert cuts_power(name) is cuts
