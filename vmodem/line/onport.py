"""A line whose DTE is at the other end of equipment (:mod:`vmodem.port.base`): a serial port of this computer
or of an access server.

Such a port is wired as a DTE, too: :mod:`vmodem.line.wiring` says which of its pins stands for what.  One
that tells nothing of its inputs has no circuits, and the DTE there counts as present.

What does not belong here: how equipment is reached, opened and looked for; it also logs when it is lost.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from vmodem.line.base import NOBODY, Circuit, LineError, LineUser, nowhere
from vmodem.line.streamed import StreamedLine
from vmodem.line.wiring import Wiring
from vmodem.net.stream import NOBODY as NO_STREAM_USER
from vmodem.net.stream import Cause, Ending, StreamUser
from vmodem.port.base import OUTPUTS, Noted, Port, PortError, Settings, Signals
from vmodem.tty import circuits

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

_INPUTS: Final = {Signals.CTS: circuits.CTS, Signals.DSR: circuits.DSR, Signals.DCD: circuits.CD}
_OUTPUTS: Final = {Signals.DTR: circuits.DTR, Signals.RTS: circuits.RTS}
_GONE: Final = Ending(Cause.DEVICE, "the equipment is gone")


def pins(signals: Signals) -> int:
    """Inputs as :class:`Wiring` wants them."""
    return sum(pin for signal, pin in _INPUTS.items() if signal in signals)


class PortLine(StreamedLine):
    """A line on ``port``; ``outputs`` are those that are ours to drive."""

    _port: Port

    def __init__(self, port: Port, wiring: Wiring, outputs: Signals = OUTPUTS) -> None:
        self.description = port.description
        self.write = nowhere
        self._port = port
        self._wiring = wiring
        self._equipment = Equipment(self, port)
        self._outputs = outputs
        self._driven: Signals | None = None
        self._dtr = False
        self._when_sent: Callable[[], None] | None = None
        self._stopped: Deferred[None] | None = None

    # -- for subclasses ------------------------------------------------------------------------------------

    def _put(self, on: Signals, off: Signals) -> None:
        """Drive these outputs."""
        self._port.drive(on, off)

    def _takes(self, output: Signals) -> bool:
        """False while ``output`` holds the DTE up, where it is there for that."""
        return True

    def _left(self) -> None:
        """The equipment is gone, or not ours any more."""

    # -- the contract --------------------------------------------------------------------------------------

    def start(self, user: LineUser) -> None:
        """Open the port, or begin to connect; the user may be told of it, or of its absence, before this
        returns.

        Raises :class:`LineError` for equipment that no waiting can bring.
        """
        self._user = user
        self.data_received = user.dte_received
        self._drive()
        try:
            self._port.start(self._equipment)
        except PortError as exc:
            raise LineError(str(exc)) from exc

    def stop(self) -> Deferred[None]:
        if self._stopped is None:
            self._user = NOBODY
            self.data_received = NOBODY.dte_received
            self._let_go()
            self._end()
            self._left()
            self.write = nowhere
            self._finish_sent()
            self._stopped = self._port.stop()
        return self._stopped

    @property
    def attached(self) -> bool:
        return self._stream is not None

    def set_circuit(self, circuit: Circuit, on: bool) -> None:
        if self._wiring.drive(circuit, on):
            self._drive()

    def send_break(self, seconds: float) -> None:
        self._port.send_break(seconds)

    def discard(self) -> None:
        if self._stream is not None:
            if self._stage is not None:
                self._stage.discard()
            self._stream.discard_pending()  # which tells that there is room, if there is
            self._finish_sent()

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
        """It is there."""
        self.missing = ""
        self._stream = self._equipment
        self._begin(self._equipment)
        self._user.dte_drained()  # a call may have waited for it

    def signals_changed(self, signals: Signals) -> None:
        """The port's inputs are now these."""
        self._set_dtr(self._wiring.dtr(pins(signals)))

    def write_blocked(self) -> None:
        """The equipment takes no more."""
        self._user.dte_blocked()

    def write_drained(self) -> None:
        """The equipment has taken everything."""
        self._user.dte_drained()
        self._look_sent()

    def stream_ended(self, ending: Ending) -> None:
        """It is gone."""
        self._end()
        self._left()
        self.write = nowhere
        self._finish_sent()
        self._user.dte_drained()
        self._set_dtr(False)

    def lost(self, reason: str) -> None:
        """It is being looked for."""
        self.missing = reason or f"{self.description} is not there"
        self._user.line_lost(reason)

    def found(self) -> None:
        """It is there again."""
        self.missing = ""
        self._user.line_found()

    # -- circuits ------------------------------------------------------------------------------------------

    def _set_dtr(self, on: bool) -> None:
        if on is not self._dtr:
            self._dtr = on
            self._user.dtr_changed(on)

    def _drive(self) -> None:
        """Make our outputs what they have to be."""
        wanted = Signals.NONE
        for output, pin in _OUTPUTS.items():
            if output in self._outputs and self._wiring.output(pin, self._takes(output)):
                wanted |= output
        changed = self._outputs if self._driven is None else self._driven ^ wanted
        self._driven = wanted
        if changed:
            self._put(changed & wanted, changed & ~wanted)


class Equipment:
    """A port in the place of a line's stream, as long as there is one, and the user of the port."""

    def __init__(self, line: PortLine, port: Port) -> None:
        self._line = line
        self._port = port
        self.write: Callable[[bytes], None] = port.write
        self.pause, self.resume = port.pause, port.resume
        #: What takes the port's chunks before :attr:`user` gets them, if anything does.
        self.hearer: Callable[[bytes], None] | None = None
        self._hear(NO_STREAM_USER)

    def _hear(self, user: StreamUser) -> None:
        self.user = user
        self.data_received = self.hearer or user.data_received
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
            user = self.user
            self._hear(NO_STREAM_USER)
            user.stream_ended(_GONE)

    def noted(self, what: Noted) -> None:
        if what is Noted.BREAK:
            self._line.break_received()

    def signals_changed(self, signals: Signals) -> None:
        self._line.signals_changed(signals)

    def settings_changed(self, settings: Settings) -> None:
        """No application is at the other end of a cable."""

    def lost(self, reason: str) -> None:
        self._line.lost(reason)

    def found(self) -> None:
        self._line.found()
