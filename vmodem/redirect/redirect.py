"""One redirected port: a local line that applications use as a serial port, and the place it leads to.

The application keeps its port whatever the network does: what it writes meanwhile is held up, and the place
is looked for until it is there again.

What does not belong here: carrying bytes, settings and circuits (:mod:`vmodem.bridge`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from vmodem.bridge.bridge import Bridge, Gather
from vmodem.bridge.ends import Line, To, make_end, waits_for
from vmodem.call.placing import OfferInside
from vmodem.net.pcapfile import PcapFile
from vmodem.port.base import PortError
from vmodem.port.watching import CaptureTap
from vmodem.server.pack import Packer
from vmodem.server.rules import PackRules

#: Packets are made as usual.
USUAL: Final = PackRules()

_MISSING: Final = (
    "{name}: {line} has no circuits, so CTS, DSR, DCD and RI of {target} are not seen there{breaks}; "
    "DTR and RTS at the far end are on while the port is open"
)
_ALL_OF_THEM: Final = (
    "{name}: {line} has no circuits, and {target} carries bytes only: "
    "neither settings nor DTR, RTS, CTS, DSR, DCD, RI go over"
)
#: The same where the line is a computer's port, whose outputs are DTR and RTS.
_NO_OUTPUTS: Final = "{name}: DCD and RI of {target} are not seen at {line}, whose outputs are DTR and RTS"
_BYTES_ONLY: Final = (
    "{name}: {target} carries bytes only: neither settings nor CTS, DSR, DCD, RI of {line} go over"
)
#: Lines that have circuits.
_EQUIPMENT: Final = ("serial", "remote", "rfc2217")


class Redirect:
    """Joins the line ``port`` to the target ``to``.

    ``pack`` says when bytes of the line leave as one packet.  ``capture`` is the path of a file for a packet
    analyser, or "".  ``changed`` is called when an application or the network comes or goes.  Raises
    :class:`vmodem.port.base.PortError` for texts that are wrong.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        name: str,
        port: str,
        to: str,
        *,
        pack: PackRules = USUAL,
        capture: str = "",
        offer_inside: OfferInside | None = None,
        changed: Callable[[], None] | None = None,
    ) -> None:
        line, target = Line(port), To(to)
        self.name = name
        self._reactor = reactor
        self._capture = capture
        self._line_kind, self._target_kind = line.kind, target.kind
        self.bridge = Bridge(
            reactor,
            make_end(reactor, line, name=name),
            make_end(reactor, target, name=name, offer_inside=offer_inside),
            name=name,
            holds_line=waits_for(line),
            holds_target=True,
            follows_line=line.kind == "pty",
            changed=changed,
        )
        self.pack(pack)

    @property
    def in_use(self) -> bool:
        """Whether an application has the port open."""
        return self.bridge.at_line.up

    @property
    def connected(self) -> bool:
        """Whether the far end is there."""
        return self.bridge.at_target.up

    def start(self) -> None:
        """Begin.  Raises :class:`vmodem.port.base.PortError`; nothing is left open then."""
        if self._capture:
            try:
                self.bridge.watch(CaptureTap(PcapFile(self._capture)))
            except OSError as exc:
                raise PortError(
                    f'capture "{self._capture}" cannot be written: {exc.strerror}; '
                    "choose a folder where this user may write"
                ) from exc
        self.bridge.start()
        self._say_what_is_missing()

    def stop(self) -> Deferred[None]:
        """End in order."""
        return self.bridge.stop()

    def pack(self, rules: PackRules) -> None:
        """Make packets so from now on."""
        # What a program writes is a packet already, and where there are no packets nobody sees one.
        whole = self._line_kind != "serial" and self._target_kind != "udp"
        self.bridge.gather(None if rules == USUAL and whole else lambda send: self._packer(rules, send))

    def status(self) -> Mapping[str, object]:
        """How it stands, as plain values."""
        return self.bridge.status()

    def _packer(self, rules: PackRules, send: Callable[[bytes], None]) -> Gather:
        line = self.bridge.line
        return Packer(self._reactor, rules, lambda: line.settings.character_s, send)

    def _say_what_is_missing(self) -> None:
        bridge = self.bridge
        told = self._target_kind == "rfc2217"
        if self._line_kind in _EQUIPMENT:
            missing = _NO_OUTPUTS if told else _BYTES_ONLY
        else:
            missing = _MISSING if told else _ALL_OF_THEM
        breaks = ", nor breaks" if self._line_kind == "pty" else ""
        self._log.info(
            missing,
            name=self.name,
            line=bridge.line.description,
            target=bridge.target.description,
            breaks=breaks,
        )
