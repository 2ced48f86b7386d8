"""One modem of a configuration, with all that is around it: its line, its listeners, its way out.

What does not belong here: what a modem does (modem/), and how modems find each other (board.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from vmodem import __version__
from vmodem.config.schema import ModemConfig

from .board import Switchboard, door_settings
from .start import EX_UNAVAILABLE, EX_USAGE, STOP_LIMIT_S, StartError

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

    from vmodem.call.caller import Caller
    from vmodem.modem.driver import Driver
    from vmodem.modem.record import CallRecord
    from vmodem.net.stream import Stream

#: What makes another modem of it: these cannot change while it runs.
_FIXED: Final = ("name", "line", "dialect", "init", "leased", "leased_on")


class Station:
    """One modem.  Raises :class:`StartError` for what its configuration has wrong."""

    def __init__(
        self,
        reactor: Any,
        config: ModemConfig,
        board: Switchboard,
        state_dir: str = "",
        finished: Callable[[], None] | None = None,
    ) -> None:
        from atparser import DIALECTS, Identity, Modem, Options
        from vmodem.call.answer import Answerer
        from vmodem.call.originate import Originator
        from vmodem.line.base import LineError
        from vmodem.line.parse import make_line
        from vmodem.modem.driver import Driver
        from vmodem.modem.leased import LeasedLine, parse_leased
        from vmodem.modem.storage import StateFolder, default_folder
        from vmodem.net.admission.rules import AccessError, CallerRules, DialRules
        from vmodem.net.incoming.listen import ListenError

        self.name = config.name
        self.config = config
        self._reactor = reactor
        self._board = board
        #: Called when ``free`` may have changed.
        self.free_changed: list[Callable[[], None]] = []
        self.busied = False  # by the operator
        self._sinks: list[Callable[[str], None]] = []  # who follows what happens
        self.retiring = False  # no longer in the configuration; the call it has is its last
        self.calls = 0
        self.last: CallRecord | None = None
        self.idle_since = reactor.seconds()
        self._held: Any = None  # off-hook for a while after a call
        self._coming: tuple[Stream, Caller, Any] | None = None  # waits for the answer delay
        try:
            line = make_line(reactor, config.line)
            self._originator = Originator(
                reactor, board.directory, DialRules(), board.offer_inside(self.offer)
            )
            self._answerer = Answerer(reactor, config.answer, CallerRules(), self.offered)
            self._fill(config)
        except (LineError, AccessError, ListenError) as exc:
            raise StartError.of(exc, EX_USAGE) from exc
        state = StateFolder(state_dir or default_folder(), config.name)
        self._state = state
        identity = Identity(
            revision=__version__,
            build=__version__,
            configuration=(
                f"number:   {config.number or 'none'}",
                f"calls in: {' '.join(config.answer).lower() or 'nowhere'}",
                f"numbers:  {len(list(board.directory))}",
            ),
        )
        options = Options(identity=identity, cable=bool(config.windows_cable), **DIALECTS[config.dialect])
        self.driver: Driver = Driver(
            reactor,
            config.name,
            line,
            Modem(options, state.load()),
            self,
            state.store,
            self._recorded,
            finished,
        )
        self.driver.busy_changed = self._busy_changed
        dial = parse_leased(config.leased)[0] if config.leased else None
        self._leased = LeasedLine(reactor, self.driver, dial, config.leased_on)

    # -- life ----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Listen, then serve the line: whoever finds it finds a modem that answers.

        Raises :class:`StartError`.
        """
        from atparser import InitError
        from vmodem.line.base import LineError
        from vmodem.net.incoming.listen import ListenError

        try:
            self._answerer.start()
        except ListenError as exc:
            raise StartError.of(exc, EX_UNAVAILABLE) from exc
        try:
            self.driver.start(self.config.init)
        except InitError as exc:
            self._answerer.stop()
            raise StartError(f"init of {self.name}: {exc}.", EX_USAGE) from exc
        except LineError as exc:
            self._answerer.stop()
            raise StartError.of(exc, EX_UNAVAILABLE) from exc
        self._leased.start()
        self._busy_changed()

    def stop(self) -> Deferred[None]:
        """Hang up, tell the DTE, let go of everything; fires within :data:`STOP_LIMIT_S`."""
        self._answerer.stop()
        self._leased.stop()
        self._forget_timers()
        self.driver.shut_down()
        stopped = self.driver.line.stop()
        stopped.addTimeout(STOP_LIMIT_S, self._reactor, onTimeoutCancel=lambda *_: None)
        return stopped

    # -- changes while it runs -----------------------------------------------------------------------------

    def is_same(self, config: ModemConfig) -> bool:
        """Whether this modem can become what ``config`` says without beginning anew."""
        same_cable = bool(config.windows_cable) == bool(self.config.windows_cable)
        return same_cable and all(getattr(config, key) == getattr(self.config, key) for key in _FIXED)

    def release(self, config: ModemConfig | None) -> None:
        """Let go of the listeners that ``config`` has no more; None: of all, for good."""
        self.retiring = config is None
        if self.retiring:
            self._leased.stop()
        self._answerer.drop(() if config is None else config.answer)
        self._busy_changed()

    def apply(self, config: ModemConfig) -> None:
        """Become what ``config`` says; calls go on.  Raises :class:`StartError` for a listener that cannot
        be had; all the rest is in force then."""
        from vmodem.net.incoming.listen import ListenError

        self.config = config
        self._fill(config)
        try:
            self._answerer.add(config.answer)
        except ListenError as exc:
            raise StartError.of(exc, EX_UNAVAILABLE) from exc
        finally:
            self._busy_changed()

    def _fill(self, config: ModemConfig) -> None:
        """What can change at any time."""
        from vmodem.call.partners import Partners
        from vmodem.call.target import parse_target
        from vmodem.modem.leased import parse_leased
        from vmodem.net.admission.rules import DialRules

        board = self._board
        out = self._originator
        out.directory, out.numberings = board.directory, board.numberings
        out.resolver = board.resolver or out.resolver
        out.dial_rules = DialRules(config.allow_dial)
        out.limit.per_minute = config.dial_limit
        out.name, out.number, out.rate = config.name, config.number, config.rate
        places = {"default": config.default, "cable": config.windows_cable}
        out.places = {place: parse_target(text) for place, text in places.items() if text}
        leased = parse_leased(config.leased)[1] if config.leased else None
        if leased is not None:
            out.places["leased"] = leased
        self._answerer.directory = board.directory
        self._answerer.partners = out.partners = Partners(config.pair, config.pair_secret)
        self._answerer.door.settings = door_settings(config)

    # -- calls in ------------------------------------------------------------------------------------------

    @property
    def free(self) -> bool:
        """Whether a call would be taken now."""
        taken = self.driver.busy or self._coming is not None or self._held is not None
        return not (taken or self.busied or self.retiring)

    @property
    def occupied(self) -> bool:
        """Whether there is a call, or is about to be one."""
        return self.driver.in_call or self._coming is not None

    def when_free(self, told: Callable[[], None]) -> None:
        """Call ``told`` once there is no call any more."""

        def look() -> None:
            if not self.occupied:
                self.free_changed.remove(look)
                self._reactor.callLater(0, told)

        self.free_changed.append(look)

    def offer(self, stream: Stream, caller: Caller) -> bool:
        """Somebody calls.  False: busy, and the stream is the caller's to get rid of."""
        if not self.free:
            return False
        if self.config.rate:
            from vmodem.net.pace import PacedStream

            stream = PacedStream(self._reactor, stream, self.config.rate)
        if self.config.answer_delay:
            timer = self._reactor.callLater(self.config.answer_delay, self._delay_over)
            self._coming = (stream, caller, timer)
            self._busy_changed()
            return True
        return self.driver.offer(stream, caller)

    def _delay_over(self) -> None:
        assert self._coming is not None
        (stream, caller, _), self._coming = self._coming, None
        if not self.driver.offer(stream, caller):
            self.refuse(stream, b"BUSY\r\n")
        self._busy_changed()

    def offered(self, stream: Stream, caller: Caller) -> bool:
        """The same for a caller on this modem's own listeners, who is told when it is busy."""
        if not self.offer(stream, caller):
            self.refuse(stream, b"BUSY\r\n")
        return True

    def refuse(self, stream: Any, text: bytes) -> None:
        """Say goodbye to a caller."""
        self._answerer.refuse(stream, self.config.busy_text if text == b"BUSY\r\n" else text)

    # -- calls out -----------------------------------------------------------------------------------------

    def originate(self, dial: Any, connected: Any, failed: Any) -> Any:
        """Place a call for the modem."""
        return self._originator.originate(dial, connected, failed)

    # -- what goes on --------------------------------------------------------------------------------------

    def hang_up(self) -> None:
        """The operator ends the call, or the attempt at one."""
        if self._coming is not None:
            self._forget_timers()
        self.driver.hang_up("the operator hung up")

    def records(self, limit: int) -> list[dict[str, Any]]:
        """The latest call records, the latest last."""
        return self._state.records(limit)

    def trace(self, sink: Callable[[str], None]) -> Callable[[], None]:
        """Give ``sink`` a line for everything that happens, until what is returned is called."""
        from vmodem.modem.trace import Trace

        self._sinks.append(sink)
        self.driver.trace(Trace(self._trace_line, self._reactor.seconds))

        def stop() -> None:
            if sink in self._sinks:
                self._sinks.remove(sink)
            if not self._sinks:
                self.driver.trace(None)

        return stop

    def _trace_line(self, text: str) -> None:
        for sink in list(self._sinks):
            sink(text)

    def set_busy(self, on: bool) -> None:
        """The operator takes the modem out of service for callers, or puts it back."""
        self.busied = on
        self._busy_changed()

    def _recorded(self, record: CallRecord) -> None:
        self._state.record(record)
        self.last = record
        if record.connected:
            self.calls += 1
        self.idle_since = self._reactor.seconds()
        if self.retiring:
            self._reactor.callLater(0, self._busy_changed)
        if self.config.hold and not self.retiring:
            if self._held is not None:
                self._held.cancel()
            self._held = self._reactor.callLater(self.config.hold, self._hold_over)

    def _hold_over(self) -> None:
        self._held = None
        self._busy_changed()

    def _busy_changed(self) -> None:
        # The call of a pair goes on over another connection, and that comes in by a listener.
        shut = self.config.off_hook == "closed" and not self.config.pair
        self._answerer.shut(shut and not self.free)
        for told in list(self.free_changed):
            told()

    def _forget_timers(self) -> None:
        if self._held is not None:
            self._held.cancel()
            self._held = None
        if self._coming is not None:
            stream, _, timer = self._coming
            self._coming = None
            timer.cancel()
            stream.abort()

    @property
    def settling(self) -> str:
        """Changes take place at once."""
        return ""

    @property
    def lacking(self) -> list[str]:
        """A device that is not there, and listeners that could not be opened again."""
        missing = self.driver.line.missing
        return [*([missing] if missing else []), *self._answerer.lacking]

    @property
    def summary(self) -> str:
        """One line for people: what it is and where."""
        listening = ", ".join(listener.address for listener in self._answerer.listeners) or "no calls in"
        return f"{self.name} on {self.driver.line.description}, {listening}"

    def status(self) -> Mapping[str, object]:
        """How it stands, as plain values."""
        driver = self.driver
        call = driver.call
        return {
            "what": "modem",
            "name": self.name,
            "line": driver.line.description,
            "number": self.config.number,
            "state": driver.modem.state.name.lower().replace("_", " "),
            "free": self.free,
            "busied": self.busied,
            "attached": driver.line.attached,
            "missing": driver.line.missing,
            "rate": driver.line.rate,
            "listening": [listener.address for listener in self._answerer.listeners],
            "peer": call.peer if call is not None else "",
            "calls": self.calls,
            "call": driver.record.as_json() if driver.record is not None else None,
            "last": self.last.as_json() if self.last is not None else None,
        }
