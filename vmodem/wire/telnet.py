"""Telnet (RFC 854, 855) for either end, with negotiation by the Q method (RFC 1143).

The options it knows itself are BINARY (RFC 856) and those that only tell something: TERMINAL-TYPE (RFC 1091),
TERMINAL-SPEED (RFC 1079), NAWS (RFC 1073).

Data is looked at in spans, never byte by byte, and a chunk without an IAC costs one search.  What is done
about CR is a matter of direction: where BINARY is not in force the network virtual terminal (RFC 854, "The
NVT printer") sends a lone CR as CR NUL.  Peers differ in how far they keep to that, see ``cr_nul``.

What does not belong here: what an option means beyond its being in force, and TCP's urgent data.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from .events import Data, Send, undoubled

SE: Final = 240
NOP: Final = 241
DM: Final = 242
BRK: Final = 243
IP: Final = 244
AO: Final = 245
AYT: Final = 246
EC: Final = 247
EL: Final = 248
GA: Final = 249
SB: Final = 250
WILL: Final = 251
WONT: Final = 252
DO: Final = 253
DONT: Final = 254
IAC: Final = 255

BINARY: Final = 0
ECHO: Final = 1
SGA: Final = 3
TTYPE: Final = 24
NAWS: Final = 31
TSPEED: Final = 32
COM_PORT: Final = 44

#: The longest subnegotiation kept, in bytes with the option's; a longer one is passed over.
SB_LIMIT: Final = 512
#: Answers given about one side of an option.  Peers that agree need one; two of one mind never need more.
ANSWERS: Final = 2
#: How often we tell what we are; the answer is longer than the question, so there must be an end.
TELLINGS: Final = 8

_IAC: Final = b"\xff"
_PAIR: Final = b"\xff\xff"
_IS: Final = b"\x00"
_SEND: Final = b"\x01"
_BARE_CR: Final = re.compile(rb"\r[^\0\n]")


class Side(enum.Enum):
    """Whose doing an option is."""

    US = (WILL, WONT)
    PEER = (DO, DONT)

    def word(self, on: bool, option: int) -> bytes:
        """What we say to have ``option`` on this side in force, or not."""
        return bytes((IAC, self.value[not on], option))


@dataclass(frozen=True)
class Command:
    """A command without argument: BRK, AYT, IP, NOP, DM, GA ..."""

    code: int


@dataclass(frozen=True)
class Negotiated:
    """An option has come into force or gone out of it; or, never having been, the peer refused it."""

    option: int
    side: Side
    on: bool


@dataclass(frozen=True)
class Subnegotiation:
    """What stood between IAC SB and IAC SE, after the option's number."""

    option: int
    data: bytes


Event = Data | Send | Command | Negotiated | Subnegotiation
#: Each command once: whoever sends nothing else is not to cost more memory than he sends.
_COMMANDS: Final = tuple(map(Command, range(256)))
CrNul = Literal["auto", "always", "never"]


class _Q(enum.Enum):
    """States of one side of an option, RFC 1143 clause 7."""

    NO = enum.auto()
    YES = enum.auto()
    WANT_NO = enum.auto()
    WANT_NO_THEN_YES = enum.auto()
    WANT_YES = enum.auto()
    WANT_YES_THEN_NO = enum.auto()


