"""The two ends of a pair at work on connections: who dials agrees and dials again, who is called takes up.

:class:`PairDialer` turns a connection just made into a call to a partner, :class:`PairAcceptor` sorts the
connections that come in from where partners are: new calls, calls that go on, and everybody else's.

What does not belong here: which addresses are partners', and what travels once the ends have agreed
(:mod:`vmodem.net.pair.stream`).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from twisted.logger import Logger

from vmodem.net.incoming.connection import Incoming
from vmodem.net.layer import Opening
from vmodem.net.pair.stream import PairStream
from vmodem.net.signals import Unanswered
from vmodem.net.stream import Ending, Stream
from vmodem.net.telnet.pushback import PushedBack
from vmodem.wire.pair import PairSession
from vmodem.wire.pairhello import (
    NONCE_SIZE,
    SESSION_SIZE,
    Agreed,
    CalledHello,
    CallerHello,
    Outcome,
    Reason,
    Refused,
    Resume,
    Stranger,
)

#: How long a caller waits for the agreement, in seconds: connections are made, the way there is known.
AGREE_S: Final = 5.0
#: How long somebody who calls from where a partner is may take to turn out as one, in seconds.
HELLO_S: Final = 2.0
#: Callers that may be agreeing at one time; of more than these the oldest is cut off.
AGREEING: Final = 32
#: How long somebody with the wrong secret waits to hear so, in seconds.
WRONG_SECRET_S: Final = 1.0
#: How long one attempt at another connection may take, and the first and the longest pause between the
#: beginnings of two, in seconds.
ATTEMPT_S: Final = 5.0
PAUSE_S: Final = 0.25
LONGEST_PAUSE_S: Final = 2.0

#: Makes another connection to where the first one went.  Exactly one of the callbacks is called, neither
#: before it returned nor after ``cancel()``; the stream is not started.
Reconnect = Callable[[Callable[[Stream], None], Callable[[str], None]], Opening]


@dataclass(frozen=True)
class Introduction:
    """What a caller says of itself; digits and printable characters only."""

    number: str
    name: str


class _Greeting:
    """One agreement on one connection, which it starts.  ``done(outcome, ending)`` is called once, with
    outcome None when the connection ended or ``limit_s`` ran out first; ``ending`` is the connection's, if it
    has ended.  What goes with a refusal is not sent but kept, in ``last_words``."""

    def __init__(
        self,
        reactor: Any,
        stream: Stream,
        hello: CallerHello | CalledHello,
        limit_s: float,
        done: Callable[[Outcome, Ending | None], None],
    ) -> None:
        self.stream = stream
        self.last_words = b""
        self._hello = hello
        self._done = done
        self._over = False
        self._timer = reactor.callLater(limit_s, self._expired)
        stream.start(self)
        if isinstance(hello, CallerHello):
            stream.write(hello.hello)

    def cancel(self) -> None:
        """Nothing of it is wanted any more; the connection stays the caller's to end."""
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def data_received(self, data: bytes) -> None:
        if self._over:
            return
        out = self._hello.receive(data)
        outcome = self._hello.outcome
        if outcome is not None:
            self.cancel()
            # Nothing may come before whoever is next has been put in charge.
            self.stream.pause()
        if isinstance(outcome, Refused):
            self.last_words = out
        elif out:
            self.stream.write(out)
        if outcome is not None:
            self._done(outcome, None)

    def write_blocked(self) -> None:
        pass  # an agreement is smaller than any buffer

    def write_drained(self) -> None:
        pass

    def stream_ended(self, ending: Ending) -> None:
        if not self._over:
            self.cancel()
            self._done(None, ending)

    def _expired(self) -> None:
        self._timer = None
        self._over = True
        self.stream.pause()
        self._done(None, None)


