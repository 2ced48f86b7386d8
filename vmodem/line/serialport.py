"""A line on a real serial port, with the DTE at the other end of a cable.

The port of the computer we run on is wired as a DTE, too: :mod:`vmodem.line.wiring` says which of its pins
stands for what.  A device that has no such lines counts as one whose DTE is always there.
"""

from __future__ import annotations

import os
import select
import termios
from collections.abc import Callable, Collection
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from vmodem.line.base import Circuit, FlowControl, Line, LineError, LineUser
from vmodem.line.following import RateFollower, framing_errors
from vmodem.line.framing import Framing
from vmodem.line.misheard import Frame
from vmodem.line.portflow import PortFlow
from vmodem.line.wiring import Wiring
from vmodem.net.stream import NOBODY, Cause, Ending, FdStream
from vmodem.tty import circuits
from vmodem.tty.breaks import SENT_POLL_S, BreakSender, BreakWatch, all_sent, count_breaks
from vmodem.tty.circuits import ModemLines
from vmodem.tty.device import Port, explain
from vmodem.tty.poller import shared_poller

#: Where following the DTE's speed begins, in bit/s.
FIRST_RATE: Final = 9600
#: How often circuits are read, in seconds: a drop of 50 ms must be seen and measured.
CIRCUIT_POLL_S: Final = 0.01
#: How often a device without circuits is looked at in a paused call, in seconds.
CALL_POLL_S: Final = 0.05
#: Waits between attempts to open a missing device, in seconds; the last one repeats.
RETRY_S: Final = (0.25, 0.5, 1.0)
#: How long written bytes may take to leave when the line is stopped, in seconds.
LAST_WORDS_S: Final = 0.3

_UNPLUGGED: Final = Ending(Cause.DEVICE, "hung up")


def _discard(data: bytes) -> None:
    """The device is not there."""


