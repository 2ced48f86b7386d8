"""A line on a socket with three circuits: the DTE is an emulator of VICE's family, which speaks ip232.

There is no CTS or DSR, no speed and no break.  DTR counts as off until the emulator says that it is on.
"""

from __future__ import annotations

from typing import Any, Final

from vmodem.line.base import Circuit
from vmodem.line.coded import CodedLine
from vmodem.wire.events import Ignored
from vmodem.wire.ip232 import DtrSet, Ip232Modem

#: Where emulators look for a modem unless told otherwise.
DEFAULT_PORT: Final = 25232


class Ip232Line(CodedLine):
    """``ip232:PORT``.  Port 0 takes a free one; ``description`` tells which, once started."""

    def __init__(
        self,
        reactor: Any,
        port: int = DEFAULT_PORT,
        *,
        interface: str = "127.0.0.1",
        description: str = "",
    ) -> None:
        super().__init__(reactor, "ip232", port, interface, description)
        self._circuits = {Circuit.DCD: False, Circuit.RI: False}
        self._codec = Ip232Modem()
        self._dtr = False

    @property
    def rate(self) -> int:
        return 0

    def set_circuit(self, circuit: Circuit, on: bool) -> None:
        if circuit not in self._circuits:
            return
        self._circuits[circuit] = on
        dcd, ri = self._circuits[Circuit.DCD], self._circuits[Circuit.RI]
        if self.attached:
            self._notify(lambda: self._codec.circuits(dcd, ri))

    def _client_came(self) -> None:
        codec = self._codec = Ip232Modem()
        self._encode, self._decode, self._passes = codec.encode, codec.receive, codec.passes
        self._attach()
        self._send(codec.circuits(self._circuits[Circuit.DCD], self._circuits[Circuit.RI]))

    def _client_left(self) -> None:
        self._detach()
        self._set_dtr(False)

    def _at_once(self, event: Any) -> bool:
        if isinstance(event, Ignored):
            self._log.debug("{line}: {reason}", line=self.description, reason=event.reason)
            return True
        return False

    def _is_urgent(self, event: Any) -> bool:
        return isinstance(event, DtrSet) and event.on is not self._dtr

    def _happened(self, event: Any) -> None:
        if isinstance(event, DtrSet):
            self._set_dtr(event.on)

    def _set_dtr(self, on: bool) -> None:
        if on is not self._dtr:
            self._dtr = on
            self._user.dtr_changed(on)
