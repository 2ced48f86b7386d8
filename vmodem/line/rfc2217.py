"""A line on a socket with every circuit: the DTE connects with any client of RFC 2217.

The client sees CTS, DSR, DCD and RI, sets DTR, RTS, the speed and the framing, and sends and receives breaks.
What is not RFC 2217 is served as well as can be: a plain telnet client, and one that sends raw bytes.  Which
of them it is shows the first byte; a client that is silent at first is greeted in telnet.

DTR is what the client says.  One that never mentions it counts as having it on: at once where it cannot speak
of circuits, otherwise with its first data or after :data:`DTR_S`, as opening a port raises DTR.

A telnet client may be typed to before it has been greeted, and then shows only by the NUL behind its CR (RFC
854, "The NVT printer").  So bytes are raw for good when the first CR has something else behind it.
"""

from __future__ import annotations

import enum
from typing import Any, Final

from vmodem import __version__
from vmodem.line.base import Circuit, Flow, FlowControl
from vmodem.line.coded import CodedLine, always, as_data, unchanged
from vmodem.net.timer import Timer
from vmodem.wire import comport, telnet
from vmodem.wire.comport import Agreed, ModemState, Purge, Refused, Signature, Suspended
from vmodem.wire.comport_server import BreakSet, ComPortServer, LinesSet, Purged, Set
from vmodem.wire.events import Data, Ignored, Send

#: A client that has sent nothing for so long is greeted in telnet, in seconds.
GREETING_S: Final = 0.3
#: A client that begins with data so shortly after the greeting may not have read it, in seconds.
RACE_S: Final = 1.0
#: So long after it came a client that has not mentioned DTR counts as having it on, in seconds.
DTR_S: Final = 2.0
#: "Are you there?" is answered once in so many seconds.
AYT_S: Final = 1.0

_BITS: Final = {
    Circuit.CTS: ModemState.CTS,
    Circuit.DSR: ModemState.DSR,
    Circuit.DCD: ModemState.DCD,
    Circuit.RI: ModemState.RI,
}
_SIGNATURE: Final = b"vmodem " + __version__.encode()
_HERE: Final = b"\r\n[vmodem: yes]\r\n"


class Speech(enum.Enum):
    """How a client speaks."""

    UNKNOWN = "nothing yet"
    TELNET = "telnet"
    RAW = "raw bytes"


def _never(data: bytes) -> bool:
    return False


