"""A line on somebody else's access server: the DTE hangs off a port there, and we are the server's client.

That port is equipment like any other (:mod:`vmodem.port.remote`), and is wired as a computer's own serial
port is, so its pins are used as :mod:`vmodem.line.wiring` says.  A server without RFC 2217, or one that tells
nothing of its inputs, has no circuits, and the DTE there counts as present.

What does not belong here: what is spoken with the server.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, Final

from vmodem.line.base import Circuit, FlowControl, LineUser
from vmodem.line.coded import NOBODY, nowhere
from vmodem.line.streamed import StreamedLine
from vmodem.line.wiring import Wiring
from vmodem.net.stream import NOBODY as NO_STREAM_USER
from vmodem.net.stream import Cause, Ending, StreamUser
from vmodem.net.timer import Timer
from vmodem.port.base import Noted, Settings, Signals
from vmodem.port.remote import ANSWER_S, POLL_S, RemotePort
from vmodem.port.remotestream import Speech
from vmodem.tty import circuits

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

    from vmodem.net.names.resolve import Resolver

_PINS: Final = {Signals.CTS: circuits.CTS, Signals.DSR: circuits.DSR, Signals.DCD: circuits.CD}
#: Our outputs, and the flow control whose they are instead.
_OUTPUTS: Final = ((Signals.DTR, circuits.DTR, "dsrdtr"), (Signals.RTS, circuits.RTS, "rtscts"))
_GONE: Final = Ending(Cause.DEVICE, "the server is gone")


class RemoteLine(StreamedLine):
    """``remote:HOST:PORT``.  ``speed`` and the rest of the framing are left as the server has them where they
    are None; the other arguments are those of the LINE string.

    Raises :class:`LineError` for settings that exclude each other.
    """

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
        self.description = description or f"remote:{host}:{port}"
        self.write = nowhere
        self._pinned = flow
        self._wiring = Wiring(
            self.description,
            wiring=wiring,
            flow=flow,
            dtr_carries=dtr_carries,
            rts_carries=rts_carries,
            dtr_in=dtr_in,
            invert=invert,
        )
        self._port = RemotePort(
            reactor,
            host,
            port,
            speed=speed,
            bits=bits,
            parity=parity,
            stop=stop,
            flow=flow,
            description=self.description,
            resolver=resolver,
            patience_s=math.inf,  # DCD falls behind the last byte, however long that takes
        )
        self._port.urgent = lambda signals: not self._wiring.dtr(_pins(signals))
        self._equipment = _Equipment(self, self._port)
        self._driven: Signals | None = None
        self._dtr = False
        self._when_sent: Callable[[], None] | None = None
        self._timer = Timer(reactor)
        self._stopped: Deferred[None] | None = None

    # -- the contract --------------------------------------------------------------------------------------

    def start(self, user: LineUser) -> None:
        """Begin to connect; a server that cannot be reached is told by ``line_lost`` and tried again."""
        self._user = user
        self.data_received = user.dte_received
        self._drive()
        self._port.start(self._equipment)

    def stop(self) -> Deferred[None]:
        if self._stopped is None:
            self._user = NOBODY
            self.data_received = NOBODY.dte_received
            self._timer.cancel()
            self._let_go()
            self._end()
            self.write = nowhere
            self._finish_sent()
            self._stopped = self._port.stop()
        return self._stopped

    @property
    def attached(self) -> bool:
        return self._stream is not None

    @property
    def rate(self) -> int:
        """What the server says is in force; 0 until it has."""
        return self._port.settings.rate if self._port.rate_known else 0

    def set_circuit(self, circuit: Circuit, on: bool) -> None:
        if self._wiring.drive(circuit, on):
            self._drive()

    def set_flow(self, flow: FlowControl) -> None:
        # The port is another's, and so is its CTS: only characters are obeyed without being told to in LINE.
        if self._pinned == "none":
            super().set_flow(flow)

    def send_break(self, seconds: float) -> None:
        self._port.send_break(seconds)

    def when_sent(self, done: Callable[[], None]) -> None:
        self._when_sent = done
        self._look_sent()

    def _look_sent(self) -> None:
        if not self.backlog and self._port.all_sent:
            self._finish_sent()
        elif self._when_sent is not None:
            self._port.when_sent(self._look_sent_again)

    def _look_sent_again(self) -> None:
        """What waits for an XON is told of by :meth:`write_drained`."""
        if not self.backlog:
            self._finish_sent()

    def _finish_sent(self) -> None:
        done, self._when_sent = self._when_sent, None
        if done is not None:
            done()

    # -- what the equipment tells --------------------------------------------------------------------------

    def came(self) -> None:
        """It is known how to speak with the server."""
        self._stream = self._equipment
        self._begin(self._equipment)
        if self._port.speech is Speech.COM_PORT:
            self._timer.set(POLL_S + ANSWER_S, self._no_circuits)
        else:
            self._set_dtr(True)

    def signals_changed(self, signals: Signals) -> None:
        """The port's inputs are now these."""
        self._timer.cancel()
        self._set_dtr(self._wiring.dtr(_pins(signals)))

    def write_blocked(self) -> None:
        """The server takes no more."""
        self._user.dte_blocked()

    def write_drained(self) -> None:
        """The server has taken everything."""
        self._user.dte_drained()
        self._look_sent()

    def stream_ended(self, ending: Ending) -> None:
        """There is no server any more."""
        self._end()
        self.write = nowhere
        self._timer.cancel()
        self._finish_sent()
        self._user.dte_drained()
        self._set_dtr(False)

    def lost(self, reason: str) -> None:
        """The server is being looked for."""
        self._user.line_lost(reason)

    def found(self) -> None:
        """It is there again."""
        self._user.line_found()

    # -- circuits ------------------------------------------------------------------------------------------

    def _no_circuits(self) -> None:
        """A port that tells nothing of its inputs has none."""
        self._set_dtr(True)

    def _set_dtr(self, on: bool) -> None:
        if on is not self._dtr:
            self._dtr = on
            self._user.dtr_changed(on)

    def _drive(self) -> None:
        """Make our outputs what they have to be, behind what was written."""
        mine = wanted = Signals.NONE
        for signal, pin, owner in _OUTPUTS:
            if self._pinned != owner:
                mine |= signal
                if self._wiring.output(pin):
                    wanted |= signal
        changed = mine if self._driven is None else self._driven ^ wanted
        self._driven = wanted
        if changed:
            self._port.drive(changed & wanted, changed & ~wanted)


