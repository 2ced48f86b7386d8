"""Options of a driver as texts by name, taken apart and judged: ``{ no-vendor = "yes", mfr = "Acme" }``.

What does not belong here: which options a driver has.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Final

#: Facts that every driver lets be written, by option.
FACTS: Final[Mapping[str, str]] = {"mfr": "ups.mfr", "model": "ups.model", "serial": "ups.serial"}

_YES: Final = ("yes", "true", "on", "1")
_NO: Final = ("no", "false", "off", "0")


class Options:
    """The options of one driver.  Raises ValueError for one that is not in ``known``."""

    def __init__(self, given: Mapping[str, str], known: Collection[str]) -> None:
        # TOML writers like a dash or an underscore; both are the same.
        self._given = {key.strip().lower().replace("_", "-"): text.strip() for key, text in given.items()}
        for key in self._given:
            if key not in known:
                near = get_close_matches(key, known, 1)
                hint = f"did you mean {near[0]}" if near else "one of " + ", ".join(sorted(known))
                raise ValueError(f'unknown option "{key}"; {hint}')

    def text(self, key: str) -> str:
        """What was given; "" when nothing was."""
        return self._given.get(key, "")

    def switch(self, key: str) -> bool:
        """Yes or no; no when nothing was given.  Raises ValueError."""
        text = self._given.get(key, "no").lower()
        if text not in _YES + _NO:
            raise ValueError(f'{key}: "{text}" is neither yes nor no')
        return text in _YES

    def one_of(self, key: str, choices: tuple[str, ...]) -> str:
        """One of these words; the first when nothing was given.  Raises ValueError."""
        text = self._given.get(key, choices[0]).lower()
        if text not in choices:
            raise ValueError(f'{key}: "{text}" is none of {", ".join(choices)}')
        return text

    def number(self, key: str, default: float, least: float, most: float) -> float:
        """A number in a range, bounds included.  Raises ValueError."""
        text = self._given.get(key)
        if text is None:
            return default
        try:
            number = float(text)
        except ValueError:
            number = float("nan")
        if not least <= number <= most:
            raise ValueError(f'{key}: "{text}" is no number from {least:g} to {most:g}')
        return number

    def facts(self) -> dict[str, str]:
        """Maker, model and serial number as they were written, by the names of variables."""
        found: dict[str, str] = {}
        for key, name in FACTS.items():
            if text := self.text(key):
                found[name] = found[name.replace("ups.", "device.")] = text
        return found
