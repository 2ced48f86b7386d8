"""The user of a port that has none: every method does nothing."""

from __future__ import annotations

from typing import Final

from vmodem.port.base import Noted, Settings, Signals


class _Nobody:
    def data_received(self, data: bytes) -> None:
        pass

    def noted(self, what: Noted) -> None:
        pass

    def signals_changed(self, signals: Signals) -> None:
        pass

    def settings_changed(self, settings: Settings) -> None:
        pass

    def attached(self, present: bool) -> None:
        pass

    def write_blocked(self) -> None:
        pass

    def write_drained(self) -> None:
        pass

    def lost(self, reason: str) -> None:
        pass

    def found(self) -> None:
        pass


NOBODY: Final = _Nobody()