class _Equipment:
    """The port in the place of a stream, as long as there is a server, and the user of the port."""

    def __init__(self, line: RemoteLine, port: RemotePort) -> None:
        self._line = line
        self._port = port
        self.write = port.write
        self.pause, self.resume = port.pause, port.resume
        self._hear(NO_STREAM_USER)

    def _hear(self, user: StreamUser) -> None:
        self._user = user
        self.data_received = user.data_received
        self.write_blocked, self.write_drained = user.write_blocked, user.write_drained

    # -- a stream ------------------------------------------------------------------------------------------

    def start(self, user: StreamUser) -> None:
        """Tell ``user`` from now on."""
        self._hear(user)
        self._port.resume()

    @property
    def backlog(self) -> int:
        return self._port.backlog

    def discard_pending(self) -> None:
        self._port.purge(received=False, sent=True)

    # -- what the port tells -------------------------------------------------------------------------------

    def attached(self, present: bool) -> None:
        if present:
            self._line.came()
        else:
            user, self._user = self._user, NO_STREAM_USER
            self._hear(NO_STREAM_USER)
            user.stream_ended(_GONE)

    def noted(self, what: Noted) -> None:
        if what is Noted.BREAK:
            self._line.break_received()

    def signals_changed(self, signals: Signals) -> None:
        self._line.signals_changed(signals)

    def settings_changed(self, settings: Settings) -> None:
        """No application is at the other end of a server."""

    def lost(self, reason: str) -> None:
        self._line.lost(reason)

    def found(self) -> None:
        self._line.found()


def _pins(signals: Signals) -> int:
    return sum(pin for signal, pin in _PINS.items() if signal in signals)
