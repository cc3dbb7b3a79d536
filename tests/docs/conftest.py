# SPDX-License-Identifier: Apache-2.0
"""Counts of the commands that the documents show; `tests/conftest.py` tells them at the end of the run."""

from collections import Counter
from collections.abc import Iterable
from typing import Any


def summary(properties: Iterable[tuple[str, Any]]) -> list[str]:
    """The line for all pages of a run; none where no page was run."""
    pages = [value for name, value in properties if name == "docs"]
    if not pages:
        return []
    not_run: Counter[str] = Counter()
    for each in pages:
        not_run.update(each["no-run"])
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(not_run.items())) or "none"
    return [
        f"docs: {sum(each['commands'] for each in pages)} commands on {len(pages)} pages; blocks not run: {reasons}"
    ]
