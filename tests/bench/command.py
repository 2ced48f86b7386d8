"""The command line of ``bin/bench``."""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .process import Failed
from .scenarios import SCENARIOS, Plan
from .sides import Peers

_DESCRIPTION = """\
Measures this checkout's vmodem on this machine and prints figures; it judges none.  Everything happens on
loopback and in a temporary folder, and only programs started here are ended.  On a machine with other work
compare ratios rather than figures, and processor time rather than speed.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the scenarios; returns the exit code: 0, or 1 when something could not be measured."""
    parser = argparse.ArgumentParser(prog="bin/bench", description=_DESCRIPTION)
    names = ", ".join(SCENARIOS)
    parser.add_argument("scenario", nargs="*", help=f"{names} (default: all)", metavar="SCENARIO")
    parser.add_argument("--rounds", type=int, metavar="N", help="rounds whose median is printed (default 5)")
    parser.add_argument("--quick", action="store_true", help="smaller counts, 3 rounds")
    parser.add_argument("--json", action="store_true", help="print the tables as JSON")
    arguments = parser.parse_args(argv)
    for name in arguments.scenario:
        if name not in SCENARIOS:
            parser.error(f"{name}: there is no such scenario; there are {names}")
    rounds = arguments.rounds or (3 if arguments.quick else 5)
    if rounds < 1:
        parser.error("--rounds: at least 1")
    signal.signal(signal.SIGTERM, _terminated)
    began = time.monotonic()
    status = 0
    shown: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="vmodem-bench-") as name:
        peers = Peers(Path(name))
        machine = f"{len(os.sched_getaffinity(0))} cores, {platform.system()} {platform.release()}"
        machine += f", Python {platform.python_version()}, medians of {rounds}"
        notes = [machine, *peers.missing]
        if not arguments.json:
            print("\n".join(notes), end="\n\n", flush=True)
        for scenario in arguments.scenario or SCENARIOS:
            folder = Path(name) / scenario
            folder.mkdir(exist_ok=True)
            try:
                for table in SCENARIOS[scenario](Plan(folder, peers, rounds, arguments.quick)):
                    if arguments.json:
                        shown.append(table.plain())
                    else:
                        print(table.text(), flush=True)
            except (Failed, OSError) as exc:
                print(f"bench: {scenario}: {exc}", file=sys.stderr)
                status = 1
    if arguments.json:
        print(json.dumps({"notes": notes, "tables": shown}, indent=2))
    else:
        print(f"taken: {time.monotonic() - began:.0f} s")
    return status


def _terminated(*_: Any) -> None:
    sys.exit(143)  # by way of every "finally", which ends what was started