# state -> next state, and what to say then (None: nothing).  A yes while the state is NO: see _negotiate.
_PEER_YES: Final = {
    _Q.YES: (_Q.YES, None),
    _Q.WANT_NO: (_Q.NO, None),  # our DONT answered by WILL: the peer's error
    _Q.WANT_NO_THEN_YES: (_Q.YES, None),  # the same
    _Q.WANT_YES: (_Q.YES, None),
    _Q.WANT_YES_THEN_NO: (_Q.WANT_NO, False),
}
_PEER_NO: Final = {
    _Q.NO: (_Q.NO, None),
    _Q.YES: (_Q.NO, False),
    _Q.WANT_NO: (_Q.NO, None),
    _Q.WANT_NO_THEN_YES: (_Q.WANT_YES, True),
    _Q.WANT_YES: (_Q.NO, None),
    _Q.WANT_YES_THEN_NO: (_Q.NO, None),
}
_ASK_YES: Final = {
    _Q.NO: (_Q.WANT_YES, True),
    _Q.WANT_NO: (_Q.WANT_NO_THEN_YES, None),
    _Q.WANT_YES_THEN_NO: (_Q.WANT_YES, None),
}
_ASK_NO: Final = {
    _Q.YES: (_Q.WANT_NO, False),
    _Q.WANT_NO_THEN_YES: (_Q.WANT_NO, None),
    _Q.WANT_YES: (_Q.WANT_YES_THEN_NO, None),
}


class _At(enum.Enum):
    """Where in the peer's stream we are."""

    DATA = enum.auto()
    IAC = enum.auto()
    VERB = enum.auto()
    SB = enum.auto()
    SB_IAC = enum.auto()


_VERBS: Final = {
    WILL: (Side.PEER, True),
    WONT: (Side.PEER, False),
    DO: (Side.US, True),
    DONT: (Side.US, False),
}
_DATA: Final = _At.DATA


