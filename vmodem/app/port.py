"""A port of the serial device server, as a configuration names it: its equipment, its listeners, its clients.

What does not belong here: how clients share the equipment (server/), and the equipment itself (port/).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from vmodem.config.schema import Pack, PortConfig

from .start import EX_CONFIG, EX_UNAVAILABLE, EX_USAGE, STOP_LIMIT_S, StartError

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

    from vmodem.call.caller import Caller
    from vmodem.call.doorkeeper import DoorSettings
    from vmodem.net.stream import Stream
    from vmodem.port.base import Port
    from vmodem.port.watching import CaptureTap
    from vmodem.server.connectback import ConnectBack, Reach
    from vmodem.server.rules import PackRules, PortRules

#: What makes another port of it: these cannot change while it runs.
_FIXED: Final = ("name", "line", "connect", "connect_on", "capture", "mark_errors")
_LOOPBACK: Final = ("127.0.0.0/8", "::1")


class PortService:
    """One ``[port.NAME]``.  ``make`` makes the equipment of a LINE.  Raises :class:`StartError` for what the
    configuration has wrong."""

    def __init__(
        self, reactor: Any, config: PortConfig, make: Callable[[Any, str], Port] | None = None
    ) -> None:
        from vmodem.call.answer import CLIENTS, Answerer
        from vmodem.net.admission.rules import AccessError
        from vmodem.net.incoming.listen import ListenError
        from vmodem.port.base import PortError
        from vmodem.server.pulse import PulseError
        from vmodem.server.sharing import SharedPort

        self.name = config.name
        self.config = config
        self._reactor = reactor
        self._told: list[Callable[[], None]] = []
        self._back: ConnectBack | None = None
        self._stopped = False
        try:
            rules = port_rules(config)
            door = _door(config)
            port = (make or _make_port)(reactor, config.line)
            port.mark_errors = port.mark_errors or config.mark_errors
            self.shared = SharedPort(reactor, port, rules, changed=self._changed)
            self._answerer = Answerer(
                reactor, config.listen, door.rules, self._offered, speak=self._speak, words=CLIENTS
            )
            self._answerer.door.settings = door
        except (PortError, PulseError, ListenError, AccessError) as exc:
            raise StartError.of(exc, EX_USAGE) from exc
        if config.connect:
            self._back = self._connect_back(config)

    # -- life ----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin.  Raises :class:`StartError`; nothing is left open then."""
        from vmodem.net.incoming.listen import ListenError
        from vmodem.port.base import PortError

        if self.config.capture:
            self.shared.taps.add(_capture(self.config.capture))
        try:
            self._answerer.start()
            self.shared.start()
        except (ListenError, PortError) as exc:
            self._answerer.stop()
            self.shared.taps.close()
            raise StartError.of(exc, EX_UNAVAILABLE) from exc
        if self._back is not None:
            self._back.start()

    def stop(self) -> Deferred[None]:
        """Send the clients away and let go of everything; fires within :data:`STOP_LIMIT_S`."""
        self._stopped = True
        self._answerer.stop()
        if self._back is not None:
            self._back.stop()
        stopped = self.shared.stop()
        stopped.addTimeout(STOP_LIMIT_S, self._reactor, onTimeoutCancel=lambda *_: None)
        return stopped

    # -- changes while it runs -----------------------------------------------------------------------------

    @property
    def occupied(self) -> bool:
        """Whether a client is there."""
        return bool(self.shared.clients)

    def when_free(self, told: Callable[[], None]) -> None:
        """Call ``told`` once the last client has gone."""
        if self.occupied:
            self._told.append(told)
        else:
            told()

    def is_same(self, config: PortConfig) -> bool:
        """Whether it can become what ``config`` says without beginning anew."""
        return all(getattr(config, key) == getattr(self.config, key) for key in _FIXED)

    def release(self, config: PortConfig | None) -> None:
        """Let go of the listeners that ``config`` has no more; None: of all, for good."""
        if config is None and self._back is not None:
            self._back.stop()
        self._answerer.drop(() if config is None else config.listen)

    def apply(self, config: PortConfig) -> None:
        """Become what ``config`` says; clients stay.  Raises :class:`StartError` for what cannot be had; all
        the rest is in force then."""
        from vmodem.net.admission.rules import AccessError
        from vmodem.net.incoming.listen import ListenError
        from vmodem.server.pulse import PulseError

        try:
            rules, door = port_rules(config), _door(config)
        except (PulseError, AccessError, ListenError) as exc:
            raise StartError.of(exc, EX_USAGE) from exc
        self.config = config
        self._answerer.door.settings = door
        self.shared.configure(rules)
        try:
            self._answerer.add(config.listen)
        except ListenError as exc:
            raise StartError.of(exc, EX_UNAVAILABLE) from exc

    # -- for its operator ----------------------------------------------------------------------------------

    def pulse(self, name: str) -> None:
        """Do a named sequence of line changes.  Raises ValueError with one sentence."""
        self.shared.pulse(name)

    def hang_up(self) -> None:
        """Send every client away."""
        self.shared.dismiss_all("the operator hung up")

    def trace(self, sink: Callable[[str], None]) -> Callable[[], None]:
        """Give ``sink`` a line for everything that happens, until what is returned is called: ``->`` comes
        from the device, ``<-`` goes to it."""
        from vmodem.port.base import INPUTS
        from vmodem.port.watching import Trace, Way

        trace = Trace(sink, self._reactor.seconds)
        self.shared.taps.add(trace)
        port = self.shared.port
        trace.happened(Way.TO_LINE, str(port.settings))
        trace.circuits(Way.TO_TARGET, port.signals & INPUTS)
        return lambda: self.shared.taps.remove(trace)

    # -- clients -------------------------------------------------------------------------------------------

    def _speak(self, below: Stream, protocol: str) -> Stream:
        return self.shared.speak(below, protocol)

    def _offered(self, stream: Stream, caller: Caller) -> bool:
        self.shared.join(stream, caller.printable, caller.listener)
        return True

    def _changed(self) -> None:
        if self._back is not None:
            self._back.client_changed()
        if not self.occupied and self._told:
            told, self._told = self._told, []
            for each in told:
                # From the reactor: the client that was the last is still on its way out.
                self._reactor.callLater(0, each)

    def _connect_back(self, config: PortConfig) -> ConnectBack:
        from vmodem.server.connectback import ConnectBack

        return ConnectBack(
            self._reactor, self.shared, config.connect, config.connect_on, _reach(self._reactor, self)
        )

    # -- what is said --------------------------------------------------------------------------------------

    @property
    def port(self) -> int:
        """The TCP or UDP port of the first listener that has one; 0 when there is none."""
        return next((each.port for each in self._answerer.listeners if each.port), 0)

    @property
    def ports(self) -> list[int]:
        """The same of every listener, in order."""
        return [each.port for each in self._answerer.listeners]

    @property
    def settling(self) -> str:
        """Changes take place at once."""
        return ""

    @property
    def lacking(self) -> list[str]:
        """A device that is not there."""
        return [self.shared.lost_for] if self.shared.lost_for else []

    @property
    def summary(self) -> str:
        """One line for people: what it is and where."""
        where = [listener.address for listener in self._answerer.listeners]
        if self._back is not None:
            where += [f"to {target}" for target in self.config.connect]
        return f"{self.name} on {self.shared.port.description}, {', '.join(where)}"

    def status(self) -> Mapping[str, object]:
        """How it stands, as plain values."""
        from vmodem.server.report import report

        found: dict[str, object] = {
            "what": "port",
            "name": self.name,
            "listening": [listener.address for listener in self._answerer.listeners],
        }
        if self._back is not None:
            found["connect"] = {"targets": list(self.config.connect), "state": self._back.state}
        return {**found, **report(self.shared, float(self._reactor.seconds()))}


