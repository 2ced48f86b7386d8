"""A line on somebody else's access server: the DTE hangs off a port there, and we are the server's client.

That port is wired as a computer's own serial port is, so the pins are used as :mod:`vmodem.line.wiring` says;
only that they are read and driven by RFC 2217.  A server that refuses RFC 2217 is taken as a plain telnet
one, one that does not answer telnet at all as raw; neither has circuits, and the DTE there counts as present.
"""

from __future__ import annotations

import select
from collections.abc import Collection
from typing import Any, Final

from twisted.internet.defer import Deferred

from vmodem import __version__
from vmodem.line.base import Circuit, FlowControl, LineUser
from vmodem.line.coded import NOBODY, CodedLine, always, as_data, nowhere, unchanged
from vmodem.line.wiring import Wiring
from vmodem.net.names.resolve import Resolver, SystemResolver
from vmodem.net.seeker import Seeker
from vmodem.net.stream import Cause, Ending, FdStream
from vmodem.net.timer import Timer
from vmodem.tty import circuits
from vmodem.tty.poller import shared_poller
from vmodem.wire import comport, telnet
from vmodem.wire.comport import (
    Agreed,
    LineState,
    ModemState,
    Purge,
    Refused,
    Signature,
    Suspended,
)
from vmodem.wire.comport_client import Answered, ComPortClient, LineStateTold, ModemStateTold
from vmodem.wire.events import Ignored, Send

#: How long it may take to say whether it speaks RFC 2217, and then to tell its inputs, in seconds.
ANSWER_S: Final = 3.0
#: Its inputs are asked for when it has not told them after so long, in seconds.
POLL_S: Final = 1.0
#: How long written bytes may take to leave when the line is stopped, in seconds.
LAST_WORDS_S: Final = 0.3
#: No break is longer, in seconds.
BREAK_LIMIT_S: Final = 1.0
#: How long a slow transmitter over there is waited for at most, in seconds: it may not be slow at all.
SENT_LIMIT_S: Final = 5.0
#: What a character takes on a serial line, in bits: start, eight, stop.
CHARACTER_BITS: Final = 10
#: How often a paused call's server is looked at, in seconds.
CALL_POLL_S: Final = 0.05

_ENDED: Final = getattr(select, "POLLRDHUP", 0)
_FLOWS: Final = {
    "none": (comport.FLOW_NONE,),
    "rtscts": (comport.FLOW_HARDWARE,),
    "xonxoff": (comport.FLOW_XON,),
    "dsrdtr": (comport.FLOW_DSR, comport.FLOW_IN_DTR),
}
_PINS: Final = {ModemState.CTS: circuits.CTS, ModemState.DSR: circuits.DSR, ModemState.DCD: circuits.CD}


