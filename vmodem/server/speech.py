"""How a client speaks: raw bytes, telnet, or RFC 2217 over it, or whichever of them its first bytes show.

:class:`PortStream` is telnet whose commands about the port keep their place among the data: what was sent
before a change of settings is written before it, what was sent after it waits.  So that a client can still
get a stuck port going, and end what it has begun, it is read ahead for a while when its data has to wait.

What does not belong here: what becomes of the commands (orders.py), and what waits for a client (client.py).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Final, Protocol

from vmodem import __version__
from vmodem.net.stream import NOBODY, Ending, Stream, unheard
from vmodem.net.telnet.auto import AutoStream
from vmodem.net.telnet.pushback import PushedBack
from vmodem.net.telnet.stream import Codec, Role, TelnetSettings, TelnetStream
from vmodem.wire import telnet
from vmodem.wire.comport import LineState, ModemState, Purge, Signature, Suspended
from vmodem.wire.comport_port import PortServer, Wanted
from vmodem.wire.comport_server import BreakSet, LinesSet, Purged
from vmodem.wire.events import Data, Ignored, Send
from vmodem.wire.telnet import Command, Telnet

#: How much is read of a client whose data has to wait, in bytes.
READ_AHEAD: Final = 65536
#: What a command that waits counts for, in bytes.
COMMAND_SIZE: Final = 64
#: So many orders of a client that has gone are still carried out: each may take seconds of everybody's time.
LAST_ORDERS: Final = 32

#: Telnet's own break, which has no length.
BRK: Final = Command(telnet.BRK)
Order = Wanted | LinesSet | BreakSet | Command


class Owner(Protocol):
    """The client that a stream belongs to."""

    def suspended(self, on: bool) -> None:
        """The client wants no data for now, or wants it again."""

    def purge(self, buffers: Purge) -> None:
        """The client wants these buffers of the port empty."""


class PortDesk(Protocol):
    """Whoever has the port."""

    @property
    def inputs(self) -> ModemState:
        """The port's inputs now."""

    @property
    def idle(self) -> bool:
        """Whether everything written has left."""

    @property
    def full(self) -> bool:
        """Whether a newcomer would be turned away."""

    def carry_out(
        self, owner: Owner | None, order: Order, codec: PortServer | None, done: Callable[[bytes], None]
    ) -> None:
        """Do what a client wants, if it may; ``done`` gets the answer, perhaps at once.  ``owner`` is None
        for one that has not been let in."""


