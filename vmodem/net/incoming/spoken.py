"""What callers speak on a listener: the layers that are put over each connection before anybody rings.

What does not belong here: sockets (listen.py), and who may call.
"""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

from twisted.logger import Logger

from vmodem.net.incoming.connection import Accepted, Incoming
from vmodem.net.incoming.spec import ListenError, ListenSpec
from vmodem.net.layer import Opening
from vmodem.net.stream import Stream
from vmodem.net.telnet.settings import Role

#: Puts a protocol of ``PROTOCOLS``, or none (""), over a connection.
Speak = Callable[[Stream, str], Stream]
#: Connections that may still be agreeing on a layer at one time; one more and the oldest is cut off.
AGREEING: Final = 64


class Spoken:
    """Puts the layers of one listener over its connections, then hands them to ``accepted``."""

    _log = Logger()

    def __init__(
        self, reactor: Any, spec: ListenSpec, accepted: Accepted, speak: Speak | None = None
    ) -> None:
        self._reactor = reactor
        self._spec = spec
        self._accepted = accepted
        self._layer = speak or self._call_layer
        self._tls: Any = None
        self._agreeing: OrderedDict[Incoming, Opening] = OrderedDict()

    def start(self) -> None:
        """Read certificates.  Raises :class:`ListenError`."""
        if self._spec.kind != "tls":
            return
        from vmodem.net.tls.begin import TlsError, TlsServerSettings, load_server

        values = self._spec.values
        settings = TlsServerSettings(values["cert"], values["key"], values.get("clientca") or None)
        try:
            self._tls = load_server(settings)
        except TlsError as exc:
            raise ListenError(f'cannot listen on "{self._spec.text}": {exc}') from None

    def stop(self) -> None:
        """Cut off whoever is still agreeing on a layer."""
        for opening in list(self._agreeing.values()):
            opening.cancel()
        self._agreeing.clear()

    def take(self, incoming: Incoming) -> None:
        """A connection came in."""
        if self._tls is None:
            self._speak(incoming)
            return
        from vmodem.net.tls.begin import open_server

        def opened(stream: Stream) -> None:
            self._agreeing.pop(incoming, None)
            incoming.stream = stream
            name = getattr(stream, "certificate_name", "")
            incoming.peer = dataclasses.replace(incoming.peer, certificate_name=name)
            self._speak(incoming)

        def failed(reason: str) -> None:
            self._agreeing.pop(incoming, None)
            self._log.warn(
                "call from {caller} on {listener}: no TLS came about: {reason}",
                caller=incoming.peer.printable,
                listener=incoming.listener,
                reason=reason,
            )

        self._wait(incoming, open_server(self._reactor, incoming.stream, self._tls, opened, failed))

    def _speak(self, incoming: Incoming) -> None:
        """Put the protocol over a connection that carries bytes."""
        incoming.stream = self._layer(incoming.stream, self._spec.protocol)
        self._accepted(incoming)

    def _call_layer(self, below: Stream, protocol: str) -> Stream:
        """What carries a call in this protocol."""
        if protocol == "telnet":
            from vmodem.net.telnet.stream import TelnetStream

            return TelnetStream(self._reactor, below, Role.SERVER)
        if protocol == "auto":
            from vmodem.net.telnet.auto import AutoStream

            return AutoStream(self._reactor, below, Role.SERVER)
        if protocol == "rfc2217":
            from vmodem.net.telnet.comport import Rfc2217Stream

            return Rfc2217Stream(self._reactor, below, Role.SERVER)
        return below

    def _wait(self, incoming: Incoming, opening: Opening) -> None:
        self._agreeing[incoming] = opening
        if len(self._agreeing) > AGREEING:
            _, oldest = self._agreeing.popitem(last=False)
            oldest.cancel()