def port_rules(config: PortConfig) -> PortRules:
    """How a port is shared, as the configuration says.  Raises :class:`vmodem.server.pulse.PulseError`."""
    from vmodem.server.pulse import PulseError, parse_pulse
    from vmodem.server.rules import PortRules

    for name, text in config.pulses.items():
        try:
            parse_pulse(text)
        except PulseError as exc:
            raise PulseError(f"pulse {name}: {exc}") from None
    same = {each.name for each in dataclasses.fields(PortRules)} & {
        each.name for each in dataclasses.fields(PortConfig)
    }
    values = {key: getattr(config, key) for key in same - {"pack"}}
    return PortRules(**values, pack=pack_rules(config.pack))


def pack_rules(pack: Pack) -> PackRules:
    """The same for packets; the delimiter takes the escapes of a banner."""
    from vmodem.server.rules import PackRules
    from vmodem.server.texts import expand

    return PackRules(
        pack.idle, pack.max_age, pack.max_size, expand(pack.delimiter, {}), pack.after, pack.strip
    )


def _door(config: PortConfig) -> DoorSettings:
    """Who may come in.  Nobody beyond this machine who has not been thought of: raises :class:`StartError`
    for a listener that would let anybody in, and :class:`vmodem.net.admission.rules.AccessError`."""
    from vmodem.call.doorkeeper import DoorSettings
    from vmodem.net.admission.rules import CallerRules
    from vmodem.net.incoming.spec import parse_listen

    watched = (
        config.open
        or config.allow_callers is not None
        or bool(config.password)
        or config.allow_certificates is not None
    )
    specs = [parse_listen(text) for text in config.listen]
    certified = [spec for spec in specs if spec.values.get("clientca")]
    for spec in specs:
        if spec.kind == "udp" and spec.exposure is not None and config.allow_callers is None:
            raise StartError(
                f'{config.name}: {spec.exposure} can send datagrams to "{spec.text}", and the sender of one '
                "proves nothing; say who may: allow_callers, or interface=127.0.0.1",
                EX_CONFIG,
            )
        if watched or spec in certified or spec.exposure is None or (not spec.ours and not certified):
            continue
        raise StartError(
            f'{config.name}: {spec.exposure} can reach "{spec.text}" and use this port; say who may: '
            "allow_callers, password, clientca= with tls:, or open = true for anybody",
            EX_CONFIG,
        )
    allowed = config.allow_callers
    if allowed is None and not watched and not certified:
        allowed = _LOOPBACK
    return DoorSettings(
        CallerRules(allowed), config.password, config.allow_certificates, config.caller_limits
    )


