# SPDX-License-Identifier: Apache-2.0
"""What holds for every test: profiles of the property tests, and no silent skip where all parts are required."""

import os
import signal
from collections.abc import Generator
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, settings

# `make test` is the same run each time; `make fuzz` and `make soak` (--hypothesis-profile) look for what it misses.
# A deadline on an example would measure the machine that runs the tests, not the code.
settings.register_profile("gate", derandomize=True, deadline=None)
settings.register_profile("soak", max_examples=500, deadline=None, print_blob=True)
settings.register_profile(
    "fuzz", max_examples=5_000, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("gate")

# A shell without job control starts what it puts in the background with SIGINT ignored, and every child inherits that:
# the tests of Ctrl-C would then wait for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# nohup does the same with SIGHUP, by which daemons are told to end.
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# With another one, what the tests write could be changed by a group, and would not be relied on.
os.umask(0o022)

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


def _refuse_skip(report: Report) -> Report:
    """Turn a skip into a failure under LIVEFW_REQUIRE=all; an expected failure is not a skip."""
    if os.environ.get("LIVEFW_REQUIRE") == "all" and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"LIVEFW_REQUIRE=all allows no skip: {reason}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Look at the result of each test."""
    return _refuse_skip((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Look at the result of collecting each module, which can be skipped as a whole."""
    return _refuse_skip((yield))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell the counts of tests/truth. Here, because a run in several processes knows of no other file in its first."""
    reports = [r for kind in ("passed", "failed") for r in terminalreporter.stats.get(kind, ())]
    told = [entry for report in reports for entry in getattr(report, "user_properties", ())]
    if not any(name == "truth" for name, _ in told):
        return
    from .truth.conftest import summary  # only where one of its tests has run

    for line in summary(told):
        terminalreporter.write_line(line)