class RemoteLine(CodedLine):
    """``remote:HOST:PORT``.  ``speed`` and the rest of the framing are left as the server has them where they
    are None; the other arguments are those of the LINE string.

    Raises :class:`LineError` for settings that exclude each other.
    """

    def __init__(
        self,
        reactor: Any,
        host: str,
        port: int,
        *,
        speed: int | None = None,
        bits: int | None = None,
        parity: str | None = None,
        stop: float | None = None,
        flow: str = "none",
        wiring: str = "null-modem",
        dtr_carries: str | None = None,
        rts_carries: str | None = None,
        dtr_in: str | None = None,
        invert: Collection[str] = (),
        description: str = "",
        resolver: Resolver | None = None,
    ) -> None:
        super().__init__(reactor, description or f"remote:{host}:{port}")
        self._flow = flow
        self._asked = {
            comport.SET_BAUDRATE: speed,
            comport.SET_DATASIZE: bits,
            comport.SET_PARITY: None if parity is None else comport.PARITIES[parity],
            comport.SET_STOPSIZE: None if stop is None else comport.STOPS[stop],
        }
        self._wiring = Wiring(
            self.description,
            wiring=wiring,
            flow=flow,
            dtr_carries=dtr_carries,
            rts_carries=rts_carries,
            dtr_in=dtr_in,
            invert=invert,
        )
        self._seeker = Seeker(
            reactor, host, port, resolver or SystemResolver(reactor), self._connected, self._missing
        )
        self._stream: FdStream | None = None
        self._codec = ComPortClient()
        self._up = False
        self._rate = 0
        self._outputs: dict[int, bool] = {}
        self._dtr = False
        self._state_known = False
        self._in_call = False
        self._reason = ""
        self._empty_at = 0.0  # when the server's transmitter will have sent what was written
        self._timer = Timer(reactor)
        self._sent_timer = Timer(reactor)
        self._break_timer = Timer(reactor)
        self._stopped: Deferred[None] | None = None

    # -- the contract --------------------------------------------------------------------------------------

    def start(self, user: LineUser) -> None:
        """Begin to connect; a server that cannot be reached is told by ``line_lost`` and tried again."""
        self._user = user
        self._seeker.seek()

    def stop(self) -> Deferred[None]:
        if self._stopped is not None:
            return self._stopped
        stopped = self._stopped = Deferred()
        self._user = NOBODY
        self._seeker.stop()
        self._ahead.clear()
        stream, self._stream = self._stream, None
        if stream is None:
            stopped.callback(None)
            return stopped
        while self._up and self._queue:
            item = self._queue.popleft()
            self._send(item() if callable(item) else self._encode(item))
        self._down()
        stream.close(LAST_WORDS_S)

        def finish() -> None:
            stream.abort()
            stopped.callback(None)

        self._timer.set(LAST_WORDS_S, finish)
        return stopped

    @property
    def attached(self) -> bool:
        return self._up

    @property
    def rate(self) -> int:
        """What the server says is in force; 0 until it has."""
        return self._rate

    def set_circuit(self, circuit: Circuit, on: bool) -> None:
        if self._wiring.drive(circuit, on) and self._codec.agreed and self._up:
            wanted = self._changed_outputs()
            if wanted:
                self._notify(lambda: wanted)

    def discard(self) -> None:
        super().discard()
        if self._up and self._codec.agreed:
            self._empty_at = 0.0
            self._send(self._codec.purge(Purge.TRANSMIT))

    def set_flow(self, flow: FlowControl) -> None:
        # The port is another's, and so is its CTS: only characters are obeyed without being told to in LINE.
        if self._flow == "none":
            super().set_flow(flow)

    def send_break(self, seconds: float) -> None:
        if self._up:
            self._notify(lambda: self._begin_break(min(seconds, BREAK_LIMIT_S)))

    def call_active(self, active: bool) -> None:
        self._in_call = active
        self._update_reading()

    # -- coming and going ------------------------------------------------------------------------------------

    def _connected(self, stream: FdStream) -> None:
        codec = self._codec = ComPortClient(signature=b"vmodem " + __version__.encode())
        self._encode, self._decode, self._passes = self._timed_encode, codec.receive, codec.passes
        self._stream = stream
        self._state_known = False
        self._attach(stream)
        self.write = nowhere  # until it is known how to write
        self._send(codec.greeting())
        self._timer.set(ANSWER_S, self._no_answer)
        stream.start(self)

    def _missing(self, reason: str) -> None:
        if reason != self._reason:
            self._reason = reason
            self._user.line_lost(reason)

    def _no_answer(self) -> None:
        if not self._codec.telnet.spoken:
            self._encode, self._decode, self._passes = unchanged, as_data, always
        self._go_up(circuits_there=False)

    def _go_up(self, circuits_there: bool) -> None:
        if not self._up:
            self._up = True
            self.write = self._write
            self._seeker.found()
            if self._reason:
                self._reason = ""
                self._log.info("{line}: back in service", line=self.description)
                self._user.line_found()
        if self._up and not circuits_there:
            self._set_dtr(True)

    def _down(self) -> None:
        """There is no server any more."""
        self._up = False
        self._rate = 0
        self._empty_at = 0.0
        self._outputs.clear()
        self._timer.cancel()
        self._sent_timer.cancel()
        self._break_timer.cancel()
        shared_poller(self._reactor, CALL_POLL_S).remove(self._poll_end)
        self._detach()

    # -- what the stream tells -----------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """The server sent a coded chunk."""
        self._received(data)

    def write_blocked(self) -> None:
        """The server takes no more."""
        self._transport_blocked()

    def write_drained(self) -> None:
        """The server has taken everything."""
        self._transport_drained()

    def stream_ended(self, ending: Ending) -> None:
        """The server is gone."""
        stream, self._stream = self._stream, None
        if stream is None:
            return
        self._down()
        stream.abort()
        if self._stopped is not None:
            return
        self._set_dtr(False)
        self._missing(f"{stream.peer}: {ending.detail}")
        self._seeker.seek_later()

    def _update_reading(self) -> None:
        """One that is read tells its end by itself; in a paused call it must be looked at."""
        super()._update_reading()
        poller = shared_poller(self._reactor, CALL_POLL_S)
        if self._stream is not None and self._in_call and not self._reading:
            poller.add(self._poll_end)
        else:
            poller.remove(self._poll_end)

    def _poll_end(self) -> None:
        stream = self._stream
        if stream is None:
            return
        poll = select.poll()
        poll.register(stream.fileno(), _ENDED)
        if poll.poll(0):
            stream.finish(Ending(Cause.FINISHED, "closed by the server"))

    # -- what the server says ------------------------------------------------------------------------------

    def _at_once(self, event: Any) -> bool:
        match event:
            case Send(data):
                self._send(data)
            case Suspended(on):
                self._suspend("server", on)
            case Agreed():
                self._agreed()
            case Refused():
                self._timer.cancel()
                self._go_up(circuits_there=False)
            case Answered(code, value):
                self._answered(code, value)
            case Signature(text):
                self._log.debug("{line}: the server is {text!r}", line=self.description, text=text)
            case Ignored(reason):
                self._log.debug("{line}: {reason}", line=self.description, reason=reason)
            case _:
                return False
        return True

    def _is_urgent(self, event: Any) -> bool:
        return isinstance(event, ModemStateTold) and not self._wiring.dtr(_pins(event.state))

    def _happened(self, event: Any) -> None:
        match event:
            case ModemStateTold(state):
                if not self._state_known:
                    self._state_known = True
                    self._timer.cancel()
                self._set_dtr(self._wiring.dtr(_pins(state)))
            case LineStateTold(state) if state & LineState.BREAK:
                self.break_received()
            case telnet.Command(telnet.BRK):
                self.break_received()

    def _agreed(self) -> None:
        """Say how the port is to be, and ask how it is."""
        codec = self._codec
        self._timer.cancel()
        words = [codec.set(code, value or 0) for code, value in self._asked.items() if value or code == 1]
        words += [codec.control(value) for value in _FLOWS[self._flow]]
        words += [
            codec.masks(ModemState(255), LineState.BREAK),
            self._changed_outputs(),
            codec.ask_modem_state(),
        ]
        self._send(b"".join(words))
        self._timer.set(POLL_S, self._ask_again)
        self._go_up(circuits_there=True)

    def _ask_again(self) -> None:
        self._send(self._codec.ask_modem_state())
        self._timer.set(ANSWER_S, self._no_circuits)

    def _no_circuits(self) -> None:
        """A port that tells nothing of its inputs has none."""
        self._log.info("{line}: the server tells nothing of its circuits", line=self.description)
        self._set_dtr(True)

    def _answered(self, code: int, value: int) -> None:
        if code == comport.SET_BAUDRATE:
            self._rate = value
        asked = self._asked.get(code)
        if asked is not None and asked != value:
            self._log.warn(
                "{line}: {what} {asked} was asked for, {value} is in force",
                line=self.description,
                what=comport.FIELDS[code],
                asked=int(asked),
                value=value,
            )

    def _set_dtr(self, on: bool) -> None:
        if on is not self._dtr:
            self._dtr = on
            self._user.dtr_changed(on)

    # -- what the server is told ---------------------------------------------------------------------------

    def _changed_outputs(self) -> bytes:
        """The commands that make the server's outputs what they have to be, together."""
        words = b""
        for line, on, off, owner in (
            (circuits.DTR, comport.DTR_ON, comport.DTR_OFF, "dsrdtr"),
            (circuits.RTS, comport.RTS_ON, comport.RTS_OFF, "rtscts"),
        ):
            level = self._wiring.output(line)
            if self._flow != owner and self._outputs.get(line) is not level:
                self._outputs[line] = level
                words += self._codec.control(on if level else off)
        return words

    def _begin_break(self, seconds: float) -> bytes:
        if not self._codec.agreed:
            return self._codec.telnet.command(telnet.BRK) if self._codec.telnet.spoken else b""
        if self._break_timer.running:
            return b""
        self._break_timer.set(seconds, self._end_break)
        self._suspend("break", True)
        return self._codec.control(comport.BREAK_ON)

    def _end_break(self) -> None:
        self._send(self._codec.control(comport.BREAK_OFF))
        self._suspend("break", False)

    # -- when it is sent -----------------------------------------------------------------------------------

    def _timed_encode(self, data: bytes) -> bytes:
        """The server's transmitter is slower than the network; nobody tells when it is empty."""
        if self._rate:
            now = self._reactor.seconds()
            took = CHARACTER_BITS * len(data) / self._rate
            self._empty_at = min(max(now, self._empty_at) + took, now + SENT_LIMIT_S)
        return self._codec.encode(data)

    def _finish_sent(self) -> None:
        left = self._empty_at - self._reactor.seconds()
        if left <= 0 or self._when_sent is None:
            super()._finish_sent()
        elif not self._sent_timer.running:
            self._sent_timer.set(left, self._look_sent)

    def _look_sent(self) -> None:
        if not self.backlog:
            self._finish_sent()


def _pins(state: ModemState) -> int:
    return sum(pin for bit, pin in _PINS.items() if state & bit)
