# SPDX-License-Identifier: Apache-2.0
"""A suite's results as text, as a document for JSON, and as JUnit XML. Nothing in them depends on when or where."""

import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

from livefw.conformance.checks import DANGEROUS
from livefw.conformance.run import CheckResult, CheckVerdict
from livefw.conformance.tree import TreeResult

_MARKS = {CheckVerdict.PASSED: "ok  ", CheckVerdict.FAILED: "FAIL", CheckVerdict.NOT_APPLICABLE: "n/a "}


class ConformanceReport(NamedTuple):
    """All results against one profile of an agent, or one version of a driver."""

    profile: str
    """Name of the agent profile, or of the driver version."""
    cpus: int
    """Number of CPUs that took part; 0 for a driver's tree."""
    results: tuple[CheckResult | TreeResult, ...]

    @property
    def failed(self) -> bool:
        """Whether a check failed."""
        return any(result.verdict is CheckVerdict.FAILED for result in self.results)

    def count(self, verdict: CheckVerdict) -> int:
        """How many checks ended so."""
        return Counter(result.verdict for result in self.results)[verdict]

    def text(self) -> str:
        """A line for each check, and the sums."""
        lines = []
        for check, verdict, detail in self.results:
            lines.append(f"  {_MARKS[verdict]} {check.name}  [{check.source}]")
            if detail:
                lines.append(f"         {detail}")
        sums = ", ".join(f"{self.count(verdict)} {verdict}" for verdict in CheckVerdict)
        left_out = sum(self.profile in check.profiles for check in DANGEROUS)
        if left_out and not any(result.check.dangerous for result in self.results):
            lines.append(f"  {left_out} checks that can harm correct firmware were skipped: see --dangerous")
        about = f"{self.profile}, {self.cpus} CPUs" if self.cpus else self.profile
        return "\n".join([f"{about}: {sums}", *lines])

    def document(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "profile": self.profile,
            "cpus": self.cpus,
            "counts": {verdict.value: self.count(verdict) for verdict in CheckVerdict},
            "checks": [
                {
                    "name": check.name,
                    "source": check.source,
                    "dangerous": check.dangerous,
                    "verdict": verdict.value,
                    "detail": detail,
                }
                for check, verdict, detail in self.results
            ],
        }


def junit(reports: Iterable[ConformanceReport]) -> str:
    """JUnit XML: a suite for each profile."""
    root = ElementTree.Element("testsuites", name="livefw conformance")
    for report in reports:
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=report.profile,
            tests=str(len(report.results)),
            failures=str(report.count(CheckVerdict.FAILED)),
            skipped=str(report.count(CheckVerdict.NOT_APPLICABLE)),
        )
        for check, verdict, detail in report.results:
            case = ElementTree.SubElement(suite, "testcase", name=check.name, classname=f"livefw.{report.profile}")
            properties = ElementTree.SubElement(case, "properties")
            ElementTree.SubElement(properties, "property", name="source", value=check.source)
            if verdict is CheckVerdict.FAILED:
                ElementTree.SubElement(case, "failure", message=detail)
            elif verdict is CheckVerdict.NOT_APPLICABLE:
                ElementTree.SubElement(case, "skipped", message=detail)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"
