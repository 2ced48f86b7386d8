"""A pytest plugin: with VMODEM_NO_SKIP set, a test that skips has failed.

Where everything was installed that tests need, a skip is a hole nobody looks at. Exempt are expected
failures, and tests marked ``machine``, for whose needs there is no package.
"""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest


def _forbidden() -> bool:
    return os.environ.get("VMODEM_NO_SKIP", "0") not in ("", "0")


def _fail(report: pytest.TestReport | pytest.CollectReport) -> None:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    report.outcome = "failed"
    report.longrepr = f"VMODEM_NO_SKIP is set and this did not run: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    expected = hasattr(report, "wasxfail") or item.get_closest_marker("machine") is not None
    if report.skipped and _forbidden() and not expected:
        _fail(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if report.skipped and _forbidden():
        _fail(report)
    return report
