"""The connection to an access server whose port is to be used: RFC 2217 with every command, in the order of
the bytes.

A server is read on for a while when its user has paused it: what it says of its circuits stands among the
bytes, and a hang-up must not wait until they are wanted.

What does not belong here: when a server is looked for, and what is asked of it.
"""

from __future__ import annotations

import enum
import select
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Protocol

from vmodem.net.stream import Cause, Ending, FdStream
from vmodem.net.telnet.comport import Rfc2217Stream
from vmodem.net.telnet.stream import Role
from vmodem.port.base import Noted, Signals
from vmodem.tty.poller import shared_poller
from vmodem.wire import telnet
from vmodem.wire.comport import Agreed, LineState, ModemState, Refused
from vmodem.wire.comport_client import Answered, ComPortClient, LineStateTold, ModemStateTold

#: How much is read of a server that is paused, in bytes.
READ_AHEAD: Final = 65536
#: How often one is looked at that is not even read any more, in seconds.
PAUSED_POLL_S: Final = 0.05

#: Of each input: its level, that it changed, and which it is.
INPUTS_TOLD: Final = (
    (ModemState.CTS, ModemState.DELTA_CTS, Signals.CTS),
    (ModemState.DSR, ModemState.DELTA_DSR, Signals.DSR),
    (ModemState.DCD, ModemState.DELTA_DCD, Signals.DCD),
    (ModemState.RI, ModemState.TRAILING_RI, Signals.RI),
)
#: Of each error: its bit, what it is, and where it is counted.
ERRORS: Final = (
    (LineState.FRAMING, Noted.FRAMING, "framing"),
    (LineState.PARITY, Noted.PARITY, "parity"),
    (LineState.OVERRUN, Noted.OVERRUN, "overrun"),
)
_ENDED: Final = getattr(select, "POLLRDHUP", 0)


class Speech(enum.Enum):
    """What is spoken with the server."""

    NOT_YET = "nothing yet"
    COM_PORT = "RFC 2217"
    TELNET = "telnet"
    RAW = "raw bytes"


def inputs(state: ModemState) -> Signals:
    """The port's inputs that are on."""
    found = Signals.NONE
    for bit, _, signal in INPUTS_TOLD:
        if state & bit:
            found |= signal
    return found


class ServerWatcher(Protocol):
    """What is told of an access server, beside its bytes."""

    def agreed(self) -> None:
        """It speaks RFC 2217."""

    def refused(self) -> None:
        """It does not."""

    def server_spoke(self) -> None:
        """It has answered, or told something of itself: it is alive."""

    def answered(self, code: int, value: int) -> None:
        """What is in force after a command."""

    def modem_state(self, state: ModemState) -> None:
        """The port's inputs, and which of them have changed, behind the bytes received so far."""

    def line_state(self, state: LineState) -> None:
        """Errors of the port's receiver; breaks have a place in the stream and are told there."""


def _never(state: ModemState) -> bool:
    return False


class RemoteStream(Rfc2217Stream):
    """A client's stream over ``below``, which belongs to it from now on, or until :meth:`release`."""

    #: Whether inputs are told at once, with all that came before them, even to a user who has paused.
    urgent: Callable[[ModemState], bool] = staticmethod(_never)
    _hurry = False  # something urgent is being told

    def __init__(self, reactor: Any, below: FdStream, watcher: ServerWatcher) -> None:
        self._watcher = watcher
        self._fd_stream = below
        self._ahead = 0  # bytes read since we were paused
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

    def discard_received(self) -> None:
        """Forget the data that has been received and not been told."""
        self._inbox = deque(item for item in self._inbox if not isinstance(item, bytes))
        self._ahead = 0
        self._steer()

    def release(self) -> tuple[FdStream, bytes]:
        """The stream below, which is somebody else's from now on, and the data it has brought; what waits
        here to be sent is lost."""
        early = b"".join(item for item in self._inbox if isinstance(item, bytes))
        self._closing = self._closed = True
        self._stop()
        return self._fd_stream, early

    # -- reading on ------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self._paused:
            self._ahead += len(data)
        super().data_received(data)

    def resume(self) -> None:
        self._ahead = 0
        super().resume()

    def _full(self) -> bool:
        return super()._full() and self._ahead >= READ_AHEAD

    def _steer(self) -> None:
        """One that is read tells its end by itself."""
        super()._steer()
        poller = shared_poller(self._reactor, PAUSED_POLL_S)
        if self._below_paused and not self._closed and self._ending is None:
            poller.add(self._look_for_end)
        else:
            poller.remove(self._look_for_end)

    def _look_for_end(self) -> None:
        poll = select.poll()
        poll.register(self._fd_stream.fileno(), _ENDED)
        if poll.poll(0):
            self._fd_stream.finish(Ending(Cause.FINISHED, "end of stream"))

    def _stop(self) -> None:
        super()._stop()
        shared_poller(self._reactor, PAUSED_POLL_S).remove(self._look_for_end)

    # -- what the server says --------------------------------------------------------------------------------

    def _happened(self, event: Any) -> None:
        match event:
            case Agreed():
                self._watcher.agreed()
            case Refused():
                self._watcher.refused()
            case Answered(code, value):
                self._watcher.server_spoke()
                self._watcher.answered(code, value)
            case ModemStateTold(state):
                self._watcher.server_spoke()
                if not self._closing:
                    self._inbox.append(state)
                    if self._paused and self.urgent(state):
                        self._hurry = True
                        self._deliver()
                        self._hurry = False
            case LineStateTold(state):
                if state & LineState.BREAK:
                    self._break_came()
                self._watcher.line_state(state)
            case _:
                super()._happened(event)

    def _takes(self) -> bool:
        return self._hurry or super()._takes()

    def _came_to(self, item: Any) -> None:
        if isinstance(item, ModemState):
            self._watcher.modem_state(item)
        else:
            super()._came_to(item)
