"""How an RS-485 transceiver is switched, as the kernel's drivers take it (TIOCSRS485)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rs485:
    """A transceiver whose direction the driver switches by RTS.  Delays are in milliseconds."""

    rts_on_send: bool = True
    receive_while_sending: bool = False
    before: int = 0
    after: int = 0
