"""How two vmodems recognise each other on a fresh connection: hello, challenge and verdict, both ends.

The caller speaks first, and only to a partner it was told of::

    caller  hello     who calls; a nonce; the session to go on with, and how much of it has been received
    called  answer    a nonce, or why not
    caller  proof     with a secret only: a MAC over hello and answer
    called  verdict   the session's name, how much of it has been received, and with a secret a MAC over all

Everything but the lengths of texts is fixed, numbers are in network byte order::

    hello    magic 8  version 1  flags 1  reason 1  length 1  then: nonce 16  session 16  received 8
             attempt 4  number (length 1, octets)  name (length 1, octets)  and what later versions add
    answer   the same head, then: nonce 16
    proof    MAC 32
    verdict  reason 1  session 16  received 8  MAC 32

A MAC is HMAC-SHA256 (RFC 2104) under the secret, over the word "caller" or "called" and every octet of the
agreement before it; so neither end's can be shown to the other, nor one agreement's in another.  It says who
calls.  It neither hides nor seals what is sent afterwards.

What does not belong here: what travels after the verdict (:mod:`vmodem.wire.pair`), and time.
"""

from __future__ import annotations

import enum
import hashlib
import hmac
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

#: No program that people use begins a connection like this.
MAGIC: Final = b"\x10\x16vmPAIR"
VERSION: Final = 1
NONCE_SIZE: Final = 16
SESSION_SIZE: Final = 16
#: Longest number and name that cross, in characters.
NUMBER_LIMIT: Final = 32
NAME_LIMIT: Final = 50

_HEAD: Final = struct.Struct(">8sBBBB")
_HELLO: Final = struct.Struct(f">{NONCE_SIZE}s{SESSION_SIZE}sQI")
_VERDICT: Final = struct.Struct(f">B{SESSION_SIZE}sQ")
_MAC_SIZE: Final = 32
_NO_SESSION: Final = bytes(SESSION_SIZE)
_RESUME: Final = 0x01
_SECRET: Final = 0x02
_DIALLED: Final = frozenset("0123456789*#+ABCDabcd")


class Reason(enum.IntEnum):
    """Why an end does not agree."""

    NONE = 0
    VERSION = 1
    SECRET = 2
    NO_SESSION = 3
    MALFORMED = 4

    @property
    def text(self) -> str:
        """For people."""
        return _TEXTS[self]


_TEXTS: Final = {
    Reason.NONE: "no reason",
    Reason.VERSION: "the two vmodems speak different versions of the pair protocol",
    Reason.SECRET: "the secrets of the pair differ",
    Reason.NO_SESSION: "the far modem has given the call up",
    Reason.MALFORMED: "what the far end says is no agreement of a pair",
}


@dataclass(frozen=True)
class Resume:
    """A call to go on with, as the caller knows it."""

    session: bytes
    #: Octets of the called end's that have been received.
    received: int
    #: Counts the connections of a session; the called end takes none that is older than its present one.
    attempt: int


@dataclass(frozen=True)
class Agreed:
    """Both ends know each other."""

    session: bytes
    #: The call is an old one that goes on.
    resumed: bool
    #: Octets of ours that the other end has received.
    received: int
    #: What the caller says of itself, made harmless; "" at the caller's end.
    number: str = ""
    name: str = ""
    #: What arrived behind the agreement: the session's first octets.
    rest: bytes = b""
    attempt: int = 0


@dataclass(frozen=True)
class Refused:
    """There is no agreement; send what there is to send and close."""

    reason: Reason


@dataclass(frozen=True)
class Stranger:
    """No vmodem of a pair is there.  ``data`` is everything that came of it."""

    data: bytes


Outcome = Agreed | Refused | Stranger | None
#: Asked for a session that is to go on and the number of the attempt: octets of the caller's that have been
#: received, or None when there is no such session.  Asked last, when everything else is agreed.
Found = Callable[[bytes, int], int | None]


