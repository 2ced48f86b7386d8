"""The program at work: everything a configuration names, started, changed and stopped in order.

What does not belong here: what each of them does.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from vmodem.config.schema import Config

from .board import Switchboard
from .service import Service
from .start import EX_OK, STOP_LIMIT_S, StartError, notify, raise_descriptor_limit, say

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

    from vmodem.call.caller import Caller
    from vmodem.net.stream import Stream

    from .settling import Settling
    from .upsdesk import Desk

#: Descriptors a process needs besides those of its services, and those of one service with its call.
DESCRIPTORS: Final = 128
DESCRIPTORS_EACH: Final = 12

#: The kinds of tables, in the order in which they are started: a line before those who offer it calls.
KINDS: Final = {
    "modem": "modems",
    "group": "groups",
    "port": "ports",
    "redirect": "redirects",
    "ups": "upses",
}
PLURALS: Final = {"ups": "UPSes"}
Key = tuple[str, str]


class Program:
    """Everything that one configuration names.

    ``load`` reads the configuration, now and at each reload; it raises
    :class:`vmodem.config.reading.ConfigError`.
    """

    def __init__(
        self,
        reactor: Any,
        load: Callable[[], Config],
        state_dir: str = "",
        finished: Callable[[], None] | None = None,
    ) -> None:
        from twisted.logger import Logger

        from vmodem.control.server import ControlServer
        from vmodem.modem.folder import default_folder

        from .operations import Operations

        self._reactor = reactor
        self._load = load
        self._state_dir = state_dir
        self._finished = finished
        self._log = Logger()
        self.config = load()
        self.board = Switchboard(reactor)
        self.services: dict[Key, Service] = {}
        self._retiring: list[tuple[Key, Service]] = []
        self._leaving: set[Deferred[None]] = set()
        self._awaited: dict[Key, Any] = {}  # configurations of services whose predecessors are still there
        self._stopping = False
        #: What the latest reload could not have, each with its reason.
        self.failed: list[str] = []
        self._touched: set[Key] = set()  # what it made or changed
        self._settling: Settling | None = None
        self.desk: Desk | None = None
        self._folder = state_dir or default_folder()
        self.control = ControlServer(reactor, self._folder, Operations(self))

    # -- life ----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start everything, or nothing.  Raises :class:`StartError`, and
        :class:`vmodem.config.reading.ConfigError` for what the configuration's file names that this machine
        has not."""
        self._look_around()
        tables = _tables(self.config)
        if self.config.panel is not None:
            self._log.warn("[panel] is passed over: this version has no web panel")
        raise_descriptor_limit(DESCRIPTORS + DESCRIPTORS_EACH * len(tables))
        from vmodem.modem.storage import prepare_folder

        prepare_folder(self._folder)
        try:
            self.board.configure(self.config)
            for key, config in tables.items():
                self.services[key] = self._make(key, config)
            self._introduce()
            for service in self.services.values():
                service.start()
            self.control.start()
        except BaseException:
            self.stop()
            raise

    def _look_around(self) -> None:
        from vmodem.config.machine import look
        from vmodem.config.reading import ConfigError

        source = self.config.source
        if source is None:
            return  # what arguments say is looked at where it is used
        mistakes = source.mistakes(look(self.config))
        wrong = [each for each in mistakes if not each.warning]
        if wrong:
            raise ConfigError(wrong)
        for each in mistakes:
            self._log.warn("{mistake}", mistake=str(each))

    def stop(self) -> Deferred[None]:
        """Stop everything; fires within :data:`STOP_LIMIT_S`."""
        from twisted.internet.defer import DeferredList

        self._stopping = True
        self._awaited.clear()
        if self._settling is not None:
            self._settling.forget()
        self.control.stop()
        stopped: Any = DeferredList([service.stop() for _, service in self.working()], consumeErrors=True)
        self.board.close()
        stopped.addCallback(lambda _: None)
        stopped.addTimeout(STOP_LIMIT_S, self._reactor, onTimeoutCancel=lambda *_: None)
        result: Deferred[None] = stopped
        return result

    def _make(self, key: Key, config: Any) -> Service:
        kind, _ = key
        if kind == "modem":
            from .station import Station

            return Station(self._reactor, config, self.board, self._state_dir, self._finished)
        if kind == "group":
            from .bank import Bank

            return Bank(self._reactor, config, self.board)
        if kind == "port":
            from .port import PortService

            return PortService(self._reactor, config)
        if kind == "redirect":
            from .redirects import RedirectService

            return RedirectService(self._reactor, config, self.board.offer_inside(_not_itself))
        from .upses import UpsService

        return UpsService(self._reactor, config, self._desk())

    def _desk(self) -> Desk:
        """Where clients of UPSes come in."""
        from .upsdesk import Desk

        if self.desk is None:
            self.desk = Desk(self._reactor)
            self.desk.configure(self.config.users)
        return self.desk

    def _introduce(self) -> None:
        """Let modems and groups know each other."""
        from .bank import Bank
        from .station import Station

        stations = {each.name: each for each in self.services.values() if isinstance(each, Station)}
        banks = {each.name: each for each in self.services.values() if isinstance(each, Bank)}
        self.board.lines, self.board.groups = stations, banks
        for bank in banks.values():
            bank.connect(tuple(stations[name] for name in bank.config.modems if name in stations))

    def working(self) -> Iterator[tuple[Key, Service]]:
        """Everything that is at work, those included that only see their last call to its end."""
        yield from self.services.items()
        yield from self._retiring

    # -- changes -------------------------------------------------------------------------------------------

    def reload(self) -> list[str]:
        """Read the configuration again and become what it says; returns what changed.  ``failed`` has what
        could not be had, of that what is known at once (the rest is in the log).

        Calls go on, listeners that stay are not closed.  What has a call and is to be another, or is no more
        in the configuration, stays until that call has ended.  Raises
        :class:`vmodem.config.reading.ConfigError`; then nothing has changed.
        """
        config = self._load()
        before, tables = _tables(self.config), _tables(config)
        changes: list[str] = []
        if self._settling is not None:
            self._settling.tell("the configuration was read once more before all of this was done")
        self.failed, self._touched = [], set()
        if config.directory != self.config.directory:
            changes.append("directory: changed")
        self.config = config
        self._awaited.clear()
        try:
            self.board.configure(config)
        except StartError as exc:
            self.failed.append(f"directory: {exc}")
            self._log.error("directory: {reason}; the old one stays in force", reason=str(exc))
        if self.desk is not None:
            self.desk.configure(config.users)
        for key, service in list(self.services.items()):
            new = tables.get(key)
            if new is not None and service.is_same(new):
                service.release(new)
            else:
                last = ", as soon as nobody uses it" if service.occupied else ""
                changes.append(f"{' '.join(key)}: {'removed' if new is None else 'begins anew'}{last}")
                self._retire(key, service)
        for key, new in tables.items():
            service_or_none = self.services.get(key)
            if service_or_none is not None:
                if new != before.get(key):
                    changes.append(f"{' '.join(key)}: changed")
                    self._touched.add(key)
                self._try(key, partial(service_or_none.apply, new))
            else:
                self._awaited[key] = new
                self._touched.add(key)
                if key not in before:
                    changes.append(f"{' '.join(key)}: new")
        self._start_awaited()
        self._look_at_certificates()
        for change in changes:
            self._log.info("configuration read again: {change}", change=change)
        return changes

    def _retire(self, key: Key, service: Service) -> None:
        """It is to end, as soon as nobody is disturbed."""
        del self.services[key]
        service.release(None)
        if not service.occupied:
            self._end(service)
            return
        leaving = key, service
        self._retiring.append(leaving)
        service.when_free(lambda: self._retired(leaving))

    def _retired(self, leaving: tuple[Key, Service]) -> None:
        if leaving in self._retiring and not self._stopping:
            self._retiring.remove(leaving)
            self._end(leaving[1])

    def _end(self, service: Service) -> None:
        stopped = service.stop()
        self._leaving.add(stopped)
        stopped.addBoth(lambda _: self._ended(stopped))

    def _ended(self, stopped: Deferred[None]) -> None:
        self._leaving.discard(stopped)
        self._reactor.callLater(0, self._start_awaited)

    def _start_awaited(self) -> None:
        """Start what is new, once those are gone whose place it may take."""
        if self._leaving or self._stopping:
            return
        for key, config in list(self._awaited.items()):
            if self._is_held_up(key, config):
                continue
            del self._awaited[key]
            self._try(key, partial(self._begin, key, config))
        self._introduce()

    def _is_held_up(self, key: Key, config: Any) -> bool:
        """Whether the last call of its predecessor is still up."""
        names = {service.name for _, service in self._retiring}
        lines = {getattr(service.config, "line", None) for _, service in self._retiring}
        return key[1] in names or getattr(config, "line", "") in lines

    def _begin(self, key: Key, config: Any) -> None:
        service = self._make(key, config)
        service.start()
        self.services[key] = service

    def _try(self, key: Key, change: Callable[[], None]) -> None:
        try:
            change()
        except StartError as exc:
            for reason in str(exc).splitlines():
                self._fail(key, reason)

    def _fail(self, key: Key, reason: str) -> None:
        self.failed.append(f"{' '.join(key)}: {reason}")
        self._log.error("{kind} {name}: {reason}", kind=key[0], name=key[1], reason=reason)

    def _look_at_certificates(self) -> None:
        """Listeners that stay go on with what they have read, until the program ends: better told now."""
        from vmodem.config.machine import certificates

        for finding in certificates(self.config):
            key = str(finding.path[0]), str(finding.path[1])
            if key not in self._touched and not finding.warning:
                self._fail(key, f"{finding.text} (what was read before stays in use)")

    def when_settled(self, told: Callable[[list[str]], None]) -> None:
        """Call ``told``, once, when everything of the latest reload is done or has failed, with what could
        not be had: at once, or after :data:`vmodem.app.settling.LIMIT_S` at the latest."""
        from .settling import Settling

        self._settling = Settling(self._reactor, self, told)
        self._settling.look()

    def unsettled(self) -> list[str]:
        """What the latest reload is still about to do, but for what waits for the end of a call."""
        found = [
            f"{' '.join(key)}: has not begun yet"
            for key, config in self._awaited.items()
            if not self._is_held_up(key, config)
        ]
        working = self.services.items()
        return found + [f"{' '.join(key)}: {each.settling}" for key, each in working if each.settling]

    def lacking(self) -> list[str]:
        """What the services that the latest reload made or changed have not got."""
        working = [(key, each) for key, each in self.services.items() if key in self._touched]
        return [f"{' '.join(key)}: {text}" for key, each in working for text in each.lacking]

    def hang_up_signal(self) -> None:
        """SIGHUP: read the configuration again; a bad one leaves the old in force."""
        from vmodem.config.reading import ConfigError

        try:
            self.reload()
        except ConfigError as exc:
            for mistake in exc.mistakes:
                self._log.error("the old configuration stays in force: {mistake}", mistake=str(mistake))

    # -- what is said --------------------------------------------------------------------------------------

    def status(self) -> Mapping[str, Mapping[str, object]]:
        """How everything stands, by kind and name, as plain values."""
        return {" ".join(key): service.status() for key, service in self.services.items()}

    def summary(self) -> str:
        """One line for people: what is ready."""
        if len(self.services) == 1:
            return next(iter(self.services.values())).summary
        count = {kind: sum(key[0] == kind for key in self.services) for kind in KINDS}
        words = (f"{n} {kind if n == 1 else PLURALS.get(kind, kind + 's')}" for kind, n in count.items() if n)
        return ", ".join(words) or "nothing"


