"""The driver of UPSes that speak APC's smart protocol.

Replies do not say what they answer: ``121.5`` may be any voltage.  So whenever one does not come in time, or
is none that its request can have, driver and UPS are out of step; then the line is heard out, and nothing is
believed before the UPS has said that it is in smart mode.  Alerts change the status words at once, and the
status is asked for right after.

What does not belong here: what requests, replies and alerts look like (``vmodem.wire.apcsmart``), and what
clients may have changed (``apccommands``).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Coroutine, Iterable, Mapping
from typing import Any, Final

from vmodem.port.base import Port, Settings, Signals
from vmodem.wire import apcsmart as apc

from .apccommands import Commands
from .model import Done, Health, Outcome, Ups, power_ends
from .options import FACTS, Options
from .polling import Poller

#: A reply is waited for so long, in seconds.
REPLY_S: Final = 3.0
#: And that of ``Y``.
SMART_S: Final = 1.5
SMART_TRIES: Final = 5
#: A line that was silent for so long has nothing more to say.
QUIET_S: Final = 0.3
#: A request that was not answered for so long never will be, in seconds; until then an answer has to be the
#: only one for a while.
FORGOTTEN_S: Final = 12.0
ALONE_S: Final = 0.25
#: A line that is never silent is heard out for so long.
BABBLE_S: Final = 2.0
#: Status requests in turn, answered with nonsense, that are a UPS that does not answer.
FAILURES: Final = 3
#: Variables asked for after each status; all of them take some polls.
EACH_POLL: Final = 6
EACH_POLL_WATCHFUL: Final = 2
#: What was answered with nonsense or not at all so often is not asked for any more.
TRIES: Final = 2
#: A long reply may take so many times the limit, as long as it goes on.
LONG: Final = 4
#: How often the status is asked for anew because an alert came in front of it or inside.
RETAKES: Final = 3

OPTIONS: Final = (*FACTS, "cable-power")
#: Options of the cable's power: circuits on, circuits off.
CABLE_POWER: Final[Mapping[str, tuple[Signals, Signals]]] = {
    "normal": (Signals.DTR, Signals.RTS),  # 940-0095B; 940-0024C does not care
    "none": (Signals.NONE, Signals.NONE),  # as they are
}


def read_options(options: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """How the cable is powered, and what is written of the UPS.  Raises ValueError."""
    chosen = Options(options, OPTIONS)
    return chosen.one_of("cable-power", tuple(CABLE_POWER)), chosen.facts()


class OutOfStep(Exception):
    """What came is no answer to what was asked."""


class ApcSmartDriver(Poller):
    """One UPS.  Raises ValueError for options that mean nothing."""

    name = "apcsmart"

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
        power, facts = read_options(options or {})
        on, off = CABLE_POWER[power]
        super().__init__(reactor, port, ups, poll_s=poll_s, settings=settings, on=on, off=off)
        ups.fix(facts)
        self.replies = apc.Replies()
        self._watchful = 0.0  # until then the answer to an earlier request may come
        # When a reply was last asked for that may hold what are alerts elsewhere.
        self._listed = float("-inf")
        self._commands = Commands(self, ups)
        self._begin_anew()

    def _begin_anew(self) -> None:
        """Nothing is known of what is attached."""
        self._asking = self._listening = False
        self._urgent = False  # an alert asks for the status
        self._reread = False  # an alert asks for settings
        self._failures = 0
        self._identified = False
        self._known: frozenset[bytes] | None = None
        self._nonsense: Counter[bytes] = Counter()
        self._missing: dict[str, None] = {}  # variables that could not be read
        self._rounds: deque[apc.Row] = deque()  # what changes, the next one first
        self._settings_rows: list[apc.Row] = []
        self._words: tuple[str, ...] = ()
        self.replies.idle()
        self._commands.begin_anew()
        self._ups.withdraw()

    # -- the conversation ----------------------------------------------------------------------------------

    async def _converse(self) -> None:
        self._begin_anew()
        if not await self._enter():
            self._ups.stale("no answer")
            return
        while True:
            began = self.now
            try:
                await self.poll()
                if not self._identified:
                    await self._identify()
                if self._reread:
                    self._reread = False
                    await self._ask_all(self._settings_rows)
                await self._ask_some()
                await self._work()
            except OutOfStep as exc:
                if not await self._recover(str(exc)):
                    return
                continue
            if not self._urgent:
                await self._sleep(began + self.poll_s - self.now)

    async def _enter(self) -> bool:
        """Have the UPS in smart mode and the line silent; whether it is."""
        for _ in range(SMART_TRIES):
            await self._hear_out()
            if await self._smart():
                await self._hear_out()
                return True
            self._send(apc.ESCAPE)
        return False

    async def _recover(self, reason: str) -> bool:
        """Get into step again; False when the UPS does not answer, or answers with nonsense only."""
        self._watchful = self.now + FORGOTTEN_S
        self.log.debug("ups {name}: out of step: {reason}", name=self._ups.name, reason=reason)
        await self._hear_out()
        if self._failures < FAILURES and await self._smart():
            await self._hear_out()
            return True
        self._ups.stale(reason)
        return False

    async def _smart(self) -> bool:
        end = self.now + SMART_S
        self._send(apc.SMART)
        while (left := end - self.now) > 0:
            event = await self._answer(left)
            if event is None:
                break
            if event == apc.Reply(apc.IN_SMART_MODE):
                return True
            self.replies.expect()
        self._watchful = self.now + FORGOTTEN_S
        return False

    async def poll(self) -> None:
        """Ask for the status and publish it.  Raises :class:`OutOfStep`."""
        words: tuple[str, ...] | None = None
        told = self._ups.words
        for _ in range(RETAKES):
            self._urgent = False
            try:
                text = await self.ask(apc.STATUS)
            except OutOfStep:
                self._failures += 1
                raise
            words = apc.status(text)
            if words is None:
                self._failures += 1
                raise OutOfStep("a status that makes no sense")
            if self._urgent:
                continue  # what was said while it was being answered is newer than the answer
            if not power_ends(words) or power_ends(told):
                break
            told = words  # one wrong character would have machines shut down: it has to be said twice
        assert words is not None
        self._failures = 0
        self._words = words
        self._ups.publish(self._missing, words)
        self._missing = {}

    # -- variables -----------------------------------------------------------------------------------------

    async def _identify(self) -> None:
        """Ask what the UPS knows and what does not change, looking at the status all the while.  Begun again
        after a failure, it goes on where that was."""
        self._ups.facts({"ups.mfr": "APC", "device.mfr": "APC"})
        if self._known is None:
            self._learn(await self._try(apc.CAPABILITIES))
        assert self._known is not None
        await self._ask_all([row for row in self._settings_rows if row.name not in self._commands.read])
        choices: dict[bytes, tuple[str, ...]] = {}
        if apc.CHOICES in self._known:
            locale = apc.locale(self._commands.read.get("ups.firmware", ""))
            choices = apc.choices(await self._try(apc.CHOICES), locale)
        self._commands.declare(self._known, choices)
        self._identified = True

    def _learn(self, text: bytes) -> None:
        known = apc.known(text)
        if known is None and text not in (b"", apc.NOT_AVAILABLE):
            self._nonsense[apc.CAPABILITIES] += 1
            raise OutOfStep("a list of commands that makes no sense")
        if known is None:
            known = apc.SMALL_SET
        elif apc.FIRMWARE in known:
            known -= {apc.FIRMWARE_OLD}
        self._known = known
        rows = [row for row in apc.ROWS if row.request in known]
        self._rounds.extend(row for row in rows if row.changes)
        self._settings_rows.extend(row for row in rows if not row.changes)

    async def _try(self, request: bytes) -> bytes:
        """The reply to what old units do not know, alerts and all; b"" when there never is one."""
        if self._nonsense[request] >= TRIES:
            return b""
        try:
            return await self.ask(request, raw=True)
        except OutOfStep:
            self._nonsense[request] += 1
            raise

    async def _ask_all(self, rows: Iterable[apc.Row]) -> None:
        due = self.now + self.poll_s
        for row in list(rows):
            await self.read(row)
            if self._urgent or self.now >= due:
                due = self.now + self.poll_s
                await self.poll()

    async def _ask_some(self) -> None:
        """The next few of what changes."""
        few = EACH_POLL if self.now >= self._watchful else EACH_POLL_WATCHFUL
        for _ in range(min(few, len(self._rounds))):
            if self._urgent or self._tasks or not self._rounds:
                return
            row = self._rounds[0]
            self._rounds.rotate(-1)
            await self.read(row)

    async def read(self, row: apc.Row) -> str | None:
        """Ask for a variable and publish it; None when the UPS does not have it.  Raises
        :class:`OutOfStep`."""
        self._commands.read.pop(row.name, None)
        try:
            text = await (self._text(row.request) if row.text else self.ask(row.request))
            value = row.value(text)
            if value is None and text != apc.NOT_AVAILABLE:
                raise OutOfStep(f"{row.name} makes no sense")
        except OutOfStep:
            self._missing[row.name] = None
            self._nonsense[row.request] += 1
            if self._nonsense[row.request] >= TRIES:
                self._drop(row)
            raise
        if text == apc.NOT_AVAILABLE:
            self._drop(row)
            self._missing[row.name] = None
            return None
        assert value is not None
        self._nonsense.pop(row.request, None)
        self._missing.pop(row.name, None)
        self._commands.read[row.name] = value
        values: dict[str, str | None] = {row.name: value}
        if row.name in ("ups.model", "ups.serial"):
            values[row.name.replace("ups.", "device.")] = value
        self._ups.publish(values)
        return value

    async def _text(self, request: bytes) -> bytes:
        """A text that may hold what is an alert elsewhere: it is believed when it comes twice."""
        text = await self.ask(request, raw=True)
        for _ in range(RETAKES):
            if not apc.holds_alert(text):
                break
            self._urgent = True  # perhaps it was one
            before, text = text, await self.ask(request, raw=True)
            if text == before:
                break
        return text

    def _drop(self, row: apc.Row) -> None:
        rows: deque[apc.Row] | list[apc.Row]
        for rows in (self._rounds, self._settings_rows):
            if row in rows:
                rows.remove(row)

    # -- one exchange --------------------------------------------------------------------------------------

    async def ask(
        self, request: bytes, *, limit: float = REPLY_S, raw: bool = False, star: bool = False
    ) -> bytes:
        """The reply to a request.  Raises :class:`OutOfStep` when there is none."""
        self._send(request, raw=raw, star=star)
        event = await self._answer(limit)
        if isinstance(event, apc.Garbled):
            raise OutOfStep(event.reason)
        if event is None:
            raise OutOfStep("no answer")
        if self.now < self._watchful and await self._overhear(ALONE_S):
            raise OutOfStep("an answer too many")
        return event.text

    def _send(self, request: bytes, *, raw: bool = False, star: bool = False) -> None:
        self.replies.expect(raw=raw, star=star)
        if raw:
            self._listed = self.now
        self._port.write(request)

    def send(self, data: bytes) -> None:
        """Send what is not answered, or not at once."""
        self._send(data)

    async def pause(self, seconds: float) -> None:
        """Let time pass inside a command; what the UPS says meanwhile is heard."""
        end = self.now + seconds
        while (left := end - self.now) > 0:
            await self._wait(left)

    async def answer(self, limit: float) -> bytes | None:
        """The reply to what was sent; None when there was none in time.  Raises :class:`OutOfStep`."""
        event = await self._answer(limit)
        if isinstance(event, apc.Garbled):
            raise OutOfStep(event.reason)
        return event.text if event is not None else None

    async def _answer(self, limit: float) -> apc.Reply | apc.Garbled | None:
        end = self.now + LONG * limit
        self._asking = True
        try:
            while True:
                event: apc.Reply | apc.Garbled | bytes | None = await self._wait(limit)
                if not isinstance(event, bytes):
                    return event
                if self.now >= end:
                    return None
        finally:
            self._asking = False

    async def _hear_out(self) -> None:
        """Wait until nothing more is said."""
        end = self.now + BABBLE_S
        self.replies.idle()
        while await self._overhear(QUIET_S) and self.now < end:
            pass
        self.replies.idle()

    async def _overhear(self, seconds: float) -> bool:
        """Whether anything but alerts is said in this time."""
        self._listening = True
        try:
            return await self._wait(seconds) is not None
        finally:
            self._listening = False

    def _hear(self, data: bytes) -> None:
        listening = self._listening
        for event in self.replies.receive(data):
            if isinstance(event, apc.Alerted):
                self._alerted(event)
            elif self._asking:
                self._asking = False
                self._give(event)
        if (listening and not apc.only_alerts(data)) or (self._asking and self.replies.raw):
            self._give(data)
        elif self._urgent or self._reread:
            self._rouse()

    def _spoil(self) -> None:
        self.replies.spoil()

    def _alerted(self, event: apc.Alerted) -> None:
        self._urgent = True
        # While a list of what the UPS knows may come late, what looks like an alert may be a part of that.
        late = self.now < min(self._watchful, self._listed + FORGOTTEN_S)
        certain = event.certain and not late
        if event.alert is apc.Alert.SETTING_CHANGED:
            self._reread = True
        if event.alert is apc.Alert.TURNING_OFF and certain:
            self.log.warn("ups {name}: is turning the load off", name=self._ups.name)
        if certain and self._words and self._ups.health is Health.FINE:
            words = apc.after(self._words, event.alert)
            if words != self._words:
                self._words = words
                self._ups.set_status(words)

    # -- what is wanted ------------------------------------------------------------------------------------

    def _say_goodbye(self) -> None:
        self._port.write(apc.DUMB)

    def set_variable(self, name: str, value: str, done: Done) -> None:
        """Change a setting in the UPS."""
        self._later(lambda: self._guarded(self._commands.write(name, value)), done)

    def instant_command(self, name: str, argument: str, done: Done) -> None:
        """Carry out a command."""
        if argument:
            done(Outcome.INVALID)
            return
        self._later(lambda: self._guarded(self._commands.carry_out(name)), done)

    async def _guarded(self, work: Coroutine[Any, Any, Outcome]) -> Outcome:
        try:
            return await work
        except OutOfStep as exc:
            if not await self._recover(str(exc)):
                return Outcome.UNKNOWN
            return Outcome.FAILED

    @property
    def words(self) -> tuple[str, ...]:
        """Status words as last told."""
        return self._words
