"""Calls over every kind of carrier, from one modem to another: what one DTE says is what the other hears."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.helpers.certificates import Certificates
from tests.helpers.exchange import LOCAL, World
from vmodem.net.stream import Stream

EVERYTHING = bytes(range(256)) * 8
CONNECT = b"CONNECT 115200\r\n"


def exchanged(world: World, listen: str, target: str) -> None:
    """a dials b; both say everything."""
    world.configure(world.modem("a"), world.modem("b", answer=(listen,), init="S0=1"))
    world.start()
    world.configure(*world.config.modems.values(), _1=target.format(port=world.port("modem", "b")))
    world.program.reload()
    near, far = world.dte("a"), world.dte("b")
    near.say(b"ATDT1\r")
    near.expect(CONNECT)
    if target.startswith("udp"):
        near.say(b"\r")  # the first datagram is the call
        far.expect(CONNECT + b"\r")
    else:
        far.expect(CONNECT)
    rng = random.Random(target)
    for one, other in ((near, far), (far, near), (near, far)):
        data = bytearray(EVERYTHING)
        rng.shuffle(data)
        data[0] = 65  # nothing that is taken for the beginning of an escape sequence
        at = 0
        while at < len(data):
            size = rng.randrange(1, 400)
            one.say(bytes(data[at : at + size]))
            at += size
            wanted = min(at, len(data))
            world.reactor.until(lambda other=other, wanted=wanted: len(other.listen()) >= wanted)
        assert bytes(other.heard) == bytes(data)
        other.heard.clear()


# A raw end would hear a telnet end's negotiation as data, so these do not go together.
TOGETHER = [
    (listen, target)
    for listen in ("telnet", "auto", "rfc2217", "tcp")
    for target in ("telnet", "auto", "rfc2217", "tcp")
    if "auto" in (listen, target) or (listen == "tcp") is (target == "tcp")
]


@pytest.mark.parametrize(("listen", "target"), TOGETHER)
def test_protocols(world: World, listen: str, target: str) -> None:
    before = "" if listen == "tcp" else f"{listen}:"
    exchanged(world, f"{before}{LOCAL}", target + ":127.0.0.1:{port}")


def test_udp(world: World) -> None:
    exchanged(world, "udp:0", "udp:127.0.0.1:{port}")


def test_tls_with_certificates_of_both(world: World, certificates: Certificates) -> None:
    authority = certificates.authority()
    server = certificates.leaf("b", "DNS:localhost", "IP:127.0.0.1")
    client = certificates.leaf("a")
    exchanged(
        world,
        f"tls:0:interface=127.0.0.1:cert={server.cert}:key={server.key}:clientca={authority.cert}",
        f"tls:127.0.0.1:{{port}}:ca={authority.cert}:cert={client.cert}:key={client.key}",
    )


def test_telnet_over_tls_with_a_pin(world: World, certificates: Certificates) -> None:
    server = certificates.leaf("b", "IP:127.0.0.1")
    pin = server.pin.replace(":", "")
    exchanged(
        world,
        f"tls:0:interface=127.0.0.1:cert={server.cert}:key={server.key}",
        f"tls:127.0.0.1:{{port}}:pin={pin}",
    )


def test_a_wrong_certificate_is_no_carrier(
    world: World, certificates: Certificates, logged: list[str]
) -> None:
    server = certificates.leaf("b", "DNS:elsewhere.example")
    authority = certificates.authority()
    listen = f"tls:0:interface=127.0.0.1:cert={server.cert}:key={server.key}"
    world.configure(world.modem("a"), world.modem("b", answer=(listen,)))
    world.start()
    port = world.port("modem", "b")
    world.configure(*world.config.modems.values(), _1=f"tls:127.0.0.1:{port}:ca={authority.cert}")
    world.program.reload()
    near, far = world.dte("a"), world.dte("b")
    near.say(b"ATDT1\r")
    near.expect(b"NO CARRIER")
    assert b"RING" not in far.listen()
    assert any("elsewhere.example" in line for line in logged), logged


def test_a_listener_without_its_certificate_does_not_start(world: World, tmp_path: Path) -> None:
    from vmodem.app.start import StartError

    world.configure(world.modem("b", answer=(f"tls:0:cert={tmp_path}/none.pem:key={tmp_path}/none.key",)))
    with pytest.raises(StartError, match=r"none\.pem"):
        world.start()


def test_as_written(world: World) -> None:
    """What is typed instead of a number takes the same ways."""
    world.configure(world.modem("a"), world.modem("b", answer=(f"telnet:{LOCAL}",), init="S0=1"))
    world.start()
    near, far = world.dte("a"), world.dte("b")
    for text in ("telnet:127.0.0.1:{}", "=127.0.0.1:{}"):
        near.say(b"ATD" + text.format(world.port("modem", "b")).encode() + b"\r")
        near.expect(CONNECT)
        far.expect(CONNECT)
        near.say(b"\xff\xff")
        far.expect(b"\xff\xff")
        world.reactor.run_for(1.1)
        near.say(b"+++")
        near.expect(b"OK")
        near.say(b"ATH\r")
        near.expect(b"OK")
        far.expect(b"NO CARRIER")


def test_streams_have_it_all() -> None:
    from vmodem.net.telnet.auto import AutoStream
    from vmodem.net.telnet.comport import Rfc2217Stream
    from vmodem.net.telnet.stream import TelnetStream
    from vmodem.net.tls.stream import TlsStream
    from vmodem.net.udp.stream import UdpStream

    wanted = {name for name in vars(Stream) if not name.startswith("_")}
    for kind in (AutoStream, Rfc2217Stream, TelnetStream, TlsStream, UdpStream):
        assert wanted <= set(dir(kind)), kind
