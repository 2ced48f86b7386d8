"""Several modems in one process: groups, calls between them, and changes of the configuration under calls.

The DTE of each modem is a client of a Unix socket; callers come by TCP.
"""

from __future__ import annotations

import dataclasses
import os
import random
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.exchange import LOCAL, End, World
from vmodem.app.operations import Operations
from vmodem.config.reading import ConfigError, Mistake
from vmodem.config.schema import GroupConfig
from vmodem.control.operator import OperatorError


def bank(order: str = "linear", **keys: Any) -> GroupConfig:
    return GroupConfig(name="bank", answer=(LOCAL,), modems=("a", "b", "c"), order=order, **keys)  # type: ignore[arg-type]


# -- one modem ---------------------------------------------------------------------------------------------


def test_the_next_client_of_a_line_does_not_go_on_with_what_the_last_one_typed(world: World) -> None:
    world.configure(world.modem("a"))
    world.start()
    first = world.dte("a", b"ATS25=255")
    first.say(b"ATDT")
    first.close()
    world.reactor.run_for(0.1)  # one client at a time
    second = world.dte("a")
    second.say(b"AT\r")
    second.expect(b"OK\r\n")


# -- hunt groups ---------------------------------------------------------------------------------------------


def test_a_group_rings_one_modem_after_the_other_then_says_busy(world: World) -> None:
    world.configure(*map(world.modem, "abc"), groups=(bank(busy_text="All lines are busy.\r\n"),))
    world.start()
    ends = [world.dte(name) for name in "abc"]
    port = world.port("group", "bank")
    callers = []
    for end in ends:
        callers.append(world.call(port))
        end.expect(b"RING\r\n")
        end.say(b"ATA\r")
        end.expect(b"CONNECT")
    late = world.call(port)
    late.expect(b"All lines are busy.\r\n")
    late.expect_end()
    for number, (end, caller) in enumerate(zip(ends, callers, strict=True)):
        end.say(b"this is %d" % number)
        caller.expect(b"this is %d" % number)


@pytest.mark.parametrize(
    ("order", "wanted"), [("linear", "aaa"), ("circular", "abc"), ("least-recent", "abc")]
)
def test_orders(world: World, order: str, wanted: str) -> None:
    world.configure(*map(world.modem, "abc"), groups=(bank(order),))
    world.start()
    ends = {name: world.dte(name) for name in "abc"}
    rang = ""
    for _ in wanted:
        caller = world.call(world.port("group", "bank"))
        world.reactor.until(lambda: any(b"RING" in end.listen() for end in ends.values()))
        name = next(name for name, end in ends.items() if b"RING" in end.heard)
        rang += name
        caller.close()
        world.reactor.until(lambda name=name: world.free(name))
        ends[name].heard.clear()
    assert rang == wanted


def test_modems_out_of_service_are_passed_over(world: World) -> None:
    """The operator's busy, and a DTE that has gone off-hook by itself (ATH1)."""
    world.configure(*map(world.modem, "abc"), groups=(bank(),))
    world.start()
    ends = {name: world.dte(name) for name in "abc"}
    world.program.services["modem", "a"].set_busy(True)  # type: ignore[attr-defined]
    ends["b"].say(b"ATH1\r")
    ends["b"].expect(b"OK")
    world.call(world.port("group", "bank"))
    ends["c"].expect(b"RING")
    ends["b"].say(b"ATH0\r")
    ends["b"].expect(b"OK")
    world.call(world.port("group", "bank"))
    ends["b"].expect(b"RING")


def test_a_group_that_stops_listening_while_all_are_busy(world: World) -> None:
    """A hunting caller is refused by the system and goes elsewhere at once."""
    world.configure(*map(world.modem, "abc"), groups=(bank(off_hook="closed"),))
    world.start()
    ends = [world.dte(name) for name in "abc"]
    port = world.port("group", "bank")
    for end in ends:
        world.call(port)
        end.expect(b"RING")
    with pytest.raises(ConnectionRefusedError):
        world.call(port)
    ends[1].say(b"ATA\r")
    ends[1].expect(b"CONNECT")
    world.ends[4].close()
    ends[1].expect(b"NO CARRIER")
    world.call(port)
    ends[1].expect(b"RING")


def test_a_modem_that_stops_listening_while_it_is_off_hook(world: World) -> None:
    world.configure(world.modem("a", answer=(LOCAL,), off_hook="closed"))
    world.start()
    end = world.dte("a", b"ATH1")
    port = world.port("modem", "a")
    assert port == 0
    end.say(b"ATH0\r")
    end.expect(b"OK")
    world.call(world.port("modem", "a"))
    end.expect(b"RING")


