"""One port, and all who share it.

:class:`SharedPort` is the port's user: what the device sends goes in packets to every client, and what they
send goes to the device as the rules let them.

What does not belong here: listeners and who is let in (the service's affair), packets (spread.py), the queue
of a client (client.py), and how settings are changed (orders.py, desk.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from twisted.logger import Logger

from vmodem.net.stream import Cause, Ending, Stream, unheard
from vmodem.net.telnet.settings import TelnetSettings
from vmodem.port.base import INPUTS, OUTPUTS, Noted, Port, Settings, Signals
from vmodem.port.watching import Tap, Taps, Way
from vmodem.wire.comport import ModemState, Purge
from vmodem.wire.comport_port import PortServer, modem_state

from .client import Client
from .desk import Desk
from .orders import Orders
from .pen import Pen
from .pulse import PulseError, Pulses
from .rules import PortRules
from .speech import Order, Owner, PortStream, speak, spoken
from .spread import Spread, nowhere
from .texts import expand

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

BUSY: Final = b"\r\n[vmodem: this port is in use]\r\n"
TAKEN_OVER: Final = b"\r\n[vmodem: another client has taken this port over]\r\n"
GONE: Final = b"\r\n[vmodem: the device is gone; waiting for it]\r\n"
BACK: Final = b"\r\n[vmodem: the device is back]\r\n"


class SharedPort:
    """A :class:`vmodem.port.base.PortUser` with clients.

    ``taps`` see everything, the device being the line; ``changed`` is called when a client has come or gone.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        port: Port,
        rules: PortRules,
        *,
        taps: Iterable[Tap] = (),
        changed: Callable[[], None] = unheard,
    ) -> None:
        self.port = port
        self.clients: list[Client] = []
        #: Called when the device's DSR changes (connect-back).
        self.dsr_changed: Callable[[bool], None] = nobody
        self.lost_for: str = "not started"
        self.is_attached = True
        self._reactor = reactor
        self._changed = changed
        self._signals = Signals.NONE
        self._holding: set[Client] = set()
        self._device_paused = False
        self._port_blocked = False
        self._turn = 0
        self._desk: Desk | None = None
        self._pulses: Pulses | None = None
        self._pen: Pen | None = None
        self._orders = Orders(reactor)
        self._stopped = False
        self.rules = rules
        self.taps = Taps(rules.name, self._taps_changed, taps)
        self.spread = Spread(reactor, port, rules, self.taps)
        self.data_received = self.spread.data_received
        self.noted = self.spread.noted

    # -- life ----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the port.  Raises :class:`vmodem.port.base.PortError`."""
        self.lost_for = ""
        self.port.start(self)
        self._signals = self.port.signals
        desk = self._desk = Desk(self._reactor, self.port)
        desk.break_changed = self._break_turned
        desk.settled = lambda settings: self.taps.show("happened", Way.TO_LINE, str(settings))
        desk.driven = lambda outputs: self.taps.show("circuits", Way.TO_LINE, outputs)
        self._pulses = Pulses(self._reactor, desk, self.rules.name)
        self._make_pen()
        self._taps_changed()
        self.taps.show("circuits", Way.TO_LINE, self._signals & OUTPUTS)

    def stop(self) -> Deferred[None]:
        """Send every client away and stop the port."""
        self._stopped = True
        self.spread.unclaimed, self.dsr_changed = nowhere, nobody
        self.spread.flush()
        for client in list(self.clients):
            self._remove(client)
            client.close()
        if self._pulses is not None:
            self._pulses.stop()
        self._orders.stop()
        if self._pen is not None:
            self._pen.stop()
        if self._desk is not None:
            self._desk.stop()
        stopped = self.port.stop()
        stopped.addBoth(self._let_go)
        return stopped

    def _let_go(self, result: Any) -> Any:
        self.taps.close()
        return result

    def configure(self, rules: PortRules) -> None:
        """These are the rules from now on; clients stay."""
        self.rules = rules
        self.spread.configure(rules)
        self._make_pen()
        for client in list(self.clients):
            client.rules_changed()

    def _make_pen(self) -> None:
        old, seconds = self._pen, self.rules.write_lock
        if self.rules.clients != "share" or seconds <= 0:
            self._pen = None
        elif old is None:
            self._pen = Pen(self._reactor, seconds, self._to_device, lambda: not self.port.all_sent)
        else:
            old.seconds = seconds
        self._assign()
        if old is not None and old is not self._pen:
            old.stop()

    def _taps_changed(self) -> None:
        """Somebody more or less looks at what is carried."""
        self.spread.configure(self.rules)
        self._assign()

    # -- clients -------------------------------------------------------------------------------------------

    def speak(self, below: Stream, protocol: str) -> Stream:
        """What clients of a listener speak, over one of its connections."""
        settings = TelnetSettings(cr_nul=self.rules.cr_nul)
        return speak(self._reactor, below, protocol, self, self.rules.name, settings)

    @property
    def full(self) -> bool:
        """Whether a newcomer would be turned away."""
        return self.rules.clients != "kick" and len(self.clients) >= self.rules.room

    def join(self, stream: Stream, peer: str, listener: str = "", early: bytes = b"") -> Client | None:
        """A client comes, its stream not yet started.  None: there is no room, and the stream is closed.
        ``early`` is what the device has sent last, to nobody, and this client is to read."""
        if self.full or self._stopped:
            self._say(f"{peer} turned away: in use")
            speaks = spoken(stream)
            if isinstance(speaks, PortStream) and not speaks.agreed:
                stream.write(BUSY)
            stream.close(1.0)
            return None
        while len(self.clients) >= self.rules.room:
            self._send_away(self.clients[0], "another client takes the port over", TAKEN_OVER)
            self._left()
        first = not self.clients
        client = Client(self._reactor, self, stream, peer, listener)
        # Both end with the device's last byte.
        greeting = self.expand(self.rules.banner) + max(self.spread.history, early, key=len)
        self.clients.append(client)
        self._say(f"{peer} connected on {listener}")
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
        self._say(f"{client.peer} disconnected{'' if clean else f': {ending.detail}'}")
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

    def dismiss_all(self, reason: str) -> None:
        """Everybody has to go."""
        for client in list(self.clients):
            self.dismiss(client, reason)

    def _send_away(self, client: Client, reason: str, text: bytes) -> None:
        if client not in self.clients:
            return
        self._say(f"{client.peer} sent away: {reason}")
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
        self.spread.readers = () if self.rules.printer else tuple(self.clients)
        to_device: Callable[[bytes], None] = self._to_device if self.taps else self.port.write
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

    def _say(self, text: str) -> None:
        """Something happened with clients."""
        self._log.info("{port}: {text}", port=self.rules.name, text=text)
        self.taps.show("happened", Way.TO_LINE, text)

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

    def signals_changed(self, signals: Signals) -> None:
        """See :class:`vmodem.port.base.PortUser`."""
        before, self._signals = self._signals, signals
        self.taps.show("circuits", Way.TO_TARGET, signals & INPUTS)
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
        news, self.lost_for = not self.lost_for, reason or "gone"
        self.taps.show("happened", Way.TO_TARGET, reason)
        self.spread.flush()
        if self._signals:
            self.signals_changed(Signals.NONE)
        if not news:
            return  # it is gone for another reason
        for client in self.clients:
            client.say(GONE)
        self.write_drained()  # nothing waits for a device that is gone

    def found(self) -> None:
        """See :class:`vmodem.port.base.PortUser`."""
        was_lost, self.lost_for = bool(self.lost_for), ""
        if not was_lost:
            return
        self.taps.show("happened", Way.TO_TARGET, "the device is there")
        self.signals_changed(self.port.signals)
        for client in self.clients:
            client.say(BACK)

    # -- to the device -------------------------------------------------------------------------------------

    def _to_device(self, data: bytes) -> None:
        self.taps.show("carried", Way.TO_LINE, data)
        self.port.write(data)

    def write_blocked(self) -> None:
        """See :class:`vmodem.port.base.PortUser`."""
        self._port_blocked = True
        for client in self.clients:
            client.hold("port")

    def write_drained(self) -> None:
        """See :class:`vmodem.port.base.PortUser`."""
        self._port_blocked = False
        # Who goes on first fills a slow port again at once: each time it is another's turn.
        self._turn += 1
        at = self._turn % len(self.clients) if self.clients else 0
        for client in self.clients[at:] + self.clients[:at]:
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
        return self.port.all_sent

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

    def _break_turned(self) -> None:
        if self._desk is not None and self._desk.sends_break:
            self.taps.show("noted", Way.TO_LINE, Noted.BREAK)
        self._break_changed()

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
            self.spread.clear()
        sent = Purge.TRANSMIT in buffers
        if received or sent:
            self.port.purge(received, sent)

    def pulse(self, name: str) -> None:
        """Do a named sequence.  Raises :class:`vmodem.server.pulse.PulseError`."""
        if self._pulses is None or self._stopped:
            raise PulseError(f"{self.rules.name} is not started")
        self._pulses.begin(name, self.rules.pulses)
        self._say(f"pulse {name}")


def nobody(on: bool) -> None:
    """Nobody wants to know."""
