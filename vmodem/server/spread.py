"""What the device sends, to all who read: in packets, marked, remembered for newcomers.

What does not belong here: what is kept for a client that does not read (client.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from vmodem.port.base import Noted, Port
from vmodem.port.watching import Taps, Way
from vmodem.wire.comport import LineState

from .client import Client
from .pack import Packer
from .rules import PortRules

_STATES: Final = {
    Noted.BREAK: LineState.BREAK,
    Noted.FRAMING: LineState.FRAMING,
    Noted.PARITY: LineState.PARITY,
    Noted.OVERRUN: LineState.OVERRUN,
}
#: As termios(3) has it with PARMRK: FF 00 and the character; a break is a character of zeros.
_MARKS: Final = {Noted.BREAK: b"\xff\x00\x00", Noted.FRAMING: b"\xff\x00", Noted.PARITY: b"\xff\x00"}


class Spread:
    """Of one port; ``taps`` see what arrives."""

    def __init__(self, reactor: Any, port: Port, rules: PortRules, taps: Taps) -> None:
        #: Who is sent what the device sends; assigned by the owner.
        self.readers: tuple[Client, ...] = ()
        #: Called at the device's data while nobody reads it.
        self.unclaimed: Callable[[bytes], None] = nowhere
        self._reactor = reactor
        self._port = port
        self._taps = taps
        self._rules = rules
        self._history = bytearray()
        self._packer = self._make_packer()
        self._pass_by = True  # what comes in bulk may go straight to the clients

    def configure(self, rules: PortRules) -> None:
        """These are the rules from now on, and who looks has perhaps changed."""
        was, self._rules = self._rules, rules
        if rules.pack != was.pack:
            self._packer.flush()
            self._packer = self._make_packer()
        del self._history[: max(0, len(self._history) - rules.history)]
        self._pass_by = not (rules.printer or rules.history or rules.mark_errors or self._taps)

    def _make_packer(self) -> Packer:
        return Packer(
            self._reactor, self._rules.pack, lambda: self._port.settings.character_s, self._send_packet
        )

    @property
    def history(self) -> bytes:
        """What a newcomer reads first of what was sent before he came."""
        return bytes(self._history[-self._rules.history :]) if self._rules.history else b""

    def flush(self) -> None:
        """The packet ends here."""
        self._packer.flush()

    def clear(self) -> None:
        """Forget what waits for the end of its packet."""
        self._packer.clear()

    # -- what the device does ------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """The device sent a chunk."""
        packer = self._packer
        if self._pass_by and len(data) >= packer.bulk and not packer.held:
            for client in self.readers:
                client.deliver(data)
            if not self.readers:
                self.unclaimed(data)
            return
        if self._taps:
            self._taps.show("carried", Way.TO_TARGET, data)
        if not self._rules.printer:
            packer.take(data.replace(b"\xff", b"\xff\xff") if self._rules.mark_errors else data)

    def _send_packet(self, data: bytes) -> None:
        history = self._rules.history
        if history:
            self._history += data[-history:]
            if len(self._history) > 2 * history:
                del self._history[:-history]
        for client in self.readers:
            client.deliver(data)
        if not self.readers:
            self.unclaimed(data)

    def noted(self, what: Noted) -> None:
        """Something befell the device's data at this place."""
        self._taps.show("noted", Way.TO_TARGET, what)
        self._packer.flush()
        for client in self.readers:
            client.note(_STATES[what])
        mark = _MARKS.get(what)
        if self._rules.mark_errors and mark is not None and not self._rules.printer:
            self._packer.take(mark)  # a damaged character is the next byte


def nowhere(data: bytes) -> None:
    """Nobody wants it."""
