"""How each kind of target is reached.

A carrier is begun with the attempt it works for and ends it with ``reached`` or ``failed``; what it has under
way it names by ``wait_for``, so that it can be given up at any moment.  Layers over a connection are imported
when the first call needs them.

What does not belong here: which target is meant, and whether it may be called at all.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from twisted.logger import Logger

from atparser.actions import CallFailure
from vmodem.net.address import Destination
from vmodem.net.layer import Opened, OpenFailed, Opening
from vmodem.net.stream import FdStream, Stream

from . import program, services
from .answer import Caller
from .target import BUILT_INS

if TYPE_CHECKING:
    from .originate import Attempt

Carrier = Callable[["Attempt"], None]
#: Puts a layer over a fresh connection; returns what is under way, or None when it has already answered.
Layer = Callable[["Attempt", Stream, Opened, OpenFailed], Opening | None]

_log = Logger()


# -- places on the network -----------------------------------------------------------------------------------


def _place(layer: Layer | None = None) -> Carrier:
    """Connect by TCP, then put a layer over the connection."""

    def carry(attempt: Attempt) -> None:
        def connected(stream: FdStream, where: Destination) -> None:
            if layer is None:
                attempt.reached(stream, where.printable)
                return

            def failed(reason: str) -> None:
                attempt.failed(CallFailure.NO_ANSWER, f"{where.printable}: {reason}")

            opening = layer(attempt, stream, lambda made: attempt.reached(made, where.printable), failed)
            if opening is not None:
                attempt.wait_for(opening)

        attempt.locate(lambda destinations: attempt.connect(destinations, connected))

    return carry


# -- inside this machine -------------------------------------------------------------------------------------


def _unix(attempt: Attempt) -> None:
    if attempt.allowed():
        path = attempt.target.path
        there = Destination(socket.AF_UNIX, path, f"unix:{path}")
        attempt.connect([there], lambda stream, where: attempt.reached(stream, where.printable))


def _program(attempt: Attempt) -> None:
    if not attempt.allowed():
        return
    user = attempt.entry.user if attempt.entry is not None else ""
    try:
        stream = program.start(attempt.reactor, attempt.target.argv, user)
    except program.ProgramError as exc:
        attempt.failed(CallFailure.NO_ANSWER, str(exc))
        return
    from .ppplog import watched

    attempt.reached(watched(stream, attempt.origin.name), stream.peer)


def _service(attempt: Attempt) -> None:
    origin = attempt.origin

    def page() -> str:
        return services.help_page(origin.name, origin.number, origin.directory)

    try:
        stream = services.start(attempt.reactor, attempt.target.kind, page)
    except OSError as exc:
        attempt.failed(CallFailure.NO_NETWORK, exc.strerror or str(exc))
        return
    attempt.reached(stream, f"{attempt.target.kind} service")


def _inside(attempt: Attempt) -> None:
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
    "tcp": _place(),
    "unix": _unix,
    "exec": _program,
    "line": _inside,
    "group": _inside,
    **dict.fromkeys(BUILT_INS, _service),
    "loop": _inside,
}