class CallerHello:
    """The caller's end.  ``nonce`` is fresh for every connection; an empty ``secret`` means none."""

    def __init__(
        self,
        nonce: bytes,
        number: str = "",
        name: str = "",
        secret: bytes = b"",
        resume: Resume | None = None,
    ) -> None:
        self.outcome: Outcome = None
        self._secret = secret
        self._resume = resume
        self._buffer = bytearray()
        self._answer = b""
        told = resume or Resume(_NO_SESSION, 0, 0)
        texts = (_number(number).encode("ascii"), _name(name).encode("ascii"))
        body = _HELLO.pack(nonce, told.session, told.received, told.attempt)
        body += b"".join(bytes((len(text),)) + text for text in texts)
        flags = _RESUME * (resume is not None) | _SECRET * bool(secret)
        #: To be sent first.
        self.hello = _HEAD.pack(MAGIC, VERSION, flags, 0, len(body)) + body

    def receive(self, data: bytes) -> bytes:
        """Take a chunk; returns what to send.  ``outcome`` tells when it is over."""
        self._buffer += data
        buffer = self._buffer
        if not MAGIC.startswith(bytes(buffer[: len(MAGIC)])):
            self.outcome = Stranger(bytes(buffer))
        elif not self._answer:
            return self._take_answer()
        elif len(buffer) >= len(self._answer) + _VERDICT.size + _MAC_SIZE:
            self._take_verdict()
        return b""

    def _take_answer(self) -> bytes:
        buffer = self._buffer
        if len(buffer) < _HEAD.size:
            return b""
        _, version, flags, reason, length = _HEAD.unpack_from(buffer)
        size = _HEAD.size + length
        if reason or version != VERSION:
            self.outcome = Refused(_reason(reason) if reason else Reason.VERSION)
        elif bool(flags & _SECRET) != bool(self._secret):
            self.outcome = Refused(Reason.SECRET)
        elif length < NONCE_SIZE:
            self.outcome = Refused(Reason.MALFORMED)
        elif len(buffer) >= size:
            self._answer = bytes(buffer[:size])
            proof = _mac(self._secret, b"caller", self.hello, self._answer) if self._secret else b""
            self.receive(b"")
            return proof
        return b""

    def _take_verdict(self) -> None:
        at = len(self._answer)
        reason, session, received = _VERDICT.unpack_from(self._buffer, at)
        end = at + _VERDICT.size
        mac = bytes(self._buffer[end : end + _MAC_SIZE])
        resume = self._resume
        if reason:
            self.outcome = Refused(_reason(reason))
            return
        if self._secret:
            verdict = bytes(self._buffer[at:end])
            wanted = _mac(self._secret, b"called", self.hello, self._answer, verdict)
            if not hmac.compare_digest(mac, wanted):
                self.outcome = Refused(Reason.SECRET)
                return
        if resume is not None and session != resume.session:
            self.outcome = Refused(Reason.MALFORMED)
            return
        rest = bytes(self._buffer[end + _MAC_SIZE :])
        attempt = 0 if resume is None else resume.attempt
        self.outcome = Agreed(session, resume is not None, received, rest=rest, attempt=attempt)


