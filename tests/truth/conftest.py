# SPDX-License-Identifier: Apache-2.0
"""Counts of what the tests of this folder played; `tests/conftest.py` tells them at the end of the run."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from ..in_memory import tmp_path
from .world import FIRMWARE, NOBODY_LIVES, TELLS_VERSIONS, Told

__all__ = ["tmp_path"]
_PROPERTY = "truth"
Tally = Callable[[str, str, Told], None]
"""Counts what was told on one kind of firmware, under one fault (empty for none)."""


@pytest.fixture
def tally(record_property: Callable[[str, object], None]) -> Tally:
    """Hands its counts to the summary; as a property of the test's report, so that they come back from any process."""
    counted: dict[str, int] = {}
    record_property(_PROPERTY, counted)  # now, and filled later: the report is made before fixtures end

    def count(firmware: str, fault: str, told: Told) -> None:
        key = "|".join((firmware, str(fault in NOBODY_LIVES), str(told.outcome), str(bool(told.untrue))))
        counted[key] = counted.get(key, 0) + 1

    return count


class Share:
    """How many of the histories that a question is about are unknown."""

    def __init__(self, rows: Iterable[tuple[list[str], int]], firmware: Iterable[str], *, alive: bool = False) -> None:
        wanted = frozenset(firmware)
        self.outcomes: Counter[str] = Counter()
        self.untrue = 0
        for (kind, nobody_lives, outcome, untrue), count in rows:
            if kind in wanted and not (alive and nobody_lives == "True"):
                self.outcomes[outcome] += count
                self.untrue += count * (untrue == "True")

    @property
    def unknown(self) -> str:
        """In per cent."""
        total = self.outcomes.total()
        return f"{100 * self.outcomes['unknown'] / total:.1f} %" if total else "none"


def summary(properties: Iterable[tuple[str, Any]]) -> list[str]:
    """The lines for all counts of a run; none where nothing was counted."""
    counted: Counter[str] = Counter()
    for name, value in properties:
        if name == _PROPERTY:
            counted.update(value)
    if not counted:
        return []
    rows = [(key.split("|"), count) for key, count in counted.items()]
    whole, reporting = Share(rows, FIRMWARE), Share(rows, TELLS_VERSIONS)
    living, both = Share(rows, FIRMWARE, alive=True), Share(rows, TELLS_VERSIONS, alive=True)
    outcomes = ", ".join(f"{count:,} {outcome}" for outcome, count in whole.outcomes.most_common())
    kinds = ", ".join(f"{kind} {Share(rows, (kind,)).unknown}" for kind in FIRMWARE)
    reported, dead = "of firmware that reports versions", " and ".join(NOBODY_LIVES)
    total = f"{whole.outcomes.total():,} histories, {whole.untrue} untrue"
    return [
        f"truth: {total}, {whole.unknown} unknown; {reported} {reporting.unknown}",
        f"truth: without {dead}, after which nobody lives to look: {living.unknown}; {reported} {both.unknown}",
        f"truth: {outcomes}",
        f"truth: unknown by firmware: {kinds}",
    ]
