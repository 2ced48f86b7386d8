"""Who may import whom: cli -> app -> modem -> line, call -> port -> net -> wire, and modem -> atparser;
never back.

`atparser` and `vmodem.wire` are the standard library only, so that each can be lifted out and used elsewhere.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.imports import Import, imports, modules
from tests.house.tree import ROOT

# From the outside in. What shares a number is on one floor and does not know each other.
FLOORS = {
    "cli": 7,
    "app": 6,
    "config": 5,
    "redirect": 5,
    "bridge": 4,
    "control": 4,
    "modem": 4,
    "server": 4,
    "ups": 4,
    "line": 3,
    "call": 3,
    "port": 2,
    "net": 1,
    "tty": 1,
    "wire": 0,
}

# Besides the modem: what assembles modems, and what reads the dial string that the modem hands on.
KNOW_ATPARSER = {"cli", "app", "config", "modem", "call"}

# Slow to import, or not there at all in a plain install: only these modules name them at their top, and these
# are themselves imported only where they are needed, inside a function.
HEAVY: dict[str, set[str]] = {
    "serial": {
        "vmodem.line.serialport",
        "vmodem.port.devicesettings",
        "vmodem.port.opening",
        "vmodem.port.serial",
        "vmodem.tty.equipment",
    },
    "ssl": {
        "vmodem.net.tls.begin",
        "vmodem.net.tls.context",
        "vmodem.net.tls.files",
        "vmodem.net.tls.names",
        "vmodem.net.tls.session",
        "vmodem.net.tls.stream",
    },
    "twisted.internet.serialport": set(),
    "twisted.internet.ssl": set(),
    "OpenSSL": set(),
    "cryptography": set(),
    "twisted.conch": {"vmodem.net.ssh.call", "vmodem.net.ssh.login", "vmodem.net.ssh.protocol"},
    "zeroconf": {"vmodem.net.names.dnssd"},
}


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def room(module: str) -> str:
    """The room of vmodem a module is in; the empty string for vmodem itself and for what is not vmodem's."""
    parts = module.split(".")
    return parts[1] if parts[0] == "vmodem" and len(parts) > 1 else ""


def not_standard(found: list[Import], package: str) -> list[Import]:
    """Imports in a package of anything but itself and the standard library."""
    return [
        each
        for each in found
        if within(each.module, package)
        and not within(each.target, package)
        and each.target.partition(".")[0] not in sys.stdlib_module_names
    ]


def upwards(found: list[Import]) -> list[Import]:
    """Imports that go up a floor, or across one."""
    return [
        each
        for each in found
        if (here := room(each.module)) != (there := room(each.target))
        and here in FLOORS
        and there in FLOORS
        and FLOORS[there] >= FLOORS[here]
    ]


def heavy(found: list[Import]) -> list[Import]:
    """Imports at the top of a module that make it heavy although it is not meant to be."""
    rooms = set().union(*HEAVY.values())
    return [
        each
        for each in found
        if each.top
        and (
            (each.target in rooms and each.module not in rooms)
            or any(within(each.target, name) and each.module not in HEAVY[name] for name in HEAVY)
        )
    ]


def circle(found: list[Import]) -> list[str]:
    """Rooms that import one another in a circle, or nothing."""
    edges: dict[str, set[str]] = {}
    for each in found:
        here, there = room(each.module), room(each.target)
        if here and there and here != there:
            edges.setdefault(here, set()).add(there)
    done: set[str] = set()

    def follow(path: list[str]) -> list[str]:
        for there in sorted(edges.get(path[-1], ())):
            if there in path:
                return [*path[path.index(there) :], there]
            if there not in done and (closed := follow([*path, there])):
                return closed
        done.add(path[-1])
        return []

    for here in sorted(edges):
        if here not in done and (closed := follow([here])):
            return closed
    return []


@pytest.fixture(scope="module")
def found() -> list[Import]:
    found = imports(ROOT, "atparser", "vmodem")
    assert {each.module.partition(".")[0] for each in found} == {"atparser", "vmodem"}
    return found


@pytest.mark.parametrize("package", ["atparser", "vmodem.wire"])
def test_standard_library_only(found: list[Import], package: str) -> None:
    assert not_standard(found, package) == []


