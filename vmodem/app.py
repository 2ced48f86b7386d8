"""From arguments to a running modem, and back down in order.

What does not belong here: reading arguments (cli.py) and what a modem does (modem/).
"""

from __future__ import annotations

import dataclasses
import os
import signal
import socket
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from vmodem import __version__

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

    from vmodem.call.answer import Caller
    from vmodem.call.directory import Directory
    from vmodem.call.target import Target
    from vmodem.modem.driver import Driver
    from vmodem.net.stream import Stream

#: Where a modem answers unless told otherwise.
DEFAULT_LISTEN: Final = "tcp:8001:interface=127.0.0.1"
DEFAULT_LINE: Final = "pty:modem0"
#: The whole of an orderly stop takes no longer than this, in seconds.
STOP_LIMIT_S: Final = 1.5

EX_OK: Final = 0
EX_USAGE: Final = 2
EX_UNAVAILABLE: Final = 69
EX_NOPERM: Final = 77
EX_CONFIG: Final = 78


class StartError(Exception):
    """The modem cannot be started; one sentence and an exit code."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True)
class ModemConfig:
    """One modem, as arguments or a configuration describe it."""

    line: str = DEFAULT_LINE
    answer: tuple[str, ...] = (DEFAULT_LISTEN,)
    name: str = "modem0"
    number: str = ""
    init: str = ""
    entries: tuple[str, ...] = ()
    directory: str = ""
    #: None allows anything.
    allow_dial: tuple[str, ...] | None = None
    allow_callers: tuple[str, ...] | None = None
    dialect: str = "rockwell"
    state_dir: str = ""


class ModemApp:
    """One modem with its line, its calls and its state."""

    def __init__(self, reactor: Any, config: ModemConfig) -> None:
        """Raises :class:`StartError` for what the configuration has wrong."""
        from atparser import DIALECTS, Identity, Modem, Options
        from vmodem.call.answer import Answerer
        from vmodem.call.originate import Originator
        from vmodem.call.target import TargetError
        from vmodem.line.base import LineError
        from vmodem.line.parse import make_line
        from vmodem.modem.driver import Driver
        from vmodem.modem.storage import StateFolder, default_folder
        from vmodem.net.access import AccessError, CallerRules, DialRules
        from vmodem.net.listen import ListenError

        self._reactor = reactor
        self._config = config
        try:
            directory = self._directory()
            line = make_line(reactor, config.line)
            caller_rules = CallerRules(config.allow_callers)
            dial_rules = DialRules(config.allow_dial)
            self._originator = Originator(
                reactor, directory, dial_rules, self._offer_back, name=config.name, number=config.number
            )
            self._answerer = Answerer(reactor, config.answer, caller_rules, self._offer, directory=directory)
        except (LineError, AccessError, TargetError, ListenError) as exc:
            raise _start_error(exc, EX_USAGE) from exc
        state = StateFolder(config.state_dir or default_folder(), config.name)
        state.prepare()
        identity = Identity(
            revision=__version__,
            build=__version__,
            configuration=(
                f"number:   {config.number or 'none'}",
                f"calls in: {' '.join(config.answer).lower() or 'nowhere'}",
                f"numbers:  {len(list(directory))}",
            ),
        )
        options = Options(identity=identity, **DIALECTS[config.dialect])
        self.driver: Driver = Driver(
            reactor,
            config.name,
            line,
            Modem(options, state.load()),
            self,
            state.store,
            state.record,
            self._line_finished,
        )

    def start(self) -> None:
        """Listen, then serve the line: whoever finds it finds a modem that answers.

        Raises :class:`StartError`.
        """
        from atparser import InitError
        from vmodem.line.base import LineError
        from vmodem.net.listen import ListenError

        try:
            self._answerer.start()
        except ListenError as exc:
            raise _start_error(exc, EX_UNAVAILABLE) from exc
        try:
            self.driver.start(self._config.init)
        except InitError as exc:
            self._answerer.stop()
            raise StartError(f"--init: {exc}.", EX_USAGE) from exc
        except LineError as exc:
            self._answerer.stop()
            raise _start_error(exc, EX_UNAVAILABLE) from exc

    def stop(self) -> Deferred[None]:
        """Hang up, tell the DTE, let go of everything; fires within :data:`STOP_LIMIT_S`."""
        self._answerer.stop()
        self.driver.shut_down()
        stopped = self.driver.line.stop()
        stopped.addTimeout(STOP_LIMIT_S, self._reactor, onTimeoutCancel=lambda *_: None)
        return stopped

    def reload(self) -> None:
        """Read the directory file again; a bad one leaves the old in force."""
        try:
            directory = self._directory()
        except StartError as exc:
            self.driver.log.error("the old directory stays in force: {reason}", reason=str(exc))
            return
        self._originator.directory = directory
        self._answerer.directory = directory
        self.driver.log.info("{modem}: directory read again", modem=self._config.name)

    # -- what the driver asks for --------------------------------------------------------------------------

    def originate(self, dial: Any, connected: Any, failed: Any) -> Any:
        """Place a call for the modem."""
        return self._originator.originate(dial, connected, failed)

    def refuse(self, stream: Any, text: bytes) -> None:
        """Say goodbye to a caller."""
        self._answerer.refuse(stream, text)

    # -- pieces --------------------------------------------------------------------------------------------

    def _directory(self) -> Directory:
        from vmodem.call.directory import Directory, Entry, parse_entry
        from vmodem.call.target import TargetError

        entries: dict[str, Entry] = {}
        if self._config.directory:
            from vmodem.config import ConfigError, load_directory

            try:
                entries.update(load_directory(self._config.directory).listed)
            except ConfigError as exc:
                raise StartError(str(exc), EX_CONFIG) from exc
        try:
            entries.update(parse_entry(text) for text in self._config.entries)
        except TargetError as exc:
            raise StartError(f"--entry: {exc}", EX_USAGE) from exc
        return Directory(entries)

    def _offer_back(self, target: Target, stream: Stream, caller: Caller) -> bool:
        return self.driver.offer(stream, caller)

    def _offer(self, stream: Stream, caller: Caller) -> bool:
        if self.driver.offer(stream, caller):
            return True
        self._answerer.refuse(stream, b"BUSY\r\n")
        return True

    def _line_finished(self) -> None:
        if self._reactor.running:
            self._reactor.stop()


def run_modem(config: ModemConfig, *, log_format: str = "text", verbosity: int = 0) -> int:
    """Run one modem until it is told to stop; returns the exit code.  Raises :class:`StartError`."""
    from vmodem import log
    from vmodem.net.reactor import install

    reactor = install()
    log.begin(log_format, verbosity)
    app = ModemApp(reactor, config)
    app.start()
    reactor.addSystemEventTrigger("before", "shutdown", app.stop)
    signal.signal(signal.SIGHUP, lambda *_: reactor.callFromThread(app.reload))
    reactor.callWhenRunning(_ready, app, verbosity >= 0)
    reactor.run()
    return EX_OK


def _ready(app: ModemApp, tell: bool) -> None:
    import gc

    gc.collect()
    gc.freeze()  # what is there now stays: the collector need not look at it again
    config = app._config
    if tell:
        hints = _hints(config)
        _say("\n".join(hints) + "\n")
    listening = ", ".join(listener.address for listener in app._answerer.listeners) or "no calls in"
    _say(f"vmodem: ready: {config.name} on {app.driver.line.description}, {listening}\n")
    _notify("READY=1")


def _hints(config: ModemConfig) -> list[str]:
    kind, _, rest = config.line.partition(":")
    hints = []
    if kind == "pty":
        path = os.path.abspath(rest.split(":")[0])
        hints.append(f"Attach a terminal:  picocom {path}   (or minicom -D, screen, tio; any speed)")
    elif kind in ("tcp", "unix"):
        hints.append(f"Connect the terminal equipment to {config.line}")
    hints += [
        "Then type:  ATDT0 for help    ATDT100 echo    ATDT101 clock    ATDT102 test text",
        "            ATDThost:port any TCP service;  +++ (a second's silence around it), then ATH hangs up",
        "Ctrl-C here ends it.",
    ]
    return hints


def _say(text: str) -> None:
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except (OSError, ValueError):
        pass  # nobody reads; the modem works all the same


def _notify(state: str) -> None:
    """Tell systemd, where it asked to be told (sd_notify)."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sock:
            sock.sendto(state.encode(), address)
    except OSError:
        pass


def _start_error(exc: Exception, code: int) -> StartError:
    if isinstance(exc.__cause__, PermissionError):
        code = EX_NOPERM
    return StartError(str(exc), code)


def with_options(config: ModemConfig, **values: Any) -> ModemConfig:
    """A configuration with those values that are given."""
    return dataclasses.replace(config, **{key: value for key, value in values.items() if value is not None})
