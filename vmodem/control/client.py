"""Asking a running vmodem: the client's end of the control socket.

Blocks, and imports nothing slow.  What does not belong here: showing what comes back.
"""

from __future__ import annotations

import json
import select
import socket
from collections.abc import Iterator
from typing import Any, Final

from .protocol import ANSWER_LIMIT, Address, encode

#: How long an answer may take, in seconds.
ANSWER_S: Final = 10.0
_READ: Final = 65536


class ControlError(Exception):
    """It could not be done; the text is for people, ``code`` the exit code that tells it to programs."""

    def __init__(self, text: str, code: int = 1) -> None:
        super().__init__(text)
        self.code = code


class ControlClient:
    """A connection to the vmodem whose state is in ``folder``.  Raises :class:`ControlError`."""

    def __init__(self, folder: str, *, timeout: float = ANSWER_S) -> None:
        self._buffer = bytearray()
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._sock.settimeout(timeout)
        try:
            address = Address(folder)
            try:
                self._sock.connect(address.path)
            finally:
                address.close()
        except PermissionError:
            self._sock.close()
            text = f"the vmodem with the state folder {folder} belongs to another user; become that user"
            raise ControlError(text, 77) from None
        except OSError:
            self._sock.close()
            text = f"no vmodem runs with the state folder {folder}; start one, or name its --state-dir"
            raise ControlError(text, 69) from None

    def close(self) -> None:
        """Hang up."""
        self._sock.close()

    def __enter__(self) -> ControlClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ask(self, do: str, **arguments: Any) -> Any:
        """The result of a request.  Raises :class:`ControlError`."""
        try:
            self._sock.sendall(encode({"do": do, **arguments}))
            answer = self._line()
        except TimeoutError:
            raise ControlError("the running vmodem does not answer; its log may say why", 69) from None
        except OSError as exc:
            raise ControlError(f"the running vmodem left: {exc.strerror or exc}", 69) from None
        if answer.get("ok") is True:
            return answer.get("result")
        raise ControlError(str(answer.get("error", "the running vmodem gave no reason")))

    def trace(self, name: str, output: int = -1) -> Iterator[str]:
        """The lines of a trace, for as long as the vmodem runs.  Raises BrokenPipeError when nobody reads the
        descriptor ``output`` any more, though there may be nothing to be written for hours."""
        self.ask("trace", name=name)
        self._sock.settimeout(None)
        while True:
            try:
                line = self._line(output)
            except BrokenPipeError:
                raise
            except (OSError, ControlError):
                return
            yield str(line.get("trace", ""))

    def _wait(self, output: int) -> None:
        """Wait until there is something to read, or ``output`` is closed by its reader."""
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        poll.register(output, 0)
        for fd, events in poll.poll():
            if fd == output and events & select.POLLERR:
                raise BrokenPipeError

    def _line(self, output: int = -1) -> dict[str, Any]:
        start = 0
        while (end := self._buffer.find(b"\n", start)) < 0:
            if len(self._buffer) > ANSWER_LIMIT:
                raise ControlError("the running vmodem answers too much")
            start = len(self._buffer)
            if output >= 0:
                self._wait(output)
            data = self._sock.recv(_READ)
            if not data:
                raise ControlError("the running vmodem has ended", 69)
            self._buffer += data
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise ControlError("what answers there is no vmodem", 69)
        return value
