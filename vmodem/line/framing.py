"""The framing of a serial port, changed while it is in use (+ICF, V.250 clause 6.2.11)."""

from __future__ import annotations

import termios
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.logger import Logger

from vmodem.tty.breaks import SENT_POLL_S
from vmodem.tty.poller import shared_poller

if TYPE_CHECKING:
    from vmodem.tty.device import Port


class Framing:
    """Sets data bits, parity and stop bits of ``port`` once ``sent`` says that all bytes have left."""

    _log = Logger()

    def __init__(self, reactor: Any, port: Port, description: str, sent: Callable[[], bool]) -> None:
        self._reactor = reactor
        self._port = port
        self._description = description
        self._sent = sent
        self._at_first = (port.bytesize, port.parity, port.stopbits)
        self._wanted = self._in_force = self._at_first

    def ask(self, data_bits: int, parity: str, stop_bits: float) -> None:
        """Have it so; ``data_bits`` 0: as at first."""
        self._wanted = (data_bits, parity, stop_bits) if data_bits else self._at_first
        shared_poller(self._reactor, SENT_POLL_S).add(self._look)
        self._look()

    def stop(self) -> None:
        """Change nothing any more."""
        shared_poller(self._reactor, SENT_POLL_S).remove(self._look)

    def _look(self) -> None:
        if not self._sent():
            return
        self.stop()
        try:
            self._set(self._wanted)
            self._in_force = self._wanted
        except (OSError, ValueError, termios.error) as exc:
            try:
                self._set(self._in_force)
            except (OSError, ValueError, termios.error):
                pass  # the port is gone, which its reader will find
            self._log.warn(
                "{line}: cannot be set to {bits}{parity}{stop}: {reason}",
                line=self._description,
                bits=self._wanted[0],
                parity=self._wanted[1],
                stop=self._wanted[2],
                reason=str(exc),
            )

    def _set(self, framing: tuple[int, str, float]) -> None:
        self._port.bytesize, self._port.parity, self._port.stopbits = framing