class PortStream(TelnetStream):
    """A :class:`vmodem.net.stream.Stream` in telnet over ``below``, with RFC 2217 where ``comport`` says."""

    def __init__(
        self,
        reactor: Any,
        below: Stream,
        desk: PortDesk,
        *,
        comport: bool,
        name: str = "",
        settings: TelnetSettings | None = None,
    ) -> None:
        #: Set when the client has been let in.
        self.owner: Owner | None = None
        self._desk = desk
        self._comport = comport
        self._signature = f"vmodem {__version__} {name}".strip().encode()
        self._port: PortServer | None = None
        self._ahead = 0
        self._busy = False  # the first order of the inbox is being carried out
        self._stale = False  # the client's picture of the port's inputs
        super().__init__(reactor, below, Role.SERVER, settings)

    @property
    def agreed(self) -> bool:
        """Whether a program is there that controls the port: words would be data to it."""
        return self._port is not None and self._port.agreed

    def inputs_changed(self) -> None:
        """Tell the client, if it wants to know; one that does not read is told the last of them."""
        if self._port is None:
            return
        self._stale = self._blocked
        if not self._blocked:
            self._answer(self._port.modem_state(self._desk.inputs))

    def note(self, state: LineState) -> None:
        """Something befell the device's data at this place."""
        if self._port is not None and self._port.agreed:
            self._answer(self._port.line_state(state))
        elif state & LineState.BREAK and self._telnet.spoken:
            self._answer(self._telnet.command(telnet.BRK))

    # -- what telnet leaves to us --------------------------------------------------------------------------

    def _make_telnet(self) -> Telnet:
        return self._telnet_with(telnet.COM_PORT) if self._comport else self._telnet_with()

    def _make_codec(self) -> Codec:
        if not self._comport:
            return super()._make_codec()
        port = self._port = PortServer(
            signature=self._signature, telnet_side=self._telnet, idle=lambda: self._desk.idle
        )
        port.modem_state(self._desk.inputs)
        return port

    def _greeting(self) -> bytes:
        return super()._greeting() if self._port is None else self._port.greeting()

    def _ayt_words(self) -> bytes:
        return self._telnet.command(telnet.NOP) if self.agreed else super()._ayt_words()

    # -- from the client -----------------------------------------------------------------------------------

    def write_drained(self) -> None:
        if self._stale and self._port is not None:
            self._stale = False
            self._answer(self._port.modem_state(self._desk.inputs))
            if self._below.backlog:
                return  # told again when that has been taken
        super().write_drained()

    def _take(self, events: list[Any]) -> None:
        for event in events:
            if isinstance(event, Data):
                self._put(event.data, len(event.data))
            elif isinstance(event, (Wanted, LinesSet, BreakSet)) or event == BRK:
                self._put(event, COMMAND_SIZE)
            elif isinstance(event, Send):
                self._answer(event.data)
            elif isinstance(event, Suspended):
                self._hold("client", event.on)
                if self.owner is not None:
                    self.owner.suspended(event.on)
            elif isinstance(event, Purged):
                self._purge(event.buffers)
            elif isinstance(event, Signature):
                self._log.debug("{peer} is {text!r}", peer=self.peer, text=event.text)
            elif isinstance(event, Ignored):
                self._log.debug("{peer}: {reason}", peer=self.peer, reason=event.reason)
            else:
                self._happened(event)

    def _put(self, item: Any, size: int) -> None:
        inbox = self._inbox
        if self._closing or (item == BRK and len(inbox) > self._busy and inbox[-1] == BRK):
            return  # several breaks at one place are one
        inbox.append(item)
        self._ahead += size

    def _leave_out(self) -> None:
        """The client has gone: what it had sent is written, but nobody waits for its breaks, or for orders
        without end."""
        first = [self._inbox.popleft()] if self._busy else []
        kept: list[Any] = []
        orders = 0
        for item in reversed(self._inbox):
            if not isinstance(item, bytes):
                orders += 1
                if item == BRK or item == BreakSet(True) or orders > LAST_ORDERS:
                    continue
            kept.append(item)
        self._inbox = deque([*first, *reversed(kept)])

    def _deliver(self) -> None:
        while self._inbox and not (self._paused or self._busy):
            item = self._inbox[0]
            if isinstance(item, bytes):
                self._inbox.popleft()
                self._ahead -= len(item)
                self._user.data_received(item)
            else:
                self._busy = True  # it stays there, so that nothing passes it
                self._desk.carry_out(self.owner, item, self._port, self._carried_out)
        if not self._inbox:
            self._ahead = 0

    def _carried_out(self, answer: bytes) -> None:
        if self._closing or not self._busy:
            return
        self._busy = False
        self._inbox.popleft()
        self._ahead -= COMMAND_SIZE
        self._answer(answer)
        self._go_on()

    def _purge(self, buffers: Purge) -> None:
        """Not in its place: it is to help where nothing moves any more."""
        if self.owner is None or self._closing:
            return
        if Purge.TRANSMIT in buffers:
            kept = [item for item in self._inbox if not isinstance(item, bytes)]
            self._inbox.clear()
            self._inbox.extend(kept)
            self._ahead = COMMAND_SIZE * len(kept)
        self.owner.purge(buffers)  # first: what waits there would follow what is forgotten here
        if Purge.RECEIVE in buffers:
            self.discard_pending()

    def stream_ended(self, ending: Ending) -> None:
        """What the client had sent is still written, in order, and its last orders are carried out."""
        self._leave_out()
        super().stream_ended(ending)

    def _full(self) -> bool:
        return super()._full() and (self._user is NOBODY or self._ahead >= READ_AHEAD)


class PortAuto(AutoStream):
    """Telnet or raw bytes, as the first bytes show; ``found`` is called once that is known."""

    def __init__(self, reactor: Any, below: Stream, make: Callable[[Stream], PortStream]) -> None:
        super().__init__(reactor, below, Role.SERVER)
        self._make = make
        #: None for raw bytes, or while it is not known.
        self.layer: PortStream | None = None
        self.found: Callable[[], None] = unheard

    def _layer(self) -> TelnetStream:
        self.layer = self._make(self._below)
        return self.layer

    def _decided(self) -> None:
        self.found()


def speak(
    reactor: Any, below: Stream, protocol: str, desk: PortDesk, name: str, settings: TelnetSettings
) -> Stream:
    """What is spoken on a listener, over a connection to it; ``protocol`` as in a LISTEN string."""

    def telnet_over(stream: Stream) -> PortStream:
        # Whoever is turned away is not told first that it has a port: it would write to that.
        comport = protocol != "telnet" and not desk.full
        return PortStream(reactor, stream, desk, comport=comport, name=name, settings=settings)

    if protocol in ("telnet", "rfc2217"):
        return telnet_over(below)
    return PortAuto(reactor, below, telnet_over) if protocol == "auto" else below


def spoken(stream: Stream) -> Stream:
    """The stream that :func:`speak` made, below whatever the door has put over it."""
    while isinstance(stream, PushedBack):
        stream = stream.inner
    return stream
