# SPDX-License-Identifier: Apache-2.0
"""What is remembered of a history is what is in it, whatever was added meanwhile."""

import os
import shutil
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livefw.activation.history import cache
from livefw.activation.history.cache import HistoryCache
from livefw.activation.history.journal import HistoryRow, Journal, RowKind

KEYS = ("lfa:a", "lfa:b")
ASKED = [(key, kind, limit) for key in KEYS for kind in (RowKind.OUTCOME, RowKind.STAGED) for limit in (1, 3)]
STEPS = st.lists(st.tuples(st.sampled_from(KEYS), st.sampled_from([RowKind.OUTCOME, RowKind.STAGED]), st.booleans()))


LATER_NS = 10**11


def _later() -> int:
    return time.time_ns() + LATER_NS


def _told(source: HistoryCache, folder: Path) -> list[list[HistoryRow]]:
    with source.of(str(folder), "/") as rows:
        return [rows.recent(key, kind, limit=limit) for key, kind, limit in ASKED] if rows else []


CLOCKS = {"just written": time.time_ns, "written long ago": _later, "written in the future": lambda: 0}


@pytest.mark.parametrize("clock", CLOCKS)
@settings(max_examples=30)
@given(steps=STEPS)
def test_it_tells_what_is_there(
    clock: str, steps: list[tuple[str, RowKind, bool]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("history")
    remembered = HistoryCache(wall_ns=CLOCKS[clock])
    for number, (key, kind, anew) in enumerate(steps):
        if anew:
            shutil.rmtree(folder)  # as by somebody who begins a new one
            assert _told(remembered, folder) == []
        journal = Journal.open(str(folder))
        journal.note(kind, key, {"number": number})
        for path in folder.glob("history.db*"):
            os.utime(path, ns=(number, number))  # another time each, as between looks that are a tick apart
        assert _told(remembered, folder) == _told(HistoryCache(), folder)
        journal.close()
        assert _told(remembered, folder) == _told(HistoryCache(), folder)


def test_what_has_long_been_the_same_is_not_opened_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal.open(str(tmp_path))
    journal.note(RowKind.OUTCOME, KEYS[0], {})
    remembered = HistoryCache(wall_ns=_later)
    first = _told(remembered, tmp_path)
    with monkeypatch.context() as patched:
        patched.delattr(Journal, "open_to_read")
        assert _told(remembered, tmp_path) == first
    journal.note(RowKind.OUTCOME, KEYS[0], {})
    assert len(_told(remembered, tmp_path)[1]) == 2
    journal.close()


def test_a_time_that_two_writes_may_share_proves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time_ns()
    monkeypatch.setattr(cache, "_stamp", lambda _: cache._Stamp((), now))
    remembered = HistoryCache(wall_ns=lambda: now + 2 * 10**9)
    journal = Journal.open(str(tmp_path))
    for count in range(1, 4):
        journal.note(RowKind.OUTCOME, KEYS[0], {})
        assert len(_told(remembered, tmp_path)[1]) == count
    journal.close()


def test_only_so_much_is_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_LIMIT", 10)
    Journal.open(str(tmp_path)).close()
    remembered = HistoryCache(wall_ns=_later)
    for number in range(100):
        with remembered.of(str(tmp_path), "/") as rows:
            assert rows is not None
            assert rows.recent(f"lfa:{number}", RowKind.OUTCOME, limit=1) == []
    assert len(remembered._known) <= 11
