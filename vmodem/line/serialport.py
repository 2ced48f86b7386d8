"""A line on a real serial port, with the DTE at the other end of a cable.

The port of the computer we run on is wired as a DTE, too, and we are to be a DCE: we have two outputs (DTR,
RTS) for the circuits a modem drives, and read the other side's DTR from one of our inputs.  ``wiring`` names
the usual ways.

``null-modem``: our DTR carries DCD (and DSR, which the cable ties to it), our RTS carries flow control (CTS),
their DTR is read from our DSR.  For a full null modem cable.

``modem``: our DTR carries DSR, our RTS carries DCD, their DTR is read from our DSR.  For a cable or adapter
that ties our DTR to their DSR and our RTS to their DCD.

``dtr``, ``rts`` and ``dtr-in`` change single places of that; ``invert`` names lines whose sense is
turned round.  A device that has no such lines counts as one whose DTE is always there; so does a DTE whose
DTR was never seen on since the start (a cable of three wires).
"""

from __future__ import annotations

import fcntl
import os
import select
import struct
import termios
from collections.abc import Callable, Collection
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from vmodem.line import circuits
from vmodem.line.base import Circuit, Line, LineError, LineUser
from vmodem.line.circuits import ModemLines
from vmodem.line.device import Port, explain
from vmodem.line.poller import shared_poller
from vmodem.net.stream import NOBODY, Cause, Ending, FdStream

#: How often circuits are read, in seconds: a drop of 50 ms must be seen and measured.
CIRCUIT_POLL_S: Final = 0.01
#: How often a device without circuits is looked at in a paused call, in seconds.
CALL_POLL_S: Final = 0.05
#: How often an emptying transmitter is looked at, in seconds.
SENT_POLL_S: Final = 0.005
#: Waits between attempts to open a missing device, in seconds; the last one repeats.
RETRY_S: Final = (0.25, 0.5, 1.0)
#: How long written bytes may take to leave when the line is stopped, in seconds.
LAST_WORDS_S: Final = 0.3

_WIRING: Final = {"null-modem": ("dcd", "flow"), "modem": ("dsr", "dcd")}
_OUTPUTS: Final = {"dcd": Circuit.DCD, "dsr": Circuit.DSR, "ri": Circuit.RI, "flow": Circuit.CTS}
_INPUTS: Final = {"dsr": circuits.DSR, "cd": circuits.CD, "cts": circuits.CTS}
_LINES: Final = {"dtr": circuits.DTR, "rts": circuits.RTS, **_INPUTS}
_UNPLUGGED: Final = Ending(Cause.DEVICE, "hung up")


def _discard(data: bytes) -> None:
    """The device is not there."""


