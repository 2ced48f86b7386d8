"""Calls by RFC 2217: telnet that also carries port settings, circuits and real breaks.

As a client the far end is somebody's access server: nothing on its port is set unless :class:`PortWishes`
says so, a break has its length, and the port's inputs can be looked at.  As a server the port is a virtual
one: every setting is accepted and told back, and its inputs are what :meth:`Rfc2217Stream.set_circuits` says
of the call.

What does not belong here: a DTE that connects by RFC 2217, or hangs off a server's port (vmodem/line).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from vmodem import __version__
from vmodem.net.stream import Stream
from vmodem.net.telnet.stream import Codec, Role, TelnetSettings, TelnetStream
from vmodem.wire import comport, telnet
from vmodem.wire.comport import (
    Agreed,
    LineState,
    ModemState,
    PortSettings,
    Purge,
    Signature,
    Suspended,
)
from vmodem.wire.comport_client import Answered, ComPortClient, LineStateTold, ModemStateTold
from vmodem.wire.comport_server import BreakSet, ComPortServer, Purged, Set
from vmodem.wire.events import Ignored
from vmodem.wire.telnet import Telnet

#: No break is longer, in seconds.
BREAK_LIMIT_S: Final = 1.0
#: What callers see of a call until told otherwise: somebody is there and takes data.
STANDING: Final = ModemState.DCD | ModemState.DSR | ModemState.CTS

_SIGNATURE: Final = b"vmodem " + __version__.encode()


@dataclass(frozen=True)
class PortWishes:
    """How a client wants the far port set, in the values of RFC 2217; None leaves it as it is."""

    rate: int | None = None
    bits: int | None = None
    parity: int | None = None
    stop: int | None = None
    #: A value of SET-CONTROL for flow control.
    flow: int | None = None


def unheeded(state: ModemState) -> None:
    """Nobody watches the far port's inputs."""


class Rfc2217Stream(TelnetStream):
    """A :class:`vmodem.net.stream.Stream` that speaks RFC 2217 over ``below``, which belongs to it from now
    on.  ``wishes`` are for the client's role.
    """

    #: Client: called when the far port's inputs are told; state in the upper half, what changed in the lower.
    modem_state_changed: Callable[[ModemState], None] = staticmethod(unheeded)

    def __init__(
        self,
        reactor: Any,
        below: Stream,
        role: Role,
        settings: TelnetSettings | None = None,
        wishes: PortWishes | None = None,
    ) -> None:
        #: Client: the far port's inputs, None until the server has told them.
        self.modem_state: ModemState | None = None
        #: Server: what the caller has set its port to.
        self.port_settings = PortSettings()
        self._wishes = wishes or PortWishes()
        self._client = ComPortClient(signature=_SIGNATURE)
        self._server = ComPortServer(signature=_SIGNATURE)
        self._break_timer: Any = None
        super().__init__(reactor, below, role, settings)

    @property
    def agreed(self) -> bool:
        """Whether the peer has shown that it speaks RFC 2217; else it is a telnet peer, or not even that."""
        return (self._client if self.role is Role.CLIENT else self._server).agreed

    def set_circuits(self, state: ModemState) -> None:
        """Server: the virtual port's inputs (DCD, RI, DSR, CTS) are now these; the caller is told."""
        self._answer(self._server.modem_state(state))

    def send_break(self, seconds: float, expedited: bool) -> None:
        super().send_break(min(seconds, BREAK_LIMIT_S), expedited)

    def close(self, drain_s: float) -> None:
        super().close(drain_s)
        self._stop_break_timer()

    def abort(self) -> None:
        super().abort()
        self._stop_break_timer()

    # -- what telnet leaves to us --------------------------------------------------------------------------

    def _make_telnet(self) -> Telnet:
        return self._telnet_with(telnet.COM_PORT)

    def _make_codec(self) -> Codec:
        if self.role is Role.CLIENT:
            self._client = ComPortClient(signature=_SIGNATURE, telnet_side=self._telnet)
            return self._client
        self._server = ComPortServer(signature=_SIGNATURE, telnet_side=self._telnet)
        self._server.modem_state(STANDING)
        return self._server

    def _greeting(self) -> bytes:
        return self._client.greeting() if self.role is Role.CLIENT else self._server.greeting()

    def _ayt_words(self) -> bytes:
        # A program that controls a port would take words for data.
        return self._telnet.command(telnet.NOP) if self.agreed else super()._ayt_words()

    def _happened(self, event: Any) -> None:
        match event:
            case Suspended(on):
                self._hold("peer", on)
            case Agreed() if self.role is Role.CLIENT:
                self._answer(self._first_words())
            case ModemStateTold(state):
                self.modem_state = state
                if not self._closing:
                    self.modem_state_changed(state)
            case LineStateTold(state) if state & LineState.BREAK:
                self._break_came()
            case BreakSet(True):
                self._break_came()
            case Set(settings):
                self.port_settings = settings
            case Purged(buffers) if Purge.RECEIVE in buffers:
                self.discard_pending()
            case Answered(code, value):
                self._answered(code, value)
            case Signature(text):
                self._log.debug("{peer} is {text!r}", peer=self.peer, text=text)
            case Ignored(reason):
                self._log.debug("{peer}: {reason}", peer=self.peer, reason=reason)
            case _:
                super()._happened(event)

    def _begin_break(self, seconds: float) -> None:
        if not self.agreed:
            super()._begin_break(seconds)
        elif self.role is Role.SERVER:
            self._answer(self._server.break_detected())
        elif self._break_timer is None:
            self._answer(self._client.control(comport.BREAK_ON))
            self._hold("break", True)
            self._break_timer = self._reactor.callLater(seconds, self._break_over)

    def _break_over(self) -> None:
        self._break_timer = None
        self._answer(self._client.control(comport.BREAK_OFF))
        self._hold("break", False)

    def _end_break(self) -> None:
        if self._stop_break_timer():
            self._answer(self._client.control(comport.BREAK_OFF))

    def _stop_break_timer(self) -> bool:
        timer, self._break_timer = self._break_timer, None
        if timer is None:
            return False
        timer.cancel()
        return True

    # -- the far port --------------------------------------------------------------------------------------

    def _first_words(self) -> bytes:
        """What is wished for, and what we want to hear of; the port's inputs are asked for."""
        client, wishes = self._client, self._wishes
        wanted = (
            (comport.SET_BAUDRATE, wishes.rate),
            (comport.SET_DATASIZE, wishes.bits),
            (comport.SET_PARITY, wishes.parity),
            (comport.SET_STOPSIZE, wishes.stop),
        )
        words = [client.set(code, value) for code, value in wanted if value is not None]
        if wishes.flow is not None:
            words.append(client.control(wishes.flow))
        words += [client.masks(ModemState(255), LineState.BREAK), client.ask_modem_state()]
        return b"".join(words)

    def _answered(self, code: int, value: int) -> None:
        field = comport.FIELDS.get(code)
        asked = None if field is None else getattr(self._wishes, field)
        if asked is not None and asked != value:
            self._log.warn(
                "{peer}: {what} {asked} was asked for, {value} is in force",
                peer=self.peer,
                what=field,
                asked=asked,
                value=value,
            )
