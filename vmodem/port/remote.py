"""Equipment on somebody else's access server, by RFC 2217 as its client.

A server that refuses RFC 2217 is used as a plain telnet one, one that never answers telnet as raw bytes;
neither has settings or circuits, and what is asked of them is taken for granted.  A server that is late or
lost is looked for, and then told again what was asked.

What does not belong here: how commands are coded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from vmodem.net.names.resolve import Resolver, SystemResolver
from vmodem.net.seeker import Seeker
from vmodem.net.stream import Cause, Ending, FdStream, Stream
from vmodem.net.timer import Timer
from vmodem.port.base import (
    INPUTS,
    OUTPUTS,
    Counters,
    Noted,
    Port,
    PortFlow,
    PortUser,
    Settings,
    Signals,
)
from vmodem.port.nobody import NOBODY
from vmodem.port.outgoing import Outgoing
from vmodem.port.remotestream import ERRORS, INPUTS_TOLD, RemoteStream, Speech, inputs
from vmodem.port.sentclock import SentClock
from vmodem.port.wishes import Changes, Wishes
from vmodem.wire import comport
from vmodem.wire.comport import LineState, ModemState, Purge

#: How long a server may take to show what it speaks, in seconds.
ANSWER_S: Final = 3.0
#: How long it may take to answer a change, in seconds: whoever asked us for it may wait no longer than 3.
CHANGE_S: Final = 2.5
#: Its inputs are asked for again when it has not told them after so long, in seconds.
POLL_S: Final = 1.0
#: What a server said that ended the connection before it was known what it speaks: so much of it is told.
WORDS: Final = 80
#: How long written bytes may take to leave when the port is stopped, in seconds.
LAST_WORDS_S: Final = 0.3


def _never(signals: Signals) -> bool:
    return False


class RemotePort(Port):
    """``remote:HOST:PORT`` and ``rfc2217:HOST:PORT``.  The framing is left as the server has it where it is
    None, and so are ``dtr`` and ``rts``; the arguments are those of the LINE string.  ``retry`` are pauses
    after which the server is connected to again, in seconds: many of them open the port at each connection.
    ``patience_s`` is how long settings, circuits and breaks wait for the bytes before them, in seconds,
    if not five.
    """

    _log = Logger()
    #: Whether circuits are told at once, with all bytes that came before them, even while paused.  Whoever
    #: wants to hear of a hang-up in time puts a callable here.
    urgent: Callable[[Signals], bool] = staticmethod(_never)

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
        flow: str | None = None,
        dtr: bool | None = None,
        rts: bool | None = None,
        retry: Sequence[float] = (),
        patience_s: float | None = None,
        description: str = "",
        resolver: Resolver | None = None,
    ) -> None:
        self.description = description or f"remote:{host}:{port}"
        self.signals_known = Signals.NONE
        self.counters = Counters()
        #: What is spoken with the server at present.
        self.speech = Speech.NOT_YET
        self._reactor = reactor
        self._wishes = Wishes(speed, bits, parity, stop, None if flow is None else PortFlow(flow))
        self._settings = self._wishes.over(Settings())
        self._driven: dict[Signals, bool] = {}
        for signal, level in ((Signals.DTR, dtr), (Signals.RTS, rts)):
            if level is not None:
                self._driven[signal] = level
        self._inputs = Signals.NONE
        self._user: PortUser = NOBODY
        self._seeker = Seeker(
            reactor, host, port, resolver or SystemResolver(reactor), self._connected, self._missing, retry
        )
        self._server: RemoteStream | None = None  # while it may speak telnet
        self._stream: Stream | None = None  # that, or the raw one
        self._out = Outgoing(
            reactor, self._send, self._handed_over, self._left, self._tell, limit_s=patience_s, polled=False
        )
        self._stream_blocked = False
        self._told = False
        self._paused = False
        self._changes = Changes(reactor, lambda: self._settings, self._not_answered, CHANGE_S)
        self._clock = SentClock(reactor)
        self._reason = ""
        self._words = b""
        self._timer = Timer(reactor)
        self._ask_timer = Timer(reactor)
        self._stopped: Deferred[None] | None = None

    # -- the contract: beginning and end ---------------------------------------------------------------------

    def start(self, user: PortUser) -> None:
        """Begin to connect; a server that cannot be reached is told by ``lost`` and tried again."""
        self._user = user
        self._seeker.seek()

    def stop(self) -> Deferred[None]:
        if self._stopped is not None:
            return self._stopped
        stopped = self._stopped = Deferred()
        self._user = NOBODY
        self._seeker.stop()
        self._out.hurry()
        stream, self._stream = self._stream, None
        self._down()
        if stream is None:
            stopped.callback(None)
            return stopped
        stream.close(LAST_WORDS_S)

        def finish() -> None:
            stream.abort()
            stopped.callback(None)

        self._timer.set(LAST_WORDS_S, finish)
        return stopped

    @property
    def rate_known(self) -> bool:
        """Whether the server has said which rate is in force."""
        return self.speech is Speech.COM_PORT and self._wishes.confirmed(comport.SET_BAUDRATE)

    # -- the contract: bytes ---------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        if self.speech is not Speech.NOT_YET and self._stopped is None and data:
            self._out.write(data)

    @property
    def backlog(self) -> int:
        return self._out.backlog + (0 if self._stream is None else self._stream.backlog)

    def pause(self) -> None:
        self._paused = True
        if self.speech is not Speech.NOT_YET and self._stream is not None:
            self._stream.pause()

    def resume(self) -> None:
        self._paused = False
        if self.speech is not Speech.NOT_YET and self._stream is not None:
            self._stream.resume()

    def purge(self, received: bool, sent: bool) -> None:
        stream = self._stream
        if stream is None:
            return
        if received and self._server is not None:
            self._server.discard_received()
        if sent:
            self._out.discard()
            self._clock.purged()
            if self._server is not None:  # raw bytes cannot be told from those already in the kernel
                stream.discard_pending()
        which = (Purge.RECEIVE if received else Purge(0)) | (Purge.TRANSMIT if sent else Purge(0))
        if which and self.speech is Speech.COM_PORT and self._server is not None:
            self._server.command(self._server.client.purge(which))

    @property
    def all_sent(self) -> bool:
        return not self.backlog and not self._clock.left

    def when_sent(self, done: Callable[[], None]) -> None:
        self._out.then(lambda: self._clock.wait(done))

    # -- the contract: settings and circuits -----------------------------------------------------------------

    @property
    def settings(self) -> Settings:
        return self._settings

    def set(self, wanted: Settings, done: Callable[[Settings], None]) -> None:
        self._out.then(lambda: self._set(wanted, done))

    @property
    def signals(self) -> Signals:
        found = self._inputs
        for signal in (Signals.DTR, Signals.RTS):
            if self._driven.get(signal, True):
                found |= signal
        return found & self.signals_known

    def drive(self, on: Signals, off: Signals) -> None:
        self._out.then(lambda: self._drive(on & OUTPUTS, off & OUTPUTS))

    def set_break(self, on: bool) -> None:
        self._out.then(lambda: self._set_break(on))

    def send_break(self, seconds: float) -> None:
        self._out.then(lambda: self._send_break(seconds))

    # -- coming and going ------------------------------------------------------------------------------------

    def _connected(self, below: FdStream) -> None:
        self._stream_blocked = False
        self._words = b""
        self._server = self._stream = server = RemoteStream(self._reactor, below, self)
        server.break_received = self._break_came
        server.urgent = lambda state: self.urgent(inputs(state))
        self._timer.set(ANSWER_S, self._no_answer)
        server.start(self)
        server.pause()

    def _missing(self, reason: str) -> None:
        if reason != self._reason:
            self._reason = reason
            self._log.warn("{line}: {reason}", line=self.description, reason=reason)
            self._user.lost(reason)

    def _no_answer(self) -> None:
        server = self._server
        if server is None or server.spoken:
            self._go_up(Speech.TELNET)
            return
        below, early = server.release()
        self._server, self._stream = None, below
        below.start(self)
        self._go_up(Speech.RAW, early)

    def _go_up(self, speech: Speech, early: bytes = b"") -> None:
        """It is known what the server speaks; that may still become more."""
        was, self.speech = self.speech, speech
        self.signals_known = OUTPUTS if speech is Speech.COM_PORT else Signals.NONE
        if was is not Speech.NOT_YET or self._stream is None:
            return
        self._timer.cancel()
        self._seeker.found()
        stream = self._stream
        reason, self._reason = self._reason, ""
        self._log.info(
            "{line}: {speech} with {peer}", line=self.description, speech=speech.value, peer=stream.peer
        )
        if reason:
            self._user.found()
        self._user.attached(True)
        if early and self._stream is stream and self._stopped is None:
            self.data_received(early)
        if self._stream is stream and self._stopped is None:
            if self._paused:
                stream.pause()
            else:
                stream.resume()

    def _down(self) -> None:
        """There is no server any more."""
        self.speech = Speech.NOT_YET
        self.heard = None
        self.signals_known = self._inputs = Signals.NONE
        self._server = None
        for timer in (self._timer, self._ask_timer):
            timer.cancel()
        self._out.discard()
        self._out.hurry()
        self._changes.give_up()
        self._clock.purged()
        self._stream_blocked = False
        self._tell()

    # -- what the stream tells -------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Bytes of the equipment; or the server's own words, when it ends the connection before it is known
        what is spoken."""
        if self.speech is Speech.NOT_YET:
            self._words = (self._words + data)[:WORDS]
            return
        self.counters.received += len(data)
        self._user.data_received(data)

    def write_blocked(self) -> None:
        """The server takes no more."""
        self._stream_blocked = True
        self._tell()

    def write_drained(self) -> None:
        """The server has taken everything."""
        self._stream_blocked = False
        self._out.look()
        self._tell()

    def stream_ended(self, ending: Ending) -> None:
        """The server is gone."""
        stream, self._stream = self._stream, None
        if stream is None:
            return
        was_up = self.speech is not Speech.NOT_YET
        finished = ending.cause is Cause.FINISHED
        reason = f"{stream.peer}: {'closed by the server' if finished else ending.detail}"
        if self._words.strip():
            reason += f", saying {self._words.strip().decode('ascii', 'backslashreplace')!r}"
        stream.abort()
        self._down()
        if self._stopped is not None:
            return
        if was_up:
            self._user.attached(False)
        self._missing(reason)
        self._seeker.seek_later()

    # -- what the server says --------------------------------------------------------------------------------

    def agreed(self) -> None:
        """Say how the port is to be, and ask how it is."""
        server = self._server
        if server is None:
            return
        client, wishes = server.client, self._wishes
        errors = LineState.BREAK | LineState.FRAMING | LineState.PARITY | LineState.OVERRUN
        settings = list(wishes.codes(query=True))
        # Answers to these must not be taken for answers to what is asked for next.
        self._changes.begin({comport.SET_CONTROL, *(code for code, _ in settings)}, self._compare)
        words = [client.set(code, value) for code, value in settings]
        words += [client.control(value) for value in wishes.flow_codes(query=True)]
        words += [client.masks(ModemState(255), errors), self._outputs()]
        server.command(b"".join(words))
        # Most servers tell the inputs unasked, and one loses its step when it is asked.
        self._ask_timer.set(POLL_S, self._ask_again)
        self._go_up(Speech.COM_PORT)

    def refused(self) -> None:
        """It is a telnet server."""
        self._go_up(Speech.TELNET)

    def server_spoke(self) -> None:
        """It is alive."""
        self.heard = float(self._reactor.seconds())

    def answered(self, code: int, value: int) -> None:
        """A setting is in force, whatever was asked for."""
        self._settings = self._wishes.answered(self._settings, code, value)
        self._changes.answered(code, value)

    def _compare(self, real: Settings) -> None:
        """What was asked for at the beginning is answered: tell what came of it."""
        asked = self._wishes.over(real)
        if asked != real and self.speech is Speech.COM_PORT and not self._changes.awaited:
            text = "{line}: {asked} was asked for, {real} is in force"
            self._log.warn(text, line=self.description, asked=str(asked), real=str(real))

    def modem_state(self, state: ModemState) -> None:
        """The port's inputs."""
        self._ask_timer.cancel()
        first = not self.signals_known & INPUTS
        self.signals_known = INPUTS | OUTPUTS
        now, pulsed = inputs(state), Signals.NONE
        for bit, delta, signal in INPUTS_TOLD:
            if state & delta and bool(state & bit) is (signal in self._inputs):
                pulsed |= signal
        was, self._inputs = self._inputs, now
        if pulsed and not first:
            # It changed there and back while nobody told us.
            self._user.signals_changed(was ^ pulsed)
            was ^= pulsed
        if was != now or first:
            self._user.signals_changed(now)

    def line_state(self, state: LineState) -> None:
        """Characters were damaged there, somewhere near this place."""
        for bit, kind, name in ERRORS:
            if state & bit:
                setattr(self.counters, name, getattr(self.counters, name) + 1)
                self._user.noted(kind)

    def _break_came(self) -> None:
        self.counters.breaks += 1
        self._user.noted(Noted.BREAK)

    def inquire(self) -> None:
        """Ask for the inputs, and for the flow control, which no server leaves unanswered."""
        server = self._server
        if server is not None and self.speech is Speech.COM_PORT:
            client = server.client
            server.command(client.ask_modem_state() + client.control(comport.FLOW_QUERY))

    def _ask_again(self) -> None:
        server = self._server
        if server is not None:
            server.command(server.client.ask_modem_state())

    # -- what the server is told -----------------------------------------------------------------------------

    def _set(self, wanted: Settings, done: Callable[[Settings], None]) -> None:
        server = self._server
        if not wanted.sensible:
            self._later(lambda: done(self._settings))
            return
        known = self._settings if self.speech is Speech.COM_PORT else None
        changed = self._wishes.take(wanted, known)
        if self.speech is not Speech.COM_PORT or server is None:
            self._settings = wanted
            self._later(lambda: done(self._settings))
            return
        client = server.client
        words = [client.set(code, value) for code, value in self._wishes.codes() if code in changed]
        if comport.SET_CONTROL in changed:
            self._wishes.expect_flow()
            words += [client.control(value) for value in self._wishes.flow_codes()]
        if not words:
            self._later(lambda: done(self._settings))
            return
        self._changes.begin(changed, done)
        server.command(b"".join(words))

    def _not_answered(self) -> None:
        self._log.info("{line}: the server did not answer about its settings", line=self.description)

    def _drive(self, on: Signals, off: Signals) -> None:
        for signal in (Signals.DTR, Signals.RTS):
            if signal & (on | off):
                self._driven[signal] = bool(signal & on)
        if self.speech is Speech.COM_PORT and self._server is not None:
            self._server.command(self._outputs(on | off))

    def _outputs(self, which: Signals = OUTPUTS) -> bytes:
        """The commands that drive the circuits that were ever driven, together."""
        words = b""
        for signal, on, off in (
            (Signals.DTR, comport.DTR_ON, comport.DTR_OFF),
            (Signals.RTS, comport.RTS_ON, comport.RTS_OFF),
        ):
            level = self._driven.get(signal)
            if signal & which and level is not None and self._server is not None:
                words += self._server.client.control(on if level else off)
        return words

    def _set_break(self, on: bool) -> None:
        server = self._server
        if server is None:
            return
        if self.speech is Speech.COM_PORT:
            server.command(server.client.control(comport.BREAK_ON if on else comport.BREAK_OFF))
        elif on:
            server.send_telnet_break()

    def _send_break(self, seconds: float) -> None:
        if self._stream is not None:
            self._stream.send_break(seconds, expedited=False)

    # -- towards the equipment -------------------------------------------------------------------------------

    def _send(self, data: bytes) -> None:
        stream = self._stream
        if stream is None:
            return
        self.counters.sent += len(data)
        if self.speech is Speech.COM_PORT:
            self._clock.sent(len(data) * self._settings.character_s)
        stream.write(data)

    def _handed_over(self) -> bool:
        """Whether commands may follow: the server keeps them in their order among the bytes."""
        return self._stream is None or not self._stream.backlog

    def _left(self) -> float:
        return 0 if self._stream is None else self._stream.backlog

    def _tell(self) -> None:
        blocked = self._stream_blocked or self._out.waiting
        if blocked is not self._told:
            self._told = blocked
            if blocked:
                self._user.write_blocked()
            else:
                self._user.write_drained()

    def _later(self, act: Callable[[], None]) -> None:
        self._reactor.callLater(0, act)
