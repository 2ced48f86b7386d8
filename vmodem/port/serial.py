"""Equipment on a real serial port.

Its descriptor is ours and never waits; flow control is the kernel's, except DTR/DSR, which no kernel does.
A device that has no circuits, or cannot count, is without them and otherwise complete.  One that is unplugged
is looked for until it is back, and then set as it was last asked to be.

What does not belong here: how many users there are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger

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
from vmodem.port.breaking import BreakSender
from vmodem.port.devicesettings import DeviceSettings, character
from vmodem.port.marked import PLACED, MarkedInput
from vmodem.port.nobody import NOBODY
from vmodem.port.opening import Opening, Refused
from vmodem.port.outgoing import POLL_S, Outgoing
from vmodem.port.pins import Pins
from vmodem.port.transmitter import Transmitter
from vmodem.port.watch import Watch
from vmodem.tty.device import hung_up
from vmodem.tty.equipment import Equipment
from vmodem.tty.poller import shared_poller
from vmodem.tty.rs485 import Rs485
from vmodem.tty.uart import Uart
from vmodem.tty.uucplock import DIRECTORY, UucpLock

#: How long written bytes may take to leave when the port is stopped, in seconds.
LAST_WORDS_S: Final = 0.3
#: How often a device is looked at that is not read and has no circuits, in seconds.
PAUSED_POLL_S: Final = 0.25


class SerialPort(Port):
    """``serial:DEVICE``.  The arguments are those of the LINE string; ``dtr`` and ``rts`` are what these
    circuits are from the opening on, ``hupcl`` whether the system drops them at the closing (None: as the
    device has it), ``retry`` pauses in seconds after which a device is opened again that takes harm from it.

    Beyond LINE strings ``errors`` may be ``bytes``: a break is a byte like any other, and nothing is counted.
    One that is not ``watched`` has no circuits for anybody to hear of.  ``patience_s`` is how long settings,
    circuits and breaks wait for the bytes before them, in seconds, if not five.

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
        watched: bool = True,
        patience_s: float | None = None,
        description: str = "",
        uart: Callable[[int], Uart] = Uart,
        lock_directory: str = DIRECTORY,
    ) -> None:
        self.description = description or f"serial:{device}"
        self.signals_known = Signals.NONE
        self.counters = Counters()
        self.mark_errors = errors == "mark"
        self._reactor = reactor
        self._device = device
        self._watched, self._counting = watched, errors != "bytes"
        self._low_latency = latency == "low"
        self._make_uart = uart
        settings = Settings(speed, bits, parity, stop, PortFlow(flow))
        self._equipment = Equipment(device, character(settings), exclusive=exclusive, rs485=rs485)
        self._device_settings = DeviceSettings(self._equipment, settings)
        if hupcl is not None or not (dtr and rts):
            self._equipment.hang_up = bool(hupcl)
        locks = UucpLock(device, lock_directory) if lock == "uucp" else None
        self._opening = Opening(reactor, self._equipment, locks, retry)
        driven = (Signals.DTR if dtr else Signals.NONE) | (Signals.RTS if rts else Signals.NONE)
        self._pins = Pins(self.description, driven, settings.flow)
        self._inputs = Signals.NONE
        self._user: PortUser = NOBODY
        self._stream: FdStream | None = None
        self._uart: Uart | None = None
        self._watch: Watch | None = None
        self._transmitter: Transmitter | None = None
        self._guessing: Transmitter | None = None  # that, where it is to know what is sent
        self._out = Outgoing(reactor, self._send, self._empty, self._left, self._tell, limit_s=patience_s)
        self._breaks = BreakSender(reactor, self._out, self._pins)
        self._stream_blocked = False
        self._told = False  # the user knows that we are blocked
        self._paused = False
        self._reason = ""
        self._stop_timer = Timer(reactor)
        self._stopped: Deferred[None] | None = None

    # -- the contract: beginning and end ---------------------------------------------------------------------

    def start(self, user: PortUser) -> None:
        """Open the device; the user may be told of it, or of its absence, before this returns.

        Raises :class:`PortError` for a device that may not be opened or is no serial port.
        """
        self._user = user
        try:
            self._open()
        except Refused as exc:
            # A device that returns belongs to root for a moment: only the first time is final.
            if exc.final:
                raise PortError(exc.reason + ".") from exc
            self._cannot_open(exc.reason)

    def stop(self) -> Deferred[None]:
        if self._stopped is not None:
            return self._stopped
        stopped = self._stopped = Deferred()
        self._user = NOBODY
        self._opening.give_up()
        self._breaks.end()
        self._pins.end_break()
        self._out.hurry()
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
        stream = self._stream
        if stream is None or self._stopped is not None or not data:
            return
        if self._out.waiting:
            self._out.write(data)
        else:
            self.counters.sent += len(data)
            if self._guessing is not None:
                self._guessing.sent(len(data), self.settings.character_s)
            stream.write(data)

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
        if sent and self._stream is not None:
            self._stream.discard_pending()
        if sent and self._transmitter is not None:
            self._transmitter.purged()
        self._flush(received, sent)
        if sent:
            self._stream_blocked = False
            self._out.discard()
            self._tell()

    @property
    def all_sent(self) -> bool:
        return not self._out.waiting and self._empty()

    def when_sent(self, done: Callable[[], None]) -> None:
        self._out.then(lambda: self._reactor.callLater(0, done))

    # -- the contract: settings and circuits -----------------------------------------------------------------

    @property
    def settings(self) -> Settings:
        return self._device_settings.now

    def set(self, wanted: Settings, done: Callable[[Settings], None]) -> None:
        self._out.then(lambda: self._set(wanted, done))

    @property
    def signals(self) -> Signals:
        return (self._inputs | self._pins.outputs) & self.signals_known

    def drive(self, on: Signals, off: Signals) -> None:
        self._out.then(lambda: self._pins.drive(on & OUTPUTS, off & OUTPUTS))

    def set_break(self, on: bool) -> None:
        self._out.then(lambda: self._pins.set_break(on))

    def send_break(self, seconds: float) -> None:
        if self._stream is not None and self._stopped is None:
            self._breaks.send(seconds)

    # -- beyond the contract: what does not wait for bytes ---------------------------------------------------

    def drive_now(self, on: Signals, off: Signals) -> None:
        """As :meth:`drive`, but at once: before start() this is what the circuits are at the opening."""
        self._pins.drive(on & OUTPUTS, off & OUTPUTS)

    def stop_output(self, stop: bool) -> None:
        """Stop the transmitter and keep what is written; or let both go on, whatever had stopped them."""
        if self._uart is not None:
            self._pins.stop_output(stop)
            self._out.hold("stopped", stop)

    def set_kernel_flow(self, circuits: bool, obeyed: bool, sent: bool, xon: int, xoff: int) -> None:
        """Have the kernel do flow control by RTS and CTS, obey XOFF, send it, each or not, with these
        characters.  Flow control is no part of :meth:`set` from then on."""
        self._device_settings.set_flow(circuits, obeyed, sent, xon, xoff)
        self._pins.set_flow(self.settings.flow, self._dsr)

    @property
    def baudrate(self) -> int:
        """The speed in bit/s."""
        return self.settings.rate

    def change_rate(self, rate: int) -> str | None:
        """Set the speed; returns why the device refuses, and then the speed is as it was."""
        return self._device_settings.change_rate(rate)

    def fileno(self) -> int:
        """Of the open device."""
        return self._equipment.fileno()

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

    def _open(self) -> None:
        equipment = self._equipment
        equipment.marks = self.mark_errors
        try:
            self._opening.open(self._device_settings.character, self._prepare)
        except Refused:
            self._close_device()
            raise
        self._stream = FdStream(self._reactor, equipment.fileno(), owner=equipment, peer=self._device)
        self._began()

    def _open_again(self) -> None:
        try:
            self._open()
        except Refused as exc:
            self._cannot_open(exc.reason)

    def _prepare(self) -> None:
        """Circuits, breaks and latency of a device that has just been opened."""
        equipment = self._equipment
        uart = self._uart = self._make_uart(equipment.fileno())
        watch = self._watch = Watch(
            self._reactor,
            uart,
            self.counters,
            changed=self._signals_changed,
            noted=self._noted,
            gone=self._vanished,
            look_at_lines=self._watched,
            look_at_counts=self._watched and self._counting,
        )
        if self._low_latency and not uart.low_latency():
            self._log.info("{line}: the driver has no low latency", line=self.description)
        if self.mark_errors:
            watch.placed = PLACED
        elif watch.has_counts:
            equipment.ignore_breaks()
        self.signals_known = INPUTS | OUTPUTS if watch.has_lines else Signals.NONE
        self._inputs = watch.signals
        self._transmitter = Transmitter(uart, self._reactor.seconds, equipment.virtual)
        self._guessing = self._transmitter if self._transmitter.guessing else None
        self._device_settings.read_back()
        self._pins.opened(uart, self.settings.flow)

    def _began(self) -> None:
        """It is open: tell, and read."""
        stream, watch = self._stream, self._watch
        if stream is None or watch is None:
            return
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
            user = MarkedInput(self, watch, self.counters, self._noted, lambda: self.settings.parity != "N")
        stream.start(user)
        if self._paused:
            stream.pause()
        self._hold_up()

    def _cannot_open(self, reason: str) -> None:
        if reason != self._reason:
            self._reason = reason
            self._log.warn("{line}: {reason}", line=self.description, reason=reason)
            self._user.lost(reason)
        if self._stopped is None:
            self._opening.again(self._open_again)

    def _lost(self, reason: str) -> None:
        stream, self._stream = self._stream, None
        if stream is None:
            return
        self._close_device(stream)
        self._opening.lost()
        if self._stopped is not None:
            self._finish_stop()
            return
        self._reason = f"{self._device}: {reason}"
        self._log.warn("{line}: {reason}", line=self.description, reason=reason)
        self._breaks.end()
        self._out.discard()
        self._out.hurry()
        self._stream_blocked = False
        self._tell()
        self._user.attached(False)
        self._user.lost(self._reason)
        if self._stopped is None:
            self._opening.again(self._open_again)

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
        if stream is not None and hung_up(stream.fileno()):
            self._vanished(OSError(5, "hung up"))

    def _look_for_stop(self) -> None:
        if self._empty():
            self._finish_stop()

    def _finish_stop(self) -> None:
        self._stop_timer.cancel()
        shared_poller(self._reactor, POLL_S).remove(self._look_for_stop)
        stream, self._stream = self._stream, None
        self._flush(False, True)  # a stopped flow would hold the closing up, for 30 s in the kernel
        self._close_device(stream)
        if self._stopped is not None and not self._stopped.called:
            self._stopped.callback(None)

    def _close_device(self, stream: FdStream | None = None) -> None:
        self._pins.closed()
        if self._watch is not None:
            self._watch.stop()
        shared_poller(self._reactor, PAUSED_POLL_S).remove(self._look_for_end)
        self._watch = self._uart = self._transmitter = self._guessing = None
        if stream is not None:
            stream.abort()
        else:
            self._equipment.close()
        self._opening.closed()

    # -- towards the equipment -------------------------------------------------------------------------------

    def _send(self, data: bytes) -> None:
        stream = self._stream
        if stream is None:
            return
        self.counters.sent += len(data)
        if self._guessing is not None:
            self._guessing.sent(len(data), self.settings.character_s)
        stream.write(data)

    def _flush(self, received: bool, sent: bool) -> None:
        if self._uart is not None:
            try:
                self._uart.flush(received, sent)
            except OSError as exc:
                self._log.debug("{line}: {reason}", line=self.description, reason=exc.strerror)

    def _empty(self) -> bool:
        """Whether the last bit has left, as far as can be known."""
        if self._stream is None or self._transmitter is None:
            return True
        return not self._stream.backlog and self._transmitter.empty(self.settings.character_s)

    def _left(self) -> float:
        """How many bytes have not left, as far as can be known."""
        if self._stream is None or self._transmitter is None:
            return 0
        return self._stream.backlog + self._transmitter.left(self.settings.character_s)

    def _tell(self) -> None:
        blocked = self._stream_blocked or self._out.waiting
        if blocked is not self._told:
            self._told = blocked
            if blocked:
                self._user.write_blocked()
            else:
                self._user.write_drained()

    # -- settings --------------------------------------------------------------------------------------------

    def _set(self, wanted: Settings, done: Callable[[Settings], None]) -> None:
        if wanted.sensible:
            reason = self._device_settings.set(wanted)
            if reason:
                text = "{line}: refuses {wanted}: {reason}"
                self._log.info(text, line=self.description, wanted=str(wanted), reason=reason)
            self._pins.set_flow(self.settings.flow, self._dsr)
        self._reactor.callLater(0, done, self.settings)

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