class Telnet:
    """One end of a telnet connection.

    ``offers`` are the options we perform when asked, ``accepts`` those the peer may perform; all others are
    refused.  ``answers`` gives what is told about options of ours that have a value, and offers them:
    TERMINAL-TYPE a name, TERMINAL-SPEED ``b"9600,9600"``, NAWS two u16.

    ``cr_nul``: NUL after a lone CR is sent, and one that arrives is taken out, while BINARY is not in force
    in that direction - ``always``; ``never``; or ``auto``, only once the peer has sent an IAC command, and no
    longer when it has sent a CR with neither LF nor NUL behind it, for then it does not keep to this itself.
    ``expected`` says that the connection was declared to be telnet: ``auto`` then takes them out from the
    first byte, as a client may send before it reads; it still sends none to a peer that has not spoken.
    """

    def __init__(
        self,
        *,
        offers: Collection[int] = (),
        accepts: Collection[int] = (),
        answers: Mapping[int, bytes] | None = None,
        cr_nul: CrNul = "auto",
        expected: bool = False,
    ) -> None:
        self._answers = dict(answers or {})
        self._allowed = {Side.US: {*offers, *self._answers}, Side.PEER: set(accepts)}
        self._cr_nul = cr_nul
        self._expected = expected
        self._q: dict[tuple[int, Side], _Q] = {}
        self._said: dict[tuple[int, Side], int] = {}
        self._tellings = TELLINGS
        self._at = _DATA
        self._verb = WILL
        self._sb = bytearray()
        self._sb_over = False
        self._spoken = False
        self._bare_cr = False  # the peer has sent a CR as no NVT does
        self._events: list[Event] = []
        self._nvt_in = self._nvt_out = False
        self._cr_in = False  # the last byte of data that arrived was CR
        self._cr_out = False  # the last byte sent was CR, and what follows it is not known yet
        self._set_modes()

    # -- what may be looked at -----------------------------------------------------------------------------

    @property
    def spoken(self) -> bool:
        """Whether the peer has shown that it speaks telnet: it sent an IAC command."""
        return self._spoken

    def enabled(self, option: int, side: Side) -> bool:
        """Whether an option is in force."""
        state = self._q.get((option, side))
        # What we have said WONT to is over at once; what we said DONT to, when the peer agrees.
        return state is _Q.YES or (side is Side.PEER and state in (_Q.WANT_NO, _Q.WANT_NO_THEN_YES))

    def asking(self, option: int, side: Side) -> bool:
        """Whether an option was asked for and the peer has not answered."""
        return self._q.get((option, side)) is _Q.WANT_YES

    @property
    def owes(self) -> bool:
        """Whether the last byte sent was a CR whose LF or NUL has not followed yet."""
        return self._cr_out

    # -- sending -------------------------------------------------------------------------------------------

    def encode(self, data: bytes) -> bytes:
        """Data as it is to be sent."""
        if self._nvt_out and data:
            data = self._to_nvt(data)
        if _IAC in data:
            data = data.replace(_IAC, _PAIR)
        return data

    def settle(self) -> bytes:
        """What completes a CR that was sent last, where no LF has followed: some peers wait for it."""
        owed, self._cr_out = self._cr_out, False
        return b"\0" if owed else b""

    def request(self, option: int, side: Side, on: bool = True) -> bytes:
        """Ask for an option, or for its end; returns what to send, nothing if it is so or is being asked."""
        if on:
            self._allowed[side].add(option)
        state, word = (_ASK_YES if on else _ASK_NO).get(self._state(option, side), (None, None))
        if state is None:
            return b""
        self._q[option, side] = state
        self._set_modes()
        return b"" if word is None else side.word(word, option)

    def command(self, code: int) -> bytes:
        """A command without argument, as it is to be sent."""
        return bytes((IAC, code))

    def subnegotiation(self, option: int, data: bytes) -> bytes:
        """A subnegotiation as it is to be sent (RFC 855)."""
        return bytes((IAC, SB, option)) + data.replace(_IAC, _PAIR) + bytes((IAC, SE))

    # -- receiving -----------------------------------------------------------------------------------------

    def passes(self, data: bytes) -> bool:
        """Whether this chunk is data as it stands, so that :meth:`receive` need not see it."""
        return _IAC not in data and self._at is _DATA and not self._nvt_in

    def receive(self, data: bytes) -> list[Event]:
        """What a chunk means, in order."""
        events = self._events = []
        if self._at is _DATA:
            if _IAC not in data:
                self._take(data)
                return events
            plain = undoubled(data)
            if plain is not None:
                self._take(plain)
                return events
        self._parse(data)
        self._events = []
        return events

    def _parse(self, data: bytes) -> None:
        spans: list[bytes] = []
        at, end = 0, len(data)
        while at < end:
            where = self._at
            if where is _DATA:
                hit = data.find(_IAC, at)
                if hit < 0:
                    spans.append(data[at:])
                    break
                spans.append(data[at:hit])
                self._at = _At.IAC
                at = hit + 1
            elif where is _At.SB:
                hit = data.find(_IAC, at)
                hit = end if hit < 0 else hit
                self._collect(data[at:hit])
                if hit < end:
                    self._at = _At.SB_IAC
                at = hit + 1
            else:
                code = data[at]
                at += 1
                if where is _At.IAC and code == IAC:
                    spans.append(_IAC)
                    self._at = _DATA
                    continue
                if spans:
                    self._take(b"".join(spans))
                    spans = []
                self._step(where, code)
        if spans:
            self._take(b"".join(spans))

    def _step(self, where: _At, code: int) -> None:
        """One byte of a command."""
        if where is _At.SB_IAC:
            self._at = _At.SB
            if code == IAC:
                self._collect(_IAC)
            elif code == SE:
                self._at = _DATA
                self._subnegotiated()
            # else malformed: both bytes are dropped
            return
        if not self._spoken:
            self._spoken = True
            self._set_modes()
        if where is _At.VERB:
            self._at = _DATA
            self._negotiate(self._verb, code)
        elif code in _VERBS:
            self._at = _At.VERB
            self._verb = code
        elif code == SB:
            self._at = _At.SB
            self._sb.clear()
            self._sb_over = False
        else:
            self._at = _DATA
            if code != SE:  # the end of something that had no beginning
                self._events.append(_COMMANDS[code])

    def _take(self, data: bytes) -> None:
        if self._nvt_in:
            before = b"\r" if self._cr_in else b""
            bare = _BARE_CR.search(before + data) if self._cr_nul == "auto" else None
            if bare is None:
                data = self._from_nvt(data)
            else:
                at = bare.start() + 1 - len(before)
                data = self._from_nvt(data[:at]) + data[at:]
                self._bare_cr = True
                self._set_modes()
        if data:
            self._events.append(Data(data))

    # -- CR ------------------------------------------------------------------------------------------------

    def _set_modes(self) -> None:
        auto = self._cr_nul == "auto" and not self._bare_cr
        on = self._cr_nul == "always" or (auto and self._spoken)
        on_in = on or (auto and self._expected)
        self._nvt_in = on_in and not self.enabled(BINARY, Side.PEER)
        self._nvt_out = on and not self.enabled(BINARY, Side.US)
        self._cr_in = self._cr_in and self._nvt_in
        self._cr_out = self._cr_out and self._nvt_out

    def _from_nvt(self, data: bytes) -> bytes:
        if self._cr_in and data[:1] == b"\0":
            data = data[1:]
            self._cr_in = False
        if data:
            self._cr_in = data[-1] == 13
        return data.replace(b"\r\0", b"\r")

    def _to_nvt(self, data: bytes) -> bytes:
        owed = self._cr_out and data[0] != 10
        self._cr_out = data[-1] == 13
        if b"\r" in data:
            data = data.replace(b"\r", b"\r\0").replace(b"\r\0\n", b"\r\n")
            if self._cr_out:
                data = data[:-1]  # CR goes at once; LF or NUL when it is known what follows
        return b"\0" + data if owed else data

    # -- options -------------------------------------------------------------------------------------------

    def _state(self, option: int, side: Side) -> _Q:
        return self._q.get((option, side), _Q.NO)

    def _negotiate(self, verb: int, option: int) -> None:
        side, on = _VERBS[verb]
        state = self._state(option, side)
        before = self.enabled(option, side)
        word: bool | None
        if on and state is _Q.NO:
            word = option in self._allowed[side]
            state = _Q.YES if word else _Q.NO
            # A peer that hears no yes must not take it for one: what is not said is not in force.
            said = self._answer(option, side, word, once=not word)
            state = state if said else _Q.NO
        else:
            state_was = state
            state, word = (_PEER_YES if on else _PEER_NO)[state]
            if word is not None:
                self._answer(option, side, word)
            if not on and state_was is _Q.WANT_YES:
                self._events.append(Negotiated(option, side, False))
        if state is _Q.NO:
            self._q.pop((option, side), None)
        else:
            self._q[option, side] = state
        after = self.enabled(option, side)
        if after is not before:
            if option == BINARY:
                self._set_modes()
            self._events.append(Negotiated(option, side, after))
            if after and side is Side.US and option == NAWS and NAWS in self._answers:
                self._send(self.subnegotiation(NAWS, self._answers[NAWS]))

    def _answer(self, option: int, side: Side, word: bool, once: bool = False) -> bool:
        """Say it, unless enough has been said about this; whether it was."""
        said = self._said.get((option, side), 0)
        if said >= (1 if once else ANSWERS):
            return False
        self._said[option, side] = said + 1
        self._send(side.word(word, option))
        return True

    def _send(self, data: bytes) -> None:
        last = self._events[-1] if self._events else None
        if isinstance(last, Send):
            self._events[-1] = Send(last.data + data)
        else:
            self._events.append(Send(data))

    # -- subnegotiations -----------------------------------------------------------------------------------

    def _collect(self, data: bytes) -> None:
        if self._sb_over or len(self._sb) + len(data) > SB_LIMIT:
            self._sb_over = True
            self._sb.clear()
        else:
            self._sb += data

    def _subnegotiated(self) -> None:
        option, data = self._sb[:1], bytes(self._sb[1:])
        self._sb.clear()
        if self._sb_over or not option:
            return
        number = option[0]
        # RFC 1091, 1079: asked to SEND, say what it IS.
        if data == _SEND and number in (TTYPE, TSPEED) and number in self._answers:
            if self._tellings:
                self._tellings -= 1
                self._send(self.subnegotiation(number, _IS + self._answers[number]))
        else:
            self._events.append(Subnegotiation(number, data))
