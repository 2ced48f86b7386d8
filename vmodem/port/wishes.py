"""What was asked of an access server's port, in the values of RFC 2217, and what it has answered.

What does not belong here: sending.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from vmodem.net.timer import Timer
from vmodem.port.base import PortFlow, Settings
from vmodem.wire import comport
from vmodem.wire.comport import Parity, Stop

#: Values of SET-CONTROL: outbound or both, and inbound.
FLOWS: Final = {
    PortFlow.NONE: (comport.FLOW_NONE, comport.FLOW_IN_NONE),
    PortFlow.RTS_CTS: (comport.FLOW_HARDWARE, comport.FLOW_IN_HARDWARE),
    PortFlow.XON_XOFF: (comport.FLOW_XON, comport.FLOW_IN_XON),
    PortFlow.DTR_DSR: (comport.FLOW_DSR, comport.FLOW_IN_DTR),
}
FLOW_OF: Final = {outbound: flow for flow, (outbound, _) in FLOWS.items()}
#: An answer may say this, too.
_FLOW_TOLD: Final = FLOW_OF | {comport.FLOW_DCD: PortFlow.NONE}
#: Code, and the field it sets.
_FIELDS: Final = {
    comport.SET_BAUDRATE: "rate",
    comport.SET_DATASIZE: "data_bits",
    comport.SET_PARITY: "parity",
    comport.SET_STOPSIZE: "stop_bits",
    comport.SET_CONTROL: "flow",
}


class Wishes:
    """What the port is to be, where anything was asked for; None leaves it to the server."""

    def __init__(
        self,
        rate: int | None,
        data_bits: int | None,
        parity: str | None,
        stop_bits: float | None,
        flow: PortFlow | None,
    ) -> None:
        self._wanted: dict[str, Any] = {
            "rate": rate,
            "data_bits": data_bits,
            "parity": parity,
            "stop_bits": stop_bits,
            "flow": flow,
        }
        self._confirmed: set[int] = set()

    def over(self, settings: Settings) -> Settings:
        """``settings`` with everything that was asked for."""
        return replace(settings, **{name: value for name, value in self._wanted.items() if value is not None})

    def take(self, wanted: Settings, known: Settings | None) -> frozenset[int]:
        """Everything is asked for now; the codes of what has to be said, ``known`` being in force (None:
        nothing is)."""
        changed = set()
        for code, name in _FIELDS.items():
            value = getattr(wanted, name)
            if known is None or code not in self._confirmed or getattr(known, name) != value:
                changed.add(code)
            elif self._wanted[name] is not None and self._wanted[name] != value:
                changed.add(code)  # something else is on its way
            self._wanted[name] = value
        return frozenset(changed)

    def codes(self, *, query: bool = False) -> Iterator[tuple[int, int]]:
        """Commands and their values, flow control left out; 0 asks for what was not asked to be set."""
        if query:
            self._confirmed.clear()
        for code, name in _FIELDS.items():
            value = self._wanted[name]
            if code == comport.SET_CONTROL:
                continue
            if value is not None:
                yield code, _coded(code, value)
            elif query:
                yield code, 0

    def flow_codes(self, *, query: bool = False) -> tuple[int, ...]:
        """Values of SET-CONTROL for flow control."""
        flow = self._wanted["flow"]
        if flow is None:
            return (comport.FLOW_QUERY,) if query else ()
        outbound, inbound = FLOWS[flow]
        # The first is for both directions where they are alike.
        return (outbound,) if comport.IN_OF[outbound] == inbound else (outbound, inbound)

    def answered(self, settings: Settings, code: int, value: int) -> Settings:
        """``settings`` after the server's answer; unchanged by one that makes no sense."""
        try:
            if code == comport.SET_BAUDRATE:
                known: Any = value if value > 0 else settings.rate
            elif code == comport.SET_DATASIZE:
                known = value if 5 <= value <= 8 else settings.data_bits
            elif code == comport.SET_PARITY:
                known = comport.PARITY_OF[Parity(value)]
            elif code == comport.SET_STOPSIZE:
                known = comport.STOP_OF[Stop(value)]
            elif code == comport.SET_CONTROL and code not in self._confirmed:
                # Later ones may be answers to anything: one server says "no flow control" to every command.
                known = _FLOW_TOLD[value]
            else:
                return settings
        except (KeyError, ValueError):
            return settings
        self._confirmed.add(code)
        return replace(settings, **{_FIELDS[code]: known})

    def confirmed(self, code: int) -> bool:
        """Whether the server has answered a command since all were asked last."""
        return code in self._confirmed

    def expect_flow(self) -> None:
        """The next answer about flow control counts again."""
        self._confirmed.discard(comport.SET_CONTROL)


class Changes:
    """Changes of settings whose answers are awaited, in the order they were asked for.

    ``in_force`` tells the settings, ``late`` is called when a server has not answered one for ``patience_s``
    seconds, which ends it and all before it.
    """

    def __init__(
        self, reactor: Any, in_force: Callable[[], Settings], late: Callable[[], None], patience_s: float
    ) -> None:
        self._reactor = reactor
        self._in_force = in_force
        self._late = late
        self._patience_s = patience_s
        self._awaited: deque[_Change] = deque()

    @property
    def awaited(self) -> bool:
        """Whether there are any."""
        return bool(self._awaited)

    def begin(self, codes: Iterable[int], done: Callable[[Settings], None]) -> None:
        """The commands in ``codes`` are sent; ``done`` is called when all of them are answered."""
        change = _Change(set(codes), done, Timer(self._reactor))
        change.timer.set(self._patience_s, lambda: self._too_late(change))
        self._awaited.append(change)

    def answered(self, code: int, value: int) -> None:
        """An answer came, and is in force."""
        for change in self._awaited:
            if code in change.codes and (code != comport.SET_CONTROL or value in _FLOW_TOLD):
                change.codes.discard(code)
                break
        while self._awaited and not self._awaited[0].codes:
            self._end_first()

    def give_up(self) -> None:
        """There is nobody to answer."""
        while self._awaited:
            self._end_first()

    def _too_late(self, change: _Change) -> None:
        self._late()
        while self._end_first() is not change:
            pass

    def _end_first(self) -> _Change:
        first = self._awaited.popleft()
        first.timer.cancel()
        first.done(self._in_force())
        return first


@dataclass(frozen=True)
class _Change:
    codes: set[int]
    done: Callable[[Settings], None]
    timer: Timer


def _coded(code: int, value: Any) -> int:
    if code == comport.SET_PARITY:
        return int(comport.PARITIES[value])
    if code == comport.SET_STOPSIZE:
        return int(comport.STOPS[value])
    return int(value)
