"""What a bridge joins, as text: a LINE or a TARGET.

What does not belong here: what each of them is made of.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vmodem.call.placing import OfferInside
from vmodem.call.target import TargetError, parse_target
from vmodem.port.base import Port, PortError
from vmodem.port.parse import make_port, parse_port


@dataclass(frozen=True)
class Line:
    """A LINE: ``Line("serial:/dev/ttyUSB0:speed=9600")``."""

    text: str

    @property
    def kind(self) -> str:
        """The part before the first colon.  Raises :class:`vmodem.port.base.PortError`."""
        return parse_port(self.text).kind


@dataclass(frozen=True)
class To:
    """A TARGET: ``To("tcp:192.0.2.7:9000")``."""

    text: str

    @property
    def kind(self) -> str:
        """The part before the first colon.  Raises :class:`vmodem.port.base.PortError`."""
        try:
            return parse_target(self.text).kind
        except TargetError as exc:
            raise PortError(str(exc)) from exc


def make_end(
    reactor: Any, end: Line | To, *, name: str = "", offer_inside: OfferInside | None = None
) -> Port:
    """The port of one end, not yet started.  ``name`` introduces us to targets that ask for it;
    ``offer_inside`` is asked by targets within the process.  Raises :class:`vmodem.port.base.PortError`."""
    if isinstance(end, Line):
        return make_port(reactor, end.text)
    try:
        target = parse_target(end.text)
    except TargetError as exc:
        raise PortError(str(exc)) from exc
    from .target import RETRY_S, TargetPort

    if target.kind == "rfc2217":
        from vmodem.port.remote import RemotePort

        return RemotePort(reactor, target.host, target.port, description=str(target), retry=RETRY_S)
    return TargetPort(reactor, target, name=name, offer_inside=offer_inside)


def waits_for(end: Line | To) -> bool:
    """Whether what is for this end waits while it cannot be reached: it is on the network.  A program that
    has left, or a device that is unplugged, is sent nothing."""
    return isinstance(end, To) or end.kind in ("remote", "rfc2217")
