"""Diagnostics: one line for each event, to standard error, fit to be read by people or by programs.

Whatever came from outside - caller names, dial strings, peers' texts - is shown with every character
escaped that a terminal could act on.  A reader of the log that stalls or a full disk costs lines, which are
counted, never the modem's time.
"""

from __future__ import annotations

import json
import os
import select
import time
from typing import Any, Final

from twisted.logger import ILogObserver, LogLevel, formatEvent, globalLogBeginner
from zope.interface import implementer

_LEVELS: Final = {
    LogLevel.debug: 0,
    LogLevel.info: 1,
    LogLevel.warn: 2,
    LogLevel.error: 3,
    LogLevel.critical: 4,
}
#: Longest line, in bytes: a pipe that takes anything takes so much (PIPE_BUF).
LINE_LIMIT: Final = 4000


def printable(text: str) -> str:
    """``text`` with everything escaped that is not a printable character."""
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


@implementer(ILogObserver)
class Diagnostics:
    """A log observer on a descriptor.

    ``verbosity`` is -1 (warnings), 0 (what happens to calls and lines) or 1 and more (everything, with
    traces).
    """

    def __init__(self, fd: int = 2, *, form: str = "text", verbosity: int = 0) -> None:
        self._fd = fd
        self._json = form == "json"
        self._verbose = verbosity > 0
        self._least = {-1: 2, 0: 1}.get(max(verbosity, -1), 0)
        self._dropped = 0

    def __call__(self, event: Any) -> None:
        rank = _LEVELS.get(event.get("log_level", LogLevel.info), 1)
        ours = str(event.get("log_namespace", "")).startswith("vmodem")
        if rank < (self._least if ours else max(self._least, 2 if not self._verbose else 0)):
            return
        text = formatEvent(event)
        failure = event.get("log_failure")
        if failure is not None:
            text += f": {failure.type.__name__}: {failure.getErrorMessage()}"
            if self._verbose:
                text += " | " + " | ".join(line.strip() for line in failure.getTraceback().splitlines())
        level = event.get("log_level", LogLevel.info).name
        self.write(event.get("log_time", time.time()), level, printable(text[:LINE_LIMIT]))

    def write(self, when: float, level: str, text: str) -> None:
        """One line."""
        if self._dropped and self._put(
            self._line(when, "warn", f"{self._dropped} lines of this log were lost")
        ):
            self._dropped = 0
        if not self._put(self._line(when, level, text)):
            self._dropped += 1

    def _line(self, when: float, level: str, text: str) -> bytes:
        while len(line := self._encoded(when, level, text)) > LINE_LIMIT:
            text = text[: max(0, len(text) * LINE_LIMIT // len(line) - 1)]
        return line

    def _encoded(self, when: float, level: str, text: str) -> bytes:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(when))
        if self._json:
            return json.dumps({"time": stamp, "level": level, "text": text}).encode() + b"\n"
        return f"{stamp} {level:5} {text}\n".encode("utf-8", "replace")

    def _put(self, line: bytes) -> bool:
        try:
            poll = select.poll()
            poll.register(self._fd, select.POLLOUT)
            if not any(event & select.POLLOUT for _, event in poll.poll(0)):
                return False
            os.write(self._fd, line)
        except OSError:
            return False
        return True


def begin(form: str, verbosity: int) -> Diagnostics:
    """Send all of Twisted's and our log events to standard error."""
    diagnostics = Diagnostics(form=form, verbosity=verbosity)
    globalLogBeginner.beginLoggingTo([diagnostics], redirectStandardIO=False, discardBuffer=True)
    return diagnostics
