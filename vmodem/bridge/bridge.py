"""Two ports joined: what one receives the other sends, and what one shows the other drives.

Each port is equipment of ours, on the line's side and on the target's.  Bytes keep their order and are never
dropped while somebody is there to take them; settings of an application go where there is a real port; and
circuits cross over as in a null modem cable.

What does not belong here: what the ports are made of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from twisted.internet.defer import Deferred, DeferredList
from twisted.logger import Logger

from vmodem.port.base import Noted, Port, PortError, Settings, Signals
from vmodem.port.watching import Tap, Taps, Way

from .filter import Filter
from .lane import Change, Lane


@dataclass(frozen=True)
class Wiring:
    """Which circuit we read at one side drives which at the other.  None leaves one of ours alone.

    A side that has no such circuit, because it is a program, counts as on while somebody is there.
    """

    dtr: Signals | None = Signals.DSR
    rts: Signals | None = Signals.CTS


#: As in a null modem cable, both ways.
NULL_MODEM: Final = Wiring()
#: Circuits are left as the ports have them.
NO_WIRING: Final = Wiring(None, None)


class Gather(Protocol):
    """Makes packets of the line's bytes before they are carried on."""

    def take(self, data: bytes) -> None:
        """The line sent this."""

    def flush(self) -> None:
        """The packet ends here."""


