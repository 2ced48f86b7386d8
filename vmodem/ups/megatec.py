"""The driver of UPSes that speak the Megatec (Q1) protocol.

What does not belong here: what requests and replies look like, and which reply belongs to which request
(``megatecline``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from vmodem.port.base import Port, Settings, Signals
from vmodem.wire import megatec

from . import battery
from .megatecline import MegatecLine
from .model import Done, Health, Outcome, Ups, Variable, power_ends
from .options import FACTS, Options

#: So many failed polls running, or no good one for so long (but never one failure alone), are a UPS that does
#: not answer.
FAILURES: Final = 5
SILENCE_S: Final = 10.0
#: The longest pause after a failed poll, in seconds.
RETRY_S: Final = 2.0
#: Tries of a request whose answer is not needed.
TRIES: Final = 3
#: While no dialect is answered: seconds between requests, and how often a round has the familiar one.
PROBE_S: Final = 0.25
FAMILIAR: Final = 4

OPTIONS: Final = (
    *FACTS,
    "no-ratings",
    "no-vendor",
    "ignore-shutdown-bit",
    "cable-power",
    "battery-nominal",
    "battery-low",
    "battery-high",
    "runtime",
)
#: Options of the cable's power: circuits on, circuits off.
CABLE_POWER: Final[Mapping[str, tuple[Signals, Signals]]] = {
    "normal": (Signals.DTR, Signals.RTS),
    "reverse": (Signals.RTS, Signals.DTR),
    "both": (Signals.DTR | Signals.RTS, Signals.NONE),
    "none": (Signals.NONE, Signals.DTR | Signals.RTS),
}

_DELAYS: Final = {"ups.delay.start": megatec.ON_DELAY_S, "ups.delay.shutdown": megatec.OFF_DELAY_S}
_COMMANDS: Final = (
    "beeper.toggle",
    "load.off",
    "load.on",
    "shutdown.return",
    "shutdown.stayoff",
    "shutdown.stop",
    "test.battery.start",
    "test.battery.start.deep",
    "test.battery.start.quick",
    "test.battery.stop",
)
_PLAIN: Final = {
    "beeper.toggle": megatec.BEEPER,
    "load.off": megatec.LOAD_OFF,
    "load.on": megatec.CANCEL,
    "shutdown.stop": megatec.CANCEL,
    "test.battery.start.deep": megatec.TEST_DEEP,
    "test.battery.start.quick": megatec.TEST_QUICK,
    "test.battery.stop": megatec.TEST_STOP,
}
#: Minutes of a battery test when nobody says.
TEST_MINUTES: Final = 10

T = TypeVar("T")


@dataclass(frozen=True)
class Chosen:
    """Options, taken apart."""

    facts: dict[str, str]
    power: str
    no_ratings: bool
    no_vendor: bool
    ignore_shutdown_bit: bool
    #: Volts; 0 is what the UPS says, or what follows from that.
    nominal: float
    low: float
    high: float
    calibration: battery.Calibration | None


def read_options(options: Mapping[str, str]) -> Chosen:
    """Take options apart.  Raises ValueError for what means nothing."""
    chosen = Options(options, OPTIONS)
    text = chosen.text("runtime")
    low, high = (chosen.number(f"battery-{end}", 0.0, 0.5, 1000.0) for end in ("low", "high"))
    if low and high and low >= high:
        raise ValueError(f"battery-low is {low:g} V and battery-high {high:g} V; the full battery has more")
    return Chosen(
        chosen.facts(),
        chosen.one_of("cable-power", tuple(CABLE_POWER)),
        chosen.switch("no-ratings"),
        chosen.switch("no-vendor"),
        chosen.switch("ignore-shutdown-bit"),
        chosen.number("battery-nominal", 0.0, 1.0, 1000.0),
        low,
        high,
        battery.Calibration.parse(text) if text else None,
    )


class MegatecDriver(MegatecLine):
    """One UPS.  Raises ValueError for options that mean nothing."""

    name = "megatec"

    def __init__(
        self,
        reactor: Any,
        port: Port,
        ups: Ups,
        *,
        poll_s: float = 2.0,
        settings: Settings | None = None,
        options: Mapping[str, str] | None = None,
    ) -> None:
        chosen = self._chosen = read_options(options or {})
        on, off = CABLE_POWER[chosen.power]
        super().__init__(reactor, port, ups, poll_s=poll_s, settings=settings, on=on, off=off)
        ups.fix(chosen.facts)
        self._delays = {"ups.delay.start": 180, "ups.delay.shutdown": 30}
        self._dialect = megatec.STATUS[0]
        self._known = False  # it was answered
        self._begin_anew()

    def _begin_anew(self) -> None:
        """Nothing is known of what is attached, but that it may be what was there before."""
        calibration = self._chosen.calibration
        self._forget_replies()
        self._identified = False
        self._rated: float | None = None  # nominal battery voltage, V
        self._blocks: float | None = None  # what the reported battery voltage is multiplied by
        self._runtime = battery.Runtime(calibration) if calibration else None
        self._failures = 0
        self._good = self.now

    # -- the conversation ----------------------------------------------------------------------------------

    async def _converse(self) -> None:
        self._begin_anew()
        await self._find()
        await self._identify()
        while self._ups.health is Health.FINE or not self._failures:
            began = self.now
            await self._poll()
            if not self._tasks:
                pause = min(self.poll_s, RETRY_S) if self._failures else self.poll_s
                await self._sleep(began + pause - self.now)
            await self._work()

    async def _find(self) -> None:
        """Try the dialects until one is answered, the one that was answered before most of all."""
        others = [request for request in megatec.STATUS if request != self._dialect]
        while True:
            for request in (*[self._dialect] * (FAMILIAR if self._known else 1), *others):
                self._request = request
                if await self._poll(patient=request == self._dialect):
                    self._dialect, self._known = request, True
                    return
                await self._sleep(PROBE_S)

    async def _identify(self) -> None:
        """Ask what does not change, as far as it may be asked; then the rest can be made of the status."""
        ratings: megatec.Ratings | None = None
        vendor: megatec.Vendor | None = None
        if not self._chosen.no_ratings:
            ratings = await self._try(megatec.RATINGS, megatec.ratings, megatec.RATINGS_SIZE)
        if not self._chosen.no_vendor:
            for request in megatec.VENDOR:
                if vendor is None:
                    vendor = await self._try(request, megatec.vendor, megatec.VENDOR_SIZE)
        facts: dict[str, str | None] = {
            "input.voltage.nominal": ratings.voltage if ratings else None,
            "input.current.nominal": ratings.current if ratings else None,
            "battery.voltage.nominal": ratings.battery if ratings else None,
            "input.frequency.nominal": ratings.frequency if ratings else None,
            "ups.firmware": vendor.version or None if vendor else None,
        }
        for key, text in (
            ("mfr", vendor.maker if vendor else ""),
            ("model", vendor.model if vendor else ""),
        ):
            facts[f"ups.{key}"] = facts[f"device.{key}"] = text or "unknown"
        self._ups.facts(facts)
        self._rated = float(ratings.battery) if ratings and ratings.battery else None
        self._identified = True

    async def _try(self, request: bytes, parse: Callable[[bytes], T | None], size: int) -> T | None:
        """Ask for what some units do not know; between tries the status is looked at.  A reply shorter than
        ``size`` may have lost a character, so it has to come twice: it is believed for good."""
        before: bytes | None = None
        for _ in range(TRIES):
            line = await self._exchange(request)
            found = parse(line) if line is not None else None
            if line is not None and megatec.refused(line, request):
                return None
            if line is not None and found is not None:
                if line == before or len(line) == size:
                    return found
                before = line
            await self._poll()
        return None

    async def _poll(self, patient: bool = True) -> bool:
        """Ask for the status and publish it; whether there was one."""
        found = await self._status(patient)
        if found is not None and self._is_the_end(found):
            # There is no checksum, and one wrong bit would have machines shut down: it has to be said twice.
            found = await self._status(patient)
        now = self.now
        if found is None:
            self._failures += 1
            silent = now - self._good >= SILENCE_S and self._failures > 1
            if self._failures >= FAILURES or silent:
                self._ups.stale("no answer, or one that makes no sense")
            return False
        self._failures, self._good = 0, now
        if not self._ups.commands:
            self._declare()
        self._publish(found, now)
        return True

    def _is_the_end(self, found: megatec.Status) -> bool:
        """Whether this says that power is about to end, and that is news."""
        return power_ends(self._words(found)) and not power_ends(self._ups.words)

    def _gone(self, reason: str) -> None:
        super()._gone(reason)
        self._known = False

    # -- what is told --------------------------------------------------------------------------------------

    def _declare(self) -> None:
        for name, (least, most) in _DELAYS.items():
            self._ups.declare(Variable(name, writable=True, ranges=((least, most),)))
        self._ups.facts({name: str(delay) for name, delay in self._delays.items()})
        for name in _COMMANDS:
            self._ups.declare_command(name)

    def _alarms(self, found: megatec.Status) -> list[str]:
        alarms = ["UPS failed"] if found.failed else []
        if found.shutting_down and not self._chosen.ignore_shutdown_bit:
            alarms.append("Shutdown is running")
        return alarms

    def _words(self, found: megatec.Status) -> list[str]:
        words = ["ALARM"] if self._alarms(found) else []
        words.append("OB" if found.mains_failed else "OL")
        if found.battery_low:
            words.append("LB")
        if found.testing:
            words.append("CAL")
        if found.regulating:
            words += _regulation(found)
        if found.shutting_down and not self._chosen.ignore_shutdown_bit:
            words.append("FSD")
        return words

    def _publish(self, found: megatec.Status, now: float) -> None:
        values: dict[str, str | None] = {
            "input.voltage": found.input_voltage,
            "input.voltage.fault": found.input_fault,
            "output.voltage": found.output_voltage,
            "ups.load": found.load,
            "input.frequency": found.frequency,
            "ups.temperature": found.temperature,
            "ups.beeper.status": "enabled" if found.beeper else "disabled",
            "ups.type": "offline / line interactive" if found.standby else "online",
            "ups.alarm": "; ".join(self._alarms(found)) or None,
            **self._battery(found, now),
        }
        self._ups.publish(values, self._words(found))

    def _battery(self, found: megatec.Status, now: float) -> dict[str, str | None]:
        """Battery figures: none before the ratings were asked for, for a unit may tell the voltage of a
        cell."""
        values: dict[str, str | None] = dict.fromkeys(
            (
                "battery.voltage",
                "battery.voltage.low",
                "battery.voltage.high",
                "battery.charge",
                "battery.runtime",
            )
        )
        nominal = self._chosen.nominal or self._rated
        if found.battery is None or not (self._identified or nominal):
            return values
        if not nominal:
            values["battery.voltage"] = found.battery
            return values
        reported = float(found.battery)
        if self._blocks is None:
            self._blocks = battery.multiplier(reported, nominal)
        if self._blocks is None:
            values["battery.voltage"] = found.battery  # empty or missing: no guess
            return values
        voltage = reported * self._blocks
        low, high = battery.limits(nominal)
        low, high = self._chosen.low or low, self._chosen.high or high
        values["battery.voltage"] = found.battery if self._blocks == 1 else f"{voltage:.2f}"
        values["battery.voltage.low"], values["battery.voltage.high"] = f"{low:.1f}", f"{high:.1f}"
        if high > low:
            percent = battery.charge(voltage, low, high)
            values["battery.charge"] = f"{percent:.0f}"
            if self._runtime is not None and found.load is not None:
                left = self._runtime.update(now, float(found.load), percent, found.mains_failed)
                values["battery.runtime"] = f"{left:.0f}"
        return values

    # -- what is wanted ------------------------------------------------------------------------------------

    def set_variable(self, name: str, value: str, done: Done) -> None:
        """Change a delay: it is the driver's own, and goes with the next shutdown.  What the protocol cannot
        say becomes the next longer one that it can."""
        bounds = _DELAYS.get(name)
        if bounds is None or not value.isdecimal() or not bounds[0] <= int(value) <= bounds[1]:
            done(Outcome.INVALID)
            return
        rounded = megatec.start_delay if name == "ups.delay.start" else megatec.shutdown_delay
        self._delays[name] = rounded(int(value))
        self._ups.facts({name: str(self._delays[name])})
        done(Outcome.SUCCESS)

    def instant_command(self, name: str, argument: str, done: Done) -> None:
        """Carry out a command: see the table of the reference."""
        try:
            requests = self._requests(name, argument)
        except ValueError:
            done(Outcome.INVALID)
            return
        self._later(lambda: self._carry_out(requests), done)

    def _requests(self, name: str, argument: str) -> list[bytes]:
        if name == "test.battery.start":
            minutes = argument or str(TEST_MINUTES)
            if not minutes.isdecimal() or len(minutes) > 2:
                raise ValueError(minutes)
            return [megatec.battery_test(int(minutes))]
        if argument:
            raise ValueError(argument)
        off = self._delays["ups.delay.shutdown"]
        # What is pending already is cleared before, or the UPS would go by that.
        if name == "shutdown.return":
            on = self._delays["ups.delay.start"]
            return [megatec.CANCEL, megatec.shutdown_return(off, on)]
        if name == "shutdown.stayoff":
            return [megatec.CANCEL, megatec.shutdown_stayoff(off)]
        if name not in _PLAIN:
            raise ValueError(name)
        return [_PLAIN[name]]

    async def _carry_out(self, requests: list[bytes]) -> Outcome:
        """Silence is consent; but a UPS that has just become silent altogether consents to nothing."""
        told: bytes | None = None
        for request in requests:
            told = await self._exchange(request)
        if told is not None:
            if megatec.acknowledged(told):
                return Outcome.SUCCESS
            return Outcome.FAILED if megatec.refused(told, requests[-1]) else Outcome.UNKNOWN
        return Outcome.SUCCESS if await self._poll() else Outcome.UNKNOWN


def _regulation(found: megatec.Status) -> list[str]:
    """What the bit of bypass, boost and buck means, by what comes in and what goes out."""
    if found.input_voltage is None or found.output_voltage is None or not float(found.input_voltage):
        return []
    ratio = float(found.output_voltage) / float(found.input_voltage)
    for limit, words in ((0.5, []), (0.95, ["TRIM"]), (1.05, ["BYPASS"]), (1.5, ["BOOST"])):
        if ratio < limit:
            return words
    return []
