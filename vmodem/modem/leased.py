"""Leased lines: a call that the modem keeps up by itself.

The line is dialled at start or when DTR rises, and dialled again whenever the call has ended, after a pause
that grows while it does not come about.  The DTE ends that by dropping DTR (where DTR began it) or by ATH.

What does not belong here: what the DTE sees of such a call (the engine), and where it leads (call/).
"""

from __future__ import annotations

from typing import Any, Final, Literal

from twisted.logger import Logger

from atparser import DialString, State, parse_dial
from vmodem.call.target import KINDS, Target, parse_target
from vmodem.modem.driver import Driver

#: Pauses before the next attempt, in seconds; the last one stays.
BACK_OFF_S: Final = (1.0, 2.0, 5.0, 10.0, 30.0)
#: After a call of this length the pauses begin anew, in seconds.
SETTLED_S: Final = 60.0
#: While the DTE is in the middle of a command the line is not dialled; how long to wait then, in seconds.
TYPING_S: Final = 1.0

On = Literal["start", "dtr"]


class LeasedLine:
    """Keeps one modem's line up.

    ``dial`` is what to call; None: stored number 0, while the DTE wants a leased line (&L1).  ``on`` says
    when: from :meth:`start` on, or while DTR is on.  ``quiet`` calls show no result codes.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        driver: Driver,
        dial: DialString | None = None,
        on: On = "start",
        *,
        quiet: bool = False,
    ) -> None:
        self._reactor = reactor
        self._driver = driver
        self._modem = driver.modem
        self._dial = dial
        self._on = on
        self._quiet = quiet
        self._ours = False  # the present call is the leased line's
        self._up_at: float | None = None  # when it was established
        self._failures = 0  # attempts and short calls since the last one that settled
        self._timer: Any = None

    def start(self) -> None:
        """Begin; the driver must have been started."""
        self._driver.changed = self._look
        self._look()

    def stop(self) -> None:
        """Dial no more.  A call that is up stays."""
        self._driver.changed = lambda: None
        self._cancel()

    # -- what is going on ----------------------------------------------------------------------------------

    def _wanted(self) -> DialString | None:
        """What is to be called now; None for nothing."""
        modem = self._modem
        if modem.released or (self._on == "dtr" and not modem.dtr):
            return None
        if self._dial is not None:
            return self._dial
        number = modem.interpreter.store.numbers.get(0)
        return parse_dial(number) if number and modem.interpreter.profile.basic["&L"] else None

    def _look(self) -> None:
        modem, now = self._modem, self._reactor.seconds()
        if self._ours and not modem.owners_call:
            settled = self._up_at is not None and now - self._up_at >= SETTLED_S
            self._failures = 1 if settled else self._failures + 1
            self._ours, self._up_at = False, None
        if self._ours:
            if self._up_at is None and modem.state in (State.ONLINE, State.ONLINE_COMMAND):
                self._up_at = now
            if self._on == "dtr" and not modem.dtr:
                self._driver.hang_up("DTR dropped")  # whatever &D says: it is what keeps the line up
        elif modem.state is not State.IDLE:
            self._cancel()
        elif self._wanted() is None:
            self._failures = 0
            self._cancel()
        elif self._timer is None:
            pause = BACK_OFF_S[min(self._failures, len(BACK_OFF_S)) - 1] if self._failures else 0.0
            if pause:
                self._log.debug(
                    "{modem}: leased line: dialling again in {pause:g} s",
                    modem=self._driver.name,
                    pause=pause,
                )
            self._timer = self._reactor.callLater(pause, self._due)

    def _due(self) -> None:
        self._timer = None
        dial = self._wanted()
        if dial is None:
            return
        if not self._modem.free(self._reactor.seconds()):
            self._timer = self._reactor.callLater(TYPING_S, self._due)
            return
        self._driver.dial(dial, self._quiet)
        self._ours = self._modem.owners_call

    def _cancel(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()


def parse_leased(text: str) -> tuple[DialString, Target | None]:
    """Read NUMBER-or-TARGET: what to dial, and, for a TARGET, where the place ``leased`` is to lead.

    Raises :class:`vmodem.call.target.TargetError`.
    """
    kind, colon, _ = text.strip().partition(":")
    if colon and kind.strip().lower() in KINDS:
        target = parse_target(text)
        return DialString(raw=str(target), place="leased"), target
    return parse_dial(text), None
