"""Equipment on a real serial port.

Its descriptor is ours and never waits; flow control is the kernel's, except DTR/DSR, which no kernel does.
A device that has no circuits, or cannot count, is without them and otherwise complete.  One that is unplugged
is looked for until it is back, and then set as it was last asked to be.

What does not belong here: how many users there are.
"""

from __future__ import annotations

import os
import select
import termios
from collections.abc import Callable, Sequence
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from vmodem.net.sparing import Sparing
from vmodem.net.stream import Ending, FdStream, StreamUser
from vmodem.net.timer import Timer
from vmodem.port.base import (
    INPUTS,
    OUTPUTS,
    Counters,
    Noted,
    Port,
    PortError,
    PortFlow,
    PortUser,
    Settings,
    Signals,
)
from vmodem.port.marked import PLACED, MarkedInput
from vmodem.port.nobody import NOBODY
from vmodem.port.outgoing import POLL_S, Outgoing
from vmodem.port.pins import Pins
from vmodem.port.transmitter import Transmitter
from vmodem.port.watch import Watch
from vmodem.tty.device import explain
from vmodem.tty.equipment import Character, Equipment
from vmodem.tty.error import TtyError
from vmodem.tty.poller import shared_poller
from vmodem.tty.rs485 import Rs485
from vmodem.tty.uart import Uart
from vmodem.tty.uucplock import LockedError, UucpLock

#: Waits between attempts to open a missing device, in seconds; the last one repeats.
RETRY_S: Final = (0.25, 0.5, 1.0)
#: How long written bytes may take to leave when the port is stopped, in seconds.
LAST_WORDS_S: Final = 0.3
#: How often a device is looked at that is not read and has no circuits, in seconds.
PAUSED_POLL_S: Final = 0.25

_GONE: Final = (OSError, ValueError, termios.error)


