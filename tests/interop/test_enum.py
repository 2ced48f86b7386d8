"""What `records` prints, in the hands of the programs it is for, and asked for again."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.ports import free_port
from tests.helpers.process import Scene
from tests.helpers.programs import need
from tests.helpers.reactors import Reactor, reactor
from tests.helpers.servers import start
from vmodem.call.numbering import Numbering
from vmodem.call.records import Line, Lines, Number, Records, render
from vmodem.net.names.dns import DnsResolver
from vmodem.wire.ddds import rewritten

__all__ = ["reactor"]

pytestmark = pytest.mark.interop

APEX = "e164.example.net"
RECORDS = Records(
    APEX,
    (
        Number("5551234", "vmodem:bank.example.net"),
        Number("5551234", "tcp:backup.example.net:23", preference=20),
        Number("5551235", "tcp:[2001:db8::1]:23"),
    ),
    (
        Lines(
            "bank.example.net",
            (
                Line("c.example.net", 8003, 30),
                Line("a.example.net", 8001, 10),
                Line("b.example.net", 8002, 20),
            ),
        ),
        Lines("big.example.net", tuple(Line(f"line{n}.big.example.net", 9000 + n, n) for n in range(40))),
    ),
    left_out=("555*: a pattern",),
)


def dnsmasq(scene: Scene, records: Records) -> int:
    (program,) = need("dnsmasq")
    conf, port = scene.folder / "dnsmasq.conf", free_port()
    extra = "host-record=a.example.net,192.0.2.1,2001:db8::1\ncname=alias.example.net,a.example.net\n"
    conf.write_text(render("dnsmasq", records) + extra)
    where = [f"--port={port}", "--listen-address=127.0.0.1", "--bind-interfaces", "--local=/example.net/"]
    options = ["--no-daemon", "--no-resolv", "--no-hosts", "--pid-file", f"--conf-file={conf}"]
    command = [program, *where, *options]
    start(scene, command, port)
    return port


def knot(scene: Scene, records: Records) -> int:
    (program,) = need("knotd")
    port = free_port()
    head = "@ 60 IN SOA ns hostmaster 1 60 60 60 60\n@ IN NS ns\nns IN A 127.0.0.1\na IN A 192.0.2.1\n"
    head += "a IN AAAA 2001:db8::1\nalias IN CNAME a\n"
    (scene.folder / "example.net.zone").write_text("$TTL 60\n" + head + render("zone", records))
    conf = scene.folder / "knot.conf"
    conf.write_text(
        f"server:\n    rundir: {scene.folder}\n    listen: 127.0.0.1@{port}\n"
        f"database:\n    storage: {scene.folder / 'db'}\n"
        f"zone:\n  - domain: example.net\n    storage: {scene.folder}\n    zonefile-sync: -1\n"
    )
    start(scene, [program, "-c", str(conf)], port)
    return port


SERVERS = {"dnsmasq": dnsmasq, "knot": knot}


@pytest.fixture(params=list(SERVERS))
def resolver(request: pytest.FixtureRequest, scene: Scene, reactor: Reactor) -> DnsResolver:
    return DnsResolver(reactor, ("127.0.0.1", SERVERS[request.param](scene, RECORDS)))


def ask(reactor: Reactor, how: Any, what: str) -> tuple[list[str], str]:
    found: list[tuple[list[str], str]] = []
    how(
        what,
        lambda targets, rule="": found.append((list(map(str, targets)), rule)),
        lambda reason: found.append(([], reason)),
    )
    reactor.until(lambda: found)
    return found[0]


def test_number_to_lines(reactor: Reactor, resolver: DnsResolver) -> None:
    numbering = Numbering(reactor, resolver, APEX)
    assert ask(reactor, numbering.find, "5551234") == (
        [
            "tcp:a.example.net:8001",
            "tcp:b.example.net:8002",
            "tcp:c.example.net:8003",
            "tcp:backup.example.net:23",
        ],
        f"enum 4.3.2.1.5.5.5.{APEX} NAPTR 100 10",
    )
    assert ask(reactor, numbering.find, "5551235")[0] == ["tcp:[2001:db8::1]:23"]
    targets, reason = ask(reactor, numbering.find, "5559999")
    assert (targets, reason) == ([], f"enum 9.9.9.9.5.5.5.{APEX}: no such name")


def test_service_that_takes_tcp(reactor: Reactor, resolver: DnsResolver) -> None:
    """Forty lines are more than a datagram holds."""
    targets, _ = ask(reactor, Numbering(reactor, resolver, APEX).hunt, "big.example.net")
    assert targets[:2] == ["tcp:line0.big.example.net:9000", "tcp:line1.big.example.net:9001"]
    lines: list[Any] = []
    resolver.srv("_vmodem._tcp.big.example.net", lines.extend, lines.append)
    reactor.until(lambda: lines)
    assert len(lines) == 40


def test_names(reactor: Reactor, resolver: DnsResolver) -> None:
    assert ask(reactor, resolver.resolve, "alias.example.net") == (["2001:db8::1", "192.0.2.1"], "")
    assert ask(reactor, resolver.resolve, "nowhere.example.net") == ([], "no such name")
    assert ask(reactor, resolver.resolve, "bank.example.net")[0] == []


def test_characters_that_mean_something(scene: Scene, reactor: Reactor) -> None:
    uri = r'tcp:a,b!c"d#e\\f:23'
    for name, server in SERVERS.items():
        port = server(scene, Records(APEX, (Number("5551236", uri),)))
        rules: list[Any] = []
        resolver = DnsResolver(reactor, ("127.0.0.1", port))
        resolver.naptr(f"6.3.2.1.5.5.5.{APEX}", rules.extend, rules.append)
        reactor.until(lambda rules=rules: rules)
        assert rewritten(rules[0].regexp, "5551236") == uri, name


def test_haproxy_takes_the_fragment(tmp_path: Path) -> None:
    (program,) = need("haproxy")
    conf = tmp_path / "haproxy.cfg"
    lines = Lines("bank.example", (Line("127.0.0.1", 8001), Line("::1", 8002)), bind="127.0.0.1:2323")
    conf.write_text(render("haproxy", Records(lines=(lines,))))
    done = subprocess.run([program, "-c", "-f", str(conf)], capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr.upper()
