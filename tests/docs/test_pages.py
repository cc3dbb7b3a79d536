# SPDX-License-Identifier: Apache-2.0
"""Every command that the documents show runs, and writes what they show."""

import os
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from .page import CHECKOUT, NO_RUN, PAGES, Step, actions, blocks
from .runner import OTHERS, differences, mounts, programs


def _pages() -> list[object]:
    """One test for each page, marked as other tests are that need the same."""
    made: list[object] = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        marks = [pytest.mark.fuse] if mounts(text) else []
        marks += [pytest.mark.fwupd] if "fwupdmgr" in programs(text) else []
        made.append(pytest.param(page, id=page.relative_to(CHECKOUT).as_posix(), marks=marks))
    return made


@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", _pages())
def test_a_page_shows_what_its_commands_write(page: Path, record_property: Callable[[str, object], None]) -> None:
    text = page.read_text(encoding="utf-8")
    if mounts(text) and not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("/dev/fuse is missing or not allowed")
    for program in programs(text):
        if not shutil.which(program):
            pytest.skip(f"no {program}; on Debian: apt-get install {OTHERS[program]}")
    commands = sum(isinstance(each, Step) for each in actions(text))
    not_run = Counter(each.no_run for each in blocks(text) if each.no_run)
    record_property("docs", {"commands": commands, "no-run": dict(not_run)})
    found = [*differences(text, str(page.relative_to(CHECKOUT)))]
    assert not found, "\n".join(map(str, found)) + f"python -m tests.docs {page.relative_to(CHECKOUT)} writes it anew"


def test_most_blocks_are_run() -> None:
    shown = [each for page in PAGES for each in blocks(page.read_text(encoding="utf-8"))]
    not_run = Counter(each.no_run for each in shown if each.no_run)
    assert not_run.keys() <= NO_RUN
    consoles = sum(each.language == "console" for each in shown)
    assert not_run.total() <= consoles / 4, not_run
