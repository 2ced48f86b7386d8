"""``vmodem status``, ``top``, ``calls``, ``trace``, ``hangup``, ``busy``, ``pulse`` and ``reload``: talk to a
running vmodem."""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from .show import as_json, coloured, fitting, is_terminal, out, printable, table
from .verb import Verbs, add_verb, json_option, quiet_option, state_folder, state_option

if TYPE_CHECKING:
    from vmodem.control.client import ControlClient

#: How often ``top`` looks, in seconds.
TOP_S: Final = 1.0
#: Calls that ``calls`` shows unless told.
CALLS: Final = 20
_CLEAR: Final = "\x1b[H\x1b[J"

_ENDING = """
A vmodem is found by its state folder: give the --state-dir that it was started with.

exit codes: 0 done, 1 it could not be done, 69 no vmodem runs there, 77 it is another user's,
130 interrupted
"""
_Ask = Callable[[argparse.Namespace, "ControlClient"], None]


def add(verbs: Verbs) -> None:
    """Add the verbs."""
    parser = _verb(
        verbs,
        "status",
        _status,
        "how everything stands",
        "Show every modem, group and port of a running vmodem: its state, its line, its call or its clients.",
        """\
examples:
  vmodem status
  vmodem status --json | jq -r '.[] | select(.call) | .name'
      modems with a call
  vmodem status -q || systemctl restart vmodem
      only whether one runs
""",
    )
    json_option(parser)
    quiet_option(parser, "print nothing; the exit code tells whether one runs")
    parser = _verb(
        verbs,
        "top",
        _top,
        "the same, once a second",
        "Show how everything stands, anew each second, until Ctrl-C.",
        "examples:\n  vmodem top\n  vmodem top --json > states.jsonl\n      one line of JSON a second\n",
    )
    json_option(parser)
    parser = _verb(
        verbs,
        "calls",
        _calls,
        "the latest calls",
        "Show the latest calls: when, who, how long, how many bytes, why it ended.",
        "examples:\n  vmodem calls\n  vmodem calls -n 100 --json | jq '.[] | .duration_s'\n",
    )
    parser.add_argument(
        "-n", "--limit", metavar="N", type=_count, default=CALLS, help=f"how many (default {CALLS})"
    )
    json_option(parser)
    parser = _verb(
        verbs,
        "trace",
        _trace,
        "follow what happens on a line",
        "Show what happens on a line as it happens, until Ctrl-C.",
        "examples:\n  vmodem trace front\n  vmodem trace front --json | tee front.jsonl\n",
    )
    _line(parser)
    json_option(parser)
    parser = _verb(
        verbs,
        "hangup",
        _hang_up,
        "end a call, or send clients away",
        "End the call of a line: the far end sees an orderly close, the terminal equipment NO CARRIER.\n"
        "Of a port of the serial device server: send all its clients away.",
        "examples:\n  vmodem hangup front\n",
    )
    _line(parser)
    quiet_option(parser, "say nothing when it is done")
    parser = _verb(
        verbs,
        "busy",
        _busy,
        "make a line busy, or free",
        "Make a line busy for callers, or free again; a call that is up goes on.",
        "examples:\n  vmodem busy front on\n      for maintenance\n  vmodem busy front off\n",
    )
    _line(parser)
    parser.add_argument("switch", metavar="on|off", choices=("on", "off"), help="busy, or free")
    quiet_option(parser, "say nothing when it is done")
    parser = _verb(
        verbs,
        "pulse",
        _pulse,
        "change a port's circuits for a moment",
        "Do a sequence of line changes that the configuration names (pulses) at a port of the serial device\n"
        "server.",
        'examples:\n  vmodem pulse plc reset\n      where it has  pulses = { reset = "-dtr 100 +dtr" }\n',
    )
    _line(parser)
    parser.add_argument("pulse", metavar="PULSE", help="the sequence's name")
    quiet_option(parser, "say nothing when it has begun")
    parser = _verb(
        verbs,
        "reload",
        _reload,
        "read the configuration again",
        "Read the configuration again and become what it says; no call is dropped.  With a mistake in the\n"
        "file everything stays as it is.",
        "examples:\n  vmodem reload\n  vmodem check && vmodem reload\n",
    )
    json_option(parser)
    quiet_option(parser, "do not say what changed")


def _verb(
    verbs: Verbs, name: str, ask: _Ask, help_: str, description: str, examples: str
) -> argparse.ArgumentParser:
    def run(arguments: argparse.Namespace) -> int:
        from vmodem.control.client import ControlClient

        with ControlClient(state_folder(arguments)) as client:
            ask(arguments, client)
        return 0

    parser = add_verb(verbs, name, run, help=help_, description=description, examples=examples + _ENDING)
    state_option(parser)
    return parser


def _line(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="LINE", help="the name of a modem or port, as vmodem status shows it")


def _count(text: str) -> int:
    from vmodem.control.protocol import CALLS_LIMIT

    number = int(text)
    if not 1 <= number <= CALLS_LIMIT:
        raise ValueError
    return number


# -- what they do --------------------------------------------------------------------------------------------