class PairDialer:
    """A call to a partner over ``stream``, a connection just made.

    ``rang()`` is called when the far modem rings, then exactly one of ``answered(stream)``, ``refused(why)``
    and ``failed(reason)``; none of them before the constructor returned.  ``reconnect`` is asked for other
    connections for as long as the stream handed over lives.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        stream: Stream,
        reconnect: Reconnect,
        *,
        answered: Callable[[PairStream], None],
        refused: Callable[[Unanswered], None],
        failed: Callable[[str], None],
        rang: Callable[[], None],
        number: str = "",
        name: str = "",
        secret: bytes = b"",
    ) -> None:
        self._reactor = reactor
        self._reconnect = reconnect
        self._answered = answered
        self._refused = refused
        self._failed = failed
        self._rang = rang
        self._secret = secret
        self._peer = stream.peer
        self._pair: PairStream | None = None
        self._name = b""  # of the session
        self._tries = 0
        self._pause_s = PAUSE_S
        self._began = 0.0  # the present try
        self._timer: Any = None
        self._connecting: Opening | None = None
        hello = CallerHello(secrets.token_bytes(NONCE_SIZE), number, name, secret)
        self._greeting: _Greeting | None = _Greeting(reactor, stream, hello, AGREE_S, self._agreed)

    def cancel(self) -> None:
        """Give up: the far modem is told, no timer is left, no callback comes any more."""
        self._stop()
        if self._pair is not None:
            self._pair.abort()

    # -- the call ------------------------------------------------------------------------------------------

    def _agreed(self, outcome: Outcome, ending: Ending | None) -> None:
        assert self._greeting is not None
        stream, self._greeting = self._greeting.stream, None
        if isinstance(outcome, Agreed):
            self._name = outcome.session
            pair = self._pair = PairStream(self._reactor, PairSession(), self._peer, called=False)
            pair.rang = self._rang
            pair.was_answered = self._was_answered
            pair.was_refused = self._was_refused
            pair.failed = self._ended
            pair.wants_connection = self._again
            pair.left = self._stop
            pair.attach(stream, outcome.received, outcome.rest)
            return
        stream.abort()
        self._failed(_why(outcome, ending))

    def _was_answered(self) -> None:
        assert self._pair is not None
        self._answered(self._pair)

    def _was_refused(self, why: Unanswered) -> None:
        assert self._pair is not None
        self._pair.close(0.0)
        self._refused(why)

    def _ended(self, ending: Ending) -> None:
        assert self._pair is not None
        self._pair.close(0.0)
        self._failed(f"{ending.cause.value}: {ending.detail}")

    # -- other connections ---------------------------------------------------------------------------------

    def _again(self) -> None:
        """The connection is lost: try for another, at once and then with pauses."""
        self._pause_s = PAUSE_S
        self._timer = self._reactor.callLater(0, self._try)

    def _try(self) -> None:
        self._began = float(self._reactor.seconds())
        self._timer = self._reactor.callLater(ATTEMPT_S, self._try_failed, "it takes too long")
        self._connecting = self._reconnect(self._connected, self._try_failed)

    def _connected(self, stream: Stream) -> None:
        pair = self._pair
        assert pair is not None
        self._connecting = None
        self._tries += 1
        resume = Resume(self._name, pair.session.received, self._tries)
        hello = CallerHello(secrets.token_bytes(NONCE_SIZE), secret=self._secret, resume=resume)
        self._greeting = _Greeting(self._reactor, stream, hello, ATTEMPT_S, self._agreed_again)

    def _agreed_again(self, outcome: Outcome, ending: Ending | None) -> None:
        assert self._greeting is not None
        assert self._pair is not None
        stream, self._greeting = self._greeting.stream, None
        if isinstance(outcome, Agreed):
            self._stop()
            self._log.info("{peer}: the call goes on", peer=self._peer)
            self._pair.attach(stream, outcome.received, outcome.rest)
            return
        stream.abort()
        if isinstance(outcome, Refused):
            self._pair.give_up(outcome.reason.text)
        else:
            self._try_failed(_why(outcome, ending))

    def _try_failed(self, reason: str) -> None:
        self._stop()
        self._log.debug("{peer}: no other connection: {reason}", peer=self._peer, reason=reason)
        left_s = max(PAUSE_S, self._began + self._pause_s - float(self._reactor.seconds()))
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
        self._timer = self._reactor.callLater(left_s, self._try)

    def _stop(self) -> None:
        """Nothing is being tried any more."""
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()
        connecting, self._connecting = self._connecting, None
        if connecting is not None:
            connecting.cancel()
        greeting, self._greeting = self._greeting, None
        if greeting is not None:
            greeting.cancel()
            greeting.stream.abort()


class PairAcceptor:
    """Takes the connections that come in from where partners are; one for each modem or group.

    ``offer(incoming, introduction)`` is called for every call: a partner's, with ``incoming.stream`` a
    :class:`vmodem.net.pair.stream.PairStream`, and with None anybody else's, with not a byte of it lost.
    """

    _log = Logger()

    def __init__(
        self, reactor: Any, offer: Callable[[Incoming, Introduction | None], None], secret: bytes = b""
    ) -> None:
        self._reactor = reactor
        self._offer = offer
        #: May be replaced at any time.
        self.secret = secret
        self._agreeing: dict[Incoming, Any] = {}  # what can be cancelled
        self._calls: dict[bytes, PairStream] = {}
        self._attempts: dict[bytes, int] = {}

    def accept(self, incoming: Incoming) -> None:
        """Somebody connected."""
        while len(self._agreeing) >= AGREEING:
            self._drop(next(iter(self._agreeing)))
        hello = CalledHello(
            secrets.token_bytes(NONCE_SIZE), secrets.token_bytes(SESSION_SIZE), self._found, self.secret
        )
        self._agreeing[incoming] = _Greeting(
            self._reactor,
            incoming.stream,
            hello,
            HELLO_S,
            lambda outcome, ending: self._agreed(incoming, hello, outcome, ending),
        )

    def stop(self) -> None:
        """Cut off whoever is still agreeing; calls live on."""
        for incoming in list(self._agreeing):
            self._drop(incoming)

    def _drop(self, incoming: Incoming) -> None:
        self._agreeing.pop(incoming).cancel()
        incoming.stream.abort()

    def _found(self, name: bytes, attempt: int) -> int | None:
        """What has been received of a call that is to go on."""
        pair = self._calls.get(name)
        if pair is None or attempt <= self._attempts.get(name, 0):
            return None
        received = pair.going_on()
        if received is not None:
            self._attempts[name] = attempt
        return received

    def _agreed(
        self, incoming: Incoming, hello: CalledHello, outcome: Outcome, ending: Ending | None
    ) -> None:
        greeting: _Greeting = self._agreeing.pop(incoming)
        stream, caller = incoming.stream, incoming.peer.printable
        if isinstance(outcome, Agreed):
            if outcome.resumed:
                self._log.info("{caller}: the call goes on", caller=caller)
                self._calls[outcome.session].attach(stream, outcome.received, outcome.rest)
            else:
                self._begin(incoming, outcome)
        elif isinstance(outcome, Refused):
            self._log.warn("pair: {caller} refused: {reason}", caller=caller, reason=outcome.reason.text)
            self._see_off(incoming, outcome.reason, greeting.last_words)
        elif hello.recognised:
            self._log.warn("pair: {caller} began and did not go on", caller=caller)
            stream.abort()
        elif ending is not None and not hello.heard:
            self._log.debug("{caller} has left again", caller=caller)
            stream.abort()
        else:
            data = outcome.data if isinstance(outcome, Stranger) else hello.heard
            if data or ending is not None:
                incoming.stream = PushedBack(self._reactor, stream, data, ending)
            self._offer(incoming, None)

    def _begin(self, incoming: Incoming, agreed: Agreed) -> None:
        pair = PairStream(self._reactor, PairSession(), incoming.peer.printable, called=True)
        self._calls[agreed.session] = pair
        pair.left = lambda: self._forget(agreed.session)
        pair.attach(incoming.stream, agreed.received, agreed.rest)
        incoming.stream = pair
        self._offer(incoming, Introduction(agreed.number, agreed.name))

    def _forget(self, name: bytes) -> None:
        self._calls.pop(name, None)
        self._attempts.pop(name, None)

    def _see_off(self, incoming: Incoming, reason: Reason, words: bytes) -> None:
        """Say why not, to who guesses at secrets only after a while."""

        def close() -> None:
            del self._agreeing[incoming]
            incoming.stream.write(words)
            incoming.stream.close(HELLO_S)

        wait_s = WRONG_SECRET_S if reason is Reason.SECRET else 0
        self._agreeing[incoming] = self._reactor.callLater(wait_s, close)


def _why(outcome: Outcome, ending: Ending | None) -> str:
    """Why there is no agreement, for people."""
    if isinstance(outcome, Refused):
        return outcome.reason.text
    if isinstance(outcome, Stranger):
        return "no vmodem of this pair answers there: it says something else"
    if ending is not None:
        return f"no vmodem of this pair answers there: {ending.detail}"
    return "no vmodem of this pair answers there"
