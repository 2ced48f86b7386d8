"""What holds for every test: the rule about skips, and how long Hypothesis searches."""

from __future__ import annotations

import os
import signal

from hypothesis import HealthCheck, settings

from tests.helpers.apart import live_apart
from tests.helpers.noskip import pytest_make_collect_report, pytest_runtest_makereport

__all__ = ["pytest_make_collect_report", "pytest_runtest_makereport"]

# Started in the background by a shell, everything would ignore SIGINT, and so would all that the tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# One of several workers at a time (pytest-xdist), which would get into each other's way.
if "PYTEST_XDIST_WORKER" in os.environ:
    live_apart()

# No deadlines: how long one example takes says more about the machine's other work than about ours.
settings.register_profile("dev", deadline=None, max_examples=50)
settings.register_profile(
    "ci",
    deadline=None,
    max_examples=200,
    derandomize=False,  # each run looks elsewhere; a failure prints how to repeat it
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))
