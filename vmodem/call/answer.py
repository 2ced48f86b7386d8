"""Taking calls: from the listeners to the modem.

The way of a call is: accepted, layers put over it (the listener's affair), looked at and asked by the
doorkeeper, offered.  Where nothing is asked that happens at once, without a byte being read; whether it
rings, is busy or refuses is the modem's affair.

What does not belong here: ringing, the listeners' sockets, and who is let in (doorkeeper.py).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from twisted.logger import Logger

from vmodem.net.admission.rules import CallerRules, Decision
from vmodem.net.incoming.connection import Incoming
from vmodem.net.incoming.listen import Listener, ListenError
from vmodem.net.incoming.spoken import Speak
from vmodem.net.stream import LINGER_S, Stream

from .caller import Caller
from .directory import Directory
from .doorkeeper import Doorkeeper, DoorSettings
from .partners import Partners

if TYPE_CHECKING:
    from vmodem.net.pair.ends import Introduction, PairAcceptor

#: Turned-away callers that may still be reading why; of more than these each is cut off at once.
LINGERING: Final = 32
#: How long a turned-away caller may take to read why, in seconds.
DRAIN_S: Final = 2.0
#: A listener that cannot be opened again is tried so often, in seconds.
REOPEN_S: Final = 1.0
#: Kinds of listeners where the other vmodem of a pair can call.
PAIRED: Final = ("tcp", "tcp6", "tls")


@dataclass(frozen=True)
class Words:
    """What the log calls those who come."""

    one: str = "call"
    many: str = "calls"
    #: What they may do.
    do: str = "call"


CALLS: Final = Words()
CLIENTS: Final = Words("client", "clients", "connect")


class Answerer:
    """The listeners of one modem, or of one group.

    ``offer(stream, caller)`` hands a call over, not yet started: True when it was taken, False to have it
    closed.  What it raises is logged and costs that one call only.  ``speak`` as for a listener, ``words``
    for the log.  Raises :class:`vmodem.net.incoming.spec.ListenError` for a string that cannot be
    understood.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        listens: Sequence[str],
        caller_rules: CallerRules,
        offer: Callable[[Stream, Caller], bool],
        *,
        directory: Directory | None = None,
        speak: Speak | None = None,
        words: Words = CALLS,
    ) -> None:
        self._reactor = reactor
        self._words = words
        self._speak = speak
        #: Its settings may be replaced at any time.
        self.door = Doorkeeper(reactor, DoorSettings(rules=caller_rules), reactor.seconds)
        self._offer = offer
        self.directory = directory
        #: Where the other vmodem of a pair is; may be replaced at any time.
        self.partners = Partners()
        self._pairs: PairAcceptor | None = None
        self._lingering: dict[Stream, float] = {}  # until when at the latest
        self._started = self._shut = False
        self._closed: dict[Listener, str] = {}  # to be opened again, with what went wrong at the last try
        self._timer: Any = None
        self.listeners = [Listener(reactor, text, self._accepted, self, speak) for text in listens]

    @property
    def rules(self) -> CallerRules:
        """Which addresses may call; part of the door's settings."""
        return self.door.settings.rules

    @rules.setter
    def rules(self, rules: CallerRules) -> None:
        self.door.settings = replace(self.door.settings, rules=rules)

    def judge(self, host: str) -> Decision:
        """Whether a caller at ``host`` is let in, by the rules of now."""
        return self.rules.judge(host)

    def start(self) -> None:
        """Open every listener, or none.  Raises :class:`vmodem.net.incoming.listen.ListenError`."""
        started: list[Listener] = []
        try:
            for listener in self.listeners:
                listener.start()
                started.append(listener)
        except Exception:
            for listener in started:
                listener.stop()
            raise
        self._started = True
        for listener in self.listeners:
            self._introduce(listener)

    def stop(self) -> None:
        """Close the listeners and cut off whoever was turned away.  Calls that were taken live on."""
        self._started = False
        self._await_none()
        for listener in self.listeners:
            listener.stop()
        self.door.stop()
        if self._pairs is not None:
            self._pairs.stop()
        for stream in list(self._lingering):
            stream.abort()

    def shut(self, shut: bool) -> None:
        """Stop listening while nobody can answer, so that a caller is refused by the system itself and goes
        elsewhere at once; or listen again.  A socket that is another's to close (systemd's) stays: a caller
        would only wait in its queue, and is told that it is busy instead."""
        if shut is self._shut or not self._started:
            return
        self._shut = shut
        self._await_none()
        ours = [listener for listener in self.listeners if not listener.lent]
        if shut:
            for listener in ours:
                listener.stop()
        else:
            self._closed = dict.fromkeys(ours, "")
            self._reopen()

    def drop(self, listens: Sequence[str]) -> None:
        """Close those listeners that are not among ``listens``."""
        for listener in [each for each in self.listeners if each.text not in listens]:
            self.listeners.remove(listener)
            self._closed.pop(listener, None)
            listener.stop()
            self._log.info(
                "no longer listening for {calls} on {address}", calls=self._words.many, address=listener.text
            )

    def add(self, listens: Sequence[str]) -> None:
        """Open those that are new among ``listens``.  Raises :class:`vmodem.net.incoming.spec.ListenError`
        with a line for each that cannot be had; the others are open then."""
        failed: list[ListenError] = []
        for text in listens:
            if any(each.text == text for each in self.listeners):
                continue
            try:
                listener = Listener(self._reactor, text, self._accepted, self, self._speak)
                if self._started:
                    listener.start()
                    if self._shut and not listener.lent:
                        listener.stop()  # it can be had, and will be opened with the others
                    else:
                        self._introduce(listener)
            except ListenError as exc:
                failed.append(exc)
            else:
                self.listeners.append(listener)
        if failed:
            raise ListenError("\n".join(map(str, failed))) from failed[0].__cause__

    @property
    def lacking(self) -> list[str]:
        """Why listeners are not open that should be, each in a sentence."""
        return [f"{reason}; it is tried every second" for reason in self._closed.values() if reason]

    def _introduce(self, listener: Listener) -> None:
        words = self._words
        self._log.info("listening for {calls} on {address}", calls=words.many, address=listener.address)
        exposure = listener.exposure
        if exposure is not None and not self.door.settings.authenticates:
            self._log.warn(
                "{address} can be reached from {exposure}: {who} may {call}, nothing authenticates them",
                call=words.do,
                address=listener.address,
                exposure=exposure,
                who=str(self.door.settings),
            )
        elif exposure is not None:
            self._log.info(
                "{address} can be reached from {exposure}: {who} may {call}",
                call=words.do,
                address=listener.address,
                exposure=exposure,
                who=str(self.door.settings),
            )

    def _reopen(self) -> None:
        self._timer = None
        for listener, before in list(self._closed.items()):
            try:
                listener.start()
            except ListenError as exc:
                self._closed[listener] = str(exc)
                if not before:
                    self._log.error("{reason}; trying again every second", reason=str(exc))
            else:
                del self._closed[listener]
        if self._closed:
            self._timer = self._reactor.callLater(REOPEN_S, self._reopen)

    def _await_none(self) -> None:
        self._closed = {}
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def refuse(self, stream: Stream, text: str | bytes = b"") -> None:
        """Turn a caller away: send ``text``, then close in order.  With 32 such callers already lingering,
        the call is cut off at once."""
        now = self._reactor.seconds()
        self._lingering = {each: until for each, until in self._lingering.items() if until > now}
        if len(self._lingering) >= LINGERING:
            stream.abort()
            return
        self._lingering[stream] = now + DRAIN_S + LINGER_S
        data = text.encode("utf-8", "replace") if isinstance(text, str) else text
        if data:
            stream.write(data)
        stream.close(DRAIN_S)

    @property
    def lingering(self) -> int:
        """Turned-away callers whose connection is not closed yet."""
        return len(self._lingering)

    def _accepted(self, incoming: Incoming) -> None:
        if not self._may_be_partner(incoming):
            self._ordinary(incoming)
            return
        decision = self.judge(incoming.peer.host)
        if not decision.allowed:
            self._refused(incoming, decision.rule)
            incoming.stream.abort()
            return
        if self._pairs is None:
            from vmodem.net.pair.ends import PairAcceptor

            self._pairs = PairAcceptor(self._reactor, self._sorted)
        self._pairs.secret = self.partners.secret
        self._pairs.accept(incoming)

    def _may_be_partner(self, incoming: Incoming) -> bool:
        """Whether to listen for the other vmodem of a pair.  Where callers have to prove something, so has
        it; it has no certificate, but can know a secret."""
        if not self.partners.holds(incoming.peer.host):
            return False
        door = self.door.settings
        if door.certificates is not None or (door.password and not self.partners.secret):
            return False
        specs = [listener.spec for listener in self.listeners if listener.text == incoming.listener]
        return any(spec.kind in PAIRED and not spec.protocol for spec in specs)

    def _sorted(self, incoming: Incoming, who: Introduction | None) -> None:
        """Somebody has called from where a partner is."""
        if who is None:
            self._ordinary(incoming)
            return
        decision = self.door.judge_connection(incoming.peer)
        if decision.allowed:
            self._admitted(incoming, incoming.stream, who)
        else:
            self._refused(incoming, decision.rule)
            self.refuse(incoming.stream)

    def _ordinary(self, incoming: Incoming) -> None:
        decision = self.door.judge_connection(incoming.peer)
        if not decision.allowed:
            self._refused(incoming, decision.rule)
            incoming.stream.abort()
            return
        self.door.admit(
            incoming.stream,
            incoming.peer,
            lambda stream: self._admitted(incoming, stream),
            lambda rule: self._refused(incoming, rule),
        )

    def _refused(self, incoming: Incoming, rule: str) -> None:
        self._log.warn(
            "{call} from {caller} on {listener} refused: {rule}",
            call=self._words.one,
            caller=incoming.peer.printable,
            listener=incoming.listener,
            rule=rule,
        )

    def _admitted(self, incoming: Incoming, stream: Stream, who: Introduction | None = None) -> None:
        def closed() -> None:
            self._lingering.pop(stream, None)

        incoming.closed = closed
        peer = incoming.peer
        match = self.directory.reverse(peer.host) if self.directory is not None and peer.host else None
        caller = Caller(
            printable=peer.printable,
            host=peer.host,
            port=peer.port,
            number=(who and who.number) or (match.rule if match is not None else caller_number(peer.host)),
            name=(who and who.name) or (match.entry.caller_name if match is not None else ""),
            listener=incoming.listener,
            left=self.door.left,
        )
        try:
            taken = self._offer(stream, caller)
        except Exception:
            self._log.failure("taking the call from {caller} failed", caller=peer.printable)
            stream.abort()
            return
        if not taken:
            self.refuse(stream)


def caller_number(host: str) -> str:
    """The number that a device calls back: an IPv4 address as twelve digits, "" for anything else."""
    try:
        return "".join(f"{group:03}" for group in ipaddress.IPv4Address(host).packed)
    except ValueError:
        return ""