def test_hold_after_a_call(world: World) -> None:
    world.configure(world.modem("a", answer=(LOCAL,), hold=0.3))
    world.start()
    end = world.dte("a")
    first = world.call(world.port("modem", "a"))
    end.expect(b"RING")
    first.close()
    world.reactor.until(lambda: world.program.status()["modem a"]["state"] == "idle")
    world.call(world.port("modem", "a")).expect(b"BUSY")
    world.reactor.until(lambda: world.free("a"))
    world.call(world.port("modem", "a"))
    end.expect(b"RING")


def test_answer_delay(world: World) -> None:
    world.configure(world.modem("a", answer=(LOCAL,), answer_delay=0.2))
    world.start()
    end = world.dte("a")
    caller = world.call(world.port("modem", "a"))
    caller.say(b"early")
    world.call(world.port("modem", "a")).expect(b"BUSY")
    assert b"RING" not in end.listen()
    end.expect(b"RING")
    end.say(b"ATA\r")
    end.expect(b" 115200\r\nearly")


# -- within the process --------------------------------------------------------------------------------------


def test_calls_between_modems(world: World) -> None:
    numbers = {"_1": "line:b", "_2": "group:bank", "_3": "line:nobody"}
    world.configure(world.modem("a", number="5551000"), world.modem("b"), groups=(bank(),), **numbers)
    world.start()
    near, far = world.dte("a"), world.dte("b", b"AT+VCID=1")
    near.say(b"ATDT1\r")
    far.expect(b"NMBR = 5551000")
    far.expect(b"RING")
    far.say(b"ATA\r")
    far.expect(b"CONNECT 115200\r\n")
    near.expect(b"CONNECT 115200\r\n")
    data = random.Random(1).randbytes(100_000)
    for start in range(0, len(data), 10_000):
        near.say(data[start : start + 10_000])
        world.reactor.until(lambda end=start + 10_000: len(far.listen()) >= end)
    assert bytes(far.heard) == data
    near.say(b"done")
    world.ends[0].close()
    far.expect(b"NO CARRIER")


def test_busy_and_unknown_within_the_process(world: World) -> None:
    world.configure(world.modem("a"), world.modem("b"), _1="line:b", _3="line:nobody", _4="line:a")
    world.start()
    near, far = world.dte("a"), world.dte("b", b"ATH1")
    assert far is not None
    for number in (b"1", b"3", b"4"):
        near.say(b"ATDT" + number + b"\r")
        near.expect(b"BUSY")


# -- changes while it runs -----------------------------------------------------------------------------------


def test_reload_changes_numbers_rules_and_listeners_under_a_call(world: World, tmp_path: Path) -> None:
    world.configure(world.modem("a", answer=(LOCAL,)))
    world.start()
    end = world.dte("a")
    port = world.port("modem", "a")
    caller = world.call(port)
    end.expect(b"RING")
    end.say(b"ATA\r")
    end.expect(b"CONNECT")
    second = f"unix:{tmp_path}/second"
    world.configure(
        world.modem("a", answer=(LOCAL, second), number="77", busy_text="later\r\n"),
        world.modem("b"),
        _9="echo:",
    )
    assert sorted(world.program.reload()) == ["directory: changed", "modem a: changed", "modem b: new"]
    assert world.port("modem", "a") == port
    end.say(b"still here")
    caller.expect(b"still here")
    world.call(port).expect(b"later")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(f"{tmp_path}/second")
    other = world.dte("b")
    other.say(b"ATDT9\r")
    other.expect(b"CONNECT")
    assert world.program.reload() == []


def test_a_modem_that_is_no_more_ends_after_its_call(world: World) -> None:
    world.configure(world.modem("a", answer=(LOCAL,)), world.modem("b"))
    world.start()
    end = world.dte("a")
    port = world.port("modem", "a")
    caller = world.call(port)
    end.expect(b"RING")
    end.say(b"ATA\r")
    end.expect(b"CONNECT")
    world.configure(world.modem("b"))
    world.program.reload()
    with pytest.raises(ConnectionRefusedError):
        world.call(port)
    end.say(b"x" * 1000)
    caller.expect(b"x" * 1000)
    Operations(world.program).hang_up("a")
    caller.expect_end()
    end.expect(b"NO CARRIER")
    end.expect_end()
    assert "a" not in Operations(world.program).status()
    assert not os.path.lexists(world.folder / "a")