class CalledHello:
    """The called end.  ``session`` names the call should it be a new one; ``found`` knows the old ones."""

    def __init__(self, nonce: bytes, session: bytes, found: Found, secret: bytes = b"") -> None:
        self.outcome: Outcome = None
        self._nonce = nonce
        self._session = session
        self._found = found
        self._secret = secret
        self._buffer = bytearray()
        self._hello = self._answer = b""
        self._told = Resume(_NO_SESSION, 0, 0)
        self._resumed = False
        self._texts = ("", "")

    @property
    def heard(self) -> bytes:
        """All that came."""
        return bytes(self._buffer)

    @property
    def recognised(self) -> bool:
        """Whether what came can only be a vmodem's hello."""
        return self._buffer.startswith(MAGIC)

    def receive(self, data: bytes) -> bytes:
        """Take a chunk; returns what to send.  ``outcome`` tells when it is over."""
        self._buffer += data
        if not MAGIC.startswith(bytes(self._buffer[: len(MAGIC)])):
            self.outcome = Stranger(bytes(self._buffer))
            return b""
        if not self._hello:
            return self._take_hello()
        return self._take_proof()

    def _take_hello(self) -> bytes:
        buffer = self._buffer
        if len(buffer) < _HEAD.size:
            return b""
        _, version, flags, _, length = _HEAD.unpack_from(buffer)
        if version != VERSION:
            return self._refuse(Reason.VERSION)
        if bool(flags & _SECRET) != bool(self._secret):
            return self._refuse(Reason.SECRET)
        size = _HEAD.size + length
        if len(buffer) < size:
            return b""
        body = bytes(buffer[_HEAD.size : size])
        texts = _texts(body[_HELLO.size :])
        if len(body) < _HELLO.size or texts is None:
            return self._refuse(Reason.MALFORMED)
        self._hello = bytes(buffer[:size])
        _, *told = _HELLO.unpack_from(body)
        self._told = Resume(*told)
        self._resumed = bool(flags & _RESUME)
        self._texts = (_number(texts[0]), _name(texts[1]))
        flags = _SECRET * bool(self._secret)
        self._answer = _HEAD.pack(MAGIC, VERSION, flags, 0, len(self._nonce)) + self._nonce
        return self._answer + self._take_proof()

    def _take_proof(self) -> bytes:
        at = len(self._hello)
        if self._secret:
            if len(self._buffer) < at + _MAC_SIZE:
                return b""
            proof = bytes(self._buffer[at : at + _MAC_SIZE])
            at += _MAC_SIZE
            if not hmac.compare_digest(proof, _mac(self._secret, b"caller", self._hello, self._answer)):
                self.outcome = Refused(Reason.SECRET)
                return self._verdict(Reason.SECRET, 0)
        told = self._told
        received = self._found(told.session, told.attempt) if self._resumed else 0
        if received is None:
            self.outcome = Refused(Reason.NO_SESSION)
            return self._verdict(Reason.NO_SESSION, 0)
        if self._resumed:
            self._session = told.session
        rest = bytes(self._buffer[at:])
        self.outcome = Agreed(
            self._session, self._resumed, told.received, *self._texts, rest=rest, attempt=told.attempt
        )
        return self._verdict(Reason.NONE, received)

    def _refuse(self, reason: Reason) -> bytes:
        self.outcome = Refused(reason)
        return _HEAD.pack(MAGIC, VERSION, 0, reason, 0)

    def _verdict(self, reason: Reason, received: int) -> bytes:
        verdict = _VERDICT.pack(reason, _NO_SESSION if reason else self._session, received)
        if reason or not self._secret:
            return verdict + bytes(_MAC_SIZE)
        return verdict + _mac(self._secret, b"called", self._hello, self._answer, verdict)


def _mac(secret: bytes, *parts: bytes) -> bytes:
    return hmac.new(secret, b"".join(parts), hashlib.sha256).digest()


def _reason(code: int) -> Reason:
    try:
        return Reason(code)
    except ValueError:
        return Reason.MALFORMED


def _texts(data: bytes) -> tuple[str, str] | None:
    """The two texts behind a hello's fixed part, or None where they are cut off."""
    texts = []
    for _ in range(2):
        if not data or len(data) <= data[0]:
            return None
        texts.append(data[1 : 1 + data[0]].decode("latin-1"))
        data = data[1 + data[0] :]
    return texts[0], texts[1]


def _number(text: str) -> str:
    """What of a text can be dialled."""
    return "".join(char for char in text if char in _DIALLED)[:NUMBER_LIMIT]


def _name(text: str) -> str:
    """What of a text is printable."""
    return "".join(char for char in text if " " <= char <= "~")[:NAME_LIMIT].strip()
