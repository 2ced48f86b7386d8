"""A UPS as data: the contract between the driver of one UPS and whoever serves or watches it.

A driver tells what it knows through the first half of :class:`Ups` (``publish``, ``facts``, ``stale``,
``port_gone``, ``declare`` ...) and is itself a :class:`Driver`, asked for changes.  The server reads the
second half.  The rule between them: **an old value is never served as new**.  What was published is forgotten
when the driver says that the UPS does not answer, when its port is gone, and when nothing was published for
``max_age_s``, whatever the driver thinks.

Times are seconds, voltages V, currents A, temperatures degrees Celsius, loads and charge percent, frequencies
Hz; all values are text.  Names of variables, commands and status words are the NUT project's.

What does not belong here: serial lines, the network, who may do what.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Protocol

from twisted.logger import Logger

from .data import Command, Done, Event, Fault, Health, Outcome, Variable, clean
from .names import COMMANDS, VARIABLES, cuts_power

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

__all__ = [
    "Command",
    "Done",
    "Driver",
    "Event",
    "Fault",
    "Health",
    "Outcome",
    "Ups",
    "Variable",
    "Watcher",
    "clean",
    "power_ends",
]

#: Data older than this is stale, in seconds.
MAX_AGE_S: Final = 15.0
#: Most variables of one UPS: the list of them stays below 64 KiB.
VARIABLES_LIMIT: Final = 160
#: Changes that a driver may be busy with at one time.
PENDING_LIMIT: Final = 16

STATUS: Final = "ups.status"


class Driver(Protocol):
    """What talks to one UPS and fills an :class:`Ups`.

    Both requests are checked before they come here: the name was declared, a value passed length, choices and
    ranges and holds printable ASCII only.  ``done`` is called exactly once, before or after the request
    returns; a UPS that refuses, a port that is gone, a queue that is full are ``Outcome.FAILED``.
    """

    #: ``driver.name``, as ``megatec``.
    name: str
    #: How often the UPS is asked, in seconds; may be changed at any time.
    poll_s: float

    def start(self) -> None:
        """Begin, with a port that is perhaps not there yet.  Raises :class:`vmodem.port.base.PortError`."""

    def stop(self) -> Deferred[None]:
        """Let go of the port and all timers; ``done`` of what is pending is called."""

    def set_variable(self, name: str, value: str, done: Done) -> None:
        """Change a writable variable, and publish it when that has happened."""

    def instant_command(self, name: str, argument: str, done: Done) -> None:
        """Carry out a declared command.  ``argument`` is "" when none was given."""


Watcher = Callable[["Ups", Event], None]


class Ups:
    """One UPS.  ``clock`` has ``seconds`` and ``callLater``; ``name`` is what clients call it."""

    _log = Logger()

    def __init__(self, clock: Any, name: str, description: str = "", *, max_age_s: float = MAX_AGE_S) -> None:
        self.name = name
        self.description = clean(description)
        self.max_age_s = max_age_s
        self.driver: Driver | None = None
        #: Told of events, in order; one that raises disturbs nobody.
        self.watchers: list[Watcher] = []
        #: Plain values that a driver shows to its operator (``vmodem status``): raw circuits, counters.
        self.details: dict[str, object] = {}
        #: Connections that count as powered machines, and their addresses.
        self.logins: dict[Any, str] = {}
        self._clock = clock
        self._health = Health.STALE
        self._reason = "no answer yet"
        self._lost = False  # COMMBAD was told
        self._fixed: dict[str, str] = {}
        self._facts: dict[str, str] = {}
        self._values: dict[str, str] = {}
        self._declared: dict[str, Variable] = {}
        self._commands: dict[str, Command] = {}
        self._words: tuple[str, ...] = ()  # empty: not known at present
        self._last_words: tuple[str, ...] = ()
        self._forced = False
        self._heard = 0.0
        self._timer: Any = None
        self._pending = 0

    # -- the driver's side ---------------------------------------------------------------------------------

    def publish(self, values: Mapping[str, str | None], status: Iterable[str] | None = None) -> None:
        """The UPS answered: these variables have these values now, None takes one away.

        ``status`` are the words of ``ups.status`` (``("OL", "CHRG")``); left out they stay what they are.
        The UPS is fine from the first time on that its status is known.  Publish all of a good reply at
        once, and nothing of a bad one.
        """
        self._take(self._values, values)
        if status is not None:
            self._words = tuple(dict.fromkeys(clean(word).upper() for word in status if word))
        if not self._words:
            return
        self._heard = float(self._clock.seconds())
        if self._timer is None:
            self._timer = self._clock.callLater(self.max_age_s, self._look)
        if self._health is not Health.FINE:
            self._health, self._reason = Health.FINE, ""
            self._log.info("ups {name}: answering, {status}", name=self.name, status=self.status)
            if self._lost:
                self._lost = False
                self._tell(Event.COMMOK)
        self._compare()

    def set_status(self, words: Iterable[str]) -> None:
        """The UPS said so by itself: the same as ``publish({}, words)``."""
        self.publish({}, words)

    def facts(self, values: Mapping[str, str | None]) -> None:
        """What does not age: maker, model, serial number, ratings.  Forgotten when the port is gone, for it
        may be another UPS that comes back."""
        self._take(self._facts, values)

    def fix(self, values: Mapping[str, str | None]) -> None:
        """What was configured or is the program's own (``driver.*``, ``ups.serial``): never forgotten, and
        shown in place of what the UPS says."""
        self._take(self._fixed, values)

    def declare(self, variable: Variable) -> None:
        """A variable can be written, or has choices or ranges.  A later declaration replaces an earlier."""
        self._declared[variable.name] = variable

    def declare_command(self, name: str, description: str = "", *, cuts: bool | None = None) -> None:
        """There is this instant command.  ``cuts``: it takes power from the load (None: by its name)."""
        text = clean(description) or COMMANDS.get(name, "")
        self._commands[name] = Command(name, text, cuts_power(name) if cuts is None else cuts)

    def withdraw(self) -> None:
        """Take back all declarations: what is attached is being asked anew."""
        self._declared.clear()
        self._commands.clear()

    def renew(self, reason: str) -> None:
        """Another driver is about to be put in place: forget all that this one said, what it fixed, too."""
        self.port_gone(reason)
        self._fixed.clear()
        self.details.clear()
        self.withdraw()

    def stale(self, reason: str) -> None:
        """The port is there, but the UPS does not answer or answers nonsense (after as many tries as the
        driver thinks right).  What was published is forgotten."""
        self._unwell(Health.STALE, reason)

    def port_gone(self, reason: str) -> None:
        """The port is not there, cannot be opened, or was lost.  Facts are forgotten, too.  When it is there
        again, say ``stale("no answer yet")`` or publish."""
        self._unwell(Health.GONE, reason)
        self._facts.clear()

    # -- how it stands -------------------------------------------------------------------------------------

    @property
    def health(self) -> Health:
        """Whether values may be served."""
        if self._health is Health.FINE and self._clock.seconds() - self._heard > self.max_age_s:
            self._look()
        return self._health

    @property
    def reason(self) -> str:
        """Why it is not fine; "" when it is."""
        return self._reason if self.health is not Health.FINE else ""

    @property
    def words(self) -> tuple[str, ...]:
        """Status words, a forced shutdown before them; empty while not fine."""
        if self.health is not Health.FINE:
            return ()
        if self._forced and "FSD" not in self._words:
            return ("FSD", *self._words)
        return self._words

    @property
    def status(self) -> str:
        """``ups.status``; "" while not fine."""
        return " ".join(self.words)

    def values(self) -> dict[str, str]:
        """All variables by name, in order; empty while not fine."""
        if self.health is not Health.FINE:
            return {}
        found = {**self._facts, **self._values, **self._fixed, STATUS: self.status}
        return dict(sorted(found.items()))

    def variable(self, name: str) -> Variable:
        """What is known of a variable, whether there is one or not."""
        found = self._declared.get(name, Variable(name))
        if not found.description:
            found = replace(found, description=VARIABLES.get(name, ""))
        return found

    @property
    def commands(self) -> Mapping[str, Command]:
        """Instant commands by name, in order."""
        return dict(sorted(self._commands.items()))

    @property
    def forced(self) -> bool:
        """Whether a client has asked for a forced shutdown since the start."""
        return self._forced

    # -- changes -------------------------------------------------------------------------------------------

    def force_shutdown(self) -> None:
        """A primary is about to shut down: ``FSD`` precedes the status from now on."""
        if not self._forced:
            before = self._words_known()
            self._forced = True
            self._announce(before, self._words_known())

    def set_variable(self, name: str, value: str, done: Done) -> None:
        """Hand a checked value to the driver."""
        driver = self.driver
        self._hand_over(done, lambda told: driver.set_variable(name, value, told) if driver else None)

    def instant_command(self, name: str, argument: str, done: Done) -> None:
        """Hand a known command to the driver."""
        driver = self.driver
        self._hand_over(done, lambda told: driver.instant_command(name, argument, told) if driver else None)

    def close(self) -> None:
        """No timer is left."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        self.watchers.clear()

    # -- inside --------------------------------------------------------------------------------------------

    def _hand_over(self, done: Done, ask: Callable[[Done], None]) -> None:
        if self.driver is None or self._pending >= PENDING_LIMIT:
            done(Outcome.FAILED)
            return
        self._pending += 1
        over = False

        def told(outcome: Outcome) -> None:
            nonlocal over
            if not over:
                over = True
                self._pending -= 1
                done(outcome)

        try:
            ask(told)
        except Exception:
            self._log.failure("ups {name}: the driver failed", name=self.name)
            told(Outcome.FAILED)

    def _take(self, where: dict[str, str], values: Mapping[str, str | None]) -> None:
        for name, value in values.items():
            if value is None:
                where.pop(name, None)
            elif name != STATUS and (name in where or len(where) < VARIABLES_LIMIT):
                where[name] = clean(value)

    def _look(self) -> None:
        """The time limit: of a timer, or of somebody who asks."""
        age = float(self._clock.seconds()) - self._heard
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        if self._health is not Health.FINE:
            return
        if age >= self.max_age_s:
            self._unwell(Health.STALE, f"nothing was heard of it for {self.max_age_s:g} s")
        else:
            self._timer = self._clock.callLater(self.max_age_s - age, self._look)

    def _unwell(self, health: Health, reason: str) -> None:
        before, self._health = self._health, health
        same = before is health and self._reason == reason
        self._reason = reason
        self._values.clear()
        self._words = ()
        if not same:
            self._log.warn(
                "ups {name}: {health}: {reason}", name=self.name, health=health.value, reason=reason
            )
        if not self._lost:
            self._lost = True
            self._tell(Event.COMMBAD)

    def _words_known(self) -> set[str]:
        return {*self._last_words, *(("FSD",) if self._forced else ())}

    def _compare(self) -> None:
        """Tell what the new status means against the last that was known, before a gap as it may be."""
        before = self._words_known()
        changed = self._words != self._last_words
        first, self._last_words = not self._last_words, self._words
        if changed:
            if not first:
                self._log.info("ups {name}: {status}", name=self.name, status=self.status)
            self._announce(before, self._words_known())

    def _announce(self, before: set[str], now: set[str]) -> None:
        fresh = now - before
        if "OB" in fresh:
            self._tell(Event.ONBATT)
        if "OL" in fresh and "OB" in before:
            self._tell(Event.ONLINE)
        if "LB" in fresh:
            self._tell(Event.LOWBATT)
        if "RB" in fresh:
            self._tell(Event.REPLBATT)
        if "FSD" in fresh:
            self._tell(Event.FSD)
        if power_ends(now) and not power_ends(before):
            self._tell(Event.SHUTDOWN)

    def _tell(self, event: Event) -> None:
        for watcher in list(self.watchers):
            try:
                watcher(self, event)
            except Exception:
                self._log.failure("ups {name}: told of {event}", name=self.name, event=event.value)


def power_ends(words: Collection[str]) -> bool:
    """Whether power is about to end, going by the words of a status: what machines are shut down for.  A test
    that empties the battery is no outage."""
    return "FSD" in words or ("OB" in words and "LB" in words and "CAL" not in words)
