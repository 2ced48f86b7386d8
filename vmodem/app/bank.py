"""A hunt group of a configuration: its listeners, and its modems as they come and go.

What does not belong here: which modem takes a call (call/hunt.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from vmodem.config.schema import GroupConfig

from .board import Switchboard, door_settings
from .start import EX_UNAVAILABLE, EX_USAGE, StartError

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

    from vmodem.call.caller import Caller
    from vmodem.net.stream import Stream

    from .station import Station


class Bank:
    """One hunt group.  Raises :class:`StartError` for what its configuration has wrong."""

    def __init__(self, reactor: Any, config: GroupConfig, board: Switchboard) -> None:
        from vmodem.call.answer import Answerer
        from vmodem.call.hunt import HuntGroup
        from vmodem.net.admission.rules import CallerRules
        from vmodem.net.incoming.listen import ListenError

        self.name = config.name
        self.config = config
        self._board = board
        self._hunt = HuntGroup((), config.order)
        self._stations: list[Station] = []
        try:
            self._answerer = Answerer(reactor, config.answer, CallerRules(), self.offered)
        except ListenError as exc:
            raise StartError.of(exc, EX_USAGE) from exc
        self._fill(config)

    def start(self) -> None:
        """Listen.  Raises :class:`StartError`."""
        from vmodem.net.incoming.listen import ListenError

        try:
            self._answerer.start()
        except ListenError as exc:
            raise StartError.of(exc, EX_UNAVAILABLE) from exc
        self._free_changed()

    def stop(self) -> Deferred[None]:
        """Listen no more."""
        from twisted.internet.defer import succeed

        self.connect(())
        self._answerer.stop()
        return succeed(None)

    @property
    def occupied(self) -> bool:
        """Never: calls are its modems' own."""
        return False

    def when_free(self, told: Callable[[], None]) -> None:
        """It is free at any time."""
        told()

    def is_same(self, config: GroupConfig) -> bool:
        """A group can become any other."""
        return config.name == self.name

    def connect(self, stations: tuple[Station, ...]) -> None:
        """These are its modems from now on, in their order."""
        for station in self._stations:
            station.free_changed.remove(self._free_changed)
        self._stations = list(stations)
        for station in self._stations:
            station.free_changed.append(self._free_changed)
        self._hunt.lines = list(self._stations)
        self._free_changed()

    def release(self, config: GroupConfig | None) -> None:
        """Let go of the listeners that ``config`` has no more; None: of all."""
        self._answerer.drop(() if config is None else config.answer)

    def apply(self, config: GroupConfig) -> None:
        """Become what ``config`` says.  Raises :class:`StartError` for a listener that cannot be had."""
        from vmodem.net.incoming.listen import ListenError

        self.config = config
        self._fill(config)
        try:
            self._answerer.add(config.answer)
        except ListenError as exc:
            raise StartError.of(exc, EX_UNAVAILABLE) from exc
        finally:
            self._free_changed()

    def _fill(self, config: GroupConfig) -> None:
        from vmodem.call.partners import Partners
        from vmodem.net.admission.rules import AccessError

        try:
            self._answerer.door.settings = door_settings(config)
            self._answerer.partners = Partners(config.pair, config.pair_secret)
        except AccessError as exc:
            raise StartError.of(exc, EX_USAGE) from exc
        self._answerer.directory = self._board.directory
        self._hunt.order = config.order

    def offer(self, stream: Stream, caller: Caller) -> bool:
        """Somebody calls the group.  False: every modem is busy."""
        return self._hunt.offer(stream, caller)

    def offered(self, stream: Stream, caller: Caller) -> bool:
        """The same for a caller on the group's own listeners, who is told when all are busy."""
        if not self.offer(stream, caller):
            self._answerer.refuse(stream, self.config.busy_text)
        return True

    def _free_changed(self) -> None:
        # The call of a pair goes on over another connection, and that comes in by a listener.
        shut = self.config.off_hook == "closed" and not self.config.pair
        self._answerer.shut(shut and not self._hunt.free)

    @property
    def settling(self) -> str:
        """Changes take place at once."""
        return ""

    @property
    def lacking(self) -> list[str]:
        """Listeners that could not be opened again."""
        return self._answerer.lacking

    @property
    def summary(self) -> str:
        """One line for people: what it is and where."""
        listening = ", ".join(listener.address for listener in self._answerer.listeners)
        return f"group {self.name}, {listening}"

    def status(self) -> Mapping[str, object]:
        """How it stands, as plain values."""
        return {
            "what": "group",
            "name": self.name,
            "modems": [station.name for station in self._stations],
            "free": sum(station.free for station in self._stations),
            "listening": [listener.address for listener in self._answerer.listeners],
        }