def _status(arguments: argparse.Namespace, client: ControlClient) -> None:
    found = client.ask("status")
    if not arguments.quiet:
        out(as_json(found) if arguments.json else state_table(found, coloured(sys.stdout)))


def _top(arguments: argparse.Namespace, client: ControlClient) -> None:
    live = is_terminal(sys.stdout) and not arguments.json
    while True:
        found = client.ask("status")
        if arguments.json:
            out(as_json(found))
        else:
            now = time.strftime("%H:%M:%S")
            out(_screen(now, state_table(found)) if live else f"{now}\n{state_table(found)}\n")
        time.sleep(TOP_S)


def _screen(now: str, text: str) -> str:
    """A whole screen: no more than there is room for, so that nothing scrolls."""
    size = shutil.get_terminal_size()
    shown = fitting(f"{now}  (Ctrl-C ends)\n{text}", size.columns, size.lines).split("\n")
    if coloured(sys.stdout) and len(shown) > 1:
        shown[1] = f"\x1b[1m{shown[1]}\x1b[0m"
    return _CLEAR + "\r\n".join(shown)


def _calls(arguments: argparse.Namespace, client: ControlClient) -> None:
    found = client.ask("calls", limit=arguments.limit)
    out(as_json(found) if arguments.json else calls_table(found, coloured(sys.stdout)))


def _trace(arguments: argparse.Namespace, client: ControlClient) -> None:
    from vmodem.control.client import ControlError

    for text in client.trace(arguments.name, 1 if sys.stdout is not None else -1):
        out(as_json({"line": arguments.name, "text": text}) if arguments.json else f"{printable(text)}\n")
    raise ControlError("the running vmodem has ended", 69)


def _hang_up(arguments: argparse.Namespace, client: ControlClient) -> None:
    client.ask("hangup", name=arguments.name)
    _done(arguments, f"{arguments.name}: hung up")


def _busy(arguments: argparse.Namespace, client: ControlClient) -> None:
    on = arguments.switch == "on"
    client.ask("busy", name=arguments.name, on=on)
    _done(arguments, f"{arguments.name}: {'busy for callers' if on else 'free'}")


def _pulse(arguments: argparse.Namespace, client: ControlClient) -> None:
    client.ask("pulse", name=arguments.name, pulse=arguments.pulse)
    _done(arguments, f"{arguments.name}: {arguments.pulse} has begun")


def _reload(arguments: argparse.Namespace, client: ControlClient) -> None:
    changes = client.ask("reload")
    if arguments.json:
        out(as_json(changes))
    elif not arguments.quiet:
        out("".join(f"{printable(str(each))}\n" for each in changes) or "nothing has changed\n")


def _done(arguments: argparse.Namespace, text: str) -> None:
    if not arguments.quiet:
        out(f"{printable(text)}\n")


# -- how it looks --------------------------------------------------------------------------------------------


def state_table(found: Any, colour: bool = False) -> str:
    """The answer to ``status``, for people."""
    rows = [_state(str(key), each) for key, each in found.items() if isinstance(each, Mapping)]
    return table(("NAME", "WHAT", "STATE", "LINE", "CALL"), rows, colour) if rows else "nothing runs\n"


def _state(key: str, state: Mapping[str, Any]) -> tuple[str, ...]:
    free = state.get("free")
    words = str(state.get("state", ""))
    if not words and isinstance(free, int) and not isinstance(free, bool):
        words = f"{free} of {len(state.get('modems', ()))} free"
    if state.get("busied"):
        words += ", busied"
    if state.get("leaving"):
        words += ", leaving"
    if state.get("missing"):
        words += ", no device"
    where = state.get("line") or ", ".join(map(str, state.get("listening", ())))
    return (
        str(state.get("name", key)),
        str(state.get("what", "")),
        words,
        str(where),
        _call(state),
    )


def _call(state: Mapping[str, Any]) -> str:
    clients = state.get("clients")
    if isinstance(clients, list):
        shown = [str(each.get("address", "")) for each in clients[:3] if isinstance(each, Mapping)]
        return ", ".join(shown) + (f" and {len(clients) - 3} more" if len(clients) > 3 else "") or "-"
    call = state.get("call")
    if not isinstance(call, Mapping):
        return str(call or "-")
    way = "from" if call.get("direction") == "in" else "to"
    number, peer = str(call.get("number", "")), str(call.get("peer", ""))
    return f"{way} {number}" + (f" ({peer})" if peer and peer != number else "")


def calls_table(found: Any, colour: bool = False) -> str:
    """The answer to ``calls``, for people."""
    rows = [
        (
            str(each.get("date", "")),
            str(each.get("modem", "")),
            "from" if each.get("direction") == "in" else "to",
            str(each.get("number", "")),
            f"{float(each.get('duration_s') or 0):.1f}" if each.get("connected") else "-",
            str(each.get("sent", 0)),
            str(each.get("received", 0)),
            str(each.get("reason", "")),
        )
        for each in found
        if isinstance(each, Mapping)
    ]
    headings = ("DATE", "MODEM", "WAY", "NUMBER", "SECONDS", "SENT", "RECEIVED", "ENDED")
    return table(headings, rows, colour) if rows else "no calls yet\n"
