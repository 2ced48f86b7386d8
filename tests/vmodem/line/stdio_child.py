"""A program with the standard input and output line, for the tests of it.

Says "<data>" for what it hears, obeys "!stop", tells standard error what the line told it.
"""

from __future__ import annotations

import signal
import sys

from tests.helpers.reactors import Reactor
from vmodem.line.stdio import StdioLine


def main() -> None:
    reactor = Reactor()
    line = StdioLine(reactor)
    state = {"over": False, "blocked": False, "exit": False}
    signal.signal(signal.SIGINT, lambda *_: state.update(over=True))

    class User:
        def dte_received(self, data: bytes) -> None:
            if b"!exit" in data:
                state["exit"] = True
            if b"!stop" in data:
                state["over"] = True
            elif b"!flood" in data:
                while not state["blocked"]:
                    line.write(b"x" * 65536)
                tell(f"blocked {line.backlog > 0}")
            elif b"!rate" in data:
                tell(f"rate {line.rate}")
            elif b"!pause" in data:
                line.pause()
                tell("paused")
                reactor.callLater(0.2, line.resume)
            else:
                line.write(b"<" + data + b">")

        def dte_blocked(self) -> None:
            state["blocked"] = True

        def dte_drained(self) -> None:
            state["blocked"] = False
            tell("drained")

        def dtr_changed(self, on: bool) -> None:
            tell(f"dtr {on}")

        def line_finished(self) -> None:
            tell("finished")
            line.write(b"goodbye")
            state["over"] = True

    line.start(User())  # type: ignore[arg-type]
    while not state["over"]:
        reactor.run_for(0.01)
        if state["exit"]:
            sys.exit(3)
    reactor.wait_for(line.stop(), 0.5)
    tell(f"turns {reactor.turns}")
    reactor.dispose()


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