class Rfc2217Line(CodedLine):
    """``rfc2217:PORT``.  Port 0 takes a free one; ``description`` tells which, once started."""

    def __init__(
        self, reactor: Any, port: int, *, interface: str = "127.0.0.1", description: str = ""
    ) -> None:
        super().__init__(reactor, "rfc2217", port, interface, description)
        self._codec = ComPortServer()
        self._state = ModemState(0)
        self._speech = Speech.UNKNOWN
        self._greeted_at: float | None = None
        self._rate = 0
        self._dtr = False
        self._dtr_known = False
        self._rts: bool | None = None  # until the client has said
        self._held_by_rts = False  # whether RTS off means that the DTE takes no data, says the modem
        self._by_circuits = False  # and says the client
        self._ayt_at = float("-inf")
        self._typed_cr = False  # a client taken for a raw one has just sent its first CR
        self._in_call = False
        self._greet_timer = Timer(reactor)
        self._dtr_timer = Timer(reactor)

    # -- the contract --------------------------------------------------------------------------------------

    @property
    def rate(self) -> int:
        """What the client has set; 0 until it has."""
        return self._rate

    @property
    def speech(self) -> Speech:
        """How the present client, or the last one, speaks."""
        return self._speech

    def set_circuit(self, circuit: Circuit, on: bool) -> None:
        bit = _BITS[circuit]
        self._state = self._state | bit if on else self._state & ~bit
        codec, state = self._codec, self._state
        if self.attached:
            self._notify(lambda: codec.modem_state(state))

    def set_flow(self, flow: FlowControl) -> None:
        super().set_flow(flow)
        # Circuit 106 towards the DTE is TCP's own holding up.
        self._held_by_rts = Flow.CIRCUITS in flow.dce_by_dte
        self._obey_rts()

    def call_active(self, active: bool) -> None:
        super().call_active(active)
        self._in_call = active
        if active:
            self._stay_raw()  # among a call's data any byte may stand behind a CR

    def send_break(self, seconds: float) -> None:
        # It has no length there: the client is told that one came.
        if self.attached and self._speech is not Speech.RAW:
            self._notify(self._codec.break_detected)

    # -- clients -------------------------------------------------------------------------------------------

    def _client_came(self) -> None:
        codec = self._codec = ComPortServer(signature=_SIGNATURE)
        codec.modem_state(self._state)
        self._encode, self._decode, self._passes = codec.encode, codec.receive, _never
        self._speech = Speech.UNKNOWN
        self._greeted_at = None
        self._rate = 0
        self._dtr_known = False
        self._rts = None
        self._by_circuits = False
        self._attach()
        self._suspend("unknown", True)  # until it is known how to write
        self._greet_timer.set(GREETING_S, self._greet)
        self._dtr_timer.set(DTR_S, self._presume_dtr)

    def _client_left(self) -> None:
        self._greet_timer.cancel()
        self._dtr_timer.cancel()
        self._detach()
        self._set_dtr(False)

    def _greet(self) -> None:
        """Begin to speak telnet; what was held back until now follows."""
        self._greet_timer.cancel()
        self._greeted_at = self._reactor.seconds()
        self._send(self._codec.greeting())
        self._suspend("unknown", False)

    def dte_received(self, data: bytes) -> None:
        """The client sent a coded chunk."""
        if self._speech is Speech.UNKNOWN:
            self._first(data[0])
        super().dte_received(data)

    def _first(self, byte: int) -> None:
        """The first byte shows how a client speaks."""
        greeted_at = self._greeted_at
        in_time = greeted_at is not None and self._reactor.seconds() - greeted_at < RACE_S
        if byte == telnet.IAC or in_time:
            self._speech = Speech.TELNET
            if greeted_at is None:
                self._greet()
            if self._dtr_known:
                self._passes = self._codec.passes
        else:
            self._speech = Speech.RAW
            self._greet_timer.cancel()
            self._encode, self._decode, self._passes = unchanged, self._as_typed, _never
            self._typed_cr = False
            if self._in_call:
                self._stay_raw()
            self._presume_dtr()
            self._suspend("unknown", False)

    def _stay_raw(self) -> None:
        if self._speech is Speech.RAW:
            self._decode, self._passes = as_data, always

    def _as_typed(self, data: bytes) -> list[Any]:
        """What a client's bytes mean that is taken for a raw one, until its first CR shows what it is."""
        at = 0 if self._typed_cr else data.find(b"\r") + 1
        if at == 0 and not self._typed_cr:
            return as_data(data)
        self._typed_cr = at == len(data)
        if self._typed_cr:
            return as_data(data)
        if data[at] != 0:
            self._stay_raw()
            return as_data(data)
        self._speech = Speech.TELNET
        codec = self._codec
        self._encode, self._decode, self._passes = codec.encode, codec.receive, codec.passes
        self._greet()
        return [*(as_data(data[:at]) if at else ()), *codec.receive(data[at + 1 :])]

    # -- what the client says ------------------------------------------------------------------------------

    def _at_once(self, event: Any) -> bool:
        match event:
            case Data():
                self._presume_dtr()
                return False
            case LinesSet(dtr=bool()):
                self._know_dtr()
                return False
            case Send(data):
                self._send(data)
            case Suspended(on):
                self._suspend("client", on)
            case Purged(buffers):
                if Purge.RECEIVE in buffers:
                    self._purge()
                if Purge.TRANSMIT in buffers:
                    self._purge_ahead()
            case Refused():
                self._presume_dtr()
            case telnet.Command(telnet.AYT):
                self._answer_ayt()
            case Signature(text):
                self._log.debug("{line}: the client is {text!r}", line=self.description, text=text)
            case Ignored(reason):
                self._log.debug("{line}: {reason}", line=self.description, reason=reason)
            case Agreed():
                pass
            case _:
                return False
        return True

    def _is_urgent(self, event: Any) -> bool:
        return isinstance(event, LinesSet) and event.dtr not in (None, self._dtr)

    def _happened(self, event: Any) -> None:
        match event:
            case LinesSet(dtr, rts):
                if rts is not None and rts is not self._rts:
                    self._rts = rts
                    self.rts_changed(rts)
                    self._obey_rts()
                if dtr is not None:
                    self._set_dtr(dtr)
            case Set(settings):
                self._rate = settings.rate
                self._by_circuits = settings.flow == comport.FLOW_HARDWARE
                self._obey_rts()
            case BreakSet(True) | telnet.Command(telnet.BRK):
                self.break_received()

    def _answer_ayt(self) -> None:
        now = self._reactor.seconds()
        if now - self._ayt_at < AYT_S:
            return
        self._ayt_at = now
        # A program that controls a port would take words for data; people want to read some (RFC 854).
        if self._codec.agreed:
            self._send(self._codec.telnet.command(telnet.NOP))
        else:
            self._send(self._codec.encode(_HERE))

    def _obey_rts(self) -> None:
        """Both the commands and the client have to want it: to a program without flow control RTS means
        nothing, and a modem with factory settings (&K3) must not fall silent for it."""
        if self.attached:
            self._suspend("RTS", self._held_by_rts and self._by_circuits and self._rts is False)

    # -- DTR -----------------------------------------------------------------------------------------------

    def _know_dtr(self) -> None:
        self._dtr_known = True
        self._dtr_timer.cancel()
        if self._speech is Speech.TELNET:
            self._passes = self._codec.passes

    def _presume_dtr(self) -> None:
        """The client does not speak of DTR: then its being there is enough."""
        if not self._dtr_known:
            self._know_dtr()
            self._codec.dtr = True
            self._ahead.append(LinesSet(dtr=True))
            self._deliver()

    def _set_dtr(self, on: bool) -> None:
        if on is not self._dtr:
            self._dtr = on
            self._user.dtr_changed(on)