class SerialLine(Line):
    """``serial:DEVICE``.  ``speed`` in bit/s; the other arguments are those of the LINE string.

    Raises :class:`LineError` for settings that exclude each other.
    """

    _log = Logger()
    #: Arriving chunks go straight to the user.
    data_received: Callable[[bytes], None]

    def __init__(
        self,
        reactor: Any,
        device: str,
        *,
        speed: int = 9600,
        bits: int = 8,
        parity: str = "N",
        stop: float = 1,
        flow: str = "none",
        wiring: str = "null-modem",
        dtr_carries: str | None = None,
        rts_carries: str | None = None,
        dtr_in: str | None = None,
        invert: Collection[str] = (),
        exclusive: bool = True,
        description: str = "",
        modem_lines: Callable[[int], ModemLines] = ModemLines,
    ) -> None:
        self.description = description or f"serial:{device}"
        self.write = _discard
        self._reactor = reactor
        self._device = device
        self._speed = speed
        self._flow = flow
        self._make_lines = modem_lines
        dtr, rts = _WIRING[wiring]
        self._carried = {circuits.DTR: dtr_carries or dtr, circuits.RTS: rts_carries or rts}
        self._dtr_in = dtr_in or ("on" if flow == "dsrdtr" else "dsr")
        self._check_circuits(dtr_carries)
        self._inverted = sum(_LINES[name] for name in invert)
        self._driven = {Circuit.CTS: True, Circuit.DSR: True, Circuit.DCD: False, Circuit.RI: False}
        self._port = Port(
            baudrate=speed,
            bytesize=bits,
            parity=parity,
            stopbits=stop,
            rtscts=flow == "rtscts",
            xonxoff=flow == "xonxoff",
            exclusive=exclusive or None,
        )
        self._lines: ModemLines | None = None
        self._stream: FdStream | None = None
        self._held: bytearray | None = None
        self._dtr = False
        self._dtr_seen = False
        self._paused = False
        self._in_call = False
        self._attempt = 0
        self._reason = ""
        self._timer: Any = None
        self._when_sent: Callable[[], None] | None = None
        self._stopped: Deferred[None] | None = None

    def _check_circuits(self, dtr_carries: str | None) -> None:
        where = f"LINE {self.description!r}"
        if self._flow == "rtscts" and self._carried[circuits.RTS] != "flow":
            raise LineError(
                f"{where}: flow=rtscts needs RTS, which is to carry {self._carried[circuits.RTS]}; "
                "rts=flow or another flow was expected."
            )
        if self._flow == "rtscts" and self._dtr_in == "cts":
            raise LineError(f"{where}: flow=rtscts needs CTS; dtr-in=dsr, cd or on was expected.")
        if self._flow == "dsrdtr":
            if self._dtr_in == "dsr":
                raise LineError(f"{where}: flow=dsrdtr needs DSR; dtr-in=cd, cts or on was expected.")
            if dtr_carries is not None:
                raise LineError(f"{where}: flow=dsrdtr needs DTR; no dtr={dtr_carries} was expected.")
            self._carried[circuits.DTR] = "flow"

    # -- the contract --------------------------------------------------------------------------------------

    def start(self, user: LineUser) -> None:
        """Open the device; the user may be told of it, or of its absence, before this returns.

        Raises :class:`LineError` for a device that may not be opened or is no serial port.
        """
        self._user = user
        self.data_received = user.dte_received
        self._open(first=True)

    def stop(self) -> Deferred[None]:
        if self._stopped is not None:
            return self._stopped
        stopped = self._stopped = Deferred()
        self.data_received = NOBODY.data_received
        self.write = _discard
        self._cancel_timer()
        self._stop_polling()
        self._finish_sent()
        stream = self._stream
        if stream is None:
            self._finish_stop()
        else:
            if self._held:
                stream.write(bytes(self._held))
            stream.start(self)
            self._timer = self._reactor.callLater(LAST_WORDS_S, self._finish_stop)
            self._when_sent = self._finish_stop
            shared_poller(self._reactor, SENT_POLL_S).add(self._poll_sent)
        return stopped

    @property
    def backlog(self) -> int:
        return (0 if self._stream is None else self._stream.backlog) + len(self._held or b"")

    @property
    def rate(self) -> int:
        return self._speed

    def pause(self) -> None:
        self._paused = True
        if self._stream is not None:
            self._stream.pause()
            self._flow_changed()

    def resume(self) -> None:
        self._paused = False
        if self._stream is not None:
            self._stream.resume()
            self._flow_changed()

    def set_circuit(self, circuit: Circuit, on: bool) -> None:
        if self._driven[circuit] is not on:
            self._driven[circuit] = on
            self._drive()

    def call_active(self, active: bool) -> None:
        self._in_call = active
        self._update_call_polling()

    def when_sent(self, done: Callable[[], None]) -> None:
        self._when_sent = done
        self._poll_sent()
        if self._when_sent is not None:
            shared_poller(self._reactor, SENT_POLL_S).add(self._poll_sent)

    # -- what the stream tells -----------------------------------------------------------------------------

    def write_blocked(self) -> None:
        if self._stopped is None:
            self._user.dte_blocked()

    def write_drained(self) -> None:
        if self._stopped is None:
            self._user.dte_drained()

    def stream_ended(self, ending: Ending) -> None:
        """Whatever ended it: a serial port only ends when it is unplugged."""
        self._lost("unplugged" if ending.cause is Cause.FINISHED else ending.detail)

    # -- opening and losing --------------------------------------------------------------------------------

    def _open(self, first: bool = False) -> None:
        self._timer = None
        port = self._port
        try:
            port.dtr, port.rts = self._output(circuits.DTR), self._output(circuits.RTS)
            port.port = self._device
            port.open()
        except (OSError, ValueError, termios.error) as exc:
            port.close()
            self._cannot_open(exc, first)
            return
        try:
            fd = port.fileno()
            os.set_blocking(fd, False)
            self._lines = self._make_lines(fd)
            self._stream = stream = FdStream(self._reactor, fd, owner=port, peer=self._device)
            self.write = stream.write
            self._drive()
        except OSError as exc:
            self._lost(exc.strerror or str(exc))
            return
        if self._reason:
            self._log.info("{line}: back in service", line=self.description)
            self._user.line_found()
        self._attempt, self._reason = 0, ""
        self._held = None
        if self._dtr_in != "on" or self._flow == "dsrdtr":
            shared_poller(self._reactor, CIRCUIT_POLL_S).add(self._poll_circuits)
            self._poll_circuits()
        else:
            self._set_dtr(True)
        if self._stream is stream and self._stopped is None:
            stream.start(self)
            if self._paused:
                stream.pause()
            self._update_call_polling()

    def _cannot_open(self, exc: Exception, first: bool) -> None:
        reason, final = explain(self._device, exc)
        # A device that returns belongs to root for a moment: only the first time is final.
        if final and first:
            raise LineError(reason + ".") from exc
        if reason != self._reason:
            self._reason = reason
            self._user.line_lost(reason)
        self._retry()

    def _retry(self) -> None:
        if self._stopped is None:
            wait = RETRY_S[min(self._attempt, len(RETRY_S) - 1)]
            self._attempt += 1
            self._timer = self._reactor.callLater(wait, self._open)

    def _lost(self, reason: str) -> None:
        stream, self._stream = self._stream, None
        if stream is None:
            return
        self.write = _discard
        self._held = None
        self._lines = None
        self._stop_polling()
        stream.abort()
        if self._stopped is not None:
            self._finish_stop()
            return
        self._finish_sent()
        self._set_dtr(False)
        self._reason = f"{self._device}: {reason}"
        self._user.line_lost(self._reason)
        self._attempt = 0
        self._retry()

    def _finish_stop(self) -> None:
        self._cancel_timer()
        self._stop_polling()
        stream, self._stream = self._stream, None
        self._when_sent = None
        if stream is not None:
            # A stopped flow would hold the closing up, for up to 30 s in the kernel.
            try:
                termios.tcflush(stream.fileno(), termios.TCOFLUSH)
            except (OSError, termios.error) as exc:
                self._log.debug("{line}: {reason}", line=self.description, reason=str(exc))
            stream.abort()
        if self._stopped is not None and not self._stopped.called:
            self._stopped.callback(None)

    def _cancel_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    # -- circuits ------------------------------------------------------------------------------------------

    def _output(self, line: int) -> bool:
        """The level that one of our two outputs has to have."""
        carried = self._carried[line]
        on = carried == "on" or self._driven[_OUTPUTS[carried]]
        if carried == "flow" and self._flow == "dsrdtr":
            on = on and not self._paused
        return on is not bool(self._inverted & line)

    def _drive(self) -> None:
        if self._lines is None:
            return
        try:
            self._lines.drive(circuits.DTR, self._output(circuits.DTR))
            if self._flow != "rtscts":  # else the kernel drives RTS
                self._lines.drive(circuits.RTS, self._output(circuits.RTS))
        except OSError as exc:
            self._log.debug("{line}: driving circuits: {reason}", line=self.description, reason=exc.strerror)

    def _flow_changed(self) -> None:
        if self._flow == "dsrdtr":
            self._drive()
        self._update_call_polling()

    def _poll_circuits(self) -> None:
        if self._lines is None or self._stream is None:
            return
        try:
            state = self._lines.read()
        except OSError as exc:
            stream = self._stream
            stream.finish(Ending.of(exc))
            if self._stream is stream:  # it was not started yet, so its end was told to nobody
                self._lost(exc.strerror or str(exc))
            return
        if state is None:
            shared_poller(self._reactor, CIRCUIT_POLL_S).remove(self._poll_circuits)
            self._set_dtr(True)
            self._update_call_polling()
            return
        state ^= self._inverted
        if self._flow == "dsrdtr":
            self._hold(not state & circuits.DSR)
        on = self._dtr_in == "on" or bool(state & _INPUTS[self._dtr_in])
        self._dtr_seen = self._dtr_seen or on
        self._set_dtr(on or not self._dtr_seen)

    def _hold(self, stop: bool) -> None:
        """flow=dsrdtr: the DTE takes nothing while its DTR is off."""
        stream = self._stream
        if stream is None or stop == (self._held is not None):
            return
        if stop:
            self._held = bytearray()
            self.write = self._held_write
            self._user.dte_blocked()
        else:
            held, self._held = bytes(self._held or b""), None
            self.write = stream.write
            stream.write(held)
            if not stream.backlog:
                self._user.dte_drained()

    def _held_write(self, data: bytes) -> None:
        if self._held is not None:
            self._held += data

    def _set_dtr(self, on: bool) -> None:
        if on != self._dtr:
            self._dtr = on
            self._user.dtr_changed(on)

    # -- polling -------------------------------------------------------------------------------------------

    def _update_call_polling(self) -> None:
        """A port that is read tells its end by itself; a paused one in a call must be looked at."""
        poller = shared_poller(self._reactor, CALL_POLL_S)
        if self._stream is not None and self._in_call and self._paused and self._stopped is None:
            poller.add(self._poll_hang_up)
        else:
            poller.remove(self._poll_hang_up)

    def _poll_hang_up(self) -> None:
        stream = self._stream
        if stream is None:
            return
        poll = select.poll()
        poll.register(stream.fileno(), 0)
        if poll.poll(0):
            stream.finish(_UNPLUGGED)

    def _poll_sent(self) -> None:
        stream = self._stream
        if stream is not None:
            if self.backlog:
                return
            try:
                waiting = fcntl.ioctl(stream.fileno(), termios.TIOCOUTQ, bytes(4))
            except OSError:
                waiting = bytes(4)  # it cannot tell, or is gone
            if any(struct.unpack("i", waiting)):
                return
        self._finish_sent()

    def _finish_sent(self) -> None:
        shared_poller(self._reactor, SENT_POLL_S).remove(self._poll_sent)
        done, self._when_sent = self._when_sent, None
        if done is not None:
            done()

    def _stop_polling(self) -> None:
        shared_poller(self._reactor, CIRCUIT_POLL_S).remove(self._poll_circuits)
        shared_poller(self._reactor, CALL_POLL_S).remove(self._poll_hang_up)
        shared_poller(self._reactor, SENT_POLL_S).remove(self._poll_sent)
