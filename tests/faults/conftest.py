# SPDX-License-Identifier: Apache-2.0
"""Where disks that fail are kept, and counts of what was tried, which `tests/conftest.py` tells at the end."""

import gc
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

_PROPERTY = "faults"
Count = Callable[..., None]
"""Counts what was tried in a test, by name."""


@pytest.fixture(autouse=True)
def _nothing_older_is_looked_at() -> Iterator[None]:
    """Collections of garbage, of which each error has one, look only at what a test has made: in a process with all
    tests there are a million objects."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def count(record_property: Callable[[str, object], None]) -> Count:
    """Hands its counts to the summary; as a property of the test's report, so that they come back from any process."""
    counted: dict[str, int] = {}
    record_property(_PROPERTY, counted)  # now, and filled later: the report is made before fixtures end

    def add(**found: int) -> None:
        for name, number in found.items():
            counted[name] = counted.get(name, 0) + number

    return add


@pytest.fixture
def folder() -> Iterator[Path]:
    """In memory where there is a place for it: what is safe is known here, and a slow fsync shows nothing more."""
    memory = "/dev/shm" if os.path.isdir("/dev/shm") else None
    with tempfile.TemporaryDirectory(dir=memory, prefix="livefw-faults-") as found:
        yield Path(found)


def summary(properties: Iterable[tuple[str, Any]]) -> list[str]:
    """The line for all counts of a run; none where nothing was counted."""
    counted: Counter[str] = Counter()
    for name, value in properties:
        if name == _PROPERTY:
            counted.update(value)
    if not counted:
        return []
    told = ", ".join(f"{counted[name]:,} {text}" for name, text in _TEXTS.items())
    return [f"faults: {told}; {counted['disagree']} in which outcome, record and machine do not agree"]


_TEXTS = {
    "cases": "pieces of work",
    "operations": "operations on the disk",
    "errors": "of them failed by an errno",
    "cuts": "power cuts",
    "states": "states found afterwards",
}
