"""What both ends of RFC 2217 have in common: how they come to agree, and the way of a chunk."""

from __future__ import annotations

from typing import Any

from . import telnet
from .comport import Agreed, Refused
from .events import Ignored, ProtocolError, Send
from .telnet import Negotiated, Subnegotiation, Telnet


class ComPortEnd:
    """One end of a connection; the subclass says what the other end's commands mean."""

    def __init__(self, telnet_side: Telnet) -> None:
        self.telnet = telnet_side
        self.passes = telnet_side.passes
        self.encode = telnet_side.encode
        self._agreed = False
        self._refused = False
        self._events: list[Any] = []

    @property
    def agreed(self) -> bool:
        """Whether the peer has shown that it speaks RFC 2217: by negotiation, or by simply doing it."""
        return self._agreed

    def receive(self, data: bytes) -> list[Any]:
        """What a chunk means, in order."""
        events = self._events = []
        for event in self.telnet.receive(data):
            if isinstance(event, Negotiated):
                self._negotiated(event)
            elif isinstance(event, Send):
                self._send(event.data)
            elif isinstance(event, Subnegotiation):
                if event.option != telnet.COM_PORT:
                    events.append(Ignored(f"subnegotiation of telnet option {event.option}"))
                    continue
                self._agree()
                try:
                    self._heard(event.data)
                except ProtocolError as exc:
                    events.append(Ignored(str(exc)))
            else:
                events.append(event)
        self._events = []
        return events

    # -- for subclasses ------------------------------------------------------------------------------------

    def _heard(self, data: bytes) -> None:
        """The peer's command, code and value.  Raises :class:`ProtocolError` for one without meaning."""
        raise NotImplementedError

    def _begin(self) -> None:
        """The peer has just been found to speak RFC 2217."""

    # -- inside --------------------------------------------------------------------------------------------

    def _negotiated(self, event: Negotiated) -> None:
        if event.option != telnet.COM_PORT:
            return
        if event.on:
            self._agree()
        elif not self._refused and not self._agreed:
            self._refused = True
            self._events.append(Refused())

    def _agree(self) -> None:
        if not self._agreed:
            self._agreed = True
            self._events.append(Agreed())
            self._begin()

    def _send(self, data: bytes) -> None:
        last = self._events[-1] if self._events else None
        if isinstance(last, Send):
            self._events[-1] = Send(last.data + data)
        else:
            self._events.append(Send(data))