class Bridge:
    """Joins ``line`` and ``target``, neither of them started.

    ``holds_line`` and ``holds_target``: bytes wait while nobody is there; else they are dropped and counted.
    ``follows_line``: whoever comes to the line finds settings there, and the target gets them; else it gets
    only what is changed later.
    ``taps`` see everything as it arrives, ``filter`` may change it, ``gather`` makes packets of what goes to
    the target, given what carries them.  ``changed`` is called when somebody comes or goes at either side,
    ``failed`` when the filter raised.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        line: Port,
        target: Port,
        *,
        name: str = "bridge",
        wiring: Wiring = NULL_MODEM,
        taps: Iterable[Tap] = (),
        filter: Filter | None = None,  # noqa: A002 - what users of the room call it
        gather: Callable[[Callable[[bytes], None]], Gather] | None = None,
        holds_line: bool = False,
        holds_target: bool = True,
        follows_line: bool = False,
        changed: Callable[[], None] | None = None,
        failed: Callable[[], None] | None = None,
    ) -> None:
        self.name = name
        self.line, self.target = line, target
        self.taps = Taps(name, self._lay, taps)
        self.filter = filter
        self._wiring = wiring
        self._changed = changed or _nothing
        self._failed = failed or _nothing
        self._stopped: Deferred[None] | None = None
        self.to_target = Lane(
            reactor,
            line,
            target,
            holds=holds_target,
            applied=self._applied,
            dropped=self._target_lost,
        )
        self.to_line = Lane(
            reactor,
            target,
            line,
            holds=holds_line,
            applied=self._applied,
            dropped=self._line_lost,
        )
        self.at_line = _Side(self, Way.TO_TARGET, line, self.to_target, self.to_line)
        self.at_target = _Side(self, Way.TO_LINE, target, self.to_line, self.to_target)
        self.at_line.leads = follows_line
        self._gather: Gather | None = None
        self.gather(gather)

    # -- life ----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin.  Raises :class:`vmodem.port.base.PortError`; nothing is left open then."""
        if self.filter is not None:
            self.filter.send = self.send
        try:
            self.target.start(self.at_target)
            self.at_target.begin()
            self.line.start(self.at_line)
            self.at_line.begin()
        except PortError:
            self.stop()
            raise

    def stop(self) -> Deferred[None]:
        """Hand over what can be handed over in a moment, and close both sides."""
        if self._stopped is not None:
            return self._stopped
        if self._gather is not None:
            self._gather.flush()
        for side in (self.at_line, self.at_target):
            side.end()
        both: Any = DeferredList([self.line.stop(), self.target.stop()], consumeErrors=True)
        both.addCallback(self._let_go)
        stopped: Deferred[None] = both
        self._stopped = stopped
        return stopped

    def _let_go(self, _: Any) -> None:
        self.taps.close()

    def send(self, way: Way, data: bytes) -> None:
        """Send bytes one way, behind what was carried before, past the filter."""
        if data:
            (self.to_target if way is Way.TO_TARGET else self.to_line).put(bytes(memoryview(data)))

    def gather(self, make: Callable[[Callable[[bytes], None]], Gather] | None) -> None:
        """Make packets so from now on."""
        if self._gather is not None:
            self._gather.flush()
        self._gather = make(self.to_target.put) if make is not None else None
        self._lay()

    def watch(self, tap: Tap) -> None:
        """Show everything to ``tap`` from now on, too."""
        self.taps.add(tap)

    def unwatch(self, tap: Tap) -> None:
        """Show ``tap`` nothing any more."""
        self.taps.remove(tap)

    def status(self) -> Mapping[str, object]:
        """How it stands, as plain values."""
        return {
            "at line": self.at_line.status(),
            "at target": self.at_target.status(),
            "to target": _figures(self.to_target),
            "to line": _figures(self.to_line),
        }

    # -- the path of the bytes -----------------------------------------------------------------------------

    def _lay(self) -> None:
        self.at_line.data_received = self._path(Way.TO_TARGET)
        self.at_target.data_received = self._path(Way.TO_LINE)

    def _path(self, way: Way) -> Callable[[bytes], None]:
        """What takes the chunks of one side: no more than what is there."""
        receive: Callable[[bytes], None] = self.to_line.put
        if way is Way.TO_TARGET:
            receive = self.to_target.put if self._gather is None else self._gather.take
        if self.filter is not None:
            receive = self._filtered(way, self.filter, receive)
        return self._tapped(way, receive) if self.taps else receive

    def _filtered(self, way: Way, by: Filter, carry: Callable[[bytes], None]) -> Callable[[bytes], None]:
        judge = by.to_target if way is Way.TO_TARGET else by.to_line

        def receive(data: bytes) -> None:
            if self._stopped is not None:
                return
            try:
                # Whatever is bytes will do; None or a text is no answer, and raises.
                data = bytes(memoryview(judge(data)))
            except Exception:
                self._log.failure("{bridge}: the filter failed; the bridge ends", bridge=self.name)
                self.stop()
                self._failed()
                return
            if data:
                carry(data)

        return receive

    def _tapped(self, way: Way, carry: Callable[[bytes], None]) -> Callable[[bytes], None]:
        def receive(data: bytes) -> None:
            self.taps.show("carried", way, data)
            carry(data)

        return receive

    # -- what the sides tell -------------------------------------------------------------------------------

    def before_change(self, way: Way) -> None:
        """Something else than bytes comes from there: what is gathered belongs before it."""
        if way is Way.TO_TARGET and self._gather is not None:
            self._gather.flush()

    def circuits_of(self, side: _Side) -> Change:
        """What our circuits at the other side have to be, as this one is."""
        on = off = Signals.NONE
        present = side.up
        if side.up and Signals.DSR in side.port.signals_known:
            present = Signals.DSR in side.signals
        for ours, wired in ((Signals.DTR, self._wiring.dtr), (Signals.RTS, self._wiring.rts)):
            if wired is None:
                continue
            level = present
            if side.up and wired in side.port.signals_known:
                level = wired in side.signals
            on, off = (on | ours, off) if level else (on, off | ours)
        return Change(on=on, off=off)

    def turned(self, side: _Side, text: str) -> None:
        """Somebody came or went."""
        self.taps.show("happened", side.way, text)
        self._changed()

    def _applied(self, asked: Settings, real: Settings) -> None:
        if asked != real and self._stopped is None:
            self._log.info(
                "{bridge}: {asked} was asked for, {real} is in force",
                bridge=self.name,
                asked=str(asked),
                real=str(real),
            )

    def _target_lost(self, count: int) -> None:
        self._log.warn(
            "{bridge}: {count} bytes that waited for {target} are lost",
            bridge=self.name,
            target=self.target.description,
            count=count,
        )

    def _line_lost(self, count: int) -> None:
        self._log.info(
            "{bridge}: nobody took the last {count} bytes at {line}",
            bridge=self.name,
            count=count,
            line=self.line.description,
        )


