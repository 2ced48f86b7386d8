"""A bank of modems found through a name server, one behind a proxy, and calls by TLS between processes."""

from __future__ import annotations

import socket

import pytest

from tests.helpers.exchange import World
from tests.helpers.ports import free_port
from tests.helpers.process import Scene
from tests.helpers.programs import need
from tests.helpers.servers import start
from vmodem.call.records import render
from vmodem.cli.dns import records
from vmodem.config.load import parse_config

pytestmark = pytest.mark.interop

BANK = """
[modem.caller]
line = "unix:{folder}/caller"
[modem.caller2]
line = "unix:{folder}/caller2"
[modem.caller3]
line = "unix:{folder}/caller3"
[modem.caller4]
line = "unix:{folder}/caller4"

[modem.a]
line = "unix:{folder}/a"
answer = "tcp:{ports[0]}:interface=127.0.0.1"
init = "S0=1"
off_hook = "closed"
[modem.b]
line = "unix:{folder}/b"
answer = "tcp:{ports[1]}:interface=127.0.0.1"
init = "S0=1"
off_hook = "closed"
[modem.c]
line = "unix:{folder}/c"
answer = "tcp:{ports[2]}:interface=127.0.0.1"
init = "S0=1"
off_hook = "closed"

[group.bank]
modems = ["a", "b", "c"]

[directory]
"5551234" = "vmodem:bank.example.net"
enum = "e164.example.net"
resolver = "127.0.0.1:{dns}"
"""


def test_numbers_that_a_name_server_knows(world: World, scene: Scene) -> None:
    """NAPTR, then SRV, then three lines in their order; the fourth caller reads BUSY; a dead line is passed
    over."""
    (program,) = need("dnsmasq")
    dns = free_port()
    text = BANK.format(folder=world.folder, ports=[free_port() for _ in range(3)], dns=dns)
    conf = scene.folder / "dnsmasq.conf"
    conf.write_text(render("dnsmasq", records(parse_config(text), "example.net")))
    assert "naptr-record=4.3.2.1.5.5.5.e164.example.net" in conf.read_text()
    assert "srv-host=_vmodem._tcp.bank.example.net" in conf.read_text()
    command = [program, "--no-daemon", "--no-resolv", "--no-hosts", f"--port={dns}", f"--conf-file={conf}"]
    command += ["--listen-address=127.0.0.1", "--bind-interfaces", "--local=/example.net/"]
    # The caller's own directory does not know the number.
    world.config = parse_config(text.replace('"5551234" = "vmodem:bank.example.net"\n', ""))
    start(scene, [*command, "--pid-file"], dns)
    world.start()
    lines = {name: world.dte(name) for name in "abc"}
    callers = [world.dte(name) for name in ("caller", "caller2", "caller3", "caller4")]
    for caller, name in zip(callers, "abc", strict=False):
        caller.say(b"ATDT5551234\r")
        caller.expect(b"CONNECT")
        caller.say(b"hello " + name.encode())
        lines[name].expect(b"hello " + name.encode())
    callers[3].say(b"ATDT5551234\r")
    callers[3].expect(b"BUSY")
    lines["b"].close()  # hangs up, and with it the line is free
    callers[1].expect(b"NO CARRIER")
    lines["b"] = world.dte("b")
    callers[3].say(b"ATDT5551234\r")
    callers[3].expect(b"CONNECT")
    for end in (*callers, *lines.values()):
        end.close()
    world.reactor.until(lambda: all(world.free(name) for name in "abc"))
    # The first line is no more: its listener has died.
    world.config = parse_config(
        text.replace('"5551234" = "vmodem:bank.example.net"\n', "")
        .replace("[modem.a]", "[modem.x]", 1)
        .replace('modems = ["a", ', "modems = [")
        .replace(f"unix:{world.folder}/a", f"unix:{world.folder}/x")
        .replace(text.split('answer = "')[1].split('"')[0], f"tcp:{free_port()}:interface=127.0.0.1")
    )
    world.program.reload()
    again, second = world.dte("caller"), world.dte("b")
    again.say(b"ATDT5551234\r")
    again.expect(b"CONNECT")
    again.say(b"hello again")
    second.expect(b"hello again")


PROXIED = """
[modem.a]
line = "unix:{folder}/a"

[group.bank]
answer = "haproxy:tcp:{inner}:interface=127.0.0.1"
modems = ["a"]
"""


def test_haproxy_before_a_group(world: World, scene: Scene) -> None:
    """Caller ID shows who called the proxy, and not the proxy."""
    (program,) = need("haproxy")
    inner, outer = free_port(), free_port()
    text = PROXIED.format(folder=world.folder, inner=inner)
    world.config = parse_config(text)
    fragment = render("haproxy", records(world.config, "here", local=True))
    conf = scene.folder / "haproxy.cfg"
    conf.write_text(fragment.replace(f"bind *:{inner + 1}", f"bind 127.0.0.1:{outer}"))
    world.start()
    dte = world.dte("a", b"AT+VCID=1")
    start(scene, [program, "-db", "-f", str(conf)], outer)
    with socket.create_connection(("127.0.0.1", outer), source_address=("127.0.0.9", 0)) as caller:
        dte.expect(b"NMBR = 127000000009")
        dte.say(b"ATA\r")
        dte.expect(b"CONNECT 115200\r\n")
        caller.sendall(b"through the proxy")
        dte.expect(b"through the proxy")


def test_two_processes_call_each_other_by_tls(scene: Scene) -> None:
    """The same as a user would do it, with certificates that openssl made."""
    from tests.helpers.certificates import Certificates

    made = Certificates(scene.folder)
    authority, server, client = made.authority(), made.leaf("b", "IP:127.0.0.1"), made.leaf("a")
    port = free_port()
    listen = f"tls:{port}:interface=127.0.0.1:cert={server.cert}:key={server.key}:clientca={authority.cert}"
    target = f"tls:127.0.0.1:{port}:ca={authority.cert}:cert={client.cert}:key={client.key}"
    stranger = f"tls:127.0.0.1:{port}:ca={authority.cert}"
    b = scene.modem("--init", "S0=1", name="b", answer=listen)
    a = scene.modem("--entry", f"1={target}", "--entry", f"2={stranger}", name="a", answer=None)
    near, far = scene.dte(a), scene.dte(b)
    near.connect("1")
    far.expect(b"CONNECT")
    near.send(b"sealed")
    far.expect(b"sealed")
    near.escape(1.05)
    near.ok("ATH")
    far.expect(b"NO CARRIER")
    near.send(b"ATDT2\r")
    near.expect(b"NO CARRIER")
    b.wait_log("no TLS came about")
