"""The driver of UPSes that say how they are on the circuits of a serial port.

The circuits are read after each change, when they have settled, and at each poll.  A low battery is believed
when two readings in turn say so, for with mains gone it shuts machines down.  An unplugged cable cannot be
told from a UPS: the circuits as they are stand in the details for the operator.  Where a server is between us
and the port, it has to show at each poll that it is still there, or nothing is published.

What does not belong here: which circuit means what, and opening the port (``cables``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from twisted.logger import Logger

from vmodem.net.timer import Timer
from vmodem.port.base import INPUTS, OUTPUTS, Port, Signals

from .cables import Cable
from .model import Done, Health, Outcome, Ups
from .onport import OnPort

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

#: Circuits are left so long after a change, in seconds: relays bounce, and a cable's power has to come up.
SETTLE_S: Final = 0.1
#: Between the two readings of a low battery, in seconds; or one poll, if that is shorter.
CONFIRM_S: Final = 1.0

#: A server that said nothing for so long is taken to be gone, in seconds, if it was asked.
SILENCE_S: Final = 6.0

_KILL: Final = "shutdown.return"


class ContactDriver(OnPort):
    """One UPS."""

    _log = Logger()
    name = "contact"

    def __init__(self, reactor: Any, port: Port, ups: Ups, cable: Cable, *, poll_s: float = 2.0) -> None:
        self._reactor = reactor
        self._port = port
        self._ups = ups
        self._cable = cable
        self.poll_s = poll_s
        self._there = False
        self._timer = Timer(reactor)  # to the next reading
        self._settling = False
        self._low_since: float | None = None  # the battery was low in every reading since
        self._asked: float | None = None  # when the server was asked that is to answer
        self._unanswered = 0
        self._kill_timer = Timer(reactor)
        self._killing: Done | None = None
        facts = {"ups.mfr": cable.maker, "ups.model": cable.model, "ups.serial": cable.serial}
        for name, value in facts.items():
            if value:
                ups.fix({name: value, name.replace("ups.", "device."): value})

    # -- life ----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin; raises :class:`vmodem.port.base.PortError`."""
        self._power()  # before it is opened: the wrong output may be the kill line
        self._port.start(self)

    def stop(self) -> Deferred[None]:
        """Let go of the port, with the cable powered."""
        self._there = False
        self._timer.cancel()
        self._end_kill(Outcome.FAILED)
        return self._port.stop()

    def _begin(self) -> None:
        if self._there:
            return
        self._there = True
        if self._ups.health is Health.GONE:
            self._ups.stale("no reading yet")
        if self._cable.kill is not None:
            self._ups.declare_command(
                _KILL,
                "Switch the load off by the kill line, until mains is back (most UPSes: on battery only)",
            )
        self._power()
        self._low_since = self._asked = None
        self._settle()

    def _gone(self, reason: str) -> None:
        self._there = False
        self._timer.cancel()
        self._end_kill(Outcome.FAILED)
        self._ups.details.pop("circuits", None)
        self._ups.port_gone(reason)

    def _power(self) -> None:
        self._port.drive(self._cable.power, OUTPUTS & ~self._cable.power)

    # -- readings ------------------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Read soon; changes that come meanwhile do not put it off."""
        if not self._settling and self._killing is None:
            self._settling = True
            self._timer.set(SETTLE_S, self._read)

    def _read(self) -> None:
        self._settling = False
        if not self._there or self._killing is not None:
            return
        wanted = self._cable.inputs
        missing = wanted & ~self._port.signals_known
        signals = self._port.signals & INPUTS
        if missing:
            self._low_since = None
            self._ups.stale(f"the port does not tell {_names(missing)}")
            self._timer.set(self.poll_s, self._read)
            return
        now = float(self._reactor.seconds())
        if not self._fresh(now):
            return
        self._ups.details["circuits"] = _names(signals) or "none"
        confirm_s = min(CONFIRM_S, self.poll_s)
        low = self._cable.low.holds(signals)
        if not low:
            self._low_since = None
        elif self._low_since is None:
            self._low_since = now
        # A hair less than the time between readings, for sums of times are rounded.
        sure = self._low_since is not None and now - self._low_since >= confirm_s - 0.001
        self._ups.publish({}, self._words(signals, low and sure))
        self._timer.set(self.poll_s if sure or not low else confirm_s, self._read)

    def _fresh(self, now: float) -> bool:
        """Whether what is known of the circuits is how they are; a server is asked to show it."""
        heard, asked = self._port.heard, self._asked
        if heard is None:
            return True
        if asked is None or heard >= asked:
            self._asked, self._unanswered = now, 0
        else:
            self._unanswered += 1
        self._port.inquire()
        if not self._unanswered:
            return True
        self._low_since = None
        if now - heard >= SILENCE_S:
            self._ups.details.pop("circuits", None)
            self._ups.stale("the server that has the port does not answer")
        self._timer.set(min(self.poll_s, CONFIRM_S), self._read)
        return False

    def _words(self, signals: Signals, low: bool) -> list[str]:
        cable = self._cable
        words = ["OL" if cable.online.holds(signals) else "OB"]
        if low:
            words.append("LB")
        if cable.replace_battery is not None and cable.replace_battery.holds(signals):
            words.append("RB")
        if cable.bypass is not None and cable.bypass.holds(signals):
            words.append("BYPASS")
        return words

    # -- the kill line -------------------------------------------------------------------------------------

    def set_variable(self, name: str, value: str, done: Done) -> None:
        """There is nothing to write."""
        done(Outcome.INVALID)

    def instant_command(self, name: str, argument: str, done: Done) -> None:
        """Hold the kill line.  Whether the UPS goes by it shows when the power goes; no circuit is read
        meanwhile, for the cable has no power."""
        kill = self._cable.kill
        if name != _KILL or kill is None or argument:
            done(Outcome.INVALID)
            return
        if not self._there or self._killing is not None:
            done(Outcome.FAILED)
            return
        self._log.warn("ups {name}: holding the kill line", name=self._ups.name)
        self._killing = done
        self._timer.cancel()
        self._settling = False
        if kill.by_break:
            self._port.set_break(True)
        else:
            self._port.drive(kill.on, OUTPUTS & ~kill.on)
        self._kill_timer.set(kill.hold_s, lambda: self._end_kill(Outcome.UNKNOWN))

    def _end_kill(self, outcome: Outcome) -> None:
        done, self._killing = self._killing, None
        self._kill_timer.cancel()
        if done is None:
            return
        if self._cable.kill is not None and self._cable.kill.by_break:
            self._port.set_break(False)
        self._power()
        self._low_since = None
        if self._there:
            self._settle()
        done(outcome)

    # -- what the port tells -------------------------------------------------------------------------------

    def signals_changed(self, signals: Signals) -> None:
        if not self._there:
            return
        if not self._cable.low.holds(signals):
            self._low_since = None
        self._settle()


def _names(signals: Signals) -> str:
    return " ".join(str(each.name) for each in Signals if each & signals & INPUTS)
