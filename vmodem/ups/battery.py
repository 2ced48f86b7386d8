"""What can be guessed of a battery from its voltage: its charge, and with two calibration points its runtime.

Guesses are all these are, and they are served only where the protocol tells nothing better.

What does not belong here: where the figures come from.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

#: Cells or blocks of a pack, tried in this order where a UPS tells the voltage of one of them.
_MULTIPLIERS: Final = (120, 100, 80, 60, 48, 36, 30, 24, 18, 12, 8, 6, 4, 3, 2, 1, 0.5)
_NEAR: Final = (0.8, 1.25)
#: Empty and full, as parts of the nominal voltage: 10.4 V and 13 V of a block of 12 V.
_LOW: Final = 104 / 120
_HIGH: Final = 130 / 120
#: How long an empty battery takes to be full, in seconds.
CHARGE_TIME_S: Final = 43200.0
#: The least load that is reckoned with, as a part of the full one.
LEAST_LOAD: Final = 0.1


def multiplier(reported: float, nominal: float) -> float | None:
    """How many of what the UPS measures make the pack; None where no number fits."""
    if nominal <= 0:
        return None
    for each in _MULTIPLIERS:
        if _NEAR[0] <= reported * each / nominal <= _NEAR[1]:
            return each
    return None


def limits(nominal: float) -> tuple[float, float]:
    """Voltage of the empty and of the full battery, in V."""
    return nominal * _LOW, nominal * _HIGH


def charge(voltage: float, low: float, high: float) -> float:
    """Percent, from the voltage."""
    return min(max(100 * (voltage - low) / (high - low), 0.0), 100.0)


@dataclass(frozen=True)
class Calibration:
    """Two points at which the runtime of the full battery is known: seconds, and load in percent."""

    long_s: float
    light: float
    short_s: float
    heavy: float

    @classmethod
    def parse(cls, text: str) -> Calibration:
        """``RUNTIME,LOAD,RUNTIME,LOAD``, in any order of the points.  Raises ValueError."""
        try:
            numbers = [float(word) for word in text.split(",")]
            one, other = sorted(zip(numbers[::2], numbers[1::2], strict=True), reverse=True)
        except ValueError:
            one = other = (0.0, 0.0)
        if not (math.inf > one[0] > other[0] > 0 and 0 < one[1] < other[1] <= 100):
            raise ValueError(
                f'"{text}" is no calibration; two points with a longer runtime at the smaller load were '
                "expected, in seconds and percent, as 720,50,240,100"
            )
        return cls(*one, *other)

    @property
    def exponent(self) -> float:
        """How much quicker than in proportion a heavy load empties the battery (Peukert)."""
        return math.log(self.long_s / self.short_s) / math.log(self.heavy / self.light)

    @property
    def nominal_s(self) -> float:
        """Runtime of the full battery at full load."""
        return self.short_s * float((self.heavy / 100) ** self.exponent)


class Runtime:
    """Runtime left, reckoned from what is taken out and put in.  ``now`` is the moment, in seconds."""

    def __init__(self, calibration: Calibration) -> None:
        self._calibration = calibration
        self._left: float | None = None  # at full load
        self._then = 0.0

    def update(self, now: float, load: float, charge: float, on_battery: bool) -> float:
        """The runtime left at ``load`` percent, in seconds; ``charge`` in percent is where it begins."""
        full = self._calibration.nominal_s
        drain = max(load / 100, LEAST_LOAD) ** self._calibration.exponent
        if self._left is None:
            self._left = full * charge / 100
        else:
            elapsed = max(now - self._then, 0.0)
            self._left += -drain * elapsed if on_battery else full * elapsed / CHARGE_TIME_S
        self._left = min(max(self._left, 0.0), full)
        self._then = now
        return float(self._left / drain)