def test_another_line_waits_for_the_end_of_the_call(world: World) -> None:
    world.configure(world.modem("a", answer=(LOCAL,)))
    world.start()
    end = world.dte("a")
    caller = world.call(world.port("modem", "a"))
    end.expect(b"RING")
    end.say(b"ATA\r")
    end.expect(b"CONNECT")
    moved = dataclasses.replace(world.modem("a", answer=(LOCAL,)), line=f"unix:{world.folder}/moved")
    world.configure(moved)
    world.program.reload()
    operator = Operations(world.program)
    assert operator.status()["a"]["leaving"]
    assert operator.status()["a"]["call"]
    end.say(b"undisturbed")
    caller.expect(b"undisturbed")
    assert not os.path.lexists(world.folder / "moved")
    caller.close()
    world.reactor.until(lambda: os.path.lexists(world.folder / "moved"))
    world.dte("moved")


def test_a_listener_moves_from_one_modem_to_another(world: World, tmp_path: Path) -> None:
    place = f"unix:{tmp_path}/place"
    world.configure(world.modem("a", answer=(place,)), world.modem("b"))
    world.start()
    a, b = world.dte("a"), world.dte("b")
    world.configure(world.modem("a"), world.modem("b", answer=(place,)))
    assert len(world.program.reload()) == 2
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(f"{tmp_path}/place")
        b.expect(b"RING")
    assert b"RING" not in a.listen()


def test_a_bad_configuration_changes_nothing(world: World) -> None:
    world.configure(world.modem("a", answer=(LOCAL,)))
    world.start()
    world.bad = ConfigError([Mistake("vmodem.toml", 3, "modem.a.lin", "unknown key")])
    world.program.hang_up_signal()
    end = world.dte("a")
    world.call(world.port("modem", "a"))
    end.expect(b"RING")


def test_what_cannot_be_had_is_told_and_the_rest_is_in_force(world: World) -> None:
    world.configure(world.modem("a"))
    world.start()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        world.configure(
            world.modem("a", answer=(f"tcp:{port}:interface=127.0.0.1",)), world.modem("b"), _7="echo:"
        )
        with pytest.raises(OperatorError) as told:
            world.reactor.wait_for(Operations(world.program).reload())
    failure, *rest = str(told.value).splitlines()
    assert failure.startswith("modem a: ")
    assert "already in use" in failure
    assert "modem b: new" in rest
    world.dte("b").say(b"ATDT7\r")
    world.ends[-1].expect(b"CONNECT")


def test_reload_under_a_hundred_calls_with_data(world: World) -> None:
    """Nothing is lost, nothing is repeated, no call ends."""
    names = [f"m{number:03}" for number in range(100)]
    groups = (GroupConfig(name="bank", answer=(LOCAL,), modems=tuple(names)),)
    world.configure(*(world.modem(name, init="S0=1") for name in names), groups=groups)
    world.start()
    ends = [world.dte(name) for name in names]
    callers = [world.call(world.port("group", "bank")) for _ in names]
    joined: dict[int, int] = {}
    for number, caller in enumerate(callers):
        caller.say(b"<%03d>" % number)
    for index, end in enumerate(ends):
        end.expect(b"CONNECT 115200\r\n")
        world.reactor.until(lambda end=end: len(end.listen()) >= 5)
        joined[index] = int(end.heard[1:4])
        end.heard.clear()
    assert sorted(joined.values()) == list(range(100))
    data = random.Random(2).randbytes(40_000)
    loads = [data[number * 300 :][:10_000] for number in range(100)]
    for start in range(0, 10_000, 2000):
        for index, end in enumerate(ends):
            end.say(loads[index][start : start + 2000])
            callers[joined[index]].say(loads[-index - 1][start : start + 2000])
        changed = [world.modem(name, init="S0=1", number=str(start)) for name in names]
        world.configure(*changed, groups=groups)
        assert len(world.program.reload()) == 100

    def whole(one: list[End]) -> Callable[[], bool]:
        return lambda: all(len(each.listen()) >= 10_000 for each in one)

    world.reactor.until(whole(ends), 30)
    world.reactor.until(whole(callers), 30)
    for index, end in enumerate(ends):
        assert bytes(callers[joined[index]].heard) == loads[index]
        assert bytes(end.heard) == loads[-index - 1]


def test_five_hundred_modems_each_ring_and_answer_once(world: World) -> None:
    names = [f"m{number:03}" for number in range(500)]
    groups = (GroupConfig(name="bank", answer=(LOCAL,), modems=tuple(names)),)
    world.configure(*(world.modem(name) for name in names), groups=groups)
    world.start()
    ends = [world.dte(name) for name in names]
    port = world.port("group", "bank")
    for end in ends:
        world.call(port)
        end.expect(b"RING\r\n")
    for end in ends:
        end.say(b"ATA\r")
    for end in ends:
        end.expect(b"CONNECT")
    world.call(port).expect(b"BUSY")
