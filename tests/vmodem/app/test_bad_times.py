"""Many modems when things go wrong around them."""

from __future__ import annotations

import contextlib
import socket
import time
from typing import Any

from tests.helpers.exchange import LOCAL, World
from vmodem.config.schema import Config, DirectoryConfig, GroupConfig


def test_forty_dials_to_the_dead_do_not_hold_up_one_to_the_living(world: World) -> None:
    """Twenty wait for a name server that says nothing, twenty for a host that does not answer."""
    with contextlib.ExitStack() as stack:
        silent = stack.enter_context(socket.socket(type=socket.SOCK_DGRAM))
        silent.bind(("127.0.0.1", 0))
        dead = stack.enter_context(socket.socket())
        dead.bind(("127.0.0.1", 0))
        dead.listen(0)
        for _ in range(4):  # its queue is full: further attempts hear nothing
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(dead.getsockname())
        living = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        names = [f"m{number:02}" for number in range(41)]
        modems = {name: world.modem(name) for name in names}
        world.config = Config(
            modems=modems, directory=DirectoryConfig(resolver=f"127.0.0.1:{silent.getsockname()[1]}")
        )
        world.start()
        ends = [world.dte(name) for name in names]
        for number, end in enumerate(ends[:40]):
            where = f"host{number}.example:23" if number % 2 else f"127.0.0.1:{dead.getsockname()[1]}"
            end.say(f"ATDT{where}\r".encode())
        world.reactor.run_for(0.2)
        began = time.monotonic()
        ends[40].say(f"ATDT127.0.0.1:{living.getsockname()[1]}\r".encode())
        ends[40].expect(b"CONNECT")
        assert time.monotonic() - began < 1
        assert not any(b"NO CARRIER" in end.listen() for end in ends[:40:2])
        for end in ends[:40]:
            end.say(b" ")  # any key gives up
            end.expect(b"NO CARRIER")


def test_numbers_that_lead_to_themselves(world: World) -> None:
    """A modem hunting through a group it belongs to reaches another line; alone it reads BUSY."""
    groups = (
        GroupConfig(name="both", modems=("a", "b"), answer=(LOCAL,)),
        GroupConfig(name="self", modems=("a",)),
    )
    numbers = {"_1": "group:both", "_2": "group:self", "_3": "line:a", "_4": "loop:"}
    world.configure(world.modem("a"), world.modem("b"), groups=groups, **numbers)
    world.start()
    a, b = world.dte("a"), world.dte("b")
    for number in (b"2", b"3", b"4"):
        a.say(b"ATDT" + number + b"\r")
        a.expect(b"BUSY")
    a.say(b"ATDT1\r")
    b.expect(b"RING")


def test_two_leased_lines_that_call_each_other(world: World) -> None:
    """One of them gets through; there is no storm of calls."""
    a = world.modem("a", leased="line:b", init="S0=1")
    b = world.modem("b", leased="line:a", init="S0=1")
    world.configure(a, b)
    world.start()
    with socket.socket(socket.AF_UNIX) as one, socket.socket(socket.AF_UNIX) as other:
        one.connect(str(world.folder / "a"))
        other.connect(str(world.folder / "b"))
        world.reactor.run_for(3)
        stations: list[Any] = [world.program.services["modem", name] for name in "ab"]
        assert any(station.occupied for station in stations)
        assert sum(len(station.records(1000)) for station in stations) <= 12


def test_a_password_is_asked_before_anything_rings(world: World) -> None:
    world.configure(world.modem("a", answer=(LOCAL,), password="sesame"))
    world.start()
    end = world.dte("a")
    port = world.port("modem", "a")
    caller = world.call(port)
    caller.expect(b"Password: ")
    assert world.free("a")
    caller.say(b"sesame\rand on")
    end.expect(b"RING")
    end.say(b"ATA\r")
    end.expect(b"CONNECT 115200\r\nand on")


def test_callers_of_one_address_are_counted(world: World) -> None:
    from vmodem.net.admission.limits import CallerLimits

    world.configure(world.modem("a", answer=(LOCAL,), caller_limits=CallerLimits(per_address=2)))
    world.start()
    end = world.dte("a")
    for _ in range(2):
        caller = world.call(world.port("modem", "a"))
        end.expect(b"RING")
        caller.close()
        world.reactor.until(lambda: world.free("a"))
    world.call(world.port("modem", "a")).expect_end()
    assert b"RING" not in end.listen()
