"""A line without any device: whoever holds it is the DTE.  For tests of what stands behind a line."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred, succeed

from vmodem.line.base import Circuit, FlowControl, Line, LineUser


class MemoryLine(Line):
    """A line whose DTE is its owner.

    The DTE's side: :meth:`connect` and :meth:`disconnect` (DTR), :meth:`send`, :attr:`received`,
    :attr:`room`, :meth:`begin_break`, :meth:`set_rts`.  What was asked of the line: :attr:`circuits`,
    :attr:`flow`, :attr:`history`, :attr:`paused`, :attr:`in_call`.
    """

    def __init__(self, *, rate: int = 9600, description: str = "memory:") -> None:
        self.description = description
        self.write = self._discard
        #: What the DTE has received and not yet taken by :meth:`take`.
        self.received = bytearray()
        #: How many bytes the DTE takes before it blocks; None: any number.
        self.room: int | None = None
        #: State of each circuit that was ever driven.
        self.circuits: dict[Circuit, bool] = {}
        #: Every change, write and break, in order: ``(Circuit, bool)``, ``("write", bytes)`` or
        #: ``("break", seconds)``.
        self.history: list[tuple[Circuit, bool] | tuple[str, bytes] | tuple[str, float]] = []
        #: Flow control as last asked for.
        self.flow: FlowControl | None = None
        self.paused = False
        self.in_call = False
        self.started = False
        self.stopped = False
        self._rate = rate
        self._dtr = False
        self._pending = bytearray()
        self._unread: list[bytes | None] = []  # None is a break
        self._when_sent: Callable[[], None] | None = None

    # -- the DTE's side ------------------------------------------------------------------------------------

    def connect(self) -> None:
        """The DTE opens the line (DTR on)."""
        self._dtr = True
        self.write = self._write
        self._user.dtr_changed(True)

    def disconnect(self) -> None:
        """The DTE closes the line (DTR off): what it sent arrives, paused or not; what it left is lost."""
        while self._unread:
            self._tell(self._unread.pop(0))
        self._dtr = False
        self.write = self._discard
        self._pending.clear()
        self._finish_sent()
        self._user.dtr_changed(False)

    def send(self, data: bytes) -> None:
        """The DTE sends one chunk; it waits while the line is paused."""
        if self.paused:
            self._unread.append(data)
        elif data:
            self._user.dte_received(data)

    def take(self) -> bytes:
        """What the DTE has received since the last time."""
        data = bytes(self.received)
        self.received.clear()
        return data

    def make_room(self, room: int | None) -> None:
        """The DTE takes ``room`` more bytes (None: any number), pending ones first."""
        self.room = room
        pending = bytes(self._pending)
        if not pending:
            return
        self._pending.clear()
        taken = self._take(pending)
        self._pending += pending[taken:]
        if not self._pending:
            self._finish_sent()
            self._user.dte_drained()

    def begin_break(self) -> None:
        """The DTE sends a break, behind what it has sent."""
        if self.paused:
            self._unread.append(None)
        else:
            self.break_received()

    def set_rts(self, on: bool) -> None:
        """The DTE turns RTS on or off."""
        self.rts_changed(on)

    def change_rate(self, rate: int) -> None:
        """The DTE sets another speed, in bit/s."""
        self._rate = rate

    def lose(self, reason: str) -> None:
        """The device goes away."""
        if self._dtr:
            self.disconnect()
        self._user.line_lost(reason)

    def find(self) -> None:
        """The device comes back, with its DTE."""
        self._user.line_found()
        self.connect()

    def finish(self) -> None:
        """The line ends for good, as standard input does."""
        if self._dtr:
            self.disconnect()
        self._user.line_finished()

    # -- the contract --------------------------------------------------------------------------------------

    def start(self, user: LineUser) -> None:
        self._user = user
        self.started = True

    def stop(self) -> Deferred[None]:
        self.stopped = True
        self.write = self._discard
        self._finish_sent()
        return succeed(None)

    @property
    def backlog(self) -> int:
        return len(self._pending)

    @property
    def attached(self) -> bool:
        return self._dtr

    @property
    def rate(self) -> int:
        return self._rate

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False
        self._flush_unread()

    def set_circuit(self, circuit: Circuit, on: bool) -> None:
        if self.circuits.get(circuit) is not on:
            self.circuits[circuit] = on
            self.history.append((circuit, on))

    def send_break(self, seconds: float) -> None:
        if self._dtr:
            self.history.append(("break", seconds))

    def set_flow(self, flow: FlowControl) -> None:
        self.flow = flow

    def discard(self) -> None:
        if self._pending:
            self._pending.clear()
            self._finish_sent()
            self._user.dte_drained()

    def call_active(self, active: bool) -> None:
        self.in_call = active

    def when_sent(self, done: Callable[[], None]) -> None:
        self._when_sent = done
        if not self._pending:
            self._finish_sent()

    # -- inside --------------------------------------------------------------------------------------------

    def _write(self, data: bytes) -> None:
        self.history.append(("write", bytes(data)))
        if self._pending:
            self._pending += data
            return
        taken = self._take(data)
        if taken < len(data):
            self._pending += data[taken:]
            self._user.dte_blocked()

    def _take(self, data: bytes) -> int:
        taken = len(data) if self.room is None else min(len(data), self.room)
        self.received += data[:taken]
        if self.room is not None:
            self.room -= taken
        return taken

    @staticmethod
    def _discard(data: bytes) -> None:
        pass

    def _flush_unread(self) -> None:
        while self._unread and not (self.paused or self.stopped):
            self._tell(self._unread.pop(0))

    def _tell(self, data: bytes | None) -> None:
        if data is None:
            self.break_received()
        else:
            self._user.dte_received(data)

    def _finish_sent(self) -> None:
        done, self._when_sent = self._when_sent, None
        if done is not None:
            done()
