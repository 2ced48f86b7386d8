"""TLS between a connection and its user: how a call begins.

:func:`open_client` and :func:`open_server` agree with the peer and then hand over a
:class:`vmodem.net.tls.stream.TlsStream`.  TLS 1.2 and up, never less, and never plain text instead.

What does not belong here: who we are and who the peer has to be (``tlscontext``), the bytes of a call
(``tlsstream``), and which callers are let in.
"""

from __future__ import annotations

import ssl
from typing import Any, Final

from vmodem.net.layer import Opened, OpenFailed
from vmodem.net.stream import Cause, Ending, Stream
from vmodem.net.tls.context import ClientContext, Refused, ServerContext, load_client, load_server
from vmodem.net.tls.names import NOT_TLS, explain
from vmodem.net.tls.settings import TlsClientSettings, TlsError, TlsServerSettings
from vmodem.net.tls.stream import FAREWELL_S, TlsStream

__all__ = [
    "ClientContext",
    "Handshake",
    "ServerContext",
    "TlsClientSettings",
    "TlsError",
    "TlsServerSettings",
    "TlsStream",
    "load_client",
    "load_server",
    "open_client",
    "open_server",
]

#: How long a caller may take for the handshake, in seconds.
HANDSHAKE_S: Final = 10.0

#: What a first record may be: an alert or a handshake (RFC 8446 clause 5.1).
_FIRST: Final = (21, 22)


def open_client(
    reactor: Any, below: Stream, context: ClientContext, opened: Opened, failed: OpenFailed
) -> Handshake:
    """Begin TLS as the caller.  There is no deadline: whoever calls has one."""
    return Handshake(reactor, below, context, opened, failed)


def open_server(
    reactor: Any,
    below: Stream,
    context: ServerContext,
    opened: Opened,
    failed: OpenFailed,
    *,
    early: bytes = b"",
) -> Handshake:
    """Begin TLS as the called side; it fails when that takes longer than ``HANDSHAKE_S``.

    ``below`` may have been in use before (STARTTLS).  ``early`` is what was read from it behind the command
    that asked for TLS; a protocol that lets nobody send before the answer should refuse instead, for it may
    be plain text somebody slipped in.
    """
    return Handshake(reactor, below, context, opened, failed, early=early, deadline_s=HANDSHAKE_S)


class Handshake:
    """TLS being agreed with the peer: an :class:`vmodem.net.layer.Opening`.

    When it fails the stream below is closed in order, so that the peer learns why; after ``cancel`` or a
    deadline it is aborted.
    """

    def __init__(
        self,
        reactor: Any,
        below: Stream,
        context: ClientContext | ServerContext,
        opened: Opened,
        failed: OpenFailed,
        *,
        early: bytes = b"",
        deadline_s: float | None = None,
    ) -> None:
        self._reactor = reactor
        self._below = below
        self._context = context
        self._session = context.session()
        self._opened = opened
        self._failed = failed
        self._heard = False
        self._over = False
        self._early = early
        self._deadline: Any = None
        if deadline_s is not None:
            self._deadline = reactor.callLater(deadline_s, self._too_late, deadline_s)
        #: Nothing is told before whoever asked knows that it has begun.
        self._begin: Any = reactor.callLater(0, self._begun)
        below.start(self)

    def cancel(self) -> None:
        """Give up."""
        if not self._over:
            self._finish()
            self._below.abort()

    # -- the side of the stream below ----------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self._over:
            return
        if self._begin is not None:
            self._early += data
            return
        if not self._heard:
            self._heard = True
            if data[0] not in _FIRST:
                self._fail(NOT_TLS)
                return
        self._session.feed(data)
        self._step()

    def write_blocked(self) -> None:
        """What a handshake says is little; it may wait."""

    def write_drained(self) -> None:
        """Nothing more to say for now."""

    def stream_ended(self, ending: Ending) -> None:
        if self._over:
            return
        if self._begin is not None:
            self._begin.cancel()
            self._begin = self._reactor.callLater(0, self._begun, ending)
        elif ending.cause is Cause.FINISHED:
            self._fail("the connection was closed during the TLS handshake", abort=True)
        else:
            self._fail(f"during the TLS handshake: {ending.cause.value} ({ending.detail})", abort=True)

    # -- steps ---------------------------------------------------------------------------------------------

    def _begun(self, ending: Ending | None = None) -> None:
        self._begin = None
        early, self._early = self._early, b""
        if early:
            self.data_received(early)
        else:
            self._step()
        if ending is not None:
            self.stream_ended(ending)

    def _step(self) -> None:
        try:
            done = self._session.handshake()
            name = self._context.judge(self._session) if done else ""
        except ssl.SSLError as exc:
            self._fail(explain(exc, self._session.server))
        except Refused as exc:
            self._session.finish()
            self._fail(str(exc))
        else:
            self._flush()
            if done:
                self._finish()
                self._opened(TlsStream(self._reactor, self._below, self._session, name))

    def _flush(self) -> None:
        data = self._session.take()
        if data:
            self._below.write(data)

    # -- ends ----------------------------------------------------------------------------------------------

    def _too_late(self, seconds: float) -> None:
        self._fail(f"no TLS handshake within {seconds:g} s", abort=True)

    def _fail(self, reason: str, *, abort: bool = False) -> None:
        self._finish()
        if abort:
            self._below.abort()
        else:
            self._flush()  # the alert that says why
            self._below.close(FAREWELL_S)
        self._failed(reason)

    def _finish(self) -> None:
        self._over = True
        for timer in (self._deadline, self._begin):
            if timer is not None and timer.active():
                timer.cancel()
        self._deadline = self._begin = None