class _Side:
    """One port of a bridge, and its user: its bytes go ``out``, what is for it comes ``home``."""

    #: Takes what the port receives.
    data_received: Callable[[bytes], None]

    def __init__(self, bridge: Bridge, way: Way, port: Port, out: Lane, home: Lane) -> None:
        self.way = way
        self.port = port
        self.up = False
        self.signals = Signals.NONE
        self.reason = ""
        #: Whether the other side is set as this one is when somebody comes.
        self.leads = False
        self._bridge = bridge
        self._out = out
        self._home = home
        self._driven = Change()  # what was asked of the other side
        self._live = False

    def begin(self) -> None:
        """The port has been started: what its circuits mean is known from here on."""
        self._live = True
        self._cross()
        self._home.sink_up(self.up)

    def end(self) -> None:
        """The bridge stops."""
        if self._live:
            self._live = False
            if self._driven.on:
                self._out.change(Change(off=self._driven.on))
        self._out.stop()

    def status(self) -> Mapping[str, object]:
        """How it stands, as plain values."""
        found: dict[str, object] = {"where": self.port.description, "present": self.up}
        if self.reason:
            found["reason"] = self.reason
        if self.port.signals_known:
            signals = self.port.signals
            found["circuits"] = [each.name for each in Signals if each and each in signals]
        return found

    # -- what the port tells -------------------------------------------------------------------------------

    def noted(self, what: Noted) -> None:
        self._bridge.taps.show("noted", self.way, what)
        if what is Noted.BREAK and self._live:
            self._bridge.before_change(self.way)
            self._out.put_break()

    def signals_changed(self, signals: Signals) -> None:
        self.signals = signals
        self._bridge.taps.show("circuits", self.way, signals)
        self._cross()

    def settings_changed(self, settings: Settings) -> None:
        self._bridge.taps.show("happened", self.way, str(settings))
        if self._live:
            self._bridge.before_change(self.way)
            self._out.change(Change(settings))

    def attached(self, present: bool) -> None:
        if present is self.up:
            return
        self.up = present
        if present:
            self.reason = ""
        self._turned("somebody is there" if present else "nobody is there")
        if present and self.leads and self._live:
            self._out.change(Change(self.port.settings))

    def write_blocked(self) -> None:
        self._home.sink_blocked()

    def write_drained(self) -> None:
        self._home.sink_drained()

    def lost(self, reason: str) -> None:
        self.reason = reason
        self.up = False
        self._turned(reason)

    def found(self) -> None:
        """That somebody is there is told by ``attached``."""

    # -- inside --------------------------------------------------------------------------------------------

    def _turned(self, text: str) -> None:
        if not self.up:
            self.signals = Signals.NONE
        if self._live:
            self._cross()
            self._home.sink_up(self.up)
        self._bridge.turned(self, text)

    def _cross(self) -> None:
        """Drive the other side's circuits as this one's are."""
        if not self._live:
            return
        wanted = self._bridge.circuits_of(self)
        if wanted != self._driven:
            was, self._driven = self._driven, wanted
            self._bridge.before_change(self.way)
            self._out.change(Change(on=wanted.on & ~was.on, off=wanted.off & ~was.off))


def _figures(lane: Lane) -> Mapping[str, object]:
    return {
        "bytes": lane.carried,
        "dropped": lane.dropped,
        "waiting": lane.waiting,
        "held up": lane.held_up,
    }


def _nothing() -> None:
    """Nobody wants to know."""