def _capture(path: str) -> CaptureTap:
    from vmodem.net.pcapfile import PcapFile
    from vmodem.port.watching import CaptureTap, Way

    try:
        return CaptureTap(PcapFile(path), Way.TO_LINE)
    except OSError as exc:
        raise StartError(
            f'capture "{path}" cannot be written: {exc.strerror}; choose a folder where this user may write',
            EX_CONFIG,
        ) from exc


def _make_port(reactor: Any, line: str) -> Port:
    from vmodem.port.parse import make_port

    return make_port(reactor, line)


def _reach(reactor: Any, service: PortService) -> Reach:
    """How connect-back reaches a target: it is we who have the port, so what is spoken with a host is what is
    spoken with whoever connects."""
    from vmodem.call.reach import Reach as Way
    from vmodem.call.target import parse_target

    def reach(text: str, reached: Callable[[Stream], None], failed: Callable[[str], None]) -> Way:
        target = parse_target(text)
        protocol = target.kind if target.kind in ("telnet", "rfc2217", "auto") else ""
        plain = dataclasses.replace(target, kind="tcp", options=()) if protocol else target
        way = Way(reactor, plain, name=service.name)
        way.begin(lambda stream: reached(service.shared.speak(stream, protocol)), failed)
        return way

    return reach