class SerialPort(Port):
    """``serial:DEVICE``.  The arguments are those of the LINE string; ``dtr`` and ``rts`` are what these
    circuits are from the opening on, ``hupcl`` whether the system drops them at the closing (None: as the
    device has it).  ``retry`` are pauses after which a device is opened again that was opened before, in
    seconds: for equipment that takes harm from it.

    ``uart`` makes what asks the opened device about its circuits.
    """

    _log = Logger()

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
        exclusive: bool = True,
        lock: str = "none",
        latency: str = "normal",
        dtr: bool = True,
        rts: bool = True,
        hupcl: bool | None = None,
        errors: str = "count",
        rs485: Rs485 | None = None,
        retry: Sequence[float] = (),
        description: str = "",
        uart: Callable[[int], Uart] = Uart,
        lock_directory: str = "",
    ) -> None:
        self.description = description or f"serial:{device}"
        self.signals_known = Signals.NONE
        self.counters = Counters()
        self.mark_errors = errors == "mark"
        self._reactor = reactor
        self._device = device
        self._low_latency = latency == "low"
        self._make_uart = uart
        self._settings = Settings(speed, bits, parity, stop, PortFlow(flow))
        self._equipment = Equipment(device, _character(self._settings), exclusive=exclusive, rs485=rs485)
        if hupcl is not None or not (dtr and rts):
            self._equipment.hang_up = bool(hupcl)
        self._lock: UucpLock | None = None
        if lock == "uucp":
            self._lock = UucpLock(device, lock_directory) if lock_directory else UucpLock(device)
        driven = (Signals.DTR if dtr else Signals.NONE) | (Signals.RTS if rts else Signals.NONE)
        self._pins = Pins(self.description, driven, self._settings.flow)
        self._inputs = Signals.NONE
        self._user: PortUser = NOBODY
        self._stream: FdStream | None = None
        self._uart: Uart | None = None
        self._watch: Watch | None = None
        self._transmitter: Transmitter | None = None
        self._out = Outgoing(reactor, self._send, self._all_sent, self._tell)
        self._stream_blocked = False
        self._told = False  # the user knows that we are blocked
        self._paused = False
        self._sparing = Sparing(reactor.seconds, retry)
        self._attempt = 0
        self._reason = ""
        self._retry_timer = Timer(reactor)
        self._stop_timer = Timer(reactor)
        self._stopped: Deferred[None] | None = None

    # -- the contract: beginning and end ---------------------------------------------------------------------

    def start(self, user: PortUser) -> None:
        """Open the device; the user may be told of it, or of its absence, before this returns.

        Raises :class:`PortError` for a device that may not be opened or is no serial port.
        """
        self._user = user
        self._open(first=True)

    def stop(self) -> Deferred[None]:
        if self._stopped is not None:
            return self._stopped
        stopped = self._stopped = Deferred()
        self._user = NOBODY
        self._retry_timer.cancel()
        self._out.hurry()
        self._pins.end_break()
        if self._watch is not None:
            self._watch.stop()
        shared_poller(self._reactor, PAUSED_POLL_S).remove(self._look_for_end)
        if self._stream is None:
            self._finish_stop()
        else:
            self._stream.resume()
            self._stop_timer.set(LAST_WORDS_S, self._finish_stop)
            shared_poller(self._reactor, POLL_S).add(self._look_for_stop)
        return stopped

    # -- the contract: bytes ---------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        if self._stream is not None and self._stopped is None and data:
            self._out.write(data)

    @property
    def backlog(self) -> int:
        return self._out.backlog + (0 if self._stream is None else self._stream.backlog)

    def pause(self) -> None:
        self._paused = True
        if self._stream is not None:
            self._stream.pause()
            self._hold_up()

    def resume(self) -> None:
        self._paused = False
        if self._stream is not None and self._stopped is None:
            self._stream.resume()
            self._hold_up()

    def purge(self, received: bool, sent: bool) -> None:
        stream, uart = self._stream, self._uart
        if stream is None or uart is None:
            return
        if sent:
            stream.discard_pending()
            if self._transmitter is not None:
                self._transmitter.purged()
        try:
            uart.flush(received, sent)
        except OSError as exc:
            self._log.debug("{line}: {reason}", line=self.description, reason=exc.strerror)
        if sent:
            self._stream_blocked = False
            self._out.discard()
            self._tell()

    def when_sent(self, done: Callable[[], None]) -> None:
        self._out.then(lambda: self._later(done))

    # -- the contract: settings and circuits -----------------------------------------------------------------

    @property
    def settings(self) -> Settings:
        return self._settings

    def set(self, wanted: Settings, done: Callable[[Settings], None]) -> None:
        self._out.then(lambda: self._set(wanted, done))

    @property
    def signals(self) -> Signals:
        return (self._inputs | self._pins.outputs) & self.signals_known

    def drive(self, on: Signals, off: Signals) -> None:
        self._out.then(lambda: self._pins.drive(on & OUTPUTS, off & OUTPUTS))

    def set_break(self, on: bool) -> None:
        self._out.then(lambda: self._pins.set_break(on))

    # -- what the stream tells -------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Bytes of the equipment, without marks."""
        self.counters.received += len(data)
        self._user.data_received(data)

    def write_blocked(self) -> None:
        """The kernel takes no more."""
        self._stream_blocked = True
        self._tell()

    def write_drained(self) -> None:
        """The kernel has taken everything."""
        self._stream_blocked = False
        self._tell()

    def stream_ended(self, ending: Ending) -> None:
        """Whatever ended it: a serial port only ends when it is unplugged."""
        self._lost("unplugged" if ending.detail == "end of stream" else ending.detail)

    # -- opening and losing ----------------------------------------------------------------------------------

    def _open(self, first: bool = False) -> None:
        equipment = self._equipment
        equipment.marks = self.mark_errors
        try:
            if self._lock is not None and os.path.exists(self._device):
                self._lock.take()
            self._sparing.begun()
            equipment.open_device(_character(self._settings))
            fd = equipment.fileno()
            uart = self._uart = self._make_uart(fd)
            watch = self._watch = Watch(
                self._reactor,
                uart,
                self.counters,
                changed=self._signals_changed,
                noted=self._noted,
                gone=self._vanished,
            )
            self._prepare(equipment, uart, watch)
        except (TtyError, LockedError, *_GONE) as exc:
            self._cannot_open(exc, first)
            return
        self._stream = FdStream(self._reactor, fd, owner=equipment, peer=self._device)
        self._began()

    def _prepare(self, equipment: Equipment, uart: Uart, watch: Watch) -> None:
        """Circuits, breaks and latency of a device that has just been opened."""
        if self._low_latency and not uart.low_latency():
            self._log.info("{line}: the driver has no low latency", line=self.description)
        if self.mark_errors:
            watch.placed = PLACED
        elif watch.has_counts:
            equipment.ignore_breaks()
        self.signals_known = INPUTS | OUTPUTS if watch.has_lines else Signals.NONE
        self._inputs = watch.signals
        self._transmitter = Transmitter(uart, self._reactor.seconds, equipment.virtual)
        self._settings = self._read_back(self._settings)
        self._pins.opened(uart, self._settings.flow)

    def _began(self) -> None:
        """It is open: tell, and read."""
        stream, watch = self._stream, self._watch
        if stream is None or watch is None:
            return
        self._attempt = 0
        self._stream_blocked = False
        reason, self._reason = self._reason, ""
        if reason:
            self._log.info("{line}: back in service", line=self.description)
            self._user.found()
        self._user.attached(True)
        if self._stream is not stream or self._stopped is not None:
            return
        if watch.has_lines:
            self._user.signals_changed(self._inputs)
        if self._stream is not stream or self._stopped is not None:
            return
        self._pins.follow(self._dsr)
        watch.start()
        user: StreamUser = self
        if self.mark_errors:
            user = MarkedInput(self, watch, self.counters, self._noted, lambda: self._settings.parity != "N")
        stream.start(user)
        if self._paused:
            stream.pause()
        self._hold_up()

    def _cannot_open(self, exc: Exception, first: bool) -> None:
        self._close_device()
        if not isinstance(exc, FileNotFoundError):
            self._sparing.ended()  # or there was nothing to open
        if isinstance(exc, LockedError):
            reason, final = str(exc), False
        elif isinstance(exc, TtyError):
            reason, final = str(exc).rstrip("."), True
        elif "RS485" in str(exc):
            reason, final = f"{self._device} has no RS-485 mode; leave out rs485", True
        else:
            reason, final = explain(self._device, exc)
        # A device that returns belongs to root for a moment: only the first time is final.
        if final and first:
            raise PortError(reason + ".") from exc
        if reason != self._reason:
            self._reason = reason
            self._log.info("{line}: {reason}", line=self.description, reason=reason)
            self._user.lost(reason)
        self._retry()

    def _retry(self) -> None:
        if self._stopped is None:
            pause = RETRY_S[min(self._attempt, len(RETRY_S) - 1)]
            self._retry_timer.set(max(pause, self._sparing.left), self._open)
            self._attempt += 1

    def _lost(self, reason: str) -> None:
        stream, self._stream = self._stream, None
        if stream is None:
            return
        self._close_device(stream)
        self._sparing.ended()
        if self._stopped is not None:
            self._finish_stop()
            return
        self._reason = f"{self._device}: {reason}"
        self._log.info("{line}: {reason}", line=self.description, reason=reason)
        self._out.discard()
        self._out.hurry()
        self._stream_blocked = False
        self._tell()
        self._user.attached(False)
        self._user.lost(self._reason)
        self._attempt = 0
        self._retry()

    def _vanished(self, exc: OSError) -> None:
        """Its circuits cannot be read: hand over what is left, and end."""
        stream = self._stream
        if stream is not None:
            stream.finish(Ending.of(exc))
            if self._stream is stream:
                self._lost(exc.strerror or str(exc))

    def _look_for_end(self) -> None:
        """A port that is read tells its end by itself."""
        stream = self._stream
        if stream is not None:
            poll = select.poll()
            poll.register(stream.fileno(), 0)
            if poll.poll(0):
                self._vanished(OSError(5, "hung up"))

    def _look_for_stop(self) -> None:
        if self._all_sent():
            self._finish_stop()

    def _finish_stop(self) -> None:
        self._stop_timer.cancel()
        shared_poller(self._reactor, POLL_S).remove(self._look_for_stop)
        stream, self._stream = self._stream, None
        uart = self._uart
        if stream is not None and uart is not None:
            try:
                uart.flush(False, True)  # a stopped flow would hold the closing up, for 30 s in the kernel
            except OSError:
                pass
        self._close_device(stream)
        if self._stopped is not None and not self._stopped.called:
            self._stopped.callback(None)

    def _close_device(self, stream: FdStream | None = None) -> None:
        self._pins.closed()
        if self._watch is not None:
            self._watch.stop()
        shared_poller(self._reactor, PAUSED_POLL_S).remove(self._look_for_end)
        self._watch = self._uart = self._transmitter = None
        if stream is not None:
            stream.abort()
        else:
            self._equipment.close()
        if self._lock is not None:
            self._lock.release()

    # -- towards the equipment -------------------------------------------------------------------------------

    def _send(self, data: bytes) -> None:
        stream = self._stream
        if stream is None:
            return
        self.counters.sent += len(data)
        if self._transmitter is not None:
            self._transmitter.sent(len(data), self._settings.character_s)
        stream.write(data)

    def _all_sent(self) -> bool:
        """Whether the last bit has left, as far as can be known."""
        stream, transmitter = self._stream, self._transmitter
        if stream is None or transmitter is None:
            return True
        return not stream.backlog and transmitter.empty(self._settings.character_s)

    def _tell(self) -> None:
        blocked = self._stream_blocked or self._out.waiting
        if blocked is not self._told:
            self._told = blocked
            if blocked:
                self._user.write_blocked()
            else:
                self._user.write_drained()

    def _later(self, done: Callable[..., None], *arguments: Any) -> None:
        self._reactor.callLater(0, done, *arguments)

    # -- settings --------------------------------------------------------------------------------------------

    def _set(self, wanted: Settings, done: Callable[[Settings], None]) -> None:
        before = self._settings
        if not wanted.sensible:
            self._later(done, before)
            return
        self._settings = wanted
        if self._stream is not None:
            try:
                self._equipment.change(_character(wanted))
            except _GONE as exc:
                self._log.info(
                    "{line}: refuses {wanted}: {reason}",
                    line=self.description,
                    wanted=str(wanted),
                    reason=str(exc),
                )
                self._settings = before
            self._settings = self._read_back(self._settings)
            self._pins.set_flow(self._settings.flow, self._dsr)
        self._later(done, self._settings)

    def _read_back(self, wanted: Settings) -> Settings:
        """What is in force after ``wanted`` was asked for."""
        try:
            real = self._equipment.in_force()
        except (KeyError, *_GONE):
            return wanted
        flow = wanted.flow
        if flow is PortFlow.RTS_CTS and not real.rtscts:
            flow = PortFlow.NONE
        return Settings(real.rate, real.bits, real.parity, real.stop, flow)

    # -- circuits --------------------------------------------------------------------------------------------

    @property
    def _dsr(self) -> bool:
        """Whether the equipment's DSR is on; one without is always ready."""
        return Signals.DSR not in self.signals_known or Signals.DSR in self._inputs

    def _hold_up(self) -> None:
        """Reading has been stopped or begun again."""
        self._pins.pause(self._paused)
        poller = shared_poller(self._reactor, PAUSED_POLL_S)
        watched = self._watch is not None and self._watch.has_lines
        if self._paused and self._stream is not None and not watched and self._stopped is None:
            poller.add(self._look_for_end)
        else:
            poller.remove(self._look_for_end)

    def _signals_changed(self, signals: Signals) -> None:
        self._inputs = signals
        self._pins.follow(self._dsr)
        self._user.signals_changed(signals)

    def _noted(self, what: Noted) -> None:
        self._user.noted(what)


def _character(settings: Settings) -> Character:
    return Character(
        settings.rate,
        settings.data_bits,
        settings.parity,
        settings.stop_bits,
        settings.flow is PortFlow.RTS_CTS,
        settings.flow is PortFlow.XON_XOFF,
    )
