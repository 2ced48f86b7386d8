"""What clients may have changed in a UPS of APC: settings in its EEPROM, and instant commands.

Nothing is acknowledged that was not done: what has to be said twice with a pause is said twice at once, and
what the UPS does not confirm is looked up in its status.

What does not belong here: who may do this, and how requests and replies travel.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from vmodem.wire import apcsmart as apc

from .model import Outcome, Ups, Variable

if TYPE_CHECKING:
    from .apcsmart import ApcSmartDriver

#: Between the two times that a command has to be given, in seconds.
CONFIRM_S: Final = 1.5
#: Between the characters of a value, in seconds.
CHARACTER_S: Final = 0.05
#: After ``@``: a unit that does not know it would take the digits for commands.
PEEK_S: Final = 0.2
#: How often the next choice of a setting is asked for: there are no more of them.
CHOICES_LIMIT: Final = 32
#: A battery test that was begun so long ago may still be running, in seconds.
TEST_S: Final = 60.0
#: What the reply to a command is waited for, in seconds.
REPLY_S: Final = 3.0

#: Instant commands, and what the UPS has to know for them.
COMMANDS: Final[Mapping[str, tuple[bytes, ...]]] = {
    "bypass.start": (apc.BYPASS,),
    "bypass.stop": (apc.BYPASS,),
    "calibrate.start": (apc.CALIBRATION,),
    "calibrate.stop": (apc.CALIBRATION,),
    "load.off": (apc.OFF_NOW,),
    "load.on": (apc.LOAD_ON,),
    "shutdown.return": (apc.SOFT_HIBERNATE, apc.HARD_HIBERNATE),
    "shutdown.stayoff": (apc.OFF_DELAYED,),
    "shutdown.stop": (apc.CANCEL,),
    "test.battery.start": (apc.BATTERY_TEST,),
    "test.battery.stop": (apc.BATTERY_TEST,),
    "test.failure.start": (apc.POWER_FAILURE,),
    "test.panel.start": (apc.PANEL_TEST,),
}
#: A single request that is answered by OK.
_PLAIN: Final = {
    "shutdown.stop": apc.CANCEL,
    "test.failure.start": apc.POWER_FAILURE,
    "test.panel.start": apc.PANEL_TEST,
}
_DONE: Final = (apc.OK, apc.STAR)


class Commands:
    """Changes of one UPS, for its driver."""

    def __init__(self, driver: ApcSmartDriver, ups: Ups) -> None:
        self._driver = driver
        self._ups = ups
        #: Values by variable, as they were last read.
        self.read: dict[str, str] = {}
        self.begin_anew()

    def begin_anew(self) -> None:
        """Another UPS may be attached."""
        self.read.clear()
        self._writable: dict[str, apc.Row] = {}
        self._test_began: float | None = None
        self._bypassed: bool | None = None

    def declare(self, known: frozenset[bytes], choices: Mapping[bytes, tuple[str, ...]]) -> None:
        """Tell what can be changed: what the UPS knows, and has said the choices of."""
        for name, requests in COMMANDS.items():
            if known is apc.SMALL_SET or known.issuperset(requests):
                self._ups.declare_command(name)
        for name, row in apc.BY_NAME.items():
            if name not in self.read or row.request not in known:
                continue
            if row.writable:
                self._ups.declare(Variable(name, writable=True, length=apc.TEXT_SIZE))
            elif row.request in choices:
                values = [row.value(text.encode("ascii")) for text in choices[row.request]]
                shown = tuple(value for value in values if value is not None)
                if len(shown) != len(values):
                    continue  # part of the list was disturbed
                self._ups.declare(Variable(name, writable=True, length=max(map(len, shown)), choices=shown))
            else:
                continue
            self._writable[name] = row

    # -- settings ------------------------------------------------------------------------------------------

    async def write(self, name: str, value: str) -> Outcome:
        """Have a setting at this value.  Raises :class:`OutOfStep`."""
        row = self._writable.get(name)
        if row is None or not value.strip():
            return Outcome.INVALID
        first = await self._driver.read(row)
        if first is None:
            return Outcome.FAILED
        if first == value:
            return Outcome.SUCCESS  # the EEPROM wears with each writing
        if row.writable:
            return await self._write_text(row, value)
        for _ in range(CHOICES_LIMIT):
            if await self._driver.ask(apc.NEXT) != apc.OK:
                return Outcome.FAILED
            now = await self._driver.read(row)
            if now == value:
                return Outcome.SUCCESS
            if now == first:
                break  # it has come round
        return Outcome.FAILED

    async def _write_text(self, row: apc.Row, value: str) -> Outcome:
        driver = self._driver
        driver.send(apc.NEXT)
        for byte in value.encode("ascii", "replace")[: apc.TEXT_SIZE].ljust(apc.TEXT_SIZE, b"\r"):
            await driver.pause(CHARACTER_S)
            driver.send(bytes((byte,)))
        if await driver.answer(REPLY_S) != apc.OK:
            return Outcome.FAILED
        return Outcome.SUCCESS if await driver.read(row) == value.strip() else Outcome.FAILED

    # -- instant commands ----------------------------------------------------------------------------------

    async def carry_out(self, name: str) -> Outcome:
        """Carry out a command.  Raises :class:`OutOfStep`."""
        if name in _PLAIN:
            return self._outcome(await self._driver.ask(_PLAIN[name], star=True))
        if name == "shutdown.return":
            return await self._shutdown_return()
        if name == "shutdown.stayoff":
            return await self._twice(apc.OFF_DELAYED)
        if name in ("load.off", "load.on"):
            return await self._load(name == "load.on")
        if name.startswith("calibrate."):
            return await self._calibrate(name.endswith("start"))
        if name.startswith("bypass."):
            return await self._bypass(name.endswith("start"))
        if name.startswith("test.battery."):
            return await self._test(name.endswith("start"))
        return Outcome.INVALID

    @staticmethod
    def _outcome(reply: bytes) -> Outcome:
        return Outcome.SUCCESS if reply in _DONE else Outcome.FAILED

    async def _shutdown_return(self) -> Outcome:
        driver = self._driver
        await driver.poll()
        if "OB" in driver.words:
            return self._outcome(await driver.ask(apc.SOFT_HIBERNATE, star=True))
        # On line the soft one is refused, and mains is there already to come back to.
        driver.send(apc.HARD_HIBERNATE)
        if await driver.answer(PEEK_S) is not None:
            return Outcome.FAILED
        return self._outcome(await driver.ask(b"000", star=True))

    async def _twice(self, request: bytes) -> Outcome:
        driver = self._driver
        driver.send(request)
        early = await driver.answer(CONFIRM_S)
        if early is not None:
            return Outcome.FAILED  # NA or NO: the second one would mean something else
        return self._outcome(await driver.ask(request, star=True))

    async def _load(self, on: bool) -> Outcome:
        driver = self._driver
        request = apc.LOAD_ON if on else apc.OFF_NOW
        driver.send(request)
        if await driver.answer(CONFIRM_S) is not None:
            return Outcome.FAILED
        driver.send(request)
        if await driver.answer(CONFIRM_S) is not None:
            return Outcome.FAILED
        # No reply is one that says nothing; the status does.
        await driver.poll()
        return Outcome.SUCCESS if ("OFF" in driver.words) is not on else Outcome.UNKNOWN

    async def _calibrate(self, start: bool) -> Outcome:
        driver = self._driver
        await driver.poll()
        if ("CAL" in driver.words) is start:
            return Outcome.SUCCESS  # it is so already, and the request would undo it
        return self._outcome(await driver.ask(apc.CALIBRATION))

    async def _bypass(self, start: bool) -> Outcome:
        if self._bypassed is start:
            return Outcome.SUCCESS
        if not start and self._bypassed is None:
            return Outcome.FAILED  # nobody has put it there that we know of, and the request would
        for _ in range(2):
            reply = await self._driver.ask(apc.BYPASS)
            if reply not in (apc.OK, apc.IN_BYPASS, apc.IN_INVERTER):
                return Outcome.FAILED
            if reply == apc.OK or (reply == apc.IN_BYPASS) is start:
                self._bypassed = start
                return Outcome.SUCCESS
            self._bypassed = not start  # some say where they have gone; once more goes back
        return Outcome.FAILED

    async def _test(self, start: bool) -> Outcome:
        """A battery test is begun and ended by the same request."""
        driver = self._driver
        await driver.poll()
        began = self._test_began
        running = "CAL" in driver.words or (began is not None and driver.now - began < TEST_S)
        if running is start:
            return Outcome.FAILED  # the request would end what may be running, or begin what is not
        outcome = self._outcome(await driver.ask(apc.BATTERY_TEST))
        if outcome is Outcome.SUCCESS:
            self._test_began = driver.now if start else None
        return outcome
