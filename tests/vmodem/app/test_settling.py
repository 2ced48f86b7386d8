"""What a reload began and what becomes of it, as whoever asked for it is told."""

from __future__ import annotations

import os
import pty
import socket
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from tests.helpers.certificates import Certificates
from tests.helpers.exchange import LOCAL, World
from vmodem.app.operations import Operations
from vmodem.app.settling import LACKING_S, LIMIT_S, Settling
from vmodem.config.schema import Config, ModemConfig, PortConfig, UpsConfig
from vmodem.control.operator import OperatorError


class Works:
    """A program that has been changed."""

    def __init__(self) -> None:
        self.failed: list[str] = []
        self.todo: list[str] = []
        self.gone: list[str] = []

    def unsettled(self) -> list[str]:
        return self.todo

    def lacking(self) -> list[str]:
        return self.gone


def test_what_is_done_is_told_at_once_and_what_is_not_when_it_is() -> None:
    clock, works, told = Clock(), Works(), []
    works.failed = ["a"]
    Settling(clock, works, told.append).look()
    assert told == [["a"]]
    works.todo = ["b"]
    Settling(clock, works, told.append).look()
    clock.pump([0.1] * 10)
    assert len(told) == 1
    works.todo, works.failed = [], []
    clock.advance(0.1)
    assert told[1:] == [[]]
    assert clock.getDelayedCalls() == []


def test_nothing_is_waited_for_for_ever() -> None:
    clock, works, told = Clock(), Works(), []
    works.todo = ["b: is slow"]
    Settling(clock, works, told.append).look()
    clock.pump([0.1] * round(LIMIT_S * 10 - 2))
    assert told == []
    clock.advance(0.3)
    assert [len(each) for each in told] == [1]
    assert told[0][0].startswith("b: is slow; after 5 s")
    works.todo, works.gone = [], ["c: no device"]
    Settling(clock, works, told.append).look()
    clock.pump([0.1] * round(LACKING_S * 10 + 1))
    assert told[1:] == [["c: no device"]]


def test_another_reload_answers_the_one_before() -> None:
    clock, works, told = Clock(), Works(), []
    works.todo = ["b"]
    first = Settling(clock, works, told.append)
    first.look()
    first.tell("once more")
    assert told == [["b", "once more"]]
    assert clock.getDelayedCalls() == []


# -- a program -----------------------------------------------------------------------------------------------


def refused(world: World) -> list[str]:
    """What a reload says that did not come up."""
    with pytest.raises(OperatorError) as told:
        world.reactor.wait_for(Operations(world.program).reload())
    return str(told.value).partition("\nall else is in force")[0].splitlines()


def test_a_listener_of_one_that_begins_anew(world: World) -> None:
    """It starts when the one before it has ended, and its port is taken."""
    world.configure(world.modem("a", answer=(LOCAL,)), world.modem("b"))
    world.start()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        text = f"tcp:{taken.getsockname()[1]}:interface=127.0.0.1"
        world.configure(world.modem("a", answer=(text,), dialect="hayes"), world.modem("b", number="5"))
        (failure,) = refused(world)
    assert failure.startswith("modem a: ")
    assert "already in use" in failure
    world.dte("b", b"AT")
    assert world.reactor.wait_for(Operations(world.program).reload()) == []
    world.dte("a", b"AT")


def test_each_listener_that_cannot_be_had_is_told_and_the_others_are_open(world: World) -> None:
    world.configure(world.modem("a", answer=(LOCAL,)))
    world.start()
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        texts = [f"tcp:{each.getsockname()[1]}:interface=127.0.0.1" for each in (one, other)]
        world.configure(world.modem("a", answer=(*texts, f"unix:{world.folder}/good")))
        failures = refused(world)
    assert [text in failure for text, failure in zip(texts, failures, strict=True)] == [True, True]
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(world.folder / "good"))


def test_a_listener_that_is_shut_is_tried(world: World) -> None:
    """While a call keeps it shut, a new listener is found out about all the same; the call goes on."""
    world.configure(world.modem("a", answer=(LOCAL,), off_hook="closed"))
    world.start()
    end = world.dte("a")
    caller = world.call(world.port("modem", "a"))
    end.expect(b"RING")
    end.say(b"ATA\r")
    end.expect(b"CONNECT")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        text = f"tcp:{taken.getsockname()[1]}:interface=127.0.0.1"
        world.configure(world.modem("a", answer=(LOCAL, text), off_hook="closed"))
        (failure,) = refused(world)
    assert text in failure
    end.say(b"undisturbed")
    caller.expect(b"undisturbed")


def test_what_waits_for_the_end_of_a_call_is_no_failure(world: World) -> None:
    world.configure(world.modem("a", answer=(LOCAL,)))
    world.start()
    end = world.dte("a")
    caller = world.call(world.port("modem", "a"))
    end.expect(b"RING")
    end.say(b"ATA\r")
    end.expect(b"CONNECT")
    world.configure(world.modem("a", answer=(LOCAL,), dialect="hayes"))
    changes = world.reactor.wait_for(Operations(world.program).reload())
    assert changes == ["modem a: begins anew, as soon as nobody uses it"]
    end.say(b"undisturbed")
    caller.expect(b"undisturbed")


def test_devices_that_are_not_there(world: World) -> None:
    """Told of what is new or changed; what has been waiting for its device is not new."""
    world.configure(world.modem("a"))
    world.start()
    gone = "serial:/dev/ttyNONE9"
    world.config = Config(
        modems={"a": world.modem("a"), "b": ModemConfig(name="b", line=gone)},
        ports={"p": PortConfig(name="p", line=gone + "8", listen=(LOCAL,))},
        upses={"u": UpsConfig(name="u", line=gone + "7")},
    )
    failures = refused(world)
    assert [each.partition(": ")[0] for each in failures] == ["modem b", "port p", "ups u"]
    assert all("is not there" in each for each in failures)
    assert world.reactor.wait_for(Operations(world.program).reload()) == []
    master, slave = pty.openpty()
    ups = UpsConfig(name="u", line=f"serial:{os.ttyname(slave)}")
    world.config = Config(modems={"a": world.modem("a")}, upses={"u": ups})
    changes = world.reactor.wait_for(Operations(world.program).reload())
    assert sorted(changes) == ["modem b: removed", "port p: removed", "ups u: changed"]
    world.configure(world.modem("a"))
    world.reactor.wait_for(Operations(world.program).reload())
    os.close(master)
    os.close(slave)


def test_a_certificate_that_went_bad(world: World, certificates: Certificates, tmp_path: Path) -> None:
    """The listener goes on with what it has read; whoever reloads is told before the next start fails."""
    made = certificates.leaf("here")
    cert = tmp_path / "cert"
    cert.write_text(Path(made.cert).read_text())
    listen = f"tls:0:interface=127.0.0.1:cert={cert}:key={made.key}"
    world.configure(world.modem("a", answer=(listen,)))
    world.start()
    cert.write_text("no longer")
    (failure,) = refused(world)
    assert failure.startswith(f"modem a: cert={cert} holds no certificate")
    assert "stays in use" in failure
    world.call(world.port("modem", "a"))
    cert.unlink()
    world.configure(world.modem("a", answer=(listen,), dialect="hayes"))
    failures = refused(world)
    assert len(failures) == 1
    assert "No such file" in failures[0]


def test_stopping_in_the_middle(world: World) -> None:
    world.configure(world.modem("a"))
    world.start()
    world.configure(world.modem("a"), ModemConfig(name="b", line="serial:/dev/ttyNONE9"))
    Operations(world.program).reload()
