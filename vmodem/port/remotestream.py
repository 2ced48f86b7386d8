"""The connection to an access server whose port is to be used: RFC 2217 with every command, in the order of
the bytes.

What does not belong here: when a server is looked for, and what is asked of it.
"""

from __future__ import annotations

from typing import Any, Protocol

from vmodem.net.stream import Stream
from vmodem.net.telnet.comport import Rfc2217Stream
from vmodem.net.telnet.stream import Role
from vmodem.wire import telnet
from vmodem.wire.comport import Agreed, LineState, ModemState, Refused
from vmodem.wire.comport_client import Answered, ComPortClient, LineStateTold, ModemStateTold


class ServerWatcher(Protocol):
    """What is told of an access server, beside its bytes."""

    def agreed(self) -> None:
        """It speaks RFC 2217."""

    def refused(self) -> None:
        """It does not."""

    def answered(self, code: int, value: int) -> None:
        """What is in force after a command."""

    def modem_state(self, state: ModemState) -> None:
        """The port's inputs, and which of them have changed."""

    def line_state(self, state: LineState) -> None:
        """Errors of the port's receiver; breaks have a place in the stream and are told there."""


class RemoteStream(Rfc2217Stream):
    """A client's stream over ``below``, which belongs to it from now on, or until :meth:`release`."""

    def __init__(self, reactor: Any, below: Stream, watcher: ServerWatcher) -> None:
        self._watcher = watcher
        super().__init__(reactor, below, Role.CLIENT)

    @property
    def client(self) -> ComPortClient:
        """What makes commands."""
        return self._client

    @property
    def spoken(self) -> bool:
        """Whether the peer has shown that it speaks telnet."""
        return self._telnet.spoken

    def command(self, words: bytes) -> None:
        """Send commands now, before data that waits here."""
        self._answer(words)

    def send_telnet_break(self) -> None:
        """The break of a server without RFC 2217; it has no length."""
        self.command(self._telnet.command(telnet.BRK))

    def release(self) -> Stream:
        """The stream below, which is somebody else's from now on; what waits here is lost."""
        self._closing = self._closed = True
        self._cancel_timers()
        self._queue.clear()
        self._inbox.clear()
        return self._below

    def _happened(self, event: Any) -> None:
        match event:
            case Agreed():
                self._watcher.agreed()
            case Refused():
                self._watcher.refused()
            case Answered(code, value):
                self._watcher.answered(code, value)
            case ModemStateTold(state):
                self._watcher.modem_state(state)
            case LineStateTold(state):
                if state & LineState.BREAK:
                    self._break_came()
                self._watcher.line_state(state)
            case _:
                super()._happened(event)