class SerialLine(Line):
    """``serial:DEVICE``.  ``speed`` in bit/s, None to follow the DTE's; the other arguments are those of the
    LINE string.

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
        speed: int | None = 9600,
        bits: int = 8,
        parity: str = "N",
        stop: float = 1,
        flow: str | None = None,
        wiring: str = "null-modem",
        dtr_carries: str | None = None,
        rts_carries: str | None = None,
        dtr_in: str | None = None,
        invert: Collection[str] = (),
        exclusive: bool = True,
        description: str = "",
        modem_lines: Callable[[int], ModemLines] = ModemLines,
        count_errors: Callable[[int], int | None] = framing_errors,
        breaks: Callable[[int], int | None] = count_breaks,
    ) -> None:
        self.description = description or f"serial:{device}"
        self.write = _discard
        self._reactor = reactor
        self._device = device
        self._speed = speed or FIRST_RATE
        self._flow = flow or "none"
        self._make_lines = modem_lines
        self._count_breaks = breaks
        self._wiring = Wiring(
            self.description,
            wiring=wiring,
            flow=self._flow,
            dtr_carries=dtr_carries,
            rts_carries=rts_carries,
            dtr_in=dtr_in,
            invert=invert,
        )
        self._port = Port(
            baudrate=self._speed,
            bytesize=bits,
            parity=parity,
            stopbits=stop,
            rtscts=flow == "rtscts",
            xonxoff=flow == "xonxoff",
            exclusive=exclusive or None,
        )
        self._follower: RateFollower | None = None
        if speed is None:
            if bits < 7:
                raise LineError(
                    f"LINE {self.description!r}: speed=auto needs whole letters; bits=7 or 8 was expected."
                )
            self._follower = RateFollower(
                reactor,
                self._port,
                self.description,
                self._heard,
                frame=Frame(bits, parity),
                count_errors=count_errors,
            )
        self._framing = Framing(reactor, self._port, self.description, self._all_sent)
        self._port_flow = PortFlow(self._port, self._wiring, pinned=flow is not None)
        self._break_watch: BreakWatch | None = None
        self._break_sender: BreakSender | None = None
        self._rts: bool | None = None  # the DTE's, once it was seen on
        self._lines: ModemLines | None = None
        self._stream: FdStream | None = None
        self._held: bytearray | None = None
        self._holding: set[str] = set()  # why
        self._dtr = False
        self._paused = False
        self._in_call = False
        self._attempt = 0
        self._reason = ""
        self._timer: Any = None
        self._when_sent: Callable[[], None] | None = None
        self._stopped: Deferred[None] | None = None

    # -- the contract --------------------------------------------------------------------------------------

    def start(self, user: LineUser) -> None:
        """Open the device; the user may be told of it, or of its absence, before this returns.

        Raises :class:`LineError` for a device that may not be opened or is no serial port.
        """
        self._user = user
        self.data_received = self._reader()
        self._open(first=True)

    def stop(self) -> Deferred[None]:
        if self._stopped is not None:
            return self._stopped
        stopped = self._stopped = Deferred()
        self.data_received = NOBODY.data_received
        self.write = _discard
        if self._follower is not None:
            self._follower.closed()
        self._cancel_timer()
        self._stop_polling()
        self._stop_break()
        self._framing.stop()
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
        return self._speed if self._follower is None else self._follower.rate

    def fix_rate(self, rate: int | None) -> None:
        """Stay at ``rate`` from when everything written has left, None: follow the DTE again; no effect where
        the LINE says the speed."""
        if self._follower is not None:
            self._follower.fix(rate)

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
        if self._wiring.drive(circuit, on):
            self._drive()

    def set_flow(self, flow: FlowControl) -> None:
        if self._stopped is not None:
            return
        self._port_flow.ask(flow)
        self._drive()
        reader = self._reader()
        if reader != self.data_received:
            self.data_received = reader
            if self._stream is not None:
                self._stream.start(self)
                if self._paused:
                    self._stream.pause()

    def set_framing(self, data_bits: int, parity: str, stop_bits: int) -> None:
        """No effect while the DTE's speed is followed: what is misheard is judged by the framing."""
        if self._follower is None and self._stopped is None:
            self._framing.ask(data_bits, parity, stop_bits)

    def send_break(self, seconds: float) -> None:
        if self._break_sender is not None:
            self._break_sender.begin(seconds)

    def discard(self) -> None:
        stream = self._stream
        if stream is None:
            return
        stream.discard_pending()
        if self._held is not None:
            self._held.clear()
        self._flush(stream)
        self._finish_sent()
        if self._held is None:
            self.write_drained()

    def call_active(self, active: bool) -> None:
        self._in_call = active
        if self._follower is not None:
            self._follower.call_active(active)
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
            port.baudrate = self.rate
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
            if self._follower is not None:
                self._follower.opened(stream.write)
            self.write = self._way_out(stream)
            self._break_sender = BreakSender(self._reactor, fd, self._all_sent, self._hold_for_break)
            self._drive()
        except OSError as exc:
            self._lost(exc.strerror or str(exc))
            return
        if self._reason:
            self._log.info("{line}: back in service", line=self.description)
            self._user.line_found()
        self._attempt, self._reason = 0, ""
        self._held = None
        self._holding.clear()
        if self._wiring.dtr_in != "on" or self._flow == "dsrdtr":
            self._watch_breaks(fd)
            shared_poller(self._reactor, CIRCUIT_POLL_S).add(self._poll_circuits)
            self._poll_circuits()
        else:
            self._set_dtr(True)
        if self._stream is stream and self._stopped is None:
            stream.start(self)
            if self._paused:
                stream.pause()
            self._update_call_polling()

    def _way_out(self, stream: FdStream) -> Callable[[bytes], None]:
        """What writes to the stream."""
        return stream.write if self._follower is None else self._follower.write

    def _reader(self) -> Callable[[bytes], None]:
        """What takes the stream's chunks."""
        received = self._user.dte_received if self._follower is None else self._follower.received
        return self._port_flow.reader(received)

    def _heard(self, data: bytes) -> None:
        """Received, and at the right rate."""
        if self._stopped is None:
            self._user.dte_received(data)

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
        if self._follower is not None:
            self._follower.closed()
        self._held = None
        self._lines = None
        self._stop_break()
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
            self._flush(stream)  # a stopped flow would hold the closing up, for up to 30 s in the kernel
            stream.abort()
        if self._stopped is not None and not self._stopped.called:
            self._stopped.callback(None)

    def _flush(self, stream: FdStream) -> None:
        """Forget what the kernel has not sent yet."""
        try:
            termios.tcflush(stream.fileno(), termios.TCOFLUSH)
        except (OSError, termios.error) as exc:
            self._log.debug("{line}: {reason}", line=self.description, reason=str(exc))

    def _cancel_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    # -- circuits ------------------------------------------------------------------------------------------

    def _output(self, line: int) -> bool:
        """The level that one of our two outputs has to have."""
        holds = self._flow == "dsrdtr" if line == circuits.DTR else self._port_flow.holds_by_rts
        return self._wiring.output(line, not (holds and self._paused))

    def _drive(self) -> None:
        if self._lines is None:
            return
        try:
            self._lines.drive(circuits.DTR, self._output(circuits.DTR))
            if not self._port.rtscts:  # else the kernel drives RTS
                self._lines.drive(circuits.RTS, self._output(circuits.RTS))
        except OSError as exc:
            self._log.debug("{line}: driving circuits: {reason}", line=self.description, reason=exc.strerror)

    def _flow_changed(self) -> None:
        if self._flow == "dsrdtr" or self._port_flow.holds_by_rts:
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
        if self._flow == "dsrdtr":
            self._hold("dsr", not self._wiring.input(state, circuits.DSR))
        if self._wiring.rts_in:
            self._see_rts(self._wiring.input(state, circuits.CTS))
        self._set_dtr(self._wiring.dtr(state))
        if self._break_watch is not None and self._break_watch.came():
            self.break_received()

    def _see_rts(self, on: bool) -> None:
        """One that was never on since the start may be no wire at all."""
        if on:
            self._port_flow.rts_seen()
        if on is not self._rts and (on or self._rts is not None):
            self._rts = on
            self.rts_changed(on)

    def _watch_breaks(self, fd: int) -> None:
        """At a speed that is not known a break means another one."""
        watch = BreakWatch(fd, self._count_breaks) if self._follower is None else None
        self._break_watch = watch if watch is not None and watch.counted else None
        if self._break_watch is not None:
            self._port.ignore_breaks()

    def _hold_for_break(self, on: bool) -> None:
        self._hold("break", on)
        if not on:
            self._poll_sent()

    def _stop_break(self) -> None:
        sender, self._break_sender = self._break_sender, None
        if sender is not None:
            sender.stop()

    def _hold(self, why: str, stop: bool) -> None:
        """Keep what is written: flow=dsrdtr while the DTE's DTR is off, or a break that goes before it."""
        if stop:
            self._holding.add(why)
        else:
            self._holding.discard(why)
        stop = bool(self._holding)
        stream = self._stream
        if stream is None or stop == (self._held is not None):
            return
        if stop:
            self._held = bytearray()
            self.write = self._held_write
            self._user.dte_blocked()
        else:
            held, self._held = bytes(self._held or b""), None
            self.write = self._way_out(stream)
            self.write(held)
            if not stream.backlog:
                self._user.dte_drained()

    def _held_write(self, data: bytes) -> None:
        if self._held is not None:
            self._held += data

    def _set_dtr(self, on: bool) -> None:
        if on != self._dtr:
            self._dtr = on
            if not on:
                self._port_flow.dte_left()
                self._drive()
            if on and self._follower is not None:
                self._follower.dtr_rose()
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
        breaking = self._break_sender is not None and self._break_sender.active
        if not (self.backlog or breaking) and self._all_sent():
            self._finish_sent()

    def _all_sent(self) -> bool:
        """Whether the stream and the transmitter are empty."""
        stream = self._stream
        return stream is None or (not stream.backlog and all_sent(stream.fileno()))

    def _finish_sent(self) -> None:
        shared_poller(self._reactor, SENT_POLL_S).remove(self._poll_sent)
        done, self._when_sent = self._when_sent, None
        if done is not None:
            done()

    def _stop_polling(self) -> None:
        shared_poller(self._reactor, CIRCUIT_POLL_S).remove(self._poll_circuits)
        shared_poller(self._reactor, CALL_POLL_S).remove(self._poll_hang_up)
        shared_poller(self._reactor, SENT_POLL_S).remove(self._poll_sent)
