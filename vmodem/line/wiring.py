"""Which pin stands for which circuit, where our port is wired as a DTE and we are to be a DCE.

Such a port has two outputs (DTR, RTS) for the circuits a modem drives, and the other side's DTR is read from
one of its inputs.  ``wiring`` names the usual ways.

``null-modem``: our DTR carries DCD (and DSR, which the cable ties to it), our RTS carries flow control (CTS),
their DTR is read from our DSR.  For a full null modem cable.

``modem``: our DTR carries DSR, our RTS carries DCD, their DTR is read from our DSR.  For a cable or adapter
that ties our DTR to their DSR and our RTS to their DCD.

``dtr``, ``rts`` and ``dtr-in`` change single places of that; ``invert`` names lines whose sense is turned
round.  A DTE whose DTR was never seen on since the start counts as one that is there (a cable of three
wires).

What does not belong here: how pins are read and driven.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from vmodem.line.base import Circuit, LineError
from vmodem.tty import circuits

_WIRING: Final = {"null-modem": ("dcd", "flow"), "modem": ("dsr", "dcd")}
_OUTPUTS: Final = {"dcd": Circuit.DCD, "dsr": Circuit.DSR, "ri": Circuit.RI, "flow": Circuit.CTS}
_INPUTS: Final = {"dsr": circuits.DSR, "cd": circuits.CD, "cts": circuits.CTS}
_LINES: Final = {"dtr": circuits.DTR, "rts": circuits.RTS, **_INPUTS}


class Wiring:
    """The pins of one port.  ``flow`` is the LINE's; it may need pins for itself.

    Raises :class:`LineError`, naming the line as ``where``, for settings that exclude each other.
    """

    def __init__(
        self,
        where: str,
        *,
        wiring: str,
        flow: str,
        dtr_carries: str | None = None,
        rts_carries: str | None = None,
        dtr_in: str | None = None,
        invert: Collection[str] = (),
    ) -> None:
        dtr, rts = _WIRING[wiring]
        self._carried = {circuits.DTR: dtr_carries or dtr, circuits.RTS: rts_carries or rts}
        self.dtr_in = dtr_in or ("on" if flow == "dsrdtr" else "dsr")
        self._check(f"LINE {where!r}", flow, dtr_carries)
        self._inverted = sum(_LINES[name] for name in invert)
        self._driven = {Circuit.CTS: True, Circuit.DSR: True, Circuit.DCD: False, Circuit.RI: False}
        self._dtr_seen = False

    def _check(self, where: str, flow: str, dtr_carries: str | None) -> None:
        if flow == "rtscts" and self._carried[circuits.RTS] != "flow":
            raise LineError(
                f"{where}: flow=rtscts needs RTS, which is to carry {self._carried[circuits.RTS]}; "
                "rts=flow or another flow was expected."
            )
        if flow == "rtscts" and self.dtr_in == "cts":
            raise LineError(f"{where}: flow=rtscts needs CTS; dtr-in=dsr, cd or on was expected.")
        if flow == "dsrdtr":
            if self.dtr_in == "dsr":
                raise LineError(f"{where}: flow=dsrdtr needs DSR; dtr-in=cd, cts or on was expected.")
            if dtr_carries is not None:
                raise LineError(f"{where}: flow=dsrdtr needs DTR; no dtr={dtr_carries} was expected.")
            self._carried[circuits.DTR] = "flow"

    @property
    def flow_by_rts(self) -> bool:
        """Whether our RTS is there to hold the DTE up."""
        return self._carried[circuits.RTS] == "flow"

    @property
    def flow_by_kernel(self) -> bool:
        """Whether RTS and CTS are as the kernel's own flow control needs them."""
        turned = self._inverted & (circuits.RTS | circuits.CTS)
        return self.flow_by_rts and not turned and self.dtr_in not in ("cts", "on")

    @property
    def rts_in(self) -> bool:
        """Whether our CTS is there to read the DTE's RTS from."""
        return self.dtr_in != "cts"

    def drive(self, circuit: Circuit, on: bool) -> bool:
        """The modem wants a circuit so; whether that is a change."""
        changed = self._driven[circuit] is not on
        self._driven[circuit] = on
        return changed

    def output(self, line: int, takes: bool = True) -> bool:
        """The level that one of our two outputs has to have.  ``takes`` is False to hold the DTE up, where
        that output is flow control's."""
        carried = self._carried[line]
        on = carried == "on" or self._driven[_OUTPUTS[carried]]
        return (on and takes) is not bool(self._inverted & line)

    def input(self, inputs: int, line: int) -> bool:
        """Whether one of our inputs is on, with all of them as they are (a sum of those in ``circuits``)."""
        return bool((inputs ^ self._inverted) & line)

    def dtr(self, inputs: int) -> bool:
        """Whether the DTE's DTR is on, with all inputs as they are."""
        on = self.dtr_in == "on" or self.input(inputs, _INPUTS[self.dtr_in])
        self._dtr_seen = self._dtr_seen or on
        return on or not self._dtr_seen
