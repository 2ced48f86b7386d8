"""``vmodem dial``: a call from this terminal, without a modem in between."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any, Final

from .show import as_json, complain, out, printable
from .verb import Verbs, add_verb, config_option, json_option, talk_options, verbosity

if TYPE_CHECKING:
    from atparser.actions import CallFailure
    from vmodem.call.originate import Originator, Route
    from vmodem.config.schema import Config, DirectoryConfig
    from vmodem.net.stream import Ending, Stream

    from .session import Session

_EXAMPLES = """\
examples:
  vmodem dial 5551234
      what a modem would connect to when it dials this number; ~. at the beginning of a line hangs up
  vmodem dial --dry-run 5551234
      say which rule of the directory matches and where it leads, and reach for nothing
  vmodem dial bbs.example.net:23
      an address will do as well
  printf 'GET / HTTP/1.0\\r\\n\\r\\n' | vmodem dial 192.0.2.7:80
      pipes: when input ends, the rest of the answer is still read

exit codes: 0 connected, and ended in order; 3 NO CARRIER (also an unknown number), 6 NO DIALTONE,
7 BUSY, 8 NO ANSWER, 78 wrong configuration
"""

#: How long a call may take to be answered, in seconds.
TIMEOUT_S: Final = 60.0
NO_CARRIER: Final = 3
NO_DIALTONE: Final = 6
BUSY: Final = 7
NO_ANSWER: Final = 8
_WORDS: Final = {
    NO_CARRIER: "NO CARRIER",
    NO_DIALTONE: "NO DIALTONE",
    BUSY: "BUSY",
    NO_ANSWER: "NO ANSWER",
}
_INSIDE: Final = ("line", "group", "loop")


def add(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(
        verbs,
        "dial",
        _run,
        help="call a number from this terminal",
        description="Look a number up as a modem does and connect this terminal to what it stands for.",
        examples=_EXAMPLES,
    )
    parser.add_argument("number", metavar="NUMBER", help="a number, a name or an address, as after ATDT")
    parser.add_argument("--dry-run", action="store_true", help="say what would be called, and do not call")
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=_seconds,
        default=TIMEOUT_S,
        help="how long a call may take to be answered (default 60)",
    )
    config_option(parser)
    json_option(parser)
    talk_options(parser, "log how the call is placed", "say nothing but what the far end sends")


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= 86400:
        raise ValueError
    return seconds


def _run(arguments: argparse.Namespace) -> int:
    from vmodem.config import Config, load_config
    from vmodem.config.search import find_config

    if arguments.json and not arguments.dry_run:
        arguments.parser.error("--json goes with --dry-run")
    path = arguments.config or find_config()
    config = load_config(path) if path else Config()

    from vmodem import log
    from vmodem.net.reactor import install

    reactor = install()
    log.begin("text", 1 if verbosity(arguments) > 0 else -1)
    job = _Look(reactor, config, arguments) if arguments.dry_run else _Call(reactor, config, arguments)
    reactor.callWhenRunning(job.begin)
    reactor.run()
    if job.unwritten is not None:
        raise job.unwritten
    return job.code


class _Job:
    """What the two ways of dialling share: the directory, and the end."""

    def __init__(self, reactor: Any, config: Config, arguments: argparse.Namespace) -> None:
        from atparser.dialstring import parse_dial
        from vmodem.app.board import Switchboard
        from vmodem.config import Config

        self.reactor = reactor
        self.code = 130  # until something else is known: interrupted
        #: Why what there was to say could not be written: the reactor must not run on over it.
        self.unwritten: OSError | None = None
        self.quiet = bool(arguments.quiet)
        self.board = Switchboard(reactor)
        self.board.configure(Config(directory=self.directory(config)))  # no modems: nothing is announced
        # T is what a modem strips, so that no name loses its first letter.
        self.dial = parse_dial("T" + arguments.number)
        reactor.addSystemEventTrigger("before", "shutdown", self.board.close)

    def directory(self, config: Config) -> DirectoryConfig:
        """The directory that is looked into."""
        return config.directory

    def originator(self, offer: Any) -> Originator:
        from vmodem.call.originate import Originator
        from vmodem.net.admission.rules import DialRules

        return Originator(
            self.reactor,
            self.board.directory,
            DialRules(),
            offer,
            name="vmodem dial",
            resolver=self.board.resolver,
            numberings=self.board.numberings,
        )

    def finish(self, code: int) -> None:
        self.code = code
        if self.reactor.running:
            self.reactor.stop()

    def say(self, text: str) -> None:
        """Tell people; the terminal is never raw meanwhile."""
        if not self.quiet:
            complain(text)


class _Look(_Job):
    """``--dry-run``."""

    def __init__(self, reactor: Any, config: Config, arguments: argparse.Namespace) -> None:
        super().__init__(reactor, config, arguments)
        self._json = bool(arguments.json)
        self._number = str(arguments.number)
        self._asked: list[Any] = []

    def directory(self, config: Config) -> DirectoryConfig:
        from dataclasses import replace

        return replace(config.directory, lan=False)  # nothing is reached for but DNS

    def begin(self) -> None:
        origin = self.originator(lambda *_: False)
        self._origin = origin
        self._asked = list(origin.numberings) if origin.is_number(self.dial) else []
        self._next("")

    def _next(self, reason: str) -> None:
        if self._asked:
            self._asked.pop(0).find(self.dial.number, self._numbered, self._next)
            return
        from vmodem.call.originate import CallError

        try:
            plan = self._origin.plan(self.dial)
        except CallError as exc:
            text = "; ".join(filter(None, (str(exc), reason)))
            complain(f"{self._number}: {text}")
            answer: dict[str, Any] = {"number": self._number, "rule": None, "targets": [], "error": text}
            self._out(as_json(answer) if self._json else "", NO_CARRIER)
            return
        if plan.match is None:
            self._show("", [plan.target])
        else:
            self._show(plan.match.rule, [plan.target], plan.match.entry.note)

    def _numbered(self, targets: list[Any], rule: str) -> None:
        self._show(rule, targets)

    def _out(self, text: str, code: int) -> None:
        """The one thing there is to say, and the end."""
        try:
            out(text)
        except OSError as exc:
            self.unwritten = exc
        self.finish(code)

    def _show(self, rule: str, targets: list[Any], note: str = "") -> None:
        if self._json:
            found = {
                "number": self._number,
                "rule": rule or None,
                "targets": [str(target) for target in targets],
                "note": note,
            }
            self._out(as_json(found), 0)
        else:
            lines = [("number", self._number), ("rule", rule or "none: the address was dialled itself")]
            lines += [("target", str(target)) for target in targets]
            lines += [("note", note)] if note else []
            self._out("".join(f"{name + ':':8} {printable(text)}\n" for name, text in lines), 0)


class _Call(_Job):
    """The call itself."""

    def __init__(self, reactor: Any, config: Config, arguments: argparse.Namespace) -> None:
        super().__init__(reactor, config, arguments)
        self._timeout = float(arguments.timeout)
        self._attempt: Any = None
        self._timer: Any = None
        self._session: Session | None = None
        self._inside = ""

    def begin(self) -> None:
        self._timer = self.reactor.callLater(self._timeout, self._too_long)
        self._attempt = self.originator(self._offer).originate(self.dial, self._connected, self._failed)
        self.reactor.addSystemEventTrigger("before", "shutdown", self._shut_down)

    def _offer(self, target: Any, stream: Stream, caller: Any) -> bool:
        """Modems are those of another process, which is called at its listeners."""
        if target.kind in _INSIDE:
            self._inside = f"{target} is inside a running vmodem; call the address where it answers"
        return False

    def _connected(self, stream: Stream, route: Route) -> None:
        from .session import Session

        self._attempt = None
        self._cancel()
        self.say(f"CONNECT {route.peer}" + (f" ({route.rule})" if route.rule else ""))
        if sys.stdin.isatty():
            self.say("~. at the beginning of a line hangs up")
        self._session = Session(self.reactor, stream, self._over)

    def _failed(self, failure: CallFailure, reason: str) -> None:
        from atparser.actions import CallFailure

        self._attempt = None
        self._cancel()
        code = {
            CallFailure.REFUSED: BUSY,
            CallFailure.NO_ANSWER: NO_ANSWER,
            CallFailure.NO_NETWORK: NO_DIALTONE,
        }.get(failure, NO_CARRIER)
        if self._inside:
            code, reason = NO_CARRIER, self._inside
        self._lost(code, reason)

    def _too_long(self) -> None:
        self._timer = None
        if self._attempt is not None:
            self._attempt.cancel()
            self._attempt = None
        self._lost(NO_ANSWER, f"no answer within {self._timeout:g} s")

    def _over(self, ending: Ending | None) -> None:
        from vmodem.net.stream import Cause

        self._session = None
        if ending is None or ending.cause is Cause.FINISHED:
            self.say("NO CARRIER" if ending is not None else "hung up")
            self.finish(0)
        else:
            self._lost(NO_CARRIER, ending.detail)

    def _lost(self, code: int, reason: str) -> None:
        self.say(f"{_WORDS[code]}: {reason}")
        self.finish(code)

    def _shut_down(self) -> None:
        self._cancel()
        if self._attempt is not None:
            self._attempt.cancel()
            self._attempt = None
        if self._session is not None:
            self._session.leave()
            self._session = None

    def _cancel(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
