# SPDX-License-Identifier: Apache-2.0
"""The conformance suites as one call in somebody's own test: for an LFA agent, and for the sysfs tree of a driver."""

import os
import time
from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

from livefw.conformance.caller import CalleeCaller
from livefw.conformance.report import ConformanceReport
from livefw.conformance.run import CheckVerdict, run
from livefw.conformance.tree import CheckedFiles, CheckEffect, run_tree
from livefw.errors import UsageError
from livefw.files.host import HostFiles
from livefw.firmware.profile import PROFILES
from livefw.kernel.lfa import VERSIONS, DriverVersion
from livefw.testing.callee import AgentLike, WholeAgent

_MOST_CPUS = 4096

T = TypeVar("T")


class HasFiles(Protocol):
    """A modelled machine or driver."""

    @property
    def files(self) -> CheckedFiles:
        """Its files."""
        ...

    def pass_time(self, seconds: float) -> None:
        """Let time pass on it."""
        ...


class ConformanceError(AssertionError):
    """A suite found something. ``report`` has the results of all checks."""

    def __init__(self, report: ConformanceReport) -> None:
        failed = [result for result in report.results if result.verdict is CheckVerdict.FAILED]
        lines = [f"  {each.check.name}: {each.detail}  [{each.check.source}]" for each in failed]
        super().__init__("\n".join([f"not conforming to {report.profile}: {len(failed)} checks failed", *lines]))
        self.report = report


def conformance(
    agent: AgentLike | Callable[[], AgentLike], *, profile: str = "bet1", cpus: int = 4, dangerous: bool = False
) -> ConformanceReport:
    """Check an LFA agent for conformance with DEN0147 and what TF-A does, as far as a caller can see it.

    Args:
        agent: an agent with ``call(cpu, registers)``, or a function without arguments that makes a new one. With a
            function, each check starts from a cold boot. With an agent, checks that need one are not applicable.
        profile: what is expected, one of `livefw.testing.AGENTS`.
        cpus: number of CPUs that call it. Checks that need more are not applicable.
        dangerous: also run the checks that can leave a correct agent unusable.

    Returns:
        the results of all checks, none of which failed. ``report.text()`` lists them.

    Raises:
        ConformanceError: checks failed.
        livefw.errors.UsageError: there is no such profile, or the number of CPUs is out of range.
        TypeError: the agent returned something that is not the end of a call.

    What the agent raises passes through; a note on it names the check.
    """
    _one_of(profile, PROFILES, "agent profile")
    if not 1 <= cpus <= _MOST_CPUS:
        raise UsageError(f"{cpus} CPUs: between 1 and {_MOST_CPUS}")
    if hasattr(agent, "call") and not isinstance(agent, type):
        one = agent
        caller = CalleeCaller(lambda: WholeAgent(one), cpus=cpus, stays_on=True)
    elif callable(agent):
        make = agent
        caller = CalleeCaller(lambda: WholeAgent(make()), cpus=cpus)
    else:
        raise TypeError(f"{agent!r} has no method call(cpu, registers)")
    return _passed(ConformanceReport(profile, cpus, tuple(run(caller, profile=profile, dangerous=dangerous))))


def driver_conformance(
    driver: str | os.PathLike[str] | HasFiles,
    *,
    version: str | DriverVersion = "v3",
    writes: bool = False,
    activates: bool = False,
) -> ConformanceReport:
    """Check the sysfs tree of an LFA driver for conformance with the ABI document and the postings.

    Args:
        driver: a directory with ``sys/firmware/lfa`` below it (``/`` for this machine), or a modelled machine or
            driver: anything with ``files`` and ``pass_time(seconds)``.
        version: what is expected, one of `livefw.testing.DRIVERS`, or a row of one's own made from one of these by
            `dataclasses.replace`.
        writes: also run the checks that write: settings, which they put back, and requests that have to be refused.
        activates: also activate every component that can be activated. Includes ``writes``.

    Returns:
        the results of all checks, none of which failed.

    Raises:
        ConformanceError: checks failed.
        livefw.errors.UsageError: there is no such version.
        OSError: the directory cannot be opened.
    """
    row = version if isinstance(version, DriverVersion) else _one_of(version, VERSIONS, "driver version")
    effect = CheckEffect.ACTIVATES if activates else CheckEffect.SETS if writes else CheckEffect.READS
    if not isinstance(driver, (str, os.PathLike)):
        return _passed(
            ConformanceReport(row.name, 0, tuple(run_tree(driver.files, row, pause=driver.pass_time, effect=effect)))
        )
    files = HostFiles(os.fspath(driver))
    try:
        return _passed(ConformanceReport(row.name, 0, tuple(run_tree(files, row, pause=time.sleep, effect=effect))))
    finally:
        files.close()


def _passed(report: ConformanceReport) -> ConformanceReport:
    if report.failed:
        raise ConformanceError(report)
    return report


def _one_of(name: str, table: Mapping[str, T], what: str) -> T:
    if name not in table:
        raise UsageError(f"there is no {what} {name!r}; there are {', '.join(table)}")
    return table[name]