def test_never_up(found: list[Import]) -> None:
    assert upwards(found) == []


def test_rooms_form_no_circle(found: list[Import]) -> None:
    assert circle(found) == []


def test_who_knows_atparser(found: list[Import]) -> None:
    assert [
        each
        for each in found
        if within(each.target, "atparser") and room(each.module) in FLOORS.keys() - KNOW_ATPARSER
    ] == []


def test_nobody_needs_the_command_line(found: list[Import]) -> None:
    """Below the command line and `vmodem.app` nothing knows of them, whether it has a floor or not."""
    above = {"cli", "app"}
    assert [
        each
        for each in found
        if room(each.target) in above and room(each.module) not in above | {"__main__", "testing"}
    ] == []


def test_nothing_shipped_imports_tests(found: list[Import]) -> None:
    assert [
        each for each in found if within(each.target, "tests") or within(each.target, "vmodem.testing")
    ] == []


def test_vmodem_itself_imports_nothing(found: list[Import]) -> None:
    """Its version is read while it is being built, when nothing else is installed."""
    assert [each for each in found if each.module == "vmodem" and not within(each.target, "__future__")] == []


def test_heavy_modules_stay_in_their_rooms(found: list[Import]) -> None:
    assert heavy(found) == []


def test_command_line_starts_without_pyserial() -> None:
    if "vmodem.cli" not in modules(ROOT, "vmodem"):
        pytest.fail("vmodem.cli is not there")
    code = "import sys, vmodem.cli; print(*sorted({'serial', 'zeroconf'} & set(sys.modules)))"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert (result.returncode, result.stdout.split()) == (0, []), result.stderr


# -- the rules themselves, tried on a house built wrong ---------------------------------------------


def house(root: Path, **files: str) -> list[Import]:
    for name, text in files.items():
        path = root.joinpath(*name.split("__")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for folder in [root / "vmodem", root / "atparser"]:
        folder.mkdir(exist_ok=True)
    return imports(root, "atparser", "vmodem")


def test_rules_see_what_is_wrong(tmp_path: Path) -> None:
    found = house(
        tmp_path,
        atparser__engine="import os.path\nfrom vmodem.wire import telnet\nimport attr\n",
        vmodem__wire__telnet="from __future__ import annotations\nimport re\n",
        vmodem__line__pty="from ..call import originate\ndef f():\n    from ..modem.driver import Driver\n",
        vmodem__call__originate="from vmodem.net import connect\n",
        vmodem__net__connect="import vmodem.call.originate\n",
        vmodem__modem__driver="from vmodem.line import pty\n",
    )
    assert [each.target for each in not_standard(found, "atparser")] == ["vmodem.wire.telnet", "attr"]
    assert not_standard(found, "vmodem.wire") == []
    assert sorted((each.module, each.target) for each in upwards(found)) == [
        ("vmodem.line.pty", "vmodem.call.originate"),
        ("vmodem.line.pty", "vmodem.modem.driver"),
        ("vmodem.net.connect", "vmodem.call.originate"),
    ]
    assert circle(found) == ["call", "net", "call"]


def test_rules_see_what_is_heavy(tmp_path: Path) -> None:
    found = house(
        tmp_path,
        vmodem__line__serialport="import serial.tools\nimport OpenSSL\n",
        vmodem__line__choose=(
            "from typing import TYPE_CHECKING\n"
            "if TYPE_CHECKING:\n    import serial\n"
            "def late():\n    from vmodem.line import serialport\n"
        ),
        vmodem__app=(
            "import serial\n"
            "from twisted.internet import ssl\n"
            "from vmodem.line import serialport\n"
            "class Box:\n    from zeroconf import Zeroconf\n"
        ),
    )
    assert sorted((each.module, each.target) for each in heavy(found)) == [
        ("vmodem.app", "serial"),
        ("vmodem.app", "twisted.internet.ssl"),
        ("vmodem.app", "vmodem.line.serialport"),
        ("vmodem.app", "zeroconf.Zeroconf"),
        ("vmodem.line.serialport", "OpenSSL"),
    ]
