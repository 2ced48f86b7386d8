"""Who counts as the other vmodem of a pair.

Without a pair nobody does, and no byte of the pair's protocol is ever sent to anybody.

What does not belong here: what becomes of a call to one (paired.py), and the protocol.
"""

from __future__ import annotations

from collections.abc import Sequence

from vmodem.net.admission.rules import CallerRules


class Partners:
    """Where the other vmodem of a pair is: networks and addresses, as ``allow_callers`` has them.

    ``secret`` is what both ends know, "" for nothing.  Raises
    :class:`vmodem.net.admission.rules.AccessError`.
    """

    def __init__(self, networks: Sequence[str] = (), secret: str = "") -> None:
        self._rules = CallerRules(networks)
        self._any = bool(networks)
        self.secret = secret.encode()

    def __bool__(self) -> bool:
        """Whether there is a pair at all."""
        return self._any

    def holds(self, host: str) -> bool:
        """Whether a partner may be at this address (a literal; "" is none)."""
        return self._any and bool(host) and self._rules.judge(host).allowed
