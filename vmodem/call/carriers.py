"""How each kind of target is reached.

Layers over a connection are imported when the first call needs them.

What does not belong here: what a carrier is (placing.py), which target is meant, and whether it may be
called at all.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any, Final

from twisted.logger import Logger

from atparser.actions import CallFailure
from vmodem.net.address import Destination
from vmodem.net.layer import Opened, OpenFailed, Opening
from vmodem.net.stream import FdStream, Stream
from vmodem.net.telnet.settings import Role, TelnetSettings

from . import program, services
from .caller import Caller
from .paired import call_partner
from .placing import Carrier, Layer, Placing
from .target import BUILT_INS

_log = Logger()


# -- places on the network -----------------------------------------------------------------------------------


def _place(layer: Layer | None = None, *, bare: bool = False) -> Carrier:
    """Connect by TCP, then put a layer over the connection.  ``bare``: nothing but bytes is spoken there, and
    so it may be the other vmodem of a pair."""

    def carry(attempt: Placing) -> None:
        def opened(stream: Stream, where: Destination) -> None:
            partners = attempt.origin.partners
            if bare and partners.holds(str(where.ip)):
                call_partner(attempt, stream, where, layer, partners.secret)
            else:
                attempt.reached(stream, where.printable)

        def connected(stream: FdStream, where: Destination) -> None:
            if layer is None:
                opened(stream, where)
                return

            def failed(reason: str) -> None:
                attempt.failed(CallFailure.NO_ANSWER, f"{where.printable}: {reason}")

            opening = layer(attempt, stream, lambda made: opened(made, where), failed)
            if opening is not None:
                attempt.wait_for(opening)

        attempt.locate(lambda destinations: attempt.connect(destinations, connected))

    return carry


def _telnet(attempt: Placing, below: Stream, opened: Opened, failed: OpenFailed) -> None:
    from vmodem.net.telnet.stream import TelnetStream

    opened(TelnetStream(attempt.reactor, below, Role.CLIENT, _telnet_settings(attempt)))


def _auto(attempt: Placing, below: Stream, opened: Opened, failed: OpenFailed) -> None:
    from vmodem.net.telnet.auto import AutoStream

    opened(AutoStream(attempt.reactor, below, Role.CLIENT, _telnet_settings(attempt)))


def _rfc2217(attempt: Placing, below: Stream, opened: Opened, failed: OpenFailed) -> None:
    from vmodem.net.telnet.comport import Rfc2217Stream

    opened(Rfc2217Stream(attempt.reactor, below, Role.CLIENT, _telnet_settings(attempt)))


def _telnet_settings(attempt: Placing) -> TelnetSettings:
    cr_nul: Any = attempt.target.option("cr-nul", "auto")
    return TelnetSettings(cr_nul=cr_nul)


def _tls(attempt: Placing, below: Stream, opened: Opened, failed: OpenFailed) -> Opening | None:
    from vmodem.net.tls.begin import TlsClientSettings, TlsError, load_client, open_client

    target = attempt.target
    given = {key: target.option(key) or None for key in ("ca", "cert", "key", "pin")}
    try:
        context = load_client(TlsClientSettings(target.host, **given))
    except TlsError as exc:
        below.abort()
        failed(str(exc))
        return None
    return open_client(attempt.reactor, below, context, opened, failed)


def _ssh(attempt: Placing, below: Stream, opened: Opened, failed: OpenFailed) -> Opening | None:
    try:
        from vmodem.net.ssh.call import SshSettings, open_ssh
    except ImportError as exc:
        below.abort()
        failed(f"ssh: calls need more than is installed ({exc}); run: pip install 'vmodem[ssh]'")
        return None
    target = attempt.target
    settings = SshSettings(target.user, target.host, target.port)
    return open_ssh(attempt.reactor, below, settings, opened, failed)


def _udp(attempt: Placing) -> None:
    from vmodem.net.udp.stream import connect_udp

    def located(destinations: list[Destination]) -> None:
        where = destinations[0]
        try:
            stream = connect_udp(attempt.reactor, where)
        except OSError as exc:
            attempt.failed(CallFailure.NO_NETWORK, f"{where.printable}: {exc.strerror or exc}")
            return
        attempt.reached(stream, where.printable)

    attempt.locate(located)


# -- inside this machine -------------------------------------------------------------------------------------


def _unix(attempt: Placing) -> None:
    if attempt.allowed():
        path = attempt.target.path
        there = Destination(socket.AF_UNIX, path, f"unix:{path}")
        attempt.connect([there], lambda stream, where: attempt.reached(stream, where.printable))


def _program(attempt: Placing) -> None:
    if not attempt.allowed():
        return
    user = attempt.entry.user if attempt.entry is not None else ""

    def started(stream: FdStream) -> None:
        from .ppplog import watched

        attempt.reached(watched(stream, attempt.origin.name), stream.peer)

    def failed(reason: str) -> None:
        attempt.failed(CallFailure.NO_ANSWER, reason)

    starting = program.start(attempt.reactor, attempt.target.argv, user, started, failed)
    if starting is not None:
        attempt.wait_for(starting)


def _service(attempt: Placing) -> None:
    origin = attempt.origin

    def page() -> str:
        return services.help_page(origin.name, origin.number, origin.directory)

    try:
        stream = services.start(attempt.reactor, attempt.target.kind, page)
    except OSError as exc:
        attempt.failed(CallFailure.NO_NETWORK, exc.strerror or str(exc))
        return
    attempt.reached(stream, f"{attempt.target.kind} service")


def _inside(attempt: Placing) -> None:
    """Ring a modem or a group of this process, or this modem's own answer side."""
    target, origin = attempt.target, attempt.origin
    if target.kind != "loop" and not attempt.allowed():
        return
    try:
        near, far = services.pair()
    except OSError as exc:
        attempt.failed(CallFailure.NO_NETWORK, exc.strerror or str(exc))
        return
    called = str(target).rstrip(":")
    calling = "loop" if target.kind == "loop" else f"line:{origin.name}"
    away = FdStream(attempt.reactor, far.fileno(), owner=far, peer=calling)
    stream = FdStream(attempt.reactor, near.fileno(), owner=near, peer=called)
    caller = Caller("loop", listener="loop:")
    if target.kind != "loop":
        caller = Caller(calling, number=origin.number, name=origin.name, listener=f"{target}")
    try:
        taken = origin.offer_inside(target, away, caller)
    except Exception:
        _log.failure("offering a call to {called} failed", called=called)
        taken = False
    if not taken:
        away.abort()
    if taken and not attempt.over:
        attempt.reached(stream, called)
        return
    stream.abort()
    if not attempt.over:  # else whoever was asked gave this call up
        attempt.failed(CallFailure.REFUSED, f"{called} does not take the call")


CARRIERS: Final[Mapping[str, Carrier]] = {
    "tcp": _place(bare=True),
    "telnet": _place(_telnet),
    "auto": _place(_auto),
    "rfc2217": _place(_rfc2217),
    "tls": _place(_tls, bare=True),
    "ssh": _place(_ssh),
    "udp": _udp,
    "unix": _unix,
    "exec": _program,
    "line": _inside,
    "group": _inside,
    **dict.fromkeys(BUILT_INS, _service),
    "loop": _inside,
}
