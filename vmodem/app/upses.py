"""A UPS of a configuration: its driver, the programs run at its events, and where it is served.

A change of the configuration never disturbs clients that need not notice it: another driver or line is put in
place under the same UPS, and who was logged in still is.

What does not belong here: listeners and users (upsdesk.py).
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from vmodem.config.schema import UpsConfig

from .start import EX_CONFIG, EX_UNAVAILABLE, EX_USAGE, StartError, raise_descriptor_limit
from .upsdesk import Desk

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

    from vmodem.ups.model import Driver, Ups
    from vmodem.ups.upsd import Served

#: Keys whose change takes another driver.
_DRIVERS: Final = ("line", "driver", "cable", "cable_override", "options")

#: Makes a driver; raises StartError for what it cannot be.
MakeDriver = Callable[[Any, UpsConfig, "Ups"], "Driver"]


class UpsService:
    """One UPS.  Raises :class:`StartError` for what its configuration has wrong."""

    def __init__(self, reactor: Any, config: UpsConfig, desk: Desk, make: MakeDriver | None = None) -> None:
        from twisted.logger import Logger

        from vmodem.ups.hooks import Hooks
        from vmodem.ups.model import Ups

        self.name = config.name
        self.config = config
        self._reactor = reactor
        self._desk = desk
        self._make = make or make_driver
        self._log = Logger()
        self._stopping = False
        self._leaving = False  # the driver before is still letting go of its port
        self.ups: Ups = Ups(reactor, config.name, config.description)
        self._hooks = Hooks(reactor, _commands(config))
        self.ups.watchers.append(self._hooks)
        self._served: Served = self._serve(config)
        self._install(config)

    # -- life ----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Serve it, then begin to ask it.  Raises :class:`StartError`."""
        from vmodem.port.base import PortError
        from vmodem.ups.upsd import SESSIONS

        if self.config.listen:
            raise_descriptor_limit(2 * SESSIONS)
        try:
            self._join(self.config)
            driver = self.ups.driver
            assert driver is not None
            driver.start()
        except StartError:
            self._let_go()
            raise
        except PortError as exc:
            self._let_go()
            raise StartError.of(exc, EX_UNAVAILABLE) from exc

    def stop(self) -> Deferred[None]:
        """Serve it no more, let go of its line."""
        from twisted.internet.defer import maybeDeferred

        self._stopping = True
        self._let_go()
        driver, self.ups.driver = self.ups.driver, None
        return maybeDeferred(driver.stop) if driver is not None else maybeDeferred(lambda: None)

    def _let_go(self) -> None:
        self.release(None)
        self._hooks.close()
        self.ups.close()

    # -- changes -------------------------------------------------------------------------------------------

    @property
    def occupied(self) -> bool:
        """Never: clients outlive every change that leaves the UPS where it is."""
        return False

    def when_free(self, told: Callable[[], None]) -> None:
        """It is free at any time."""
        told()

    def is_same(self, config: UpsConfig) -> bool:
        """A UPS can become any other of its name."""
        return config.name == self.name

    def release(self, config: UpsConfig | None) -> None:
        """Let go of the listeners that ``config`` has no more; None: of all."""
        kept = () if config is None else config.listen
        for text in self.config.listen:
            if text not in kept:
                self._desk.leave(text, self.ups)

    def apply(self, config: UpsConfig) -> None:
        """Become what ``config`` says.  Raises :class:`StartError` for what cannot be had."""
        from vmodem.ups.model import clean

        before, self.config = self.config, config
        self.ups.description = clean(config.description)
        self._hooks.commands = _commands(config)
        self._served = self._serve(config)
        self._join(config)
        if any(getattr(before, key) != getattr(config, key) for key in _DRIVERS):
            self._replace_driver(config)
        elif before.poll != config.poll and self.ups.driver is not None:
            from vmodem.ups import drivers

            drivers.set_poll(self.ups, config.poll)  # a port that is opened again may switch the load off

    def _serve(self, config: UpsConfig) -> Served:
        from vmodem.net.admission.rules import AccessError, CallerRules
        from vmodem.ups.upsd import Served

        try:
            return Served(self.ups, CallerRules(config.allow_callers), config.udp)
        except AccessError as exc:
            raise StartError.of(exc, EX_USAGE) from exc

    def _join(self, config: UpsConfig) -> None:
        problems: list[StartError] = []
        for text in config.listen:
            try:
                self._desk.join(text, self._served, config.cert, config.key)
            except StartError as exc:
                problems.append(exc)
        if problems:
            raise StartError("\n".join(map(str, problems)), problems[0].code)

    # -- the driver ----------------------------------------------------------------------------------------

    def _install(self, config: UpsConfig) -> None:
        """Make the driver that the configuration names."""
        self.ups.driver = self._make(self._reactor, config, self.ups)

    def _replace_driver(self, config: UpsConfig) -> None:
        """Put another driver in place of the present one, as soon as that has let go of its line."""
        from twisted.internet.defer import maybeDeferred

        from vmodem.ups.model import Ups

        # Tried on nobody first: a bad configuration must not cost the driver that works.
        trial = Ups(self._reactor, config.name)
        self._make(self._reactor, config, trial)
        trial.close()
        driver, self.ups.driver = self.ups.driver, None
        self.ups.renew("its configuration has changed")
        if self._leaving or driver is None:
            return  # what is configured when the line is free comes in place
        self._leaving = True
        maybeDeferred(driver.stop).addErrback(self._failed).addCallback(lambda _: self._replaced())

    def _replaced(self) -> None:
        from vmodem.port.base import PortError

        self._leaving = False
        if self._stopping:
            return
        try:
            self._install(self.config)
            assert self.ups.driver is not None
            self.ups.driver.start()
        except (StartError, PortError) as exc:
            self._log.error("ups {name}: {reason}", name=self.name, reason=str(exc))
            self.ups.port_gone(str(exc))

    def _failed(self, failure: Any) -> None:
        self._log.failure("ups {name}: stopping its driver failed", failure, name=self.name)

    # -- what is said --------------------------------------------------------------------------------------

    @property
    def settling(self) -> str:
        """Whether another driver is on its way."""
        return "the driver before has not let go of its line yet" if self._leaving else ""

    @property
    def lacking(self) -> list[str]:
        """A line that is not there, or cannot be had."""
        from vmodem.ups.model import Health

        return [self.ups.reason] if self.ups.health is Health.GONE else []

    @property
    def summary(self) -> str:
        """One line for people: what it is and where."""
        listening = ", ".join(self._desk.listening(self.ups)) or "nobody is served"
        return f"ups {self.name} on {self.config.line}, {listening}"

    def status(self) -> Mapping[str, object]:
        """How it stands, as plain values."""
        ups = self.ups
        return {
            "what": "ups",
            "name": ups.name,
            "line": self.config.line,
            "driver": self.config.driver,
            "state": ups.status or ups.health.value,
            "health": ups.health.value,
            "reason": ups.reason,
            "status": ups.status,
            "forced": ups.forced,
            "variables": ups.values(),
            "commands": list(ups.commands),
            "logins": sorted(ups.logins.values()),
            "sessions": self._desk.sessions(ups),
            "listening": self._desk.listening(ups),
            "details": dict(ups.details),
        }


def make_driver(reactor: Any, config: UpsConfig, ups: Ups) -> Driver:
    """The driver that a configuration names, on the line that it names.  Raises :class:`StartError`."""
    from vmodem.port.base import PortError
    from vmodem.port.parse import make_port
    from vmodem.ups import drivers

    try:
        line = drivers.line_for(config.driver, config.line, config.cable, config.cable_override)
        return drivers.make_driver(
            config.driver,
            reactor,
            make_port(reactor, line),
            ups,
            poll_s=config.poll,
            cable=config.cable,
            override=config.cable_override,
            options=config.options,
        )
    except (ValueError, PortError) as exc:
        raise StartError(f"ups {config.name}: {exc}", EX_CONFIG) from exc


def _commands(config: UpsConfig) -> dict[str, list[str]]:
    try:
        return {event: shlex.split(command) for event, command in config.hooks.items()}
    except ValueError as exc:
        raise StartError(f"ups {config.name}: hooks: {exc}; close every quote", EX_CONFIG) from exc
