"""The control socket of a running vmodem.

Whoever may write to the socket (its owner) may do everything an operator may.  Still he may be a program gone
wrong: clients, lines and what waits to be read are bounded, and nothing a client does reaches the modems but
by the words of the protocol.

What does not belong here: what the words do (:mod:`vmodem.control.operator`).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from vmodem.net.incoming.connection import Incoming
from vmodem.net.incoming.listen import Listener, ListenError
from vmodem.net.stream import Ending, Stream

from .operator import Operator, OperatorError
from .protocol import REQUEST_LIMIT, SOCKET, Address, Request, RequestError, encode, parse_request

#: Clients at one time.
CLIENTS: Final = 16
#: What may wait for a client that follows a trace and does not read, in bytes; then it is cut off.
UNREAD_LIMIT: Final = 1 << 18
#: How long a client may leave an answer unread, or be silent, in seconds.
PATIENCE_S: Final = 60.0
DRAIN_S: Final = 2.0


class ControlServer:
    """Serves ``operator`` on the socket ``control`` in ``folder``."""

    log = Logger()

    def __init__(self, reactor: Any, folder: str, operator: Operator) -> None:
        self.reactor = reactor
        self.operator = operator
        self.clients: set[_Client] = set()
        self._folder = folder
        self._address: Address | None = None
        self._listener: Listener | None = None

    def start(self) -> bool:
        """Begin to serve.  False, with a warning, when that cannot be: a modem works without."""
        try:
            self._address = Address(self._folder)
            path = self._address.path.replace("\\", "\\\\").replace(":", "\\:")
            self._listener = Listener(self.reactor, f"unix:{path}:mode=0600", self._accepted)
            self._listener.start()
        except (ListenError, OSError) as exc:
            self._listener = None
            self._close_address()
            say = self.log.info if self._taken() else self.log.warn
            say(
                "no control socket in {folder} (status, hangup ... will not find this vmodem): {reason}",
                folder=self._folder,
                reason=str(exc),
            )
            return False
        return True

    def _taken(self) -> bool:
        """Whether another vmodem serves this folder, as is usual where several have one user."""
        return os.path.exists(os.path.join(self._folder, SOCKET))

    def stop(self) -> None:
        """Serve no more: every client is cut off, the socket is removed."""
        if self._listener is not None:
            self._listener.stop()
            self._listener = None
        self._close_address()
        for client in list(self.clients):
            client.abort()

    def _close_address(self) -> None:
        if self._address is not None:
            self._address.close()
            self._address = None

    def _accepted(self, incoming: Incoming) -> None:
        if len(self.clients) >= CLIENTS:
            incoming.stream.write(encode({"ok": False, "error": f"{CLIENTS} others are connected already"}))
            incoming.stream.close(DRAIN_S)
            return
        self.clients.add(_Client(self, incoming.stream))


class _Client:
    """One connection: lines in, answers out."""

    def __init__(self, server: ControlServer, stream: Stream) -> None:
        self._server = server
        self._stream = stream
        self._buffer = bytearray()
        self._blocked = False
        #: An answer is waited for, and nothing more is read meanwhile.
        self._waiting = False
        self._stop_trace: Callable[[], None] | None = None
        #: What a trace said before the client was told that it has begun.
        self._early: list[str] = []
        self._over = False
        self._timer: Any = server.reactor.callLater(PATIENCE_S, self._too_long)
        stream.start(self)

    # -- what the stream tells -----------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self._stop_trace is not None:
            return
        self._buffer += data
        self._work()

    def write_blocked(self) -> None:
        self._blocked = True
        self._stream.pause()
        self._wait()

    def write_drained(self) -> None:
        self._blocked = False
        self._wait()
        self._go_on()

    def _go_on(self) -> None:
        if not (self._blocked or self._waiting or self._over):
            self._stream.resume()
            self._work()

    def stream_ended(self, ending: Ending) -> None:
        if self._stop_trace is None and self._buffer and not self._blocked:
            self._buffer += b"\n"  # a last request whose line was not ended
            self._work()
        self._finish()

    # -- requests ------------------------------------------------------------------------------------------

    def _work(self) -> None:
        """Answer what there is, as long as answers are read and no trace has begun."""
        while not (self._blocked or self._waiting or self._over or self._stop_trace is not None):
            end = self._buffer.find(b"\n")
            if end < 0 and len(self._buffer) < REQUEST_LIMIT:
                return
            if end < 0 or end >= REQUEST_LIMIT:
                self._say({"ok": False, "error": f"a request has at most {REQUEST_LIMIT} bytes"})
                self._finish()
                return
            line = bytes(self._buffer[:end])
            del self._buffer[: end + 1]
            self._wait()
            if line.strip():
                self._answer(line)
                early, self._early = self._early, []
                for text in early:
                    self._traced(text)

    def _answer(self, line: bytes) -> None:
        try:
            result = self._do(parse_request(line))
        except Exception as exc:
            self._failed(Failure(exc))  # type: ignore[no-untyped-call]
            return
        if not isinstance(result, Deferred):
            self._say({"ok": True, "result": result})
            return
        result.addCallbacks(lambda found: self._say({"ok": True, "result": found}), self._failed)
        if not result.called:
            self._waiting = True
            self._stream.pause()
            result.addCallback(lambda _: self._answered())

    def _answered(self) -> None:
        self._waiting = False
        self._wait()
        self._server.reactor.callLater(0, self._go_on)

    def _failed(self, failure: Failure) -> None:
        if isinstance(failure.value, RequestError | OperatorError):
            text = str(failure.value)
        else:
            self._server.log.failure("a request on the control socket failed", failure)
            text = f"internal error ({failure.type.__name__ if failure.type else '?'}); the log says more"
        self._say({"ok": False, "error": text})

    def _do(self, request: Request) -> Any:
        operator = self._server.operator
        match request.do:
            case "status":
                return operator.status()
            case "calls":
                return operator.calls(request.limit)
            case "hangup":
                return operator.hang_up(request.name)
            case "busy":
                return operator.set_busy(request.name, request.on)
            case "pulse":
                return operator.pulse(request.name, request.pulse)
            case "reload":
                return operator.reload()
            case _:
                self._stop_trace = operator.trace(request.name, self._traced)
                self._buffer.clear()
                self._end_wait()
                return None

    def _traced(self, text: str) -> None:
        if self._over:
            return
        if self._stop_trace is None:
            self._early.append(text)
            return
        if self._stream.backlog > UNREAD_LIMIT:
            self._server.log.info("a client of the control socket does not read its trace and is cut off")
            self.abort()
            return
        self._say({"trace": text})

    def _say(self, value: Any) -> None:
        if not self._over:
            self._stream.write(encode(value))

    # -- ends ----------------------------------------------------------------------------------------------

    def _wait(self) -> None:
        """Something happened; the next thing may take so long again."""
        if self._timer is not None:
            self._timer.reset(PATIENCE_S)
        elif not self._over and self._blocked:
            self._timer = self._server.reactor.callLater(PATIENCE_S, self._too_long)

    def _end_wait(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _too_long(self) -> None:
        self._timer = None
        if self._blocked or self._stop_trace is None:
            self.abort()

    def abort(self) -> None:
        """Cut the client off."""
        if self._leave():
            self._stream.abort()

    def _finish(self) -> None:
        """End in order: what was said is still sent."""
        if self._leave():
            self._stream.close(DRAIN_S)

    def _leave(self) -> bool:
        if self._over:
            return False
        self._over = True
        self._end_wait()
        self._server.clients.discard(self)
        stop, self._stop_trace = self._stop_trace, None
        if stop is not None:
            stop()
        return True
