"""A line on somebody else's access server: the DTE hangs off a port there, and we are the server's client.

A server without RFC 2217 has no circuits.  What does not belong here: what is spoken with the server.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from vmodem.line.base import FlowControl
from vmodem.line.onport import PortLine, pins
from vmodem.line.wiring import Wiring
from vmodem.net.timer import Timer
from vmodem.port.base import OUTPUTS, Signals
from vmodem.port.remote import ANSWER_S, POLL_S, RemotePort
from vmodem.port.remotestream import Speech

if TYPE_CHECKING:
    from vmodem.net.names.resolve import Resolver


class RemoteLine(PortLine):
    """``remote:HOST:PORT``.  ``speed`` and the rest of the framing are left as the server has them where they
    are None; the other arguments are those of the LINE string.

    Raises :class:`LineError` for settings that exclude each other.
    """

    _port: RemotePort

    def __init__(
        self,
        reactor: Any,
        host: str,
        port: int,
        *,
        speed: int | None = None,
        bits: int | None = None,
        parity: str | None = None,
        stop: float | None = None,
        flow: str = "none",
        wiring: str = "null-modem",
        dtr_carries: str | None = None,
        rts_carries: str | None = None,
        dtr_in: str | None = None,
        invert: Collection[str] = (),
        description: str = "",
        resolver: Resolver | None = None,
    ) -> None:
        description = description or f"remote:{host}:{port}"
        uses = Wiring(
            description,
            wiring=wiring,
            flow=flow,
            dtr_carries=dtr_carries,
            rts_carries=rts_carries,
            dtr_in=dtr_in,
            invert=invert,
        )
        there = RemotePort(
            reactor,
            host,
            port,
            speed=speed,
            bits=bits,
            parity=parity,
            stop=stop,
            flow=flow,
            description=description,
            resolver=resolver,
            patience_s=math.inf,  # DCD falls behind the last byte, however long that takes
        )
        there.urgent = lambda signals: not uses.dtr(pins(signals))
        # What the server does flow control with is the server's.
        its = {"dsrdtr": Signals.DTR, "rtscts": Signals.RTS}.get(flow, Signals.NONE)
        super().__init__(there, uses, OUTPUTS & ~its)
        self._pinned = flow != "none"
        self._timer = Timer(reactor)

    @property
    def rate(self) -> int:
        """What the server says is in force; 0 until it has."""
        return self._port.settings.rate if self._port.rate_known else 0

    def set_flow(self, flow: FlowControl) -> None:
        # The port is another's, and so is its CTS: only characters are obeyed without being told to in LINE.
        if not self._pinned:
            super().set_flow(flow)

    def came(self) -> None:
        """It is known how to speak with the server."""
        super().came()
        if self._port.speech is Speech.COM_PORT:
            self._timer.set(POLL_S + ANSWER_S, self._no_circuits)
        else:
            self._set_dtr(True)

    def signals_changed(self, signals: Signals) -> None:
        """The port's inputs are now these."""
        self._timer.cancel()
        super().signals_changed(signals)

    def _no_circuits(self) -> None:
        """A port that tells nothing of its inputs has none."""
        self._set_dtr(True)

    def _left(self) -> None:
        self._timer.cancel()
