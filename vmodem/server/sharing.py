"""One port, and all who share it.

:class:`SharedPort` is the port's user: what the device sends goes in packets to every client, and what they
send goes to the device as the rules let them.

What does not belong here: listeners and who is let in (the service's affair), the queue of a client
(client.py), and how settings are changed (orders.py, desk.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from twisted.logger import Logger

from vmodem.net.stream import Cause, Ending, Stream, unheard
from vmodem.net.telnetsettings import TelnetSettings
from vmodem.port.base import Noted, Port, Settings, Signals
from vmodem.wire.comport import LineState, ModemState, Purge
from vmodem.wire.comport_port import PortServer, modem_state

from .client import Client
from .desk import Desk
from .orders import Orders
from .pack import Packer
from .pen import Pen
from .pulse import Pulse, PulseError, parse_pulse
from .rules import PortRules
from .speech import Order, Owner, PortStream, speak, spoken
from .texts import expand

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

    from vmodem.net.pcapfile import PcapFile

BUSY: Final = b"\r\n[vmodem: this port is in use]\r\n"
TAKEN_OVER: Final = b"\r\n[vmodem: another client has taken this port over]\r\n"
GONE: Final = b"\r\n[vmodem: the device is gone; waiting for it]\r\n"
BACK: Final = b"\r\n[vmodem: the device is back]\r\n"

_STATES: Final = {
    Noted.BREAK: LineState.BREAK,
    Noted.FRAMING: LineState.FRAMING,
    Noted.PARITY: LineState.PARITY,
    Noted.OVERRUN: LineState.OVERRUN,
}
#: As termios(3) has it with PARMRK: FF 00 and the character; a break is a character of zeros.
_MARKS: Final = {Noted.BREAK: b"\xff\x00\x00", Noted.FRAMING: b"\xff\x00", Noted.PARITY: b"\xff\x00"}


class SharedPort:
    """A :class:`vmodem.port.base.PortUser` with clients.

    ``capture`` is told every byte with its direction; ``changed`` is called when a client has come or gone.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        port: Port,
        rules: PortRules,
        *,
        capture: PcapFile | None = None,
        changed: Callable[[], None] = unheard,
    ) -> None:
        self.port = port
        self.clients: list[Client] = []
        #: Called at the device's data while there is no client, and when its DSR changes (connect-back).
        self.unclaimed: Callable[[bytes], None] = _nowhere
        self.dsr_changed: Callable[[bool], None] = _nobody
        self.lost_for: str = "not started"
        self.is_attached = True
        self._reactor = reactor
        self._changed = changed
        self._capture = capture
        self._signals = Signals.NONE
        self._readers: tuple[Client, ...] = ()
        self._holding: set[Client] = set()
        self._device_paused = False
        self._port_blocked = False
        self._history = bytearray()
        self._pulses: list[Pulse] = []
        self._desk: Desk | None = None
        self._pen: Pen | None = None
        self._orders = Orders(reactor)
        self._stopped = False
        self.rules = rules
        self._packer = self._make_packer()
        self._bulk = self._packer.bulk
        self._pass_by = True  # what comes in bulk may go straight to the clients

    # -- life ----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the port.  Raises :class:`vmodem.port.base.PortError`."""
        self.lost_for = ""
        self.port.start(self)
        self._signals = self.port.signals
        desk = self._desk = Desk(self._reactor, self.port)
        desk.break_changed = self._break_changed
        self.configure(self.rules)

    def stop(self) -> Deferred[None]:
        """Send every client away and stop the port."""
        self._stopped = True
        self.unclaimed, self.dsr_changed = _nowhere, _nobody
        self._packer.flush()
        for client in list(self.clients):
            self._remove(client)
            client.close()
        for pulse in self._pulses:
            pulse.stop()
        self._orders.stop()
        if self._pen is not None:
            self._pen.stop()
        if self._desk is not None:
            self._desk.stop()
        return self.port.stop()

    def configure(self, rules: PortRules) -> None:
        """These are the rules from now on; clients stay."""
        if rules.pack != self.rules.pack:
            self._packer.flush()
            self.rules = rules
            self._packer = self._make_packer()
        self.rules = rules
        self._bulk = self._packer.bulk
        del self._history[: max(0, len(self._history) - rules.history)]
        self._pass_by = not (rules.printer or rules.history or rules.mark_errors or self._capture)
        if self._pen is not None:
            self._pen.stop()
            self._pen = None
        if rules.clients == "share" and rules.write_lock > 0:
            self._pen = Pen(self._reactor, rules.write_lock, self._to_device, lambda: self.port.backlog > 0)
        self._assign()

    def _make_packer(self) -> Packer:
        return Packer(
            self._reactor, self.rules.pack, lambda: self.port.settings.character_s, self._send_packet
        )

    # -- clients -------------------------------------------------------------------------------------------

    def speak(self, below: Stream, protocol: str) -> Stream:
        """What clients of a listener speak, over one of its connections."""
        settings = TelnetSettings(cr_nul=self.rules.cr_nul)
        return speak(self._reactor, below, protocol, self, self.rules.name, settings)

    @property
    def full(self) -> bool:
        """Whether a newcomer would be turned away."""
        return self.rules.clients != "kick" and len(self.clients) >= self.rules.room

    def join(self, stream: Stream, peer: str, listener: str = "") -> Client | None:
        """A client comes, its stream not yet started.  None: there is no room, and the stream is closed."""
        if self.full or self._stopped:
            self._log.info("{port}: {peer} turned away: in use", port=self.rules.name, peer=peer)
            if isinstance(spoken(stream), PortStream):
                stream.write(BUSY)
            stream.close(1.0)
            return None
        while len(self.clients) >= self.rules.room:
            self._send_away(self.clients[0], "another client takes the port over", TAKEN_OVER)
            self._left()
        first = not self.clients
        client = Client(self._reactor, self, stream, peer, listener)
        greeting = self.expand(self.rules.banner) + bytes(self._history)
        self.clients.append(client)
        self._log.info(
            "{port}: {peer} connected on {listener}", port=self.rules.name, peer=peer, listener=listener
        )
        if self._port_blocked:
            client.hold("port")
        self._assign()
        self._break_changed()
        if first and self.rules.open_string:
            self._to_device(self.expand(self.rules.open_string))
        client.start(greeting)
        self._changed()
        return client

    def ended(self, client: Client, ending: Ending) -> None:
        """See :class:`vmodem.server.client.Host`."""
        clean = ending.cause is Cause.FINISHED
        self._log.info(
            "{port}: {peer} disconnected{why}",
            port=self.rules.name,
            peer=client.peer,
            why="" if clean else f": {ending.detail}",
        )
        self._remove(client)
        if clean:
            client.close()
        else:
            client.abort()
        self._left()

    def dismiss(self, client: Client, reason: str) -> None:
        """See :class:`vmodem.server.client.Host`."""
        self._send_away(client, reason, f"\r\n[vmodem: {reason}]\r\n".encode("utf-8", "replace"))
        self._left()

    def _send_away(self, client: Client, reason: str, text: bytes) -> None:
        if client not in self.clients:
            return
        self._log.info("{port}: {peer} sent away: {why}", port=self.rules.name, peer=client.peer, why=reason)
        self._remove(client)
        client.close(text if client.reads_words else b"")

    def _remove(self, client: Client) -> None:
        if client not in self.clients:
            return
        self.clients.remove(client)
        if self._pen is not None:
            self._pen.leave(client)
        self._assign()
        self._hold_up()

    def _left(self) -> None:
        """Somebody has gone."""
        if not self.clients and not self._stopped:
            if self.rules.close_string:
                self._to_device(self.expand(self.rules.close_string))
            if self._desk is not None:
                self._desk.restore()
        self._changed()

    def _assign(self) -> None:
        """Say where everybody's bytes go."""
        self._readers = () if self.rules.printer else tuple(self.clients)
        to_device: Callable[[bytes], None] = self.port.write if self._capture is None else self._to_device
        for place, client in enumerate(self.clients):
            if self._pen is not None:
                client.put = partial(self._pen.put, client)
            elif self.rules.clients == "observe" and place:
                client.put = partial(self._observed, client)
            else:
                client.put = to_device

    def writes(self, client: Client) -> bool:
        """Whether a client may write now."""
        if self.rules.clients == "observe":
            return bool(self.clients) and client is self.clients[0]
        return self._pen is None or self._pen.owner in (None, client)

    def _observed(self, client: Client, data: bytes) -> None:
        client.unheard += len(data)

    def expand(self, text: str) -> bytes:
        """A text of the configuration as it is sent now."""
        values = {
            "name": self.rules.name,
            "line": self.port.description,
            "rate": str(self.port.settings.rate),
            "date": time.strftime("%Y-%m-%d %H:%M:%S"),
        }
        return expand(text, values)

    # -- from the device -----------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """The device sent a chunk."""
        if self._pass_by and len(data) >= self._bulk and not self._packer.held:
            for client in self._readers:
                client.deliver(data)
            if not self._readers:
                self.unclaimed(data)
            return
        if self._capture is not None:
            self._capture.received(data)
        if self.rules.printer:
            return
        self._packer.take(data.replace(b"\xff", b"\xff\xff") if self.rules.mark_errors else data)

    def _send_packet(self, data: bytes) -> None:
        history = self.rules.history
        if history:
            self._history += data[-history:]
            if len(self._history) > 2 * history:
                del self._history[:-history]
        for client in self._readers:
            client.deliver(data)
        if not self._readers:
            self.unclaimed(data)

    def noted(self, what: Noted) -> None:
        """See :class:`vmodem.port.base.PortUser`."""
        self._packer.flush()
        for client in self._readers:
            client.note(_STATES[what])
        mark = _MARKS.get(what)
        if self.rules.mark_errors and mark is not None and not self.rules.printer:
            self._packer.take(mark)  # a damaged character is the next byte

    def signals_changed(self, signals: Signals) -> None:
        """See :class:`vmodem.port.base.PortUser`."""
        before, self._signals = self._signals, signals
        for client in self.clients:
            client.inputs_changed()
        if (before ^ signals) & Signals.DSR:
            self.dsr_changed(Signals.DSR in signals)

    def settings_changed(self, settings: Settings) -> None:
        """See :class:`vmodem.port.base.PortUser`."""
        self._log.debug("{port}: the device's side is set to {set}", port=self.rules.name, set=str(settings))

    def attached(self, present: bool) -> None:
        """See :class:`vmodem.port.base.PortUser`."""
        self.is_attached = present

    def lost(self, reason: str) -> None:
        """See :class:`vmodem.port.base.PortUser`."""
        self.lost_for = reason or "gone"
        self._log.warn("{port}: the device is gone: {reason}", port=self.rules.name, reason=reason)
        self._packer.flush()
        if self._signals:
            self.signals_changed(Signals.NONE)
        for client in self.clients:
            client.say(GONE)
        self.write_drained()  # nothing waits for a device that is gone

    def found(self) -> None:
        """See :class:`vmodem.port.base.PortUser`."""
        was_lost, self.lost_for = bool(self.lost_for), ""
        if not was_lost:
            return
        self._log.info("{port}: the device is there", port=self.rules.name)
        self.signals_changed(self.port.signals)
        for client in self.clients:
            client.say(BACK)

    # -- to the device -------------------------------------------------------------------------------------

    def _to_device(self, data: bytes) -> None:
        if self._capture is not None:
            self._capture.sent(data)
        self.port.write(data)

    def write_blocked(self) -> None:
        """See :class:`vmodem.port.base.PortUser`."""
        self._port_blocked = True
        for client in self.clients:
            client.hold("port")

    def write_drained(self) -> None:
        """See :class:`vmodem.port.base.PortUser`."""
        self._port_blocked = False
        for client in list(self.clients):
            if self._port_blocked:
                break  # by what the one before had waiting
            client.release("port")

    # -- clients that do not read --------------------------------------------------------------------------

    def hold_device(self, client: Client, on: bool) -> None:
        """See :class:`vmodem.server.client.Host`."""
        if on:
            self._holding.add(client)
        else:
            self._holding.discard(client)
        self._hold_up()

    def suspended(self, client: Client) -> None:
        """See :class:`vmodem.server.client.Host`."""
        self._hold_up()

    def _hold_up(self) -> None:
        """Let the device wait while somebody's queue says so, or while nobody wants data."""
        clients = self.clients
        paused = bool(self._holding) or (bool(clients) and all(client.waits for client in clients))
        if paused is not self._device_paused and not self._stopped:
            self._device_paused = paused
            if paused:
                self.port.pause()
            else:
                self.port.resume()

    # -- the port's settings and circuits ------------------------------------------------------------------

    @property
    def inputs(self) -> ModemState:
        """See :class:`vmodem.server.speech.PortDesk`."""
        now = self._signals
        return modem_state(Signals.CTS in now, Signals.DSR in now, Signals.DCD in now, Signals.RI in now)

    @property
    def idle(self) -> bool:
        """See :class:`vmodem.server.speech.PortDesk`."""
        return not self.port.backlog

    def _controls(self, owner: Owner | None) -> bool:
        if not isinstance(owner, Client) or owner.over or self.rules.control == "none":
            return False
        return self.rules.control == "any" or self.writes(owner)

    def carry_out(
        self, owner: Owner | None, order: Order, codec: PortServer | None, done: Callable[[bytes], None]
    ) -> None:
        """See :class:`vmodem.server.speech.PortDesk`."""
        if self._desk is None:
            done(b"")
        else:
            self._orders.carry_out(self._desk, owner, self._controls(owner), order, codec, done)

    def send_break(self) -> None:
        """Send a break, for an operator."""
        if self._desk is not None:
            self._orders.send_break(self._desk, unheard)

    def _break_changed(self) -> None:
        """While one client sends a break the others' data waits, or the break would swallow it."""
        desk = self._desk
        if desk is None:
            return
        for client in list(self.clients):
            if desk.sends_break and not desk.breaks(client):
                client.hold("break")
            else:
                client.release("break")

    def purge(self, client: Client, buffers: Purge) -> None:
        """See :class:`vmodem.server.client.Host`."""
        if not self._controls(client):
            return
        # What others are still to read is not this client's to throw away.
        received = Purge.RECEIVE in buffers and self.clients == [client]
        if received:
            self._packer.clear()
        sent = Purge.TRANSMIT in buffers
        if received or sent:
            self.port.purge(received, sent)

    def pulse(self, name: str) -> None:
        """Do a named sequence.  Raises :class:`vmodem.server.pulse.PulseError`."""
        text = self.rules.pulses.get(name)
        if text is None:
            known = ", ".join(sorted(self.rules.pulses)) or "none"
            raise PulseError(f'{self.rules.name} has no pulse "{name}"; it has: {known}')
        steps = parse_pulse(text)
        if self._desk is None or self._stopped:
            raise PulseError(f"{self.rules.name} is not started")
        self._pulses = [each for each in self._pulses if not each.over]
        if self._pulses:
            raise PulseError(f"a pulse of {self.rules.name} is still going on; wait until it is over")
        self._log.info("{port}: pulse {name}", port=self.rules.name, name=name)
        self._pulses.append(Pulse(self._reactor, self._desk, steps))


def _nowhere(data: bytes) -> None:
    """Nobody wants it."""


def _nobody(on: bool) -> None:
    """Nobody wants to know."""
