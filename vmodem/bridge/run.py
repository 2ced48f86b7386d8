"""A bridge as a program of its own: ``run`` is all that a script needs.

What does not belong here: a program that has other things to do as well; that uses
:class:`vmodem.bridge.Bridge` on its reactor.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from vmodem.port.base import PortError
from vmodem.port.watching import CaptureTap, Tap, Trace

from .bridge import NULL_MODEM, Bridge, Wiring
from .ends import Line, To, make_end, waits_for
from .filter import Filter

#: What is written at the beginning, once both ends are there or being looked for.
READY = "bridge: ready: "


def run(
    line: str | Line | To,
    to: str | Line | To,
    *,
    filter: Filter | None = None,  # noqa: A002 - see Bridge
    trace: Callable[[str], None] | None = None,
    capture: str = "",
    wiring: Wiring = NULL_MODEM,
    name: str = "bridge",
    verbosity: int = 0,
) -> int:
    """Join two ends until told to stop (SIGINT, SIGTERM).  A text is a LINE for ``line``, a TARGET for
    ``to``; :class:`Line` and :class:`To` say which it is.

    ``trace`` gets a line of text for whatever happens, ``capture`` is a file for a packet analyser,
    ``verbosity`` is -1 (warnings), 0 or 1 (everything) and is about the log on standard error.  Returns an
    exit code: 0 ended in order, 1 the filter failed, 2 an end that is written wrongly, 69 one that cannot be
    had.
    """
    from vmodem import log
    from vmodem.net.reactor import install

    left = Line(line) if isinstance(line, str) else line
    right = To(to) if isinstance(to, str) else to
    reactor = install()
    log.begin("text", verbosity)
    codes = [0]

    def failed() -> None:
        codes.append(1)
        if reactor.running:
            reactor.stop()

    try:
        taps: list[Tap] = []
        if trace is not None:
            taps.append(Trace(trace, time.monotonic))
        bridge = Bridge(
            reactor,
            make_end(reactor, left, name=name),
            make_end(reactor, right, name=name),
            name=name,
            wiring=wiring,
            taps=taps,
            filter=filter,
            holds_line=waits_for(left),
            holds_target=waits_for(right),
            follows_line=left.kind == "pty",
            failed=failed,
        )
    except PortError as exc:
        return _refused(exc, 2)
    try:
        if capture:
            from vmodem.net.pcapfile import PcapFile

            bridge.watch(CaptureTap(PcapFile(capture)))
        bridge.start()
    except (PortError, OSError) as exc:
        return _refused(exc, 69)
    reactor.addSystemEventTrigger("before", "shutdown", bridge.stop)
    reactor.callWhenRunning(_say, f"{READY}{bridge.line.description} and {bridge.target.description}")
    reactor.run()
    return codes[-1]


def _refused(exc: Exception, code: int) -> int:
    _say(f"bridge: {exc}")
    return code


def _say(text: str) -> None:
    try:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        pass  # nobody reads; the bridge works all the same