def _not_itself(stream: Stream, caller: Caller) -> bool:
    """A redirect has no answer side to ring."""
    return False


def _tables(config: Config) -> dict[Key, Any]:
    return {
        (kind, name): table
        for kind, attribute in KINDS.items()
        for name, table in getattr(config, attribute).items()
    }


def run_program(
    load: Callable[[], Config],
    *,
    state_dir: str = "",
    log_format: str = "text",
    verbosity: int = 0,
    hints: Sequence[str] = (),
) -> int:
    """Run what ``load`` gives until told to stop; returns the exit code.

    ``hints`` are lines for people, shown before the line that says ready.  Raises :class:`StartError` and
    what ``load`` raises.
    """
    from vmodem import log
    from vmodem.net.reactor import install

    reactor = install()
    log.begin(log_format, verbosity)
    program = Program(reactor, load, state_dir, lambda: reactor.stop() if reactor.running else None)
    program.start()
    reactor.addSystemEventTrigger("before", "shutdown", program.stop)
    signal.signal(signal.SIGHUP, lambda *_: reactor.callFromThread(program.hang_up_signal))
    reactor.callWhenRunning(_ready, program, hints if verbosity >= 0 else ())
    reactor.run()
    return EX_OK


def _ready(program: Program, hints: Sequence[str]) -> None:
    import gc

    gc.collect()
    gc.freeze()  # what is there now stays: the collector need not look at it again
    if hints:
        say("\n".join(hints) + "\n")
    say(f"vmodem: ready: {program.summary()}\n")
    notify("READY=1")
